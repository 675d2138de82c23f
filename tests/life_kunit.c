// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for what happens between two resets and around a heap's life:
 * savepoints, actions, blocks that grow, reserved room, quotas of one message,
 * embedded heaps, copies from user space, groups, and whose heap it is.
 */

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "kunit.h"
#include "../message.h"
#include "../pool.h"

/*
 * The kinds of heaps that the cases run on.
 */

enum life_place { LIFE_OBJECT, LIFE_EMBEDDED, LIFE_POOLED, LIFE_PRIVATE };

static const struct life_kind {
	const char *name;
	unsigned int flags;
	size_t initial_size;
	enum life_place place;
} life_kinds[] = {
	{ "plain" },
	{ "serialized", WSHEAP_SERIALIZE },
	{ "contiguous", WSHEAP_CONTIG },
	{ "adaptive", WSHEAP_ADAPTIVE },
	{ "with a keeper", 0, 3000 },
	{ "serialized, with a keeper", WSHEAP_SERIALIZE, 9000 },
	{ "adaptive, with a keeper", WSHEAP_ADAPTIVE, 700 },
	{ "embedded", 0, 0, LIFE_EMBEDDED },
	{ "pooled", 0, 0, LIFE_POOLED },
	{ "pooled, with a keeper", 0, 3000, LIFE_POOLED },
};

static const struct life_kind both_kinds[] = {
	{ "plain" },
	{ "serialized", WSHEAP_SERIALIZE },
	{ "contiguous", WSHEAP_CONTIG },
	{ "adaptive", WSHEAP_ADAPTIVE },
	{ "with a keeper", 0, 3000 },
	{ "embedded", 0, 0, LIFE_EMBEDDED },
	{ "pooled", 0, 0, LIFE_POOLED },
	{ "private", 0, 0, LIFE_PRIVATE },
	{ "private, unserialized", WSHEAP_NO_SERIALIZE, 0, LIFE_PRIVATE },
};

static void life_kind_name(const struct life_kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(life, life_kinds, life_kind_name);
KUNIT_ARRAY_PARAM(both, both_kinds, life_kind_name);

static struct wsheap *kind_heap(struct kunit *test, size_t max_size, size_t trim_size,
				struct wsheap_group *group)
{
	const struct life_kind *kind = test->param_value;
	struct wsheap_args args = {
		.initial_size = kind->initial_size,
		.group = group,
	};
	struct wsheap_pool *pool;
	struct wsheap *heap;

	if (kind->place == LIFE_PRIVATE) {
		heap = wsheap_create_private_args(kind->flags, 0, 0, &args);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
		return heap;
	}
	args.flags = kind->flags;
	if (kind->place == LIFE_EMBEDDED) {
		heap = kmalloc(sizeof(*heap), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heap);
		memset(heap, 0x5a, sizeof(*heap));
		KUNIT_ASSERT_EQ(test, wsheap_init(heap, max_size, trim_size, &args), 0);
		return heap;
	}
	if (kind->place == LIFE_OBJECT)
		return test_heap_args(test, max_size, trim_size, &args);
	pool = wsheap_pool_create(max_size, trim_size, &args, 0, 4);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	return heap;
}

static struct wsheap *life_heap(struct kunit *test, size_t max_size, size_t trim_size)
{
	return kind_heap(test, max_size, trim_size, NULL);
}

/* Ends a heap as its kind wants it. */
static void end_heap(struct kunit *test, struct wsheap *heap)
{
	struct wsheap_pool *pool = wsheap_pool_of(heap);

	if (heap->path < WSHEAP_PATH_PRIVATE)
		check_heap(test, heap);
	if (heap->flags & WSHEAP_POOLED) {
		wsheap_pool_free(pool, heap);
		wsheap_pool_destroy(pool);
	} else if (heap->path < WSHEAP_PATH_PRIVATE && heap->flags & WSHEAP_EMBEDDED) {
		wsheap_exit(heap);
		kfree(heap);
	} else {
		wsheap_destroy(heap);
	}
}

/*
 * Sequences of blocks. Each block is filled with a byte that tells whose it is.
 */

#define FILL_OLDER	0x11
#define FILL_RELEASED	0xee
#define FILL_LATER	0x33
#define STEPS		40

struct steps {
	unsigned int n;
	u32 size[STEPS], align[STEPS];
	void *p[STEPS];
};

/* Blocks that were not clear in a kernel that has to clear them. */
static unsigned int unclear;

static void random_steps(struct rnd_state *rnd, struct steps *steps, unsigned int n,
			 size_t largest)
{
	unsigned int i;

	steps->n = n;
	for (i = 0; i < n; i++) {
		u32 kind = prandom_u32_state(rnd) % 16;

		steps->align[i] = kind < 4 ? 8 << prandom_u32_state(rnd) % 7 : 0;
		if (kind == 4)
			steps->align[i] = PAGE_SIZE;
		if (kind < 2)
			steps->size[i] = 0;
		else if (kind < 6)
			steps->size[i] = prandom_u32_state(rnd) % (largest + 1);
		else
			steps->size[i] = random_size(rnd, largest);
	}
}

static void take_step(struct kunit *test, struct wsheap *heap, struct steps *steps,
		      unsigned int i, u8 fill)
{
	size_t size = steps->size[i];
	void *p;

	if (steps->align[i])
		p = wsheap_alloc_aligned(heap, size, steps->align[i], GFP_KERNEL);
	else
		p = wsheap_alloc(heap, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	steps->p[i] = p;
	if (!size)
		return;
	if ((want_init_on_alloc(0) || want_init_on_free()) && memchr_inv(p, 0, size))
		unclear++;
	memset(p, fill, size);
}

static void take_steps(struct kunit *test, struct wsheap *heap, struct steps *steps,
		       u8 fill)
{
	unsigned int i;

	for (i = 0; i < steps->n; i++)
		take_step(test, heap, steps, i, fill);
	check_heap(test, heap);
}

static size_t steps_bytes(const struct steps *steps)
{
	unsigned int i;
	size_t bytes = 0;

	for (i = 0; i < steps->n; i++)
		bytes += steps->size[i];
	return bytes;
}

static void check_bytes(struct kunit *test, const struct steps *steps, u8 fill)
{
	unsigned int i;

	for (i = 0; i < steps->n; i++)
		KUNIT_ASSERT_NULL(test, memchr_inv(steps->p[i], fill, steps->size[i]));
}

/* Looks for a byte in all memory that a heap holds. */
static unsigned int count_chunks_with(const struct wsheap *heap, u8 fill)
{
	const struct wsheap_chunk *chunk;
	unsigned int n = 0;

	for (chunk = heap->used; chunk; chunk = chunk->next)
		n += !!memchr(chunk->mem + chunk->start, fill, chunk->size - chunk->start);
	for (chunk = heap->free_chunks; chunk; chunk = chunk->next)
		n += !!memchr(chunk->mem + chunk->start, fill, chunk->size - chunk->start);
	return n;
}

/*
 * Savepoints.
 */

static struct steps older, middle, inner, later, expected;

/* What a heap looks like where a savepoint is taken. */
struct sight {
	size_t requested, actual, message, room;
	unsigned int free_chunks;
	bool coalesces;
	const struct wsheap_chunk *first_free;
	struct wsheap_mark mark;
};

static unsigned int count_free(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk;
	unsigned int n = 0;

	for (chunk = heap->free_chunks; chunk; chunk = chunk->next)
		n++;
	return n;
}

static size_t cur_room(struct wsheap *heap)
{
	if (heap->cursor != WSHEAP_NO_CURSOR)
		return heap->cur->mem + heap->cur->size - (void *)heap->cursor;
	return chunk_room(heap->cur);
}

static size_t message_size(struct wsheap *heap)
{
	unsigned long irq;
	size_t size;

	wsheap_claim(heap, _RET_IP_);
	irq = wsheap_enter(heap);
	size = wsheap_message_size(heap);
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
	return size;
}

static void take_sight(struct wsheap *heap, struct sight *sight)
{
	sight->requested = requested_of(heap);
	sight->actual = actual_of(heap);
	sight->message = message_size(heap);
	sight->room = cur_room(heap);
	sight->free_chunks = count_free(heap);
	sight->coalesces = heap->state & WSHEAP_STATE_COALESCE;
	sight->first_free = heap->free_chunks;
	sight->mark = wsheap_mark(heap);
}

static void roll_back_to(struct kunit *test, struct wsheap *heap,
			 const struct sight *sight)
{
	size_t actual = actual_of(heap);

	wsheap_rollback(heap, &sight->mark);
	check_heap(test, heap);
	KUNIT_ASSERT_EQ(test, requested_of(heap), sight->requested);
	/* bytes, and the padding that one chunk might need; no mode needs that */
	if (!heap->debug)
		KUNIT_ASSERT_EQ(test, message_size(heap), sight->message);
	KUNIT_ASSERT_EQ(test, cur_room(heap), sight->room);
	KUNIT_ASSERT_EQ(test, actual_of(heap), actual);
	/* One chunk may have taken the place of all free ones meanwhile. */
	if (!sight->coalesces)
		KUNIT_ASSERT_GE(test, count_free(heap), sight->free_chunks);
	if (sight->first_free && !sight->coalesces)
		KUNIT_ASSERT_PTR_EQ(test, heap->free_chunks, sight->first_free);
	if (want_init_on_free())
		KUNIT_ASSERT_EQ(test, count_chunks_with(heap, FILL_RELEASED), 0);
}

/* Memory that a call can do without is not there: chunks are small, and many. */
static void *scarce_backing(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	if (gfp & __GFP_NORETRY)
		return NULL;
	gfp = wsheap_backing_gfp(heap, gfp);
	if (wsheap_backing_is_kmalloc(heap, size, gfp))
		return kmalloc(size, gfp);
	return vzalloc(size);
}

static unsigned int differing(const struct steps *a, const struct steps *b)
{
	unsigned int i, n = 0;

	for (i = 0; i < a->n; i++)
		n += a->p[i] != b->p[i];
	return n;
}

static void next_blocks_are_where_they_would_have_been(struct kunit *test)
{
	static const size_t largest[] = { 40, 500, 4000, 20000, 60000 };
	unsigned int i, j, compared = 0, chunks = 0;
	struct sight first, second, third;
	struct rnd_state rnd;

	needs_places(test);
	prandom_seed_state(&rnd, SEED);
	unclear = 0;
	for (i = 0; i < 120; i++) {
		struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
		size_t most = largest[i % ARRAY_SIZE(largest)];

		random_steps(&rnd, &older, prandom_u32_state(&rnd) % STEPS, most);
		random_steps(&rnd, &middle, prandom_u32_state(&rnd) % STEPS, most);
		random_steps(&rnd, &inner, prandom_u32_state(&rnd) % STEPS, most);
		random_steps(&rnd, &later, STEPS, most);
#ifdef kunit_activate_static_stub
		if (i % 4 < 2)
			kunit_activate_static_stub(test, wsheap_backing_alloc, scarce_backing);
#endif
		/* The heap has memory for all of it, mostly. */
		for (j = 0; j < 3 && i % 3; j++) {
			take_steps(test, heap, &older, FILL_RELEASED);
			take_steps(test, heap, &middle, FILL_RELEASED);
			take_steps(test, heap, &inner, FILL_RELEASED);
			take_steps(test, heap, &later, FILL_RELEASED);
			wsheap_reset(heap);
		}
		for (j = 0; j < 4; j++) {
			take_steps(test, heap, &older, FILL_RELEASED);
			take_steps(test, heap, &later, FILL_RELEASED);
			expected = later;
			wsheap_reset(heap);
		}

		take_steps(test, heap, &older, FILL_OLDER);
		chunks += count_chunks(heap) > 3;
		take_sight(heap, &first);
		take_steps(test, heap, &middle, FILL_RELEASED);
		take_sight(heap, &second);
		take_steps(test, heap, &inner, FILL_RELEASED);
		wsheap_rollback(heap, &second.mark);
		KUNIT_ASSERT_EQ(test, requested_of(heap), second.requested);
		check_bytes(test, &middle, FILL_RELEASED);
		/* twice to the same one */
		take_steps(test, heap, &later, FILL_RELEASED);
		take_sight(heap, &third);
		take_steps(test, heap, &inner, FILL_RELEASED);
		if (i % 3)
			wsheap_rollback(heap, &third.mark);
		if (i % 5 < 2)
			wsheap_rollback(heap, &second.mark);
		roll_back_to(test, heap, &first);
		roll_back_to(test, heap, &first);
		check_bytes(test, &older, FILL_OLDER);
		take_steps(test, heap, &later, FILL_LATER);
		/*
		 * What was obtained meanwhile is used last, but not behind so many
		 * chunks that it would not be found.
		 */
		if (!first.coalesces && (first.free_chunks <= FREE_TRIED / 2 ||
					 actual_of(heap) == first.actual)) {
			compared++;
			KUNIT_ASSERT_EQ_MSG(test, differing(&later, &expected), 0,
					    "round %d", i);
		}
		check_bytes(test, &older, FILL_OLDER);
		check_bytes(test, &later, FILL_LATER);
		KUNIT_ASSERT_EQ(test, requested_of(heap),
				steps_bytes(&older) + steps_bytes(&later));
		end_heap(test, heap);
#ifdef kunit_activate_static_stub
		if (i % 4 < 2)
			kunit_deactivate_static_stub(test, wsheap_backing_alloc);
#endif
	}
	KUNIT_EXPECT_EQ(test, unclear, 0);
	KUNIT_EXPECT_GT(test, compared, 60);
	KUNIT_EXPECT_GT(test, chunks, 5);
}

/* One message with rollbacks is followed by others as one without. */
static void reset_after_a_rollback_is_as_ever(struct kunit *test)
{
	static const size_t trims[] = { 0, 600, SZ_8K, SZ_64K, SIZE_MAX };
	struct rnd_state rnd;
	unsigned int i, j;

	prandom_seed_state(&rnd, SEED + 1);
	unclear = 0;
	for (i = 0; i < ARRAY_SIZE(trims); i++) {
		struct wsheap *heap;
		struct sight sight;

		heap = life_heap(test, WSHEAP_UNLIMITED, max_t(size_t, trims[i], SZ_4K));
		for (j = 0; j < 30; j++) {
			random_steps(&rnd, &older, prandom_u32_state(&rnd) % 20, 9000);
			random_steps(&rnd, &middle, prandom_u32_state(&rnd) % 20, 20000);
			take_steps(test, heap, &older, FILL_OLDER);
			take_sight(heap, &sight);
			take_steps(test, heap, &middle, FILL_RELEASED);
			roll_back_to(test, heap, &sight);
			if (j % 2) {
				take_steps(test, heap, &middle, FILL_LATER);
				check_bytes(test, &middle, FILL_LATER);
			}
			check_bytes(test, &older, FILL_OLDER);
			wsheap_reset(heap);
			check_heap(test, heap);
			KUNIT_ASSERT_EQ(test, requested_of(heap), 0);
			KUNIT_ASSERT_LE(test, actual_of(heap), trim_size_of(heap));
		}
		end_heap(test, heap);
	}
	KUNIT_EXPECT_EQ(test, unclear, 0);
}

static void savepoint_before_the_first_block(struct kunit *test)
{
	struct wsheap *heap;
	struct rnd_state rnd;
	struct sight sight;
	unsigned int i;
	size_t actual;

	needs_places(test);
	heap = life_heap(test, 100000, 100000);
	prandom_seed_state(&rnd, SEED);
	random_steps(&rnd, &later, STEPS, 2000);
	take_sight(heap, &sight);
	KUNIT_EXPECT_EQ(test, sight.requested, 0);
	roll_back_to(test, heap, &sight);
	take_steps(test, heap, &later, FILL_RELEASED);
	roll_back_to(test, heap, &sight);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	actual = actual_of(heap);
	for (i = 0; i < 20; i++) {
		take_steps(test, heap, &later, FILL_RELEASED);
		if (i)
			KUNIT_ASSERT_EQ(test, differing(&later, &expected), 0);
		expected = later;
		roll_back_to(test, heap, &sight);
		KUNIT_ASSERT_EQ(test, actual_of(heap), actual);
	}
	wsheap_reset(heap);
	check_heap(test, heap);
	/* without a block in between */
	take_sight(heap, &sight);
	wsheap_reset(heap);
	end_heap(test, heap);
}

static void rollback_gives_the_quota_back(struct kunit *test)
{
	static const size_t maxima[] = { 100, 1001, 10000, 123457 };
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(maxima); i++) {
		size_t max = maxima[i], quarter = max / 4;
		struct wsheap *heap = life_heap(test, max, SIZE_MAX);
		struct wsheap_mark mark;

		for (round = 0; round < 4; round++) {
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, quarter, GFP_KERNEL));
			mark = wsheap_mark(heap);
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, quarter, GFP_KERNEL));
			while (wsheap_alloc(heap, 7, GFP_KERNEL))
				;
			KUNIT_ASSERT_NULL(test, wsheap_alloc(heap, quarter, GFP_KERNEL));
			wsheap_rollback(heap, &mark);
			KUNIT_ASSERT_EQ(test, requested_of(heap), quarter);
			KUNIT_ASSERT_NULL(test, wsheap_alloc(heap, max - quarter + 1,
							     GFP_KERNEL));
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, max - quarter,
								 GFP_KERNEL));
			KUNIT_ASSERT_EQ(test, requested_of(heap), max);
			KUNIT_ASSERT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
			wsheap_rollback(heap, &mark);
			/* by small blocks */
			while (wsheap_alloc(heap, 1, GFP_KERNEL))
				;
			KUNIT_ASSERT_EQ(test, requested_of(heap), max);
			check_heap(test, heap);
			wsheap_reset(heap);
		}
		end_heap(test, heap);
	}
}

