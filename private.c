// SPDX-License-Identifier: GPL-2.0
/*
 * Private heaps, whose blocks are freed and resized one by one.
 *
 *	regions   a tree, by address
 *
 *	region | header | B block | B block | B free | open ... | B top ... | B |
 *	                                              ^ open     ^ open_end  end
 *
 *	small[]   extent 16, 32, ... TILE_SMALL: B free --> B free
 *	large[]   by magnitude:                    B free <-> B free
 *
 * A region is a chunk whose memory is tiled with blocks, live and free. Each has
 * a header (B) and no more: the size, from which its extent follows, and a seal
 * made of the heap's key, the address, and the state. So the tiles can be
 * followed from a region's beginning to the mark at its end, and that is how
 * blocks are walked, validated and merged. No memory but a header has the seal
 * of its address: one that goes is wiped, and a reset changes the key. Hence a
 * block that was freed, or is another heap's, is known by its seal, and so is a
 * header that an overrun has reached.
 *
 * What is freed goes to a bin as it is, and the next block of that size takes it:
 * this is the short path, both ways. Otherwise small blocks are cut one after
 * the other from the open range, the one free part that has no header; it is an
 * area of PRIVATE_AREA bytes, so that small blocks lie together and leave room
 * for large ones elsewhere. Areas and large blocks come from the top, which is
 * what the newest region has that was never used.
 *
 * A tile keeps its extent, since blocks of its size are wanted again. One that
 * is a little longer than its block is not split either, nor one whose block
 * has shrunk a little: the block is wide then, and the tile behind it is its
 * tail. Only when much is free (private_is_slack()) are tiles split and merged.
 *
 * Merging is the work of a sweep, when a heap would have to grow though much is
 * free, or to refuse, or in wsheap_compact(). It empties the bins, follows the
 * tiles, and fills the bins with what it finds. It goes by slices: the lock is
 * let go between them, and what is freed ahead of its hand meanwhile stays out
 * of the bins until it comes there. After a thorough one, nothing is merged that
 * could be, and the heap is settled: it does not look again before something is
 * freed, for which frees take the long path once.
 *
 * In a heap that may grow, a block that does not fit an extent of
 * PRIVATE_SHARED has a dedicated region with a separate header: the memory is
 * just what was asked for, at the beginning of a page, and goes back to the
 * system as soon as it is freed. The short paths do not look before the beginning
 * of a page, where nothing may be, nor anywhere once a region from vmalloc went
 * back (careful): the tree is asked first. So a pointer to what is no more is
 * reported, and not followed.
 *
 * The debug mode has a byte to check behind each block, and fills what is free.
 * A heap in that mode never takes a short path.
 */

#include "private.h"

#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/once_lite.h>
#include <linux/random.h>
#include <linux/ratelimit.h>

/* Larger blocks of a growing heap have memory of their own. */
#define PRIVATE_SHARED		SZ_32K
/* The part of itself that a heap grows by. */
#define PRIVATE_GROWTH_PART	64
/* Less than this is not worth any effort. */
#define PRIVATE_SLACK		SZ_32K
/* There is no other sweep before such a part of the heap was cut into blocks. */
#define PRIVATE_SWEEP_PART	256
/* A block may have such a part more than it needs rather than be split. */
#define PRIVATE_WASTE		8
/* Small blocks lie together in areas of this size. */
#define PRIVATE_AREA		SZ_4K
/* Tiles that a sweep looks at before it lets others have the lock; not one. */
#define PRIVATE_SLICE		512
/* Tiles of large bins that are tried before the heap looks elsewhere. */
#define PRIVATE_TRIED		8

static const char * const misuse_text[] = {
	[MISUSE_FREED]		= "is already free",
	[MISUSE_FOREIGN]	= "does not belong to this heap",
	[MISUSE_INSIDE]		= "is not the start of a block",
	[MISUSE_HEADER]		= "has a corrupted header",
	[MISUSE_OVERRUN]	= "was written past its end",
	[MISUSE_WRITTEN]	= "was written to while it was free",
};

bool wsheap_private_debug =
	IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_SLUB_DEBUG_ON) ||
	IS_ENABLED(CONFIG_DEBUG_PAGEALLOC) || IS_ENABLED(CONFIG_LOCKDEP) ||
	IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP);
module_param_named(debug, wsheap_private_debug, bool, 0644);
MODULE_PARM_DESC(debug, "Detect overruns by a byte and writes to freed blocks in private heaps created from now on");

void wsheap_private_report(struct wsheap_private *private, enum misuse misuse,
			   const void *p, unsigned long caller)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_private_report, private, misuse, p, caller);

	if (private->reported & BIT(misuse))
		return;
	private->reported |= BIT(misuse);
	pr_err("heap %s: block %p %s; called from %pS\n", private->heap.name, p,
	       misuse_text[misuse], (void *)caller);
}

/*
 * A short path to free a block is taken if the key for it is the heap's, and if
 * the mask lets the header be looked at: what lies before a page may not be
 * there, nor what a careful heap gave back.
 */
static void private_set_short_paths(struct wsheap_private *private)
{
	bool none = private->careful || private->hand || private->settled ||
		    want_init_on_free();

	WRITE_ONCE(private->short_key,
		   private->key ^ block_bits(none ? BLOCK_NONE : 0));
	WRITE_ONCE(private->look_mask,
		   private->careful ? 0 : PAGE_SIZE - WSHEAP_MIN_ALIGN);
}

/* Something was freed: what was refused before may fit now. */
static void private_unsettle(struct wsheap_private *private)
{
	private->freed = true;
	if (private->settled) {
		private->settled = false;
		private_set_short_paths(private);
	}
}

/* A block of @extent bytes, of which the last are a tile that belongs to it. */
static void block_seal_wide(const struct wsheap_private *private,
			    struct wsheap_block *block, size_t size,
			    size_t extent)
{
	size_t length = block_extent(private, size);
	struct wsheap_block *tail = block_at(block, length);

	if (length == extent)
		return block_seal_live(private, block, size);
	block_seal(private, block, BLOCK_WIDE, size);
	block_seal(private, tail, BLOCK_LOOSE,
		   block_room(private, extent - length));
}

/* A free tile is no more, and what a free one has to begin with goes. */
static void block_wipe(const struct wsheap_private *private,
		       struct wsheap_block *block, size_t extent)
{
	extent = min(extent, sizeof(*block) + sizeof(struct hlist_node));
	if (private->guard)
		memset(block, POISON_FREE, extent);
	else if (want_init_on_free())
		memset(block, 0, extent);
	else
		block->seal = 0;
}

/*
 * The debug mode. All that is free is filled, but for headers and the links
 * behind them, and so are the bytes behind each block.
 */

static void debug_fill_free(const struct wsheap_private *private, void *from,
			    size_t size)
{
	if (private->guard)
		memset(from, POISON_FREE, size);
}

static void debug_fill_behind(const struct wsheap_private *private, void *p,
			      size_t size, size_t room)
{
	if (private->guard)
		memset(p + size, SLUB_RED_ACTIVE, room - size);
}

static bool region_less(struct rb_node *a, const struct rb_node *b)
{
	return region_of(a)->chunk.mem < region_of(b)->chunk.mem;
}

static void region_add(struct wsheap_private *private,
		       struct wsheap_region *region)
{
	rb_add(&region->node, &private->regions, region_less);
	private->heap.actual += region_actual(region);
	if (!region_is_dedicated(region))
		private->shared += region->chunk.size;
}

/* @drop is for wsheap_chunk_release_all(). */
static void region_drop(struct wsheap_private *private,
			struct wsheap_region *region, struct wsheap_chunk **drop)
{
	bool mapped = is_vmalloc_addr(region->chunk.mem);

	rb_erase(&region->node, &private->regions);
	private->heap.actual -= region_actual(region);
	if (!region_is_dedicated(region)) {
		private->shared -= region->chunk.size;
		/* From here on, what lies before a pointer may not be there. */
		if (mapped)
			private->careful = true;
	}
	region->chunk.next = *drop;
	*drop = &region->chunk;
}

