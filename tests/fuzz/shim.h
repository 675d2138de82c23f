/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of a kernel as wsheap calls, in user space. The build includes this
 * before each source, and gives the headers that sources include as empty
 * files, except those that the kernel's own tools/include has: lists, trees,
 * bit operations and the like come from there.
 *
 * There is one thread. Memory is what matters here: shim.c hands it out as slab
 * and vmap() would, and takes access to it away when it goes back. Locks only
 * check that they are taken and released in turn, and that nobody sleeps with
 * one held.
 */
#ifndef _WSHEAP_FUZZ_SHIM_H
#define _WSHEAP_FUZZ_SHIM_H

#define CONFIG_64BIT	1

#include <assert.h>
#include <errno.h>
#include <linux/kconfig.h>
#include <linux/types.h>
#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/poison.h>
#include <linux/rbtree.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <limits.h>

#define LINUX_VERSION_MAJOR		6
#define LINUX_VERSION_PATCHLEVEL	12
#define KBUILD_MODNAME			"wsheap"

#define PAGE_SHIFT	12
#define PAGE_SIZE	BIT(PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)	ALIGN(x, PAGE_SIZE)
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)

/* Where the versions of tools/include are narrower than the kernel's. */
#undef min
#undef max
#undef min_t
#undef max_t
#undef clamp
#undef READ_ONCE
#undef WRITE_ONCE
#undef BUG_ON
#undef BUG
#define min_t(type, x, y) \
	({ type __x = (x); type __y = (y); __x < __y ? __x : __y; })
#define max_t(type, x, y) \
	({ type __x = (x); type __y = (y); __x > __y ? __x : __y; })
#define min(x, y)	min_t(typeof((x) + (y)), x, y)
#define max(x, y)	max_t(typeof((x) + (y)), x, y)
#define min3(x, y, z)	min(min(x, y), z)
#define max3(x, y, z)	max(max(x, y), z)
#define clamp_t(type, x, lo, hi)	min_t(type, max_t(type, x, lo), hi)
#define clamp(x, lo, hi)		min(max(x, lo), hi)
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile typeof(x) *)&(x) = (value))
#define data_race(x)		(x)
#define swap(a, b) \
	do { typeof(a) __tmp = (a); (a) = (b); (b) = __tmp; } while (0)
#define PTR_ALIGN(p, a)		((typeof(p))ALIGN((unsigned long)(p), (a)))
#define PTR_ALIGN_DOWN(p, a)	((typeof(p))ALIGN_DOWN((unsigned long)(p), (a)))
#define ror32(x, n)	rol32(x, 32 - (n))
#define rol64(x, n)	(((u64)(x) << ((n) & 63)) | ((u64)(x) >> (-(n) & 63)))
#define ror64(x, n)	rol64(x, 64 - (n))
#define swab16(x)	__builtin_bswap16(x)
#define swab32(x)	__builtin_bswap32(x)
#define swab64(x)	__builtin_bswap64(x)
#define swab(x)		swab64(x)

static inline size_t shim_size_add(size_t a, size_t b)
{
	return a + b < a ? SIZE_MAX : a + b;
}