static void memory_obtained_meanwhile_is_kept(struct kunit *test)
{
	struct wsheap *heap;
	struct wsheap_mark mark;
	unsigned int i, round;
	size_t actual;
	void *p, *q;

	needs_places(test);
	heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 100);
	mark = wsheap_mark(heap);
	q = wsheap_alloc(heap, 200, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, q);
	for (i = 0; i < 10; i++)
		take_blocks(test, heap, 1, 10000 + 1000 * i);
	actual = actual_of(heap);
#ifdef kunit_activate_static_stub
	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
#endif
	for (round = 0; round < 5; round++) {
		wsheap_rollback(heap, &mark);
		KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
		/* the old memory first */
		KUNIT_EXPECT_PTR_EQ(test, wsheap_alloc(heap, 200, GFP_KERNEL), q);
		for (i = 0; i < 10; i++)
			take_blocks(test, heap, 1, 10000 + 1000 * i);
	}
#ifdef kunit_activate_static_stub
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
#endif
	KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 100));
	end_heap(test, heap);
}

#ifdef kunit_activate_static_stub
/* As a parser that tries one thing, and then does another. */
static void try_and_do(struct kunit *test, struct wsheap *heap)
{
	struct wsheap_mark mark = wsheap_mark(heap);
	unsigned int i;

	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, SZ_1K, GFP_KERNEL));
	wsheap_rollback(heap, &mark);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, SZ_1K, GFP_KERNEL));
	check_heap(test, heap);
}

static void messages_that_roll_back_take_nothing_from_the_third_on(struct kunit *test)
{
	static const size_t trims[] = { SZ_32K, SIZE_MAX };
	unsigned int i, j;
	size_t third = 0;

	kunit_activate_static_stub(test, wsheap_backing_alloc, count_backing);
	for (i = 0; i < ARRAY_SIZE(trims); i++) {
		struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, trims[i]);

		for (j = 1; j <= 100; j++) {
			obtained = 0;
			try_and_do(test, heap);
			if (j == 3)
				third = actual_of(heap);
			if (j >= 3) {
				KUNIT_ASSERT_EQ_MSG(test, obtained, 0, "message %d", j);
				KUNIT_ASSERT_EQ(test, actual_of(heap), third);
			}
			wsheap_reset(heap);
		}
		end_heap(test, heap);
	}
}

/* What was tried and given up is not added up. */
static void message_that_tries_often_comes_to_one_chunk(struct kunit *test)
{
	const struct life_kind *kind = test->param_value;
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	unsigned int i, round;
	struct wsheap_mark mark;

	for (round = 0; round < 6; round++) {
		take_blocks(test, heap, 4, 100);
		for (i = 0; i < 40; i++) {
			mark = wsheap_mark(heap);
			take_blocks(test, heap, 50, 100);
			wsheap_rollback(heap, &mark);
		}
		take_blocks(test, heap, 50, 100);
		KUNIT_EXPECT_LE(test, message_size(heap),
				54 * ALIGN(100, wsheap_block_align(heap)));
		if (round >= 3)
			KUNIT_EXPECT_LE(test, count_chunks(heap),
					kind->initial_size ? 2 : 1);
		wsheap_reset(heap);
	}
	KUNIT_EXPECT_LE(test, actual_of(heap), 4 * 54 * 104);
	end_heap(test, heap);
}

/* Also where there are more free chunks than a block looks at. */
static void what_is_tried_often_is_obtained_once(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	unsigned int i, round, chunks;
	struct wsheap_mark mark;
	size_t actual = 0;

	kunit_activate_static_stub(test, wsheap_backing_alloc, scarce_backing);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 40; i++)
			take_blocks(test, heap, 1, 1000 + i);
		wsheap_reset(heap);
	}
	take_blocks(test, heap, 1, 100);
	chunks = count_free(heap);
	for (i = 0; i < 40; i++) {
		mark = wsheap_mark(heap);
		take_blocks(test, heap, 2, 5000);
		take_blocks(test, heap, 1, 30000);
		wsheap_rollback(heap, &mark);
		if (i == 2)
			actual = actual_of(heap);
	}
	KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
	if (!(((const struct life_kind *)test->param_value)->flags & WSHEAP_ADAPTIVE))
		KUNIT_EXPECT_GT(test, chunks, FREE_TRIED);
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	end_heap(test, heap);
}

static struct wsheap *wiped;
static unsigned int wipes, wipes_with_interrupts_off;

static void watching_wipe(void *mem, size_t size)
{
	wipes++;
	wipes_with_interrupts_off += irqs_disabled();
	memset(mem, 0, size);
}

static void rollback_wipes_with_interrupts_on(struct kunit *test)
{
	struct wsheap_mark mark;
	unsigned int i;

	wiped = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	take_blocks(test, wiped, 3, 700);
	for (i = 0; i < 3; i++) {
		mark = wsheap_mark(wiped);
		take_blocks(test, wiped, 30, 700);
		take_blocks(test, wiped, 2, 30000);
		kunit_activate_static_stub(test, wsheap_memory_wipe, watching_wipe);
		wipes = 0;
		wipes_with_interrupts_off = 0;
		wsheap_rollback(wiped, &mark);
		kunit_deactivate_static_stub(test, wsheap_memory_wipe);
		KUNIT_EXPECT_EQ(test, !!wipes, want_init_on_free());
		KUNIT_EXPECT_EQ(test, wipes_with_interrupts_off, 0);
	}
	end_heap(test, wiped);
}
#endif

static void released_bytes_are_gone_after_a_rollback(struct kunit *test)
{
	struct wsheap *heap;
	unsigned int i, round, left = 0;
	struct wsheap_mark mark;
	struct rnd_state rnd;

	needs_places(test);
	heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	prandom_seed_state(&rnd, SEED);
	unclear = 0;
	for (round = 0; round < 30; round++) {
		random_steps(&rnd, &older, prandom_u32_state(&rnd) % 20, 3000);
		take_steps(test, heap, &older, FILL_OLDER);
		mark = wsheap_mark(heap);
		for (i = 0; i < 4; i++) {
			random_steps(&rnd, &middle, prandom_u32_state(&rnd) % 30,
				     i % 2 ? 20000 : 300);
			take_steps(test, heap, &middle, FILL_RELEASED);
			wsheap_rollback(heap, &mark);
			check_heap(test, heap);
			left += count_chunks_with(heap, FILL_RELEASED);
		}
		check_bytes(test, &older, FILL_OLDER);
		if (round % 3 == 2)
			wsheap_reset(heap);
	}
	KUNIT_EXPECT_EQ(test, unclear, 0);
	end_heap(test, heap);
	if (want_init_on_free())
		KUNIT_EXPECT_EQ(test, left, 0);
	else
		KUNIT_EXPECT_GT(test, left, 0);	/* so the case can fail */
}

/* Blocks older than a savepoint may change their size after it. */
static void rollback_after_an_older_block_changed(struct kunit *test)
{
	static const size_t sizes[] = { 0, 1, 50, 100, 101, 150, 300, 3000, 20000 };
	unsigned int i, more, round;
	struct sight sight;
	char *p, *q, *next;

	needs_places(test);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (more = 0; more < 4; more++) {
			struct wsheap *heap = life_heap(test, SZ_1M, SIZE_MAX);
			struct wsheap_mark inside;
			size_t kept = min_t(size_t, sizes[i], 100);

			for (round = 0; round < 3; round++) {
				take_blocks(test, heap, 1, 10);
				p = wsheap_alloc(heap, 100, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, p);
				memset(p, FILL_OLDER, 100);
				take_sight(heap, &sight);
				next = wsheap_alloc(heap, 24, GFP_KERNEL);
				wsheap_rollback(heap, &sight.mark);
				q = wsheap_extend(heap, p, 100, sizes[i], GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, q);
				KUNIT_ASSERT_NULL(test, memchr_inv(q, FILL_OLDER, kept));
				if (more & 1) {
					inside = wsheap_mark(heap);
					take_blocks(test, heap, 3, 33);
					wsheap_rollback(heap, &inside);
				}
				if (more & 2)
					take_blocks(test, heap, 4, 33);
				roll_back_to(test, heap, &sight);
				KUNIT_ASSERT_NULL(test, memchr_inv(p, FILL_OLDER, kept));
				KUNIT_ASSERT_PTR_EQ(test, wsheap_alloc(heap, 24, GFP_KERNEL),
						    next);
				take_blocks(test, heap, 20, 40);
				wsheap_reset(heap);
			}
			end_heap(test, heap);
		}
	}
}

/* Contexts. What runs in one collects its findings. */
struct rollback_work {
	struct irq_work irq_work;
	struct wsheap *heap;
	struct completion done;
	bool in_hardirq;
	unsigned int failures, actions;
	struct wsheap_action action;
};

static void count_action(void *data)
{
	++*(unsigned int *)data;
}

static void use_savepoints(struct rollback_work *work)
{
	struct wsheap *heap = work->heap;
	struct wsheap_mark mark = wsheap_mark(heap);
	size_t before = requested_of(heap);
	unsigned int i;
	void *p = NULL;

	wsheap_add_action(heap, &work->action, count_action, &work->actions);
	for (i = 0; i < 20; i++) {
		p = wsheap_alloc(heap, 100 + 300 * i, GFP_ATOMIC);
		work->failures += !p;
	}
	p = wsheap_extend(heap, p, 100 + 300 * 19, 7000, GFP_ATOMIC);
	work->failures += !p;
	wsheap_rollback(heap, &mark);
	work->failures += requested_of(heap) != before;
	work->failures += wsheap_reserve(heap, 5000, GFP_ATOMIC);
	wsheap_rollback(heap, &mark);
	complete(&work->done);
}

static void rollback_in_hardirq_fn(struct irq_work *irq_work)
{
	struct rollback_work *work = container_of(irq_work, struct rollback_work,
						  irq_work);

	work->in_hardirq = in_hardirq();
	use_savepoints(work);
}

