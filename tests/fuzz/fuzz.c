// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzzer for private heaps.
 *
 * An input is a header of HEADER bytes, which chooses the heap and the system
 * under it, and operations of OPERATION bytes each. The heap is compared with a
 * model, which knows the address, the size and the contents of each block.
 *
 * What must hold depends on what the input has done so far (enum conduct):
 *
 *  - A good driver finds everything as the interface promises, and nothing is
 *    reported.
 *  - A sloppy driver writes into blocks that it has freed, frees them again,
 *    and passes pointers to no block. Its live blocks keep their contents, and
 *    no memory is handed out twice. The heap may refuse to free or resize a
 *    block that has damage beside it.
 *  - A wild driver also writes over the headers of free and live blocks. The
 *    heap may be wrong about all its blocks. Still, what it hands out lies in
 *    memory that it holds, it touches no other memory, each call returns, and
 *    wsheap_destroy() gives everything back.
 *
 * The build for libFuzzer gives fuzz_one_input() and fuzz_initialize() the
 * names that libFuzzer calls, and leaves out main().
 */

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "private.h"

#define HEADER		8
#define OPERATION	5
#define SLOTS		2048
/* In a heap that may grow, blocks up to this size share regions. */
#define LARGEST_SHARED	(SZ_32K - 64)
/* What a heap may need besides the block itself to grow by a region for it. */
#define GROWTH_OVERHEAD	512
/* The walk does not account for this many bytes at the end of a region. */
#define REGION_ROUNDING	16

enum tag { TAG_SYSTEM, TAG_HEAP, TAG_OTHER };

enum conduct { GOOD, SLOPPY, WILD };

static const char * const conduct_names[] = { "good", "sloppy", "wild" };

enum kind {
	KIND_PLACE,		/* allocates an empty slot, frees any other */
	KIND_ALLOC,
	KIND_ALLOC_ALIGNED,
	KIND_FREE,
	KIND_REALLOC,
	KIND_RESIZE,
	KIND_ALLOC_MANY,
	KIND_FREE_MANY,
	KIND_CHECK,
	KIND_WALK,		/* a step of a walk that lasts */
	KIND_FAIL,
	KIND_LOCK,
	KIND_WHOLE,		/* rare, as it looks at everything */
	KIND_WRITE,
	KIND_MISUSE,
};

/* How many of 64 operations. */
static const struct {
	enum kind kind;
	unsigned int weight;
} mix[] = {
	{ KIND_PLACE, 23 }, { KIND_ALLOC, 6 }, { KIND_ALLOC_ALIGNED, 3 },
	{ KIND_FREE, 6 }, { KIND_REALLOC, 8 }, { KIND_RESIZE, 5 },
	{ KIND_ALLOC_MANY, 2 }, { KIND_FREE_MANY, 2 }, { KIND_CHECK, 1 },
	{ KIND_WALK, 1 }, { KIND_FAIL, 1 }, { KIND_LOCK, 1 },
	{ KIND_WHOLE, 1 }, { KIND_WRITE, 3 }, { KIND_MISUSE, 1 },
};

static const char * const kind_names[] = {
	[KIND_PLACE] = "place", [KIND_ALLOC] = "alloc",
	[KIND_ALLOC_ALIGNED] = "alloc aligned", [KIND_FREE] = "free",
	[KIND_REALLOC] = "realloc", [KIND_RESIZE] = "resize",
	[KIND_ALLOC_MANY] = "alloc many", [KIND_FREE_MANY] = "free many",
	[KIND_CHECK] = "check", [KIND_WALK] = "walk", [KIND_FAIL] = "fail",
	[KIND_LOCK] = "lock", [KIND_WHOLE] = "whole", [KIND_WRITE] = "write",
	[KIND_MISUSE] = "misuse",
};

struct operation {
	enum kind kind;
	bool atomic, zero;
	unsigned int slot;
	u32 value;		/* 16 bits */
};

/**
 * struct slot - a block, and what is known of one that was freed
 * @p: the block, or NULL.
 * @size: its size.
 * @tag: what its contents are made of.
 * @header: bytes of the header before it.
 * @area: the memory that it is in, as shim_find() has it.
 * @busy: an operation on it is under way.
 * @old: the last block that was freed or moved, or NULL.
 * @old_size: its size.
 * @old_area: the memory that it was in.
 */
struct slot {
	u8 *p;
	size_t size;
	u64 tag;
	unsigned int header;
	u32 area;
	bool busy;
	u8 *old;
	size_t old_size;
	u32 old_area;
};

/* Blocks of other heaps. */
struct foreign {
	struct wsheap *heap;
	u8 *p[8];
	size_t size[8];
};

static struct {
	struct wsheap *heap;
	struct foreign private, message;
	struct slot slots[SLOTS];
	size_t live;		/* bytes asked for by blocks */
	size_t most;		/* what the heap may hold */
	size_t object;		/* bytes of the heap object */
	unsigned int slot_mask;	/* one less than the slots of this run */
	unsigned int locked;	/* depth of wsheap_lock() */
	bool compacting;	/* others may reset the heap */
	bool fixed, debug, serialized, raises, compacts;
	enum conduct conduct, allowed;
	bool nested;		/* another CPU is at it */
	unsigned long interferences;
	unsigned long raised;
	struct wsheap_error failure;
	struct wsheap_walk_entry walk;
	u64 tags;
	const u8 *next, *end;
} m;

/* A bit for each 8 bytes of the arenas that belong to a live block. */
#define BITS_BASE(p)	((unsigned long)(p) & ~(SZ_128M - 1UL))
static u64 live_bits[2][SZ_128M / 8 / 64];

enum mode { ANY, GROWABLE, FIXED, DEBUG, ATTACK };

static enum mode mode;
static const char * const mode_names[] = {
	"any", "growable", "fixed", "debug", "attack"
};

static bool trace;
static unsigned long long operations;
static struct task_struct other_cpu;

#define FINDING_IF(condition, ...) do {		\
	if (unlikely(condition))		\
		shim_finding(__VA_ARGS__);	\
} while (0)

/* A condition that does not matter once the driver is wild. */
#define TAMED(condition)	((condition) && m.conduct != WILD)

static size_t property(enum wsheap_property_id id)
{
	size_t value = 0;

	FINDING_IF(wsheap_get_property(m.heap, id, &value, sizeof(value)),
		   "id %d is not known", id);
	return value;
}

/*
 * The model.
 */

