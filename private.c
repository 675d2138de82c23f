// SPDX-License-Identifier: GPL-2.0
/*
 * Private heaps, whose blocks are freed and resized one by one. What their memory
 * looks like is said in private_tile.c. This is how they grow and shrink, and
 * what a driver calls.
 *
 * In a heap that may grow, a block that needs a tile longer than PRIVATE_SHARED
 * has a dedicated region with a separate header: the memory is just what was asked
 * for, at the beginning of a page, and goes back to the system as soon as it is
 * freed. Another region goes back if it is one free tile when the heap would have
 * to grow, or in wsheap_compact().
 */

#include "private.h"
#include "trace.h"

#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/ratelimit.h>

/* Larger blocks of a growing heap have memory of their own. */
#define PRIVATE_SHARED		SZ_32K
/*
 * A heap grows by the first part of itself. For a large block it grows by twice
 * what that needs, but not by more than the second part.
 */
#define PRIVATE_GROWTH_PART	64
#define PRIVATE_GROWTH_LARGE	8
/* A heap merges so many slices before it grows. */
#define PRIVATE_SLICES		4
/* Small tiles that may be there without need: bytes, and a part of the others. */
#define PRIVATE_SURPLUS		SZ_2K
#define PRIVATE_SURPLUS_PART	128
/* A heap below this size grows faster, and may have more without need. */
#define PRIVATE_LITTLE		SZ_128K
#define PRIVATE_LITTLE_GROWTH	4
#define PRIVATE_LITTLE_SURPLUS	SZ_16K

/*
 * Regions.
 */

static bool region_less(struct rb_node *a, const struct rb_node *b)
{
	return region_of(a)->chunk.mem < region_of(b)->chunk.mem;
}

static void private_set_actual(struct wsheap_private *private, size_t actual)
{
	WRITE_ONCE(private->heap.actual, actual);
}

static void region_add(struct wsheap_private *private,
		       struct wsheap_region *region)
{
	rb_add(&region->node, &private->regions, region_less);
	private_set_actual(private,
			   private->heap.actual + region_actual(region));
}

/* @drop is for wsheap_chunk_release_all(). */
static void region_del(struct wsheap_private *private,
		       struct wsheap_region *region, struct wsheap_chunk **drop)
{
	rb_erase(&region->node, &private->regions);
	private_set_actual(private,
			   private->heap.actual - region_actual(region));
	region->chunk.next = *drop;
	*drop = &region->chunk;
}

/* A region of many blocks, which is in the tree already. */
static void region_share(struct wsheap_private *private,
			 struct wsheap_region *region)
{
	region->chunk.next = private->shared;
	private->shared = &region->chunk;
	private->shared_size += region->chunk.size;
	wsheap_tile_add_region(private, region);
}

/* Lets all regions go that are free, but for the initial one. */
static void private_shrink(struct wsheap_private *private,
			   struct wsheap_chunk **drop)
{
	struct wsheap_chunk **link = &private->shared, *chunk;
	struct wsheap_region *region;

	while ((chunk = *link)) {
		region = container_of(chunk, struct wsheap_region, chunk);
		if (region == private->initial ||
		    !wsheap_tile_del_region(private, region)) {
			link = &chunk->next;
			continue;
		}
		*link = chunk->next;
		private->shared_size -= chunk->size;
		/* From here on, what lies before a pointer may not be there. */
		if (is_vmalloc_addr(chunk->mem))
			private->look_mask = 0;
		region_del(private, region, drop);
	}
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
	size_t want = private->shared_size;

	if (!private_is_fixed(private) && want < PRIVATE_LITTLE)
		want /= PRIVATE_LITTLE_GROWTH;
	else if (!private_is_fixed(private))
		want = max(want / PRIVATE_GROWTH_PART,
			   min(2 * need, want / PRIVATE_GROWTH_LARGE));
	want = clamp_t(size_t, want, PAGE_SIZE, max_t(size_t, most, PAGE_SIZE));
	want = want < PAGES_LARGEST ? roundup_pow_of_two(want) :
				      PAGE_ALIGN(want);
	want = max(want, need);
	/* What is left of the maximum, as far as it can be had at once. */
	if (!private_has_room(private, want, gfp))
		want = blocking ? left : rounddown_pow_of_two(left);
	return want;
}

