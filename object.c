// SPDX-License-Identifier: GPL-2.0
/*
 * What heaps of either kind have in common: creation, properties, the list of
 * all heaps, and destruction. What a kind does differently is in wsheap.c and
 * private.c.
 */

#include "internal.h"

#include <linux/device.h>
#include <linux/export.h>
#include <linux/nodemask.h>
#include <linux/wait.h>

/* All heaps, for wsheap_for_each() and the report at unloading. */
static DEFINE_SPINLOCK(all_heaps_lock);
static LIST_HEAD(all_heaps);

/**
 * struct visit - a call of wsheap_for_each()
 * @node: in visits, protected by all_heaps_lock.
 * @heap: the heap that the caller's function looks at. It is not released, and
 *	stays in all_heaps, until the visit has moved on.
 */
struct visit {
	struct list_head node;
	const struct wsheap *heap;
};

static LIST_HEAD(visits);
static DECLARE_WAIT_QUEUE_HEAD(visit_moved);

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

const char *wsheap_copy_name(const struct wsheap_args *args)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_copy_name, args);

	return kstrdup_const(args->name ?: KBUILD_MODNAME, GFP_KERNEL);
}

static void object_free(struct wsheap *heap, bool may_sleep)
{
	wsheap_chunk_release_all(heap->path >= WSHEAP_PATH_PRIVATE ?
				 wsheap_private_chunks(heap) :
				 wsheap_message_chunks(heap), may_sleep);
	if (!(heap->flags & WSHEAP_POOLED))
		kfree_const(heap->name);
	kfree(heap);
}

/*
 * Returns a heap that nobody else knows yet, or an ERR_PTR. On success @name
 * belongs to the heap, unless @flags has WSHEAP_POOLED.
 */
static struct wsheap *object_new(size_t max_size, size_t trim_size,
				 const struct wsheap_args *args,
				 const char *name, bool private,
				 unsigned int flags, gfp_t gfp)
{
	size_t size = private ? wsheap_private_object_size :
				sizeof(struct wsheap);
	struct wsheap *heap = wsheap_object_alloc(args, size, gfp);
	int ret;

	if (!heap)
		return ERR_PTR(-ENOMEM);
	heap->flags = args->flags | flags;
	heap->max_size = max_size;
	heap->trim_size = trim_size;
	heap->chunk_gfp = args->chunk_gfp;
	heap->node = args->flags & WSHEAP_NODE ? args->node : NUMA_NO_NODE;
	heap->name = name;
	if (private)
		ret = wsheap_private_setup(heap, gfp);
	else
		ret = wsheap_message_setup(heap, args->initial_size, gfp);
	if (ret) {
		kfree(heap);
		return ERR_PTR(ret);
	}
	return heap;
}

static void object_list(struct wsheap *heap)
{
	unsigned long irq;

	spin_lock_irqsave(&all_heaps_lock, irq);
	list_add_tail(&heap->all, &all_heaps);
	spin_unlock_irqrestore(&all_heaps_lock, irq);
}

/*
 * Creates a heap for a pool. With @keeper, only one that keeps the memory for
 * its initial size.
 */
struct wsheap *wsheap_object_create_pooled(size_t max_size, size_t trim_size,
					   const struct wsheap_args *args,
					   bool keeper, gfp_t gfp)
{
	struct wsheap *heap = object_new(max_size, trim_size, args, args->name,
					 false, WSHEAP_POOLED, gfp);

	if (IS_ERR(heap))
		return heap;
	if (keeper && args->initial_size && !heap->cur->keeper) {
		object_free(heap, false);
		return ERR_PTR(-EINVAL);
	}
	object_list(heap);
	return heap;
}

static bool object_is_visited(const struct wsheap *heap)
{
	const struct visit *visit;

	lockdep_assert_held(&all_heaps_lock);
	list_for_each_entry(visit, &visits, node)
		if (visit->heap == heap)
			return true;
	return false;
}

static void visit_move(struct visit *visit, const struct wsheap *heap)
{
	lockdep_assert_held(&all_heaps_lock);
	visit->heap = heap;
	/* A waiter queues itself and checks with the lock held. */
	if (waitqueue_active(&visit_moved))
		wake_up_all(&visit_moved);
}

/*
 * Releases a heap, unless a call of wsheap_for_each() looks at it. Returns whether
 * it did.
 */
