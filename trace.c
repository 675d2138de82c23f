// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints that need the long path. The short paths have none, so that they cost
 * nothing. While one of these tracepoints is enabled, no heap has a short path: new
 * ones are made without it, and those that there are lose it with their next reset.
 * The blocks of a message that is under way then may be missed, and those of a heap
 * that lies in another structure and has no chunk yet.
 */

#include "internal.h"

#include <linux/mutex.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

static DEFINE_MUTEX(trace_lock);
static unsigned int tracers;
bool wsheap_tracing;

/*
 * Only wsheap writes to @path, and whoever uses the heap meanwhile may see the old one
 * or the new one.
 */
static int take_short_path(struct wsheap *heap, void *data)
{
	if (heap->debug)
		return 0;
	if (heap->path < WSHEAP_PATH_PRIVATE)
		WRITE_ONCE(heap->path, WSHEAP_PATH_LONG);
	else
		WRITE_ONCE(heap->path, WSHEAP_PATH_PRIVATE_LONG);
	return 0;
}

static int give_short_path(struct wsheap *heap, void *data)
{
	if (!heap->debug)
		WRITE_ONCE(heap->path, wsheap_natural_path(heap));
	return 0;
}

int wsheap_trace_begin(void)
{
	mutex_lock(&trace_lock);
	if (!tracers++) {
		WRITE_ONCE(wsheap_tracing, true);
		wsheap_debug_update();
		wsheap_for_each(take_short_path, NULL);
	}
	mutex_unlock(&trace_lock);
	return 0;
}

void wsheap_trace_end(void)
{
	mutex_lock(&trace_lock);
	if (!--tracers) {
		WRITE_ONCE(wsheap_tracing, false);
		wsheap_debug_update();
		wsheap_for_each(give_short_path, NULL);
	}
	mutex_unlock(&trace_lock);
}
