// SPDX-License-Identifier: GPL-2.0
/*
 * Page heap: modes in which each block has memory of its own, so that a driver's
 * mistakes show.
 *
 *	chunk | place | place | place |		as in any heap
 *	          |       |       |
 *	        block   block   block		where the driver's bytes are
 *
 * The heap works as ever. A block is cut from a chunk, and the quota, the properties,
 * the groups and savepoints see nothing else. But what is cut is only the place of the
 * block, and the caller gets other memory instead. What is different is
 *
 *	debug	memory from kmalloc with red zones, which is filled when its message
 *		ends, and checked for writes when it goes back;
 *	kmalloc	memory from kmalloc of just that size, for KASAN and slub's debugging;
 *	guard	pages, with the end of the block before a page that is not mapped. When
 *		the message ends, these pages are not mapped either, for a while;
 *	sample	guard for about every Nth block, and the place for the others.
 *
 * If there is no memory for a block, the caller gets the place. So a mode never makes a
 * call fail. What ends a message looks which places are no longer in use, and ends the
 * blocks that belong to them.
 *
 * An ended block goes to the quarantine. A worker unmaps pages, checks the fill of
 * others after a second, and releases all of them.
 */

#include "message.h"
#include "private.h"

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/kdebug.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/poison.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rbtree.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

/* Bytes before and behind a block in the debug mode. */
#define RED_ZONE		16
/* How long ended blocks wait, and how many bytes of them. */
#define QUARANTINE_TIME		HZ
#define QUARANTINE_MOST		SZ_1M
/* If the worker does not get to run, what ends blocks releases others beyond this. */
#define QUARANTINE_LIMIT	(4 * QUARANTINE_MOST)
/* Pages that are mapped ahead, for callers that cannot sleep. */
#define STOCK			64
/* Blocks that can be told about after their pages are gone. */
#define REMEMBERED		4096
/* Callers that are remembered of each block. */
#define TRACE_DEPTH		8
/* Blocks that are printed. */
#define DUMPED			4
/* A sampled heap's average size is that of so many samples, as 2^24 / size. */
#define SAMPLES_AVERAGED	256U
#define INVERSE_SHIFT		24
/* A refused message whose first block is that old was perhaps never reset. */
#define FORGOTTEN_TIME		(2 * HZ)

/**
 * struct debug_block - a block with memory of its own
 * @node: on the heap's list, newest first; in the quarantine; or of those remembered.
 * @by_address: in the heap's tree.
 * @by_place: in the heap's tree.
 * @by_memory: in the tree of guarded blocks.
 * @p: what the caller has.
 * @size: bytes as asked for.
 * @place: where the heap has it.
 * @mem: the memory.
 * @length: bytes at @mem.
 * @page: the only page of a guarded block.
 * @pages: all of them, if there are several.
 * @room: the most that @size has been.
 * @instead: the block that had the same place before, or NULL.
 * @longer: that is because @instead has grown.
 * @serial: number of the change of the heap's blocks that made it.
 * @shrunk: number of the last change that made it smaller, or that of @serial.
 * @heap: the heap, which may be gone.
 * @class: the class of the heap.
 * @counted: bytes that are counted there.
 * @mode: how it was obtained.
 * @unmapped: its pages are gone.
 * @nr_taken: number of entries in @taken.
 * @taken: where it was allocated.
 * @ended: where its end was called for.
 * @taken_at: when, in jiffies.
 * @ended_at: when, in jiffies.
 */
struct debug_block {
	struct list_head node;
	struct rb_node by_address;
	struct rb_node by_place;
	struct rb_node by_memory;
	char *p;
	size_t size;
	void *place;
	char *mem;
	size_t length;
	struct page *page;
	struct page **pages;
	size_t room;
	struct debug_block *instead;
	bool longer;
	u32 serial;
	u32 shrunk;
	const struct wsheap *heap;
	struct wsheap_class *class;
	size_t counted;
	enum wsheap_mode mode;
	bool unmapped;
	unsigned int nr_taken;
	unsigned long taken[TRACE_DEPTH];
	unsigned long ended;
	unsigned long taken_at;
	unsigned long ended_at;
};

/* Protects all of these. */
static DEFINE_SPINLOCK(page_heap_lock);
static struct rb_root guarded = RB_ROOT;
static LIST_HEAD(quarantine);
static size_t quarantined;
static LIST_HEAD(still_mapped);
static LIST_HEAD(remembered);
static unsigned int nr_remembered;
static LIST_HEAD(stock);
static unsigned int nr_stock;
static unsigned int stock_wanted;
/* Pages of guarded blocks, with those that are mapped ahead. */
unsigned long wsheap_debug_pages;

static void quarantine_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(quarantine_work, quarantine_fn);

/*
 * Which heaps are in which mode.
 */

bool wsheap_debug =
	IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_SLUB_DEBUG_ON) ||
	IS_ENABLED(CONFIG_DEBUG_PAGEALLOC) || IS_ENABLED(CONFIG_LOCKDEP) ||
	IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP);
/* A heap that is created might be in a mode. Most are not. */
bool wsheap_debug_new = true;

static int debug_set(const char *value, const struct kernel_param *kp)
{
	int ret = param_set_bool(value, kp);

	wsheap_debug_update();
	return ret;
}

static const struct kernel_param_ops debug_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = debug_set,
	.get = param_get_bool,
};

module_param_cb(debug, &debug_ops, &wsheap_debug, 0644);
MODULE_PARM_DESC(debug, "Check heaps created from now on for overruns by a byte and for writes to released blocks");

/**
 * struct rule - the mode of a class
 * @name: of the class; empty for all others.
 * @mode: for heaps that are created from now on.
 * @period: for WSHEAP_MODE_SAMPLE, about every so many blocks.
 */
struct rule {
	char name[64];
	enum wsheap_mode mode;
	unsigned int period;
};

static const char * const mode_names[] = {
	[WSHEAP_MODE_NONE]	= "off",
	[WSHEAP_MODE_DEBUG]	= "debug",
	[WSHEAP_MODE_KMALLOC]	= "kmalloc",
	[WSHEAP_MODE_GUARD]	= "guard",
	[WSHEAP_MODE_SAMPLE]	= "sample",
};

#define RULES	16
/* As if a driver used kmalloc: that is what it is tested for on such a kernel. */
#define MODE_DEFAULT \
	(IS_ENABLED(CONFIG_KASAN) ? WSHEAP_MODE_KMALLOC : WSHEAP_MODE_NONE)

/* Protects the rules. A pool may create a heap in an interrupt. */
static DEFINE_SPINLOCK(rules_lock);
static struct rule rules[RULES] = { { .mode = MODE_DEFAULT } };
static unsigned int nr_rules = 1;

void wsheap_debug_update(void)
{
	bool any = READ_ONCE(wsheap_debug) || nr_rules > 1 || rules[0].mode ||
		   READ_ONCE(wsheap_tracing) || wsheap_fail_is_possible();

	WRITE_ONCE(wsheap_debug_new, any);
}