bool wsheap_object_try_release(struct wsheap *heap, bool may_sleep)
{
	unsigned long irq;
	bool visited;

	spin_lock_irqsave(&all_heaps_lock, irq);
	visited = object_is_visited(heap);
	if (!visited)
		list_del(&heap->all);
	spin_unlock_irqrestore(&all_heaps_lock, irq);
	if (!visited)
		object_free(heap, may_sleep);
	return !visited;
}

/* Releases a heap. Sleeps. */
void wsheap_object_release(struct wsheap *heap)
{
	spin_lock_irq(&all_heaps_lock);
	wait_event_lock_irq(visit_moved, !object_is_visited(heap),
			    all_heaps_lock);
	list_del(&heap->all);
	spin_unlock_irq(&all_heaps_lock);
	object_free(heap, true);
}

/* Creates a heap that has a name of its own. */
static struct wsheap *object_create_named(size_t max_size, size_t trim_size,
					  const struct wsheap_args *args,
					  bool private, unsigned int flags)
{
	const char *name = wsheap_copy_name(args);
	struct wsheap *heap;

	if (!name)
		return ERR_PTR(-ENOMEM);
	heap = object_new(max_size, trim_size, args, name, private, flags,
			  GFP_KERNEL);
	if (IS_ERR(heap))
		kfree_const(name);
	else
		object_list(heap);
	return heap;
}

/**
 * wsheap_create - create a message heap
 * @max_size: the quota: bytes that the blocks may add up to, as asked for,
 *	between two resets. 0 allows empty blocks only, WSHEAP_UNLIMITED sets no
 *	limit.
 * @trim_size: bytes that the heap may keep after a reset. With more than
 *	@max_size it keeps everything.
 * @args: further options, or NULL for the defaults.
 *
 * Obtains no memory but the heap object, unless @args asks for an initial size.
 * Equivalent of WsCreateHeap().
 *
 * Context: process context; sleeps.
 * Return: the heap, to be passed to wsheap_destroy(), or an ERR_PTR: -EINVAL
 * for bad @args, -EOVERFLOW for an initial size that is, with its header, above
 * the largest block, -ENOMEM.
 */
struct wsheap *wsheap_create(size_t max_size, size_t trim_size,
			     const struct wsheap_args *args)
{
	args = args ?: &default_args;
	if (!wsheap_args_valid(args))
		return ERR_PTR(-EINVAL);
	return object_create_named(max_size, trim_size, args, false, 0);
}
EXPORT_SYMBOL_NS_GPL(wsheap_create, WSHEAP_NS);

/**
 * wsheap_create_private_args - create a private heap with further options
 * @options: see wsheap_create_private().
 * @initial_size: see wsheap_create_private().
 * @maximum_size: see wsheap_create_private().
 * @args: name, chunk_gfp, and node with WSHEAP_NODE; or NULL.
 *
 * Equivalent of HeapCreate().
 *
 * Context: process context; sleeps.
 * Return: as wsheap_create_private(), and -EINVAL for bad @args.
 */
struct wsheap *wsheap_create_private_args(unsigned int options,
					  size_t initial_size,
					  size_t maximum_size,
					  const struct wsheap_args *args)
{
	args = args ?: &default_args;
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
	return object_create_named(maximum_size, initial_size, args, true,
				   options);
}
EXPORT_SYMBOL_NS_GPL(wsheap_create_private_args, WSHEAP_NS);

/**
 * wsheap_create_private - create a private heap
 * @options: WSHEAP_NO_SERIALIZE for a heap that takes no lock and has one caller
 *	at a time; WSHEAP_GENERATE_EXCEPTIONS for one that raises failures, see
 *	wsheap_set_failure_handler(); or 0. WSHEAP_CREATE_ENABLE_EXECUTE is
 *	refused: no module can have memory that is both writable and executable.
 * @initial_size: bytes that the heap obtains when it is created, and keeps when
 *	it is reset; rounded up to pages, at least one.
 * @maximum_size: bytes that the heap may hold, bookkeeping included; rounded up
 *	to pages. 0 sets no limit.
 *
 * A heap with a maximum size provides blocks up to WSHEAP_FIXED_BLOCK_MAX. A
 * heap without one dedicates memory to each block above 32 KiB, and returns that
 * to the system when the block is freed. Equivalent of HeapCreate().
 *
 * Context: process context; sleeps.
 * Return: the heap, to be passed to wsheap_destroy(), or an ERR_PTR: -EINVAL
 * for unknown @options or an initial size above the maximum size, -EOPNOTSUPP
 * for WSHEAP_CREATE_ENABLE_EXECUTE, -EOVERFLOW for an initial size above the
 * largest block or a maximum size that cannot be rounded up, -ENOMEM.
 */
