// SPDX-License-Identifier: GPL-2.0
/*
 * wsheap - heaps whose blocks are released together
 *
 * A driver makes a heap for each message that it has in hand, takes the pieces
 * of the message from it, and resets it when the message is done. Blocks are
 * cut from chunks, one after another; no block has a header, and none can be
 * given back alone. That is a message heap. Private heaps, whose blocks can, are
 * in wsheap_private.c, pools of message heaps in wsheap_pool.c.
 *
 *	heap   used --> chunk --> chunk --> chunk	newest first
 *	       kept --> chunk --> chunk			in order of use
 *
 *	chunk  | header | block | block | ... | free, ready | dirty | clear | dirty
 *		        start           used            clean     gap   gap_end   size
 *			                ^ cursor	^ limit
 *
 * The chunks of the message in hand are on @used. Two of them have room worth
 * using: @open, where blocks come from, and @spare, which is tried before the
 * heap grows. When the heap does grow, the chunk with the least room of the
 * three is given up; what it had left is less than the block that did not fit.
 * Chunks left by a reset or just obtained wait on @kept and are taken from its
 * front, the first one before there is a block for it, so that a message which
 * repeats the last one meets the same chunks at the same moments.
 *
 * The short path, wsheap_bump(), moves @cursor towards @limit. The limit is
 * the nearest of three ends: of the chunk, of its bytes that are fit to be
 * given out (@clean), and of the quota. Blocks are rounded up and the quota is
 * not, so the limit may come too early but never too late, and the long path
 * decides. It takes the cursor back into @open->used when it begins and hands
 * it out again when it ends (wsheap_enter(), wsheap_leave()); a heap that may
 * not take the short path is never handed it, and that is all that makes it
 * different. What it is handed is always NULL and NULL: a limit of NULL behind
 * a live cursor would look like room. Between the two lies
 * __wsheap_alloc_open(), a few instructions for the frequent reasons to be
 * there: a lock to be taken, or bytes to be cleared.
 *
 * Growth is geometric from CHUNK_FIRST to CHUNK_LARGEST. A block that does not
 * fit a chunk of BLOCK_SHARED bytes lies alone in memory of its own, and its
 * header lies apart, so that the memory is just what was asked for: a page
 * stays a page, aligned as one. Such a chunk never becomes @open while another
 * has room, nor drives growth. This, and that no room is given up which is
 * larger than the block that was just placed, bounds what a heap holds to
 * WSHEAP_BOUND_FACTOR times the bytes asked plus a constant.
 *
 * A message that had to grow its heap and ended in several chunks leaves a
 * note (WSHEAP_FOLD): before the next message's first block, one chunk for all
 * of it is obtained, and the others go. The third message of a kind, and all
 * after it, take nothing from the system. A reset only walks chunks; it never
 * allocates, waits or fails. Of a message that took no more than the first
 * chunk (WSHEAP_FIRST) it takes back the cursor, and that is all.
 *
 * An adaptive heap keeps what the decayed peak of its messages needs. It folds
 * later, when a message does not fit the first chunk: a single huge message
 * leaves that one to the usual ones, and the rest goes when the peak has
 * decayed. So does a heap with a chunk for its initial size, if a reset may
 * keep that: it is the first for every message, and never goes.
 *
 * With init_on_alloc, what earlier messages wrote is cleared ahead of the
 * cursor, a stretch at a time. A chunk remembers two parts that need not be: up
 * to @clean, and from @gap to @gap_end, which were obtained clear or cleared
 * for a message that then ended. Without init_on_alloc, @clean is always @size.
 *
 * Chunks come from kmalloc or vmalloc. vfree() may sleep where a reset may
 * not, so a reset hands such memory to a worker, and wsheap_destroy(), which
 * may sleep, waits for it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define WSHEAP_IMPLEMENTATION

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/once_lite.h>
#include <linux/percpu.h>
#include <linux/poison.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "wsheap.h"

/* The first chunk, header included: thousands of heaps may hold just that. */
#define CHUNK_FIRST	512
/* Beyond this the long path is rare enough for its cost not to be seen. */
#define CHUNK_LARGEST	SZ_256K
/* Slab serves up to two pages of 4 KiB; what needs more lies alone. */
#define BLOCK_SHARED	SZ_8K
/* The largest page order that the page allocator does not call costly. */
#define PAGES_LARGEST	SZ_32K
/* Folding holds a message's memory twice for a moment; not beyond this. */
#define FOLD_LARGEST	SZ_4M
/* Of the adaptive peak, what a message that needs less takes off. */
#define PEAK_DECAY	8
/*
 * A repeated message finds its chunk at the front of @kept; another one is not
 * to search thousands.
 */
#define KEPT_TRIED	16
/* Cleared at a time with init_on_alloc: enough for the call to be worth it. */
#define CLEAR_STRETCH	SZ_8K
/* Rather cleared twice than told apart. */
#define CLEAR_TWICE	64

#define WSHEAP_FLAGS	(WSHEAP_SERIALIZE | WSHEAP_NODE | WSHEAP_CONTIG | \
			 WSHEAP_ADAPTIVE)
#define WSHEAP_OPTIONS	(WSHEAP_NO_SERIALIZE | WSHEAP_GENERATE_EXCEPTIONS)
/* Beside the caller's flags: the heap may not take the short path, */
#define WSHEAP_LONG	BIT(20)
/* obtained memory for the message in hand, */
#define WSHEAP_GREW	BIT(21)
/* is to obtain one chunk for a message that needs more than the first, */
#define WSHEAP_FOLD	BIT(22)
/* has handed memory to the worker at some time, */
#define WSHEAP_DEFERRED	BIT(23)
/* cut a block that its taker has to clear, */
#define WSHEAP_UNCLEAR	BIT(24)
/* is since the last reset what that left, but for blocks in its first chunk, */
#define WSHEAP_FIRST	BIT(25)
/* never parts with its first chunk, which is that of the initial size, */
#define WSHEAP_PINNED	BIT(26)
/* belongs to a pool, and so does its name, */
#define WSHEAP_POOLED	BIT(27)
/* is a serialized one whose blocks are rounded as others are, */
#define WSHEAP_LOCKED	BIT(28)
/* is a private heap (WSHEAP_PRIVATE) that gives out blocks from bins at once, */
#define WSHEAP_SHORT	BIT(16)
/* the same with a lock, */
#define WSHEAP_SHORT_LOCKED BIT(17)
/* the same without, but they are to be cleared. */
#define WSHEAP_SHORT_CLEAR BIT(19)

/**
 * struct wsheap_chunk - memory from the system, and the header of it
 * @next: the next chunk on the heap's list.
 * @mem: the memory; this header itself, unless it lies apart.
 * @size: bytes at @mem, as the system rounds them.
 * @used: where the next block may begin. While the chunk is the open one of a
 *	heap on the short path, the heap's cursor knows better.
 * @clean: end of the bytes that may be given out as they are; @size where
 *	nothing is to be cleared.
 * @gap: beginning of further such bytes, beyond dirty ones; or @size.
 * @gap_end: end of these.
 */
struct wsheap_chunk {
	struct wsheap_chunk *next;
	void *mem;
	u32 size;
	u32 used;
	u32 clean;
	u32 gap;
	u32 gap_end;
} __aligned(WSHEAP_MIN_ALIGN);

/*
 * What a heap has for a chunk that it does not have. There is no room in it, so
 * nothing is ever written to it.
 */
static const struct wsheap_chunk wsheap_no_chunk;
#define NO_CHUNK	((struct wsheap_chunk *)&wsheap_no_chunk)

