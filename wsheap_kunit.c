// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for message heaps and for what heaps of both kinds share.
 */

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/poison.h>

#include "tests/kunit.h"

/* The cases that run on each kind of heap. */
static const unsigned int flag_cases[] = { 0, WSHEAP_SERIALIZE, WSHEAP_CONTIG };

static void flag_case_name(const unsigned int *flags, char *desc)
{
	strscpy(desc, *flags & WSHEAP_SERIALIZE ? "serialized" :
		      *flags & WSHEAP_CONTIG ? "contiguous" : "plain",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(flags, flag_cases, flag_case_name);

static struct wsheap *flags_heap(struct kunit *test, size_t max, size_t trim)
{
	const unsigned int *flags = test->param_value;
	struct wsheap_args args = { .flags = *flags };

	return test_heap_args(test, max, trim, &args);
}

/*
 * Creation and properties.
 */

static void takes_nothing_but_the_object_at_creation(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, 65536, 64);

	KUNIT_EXPECT_EQ(test, max_size_of(heap), 65536);
	KUNIT_EXPECT_EQ(test, trim_size_of(heap), 64);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	KUNIT_EXPECT_EQ(test, count_chunks(heap), 0);
	destroy_checked(test, heap);
}

static void zeroed_args_mean_the_same_as_none(struct kunit *test)
{
	struct wsheap_args args = {};
	struct wsheap *heap = test_heap_args(test, 100, 10, &args);

	KUNIT_EXPECT_EQ(test, heap->node, NUMA_NO_NODE);
	KUNIT_EXPECT_EQ(test, heap->flags, 0);
	KUNIT_EXPECT_STREQ(test, wsheap_name(heap), "wsheap");
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	destroy_checked(test, heap);
}

static void copies_the_name(struct kunit *test)
{
	char name[] = "first";
	struct wsheap_args args = { .name = name };
	struct wsheap *heap = test_heap_args(test, 100, 10, &args);

	name[0] = 'x';
	KUNIT_EXPECT_STREQ(test, wsheap_name(heap), "first");
	destroy_checked(test, heap);
}

static void refuses_bad_args(struct kunit *test)
{
	static const struct wsheap_args bad[] = {
		{ .flags = BIT(0) },		/* a private heap's option */
		{ .flags = BIT(12) },
		{ .flags = BIT(24) },		/* one of our own */
		{ .flags = BIT(30) },
		{ .flags = BIT(31) },
		{ .chunk_gfp = __GFP_ZERO },
		{ .chunk_gfp = __GFP_NOFAIL },
		{ .chunk_gfp = __GFP_HIGHMEM },
		{ .chunk_gfp = __GFP_MOVABLE },
		{ .chunk_gfp = GFP_KERNEL },
		{ .chunk_gfp = GFP_ATOMIC },
		{ .chunk_gfp = __GFP_COMP },
		{ .chunk_gfp = __GFP_DMA | __GFP_DMA32 },
		{ .chunk_gfp = __GFP_DMA32, .flags = WSHEAP_CONTIG },
		{ .flags = WSHEAP_NODE, .node = MAX_NUMNODES },
		{ .flags = WSHEAP_NODE, .node = INT_MAX },
		{ .flags = WSHEAP_NODE, .node = -2 },
	};
	unsigned int live = count_live();
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR(wsheap_create(100, 10, &bad[i])),
				    -EINVAL, "case %d", i);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static void accepts_good_args(struct kunit *test)
{
	static const struct wsheap_args good[] = {
		{ .flags = WSHEAP_SERIALIZE },
		{ .flags = WSHEAP_CONTIG },
		{ .flags = WSHEAP_NODE },
		{ .flags = WSHEAP_NODE, .node = NUMA_NO_NODE },
		{ .node = -77 },		/* not looked at */
		{ .chunk_gfp = __GFP_ACCOUNT },
		{ .chunk_gfp = __GFP_NOWARN | __GFP_NORETRY },
		{ .chunk_gfp = __GFP_RETRY_MAYFAIL },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		struct wsheap *heap = wsheap_create(SZ_1M, 0, &good[i]);

		KUNIT_ASSERT_NOT_ERR_OR_NULL_MSG(test, heap, "case %d", i);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test,
				      wsheap_alloc(heap, 100000, GFP_KERNEL));
		destroy_checked(test, heap);
	}
}

static void initial_size_serves_its_bytes_without_growth(struct kunit *test)
{
	static const size_t sizes[] = { 1, 8, 480, 512, 4096, 8160, 8192,
					100000, SZ_1M };
	int i, flags;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (flags = 0; flags <= WSHEAP_SERIALIZE;
		     flags += WSHEAP_SERIALIZE) {
			struct wsheap_args args = {
				.flags = flags,
				.initial_size = sizes[i],
			};
			struct wsheap *heap;
			size_t actual, left;

			heap = test_heap_args(test, WSHEAP_UNLIMITED,
					      SIZE_MAX, &args);
			actual = actual_of(heap);
			KUNIT_EXPECT_GE(test, actual, sizes[i]);
			for (left = sizes[i]; left > 8; left -= 8)
				KUNIT_ASSERT_NOT_NULL(test,
						      wsheap_alloc(heap, 8,
								   GFP_NOWAIT));
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, left,
								 GFP_NOWAIT));
			KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
			KUNIT_EXPECT_EQ(test, requested_of(heap), sizes[i]);
			destroy_checked(test, heap);
		}
	}
}

static void refuses_an_absurd_initial_size(struct kunit *test)
{
	struct wsheap_args args = { .initial_size = SIZE_MAX };
	unsigned int live = count_live();

	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create(10, 0, &args)), -EOVERFLOW);
	args.initial_size = (size_t)INT_MAX + 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create(10, 0, &args)), -EOVERFLOW);
	args.flags = WSHEAP_CONTIG;
	args.initial_size = KMALLOC_MAX_SIZE;	/* no room for a header */
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create(10, 0, &args)), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static void unknown_property_leaves_the_value_untouched(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, 100, 10);
	static const int ids[] = { 4, 5, 100, -1, INT_MAX };
	size_t value = 0xdead;
	int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		KUNIT_EXPECT_EQ(test, wsheap_get_property(heap, ids[i], &value,
							  sizeof(value)), -EINVAL);
		KUNIT_EXPECT_EQ(test, value, 0xdead);
	}
	destroy_checked(test, heap);
}

static void wrong_value_size_leaves_the_value_untouched(struct kunit *test)
{
	static const size_t sizes[] = { 0, 1, sizeof(size_t) / 2,
					sizeof(size_t) - 1, sizeof(size_t) + 1,
					2 * sizeof(size_t), SIZE_MAX };
	struct wsheap *heap = test_heap(test, 100, 10);
	size_t value = 0xdead;
	int i, id;

	for (id = 0; id < 4; id++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			KUNIT_EXPECT_EQ(test,
					wsheap_get_property(heap, id, &value,
							    sizes[i]), -EINVAL);
		KUNIT_EXPECT_EQ(test, wsheap_get_property(heap, id, NULL,
							  sizeof(value)), -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, value, 0xdead);
	destroy_checked(test, heap);
}

static void null_is_ignored_by_reset_and_destroy(struct kunit *test)
{
	wsheap_reset(NULL);
	wsheap_destroy(NULL);
	wsheap_destroy(ERR_PTR(-ENOMEM));
}

static void free_attribute_destroys_at_the_end_of_scope(struct kunit *test)
{
#ifdef DEFINE_FREE
	unsigned int live = count_live();

	{
		struct wsheap *heap __free(wsheap) = wsheap_create(10, 0, NULL);
		struct wsheap *null __free(wsheap) = NULL;
		struct wsheap *error __free(wsheap) = ERR_PTR(-EINVAL);

		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, heap);
		KUNIT_EXPECT_NULL(test, null);
		KUNIT_EXPECT_TRUE(test, IS_ERR(error));
		KUNIT_EXPECT_EQ(test, count_live(), live + 1);
	}
	KUNIT_EXPECT_EQ(test, count_live(), live);
#else
	kunit_skip(test, "no cleanup.h in this kernel");
#endif
}

static void device_heap_goes_with_the_device(struct kunit *test)
{
	static const struct wsheap_args bad = { .flags = BIT(31) };
	unsigned int live = count_live();
	struct device *dev;
	struct wsheap *heap;

	dev = root_device_register("wsheap-test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	heap = devm_wsheap_create(dev, SZ_1M, 0, NULL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 100000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, PTR_ERR(devm_wsheap_create(dev, 1, 1, &bad)),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, count_live(), live + 1);
	root_device_unregister(dev);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

/* What a visitor of all heaps may do, and whom it keeps waiting. */
struct visitor {
	struct wsheap *heap;
	struct completion arrived, go_on;
	bool destroyed, destroyed_under_visit;
	unsigned int visits, atomic;
};

static int visit_fn(struct wsheap *heap, void *data)
{
	struct visitor *visitor = data;
	struct wsheap *other;

	visitor->visits++;
	visitor->atomic += irqs_disabled();
	other = wsheap_create(100, 0, NULL);
	if (!IS_ERR(other))
		wsheap_destroy(other);
	return 0;
}

static void visitor_of_all_heaps_holds_no_lock(struct kunit *test)
{
	struct visitor visitor = {};
	unsigned int live = count_live();
	struct wsheap *heap = test_heap(test, 100, 0);

	KUNIT_EXPECT_EQ(test, wsheap_for_each(visit_fn, &visitor), 0);
	KUNIT_EXPECT_EQ(test, visitor.visits, live + 1);
	KUNIT_EXPECT_EQ(test, visitor.atomic, 0);
	destroy_checked(test, heap);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static int wait_fn(struct wsheap *heap, void *data)
{
	struct visitor *visitor = data;

	if (heap != visitor->heap)
		return 0;
	complete(&visitor->arrived);
	wait_for_completion(&visitor->go_on);
	visitor->destroyed_under_visit = READ_ONCE(visitor->destroyed);
	/* it is still whole */
	return requested_of(heap) == 10 ? 42 : 43;
}

static int visitor_thread(void *data)
{
	return wsheap_for_each(wait_fn, data);
}

static int destroyer_thread(void *data)
{
	struct visitor *visitor = data;

	wsheap_destroy(visitor->heap);
	WRITE_ONCE(visitor->destroyed, true);
	return 0;
}

static struct task_struct *run_thread(struct kunit *test,
				      int (*fn)(void *data), void *data)
{
	struct task_struct *task = kthread_create(fn, data, "wsheap-test");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

static int join_thread(struct task_struct *task)
{
	int ret = kthread_stop(task);

	put_task_struct(task);
	return ret;
}

static void heap_is_destroyed_after_a_visit(struct kunit *test)
{
	struct task_struct *visiting, *destroying;
	unsigned int live = count_live();
	struct visitor visitor = {};

	visitor.heap = test_heap(test, 100, 0);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(visitor.heap, 10, GFP_KERNEL));
	init_completion(&visitor.arrived);
	init_completion(&visitor.go_on);
	visiting = run_thread(test, visitor_thread, &visitor);
	wait_for_completion(&visitor.arrived);
	destroying = run_thread(test, destroyer_thread, &visitor);
	schedule_timeout_uninterruptible(HZ / 10);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(visitor.destroyed));
	complete(&visitor.go_on);
	KUNIT_EXPECT_EQ(test, join_thread(visiting), 42);
	join_thread(destroying);
	KUNIT_EXPECT_TRUE(test, visitor.destroyed);
	KUNIT_EXPECT_FALSE(test, visitor.destroyed_under_visit);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

/*
 * Quota. Each case runs on all kinds of heaps, with blocks that share chunks
 * and with blocks that lie alone.
 */

struct quota_case {
	const char *name;
	unsigned int flags;
	size_t max_size;
};

static const struct quota_case quota_cases[] = {
	{ "small", 0, 256 },
	{ "small, serialized", WSHEAP_SERIALIZE, 256 },
	{ "small, contiguous", WSHEAP_CONTIG, 256 },
	{ "odd", 0, 257 },
	{ "one", 0, 1 },
	{ "a page", 0, 4096 },
	{ "a block of its own", 0, 100000 },
	{ "a block of its own, serialized", WSHEAP_SERIALIZE, 100000 },
	{ "a block of its own, contiguous", WSHEAP_CONTIG, 100000 },
	{ "large and odd", 0, 1234567 },
};

static void quota_case_name(const struct quota_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(quota, quota_cases, quota_case_name);

static struct wsheap *quota_heap(struct kunit *test, size_t *max_size)
{
	const struct quota_case *c = test->param_value;
	struct wsheap_args args = { .flags = c->flags };

	*max_size = c->max_size;
	return test_heap_args(test, c->max_size, 0, &args);
}

static void quota_is_granted_to_the_last_byte(struct kunit *test)
{
	size_t max;
	struct wsheap *heap = quota_heap(test, &max);
	struct wsheap_error err = {};

	/* in one block */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, max, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), max);
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, 1, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, err.asked, 1);
	KUNIT_EXPECT_EQ(test, err.in_use, max);
	KUNIT_EXPECT_EQ(test, err.limit, max);

	/* one below, then the last */
	wsheap_reset(heap);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, max - 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), max - 1);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 2, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));

	/* one above */
	wsheap_reset(heap);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, max + 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	destroy_checked(test, heap);
}

