// SPDX-License-Identifier: GPL-2.0
/*
 * Private heaps, whose blocks are freed and resized one by one. Included by
 * wsheap.c: heap, chunks, quota and properties are those of a message heap.
 *
 *	regions   a tree, by address
 *
 *	region | header | B block | B block | B free | open ... | B top ... | B |
 *	                                              ^ open     ^ open_end  end
 *
 *	small[]   extent 16, 32, ... WSHEAP_SMALL: B free --> B free
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
 * PRIVATE_SHARED is alone in a region: the memory is just what was asked for,
 * at the beginning of a page, the header lies apart, and the system has it back
 * as soon as it is freed. The short paths do not look before the beginning of a
 * page, where nothing may be, nor anywhere once a region from vmalloc went back
 * (careful): the tree is asked first. So a pointer to what is no more is
 * reported, and not followed.
 *
 * The debug mode has a byte to check behind each block, and fills what is free.
 * A heap in that mode never takes a short path.
 */

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
/* A bin of large blocks has room for a block, somewhere. */
#define PRIVATE_TRIED		8

/* What a tile is. */
enum {
	BLOCK_SMALL,				/* live, with an extent in small[] */
	BLOCK_FREE,				/* in a bin, unless a sweep is on */
	BLOCK_LARGE,				/* live */
	BLOCK_WIDE,				/* live, and so is the tile behind */
	BLOCK_LOOSE,				/* free, or that one; not in a bin */
	BLOCK_END,				/* of the region */
	BLOCK_STATES,				/* all others: damaged, or no tile */
	BLOCK_NONE = 8,				/* no tile has this */
};

/* A state as it lies in a seal. */
static u32 block_bits(u32 state)
{
	return state << WSHEAP_SEAL_SHIFT;
}

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

static const char * const misuse_text[] = {
	[MISUSE_FREED]		= "has been freed already",
	[MISUSE_FOREIGN]	= "is not this heap's, or not any more",
	[MISUSE_INSIDE]		= "is not the beginning of a block",
	[MISUSE_HEADER]		= "has a header that was written over",
	[MISUSE_OVERRUN]	= "was written beyond its end",
	[MISUSE_WRITTEN]	= "is free, and was written to",
};

static bool wsheap_debug =
	IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_SLUB_DEBUG_ON) ||
	IS_ENABLED(CONFIG_DEBUG_PAGEALLOC) || IS_ENABLED(CONFIG_LOCKDEP) ||
	IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP);
module_param_named(debug, wsheap_debug, bool, 0644);
MODULE_PARM_DESC(debug, "Private heaps made from now on find overruns by a byte and writes to freed blocks");

/**
 * struct wsheap_region - a chunk of a private heap
 * @chunk: the chunk; of a block that is alone, the header lies apart, and
 *	@used is the size as asked.
 * @node: in the heap's tree.
 */
struct wsheap_region {
	struct wsheap_chunk chunk;
	struct rb_node node;
};

static size_t wsheap_private_header(void)
{
	return sizeof(struct wsheap_region);
}

/* The first tile of a region, and what a region has beside its tiles. */
#define REGION_FIRST \
	(ALIGN(sizeof(struct wsheap_region) + sizeof(struct wsheap_block), \
	       WSHEAP_GRAIN) - sizeof(struct wsheap_block))
#define REGION_OVERHEAD	(REGION_FIRST + sizeof(struct wsheap_block))

static bool private_is_fixed(const struct wsheap_private *private)
{
	return private->heap.max_size != WSHEAP_UNLIMITED;
}

static size_t private_live(const struct wsheap_private *private)
{
	return private->heap.max_size - private->heap.left;
}

/* The holder of wsheap_lock() calls. Nobody else can become it meanwhile. */
static bool private_nested(const struct wsheap_private *private)
{
	return READ_ONCE(private->owner) == current;
}

static unsigned long private_enter(struct wsheap_private *private)
	__acquires(&private->heap.lock)
{
	unsigned long irq = 0;

	if (private->heap.flags & WSHEAP_NO_SERIALIZE ||
	    private_nested(private))
		__acquire(&private->heap.lock);
	else	/* by somebody who may be in wsheap_lock() of another heap */
		spin_lock_irqsave_nested(&private->heap.lock, irq,
					 SINGLE_DEPTH_NESTING);
	return irq;
}

static void private_leave(struct wsheap_private *private, unsigned long irq)
	__releases(&private->heap.lock)
{
	if (private->heap.flags & WSHEAP_NO_SERIALIZE ||
	    private_nested(private))
		__release(&private->heap.lock);
	else
		spin_unlock_irqrestore(&private->heap.lock, irq);
}

