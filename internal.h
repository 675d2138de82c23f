/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the units of wsheap share. A unit calls only those below it. The exceptions are
 * listed in Documentation/design.rst, at "Units".
 *
 *	main		loading, unloading
 *	watch		files in debugfs
 *	pool		pools of message heaps
 *	object		creation, properties and destruction of a heap
 *	string		copies and formats
 *	savepoint	savepoints, actions, blocks that grow
 *	wsheap		message heaps, and the dispatch to private heaps
 *	private_walk	inspection of private heaps
 *	private		private heaps
 *	private_tile	the memory of private heaps
 *	trace		tracepoints
 *	list		the list of all heaps
 *	page_heap	modes in which each block has memory of its own
 *	misuse		reports of a driver's mistakes
 *	fail		refusals on purpose
 *	class		what is counted of the heaps of a name
 *	chunk		memory from the system, and back to it
 *	group		budgets for that memory
 */
#ifndef _WSHEAP_INTERNAL_H
#define _WSHEAP_INTERNAL_H

#define WSHEAP_IMPLEMENTATION
#ifndef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#endif

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/kcsan-checks.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/slab.h>

#include "wsheap.h"
#include "wsheap_compat.h"

/* The first chunk, header included: thousands of heaps may hold just that. */
#define CHUNK_FIRST_ORDER	9
/* Chunks grow up to this size. Beyond it, growth is rare enough not to matter. */
#define CHUNK_LARGEST_ORDER	18
/* Zeroed at a time with init_on_alloc: enough to be worth a function call. */
#define ZERO_STRETCH	SZ_8K
/* The place of a chunk that was obtained for a block of the current message. */
#define CHUNK_NEW		U8_MAX
/* The largest page order that the page allocator does not call costly. */
#define PAGES_LARGEST		SZ_32K

/* Flags and options that a creator may set. */
#define WSHEAP_FLAGS	(WSHEAP_SERIALIZE | WSHEAP_NODE | WSHEAP_CONTIG | \
			 WSHEAP_ADAPTIVE | WSHEAP_PAGE_HEAP)
#define WSHEAP_OPTIONS	(WSHEAP_NO_SERIALIZE | WSHEAP_GENERATE_EXCEPTIONS)
/* The heap belongs to a pool. */
#define WSHEAP_POOLED	BIT(15)
/* The heap is gone. Its object is kept for a while, in debugging modes. */
#define WSHEAP_DEAD	BIT(12)
/* The object is a part of another structure. */
#define WSHEAP_EMBEDDED	BIT(14)

/**
 * enum wsheap_path - how the blocks of a heap are allocated
 * @WSHEAP_PATH_SHORT: inline from the cursor.
 * @WSHEAP_PATH_LOCKED: from the current chunk, with the heap's lock held.
 * @WSHEAP_PATH_LOCKED_COUNT: the same, but for each Nth block. See page_heap.c.
 * @WSHEAP_PATH_LONG: always by the long path. For contiguous heaps, if blocks
 *	are rounded to more than WSHEAP_MIN_ALIGN.
 * @WSHEAP_PATH_PRIVATE: from the quick bins of a private heap. This and all that
 *	follow are private heaps.
 * @WSHEAP_PATH_PRIVATE_COUNT: the same, but for each Nth block.
 * @WSHEAP_PATH_PRIVATE_LOCKED: from the quick bins, with the heap's lock held.
 * @WSHEAP_PATH_PRIVATE_LOCKED_COUNT: the same, but for each Nth block.
 * @WSHEAP_PATH_PRIVATE_LONG: always by the long path of private heaps.
 */
enum wsheap_path {
	WSHEAP_PATH_SHORT,
	WSHEAP_PATH_LONG,
	WSHEAP_PATH_LOCKED,
	WSHEAP_PATH_LOCKED_COUNT,
	WSHEAP_PATH_PRIVATE,
	WSHEAP_PATH_PRIVATE_COUNT,
	WSHEAP_PATH_PRIVATE_LOCKED,
	WSHEAP_PATH_PRIVATE_LOCKED_COUNT,
	WSHEAP_PATH_PRIVATE_LONG,
};