static void savepoints_work_in_hardirq(struct kunit *test)
{
	struct rollback_work *work = kunit_kzalloc(test, sizeof(*work), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, work);
	work->heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	for (i = 1; i <= 4; i++) {
		take_blocks(test, work->heap, 3, 20000);
		init_completion(&work->done);
		work->irq_work = IRQ_WORK_INIT_HARD(rollback_in_hardirq_fn);
		irq_work_queue(&work->irq_work);
		irq_work_sync(&work->irq_work);
		wait_for_completion(&work->done);
		KUNIT_EXPECT_TRUE(test, work->in_hardirq);
		KUNIT_EXPECT_EQ(test, work->failures, 0);
		KUNIT_EXPECT_EQ(test, work->actions, i);
		check_heap(test, work->heap);
	}
	end_heap(test, work->heap);
}

static void savepoints_are_not_for_private_heaps(struct kunit *test)
{
	struct wsheap *heap = wsheap_create_private(0, 0, 0);
	struct wsheap_mark mark;
	char *p, *q;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 100);
	mark = wsheap_mark(heap);
	q = wsheap_alloc(heap, 100, GFP_KERNEL);
	wsheap_rollback(heap, &mark);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 200);
	KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 100, 200, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_extend(heap, q, 100, 50, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_extend(heap, NULL, 0, 50, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 200);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 100));
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 100, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, wsheap_set_max_size(heap, 100), -EINVAL);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	wsheap_destroy(heap);
}

/*
 * Actions.
 */

#define ACTIONS		6

struct acting {
	struct wsheap_action *action;	/* in a block of the heap */
	struct wsheap *heap;
	u8 *block;
	unsigned int index;
	size_t requested;
};

static struct acting acting[ACTIONS];
static unsigned int acted[2 * ACTIONS], nr_acted, acted_wrong;

static void act(void *data)
{
	struct acting *a = data;

	if (memchr_inv(a->block, 0x40 + a->index, 500))
		acted_wrong++;
	/* Blocks newer than the action are there, too. */
	if (requested_of(a->heap) < a->requested)
		acted_wrong++;
	if (nr_acted < ARRAY_SIZE(acted))
		acted[nr_acted++] = a->index;
	else
		acted_wrong++;
}

static void add_acting(struct kunit *test, struct wsheap *heap, unsigned int i)
{
	struct acting *a = &acting[i];

	a->index = i;
	a->heap = heap;
	a->block = wsheap_alloc(heap, 500, GFP_KERNEL);
	a->action = wsheap_alloc(heap, sizeof(*a->action), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, a->block);
	KUNIT_ASSERT_NOT_NULL(test, a->action);
	memset(a->block, 0x40 + i, 500);
	wsheap_add_action(heap, a->action, act, a);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 3000 * i, GFP_KERNEL));
	a->requested = requested_of(heap);
}

static void add_actings(struct kunit *test, struct wsheap *heap)
{
	unsigned int i;

	nr_acted = 0;
	acted_wrong = 0;
	for (i = 0; i < ACTIONS; i++)
		add_acting(test, heap, i);
}

/* The actions from @last down to @first have been done, and no others. */
static void check_acted(struct kunit *test, unsigned int first, unsigned int last)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(test, acted_wrong, 0);
	KUNIT_EXPECT_EQ(test, nr_acted, last - first + 1);
	for (i = 0; i < nr_acted; i++)
		KUNIT_EXPECT_EQ(test, acted[i], last - i);
	nr_acted = 0;
}

static void actions_run_once_and_newest_first(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SZ_64K);
	unsigned int round;

	for (round = 0; round < 5; round++) {
		add_actings(test, heap);
		KUNIT_EXPECT_EQ(test, nr_acted, 0);
		wsheap_reset(heap);
		check_acted(test, 0, ACTIONS - 1);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		wsheap_reset(heap);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL));
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, nr_acted, 0);
	}
	/* also where a reset would only take the cursor back */
	wsheap_reset(heap);
	add_acting(test, heap, 0);
	wsheap_reset(heap);
	check_acted(test, 0, 0);
	/* one without blocks */
	wsheap_add_action(heap, acting[0].action = kunit_kzalloc(test, sizeof(struct wsheap_action),
								 GFP_KERNEL),
			  count_action, &nr_acted);
	wsheap_reset(heap);
	KUNIT_EXPECT_EQ(test, nr_acted, 1);
	end_heap(test, heap);
	KUNIT_EXPECT_EQ(test, nr_acted, 1);
}

static void actions_run_when_a_heap_ends(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SZ_64K);

	add_actings(test, heap);
	end_heap(test, heap);
	check_acted(test, 0, ACTIONS - 1);
}

static void returned_heap_has_no_actions(struct kunit *test)
{
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, NULL, 0, 0);
	struct wsheap *heap, *again;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	add_actings(test, heap);
	wsheap_pool_free(pool, heap);
	check_acted(test, 0, ACTIONS - 1);
	again = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, again, heap);
	KUNIT_EXPECT_EQ(test, requested_of(again), 0);
	wsheap_reset(again);
	wsheap_pool_free(pool, again);
	wsheap_pool_destroy(pool);
	KUNIT_EXPECT_EQ(test, nr_acted, 0);
}

static void actions_run_with_the_device(struct kunit *test)
{
	static const struct wsheap_args bad = { .flags = BIT(31) };
	unsigned int i, live = count_live();
	struct wsheap_pool *pool;
	struct wsheap *heap;
	struct device *dev;

	for (i = 0; i < 2; i++) {
		dev = root_device_register("wsheap-test");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
		if (i)
			heap = devm_wsheap_create_private(dev, 0, 0, 0, NULL);
		else
			heap = devm_wsheap_create(dev, SZ_1M, 0, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
		pool = devm_wsheap_pool_create(dev, SZ_1M, SZ_16K, NULL, 2, 4);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
		KUNIT_EXPECT_EQ(test, count_live(), live + 3);
		KUNIT_EXPECT_EQ(test, PTR_ERR(devm_wsheap_create_private(dev, BIT(31), 0, 0,
									 NULL)), -EINVAL);
		KUNIT_EXPECT_EQ(test, PTR_ERR(devm_wsheap_pool_create(dev, 1, 1, &bad, 0, 0)),
				-EINVAL);
		add_actings(test, heap);
		KUNIT_EXPECT_EQ(test, nr_acted, 0);
		root_device_unregister(dev);
		check_acted(test, 0, ACTIONS - 1);
		KUNIT_EXPECT_EQ(test, count_live(), live);
	}
}

static void rollback_runs_only_the_newer_actions(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SZ_64K);
	struct wsheap_mark marks[ACTIONS + 1];
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		nr_acted = 0;
		acted_wrong = 0;
		for (i = 0; i < ACTIONS; i++) {
			marks[i] = wsheap_mark(heap);
			add_acting(test, heap, i);
		}
		marks[i] = wsheap_mark(heap);
		wsheap_rollback(heap, &marks[ACTIONS]);
		KUNIT_EXPECT_EQ(test, nr_acted, 0);
		wsheap_rollback(heap, &marks[4]);
		check_acted(test, 4, ACTIONS - 1);
		wsheap_rollback(heap, &marks[4]);
		KUNIT_EXPECT_EQ(test, nr_acted, 0);
		/* others after the same savepoint */
		add_acting(test, heap, 4);
		wsheap_rollback(heap, &marks[3]);
		check_acted(test, 3, 4);
		if (round == 2)
			break;
		wsheap_reset(heap);
		check_acted(test, 0, 2);
	}
	end_heap(test, heap);
	check_acted(test, 0, 2);
}

/*
 * Blocks that grow.
 */

static void newest_block_grows_and_shrinks_in_place(struct kunit *test)
{
	static const size_t sizes[] = { 17, 1, 8, 9, 200, 64, 300, 299, 300, 0, 3, 350 };
	struct wsheap *heap;
	unsigned int i, round;

	needs_places(test);
	heap = life_heap(test, 10000, SIZE_MAX);
	for (round = 0; round < 3; round++) {
		size_t old = 16, before;
		u8 *p, *q;

		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 13, GFP_KERNEL));
		before = requested_of(heap);
		p = wsheap_alloc(heap, old, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, FILL_OLDER, old);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			q = wsheap_extend(heap, p, old, sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, q);
			/* an empty block has no memory to be in */
			if (old && sizes[i])
				KUNIT_ASSERT_PTR_EQ(test, q, p);
			KUNIT_ASSERT_EQ(test, requested_of(heap), before + sizes[i]);
			KUNIT_ASSERT_NULL(test, memchr_inv(q, FILL_OLDER,
							   min(old, sizes[i])));
			check_heap(test, heap);
			memset(q, FILL_OLDER, sizes[i]);
			p = q;
			old = sizes[i];
		}
		/* What follows begins behind it. */
		q = wsheap_alloc(heap, 8, GFP_KERNEL);
		KUNIT_EXPECT_TRUE(test, q >= p + old || q + 8 <= p);
		memset(q, FILL_LATER, 8);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, old));
		wsheap_reset(heap);
	}
	end_heap(test, heap);
}

/* Not only those that share a chunk with others. */
static void newest_large_block_is_charged_for_the_difference(struct kunit *test)
{
	static const size_t sizes[] = { 20480, 30000, 65536, 40000, 100, 20000, 8192,
					12288, 8193 };
	unsigned int i, first;

	for (first = 0; first < 2; first++) {
		struct wsheap *heap = life_heap(test, 70000, SIZE_MAX);
		size_t old = 12288, before;
		u8 *p, *q;

		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, first ? 100 : 0, GFP_KERNEL));
		before = requested_of(heap);
		p = wsheap_alloc(heap, old, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, FILL_OLDER, old);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			q = wsheap_extend(heap, p, old, sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL_MSG(test, q, "step %u", i);
			KUNIT_EXPECT_EQ_MSG(test, requested_of(heap), before + sizes[i],
					    "step %u", i);
			KUNIT_ASSERT_NULL(test, memchr_inv(q, FILL_OLDER,
							   min(old, sizes[i])));
			check_heap(test, heap);
			memset(q, FILL_OLDER, sizes[i]);
			p = q;
			old = sizes[i];
		}
		end_heap(test, heap);
	}
}

/* Blocks are rounded, and the quota is not. */
static void quota_is_exact_after_a_block_grew(struct kunit *test)
{
	static const size_t from[] = { 1, 2, 7, 8, 9, 100 };
	size_t max, old, size, block;
	unsigned int i;

	needs_places(test);
	for (i = 0; i < ARRAY_SIZE(from); i++) {
		for (max = 10; max < 40; max++) {
			struct wsheap *heap = life_heap(test, 99 + max, SIZE_MAX);
			struct wsheap_mark mark;
			void *p;

			/* the limit is anew behind the block, from here on */
			take_blocks(test, heap, 1, 99);
			mark = wsheap_mark(heap);
			for (block = 1; block < 40; block++) {
				old = min(from[i], max);
				p = wsheap_alloc(heap, old, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, p);
				KUNIT_ASSERT_NULL(test, wsheap_alloc(heap, 1000, GFP_KERNEL));
				size = min(ALIGN(old, 8), max);
				KUNIT_ASSERT_PTR_EQ(test, wsheap_extend(heap, p, old, size,
									GFP_KERNEL), p);
				KUNIT_ASSERT_EQ(test, !!wsheap_alloc(heap, block, GFP_KERNEL),
						block <= max - size);
				KUNIT_ASSERT_LE(test, requested_of(heap), 99 + max);
				wsheap_rollback(heap, &mark);
			}
			end_heap(test, heap);
		}
	}
}

static void quota_is_exact_for_a_block_that_grows(struct kunit *test)
{
	size_t max, old, size;
	void *p;

	for (max = 1; max < 30; max++) {
		struct wsheap *heap = life_heap(test, max, SIZE_MAX);

		for (old = 1; old <= max; old++) {
			for (size = 0; size < 33; size++) {
				p = wsheap_alloc(heap, old, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, p);
				KUNIT_ASSERT_EQ(test, !!wsheap_extend(heap, p, old, size,
								      GFP_KERNEL), size <= max);
				KUNIT_ASSERT_EQ(test, requested_of(heap),
						size <= max ? size : old);
				wsheap_reset(heap);
			}
		}
		end_heap(test, heap);
	}
}

static void block_with_others_behind_it_moves(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 100000, SIZE_MAX);
	static const size_t sizes[] = { 101, 400, 5000, 30000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u8 *p = wsheap_alloc(heap, 100, GFP_KERNEL), *q, *next;

		next = wsheap_alloc(heap, 50, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_ASSERT_NOT_NULL(test, next);
		memset(p, FILL_OLDER, 100);
		memset(next, FILL_LATER, 50);
		q = wsheap_extend(heap, p, 100, sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, q);
		KUNIT_EXPECT_PTR_NE(test, q, p);
		KUNIT_EXPECT_NULL(test, memchr_inv(q, FILL_OLDER, 100));
		/* the old one is there until the reset, and charged */
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 100));
		KUNIT_EXPECT_EQ(test, requested_of(heap), 150 + sizes[i]);
		memset(q, FILL_RELEASED, sizes[i]);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 100));
		KUNIT_EXPECT_NULL(test, memchr_inv(next, FILL_LATER, 50));
		/* smaller is where it is, and gives nothing back */
		KUNIT_EXPECT_PTR_EQ(test, wsheap_extend(heap, p, 100, 30, GFP_KERNEL), p);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 150 + sizes[i]);
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	end_heap(test, heap);
}

