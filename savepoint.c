// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of a message: savepoints, actions, and blocks that grow.
 *
 * The blocks of a message heap are a stack, so a savepoint is what the heap looked
 * like: how much was used of the chunks that blocks are cut from, and which other
 * chunks were in use. A rollback puts the chunks used since back where they were on
 * the list of free ones. Each remembers its place there. A chunk that the heap did
 * not have before goes behind all others.
 *
 * Actions are a stack of their own. Each lies in memory of the caller.
 */

#include "message.h"
#include "private.h"
#include "trace.h"

#include <linux/export.h>

/* Actions are for heaps of both kinds. */
static unsigned long heap_lock(struct wsheap *heap)
	__acquires(&heap->lock)
{
	unsigned long irq = 0;

	if (heap->path >= WSHEAP_PATH_PRIVATE)
		return private_enter(wsheap_private(heap));
	if (heap->flags & WSHEAP_SERIALIZE)
		spin_lock_irqsave(&heap->lock, irq);
	else
		__acquire(&heap->lock);
	return irq;
}

static void heap_unlock(struct wsheap *heap, unsigned long irq)
	__releases(&heap->lock)
{
	if (heap->path >= WSHEAP_PATH_PRIVATE)
		private_leave(wsheap_private(heap), irq);
	else if (heap->flags & WSHEAP_SERIALIZE)
		spin_unlock_irqrestore(&heap->lock, irq);
	else
		__release(&heap->lock);
}

static __always_inline void action_push(struct wsheap *heap,
					struct wsheap_action *action)
{
	action->next = heap->actions;
	WRITE_ONCE(heap->actions, action);
	wsheap_note(heap);
}

static noinline void action_push_locked(struct wsheap *heap,
					struct wsheap_action *action,
					unsigned long caller)
{
	unsigned long irq;

	if (unlikely(heap->flags & WSHEAP_DEAD)) {
		wsheap_report_users(heap, caller);
		return;
	}
	irq = heap_lock(heap);
	action_push(heap, action);
	heap_unlock(heap, irq);
}

/**
 * wsheap_add_action - have something done when the blocks of a heap end
 * @heap: the heap, of either kind.
 * @action: memory for it, usually a block of the heap. It has to stay until @fn
 *	is called.
 * @fn: called once, when the heap is next reset, rolled back past this point,
 *	returned to its pool or destroyed. Actions run newest first, in the context
 *	of that call, and before any block is released. @fn may read the blocks. It
 *	must not use the heap.
 * @data: handed to @fn.
 *
 * For references that a message holds, as fput() or put_page() drop them. As
 * devm_add_action(), but cannot fail. Windows has no equivalent.
 *
 * Context: as wsheap_reset().
 */
