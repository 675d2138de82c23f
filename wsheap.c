// SPDX-License-Identifier: GPL-2.0
/*
 * wsheap - message heaps
 *
 * A driver creates a heap for each message that it handles, allocates the
 * pieces of the message from it, and resets it when the message is done. Blocks
 * are cut from chunks, one after the other. A block has no header and cannot be
 * freed alone.
 *
 *	heap   used --------> chunk --> chunk --> chunk	newest first
 *	       free_chunks -> chunk --> chunk		in order of use
 *
 *	chunk  | header | block | block | zeroed | dirty | zeroed2 | dirty |
 *	              start           used    zeroed  zeroed2  zeroed2_end size
 *	                                ^ cursor ^ limit
 *
 * The chunks of the current message are on @used. Two of them have room: the
 * current chunk @cur, from which blocks are cut, and @alt, which is tried before
 * the heap grows. The short path, wsheap_bump(), moves @cursor towards @limit
 * and touches nothing else. The long path cuts blocks with wsheap_chunk_cut(), takes
 * chunks from @free_chunks, and obtains new ones. It does so between
 * wsheap_claim() and wsheap_unclaim(), which move the cursor into the chunk and
 * back. A reset moves chunks from @used to @free_chunks, and releases what
 * exceeds the trim size. It never allocates, sleeps or fails.
 */

#include "message.h"
#include "private.h"
#include "trace.h"

#include <linux/export.h>
#include <linux/minmax.h>

/* Slab serves up to two pages of 4 KiB. Larger blocks get dedicated chunks. */
#define BLOCK_SHARED	SZ_8K
/* Coalescing holds the memory of a message twice for a moment. */
#define COALESCE_LARGEST SZ_4M
/* A message that needs less takes this part off the peak of an adaptive heap. */
#define PEAK_DECAY	8
/* Up to this many zeroed bytes are zeroed again rather than told apart. */
#define ZERO_TWICE	64

/* With a trim_size above max_size, nothing is trimmed. */
static size_t wsheap_trim_limit(const struct wsheap *heap)
{
	return heap->trim_size > heap->max_size ? SIZE_MAX : heap->trim_size;
}

/*
 * Chunks. With init_on_alloc, bytes that earlier messages wrote to are zeroed
 * ahead of the blocks, a stretch at a time. A chunk remembers two parts that
 * need not be: up to @zeroed, and from @zeroed2 to @zeroed2_end. They were
 * obtained zeroed, or zeroed for a message that ended before it used them.
 * Without init_on_alloc, @zeroed is always @size.
 */

/* Returns how far to zero for a block that ends at @end. */
static __always_inline u32 chunk_stretch(const struct wsheap_chunk *chunk,
					 u32 zeroed, u32 end)
{
	return min(max(end, zeroed + ZERO_STRETCH), chunk->zeroed2);
}

/*
 * Zeroes the bytes up to @end, and a stretch ahead. Returns true if the block of
 * @size bytes that ends there is left to be zeroed by its taker. That is so for
 * a long one, which must not be zeroed with interrupts off.
 */
static bool chunk_zero(struct wsheap_chunk *chunk, size_t size, u32 end)
{
	bool leave = size > ZERO_STRETCH;
	u32 zeroed, ahead;

	if (leave)
		end -= size;
	while ((zeroed = READ_ONCE(chunk->zeroed)) < end) {
		ahead = chunk_stretch(chunk, zeroed, end);
		/* Two users at once have changed it. */
		if (unlikely(ahead < zeroed))
			break;
		memset(chunk->mem + zeroed, 0, ahead - zeroed);
		chunk_set_zeroed(chunk, ahead);
	}
	if (!leave || chunk->zeroed >= end + size)
		return false;
	chunk_set_zeroed(chunk, end + size);
	return true;
}

/* Cuts a block from a chunk. Returns false if it does not fit. */
bool wsheap_chunk_cut(struct wsheap *heap, struct wsheap_chunk *chunk,
		      struct request *req)
{
	char *free = chunk->mem + chunk->used;
	size_t pad;

	req->p = PTR_ALIGN(free, req->align);
	pad = (char *)req->p - free;
	if (pad > chunk_room(chunk) || req->size > chunk_room(chunk) - pad)
		return false;
	chunk->used += pad + req->size;
	if (chunk->used > chunk->zeroed)
		req->zero = chunk_zero(chunk, req->size, chunk->used);
	/*
	 * In another chunk the padding could be this much more. The sum does not
	 * matter beyond what can be coalesced. What the short path adds to it
	 * before the next chunk is less than that chunk.
	 */
	heap->slack = min_t(u32, COALESCE_LARGEST, heap->slack + req->align -
			    wsheap_block_align(heap) - pad);
	return true;
}

/* Memory is counted from here on. */
static void wsheap_add_chunk(struct wsheap *heap, struct wsheap_chunk *chunk)
{
	chunk->next = heap->free_chunks;
	heap->free_chunks = chunk;
	WRITE_ONCE(heap->actual, heap->actual + wsheap_chunk_actual(chunk));
}

/*
 * Memory is not counted from here on. @removed is a list for
 * wsheap_chunk_release_all().
 */
static void wsheap_remove_chunk(struct wsheap *heap, struct wsheap_chunk *chunk,
				struct wsheap_chunk **removed)
{
	WRITE_ONCE(heap->actual, heap->actual - wsheap_chunk_actual(chunk));
	chunk->next = *removed;
	*removed = chunk;
}

/*
 * Moves the free chunk at *@link to the used ones. A rollback has to know how many
 * others were before it, or that it was obtained for this block.
 */
