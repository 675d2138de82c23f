/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wsheap - heaps whose blocks are released together
 *
 * This is the whole interface. Each call is documented where it is defined:
 * the inline ones here, the others in the .c files. The guide for driver
 * authors is Documentation/wsheap.rst.
 */
#ifndef _WSHEAP_H
#define _WSHEAP_H

#include "wsheap_compat.h"

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/types.h>

struct device;
struct wsheap_action;
struct wsheap_chunk;
struct wsheap_class;
struct wsheap_debug;
struct wsheap_group;
struct wsheap_pool;

/* A max_size that sets no limit. */
#define WSHEAP_UNLIMITED	SIZE_MAX

/* Every block is aligned to at least this many bytes, on every architecture. */
#define WSHEAP_MIN_ALIGN	8

/*
 * The quota bounds the memory of a message heap, too. ACTUAL_SIZE never exceeds
 * the sum of
 *
 *  - WSHEAP_BOUND_FACTOR times the bytes asked for since the last reset, where
 *    each block is rounded up to 8 bytes (with WSHEAP_CONTIG to the cache
 *    alignment) and the padding that its alignment may need is counted;
 *  - WSHEAP_BOUND_CONSTANT bytes;
 *  - twice the ACTUAL_SIZE after that reset, or after creation.
 *
 * What wsheap_reserve() is asked for counts as asked for, and so does twice the size
 * of a block each time that wsheap_extend() moves it.
 *
 * Each concurrent caller may hold one more chunk for a moment. A heap with
 * __GFP_DMA32 may hold up to PAGE_SIZE more, because its chunks are whole pages.
 */
#define WSHEAP_BOUND_FACTOR	4
#define WSHEAP_BOUND_CONSTANT	1024

/*
 * The largest block of a private heap with a maximum size, in bytes. As on
 * Windows, it is slightly below 1 MiB, or 512 KiB on 32-bit machines.
 */
#define WSHEAP_FIXED_BLOCK_MAX	((BITS_PER_LONG == 64 ? SZ_1M : SZ_512K) - SZ_4K)

/*
 * Flags of a message heap, for struct wsheap_args. They share no bit with the
 * options of private heaps, which have the values that Windows gives them.
 * Bits 30 and 31 stay unused.
 */
/* Several callers may use the heap at the same time. */
#define WSHEAP_SERIALIZE	BIT(8)
/* Memory comes from args->node, if that node has any. */
#define WSHEAP_NODE		BIT(9)
/* Chunks are physically contiguous, so that blocks can be mapped for DMA. */
#define WSHEAP_CONTIG		BIT(10)
/* A reset keeps what recent messages needed, up to the trim size. */
#define WSHEAP_ADAPTIVE		BIT(11)
/* Each block has memory of its own, so that mistakes show. For private heaps, too. */
#define WSHEAP_PAGE_HEAP	BIT(16)

/* Options of a private heap, for wsheap_create_private(). */
/* The heap takes no lock: it has one caller at a time. */
#define WSHEAP_NO_SERIALIZE		BIT(0)
/* A failed allocation calls the failure handler, or warns. */
#define WSHEAP_GENERATE_EXCEPTIONS	BIT(2)
/* Refused with -EOPNOTSUPP. */
#define WSHEAP_CREATE_ENABLE_EXECUTE	BIT(18)

/**
 * struct wsheap_args - options for creating a heap
 * @flags: WSHEAP_SERIALIZE, WSHEAP_NODE, WSHEAP_CONTIG, WSHEAP_ADAPTIVE,
 *	WSHEAP_PAGE_HEAP, or 0. For a private heap WSHEAP_NODE, WSHEAP_PAGE_HEAP, or 0.
 * @name: the class under which the heap is counted and reported. The string is
 *	copied. NULL stands for the name of the module that calls.
 * @initial_size: bytes of blocks for which the heap obtains memory when it is
 *	created. Each block is rounded up to 8 bytes, and padding for alignment
 *	is counted. A reset keeps this memory if the trim size covers it. With 0
 *	the heap obtains none before its first block. Must be 0 for a private
 *	heap, whose creation has a parameter for it.
 * @chunk_gfp: flags added to the gfp of every call that obtains memory:
 *	__GFP_ACCOUNT, __GFP_DMA, __GFP_DMA32, and modifiers for warnings and
 *	retries.
 * @node: the preferred NUMA node. It is used only with WSHEAP_NODE, so that a
 *	zeroed structure does not ask for node 0.
 * @group: the budget that the heap's memory is charged to, or NULL. It has to stay
 *	until the heap is gone, also one that goes with a device.
 */
struct wsheap_args {
	unsigned int flags;
	const char *name;
	size_t initial_size;
	gfp_t chunk_gfp;
	int node;
	struct wsheap_group *group;
};

/**
 * struct wsheap_error - why a block was refused
 * @code: -EINVAL for a bad gfp or alignment; -EOVERFLOW for a size above the
 *	largest block; -E2BIG for a size above WSHEAP_FIXED_BLOCK_MAX in a private
 *	heap with a maximum size; -EDQUOT for the quota, that maximum or a group; -ENOMEM
 *	if the system has no memory.
 * @asked: bytes that the call asked for.
 * @in_use: bytes that the heap's blocks had asked for at that moment. If a group
 *	refused, bytes that the group's heaps held.
 * @limit: the heap's max_size in bytes. For a private heap this is its maximum
 *	size, bookkeeping included. If a group refused, its max_size.
 *
 * Equivalent of WS_ERROR. Only a failing call writes to it.
 */