/*
 * Obtains a region with room for a block. A dedicated one has room for nothing
 * else.
 */
static struct wsheap_region *private_grow(struct wsheap_private *private,
					  const struct tile_request *req,
					  bool dedicated, unsigned long *irq,
					  struct wsheap_chunk **drop)
	__must_hold(&private->heap.lock)
{
	struct wsheap *heap = &private->heap;
	struct wsheap_chunk *chunk = NULL;
	size_t header = 0, want = 0, need;
	struct wsheap_region *region;
	gfp_t gfp = req->gfp;

	/* The holder of wsheap_lock() keeps the lock, and must not sleep. */
	if (private_nested(private))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	if (dedicated) {
		/* A page at least begins a page. */
		need = max_t(size_t, req->size + private->guard, PAGE_SIZE);
		header = sizeof(*region);
	} else {
		/* Whole pages. Padding may take up to @req->align. */
		need = PAGE_ALIGN(REGION_OVERHEAD + req->extent + req->align);
		/* Where nobody may wait, the system may have none so small. */
		if (!private_has_room(private, need, gfp))
			return ERR_PTR(need > heap->max_size - heap->actual ?
				       -EDQUOT : -ENOMEM);
		want = private_growth(private, need, gfp);
	}
	private_leave(private, *irq);
	if (want > need)
		chunk = wsheap_chunk_obtain(heap, want, 0,
					    wsheap_gfp_optional(gfp), NULL);
	if (!chunk)
		chunk = wsheap_chunk_obtain(heap, need, header, gfp, req->failure);
	*irq = private_enter(private);
	if (!chunk)
		return ERR_PTR(req->failure->code);
	/* Somebody else may have been faster. */
	region = container_of(chunk, struct wsheap_region, chunk);
	if (region_actual(region) > heap->max_size - heap->actual) {
		chunk->next = *drop;
		*drop = chunk;
		return ERR_PTR(-EDQUOT);
	}
	this_cpu_inc(heap->class->counts->chunks);
	region_add(private, region);
	if (!dedicated)
		region_share(private, region);
	return region;
}

/*
 * Allocation.
 */

static void dedicated_set_size(struct wsheap_private *private,
			       struct wsheap_chunk *chunk, size_t size)
{
	private_charge(private, size);
	chunk->used = size;
	if (private->guard)
		memset(chunk->mem + size, SLUB_RED_ACTIVE, chunk->size - size);
}

/* What is wrong with a request whatever the heap holds. */
static int private_check(const struct wsheap_private *private,
			 const struct tile_request *req)
{
	int code = wsheap_check_request(&private->heap, req->size, req->align, req->gfp,
				req->caller);

	if (!code && private_is_fixed(private) &&
	    req->size > WSHEAP_FIXED_BLOCK_MAX)
		code = -E2BIG;
	return code;
}

/* The figures of this moment: with the lock held, those of the call. */
static struct wsheap_error private_failure(const struct wsheap_private *private,
					   const struct tile_request *req,
					   int code)
{
	return (struct wsheap_error) {
		.code = code,
		.asked = req->size,
		.in_use = private_live(private),
		.limit = private->heap.max_size,
	};
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
			       wsheap_name(&private->heap), failure->code,
			       failure->asked, failure->in_use, failure->limit);
	return NULL;
}

/* Lets others have the lock. */
static void private_pause(struct wsheap_private *private, gfp_t gfp,
			  unsigned long *irq)
	__must_hold(&private->heap.lock)
{
	private_leave(private, *irq);
	if (gfpflags_allow_blocking(gfp) && !private_nested(private))
		cond_resched();
	*irq = private_enter(private);
}

/*
 * Merges all that can be merged. Where others may come in between, and free more
 * than is merged, there is an end to it, too.
 */
