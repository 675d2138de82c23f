// SPDX-License-Identifier: GPL-2.0
/*
 * Copies and formatted strings in a heap of either kind.
 */

#include "internal.h"

#include <linux/export.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* As wsheap_alloc(). A report names @caller. */
static __always_inline void *alloc_for(struct wsheap *heap, size_t size,
				       gfp_t gfp, unsigned long caller)
{
	void *block;

	wsheap_might_alloc(gfp);
	if (likely(!(gfp & WSHEAP_GFP_REFUSED))) {
		if (likely(wsheap_bump(heap, size, WSHEAP_MIN_ALIGN, &block)))
			return block;
		block = __wsheap_alloc_cur(heap, size);
		if (block)
			return block;
	}
	return wsheap_alloc_long(heap, size, WSHEAP_MIN_ALIGN, gfp, NULL,
				 caller);
}

/**
 * wsheap_memdup - copy memory into a heap
 * @heap: the heap.
 * @src: what to copy.
 * @len: bytes.
 * @gfp: see wsheap_alloc_err().
 *
 * As kmemdup(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the copy, or NULL.
 */
void *wsheap_memdup(struct wsheap *heap, const void *src, size_t len, gfp_t gfp)
{
	void *p = alloc_for(heap, len, gfp, _RET_IP_);

	if (p)
		memcpy(p, src, len);
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_memdup, WSHEAP_NS);

/**
 * wsheap_strdup - copy a string into a heap
 * @heap: the heap.
 * @s: the string, or NULL.
 * @gfp: see wsheap_alloc_err().
 *
 * As kstrdup(). Windows has no equivalent. The terminating NUL is charged, too.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the copy, or NULL, also if @s is NULL.
 */
char *wsheap_strdup(struct wsheap *heap, const char *s, gfp_t gfp)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strlen(s) + 1;
	p = alloc_for(heap, len, gfp, _RET_IP_);
	if (p) {
		memcpy(p, s, len);
		/* The original may have changed meanwhile. */
		p[len - 1] = '\0';
	}
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_strdup, WSHEAP_NS);

/**
 * wsheap_strndup - copy the beginning of a string into a heap
 * @heap: the heap.
 * @s: the string, or NULL; need not be terminated within @max bytes.
 * @max: the most bytes to copy, the terminating NUL not counted.
 * @gfp: see wsheap_alloc_err().
 *
 * As kstrndup(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the terminated copy, or NULL, also if @s is NULL.
 */
char *wsheap_strndup(struct wsheap *heap, const char *s, size_t max, gfp_t gfp)
{
	size_t len;
	char *p;

	if (!s)
		return NULL;
	len = strnlen(s, max);
	p = alloc_for(heap, size_add(len, 1), gfp, _RET_IP_);
	if (p) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_strndup, WSHEAP_NS);

static __printf(3, 0)
char *vasprintf_for(struct wsheap *heap, gfp_t gfp, const char *fmt,
		    va_list ap, unsigned long caller)
{
	unsigned int first, second;
	va_list again;
	char *p;

	va_copy(again, ap);
	first = vsnprintf(NULL, 0, fmt, again);
	va_end(again);

	p = alloc_for(heap, (size_t)first + 1, gfp, caller);
	if (!p)
		return NULL;
	second = vsnprintf(p, (size_t)first + 1, fmt, ap);
	WARN(first != second, "different return values (%u and %u) from vsnprintf(\"%s\", ...)",
	     first, second, fmt);
	return p;
}

/**
 * wsheap_vasprintf - format a string into a heap
 * @heap: the heap.
 * @gfp: see wsheap_alloc_err().
 * @fmt: format string.
 * @ap: arguments of the format.
 *
 * As kvasprintf(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the string, or NULL.
 */
