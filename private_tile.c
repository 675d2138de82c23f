// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of private heaps: tiles, the bins of free ones, and their merging.
 *
 *	regions   a tree, by address
 *
 *	region | header | H block | H free . . F | H block | H quick | H |
 *	                            links    foot            link     end
 *
 *	quick[]   extent 16, 32, ... TILE_SMALL: quick --> quick --> quick_end
 *	bins[]    16 for each doubling:          free <-> free
 *
 * A region is a chunk whose memory is divided into tiles without gaps. A tile is a
 * live block, or free. Each has a header (H) with the size, from which its length
 * follows, and a seal made of the heap's key, the address, the size and what the
 * tile is. So the tiles can be followed from a region's beginning to the mark at
 * its end. A block that was freed, or is another heap's, is known by its seal, and
 * so is a header that an overrun has reached.
 *
 * Large blocks are merged with their free neighbours when they are freed. The
 * neighbour behind is found by the length. The neighbour before is found by its
 * foot (F), which has its length and a check made of the key, the address and
 * the length. No free tile lies beside another.
 *
 * Small blocks go to the quick bin of their length, and the next block of that
 * length comes from there. This is the short path, both ways. To their neighbours
 * they are in use. They are drained, which means merged, a slice at a time: when
 * a request finds nothing, and when there are more small tiles than have been
 * needed (private_has_surplus()). A drain can stop between any two tiles.
 *
 * A tile of 16 bytes, a sliver, has no room for two links and a foot. A free one is
 * in no bin, and waits for a neighbour that is freed: in a growing heap this holds
 * less memory than to keep slivers for blocks. In a fixed heap, which refuses only
 * what fits nowhere, slivers stay in quick bins instead: see drain_sliver().
 *
 * A driver may have written to a free tile, so nothing in it is trusted before it
 * was checked. A link is encoded with the key and its place, and the seal of its
 * tile covers it. So a link whose seal is right leads to a tile. What fails a
 * check is reported and not given out again before a reset. Its bin is left
 * alone, so that the other tiles in it are of use only once they are merged with
 * a neighbour, and the heap goes on with other memory.
 *
 * The debug mode has a byte to check behind each block, fills what is free, and
 * looks at the fill before it gives a block out. A heap in that mode has no short
 * path.
 */

#include "private.h"

#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/random.h>

/* Tiles of a bin that are tried before the next bin is. */
#define BIN_TRIED	4
/* Slivers are merged when they are more than this part of all small tiles. */
#define SLIVER_PART	8

static const char * const mistake_text[] = {
	[MISTAKE_FREED]		= "is already free",
	[MISTAKE_FOREIGN]	= "does not belong to this heap",
	[MISTAKE_INSIDE]		= "is not the start of a block",
	[MISTAKE_HEADER]		= "has a corrupted header",
	[MISTAKE_OVERRUN]	= "was written past its end",
	[MISTAKE_WRITTEN]	= "was written to while it was free",
};

void wsheap_private_report(struct wsheap_private *private,
			   enum wsheap_mistake mistake, const void *p,
			   unsigned long caller)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_private_report, private, mistake, p, caller);

	wsheap_report(&private->heap, mistake, caller, "block %p %s", p,
		      mistake_text[mistake]);
}

static void debug_fill_free(const struct wsheap_private *private, void *from,
			    size_t size)
{
	if (private->guard)
		memset(from, POISON_FREE, size);
}

/*
 * Seals, links and feet.
 */

static bool tile_is_sliver(const struct wsheap_private *private,
			   const struct wsheap_block *block)
{
	return block_length(private, block) == TILE_ALIGN;
}

static __always_inline struct tile_links *tile_links(const struct wsheap_block *block)
{
	return (struct tile_links *)(block + 1);
}

/*
 * These tiles differ from others by a constant in their seal. Live, quick and free
 * tiles differ by the flags in their size.
 */