static int rule_parse(char *text, struct rule *rule)
{
	char *mode = strrchr(text, ':');
	int i;

	memset(rule, 0, sizeof(*rule));
	if (mode) {
		*mode++ = '\0';
		if (!*text || strscpy(rule->name, text, sizeof(rule->name)) < 0)
			return -EINVAL;
	} else {
		mode = text;
	}
	if (!strncmp(mode, "sample=", 7)) {
		rule->mode = WSHEAP_MODE_SAMPLE;
		if (kstrtouint(mode + 7, 0, &rule->period) || !rule->period)
			return -EINVAL;
		return 0;
	}
	i = match_string(mode_names, WSHEAP_MODE_SAMPLE, mode);
	if (i < 0)
		return -EINVAL;
	rule->mode = i;
	return 0;
}

/*
 * What is said of a class by name is looked at before what is said of all. The kernel
 * calls this for one parameter at a time, and on its command line before there is
 * memory to be allocated.
 */
int wsheap_debug_set(const char *value, const struct kernel_param *kp)
{
	static struct rule fresh[RULES];
	static char text[RULES * sizeof(fresh->name)];
	char *next, *entry;
	unsigned int n = 1;
	struct rule rule;
	unsigned long irq;
	int ret = 0;

	memset(fresh, 0, sizeof(fresh));
	if (strscpy(text, value, sizeof(text)) < 0)
		return -ENOSPC;
	next = strim(text);
	while ((entry = strsep(&next, ","))) {
		ret = rule_parse(entry, &rule);
		if (ret)
			break;
		if (!*rule.name)
			fresh[0] = rule;
		else if (n < RULES)
			fresh[n++] = rule;
		else
			ret = -ENOSPC;
		if (ret)
			break;
	}
	if (ret) {
		/* What echo writes ends with a newline. */
		pr_err("page_heap: \"%.*s\" is neither off, debug, kmalloc, guard nor sample=N, nor a list of one of these and of up to %d CLASS:MODE\n",
		       (int)strcspn(value, "\n"), value, RULES - 1);
		return ret;
	}
	spin_lock_irqsave(&rules_lock, irq);
	memcpy(rules, fresh, sizeof(rules));
	nr_rules = n;
	wsheap_debug_update();
	spin_unlock_irqrestore(&rules_lock, irq);
	return 0;
}

int wsheap_debug_get(char *buffer, const struct kernel_param *kp)
{
	unsigned long irq;
	unsigned int i;
	int at = 0;

	spin_lock_irqsave(&rules_lock, irq);
	for (i = 0; i < nr_rules; i++) {
		at += scnprintf(buffer + at, PAGE_SIZE - at, "%s%s%s%s", i ? "," : "",
				rules[i].name, i ? ":" : "", mode_names[rules[i].mode]);
		if (rules[i].mode == WSHEAP_MODE_SAMPLE)
			at += scnprintf(buffer + at, PAGE_SIZE - at, "=%u",
					rules[i].period);
	}
	spin_unlock_irqrestore(&rules_lock, irq);
	return at + scnprintf(buffer + at, PAGE_SIZE - at, "\n");
}

static const struct kernel_param_ops page_heap_ops = {
	.set = wsheap_debug_set,
	.get = wsheap_debug_get,
};

module_param_cb(page_heap, &page_heap_ops, NULL, 0644);
MODULE_PARM_DESC(page_heap, "How heaps created from now on take blocks: off, debug, kmalloc, guard, sample=N, or CLASS:MODE, separated by commas");

static struct rule rule_find(const struct wsheap *heap, bool asked)
{
	struct rule rule;
	unsigned int i;
	unsigned long irq;

	spin_lock_irqsave(&rules_lock, irq);
	rule = rules[0];
	for (i = 1; i < nr_rules; i++)
		if (!strcmp(rules[i].name, wsheap_name(heap)))
			rule = rules[i];
	spin_unlock_irqrestore(&rules_lock, irq);
	if (asked && !rule.mode)
		rule.mode = IS_ENABLED(CONFIG_KASAN) ? WSHEAP_MODE_KMALLOC :
						       WSHEAP_MODE_GUARD;
	/* A private heap has its own way for this. */
	if (!rule.mode && READ_ONCE(wsheap_debug) &&
	    heap->path < WSHEAP_PATH_PRIVATE)
		rule.mode = WSHEAP_MODE_DEBUG;
	return rule;
}

static void heap_take_long(struct wsheap *heap)
{
	if (heap->path >= WSHEAP_PATH_PRIVATE)
		heap->path = WSHEAP_PATH_PRIVATE_LONG;
	else
		wsheap_message_set_path(heap, WSHEAP_PATH_LONG);
}

/* The path of a sampled heap is the usual one, but blocks are counted on it. */
static void heap_count_blocks(struct wsheap *heap)
{
	if (heap->path == WSHEAP_PATH_PRIVATE)
		heap->path = WSHEAP_PATH_PRIVATE_COUNT;
	else if (heap->path == WSHEAP_PATH_PRIVATE_LOCKED)
		heap->path = WSHEAP_PATH_PRIVATE_LOCKED_COUNT;
	else if (heap->path == WSHEAP_PATH_LOCKED)
		heap->path = WSHEAP_PATH_LOCKED_COUNT;
}

/*
 * Called before anybody else knows the heap, and before it has blocks. Without memory
 * the heap is in no mode.
 */
void wsheap_debug_setup(struct wsheap *heap, bool asked, gfp_t gfp)
{
	struct rule rule = rule_find(heap, asked);
	struct wsheap_debug *debug;

	if (READ_ONCE(wsheap_tracing))
		heap_take_long(heap);
	if (!rule.mode && !wsheap_fail_applies(heap))
		return;
	debug = kzalloc_noprof(sizeof(*debug), gfp | __GFP_NOWARN);
	if (!debug)
		return;
	spin_lock_init(&debug->lock);
	INIT_LIST_HEAD(&debug->blocks);
	debug->by_address = RB_ROOT;
	debug->by_place = RB_ROOT;
	debug->mode = rule.mode;
	debug->period = rule.period;
	/* Heaps that live for one message are sampled as all are. */
	if (rule.period) {
		debug->countdown = 1 + get_random_u32() % rule.period;
		debug->next = mul_u64_u32_shr(128ULL * (rule.period - 1),
					      get_random_u32(), 32);
	}
	/* A guess, until the first blocks are seen. */
	debug->inverse = BIT(INVERSE_SHIFT) / 64;
	heap->debug = debug;
	/* Before a block that is not in the heap's memory, nothing may be mapped. */
	if (heap->path >= WSHEAP_PATH_PRIVATE)
		wsheap_private(heap)->look_mask = 0;
	/* Where each block is looked at, that is the long path. */
	if (rule.mode != WSHEAP_MODE_SAMPLE)
		heap_take_long(heap);
	else
		heap_count_blocks(heap);
	/* One with an initial size is on its short path already. */
	if (heap->cursor != WSHEAP_NO_CURSOR)
		wsheap_debug_limit(heap);
	if (rule.mode == WSHEAP_MODE_GUARD || rule.mode == WSHEAP_MODE_SAMPLE) {
		WRITE_ONCE(stock_wanted, STOCK);
		if (READ_ONCE(nr_stock) < STOCK)
			mod_delayed_work(system_wq, &quarantine_work, 0);
	}
}