struct wsheap_error {
	int code;
	size_t asked;
	size_t in_use;
	size_t limit;
};

/**
 * enum wsheap_property_id - the properties of a heap
 * @WSHEAP_PROPERTY_MAX_SIZE: the quota, in bytes as asked for.
 * @WSHEAP_PROPERTY_TRIM_SIZE: the bytes that a reset may keep.
 * @WSHEAP_PROPERTY_REQUESTED_SIZE: the bytes asked for since creation or the
 *	last reset. For a private heap, by its live blocks.
 * @WSHEAP_PROPERTY_ACTUAL_SIZE: the bytes that the heap holds from the system,
 *	as the system rounds them. The heap object is not counted.
 *
 * Equivalent of WS_HEAP_PROPERTY_ID. Each value is a size_t.
 */
enum wsheap_property_id {
	WSHEAP_PROPERTY_MAX_SIZE = 0,
	WSHEAP_PROPERTY_TRIM_SIZE = 1,
	WSHEAP_PROPERTY_REQUESTED_SIZE = 2,
	WSHEAP_PROPERTY_ACTUAL_SIZE = 3,
};

/*
 * A reset may have more to do than to take the cursor back. A reset clears this for
 * the next one. A call that takes the long path sets it.
 */
#define WSHEAP_STATE_LONG	BIT(2)
/* The same in struct wsheap's @path_state, where any other path is a reason, too. */
#define WSHEAP_LONG \
	((__force u16)cpu_to_le16(0xff | WSHEAP_STATE_LONG << 8))

/*
 * A heap. All members are private. They are visible because the short path is
 * inline. The head comment of wsheap.c has the picture that goes with them.
 */
struct wsheap {
	/* Taken if the heap is serialized. Protects all but constants and @all. */
	spinlock_t lock;
	u16 flags;			/* from the creator; never change */
	union {
		struct {
			u8 path;	/* enum wsheap_path */
			u8 state;	/* WSHEAP_STATE_... */
		};
		u16 path_state;
	};

	/*
	 * The short path. A block comes from @cursor if it ends at or before
	 * @limit, which is the nearer of two ends: of the current chunk's
	 * zeroed bytes, and of the quota. A heap that has no short path or no
	 * current chunk has WSHEAP_NO_CURSOR instead, and any limit.
	 */
	char *cursor;
	char *limit;
	size_t left;			/* of the quota, in bytes as asked for */
	u32 slack;			/* bytes that one chunk might need more */
	u32 peak;			/* bytes that one chunk should provide */
	struct wsheap_chunk *cur;	/* blocks come from here */
	size_t max_size;

	/*
	 * The pool that the heap is from, while it is in use. With WSHEAP_POOL_QUOTA
	 * the heap's quota is not the pool's.
	 */
	unsigned long pool;

	/* Growth, and the reset of several chunks. */
	struct wsheap_chunk *used;	/* chunks with blocks, newest first */
	union {
		struct wsheap_chunk *alt; /* the other used chunk with room */
		struct wsheap *next_idle; /* while the heap is on a pool's list */
	};
	struct wsheap_chunk *free_chunks; /* without blocks, in order of use */
	size_t actual;			/* bytes held, as the system counts them */
	size_t trim_size;
	gfp_t chunk_gfp;
	short node;
	u8 next_order;			/* size of the next chunk, as a power of 2 */
	bool noted;			/* a reset has to end @actions or @status */
	u32 high;			/* bytes that one chunk should have provided */
	u16 status;			/* -errno of the last call refused */
	struct wsheap_action *actions;	/* newest first */
	struct wsheap_group *group;
	struct wsheap_class *class;
	struct list_head all;		/* protected by all_heaps_lock */

	/* The caller that has the heap, if it takes no lock: 0, or an address. */
	unsigned long user;
	struct wsheap_debug *debug;	/* for a heap in a debugging mode */

	/* Messages so far: their number, and the bytes that they asked for. */
	u32 messages;
	u32 largest;
	u64 asked;
};

/**
 * struct wsheap_action - what to do when blocks of a heap end
 * @next: the next older action.
 * @fn: what to call.
 * @data: handed to @fn.
 *
 * All members are private. See wsheap_add_action().
 */
struct wsheap_action {
	struct wsheap_action *next;
	void (*fn)(void *data);
	void *data;
};

/*
 * struct wsheap_mark - a savepoint of a message heap
 * @used: the newest chunk that had blocks.
 * @cur: the current chunk, or NULL if the message was in its first chunk. Then
 *	@used, @alt and @actions are not set.
 * @alt: the other one with room.
 * @actions: the newest action.
 * @requested: bytes asked for.
 * @cursor: where the next block of @cur would have begun.
 * @alt_used: how much of @alt was used.
 * @newest_used: how much of @used was used.
 * @slack: bytes that one chunk might need more. In a heap in a debugging mode, what
 *	tells older blocks from newer ones.
 *
 * All members are private. See wsheap_mark().
 */
struct wsheap_mark {
	struct wsheap_chunk *used;
	struct wsheap_chunk *cur;
	struct wsheap_chunk *alt;
	struct wsheap_action *actions;
	size_t requested;
	char *cursor;
	u32 alt_used;
	u32 newest_used;
	u32 slack;
};

/**
 * enum wsheap_walk_kind - what wsheap_walk() found
 * @WSHEAP_WALK_REGION: memory from the system. Its blocks follow.
 * @WSHEAP_WALK_BUSY: a live block.
 * @WSHEAP_WALK_FREE: free space.
 */