/*
 * The state of a heap: what its current message did so far, or what its last
 * message left to be done.
 */
/* The heap obtained memory since its last reset. */
#define WSHEAP_STATE_GREW	BIT(0)
/* The next message that needs it gets one chunk instead of all free ones. */
#define WSHEAP_STATE_COALESCE	BIT(1)

/* Takes note that a reset has more to do. The short one does not look for that. */
static __always_inline void wsheap_note(struct wsheap *heap)
{
	heap->state |= WSHEAP_STATE_LONG;
	WRITE_ONCE(heap->noted, true);
}

/**
 * struct wsheap_chunk - memory from the system, and its header
 * @next: the next chunk on the heap's list.
 * @mem: the memory. It begins with this header, unless that is separate.
 * @size: bytes at @mem, as the system rounds them.
 * @used: offset at which the next block may begin. For the current chunk of a
 *	heap that has a cursor, the cursor is right instead.
 * @zeroed: end of the zeroed bytes behind @used; @size where nothing has to be
 *	zeroed.
 * @zeroed2: start of a second zeroed part, behind dirty bytes, or @size.
 * @zeroed2_end: end of that part.
 * @start: offset of the first block.
 * @place: how many chunks were before it on the list of free ones, or CHUNK_NEW.
 * @keeper: the chunk for the initial size, which the heap never releases.
 */
struct wsheap_chunk {
	struct wsheap_chunk *next;
	void *mem;
	u32 size;
	u32 used;
	u32 zeroed;
	u32 zeroed2;
	u32 zeroed2_end;
	u16 start;
	u8 place;
	bool keeper;
} __aligned(WSHEAP_MIN_ALIGN);

/*
 * Sentinel: an empty chunk, so that no caller tests for NULL. Nothing fits it,
 * so nothing is written to it.
 */
extern const struct wsheap_chunk wsheap_no_chunk;
#define NO_CHUNK	((struct wsheap_chunk *)&wsheap_no_chunk)

static inline bool wsheap_chunk_is_separate(const struct wsheap_chunk *chunk)
{
	return chunk->mem != chunk;
}

/* Returns the number of bytes that a message heap holds for this chunk. */
static inline size_t wsheap_chunk_actual(const struct wsheap_chunk *chunk)
{
	size_t actual = chunk->size;

	if (wsheap_chunk_is_separate(chunk))
		actual += kmalloc_size_roundup(sizeof(*chunk));
	return actual;
}

/* What the start and the length of a block are rounded up to. */
static inline size_t wsheap_block_align(const struct wsheap *heap)
{
	if (heap->flags & WSHEAP_CONTIG)
		return max_t(size_t, dma_get_cache_alignment(),
			     WSHEAP_MIN_ALIGN);
	return WSHEAP_MIN_ALIGN;
}

static inline size_t wsheap_largest_block(u32 flags)
{
	return flags & WSHEAP_CONTIG ? KMALLOC_MAX_SIZE : INT_MAX;
}

/* For memory that a call can do without: nothing else must suffer for it. */
static inline gfp_t wsheap_gfp_optional(gfp_t gfp)
{
	gfp &= ~(__GFP_HIGH | __GFP_MEMALLOC | __GFP_RETRY_MAYFAIL);
	return gfp | __GFP_NORETRY | __GFP_NOMEMALLOC;
}

/* chunk.c */
size_t wsheap_backing_size(const struct wsheap *heap, size_t size, gfp_t gfp);
bool wsheap_backing_is_kmalloc(const struct wsheap *heap, size_t size,
			       gfp_t gfp);
gfp_t wsheap_backing_gfp(const struct wsheap *heap, gfp_t gfp);
void *wsheap_backing_alloc(const struct wsheap *heap, size_t size, gfp_t gfp);
struct wsheap_chunk *wsheap_chunk_alloc_header(const struct wsheap *heap,
					       size_t size, gfp_t gfp);