/* All heaps, for wsheap_for_each() and the report at unloading. */
static DEFINE_SPINLOCK(wsheap_live_lock);
static LIST_HEAD(wsheap_live);

/*
 * Memory from vmalloc on its way back. The list's nodes lie in that memory.
 * The workqueue has a rescuer because heaps are destroyed, and so waited for,
 * on the way to writing memory out.
 */
static struct workqueue_struct *wsheap_wq;
static LLIST_HEAD(wsheap_deferred);

static void wsheap_deferred_fn(struct work_struct *work)
{
	struct llist_node *node, *next;

	llist_for_each_safe(node, next, llist_del_all(&wsheap_deferred))
		vfree(node);
}

static DECLARE_WORK(wsheap_deferred_work, wsheap_deferred_fn);

static void wsheap_defer(void *mem)
{
	llist_add(mem, &wsheap_deferred);
	/* Also if the list was not empty: the worker may be past it already. */
	queue_work(wsheap_wq, &wsheap_deferred_work);
}

/* What a block's start and length are rounded to. */
static size_t wsheap_grain(const struct wsheap *heap)
{
	if (heap->flags & WSHEAP_CONTIG)
		return max_t(size_t, dma_get_cache_alignment(),
			     WSHEAP_MIN_ALIGN);
	return WSHEAP_MIN_ALIGN;
}

static size_t wsheap_largest_block(u32 flags)
{
	return flags & WSHEAP_CONTIG ? KMALLOC_MAX_SIZE : INT_MAX;
}

/* With a trim_size above max_size nothing is trimmed. */
static size_t wsheap_trim_limit(const struct wsheap *heap)
{
	return heap->trim_size > heap->max_size ? SIZE_MAX : heap->trim_size;
}

/* In wsheap_private.c. */
static int wsheap_private_start(struct wsheap *heap, size_t initial_size,
				gfp_t gfp);
static void *wsheap_private_alloc(struct wsheap *heap, size_t size,
				  size_t align, gfp_t gfp,
				  struct wsheap_error *err,
				  unsigned long caller);
static void *wsheap_private_alloc_large(struct wsheap *heap, size_t size);
static void wsheap_private_reset(struct wsheap *heap);
static struct wsheap_chunk *wsheap_private_chunks(struct wsheap *heap);
static size_t wsheap_private_header(void);

/*
 * spin_lock_irqsave() calls two functions. Short paths take the same lock inline
 * where it is no more than this, and go the long way if somebody holds it. With
 * interrupts off, nobody preempts.
 */
#if defined(CONFIG_SMP) && !defined(CONFIG_PREEMPT_RT) && \
	!defined(CONFIG_DEBUG_SPINLOCK)
static __always_inline bool __wsheap_trylock(struct wsheap *heap,
					     unsigned long *irq)
{
	local_irq_save(*irq);
	if (likely(do_raw_spin_trylock(spinlock_check(&heap->lock))))
		return true;
	local_irq_restore(*irq);
	return false;
}

static __always_inline void wsheap_trylock_end(struct wsheap *heap,
					       unsigned long irq)
	__releases(&heap->lock)
{
	do_raw_spin_unlock(spinlock_check(&heap->lock));
	local_irq_restore(irq);
}
#else
static __always_inline bool __wsheap_trylock(struct wsheap *heap,
					     unsigned long *irq)
{
	/* To try what one holds oneself is reported as a bug on one CPU. */
	if (heap->flags & WSHEAP_PRIVATE &&
	    READ_ONCE(wsheap_private(heap)->owner) == current)
		return false;
	return spin_trylock_irqsave(&heap->lock, *irq);
}

static __always_inline void wsheap_trylock_end(struct wsheap *heap,
					       unsigned long irq)
	__releases(&heap->lock)
{
	spin_unlock_irqrestore(&heap->lock, irq);
}
#endif

#define wsheap_trylock(heap, irq) \
	__cond_lock(wsheap, __wsheap_trylock(heap, irq))

/*
 * Backing: where the memory of chunks comes from.
 */

static bool backing_is_kmalloc(const struct wsheap *heap, size_t size,
			       gfp_t gfp)
{
	if (heap->flags & WSHEAP_CONTIG)
		return true;
	/* Slab has no caches in that zone. */
	if (heap->chunk_gfp & __GFP_DMA32)
		return false;
	if (!gfpflags_allow_blocking(gfp))
		return true;
	/* Above slab's sizes, kmalloc holds a power of two of pages. */
	return size <= KMALLOC_MAX_CACHE_SIZE ||
	       (size <= PAGES_LARGEST && is_power_of_2(size));
}

/* What the system will hold for @size bytes. */
static size_t backing_size(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	if (backing_is_kmalloc(heap, size, gfp))
		return kmalloc_size_roundup(size);
	return PAGE_ALIGN(size);
}

/*
 * What a call may do, and what the heap wants. A size may be a remote sender's,
 * so no failure is logged. A chunk outlives the call, so it is charged as the
 * heap says; and it is to come clear on a kernel that clears, also from caches
 * which the slab allocator poisons and then clears only if asked to.
 */
static gfp_t backing_gfp(const struct wsheap *heap, gfp_t gfp)
{
	gfp &= ~(__GFP_ZERO | __GFP_ACCOUNT | __GFP_COMP);
	gfp |= heap->chunk_gfp | __GFP_NOWARN;
	if (want_init_on_alloc(0))
		gfp |= __GFP_ZERO;
	return gfp;
}

