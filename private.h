/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private heaps: what private.c, private_walk.c and their tests share. The
 * picture is at the head of private.c.
 */
#ifndef _WSHEAP_PRIVATE_H
#define _WSHEAP_PRIVATE_H

#include <linux/bitops.h>
#include <linux/poison.h>
#include <linux/rbtree.h>
#include <linux/sched.h>

#include "internal.h"

/* Tiles begin and end at multiples of this, headers before blocks. */
#define TILE_ALIGN	16
/* Free tiles up to this length, header included, are binned by exact length. */
#define TILE_SMALL	768
/* Longer ones are binned by magnitude. A private heap is 1 KiB with these. */
#define LARGE_BINS	42

/* The header before each block, live or free. */
struct wsheap_block {
	u32 seal;			/* the heap's key, the address, the state */
	u32 size;			/* bytes as asked for, or as could be */
};

/* The state of a block is in the part of its seal that an overrun reaches last. */
#define SEAL_SHIFT	(IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) ? 0 : 28)
#define SEAL_FREE	BIT(SEAL_SHIFT)

/* What a tile is. */
enum {
	BLOCK_SMALL,		/* A live block of a length that small[] has. */
	BLOCK_FREE,		/* In a bin, unless a sweep is under way. */
	BLOCK_LARGE,		/* A live block. */
	BLOCK_WIDE,		/* A live block that also owns the next tile. */
	BLOCK_LOOSE,		/* That next tile, or a free one in no bin. */
	BLOCK_END,		/* The end of the region. */
	BLOCK_STATES,		/* Any other state: damaged, or no tile. */
	BLOCK_NONE = 8,		/* No tile has this state. */
};

/* What can be wrong with a pointer. Each is reported once for a heap. */
enum misuse {
	MISUSE_NONE,
	MISUSE_FREED,
	MISUSE_FOREIGN,
	MISUSE_INSIDE,
	MISUSE_HEADER,
	MISUSE_OVERRUN,
	MISUSE_WRITTEN,
	MISUSE_UNKNOWN,
};

/* Whether there are short paths to allocate and free blocks. */
enum private_short {
	PRIVATE_SHORT_NONE,		/* The bytes of a block have to be looked at. */
	PRIVATE_SHORT_PLAIN,
	PRIVATE_SHORT_LOCKED,		/* With the heap's lock held. */
};

struct wsheap_private {
	struct wsheap heap;

	/* The last freed first, linked through their first bytes. */
	void *small[TILE_SMALL / TILE_ALIGN + 1];
	struct hlist_head large[LARGE_BINS];
	unsigned long large_map[BITS_TO_LONGS(LARGE_BINS)];

