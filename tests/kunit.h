/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit tests share. They are linked into wsheap.ko, so that a test can
 * look at chunks and make each way of obtaining memory fail. Nothing is exported
 * for their sake.
 */
#ifndef _WSHEAP_TEST_KUNIT_H
#define _WSHEAP_TEST_KUNIT_H

#include <kunit/test.h>
#include <linux/console.h>
#include <linux/prandom.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

/* As a driver includes it, so that memory is charged to the tests. */
#include "../wsheap.h"
#include "../internal.h"

#define SEED		0x77736865

/* What the macros of wsheap.h do for those that drivers call. */
#ifdef alloc_hooks
#define charged_here(call)	alloc_hooks(call)
#else
#define charged_here(call)	(call)
#endif

static inline size_t prop(const struct wsheap *heap, enum wsheap_property_id id)
{
	size_t value = 0x5a5a;

	if (wsheap_get_property(heap, id, &value, sizeof(value)))
		return SIZE_MAX;
	return value;
}

#define max_size_of(heap)	prop(heap, WSHEAP_PROPERTY_MAX_SIZE)
#define trim_size_of(heap)	prop(heap, WSHEAP_PROPERTY_TRIM_SIZE)
#define requested_of(heap)	prop(heap, WSHEAP_PROPERTY_REQUESTED_SIZE)
#define actual_of(heap)		prop(heap, WSHEAP_PROPERTY_ACTUAL_SIZE)

static inline int count_one(struct wsheap *heap, void *data)
{
	++*(unsigned int *)data;
	return 0;
}

static inline unsigned int count_live(void)
{
	unsigned int n = 0;

	wsheap_for_each(count_one, &n);
	return n;
}

static inline unsigned int count_chunks(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk;
	unsigned int n = 0;

	for (chunk = heap->used; chunk; chunk = chunk->next)
		n++;
	for (chunk = heap->free_chunks; chunk; chunk = chunk->next)
		n++;
	return n;
}

/* What must hold of every heap between calls. */
static inline void check_heap(struct kunit *test, struct wsheap *heap)
{
	bool cur = heap->cur == NO_CHUNK;
	bool alt = heap->alt == NO_CHUNK;
	const struct wsheap_chunk *chunk;
	size_t actual = 0;

	for (chunk = heap->used; chunk; chunk = chunk->next) {
		u32 used = chunk->used;

		if (chunk == heap->cur && heap->cursor != WSHEAP_NO_CURSOR)
			used = heap->cursor - (char *)chunk->mem;
		KUNIT_ASSERT_GE(test, used, chunk->start);
		KUNIT_ASSERT_LE(test, used, chunk->zeroed);
		KUNIT_ASSERT_LE(test, chunk->zeroed, chunk->zeroed2);
		KUNIT_ASSERT_LE(test, chunk->zeroed2, chunk->zeroed2_end);
		KUNIT_ASSERT_LE(test, chunk->zeroed2_end, chunk->size);
		actual += wsheap_chunk_actual(chunk);
		cur |= chunk == heap->cur;
		alt |= chunk == heap->alt;
	}
	for (chunk = heap->free_chunks; chunk; chunk = chunk->next) {
		KUNIT_ASSERT_EQ(test, chunk->used, chunk->start);
		actual += wsheap_chunk_actual(chunk);
	}
	KUNIT_ASSERT_EQ(test, actual, actual_of(heap));
	KUNIT_ASSERT_LE(test, requested_of(heap), heap->max_size);
	KUNIT_ASSERT_TRUE(test, cur);
	KUNIT_ASSERT_TRUE(test, alt);
	if (heap->alt != NO_CHUNK)
		KUNIT_ASSERT_PTR_NE(test, heap->alt, heap->cur);
	KUNIT_ASSERT_EQ(test, wsheap_no_chunk.used, 0);
	if (!(heap->path_state & WSHEAP_LONG)) {
		KUNIT_ASSERT_PTR_EQ(test, heap->used, heap->cur);
		KUNIT_ASSERT_NULL(test, heap->used->next);
	}
	if (heap->path != WSHEAP_PATH_SHORT || heap->cur == NO_CHUNK)
		KUNIT_ASSERT_PTR_EQ(test, heap->cursor, WSHEAP_NO_CURSOR);
}

static inline struct wsheap *test_heap_args(struct kunit *test, size_t max_size,
					    size_t trim_size,
					    const struct wsheap_args *args)
{
	struct wsheap *heap = wsheap_create(max_size, trim_size, args);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	return heap;
}

static inline struct wsheap *test_heap(struct kunit *test, size_t max_size,
				       size_t trim_size)
{
	return test_heap_args(test, max_size, trim_size, NULL);
}

static inline void destroy_checked(struct kunit *test, struct wsheap *heap)
{
	check_heap(test, heap);
	wsheap_destroy(heap);
}