struct wsheap_chunk *wsheap_chunk_obtain(const struct wsheap *heap, size_t size,
					 size_t header, gfp_t gfp,
					 struct wsheap_error *failure);
void wsheap_memory_wipe(void *mem, size_t size);
void wsheap_chunk_release_all(const struct wsheap *heap,
			      struct wsheap_chunk *chunk, bool may_sleep);
void wsheap_chunk_flush(void);
bool wsheap_chunk_is_flushed(void);
int wsheap_chunk_init(void);
void wsheap_chunk_exit(void);

/**
 * struct wsheap_reclaim - something that can give memory back to a group
 * @node: on the list of the topmost group.
 * @group: the group that is credited, or NULL.
 * @release: gives some back, and tells whether there was any. Called with
 *	interrupts off, so it cannot sleep.
 */
struct wsheap_reclaim {
	struct list_head node;
	struct wsheap_group *group;
	bool (*release)(struct wsheap_reclaim *reclaim);
};

/* group.c */
/**
 * struct wsheap_group - a budget
 * @size: bytes held.
 * @max_size: bytes that may be held.
 * @parent: a budget that this one is a part of, or NULL.
 * @users: heaps, pools and groups that refer to this one.
 * @lock: protects @reclaims.
 * @reclaims: in a group without a parent, what can give memory back.
 * @name: for reports.
 * @refused: charges that were refused.
 * @all: node in all_groups, protected by all_groups_lock.
 */
struct wsheap_group {
	atomic_long_t size;
	size_t max_size;
	struct wsheap_group *parent;
	atomic_t users;
	/* Nothing is allocated under it. */
	spinlock_t lock;
	struct list_head reclaims;
	const char *name;
	atomic_long_t refused;
	struct list_head all;
};

static inline void wsheap_group_get(struct wsheap_group *group)
{
	if (group)
		atomic_inc(&group->users);
}

static inline void wsheap_group_put(struct wsheap_group *group)
{
	/* Pairs with the acquire in wsheap_group_destroy(). */
	if (group)
		atomic_dec_return_release(&group->users);
}

bool wsheap_group_charge(struct wsheap_group *group, size_t size, gfp_t gfp,
			 struct wsheap_error *failure);
void wsheap_group_uncharge(struct wsheap_group *group, size_t size);
void wsheap_group_add_reclaim(struct wsheap_reclaim *reclaim);
void wsheap_group_del_reclaim(struct wsheap_reclaim *reclaim);

/* misuse.c */
/* What a driver can do wrong. The last ones are about a block. */
enum wsheap_mistake {
	MISTAKE_NONE,
	MISTAKE_GFP,
	MISTAKE_KIND,
	MISTAKE_END,
	MISTAKE_AGAIN,
	MISTAKE_STRANGER,
	MISTAKE_UNLOCK,
	MISTAKE_USERS,
	MISTAKE_DESTROYED,
	MISTAKE_POOL,
	MISTAKE_LEFT,
	MISTAKE_GROUP,
	MISTAKE_CONTEXT,
	MISTAKE_FORGOTTEN,
	MISTAKE_FREED,
	MISTAKE_FOREIGN,
	MISTAKE_INSIDE,
	MISTAKE_HEADER,
	MISTAKE_OVERRUN,
	MISTAKE_UNDERRUN,
	MISTAKE_WRITTEN,
	MISTAKE_STALE,
};

__printf(4, 5) bool wsheap_report(const struct wsheap *heap,
				  enum wsheap_mistake mistake,
				  unsigned long caller, const char *fmt, ...);
__printf(3, 4) void wsheap_report_class(struct wsheap_class *class,
					enum wsheap_mistake mistake,
					const char *fmt, ...);
void wsheap_report_advice(enum wsheap_mistake mistake);
void wsheap_report_users(const struct wsheap *heap, unsigned long caller);

