// SPDX-License-Identifier: GPL-2.0
/*
 * What a driver can do wrong with heaps. An ordinary consumer, which makes each mistake
 * once when it is asked for, so that one sees what wsheap and the kernel say of it.
 *
 *	insmod wsheap_mistakes.ko mistake=overrun,double_free
 *	insmod wsheap_mistakes.ko mistake=overrun with=kmalloc
 *	insmod wsheap_mistakes.ko mistake=list
 *
 * A mistake is a function, and its heap has the same name. It is made in a thread of
 * its own, because it may end that thread. The kernel's log has, for programs to read,
 *
 *	mistake overrun: begin
 *	mistake overrun: made
 *	mistake overrun: came back
 *
 * where "made" comes between the mistake and the end of its blocks, and "thread died"
 * or "thread hangs" may stand for the last line. The suite in mistakes_kunit.c makes
 * the same mistakes in a kernel with KASAN.
 */

#ifndef MISTAKES_KUNIT
#define pr_fmt(fmt) fmt
#endif

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "wsheap.h"

enum heap_kind {
	NO_HEAP,
	MESSAGE_HEAP,
	PRIVATE_HEAP,
};

/**
 * struct mistake - something to be done wrong
 * @name: of the function, and of the class of its heaps.
 * @make: does it.
 * @kind: of the heap that @make is called with. It has memory, so blocks of a few
 *	kilobytes in sum are never refused.
 */
struct mistake {
	const char *name;
	void (*make)(struct wsheap *heap);
	enum heap_kind kind;
};

/* What is under way. There is one at a time. */
static const struct mistake *mistake_now;
static struct wsheap *mistake_heap;
static bool mistake_came_back;

/* Longer than it takes a worker to unmap the pages of a block that has ended. */
#define PAUSE_MS	100

/*
 * Blocks of this size come from slabs that are used little otherwise, so that a write
 * to one that was released harms nobody.
 */
#define RELEASED_SIZE	1400

static void mistake_made(void)
{
	pr_info("mistake %s: made\n", mistake_now->name);
}

/* The compiler must not know what follows from a block's size, or from its end. */
#define hidden(p)	({ u8 *_p = (p); OPTIMIZER_HIDE_VAR(_p); _p; })

#define write_byte(p, byte)	WRITE_ONCE(*hidden(p), byte)
#define read_byte(p)		((void)READ_ONCE(*hidden(p)))

static __always_inline u8 *take(struct wsheap *heap, size_t size)
{
	return hidden(wsheap_alloc(heap, size, GFP_KERNEL));
}

/*
 * Blocks.
 */

static void overrun(struct wsheap *heap)
{
	u8 *p = take(heap, 24);

	write_byte(p + 24, 'x');
	mistake_made();
	wsheap_reset(heap);
}

/* Up to the alignment, the byte behind the block belongs to no other. */
static void overrun_odd(struct wsheap *heap)
{
	u8 *p = take(heap, 29);

	write_byte(p + 29, 'x');
	mistake_made();
	wsheap_reset(heap);
}

static void underrun(struct wsheap *heap)
{
	u8 *p = take(heap, 24);

	/* What is there may be the header of a chunk, where a 0 does no harm. */
	write_byte(p - 1, 0);
	mistake_made();
	wsheap_reset(heap);
}

static void read_after_reset(struct wsheap *heap)
{
	u8 *p = take(heap, RELEASED_SIZE);

	wsheap_reset(heap);
	msleep(PAUSE_MS);
	read_byte(p);
	mistake_made();
}

static void write_after_reset(struct wsheap *heap)
{
	u8 *p = take(heap, RELEASED_SIZE);

	wsheap_reset(heap);
	msleep(PAUSE_MS);
	write_byte(p, 'x');
	mistake_made();
}

static void read_after_rollback(struct wsheap *heap)
{
	struct wsheap_mark mark = wsheap_mark(heap);
	u8 *p = take(heap, RELEASED_SIZE);

	wsheap_rollback(heap, &mark);
	msleep(PAUSE_MS);
	read_byte(p);
	mistake_made();
}

static void write_after_rollback(struct wsheap *heap)
{
	struct wsheap_mark mark = wsheap_mark(heap);
	u8 *p = take(heap, RELEASED_SIZE);

	wsheap_rollback(heap, &mark);
	msleep(PAUSE_MS);
	write_byte(p, 'x');
	mistake_made();
}

