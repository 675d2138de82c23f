// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for pools.
 */

#include "kunit.h"
#include "../pool.h"

static struct wsheap_pool *test_pool(struct kunit *test, size_t initial_size,
				     unsigned int reserve, unsigned int max_idle)
{
	struct wsheap_args args = { .name = "pooled", .initial_size = initial_size };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_64K, SZ_16K, &args,
						      reserve, max_idle);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

static void pool_heap_is_as_a_new_one(struct kunit *test)
{
	struct wsheap_pool *pool = test_pool(test, 0, 0, 0);
	unsigned int i, live = count_live();

	for (i = 0; i < 10; i++) {
		struct wsheap *heap = wsheap_pool_alloc(pool, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, heap);
		check_heap(test, heap);
		KUNIT_EXPECT_EQ(test, count_live(), live + 1);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		KUNIT_EXPECT_EQ(test, max_size_of(heap), SZ_64K);
		KUNIT_EXPECT_EQ(test, trim_size_of(heap), SZ_16K);
		KUNIT_EXPECT_STREQ(test, wsheap_name(heap), "pooled");
		take_blocks(test, heap, 50, 1000);
		wsheap_pool_free(pool, heap);
	}
	wsheap_pool_free(pool, NULL);
	wsheap_pool_destroy(pool);
	wsheap_pool_destroy(NULL);
	wsheap_pool_destroy(ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static void pool_refuses_bad_args(struct kunit *test)
{
	struct wsheap_args args = { .initial_size = 4096 };
	struct wsheap_args bad = { .flags = BIT(30) };
	unsigned int live = count_live();
	struct wsheap_pool *pool;

	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_pool_create(1, 1, &bad, 0, 0)), -EINVAL);
	/* a reset would take the reserve's memory */
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_pool_create(SZ_64K, 4096, &args, 1, 0)),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_pool_create(SZ_64K, 0, &args, 4, 0)),
			-EINVAL);
	/* and takes it, where none was asked for */
	pool = wsheap_pool_create(SZ_64K, 4096, &args, 0, 0);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, pool);
	wsheap_pool_destroy(pool);
	pool = wsheap_pool_create(SZ_64K, SZ_8K, &args, 1, 0);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, pool);
	wsheap_pool_destroy(pool);
	args.initial_size = SIZE_MAX;
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_pool_create(1, SIZE_MAX, &args, 1, 0)),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_pool_create(1, SIZE_MAX, &args, 0, 0)),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

#define IN_FLIGHT	100

static void idle_heaps_of_a_pool_are_bounded(struct kunit *test)
{
	static const unsigned int bounds[] = { 1, 3, 8, 20, 50, 1000 };
	unsigned int i, j, round, live = count_live();
	struct wsheap *heaps[IN_FLIGHT];

	for (i = 0; i < ARRAY_SIZE(bounds); i++) {
		struct wsheap_pool *pool = test_pool(test, 100, 2, bounds[i]);

		for (round = 0; round < 3; round++) {
			for (j = 0; j < IN_FLIGHT; j++) {
				heaps[j] = wsheap_pool_alloc(pool, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, heaps[j]);
				/* nobody else has it */
				KUNIT_ASSERT_EQ(test, requested_of(heaps[j]), 0);
				take_blocks(test, heaps[j], 1, 100);
			}
			for (j = 0; j < IN_FLIGHT; j++)
				wsheap_pool_free(pool, heaps[j]);
			KUNIT_EXPECT_EQ(test, count_live() - live - 2,
					min_t(unsigned int, bounds[i], IN_FLIGHT));
		}
		wsheap_pool_destroy(pool);
		KUNIT_EXPECT_EQ(test, count_live(), live);
	}
}

static void idle_heaps_go_under_pressure_and_no_others(struct kunit *test)
{
	struct wsheap_pool *pool = test_pool(test, 1000, 3, 40);
	struct shrink_control sc = { .nr_to_scan = 5 };
	unsigned int i, live = count_live() - 3;
	struct wsheap *heaps[20], *used;
	unsigned long count;
	char *p;

	used = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, used);
	p = wsheap_alloc(used, 5000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, 0x77, 5000);
	count = wsheap_pool_shrink_count(NULL, &sc);
	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heaps[i]);
		take_blocks(test, heaps[i], 3, 5000);
	}
	for (i = 0; i < ARRAY_SIZE(heaps); i++)
		wsheap_pool_free(pool, heaps[i]);
	KUNIT_EXPECT_EQ(test, wsheap_pool_shrink_count(NULL, &sc), count + 20);
	KUNIT_EXPECT_EQ(test, wsheap_pool_shrink_scan(NULL, &sc), 5);
	KUNIT_EXPECT_EQ(test, count_live(), live + 3 + 1 + 15);
	sc.nr_to_scan = 100;
	KUNIT_EXPECT_EQ(test, wsheap_pool_shrink_scan(NULL, &sc), 15);
	KUNIT_EXPECT_EQ(test, wsheap_pool_shrink_scan(NULL, &sc), SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, count_live(), live + 3 + 1);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, 0x77, 5000));
	check_heap(test, used);
	wsheap_pool_free(pool, used);
	wsheap_pool_destroy(pool);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static int shrink_fn(struct wsheap *heap, void *data)
{
	struct shrink_control sc = { .nr_to_scan = 100 };

	if (heap == data)
		wsheap_pool_shrink_scan(NULL, &sc);
	/* it is still whole */
	return heap == data && requested_of(heap) == 0;
}