/* Returns false if another call has a heap that takes no lock, and reports that. */
static __always_inline bool wsheap_take_user(struct wsheap *heap,
					     unsigned long caller)
{
	/* For KCSAN, which has the stacks of both. */
	ASSERT_EXCLUSIVE_WRITER(heap->user);
	/* Two calls that both had the heap would undo what keeps short ones out. */
	if (unlikely(cmpxchg_acquire(&heap->user, 0, caller))) {
		wsheap_report_users(heap, caller);
		return false;
	}
	return true;
}

int wsheap_check_request(const struct wsheap *heap, size_t size, size_t align,
			 gfp_t gfp, unsigned long caller);
void wsheap_report_kind(const struct wsheap *heap, const char *function,
			unsigned long caller);
void wsheap_report_end(const struct wsheap *heap, const char *function,
		       unsigned long caller);

static __always_inline bool wsheap_check_message(const struct wsheap *heap,
						 const char *function,
						 unsigned long caller)
{
	if (likely(heap->path < WSHEAP_PATH_PRIVATE))
		return true;
	wsheap_report_kind(heap, function, caller);
	return false;
}

/* For functions that drivers call: reports a call on a private heap. */
#define wsheap_is_message(heap) wsheap_check_message(heap, __func__, _RET_IP_)

/* trace.c */
extern bool wsheap_tracing;

/* fail.c */
struct dentry;

#ifdef CONFIG_FAULT_INJECTION
bool wsheap_fail_is_possible(void);
bool wsheap_fail_applies(const struct wsheap *heap);
int wsheap_fail(const struct wsheap *heap, size_t size);
void wsheap_fail_init(struct dentry *dir);
#else
static inline bool wsheap_fail_is_possible(void)
{
	return false;
}

static inline bool wsheap_fail_applies(const struct wsheap *heap)
{
	return false;
}

static inline int wsheap_fail(const struct wsheap *heap, size_t size)
{
	return 0;
}

static inline void wsheap_fail_init(struct dentry *dir)
{
}
#endif

/* page_heap.c */
/* How the blocks of a heap are obtained. */
enum wsheap_mode {
	WSHEAP_MODE_NONE,
	WSHEAP_MODE_DEBUG,
	WSHEAP_MODE_KMALLOC,
	WSHEAP_MODE_GUARD,
	WSHEAP_MODE_SAMPLE,
};

/**
 * struct wsheap_debug - what a heap in a mode has beside
 * @lock: protects the list and the trees.
 * @blocks: blocks with memory of their own, newest first.
 * @by_address: the same, by what the caller has.
 * @by_place: the same, by where the heap has them.
 * @mode: how blocks are obtained; never changes.
 * @period: in WSHEAP_MODE_SAMPLE, about every so many blocks.
 * @countdown: blocks until the next one, where they are counted.
 * @inverse: of what blocks come to on average, times 2^24.
 * @weight: the number of blocks that this is the average of, up to a limit.
 * @next: how many bytes are asked for, in all messages, at the next one.
 * @serial: how many changes of the blocks there were.
 * @shrunk: the number of the last one that made a block smaller.
 * @marked: how many there were at the last savepoint.
 * @missed: blocks for which there was no memory of their own.
 * @nr_ended: how many blocks have been freed one by one.
 * @ended: the last of them.
 */
struct wsheap_debug {
	/* Nothing is allocated under it. */
	spinlock_t lock;
	struct list_head blocks;
	struct rb_root by_address;
	struct rb_root by_place;
	enum wsheap_mode mode;
	unsigned int period;
	unsigned int countdown;
	u32 inverse;
	u32 weight;
	u64 next;
	u32 serial;
	u32 shrunk;
	u32 marked;
	size_t missed;
	unsigned int nr_ended;
	const void *ended[64];
};

extern bool wsheap_debug;
extern bool wsheap_debug_new;
void wsheap_debug_update(void);
extern unsigned long wsheap_debug_pages;
struct debug_block;
struct debug_block *wsheap_debug_block_new(const struct wsheap *heap, size_t size,
					   size_t align, gfp_t gfp);