static void quota_counts_bytes_as_asked(struct kunit *test)
{
	static const size_t sizes[] = { 1, 3, 7, 8, 9, 13 };
	size_t max, sum, i;
	struct wsheap *heap = quota_heap(test, &max);

	/* Block by block to the end, where rounding would come too early. */
	for (sum = 0, i = 0; sum < max; i++) {
		size_t size = min(sizes[i % ARRAY_SIZE(sizes)], max - sum);

		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, size, GFP_KERNEL));
		sum += size;
		KUNIT_ASSERT_EQ(test, requested_of(heap), sum);
	}
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
	destroy_checked(test, heap);
}

static void refusal_is_neither_sticky_nor_charged(struct kunit *test)
{
	size_t max, actual;
	struct wsheap *heap = quota_heap(test, &max);
	int i;

	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 2 * max, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 1);
	actual = actual_of(heap);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, max, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 1);
	KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
	destroy_checked(test, heap);
}

static void full_quota_is_there_again_after_a_reset(struct kunit *test)
{
	size_t max;
	struct wsheap *heap = quota_heap(test, &max);
	int i;

	for (i = 0; i < 5; i++) {
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, max, GFP_KERNEL));
		/* a message that is not reset fails the next one */
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, max, GFP_KERNEL));
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		check_heap(test, heap);
	}
	destroy_checked(test, heap);
}

static void absurd_sizes_are_refused_everywhere(struct kunit *test)
{
	static const size_t maxima[] = { 0, 1, 100000, SIZE_MAX - 1,
					 WSHEAP_UNLIMITED };
	static const size_t sizes[] = {
		SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 6, SIZE_MAX - 7,
		SIZE_MAX - 8, SIZE_MAX - 63, SIZE_MAX - 4095, SIZE_MAX - 8191,
		SIZE_MAX / 2, SIZE_MAX / 2 + 1, (size_t)INT_MAX + 1,
	};
	size_t align;
	int i, j;

	/* with a chunk and without one */
	for (i = 0; i < 2 * ARRAY_SIZE(maxima); i++) {
		size_t in_use, max = maxima[i / 2];
		struct wsheap *heap = flags_heap(test, max, 0);

		if (i % 2)
			(void)wsheap_alloc(heap, 1, GFP_KERNEL);
		in_use = requested_of(heap);
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			struct wsheap_error err = {};
			size_t size = sizes[j];
			int code = -EOVERFLOW;

			/* On 32-bit, SIZE_MAX / 2 is the largest block. */
			if (size <= wsheap_largest_block(heap->flags))
				code = size > max - in_use ? -EDQUOT : -ENOMEM;
			KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, size,
								 GFP_KERNEL,
								 &err));
			KUNIT_EXPECT_EQ(test, err.code, code);
			KUNIT_EXPECT_EQ(test, err.asked, size);
			KUNIT_EXPECT_EQ(test, err.in_use, in_use);
			KUNIT_EXPECT_EQ(test, err.limit, max);
			KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, size, GFP_NOWAIT));
			KUNIT_EXPECT_NULL(test, wsheap_zalloc(heap, size, GFP_KERNEL));
			KUNIT_EXPECT_NULL(test, wsheap_calloc(heap, size, size, GFP_KERNEL));
			KUNIT_EXPECT_NULL(test, wsheap_calloc(heap, size, 1, GFP_KERNEL));
			KUNIT_EXPECT_NULL(test, wsheap_alloc_array(heap, 2, size, GFP_KERNEL));
			for (align = 1; align <= PAGE_SIZE; align *= 2)
				KUNIT_EXPECT_NULL(test,
						  wsheap_alloc_aligned(heap, size, align,
								       GFP_KERNEL));
		}
		KUNIT_EXPECT_EQ(test, requested_of(heap), in_use);
		destroy_checked(test, heap);
	}
}

static void no_quota_grants_only_empty_blocks(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, 0, 0);

	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	destroy_checked(test, heap);
}

static void unlimited_heap_is_bounded_by_memory_alone(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, 0);
	struct wsheap_error err = {};
	int i;

	for (i = 0; i < 40; i++)
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 100000, GFP_KERNEL));
	/* Far more than this machine has, and nothing is logged. */
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, INT_MAX, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, -ENOMEM);
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, INT_MAX, GFP_NOWAIT, &err));
	KUNIT_EXPECT_EQ(test, err.code, -ENOMEM);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 4000000);
	destroy_checked(test, heap);
}

static void heaps_do_not_share_a_quota(struct kunit *test)
{
	struct wsheap *a = test_heap(test, 100, 0);
	struct wsheap *b = test_heap(test, 100, 0);

	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(a, 100, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(b, 60, GFP_KERNEL));
	wsheap_reset(a);
	KUNIT_EXPECT_EQ(test, requested_of(b), 60);
	destroy_checked(test, a);
	destroy_checked(test, b);
}

/*
 * Errors.
 */

static void error_is_untouched_on_success(struct kunit *test)
{
	struct wsheap_error err = { 1, 2, 3, 4 };
	struct wsheap *heap = test_heap(test, 100, 0);

	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc_err(heap, 50, GFP_KERNEL, &err));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc_err(heap, 8, GFP_KERNEL, &err));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc_err(heap, 0, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, 1);
	KUNIT_EXPECT_EQ(test, err.asked, 2);
	KUNIT_EXPECT_EQ(test, err.in_use, 3);
	KUNIT_EXPECT_EQ(test, err.limit, 4);
	destroy_checked(test, heap);
}

static void bad_gfp_goes_before_all_other_errors(struct kunit *test)
{
	static const gfp_t bad[] = {
		GFP_KERNEL | __GFP_DMA, GFP_KERNEL | __GFP_DMA32,
		GFP_KERNEL | __GFP_HIGHMEM, GFP_KERNEL | __GFP_MOVABLE,
		GFP_KERNEL | __GFP_NOFAIL,
		(__force gfp_t)((__force unsigned int)GFP_KERNEL | BIT(31)),
	};
	struct wsheap *heap = test_heap(test, 100, 0);
	struct wsheap_error err;
	int i;

	/* with a chunk, so that only the check stands between */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct wsheap_error) {};
		KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, 8, bad[i], &err));
		KUNIT_EXPECT_EQ(test, err.code, -EINVAL);
		KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, SIZE_MAX, bad[i], &err));
		KUNIT_EXPECT_EQ(test, err.code, -EINVAL);
		KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 8, 64, bad[i]));
		KUNIT_EXPECT_NULL(test, wsheap_strdup(heap, "x", bad[i]));
	}
	KUNIT_EXPECT_EQ(test, requested_of(heap), 8);
	destroy_checked(test, heap);
}

static void size_goes_before_quota_and_quota_before_memory(struct kunit *test)
{
	struct wsheap_error err = {};
	struct wsheap_args args = { .flags = WSHEAP_CONTIG };
	struct wsheap *heap = test_heap(test, 100, 0);

	wsheap_alloc_err(heap, SIZE_MAX, GFP_KERNEL, &err);
	KUNIT_EXPECT_EQ(test, err.code, -EOVERFLOW);
	wsheap_alloc_err(heap, INT_MAX, GFP_NOWAIT, &err);
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	destroy_checked(test, heap);

	heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	wsheap_alloc_err(heap, KMALLOC_MAX_SIZE + 1, GFP_KERNEL, &err);
	KUNIT_EXPECT_EQ(test, err.code, -EOVERFLOW);
	destroy_checked(test, heap);
}

static void accounting_is_the_heap_s_and_not_the_block_s(struct kunit *test)
{
	struct wsheap_args args = { .chunk_gfp = __GFP_ACCOUNT };
	struct wsheap *heap = test_heap(test, 100, 0);
	gfp_t gfp;

	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL_ACCOUNT));
	gfp = wsheap_backing_gfp(heap, GFP_KERNEL_ACCOUNT);
	KUNIT_EXPECT_EQ(test, (__force int)(gfp & __GFP_ACCOUNT), 0);
	destroy_checked(test, heap);

	heap = test_heap_args(test, 100, 0, &args);
	gfp = wsheap_backing_gfp(heap, GFP_KERNEL);
	KUNIT_EXPECT_NE(test, (__force int)(gfp & __GFP_ACCOUNT), 0);
	destroy_checked(test, heap);
}

/*
 * The kernel's log has a warning where memory is charged to nobody, if it is
 * built with CONFIG_MEM_ALLOC_PROFILING_DEBUG. So each way to create a heap is
 * used as a driver does.
 */