static inline size_t shim_size_mul(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

#define size_add	shim_size_add
#define size_mul	shim_size_mul

static inline unsigned long shim_find_last_bit(const unsigned long *map,
					       unsigned long size)
{
	unsigned long bit = size;

	while (bit--)
		if (test_bit(bit, map))
			return bit;
	return size;
}

#define find_last_bit	shim_find_last_bit

#define SHIM_MEMSET(name, type)						\
	static inline void *name(type *p, type value, size_t n)		\
	{								\
		while (n--)						\
			p[n] = value;					\
		return p;						\
	}

SHIM_MEMSET(memset16, u16)
SHIM_MEMSET(memset32, u32)
SHIM_MEMSET(memset64, u64)
SHIM_MEMSET(memset_l, unsigned long)
SHIM_MEMSET(memset_p, void *)

#define __malloc		__attribute__((malloc))
#define __alloc_size(...)	__attribute__((alloc_size(__VA_ARGS__)))
#define __realloc_size(...)	__alloc_size(__VA_ARGS__)
#define __init
#define __exit
#define EXPORT_SYMBOL_NS(...)
#define EXPORT_SYMBOL_NS_GPL(...)
#define THIS_MODULE			((struct module *)NULL)
#define MODULE_PARM_DESC(...)
#define module_param(...)
#define module_param_named(...)
#define KUNIT_STATIC_STUB_REDIRECT(...)	do { } while (0)
#define kmemleak_alloc(...)		do { } while (0)

/**
 * struct shim - what the fuzzer sets and sees of the kernel
 * @init_on_alloc: as the kernel's parameter.
 * @init_on_free: as the kernel's parameter. Memory that was never used is zero
 *	then, because all memory was free once.
 * @rotate: new memory comes from behind the last, instead of from where memory
 *	went back.
 * @lazy: the worker runs when it is waited for, not as soon as it can.
 * @contend: every so often, a lock that is only tried is taken.
 * @expect_reports: what is logged is counted. Otherwise it is a finding.
 * @nobody: every allocation fails.
 * @fail_after: allocations before those that fail.
 * @fail: allocations that fail.
 * @limit: bytes that the system has.
 * @held: bytes that the system has given out, by @tag.
 * @tag: whom to count them for.
 * @refused: allocations that failed.
 * @reports: lines logged.
 * @locks: locks held.
 * @task: the current task.
 * @unlocked: called when the last lock is released, as if another CPU had
 *	waited for that.
 * @random: state of the random numbers.
 */
struct shim {
	bool init_on_alloc, init_on_free, rotate, lazy, contend;
	bool expect_reports, nobody;
	unsigned int fail_after, fail;
	size_t limit;
	size_t held[4];
	unsigned int tag;
	unsigned long refused, reports;
	unsigned int locks;
	struct task_struct *task;
	void (*unlocked)(void);
	u64 random;
};

extern struct shim shim;

void shim_begin(u64 seed);
void shim_end(void);
bool shim_run_work(void);
bool shim_work_is_pending(void);
u32 shim_find(const void *p, size_t size, unsigned int tag);
void *shim_memory(unsigned int tag, u32 random, size_t *size);
void shim_touch(const void *p, size_t size);
u64 shim_random(void);
__printf(1, 2) __noreturn void shim_finding(const char *format, ...);
void shim_log(const char *format, ...);

struct va_format {
	const char *fmt;
	va_list *va;
};

#define test_and_set_bit(n, map) \
	({ bool __was = test_bit(n, map); __set_bit(n, map); __was; })
#define dump_stack()	do { } while (0)
#define pr_info(...)	do { } while (0)
#define pr_err(format, ...)	shim_log(pr_fmt(format), ##__VA_ARGS__)
#define pr_warn			pr_err
#define WARN(condition, ...) ({						\
	bool __warn = (condition);					\
	if (__warn)							\
		shim_finding("a warning: " #condition " in line %d of %s", \
			     __LINE__, __FILE__);			\
	__warn;								\
})
#define WARN_ON(condition)		WARN(condition, "")
#define WARN_ON_ONCE(condition)		WARN(condition, "")
#define WARN_ONCE(condition, ...)	WARN(condition, "")
#define WARN_RATELIMIT(condition, ...)	WARN(condition, "")
#define BUG_ON(condition)		((void)WARN(condition, ""))
#define BUG()				BUG_ON(true)
#define DO_ONCE_LITE(function, ...)	function(__VA_ARGS__)

/* Tasks and context. */

struct task_struct {
	int unused;
};

#define current				(shim.task)
#define fatal_signal_pending(task)	false
#define irqs_disabled()			(shim.locks > 0)

static inline void might_sleep(void)
{
	if (shim.locks)
		shim_finding("may sleep with a lock held");
}

static inline void might_alloc(gfp_t gfp)
{
	if (gfpflags_allow_blocking(gfp))
		might_sleep();
}

#define cond_resched()			might_sleep()
#define memalloc_noreclaim_save()	0
#define memalloc_noreclaim_restore(x)	((void)(x))

/* Locks. */

struct shim_lock {
	bool held;
};

#define spinlock_t		struct shim_lock
#define DEFINE_SPINLOCK(lock)	spinlock_t lock = {}
#define SINGLE_DEPTH_NESTING	1

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = false;
}

void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);

#define spin_lock_irq			spin_lock
#define spin_unlock_irq			spin_unlock
#define spin_lock_irqsave(lock, irq)	((irq) = 0, spin_lock(lock))
#define spin_lock_irqsave_nested(lock, irq, depth) spin_lock_irqsave(lock, irq)
#define spin_unlock_irqrestore(lock, irq) ((void)(irq), spin_unlock(lock))
#define spin_trylock_irqsave(lock, irq)	((irq) = 0, spin_trylock(lock))
#define lockdep_assert_held(lock)	WARN_ON(!(lock)->held)

#define atomic_inc(v)			((void)((v)->counter++))
#define atomic_dec_return_release(v)	(--(v)->counter)
#define atomic_read_acquire(v)		((v)->counter)
#define atomic_long_read(v)		((v)->counter)
#define atomic_long_inc(v)		((void)(v)->counter++)
#define atomic_long_sub(n, v)		((void)((v)->counter -= (n)))
#define atomic_long_try_cmpxchg(v, old, new) \
	((v)->counter == *(old) ? ((v)->counter = (new), true) : \
				  (*(old) = (v)->counter, false))

struct wait_queue_head {
	int unused;
};

#define DECLARE_WAIT_QUEUE_HEAD(name)	struct wait_queue_head name
#define waitqueue_active(head)		((void)(head), false)
#define wake_up_all(head)		((void)(head))
#define wait_event_lock_irq(head, condition, lock) WARN_ON(!(condition))

/* Memory. */