enum wsheap_walk_kind {
	WSHEAP_WALK_REGION = 1,
	WSHEAP_WALK_BUSY,
	WSHEAP_WALK_FREE,
};

/**
 * struct wsheap_walk_entry - one element of a private heap
 * @kind: what was found. Set to 0 before the first call.
 * @address: start of the region, the block or the free space.
 * @size: bytes. For a block, as asked for; for free space, what one block could
 *	have of it; for a region, as held from the system.
 * @overhead: bytes of headers and rounding that @size does not count.
 *
 * Equivalent of PROCESS_HEAP_ENTRY.
 */
struct wsheap_walk_entry {
	enum wsheap_walk_kind kind;
	void *address;
	size_t size;
	size_t overhead;
};

/**
 * struct wsheap_summary - what a heap holds, in bytes
 * @allocated: bytes that the live blocks asked for.
 * @committed: bytes held from the system.
 * @reserved: bytes that the heap is entitled to hold: its maximum size, or
 *	@committed if it has none.
 * @bound: the upper bound of @reserved: the maximum size, or WSHEAP_UNLIMITED.
 *
 * Equivalent of HEAP_SUMMARY.
 */
struct wsheap_summary {
	size_t allocated;
	size_t committed;
	size_t reserved;
	size_t bound;
};

/* Who makes a heap or a pool, and the class of those without a name. */
struct wsheap_creator {
	struct module *module;
	const char *name;
	struct wsheap_class *class;
};

#define WSHEAP_CREATOR ({						\
	static struct wsheap_creator __creator = {			\
		.module = THIS_MODULE,					\
		.name = KBUILD_MODNAME,					\
	};								\
	&__creator;							\
})

struct wsheap *__wsheap_create(size_t max_size, size_t trim_size,
			       const struct wsheap_args *args,
			       struct wsheap_creator *creator);
struct wsheap *__devm_wsheap_create(struct device *dev, size_t max_size,
				    size_t trim_size,
				    const struct wsheap_args *args,
				    struct wsheap_creator *creator);
int __wsheap_init(struct wsheap *heap, size_t max_size, size_t trim_size,
		  const struct wsheap_args *args,
		  struct wsheap_creator *creator);
struct wsheap *__wsheap_create_private(unsigned int options, size_t initial_size,
				       size_t maximum_size,
				       const struct wsheap_args *args,
				       struct wsheap_creator *creator);
struct wsheap *__devm_wsheap_create_private(struct device *dev,
					    unsigned int options,
					    size_t initial_size,
					    size_t maximum_size,
					    const struct wsheap_args *args,
					    struct wsheap_creator *creator);
struct wsheap_pool *__wsheap_pool_create(size_t max_size, size_t trim_size,
					 const struct wsheap_args *args,
					 unsigned int reserve, unsigned int max_idle,
					 struct wsheap_creator *creator);
struct wsheap_pool *
__devm_wsheap_pool_create(struct device *dev, size_t max_size, size_t trim_size,
			  const struct wsheap_args *args, unsigned int reserve,
			  unsigned int max_idle,
			  struct wsheap_creator *creator);

void wsheap_exit(struct wsheap *heap);
void wsheap_reset(struct wsheap *heap);
void wsheap_destroy(struct wsheap *heap);
int wsheap_get_property(const struct wsheap *heap, enum wsheap_property_id id,
			void *value, size_t value_size);
const char *wsheap_name(const struct wsheap *heap);
void wsheap_dump(struct wsheap *heap);

int wsheap_set_max_size(struct wsheap *heap, size_t max_size);
int wsheap_reserve(struct wsheap *heap, size_t bytes, gfp_t gfp);
void __wsheap_mark(struct wsheap *heap, struct wsheap_mark *mark);
void wsheap_rollback(struct wsheap *heap, const struct wsheap_mark *mark);
void wsheap_add_action(struct wsheap *heap, struct wsheap_action *action,
		       void (*fn)(void *data), void *data);
void *__wsheap_extend(struct wsheap *heap, void *p, size_t old, size_t size,
		      gfp_t gfp, unsigned long caller) __realloc_size(4);

void *__wsheap_alloc_cur(struct wsheap *heap, size_t size)
	__alloc_size(2) __malloc;
void *__wsheap_alloc_cur_aligned(struct wsheap *heap, size_t size, size_t align)
	__alloc_size(2) __malloc;
void *__wsheap_alloc(struct wsheap *heap, size_t size, size_t align, gfp_t gfp,
		     struct wsheap_error *err) __alloc_size(2) __malloc;
void *wsheap_memdup(struct wsheap *heap, const void *src, size_t len,
		    gfp_t gfp) __realloc_size(3);
char *wsheap_strdup(struct wsheap *heap, const char *s, gfp_t gfp) __malloc;
char *wsheap_strndup(struct wsheap *heap, const char *s, size_t max,
		     gfp_t gfp) __malloc;
void *wsheap_memdup_user(struct wsheap *heap, const void __user *src, size_t len,
			 gfp_t gfp);
void *wsheap_memdup_user_nul(struct wsheap *heap, const void __user *src,
			     size_t len, gfp_t gfp);
char *wsheap_strndup_user(struct wsheap *heap, const char __user *s, size_t n,
			  gfp_t gfp);
__printf(5, 6) int wsheap_appendf(struct wsheap *heap, char **string,
				  size_t *length, gfp_t gfp, const char *fmt, ...);