/*
 * Bins and the open range.
 */

/* Four bins for each doubling. The last one has all above, too. */
#define BIN_FIRST \
	(ilog2(TILE_SMALL) * 4 + \
	 ((TILE_SMALL >> (ilog2(TILE_SMALL) - 2)) & 3))

static unsigned int bin_of(size_t extent)
{
	unsigned int order = ilog2(extent);
	unsigned int bin = order * 4 + ((extent >> (order - 2)) & 3);

	return min_t(unsigned int, bin - BIN_FIRST, LARGE_BINS - 1);
}

static void bin_add(struct wsheap_private *private, struct wsheap_block *block,
		    size_t extent)
{
	void *p = block + 1;

	block_seal(private, block, BLOCK_FREE, block_room(private, extent));
	if (extent <= TILE_SMALL) {
		void **bin = &private->small[extent / TILE_ALIGN];

		*(void **)p = *bin;
		*bin = p;
	} else {
		unsigned int bin = bin_of(extent);

		hlist_add_head(p, &private->large[bin]);
		__set_bit(bin, private->large_map);
	}
}

static void bin_del_large(struct wsheap_private *private,
			  struct wsheap_block *block)
{
	unsigned int bin = bin_of(block_length(private, block));

	__hlist_del((struct hlist_node *)(block + 1));
	if (hlist_empty(&private->large[bin]))
		__clear_bit(bin, private->large_map);
}

/* Whether a sweep under way will come to a tile. What it left is in bins. */
static bool private_is_ahead(const struct wsheap_private *private,
			     const struct wsheap_block *block)
{
	return private->hand && (char *)block >= private->hand;
}

/*
 * What points to a small free tile in its bin, if that is among the last that
 * were freed. There is no way back from a tile.
 */
static void **bin_link(struct wsheap_private *private,
		       const struct wsheap_block *block)
{
	size_t extent = block_length(private, block);
	unsigned int left = PRIVATE_TRIED;
	void **link = &private->small[extent / TILE_ALIGN];

	while (*link && *link != block + 1 && left--)
		link = *link;
	return *link == block + 1 ? link : NULL;
}

/* Whether a tile can be taken out of its bin. */
static bool bin_may_del(struct wsheap_private *private,
			const struct wsheap_block *block)
{
	if (private_is_ahead(private, block))
		return true;	/* it is in none */
	/* Nor are those of a region that a sweep left alone. */
	if (private->reported & BIT(MISUSE_HEADER))
		return false;
	return block_length(private, block) > TILE_SMALL ||
	       bin_link(private, block);
}

static void bin_del(struct wsheap_private *private, struct wsheap_block *block)
{
	if (block_length(private, block) > TILE_SMALL)
		bin_del_large(private, block);
	else
		*bin_link(private, block) = *(void **)(block + 1);
}

static void private_give(struct wsheap_private *private,
			 struct wsheap_block *block, size_t extent)
{
	if (private_is_ahead(private, block))
		block_seal(private, block, BLOCK_LOOSE,
			   block_room(private, extent));
	else
		bin_add(private, block, extent);
}

static void private_close(struct wsheap_private *private)
{
	struct wsheap_block *block = (void *)private->open;
	size_t extent = private->open_end - private->open;

	private->open = NULL;
	private->open_end = NULL;
	if (!extent)
		return;
	private_give(private, block, extent);
	private->mark += extent;
}

static void private_open(struct wsheap_private *private,
			 struct wsheap_block *block, size_t extent)
{
	private_close(private);
	private->open = (char *)block;
	private->open_end = private->open + extent;
}

static void private_set_top(struct wsheap_private *private,
			    struct wsheap_block *block, size_t length)
{
	private->top = block;
	block_seal(private, block, BLOCK_LOOSE, block_room(private, length));
}

/* Makes a live block of free memory. */
static void *private_make(struct wsheap_private *private,
			  struct wsheap_block *block, size_t size,
			  size_t extent, unsigned long caller)
{
	size_t room = block_extent(private, size) - sizeof(*block);
	void *p = block + 1;

	if (private->guard) {
		if (memchr_inv(p, POISON_FREE, room))
			wsheap_private_report(private, MISUSE_WRITTEN, p, caller);
		memset(p, POISON_INUSE, size);
		debug_fill_behind(private, p, size, room);
	} else if (want_init_on_free()) {
		/* The links of a free one, which lead to others. */
		memset(p, 0, min(room, sizeof(struct hlist_node)));
	}
	block_seal_wide(private, block, size, extent);
	private->heap.left -= size;
	return p;
}

/* What a call asks for. */
struct request {
	size_t size;		/* bytes */
	size_t extent;		/* the same as a tile */
	size_t align;		/* TILE_ALIGN at least */
	gfp_t gfp;
	unsigned long caller;
};

/*
 * What a block leaves out at the beginning of free memory, for its alignment. One
 * that begins a page is better avoided: there is no short path to free it.
 */
static size_t private_pad(const struct wsheap_block *block, size_t length,
			  const struct request *req)
{
	const char *p = (const char *)(block + 1);

	if (req->align == TILE_ALIGN && !offset_in_page(p) &&
	    req->extent < length)
		return TILE_ALIGN;
	return PTR_ALIGN(p, req->align) - p;
}

/* That is too short to be of use, or to have an alignment of its own. */
static void private_give_pad(struct wsheap_private *private,
			     struct wsheap_block *block, size_t pad)
{
	if (pad > TILE_ALIGN)
		private_give(private, block, pad);
	else if (pad)
		block_seal(private, block, BLOCK_LOOSE,
			   block_room(private, pad));
}

/* Makes a live block of a part of free memory, which is in no bin any more. */
static void *private_split(struct wsheap_private *private,
			   struct wsheap_block *block, size_t length,
			   const struct request *req)
{
	struct wsheap_block *rest;
	size_t pad = private_pad(block, length, req);

	block_wipe(private, block, length);
	private_give_pad(private, block, pad);
	block = block_at(block, pad);
	length -= pad;
	rest = block_at(block, req->extent);
	/* What is little in comparison stays with it, for the next of that size. */
	if (length - req->extent > length / PRIVATE_WASTE) {
		private_give(private, rest, length - req->extent);
		length = req->extent;
	}
	private->cut += length;
	return private_make(private, block, req->size, length, req->caller);
}

/*
 * A free tile of the size; or, if there are too many of others, of one of the
 * next, which it stays: there is no short path to free that one.
 */
static void *private_cut_small(struct wsheap_private *private,
			       const struct request *req, bool others)
{
	size_t bin = req->extent / TILE_ALIGN, last = bin;
	void *p;

	if (others)
		last = min_t(size_t, bin + 1 + bin / 2,
			     ARRAY_SIZE(private->small) - 1);
	for (; bin <= last; bin++) {
		p = private->small[bin];
		if (!p)
			continue;
		private->small[bin] = *(void **)p;
		block_wipe(private, block_of(p), bin * TILE_ALIGN);
		return private_make(private, block_of(p), req->size,
				    bin * TILE_ALIGN, req->caller);
	}
	return NULL;
}

static void *private_cut_open(struct wsheap_private *private,
			      const struct request *req)
{
	struct wsheap_block *block = (void *)private->open;
	size_t length = private->open_end - private->open;
	size_t pad;

	if (!length)
		return NULL;
	pad = private_pad(block, length, req);
	if (pad > length || req->extent > length - pad)
		return NULL;
	private->open += pad + req->extent;
	if (private->open == private->open_end) {
		private->open = NULL;
		private->open_end = NULL;
	}
	private->mark += req->size;
	private->cut += req->extent;
	private_give_pad(private, block, pad);
	return private_make(private, block_at(block, pad), req->size,
			    req->extent, req->caller);
}

