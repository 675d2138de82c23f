// SPDX-License-Identifier: GPL-2.0
/*
 * What a message costs with wsheap, and with what else a driver could take.
 *
 * Prints one line for each figure, for scripts/bench.sh to read:
 *
 *	wsheap_bench: WORK ROW MESSAGES MINIMUM MEDIAN
 *
 * in nanoseconds for so many messages. Where the machine's clock counts
 * instructions, they are instructions. The caller chooses the work, one a boot,
 * because kmalloc depends on what its slabs have been through:
 *
 *	insmod wsheap_bench.ko work=soap
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/device.h>
#include <linux/genalloc.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#define WSHEAP_BENCHMARK
#include "wsheap.h"

static char *work = "";
module_param(work, charp, 0444);
MODULE_PARM_DESC(work, "soap, json, x509, fixed, heap, scale or churn");

#define FIXED_BLOCKS	32	/* a message of blocks of one size */
#define ALIGNMENT	64	/* of the aligned rows */
#define ARENA		SZ_1M	/* what the peers with a region are given */
#define PASSES		25
/* Passes over a trace at a time: one is short for a clock of nanoseconds. */
#define TRACE_PASSES	(IS_ENABLED(CONFIG_UML) ? 20 : 1)
#define WARMUP		5

/*
 * The traces, from their text.
 */

/* 'a'llocate, 'z'eroed, 'r'eallocate, 'f'ree, and the 'm'essage's end. */
struct op {
	char what;
	u16 id;
	u32 size;
	u32 old;		/* what the block had before 'r' or 'f' */
};

static const struct op soap_text[] = {
#include "soap.inc"
};

static const struct op json_text[] = {
#include "json.inc"
};

static const struct op x509_text[] = {
#include "x509.inc"
};

static const struct trace {
	const char *name;
	const struct op *ops;
	size_t nr;
} traces[] = {
	{ "soap", soap_text, ARRAY_SIZE(soap_text) },
	{ "json", json_text, ARRAY_SIZE(json_text) },
	{ "x509", x509_text, ARRAY_SIZE(x509_text) },
};

#define IDS	2048

static void *blocks[IDS];

/*
 * An allocator ignores frees, or has each block freed: then those that live
 * when a message ends are freed there. Returns the ops with such frees written
 * out, or left out; ends with a zeroed op.
 */
static struct op *prepare(const struct trace *trace, bool frees)
{
	size_t i, n = 0;
	struct op *ops;
	u32 *live;
	u16 id;

	ops = vzalloc(array_size(2 * trace->nr + 1, sizeof(*ops)));
	live = vzalloc(array_size(IDS, sizeof(*live)));
	for (i = 0; ops && live && i < trace->nr; i++) {
		struct op op = trace->ops[i];

		if (op.what == 'm') {
			for (id = 0; id < IDS; id++) {
				if (live[id] && frees)
					ops[n++] = (struct op) {
						.what = 'f',
						.id = id,
						.old = live[id],
					};
				live[id] = 0;
			}
		} else {
			op.old = live[op.id];
			live[op.id] = op.size;
		}
		if (op.what != 'f' || frees)
			ops[n++] = op;
	}
	vfree(live);
	return ops;
}

/*
 * The allocators. Each is a set of functions that the loops below take in
 * inline, and nothing that is called through a pointer.
 */

struct allocator {
	void *(*alloc)(void *ctx, size_t size);
	void *(*zalloc)(void *ctx, size_t size);
	/* NULL where a message's end releases its blocks. */
	void (*free)(void *ctx, void *p, size_t size);
	void *(*realloc)(void *ctx, void *p, size_t old, size_t size);
	void (*end)(void *ctx);
};

/* Realloc where the allocator has none. */
#define COPYING_REALLOC(name)						\
static __always_inline void *name##_realloc(void *ctx, void *p,		\
					    size_t old, size_t size)	\
{									\
	void *new = name##_alloc(ctx, size);				\
									\
	if (new)							\
		memcpy(new, p, min(old, size));				\
	return new;							\
}

/* And frees the old block. */
#define MOVING_REALLOC(name)						\
static __always_inline void *name##_realloc(void *ctx, void *p,		\
					    size_t old, size_t size)	\
{									\
	void *new = name##_alloc(ctx, size);				\
									\
	if (new) {							\
		memcpy(new, p, min(old, size));				\
		name##_free(ctx, p, old);				\
	}								\
	return new;							\
}

#define CLEARING_ZALLOC(name)						\
static __always_inline void *name##_zalloc(void *ctx, size_t size)	\
{									\
	void *p = name##_alloc(ctx, size);				\
									\
	return p ? memset(p, 0, size) : NULL;				\
}

#define ARENA_OPS(name)							\
static const struct allocator name##_ops = {				\
	.alloc = name##_alloc,						\
	.zalloc = name##_zalloc,					\
	.realloc = name##_realloc,					\
	.end = name##_end,						\
}

#define FREEING_OPS(name)						\
static const struct allocator name##_ops = {				\
	.alloc = name##_alloc,						\
	.zalloc = name##_zalloc,					\
	.free = name##_free,						\
	.realloc = name##_realloc,					\
	.end = name##_end,						\
}