static struct wsheap_chunk *wsheap_use_chunk(struct wsheap *heap,
					     struct wsheap_chunk **link,
					     u8 place)
{
	struct wsheap_chunk *chunk = *link;

	chunk->place = place;
	*link = chunk->next;
	chunk->next = heap->used;
	heap->used = chunk;
	return chunk;
}

/*
 * A block that does not fit a chunk of BLOCK_SHARED bytes, header included, has
 * a dedicated chunk. Such a chunk does not become current when it is obtained,
 * unless there is no current one, and does not make the chunks after it larger.
 */
static bool wsheap_is_dedicated(const struct wsheap *heap,
				const struct request *req)
{
	return !req->room && chunk_start_max(heap) + req->align -
			     wsheap_block_align(heap) + req->size > BLOCK_SHARED;
}

/*
 * Cuts a block from one of the first free chunks. Of the chunks with room, the
 * two with the most stay @cur and @alt. What is given up with the third one is
 * less than the block that did not fit it, which bounds what a heap holds to
 * WSHEAP_BOUND_FACTOR times the bytes asked for.
 */
static bool wsheap_cut_free(struct wsheap *heap, struct request *req)
{
	struct wsheap_chunk **link, *chunk;
	unsigned int tries = FREE_TRIED;

	for (link = &heap->free_chunks; (chunk = *link) && tries--;
	     link = &chunk->next) {
		if (!wsheap_chunk_cut(heap, chunk, req))
			continue;
		wsheap_use_chunk(heap, link, chunk == req->grown ? CHUNK_NEW :
				 FREE_TRIED - 1 - tries);
		if (heap->cur == NO_CHUNK ||
		    (!wsheap_is_dedicated(heap, req) &&
		     chunk_room(chunk) > chunk_room(heap->cur)))
			swap(chunk, heap->cur);
		if (chunk_room(chunk) > chunk_room(heap->alt))
			swap(chunk, heap->alt);
		this_cpu_add(heap->class->counts->waste, chunk_room(chunk));
		return true;
	}
	return false;
}

/* Cuts a block from the memory that the heap holds. */
static bool wsheap_cut(struct wsheap *heap, struct request *req)
{
	if (wsheap_chunk_cut(heap, heap->cur, req))
		return true;
	if (heap->state & WSHEAP_STATE_COALESCE)
		return false;
	if (!wsheap_chunk_cut(heap, heap->alt, req))
		return wsheap_cut_free(heap, req);
	/* More blocks of this size would all take the long path. */
	if (chunk_room(heap->alt) > chunk_room(heap->cur))
		swap(heap->alt, heap->cur);
	return true;
}

/*
 * Coalescing. A message that had to grow its heap and ended in several chunks
 * leaves WSHEAP_STATE_COALESCE behind. The next message then obtains one chunk
 * for all of it, and the free chunks go. So the third message of a kind, and all
 * after it, take nothing from the system. Usually this happens before the first
 * block. A heap that is adaptive, or has a keeper, waits until a message does
 * not fit the first chunk.
 */

/* Returns the part of the trim size that the keeper takes. */
static size_t wsheap_keeper_actual(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk = heap->used;

	/* The keeper is used before all others. */
	while (chunk && chunk->next)
		chunk = chunk->next;
	return chunk && chunk->keeper ? wsheap_chunk_actual(chunk) : 0;
}

/* Returns the size of one chunk for the whole message, or 0 if none may be. */
static size_t wsheap_coalesced_size(const struct wsheap *heap, gfp_t gfp)
{
	size_t size = max_t(size_t, BIT(CHUNK_FIRST_ORDER),
			    size_add(chunk_start_max(heap), heap->peak));
	size_t most = gfpflags_allow_blocking(gfp) ? COALESCE_LARGEST :
						     PAGES_LARGEST;

	if (size > most)
		return 0;
	/*
	 * The next reset must be able to keep the chunk. Rounding may double
	 * what the heap holds, but the worst case of padding must not do more.
	 */
	if (wsheap_backing_size(heap, size, gfp) >
	    min(wsheap_trim_limit(heap) - wsheap_keeper_actual(heap),
		2 * heap->actual))
		return 0;
	return size;
}

/*
 * Makes the first free chunk current before there is a block for it. All
 * messages begin alike, so that a repeated one meets the same chunks.
 */
static void wsheap_use_first(struct wsheap *heap)
{
	if (heap->cur == NO_CHUNK && heap->free_chunks)
		heap->cur = wsheap_use_chunk(heap, &heap->free_chunks, 0);
}

/* Replaces all free chunks by one. */
static void wsheap_coalesce(struct wsheap *heap, gfp_t gfp, unsigned long *irq,
			    struct wsheap_chunk **removed)
	__must_hold(&heap->lock)
{
	size_t size = wsheap_coalesced_size(heap, gfp);
	struct wsheap_chunk *fresh = NULL, *chunk;

	heap->state &= ~WSHEAP_STATE_COALESCE;
	if (size) {
		wsheap_leave(heap, *irq);
		fresh = wsheap_chunk_obtain(heap, size, 0,
					    wsheap_gfp_optional(gfp), NULL);
		*irq = wsheap_enter(heap);
	}
	if (fresh) {
		while ((chunk = heap->free_chunks)) {
			heap->free_chunks = chunk->next;
			wsheap_remove_chunk(heap, chunk, removed);
		}
		wsheap_add_chunk(heap, fresh);
		heap->state |= WSHEAP_STATE_GREW;
		this_cpu_inc(heap->class->counts->chunks);
	}
	wsheap_use_first(heap);
}

/*
 * Growth is geometric. Obtains a chunk that the block fits and adds it to the
 * free ones, where another caller may use it first. Returns the chunk, so that
 * it can be recognized, or NULL and why in @failure.
 */