void wsheap_add_action(struct wsheap *heap, struct wsheap_action *action,
		       void (*fn)(void *data), void *data)
{
	action->fn = fn;
	action->data = data;
	if (likely(heap->path == WSHEAP_PATH_SHORT))
		action_push(heap, action);
	else
		action_push_locked(heap, action, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_add_action, WSHEAP_NS);

static __always_inline struct wsheap_action *
action_pop(struct wsheap *heap, const struct wsheap_action *until)
{
	struct wsheap_action *action = heap->actions;

	if (!action || action == until)
		return NULL;
	WRITE_ONCE(heap->actions, action->next);
	return action;
}

/* Runs the actions that are newer than @until. */
static __always_inline void actions_run(struct wsheap *heap,
					const struct wsheap_action *until)
{
	struct wsheap_action *action;
	void (*fn)(void *data);
	unsigned long irq;
	void *data;

	if (likely(heap->path == WSHEAP_PATH_SHORT)) {
		while ((action = action_pop(heap, until)))
			action->fn(action->data);
		return;
	}
	do {
		irq = heap_lock(heap);
		action = action_pop(heap, until);
		fn = action ? action->fn : NULL;
		data = action ? action->data : NULL;
		heap_unlock(heap, irq);
		if (fn)
			fn(data);
	} while (fn);
}

/* What a reset does of which most messages have nothing. */
void wsheap_end_notes(struct wsheap *heap, unsigned long caller)
{
	unsigned long irq;
	size_t size;

	WRITE_ONCE(heap->noted, false);
	WRITE_ONCE(heap->status, 0);
	if (READ_ONCE(heap->actions))
		actions_run(heap, NULL);
	if (unlikely(heap->debug))
		wsheap_debug_end_all(heap, caller);
	if (!heap->high || heap->path >= WSHEAP_PATH_PRIVATE)
		return;
	if (!wsheap_claim(heap, caller))
		return;
	irq = wsheap_enter(heap);
	size = wsheap_message_size(heap);
	if (heap->high > size)
		heap->slack += heap->high - size;
	heap->high = 0;
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
}

/**
 * __wsheap_mark - take a savepoint wherever a message has come to
 * @heap: the heap.
 * @mark: the savepoint.
 *
 * The inline function calls this if the short path fails. Drivers call that.
 *
 * Context: as wsheap_reset().
 */
void __wsheap_mark(struct wsheap *heap, struct wsheap_mark *mark)
{
	unsigned long irq;
	bool claimed;

	memset(mark, 0, sizeof(*mark));
	if (!wsheap_is_message(heap))
		return;
	claimed = wsheap_claim(heap, _RET_IP_);
	irq = wsheap_enter(heap);
	mark->used = heap->used;
	mark->cur = heap->cur;
	mark->alt = heap->alt;
	mark->actions = heap->actions;
	mark->requested = wsheap_requested_size(heap);
	mark->cursor = heap->cur->mem + heap->cur->used;
	mark->alt_used = heap->alt->used;
	mark->newest_used = heap->used ? heap->used->used : 0;
	mark->slack = heap->slack;
	if (unlikely(heap->debug))
		mark->slack = wsheap_debug_mark(heap);
	wsheap_leave(heap, irq);
	if (claimed)
		wsheap_unclaim(heap);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_mark, WSHEAP_NS);

/* Fills in what a savepoint in the first chunk of a message has left out. */
static void mark_complete(const struct wsheap *heap, struct wsheap_mark *mark)
{
	if (mark->cur)
		return;
	mark->cur = heap->used;
	while (mark->cur->next)
		mark->cur = mark->cur->next;
	mark->used = mark->cur;
	mark->alt = NO_CHUNK;
	mark->actions = NULL;
	mark->alt_used = NO_CHUNK->used;
	mark->newest_used = mark->cursor - (char *)mark->cur->mem;
}

/* How much of a chunk that was in use at a savepoint was used then. */
static u32 mark_used(const struct wsheap_mark *mark,
		     const struct wsheap_chunk *chunk)
{
	if (chunk == mark->cur)
		return mark->cursor - (char *)chunk->mem;
	if (chunk == mark->alt)
		return mark->alt_used;
	return chunk == mark->used ? mark->newest_used : chunk->used;
}

/*
 * Zeroes the blocks taken since a savepoint, without the lock: the caller answers
 * for it that nobody takes blocks meanwhile.
 */
static void rollback_wipe(struct wsheap *heap, const struct wsheap_mark *mark)
{
	bool newer = true;
	struct wsheap_chunk *chunk;
	u32 from;

	for (chunk = heap->used; chunk; chunk = chunk->next) {
		if (chunk == mark->used)
			newer = false;
		from = newer ? chunk->start : mark_used(mark, chunk);
		/* The newest block may have become smaller since. */
		if (chunk->used > from)
			wsheap_memory_wipe(chunk->mem + from, chunk->used - from);
	}
}

/* Puts a chunk back where it was on the list of free ones. */
static void rollback_chunk(struct wsheap *heap, struct wsheap_chunk *chunk)
{
	struct wsheap_chunk **link = &heap->free_chunks;
	unsigned int n = chunk->place;

	for (; n && *link; n--)
		link = &(*link)->next;
	chunk->next = *link;
	*link = chunk;
}

/*
 * As chunk_mark_dirty(). The newest block may have become smaller since the savepoint.
 * Then the bytes before @from are a part of it again, and count as zeroed.
 */
static __always_inline void rollback_dirty(struct wsheap_chunk *chunk, u32 from,
					   u32 end)
{
	end = max(end, from);
	if (unlikely(chunk->zeroed < end))
		chunk_set_zeroed(chunk, end);
	chunk_mark_dirty(chunk, from, end);
}

static void rollback_used(struct wsheap_chunk *chunk, u32 from)
{
	if (chunk == NO_CHUNK || chunk->used == from)
		return;
	if (want_init_on_alloc(0) && !want_init_on_free())
		rollback_dirty(chunk, from, chunk->used);
	chunk->used = from;
}

static noinline void rollback_long(struct wsheap *heap,
				   const struct wsheap_mark *begin,
				   unsigned long caller)
{
	struct wsheap_chunk *chunk, *added = NULL, **end;
	struct wsheap_mark complete = *begin, *mark = &complete;
	size_t asked = wsheap_requested_size(heap);
	unsigned int n = FREE_TRIED / 2;
	unsigned long irq;

	/* Nothing ends while another call has the heap. */
	if (unlikely(READ_ONCE(heap->user))) {
		wsheap_report_users(heap, caller);
		return;
	}
	mark_complete(heap, mark);
	if (heap->actions != mark->actions)
		actions_run(heap, mark->actions);
	if (!wsheap_claim(heap, caller))
		return;
	irq = wsheap_enter(heap);
	if (want_init_on_free()) {
		wsheap_leave(heap, irq);
		rollback_wipe(heap, mark);
		irq = wsheap_enter(heap);
	}
	wsheap_note_size(heap, 0);
	while ((chunk = heap->used) != mark->used) {
		heap->used = chunk->next;
		chunk_take_back(chunk, chunk->start);
		if (chunk->place == CHUNK_NEW) {
			chunk->next = added;
			added = chunk;
		} else {
			rollback_chunk(heap, chunk);
		}
	}
	/* Behind those that the next blocks try first, but not beyond all tries. */
	for (end = &heap->free_chunks; *end && n--; end = &(*end)->next)
		;
	for (; (chunk = added); end = &chunk->next) {
		added = chunk->next;
		chunk->next = *end;
		*end = chunk;
	}
	heap->cur = mark->cur;
	heap->alt = mark->alt;
	rollback_used(heap->cur, mark_used(mark, heap->cur));
	rollback_used(heap->alt, mark->alt_used);
	if (heap->used)
		rollback_used(heap->used, mark_used(mark, heap->used));
	WRITE_ONCE(heap->left, heap->max_size - mark->requested);
	if (likely(!heap->debug))
		heap->slack = mark->slack;
	if (unlikely(heap->debug))
		wsheap_debug_rollback(heap, mark->slack, caller);
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
	trace_rollback(heap, asked, caller);
}

/**
 * wsheap_rollback - release all blocks taken since a savepoint
 * @heap: the heap.
 * @mark: what wsheap_mark() returned. It stays valid.
 *
 * Older blocks stay as they are. One that wsheap_extend() has changed since has the
 * size and the address again that it had, but not the bytes that it gave up. What it
 * grew by may stay, up to its alignment, until the reset. Runs the actions that were
 * added since. The next blocks get the addresses that they would have got at the
 * savepoint, as far as that memory is still there: one chunk may have taken the place
 * of others. What the heap has obtained meanwhile is behind the chunks that are tried
 * first. Windows has no equivalent.
 *
 * Context: as wsheap_reset(). The cost grows with the chunks of the message and with
 * the actions, not with blocks or bytes, except with init_on_free.
 */
void wsheap_rollback(struct wsheap *heap, const struct wsheap_mark *mark)
{
	struct wsheap_chunk *cur;
	u32 used;

	/* As in wsheap_mark(). */
	if (unlikely(data_race(heap->path_state) & WSHEAP_LONG)) {
		if (wsheap_is_message(heap))
			rollback_long(heap, mark, _RET_IP_);
		return;
	}
	cur = heap->cur;
	used = mark->cursor - (char *)cur->mem;
	if (want_init_on_alloc(0))
		rollback_dirty(cur, used, heap->cursor - (char *)cur->mem);
	WRITE_ONCE(heap->left, heap->max_size - mark->requested);
	heap->slack = mark->slack;
	wsheap_set_cursor(heap, cur, used);
}
EXPORT_SYMBOL_NS_GPL(wsheap_rollback, WSHEAP_NS);

/*
 * The chunk that a block is the newest one of, or NULL. Blocks are cut from the first
 * two. The newest block of all may lie in a third one.
 */
static struct wsheap_chunk *extend_chunk(const struct wsheap *heap, const char *p,
					 size_t length)
{
	if (p + length == heap->cur->mem + heap->cur->used)
		return heap->cur;
	if (p + length == heap->alt->mem + heap->alt->used)
		return heap->alt;
	if (heap->used && p + length == heap->used->mem + heap->used->used)
		return heap->used;
	return NULL;
}

/*
 * Takes memory at the end of a chunk back. A chunk with a separate header stays in
 * use to a part, so that no block of another chunk ends where its next one begins.
 */
static void chunk_retreat(struct wsheap_chunk *chunk, u32 bytes)
{
	if (chunk->start || chunk->used > bytes)
		chunk_take_back(chunk, chunk->used - bytes);
}

/**
 * __wsheap_extend - make a block larger or smaller by the long path
 * @heap: the heap.
 * @p: the block, or NULL.
 * @old: its bytes.
 * @size: the bytes that it is to have.
 * @gfp: see wsheap_alloc_err().
 * @caller: what a report names, or 0 for the caller of this.
 *
 * The inline function calls this if the short path fails. Drivers call that.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: as wsheap_extend().
 */
void *__wsheap_extend(struct wsheap *heap, void *p, size_t old, size_t size,
		      gfp_t gfp, unsigned long caller)
{
	size_t align = wsheap_block_align(heap);
	size_t before = ALIGN(old, align), after = ALIGN(size, align), credit = 0;
	struct request req = { .size = after - before, .align = align };
	struct wsheap_chunk *chunk;
	bool in_place = false;
	void *new = p, *place;
	unsigned long irq;

	if (!caller)
		caller = _RET_IP_;
	if (!wsheap_is_message(heap))
		return NULL;
	/* What is refused for any block, and empty ones, which have no memory. */
	if (!p || !old || size > wsheap_largest_block(heap->flags) ||
	    gfp & WSHEAP_GFP_REFUSED)
		return wsheap_alloc_long(heap, size, WSHEAP_MIN_ALIGN, gfp, NULL,
					 caller);

	if (size < old && want_init_on_free())
		memset(p + size, 0, old - size);
	place = unlikely(heap->debug) ? wsheap_debug_place(heap, p) : p;
	if (!wsheap_claim(heap, caller))
		return NULL;
	irq = wsheap_enter(heap);
	chunk = extend_chunk(heap, place, before);
	if (chunk && size <= old) {
		chunk_retreat(chunk, before - after);
		in_place = true;
	} else if (chunk && size - old <= heap->left) {
		/* The block that follows is a part of this one. */
		in_place = wsheap_chunk_cut(heap, chunk, &req);
	}
	if (in_place)
		WRITE_ONCE(heap->left, heap->left + old - size);
	else if (chunk)
		credit = old;
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);

	if (in_place) {
		if (req.zero)
			memset(place + before, 0, req.size);
		if (unlikely(heap->debug))
			new = wsheap_debug_resize(heap, place, p, old, size, gfp,
						  caller);
	} else if (size > old) {
		/* What has grown beyond a chunk may grow further. */
		if (after >= PAGE_SIZE && after <= wsheap_largest_block(heap->flags) / 2 &&
		    size - credit <= wsheap_max_size(heap) - wsheap_requested_size(heap))
			wsheap_make_room(heap, after, after, gfp, caller);
		new = wsheap_alloc_instead(heap, size, WSHEAP_MIN_ALIGN,
					   gfp & ~__GFP_ZERO, NULL, caller,
					   credit);
		if (!new)
			return NULL;
		memcpy(new, p, old);
	}
	if (gfp & __GFP_ZERO && size > old)
		memset(new + old, 0, size - old);
	return new;
}
EXPORT_SYMBOL_NS_GPL(__wsheap_extend, WSHEAP_NS);

