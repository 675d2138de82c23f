/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that wsheap builds on, 6.1 and later.
 * Nothing else in this tree asks for a kernel's version.
 */
#ifndef _WSHEAP_COMPAT_H
#define _WSHEAP_COMPAT_H

#include <linux/slab.h>
#include <linux/version.h>

/* From 6.13 on a symbol namespace is named by a string. */
#if LINUX_VERSION_MAJOR > 6 || LINUX_VERSION_PATCHLEVEL > 12
#define WSHEAP_NS "WSHEAP"
#else
#define WSHEAP_NS WSHEAP
#endif

#endif /* _WSHEAP_COMPAT_H */

/* A test is a user of the interface, and includes it as one, first. */
#if defined(WSHEAP_IMPLEMENTATION) && !defined(_WSHEAP_COMPAT_IMPLEMENTATION)
#define _WSHEAP_COMPAT_IMPLEMENTATION

/* From 6.10 on alloc_hooks() wraps these, to count them by call site. */
#ifndef alloc_hooks
#define kmalloc_node_noprof	kmalloc_node
#define kvmalloc_node_noprof	kvmalloc_node
#define kzalloc_noprof		kzalloc
#define kvmalloc_array_noprof	kvmalloc_array
#define alloc_pages_noprof	alloc_pages
#define alloc_pages_node_noprof	alloc_pages_node
#endif

/* Since vmalloc knows alignments, this has one more argument. */
#ifdef kvmalloc_node_align_noprof
#define kvmalloc_node_noprof(size, gfp, node) \
	kvmalloc_node_align_noprof(size, 1, gfp, node)
#endif

#ifdef CONFIG_X86_FRED
#include <asm/fred.h>
#endif

/* The address that the kernel could not access, while it reports that; or 0. */
static inline unsigned long wsheap_fault_address(struct pt_regs *regs)
{
#ifdef CONFIG_X86_FRED
	if (cpu_feature_enabled(X86_FEATURE_FRED))
		return fred_event_data(regs);
#endif
#if defined(CONFIG_X86) && !defined(CONFIG_UML)
	return read_cr2();
#elif defined(CONFIG_ARM64)
	return read_sysreg(far_el1);
#else
	return 0;
#endif
}

/* From 6.10 on a trace event knows what a string is a copy of. */
#ifdef alloc_hooks
#define wsheap_assign_str(to, ...)	__assign_str(to)
#else
#define wsheap_assign_str(to, from)	__assign_str(to, from)
#endif

/* From 6.3 on tests can replace a function. */
#if LINUX_VERSION_MAJOR > 6 || LINUX_VERSION_PATCHLEVEL > 2
#include <kunit/static_stub.h>
#else
#define KUNIT_STATIC_STUB_REDIRECT(...) do { } while (0)
#endif

/* From 6.11 on a test can have user memory. */
#if LINUX_VERSION_MAJOR > 6 || LINUX_VERSION_PATCHLEVEL > 10
#define WSHEAP_TEST_USER_MEMORY
#endif

/* From 6.7 on a shrinker is the kernel's to allocate. */
#include <linux/shrinker.h>

typedef unsigned long (*wsheap_shrink_t)(struct shrinker *shrinker,
					 struct shrink_control *sc);

#if LINUX_VERSION_MAJOR > 6 || LINUX_VERSION_PATCHLEVEL > 6
static inline struct shrinker *wsheap_start_shrinker(wsheap_shrink_t count,
						     wsheap_shrink_t scan)
{
	struct shrinker *shrinker = shrinker_alloc(0, "wsheap");

	if (shrinker) {
		shrinker->count_objects = count;
		shrinker->scan_objects = scan;
		shrinker_register(shrinker);
	}
	return shrinker;
}

static inline void wsheap_stop_shrinker(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
static inline struct shrinker *wsheap_start_shrinker(wsheap_shrink_t count,
						     wsheap_shrink_t scan)
{
	static struct shrinker shrinker;

	shrinker.count_objects = count;
	shrinker.scan_objects = scan;
	shrinker.seeks = DEFAULT_SEEKS;
	return register_shrinker(&shrinker, "wsheap") ? NULL : &shrinker;
}

static inline void wsheap_stop_shrinker(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
}
#endif

#endif /* WSHEAP_IMPLEMENTATION */

#if defined(WSHEAP_BENCHMARK) && !defined(_WSHEAP_COMPAT_BENCHMARK)
#define _WSHEAP_COMPAT_BENCHMARK

/* From 6.13 on page fragments have a header of their own. */
#if LINUX_VERSION_MAJOR > 6 || LINUX_VERSION_PATCHLEVEL > 12
#include <linux/page_frag_cache.h>
#endif

/* From 6.6 on a cache can refuse to be merged with others of its size. */
#ifndef SLAB_NO_MERGE
#define SLAB_NO_MERGE	0
#endif

/* From 6.9 on this is the kernel's. */
#if LINUX_VERSION_MAJOR == 6 && LINUX_VERSION_PATCHLEVEL < 9
#include <linux/gfp.h>
#include <linux/mm.h>

static inline void page_frag_cache_drain(struct page_frag_cache *nc)
{
	if (nc->va)
		__page_frag_cache_drain(virt_to_head_page(nc->va),
					nc->pagecnt_bias);
}
#endif

#endif /* WSHEAP_BENCHMARK */