static void memory_of_a_creation_is_charged_to_the_creator(struct kunit *test)
{
#ifdef CONFIG_MEM_ALLOC_PROFILING
	struct wsheap_args args = { .initial_size = 100000 };
	struct device *dev = root_device_register("wsheap-test");
	struct wsheap_pool *pool;
	struct wsheap *heap;
	DEFINE_ALLOC_TAG(creation_tag);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, devm_wsheap_create(dev, SZ_1M, SZ_1M,
							      &args));
	root_device_unregister(dev);
	heap = wsheap_create(SZ_1M, SZ_1M, &args);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	wsheap_destroy(heap);
	heap = wsheap_create_private(0, 100000, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	wsheap_destroy(heap);
	heap = wsheap_create_private_args(0, 100000, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	wsheap_destroy(heap);
	pool = wsheap_pool_create(SZ_1M, SZ_1M, &args, 2, 4);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);

	if (!mem_alloc_profiling_enabled())
		kunit_skip(test, "needs CONFIG_MEM_ALLOC_PROFILING_ENABLED_BY_DEFAULT");
	heap = alloc_hooks_tag(&creation_tag,
			       (wsheap_create)(SZ_1M, SZ_1M, &args));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_GE(test, alloc_tag_read(&creation_tag).bytes,
			actual_of(heap) + sizeof(struct wsheap));
	wsheap_destroy(heap);
	wsheap_debug_flush();
	KUNIT_EXPECT_EQ(test, alloc_tag_read(&creation_tag).bytes, 0);
	heap = alloc_hooks_tag(&creation_tag,
			       (wsheap_create_private)(0, 100000, 0));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_GE(test, alloc_tag_read(&creation_tag).bytes,
			actual_of(heap) + sizeof(struct wsheap));
	wsheap_destroy(heap);
	wsheap_debug_flush();
	KUNIT_EXPECT_EQ(test, alloc_tag_read(&creation_tag).bytes, 0);
#else
	kunit_skip(test, "needs CONFIG_MEM_ALLOC_PROFILING");
#endif
}

/*
 * Blocks.
 */

static void empty_blocks_cost_nothing(struct kunit *test)
{
	int flags;

	for (flags = 0; flags <= WSHEAP_SERIALIZE; flags += WSHEAP_SERIALIZE) {
		struct wsheap_args args = { .flags = flags };
		struct wsheap *heap = test_heap_args(test, 8, 0, &args);
		size_t align, actual = 0;
		int full;

		for (full = 0; full < 2; full++) {
			KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
			KUNIT_EXPECT_NOT_NULL(test, wsheap_zalloc(heap, 0, GFP_NOWAIT));
			KUNIT_EXPECT_NOT_NULL(test, wsheap_calloc(heap, 0, 8, GFP_KERNEL));
			KUNIT_EXPECT_NOT_NULL(test, wsheap_calloc(heap, SIZE_MAX, 0,
								  GFP_KERNEL));
			KUNIT_EXPECT_NOT_NULL(test, wsheap_memdup(heap, "", 0,
								  GFP_KERNEL));
			for (align = 1; align <= PAGE_SIZE; align *= 2) {
				void *p = wsheap_alloc_aligned(heap, 0, align,
							       GFP_KERNEL);

				KUNIT_EXPECT_NOT_NULL(test, p);
				KUNIT_EXPECT_TRUE(test, PTR_ALIGN(p, align) == p);
				KUNIT_EXPECT_TRUE(test, PTR_ALIGN(p, 8) == p);
			}
			KUNIT_EXPECT_EQ(test, requested_of(heap), full ? 8 : 0);
			KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
			KUNIT_EXPECT_NOT_NULL(test, full ? heap :
					      wsheap_alloc(heap, 8, GFP_KERNEL));
			actual = actual_of(heap);
		}
		destroy_checked(test, heap);
	}
}

static void blocks_are_aligned_to_8_bytes(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, 0);
	size_t size;

	for (size = 1; size < 9000; size += size < 100 ? 1 : 97) {
		void *p = wsheap_alloc(heap, size, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p, 8));
	}
	destroy_checked(test, heap);
}

static void alignment_up_to_a_page_is_kept(struct kunit *test)
{
	static const size_t sizes[] = { 1, 8, 24, 100, 1000, 4000, 4096, 8192,
					10000, 100000 };
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	unsigned int aligns = PAGE_SHIFT + 1, n, round;
	size_t sum;

	for (round = 0; round < 4; round++) {
		sum = 0;
		for (n = 0; n < aligns * ARRAY_SIZE(sizes); n++) {
			size_t align = 1ul << n % aligns;
			size_t size = sizes[n / aligns];
			/* what cannot wait, only where memory is plenty */
			gfp_t gfp = n % 2 && size <= 10000 ? GFP_NOWAIT :
							     GFP_KERNEL;
			void *p = wsheap_alloc_aligned(heap, size, align, gfp);

			KUNIT_ASSERT_NOT_NULL(test, p);
			KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p,
							   max(align, 8ul)));
			memset(p, 0xa5, size);
			sum += size;
		}
		/* what alignment skips is not charged */
		KUNIT_EXPECT_EQ(test, requested_of(heap), sum);
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	destroy_checked(test, heap);
}

static void bad_alignment_is_refused(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, 0);
	size_t bad[] = { 0, 3, 6, 12, 24, 4097, PAGE_SIZE + 1, 2 * PAGE_SIZE,
			 SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX - 7 };
	struct wsheap_error err;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err.code = 0;
		KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 8, bad[i], GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 0, bad[i], GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, __wsheap_alloc(heap, SIZE_MAX, bad[i],
						       GFP_KERNEL, &err));
		KUNIT_EXPECT_EQ(test, err.code, -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	destroy_checked(test, heap);
}

static void zeroed_blocks_are_zero_after_a_dirty_message(struct kunit *test)
{
	static const size_t sizes[] = { 1, 13, 100, 1000, 5000, 20000, 300000 };
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 4 * ARRAY_SIZE(sizes); i++) {
			gfp_t gfp = GFP_KERNEL | __GFP_ZERO;
			size_t size = sizes[i / 4];
			void *p;

			/* known when compiled, and not */
			OPTIMIZER_HIDE_VAR(gfp);
			if (i % 4 == 0)
				p = wsheap_zalloc(heap, size, GFP_KERNEL);
			else if (i % 4 == 1)
				p = wsheap_calloc(heap, 1, size, GFP_KERNEL);
			else if (i % 4 == 2)
				p = wsheap_alloc_aligned(heap, size, 64, gfp);
			else
				p = wsheap_alloc(heap, size, gfp);
			KUNIT_ASSERT_NOT_NULL(test, p);
			KUNIT_ASSERT_NULL(test, memchr_inv(p, 0, size));
			memset(p, 0xff, size);
		}
		wsheap_reset(heap);
	}
	destroy_checked(test, heap);
}

static void overflowing_product_is_refused(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, 0);

	KUNIT_EXPECT_NULL(test, wsheap_calloc(heap, SIZE_MAX / 8 + 2, 8, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_array(heap, SIZE_MAX / 2 + 2, 2, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_array(heap, SIZE_MAX, SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_calloc(heap, 8, 10, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 80);
	destroy_checked(test, heap);
}

static void contiguous_blocks_own_their_cache_lines(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_CONTIG };
	struct wsheap *heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	size_t line = max_t(size_t, dma_get_cache_alignment(), 8);
	char *end = NULL, *p;
	size_t size;

	for (size = 1; size < 300; size++) {
		p = wsheap_alloc(heap, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p, line));
		if (p > end && end + line > p)
			KUNIT_EXPECT_TRUE(test, p >= PTR_ALIGN(end, line));
		end = p + size;
	}
	KUNIT_EXPECT_EQ(test, requested_of(heap), 299 * 300 / 2);
	/* the largest one there can be is there */
	p = wsheap_alloc(heap, KMALLOC_MAX_SIZE, GFP_KERNEL);
	if (p)
		KUNIT_EXPECT_FALSE(test, is_vmalloc_addr(p));
	p = wsheap_alloc(heap, 300000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_FALSE(test, is_vmalloc_addr(p));
	destroy_checked(test, heap);
}

/*
 * Copies and formats.
 */

static __printf(4, 5) char *vformat(struct kunit *test, struct wsheap *heap,
				    gfp_t gfp, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = wsheap_vasprintf(heap, gfp, fmt, ap);
	va_end(ap);
	return p;
}

static void strings_are_copied_as_their_namesakes_do(struct kunit *test)
{
	struct wsheap *heap = flags_heap(test, 1000, 0);
	char raw[4] = { 'a', 'b', 'c', 'd' };
	char *s, *t;
	int i;

	s = wsheap_strdup(heap, "hello", GFP_KERNEL);
	KUNIT_EXPECT_STREQ(test, s, "hello");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 6);
	t = wsheap_memdup(heap, s, 6, GFP_KERNEL);
	KUNIT_EXPECT_STREQ(test, t, "hello");
	KUNIT_EXPECT_PTR_NE(test, s, t);
	KUNIT_EXPECT_NULL(test, wsheap_strdup(heap, NULL, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_strndup(heap, NULL, 5, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 12);

	KUNIT_EXPECT_STREQ(test, wsheap_strndup(heap, "hello", 3, GFP_KERNEL), "hel");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 16);
	KUNIT_EXPECT_STREQ(test, wsheap_strndup(heap, "hello", 99, GFP_KERNEL), "hello");
	KUNIT_EXPECT_STREQ(test, wsheap_strndup(heap, "hello", SIZE_MAX, GFP_KERNEL),
			   "hello");
	KUNIT_EXPECT_STREQ(test, wsheap_strndup(heap, "hello", 0, GFP_KERNEL), "");
	KUNIT_EXPECT_STREQ(test, wsheap_strndup(heap, raw, 4, GFP_KERNEL), "abcd");
	KUNIT_EXPECT_STREQ(test, wsheap_strdup(heap, "", GFP_KERNEL), "");

	wsheap_reset(heap);
	KUNIT_EXPECT_STREQ(test, wsheap_asprintf(heap, GFP_KERNEL, "%s-%d", "a", 7), "a-7");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 4);
	KUNIT_EXPECT_STREQ(test, vformat(test, heap, GFP_KERNEL, "%04x", 0xab), "00ab");
	KUNIT_EXPECT_STREQ(test, wsheap_asprintf(heap, GFP_KERNEL, "%s", ""), "");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 10);

	/* at the edge of the quota */
	wsheap_reset(heap);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 994, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_strdup(heap, "123456", GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_asprintf(heap, GFP_KERNEL, "%d", 123456));
	KUNIT_EXPECT_NULL(test, wsheap_memdup(heap, "1234567", 7, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_memdup(heap, "", SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_STREQ(test, wsheap_strdup(heap, "12345", GFP_KERNEL), "12345");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 1000);

	/* many, so that short path and long path both serve them */
	for (i = 0; i < 300; i++) {
		wsheap_reset(heap);
		s = wsheap_asprintf(heap, GFP_KERNEL, "%*s", i, "");
		KUNIT_ASSERT_NOT_NULL(test, s);
		KUNIT_ASSERT_EQ(test, strlen(s), i);
		t = wsheap_strdup(heap, s, GFP_KERNEL);
		KUNIT_ASSERT_STREQ(test, t, s);
	}
	destroy_checked(test, heap);
}

/*
 * A message: what a run of random calls asks for, made again from its seed.
 */

struct shape {
	u32 seed;
	unsigned int blocks;
	size_t largest;
	unsigned int aligned;	/* one in so many blocks is, or none */
	unsigned int align_bits;
	gfp_t gfp;
};

/* Every other alignment is one that the compiler knows. */
static void *take_aligned(struct wsheap *heap, size_t size, size_t align,
			  gfp_t gfp)
{
	switch (align) {
	case 4:
		return wsheap_alloc_aligned(heap, size, 4, gfp);
	case 16:
		return wsheap_alloc_aligned(heap, size, 16, gfp);
	case 64:
		return wsheap_alloc_aligned(heap, size, 64, gfp);
	case 256:
		return wsheap_alloc_aligned(heap, size, 256, gfp);
	case 1024:
		return wsheap_alloc_aligned(heap, size, 1024, gfp);
	case 4096:
		return wsheap_alloc_aligned(heap, size, 4096, gfp);
	default:
		return wsheap_alloc_aligned(heap, size, align, gfp);
	}
}

static bool run_message(struct wsheap *heap, const struct shape *shape,
			size_t *rounded)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, shape->seed);
	*rounded = 0;
	for (i = 0; i < shape->blocks; i++) {
		size_t size = random_size(&rnd, shape->largest);
		size_t align = 8;
		void *p;

		if (shape->aligned &&
		    prandom_u32_state(&rnd) % shape->aligned == 0) {
			align = 1u << prandom_u32_state(&rnd) % shape->align_bits;
			p = take_aligned(heap, size, align, shape->gfp);
			align = max_t(size_t, align, 8);
		} else {
			p = wsheap_alloc(heap, size, shape->gfp);
		}
		if (!p)
			return false;
		memset(p, 0xee, size);
		*rounded += ALIGN(size, 8) + align - 8;
	}
	return true;
}