#define SEAL_LOST	0xa3c95d16
#define SEAL_END	0xc96a35f2

/*
 * The sum of seal and size that a sound tile has: but for the constants above, a
 * checksum of the key, the address and the links.
 */
static __always_inline u32 tile_seal(const struct wsheap_private *private,
				     const struct wsheap_block *block)
{
	const struct tile_links *links = tile_links(block);
	u32 seal = tile_mask(private, links);

	if (block->size & (BLOCK_IS_QUICK | BLOCK_IS_FREE))
		seal ^= seal_link(links->next);
	if (block->size & BLOCK_IS_FREE && block_size(block) > 1)
		seal ^= rol32(seal_link(links->prev), 16);
	return seal;
}

static __always_inline enum tile tile_state(const struct wsheap_private *private,
					    const struct wsheap_block *block)
{
	switch ((block->seal + block->size) ^ tile_seal(private, block)) {
	case 0:
		return block->size & BLOCK_IS_FREE ? TILE_FREE :
		       block->size & BLOCK_IS_QUICK ? TILE_QUICK : TILE_LIVE;
	case SEAL_LOST:
		return TILE_LOST;
	case SEAL_END:
		return TILE_END;
	}
	return TILE_DAMAGED;
}

enum tile wsheap_tile_state(const struct wsheap_private *private,
			    const struct wsheap_block *block)
{
	return tile_state(private, block);
}

/*
 * Says what a tile is, and sets @block to the next one. Behind a header that was
 * overwritten this is the region's end. Lengths are compared, because an address
 * beyond a wrong one may wrap on 32-bit.
 */
enum tile wsheap_tile_next(const struct wsheap_private *private,
			   const struct wsheap_region *region,
			   struct wsheap_block **block)
{
	size_t left = (char *)region_end(region) - (char *)*block;
	size_t length = block_length(private, *block);
	enum tile tile = tile_state(private, *block);

	if (tile == TILE_DAMAGED || tile == TILE_END || length > left || !length) {
		*block = region_end(region);
		return TILE_DAMAGED;
	}
	*block = block_at(*block, length);
	return tile;
}

static __always_inline bool tile_is(const struct wsheap_private *private,
				    const struct wsheap_block *block,
				    enum tile tile)
{
	return tile_state(private, block) == tile;
}

/* The links have to be set before. */
static __always_inline void tile_set(const struct wsheap_private *private,
				     struct wsheap_block *block, u32 size, u32 seal)
{
	block->size = size;
	block->seal = (tile_seal(private, block) ^ seal) - size;
}

/* What is the inside of another tile from now on must not look like one. */
static void tile_forget(const struct wsheap_private *private,
			struct wsheap_block *block)
{
	block->seal = ~block->seal;
	debug_fill_free(private, block, sizeof(*block));
}

/* Changes a seal by the difference of two checksums. A wrong seal stays wrong. */
static __always_inline void tile_reseal(struct wsheap_block *block, u32 change)
{
	block->seal = ((block->seal + block->size) ^ change) - block->size;
}

static void *link_get(const struct wsheap_private *private,
		      const unsigned long *link)
{
	return (void *)(*link ^ swab(tile_mask(private, link)));
}

static void link_set(const struct wsheap_private *private, unsigned long *link,
		     const void *to)
{
	*link = (unsigned long)to ^ swab(tile_mask(private, link));
}

/* The foot before a tile. */
static struct tile_foot *foot_of(const struct wsheap_block *block)
{
	return (struct tile_foot *)block - 1;
}

static u32 foot_check(const struct wsheap_private *private,
		      const struct tile_foot *foot, u32 length)
{
	return hash_long(tile_mask(private, foot) + length, 32);
}

static void foot_set(const struct wsheap_private *private,
		     struct wsheap_block *block, size_t length)
{
	struct tile_foot *foot = foot_of(block_at(block, length));

	foot->length = length;
	foot->check = foot_check(private, foot, length);
}

