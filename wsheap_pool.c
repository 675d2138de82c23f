// SPDX-License-Identifier: GPL-2.0
/*
 * Pools of heaps, for drivers with many messages under way. Included by
 * wsheap.c: an idle heap is kept ready by what resets it.
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
 * in the reserve. Slots are exchanged and nothing else is done to them, so they
 * need no lock and any CPU may empty those of another: the shrinker does, and
 * a caller that would have to wait. A CPU whose slots are empty takes as many
 * from the list as fill half of them, and one whose slots are full gives as
 * many, so the list's lock is taken once for several heaps.
 *
 * The reserve is not touched before memory is short, and is filled again before
 * anything else. Its heaps have args->initial_size, and a heap never parts with
 * the chunk for that (WSHEAP_PINNED), so any heap of the pool can go there.
 */

/* A cache line of slots for each CPU, as far as the bound on idle heaps goes. */
#define POOL_SLOTS	(L1_CACHE_BYTES / sizeof(struct wsheap *))
/* Idle heaps for each CPU where the caller has no opinion. */
#define POOL_MAX_IDLE	32
/* Somebody who waits looks again after this time, as in a mempool. */
#define POOL_WAIT	(5 * HZ)

struct wsheap_pool_cpu {
	struct wsheap *slots[POOL_SLOTS];
} ____cacheline_aligned;

/**
 * struct wsheap_pool - heaps of one kind
 * @cpu: slots for idle heaps.
 * @nr_slots: of these in use on each CPU.
 * @nr_reserve: heaps that the reserve is to have.
 * @reserved: heaps that it has; written under @lock.
 * @max_idle: heaps that @idle may have.
 * @nr_idle: heaps that it has.
 * @lock: protects the lists and their counts. Nothing is allocated under it.
 * @idle: idle heaps of all CPUs.
 * @reserve: heaps for when memory is short.
 * @wait: where callers wait for a heap to come back.
 * @nr_heaps: all heaps of the pool.
 * @max_size: of each heap.
 * @trim_size: of each heap.
 * @args: of each heap; the name is the pool's.
 * @pools: protected by wsheap_pools_lock.
 */
struct wsheap_pool {
	struct wsheap_pool_cpu __percpu *cpu;
	unsigned int nr_slots;
	unsigned int nr_reserve;
	unsigned int reserved;
	unsigned int max_idle;

	spinlock_t lock ____cacheline_aligned_in_smp;
	unsigned int nr_idle;
	struct wsheap *idle;
	struct wsheap *reserve;
	wait_queue_head_t wait;

	atomic_t nr_heaps;
	size_t max_size;
	size_t trim_size;
	struct wsheap_args args;
	struct list_head pools;
};

/* All pools, for the shrinker, which does not wait for those who hold it. */
static DEFINE_MUTEX(wsheap_pools_lock);
static LIST_HEAD(wsheap_pools);

/*
 * Slots. An exchange orders what one user of a heap did before what the next
 * will do.
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
 * Whichever CPU it is. A caller that is moved to another one meanwhile goes on
 * with the slots that it began with.
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
 * Lists, linked through the heaps.
 */

static void list_push(struct wsheap **list, struct wsheap *heap)
{
	heap->next_idle = *list;
	*list = heap;
}

static struct wsheap *list_pop(struct wsheap **list)
{
	struct wsheap *heap = *list;

	if (heap) {
		*list = heap->next_idle;
		heap->spare = NO_CHUNK;
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
		pool->nr_idle--;
	}
	pool->idle = *link;
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

/* Puts heaps from a list to where they are missed most; the rest is freed. */
static void pool_put_all(struct wsheap_pool *pool, struct wsheap *heaps)
{
	struct wsheap *heap, *drop = NULL;
	bool wake = false;
	unsigned long irq;

	spin_lock_irqsave(&pool->lock, irq);
	while ((heap = list_pop(&heaps))) {
		if (pool->reserved < pool->nr_reserve) {
			list_push(&pool->reserve, heap);
			WRITE_ONCE(pool->reserved, pool->reserved + 1);
			wake = true;
		} else if (pool->nr_idle < pool->max_idle) {
			list_push(&pool->idle, heap);
			pool->nr_idle++;
		} else {
			list_push(&drop, heap);
		}
	}
	spin_unlock_irqrestore(&pool->lock, irq);

	if (wake)
		wake_up(&pool->wait);
	while ((heap = list_pop(&drop))) {
		wsheap_release(heap, false);
		atomic_dec(&pool->nr_heaps);
	}
}

static struct wsheap *pool_new_heap(struct wsheap_pool *pool, gfp_t gfp)
{
	struct wsheap *heap;

	gfp &= ~(WSHEAP_GFP_REFUSED | __GFP_ZERO | __GFP_ACCOUNT);
	heap = wsheap_new(pool->max_size, pool->trim_size, &pool->args,
			  pool->args.name, WSHEAP_POOLED, gfp);
	if (IS_ERR(heap))
		return heap;
	/* Where sleeping is not allowed, memory is rounded to more. */
	if (pool->nr_reserve && pool->args.initial_size &&
	    !(heap->flags & WSHEAP_PINNED)) {
		wsheap_release(heap, false);
		return ERR_PTR(-EINVAL);
	}
	atomic_inc(&pool->nr_heaps);
	return heap;
}

static struct wsheap *pool_try_new_heap(struct wsheap_pool *pool, gfp_t gfp)
{
	struct wsheap *heap = pool_new_heap(pool, gfp | __GFP_NOWARN);

