/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wsheap - heaps whose blocks are released together
 *
 * The whole interface. The calls themselves are described where they are
 * defined: the inline ones here, the others in wsheap.c. The guide is
 * Documentation/wsheap.rst.
 */
#ifndef _WSHEAP_H
#define _WSHEAP_H

#include "wsheap_compat.h"

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/types.h>

struct device;
struct wsheap_chunk;
struct wsheap_pool;

/* No limit to what a heap's blocks add up to: a max_size. */
#define WSHEAP_UNLIMITED	SIZE_MAX

/* The least alignment of a block, in bytes, on every architecture. */
#define WSHEAP_MIN_ALIGN	8

/*
 * The quota bounds memory, too. ACTUAL_SIZE never exceeds WSHEAP_BOUND_FACTOR
 * times the bytes asked for since the last reset (each block rounded up to 8
 * bytes, or as WSHEAP_CONTIG does; what alignment may skip counted), plus
 * WSHEAP_BOUND_CONSTANT, plus twice what that reset, or the creation, left.
 * Each of several concurrent callers may hold one more chunk for a moment, and
 * a heap of __GFP_DMA32, which has whole pages only, up to PAGE_SIZE more.
 */
#define WSHEAP_BOUND_FACTOR	4
#define WSHEAP_BOUND_CONSTANT	1024

/*
 * Flags of a message heap, for struct wsheap_args. They share no bit with the
 * options of private heaps, which keep the values that they have on Windows;
 * bits 30 and 31 stay free.
 */
#define WSHEAP_SERIALIZE	BIT(8)	/* safe for concurrent callers */
#define WSHEAP_NODE		BIT(9)	/* memory preferably from args->node */
#define WSHEAP_CONTIG		BIT(10)	/* physically contiguous, fit for DMA */
#define WSHEAP_ADAPTIVE		BIT(11)	/* keeps what recent messages needed */

/**
 * struct wsheap_args - what a heap may be told at its creation
 * @flags: WSHEAP_SERIALIZE, WSHEAP_NODE, WSHEAP_CONTIG, WSHEAP_ADAPTIVE, or 0.
 * @name: the class under which the heap is counted and reported; copied.
 *	NULL stands for "wsheap".
 * @initial_size: bytes of blocks, each rounded up to 8 and what alignment
 *	skips counted, that the heap is to hold memory for from the start, and
 *	after a reset if the trim size covers that; 0 takes none before the first
 *	block.
 * @chunk_gfp: added to the gfp of every call that has to obtain memory:
 *	__GFP_ACCOUNT, __GFP_DMA, __GFP_DMA32 and modifiers of warning and
 *	retrying.
 * @node: the preferred NUMA node; looked at only with WSHEAP_NODE, so that
 *	a zeroed structure does not ask for node 0.
 */
struct wsheap_args {
	unsigned int flags;
	const char *name;
	size_t initial_size;
	gfp_t chunk_gfp;
	int node;
};

/**
 * struct wsheap_error - why a block was not granted
 * @code: -EINVAL for a bad gfp or alignment, -EOVERFLOW for a size above the
 *	largest block, -EDQUOT for the quota, -ENOMEM for the system's memory.
 * @asked: bytes asked for by the call.
 * @in_use: bytes asked for by the blocks that the heap held at that moment.
 * @limit: bytes that these may add up to, the heap's max_size.
 *
 * The counterpart of WS_ERROR. Only a failing call writes to it.
 */
struct wsheap_error {
	int code;
	size_t asked;
	size_t in_use;
	size_t limit;
};

/**
 * enum wsheap_property_id - what wsheap_get_property() can tell
 * @WSHEAP_PROPERTY_MAX_SIZE: bytes that the blocks may add up to, as asked.
 * @WSHEAP_PROPERTY_TRIM_SIZE: bytes that a reset may leave with the heap.
 * @WSHEAP_PROPERTY_REQUESTED_SIZE: bytes asked for since creation or reset.
 * @WSHEAP_PROPERTY_ACTUAL_SIZE: bytes held from the system at this moment, as
 *	the system rounds them, without the heap object.
 *
 * The counterpart of WS_HEAP_PROPERTY_ID. Each value is a size_t.
 */
