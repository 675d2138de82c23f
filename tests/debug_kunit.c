// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the modes in which each block has memory of its own, and for the
 * reports of a driver's mistakes.
 */

#include <linux/delay.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>

#include "kunit.h"
#include "../message.h"
#include "../private.h"

/*
 * The modes, and the kinds of heaps that they are for.
 */

enum kind { OBJECT, EMBEDDED, POOLED, PRIVATE, FIXED };

#define FIXED_SIZE	SZ_16M

static const struct debug_case {
	enum wsheap_mode mode;
	const char *name;
	enum kind kind;
	unsigned int flags;
} debug_cases[] = {
	{ WSHEAP_MODE_DEBUG, "debug, plain", OBJECT },
	{ WSHEAP_MODE_DEBUG, "debug, serialized", OBJECT, WSHEAP_SERIALIZE },
	{ WSHEAP_MODE_DEBUG, "debug, contiguous", OBJECT, WSHEAP_CONTIG },
	{ WSHEAP_MODE_DEBUG, "debug, adaptive", OBJECT, WSHEAP_ADAPTIVE },
	{ WSHEAP_MODE_DEBUG, "debug, embedded", EMBEDDED },
	{ WSHEAP_MODE_DEBUG, "debug, pooled", POOLED },
	{ WSHEAP_MODE_DEBUG, "debug, private", PRIVATE },
	{ WSHEAP_MODE_DEBUG, "debug, private, unserialized", PRIVATE, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_DEBUG, "debug, fixed", FIXED },
	{ WSHEAP_MODE_DEBUG, "debug, fixed, unserialized", FIXED, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, plain", OBJECT },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, serialized", OBJECT, WSHEAP_SERIALIZE },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, contiguous", OBJECT, WSHEAP_CONTIG },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, adaptive", OBJECT, WSHEAP_ADAPTIVE },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, embedded", EMBEDDED },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, pooled", POOLED },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, private", PRIVATE },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, private, unserialized", PRIVATE, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, fixed", FIXED },
	{ WSHEAP_MODE_KMALLOC, "kmalloc, fixed, unserialized", FIXED, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_GUARD, "guard, plain", OBJECT },
	{ WSHEAP_MODE_GUARD, "guard, serialized", OBJECT, WSHEAP_SERIALIZE },
	{ WSHEAP_MODE_GUARD, "guard, contiguous", OBJECT, WSHEAP_CONTIG },
	{ WSHEAP_MODE_GUARD, "guard, adaptive", OBJECT, WSHEAP_ADAPTIVE },
	{ WSHEAP_MODE_GUARD, "guard, embedded", EMBEDDED },
	{ WSHEAP_MODE_GUARD, "guard, pooled", POOLED },
	{ WSHEAP_MODE_GUARD, "guard, private", PRIVATE },
	{ WSHEAP_MODE_GUARD, "guard, private, unserialized", PRIVATE, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_GUARD, "guard, fixed", FIXED },
	{ WSHEAP_MODE_GUARD, "guard, fixed, unserialized", FIXED, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_SAMPLE, "sample, plain", OBJECT },
	{ WSHEAP_MODE_SAMPLE, "sample, serialized", OBJECT, WSHEAP_SERIALIZE },
	{ WSHEAP_MODE_SAMPLE, "sample, contiguous", OBJECT, WSHEAP_CONTIG },
	{ WSHEAP_MODE_SAMPLE, "sample, adaptive", OBJECT, WSHEAP_ADAPTIVE },
	{ WSHEAP_MODE_SAMPLE, "sample, embedded", EMBEDDED },
	{ WSHEAP_MODE_SAMPLE, "sample, pooled", POOLED },
	{ WSHEAP_MODE_SAMPLE, "sample, private", PRIVATE },
	{ WSHEAP_MODE_SAMPLE, "sample, private, unserialized", PRIVATE, WSHEAP_NO_SERIALIZE },
	{ WSHEAP_MODE_SAMPLE, "sample, fixed", FIXED },
	{ WSHEAP_MODE_SAMPLE, "sample, fixed, unserialized", FIXED, WSHEAP_NO_SERIALIZE },
};

static void debug_case_name(const struct debug_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(debug, debug_cases, debug_case_name);

static void set_mode(enum wsheap_mode mode)
{
	static const char * const values[] = { "off", "off", "kmalloc", "guard", "sample=2" };

	wsheap_debug = mode == WSHEAP_MODE_DEBUG;
	wsheap_debug_set(values[mode], NULL);
}

/* A report is made once for a class, so each heap has one of its own. */
static const char *fresh_name(void)
{
	static unsigned int n;
	static char name[32];

	snprintf(name, sizeof(name), "debug-%u", ++n);
	return name;
}

static bool is_private(const struct wsheap *heap)
{
	return heap->path >= WSHEAP_PATH_PRIVATE;
}

static struct wsheap *kind_heap(struct kunit *test, enum kind kind, unsigned int flags,
				size_t max_size)
{
	struct wsheap_args args = { .name = fresh_name() };
	struct wsheap_pool *pool;
	struct wsheap *heap;

	if (kind == PRIVATE || kind == FIXED) {
		heap = wsheap_create_private_args(flags, 0, kind == FIXED ? FIXED_SIZE : 0,
						  &args);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
		return heap;
	}
	args.flags = flags;
	if (kind == OBJECT)
		return test_heap_args(test, max_size, SIZE_MAX, &args);
	if (kind == EMBEDDED) {
		heap = kmalloc(sizeof(*heap), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heap);
		KUNIT_ASSERT_EQ(test, wsheap_init(heap, max_size, SIZE_MAX, &args), 0);
		return heap;
	}
	pool = wsheap_pool_create(max_size, SIZE_MAX, &args, 0, 4);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	return heap;
}

/* A heap of the kind and in the mode of this case. */
static struct wsheap *debug_heap(struct kunit *test, size_t max_size)
{
	const struct debug_case *c = test->param_value;

	set_mode(c->mode);
	return kind_heap(test, c->kind, c->flags, max_size);
}

/* The same in no mode. */
static struct wsheap *twin_heap(struct kunit *test, size_t max_size)
{
	const struct debug_case *c = test->param_value;

	set_mode(WSHEAP_MODE_NONE);
	return kind_heap(test, c->kind, c->flags, max_size);
}

/* A private heap looks for what is written by itself in this mode. */
static bool has_own_memory(const struct debug_case *c)
{
	return c->mode != WSHEAP_MODE_DEBUG || c->kind < PRIVATE;
}

static void skip_without_own_memory(struct kunit *test)
{
	if (!has_own_memory(test->param_value))
		kunit_skip(test, "a private heap has a way of its own");
}

static noinline void end_quietly(struct wsheap *heap)
{
	struct wsheap_pool *pool = is_private(heap) ? NULL : wsheap_pool_of(heap);

	if (pool) {
		wsheap_pool_free(pool, heap);
		wsheap_pool_destroy(pool);
	} else if (!is_private(heap) && heap->flags & WSHEAP_EMBEDDED) {
		wsheap_exit(heap);
		kfree(heap);
	} else {
		wsheap_destroy(heap);
	}
}

/* Ends a heap, and looks whether there was something to be reported. */
static void end_heap(struct kunit *test, struct wsheap *heap)
{
	struct wsheap_class *class = heap->class;

	wsheap_class_hold(class);
	if (!is_private(heap))
		check_heap(test, heap);
	else
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	end_quietly(heap);
	wsheap_debug_flush();
	KUNIT_EXPECT_EQ(test, class->reported, 0);
	wsheap_class_release(class);
}

static size_t count_blocks(const struct wsheap *heap)
{
	const struct list_head *node;
	size_t n = 0;

	if (heap->debug)
		list_for_each(node, &heap->debug->blocks)
			n++;
	return n;
}

/*
 * What a heap does in a mode is what it does without.
 */

static void blocks_have_their_size_and_alignment(struct kunit *test)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 4095, 4096, 4097, 100000 };
	const struct debug_case *c = test->param_value;
	struct wsheap *heap = debug_heap(test, WSHEAP_UNLIMITED);
	static u8 *blocks[16][ARRAY_SIZE(sizes)];
	unsigned int i, round, order, n = 0;
	size_t align, bytes = 0;
	u8 *p, *end;

	for (round = 0; round < 2; round++) {
		bytes = 0;
		n = 0;
		for (order = 0; BIT(order) <= PAGE_SIZE; order++) {
			align = BIT(order);
			for (i = 0; i < ARRAY_SIZE(sizes); i++) {
				p = wsheap_alloc_aligned(heap, sizes[i], align, GFP_KERNEL);
				KUNIT_ASSERT_NOT_NULL(test, p);
				KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p, align));
				KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p,
								   WSHEAP_MIN_ALIGN));
				if (c->kind >= PRIVATE)
					KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p,
									   TILE_ALIGN));
				memset(p, order * 16 + i + 1, sizes[i]);
				blocks[order][i] = p;
				bytes += sizes[i];
				n += sizes[i] || c->kind >= PRIVATE;
				/* the end is as near to the next page as it can be */
				end = PTR_ALIGN(p + max_t(size_t, sizes[i], 1),
						max_t(size_t, align, WSHEAP_MIN_ALIGN));
				if (c->kind >= PRIVATE)
					end = PTR_ALIGN(end, TILE_ALIGN);
				if (heap->debug && sizes[i] && c->mode == WSHEAP_MODE_GUARD &&
				    is_vmalloc_addr(p) && !heap->debug->missed &&
				    !(c->flags & WSHEAP_CONTIG))
					KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(end));
			}
		}
		KUNIT_EXPECT_EQ(test, requested_of(heap), bytes);
		for (order = 0; BIT(order) <= PAGE_SIZE; order++)
			for (i = 0; i < ARRAY_SIZE(sizes); i++)
				KUNIT_ASSERT_NULL(test, memchr_inv(blocks[order][i],
								   order * 16 + i + 1,
								   sizes[i]));
		if (has_own_memory(c) && c->mode != WSHEAP_MODE_SAMPLE)
			KUNIT_EXPECT_EQ(test, count_blocks(heap) + heap->debug->missed, n);
		if (has_own_memory(c) && c->mode == WSHEAP_MODE_SAMPLE)
			KUNIT_EXPECT_GT(test, count_blocks(heap), n / 20);
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, count_blocks(heap), 0);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		if (heap->debug) {
			KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&heap->debug->by_place));
			KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&heap->debug->by_address));
			heap->debug->missed = 0;
		}
		wsheap_debug_flush();
	}
	end_heap(test, heap);
}