const char *wsheap_debug_mode(const struct wsheap *heap)
{
	return heap->debug ? mode_names[heap->debug->mode] : "-";
}

/*
 * Trees of blocks.
 */

#define block_entry(rb, member)	rb_entry_safe(rb, struct debug_block, member)

static bool less_address(struct rb_node *a, const struct rb_node *b)
{
	return block_entry(a, by_address)->p < block_entry(b, by_address)->p;
}

static int compare_address(const void *p, const struct rb_node *node)
{
	const char *other = block_entry(node, by_address)->p;

	return p < (void *)other ? -1 : p > (void *)other;
}

static bool less_place(struct rb_node *a, const struct rb_node *b)
{
	return block_entry(a, by_place)->place < block_entry(b, by_place)->place;
}

static int compare_place(const void *place, const struct rb_node *node)
{
	const void *other = block_entry(node, by_place)->place;

	return place < other ? -1 : place > other;
}

static bool less_memory(struct rb_node *a, const struct rb_node *b)
{
	return block_entry(a, by_memory)->mem < block_entry(b, by_memory)->mem;
}

/* A page that is not mapped follows the memory, and belongs to it. */
static int compare_memory(const void *p, const struct rb_node *node)
{
	const struct debug_block *block = block_entry(node, by_memory);

	if (p < (void *)block->mem)
		return -1;
	return p >= (void *)block->mem + block->length + PAGE_SIZE;
}

/* For memory that is mapped anew: what had a part of its addresses before. */
static int compare_range(const void *key, const struct rb_node *node)
{
	const struct debug_block *block = key, *other = block_entry(node, by_memory);

	if (block->mem + block->length + PAGE_SIZE <= other->mem)
		return -1;
	return block->mem >= other->mem + other->length + PAGE_SIZE;
}

static struct debug_block *find_address(const struct wsheap_debug *debug, const void *p)
{
	return block_entry(rb_find(p, &debug->by_address, compare_address), by_address);
}

static struct debug_block *find_place(const struct wsheap_debug *debug,
				      const void *place)
{
	return block_entry(rb_find(place, &debug->by_place, compare_place), by_place);
}

/*
 * Memory for blocks.
 */

static void block_count(struct debug_block *block, size_t bytes)
{
	if (block->class)
		atomic_long_add(bytes - block->counted, &block->class->debug_bytes);
	block->counted = bytes;
}

static void block_free(struct debug_block *block)
{
	unsigned long i;

	block_count(block, 0);
	wsheap_class_release(block->class);
	if (block->page)
		__free_page(block->page);
	for (i = 0; block->pages && i < block->length >> PAGE_SHIFT; i++)
		__free_page(block->pages[i]);
	kvfree(block->pages);
	if (block->mode == WSHEAP_MODE_DEBUG || block->mode == WSHEAP_MODE_KMALLOC)
		kvfree(block->mem);
	kfree(block);
}

static bool block_map(struct debug_block *block, size_t size, gfp_t gfp, int node)
{
	unsigned int nr = max_t(size_t, 1, PAGE_ALIGN(size) >> PAGE_SHIFT), i;
	struct page **pages = &block->page;

	if (nr > 1) {
		pages = kvmalloc_array_noprof(nr, sizeof(*pages),
					      (gfp & GFP_KERNEL) | __GFP_NORETRY |
					      __GFP_NOWARN | __GFP_ZERO);
		block->pages = pages;
		if (!pages)
			return false;
	}
	for (i = 0; i < nr; i++) {
		pages[i] = node == NUMA_NO_NODE ? alloc_pages_noprof(gfp, 0) :
						  alloc_pages_node_noprof(node, gfp, 0);
		if (!pages[i])
			break;
	}
	if (i == nr)
		block->mem = vmap(pages, nr, VM_MAP, PAGE_KERNEL);
	if (block->mem) {
		block->length = (size_t)nr << PAGE_SHIFT;
		return true;
	}
	while (i--)
		__free_page(pages[i]);
	kvfree(block->pages);
	block->page = NULL;
	block->pages = NULL;
	return false;
}

static unsigned long most_pages(void)
{
	return min_t(unsigned long, SZ_64M >> PAGE_SHIFT, totalram_pages() / 32);
}

/* A guarded block is known to the fault handler as long as its address is its own. */
static void guarded_add(struct debug_block *block)
{
	struct debug_block *other;
	struct rb_node *node;

	lockdep_assert_held(&page_heap_lock);
	while ((node = rb_find(block, &guarded, compare_range))) {
		/* Its addresses are in use again. */
		other = block_entry(node, by_memory);
		rb_erase(node, &guarded);
		RB_CLEAR_NODE(node);
		if (!other->unmapped)
			continue;
		list_del(&other->node);
		nr_remembered--;
		block_free(other);
	}
	rb_add(&block->by_memory, &guarded, less_memory);
	wsheap_debug_pages += block->length >> PAGE_SHIFT;
}

static struct debug_block *block_new_guarded(const struct wsheap *heap, size_t size,
					     gfp_t gfp)
{
	struct debug_block *block = NULL;
	unsigned long irq;

	if (READ_ONCE(wsheap_debug_pages) + (size >> PAGE_SHIFT) >= most_pages())
		return NULL;
	if (size <= PAGE_SIZE) {
		spin_lock_irqsave(&page_heap_lock, irq);
		block = list_first_entry_or_null(&stock, struct debug_block, node);
		if (block) {
			list_del(&block->node);
			nr_stock--;
		}
		spin_unlock_irqrestore(&page_heap_lock, irq);
		if (READ_ONCE(nr_stock) < STOCK / 2)
			mod_delayed_work(system_wq, &quarantine_work, 0);
		if (block)
			return block;
	}
	/* vmap() takes no flags. */
	if ((gfp & GFP_KERNEL) != GFP_KERNEL)
		return NULL;
	block = kzalloc(sizeof(*block), gfp & ~__GFP_ACCOUNT);
	if (!block || !block_map(block, size, gfp, heap->node)) {
		kfree(block);
		return NULL;
	}
	block->mode = WSHEAP_MODE_GUARD;
	spin_lock_irqsave(&page_heap_lock, irq);
	guarded_add(block);
	spin_unlock_irqrestore(&page_heap_lock, irq);
	return block;
}

