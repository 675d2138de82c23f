// SPDX-License-Identifier: GPL-2.0
/*
 * A parser that uses wsheap: it takes requests such as "add 1+2+39" apart, and
 * replies "add 42". Whatever happens to a request, one reset ends it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "wsheap.h"

struct word {
	struct list_head node;
	char *text;
	u32 *numbers;			/* or NULL if the text is something else */
	size_t count;
};

struct request {
	struct list_head words;
	struct pid *sender;
	struct wsheap_action put_sender;
};

/* A request holds a reference to its sender. It ends with the blocks. */
static void put_sender(void *sender)
{
	put_pid(sender);
	pr_info("the sender is released\n");
}

static struct request *new_request(struct wsheap *heap)
{
	struct request *req = wsheap_zalloc(heap, sizeof(*req), GFP_KERNEL);

	if (!req)
		return NULL;
	INIT_LIST_HEAD(&req->words);
	req->sender = get_task_pid(current, PIDTYPE_PID);
	wsheap_add_action(heap, &req->put_sender, put_sender, req->sender);
	return req;
}

/* Tries to read a word as "1+2+39". If it is not that, no trace is left. */
static void parse_numbers(struct wsheap *heap, struct word *word)
{
	struct wsheap_mark mark = wsheap_mark(heap);
	/* strsep() writes to what it splits. */
	char *rest = wsheap_strdup(heap, word->text, GFP_KERNEL), *part;
	u32 *numbers = NULL;
	size_t n;

	for (n = 0; (part = strsep(&rest, "+")); n++) {
		numbers = wsheap_extend(heap, numbers, n * sizeof(*numbers),
					(n + 1) * sizeof(*numbers), GFP_KERNEL);
		if (!numbers || kstrtou32(part, 10, &numbers[n])) {
			wsheap_rollback(heap, &mark);
			return;
		}
	}
	word->numbers = numbers;
	word->count = n;
}

/* Returns 0, or why the request does not fit the heap. */
static int parse(struct wsheap *heap, struct request *req, const char *text)
{
	char *rest = wsheap_strdup(heap, text, GFP_KERNEL), *part;
	struct word *word;

	while ((part = strsep(&rest, " "))) {
		word = wsheap_zalloc(heap, sizeof(*word), GFP_KERNEL);
		if (!word)
			break;
		word->text = part;
		parse_numbers(heap, word);
		list_add_tail(&word->node, &req->words);
	}
	/* Any of these calls may have returned NULL. */
	return wsheap_status(heap);
}

/* Returns the reply, or NULL. It grows in place, as no other block follows it. */
static char *make_reply(struct wsheap *heap, const struct request *req)
{
	const struct word *word;
	char *reply = NULL;
	size_t length = 0;
	u32 sum, i;

	list_for_each_entry(word, &req->words, node) {
		for (sum = 0, i = 0; i < word->count; i++)
			sum += word->numbers[i];
		if (word->numbers)
			wsheap_appendf(heap, &reply, &length, GFP_KERNEL, "%u ", sum);
		else
			wsheap_appendf(heap, &reply, &length, GFP_KERNEL, "%s ",
				       word->text);
	}
	return wsheap_status(heap) ? NULL : reply;
}

static void serve(struct wsheap *heap, const char *text)
{
	struct request *req = new_request(heap);
	char *reply = NULL;

	if (req && !parse(heap, req, text))
		reply = make_reply(heap, req);
	if (reply)
		pr_info("reply: %s\n", reply);
	else
		pr_info("refused: error %d\n", wsheap_status(heap));
	wsheap_reset(heap);
}

static int __init hello_parser_init(void)
{
	struct wsheap *heap = wsheap_create(512, 1024, NULL);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	serve(heap, "add 1+2+39 and not 1+x");
	serve(heap, "a b c d e f g h i j k l m n o p");
	wsheap_destroy(heap);
	return 0;
}

static void __exit hello_parser_exit(void)
{
}

module_init(hello_parser_init);
module_exit(hello_parser_exit);

MODULE_DESCRIPTION("A parser that uses wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