enum wsheap_property_id {
	WSHEAP_PROPERTY_MAX_SIZE = 0,
	WSHEAP_PROPERTY_TRIM_SIZE = 1,
	WSHEAP_PROPERTY_REQUESTED_SIZE = 2,
	WSHEAP_PROPERTY_ACTUAL_SIZE = 3,
};

/*
 * A heap. All of it is private; it is here because the short path is inline.
 * The picture that goes with it is at the head of wsheap.c.
 */
struct wsheap {
	spinlock_t lock;		/* taken only with WSHEAP_SERIALIZE */
	u32 flags;

	/*
	 * The short path. A block goes from @cursor if it ends at or before
	 * @limit, which is the nearest of what ends the open chunk's ready
	 * bytes and what ends the quota. Both are NULL where a heap may not
	 * take the short path, or has no open chunk.
	 */
	char *cursor;
	char *limit;
	size_t left;			/* of the quota, in bytes as asked */
	u32 slack;			/* what alignment may take elsewhere */
	u32 peak;			/* what one chunk is to give */
	struct wsheap_chunk *open;	/* where blocks come from */
	size_t max_size;

	/* Growth, and a reset of several chunks. */
	struct wsheap_chunk *used;	/* all with blocks, newest first */
	union {
		struct wsheap_chunk *spare;	/* the other chunk with room */
		struct wsheap *next_idle;	/* in a pool */
	};
	struct wsheap_chunk *kept;	/* without blocks, in order of use */
	size_t actual;
	size_t trim_size;
	gfp_t chunk_gfp;
	short node;
	u8 doublings;			/* of CHUNK_FIRST, since the reset */
	const char *name;
	struct list_head live;		/* protected by wsheap_live_lock */
};

struct wsheap *wsheap_create(size_t max_size, size_t trim_size,
			     const struct wsheap_args *args);
struct wsheap *devm_wsheap_create(struct device *dev, size_t max_size,
				  size_t trim_size,
				  const struct wsheap_args *args);
void wsheap_reset(struct wsheap *heap);
void wsheap_destroy(struct wsheap *heap);
int wsheap_get_property(const struct wsheap *heap, enum wsheap_property_id id,
			void *value, size_t value_size);

void *__wsheap_alloc_open(struct wsheap *heap, size_t size)
	__alloc_size(2) __malloc;
void *__wsheap_alloc_open_aligned(struct wsheap *heap, size_t size,
				  size_t align) __alloc_size(2) __malloc;
void *__wsheap_alloc(struct wsheap *heap, size_t size, size_t align, gfp_t gfp,
		     struct wsheap_error *err) __alloc_size(2) __malloc;
void *wsheap_memdup(struct wsheap *heap, const void *src, size_t len,
		    gfp_t gfp) __alloc_size(3);
char *wsheap_strdup(struct wsheap *heap, const char *s, gfp_t gfp) __malloc;
char *wsheap_strndup(struct wsheap *heap, const char *s, size_t max,
		     gfp_t gfp) __malloc;
__printf(3, 4) char *wsheap_asprintf(struct wsheap *heap, gfp_t gfp,
				     const char *fmt, ...) __malloc;
__printf(3, 0) char *wsheap_vasprintf(struct wsheap *heap, gfp_t gfp,
				      const char *fmt, va_list ap) __malloc;

struct wsheap_pool *wsheap_pool_create(size_t max_size, size_t trim_size,
				       const struct wsheap_args *args,
				       unsigned int reserve,
				       unsigned int max_idle);
struct wsheap *wsheap_pool_alloc(struct wsheap_pool *pool, gfp_t gfp);
void wsheap_pool_free(struct wsheap_pool *pool, struct wsheap *heap);
void wsheap_pool_destroy(struct wsheap_pool *pool);

#ifdef DEFINE_FREE	/* where <linux/cleanup.h> exists, spinlock.h has it */
/* struct wsheap *heap __free(wsheap) = wsheap_create(...); */
DEFINE_FREE(wsheap, struct wsheap *, wsheap_destroy(_T))
#endif

/*
 * Zones belong to the heap, since its chunks outlive the call, and nobody may
 * insist on memory within a quota: both are bugs of the caller.
 */