static bool bits_are_set(const void *p, size_t size)
{
	u64 *bits = live_bits[is_vmalloc_addr(p)];
	size_t bit = ((unsigned long)p - BITS_BASE(p)) / 8;
	size_t end = bit + DIV_ROUND_UP(size, 8);

	for (; bit < end; bit++) {
		if (!(bit & 63) && end - bit >= 64) {
			if (bits[bit / 64])
				return true;
			bit += 63;
		} else if (bits[bit / 64] >> (bit & 63) & 1) {
			return true;
		}
	}
	return false;
}

static void bits_set(const void *p, size_t size, bool value)
{
	u64 *bits = live_bits[is_vmalloc_addr(p)];
	size_t bit = ((unsigned long)p - BITS_BASE(p)) / 8;
	size_t end = bit + DIV_ROUND_UP(size, 8);

	for (; bit < end; bit++) {
		if (!(bit & 63) && end - bit >= 64) {
			bits[bit / 64] = value ? ~0ULL : 0;
			bit += 63;
		} else if (value) {
			bits[bit / 64] |= 1ULL << (bit & 63);
		} else {
			bits[bit / 64] &= ~(1ULL << (bit & 63));
		}
	}
}

/* Marks a live block with its header, and an empty one by its address. */
static void slot_mark(const struct slot *slot, bool value)
{
	bits_set(slot->p - slot->header,
		 max_t(size_t, slot->size, 1) + slot->header, value);
}

/* Only the ends of a long block are filled, and some words between them. */
#define FILL_ENDS	(SZ_2K / 8)
#define FILL_STEP	(SZ_512 / 8)

static size_t fill_next(size_t word, size_t words)
{
	if (word + 1 < FILL_ENDS || word + 1 + FILL_ENDS > words)
		return word + 1;
	return min(word + FILL_STEP, words - FILL_ENDS);
}

static u64 fill_word(const struct slot *slot, size_t word)
{
	return (slot->tag + word) * 0x9e3779b97f4a7c15;
}

static void slot_fill(struct slot *slot)
{
	size_t words = slot->size / 8, word;
	u64 value;

	slot->tag = ++m.tags << 24;
	shim_touch(slot->p, slot->size);
	for (word = 0; word < words; word = fill_next(word, words))
		((u64 *)slot->p)[word] = fill_word(slot, word);
	value = fill_word(slot, words);
	memcpy(slot->p + words * 8, &value, slot->size % 8);
}

/* Checks the contents of a block, of which @size bytes are left at @p. */
static void slot_check(const struct slot *slot, const u8 *p, size_t size)
{
	size_t words = slot->size / 8, word;
	u64 value;

	if (m.conduct == WILD)
		return;
	shim_touch(p, size);
	for (word = 0; word < size / 8; word = fill_next(word, words))
		FINDING_IF(((u64 *)p)[word] != fill_word(slot, word),
			   "a block at %p has changed at byte %zu of %zu", p,
			   word * 8, size);
	if (size % 8 && (word == words || word < FILL_ENDS)) {
		value = fill_word(slot, word);
		FINDING_IF(memcmp(p + word * 8, &value, size % 8),
			   "a block at %p has changed at its end", p);
	}
}

static bool is_clear(const u8 *p, size_t size)
{
	u64 bits = 0;
	size_t i;

	shim_touch(p, size);
	for (i = 0; i < size / 8; i++)
		bits |= ((u64 *)p)[i];
	for (i = size & ~7UL; i < size; i++)
		bits |= p[i];
	return !bits;
}

/* The figures are exact while no other CPU has a call under way. */
static void check_figures(void)
{
	size_t actual, held;

	if (m.nested)
		return;
	actual = property(WSHEAP_PROPERTY_ACTUAL_SIZE);
	held = shim.held[TAG_HEAP] - m.object;
	FINDING_IF(actual > m.most, "%zu bytes held, and %zu are the most",
		   actual, m.most);
	/* What waits for the worker does not count any more. */
	FINDING_IF(shim_work_is_pending() ? actual > held : actual != held,
		   "ACTUAL_SIZE is %zu, but %zu bytes are held", actual, held);
	actual = property(WSHEAP_PROPERTY_REQUESTED_SIZE);
	FINDING_IF(m.conduct == GOOD ? actual != m.live :
		   TAMED(actual < m.live),
		   "REQUESTED_SIZE is %zu, but blocks have asked for %zu",
		   actual, m.live);
}

static bool slot_overlaps(const struct slot *slot)
{
	return bits_are_set(slot->p, max_t(size_t, slot->size, 1));
}

/* While a block is moved or resized, another CPU may get what it gives up. */
static void slot_offer(const struct slot *slot)
{
	slot_mark(slot, false);
}

static void slot_keep(const struct slot *slot)
{
	FINDING_IF(TAMED(slot_overlaps(slot)),
		   "a block of %zu bytes at %p overlaps another", slot->size,
		   slot->p);
	slot_mark(slot, true);
}

static void slot_forget(struct slot *slot)
{
	slot_mark(slot, false);
	m.live -= slot->size;
	slot->old = slot->p;
	slot->old_size = slot->size;
	slot->old_area = slot->area;
	slot->p = NULL;
	slot->size = 0;
}

/* The heap says that a block is at @p now. */
static void slot_take(struct slot *slot, u8 *p, size_t size, size_t align)
{
	u32 area = shim_find(p, size, TAG_HEAP);

	FINDING_IF(!area, "%zu bytes at %p are not in the heap's memory", size,
		   p);
	FINDING_IF(!IS_ALIGNED((unsigned long)p, max_t(size_t, align, 16)),
		   "a block at %p is not aligned to %zu", p, align);
	m.live += size - slot->size;
	if (slot->p && slot->p != p) {
		slot->old = slot->p;
		slot->old_size = slot->size;
		slot->old_area = slot->area;
	}
	slot->p = p;
	slot->size = size;
	slot->area = area;
	/* A block that begins its memory has none there. */
	slot->header = shim_find(p - 8, 8, TAG_HEAP) == area ? 8 : 0;
	slot_keep(slot);
}

/* A wild driver's block may have gone with its memory. */
static bool slot_is_held(struct slot *slot)
{
	if (m.conduct == WILD && slot->p &&
	    shim_find(slot->p, slot->size, TAG_HEAP) != slot->area)
		slot_forget(slot);
	return slot->p;
}

/*
 * What the heap refuses.
 */

static void on_failure(struct wsheap *heap, const struct wsheap_error *err,
		       void *data)
{
	m.failure = *err;
	m.raised++;
}

/*
 * The smallest of all tiles wait for a neighbour in a growing heap, and are not
 * given out.
 */
static bool waits(const struct wsheap_walk_entry *entry)
{
	return !m.fixed && entry->size + entry->overhead == 16;
}