static void block_moves_out_of_a_full_chunk(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, SZ_1M, SIZE_MAX);
	size_t old = 10, before;
	u8 *p, *q;

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 40, GFP_KERNEL));
	before = requested_of(heap);
	p = wsheap_alloc(heap, old, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, old);
	for (; old < 20000; old += 90) {
		q = wsheap_extend(heap, p, old, old + 90, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, q);
		KUNIT_ASSERT_NULL(test, memchr_inv(q, FILL_OLDER, old));
		/* It was the newest one, so its room is its own. */
		KUNIT_ASSERT_EQ(test, requested_of(heap), before + old + 90);
		check_heap(test, heap);
		memset(q, FILL_OLDER, old + 90);
		p = q;
	}
	end_heap(test, heap);
}

static void extending_nothing_allocates(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 1000, SIZE_MAX);
	void *p, *empty;

	p = wsheap_extend(heap, NULL, 0, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
	empty = wsheap_extend(heap, NULL, 0, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, empty);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
	empty = wsheap_extend(heap, empty, 0, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, empty);
	p = wsheap_extend(heap, empty, 0, 50, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 50);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 150);
	/* to nothing, and on from there */
	p = wsheap_extend(heap, p, 50, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
	p = wsheap_extend(heap, p, 0, 900, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 900);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 1000);
	KUNIT_EXPECT_NULL(test, wsheap_extend(heap, NULL, 0, 1, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_extend(heap, NULL, 0, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EDQUOT);
	end_heap(test, heap);
}

static void refused_growth_leaves_the_block(struct kunit *test)
{
	static const size_t absurd[] = {
		(size_t)INT_MAX + 1, SIZE_MAX / 4 * 3, SIZE_MAX - PAGE_SIZE, SIZE_MAX - 8,
		SIZE_MAX - 7, SIZE_MAX - 1, SIZE_MAX,
	};
	unsigned int i, behind;

	for (behind = 0; behind < 2; behind++) {
		struct wsheap *heap = life_heap(test, 2000, SIZE_MAX);
		struct wsheap *free = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
		size_t before;
		u8 *p, *q;

		p = wsheap_alloc(heap, 1500, GFP_KERNEL);
		q = wsheap_alloc(free, 1500, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_ASSERT_NOT_NULL(test, q);
		memset(p, FILL_OLDER, 1500);
		memset(q, FILL_OLDER, 1500);
		if (behind) {
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(free, 8, GFP_KERNEL));
		}
		before = requested_of(heap);
		KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 1500, 2001, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EDQUOT);
		KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 1500, 20000, GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 1500, 1600,
						      GFP_KERNEL | __GFP_NOFAIL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EINVAL);
		for (i = 0; i < ARRAY_SIZE(absurd); i++) {
			KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 1500, absurd[i],
							      GFP_KERNEL));
			KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
			KUNIT_EXPECT_NULL(test, wsheap_extend(free, q, 1500, absurd[i],
							      GFP_KERNEL | __GFP_ZERO));
			KUNIT_EXPECT_EQ(test, wsheap_status(free), -EOVERFLOW);
		}
		KUNIT_EXPECT_EQ(test, requested_of(heap), before);
		KUNIT_EXPECT_EQ(test, requested_of(free), before);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 1500));
		KUNIT_EXPECT_NULL(test, memchr_inv(q, FILL_OLDER, 1500));
		check_heap(test, heap);
		/* A smaller one after it succeeds. */
		if (!behind) {
			KUNIT_EXPECT_PTR_EQ(test, wsheap_extend(heap, p, 1500, 1500,
								GFP_KERNEL), p);
			p = wsheap_extend(heap, p, 1500, 2000, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 1500));
			KUNIT_EXPECT_EQ(test, requested_of(heap), 2000);
		}
		end_heap(test, heap);
		end_heap(test, free);
	}
}

#ifdef kunit_activate_static_stub
static void growth_without_memory_leaves_the_block(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	u8 *p = wsheap_alloc(heap, 300, GFP_KERNEL);
	size_t actual = actual_of(heap);

	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 300);
	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
	KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 300, 100000, GFP_KERNEL));
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -ENOMEM);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 300);
	KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 300));
	check_heap(test, heap);
	/* It is still the newest one. */
	p = wsheap_extend(heap, p, 300, 100000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 300));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100000);
	end_heap(test, heap);
}
#endif

static void zeroed_growth_is_zero(struct kunit *test)
{
	static const size_t sizes[] = { 5, 6, 8, 13, 100, 99, 500, 3000, 3001, 17000, 17001,
					40000 };
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	unsigned int i, round, old_bytes = 0;

	for (round = 0; round < 6; round++) {
		gfp_t gfp = round % 2 ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
		size_t old = 4;
		u8 *p;

		/* where earlier messages wrote */
		take_blocks(test, heap, 0, 0);
		p = wsheap_alloc(heap, 60000, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, FILL_RELEASED, 60000);
		for (i = 0; i < 50; i++)
			memset(wsheap_alloc(heap, 1000, GFP_KERNEL), FILL_RELEASED, 1000);
		wsheap_reset(heap);

		p = wsheap_alloc(heap, old, gfp);
		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, FILL_OLDER, old);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_t size = sizes[i];

			p = wsheap_extend(heap, p, old, size, gfp);
			KUNIT_ASSERT_NOT_NULL(test, p);
			KUNIT_ASSERT_NULL(test, memchr_inv(p, FILL_OLDER, min(old, size)));
			if (size > old) {
				if (gfp & __GFP_ZERO)
					KUNIT_ASSERT_NULL(test, memchr_inv(p + old, 0,
									   size - old));
				else
					old_bytes += !!memchr(p + old, FILL_RELEASED,
							      size - old);
			}
			check_heap(test, heap);
			memset(p, FILL_OLDER, size);
			old = size;
		}
		wsheap_reset(heap);
	}
	if (want_init_on_alloc(0) || want_init_on_free())
		KUNIT_EXPECT_EQ(test, old_bytes, 0);
	end_heap(test, heap);
}

/* What a block gives up is not shown to the next one. */
static void bytes_that_were_given_up_do_not_show(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	size_t size, next;
	u8 *p, *q;

	if (!want_init_on_alloc(0) && !want_init_on_free())
		kunit_skip(test, "needs init_on_alloc=1 or init_on_free=1");
	for (size = 1; size < 30000; size = 2 * size + 7) {
		for (next = 1; next < 30000; next = 3 * next + 5) {
			p = wsheap_alloc(heap, size, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			memset(p, FILL_RELEASED, size);
			p = wsheap_extend(heap, p, size, size / 3, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			q = wsheap_alloc(heap, next, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, q);
			KUNIT_ASSERT_NULL(test, memchr_inv(q, 0, next));
			memset(q, FILL_RELEASED, next);
			check_heap(test, heap);
			if (next % 2)
				wsheap_reset(heap);
		}
	}
	end_heap(test, heap);
}

#define LONG_STRING	300000

static void string_built_by_the_byte_holds_little(struct kunit *test)
{
	struct wsheap *heap;
	unsigned int i, round, moves;
	size_t bound, initial, asked;	/* by blocks that were given up */
	u8 *p, *q;

	needs_places(test);
	heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	for (round = 0; round < 3; round++) {
		p = NULL;
		moves = 0;
		asked = 0;
		initial = actual_of(heap);
		for (i = 0; i < LONG_STRING; i++) {
			q = wsheap_extend(heap, p, i, i + 1, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, q);
			if (q != p) {
				moves++;
				asked += ALIGN(i, 8);
			}
			p = q;
			p[i] = i % 251;
			if (i % 1000 == 999) {
				KUNIT_ASSERT_EQ(test, requested_of(heap), i + 1);
				bound = WSHEAP_BOUND_FACTOR * (asked + i + 1) +
					WSHEAP_BOUND_CONSTANT + 2 * initial;
				KUNIT_ASSERT_LE(test, actual_of(heap), bound);
				KUNIT_ASSERT_LE(test, actual_of(heap), 8 * (i + 1) + SZ_4K +
						2 * initial);
			}
		}
		for (i = 0; i < LONG_STRING; i++)
			if (p[i] != i % 251)
				break;
		KUNIT_EXPECT_EQ(test, i, LONG_STRING);
		KUNIT_EXPECT_LT(test, moves, 20);
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	end_heap(test, heap);
}

static void rollback_takes_back_what_a_block_grew_by(struct kunit *test)
{
	static const size_t sizes[] = { 101, 200, 3000, 9000, 40000 };
	struct wsheap *heap = life_heap(test, SZ_1M, SIZE_MAX);
	size_t whole = ALIGN(100, wsheap_block_align(heap));
	unsigned int i, round;
	struct sight sight;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			u8 *p = wsheap_alloc(heap, 100, GFP_KERNEL), *q;

			KUNIT_ASSERT_NOT_NULL(test, p);
			memset(p, FILL_OLDER, 100);
			take_sight(heap, &sight);
			q = wsheap_extend(heap, p, 100, sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, q);
			/* Up to its alignment it is a part of the older block. */
			if (sizes[i] > whole)
				memset(q + whole, FILL_RELEASED, sizes[i] - whole);
			roll_back_to(test, heap, &sight);
			KUNIT_ASSERT_NULL(test, memchr_inv(p, FILL_OLDER, 100));
			if (!want_init_on_alloc(0) && !want_init_on_free())
				continue;
			q = wsheap_zalloc(heap, 100, GFP_KERNEL);
			KUNIT_ASSERT_NULL(test, memchr_inv(q, 0, 100));
		}
		wsheap_reset(heap);
	}
	end_heap(test, heap);
}

/* A model of blocks that come, grow and shrink. */
static void random_growth_agrees_with_a_model(struct kunit *test)
{
	const unsigned int newest = 15;
	struct rnd_state rnd;
	unsigned int i, round;

	prandom_seed_state(&rnd, SEED + 5);
	for (round = 0; round < 20; round++) {
		struct wsheap *heap = life_heap(test, 300000, SIZE_MAX);
		struct { u8 *p; size_t size; u8 fill; } b[16] = {};
		size_t before, charged;

		for (i = 0; i < 300; i++) {
			unsigned int at = prandom_u32_state(&rnd) % 2 ? newest :
					  prandom_u32_state(&rnd) % 16;
			size_t size = random_size(&rnd, i % 7 ? 3000 : 30000), old;
			u8 *p;

			before = requested_of(heap);
			if (prandom_u32_state(&rnd) % 4 == 0 || !b[at].p) {
				p = wsheap_alloc(heap, size, GFP_KERNEL);
				KUNIT_ASSERT_EQ(test, !!p, size <= 300000 - before);
				if (!p)
					break;
				memmove(&b[0], &b[1], sizeof(b[0]) * 15);
				b[newest].p = p;
				b[newest].size = size;
				b[newest].fill = i;
				memset(p, i, size);
				continue;
			}
			old = b[at].size;
			p = wsheap_extend(heap, b[at].p, old, size, GFP_KERNEL);
			charged = requested_of(heap) - before;
			check_heap(test, heap);
			if (!p) {
				KUNIT_ASSERT_EQ(test, charged, 0);
				KUNIT_ASSERT_TRUE(test, size > 300000 - before);
				break;
			}
			KUNIT_ASSERT_NULL(test, memchr_inv(p, b[at].fill, min(old, size)));
			if (at == newest)
				KUNIT_ASSERT_EQ(test, charged, size - old);
			else if (size <= old)
				KUNIT_ASSERT_PTR_EQ(test, p, b[at].p);
			else if (p == b[at].p)
				KUNIT_ASSERT_EQ(test, charged, size - old);
			b[at].size = size;
			memset(p, b[at].fill, size);
			if (p != b[at].p) {
				/* It is the newest one now. */
				typeof(b[0]) moved = b[at];

				moved.p = p;
				memmove(&b[at], &b[at + 1], sizeof(b[0]) * (15 - at));
				b[newest] = moved;
			}
		}
		for (i = 0; i < 16; i++)
			if (b[i].p)
				KUNIT_ASSERT_NULL(test, memchr_inv(b[i].p, b[i].fill,
								   b[i].size));
		end_heap(test, heap);
	}
}

/*
 * Strings that grow.
 */

static void appended_text_is_what_snprintf_writes(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	size_t room = SZ_64K, length, n;
	unsigned int i, round;
	char *model, *string;

	model = kvmalloc(room, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	for (round = 0; round < 3; round++) {
		string = NULL;
		length = 0;
		n = 0;
		for (i = 0; i < 200; i++) {
			KUNIT_ASSERT_EQ(test, wsheap_appendf(heap, &string, &length,
							     GFP_KERNEL, "%u:%*s|", i,
							     i % 50, "x"), 0);
			n += scnprintf(model + n, room - n, "%u:%*s|", i, i % 50, "x");
			KUNIT_ASSERT_EQ(test, length, n);
			KUNIT_ASSERT_EQ(test, wsheap_appendf(heap, &string, &length,
							     GFP_KERNEL, "%s", ""), 0);
			KUNIT_ASSERT_EQ(test, length, n);
			KUNIT_ASSERT_STREQ(test, string, model);
			if (round == 1 && i % 20 == 0)
				take_blocks(test, heap, 1, 30);
			if (round < 1)
				KUNIT_ASSERT_EQ(test, requested_of(heap), n + 1);
		}
		KUNIT_ASSERT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL,
						     "%20000d", 7), 0);
		n += scnprintf(model + n, room - n, "%20000d", 7);
		KUNIT_EXPECT_EQ(test, length, n);
		KUNIT_EXPECT_STREQ(test, string, model);
		check_heap(test, heap);
		wsheap_reset(heap);
	}
	/* an empty one */
	string = NULL;
	length = 0;
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL, "%s", ""), 0);
	KUNIT_ASSERT_NOT_NULL(test, string);
	KUNIT_EXPECT_STREQ(test, string, "");
	KUNIT_EXPECT_EQ(test, length, 0);
	end_heap(test, heap);
	kvfree(model);
}