/* Whether a request fits a free tile, and wastes no more than @most. */
static bool private_fits(const struct wsheap_private *private,
			 const struct wsheap_block *block, size_t most,
			 const struct request *req)
{
	size_t length = block_length(private, block);
	size_t need = private_pad(block, length, req) + req->extent;

	return need <= length && length - need <= most;
}

/*
 * Takes a large free tile that a block fits out of its bin. A bin's tiles are
 * not all as long as the longest, so not all of them are tried, unless the heap
 * would have to refuse. Without @split, nothing much longer than the block.
 */
static struct wsheap_block *private_find_large(struct wsheap_private *private,
					       const struct request *req,
					       bool split, bool thorough)
{
	unsigned int bin = bin_of(max_t(size_t, req->extent, TILE_SMALL));
	unsigned int left = thorough ? UINT_MAX : PRIVATE_TRIED;
	size_t most = split ? SIZE_MAX : req->extent / PRIVATE_WASTE;
	struct hlist_node *node;

	for_each_set_bit_from(bin, private->large_map, LARGE_BINS) {
		hlist_for_each(node, &private->large[bin]) {
			if (private_fits(private, block_of(node), most, req)) {
				bin_del_large(private, block_of(node));
				return block_of(node);
			}
			if (!left--)
				return NULL;
		}
	}
	return NULL;
}

/* As private_find_large(), from the bins of small tiles. */
static struct wsheap_block *private_find_small(struct wsheap_private *private,
					       const struct request *req)
{
	size_t bin = req->extent / TILE_ALIGN;
	void **link, *p;

	for (; bin < ARRAY_SIZE(private->small); bin++) {
		for (link = &private->small[bin]; (p = *link); link = p) {
			if (private_fits(private, block_of(p), SIZE_MAX, req)) {
				*link = *(void **)p;
				return block_of(p);
			}
		}
	}
	return NULL;
}

/* Cuts a large block, or room for small ones, from what was never used. */
static struct wsheap_block *private_cut_top(struct wsheap_private *private,
					    size_t length)
{
	struct wsheap_block *block = private->top;
	size_t left;

	if (!block)
		return NULL;
	left = block_length(private, block);
	if (length > left)
		return NULL;
	block_wipe(private, block, left);
	left -= length;
	private->top = NULL;
	if (left)
		private_set_top(private, block_at(block, length), left);
	return block;
}

/* Small blocks get a part of free memory to themselves. */
static void private_open_area(struct wsheap_private *private,
			      struct wsheap_block *block, size_t length,
			      const struct request *req)
{
	size_t need = private_pad(block, length, req) + req->extent;
	size_t area = min_t(size_t, length, max_t(size_t, need, PRIVATE_AREA));

	block_wipe(private, block, length);
	private_open(private, block, area);
	if (length > area) {
		private_give(private, block_at(block, area), length - area);
		private->mark += length - area;
	}
}

/*
 * Whether more is free than blocks of the same sizes will want again: so much
 * that a quarter of the most that ever lived would still be free then. Until
 * then a tile is better left as it is, for the next block of its size.
 */
static bool private_is_slack(struct wsheap_private *private)
{
	size_t live = private_live(private);

	private->peak = max(private->peak, live);
	return (ssize_t)(private->mark - private->peak) >=
	       (ssize_t)max_t(size_t, private->peak / 4, PRIVATE_SLACK);
}

/* Opens an area for small blocks, and cuts the first. */
static void *private_cut_area(struct wsheap_private *private,
			      const struct request *req, bool split,
			      bool thorough)
{
	size_t most = req->extent + req->align - TILE_ALIGN;
	struct wsheap_block *block = NULL;
	size_t length;

	if (thorough)
		block = private_find_small(private, req);
	if (!block && split)
		block = private_find_large(private, req, true, thorough);
	if (block) {
		length = block_length(private, block);
		private->mark -= length;
		private_open_area(private, block, length, req);
	} else {
		length = PRIVATE_AREA;
		block = private_cut_top(private, length);
		if (!block) {
			length = most;
			block = private_cut_top(private, length);
		}
		if (!block)
			return NULL;
		private_open(private, block, length);
	}
	return private_cut_open(private, req);
}

/* Cuts a block from what the heap holds. */
static void *private_cut(struct wsheap_private *private,
			 const struct request *req, bool thorough)
{
	size_t most = req->extent + req->align - TILE_ALIGN;
	bool split = thorough || private_is_slack(private);
	bool small = most <= TILE_SMALL;
	struct wsheap_block *block;
	void *p = NULL;

	if (req->align == TILE_ALIGN && small)
		p = private_cut_small(private, req, split);
	if (!p && small)
		p = private_cut_open(private, req);
	if (!p && small)
		p = private_cut_area(private, req, split, thorough);
	if (p || small)
		return p;

	block = private_find_large(private, req, split, thorough);
	if (!block && thorough)
		block = private_find_small(private, req);
	if (block)
		return private_split(private, block,
				     block_length(private, block), req);
	block = private_cut_top(private, most);
	if (!block)
		return NULL;
	private->mark += most;
	return private_split(private, block, most, req);
}

/*
 * The sweep.
 */

/* Makes one loose tile of free neighbours. */
static void sweep_merge(struct wsheap_private *private,
			struct wsheap_block *run, size_t length)
{
	struct wsheap_block *block = run, *end = block_at(run, length), *next;

	for (; block < end; block = next) {
		next = block_at(block, block_length(private, block));
		block_wipe(private, block, (char *)next - (char *)block);
	}
	block_seal(private, run, BLOCK_LOOSE, block_room(private, length));
}

/* A region that is one free tile goes back, if the heap is to shrink. */
static bool sweep_drop(struct wsheap_private *private,
		       struct wsheap_block *run, size_t length,
		       struct wsheap_chunk **drop)
{
	struct wsheap_region *region = private->hand_region;

	if (!private->thorough || region == private->initial ||
	    run != region_first(region) ||
	    block_at(run, length) != region_end(region))
		return false;
	/* The memory may come back, and is not to be taken for tiles then. */
	sweep_merge(private, run, length);
	block_wipe(private, run, length);
	block_wipe(private, region_end(region), sizeof(*run));
	region_drop(private, region, drop);
	return true;
}

/*
 * Puts free neighbours into bins: as one, or as they are, if together they would
 * be but another small size. A heap's small blocks have few sizes, and those
 * free now are wanted again.
 */
static void sweep_flush(struct wsheap_private *private,
			struct wsheap_block *run, size_t *length)
{
	struct wsheap_block *block = run, *end = block_at(run, *length), *next;

	if (!*length)
		return;
	if (private->thorough || *length > TILE_SMALL)
		sweep_merge(private, run, *length);
	for (; block < end; block = next) {
		next = block_at(block, block_length(private, block));
		bin_add(private, block, (char *)next - (char *)block);
	}
	private->mark += *length;
	*length = 0;
}

static struct wsheap_region *sweep_next(struct rb_node *node)
{
	while (node && region_is_dedicated(region_of(node)))
		node = rb_next(node);
	return region_of(node);
}

static void sweep_begin(struct wsheap_private *private, bool thorough)
{
	private->thorough = thorough;
	private->freed = false;
	private->hand_region = sweep_next(rb_first(&private->regions));
	private->hand = (char *)region_first(private->hand_region);
	private_close(private);
	private->top = NULL;
	memset(private->small, 0, sizeof(private->small));
	memset(private->large, 0, sizeof(private->large));
	bitmap_zero(private->large_map, LARGE_BINS);
	private->mark = private_live(private);
	private->cut = 0;
	private_set_short_paths(private);
}

static bool sweep_end(struct wsheap_private *private)
{
	private->hand = NULL;
	private->settled = private->thorough && !private->freed;
	private->refused = SIZE_MAX;
	private_set_short_paths(private);
	return true;
}

/*
 * Goes on from the hand for a while. Returns whether the sweep has ended. Between
 * two slices the hand points to a tile.
 */
static bool sweep_slice(struct wsheap_private *private,
			struct wsheap_chunk **drop)
{
	struct wsheap_block *block = (void *)private->hand, *run = block;
	struct wsheap_region *region = private->hand_region, *next;
	unsigned int left = PRIVATE_SLICE;
	size_t length = 0;
	u32 state;