/* A block, here and in a heap that does the same in no mode. */
struct piece {
	u8 *p, *twin;
	size_t size;
	size_t sure;		/* bytes that a rollback must have left alone */
	u8 fill;
	u32 id;
};

#define PIECES		48
#define DEPTH		4

struct tale {
	unsigned int n;
	struct piece pieces[PIECES];
};

static struct tale now, then[DEPTH];
static struct wsheap_mark marks[DEPTH], twin_marks[DEPTH];

static void check_pieces(struct kunit *test)
{
	const struct piece *piece;

	for (piece = now.pieces; piece < now.pieces + now.n; piece++)
		KUNIT_ASSERT_NULL(test, memchr_inv(piece->p, piece->fill, piece->sure));
}

/* The sizes that a caller gave up, for those that roll back to before that. */
static void note_shrunk(u32 id, size_t size)
{
	unsigned int d, i;

	for (d = 0; d < DEPTH; d++)
		for (i = 0; i < then[d].n; i++)
			if (then[d].pieces[i].id == id)
				then[d].pieces[i].sure = min(then[d].pieces[i].sure, size);
}

static void note_filled(const struct piece *piece)
{
	unsigned int d, i;

	for (d = 0; d < DEPTH; d++)
		for (i = 0; i < then[d].n; i++)
			if (then[d].pieces[i].id == piece->id &&
			    then[d].pieces[i].twin == piece->twin)
				then[d].pieces[i].fill = piece->fill;
}

static void same_answer(struct kunit *test, struct wsheap *heap, struct wsheap *twin,
			const void *p, const void *q)
{
	KUNIT_ASSERT_EQ(test, !p, !q);
	KUNIT_ASSERT_EQ(test, requested_of(heap), requested_of(twin));
	KUNIT_ASSERT_EQ(test, wsheap_status(heap), wsheap_status(twin));
	if (!is_private(heap))
		KUNIT_ASSERT_EQ(test, actual_of(heap), actual_of(twin));
}

static void take_piece(struct kunit *test, struct wsheap *heap, struct wsheap *twin,
		       struct rnd_state *rnd, size_t size)
{
	struct wsheap_error err = { .code = 77 }, twin_err = err;
	struct piece *piece = &now.pieces[now.n];
	gfp_t gfp = GFP_KERNEL;
	static u32 id;

	piece->size = size;
	piece->sure = size;
	piece->fill = prandom_u32_state(rnd) | 1;
	piece->id = ++id;
	if (prandom_u32_state(rnd) % 4 == 0)
		gfp |= __GFP_ZERO;
	if (prandom_u32_state(rnd) % 8 == 0) {
		/* For more than the alignment of the smallest chunk, padding varies. */
		size_t align = BIT(prandom_u32_state(rnd) % 10);

		piece->p = charged_here(__wsheap_alloc(heap, size, align, gfp, &err));
		piece->twin = charged_here(__wsheap_alloc(twin, size, align, gfp, &twin_err));
	} else {
		piece->p = wsheap_alloc_err(heap, size, gfp, &err);
		piece->twin = wsheap_alloc_err(twin, size, gfp, &twin_err);
	}
	same_answer(test, heap, twin, piece->p, piece->twin);
	KUNIT_ASSERT_MEMEQ(test, &err, &twin_err, sizeof(err));
	if (!piece->p)
		return;
	if (gfp & __GFP_ZERO || want_init_on_alloc(0))
		KUNIT_ASSERT_NULL(test, memchr_inv(piece->p, 0, size));
	memset(piece->p, piece->fill, size);
	now.n++;
}

static void change_piece(struct kunit *test, struct wsheap *heap, struct wsheap *twin,
			 struct rnd_state *rnd, size_t size)
{
	struct piece *piece = &now.pieces[now.n - 1];
	bool zero = prandom_u32_state(rnd) % 3 == 0;
	gfp_t gfp = GFP_KERNEL | (zero ? __GFP_ZERO : 0);
	size_t old = piece->size;
	u8 *p, *q;

	if (prandom_u32_state(rnd) % 4 == 0)
		piece = &now.pieces[prandom_u32_state(rnd) % now.n];
	old = piece->size;
	if (is_private(heap) && size <= old && prandom_u32_state(rnd) % 2) {
		KUNIT_ASSERT_TRUE(test, wsheap_resize(heap, piece->p, size, gfp));
		KUNIT_ASSERT_TRUE(test, wsheap_resize(twin, piece->twin, size, gfp));
		p = piece->p;
		q = piece->twin;
	} else if (is_private(heap)) {
		p = wsheap_realloc(heap, piece->p, size, gfp);
		q = wsheap_realloc(twin, piece->twin, size, gfp);
	} else {
		p = wsheap_extend(heap, piece->p, old, size, gfp);
		q = wsheap_extend(twin, piece->twin, old, size, gfp);
	}
	same_answer(test, heap, twin, p, q);
	if (!p)
		return;
	KUNIT_ASSERT_NULL(test, memchr_inv(p, piece->fill, min(old, size)));
	if (zero && size > old)
		KUNIT_ASSERT_NULL(test, memchr_inv(p + old, 0, size - old));
	/* what becomes smaller stays where it is */
	if (size && size <= old && !is_private(heap))
		KUNIT_ASSERT_PTR_EQ(test, p, piece->p);
	if (size < old)
		note_shrunk(piece->id, size);
	/* Where it is the same block, a rollback brings it back with the bytes of now. */
	if (q == piece->twin) {
		piece->fill = prandom_u32_state(rnd) | 1;
		note_filled(piece);
	}
	piece->p = p;
	piece->twin = q;
	piece->size = size;
	piece->sure = size;
	memset(p, piece->fill, size);
}