static void private_drain(struct wsheap_private *private, gfp_t gfp,
			  unsigned long *irq)
	__must_hold(&private->heap.lock)
{
	size_t slices = 4 * private->small / TILE_SLICE / TILE_ALIGN + 64;
	bool alone = private->heap.flags & WSHEAP_NO_SERIALIZE ||
		     private_nested(private);

	while (!wsheap_tile_drain(private, true) && (alone || slices--))
		private_pause(private, gfp, irq);
}

/*
 * Tells whether there are more small tiles than were live at once since the last
 * complete drain. Tiles of sizes that are no longer wanted would make the heap grow
 * otherwise, so this rule decides how much a heap holds.
 */
static bool private_has_surplus(struct wsheap_private *private)
{
	size_t live = private->small - private->quick_size * TILE_ALIGN;
	size_t peak = max(private->small_peak, live);
	size_t most = peak / PRIVATE_SURPLUS_PART + PRIVATE_SURPLUS;

	private->small_peak = peak;
	if (private->shared_size < PRIVATE_LITTLE)
		most = PRIVATE_LITTLE_SURPLUS;
	return private->small > peak + most;
}

/* Finds a place for a block, or makes one. */
static void *private_place(struct wsheap_private *private,
			   const struct tile_request *req, unsigned long *irq,
			   struct wsheap_chunk **drop)
	__must_hold(&private->heap.lock)
{
	bool dedicated = !private_is_fixed(private) &&
			 req->extent + req->align - TILE_ALIGN > PRIVATE_SHARED;
	unsigned int slices = PRIVATE_SLICES;
	bool drained = false, all = false;
	struct wsheap_region *region;
	void *p;

	if (dedicated) {
		region = private_grow(private, req, true, irq, drop);
		if (IS_ERR(region))
			return region;
		dedicated_set_size(private, &region->chunk, req->size);
		return region->chunk.mem;
	}
	p = wsheap_tile_take_quick(private, req);
	if (!p && private_has_surplus(private)) {
		drained = wsheap_tile_drain(private, false);
		slices--;
	}
	while (!p) {
		p = wsheap_tile_cut(private, req, false);
		if (p)
			break;
		if (slices && !drained) {
			drained = wsheap_tile_drain(private, false);
			slices--;
			continue;
		}
		private_shrink(private, drop);
		region = private_grow(private, req, false, irq, drop);
		if (!IS_ERR(region))
			continue;
		if (all) {
			p = wsheap_tile_take_quick(private, req);
			return p ? p : region;
		}
		/* The heap would have to refuse. */
		all = true;
		private_drain(private, req->gfp, irq);
		if (req->extent < private->refused)
			p = wsheap_tile_cut(private, req, true);
		if (!p && req->align == TILE_ALIGN)
			private->refused = min(private->refused, req->extent);
	}
	return p;
}

/* Returns NULL, and says why, without raising a failure. */
static void *private_try(struct wsheap_private *private,
			 struct tile_request *req, struct wsheap_error *failure)
{
	int code = private_check(private, req);
	struct wsheap_chunk *drop = NULL;
	unsigned long irq;
	void *p;

	req->align = max_t(size_t, req->align, TILE_ALIGN);
	req->extent = block_extent(private, req->size);
	req->failure = failure;
	failure->code = 0;

	if (!private_claim(private, req->caller)) {
		*failure = private_failure(private, req, -EINVAL);
		return NULL;
	}
	irq = private_enter(private);
	private->caller = req->caller;
	p = code ? ERR_PTR(code) : private_place(private, req, &irq, &drop);
	if (IS_ERR(p)) {
		/* A group that refused has left its figures. */
		if (p != ERR_PTR(-EDQUOT) || failure->code != -EDQUOT)
			*failure = private_failure(private, req, PTR_ERR(p));
		failure->asked = req->size;
		wsheap_note(&private->heap);
		WRITE_ONCE(private->heap.status, -failure->code);
		wsheap_class_count_refusal(private->heap.class, failure->code,
					   failure->limit != private->heap.max_size);
		trace_refuse(&private->heap, failure, req->caller);
		p = NULL;
	}
	private_leave(private, irq);
	private_unclaim(private);
	wsheap_chunk_release_all(&private->heap, drop, false);
	return p;
}