static void random_shape(struct rnd_state *rnd, struct shape *shape)
{
	static const size_t largest[] = { 8, 64, 300, 600, 1500, 3000, 5000,
					  9000, 40000, 300000 };
	static const unsigned int aligned[] = { 0, 4, 1 };

	shape->seed = prandom_u32_state(rnd);
	shape->blocks = 1 + prandom_u32_state(rnd) % 120;
	shape->largest = largest[prandom_u32_state(rnd) % ARRAY_SIZE(largest)];
	shape->aligned = aligned[prandom_u32_state(rnd) % 3];
	shape->align_bits = shape->aligned == 1 ? 3 : 13;
	shape->gfp = GFP_KERNEL;
	if (shape->largest <= 9000 && prandom_u32_state(rnd) % 3 == 0)
		shape->gfp = GFP_ATOMIC | __GFP_NOMEMALLOC;
}

static void reset_keeps_at_most_the_trim_size(struct kunit *test)
{
	static const size_t trims[] = {
		0, 1, 31, 32, 33, 64, 511, 512, 513, 1000, 1535, 1536, 4095,
		4096, 4097, 8192, 10000, 32768, 65535, 100000, SZ_1M, SZ_16M
	};
	struct rnd_state rnd;
	int i, j;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < ARRAY_SIZE(trims); i++) {
		struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, trims[i]);

		for (j = 0; j < 60; j++) {
			struct shape shape;
			size_t rounded, before;

			random_shape(&rnd, &shape);
			KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
			before = actual_of(heap);
			check_heap(test, heap);
			wsheap_reset(heap);
			check_heap(test, heap);
			KUNIT_ASSERT_EQ(test, requested_of(heap), 0);
			KUNIT_ASSERT_LE(test, actual_of(heap), trims[i]);
			/* and does not throw away what it may keep */
			if (before <= trims[i])
				KUNIT_ASSERT_EQ(test, actual_of(heap), before);
		}
		destroy_checked(test, heap);
	}
}

static void initial_memory_above_the_trim_size_goes_at_reset(struct kunit *test)
{
	struct wsheap_args args = { .initial_size = 5000 };
	struct wsheap *heap = test_heap_args(test, 100000, 100, &args);

	KUNIT_EXPECT_GT(test, actual_of(heap), 5000);
	wsheap_reset(heap);
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	destroy_checked(test, heap);
}

static void trim_above_max_keeps_all(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, 200000, 200001);
	struct rnd_state rnd;
	int i;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < 50; i++) {
		size_t before;

		while (wsheap_alloc(heap, random_size(&rnd, 30000), GFP_KERNEL))
			;
		before = actual_of(heap);
		KUNIT_EXPECT_GT(test, before, 0);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, actual_of(heap), before);
		check_heap(test, heap);
	}
	destroy_checked(test, heap);
}

static void repeated_messages_take_nothing_from_the_third_on(struct kunit *test)
{
#ifdef kunit_activate_static_stub
	struct rnd_state rnd;
	unsigned int coalesced = 0;
	const unsigned int *flags = test->param_value;
	int i, j;

	kunit_activate_static_stub(test, wsheap_backing_alloc, count_backing);
	prandom_seed_state(&rnd, SEED + 1);
	for (i = 0; i < 400; i++) {
		struct shape shape;
		struct wsheap *heap;
		size_t rounded, trim;

		struct wsheap_args args = {
			.flags = *flags,
			.initial_size = prandom_u32_state(&rnd) % 2 ?
					prandom_u32_state(&rnd) % 5000 : 0,
		};

		/* the least trim_size that covers the message */
		random_shape(&rnd, &shape);
		heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
		KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
		trim = actual_of(heap);
		destroy_checked(test, heap);

		heap = test_heap_args(test, WSHEAP_UNLIMITED, trim, &args);
		for (j = 1; j <= 8; j++) {
			obtained = 0;
			KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
			check_heap(test, heap);
			if (j >= 3)
				KUNIT_ASSERT_EQ_MSG(test, obtained, 0,
						    "shape %d, message %d", i, j);
			KUNIT_ASSERT_LE(test, actual_of(heap), trim);
			if (j == 3)
				coalesced += count_chunks(heap) == 1;
			wsheap_reset(heap);
		}
		destroy_checked(test, heap);
	}
	/* not all can: one chunk may be rounded to more than the trim_size */
	KUNIT_EXPECT_GT(test, coalesced, 50);
#else
	kunit_skip(test, "no static stubs in this kernel");
#endif
}

/* A large first block is not what the initial chunk is for. */
static void initial_chunk_serves_all_messages_alike(struct kunit *test)
{
	static const size_t message[] = { 14511, 22, 2, 2714, 1, 554, 1396, 2, 1, 7 };
	struct wsheap_args args = { .initial_size = 3000 };
	struct wsheap *heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	size_t trim;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(message); i++)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, message[i], GFP_ATOMIC));
	trim = actual_of(heap);
	destroy_checked(test, heap);

	heap = test_heap_args(test, WSHEAP_UNLIMITED, trim, &args);
	for (j = 0; j < 5; j++) {
		for (i = 0; i < ARRAY_SIZE(message); i++)
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, message[i],
								 GFP_ATOMIC));
		KUNIT_EXPECT_LE(test, actual_of(heap), trim);
		wsheap_reset(heap);
	}
	destroy_checked(test, heap);
}

static void usual_message_comes_to_one_chunk(struct kunit *test)
{
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_4M);
	struct rnd_state rnd;
	int i, j;

	prandom_seed_state(&rnd, SEED + 2);
	for (i = 0; i < 100; i++) {
		struct shape shape;
		size_t rounded;

		random_shape(&rnd, &shape);
		/* one that alignment might more than double is not coalesced */
		if (shape.largest > 40000 ||
		    (shape.aligned && shape.align_bits > 3))
			continue;
		shape.gfp = GFP_KERNEL;
		for (j = 0; j < 2; j++) {
			KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
			wsheap_reset(heap);
		}
		/* never in the reset: it is the next message that coalesces */
		KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
		KUNIT_ASSERT_EQ_MSG(test, count_chunks(heap), 1, "shape %d", i);
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	destroy_checked(test, heap);
}

static void empty_message_changes_nothing(struct kunit *test)
{
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_1M);
	int i, j;

	for (i = 0; i < 5; i++) {
		size_t actual;

		for (j = 0; j < 100; j++)
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 100, GFP_KERNEL));
		actual = actual_of(heap);
		for (j = 0; j < 3; j++) {
			wsheap_reset(heap);
			KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
			KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
		}
		/* coalescing is still pending after the large message */
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, count_chunks(heap), 1);
		KUNIT_EXPECT_GE(test, actual_of(heap), 100 * 104);
		check_heap(test, heap);
	}
	destroy_checked(test, heap);
}

static void one_huge_message_does_not_stay(struct kunit *test)
{
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, 4096);
	int i;

	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 10000, GFP_KERNEL));
	wsheap_reset(heap);
	KUNIT_EXPECT_LE(test, actual_of(heap), 4096);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL));
	KUNIT_EXPECT_LE(test, actual_of(heap), 4096);
	destroy_checked(test, heap);
}

/*
 * Backing.
 */

static void held_memory_is_bounded_by_bytes_asked(struct kunit *test)
{
	/* none kept, some, all: what is left counts twice */
	static const size_t trims[] = { 0, 8192, SIZE_MAX };
	struct rnd_state rnd;
	int i;

	prandom_seed_state(&rnd, SEED + 3);
	for (i = 0; i < 600; i++) {
		struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED,
						 trims[i / 3 % 3]);
		size_t line = wsheap_block_align(heap), asked = 0, left = 0;
		size_t mid = random_size(&rnd, 16384), small;
		struct shape shape;
		int j;

		small = random_size(&rnd, mid);
		random_shape(&rnd, &shape);
		for (j = 0; j < 150; j++) {
			/* mixes, and two sizes that spoil each other's tails */
			size_t align = i % 3 == 2 ? 8u << prandom_u32_state(&rnd) % 10 : 8;
			size_t size = i % 3 ? random_size(&rnd, shape.largest) :
				      prandom_u32_state(&rnd) % 3 ? mid : small;
			gfp_t gfp = size < 10000 && prandom_u32_state(&rnd) % 2 ?
				    GFP_NOWAIT : GFP_KERNEL;

			KUNIT_ASSERT_NOT_NULL(test,
					      wsheap_alloc_aligned(heap, size, align,
								   gfp));
			asked += ALIGN(size, line) + align - 8;
			KUNIT_ASSERT_LE_MSG(test, actual_of(heap),
					    WSHEAP_BOUND_FACTOR * asked +
					    WSHEAP_BOUND_CONSTANT + left,
					    "run %d block %d", i, j);
			if (prandom_u32_state(&rnd) % 50 == 0) {
				wsheap_reset(heap);
				left = 2 * actual_of(heap);
				asked = 0;
			}
		}
		destroy_checked(test, heap);
	}
}

static void coalescing_does_not_hold_what_only_padding_might_take(struct kunit *test)
{
	int blocks, i;

	for (blocks = 1; blocks <= 40; blocks++) {
		struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
		gfp_t gfp = blocks < 10 ? GFP_NOWAIT : GFP_KERNEL;
		size_t left;

		for (i = 0; i < blocks; i++)
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc_aligned(heap, 4096,
									 4096, gfp));
		wsheap_reset(heap);
		left = actual_of(heap);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, gfp));
		KUNIT_EXPECT_LE(test, actual_of(heap), 2 * left);
		destroy_checked(test, heap);
	}
}

static void uniform_blocks_are_held_within_the_bound(struct kunit *test)
{
	size_t size;
	int j;

	for (size = 1; size < 20000; size += 1 + size / 13) {
		struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, 0);
		size_t line = wsheap_block_align(heap), asked = 0;

		for (j = 0; j < 100; j++) {
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, size,
								 GFP_KERNEL));
			asked += ALIGN(size, line);
			KUNIT_ASSERT_LE(test, actual_of(heap),
					WSHEAP_BOUND_FACTOR * asked +
					WSHEAP_BOUND_CONSTANT);
		}
		destroy_checked(test, heap);
	}
}

