// SPDX-License-Identifier: GPL-2.0
/*
 * A driver's mistakes that show in the call alone, and their reports. Each is
 * reported once, with the caller.
 */

#include "internal.h"

#include <linux/log2.h>
#include <linux/once_lite.h>

static void report_gfp(const struct wsheap *heap, gfp_t gfp,
		       unsigned long caller)
{
	pr_err("heap %s: gfp %#x (%pGg) refused: a block must not have a zone flag or __GFP_NOFAIL; called from %pS\n",
	       wsheap_name(heap), (__force unsigned int)gfp, &gfp, (void *)caller);
}

/* Returns the error of a request that no heap of this kind can grant, or 0. */
int wsheap_check_request(const struct wsheap *heap, size_t size, size_t align,
			 gfp_t gfp, unsigned long caller)
{
	if (gfp & WSHEAP_GFP_REFUSED) {
		DO_ONCE_LITE(report_gfp, heap, gfp, caller);
		return -EINVAL;
	}
	if (!is_power_of_2(align) || align > PAGE_SIZE)
		return -EINVAL;
	if (size > wsheap_largest_block(heap->flags))
		return -EOVERFLOW;
	return 0;
}

static void report_kind(const struct wsheap *heap, const char *function,
			unsigned long caller)
{
	bool private = heap->path >= WSHEAP_PATH_PRIVATE;

	pr_err("%s() called on %s heap %s, but is for %s heaps; called from %pS\n",
	       function, private ? "private" : "message", wsheap_name(heap),
	       private ? "message" : "private", (void *)caller);
}

void wsheap_report_kind(const struct wsheap *heap, const char *function,
			unsigned long caller)
{
	if (heap->path >= WSHEAP_PATH_PRIVATE)
		DO_ONCE_LITE(report_kind, heap, function, caller);
	else
		DO_ONCE_LITE(report_kind, heap, function, caller);
}

static void report_end(const struct wsheap *heap, const char *function,
		       unsigned long caller)
{
	const char *kind = heap->flags & WSHEAP_POOLED ?
			   "belongs to a pool, use wsheap_pool_free()" :
			   heap->flags & WSHEAP_EMBEDDED ?
			   "lies in another structure, use wsheap_exit()" :
			   "is an object of its own, use wsheap_destroy()";

	pr_err("%s() called on heap %s, which %s: left alone; called from %pS\n",
	       function, wsheap_name(heap), kind, (void *)caller);
}

void wsheap_report_end(const struct wsheap *heap, const char *function,
		       unsigned long caller)
{
	DO_ONCE_LITE(report_end, heap, function, caller);
}
