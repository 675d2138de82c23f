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
#include <linux/rbtree.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
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
 * The largest block of a private heap with a maximum size, in bytes: slightly
 * less than 1 MiB, and than 512 KiB on 32-bit, as on Windows.
 */
#define WSHEAP_FIXED_BLOCK_MAX	((BITS_PER_LONG == 64 ? SZ_1M : SZ_512K) - SZ_4K)

/*
 * Flags of a message heap, for struct wsheap_args. They share no bit with the
 * options of private heaps, which keep the values that they have on Windows;
 * bits 30 and 31 stay free.
 */
#define WSHEAP_SERIALIZE	BIT(8)	/* safe for concurrent callers */
#define WSHEAP_NODE		BIT(9)	/* memory preferably from args->node */
#define WSHEAP_CONTIG		BIT(10)	/* physically contiguous, fit for DMA */
#define WSHEAP_ADAPTIVE		BIT(11)	/* keeps what recent messages needed */

/* Options of a private heap, for wsheap_create_private(). */
#define WSHEAP_NO_SERIALIZE		BIT(0)	/* one caller at a time */
#define WSHEAP_GENERATE_EXCEPTIONS	BIT(2)	/* a failure is raised */
#define WSHEAP_CREATE_ENABLE_EXECUTE	BIT(18)	/* refused: -EOPNOTSUPP */

/**
 * struct wsheap_args - what a heap may be told at its creation
 * @flags: WSHEAP_SERIALIZE, WSHEAP_NODE, WSHEAP_CONTIG, WSHEAP_ADAPTIVE, or 0.
 *	For a private heap WSHEAP_NODE or 0.
 * @name: the class under which the heap is counted and reported; copied.
 *	NULL stands for "wsheap".
 * @initial_size: bytes of blocks, each rounded up to 8 and what alignment
 *	skips counted, that the heap is to hold memory for from the start, and
 *	after a reset if the trim size covers that; 0 takes none before the first
 *	block. 0 for a private heap, whose creation has a parameter for it.
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
 *	largest block, -E2BIG for one above WSHEAP_FIXED_BLOCK_MAX from a private
 *	heap with a maximum size, -EDQUOT for the quota or that maximum, -ENOMEM
 *	for the system's memory.
 * @asked: bytes asked for by the call.
 * @in_use: bytes asked for by the blocks that the heap held at that moment.
 * @limit: bytes that these may add up to, the heap's max_size; or the maximum
 *	size of a private heap, its bookkeeping included.
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
 * @WSHEAP_PROPERTY_REQUESTED_SIZE: bytes asked for since creation or reset;
 *	of a private heap, by the blocks that live.
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
	union {
		u32 slack;		/* what alignment may take elsewhere */
		u32 quick_key;		/* of a private heap, see wsheap_free() */
	};
	union {
		u32 peak;		/* what one chunk is to give */
		u32 look_mask;		/* of a private heap */
	};
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

/* Among a heap's flags: it is a private heap. */
#define WSHEAP_PRIVATE	BIT(29)

/* What a private heap has before each block, live or free. */
struct wsheap_block {
	u32 seal;			/* the heap's key, the address, the state */
	u32 size;			/* bytes as asked, or as could be asked */
};

/*
 * A block's state lies in that part of its seal which an overrun reaches last. A
 * live small block's is 0.
 */
#define WSHEAP_SEAL_SHIFT	(IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) ? 0 : 28)
#define WSHEAP_SEAL_FREE	BIT(WSHEAP_SEAL_SHIFT)

/* A private heap's blocks begin and end at multiples of this, headers before. */
#define WSHEAP_GRAIN		16
/* Free blocks up to this, headers included, are kept by their exact size. */
#define WSHEAP_SMALL		768
/* Larger ones by their magnitude. A private heap is 1 KiB with so many bins. */
#define WSHEAP_LARGE_BINS	42

/* A private heap. The picture is at the head of wsheap_private.c. */
struct wsheap_private {
	struct wsheap heap;

	/* The last freed first, linked through their first bytes. */
	void *small[WSHEAP_SMALL / WSHEAP_GRAIN + 1];
	struct hlist_head large[WSHEAP_LARGE_BINS];
	unsigned long large_map[BITS_TO_LONGS(WSHEAP_LARGE_BINS)];

