// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest user of wsheap: one heap, one message, one reset.
 */

#include <linux/module.h>

#include "wsheap.h"

static int __init hello_init(void)
{
	/* A message may ask for 4,096 bytes; 1,024 may stay for the next. */
	struct wsheap *heap = wsheap_create(4096, 1024, NULL);
	char *greeting;

	if (IS_ERR(heap))
		return PTR_ERR(heap);

	greeting = wsheap_asprintf(heap, GFP_KERNEL, "hello, %s", "heap");
	if (greeting)
		pr_info("hello: %s\n", greeting);

	pr_info("hello: %zu bytes asked for, %zu held\n",
		wsheap_requested_size(heap), wsheap_actual_size(heap));

	wsheap_reset(heap);	/* the message is done: the greeting is gone */
	wsheap_destroy(heap);
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_DESCRIPTION("The smallest user of wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
