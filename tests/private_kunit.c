// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for private heaps.
 */

#include <linux/debug_locks.h>
#include <linux/kthread.h>

#include "kunit.h"
#include "../private.h"

/* The allocation granularity of the system that these heaps come from. */
#define GRANULE		SZ_256K

/* The cases that run on each kind of heap, in its debug mode and without. */
static const struct private_case {
	const char *name;
	unsigned int options;
	bool debug;
} private_cases[] = {
	{ "serialized", 0, false },
	{ "unserialized", WSHEAP_NO_SERIALIZE, false },
	{ "serialized, debug", 0, true },
	{ "unserialized, debug", WSHEAP_NO_SERIALIZE, true },
};

static void private_case_name(const struct private_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(private, private_cases, private_case_name);

static struct wsheap *debug_heap(struct kunit *test, bool debug,
				 unsigned int options, size_t initial,
				 size_t maximum)
{
	bool saved = wsheap_debug;
	struct wsheap *heap;

	wsheap_debug = debug;
	heap = wsheap_create_private(options, initial, maximum);
	wsheap_debug = saved;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	return heap;
}

static struct wsheap *private_heap(struct kunit *test, size_t initial,
				   size_t maximum)
{
	const struct private_case *c = test->param_value;

	return debug_heap(test, c->debug, c->options, initial, maximum);
}

/* What must hold of every private heap between calls. */
static void check_private(struct kunit *test, struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);
	size_t actual = 0;
	struct rb_node *node;

	KUNIT_ASSERT_TRUE(test, wsheap_validate(heap, NULL));
	for (node = rb_first(&private->regions); node; node = rb_next(node))
		actual += region_actual(region_of(node));
	KUNIT_ASSERT_EQ(test, actual, actual_of(heap));
	KUNIT_ASSERT_LE(test, actual, max_size_of(heap));
	KUNIT_ASSERT_PTR_EQ(test, heap->cursor, WSHEAP_NO_CURSOR);
}

static void destroy_private(struct kunit *test, struct wsheap *heap)
{
	check_private(test, heap);
	wsheap_destroy(heap);
}

/* Counts what a walk comes to. */
struct picture {
	unsigned int regions, busy, free;
	size_t busy_bytes, free_bytes, bytes;
};

static void take_picture(struct kunit *test, struct wsheap *heap,
			 struct picture *picture)
{
	struct wsheap_walk_entry entry = {};
	const void *last = NULL;
	size_t inside = 0;
	int ret;

	memset(picture, 0, sizeof(*picture));
	while (!(ret = wsheap_walk(heap, &entry))) {
		size_t all = entry.size + entry.overhead;

		KUNIT_ASSERT_GE(test, (unsigned long)entry.address,
				(unsigned long)last);
		last = entry.address;
		switch (entry.kind) {
		case WSHEAP_WALK_REGION:
			picture->regions++;
			picture->bytes += entry.size;
			inside += entry.overhead;
			break;
		case WSHEAP_WALK_BUSY:
			picture->busy++;
			picture->busy_bytes += entry.size;
			inside += all;
			KUNIT_ASSERT_EQ(test, entry.size,
					wsheap_size(heap, entry.address));
			break;
		case WSHEAP_WALK_FREE:
			picture->free++;
			picture->free_bytes += entry.size;
			inside += all;
			break;
		}
	}
	KUNIT_ASSERT_EQ(test, ret, -ENODATA);
	KUNIT_ASSERT_EQ(test, picture->bytes, actual_of(heap));
	/* All that is held belongs to something, but for what rounding leaves. */
	KUNIT_ASSERT_LE(test, inside, picture->bytes);
	KUNIT_ASSERT_LE(test, picture->bytes - inside,
			picture->regions * TILE_ALIGN);
	KUNIT_ASSERT_EQ(test, picture->busy_bytes, requested_of(heap));
}

/* Reports, instead of the log. */
static unsigned int reports[MISTAKE_WRITTEN + 1];

#ifdef kunit_activate_static_stub
static void count_report(struct wsheap_private *private, enum wsheap_mistake mistake,
			 const void *p, unsigned long caller)
{
	if (private->heap.class->reported & BIT(mistake))
		return;
	private->heap.class->reported |= BIT(mistake);
	reports[mistake]++;
}

static void forget_reports(struct wsheap_class *class, void *data)
{
	class->reported &= BIT(MISTAKE_FREED) - 1;
}

static void count_reports(struct kunit *test)
{
	memset(reports, 0, sizeof(reports));
	wsheap_class_for_each(forget_reports, NULL);
	kunit_activate_static_stub(test, wsheap_private_report, count_report);
}
#endif

static void options_have_the_values_of_windows(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, WSHEAP_NO_SERIALIZE, 0x1);
	KUNIT_EXPECT_EQ(test, WSHEAP_GENERATE_EXCEPTIONS, 0x4);
	KUNIT_EXPECT_EQ(test, WSHEAP_CREATE_ENABLE_EXECUTE, 0x40000);
	KUNIT_EXPECT_EQ(test, WSHEAP_FLAGS & (WSHEAP_OPTIONS |
					      WSHEAP_CREATE_ENABLE_EXECUTE), 0);
	KUNIT_EXPECT_EQ(test, sizeof(struct wsheap_block), 8);
}

static void bad_private_creation_is_refused(struct kunit *test)
{
	struct wsheap_args args = {};
	unsigned int live = count_live();

#define REFUSED(code, ...) \
	KUNIT_EXPECT_EQ(test, PTR_ERR(wsheap_create_private_args(__VA_ARGS__)), code)
	REFUSED(-EOPNOTSUPP, WSHEAP_CREATE_ENABLE_EXECUTE, 0, 0, NULL);
	REFUSED(-EINVAL, 0x2, 0, 0, NULL);
	REFUSED(-EINVAL, WSHEAP_SERIALIZE, 0, 0, NULL);
	REFUSED(-EINVAL, 0, SZ_64K + 1, SZ_64K, NULL);
	REFUSED(-EINVAL, 0, SIZE_MAX, SZ_64K, NULL);
	REFUSED(-EOVERFLOW, 0, SIZE_MAX, 0, NULL);
	REFUSED(-EOVERFLOW, 0, INT_MAX, 0, NULL);
	REFUSED(-EOVERFLOW, 0, 0, SIZE_MAX, NULL);
	args.flags = WSHEAP_SERIALIZE;
	REFUSED(-EINVAL, 0, 0, 0, &args);
	args.flags = WSHEAP_CONTIG;
	REFUSED(-EINVAL, 0, 0, 0, &args);
	args.flags = 0;
	args.initial_size = 1;
	REFUSED(-EINVAL, 0, 0, 0, &args);
	args.initial_size = 0;
	args.chunk_gfp = __GFP_HIGHMEM;
	REFUSED(-EINVAL, 0, 0, 0, &args);
#undef REFUSED
	KUNIT_EXPECT_EQ(test, count_live(), live);
}

static void creation_has_name_and_node(struct kunit *test)
{
	struct wsheap_args args = {
		.name = "packets",
		.flags = WSHEAP_NODE,
		.node = 0,
		.chunk_gfp = __GFP_ACCOUNT,
	};
	struct wsheap *heap = wsheap_create_private_args(0, 0, 0, &args);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_STREQ(test, wsheap_name(heap), "packets");
	KUNIT_EXPECT_EQ(test, heap->node, 0);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, SZ_64K, GFP_KERNEL));
	destroy_private(test, heap);
}

static void sizes_round_up_to_pages_and_initial_is_committed(struct kunit *test)
{
	static const struct {
		size_t initial, maximum, held, max;
	} cases[] = {
		{ 0, 0, PAGE_SIZE, WSHEAP_UNLIMITED },
		{ 1, 1, PAGE_SIZE, PAGE_SIZE },
		{ PAGE_SIZE + 1, 0, 2 * PAGE_SIZE, WSHEAP_UNLIMITED },
		{ 3 * PAGE_SIZE - 1, 3 * PAGE_SIZE + 1, 3 * PAGE_SIZE, 4 * PAGE_SIZE },
		{ GRANULE, GRANULE, GRANULE, GRANULE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wsheap *heap = private_heap(test, cases[i].initial,
						   cases[i].maximum);

		KUNIT_EXPECT_EQ(test, actual_of(heap), cases[i].held);
		KUNIT_EXPECT_EQ(test, trim_size_of(heap), cases[i].held);
		KUNIT_EXPECT_EQ(test, max_size_of(heap), cases[i].max);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		destroy_private(test, heap);
	}
}

static void fixed_heap_never_holds_more_than_its_maximum(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, SZ_64K);
	struct wsheap_error err = {};
	unsigned int blocks;

	/* Its bookkeeping counts. */
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, SZ_64K, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, err.asked, SZ_64K);
	KUNIT_EXPECT_EQ(test, err.in_use, 0);
	KUNIT_EXPECT_EQ(test, err.limit, SZ_64K);
	for (blocks = 0; wsheap_alloc(heap, 100, GFP_KERNEL); blocks++)
		KUNIT_ASSERT_LE(test, actual_of(heap), SZ_64K);
	/* 112 to 128 bytes each, and little beside. */
	KUNIT_EXPECT_GT(test, blocks, SZ_64K / 128 * 97 / 100);
	KUNIT_EXPECT_EQ(test, requested_of(heap), blocks * 100);
	KUNIT_EXPECT_EQ(test, actual_of(heap), SZ_64K);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 100, GFP_ATOMIC));
	destroy_private(test, heap);
}