/*
 * Not longer than it has to be, so that KASAN knows its end. Only a power of two is
 * sure to be aligned.
 */
static void *slab_alloc(const struct wsheap *heap, size_t length, size_t align,
			gfp_t gfp)
{
	void *mem = kmalloc_node_noprof(length, gfp, heap->node);

	if (IS_ALIGNED((unsigned long)mem, align))
		return mem;
	kfree(mem);
	length = roundup_pow_of_two(max(length, align));
	return kmalloc_node_noprof(length, gfp, heap->node);
}

/* What is only for this mode is not charged to the driver. */
static struct debug_block *block_new_slab(const struct wsheap *heap, size_t length,
					  size_t align, gfp_t gfp,
					  enum wsheap_mode mode)
{
	struct debug_block *block = kzalloc(sizeof(*block),
					    gfp & ~(GFP_ZONEMASK | __GFP_ACCOUNT));

	if (!block)
		return NULL;
	if (length <= KMALLOC_MAX_SIZE)
		block->mem = slab_alloc(heap, length, align, gfp);
	if (!block->mem && gfpflags_allow_blocking(gfp) && length > PAGE_SIZE &&
	    !(heap->flags & WSHEAP_CONTIG) && !(gfp & GFP_ZONEMASK))
		block->mem = kvmalloc_node_noprof(length, (gfp & GFP_KERNEL) |
						  __GFP_NORETRY | __GFP_NOWARN,
						  heap->node);
	if (!block->mem) {
		kfree(block);
		return NULL;
	}
	block->length = length;
	block->mode = mode;
	return block;
}

/* Guarded pages are anywhere, and mapped where DMA does not look. */
static bool may_guard(const struct wsheap *heap)
{
	return !(heap->flags & WSHEAP_CONTIG) && !(heap->chunk_gfp & GFP_ZONEMASK);
}

/* Returns memory for a block, or NULL. */
struct debug_block *wsheap_debug_block_new(const struct wsheap *heap, size_t size,
					   size_t align, gfp_t gfp)
{
	enum wsheap_mode mode = heap->debug->mode;
	struct debug_block *block;
	size_t length = size;
	char *end;

	KUNIT_STATIC_STUB_REDIRECT(wsheap_debug_block_new, heap, size, align, gfp);

	gfp = wsheap_gfp_optional(wsheap_backing_gfp(heap, gfp)) & ~__GFP_ZERO;
	align = max(align, wsheap_block_align(heap));
	if (mode == WSHEAP_MODE_SAMPLE)
		mode = WSHEAP_MODE_GUARD;
	if (mode == WSHEAP_MODE_GUARD && !may_guard(heap))
		mode = WSHEAP_MODE_KMALLOC;
	if (size > INT_MAX - 2 * PAGE_SIZE)
		return NULL;
	if (mode == WSHEAP_MODE_GUARD) {
		block = block_new_guarded(heap, size, gfp);
		if (!block)
			return NULL;
		end = block->mem + block->length;
		block->p = PTR_ALIGN_DOWN(end - max_t(size_t, size, 1), align);
		memset(block->mem, POISON_INUSE, block->p - block->mem);
		memset(block->p + size, POISON_INUSE, end - block->p - size);
		return block;
	}
	length = max_t(size_t, ALIGN(size, wsheap_block_align(heap)), 1);
	if (wsheap_block_align(heap) == WSHEAP_MIN_ALIGN)
		length = max_t(size_t, size, 1);
	if (mode == WSHEAP_MODE_DEBUG)
		length = ALIGN(size, align) + 2 * RED_ZONE + align;
	block = block_new_slab(heap, length, mode == WSHEAP_MODE_DEBUG ? 1 : align,
			       gfp, mode);
	if (!block)
		return NULL;
	block->p = block->mem;
	if (mode == WSHEAP_MODE_DEBUG) {
		block->p = PTR_ALIGN(block->mem + RED_ZONE, align);
		memset(block->mem, SLUB_RED_ACTIVE, block->p - block->mem);
		end = block->mem + length;
		memset(block->p + size, SLUB_RED_ACTIVE, end - block->p - size);
	}
	return block;
}

/*
 * Checks and reports.
 */

static u8 zone_byte(const struct debug_block *block)
{
	return block->mode == WSHEAP_MODE_DEBUG ? SLUB_RED_ACTIVE : POISON_INUSE;
}

static void print_taken(const struct debug_block *block)
{
	unsigned int i;

	for (i = 0; i < block->nr_taken; i++)
		pr_err("    %pS\n", (void *)block->taken[i]);
}

static unsigned int ms_since(unsigned long then)
{
	return jiffies_to_msecs(jiffies - then);
}

static void report_block(const struct debug_block *block, enum wsheap_mistake mistake,
			 const char *what, const char *at)
{
	struct wsheap_class *class = block->class;

	if (test_bit(mistake, &class->reported))
		return;
	wsheap_report_class(class, mistake,
			    "heap %s of %s: %s, byte %td of a block of %zu bytes, %u ms old; its end was called from %pS",
			    class->name, class->module, what, at - block->p, block->size,
			    ms_since(block->taken_at), (void *)block->ended);
	pr_err("the block %p was allocated at\n", block->p);
	print_taken(block);
}

/* Checks the bytes before and behind a block when it ends. */
static void block_check_zones(const struct debug_block *block)
{
	const char *end = block->mem + block->length, *at;
	u8 byte = zone_byte(block);

	if (block->mode == WSHEAP_MODE_KMALLOC)
		return;
	at = memchr_inv(block->mem, byte, block->p - block->mem);
	if (at)
		report_block(block, MISTAKE_UNDERRUN, "written before its beginning", at);
	at = memchr_inv(block->p + block->size, byte, end - block->p - block->size);
	if (at)
		report_block(block, MISTAKE_OVERRUN, "written past its end", at);
}

/* Checks the fill of @length bytes at @mem, which the caller knew as @p. */
static void block_check_fill(const struct debug_block *block, const char *mem,
			     const char *p, size_t length)
{
	const char *at = memchr_inv(mem, POISON_FREE, length);

	if (at)
		report_block(block, MISTAKE_STALE, "written to after its end",
			     p + (at - mem));
}

/*
 * The quarantine.
 */

/* Releases a block that has waited. Its pages are not mapped any more. */
static void block_expire(struct debug_block *block)
{
	const size_t page = PAGE_SIZE;
	unsigned long i;

	if (block->mode == WSHEAP_MODE_DEBUG)
		block_check_fill(block, block->p, block->p, block->size);
	if (block->page)
		block_check_fill(block, page_address(block->page), block->mem, page);
	for (i = 0; block->pages && i < block->length >> PAGE_SHIFT; i++)
		block_check_fill(block, page_address(block->pages[i]),
				 block->mem + i * page, page);
}