static struct wsheap_chunk *wsheap_grow(struct wsheap *heap,
					const struct request *req, gfp_t gfp,
					unsigned long *irq,
					struct wsheap_error *failure)
	__must_hold(&heap->lock)
{
	bool dedicated = wsheap_is_dedicated(heap, req);
	unsigned int order = heap->next_order;
	struct wsheap_chunk *fresh = NULL;
	size_t need, want = 0, header = 0;

	if (dedicated) {
		/* The system aligns a power of two, or pages, to its size. */
		need = max(req->size, req->align);
		header = sizeof(struct wsheap_chunk);
	} else {
		need = chunk_start_max(heap) + req->align -
		       wsheap_block_align(heap) + req->size;
		want = BIT(order);
		if (!gfpflags_allow_blocking(gfp))
			want = min_t(size_t, want, PAGES_LARGEST);
	}

	wsheap_leave(heap, *irq);
	if (want > need)
		fresh = wsheap_chunk_obtain(heap, want, 0,
					    wsheap_gfp_optional(gfp), NULL);
	if (!fresh)
		fresh = wsheap_chunk_obtain(heap, need, header, gfp, failure);
	*irq = wsheap_enter(heap);
	if (!fresh)
		return NULL;
	wsheap_add_chunk(heap, fresh);
	heap->state |= WSHEAP_STATE_GREW;
	this_cpu_inc(heap->class->counts->chunks);
	if (unlikely(!heap->all.next))
		wsheap_list_add(heap);
	/* Only a chunk of that size counts, and only one of several callers. */
	if (!dedicated && fresh->size >= BIT(order) &&
	    order == heap->next_order && order < CHUNK_LARGEST_ORDER)
		heap->next_order++;
	return fresh;
}

/*
 * Removes a chunk that was obtained for a block and is not needed in the end. It
 * is still near the front of the free ones then.
 */
static void wsheap_remove_unused(struct wsheap *heap,
				 struct wsheap_chunk *unused,
				 struct wsheap_chunk **removed)
{
	struct wsheap_chunk **link = &heap->free_chunks;
	unsigned int tries = FREE_TRIED;

	for (; *link && tries--; link = &(*link)->next) {
		if (*link == unused) {
			*link = unused->next;
			wsheap_remove_chunk(heap, unused, removed);
			return;
		}
	}
}

/*
 * The one place where the long path charges the quota. A block is charged when it
 * has been cut, so no reader sees the charge of a call that is then refused.
 */
static void wsheap_charge(struct wsheap *heap, size_t size)
{
	WRITE_ONCE(heap->left, heap->left - size);
}

static void wsheap_note_refusal(struct wsheap *heap, int code, bool group,
				const struct wsheap_error *err, unsigned long caller)
{
	trace_refuse(heap, err, caller);
	wsheap_note(heap);
	WRITE_ONCE(heap->status, -code);
	wsheap_class_count_refusal(heap->class, code, group);
}

/* A heap that another call has is left alone. That is the caller's bug. */
static void *wsheap_refuse_second(const struct wsheap *heap, size_t size,
				  struct wsheap_error *err)
{
	if (err)
		*err = (struct wsheap_error) {
			.code = -EINVAL,
			.asked = size,
			.in_use = wsheap_requested_size(heap),
			.limit = wsheap_max_size(heap),
		};
	return NULL;
}

/*
 * Allocates a block by the long path, from either kind of heap. The heap's lock
 * is not held while memory is obtained, so everything is decided anew after
 * that. The block takes the place of another one of @credit bytes.
 */
void *wsheap_alloc_instead(struct wsheap *heap, size_t size, size_t align,
			   gfp_t gfp, struct wsheap_error *err,
			   unsigned long caller, size_t credit)
{
	size_t block_align = wsheap_block_align(heap);
	struct wsheap_chunk *grown = NULL, *removed = NULL;
	struct request req = {};
	struct wsheap_error failure = {};
	bool failed = false;
	unsigned long irq;
	int code;

	might_alloc(gfp);
	if (heap->path >= WSHEAP_PATH_PRIVATE)
		return wsheap_private_alloc(heap, size, align, gfp, err, caller);
	code = wsheap_check_request(heap, size, align, gfp, caller);
	req.align = max(align, block_align);
	req.size = ALIGN(size, block_align);
	/* An empty block faults as ZERO_SIZE_PTR does, and is aligned. */
	if (!code && !size)
		return (void *)max_t(unsigned long, req.align,
				     (unsigned long)ZERO_SIZE_PTR);

	if (!wsheap_claim(heap, caller))
		return wsheap_refuse_second(heap, size, err);
	irq = wsheap_enter(heap);
	while (!code) {
		if (size > heap->left + credit) {
			code = -EDQUOT;
			break;
		}
		if (wsheap_cut(heap, &req)) {
			wsheap_charge(heap, size - credit);
			break;
		}
		if (heap->state & WSHEAP_STATE_COALESCE) {
			wsheap_coalesce(heap, gfp, &irq, &removed);
		} else if (failed) {
			code = failure.code;
		} else {
			/* Another caller used the chunk. Do not hold two. */
			if (grown)
				wsheap_remove_unused(heap, grown, &removed);
			grown = wsheap_grow(heap, &req, gfp, &irq, &failure);
			req.grown = grown;
			failed = !grown;
		}
	}
	if (grown)
		wsheap_remove_unused(heap, grown, &removed);
	if (code) {
		/* A group that refused has left its figures. */
		bool group = code == -EDQUOT && failure.code == code;

		failure.code = code;
		failure.asked = size;
		if (!group) {
			failure.in_use = heap->max_size - heap->left;
			failure.limit = heap->max_size;
		}
		wsheap_note_refusal(heap, code, group, &failure, caller);
		if (err)
			*err = failure;
	}
	wsheap_leave(heap, irq);
	/* Without the lock, but before another user could release the block. */
	if (!code && req.zero)
		memset(req.p, 0, req.size);
	else if (!code && gfp & __GFP_ZERO && !want_init_on_alloc(0))
		memset(req.p, 0, size);
	wsheap_unclaim(heap);

	wsheap_chunk_release_all(heap, removed, false);
	if (unlikely(heap->debug) && code == -EDQUOT)
		wsheap_debug_refused(heap, caller);
	if (code)
		return NULL;
	if (unlikely(heap->debug))
		req.p = wsheap_debug_take(heap, req.p, size, align, gfp, caller);
	trace_alloc(heap, req.p, size, align, gfp, caller);
	return req.p;
}