struct kernel_param;
int wsheap_debug_set(const char *value, const struct kernel_param *kp);
int wsheap_debug_get(char *buffer, const struct kernel_param *kp);
void wsheap_debug_setup(struct wsheap *heap, bool asked, gfp_t gfp);
const char *wsheap_debug_mode(const struct wsheap *heap);
void wsheap_debug_limit(struct wsheap *heap);

/* Counts a block where blocks are counted. Returns whether it is one to be guarded. */
static inline bool wsheap_debug_tick(struct wsheap_debug *debug)
{
	unsigned int left = READ_ONCE(debug->countdown);

	/* Who counts at the same time may be overlooked. */
	if (left)
		WRITE_ONCE(debug->countdown, --left);
	return !left;
}

void *wsheap_debug_take(struct wsheap *heap, void *place, size_t size, size_t align,
			gfp_t gfp, unsigned long caller);
enum wsheap_mistake wsheap_debug_find(const struct wsheap *heap, const void *p,
				      void **place);
bool wsheap_debug_has(const struct wsheap *heap, const void *p);
bool wsheap_debug_has_ended(const struct wsheap *heap, const void *p);
void *wsheap_debug_place(const struct wsheap *heap, const void *p);
void *wsheap_debug_address(const struct wsheap *heap, const void *place);
void *wsheap_debug_resize(struct wsheap *heap, void *place, void *p, size_t old,
			  size_t size, gfp_t gfp, unsigned long caller);
void wsheap_debug_end(struct wsheap *heap, const void *p, unsigned long caller);
void wsheap_debug_end_all(struct wsheap *heap, unsigned long caller);
u32 wsheap_debug_mark(struct wsheap *heap);
void wsheap_debug_rollback(struct wsheap *heap, u32 serial, unsigned long caller);
bool wsheap_debug_exit(struct wsheap *heap, size_t size, unsigned long caller);
void wsheap_debug_refused(struct wsheap *heap, unsigned long caller);
void wsheap_debug_dump(const struct wsheap *heap);
bool wsheap_debug_explain(const void *p);
void wsheap_debug_flush(void);
void wsheap_debug_forget_module(const struct module *module);
int wsheap_debug_init(void);
void wsheap_debug_module_exit(void);

/* savepoint.c */
void wsheap_end_notes(struct wsheap *heap, unsigned long caller);
void wsheap_undo_alloc(struct wsheap *heap, void *p, size_t size, unsigned long caller);

/* private.c */
extern const size_t wsheap_private_object_size;
extern const size_t wsheap_private_header_size;
int wsheap_private_setup(struct wsheap *heap, gfp_t gfp);
void *wsheap_private_alloc(struct wsheap *heap, size_t size, size_t align,
			   gfp_t gfp, struct wsheap_error *err,
			   unsigned long caller);
void *wsheap_private_alloc_quick(struct wsheap *heap, size_t size,
				 unsigned long caller);
enum wsheap_path wsheap_private_path(const struct wsheap *heap);
void wsheap_private_reset(struct wsheap *heap, unsigned long caller);
struct wsheap_chunk *wsheap_private_chunks(struct wsheap *heap);

/* wsheap.c */
int wsheap_message_setup(struct wsheap *heap, size_t initial_size, gfp_t gfp);
enum wsheap_path wsheap_natural_path(const struct wsheap *heap);
void wsheap_message_set_path(struct wsheap *heap, enum wsheap_path path);
struct wsheap_chunk *wsheap_message_chunks(struct wsheap *heap);
void *wsheap_alloc_long(struct wsheap *heap, size_t size, size_t align,
			gfp_t gfp, struct wsheap_error *err,
			unsigned long caller);
void *wsheap_alloc_instead(struct wsheap *heap, size_t size, size_t align,
			   gfp_t gfp, struct wsheap_error *err,
			   unsigned long caller, size_t credit);