/* Walks over the heap, and tells whether a free part could have the block. */
static bool could_hold(size_t size, size_t align)
{
	struct wsheap_walk_entry entry = {};
	size_t pad;

	while (!wsheap_walk(m.heap, &entry)) {
		if (entry.kind != WSHEAP_WALK_FREE)
			continue;
		if (waits(&entry))
			continue;
		/* The smallest of all tiles are not searched for an alignment. */
		if (align > 16 && entry.size + entry.overhead == 16)
			continue;
		pad = PTR_ALIGN(entry.address, align) - entry.address;
		if (entry.size >= pad && entry.size - pad >= size)
			return true;
	}
	return false;
}

struct refusal {
	size_t size, align;
	unsigned long refused, interferences, raised;
	bool may_wait;
};

static void refusal_begin(struct refusal *refusal, size_t size, size_t align,
			  gfp_t gfp)
{
	*refusal = (struct refusal) {
		.size = size,
		.align = align,
		.refused = shim.refused,
		.interferences = m.interferences,
		.raised = m.raised,
		.may_wait = gfpflags_allow_blocking(gfp),
	};
}

/* What is wrong with a request whatever the heap holds, or 0. */
static int request_error(size_t size, size_t align)
{
	if (!is_power_of_2(align) || align > PAGE_SIZE)
		return -EINVAL;
	if (size > INT_MAX)
		return -EOVERFLOW;
	if (m.fixed && size > WSHEAP_FIXED_BLOCK_MAX)
		return -E2BIG;
	return 0;
}

/*
 * Checks that a refusal is justified. @code is 0 if the error is not known.
 *
 *  - A request that is wrong by itself has the error for that.
 *  - -ENOMEM takes an allocation that failed during the call, a size that the
 *    system does not have, or a caller that may not wait.
 *  - -EDQUOT is for fixed heaps only. If the heap grew by the block, its
 *    alignment and GROWTH_OVERHEAD, in whole pages, it would exceed its
 *    maximum.
 *  - In either case no free part that the walk shows has room for the block,
 *    aligned as asked. In a growable heap this goes for blocks that share
 *    regions. It takes long, so it is checked only with @look.
 */
static void check_refusal(const struct refusal *refusal, int code, bool look)
{
	size_t size = refusal->size, align = max_t(size_t, refusal->align, 16);
	bool failed = refusal->refused != shim.refused ||
		      size_add(size, GROWTH_OVERHEAD) > shim.limit;
	int error = request_error(size, refusal->align);

	FINDING_IF(m.raises && !m.nested &&
		   refusal->interferences == m.interferences &&
		   m.raised != refusal->raised + 1,
		   "a failure was raised %lu times",
		   m.raised - refusal->raised);
	FINDING_IF(code && error && code != error, "error %d instead of %d",
		   code, error);
	if (error)
		return;
	if (code)
		FINDING_IF(code != -ENOMEM && (!m.fixed || code != -EDQUOT),
			   "error %d", code);
	/* Others may have freed memory since. What is damaged stays free. */
	if (m.nested || refusal->interferences != m.interferences ||
	    m.conduct != GOOD)
		return;
	FINDING_IF(code == -ENOMEM && !failed && refusal->may_wait,
		   "%zu bytes refused, though the system had memory", size);
	FINDING_IF(code == -EDQUOT && !failed &&
		   PAGE_ALIGN(size + align + GROWTH_OVERHEAD) <=
		   m.most - property(WSHEAP_PROPERTY_ACTUAL_SIZE),
		   "%zu bytes refused, though the heap may grow", size);
	if (!look || (!m.fixed && size + align > LARGEST_SHARED))
		return;
	m.nested = true;
	FINDING_IF(could_hold(size, align),
		   "%zu bytes aligned to %zu refused, though they are free",
		   size, align);
	m.nested = false;
}

/*
 * Operations.
 */

static size_t decode_size(u32 value)
{
	static const size_t edges[] = {
		0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 40, 56, 751, 752, 753,
		759, 760, 761, 768, 776, 1000, 4072, 4080, 4088, 4096, 8192,
	};
	static const size_t huge[] = {
		SZ_64K, SZ_128K, SZ_256K, SZ_512K, SZ_512K + 1, SZ_1M - SZ_4K,
		SZ_1M - SZ_4K + 1, SZ_1M, SZ_1M + 1, SZ_2M, SZ_4M, INT_MAX,
		INT_MAX + 1UL, SIZE_MAX / 2, SIZE_MAX - 23, SIZE_MAX,
	};
	u32 x = value & 0xfff;

	switch (value >> 12) {
	case 5:
	case 6:
		return x % 1024;
	case 7:
		return edges[x % ARRAY_SIZE(edges)];
	case 8:
		return 736 + x % 64;
	case 9:
		return x * 2;
	case 10:
		return x % 16 ? x % 300 : x * 16;
	case 11:
		return x % 16 ? x % 64 : SZ_32K - 64 + (x >> 5);
	case 12:
		if (x % 8)
			return x % 256;
		return SZ_4K * (1 + (x >> 3) % 4) - 64 + (x >> 5);
	case 13:
		return x % 32;
	case 14:
		return 24;
	case 15:
		return x % 64 ? x % 512 : huge[(x >> 6) % ARRAY_SIZE(huge)];
	default:
		return x % 128;
	}
}

static gfp_t decode_gfp(const struct operation *op)
{
	gfp_t gfp = op->atomic || m.locked ? GFP_ATOMIC : GFP_KERNEL;

	return op->zero ? gfp | __GFP_ZERO : gfp;
}

static bool operation_next(struct operation *op)
{
	static u8 kinds[64];
	unsigned int i, n = 0, weight;
	const u8 *bytes = m.next;

	if (!kinds[63]) {
		for (i = 0; i < ARRAY_SIZE(mix); i++)
			for (weight = mix[i].weight; weight; weight--)
				kinds[n++] = mix[i].kind;
		FINDING_IF(n != ARRAY_SIZE(kinds), "the mix has %u kinds", n);
	}
	if (m.end - bytes < OPERATION)
		return false;
	m.next += OPERATION;
	op->kind = kinds[bytes[0] & 63];
	op->atomic = bytes[0] & 64;
	op->zero = bytes[0] & 128;
	op->slot = (bytes[1] | bytes[2] << 8) & m.slot_mask;
	op->value = bytes[3] | bytes[4] << 8;
	if (m.allowed == GOOD &&
	    (op->kind == KIND_WRITE || op->kind == KIND_MISUSE))
		op->kind = KIND_PLACE;
	return true;
}

/* Fresh bytes of a block, after what the caller had in it. */
static void check_fresh(const u8 *p, size_t from, size_t to, gfp_t gfp)
{
	if (from < to && (gfp & __GFP_ZERO || shim.init_on_alloc))
		FINDING_IF(!is_clear(p + from, to - from),
			   "a block at %p is not clear", p);
}

