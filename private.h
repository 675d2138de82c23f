/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private heaps: what their units share, and the short path. The picture is at
 * the head of private_tile.c.
 */
#ifndef _WSHEAP_PRIVATE_H
#define _WSHEAP_PRIVATE_H

#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/poison.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/swab.h>

#include "internal.h"

/* Tiles begin and end at multiples of this, headers before blocks. */
#define TILE_ALIGN	16
/* Freed tiles up to this length, header included, go to quick bins. */
#define TILE_SMALL	768
#define QUICK_BINS	(TILE_SMALL / TILE_ALIGN + 1)
/* No tile is that short. This bin is for slivers that a drain has put aside. */
#define QUICK_ALONE	0
/* Free tiles are binned by length, 16 bins for each doubling up to 1 MiB. */
#define TILE_BINS	((20 - 5) * 16 + 1)
/* Tiles that are merged before the heap decides anew, or lets others in. */
#define TILE_SLICE	256

/* The header before each block, live or free. */
struct wsheap_block {
	u32 seal;			/* see wsheap_tile_state() */
	u32 size;			/* bytes as asked for, with these flags */
};

#define BLOCK_IS_QUICK		BIT(31)	/* it is in a quick bin */
#define BLOCK_IS_FREE		BIT(30)	/* the size is its length in TILE_ALIGN */
#define BLOCK_SIZE_MASK		(BLOCK_IS_FREE - 1)

/* At the beginning of a free tile, behind the header. Both are encoded. */
struct tile_links {
	unsigned long next;
	unsigned long prev;
};

/* At the end of a free tile. */
struct tile_foot {
	u32 length;
	u32 check;			/* of the key, the address and the length */
};

/* What a tile is. */
enum tile {
	TILE_LIVE,
	TILE_QUICK,			/* in a quick bin; in use to its neighbours */
	TILE_FREE,			/* in a bin, but for the shortest */
	TILE_LOST,			/* free, but written to: not given out again */
	TILE_END,			/* the end of the region */
	TILE_DAMAGED,
};

struct wsheap_private {
	struct wsheap heap;

	unsigned long quick_size;	/* quick tiles, in units of TILE_ALIGN */
	unsigned long key;		/* random; another one after each reset */
	/*
	 * If an address has none of these bits, the regions are searched before
	 * the header in front of it is read. That may not be mapped: it may lie
	 * in the page before, or in a region that went back to vmalloc.
	 */
	u32 look_mask;
	u32 guard;			/* bytes to check behind each block */
	/* Quick bins: blocks, the last freed first, each with a link. */
	void *quick[QUICK_BINS];
	struct {
		struct wsheap_block block;
		unsigned long link;
	} __aligned(TILE_ALIGN) quick_end; /* the end of all quick bins; no tile */
	/* Bins: lists of free tiles. */
	struct wsheap_block *bins[TILE_BINS];
	DECLARE_BITMAP(bin_map, TILE_BINS);

	size_t small;			/* bytes of small tiles, live and quick */
	size_t small_peak;		/* the most that were live */
	size_t refused;			/* no free tile is as long as this */
	bool retry;			/* a drain has merged slivers */

	bool wiping;			/* a reset wipes the initial region */
	struct rb_root regions;		/* by address */
	struct wsheap_chunk *shared;	/* the regions of many blocks */
	size_t shared_size;
	struct wsheap_region *initial;

	unsigned long caller;		/* of the call that has the lock */
	u32 depth;			/* how often @owner holds wsheap_lock() */
	struct task_struct *owner;	/* holder of wsheap_lock() */
	unsigned long irq;
	void (*failed)(struct wsheap *heap, const struct wsheap_error *err,
		       void *data);
	void *failed_data;
};

/**
 * struct wsheap_region - a chunk of a private heap
 * @chunk: the chunk. If it has one dedicated block, its header is separate, and
 *	@used is the size as asked for.
 * @node: in the heap's tree.
 */
struct wsheap_region {
	struct wsheap_chunk chunk;
	struct rb_node node;
};

/*
 * The offset of a region's first tile. There is room for a foot before it, which
 * is never a right one.
 */
#define REGION_FIRST \
	(ALIGN(sizeof(struct wsheap_region) + sizeof(struct tile_foot) + \
	       sizeof(struct wsheap_block), TILE_ALIGN) - \
	 sizeof(struct wsheap_block))
/* Bytes behind the end mark, so that links behind any header can be read. */
#define REGION_LAST	TILE_ALIGN
/* All that is no tile. */
#define REGION_OVERHEAD \
	(REGION_FIRST + sizeof(struct wsheap_block) + REGION_LAST)

/* What a call asks for. */
struct tile_request {
	size_t size;			/* bytes */
	size_t extent;			/* the same as a tile */
	size_t align;			/* TILE_ALIGN at least */
	gfp_t gfp;
	unsigned long caller;
	struct wsheap_error *failure;	/* the figures of a group that refuses */
};

static __always_inline struct wsheap_private *
wsheap_private(struct wsheap *heap)
{
	return container_of(heap, struct wsheap_private, heap);
}