static void fixed_heap_in_atomic_context_uses_its_maximum(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 15 * PAGE_SIZE);
	size_t bytes = 0;

	while (wsheap_alloc(heap, 100, GFP_ATOMIC))
		bytes += 128;
	KUNIT_EXPECT_GT(test, bytes, 14 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, actual_of(heap), 15 * PAGE_SIZE);
	destroy_private(test, heap);
}

static void fixed_heap_refuses_a_block_above_the_bound(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 8 * GRANULE, 8 * GRANULE);
	struct wsheap_error err = {};
	void *p;

	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, 4 * GRANULE, GFP_KERNEL,
						 &err));
	KUNIT_EXPECT_EQ(test, err.code, -E2BIG);
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, WSHEAP_FIXED_BLOCK_MAX + 1,
						 GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, err.code, -E2BIG);
	p = wsheap_alloc(heap, WSHEAP_FIXED_BLOCK_MAX, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, p);
	KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, p, 4 * GRANULE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), WSHEAP_FIXED_BLOCK_MAX);
	/* A larger size is a worse mistake. */
	wsheap_alloc_err(heap, SIZE_MAX, GFP_KERNEL, &err);
	KUNIT_EXPECT_EQ(test, err.code, -EOVERFLOW);
	wsheap_alloc_err(heap, SIZE_MAX, GFP_KERNEL | __GFP_NOFAIL | __GFP_DMA, &err);
	KUNIT_EXPECT_EQ(test, err.code, -EINVAL);
	destroy_private(test, heap);
}

static void fixed_heap_has_room_beside_its_bookkeeping(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, GRANULE, GRANULE);
	const size_t fits = GRANULE - (0x400 + 0x100 * sizeof(void *));
	void *p = wsheap_alloc(heap, fits, GFP_KERNEL);

	KUNIT_EXPECT_NOT_NULL(test, p);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 0x400 + 0x100 * sizeof(void *),
					     GFP_KERNEL));
	wsheap_free(heap, p);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, GRANULE, GFP_KERNEL));
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, fits, GFP_KERNEL));
	destroy_private(test, heap);
}

static void growable_heap_grows_and_gives_large_blocks_back(struct kunit *test)
{
	struct wsheap *heap;
	size_t before;
	char *p;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	before = actual_of(heap);
	p = wsheap_alloc(heap, 5 * GRANULE + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	p[5 * GRANULE] = 1;
	KUNIT_EXPECT_TRUE(test, is_vmalloc_addr(p));
	KUNIT_EXPECT_GE(test, actual_of(heap), before + 5 * GRANULE + 1);
	KUNIT_EXPECT_LE(test, actual_of(heap),
			before + 5 * GRANULE + PAGE_SIZE + 256);
	wsheap_free(heap, p);
	KUNIT_EXPECT_EQ(test, actual_of(heap), before);
	destroy_private(test, heap);
}

static const size_t block_sizes[] = {
	0, 1, 7, 8, 9, 16, 100, 751, 760, 761, 1000, 4072, 4096, 8193, 32760,
	32761, 40000, 100000,
};

static void blocks_are_aligned_and_their_sizes_exact(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	void *p[ARRAY_SIZE(block_sizes)];
	unsigned int i, round;
	size_t sum = 0;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(p); i++) {
			p[i] = wsheap_alloc(heap, block_sizes[i], GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p[i]);
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)p[i], 16));
			KUNIT_EXPECT_EQ(test, wsheap_size(heap, p[i]), block_sizes[i]);
			KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, p[i]));
			memset(p[i], i, block_sizes[i]);
			sum += block_sizes[i];
			KUNIT_EXPECT_EQ(test, requested_of(heap), sum);
		}
		check_private(test, heap);
		for (i = 0; i < ARRAY_SIZE(p); i++) {
			KUNIT_EXPECT_NULL(test, memchr_inv(p[i], i, block_sizes[i]));
			wsheap_free(heap, p[i]);
			sum -= block_sizes[i];
			KUNIT_EXPECT_EQ(test, requested_of(heap), sum);
		}
		check_private(test, heap);
	}
	wsheap_destroy(heap);
}

static void aligned_private_blocks_are_aligned(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	size_t align;
	void *p[3];
	int i;

	for (align = 1; align <= PAGE_SIZE; align *= 2) {
		for (i = 0; i < 3; i++) {
			p[i] = wsheap_alloc_aligned(heap, 100 + i * 20000, align,
						    GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p[i]);
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)p[i], align));
			memset(p[i], i, 100 + i * 20000);
		}
		check_private(test, heap);
		for (i = 0; i < 3; i++)
			wsheap_free(heap, p[i]);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	}
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 1, 48, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(heap, 1, 2 * PAGE_SIZE,
						     GFP_KERNEL));
	destroy_private(test, heap);
}

static void freed_aligned_block_is_found_again_in_a_full_heap(struct kunit *test)
{
	struct wsheap *heap;
	void *p;

	needs_private_places(test);
	heap = private_heap(test, SZ_64K, SZ_64K);
	p = wsheap_alloc_aligned(heap, PAGE_SIZE, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	while (wsheap_alloc(heap, 0, GFP_KERNEL))
		;
	wsheap_free(heap, p);
	KUNIT_EXPECT_PTR_EQ(test, wsheap_alloc_aligned(heap, PAGE_SIZE, PAGE_SIZE,
						       GFP_KERNEL), p);
	destroy_private(test, heap);
}

static void empty_block_is_a_real_block(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	void *p = wsheap_alloc(heap, 0, GFP_KERNEL);
	void *q = wsheap_alloc(heap, 0, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_NOT_NULL(test, q);
	KUNIT_EXPECT_PTR_NE(test, p, q);
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 0);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, p));
	p = wsheap_realloc(heap, p, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 1);
	/* Resizing to 0 does not free. */
	p = wsheap_realloc(heap, p, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 0);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, p));
	wsheap_free(heap, p);
	wsheap_free(heap, q);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	destroy_private(test, heap);
}

static void huge_size_fails_and_leaves_the_block(struct kunit *test)
{
	static const size_t sizes[] = {
		SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 8, SIZE_MAX - 23, SIZE_MAX / 2,
		(size_t)INT_MAX + 1,
	};
	struct wsheap *heap = private_heap(test, 0, 0);
	char *p = wsheap_alloc(heap, 1, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, p);
	*p = 'x';
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct wsheap_error err = {};

		KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, sizes[i],
							 GFP_KERNEL, &err));
		/* On 32-bit, SIZE_MAX / 2 is the largest block. */
		KUNIT_EXPECT_EQ(test, err.code,
				sizes[i] > INT_MAX ? -EOVERFLOW : -ENOMEM);
		KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, p, sizes[i],
						       GFP_KERNEL));
		KUNIT_EXPECT_FALSE(test, wsheap_resize(heap, p, sizes[i],
						       GFP_KERNEL));
	}
	KUNIT_EXPECT_EQ(test, *p, 'x');
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 1);
	wsheap_free(heap, p);
	destroy_private(test, heap);
}

static void null_is_freed_and_resized_as_ever(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	void *p;

	wsheap_free(heap, NULL);
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, NULL), 0);
	KUNIT_EXPECT_FALSE(test, wsheap_resize(heap, NULL, 1, GFP_KERNEL));
	p = wsheap_realloc(heap, NULL, 10, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, 10));
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 10);
	destroy_private(test, heap);
}

