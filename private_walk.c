// SPDX-License-Identifier: GPL-2.0
/*
 * Inspection of private heaps: validation and the walk over everything in them.
 */

#include "private.h"

#include <linux/export.h>

/* Checks a region's tiles, and counts what it has. */
static bool region_validate(struct wsheap_private *private,
			    struct wsheap_region *region, size_t *live,
			    size_t *in_bins)
{
	struct wsheap_block *block = region_first(region);
	struct wsheap_block *end = region_end(region);

	if (region_is_dedicated(region)) {
		*live += region->chunk.used;
		return !debug_overrun(private, region->chunk.mem,
				      region->chunk.used, region->chunk.size);
	}
	while (block != end) {
		size_t length, room, links = 0;
		void *p = block + 1;

		if ((char *)block == private->open) {
			block = (void *)private->open_end;
			continue;
		}
		length = block_length(private, block);
		room = length - sizeof(*block);
		if (length > (char *)end - (char *)block)
			return false;
		switch (block_state(private, block)) {
		case BLOCK_WIDE:
			if (block_at(block, length) >= end ||
			    block_state(private, block_at(block, length)) !=
			    BLOCK_LOOSE)
				return false;
			fallthrough;
		case BLOCK_SMALL:
		case BLOCK_LARGE:
			if (debug_overrun(private, p, block->size, room))
				return false;
			*live += block->size;
			break;
		case BLOCK_FREE:
			*in_bins += 1;
			links = min(room, sizeof(struct hlist_node));
			fallthrough;
		case BLOCK_LOOSE:
			if (private->guard &&
			    memchr_inv(p + links, POISON_FREE, room - links))
				return false;
			break;
		default:
			return false;
		}
		block = block_at(block, length);
	}
	return block_state(private, end) == BLOCK_END;
}

/* A tile that a bin has a pointer to. */
static bool bin_validate(struct wsheap_private *private, const void *p,
			 size_t length)
{
	struct wsheap_region *region = region_find(private, p);

	return region && !region_is_dedicated(region) &&
	       IS_ALIGNED((unsigned long)p, TILE_ALIGN) &&
	       block_of(p) >= region_first(region) &&
	       block_of(p) < region_end(region) &&
	       block_state(private, block_of(p)) == BLOCK_FREE &&
	       (!length || block_length(private, block_of(p)) == length);
}

static bool private_validate_bins(struct wsheap_private *private, size_t left)
{
	struct hlist_node *node;
	unsigned int i;
	void *p;

	for (i = 0; i < ARRAY_SIZE(private->small); i++) {
		for (p = private->small[i]; p; p = *(void **)p)
			if (!left-- ||
			    !bin_validate(private, p, i * TILE_ALIGN))
				return false;
	}
	for (i = 0; i < LARGE_BINS; i++) {
		hlist_for_each(node, &private->large[i])
			if (!left-- || !bin_validate(private, node, 0))
				return false;
	}
	return !left;
}

static bool private_validate(struct wsheap_private *private)
{
	size_t live = 0, in_bins = 0;
	struct rb_node *node;

	for (node = rb_first(&private->regions); node; node = rb_next(node))
		if (!region_validate(private, region_of(node), &live, &in_bins))
			return false;
	if (live != private_live(private))
		return false;
	/* Until a sweep has ended, not all that is free is in a bin. */
	return private->hand || private_validate_bins(private, in_bins);
}

static bool private_validate_block(struct wsheap_private *private,
				   const void *p)
{
	struct wsheap_region *dedicated;
	struct wsheap_block *next;

	if (wsheap_private_find(private, p, &dedicated) != MISUSE_NONE)
		return false;
	if (dedicated)
		return true;
	/* What follows has a header, too, or is known to have none. */
	next = block_at(block_of(p), block_span(private, block_of(p)));
	return (char *)next == private->open ||
	       block_state(private, next) < BLOCK_STATES;
}

/**
 * wsheap_validate - tell whether a private heap or a block is sound
 * @heap: the heap.
 * @p: any address, or NULL for the whole heap.
 *
 * Equivalent of HeapValidate().
 *
 * Context: as wsheap_free(). The whole of a heap costs some instructions for
 * each block, with the heap locked.
 * Return: whether @p is a live block of the heap that was not written beyond,
 * as far as that can be seen; or whether all of the heap is sound. Reports
 * nothing.
 */
bool wsheap_validate(struct wsheap *heap, const void *p)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;
	bool sound;

	if (!wsheap_is_private(heap))
		return false;
	irq = private_enter(private);
	if (p)
		sound = private_validate_block(private, p);
	else
		sound = private_validate(private);
	private_leave(private, irq);
	return sound;
}
EXPORT_SYMBOL_NS_GPL(wsheap_validate, WSHEAP_NS);