	return IS_ERR(heap) ? NULL : heap;
}

/*
 * Gives heaps from a CPU's slots to where they are missed, and @heap, if there
 * was no slot for it.
 */
static noinline void pool_spill(struct wsheap_pool *pool,
				struct wsheap_pool_cpu *cpu,
				struct wsheap *heap)
{
	struct wsheap *heaps = NULL;
	unsigned int n;

	heap = heap ?: slots_take(pool, cpu);
	if (!heap)
		return;
	list_push(&heaps, heap);
	/* And as many more as there seems to be room for. */
	n = pool->max_idle - READ_ONCE(pool->nr_idle) +
	    pool->nr_reserve - READ_ONCE(pool->reserved);
	n = min(n - !!n, pool->nr_slots / 2);
	while (n-- && (heap = slots_take(pool, cpu)))
		list_push(&heaps, heap);
	pool_put_all(pool, heaps);
}

/*
 * To be asked after a heap was put into a slot. Who waits has found the reserve
 * empty and then looks into all slots; one of the two sees the other.
 */
static bool pool_is_short(struct wsheap_pool *pool)
{
	return READ_ONCE(pool->reserved) < pool->nr_reserve;
}

/* From the list, and some more for the next ones. */
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

/* What can be had without memory. */
static struct wsheap *pool_take_any(struct wsheap_pool *pool)
{
	struct wsheap *heap = pool_take_reserve(pool);

	/* See pool_is_short(). */
	smp_mb();
	return heap ?: pool_take_unreserved(pool);
}

/* As much as can be done for a new heap while there is still a reserve. */
static gfp_t pool_gfp_impatient(const struct wsheap_pool *pool, gfp_t gfp)
{
	gfp = gfp_optional(gfp) & ~__GFP_IO;
	/* What comes from vmalloc cannot be had by who may not sleep. */
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
	heap = pool_try_new_heap(pool, pool->nr_reserve ? impatient : gfp) ?:
	       pool_take_any(pool);
	if (heap || !pool->nr_reserve)
		return heap;
	heap = pool_try_new_heap(pool, gfp);
	if (!gfpflags_allow_blocking(gfp))
		return heap;

	while (!heap) {
		prepare_to_wait(&pool->wait, &wait, TASK_UNINTERRUPTIBLE);
		heap = pool_take_any(pool);
		if (!heap)
			io_schedule_timeout(POOL_WAIT);
		finish_wait(&pool->wait, &wait);
		if (!heap)
			heap = pool_take_any(pool) ?:
			       pool_try_new_heap(pool, impatient);
	}
	return heap;
}

/**
 * wsheap_pool_alloc - take a heap from a pool
 * @pool: the pool.
 * @gfp: what may be done if there is no idle heap. A zone, __GFP_ZERO and
 *	__GFP_ACCOUNT are ignored; the pool's args decide.
 *
 * The heap is as one just created, or reset. If there is no idle heap on this
 * CPU or the list that all share, one is created; if memory is short for that,
 * the reserve serves, and what lies idle elsewhere. As mempool_alloc();
 * Windows has no counterpart.
 *
 * Context: any that @gfp allows; on PREEMPT_RT not in hardirq and not under a
 * raw spinlock. If @gfp allows blocking and the pool has a reserve, waits until
 * a heap comes back rather than fail.
 * Return: the heap, for wsheap_pool_free(), or NULL: never, if @gfp allows
 * blocking and the pool has a reserve.
 */
struct wsheap *wsheap_pool_alloc(struct wsheap_pool *pool, gfp_t gfp)
{
	struct wsheap *heap = slots_take(pool, pool_this_cpu(pool));

	return likely(heap) ? heap : pool_alloc_long(pool, gfp);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_alloc, WSHEAP_NS);

/**
 * wsheap_pool_free - give a heap back to its pool
 * @pool: the pool that the heap is from.
 * @heap: the heap; NULL is ignored.
 *
 * Resets the heap. It stays idle, unless the pool has enough of these. As
 * mempool_free(); Windows has no counterpart.
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. Never sleeps.
 */
void wsheap_pool_free(struct wsheap_pool *pool, struct wsheap *heap)
{
	struct wsheap_pool_cpu *cpu = pool_this_cpu(pool);

	if (unlikely(!heap))
		return;
	wsheap_reset(heap);
	if (likely(slots_put(pool, cpu, heap)))
		heap = NULL;
	if (unlikely(heap || pool_is_short(pool)))
		pool_spill(pool, cpu, heap);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_free, WSHEAP_NS);

/*
 * Pressure. Both functions run where the system reclaims memory, which is
 * process context; idle heaps are nobody's, so they are destroyed there.
 */

static unsigned long pool_count_idle(struct wsheap_pool *pool)
{
	unsigned long n = READ_ONCE(pool->nr_idle);
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < pool->nr_slots; i++)
			n += !!READ_ONCE(per_cpu_ptr(pool->cpu, cpu)->slots[i]);
	return n;
}

