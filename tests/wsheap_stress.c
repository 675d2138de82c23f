// SPDX-License-Identifier: GPL-2.0
/*
 * Uses wsheap from all CPUs at once for some seconds, checks every block, and
 * reports in KTAP. An ordinary consumer: it sees what a driver sees.
 *
 *	insmod wsheap_stress.ko seconds=5
 */

#define pr_fmt(fmt) fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "wsheap.h"

static unsigned int seconds = 5;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long each of the four long cases runs");

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the random messages");

static bool greedy;
module_param(greedy, bool, 0444);
MODULE_PARM_DESC(greedy, "only take all memory, in blocks of several sizes; not for a machine in use");

static bool exhausted;
module_param(exhausted, bool, 0444);
MODULE_PARM_DESC(exhausted, "only wait for a heap while there is no memory; not for a machine in use");

#define BLOCKS	100

struct block {
	u8 *p;
	size_t size;
};

struct worker {
	struct task_struct *task;
	struct wsheap *heap;	/* shared, or NULL for heaps of its own */
	struct wsheap_pool *pool;	/* shared, or NULL */
	struct completion *start;
	struct completion done;
	u8 mark;
	u64 messages;
	u64 granted;
	size_t bytes;		/* granted and not yet reset */
	size_t rounded;		/* the same, as the bound counts them */
	const char *broken;	/* the first thing that was wrong */
	struct block blocks[BLOCKS];
};

static unsigned long end;	/* jiffies */

static size_t property(struct wsheap *heap, enum wsheap_property_id id)
{
	size_t value = SIZE_MAX;

	wsheap_get_property(heap, id, &value, sizeof(value));
	return value;
}

#define requested(heap)	property(heap, WSHEAP_PROPERTY_REQUESTED_SIZE)
#define actual(heap)	property(heap, WSHEAP_PROPERTY_ACTUAL_SIZE)

static size_t random_size(struct rnd_state *rnd)
{
	/* mostly small, some above a page, a few from vmalloc */
	unsigned int bits = prandom_u32_state(rnd) % 100;

	bits = bits < 90 ? bits / 9 : bits < 99 ? 13 : 17;
	return 1 + (prandom_u32_state(rnd) & ((1u << bits) - 1));
}

static void broken(struct worker *worker, const char *what)
{
	if (!worker->broken)
		worker->broken = what;
}

/* Takes up to BLOCKS blocks, then looks whether all still hold their mark. */
static void message(struct worker *worker, struct wsheap *heap,
		    struct rnd_state *rnd)
{
	unsigned int n, i, blocks = 1 + prandom_u32_state(rnd) % BLOCKS;

	for (n = 0; n < blocks; n++) {
		struct block *block = &worker->blocks[n];
		struct wsheap_error err = {};
		gfp_t gfp = GFP_KERNEL;

		block->size = random_size(rnd);
		if (block->size < 1000 && n % 4 == 0)
			gfp = GFP_NOWAIT;
		if (n % 3 == 0)
			gfp |= __GFP_ZERO;
		block->p = NULL;
		if (n % 7 == 0)
			block->p = wsheap_alloc_aligned(heap, block->size, 64,
							gfp);
		if (block->p)
			worker->rounded += 64 - WSHEAP_MIN_ALIGN;
		else
			block->p = wsheap_alloc_err(heap, block->size, gfp,
						    &err);
		if (!block->p) {
			if (err.code == -EDQUOT ?
			    err.limit - err.in_use >= block->size :
			    err.code != -ENOMEM || gfpflags_allow_blocking(gfp))
				broken(worker, "refused without reason");
			break;
		}
		if (!IS_ALIGNED((unsigned long)block->p, WSHEAP_MIN_ALIGN))
			broken(worker, "not aligned");
		if (gfp & __GFP_ZERO && memchr_inv(block->p, 0, block->size))
			broken(worker, "not zeroed");
		worker->rounded += ALIGN(block->size, WSHEAP_MIN_ALIGN);
		worker->granted++;
		worker->bytes += block->size;
		memset(block->p, worker->mark, block->size);
	}
	for (i = 0; i < n; i++)
		if (memchr_inv(worker->blocks[i].p, worker->mark,
			       worker->blocks[i].size))
			broken(worker, "written to by another");
	worker->messages++;
}