static void large_block_wastes_no_room_and_inflates_nothing(struct kunit *test)
{
	static const size_t larges[] = { 449, 600, 5000, 8200, 100000, SZ_1M };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(larges); i++) {
		struct wsheap *with = flags_heap(test, WSHEAP_UNLIMITED, 0);
		struct wsheap *without = flags_heap(test, WSHEAP_UNLIMITED, 0);
		size_t line = wsheap_block_align(with);
		size_t before, large, rest;

		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(with, 64, GFP_KERNEL));
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(without, 64, GFP_KERNEL));
		before = actual_of(with);
		rest = BIT(CHUNK_FIRST_ORDER) - with->used->start - ALIGN(64, line);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(with, larges[i], GFP_KERNEL));
		large = actual_of(with) - before;

		/* the rest of the first chunk is still there */
		for (j = 0; j < rest / line; j++) {
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(with, 8, GFP_KERNEL));
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(without, 8, GFP_KERNEL));
		}
		KUNIT_EXPECT_EQ(test, actual_of(with), before + large);
		KUNIT_EXPECT_EQ(test, actual_of(without), before);

		/* and what comes after it is no larger for it */
		for (j = 0; j < 2000; j++) {
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(with, 64, GFP_KERNEL));
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(without, 64, GFP_KERNEL));
			if (larges[i] > 8192)
				KUNIT_ASSERT_LE(test, actual_of(with),
						actual_of(without) + large);
		}
		destroy_checked(test, with);
		destroy_checked(test, without);
	}
}

static void room_in_the_other_chunk_comes_to_the_short_path(struct kunit *test)
{
	struct wsheap *heap;
	char *p;

	needs_places(test);
	heap = test_heap(test, WSHEAP_UNLIMITED, 0);
	/* 80 bytes left, then nearly a page behind a block of its own */
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 400, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8200, GFP_KERNEL));
	KUNIT_EXPECT_LT(test, heap->limit - heap->cursor, 100);
	p = wsheap_alloc(heap, 96, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_PTR_EQ(test, heap->cursor, p + 96);
	KUNIT_EXPECT_GT(test, heap->limit - heap->cursor, 1000);
	KUNIT_EXPECT_EQ(test, count_chunks(heap), 2);
	destroy_checked(test, heap);
}

static void large_memory_is_by_the_page_when_the_caller_may_sleep(struct kunit *test)
{
	struct wsheap *heap;
	void *p;
	size_t header;

	needs_places(test);
	heap = test_heap(test, WSHEAP_UNLIMITED, 0);
	p = wsheap_alloc(heap, 300000, GFP_KERNEL);
	header = kmalloc_size_roundup(sizeof(struct wsheap_chunk));
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(p));
	KUNIT_EXPECT_EQ(test, actual_of(heap), PAGE_ALIGN(300000) + header);
	wsheap_reset(heap);

	p = wsheap_alloc(heap, 300000, GFP_NOWAIT);
	if (p) {
		KUNIT_EXPECT_FALSE(test, is_vmalloc_addr(p));
		KUNIT_EXPECT_EQ(test, actual_of(heap), SZ_512K + header);
	}
	destroy_checked(test, heap);
}

static void node_heap_has_its_memory_from_pages_of_the_node(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_NODE, .node = 0 };
	struct wsheap *heap;
	/* First, since there is room for it behind the other. */
	char *p;

	needs_places(test);
	heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_FALSE(test, is_vmalloc_addr(p));
	KUNIT_EXPECT_EQ(test, page_to_nid(virt_to_page(p)), 0);
	p = wsheap_alloc(heap, 300000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_TRUE(test, is_vmalloc_addr(p));
	KUNIT_EXPECT_EQ(test, page_to_nid(vmalloc_to_page(p)), 0);
	memset(p, 1, 300000);
	destroy_checked(test, heap);
}

/* Blocks keep what is written to them, whatever is taken around them. */
static void blocks_do_not_overlap(struct kunit *test)
{
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, 20000);
	struct block { u8 *p; size_t size; } *blocks;
	enum { n = 300 };
	struct rnd_state rnd;
	int round, i;

	blocks = kunit_kcalloc(test, n, sizeof(*blocks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, blocks);
	prandom_seed_state(&rnd, SEED + 4);
	for (round = 0; round < 60; round++) {
		size_t largest = 16 << (round % 12);

		for (i = 0; i < n; i++) {
			size_t align = prandom_u32_state(&rnd) % 8 ? 8 :
				       8u << prandom_u32_state(&rnd) % 10;

			blocks[i].size = random_size(&rnd, largest);
			blocks[i].p = wsheap_alloc_aligned(heap, blocks[i].size,
							   align, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, blocks[i].p);
			memset(blocks[i].p, i, blocks[i].size);
		}
		for (i = 0; i < n; i++)
			KUNIT_ASSERT_NULL(test, memchr_inv(blocks[i].p, (u8)i,
							   blocks[i].size));
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	destroy_checked(test, heap);
}

/*
 * Kernels that clear memory, by init_on_alloc=1 or init_on_free=1 on their
 * command line. The slab allocator does not let a running kernel change over.
 */

static bool shows_old_bytes(struct wsheap *heap, u32 seed)
{
	struct rnd_state rnd;
	bool old = false;
	int i;

	prandom_seed_state(&rnd, seed);
	for (i = 0; i < 150; i++) {
		size_t size = random_size(&rnd, 3000);
		u8 *p = wsheap_alloc(heap, size, GFP_KERNEL);

		if (!p)
			return true;
		old |= !!memchr(p, 0xee, size);
		memset(p, 0xee, size);
	}
	return old;
}

static void clearing_kernel_shows_no_earlier_message(struct kunit *test)
{
	struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_1M);
	int i, old = 0;

	for (i = 0; i < 40; i++) {
		/* also short messages, which leave the rest to later ones */
		u32 seed = SEED + i % 3;

		if (i % 4 == 3) {
			u8 *p = wsheap_alloc(heap, 40000, GFP_KERNEL);

			old += !p || memchr(p, 0xee, 40000);
			if (p)
				memset(p, 0xee, 40000);
		} else {
			old += shows_old_bytes(heap, seed);
		}
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	/* a cleared block is clear there too */
	for (i = 0; i < 20; i++) {
		size_t size = 100 << (i % 10);
		void *p = wsheap_zalloc(heap, size, GFP_KERNEL);

		KUNIT_EXPECT_NOT_NULL(test, p);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, size));
		memset(p, 0xee, size);
		if (i % 3 == 0)
			wsheap_reset(heap);
	}
	if (!want_init_on_alloc(0) && !want_init_on_free()) {
		/* the bytes are there, so the case can fail */
		KUNIT_EXPECT_GT(test, old, 0);
		wsheap_destroy(heap);
		kunit_skip(test, "needs init_on_alloc=1 or init_on_free=1");
	}
	KUNIT_EXPECT_EQ(test, old, 0);
	destroy_checked(test, heap);
}

static void init_on_free_leaves_no_bytes_after_a_reset(struct kunit *test)
{
	struct wsheap *heap;
	const struct wsheap_chunk *chunk;
	int i, old = 0;

	needs_places(test);
	heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_1M);
	for (i = 0; i < 10; i++) {
		shows_old_bytes(heap, SEED + i);
		wsheap_reset(heap);
		for (chunk = heap->used ?: heap->free_chunks; chunk; chunk = chunk->next) {
			u32 start = chunk->start;

			old += !!memchr(chunk->mem + start, 0xee,
					chunk->size - start);
		}
	}
	destroy_checked(test, heap);
	if (!want_init_on_free()) {
		KUNIT_EXPECT_GT(test, old, 0);
		kunit_skip(test, "needs init_on_free=1");
	}
	KUNIT_EXPECT_EQ(test, old, 0);
}

#ifdef kunit_activate_static_stub
/* What another caller does while a reset wipes a heap. */
static struct wsheap *wiped_heap;
static unsigned int wipes, wipes_with_interrupts_off;
static bool other_resets;

static void interfering_wipe(void *mem, size_t size)
{
	wipes_with_interrupts_off += irqs_disabled();
	memset(mem, 0, size);
	if (wipes++)
		return;
	(void)wsheap_alloc(wiped_heap, 100, GFP_KERNEL);
	(void)wsheap_alloc(wiped_heap, 20000, GFP_KERNEL);
	if (other_resets)
		wsheap_reset(wiped_heap);
}

static size_t wiped_bytes;

static void counting_wipe(void *mem, size_t size)
{
	wiped_bytes += size;
	memset(mem, 0, size);
}

static void memory_for_the_worker_is_wiped_at_once(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, 0);

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 300000, GFP_KERNEL));
	kunit_activate_static_stub(test, wsheap_memory_wipe, counting_wipe);
	wiped_bytes = 0;
	wsheap_reset(heap);
	kunit_deactivate_static_stub(test, wsheap_memory_wipe);
	KUNIT_EXPECT_EQ(test, wiped_bytes,
			want_init_on_free() ? PAGE_ALIGN(300000) : 0);
	destroy_checked(test, heap);
}

/* The chunk for the initial size is the first one that a message uses. */
static bool keeper_is_first(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk = heap->used;

	while (chunk && chunk->next)
		chunk = chunk->next;
	return chunk && chunk->keeper;
}

static void reset_wipes_with_interrupts_on(struct kunit *test)
{
	static const size_t trims[] = { 0, SZ_16K, SZ_1M };
	static const size_t initial[] = { 0, 5000 };
	unsigned int i, round;

	if (!want_init_on_free())
		kunit_skip(test, "needs init_on_free=1");
	for (i = 0; i < 2 * 2 * ARRAY_SIZE(trims); i++) {
		struct wsheap_args args = {
			.flags = WSHEAP_SERIALIZE,
			.initial_size = initial[i % 2],
		};
		size_t trim = trims[i / 4];

		other_resets = i / 2 % 2;
		wiped_heap = test_heap_args(test, WSHEAP_UNLIMITED, trim, &args);
		for (round = 0; round < 4; round++) {
			take_blocks(test, wiped_heap, 30, 700);
			take_blocks(test, wiped_heap, 2, 30000);
			kunit_activate_static_stub(test, wsheap_memory_wipe,
						   interfering_wipe);
			wipes = 0;
			wipes_with_interrupts_off = 0;
			wsheap_reset(wiped_heap);
			kunit_deactivate_static_stub(test, wsheap_memory_wipe);
			KUNIT_EXPECT_EQ(test, wipes_with_interrupts_off, 0);
			check_heap(test, wiped_heap);
			KUNIT_EXPECT_EQ(test, keeper_is_first(wiped_heap),
					initial[i % 2] && trim);
			if (other_resets || !wipes)
				KUNIT_EXPECT_LE(test, actual_of(wiped_heap), trim);
			else
				KUNIT_EXPECT_EQ(test, requested_of(wiped_heap), 20100);
			wsheap_reset(wiped_heap);
			KUNIT_EXPECT_EQ(test, requested_of(wiped_heap), 0);
			KUNIT_EXPECT_LE(test, actual_of(wiped_heap), trim);
			check_heap(test, wiped_heap);
			/* the memory of the initial size is still there */
			take_blocks(test, wiped_heap, 30, 700);
			wsheap_reset(wiped_heap);
			if (!initial[i % 2] || !trim)
				continue;
			kunit_activate_static_stub(test, wsheap_backing_alloc,
						   no_backing);
			KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(wiped_heap, 5000,
								 GFP_KERNEL));
			kunit_deactivate_static_stub(test, wsheap_backing_alloc);
		}
		destroy_checked(test, wiped_heap);
	}
}
#endif

