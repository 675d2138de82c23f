/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pools: what pool.c and its tests share. The picture is at the head of pool.c.
 */
#ifndef _WSHEAP_POOL_H
#define _WSHEAP_POOL_H

#include "internal.h"

#include <linux/percpu.h>
#include <linux/shrinker.h>
#include <linux/wait.h>

/* A cache line of slots for each CPU, unless the pool may have fewer idle heaps. */
#define POOL_SLOTS	(L1_CACHE_BYTES / sizeof(struct wsheap *))
/* Idle heaps for each CPU, if the creator does not say how many. */
#define POOL_MAX_IDLE	32
/* A caller that waits looks again after this time, as in a mempool. */
#define POOL_WAIT	(5 * HZ)

struct wsheap_pool_cpu {
	struct wsheap *slots[POOL_SLOTS];
} ____cacheline_aligned;

/**
 * struct wsheap_pool - message heaps of one kind
 * @cpu: slots for idle heaps, for each CPU.
 * @nr_slots: number of slots in use on each CPU.
 * @nr_reserve: number of heaps that the reserve should have.
 * @reserved: number of heaps that the reserve has; written under @lock.
 * @max_idle: number of heaps that @idle may have.
 * @lock: protects the lists and their counts. Nothing is allocated under it.
 * @nr_idle: number of heaps that @idle has; written under @lock.
 * @idle: idle heaps that all CPUs share; written under @lock.
 * @reserve: heaps for when memory is short; protected by @lock.
 * @wait: callers that wait for a heap to be returned.
 * @nr_heaps: number of all heaps of the pool.
 * @waits: how many callers had to wait.
 * @max_size: max_size of each heap.
 * @trim_size: trim_size of each heap.
 * @args: options of each heap, but for the name.
 * @class: the class of the pool and its heaps.
 * @reclaim: how a group takes idle heaps.
 * @all: node in all_pools, protected by all_pools_lock.
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
	atomic_long_t waits;
	size_t max_size;
	size_t trim_size;
	struct wsheap_args args;
	struct wsheap_class *class;
	struct wsheap_reclaim reclaim;
	struct list_head all;
};

struct wsheap *wsheap_pool_take_any(struct wsheap_pool *pool);
unsigned long wsheap_pool_count_idle(struct wsheap_pool *pool);
void wsheap_pool_for_each(void (*fn)(struct wsheap_pool *pool, void *data),
			  void *data);
unsigned long wsheap_pool_shrink_count(struct shrinker *shrinker,
				       struct shrink_control *sc);
unsigned long wsheap_pool_shrink_scan(struct shrinker *shrinker,
				      struct shrink_control *sc);

#endif /* _WSHEAP_POOL_H */