static void count_action(void *data)
{
	++*(unsigned int *)data;
}

/*
 * A part of a message that is taken back: its blocks, what it has added to an older
 * one, and its actions. A heap without a lock is as before then.
 */
static void try_and_go_back(struct worker *worker, struct wsheap *heap,
			    struct rnd_state *rnd)
{
	unsigned int blocks = prandom_u32_state(rnd) % 20, i, ran = 0;
	size_t size = random_size(rnd), before, more;
	u8 *older = wsheap_alloc(heap, size, GFP_KERNEL), *grown, *p;
	struct wsheap_action actions[2];
	struct wsheap_mark mark;

	if (!older)
		return;
	worker->rounded += ALIGN(size, WSHEAP_MIN_ALIGN);
	worker->bytes += size;
	memset(older, worker->mark, size);
	before = requested(heap);
	mark = wsheap_mark(heap);
	wsheap_add_action(heap, &actions[0], count_action, &ran);
	more = size + random_size(rnd);
	grown = wsheap_extend(heap, older, size, more, GFP_KERNEL);
	if (grown) {
		/* It may have moved, and the old one may be charged. */
		worker->rounded += ALIGN(more, WSHEAP_MIN_ALIGN);
		if (memchr_inv(grown, worker->mark, size))
			broken(worker, "not the same bytes in a longer block");
		memset(grown + size, 0xa5, more - size);
	}
	for (i = 0; i < blocks; i++) {
		more = random_size(rnd);
		p = wsheap_alloc(heap, more, GFP_NOWAIT);
		if (!p)
			continue;
		worker->rounded += ALIGN(more, WSHEAP_MIN_ALIGN);
		memset(p, 0x5a, more);
	}
	wsheap_add_action(heap, &actions[1], count_action, &ran);
	wsheap_rollback(heap, &mark);
	if (ran != 2)
		broken(worker, "a rollback ran not all actions");
	if (requested(heap) != before)
		broken(worker, "count of bytes is wrong after a rollback");
	if (memchr_inv(older, worker->mark, size))
		broken(worker, "a rollback changed an older block");
}

/* What a callback of wsheap_for_each() may do. */
static int look_at_heap(struct wsheap *heap, void *data)
{
	struct wsheap_summary sum;

	wsheap_summary(heap, &sum);
	return heap == data ? 1 : 0;
}

static int own_heaps_fn(void *data)
{
	struct worker *worker = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, seed + worker->mark);
	wait_for_completion(worker->start);
	while (time_before(jiffies, end) && !worker->broken) {
		size_t max = prandom_u32_state(&rnd) % SZ_256K;
		size_t trim = prandom_u32_state(&rnd) % SZ_64K;
		struct wsheap *heap = wsheap_create(max, trim, NULL);
		size_t left = 0;
		unsigned int i;

		if (IS_ERR(heap)) {
			broken(worker, "no heap");
			break;
		}
		for (i = 0; i < 20; i++) {
			worker->bytes = 0;
			worker->rounded = 0;
			message(worker, heap, &rnd);
			if (i % 3 == 0)
				try_and_go_back(worker, heap, &rnd);
			if (actual(heap) > WSHEAP_BOUND_FACTOR * worker->rounded +
					   WSHEAP_BOUND_CONSTANT + 2 * left)
				broken(worker, "holds more than the bound");
			if (requested(heap) != worker->bytes)
				broken(worker, "count of bytes is wrong");
			wsheap_reset(heap);
			if (requested(heap) ||
			    (trim <= max && actual(heap) > trim))
				broken(worker, "reset kept too much");
			left = actual(heap);
			worker->mark += 16;
		}
		/* Heaps of others come and go meanwhile. */
		if (worker->messages % 64 == 0 &&
		    !wsheap_for_each(look_at_heap, heap))
			broken(worker, "is not among all heaps");
		wsheap_destroy(heap);
		cond_resched();
	}
	complete(&worker->done);
	return 0;
}