/* With init_on_free, links may have been in a block, and nothing else. */
static bool private_has_to_clear(const struct wsheap_private *private, gfp_t gfp)
{
	return gfp & __GFP_ZERO || want_init_on_alloc(0) ||
	       (want_init_on_free() && !private->guard);
}

/* In a mode in which blocks have memory of their own, what the caller gets. */
static void *private_give(struct wsheap_private *private, void *place,
			  const struct tile_request *req)
{
	gfp_t gfp = req->gfp;

	if (likely(!private->heap.debug))
		return place;
	if (private_nested(private))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	return wsheap_debug_take(&private->heap, place, req->size, req->align, gfp,
				 req->caller);
}

/* The reverse: where the heap has a block. Reports what is no block, or not any more. */
static void *private_place_of(struct wsheap_private *private, const void *p,
			      unsigned long caller)
{
	enum wsheap_mistake mistake;
	void *place;

	if (likely(!private->heap.debug))
		return (void *)p;
	mistake = wsheap_debug_find(&private->heap, p, &place);
	if (mistake == MISTAKE_NONE)
		return place;
	wsheap_private_report(private, mistake, p, caller);
	return NULL;
}

void *wsheap_private_alloc(struct wsheap *heap, size_t size, size_t align,
			   gfp_t gfp, struct wsheap_error *err,
			   unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct tile_request req = {
		.size = size,
		.align = align,
		.gfp = gfp,
		.caller = caller,
	};
	struct wsheap_error failure;
	void *p = private_try(private, &req, &failure);

	if (!p)
		return private_fail(private, &failure, err);
	if (private_has_to_clear(private, gfp))
		memset(p, 0, size);
	p = private_give(private, p, &req);
	trace_alloc(heap, p, size, align, gfp, caller);
	return p;
}

/*
 * Allocates a block from what a heap has at hand. Whatever takes longer is left to
 * wsheap_private_alloc().
 */
static noinline void *private_alloc_at_hand(struct wsheap_private *private,
					    size_t size, unsigned long caller)
{
	struct tile_request req = {
		.size = size,
		.extent = block_extent(private, size),
		.align = TILE_ALIGN,
	};
	unsigned long irq;
	void *p;

	if (!private_claim(private, caller))
		return NULL;
	irq = private_enter(private);
	private->caller = caller;
	p = wsheap_tile_take_quick(private, &req);
	if (!p && !private_has_surplus(private))
		p = wsheap_tile_cut(private, &req, false);
	private_leave(private, irq);
	private_unclaim(private);
	return p && private_has_to_clear(private, 0) ? memset(p, 0, size) : p;
}

/* The short path with the lock held. */
static __always_inline void *private_alloc_locked(struct wsheap_private *private,
						  size_t size)
{
	unsigned long irq;
	void *p;

	spin_lock_irqsave_nested(&private->heap.lock, irq, SINGLE_DEPTH_NESTING);
	p = private_alloc_quick(private, size);
	spin_unlock_irqrestore(&private->heap.lock, irq);
	return p;
}

/*
 * For a heap that somebody looks into. Returns NULL if that is to see the block, which
 * takes the long path then, and an ERR_PTR if the block is not at hand.
 */
static noinline void *private_alloc_unseen(struct wsheap_private *private, size_t size)
{
	struct wsheap *heap = &private->heap;
	void *p = NULL;

	if (heap->path == WSHEAP_PATH_PRIVATE_LONG) {
		if (heap->debug || READ_ONCE(wsheap_tracing))
			return NULL;
	} else if (wsheap_debug_tick(heap->debug)) {
		return NULL;
	} else if (heap->path == WSHEAP_PATH_PRIVATE_COUNT) {
		p = private_alloc_quick(private, size);
	} else if (!private_nested(private)) {
		p = private_alloc_locked(private, size);
	}
	return p ?: ERR_PTR(-EAGAIN);
}

