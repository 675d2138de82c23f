// SPDX-License-Identifier: GPL-2.0
/*
 * Inspection of private heaps: validation and the walk over everything in them.
 */

#include "private.h"

#include <linux/export.h>

/**
 * struct census - what the regions of a heap have
 * @live: bytes that the live blocks asked for.
 * @small: bytes of small tiles.
 * @quick: quick tiles.
 * @free: free tiles, but slivers.
 */
struct census {
	size_t live, small, quick, free;
};

/* Checks a region's tiles, and counts them. */
static bool region_validate(const struct wsheap_private *private,
			    const struct wsheap_region *region,
			    struct census *census)
{
	struct wsheap_block *block, *next, *end, *before = NULL;
	size_t length, live;
	enum tile tile;

	if (region_is_dedicated(region)) {
		census->live += region->chunk.used;
		return !debug_overrun(private, region->chunk.mem,
				      region->chunk.used, region->chunk.size);
	}
	end = region_end(region);
	for (block = region_first(region); block < end; block = next) {
		next = block;
		tile = wsheap_tile_next(private, region, &next);
		length = (char *)next - (char *)block;
		live = tile == TILE_LIVE ? block_size(block) : 0;
		if (tile == TILE_DAMAGED ||
		    wsheap_tile_before(private, block) != before ||
		    (before && tile == TILE_FREE) ||
		    (tile == TILE_LIVE &&
		     debug_overrun(private, block + 1, live,
				   length - sizeof(*block))) ||
		    ((tile == TILE_QUICK || tile == TILE_FREE) &&
		     !wsheap_tile_is_clean(private, block, length)))
			return false;
		before = tile == TILE_FREE ? block : NULL;
		census->live += live;
		census->quick += tile == TILE_QUICK;
		census->free += tile == TILE_FREE && length > TILE_ALIGN;
		if (tile != TILE_FREE && length <= TILE_SMALL)
			census->small += length;
	}
	return wsheap_tile_state(private, end) == TILE_END &&
	       wsheap_tile_before(private, end) == before;
}

static bool private_validate(const struct wsheap_private *private)
{
	struct census census = {};
	struct rb_node *node;

	for (node = rb_first(&private->regions); node; node = rb_next(node))
		if (!region_validate(private, region_of(node), &census))
			return false;
	return census.live == private_live(private) &&
	       census.small == private->small &&
	       census.quick == wsheap_tile_count(private, TILE_QUICK) &&
	       census.free == wsheap_tile_count(private, TILE_FREE);
}

static bool private_validate_block(struct wsheap_private *private,
				   const void *p)
{
	struct wsheap_region *dedicated;
	struct wsheap_block *next;

	if (wsheap_private_find(private, p, &dedicated) != MISTAKE_NONE)
		return false;
	if (dedicated)
		return true;
	/* What follows has a header, too. */
	next = block_at(block_of(p), block_length(private, block_of(p)));
	return wsheap_tile_state(private, next) != TILE_DAMAGED;
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
	void *place = (void *)p;
	unsigned long irq;
	bool sound;

	if (!wsheap_is_private(heap))
		return false;
	if (!private_claim(private, _RET_IP_))
		return false;
	irq = private_enter(private);
	if (p && unlikely(heap->debug) &&
	    wsheap_debug_find(heap, p, &place) != MISTAKE_NONE)
		sound = false;
	else if (p)
		sound = private_validate_block(private, place);
	else
		sound = private_validate(private);
	private_leave(private, irq);
	private_unclaim(private);
	return sound;
}
EXPORT_SYMBOL_NS_GPL(wsheap_validate, WSHEAP_NS);

/* The first region that ends beyond an address. */
static struct wsheap_region *region_beyond(const struct wsheap_private *private,
					   const void *p)
{
	struct rb_node *node = private->regions.rb_node;
	struct wsheap_region *region, *found = NULL;

	while ((region = region_of(node))) {
		if (p < region->chunk.mem + region->chunk.size) {
			found = region;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/*
 * Goes on from a tile, and tells whether that is in use. All tiles that are not are
 * taken together.
 */
static bool walk_step(const struct wsheap_private *private,
		      const struct wsheap_region *region,
		      struct wsheap_block **block)
{
	enum tile tile = wsheap_tile_next(private, region, block);
	struct wsheap_block *next = *block;

	if (tile == TILE_LIVE || tile == TILE_DAMAGED)
		return true;
	while (next < region_end(region)) {
		tile = wsheap_tile_next(private, region, &next);
		if (tile == TILE_LIVE || tile == TILE_DAMAGED)
			break;
		*block = next;
	}
	return false;
}

/* The first tile behind an entry, or the region's end. */
static struct wsheap_block *walk_from(const struct wsheap_private *private,
				      const struct wsheap_region *region,
				      const struct wsheap_walk_entry *entry)
{
	struct wsheap_block *from = block_of(entry->address);
	struct wsheap_block *block = region_first(region);

	if (entry->kind == WSHEAP_WALK_REGION || from < block ||
	    from >= region_end(region))
		return from < region_end(region) ? block : region_end(region);
	/* What was there may have been merged since. */
	if (wsheap_tile_state(private, from) != TILE_DAMAGED)
		block = from;
	while (block <= from)
		walk_step(private, region, &block);
	return block;
}

/* Fills in what is at a tile. */
static void walk_tile(const struct wsheap_private *private,
		      const struct wsheap_region *region,
		      struct wsheap_block *block, struct wsheap_walk_entry *entry)
{
	struct wsheap_block *next = block;
	bool busy = walk_step(private, region, &next);
	size_t length = (char *)next - (char *)block;

	entry->kind = busy ? WSHEAP_WALK_BUSY : WSHEAP_WALK_FREE;
	entry->address = block + 1;
	entry->size = busy ? block_size(block) : block_room(private, length);
	entry->overhead = length - entry->size;
}

static int private_walk(const struct wsheap_private *private,
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
		if (block < region_end(region)) {
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
 * Return: 0 with the next @entry, -ENODATA at the end, with @entry as it was; -EINVAL
 * for a message heap, or if another call is under way in a heap that takes no lock.
 */
int wsheap_walk(struct wsheap *heap, struct wsheap_walk_entry *entry)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;
	int ret;

	if (!wsheap_is_private(heap))
		return -EINVAL;
	if (!private_claim(private, _RET_IP_))
		return -EINVAL;
	irq = private_enter(private);
	/* Goes by places, and shows what the caller has. */
	if (unlikely(heap->debug) && entry->kind == WSHEAP_WALK_BUSY)
		entry->address = wsheap_debug_place(heap, entry->address);
	ret = private_walk(private, entry);
	if (unlikely(heap->debug) && entry->kind == WSHEAP_WALK_BUSY)
		entry->address = wsheap_debug_address(heap, entry->address);
	private_leave(private, irq);
	private_unclaim(private);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_walk, WSHEAP_NS);
