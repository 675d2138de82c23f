// SPDX-License-Identifier: GPL-2.0
/*
 * Reports of a driver's mistakes: what is wrong with which heap of whose module, and
 * where; what to do about it; and the heap's figures. Each mistake is reported once
 * for a class of heaps.
 */

#include "message.h"
#include "private.h"

#include <linux/export.h>
#include <linux/log2.h>
#include <linux/string.h>

static const char * const advice[] = {
	[MISTAKE_GFP] =
		"give zones by args.chunk_gfp when the heap is created, and expect NULL",
	[MISTAKE_KIND] =
		"look into the call's documentation for the kind of heap that it is for",
	[MISTAKE_END] =
		"end a heap as it began: by wsheap_destroy(), wsheap_exit() or wsheap_pool_free()",
	[MISTAKE_AGAIN] =
		"look for a second return on an error path; another user may have the heap by now",
	[MISTAKE_STRANGER] =
		"return a heap to the pool that it is from; wsheap_pool_put() knows it",
	[MISTAKE_UNLOCK] =
		"unlock in the context that called wsheap_lock(), as often as it did",
	[MISTAKE_USERS] =
		"create the heap with WSHEAP_SERIALIZE, or keep others out by a lock of your own",
	[MISTAKE_DESTROYED] =
		"look for an error path that goes on after the heap was destroyed",
	[MISTAKE_GROUP] =
		"destroy the heaps, pools and groups that belong to a group before it",
	[MISTAKE_POOL] =
		"return all heaps of a pool before it is destroyed",
	[MISTAKE_LEFT] =
		"destroy heaps and pools before the module's exit function returns",
	[MISTAKE_CONTEXT] =
		"use GFP_ATOMIC in interrupts and under spinlocks, or wsheap_reserve() before",
	[MISTAKE_FORGOTTEN] =
		"call wsheap_reset() at the end of each message, on error paths, too",
	[MISTAKE_FREED] =
		"look for a second wsheap_free() of the block",
	[MISTAKE_FOREIGN] =
		"free a block in the heap that it was allocated from",
	[MISTAKE_INSIDE] =
		"free a block by the address that wsheap_alloc() returned",
	[MISTAKE_HEADER] =
		"look for a write past the end of the block before; page_heap=guard faults there",
	[MISTAKE_OVERRUN] =
		"look for a write past the end of this block; page_heap=guard or KASAN finds it there",
	[MISTAKE_UNDERRUN] =
		"look for a write before this block; page_heap=kmalloc and KASAN find it there",
	[MISTAKE_WRITTEN] =
		"look for a pointer kept after wsheap_free(); page_heap=guard faults there",
	[MISTAKE_STALE] =
		"look for a pointer kept after the message's end; page_heap=guard faults there",
};

void wsheap_report_advice(enum wsheap_mistake mistake)
{
	pr_err("what to do: %s\n", advice[mistake]);
}

/* Whether to report a mistake of a class. It is once for each kind. */
static bool report_begin(struct wsheap_class *class, enum wsheap_mistake mistake)
{
	return !test_and_set_bit(mistake, &class->reported);
}

static void dump_chunks(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk;
	unsigned int used = 0, free = 0;

	for (chunk = heap->used; chunk; chunk = chunk->next)
		used++;
	for (chunk = heap->free_chunks; chunk; chunk = chunk->next)
		free++;
	pr_info("  %u chunks in use, %u free\n", used, free);
}

/* A limit, or that there is none. */
static const char *limit_text(char text[24], size_t limit)
{
	if (limit == WSHEAP_UNLIMITED)
		return "no limit";
	snprintf(text, 24, "%zu", limit);
	return text;
}

/* The figures can be read at any time. */
static void dump_figures(const struct wsheap *heap)
{
	char limit[24], trim[24];

	pr_info("  %s heap %s of %s: %zu bytes asked for (limit: %s), %zu held (after a reset: %s), %u messages before this one\n",
		heap->path >= WSHEAP_PATH_PRIVATE ? "private" : "message",
		wsheap_name(heap), heap->class->module, wsheap_requested_size(heap),
		limit_text(limit, wsheap_max_size(heap)), wsheap_actual_size(heap),
		limit_text(trim, heap->trim_size), heap->messages);
	if (heap->group)
		pr_info("  its group %s: %zu bytes held (limit: %s)\n", heap->group->name,
			wsheap_group_size(heap->group),
			limit_text(limit, heap->group->max_size));
	if (heap->status)
		pr_info("  the last call refused: %d\n", -heap->status);
}