static void pool_keeps_an_idle_heap_that_is_visited(struct kunit *test)
{
	struct wsheap_pool *pool = test_pool(test, 0, 0, 40);
	unsigned int i, live = count_live();
	struct wsheap *heaps[20];

	for (i = 0; i < ARRAY_SIZE(heaps); i++)
		heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(heaps); i++)
		wsheap_pool_free(pool, heaps[i]);
	KUNIT_EXPECT_EQ(test, wsheap_for_each(shrink_fn, heaps[7]), 1);
	KUNIT_EXPECT_EQ(test, count_live(), live + 1);
	KUNIT_EXPECT_PTR_EQ(test, wsheap_pool_alloc(pool, GFP_KERNEL), heaps[7]);
	wsheap_pool_free(pool, heaps[7]);
	wsheap_pool_destroy(pool);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

#ifdef kunit_activate_static_stub
/* The first so many bytes, from a heap that has them. */
static void take_reserved(struct kunit *test, struct wsheap *heap, size_t bytes)
{
	for (; bytes > 100; bytes -= 40)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 40, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, bytes, GFP_NOWAIT));
}

static void reserve_serves_when_there_is_no_memory(struct kunit *test)
{
	static const size_t initial[] = { 40, 3000, 6000, 12000 };
	struct wsheap *heaps[4], *others[10];
	unsigned int i, j, round;

	for (i = 0; i < ARRAY_SIZE(initial); i++) {
		struct wsheap_pool *pool = test_pool(test, initial[i], 4, 2);

		for (round = 0; round < 5; round++) {
			/* messages of all sorts have been in all heaps */
			for (j = 0; j < 10; j++) {
				others[j] = wsheap_pool_alloc(pool, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, others[j]);
				take_blocks(test, others[j], 5 * j, 300);
				take_blocks(test, others[j], round % 3, 12000);
			}
			for (j = 0; j < 10; j++)
				wsheap_pool_free(pool, others[j]);

			kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
			kunit_activate_static_stub(test, wsheap_object_alloc, no_object);
			/* two idle ones, and the reserve */
			for (j = 0; j < 2; j++)
				others[j] = wsheap_pool_alloc(pool, GFP_NOWAIT);
			for (j = 0; j < 4; j++) {
				heaps[j] = wsheap_pool_alloc(pool, j % 2 ? GFP_NOIO :
							     GFP_ATOMIC);
				KUNIT_ASSERT_NOT_NULL(test, heaps[j]);
				take_reserved(test, heaps[j], initial[i]);
				check_heap(test, heaps[j]);
			}
			KUNIT_EXPECT_NULL(test, wsheap_pool_alloc(pool, GFP_NOWAIT));
			KUNIT_EXPECT_NULL(test, wsheap_pool_alloc(pool, GFP_ATOMIC));
			/* what comes back goes to the reserve, and is whole */
			for (j = 0; j < 4; j++)
				wsheap_pool_free(pool, heaps[j]);
			KUNIT_EXPECT_EQ(test, pool->reserved, 4);
			for (j = 0; j < 2; j++)
				wsheap_pool_free(pool, others[j]);
			kunit_deactivate_static_stub(test, wsheap_backing_alloc);
			kunit_deactivate_static_stub(test, wsheap_object_alloc);
		}
		wsheap_pool_destroy(pool);
	}
}

static void idle_heaps_of_other_cpus_serve_without_memory(struct kunit *test)
{
	struct wsheap_pool *pool = test_pool(test, 0, 0, 20);
	struct wsheap *heaps[20], *heap;
	unsigned int i;

	for (i = 0; i < 20; i++)
		heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
	for (i = 0; i < 20; i++)
		wsheap_pool_free(pool, heaps[i]);
	/* as another CPU would find them: no slots of its own, no new heap */
	kunit_activate_static_stub(test, wsheap_object_alloc, no_object);
	for (i = 0; i < 20; i++) {
		heap = wsheap_pool_take_any(pool);
		KUNIT_ASSERT_NOT_NULL(test, heap);
		heap->pool = (unsigned long)pool;
		kunit_deactivate_static_stub(test, wsheap_object_alloc);
		take_blocks(test, heap, 10, 500);
		kunit_activate_static_stub(test, wsheap_object_alloc, no_object);
		heaps[i] = heap;
	}
	KUNIT_EXPECT_NULL(test, wsheap_pool_alloc(pool, GFP_KERNEL));
	for (i = 0; i < 20; i++)
		wsheap_pool_free(pool, heaps[i]);
	kunit_deactivate_static_stub(test, wsheap_object_alloc);
	wsheap_pool_destroy(pool);
}