#define KMALLOC_MAX_CACHE_SIZE	(2 * PAGE_SIZE)
#define KMALLOC_MAX_SIZE	(PAGE_SIZE << 10)
#define VMALLOC_TOTAL		SIZE_MAX
#define ZERO_SIZE_PTR		((void *)16)
#define NUMA_NO_NODE		(-1)
#define MAX_NUMNODES		1
#define node_online(node)	((node) == 0)
#define dma_get_cache_alignment() 1
#define PAGE_KERNEL		0
#define VM_MAP			0
#define VM_MAP_PUT_PAGES	0
#define want_init_on_alloc(gfp)	(shim.init_on_alloc || ((gfp) & __GFP_ZERO))
#define want_init_on_free()	(shim.init_on_free)
#define totalram_pages()	(shim.limit >> PAGE_SHIFT)

size_t kmalloc_size_roundup(size_t size);
void *kmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);
struct page *alloc_pages(gfp_t gfp, unsigned int order);
void __free_page(struct page *page);
void *vmap(struct page **pages, unsigned int nr, unsigned long flags, int prot);
void vfree(const void *p);
bool is_vmalloc_addr(const void *p);
void *kvmalloc_array(size_t n, size_t size, gfp_t gfp);
void *memchr_inv(const void *p, int c, size_t size);

#define kmalloc_node(size, gfp, node)	((void)(node), kmalloc(size, gfp))
#define kzalloc(size, gfp)		kmalloc(size, (gfp) | __GFP_ZERO)
#define kvfree(p)			(is_vmalloc_addr(p) ? vfree(p) : kfree(p))
#define kstrdup(s, gfp)			((const char *)(s))
#define kstrdup_const(s, gfp)		((const char *)(s))
#define kfree_const(s)			((void)(s))
#define alloc_pages_node(node, gfp, order) \
	((void)(node), alloc_pages(gfp, order))

static inline u64 get_random_u64(void)
{
	return shim_random();
}

#define get_random_u32()	((u32)get_random_u64())
#define get_random_long()	((unsigned long)get_random_u64())

/* User space. */

#define __user
#define copy_from_user(to, from, n)	(memcpy(to, from, n), 0)
#define strnlen_user(s, n)		((long)strnlen(s, n) + 1)

/* Work that another context does. */

struct llist_head {
	struct llist_node *first;
};

struct llist_node {
	struct llist_node *next;
};

#define LLIST_HEAD(name)	struct llist_head name = {}
/* The node is the first member of an entry. */
#define llist_for_each_entry_safe(pos, n, list, member) \
	for ((pos) = (void *)(list); \
	     (pos) && ((n) = (void *)(pos)->member.next, true); (pos) = (n))

static inline bool llist_add(struct llist_node *new, struct llist_head *head)
{
	new->next = head->first;
	head->first = new;
	return !new->next;
}

static inline struct llist_node *llist_del_all(struct llist_head *head)
{
	struct llist_node *all = head->first;

	head->first = NULL;
	return all;
}

struct workqueue_struct {
	int unused;
};

struct work_struct {
	void (*func)(struct work_struct *work);
};

#define DECLARE_WORK(name, function)	struct work_struct name = { function }
#define alloc_workqueue(...)	((struct workqueue_struct *)(&shim))
#define destroy_workqueue(wq)	((void)(wq))

bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool flush_work(struct work_struct *work);

/* There is one CPU. */
#define __percpu
#define this_cpu_inc(x)			((void)(x)++)
#define this_cpu_dec(x)			((void)(x)--)
#define this_cpu_add(x, n)		((void)((x) += (n)))
#define ASSERT_EXCLUSIVE_WRITER(x)	do { } while (0)

#ifndef cmpxchg_acquire
#define cmpxchg_acquire(p, old, new)				\
	({ typeof(*(p)) __was = *(p); if (__was == (old)) *(p) = (new); __was; })
#endif
#ifndef smp_store_release
#define smp_store_release(p, value)	((void)(*(p) = (value)))
#endif
#define DEFINE_MUTEX(name)		int name
#define mutex_lock(mutex)		((void)(mutex))
#define mutex_unlock(mutex)		((void)(mutex))

/* Nobody traces. */
#define TP_PROTO(...)	__VA_ARGS__
#define TRACE_EVENT(name, proto, ...)				\
	static inline void trace_##name(proto) { }		\
	static inline bool trace_##name##_enabled(void) { return false; }
#define TRACE_EVENT_FN(name, proto, ...)	TRACE_EVENT(name, PARAMS(proto))
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT(class, name, proto, ...)	TRACE_EVENT(name, PARAMS(proto))
#define PARAMS(...)	__VA_ARGS__

/* What is declared, and not used here. */

struct device;
#define devm_add_action_or_reset(dev, action, data) \
	((void)(dev), (void)(action), (void)(data), -ENODEV)

struct shrink_control {
	unsigned long nr_to_scan;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *shrinker,
				       struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *shrinker,
				      struct shrink_control *sc);
};

#define shrinker_alloc(flags, ...)	((struct shrinker *)NULL)
#define shrinker_register(shrinker)	((void)(shrinker))
#define shrinker_free(shrinker)		((void)(shrinker))

#endif /* _WSHEAP_FUZZ_SHIM_H */