/*
 * Contexts. What runs in one collects its findings; the test looks at them.
 */

struct context_work {
	struct wsheap *heap;
	struct irq_work irq_work;
	struct tasklet_struct tasklet;
	struct completion done;
	bool as_meant;
	int failures;
};

/* Allocates from all paths, then resets away a chunk of each kind. */
static void use_heap(struct context_work *work)
{
	size_t size;

	/* what the test left: chunks from kmalloc and vmalloc, some open */
	for (size = 1; size < 9000; size = size * 3 / 2 + 1) {
		void *p = wsheap_alloc(work->heap, size, GFP_ATOMIC);

		if (!p)
			work->failures++;
		else
			memset(p, 0xaa, size);
	}
	if (!wsheap_asprintf(work->heap, GFP_NOWAIT, "%d", 42))
		work->failures++;
	wsheap_reset(work->heap);
	if (requested_of(work->heap) || actual_of(work->heap) > SZ_2K)
		work->failures++;
	if (!wsheap_alloc(work->heap, 100, GFP_ATOMIC))
		work->failures++;
	wsheap_reset(work->heap);
	complete(&work->done);
}

static void in_hardirq_fn(struct irq_work *irq_work)
{
	struct context_work *work = container_of(irq_work, struct context_work,
						 irq_work);

	work->as_meant = in_hardirq();
	use_heap(work);
}

static void in_softirq_fn(struct tasklet_struct *tasklet)
{
	struct context_work *work = container_of(tasklet, struct context_work,
						 tasklet);

	work->as_meant = in_serving_softirq();
	use_heap(work);
}

static void run_in_context(struct kunit *test, void (*run)(struct context_work *))
{
	struct context_work *work = kunit_kzalloc(test, sizeof(*work), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, work);
	work->heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_2K);
	for (i = 0; i < 5; i++) {
		init_completion(&work->done);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(work->heap, 300000, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(work->heap, 100, GFP_KERNEL));
		run(work);
		wait_for_completion(&work->done);
		KUNIT_EXPECT_TRUE(test, work->as_meant);
		KUNIT_EXPECT_EQ(test, work->failures, 0);
		check_heap(test, work->heap);
	}
	destroy_checked(test, work->heap);
}

static void run_in_hardirq(struct context_work *work)
{
	work->irq_work = IRQ_WORK_INIT_HARD(in_hardirq_fn);
	irq_work_queue(&work->irq_work);
	irq_work_sync(&work->irq_work);
}

static void run_in_softirq(struct context_work *work)
{
	tasklet_setup(&work->tasklet, in_softirq_fn);
	tasklet_schedule(&work->tasklet);
	wait_for_completion(&work->done);
	tasklet_kill(&work->tasklet);
	complete(&work->done);
}

static void run_under_spinlock(struct context_work *work)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long irq;

	spin_lock_irqsave(&lock, irq);
	work->as_meant = irqs_disabled();
	use_heap(work);
	/* vfree() is not for here: the worker has it, and could not run yet */
	if (num_online_cpus() == 1 && !(work->heap->flags & WSHEAP_CONTIG) &&
	    wsheap_chunk_is_flushed())
		work->failures++;
	spin_unlock_irqrestore(&lock, irq);
}

static void run_in_process(struct context_work *work)
{
	work->as_meant = in_task() && !irqs_disabled();
	use_heap(work);
}

static void works_in_hardirq(struct kunit *test)
{
	run_in_context(test, run_in_hardirq);
}

static void works_in_softirq(struct kunit *test)
{
	run_in_context(test, run_in_softirq);
}

static void works_under_a_spinlock_with_interrupts_off(struct kunit *test)
{
	run_in_context(test, run_under_spinlock);
}

static void works_in_process_context(struct kunit *test)
{
	run_in_context(test, run_in_process);
}

static void destroy_waits_for_deferred_memory(struct kunit *test)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, 0);

		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 300000, GFP_KERNEL));
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
		destroy_checked(test, heap);
		KUNIT_EXPECT_TRUE(test, wsheap_chunk_is_flushed());
	}
}

static void destroy_fn(struct work_struct *work)
{
	struct wsheap *heap = wsheap_create(WSHEAP_UNLIMITED, 0, NULL);

	if (IS_ERR(heap))
		return;
	(void)wsheap_alloc(heap, 300000, GFP_KERNEL);
	wsheap_reset(heap);
	/* warns if the worker that it waits for could be starved of memory */
	wsheap_destroy(heap);
}

static void destroy_is_allowed_on_the_way_to_freeing_memory(struct kunit *test)
{
	struct workqueue_struct *wq;
	struct work_struct work;
	unsigned int live = count_live();

	wq = alloc_workqueue("wsheap-test", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	KUNIT_ASSERT_NOT_NULL(test, wq);
	INIT_WORK_ONSTACK(&work, destroy_fn);
	queue_work(wq, &work);
	flush_work(&work);
	destroy_work_on_stack(&work);
	destroy_workqueue(wq);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

/*
 * Several users of one heap.
 */

struct heap_user {
	struct wsheap *heap;
	struct task_struct *task;
	struct completion *start;
	struct completion done;
	u8 mark;
	unsigned int granted, refused, broken;
	size_t bytes;
};

static int user_fn(void *data)
{
	struct heap_user *user = data;
	struct block { u8 *p; size_t size; } blocks[64];
	struct rnd_state rnd;
	unsigned int n, i, round;

	prandom_seed_state(&rnd, SEED + user->mark);
	wait_for_completion(user->start);
	for (round = 0; round < 40; round++) {
		for (n = 0; n < ARRAY_SIZE(blocks); n++) {
			struct wsheap_error err = {};
			size_t size = random_size(&rnd, 2000);

			blocks[n].size = size;
			blocks[n].p = wsheap_alloc_err(user->heap, size,
						       n % 2 ? GFP_KERNEL :
							       GFP_NOWAIT, &err);
			if (!blocks[n].p) {
				user->refused++;
				user->broken += err.code != -EDQUOT ||
						err.limit - err.in_use >= size;
				break;
			}
			user->granted++;
			user->bytes += size;
			memset(blocks[n].p, user->mark, size);
			if (n % 8 == 0)
				cond_resched();
		}
		for (i = 0; i < n; i++)
			if (memchr_inv(blocks[i].p, user->mark, blocks[i].size))
				user->broken++;
	}
	complete(&user->done);
	return 0;
}

static void serialized_heap_serves_several_users_exactly(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	const size_t max = 800000;
	struct heap_user users[4] = {};
	struct completion start;
	struct wsheap *heap;
	int round, i;

	heap = test_heap_args(test, max, 50000, &args);
	for (round = 0; round < 10; round++) {
		size_t bytes = 0;

		init_completion(&start);
		for (i = 0; i < ARRAY_SIZE(users); i++) {
			users[i] = (struct heap_user) { .heap = heap, .mark = i + 1,
						   .start = &start };
			init_completion(&users[i].done);
			users[i].task = kthread_create(user_fn, &users[i],
						       "wsheap-test/%d", i);
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, users[i].task);
			get_task_struct(users[i].task);
			wake_up_process(users[i].task);
		}
		complete_all(&start);
		for (i = 0; i < ARRAY_SIZE(users); i++) {
			/* One that is stopped before it ran never runs. */
			wait_for_completion(&users[i].done);
			kthread_stop(users[i].task);
			put_task_struct(users[i].task);
			KUNIT_EXPECT_EQ(test, users[i].broken, 0);
			KUNIT_EXPECT_GT(test, users[i].granted, 0);
			bytes += users[i].bytes;
		}
		KUNIT_EXPECT_EQ(test, requested_of(heap), bytes);
		check_heap(test, heap);
		wsheap_reset(heap);
		KUNIT_EXPECT_LE(test, actual_of(heap), 50000);
	}
	destroy_checked(test, heap);
}

/*
 * Failure of each way of obtaining memory.
 */

#ifdef kunit_activate_static_stub
static void failed_creation_leaves_nothing(struct kunit *test)
{
	struct wsheap_args args = { .name = "failing", .initial_size = 100 };
	unsigned int live = count_live();
	struct wsheap *heap;

	kunit_activate_static_stub(test, wsheap_object_alloc, failing_object);
	kunit_activate_static_stub(test, wsheap_class_get, failing_class);
	kunit_activate_static_stub(test, wsheap_backing_alloc, failing_backing);
	create_caches(test);
	for (fail_at = 1; fail_at <= 3; fail_at++) {
		calls = 0;
		heap = wsheap_create(100, 0, &args);
		KUNIT_EXPECT_EQ(test, PTR_ERR(heap), -ENOMEM);
		KUNIT_EXPECT_EQ(test, calls, fail_at);
		KUNIT_EXPECT_EQ(test, count_live(), live);
	}
	calls = 0;
	heap = wsheap_create(100, 0, &args);
	KUNIT_EXPECT_EQ(test, calls, 3);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, heap);
	wsheap_destroy(heap);
	destroy_caches();
}

static void failed_memory_loses_and_charges_nothing(struct kunit *test)
{
	static const size_t message[] = { 40, 400, 5000, 100, 9000, 300000, 2000,
					  8000, 8000, 8000, 64 };
	unsigned int failures = 0;
	int round, i;

	kunit_activate_static_stub(test, wsheap_backing_alloc, failing_backing);
	kunit_activate_static_stub(test, wsheap_chunk_alloc_header, failing_header);
	create_caches(test);

	/* the nth attempt fails, for each n that this message comes to */
	for (fail_at = 1; ; fail_at++) {
		struct wsheap *heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_1M);

		calls = 0;
		for (round = 0; round < 3; round++) {
			size_t sum = 0;

			for (i = 0; i < ARRAY_SIZE(message); i++) {
				struct wsheap_error err = {};
				size_t actual = actual_of(heap);
				void *p;

				p = wsheap_alloc_err(heap, message[i], GFP_KERNEL, &err);
				if (!p) {
					failures++;
					KUNIT_EXPECT_EQ(test, err.code, -ENOMEM);
					KUNIT_EXPECT_EQ(test, err.asked, message[i]);
					KUNIT_EXPECT_EQ(test, err.in_use, sum);
					KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
					KUNIT_EXPECT_EQ(test, requested_of(heap), sum);
					check_heap(test, heap);
					/* memory is there again */
					p = wsheap_alloc(heap, message[i], GFP_KERNEL);
				}
				KUNIT_ASSERT_NOT_NULL(test, p);
				memset(p, 1, message[i]);
				sum += message[i];
			}
			check_heap(test, heap);
			wsheap_reset(heap);
		}
		destroy_checked(test, heap);
		if (calls < fail_at)
			break;
	}
	destroy_caches();
	KUNIT_EXPECT_GE(test, failures, 3);
	KUNIT_EXPECT_GE(test, fail_at, 8);
}