#define WSHEAP_GFP_REFUSED \
	((__force gfp_t)(GFP_ZONEMASK | __GFP_NOFAIL | ~__GFP_BITS_MASK))

/*
 * The short path. The end of an empty block, or of one so large that the sum
 * wraps, is not beyond its start; that of any other where the heap has no short
 * path is beyond NULL. Nothing wraps for a size known to be small, nor for an
 * alignment, which is a constant up to PAGE_SIZE.
 */
static __always_inline bool wsheap_bump(struct wsheap *heap, size_t size,
					size_t align, void **block)
{
	char *cursor = heap->cursor;
	/* The compiler does not know that the cursor is aligned already. */
	char *p = align > WSHEAP_MIN_ALIGN ? PTR_ALIGN(cursor, align) : cursor;
	char *end = p + ALIGN(size, WSHEAP_MIN_ALIGN);
	bool small = __builtin_constant_p(size) && size && size <= PAGE_SIZE;

	/* In this order, the second is spared where there is no short path. */
	if (unlikely(end > heap->limit) || (!small && unlikely(end <= p)))
		return false;
	/* Elsewhere the alignment may take more. */
	if (align > WSHEAP_MIN_ALIGN)
		heap->slack += align - WSHEAP_MIN_ALIGN - (p - cursor);
	heap->cursor = end;
	heap->left -= size;
	*block = p;
	return true;
}

/*
 * might_alloc() is a call and a preemption point on stock kernels, for every
 * block; there the long path alone makes it.
 */
static __always_inline void wsheap_might_alloc(gfp_t gfp)
{
	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) || IS_ENABLED(CONFIG_LOCKDEP))
		might_alloc(gfp);
}

static __always_inline void *wsheap_alloc_inline(struct wsheap *heap,
						 size_t size, size_t align,
						 gfp_t gfp,
						 struct wsheap_error *err)
{
	void *block;

	wsheap_might_alloc(gfp);
	if (unlikely(gfp & WSHEAP_GFP_REFUSED))
		return __wsheap_alloc(heap, size, align, gfp, err);
	if (unlikely(!wsheap_bump(heap, size, align, &block))) {
		if (align <= WSHEAP_MIN_ALIGN)
			block = __wsheap_alloc_open(heap, size);
		else
			block = __wsheap_alloc_open_aligned(heap, size, align);
		if (unlikely(!block))
			return __wsheap_alloc(heap, size, align, gfp, err);
	}
	/* With init_on_alloc, what lies below the limit is clear already. */
	if ((gfp & __GFP_ZERO) && !want_init_on_alloc(0))
		memset(block, 0, size);
	return block;
}

/**
 * wsheap_alloc_err - take a block from a heap, and learn why not
 * @heap: the heap.
 * @size: bytes; 0 gives an empty block, which is never NULL, costs nothing,
 *	always succeeds and must not be dereferenced.
 * @gfp: what may be done to obtain memory. __GFP_ZERO clears the block;
 *	__GFP_ACCOUNT is the heap's and ignored; a zone or __GFP_NOFAIL is
 *	refused. The rest acts when the heap has to grow.
 * @err: filled in on failure, untouched on success; may be NULL.
 *
 * The block is aligned to 8 bytes at least and stays until wsheap_reset() or
 * wsheap_destroy(). Its contents are undefined unless asked zeroed. Answers
 * to WsAlloc with its WS_ERROR.
 *
 * Context: any that @gfp allows; softirq, hardirq and under a spinlock with
 * GFP_ATOMIC or GFP_NOWAIT. May sleep if @gfp allows blocking. One caller at a
 * time for each heap, unless it was created with WSHEAP_SERIALIZE.
 * Return: the block, or NULL. A refusal is not charged and not logged.
 */
static __always_inline void *wsheap_alloc_err(struct wsheap *heap, size_t size,
					      gfp_t gfp,
					      struct wsheap_error *err)
{
	return wsheap_alloc_inline(heap, size, WSHEAP_MIN_ALIGN, gfp, err);
}

/**
 * wsheap_alloc - take a block from a heap
 * @heap: the heap.
 * @size: bytes; see wsheap_alloc_err().
 * @gfp: see wsheap_alloc_err().
 *
 * Answers to WsAlloc.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL if the quota or the memory does not suffice, or
 * the arguments are wrong.
 */