/* vmalloc_node() takes no gfp, so the pages are brought along. */
static void *backing_vmalloc_node(size_t size, gfp_t gfp, int node)
{
	unsigned int nr = size >> PAGE_SHIFT;
	unsigned int i;
	struct page **pages;
	unsigned int scope;
	void *mem = NULL;

	/* As vmalloc() has it: do not even try to take all that there is. */
	if (nr > totalram_pages())
		return NULL;
	/* What vmap() needs itself is to be no less careful than @gfp. */
	scope = memalloc_noio_save();
	pages = kvmalloc_array(nr, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		goto out;
	for (i = 0; i < nr && !fatal_signal_pending(current); i++) {
		pages[i] = alloc_pages_node_noprof(node, gfp, 0);
		if (!pages[i])
			break;
	}
	if (i == nr)
		mem = vmap(pages, nr, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (!mem) {
		while (i--)
			__free_page(pages[i]);
		kvfree(pages);
	}
out:
	memalloc_noio_restore(scope);
	return mem;
}

/* @size comes from backing_size(). */
static void *backing_alloc(const struct wsheap *heap, size_t size, gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(backing_alloc, heap, size, gfp);

	gfp = backing_gfp(heap, gfp);
	if (backing_is_kmalloc(heap, size, gfp)) {
		if (size > KMALLOC_MAX_SIZE)
			return NULL;
		return kmalloc_node_noprof(size, gfp, heap->node);
	}
	if (!gfpflags_allow_blocking(gfp))
		return NULL;
	/* Rather no block than a process killed for what a stranger asked. */
	if (!(gfp & __GFP_NORETRY))
		gfp |= __GFP_RETRY_MAYFAIL;
	if (heap->node != NUMA_NO_NODE)
		return backing_vmalloc_node(size, gfp, heap->node);
	return __vmalloc_noprof(size, gfp);
}

/*
 * Chunks.
 */

static struct wsheap_chunk *chunk_alloc_header(const struct wsheap *heap,
					       gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(chunk_alloc_header, heap, gfp);

	gfp = backing_gfp(heap, gfp) & ~GFP_ZONEMASK;
	return kmalloc_node_noprof(heap->flags & WSHEAP_PRIVATE ?
				   wsheap_private_header() :
				   sizeof(struct wsheap_chunk), gfp,
				   heap->node);
}

static bool chunk_is_apart(const struct wsheap_chunk *chunk)
{
	return chunk->mem != chunk;
}

/* What the heap holds from the system for this chunk. */
static size_t chunk_actual(const struct wsheap_chunk *chunk)
{
	size_t actual = chunk->size;

	if (chunk_is_apart(chunk))
		actual += kmalloc_size_roundup(sizeof(*chunk));
	return actual;
}

/* Where the first block may begin. */
static u32 chunk_start(const struct wsheap *heap,
		       const struct wsheap_chunk *chunk)
{
	char *mem = chunk->mem;

	if (chunk_is_apart(chunk))
		return 0;
	return PTR_ALIGN(mem + sizeof(*chunk), wsheap_grain(heap)) - mem;
}

/* The most that chunk_start() can be, for memory not yet obtained. */
static size_t chunk_start_max(const struct wsheap *heap)
{
	return sizeof(struct wsheap_chunk) +
	       wsheap_grain(heap) - WSHEAP_MIN_ALIGN;
}

static size_t chunk_room(const struct wsheap_chunk *chunk)
{
	return chunk->size - chunk->used;
}

/* The one place where memory is obtained. Called without the heap's lock. */
static struct wsheap_chunk *chunk_obtain(const struct wsheap *heap, size_t size,
					 bool apart, gfp_t gfp)
{
	struct wsheap_chunk *chunk = NULL;
	void *mem;

	if (apart) {
		chunk = chunk_alloc_header(heap, gfp);
		if (!chunk)
			return NULL;
	}
	size = backing_size(heap, size, gfp);
	mem = backing_alloc(heap, size, gfp);
	if (!mem) {
		kfree(chunk);
		return NULL;
	}
	if (!apart)
		chunk = mem;
	chunk->mem = mem;
	chunk->size = size;
	chunk->used = chunk_start(heap, chunk);
	chunk->clean = size;
	chunk->gap = size;
	chunk->gap_end = size;
	return chunk;
}

/* The one place where memory is given back. Called without the heap's lock. */
static void chunk_release_all(struct wsheap_chunk *chunk, bool may_sleep)
{
	struct wsheap_chunk *next;

	for (; chunk; chunk = next) {
		void *mem = chunk->mem;

		next = chunk->next;
		if (chunk_is_apart(chunk))
			kfree(chunk);
		if (!is_vmalloc_addr(mem))
			kfree(mem);
		else if (may_sleep)
			vfree(mem);
		else
			wsheap_defer(mem);
	}
}

/*
 * The bytes up to @end are fit to be given out now, and so is the gap if they
 * reach it. Returns how far such bytes go.
 */
static __always_inline u32 chunk_ready(struct wsheap_chunk *chunk, u32 end)
{
	if (end >= chunk->gap) {
		end = max(end, chunk->gap_end);
		chunk->gap = chunk->size;
		chunk->gap_end = chunk->size;
	}
	chunk->clean = end;
	return end;
}

/* How far to clear for a block that ends at @end: a stretch, or the block. */
static __always_inline u32 chunk_stretch(const struct wsheap_chunk *chunk,
					 u32 end)
{
	return min(max(end, chunk->clean + CLEAR_STRETCH), chunk->gap);
}

/*
 * Makes the bytes up to @end fit to be given out, and a stretch ahead. Returns
 * whether the block of @size bytes that ends there is left to be cleared: a
 * long one is, by its taker, so that it is not done with interrupts off.
 */
static bool chunk_clear(struct wsheap_chunk *chunk, size_t size, u32 end)
{
	bool leave = size > CLEAR_STRETCH;
	u32 clean, ahead;

	if (leave)
		end -= size;
	while ((clean = chunk->clean) < end) {
		ahead = chunk_stretch(chunk, end);
		memset(chunk->mem + clean, 0, ahead - clean);
		chunk_ready(chunk, ahead);
	}
	if (!leave || chunk->clean >= end + size)
		return false;
	chunk_ready(chunk, end + size);
	return true;
}

/* Cuts a block from a chunk if it fits. @size is a multiple of the grain. */
static void *chunk_cut(struct wsheap *heap, struct wsheap_chunk *chunk,
		       size_t size, size_t align)
{
	char *block, *free;
	size_t pad;

	free = chunk->mem + chunk->used;
	block = PTR_ALIGN(free, align);
	pad = block - free;
	if (pad > chunk_room(chunk) || size > chunk_room(chunk) - pad)
		return NULL;
	chunk->used += pad + size;
	if (chunk->used > chunk->clean && chunk_clear(chunk, size, chunk->used))
		heap->flags |= WSHEAP_UNCLEAR;
	/*
	 * In another chunk it could have taken this much more. Beyond what can
	 * be folded the sum does not matter; what the short path adds to it
	 * before the next chunk is less than that chunk.
	 */
	heap->slack = min_t(u32, FOLD_LARGEST, heap->slack + align -
			    wsheap_grain(heap) - pad);
	return block;
}

/*
 * Takes note that a message may have written to the bytes from @start to @used.
 * Of the clear ones that it left before and behind the dirty ones, the larger
 * part is remembered.
 */
static __always_inline void chunk_soil(struct wsheap_chunk *chunk, u32 start,
				       u32 used)
{
	if (chunk->clean - used >= chunk->gap_end - chunk->gap) {
		chunk->gap = used;
		chunk->gap_end = chunk->clean;
	}
	chunk->clean = start;
}

/* Makes a chunk as good as new. */
static void chunk_recycle(const struct wsheap *heap, struct wsheap_chunk *chunk)
{
	u32 start = chunk_start(heap, chunk);

	if (want_init_on_free())
		memset(chunk->mem + start, 0, chunk->used - start);
	else if (want_init_on_alloc(0))
		chunk_soil(chunk, start, chunk->used);
	chunk->used = start;
}

/*
 * The long path. From wsheap_enter() to wsheap_leave() the chunks tell the
 * truth, and a serialized heap is locked.
 */

static unsigned long wsheap_enter(struct wsheap *heap)
	__acquires(&heap->lock)
{
	unsigned long irq = 0;

	if (heap->flags & WSHEAP_SERIALIZE)
		spin_lock_irqsave(&heap->lock, irq);
	else
		__acquire(&heap->lock);
	if (heap->cursor)
		heap->open->used = heap->cursor - (char *)heap->open->mem;
	return irq;
}

static void wsheap_leave(struct wsheap *heap, unsigned long irq)
	__releases(&heap->lock)
{
	struct wsheap_chunk *open = heap->open;

	if (open != NO_CHUNK && !(heap->flags & WSHEAP_LONG)) {
		heap->cursor = open->mem + open->used;
		heap->limit = heap->cursor +
			      min_t(size_t, open->clean - open->used, heap->left);
	} else {
		heap->cursor = NULL;
		heap->limit = NULL;
	}
	if (heap->flags & WSHEAP_SERIALIZE)
		spin_unlock_irqrestore(&heap->lock, irq);
	else
		__release(&heap->lock);
}

/* Memory is counted from here on. */
static void wsheap_keep(struct wsheap *heap, struct wsheap_chunk *chunk)
{
	heap->flags &= ~WSHEAP_FIRST;
	chunk->next = heap->kept;
	heap->kept = chunk;
	heap->actual += chunk_actual(chunk);
}

/* Memory is not counted from here on. @drop is for chunk_release_all(). */
static void wsheap_drop(struct wsheap *heap, struct wsheap_chunk *chunk,
			struct wsheap_chunk **drop)
{
	if (is_vmalloc_addr(chunk->mem))
		heap->flags |= WSHEAP_DEFERRED;
	heap->actual -= chunk_actual(chunk);
	chunk->next = *drop;
	*drop = chunk;
}

/* A block that does not share a chunk: what it needs, room for a header. */
static bool wsheap_lies_alone(const struct wsheap *heap, size_t size,
			      size_t align)
{
	return chunk_start_max(heap) + align - wsheap_grain(heap) + size >
	       BLOCK_SHARED;
}

/* Takes the first of the next chunks on @kept that the block fits. */
static void *wsheap_cut_kept(struct wsheap *heap, size_t size, size_t align)
{
	struct wsheap_chunk **link, *chunk;
	unsigned int left = KEPT_TRIED;
	void *block;

	for (link = &heap->kept; (chunk = *link) && left--;
	     link = &chunk->next) {
		block = chunk_cut(heap, chunk, size, align);
		if (!block)
			continue;
		*link = chunk->next;
		chunk->next = heap->used;
		heap->used = chunk;

		if (heap->open == NO_CHUNK ||
		    (!wsheap_lies_alone(heap, size, align) &&
		     chunk_room(chunk) > chunk_room(heap->open)))
			swap(chunk, heap->open);
		if (chunk_room(chunk) > chunk_room(heap->spare))
			heap->spare = chunk;
		return block;
	}
	return NULL;
}

/* Cuts a block from what the heap holds. */
static void *wsheap_cut(struct wsheap *heap, size_t size, size_t align)
{
	void *block;

	block = chunk_cut(heap, heap->open, size, align);
	if (block)
		return block;
	heap->flags &= ~WSHEAP_FIRST;
	if (heap->flags & WSHEAP_FOLD)
		return NULL;
	block = chunk_cut(heap, heap->spare, size, align);
	if (!block)
		return wsheap_cut_kept(heap, size, align);
	/* More blocks like this one would come here, one long path each. */
	if (chunk_room(heap->spare) > chunk_room(heap->open))
		swap(heap->spare, heap->open);
	return block;
}

/* What pinning takes of what a reset may leave. */
static size_t wsheap_pinned_actual(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk = heap->used;

	if (!(heap->flags & WSHEAP_PINNED))
		return 0;
	/* It is open before all others. */
	while (chunk->next)
		chunk = chunk->next;
	return chunk_actual(chunk);
}

/*
 * The size of one chunk for all that such a message takes, or 0 if that is not
 * to be had.
 */
static size_t wsheap_fold_size(const struct wsheap *heap, gfp_t gfp)
{
	size_t size = max_t(size_t, CHUNK_FIRST,
			    size_add(chunk_start_max(heap), heap->peak));
	size_t most = gfpflags_allow_blocking(gfp) ? FOLD_LARGEST :
						     PAGES_LARGEST;

	if (size > most)
		return 0;
	/*
	 * The next reset must be able to keep it. Rounding may double what the
	 * heap holds; what alignment might take at worst must not do more.
	 */
	if (backing_size(heap, size, gfp) >
	    min(wsheap_trim_limit(heap) - wsheap_pinned_actual(heap),
		2 * heap->actual))
		return 0;
	return size;
}

/* For memory that would be good to have: nobody is to suffer for it. */
static gfp_t gfp_optional(gfp_t gfp)
{
	gfp &= ~(__GFP_HIGH | __GFP_MEMALLOC | __GFP_RETRY_MAYFAIL);
	return gfp | __GFP_NORETRY | __GFP_NOMEMALLOC;
}

/*
 * The first chunk on @kept is open before there is a block for it: all messages
 * begin alike, so that a repeated one makes the same choices.
 */
static void wsheap_open_first(struct wsheap *heap)
{
	struct wsheap_chunk *chunk = heap->kept;

	if (heap->open != NO_CHUNK || !chunk)
		return;
	heap->kept = chunk->next;
	chunk->next = heap->used;
	heap->used = chunk;
	heap->open = chunk;
}

/* Puts one chunk in the place of all that wait on @kept. */
static void wsheap_fold(struct wsheap *heap, gfp_t gfp, unsigned long *irq,
			struct wsheap_chunk **drop)
	__must_hold(&heap->lock)
{
	size_t size = wsheap_fold_size(heap, gfp);
	struct wsheap_chunk *fresh = NULL, *chunk;

	heap->flags &= ~WSHEAP_FOLD;
	if (size) {
		wsheap_leave(heap, *irq);
		fresh = chunk_obtain(heap, size, false, gfp_optional(gfp));
		*irq = wsheap_enter(heap);
	}
	if (fresh) {
		while ((chunk = heap->kept)) {
			heap->kept = chunk->next;
			wsheap_drop(heap, chunk, drop);
		}
		wsheap_keep(heap, fresh);
		heap->flags |= WSHEAP_GREW;
	}
	wsheap_open_first(heap);
}

/*
 * Obtains a chunk that a block of @size fits, and puts it on @kept. Returns it,
 * to be recognized; another caller may use it first.
 */
static struct wsheap_chunk *wsheap_grow(struct wsheap *heap, size_t size,
					size_t align, gfp_t gfp,
					unsigned long *irq)
	__must_hold(&heap->lock)
{
	bool alone = wsheap_lies_alone(heap, size, align);
	unsigned int doublings = heap->doublings;
	struct wsheap_chunk *fresh = NULL;
	size_t need, want = 0;

	if (alone) {
		/* The system aligns a power of two, or pages, to its size. */
		need = max(size, align);
	} else {
		need = chunk_start_max(heap) + align - wsheap_grain(heap) + size;
		want = CHUNK_FIRST << doublings;
		if (!gfpflags_allow_blocking(gfp))
			want = min_t(size_t, want, PAGES_LARGEST);
	}

	wsheap_leave(heap, *irq);
	if (want > need)
		fresh = chunk_obtain(heap, want, false, gfp_optional(gfp));
	if (!fresh)
		fresh = chunk_obtain(heap, need, alone, gfp);
	*irq = wsheap_enter(heap);
	if (!fresh)
		return NULL;
	wsheap_keep(heap, fresh);
	heap->flags |= WSHEAP_GREW;
	/* Only from a chunk of that size, and once if several callers grow. */
	if (!alone && fresh->size >= CHUNK_FIRST << doublings &&
	    doublings == heap->doublings &&
	    CHUNK_FIRST << doublings < CHUNK_LARGEST)
		heap->doublings++;
	return fresh;
}

/*
 * Drops a chunk that was obtained for a block and not needed in the end. It is
 * still near the front of @kept, then.
 */
static void wsheap_drop_unused(struct wsheap *heap,
			       struct wsheap_chunk *unused,
			       struct wsheap_chunk **drop)
{
	struct wsheap_chunk **link = &heap->kept;
	unsigned int left = KEPT_TRIED;

	for (; *link && left--; link = &(*link)->next) {
		if (*link == unused) {
			*link = unused->next;
			wsheap_drop(heap, unused, drop);
			return;
		}
	}
}

/* The one place where the quota decides. */
static int wsheap_charge(struct wsheap *heap, size_t size)
{
	if (size > heap->left)
		return -EDQUOT;
	heap->left -= size;
	return 0;
}

static void wsheap_report_gfp(const struct wsheap *heap, gfp_t gfp,
			      unsigned long caller)
{
	pr_err("heap %s: gfp %#x (%pGg) refused: a block can have no zone and no __GFP_NOFAIL; called from %pS\n",
	       heap->name, (__force unsigned int)gfp, &gfp, (void *)caller);
}

/* What is wrong with a call whatever the heap holds. */
static int wsheap_check(const struct wsheap *heap, size_t size, size_t align,
			gfp_t gfp, unsigned long caller)
{
	if (gfp & WSHEAP_GFP_REFUSED) {
		DO_ONCE_LITE(wsheap_report_gfp, heap, gfp, caller);
		return -EINVAL;
	}
	if (!is_power_of_2(align) || align > PAGE_SIZE)
		return -EINVAL;
	if (size > wsheap_largest_block(heap->flags))
		return -EOVERFLOW;
	return 0;
}

static noinline void *wsheap_alloc_long(struct wsheap *heap, size_t size,
					size_t align, gfp_t gfp,
					struct wsheap_error *err,
					unsigned long caller)
{
	size_t grain = wsheap_grain(heap);
	struct wsheap_chunk *grown = NULL, *drop = NULL;
	bool failed = false, clear;
	void *block = NULL;
	unsigned long irq;
	size_t rounded;
	int code;

	might_alloc(gfp);
	if (heap->flags & WSHEAP_PRIVATE)
		return wsheap_private_alloc(heap, size, align, gfp, err, caller);
	code = wsheap_check(heap, size, align, gfp, caller);
	align = max(align, grain);
	if (!code && !size)
		/* Faults as ZERO_SIZE_PTR does, and is aligned as asked. */
		return (void *)max_t(unsigned long, align,
				     (unsigned long)ZERO_SIZE_PTR);
	rounded = ALIGN(size, grain);

	irq = wsheap_enter(heap);
	while (!code) {
		code = wsheap_charge(heap, size);
		if (code)
			break;
		block = wsheap_cut(heap, rounded, align);
		if (block)
			break;
		/* Not charged while the lock is not held. */
		heap->left += size;
		if (heap->flags & WSHEAP_FOLD) {
			wsheap_fold(heap, gfp, &irq, &drop);
		} else if (failed) {
			code = -ENOMEM;
		} else {
			/* Not twice what somebody else had the use of. */
			if (grown)
				wsheap_drop_unused(heap, grown, &drop);
			grown = wsheap_grow(heap, rounded, align, gfp, &irq);
			failed = !grown;
		}
	}
	if (grown)
		wsheap_drop_unused(heap, grown, &drop);
	if (code && err)
		*err = (struct wsheap_error) {
			.code = code,
			.asked = size,
			.in_use = heap->max_size - heap->left,
			.limit = heap->max_size,
		};
	clear = heap->flags & WSHEAP_UNCLEAR;
	heap->flags &= ~WSHEAP_UNCLEAR;
	wsheap_leave(heap, irq);

	chunk_release_all(drop, false);
	if (clear)
		memset(block, 0, rounded);
	else if (block && (gfp & __GFP_ZERO) && !want_init_on_alloc(0))
		memset(block, 0, size);
	return block;
}

static noinline void *wsheap_clear_for(void *block, void *from, size_t size)
{
	memset(from, 0, size);
	return block;
}

/*
 * A block that ends beyond the bytes that are clear, though not beyond the
 * open chunk. A heap that may not take the short path has no cursor; if it is
 * another caller's, too, nothing else of it can be looked at here.
 */
static __always_inline void *wsheap_cut_stretch(struct wsheap *heap,
						size_t size, size_t align)
{
	bool aligned = align > WSHEAP_MIN_ALIGN;
	struct wsheap_chunk *chunk;
	u32 clean, ahead, ready;
	char *mem, *block;
	size_t begin, end;

	if (!heap->cursor)
		return NULL;
	block = aligned ? PTR_ALIGN(heap->cursor, align) : heap->cursor;
	chunk = heap->open;
	mem = chunk->mem;
	begin = block - mem;
	end = begin + ALIGN(size, WSHEAP_MIN_ALIGN);
	if (end > chunk->size || end <= begin || size > heap->left)
		return NULL;
	ahead = chunk_stretch(chunk, end);
	/* Not where there is a second stretch to clear. */
	if (ahead < end && (aligned || chunk->gap_end < end))
		return NULL;
	if (aligned)
		heap->slack += align - WSHEAP_MIN_ALIGN -
			       (block - heap->cursor);
	heap->left -= size;
	heap->cursor = mem + end;
	clean = chunk->clean;
	ready = chunk_ready(chunk, ahead);
	heap->limit = mem + end + min_t(size_t, ready - end, heap->left);
	/* Functions that end in a call need not save registers. */
	if (clean <= begin + CLEAR_TWICE)
		return memset(block, 0, ahead - begin);
	return wsheap_clear_for(block, mem + clean, ahead - clean);
}

static noinline void *wsheap_alloc_stretch(struct wsheap *heap, size_t size)
{
	return wsheap_cut_stretch(heap, size, WSHEAP_MIN_ALIGN);
}

/* The short path of a private heap with a lock. */
static __always_inline void *wsheap_alloc_short_locked(struct wsheap *heap,
						       size_t size)
{
	unsigned long irq;
	void *p;

	if (unlikely(size > WSHEAP_SMALL_SIZE))
		return wsheap_private_alloc_large(heap, size);
	if (unlikely(!wsheap_trylock(heap, &irq)))
		return NULL;
	p = wsheap_take_small(heap, size);
	wsheap_trylock_end(heap, irq);
	if (want_init_on_alloc(0) && p)
		return wsheap_clear_for(p, p, size);
	return p;
}

/* And of one without, where blocks are to be cleared. */
static __always_inline void *wsheap_alloc_short_clear(struct wsheap *heap,
						      size_t size)
{
	void *p;

	if (unlikely(size > WSHEAP_SMALL_SIZE))
		return wsheap_private_alloc_large(heap, size);
	p = wsheap_take_small(heap, size);
	return p ? wsheap_clear_for(p, p, size) : NULL;
}

/**
 * __wsheap_alloc_open - take a block from where blocks come from
 * @heap: the heap.
 * @size: bytes.
 *
 * What the inline functions try next when the short path does not do: on a
 * serialized heap, which has none, and with init_on_alloc, where it ends with
 * the clear bytes.
 *
 * Context: as wsheap_alloc_err() with GFP_NOWAIT.
 * Return: the block, as __wsheap_alloc() clears it without __GFP_ZERO, or NULL
 * if that is to be called.
 */
void *__wsheap_alloc_open(struct wsheap *heap, size_t size)
{
	struct wsheap_chunk *chunk;
	void *block = NULL;
	unsigned long irq;
	u32 flags;

	if (heap->flags & WSHEAP_SHORT) {
		if (likely(size <= WSHEAP_SMALL_SIZE))
			return wsheap_take_small(heap, size);
		return wsheap_private_alloc_large(heap, size);
	}
	/* Not merged with the above, which needs no register then. */
	flags = READ_ONCE(heap->flags);
	if (!(flags & WSHEAP_LOCKED)) {
		if (flags & WSHEAP_SHORT_LOCKED)
			return wsheap_alloc_short_locked(heap, size);
		if (!want_init_on_alloc(0))
			return NULL;
		if (flags & WSHEAP_SHORT_CLEAR)
			return wsheap_alloc_short_clear(heap, size);
		return wsheap_alloc_stretch(heap, size);
	}
	if (unlikely(!wsheap_trylock(heap, &irq)))
		return NULL;
	chunk = heap->open;
	/* The room is a multiple of what sizes are rounded to. */
	if (likely(size - 1 < (size_t)(chunk->clean - chunk->used) &&
		   size <= heap->left)) {
		block = chunk->mem + chunk->used;
		chunk->used += ALIGN(size, WSHEAP_MIN_ALIGN);
		heap->left -= size;
	}
	wsheap_trylock_end(heap, irq);
	return block;
}
EXPORT_SYMBOL_NS_GPL(__wsheap_alloc_open, WSHEAP_NS);

/**
 * __wsheap_alloc_open_aligned - the same for an aligned block
 * @heap: the heap.
 * @size: bytes.
 * @align: bytes, a power of two up to PAGE_SIZE.
 *
 * Context: as wsheap_alloc_err() with GFP_NOWAIT.
 * Return: as __wsheap_alloc_open().
 */
void *__wsheap_alloc_open_aligned(struct wsheap *heap, size_t size,
				  size_t align)
{
	if (want_init_on_alloc(0))
		return wsheap_cut_stretch(heap, size, align);
	return NULL;
}
EXPORT_SYMBOL_NS_GPL(__wsheap_alloc_open_aligned, WSHEAP_NS);

/**
 * __wsheap_alloc - take a block from a heap by the long path
 * @heap: the heap.
 * @size: bytes.
 * @align: bytes, a power of two up to PAGE_SIZE.
 * @gfp: see wsheap_alloc_err().
 * @err: filled in on failure, untouched on success; may be NULL.
 *
 * What the inline functions call when the short path does not do; drivers call
 * those. Answers to WsAlloc.
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

/* wsheap_alloc() for the functions below, on behalf of their callers. */
static __always_inline void *wsheap_alloc_for(struct wsheap *heap, size_t size,
					      gfp_t gfp, unsigned long caller)
{
	void *block;

	wsheap_might_alloc(gfp);
	if (likely(!(gfp & WSHEAP_GFP_REFUSED))) {
		if (likely(wsheap_bump(heap, size, WSHEAP_MIN_ALIGN, &block)))
			return block;
		block = __wsheap_alloc_open(heap, size);
		if (block)
			return block;
	}
	return wsheap_alloc_long(heap, size, WSHEAP_MIN_ALIGN, gfp, NULL,
				 caller);
}

/**
 * wsheap_memdup - copy memory into a heap
 * @heap: the heap.
 * @src: what to copy.
 * @len: bytes.
 * @gfp: see wsheap_alloc_err().
 *
 * As kmemdup(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the copy, or NULL.
 */
void *wsheap_memdup(struct wsheap *heap, const void *src, size_t len, gfp_t gfp)
{
	void *p = wsheap_alloc_for(heap, len, gfp, _RET_IP_);

	if (p)
		memcpy(p, src, len);
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_memdup, WSHEAP_NS);

/**
 * wsheap_strdup - copy a string into a heap
 * @heap: the heap.
 * @s: the string, or NULL.
 * @gfp: see wsheap_alloc_err().
 *
 * As kstrdup(); Windows has no counterpart. The terminating NUL counts as a
 * byte asked for.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the copy, or NULL; also if @s is NULL.
 */
char *wsheap_strdup(struct wsheap *heap, const char *s, gfp_t gfp)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strlen(s) + 1;
	p = wsheap_alloc_for(heap, len, gfp, _RET_IP_);
	if (p) {
		memcpy(p, s, len);
		/* Should the original change meanwhile, this still ends. */
		p[len - 1] = '\0';
	}
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_strdup, WSHEAP_NS);

/**
 * wsheap_strndup - copy the beginning of a string into a heap
 * @heap: the heap.
 * @s: the string, or NULL; need not be terminated within @max bytes.
 * @max: bytes to copy at most, without the terminating NUL.
 * @gfp: see wsheap_alloc_err().
 *
 * As kstrndup(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the copy, terminated, or NULL; also if @s is NULL.
 */
char *wsheap_strndup(struct wsheap *heap, const char *s, size_t max, gfp_t gfp)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strnlen(s, max);
	p = wsheap_alloc_for(heap, size_add(len, 1), gfp, _RET_IP_);
	if (p) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_strndup, WSHEAP_NS);

