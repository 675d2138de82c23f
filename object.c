// SPDX-License-Identifier: GPL-2.0
/*
 * What heaps of either kind have in common: creation, properties and destruction.
 * What a kind does differently is in wsheap.c and private.c.
 */

#include "trace.h"

#include <linux/device.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/nodemask.h>

static const struct wsheap_args default_args;

bool wsheap_args_valid(const struct wsheap_args *args)
{
	gfp_t gfp = __GFP_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY |
		    __GFP_RETRY_MAYFAIL;

	if (args->flags & ~WSHEAP_FLAGS)
		return false;
	if (IS_ENABLED(CONFIG_ZONE_DMA))
		gfp |= __GFP_DMA;
	/* kmalloc has no caches in that zone. */
	if (IS_ENABLED(CONFIG_ZONE_DMA32) && !(args->flags & WSHEAP_CONTIG))
		gfp |= __GFP_DMA32;
	if (args->chunk_gfp & ~gfp)
		return false;
	/* No page lies in both zones. */
	if (args->chunk_gfp & __GFP_DMA && args->chunk_gfp & __GFP_DMA32)
		return false;
	if (!(args->flags & WSHEAP_NODE) || args->node == NUMA_NO_NODE)
		return true;
	return args->node >= 0 && args->node < MAX_NUMNODES &&
	       node_online(args->node);
}

struct wsheap *wsheap_object_alloc(const struct wsheap_args *args, size_t size,
				   gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_object_alloc, args, size, gfp);

	return kzalloc_noprof(size, gfp | (args->chunk_gfp & __GFP_ACCOUNT));
}

static size_t object_size(const struct wsheap *heap)
{
	return heap->path >= WSHEAP_PATH_PRIVATE ? wsheap_private_object_size :
						   sizeof(struct wsheap);
}

/* What a heap has beside memory. */
static void object_end(struct wsheap *heap, unsigned long caller)
{
	struct wsheap_class *class = heap->class;

	wsheap_group_put(heap->group);
	if (heap->left != heap->max_size)
		wsheap_count_message(heap, false);
	if (heap->messages)
		wsheap_class_add_messages(heap);
	if (unlikely(heap->debug) &&
	    wsheap_debug_exit(heap, object_size(heap), caller))
		heap = NULL;
	else if (!(heap->flags & WSHEAP_EMBEDDED))
		kfree(heap);
	wsheap_class_put(class);
}

static void object_free(struct wsheap *heap, bool may_sleep, unsigned long caller)
{
	struct wsheap_chunk *chunks;

	trace_destroy(heap);
	if (unlikely(heap->noted))
		wsheap_end_notes(heap, caller);
	chunks = heap->path >= WSHEAP_PATH_PRIVATE ? wsheap_private_chunks(heap) :
						     wsheap_message_chunks(heap);
	wsheap_chunk_release_all(heap, chunks, may_sleep);
	object_end(heap, caller);
}

/*
 * Sets up a zeroed heap that nobody else knows yet. On success it takes the
 * caller's part in @class.
 */
static __always_inline
int object_setup(struct wsheap *heap, size_t max_size, size_t trim_size,
		 const struct wsheap_args *args, struct wsheap_class *class,
		 bool private, unsigned int flags, gfp_t gfp)
{
	int ret;

	heap->cursor = WSHEAP_NO_CURSOR;
	heap->flags = args->flags | flags;
	heap->max_size = max_size;
	heap->trim_size = trim_size;
	heap->chunk_gfp = args->chunk_gfp;
	heap->node = args->flags & WSHEAP_NODE ? args->node : NUMA_NO_NODE;
	heap->class = class;
	heap->group = args->group;
	if (private)
		ret = wsheap_private_setup(heap, gfp);
	else
		ret = wsheap_message_setup(heap, args->initial_size, gfp);
	if (ret)
		return ret;
	wsheap_group_get(heap->group);
	if (unlikely(READ_ONCE(wsheap_debug_new) || args->flags & WSHEAP_PAGE_HEAP))
		wsheap_debug_setup(heap, args->flags & WSHEAP_PAGE_HEAP, gfp);
	trace_create(heap);
	return 0;
}

/* Returns a heap that nobody else knows yet, or an ERR_PTR. */
static struct wsheap *object_new(size_t max_size, size_t trim_size,
				 const struct wsheap_args *args,
				 struct wsheap_class *class, bool private,
				 unsigned int flags, gfp_t gfp)
{
	size_t size = private ? wsheap_private_object_size :
				sizeof(struct wsheap);
	struct wsheap *heap = wsheap_object_alloc(args, size, gfp);
	int ret;

	if (!heap)
		return ERR_PTR(-ENOMEM);
	ret = object_setup(heap, max_size, trim_size, args, class, private, flags,
			   gfp);
	if (ret) {
		kfree(heap);
		return ERR_PTR(ret);
	}
	return heap;
}