static void large_reserve_is_left_while_there_is_memory(struct kunit *test)
{
	/* from vmalloc, and more than kmalloc has */
	static const size_t initial[] = { 9000, 12000, 20000, 300000,
					  KMALLOC_MAX_SIZE + 1 };
	struct wsheap *heaps[4];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(initial); i++) {
		struct wsheap_args args = { .initial_size = initial[i] };
		size_t trim = PAGE_ALIGN(initial[i] + sizeof(struct wsheap_chunk));
		struct wsheap_pool *pool;

		pool = wsheap_pool_create(WSHEAP_UNLIMITED, trim, &args, 2, 1);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
		for (j = 0; j < 4; j++) {
			heaps[j] = wsheap_pool_alloc(pool, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, heaps[j]);
			KUNIT_EXPECT_EQ(test, actual_of(heaps[j]), trim);
			KUNIT_EXPECT_EQ(test, pool->reserved, 2);
		}
		for (j = 0; j < 4; j++)
			wsheap_pool_free(pool, heaps[j]);
		wsheap_pool_destroy(pool);
	}
}

static void caller_that_may_sleep_waits_for_a_heap(struct kunit *test)
{
	static const unsigned int reserves[] = { 1, 3 };
	unsigned int i, j, round;

	for (i = 0; i < ARRAY_SIZE(reserves); i++) {
		struct wsheap_pool *pool = test_pool(test, 100, reserves[i], 0);
		struct pool_return ret = { .pool = pool };
		struct wsheap *heaps[3];
		unsigned long begin;

		INIT_DELAYED_WORK_ONSTACK(&ret.work, pool_return_fn);
		kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
		kunit_activate_static_stub(test, wsheap_object_alloc, no_object);
		for (round = 0; round < 3; round++) {
			for (j = 0; j < reserves[i]; j++) {
				heaps[j] = wsheap_pool_alloc(pool, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, heaps[j]);
			}
			ret.heap = heaps[0];
			schedule_delayed_work(&ret.work, HZ / 20);
			begin = jiffies;
			heaps[0] = wsheap_pool_alloc(pool, GFP_NOIO);
			KUNIT_EXPECT_PTR_EQ(test, heaps[0], ret.heap);
			/* it was woken, and did not just look again */
			KUNIT_EXPECT_LT(test, jiffies - begin, POOL_WAIT / 2);
			flush_delayed_work(&ret.work);
			for (j = 0; j < reserves[i]; j++)
				wsheap_pool_free(pool, heaps[j]);
			KUNIT_EXPECT_EQ(test, pool->reserved, reserves[i]);
		}
		kunit_deactivate_static_stub(test, wsheap_backing_alloc);
		kunit_deactivate_static_stub(test, wsheap_object_alloc);
		destroy_delayed_work_on_stack(&ret.work);
		wsheap_pool_destroy(pool);
	}
}

static void failed_pool_leaves_nothing(struct kunit *test)
{
	unsigned int live = count_live();
	struct wsheap_args args = { .initial_size = 100 };

	kunit_activate_static_stub(test, wsheap_object_alloc, failing_object);
	kunit_activate_static_stub(test, wsheap_class_get, failing_class);
	kunit_activate_static_stub(test, wsheap_backing_alloc, failing_backing);
	create_caches(test);
	/* the name, and then a heap and its chunk three times */
	for (fail_at = 1; fail_at <= 8; fail_at++) {
		struct wsheap_pool *pool;

		calls = 0;
		pool = wsheap_pool_create(SZ_64K, SZ_64K, &args, 3, 0);
		if (fail_at <= 7)
			KUNIT_EXPECT_EQ(test, PTR_ERR(pool), -ENOMEM);
		else
			KUNIT_EXPECT_NOT_ERR_OR_NULL(test, pool);
		KUNIT_EXPECT_EQ(test, calls, min(fail_at, 7));
		wsheap_pool_destroy(pool);
		KUNIT_EXPECT_EQ(test, count_live(), live);
	}
	destroy_caches();
}
#endif

static struct kunit_case wsheap_pool_cases[] = {
	KUNIT_CASE(pool_heap_is_as_a_new_one),
	KUNIT_CASE(pool_refuses_bad_args),
	KUNIT_CASE(idle_heaps_of_a_pool_are_bounded),
	KUNIT_CASE(idle_heaps_go_under_pressure_and_no_others),
	KUNIT_CASE(pool_keeps_an_idle_heap_that_is_visited),
#ifdef kunit_activate_static_stub
	KUNIT_CASE(reserve_serves_when_there_is_no_memory),
	KUNIT_CASE(idle_heaps_of_other_cpus_serve_without_memory),
	KUNIT_CASE(large_reserve_is_left_while_there_is_memory),
	KUNIT_CASE(caller_that_may_sleep_waits_for_a_heap),
	KUNIT_CASE(failed_pool_leaves_nothing),
#endif
	{}
};

static struct kunit_suite wsheap_pool_suite = {
	.name = "wsheap_pool",
	.test_cases = wsheap_pool_cases,
};

kunit_test_suite(wsheap_pool_suite);