void *wsheap_alloc_long(struct wsheap *heap, size_t size, size_t align,
			gfp_t gfp, struct wsheap_error *err,
			unsigned long caller)
{
	return wsheap_alloc_instead(heap, size, align, gfp, err, caller, 0);
}

/* Makes a chunk with room for so many bytes the current one, if there is one. */
static bool wsheap_use_room(struct wsheap *heap, size_t bytes,
			    const struct wsheap_chunk *grown)
{
	struct wsheap_chunk **link, *chunk;
	unsigned int tries = FREE_TRIED;

	if (chunk_room(heap->cur) >= bytes)
		return true;
	if (heap->state & WSHEAP_STATE_COALESCE)
		return false;
	if (chunk_room(heap->alt) >= bytes) {
		swap(heap->alt, heap->cur);
		return true;
	}
	for (link = &heap->free_chunks; (chunk = *link) && tries--;
	     link = &chunk->next) {
		/* One with a separate header is for one large block. */
		if (chunk_room(chunk) < bytes || wsheap_chunk_is_separate(chunk))
			continue;
		wsheap_use_chunk(heap, link, chunk == grown ? CHUNK_NEW :
				 FREE_TRIED - 1 - tries);
		swap(chunk, heap->cur);
		if (chunk_room(chunk) > chunk_room(heap->alt))
			heap->alt = chunk;
		return true;
	}
	return false;
}

/*
 * Sees to it that the next blocks find room for @bytes in the current chunk, a
 * multiple of the heap's block alignment. A chunk that is obtained for that has
 * room for @more, which are of use, but not needed.
 */
int wsheap_make_room(struct wsheap *heap, size_t bytes, size_t more, gfp_t gfp,
		     unsigned long caller)
{
	struct request req = {
		.size = bytes + more,
		.align = wsheap_block_align(heap),
		.room = true,
	};
	struct wsheap_chunk *removed = NULL;
	struct wsheap_error failure = {};
	unsigned long irq;
	int code = 0;

	if (!wsheap_claim(heap, caller))
		return -EINVAL;
	irq = wsheap_enter(heap);
	while (!code && !wsheap_use_room(heap, bytes, req.grown)) {
		if (heap->state & WSHEAP_STATE_COALESCE) {
			wsheap_coalesce(heap, gfp, &irq, &removed);
			continue;
		}
		wsheap_note_size(heap, bytes);
		code = failure.code;
		if (!code)
			req.grown = wsheap_grow(heap, &req, gfp, &irq,
						more ? NULL : &failure);
		if (more && !req.grown)
			code = -ENOMEM;
	}
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
	wsheap_chunk_release_all(heap, removed, false);
	return code;
}

/**
 * wsheap_reserve - make sure of memory for the next blocks of a heap
 * @heap: a message heap.
 * @bytes: what the blocks will add up to, each rounded up to 8 bytes (with
 *	WSHEAP_CONTIG to the cache alignment), with padding for alignment.
 * @gfp: see wsheap_alloc_err().
 *
 * Until the next reset, or a rollback to before this call, blocks that add up to
 * @bytes are granted without asking the system. Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: 0; or -EDQUOT if the quota has less left or a group refused, -EINVAL for a
 * bad @gfp, -ENOMEM, also for more than the largest block.
 */
int wsheap_reserve(struct wsheap *heap, size_t bytes, gfp_t gfp)
{
	struct wsheap_error err = { .asked = bytes, .limit = wsheap_max_size(heap) };
	unsigned long irq;
	int code;

	might_alloc(gfp);
	if (!wsheap_is_message(heap))
		return -EINVAL;
	code = wsheap_check_request(heap, bytes, WSHEAP_MIN_ALIGN, gfp, _RET_IP_);
	if (code == -EOVERFLOW)
		code = -ENOMEM;
	if (code != -EINVAL &&
	    bytes > wsheap_max_size(heap) - wsheap_requested_size(heap))
		code = -EDQUOT;
	if (!code)
		code = wsheap_make_room(heap, ALIGN(bytes, wsheap_block_align(heap)),
					0, gfp, _RET_IP_);
	err.code = code;
	if (code && wsheap_claim(heap, _RET_IP_)) {
		irq = wsheap_enter(heap);
		err.in_use = wsheap_requested_size(heap);
		wsheap_note_refusal(heap, code, false, &err, _RET_IP_);
		wsheap_leave(heap, irq);
		wsheap_unclaim(heap);
	}
	return code;
}
EXPORT_SYMBOL_NS_GPL(wsheap_reserve, WSHEAP_NS);

/* A chunk that the trim size does not cover any more is like all others. */
static void wsheap_release_keeper(struct wsheap *heap, struct wsheap_chunk *chunk)
{
	for (; chunk; chunk = chunk->next)
		if (chunk->keeper &&
		    wsheap_chunk_actual(chunk) > wsheap_trim_limit(heap))
			chunk->keeper = false;
}

