// SPDX-License-Identifier: GPL-2.0
/*
 * Pools of message heaps, for drivers with many messages in flight.
 *
 *	wsheap_pool_alloc()                           wsheap_pool_free()
 *	       |                                              |
 *	       +---<--- slots of this CPU <-------------------+   no lock
 *	       |              | ^                             |
 *	       +---<--- idle  v |  LIFO <---------------------+   lock
 *	       |                                              |
 *	       +---<--- a new heap, if there is memory        +   the system
 *	       |                                              |
 *	       +---<--- reserve  <----------------------------+   lock
 *
 * An idle heap lies in a slot of some CPU, on the list that all CPUs share, or
 * in the reserve. A slot is only ever exchanged atomically. So slots need no
 * lock, and any CPU may take heaps from those of another: the shrinker does, and
 * so does a caller that would have to wait. A CPU whose slots are empty takes
 * enough heaps from the list to fill half of them. One whose slots are full
 * gives as many to it. So the lock of the list is taken once for several heaps.
 *
 * The reserve is not touched before memory is short, and is refilled before
 * anything else. Each of its heaps has a keeper: a chunk for args->initial_size
 * that it never releases. All heaps of such a pool have one, so any of them can
 * refill the reserve.
 */

#include "pool.h"

#include <linux/device.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>

/* All pools. The shrinker only tries the lock. */
static DEFINE_MUTEX(all_pools_lock);
static LIST_HEAD(all_pools);

/*
 * Slots. The exchange orders the accesses of a heap's last user before those of
 * its next one.
 */

static struct wsheap *slots_take(struct wsheap_pool *pool,
				 struct wsheap_pool_cpu *cpu)
{
	struct wsheap *heap;
	unsigned int i;

	for (i = 0; i < pool->nr_slots; i++) {
		if (!READ_ONCE(cpu->slots[i]))
			continue;
		heap = xchg(&cpu->slots[i], NULL);
		if (heap)
			return heap;
	}
	return NULL;
}

static bool slots_put(struct wsheap_pool *pool, struct wsheap_pool_cpu *cpu,
		      struct wsheap *heap)
{
	unsigned int i;

	for (i = 0; i < pool->nr_slots; i++)
		if (!READ_ONCE(cpu->slots[i]) &&
		    !cmpxchg(&cpu->slots[i], NULL, heap))
			return true;
	return false;
}

/*
 * Any CPU's slots will do. A caller that migrates meanwhile goes on with the
 * slots that it began with.
 */
static struct wsheap_pool_cpu *pool_this_cpu(struct wsheap_pool *pool)
{
	return raw_cpu_ptr(pool->cpu);
}

static struct wsheap *pool_take_slot_anywhere(struct wsheap_pool *pool)
{
	struct wsheap *heap = NULL;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		heap = slots_take(pool, per_cpu_ptr(pool->cpu, cpu));
		if (heap)
			break;
	}
	return heap;
}

/*
 * Lists of idle heaps, linked through the heaps.
 */

static void list_push(struct wsheap **list, struct wsheap *heap)
{
	heap->next_idle = *list;
	WRITE_ONCE(*list, heap);
}

static struct wsheap *list_pop(struct wsheap **list)
{
	struct wsheap *heap = *list;

	if (heap) {
		*list = heap->next_idle;
		heap->alt = NO_CHUNK;
	}
	return heap;
}

/* Takes up to @n heaps from the shared list, as a list in the same order. */
static struct wsheap *pool_take_idle(struct wsheap_pool *pool, unsigned int n)
{
	struct wsheap *heaps, **link = &pool->idle;
	unsigned long irq;

	if (!READ_ONCE(pool->idle))
		return NULL;
	spin_lock_irqsave(&pool->lock, irq);
	heaps = pool->idle;
	for (; n && *link; n--) {
		link = &(*link)->next_idle;
		WRITE_ONCE(pool->nr_idle, pool->nr_idle - 1);
	}
	WRITE_ONCE(pool->idle, *link);
	*link = NULL;
	spin_unlock_irqrestore(&pool->lock, irq);
	return heaps;
}

static struct wsheap *pool_take_reserve(struct wsheap_pool *pool)
{
	struct wsheap *heap;
	unsigned long irq;