static void roll_back(struct kunit *test, struct wsheap *heap, struct wsheap *twin,
		      unsigned int d)
{
	struct piece *piece;

	wsheap_rollback(heap, &marks[d]);
	wsheap_rollback(twin, &twin_marks[d]);
	now = then[d];
	check_pieces(test);
	for (piece = now.pieces; piece < now.pieces + now.n; piece++) {
		memset(piece->p, piece->fill, piece->size);
		piece->sure = piece->size;
	}
	then[d] = now;
	check_heap(test, heap);
}

static void free_piece(struct wsheap *heap, struct wsheap *twin, struct rnd_state *rnd)
{
	struct piece *piece = &now.pieces[prandom_u32_state(rnd) % now.n];

	wsheap_free(heap, piece->p);
	wsheap_free(twin, piece->twin);
	*piece = now.pieces[--now.n];
}

static void heap_does_what_it_does_in_no_mode(struct kunit *test)
{
	struct wsheap *heap = debug_heap(test, 60000), *twin = twin_heap(test, 60000);
	unsigned int step, depth = 0, d;
	struct rnd_state rnd;
	size_t size;

	prandom_seed_state(&rnd, SEED);
	memset(&now, 0, sizeof(now));
	memset(then, 0, sizeof(then));
	for (step = 0; step < 1500; step++) {
		unsigned int what = prandom_u32_state(&rnd) % 20;

		size = random_size(&rnd, step % 7 ? 2000 : 20000);
		if (prandom_u32_state(&rnd) % 16 == 0)
			size = 0;
		if (what < 9) {
			if (now.n < PIECES)
				take_piece(test, heap, twin, &rnd, size);
		} else if (what < 13) {
			if (now.n)
				change_piece(test, heap, twin, &rnd, size);
		} else if (is_private(heap) && what < 18) {
			if (now.n)
				free_piece(heap, twin, &rnd);
			KUNIT_ASSERT_TRUE(test, wsheap_validate(heap, NULL));
		} else if (is_private(heap) && now.n) {
			const struct piece *piece = &now.pieces[now.n - 1];

			KUNIT_ASSERT_EQ(test, wsheap_size(heap, piece->p), piece->size);
			KUNIT_ASSERT_TRUE(test, wsheap_validate(heap, piece->p));
			if (has_own_memory(test->param_value) &&
			    heap->debug->mode != WSHEAP_MODE_SAMPLE)
				KUNIT_ASSERT_EQ(test, count_blocks(heap) +
						heap->debug->missed >= now.n, true);
		} else if (is_private(heap)) {
			continue;
		} else if (what < 16) {
			if (depth == DEPTH)
				depth--;
			marks[depth] = wsheap_mark(heap);
			twin_marks[depth] = wsheap_mark(twin);
			then[depth++] = now;
		} else if (depth) {
			d = prandom_u32_state(&rnd) % depth;
			roll_back(test, heap, twin, d);
			/* it stays valid */
			depth = d + 1;
		}
		if (step % 8 == 0)
			check_pieces(test);
		if (step % 150 == 149) {
			check_pieces(test);
			wsheap_reset(heap);
			wsheap_reset(twin);
			KUNIT_ASSERT_EQ(test, count_blocks(heap), 0);
			same_answer(test, heap, twin, NULL, NULL);
			memset(then, 0, sizeof(then));
			now.n = 0;
			depth = 0;
		}
		KUNIT_ASSERT_EQ(test, heap->class->reported, 0);
	}
	end_heap(test, heap);
	end_heap(test, twin);
}

static void fixed_heap_is_full_at_the_same_block(struct kunit *test)
{
	struct wsheap_error err = {}, twin_err = {};
	struct wsheap *heap, *twin;
	unsigned int mode, n, m;

	set_mode(WSHEAP_MODE_NONE);
	twin = wsheap_create_private(0, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, twin);
	for (n = 0; wsheap_alloc_err(twin, 1000, GFP_KERNEL, &twin_err); n++)
		;
	for (mode = WSHEAP_MODE_KMALLOC; mode <= WSHEAP_MODE_SAMPLE; mode++) {
		set_mode(mode);
		heap = wsheap_create_private(0, 0, SZ_64K);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
		for (m = 0; wsheap_alloc_err(heap, 1000, GFP_KERNEL, &err); m++)
			;
		KUNIT_EXPECT_EQ(test, n, m);
		KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
		KUNIT_EXPECT_MEMEQ(test, &err, &twin_err, sizeof(err));
		KUNIT_EXPECT_EQ(test, actual_of(heap), actual_of(twin));
		wsheap_destroy(heap);
	}
	wsheap_destroy(twin);
}

static void atomic_callers_get_blocks(struct kunit *test)
{
	struct wsheap *heap = debug_heap(test, WSHEAP_UNLIMITED);
	static u8 *blocks[100];
	unsigned int i, round;
	DEFINE_SPINLOCK(lock);
	unsigned long irq;

	for (round = 0; round < 3; round++) {
		spin_lock_irqsave(&lock, irq);
		for (i = 0; i < ARRAY_SIZE(blocks); i++) {
			blocks[i] = wsheap_alloc(heap, 1 + i * i, GFP_ATOMIC | __GFP_NOWARN);
			if (blocks[i])
				memset(blocks[i], i, 1 + i * i);
		}
		spin_unlock_irqrestore(&lock, irq);
		for (i = 0; i < ARRAY_SIZE(blocks); i++) {
			KUNIT_ASSERT_NOT_NULL(test, blocks[i]);
			KUNIT_ASSERT_NULL(test, memchr_inv(blocks[i], i, 1 + i * i));
		}
		spin_lock_irqsave(&lock, irq);
		wsheap_reset(heap);
		spin_unlock_irqrestore(&lock, irq);
		KUNIT_EXPECT_EQ(test, count_blocks(heap), 0);
		if (round)
			wsheap_debug_flush();
	}
	end_heap(test, heap);
}

static void rollback_ends_the_newer_blocks(struct kunit *test)
{
	const struct debug_case *c = test->param_value;
	struct wsheap *heap = debug_heap(test, WSHEAP_UNLIMITED);
	struct wsheap_mark mark;
	unsigned int older;

	if (c->kind >= PRIVATE) {
		end_heap(test, heap);
		kunit_skip(test, "a private heap has no savepoints");
	}
	take_blocks(test, heap, 10, 100);
	older = count_blocks(heap);
	mark = wsheap_mark(heap);
	take_blocks(test, heap, 20, 3000);
	if (c->mode != WSHEAP_MODE_SAMPLE)
		KUNIT_EXPECT_EQ(test, count_blocks(heap) + heap->debug->missed, 30);
	wsheap_rollback(heap, &mark);
	KUNIT_EXPECT_EQ(test, count_blocks(heap), older);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 1000);
	end_heap(test, heap);
}

/*
 * Memory.
 */

#ifdef kunit_activate_static_stub
static struct debug_block *no_block(const struct wsheap *heap, size_t size, size_t align,
				    gfp_t gfp)
{
	return NULL;
}

static bool lies_in_its_heap(const struct wsheap *heap, const void *p)
{
	const struct wsheap_chunk *chunk;

	for (chunk = heap->used; chunk; chunk = chunk->next)
		if (p >= chunk->mem && p < chunk->mem + chunk->size)
			return true;
	return false;
}