/* The same, by the short path first in a heap that locks. */
void *wsheap_private_alloc_quick(struct wsheap *heap, size_t size,
				 unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	void *p = ERR_PTR(-EAGAIN);

	if (likely(heap->path == WSHEAP_PATH_PRIVATE_LOCKED && !private_nested(private))) {
		p = private_alloc_locked(private, size);
		if (likely(p)) {
			if (want_init_on_alloc(0))
				memset(p, 0, size);
			return p;
		}
	} else if (unlikely(heap->path != WSHEAP_PATH_PRIVATE &&
			    heap->path != WSHEAP_PATH_PRIVATE_LOCKED)) {
		p = private_alloc_unseen(private, size);
		if (!IS_ERR_OR_NULL(p) && private_has_to_clear(private, 0))
			memset(p, 0, size);
		if (!IS_ERR(p))
			return p;
	}
	if (size > PRIVATE_SHARED - sizeof(struct wsheap_block))
		return NULL;
	return private_alloc_at_hand(private, size, caller);
}

/*
 * What a pointer is.
 */

/* Why a pointer into a region has no header of a live block before it. */
static enum wsheap_mistake private_diagnose(const struct wsheap_private *private,
					    const struct wsheap_region *region,
					    const void *p)
{
	const u32 all = BIT(MISTAKE_FREED) | BIT(MISTAKE_INSIDE) |
			BIT(MISTAKE_HEADER);
	struct wsheap_block *block = region_first(region);
	enum tile tile = wsheap_tile_state(private, block_of(p));

	/* To follow the tiles takes its time. So this is done once for each kind. */
	if (tile != TILE_DAMAGED || (private->heap.class->reported & all) == all)
		return MISTAKE_FREED;
	while ((void *)block < p)
		tile = wsheap_tile_next(private, region, &block);
	if (tile == TILE_DAMAGED)
		return MISTAKE_HEADER;
	return tile == TILE_LIVE ? MISTAKE_INSIDE : MISTAKE_FREED;
}

/*
 * Whether a pointer is that of a live block, and if not, why. Where the block
 * is dedicated, @dedicated is its region, else NULL.
 */
enum wsheap_mistake wsheap_private_find(struct wsheap_private *private, const void *p,
					struct wsheap_region **dedicated)
{
	struct wsheap_region *region = region_find(private, p);
	struct wsheap_block *block = block_of(p), *next;
	size_t size, room;

	*dedicated = NULL;
	if (!region)
		return MISTAKE_FOREIGN;
	if (region_is_dedicated(region)) {
		if (p != region->chunk.mem)
			return MISTAKE_INSIDE;
		*dedicated = region;
		size = region->chunk.used;
		room = region->chunk.size;
	} else {
		if (block < region_first(region) || block >= region_end(region) ||
		    !IS_ALIGNED((unsigned long)p, TILE_ALIGN))
			return MISTAKE_INSIDE;
		if (wsheap_tile_state(private, block) != TILE_LIVE)
			return private_diagnose(private, region, p);
		next = block;
		if (wsheap_tile_next(private, region, &next) == TILE_DAMAGED)
			return MISTAKE_HEADER;
		size = block_size(block);
		room = block_length(private, block) - sizeof(*block);
	}
	return debug_overrun(private, p, size, room) ? MISTAKE_OVERRUN :
						       MISTAKE_NONE;
}

/*
 * As wsheap_private_find(), and reports misuse. Returns whether the block can be
 * used.
 */
static bool private_have(struct wsheap_private *private, const void *p,
			 struct wsheap_region **dedicated, unsigned long caller)
{
	enum wsheap_mistake mistake;

	private->caller = caller;
	*dedicated = NULL;
	/* What has a sound seal is a block. */
	if ((unsigned long)p & private->look_mask && !private->guard &&
	    IS_ALIGNED((unsigned long)p, TILE_ALIGN) &&
	    wsheap_tile_state(private, block_of(p)) == TILE_LIVE)
		return true;
	mistake = wsheap_private_find(private, p, dedicated);
	if (mistake == MISTAKE_FOREIGN && unlikely(private->heap.debug) &&
	    wsheap_debug_has_ended(&private->heap, p))
		mistake = MISTAKE_FREED;
	if (mistake != MISTAKE_NONE)
		wsheap_private_report(private, mistake, p, caller);
	return mistake == MISTAKE_NONE || mistake == MISTAKE_OVERRUN;
}