	u32 key;
	u32 short_key;			/* the seals of blocks freed by a short path */
	u32 look_mask;			/* see private_may_look() */
	u32 guard;			/* bytes to check behind each block */
	u32 reported;			/* which kinds of misuse */
	u32 depth;			/* how often @owner holds wsheap_lock() */
	u8 short_path;			/* enum private_short; never changes */
	bool careful;			/* the tree is asked before a header is read */
	bool thorough;			/* the sweep merges all free neighbours */
	bool freed;			/* a block was freed since the sweep began */
	bool settled;			/* all is merged, and nothing was freed since */
	bool wiping;			/* a reset wipes the initial region */
	struct rb_root regions;		/* by address */
	struct wsheap_region *initial;
	char *open;			/* start of the open range, or NULL */
	char *open_end;			/* end of the open range */
	struct wsheap_block *top;	/* never used, and not in a bin */
	size_t shared;			/* bytes of regions of many blocks */
	size_t mark;			/* live bytes and bytes in bins */
	size_t peak;			/* the most that lived, as far as known */
	size_t cut;			/* bytes cut since the last sweep */
	size_t refused;			/* the shortest tile, while settled */
	struct wsheap_region *hand_region; /* the sweep is in this region */
	char *hand;			/* next tile of the sweep, or NULL */
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

/* The offset of a region's first tile, and all that is no tile. */
#define REGION_FIRST \
	(ALIGN(sizeof(struct wsheap_region) + sizeof(struct wsheap_block), \
	       TILE_ALIGN) - sizeof(struct wsheap_block))
#define REGION_OVERHEAD	(REGION_FIRST + sizeof(struct wsheap_block))

static __always_inline struct wsheap_private *
wsheap_private(struct wsheap *heap)
{
	return container_of(heap, struct wsheap_private, heap);
}

static __always_inline bool wsheap_check_private(const struct wsheap *heap,
						 const char *function,
						 unsigned long caller)
{
	if (likely(heap->path == WSHEAP_PATH_PRIVATE))
		return true;
	wsheap_report_kind(heap, function, caller);
	return false;
}

/* For functions that drivers call: reports a call on a message heap. */
#define wsheap_is_private(heap) wsheap_check_private(heap, __func__, _RET_IP_)

static __always_inline u32 block_key(u32 key, const void *p)
{
	return key ^ (u32)(unsigned long)p;
}

/* The state as it appears in a seal. */
static inline u32 block_bits(u32 state)
{
	return state << SEAL_SHIFT;
}

static inline bool private_is_fixed(const struct wsheap_private *private)
{
	return private->heap.max_size != WSHEAP_UNLIMITED;
}

static inline size_t private_live(const struct wsheap_private *private)
{
	return private->heap.max_size - private->heap.left;
}

/* The holder of wsheap_lock() calls. Only the caller itself can change that. */
static inline bool private_nested(const struct wsheap_private *private)
{
	return READ_ONCE(private->owner) == current;
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

static inline struct wsheap_block *block_of(const void *p)
{
	return (struct wsheap_block *)p - 1;
}

static inline struct wsheap_block *block_at(const void *block, size_t offset)
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

static inline size_t block_length(const struct wsheap_private *private,
				  const struct wsheap_block *block)
{
	/* Whatever was written there, the sum does not wrap. */
	return block_extent(private, min_t(size_t, block->size, INT_MAX));
}

static inline u32 block_state(const struct wsheap_private *private,
			      const struct wsheap_block *block)
{
	return ror32(block->seal ^ block_key(private->key, block + 1),
		     SEAL_SHIFT);
}

static inline void block_seal(const struct wsheap_private *private,
			      struct wsheap_block *block, u32 state, size_t size)
{
	block->seal = block_key(private->key, block + 1) ^ block_bits(state);
	block->size = size;
}

static inline void block_seal_live(const struct wsheap_private *private,
				   struct wsheap_block *block, size_t size)
{
	bool small = block_extent(private, size) <= TILE_SMALL;

	block_seal(private, block, small ? BLOCK_SMALL : BLOCK_LARGE, size);
}

static inline bool block_is_live(u32 state)
{
	return state == BLOCK_SMALL || state == BLOCK_LARGE ||
	       state == BLOCK_WIDE;
}

/* Whether the tail of a wide block is sound. */
static inline bool block_has_tail(const struct wsheap_private *private,
				  const struct wsheap_block *block)
{
	size_t length = block_length(private, block);

	return block_state(private, block_at(block, length)) == BLOCK_LOOSE;
}

/* The length of a block with all that belongs to it. */
static inline size_t block_span(const struct wsheap_private *private,
				const struct wsheap_block *block)
{
	size_t length = block_length(private, block);

	if (block_state(private, block) == BLOCK_WIDE &&
	    block_has_tail(private, block))
		length += block_length(private, block_at(block, length));
	return length;
}

static inline bool debug_overrun(const struct wsheap_private *private, const void *p,
				 size_t size, size_t room)
{
	return private->guard && memchr_inv(p + size, SLUB_RED_ACTIVE, room - size);
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
			sizeof(struct wsheap_block));
}

/*
 * Tells whether a tile ends in its region, so that a size that was overwritten is
 * not followed. On 32-bit, an address beyond such a size may wrap, so lengths are
 * compared.
 */
static inline bool region_has_whole(const struct wsheap_private *private,
				    const struct wsheap_region *region,
				    const struct wsheap_block *block)
{
	size_t most = (char *)region_end(region) - (char *)block;

	return block_length(private, block) <= most &&
	       block_span(private, block) <= most;
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
extern bool wsheap_private_debug;
void wsheap_private_report(struct wsheap_private *private, enum misuse misuse,
			   const void *p, unsigned long caller);
struct wsheap_block *wsheap_private_tile_at(struct wsheap_private *private,
					    struct wsheap_region *region,
					    const void *p);
enum misuse wsheap_private_find(struct wsheap_private *private, const void *p,
				struct wsheap_region **dedicated);

#endif /* _WSHEAP_PRIVATE_H */