/* With @fresh, by wsheap_realloc(). */
static bool do_alloc(struct slot *slot, size_t size, size_t align, bool fresh,
		     gfp_t gfp)
{
	struct wsheap_error err = {};
	struct refusal refusal;
	size_t live = m.live;
	u8 *p;

	operations++;
	refusal_begin(&refusal, size, align ?: 8, gfp);
	if (fresh)
		p = wsheap_realloc(m.heap, NULL, size, gfp);
	else if (align)
		p = __wsheap_alloc(m.heap, size, align, gfp, &err);
	else
		p = wsheap_alloc_err(m.heap, size, gfp, &err);
	if (!p) {
		check_refusal(&refusal, err.code, size & 1);
		check_figures();
		if (fresh)
			return false;
		FINDING_IF(err.asked != size, "%zu bytes asked for, not %zu",
			   size, err.asked);
		FINDING_IF(err.limit != property(WSHEAP_PROPERTY_MAX_SIZE),
			   "%zu is not the limit", err.limit);
		FINDING_IF(m.conduct == GOOD && !m.nested &&
			   err.in_use != live &&
			   refusal.interferences == m.interferences,
			   "%zu bytes in use, not %zu", live, err.in_use);
		return false;
	}
	FINDING_IF(request_error(size, refusal.align),
		   "%zu bytes with alignment %zu were granted", size, align);
	slot_take(slot, p, size, align);
	check_fresh(p, 0, size, gfp);
	/* The debug mode and a sloppy driver write to free memory. */
	FINDING_IF(shim.init_on_free && !m.debug && m.conduct == GOOD &&
		   !is_clear(p, size), "a block at %p shows what was freed", p);
	slot_fill(slot);
	check_figures();
	return true;
}

static void do_free(struct slot *slot)
{
	u8 *p = slot->p;

	operations++;
	slot_check(slot, p, slot->size);
	slot_forget(slot);
	wsheap_free(m.heap, p);
	check_figures();
}

static void do_realloc(struct slot *slot, size_t size, gfp_t gfp, bool look)
{
	struct slot before = *slot;
	size_t both = min(slot->size, size);
	struct refusal refusal;
	u8 *p;

	operations++;
	if (!slot_is_held(slot))
		return;
	slot_check(slot, slot->p, slot->size);
	refusal_begin(&refusal, size, 16, gfp);
	slot_offer(slot);
	p = wsheap_realloc(m.heap, slot->p, size, gfp);
	if (!p) {
		slot_keep(slot);
		if (m.conduct == GOOD) {
			FINDING_IF(size <= slot->size,
				   "%zu bytes did not become %zu", slot->size,
				   size);
			check_refusal(&refusal, 0, look);
		}
		slot_check(slot, slot->p, slot->size);
		check_figures();
		return;
	}
	slot_take(slot, p, size, 16);
	slot_check(&before, p, both);
	if (TAMED(true))
		check_fresh(p, before.size, size, gfp);
	slot_fill(slot);
	check_figures();
}

static void do_resize(struct slot *slot, size_t size, gfp_t gfp)
{
	struct slot before = *slot;
	unsigned long raised = m.raised;
	u8 *p = slot->p;

	operations++;
	if (!slot_is_held(slot))
		return;
	slot_offer(slot);
	if (!wsheap_resize(m.heap, p, size, gfp)) {
		slot_keep(slot);
		FINDING_IF(m.conduct == GOOD && size <= slot->size,
			   "%zu bytes did not become %zu", slot->size, size);
		FINDING_IF(m.raised != raised && !m.nested &&
			   !m.serialized, "an answer was raised");
		slot_check(slot, p, slot->size);
		check_figures();
		return;
	}
	slot_take(slot, p, size, 16);
	slot_check(&before, p, min(size, before.size));
	if (TAMED(true))
		check_fresh(p, before.size, size, gfp);
	slot_fill(slot);
	check_figures();
}

/* Looks at a block in all ways that change nothing. */
static void do_check(struct slot *slot, u32 value)
{
	u8 *p = slot->p ?: slot->old;
	size_t size;

	operations++;
	/* Any address may be passed. */
	if (m.conduct == GOOD && !m.nested && value & 1) {
		p += value;
		FINDING_IF(wsheap_validate(m.heap, p),
			   "%p is no block", p);
		return;
	}
	if (!slot_is_held(slot))
		return;
	slot_check(slot, slot->p, slot->size);
	FINDING_IF(m.conduct == GOOD && !wsheap_validate(m.heap, slot->p),
		   "%p is a block", slot->p);
	size = wsheap_size(m.heap, slot->p);
	FINDING_IF(TAMED(size != slot->size) && (size || m.conduct == GOOD),
		   "%p has %zu bytes, not %zu", slot->p, size, slot->size);
}

static unsigned int slot_hash(const void *p)
{
	return hash_64((unsigned long)p, 12);
}

/*
 * Walks over the whole heap. Each live block shows up once, with its size.
 * Blocks, free parts and overheads add up to the regions, but for what rounding
 * leaves at the end of each.
 */
static void check_walk(void)
{
	struct wsheap_walk_entry entry = {};
	static const struct slot *table[2 * SLOTS];
	unsigned int i, at, busy = 0, blocks = 0, regions = 0, steps = 0;
	size_t inside = 0, bytes = 0;
	char *last = NULL;

	memset(table, 0, sizeof(table));
	for (i = 0; i < SLOTS; i++) {
		if (!m.slots[i].p)
			continue;
		blocks++;
		at = slot_hash(m.slots[i].p);
		while (table[at])
			at = (at + 1) % ARRAY_SIZE(table);
		table[at] = &m.slots[i];
	}
	while (!wsheap_walk(m.heap, &entry)) {
		char *start = entry.address;
		size_t size = entry.size;

		FINDING_IF(steps++ > shim.held[TAG_HEAP] / 8,
			   "a walk without end");
		FINDING_IF(!shim_find(start, entry.kind == WSHEAP_WALK_REGION ||
				      m.conduct != GOOD ? 0 : size, TAG_HEAP),
			   "a walk found %p, which the heap does not hold",
			   start);
		FINDING_IF(m.conduct == GOOD && start < last,
			   "a walk backwards");
		last = start;
		switch (entry.kind) {
		case WSHEAP_WALK_REGION:
			regions++;
			bytes += size;
			inside += entry.overhead;
			break;
		case WSHEAP_WALK_BUSY:
			busy++;
			inside += size + entry.overhead;
			if (m.conduct != GOOD)
				break;
			for (at = slot_hash(start); table[at];
			     at = (at + 1) % ARRAY_SIZE(table))
				if (table[at]->p == (u8 *)start)
					break;
			FINDING_IF(!table[at] || table[at]->size != size,
				   "a walk found a block of %zu bytes at %p",
				   size, start);
			break;
		case WSHEAP_WALK_FREE:
			inside += size + entry.overhead;
			FINDING_IF(m.conduct == GOOD &&
				   bits_are_set(start, size),
				   "a walk found %zu bytes free at %p", size,
				   start);
			break;
		default:
			shim_finding("a walk found kind %d", entry.kind);
		}
	}
	if (m.conduct != GOOD)
		return;
	FINDING_IF(busy != blocks, "a walk found %u blocks of %u", busy,
		   blocks);
	FINDING_IF(bytes != property(WSHEAP_PROPERTY_ACTUAL_SIZE),
		   "a walk found regions of %zu bytes", bytes);
	FINDING_IF(inside > bytes || bytes - inside > regions * REGION_ROUNDING,
		   "a walk found %zu of %zu bytes in %u regions", inside, bytes,
		   regions);
}