static __printf(3, 0)
char *wsheap_vasprintf_for(struct wsheap *heap, gfp_t gfp, const char *fmt,
			   va_list ap, unsigned long caller)
{
	unsigned int first, second;
	va_list again;
	char *p;

	va_copy(again, ap);
	first = vsnprintf(NULL, 0, fmt, again);
	va_end(again);

	p = wsheap_alloc_for(heap, (size_t)first + 1, gfp, caller);
	if (!p)
		return NULL;
	second = vsnprintf(p, (size_t)first + 1, fmt, ap);
	WARN(first != second, "different return values (%u and %u) from vsnprintf(\"%s\", ...)",
	     first, second, fmt);
	return p;
}

/**
 * wsheap_vasprintf - format a string into a heap
 * @heap: the heap.
 * @gfp: see wsheap_alloc_err().
 * @fmt: the format.
 * @ap: its arguments.
 *
 * As kvasprintf(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the string, or NULL.
 */
char *wsheap_vasprintf(struct wsheap *heap, gfp_t gfp, const char *fmt,
		       va_list ap)
{
	return wsheap_vasprintf_for(heap, gfp, fmt, ap, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_vasprintf, WSHEAP_NS);

/**
 * wsheap_asprintf - format a string into a heap
 * @heap: the heap.
 * @gfp: see wsheap_alloc_err().
 * @fmt: the format.
 * @...: its arguments.
 *
 * As kasprintf(); Windows has no counterpart.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the string, or NULL.
 */
char *wsheap_asprintf(struct wsheap *heap, gfp_t gfp, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = wsheap_vasprintf_for(heap, gfp, fmt, ap, _RET_IP_);
	va_end(ap);
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_asprintf, WSHEAP_NS);

/* What the message in hand took, as one chunk would have to give it. */
static size_t wsheap_taken(const struct wsheap *heap)
{
	const struct wsheap_chunk *chunk;
	size_t taken = heap->slack;

	for (chunk = heap->used; chunk; chunk = chunk->next)
		taken += chunk->used - chunk_start(heap, chunk);
	return taken;
}

/*
 * What an adaptive heap may keep: what messages up to the peak can make a heap
 * hold, beside what it does not part with.
 */
static size_t wsheap_adaptive_limit(size_t peak, size_t pinned)
{
	if (peak == U32_MAX)	/* or beyond */
		return SIZE_MAX;
	return size_add(size_mul(WSHEAP_BOUND_FACTOR, peak),
			WSHEAP_BOUND_CONSTANT + pinned);
}

/*
 * Takes notes of the message in hand. Returns whether its newest chunk is all
 * that an adaptive heap needs for such a message.
 */
static bool wsheap_learn(struct wsheap *heap)
{
	bool adaptive = heap->flags & WSHEAP_ADAPTIVE;
	bool several = heap->used && heap->used->next;
	size_t taken = wsheap_taken(heap);
	size_t peak = 0;

	if (adaptive)
		peak = heap->peak - heap->peak / PEAK_DECAY;
	else if (heap->flags & WSHEAP_FOLD)
		peak = heap->peak;	/* no message has come to it yet */
	heap->peak = min_t(size_t, U32_MAX, max(peak, taken));
	if (!several || !(heap->flags & WSHEAP_GREW))
		return false;
	/* What was obtained for such a message, late in the one before. */
	if (heap->flags & (WSHEAP_ADAPTIVE | WSHEAP_PINNED) &&
	    taken <= heap->used->size - chunk_start(heap, heap->used))
		return adaptive;
	heap->flags |= WSHEAP_FOLD;
	return false;
}

/*
 * Moves all chunks to @kept, the ones just used in front in order of use, as
 * far as the trim size goes. Where it does not, the newest stay, which are the
 * largest, and those that the message did without go first.
 */
static struct wsheap_chunk *wsheap_trim(struct wsheap *heap)
{
	size_t pinned = wsheap_pinned_actual(heap);
	size_t left = wsheap_trim_limit(heap) - pinned;
	bool newest_does = wsheap_learn(heap);
	struct wsheap_chunk **idle = &heap->kept;
	struct wsheap_chunk *chunk, *drop = NULL;
	size_t adaptive = SIZE_MAX;

	while ((chunk = heap->used)) {
		heap->used = chunk->next;
		chunk_recycle(heap, chunk);
		if (pinned && !heap->used) {
			left += pinned;
		} else if (chunk_actual(chunk) > left) {
			wsheap_drop(heap, chunk, &drop);
			continue;
		}
		left -= chunk_actual(chunk);
		if (newest_does)
			left = 0;
		chunk->next = heap->kept;
		heap->kept = chunk;
		if (idle == &heap->kept)
			idle = &chunk->next;
	}
	if (heap->flags & WSHEAP_ADAPTIVE)
		adaptive = wsheap_adaptive_limit(heap->peak, pinned);
	while ((chunk = *idle)) {
		if (chunk_actual(chunk) <= left && heap->actual <= adaptive) {
			left -= chunk_actual(chunk);
			idle = &chunk->next;
			continue;
		}
		*idle = chunk->next;
		wsheap_drop(heap, chunk, &drop);
	}
	heap->open = NO_CHUNK;
	heap->spare = NO_CHUNK;
	heap->left = heap->max_size;
	heap->slack = 0;
	heap->doublings = 0;
	heap->flags &= ~(WSHEAP_GREW | WSHEAP_FIRST);

	/* What the peak needs is to be there before what is too much goes. */
	if (heap->actual > adaptive)
		heap->flags |= WSHEAP_FOLD;
	/* Chunks that do for the usual message serve it as long as they do. */
	if (!(heap->flags & WSHEAP_FOLD) || pinned ||
	    (heap->flags & WSHEAP_ADAPTIVE && heap->actual <= adaptive))
		wsheap_open_first(heap);
	chunk = heap->open;
	if (chunk != NO_CHUNK && !chunk_is_apart(chunk) &&
	    wsheap_grain(heap) == WSHEAP_MIN_ALIGN)
		heap->flags |= WSHEAP_FIRST;
	return drop;
}

/*
 * The reset of a message that used the first chunk alone, up to @end, on a
 * heap that is WSHEAP_FIRST: the last reset left all else as this one would.
 */
static __always_inline void wsheap_rewind(struct wsheap *heap,
					  struct wsheap_chunk *chunk, char *end)
{
	if (want_init_on_alloc(0))
		chunk_soil(chunk, sizeof(*chunk), end - (char *)chunk);
	heap->left = heap->max_size;
	heap->slack = 0;
}

/*
 * Whether that is to be done: not where bytes have to go, nor by an adaptive
 * heap that holds more than such a message calls for.
 */
static bool wsheap_may_rewind(struct wsheap *heap, struct wsheap_chunk *chunk,
			      char *end)
{
	size_t taken;

	if (!(heap->flags & WSHEAP_FIRST) || want_init_on_free())
		return false;
	if (!(heap->flags & WSHEAP_ADAPTIVE))
		return true;
	taken = end - (char *)(chunk + 1) + heap->slack;
	heap->peak = max_t(size_t, heap->peak, taken);
	return heap->actual <=
	       wsheap_adaptive_limit(taken, wsheap_pinned_actual(heap));
}

/* The reset of a heap to its first chunk, for its one user. */
static __always_inline void wsheap_reset_first(struct wsheap *heap)
{
	struct wsheap_chunk *chunk = heap->open;
	char *start = (char *)(chunk + 1);

	wsheap_rewind(heap, chunk, heap->cursor);
	heap->cursor = start;
	heap->limit = start + min_t(size_t, chunk->clean - sizeof(*chunk),
				    heap->max_size);
}

/* The same for one of several users. */
static bool wsheap_reset_locked(struct wsheap *heap)
{
	struct wsheap_chunk *chunk;
	unsigned long irq;
	bool done;
	char *end;

	spin_lock_irqsave(&heap->lock, irq);
	chunk = heap->open;
	end = chunk->mem + chunk->used;
	done = wsheap_may_rewind(heap, chunk, end);
	if (done) {
		wsheap_rewind(heap, chunk, end);
		chunk->used = sizeof(*chunk);
	}
	spin_unlock_irqrestore(&heap->lock, irq);
	return done;
}

static noinline void wsheap_reset_long(struct wsheap *heap)
{
	struct wsheap_chunk *drop;
	unsigned long irq;

	if (unlikely(heap->flags & WSHEAP_PRIVATE))
		return wsheap_private_reset(heap);
	if (heap->flags & WSHEAP_SERIALIZE) {
		if (wsheap_reset_locked(heap))
			return;
	} else if (wsheap_may_rewind(heap, heap->open, heap->cursor)) {
		return wsheap_reset_first(heap);
	}
	irq = wsheap_enter(heap);
	drop = wsheap_trim(heap);
	wsheap_leave(heap, irq);
	chunk_release_all(drop, false);
}

/**
 * wsheap_reset - release all blocks of a heap and keep the heap
 * @heap: the heap; NULL is ignored.
 *
 * Afterwards WSHEAP_PROPERTY_REQUESTED_SIZE is 0, and
 * WSHEAP_PROPERTY_ACTUAL_SIZE at most the heap's trim_size, overhead included;
 * if trim_size is larger than max_size, nothing is trimmed. A private heap is
 * as after its creation. Memory from vmalloc that is not kept goes to a worker.
 * Answers to WsResetHeap.
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. Never sleeps and never fails. The cost grows with the chunks, not
 * with blocks or bytes, except with init_on_free.
 */
void wsheap_reset(struct wsheap *heap)
{
	const u32 flags = WSHEAP_FIRST | WSHEAP_SERIALIZE | WSHEAP_ADAPTIVE;

	if (unlikely(!heap))
		return;
	if (likely((heap->flags & flags) == WSHEAP_FIRST) &&
	    !want_init_on_free())
		wsheap_reset_first(heap);
	else
		wsheap_reset_long(heap);
}
EXPORT_SYMBOL_NS_GPL(wsheap_reset, WSHEAP_NS);

/**
 * wsheap_get_property - read a property of a heap
 * @heap: the heap.
 * @id: which one.
 * @value: where to; a size_t.
 * @value_size: bytes at @value, sizeof(size_t).
 *
 * Answers to WsGetHeapProperty.
 *
 * Context: any.
 * Return: 0, or -EINVAL for another @id or another @value_size, with @value
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

static bool wsheap_args_valid(const struct wsheap_args *args)
{
	gfp_t gfp = __GFP_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY |
		    __GFP_RETRY_MAYFAIL;

	if (args->flags & ~WSHEAP_FLAGS)
		return false;
	if (IS_ENABLED(CONFIG_ZONE_DMA))
		gfp |= __GFP_DMA;
	if (IS_ENABLED(CONFIG_ZONE_DMA32) && !(args->flags & WSHEAP_CONTIG))
		gfp |= __GFP_DMA32;
	if (args->chunk_gfp & ~gfp)
		return false;
	/* No page lies in both. */
	if (args->chunk_gfp & __GFP_DMA && args->chunk_gfp & __GFP_DMA32)
		return false;
	if (!(args->flags & WSHEAP_NODE) || args->node == NUMA_NO_NODE)
		return true;
	return args->node >= 0 && args->node < MAX_NUMNODES &&
	       node_online(args->node);
}