static int shared_heap_fn(void *data)
{
	struct worker *worker = data;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, seed + worker->mark);
	wait_for_completion(worker->start);
	for (i = 0; i < 10; i++) {
		message(worker, worker->heap, &rnd);
		cond_resched();
	}
	complete(&worker->done);
	return 0;
}

#define IN_FLIGHT	12

/* Holds heaps for some time, each with a mark, and gives them back as others. */
static int pool_fn(void *data)
{
	struct worker *worker = data;
	struct {
		struct wsheap *heap;
		u8 *p;
		u8 mark;
	} flights[IN_FLIGHT] = {}, *f;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, seed + worker->mark);
	wait_for_completion(worker->start);
	while (time_before(jiffies, end) && !worker->broken) {
		size_t size = random_size(&rnd);

		f = &flights[prandom_u32_state(&rnd) % IN_FLIGHT];
		if (f->heap) {
			if (f->p && memchr_inv(f->p, f->mark, 100))
				broken(worker, "written to by another");
			wsheap_pool_free(worker->pool, f->heap);
			f->heap = NULL;
			continue;
		}
		f->heap = wsheap_pool_alloc(worker->pool, size % 2 ? GFP_KERNEL :
					    GFP_NOWAIT);
		if (!f->heap) {
			if (size % 2)
				broken(worker, "no heap");
			continue;
		}
		if (requested(f->heap))
			broken(worker, "a heap with blocks in it");
		f->mark = worker->mark += 16;
		f->p = wsheap_alloc(f->heap, 100, GFP_NOWAIT);
		if (f->p)
			memset(f->p, f->mark, 100);
		else
			broken(worker, "no memory where there was some");
		worker->bytes = 100;
		worker->rounded = 0;
		if (size % 5 == 0) {
			message(worker, f->heap, &rnd);
			try_and_go_back(worker, f->heap, &rnd);
		}
		if (size % 5 == 0 && requested(f->heap) != worker->bytes)
			broken(worker, "count of bytes is wrong");
		worker->messages++;
		if (worker->messages % 64 == 0)
			cond_resched();
	}
	for (i = 0; i < IN_FLIGHT; i++)
		wsheap_pool_free(worker->pool, flights[i].heap);
	complete(&worker->done);
	return 0;
}

/* While the lock is held, nobody else gets anything done. */
static void look_inside(struct worker *worker, struct wsheap *heap)
{
	struct wsheap_walk_entry entry = {};
	size_t before, walked = 0;

	if (wsheap_lock(heap)) {
		broken(worker, "cannot be locked");
		return;
	}
	before = requested(heap);
	while (!wsheap_walk(heap, &entry))
		if (entry.kind == WSHEAP_WALK_BUSY)
			walked += entry.size;
	if (walked != before)
		broken(worker, "walk and count of bytes disagree");
	if (!wsheap_validate(heap, NULL))
		broken(worker, "not sound");
	wsheap_free(heap, wsheap_alloc(heap, 300, GFP_ATOMIC));
	if (requested(heap) != before)
		broken(worker, "others were not kept out");
	wsheap_unlock(heap);
	if (!wsheap_for_each(look_at_heap, heap))
		broken(worker, "is not among all heaps");
}

/* Allocates, resizes and frees blocks of one private heap. */
static int private_fn(void *data)
{
	struct worker *worker = data;
	struct wsheap *heap = worker->heap;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, seed + worker->mark);
	wait_for_completion(worker->start);
	while (time_before(jiffies, end) && !worker->broken) {
		u32 what = prandom_u32_state(&rnd);
		struct block *block = &worker->blocks[what % BLOCKS];
		gfp_t gfp = what & BIT(20) ? GFP_KERNEL : GFP_NOWAIT;
		size_t size = random_size(&rnd), old = block->size;
		u8 *p;

		if (block->p && memchr_inv(block->p, worker->mark, old))
			broken(worker, "written to by another");
		if (block->p && what & BIT(21)) {
			wsheap_free(heap, block->p);
			block->p = NULL;
			block->size = 0;
		} else {
			p = wsheap_realloc(heap, block->p, size, gfp);
			if (p) {
				block->p = p;
				block->size = size;
				memset(p, worker->mark, size);
			}
		}
		if (block->p && wsheap_size(heap, block->p) != block->size)
			broken(worker, "size is wrong");
		if (what >> 22 == 0)
			look_inside(worker, heap);
		if (what >> 22 == 1)
			wsheap_compact(heap);
		if (++worker->messages % 64 == 0)
			cond_resched();
	}
	for (i = 0; i < BLOCKS; i++)
		wsheap_free(heap, worker->blocks[i].p);
	complete(&worker->done);
	return 0;
}

