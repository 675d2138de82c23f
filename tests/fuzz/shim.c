// SPDX-License-Identifier: GPL-2.0
/*
 * Memory, locks and work for shim.h.
 *
 * Memory comes from two arenas, one for kmalloc and one for vmap(). An arena is
 * a range of addresses that is the same in each run, so that an input always
 * does the same. Each area in it has pages of its own and a page behind it that
 * is never accessible; nor is what the area itself does not use of its pages.
 * An area that went back keeps its bytes, and the next one in its place begins
 * with them: old headers are what an allocator is most likely to be fooled by.
 *
 * Access is a matter of AddressSanitizer, or of mprotect() in a build without.
 */

#include <stdio.h>
#include <sys/mman.h>

#include "internal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(SHIM_ASAN)
#include <sanitizer/asan_interface.h>
#define SHIM_POISONS	1
#endif

/* Twice as many as the system gives out, and more, for what lies between. */
#define ARENA_PAGES	32768U
#define GARBAGE		0xa5

/* A used page, by the first one of its area. */
struct area {
	char *mem;
	size_t size;
	u32 pages;		/* without the one behind it */
	u32 id;			/* differs for each area of a run */
	unsigned int tag;
};

struct arena {
	char *base;
	u32 next;		/* the page behind the newest area */
	u32 first[ARENA_PAGES];	/* of the area that has this page, or 0 */
	bool dirty[ARENA_PAGES];	/* used since the run began */
	struct area area[ARENA_PAGES];
};

struct page {
	bool zero;
};

static struct arena arenas[2];
static u32 areas_made;
static struct page pages[ARENA_PAGES];
static u32 free_pages[ARENA_PAGES], nr_free_pages;
static struct work_struct *pending;
static struct task_struct first_task;
struct shim shim;