static struct wsheap *wsheap_alloc_object(const struct wsheap_args *args,
					  size_t size, gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_alloc_object, args, size, gfp);

	return kzalloc(size, gfp | (args->chunk_gfp & __GFP_ACCOUNT));
}

static const char *wsheap_copy_name(const struct wsheap_args *args)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_copy_name, args);

	return kstrdup_const(args->name ?: KBUILD_MODNAME, GFP_KERNEL);
}

static void wsheap_release(struct wsheap *heap, bool may_sleep)
{
	unsigned long irq;

	spin_lock_irqsave(&wsheap_live_lock, irq);
	list_del(&heap->live);
	spin_unlock_irqrestore(&wsheap_live_lock, irq);

	if (heap->flags & WSHEAP_PRIVATE)
		heap->used = wsheap_private_chunks(heap);
	chunk_release_all(heap->used, may_sleep);
	chunk_release_all(heap->kept, may_sleep);
	if (!(heap->flags & WSHEAP_POOLED))
		kfree_const(heap->name);
	kfree(heap);
}

/* The memory for the initial size. It stays, if a reset may keep it. */
static int wsheap_obtain_initial(struct wsheap *heap, size_t size, gfp_t gfp)
{
	struct wsheap_chunk *chunk;
	unsigned long irq;

	if (size > wsheap_largest_block(heap->flags))
		return -EOVERFLOW;
	size = chunk_start_max(heap) + ALIGN(size, wsheap_grain(heap));
	/* The short path does not ask for the largest block. */
	if (PAGE_ALIGN(size) > INT_MAX)
		return -EOVERFLOW;
	chunk = chunk_obtain(heap, size, false, gfp);
	if (!chunk)
		return -ENOMEM;
	irq = wsheap_enter(heap);
	wsheap_keep(heap, chunk);
	if (chunk_actual(chunk) <= wsheap_trim_limit(heap))
		heap->flags |= WSHEAP_PINNED;
	wsheap_open_first(heap);
	wsheap_leave(heap, irq);
	return 0;
}