	if (!private->hand)
		return true;
	while (left--) {
		if ((char *)block == private->open) {
			sweep_flush(private, run, &length);
			block = (void *)private->open_end;
			run = block;
		}
		state = block_state(private, block);
		if (state < BLOCK_END &&
		    !region_has_whole(private, region, block))
			state = BLOCK_STATES;
		if (state < BLOCK_END) {
			if (state == BLOCK_FREE || state == BLOCK_LOOSE) {
				/* Of a region that came since. */
				if (block == private->top)
					private->top = NULL;
				length += block_length(private, block);
				block = block_at(run, length);
				continue;
			}
			sweep_flush(private, run, &length);
			block = block_at(block, block_span(private, block));
			run = block;
			continue;
		}
		/* The rest of a damaged region is left alone. */
		if (state != BLOCK_END)
			wsheap_private_report(private, MISUSE_HEADER, block + 1,
					      _RET_IP_);
		next = sweep_next(rb_next(&region->node));
		if (state != BLOCK_END ||
		    !sweep_drop(private, run, length, drop))
			sweep_flush(private, run, &length);
		length = 0;
		region = next;
		private->hand_region = region;
		if (!region)
			return sweep_end(private);
		block = region_first(region);
		run = block;
	}
	/* A run that goes on is looked at again, unless it is a whole slice. */
	if (length && (char *)run == private->hand)
		sweep_merge(private, run, length);
	private->hand = (char *)run;
	return false;
}

/*
 * Merges all free neighbours. With the lock let go in between, others may come
 * and do a part of it, or all.
 */
static void private_sweep(struct wsheap_private *private, bool thorough,
			  gfp_t gfp, unsigned long *irq,
			  struct wsheap_chunk **drop)
	__must_hold(&private->heap.lock)
{
	bool joined;

	do {
		joined = private->hand;
		if (!joined) {
			/* A reset may be wiping the only region. */
			if (!sweep_next(rb_first(&private->regions)))
				return;
			sweep_begin(private, thorough);
		}
		while (!sweep_slice(private, drop)) {
			private_leave(private, *irq);
			if (gfpflags_allow_blocking(gfp) &&
			    !private_nested(private))
				cond_resched();
			*irq = private_enter(private);
		}
	} while (joined && thorough);
}

/* Whether a sweep is worth it: not for what little has changed since the last. */
static bool private_sweep_due(struct wsheap_private *private)
{
	return private_is_slack(private) &&
	       private->cut >= private->shared / PRIVATE_SWEEP_PART;
}

/*
 * Memory from the system.
 */

static void region_tile(struct wsheap_private *private,
			struct wsheap_region *region)
{
	struct wsheap_block *first = region_first(region);
	struct wsheap_block *end = region_end(region);
	size_t length = (char *)end - (char *)first;

	block_seal(private, end, BLOCK_END, 0);
	debug_fill_free(private, first, length);
	if (private->top) {
		private_give(private, private->top,
			     block_length(private, private->top));
		private->mark += block_length(private, private->top);
	}
	private_set_top(private, first, length);
}

static bool private_has_room(const struct wsheap_private *private, size_t size,
			     gfp_t gfp)
{
	return wsheap_backing_size(&private->heap, size, gfp) <=
	       private->heap.max_size - private->heap.actual;
}

/* What a heap would rather grow by than by @need. */
static size_t private_growth(const struct wsheap_private *private, size_t need,
			     gfp_t gfp)
{
	bool blocking = gfpflags_allow_blocking(gfp);
	size_t most = blocking ? BIT(CHUNK_LARGEST_ORDER) : PAGES_LARGEST;
	size_t left = private->heap.max_size - private->heap.actual;
	size_t want = private->shared;

	if (!private_is_fixed(private))
		want /= PRIVATE_GROWTH_PART;
	want = clamp_t(size_t, want, PAGE_SIZE, max_t(size_t, most, PAGE_SIZE));
	want = want < PAGES_LARGEST ? roundup_pow_of_two(want) :
				      PAGE_ALIGN(want);
	want = max(want, need);
	/* What is left of the maximum, as far as it can be had at once. */
	if (!private_has_room(private, want, gfp))
		want = blocking ? left : rounddown_pow_of_two(left);
	return want;
}

static int private_grow(struct wsheap_private *private,
			const struct request *req, unsigned long *irq,
			struct wsheap_chunk **drop)
	__must_hold(&private->heap.lock)
{
	/* Whole pages. private_pad() may leave out TILE_ALIGN bytes. */
	size_t need = PAGE_ALIGN(REGION_OVERHEAD + sizeof(struct wsheap_block) +
				 req->extent + req->align);
	struct wsheap *heap = &private->heap;
	struct wsheap_chunk *chunk = NULL;
	struct wsheap_region *region;
	gfp_t gfp = req->gfp;
	size_t want;

	/* The holder of wsheap_lock() keeps the lock, and must not sleep. */
	if (private_nested(private))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	/* Where nobody may wait, the system may have none that is small enough. */
	if (!private_has_room(private, need, gfp))
		return need > heap->max_size - heap->actual ? -EDQUOT : -ENOMEM;
	want = private_growth(private, need, gfp);

	private_leave(private, *irq);
	if (want > need)
		chunk = wsheap_chunk_obtain(heap, want, 0,
					    wsheap_gfp_optional(gfp));
	if (!chunk)
		chunk = wsheap_chunk_obtain(heap, need, 0, gfp);
	*irq = private_enter(private);
	if (!chunk)
		return -ENOMEM;
	region = container_of(chunk, struct wsheap_region, chunk);
	region_add(private, region);
	/* Somebody else may have been faster. */
	if (heap->actual > heap->max_size) {
		region_drop(private, region, drop);
		return -EDQUOT;
	}
	region_tile(private, region);
	return 0;
}

static void *private_alloc_dedicated(struct wsheap_private *private,
				     const struct request *req, unsigned long *irq)
	__must_hold(&private->heap.lock)
{
	struct wsheap_region *region;
	struct wsheap_chunk *chunk;
	gfp_t gfp = req->gfp;

	if (private_nested(private))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	private_leave(private, *irq);
	/* A page at least begins a page. */
	chunk = wsheap_chunk_obtain(&private->heap,
				    max_t(size_t, req->size + private->guard,
					  PAGE_SIZE),
				    sizeof(struct wsheap_region), gfp);
	*irq = private_enter(private);
	if (!chunk)
		return NULL;
	region = container_of(chunk, struct wsheap_region, chunk);
	region_add(private, region);
	chunk->used = req->size;
	private->heap.left -= req->size;
	debug_fill_behind(private, chunk->mem, chunk->used, chunk->size);
	return chunk->mem;
}

/* Whether a block is to have memory of its own. */
static bool private_is_dedicated(const struct wsheap_private *private,
				 const struct request *req)
{
	return !private_is_fixed(private) &&
	       req->extent + req->align - TILE_ALIGN > PRIVATE_SHARED;
}

/* What is wrong with a request whatever the heap holds. */
static int private_check(const struct wsheap_private *private,
			 const struct request *req)
{
	int code = wsheap_check_request(&private->heap, req->size, req->align, req->gfp,
				req->caller);

	if (!code && private_is_fixed(private) &&
	    req->size > WSHEAP_FIXED_BLOCK_MAX)
		code = -E2BIG;
	return code;
}

/* A failure is raised where the heap has that option. */
static void *private_fail(struct wsheap_private *private,
			  const struct wsheap_error *failure,
			  struct wsheap_error *err)
{
	void (*failed)(struct wsheap *heap, const struct wsheap_error *err,
		       void *data);
	unsigned long irq;
	void *data;