static void refused_text_leaves_the_string(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 20, SIZE_MAX);
	size_t length = 0;
	char *string = NULL, *before;

	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL,
					     "%021d", 1), -EDQUOT);
	KUNIT_EXPECT_NULL(test, string);
	KUNIT_EXPECT_EQ(test, length, 0);
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL,
					     "%s", "0123456789"), 0);
	before = string;
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL,
					     "%s", "abcdefghij"), -EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length,
					     GFP_KERNEL | __GFP_NOFAIL, "x"), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, string, before);
	KUNIT_EXPECT_EQ(test, length, 10);
	KUNIT_EXPECT_STREQ(test, string, "0123456789");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 11);
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL,
					     "%s", "abcdefghi"), 0);
	KUNIT_EXPECT_STREQ(test, string, "0123456789abcdefghi");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 20);
	end_heap(test, heap);
}

static void text_is_not_appended_in_a_private_heap(struct kunit *test)
{
	struct wsheap *heap = wsheap_create_private(0, 0, SZ_64K);
	size_t length = 0;
	char *string = NULL;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL, "x"),
			-EINVAL);
	/* whatever else was refused before */
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, SZ_128K, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_appendf(heap, &string, &length, GFP_KERNEL, "x"),
			-EINVAL);
	KUNIT_EXPECT_NULL(test, string);
	KUNIT_EXPECT_EQ(test, length, 0);
	wsheap_destroy(heap);
}

/*
 * Room for what comes.
 */

#ifdef kunit_activate_static_stub
static size_t rounded_up(const struct wsheap *heap, size_t size)
{
	return ALIGN(size, wsheap_block_align(heap));
}

static void reserved_room_is_there_without_memory(struct kunit *test)
{
	static const size_t rooms[] = { 0, 8, 100, 470, 1000, 5000, 8100, 20000, 100000,
					300000 };
	struct rnd_state rnd;
	unsigned int i, round;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SZ_16K);

		for (round = 0; round < 12; round++) {
			size_t align, size, cost, left = rooms[i];
			void *p;

			random_steps(&rnd, &older, prandom_u32_state(&rnd) % 20, 6000);
			if (round)
				take_steps(test, heap, &older, FILL_OLDER);
			KUNIT_ASSERT_EQ(test, wsheap_reserve(heap, left, round % 3 ?
							     GFP_KERNEL : GFP_ATOMIC), 0);
			check_heap(test, heap);
			kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
			while (left >= 8) {
				align = prandom_u32_state(&rnd) % 4 ? 8 :
					8 << prandom_u32_state(&rnd) % 6;
				size = random_size(&rnd, round % 2 ? left : 200);
				cost = rounded_up(heap, size) + align - 8;
				if (cost > left) {
					align = 8;
					size = left - left % wsheap_block_align(heap);
					cost = size;
				}
				if (!size)
					break;
				p = wsheap_alloc_aligned(heap, size, align, GFP_NOWAIT);
				KUNIT_ASSERT_NOT_NULL(test, p);
				memset(p, FILL_LATER, size);
				left -= cost;
			}
			kunit_deactivate_static_stub(test, wsheap_backing_alloc);
			check_heap(test, heap);
			if (round)
				check_bytes(test, &older, FILL_OLDER);
			if (round % 4 != 2)
				wsheap_reset(heap);
		}
		end_heap(test, heap);
	}
}

static void reserved_room_costs_no_quota_and_has_reasons(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 1000, SIZE_MAX);
	size_t actual;

	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 0, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 1000, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 1001, GFP_KERNEL), -EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EDQUOT);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 400, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 601, GFP_KERNEL), -EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 600, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, (size_t)INT_MAX + 1, GFP_KERNEL), -EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, SIZE_MAX, GFP_KERNEL), -EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 10, GFP_KERNEL | __GFP_NOFAIL), -EINVAL);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 10, GFP_KERNEL | __GFP_DMA32), -EINVAL);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EINVAL);
	check_heap(test, heap);
	end_heap(test, heap);

	heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, (size_t)INT_MAX + 1, GFP_KERNEL), -ENOMEM);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, SIZE_MAX, GFP_KERNEL), -ENOMEM);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, SIZE_MAX - 3, GFP_KERNEL), -ENOMEM);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 400, GFP_KERNEL));
	actual = actual_of(heap);
	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 100000, GFP_KERNEL), -ENOMEM);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -ENOMEM);
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	KUNIT_EXPECT_EQ(test, actual_of(heap), actual);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 400);
	check_heap(test, heap);
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 100000, GFP_KERNEL), 0);
	KUNIT_EXPECT_LE(test, actual_of(heap), actual + 4 * 100000);
	wsheap_reset(heap);
	check_heap(test, heap);
	end_heap(test, heap);
}
#endif

/*
 * Another quota.
 */

static void another_quota_is_for_a_heap_without_blocks(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 1000, SIZE_MAX);
	unsigned int round;

	KUNIT_EXPECT_EQ(test, wsheap_set_max_size(heap, 2000), 0);
	KUNIT_EXPECT_EQ(test, max_size_of(heap), 2000);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	for (round = 0; round < 4; round++) {
		size_t max = round % 2 ? 50 : 3000 * (round + 1);

		/* An empty block is none. */
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
		KUNIT_ASSERT_EQ(test, wsheap_set_max_size(heap, max), 0);
		KUNIT_EXPECT_EQ(test, max_size_of(heap), max);
		KUNIT_EXPECT_EQ(test, wsheap_max_size(heap), max);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_set_max_size(heap, 100000), -EBUSY);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, max, GFP_KERNEL));
		while (wsheap_alloc(heap, 8, GFP_KERNEL))
			;
		while (wsheap_alloc(heap, 1, GFP_KERNEL))
			;
		KUNIT_EXPECT_EQ(test, requested_of(heap), max);
		KUNIT_EXPECT_EQ(test, wsheap_set_max_size(heap, max), -EBUSY);
		KUNIT_EXPECT_EQ(test, wsheap_set_max_size(heap, WSHEAP_UNLIMITED), -EBUSY);
		KUNIT_EXPECT_EQ(test, max_size_of(heap), max);
		check_heap(test, heap);
		wsheap_reset(heap);
		/* It stays until it is set again. */
		KUNIT_EXPECT_EQ(test, max_size_of(heap), max);
	}
	KUNIT_EXPECT_EQ(test, wsheap_set_max_size(heap, 0), 0);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 1, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
	end_heap(test, heap);
}

static void returned_heap_has_the_quota_of_its_pool(struct kunit *test)
{
	struct wsheap_pool *pool = wsheap_pool_create(1000, 4000, NULL, 0, 0);
	static const size_t others[] = { 0, 10, 999, 1001, SZ_1M, WSHEAP_UNLIMITED };
	struct wsheap *heap, *again;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		heap = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heap);
		KUNIT_ASSERT_EQ(test, wsheap_set_max_size(heap, others[i]), 0);
		(void)wsheap_alloc(heap, 10, GFP_KERNEL);
		(void)wsheap_alloc(heap, 900, GFP_KERNEL);
		wsheap_pool_free(pool, heap);
		again = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ(test, again, heap);
		KUNIT_EXPECT_EQ(test, max_size_of(again), 1000);
		KUNIT_EXPECT_EQ(test, requested_of(again), 0);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(again, 1001, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(again, 1000, GFP_KERNEL));
		check_heap(test, again);
		wsheap_pool_free(pool, again);
	}
	wsheap_pool_destroy(pool);
}

/* A trim size above the quota trims nothing. With another quota it may. */
static void reset_trims_by_the_quota_of_the_message(struct kunit *test)
{
	const struct life_kind *kind = test->param_value;
	struct wsheap *heap;
	unsigned int round;

	if (kind->place == LIFE_POOLED)
		kunit_skip(test, "a pool has its quota");
	heap = life_heap(test, 300, 400);
	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, wsheap_set_max_size(heap, 300), 0);
		take_blocks(test, heap, 3, 100);
		wsheap_reset(heap);
		take_blocks(test, heap, 2, 100);
		wsheap_reset(heap);
		KUNIT_EXPECT_GT(test, actual_of(heap), 400);
		KUNIT_ASSERT_EQ(test, wsheap_set_max_size(heap, SZ_1M), 0);
		take_blocks(test, heap, 1, 10);
		wsheap_reset(heap);
		KUNIT_EXPECT_LE(test, actual_of(heap), 400);
		take_blocks(test, heap, 30, 3000);
		wsheap_reset(heap);
		KUNIT_EXPECT_LE(test, actual_of(heap), 400);
		check_heap(test, heap);
	}
	end_heap(test, heap);
}

/*
 * Status.
 */

static void status_is_the_code_of_the_last_refusal(struct kunit *test)
{
	const struct life_kind *kind = test->param_value;
	bool private = kind->place == LIFE_PRIVATE;
	struct wsheap *heap = life_heap(test, 10000, SIZE_MAX);
	unsigned int round;
	void *p = NULL;

	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, SIZE_MAX, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
		KUNIT_EXPECT_NULL(test, wsheap_calloc(heap, SIZE_MAX / 2, 3, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
		if (!private) {
			KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 10000, GFP_KERNEL));
			KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EDQUOT);
		}
		KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 10, 3, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EINVAL);
		/* Successes leave it. */
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 5000, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
		KUNIT_EXPECT_NOT_NULL(test, wsheap_strdup(heap, "x", GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EINVAL);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL | __GFP_NOFAIL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EINVAL);
		KUNIT_EXPECT_NULL(test, wsheap_memdup(heap, &p, SIZE_MAX, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
		/* also where a reset would only take the cursor back */
		wsheap_reset(heap);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 10, GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, SIZE_MAX, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
	}
#ifdef kunit_activate_static_stub
	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
	if (private) {
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 100000, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), -ENOMEM);
	}
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
#endif
	end_heap(test, heap);
}

static void status_of_a_full_private_heap(struct kunit *test)
{
	struct wsheap *heap = wsheap_create_private(0, 0, SZ_64K);
	void *p;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, WSHEAP_FIXED_BLOCK_MAX + 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -E2BIG);
	KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, p, SZ_128K, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EDQUOT);
	KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, p, SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_realloc(heap, p, 300, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EOVERFLOW);
	wsheap_reset(heap);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
	wsheap_destroy(heap);
}

static void getters_tell_what_the_properties_do(struct kunit *test)
{
	const struct life_kind *kind = test->param_value;
	struct wsheap *heap = life_heap(test, 100000, 9000);
	unsigned int i;

	for (i = 0; i < 12; i++) {
		KUNIT_EXPECT_EQ(test, wsheap_max_size(heap), max_size_of(heap));
		KUNIT_EXPECT_EQ(test, wsheap_trim_size(heap), trim_size_of(heap));
		KUNIT_EXPECT_EQ(test, wsheap_requested_size(heap), requested_of(heap));
		KUNIT_EXPECT_EQ(test, wsheap_actual_size(heap), actual_of(heap));
		KUNIT_EXPECT_STREQ(test, wsheap_name(heap), KBUILD_MODNAME);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 77 * i, GFP_KERNEL));
		if (i == 9)
			wsheap_reset(heap);
	}
	if (kind->place != LIFE_PRIVATE)
		KUNIT_EXPECT_EQ(test, wsheap_max_size(heap), 100000);
	end_heap(test, heap);
}

/*
 * Embedded heaps.
 */

static void embedded_heap_is_as_a_created_one(struct kunit *test)
{
	struct wsheap *heap = kunit_kzalloc(test, sizeof(*heap), GFP_KERNEL);
	struct wsheap_args args = { .name = "inside" };
	unsigned int i, live = count_live();

	KUNIT_ASSERT_NOT_NULL(test, heap);
	for (i = 0; i < 3; i++) {
		memset(heap, 0xa5, sizeof(*heap));
		KUNIT_ASSERT_EQ(test, wsheap_init(heap, 70000, 5000, i ? &args : NULL), 0);
		KUNIT_EXPECT_EQ(test, max_size_of(heap), 70000);
		KUNIT_EXPECT_EQ(test, trim_size_of(heap), 5000);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
		KUNIT_EXPECT_EQ(test, wsheap_status(heap), 0);
		KUNIT_EXPECT_STREQ(test, wsheap_name(heap), i ? "inside" : KBUILD_MODNAME);
		take_blocks(test, heap, 10, 700);
		take_blocks(test, heap, 1, 40000);
		wsheap_reset(heap);
		KUNIT_EXPECT_LE(test, actual_of(heap), 5000);
		take_blocks(test, heap, 1, 40000);
		KUNIT_EXPECT_EQ(test, count_live(), live + 1);
		wsheap_exit(heap);
		KUNIT_EXPECT_EQ(test, count_live(), live);
		KUNIT_EXPECT_TRUE(test, wsheap_chunk_is_flushed());
	}
}

static void wrong_end_of_a_heap_is_refused(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 100000, SIZE_MAX);
	void *p = wsheap_alloc(heap, 5000, GFP_KERNEL);
	unsigned int i, live = count_live();

	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 5000);
	for (i = 0; i < 3; i++) {
		if (heap->flags & (WSHEAP_EMBEDDED | WSHEAP_POOLED))
			wsheap_destroy(heap);
		if (!(heap->flags & WSHEAP_EMBEDDED))
			wsheap_exit(heap);
		KUNIT_EXPECT_EQ(test, count_live(), live);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 5000 + i * 20000);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 5000));
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 20000, GFP_KERNEL));
	}
	end_heap(test, heap);
	KUNIT_EXPECT_LT(test, count_live(), live);
}