/* A foot that is no more must not look like one. */
static void foot_forget(const struct wsheap_private *private,
			struct wsheap_block *next)
{
	foot_of(next)->check = ~foot_of(next)->check;
	debug_fill_free(private, foot_of(next), sizeof(struct tile_foot));
}

/*
 * The length that the foot before a tile has, or 0. If what is before is live,
 * these are bytes that its owner may be writing to.
 */
static __always_inline size_t foot_get(const struct wsheap_private *private,
				       const struct wsheap_block *block)
{
	struct tile_foot *foot = foot_of(block), seen;

	/* The foot of a free tile does not change. Other bytes are not trusted. */
	seen = data_race(*foot);
	return seen.check == foot_check(private, foot, seen.length) ?
	       seen.length : 0;
}

/*
 * The free tile before another one, or NULL. Whatever its foot says, the header
 * that it leads to has to be that of a free tile which ends here.
 */
struct wsheap_block *wsheap_tile_before(const struct wsheap_private *private,
					const struct wsheap_block *block)
{
	size_t length = foot_get(private, block);
	struct wsheap_block *before = block_at(block, -(ssize_t)length);

	if (!length || !tile_is(private, before, TILE_FREE) ||
	    block_length(private, before) != length)
		return NULL;
	return before;
}

/* Tells whether the first @length bytes of a free tile still have the fill. */
bool __wsheap_tile_is_clean(const struct wsheap_private *private,
			    const struct wsheap_block *block, size_t length)
{
	size_t from = sizeof(*block) + sizeof(unsigned long);
	size_t to = block_length(private, block);

	if (tile_is(private, block, TILE_FREE)) {
		from = sizeof(*block) + sizeof(struct tile_links);
		to -= sizeof(struct tile_foot);
	}
	to = min(to, length);
	return from >= to || !memchr_inv((void *)block + from, POISON_FREE, to - from);
}

static void report_written(struct wsheap_private *private,
			   const struct wsheap_block *block)
{
	wsheap_private_report(private, MISTAKE_WRITTEN, block + 1,
			      private->caller);
}

/* What was written to while it was free is in no bin until the next reset. */
static void tile_lose(struct wsheap_private *private, struct wsheap_block *block)
{
	size_t length = block_length(private, block);

	report_written(private, block);
	if (block->size & BLOCK_IS_FREE && length <= TILE_SMALL)
		private->small += length;
	tile_set(private, block, block_room(private, length), SEAL_LOST);
}

/*
 * Bins.
 */

static void bin_clear(struct wsheap_private *private, unsigned int bin)
{
	private->bins[bin] = NULL;
	__clear_bit(bin, private->bin_map);
}

/* Changes a link of a tile, and its seal with it. A wrong seal stays wrong. */
static __always_inline void bin_set_link(const struct wsheap_private *private,
					 struct wsheap_block *block,
					 unsigned long *link,
					 const struct wsheap_block *to)
{
	u32 change = seal_link(*link);

	link_set(private, link, to);
	change ^= seal_link(*link);
	if (link == &tile_links(block)->prev)
		change = rol32(change, 16);
	tile_reseal(block, change);
}

static void bin_add(struct wsheap_private *private, struct wsheap_block *block,
		    size_t length)
{
	unsigned int bin = tile_bin(length);
	struct wsheap_block *next = private->bins[bin];

	link_set(private, &tile_links(block)->next, next);
	link_set(private, &tile_links(block)->prev, NULL);
	tile_set(private, block, length / TILE_ALIGN | BLOCK_IS_FREE, 0);
	private->bins[bin] = block;
	if (next)
		bin_set_link(private, next, &tile_links(next)->prev, block);
	else
		__set_bit(bin, private->bin_map);
}

/*
 * Takes a tile whose seal is sound out of its bin. Returns false if that cannot
 * be done. Then the tile is left alone.
 */