	if (err)
		*err = *failure;
	if (!(private->heap.flags & WSHEAP_GENERATE_EXCEPTIONS))
		return NULL;
	irq = private_enter(private);
	failed = private->failed;
	data = private->failed_data;
	private_leave(private, irq);
	if (failed)
		failed(&private->heap, failure, data);
	else
		WARN_RATELIMIT(1, "heap %s: error %d: %zu bytes asked for, %zu in use, limit %zu\n",
			       private->heap.name, failure->code,
			       failure->asked, failure->in_use, failure->limit);
	return NULL;
}

static void *private_try(struct wsheap_private *private, struct request *req,
			 struct wsheap_error *failure)
{
	struct wsheap_chunk *drop = NULL;
	bool thorough = false, swept = false;
	unsigned long irq;
	void *p = NULL;
	int code;

	code = private_check(private, req);
	req->align = max_t(size_t, req->align, TILE_ALIGN);
	req->extent = block_extent(private, req->size);

	irq = private_enter(private);
	if (!code && private_is_dedicated(private, req)) {
		p = private_alloc_dedicated(private, req, &irq);
		if (!p)
			code = -ENOMEM;
	}
	/* Nothing was freed since as much was refused. */
	if (!code && !p && private->settled && req->extent >= private->refused)
		code = -EDQUOT;
	while (!code && !p) {
		p = private_cut(private, req, thorough);
		if (p)
			break;
		if (!swept && private_sweep_due(private)) {
			private_sweep(private, false, req->gfp, &irq, &drop);
			swept = true;
			continue;
		}
		code = private_grow(private, req, &irq, &drop);
		if (!code)
			continue;
		/* Sweep again only if something was split or freed since. */
		if (!thorough) {
			if (!private->settled || private->cut)
				private_sweep(private, true, req->gfp, &irq,
					      &drop);
			thorough = true;
			code = 0;
			continue;
		}
		/* Others may have grown the heap, meanwhile. */
		p = private_cut(private, req, true);
		if (p)
			code = 0;
		else if (req->align == TILE_ALIGN && req->extent >
			 private->heap.max_size - private->heap.actual)
			private->refused = min(private->refused, req->extent);
	}
	if (code)
		*failure = (struct wsheap_error) {
			.code = code,
			.asked = req->size,
			.in_use = private_live(private),
			.limit = private->heap.max_size,
		};
	private_leave(private, irq);
	wsheap_chunk_release_all(drop, false);
	return p;
}

static void *private_alloc(struct wsheap_private *private, struct request *req,
			   struct wsheap_error *err)
{
	struct wsheap_error failure;
	void *p = private_try(private, req, &failure);

	if (!p)
		return private_fail(private, &failure, err);
	if (req->gfp & __GFP_ZERO || want_init_on_alloc(0))
		memset(p, 0, req->size);
	return p;
}

void *wsheap_private_alloc(struct wsheap *heap, size_t size, size_t align,
			   gfp_t gfp, struct wsheap_error *err,
			   unsigned long caller)
{
	struct request req = {
		.size = size,
		.align = align,
		.gfp = gfp,
		.caller = caller,
	};

	return private_alloc(wsheap_private(heap), &req, err);
}

/*
 * The short paths. A small block goes to the bin of its length and comes from
 * there. A large one is taken if the last one freed of its magnitude has just
 * the length. Nothing is split or merged.
 */

#define SMALL_SIZE	(TILE_SMALL - sizeof(struct wsheap_block))

static __always_inline bool __private_trylock(struct wsheap_private *private,
					      unsigned long *irq)
{
	/* On one CPU it is a bug to try a lock that one holds. */
	return !private_nested(private) &&
	       __wsheap_trylock(&private->heap, irq);
}

#define private_trylock(private, irq) \
	__cond_lock(wsheap, __private_trylock(private, irq))

static __always_inline void *private_take_small(struct wsheap_private *private,
						size_t size)
{
	size_t extent = ALIGN(size + sizeof(struct wsheap_block), TILE_ALIGN);
	void **bin = &private->small[extent / TILE_ALIGN];
	struct wsheap_block *block;
	void *p = *bin;

	if (unlikely(!p))
		return NULL;
	*bin = *(void **)p;
	block = block_of(p);
	block->size = size;
	block->seal ^= SEAL_FREE;
	private->heap.left -= size;
	return p;
}

/* Frees a block whose seal is that of a small live one. */
static __always_inline void private_put_small(struct wsheap_private *private,
					      void *p)
{
	struct wsheap_block *block = block_of(p);
	size_t extent = ALIGN(block->size + sizeof(*block), TILE_ALIGN);
	void **bin = &private->small[extent / TILE_ALIGN];

	private->heap.left += block->size;
	block->seal ^= SEAL_FREE;
	*(void **)p = *bin;
	*bin = p;
}

static __always_inline void *private_take_large(struct wsheap_private *private,
						size_t size)
{
	size_t extent = ALIGN(size + sizeof(struct wsheap_block), TILE_ALIGN);
	struct wsheap_block *block;
	struct hlist_node *node;
	unsigned int bin;

	if (unlikely(size > PRIVATE_SHARED))
		return NULL;
	bin = bin_of(extent);
	node = private->large[bin].first;
	if (unlikely(!node))
		return NULL;
	block = block_of(node);
	if (unlikely(block->size != extent - sizeof(*block)))
		return NULL;
	__hlist_del(node);
	if (!private->large[bin].first)
		__clear_bit(bin, private->large_map);
	block->seal ^= block_bits(BLOCK_FREE ^ BLOCK_LARGE);
	block->size = size;
	private->heap.left -= size;
	return node;
}

static __always_inline void private_put_large(struct wsheap_private *private,
					      void *p)
{
	struct wsheap_block *block = block_of(p);
	size_t extent = ALIGN(block->size + sizeof(*block), TILE_ALIGN);
	unsigned int bin = bin_of(extent);

	private->heap.left += block->size;
	block->size = extent - sizeof(*block);
	block->seal ^= block_bits(BLOCK_FREE ^ BLOCK_LARGE);
	hlist_add_head(p, &private->large[bin]);
	__set_bit(bin, private->large_map);
}

static noinline void *private_alloc_locked(struct wsheap_private *private,
					   size_t size)
{
	unsigned long irq;
	void *p;

	if (unlikely(!private_trylock(private, &irq)))
		return NULL;
	if (size <= SMALL_SIZE)
		p = private_take_small(private, size);
	else
		p = private_take_large(private, size);
	wsheap_trylock_end(&private->heap, irq);
	if (want_init_on_alloc(0) && p)
		return memset(p, 0, size);
	return p;
}

/* Returns a block that has just been freed, or NULL if there is none. */
void *wsheap_private_alloc_short(struct wsheap *heap, size_t size)
{
	struct wsheap_private *private = wsheap_private(heap);
	void *p;

	if (private->short_path != PRIVATE_SHORT_PLAIN)
		return private->short_path == PRIVATE_SHORT_LOCKED ?
		       private_alloc_locked(private, size) : NULL;
	if (likely(size <= SMALL_SIZE))
		p = private_take_small(private, size);
	else
		p = private_take_large(private, size);
	if (want_init_on_alloc(0) && p)
		return memset(p, 0, size);
	return p;
}

/*
 * Tells whether the header that a block should have can be read: what lies
 * before a page may not be there, nor what a careful heap gave back.
 */
static __always_inline bool private_may_look(struct wsheap_private *private,
					     const void *p)
{
	return (unsigned long)p & READ_ONCE(private->look_mask);
}

/* Frees a block by a short path if that is possible. */
static __always_inline bool private_free_short(struct wsheap_private *private,
					       void *p)
{
	u32 key = block_key(private->short_key, p);

	if (unlikely(!private_may_look(private, p)))
		return false;
	if (likely(block_of(p)->seal == key))
		private_put_small(private, p);
	else if (block_of(p)->seal == (key ^ block_bits(BLOCK_LARGE)))
		private_put_large(private, p);
	else
		return false;
	return true;
}

/*
 * What a pointer is.
 */