__printf(3, 4) char *wsheap_asprintf(struct wsheap *heap, gfp_t gfp,
				     const char *fmt, ...) __malloc;
__printf(3, 0) char *wsheap_vasprintf(struct wsheap *heap, gfp_t gfp,
				      const char *fmt, va_list ap) __malloc;

void wsheap_free(struct wsheap *heap, void *p);
void *wsheap_realloc(struct wsheap *heap, void *p, size_t size, gfp_t gfp)
	__realloc_size(3);
bool wsheap_resize(struct wsheap *heap, void *p, size_t size, gfp_t gfp);
size_t wsheap_size(struct wsheap *heap, const void *p);
int wsheap_lock(struct wsheap *heap);
void wsheap_unlock(struct wsheap *heap);
bool wsheap_validate(struct wsheap *heap, const void *p);
int wsheap_walk(struct wsheap *heap, struct wsheap_walk_entry *entry);
size_t wsheap_compact(struct wsheap *heap);
void wsheap_summary(struct wsheap *heap, struct wsheap_summary *sum);
int wsheap_for_each(int (*fn)(struct wsheap *heap, void *data), void *data);
void wsheap_set_failure_handler(struct wsheap *heap,
				void (*fn)(struct wsheap *heap,
					   const struct wsheap_error *err,
					   void *data),
				void *data);

struct wsheap_group *wsheap_group_create(const char *name, size_t max_size,
					 struct wsheap_group *parent);
void wsheap_group_destroy(struct wsheap_group *group);
size_t wsheap_group_size(const struct wsheap_group *group);

struct wsheap *wsheap_pool_alloc(struct wsheap_pool *pool, gfp_t gfp);
void wsheap_pool_free(struct wsheap_pool *pool, struct wsheap *heap);
void wsheap_pool_put(struct wsheap *heap);
void wsheap_pool_destroy(struct wsheap_pool *pool);

/*
 * Creation. These are inline so that a heap knows the module that made it.
 */

/**
 * wsheap_create - create a message heap
 * @max_size: the quota: bytes that the blocks may add up to, as asked for,
 *	between two resets. 0 allows empty blocks only, WSHEAP_UNLIMITED sets no
 *	limit.
 * @trim_size: bytes that the heap may keep after a reset. With more than
 *	@max_size it keeps everything.
 * @args: further options, or NULL for the defaults.
 *
 * Obtains no memory but the heap object, unless @args asks for an initial size.
 * Equivalent of WsCreateHeap().
 *
 * Context: process context; sleeps.
 * Return: the heap, to be passed to wsheap_destroy(), or an ERR_PTR: -EINVAL
 * for bad @args, -EOVERFLOW for an initial size that is, with its header, above
 * the largest block, -EDQUOT if a group refused the memory for it, -ENOMEM.
 */
static inline struct wsheap *wsheap_create(size_t max_size, size_t trim_size,
					   const struct wsheap_args *args)
{
	return __wsheap_create(max_size, trim_size, args, WSHEAP_CREATOR);
}

/**
 * devm_wsheap_create - create a message heap that goes with a device
 * @dev: the device.
 * @max_size: see wsheap_create().
 * @trim_size: see wsheap_create().
 * @args: see wsheap_create().
 *
 * The heap is destroyed with the device's other resources, and never by hand.
 * Otherwise as wsheap_create(), the equivalent of WsCreateHeap().
 *
 * Context: process context; sleeps.
 * Return: the heap, or an ERR_PTR, as wsheap_create().
 */
static inline struct wsheap *devm_wsheap_create(struct device *dev,
						size_t max_size, size_t trim_size,
						const struct wsheap_args *args)
{
	return __devm_wsheap_create(dev, max_size, trim_size, args, WSHEAP_CREATOR);
}

/**
 * wsheap_init - make a message heap of a part of another structure
 * @heap: memory for the heap object.
 * @max_size: see wsheap_create().
 * @trim_size: see wsheap_create().
 * @args: see wsheap_create().
 *
 * For messages of which only some need a heap: until it has a block, it is an idle
 * structure. Otherwise as wsheap_create(), the equivalent of WsCreateHeap().
 *
 * Context: process context; sleeps.
 * Return: 0, and wsheap_exit() has to be called before @heap goes; or an error as
 * wsheap_create(), and there is nothing to be released.
 */
static inline int wsheap_init(struct wsheap *heap, size_t max_size,
			      size_t trim_size, const struct wsheap_args *args)
{
	return __wsheap_init(heap, max_size, trim_size, args, WSHEAP_CREATOR);
}

/**
 * wsheap_create_private_args - create a private heap with further options
 * @options: see wsheap_create_private().
 * @initial_size: see wsheap_create_private().
 * @maximum_size: see wsheap_create_private().
 * @args: name, chunk_gfp, group, and node with WSHEAP_NODE; or NULL.
 *
 * Equivalent of HeapCreate().
 *
 * Context: process context; sleeps.
 * Return: as wsheap_create_private(), and -EINVAL for bad @args, -EDQUOT if a group
 * refused the initial memory.
 */
static inline struct wsheap *
wsheap_create_private_args(unsigned int options, size_t initial_size,
			   size_t maximum_size, const struct wsheap_args *args)
{
	return __wsheap_create_private(options, initial_size, maximum_size, args,
				       WSHEAP_CREATOR);
}