void wsheap_reset_for(struct wsheap *heap, unsigned long caller);
int wsheap_make_room(struct wsheap *heap, size_t bytes, size_t more, gfp_t gfp,
		     unsigned long caller);

/* class.c */
/**
 * enum wsheap_refusal - why a class has refused blocks
 * @WSHEAP_REFUSED_QUOTA: a heap's max_size.
 * @WSHEAP_REFUSED_GROUP: a group's.
 * @WSHEAP_REFUSED_MEMORY: the system has none.
 * @WSHEAP_REFUSED_SIZE: above the largest block.
 * @WSHEAP_REFUSED_SENSE: a bad argument.
 * @WSHEAP_REFUSALS: how many there are.
 */
enum wsheap_refusal {
	WSHEAP_REFUSED_QUOTA,
	WSHEAP_REFUSED_GROUP,
	WSHEAP_REFUSED_MEMORY,
	WSHEAP_REFUSED_SIZE,
	WSHEAP_REFUSED_SENSE,
	WSHEAP_REFUSALS,
};

/**
 * struct wsheap_counts - what is counted of a class
 * @heaps: heaps that were made, less those that went.
 * @messages: messages of heaps that went.
 * @asked: bytes that these asked for.
 * @waste: bytes that were given up at the ends of chunks.
 * @chunks: chunks that were obtained from the system.
 * @refused: blocks that were refused.
 *
 * There is one for each CPU. Only their sums have a meaning.
 */
struct wsheap_counts {
	long heaps;
	u64 messages;
	u64 asked;
	u64 waste;
	u64 chunks;
	u64 refused[WSHEAP_REFUSALS];
};

/**
 * struct wsheap_watched - a class, as the last reading of all classes found it
 * @begun: the reading knows the class. Not set if the class came after it began.
 * @counts: of heaps that went and, in the end, of live ones.
 * @in_use: bytes that the blocks of live heaps asked for.
 * @held: bytes that live heaps hold.
 * @retained: the part of @held in heaps without blocks.
 * @largest: as in struct wsheap_class, with live heaps.
 * @most_held: the same.
 * @messages: the most messages that any reading has found.
 * @asked: the most bytes that any reading has found.
 *
 * All members are protected by the lock of readings in watch.c.
 */
struct wsheap_watched {
	bool begun;
	struct wsheap_counts counts;
	size_t in_use;
	size_t held;
	size_t retained;
	size_t largest;
	size_t most_held;
	u64 messages;
	u64 asked;
};

/**
 * struct wsheap_class - the heaps of one name and one module
 * @counts: for each CPU.
 * @refs: number of pools, and of blocks that can still be reported.
 * @largest: bytes that the largest message asked for, of the heaps that went.
 * @most_held: the most bytes that a heap held when a message ended.
 * @debug_bytes: what blocks with memory of their own take.
 * @reported: which kinds of misuse.
 * @owner: the module, while it is there.
 * @gone: it is not there any more.
 * @module: its name.
 * @name: for reports.
 * @node: in the table, protected by classes_lock.
 * @watched: for watch.c.
 */
struct wsheap_class {
	struct wsheap_counts __percpu *counts;
	atomic_t refs;
	size_t largest;
	size_t most_held;
	atomic_long_t debug_bytes;
	unsigned long reported;
	struct module *owner;
	bool gone;
	const char *module;
	const char *name;
	struct hlist_node node;
	struct wsheap_watched watched;
};

struct wsheap_class *wsheap_class_get(struct wsheap_creator *creator,
				      const char *name, bool pool);
struct wsheap_class *__wsheap_class_get(struct wsheap_creator *creator,
					const char *name, bool pool);
void wsheap_class_add_messages(const struct wsheap *heap);
void wsheap_class_note_peak(size_t *peak, size_t size);
void wsheap_class_count_refusal(struct wsheap_class *class, int code, bool group);
void wsheap_class_sum(const struct wsheap_class *class, struct wsheap_counts *sum);
void wsheap_class_for_each(void (*fn)(struct wsheap_class *class, void *data),
			   void *data);