/* The tile that an address in a region lies in, or NULL. */
struct wsheap_block *wsheap_private_tile_at(struct wsheap_private *private,
					    struct wsheap_region *region,
					    const void *p)
{
	struct wsheap_block *block = region_first(region), *next;

	for (;; block = next) {
		if ((char *)block == private->open) {
			next = (void *)private->open_end;
		} else if (block_state(private, block) < BLOCK_END &&
			   region_has_whole(private, region, block)) {
			next = block_at(block, block_span(private, block));
		} else {
			return NULL;
		}
		if (p < (void *)next)
			return p < (void *)block ? NULL : block;
	}
}

/*
 * Why a pointer into a region has no header before it. To follow the tiles takes
 * its time, so this is done for what is reported, and that is once.
 */
static enum misuse private_diagnose(struct wsheap_private *private,
				    const void *p)
{
	const u32 all = BIT(MISUSE_FREED) | BIT(MISUSE_INSIDE) |
			BIT(MISUSE_HEADER);
	struct wsheap_block *block;

	if ((private->reported & all) == all)
		return MISUSE_FREED;
	block = wsheap_private_tile_at(private, region_find(private, p), block_of(p));
	if (!block)
		return MISUSE_HEADER;
	if ((char *)block == private->open ||
	    !block_is_live(block_state(private, block)))
		return MISUSE_FREED;
	return MISUSE_INSIDE;
}

/*
 * Whether a pointer is that of a live block, and if not, why. Where the block
 * is dedicated, @dedicated is its region, else NULL.
 */
enum misuse wsheap_private_find(struct wsheap_private *private, const void *p,
				struct wsheap_region **dedicated)
{
	struct wsheap_block *block = block_of(p);
	struct wsheap_region *region;
	size_t most;
	u32 state;

	*dedicated = NULL;
	region = region_find(private, p);
	if (!region)
		return MISUSE_FOREIGN;
	if (region_is_dedicated(region)) {
		if (p != region->chunk.mem)
			return MISUSE_INSIDE;
		*dedicated = region;
		if (debug_overrun(private, p, region->chunk.used,
				  region->chunk.size))
			return MISUSE_OVERRUN;
		return MISUSE_NONE;
	}
	if (block < region_first(region) || block >= region_end(region) ||
	    !IS_ALIGNED((unsigned long)p, TILE_ALIGN))
		return MISUSE_INSIDE;
	state = block_state(private, block);
	if (state == BLOCK_FREE || state == BLOCK_LOOSE)
		return MISUSE_FREED;
	if (!block_is_live(state))
		return MISUSE_UNKNOWN;
	most = (char *)region_end(region) - (char *)block;
	if (block_length(private, block) > most ||
	    (state == BLOCK_WIDE && !block_has_tail(private, block)) ||
	    block_span(private, block) > most)
		return MISUSE_HEADER;
	if (debug_overrun(private, p, block->size,
			  block_length(private, block) - sizeof(*block)))
		return MISUSE_OVERRUN;
	return MISUSE_NONE;
}

/*
 * As wsheap_private_find(), and reports misuse. Returns whether the block can be
 * used.
 */
static bool private_have(struct wsheap_private *private, const void *p,
			 struct wsheap_region **dedicated, unsigned long caller)
{
	enum misuse misuse = wsheap_private_find(private, p, dedicated);

	if (misuse == MISUSE_NONE)
		return true;
	if (misuse == MISUSE_UNKNOWN)
		misuse = private_diagnose(private, p);
	wsheap_private_report(private, misuse, p, caller);
	return misuse == MISUSE_OVERRUN;
}

static noinline void private_free(struct wsheap *heap, void *p,
				  unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *drop = NULL;
	struct wsheap_region *dedicated;
	struct wsheap_block *block;
	unsigned long irq;
	size_t extent;

	irq = private_enter(private);
	if (!private_have(private, p, &dedicated, caller)) {
		private_leave(private, irq);
		return;
	}
	private_unsettle(private);
	if (dedicated) {
		heap->left += dedicated->chunk.used;
		region_drop(private, dedicated, &drop);
	} else {
		block = block_of(p);
		extent = block_span(private, block);
		heap->left += block->size;
		if (want_init_on_free())
			memset(p, 0, extent - sizeof(*block));
		if (block_state(private, block) == BLOCK_WIDE)
			block_at(block, block_length(private, block))->seal = 0;
		debug_fill_free(private, p, extent - sizeof(*block));
		private_give(private, block, extent);
	}
	private_leave(private, irq);
	wsheap_chunk_release_all(drop, false);
}

static noinline void private_free_locked(struct wsheap *heap, void *p,
					 unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;
	bool freed;

	if (likely(private_trylock(private, &irq))) {
		freed = private_free_short(private, p);
		wsheap_trylock_end(heap, irq);
		if (likely(freed))
			return;
	}
	if (p)
		private_free(heap, p, caller);
}

/**
 * wsheap_free - free a block of a private heap
 * @heap: the heap.
 * @p: the block; NULL is ignored.
 *
 * A block that does not belong to the heap, or is free already, is reported and
 * left alone. Equivalent of HeapFree().
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. Never sleeps. A heap with WSHEAP_NO_SERIALIZE has one caller at a
 * time.
 */
void wsheap_free(struct wsheap *heap, void *p)
{
	/* Only private heaps have that option. */
	if (heap->flags & WSHEAP_NO_SERIALIZE) {
		if (unlikely(!private_free_short(wsheap_private(heap), p)) && p)
			private_free(heap, p, _RET_IP_);
	} else if (wsheap_is_private(heap)) {
		private_free_locked(heap, p, _RET_IP_);
	}
}
EXPORT_SYMBOL_NS_GPL(wsheap_free, WSHEAP_NS);

/*
 * Resizing.
 */

/* How long the free memory is that begins with @block, as far as it matters. */
static size_t private_free_behind(struct wsheap_private *private,
				  const struct wsheap_block *block,
				  size_t enough)
{
	size_t length = 0;

	while (length < enough) {
		size_t extent;
		u32 state;

		if ((char *)block == private->open)
			return length + (private->open_end - private->open);
		state = block_state(private, block);
		if (state != BLOCK_LOOSE &&
		    (state != BLOCK_FREE || !bin_may_del(private, block)))
			break;
		extent = block_length(private, block);
		length += extent;
		block = block_at(block, extent);
	}
	return length;
}

/* Takes the free memory from @block to @end, and what is beyond of the last. */
static void private_absorb(struct wsheap_private *private,
			   struct wsheap_block *block,
			   struct wsheap_block *end)
{
	struct wsheap_block *from = block;
	bool open = false, top = false;

	while (block < end) {
		size_t length;

		if ((char *)block == private->open) {
			open = true;
			block = (void *)private->open_end;
			private->open = NULL;
			private->open_end = NULL;
			break;
		}
		length = block_length(private, block);
		top = block == private->top;
		if (top)
			private->top = NULL;
		else if (block_state(private, block) == BLOCK_FREE &&
			 !private_is_ahead(private, block))
			bin_del(private, block);
		block_wipe(private, block, length);
		block = block_at(block, length);
	}
	if (private->hand >= (char *)from && private->hand < (char *)block)
		private->hand = (char *)end;
	if (block == end)
		return;
	if (open) {
		private->open = (char *)end;
		private->open_end = (char *)block;
	} else if (top) {
		private_set_top(private, end, (char *)block - (char *)end);
	} else {
		private_give(private, end, (char *)block - (char *)end);
	}
}

static bool private_resize_dedicated(struct wsheap_private *private,
				     struct wsheap_region *region, size_t size)
{
	struct wsheap_chunk *chunk = &region->chunk;

	if (size + private->guard > chunk->size)
		return false;
	private->heap.left += chunk->used - size;
	chunk->used = size;
	debug_fill_behind(private, chunk->mem, size, chunk->size);
	return true;
}

static bool private_resize(struct wsheap_private *private,
			   struct wsheap_block *block, size_t size)
{
	size_t old = block_span(private, block);
	size_t new = block_extent(private, size);
	struct wsheap_block *tail = block_at(block, block_length(private, block));
	struct wsheap_block *next = block_at(block, old);