/**
 * wsheap_set_max_size - give a heap another quota
 * @heap: a message heap without blocks.
 * @max_size: see wsheap_create().
 *
 * The quota stays until it is set again. A heap that goes back to its pool gets
 * the pool's. Windows has no equivalent.
 *
 * Context: as wsheap_reset().
 * Return: 0; or -EBUSY if the heap has blocks that are not empty, or if another call
 * is under way in a heap that takes no lock, -EINVAL for a private heap.
 */
int wsheap_set_max_size(struct wsheap *heap, size_t max_size)
{
	unsigned long irq;
	int ret = -EBUSY;

	if (!wsheap_is_message(heap))
		return -EINVAL;
	if (!wsheap_claim(heap, _RET_IP_))
		return -EBUSY;
	irq = wsheap_enter(heap);
	if (heap->left == heap->max_size) {
		WRITE_ONCE(heap->max_size, max_size);
		WRITE_ONCE(heap->left, max_size);
		/* The next reset has to look what may stay with this quota. */
		heap->state |= WSHEAP_STATE_GREW;
		wsheap_release_keeper(heap, heap->used);
		wsheap_release_keeper(heap, heap->free_chunks);
		if (heap->pool)
			heap->pool |= WSHEAP_POOL_QUOTA;
		ret = 0;
	}
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_set_max_size, WSHEAP_NS);

/*
 * Between the short and the long path: a few instructions for the frequent
 * reasons not to take the short one, which are a lock to be taken and bytes to
 * be zeroed.
 */

static noinline void *zero_and_return(void *block, void *from, int size)
{
	/* Less than nothing is what two users at once may leave. */
	if (likely(size >= 0))
		memset(from, 0, size);
	return block;
}

/*
 * Allocates a block that ends beyond the zeroed bytes, but not beyond the current
 * chunk. A heap that has no short path has no cursor. If other callers share it,
 * nothing else of it may be read here.
 */
static __always_inline void *wsheap_cut_stretch(struct wsheap *heap,
						size_t size, size_t align)
{
	bool aligned = align > WSHEAP_MIN_ALIGN;
	struct wsheap_chunk *chunk;
	u32 zeroed, ahead, ready;
	char *mem, *block;
	size_t begin, end;

	if (heap->cursor == WSHEAP_NO_CURSOR || heap->debug)
		return NULL;
	block = aligned ? PTR_ALIGN(heap->cursor, align) : heap->cursor;
	chunk = heap->cur;
	mem = chunk->mem;
	begin = block - mem;
	end = begin + ALIGN(size, WSHEAP_MIN_ALIGN);
	if (end > chunk->size || end <= begin || size > READ_ONCE(heap->left))
		return NULL;
	zeroed = READ_ONCE(chunk->zeroed);
	ahead = chunk_stretch(chunk, zeroed, end);
	/* The long path handles a second stretch, and what two users at once leave. */
	if (ahead < end && (aligned || chunk->zeroed2_end < end ||
			    ahead < begin || ahead < zeroed))
		return NULL;
	if (aligned)
		heap->slack += align - WSHEAP_MIN_ALIGN -
			       (block - heap->cursor);
	wsheap_charge(heap, size);
	heap->cursor = mem + end;
	ready = chunk_set_zeroed(chunk, ahead);
	heap->limit = mem + end + min_t(size_t, ready - end, heap->left);
	/* A function that ends in a call need not save registers. */
	if (zeroed <= begin + ZERO_TWICE)
		return memset(block, 0, ahead - begin);
	return zero_and_return(block, mem + zeroed, ahead - zeroed);
}

static noinline void *wsheap_alloc_stretch(struct wsheap *heap, size_t size)
{
	return wsheap_cut_stretch(heap, size, WSHEAP_MIN_ALIGN);
}

static noinline void *wsheap_alloc_locked(struct wsheap *heap, size_t size)
{
	struct wsheap_chunk *chunk;
	unsigned long irq;
	void *block;
	u32 used;

	spin_lock_irqsave(&heap->lock, irq);
	chunk = heap->cur;
	used = chunk->used;
	/* The room is a multiple of what sizes are rounded to. */
	if (unlikely(size - 1 >= (size_t)(chunk->zeroed - used) ||
		     size > heap->left)) {
		spin_unlock_irqrestore(&heap->lock, irq);
		return NULL;
	}
	chunk->used = ALIGN(used + size, WSHEAP_MIN_ALIGN);
	/* Others may read the figure, but it is only changed with the lock held. */
	data_race(heap->left -= size);
	block = chunk->mem + used;
	spin_unlock_irqrestore(&heap->lock, irq);
	return block;
}

/* A function of its own, so that others need not save registers for it. */
static noinline void *wsheap_alloc_counted(struct wsheap *heap, size_t size)
{
	return wsheap_debug_tick(heap->debug) ? NULL : wsheap_alloc_locked(heap, size);
}

/**
 * __wsheap_alloc_cur - allocate a block by the path of the heap
 * @heap: the heap.
 * @size: bytes.
 *
 * The inline functions call this if the short path fails.
 *
 * Context: as wsheap_alloc_err() with GFP_NOWAIT.
 * Return: the block, or NULL if __wsheap_alloc() has to be called. It is zeroed
 * with init_on_alloc only. The caller zeroes it for __GFP_ZERO.
 */
void *__wsheap_alloc_cur(struct wsheap *heap, size_t size)
{
	void *p;

	if (heap->path == WSHEAP_PATH_LOCKED)
		return wsheap_alloc_locked(heap, size);
	if (heap->path < WSHEAP_PATH_LOCKED)
		return want_init_on_alloc(0) ? wsheap_alloc_stretch(heap, size) : NULL;
	/* Inline, because a call would take a tenth of it. */
	if (heap->path == WSHEAP_PATH_PRIVATE) {
		p = private_alloc_quick(wsheap_private(heap), size);
		if (likely(p)) {
			if (want_init_on_alloc(0))
				memset(p, 0, size);
			return p;
		}
	}
	if (heap->path >= WSHEAP_PATH_PRIVATE)
		return wsheap_private_alloc_quick(heap, size, _RET_IP_);
	return wsheap_alloc_counted(heap, size);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_alloc_cur, WSHEAP_NS);