static void zeroing_covers_only_the_growth(struct kunit *test)
{
	static const size_t zeroed[] = { 1, GRANULE, SZ_1M };
	struct wsheap *heap = private_heap(test, 0, 0);
	unsigned int i, j;
	char *p;

	for (i = 0; i < ARRAY_SIZE(zeroed); i++) {
		p = wsheap_zalloc(heap, zeroed[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, zeroed[i]));
		memset(p, 0xa5, zeroed[i]);
		wsheap_free(heap, p);
	}
	/* Dirty memory all over. */
	for (i = 0; i < ARRAY_SIZE(block_sizes); i++) {
		p = wsheap_alloc(heap, block_sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, 0xa5, block_sizes[i]);
		wsheap_free(heap, p);
	}
	for (i = 0; i < ARRAY_SIZE(block_sizes); i++) {
		for (j = i; j < ARRAY_SIZE(block_sizes); j++) {
			size_t from = block_sizes[i], to = block_sizes[j];

			p = wsheap_alloc(heap, from, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			memset(p, 0xa5, from);
			p = wsheap_realloc(heap, p, to, GFP_KERNEL | __GFP_ZERO);
			KUNIT_ASSERT_NOT_NULL(test, p);
			KUNIT_EXPECT_NULL(test, memchr_inv(p, 0xa5, from));
			KUNIT_EXPECT_NULL(test, memchr_inv(p + from, 0, to - from));
			memset(p, 0xa5, to);
			/* What it gave up is not clear when it comes back. */
			KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, p, from, GFP_KERNEL));
			if (wsheap_resize(heap, p, to, GFP_KERNEL | __GFP_ZERO))
				KUNIT_EXPECT_NULL(test, memchr_inv(p + from, 0, to - from));
			KUNIT_EXPECT_NULL(test, memchr_inv(p, 0xa5, from));
			wsheap_free(heap, p);
		}
	}
	destroy_private(test, heap);
}

static void resizing_in_place_keeps_the_pointer_or_fails(struct kunit *test)
{
	needs_private_places(test);
	/* On 32-bit, the blocks of a fixed heap may be half as large. */
	const size_t unit = BITS_PER_LONG == 64 ? GRANULE : GRANULE / 2;
	const size_t maximum[] = { 0, 8 * unit };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(maximum); i++) {
		struct wsheap *heap = private_heap(test, 0, maximum[i]);
		char *p = wsheap_alloc(heap, 3 * unit, GFP_KERNEL), *q;

		KUNIT_ASSERT_NOT_NULL(test, p);
		memset(p, 1, 3 * unit);
		KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, p, unit * 3 / 2, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), unit * 3 / 2);
		KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, p, 2 * unit, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 2 * unit);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 1, unit * 3 / 2));
		p = wsheap_realloc(heap, p, unit * 3 / 2, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_FALSE(test, wsheap_resize(heap, p, 30 * unit, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), unit * 3 / 2);
		check_private(test, heap);

		/* A small one between others. */
		p = wsheap_alloc(heap, 100, GFP_KERNEL);
		q = wsheap_alloc(heap, 100, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, q);
		memset(p, 2, 100);
		KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, p, 10, GFP_KERNEL));
		KUNIT_EXPECT_TRUE(test, wsheap_resize(heap, p, 100, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, p[0], 2);
		KUNIT_EXPECT_FALSE(test, wsheap_resize(heap, p, 5000, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, p), 100);
		KUNIT_EXPECT_NULL(test, memchr_inv(p, 2, 10));
		wsheap_free(heap, p);
		wsheap_free(heap, q);
		destroy_private(test, heap);
	}
}

static void freed_memory_serves_other_sizes(struct kunit *test)
{
	struct wsheap *heap;
	unsigned int i, n = 0, mid;
	static void *p[SZ_64K / 16];
	void *q;

	needs_private_places(test);
	heap = private_heap(test, SZ_64K, SZ_64K);
	while ((q = wsheap_alloc(heap, 100, GFP_KERNEL)))
		p[n++] = q;
	/* The first of an area may have free memory before it, which is merged. */
	mid = n / 2;
	while (mid < n - 2 && p[mid] != p[mid - 1] + 112)
		mid++;
	/* Of two neighbours one block can be made, of one none. */
	wsheap_free(heap, p[mid]);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 200, GFP_KERNEL));
	wsheap_free(heap, p[mid + 1]);
	q = wsheap_alloc(heap, 200, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, q, min(p[mid], p[mid + 1]));
	for (i = 0; i < n; i++)
		if (i != mid && i != mid + 1)
			wsheap_free(heap, p[i]);
	wsheap_free(heap, q);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	q = wsheap_alloc(heap, 60000, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, q);
	wsheap_free(heap, q);
	/* And small ones again, as many. */
	for (i = 0; wsheap_alloc(heap, 100, GFP_KERNEL); i++)
		;
	KUNIT_EXPECT_GE(test, i, n);
	destroy_private(test, heap);
}

static void empty_blocks_that_filled_a_heap_make_room(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, SZ_64K, SZ_64K);
	static void *p[SZ_64K / 16];
	unsigned int n = 0;
	void *q;

	while ((q = wsheap_alloc(heap, 0, GFP_KERNEL)))
		p[n++] = q;
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 1000, GFP_KERNEL));
	while (n--)
		wsheap_free(heap, p[n]);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 1000, GFP_KERNEL));
	destroy_private(test, heap);
}

/* The longest run of memory that is not live, as a block. */
static size_t longest_free(struct wsheap *heap)
{
	struct wsheap_walk_entry entry = {};
	size_t longest = 0;

	while (!wsheap_walk(heap, &entry))
		if (entry.kind == WSHEAP_WALK_FREE)
			longest = max(longest, entry.size + 1);
	return longest;
}

static void fixed_heap_refuses_only_what_fits_nowhere(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, SZ_16K, SZ_64K);
	unsigned int i, refused = 0;
	static void *p[1024];
	struct rnd_state rnd;

	prandom_seed_state(&rnd, SEED);
	memset(p, 0, sizeof(p));
	for (i = 0; i < 30000; i++) {
		u32 slot = prandom_u32_state(&rnd) % ARRAY_SIZE(p);
		size_t size = prandom_u32_state(&rnd);

		/* Mostly small ones, empty ones among them. */
		size = size % 64 ? size % (size & 64 ? 200 : 17) : size % 9000;
		if (p[slot]) {
			wsheap_free(heap, p[slot]);
			p[slot] = NULL;
			continue;
		}
		p[slot] = wsheap_alloc(heap, size, GFP_KERNEL);
		if (p[slot])
			continue;
		refused++;
		KUNIT_ASSERT_LE(test, longest_free(heap), size);
	}
	KUNIT_EXPECT_GT(test, refused, 100);
	destroy_private(test, heap);
}

/* So many tiles take more slices than a heap merges before it would refuse. */
static void full_heap_of_freed_slivers_is_merged_for_one_block(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, SZ_64K, SZ_64K);
	static void *p[SZ_64K / 16];
	unsigned int n = 0, i;
	void *q;

	while ((q = wsheap_alloc(heap, 0, GFP_KERNEL)))
		p[n++] = q;
	/* In no order of addresses. */
	for (i = 0; i < n; i++)
		swap(p[i], p[i * 7919 % n]);
	while (n--)
		wsheap_free(heap, p[n]);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, SZ_64K - 512, GFP_KERNEL));
	destroy_private(test, heap);
}

static void fixed_heap_looks_at_all_free_tiles(struct kunit *test)
{
	struct wsheap *heap;
	/* Tiles of 1,088 and of 1,024 bytes, which share a bin. */
	void *longer;
	void *p[48];
	unsigned int i;

	needs_private_places(test);
	heap = private_heap(test, SZ_64K, SZ_64K);
	longer = wsheap_alloc(heap, 1078, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = wsheap_alloc(heap, 1010, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
	}
	for (i = 2000; i; i /= 2)
		while (wsheap_alloc(heap, i, GFP_KERNEL))
			;
	wsheap_free(heap, longer);
	wsheap_compact(heap);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		wsheap_free(heap, p[i]);
	wsheap_compact(heap);
	KUNIT_EXPECT_PTR_EQ(test, wsheap_alloc(heap, 1060, GFP_KERNEL), longer);
	destroy_private(test, heap);
}

static void what_a_settled_heap_split_is_merged_again(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, SZ_64K, SZ_64K);
	void *p = wsheap_alloc(heap, 10000, GFP_KERNEL), *q;

	KUNIT_ASSERT_NOT_NULL(test, p);
	while (wsheap_alloc(heap, 100, GFP_KERNEL))
		;
	while (wsheap_alloc(heap, 0, GFP_KERNEL))
		;
	wsheap_free(heap, p);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 20000, GFP_KERNEL));
	q = wsheap_alloc(heap, 200, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, q);
	/* Part of what is free is kept for small ones now. */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 9000, GFP_KERNEL));
	destroy_private(test, heap);
}

static void regions_that_are_free_go_for_a_larger_block(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, SZ_128K);
	static void *p[SZ_128K / 112];
	unsigned int n = 0;
	void *q;

	while ((q = wsheap_alloc(heap, 100, GFP_KERNEL)))
		p[n++] = q;
	while (n--)
		wsheap_free(heap, p[n]);
	/* All but the initial page. */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, SZ_128K - PAGE_SIZE - 200,
						 GFP_KERNEL));
	destroy_private(test, heap);
}