/* Two workers for each CPU, all at once. Returns what was wrong, or NULL. */
static const char *run_workers(int (*fn)(void *), struct wsheap *heap,
			       struct wsheap_pool *pool, u64 *messages,
			       size_t *bytes)
{
	unsigned int n = 2 * num_online_cpus(), i = 0, cpu;
	DECLARE_COMPLETION_ONSTACK(start);
	const char *wrong = NULL;
	struct worker *workers;

	workers = vzalloc(array_size(n, sizeof(*workers)));
	if (!workers)
		return "no memory for the test";
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		unsigned int pair;

		for (pair = 0; pair < 2 && i < n; pair++) {
			struct worker *worker = &workers[i];

			worker->heap = heap;
			worker->pool = pool;
			worker->start = &start;
			init_completion(&worker->done);
			worker->mark = ++i;
			worker->task = kthread_create(fn, worker, "stress/%u", i);
			if (IS_ERR(worker->task)) {
				worker->task = NULL;
				wrong = "no thread for the test";
				continue;
			}
			get_task_struct(worker->task);
			kthread_bind(worker->task, cpu);
			wake_up_process(worker->task);
		}
	}
	cpus_read_unlock();
	complete_all(&start);
	while (i--) {
		if (!workers[i].task)
			continue;
		/* One that is stopped before it ran would never run. */
		wait_for_completion(&workers[i].done);
		kthread_stop(workers[i].task);
		put_task_struct(workers[i].task);
		wrong = wrong ?: workers[i].broken;
		*messages += workers[i].messages;
		*bytes += workers[i].bytes;
	}
	vfree(workers);
	return wrong;
}

static const char *each_cpu_uses_heaps_of_its_own(void)
{
	u64 messages = 0;
	size_t bytes = 0;
	const char *wrong;

	end = jiffies + seconds * HZ;
	wrong = run_workers(own_heaps_fn, NULL, NULL, &messages, &bytes);
	pr_info("# %llu messages\n", messages);
	return wrong;
}

static const char *all_cpus_use_one_serialized_heap(void)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	const char *wrong = NULL;
	struct wsheap *heap;
	u64 messages = 0;

	/* some rounds end in the middle of a message, by the quota */
	heap = wsheap_create(SZ_2M, SZ_128K, &args);
	if (IS_ERR(heap))
		return "no heap";
	end = jiffies + seconds * HZ;
	while (time_before(jiffies, end) && !wrong) {
		size_t bytes = 0;

		wrong = run_workers(shared_heap_fn, heap, NULL, &messages,
				    &bytes);
		if (!wrong && requested(heap) != bytes)
			wrong = "count of bytes is wrong";
		seed += 1000;
		wsheap_reset(heap);
		if (actual(heap) > SZ_128K)
			wrong = wrong ?: "reset kept too much";
	}
	wsheap_destroy(heap);
	pr_info("# %llu messages\n", messages);
	return wrong;
}

static const char *all_cpus_take_heaps_from_one_pool(void)
{
	struct wsheap_args args = { .name = "stress-pool", .initial_size = 400 };
	struct wsheap_pool *pool;
	u64 messages = 0;
	size_t bytes = 0;
	const char *wrong;

	/* few idle ones, so that heaps come and go all the time */
	pool = wsheap_pool_create(SZ_256K, SZ_16K, &args, 2,
				  16 * num_possible_cpus());
	if (IS_ERR(pool))
		return "no pool";
	end = jiffies + seconds * HZ;
	wrong = run_workers(pool_fn, NULL, pool, &messages, &bytes);
	wsheap_pool_destroy(pool);
	pr_info("# %llu messages\n", messages);
	return wrong;
}