static void place_is_given_without_memory(struct kunit *test)
{
	struct wsheap *heap;
	struct wsheap_mark mark;
	u8 *p, *q, *r;

	skip_without_own_memory(test);
	heap = debug_heap(test, WSHEAP_UNLIMITED);
	/* each block has its turn */
	heap->debug->period = 1;
	heap->debug->countdown = 1;
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, 1, 100);
	KUNIT_EXPECT_EQ(test, heap->debug->missed, 0);

	kunit_activate_static_stub(test, wsheap_debug_block_new, no_block);
	q = wsheap_alloc(heap, 200, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, q);
	if (heap->path != WSHEAP_PATH_SHORT)
		KUNIT_EXPECT_EQ(test, heap->debug->missed, 1);
	memset(q, 2, 200);
	if (is_private(heap)) {
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, q), 200);
		q = wsheap_realloc(heap, q, 300, GFP_KERNEL);
		p = wsheap_realloc(heap, p, 500, GFP_KERNEL);
	} else {
		KUNIT_EXPECT_TRUE(test, lies_in_its_heap(heap, q));
		mark = wsheap_mark(heap);
		r = wsheap_extend(heap, q, 200, 300, GFP_KERNEL);
		KUNIT_EXPECT_PTR_EQ(test, r, q);
		wsheap_rollback(heap, &mark);
		q = wsheap_extend(heap, q, 200, 300, GFP_KERNEL);
		p = wsheap_extend(heap, p, 100, 500, GFP_KERNEL);
	}
	kunit_deactivate_static_stub(test, wsheap_debug_block_new);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_NOT_NULL(test, q);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, 1, 100));
	KUNIT_EXPECT_NULL(test, memchr_inv(q, 2, 200));
	memset(p, 1, 500);
	memset(q, 2, 300);
	/* with memory again, what lies in its place stays there */
	if (is_private(heap)) {
		KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, q, 120, GFP_KERNEL));
		KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, q, 130, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, q), 130);
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, q));
		wsheap_free(heap, q);
		wsheap_free(heap, p);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		KUNIT_EXPECT_EQ(test, count_blocks(heap), 0);
	}
	end_heap(test, heap);
}
#endif

/* Nothing is left of a heap that is gone. Guarded blocks are told about for longer. */
static void nothing_is_left(struct kunit *test)
{
	const struct debug_case *c = test->param_value;
	struct wsheap *heap;
	struct wsheap_class *class;
	unsigned long pages;
	unsigned int i;

	skip_without_own_memory(test);
	wsheap_debug_flush();
	pages = wsheap_debug_pages;
	heap = debug_heap(test, WSHEAP_UNLIMITED);
	class = heap->class;
	wsheap_class_hold(class);
	for (i = 0; i < 300; i++)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, i * 10, GFP_KERNEL));
	if (c->mode == WSHEAP_MODE_DEBUG || c->mode == WSHEAP_MODE_KMALLOC)
		KUNIT_EXPECT_GE(test, atomic_read(&class->refs), 300);
	end_quietly(heap);
	wsheap_debug_flush();
	if (c->mode == WSHEAP_MODE_DEBUG || c->mode == WSHEAP_MODE_KMALLOC)
		KUNIT_EXPECT_EQ(test, atomic_read(&class->refs), 1);
	KUNIT_EXPECT_EQ(test, class->reported, 0);
	wsheap_class_release(class);
	/* all pages are back, and some may be ahead */
	if (c->mode == WSHEAP_MODE_GUARD)
		KUNIT_EXPECT_LE(test, wsheap_debug_pages, pages + 64);
}

/*
 * What is found, and what is said of it.
 */

/* Reports name these as the places where a block was taken and where it ended. */
static noinline u8 *taken_here(struct wsheap *heap, size_t size)
{
	u8 *p = wsheap_alloc(heap, size, GFP_KERNEL);

	barrier();
	return p;
}

static noinline void reset_here(struct wsheap *heap)
{
	wsheap_reset(heap);
	barrier();
}

static noinline void rolled_back_here(struct wsheap *heap, const struct wsheap_mark *mark)
{
	wsheap_rollback(heap, mark);
	barrier();
}

static noinline void destroyed_here(struct wsheap *heap)
{
	wsheap_destroy(heap);
	barrier();
}

static noinline void freed_here(struct wsheap *heap, void *p)
{
	wsheap_free(heap, p);
	barrier();
}

static void expect_heard(struct kunit *test, const char *text)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(heard, text), "not said: %s", text);
}

/* A plain or private heap in a mode, with each block in memory of its own. */
static struct wsheap *mode_heap(struct kunit *test, enum wsheap_mode mode, enum kind kind)
{
	set_mode(mode);
	return kind_heap(test, kind, 0, WSHEAP_UNLIMITED);
}

static const enum wsheap_mode filling_modes[] = { WSHEAP_MODE_DEBUG, WSHEAP_MODE_GUARD };