static void private_report(struct wsheap_private *private, enum misuse misuse,
			   const void *p, unsigned long caller)
{
	KUNIT_STATIC_STUB_REDIRECT(private_report, private, misuse, p, caller);

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
	bool locked = !(private->heap.flags & WSHEAP_NO_SERIALIZE);

	private->short_key = private->key ^ block_bits(none ? BLOCK_NONE : 0);
	private->heap.quick_key = private->key ^
				  block_bits(none || locked ? BLOCK_NONE : 0);
	private->heap.look_mask = private->careful ?
				  0 : PAGE_SIZE - WSHEAP_MIN_ALIGN;
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

/*
 * Tiles.
 */

static struct wsheap_block *block_of(const void *p)
{
	return (struct wsheap_block *)p - 1;
}

static struct wsheap_block *block_at(const void *block, size_t offset)
{
	return (void *)block + offset;
}

static size_t block_extent(const struct wsheap_private *private, size_t size)
{
	return ALIGN(size + sizeof(struct wsheap_block) + private->guard,
		     WSHEAP_GRAIN);
}

static size_t block_room(const struct wsheap_private *private, size_t extent)
{
	return extent - sizeof(struct wsheap_block) - private->guard;
}

static size_t block_length(const struct wsheap_private *private,
			   const struct wsheap_block *block)
{
	/* Whatever was written there, the sum does not wrap. */
	return block_extent(private, min_t(size_t, block->size, INT_MAX));
}

static u32 block_state(const struct wsheap_private *private,
		       const struct wsheap_block *block)
{
	return ror32(block->seal ^ wsheap_seal(private->key, block + 1),
		     WSHEAP_SEAL_SHIFT);
}

static void block_seal(const struct wsheap_private *private,
		       struct wsheap_block *block, u32 state, size_t size)
{
	block->seal = wsheap_seal(private->key, block + 1) ^ block_bits(state);
	block->size = size;
}

static void block_seal_live(const struct wsheap_private *private,
			    struct wsheap_block *block, size_t size)
{
	bool small = block_extent(private, size) <= WSHEAP_SMALL;

	block_seal(private, block, small ? BLOCK_SMALL : BLOCK_LARGE, size);
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

static bool block_is_live(u32 state)
{
	return state == BLOCK_SMALL || state == BLOCK_LARGE ||
	       state == BLOCK_WIDE;
}

/* Whether the tail of a wide block is sound. */
static bool block_has_tail(const struct wsheap_private *private,
			   const struct wsheap_block *block)
{
	size_t length = block_length(private, block);

	return block_state(private, block_at(block, length)) == BLOCK_LOOSE;
}

/* The length of a block with all that belongs to it. */
static size_t block_span(const struct wsheap_private *private,
			 const struct wsheap_block *block)
{
	size_t length = block_length(private, block);

	if (block_state(private, block) == BLOCK_WIDE &&
	    block_has_tail(private, block))
		length += block_length(private, block_at(block, length));
	return length;
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

static bool debug_overrun(const struct wsheap_private *private, const void *p,
			  size_t size, size_t room)
{
	return private->guard && memchr_inv(p + size, SLUB_RED_ACTIVE, room - size);
}

/*
 * Regions.
 */

static struct wsheap_region *region_of(const struct rb_node *node)
{
	return rb_entry_safe(node, struct wsheap_region, node);
}

static bool region_is_alone(const struct wsheap_region *region)
{
	return chunk_is_apart(&region->chunk);
}

static size_t region_actual(const struct wsheap_region *region)
{
	size_t actual = region->chunk.size;

	if (region_is_alone(region))
		actual += kmalloc_size_roundup(sizeof(*region));
	return actual;
}

static struct wsheap_block *region_first(const struct wsheap_region *region)
{
	return block_at(region->chunk.mem, REGION_FIRST);
}

static struct wsheap_block *region_end(const struct wsheap_region *region)
{
	return block_at(region->chunk.mem,
			ALIGN_DOWN(region->chunk.size, WSHEAP_GRAIN) -
			sizeof(struct wsheap_block));
}

static int region_compare(const void *p, const struct rb_node *node)
{
	const struct wsheap_chunk *chunk = &region_of(node)->chunk;

	if (p < chunk->mem)
		return -1;
	return p >= chunk->mem + chunk->size;
}

/* The region that an address lies in, or NULL. */
static struct wsheap_region *region_find(const struct wsheap_private *private,
					 const void *p)
{
	return region_of(rb_find(p, &private->regions, region_compare));
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
	if (!region_is_alone(region))
		private->shared += region->chunk.size;
}

/* @drop is for chunk_release_all(). */
static void region_drop(struct wsheap_private *private,
			struct wsheap_region *region, struct wsheap_chunk **drop)
{
	bool mapped = is_vmalloc_addr(region->chunk.mem);

	rb_erase(&region->node, &private->regions);
	private->heap.actual -= region_actual(region);
	if (mapped)
		private->heap.flags |= WSHEAP_DEFERRED;
	if (!region_is_alone(region)) {
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
	(ilog2(WSHEAP_SMALL) * 4 + \
	 ((WSHEAP_SMALL >> (ilog2(WSHEAP_SMALL) - 2)) & 3))

static unsigned int bin_of(size_t extent)
{
	unsigned int order = ilog2(extent);
	unsigned int bin = order * 4 + ((extent >> (order - 2)) & 3);

	return min_t(unsigned int, bin - BIN_FIRST, WSHEAP_LARGE_BINS - 1);
}

static void bin_add(struct wsheap_private *private, struct wsheap_block *block,
		    size_t extent)
{
	void *p = block + 1;

	block_seal(private, block, BLOCK_FREE, block_room(private, extent));
	if (extent <= WSHEAP_SMALL) {
		void **bin = &private->small[extent / WSHEAP_GRAIN];

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
	void **link = &private->small[extent / WSHEAP_GRAIN];

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
	return block_length(private, block) > WSHEAP_SMALL ||
	       bin_link(private, block);
}

static void bin_del(struct wsheap_private *private, struct wsheap_block *block)
{
	if (block_length(private, block) > WSHEAP_SMALL)
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
			private_report(private, MISUSE_WRITTEN, p, caller);
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
	size_t align;		/* WSHEAP_GRAIN at least */
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

	if (req->align == WSHEAP_GRAIN && !offset_in_page(p) &&
	    req->extent < length)
		return WSHEAP_GRAIN;
	return PTR_ALIGN(p, req->align) - p;
}

/* That is too short to be of use, or to have an alignment of its own. */
static void private_give_pad(struct wsheap_private *private,
			     struct wsheap_block *block, size_t pad)
{
	if (pad > WSHEAP_GRAIN)
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
	size_t bin = req->extent / WSHEAP_GRAIN, last = bin;
	void *p;

	if (others)
		last = min_t(size_t, bin + 1 + bin / 2,
			     ARRAY_SIZE(private->small) - 1);
	for (; bin <= last; bin++) {
		p = private->small[bin];
		if (!p)
			continue;
		private->small[bin] = *(void **)p;
		block_wipe(private, block_of(p), bin * WSHEAP_GRAIN);
		return private_make(private, block_of(p), req->size,
				    bin * WSHEAP_GRAIN, req->caller);
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
	unsigned int bin = bin_of(max_t(size_t, req->extent, WSHEAP_SMALL));
	unsigned int left = thorough ? UINT_MAX : PRIVATE_TRIED;
	size_t most = split ? SIZE_MAX : req->extent / PRIVATE_WASTE;
	struct hlist_node *node;

	for_each_set_bit_from(bin, private->large_map, WSHEAP_LARGE_BINS) {
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

/* The same with those of other small sizes. */
static struct wsheap_block *private_find_small(struct wsheap_private *private,
					       const struct request *req)
{
	size_t bin = req->extent / WSHEAP_GRAIN;
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
	size_t most = req->extent + req->align - WSHEAP_GRAIN;
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
	size_t most = req->extent + req->align - WSHEAP_GRAIN;
	bool split = thorough || private_is_slack(private);
	bool small = most <= WSHEAP_SMALL;
	struct wsheap_block *block;
	void *p = NULL;

	if (req->align == WSHEAP_GRAIN && small)
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
	if (private->thorough || *length > WSHEAP_SMALL)
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
	while (node && region_is_alone(region_of(node)))
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
	bitmap_zero(private->large_map, WSHEAP_LARGE_BINS);
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
	size_t length = 0, most;
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
		most = (char *)region_end(region) - (char *)block;
		if (state < BLOCK_END &&
		    (block_length(private, block) > most ||
		     block_span(private, block) > most))
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
			private_report(private, MISUSE_HEADER, block + 1,
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
		if (!joined)
			sweep_begin(private, thorough);
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
	return backing_size(&private->heap, size, gfp) <=
	       private->heap.max_size - private->heap.actual;
}

/* What a heap would rather grow by than by @need. */
static size_t private_growth(const struct wsheap_private *private, size_t need,
			     gfp_t gfp)
{
	bool blocking = gfpflags_allow_blocking(gfp);
	size_t most = blocking ? CHUNK_LARGEST : PAGES_LARGEST;
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
	/* Whole pages; and one grain to leave out, see private_pad(). */
	size_t need = PAGE_ALIGN(REGION_OVERHEAD + sizeof(struct wsheap_block) +
				 req->extent + req->align);
	struct wsheap *heap = &private->heap;
	struct wsheap_chunk *chunk = NULL;
	struct wsheap_region *region;
	gfp_t gfp = req->gfp;
	size_t want;

	/* Whoever holds the lock by wsheap_lock() does not let it go. */
	if (private_nested(private))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	/* Where nobody may wait, the system may have none that is small enough. */
	if (!private_has_room(private, need, gfp))
		return need > heap->max_size - heap->actual ? -EDQUOT : -ENOMEM;
	want = private_growth(private, need, gfp);

	private_leave(private, *irq);
	if (want > need)
		chunk = chunk_obtain(heap, want, false, gfp_optional(gfp));
	if (!chunk)
		chunk = chunk_obtain(heap, need, false, gfp);
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

static void *private_alloc_alone(struct wsheap_private *private,
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
	chunk = chunk_obtain(&private->heap,
			     max_t(size_t, req->size + private->guard, PAGE_SIZE),
			     true, gfp);
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
static bool private_lies_alone(const struct wsheap_private *private,
			       const struct request *req)
{
	return !private_is_fixed(private) &&
	       req->extent + req->align - WSHEAP_GRAIN > PRIVATE_SHARED;
}

/* What is wrong with a request whatever the heap holds. */
static int private_check(const struct wsheap_private *private,
			 const struct request *req)
{
	int code = wsheap_check(&private->heap, req->size, req->align, req->gfp,
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
	req->align = max_t(size_t, req->align, WSHEAP_GRAIN);
	req->extent = block_extent(private, req->size);

	irq = private_enter(private);
	if (!code && private_lies_alone(private, req)) {
		p = private_alloc_alone(private, req, &irq);
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
		/* Unless all is merged, as it was, and nothing was split since. */
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
		else if (req->align == WSHEAP_GRAIN && req->extent >
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
	chunk_release_all(drop, false);
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

static void *wsheap_private_alloc(struct wsheap *heap, size_t size,
				  size_t align, gfp_t gfp,
				  struct wsheap_error *err,
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
 * The short paths for large blocks: the last one freed of those of its
 * magnitude is taken if it has just the size, and nothing is split or merged.
 */
static __always_inline void *private_take_large(struct wsheap *heap,
						size_t size)
{
	struct wsheap_private *private = wsheap_private(heap);
	size_t extent = ALIGN(size + sizeof(struct wsheap_block), WSHEAP_GRAIN);
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
	heap->left -= size;
	return node;
}

static noinline void *wsheap_private_alloc_large(struct wsheap *heap,
						 size_t size)
{
	bool locked = !(heap->flags & WSHEAP_NO_SERIALIZE);
	unsigned long irq;
	void *p;

	if (!locked)
		__acquire(&heap->lock);
	else if (!wsheap_trylock(heap, &irq))
		return NULL;
	p = private_take_large(heap, size);
	if (!locked)
		__release(&heap->lock);
	else
		wsheap_trylock_end(heap, irq);
	if (want_init_on_alloc(0) && p)
		return wsheap_clear_for(p, p, size);
	return p;
}

/*
 * What a pointer is.
 */

/* The tile that an address in a region lies in, or NULL. */
static struct wsheap_block *region_tile_at(struct wsheap_private *private,
					   struct wsheap_region *region,
					   const void *p)
{
	struct wsheap_block *block = region_first(region), *next;

	for (;; block = next) {
		if ((char *)block == private->open) {
			next = (void *)private->open_end;
		} else if (block_state(private, block) < BLOCK_END) {
			next = block_at(block, block_span(private, block));
			if (next > region_end(region))
				return NULL;
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
	block = region_tile_at(private, region_find(private, p), block_of(p));
	if (!block)
		return MISUSE_HEADER;
	if ((char *)block == private->open ||
	    !block_is_live(block_state(private, block)))
		return MISUSE_FREED;
	return MISUSE_INSIDE;
}

/*
 * Whether a pointer is that of a live block, and if not, why. Where the block
 * is alone, @alone is its region, else NULL.
 */
static enum misuse private_find(struct wsheap_private *private, const void *p,
				struct wsheap_region **alone)
{
	struct wsheap_block *block = block_of(p);
	struct wsheap_region *region;
	size_t most;
	u32 state;

	*alone = NULL;
	region = region_find(private, p);
	if (!region)
		return MISUSE_FOREIGN;
	if (region_is_alone(region)) {
		if (p != region->chunk.mem)
			return MISUSE_INSIDE;
		*alone = region;
		if (debug_overrun(private, p, region->chunk.used,
				  region->chunk.size))
			return MISUSE_OVERRUN;
		return MISUSE_NONE;
	}
	if (block < region_first(region) || block >= region_end(region) ||
	    !IS_ALIGNED((unsigned long)p, WSHEAP_GRAIN))
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

/* The same, reported. Returns whether there is a block to go on with. */
static bool private_have(struct wsheap_private *private, const void *p,
			 struct wsheap_region **alone, unsigned long caller)
{
	enum misuse misuse = private_find(private, p, alone);

	if (misuse == MISUSE_NONE)
		return true;
	if (misuse == MISUSE_UNKNOWN)
		misuse = private_diagnose(private, p);
	private_report(private, misuse, p, caller);
	return misuse == MISUSE_OVERRUN;
}

static void wsheap_report_kind(const struct wsheap *heap, unsigned long caller)
{
	pr_err("heap %s is a message heap, which has no such call; called from %pS\n",
	       heap->name, (void *)caller);
}

static bool wsheap_is_private(const struct wsheap *heap, unsigned long caller)
{
	if (likely(heap->flags & WSHEAP_PRIVATE))
		return true;
	DO_ONCE_LITE(wsheap_report_kind, heap, caller);
	return false;
}

static noinline void private_free(struct wsheap *heap, void *p,
				  unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *drop = NULL;
	struct wsheap_region *alone;
	struct wsheap_block *block;
	unsigned long irq;
	size_t extent;

	if (!p || !wsheap_is_private(heap, caller))
		return;
	irq = private_enter(private);
	if (!private_have(private, p, &alone, caller)) {
		private_leave(private, irq);
		return;
	}
	private_unsettle(private);
	if (alone) {
		heap->left += alone->chunk.used;
		region_drop(private, alone, &drop);
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
	chunk_release_all(drop, false);
}

static __always_inline void private_put_large(struct wsheap *heap, void *p)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_block *block = block_of(p);
	size_t extent = ALIGN(block->size + sizeof(*block), WSHEAP_GRAIN);
	unsigned int bin = bin_of(extent);

	heap->left += block->size;
	block->size = extent - sizeof(*block);
	block->seal ^= block_bits(BLOCK_FREE ^ BLOCK_LARGE);
	hlist_add_head(p, &private->large[bin]);
	__set_bit(bin, private->large_map);
}

static noinline void private_free_large(struct wsheap *heap, void *p,
					unsigned long caller)
{
	bool locked = !(heap->flags & WSHEAP_NO_SERIALIZE);
	const u32 short_paths = WSHEAP_SHORT | WSHEAP_SHORT_LOCKED |
				WSHEAP_SHORT_CLEAR;
	unsigned long irq;
	bool is_large;

	if (!(heap->flags & short_paths))
		return private_free(heap, p, caller);
	if (!locked)
		__acquire(&heap->lock);
	else if (!wsheap_trylock(heap, &irq))
		return private_free(heap, p, caller);
	is_large = wsheap_may_look(heap, p) && block_of(p)->seal ==
		   (wsheap_seal(wsheap_private(heap)->short_key, p) ^
		    block_bits(BLOCK_LARGE));
	if (is_large)
		private_put_large(heap, p);
	if (!locked)
		__release(&heap->lock);
	else
		wsheap_trylock_end(heap, irq);
	if (!is_large)
		private_free(heap, p, caller);
}

/* Apart, so that the short path is laid out for itself. */
static noinline void private_free_unlocking(struct wsheap *heap, void *p,
					    unsigned long irq,
					    unsigned long caller)
	__releases(&heap->lock)
{
	wsheap_trylock_end(heap, irq);
	private_free_large(heap, p, caller);
}

/**
 * __wsheap_free - give a block back to a private heap by the long path
 * @heap: the heap.
 * @p: the block; NULL is ignored.
 *
 * What wsheap_free() calls when the short path does not do. Answers to
 * HeapFree.
 *
 * Context: as wsheap_free().
 */
void __wsheap_free(struct wsheap *heap, void *p)
{
	unsigned long irq;

	if (unlikely(!(heap->flags & WSHEAP_SHORT_LOCKED)))
		return private_free_large(heap, p, _RET_IP_);
	if (unlikely(!wsheap_trylock(heap, &irq)))
		return private_free_large(heap, p, _RET_IP_);
	/* What may be looked at can change as long as there is no lock. */
	if (unlikely(!wsheap_may_look(heap, p)) ||
	    unlikely(block_of(p)->seal !=
		     wsheap_seal(wsheap_private(heap)->short_key, p))) {
		private_free_unlocking(heap, p, irq, _RET_IP_);
		return;
	}
	wsheap_put_small(heap, p);
	wsheap_trylock_end(heap, irq);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_free, WSHEAP_NS);

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

static bool private_resize_alone(struct wsheap_private *private,
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
		if (old - new > WSHEAP_SMALL) {
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
	struct wsheap_region *alone;
	unsigned long irq;
	int ret = -EINVAL;
	size_t has;

	irq = private_enter(private);
	if (private_have(private, p, &alone, caller)) {
		*old = alone ? alone->chunk.used : block_of(p)->size;
		has = alone ? alone->chunk.size :
			      block_span(private, block_of(p));
		/* Half of its memory is worth to be given back. */
		if (may_move && block_extent(private, size) <= has / 2)
			ret = 0;
		else if (!alone)
			ret = private_resize(private, block_of(p), size);
		else
			ret = private_resize_alone(private, alone, size);
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
		.align = WSHEAP_GRAIN,
		.gfp = gfp,
		.caller = caller,
	}, *req = &request;
	struct wsheap_error failure;
	size_t old = 0;
	void *new;
	int ret;

	might_alloc(gfp);
	if (!wsheap_is_private(heap, caller))
		return NULL;
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
		req->gfp = gfp_optional(gfp);
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
 * but for a size of 0. Answers to HeapReAlloc.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL if it stays as it was.
 */
void *wsheap_realloc(struct wsheap *heap, void *p, size_t size, gfp_t gfp)
{
	void *new;

	wsheap_might_alloc(gfp);
	/* A small block that grows, into a free one of just the size. */
	if (likely(heap->flags & WSHEAP_PRIVATE) &&
	    likely(wsheap_may_look(heap, p)) &&
	    likely(block_of(p)->seal ==
		   wsheap_seal(wsheap_private(heap)->short_key, p)) &&
	    likely(!(gfp & (WSHEAP_GFP_REFUSED | __GFP_ZERO))) &&
	    size > block_of(p)->size) {
		new = __wsheap_alloc_open(heap, size);
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
 * itself usually is. Answers to HeapReAlloc with HEAP_REALLOC_IN_PLACE_ONLY,
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
		.align = WSHEAP_GRAIN,
		.gfp = gfp,
		.caller = _RET_IP_,
	};
	size_t old = 0;

	if (!wsheap_is_private(heap, _RET_IP_) || !p)
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
 * Answers to HeapSize.
 *
 * Context: as wsheap_free().
 * Return: bytes as asked for, exactly; 0 for NULL, and for what is no block of
 * the heap, which is reported.
 */
size_t wsheap_size(struct wsheap *heap, const void *p)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_region *alone;
	unsigned long irq;
	size_t size = 0;

	if (!p || !wsheap_is_private(heap, _RET_IP_))
		return 0;
	irq = private_enter(private);
	if (private_have(private, p, &alone, _RET_IP_))
		size = alone ? alone->chunk.used : block_of(p)->size;
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
 * often. Answers to HeapLock.
 *
 * Context: as wsheap_free().
 * Return: 0, or -EINVAL for a heap that takes no lock.
 */
int wsheap_lock(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;

	if (!wsheap_is_private(heap, _RET_IP_) ||
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
	pr_err("heap %s is unlocked by somebody who has not locked it; called from %pS\n",
	       heap->name, (void *)caller);
}

/**
 * wsheap_unlock - let others use a private heap again
 * @heap: the heap.
 *
 * For who called wsheap_lock(); from anybody else it is reported, and does
 * nothing. Answers to HeapUnlock.
 *
 * Context: where wsheap_lock() was called.
 */
void wsheap_unlock(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);

	if (!wsheap_is_private(heap, _RET_IP_))
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

/*
 * Looking inside.
 */

/* Checks a region's tiles, and counts what it has. */
static bool region_validate(struct wsheap_private *private,
			    struct wsheap_region *region, size_t *live,
			    size_t *in_bins)
{
	struct wsheap_block *block = region_first(region);
	struct wsheap_block *end = region_end(region);

	if (region_is_alone(region)) {
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

	return region && !region_is_alone(region) &&
	       IS_ALIGNED((unsigned long)p, WSHEAP_GRAIN) &&
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
			    !bin_validate(private, p, i * WSHEAP_GRAIN))
				return false;
	}
	for (i = 0; i < WSHEAP_LARGE_BINS; i++) {
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
	struct wsheap_region *alone;
	struct wsheap_block *next;

	if (private_find(private, p, &alone) != MISUSE_NONE)
		return false;
	if (alone)
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
 * Answers to HeapValidate.
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

	if (!wsheap_is_private(heap, _RET_IP_))
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
				      struct wsheap_block *block)
{
	if ((char *)block == private->open)
		return (void *)private->open_end;
	return block_at(block, block_span(private, block));
}

/* Fills in what is at a tile; free neighbours are one. */
static void walk_tile(struct wsheap_private *private,
		      struct wsheap_region *region, struct wsheap_block *block,
		      struct wsheap_walk_entry *entry)
{
	struct wsheap_block *next = walk_next(private, block);
	size_t length;

	entry->kind = WSHEAP_WALK_BUSY;
	entry->address = block + 1;
	if (walk_is_free(private, block)) {
		entry->kind = WSHEAP_WALK_FREE;
		while (next < region_end(region) && walk_is_free(private, next))
			next = walk_next(private, next);
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
		block = region_tile_at(private, region, block);
	if (!block)
		return NULL;
	if (!walk_is_free(private, block))
		return walk_next(private, block);
	while (block < end && walk_is_free(private, block))
		block = walk_next(private, block);
	return block;
}

static int private_walk(struct wsheap_private *private,
			struct wsheap_walk_entry *entry)
{
	const void *from = entry->kind ? entry->address : NULL;
	struct wsheap_region *region = region_beyond(private, from);
	bool inside = entry->kind && region && from >= region->chunk.mem;
	struct wsheap_block *block;

	if (inside && region_is_alone(region)) {
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
	entry->overhead = region_is_alone(region) ?
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
 * two calls; who does not want that, holds wsheap_lock(). Answers to HeapWalk.
 *
 * Context: as wsheap_free().
 * Return: 0 with the next @entry, -ENODATA at the end, with @entry as it was.
 */
int wsheap_walk(struct wsheap *heap, struct wsheap_walk_entry *entry)
{
	struct wsheap_private *private = wsheap_private(heap);
	unsigned long irq;
	int ret;

	if (!wsheap_is_private(heap, _RET_IP_))
		return -EINVAL;
	irq = private_enter(private);
	ret = private_walk(private, entry);
	private_leave(private, irq);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_walk, WSHEAP_NS);

/* The largest block that could be cut. */
static size_t private_largest_free(const struct wsheap_private *private)
{
	size_t length = private->open_end - private->open, room;
	const struct hlist_node *node;
	unsigned long bin;
	unsigned int i;

	bin = find_last_bit(private->large_map, WSHEAP_LARGE_BINS);
	if (bin < WSHEAP_LARGE_BINS)
		hlist_for_each(node, &private->large[bin])
			length = max(length, block_length(private, block_of(node)));
	for (i = ARRAY_SIZE(private->small) - 1; i; i--)
		if (private->small[i])
			length = max_t(size_t, length, i * WSHEAP_GRAIN);
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
 * Answers to HeapCompact.
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

	if (!wsheap_is_private(heap, _RET_IP_))
		return 0;
	irq = private_enter(private);
	private_sweep(private, true, GFP_NOWAIT, &irq, &drop);
	largest = private_largest_free(private);
	private_leave(private, irq);
	chunk_release_all(drop, false);
	return largest;
}
EXPORT_SYMBOL_NS_GPL(wsheap_compact, WSHEAP_NS);

/**
 * wsheap_summary - tell what a heap holds
 * @heap: the heap, of either kind.
 * @sum: filled in.
 *
 * Answers to HeapSummary.
 *
 * Context: any. Without wsheap_lock() the figures may be of different moments.
 */
void wsheap_summary(struct wsheap *heap, struct wsheap_summary *sum)
{
	sum->allocated = heap->max_size - READ_ONCE(heap->left);
	sum->committed = READ_ONCE(heap->actual);
	sum->reserved = sum->committed;
	sum->bound = WSHEAP_UNLIMITED;
	if (heap->flags & WSHEAP_PRIVATE && heap->max_size != WSHEAP_UNLIMITED) {
		sum->reserved = heap->max_size;
		sum->bound = heap->max_size;
	}
}
EXPORT_SYMBOL_NS_GPL(wsheap_summary, WSHEAP_NS);

/**
 * wsheap_for_each - visit all live heaps
 * @fn: called for each of them, message heaps included; a non-zero return ends
 *	the visit.
 * @data: handed to @fn.
 *
 * No heap comes or goes meanwhile, so @fn must neither make nor destroy one,
 * nor wait for somebody who does. It runs in atomic context, with interrupts
 * off. Answers to GetProcessHeaps.
 *
 * Context: any but NMI, and not with a heap locked; on PREEMPT_RT not in
 * hardirq and not under a raw spinlock.
 * Return: what @fn returned last, or 0.
 */
int wsheap_for_each(int (*fn)(struct wsheap *heap, void *data), void *data)
{
	struct wsheap *heap;
	unsigned long irq;
	int ret = 0;

	spin_lock_irqsave(&wsheap_live_lock, irq);
	list_for_each_entry(heap, &wsheap_live, live) {
		ret = fn(heap, data);
		if (ret)
			break;
	}
	spin_unlock_irqrestore(&wsheap_live_lock, irq);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_for_each, WSHEAP_NS);

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

	if (!wsheap_is_private(heap, _RET_IP_))
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
	struct wsheap_region *initial = private->initial;

	private->regions = RB_ROOT;
	memset(private->small, 0, sizeof(private->small));
	memset(private->large, 0, sizeof(private->large));
	bitmap_zero(private->large_map, WSHEAP_LARGE_BINS);
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
	private->heap.actual = 0;
	region_add(private, initial);
	region_tile(private, initial);
	private_set_short_paths(private);
}

/* Called before anybody knows the heap. */
static int wsheap_private_start(struct wsheap *heap, size_t initial_size,
				gfp_t gfp)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *chunk;

	chunk = chunk_obtain(heap, initial_size, false, gfp);
	if (!chunk)
		return -ENOMEM;
	private->initial = container_of(chunk, struct wsheap_region, chunk);
	private->key = get_random_u32();
	private->guard = READ_ONCE(wsheap_debug);
	private->careful = private->guard;
	if (private->guard || want_init_on_free())
		;	/* no short path */
	else if (!(heap->flags & WSHEAP_NO_SERIALIZE))
		heap->flags |= WSHEAP_SHORT_LOCKED;
	else
		heap->flags |= want_init_on_alloc(0) ? WSHEAP_SHORT_CLEAR :
						       WSHEAP_SHORT;
	private_begin(private);
	return 0;
}

/* All regions but one, for chunk_release_all(). The tree is void afterwards. */
static struct wsheap_chunk *private_detach(struct wsheap_private *private,
					   const struct wsheap_region *keep)
{
	struct wsheap_region *region, *next;
	struct wsheap_chunk *chunks = NULL;

	rbtree_postorder_for_each_entry_safe(region, next, &private->regions,
					     node) {
		if (region == keep)
			continue;
		if (is_vmalloc_addr(region->chunk.mem)) {
			private->heap.flags |= WSHEAP_DEFERRED;
			private->careful |= !region_is_alone(region);
		}
		region->chunk.next = chunks;
		chunks = &region->chunk;
	}
	return chunks;
}

static noinline void wsheap_private_reset(struct wsheap *heap)
{
	struct wsheap_private *private = wsheap_private(heap);
	u32 key = get_random_u32();
	struct wsheap_chunk *chunks;
	unsigned long irq;

	irq = private_enter(private);
	chunks = private_detach(private, private->initial);
	if (want_init_on_free())
		memset(region_first(private->initial), 0,
		       private->initial->chunk.size - REGION_FIRST);
	/* No seal from before fits any more. */
	private->key = key;
	private_begin(private);
	private_leave(private, irq);
	chunk_release_all(chunks, false);
}

/* What the heap holds, for chunk_release_all(). */
static struct wsheap_chunk *wsheap_private_chunks(struct wsheap *heap)
{
	return private_detach(wsheap_private(heap), NULL);
}

/**
 * wsheap_create_private_args - make a private heap, and say more about it
 * @options: see wsheap_create_private().
 * @initial_size: see wsheap_create_private().
 * @maximum_size: see wsheap_create_private().
 * @args: name, chunk_gfp, and node with WSHEAP_NODE; or NULL.
 *
 * Answers to HeapCreate.
 *
 * Context: process context; sleeps.
 * Return: as wsheap_create_private(); -EINVAL for bad @args, too.
 */
struct wsheap *wsheap_create_private_args(unsigned int options,
					  size_t initial_size,
					  size_t maximum_size,
					  const struct wsheap_args *args)
{
	static const struct wsheap_args defaults;
	struct wsheap *heap;
	const char *name;

	if (!args)
		args = &defaults;
	if (options & WSHEAP_CREATE_ENABLE_EXECUTE)
		return ERR_PTR(-EOPNOTSUPP);
	if (options & ~WSHEAP_OPTIONS || args->flags & ~WSHEAP_NODE ||
	    args->initial_size || !wsheap_args_valid(args))
		return ERR_PTR(-EINVAL);
	if (maximum_size && initial_size > maximum_size)
		return ERR_PTR(-EINVAL);
	if (initial_size > INT_MAX - PAGE_SIZE ||
	    maximum_size > SIZE_MAX - PAGE_SIZE)
		return ERR_PTR(-EOVERFLOW);
	initial_size = PAGE_ALIGN(max_t(size_t, initial_size, 1));
	maximum_size = maximum_size ? PAGE_ALIGN(maximum_size) :
				      WSHEAP_UNLIMITED;
	name = wsheap_copy_name(args);
	if (!name)
		return ERR_PTR(-ENOMEM);
	heap = wsheap_new(maximum_size, initial_size, args, name,
			  options | WSHEAP_PRIVATE, GFP_KERNEL);
	if (IS_ERR(heap))
		kfree_const(name);
	return heap;
}
EXPORT_SYMBOL_NS_GPL(wsheap_create_private_args, WSHEAP_NS);

/**
 * wsheap_create_private - make a private heap
 * @options: WSHEAP_NO_SERIALIZE for one caller at a time, without a lock;
 *	WSHEAP_GENERATE_EXCEPTIONS to have failures raised, see
 *	wsheap_set_failure_handler(); or 0. WSHEAP_CREATE_ENABLE_EXECUTE is
 *	refused: no module can have memory that is both written and executed.
 * @initial_size: bytes that the heap holds from the start, and returns to with
 *	a reset; rounded up to pages, one at least.
 * @maximum_size: bytes that it may hold, its bookkeeping included; rounded up
 *	to pages. 0 for what there is.
 *
 * A heap with a maximum gives blocks up to WSHEAP_FIXED_BLOCK_MAX. One without
 * has blocks above 32 KiB in memory of their own, and gives it back when they
 * are freed. Answers to HeapCreate.
 *
 * Context: process context; sleeps.
 * Return: the heap, to be given to wsheap_destroy(), or an ERR_PTR: -EINVAL
 * for unknown @options or an initial above the maximum size, -EOPNOTSUPP for
 * the option to execute, -EOVERFLOW for an initial size above the largest
 * block or a maximum that cannot be rounded up, -ENOMEM.
 */
struct wsheap *wsheap_create_private(unsigned int options, size_t initial_size,
				     size_t maximum_size)
{
	return wsheap_create_private_args(options, initial_size, maximum_size,
					  NULL);
}
EXPORT_SYMBOL_NS_GPL(wsheap_create_private, WSHEAP_NS);