static __always_inline void nothing_end(void *ctx)
{
}

/* Nothing: what the loop itself costs. */
static u64 nothing_block;

static __always_inline void *nothing_alloc(void *ctx, size_t size)
{
	void *p = &nothing_block;

	OPTIMIZER_HIDE_VAR(size);
	OPTIMIZER_HIDE_VAR(p);
	return p;
}

static __always_inline void *nothing_zalloc(void *ctx, size_t size)
{
	return nothing_alloc(ctx, size);
}

static __always_inline void *nothing_realloc(void *ctx, void *p, size_t old,
					     size_t size)
{
	OPTIMIZER_HIDE_VAR(p);
	OPTIMIZER_HIDE_VAR(old);
	return nothing_alloc(ctx, size);
}

static __always_inline void nothing_free(void *ctx, void *p, size_t size)
{
	OPTIMIZER_HIDE_VAR(p);
	OPTIMIZER_HIDE_VAR(size);
}

ARENA_OPS(nothing);

static const struct allocator nothing_freed_ops = {
	.alloc = nothing_alloc,
	.zalloc = nothing_zalloc,
	.free = nothing_free,
	.realloc = nothing_realloc,
	.end = nothing_end,
};

/*
 * The limit of what is possible: a bump by hand, which keeps the same count of
 * bytes asked as a heap, in a region that never grows. The check is the
 * cheapest that no size gets past.
 */
struct bump {
	char *cursor;
	char *limit;
	size_t requested;
	char *start;
	spinlock_t lock;	/* of all above; only in the locked row */
};

static __always_inline void *bump_alloc(void *ctx, size_t size)
{
	struct bump *b = ctx;
	char *p = b->cursor;
	char *end = p + ALIGN(size, 8);
	bool small = __builtin_constant_p(size) && size && size <= PAGE_SIZE;

	if ((!small && unlikely(end <= p)) || unlikely(end > b->limit))
		return NULL;
	b->cursor = end;
	b->requested += size;
	return p;
}

static __always_inline void bump_end(void *ctx)
{
	struct bump *b = ctx;

	b->cursor = b->start;
	b->requested = 0;
}

CLEARING_ZALLOC(bump)
COPYING_REALLOC(bump)
ARENA_OPS(bump);

/* The same for several callers, as a driver would write it. */
static noinline void *locked_alloc(void *ctx, size_t size)
{
	struct bump *b = ctx;
	unsigned long irq;
	void *p;

	spin_lock_irqsave(&b->lock, irq);
	p = bump_alloc(b, size);
	spin_unlock_irqrestore(&b->lock, irq);
	return p;
}

static noinline void locked_end(void *ctx)
{
	struct bump *b = ctx;
	unsigned long irq;

	spin_lock_irqsave(&b->lock, irq);
	bump_end(b);
	spin_unlock_irqrestore(&b->lock, irq);
}

CLEARING_ZALLOC(locked)
COPYING_REALLOC(locked)
ARENA_OPS(locked);

/* wsheap. */
static __always_inline void *heap_alloc(void *ctx, size_t size)
{
	return wsheap_alloc(ctx, size, GFP_KERNEL);
}

static __always_inline void *heap_zalloc(void *ctx, size_t size)
{
	return wsheap_zalloc(ctx, size, GFP_KERNEL);
}

static __always_inline void heap_end(void *ctx)
{
	wsheap_reset(ctx);
}

COPYING_REALLOC(heap)
ARENA_OPS(heap);

static __always_inline void *align64_alloc(void *ctx, size_t size)
{
	return wsheap_alloc_aligned(ctx, size, ALIGNMENT, GFP_KERNEL);
}

static __always_inline void *align64_zalloc(void *ctx, size_t size)
{
	return wsheap_alloc_aligned(ctx, size, ALIGNMENT,
				    GFP_KERNEL | __GFP_ZERO);
}

COPYING_REALLOC(align64)

static const struct allocator align64_ops = {
	.alloc = align64_alloc,
	.zalloc = align64_zalloc,
	.realloc = align64_realloc,
	.end = heap_end,
};

static const struct allocator zeroed_ops = {
	.alloc = heap_zalloc,
	.zalloc = heap_zalloc,
	.realloc = heap_realloc,
	.end = heap_end,
};

/* Private heaps. */
static __always_inline void private_free(void *ctx, void *p, size_t size)
{
	wsheap_free(ctx, p);
}

static __always_inline void *private_realloc(void *ctx, void *p, size_t old,
					     size_t size)
{
	return wsheap_realloc(ctx, p, size, GFP_KERNEL);
}

static const struct allocator private_ops = {
	.alloc = heap_alloc,
	.zalloc = heap_zalloc,
	.free = private_free,
	.realloc = private_realloc,
	.end = nothing_end,
};

/* kmalloc. */
static __always_inline void *kmalloc_alloc(void *ctx, size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}

static __always_inline void *kmalloc_zalloc(void *ctx, size_t size)
{
	return kzalloc(size, GFP_KERNEL);
}