static void mode_name(const enum wsheap_mode *mode, char *desc)
{
	strscpy(desc, *mode == WSHEAP_MODE_DEBUG ? "debug" : "guard", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(filling, filling_modes, mode_name);

static void byte_past_a_block_is_reported(struct kunit *test)
{
	static const size_t sizes[] = { 1, 77, 1001, 5003 };
	enum wsheap_mode mode = *(const enum wsheap_mode *)test->param_value;
	unsigned int i, how;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (how = 0; how < 4; how++) {
			struct wsheap *heap = mode_heap(test, mode, OBJECT);
			bool before = how & 1, rollback = how & 2;
			struct wsheap_mark mark = wsheap_mark(heap);
			char text[64];
			u8 *p;

			KUNIT_ASSERT_NOT_NULL(test, taken_here(heap, 40));
			p = taken_here(heap, sizes[i]);
			KUNIT_ASSERT_NOT_NULL(test, p);
			memset(p, 0xff, sizes[i]);
			OPTIMIZER_HIDE_VAR(p);
			p[before ? -1 : (int)sizes[i]] ^= 1;
			listen_begin();
			if (rollback)
				rolled_back_here(heap, &mark);
			else
				reset_here(heap);
			listen_end();
			snprintf(text, sizeof(text), "byte %d of a block of %zu bytes",
				 before ? -1 : (int)sizes[i], sizes[i]);
			expect_heard(test, text);
			expect_heard(test, before ? "written before its beginning" :
						    "written past its end");
			expect_heard(test, wsheap_name(heap));
			expect_heard(test, " of " KBUILD_MODNAME);
			expect_heard(test, "taken_here");
			expect_heard(test, rollback ? "rolled_back_here" : "reset_here");
			expect_heard(test, "what to do");
			/* once */
			p = taken_here(heap, sizes[i]);
			OPTIMIZER_HIDE_VAR(p);
			p[before ? -1 : (int)sizes[i]] ^= 1;
			listen_begin();
			wsheap_reset(heap);
			listen_end();
			KUNIT_EXPECT_NULL(test, strstr(heard, "written"));
			wsheap_destroy(heap);
			wsheap_debug_flush();
		}
	}
}

enum taking {
	BY_ALLOC, BY_ALIGNED, BY_MEMDUP, BY_STRDUP, BY_STRNDUP, BY_ASPRINTF, BY_APPENDF,
	BY_APPENDF_LONGER, BY_EXTEND, BY_EXTEND_LONGER, TAKINGS
};

/* A block of 12 bytes, by each call that takes blocks. */
static noinline char *taken_here_by(struct wsheap *heap, enum taking how)
{
	char *p = NULL;
	size_t length = 0;

	if (how == BY_ALLOC)
		p = wsheap_alloc(heap, 12, GFP_KERNEL);
	else if (how == BY_ALIGNED)
		p = wsheap_alloc_aligned(heap, 12, 64, GFP_KERNEL);
	else if (how == BY_MEMDUP)
		p = wsheap_memdup(heap, "hello, heap", 12, GFP_KERNEL);
	else if (how == BY_STRDUP)
		p = wsheap_strdup(heap, "hello, heap", GFP_KERNEL);
	else if (how == BY_STRNDUP)
		p = wsheap_strndup(heap, "hello, heap and more", 11, GFP_KERNEL);
	else if (how == BY_ASPRINTF)
		p = wsheap_asprintf(heap, GFP_KERNEL, "hello, %s", "heap");
	else if (how == BY_APPENDF || how == BY_APPENDF_LONGER)
		wsheap_appendf(heap, &p, &length, GFP_KERNEL, "hello, %s",
			       how == BY_APPENDF ? "heap" : "");
	else
		p = wsheap_extend(heap, NULL, 0, how == BY_EXTEND ? 12 : 3, GFP_KERNEL);
	if (how == BY_APPENDF_LONGER)
		wsheap_appendf(heap, &p, &length, GFP_KERNEL, "%s", "heap");
	if (how == BY_EXTEND_LONGER)
		p = wsheap_extend(heap, p, 3, 12, GFP_KERNEL);
	barrier();
	return p;
}

static noinline void returned_here(struct wsheap_pool *pool, struct wsheap *heap, bool put)
{
	if (put)
		wsheap_pool_put(heap);
	else
		wsheap_pool_free(pool, heap);
	barrier();
}

/* Whichever call a block is from, and also if the heap had another quota meanwhile. */
static void reports_name_lines_of_the_driver(struct kunit *test)
{
	enum wsheap_mode mode = *(const enum wsheap_mode *)test->param_value;
	unsigned int how, back;

	for (how = 0; how < TAKINGS; how++) {
		for (back = 0; back < 4; back++) {
			struct wsheap *heap = mode_heap(test, mode, POOLED);
			struct wsheap_pool *pool = wsheap_pool_of(heap);
			char *p;

			if (back & 1)
				KUNIT_ASSERT_EQ(test, wsheap_set_max_size(heap, SZ_1K), 0);
			p = taken_here_by(heap, how);
			KUNIT_ASSERT_NOT_NULL(test, p);
			OPTIMIZER_HIDE_VAR(p);
			p[12] ^= 1;
			listen_begin();
			returned_here(pool, heap, back & 2);
			listen_end();
			expect_heard(test, "written past its end, byte 12 of a block of 12 bytes");
			expect_heard(test, "its end was called from returned_here");
			expect_heard(test, "taken_here_by");
			wsheap_pool_destroy(pool);
			wsheap_debug_flush();
		}
	}
}

/* Also behind what a block is after it became smaller, or larger. */
static void byte_past_a_changed_block_is_reported(struct kunit *test)
{
	enum wsheap_mode mode = *(const enum wsheap_mode *)test->param_value;
	static const size_t sizes[] = { 50, 300 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct wsheap *heap = mode_heap(test, mode, OBJECT);
		struct wsheap_class *class = heap->class;
		u8 *p = wsheap_alloc(heap, 101, GFP_KERNEL);

		p = wsheap_extend(heap, p, 101, sizes[i] + 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		OPTIMIZER_HIDE_VAR(p);
		p[sizes[i] + 1] = 1;
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, class->reported, BIT(MISTAKE_OVERRUN));
		wsheap_destroy(heap);
	}
}

enum ending { BY_RESET, BY_ROLLBACK, BY_DESTROY, BY_FREE, BY_POOL, ENDINGS };

static void write_to_an_ended_block_is_reported(struct kunit *test)
{
	static const char * const by[] = {
		"reset_here", "rolled_back_here", "destroyed_here", "freed_here",
		"end_quietly",
	};
	enum wsheap_mode mode = *(const enum wsheap_mode *)test->param_value;
	unsigned int how;

	for (how = 0; how < ENDINGS; how++) {
		enum kind kind = how == BY_FREE ? PRIVATE : how == BY_POOL ? POOLED : OBJECT;
		struct wsheap *heap, *other;
		struct wsheap_mark mark;
		u8 *p, *again;

		if (how == BY_FREE && mode == WSHEAP_MODE_DEBUG)
			continue;
		heap = mode_heap(test, mode, kind);
		if (kind != PRIVATE)
			mark = wsheap_mark(heap);
		p = taken_here(heap, 77);
		KUNIT_ASSERT_NOT_NULL(test, p);
		other = mode_heap(test, mode, OBJECT);
		if (how == BY_RESET)
			reset_here(heap);
		else if (how == BY_ROLLBACK)
			rolled_back_here(heap, &mark);
		else if (how == BY_DESTROY)
			destroyed_here(heap);
		else if (how == BY_FREE)
			freed_here(heap, p);
		else
			end_quietly(heap);
		/* nobody has it now */
		again = wsheap_alloc(other, 77, GFP_KERNEL);
		KUNIT_EXPECT_PTR_NE(test, p, again);
		OPTIMIZER_HIDE_VAR(p);
		p[3] = 1;
		listen_begin();
		wsheap_debug_flush();
		listen_end();
		expect_heard(test, "written to after its end, byte 3 of a block of 77 bytes");
		expect_heard(test, " of " KBUILD_MODNAME);
		expect_heard(test, "heap debug-");
		expect_heard(test, "taken_here");
		expect_heard(test, by[how]);
		expect_heard(test, "kept after the message's end");
		if (how != BY_DESTROY && how != BY_POOL)
			end_quietly(heap);
		end_heap(test, other);
	}
}

static void guarded_addresses_are_told_about(struct kunit *test)
{
	struct wsheap *heap = mode_heap(test, WSHEAP_MODE_GUARD, OBJECT);
	u8 *p = taken_here(heap, 1000), *live = taken_here(heap, 10000), *moved;

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_NOT_NULL(test, live);
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(p + 1000));
	listen_begin();
	KUNIT_EXPECT_TRUE(test, wsheap_debug_explain(p + 1000));
	listen_end();
	expect_heard(test, "byte 1000 of a block of 1000 bytes");
	expect_heard(test, "past its end");
	expect_heard(test, wsheap_name(heap));
	expect_heard(test, " of " KBUILD_MODNAME);
	expect_heard(test, " ms old");
	expect_heard(test, "taken_here");
	KUNIT_EXPECT_NULL(test, strstr(heard, "its end was called"));
	listen_begin();
	KUNIT_EXPECT_TRUE(test, wsheap_debug_explain(p - 1));
	listen_end();
	expect_heard(test, "byte -1 of a block of 1000 bytes");
	expect_heard(test, "before its beginning");
	/* beyond the page that is not mapped there is something else */
	listen_begin();
	wsheap_debug_explain(p + 1000 + PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, wsheap_debug_explain(heap));
	KUNIT_EXPECT_FALSE(test, wsheap_debug_explain(NULL));
	listen_end();
	KUNIT_EXPECT_NULL(test, strstr(heard, "block of 1000 bytes"));
	/* where it was before it grew */
	moved = wsheap_extend(heap, live, 10000, 10001, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, moved, live);
	reset_here(heap);
	for (moved = NULL; moved != live; moved = live) {
		listen_begin();
		KUNIT_EXPECT_TRUE(test, wsheap_debug_explain(live + 9999));
		listen_end();
		expect_heard(test, "byte 9999 of a block of 10000 bytes");
	}
	wsheap_debug_flush();
	vm_unmap_aliases();
	KUNIT_EXPECT_FALSE(test, is_vmalloc_addr(p) && vmalloc_to_page(p));
	listen_begin();
	KUNIT_EXPECT_TRUE(test, wsheap_debug_explain(p + 3));
	listen_end();
	expect_heard(test, "byte 3 of a block of 1000 bytes");
	expect_heard(test, "used after its end");
	expect_heard(test, "its end was called from reset_here");
	expect_heard(test, "taken_here");
	expect_heard(test, wsheap_name(heap));
	wsheap_destroy(heap);
	/* it outlives its heap */
	KUNIT_EXPECT_TRUE(test, wsheap_debug_explain(p + 3));
}

/* Addresses that are used again belong to the newer block, whatever was there. */
static void memory_that_is_mapped_again_is_told_about_anew(struct kunit *test)
{
	struct wsheap *heap = mode_heap(test, WSHEAP_MODE_GUARD, OBJECT);
	unsigned int i, round;
	char text[40];
	u8 *p;

	for (round = 0; round < 12; round++) {
		for (i = 1; i < 40; i++) {
			size_t size = round % 2 ? 100 * i : PAGE_SIZE * (1 + i % 5) + i;

			p = wsheap_alloc(heap, size, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			if (!is_vmalloc_addr(p))
				continue;
			snprintf(text, sizeof(text), "byte %zu of a block of %zu bytes",
				 size - 1, size);
			listen_begin();
			KUNIT_EXPECT_TRUE(test, wsheap_debug_explain(p + size - 1));
			listen_end();
			expect_heard(test, text);
			KUNIT_EXPECT_NULL(test, strstr(heard, "its end was"));
		}
		wsheap_reset(heap);
		wsheap_debug_flush();
		vm_unmap_aliases();
	}
	end_heap(test, heap);
}

/*
 * Sampling.
 */

#define BLOCKS		30000

static void about_every_nth_block_is_sampled(struct kunit *test)
{
	static const struct {
		enum kind kind;
		unsigned int flags;
	} kinds[] = {
		{ OBJECT }, { OBJECT, WSHEAP_SERIALIZE }, { OBJECT, WSHEAP_ADAPTIVE },
		{ PRIVATE }, { FIXED, WSHEAP_NO_SERIALIZE },
	};
	static const unsigned int periods[] = { 7, 20, 20 };
	unsigned int i, j, n, sampled;
	size_t size;
	struct rnd_state rnd;
	char value[20];

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(periods); j++) {
			struct wsheap *heap;

			wsheap_debug = false;
			snprintf(value, sizeof(value), "sample=%u", periods[j]);
			KUNIT_ASSERT_EQ(test, wsheap_debug_set(value, NULL), 0);
			heap = kind_heap(test, kinds[i].kind, kinds[i].flags, WSHEAP_UNLIMITED);
			KUNIT_ASSERT_NOT_NULL(test, heap->debug);
			sampled = 0;
			for (n = 0; n < BLOCKS; n++) {
				/* of mixed sizes, and of nearly one */
				size = j < 2 ? random_size(&rnd, 4000) : 1000 + n % 100;
				KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, size,
									 GFP_KERNEL));
				if (n % 100 < 99)
					continue;
				sampled += count_blocks(heap) + heap->debug->missed;
				heap->debug->missed = 0;
				wsheap_reset(heap);
				wsheap_debug_flush();
			}
			/* The shortest of very different blocks are met too seldom. */
			KUNIT_EXPECT_GT(test, sampled,
					BLOCKS / periods[j] / (j < 2 ? 3 : 2));
			KUNIT_EXPECT_LT(test, sampled, BLOCKS / periods[j] * 2);
			end_heap(test, heap);
		}
	}
}