static bool bin_del(struct wsheap_private *private, struct wsheap_block *block)
{
	struct wsheap_block *next = link_get(private, &tile_links(block)->next);
	struct wsheap_block *prev = link_get(private, &tile_links(block)->prev);
	size_t length = block_length(private, block);
	unsigned int bin = tile_bin(length);

	/* Of a bin that was left alone. */
	if (!prev && private->bins[bin] != block)
		return false;
	if (foot_get(private, block_at(block, length)) != length ||
	    (next && link_get(private, &tile_links(next)->prev) != block) ||
	    (prev && link_get(private, &tile_links(prev)->next) != block)) {
		report_written(private, block);
		bin_clear(private, bin);
		return false;
	}
	if (next)
		bin_set_link(private, next, &tile_links(next)->prev, prev);
	if (prev)
		bin_set_link(private, prev, &tile_links(prev)->next, next);
	else if (next)
		private->bins[bin] = next;
	else
		bin_clear(private, bin);
	return true;
}

static void quick_push(struct wsheap_private *private, unsigned int bin,
		       struct wsheap_block *block)
{
	void *p = block + 1;

	link_set(private, p, private->quick[bin]);
	tile_set(private, block, block_size(block) | BLOCK_IS_QUICK, 0);
	private->quick[bin] = p;
	private->quick_size += block_length(private, block) / TILE_ALIGN;
}

/*
 * Takes the first tile of a quick bin. One that was written to is lost, and the
 * next one tried; after one with a wrong seal there is none.
 */
static struct wsheap_block *quick_pop(struct wsheap_private *private,
				      unsigned int bin)
{
	size_t length = bin * TILE_ALIGN;
	struct wsheap_block *block;
	unsigned long *link;

	while ((link = private->quick[bin]) != &private->quick_end.link) {
		block = block_of(link);
		if (!tile_is(private, block, TILE_QUICK) ||
		    block_length(private, block) != length) {
			report_written(private, block);
			private->quick[bin] = &private->quick_end.link;
			return NULL;
		}
		private->quick[bin] = link_get(private, link);
		private->quick_size -= bin;
		if (wsheap_tile_is_clean(private, block, length))
			return block;
		tile_lose(private, block);
	}
	return NULL;
}

/*
 * For wsheap_validate(): the number of tiles in bins (TILE_FREE), or in quick bins
 * (TILE_QUICK, the paired ones included). SIZE_MAX if one is damaged.
 */
size_t wsheap_tile_count(const struct wsheap_private *private, enum tile tile)
{
	const struct wsheap_block *block;
	size_t nr = 0;
	unsigned int i;
	const void *p;

	if (tile == TILE_FREE) {
		for_each_set_bit(i, private->bin_map, TILE_BINS) {
			for (block = private->bins[i]; block; nr++) {
				if (!tile_is(private, block, TILE_FREE))
					return SIZE_MAX;
				block = link_get(private, &tile_links(block)->next);
			}
		}
		return nr;
	}
	for (i = 0; i < QUICK_BINS; i++) {
		for (p = private->quick[i]; p != &private->quick_end.link;
		     p = link_get(private, p), nr++)
			if (!tile_is(private, block_of(p), TILE_QUICK))
				return SIZE_MAX;
	}
	return nr;
}

/*
 * Merging and cutting.
 */

/* A free tile that is merged with another leaves its bin, if it is in one. */
static bool tile_leave(struct wsheap_private *private, struct wsheap_block *block)
{
	return tile_is_sliver(private, block) || bin_del(private, block);
}

/* A free sliver that is in no bin. It is merged as soon as a neighbour is free. */
static void sliver_wait(const struct wsheap_private *private,
			struct wsheap_block *block)
{
	foot_set(private, block, TILE_ALIGN);
	tile_set(private, block, 1 | BLOCK_IS_FREE, 0);
}