/* A block as large as wsheap_compact() says can be had, and no larger one. */
static void check_compact(void)
{
	struct wsheap_walk_entry entry = {};
	unsigned long interferences = m.interferences;
	size_t largest, actual;
	u8 *p;

	operations++;
	m.compacting = !m.nested;
	largest = wsheap_compact(m.heap);
	m.compacting = false;
	check_figures();
	if (m.conduct != GOOD || m.nested || interferences != m.interferences)
		return;
	FINDING_IF(largest > WSHEAP_FIXED_BLOCK_MAX, "%zu bytes in one block",
		   largest);
	m.nested = true;
	while (!wsheap_walk(m.heap, &entry))
		FINDING_IF(entry.kind == WSHEAP_WALK_FREE && !waits(&entry) &&
			   entry.size > largest && entry.size < SZ_16K,
			   "%zu bytes are free, but compacting found %zu",
			   entry.size, largest);
	if (largest) {
		actual = property(WSHEAP_PROPERTY_ACTUAL_SIZE);
		shim.nobody = true;
		p = wsheap_alloc(m.heap, largest, GFP_NOWAIT);
		shim.nobody = false;
		FINDING_IF(!p, "compacting found %zu bytes that cannot be had",
			   largest);
		FINDING_IF(property(WSHEAP_PROPERTY_ACTUAL_SIZE) != actual,
			   "the heap grew without memory");
		wsheap_free(m.heap, p);
		operations += 2;
	}
	m.nested = false;
}

static void do_reset(void)
{
	unsigned long interferences = m.interferences;
	unsigned int i;

	operations++;
	for (i = 0; i < SLOTS; i++) {
		slot_is_held(&m.slots[i]);
		if (m.slots[i].p) {
			slot_check(&m.slots[i], m.slots[i].p, m.slots[i].size);
			slot_forget(&m.slots[i]);
		}
	}
	wsheap_reset(m.heap);
	check_figures();
	FINDING_IF(interferences == m.interferences &&
		   property(WSHEAP_PROPERTY_ACTUAL_SIZE) !=
		   property(WSHEAP_PROPERTY_TRIM_SIZE),
		   "a reset left %zu bytes",
		   property(WSHEAP_PROPERTY_ACTUAL_SIZE));
}

static int count_heaps(struct wsheap *heap, void *data)
{
	++*(unsigned int *)data;
	return 0;
}

static void check_summary(void)
{
	struct wsheap_summary sum;
	unsigned int heaps = 0;

	operations++;
	wsheap_summary(m.heap, &sum);
	FINDING_IF(sum.allocated != property(WSHEAP_PROPERTY_REQUESTED_SIZE) ||
		   sum.committed != property(WSHEAP_PROPERTY_ACTUAL_SIZE) ||
		   sum.bound != property(WSHEAP_PROPERTY_MAX_SIZE) ||
		   sum.reserved != (m.fixed ? sum.bound : sum.committed),
		   "a summary that does not agree");
	if (m.locked)
		return;
	wsheap_for_each(count_heaps, &heaps);
	FINDING_IF(heaps != 1 + !!m.private.heap + !!m.message.heap,
		   "there are %u heaps", heaps);
}

static void check_whole(void)
{
	bool nested = m.nested;

	operations++;
	m.nested = true;
	FINDING_IF(!wsheap_validate(m.heap, NULL) && m.conduct == GOOD,
		   "the heap is not valid");
	check_walk();
	m.nested = nested;
}

static void do_whole(const struct operation *op)
{
	/* A reset would release what another call has not returned yet. */
	if (m.nested) {
		if (m.compacting && op->value & 1)
			do_reset();
		else
			check_compact();
		return;
	}
	switch (op->value & 15) {
	case 0:
	case 1:
		check_whole();
		break;
	case 2:
		check_compact();
		break;
	case 3:
		if (!(op->value >> 4 & 7))
			do_reset();
		break;
	case 4:
		if (!m.locked)
			shim_run_work();
		check_figures();
		break;
	case 5:
	case 6:
		check_summary();
		break;
	default:
		if (m.compacts)
			check_compact();
	}
}

/* A step of a walk in a heap that changes between the steps. */
static void do_walk(void)
{
	unsigned long interferences = m.interferences;

	operations++;
	if (wsheap_walk(m.heap, &m.walk)) {
		memset(&m.walk, 0, sizeof(m.walk));
		return;
	}
	FINDING_IF(interferences == m.interferences &&
		   !shim_find(m.walk.address, 0, TAG_HEAP),
		   "a walk found %p, which the heap does not hold",
		   m.walk.address);
}

static void do_lock(u32 value)
{
	operations++;
	if (m.locked && value & 3) {
		m.locked--;
		wsheap_unlock(m.heap);
	} else if (m.locked < 3) {
		FINDING_IF(wsheap_lock(m.heap) != (m.serialized ? 0 : -EINVAL),
			   "a lock that is none");
		if (m.serialized)
			m.locked++;
	}
}

static void do_many(const struct operation *op)
{
	unsigned int i, n = 4 + op->value % 61, at;
	unsigned int step = 1 + (op->value & 1), failed = 0;
	size_t size = decode_size(op->value);

	for (i = 0; i < n; i++) {
		struct slot *slot;

		at = op->atomic ? op->slot + i * step : op->slot - i * step;
		slot = &m.slots[at & m.slot_mask];
		if (slot->busy)
			continue;
		slot->busy = true;
		if (op->kind == KIND_FREE_MANY && slot_is_held(slot))
			do_free(slot);
		else if (op->kind == KIND_ALLOC_MANY && !slot->p &&
			 !do_alloc(slot, size, 0, false, decode_gfp(op)))
			failed++;
		slot->busy = false;
		if (failed > 1)
			break;
	}
}