	spin_lock_irqsave(&pool->lock, irq);
	heap = list_pop(&pool->reserve);
	if (heap)
		WRITE_ONCE(pool->reserved, pool->reserved - 1);
	spin_unlock_irqrestore(&pool->lock, irq);
	return heap;
}

/*
 * Puts a heap into the reserve if that is short, else on the shared list if there
 * is room or @force is set. Returns false if it did neither.
 */
static bool pool_put(struct wsheap_pool *pool, struct wsheap *heap, bool force)
{
	lockdep_assert_held(&pool->lock);
	if (pool->reserved < pool->nr_reserve) {
		list_push(&pool->reserve, heap);
		WRITE_ONCE(pool->reserved, pool->reserved + 1);
		return true;
	}
	if (pool->nr_idle >= pool->max_idle && !force)
		return false;
	list_push(&pool->idle, heap);
	WRITE_ONCE(pool->nr_idle, pool->nr_idle + 1);
	return true;
}

/*
 * Releases heaps from a list. One that wsheap_for_each() looks at stays in the
 * pool, because nobody may wait for that here. Returns the number of the others.
 */
static unsigned int pool_release_all(struct wsheap_pool *pool,
				     struct wsheap *heaps, bool may_sleep)
{
	unsigned int released = 0;
	struct wsheap *heap;
	unsigned long irq;

	while ((heap = list_pop(&heaps))) {
		if (wsheap_object_try_release(heap, may_sleep)) {
			atomic_dec(&pool->nr_heaps);
			released++;
			continue;
		}
		spin_lock_irqsave(&pool->lock, irq);
		pool_put(pool, heap, true);
		spin_unlock_irqrestore(&pool->lock, irq);
		wake_up(&pool->wait);
	}
	return released;
}

/* Puts heaps from a list where they belong. Releases those without a place. */
static void pool_put_all(struct wsheap_pool *pool, struct wsheap *heaps)
{
	struct wsheap *heap, *excess = NULL;
	unsigned int reserved;
	unsigned long irq;

	spin_lock_irqsave(&pool->lock, irq);
	reserved = pool->reserved;
	while ((heap = list_pop(&heaps)))
		if (!pool_put(pool, heap, false))
			list_push(&excess, heap);
	reserved = pool->reserved - reserved;
	spin_unlock_irqrestore(&pool->lock, irq);

	if (reserved)
		wake_up(&pool->wait);
	pool_release_all(pool, excess, false);
}

static struct wsheap *pool_new_heap(struct wsheap_pool *pool, gfp_t gfp)
{
	struct wsheap *heap;

	gfp &= ~(WSHEAP_GFP_REFUSED | __GFP_ZERO | __GFP_ACCOUNT);
	/*
	 * A heap of the reserve must keep the memory for its initial size. If
	 * the caller may not sleep, that is rounded up to more, and the trim
	 * size may not cover it.
	 */
	heap = wsheap_object_create_pooled(pool->max_size, pool->trim_size,
					   &pool->args, pool->class,
					   pool->nr_reserve, gfp);
	if (!IS_ERR(heap))
		atomic_inc(&pool->nr_heaps);
	return heap;
}

static struct wsheap *pool_try_new_heap(struct wsheap_pool *pool, gfp_t gfp)
{
	struct wsheap *heap = pool_new_heap(pool, gfp | __GFP_NOWARN);

	return IS_ERR(heap) ? NULL : heap;
}

/*
 * Moves heaps from a CPU's slots to the reserve or the shared list, and @heap if
 * there was no slot for it.
 */
static noinline void pool_spill(struct wsheap_pool *pool,
				struct wsheap_pool_cpu *cpu,
				struct wsheap *heap)
{
	struct wsheap *heaps = NULL;
	int room;

	heap = heap ?: slots_take(pool, cpu);
	if (!heap)
		return;
	list_push(&heaps, heap);
	/* Move as many more as there seems to be room for. */
	room = pool->max_idle - READ_ONCE(pool->nr_idle) +
	       pool->nr_reserve - READ_ONCE(pool->reserved);
	room = clamp(room - 1, 0, (int)pool->nr_slots / 2);
	while (room-- && (heap = slots_take(pool, cpu)))
		list_push(&heaps, heap);
	pool_put_all(pool, heaps);
}

/*
 * The returning side fills a slot, then checks the reserve. The waiting side
 * checks the reserve, then scans all slots. Each step is ordered by the exchange,
 * so one of them sees the other.
 */