static noinline void private_free(struct wsheap *heap, void *p,
				  unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *drop = NULL;
	struct wsheap_region *dedicated;
	struct wsheap_block *block;
	unsigned long irq;
	void *place;
	size_t room;

	if (!p || !wsheap_check_private(heap, "wsheap_free", caller) ||
	    !private_claim(private, caller))
		return;
	irq = private_enter(private);
	place = private_place_of(private, p, caller);
	if (!place || !private_have(private, place, &dedicated, caller))
		goto out;
	/* Before somebody else can have the place. */
	if (unlikely(place != p))
		wsheap_debug_end(heap, p, caller);
	if (dedicated) {
		private_uncharge(private, dedicated->chunk.used);
		region_del(private, dedicated, &drop);
		goto out;
	}
	block = block_of(place);
	room = block_length(private, block) - sizeof(*block);
	if (private->guard)
		memset(place, POISON_FREE, room);
	else if (want_init_on_free())
		memset(place, 0, room);
	wsheap_tile_release(private, block);
out:
	private_leave(private, irq);
	private_unclaim(private);
	wsheap_chunk_release_all(&private->heap, drop, false);
}

static __always_inline bool private_free_locked(struct wsheap_private *private,
						void *p)
{
	unsigned long irq;
	bool freed;

	spin_lock_irqsave_nested(&private->heap.lock, irq, SINGLE_DEPTH_NESTING);
	freed = private_free_quick(private, p);
	spin_unlock_irqrestore(&private->heap.lock, irq);
	return freed;
}

/* In a heap of which each Nth block is guarded: whether it was another one. */
static noinline bool private_free_counted(struct wsheap_private *private, void *p)
{
	if (wsheap_debug_has(&private->heap, p))
		return false;
	if (private->heap.path == WSHEAP_PATH_PRIVATE_COUNT)
		return private_free_quick(private, p);
	return !private_nested(private) && private_free_locked(private, p);
}

/* A heap that locks has the short path as well, apart for the registers it takes. */
static noinline void private_free_other(struct wsheap *heap, void *p,
					unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);

	if (likely(heap->path == WSHEAP_PATH_PRIVATE_LOCKED && !private_nested(private))) {
		if (likely(private_free_locked(private, p)))
			return;
	} else if (heap->path == WSHEAP_PATH_PRIVATE_COUNT ||
		   heap->path == WSHEAP_PATH_PRIVATE_LOCKED_COUNT) {
		if (private_free_counted(private, p))
			return;
	}
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
	if (unlikely(heap->path != WSHEAP_PATH_PRIVATE ||
		     !private_free_quick(wsheap_private(heap), p)))
		private_free_other(heap, p, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_free, WSHEAP_NS);

/*
 * Resizing.
 */

/*
 * Resizes a block in place. Returns 1 if it could, 0 if not, -EINVAL if there
 * is no such block. @old is what it had before.
 */
static int private_resize_block(struct wsheap_private *private, void *p,
				size_t size, size_t *old, bool may_move,
				unsigned long caller)
{
	size_t new = block_extent(private, size), has;
	struct wsheap_region *dedicated;
	unsigned long irq;
	int ret = -EINVAL;

	if (!private_claim(private, caller))
		return ret;
	irq = private_enter(private);
	if (!private_have(private, p, &dedicated, caller))
		goto out;
	*old = dedicated ? dedicated->chunk.used : block_size(block_of(p));
	has = dedicated ? dedicated->chunk.size :
			  block_length(private, block_of(p));
	/*
	 * What a small block gives up is of little use where it is. Half of the
	 * memory of another is worth to be given back.
	 */
	if (may_move && new < has && (has <= TILE_SMALL || new <= has / 2)) {
		ret = 0;
	} else if (!dedicated) {
		ret = wsheap_tile_resize(private, block_of(p), size);
	} else {
		ret = size + private->guard <= has;
		if (ret) {
			private_uncharge(private, *old);
			dedicated_set_size(private, &dedicated->chunk, size);
		}
	}
out:
	private_leave(private, irq);
	private_unclaim(private);
	return ret;
}

