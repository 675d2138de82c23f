// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals on purpose, so that a driver's author can see its error paths run. They come
 * by the kernel's fault injection, where the kernel has that, and go to the heaps of one
 * class that are created after it was named. These take the long path.
 */

#include "internal.h"

#include <linux/debugfs.h>
#include <linux/moduleparam.h>

#ifdef CONFIG_FAULT_INJECTION
#include <linux/fault-inject.h>

static char fail_class[64];

static int fail_class_set(const char *value, const struct kernel_param *kp)
{
	int ret = param_set_copystring(value, kp);

	strim(fail_class);
	wsheap_debug_update();
	return ret;
}

static const struct kernel_param_ops fail_class_ops = {
	.set = fail_class_set,
	.get = param_get_string,
};

static struct kparam_string fail_class_string = {
	.maxlen = sizeof(fail_class),
	.string = fail_class,
};

module_param_cb(fail_class, &fail_class_ops, &fail_class_string, 0644);
MODULE_PARM_DESC(fail_class, "Name of the heaps created from now on whose blocks debugfs' wsheap/fail_alloc refuses");

DECLARE_FAULT_ATTR(wsheap_fail_attr);
static bool refuse;

bool wsheap_fail_is_possible(void)
{
	return *fail_class;
}

/* Tells whether a heap is one of those. */
bool wsheap_fail_applies(const struct wsheap *heap)
{
	return *fail_class && !strcmp(fail_class, wsheap_name(heap));
}

/* Returns why a block is to be refused, or 0. */
int wsheap_fail(const struct wsheap *heap, size_t size)
{
	if (!wsheap_fail_applies(heap) || !should_fail(&wsheap_fail_attr, size))
		return 0;
	return READ_ONCE(refuse) ? -EDQUOT : -ENOMEM;
}

void wsheap_fail_init(struct dentry *dir)
{
#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
	dir = fault_create_debugfs_attr("fail_alloc", dir, &wsheap_fail_attr);
	if (!IS_ERR(dir))
		debugfs_create_bool("refuse", 0600, dir, &refuse);
#endif
}
#endif