static void private_reset_returns_to_the_initial_size(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 3 * PAGE_SIZE, 0);
	void *p = NULL, *first = NULL;
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 3000; i++) {
			p = wsheap_alloc(heap, i % 300, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			KUNIT_ASSERT_TRUE(test, wsheap_validate(heap, p));
			first = i ? first : p;
		}
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, SZ_1M, GFP_KERNEL));
		wsheap_reset(heap);
		KUNIT_EXPECT_EQ(test, actual_of(heap), 3 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
		/* One is where memory is still, the other is not. */
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, first));
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, p));
		check_private(test, heap);
	}
	destroy_private(test, heap);
}

static void destroy_needs_no_frees(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	unsigned int live = count_live();
	size_t i;

	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, i * 97 % 50000,
							 GFP_KERNEL));
	wsheap_destroy(heap);
	KUNIT_EXPECT_EQ(test, count_live(), live - 1);
}

static int count_heap(struct wsheap *heap, void *data)
{
	struct wsheap_summary sum;

	wsheap_summary(heap, &sum);
	++*(unsigned int *)data;
	return 0;
}

static int find_heap(struct wsheap *heap, void *data)
{
	return heap == data ? 42 : 0;
}

static void live_heaps_are_visited(struct kunit *test)
{
	unsigned int before = 0, with = 0, after = 0;
	struct wsheap *a, *b;

	wsheap_for_each(count_heap, &before);
	a = wsheap_create_private(0, 0, 0);
	b = test_heap(test, 100, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	wsheap_for_each(count_heap, &with);
	KUNIT_EXPECT_EQ(test, with, before + 2);
	KUNIT_EXPECT_EQ(test, wsheap_for_each(find_heap, a), 42);
	wsheap_destroy(a);
	wsheap_destroy(b);
	KUNIT_EXPECT_EQ(test, wsheap_for_each(find_heap, a), 0);
	wsheap_for_each(count_heap, &after);
	KUNIT_EXPECT_EQ(test, after, before);
}

static void summary_tells_what_is_held(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, SZ_64K);
	struct wsheap_summary sum;

	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 100, GFP_KERNEL));
	wsheap_summary(heap, &sum);
	KUNIT_EXPECT_EQ(test, sum.allocated, 100);
	KUNIT_EXPECT_EQ(test, sum.committed, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, sum.reserved, SZ_64K);
	KUNIT_EXPECT_EQ(test, sum.bound, SZ_64K);
	wsheap_destroy(heap);
	heap = private_heap(test, SZ_64K, 0);
	wsheap_summary(heap, &sum);
	KUNIT_EXPECT_EQ(test, sum.allocated, 0);
	KUNIT_EXPECT_EQ(test, sum.committed, SZ_64K);
	KUNIT_EXPECT_EQ(test, sum.reserved, SZ_64K);
	KUNIT_EXPECT_EQ(test, sum.bound, WSHEAP_UNLIMITED);
	wsheap_destroy(heap);
}

static void validate_tolerates_any_address(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	struct wsheap *other = private_heap(test, 0, 0);
	struct wsheap *message = test_heap(test, WSHEAP_UNLIMITED, 0);
	char *small = wsheap_alloc(heap, 100, GFP_KERNEL);
	char *alone = wsheap_alloc(heap, SZ_1M, GFP_KERNEL);
	unsigned long p;

	KUNIT_ASSERT_NOT_NULL(test, small);
	KUNIT_ASSERT_NOT_NULL(test, alone);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, small));
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, alone));
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	/* Any place in or around the region but the block. */
	for (p = (unsigned long)small & PAGE_MASK; offset_in_page(p + 1); p++)
		if (p != (unsigned long)small)
			KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, (void *)p));
	for (p = 1; p; p *= 2) {
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, (void *)p));
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, (void *)-p));
	}
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, alone + PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, alone - 1));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(other, small));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(other, alone));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap,
						 wsheap_alloc(message, 8, GFP_KERNEL)));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap,
						 wsheap_alloc(message, SZ_1M, GFP_KERNEL)));
	wsheap_free(heap, small);
	wsheap_free(heap, alone);
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, small));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, alone));
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	wsheap_destroy(message);
	wsheap_destroy(other);
	destroy_private(test, heap);
}

static void walk_shows_each_block_and_all_else(struct kunit *test)
{
	struct wsheap *heap;
	struct picture fresh, before, after;
	void *p[ARRAY_SIZE(block_sizes)];
	struct wsheap_walk_entry entry;
	unsigned int i, found;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	take_picture(test, heap, &fresh);
	KUNIT_EXPECT_EQ(test, fresh.regions, 1);
	KUNIT_EXPECT_EQ(test, fresh.busy, 0);
	KUNIT_EXPECT_EQ(test, fresh.free, 1);
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = wsheap_alloc(heap, block_sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p[i]);
	}
	take_picture(test, heap, &before);
	KUNIT_EXPECT_EQ(test, before.busy, ARRAY_SIZE(p));
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		found = 0;
		memset(&entry, 0, sizeof(entry));
		while (!wsheap_walk(heap, &entry))
			found += entry.kind == WSHEAP_WALK_BUSY &&
				 entry.address == p[i] &&
				 entry.size == block_sizes[i];
		KUNIT_EXPECT_EQ(test, found, 1);
	}
	/* A block more, and it is gone without a trace. */
	wsheap_free(heap, wsheap_alloc(heap, 33, GFP_KERNEL));
	take_picture(test, heap, &after);
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(p); i++)
		wsheap_free(heap, p[i]);
	wsheap_compact(heap);
	take_picture(test, heap, &after);
	KUNIT_EXPECT_MEMEQ(test, &fresh, &after, sizeof(fresh));
	destroy_private(test, heap);
}

static void walk_goes_on_where_the_heap_has_changed(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	struct wsheap_walk_entry entry = {}, end;
	unsigned int i, steps = 0;
	static void *p[500];
	struct rnd_state rnd;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = wsheap_alloc(heap, i % 200, GFP_KERNEL);
	while (!wsheap_walk(heap, &entry)) {
		i = prandom_u32_state(&rnd) % ARRAY_SIZE(p);
		wsheap_free(heap, p[i]);
		p[i] = NULL;
		if (steps % 16 == 0)
			wsheap_compact(heap);
		KUNIT_ASSERT_LT(test, steps++, 2 * ARRAY_SIZE(p));
	}
	end = entry;
	KUNIT_EXPECT_EQ(test, wsheap_walk(heap, &entry), -ENODATA);
	KUNIT_EXPECT_MEMEQ(test, &entry, &end, sizeof(end));
	destroy_private(test, heap);
}

static void compact_gives_back_and_tells_the_largest(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	static void *p[2000];
	size_t largest;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = wsheap_alloc(heap, 64, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		wsheap_free(heap, p[i]);
	KUNIT_EXPECT_GT(test, actual_of(heap), 100000);
	largest = wsheap_compact(heap);
	KUNIT_EXPECT_EQ(test, actual_of(heap), PAGE_SIZE);
	KUNIT_EXPECT_GT(test, largest, PAGE_SIZE - 128);
	check_private(test, heap);
	/* It is what there is. */
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, largest, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, actual_of(heap), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, wsheap_compact(heap), 0);
	destroy_private(test, heap);
}

static void strings_and_arrays_come_from_private_heaps(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	char *s = wsheap_asprintf(heap, GFP_KERNEL, "%s-%d", "a", 5);
	char *t = wsheap_strdup(heap, s, GFP_KERNEL);
	u64 *a = wsheap_calloc(heap, 7, sizeof(*a), GFP_KERNEL);

	KUNIT_EXPECT_STREQ(test, t, "a-5");
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, s), 4);
	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_EXPECT_NULL(test, memchr_inv(a, 0, 56));
	KUNIT_EXPECT_NULL(test, wsheap_calloc(heap, SIZE_MAX, 2, GFP_KERNEL));
	wsheap_free(heap, s);
	wsheap_free(heap, t);
	wsheap_free(heap, a);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	destroy_private(test, heap);
}

static void private_heap_works_in_atomic_context(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	static DEFINE_SPINLOCK(lock);
	unsigned long irq;
	void *p[64], *q;
	unsigned int i;

	spin_lock_irqsave(&lock, irq);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = wsheap_alloc(heap, i * 200, GFP_ATOMIC);
	q = wsheap_alloc(heap, SZ_64K, GFP_ATOMIC);
	q = wsheap_realloc(heap, q, SZ_128K, GFP_ATOMIC) ?: q;
	for (i = 0; i < ARRAY_SIZE(p); i += 2)
		wsheap_free(heap, p[i]);
	wsheap_free(heap, q);
	wsheap_compact(heap);
	spin_unlock_irqrestore(&lock, irq);
	KUNIT_EXPECT_NOT_NULL(test, p[63]);
	check_private(test, heap);
	spin_lock_irqsave(&lock, irq);
	wsheap_reset(heap);
	spin_unlock_irqrestore(&lock, irq);
	destroy_private(test, heap);
}