/*
 * Creates a heap for a pool. With @keeper, only one that keeps the memory for
 * its initial size.
 */
struct wsheap *wsheap_object_create_pooled(size_t max_size, size_t trim_size,
					   const struct wsheap_args *args,
					   struct wsheap_class *class, bool keeper,
					   gfp_t gfp)
{
	struct wsheap *heap = object_new(max_size, trim_size, args, class, false,
					 WSHEAP_POOLED, gfp);

	if (IS_ERR(heap))
		return heap;
	/* That of its pool stays as long as the pool. */
	wsheap_class_add_heap(class);
	if (keeper && args->initial_size && !heap->cur->keeper) {
		object_free(heap, false, _RET_IP_);
		return ERR_PTR(-EINVAL);
	}
	wsheap_list_add(heap);
	return heap;
}

/*
 * Releases a heap, unless a call of wsheap_for_each() looks at it. Returns whether
 * it did.
 */
bool wsheap_object_try_release(struct wsheap *heap, bool may_sleep)
{
	bool released = wsheap_list_try_del(heap);

	if (released)
		object_free(heap, may_sleep, _RET_IP_);
	return released;
}

/* Releases a heap. Sleeps. */
void wsheap_object_release(struct wsheap *heap, unsigned long caller)
{
	wsheap_list_del(heap);
	object_free(heap, true, caller);
}

/* Creates a heap that is in no pool. */
static struct wsheap *object_create(size_t max_size, size_t trim_size,
				    const struct wsheap_args *args,
				    struct wsheap_creator *creator,
				    bool private, unsigned int flags)
{
	struct wsheap_class *class = wsheap_class_get_heap(creator, args->name);
	struct wsheap *heap;

	if (!class)
		return ERR_PTR(-ENOMEM);
	heap = object_new(max_size, trim_size, args, class, private, flags,
			  GFP_KERNEL);
	if (!IS_ERR(heap))
		wsheap_list_add(heap);
	else
		wsheap_class_put(class);
	return heap;
}

/* wsheap_create(), for the module that it is called from. */
struct wsheap *__wsheap_create(size_t max_size, size_t trim_size,
			       const struct wsheap_args *args,
			       struct wsheap_creator *creator)
{
	args = args ?: &default_args;
	if (!wsheap_args_valid(args))
		return ERR_PTR(-EINVAL);
	return object_create(max_size, trim_size, args, creator, false, 0);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_create, WSHEAP_NS);

/* wsheap_init(), for the module that it is called from. */
int __wsheap_init(struct wsheap *heap, size_t max_size, size_t trim_size,
		  const struct wsheap_args *args,
		  struct wsheap_creator *creator)
{
	struct wsheap_class *class;
	int ret;

	if (!args)
		args = &default_args;
	else if (!wsheap_args_valid(args))
		return -EINVAL;
	class = wsheap_class_get_heap(creator, args->name);
	if (!class)
		return -ENOMEM;
	memset(heap, 0, sizeof(*heap));
	/* It is listed when it obtains its first chunk. */
	ret = object_setup(heap, max_size, trim_size, args, class, false,
			   WSHEAP_EMBEDDED, GFP_KERNEL);
	if (!ret && args->initial_size)
		wsheap_list_add(heap);
	if (ret)
		wsheap_class_put(class);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(__wsheap_init, WSHEAP_NS);

/**
 * wsheap_exit - release everything that an embedded heap holds
 * @heap: the heap, from wsheap_init().
 *
 * As wsheap_destroy(), but for the object, which is the caller's. Equivalent of
 * WsFreeHeap().
 *
 * Context: process context; sleeps.
 */
void wsheap_exit(struct wsheap *heap)
{
	if (unlikely(!(heap->flags & WSHEAP_EMBEDDED))) {
		wsheap_report_end(heap, "wsheap_exit", _RET_IP_);
		return;
	}
	if (unlikely(heap->noted))
		wsheap_end_notes(heap, _RET_IP_);
	/* It never had a chunk, and so no message. */
	if (!heap->all.next && likely(!heap->debug)) {
		wsheap_group_put(heap->group);
		wsheap_class_put(heap->class);
		return;
	}
	might_sleep();
	if (heap->all.next)
		wsheap_list_del(heap);
	object_free(heap, true, _RET_IP_);
	wsheap_chunk_flush();
}
EXPORT_SYMBOL_NS_GPL(wsheap_exit, WSHEAP_NS);

/* wsheap_create_private_args(), for the module that it is called from. */
struct wsheap *__wsheap_create_private(unsigned int options, size_t initial_size,
				       size_t maximum_size,
				       const struct wsheap_args *args,
				       struct wsheap_creator *creator)
{
	args = args ?: &default_args;
	if (options & WSHEAP_CREATE_ENABLE_EXECUTE)
		return ERR_PTR(-EOPNOTSUPP);
	if (options & ~WSHEAP_OPTIONS || args->flags & ~(WSHEAP_NODE | WSHEAP_PAGE_HEAP) ||
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
	return object_create(maximum_size, initial_size, args, creator, true, options);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_create_private, WSHEAP_NS);

/**
 * wsheap_destroy - release a heap and everything that it holds
 * @heap: the heap; NULL and an ERR_PTR are ignored.
 *
 * When this returns, all memory that the heap ever held has gone back to the
 * system. Runs the heap's actions. Waits while wsheap_for_each() looks at the heap.
 * Not for heaps from devm_wsheap_create(). A heap that belongs to a pool or lies in
 * another structure is reported and left alone. Equivalent of WsFreeHeap() and
 * HeapDestroy().
 *
 * Context: process context; sleeps.
 */
void wsheap_destroy(struct wsheap *heap)
{
	if (IS_ERR_OR_NULL(heap))
		return;
	might_sleep();
	if (unlikely(heap->flags & (WSHEAP_POOLED | WSHEAP_EMBEDDED | WSHEAP_DEAD))) {
		wsheap_report_end(heap, "wsheap_destroy", _RET_IP_);
		return;
	}
	wsheap_object_release(heap, _RET_IP_);
	wsheap_chunk_flush();
}
EXPORT_SYMBOL_NS_GPL(wsheap_destroy, WSHEAP_NS);

static void devm_wsheap_release(void *heap)
{
	wsheap_destroy(heap);
}

static struct wsheap *devm_wsheap(struct device *dev, struct wsheap *heap)
{
	int ret;

