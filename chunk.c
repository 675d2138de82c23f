// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks: memory from the system for heaps, and back to it.
 *
 * Small chunks come from kmalloc. Large ones are mapped pages, as from vmalloc(),
 * where the caller may sleep: kmalloc would round them up to a power of two of
 * pages.
 * The header of a chunk is its first bytes. A chunk for one large block has a
 * separate header instead, so that the memory is exactly what was asked for: a
 * page stays a page, and is aligned as one.
 *
 * vfree() may sleep where a reset may not. Such memory goes to a worker then.
 * wsheap_destroy() and wsheap_pool_destroy() wait for it.
 */

#include "trace.h"

#include <linux/atomic.h>
#include <linux/kmemleak.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

const struct wsheap_chunk wsheap_no_chunk;

/*
 * Memory from vmalloc that waits for the worker. The list lies in that memory. The
 * workqueue has a rescuer, because heaps are destroyed on the
 * way to writing memory out, and that waits for the worker.
 */
struct deferred {
	struct llist_node node;
	struct wsheap_group *group;
	size_t charged;
};

static struct workqueue_struct *deferred_wq;
static LLIST_HEAD(deferred);
static atomic_t nr_deferred;

static void deferred_fn(struct work_struct *work)
{
	struct llist_node *list = llist_del_all(&deferred);
	struct wsheap_group *group;
	struct deferred *item, *next;
	size_t charged;

	llist_for_each_entry_safe(item, next, list, node) {
		group = item->group;
		charged = item->charged;
		vfree(item);
		wsheap_group_uncharge(group, charged);
		/* Pairs with the acquire in wsheap_chunk_flush(). */
		atomic_dec_return_release(&nr_deferred);
	}
}

static DECLARE_WORK(deferred_work, deferred_fn);

/* Called without the heap's lock: there may be hundreds of megabytes. */
void wsheap_memory_wipe(void *mem, size_t size)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_memory_wipe, mem, size);

	memset(mem, 0, size);
}

static void defer_vfree(struct wsheap_group *group, void *mem, size_t size,
			size_t charged)
{
	struct deferred *item = mem;

	/* The bytes must be gone before the worker runs. */
	if (want_init_on_free())
		wsheap_memory_wipe(mem, size);
	item->group = group;
	item->charged = charged;
	atomic_inc(&nr_deferred);
	llist_add(&item->node, &deferred);
	/* Needed also if the list was not empty: the worker may be past it. */
	queue_work(deferred_wq, &deferred_work);
}

/* Waits until all memory handed to the worker so far has gone back. */
void wsheap_chunk_flush(void)
{
	if (atomic_read_acquire(&nr_deferred))
		flush_work(&deferred_work);
}

/* For tests. */
bool wsheap_chunk_is_flushed(void)
{
	return !atomic_read_acquire(&nr_deferred);
}

int wsheap_chunk_init(void)
{
	deferred_wq = alloc_workqueue("wsheap", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return deferred_wq ? 0 : -ENOMEM;
}

void wsheap_chunk_exit(void)
{
	destroy_workqueue(deferred_wq);
}

bool wsheap_backing_is_kmalloc(const struct wsheap *heap, size_t size,
			       gfp_t gfp)
{
	if (heap->flags & WSHEAP_CONTIG)
		return true;
	/* Slab has no caches in that zone. */
	if (heap->chunk_gfp & __GFP_DMA32)
		return false;
	if (!gfpflags_allow_blocking(gfp))
		return true;
	/* Above slab's sizes, kmalloc rounds up to a power of two of pages. */
	return size <= KMALLOC_MAX_CACHE_SIZE ||
	       (size <= PAGES_LARGEST && is_power_of_2(size));
}

/* Returns the number of bytes that the system will hold for @size. */
size_t wsheap_backing_size(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	if (wsheap_backing_is_kmalloc(heap, size, gfp))
		return kmalloc_size_roundup(size);
	return PAGE_ALIGN(size);
}

/*
 * Combines what a call allows with what the heap wants. No failure is logged,
 * because the size may come from a remote sender. For the same reason the
 * allocation fails rather than invoke the OOM killer, whatever its size. A chunk
 * outlives the call, so the heap decides about accounting. With init_on_alloc the
 * memory has to be zeroed explicitly, because the slab allocator does not zero
 * the objects of caches that it poisons unless it is asked to.
 */
gfp_t wsheap_backing_gfp(const struct wsheap *heap, gfp_t gfp)
{
	gfp &= ~(__GFP_ZERO | __GFP_ACCOUNT | __GFP_COMP);
	gfp |= heap->chunk_gfp | __GFP_NOWARN;
	if (gfpflags_allow_blocking(gfp) && !(gfp & __GFP_NORETRY))
		gfp |= __GFP_RETRY_MAYFAIL;
	if (want_init_on_alloc(0))
		gfp |= __GFP_ZERO;
	return gfp;
}

/*
 * As vmalloc(), with the pages allocated here. From 6.19 on __vmalloc() drops
 * flags that it does not support, with a warning: __GFP_RETRY_MAYFAIL and
 * __GFP_DMA32 among others. vmalloc_node() takes no flags at all.
 */
static void *backing_vmalloc(size_t size, gfp_t gfp, int node)
{
	/* With __GFP_RETRY_MAYFAIL, kvmalloc() would insist on kmalloc(). */
	gfp_t array_gfp = (gfp & ~(GFP_ZONEMASK | __GFP_ZERO |
				   __GFP_RETRY_MAYFAIL)) | __GFP_NORETRY;
	unsigned int nr = size >> PAGE_SHIFT;
	unsigned int i, scope;
	struct page **pages;
	void *mem = NULL;

	/* As vmalloc() has it: do not try to take more than there is. */
	if (nr > totalram_pages())
		return NULL;
	/* vmap() would warn that there are no addresses. */
	if (BITS_PER_LONG == 32 && size >= VMALLOC_TOTAL)
		return NULL;
	if (!(gfp & GFP_ZONEMASK))
		gfp |= __GFP_HIGHMEM;
	pages = kvmalloc_array_noprof(nr, sizeof(*pages), array_gfp);
	if (!pages)
		return NULL;
	for (i = 0; i < nr && !fatal_signal_pending(current); i++) {
		if (node == NUMA_NO_NODE)
			pages[i] = alloc_pages_noprof(gfp, 0);
		else
			pages[i] = alloc_pages_node_noprof(node, gfp, 0);
		if (!pages[i])
			break;
		cond_resched();
	}
	if (i == nr) {
		/*
		 * vmap() allocates page tables with GFP_KERNEL and no other
		 * flag. In this scope it may draw on the reserves for them, but
		 * it fails rather than loop in the page allocator, which may
		 * have given its last page to this area, or invoke the OOM
		 * killer.
		 */
		scope = memalloc_noreclaim_save();
		mem = vmap(pages, nr, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
		memalloc_noreclaim_restore(scope);
	}
	if (!mem) {
		while (i--)
			__free_page(pages[i]);
		kvfree(pages);
		return NULL;
	}
	/*
	 * kmemleak does not track what vmap() maps, but blocks hold pointers to
	 * other objects. vm_struct has one reference to the memory, so it takes
	 * two for it not to be a leak. vfree() removes the object.
	 */
	kmemleak_alloc(mem, size, 2, array_gfp);
	return mem;
}

/* @size comes from wsheap_backing_size(). */
void *wsheap_backing_alloc(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_backing_alloc, heap, size, gfp);

	gfp = wsheap_backing_gfp(heap, gfp);
	if (wsheap_backing_is_kmalloc(heap, size, gfp)) {
		if (size > KMALLOC_MAX_SIZE)
			return NULL;
		return kmalloc_node_noprof(size, gfp, heap->node);
	}
	/* vmap() may sleep. */
	if (!gfpflags_allow_blocking(gfp))
		return NULL;
	return backing_vmalloc(size, gfp, heap->node);
}

struct wsheap_chunk *wsheap_chunk_alloc_header(const struct wsheap *heap,
					       size_t size, gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_chunk_alloc_header, heap, size, gfp);

	gfp = wsheap_backing_gfp(heap, gfp) & ~GFP_ZONEMASK;
	return kmalloc_node_noprof(size, gfp, heap->node);
}