static __always_inline void kmalloc_free(void *ctx, void *p, size_t size)
{
	kfree(p);
}

static __always_inline void *kmalloc_realloc(void *ctx, void *p, size_t old,
					     size_t size)
{
	return krealloc(p, size, GFP_KERNEL);
}

static const struct allocator kmalloc_kfree_ops = {
	.alloc = kmalloc_alloc,
	.zalloc = kmalloc_zalloc,
	.free = kmalloc_free,
	.realloc = kmalloc_realloc,
	.end = nothing_end,
};

/* gen_pool. */
static __always_inline void *gen_pool_alloc_block(void *ctx, size_t size)
{
	return (void *)gen_pool_alloc(ctx, size);
}

static __always_inline void gen_pool_block_free(void *ctx, void *p, size_t size)
{
	gen_pool_free(ctx, (unsigned long)p, size);
}

#define genalloc_alloc	gen_pool_alloc_block
#define genalloc_free	gen_pool_block_free
#define genalloc_end	nothing_end
CLEARING_ZALLOC(genalloc)
MOVING_REALLOC(genalloc)
FREEING_OPS(genalloc);

/* A kmem_cache for the size; the blocks of a message are freed in bulk. */
struct cache {
	struct kmem_cache *cache;
	size_t nr;
	void *blocks[FIXED_BLOCKS];
};

static __always_inline void *cache_alloc(void *ctx, size_t size)
{
	struct cache *c = ctx;
	void *p = kmem_cache_alloc(c->cache, GFP_KERNEL);

	if (p)
		c->blocks[c->nr++] = p;
	return p;
}

static __always_inline void cache_end(void *ctx)
{
	struct cache *c = ctx;

	kmem_cache_free_bulk(c->cache, c->nr, c->blocks);
	c->nr = 0;
}

CLEARING_ZALLOC(cache)
COPYING_REALLOC(cache)
ARENA_OPS(cache);

/* page_frag. */
static __always_inline void *frag_alloc(void *ctx, size_t size)
{
	/* It does not align by itself. */
	return page_frag_alloc(ctx, ALIGN(size, 8), GFP_KERNEL);
}

static __always_inline void frag_free(void *ctx, void *p, size_t size)
{
	page_frag_free(p);
}

#define frag_end	nothing_end
CLEARING_ZALLOC(frag)
MOVING_REALLOC(frag)
FREEING_OPS(frag);

/* devm_kmalloc, a group of resources for each message. */
struct devres {
	struct device *dev;
	void *group;
};

static __always_inline void *devres_alloc_block(void *ctx, size_t size)
{
	struct devres *d = ctx;

	if (!d->group)
		d->group = devres_open_group(d->dev, NULL, GFP_KERNEL);
	return devm_kmalloc(d->dev, size, GFP_KERNEL);
}

static __always_inline void *devres_zalloc_block(void *ctx, size_t size)
{
	struct devres *d = ctx;

	if (!d->group)
		d->group = devres_open_group(d->dev, NULL, GFP_KERNEL);
	return devm_kzalloc(d->dev, size, GFP_KERNEL);
}

static __always_inline void *devres_realloc_block(void *ctx, void *p,
						  size_t old, size_t size)
{
	struct devres *d = ctx;

	return devm_krealloc(d->dev, p, size, GFP_KERNEL);
}

static __always_inline void devres_end(void *ctx)
{
	struct devres *d = ctx;

	devres_release_group(d->dev, d->group);
	d->group = NULL;
}

static const struct allocator devm_ops = {
	.alloc = devres_alloc_block,
	.zalloc = devres_zalloc_block,
	.realloc = devres_realloc_block,
	.end = devres_end,
};

/*
 * The loops. Each returns whether all blocks were granted.
 */

static __always_inline bool replay(const struct allocator *a, void *ctx,
				   const struct op *ops)
{
	const struct op *op;

	for (op = ops; op->what; op++) {
		char *p;

		if (op->what == 'a') {
			p = a->alloc(ctx, op->size);
		} else if (op->what == 'm') {
			a->end(ctx);
			continue;
		} else if (a->free && op->what == 'f') {
			a->free(ctx, blocks[op->id], op->old);
			continue;
		} else if (op->what == 'r') {
			p = a->realloc(ctx, blocks[op->id], op->old, op->size);
		} else {
			p = a->zalloc(ctx, op->size);
		}
		if (!p)
			return false;
		*p = 1;
		blocks[op->id] = p;
	}
	return true;
}

static __always_inline bool fixed_message(const struct allocator *a, void *ctx,
					  size_t size)
{
	unsigned int i;

	for (i = 0; i < FIXED_BLOCKS; i++) {
		char *p = a->alloc(ctx, size);

		if (!p)
			return false;
		*p = 1;
		if (a->free)
			blocks[i] = p;
	}
	for (i = 0; a->free && i < FIXED_BLOCKS; i++)
		a->free(ctx, blocks[i], size);
	a->end(ctx);
	return true;
}

typedef bool (*work_fn)(void *ctx, const struct op *ops, size_t size);