static unsigned long wsheap_shrink_count(struct shrinker *shrinker,
					 struct shrink_control *sc)
{
	struct wsheap_pool *pool;
	unsigned long n = 0;

	if (!mutex_trylock(&wsheap_pools_lock))
		return 0;
	list_for_each_entry(pool, &wsheap_pools, pools)
		n += pool_count_idle(pool);
	mutex_unlock(&wsheap_pools_lock);
	return n;
}

static unsigned long wsheap_shrink_scan(struct shrinker *shrinker,
					struct shrink_control *sc)
{
	struct wsheap_pool *pool;
	unsigned long freed = 0;
	struct wsheap *heap;

	if (!mutex_trylock(&wsheap_pools_lock))
		return SHRINK_STOP;
	list_for_each_entry(pool, &wsheap_pools, pools) {
		while (freed < sc->nr_to_scan &&
		       (heap = pool_take_unreserved(pool))) {
			wsheap_release(heap, true);
			atomic_dec(&pool->nr_heaps);
			freed++;
		}
	}
	/* Those that come first are not to pay for all. */
	list_rotate_left(&wsheap_pools);
	mutex_unlock(&wsheap_pools_lock);
	return freed ?: SHRINK_STOP;
}

/**
 * wsheap_pool_create - make a pool of heaps of one kind
 * @max_size: of each heap, see wsheap_create().
 * @trim_size: of each heap, see wsheap_create().
 * @args: of each heap, see wsheap_create(); may be NULL. With a large initial
 *	size, heaps are created only where the caller may sleep, unless
 *	@trim_size covers the power of two above it, too.
 * @reserve: heaps that are kept for when memory is short, each with memory for
 *	@args->initial_size bytes of blocks.
 * @max_idle: idle heaps that the pool may keep beside these; 0 for the
 *	default, 32 for each possible CPU. With fewer than one for each CPU
 *	they are all behind one lock.
 *
 * The pool obtains its reserve, and nothing for heaps beside that. It gives
 * idle heaps back when the system is short of memory, but never the reserve.
 * As mempool_create(); Windows has no counterpart.
 *
 * Context: process context; sleeps.
 * Return: the pool, for wsheap_pool_destroy(), or an ERR_PTR: as
 * wsheap_create(), and -EINVAL if there is a reserve and @trim_size does not
 * cover the memory for the initial size, header and rounding counted, so that a
 * reset would take it.
 */
struct wsheap_pool *wsheap_pool_create(size_t max_size, size_t trim_size,
				       const struct wsheap_args *args,
				       unsigned int reserve,
				       unsigned int max_idle)
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

	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&pool->pools);
	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->wait);
	pool->max_size = max_size;
	pool->trim_size = trim_size;
	pool->nr_reserve = reserve;
	pool->nr_slots = min_t(unsigned int, POOL_SLOTS, max_idle / cpus);
	pool->max_idle = max_idle - pool->nr_slots * cpus;
	pool->args = *args;
	pool->args.name = wsheap_copy_name(args);
	pool->cpu = alloc_percpu(struct wsheap_pool_cpu);
	if (!pool->args.name || !pool->cpu)
		goto fail;
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
	mutex_lock(&wsheap_pools_lock);
	list_add_tail(&pool->pools, &wsheap_pools);
	mutex_unlock(&wsheap_pools_lock);
	return pool;

fail:
	wsheap_pool_destroy(pool);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_create, WSHEAP_NS);

/**
 * wsheap_pool_destroy - release a pool and its heaps
 * @pool: the pool, all of whose heaps are back; NULL and an ERR_PTR are
 *	ignored.
 *
 * As mempool_destroy(); Windows has no counterpart. A heap that is still out
 * is reported and left alone, and so is the pool.
 *
 * Context: process context; sleeps.
 */
void wsheap_pool_destroy(struct wsheap_pool *pool)
{
	struct wsheap *heap;
	int out;

	if (IS_ERR_OR_NULL(pool))
		return;
	mutex_lock(&wsheap_pools_lock);
	list_del(&pool->pools);
	mutex_unlock(&wsheap_pools_lock);

	while ((heap = list_pop(&pool->reserve)) ||
	       (pool->cpu && (heap = pool_take_unreserved(pool)))) {
		wsheap_release(heap, true);
		atomic_dec(&pool->nr_heaps);
	}
	flush_work(&wsheap_deferred_work);
	out = atomic_read(&pool->nr_heaps);
	if (out) {
		pr_err("pool %s destroyed while %d of its heaps are in use: left alone; called from %pS\n",
		       pool->args.name, out, (void *)_RET_IP_);
		return;
	}
	free_percpu(pool->cpu);
	kfree_const(pool->args.name);
	kfree(pool);
}
EXPORT_SYMBOL_NS_GPL(wsheap_pool_destroy, WSHEAP_NS);