static __always_inline void *wsheap_alloc(struct wsheap *heap, size_t size,
					  gfp_t gfp)
{
	return wsheap_alloc_err(heap, size, gfp, NULL);
}

/**
 * wsheap_zalloc - take a cleared block from a heap
 * @heap: the heap.
 * @size: bytes; see wsheap_alloc_err().
 * @gfp: see wsheap_alloc_err().
 *
 * As kzalloc(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, all bytes 0, or NULL.
 */
static __always_inline void *wsheap_zalloc(struct wsheap *heap, size_t size,
					   gfp_t gfp)
{
	return wsheap_alloc(heap, size, gfp | __GFP_ZERO);
}

/**
 * wsheap_alloc_array - take a block for an array from a heap
 * @heap: the heap.
 * @n: number of elements.
 * @size: bytes of an element.
 * @gfp: see wsheap_alloc_err().
 *
 * As kmalloc_array(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL; also if @n times @size overflows.
 */
static __always_inline void *wsheap_alloc_array(struct wsheap *heap, size_t n,
						size_t size, gfp_t gfp)
{
	return wsheap_alloc(heap, size_mul(n, size), gfp);
}

/**
 * wsheap_calloc - take a cleared block for an array from a heap
 * @heap: the heap.
 * @n: number of elements.
 * @size: bytes of an element.
 * @gfp: see wsheap_alloc_err().
 *
 * As kcalloc(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, all bytes 0, or NULL; also if @n times @size overflows.
 */
static __always_inline void *wsheap_calloc(struct wsheap *heap, size_t n,
					   size_t size, gfp_t gfp)
{
	return wsheap_alloc_array(heap, n, size, gfp | __GFP_ZERO);
}

/**
 * wsheap_alloc_aligned - take an aligned block from a heap
 * @heap: the heap.
 * @size: bytes; see wsheap_alloc_err(). What the alignment skips costs no
 *	quota.
 * @align: bytes, a power of two up to PAGE_SIZE.
 * @gfp: see wsheap_alloc_err().
 *
 * WsAlloc knows no alignment.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL; also for another @align.
 */
static __always_inline void *wsheap_alloc_aligned(struct wsheap *heap,
						  size_t size, size_t align,
						  gfp_t gfp)
{
	if (__builtin_constant_p(align) && is_power_of_2(align) &&
	    align <= PAGE_SIZE)
		return wsheap_alloc_inline(heap, size,
					   max_t(size_t, align, WSHEAP_MIN_ALIGN),
					   gfp, NULL);
	return __wsheap_alloc(heap, size, align, gfp, NULL);
}

/*
 * Where the kernel counts allocations by call site, the line that made a heap
 * grow is the driver's.
 */
#if defined(CONFIG_MEM_ALLOC_PROFILING) && !defined(WSHEAP_IMPLEMENTATION)
#define wsheap_alloc_err(...)	alloc_hooks(wsheap_alloc_err(__VA_ARGS__))
#define wsheap_alloc(...)	alloc_hooks(wsheap_alloc(__VA_ARGS__))
#define wsheap_zalloc(...)	alloc_hooks(wsheap_zalloc(__VA_ARGS__))
#define wsheap_alloc_array(...)	alloc_hooks(wsheap_alloc_array(__VA_ARGS__))
#define wsheap_calloc(...)	alloc_hooks(wsheap_calloc(__VA_ARGS__))
#define wsheap_alloc_aligned(...) \
	alloc_hooks(wsheap_alloc_aligned(__VA_ARGS__))
#define wsheap_memdup(...)	alloc_hooks(wsheap_memdup(__VA_ARGS__))
#define wsheap_strdup(...)	alloc_hooks(wsheap_strdup(__VA_ARGS__))
#define wsheap_strndup(...)	alloc_hooks(wsheap_strndup(__VA_ARGS__))
#define wsheap_asprintf(...)	alloc_hooks(wsheap_asprintf(__VA_ARGS__))
#define wsheap_vasprintf(...)	alloc_hooks(wsheap_vasprintf(__VA_ARGS__))
#endif

#endif /* _WSHEAP_H */