/* What a larger block has more than before is clear, if it has to be. */
static void private_clear_growth(const struct wsheap_private *private, void *p,
				 size_t old, size_t size, gfp_t gfp)
{
	if (size > old && private_has_to_clear(private, gfp))
		memset(p + old, 0, size - old);
}

/* A block of @old bytes has another size at its place. */
static void *private_move(struct wsheap_private *private, void *place, void *p,
			  size_t old, const struct tile_request *req)
{
	gfp_t gfp = req->gfp;
	void *new;

	if (likely(!private->heap.debug))
		return p;
	if (private_nested(private))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	new = wsheap_debug_resize(&private->heap, place, p, old, req->size, gfp,
				  req->caller);
	/* There is no way back to the one before. */
	if (new != p)
		wsheap_debug_end(&private->heap, p, req->caller);
	return new;
}

static void *private_realloc(struct wsheap *heap, void *p, size_t size,
			     gfp_t gfp, unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct tile_request request = {
		.size = size,
		.align = TILE_ALIGN,
		.gfp = gfp,
		.caller = caller,
	}, *req = &request;
	struct wsheap_error failure;
	void *new, *place;
	unsigned long irq;
	size_t old = 0;
	int ret;

	if (!p)
		return wsheap_private_alloc(heap, size, TILE_ALIGN, gfp, NULL, caller);
	ret = private_check(private, req);
	place = private_place_of(private, p, caller);
	if (!place)
		ret = -EINVAL;
	if (!ret)
		ret = private_resize_block(private, place, req->size, &old, true,
					   req->caller);
	if (ret < 0) {
		irq = private_enter(private);
		failure = private_failure(private, req, ret);
		wsheap_note(heap);
		WRITE_ONCE(heap->status, -ret);
		private_leave(private, irq);
		return private_fail(private, &failure, NULL);
	}
	if (ret) {
		p = private_move(private, place, p, old, req);
		private_clear_growth(private, p, old, size, gfp);
		return p;
	}
	req->gfp &= ~__GFP_ZERO;
	new = __wsheap_alloc_cur(heap, size);
	/* A smaller one that finds no place stays where it is. */
	if (!new && size > old)
		new = private_try(private, req, &failure);
	if (new) {
		new = private_give(private, new, req);
		memcpy(new, p, min(old, req->size));
		private_clear_growth(private, new, old, size, gfp);
		wsheap_free(&private->heap, p);
		return new;
	}
	if (req->size > old)
		return private_fail(private, &failure, NULL);
	private_resize_block(private, place, req->size, &old, false, req->caller);
	return private_move(private, place, p, old, req);
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
	might_alloc(gfp);
	if (!wsheap_is_private(heap))
		return NULL;
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
 * follows it that no small block left; what it gave up itself usually does.
 * Equivalent of HeapReAlloc() with HEAP_REALLOC_IN_PLACE_ONLY, but raises
 * nothing: that there is no room is an answer.
 *
 * Context: as wsheap_free().
 * Return: whether it has that size now; if not, it is as it was.
 */
bool wsheap_resize(struct wsheap *heap, void *p, size_t size, gfp_t gfp)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct tile_request req = {
		.size = size,
		.align = TILE_ALIGN,
		.gfp = gfp,
		.caller = _RET_IP_,
	};
	size_t old = 0;
	void *place;

	if (!wsheap_is_private(heap) || !p)
		return false;
	place = private_place_of(private, p, _RET_IP_);
	/* A block with memory of its own has no more than that. */
	if (!place || (place != p && size > wsheap_size(heap, p)))
		return false;
	if (private_check(private, &req) ||
	    private_resize_block(private, place, size, &old, false, _RET_IP_) <= 0)
		return false;
	private_move(private, place, p, old, &req);
	private_clear_growth(private, p, old, size, gfp);
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
	p = private_place_of(private, p, _RET_IP_);
	if (p && private_have(private, p, &dedicated, _RET_IP_))
		size = dedicated ? dedicated->chunk.used : block_size(block_of(p));
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
		wsheap_report(heap, MISTAKE_UNLOCK, _RET_IP_,
			      "unlocked by a caller that does not hold the lock");
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
	size_t length = wsheap_tile_largest(private);

	if (!length)
		return 0;
	if (!private_is_fixed(private))
		length = min_t(size_t, length, PRIVATE_SHARED);
	return min_t(size_t, block_room(private, length), WSHEAP_FIXED_BLOCK_MAX);
}