/**
 * wsheap_create_private - create a private heap
 * @options: WSHEAP_NO_SERIALIZE for a heap that takes no lock and has one caller
 *	at a time; WSHEAP_GENERATE_EXCEPTIONS for one that raises failures, see
 *	wsheap_set_failure_handler(); or 0. WSHEAP_CREATE_ENABLE_EXECUTE is
 *	refused: no module can have memory that is both writable and executable.
 * @initial_size: bytes that the heap obtains when it is created, and keeps when
 *	it is reset; rounded up to pages, at least one.
 * @maximum_size: bytes that the heap may hold, bookkeeping included; rounded up
 *	to pages. 0 sets no limit.
 *
 * A heap with a maximum size provides blocks up to WSHEAP_FIXED_BLOCK_MAX. A
 * heap without one dedicates memory to each block above 32 KiB, and returns that
 * to the system when the block is freed. Equivalent of HeapCreate().
 *
 * Context: process context; sleeps.
 * Return: the heap, to be passed to wsheap_destroy(), or an ERR_PTR: -EINVAL
 * for unknown @options or an initial size above the maximum size, -EOPNOTSUPP
 * for WSHEAP_CREATE_ENABLE_EXECUTE, -EOVERFLOW for an initial size above the
 * largest block or a maximum size that cannot be rounded up, -ENOMEM.
 */
static inline struct wsheap *wsheap_create_private(unsigned int options,
						   size_t initial_size,
						   size_t maximum_size)
{
	return __wsheap_create_private(options, initial_size, maximum_size, NULL,
				       WSHEAP_CREATOR);
}

/**
 * devm_wsheap_create_private - create a private heap that goes with a device
 * @dev: the device.
 * @options: see wsheap_create_private().
 * @initial_size: see wsheap_create_private().
 * @maximum_size: see wsheap_create_private().
 * @args: see wsheap_create_private_args().
 *
 * The heap is destroyed with the device's other resources, and never by hand.
 * Equivalent of HeapCreate().
 *
 * Context: process context; sleeps.
 * Return: as wsheap_create_private_args().
 */
static inline struct wsheap *
devm_wsheap_create_private(struct device *dev, unsigned int options,
			   size_t initial_size, size_t maximum_size,
			   const struct wsheap_args *args)
{
	return __devm_wsheap_create_private(dev, options, initial_size,
					    maximum_size, args, WSHEAP_CREATOR);
}

/**
 * wsheap_pool_create - create a pool of message heaps of one kind
 * @max_size: see wsheap_create().
 * @trim_size: see wsheap_create().
 * @args: see wsheap_create(). With a reserve and a large initial size, new heaps
 *	are created only where the caller may sleep, unless @trim_size covers the
 *	next power of two, too.
 * @reserve: number of heaps to keep for when memory is short, each with memory
 *	for @args->initial_size bytes of blocks.
 * @max_idle: number of idle heaps that the pool may keep beside the reserve. 0
 *	stands for 32 for each possible CPU. With fewer than one for each CPU, all
 *	of them are behind one lock.
 *
 * The pool obtains its reserve at once, and other heaps when they are asked for.
 * If the system is short of memory it releases idle heaps, but never the
 * reserve. As mempool_create(). Windows has no equivalent.
 *
 * Context: process context; sleeps.
 * Return: the pool, to be passed to wsheap_pool_destroy(), or an ERR_PTR: as
 * wsheap_create(), and -EINVAL if there is a reserve and @trim_size does not
 * cover the memory for the initial size, header and rounding included. A reset
 * would release that memory.
 */
static inline struct wsheap_pool *
wsheap_pool_create(size_t max_size, size_t trim_size,
		   const struct wsheap_args *args, unsigned int reserve,
		   unsigned int max_idle)
{
	return __wsheap_pool_create(max_size, trim_size, args, reserve, max_idle,
				    WSHEAP_CREATOR);
}

/**
 * devm_wsheap_pool_create - create a pool that goes with a device
 * @dev: the device.
 * @max_size: see wsheap_create().
 * @trim_size: see wsheap_create().
 * @args: see wsheap_create().
 * @reserve: see wsheap_pool_create().
 * @max_idle: see wsheap_pool_create().
 *
 * The pool is destroyed with the device's other resources, and never by hand.
 * Windows has no equivalent.
 *
 * Context: process context; sleeps.
 * Return: as wsheap_pool_create().
 */
static inline struct wsheap_pool *
devm_wsheap_pool_create(struct device *dev, size_t max_size, size_t trim_size,
			const struct wsheap_args *args, unsigned int reserve,
			unsigned int max_idle)
{
	return __devm_wsheap_pool_create(dev, max_size, trim_size, args, reserve,
					 max_idle, WSHEAP_CREATOR);
}

#ifdef DEFINE_FREE	/* <linux/spinlock.h> includes <linux/cleanup.h>, if any */
/* struct wsheap *heap __free(wsheap) = wsheap_create(...); */
DEFINE_FREE(wsheap, struct wsheap *, wsheap_destroy(_T))
/* struct wsheap_pool *pool __free(wsheap_pool) = wsheap_pool_create(...); */
DEFINE_FREE(wsheap_pool, struct wsheap_pool *, wsheap_pool_destroy(_T))
/* struct wsheap *heap __free(wsheap_pool_put) = wsheap_pool_alloc(...); */
DEFINE_FREE(wsheap_pool_put, struct wsheap *, wsheap_pool_put(_T))
/* guard(wsheap)(heap); until the end of the scope; for heaps that lock */
DEFINE_GUARD(wsheap, struct wsheap *, wsheap_lock(_T), wsheap_unlock(_T))
#endif