static void unserialized_heap_cannot_be_locked(struct kunit *test)
{
	struct wsheap *heap = debug_heap(test, false, WSHEAP_NO_SERIALIZE, 0, 0);

	KUNIT_EXPECT_EQ(test, wsheap_lock(heap), -EINVAL);
	wsheap_destroy(heap);
}

static void calls_of_the_locks_holder_nest(struct kunit *test)
{
	struct wsheap *heap = debug_heap(test, false, 0, 0, 0);
	struct wsheap *other = debug_heap(test, false, 0, 0, 0);
	void *p[100];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, wsheap_lock(heap), 0);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	KUNIT_EXPECT_EQ(test, wsheap_lock(heap), 0);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = wsheap_alloc(heap, i * 50, GFP_ATOMIC);
	for (i = 0; i < ARRAY_SIZE(p); i += 2)
		wsheap_free(heap, p[i]);
	p[1] = wsheap_realloc(heap, p[1], 3000, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(other, 3000, GFP_ATOMIC));
	wsheap_unlock(heap);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, p[1]));
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	wsheap_compact(heap);
	wsheap_reset(heap);
	wsheap_unlock(heap);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	wsheap_destroy(other);
	destroy_private(test, heap);
}

static struct wsheap_error raised;
static unsigned int raised_times;

static void on_failure(struct wsheap *heap, const struct wsheap_error *err,
		       void *data)
{
	raised = *err;
	raised_times++;
	*(struct wsheap **)data = heap;
}

/* lockdep turns itself off when it reports something. */
static void lock_holder_may_use_a_serialized_message_heap(struct kunit *test)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	struct wsheap *message = wsheap_create(WSHEAP_UNLIMITED, 0, &args);
	struct wsheap *heap = debug_heap(test, false, 0, 0, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, message);
	if (!debug_locks) {
		wsheap_destroy(message);
		wsheap_destroy(heap);
		kunit_skip(test, "lockdep has reported something already");
	}
	KUNIT_ASSERT_EQ(test, wsheap_lock(heap), 0);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(message, 9000, GFP_NOWAIT));
	wsheap_reset(message);
	wsheap_unlock(heap);
	KUNIT_EXPECT_EQ(test, debug_locks, 1);
	wsheap_destroy(message);
	destroy_private(test, heap);
}

static void failure_is_raised_to_the_handler(struct kunit *test)
{
	struct wsheap *heap = wsheap_create_private(WSHEAP_GENERATE_EXCEPTIONS,
						    0, PAGE_SIZE);
	struct wsheap *told = NULL;
	struct wsheap_error err = {};
	void *p;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	raised_times = 0;
	wsheap_set_failure_handler(heap, on_failure, &told);
	p = wsheap_alloc(heap, 1000, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, raised_times, 0);
	KUNIT_EXPECT_NULL(test, wsheap_alloc_err(heap, 5000, GFP_KERNEL, &err));
	KUNIT_EXPECT_EQ(test, raised_times, 1);
	KUNIT_EXPECT_PTR_EQ(test, told, heap);
	KUNIT_EXPECT_MEMEQ(test, &raised, &err, sizeof(err));
	KUNIT_EXPECT_EQ(test, raised.code, -EDQUOT);
	KUNIT_EXPECT_EQ(test, raised.asked, 5000);
	KUNIT_EXPECT_EQ(test, raised.in_use, 1000);
	KUNIT_EXPECT_EQ(test, raised.limit, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, p, SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, raised_times, 2);
	KUNIT_EXPECT_EQ(test, raised.code, -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, raised.asked, SIZE_MAX);
	KUNIT_EXPECT_EQ(test, raised.in_use, 1000);
	/* That there is no room is an answer. */
	KUNIT_EXPECT_FALSE(test, wsheap_resize(heap, p, 5000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, raised_times, 2);
	destroy_private(test, heap);
}

static void clearing_kernel_shows_no_freed_bytes(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	unsigned int i, j;
	char *p;

	if (!want_init_on_alloc(0) && !want_init_on_free())
		kunit_skip(test, "a kernel that does not clear");
	for (j = 0; j < 4; j++) {
		for (i = 0; i < ARRAY_SIZE(block_sizes); i++) {
			size_t size = block_sizes[i];

			p = wsheap_alloc(heap, size, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			if (!wsheap_private(heap)->guard || want_init_on_alloc(0))
				KUNIT_EXPECT_NULL(test, memchr_inv(p, 0, size));
			memset(p, 0xa5, size);
			if (j & 1)
				wsheap_resize(heap, p, size / 3, GFP_KERNEL);
			p = wsheap_realloc(heap, p, 2 * size, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, p);
			if (want_init_on_alloc(0))
				KUNIT_EXPECT_NULL(test, memchr_inv(p + size, 0, size));
			if (j < 3)
				wsheap_free(heap, p);
		}
		if (j & 2)
			wsheap_compact(heap);
		if (j == 1)
			wsheap_reset(heap);
	}
	destroy_private(test, heap);
}

static void debug_mode_finds_an_overrun_by_a_byte(struct kunit *test)
{
	struct wsheap *heap;
	static const size_t sizes[] = { 0, 1, 7, 8, 17, 23, 24, 1000, SZ_1M };
	unsigned int i;

	needs_private_places(test);
	heap = debug_heap(test, true, 0, 0, 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i];
		char *p = wsheap_alloc(heap, size, GFP_KERNEL), saved;

		KUNIT_ASSERT_NOT_NULL(test, p);
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, p));
		saved = p[size];
		p[size] = 0;
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, p));
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, NULL));
		p[size] = saved;
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	}
	destroy_private(test, heap);
}

static void debug_mode_fills_fresh_and_freed_memory(struct kunit *test)
{
	struct wsheap *heap;
	u8 *p;

	needs_private_places(test);
	heap = debug_heap(test, true, 0, 0, 0);
	p = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	if (!want_init_on_alloc(0))
		KUNIT_EXPECT_NULL(test, memchr_inv(p + 16, POISON_INUSE, 84));
	memset(p, 1, 100);
	wsheap_free(heap, p);
	KUNIT_EXPECT_NULL(test, memchr_inv(p + 16, POISON_FREE, 84));
	p[50] = 1;
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, NULL));
	p[50] = POISON_FREE;
	destroy_private(test, heap);
}

/* What another caller does while a reset wipes the initial region. */
static struct wsheap *wiped_heap;
static unsigned int wipes, wipes_with_interrupts_off;
static void *taken_meanwhile;

static void interfering_wipe(void *mem, size_t size)
{
	memset(mem, 0, size);
	wipes_with_interrupts_off += irqs_disabled();
	/* what the calls below hand to the worker is wiped, too */
	if (wipes)
		return;
	wipes++;
	/* This one has one user at a time. */
	if (wiped_heap->flags & WSHEAP_NO_SERIALIZE)
		return;
	wsheap_reset(wiped_heap);
	taken_meanwhile = wsheap_alloc(wiped_heap, 100, GFP_KERNEL);
	wsheap_compact(wiped_heap);
	wsheap_free(wiped_heap, wsheap_alloc(wiped_heap, 62000, GFP_KERNEL));
}

static void private_reset_wipes_with_interrupts_on(struct kunit *test)
{
	static const size_t maxima[] = { 0, SZ_64K, 2 * SZ_64K };
	unsigned int i, round;
	void *p;

	if (!want_init_on_free())
		kunit_skip(test, "needs init_on_free=1");
	for (i = 0; i < ARRAY_SIZE(maxima); i++) {
		wiped_heap = private_heap(test, SZ_64K, maxima[i]);
		for (round = 0; round < 3; round++) {
			KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(wiped_heap, 20000,
								 GFP_KERNEL));
			kunit_activate_static_stub(test, wsheap_memory_wipe,
						   interfering_wipe);
			wipes = 0;
			taken_meanwhile = NULL;
			wipes_with_interrupts_off = 0;
			wsheap_reset(wiped_heap);
			kunit_deactivate_static_stub(test, wsheap_memory_wipe);
			KUNIT_EXPECT_EQ(test, wipes, 1);
			KUNIT_EXPECT_EQ(test, wipes_with_interrupts_off, 0);
			/* where there may be another region, it serves */
			KUNIT_EXPECT_EQ(test, !taken_meanwhile, maxima[i] == SZ_64K ||
					wiped_heap->flags & WSHEAP_NO_SERIALIZE);
			KUNIT_EXPECT_EQ(test, requested_of(wiped_heap),
					taken_meanwhile ? 100 : 0);
			/* what was refused meanwhile fits now */
			p = wsheap_alloc(wiped_heap, 62000, GFP_KERNEL);
			KUNIT_EXPECT_NOT_NULL(test, p);
			wsheap_free(wiped_heap, p);
			if (maxima[i])
				KUNIT_EXPECT_LE(test, actual_of(wiped_heap), maxima[i]);
			check_private(test, wiped_heap);
			wsheap_free(wiped_heap, taken_meanwhile);
			wsheap_reset(wiped_heap);
			KUNIT_EXPECT_EQ(test, actual_of(wiped_heap), SZ_64K);
			check_private(test, wiped_heap);
		}
		destroy_private(test, wiped_heap);
	}
}