/* The block is told about when its addresses fault, though its pages are gone. */
static void block_remember(struct debug_block *block)
{
	unsigned long i, n = block->length >> PAGE_SHIFT, irq;
	struct debug_block *oldest = NULL;

	if (block->page)
		__free_page(block->page);
	for (i = 0; block->pages && i < n; i++)
		__free_page(block->pages[i]);
	kvfree(block->pages);
	block->page = NULL;
	block->pages = NULL;
	block_count(block, sizeof(*block));

	spin_lock_irqsave(&page_heap_lock, irq);
	wsheap_debug_pages -= n;
	/* Who maps its addresses again may take it off the list from here on. */
	if (RB_EMPTY_NODE(&block->by_memory)) {
		oldest = block;
	} else {
		block->unmapped = true;
		list_add_tail(&block->node, &remembered);
		if (++nr_remembered > REMEMBERED) {
			oldest = list_first_entry(&remembered, struct debug_block, node);
			list_del(&oldest->node);
			nr_remembered--;
			rb_erase(&oldest->by_memory, &guarded);
		}
	}
	spin_unlock_irqrestore(&page_heap_lock, irq);
	if (oldest)
		block_free(oldest);
}

/* Unmaps the pages of blocks that have ended, in one go for the sake of the TLB. */
static void quarantine_unmap(void)
{
	struct debug_block *block, *next;
	LIST_HEAD(ended);
	unsigned long irq;

	spin_lock_irqsave(&page_heap_lock, irq);
	list_splice_init(&still_mapped, &ended);
	spin_unlock_irqrestore(&page_heap_lock, irq);
	if (list_empty(&ended))
		return;
	list_for_each_entry(block, &ended, node) {
		vunmap(block->mem);
		cond_resched();
	}
	vm_unmap_aliases();
	list_for_each_entry_safe(block, next, &ended, node) {
		list_del(&block->node);
		block_expire(block);
		block_remember(block);
		cond_resched();
	}
}

/* Takes the oldest block out that has waited long enough, and has no pages to unmap. */
static struct debug_block *quarantine_take(bool all)
{
	struct debug_block *block = NULL, *oldest;
	unsigned long irq;

	spin_lock_irqsave(&page_heap_lock, irq);
	list_for_each_entry(oldest, &quarantine, node) {
		if (oldest->mode != WSHEAP_MODE_GUARD) {
			block = oldest;
			break;
		}
	}
	if (block && !all && quarantined <= QUARANTINE_MOST &&
	    time_before(jiffies, block->ended_at + QUARANTINE_TIME))
		block = NULL;
	if (block) {
		list_del(&block->node);
		quarantined -= block->length;
	}
	spin_unlock_irqrestore(&page_heap_lock, irq);
	return block;
}

/* They are charged to no driver. */
#ifdef alloc_hooks
#define charged_here(call)	alloc_hooks(call)
#else
#define charged_here(call)	(call)
#endif

/* Maps pages ahead, for callers that cannot. */
static void stock_fill(void)
{
	struct debug_block *block;
	unsigned long irq;

	while (READ_ONCE(nr_stock) < READ_ONCE(stock_wanted) &&
	       READ_ONCE(wsheap_debug_pages) < most_pages()) {
		block = kzalloc(sizeof(*block), GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!block)
			return;
		if (!charged_here(block_map(block, PAGE_SIZE, GFP_KERNEL | __GFP_NORETRY |
					    __GFP_NOWARN, NUMA_NO_NODE))) {
			kfree(block);
			return;
		}
		block->mode = WSHEAP_MODE_GUARD;
		spin_lock_irqsave(&page_heap_lock, irq);
		guarded_add(block);
		list_add_tail(&block->node, &stock);
		nr_stock++;
		spin_unlock_irqrestore(&page_heap_lock, irq);
	}
}

static void quarantine_run(bool all)
{
	struct debug_block *block;

	quarantine_unmap();
	while ((block = quarantine_take(all))) {
		block_expire(block);
		block_free(block);
		cond_resched();
	}
}

static void quarantine_fn(struct work_struct *work)
{
	/*
	 * First, and not for every block, because the addresses of what is unmapped are
	 * the next that are mapped. Nobody must have them for a while.
	 */
	if (READ_ONCE(nr_stock) < READ_ONCE(stock_wanted) / 2)
		stock_fill();
	quarantine_run(false);
	if (!list_empty_careful(&quarantine) || !list_empty_careful(&still_mapped))
		schedule_delayed_work(&quarantine_work, QUARANTINE_TIME / 4);
}

/* Checks and releases all that waits. */
void wsheap_debug_flush(void)
{
	cancel_delayed_work_sync(&quarantine_work);
	quarantine_run(true);
}

/*
 * Releases the oldest blocks, also where the caller cannot sleep. What is from vmalloc
 * is left to the worker.
 */
static void quarantine_relieve(void)
{
	struct debug_block *block;
	unsigned int n = 2;
	unsigned long irq;

	while (n--) {
		spin_lock_irqsave(&page_heap_lock, irq);
		block = list_first_entry_or_null(&quarantine, struct debug_block, node);
		if (block && is_vmalloc_addr(block->mem))
			block = NULL;
		if (block) {
			list_del(&block->node);
			quarantined -= block->length;
		}
		spin_unlock_irqrestore(&page_heap_lock, irq);
		if (!block)
			return;
		block_expire(block);
		block_free(block);
	}
}

/* Who goes leaves nobody behind who could use the addresses of its blocks. */
void wsheap_debug_forget_module(const struct module *module)
{
	struct debug_block *block, *next;
	LIST_HEAD(forgotten);
	unsigned long irq;

	spin_lock_irqsave(&page_heap_lock, irq);
	list_for_each_entry_safe(block, next, &remembered, node) {
		if (!block->class || block->class->owner != module)
			continue;
		list_move(&block->node, &forgotten);
		rb_erase(&block->by_memory, &guarded);
		nr_remembered--;
	}
	spin_unlock_irqrestore(&page_heap_lock, irq);
	list_for_each_entry_safe(block, next, &forgotten, node)
		block_free(block);
}

/* Ends a block that is in no list or tree of its heap any more. */
static void block_end(struct debug_block *block, unsigned long caller)
{
	bool guard = block->mode == WSHEAP_MODE_GUARD;
	unsigned long irq;
	size_t waiting;

	block->ended = caller ?: _RET_IP_;
	block->ended_at = jiffies;
	block_check_zones(block);
	if (block->mode == WSHEAP_MODE_KMALLOC && !is_vmalloc_addr(block->mem)) {
		block_free(block);
		return;
	}
	if (guard)
		memset(block->mem, POISON_FREE, block->length);
	else
		memset(block->p, POISON_FREE, block->size);
	spin_lock_irqsave(&page_heap_lock, irq);
	list_add_tail(&block->node, guard ? &still_mapped : &quarantine);
	if (!guard)
		quarantined += block->length;
	waiting = quarantined;
	spin_unlock_irqrestore(&page_heap_lock, irq);
	if (guard || waiting > QUARANTINE_MOST)
		mod_delayed_work(system_wq, &quarantine_work, 0);
	else
		schedule_delayed_work(&quarantine_work, QUARANTINE_TIME);
	if (waiting > QUARANTINE_LIMIT)
		quarantine_relieve();
}