/**
 * wsheap_compact - merge a private heap's free memory and give back what can be
 * @heap: the heap.
 *
 * Equivalent of HeapCompact().
 *
 * Context: as wsheap_free(). The cost grows with the small blocks that were freed
 * and with the regions.
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
	if (!private_claim(private, _RET_IP_))
		return 0;
	irq = private_enter(private);
	private->caller = _RET_IP_;
	private_drain(private, GFP_NOWAIT, &irq);
	private_shrink(private, &drop);
	largest = private_largest_free(private);
	private_leave(private, irq);
	private_unclaim(private);
	wsheap_chunk_release_all(&private->heap, drop, false);
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
	private->shared = NULL;
	private->shared_size = 0;
	wsheap_tile_begin(private);
	WRITE_ONCE(private->heap.left, private->heap.max_size);
	/* The initial region counts also while a reset wipes it. */
	private_set_actual(private, region_actual(private->initial));
}

static void private_add_initial(struct wsheap_private *private)
{
	private_set_actual(private, private->heap.actual -
				    region_actual(private->initial));
	region_add(private, private->initial);
	region_share(private, private->initial);
}

const size_t wsheap_private_object_size = sizeof(struct wsheap_private);
const size_t wsheap_private_header_size = sizeof(struct wsheap_region);

enum wsheap_path wsheap_private_path(const struct wsheap *heap)
{
	const struct wsheap_private *private =
		container_of(heap, struct wsheap_private, heap);

	/* The bytes of freed blocks are not the short path's to look at. */
	if (private->guard || want_init_on_free())
		return WSHEAP_PATH_PRIVATE_LONG;
	return heap->flags & WSHEAP_NO_SERIALIZE ? WSHEAP_PATH_PRIVATE :
						   WSHEAP_PATH_PRIVATE_LOCKED;
}

/* Called before anybody else knows the heap. */
int wsheap_private_setup(struct wsheap *heap, gfp_t gfp)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_error failure;
	struct wsheap_chunk *chunk;

	/*
	 * lockdep has one class for all locks that are initialized in one place.
	 * The holder of wsheap_lock() may use a serialized message heap.
	 */
	spin_lock_init(&heap->lock);
	chunk = wsheap_chunk_obtain(heap, heap->trim_size, 0, gfp, &failure);
	if (!chunk)
		return failure.code;
	private->initial = container_of(chunk, struct wsheap_region, chunk);
	private->guard = READ_ONCE(wsheap_debug);
	heap->path = wsheap_private_path(heap);
	private->look_mask = PAGE_SIZE - WSHEAP_MIN_ALIGN;
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
		if (is_vmalloc_addr(region->chunk.mem) &&
		    !region_is_dedicated(region))
			private->look_mask = 0;
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
void wsheap_private_reset(struct wsheap *heap, unsigned long caller)
{
	struct wsheap_private *private = wsheap_private(heap);
	struct wsheap_chunk *chunks, *initial = &private->initial->chunk;
	unsigned long irq;
	bool add;

	if (!private_claim(private, caller))
		return;
	irq = private_enter(private);
	wsheap_class_note_held(heap);
	wsheap_count_message(heap, false);
	chunks = private_detach(private, private->initial);
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
	private_unclaim(private);
	wsheap_chunk_release_all(heap, chunks, false);
}

/* Returns all that a heap holds, as a list for wsheap_chunk_release_all(). */
struct wsheap_chunk *wsheap_private_chunks(struct wsheap *heap)
{
	return private_detach(wsheap_private(heap), NULL);
}