static struct wsheap_group *budget;
#define BUDGET		SZ_1M
#define SHARE		SZ_256K

/* What was refused by a group was refused with reason, to a byte. */
static void look_at_budget(struct worker *worker, struct wsheap_group *share,
			   struct wsheap *heap)
{
	if (wsheap_group_size(budget) > BUDGET || wsheap_group_size(share) > SHARE)
		broken(worker, "a budget was exceeded");
	if (actual(heap) > wsheap_group_size(share))
		broken(worker, "a heap holds more than its group");
}

/* A client with heaps of each kind, and a share in the budget of all. */
static int budget_fn(void *data)
{
	struct worker *worker = data;
	struct wsheap_args args = { .name = "stress-budget" };
	struct wsheap_pool *pool;
	struct wsheap *heaps[3];
	struct rnd_state rnd;
	unsigned int i, n;

	prandom_seed_state(&rnd, seed + worker->mark);
	args.group = wsheap_group_create("stress-share", SHARE, budget);
	pool = wsheap_pool_create(WSHEAP_UNLIMITED, SZ_64K, &args, 0, 0);
	heaps[0] = wsheap_create(WSHEAP_UNLIMITED, SZ_16K, &args);
	heaps[1] = wsheap_create_private_args(0, 0, 0, &args);
	if (IS_ERR(args.group) || IS_ERR(pool) || IS_ERR(heaps[0]))
		broken(worker, "no heap");
	wait_for_completion(worker->start);
	while (time_before(jiffies, end) && !worker->broken) {
		heaps[2] = wsheap_pool_alloc(pool, GFP_KERNEL);
		for (i = 0; i < 3; i++) {
			if (IS_ERR_OR_NULL(heaps[i]))
				continue;
			for (n = 0; n < 30; n++) {
				struct wsheap_error err = {};

				if (!wsheap_alloc_err(heaps[i], random_size(&rnd),
						      n % 2 ? GFP_NOWAIT : GFP_KERNEL,
						      &err) &&
				    err.code == -EDQUOT &&
				    (err.limit != SHARE && err.limit != BUDGET))
					broken(worker, "the figures of no group");
				look_at_budget(worker, args.group, heaps[i]);
			}
			worker->messages++;
			if (n % 2 && i < 2)
				wsheap_reset(heaps[i]);
		}
		wsheap_pool_free(pool, heaps[2]);
		wsheap_reset(heaps[0]);
		if (!IS_ERR(heaps[1]))
			wsheap_reset(heaps[1]);
		cond_resched();
	}
	wsheap_destroy(heaps[0]);
	wsheap_destroy(heaps[1]);
	wsheap_pool_destroy(pool);
	if (!IS_ERR(args.group) && wsheap_group_size(args.group))
		broken(worker, "a share is charged for nothing");
	wsheap_group_destroy(args.group);
	complete(&worker->done);
	return 0;
}

static const char *all_cpus_share_one_budget(void)
{
	const char *wrong;
	u64 messages = 0;
	size_t bytes = 0;

	budget = wsheap_group_create("stress-budget", BUDGET, NULL);
	if (IS_ERR(budget))
		return "no group";
	end = jiffies + seconds * HZ;
	wrong = run_workers(budget_fn, NULL, NULL, &messages, &bytes);
	if (wsheap_group_size(budget))
		wrong = wrong ?: "a budget is charged for nothing";
	wsheap_group_destroy(budget);
	pr_info("# %llu messages\n", messages);
	return wrong;
}