static void *failing_optional(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	return gfp & __GFP_NORETRY ? NULL : count_backing(heap, size, gfp);
}

static void memory_pressure_inflates_nothing(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, 0);
	size_t asked = 0;
	int i;

	/* only what is needed can be had, and then all can be had again */
	kunit_activate_static_stub(test, wsheap_backing_alloc, failing_optional);
	for (i = 0; i < 40; i++) {
		if (i == 30)
			kunit_deactivate_static_stub(test, wsheap_backing_alloc);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 24, GFP_KERNEL));
		asked += 24;
		KUNIT_ASSERT_LE(test, actual_of(heap),
				WSHEAP_BOUND_FACTOR * asked + WSHEAP_BOUND_CONSTANT);
	}
	destroy_checked(test, heap);
}

/*
 * While a caller waits for memory, another uses up the quota, or brings room.
 */
static bool quota_goes, has_interfered;

static void *interfering_backing(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	struct wsheap *shared = (struct wsheap *)heap;

	if (!has_interfered) {
		has_interfered = true;
		(void)wsheap_alloc(shared, quota_goes ? shared->left : 40,
				   GFP_KERNEL);
	}
	return count_backing(heap, size, gfp);
}

static void memory_that_was_not_needed_goes_back(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	struct wsheap_error err = {};
	struct wsheap *heap;
	size_t actual;

	kunit_activate_static_stub(test, wsheap_backing_alloc, interfering_backing);

	heap = test_heap_args(test, 20000, SIZE_MAX, &args);
	quota_goes = true;
	has_interfered = false;
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, 10000, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, err.in_use, 20000);
	KUNIT_EXPECT_EQ(test, count_chunks(heap), 1);
	destroy_checked(test, heap);

	heap = test_heap_args(test, 20000, SIZE_MAX, &args);
	quota_goes = false;
	has_interfered = false;
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 40, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 80);
	KUNIT_EXPECT_EQ(test, count_chunks(heap), 1);
	actual = actual_of(heap);
	KUNIT_EXPECT_EQ(test, actual, BIT(CHUNK_FIRST_ORDER));
	/* and the next chunk is no larger for the two that were obtained */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 470, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, actual_of(heap), actual + 2 * BIT(CHUNK_FIRST_ORDER));
	destroy_checked(test, heap);
}

static void *resetting_backing(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	if (!has_interfered) {
		has_interfered = true;
		wsheap_reset((struct wsheap *)heap);
	}
	return count_backing(heap, size, gfp);
}

static void reset_while_another_obtains_memory_still_trims(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	struct wsheap *heap = test_heap_args(test, WSHEAP_UNLIMITED, 2500, &args);
	int i;

	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 400, GFP_KERNEL));
	wsheap_reset(heap);
	KUNIT_ASSERT_TRUE(test, heap->state & WSHEAP_STATE_COALESCE);
	kunit_activate_static_stub(test, wsheap_backing_alloc, resetting_backing);
	has_interfered = false;
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, has_interfered);
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	for (i = 0; i < 3; i++) {
		check_heap(test, heap);
		wsheap_reset(heap);
		KUNIT_EXPECT_LE(test, actual_of(heap), 2500);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
	}
	destroy_checked(test, heap);
}

static void refused_block_costs_only_its_own_message(struct kunit *test)
{
	struct wsheap *heap;
	int i;

	needs_places(test);
	heap = test_heap(test, WSHEAP_UNLIMITED, SZ_64K);
	take_blocks(test, heap, 1, 100);
	wsheap_reset(heap);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, !(heap->state & WSHEAP_STATE_LONG),
				!want_init_on_free());
		take_blocks(test, heap, 1, 100);
		kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 10000, GFP_KERNEL));
		kunit_deactivate_static_stub(test, wsheap_backing_alloc);
		KUNIT_EXPECT_TRUE(test, heap->state & WSHEAP_STATE_LONG);
		wsheap_reset(heap);
		check_heap(test, heap);
	}
	destroy_checked(test, heap);
}

static void failed_device_registration_destroys_the_heap(struct kunit *test)
{
	unsigned int live = count_live();
	struct device *dev = root_device_register("wsheap-test");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	kunit_activate_static_stub(test, wsheap_object_alloc, failing_object);
	calls = 0;
	fail_at = 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(devm_wsheap_create(dev, 1, 1, NULL)), -ENOMEM);
	root_device_unregister(dev);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}
#endif

/*
 * Alignment known to the compiler, which takes the short path.
 */

static bool aligned_message(struct wsheap *heap, size_t size)
{
	char *a = wsheap_alloc_aligned(heap, size, 16, GFP_KERNEL);
	char *b = wsheap_alloc_aligned(heap, 1, 64, GFP_KERNEL);
	char *c = wsheap_alloc(heap, 3, GFP_KERNEL);
	char *d = wsheap_alloc_aligned(heap, 100, PAGE_SIZE, GFP_KERNEL);
	char *e = wsheap_alloc_aligned(heap, 5, 2, GFP_KERNEL);
	char *f = wsheap_alloc_aligned(heap, 0, 64, GFP_KERNEL);

	return a && b && c && d && e && f &&
	       IS_ALIGNED((unsigned long)a, 16) && b >= a + size &&
	       IS_ALIGNED((unsigned long)b, 64) && c > b &&
	       IS_ALIGNED((unsigned long)d, PAGE_SIZE) &&
	       IS_ALIGNED((unsigned long)e, 8) &&
	       (size_t)d + 100 > 100 && e != c;
}

static void constant_alignment_is_kept(struct kunit *test)
{
	struct wsheap *heap;
	size_t size;
	int i;

	needs_places(test);
	heap = flags_heap(test, WSHEAP_UNLIMITED, SZ_1M);
	for (i = 0; i < 5; i++) {
		size_t sum = 0;

		for (size = 0; size < 3000; size += 37) {
			KUNIT_ASSERT_TRUE(test, aligned_message(heap, size));
			check_heap(test, heap);
			sum += size + 1 + 3 + 100 + 5;
		}
		KUNIT_EXPECT_EQ(test, requested_of(heap), sum);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, heap->slack, 0);
	}
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, SIZE_MAX - 6, 64, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, SIZE_MAX, 64, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 8, 48, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 8, 8192, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	destroy_checked(test, heap);
}

static void quota_holds_on_the_short_path_with_alignment(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, 1000, 4096);
	unsigned int n, round;

	for (round = 0; round < 3; round++) {
		for (n = 0; wsheap_alloc_aligned(heap, 24, 64, GFP_KERNEL); n++)
			;
		KUNIT_EXPECT_EQ(test, n, 41);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc_aligned(heap, 16, 16, GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 1, 16, GFP_KERNEL));
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	destroy_checked(test, heap);
}

static void heap_of_several_users_is_not_looked_at_without_its_lock(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	struct wsheap *heap = test_heap_args(test, WSHEAP_UNLIMITED, SZ_64K, &args);
	struct wsheap_chunk *cur;

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
	/* another caller may have given it back meanwhile: this one faults */
	cur = heap->cur;
	heap->cur = (struct wsheap_chunk *)LIST_POISON1;
	KUNIT_EXPECT_NULL(test, __wsheap_alloc_cur_aligned(heap, 40, 64));
	heap->cur = cur;
	destroy_checked(test, heap);
}

/*
 * Clearing: what was cleared and not used is not cleared again.
 */

static void clear_bytes_behind_a_short_message_are_remembered(struct kunit *test)
{
	struct wsheap *heap = test_heap(test, WSHEAP_UNLIMITED, SZ_1M);
	struct wsheap_chunk *chunk;
	char *p;
	int i;

	if (want_init_on_free() || !want_init_on_alloc(0)) {
		wsheap_destroy(heap);
		kunit_skip(test, "needs init_on_alloc=1");
	}
	for (i = 0; i < 3; i++) {
		p = wsheap_alloc(heap, 30000, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, 30000));
		memset(p, 0xee, 30000);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
		wsheap_reset(heap);
	}
	KUNIT_ASSERT_EQ(test, count_chunks(heap), 1);
	chunk = heap->used;
	/* a stretch is cleared, little of it used */
	for (i = 0; i < 3; i++) {
		p = wsheap_alloc(heap, 100, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, 100));
		memset(p, 0xee, 100);
		check_heap(test, heap);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, chunk->zeroed2,
				chunk->start + 104);
		KUNIT_EXPECT_EQ(test, chunk->zeroed2_end,
				chunk->start + ZERO_STRETCH);
		check_heap(test, heap);
	}
	/* of two clear parts the larger one is remembered */
	take_blocks(test, heap, 9, 1000);
	wsheap_reset(heap);
	KUNIT_EXPECT_EQ(test, chunk->zeroed2, chunk->start + 9000);
	take_blocks(test, heap, 7, 1000);
	wsheap_reset(heap);
	KUNIT_EXPECT_EQ(test, chunk->zeroed2, chunk->start + 9000);
	check_heap(test, heap);
	/* a block over dirty, clear and dirty bytes */
	p = wsheap_alloc(heap, 20000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, 20000));
	check_heap(test, heap);
	destroy_checked(test, heap);
}

/*
 * Retention that adapts.
 */

static struct wsheap *adaptive_heap(struct kunit *test, size_t trim)
{
	struct wsheap_args args = { .flags = WSHEAP_ADAPTIVE };

	return test_heap_args(test, WSHEAP_UNLIMITED, trim, &args);
}

static void pass_messages(struct kunit *test, struct wsheap *heap, int n,
			  int blocks, size_t size)
{
	while (n--) {
		take_blocks(test, heap, blocks, size);
		wsheap_reset(heap);
		check_heap(test, heap);
	}
}

static void adaptive_heap_forgets_a_huge_message(struct kunit *test)
{
	static const int huge[] = { 1, 2, 30 };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(huge); i++) {
		struct wsheap *heap = adaptive_heap(test, WSHEAP_UNLIMITED);

		for (j = 0; j < huge[i]; j++) {
			wsheap_reset(heap);
			take_blocks(test, heap, 1000, 1000);
		}
		wsheap_reset(heap);
		KUNIT_EXPECT_GE(test, actual_of(heap), 1000000);
		/* 7/8 to the power of 50 is less than 1/512 */
		pass_messages(test, heap, 50, 20, 100);
		take_blocks(test, heap, 20, 100);
		KUNIT_EXPECT_LE(test, actual_of(heap),
				WSHEAP_BOUND_FACTOR * 2100 + WSHEAP_BOUND_CONSTANT);
		destroy_checked(test, heap);
	}
}