static __always_inline bool wsheap_check_private(const struct wsheap *heap,
						 const char *function,
						 unsigned long caller)
{
	if (likely(heap->path >= WSHEAP_PATH_PRIVATE))
		return true;
	wsheap_report_kind(heap, function, caller);
	return false;
}

/* For functions that drivers call: reports a call on a message heap. */
#define wsheap_is_private(heap) wsheap_check_private(heap, __func__, _RET_IP_)

static inline bool private_is_fixed(const struct wsheap_private *private)
{
	return private->heap.max_size != WSHEAP_UNLIMITED;
}

static inline size_t private_live(const struct wsheap_private *private)
{
	return private->heap.max_size - private->heap.left;
}

/* Others may read the figure without the lock. */
static __always_inline void private_charge(struct wsheap_private *private,
					   size_t size)
{
	/* Others read it without the lock. They see the old or the new figure. */
	data_race(private->heap.left -= size);
}

static __always_inline void private_uncharge(struct wsheap_private *private,
					     size_t size)
{
	/* As above. */
	data_race(private->heap.left += size);
}

/* The holder of wsheap_lock() calls. Only the caller itself can change that. */
static inline bool private_nested(const struct wsheap_private *private)
{
	return READ_ONCE(private->owner) == current;
}

/* Returns false if the heap takes no lock, and another call has it. */
static inline bool private_claim(struct wsheap_private *private, unsigned long caller)
{
	return !(private->heap.flags & WSHEAP_NO_SERIALIZE) ||
	       wsheap_take_user(&private->heap, caller);
}

static inline void private_unclaim(struct wsheap_private *private)
{
	if (private->heap.flags & WSHEAP_NO_SERIALIZE)
		/* Pairs with the acquire in wsheap_take_user(). */
		smp_store_release(&private->heap.user, 0);
}

static inline unsigned long private_enter(struct wsheap_private *private)
	__acquires(&private->heap.lock)
{
	unsigned long irq = 0;

	if (private->heap.flags & WSHEAP_NO_SERIALIZE ||
	    private_nested(private))
		__acquire(&private->heap.lock);
	else	/* The caller may hold wsheap_lock() of another heap. */
		spin_lock_irqsave_nested(&private->heap.lock, irq,
					 SINGLE_DEPTH_NESTING);
	return irq;
}

static inline void private_leave(struct wsheap_private *private, unsigned long irq)
	__releases(&private->heap.lock)
{
	if (private->heap.flags & WSHEAP_NO_SERIALIZE ||
	    private_nested(private))
		__release(&private->heap.lock);
	else
		spin_unlock_irqrestore(&private->heap.lock, irq);
}

/*
 * Tiles.
 */

static __always_inline struct wsheap_block *block_of(const void *p)
{
	return (struct wsheap_block *)p - 1;
}

static inline struct wsheap_block *block_at(const void *block, ssize_t offset)
{
	return (void *)block + offset;
}

static inline size_t block_extent(const struct wsheap_private *private, size_t size)
{
	return ALIGN(size + sizeof(struct wsheap_block) + private->guard,
		     TILE_ALIGN);
}

static inline size_t block_room(const struct wsheap_private *private, size_t extent)
{
	return extent - sizeof(struct wsheap_block) - private->guard;
}

static inline size_t block_size(const struct wsheap_block *block)
{
	return block->size & BLOCK_SIZE_MASK;
}

/* Whatever was written there, nothing wraps. */
static inline size_t block_length(const struct wsheap_private *private,
				  const struct wsheap_block *block)
{
	if (block->size & BLOCK_IS_FREE)
		return block_size(block) * TILE_ALIGN;
	return block_extent(private, block_size(block));
}

/*
 * A secret that differs for each place. Links are encoded with its bytes swapped:
 * of two neighbours the upper bytes of the address are the same, and a link would
 * show those of the key.
 */
static __always_inline unsigned long tile_mask(const struct wsheap_private *private,
					       const void *place)
{
	return private->key ^ (unsigned long)place;
}

/* What a link adds to the seal of its tile. */
static __always_inline u32 seal_link(unsigned long link)
{
	return hash_long(link, 32);
}

static inline bool debug_overrun(const struct wsheap_private *private, const void *p,
				 size_t size, size_t room)
{
	return private->guard && memchr_inv(p + size, SLUB_RED_ACTIVE, room - size);
}

/*
 * The short path: a small block comes from the quick bin of its length, and goes
 * back there. It is not for heaps that look at the bytes of freed blocks.
 */

#define SMALL_SIZE	(TILE_SMALL - sizeof(struct wsheap_block))

static __always_inline unsigned long quick_bin(size_t size)
{
	return (size + sizeof(struct wsheap_block) + TILE_ALIGN - 1) / TILE_ALIGN;
}

/*
 * Returns NULL if the first tile of the bin is not what was put there. That is
 * also so for an empty bin, because the seal of @quick_end never fits.
 */