	if (IS_ERR(heap))
		return heap;
	ret = devm_add_action_or_reset(dev, devm_wsheap_release, heap);
	return ret ? ERR_PTR(ret) : heap;
}

/* devm_wsheap_create(), for the module that it is called from. */
struct wsheap *__devm_wsheap_create(struct device *dev, size_t max_size,
				    size_t trim_size,
				    const struct wsheap_args *args,
				    struct wsheap_creator *creator)
{
	return devm_wsheap(dev, __wsheap_create(max_size, trim_size, args, creator));
}
EXPORT_SYMBOL_NS_GPL(__devm_wsheap_create, WSHEAP_NS);

/* devm_wsheap_create_private(), for the module that it is called from. */
struct wsheap *__devm_wsheap_create_private(struct device *dev,
					    unsigned int options,
					    size_t initial_size,
					    size_t maximum_size,
					    const struct wsheap_args *args,
					    struct wsheap_creator *creator)
{
	return devm_wsheap(dev, __wsheap_create_private(options, initial_size,
							maximum_size, args,
							creator));
}
EXPORT_SYMBOL_NS_GPL(__devm_wsheap_create_private, WSHEAP_NS);

/**
 * wsheap_get_property - read a property of a heap
 * @heap: the heap.
 * @id: the property.
 * @value: where to store it; a size_t.
 * @value_size: bytes at @value, sizeof(size_t).
 *
 * Equivalent of WsGetHeapProperty().
 *
 * Context: any.
 * Return: 0; or -EINVAL for another @id or another @value_size, with @value
 * untouched.
 */
int wsheap_get_property(const struct wsheap *heap, enum wsheap_property_id id,
			void *value, size_t value_size)
{
	size_t property;

	switch (id) {
	case WSHEAP_PROPERTY_MAX_SIZE:
		property = wsheap_max_size(heap);
		break;
	case WSHEAP_PROPERTY_TRIM_SIZE:
		property = heap->trim_size;
		break;
	case WSHEAP_PROPERTY_REQUESTED_SIZE:
		property = wsheap_requested_size(heap);
		break;
	case WSHEAP_PROPERTY_ACTUAL_SIZE:
		property = READ_ONCE(heap->actual);
		break;
	default:
		return -EINVAL;
	}
	if (!value || value_size != sizeof(property))
		return -EINVAL;
	memcpy(value, &property, sizeof(property));
	return 0;
}
EXPORT_SYMBOL_NS_GPL(wsheap_get_property, WSHEAP_NS);

/**
 * wsheap_summary - tell what a heap holds
 * @heap: the heap, of either kind.
 * @sum: filled in.
 *
 * Equivalent of HeapSummary().
 *
 * Context: any. The figures may be of different moments, unless the caller keeps
 * others out of the heap.
 */
void wsheap_summary(struct wsheap *heap, struct wsheap_summary *sum)
{
	bool fixed = heap->path >= WSHEAP_PATH_PRIVATE &&
		     heap->max_size != WSHEAP_UNLIMITED;

	sum->allocated = heap->max_size - READ_ONCE(heap->left);
	sum->committed = READ_ONCE(heap->actual);
	sum->reserved = fixed ? heap->max_size : sum->committed;
	sum->bound = fixed ? heap->max_size : WSHEAP_UNLIMITED;
}
EXPORT_SYMBOL_NS_GPL(wsheap_summary, WSHEAP_NS);