static void bad_embedded_heap_is_refused(struct kunit *test)
{
	struct wsheap *heap = kunit_kzalloc(test, sizeof(*heap), GFP_KERNEL);
	struct wsheap_args bad = { .flags = BIT(30) };
	struct wsheap_args large = { .initial_size = SIZE_MAX };
	unsigned int live = count_live();

	KUNIT_ASSERT_NOT_NULL(test, heap);
	KUNIT_EXPECT_EQ(test, wsheap_init(heap, 1, 1, &bad), -EINVAL);
	KUNIT_EXPECT_EQ(test, wsheap_init(heap, 1, 1, &large), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

#ifdef kunit_activate_static_stub
static void failed_embedding_leaves_nothing(struct kunit *test)
{
	struct wsheap *heap = kunit_kzalloc(test, sizeof(*heap), GFP_KERNEL);
	struct wsheap_args args = { .name = "inside", .initial_size = 100 };
	unsigned int live = count_live();

	KUNIT_ASSERT_NOT_NULL(test, heap);
	args.group = wsheap_group_create("all", WSHEAP_UNLIMITED, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, args.group);
	kunit_activate_static_stub(test, wsheap_class_get, failing_class);
	kunit_activate_static_stub(test, wsheap_backing_alloc, failing_backing);
	create_caches(test);
	for (fail_at = 1; fail_at <= 3; fail_at++) {
		int ret;

		calls = 0;
		ret = wsheap_init(heap, SZ_64K, SZ_64K, &args);
		KUNIT_EXPECT_EQ(test, ret, fail_at <= 2 ? -ENOMEM : 0);
		KUNIT_EXPECT_EQ(test, calls, min(fail_at, 2));
		if (!ret)
			wsheap_exit(heap);
		KUNIT_EXPECT_EQ(test, count_live(), live);
		KUNIT_EXPECT_EQ(test, wsheap_group_size(args.group), 0);
	}
	destroy_caches();
	wsheap_group_destroy(args.group);
}
#endif

/*
 * Scopes.
 */

static void scopes_end_what_they_began(struct kunit *test)
{
#ifdef DEFINE_FREE
	unsigned int i, live = count_live();
	struct wsheap *first = NULL, *private;

	{
		struct wsheap_pool *pool __free(wsheap_pool) =
			wsheap_pool_create(SZ_64K, SZ_16K, NULL, 1, 0);
		struct wsheap_pool *error __free(wsheap_pool) = ERR_PTR(-ENOMEM);
		struct wsheap_pool *none __free(wsheap_pool) = NULL;

		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
		KUNIT_EXPECT_TRUE(test, IS_ERR(error));
		KUNIT_EXPECT_NULL(test, none);
		for (i = 0; i < 3; i++) {
			struct wsheap *heap __free(wsheap_pool_put) =
				wsheap_pool_alloc(pool, GFP_KERNEL);
			struct wsheap *null __free(wsheap_pool_put) = NULL;

			KUNIT_ASSERT_NOT_NULL(test, heap);
			KUNIT_EXPECT_NULL(test, null);
			KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
			if (i)
				KUNIT_EXPECT_PTR_EQ(test, heap, first);
			first = heap;
			take_blocks(test, heap, 3, 300);
		}
	}
	KUNIT_EXPECT_EQ(test, count_live(), live);

	private = wsheap_create_private(0, 0, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, private);
	{
		guard(wsheap)(private);
		KUNIT_EXPECT_TRUE(test, irqs_disabled());
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(private, 10, GFP_ATOMIC));
	}
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	wsheap_destroy(private);
#else
	kunit_skip(test, "no cleanup.h in this kernel");
#endif
}

/*
 * Copies from user space.
 */

#define BAD_USER	((void __user *)~0xfffUL)

static void bad_user_memory_charges_nothing(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, 10000, SIZE_MAX);
	static const size_t sizes[] = { 1, 8, 100, 3000, 9000 };
	unsigned int i, round;
	u8 *p, *before;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_t size = sizes[i], requested = requested_of(heap);

			KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, size,
									 GFP_KERNEL)),
					-EFAULT);
			KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user_nul(heap, BAD_USER,
									     size, GFP_KERNEL)),
					-EFAULT);
			/* -EFAULT, but on UML strnlen_user() does not return 0 for it */
			KUNIT_EXPECT_TRUE(test, IS_ERR(wsheap_strndup_user(heap, BAD_USER, size,
									   GFP_KERNEL)));
			KUNIT_EXPECT_EQ(test, requested_of(heap), requested);
		}
		p = wsheap_zalloc(heap, 5000, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, 5000));
		memset(p, FILL_RELEASED, 5000);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	}
	/* nothing to copy, nothing to fail */
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, wsheap_memdup_user(heap, BAD_USER, 0, GFP_KERNEL));
	if (heap->path < WSHEAP_PATH_PRIVATE) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, 10001,
								 GFP_KERNEL)), -EDQUOT);
		KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user_nul(heap, BAD_USER, 10000,
								     GFP_KERNEL)), -EDQUOT);
	}
	if (heap->path < WSHEAP_PATH_PRIVATE && !heap->debug) {
		/* The memory serves the next block. */
		before = wsheap_alloc(heap, 16, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, 90,
								 GFP_KERNEL)), -EFAULT);
		KUNIT_EXPECT_PTR_EQ(test, wsheap_alloc(heap, 16, GFP_KERNEL),
				    before + ALIGN(16, wsheap_block_align(heap)));
	}
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, SIZE_MAX, GFP_KERNEL)),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user_nul(heap, BAD_USER, SIZE_MAX,
							     GFP_KERNEL)), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, 10,
							 GFP_KERNEL | __GFP_NOFAIL)), -EINVAL);
	end_heap(test, heap);
}

/* A sender does not make the heap hold more by copies that fail. */
static void failed_copies_hold_memory_once(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	unsigned int i;
	size_t held = 0;

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 8, GFP_KERNEL));
	for (i = 0; i < 20; i++) {
		KUNIT_ASSERT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, 100000,
								 GFP_KERNEL)), -EFAULT);
		KUNIT_ASSERT_EQ(test, requested_of(heap), 8);
		if (i)
			KUNIT_ASSERT_EQ(test, actual_of(heap), held);
		held = actual_of(heap);
	}
	end_heap(test, heap);
}

#ifdef WSHEAP_TEST_USER_MEMORY
static void user_memory_is_copied_as_namesakes_do(struct kunit *test)
{
	struct wsheap *heap = life_heap(test, WSHEAP_UNLIMITED, SIZE_MAX);
	char __user *user;
	unsigned long addr;
	size_t requested;
	char *p;

	addr = kunit_vm_mmap(test, NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (!addr || addr >= (unsigned long)TASK_SIZE)
		kunit_skip(test, "no user memory on this architecture");
	user = (char __user *)addr;
	if (copy_to_user(user, "0123456789", 11))
		kunit_skip(test, "no user memory in this context");

	p = wsheap_memdup_user(heap, user, 5, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
	KUNIT_EXPECT_MEMEQ(test, p, "01234", 5);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 5);
	p = wsheap_memdup_user_nul(heap, user + 5, 3, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
	KUNIT_EXPECT_STREQ(test, p, "567");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 9);
	p = wsheap_memdup_user_nul(heap, user, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
	KUNIT_EXPECT_STREQ(test, p, "");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 10);
	p = wsheap_strndup_user(heap, user, 11, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
	KUNIT_EXPECT_STREQ(test, p, "0123456789");
	KUNIT_EXPECT_EQ(test, requested_of(heap), 21);
	p = wsheap_strndup_user(heap, user + 8, 4000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, p);
	KUNIT_EXPECT_STREQ(test, p, "89");
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_strndup_user(heap, user, 10, GFP_KERNEL)), -EINVAL);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 24);

	/* A copy that fails on its way leaves nothing of the first page. */
	KUNIT_ASSERT_EQ(test, clear_user(user, 2 * PAGE_SIZE), 0);
	p = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_RELEASED, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, copy_to_user(user, p, 2 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE), 0);
	wsheap_reset(heap);
	requested = requested_of(heap);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, user + 100, PAGE_SIZE,
							 GFP_KERNEL)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user_nul(heap, user + PAGE_SIZE - 300, 500,
							     GFP_KERNEL)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_strndup_user(heap, user + 200, 9000,
							  GFP_KERNEL)), -EFAULT);
	KUNIT_EXPECT_EQ(test, requested_of(heap), requested);
	p = wsheap_alloc(heap, 300, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	if (want_init_on_alloc(0) || want_init_on_free())
		KUNIT_EXPECT_NULL(test, memchr(p, FILL_RELEASED, 300));
	p = wsheap_alloc(heap, 9000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	if (want_init_on_alloc(0) || want_init_on_free())
		KUNIT_EXPECT_NULL(test, memchr(p, FILL_RELEASED, 9000));
	end_heap(test, heap);
}
#endif

/*
 * Groups.
 */

static struct wsheap_group *test_group(struct kunit *test, size_t max_size,
				       struct wsheap_group *parent)
{
	struct wsheap_group *group = wsheap_group_create("budget", max_size, parent);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, group);
	return group;
}

/* What is not in a heap any more may still wait to be released. */
static size_t group_size(const struct wsheap_group *group)
{
	wsheap_chunk_flush();
	return wsheap_group_size(group);
}

static void group_is_charged_for_what_a_heap_holds(struct kunit *test)
{
	struct wsheap_group *all = test_group(test, WSHEAP_UNLIMITED, NULL);
	struct wsheap_group *some = test_group(test, SZ_64M, all);
	struct wsheap *heap = kind_heap(test, WSHEAP_UNLIMITED, SZ_16K, some);
	struct wsheap_args args = { .group = all };
	struct wsheap *other = test_heap_args(test, SZ_1M, 0, &args);
	struct rnd_state rnd;
	unsigned int i;
	void *p;

	prandom_seed_state(&rnd, SEED);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(some), actual_of(heap));
	for (i = 0; i < 500; i++) {
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(other, 100, GFP_KERNEL));
		p = wsheap_alloc(heap, random_size(&rnd, i % 10 ? 3000 : 100000),
				 i % 4 ? GFP_KERNEL : GFP_ATOMIC);
		KUNIT_ASSERT_TRUE(test, p || i % 4 == 0);
		/* Memory that is exchanged may wait to be released. */
		KUNIT_ASSERT_EQ(test, group_size(some), actual_of(heap));
		KUNIT_ASSERT_EQ(test, wsheap_group_size(all),
				actual_of(heap) + actual_of(other));
		if (heap->path >= WSHEAP_PATH_PRIVATE && p && i % 3) {
			wsheap_free(heap, p);
			KUNIT_ASSERT_EQ(test, group_size(some), actual_of(heap));
		}
		if (i % 50 == 49) {
			wsheap_reset(heap);
			KUNIT_ASSERT_EQ(test, group_size(some), actual_of(heap));
		}
		if (i % 70 == 69)
			wsheap_reset(other);
	}
	end_heap(test, heap);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(some), 0);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(all), actual_of(other));
	wsheap_destroy(other);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(all), 0);
	wsheap_group_destroy(some);
	wsheap_group_destroy(all);
	wsheap_group_destroy(NULL);
	wsheap_group_destroy(ERR_PTR(-ENOMEM));
}

static void group_refuses_with_its_own_figures(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, SZ_64K, NULL);
	struct wsheap *heap = kind_heap(test, WSHEAP_UNLIMITED, SIZE_MAX, group);
	struct wsheap_error err = {};
	size_t requested, size;
	void *p = NULL;

	/* to the last byte that is held */
	while (wsheap_alloc_err(heap, 500, GFP_KERNEL, &err))
		KUNIT_ASSERT_LE(test, wsheap_group_size(group), SZ_64K);
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, err.asked, 500);
	KUNIT_EXPECT_EQ(test, err.in_use, wsheap_group_size(group));
	KUNIT_EXPECT_EQ(test, err.limit, SZ_64K);
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -EDQUOT);
	KUNIT_EXPECT_GT(test, wsheap_group_size(group), SZ_64K - SZ_4K);
	requested = requested_of(heap);
	size = wsheap_group_size(group);
	err = (struct wsheap_error) {};
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, SZ_1M, GFP_ATOMIC, &err));
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, err.asked, SZ_1M);
	KUNIT_EXPECT_EQ(test, err.in_use, size);
	KUNIT_EXPECT_EQ(test, err.limit, SZ_64K);
	KUNIT_EXPECT_EQ(test, requested_of(heap), requested);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), size);
	KUNIT_EXPECT_EQ(test, actual_of(heap), size);
	if (heap->path < WSHEAP_PATH_PRIVATE) {
		KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, SZ_64K, GFP_KERNEL), -EDQUOT);
		KUNIT_EXPECT_NULL(test, wsheap_extend(heap, p, 0, SZ_64K, GFP_KERNEL));
	}
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_memdup_user(heap, BAD_USER, SZ_64K, GFP_KERNEL)),
			-EDQUOT);
	/* What fits is still granted. */
	wsheap_reset(heap);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 500, GFP_KERNEL));
	end_heap(test, heap);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	wsheap_group_destroy(group);
}

static void parent_refuses_for_all_below(struct kunit *test)
{
	struct wsheap_group *top = test_group(test, SZ_64K, NULL);
	struct wsheap_group *middle_group = test_group(test, WSHEAP_UNLIMITED, top);
	struct wsheap_group *leaf = test_group(test, SZ_1M, middle_group);
	struct wsheap_args args = { .group = middle_group };
	struct wsheap *filler = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	struct wsheap *heap = kind_heap(test, WSHEAP_UNLIMITED, SIZE_MAX, leaf);
	struct wsheap_error err = {};
	size_t held = actual_of(heap);

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(filler, 40000, GFP_KERNEL));
	KUNIT_ASSERT_NULL(test, wsheap_alloc_err(heap, 30000, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, err.limit, SZ_64K);
	KUNIT_EXPECT_EQ(test, err.in_use, wsheap_group_size(top));
	/* those below were credited again */
	KUNIT_EXPECT_EQ(test, wsheap_group_size(leaf), held);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(middle_group), held + actual_of(filler));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(top), held + actual_of(filler));
	wsheap_destroy(filler);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(top), held);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 30000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(leaf), actual_of(heap));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(middle_group), actual_of(heap));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(top), actual_of(heap));
	/* A group with others below it stays. */
	wsheap_group_destroy(top);
	wsheap_group_destroy(middle_group);
	wsheap_group_destroy(leaf);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 3000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(top), actual_of(heap));
	end_heap(test, heap);
	wsheap_group_destroy(middle_group);
	wsheap_group_destroy(top);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(leaf), 0);
	wsheap_group_destroy(leaf);
	wsheap_group_destroy(middle_group);
	wsheap_group_destroy(top);
}