/**
 * wsheap_max_size - the quota of a message heap, or the maximum of a private one
 * @heap: the heap.
 *
 * WSHEAP_PROPERTY_MAX_SIZE of wsheap_get_property(), without an id.
 *
 * Context: any.
 * Return: bytes as asked for, or WSHEAP_UNLIMITED. For a private heap, bytes held from
 * the system, in whole pages.
 */
static inline size_t wsheap_max_size(const struct wsheap *heap)
{
	return READ_ONCE(heap->max_size);
}

/**
 * wsheap_trim_size - what a reset may leave with a heap
 * @heap: the heap, of either kind.
 *
 * WSHEAP_PROPERTY_TRIM_SIZE of wsheap_get_property(), without an id.
 *
 * Context: any.
 * Return: bytes held from the system. For a private heap, its initial size.
 */
static inline size_t wsheap_trim_size(const struct wsheap *heap)
{
	return heap->trim_size;
}

/**
 * wsheap_requested_size - what the blocks of a heap add up to
 * @heap: the heap, of either kind.
 *
 * WSHEAP_PROPERTY_REQUESTED_SIZE of wsheap_get_property(), without an id.
 *
 * Context: any.
 * Return: bytes as asked for: since the last reset in a message heap, by the blocks that
 * live in a private one.
 */
static inline size_t wsheap_requested_size(const struct wsheap *heap)
{
	return READ_ONCE(heap->max_size) - READ_ONCE(heap->left);
}

/**
 * wsheap_actual_size - what a heap holds now
 * @heap: the heap, of either kind.
 *
 * WSHEAP_PROPERTY_ACTUAL_SIZE of wsheap_get_property(), without an id. The heap object is
 * not counted.
 *
 * Context: any.
 * Return: bytes held from the system, as the system rounds them.
 */
static inline size_t wsheap_actual_size(const struct wsheap *heap)
{
	return READ_ONCE(heap->actual);
}

/**
 * wsheap_status - tell whether a heap has refused anything
 * @heap: the heap, of either kind.
 *
 * For parsers whose calls return NULL, to be asked once at the end.
 *
 * Context: any.
 * Return: 0, or the code of the last call refused since the last reset, as in
 * struct wsheap_error.
 */
static inline int wsheap_status(const struct wsheap *heap)
{
	return -READ_ONCE(heap->status);
}

/*
 * A block's gfp must not have these. Zones belong to the heap, because its
 * chunks outlive the call. __GFP_NOFAIL contradicts the quota.
 */
#define WSHEAP_GFP_REFUSED \
	((__force gfp_t)(GFP_ZONEMASK | __GFP_NOFAIL | ~__GFP_BITS_MASK))

/*
 * The cursor of a heap that has none. It lies beyond every limit, and so does the end
 * of a small block there. NULL would need a limit of NULL beside it, and a caller that
 * wrongly shares the heap could read the two at different times.
 */
#define WSHEAP_NO_CURSOR	((char *)(-2 * PAGE_SIZE))

/*
 * The short path. It fails, so that the long path decides, if
 *  - the block ends beyond the limit, as a small one does in a heap without a cursor;
 *  - the block is empty, or so large that the sum wraps: its end does not lie
 *    beyond its start. The sum cannot wrap for a size that is known to be
 *    small. Nor can the alignment, which is a constant up to PAGE_SIZE.
 */
static __always_inline bool wsheap_bump(struct wsheap *heap, size_t size,
					size_t align, void **block)
{
	char *cursor = heap->cursor;
	/* The compiler does not know that the cursor is aligned already. */
	char *p = align > WSHEAP_MIN_ALIGN ? PTR_ALIGN(cursor, align) : cursor;
	char *end = p + ALIGN(size, WSHEAP_MIN_ALIGN);
	bool small = __builtin_constant_p(size) && size && size <= PAGE_SIZE;

	/* The order matters: without a short path, the first test suffices. */
	if (unlikely(end > heap->limit) || (!small && unlikely(end <= p)))
		return false;
	/* In another chunk, the alignment may need more padding. */
	if (align > WSHEAP_MIN_ALIGN)
		heap->slack += align - WSHEAP_MIN_ALIGN - (p - cursor);
	heap->cursor = end;
	/* Others may read the figure, but only the heap's user writes to it. */
	data_race(heap->left -= size);
	*block = p;
	return true;
}

/*
 * On stock kernels might_alloc() is a function call and a preemption point.
 * There only the long path calls it, rather than every block.
 */
static __always_inline void wsheap_might_alloc(gfp_t gfp)
{
	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) || IS_ENABLED(CONFIG_LOCKDEP))
		might_alloc(gfp);
}

static __always_inline void *wsheap_alloc_inline(struct wsheap *heap,
						 size_t size, size_t align,
						 gfp_t gfp,
						 struct wsheap_error *err)
{
	void *block;

	wsheap_might_alloc(gfp);
	if (unlikely(gfp & WSHEAP_GFP_REFUSED))
		return __wsheap_alloc(heap, size, align, gfp, err);
	if (unlikely(!wsheap_bump(heap, size, align, &block))) {
		if (align <= WSHEAP_MIN_ALIGN)
			block = __wsheap_alloc_cur(heap, size);
		else
			block = __wsheap_alloc_cur_aligned(heap, size, align);
		if (unlikely(!block))
			return __wsheap_alloc(heap, size, align, gfp, err);
	}
	/* With init_on_alloc, the bytes below the limit are zeroed already. */
	if ((gfp & __GFP_ZERO) && !want_init_on_alloc(0))
		memset(block, 0, size);
	return block;
}