static __always_inline void *private_alloc_quick(struct wsheap_private *private,
						 size_t size)
{
	unsigned long bin = quick_bin(size), mask, *link;
	struct wsheap_block *block;

	if (unlikely(size > SMALL_SIZE))
		return NULL;
	link = private->quick[bin];
	block = block_of(link);
	mask = tile_mask(private, link);
	/* The seal covers the link, so what it leads to is a tile as well. */
	if (unlikely(block->seal + block->size !=
		     ((u32)mask ^ seal_link(*link))))
		return NULL;
	private->quick[bin] = (void *)(*link ^ swab(mask));
	private->quick_size -= bin;
	private_charge(private, size);
	block->seal = mask - size;
	block->size = size;
	return link;
}

/* Returns whether that was a small live block. */
static __always_inline bool private_free_quick(struct wsheap_private *private,
					       void *p)
{
	struct wsheap_block *block = block_of(p);
	unsigned long bin, mask, *link = p;
	u32 size;

	/* Nor does NULL have these bits. */
	if (unlikely(!((unsigned long)p & private->look_mask)))
		return false;
	mask = tile_mask(private, p);
	size = block->size;
	if (unlikely(block->seal + size != (u32)mask || size > SMALL_SIZE))
		return false;
	bin = quick_bin(size);
	private->quick_size += bin;
	private_uncharge(private, size);
	size |= BLOCK_IS_QUICK;
	*link = (unsigned long)private->quick[bin] ^ swab(mask);
	block->seal = ((u32)mask ^ seal_link(*link)) - size;
	block->size = size;
	private->quick[bin] = link;
	return true;
}

/*
 * Regions.
 */

static inline struct wsheap_region *region_of(const struct rb_node *node)
{
	return rb_entry_safe(node, struct wsheap_region, node);
}

static inline bool region_is_dedicated(const struct wsheap_region *region)
{
	return wsheap_chunk_is_separate(&region->chunk);
}

static inline size_t region_actual(const struct wsheap_region *region)
{
	size_t actual = region->chunk.size;

	if (region_is_dedicated(region))
		actual += kmalloc_size_roundup(sizeof(*region));
	return actual;
}

static inline struct wsheap_block *region_first(const struct wsheap_region *region)
{
	return block_at(region->chunk.mem, REGION_FIRST);
}

static inline struct wsheap_block *region_end(const struct wsheap_region *region)
{
	return block_at(region->chunk.mem,
			ALIGN_DOWN(region->chunk.size, TILE_ALIGN) -
			REGION_LAST - sizeof(struct wsheap_block));
}

/* The first bin is for the shortest tile that has links. */
static inline unsigned int tile_bin(size_t length)
{
	unsigned int order;

	length = clamp_t(size_t, length, 2 * TILE_ALIGN, SZ_1M);
	order = ilog2(length);
	return (order - 5) * 16 + ((length >> (order - 4)) & 15);
}

static inline int region_compare(const void *p, const struct rb_node *node)
{
	const struct wsheap_chunk *chunk = &region_of(node)->chunk;

	if (p < chunk->mem)
		return -1;
	return p >= chunk->mem + chunk->size;
}

/* The region that an address lies in, or NULL. */
static inline struct wsheap_region *region_find(const struct wsheap_private *private,
						const void *p)
{
	return region_of(rb_find(p, &private->regions, region_compare));
}

/* private.c */
enum wsheap_mistake wsheap_private_find(struct wsheap_private *private, const void *p,
					struct wsheap_region **dedicated);

/* private_tile.c */
void wsheap_private_report(struct wsheap_private *private,
			   enum wsheap_mistake mistake,
			   const void *p, unsigned long caller);
enum tile wsheap_tile_state(const struct wsheap_private *private,
			    const struct wsheap_block *block);
enum tile wsheap_tile_next(const struct wsheap_private *private,
			   const struct wsheap_region *region,
			   struct wsheap_block **block);
struct wsheap_block *wsheap_tile_before(const struct wsheap_private *private,
					const struct wsheap_block *block);
bool __wsheap_tile_is_clean(const struct wsheap_private *private,
			    const struct wsheap_block *block, size_t length);
size_t wsheap_tile_count(const struct wsheap_private *private, enum tile tile);
void wsheap_tile_begin(struct wsheap_private *private);
void wsheap_tile_add_region(struct wsheap_private *private,
			    struct wsheap_region *region);
bool wsheap_tile_del_region(struct wsheap_private *private,
			    struct wsheap_region *region);
void *wsheap_tile_take_quick(struct wsheap_private *private,
			     const struct tile_request *req);
void *wsheap_tile_cut(struct wsheap_private *private,
		      const struct tile_request *req, bool all);
void wsheap_tile_release(struct wsheap_private *private,
			 struct wsheap_block *block);
bool wsheap_tile_resize(struct wsheap_private *private,
			struct wsheap_block *block, size_t size);
bool wsheap_tile_drain(struct wsheap_private *private, bool all);
size_t wsheap_tile_largest(const struct wsheap_private *private);

/* Without the debug mode nobody can know. */
static inline bool wsheap_tile_is_clean(const struct wsheap_private *private,
					const struct wsheap_block *block,
					size_t length)
{
	return !private->guard || __wsheap_tile_is_clean(private, block, length);
}

#endif /* _WSHEAP_PRIVATE_H */