static bool pool_is_short(struct wsheap_pool *pool)
{
	return READ_ONCE(pool->reserved) < pool->nr_reserve;
}

/* Takes a heap from the shared list, and some more for the next callers. */
static struct wsheap *pool_refill(struct wsheap_pool *pool)
{
	struct wsheap *heaps = pool_take_idle(pool, 1 + pool->nr_slots / 2);
	struct wsheap_pool_cpu *cpu = pool_this_cpu(pool);
	struct wsheap *first = list_pop(&heaps), *heap;

	while ((heap = list_pop(&heaps))) {
		if (slots_put(pool, cpu, heap))
			continue;
		list_push(&heaps, heap);
		pool_put_all(pool, heaps);
		break;
	}
	if (first && pool_is_short(pool))
		pool_spill(pool, cpu, NULL);
	return first;
}

static struct wsheap *pool_take_unreserved(struct wsheap_pool *pool)
{
	struct wsheap *heaps = pool_take_idle(pool, 1);

	return list_pop(&heaps) ?: pool_take_slot_anywhere(pool);
}

/* Takes a heap that exists already, from anywhere. */
struct wsheap *wsheap_pool_take_any(struct wsheap_pool *pool)
{
	struct wsheap *heap = pool_take_reserve(pool);

	/* Check the reserve before the slots, see pool_is_short(). */
	smp_mb();
	return heap ?: pool_take_unreserved(pool);
}

/* How to ask for a new heap while there is still a reserve. */
static gfp_t pool_gfp_impatient(const struct wsheap_pool *pool, gfp_t gfp)
{
	gfp = wsheap_gfp_optional(gfp) & ~(__GFP_IO | __GFP_FS);
	/* vmalloc needs a caller that may sleep. */
	if (pool->args.initial_size <= KMALLOC_MAX_CACHE_SIZE / 2 &&
	    !(pool->args.chunk_gfp & __GFP_DMA32))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	return gfp;
}

static noinline struct wsheap *pool_alloc_long(struct wsheap_pool *pool,
					       gfp_t gfp)
{
	gfp_t impatient = pool_gfp_impatient(pool, gfp);
	struct wsheap *heap = pool_refill(pool);
	DEFINE_WAIT(wait);

	might_alloc(gfp);
	if (heap)
		return heap;
	if (!pool->nr_reserve)
		return pool_try_new_heap(pool, gfp) ?: wsheap_pool_take_any(pool);
	heap = pool_try_new_heap(pool, impatient) ?: wsheap_pool_take_any(pool);
	if (heap)
		return heap;
	/*
	 * For a caller that may reclaim, the page allocator loops until it has
	 * a page. This caller has something better to wait for: the next heap
	 * that is returned. With __GFP_NORETRY it gets there.
	 */
	heap = pool_try_new_heap(pool, gfp | __GFP_NORETRY | __GFP_NOMEMALLOC);
	if (!gfpflags_allow_blocking(gfp))
		return heap;

	if (!heap)
		atomic_long_inc(&pool->waits);
	while (!heap) {
		prepare_to_wait(&pool->wait, &wait, TASK_UNINTERRUPTIBLE);
		heap = wsheap_pool_take_any(pool);
		if (!heap)
			io_schedule_timeout(POOL_WAIT);
		finish_wait(&pool->wait, &wait);
		if (!heap)
			heap = wsheap_pool_take_any(pool) ?:
			       pool_try_new_heap(pool, impatient);
	}
	return heap;
}

/**
 * wsheap_pool_alloc - take a heap from a pool
 * @pool: the pool.
 * @gfp: how memory may be obtained if there is no idle heap. Zone flags,
 *	__GFP_ZERO, __GFP_ACCOUNT and __GFP_NOFAIL are ignored. The pool's args
 *	decide about zones and accounting.
 *
 * The heap is as one just created, or reset. If there is no idle heap on this
 * CPU or on the list that all CPUs share, a new one is created. If memory is
 * short for that, the reserve and the idle heaps of other CPUs serve. As
 * mempool_alloc(). Windows has no equivalent.
 *
 * Context: any that @gfp allows; on PREEMPT_RT not in hardirq and not under a
 * raw spinlock. If @gfp allows blocking and the pool has a reserve, waits for a
 * heap to be returned rather than fail.
 * Return: the heap, to be passed to wsheap_pool_free(), or NULL. Never NULL if
 * @gfp allows blocking and the pool has a reserve.
 */