/**
 * wsheap_alloc_err - allocate a block from a heap, and say why it was refused
 * @heap: the heap.
 * @size: bytes. With 0 the call returns an empty block, which is never NULL,
 *	costs nothing, always succeeds and must not be dereferenced.
 * @gfp: how memory may be obtained if the heap has to grow. __GFP_ZERO zeroes
 *	the block. __GFP_ACCOUNT is ignored, because it belongs to the heap. Zone
 *	flags and __GFP_NOFAIL are refused.
 * @err: filled in on failure, untouched on success; may be NULL.
 *
 * The block is aligned to at least 8 bytes and lives until wsheap_reset() or
 * wsheap_destroy(). Its contents are undefined unless @gfp has __GFP_ZERO.
 * Equivalent of WsAlloc() with its WS_ERROR.
 *
 * Context: any that @gfp allows; softirq, hardirq and under a spinlock with
 * GFP_ATOMIC or GFP_NOWAIT. May sleep if @gfp allows blocking. A heap has one
 * caller at a time, unless it was created with WSHEAP_SERIALIZE.
 * Return: the block, or NULL. A refusal is neither charged nor logged.
 */
static __always_inline void *wsheap_alloc_err(struct wsheap *heap, size_t size,
					      gfp_t gfp,
					      struct wsheap_error *err)
{
	return wsheap_alloc_inline(heap, size, WSHEAP_MIN_ALIGN, gfp, err);
}

/**
 * wsheap_alloc - allocate a block from a heap
 * @heap: the heap.
 * @size: bytes; see wsheap_alloc_err().
 * @gfp: see wsheap_alloc_err().
 *
 * Equivalent of WsAlloc().
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL if the quota is used up, no memory is available,
 * or an argument is bad.
 */
static __always_inline void *wsheap_alloc(struct wsheap *heap, size_t size,
					  gfp_t gfp)
{
	return wsheap_alloc_err(heap, size, gfp, NULL);
}

/**
 * wsheap_zalloc - allocate a zeroed block from a heap
 * @heap: the heap.
 * @size: bytes; see wsheap_alloc_err().
 * @gfp: see wsheap_alloc_err().
 *
 * As kzalloc(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the zeroed block, or NULL.
 */
static __always_inline void *wsheap_zalloc(struct wsheap *heap, size_t size,
					   gfp_t gfp)
{
	return wsheap_alloc(heap, size, gfp | __GFP_ZERO);
}

/**
 * wsheap_alloc_array - allocate a block for an array from a heap
 * @heap: the heap.
 * @n: number of elements.
 * @size: bytes of an element.
 * @gfp: see wsheap_alloc_err().
 *
 * As kmalloc_array(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL, also if @n times @size overflows.
 */
static __always_inline void *wsheap_alloc_array(struct wsheap *heap, size_t n,
						size_t size, gfp_t gfp)
{
	return wsheap_alloc(heap, size_mul(n, size), gfp);
}

/**
 * wsheap_calloc - allocate a zeroed block for an array from a heap
 * @heap: the heap.
 * @n: number of elements.
 * @size: bytes of an element.
 * @gfp: see wsheap_alloc_err().
 *
 * As kcalloc(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the zeroed block, or NULL, also if @n times @size overflows.
 */
static __always_inline void *wsheap_calloc(struct wsheap *heap, size_t n,
					   size_t size, gfp_t gfp)
{
	return wsheap_alloc_array(heap, n, size, gfp | __GFP_ZERO);
}

/**
 * wsheap_alloc_aligned - allocate an aligned block from a heap
 * @heap: the heap.
 * @size: bytes; see wsheap_alloc_err(). Padding is not charged to the quota.
 * @align: bytes, a power of two up to PAGE_SIZE.
 * @gfp: see wsheap_alloc_err().
 *
 * As wsheap_alloc(), with an alignment. Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL, also for any other @align.
 */
static __always_inline void *wsheap_alloc_aligned(struct wsheap *heap,
						  size_t size, size_t align,
						  gfp_t gfp)
{
	if (__builtin_constant_p(align) && is_power_of_2(align) &&
	    align <= PAGE_SIZE)
		return wsheap_alloc_inline(heap, size,
					   max_t(size_t, align, WSHEAP_MIN_ALIGN),
					   gfp, NULL);
	return __wsheap_alloc(heap, size, align, gfp, NULL);
}

/**
 * wsheap_mark - take a savepoint of a message heap
 * @heap: the heap.
 *
 * Savepoints nest. One is void after a reset, or after a rollback to an older one.
 * In a serialized heap, others may not take blocks between the savepoint and the
 * rollback, because these would be released, too. Windows has no equivalent.
 *
 * Context: as wsheap_reset().
 * Return: the savepoint, for wsheap_rollback().
 */
static __always_inline struct wsheap_mark wsheap_mark(struct wsheap *heap)
{
	struct wsheap_mark mark;

	/* Otherwise the message is in its first chunk, and has no action. */
	if (likely(!(data_race(heap->path_state) & WSHEAP_LONG))) {
		mark.cur = NULL;
		mark.requested = heap->max_size - heap->left;
		mark.slack = heap->slack;
		mark.cursor = heap->cursor;
	} else {
		__wsheap_mark(heap, &mark);
	}
	return mark;
}