/* A heap, or an ERR_PTR. Takes over @name, but on failure. */
static struct wsheap *wsheap_new(size_t max_size, size_t trim_size,
				 const struct wsheap_args *args,
				 const char *name, u32 flags, gfp_t gfp)
{
	size_t size = flags & WSHEAP_PRIVATE ? sizeof(struct wsheap_private) :
					       sizeof(struct wsheap);
	struct wsheap *heap = wsheap_alloc_object(args, size, gfp);
	unsigned long irq;
	int ret = 0;

	if (!heap)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&heap->lock);
	heap->flags = args->flags | flags;
	if (wsheap_grain(heap) > WSHEAP_MIN_ALIGN)
		heap->flags |= WSHEAP_LONG;
	else if (heap->flags & WSHEAP_SERIALIZE)
		heap->flags |= WSHEAP_LONG | WSHEAP_LOCKED;
	heap->max_size = max_size;
	heap->left = max_size;
	heap->trim_size = trim_size;
	heap->open = NO_CHUNK;
	heap->spare = NO_CHUNK;
	heap->chunk_gfp = args->chunk_gfp;
	heap->node = args->flags & WSHEAP_NODE ? args->node : NUMA_NO_NODE;
	heap->name = name;
	if (flags & WSHEAP_PRIVATE)
		ret = wsheap_private_start(heap, trim_size, gfp);
	else if (args->initial_size)
		ret = wsheap_obtain_initial(heap, args->initial_size, gfp);
	if (ret) {
		kfree(heap);
		return ERR_PTR(ret);
	}

	spin_lock_irqsave(&wsheap_live_lock, irq);
	list_add_tail(&heap->live, &wsheap_live);
	spin_unlock_irqrestore(&wsheap_live_lock, irq);
	return heap;
}