struct wsheap *wsheap_create_private(unsigned int options, size_t initial_size,
				     size_t maximum_size)
{
	return wsheap_create_private_args(options, initial_size, maximum_size,
					  NULL);
}
EXPORT_SYMBOL_NS_GPL(wsheap_create_private, WSHEAP_NS);

/**
 * wsheap_destroy - release a heap and everything that it holds
 * @heap: the heap; NULL and an ERR_PTR are ignored.
 *
 * When this returns, all memory that the heap ever held has gone back to the
 * system. Waits while wsheap_for_each() looks at the heap. Not for heaps from
 * devm_wsheap_create() or from a pool. Equivalent of WsFreeHeap() and
 * HeapDestroy().
 *
 * Context: process context; sleeps.
 */
void wsheap_destroy(struct wsheap *heap)
{
	if (IS_ERR_OR_NULL(heap))
		return;
	might_sleep();
	wsheap_object_release(heap);
	wsheap_chunk_flush();
}
EXPORT_SYMBOL_NS_GPL(wsheap_destroy, WSHEAP_NS);

static void devm_wsheap_release(void *heap)
{
	wsheap_destroy(heap);
}

/**
 * devm_wsheap_create - create a message heap that goes with a device
 * @dev: the device.
 * @max_size: see wsheap_create().
 * @trim_size: see wsheap_create().
 * @args: see wsheap_create().
 *
 * The heap is destroyed with the device's other resources, and never by hand.
 * Otherwise as wsheap_create(), the equivalent of WsCreateHeap().
 *
 * Context: process context; sleeps.
 * Return: the heap, or an ERR_PTR, as wsheap_create().
 */
struct wsheap *devm_wsheap_create(struct device *dev, size_t max_size,
				  size_t trim_size,
				  const struct wsheap_args *args)
{
	struct wsheap *heap = wsheap_create(max_size, trim_size, args);
	int ret;

	if (IS_ERR(heap))
		return heap;
	ret = devm_add_action_or_reset(dev, devm_wsheap_release, heap);
	return ret ? ERR_PTR(ret) : heap;
}
EXPORT_SYMBOL_NS_GPL(devm_wsheap_create, WSHEAP_NS);

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
		property = heap->max_size;
		break;
	case WSHEAP_PROPERTY_TRIM_SIZE:
		property = heap->trim_size;
		break;
	case WSHEAP_PROPERTY_REQUESTED_SIZE:
		property = heap->max_size - READ_ONCE(heap->left);
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

/**
 * wsheap_for_each - visit all heaps
 * @fn: called for each heap of either kind. A non-zero return ends the visit.
 * @data: passed to @fn.
 *
 * No lock is held while @fn runs, so other heaps may come and go. One that is
 * created meanwhile is visited, too. The heap that @fn looks at stays: whoever
 * destroys it waits until @fn has returned. So @fn must neither destroy that heap
 * nor wait for somebody who does. Equivalent of GetProcessHeaps().
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. @fn runs in the context of the caller.
 * Return: what @fn returned last, or 0.
 */
int wsheap_for_each(int (*fn)(struct wsheap *heap, void *data), void *data)
{
	struct visit visit = {};
	struct wsheap *heap;
	unsigned long irq;
	int ret = 0;

	spin_lock_irqsave(&all_heaps_lock, irq);
	list_add(&visit.node, &visits);
	list_for_each_entry(heap, &all_heaps, all) {
		visit_move(&visit, heap);
		spin_unlock_irqrestore(&all_heaps_lock, irq);
		ret = fn(heap, data);
		spin_lock_irqsave(&all_heaps_lock, irq);
		if (ret)
			break;
	}
	visit_move(&visit, NULL);
	list_del(&visit.node);
	spin_unlock_irqrestore(&all_heaps_lock, irq);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_for_each, WSHEAP_NS);

/* Called when the modules that could use a heap are gone. */
void wsheap_object_report_all(void)
{
	struct wsheap *heap;

	list_for_each_entry(heap, &all_heaps, all)
		pr_err("heap %s was never destroyed: %zu bytes asked for, %zu held, left alone\n",
		       heap->name, heap->max_size - heap->left, heap->actual);
}