static const char *all_cpus_use_one_private_heap(void)
{
	static const size_t maximum[] = { 0, SZ_2M };
	const char *wrong = NULL;
	u64 operations = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(maximum) && !wrong; i++) {
		struct wsheap *heap = wsheap_create_private(0, 0, maximum[i]);
		size_t bytes = 0;

		if (IS_ERR(heap))
			return "no heap";
		end = jiffies + seconds * HZ / 2;
		wrong = run_workers(private_fn, heap, NULL, &operations, &bytes);
		if (!wrong && requested(heap))
			wrong = "count of bytes is wrong";
		if (!wrong && !wsheap_validate(heap, NULL))
			wrong = "not sound";
		wsheap_compact(heap);
		if (!wrong && actual(heap) != PAGE_SIZE)
			wrong = "compacting left free memory";
		wsheap_destroy(heap);
	}
	pr_info("# %llu operations\n", operations);
	return wrong;
}

/* A heap with chunks from kmalloc and vmalloc, used and reset in a context. */
static struct context {
	struct wsheap *heap;
	struct wsheap_pool *pool;
	struct completion done;
	const char *wrong;
} context;

static void use_in_context(bool as_meant)
{
	struct wsheap *heap = context.heap, *pooled;
	size_t size;

	if (!as_meant)
		context.wrong = "not the context that was meant";
	for (size = 1; size < 8000; size *= 3)
		if (!wsheap_zalloc(heap, size, GFP_ATOMIC))
			context.wrong = "no memory";
	wsheap_reset(heap);
	if (requested(heap) || actual(heap) > SZ_4K)
		context.wrong = "reset kept too much";
	if (!wsheap_alloc(heap, 8, GFP_NOWAIT))
		context.wrong = "no memory after reset";
	pooled = wsheap_pool_alloc(context.pool, GFP_ATOMIC);
	if (!pooled || !wsheap_alloc(pooled, 1000, GFP_ATOMIC))
		context.wrong = "no memory from the pool";
	wsheap_pool_free(context.pool, pooled);
	complete(&context.done);
}

static void hardirq_fn(struct irq_work *work)
{
	use_in_context(in_hardirq());
}

static void softirq_fn(struct tasklet_struct *tasklet)
{
	use_in_context(in_serving_softirq());
}

static void run_in_hardirq(void)
{
	struct irq_work work = IRQ_WORK_INIT(hardirq_fn);

	irq_work_queue(&work);
	irq_work_sync(&work);
}

static void run_in_softirq(void)
{
	struct tasklet_struct tasklet;

	tasklet_setup(&tasklet, softirq_fn);
	tasklet_schedule(&tasklet);
	wait_for_completion(&context.done);
	tasklet_kill(&tasklet);
}

static void run_under_spinlock(void)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long irq;

	spin_lock_irqsave(&lock, irq);
	use_in_context(true);
	spin_unlock_irqrestore(&lock, irq);
}

static const char *run_in_context(void (*run)(void))
{
	unsigned int i;

	context.heap = wsheap_create(WSHEAP_UNLIMITED, SZ_4K, NULL);
	if (IS_ERR(context.heap))
		return "no heap";
	/* no idle ones but behind its lock, and then none at all */
	context.pool = wsheap_pool_create(SZ_64K, SZ_4K, NULL, 0, 1);
	if (IS_ERR(context.pool)) {
		wsheap_destroy(context.heap);
		return "no pool";
	}
	context.wrong = NULL;
	for (i = 0; i < 100; i++) {
		init_completion(&context.done);
		if (!wsheap_alloc(context.heap, 100000, GFP_KERNEL) ||
		    !wsheap_alloc(context.heap, 100, GFP_KERNEL))
			context.wrong = "no memory";
		run();
	}
	wsheap_pool_destroy(context.pool);
	wsheap_destroy(context.heap);
	return context.wrong;
}

static const char *softirq_uses_a_heap(void)
{
	return run_in_context(run_in_softirq);
}

static const char *spinlock_holder_uses_a_heap(void)
{
	return run_in_context(run_under_spinlock);
}

static const char *hardirq_uses_a_heap(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return NULL;	/* the documented exception */
	return run_in_context(run_in_hardirq);
}