char *wsheap_vasprintf(struct wsheap *heap, gfp_t gfp, const char *fmt,
		       va_list ap)
{
	return vasprintf_for(heap, gfp, fmt, ap, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_vasprintf, WSHEAP_NS);

/**
 * wsheap_asprintf - format a string into a heap
 * @heap: the heap.
 * @gfp: see wsheap_alloc_err().
 * @fmt: format string.
 * @...: arguments of the format.
 *
 * As kasprintf(). Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: the string, or NULL.
 */
char *wsheap_asprintf(struct wsheap *heap, gfp_t gfp, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = vasprintf_for(heap, gfp, fmt, ap, _RET_IP_);
	va_end(ap);
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_asprintf, WSHEAP_NS);

/**
 * wsheap_appendf - append formatted text to a string in a message heap
 * @heap: the heap.
 * @string: the string, or where NULL is for a new one. Set to where it is now.
 * @length: its length, without the terminating NUL; 0 for a new one. Set to what
 *	it is now.
 * @gfp: see wsheap_alloc_err().
 * @fmt: format string.
 * @...: arguments of the format.
 *
 * The string grows by wsheap_extend(): in place while it is the newest block.
 * Windows has no equivalent.
 *
 * Context: as wsheap_alloc_err(); may sleep if @gfp allows blocking.
 * Return: 0; or the code of the call that was refused, as in struct wsheap_error,
 * and the string is as it was.
 */
int wsheap_appendf(struct wsheap *heap, char **string, size_t *length, gfp_t gfp,
		   const char *fmt, ...)
{
	size_t old = *string ? *length + 1 : 0, more;
	va_list ap;
	char *p;

	if (!wsheap_is_message(heap))
		return -EINVAL;
	va_start(ap, fmt);
	more = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);

	p = __wsheap_extend_for(heap, *string, old, size_add(*length, more + 1), gfp,
				_RET_IP_);
	if (!p)
		return wsheap_status(heap) ?: -EINVAL;
	va_start(ap, fmt);
	vsnprintf(p + *length, more + 1, fmt, ap);
	va_end(ap);
	*string = p;
	*length += more;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(wsheap_appendf, WSHEAP_NS);

/*
 * Copies from user space.
 */

/* Copies @len bytes into a block of @size bytes. */
static void *dup_user(struct wsheap *heap, const void __user *src, size_t len,
		      size_t size, gfp_t gfp, unsigned long caller)
{
	struct wsheap_error err;
	void *p = wsheap_alloc_long(heap, size, WSHEAP_MIN_ALIGN, gfp, &err, caller);

	if (!p)
		return ERR_PTR(err.code);
	if (copy_from_user(p, src, len)) {
		wsheap_undo_alloc(heap, p, size, caller);
		return ERR_PTR(-EFAULT);
	}
	return p;
}

/**
 * wsheap_memdup_user - copy memory from user space into a heap
 * @heap: the heap.
 * @src: what to copy.
 * @len: bytes.
 * @gfp: see wsheap_alloc_err().
 *
 * As memdup_user(). Windows has no equivalent.
 *
 * Context: process context; sleeps.
 * Return: the copy, or an ERR_PTR: -EFAULT, with nothing charged, or a code of
 * struct wsheap_error.
 */
void *wsheap_memdup_user(struct wsheap *heap, const void __user *src, size_t len,
			 gfp_t gfp)
{
	return dup_user(heap, src, len, len, gfp, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(wsheap_memdup_user, WSHEAP_NS);

/**
 * wsheap_memdup_user_nul - copy memory from user space, and append a NUL
 * @heap: the heap.
 * @src: what to copy.
 * @len: bytes, the NUL not counted.
 * @gfp: see wsheap_alloc_err().
 *
 * As memdup_user_nul(). Windows has no equivalent.
 *
 * Context: process context; sleeps.
 * Return: as wsheap_memdup_user().
 */
void *wsheap_memdup_user_nul(struct wsheap *heap, const void __user *src,
			     size_t len, gfp_t gfp)
{
	char *p = dup_user(heap, src, len, size_add(len, 1), gfp, _RET_IP_);

	if (!IS_ERR(p))
		p[len] = '\0';
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_memdup_user_nul, WSHEAP_NS);

/**
 * wsheap_strndup_user - copy a string from user space into a heap
 * @heap: the heap.
 * @s: the string.
 * @n: the most bytes that it may have, the terminating NUL included.
 * @gfp: see wsheap_alloc_err().
 *
 * As strndup_user(). Windows has no equivalent.
 *
 * Context: process context; sleeps.
 * Return: the copy, or an ERR_PTR: -EINVAL for a longer string, otherwise as
 * wsheap_memdup_user().
 */
char *wsheap_strndup_user(struct wsheap *heap, const char __user *s, size_t n,
			  gfp_t gfp)
{
	size_t len = strnlen_user(s, n);
	char *p;

	if (!len)
		return ERR_PTR(-EFAULT);
	if (len > n)
		return ERR_PTR(-EINVAL);
	p = dup_user(heap, s, len, len, gfp, _RET_IP_);
	/* The original may have changed meanwhile. */
	if (!IS_ERR(p))
		p[len - 1] = '\0';
	return p;
}
EXPORT_SYMBOL_NS_GPL(wsheap_strndup_user, WSHEAP_NS);
