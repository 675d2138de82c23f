// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading of the module.
 */

#include "internal.h"

#include <linux/module.h>

static int __init wsheap_module_init(void)
{
	int ret = wsheap_chunk_init();

	if (ret)
		return ret;
	ret = wsheap_pool_init();
	if (ret)
		wsheap_chunk_exit();
	return ret;
}

static void __exit wsheap_module_exit(void)
{
	wsheap_pool_exit();
	wsheap_object_report_all();
	wsheap_chunk_exit();
}

/* Drivers that are built in may create heaps in their module_init(). */
subsys_initcall(wsheap_module_init);
module_exit(wsheap_module_exit);

MODULE_DESCRIPTION("Heaps whose blocks are released together");
MODULE_LICENSE("GPL");