/**
 * __wsheap_alloc_cur_aligned - allocate an aligned block by the path of the heap
 * @heap: the heap.
 * @size: bytes.
 * @align: bytes, a power of two up to PAGE_SIZE.
 *
 * Context: as wsheap_alloc_err() with GFP_NOWAIT.
 * Return: as __wsheap_alloc_cur().
 */
void *__wsheap_alloc_cur_aligned(struct wsheap *heap, size_t size, size_t align)
{
	if (want_init_on_alloc(0))
		return wsheap_cut_stretch(heap, size, align);
	return NULL;
}
EXPORT_SYMBOL_NS_GPL(__wsheap_alloc_cur_aligned, WSHEAP_NS);

/**
 * __wsheap_alloc - allocate a block from a heap by the long path
 * @heap: the heap.
 * @size: bytes.
 * @align: bytes, a power of two up to PAGE_SIZE.
 * @gfp: see wsheap_alloc_err().
 * @err: filled in on failure, untouched on success; may be NULL.
 *
 * The inline functions call this if nothing shorter serves. Drivers call those.
 * Equivalent of WsAlloc().
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL.
 */
void *__wsheap_alloc(struct wsheap *heap, size_t size, size_t align, gfp_t gfp,
		     struct wsheap_error *err)
{
	return wsheap_alloc_long(heap, size, align, gfp, err, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_alloc, WSHEAP_NS);

/*
 * The reset. wsheap_decide_retention() is the policy: it looks at the message
 * and decides how much memory stays. wsheap_trim() moves the chunks.
 */

/**
 * struct retention - what a reset keeps
 * @keeper: bytes of the keeper, which stays in any case, or 0.
 * @bytes: how much other memory may stay.
 * @unused_limit: a chunk that the message did not use goes while the heap holds
 *	more than this.
 * @newest_only: beside the keeper, only the newest chunk stays.
 */
struct retention {
	size_t keeper;
	size_t bytes;
	size_t unused_limit;
	bool newest_only;
};

/*
 * Returns what an adaptive heap may hold after a reset: the most that messages
 * up to the peak can make a heap hold, and the keeper.
 */
static inline size_t wsheap_adaptive_limit(size_t peak, size_t keeper)
{
	if (peak == U32_MAX)	/* or beyond */
		return SIZE_MAX;
	return size_add(size_mul(WSHEAP_BOUND_FACTOR, peak),
			WSHEAP_BOUND_CONSTANT + keeper);
}

static void wsheap_decide_retention(struct wsheap *heap, struct retention *keep)
{
	bool adaptive = heap->flags & WSHEAP_ADAPTIVE;
	struct wsheap_chunk *newest = heap->used, *chunk;
	size_t size = heap->slack, peak = 0;

	keep->keeper = 0;
	for (chunk = newest; chunk; chunk = chunk->next) {
		size += chunk->used - chunk->start;
		if (chunk->keeper)
			keep->keeper = wsheap_chunk_actual(chunk);
	}
	if (adaptive)
		peak = heap->peak - heap->peak / PEAK_DECAY;
	else if (heap->state & WSHEAP_STATE_COALESCE)
		peak = heap->peak;	/* no message has needed it yet */
	heap->peak = min_t(size_t, U32_MAX, max(peak, size));

	keep->bytes = wsheap_trim_limit(heap) - keep->keeper;
	keep->unused_limit = SIZE_MAX;
	if (adaptive)
		keep->unused_limit = wsheap_adaptive_limit(heap->peak,
							   keep->keeper);
	keep->newest_only = false;
	if (!newest || !newest->next || !(heap->state & WSHEAP_STATE_GREW))
		return;
	/* Where coalescing is lazy, this message may have done it already. */
	if ((adaptive || keep->keeper) && size <= newest->size - newest->start)
		keep->newest_only = adaptive;
	else
		heap->state |= WSHEAP_STATE_COALESCE;
}

/*
 * Takes the used chunks as far as @keep goes. Returns them in order of use, or
 * NULL. Where it does not go far enough, the newest chunks stay, which are the
 * largest. Free chunks, which the message did not use, go first. @removed is a
 * list for wsheap_chunk_release_all().
 */
static struct wsheap_chunk *wsheap_trim(struct wsheap *heap,
					const struct retention *keep,
					struct wsheap_chunk **removed)
{
	struct wsheap_chunk **free = &heap->free_chunks;
	struct wsheap_chunk *chunk, *kept = NULL;
	size_t left = keep->bytes;