static void sampled_heap_has_its_short_path(struct kunit *test)
{
	struct wsheap *heap;
	unsigned int i, on_it = 0;
	char *cursor;

	wsheap_debug = false;
	wsheap_debug_set("sample=100", NULL);
	heap = kind_heap(test, OBJECT, 0, WSHEAP_UNLIMITED);
	KUNIT_ASSERT_NOT_NULL(test, heap->debug);
	for (i = 0; i < 2000; i++) {
		cursor = heap->cursor;
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 64, GFP_KERNEL));
		on_it += heap->cursor == cursor + 64;
	}
	if (!want_init_on_alloc(0))
		KUNIT_EXPECT_GT(test, on_it, 1500);
	end_heap(test, heap);
}

/*
 * Parameters.
 */

static void parameter_is_what_was_set(struct kunit *test)
{
	static const char * const good[] = {
		"off", "kmalloc", "guard", "sample=100", "sample=1",
		"guard,net:off", "off,net:guard,fs:sample=17", "kmalloc,a:b:guard",
		"debug", "off,net:debug",
	};
	static const char * const bad[] = {
		"", "on", "sample", "sample=", "sample=0", "sample=-1", "sample=x",
		"sample=99999999999", ":guard", "net:", "guard,", ",guard",
		"guard,net", "net:guard,,fs:guard", "Guard", "guardx",
	};
	char *buffer = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	char *again = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	char *many = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, buffer && again && many);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		KUNIT_EXPECT_EQ_MSG(test, wsheap_debug_set(good[i], NULL), 0, "%s", good[i]);
		KUNIT_EXPECT_EQ(test, wsheap_debug_get(buffer, NULL), strlen(buffer));
		KUNIT_EXPECT_EQ(test, strlen(buffer), strlen(good[i]) + 1);
		KUNIT_EXPECT_EQ_MSG(test, strncmp(buffer, good[i], strlen(good[i])), 0, "%s",
				    buffer);
	}
	wsheap_debug_get(buffer, NULL);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, wsheap_debug_set(bad[i], NULL), -EINVAL, "%s", bad[i]);
		wsheap_debug_get(again, NULL);
		KUNIT_EXPECT_STREQ(test, buffer, again);
	}
	/* with the newline of echo */
	KUNIT_EXPECT_EQ(test, wsheap_debug_set("off,net:guard\n", NULL), 0);
	wsheap_debug_get(buffer, NULL);
	KUNIT_EXPECT_STREQ(test, buffer, "off,net:guard\n");
	/* 15 classes, and no more */
	for (i = 0; i < 15; i++)
		snprintf(many + strlen(many), 20, "%sclass%u:guard", i ? "," : "", i);
	KUNIT_EXPECT_EQ(test, wsheap_debug_set(many, NULL), 0);
	strlcat(many, ",last:guard", PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, wsheap_debug_set(many, NULL), -ENOSPC);
	memset(many, 'x', PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, wsheap_debug_set(many, NULL), -ENOSPC);
	memset(many, 'x', 70);
	strscpy(many + 70, ":guard", 10);
	KUNIT_EXPECT_EQ(test, wsheap_debug_set(many, NULL), -EINVAL);
}

static void class_is_in_its_own_mode(struct kunit *test)
{
	struct wsheap_args net = { .name = "net" }, fs = { .name = "fs" };
	struct wsheap_args asked = { .flags = WSHEAP_PAGE_HEAP, .name = "fs" };
	struct wsheap *heap;

	wsheap_debug = false;
	KUNIT_ASSERT_EQ(test, wsheap_debug_set("off,net:guard", NULL), 0);
	heap = test_heap_args(test, 1000, 0, &net);
	KUNIT_EXPECT_STREQ(test, wsheap_debug_mode(heap), "guard");
	KUNIT_ASSERT_EQ(test, wsheap_debug_set("kmalloc,net:off", NULL), 0);
	/* a heap that is there stays as it is */
	KUNIT_EXPECT_STREQ(test, wsheap_debug_mode(heap), "guard");
	wsheap_destroy(heap);
	heap = test_heap_args(test, 1000, 0, &net);
	KUNIT_EXPECT_NULL(test, heap->debug);
	wsheap_destroy(heap);
	heap = test_heap_args(test, 1000, 0, &fs);
	KUNIT_EXPECT_STREQ(test, wsheap_debug_mode(heap), "kmalloc");
	wsheap_destroy(heap);
	/* a private one */
	net.flags = WSHEAP_PAGE_HEAP;
	KUNIT_ASSERT_EQ(test, wsheap_debug_set("off", NULL), 0);
	heap = wsheap_create_private_args(0, 0, 0, &net);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_NOT_NULL(test, heap->debug);
	wsheap_destroy(heap);
	/* what the driver asks for, though the parameter says off */
	heap = test_heap_args(test, 1000, 0, &asked);
	KUNIT_EXPECT_STREQ(test, wsheap_debug_mode(heap),
			   IS_ENABLED(CONFIG_KASAN) ? "kmalloc" : "guard");
	wsheap_destroy(heap);
	KUNIT_ASSERT_EQ(test, wsheap_debug_set("off,fs:sample=5", NULL), 0);
	heap = test_heap_args(test, 1000, 0, &asked);
	KUNIT_EXPECT_STREQ(test, wsheap_debug_mode(heap), "sample");
	KUNIT_EXPECT_EQ(test, heap->debug->period, 5);
	wsheap_destroy(heap);
	KUNIT_ASSERT_EQ(test, wsheap_debug_set("off", NULL), 0);
	heap = test_heap_args(test, 1000, 0, &fs);
	KUNIT_EXPECT_NULL(test, heap->debug);
	KUNIT_EXPECT_STREQ(test, wsheap_debug_mode(heap), "-");
	wsheap_destroy(heap);
}

/*
 * Heaps that are gone, and two users at once.
 */

static struct wsheap_action no_action;

static void do_nothing(void *data)
{
}

/* Calls that must find out. Each returns whether it was refused. */
static bool call_alloc(struct wsheap *heap, void *p)
{
	struct wsheap_error err = {};

	return !wsheap_alloc_err(heap, 10, GFP_KERNEL, &err) && err.code == -EINVAL;
}

static bool call_aligned(struct wsheap *heap, void *p)
{
	return !wsheap_alloc_aligned(heap, 10, 64, GFP_KERNEL);
}

static bool call_reset(struct wsheap *heap, void *p)
{
	wsheap_reset(heap);
	return true;
}

static bool call_extend(struct wsheap *heap, void *p)
{
	return !wsheap_extend(heap, p, 100, 200, GFP_KERNEL);
}

static bool call_reserve(struct wsheap *heap, void *p)
{
	return wsheap_reserve(heap, 100, GFP_KERNEL) == -EINVAL;
}

static bool call_set_max_size(struct wsheap *heap, void *p)
{
	return wsheap_set_max_size(heap, 100) == -EBUSY;
}