/* Releases a block that was just allocated. Others may have one behind it. */
void wsheap_undo_alloc(struct wsheap *heap, void *p, size_t size, unsigned long caller)
{
	size_t length = ALIGN(size, wsheap_block_align(heap));
	struct wsheap_chunk **link, *chunk;
	unsigned long irq;
	void *place = p;

	if (heap->path >= WSHEAP_PATH_PRIVATE)
		return wsheap_free(heap, p);
	if (!size)
		return;
	if (want_init_on_free())
		memset(p, 0, size);
	if (unlikely(heap->debug)) {
		place = wsheap_debug_place(heap, p);
		wsheap_debug_end(heap, p, caller);
	}
	if (!wsheap_claim(heap, caller))
		return;
	irq = wsheap_enter(heap);
	/* A dedicated chunk has only this block, and is of use for others again. */
	for (link = &heap->used; (chunk = *link); link = &chunk->next)
		if (chunk->mem == place && chunk->used == length && chunk != heap->cur)
			break;
	if (chunk) {
		if (heap->alt == chunk)
			heap->alt = NO_CHUNK;
		*link = chunk->next;
		chunk_take_back(chunk, 0);
		chunk->next = heap->free_chunks;
		heap->free_chunks = chunk;
	} else {
		chunk = extend_chunk(heap, place, length);
		if (chunk)
			chunk_retreat(chunk, length);
	}
	WRITE_ONCE(heap->left, heap->left + size);
	wsheap_leave(heap, irq);
	wsheap_unclaim(heap);
}