static void do_slot(const struct operation *op)
{
	struct slot *slot = &m.slots[op->slot];
	bool live = slot_is_held(slot);
	size_t size = decode_size(op->value);
	gfp_t gfp = decode_gfp(op);
	size_t align = 0;

	slot->busy = true;
	switch (op->kind) {
	case KIND_REALLOC:
		if (live)
			do_realloc(slot, size, gfp, op->value & 2);
		else
			do_alloc(slot, size, 0, true, gfp);
		break;
	case KIND_RESIZE:
		if (live)
			do_resize(slot, size, gfp);
		break;
	case KIND_CHECK:
		do_check(slot, op->value);
		break;
	case KIND_ALLOC_ALIGNED:
		/* With few that are none. */
		align = 1UL << op->value % 13;
		if (op->value % 127 == 1)
			align *= 3 + op->value % 2 * SZ_4K;
		fallthrough;
	default:
		if (!live && op->kind != KIND_FREE)
			do_alloc(slot, size, align, false, gfp);
		else if (live && op->kind != KIND_ALLOC)
			do_free(slot);
	}
	slot->busy = false;
}

/*
 * Misconduct.
 */

static void misbehave(enum conduct conduct)
{
	m.conduct = max(m.conduct, conduct);
}

/*
 * The model does not have what a call of another CPU has made and not returned
 * yet, is moving, or is about to free. Only the heap knows these blocks.
 */
static bool is_in_use(const void *p)
{
	struct wsheap_region *dedicated;
	enum wsheap_mistake misuse = wsheap_private_find(wsheap_private(m.heap), p,
						 &dedicated);

	return misuse == MISTAKE_NONE || misuse == MISTAKE_OVERRUN;
}

/* The same for some memory. The last block that begins before its end decides. */
static bool has_in_use(const u8 *start, const u8 *end)
{
	const u8 *p = PTR_ALIGN_DOWN(end + 8 + 15, 16);

	do {
		p -= 16;
		if (!shim_find(p - 8, 8, TAG_HEAP))
			return false;
	} while (!is_in_use(p));
	return p + max_t(size_t, block_size(block_of(p)), 1) > start;
}

static u64 any_address(u32 x)
{
	const struct slot *slot = &m.slots[x & m.slot_mask];

	return (u64)(slot->p ?: slot->old) + (x & 1) * 8;
}

/*
 * Writes into a block that was freed, unless its memory has gone back. A sloppy
 * driver spares live blocks that have the memory now. A wild one does not, and
 * also writes over the header before the block and the one behind it.
 */
static void do_write(const struct operation *op)
{
	const struct slot *slot = &m.slots[op->slot];
	const struct slot *from = &m.slots[(op->value >> 6) & m.slot_mask];
	u32 where = op->value & 7, what = op->value >> 3 & 7;
	u32 x = op->value >> 6;
	u8 *start = slot->old, *end = start + slot->old_size, *p;
	u8 bytes[32];
	size_t size;
	u64 value;

	operations++;
	/* What waits for the worker is not the heap's any more. */
	if (!m.locked)
		shim_run_work();
	if (!start || shim_work_is_pending() ||
	    shim_find(start, slot->old_size, TAG_HEAP) != slot->old_area)
		return;
	if (m.allowed == WILD && where >= 6)
		start += ALIGN(slot->old_size + 8 + m.debug, 16) - 8;
	else if (m.allowed == WILD && where >= 4)
		start -= 8;
	else
		where = 0;
	if (where)
		end = start + 8;
	size = end - start;
	if (!size || shim_find(start, size, TAG_HEAP) != slot->old_area)
		return;

	/* The beginning has the links. */
	p = start + (x & 1 ? (x >> 1) % size : (x & 6) * 4 % size);
	value = shim_random();
	memcpy(bytes, &value, 8);
	size = 8;
	switch (what) {
	case 0:
		bytes[0] = *p ^ BIT(x >> 3 & 7);
		size = 1;
		break;
	case 1:
		size = 1;
		break;
	case 3:
		memset(bytes, x & 64 ? 0 : x, 8);
		break;
	case 4:
	case 5:
		/* Another freed block, with its header. */
		size = what == 4 ? 16 : 32;
		if (!from->old ||
		    !shim_find(from->old - 8, size, TAG_HEAP))
			return;
		memcpy(bytes, from->old - 8, size);
		if (!where)
			p = start;
		break;
	case 6:
		value = any_address(shim_random());
		memcpy(bytes, &value, 8);
		break;
	case 7:
		size = 0;
		break;
	}
	size = min_t(size_t, size ?: SIZE_MAX, end - p);
	if (m.allowed == SLOPPY &&
	    (bits_are_set(PTR_ALIGN_DOWN(p, 8),
			  PTR_ALIGN(p + size, 8) - PTR_ALIGN_DOWN(p, 8)) ||
	     (m.nested && has_in_use(p, p + size))))
		return;
	misbehave(m.allowed);
	if (trace)
		fprintf(stderr, "\tover %zu bytes at %p\n", size, p);
	if (what == 7)
		memset(p, x, size);
	else
		memcpy(p, bytes, size);
}

static bool is_block(const void *p)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (m.slots[i].p && m.slots[i].p == p)
			return true;
	return false;
}

static bool is_held(const u8 *p)
{
	return shim_find(p - 8, 16, TAG_HEAP) ||
	       shim_find(p - 8, 16, TAG_OTHER);
}

/*
 * Uses a pointer to no live block: to a freed one, into a block, to a block of
 * another heap, or to anywhere in memory that heaps hold. The heap may read the
 * 8 bytes before a pointer to find out, so these have to be there, unless the
 * pointer begins a page, is of a freed block from vmap(), or the heap is in the
 * debug mode.
 */