/* An allocator's loops: a trace, or with sizes known to the compiler. */
#define WORK(name)							\
static noinline bool name##_work(void *ctx, const struct op *ops,	\
				 size_t size)				\
{									\
	if (ops)							\
		return replay(&name##_ops, ctx, ops);				\
	switch (size) {							\
	case 8:								\
		return fixed_message(&name##_ops, ctx, 8);			\
	case 64:							\
		return fixed_message(&name##_ops, ctx, 64);			\
	case 256:							\
		return fixed_message(&name##_ops, ctx, 256);			\
	case 1000:							\
		return fixed_message(&name##_ops, ctx, 1000);			\
	case 4000:							\
		return fixed_message(&name##_ops, ctx, 4000);			\
	}								\
	return false;							\
}

WORK(nothing)
WORK(nothing_freed)
WORK(bump)
WORK(locked)
WORK(heap)
WORK(align64)
WORK(zeroed)
WORK(private)
WORK(kmalloc_kfree)
WORK(cache)
WORK(genalloc)
WORK(frag)
WORK(devm)

/*
 * How each allocator comes into being and goes.
 */

static void *bump_start(size_t size)
{
	struct bump *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return NULL;
	b->start = kmalloc(ARENA, GFP_KERNEL);
	if (!b->start) {
		kfree(b);
		return NULL;
	}
	b->limit = b->start + ARENA;
	spin_lock_init(&b->lock);
	bump_end(b);
	return b;
}

static void bump_stop(void *ctx)
{
	struct bump *b = ctx;

	kfree(b->start);
	kfree(b);
}

static void *heap_start(size_t size)
{
	struct wsheap *heap = wsheap_create(SZ_16M, SZ_1M, NULL);

	return IS_ERR(heap) ? NULL : heap;
}

static void *serialized_start(size_t size)
{
	struct wsheap_args args = { .flags = WSHEAP_SERIALIZE };
	struct wsheap *heap = wsheap_create(SZ_16M, SZ_1M, &args);

	return IS_ERR(heap) ? NULL : heap;
}

static void *private_start(size_t size)
{
	struct wsheap *heap = wsheap_create_private(WSHEAP_NO_SERIALIZE, 0, 0);

	return IS_ERR(heap) ? NULL : heap;
}

static void *private_serialized_start(size_t size)
{
	struct wsheap *heap = wsheap_create_private(0, 0, 0);

	return IS_ERR(heap) ? NULL : heap;
}

static void heap_stop(void *ctx)
{
	wsheap_destroy(ctx);
}

static void *cache_start(size_t size)
{
	struct cache *c;

	if (!size)
		return NULL;	/* a trace has many sizes */
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return NULL;
	/* One of its own: merged with others it would be kmalloc's. */
	c->cache = kmem_cache_create("wsheap_bench", size, 8,
				     SLAB_NO_MERGE, NULL);
	if (!c->cache) {
		kfree(c);
		return NULL;
	}
	return c;
}

static void cache_stop(void *ctx)
{
	struct cache *c = ctx;

	kmem_cache_destroy(c->cache);
	kfree(c);
}

static void *genalloc_region;

static void *genalloc_start(size_t size)
{
	struct gen_pool *pool = gen_pool_create(3, NUMA_NO_NODE);

	if (!pool)
		return NULL;
	genalloc_region = kmalloc(ARENA, GFP_KERNEL);
	if (!genalloc_region ||
	    gen_pool_add(pool, (unsigned long)genalloc_region, ARENA, -1)) {
		kfree(genalloc_region);
		gen_pool_destroy(pool);
		return NULL;
	}
	return pool;
}

static void genalloc_stop(void *ctx)
{
	gen_pool_destroy(ctx);
	kfree(genalloc_region);
}

static void *frag_start(size_t size)
{
	return kzalloc(sizeof(struct page_frag_cache), GFP_KERNEL);
}

static void frag_stop(void *ctx)
{
	page_frag_cache_drain(ctx);
	kfree(ctx);
}

static void *devm_start(size_t size)
{
	struct devres *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->dev = root_device_register(KBUILD_MODNAME);
	if (IS_ERR(d->dev)) {
		kfree(d);
		return NULL;
	}
	return d;
}

static void devm_stop(void *ctx)
{
	struct devres *d = ctx;

	root_device_unregister(d->dev);
	kfree(d);
}

/* So that each can be measured like the others. */
static void *nothing_start(size_t size)
{
	return &nothing_block;
}

static void nothing_stop(void *ctx)
{
}

/* kmalloc comes before those that leave their traces in its slabs. */
static const struct subject {
	const char *name;
	work_fn work;
	void *(*start)(size_t size);
	void (*stop)(void *ctx);
	bool frees;
} subjects[] = {
	{ "nothing", nothing_work, nothing_start, nothing_stop },
	{ "nothing,freed", nothing_freed_work, nothing_start, nothing_stop, true },
	{ "kmalloc", kmalloc_kfree_work, nothing_start, nothing_stop, true },
	{ "bump", bump_work, bump_start, bump_stop },
	{ "bump,locked", locked_work, bump_start, bump_stop },
	{ "wsheap", heap_work, heap_start, heap_stop },
	{ "wsheap,serialized", heap_work, serialized_start, heap_stop },
	{ "wsheap,aligned", align64_work, heap_start, heap_stop },
	{ "wsheap,zeroed", zeroed_work, heap_start, heap_stop },
	{ "wsheap,private", private_work, private_start, heap_stop, true },
	{ "wsheap,private,serialized", private_work, private_serialized_start,
	  heap_stop, true },
	{ "kmem_cache,bulk", cache_work, cache_start, cache_stop },
	{ "gen_pool", genalloc_work, genalloc_start, genalloc_stop, true },
	{ "page_frag", frag_work, frag_start, frag_stop, true },
	{ "devm_kmalloc", devm_work, devm_start, devm_stop },
};

/*
 * Measuring.
 */

static u64 clock_cost;

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *what, const char *row, unsigned int messages,
		   u64 *passes, unsigned int n)
{
	sort(passes, n, sizeof(*passes), compare_u64, NULL);
	pr_info("%s %s %u %llu %llu\n", what, row, messages,
		passes[0] - min(passes[0], clock_cost),
		passes[n / 2] - min(passes[n / 2], clock_cost));
}

static void measure_clock(void)
{
	u64 pass[PASSES];
	unsigned int i;

	for (i = 0; i < PASSES; i++) {
		u64 begin = ktime_get_ns();

		barrier();
		pass[i] = ktime_get_ns() - begin;
	}
	sort(pass, PASSES, sizeof(pass[0]), compare_u64, NULL);
	clock_cost = pass[PASSES / 2];
}

static void measure(const struct subject *s, const char *what,
		    const struct op *ops, size_t size, unsigned int messages)
{
	void *ctx = s->start(size);
	u64 pass[PASSES];
	bool good = ctx;
	unsigned int i, m;

	for (i = 0; good && i < WARMUP + PASSES; i++) {
		u64 begin = ktime_get_ns();

		for (m = 0; good && m < messages; m++)
			good = s->work(ctx, ops, size);
		if (i >= WARMUP)
			pass[i - WARMUP] = ktime_get_ns() - begin;
		cond_resched();
	}
	if (good)
		report(what, s->name, messages, pass, PASSES);
	else
		pr_info("%s %s cannot\n", what, s->name);
	if (ctx)
		s->stop(ctx);
}

/* One memset for each message, of what its blocks take. */
static void measure_memset(const char *what, const size_t *bytes, size_t n,
			   unsigned int messages)
{
	u64 pass[PASSES];
	unsigned int i, m;
	void *region = kmalloc(ARENA, GFP_KERNEL);
	size_t b;

	if (!region)
		return;
	for (i = 0; i < PASSES; i++) {
		u64 begin = ktime_get_ns();

		for (m = 0; m < messages; m++)
			for (b = 0; b < n; b++)
				memset(region, 0, bytes[b]);
		pass[i] = ktime_get_ns() - begin;
	}
	report(what, "memset", messages, pass, PASSES);
	kfree(region);
}

static size_t property(struct wsheap *heap, enum wsheap_property_id id)
{
	size_t value = 0;

	wsheap_get_property(heap, id, &value, sizeof(value));
	return value;
}

#define requested(heap)	property(heap, WSHEAP_PROPERTY_REQUESTED_SIZE)
#define actual(heap)	property(heap, WSHEAP_PROPERTY_ACTUAL_SIZE)

/* What a heap holds for each message alone, when it has seen it before. */
static void measure_held(const char *what, const struct op *ops)
{
	unsigned int index = 0, round;
	const struct op *begin, *op;
	struct wsheap *heap;

	for (begin = ops; begin->what; begin = op + 1, index++) {
		heap = wsheap_create(WSHEAP_UNLIMITED, WSHEAP_UNLIMITED, NULL);
		if (IS_ERR(heap))
			return;
		for (round = 0; round < WARMUP; round++) {
			wsheap_reset(heap);
			for (op = begin; op->what != 'm'; op++)
				if (!wsheap_alloc(heap, op->size, GFP_KERNEL))
					break;
		}
		pr_info("held %s %u %zu %zu\n", what, index, requested(heap),
			actual(heap));
		wsheap_destroy(heap);
	}
}

static void run_trace(const struct trace *trace)
{
	struct op *arena = prepare(trace, false), *freed = prepare(trace, true);
	size_t bytes[64] = {}, n = 0;
	const struct op *op;
	unsigned int i;

	if (!arena || !freed)
		goto out;
	for (i = 0; i < ARRAY_SIZE(subjects); i++)
		measure(&subjects[i], trace->name,
			subjects[i].frees ? freed : arena, 0, TRACE_PASSES);
	for (op = arena; op->what; op++) {
		if (op->what == 'm')
			n++;
		else
			bytes[n] += ALIGN(op->size, 8);
	}
	measure_memset(trace->name, bytes, n, TRACE_PASSES);
	measure_held(trace->name, arena);
out:
	vfree(arena);
	vfree(freed);
}

static void run_fixed(void)
{
	static const size_t sizes[] = { 8, 64, 256, 1000, 4000 };
	unsigned int i, s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		size_t bytes = sizes[s] * FIXED_BLOCKS;
		char what[16];

		snprintf(what, sizeof(what), "fixed-%zu", sizes[s]);
		for (i = 0; i < ARRAY_SIZE(subjects); i++)
			measure(&subjects[i], what, NULL, sizes[s], 100);
		measure_memset(what, &bytes, 1, 100);
	}
}

/*
 * Heaps themselves. Each figure is for one action; the clock's own cost is
 * taken off where it is read around each.
 */

#define ACTIONS	100

static void begin_action(u64 *sum)
{
	*sum -= ktime_get_ns();
}

static void end_action(u64 *sum)
{
	*sum += ktime_get_ns() - clock_cost;
}

/* Resets after so many blocks of so many bytes. */
static void measure_reset(const char *row, unsigned int nr, size_t size)
{
	struct wsheap *heap = wsheap_create(WSHEAP_UNLIMITED, WSHEAP_UNLIMITED,
					    NULL);
	u64 pass[PASSES];
	unsigned int i, a, n;

	if (IS_ERR(heap))
		return;
	for (i = 0; i < PASSES; i++) {
		pass[i] = clock_cost;	/* which report() takes off */
		for (a = 0; a < ACTIONS + WARMUP; a++) {
			for (n = 0; n < nr; n++)
				if (!wsheap_alloc(heap, size, GFP_KERNEL))
					goto out;
			if (a >= WARMUP)
				begin_action(&pass[i]);
			wsheap_reset(heap);
			if (a >= WARMUP)
				end_action(&pass[i]);
		}
	}
	report("heap", row, ACTIONS, pass, PASSES);
out:
	wsheap_destroy(heap);
}

/* The n-th message of a fresh heap. */
static void measure_nth(const char *row, unsigned int n)
{
	u64 pass[PASSES];
	unsigned int i, a, m;

	for (i = 0; i < PASSES; i++) {
		pass[i] = clock_cost;
		for (a = 0; a < ACTIONS; a++) {
			struct wsheap *heap = heap_start(0);

			if (!heap)
				return;
			for (m = 1; m < n; m++)
				heap_work(heap, NULL, 256);
			begin_action(&pass[i]);
			heap_work(heap, NULL, 256);
			end_action(&pass[i]);
			wsheap_destroy(heap);
		}
	}
	report("heap", row, ACTIONS, pass, PASSES);
}

/* A heap created and destroyed, and asked, while others live. */
static void measure_live(unsigned int live)
{
	struct wsheap **heaps = vzalloc(array_size(live, sizeof(*heaps)));
	u64 create[PASSES], ask[PASSES];
	unsigned int i, n, a;
	char row[32];

	if (!heaps)
		return;
	for (n = 0; n < live; n++) {
		heaps[n] = wsheap_create(SZ_64K, SZ_4K, NULL);
		if (IS_ERR(heaps[n]))
			goto out;
	}
	for (i = 0; i < PASSES; i++) {
		create[i] = clock_cost;
		ask[i] = clock_cost;
		for (a = 0; a < ACTIONS; a++) {
			struct wsheap *heap;

			begin_action(&create[i]);
			heap = wsheap_create(SZ_64K, SZ_4K, NULL);
			if (IS_ERR(heap))
				goto out;
			wsheap_destroy(heap);
			end_action(&create[i]);
			begin_action(&ask[i]);
			actual(heaps[a % live]);
			end_action(&ask[i]);
		}
	}
	snprintf(row, sizeof(row), "live-%u", live);
	report("heap", row, ACTIONS, create, PASSES);
	snprintf(row, sizeof(row), "property-%u", live);
	report("heap", row, ACTIONS, ask, PASSES);
out:
	while (n--)
		wsheap_destroy(heaps[n]);
	vfree(heaps);
}

/* A message of so many small blocks, the heap knowing it. */
static void measure_blocks(unsigned int blocks)
{
	struct wsheap *heap = wsheap_create(WSHEAP_UNLIMITED, WSHEAP_UNLIMITED,
					    NULL);
	unsigned int passes = blocks > 100000 ? 5 : PASSES, i, n;
	u64 pass[PASSES];
	char row[32];

	if (IS_ERR(heap))
		return;
	for (i = 0; i < WARMUP + passes; i++) {
		u64 begin = ktime_get_ns();

		for (n = 0; n < blocks; n++) {
			char *p = wsheap_alloc(heap, 8, GFP_KERNEL);

			if (!p)
				goto out;
			*p = 1;
		}
		wsheap_reset(heap);
		if (i >= WARMUP)
			pass[i - WARMUP] = ktime_get_ns() - begin;
		cond_resched();
	}
	snprintf(row, sizeof(row), "blocks-%u", blocks);
	report("heap", row, 1, pass, passes);
out:
	wsheap_destroy(heap);
}

/* A heap of a pool around a message of so many blocks. */
static void measure_pool(const char *row, unsigned int blocks)
{
	struct wsheap_pool *pool = wsheap_pool_create(SZ_64K, SZ_8K, NULL, 0, 0);
	u64 pass[PASSES];
	unsigned int i, a, n;

	if (IS_ERR(pool))
		return;
	for (i = 0; i < PASSES; i++) {
		pass[i] = clock_cost;
		for (a = 0; a < ACTIONS + WARMUP; a++) {
			struct wsheap *heap;

			if (a == WARMUP)
				begin_action(&pass[i]);
			heap = wsheap_pool_alloc(pool, GFP_KERNEL);
			if (!heap)
				goto out;
			for (n = 0; n < blocks; n++) {
				char *p = wsheap_alloc(heap, 64, GFP_KERNEL);

				if (p)
					*p = 1;
			}
			wsheap_pool_free(pool, heap);
		}
		end_action(&pass[i]);
	}
	report("heap", row, ACTIONS, pass, PASSES);
out:
	wsheap_pool_destroy(pool);
}

/* Usual messages of 2 KiB, one of 1 MiB, and usual ones again. */
static bool usual_message(struct wsheap *heap)
{
	unsigned int i;

	for (i = 0; i < FIXED_BLOCKS; i++)
		if (!wsheap_alloc(heap, 64, GFP_KERNEL))
			return false;
	return true;
}

static void measure_retention(const char *kind, unsigned int flags)
{
	struct wsheap_args args = { .flags = flags };
	struct wsheap *heap = wsheap_create(WSHEAP_UNLIMITED, SZ_2M, &args);
	unsigned int i, m, obtained = 0;
	size_t held, before;
	u64 pass[PASSES];
	char row[32];

	if (IS_ERR(heap))
		return;
	for (m = 1; m <= 100; m++) {
		before = actual(heap);
		usual_message(heap);
		for (i = 0; m == 10 && i < 1024; i++)
			if (!wsheap_alloc(heap, SZ_1K, GFP_KERNEL))
				goto out;
		held = actual(heap);
		/* Within a message memory comes, or is exchanged. */
		obtained += m != 10 && held != before;
		wsheap_reset(heap);
		if (m == 9 || m == 10 || m == 11 || m == 20 || m == 50 || m == 100)
			pr_info("kept %s %u %zu %u\n", kind, m, actual(heap),
				obtained);
	}
	for (i = 0; i < PASSES; i++) {
		pass[i] = clock_cost;
		begin_action(&pass[i]);
		for (m = 0; m < ACTIONS; m++) {
			usual_message(heap);
			wsheap_reset(heap);
		}
		end_action(&pass[i]);
	}
	snprintf(row, sizeof(row), "%s,usual", kind);
	report("heap", row, ACTIONS, pass, PASSES);
out:
	wsheap_destroy(heap);
}

static void run_heap(void)
{
	unsigned int blocks;

	pr_info("heap size-of-heap 1 %zu %zu\n", sizeof(struct wsheap),
		sizeof(struct wsheap));
	measure_reset("reset,empty", 0, 0);
	measure_reset("reset,one-chunk", 1, 64);
	/* Beyond what is coalesced. */
	measure_reset("reset,many-chunks", 32, SZ_256K);
	measure_nth("message,first", 1);
	measure_nth("message,hundredth", 100);
	measure_pool("pool,message", 1);
	measure_pool("pool,message-32", FIXED_BLOCKS);
	measure_retention("fixed", 0);
	measure_retention("adaptive", WSHEAP_ADAPTIVE);
	for (blocks = 100; blocks <= 10000000; blocks *= 10)
		measure_blocks(blocks);
	measure_live(10);
	measure_live(100000);
}

/*
 * Several CPUs, each with messages of its own: heaps of one pool, or bumps
 * that have nothing to do with each other.
 */

#define SCALE_ROUNDS	25
#define SCALE_NS	(80 * NSEC_PER_MSEC)

struct runner {
	struct wsheap_pool *pool;	/* or NULL, for the bump */
	struct bump *bump;
	struct completion *start;
	struct completion done;
	u64 messages;
	u64 ns;
};

static bool pool_message(struct runner *runner)
{
	struct wsheap *heap = wsheap_pool_alloc(runner->pool, GFP_KERNEL);
	unsigned int i;

	for (i = 0; heap && i < FIXED_BLOCKS; i++) {
		char *p = wsheap_alloc(heap, 64, GFP_KERNEL);

		if (!p)
			return false;
		*p = 1;
	}
	wsheap_pool_free(runner->pool, heap);
	return heap;
}

static int runner_fn(void *data)
{
	struct runner *runner = data;
	u64 begin, now;
	unsigned int i;

	wait_for_completion(runner->start);
	begin = ktime_get_ns();
	do {
		for (i = 0; i < 1000; i++) {
			if (runner->pool)
				pool_message(runner);
			else
				fixed_message(&bump_ops, runner->bump, 64);
		}
		runner->messages += i;
		cond_resched();
		now = ktime_get_ns();
	} while (now - begin < SCALE_NS);
	runner->ns = now - begin;
	complete(&runner->done);
	return 0;
}

static void measure_scale(const char *kind, unsigned int cpus,
			  struct wsheap_pool *pool)
{
	DECLARE_COMPLETION_ONSTACK(start);
	struct runner runners[2] = {};
	u64 messages = 0, ns = 0;
	unsigned int i;

	for (i = 0; i < cpus; i++) {
		struct runner *runner = &runners[i];
		struct task_struct *task;

		runner->pool = pool;
		runner->bump = bump_start(0);
		runner->start = &start;
		init_completion(&runner->done);
		task = kthread_create(runner_fn, runner, "bench/%u", i);
		if (IS_ERR(task) || !runner->bump) {
			pr_err("no thread or memory\n");
			complete(&runner->done);
			continue;
		}
		kthread_bind(task, i);
		wake_up_process(task);
	}
	complete_all(&start);
	for (i = 0; i < cpus; i++) {
		wait_for_completion(&runners[i].done);
		messages += runners[i].messages;
		ns += runners[i].ns;
		if (runners[i].bump)
			bump_stop(runners[i].bump);
	}
	pr_info("scale %s %u %llu %llu\n", kind, cpus, messages,
		div_u64(ns, cpus));
}

static void run_scale(void)
{
	struct wsheap_pool *pool = wsheap_pool_create(SZ_64K, SZ_8K, NULL, 0, 0);
	unsigned int i;

	if (IS_ERR(pool))
		return;
	/* In turns, so that what disturbs one disturbs the others. */
	for (i = 0; i < SCALE_ROUNDS; i++) {
		measure_scale("bump", 1, NULL);
		measure_scale("wsheap", 1, pool);
		measure_scale("bump", 2, NULL);
		measure_scale("wsheap", 2, pool);
	}
	wsheap_pool_destroy(pool);
}

/*
 * Private heaps under blocks that come and go at random, in the sizes of the
 * traces: what they hold in the end, against the most that lived at once.
 */

#define CHURN_OPS	10000000

static u32 churn_sizes(const struct trace *trace, u32 *sizes)
{
	u32 n = 0;
	size_t i;

	for (i = 0; i < trace->nr; i++)
		if (strchr("azr", trace->ops[i].what))
			sizes[n++] = trace->ops[i].size;
	return n;
}

static void measure_churn(const char *mix, const u32 *sizes, u32 nr, u32 slots)
{
	struct wsheap *heap = wsheap_create_private(WSHEAP_NO_SERIALIZE, 0, 0);
	size_t live = 0, peak = 0, held = 0;
	struct rnd_state rnd;
	void **p;
	u32 i;

	p = vzalloc(array_size(slots, sizeof(*p)));
	if (IS_ERR(heap) || !p) {
		pr_err("no memory\n");
		goto out;
	}
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < CHURN_OPS; i++) {
		u32 slot = prandom_u32_state(&rnd) % slots;
		u32 size = sizes[prandom_u32_state(&rnd) % nr];
		void *block;

		if (p[slot] && i % 16) {
			wsheap_free(heap, p[slot]);
			p[slot] = NULL;
			continue;
		}
		block = wsheap_realloc(heap, p[slot], size, GFP_KERNEL);
		if (!block)
			break;
		p[slot] = block;
		live = requested(heap);
		peak = max(peak, live);
		held = max(held, actual(heap));
		if (!(i % 65536))
			cond_resched();
	}
	pr_info("churn %s %u %u %zu %zu %zu\n", mix, slots, i, peak, held,
		actual(heap));
out:
	vfree(p);
	wsheap_destroy(heap);
}

static void run_churn(void)
{
	u32 *sizes, i, nr, all = 0;

	for (i = 0; i < ARRAY_SIZE(traces); i++)
		all += traces[i].nr;
	sizes = vzalloc(array_size(all, sizeof(*sizes)));
	if (!sizes)
		return;
	for (i = 0, all = 0; i < ARRAY_SIZE(traces); i++) {
		nr = churn_sizes(&traces[i], sizes + all);
		measure_churn(traces[i].name, sizes + all, nr, 5000);
		measure_churn(traces[i].name, sizes + all, nr, 30000);
		all += nr;
	}
	measure_churn("all", sizes, all, 5000);
	measure_churn("all", sizes, all, 30000);
	vfree(sizes);
}

static int __init bench_init(void)
{
	unsigned int i;

	if (!*work)
		return 0;
	measure_clock();
	pr_info("begin %s %s gcc-%d.%d.%d\n", work, utsname()->release,
		__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
	for (i = 0; i < ARRAY_SIZE(traces); i++)
		if (!strcmp(work, traces[i].name))
			run_trace(&traces[i]);
	if (!strcmp(work, "fixed"))
		run_fixed();
	if (!strcmp(work, "heap"))
		run_heap();
	if (!strcmp(work, "scale"))
		run_scale();
	if (!strcmp(work, "churn"))
		run_churn();
	pr_info("end %s\n", work);
	return 0;
}

static void __exit bench_exit(void)
{
}

/* Built in, after all that it measures is there. */
late_initcall(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("What messages cost with wsheap and its peers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