	while ((chunk = heap->used)) {
		heap->used = chunk->next;
		if (!chunk->keeper) {
			if (wsheap_chunk_actual(chunk) > left) {
				wsheap_remove_chunk(heap, chunk, removed);
				continue;
			}
			left -= wsheap_chunk_actual(chunk);
			if (keep->newest_only)
				left = 0;
		}
		chunk->next = kept;
		kept = chunk;
	}
	while ((chunk = *free)) {
		if (wsheap_chunk_actual(chunk) <= left &&
		    heap->actual <= keep->unused_limit) {
			left -= wsheap_chunk_actual(chunk);
			free = &chunk->next;
			continue;
		}
		*free = chunk->next;
		wsheap_remove_chunk(heap, chunk, removed);
	}
	return kept;
}

/* A heap without used chunks has no message. */
static void wsheap_end_message(struct wsheap *heap)
{
	heap->cur = NO_CHUNK;
	heap->alt = NO_CHUNK;
	WRITE_ONCE(heap->left, heap->max_size);
	heap->next_order = CHUNK_FIRST_ORDER;
	heap->state &= ~WSHEAP_STATE_GREW;
}

/* Puts chunks in front of the free ones, and takes their blocks back. */
static void wsheap_put_back(struct wsheap *heap, struct wsheap_chunk *chunks)
{
	struct wsheap_chunk **end = &chunks, *chunk;

	for (; (chunk = *end); end = &chunk->next)
		chunk_take_back(chunk, chunk->start);
	*end = heap->free_chunks;
	heap->free_chunks = chunks;
}

/*
 * Zeroes the blocks of a message with the lock released, and puts the chunks
 * back. Meanwhile other callers may use the heap, and even reset it.
 */
static void wsheap_wipe(struct wsheap *heap, struct wsheap_chunk *kept,
			unsigned long *irq, struct wsheap_chunk **removed)
	__must_hold(&heap->lock)
{
	struct wsheap_chunk **link, *chunk;

	wsheap_leave(heap, *irq);
	for (chunk = kept; chunk; chunk = chunk->next)
		wsheap_memory_wipe(chunk->mem + chunk->start,
				   chunk->used - chunk->start);
	*irq = wsheap_enter(heap);
	wsheap_put_back(heap, kept);

	/* Another message has begun. The keeper is always its first chunk. */
	if (heap->used && heap->free_chunks && heap->free_chunks->keeper) {
		chunk = heap->free_chunks;
		heap->free_chunks = chunk->next;
		for (link = &heap->used; *link; link = &(*link)->next)
			;
		*link = chunk;
		chunk->next = NULL;
	}
	/* Two resets may have kept more than the trim size together. */
	for (link = &heap->free_chunks; (chunk = *link);) {
		if (heap->actual <= wsheap_trim_limit(heap) || chunk->keeper) {
			link = &chunk->next;
			continue;
		}
		*link = chunk->next;
		wsheap_remove_chunk(heap, chunk, removed);
	}
}

/* Chooses the first chunk of the next message. @keep is from the last reset. */
static void wsheap_begin_message(struct wsheap *heap,
				 const struct retention *keep)
{
	bool adaptive = heap->flags & WSHEAP_ADAPTIVE;

	/* One chunk for the peak must be there before the excess goes. */
	if (heap->actual > keep->unused_limit) {
		heap->state |= WSHEAP_STATE_COALESCE;
		adaptive = false;
	}
	if (!(heap->state & WSHEAP_STATE_COALESCE) || keep->keeper || adaptive)
		wsheap_use_first(heap);
}

/*
 * The reset of a message that used its first chunk alone, up to @end. The last
 * reset left everything else as this one would. The caller takes the cursor, or
 * @used, back.
 */
static __always_inline void wsheap_rewind(struct wsheap *heap,
					  struct wsheap_chunk *chunk, char *end)
{
	if (want_init_on_alloc(0))
		chunk_mark_dirty(chunk, chunk->start, end - (char *)chunk->mem);
	wsheap_count_message(heap, true);
	WRITE_ONCE(heap->left, heap->max_size);
	heap->slack = 0;
}

/*
 * Tells whether that will do, also for a message without blocks: not where bytes
 * have to be zeroed, nor if an adaptive heap holds more than such a message calls
 * for.
 */
static bool wsheap_may_rewind(struct wsheap *heap)
{
	struct wsheap_chunk *first = heap->used;
	size_t size, keeper;

	if (heap->state & WSHEAP_STATE_GREW || want_init_on_free())
		return false;
	if (first && first->next)
		return false;
	if (!(heap->flags & WSHEAP_ADAPTIVE))
		return true;
	if (!first)
		return false;
	size = first->used - first->start + heap->slack;
	keeper = first->keeper ? wsheap_chunk_actual(first) : 0;
	heap->peak = max_t(size_t, heap->peak, size);
	return heap->actual <= wsheap_adaptive_limit(size, keeper);
}

static noinline void wsheap_reset_long(struct wsheap *heap, unsigned long caller)
{
	struct wsheap_chunk *removed = NULL, *kept, *first;
	size_t asked = 0, held = 0;
	struct retention keep;
	unsigned long irq;

	if (trace_reset_enabled()) {
		asked = wsheap_requested_size(heap);
		held = wsheap_actual_size(heap);
	}
	/* Nothing ends while another call has the heap. */
	if (unlikely(READ_ONCE(heap->user))) {
		wsheap_report_users(heap, caller);
		return;
	}
	if (unlikely(READ_ONCE(heap->noted)))
		wsheap_end_notes(heap, caller);
	if (heap->path >= WSHEAP_PATH_PRIVATE) {
		wsheap_private_reset(heap, caller);
		trace_reset(heap, asked, held, caller);
		return;
	}
	/* There was no message. An adaptive heap takes note of that. */
	if (!READ_ONCE(heap->used) && !(heap->flags & WSHEAP_ADAPTIVE) &&
	    !(READ_ONCE(heap->state) & WSHEAP_STATE_GREW))
		return;
	if (!wsheap_claim(heap, caller))
		return;
	irq = wsheap_enter(heap);
	if (wsheap_may_rewind(heap)) {
		first = heap->used;
		if (first) {
			wsheap_rewind(heap, first, first->mem + first->used);
			first->used = first->start;
		}
	} else {
		wsheap_class_note_held(heap);
		wsheap_count_message(heap, false);
		wsheap_decide_retention(heap, &keep);
		kept = wsheap_trim(heap, &keep, &removed);
		wsheap_end_message(heap);
		heap->slack = 0;
		if (want_init_on_free())
			wsheap_wipe(heap, kept, &irq, &removed);
		else
			wsheap_put_back(heap, kept);
		wsheap_begin_message(heap, &keep);
	}
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
	/* Short calls rely on a cursor. */
	if (heap->cursor != WSHEAP_NO_CURSOR && !(heap->flags & WSHEAP_ADAPTIVE) &&
	    !want_init_on_free() && !heap->debug)
		heap->state &= ~WSHEAP_STATE_LONG;
	trace_reset(heap, asked, held, caller);
	if (removed)
		wsheap_chunk_release_all(heap, removed, false);
}

/* Returns false if that takes a long reset. */
static __always_inline bool wsheap_reset_short(struct wsheap *heap)
{
	struct wsheap_chunk *cur;

	/* Other callers may change a serialized heap, but that has another path. */
	if (unlikely(data_race(heap->path_state) & WSHEAP_LONG))
		return false;
	cur = heap->cur;
	wsheap_rewind(heap, cur, heap->cursor);
	wsheap_set_cursor(heap, cur, cur->start);
	return true;
}

/**
 * wsheap_reset - release all blocks of a heap and keep the heap
 * @heap: the heap; NULL is ignored.
 *
 * Runs the heap's actions first, in this context. Two resets of a heap with actions
 * must not overlap.
 *
 * Afterwards WSHEAP_PROPERTY_REQUESTED_SIZE is 0, and
 * WSHEAP_PROPERTY_ACTUAL_SIZE at most the heap's trim_size, overhead included.
 * If trim_size is larger than max_size, nothing is trimmed. A private heap is
 * as after its creation. Memory from vmalloc that is not kept goes to a worker.
 * In a serialized heap, no allocation may be under way, because its block would be
 * released before it is returned. Equivalent of WsResetHeap().
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. Never sleeps, but for what actions do, and never fails. The cost grows
 * with the number of chunks, not with blocks or bytes, except with init_on_free.
 * Then the blocks are zeroed with no lock held, and a second reset of the same heap
 * does not wait for the first.
 */
void wsheap_reset(struct wsheap *heap)
{
	if (likely(heap) && unlikely(!wsheap_reset_short(heap)))
		wsheap_reset_long(heap, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_reset, WSHEAP_NS);

/* For a call that resets a heap of its caller's. */
void wsheap_reset_for(struct wsheap *heap, unsigned long caller)
{
	if (unlikely(!wsheap_reset_short(heap)))
		wsheap_reset_long(heap, caller);
}

/*
 * Setup and end.
 */

/* Obtains the memory for the initial size. It stays, if a reset may keep it. */
static int wsheap_obtain_initial(struct wsheap *heap, size_t size, gfp_t gfp)
{
	struct wsheap_error failure;
	struct wsheap_chunk *chunk;

	if (size > wsheap_largest_block(heap->flags))
		return -EOVERFLOW;
	size = chunk_start_max(heap) + ALIGN(size, wsheap_block_align(heap));
	/* The header needs room, too. The short path relies on INT_MAX. */
	if (PAGE_ALIGN(size) > wsheap_largest_block(heap->flags))
		return -EOVERFLOW;
	chunk = wsheap_chunk_obtain(heap, size, 0, gfp, &failure);
	if (!chunk)
		return failure.code;
	wsheap_add_chunk(heap, chunk);
	chunk->keeper = wsheap_chunk_actual(chunk) <= wsheap_trim_limit(heap);
	return 0;
}

/* Begins the first message of a heap that has memory for it. */
static noinline int wsheap_begin_initial(struct wsheap *heap, size_t initial_size,
					 gfp_t gfp)
{
	static const struct retention none = { .unused_limit = SIZE_MAX };
	int ret = wsheap_obtain_initial(heap, initial_size, gfp);
	unsigned long irq;

	if (ret)
		return ret;
	wsheap_claim(heap, _RET_IP_);
	irq = wsheap_enter(heap);
	wsheap_begin_message(heap, &none);
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
	return 0;
}

static __always_inline enum wsheap_path message_path(const struct wsheap *heap)
{
	if (wsheap_block_align(heap) > WSHEAP_MIN_ALIGN)
		return WSHEAP_PATH_LONG;
	return heap->flags & WSHEAP_SERIALIZE ? WSHEAP_PATH_LOCKED : WSHEAP_PATH_SHORT;
}

/* The path of a heap of either kind that nobody looks into. */
enum wsheap_path wsheap_natural_path(const struct wsheap *heap)
{
	return heap->path >= WSHEAP_PATH_PRIVATE ? wsheap_private_path(heap) :
						   message_path(heap);
}

/* Called before anybody else knows the heap. */
int wsheap_message_setup(struct wsheap *heap, size_t initial_size, gfp_t gfp)
{
	/* A lock class of its own: see wsheap_private_setup(). */
	spin_lock_init(&heap->lock);
	heap->path = message_path(heap);
	wsheap_end_message(heap);
	/* The first reset has to look whether the initial memory may stay. */
	heap->state = WSHEAP_STATE_GREW | WSHEAP_STATE_LONG;
	return initial_size ? wsheap_begin_initial(heap, initial_size, gfp) : 0;
}

/* For a heap that nobody else knows yet, and that may have a cursor. */
void wsheap_message_set_path(struct wsheap *heap, enum wsheap_path path)
{
	wsheap_claim(heap, _RET_IP_);
	heap->path = path;
	wsheap_unclaim(heap);
}

/* Returns all that a heap holds, as a list for wsheap_chunk_release_all(). */
struct wsheap_chunk *wsheap_message_chunks(struct wsheap *heap)
{
	struct wsheap_chunk **end = &heap->used;

	while (*end)
		end = &(*end)->next;
	*end = heap->free_chunks;
	return heap->used;
}