	u32 key;
	u32 short_key;			/* as quick_key, locked or not */
	u32 guard;			/* bytes behind each block, to check */
	u32 reported;			/* which kinds of misuse */
	bool careful;			/* no pointer is followed unseen */
	bool thorough;			/* the sweep merges all, and gives back */
	bool freed;			/* something, since it began */
	bool settled;			/* merged all, and nothing freed since */
	struct rb_root regions;		/* by address */
	struct wsheap_region *initial;
	char *open;			/* free, and not in a bin, */
	char *open_end;			/* up to here */
	struct wsheap_block *top;	/* never used, and not in a bin */
	size_t shared;			/* bytes of regions of many blocks */
	size_t mark;			/* less what lives: what is in bins */
	size_t peak;			/* the most that lived, as far as known */
	size_t cut;			/* bytes not from bins, since the sweep */
	size_t refused;			/* the shortest tile, while settled */
	struct wsheap_region *hand_region;	/* of the sweep under way, */
	char *hand;			/* which has come so far */
	struct task_struct *owner;	/* who is in wsheap_lock(), */
	unsigned int depth;		/* and how often */
	unsigned long irq;
	void (*failed)(struct wsheap *heap, const struct wsheap_error *err,
		       void *data);
	void *failed_data;
};

/**
 * enum wsheap_walk_kind - what wsheap_walk() came to
 * @WSHEAP_WALK_REGION: memory from the system; its blocks follow.
 * @WSHEAP_WALK_BUSY: a block.
 * @WSHEAP_WALK_FREE: free space.
 */
enum wsheap_walk_kind {
	WSHEAP_WALK_REGION = 1,
	WSHEAP_WALK_BUSY,
	WSHEAP_WALK_FREE,
};

/**
 * struct wsheap_walk_entry - a place in a private heap
 * @kind: what is there; 0 before the first call.
 * @address: where the region, the block or the free space begins.
 * @size: bytes: of a block, as asked; of free space, for one block; of a
 *	region, as held from the system.
 * @overhead: bytes of it beside these: headers and rounding.
 *
 * The counterpart of PROCESS_HEAP_ENTRY.
 */
struct wsheap_walk_entry {
	enum wsheap_walk_kind kind;
	void *address;
	size_t size;
	size_t overhead;
};

/**
 * struct wsheap_summary - what a heap holds, in bytes
 * @allocated: asked for by the blocks that live.
 * @committed: held from the system.
 * @reserved: what the heap may come to hold without anybody's leave: its
 *	maximum size, or as @committed where there is none.
 * @bound: what @reserved may become; WSHEAP_UNLIMITED without a maximum size.
 *
 * The counterpart of HEAP_SUMMARY.
 */
struct wsheap_summary {
	size_t allocated;
	size_t committed;
	size_t reserved;
	size_t bound;
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
		    gfp_t gfp) __realloc_size(3);
char *wsheap_strdup(struct wsheap *heap, const char *s, gfp_t gfp) __malloc;
char *wsheap_strndup(struct wsheap *heap, const char *s, size_t max,
		     gfp_t gfp) __malloc;
__printf(3, 4) char *wsheap_asprintf(struct wsheap *heap, gfp_t gfp,
				     const char *fmt, ...) __malloc;
__printf(3, 0) char *wsheap_vasprintf(struct wsheap *heap, gfp_t gfp,
				      const char *fmt, va_list ap) __malloc;

struct wsheap *wsheap_create_private(unsigned int options, size_t initial_size,
				     size_t maximum_size);
struct wsheap *wsheap_create_private_args(unsigned int options,
					  size_t initial_size,
					  size_t maximum_size,
					  const struct wsheap_args *args);
void __wsheap_free(struct wsheap *heap, void *p);
void *wsheap_realloc(struct wsheap *heap, void *p, size_t size, gfp_t gfp)
	__realloc_size(3);
bool wsheap_resize(struct wsheap *heap, void *p, size_t size, gfp_t gfp);
size_t wsheap_size(struct wsheap *heap, const void *p);
int wsheap_lock(struct wsheap *heap);
void wsheap_unlock(struct wsheap *heap);
bool wsheap_validate(struct wsheap *heap, const void *p);
int wsheap_walk(struct wsheap *heap, struct wsheap_walk_entry *entry);
size_t wsheap_compact(struct wsheap *heap);
void wsheap_summary(struct wsheap *heap, struct wsheap_summary *sum);
int wsheap_for_each(int (*fn)(struct wsheap *heap, void *data), void *data);
void wsheap_set_failure_handler(struct wsheap *heap,
				void (*fn)(struct wsheap *heap,
					   const struct wsheap_error *err,
					   void *data),
				void *data);

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