struct wsheap *wsheap_pool_alloc(struct wsheap_pool *pool, gfp_t gfp)
{
	struct wsheap *heap = slots_take(pool, pool_this_cpu(pool));

	if (unlikely(!heap)) {
		heap = pool_alloc_long(pool, gfp);
		if (!heap)
			return NULL;
	}
	heap->pool = (unsigned long)pool;
	return heap;
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_alloc, WSHEAP_NS);

static void pool_report_stranger(const struct wsheap_pool *pool,
				 const struct wsheap *heap, unsigned long caller)
{
	const struct wsheap_pool *from = wsheap_pool_of(heap);

	wsheap_report(heap, MISTAKE_STRANGER, caller,
		      "given to pool %s, but is from %s%s: left alone",
		      pool->class->name, from ? "pool " : "no pool",
		      from ? from->class->name : "");
}

static void pool_report_again(const struct wsheap *heap, unsigned long caller)
{
	wsheap_report(heap, MISTAKE_AGAIN, caller,
		      "given to its pool a second time: left alone");
}

/* Whether a heap is from the pool, which it gets its quota from again. */
static noinline bool pool_may_free(const struct wsheap_pool *pool,
				   struct wsheap *heap, unsigned long caller)
{
	if (!heap->pool && heap->flags & WSHEAP_POOLED) {
		pool_report_again(heap, caller);
		return false;
	}
	if (wsheap_pool_of(heap) != pool) {
		pool_report_stranger(pool, heap, caller);
		return false;
	}
	wsheap_reset_for(heap, caller);
	wsheap_set_max_size(heap, pool->max_size);
	return true;
}

/* A report names @caller. */
static __always_inline void pool_free(struct wsheap_pool *pool, struct wsheap *heap,
				      unsigned long caller)
{
	struct wsheap_pool_cpu *cpu = pool_this_cpu(pool);

	/* An idle heap is from no pool. */
	if (unlikely(heap->pool != (unsigned long)pool) &&
	    !pool_may_free(pool, heap, caller))
		return;
	heap->pool = 0;
	wsheap_reset_for(heap, caller);
	if (likely(slots_put(pool, cpu, heap)))
		heap = NULL;
	if (unlikely(heap || pool_is_short(pool)))
		pool_spill(pool, cpu, heap);
}

/**
 * wsheap_pool_free - return a heap to its pool
 * @pool: the pool that the heap is from.
 * @heap: the heap; NULL is ignored.
 *
 * Resets the heap, and gives it the pool's quota. It stays idle, unless the pool has
 * enough idle heaps. A heap that is not from this pool, or was returned already, is
 * reported and left alone; two callers at once are not told apart. Runs the heap's
 * actions. As mempool_free(). Windows has no equivalent.
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. Never sleeps, but for what actions do.
 */
