// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading of the module.
 */

#include "internal.h"

#include <linux/module.h>

/* Called after a module's own exit function, while the module is still there. */
static int module_event(struct notifier_block *block, unsigned long event, void *data)
{
#ifdef CONFIG_MODULES
	const struct module *module = data;

	if (event == MODULE_STATE_GOING) {
		/* What waits in the quarantine is charged to the module. */
		wsheap_debug_flush();
		wsheap_pool_report_module(module, module->name);
		wsheap_list_report_module(module, module->name);
		wsheap_debug_forget_module(module);
		wsheap_class_forget_module(module);
	}
#endif
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_event,
};

static int __init wsheap_module_init(void)
{
	int ret = wsheap_chunk_init();

	if (ret)
		return ret;
	ret = wsheap_pool_init();
	if (ret)
		goto exit_chunk;
	ret = wsheap_debug_init();
	if (ret)
		goto exit_pool;
	ret = register_module_notifier(&module_notifier);
	if (ret)
		goto exit_debug;
	wsheap_watch_init();
	return 0;

exit_debug:
	wsheap_debug_module_exit();
exit_pool:
	wsheap_pool_exit();
exit_chunk:
	wsheap_chunk_exit();
	return ret;
}

static void __exit wsheap_module_exit(void)
{
	wsheap_watch_exit();
	unregister_module_notifier(&module_notifier);
	wsheap_pool_exit();
	wsheap_list_report_all();
	wsheap_debug_module_exit();
	wsheap_class_exit();
	wsheap_chunk_exit();
}

/* Drivers that are built in may create heaps in their module_init(). */
subsys_initcall(wsheap_module_init);
module_exit(wsheap_module_exit);

MODULE_DESCRIPTION("Heaps whose blocks are released together");
/* The Makefile reads this line. */
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
