/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Message heaps: what wsheap.c and savepoint.c share. The picture is at the head
 * of wsheap.c.
 */
#ifndef _WSHEAP_MESSAGE_H
#define _WSHEAP_MESSAGE_H

#include <linux/minmax.h>

#include "internal.h"

/*
 * A repeated message finds its chunk at the front of @free_chunks. Any other
 * message must not search thousands of them.
 */
#define FREE_TRIED	16

/* The most that @start can be, for a chunk that is not yet there. */
static inline size_t chunk_start_max(const struct wsheap *heap)
{
	return sizeof(struct wsheap_chunk) +
	       wsheap_block_align(heap) - WSHEAP_MIN_ALIGN;
}

static inline size_t chunk_room(const struct wsheap_chunk *chunk)
{
	return chunk->size - chunk->used;
}

/*
 * Takes note that the bytes up to @end are zeroed. Returns the end of all zeroed
 * bytes, which may include the second part.
 */
static __always_inline u32 chunk_set_zeroed(struct wsheap_chunk *chunk, u32 end)
{
	if (end >= chunk->zeroed2) {
		end = max(end, chunk->zeroed2_end);
		chunk->zeroed2 = chunk->size;
		chunk->zeroed2_end = chunk->size;
	}
	chunk->zeroed = end;
	return end;
}

/*
 * Takes note that the bytes from @from to @end may have been written to, and that
 * blocks begin at @from. Of the zeroed parts before and behind the dirty bytes,
 * the larger one is remembered.
 */
static __always_inline void chunk_mark_dirty(struct wsheap_chunk *chunk, u32 from,
					     u32 end)
{
	if (chunk->zeroed - end >= chunk->zeroed2_end - chunk->zeroed2) {
		chunk->zeroed2 = end;
		chunk->zeroed2_end = chunk->zeroed;
	}
	chunk->zeroed = from;
}

/* Takes blocks back from a chunk. With init_on_free they have been wiped. */
static inline void chunk_take_back(struct wsheap_chunk *chunk, u32 from)
{
	if (want_init_on_alloc(0) && !want_init_on_free())
		chunk_mark_dirty(chunk, from, chunk->used);
	chunk->used = from;
}

/*
 * The long path. A serialized heap is locked between wsheap_enter() and
 * wsheap_leave(). Another heap belongs to the call between wsheap_claim() and
 * wsheap_unclaim(), also while memory is obtained. It has no cursor then, and no short
 * reset or rollback, so that whoever uses it meanwhile takes the long path, too, and is
 * found out. The current chunk knows how much of it is used. A heap that has no short
 * path is never handed a cursor, which is all that makes it different.
 */

/* Moves the cursor into the current chunk. */
static __always_inline void wsheap_take_cursor(struct wsheap *heap)
{
	struct wsheap_chunk *chunk = heap->cur;
	size_t used = heap->cursor - (char *)chunk->mem;

	if (likely(used <= chunk->zeroed)) {
		chunk->used = used;
		return;
	}
	/* Two short calls at once. What they have of the chunk is not known any more. */
	wsheap_report_users(heap, 0);
	if (chunk != NO_CHUNK)
		chunk->used = chunk->zeroed;
}

/* Returns false if another call has the heap. */
static __always_inline bool wsheap_claim(struct wsheap *heap, unsigned long caller)
{
	if (heap->flags & WSHEAP_SERIALIZE)
		return true;
	if (unlikely(!wsheap_take_user(heap, caller)))
		return false;
	if (heap->cursor != WSHEAP_NO_CURSOR)
		wsheap_take_cursor(heap);
	heap->state |= WSHEAP_STATE_LONG;
	WRITE_ONCE(heap->cursor, WSHEAP_NO_CURSOR);
	return true;
}

static __always_inline unsigned long wsheap_enter(struct wsheap *heap)
	__acquires(&heap->lock)
{
	unsigned long irq = 0;

	if (heap->flags & WSHEAP_SERIALIZE)
		spin_lock_irqsave(&heap->lock, irq);
	else
		__acquire(&heap->lock);
	return irq;
}

/*
 * Blocks are rounded up and the quota is not. So the limit may come too early,
 * but never too late, and the long path decides about the last bytes.
 */
static __always_inline void wsheap_set_cursor(struct wsheap *heap,
					      const struct wsheap_chunk *cur,
					      u32 used)
{
	heap->cursor = cur->mem + used;
	heap->limit = heap->cursor +
		      min_t(size_t, cur->zeroed - used, heap->left);
}

static __always_inline void wsheap_leave(struct wsheap *heap, unsigned long irq)
	__releases(&heap->lock)
{
	if (heap->flags & WSHEAP_SERIALIZE)
		spin_unlock_irqrestore(&heap->lock, irq);
	else
		__release(&heap->lock);
}

static __always_inline void wsheap_unclaim(struct wsheap *heap)
{
	if (heap->flags & WSHEAP_SERIALIZE)
		return;
	/* A short call had begun before, and has ended since. */
	if (unlikely(heap->cursor != WSHEAP_NO_CURSOR)) {
		wsheap_report_users(heap, 0);
		WRITE_ONCE(heap->cursor, WSHEAP_NO_CURSOR);
	}
	if (heap->path == WSHEAP_PATH_SHORT && heap->cur != NO_CHUNK)
		wsheap_set_cursor(heap, heap->cur, heap->cur->used);
	if (unlikely(heap->debug) && heap->cursor != WSHEAP_NO_CURSOR)
		wsheap_debug_limit(heap);
	/* Pairs with the acquire in wsheap_take_user(). */
	smp_store_release(&heap->user, 0);
}

/* A request that takes the long path, and its result. */
struct request {
	size_t size;		/* a multiple of the heap's block alignment */
	size_t align;		/* at least that alignment */
	bool room;		/* not for one block, but for many */
	bool zero;		/* the bytes are left to be zeroed */
	void *p;
	const struct wsheap_chunk *grown; /* obtained for it */
};

bool wsheap_chunk_cut(struct wsheap *heap, struct wsheap_chunk *chunk,
		      struct request *req);

/* Bytes of the message so far, with what one chunk might need for padding. */
static inline size_t wsheap_message_size(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk;
	size_t size = heap->slack;

	for (chunk = heap->used; chunk; chunk = chunk->next)
		size += chunk->used - chunk->start;
	return size;
}

/* One chunk for the next message of this kind has to provide as much. */
static inline void wsheap_note_size(struct wsheap *heap, size_t more)
{
	size_t size = size_add(wsheap_message_size(heap), more);

	heap->high = max_t(size_t, heap->high, min_t(size_t, INT_MAX, size));
	wsheap_note(heap);
}

#endif /* _WSHEAP_MESSAGE_H */