/*
 * The one place where heaps obtain memory. Called without the heap's lock. If
 * @header is not 0, it is the size of a separate header. Returns NULL with a code in
 * @failure. If a group refused, its figures are there, too. Without @failure the
 * memory is of use, but not needed.
 */
struct wsheap_chunk *wsheap_chunk_obtain(const struct wsheap *heap, size_t size,
					 size_t header, gfp_t gfp,
					 struct wsheap_error *failure)
{
	struct wsheap_chunk *chunk = NULL;
	char *mem = NULL, *first;
	size_t charge;

	size = wsheap_backing_size(heap, size, gfp);
	charge = size;
	if (header)
		charge += kmalloc_size_roundup(header);
	if (failure)
		failure->code = -ENOMEM;
	if (heap->group && !wsheap_group_charge(heap->group, charge, gfp, failure))
		return NULL;
	if (header)
		chunk = wsheap_chunk_alloc_header(heap, header, gfp);
	if (!header || chunk)
		mem = wsheap_backing_alloc(heap, size, gfp);
	if (!mem) {
		kfree(chunk);
		wsheap_group_uncharge(heap->group, charge);
		return NULL;
	}
	first = mem;
	if (!header) {
		chunk = (struct wsheap_chunk *)mem;
		first = PTR_ALIGN(mem + sizeof(*chunk), wsheap_block_align(heap));
	}
	chunk->mem = mem;
	chunk->size = size;
	chunk->start = first - mem;
	chunk->used = chunk->start;
	chunk->zeroed = size;
	chunk->zeroed2 = size;
	chunk->zeroed2_end = size;
	chunk->keeper = false;
	trace_obtain(heap, charge);
	return chunk;
}

/* What a group was charged for a chunk. */
static size_t chunk_charge(const struct wsheap *heap,
			   const struct wsheap_chunk *chunk)
{
	size_t header = heap->path >= WSHEAP_PATH_PRIVATE ?
			wsheap_private_header_size : sizeof(*chunk);

	if (!heap->group)
		return 0;
	return chunk->size + (wsheap_chunk_is_separate(chunk) ?
			      kmalloc_size_roundup(header) : 0);
}

/* The one place where heaps release memory. Called without the heap's lock. */
void wsheap_chunk_release_all(const struct wsheap *heap,
			      struct wsheap_chunk *chunk, bool may_sleep)
{
	struct wsheap_chunk *next;
	size_t size, charged;
	void *mem;

	for (; chunk; chunk = next) {
		mem = chunk->mem;
		size = chunk->size;
		charged = chunk_charge(heap, chunk);
		next = chunk->next;
		trace_release(heap, wsheap_chunk_actual(chunk));
		if (wsheap_chunk_is_separate(chunk))
			kfree(chunk);
		if (is_vmalloc_addr(mem) && !may_sleep) {
			defer_vfree(heap->group, mem, size, charged);
			continue;
		}
		kvfree(mem);
		wsheap_group_uncharge(heap->group, charged);
	}
}