/*
 * What heaps call.
 */

/*
 * Whether it is this block's turn. On the short path blocks are not counted, so the
 * bytes decide, and what the blocks that were met have come to on average: a long one
 * is met more often, so it is their harmonic mean.
 */
static bool sample_is_due(const struct wsheap *heap, struct wsheap_debug *debug,
			  size_t size)
{
	s32 inverse;
	u64 distance;

	if (heap->path != WSHEAP_PATH_SHORT) {
		if (!wsheap_debug_tick(debug))
			return false;
		debug->countdown = 1 + get_random_u32() % (2 * debug->period - 1);
		return true;
	}
	if (heap->asked + wsheap_requested_size(heap) < debug->next)
		return false;
	debug->weight = min(debug->weight + 1, SAMPLES_AVERAGED);
	inverse = BIT(INVERSE_SHIFT) / clamp_t(size_t, size, 1, BIT(INVERSE_SHIFT));
	debug->inverse += (inverse - (s32)debug->inverse) / (s32)debug->weight;
	distance = div_u64((u64)debug->period << INVERSE_SHIFT, debug->inverse + 1);
	/* Around that, so that no pattern of the driver's agrees with it. */
	debug->next = heap->asked + wsheap_requested_size(heap) + distance / 2 +
		      mul_u64_u32_shr(distance, get_random_u32(), 32);
	return true;
}

/* Ends the short path where the next block is to be guarded. */
void wsheap_debug_limit(struct wsheap *heap)
{
	u64 asked = heap->asked + wsheap_requested_size(heap);
	u64 next = heap->debug->next;
	size_t room = heap->limit - heap->cursor;

	heap->limit = heap->cursor + min_t(u64, room, next > asked ? next - asked : 0);
}

static void report_context(const struct wsheap *heap, gfp_t gfp, unsigned long caller)
{
	/* Without CONFIG_PREEMPT_COUNT a spinlock does not show. */
	if (gfpflags_allow_blocking(gfp) && (preempt_count() || irqs_disabled()))
		wsheap_report(heap, MISTAKE_CONTEXT, caller,
			      "gfp %#x (%pGg) may sleep, but its caller may not",
			      (__force unsigned int)gfp, &gfp);
}

/* Notes who called, from the driver's function on. */
static void block_trace(struct debug_block *block, unsigned long caller)
{
	unsigned long trace[TRACE_DEPTH + 6];
	unsigned int n = 0, i = 0;

	/* A stack takes more than all the rest, and pages are not for speed anyway. */
#ifdef CONFIG_STACKTRACE
	if (block->mode == WSHEAP_MODE_GUARD)
		n = stack_trace_save(trace, ARRAY_SIZE(trace), 1);
#endif
	block->taken[0] = caller;
	block->nr_taken = 1;
	while (i < n && trace[i] != caller)
		i++;
	while (++i < n && block->nr_taken < TRACE_DEPTH)
		block->taken[block->nr_taken++] = trace[i];
}

static bool is_later(u32 serial, u32 than)
{
	return (s32)(serial - than) > 0;
}

/* Takes note of a block that its caller gets instead of its place. */
static void block_add(struct wsheap *heap, struct debug_block *block, void *place,
		      size_t size, bool longer, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	struct debug_block *instead;
	unsigned long irq;

	block->size = size;
	block->room = size;
	block->place = place;
	block->longer = longer;
	block->heap = heap;
	block->class = heap->class;
	wsheap_class_hold(heap->class);
	block_count(block, block->length + sizeof(*block));
	block_trace(block, caller);
	block->taken_at = jiffies;
	spin_lock_irqsave(&debug->lock, irq);
	block->serial = ++debug->serial;
	block->shrunk = block->serial;
	instead = find_place(debug, place);
	block->instead = instead;
	if (instead)
		rb_replace_node(&instead->by_place, &block->by_place, &debug->by_place);
	else
		rb_add(&block->by_place, &debug->by_place, less_place);
	rb_add(&block->by_address, &debug->by_address, less_address);
	list_add(&block->node, &debug->blocks);
	spin_unlock_irqrestore(&debug->lock, irq);
	/* The next reset has to end it. */
	WRITE_ONCE(heap->noted, true);
}

static void block_del(struct wsheap_debug *debug, struct debug_block *block)
{
	lockdep_assert_held(&debug->lock);
	if (!block->instead) {
		rb_erase(&block->by_place, &debug->by_place);
	} else {
		rb_replace_node(&block->by_place, &block->instead->by_place,
				&debug->by_place);
	}
	rb_erase(&block->by_address, &debug->by_address);
	list_del(&block->node);
}

/* There was no memory for a block, so the caller gets its place. */
static void *take_place(struct wsheap_debug *debug, void *place)
{
	unsigned long irq;

	spin_lock_irqsave(&debug->lock, irq);
	debug->missed++;
	spin_unlock_irqrestore(&debug->lock, irq);
	return place;
}

/* Returns memory for a block that has got its place, or the place. */
void *wsheap_debug_take(struct wsheap *heap, void *place, size_t size, size_t align,
			gfp_t gfp, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	struct debug_block *block;

	report_context(heap, gfp, caller);
	if (debug->mode == WSHEAP_MODE_SAMPLE && !sample_is_due(heap, debug, size))
		return place;
	block = wsheap_debug_block_new(heap, size, align, gfp);
	if (!block)
		return take_place(debug, place);
	block_add(heap, block, place, size, false, caller);
	if (gfp & __GFP_ZERO || want_init_on_alloc(0))
		memset(block->p, 0, size);
	return block->p;
}

/* The block that begins at or before an address. */
static struct debug_block *find_before(const struct wsheap_debug *debug, const void *p)
{
	struct rb_node *node = debug->by_address.rb_node;
	struct debug_block *block, *found = NULL;

	while ((block = block_entry(node, by_address))) {
		if (p < (void *)block->p) {
			node = node->rb_left;
		} else {
			found = block;
			node = node->rb_right;
		}
	}
	return found;
}

/*
 * Says what an address is to its heap, and sets @place to where the heap has the block.
 * One without memory of its own is its place, and so is what is no block.
 */
enum wsheap_mistake wsheap_debug_find(const struct wsheap *heap, const void *p,
				      void **place)
{
	struct wsheap_debug *debug = heap->debug;
	enum wsheap_mistake mistake = MISTAKE_NONE;
	const struct debug_block *block;
	unsigned long irq;

	*place = (void *)p;
	spin_lock_irqsave(&debug->lock, irq);
	block = find_before(debug, p);
	if (block && p == block->p)
		*place = block->place;
	else if (block && p < (void *)block->p + block->size)
		mistake = MISTAKE_INSIDE;
	spin_unlock_irqrestore(&debug->lock, irq);
	return mistake;
}