static void do_misuse(const struct operation *op)
{
	const struct slot *slot = &m.slots[op->slot];
	u32 how = op->value & 7, what = op->value >> 3 & 7, x = op->value >> 6;
	u8 *p = slot->old, *q;
	bool nested = m.nested, sure;
	size_t size = 0;

	operations++;
	switch (what) {
	case 2:
		p = slot->p;
		if (p)
			p += 16 + x * 16 % ALIGN(slot->size + 1, 16);
		break;
	case 3:
		p = m.private.p[x % ARRAY_SIZE(m.private.p)];
		break;
	case 4:
		p = m.message.p[x % ARRAY_SIZE(m.message.p)];
		break;
	case 5:
	case 6:
		p = shim_memory(what == 5 ? TAG_HEAP : TAG_OTHER, x, &size);
		if (p)
			p += shim_random() % size & ~15UL;
		break;
	case 7:
		p = slot->p;
		/* Not every CPU reads a header that is not aligned. */
		if (p)
			p += how == 6 ? 1 + x % 15 : 8;
		break;
	}
	if (!p || is_block(p) ||
	    (offset_in_page(p) && !m.debug && !is_held(p) &&
	     !(p == slot->old && is_vmalloc_addr(p))))
		return;
	if (m.nested && TAMED(is_in_use(p)))
		return;
	misbehave(SLOPPY);
	if (trace)
		fprintf(stderr, "\twith %p\n", p);
	/* What the heap refused to free is still a block. */
	sure = !m.nested && TAMED(true) &&
	       property(WSHEAP_PROPERTY_REQUESTED_SIZE) == m.live;
	size = decode_size(shim_random() & 0xffff);
	/* Another CPU could be given the block between two looks at it. */
	m.nested = true;
	switch (how) {
	case 3:
		q = wsheap_realloc(m.heap, p, size, decode_gfp(op));
		FINDING_IF(sure && q, "%p is no block, but was resized", p);
		FINDING_IF(q && !shim_find(q, size, TAG_HEAP),
			   "%zu bytes at %p are not in the heap's memory", size,
			   q);
		break;
	case 4:
		FINDING_IF(wsheap_resize(m.heap, p, size, decode_gfp(op)) &&
			   sure, "%p is no block, but was resized", p);
		break;
	case 5:
		size = wsheap_size(m.heap, p);
		FINDING_IF(sure && size, "%p is no block, but has %zu bytes", p,
			   size);
		break;
	case 6:
		FINDING_IF(wsheap_validate(m.heap, p) && sure,
			   "%p is no block", p);
		break;
	default:
		wsheap_free(m.heap, p);
	}
	m.nested = nested;
	check_figures();
}

static void operate(const struct operation *op)
{
	if (trace)
		fprintf(stderr, "%s%s%s%s slot %u value %#x size %zu\n",
			m.nested ? "    " : "", kind_names[op->kind],
			op->atomic ? " atomic" : "", op->zero ? " zero" : "",
			op->slot, op->value, decode_size(op->value));
	switch (op->kind) {
	case KIND_ALLOC_MANY:
	case KIND_FREE_MANY:
		do_many(op);
		break;
	case KIND_WALK:
		if (!m.nested)
			do_walk();
		break;
	case KIND_FAIL:
		shim.fail_after = op->value & 7;
		shim.fail = op->value >> 3 & 3;
		break;
	case KIND_LOCK:
		if (!m.nested)
			do_lock(op->value);
		break;
	case KIND_WHOLE:
		do_whole(op);
		break;
	case KIND_WRITE:
		do_write(op);
		break;
	case KIND_MISUSE:
		do_misuse(op);
		break;
	default:
		if (!m.slots[op->slot].busy)
			do_slot(op);
	}
}

/* While a call has let go of the lock, another CPU does something. */
static void interfere(void)
{
	struct task_struct *task = shim.task;
	struct operation op;

	if (m.nested || m.locked || shim_random() & 3 || !operation_next(&op))
		return;
	m.nested = true;
	m.interferences++;
	shim.task = &other_cpu;
	do {
		operate(&op);
	} while (shim_random() & 3 && operation_next(&op));
	shim.task = task;
	m.nested = false;
}

/*
 * A run.
 */

static const size_t initial_sizes[] = {
	0, 1, SZ_4K, 3 * SZ_4K, SZ_64K, SZ_256K, SZ_1M, SZ_4K + 1,
};

static const size_t maximum_sizes[] = {
	SZ_4K, SZ_8K, SZ_16K, 15 * SZ_4K, SZ_64K, SZ_64K, SZ_128K, SZ_128K,
	SZ_256K, SZ_512K, SZ_1M, SZ_2M, 1000000, SZ_32K, 30000, SZ_4M,
};

static const size_t limits[] = {
	SZ_32M, SZ_32M, SZ_32M, SZ_32M, SZ_32M, SZ_4M, SZ_1M, SZ_256K,
};

/* Other heaps have a few blocks, which nothing may change. */
static void foreign_begin(struct foreign *foreign, struct wsheap *heap)
{
	static const size_t sizes[] = {
		24, 0, 100, 760, 5000, SZ_4K, 40000, 100000,
	};
	unsigned int i;

	FINDING_IF(IS_ERR(heap), "no other heap");
	foreign->heap = heap;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* An empty block of a message heap is nowhere. */
		size_t size = sizes[i];
		u8 *p;

		if (!size && foreign == &m.message)
			size = 1;
		p = wsheap_alloc(heap, size, GFP_KERNEL);
		FINDING_IF(!p, "no block in another heap");
		memset(p, i, size);
		foreign->p[i] = p;
		foreign->size[i] = size;
	}
}

static void foreign_end(struct foreign *foreign)
{
	size_t left = 1;
	unsigned int i;

	if (!foreign->heap)
		return;
	for (i = 0; i < ARRAY_SIZE(foreign->p); i++)
		FINDING_IF(memchr_inv(foreign->p[i], i, foreign->size[i]),
			   "a block of another heap has changed");
	if (foreign == &m.private) {
		FINDING_IF(!wsheap_validate(foreign->heap, NULL),
			   "another heap is not valid any more");
		for (i = 0; i < ARRAY_SIZE(foreign->p); i++)
			wsheap_free(foreign->heap, foreign->p[i]);
		wsheap_get_property(foreign->heap,
				    WSHEAP_PROPERTY_REQUESTED_SIZE, &left,
				    sizeof(left));
		FINDING_IF(left, "another heap has lost blocks");
	}
	wsheap_destroy(foreign->heap);
}

/*
 * The header. Byte 0: the kind of heap. 1: its sizes. 2: the system. 3: what is
 * cleared, and who interferes. 4 to 7: random numbers.
 */