static void adaptive_heap_has_what_the_usual_message_needs(struct kunit *test)
{
#ifdef kunit_activate_static_stub
	struct wsheap *heap = adaptive_heap(test, WSHEAP_UNLIMITED);
	int round;

	kunit_activate_static_stub(test, wsheap_backing_alloc, count_backing);
	pass_messages(test, heap, 5, 20, 100);
	for (round = 0; round < 3; round++) {
		pass_messages(test, heap, 1, 1000, 1000);
		obtained = 0;
		pass_messages(test, heap, 100, 20, 100);
		KUNIT_EXPECT_EQ(test, obtained, 0);
	}
	destroy_checked(test, heap);

	/* large ones come back, and a single small one among them */
	heap = adaptive_heap(test, WSHEAP_UNLIMITED);
	pass_messages(test, heap, 5, 7, 1000);
	pass_messages(test, heap, 10, 1, 1000);
	pass_messages(test, heap, 1, 7, 1000);
	pass_messages(test, heap, 4, 1, 1000);
	obtained = 0;
	pass_messages(test, heap, 5, 7, 1000);
	KUNIT_EXPECT_EQ(test, obtained, 0);
	destroy_checked(test, heap);
#else
	kunit_skip(test, "no static stubs in this kernel");
#endif
}

static void adaptive_heap_knows_a_message_from_the_third_on(struct kunit *test)
{
#ifdef kunit_activate_static_stub
	unsigned int one_chunk = 0;
	struct rnd_state rnd;
	int i, j;

	kunit_activate_static_stub(test, wsheap_backing_alloc, count_backing);
	prandom_seed_state(&rnd, SEED + 7);
	for (i = 0; i < 200; i++) {
		struct wsheap *heap = adaptive_heap(test, WSHEAP_UNLIMITED);
		struct shape shape;
		size_t rounded;

		random_shape(&rnd, &shape);
		for (j = 1; j <= 8; j++) {
			size_t left = actual_of(heap);

			obtained = 0;
			KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
			check_heap(test, heap);
			if (j >= 3)
				KUNIT_ASSERT_EQ_MSG(test, obtained, 0,
						    "shape %d, message %d", i, j);
			KUNIT_ASSERT_LE(test, actual_of(heap),
					WSHEAP_BOUND_FACTOR * rounded +
					WSHEAP_BOUND_CONSTANT + 2 * left);
			wsheap_reset(heap);
		}
		one_chunk += count_chunks(heap) == 1;
		destroy_checked(test, heap);
	}
	KUNIT_EXPECT_GT(test, one_chunk, 100);
#else
	kunit_skip(test, "no static stubs in this kernel");
#endif
}

static void adaptive_heap_keeps_no_more_than_the_trim_size(struct kunit *test)
{
	struct rnd_state rnd;
	int i, j;

	prandom_seed_state(&rnd, SEED + 8);
	for (i = 0; i < 100; i++) {
		size_t trim = random_size(&rnd, 200000);
		struct wsheap *heap = adaptive_heap(test, trim);

		for (j = 0; j < 30; j++) {
			struct shape shape;
			size_t rounded, left = actual_of(heap);

			random_shape(&rnd, &shape);
			KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
			KUNIT_ASSERT_LE(test, actual_of(heap),
					WSHEAP_BOUND_FACTOR * rounded +
					WSHEAP_BOUND_CONSTANT + 2 * left);
			wsheap_reset(heap);
			check_heap(test, heap);
			KUNIT_ASSERT_LE(test, actual_of(heap), trim);
		}
		destroy_checked(test, heap);
	}
}

static void initial_memory_is_there_for_every_message(struct kunit *test)
{
#ifdef kunit_activate_static_stub
	static const size_t initial[] = { 8, 500, 4000, 10000 };
	struct rnd_state rnd;
	int i, j, flags;

	prandom_seed_state(&rnd, SEED + 9);
	for (i = 0; i < 2 * ARRAY_SIZE(initial); i++) {
		struct wsheap_args args = { .initial_size = initial[i / 2] };
		struct wsheap *heap;

		flags = i % 2 ? WSHEAP_ADAPTIVE : 0;
		args.flags = flags;
		heap = test_heap_args(test, WSHEAP_UNLIMITED, SZ_64K, &args);
		for (j = 0; j < 40; j++) {
			struct shape shape;
			size_t rounded;

			random_shape(&rnd, &shape);
			KUNIT_ASSERT_TRUE(test, run_message(heap, &shape, &rounded));
			wsheap_reset(heap);
			KUNIT_ASSERT_LE(test, actual_of(heap), SZ_64K);
			kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
			obtained = 0;
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, initial[i / 2],
								 GFP_KERNEL));
			/* it does not even ask for more */
			KUNIT_ASSERT_EQ(test, obtained, 0);
			check_heap(test, heap);
			kunit_deactivate_static_stub(test, wsheap_backing_alloc);
		}
		destroy_checked(test, heap);
	}
#else
	kunit_skip(test, "no static stubs in this kernel");
#endif
}

static struct kunit_case wsheap_cases[] = {
	KUNIT_CASE(takes_nothing_but_the_object_at_creation),
	KUNIT_CASE(zeroed_args_mean_the_same_as_none),
	KUNIT_CASE(copies_the_name),
	KUNIT_CASE(refuses_bad_args),
	KUNIT_CASE(accepts_good_args),
	KUNIT_CASE(initial_size_serves_its_bytes_without_growth),
	KUNIT_CASE(refuses_an_absurd_initial_size),
	KUNIT_CASE(unknown_property_leaves_the_value_untouched),
	KUNIT_CASE(wrong_value_size_leaves_the_value_untouched),
	KUNIT_CASE(null_is_ignored_by_reset_and_destroy),
	KUNIT_CASE(free_attribute_destroys_at_the_end_of_scope),
	KUNIT_CASE(device_heap_goes_with_the_device),
	KUNIT_CASE(visitor_of_all_heaps_holds_no_lock),
	KUNIT_CASE(heap_is_destroyed_after_a_visit),
	KUNIT_CASE_PARAM(quota_is_granted_to_the_last_byte, quota_gen_params),
	KUNIT_CASE_PARAM(quota_counts_bytes_as_asked, quota_gen_params),
	KUNIT_CASE_PARAM(refusal_is_neither_sticky_nor_charged, quota_gen_params),
	KUNIT_CASE_PARAM(full_quota_is_there_again_after_a_reset, quota_gen_params),
	KUNIT_CASE_PARAM(absurd_sizes_are_refused_everywhere, flags_gen_params),
	KUNIT_CASE(no_quota_grants_only_empty_blocks),
	KUNIT_CASE(unlimited_heap_is_bounded_by_memory_alone),
	KUNIT_CASE(heaps_do_not_share_a_quota),
	KUNIT_CASE(error_is_untouched_on_success),
	KUNIT_CASE(bad_gfp_goes_before_all_other_errors),
	KUNIT_CASE(size_goes_before_quota_and_quota_before_memory),
	KUNIT_CASE(accounting_is_the_heap_s_and_not_the_block_s),
	KUNIT_CASE(memory_of_a_creation_is_charged_to_the_creator),
	KUNIT_CASE(empty_blocks_cost_nothing),
	KUNIT_CASE(blocks_are_aligned_to_8_bytes),
	KUNIT_CASE_PARAM(alignment_up_to_a_page_is_kept, flags_gen_params),
	KUNIT_CASE(bad_alignment_is_refused),
	KUNIT_CASE_PARAM(zeroed_blocks_are_zero_after_a_dirty_message, flags_gen_params),
	KUNIT_CASE(overflowing_product_is_refused),
	KUNIT_CASE(contiguous_blocks_own_their_cache_lines),
	KUNIT_CASE_PARAM(strings_are_copied_as_their_namesakes_do, flags_gen_params),
	KUNIT_CASE_PARAM(reset_keeps_at_most_the_trim_size, flags_gen_params),
	KUNIT_CASE(initial_memory_above_the_trim_size_goes_at_reset),
	KUNIT_CASE(trim_above_max_keeps_all),
	KUNIT_CASE_PARAM(repeated_messages_take_nothing_from_the_third_on, flags_gen_params),
	KUNIT_CASE(initial_chunk_serves_all_messages_alike),
	KUNIT_CASE_PARAM(usual_message_comes_to_one_chunk, flags_gen_params),
	KUNIT_CASE_PARAM(empty_message_changes_nothing, flags_gen_params),
	KUNIT_CASE_PARAM(one_huge_message_does_not_stay, flags_gen_params),
	KUNIT_CASE_PARAM(held_memory_is_bounded_by_bytes_asked, flags_gen_params),
	KUNIT_CASE_PARAM(coalescing_does_not_hold_what_only_padding_might_take, flags_gen_params),
	KUNIT_CASE_PARAM(uniform_blocks_are_held_within_the_bound, flags_gen_params),
	KUNIT_CASE_PARAM(large_block_wastes_no_room_and_inflates_nothing, flags_gen_params),
	KUNIT_CASE(room_in_the_other_chunk_comes_to_the_short_path),
	KUNIT_CASE(large_memory_is_by_the_page_when_the_caller_may_sleep),
	KUNIT_CASE(node_heap_has_its_memory_from_pages_of_the_node),
	KUNIT_CASE_PARAM(blocks_do_not_overlap, flags_gen_params),
	KUNIT_CASE_PARAM(clearing_kernel_shows_no_earlier_message, flags_gen_params),
	KUNIT_CASE_PARAM(init_on_free_leaves_no_bytes_after_a_reset, flags_gen_params),
	KUNIT_CASE_PARAM(works_in_process_context, flags_gen_params),
	KUNIT_CASE_PARAM(works_under_a_spinlock_with_interrupts_off, flags_gen_params),
	KUNIT_CASE_PARAM(works_in_softirq, flags_gen_params),
	KUNIT_CASE_PARAM(works_in_hardirq, flags_gen_params),
	KUNIT_CASE_PARAM(destroy_waits_for_deferred_memory, flags_gen_params),
	KUNIT_CASE(destroy_is_allowed_on_the_way_to_freeing_memory),
	KUNIT_CASE(serialized_heap_serves_several_users_exactly),
	KUNIT_CASE_PARAM(constant_alignment_is_kept, flags_gen_params),
	KUNIT_CASE(quota_holds_on_the_short_path_with_alignment),
	KUNIT_CASE(heap_of_several_users_is_not_looked_at_without_its_lock),
	KUNIT_CASE(clear_bytes_behind_a_short_message_are_remembered),
	KUNIT_CASE(adaptive_heap_forgets_a_huge_message),
	KUNIT_CASE(adaptive_heap_has_what_the_usual_message_needs),
	KUNIT_CASE(adaptive_heap_knows_a_message_from_the_third_on),
	KUNIT_CASE(adaptive_heap_keeps_no_more_than_the_trim_size),
	KUNIT_CASE(initial_memory_is_there_for_every_message),
#ifdef kunit_activate_static_stub
	KUNIT_CASE(memory_for_the_worker_is_wiped_at_once),
	KUNIT_CASE(reset_wipes_with_interrupts_on),
	KUNIT_CASE(failed_creation_leaves_nothing),
	KUNIT_CASE_PARAM(failed_memory_loses_and_charges_nothing, flags_gen_params),
	KUNIT_CASE(memory_pressure_inflates_nothing),
	KUNIT_CASE(memory_that_was_not_needed_goes_back),
	KUNIT_CASE(reset_while_another_obtains_memory_still_trims),
	KUNIT_CASE(refused_block_costs_only_its_own_message),
	KUNIT_CASE(failed_device_registration_destroys_the_heap),
#endif
	{}
};

static struct kunit_suite wsheap_suite = {
	.name = "wsheap",
	.test_cases = wsheap_cases,
};

kunit_test_suite(wsheap_suite);