/* Whether a block of a heap, which is there no more, was at an address. */
bool wsheap_debug_has_ended(const struct wsheap *heap, const void *p)
{
	struct wsheap_debug *debug = heap->debug;
	const struct debug_block *block;
	bool ended = false;
	unsigned long irq;
	unsigned int i;

	spin_lock_irqsave(&debug->lock, irq);
	for (i = 0; i < ARRAY_SIZE(debug->ended); i++)
		ended |= p && debug->ended[i] == p;
	spin_unlock_irqrestore(&debug->lock, irq);
	spin_lock_irqsave(&page_heap_lock, irq);
	block = block_entry(rb_find(p, &guarded, compare_memory), by_memory);
	ended |= block && block->ended && block->heap == heap && block->p == p;
	spin_unlock_irqrestore(&page_heap_lock, irq);
	return ended;
}

void *wsheap_debug_place(const struct wsheap *heap, const void *p)
{
	void *place;

	wsheap_debug_find(heap, p, &place);
	return place;
}

/* Tells whether a block has memory of its own. In a sampled heap few have. */
bool wsheap_debug_has(const struct wsheap *heap, const void *p)
{
	struct wsheap_debug *debug = heap->debug;
	unsigned long irq;
	bool has;

	/* The caller's own block does not come or go meanwhile. */
	if (!READ_ONCE(debug->by_address.rb_node))
		return false;
	spin_lock_irqsave(&debug->lock, irq);
	has = find_address(debug, p);
	spin_unlock_irqrestore(&debug->lock, irq);
	return has;
}

/* The block that has a place. */
void *wsheap_debug_address(const struct wsheap *heap, const void *place)
{
	struct wsheap_debug *debug = heap->debug;
	const struct debug_block *block;
	unsigned long irq;
	void *p = (void *)place;

	spin_lock_irqsave(&debug->lock, irq);
	block = find_place(debug, place);
	if (block)
		p = block->p;
	spin_unlock_irqrestore(&debug->lock, irq);
	return p;
}

/* Ends one block, if it has memory of its own. Others may have replaced it. */
void wsheap_debug_end(struct wsheap *heap, const void *p, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	struct debug_block *block, *newer;
	unsigned long irq;

	spin_lock_irqsave(&debug->lock, irq);
	block = find_address(debug, p);
	if (block) {
		newer = find_place(debug, block->place);
		if (newer == block) {
			block_del(debug, block);
		} else {
			while (newer->instead != block)
				newer = newer->instead;
			newer->instead = block->instead;
			newer->longer &= block->longer;
			rb_erase(&block->by_address, &debug->by_address);
			list_del(&block->node);
		}
		debug->ended[debug->nr_ended++ % ARRAY_SIZE(debug->ended)] = block->p;
	}
	spin_unlock_irqrestore(&debug->lock, irq);
	if (block)
		block_end(block, caller);
}

/*
 * A block of a string that is built by the byte must not stay until the reset. It can
 * go if no savepoint is newer than it, so that no rollback makes it the block again.
 */
static void end_shorter(struct wsheap *heap, const void *p, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	const struct debug_block *block;
	unsigned long irq;
	bool end;

	spin_lock_irqsave(&debug->lock, irq);
	block = find_address(debug, p);
	end = block && is_later(block->serial, debug->marked);
	spin_unlock_irqrestore(&debug->lock, irq);
	if (end)
		wsheap_debug_end(heap, p, caller);
}

/*
 * A block has another size now, at the same place. What becomes longer moves, if it
 * has memory of its own. What becomes shorter has to stay where it is.
 */
void *wsheap_debug_resize(struct wsheap *heap, void *place, void *p, size_t old,
			  size_t size, gfp_t gfp, unsigned long caller)
{
	bool private = heap->path >= WSHEAP_PATH_PRIVATE;
	size_t align = private ? TILE_ALIGN : WSHEAP_MIN_ALIGN;
	struct wsheap_debug *debug = heap->debug;
	struct debug_block *block;
	unsigned long irq;

	if (p == place)
		return p;
	if (size > old) {
		block = wsheap_debug_block_new(heap, size, align, gfp);
		if (block) {
			block_add(heap, block, place, size, true, caller);
			memcpy(block->p, p, old);
			end_shorter(heap, p, caller);
			return block->p;
		}
		memcpy(place, p, old);
		return take_place(debug, place);
	}
	if (size == old)
		return p;
	spin_lock_irqsave(&debug->lock, irq);
	block = find_address(debug, p);
	if (block) {
		if (block->mode != WSHEAP_MODE_KMALLOC)
			memset(block->p + size, zone_byte(block), block->size - size);
		block->size = size;
		block->shrunk = ++debug->serial;
		debug->shrunk = block->shrunk;
	}
	spin_unlock_irqrestore(&debug->lock, irq);
	return p;
}

/* Ends all blocks. */
void wsheap_debug_end_all(struct wsheap *heap, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	struct debug_block *block, *next;
	LIST_HEAD(ended);
	unsigned long irq;

	spin_lock_irqsave(&debug->lock, irq);
	list_splice_init(&debug->blocks, &ended);
	debug->by_address = RB_ROOT;
	debug->by_place = RB_ROOT;
	spin_unlock_irqrestore(&debug->lock, irq);
	list_for_each_entry_safe(block, next, &ended, node) {
		list_del(&block->node);
		block_end(block, caller);
	}
}

/* The number of the last change of a heap's blocks, for a savepoint. */
u32 wsheap_debug_mark(struct wsheap *heap)
{
	struct wsheap_debug *debug = heap->debug;
	unsigned long irq;
	u32 serial;

	spin_lock_irqsave(&debug->lock, irq);
	serial = debug->serial;
	debug->marked = serial;
	spin_unlock_irqrestore(&debug->lock, irq);
	return serial;
}

/*
 * Blocks that became smaller after the savepoint have the size again that they had. It
 * is no more than what they once had, and so much is not checked any more.
 */
static void rollback_sizes(struct wsheap_debug *debug, u32 serial)
{
	struct debug_block *block;
	unsigned long irq;

	spin_lock_irqsave(&debug->lock, irq);
	if (is_later(debug->shrunk, serial)) {
		list_for_each_entry(block, &debug->blocks, node)
			if (is_later(block->shrunk, serial)) {
				block->size = block->room;
				block->shrunk = block->serial;
			}
		debug->shrunk = serial;
	}
	spin_unlock_irqrestore(&debug->lock, irq);
}