/* A sliver without a free neighbour. A fixed heap keeps it as a block to come. */
static void sliver_keep(struct wsheap_private *private,
			struct wsheap_block *block, unsigned int bin)
{
	if (!private_is_fixed(private))
		return sliver_wait(private, block);
	block->size = block_room(private, TILE_ALIGN);
	quick_push(private, bin, block);
	private->small += TILE_ALIGN;
}

/* Merges free memory with its free neighbours. */
static void tile_free(struct wsheap_private *private, struct wsheap_block *block,
		      size_t length)
{
	struct wsheap_block *next = block_at(block, length);
	struct wsheap_block *before = wsheap_tile_before(private, block);
	size_t more;

	if (tile_is(private, next, TILE_FREE) && tile_leave(private, next)) {
		more = block_length(private, next);
		tile_forget(private, next);
		debug_fill_free(private, next + 1,
				min(more - sizeof(*next), sizeof(struct tile_links)));
		length += more;
	}
	if (before && tile_leave(private, before)) {
		foot_forget(private, block);
		tile_forget(private, block);
		length += (char *)block - (char *)before;
		block = before;
	}
	if (length > TILE_ALIGN) {
		foot_set(private, block, length);
		bin_add(private, block, length);
	} else if (before || tile_is(private, next, TILE_FREE)) {
		/* A sliver whose free neighbour could not leave its bin. */
		block->size = 1 | BLOCK_IS_FREE;
		tile_lose(private, block);
	} else {
		sliver_keep(private, block, 1);
	}
}

/* Makes a live block of free memory that is in no bin any more. */
static void *tile_make(struct wsheap_private *private,
		       struct wsheap_block *block, size_t size)
{
	size_t extent = block_extent(private, size);
	void *p = block + 1;

	if (private->guard) {
		memset(p, POISON_INUSE, size);
		memset(p + size, SLUB_RED_ACTIVE, extent - sizeof(*block) - size);
	}
	tile_set(private, block, size, 0);
	private_charge(private, size);
	return p;
}

/*
 * What a block leaves out at the beginning of a free tile, for its alignment. One
 * that begins a page is better avoided: there is no short path to free it.
 */
static size_t tile_pad(const struct wsheap_block *block, size_t length,
		       const struct tile_request *req)
{
	const char *p = (const char *)(block + 1);

	if (req->align == TILE_ALIGN && !offset_in_page(p) &&
	    req->extent < length)
		return TILE_ALIGN;
	return PTR_ALIGN(p, req->align) - p;
}

/* Takes a free tile out of its bin, and all that marks it as one. */
static bool tile_take(struct wsheap_private *private, struct wsheap_block *block)
{
	size_t length = block_length(private, block);
	struct wsheap_block *next = block_at(block, length);

	if (!bin_del(private, block))
		return false;
	debug_fill_free(private, tile_links(block), sizeof(struct tile_links));
	foot_forget(private, next);
	return true;
}

/* Makes a live block of a part of a free tile. */
static void *tile_split(struct wsheap_private *private,
			struct wsheap_block *block, const struct tile_request *req)
{
	size_t length = block_length(private, block);
	size_t pad = tile_pad(block, length, req);
	bool clean = wsheap_tile_is_clean(private, block, pad + req->extent);
	void *p;

	if (!tile_take(private, block))
		return NULL;
	if (!clean) {
		tile_lose(private, block);
		return NULL;
	}
	length -= pad + req->extent;
	debug_fill_free(private, block, sizeof(*block));
	p = tile_make(private, block_at(block, pad), req->size);
	if (req->extent <= TILE_SMALL)
		private->small += req->extent;
	if (pad)
		tile_free(private, block, pad);
	if (length)
		tile_free(private, block_at(block, pad + req->extent), length);
	return p;
}

/*
 * Cuts a block from the shortest of the first @tries tiles of a bin that it fits.
 */