/**
 * wsheap_create - make a heap
 * @max_size: bytes that its blocks may add up to, as asked for, between one
 *	reset and the next; 0 for empty blocks only, WSHEAP_UNLIMITED for no
 *	limit.
 * @trim_size: bytes that a reset may leave with the heap; larger than
 *	@max_size for all.
 * @args: more, or NULL for the defaults.
 *
 * Takes no memory but the heap object, unless @args asks for an initial size.
 * Answers to WsCreateHeap.
 *
 * Context: process context; sleeps.
 * Return: the heap, to be given to wsheap_destroy(), or an ERR_PTR: -EINVAL
 * for bad @args, -EOVERFLOW for an initial size above the largest block,
 * -ENOMEM.
 */
struct wsheap *wsheap_create(size_t max_size, size_t trim_size,
			     const struct wsheap_args *args)
{
	static const struct wsheap_args defaults;
	struct wsheap *heap;
	const char *name;

	if (!args)
		args = &defaults;
	if (!wsheap_args_valid(args))
		return ERR_PTR(-EINVAL);
	name = wsheap_copy_name(args);
	if (!name)
		return ERR_PTR(-ENOMEM);
	heap = wsheap_new(max_size, trim_size, args, name, 0, GFP_KERNEL);
	if (IS_ERR(heap))
		kfree_const(name);
	return heap;
}
EXPORT_SYMBOL_NS_GPL(wsheap_create, WSHEAP_NS);