/* The first region that ends beyond an address. */
static struct wsheap_region *region_beyond(struct wsheap_private *private,
					   const void *p)
{
	struct rb_node *node = private->regions.rb_node;
	struct wsheap_region *found = NULL;

	while (node) {
		struct wsheap_region *region = region_of(node);

		if (p < region->chunk.mem + region->chunk.size) {
			found = region;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static bool walk_is_free(struct wsheap_private *private,
			 const struct wsheap_block *block)
{
	u32 state;

	if ((char *)block == private->open)
		return true;
	state = block_state(private, block);
	return state == BLOCK_FREE || state == BLOCK_LOOSE;
}

static struct wsheap_block *walk_next(struct wsheap_private *private,
				      struct wsheap_region *region,
				      struct wsheap_block *block)
{
	if ((char *)block == private->open)
		return (void *)private->open_end;
	if (!region_has_whole(private, region, block))
		return region_end(region);
	return block_at(block, block_span(private, block));
}

/* Fills in what is at a tile; free neighbours are one. */
static void walk_tile(struct wsheap_private *private,
		      struct wsheap_region *region, struct wsheap_block *block,
		      struct wsheap_walk_entry *entry)
{
	struct wsheap_block *next = walk_next(private, region, block);
	size_t length;

	entry->kind = WSHEAP_WALK_BUSY;
	entry->address = block + 1;
	if (walk_is_free(private, block)) {
		entry->kind = WSHEAP_WALK_FREE;
		while (next < region_end(region) && walk_is_free(private, next))
			next = walk_next(private, region, next);
	}
	length = (char *)next - (char *)block;
	entry->size = entry->kind == WSHEAP_WALK_FREE ?
		      block_room(private, length) : block->size;
	entry->overhead = length - entry->size;
}

/* The first tile behind an entry, or NULL at the region's end. */
static struct wsheap_block *walk_from(struct wsheap_private *private,
				      struct wsheap_region *region,
				      const struct wsheap_walk_entry *entry)
{
	struct wsheap_block *block, *end = region_end(region);

	if (entry->kind == WSHEAP_WALK_REGION ||
	    entry->address < region->chunk.mem)
		return region_first(region);
	block = block_of(entry->address);
	if (block < region_first(region))
		return region_first(region);
	/* What was there may have been merged since. */
	if ((char *)block != private->open &&
	    block_state(private, block) >= BLOCK_END)
		block = wsheap_private_tile_at(private, region, block);
	if (!block)
		return NULL;
	if (!walk_is_free(private, block))
		return walk_next(private, region, block);
	while (block < end && walk_is_free(private, block))
		block = walk_next(private, region, block);
	return block;
}

static int private_walk(struct wsheap_private *private,
			struct wsheap_walk_entry *entry)
{
	const void *from = entry->kind ? entry->address : NULL;
	struct wsheap_region *region = region_beyond(private, from);
	bool inside = entry->kind && region && from >= region->chunk.mem;
	struct wsheap_block *block;

	if (inside && region_is_dedicated(region)) {
		if (entry->kind == WSHEAP_WALK_REGION) {
			entry->kind = WSHEAP_WALK_BUSY;
			entry->size = region->chunk.used;
			entry->overhead = region->chunk.size - entry->size;
			return 0;
		}
	} else if (inside) {
		block = walk_from(private, region, entry);
		if (block && block < region_end(region)) {
			walk_tile(private, region, block, entry);
			return 0;
		}
	}
	if (inside)
		region = region_of(rb_next(&region->node));
	if (!region)
		return -ENODATA;
	entry->kind = WSHEAP_WALK_REGION;
	entry->address = region->chunk.mem;
	entry->size = region_actual(region);
	entry->overhead = region_is_dedicated(region) ?
			  entry->size - region->chunk.size :
			  REGION_OVERHEAD;
	return 0;
}

/**
 * wsheap_walk - visit a private heap's regions, blocks and free space
 * @heap: the heap.
 * @entry: zeroed before the first call, and for the next as it was left.
 *
 * Goes by address: a region, then what is in it. The heap may change between
 * two calls. Hold wsheap_lock() to prevent that. Equivalent of HeapWalk().
 *
 * Context: as wsheap_free().
 * Return: 0 with the next @entry, -ENODATA at the end, with @entry as it was.
 */
int wsheap_walk(struct wsheap *heap, struct wsheap_walk_entry *entry)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;
	int ret;

	if (!wsheap_is_private(heap))
		return -EINVAL;
	irq = private_enter(private);
	ret = private_walk(private, entry);
	private_leave(private, irq);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_walk, WSHEAP_NS);