static void initial_memory_is_charged_too(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, SZ_16K, NULL);
	struct wsheap_args args = { .group = group, .initial_size = 9000 };
	struct wsheap_args none = { .group = group };
	struct wsheap *first, embedded;
	unsigned int live = count_live();

	first = test_heap_args(test, SZ_1M, SIZE_MAX, &args);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), actual_of(first));
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create(SZ_1M, SIZE_MAX, &args)), -EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_init(&embedded, SZ_1M, SIZE_MAX, &args), -EDQUOT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create_private_args(0, 9000, 0, &none)), -EDQUOT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_pool_create(SZ_1M, SIZE_MAX, &args, 2, 0)),
			-EDQUOT);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), actual_of(first));
	KUNIT_EXPECT_EQ(test, count_live(), live + 1);
	wsheap_destroy(first);
	/* The refused ones left no reference. */
	wsheap_group_destroy(group);
}

static void idle_heaps_are_released_before_a_refusal(struct kunit *test)
{
	struct wsheap_group *top = test_group(test, SZ_256K, NULL);
	struct wsheap_group *group = test_group(test, SZ_128K, top);
	struct wsheap_group *beside = test_group(test, WSHEAP_UNLIMITED, top);
	struct wsheap_args args = { .group = group }, other_args = { .group = beside };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SIZE_MAX, &args, 0, 20);
	struct wsheap_pool *other_pool = wsheap_pool_create(SZ_1M, SIZE_MAX, &other_args, 0, 20);
	unsigned int i, round, live = count_live();
	struct wsheap *heaps[15], *other, *heap;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other_pool);
	for (round = 0; round < 3; round++) {
		gfp_t gfp = round ? GFP_KERNEL : GFP_ATOMIC;

		other = wsheap_pool_alloc(other_pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, other);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(other, 1000, GFP_KERNEL));
		wsheap_pool_free(other_pool, other);
		for (i = 0; i < ARRAY_SIZE(heaps); i++) {
			heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, heaps[i]);
			take_blocks(test, heaps[i], 1, 6000);
		}
		for (i = 0; i < ARRAY_SIZE(heaps); i++)
			wsheap_pool_free(pool, heaps[i]);
		KUNIT_EXPECT_EQ(test, count_live(), live + 1 + ARRAY_SIZE(heaps));
		KUNIT_EXPECT_GT(test, wsheap_group_size(group), 15 * 6000);
		/* more than there is, but for these */
		heap = test_heap_args(test, SZ_1M, 0, &args);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 60000, gfp));
		KUNIT_EXPECT_LT(test, count_live(), live + 1 + ARRAY_SIZE(heaps));
		KUNIT_EXPECT_LE(test, wsheap_group_size(group), SZ_128K);
		/* Another group's are left, because this one refuses. */
		KUNIT_EXPECT_GT(test, wsheap_group_size(beside), 1000);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 100000, gfp));
		KUNIT_EXPECT_GT(test, wsheap_group_size(beside), 1000);
		wsheap_destroy(heap);
		/* All below the one that refuses go. */
		other = test_heap_args(test, SZ_1M, 0, &other_args);
		KUNIT_EXPECT_NULL(test, wsheap_alloc(other, SZ_256K + 1, gfp));
		KUNIT_EXPECT_EQ(test, group_size(top), 0);
		wsheap_destroy(other);
		KUNIT_EXPECT_EQ(test, count_live(), live);
	}
	wsheap_pool_destroy(pool);
	wsheap_pool_destroy(other_pool);
	wsheap_group_destroy(group);
	wsheap_group_destroy(beside);
	wsheap_group_destroy(top);
}

/* Idle heaps whose memory a worker has to release. */
static void large_idle_heaps_are_waited_for(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, SZ_1M, NULL);
	struct wsheap_args args = { .group = group };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SIZE_MAX, &args, 0, 20);
	struct wsheap *heaps[3], *heap;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (i = 0; i < 3; i++) {
		heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heaps[i]);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heaps[i], 300000, GFP_KERNEL));
	}
	for (i = 0; i < 3; i++)
		wsheap_pool_free(pool, heaps[i]);
	KUNIT_EXPECT_GT(test, wsheap_group_size(group), 900000);
	heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 1000000, GFP_KERNEL));
	KUNIT_EXPECT_LE(test, wsheap_group_size(group), SZ_1M);
	wsheap_destroy(heap);
	wsheap_pool_destroy(pool);
	wsheap_group_destroy(group);
}

static void reserve_is_not_released_for_a_group(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, SZ_64K, NULL);
	struct wsheap_args args = { .group = group, .initial_size = 3000 };
	struct wsheap_args plain = { .group = group };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, &args, 3, 4);
	unsigned int live = count_live();
	struct wsheap *heap;
	size_t reserved;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	reserved = wsheap_group_size(group);
	KUNIT_EXPECT_GE(test, reserved, 3 * 3000);
	heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &plain);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, SZ_64K, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), reserved);
	KUNIT_EXPECT_EQ(test, pool->reserved, 3);
	KUNIT_EXPECT_EQ(test, count_live(), live + 1);
	/* A full group leaves the reserve to serve. */
	while (wsheap_alloc(heap, 1000, GFP_KERNEL))
		;
	wsheap_destroy(heap);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, heap);
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	wsheap_group_destroy(group);
}

static void full_group_leaves_a_waiter_the_reserve(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, SZ_64K, NULL);
	struct wsheap_args args = { .group = group, .initial_size = 3000 };
	struct wsheap_args plain = { .group = group };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, &args, 2, 4);
	struct wsheap *filler, *heaps[2];
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	filler = test_heap_args(test, WSHEAP_UNLIMITED, 0, &plain);
	while (wsheap_alloc(filler, 400, GFP_KERNEL))
		;
	for (i = 0; i < 2; i++) {
		heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heaps[i]);
		KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heaps[i], 3000, GFP_KERNEL));
	}
	KUNIT_EXPECT_NULL(test, wsheap_pool_alloc(pool, GFP_NOWAIT));
	KUNIT_EXPECT_LE(test, wsheap_group_size(group), SZ_64K);
	for (i = 0; i < 2; i++)
		wsheap_pool_free(pool, heaps[i]);
	wsheap_destroy(filler);
	wsheap_pool_destroy(pool);
	wsheap_group_destroy(group);
}

static void group_with_users_is_not_destroyed(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, WSHEAP_UNLIMITED, NULL);
	struct wsheap_group *child = test_group(test, WSHEAP_UNLIMITED, group);
	struct wsheap_args args = { .group = group };
	struct wsheap_pool *pool;
	struct wsheap *heap;

	/* each alone keeps it */
	wsheap_group_destroy(group);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	pool = wsheap_pool_create(SZ_1M, 0, &args, 0, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	wsheap_group_destroy(child);
	wsheap_group_destroy(group);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
	heap = test_heap_args(test, SZ_1M, 0, &args);
	pool = NULL;
	wsheap_group_destroy(group);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 100, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), actual_of(heap));
	wsheap_destroy(heap);
	heap = wsheap_create_private_args(0, 0, 0, &args);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	wsheap_group_destroy(group);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), actual_of(heap));
	wsheap_destroy(heap);
	wsheap_group_destroy(group);
}

static void memory_for_the_worker_counts_until_it_is_gone(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, SZ_1M, NULL);
	struct wsheap_args args = { .group = group };
	struct wsheap *heap = test_heap_args(test, WSHEAP_UNLIMITED, 0, &args);
	static DEFINE_SPINLOCK(lock);
	size_t held, counted;
	unsigned long irq;

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 600000, GFP_KERNEL));
	held = actual_of(heap);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), held);
	spin_lock_irqsave(&lock, irq);
	wsheap_reset(heap);
	counted = wsheap_group_size(group);
	spin_unlock_irqrestore(&lock, irq);
	KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
	/* The worker cannot have run yet. */
	if (num_online_cpus() == 1)
		KUNIT_EXPECT_EQ(test, counted, held);
	/* The next one waits for it. */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 600000, GFP_KERNEL));
	KUNIT_EXPECT_LE(test, wsheap_group_size(group), SZ_1M);
	wsheap_destroy(heap);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	wsheap_group_destroy(group);
}

/* Several users of one budget. */
#define BUDGET		SZ_128K
#define BUDGET_USERS	4

struct budget_user {
	struct wsheap_group *group, *parent;
	struct completion done;
	struct task_struct *task;
	unsigned int index, granted, refused, broken;
};

/* What each user's heap holds. */
static size_t budget_held[BUDGET_USERS];

static void budget_check(struct budget_user *user, struct wsheap *heap)
{
	size_t sum = 0;
	unsigned int i;

	budget_held[user->index] = heap ? actual_of(heap) : 0;
	for (i = 0; i < BUDGET_USERS; i++)
		sum += READ_ONCE(budget_held[i]);
	/* Only one runs at a time, unless there are several CPUs. */
	if (num_online_cpus() == 1 && sum > BUDGET)
		user->broken++;
	if (wsheap_group_size(user->group) > BUDGET ||
	    wsheap_group_size(user->parent) > BUDGET + SZ_64K)
		user->broken++;
}

static int budget_fn(void *data)
{
	struct budget_user *user = data;
	struct wsheap_args args = { .group = user->group };
	struct wsheap_error err;
	struct rnd_state rnd;
	struct wsheap *heap;
	unsigned int i, round;

	prandom_seed_state(&rnd, SEED + user->index);
	for (round = 0; round < 3; round++) {
		if ((round + user->index) % 3)
			heap = wsheap_create(WSHEAP_UNLIMITED, SZ_16K, &args);
		else
			heap = wsheap_create_private_args(0, 0, 0, &args);
		if (IS_ERR(heap)) {
			user->broken += heap != ERR_PTR(-EDQUOT);
			user->refused++;
			continue;
		}
		for (i = 0; i < 120; i++) {
			if (wsheap_alloc_err(heap, random_size(&rnd, 30000),
					     i % 5 ? GFP_KERNEL : GFP_ATOMIC, &err)) {
				user->granted++;
			} else {
				user->refused++;
				/* Atomic callers may find no memory, too. */
				user->broken += err.code != -EDQUOT &&
						(i % 5 || err.code != -ENOMEM);
			}
			budget_check(user, heap);
			if (i % 40 == 39) {
				wsheap_reset(heap);
				budget_check(user, heap);
			}
			if (i % 10 == 0)
				schedule_timeout_uninterruptible(1);
		}
		budget_held[user->index] = 0;
		wsheap_destroy(heap);
	}
	complete(&user->done);
	return 0;
}

static void budget_holds_among_several_users(struct kunit *test)
{
	struct wsheap_group *parent = test_group(test, BUDGET + SZ_64K, NULL);
	struct wsheap_group *group = test_group(test, BUDGET, parent);
	struct budget_user users[BUDGET_USERS] = {};
	unsigned int i, refused = 0;

	memset(budget_held, 0, sizeof(budget_held));
	for (i = 0; i < BUDGET_USERS; i++) {
		users[i].group = group;
		users[i].parent = parent;
		users[i].index = i;
		init_completion(&users[i].done);
		users[i].task = kthread_create(budget_fn, &users[i], "wsheap-test/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, users[i].task);
		get_task_struct(users[i].task);
		wake_up_process(users[i].task);
	}
	for (i = 0; i < BUDGET_USERS; i++) {
		wait_for_completion(&users[i].done);
		kthread_stop(users[i].task);
		put_task_struct(users[i].task);
		KUNIT_EXPECT_EQ(test, users[i].broken, 0);
		KUNIT_EXPECT_GT(test, users[i].granted, 20);
		refused += users[i].refused;
	}
	KUNIT_EXPECT_GT(test, refused, 10);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(parent), 0);
	wsheap_group_destroy(group);
	wsheap_group_destroy(parent);
}

#ifdef kunit_activate_static_stub
static void failed_memory_is_not_charged_to_a_group(struct kunit *test)
{
	struct wsheap_group *parent = test_group(test, WSHEAP_UNLIMITED, NULL);
	struct wsheap_group *group = test_group(test, WSHEAP_UNLIMITED, parent);
	struct wsheap *heap = kind_heap(test, WSHEAP_UNLIMITED, SIZE_MAX, group);
	struct wsheap_args args = { .group = group, .initial_size = 100 };
	struct wsheap_args plain = { .group = group };
	size_t held = actual_of(heap);

	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 100000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_status(heap), -ENOMEM);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create(1000, 1000, &args)), -ENOMEM);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create_private_args(0, 0, 0, &plain)), -ENOMEM);
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), held);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(parent), held);
	end_heap(test, heap);
	wsheap_group_destroy(group);
	wsheap_group_destroy(parent);
}
#endif

/*
 * Whose heap, and whose pool.
 */

/* The name goes with the module. */
static char module_name[16];
static struct wsheap_creator departing = {
	.module = (struct module *)0x1230, .name = module_name,
};

