// SPDX-License-Identifier: GPL-2.0
/*
 * What a message costs with wsheap, and with what else a driver could take.
 *
 * Prints one line for each figure, for scripts/bench.sh to read:
 *
 *	wsheap_bench: WORK ROW MESSAGES MINIMUM MEDIAN MEAN
 *
 * in nanoseconds for so many messages. Where the machine's clock counts
 * instructions, they are instructions. Some works have lines of their own. The
 * caller chooses the work, one a boot, because kmalloc depends on what its slabs
 * have been through:
 *
 *	insmod wsheap_bench.ko work=soap
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
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
MODULE_PARM_DESC(work, "soap, json, x509, unseen, fixed, heap, worst, scale, churn or shapes");

#define FIXED_BLOCKS	32	/* a message of blocks of one size */
#define ALIGNMENT	64	/* of the aligned rows */
#define ARENA		SZ_1M	/* what the peers with a region are given */
#define PASSES		25
/* Passes over a trace at a time: one is short for a clock of nanoseconds. */
#define TRACE_PASSES	(IS_ENABLED(CONFIG_UML) ? 20 : 1)
#define WARMUP		5

/*
 * The traces: recorded ones from their text, and others made here.
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

/* What becomes of the blocks of a message. */
enum frees {
	FREES_NONE,		/* the allocator ignores frees */
	FREES_ALL,		/* each is freed as the trace has it, or at the end */
	FREES_LATE,		/* each is freed at the message's end */
	FREES,
};

struct trace {
	const char *name;
	const struct op *ops;
	size_t nr;
	struct op *prepared[FREES];
};

static struct trace traces[] = {
	{ "soap", soap_text, ARRAY_SIZE(soap_text) },
	{ "json", json_text, ARRAY_SIZE(json_text) },
	{ "x509", x509_text, ARRAY_SIZE(x509_text) },
};

#define IDS	2048

static void *blocks[IDS];

/* The seed alone decides, so all runs have the same numbers. */
static u32 between(struct rnd_state *rnd, u32 least, u32 most)
{
	return least + prandom_u32_state(rnd) % (most - least + 1);
}

/*
 * Traces that are made rather than recorded, to judge private heaps by sizes and
 * lifetimes that they were not designed with.
 */

#define UNSEEN_MESSAGES	16
#define UNSEEN_OPS	(UNSEEN_MESSAGES * IDS)

/* A trace in the making. */
struct maker {
	struct rnd_state rnd;
	struct op *ops;
	size_t nr;
	u16 ids;		/* of the message so far */
	u16 nr_live;
	u16 live[IDS];		/* the oldest block first */
};

static void make_op(struct maker *m, char what, u16 id, u32 size)
{
	if (m->nr < UNSEEN_OPS)
		m->ops[m->nr++] = (struct op) { what, id, size };
}

static void make_block(struct maker *m, u32 size)
{
	m->live[m->nr_live++] = m->ids;
	make_op(m, 'a', m->ids++, size);
}

static void make_realloc(struct maker *m, u32 which, u32 size)
{
	make_op(m, 'r', m->live[which], size);
}

static void make_free(struct maker *m, u32 which)
{
	make_op(m, 'f', m->live[which], 0);
	m->nr_live--;
	memmove(&m->live[which], &m->live[which + 1],
		(m->nr_live - which) * sizeof(m->live[0]));
}

static u32 any_live(struct maker *m)
{
	return between(&m->rnd, 0, m->nr_live - 1);
}

/* A parser of attributes: a buffer that doubles; frees in reverse order. */
static void attributes_message(struct maker *m)
{
	u32 i, nr = between(&m->rnd, 40, 200), buffer = 64;

	make_block(m, buffer);
	for (i = 1; i <= nr; i++) {
		make_block(m, between(&m->rnd, 16, 200));
		if (i % 16 == 0 && buffer < 4096) {
			buffer *= 2;
			make_realloc(m, 0, buffer);
		}
	}
	while (m->nr_live)
		make_free(m, m->nr_live - 1);
}