static struct wsheap *own_heap(const char *name)
{
	const struct wsheap_args args = { .name = name, .initial_size = SZ_4K };

	return wsheap_create(SZ_64K, SZ_64K, &args);
}

static void write_after_destroy(struct wsheap *heap)
{
	u8 *p;

	heap = own_heap("write_after_destroy");
	if (IS_ERR(heap))
		return;
	p = take(heap, RELEASED_SIZE);
	wsheap_destroy(heap);
	msleep(PAUSE_MS);
	write_byte(p, 'x');
	mistake_made();
}

/*
 * Heaps.
 */

static void call_after_destroy(struct wsheap *heap)
{
	heap = own_heap("call_after_destroy");
	if (IS_ERR(heap))
		return;
	wsheap_destroy(heap);
	take((struct wsheap *)hidden((u8 *)heap), 24);
	mistake_made();
}

static void double_destroy(struct wsheap *heap)
{
	heap = own_heap("double_destroy");
	if (IS_ERR(heap))
		return;
	wsheap_destroy(heap);
	wsheap_destroy((struct wsheap *)hidden((u8 *)heap));
	mistake_made();
}

static void destroy_embedded(struct wsheap *heap)
{
	const struct wsheap_args args = { .name = "destroy_embedded" };

	heap = kmalloc(sizeof(*heap), GFP_KERNEL);
	if (heap && !wsheap_init(heap, SZ_64K, SZ_64K, &args)) {
		wsheap_destroy(heap);
		mistake_made();
		wsheap_exit(heap);
	}
	kfree(heap);
}

static void exit_created(struct wsheap *heap)
{
	wsheap_exit(heap);
	mistake_made();
}

/* The oldest message is old when the quota is used up. */
static void forgotten_reset(struct wsheap *heap)
{
	take(heap, 1000);
	msleep(2500);
	while (wsheap_alloc(heap, 1000, GFP_KERNEL))
		;
	mistake_made();
}

static void sleep_in_atomic(struct wsheap *heap)
{
	static DEFINE_SPINLOCK(lock);

	/* Then there are pages mapped ahead, as usual. */
	msleep(PAUSE_MS);
	spin_lock(&lock);
	take(heap, 24);
	spin_unlock(&lock);
	mistake_made();
}

static void zone_flag(struct wsheap *heap)
{
	wsheap_alloc(heap, 24, GFP_KERNEL | __GFP_DMA);
	mistake_made();
}

static void nofail(struct wsheap *heap)
{
	wsheap_alloc(heap, 24, GFP_KERNEL | __GFP_NOFAIL);
	mistake_made();
}

static void free_in_message_heap(struct wsheap *heap)
{
	wsheap_free(heap, take(heap, 24));
	mistake_made();
}

static void mark_in_private_heap(struct wsheap *heap)
{
	struct wsheap_mark mark = wsheap_mark(heap);

	wsheap_rollback(heap, &mark);
	mistake_made();
}

static void group_in_use(struct wsheap *heap)
{
	struct wsheap_group *group = wsheap_group_create("group_in_use", SZ_1M, NULL);
	const struct wsheap_args args = { .name = "group_in_use", .group = group };

	if (IS_ERR(group))
		return;
	heap = wsheap_create(SZ_64K, SZ_64K, &args);
	wsheap_group_destroy(group);
	mistake_made();
	wsheap_destroy(heap);
	wsheap_group_destroy(group);
}

/*
 * Two users at once.
 */

struct heap_user {
	struct wsheap *heap;
	size_t size;
	unsigned long end;	/* jiffies */
	struct task_struct *task;
};

static int heap_user_fn(void *data)
{
	const struct heap_user *user = data;
	unsigned int i;
	u8 *p;

	while (time_before(jiffies, user->end)) {
		for (i = 0; i < 8; i++) {
			p = wsheap_alloc(user->heap, user->size, GFP_KERNEL);
			if (p)
				write_byte(p, 'x');
		}
		wsheap_reset(user->heap);
		cond_resched();
	}
	return 0;
}

/* Waits until a thread has ended, by itself or by an oops. Returns whether it has. */
static bool thread_has_ended(struct task_struct *task, unsigned int seconds)
{
	unsigned long end = jiffies + seconds * HZ;

	while (!READ_ONCE(task->exit_state) && time_before(jiffies, end))
		msleep(20);
	return READ_ONCE(task->exit_state);
}