#ifdef kunit_activate_static_stub
static void mistakes_are_found_and_lose_nothing(struct kunit *test)
{
	struct wsheap *heap, *other, *message;
	char *small, *large, *alone, *keep;
	void *foreign[6];
	unsigned int i;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	other = private_heap(test, 0, 0);
	message = test_heap(test, WSHEAP_UNLIMITED, 0);
	small = wsheap_alloc(heap, 100, GFP_KERNEL);
	large = wsheap_alloc(heap, 5000, GFP_KERNEL);
	alone = wsheap_alloc(heap, SZ_1M, GFP_KERNEL);
	keep = wsheap_alloc(heap, 100, GFP_KERNEL);
	foreign[0] = wsheap_alloc(other, 100, GFP_KERNEL);
	foreign[1] = wsheap_alloc(other, 5000, GFP_KERNEL);
	foreign[2] = wsheap_alloc(other, SZ_1M, GFP_KERNEL);
	foreign[3] = wsheap_alloc(message, 100, GFP_KERNEL);
	foreign[4] = wsheap_alloc(message, PAGE_SIZE, GFP_KERNEL);
	foreign[5] = wsheap_alloc(message, SZ_1M, GFP_KERNEL);
	count_reports(test);
	for (i = 0; i < ARRAY_SIZE(foreign); i++) {
		KUNIT_ASSERT_NOT_NULL(test, foreign[i]);
		forget_reports(heap->class, NULL);
		wsheap_free(heap, foreign[i]);
		KUNIT_EXPECT_EQ(test, reports[MISTAKE_FOREIGN], i + 1);
		KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, foreign[i], 5, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, wsheap_size(heap, foreign[i]), 0);
		/* Once for a heap. */
		KUNIT_EXPECT_EQ(test, reports[MISTAKE_FOREIGN], i + 1);
	}
	wsheap_free(heap, small);
	wsheap_free(heap, small);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_FREED], 1);
	forget_reports(heap->class, NULL);
	wsheap_free(heap, large);
	wsheap_free(heap, large);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_FREED], 2);
	forget_reports(heap->class, NULL);
	wsheap_free(heap, alone);
	wsheap_free(heap, alone);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_FOREIGN], ARRAY_SIZE(foreign) + 1);
	/* Also when it has been merged, or the memory is gone. */
	wsheap_compact(heap);
	forget_reports(heap->class, NULL);
	wsheap_free(heap, small);
	wsheap_free(heap, large);
	KUNIT_EXPECT_GT(test, reports[MISTAKE_FREED] + reports[MISTAKE_FOREIGN],
			ARRAY_SIZE(foreign) + 3);
	wsheap_free(heap, keep + 16);
	wsheap_free(heap, keep + 1);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_INSIDE], 1);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, keep));
	KUNIT_EXPECT_EQ(test, requested_of(heap), 100);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(other, NULL));
	check_private(test, other);
	wsheap_destroy(other);
	wsheap_destroy(message);
	destroy_private(test, heap);
}

static void pointer_into_memory_given_back_is_not_followed(struct kunit *test)
{
	struct wsheap *heap;
	static void *p[8000];
	unsigned int i, n = 0;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	/* Some of it comes from vmalloc. */
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = wsheap_alloc(heap, 500, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, p[i]);
		n += is_vmalloc_addr(p[i]);
	}
	KUNIT_EXPECT_GT(test, n, 100);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		wsheap_free(heap, p[i]);
	count_reports(test);
	wsheap_compact(heap);
	KUNIT_EXPECT_EQ(test, actual_of(heap), PAGE_SIZE);
	vm_unmap_aliases();
	for (i = 0; i < ARRAY_SIZE(p); i++)
		wsheap_free(heap, p[i]);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_FOREIGN], 1);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	destroy_private(test, heap);
}

static void overrun_that_reached_a_header_is_found(struct kunit *test)
{
	struct wsheap *heap;
	char *p, *q, *first, *second, saved[8];
	unsigned int i;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	p = wsheap_alloc(heap, 24, GFP_KERNEL);
	q = wsheap_alloc(heap, 24, GFP_KERNEL);
	first = min(p, q);
	second = max(p, q);
	KUNIT_ASSERT_NOT_NULL(test, q);
	count_reports(test);
	/* By one byte, whatever that is. */
	memcpy(saved, second - 8, 8);
	for (i = 1; i < 256; i++) {
		second[-8] = saved[0] ^ i;
		KUNIT_ASSERT_FALSE(test, wsheap_validate(heap, second));
		KUNIT_ASSERT_FALSE(test, wsheap_validate(heap, NULL));
	}
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, first));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, second));
	KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, NULL));
	wsheap_free(heap, second);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_HEADER], 1);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 48);
	/* What can be used still is. */
	wsheap_compact(heap);
	wsheap_free(heap, first);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 24);
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 3000, GFP_KERNEL));
	memcpy(second - 8, saved, 8);
	KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, second));
	wsheap_destroy(heap);
}

static void overrun_of_a_block_that_shrank_is_found(struct kunit *test)
{
	struct wsheap *heap;
	char *p, *q, saved[8];
	static const size_t over[] = { 1, 4, 8 };
	size_t end;
	unsigned int i, j;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	p = wsheap_alloc(heap, 200, GFP_KERNEL);
	q = wsheap_alloc(heap, 200, GFP_KERNEL);
	end = ALIGN(104 + 8 + wsheap_private(heap)->guard, 16) - 8;
	KUNIT_ASSERT_NOT_NULL(test, q);
	count_reports(test);
	KUNIT_ASSERT_TRUE(test, wsheap_resize(heap, p, 104, GFP_KERNEL));
	for (i = 0; i < ARRAY_SIZE(over); i++) {
		memcpy(saved, p + end, 8);
		/* The seal is random, so a constant might be part of it. */
		for (j = 0; j < over[i]; j++)
			p[end + j] = ~saved[j];
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, p));
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, NULL));
		wsheap_compact(heap);
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, q));
		KUNIT_EXPECT_EQ(test, requested_of(heap), 304);
		memcpy(p + end, saved, 8);
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, p));
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
	}
	wsheap_destroy(heap);
}

/* As an underrun leaves it, which does not come to the seal. */
static void size_that_was_written_over_is_not_followed(struct kunit *test)
{
	static const u32 sizes[] = { 0x41000000, INT_MAX, U32_MAX, SZ_64K };
	struct wsheap *heap;
	char *p, *q;
	unsigned int i, entries;

	needs_private_places(test);
	heap = private_heap(test, 0, 0);
	p = wsheap_alloc(heap, 200, GFP_KERNEL);
	q = wsheap_alloc(heap, 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, q);
	count_reports(test);
	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		struct wsheap_walk_entry entry = {};
		u32 saved = block_of(p)->size;

		block_of(p)->size = sizes[i / 2];
		forget_reports(heap->class, NULL);
		wsheap_free(heap, q + 16);
		KUNIT_EXPECT_EQ(test, reports[MISTAKE_HEADER], i + 1);
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, p));
		KUNIT_EXPECT_FALSE(test, wsheap_validate(heap, NULL));
		for (entries = 0; !wsheap_walk(heap, &entry); entries++)
			KUNIT_ASSERT_LT(test, entries, 10);
		block_of(p)->size = saved;
		KUNIT_EXPECT_TRUE(test, wsheap_validate(heap, NULL));
		/* The same with free memory behind it. */
		KUNIT_ASSERT_TRUE(test, wsheap_resize(heap, p, 300 - saved,
						      GFP_KERNEL));
	}
	destroy_private(test, heap);
}