void wsheap_pool_free(struct wsheap_pool *pool, struct wsheap *heap)
{
	if (likely(heap))
		pool_free(pool, heap, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_free, WSHEAP_NS);

/**
 * wsheap_pool_put - return a heap to the pool that it is from
 * @heap: the heap; NULL is ignored.
 *
 * For __free(wsheap_pool_put). Otherwise as wsheap_pool_free(). Windows has no
 * equivalent.
 *
 * Context: as wsheap_pool_free().
 */
void wsheap_pool_put(struct wsheap *heap)
{
	if (!heap)
		return;
	if (heap->pool)
		pool_free(wsheap_pool_of(heap), heap, _RET_IP_);
	else
		pool_report_again(heap, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_put, WSHEAP_NS);

/*
 * The shrinker. Both functions run in process context, where the system reclaims
 * memory. Nobody uses an idle heap, so it is released there.
 */

/* Idle heaps that are not in the reserve. */
unsigned long wsheap_pool_count_idle(struct wsheap_pool *pool)
{
	unsigned long n = READ_ONCE(pool->nr_idle);
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < pool->nr_slots; i++)
			n += !!READ_ONCE(per_cpu_ptr(pool->cpu, cpu)->slots[i]);
	return n;
}

unsigned long wsheap_pool_shrink_count(struct shrinker *shrinker,
				       struct shrink_control *sc)
{
	struct wsheap_pool *pool;
	unsigned long n = 0;

	if (!mutex_trylock(&all_pools_lock))
		return 0;
	list_for_each_entry(pool, &all_pools, all)
		n += wsheap_pool_count_idle(pool);
	mutex_unlock(&all_pools_lock);
	return n;
}

/* Releases up to @n idle heaps, the shared ones first. */
static unsigned long pool_shrink(struct wsheap_pool *pool, unsigned long n)
{
	struct wsheap *heaps = pool_take_idle(pool, min_t(unsigned long, n, UINT_MAX));
	unsigned long released = pool_release_all(pool, heaps, true);
	struct wsheap *heap;
	unsigned int cpu;

	heaps = NULL;
	n -= released;
	for_each_possible_cpu(cpu) {
		while (n && (heap = slots_take(pool, per_cpu_ptr(pool->cpu, cpu)))) {
			list_push(&heaps, heap);
			n--;
		}
	}
	return released + pool_release_all(pool, heaps, true);
}

unsigned long wsheap_pool_shrink_scan(struct shrinker *shrinker,
				      struct shrink_control *sc)
{
	struct wsheap_pool *pool;
	unsigned long freed = 0;

	if (!mutex_trylock(&all_pools_lock))
		return SHRINK_STOP;
	list_for_each_entry(pool, &all_pools, all) {
		if (freed >= sc->nr_to_scan)
			break;
		freed += pool_shrink(pool, sc->nr_to_scan - freed);
	}
	/* The next scan begins with another pool. */
	list_rotate_left(&all_pools);
	mutex_unlock(&all_pools_lock);
	return freed ?: SHRINK_STOP;
}

/* Releases all heaps that are not in use, the reserve too. Sleeps. */
static unsigned int pool_release_idle(struct wsheap_pool *pool)
{
	struct wsheap *heap;
	unsigned int n;

	for (n = 0; (heap = list_pop(&pool->reserve)) ||
	     (pool->cpu && (heap = pool_take_unreserved(pool))); n++) {
		wsheap_object_release(heap, _RET_IP_);
		atomic_dec(&pool->nr_heaps);
	}
	return n;
}

/* For a group that would have to refuse. Others may have the idle heaps meanwhile. */
static bool pool_reclaim(struct wsheap_reclaim *reclaim)
{
	struct wsheap_pool *pool = container_of(reclaim, struct wsheap_pool, reclaim);
	struct wsheap *heap = pool_take_unreserved(pool), *heaps = NULL;

	if (heap)
		list_push(&heaps, heap);
	return pool_release_all(pool, heaps, false);
}

/* wsheap_pool_create(), for the module that it is called from. */
struct wsheap_pool *__wsheap_pool_create(size_t max_size, size_t trim_size,
					 const struct wsheap_args *args,
					 unsigned int reserve, unsigned int max_idle,
					 struct wsheap_creator *creator)
{
	static const struct wsheap_args defaults;
	unsigned int cpus = num_possible_cpus();
	struct wsheap_pool *pool;
	struct wsheap *heap;
	int ret = -ENOMEM;

	if (!args)
		args = &defaults;
	if (!wsheap_args_valid(args))
		return ERR_PTR(-EINVAL);
	if (args->initial_size > wsheap_largest_block(args->flags))
		return ERR_PTR(-EOVERFLOW);
	if (!max_idle)
		max_idle = POOL_MAX_IDLE * cpus;

	pool = kzalloc_noprof(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&pool->all);
	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->wait);
	pool->max_size = max_size;
	pool->trim_size = trim_size;
	pool->nr_reserve = reserve;
	pool->nr_slots = min_t(unsigned int, POOL_SLOTS, max_idle / cpus);
	pool->max_idle = max_idle - pool->nr_slots * cpus;
	pool->args = *args;
	pool->class = wsheap_class_get(creator, args->name, true);
	pool->cpu = alloc_percpu(struct wsheap_pool_cpu);
	if (!pool->class || !pool->cpu)
		goto fail;
	pool->reclaim.group = args->group;
	pool->reclaim.release = pool_reclaim;
	wsheap_group_add_reclaim(&pool->reclaim);
	while (pool->reserved < reserve) {
		heap = pool_new_heap(pool, GFP_KERNEL | __GFP_RETRY_MAYFAIL |
					   __GFP_NOWARN);
		if (IS_ERR(heap)) {
			ret = PTR_ERR(heap);
			goto fail;
		}
		list_push(&pool->reserve, heap);
		pool->reserved++;
	}
	mutex_lock(&all_pools_lock);
	list_add_tail(&pool->all, &all_pools);
	mutex_unlock(&all_pools_lock);
	return pool;

fail:
	wsheap_pool_destroy(pool);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_NS_GPL(__wsheap_pool_create, WSHEAP_NS);

static void devm_wsheap_pool_release(void *pool)
{
	wsheap_pool_destroy(pool);
}

/* devm_wsheap_pool_create(), for the module that it is called from. */
struct wsheap_pool *
__devm_wsheap_pool_create(struct device *dev, size_t max_size, size_t trim_size,
			  const struct wsheap_args *args, unsigned int reserve,
			  unsigned int max_idle,
			  struct wsheap_creator *creator)
{
	struct wsheap_pool *pool = __wsheap_pool_create(max_size, trim_size, args,
							reserve, max_idle, creator);
	int ret;

	if (IS_ERR(pool))
		return pool;
	ret = devm_add_action_or_reset(dev, devm_wsheap_pool_release, pool);
	return ret ? ERR_PTR(ret) : pool;
}
EXPORT_SYMBOL_NS_GPL(__devm_wsheap_pool_create, WSHEAP_NS);

/**
 * wsheap_pool_destroy - release a pool and its heaps
 * @pool: the pool, to which all heaps have been returned; NULL and an ERR_PTR
 *	are ignored.
 *
 * If a heap is still in use, that is reported, and both the heap and the pool
 * are left alone. As mempool_destroy(). Windows has no equivalent.
 *
 * Context: process context; sleeps.
 */
void wsheap_pool_destroy(struct wsheap_pool *pool)
{
	int out;

	if (IS_ERR_OR_NULL(pool))
		return;
	mutex_lock(&all_pools_lock);
	list_del_init(&pool->all);
	mutex_unlock(&all_pools_lock);
	/* From here on, no group takes idle heaps. */
	wsheap_group_del_reclaim(&pool->reclaim);

	pool_release_idle(pool);
	wsheap_chunk_flush();
	out = atomic_read(&pool->nr_heaps);
	if (out) {
		wsheap_report_class(pool->class, MISTAKE_POOL,
				    "pool %s of %s: destroyed while %d of its heaps are in use: left alone; called from %pS",
				    pool->class->name, pool->class->module, out,
				    (void *)_RET_IP_);
		return;
	}
	free_percpu(pool->cpu);
	wsheap_class_release(pool->class);
	kfree(pool);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_destroy, WSHEAP_NS);

/* Calls @fn for each pool, with the list locked. */
void wsheap_pool_for_each(void (*fn)(struct wsheap_pool *pool, void *data),
			  void *data)
{
	struct wsheap_pool *pool;

	mutex_lock(&all_pools_lock);
	list_for_each_entry(pool, &all_pools, all)
		fn(pool, data);
	mutex_unlock(&all_pools_lock);
}

/* Reports the pools that a module leaves behind. */
void wsheap_pool_report_module(const struct module *module, const char *name)
{
	struct wsheap_pool *pool;

	mutex_lock(&all_pools_lock);
	list_for_each_entry(pool, &all_pools, all) {
		if (pool->class->owner != module)
			continue;
		pr_err("module %s leaves pool %s behind: %d heaps in it or in use, left alone\n",
		       name, pool->class->name, atomic_read(&pool->nr_heaps));
	}
	mutex_unlock(&all_pools_lock);
}

static struct shrinker *pool_shrinker;

int __init wsheap_pool_init(void)
{
	pool_shrinker = wsheap_start_shrinker(wsheap_pool_shrink_count,
					      wsheap_pool_shrink_scan);
	return pool_shrinker ? 0 : -ENOMEM;
}

/* Called when the modules that could use a pool are gone. */
void wsheap_pool_exit(void)
{
	struct wsheap_pool *pool;
	unsigned int idle;

	wsheap_stop_shrinker(pool_shrinker);
	list_for_each_entry(pool, &all_pools, all) {
		idle = pool_release_idle(pool);
		pr_err("pool %s was never destroyed: %d of its heaps are in use and left alone, %u idle ones released\n",
		       pool->class->name, atomic_read(&pool->nr_heaps), idle);
	}
}