	if (new > old &&
	    private_free_behind(private, next, new - old) < new - old)
		return false;
	private->heap.left += block->size;
	private->heap.left -= size;
	/* From here on the block has no tail. */
	if (tail < next)
		block_wipe(private, tail, next - tail);
	if (new > old) {
		private_absorb(private, next, block_at(block, new));
	} else if (new < old) {
		tail = block_at(block, new);
		if (want_init_on_free())
			memset(tail, 0, old - new);
		debug_fill_free(private, tail, old - new);
		/* A little one stays with the block, and is there if it grows. */
		if (old - new > TILE_SMALL) {
			private_unsettle(private);
			private_give(private, tail, old - new);
		} else {
			new = old;
		}
	}
	block_seal_wide(private, block, size, new);
	debug_fill_behind(private, block + 1, size,
			  block_length(private, block) - sizeof(*block));
	return true;
}

/*
 * Resizes a block in place. Returns 1 if it could, 0 if not, -EINVAL if there
 * is no such block. @old is what it had before.
 */
static int private_resize_block(struct wsheap_private *private, void *p,
				size_t size, size_t *old, bool may_move,
				unsigned long caller)
{
	struct wsheap_region *dedicated;
	unsigned long irq;
	int ret = -EINVAL;
	size_t has;

	irq = private_enter(private);
	if (private_have(private, p, &dedicated, caller)) {
		*old = dedicated ? dedicated->chunk.used : block_of(p)->size;
		has = dedicated ? dedicated->chunk.size :
			      block_span(private, block_of(p));
		/* Half of its memory is worth to be given back. */
		if (may_move && block_extent(private, size) <= has / 2)
			ret = 0;
		else if (!dedicated)
			ret = private_resize(private, block_of(p), size);
		else
			ret = private_resize_dedicated(private, dedicated, size);
	}
	private_leave(private, irq);
	return ret;
}

/* What a larger block has more than before is clear, if asked. */
static void private_clear_growth(void *p, size_t old, size_t size, gfp_t gfp)
{
	if (size > old && (gfp & __GFP_ZERO || want_init_on_alloc(0)))
		memset(p + old, 0, size - old);
}

static noinline void *private_realloc(struct wsheap *heap, void *p, size_t size,
				      gfp_t gfp, unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct request request = {
		.size = size,
		.align = TILE_ALIGN,
		.gfp = gfp,
		.caller = caller,
	}, *req = &request;
	struct wsheap_error failure;
	size_t old = 0;
	void *new;
	int ret;

	might_alloc(gfp);
	if (!p)
		return private_alloc(private, req, NULL);
	ret = private_check(private, req);
	if (!ret)
		ret = private_resize_block(private, p, req->size, &old, true,
					   req->caller);
	if (ret < 0) {
		failure = (struct wsheap_error) {
			.code = ret,
			.asked = req->size,
			.in_use = private_live(private),
			.limit = private->heap.max_size,
		};
		return private_fail(private, &failure, NULL);
	}
	if (ret) {
		private_clear_growth(p, old, req->size, gfp);
		return p;
	}
	/* A smaller one that finds no place stays where it is. */
	if (req->size <= old)
		req->gfp = wsheap_gfp_optional(gfp);
	req->gfp &= ~__GFP_ZERO;
	new = private_try(private, req, &failure);
	if (new) {
		memcpy(new, p, min(old, req->size));
		private_clear_growth(new, old, req->size, gfp);
		wsheap_free(&private->heap, p);
		return new;
	}
	if (req->size > old)
		return private_fail(private, &failure, NULL);
	private_resize_block(private, p, req->size, &old, false, req->caller);
	return p;
}

/**
 * wsheap_realloc - change the size of a block of a private heap
 * @heap: the heap.
 * @p: the block, or NULL for a new one.
 * @size: bytes; 0 leaves an empty block, and frees nothing.
 * @gfp: see wsheap_alloc_err(). __GFP_ZERO clears what the block grows by.
 *
 * The block may move; the bytes that both sizes have go with it. As krealloc(),
 * but for a size of 0. Equivalent of HeapReAlloc().
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL if it stays as it was.
 */
void *wsheap_realloc(struct wsheap *heap, void *p, size_t size, gfp_t gfp)
{
	struct wsheap_private *private = wsheap_private(heap);
	void *new;

	wsheap_might_alloc(gfp);
	if (!wsheap_is_private(heap))
		return NULL;
	/* A small block that grows moves into a free tile of just the length. */
	if (private_may_look(private, p) &&
	    block_of(p)->seal == block_key(READ_ONCE(private->short_key), p) &&
	    !(gfp & (WSHEAP_GFP_REFUSED | __GFP_ZERO)) &&
	    size > block_of(p)->size) {
		new = wsheap_private_alloc_short(heap, size);
		if (likely(new)) {
			memcpy(new, p, block_of(p)->size);
			wsheap_free(heap, p);
			return new;
		}
	}
	return private_realloc(heap, p, size, gfp, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_realloc, WSHEAP_NS);

/**
 * wsheap_resize - change the size of a block of a private heap where it is
 * @heap: the heap.
 * @p: the block.
 * @size: bytes; 0 leaves an empty block.
 * @gfp: __GFP_ZERO clears what the block grows by; nothing is obtained.
 *
 * A block can become smaller at any time. It can become larger if free memory
 * follows it which is not in use for blocks of some small size; what it gave up
 * itself usually is. Equivalent of HeapReAlloc() with HEAP_REALLOC_IN_PLACE_ONLY,
 * but raises nothing: that there is no room is an answer.
 *
 * Context: as wsheap_free().
 * Return: whether it has that size now; if not, it is as it was.
 */
bool wsheap_resize(struct wsheap *heap, void *p, size_t size, gfp_t gfp)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct request req = {
		.size = size,
		.align = TILE_ALIGN,
		.gfp = gfp,
		.caller = _RET_IP_,
	};
	size_t old = 0;

	if (!wsheap_is_private(heap) || !p)
		return false;
	if (private_check(private, &req) ||
	    private_resize_block(private, p, size, &old, false, _RET_IP_) <= 0)
		return false;
	private_clear_growth(p, old, size, gfp);
	return true;
}
EXPORT_SYMBOL_NS_GPL(wsheap_resize, WSHEAP_NS);

/**
 * wsheap_size - ask for the size of a block of a private heap
 * @heap: the heap.
 * @p: the block.
 *
 * Equivalent of HeapSize().
 *
 * Context: as wsheap_free().
 * Return: bytes as asked for, exactly; 0 for NULL, and for what is no block of
 * the heap, which is reported.
 */
size_t wsheap_size(struct wsheap *heap, const void *p)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_region *dedicated;
	unsigned long irq;
	size_t size = 0;

	if (!p || !wsheap_is_private(heap))
		return 0;
	irq = private_enter(private);
	if (private_have(private, p, &dedicated, _RET_IP_))
		size = dedicated ? dedicated->chunk.used : block_of(p)->size;
	private_leave(private, irq);
	return size;
}
EXPORT_SYMBOL_NS_GPL(wsheap_size, WSHEAP_NS);

/*
 * Holding the lock.
 */

/**
 * wsheap_lock - keep others out of a private heap
 * @heap: the heap.
 *
 * Until wsheap_unlock(), other callers spin, and the holder is atomic: with
 * interrupts off, but for PREEMPT_RT. Its own calls for the heap go on, without
 * GFP_KERNEL; so does wsheap_lock() itself, which then has to be undone as
 * often. Equivalent of HeapLock().
 *
 * Context: as wsheap_free().
 * Return: 0, or -EINVAL for a heap that takes no lock.
 */