/**
 * wsheap_destroy - release a heap and all that it holds
 * @heap: the heap; NULL and an ERR_PTR are ignored.
 *
 * All memory that the heap ever held is back with the system when this
 * returns. Not for heaps from devm_wsheap_create(). Answers to WsFreeHeap.
 *
 * Context: process context; sleeps.
 */
void wsheap_destroy(struct wsheap *heap)
{
	bool deferred;

	if (IS_ERR_OR_NULL(heap))
		return;
	might_sleep();
	deferred = heap->flags & WSHEAP_DEFERRED;
	wsheap_release(heap, true);
	if (deferred)
		flush_work(&wsheap_deferred_work);
}
EXPORT_SYMBOL_NS_GPL(wsheap_destroy, WSHEAP_NS);

static void devm_wsheap_release(void *heap)
{
	wsheap_destroy(heap);
}

/**
 * devm_wsheap_create - make a heap that goes with a device
 * @dev: the device.
 * @max_size: see wsheap_create().
 * @trim_size: see wsheap_create().
 * @args: see wsheap_create().
 *
 * The heap is destroyed with the device's other resources, and never by hand.
 * As wsheap_create() otherwise, it answers to WsCreateHeap.
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

#include "wsheap_private.c"
#include "wsheap_pool.c"

static struct shrinker *wsheap_shrinker;

static int __init wsheap_init(void)
{
	wsheap_wq = alloc_workqueue("wsheap", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!wsheap_wq)
		return -ENOMEM;
	wsheap_shrinker = wsheap_start_shrinker(wsheap_shrink_count,
						wsheap_shrink_scan);
	if (!wsheap_shrinker) {
		destroy_workqueue(wsheap_wq);
		return -ENOMEM;
	}
	return 0;
}

static void __exit wsheap_exit(void)
{
	struct wsheap *heap;

	wsheap_stop_shrinker(wsheap_shrinker);
	/* Nobody can call any more: the modules that could are gone. */
	list_for_each_entry(heap, &wsheap_live, live)
		pr_err("heap %s was never destroyed: %zu bytes asked for, %zu held, left alone\n",
		       heap->name, heap->max_size - heap->left, heap->actual);
	destroy_workqueue(wsheap_wq);
}

/* Ahead of the drivers that use it, where both are built in. */
subsys_initcall(wsheap_init);
module_exit(wsheap_exit);

MODULE_DESCRIPTION("Heaps whose blocks are released together");
MODULE_LICENSE("GPL");

#if IS_ENABLED(CONFIG_WSHEAP_KUNIT_TEST)
#include "wsheap_kunit.c"
#endif