/**
 * wsheap_dump - print what is known of a heap to the kernel log
 * @heap: the heap, of either kind.
 *
 * Its kind, name, module, figures and chunks, and the newest blocks if the heap is in
 * a mode that knows them. For a driver's own reports. Windows has no equivalent.
 *
 * Context: as wsheap_reset(), by the user of the heap.
 */
void wsheap_dump(struct wsheap *heap)
{
	unsigned long irq;

	dump_figures(heap);
	if (heap->path < WSHEAP_PATH_PRIVATE) {
		irq = wsheap_enter(heap);
		dump_chunks(heap);
		wsheap_leave(heap, irq);
	}
	wsheap_debug_dump(heap);
}
EXPORT_SYMBOL_NS_GPL(wsheap_dump, WSHEAP_NS);

/*
 * The heap may be locked, or another call may have it, so nothing is followed that
 * changes. Returns whether it is the first report of this mistake.
 */
bool wsheap_report(const struct wsheap *heap, enum wsheap_mistake mistake,
		   unsigned long caller, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list ap;

	if (!report_begin(heap->class, mistake))
		return false;
	va_start(ap, fmt);
	vaf.va = &ap;
	pr_err("heap %s of %s: %pV; called from %pS\n", wsheap_name(heap),
	       heap->class->module, &vaf, (void *)caller);
	va_end(ap);
	wsheap_report_advice(mistake);
	dump_figures(heap);
	wsheap_debug_dump(heap);
	return true;
}

/* The same for what is no heap, or a heap that is gone. */
void wsheap_report_class(struct wsheap_class *class, enum wsheap_mistake mistake,
			 const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list ap;

	if (!report_begin(class, mistake))
		return;
	va_start(ap, fmt);
	vaf.va = &ap;
	pr_err("%pV\n", &vaf);
	va_end(ap);
	wsheap_report_advice(mistake);
}

/* Returns the error of a request that no heap of this kind can grant, or 0. */
int wsheap_check_request(const struct wsheap *heap, size_t size, size_t align,
			 gfp_t gfp, unsigned long caller)
{
	if (gfp & WSHEAP_GFP_REFUSED) {
		wsheap_report(heap, MISTAKE_GFP, caller,
			      "gfp %#x (%pGg) refused: a block must not have a zone flag or __GFP_NOFAIL",
			      (__force unsigned int)gfp, &gfp);
		return -EINVAL;
	}
	if (!is_power_of_2(align) || align > PAGE_SIZE)
		return -EINVAL;
	if (size > wsheap_largest_block(heap->flags))
		return -EOVERFLOW;
	return unlikely(heap->debug) ? wsheap_fail(heap, size) : 0;
}

void wsheap_report_kind(const struct wsheap *heap, const char *function,
			unsigned long caller)
{
	bool private = heap->path >= WSHEAP_PATH_PRIVATE;

	/* What a driver calls is inline. */
	function += strspn(function, "_");
	wsheap_report(heap, MISTAKE_KIND, caller,
		      "%s() called on a %s heap, but is for %s heaps", function,
		      private ? "private" : "message",
		      private ? "message" : "private");
}

void wsheap_report_end(const struct wsheap *heap, const char *function,
		       unsigned long caller)
{
	if (heap->flags & WSHEAP_DEAD) {
		wsheap_report_users(heap, caller);
		return;
	}
	wsheap_report(heap, MISTAKE_END, caller, "%s() called, but the heap %s: left alone",
		      function,
		      heap->flags & WSHEAP_POOLED ? "belongs to a pool" :
		      heap->flags & WSHEAP_EMBEDDED ? "lies in another structure" :
						      "is an object of its own");
}

/* The call that has the heap may end meanwhile. With @caller 0, it was a short one. */
noinline void wsheap_report_users(const struct wsheap *heap, unsigned long caller)
{
	unsigned long other = READ_ONCE(heap->user);
	bool first;

	if (heap->flags & WSHEAP_DEAD)
		first = wsheap_report(heap, MISTAKE_DESTROYED, caller,
				      "used or destroyed after it was destroyed by the call from %pS",
				      (void *)other);
	else if (caller && other)
		first = wsheap_report(heap, MISTAKE_USERS, caller,
				      "two users at once: this call came while the one from %pS was under way",
				      (void *)other);
	else if (caller)
		first = wsheap_report(heap, MISTAKE_USERS, caller,
				      "two users at once: this call came while another one was under way");
	else
		first = wsheap_report(heap, MISTAKE_USERS, other ?: _RET_IP_,
				      "two users at once: another call was under way when this one came");
	/* Of the other one, all that is known is where it was called from. */
	if (first)
		dump_stack();
}