void wsheap_class_forget_module(const struct module *module);
void wsheap_class_exit(void);

/* For what is no heap, and for others' sake need not be fast. */
static inline void wsheap_class_hold(struct wsheap_class *class)
{
	atomic_inc(&class->refs);
}

static inline void wsheap_class_release(struct wsheap_class *class)
{
	if (class)
		atomic_dec(&class->refs);
}

/* One more heap, or one less. */
static __always_inline void wsheap_class_add_heap(struct wsheap_class *class)
{
	this_cpu_inc(class->counts->heaps);
}

static __always_inline void wsheap_class_put(struct wsheap_class *class)
{
	this_cpu_dec(class->counts->heaps);
}

/* The class of a heap without a name, if its creator knows it already. */
static __always_inline struct wsheap_class *
wsheap_class_get_heap(struct wsheap_creator *creator, const char *name)
{
	struct wsheap_class *class = READ_ONCE(creator->class);

	if (name || !class)
		return wsheap_class_get(creator, name, false);
	wsheap_class_add_heap(class);
	return class;
}

/* What a heap holds at the end of a message. */
static __always_inline void wsheap_class_note_held(const struct wsheap *heap)
{
	if (unlikely(heap->actual > READ_ONCE(heap->class->most_held)))
		wsheap_class_note_peak(&heap->class->most_held, heap->actual);
}

/* A message ends: by a reset, or with its heap. @small: its size fits 32 bits. */
static __always_inline void wsheap_count_message(struct wsheap *heap, bool small)
{
	size_t asked = heap->max_size - heap->left;

	heap->messages++;
	heap->asked += asked;
	if (!small)
		asked = min_t(size_t, asked, U32_MAX);
	if (unlikely((u32)asked > heap->largest))
		heap->largest = asked;
}

/* list.c */
void wsheap_list_add(struct wsheap *heap);
void wsheap_list_del(struct wsheap *heap);
bool wsheap_list_try_del(struct wsheap *heap);
void wsheap_list_report_module(const struct module *module, const char *name);
void wsheap_list_report_all(void);

/* object.c */
bool wsheap_args_valid(const struct wsheap_args *args);
struct wsheap *wsheap_object_alloc(const struct wsheap_args *args, size_t size,
				   gfp_t gfp);
struct wsheap *wsheap_object_create_pooled(size_t max_size, size_t trim_size,
					   const struct wsheap_args *args,
					   struct wsheap_class *class, bool keeper,
					   gfp_t gfp);
bool wsheap_object_try_release(struct wsheap *heap, bool may_sleep);
void wsheap_object_release(struct wsheap *heap, unsigned long caller);

/* pool.c */

/* In the pool of a heap: the heap has another quota than its pool's. */
#define WSHEAP_POOL_QUOTA	BIT(0)

/* The pool that a heap is from, while it is in use. */
static inline struct wsheap_pool *wsheap_pool_of(const struct wsheap *heap)
{
	return (struct wsheap_pool *)(heap->pool & ~WSHEAP_POOL_QUOTA);
}

void wsheap_pool_report_module(const struct module *module, const char *name);
int wsheap_pool_init(void);
void wsheap_pool_exit(void);

/* watch.c, and what others have for it alone */
struct seq_file;

unsigned long wsheap_list_count(void);
void wsheap_group_for_each(void (*fn)(struct wsheap_group *group, void *data),
			   void *data);
int wsheap_watch_classes(struct seq_file *m, void *unused);
int wsheap_watch_heaps(struct seq_file *m, void *unused);
int wsheap_watch_pools(struct seq_file *m, void *unused);
int wsheap_watch_groups(struct seq_file *m, void *unused);
void wsheap_watch_reset_peaks(void);
void wsheap_watch_init(void);
void wsheap_watch_exit(void);

#endif /* _WSHEAP_INTERNAL_H */