static void *bin_cut(struct wsheap_private *private,
		     const struct tile_request *req, unsigned int bin,
		     unsigned int tries)
{
	struct wsheap_block *block = private->bins[bin], *best = NULL;
	size_t length, most = SIZE_MAX;

	for (; block && most > req->extent && tries--;
	     block = link_get(private, &tile_links(block)->next)) {
		if (!tile_is(private, block, TILE_FREE)) {
			report_written(private, block);
			bin_clear(private, bin);
			return NULL;
		}
		length = block_length(private, block);
		if (length < most &&
		    tile_pad(block, length, req) + req->extent <= length) {
			most = length;
			best = block;
		}
	}
	return best ? tile_split(private, best, req) : NULL;
}

/*
 * Cuts a block from a free tile. With @all, no tile that it fits is missed: those
 * in bins of longer ones fit anyway, unless they have to be aligned.
 */
void *wsheap_tile_cut(struct wsheap_private *private,
		      const struct tile_request *req, bool all)
{
	unsigned int bin = tile_bin(req->extent);
	void *p;

	for_each_set_bit_from(bin, private->bin_map, TILE_BINS) {
		p = bin_cut(private, req, bin, all ? UINT_MAX : BIN_TRIED);
		if (p)
			return p;
	}
	return NULL;
}

/* Takes a block from the quick bin of its length. */
void *wsheap_tile_take_quick(struct wsheap_private *private,
			     const struct tile_request *req)
{
	struct wsheap_block *block = NULL;

	/* Bin 1 may be empty in the middle of a drain. */
	if (req->extent == TILE_ALIGN && private->quick[1] == &private->quick_end.link)
		swap(private->quick[1], private->quick[QUICK_ALONE]);
	if (req->extent <= TILE_SMALL && req->align == TILE_ALIGN)
		block = quick_pop(private, req->extent / TILE_ALIGN);
	return block ? tile_make(private, block, req->size) : NULL;
}

/* Frees a live block, whose bytes are the caller's to clear. */
void wsheap_tile_release(struct wsheap_private *private,
			 struct wsheap_block *block)
{
	size_t length = block_length(private, block);

	private_uncharge(private, block_size(block));
	if (length <= TILE_SMALL)
		return quick_push(private, length / TILE_ALIGN, block);
	private->refused = SIZE_MAX;
	tile_free(private, block, length);
}

/* Resizes a live block where it is. Returns whether that can be done. */
bool wsheap_tile_resize(struct wsheap_private *private,
			struct wsheap_block *block, size_t size)
{
	size_t old = block_length(private, block);
	size_t new = block_extent(private, size), has = old;
	struct wsheap_block *next = block_at(block, old);
	size_t kept = min(block_size(block), size);

	if (new > old) {
		if (!tile_is(private, next, TILE_FREE) ||
		    tile_is_sliver(private, next))
			return false;
		has += block_length(private, next);
		if (has < new || !wsheap_tile_is_clean(private, next, new - old) ||
		    !tile_take(private, next))
			return false;
		tile_forget(private, next);
	}
	if (old <= TILE_SMALL)
		private->small -= old;
	if (new <= TILE_SMALL)
		private->small += new;
	private_uncharge(private, block_size(block));
	private_charge(private, size);
	tile_set(private, block, size, 0);
	if (private->guard && size > kept)
		memset((void *)(block + 1) + kept, POISON_INUSE, size - kept);
	if (private->guard)
		memset((void *)(block + 1) + size, SLUB_RED_ACTIVE,
		       new - sizeof(*block) - size);
	if (has > new) {
		next = block_at(block, new);
		if (want_init_on_free() && new < old)
			memset(next, 0, old - new);
		if (new < old) {
			debug_fill_free(private, next, old - new);
				private->refused = SIZE_MAX;
		} else {
			debug_fill_free(private, next, has - new);
		}
		tile_free(private, next, has - new);
	}
	return true;
}

/*
 * Drains a sliver. If the next tile is a quick sliver, which cannot be taken out of
 * the middle of its list, this one retry to be merged when that one is drained. In
 * a fixed heap one without such a neighbour is put aside.
 */