/* A compiler: nodes of four sizes, freed in turn, half of them at the end. */
static void nodes_message(struct maker *m)
{
	static const u8 sizes[] = { 32, 48, 64, 96 };
	u32 i, nr = between(&m->rnd, 100, 400);

	for (i = 0; i < nr; i++) {
		make_block(m, sizes[between(&m->rnd, 0, ARRAY_SIZE(sizes) - 1)]);
		if (i % 2)
			make_free(m, 0);
	}
	while (m->nr_live)
		make_free(m, 0);
}

/* Lines of a log: any size up to 1,500, freed in any order. */
static void lines_message(struct maker *m)
{
	u32 i, nr = between(&m->rnd, 100, 400);

	for (i = 0; i < nr; i++) {
		if (m->nr_live <= between(&m->rnd, 0, 63))
			make_block(m, between(&m->rnd, 1, 1500));
		else
			make_free(m, any_live(m));
	}
	while (m->nr_live)
		make_free(m, any_live(m));
}

/* Anything: one block in 16 up to 9,000, and one op in 16 a realloc. */
static void mixed_message(struct maker *m)
{
	u32 i, nr = between(&m->rnd, 100, 400);

	for (i = 0; i < nr; i++) {
		u32 most = between(&m->rnd, 0, 15) ? 300 : 9000;
		u32 size = between(&m->rnd, 1, most);

		if (i % 16 == 15)
			make_realloc(m, any_live(m), size);
		else if (m->nr_live <= between(&m->rnd, 1, 63))
			make_block(m, size);
		else
			make_free(m, any_live(m));
	}
	while (m->nr_live)
		make_free(m, any_live(m));
}

static const struct {
	const char *name;
	void (*message)(struct maker *m);
} unseen[] = {
	{ "attributes", attributes_message },
	{ "nodes", nodes_message },
	{ "lines", lines_message },
	{ "mixed", mixed_message },
};

/* Returns the trace's ops, for vfree(), or NULL. */
static struct op *make_trace(struct trace *trace, unsigned int which)
{
	struct maker *m = kzalloc(sizeof(*m), GFP_KERNEL);
	struct op *ops = vzalloc(array_size(UNSEEN_OPS, sizeof(*ops)));
	unsigned int i;

	if (m && ops) {
		prandom_seed_state(&m->rnd, which + 1);
		m->ops = ops;
		for (i = 0; i < UNSEEN_MESSAGES; i++) {
			m->ids = 0;
			unseen[which].message(m);
			make_op(m, 'm', 0, 0);
		}
		*trace = (struct trace) { unseen[which].name, ops, m->nr };
	}
	kfree(m);
	return ops;
}

/*
 * Returns a trace's ops with frees written out, or left out. Blocks that live
 * when a message ends are freed there. Ends with a zeroed op.
 */
static struct op *prepare(const struct trace *trace, enum frees frees)
{
	size_t i, n = 0;
	struct op *ops;
	u32 *live;
	u16 id;