static bool run_begin(const u8 *header)
{
	size_t initial = initial_sizes[header[1] & 7];
	size_t maximum = maximum_sizes[header[1] >> 4];
	unsigned int options = 0;
	bool interferes;

	memset(&m, 0, sizeof(m));
	shim_begin(*(u32 *)(header + 4));
	m.fixed = mode == FIXED || (mode != GROWABLE && header[0] & 1);
	m.debug = mode == DEBUG || (mode == ATTACK && !(header[0] & 14)) ||
		  (mode == ANY && header[0] & 2);
	m.serialized = header[0] & 16;
	m.raises = header[0] & 32;
	m.compacts = header[0] & 128;
	if (mode == ATTACK)
		m.allowed = header[0] & 64 ? WILD : SLOPPY;
	shim.limit = limits[header[2] & 7];
	shim.rotate = header[2] & 8;
	shim.lazy = header[2] & 16;
	shim.contend = header[2] & 32;
	m.slot_mask = (SLOTS >> (header[2] >> 6)) - 1;
	shim.init_on_alloc = header[3] % 3 == 1;
	shim.init_on_free = header[3] % 3 == 2;
	interferes = m.serialized && header[3] & 128;
	shim.expect_reports = m.allowed != GOOD;

	if (!m.serialized)
		options |= WSHEAP_NO_SERIALIZE;
	if (m.raises)
		options |= WSHEAP_GENERATE_EXCEPTIONS;
	if (!m.fixed)
		maximum = 0;
	else
		initial = min(initial, maximum);
	m.most = m.fixed ? PAGE_ALIGN(maximum) : SIZE_MAX;
	if (trace)
		fprintf(stderr, "%s initial %zu maximum %zu%s%s%s%s%s limit %zu\n",
			conduct_names[m.allowed], initial, maximum,
			m.serialized ? " serialized" : "",
			m.debug ? " debug" : "",
			shim.init_on_alloc ? " init_on_alloc" : "",
			shim.init_on_free ? " init_on_free" : "",
			interferes ? " interferes" : "", shim.limit);
	wsheap_debug = m.debug;
	if (m.allowed != GOOD) {
		size_t limit = shim.limit;

		shim.limit = SZ_32M;
		shim.tag = TAG_OTHER;
		foreign_begin(&m.private, wsheap_create_private(0, 0, 0));
		foreign_begin(&m.message,
			      wsheap_create(WSHEAP_UNLIMITED, 0, NULL));
		shim.limit = limit + shim.held[TAG_OTHER];
	}
	shim.tag = TAG_HEAP;
	m.heap = wsheap_create_private(options, initial, maximum);
	if (IS_ERR(m.heap)) {
		FINDING_IF(PTR_ERR(m.heap) != -ENOMEM ||
			   (!shim.refused && initial < shim.limit),
			   "a heap was not created: %ld", PTR_ERR(m.heap));
		foreign_end(&m.private);
		foreign_end(&m.message);
		shim_end();
		return false;
	}
	if (m.raises)
		wsheap_set_failure_handler(m.heap, on_failure, NULL);
	m.object = shim.held[TAG_HEAP] - property(WSHEAP_PROPERTY_ACTUAL_SIZE);
	if (interferes)
		shim.unlocked = interfere;
	return true;
}

static void run_end(void)
{
	unsigned int i;

	shim.unlocked = NULL;
	while (m.locked) {
		m.locked--;
		wsheap_unlock(m.heap);
	}
	check_figures();
	check_whole();
	for (i = 0; i < SLOTS; i++) {
		struct slot *slot = &m.slots[i];

		if (!slot_is_held(slot))
			continue;
		slot_check(slot, slot->p, slot->size);
		/* One half is freed, the other goes with the heap. */
		if (m.tags & 1)
			do_free(slot);
		else
			slot_forget(slot);
	}
	if (m.tags & 1) {
		check_compact();
		check_whole();
		FINDING_IF(m.conduct == GOOD &&
			   property(WSHEAP_PROPERTY_ACTUAL_SIZE) >
			   property(WSHEAP_PROPERTY_TRIM_SIZE),
			   "%zu bytes are left of no blocks",
			   property(WSHEAP_PROPERTY_ACTUAL_SIZE));
	}
	wsheap_destroy(m.heap);
	foreign_end(&m.private);
	foreign_end(&m.message);
	shim_end();
}

int fuzz_one_input(const u8 *data, size_t size)
{
	struct operation op;

	if (size < HEADER)
		return 0;
	if (!run_begin(data))
		return 0;
	m.next = data + HEADER;
	m.end = data + size;
	while (operation_next(&op))
		operate(&op);
	run_end();
	return 0;
}

void shim_finding(const char *format, ...)
{
	va_list ap;

	fputs("fuzz: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static void print_operations(void)
{
	printf("%llu operations\n", operations);
}

static void parse_option(const char *option)
{
	unsigned int i;

	if (!strcmp(option, "--trace"))
		trace = true;
	for (i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (!strncmp(option, "--mode=", 7) &&
		    !strcmp(option + 7, mode_names[i]))
			mode = i;
}

int fuzz_initialize(int *argc, char ***argv)
{
	int i;

	for (i = 1; i < *argc; i++)
		parse_option((*argv)[i]);
	wsheap_chunk_init();
	atexit(print_operations);
	return 0;
}

/* The sanitizers call these. Their findings end as those of shim_finding(). */
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

#ifndef LIBFUZZER
/*
 * fuzz [--mode=MODE] [--trace] [--ops=N] [--seed=S] [--length=BYTES] [FILE ...]
 *
 * Runs the inputs in the files. Without a file, runs inputs from random numbers
 * until there were N operations.
 */
static unsigned long long input_seed;

static void on_abort(int signal)
{
	fprintf(stderr, "run it again: --mode=%s --seed=%llu --ops=1\n",
		mode_names[mode], input_seed);
}

static void on_alarm(int signal)
{
	shim_finding("a call that does not return");
}

int main(int argc, char **argv)
{
	unsigned long long ops = 1000000;
	size_t length = 10248, size, i;
	static u8 data[SZ_1M];
	bool files = false;
	FILE *file;
	int arg;

	fuzz_initialize(&argc, &argv);
	for (arg = 1; arg < argc; arg++) {
		if (!strncmp(argv[arg], "--ops=", 6))
			ops = strtoull(argv[arg] + 6, NULL, 0);
		if (!strncmp(argv[arg], "--seed=", 7))
			input_seed = strtoull(argv[arg] + 7, NULL, 0);
		if (!strncmp(argv[arg], "--length=", 9))
			length = strtoul(argv[arg] + 9, NULL, 0);
		if (!strncmp(argv[arg], "--", 2))
			continue;
		files = true;
		file = fopen(argv[arg], "r");
		if (!file) {
			perror(argv[arg]);
			return 2;
		}
		size = fread(data, 1, sizeof(data), file);
		fclose(file);
		fuzz_one_input(data, size);
	}
	if (files)
		return 0;
	length = min(length, sizeof(data));
	signal(SIGABRT, on_abort);
	signal(SIGALRM, on_alarm);
	for (; operations < ops; input_seed++) {
		u64 state = input_seed;

		/* Not a state that the input seeds the shim with. */
		for (i = 0; i < length; i++) {
			shim.random = state;
			data[i] = shim_random() >> 24;
			state = shim.random;
		}
		alarm(60);
		fuzz_one_input(data, length);
	}
	return 0;
}
#endif