static void heaps_survive_their_module(struct kunit *test)
{
	struct wsheap_args args = { .name = "named" }, chunk = { .initial_size = 100 };
	struct wsheap *plain, *named, *private, *mine, *pooled, *reserved;
	struct wsheap_pool *pool, *named_pool;
	struct wsheap embedded, embedded_named;
	unsigned int live = count_live();
	u8 *p;

	strscpy(module_name, "departing", sizeof(module_name));
	plain = charged_here(__wsheap_create(SZ_1M, 0, NULL, &departing));
	named = charged_here(__wsheap_create(SZ_1M, 0, &args, &departing));
	private = charged_here(__wsheap_create_private(0, 0, 0, NULL, &departing));
	mine = wsheap_create(SZ_1M, 0, NULL);
	pool = charged_here(__wsheap_pool_create(SZ_1M, SZ_16K, &chunk, 1, 0, &departing));
	named_pool = charged_here(__wsheap_pool_create(SZ_1M, SZ_16K, &args, 1, 0, &departing));
	KUNIT_ASSERT_EQ(test, 0, charged_here(__wsheap_init(&embedded, SZ_1M, 0, NULL,
							    &departing)));
	KUNIT_ASSERT_EQ(test, 0, charged_here(__wsheap_init(&embedded_named, SZ_1M, 0, &args,
							    &departing)));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, plain);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, named);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, private);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mine);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, named_pool);
	KUNIT_EXPECT_STREQ(test, wsheap_name(plain), "departing");
	KUNIT_EXPECT_STREQ(test, wsheap_name(private), "departing");
	KUNIT_EXPECT_STREQ(test, wsheap_name(&embedded), "departing");
	KUNIT_EXPECT_STREQ(test, wsheap_name(named), "named");
	KUNIT_EXPECT_STREQ(test, wsheap_name(mine), KBUILD_MODNAME);
	pooled = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pooled);
	KUNIT_EXPECT_STREQ(test, wsheap_name(pooled), "departing");
	p = wsheap_alloc(plain, 4321, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 4321);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(&embedded, 10000, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(&embedded_named, 10, GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(private, 77, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, count_live(), live + 4 + 2 + 3);

	listen_begin();
	wsheap_pool_report_module(departing.module, "gone");
	wsheap_list_report_module(departing.module, "gone");
	wsheap_class_forget_module(departing.module);
	listen_end();
	/* by module and heap, with the figures */
	KUNIT_EXPECT_NOT_NULL(test, strstr(heard, "gone"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(heard, "departing"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(heard, "named"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(heard, "4321"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(heard, "77"));
	KUNIT_EXPECT_NULL(test, strstr(heard, KBUILD_MODNAME " behind"));
	memset(module_name, 'x', strlen(module_name));

	/* what lay in the module is forgotten */
	KUNIT_EXPECT_EQ(test, count_live(), live + 4 + 3);
	KUNIT_EXPECT_STREQ(test, wsheap_name(plain), "departing");
	KUNIT_EXPECT_STREQ(test, wsheap_name(named), "named");
	KUNIT_EXPECT_STREQ(test, wsheap_name(private), "departing");
	KUNIT_EXPECT_STREQ(test, wsheap_name(pooled), "departing");
	KUNIT_EXPECT_STREQ(test, wsheap_name(mine), KBUILD_MODNAME);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 4321));
	/* heaps that the pool has, and those that it makes now */
	reserved = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, reserved);
	KUNIT_EXPECT_STREQ(test, wsheap_name(reserved), "departing");
	/* once */
	listen_begin();
	wsheap_pool_report_module(departing.module, "gone");
	wsheap_list_report_module(departing.module, "gone");
	listen_end();
	KUNIT_EXPECT_STREQ(test, heard, "");
	take_blocks(test, plain, 10, 3000);
	take_blocks(test, pooled, 10, 3000);
	wsheap_pool_free(pool, reserved);
	wsheap_pool_free(pool, pooled);
	wsheap_pool_destroy(pool);
	wsheap_pool_destroy(named_pool);
	wsheap_destroy(plain);
	wsheap_destroy(named);
	wsheap_destroy(private);
	wsheap_destroy(mine);
	/* Forgotten means that nobody ends them. */
	wsheap_chunk_release_all(&embedded, wsheap_message_chunks(&embedded), true);
	wsheap_chunk_release_all(&embedded, wsheap_message_chunks(&embedded_named), true);
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static void pool_without_a_name_has_its_modules(struct kunit *test)
{
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, NULL, 0, 0);
	struct wsheap *heap;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	KUNIT_EXPECT_STREQ(test, wsheap_name(heap), KBUILD_MODNAME);
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
}

static void heap_is_returned_once_and_to_its_own_pool(struct kunit *test)
{
	static const unsigned int idle[] = { 0, 1, 4 };
	unsigned int i, j, live = count_live();

	for (i = 0; i < ARRAY_SIZE(idle); i++) {
		struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, NULL, 0, idle[i]);
		struct wsheap_pool *other = wsheap_pool_create(SZ_1K, SZ_1K, NULL, 0, idle[i]);
		struct wsheap *heap, *second, *alone = test_heap(test, SZ_1M, 0);
		u8 *p;

		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
		heap = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heap);
		p = wsheap_alloc(heap, 3000, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, FILL_OLDER, 3000);
		/* to another, by hand, and one that is from no pool */
		wsheap_pool_free(other, heap);
		wsheap_destroy(heap);
		wsheap_pool_free(pool, alone);
		take_blocks(test, alone, 3, 1000);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 3000);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 3000));
		KUNIT_EXPECT_EQ(test, max_size_of(heap), SZ_1M);
		/* twice */
		for (j = 0; j < 3; j++)
			wsheap_pool_free(pool, heap);
		wsheap_pool_free(other, heap);
		heap = wsheap_pool_alloc(pool, GFP_KERNEL);
		second = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heap);
		KUNIT_ASSERT_NOT_NULL(test, second);
		KUNIT_EXPECT_PTR_NE(test, heap, second);
		take_blocks(test, heap, 3, 1000);
		take_blocks(test, second, 3, 1000);
		wsheap_pool_free(pool, heap);
		wsheap_pool_free(pool, second);
		wsheap_destroy(alone);
		wsheap_pool_destroy(pool);
		wsheap_pool_destroy(other);
		KUNIT_EXPECT_EQ(test, count_live(), live);
	}
}

/* As a scope would return it. */
static void heap_is_put_once(struct kunit *test)
{
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, NULL, 0, 0);
	struct wsheap *alone = test_heap(test, SZ_1M, 0), *heap, *second;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	wsheap_pool_put(heap);
	wsheap_pool_put(heap);
	take_blocks(test, alone, 1, 100);
	wsheap_pool_put(alone);
	KUNIT_EXPECT_EQ(test, requested_of(alone), 100);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	second = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, heap, second);
	wsheap_pool_put(heap);
	wsheap_pool_put(second);
	wsheap_destroy(alone);
	wsheap_pool_destroy(pool);
}

static void pool_is_not_destroyed_under_its_heaps(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, WSHEAP_UNLIMITED, NULL);
	struct wsheap_args args = { .group = group };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_1M, SZ_16K, &args, 2, 0);
	unsigned int i, live = count_live() - 2;
	struct wsheap *heap;
	void *p;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	p = wsheap_alloc(heap, 3000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, FILL_OLDER, 3000);
	for (i = 0; i < 2; i++) {
		wsheap_pool_destroy(pool);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, FILL_OLDER, 3000));
		KUNIT_EXPECT_EQ(test, requested_of(heap), 3000);
		KUNIT_EXPECT_EQ(test, wsheap_group_size(group), actual_of(heap));
	}
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
	KUNIT_EXPECT_EQ(test, count_live(), live);
	KUNIT_EXPECT_EQ(test, wsheap_group_size(group), 0);
	wsheap_group_destroy(group);
}

static struct kunit_case wsheap_life_cases[] = {
	KUNIT_CASE_PARAM(next_blocks_are_where_they_would_have_been, life_gen_params),
	KUNIT_CASE_PARAM(reset_after_a_rollback_is_as_ever, life_gen_params),
	KUNIT_CASE_PARAM(savepoint_before_the_first_block, life_gen_params),
	KUNIT_CASE_PARAM(rollback_gives_the_quota_back, life_gen_params),
	KUNIT_CASE_PARAM(memory_obtained_meanwhile_is_kept, life_gen_params),
	KUNIT_CASE_PARAM(released_bytes_are_gone_after_a_rollback, life_gen_params),
	KUNIT_CASE_PARAM(rollback_after_an_older_block_changed, life_gen_params),
	KUNIT_CASE_PARAM(savepoints_work_in_hardirq, life_gen_params),
	KUNIT_CASE(savepoints_are_not_for_private_heaps),
	KUNIT_CASE_PARAM(actions_run_once_and_newest_first, both_gen_params),
	KUNIT_CASE_PARAM(actions_run_when_a_heap_ends, both_gen_params),
	KUNIT_CASE(returned_heap_has_no_actions),
	KUNIT_CASE(actions_run_with_the_device),
	KUNIT_CASE_PARAM(rollback_runs_only_the_newer_actions, life_gen_params),
	KUNIT_CASE_PARAM(newest_block_grows_and_shrinks_in_place, life_gen_params),
	KUNIT_CASE_PARAM(newest_large_block_is_charged_for_the_difference, life_gen_params),
	KUNIT_CASE_PARAM(quota_is_exact_after_a_block_grew, life_gen_params),
	KUNIT_CASE_PARAM(quota_is_exact_for_a_block_that_grows, life_gen_params),
	KUNIT_CASE_PARAM(block_with_others_behind_it_moves, life_gen_params),
	KUNIT_CASE_PARAM(block_moves_out_of_a_full_chunk, life_gen_params),
	KUNIT_CASE_PARAM(extending_nothing_allocates, life_gen_params),
	KUNIT_CASE_PARAM(refused_growth_leaves_the_block, life_gen_params),
	KUNIT_CASE_PARAM(zeroed_growth_is_zero, life_gen_params),
	KUNIT_CASE_PARAM(bytes_that_were_given_up_do_not_show, life_gen_params),
	KUNIT_CASE_PARAM(string_built_by_the_byte_holds_little, life_gen_params),
	KUNIT_CASE_PARAM(rollback_takes_back_what_a_block_grew_by, life_gen_params),
	KUNIT_CASE_PARAM(random_growth_agrees_with_a_model, life_gen_params),
	KUNIT_CASE_PARAM(appended_text_is_what_snprintf_writes, life_gen_params),
	KUNIT_CASE_PARAM(refused_text_leaves_the_string, life_gen_params),
	KUNIT_CASE(text_is_not_appended_in_a_private_heap),
	KUNIT_CASE_PARAM(another_quota_is_for_a_heap_without_blocks, life_gen_params),
	KUNIT_CASE(returned_heap_has_the_quota_of_its_pool),
	KUNIT_CASE_PARAM(reset_trims_by_the_quota_of_the_message, life_gen_params),
	KUNIT_CASE_PARAM(status_is_the_code_of_the_last_refusal, both_gen_params),
	KUNIT_CASE(status_of_a_full_private_heap),
	KUNIT_CASE_PARAM(getters_tell_what_the_properties_do, both_gen_params),
	KUNIT_CASE(embedded_heap_is_as_a_created_one),
	KUNIT_CASE_PARAM(wrong_end_of_a_heap_is_refused, both_gen_params),
	KUNIT_CASE(bad_embedded_heap_is_refused),
	KUNIT_CASE(scopes_end_what_they_began),
	KUNIT_CASE_PARAM(bad_user_memory_charges_nothing, both_gen_params),
#ifdef WSHEAP_TEST_USER_MEMORY
	KUNIT_CASE_PARAM(user_memory_is_copied_as_namesakes_do, both_gen_params),
#endif
	KUNIT_CASE_PARAM(group_is_charged_for_what_a_heap_holds, both_gen_params),
	KUNIT_CASE_PARAM(group_refuses_with_its_own_figures, both_gen_params),
	KUNIT_CASE_PARAM(parent_refuses_for_all_below, both_gen_params),
	KUNIT_CASE(initial_memory_is_charged_too),
	KUNIT_CASE(idle_heaps_are_released_before_a_refusal),
	KUNIT_CASE(large_idle_heaps_are_waited_for),
	KUNIT_CASE(reserve_is_not_released_for_a_group),
	KUNIT_CASE(full_group_leaves_a_waiter_the_reserve),
	KUNIT_CASE(group_with_users_is_not_destroyed),
	KUNIT_CASE(memory_for_the_worker_counts_until_it_is_gone),
	KUNIT_CASE(budget_holds_among_several_users),
	KUNIT_CASE(heaps_survive_their_module),
	KUNIT_CASE(pool_without_a_name_has_its_modules),
	KUNIT_CASE(heap_is_returned_once_and_to_its_own_pool),
	KUNIT_CASE(heap_is_put_once),
	KUNIT_CASE(pool_is_not_destroyed_under_its_heaps),
#ifdef kunit_activate_static_stub
	KUNIT_CASE_PARAM(messages_that_roll_back_take_nothing_from_the_third_on,
			 life_gen_params),
	KUNIT_CASE_PARAM(failed_copies_hold_memory_once, life_gen_params),
	KUNIT_CASE_PARAM(message_that_tries_often_comes_to_one_chunk, life_gen_params),
	KUNIT_CASE_PARAM(what_is_tried_often_is_obtained_once, life_gen_params),
	KUNIT_CASE_PARAM(rollback_wipes_with_interrupts_on, life_gen_params),
	KUNIT_CASE_PARAM(growth_without_memory_leaves_the_block, life_gen_params),
	KUNIT_CASE_PARAM(reserved_room_is_there_without_memory, life_gen_params),
	KUNIT_CASE_PARAM(reserved_room_costs_no_quota_and_has_reasons, life_gen_params),
	KUNIT_CASE(failed_embedding_leaves_nothing),
	KUNIT_CASE_PARAM(failed_memory_is_not_charged_to_a_group, both_gen_params),
#endif
	{}
};

static struct kunit_suite wsheap_life_suite = {
	.name = "wsheap_life",
	.test_cases = wsheap_life_cases,
};

kunit_test_suite(wsheap_life_suite);