static void drain_sliver(struct wsheap_private *private,
			 struct wsheap_block *block)
{
	const struct wsheap_block *next = block_at(block, TILE_ALIGN);
	enum tile tile = tile_state(private, next);
	bool retry = private->retry;

	private->retry = true;
	if (tile == TILE_FREE || wsheap_tile_before(private, block)) {
		tile_free(private, block, TILE_ALIGN);
	} else if (tile == TILE_QUICK && tile_is_sliver(private, next)) {
		sliver_wait(private, block);
	} else {
		private->retry = retry;
		sliver_keep(private, block, QUICK_ALONE);
	}
}

/*
 * Merges quick tiles, TILE_SLICE at the most: the longest first, and slivers if
 * there are many or if @all is set. Returns whether none is left.
 */
bool wsheap_tile_drain(struct wsheap_private *private, bool all)
{
	unsigned int left = TILE_SLICE, bin = QUICK_BINS;
	struct wsheap_block *block;
	bool retry;

	while (--bin) {
		if (bin == 1 && !all &&
		    (private_is_fixed(private) || private->quick_size * TILE_ALIGN <=
						  private->small / SLIVER_PART))
			break;
		while ((block = quick_pop(private, bin))) {
			debug_fill_free(private, block + 1, sizeof(unsigned long));
			private->refused = SIZE_MAX;
			private->small -= bin * TILE_ALIGN;
			if (bin == 1)
				drain_sliver(private, block);
			else
				tile_free(private, block, bin * TILE_ALIGN);
			if (!--left)
				return false;
		}
	}
	if (bin == 0)
		swap(private->quick[1], private->quick[QUICK_ALONE]);
	private->small_peak = private->small;
	retry = private->retry;
	private->retry = false;
	return !retry;
}

/* The longest of the free tiles, or 0. */
size_t wsheap_tile_largest(const struct wsheap_private *private)
{
	unsigned int bin = find_last_bit(private->bin_map, TILE_BINS);
	const struct wsheap_block *block;
	size_t length = 0;

	if (bin >= TILE_BINS)
		return private->quick[1] != &private->quick_end.link ? TILE_ALIGN : 0;
	for (block = private->bins[bin];
	     block && tile_is(private, block, TILE_FREE);
	     block = link_get(private, &tile_links(block)->next))
		length = max(length, block_length(private, block));
	return length;
}

/*
 * Regions.
 */

void wsheap_tile_add_region(struct wsheap_private *private,
			    struct wsheap_region *region)
{
	struct wsheap_block *first = region_first(region);
	struct wsheap_block *end = region_end(region);
	size_t length = (char *)end - (char *)first;

	memset(foot_of(first), 0, sizeof(struct tile_foot));
	tile_set(private, end, 0, SEAL_END);
	debug_fill_free(private, first, length);
	private->refused = SIZE_MAX;
	tile_free(private, first, length);
}

/* Returns false if not all of a region is one free tile. */
bool wsheap_tile_del_region(struct wsheap_private *private,
			    struct wsheap_region *region)
{
	struct wsheap_block *first = region_first(region);
	struct wsheap_block *end = region_end(region);

	if (!tile_is(private, first, TILE_FREE) ||
	    block_at(first, block_length(private, first)) != end ||
	    !bin_del(private, first))
		return false;
	foot_forget(private, end);
	tile_forget(private, first);
	return true;
}

/* Forgets all tiles. No seal from before fits any more. */
void wsheap_tile_begin(struct wsheap_private *private)
{
	private->key = get_random_long();
	memset_p(private->quick, &private->quick_end.link, QUICK_BINS);
	tile_set(private, &private->quick_end.block, 0, SEAL_END);
	memset(private->bins, 0, sizeof(private->bins));
	bitmap_zero(private->bin_map, TILE_BINS);
	private->small = 0;
	private->quick_size = 0;
	private->small_peak = 0;
	private->refused = SIZE_MAX;
	private->retry = false;
}