static void debug_mode_reports_what_it_finds(struct kunit *test)
{
	struct wsheap *heap;
	char *p;

	needs_private_places(test);
	heap = debug_heap(test, true, 0, 0, 0);
	p = wsheap_alloc(heap, 17, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	count_reports(test);
	p[17] = 0;
	wsheap_free(heap, p);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_OVERRUN], 1);
	KUNIT_EXPECT_EQ(test, requested_of(heap), 0);
	p[20] = 0;
	p = wsheap_alloc(heap, 17, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_WRITTEN], 1);
	destroy_private(test, heap);
}

static void debug_mode_gives_out_no_tile_that_was_written_to(struct kunit *test)
{
	struct wsheap *heap;
	char *p, *q;

	needs_private_places(test);
	heap = debug_heap(test, true, 0, SZ_64K, SZ_64K);
	p = wsheap_alloc(heap, 500, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, 0, GFP_KERNEL));
	count_reports(test);
	wsheap_free(heap, p);
	wsheap_compact(heap);
	p[40] = 0;
	while ((q = wsheap_alloc(heap, 484, GFP_KERNEL)))
		KUNIT_ASSERT_TRUE(test, q + 484 <= p || q >= p + 500);
	KUNIT_EXPECT_EQ(test, reports[MISTAKE_WRITTEN], 1);
	destroy_private(test, heap);
}

/*
 * A driver's stale writes. Whatever they leave in a free block, it is reported,
 * no live block is touched, and no other memory is handed out.
 */

#define VICTIMS		32

/* A heap with live blocks, and free ones between them. */
struct attack {
	struct wsheap *heap;
	char *live[VICTIMS];
	char *freed[VICTIMS];
	size_t size;
};

static void attack_begin(struct kunit *test, struct attack *a, size_t size,
			 bool merged)
{
	unsigned int i;

	a->heap = private_heap(test, SZ_64K, SZ_64K);
	a->size = size;
	for (i = 0; i < VICTIMS; i++) {
		a->freed[i] = wsheap_alloc(a->heap, size, GFP_KERNEL);
		a->live[i] = wsheap_alloc(a->heap, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, a->live[i]);
		memset(a->live[i], i, size);
	}
	for (i = 0; i < VICTIMS; i++)
		wsheap_free(a->heap, a->freed[i]);
	if (merged)
		wsheap_compact(a->heap);
}

/* Uses the heap up, and looks at all that it gives. */
static void attack_end(struct kunit *test, struct attack *a, const char *bad,
		       size_t bad_size)
{
	struct wsheap_region *region;
	unsigned int i;
	char *p;

	while ((p = wsheap_alloc(a->heap, a->size, GFP_KERNEL))) {
		region = region_find(wsheap_private(a->heap), p);
		KUNIT_ASSERT_NOT_NULL(test, region);
		KUNIT_ASSERT_LE(test, (unsigned long)p + a->size,
				(unsigned long)region_end(region));
		/* What was found damaged is never given out. */
		KUNIT_ASSERT_TRUE(test, p + a->size <= bad || p >= bad + bad_size);
		memset(p, 0xff, a->size);
	}
	while (wsheap_alloc(a->heap, 0, GFP_KERNEL))
		;
	for (i = 0; i < VICTIMS; i++) {
		KUNIT_ASSERT_NULL(test, memchr_inv(a->live[i], i, a->size));
		wsheap_free(a->heap, a->live[i]);
	}
	wsheap_compact(a->heap);
	KUNIT_ASSERT_EQ(test, reports[MISTAKE_WRITTEN], 1);
	wsheap_reset(a->heap);
	KUNIT_ASSERT_TRUE(test, wsheap_validate(a->heap, NULL));
	wsheap_destroy(a->heap);
}

/* What an attacker would write: @what of these, at a place in a free block. */
static bool attack_write(struct attack *a, char *place, unsigned int what,
			 bool links)
{
	const unsigned int half = BITS_PER_LONG / 2;
	unsigned long old, new;

	memcpy(&old, place, sizeof(old));
	if (what < BITS_PER_LONG)
		new = old ^ BIT(what);
	else if (what == BITS_PER_LONG)
		new = 0;
	else if (what == BITS_PER_LONG + 1)
		new = (unsigned long)a->live[3];
	else if (what == BITS_PER_LONG + 2)
		new = ~old;
	else if (what == BITS_PER_LONG + 3 && links)
		new = old >> half | old << half;
	else if (what < BITS_PER_LONG + 4 + half && links)
		new = old ^ (1UL | BIT(half)) << (what - BITS_PER_LONG - 4);
	else
		return false;
	memcpy(place, &new, sizeof(new));
	return true;
}

static void attack_at(struct kunit *test, size_t size, bool merged, ssize_t offset)
{
	struct attack *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	unsigned int what = 0;
	bool wrote = true;
	char *victim;

	needs_private_places(test);
	KUNIT_ASSERT_NOT_NULL(test, a);
	for (; wrote; what++) {
		attack_begin(test, a, size, merged);
		count_reports(test);
		victim = a->freed[VICTIMS / 2];
		wrote = attack_write(a, victim + offset, what, offset >= 0);
		if (wrote)
			attack_end(test, a, victim, size);
		else
			wsheap_destroy(a->heap);
		kunit_deactivate_static_stub(test, wsheap_private_report);
	}
}

static void stale_write_to_a_quick_link_is_reported(struct kunit *test)
{
	attack_at(test, 56, false, 0);
	attack_at(test, 8, false, 0);
}

static void stale_write_to_a_link_is_reported(struct kunit *test)
{
	attack_at(test, 56, true, 0);
	attack_at(test, 56, true, sizeof(long));
	attack_at(test, 900, true, 0);
	attack_at(test, 900, true, sizeof(long));
}

static void stale_write_to_a_free_header_is_reported(struct kunit *test)
{
	attack_at(test, 56, false, -8);
	attack_at(test, 56, true, -8);
	attack_at(test, 900, true, -8);
}

static void stale_write_to_a_foot_is_reported(struct kunit *test)
{
	size_t foot = ALIGN(56 + 8, 16) - 16;

	/* With a byte to check behind the block, it is not the driver's. */
	if (((const struct private_case *)test->param_value)->debug)
		foot += 16;
	attack_at(test, 56, true, foot);
}

static bool memory_fails;

static void *failing_memory(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	return memory_fails ? NULL : kmalloc(size, wsheap_backing_gfp(heap, gfp));
}

static void private_heap_without_memory_loses_nothing(struct kunit *test)
{
	struct wsheap *heap = private_heap(test, 0, 0);
	struct wsheap_error err = {};
	unsigned int n = 0;
	void *p, *last = NULL;

	kunit_activate_static_stub(test, wsheap_backing_alloc, failing_memory);
	memory_fails = true;
	while ((p = wsheap_alloc_err(heap, 100, GFP_KERNEL, &err))) {
		last = p;
		n++;
	}
	KUNIT_EXPECT_EQ(test, err.code, -ENOMEM);
	KUNIT_EXPECT_EQ(test, err.in_use, n * 100);
	KUNIT_EXPECT_GT(test, n, 25);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, SZ_64K, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_realloc(heap, last, 2000, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_size(heap, last), 100);
	KUNIT_EXPECT_EQ(test, requested_of(heap), n * 100);
	check_private(test, heap);
	KUNIT_EXPECT_PTR_EQ(test, wsheap_create_private(0, 0, 0), ERR_PTR(-ENOMEM));
	memory_fails = false;
	KUNIT_EXPECT_NOT_NULL(test, wsheap_alloc(heap, 100, GFP_KERNEL));
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	destroy_private(test, heap);
}
#endif

/* A simple model: what each block has to be, and what they add up to. */
#define MODEL_SLOTS	512

struct model {
	u8 *p;
	size_t size;
	u8 fill;
};

static size_t model_size(struct rnd_state *rnd)
{
	u32 kind = prandom_u32_state(rnd) % 64;

	if (kind == 0)
		return prandom_u32_state(rnd) % 70000;
	if (kind < 4)
		return prandom_u32_state(rnd) % 9000;
	return prandom_u32_state(rnd) % (kind < 24 ? 64 : 500);
}