static bool call_rollback(struct wsheap *heap, void *p)
{
	struct wsheap_mark mark = {
		.used = heap->used, .cur = heap->cur, .alt = heap->alt,
		.cursor = heap->cur->mem,
	};

	wsheap_rollback(heap, &mark);
	return true;
}

static bool call_mark(struct wsheap *heap, void *p)
{
	wsheap_mark(heap);
	return true;
}

static bool call_free(struct wsheap *heap, void *p)
{
	wsheap_free(heap, p);
	return true;
}

static bool call_realloc(struct wsheap *heap, void *p)
{
	return !wsheap_realloc(heap, p, 200, GFP_KERNEL);
}

static bool call_resize(struct wsheap *heap, void *p)
{
	return !wsheap_resize(heap, p, 50, GFP_KERNEL);
}

static bool call_compact(struct wsheap *heap, void *p)
{
	return !wsheap_compact(heap);
}

static bool call_validate(struct wsheap *heap, void *p)
{
	return !wsheap_validate(heap, NULL);
}

static bool call_walk(struct wsheap *heap, void *p)
{
	struct wsheap_walk_entry entry = {};

	return wsheap_walk(heap, &entry) == -EINVAL;
}

static bool call_destroy(struct wsheap *heap, void *p)
{
	wsheap_destroy(heap);
	return true;
}

static bool call_add_action(struct wsheap *heap, void *p)
{
	wsheap_add_action(heap, &no_action, do_nothing, NULL);
	return !heap->actions;
}

static const struct call {
	bool (*call)(struct wsheap *heap, void *p);
	bool message, private, only_dead;
} debug_calls[] = {
	{ call_alloc, true, true },
	{ call_aligned, true, true },
	{ call_reset, true, true },
	{ call_extend, true },
	{ call_reserve, true },
	{ call_set_max_size, true },
	{ call_rollback, true },
	{ call_mark, true },
	{ call_free, false, true },
	{ call_realloc, false, true },
	{ call_resize, false, true },
	{ call_compact, false, true },
	{ call_validate, false, true },
	{ call_walk, false, true },
	{ call_destroy, true, true, true },
	{ call_add_action, true, true, true },
};

static void second_user_is_reported_and_refused(struct kunit *test)
{
	static const enum wsheap_mode modes[] = {
		WSHEAP_MODE_NONE, WSHEAP_MODE_DEBUG, WSHEAP_MODE_KMALLOC, WSHEAP_MODE_GUARD,
		WSHEAP_MODE_SAMPLE,
	};
	unsigned int i, j, private;

	for (i = 0; i < ARRAY_SIZE(modes) * ARRAY_SIZE(debug_calls); i++) {
		const struct call *call = &debug_calls[i / ARRAY_SIZE(modes)];
		enum wsheap_mode mode = modes[i % ARRAY_SIZE(modes)];

		for (private = 0; private < 2; private++) {
			struct wsheap *heap;
			u8 *p;

			if (call->only_dead || !(private ? call->private : call->message))
				continue;
			/* The short path does not look. */
			if (call->call == call_free && mode == WSHEAP_MODE_NONE)
				continue;
			set_mode(mode);
			heap = kind_heap(test, private ? PRIVATE : OBJECT,
					 private ? WSHEAP_NO_SERIALIZE : 0, WSHEAP_UNLIMITED);
			p = wsheap_alloc(heap, 100, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			memset(p, 7, 100);

			/* another call is under way */
			if (private)
				heap->user = (unsigned long)test;
			else
				wsheap_claim(heap, (unsigned long)test);
			listen_begin();
			KUNIT_EXPECT_TRUE_MSG(test, call->call(heap, p), "call %u", i);
			listen_end();
			KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(heard, "two users at once"),
						  "call %u in mode %u, private %u",
						  i / (unsigned int)ARRAY_SIZE(modes), mode,
						  private);
			expect_heard(test, wsheap_name(heap));
			KUNIT_EXPECT_EQ(test, heap->class->reported, BIT(MISTAKE_USERS));
			KUNIT_EXPECT_EQ(test, heap->user, (unsigned long)test);
			KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
			KUNIT_EXPECT_NULL(test, memchr_inv(p, 7, 100));
			/* once */
			listen_begin();
			call->call(heap, p);
			listen_end();
			KUNIT_EXPECT_NULL(test, strstr(heard, "two users at once: this"));
			if (private)
				heap->user = 0;
			else
				wsheap_unclaim(heap);

			/* and it goes on as if nothing had happened */
			for (j = 0; j < 10; j++)
				KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 100, GFP_KERNEL));
			KUNIT_EXPECT_NULL(test, memchr_inv(p, 7, 100));
			KUNIT_EXPECT_EQ(test, requested_of(heap), 1100);
			wsheap_reset(heap);
			KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
			heap->class->reported = 0;
			end_heap(test, heap);
		}
	}
}

/* What short calls leave, which look at nothing themselves. */
static void short_calls_of_two_users_are_found(struct kunit *test)
{
	static char other_chunk[64];
	struct wsheap *heap;

	set_mode(WSHEAP_MODE_NONE);
	heap = kind_heap(test, OBJECT, 0, WSHEAP_UNLIMITED);
	take_blocks(test, heap, 1, 100);
	wsheap_reset(heap);
	take_blocks(test, heap, 1, 100);
	/* a block that is done only when a long call is under way */
	wsheap_claim(heap, (unsigned long)test);
	heap->cursor = heap->cur->mem + heap->cur->used;
	listen_begin();
	wsheap_unclaim(heap);
	listen_end();
	expect_heard(test, "two users at once: another call");
	check_heap(test, heap);
	heap->class->reported = 0;
	/* a cursor that was read before the chunk changed */
	heap->cursor = other_chunk;
	listen_begin();
	KUNIT_EXPECT_EQ(test, wsheap_reserve(heap, 5000, GFP_KERNEL), 0);
	listen_end();
	expect_heard(test, "two users at once: another call");
	check_heap(test, heap);
	heap->class->reported = 0;
	end_heap(test, heap);
}

static void destroyed_heap_is_reported_and_refuses(struct kunit *test)
{
	static const enum wsheap_mode modes[] = {
		WSHEAP_MODE_DEBUG, WSHEAP_MODE_GUARD, WSHEAP_MODE_SAMPLE,
	};
	unsigned int i, private, serialized;

	for (i = 0; i < ARRAY_SIZE(modes) * ARRAY_SIZE(debug_calls) * 4; i++) {
		const struct call *call = &debug_calls[i / ARRAY_SIZE(modes) / 4];
		enum wsheap_mode mode = modes[i / 4 % ARRAY_SIZE(modes)];
		struct wsheap_class *class;
		struct wsheap *heap;
		struct wsheap_args args = {};
		u32 flags;
		u8 *p;

		private = i & 1;
		serialized = i & 2;
		if (!(private ? call->private : call->message))
			continue;
		if (private && mode == WSHEAP_MODE_DEBUG)
			continue;
		flags = serialized ? WSHEAP_SERIALIZE : 0;
		if (private)
			flags = serialized ? 0 : WSHEAP_NO_SERIALIZE;
		set_mode(mode);
		args.name = fresh_name();
		args.flags = private ? 0 : flags;
		args.group = wsheap_group_create("passing", WSHEAP_UNLIMITED, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, args.group);
		heap = private ? wsheap_create_private_args(flags, 0, 0, &args) :
				 wsheap_create(WSHEAP_UNLIMITED, SIZE_MAX, &args);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
		p = wsheap_alloc(heap, 100, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 100000, GFP_KERNEL));
		class = heap->class;
		wsheap_class_hold(class);
		destroyed_here(heap);
		wsheap_group_destroy(args.group);
		listen_begin();
		KUNIT_EXPECT_TRUE_MSG(test, call->call(heap, p), "call %u", i);
		listen_end();
		expect_heard(test, "after it was destroyed");
		expect_heard(test, class->name);
		expect_heard(test, "destroyed_here");
		KUNIT_EXPECT_EQ(test, class->reported, BIT(MISTAKE_DESTROYED));
		/* nothing of it is followed, and it goes in the end */
		wsheap_dump(heap);
		KUNIT_EXPECT_EQ(test, actual_of(heap), 0);
		if (private)
			wsheap_size(heap, p);
		wsheap_debug_flush();
		wsheap_class_release(class);
	}
}