/* The users are this long at it, each on a CPU of its own. */
static void use_at_once(struct wsheap *heap, size_t size)
{
	static struct heap_user users[2];
	unsigned int cpu = cpumask_first(cpu_online_mask), i;
	struct heap_user *user;

	/* They may outlive this function. */
	for (i = 0; i < ARRAY_SIZE(users) && cpu < nr_cpu_ids; i++) {
		user = &users[i];
		user->heap = heap;
		user->size = size;
		user->end = jiffies + HZ / 2;
		user->task = kthread_create(heap_user_fn, user, "user/%u", i);
		if (IS_ERR(user->task))
			break;
		get_task_struct(user->task);
		kthread_bind(user->task, cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
	}
	for (user = users; user < users + i; user++)
		wake_up_process(user->task);
	for (user = users; user < users + i; user++) {
		if (!thread_has_ended(user->task, 5))
			pr_info("mistake %s: a user hangs\n", mistake_now->name);
		put_task_struct(user->task);
	}
	mistake_made();
}

static void two_users(struct wsheap *heap)
{
	use_at_once(heap, 100);
}

/* Each of these blocks has a chunk of its own, so it takes the long path. */
static void two_users_large(struct wsheap *heap)
{
	use_at_once(heap, 9000);
}

/*
 * Pools.
 */

static struct wsheap_pool *own_pool(void)
{
	const struct wsheap_args args = {
		.name = mistake_now->name,
		.initial_size = SZ_4K,
	};
	struct wsheap_pool *pool = wsheap_pool_create(SZ_64K, SZ_64K, &args, 1, 4);

	return IS_ERR(pool) ? NULL : pool;
}

static void double_return(struct wsheap *heap)
{
	struct wsheap_pool *pool = own_pool();

	if (!pool)
		return;
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	wsheap_pool_free(pool, heap);
	wsheap_pool_free(pool, heap);
	mistake_made();
	wsheap_pool_destroy(pool);
}

static void wrong_pool(struct wsheap *heap)
{
	struct wsheap_pool *pool = own_pool(), *other = own_pool();

	if (!pool || !other)
		return;
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	wsheap_pool_free(other, heap);
	mistake_made();
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(other);
	wsheap_pool_destroy(pool);
}

static void no_pool(struct wsheap *heap)
{
	struct wsheap_pool *pool = own_pool();

	if (!pool)
		return;
	wsheap_pool_free(pool, heap);
	mistake_made();
	wsheap_pool_destroy(pool);
}

static void destroy_pooled(struct wsheap *heap)
{
	struct wsheap_pool *pool = own_pool();

	if (!pool)
		return;
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	wsheap_destroy(heap);
	mistake_made();
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
}

static void pool_in_use(struct wsheap *heap)
{
	struct wsheap_pool *pool = own_pool();

	if (!pool)
		return;
	wsheap_pool_alloc(pool, GFP_KERNEL);
	wsheap_pool_destroy(pool);
	mistake_made();
}

/*
 * Private heaps.
 */

static void overrun_private(struct wsheap *heap)
{
	u8 *p = take(heap, 29);

	write_byte(p + 29, 'x');
	mistake_made();
	wsheap_free(heap, p);
}

/* The bytes behind the block belong to the header of the next one. */
static void overrun_header(struct wsheap *heap)
{
	u8 *p = take(heap, 24), *next = take(heap, 24);
	unsigned int i;

	for (i = 0; i < 8; i++)
		write_byte(p + 24 + i, 'x');
	mistake_made();
	wsheap_free(heap, next);
	wsheap_free(heap, p);
}

static void read_after_free(struct wsheap *heap)
{
	u8 *p = take(heap, RELEASED_SIZE);

	wsheap_free(heap, p);
	msleep(PAUSE_MS);
	read_byte(p);
	mistake_made();
}

/* At its beginning, a free block has a link. */
static void write_after_free(struct wsheap *heap)
{
	u8 *p = take(heap, RELEASED_SIZE), *next = take(heap, 24);

	wsheap_free(heap, p);
	msleep(PAUSE_MS);
	write_byte(p, *p + 1);
	mistake_made();
	take(heap, RELEASED_SIZE);
	wsheap_free(heap, next);
}

static void double_free(struct wsheap *heap)
{
	u8 *p = take(heap, 24);

	wsheap_free(heap, p);
	wsheap_free(heap, p);
	mistake_made();
}

static void foreign(struct wsheap *heap)
{
	static const struct wsheap_args args = { .name = "foreign" };
	struct wsheap *other = wsheap_create_private_args(0, 0, 0, &args);
	u8 *p;

	if (IS_ERR(other))
		return;
	p = take(other, 24);
	wsheap_free(heap, p);
	mistake_made();
	wsheap_destroy(other);
}

static void inside(struct wsheap *heap)
{
	u8 *p = take(heap, 64);

	wsheap_free(heap, p + 16);
	mistake_made();
}

static void unlock_by_stranger(struct wsheap *heap)
{
	wsheap_unlock(heap);
	mistake_made();
}

/* The kernel warns of a failure that nobody handles. */
static void unhandled(struct wsheap *heap)
{
	static const struct wsheap_args args = { .name = "unhandled" };

	heap = wsheap_create_private_args(WSHEAP_GENERATE_EXCEPTIONS, 0, PAGE_SIZE,
					  &args);
	if (IS_ERR(heap))
		return;
	wsheap_alloc(heap, SZ_64K, GFP_KERNEL);
	mistake_made();
	wsheap_destroy(heap);
}

/* All of these stay when the module goes. */
static void left_behind(struct wsheap *heap)
{
	struct wsheap_pool *pool = own_pool();

	if (!pool || IS_ERR(own_heap("left_behind")))
		return;
	take(wsheap_pool_alloc(pool, GFP_KERNEL), 24);
	mistake_made();
}

#define MESSAGE(fn)	{ #fn, fn, MESSAGE_HEAP }
#define PRIVATE(fn)	{ #fn, fn, PRIVATE_HEAP }
#define OTHER(fn)	{ #fn, fn, NO_HEAP }

static const struct mistake mistakes[] = {
	MESSAGE(overrun),
	MESSAGE(overrun_odd),
	MESSAGE(underrun),
	MESSAGE(read_after_reset),
	MESSAGE(write_after_reset),
	MESSAGE(read_after_rollback),
	MESSAGE(write_after_rollback),
	OTHER(write_after_destroy),
	OTHER(call_after_destroy),
	OTHER(double_destroy),
	OTHER(destroy_embedded),
	MESSAGE(exit_created),
	MESSAGE(forgotten_reset),
	MESSAGE(sleep_in_atomic),
	MESSAGE(zone_flag),
	MESSAGE(nofail),
	MESSAGE(free_in_message_heap),
	PRIVATE(mark_in_private_heap),
	OTHER(group_in_use),
	MESSAGE(two_users),
	MESSAGE(two_users_large),
	OTHER(double_return),
	OTHER(wrong_pool),
	MESSAGE(no_pool),
	OTHER(destroy_pooled),
	OTHER(pool_in_use),
	PRIVATE(overrun_private),
	PRIVATE(overrun_header),
	PRIVATE(read_after_free),
	PRIVATE(write_after_free),
	PRIVATE(double_free),
	PRIVATE(foreign),
	PRIVATE(inside),
	PRIVATE(unlock_by_stranger),
	OTHER(unhandled),
	OTHER(left_behind),
};

/*
 * The same with kmalloc, where that makes sense.
 */

static void kmalloc_overrun(struct wsheap *heap)
{
	u8 *p = hidden(kmalloc(24, GFP_KERNEL));

	write_byte(p + 24, 'x');
	mistake_made();
	kfree(p);
}

static void kmalloc_overrun_odd(struct wsheap *heap)
{
	u8 *p = hidden(kmalloc(29, GFP_KERNEL));

	write_byte(p + 29, 'x');
	mistake_made();
	kfree(p);
}

static void kmalloc_underrun(struct wsheap *heap)
{
	u8 *p = hidden(kmalloc(24, GFP_KERNEL)), byte = READ_ONCE(p[-1]);

	/* The byte belongs to somebody else. */
	write_byte(p - 1, byte);
	mistake_made();
	kfree(p);
}

static void kmalloc_read_after_free(struct wsheap *heap)
{
	u8 *p = hidden(kmalloc(RELEASED_SIZE, GFP_KERNEL));

	kfree(p);
	msleep(PAUSE_MS);
	read_byte(p);
	mistake_made();
}

static void kmalloc_write_after_free(struct wsheap *heap)
{
	u8 *p = hidden(kmalloc(RELEASED_SIZE, GFP_KERNEL));

	kfree(p);
	msleep(PAUSE_MS);
	write_byte(p, 'x');
	mistake_made();
}

static void kmalloc_double_free(struct wsheap *heap)
{
	u8 *p = hidden(kmalloc(RELEASED_SIZE, GFP_KERNEL));

	kfree(p);
	kfree(hidden(p));
	mistake_made();
}

#define KMALLOC(fn)	{ #fn, kmalloc_##fn, NO_HEAP }

static const struct mistake kmalloc_mistakes[] = {
	KMALLOC(overrun),
	KMALLOC(overrun_odd),
	KMALLOC(underrun),
	KMALLOC(read_after_free),
	KMALLOC(write_after_free),
	KMALLOC(double_free),
};

/*
 * How they are made.
 */

static struct wsheap *heap_for(const struct mistake *mistake)
{
	const struct wsheap_args args = { .name = mistake->name };

	if (mistake->kind == MESSAGE_HEAP)
		return own_heap(mistake->name);
	if (mistake->kind == PRIVATE_HEAP)
		return wsheap_create_private_args(0, SZ_4K, 0, &args);
	return NULL;
}

/* Makes a mistake in this thread, which may end it. */
static int mistake_make(const struct mistake *mistake)
{
	struct wsheap *heap = heap_for(mistake);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	mistake_now = mistake;
	mistake_heap = heap;
	mistake_came_back = false;
	pr_info("mistake %s: begin\n", mistake->name);
	mistake->make(heap);
	/* A heap that two used may not stand this. */
	wsheap_destroy(heap);
	mistake_heap = NULL;
	WRITE_ONCE(mistake_came_back, true);
	return 0;
}

#ifndef MISTAKES_KUNIT

#define MISTAKES_MAX	64

static char *mistake[MISTAKES_MAX];
static unsigned int nr_mistakes;
module_param_array(mistake, charp, &nr_mistakes, 0444);
MODULE_PARM_DESC(mistake, "which to make, or \"list\"; not for a machine in use");

static char *with = "wsheap";
module_param(with, charp, 0444);
MODULE_PARM_DESC(with, "wsheap or kmalloc");

static int mistake_fn(void *data)
{
	return mistake_make(data);
}

/* Returns an error if no further mistake should be made. */
static int mistake_run(const struct mistake *mistake)
{
	struct task_struct *task;
	bool ended;

	mistake_came_back = false;
	task = kthread_create(mistake_fn, (void *)mistake, "mistake");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	wake_up_process(task);
	ended = thread_has_ended(task, 15);
	put_task_struct(task);
	if (!ended) {
		/* Its code has to stay. */
		__module_get(THIS_MODULE);
		pr_info("mistake %s: thread hangs\n", mistake->name);
		return -EDEADLK;
	}
	pr_info("mistake %s: %s\n", mistake->name,
		READ_ONCE(mistake_came_back) ? "came back" : "thread died");
	/* A heap whose block has faulted is as sound as ever. */
	if (mistake_heap && mistake->make != two_users && mistake->make != two_users_large)
		wsheap_destroy(mistake_heap);
	mistake_heap = NULL;
	return 0;
}

static int __init mistakes_init(void)
{
	bool kmalloc = !strcmp(with, "kmalloc");
	const struct mistake *all = kmalloc ? kmalloc_mistakes : mistakes, *found;
	size_t n = kmalloc ? ARRAY_SIZE(kmalloc_mistakes) : ARRAY_SIZE(mistakes);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr_mistakes && !ret; i++) {
		for (found = all; found < all + n; found++) {
			if (!strcmp(mistake[i], "list"))
				pr_info("mistake: %s\n", found->name);
			else if (!strcmp(mistake[i], found->name))
				break;
		}
		if (found < all + n)
			ret = mistake_run(found);
		else if (strcmp(mistake[i], "list"))
			ret = -EINVAL;
	}
	return ret;
}

static void __exit mistakes_exit(void)
{
}

module_init(mistakes_init);
module_exit(mistakes_exit);

MODULE_DESCRIPTION("Mistakes of drivers with wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);

#endif /* MISTAKES_KUNIT */