/* Ends the blocks that are newer than a savepoint, newest first. */
void wsheap_debug_rollback(struct wsheap *heap, u32 serial, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	struct debug_block *block;
	unsigned long irq;

	for (;;) {
		spin_lock_irqsave(&debug->lock, irq);
		block = list_first_entry_or_null(&debug->blocks, struct debug_block, node);
		if (block && !is_later(block->serial, serial))
			block = NULL;
		if (block)
			block_del(debug, block);
		spin_unlock_irqrestore(&debug->lock, irq);
		if (!block)
			break;
		/* The block that it was before is back, with the bytes of now. */
		if (block->longer && block->instead)
			memcpy(block->instead->p, block->p,
			       min(block->size, block->instead->size));
		block_end(block, caller);
	}
	rollback_sizes(debug, serial);
}

/*
 * The heap goes. All of its blocks have ended. The object itself may be used by
 * mistake, so it is kept for a while, in a state in which each call is found out.
 * Returns whether it is.
 */
bool wsheap_debug_exit(struct wsheap *heap, size_t size, unsigned long caller)
{
	bool private = heap->path >= WSHEAP_PATH_PRIVATE;
	struct debug_block *block = NULL;
	unsigned long irq;

	/* KASAN does better. */
	if (heap->debug->mode != WSHEAP_MODE_KMALLOC &&
	    !(heap->flags & WSHEAP_EMBEDDED))
		block = kzalloc(sizeof(*block), GFP_NOWAIT | __GFP_NOWARN);
	kfree(heap->debug);
	heap->debug = NULL;
	if (!block)
		return false;
	wsheap_class_hold(heap->class);
	heap->flags = WSHEAP_DEAD | (private ? WSHEAP_NO_SERIALIZE : 0);
	heap->path = private ? WSHEAP_PATH_PRIVATE_LONG : WSHEAP_PATH_LONG;
	heap->state = WSHEAP_STATE_LONG | WSHEAP_STATE_GREW;
	heap->cursor = WSHEAP_NO_CURSOR;
	heap->used = NULL;
	heap->free_chunks = NULL;
	heap->cur = NO_CHUNK;
	heap->alt = NO_CHUNK;
	heap->actions = NULL;
	heap->group = NULL;
	heap->noted = false;
	WRITE_ONCE(heap->actual, 0);
	WRITE_ONCE(heap->left, heap->max_size);
	if (private) {
		wsheap_private(heap)->regions = RB_ROOT;
		wsheap_private(heap)->look_mask = 0;
		wsheap_private(heap)->failed = NULL;
	}
	heap->user = caller;
	block->mode = WSHEAP_MODE_DEBUG;
	block->class = heap->class;
	block->mem = (char *)heap;
	block->p = block->mem;
	block->length = size;
	block->ended_at = jiffies;
	spin_lock_irqsave(&page_heap_lock, irq);
	list_add_tail(&block->node, &quarantine);
	quarantined += size;
	spin_unlock_irqrestore(&page_heap_lock, irq);
	schedule_delayed_work(&quarantine_work, QUARANTINE_TIME);
	return true;
}

/* A message was refused. Perhaps that is because the ones before were never reset. */
void wsheap_debug_refused(struct wsheap *heap, unsigned long caller)
{
	struct wsheap_debug *debug = heap->debug;
	const struct debug_block *oldest;
	unsigned int age = 0;
	unsigned long irq;

	spin_lock_irqsave(&debug->lock, irq);
	if (!list_empty(&debug->blocks)) {
		oldest = list_last_entry(&debug->blocks, struct debug_block, node);
		if (time_after(jiffies, oldest->taken_at + FORGOTTEN_TIME))
			age = ms_since(oldest->taken_at);
	}
	spin_unlock_irqrestore(&debug->lock, irq);
	if (age)
		wsheap_report(heap, MISTAKE_FORGOTTEN, caller,
			      "the quota is used up, and the oldest block is %u ms old", age);
}

/* Prints the newest blocks. */
void wsheap_debug_dump(const struct wsheap *heap)
{
	struct wsheap_debug *debug = heap->debug;
	const struct debug_block *block;
	unsigned int n = DUMPED;
	unsigned long irq;

	if (!debug)
		return;
	pr_info("  mode %s, %zu blocks without memory of their own\n",
		mode_names[debug->mode], debug->missed);
	/* What is reported may have the lock. */
	if (!spin_trylock_irqsave(&debug->lock, irq))
		return;
	list_for_each_entry(block, &debug->blocks, node) {
		if (!n--)
			break;
		pr_info("  block %p of %zu bytes, %u ms old, from %pS\n", block->p,
			block->size, ms_since(block->taken_at), (void *)block->taken[0]);
	}
	spin_unlock_irqrestore(&debug->lock, irq);
}

/*
 * Faults. The kernel reports them, and asks others what they know.
 */

/* Tells about the guarded block that an address belongs to, if there is one. */
bool wsheap_debug_explain(const void *p)
{
	const struct debug_block *block;
	const char *what, *why;
	unsigned long irq;

	/* A fault may come from anywhere. */
	if (!spin_trylock_irqsave(&page_heap_lock, irq))
		return false;
	block = block_entry(rb_find(p, &guarded, compare_memory), by_memory);
	if (block && block->class) {
		what = "read or written past its end";
		why = "goes past the end of the block";
		if (block->ended) {
			what = "used after its end";
			why = "has kept a pointer after the end of its message";
		} else if ((char *)p < block->p) {
			what = "read or written before its beginning";
			why = "goes before the beginning of the block";
		}
		pr_err("heap %s of %s: fault at byte %td of a block of %zu bytes, %u ms old: %s\n",
		       block->class->name, block->class->module, (char *)p - block->p,
		       block->size, ms_since(block->taken_at), what);
		pr_err("what to do: look at the function that faulted, which %s\n", why);
		if (block->ended)
			pr_err("its end was called from %pS %u ms ago\n",
			       (void *)block->ended, ms_since(block->ended_at));
		pr_err("it was allocated at\n");
		print_taken(block);
	}
	spin_unlock_irqrestore(&page_heap_lock, irq);
	return block && block->class;
}

static int debug_die(struct notifier_block *self, unsigned long event, void *data)
{
	const struct die_args *args = data;

	/* So it says of a fault. What else may be wrong has no address. */
	if (event == DIE_OOPS && !strcmp(args->str, "Oops"))
		wsheap_debug_explain((void *)wsheap_fault_address(args->regs));
	return NOTIFY_DONE;
}

static struct notifier_block die_notifier = {
	.notifier_call = debug_die,
};

int __init wsheap_debug_init(void)
{
	wsheap_debug_update();
	return register_die_notifier(&die_notifier);
}

void wsheap_debug_module_exit(void)
{
	struct debug_block *block, *next;

	unregister_die_notifier(&die_notifier);
	stock_wanted = 0;
	wsheap_debug_flush();
	list_for_each_entry_safe(block, next, &stock, node) {
		vunmap(block->mem);
		block_free(block);
	}
	list_for_each_entry_safe(block, next, &remembered, node)
		block_free(block);
}