static void mistakes_with_private_blocks_are_found(struct kunit *test)
{
	const struct debug_case *c = test->param_value;
	struct wsheap *heap, *other;
	u8 *p, *q, *foreign;
	unsigned int i;

	if (c->kind < PRIVATE)
		kunit_skip(test, "a message heap has no wsheap_free()");
	heap = debug_heap(test, 0);
	other = debug_heap(test, 0);
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	q = wsheap_alloc(heap, 100, GFP_KERNEL);
	foreign = wsheap_alloc(other, 100, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, p && q && foreign);
	wsheap_free(heap, p);
	for (i = 0; i < 20; i++)
		wsheap_free(heap, wsheap_alloc(heap, 1000 + i, GFP_KERNEL));
	wsheap_free(heap, p);
	KUNIT_EXPECT_EQ(test, heap->class->reported, BIT(MISTAKE_FREED));
	KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, p, 10, GFP_KERNEL));
	KUNIT_EXPECT_FALSE(test, wsheap_resize(heap, p, 10, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 0);
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, p));
	wsheap_free(heap, foreign);
	KUNIT_EXPECT_EQ(test, heap->class->reported,
			BIT(MISTAKE_FREED) | BIT(MISTAKE_FOREIGN));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, foreign));
	wsheap_free(heap, q + 16);
	KUNIT_EXPECT_TRUE(test, heap->class->reported & BIT(MISTAKE_INSIDE));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, q + 16));
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, q));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
	/* long after, when nothing is mapped there */
	for (i = 0; i < 200; i++)
		wsheap_free(heap, wsheap_alloc(heap, 64, GFP_KERNEL));
	wsheap_debug_flush();
	wsheap_free(heap, p);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
	heap->class->reported = 0;
	end_heap(test, heap);
	end_heap(test, other);
}

static void forgotten_reset_is_reported(struct kunit *test)
{
	struct wsheap *heap, *busy;

	set_mode(WSHEAP_MODE_DEBUG);
	heap = kind_heap(test, OBJECT, 0, 1000);
	busy = kind_heap(test, OBJECT, 0, 1000);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 900, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 900, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, heap->class->reported, 0);
	msleep(2500);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(busy, 900, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(busy, 900, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, busy->class->reported, 0);
	listen_begin();
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 900, GFP_KERNEL));
	listen_end();
	KUNIT_EXPECT_EQ(test, heap->class->reported, BIT(MISTAKE_FORGOTTEN));
	expect_heard(test, "the quota is used up, and the oldest block is ");
	expect_heard(test, "call wsheap_reset() at the end of each message");
	heap->class->reported = 0;
	end_heap(test, heap);
	end_heap(test, busy);
}

#ifdef kunit_activate_static_stub
/* Below what checks on such a kernel, which would complain first. */
static void sleeping_where_it_cannot_is_reported(struct kunit *test)
{
	struct wsheap *heap;
	unsigned long irq;
	void *place, *p;

	set_mode(WSHEAP_MODE_KMALLOC);
	heap = kind_heap(test, OBJECT, 0, 1000);
	place = wsheap_alloc(heap, 100, GFP_KERNEL);
	kunit_activate_static_stub(test, wsheap_debug_block_new, no_block);
	p = wsheap_debug_take(heap, place, 10, 8, GFP_KERNEL, _THIS_IP_);
	KUNIT_EXPECT_PTR_EQ(test, p, place);
	local_irq_save(irq);
	wsheap_debug_take(heap, place, 10, 8, GFP_ATOMIC, _THIS_IP_);
	local_irq_restore(irq);
	KUNIT_EXPECT_EQ(test, heap->class->reported, 0);
	listen_begin();
	local_irq_save(irq);
	wsheap_debug_take(heap, place, 10, 8, GFP_KERNEL, _THIS_IP_);
	local_irq_restore(irq);
	listen_end();
	kunit_deactivate_static_stub(test, wsheap_debug_block_new);
	KUNIT_EXPECT_EQ(test, heap->class->reported, BIT(MISTAKE_CONTEXT));
	expect_heard(test, "may sleep, but its caller may not");
	expect_heard(test, "GFP_KERNEL");
	expect_heard(test, "sleeping_where_it_cannot_is_reported");
	heap->class->reported = 0;
	end_heap(test, heap);
}
#endif

/* A driver that never sleeps must not fill the memory with blocks that have ended. */
static void quarantine_is_bounded(struct kunit *test)
{
	struct wsheap *heap;
	unsigned int i;
	u8 *p;

	set_mode(WSHEAP_MODE_DEBUG);
	heap = kind_heap(test, OBJECT, WSHEAP_SERIALIZE, WSHEAP_UNLIMITED);
	preempt_disable();
	for (i = 0; i < 50000; i++) {
		p = wsheap_alloc(heap, 30000, GFP_ATOMIC | __GFP_NOWARN);
		if (!p)
			break;
		wsheap_reset(heap);
	}
	preempt_enable();
	KUNIT_EXPECT_EQ(test, i, 50000);
	KUNIT_EXPECT_EQ(test, heap->debug->missed, 0);
	end_heap(test, heap);
}

static char *saved_rules;
static bool saved_debug;

static int debug_suite_init(struct kunit_suite *suite)
{
	saved_rules = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!saved_rules)
		return -ENOMEM;
	wsheap_debug_get(saved_rules, NULL);
	saved_debug = wsheap_debug;
	return 0;
}

static void debug_suite_exit(struct kunit_suite *suite)
{
	if (!saved_rules)
		return;
	wsheap_debug_set(saved_rules, NULL);
	wsheap_debug = saved_debug;
	kfree(saved_rules);
	wsheap_debug_flush();
}

static struct kunit_case wsheap_debug_cases[] = {
	KUNIT_CASE_PARAM(blocks_have_their_size_and_alignment, debug_gen_params),
	KUNIT_CASE_PARAM(heap_does_what_it_does_in_no_mode, debug_gen_params),
	KUNIT_CASE(fixed_heap_is_full_at_the_same_block),
	KUNIT_CASE_PARAM(atomic_callers_get_blocks, debug_gen_params),
	KUNIT_CASE_PARAM(rollback_ends_the_newer_blocks, debug_gen_params),
#ifdef kunit_activate_static_stub
	KUNIT_CASE_PARAM(place_is_given_without_memory, debug_gen_params),
	KUNIT_CASE(sleeping_where_it_cannot_is_reported),
#endif
	KUNIT_CASE_PARAM(nothing_is_left, debug_gen_params),
	KUNIT_CASE_PARAM(byte_past_a_block_is_reported, filling_gen_params),
	KUNIT_CASE_PARAM(reports_name_lines_of_the_driver, filling_gen_params),
	KUNIT_CASE_PARAM(byte_past_a_changed_block_is_reported, filling_gen_params),
	KUNIT_CASE_PARAM(write_to_an_ended_block_is_reported, filling_gen_params),
	KUNIT_CASE(guarded_addresses_are_told_about),
	KUNIT_CASE(memory_that_is_mapped_again_is_told_about_anew),
	KUNIT_CASE(about_every_nth_block_is_sampled),
	KUNIT_CASE(sampled_heap_has_its_short_path),
	KUNIT_CASE(parameter_is_what_was_set),
	KUNIT_CASE(class_is_in_its_own_mode),
	KUNIT_CASE(second_user_is_reported_and_refused),
	KUNIT_CASE(short_calls_of_two_users_are_found),
	KUNIT_CASE(destroyed_heap_is_reported_and_refuses),
	KUNIT_CASE_PARAM(mistakes_with_private_blocks_are_found, debug_gen_params),
	KUNIT_CASE(forgotten_reset_is_reported),
	KUNIT_CASE(quarantine_is_bounded),
	{}
};

static struct kunit_suite wsheap_debug_suite = {
	.name = "wsheap_debug",
	.suite_init = debug_suite_init,
	.suite_exit = debug_suite_exit,
	.test_cases = wsheap_debug_cases,
};

kunit_test_suite(wsheap_debug_suite);