static void model_run(struct kunit *test, struct wsheap *heap, u64 seed,
		      unsigned int ops)
{
	struct model *models = kunit_kcalloc(test, MODEL_SLOTS, sizeof(*models),
					     GFP_KERNEL);
	bool fixed = max_size_of(heap) != WSHEAP_UNLIMITED;
	size_t live = 0, align;
	struct rnd_state rnd;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, models);
	prandom_seed_state(&rnd, seed);
	for (i = 0; i < ops; i++) {
		struct model *m = &models[prandom_u32_state(&rnd) % MODEL_SLOTS];
		u32 what = prandom_u32_state(&rnd) % 4096;
		size_t size = model_size(&rnd);
		gfp_t gfp = what & 1 ? GFP_KERNEL : GFP_NOWAIT;
		size_t old = m->size, both = min(old, size);
		u8 *p = m->p;

		if (what < 2) {
			KUNIT_ASSERT_TRUE(test, wsheap_validate(heap, NULL));
			wsheap_compact(heap);
			continue;
		}
		if (what == 2) {
			wsheap_reset(heap);
			memset(models, 0, MODEL_SLOTS * sizeof(*models));
			live = 0;
			continue;
		}
		if (p) {
			/* The ends show what happened between them. */
			KUNIT_ASSERT_TRUE(test, !old || (p[0] == m->fill &&
							 p[old - 1] == m->fill));
			if (what < 256)
				KUNIT_ASSERT_NULL(test, memchr_inv(p, m->fill, old));
		}
		if (!p && what % 16 == 1) {
			align = 16 << (what >> 4) % 9;
			p = wsheap_alloc_aligned(heap, size, align, gfp);
			KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p, align));
		} else if (!p && what % 16 == 2) {
			p = wsheap_zalloc(heap, size, gfp);
			if (p)
				KUNIT_ASSERT_NULL(test, memchr_inv(p, 0, size));
		} else if (!p) {
			p = wsheap_alloc(heap, size, gfp);
		} else if (what % 8 == 1) {
			p = wsheap_realloc(heap, p, size, gfp);
			if (p)
				KUNIT_ASSERT_NULL(test, memchr_inv(p, m->fill, both));
		} else if (what % 8 == 2) {
			if (!wsheap_resize(heap, p, size, gfp | __GFP_ZERO))
				p = NULL;
			else if (size > old)
				KUNIT_ASSERT_NULL(test, memchr_inv(p + old, 0, size - old));
		} else {
			KUNIT_ASSERT_EQ(test, wsheap_size(heap, p), old);
			wsheap_free(heap, p);
			live -= old;
			m->p = NULL;
			m->size = 0;
			KUNIT_ASSERT_EQ(test, requested_of(heap), live);
			continue;
		}
		if (!p && m->p)
			KUNIT_ASSERT_EQ(test, wsheap_size(heap, m->p), old);
		else if (!p)
			KUNIT_ASSERT_TRUE(test, fixed || gfp == GFP_NOWAIT);
		if (p) {
			live += size - old;
			m->p = p;
			m->size = size;
			m->fill = what | 1;
			memset(p, m->fill, size);
		}
		KUNIT_ASSERT_EQ(test, requested_of(heap), live);
		KUNIT_ASSERT_LE(test, actual_of(heap), max_size_of(heap));
	}
	check_private(test, heap);
}

static void random_operations_agree_with_a_model(struct kunit *test)
{
	u64 seed = get_random_u32();
	struct wsheap *heap;

	kunit_info(test, "seed %llu", seed);
	heap = private_heap(test, 0, 0);
	model_run(test, heap, seed, 200000);
	wsheap_destroy(heap);
	heap = private_heap(test, SZ_64K, SZ_512K);
	model_run(test, heap, seed + 1, 100000);
	wsheap_destroy(heap);
}

static struct kunit_case wsheap_private_cases[] = {
	KUNIT_CASE(options_have_the_values_of_windows),
	KUNIT_CASE(bad_private_creation_is_refused),
	KUNIT_CASE(creation_has_name_and_node),
	KUNIT_CASE_PARAM(sizes_round_up_to_pages_and_initial_is_committed, private_gen_params),
	KUNIT_CASE_PARAM(fixed_heap_never_holds_more_than_its_maximum, private_gen_params),
	KUNIT_CASE_PARAM(fixed_heap_in_atomic_context_uses_its_maximum, private_gen_params),
	KUNIT_CASE_PARAM(fixed_heap_refuses_a_block_above_the_bound, private_gen_params),
	KUNIT_CASE_PARAM(fixed_heap_has_room_beside_its_bookkeeping, private_gen_params),
	KUNIT_CASE_PARAM(growable_heap_grows_and_gives_large_blocks_back, private_gen_params),
	KUNIT_CASE_PARAM(blocks_are_aligned_and_their_sizes_exact, private_gen_params),
	KUNIT_CASE_PARAM(aligned_private_blocks_are_aligned, private_gen_params),
	KUNIT_CASE_PARAM(freed_aligned_block_is_found_again_in_a_full_heap, private_gen_params),
	KUNIT_CASE_PARAM(empty_block_is_a_real_block, private_gen_params),
	KUNIT_CASE_PARAM(huge_size_fails_and_leaves_the_block, private_gen_params),
	KUNIT_CASE_PARAM(null_is_freed_and_resized_as_ever, private_gen_params),
	KUNIT_CASE_PARAM(zeroing_covers_only_the_growth, private_gen_params),
	KUNIT_CASE_PARAM(resizing_in_place_keeps_the_pointer_or_fails, private_gen_params),
	KUNIT_CASE_PARAM(freed_memory_serves_other_sizes, private_gen_params),
	KUNIT_CASE_PARAM(empty_blocks_that_filled_a_heap_make_room, private_gen_params),
	KUNIT_CASE_PARAM(fixed_heap_refuses_only_what_fits_nowhere, private_gen_params),
	KUNIT_CASE_PARAM(full_heap_of_freed_slivers_is_merged_for_one_block, private_gen_params),
	KUNIT_CASE_PARAM(fixed_heap_looks_at_all_free_tiles, private_gen_params),
	KUNIT_CASE_PARAM(what_a_settled_heap_split_is_merged_again, private_gen_params),
	KUNIT_CASE_PARAM(regions_that_are_free_go_for_a_larger_block, private_gen_params),
	KUNIT_CASE_PARAM(private_reset_returns_to_the_initial_size, private_gen_params),
	KUNIT_CASE_PARAM(destroy_needs_no_frees, private_gen_params),
	KUNIT_CASE(live_heaps_are_visited),
	KUNIT_CASE_PARAM(summary_tells_what_is_held, private_gen_params),
	KUNIT_CASE_PARAM(validate_tolerates_any_address, private_gen_params),
	KUNIT_CASE_PARAM(walk_shows_each_block_and_all_else, private_gen_params),
	KUNIT_CASE_PARAM(walk_goes_on_where_the_heap_has_changed, private_gen_params),
	KUNIT_CASE_PARAM(compact_gives_back_and_tells_the_largest, private_gen_params),
	KUNIT_CASE_PARAM(strings_and_arrays_come_from_private_heaps, private_gen_params),
	KUNIT_CASE_PARAM(private_heap_works_in_atomic_context, private_gen_params),
	KUNIT_CASE(unserialized_heap_cannot_be_locked),
	KUNIT_CASE(calls_of_the_locks_holder_nest),
	KUNIT_CASE(lock_holder_may_use_a_serialized_message_heap),
	KUNIT_CASE(failure_is_raised_to_the_handler),
	KUNIT_CASE_PARAM(clearing_kernel_shows_no_freed_bytes, private_gen_params),
	KUNIT_CASE(debug_mode_finds_an_overrun_by_a_byte),
	KUNIT_CASE(debug_mode_fills_fresh_and_freed_memory),
	KUNIT_CASE_PARAM(random_operations_agree_with_a_model, private_gen_params),
#ifdef kunit_activate_static_stub
	KUNIT_CASE_PARAM(private_reset_wipes_with_interrupts_on, private_gen_params),
	KUNIT_CASE_PARAM(mistakes_are_found_and_lose_nothing, private_gen_params),
	KUNIT_CASE_PARAM(pointer_into_memory_given_back_is_not_followed, private_gen_params),
	KUNIT_CASE_PARAM(overrun_that_reached_a_header_is_found, private_gen_params),
	KUNIT_CASE_PARAM(overrun_of_a_block_that_shrank_is_found, private_gen_params),
	KUNIT_CASE_PARAM(size_that_was_written_over_is_not_followed, private_gen_params),
	KUNIT_CASE(debug_mode_reports_what_it_finds),
	KUNIT_CASE(debug_mode_gives_out_no_tile_that_was_written_to),
	KUNIT_CASE_PARAM(stale_write_to_a_quick_link_is_reported, private_gen_params),
	KUNIT_CASE_PARAM(stale_write_to_a_link_is_reported, private_gen_params),
	KUNIT_CASE_PARAM(stale_write_to_a_free_header_is_reported, private_gen_params),
	KUNIT_CASE_PARAM(stale_write_to_a_foot_is_reported, private_gen_params),
	KUNIT_CASE_PARAM(private_heap_without_memory_loses_nothing, private_gen_params),
#endif
	{}
};

static struct kunit_suite wsheap_private_suite = {
	.name = "wsheap_private",
	.test_cases = wsheap_private_cases,
};

kunit_test_suite(wsheap_private_suite);