/* As wsheap_extend(). A report names @caller, or with 0 the caller of this. */
static __always_inline void *__wsheap_extend_for(struct wsheap *heap, void *p,
						 size_t old, size_t size, gfp_t gfp,
						 unsigned long caller)
{
	size_t before = ALIGN(old, WSHEAP_MIN_ALIGN);
	size_t more = ALIGN(size, WSHEAP_MIN_ALIGN) - before;
	char *cursor = heap->cursor;

	wsheap_might_alloc(gfp);
	/*
	 * What becomes smaller, or so large that it wraps, is more than any room. The
	 * limit counts on what moves the cursor, and not on padding.
	 */
	if (unlikely((char *)p + before != cursor || !old || size - old > more ||
		     more > (size_t)(heap->limit - cursor) ||
		     gfp & (WSHEAP_GFP_REFUSED | __GFP_ZERO)))
		return __wsheap_extend(heap, p, old, size, gfp, caller);
	heap->cursor = cursor + more;
	/* As in wsheap_bump(). */
	data_race(heap->left -= size - old);
	return p;
}

/**
 * wsheap_extend - make a block of a message heap larger or smaller
 * @heap: the heap.
 * @p: the block, or NULL for a new one.
 * @old: its bytes.
 * @size: the bytes that it is to have.
 * @gfp: see wsheap_alloc_err(). __GFP_ZERO clears what the block grows by.
 *
 * The newest block grows and shrinks in place, and the quota is charged for the
 * difference. If there is no room behind it, or blocks follow it, a new block gets
 * its bytes. In the second case the old one is charged until the reset, too. A block
 * that becomes smaller stays where it is; unless it is the newest one, this gives
 * nothing back. For what is built piece by piece. As krealloc(). Windows has no
 * equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the block, or NULL if @p stays as it was.
 */
static __always_inline void *wsheap_extend(struct wsheap *heap, void *p,
					   size_t old, size_t size, gfp_t gfp)
{
	return __wsheap_extend_for(heap, p, old, size, gfp, 0);
}

/*
 * Where the kernel accounts memory by call site, it is charged to the line of
 * the driver that creates the heap or makes it grow.
 */
#if defined(CONFIG_MEM_ALLOC_PROFILING) && !defined(WSHEAP_IMPLEMENTATION)
#define wsheap_create(...)	alloc_hooks(wsheap_create(__VA_ARGS__))
#define devm_wsheap_create(...)	alloc_hooks(devm_wsheap_create(__VA_ARGS__))
#define wsheap_init(...)	alloc_hooks(wsheap_init(__VA_ARGS__))
#define devm_wsheap_create_private(...) \
	alloc_hooks(devm_wsheap_create_private(__VA_ARGS__))
#define devm_wsheap_pool_create(...) \
	alloc_hooks(devm_wsheap_pool_create(__VA_ARGS__))
#define wsheap_create_private(...) \
	alloc_hooks(wsheap_create_private(__VA_ARGS__))
#define wsheap_create_private_args(...) \
	alloc_hooks(wsheap_create_private_args(__VA_ARGS__))
#define wsheap_group_create(...) \
	alloc_hooks(wsheap_group_create(__VA_ARGS__))
#define wsheap_pool_create(...)	alloc_hooks(wsheap_pool_create(__VA_ARGS__))
#define wsheap_pool_alloc(...)	alloc_hooks(wsheap_pool_alloc(__VA_ARGS__))
#define wsheap_alloc_err(...)	alloc_hooks(wsheap_alloc_err(__VA_ARGS__))
#define wsheap_alloc(...)	alloc_hooks(wsheap_alloc(__VA_ARGS__))
#define wsheap_zalloc(...)	alloc_hooks(wsheap_zalloc(__VA_ARGS__))
#define wsheap_alloc_array(...)	alloc_hooks(wsheap_alloc_array(__VA_ARGS__))
#define wsheap_calloc(...)	alloc_hooks(wsheap_calloc(__VA_ARGS__))
#define wsheap_alloc_aligned(...) \
	alloc_hooks(wsheap_alloc_aligned(__VA_ARGS__))
#define wsheap_realloc(...)	alloc_hooks(wsheap_realloc(__VA_ARGS__))
#define wsheap_memdup(...)	alloc_hooks(wsheap_memdup(__VA_ARGS__))
#define wsheap_strdup(...)	alloc_hooks(wsheap_strdup(__VA_ARGS__))
#define wsheap_strndup(...)	alloc_hooks(wsheap_strndup(__VA_ARGS__))
#define wsheap_asprintf(...)	alloc_hooks(wsheap_asprintf(__VA_ARGS__))
#define wsheap_vasprintf(...)	alloc_hooks(wsheap_vasprintf(__VA_ARGS__))
#define wsheap_appendf(...)	alloc_hooks(wsheap_appendf(__VA_ARGS__))
#define wsheap_extend(...)	alloc_hooks(wsheap_extend(__VA_ARGS__))
#define wsheap_reserve(...)	alloc_hooks(wsheap_reserve(__VA_ARGS__))
#define wsheap_memdup_user(...)	alloc_hooks(wsheap_memdup_user(__VA_ARGS__))
#define wsheap_memdup_user_nul(...) \
	alloc_hooks(wsheap_memdup_user_nul(__VA_ARGS__))
#define wsheap_strndup_user(...) \
	alloc_hooks(wsheap_strndup_user(__VA_ARGS__))
#endif

#endif /* _WSHEAP_H */