/*
 * Where blocks lie, how the short path finds them, and what is behind them: in a mode
 * in which each block has memory of its own, that cannot be seen.
 */
static inline void skip_elsewhere(struct kunit *test, struct wsheap *probe)
{
	bool elsewhere;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, probe);
	elsewhere = probe->debug;
	wsheap_destroy(probe);
	if (elsewhere)
		kunit_skip(test, "in this mode blocks lie elsewhere");
}

/* For message heaps. */
static inline void needs_places(struct kunit *test)
{
	skip_elsewhere(test, wsheap_create(0, 0, NULL));
}

static inline void needs_private_places(struct kunit *test)
{
	skip_elsewhere(test, wsheap_create_private(0, 0, 0));
}

/* What the log has, while a case listens. */
static char heard[4096] __maybe_unused;

static inline void listen_write(struct console *console, const char *s, unsigned int count)
{
	size_t length = strlen(heard);

	/* It is told of itself. */
	if (strnstr(s, console->name, count))
		return;
	count = min_t(size_t, count, sizeof(heard) - 1 - length);
	memcpy(heard + length, s, count);
	heard[length + count] = '\0';
}

static struct console listener __maybe_unused = {
	.name = "wsheapt",
	.write = listen_write,
	.flags = CON_ENABLED | CON_ANYTIME,
	.index = -1,
};

static inline void listen_begin(void)
{
	memset(heard, 0, sizeof(heard));
	/* What unregisters it takes this away. */
	listener.flags |= CON_ENABLED;
	register_console(&listener);
}

static inline void listen_end(void)
{
	unregister_console(&listener);
}

/* A size up to @largest, small ones as likely as large ones. */
static inline size_t random_size(struct rnd_state *rnd, size_t largest)
{
	unsigned int bits = prandom_u32_state(rnd) % (ilog2(largest) + 1);

	return 1 + (prandom_u32_state(rnd) & ((1u << bits) - 1)) % largest;
}

/* Counts what the heap takes from the system. */
static unsigned int obtained __maybe_unused;

static inline void *count_backing(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	obtained++;
	if (wsheap_backing_is_kmalloc(heap, size, gfp))
		return kmalloc(size, (gfp & ~__GFP_ZERO) | __GFP_NOWARN);
	return vmalloc(size);
}

static inline void take_blocks(struct kunit *test, struct wsheap *heap, int n,
			       size_t size)
{
	while (n--)
		KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(heap, size, GFP_KERNEL));
	check_heap(test, heap);
}

static int fail_at, calls;

/*
 * Objects come from caches of the test's own: the kernel's log says so when
 * one of these is destroyed with an object left, and that fails the run.
 */
static struct kmem_cache *header_cache, *backing_cache;
#define BACKING_OBJECT	SZ_512K

static inline bool fails_now(void)
{
	return ++calls == fail_at;
}

static inline void *failing_backing(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	if (fails_now() || size > BACKING_OBJECT)
		return NULL;
	return kmem_cache_alloc(backing_cache, gfp & ~__GFP_ZERO);
}

static inline struct wsheap_chunk *failing_header(const struct wsheap *heap,
						  size_t size, gfp_t gfp)
{
	return fails_now() ? NULL : kmem_cache_alloc(header_cache, gfp);
}

static inline struct wsheap *failing_object(const struct wsheap_args *args, size_t size,
					    gfp_t gfp)
{
	return fails_now() ? NULL : kzalloc(size, gfp);
}

static inline struct wsheap_class *failing_class(struct wsheap_creator *creator,
						 const char *name, bool pool)
{
	return fails_now() ? NULL : __wsheap_class_get(creator, name, pool);
}

static inline void create_caches(struct kunit *test)
{
	header_cache = kmem_cache_create("wsheap-test-header",
					 sizeof(struct wsheap_chunk), 8, 0, NULL);
	backing_cache = kmem_cache_create("wsheap-test-backing", BACKING_OBJECT,
					  PAGE_SIZE, 0, NULL);
	KUNIT_ASSERT_NOT_NULL(test, header_cache);
	KUNIT_ASSERT_NOT_NULL(test, backing_cache);
}

static inline void destroy_caches(void)
{
	kmem_cache_destroy(header_cache);
	kmem_cache_destroy(backing_cache);
}

static inline void *no_backing(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	obtained++;
	return NULL;
}

static inline struct wsheap *no_object(const struct wsheap_args *args, size_t size,
				       gfp_t gfp)
{
	return NULL;
}

/* Gives a heap back to its pool while the case waits for one. */
struct pool_return {
	struct delayed_work work;
	struct wsheap_pool *pool;
	struct wsheap *heap;
};

static inline void pool_return_fn(struct work_struct *work)
{
	struct pool_return *ret = container_of(to_delayed_work(work),
					       struct pool_return, work);

	wsheap_pool_free(ret->pool, ret->heap);
}

#endif /* _WSHEAP_TEST_KUNIT_H */