static __always_inline struct wsheap_private *
wsheap_private(struct wsheap *heap)
{
	return container_of(heap, struct wsheap_private, heap);
}

static __always_inline u32 wsheap_seal(u32 key, const void *p)
{
	return key ^ (u32)(unsigned long)p;
}

/*
 * The bin of small blocks for a size, as an index into the heap: or the
 * compiler would add the array's offset in an instruction of its own.
 */
static __always_inline size_t wsheap_small_bin(size_t size)
{
	const size_t first = offsetof(struct wsheap_private, small) /
			     sizeof(void *);

	return (first * WSHEAP_GRAIN + WSHEAP_GRAIN - 1 +
		sizeof(struct wsheap_block) + size) / WSHEAP_GRAIN;
}

#define WSHEAP_SMALL_SIZE	(WSHEAP_SMALL - sizeof(struct wsheap_block))

/* Takes a free block of just this small size, if there is one. */
static __always_inline void *wsheap_take_small(struct wsheap *heap, size_t size)
{
	struct wsheap_block *block;
	void **bins = (void **)heap, *p;
	size_t bin;

	bin = wsheap_small_bin(size);
	p = bins[bin];
	if (unlikely(!p))
		return NULL;
	/* Or its address would be computed once, ahead of both uses. */
	OPTIMIZER_HIDE_VAR(bin);
	bins[bin] = *(void **)p;
	block = p - sizeof(*block);
	block->size = size;
	block->seal ^= WSHEAP_SEAL_FREE;
	heap->left -= size;
	return p;
}

/* Gives back what the last function took: @p has the seal of such a block. */
static __always_inline void wsheap_put_small(struct wsheap *heap, void *p)
{
	struct wsheap_block *block = p - sizeof(*block);
	size_t bin = wsheap_small_bin(block->size);
	void **bins = (void **)heap;

	heap->left += block->size;
	block->seal ^= WSHEAP_SEAL_FREE;
	*(void **)p = bins[bin];
	OPTIMIZER_HIDE_VAR(bin);
	bins[bin] = p;
}

/* Whether the header that a block should have can be looked at. */
static __always_inline bool wsheap_may_look(struct wsheap *heap, const void *p)
{
	/* Debug kernels see to it that the heap is not a message heap. */
	if ((IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_LOCKDEP) ||
	     IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP)) &&
	    !(heap->flags & WSHEAP_PRIVATE))
		return false;
	return (unsigned long)p & heap->look_mask;
}

/**
 * wsheap_free - give a block back to a private heap
 * @heap: the heap.
 * @p: the block; NULL is ignored.
 *
 * A block that is not the heap's, or not any more, is reported and left alone.
 * Answers to HeapFree.
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. Never sleeps. One caller at a time for each heap with
 * WSHEAP_NO_SERIALIZE.
 */
static __always_inline void wsheap_free(struct wsheap *heap, void *p)
{
	const struct wsheap_block *block = p - sizeof(*block);

	/* Where there is no short path, no seal fits the key. */
	if (likely(wsheap_may_look(heap, p)) &&
	    likely(block->seal == wsheap_seal(heap->quick_key, p)))
		wsheap_put_small(heap, p);
	else
		__wsheap_free(heap, p);
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
#define wsheap_realloc(...)	alloc_hooks(wsheap_realloc(__VA_ARGS__))
#define wsheap_memdup(...)	alloc_hooks(wsheap_memdup(__VA_ARGS__))
#define wsheap_strdup(...)	alloc_hooks(wsheap_strdup(__VA_ARGS__))
#define wsheap_strndup(...)	alloc_hooks(wsheap_strndup(__VA_ARGS__))
#define wsheap_asprintf(...)	alloc_hooks(wsheap_asprintf(__VA_ARGS__))
#define wsheap_vasprintf(...)	alloc_hooks(wsheap_vasprintf(__VA_ARGS__))
#endif

#endif /* _WSHEAP_H */