int wsheap_lock(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;

	if (!wsheap_is_private(heap) ||
	    heap->flags & WSHEAP_NO_SERIALIZE)
		return -EINVAL;
	if (!private_nested(private)) {
		spin_lock_irqsave(&heap->lock, irq);
		private->irq = irq;
		WRITE_ONCE(private->owner, current);
		__release(&heap->lock);	/* for sparse: until wsheap_unlock() */
	}
	private->depth++;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(wsheap_lock, WSHEAP_NS);

static void wsheap_report_unlock(const struct wsheap *heap,
				 unsigned long caller)
{
	pr_err("heap %s: wsheap_unlock() by a caller that does not hold the lock; called from %pS\n",
	       heap->name, (void *)caller);
}

/**
 * wsheap_unlock - let others use a private heap again
 * @heap: the heap.
 *
 * Only the context that took the lock may release it. Another one is reported,
 * and nothing happens. Equivalent of HeapUnlock().
 *
 * Context: where wsheap_lock() was called.
 */
void wsheap_unlock(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);

	if (!wsheap_is_private(heap))
		return;
	if (!private_nested(private)) {
		DO_ONCE_LITE(wsheap_report_unlock, heap, _RET_IP_);
		return;
	}
	if (--private->depth)
		return;
	WRITE_ONCE(private->owner, NULL);
	__acquire(&heap->lock);
	spin_unlock_irqrestore(&heap->lock, private->irq);
}
EXPORT_SYMBOL_NS_GPL(wsheap_unlock, WSHEAP_NS);

/* The largest block that could be cut. */
static size_t private_largest_free(const struct wsheap_private *private)
{
	size_t length = private->open_end - private->open, room;
	const struct hlist_node *node;
	unsigned long bin;
	unsigned int i;

	bin = find_last_bit(private->large_map, LARGE_BINS);
	if (bin < LARGE_BINS)
		hlist_for_each(node, &private->large[bin])
			length = max(length, block_length(private, block_of(node)));
	for (i = ARRAY_SIZE(private->small) - 1; i; i--)
		if (private->small[i])
			length = max_t(size_t, length, i * TILE_ALIGN);
	if (private->top)
		length = max(length, block_length(private, private->top));
	if (!length)
		return 0;
	room = block_room(private, length);
	return min_t(size_t, room, private_is_fixed(private) ?
		     WSHEAP_FIXED_BLOCK_MAX : block_room(private, PRIVATE_SHARED));
}

/**
 * wsheap_compact - merge a private heap's free memory and give back what can be
 * @heap: the heap.
 *
 * Equivalent of HeapCompact().
 *
 * Context: as wsheap_free(). Costs some instructions for each block.
 * Return: bytes of the largest block that the heap could give without growing;
 * 0 if there is none.
 */
size_t wsheap_compact(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *drop = NULL;
	unsigned long irq;
	size_t largest;

	if (!wsheap_is_private(heap))
		return 0;
	irq = private_enter(private);
	private_sweep(private, true, GFP_NOWAIT, &irq, &drop);
	largest = private_largest_free(private);
	private_leave(private, irq);
	wsheap_chunk_release_all(drop, false);
	return largest;
}
EXPORT_SYMBOL_NS_GPL(wsheap_compact, WSHEAP_NS);

/**
 * wsheap_set_failure_handler - say what raising a failure means
 * @heap: a private heap with WSHEAP_GENERATE_EXCEPTIONS; without, nothing is
 *	raised.
 * @fn: called when a block is not granted, in the context of that call and
 *	before it returns NULL; NULL for a warning with the figures and the
 *	stack.
 * @data: handed to @fn.
 *
 * The counterpart of the handler for what HEAP_GENERATE_EXCEPTIONS raises.
 *
 * Context: as wsheap_free().
 */
void wsheap_set_failure_handler(struct wsheap *heap,
				void (*fn)(struct wsheap *heap,
					   const struct wsheap_error *err,
					   void *data),
				void *data)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;

	if (!wsheap_is_private(heap))
		return;
	irq = private_enter(private);
	private->failed = fn;
	private->failed_data = data;
	private_leave(private, irq);
}
EXPORT_SYMBOL_NS_GPL(wsheap_set_failure_handler, WSHEAP_NS);

/*
 * How a private heap comes, starts anew, and goes.
 */

static void private_begin(struct wsheap_private *private)
{
	private->regions = RB_ROOT;
	memset(private->small, 0, sizeof(private->small));
	memset(private->large, 0, sizeof(private->large));
	bitmap_zero(private->large_map, LARGE_BINS);
	private->open = NULL;
	private->open_end = NULL;
	private->top = NULL;
	private->hand = NULL;
	private->shared = 0;
	private->cut = 0;
	private->mark = 0;
	private->peak = 0;
	private->settled = false;
	private->heap.left = private->heap.max_size;
	/* The initial region counts also while a reset wipes it. */
	private->heap.actual = region_actual(private->initial);
	private_set_short_paths(private);
}

static void private_add_initial(struct wsheap_private *private)
{
	/* What was refused while a reset wiped the region may fit now. */
	private_unsettle(private);
	private->heap.actual -= region_actual(private->initial);
	region_add(private, private->initial);
	region_tile(private, private->initial);
}

const size_t wsheap_private_object_size = sizeof(struct wsheap_private);

/* Called before anybody else knows the heap. */
int wsheap_private_setup(struct wsheap *heap, gfp_t gfp)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *chunk;

	/*
	 * lockdep has one class for all locks that are initialized in one place.
	 * The holder of wsheap_lock() may use a serialized message heap.
	 */
	spin_lock_init(&heap->lock);
	heap->path = WSHEAP_PATH_PRIVATE;
	chunk = wsheap_chunk_obtain(heap, heap->trim_size, 0, gfp);
	if (!chunk)
		return -ENOMEM;
	private->initial = container_of(chunk, struct wsheap_region, chunk);
	private->key = get_random_u32();
	private->guard = READ_ONCE(wsheap_private_debug);
	private->careful = private->guard;
	if (private->guard || want_init_on_free())
		private->short_path = PRIVATE_SHORT_NONE;
	else if (heap->flags & WSHEAP_NO_SERIALIZE)
		private->short_path = PRIVATE_SHORT_PLAIN;
	else
		private->short_path = PRIVATE_SHORT_LOCKED;
	private_begin(private);
	private_add_initial(private);
	return 0;
}

/*
 * Returns all regions but one, as a list for wsheap_chunk_release_all(). The tree
 * is invalid afterwards.
 */
static struct wsheap_chunk *private_detach(struct wsheap_private *private,
					   const struct wsheap_region *keep)
{
	struct wsheap_region *region, *next;
	struct wsheap_chunk *chunks = NULL;

	rbtree_postorder_for_each_entry_safe(region, next, &private->regions,
					     node) {
		if (region == keep)
			continue;
		if (is_vmalloc_addr(region->chunk.mem))
			private->careful |= !region_is_dedicated(region);
		region->chunk.next = chunks;
		chunks = &region->chunk;
	}
	return chunks;
}

/*
 * With init_on_free, the initial region is wiped with the lock released, unless
 * the caller holds wsheap_lock(). Other callers do without it meanwhile: a heap
 * with a maximum size may refuse them.
 */
void wsheap_private_reset(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *chunks, *initial = &private->initial->chunk;
	u32 key = get_random_u32();
	unsigned long irq;
	bool add;

	irq = private_enter(private);
	chunks = private_detach(private, private->initial);
	/* No seal from before fits any more. */
	private->key = key;
	private_begin(private);
	/* Another reset that wipes the initial region will add it. */
	add = !private->wiping;
	if (add && want_init_on_free()) {
		private->wiping = true;
		private_leave(private, irq);
		wsheap_memory_wipe(initial->mem + REGION_FIRST,
				   initial->size - REGION_FIRST);
		irq = private_enter(private);
		private->wiping = false;
	}
	if (add)
		private_add_initial(private);
	private_leave(private, irq);
	wsheap_chunk_release_all(chunks, false);
}

/* Returns all that a heap holds, as a list for wsheap_chunk_release_all(). */
struct wsheap_chunk *wsheap_private_chunks(struct wsheap *heap)
{
	return private_detach(wsheap_private(heap), NULL);
}