static const char *each_node_has_heaps_of_its_memory(void)
{
	const char *wrong = NULL;
	int node;

	for_each_online_node(node) {
		struct wsheap_args args = { .flags = WSHEAP_NODE, .node = node };
		struct wsheap *heap = wsheap_create(WSHEAP_UNLIMITED, 0, &args);
		void *small, *large;

		if (IS_ERR(heap))
			return "no heap";
		small = wsheap_alloc(heap, 100, GFP_KERNEL);
		large = wsheap_alloc(heap, 100000, GFP_KERNEL);
		if (!small || !large)
			wrong = "no memory";
		else if (page_to_nid(virt_to_page(small)) != node ||
			 page_to_nid(vmalloc_to_page(large)) != node)
			wrong = "memory of another node";
		wsheap_destroy(heap);
	}
	pr_info("# %u nodes\n", num_online_nodes());
	return wrong;
}

static const char *thousands_of_idle_heaps_are_cheap(void)
{
	const unsigned int n = 10000;
	const char *wrong = NULL;
	struct wsheap **heaps;
	unsigned int i;

	heaps = vzalloc(array_size(n, sizeof(*heaps)));
	if (!heaps)
		return "no memory for the test";
	for (i = 0; i < n; i++) {
		heaps[i] = wsheap_create(SZ_64K, SZ_1K, NULL);
		if (IS_ERR(heaps[i]) || !wsheap_alloc(heaps[i], 100, GFP_KERNEL))
			wrong = "no heap";
		else if (actual(heaps[i]) > SZ_1K)
			wrong = "a small message holds more than 1 KiB";
	}
	for (i = 0; i < n; i++)
		wsheap_destroy(heaps[i]);
	vfree(heaps);
	return wrong;
}

/*
 * Takes all memory in blocks of each size, those of kmalloc and those of vmalloc.
 * The kernel's log says so if a process was killed for it.
 */
static const char *no_size_kills_a_process(void)
{
	const size_t most = min_t(size_t, INT_MAX,
				  totalram_pages() * PAGE_SIZE / 20 * 19);
	const size_t sizes[] = {
		most, 1000, 8192, 12289, 16384, 20000, 28673, 32768, 100000
	};
	const char *wrong = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct wsheap *heap = wsheap_create(WSHEAP_UNLIMITED, 0, NULL);
		struct wsheap_error err = {};

		if (IS_ERR(heap))
			return "no heap";
		while (wsheap_alloc_err(heap, sizes[i], GFP_KERNEL, &err))
			;
		pr_info("# blocks of %zu bytes: %zu held\n", sizes[i],
			actual(heap));
		if (err.code != -ENOMEM)
			wrong = "refused without reason";
		wsheap_destroy(heap);
	}
	return wrong;
}

/* All memory that a caller can have who may reclaim but does not insist. */
struct eaten {
	struct delayed_work work;
	void *pages;		/* linked through their first bytes */
	void *objects;
};

static void *eat(void *list, void *p)
{
	if (p)
		*(void **)p = list;
	return p;
}

static void eat_all(struct eaten *eaten)
{
	const gfp_t gfp = GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN;
	static const size_t sizes[] = { 64, 96, 128, 192, 256, 512, 1024, 2048 };
	unsigned int i;
	void *p;

	while ((p = eat(eaten->pages, (void *)__get_free_page(gfp))))
		eaten->pages = p;
	/* What slabs still have. */
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		while ((p = eat(eaten->objects, kmalloc(sizes[i], gfp))))
			eaten->objects = p;
}

static void give_back_fn(struct work_struct *work)
{
	struct eaten *eaten = container_of(to_delayed_work(work), struct eaten,
					   work);
	void *p;

	while ((p = eaten->pages)) {
		eaten->pages = *(void **)p;
		free_page((unsigned long)p);
	}
	while ((p = eaten->objects)) {
		eaten->objects = *(void **)p;
		kfree(p);
	}
}

struct pool_return {
	struct delayed_work work;
	struct wsheap_pool *pool;
	struct wsheap *heap;
};

static void pool_return_fn(struct work_struct *work)
{
	struct pool_return *ret = container_of(to_delayed_work(work),
					       struct pool_return, work);

	wsheap_pool_free(ret->pool, ret->heap);
}

/*
 * With memory exhausted, and not just allocations that fail: the page allocator
 * loops for a caller that may reclaim. Memory comes back after a while, so that
 * a caller which waits for that ends, too.
 */
