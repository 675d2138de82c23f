/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, under wsheap: in tracefs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM wsheap

#if !defined(_WSHEAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _WSHEAP_TRACE_H

#include "internal.h"

#include <linux/tracepoint.h>

int wsheap_trace_begin(void);
void wsheap_trace_end(void);

TRACE_EVENT(create,
	TP_PROTO(const struct wsheap *heap),
	TP_ARGS(heap),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__string(module, heap->class->module)
		__field(bool, private)
		__field(size_t, max_size)
		__field(size_t, trim_size)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		wsheap_assign_str(module, heap->class->module);
		__entry->private = heap->path >= WSHEAP_PATH_PRIVATE;
		__entry->max_size = heap->max_size;
		__entry->trim_size = heap->trim_size;
	),
	TP_printk("heap=%p class=%s module=%s kind=%s max_size=%zu trim_size=%zu",
		  __entry->heap, __get_str(class), __get_str(module),
		  __entry->private ? "private" : "message", __entry->max_size,
		  __entry->trim_size)
);

/* A class of its own, because perf has a perf_trace_destroy(). */
DECLARE_EVENT_CLASS(wsheap_destroy,
	TP_PROTO(const struct wsheap *heap),
	TP_ARGS(heap),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__field(size_t, asked)
		__field(size_t, held)
		__field(u32, messages)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		__entry->asked = wsheap_requested_size(heap);
		__entry->held = wsheap_actual_size(heap);
		__entry->messages = heap->messages;
	),
	TP_printk("heap=%p class=%s asked=%zu held=%zu messages=%u", __entry->heap,
		  __get_str(class), __entry->asked, __entry->held, __entry->messages)
);

DEFINE_EVENT(wsheap_destroy, destroy,
	TP_PROTO(const struct wsheap *heap),
	TP_ARGS(heap)
);

/* What the message asked for and held, and what is kept for the next one. */
TRACE_EVENT_FN(reset,
	TP_PROTO(const struct wsheap *heap, size_t asked, size_t held,
		 unsigned long caller),
	TP_ARGS(heap, asked, held, caller),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__field(size_t, asked)
		__field(size_t, held)
		__field(size_t, kept)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		__entry->asked = asked;
		__entry->held = held;
		__entry->kept = wsheap_actual_size(heap);
		__entry->caller = caller;
	),
	TP_printk("heap=%p class=%s asked=%zu held=%zu kept=%zu caller=%pS",
		  __entry->heap, __get_str(class), __entry->asked, __entry->held,
		  __entry->kept, (void *)__entry->caller),
	wsheap_trace_begin, wsheap_trace_end
);

TRACE_EVENT_FN(rollback,
	TP_PROTO(const struct wsheap *heap, size_t asked, unsigned long caller),
	TP_ARGS(heap, asked, caller),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__field(size_t, asked)
		__field(size_t, left)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		__entry->asked = asked;
		__entry->left = wsheap_requested_size(heap);
		__entry->caller = caller;
	),
	TP_printk("heap=%p class=%s asked=%zu left=%zu caller=%pS", __entry->heap,
		  __get_str(class), __entry->asked, __entry->left,
		  (void *)__entry->caller),
	wsheap_trace_begin, wsheap_trace_end
);

DECLARE_EVENT_CLASS(wsheap_chunk,
	TP_PROTO(const struct wsheap *heap, size_t size),
	TP_ARGS(heap, size),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__field(size_t, size)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		__entry->size = size;
	),
	TP_printk("heap=%p class=%s size=%zu", __entry->heap, __get_str(class),
		  __entry->size)
);

DEFINE_EVENT(wsheap_chunk, obtain,
	TP_PROTO(const struct wsheap *heap, size_t size),
	TP_ARGS(heap, size)
);

DEFINE_EVENT(wsheap_chunk, release,
	TP_PROTO(const struct wsheap *heap, size_t size),
	TP_ARGS(heap, size)
);

TRACE_EVENT(refuse,
	TP_PROTO(const struct wsheap *heap, const struct wsheap_error *err,
		 unsigned long caller),
	TP_ARGS(heap, err, caller),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__field(int, code)
		__field(size_t, asked)
		__field(size_t, in_use)
		__field(size_t, limit)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		__entry->code = err->code;
		__entry->asked = err->asked;
		__entry->in_use = err->in_use;
		__entry->limit = err->limit;
		__entry->caller = caller;
	),
	TP_printk("heap=%p class=%s code=%d asked=%zu in_use=%zu limit=%zu caller=%pS",
		  __entry->heap, __get_str(class), __entry->code, __entry->asked,
		  __entry->in_use, __entry->limit, (void *)__entry->caller)
);

TRACE_EVENT(group_refuse,
	TP_PROTO(const struct wsheap_group *group, size_t size),
	TP_ARGS(group, size),
	TP_STRUCT__entry(
		__string(group, group->name)
		__field(size_t, asked)
		__field(size_t, in_use)
		__field(size_t, limit)
	),
	TP_fast_assign(
		wsheap_assign_str(group, group->name);
		__entry->asked = size;
		__entry->in_use = wsheap_group_size(group);
		__entry->limit = group->max_size;
	),
	TP_printk("group=%s asked=%zu in_use=%zu limit=%zu", __get_str(group),
		  __entry->asked, __entry->in_use, __entry->limit)
);

/* Each block, on the long path. So heaps have no other one while this is enabled. */
TRACE_EVENT_FN(alloc,
	TP_PROTO(const struct wsheap *heap, const void *p, size_t size, size_t align,
		 gfp_t gfp, unsigned long caller),
	TP_ARGS(heap, p, size, align, gfp, caller),
	TP_STRUCT__entry(
		__field(const void *, heap)
		__string(class, heap->class->name)
		__field(const void *, p)
		__field(size_t, size)
		__field(size_t, align)
		__field(unsigned long, gfp)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		__entry->heap = heap;
		wsheap_assign_str(class, heap->class->name);
		__entry->p = p;
		__entry->size = size;
		__entry->align = align;
		__entry->gfp = (__force unsigned long)gfp;
		__entry->caller = caller;
	),
	TP_printk("heap=%p class=%s p=%p size=%zu align=%zu gfp=%#lx caller=%pS",
		  __entry->heap, __get_str(class), __entry->p, __entry->size,
		  __entry->align, __entry->gfp, (void *)__entry->caller),
	wsheap_trace_begin, wsheap_trace_end
);

#endif /* _WSHEAP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
