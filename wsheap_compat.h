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

#ifdef WSHEAP_IMPLEMENTATION

/* From 6.10 on alloc_hooks() wraps these, to count them by call site. */
#ifndef alloc_hooks
#define kmalloc_node_noprof	kmalloc_node
#define __vmalloc_noprof	__vmalloc
#define alloc_pages_node_noprof	alloc_pages_node
#endif

/* From 6.3 on tests can replace a function. */
#if LINUX_VERSION_MAJOR > 6 || LINUX_VERSION_PATCHLEVEL > 2
#include <kunit/static_stub.h>
#else
#define KUNIT_STATIC_STUB_REDIRECT(...) do { } while (0)
#endif

#endif /* WSHEAP_IMPLEMENTATION */

#endif /* _WSHEAP_COMPAT_H */