static const char *waiter_gets_the_next_heap_at_once(size_t initial_size)
{
	struct wsheap_args args = { .initial_size = initial_size };
	struct pool_return ret = {};
	struct eaten eaten = {};
	const char *wrong = NULL;
	unsigned long begin;
	struct wsheap *heap;

	ret.pool = wsheap_pool_create(WSHEAP_UNLIMITED, WSHEAP_UNLIMITED, &args,
				      1, 1);
	if (IS_ERR(ret.pool))
		return "no pool";
	INIT_DELAYED_WORK_ONSTACK(&ret.work, pool_return_fn);
	INIT_DELAYED_WORK_ONSTACK(&eaten.work, give_back_fn);
	eat_all(&eaten);
	schedule_delayed_work(&eaten.work, 8 * HZ);

	ret.heap = wsheap_pool_alloc(ret.pool, GFP_NOWAIT | __GFP_NOWARN);
	if (ret.heap) {
		schedule_delayed_work(&ret.work, HZ / 5);
		begin = jiffies;
		heap = wsheap_pool_alloc(ret.pool, GFP_NOIO);
		pr_info("# initial size %zu: waited %u ms\n", initial_size,
			jiffies_to_msecs(jiffies - begin));
		if (heap != ret.heap)
			wrong = "it was not the heap that was returned";
		else if (time_after(jiffies, begin + 2 * HZ))
			wrong = "the waiter was not served at once";
		flush_delayed_work(&ret.work);
		wsheap_pool_free(ret.pool, heap);
	} else {
		wrong = "the reserve does not serve";
	}
	cancel_delayed_work_sync(&eaten.work);
	give_back_fn(&eaten.work.work);
	destroy_delayed_work_on_stack(&eaten.work);
	destroy_delayed_work_on_stack(&ret.work);
	wsheap_pool_destroy(ret.pool);
	return wrong;
}

#define CASE(fn) { fn, #fn }

static const struct {
	const char *(*run)(void);
	const char *name;
} cases[] = {
	CASE(each_cpu_uses_heaps_of_its_own),
	CASE(all_cpus_use_one_serialized_heap),
	CASE(all_cpus_take_heaps_from_one_pool),
	CASE(all_cpus_share_one_budget),
	CASE(all_cpus_use_one_private_heap),
	CASE(softirq_uses_a_heap),
	CASE(spinlock_holder_uses_a_heap),
	CASE(hardirq_uses_a_heap),
	CASE(each_node_has_heaps_of_its_memory),
	CASE(thousands_of_idle_heaps_are_cheap),
};

static int __init stress_init(void)
{
	unsigned int i, failed = 0;
	const char *wrong;

	if (exhausted) {
		wrong = waiter_gets_the_next_heap_at_once(1000) ?:
			waiter_gets_the_next_heap_at_once(100000);
		if (wrong)
			pr_err("exhausted: %s\n", wrong);
		return wrong ? -ENOMEM : 0;
	}
	if (greedy) {
		wrong = no_size_kills_a_process();
		if (wrong)
			pr_err("greedy: %s\n", wrong);
		return wrong ? -ENOMEM : 0;
	}
	/* As KUnit has it, so that its parser reads it. */
	pr_info("KTAP version 1\n");
	pr_info("1..1\n");
	pr_info("    KTAP version 1\n");
	pr_info("    # Subtest: wsheap_stress\n");
	pr_info("    1..%zu\n", ARRAY_SIZE(cases));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		wrong = cases[i].run();
		if (wrong)
			pr_info("    # %s: %s (seed %u)\n", cases[i].name, wrong,
				seed);
		pr_info("    %sok %u %s\n", wrong ? "not " : "", i + 1,
			cases[i].name);
		failed += !!wrong;
	}
	pr_info("%sok 1 wsheap_stress\n", failed ? "not " : "");
	return 0;
}

static void __exit stress_exit(void)
{
}

module_init(stress_init);
module_exit(stress_exit);

MODULE_DESCRIPTION("Self-checking stress for wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