u64 shim_random(void)
{
	/* splitmix64 */
	u64 z = (shim.random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void shim_log(const char *format, ...)
{
	va_list ap;

	shim.reports++;
	if (shim.expect_reports)
		return;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	shim_finding("a report, where nothing is wrong");
}

/*
 * Memory.
 */

static void set_access(void *mem, size_t size, bool access)
{
#ifdef SHIM_POISONS
	if (access)
		__asan_unpoison_memory_region(mem, size);
	else
		__asan_poison_memory_region(mem, size);
#else
	if (mprotect((void *)((unsigned long)mem & PAGE_MASK),
		     PAGE_ALIGN(offset_in_page(mem) + size),
		     access ? PROT_READ | PROT_WRITE : PROT_NONE))
		abort();
#endif
}

/* For those who write to memory in a way that AddressSanitizer does not see. */
void shim_touch(const void *p, size_t size)
{
#ifdef SHIM_POISONS
	void *bad = __asan_region_is_poisoned((void *)p, size);

	if (bad)
		shim_finding("no memory at %p, %zu bytes behind %p", bad,
			     (size_t)((char *)bad - (char *)p), p);
#endif
}

static void arena_init(struct arena *arena, unsigned long base)
{
	size_t size = ARENA_PAGES * PAGE_SIZE;
	int protection = PROT_NONE;

#ifdef SHIM_POISONS
	protection = PROT_READ | PROT_WRITE;
#endif
	arena->base = mmap((void *)base, size, protection,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			   MAP_FIXED_NOREPLACE, -1, 0);
	if (arena->base != (void *)base) {
		perror("mmap");
		abort();
	}
#ifdef SHIM_POISONS
	__asan_poison_memory_region(arena->base, size);
#endif
}

bool is_vmalloc_addr(const void *p)
{
	return (char *)p >= arenas[1].base &&
	       (char *)p < arenas[1].base + ARENA_PAGES * PAGE_SIZE;
}

static struct area *area_find(const void *p)
{
	struct arena *arena = &arenas[is_vmalloc_addr(p)];
	size_t offset = (char *)p - arena->base;
	u32 first;

	if (offset >= ARENA_PAGES * PAGE_SIZE)
		return NULL;
	first = arena->first[offset >> PAGE_SHIFT];
	return first ? &arena->area[first] : NULL;
}

/*
 * Returns an id of the area that has all these bytes, or 0. No other area has
 * had that id, not even one in the same place.
 */
u32 shim_find(const void *p, size_t size, unsigned int tag)
{
	const struct area *area = area_find(p);

	if (!area || area->tag != tag || (char *)p < area->mem ||
	    (char *)p > area->mem + area->size ||
	    size > (size_t)(area->mem + area->size - (char *)p))
		return 0;
	return area->id;
}

/* Any of the areas with a tag, or NULL. */
void *shim_memory(unsigned int tag, u32 random, size_t *size)
{
	u32 i, n, nth = 0;

	for (;;) {
		n = 0;
		for (i = 0; i < 2 * ARENA_PAGES; i++) {
			struct arena *arena = &arenas[i & 1];
			u32 page = i / 2;

			if (!page || arena->first[page] != page ||
			    arena->area[page].tag != tag)
				continue;
			if (++n == nth) {
				*size = arena->area[page].size;
				return arena->area[page].mem;
			}
		}
		if (!n || nth)
			return NULL;
		nth = 1 + random % n;
	}
}

/* Looks for free pages: from where the arena begins, or from the last area. */
static u32 arena_search(const struct arena *arena, u32 from, u32 nr, u32 align)
{
	u32 page = ALIGN(from, align), i = 0;

	while (page + nr < ARENA_PAGES) {
		u32 used = arena->first[page + i];

		if (used) {
			page = ALIGN(used + arena->area[used].pages + 1, align);
			i = 0;
		} else if (i++ == nr) {
			return page;
		}
	}
	return 0;
}

/* The pages of the system are counted as what they hold: see vmap(). */
static bool system_refuses(size_t size)
{
	size_t held = 0;
	unsigned int i;

	if (shim.nobody)
		goto refuse;
	if (shim.fail_after) {
		shim.fail_after--;
	} else if (shim.fail) {
		shim.fail--;
		goto refuse;
	}
	for (i = 0; i < ARRAY_SIZE(shim.held); i++)
		held += shim.held[i];
	held += (ARENA_PAGES - nr_free_pages) * PAGE_SIZE;
	if (held + size <= shim.limit)
		return false;
refuse:
	shim.refused++;
	return true;
}

static void *area_make(struct arena *arena, size_t size, size_t align,
		       bool zero)
{
	u32 nr = PAGE_ALIGN(size) >> PAGE_SHIFT, page = 0, i;
	u32 align_pages = max_t(size_t, align >> PAGE_SHIFT, 1);
	struct area *area;
	char *mem;

	if (shim.rotate)
		page = arena_search(arena, arena->next, nr, align_pages);
	if (!page)
		page = arena_search(arena, 1, nr, align_pages);
	if (!page) {
		shim.refused++;
		return NULL;
	}
	area = &arena->area[page];
	mem = arena->base + page * PAGE_SIZE;
	/* What is no whole page may be anywhere in it. */
	if (size < PAGE_SIZE)
		mem += areas_made % ((PAGE_SIZE - size) / align + 1) * align;
	area->mem = mem;
	area->size = size;
	area->pages = nr;
	area->id = ++areas_made;
	area->tag = shim.tag;
	arena->next = page + nr + 1;
	for (i = page; i <= page + nr; i++)
		arena->first[i] = page;
	shim.held[area->tag] += size;

	for (i = page; i < page + nr; i++) {
		void *start = arena->base + i * PAGE_SIZE;

		if (arena->dirty[i])
			continue;
		arena->dirty[i] = true;
		set_access(start, PAGE_SIZE, true);
		memset(start, shim.init_on_free ? 0 : GARBAGE, PAGE_SIZE);
		set_access(start, PAGE_SIZE, false);
	}
	set_access(mem, size, true);
	if (zero)
		memset(mem, 0, size);
	return mem;
}

static void area_drop(const void *p, bool mapped)
{
	struct arena *arena = &arenas[mapped];
	struct area *area = area_find(p);
	u32 page, i;

	if (!area || area->mem != p || is_vmalloc_addr(p) != mapped)
		shim_finding("%p goes back, but never came", p);
	if (shim.init_on_free)
		memset(area->mem, 0, area->size);
	set_access(area->mem, area->size, false);
	shim.held[area->tag] -= area->size;
	page = area - arena->area;
	for (i = page; i <= page + area->pages; i++)
		arena->first[i] = 0;
}

size_t kmalloc_size_roundup(size_t size)
{
	if (!size)
		return 0;
	if (size <= 8)
		return 8;
	if (size > 64 && size <= 96)
		return 96;
	if (size > 128 && size <= 192)
		return 192;
	return size > KMALLOC_MAX_SIZE ? size : roundup_pow_of_two(size);
}

void *kmalloc(size_t size, gfp_t gfp)
{
	might_alloc(gfp);
	size = kmalloc_size_roundup(size);
	if (!size)
		return ZERO_SIZE_PTR;
	if (size > KMALLOC_MAX_SIZE) {
		if (!(gfp & __GFP_NOWARN))
			shim_finding("a size that is warned of: %zu", size);
		return NULL;
	}
	if (system_refuses(size))
		return NULL;
	return area_make(&arenas[0], size, is_power_of_2(size) ? size : 8,
			 gfp & __GFP_ZERO);
}

void kfree(const void *p)
{
	if (p && p != ZERO_SIZE_PTR)
		area_drop(p, false);
}

/* What the system needs for itself is not counted. */
void *kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	unsigned int tag = shim.tag;
	void *p;

	shim.tag = 0;
	p = kmalloc(size_mul(n, size), gfp);
	shim.tag = tag;
	return p;
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	struct page *page;

	might_alloc(gfp);
	if (order)
		shim_finding("more than a page at a time");
	if (system_refuses(PAGE_SIZE) || !nr_free_pages)
		return NULL;
	page = &pages[free_pages[--nr_free_pages]];
	page->zero = gfp & __GFP_ZERO;
	return page;
}

void __free_page(struct page *page)
{
	free_pages[nr_free_pages++] = page - pages;
}

/* From here on the pages are counted as an area. */
void *vmap(struct page **array, unsigned int nr, unsigned long flags, int prot)
{
	void *mem;

	might_sleep();
	if (system_refuses(0))
		return NULL;
	mem = area_make(&arenas[1], nr * PAGE_SIZE, PAGE_SIZE, array[0]->zero);
	if (!mem)
		return NULL;
	while (nr--)
		__free_page(array[nr]);
	kvfree(array);
	return mem;
}

void vfree(const void *p)
{
	might_sleep();
	if (p)
		area_drop(p, true);
}

void *memchr_inv(const void *p, int c, size_t size)
{
	const u8 *bytes = p;

	if (!size || (bytes[0] == (u8)c && !memcmp(bytes, bytes + 1, size - 1)))
		return NULL;
	while (*bytes == (u8)c)
		bytes++;
	return (void *)bytes;
}

/*
 * Locks and work.
 */

void spin_lock(spinlock_t *lock)
{
	if (lock->held)
		shim_finding("a deadlock");
	lock->held = true;
	shim.locks++;
}

bool spin_trylock(spinlock_t *lock)
{
	if (lock->held || (shim.contend && !(shim_random() & 15)))
		return false;
	spin_lock(lock);
	return true;
}

void spin_unlock(spinlock_t *lock)
{
	if (!lock->held)
		shim_finding("a lock released that is not held");
	lock->held = false;
	if (--shim.locks)
		return;
	if (!shim.lazy)
		shim_run_work();
	if (shim.unlocked)
		shim.unlocked();
}

bool shim_work_is_pending(void)
{
	return pending;
}

bool shim_run_work(void)
{
	struct work_struct *work = pending;

	pending = NULL;
	if (work)
		work->func(work);
	return work;
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued = !pending;

	if (pending && pending != work)
		shim_finding("there is only one kind of work");
	pending = work;
	if (!shim.lazy && !shim.locks)
		shim_run_work();
	return queued;
}

bool flush_work(struct work_struct *work)
{
	might_sleep();
	return shim_run_work();
}

/*
 * What looks into heaps. No heap is in a mode, and one class has all of them.
 */

static struct wsheap_counts counts;
static struct wsheap_class class = { .counts = &counts, .name = "fuzz", .module = "fuzz" };

bool wsheap_debug, wsheap_debug_new, wsheap_tracing;

struct wsheap_class *wsheap_class_get(struct wsheap_creator *creator, const char *name,
				      bool pool)
{
	return &class;
}

void wsheap_class_add_messages(const struct wsheap *heap)
{
}

void wsheap_class_note_peak(size_t *peak, size_t size)
{
	*peak = max(*peak, size);
}

void wsheap_class_count_refusal(struct wsheap_class *class, int code, bool group)
{
}

const char *wsheap_name(const struct wsheap *heap)
{
	return heap->class->name;
}

#define NO_MODE { shim_finding("a heap is in a mode"); }

void wsheap_debug_update(void)
{
}

void wsheap_debug_dump(const struct wsheap *heap)
{
}

void wsheap_debug_setup(struct wsheap *heap, bool asked, gfp_t gfp)
NO_MODE

void wsheap_debug_limit(struct wsheap *heap)
NO_MODE

void *wsheap_debug_take(struct wsheap *heap, void *place, size_t size, size_t align,
			gfp_t gfp, unsigned long caller)
NO_MODE

enum wsheap_mistake wsheap_debug_find(const struct wsheap *heap, const void *p,
				      void **place)
NO_MODE

bool wsheap_debug_has(const struct wsheap *heap, const void *p)
NO_MODE

void *wsheap_debug_place(const struct wsheap *heap, const void *p)
NO_MODE

void *wsheap_debug_address(const struct wsheap *heap, const void *place)
NO_MODE

void *wsheap_debug_resize(struct wsheap *heap, void *place, void *p, size_t old,
			  size_t size, gfp_t gfp, unsigned long caller)
NO_MODE

void wsheap_debug_end(struct wsheap *heap, const void *p, unsigned long caller)
NO_MODE

void wsheap_debug_end_all(struct wsheap *heap, unsigned long caller)
NO_MODE

u32 wsheap_debug_mark(struct wsheap *heap)
NO_MODE

void wsheap_debug_rollback(struct wsheap *heap, u32 serial, unsigned long caller)
NO_MODE

bool wsheap_debug_has_ended(const struct wsheap *heap, const void *p)
NO_MODE

bool wsheap_debug_exit(struct wsheap *heap, size_t size, unsigned long caller)
NO_MODE

void wsheap_debug_refused(struct wsheap *heap, unsigned long caller)
NO_MODE

/*
 * A run.
 */

void shim_begin(u64 seed)
{
	unsigned int i;

	if (!arenas[0].base) {
		arena_init(&arenas[0], 0x200000000000);
		arena_init(&arenas[1], 0x300000000000);
		for (i = 0; i < ARENA_PAGES; i++)
			free_pages[nr_free_pages++] = i;
	}
	memset(&shim, 0, sizeof(shim));
	class.reported = 0;
	shim.random = seed;
	shim.task = &first_task;
	areas_made = 0;
	for (i = 0; i < ARRAY_SIZE(arenas); i++) {
		arenas[i].next = 1;
		memset(arenas[i].dirty, 0, sizeof(arenas[i].dirty));
	}
}

void shim_end(void)
{
	unsigned int i;

	if (shim.locks)
		shim_finding("a lock is still held");
	if (pending)
		shim_finding("work is still to be done");
	for (i = 0; i < ARRAY_SIZE(shim.held); i++)
		if (shim.held[i])
			shim_finding("a leak of %zu bytes", shim.held[i]);
	if (nr_free_pages != ARENA_PAGES)
		shim_finding("a leak of %u pages", ARENA_PAGES - nr_free_pages);
}