	ops = vzalloc(array_size(2 * trace->nr + 1, sizeof(*ops)));
	live = vzalloc(array_size(IDS, sizeof(*live)));
	for (i = 0; ops && live && i < trace->nr; i++) {
		struct op op = trace->ops[i];

		if (op.what == 'f' && frees != FREES_ALL)
			continue;
		if (op.what == 'm') {
			for (id = 0; id < IDS; id++) {
				if (live[id] && frees != FREES_NONE)
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

/* A private heap for each message, which releases the blocks that it has. */
static void *private_start(size_t size)
{
	struct wsheap *heap = wsheap_create_private(WSHEAP_NO_SERIALIZE, 0, 0);

	return IS_ERR(heap) ? NULL : heap;
}

static __always_inline void *fresh_alloc(void *ctx, size_t size)
{
	struct wsheap **heap = ctx;

	return *heap ? wsheap_alloc(*heap, size, GFP_KERNEL) : NULL;
}

static __always_inline void *fresh_realloc(void *ctx, void *p, size_t old,
					   size_t size)
{
	struct wsheap **heap = ctx;

	return wsheap_realloc(*heap, p, size, GFP_KERNEL);
}

static __always_inline void fresh_end(void *ctx)
{
	struct wsheap **heap = ctx;

	wsheap_destroy(*heap);
	*heap = private_start(0);
}

CLEARING_ZALLOC(fresh)
ARENA_OPS(fresh);

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
WORK(fresh)
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

static void *private_serialized_start(size_t size)
{
	struct wsheap *heap = wsheap_create_private(0, 0, 0);

	return IS_ERR(heap) ? NULL : heap;
}

static void heap_stop(void *ctx)
{
	wsheap_destroy(ctx);
}

static struct wsheap *fresh_heap;

static void *fresh_start(size_t size)
{
	fresh_heap = private_start(0);
	return &fresh_heap;
}

static void fresh_stop(void *ctx)
{
	if (fresh_heap)
		wsheap_destroy(fresh_heap);
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

/* Only for the traces: blocks of one size are always freed at the end. */
static void *late_start(size_t size)
{
	return size ? NULL : &nothing_block;
}

/* kmalloc comes before those that leave their traces in its slabs. */
static const struct subject {
	const char *name;
	work_fn work;
	void *(*start)(size_t size);
	void (*stop)(void *ctx);
	enum frees frees;
} subjects[] = {
	{ "nothing", nothing_work, nothing_start, nothing_stop },
	{ "nothing,freed", nothing_freed_work, nothing_start, nothing_stop,
	  FREES_ALL },
	{ "kmalloc", kmalloc_kfree_work, nothing_start, nothing_stop, FREES_ALL },
	{ "kmalloc,late", kmalloc_kfree_work, late_start, nothing_stop,
	  FREES_LATE },
	{ "bump", bump_work, bump_start, bump_stop },
	{ "bump,locked", locked_work, bump_start, bump_stop },
	{ "wsheap", heap_work, heap_start, heap_stop },
	{ "wsheap,serialized", heap_work, serialized_start, heap_stop },
	{ "wsheap,aligned", align64_work, heap_start, heap_stop },
	{ "wsheap,zeroed", zeroed_work, heap_start, heap_stop },
	{ "wsheap,private", private_work, private_start, heap_stop, FREES_ALL },
	{ "wsheap,private,serialized", private_work, private_serialized_start,
	  heap_stop, FREES_ALL },
	{ "private,fresh", fresh_work, fresh_start, fresh_stop },
	{ "kmem_cache,bulk", cache_work, cache_start, cache_stop },
	{ "gen_pool", genalloc_work, genalloc_start, genalloc_stop, FREES_ALL },
	{ "page_frag", frag_work, frag_start, frag_stop, FREES_ALL },
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

/* Not inlined, so that it takes no registers from the loops that are measured. */
static noinline void report(const char *what, const char *row,
			    unsigned int messages, u64 *passes, unsigned int n)
{
	u64 sum = 0;
	unsigned int i;

	sort(passes, n, sizeof(*passes), compare_u64, NULL);
	for (i = 0; i < n; i++)
		sum += passes[i] - min(passes[i], clock_cost);
	pr_info("%s %s %u %llu %llu %llu\n", what, row, messages,
		passes[0] - min(passes[0], clock_cost),
		passes[n / 2] - min(passes[n / 2], clock_cost),
		div_u64(sum, n));
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

static void measure_trace_memset(const struct trace *trace)
{
	size_t bytes[64] = {}, n = 0;
	const struct op *op;

	for (op = trace->prepared[FREES_NONE]; op->what; op++) {
		if (op->what == 'm')
			n++;
		else
			bytes[n] += ALIGN(op->size, 8);
	}
	measure_memset(trace->name, bytes, n, TRACE_PASSES);
}

/*
 * Each allocator replays all traces before the next one begins: what comes after
 * kmalloc leaves its traces in kmalloc's slabs.
 */
static void run_traces(struct trace *traces, unsigned int nr)
{
	unsigned int t, i;
	bool good = true;

	for (t = 0; t < nr; t++) {
		for (i = 0; i < FREES; i++) {
			traces[t].prepared[i] = prepare(&traces[t], i);
			good &= !!traces[t].prepared[i];
		}
	}
	for (i = 0; good && i < ARRAY_SIZE(subjects); i++) {
		const struct subject *s = &subjects[i];

		for (t = 0; t < nr; t++)
			measure(s, traces[t].name, traces[t].prepared[s->frees],
				0, TRACE_PASSES);
	}
	for (t = 0; t < nr; t++) {
		if (good) {
			measure_trace_memset(&traces[t]);
			measure_held(traces[t].name,
				     traces[t].prepared[FREES_NONE]);
		}
		for (i = 0; i < FREES; i++)
			vfree(traces[t].prepared[i]);
	}
}

static void run_unseen(void)
{
	struct trace made[ARRAY_SIZE(unseen)];
	struct op *ops[ARRAY_SIZE(unseen)];
	bool good = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unseen); i++) {
		ops[i] = make_trace(&made[i], i);
		good &= !!ops[i];
	}
	if (good)
		run_traces(made, ARRAY_SIZE(made));
	for (i = 0; i < ARRAY_SIZE(unseen); i++)
		vfree(ops[i]);
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

/*
 * What a message's life has beside blocks and resets. The heap stays in its first
 * chunk.
 */

#define LIFE_ACTIONS	32

static noinline void no_action(void *data)
{
}

/* A savepoint and the rollback to it, with a block between them. */
static bool life_rollback(struct wsheap *heap, u64 *sum)
{
	struct wsheap_mark mark;
	void *p;

	begin_action(sum);
	mark = wsheap_mark(heap);
	end_action(sum);
	p = wsheap_alloc(heap, 64, GFP_KERNEL);
	begin_action(sum);
	wsheap_rollback(heap, &mark);
	end_action(sum);
	return p;
}

/* The newest block grows, and becomes smaller again in the reset. */
static bool life_extend(struct wsheap *heap, u64 *sum)
{
	void *p = wsheap_alloc(heap, 64, GFP_KERNEL), *longer;

	begin_action(sum);
	longer = wsheap_extend(heap, p, 64, 128, GFP_KERNEL);
	end_action(sum);
	wsheap_reset(heap);
	return p && longer == p;
}

/* Two at a time, so that the loop does not count for much. */
static void add_actions(struct wsheap *heap, struct wsheap_action *actions,
			unsigned int nr)
{
	for (; nr > 1; nr -= 2, actions += 2) {
		wsheap_add_action(heap, &actions[0], no_action, NULL);
		wsheap_add_action(heap, &actions[1], no_action, NULL);
	}
	if (nr)
		wsheap_add_action(heap, actions, no_action, NULL);
}

/* So many actions are added, with the loop. */
static bool life_add_actions(struct wsheap *heap, u64 *sum)
{
	struct wsheap_action actions[LIFE_ACTIONS];

	begin_action(sum);
	add_actions(heap, actions, LIFE_ACTIONS);
	end_action(sum);
	wsheap_reset(heap);
	return true;
}

/* They run; what a reset with one action takes is taken off. */
static bool life_run_actions(struct wsheap *heap, u64 *sum)
{
	struct wsheap_action actions[LIFE_ACTIONS + 1];
	u64 one = 0;

	add_actions(heap, actions, 1);
	begin_action(&one);
	wsheap_reset(heap);
	end_action(&one);
	add_actions(heap, actions, LIFE_ACTIONS + 1);
	begin_action(sum);
	wsheap_reset(heap);
	end_action(sum);
	*sum -= one;
	return true;
}

/* An embedded heap that no message needed. */
static bool life_init_exit(struct wsheap *heap, u64 *sum)
{
	struct wsheap embedded;
	int ret;

	begin_action(sum);
	ret = wsheap_init(&embedded, SZ_64K, SZ_4K, NULL);
	if (!ret)
		wsheap_exit(&embedded);
	end_action(sum);
	return !ret;
}

static void measure_life(const char *row, unsigned int nr,
			 bool (*life)(struct wsheap *heap, u64 *sum))
{
	struct wsheap *heap = heap_start(0);
	u64 pass[PASSES];
	unsigned int i, a;

	if (!heap)
		return;
	for (a = 0; a < WARMUP; a++) {
		heap_work(heap, NULL, 256);
		wsheap_reset(heap);
	}
	for (i = 0; i < PASSES; i++) {
		pass[i] = clock_cost;
		for (a = 0; a < ACTIONS; a++)
			if (!life(heap, &pass[i]))
				goto out;
	}
	report("heap", row, ACTIONS * nr, pass, PASSES);
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
	measure_life("mark,rollback", 1, life_rollback);
	measure_life("action,add", LIFE_ACTIONS, life_add_actions);
	measure_life("action,run", LIFE_ACTIONS, life_run_actions);
	measure_life("extend", 1, life_extend);
	measure_life("init,exit", 1, life_init_exit);
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
 * The longest single call after many small blocks were freed: blocks of other
 * sizes find no free block of theirs then, and the heap has to merge what is
 * free. Rounds are alike, and of each call the shortest counts, which has no
 * interrupt in it.
 */

#define WORST_BLOCKS	300000
#define WORST_STRIDE	7919	/* frees do not follow the addresses */
#define WORST_KEPT	64	/* one block in so many lives on, if any does */
#define WORST_CALLS	32	/* of each size in a round, the sizes in turn */
#define WORST_ROUNDS	3
/* Less than the blocks need: no memory is left that was never used. */
#define WORST_FIXED	(38 * SZ_1M)

static const u16 worst_filled[] = { 40, 72, 104, 136, 168, 200 };
static const u16 worst_asked[] = {
	24, 56, 120, 300, 500, 700, 1000, 2000, 4000, 9000, 15000, 30000,
};

#define WORST_SIZES	ARRAY_SIZE(worst_asked)

struct worst {
	const char *name;
	size_t max_size;
	bool keep;			/* some blocks live on */
};

static const struct worst worst[] = {
	{ "growable,all" },
	{ "growable,most", .keep = true },
	{ "fixed,all", WORST_FIXED },
	{ "fixed,most", WORST_FIXED, .keep = true },
};

/* How long each call took: both with the sizes rising and with them falling. */
struct worst_calls {
	u64 frees[WORST_BLOCKS];
	u64 allocs[WORST_SIZES][2][WORST_CALLS];
};

static void end_call(u64 *shortest, u64 begin)
{
	*shortest = min(*shortest, ktime_get_ns() - begin);
}

static void worst_round(const struct worst *w, struct wsheap *heap, void **p,
			struct worst_calls *calls, bool falling)
{
	struct rnd_state rnd;
	u64 begin;
	u32 i, n;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < WORST_BLOCKS; i++) {
		n = between(&rnd, 0, ARRAY_SIZE(worst_filled) - 1);
		p[i] = wsheap_alloc(heap, worst_filled[n], GFP_KERNEL);
	}
	for (i = 0; i < WORST_BLOCKS; i++) {
		n = i * WORST_STRIDE % WORST_BLOCKS;
		if (!p[n] || (w->keep && n % WORST_KEPT == 0))
			continue;
		begin = ktime_get_ns();
		wsheap_free(heap, p[n]);
		end_call(&calls->frees[n], begin);
	}
	cond_resched();
	for (i = 0; i < WORST_CALLS; i++) {
		for (n = 0; n < WORST_SIZES; n++) {
			u32 which = falling ? WORST_SIZES - 1 - n : n;

			begin = ktime_get_ns();
			wsheap_alloc(heap, worst_asked[which], GFP_KERNEL);
			end_call(&calls->allocs[which][falling][i], begin);
		}
	}
}

/* Prints the longest call and the median. A call that was not made is U64_MAX. */
static void report_worst(const struct worst *w, const char *call, u64 *calls,
			 u32 nr)
{
	sort(calls, nr, sizeof(*calls), compare_u64, NULL);
	while (nr > 1 && calls[nr - 1] == U64_MAX)
		nr--;
	pr_info("worst %s,%s 1 %llu %llu\n", w->name, call,
		calls[nr - 1] - min(calls[nr - 1], clock_cost),
		calls[nr / 2] - min(calls[nr / 2], clock_cost));
}

static void measure_worst(const struct worst *w)
{
	struct worst_calls *calls = vmalloc(sizeof(*calls));
	void **p = vzalloc(array_size(WORST_BLOCKS, sizeof(*p)));
	char size[16];
	u32 i;

	if (!calls || !p)
		goto out;
	memset(calls, 0xff, sizeof(*calls));
	for (i = 0; i < 2 * WORST_ROUNDS; i++) {
		struct wsheap *heap;

		heap = wsheap_create_private(WSHEAP_NO_SERIALIZE, 0, w->max_size);
		if (IS_ERR(heap))
			goto out;
		worst_round(w, heap, p, calls, i % 2);
		wsheap_destroy(heap);
	}
	report_worst(w, "free", calls->frees, WORST_BLOCKS);
	for (i = 0; i < WORST_SIZES; i++) {
		snprintf(size, sizeof(size), "%u", worst_asked[i]);
		report_worst(w, size, calls->allocs[i][0], 2 * WORST_CALLS);
	}
out:
	vfree(calls);
	vfree(p);
}

static void run_worst(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(worst); i++)
		measure_worst(&worst[i]);
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
 * What private heaps hold, against the most that lived at once. The operations
 * are drawn before the heap is asked, so they are the same for any heap.
 */

#define CHURN_SEEDS	5
/* Operations for each slot, and in all: what is held changes little by then. */
#define CHURN_DRAWS	350
#define CHURN_LEAST	2000000

/* What a heap holds and has been asked for. */
struct churn {
	struct wsheap *heap;
	struct rnd_state rnd;
	u32 ops;
	size_t live;
	size_t peak;
	size_t most;			/* the most that the heap held */
};

static bool churn_begin(struct churn *c, unsigned int seed)
{
	*c = (struct churn) { .heap = private_start(0) };
	prandom_seed_state(&c->rnd, seed);
	return c->heap;
}

/* Allocates a block, or resizes one. */
static void *churn_realloc(struct churn *c, void *p, size_t old, size_t size)
{
	p = wsheap_realloc(c->heap, p, size, GFP_KERNEL);
	if (!p)
		return NULL;
	c->ops++;
	c->live += size - old;
	c->peak = max(c->peak, c->live);
	c->most = max(c->most, actual(c->heap));
	return p;
}

static void churn_free(struct churn *c, void *p, size_t size)
{
	wsheap_free(c->heap, p);
	c->ops++;
	c->live -= size;
}

static void churn_end(struct churn *c, const char *sizes, u32 slots,
		      unsigned int seed)
{
	pr_info("churn %s %u %u %u %zu %zu %zu\n", sizes, slots, seed, c->ops,
		c->peak, c->most, actual(c->heap));
	wsheap_destroy(c->heap);
}

/*
 * Blocks come and go at random: a slot is drawn, and filled if it is empty, or
 * emptied if it is full. So about half of them are full. Every sixteenth
 * operation resizes the block of a full slot instead.
 */
static bool churn_slots(struct churn *c, const u16 *sizes, u32 nr, u32 slots)
{
	struct {
		void *p;
		u32 size;
	} *block, *blocks = vzalloc(array_size(slots, sizeof(*blocks)));
	u32 i, size, nr_ops = max(CHURN_LEAST, CHURN_DRAWS * slots);

	for (i = 0; blocks && i < nr_ops; i++) {
		block = &blocks[prandom_u32_state(&c->rnd) % slots];
		size = sizes[prandom_u32_state(&c->rnd) % nr];
		if (block->p && i % 16) {
			churn_free(c, block->p, block->size);
			block->p = NULL;
			block->size = 0;
		} else {
			block->p = churn_realloc(c, block->p, block->size, size);
			if (!block->p)
				break;
			block->size = size;
		}
		if (!(i % 65536))
			cond_resched();
	}
	vfree(blocks);
	return i == nr_ops;
}

static void measure_churn(const char *name, const u16 *sizes, u32 nr, u32 slots)
{
	struct churn c;
	unsigned int seed;

	for (seed = 1; seed <= CHURN_SEEDS; seed++) {
		if (!churn_begin(&c, seed))
			return;
		if (!churn_slots(&c, sizes, nr, slots))
			pr_err("no memory\n");
		churn_end(&c, name, slots, seed);
	}
}

static void run_churn(void)
{
	u32 t, nr, all = 0;
	u16 *sizes;
	size_t i;

	for (t = 0; t < ARRAY_SIZE(traces); t++)
		all += traces[t].nr;
	sizes = vzalloc(array_size(all, sizeof(*sizes)));
	if (!sizes)
		return;
	for (t = 0, all = 0; t < ARRAY_SIZE(traces); t++) {
		for (i = 0, nr = 0; i < traces[t].nr; i++)
			if (strchr("azr", traces[t].ops[i].what))
				sizes[all + nr++] = traces[t].ops[i].size;
		measure_churn(traces[t].name, sizes + all, nr, 5000);
		measure_churn(traces[t].name, sizes + all, nr, 30000);
		all += nr;
	}
	measure_churn("all", sizes, all, 5000);
	measure_churn("all", sizes, all, 30000);
	vfree(sizes);
}

/* Adds so many sizes, evenly from the least to the most. */
static u32 add_sizes(u16 *sizes, u32 nr, u32 least, u32 most, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		sizes[nr + i] = least + (most - least) * i / (count - 1);
	return nr + count;
}

#define PHASES		256
#define PHASE_BYTES	100000

/*
 * A program that does one thing after the other. Each phase allocates blocks of
 * one size until PHASE_BYTES live, and frees all of them in random order. The
 * sizes take turns. One block in sixteen is allocated with half the size, and
 * resized.
 */
static bool churn_phases(struct churn *c)
{
	static const u16 sizes[] = {
		24, 56, 120, 248, 504, 1000, 40, 88,
		184, 376, 760, 2000, 32, 72, 152, 4000,
	};
	void **p = vzalloc(array_size(PHASE_BYTES, sizeof(*p)));
	u32 phase, i, last, nr = 0;

	for (phase = 0; p && phase < PHASES; phase++) {
		u32 size = sizes[phase % ARRAY_SIZE(sizes)];

		for (nr = 0; nr < PHASE_BYTES / size; nr++) {
			u32 first = nr % 16 ? size : size / 2;

			p[nr] = churn_realloc(c, NULL, 0, first);
			if (p[nr] && first != size)
				p[nr] = churn_realloc(c, p[nr], first, size);
			if (!p[nr])
				goto out;
		}
		for (last = nr; last--; p[i] = p[last]) {
			i = between(&c->rnd, 0, last);
			churn_free(c, p[i], size);
		}
		cond_resched();
	}
out:
	vfree(p);
	return phase == PHASES;
}

static void measure_phases(void)
{
	struct churn c;
	unsigned int seed;

	for (seed = 1; seed <= CHURN_SEEDS; seed++) {
		if (!churn_begin(&c, seed))
			return;
		if (!churn_phases(&c))
			pr_err("no memory\n");
		churn_end(&c, "phases", 0, seed);
	}
}

/* Sizes that no trace has. */
static void run_shapes(void)
{
	u16 *sizes = vzalloc(array_size(SZ_16K, sizeof(*sizes)));
	u32 nr, order;

	if (!sizes)
		return;
	measure_phases();
	nr = add_sizes(sizes, 0, 1, 300, 15 * 900);
	nr = add_sizes(sizes, nr, 10, 9000, 900);
	measure_churn("mix", sizes, nr, 512);
	nr = add_sizes(sizes, 0, 1, 64, 64);
	measure_churn("1-64", sizes, nr, 512);
	measure_churn("1-64", sizes, nr, 8192);
	nr = add_sizes(sizes, 0, 1, 760, 760);
	measure_churn("1-760", sizes, nr, 512);
	measure_churn("1-760", sizes, nr, 8192);
	for (order = 3, nr = 0; order <= 12; order++)
		sizes[nr++] = 1 << order;
	measure_churn("powers", sizes, nr, 512);
	measure_churn("powers", sizes, nr, 8192);
	/* One block in eight is a small one. */
	nr = add_sizes(sizes, 0, 1000, 20000, 7000);
	nr = add_sizes(sizes, nr, 1, 300, 1000);
	measure_churn("large", sizes, nr, 512);
	measure_churn("large", sizes, nr, 4096);
	vfree(sizes);
}

/*
 * The debugging modes, by the names that wsheap's parameter page_heap was given: a
 * message of 32 blocks and its reset, and in a private heap 32 blocks and their end.
 * What a worker does later is not counted, as far as it runs between the passes.
 */
#define MODE_MESSAGES	20

static void measure_mode(const char *mode, bool private, unsigned int flags)
{
	struct wsheap_args args = { .flags = flags };
	void *block[FIXED_BLOCKS];
	unsigned int i, m, n;
	struct wsheap *heap;
	u64 pass[PASSES], sum = 0;
	char row[32];

	args.name = mode;
	heap = private ? wsheap_create_private_args(0, 0, 0, &args) :
			 wsheap_create(WSHEAP_UNLIMITED, SZ_64K, &args);
	if (IS_ERR(heap))
		return;
	for (i = 0; i < PASSES; i++) {
		msleep(50);
		pass[i] = ktime_get_ns();
		for (m = 0; m < MODE_MESSAGES; m++) {
			for (n = 0; n < FIXED_BLOCKS; n++) {
				block[n] = wsheap_alloc(heap, 64, GFP_KERNEL);
				if (!block[n])
					goto out;
				*(char *)block[n] = 1;
			}
			if (!private)
				wsheap_reset(heap);
			for (n = 0; private && n < FIXED_BLOCKS; n++)
				wsheap_free(heap, block[n]);
		}
		sum += ktime_get_ns() - pass[i];
	}
	/* The pass with the fewest samples would say too little. */
	for (i = 0; i < PASSES; i++)
		pass[i] = div_u64(sum, PASSES);
	snprintf(row, sizeof(row), "%s%s", mode, private ? ",private" :
		 flags & WSHEAP_SERIALIZE ? ",serialized" : "");
	report("modes", row, MODE_MESSAGES, pass, PASSES);
out:
	wsheap_destroy(heap);
}

static void run_modes(void)
{
	static const char * const modes[] = { "off", "debug", "kmalloc", "guard", "sample" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		measure_mode(modes[i], false, 0);
		measure_mode(modes[i], false, WSHEAP_SERIALIZE);
		/* That has a parameter of its own in a private heap. */
		if (strcmp(modes[i], "debug"))
			measure_mode(modes[i], true, 0);
	}
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
			run_traces(&traces[i], 1);
	if (!strcmp(work, "unseen"))
		run_unseen();
	if (!strcmp(work, "fixed"))
		run_fixed();
	if (!strcmp(work, "heap"))
		run_heap();
	if (!strcmp(work, "worst"))
		run_worst();
	if (!strcmp(work, "scale"))
		run_scale();
	if (!strcmp(work, "modes"))
		run_modes();
	if (!strcmp(work, "churn"))
		run_churn();
	if (!strcmp(work, "shapes"))
		run_shapes();
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
