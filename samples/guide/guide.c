// SPDX-License-Identifier: GPL-2.0
/*
 * The examples of the README and of the guide, as a module that runs them. The guide
 * has the functions of a driver word for word. After them stands a function that calls
 * them and tells whether they do what the guide says. The module does not load if one
 * does not.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "wsheap.h"

struct message {
	const char *name;
	size_t name_len;
};

struct item {
	int handled;
};

struct source {
	const struct message *next, *end;
	int handled;
};

static const struct message *next_message(struct source *dev)
{
	return dev->next < dev->end ? dev->next++ : NULL;
}

static void handle(struct source *dev, struct item *item, const char *name)
{
	item->handled = strlen(name);
	dev->handled += item->handled;
}

/* The example of the README. */
static int handle_messages(struct source *dev)
{
	const struct message *msg;
	/* A message may ask for 65,536 bytes; 8,192 may stay for the next one. */
	struct wsheap *heap = wsheap_create(65536, 8192, NULL);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	while ((msg = next_message(dev))) {
		struct item *item = wsheap_zalloc(heap, sizeof(*item), GFP_KERNEL);
		char *name = wsheap_strndup(heap, msg->name, msg->name_len, GFP_KERNEL);

		if (item && name)	/* else it is too large, or memory is short */
			handle(dev, item, name);
		wsheap_reset(heap);
	}
	wsheap_destroy(heap);
	return 0;
}

static bool messages_of_the_readme(void)
{
	static char large[SZ_64K];
	const struct message messages[] = {
		{ .name = "one, and more", .name_len = 3 },
		{ .name = large, .name_len = sizeof(large) },	/* refused, and no harm done */
		{ .name = "three", .name_len = 5 },
	};
	struct source dev = { .next = messages, .end = messages + ARRAY_SIZE(messages) };

	memset(large, 'x', sizeof(large));
	return !handle_messages(&dev) && dev.handled == 3 + 5;
}

struct connection {
	struct wsheap *heap;
};

static int open_connection(struct connection *conn)
{
	const struct wsheap_args args = { .name = "connection" };

	/* A message may ask for 64 KiB; 8 KiB may stay for the next. */
	conn->heap = wsheap_create(SZ_64K, SZ_8K, &args);
	return PTR_ERR_OR_ZERO(conn->heap);
}

static void close_connection(struct connection *conn)
{
	wsheap_destroy(conn->heap);
}

static bool creating(void)
{
	struct connection conn;
	bool ok;

	if (open_connection(&conn))
		return false;
	ok = wsheap_max_size(conn.heap) == SZ_64K &&
	     wsheap_trim_size(conn.heap) == SZ_8K &&
	     !wsheap_actual_size(conn.heap) &&
	     !strcmp(wsheap_name(conn.heap), "connection");
	close_connection(&conn);
	return ok;
}

struct request {
	char *name;
	char *path;
	size_t count;
	u32 *table;
};

static struct request *new_request(struct wsheap *heap, const char *data, size_t len,
				   size_t count)
{
	struct request *req = wsheap_zalloc(heap, sizeof(*req), GFP_KERNEL);

	if (!req)
		return NULL;
	req->name = wsheap_strndup(heap, data, len, GFP_KERNEL);
	if (!req->name)
		return NULL;
	req->path = wsheap_asprintf(heap, GFP_KERNEL, "/var/%s", req->name);
	req->table = wsheap_calloc(heap, count, sizeof(*req->table), GFP_KERNEL);
	if (!req->path || !req->table)
		return NULL;	/* what has been taken goes with the reset */
	req->count = count;
	return req;
}

static bool taking(void)
{
	struct wsheap *heap = wsheap_create(SZ_4K, SZ_4K, NULL);
	struct request *req;
	bool ok;

	if (IS_ERR(heap))
		return false;
	req = new_request(heap, "log and more", 3, 16);
	ok = req && !strcmp(req->path, "/var/log") && !req->table[15] &&
	     wsheap_requested_size(heap) == sizeof(*req) + 4 + 9 + 64 &&
	     !new_request(heap, "log", 3, SIZE_MAX / 2) &&
	     !strcmp(wsheap_name(heap), KBUILD_MODNAME);
	wsheap_destroy(heap);
	return ok;
}

/* From user space. */
struct query {
	__u64 name;
	__u64 text;
	__u64 length;
};

/* Returns 1 if the text is the name, 0 if not, or -errno. */
static long answer_query(struct wsheap *heap, const void __user *argp)
{
	struct query *query;
	char *name, *text;

	query = wsheap_memdup_user(heap, argp, sizeof(*query), GFP_KERNEL);
	if (IS_ERR(query))
		return PTR_ERR(query);
	name = wsheap_strndup_user(heap, u64_to_user_ptr(query->name), NAME_MAX + 1,
				   GFP_KERNEL);
	if (IS_ERR(name))
		return PTR_ERR(name);
	text = wsheap_memdup_user_nul(heap, u64_to_user_ptr(query->text),
				      query->length, GFP_KERNEL);
	if (IS_ERR(text))
		return PTR_ERR(text);
	return !strcmp(name, text);
}

static long ask(struct wsheap *heap, unsigned long user, unsigned long text, u64 length)
{
	struct query query = {
		.name = user + sizeof(query),
		.text = text,
		.length = length,
	};

	wsheap_reset(heap);
	if (copy_to_user((void __user *)user, &query, sizeof(query)) ||
	    copy_to_user((void __user *)user + sizeof(query), "name", 5))
		return -EIO;
	return answer_query(heap, (void __user *)user);
}

static bool copies_from_user_space(void)
{
	unsigned long user = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	unsigned long name = user + sizeof(struct query);
	struct wsheap *heap;
	bool ok;

	if (IS_ERR_VALUE(user))
		return false;
	heap = wsheap_create(SZ_4K, 0, NULL);
	ok = !IS_ERR(heap) && ask(heap, user, name, 4) == 1 &&
	     ask(heap, user, name, 3) == 0 &&
	     ask(heap, user, 0, 4) == -EFAULT &&
	     wsheap_requested_size(heap) == sizeof(struct query) + 5 &&
	     !wsheap_status(heap) &&
	     ask(heap, user, name, U64_MAX / 4) == -EOVERFLOW &&
	     ask(heap, user, name, SZ_4K) == -EDQUOT;
	wsheap_destroy(heap);
	vm_munmap(user, PAGE_SIZE);
	return ok;
}

/* The status of HTTP for a request with a body of so many bytes. */
static int take_body(struct wsheap *heap, size_t length, void **body)
{
	struct wsheap_error err;

	*body = wsheap_alloc_err(heap, length, GFP_KERNEL, &err);
	if (*body)
		return 200;
	pr_debug("%zu bytes asked for, %zu of %zu in use\n", err.asked, err.in_use,
		 err.limit);
	return err.code == -ENOMEM ? 503 : 413;
}

static bool refused_blocks(void)
{
	struct wsheap *heap = wsheap_create(100, 0, NULL);
	struct wsheap_error err;
	void *body;
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = take_body(heap, 60, &body) == 200 && body &&
	     take_body(heap, 41, &body) == 413 && !body &&
	     wsheap_status(heap) == -EDQUOT &&
	     !wsheap_alloc_err(heap, 41, GFP_KERNEL, &err) &&
	     err.code == -EDQUOT && err.asked == 41 && err.in_use == 60 &&
	     err.limit == 100 &&
	     take_body(heap, (size_t)INT_MAX + 1, &body) == 413 &&
	     wsheap_status(heap) == -EOVERFLOW &&
	     take_body(heap, 40, &body) == 200 && body;
	wsheap_destroy(heap);
	return ok;
}

struct session {
	struct kref ref;
};

static int sessions;

static void free_session(struct kref *ref)
{
	kfree(container_of(ref, struct session, ref));
	sessions--;
}

static void put_session(void *data)
{
	struct session *session = data;

	kref_put(&session->ref, free_session);
}

static int use_session(struct wsheap *heap, struct session *session)
{
	struct wsheap_action *action = wsheap_alloc(heap, sizeof(*action), GFP_KERNEL);

	if (!action)
		return -ENOMEM;
	kref_get(&session->ref);
	wsheap_add_action(heap, action, put_session, session);
	return 0;
}

static bool actions(void)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	struct wsheap *heap = wsheap_create(SZ_4K, 0, NULL);
	struct wsheap_mark mark;
	bool ok = false;

	if (!session || IS_ERR(heap))
		goto end;
	kref_init(&session->ref);
	sessions++;
	ok = !use_session(heap, session);
	mark = wsheap_mark(heap);
	ok = ok && !use_session(heap, session) && kref_read(&session->ref) == 3;
	wsheap_rollback(heap, &mark);
	ok = ok && kref_read(&session->ref) == 2;
	put_session(session);
	ok = ok && sessions == 1;
	wsheap_reset(heap);
	ok = ok && !sessions;
	session = NULL;
end:
	wsheap_destroy(heap);
	kfree(session);
	return ok;
}

struct table {
	u32 *rows;
	size_t count;
};

static int set_count(struct wsheap *heap, struct table *table, size_t count)
{
	u32 *rows = wsheap_extend(heap, table->rows, array_size(table->count, sizeof(*rows)),
				  array_size(count, sizeof(*rows)),
				  GFP_KERNEL | __GFP_ZERO);

	if (!rows)
		return wsheap_status(heap);	/* the table is as it was */
	table->rows = rows;
	table->count = count;
	return 0;
}

static bool blocks_that_grow(void)
{
	struct wsheap *heap = wsheap_create(SZ_4K, 0, NULL);
	struct table table = { };
	u32 *rows;
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = !set_count(heap, &table, 4);
	if (ok) {
		rows = table.rows;
		rows[3] = 3;
		ok = !set_count(heap, &table, 8) && table.rows[3] == 3 && !table.rows[7] &&
		     wsheap_requested_size(heap) == 32 &&
		     set_count(heap, &table, SIZE_MAX / 2) == -EOVERFLOW &&
		     set_count(heap, &table, SZ_4K) == -EDQUOT &&
		     table.count == 8 &&
		     !set_count(heap, &table, 2) && wsheap_requested_size(heap) == 8;
	}
	wsheap_destroy(heap);
	return ok;
}

static int serve(struct wsheap *heap, const char *data, size_t len, size_t count)
{
	int ret = 0;

	if (!new_request(heap, data, len, count))
		ret = wsheap_status(heap);
	wsheap_reset(heap);	/* whether it succeeded or not */
	return ret;
}

static bool the_end_of_a_message(void)
{
	struct wsheap *heap = wsheap_create(SZ_1K, SZ_1K, NULL);
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = !serve(heap, "a", 1, 200) && serve(heap, "a", 1, 400) == -EDQUOT &&
	     !serve(heap, "a", 1, 200) && !wsheap_requested_size(heap) &&
	     !wsheap_status(heap) && wsheap_actual_size(heap) <= SZ_1K;
	wsheap_destroy(heap);
	return ok;
}

/* Returns a trim size that covers the message in hand, and ends it. */
static size_t end_usual_message(struct wsheap *heap)
{
	size_t held = wsheap_actual_size(heap);

	wsheap_reset(heap);
	return held;
}

static bool how_much_to_keep(void)
{
	struct wsheap *heap = wsheap_create(SZ_64K, 0, NULL);
	size_t held;
	bool ok;
	int i;

	if (IS_ERR(heap))
		return false;
	ok = new_request(heap, "a", 1, 2000);
	held = end_usual_message(heap);
	ok = ok && held >= 8000 && !wsheap_actual_size(heap);
	wsheap_destroy(heap);

	heap = wsheap_create(SZ_64K, held, NULL);
	if (IS_ERR(heap))
		return false;
	for (i = 0; i < 2; i++) {
		ok = ok && new_request(heap, "a", 1, 2000);
		wsheap_reset(heap);
	}
	/* From the third message on, nothing is taken from the system. */
	held = wsheap_actual_size(heap);
	ok = ok && held && new_request(heap, "a", 1, 2000) &&
	     wsheap_actual_size(heap) == held;
	wsheap_destroy(heap);
	return ok;
}

static int show_heap(const struct wsheap *heap, char *buf, size_t size)
{
	return scnprintf(buf, size,
			 "%s: %zu of %zu bytes asked for, %zu held, %zu may stay\n",
			 wsheap_name(heap), wsheap_requested_size(heap),
			 wsheap_max_size(heap), wsheap_actual_size(heap),
			 wsheap_trim_size(heap));
}

static bool figures(void)
{
	struct wsheap *heap = wsheap_create(100, 1000, NULL);
	char buf[100];
	size_t value;
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = wsheap_alloc(heap, 40, GFP_KERNEL) && show_heap(heap, buf, sizeof(buf)) &&
	     strstarts(buf, KBUILD_MODNAME ": 40 of 100 bytes asked for, 512 held, 1000") &&
	     !wsheap_get_property(heap, WSHEAP_PROPERTY_REQUESTED_SIZE, &value,
				  sizeof(value)) && value == 40;
	wsheap_destroy(heap);
	return ok;
}

static struct wsheap *begin_message(struct wsheap_pool *pool, bool trusted)
{
	struct wsheap *heap = wsheap_pool_alloc(pool, GFP_KERNEL);

	/* It has no block yet, so it can have another quota. */
	if (heap)
		wsheap_set_max_size(heap, trusted ? SZ_1M : SZ_16K);
	return heap;
}

static bool a_quota_for_one_message(void)
{
	struct wsheap_pool *pool = wsheap_pool_create(SZ_64K, SZ_8K, NULL, 0, 0);
	struct wsheap *heap;
	bool ok;

	if (IS_ERR(pool))
		return false;
	heap = begin_message(pool, true);
	ok = heap && wsheap_max_size(heap) == SZ_1M && wsheap_alloc(heap, 1, GFP_KERNEL) &&
	     wsheap_set_max_size(heap, SZ_16K) == -EBUSY;
	wsheap_pool_free(pool, heap);
	heap = begin_message(pool, false);
	ok = ok && heap && wsheap_max_size(heap) == SZ_16K;
	wsheap_pool_free(pool, heap);
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	ok = ok && heap && wsheap_max_size(heap) == SZ_64K;
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
	return ok;
}

#define MAX_PARTS	16

struct part {
	struct list_head node;
	u32 data;
};

struct queue {
	spinlock_t lock;		/* protects @parts */
	struct list_head parts;		/* at most MAX_PARTS */
};

static int copy_parts(struct wsheap *heap, struct queue *queue, struct list_head *copies)
{
	struct part *part, *copy;
	int ret;

	ret = wsheap_reserve(heap, MAX_PARTS * ALIGN(sizeof(*copy), WSHEAP_MIN_ALIGN),
			     GFP_KERNEL);
	if (ret)
		return ret;
	spin_lock(&queue->lock);
	list_for_each_entry(part, &queue->parts, node) {
		copy = wsheap_memdup(heap, part, sizeof(*part), GFP_ATOMIC);
		if (copy)	/* there is room for all of them */
			list_add_tail(&copy->node, copies);
	}
	spin_unlock(&queue->lock);
	return 0;
}

static bool room_ahead(void)
{
	struct wsheap *heap = wsheap_create(MAX_PARTS * sizeof(struct part), SZ_4K, NULL);
	struct part *part, parts[] = { { .data = 1 }, { .data = 2 } };
	struct queue queue;
	LIST_HEAD(copies);
	u32 sum = 0;
	size_t held;
	bool ok;

	if (IS_ERR(heap))
		return false;
	spin_lock_init(&queue.lock);
	INIT_LIST_HEAD(&queue.parts);
	list_add_tail(&parts[0].node, &queue.parts);
	list_add_tail(&parts[1].node, &queue.parts);
	ok = !copy_parts(heap, &queue, &copies);
	held = wsheap_actual_size(heap);
	list_for_each_entry(part, &copies, node)
		sum += part->data;
	/* Two of the parts are there, so the quota has less left. */
	ok = ok && sum == 3 && held &&
	     copy_parts(heap, &queue, &copies) == -EDQUOT &&
	     wsheap_alloc(heap, (MAX_PARTS - 2) * sizeof(*part), GFP_NOWAIT) &&
	     wsheap_actual_size(heap) == held;
	wsheap_destroy(heap);
	return ok;
}

static struct wsheap_pool *create_request_pool(void)
{
	const struct wsheap_args args = { .name = "request" };

	return wsheap_pool_create(SZ_64K, SZ_8K, &args, 0, 0);
}

static int packets;

static void handle_packet(const void *packet, size_t len)
{
	packets += !memcmp(packet, "packet", len);
}

/* Called in softirq for each packet. */
static int receive(struct wsheap_pool *pool, const void *packet, size_t len)
{
	struct wsheap *heap = wsheap_pool_alloc(pool, GFP_ATOMIC);
	void *copy;

	if (!heap)
		return -ENOMEM;
	copy = wsheap_memdup(heap, packet, len, GFP_ATOMIC);
	if (copy)
		handle_packet(copy, len);
	wsheap_pool_free(pool, heap);	/* ends the message, too */
	return copy ? 0 : -ENOMEM;
}

static bool many_messages(void)
{
	struct wsheap_pool *pool = create_request_pool();
	struct wsheap *heap;
	bool ok;

	if (IS_ERR(pool))
		return false;
	local_bh_disable();
	ok = !receive(pool, "packet", 7) && receive(pool, "", SZ_64K + 1) == -ENOMEM &&
	     packets == 1;
	local_bh_enable();
	heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	ok = ok && heap && !wsheap_requested_size(heap) && !wsheap_status(heap) &&
	     !strcmp(wsheap_name(heap), "request");
	wsheap_pool_put(heap);
	wsheap_pool_destroy(pool);
	return ok;
}

/* Four messages can always be written out, each with 2 KiB of blocks. */
static struct wsheap_pool *create_writeback_pool(void)
{
	const struct wsheap_args args = {
		.name = "writeback",
		.initial_size = SZ_2K,
	};

	return wsheap_pool_create(SZ_16K, SZ_4K, &args, 4, 0);
}

static bool a_reserve(void)
{
	const struct wsheap_args args = { .initial_size = SZ_4K };
	struct wsheap_pool *pool = wsheap_pool_create(SZ_16K, SZ_4K, &args, 4, 0);
	struct wsheap *heap;
	bool ok;

	/* A trim size that does not cover header and rounding. */
	if (pool != ERR_PTR(-EINVAL)) {
		wsheap_pool_destroy(pool);
		return false;
	}
	pool = create_writeback_pool();
	if (IS_ERR(pool))
		return false;
	heap = wsheap_pool_alloc(pool, GFP_NOIO);
	ok = heap && wsheap_actual_size(heap) == SZ_4K &&
	     wsheap_alloc(heap, SZ_2K, GFP_NOWAIT) && wsheap_actual_size(heap) == SZ_4K;
	wsheap_pool_free(pool, heap);
	wsheap_pool_destroy(pool);
	return ok;
}

struct peer {
	struct wsheap heap;
	u32 id;
};

static struct peer *new_peer(u32 id)
{
	struct peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	if (wsheap_init(&peer->heap, SZ_64K, SZ_8K, NULL)) {
		kfree(peer);
		return NULL;
	}
	peer->id = id;
	return peer;
}

static u32 peer_id(struct wsheap *heap)
{
	return container_of(heap, struct peer, heap)->id;
}

static void free_peer(struct peer *peer)
{
	wsheap_exit(&peer->heap);
	kfree(peer);
}

static bool a_heap_in_a_structure(void)
{
	struct peer *peer = new_peer(7);
	bool ok;

	if (!peer)
		return false;
	ok = wsheap_alloc(&peer->heap, 10, GFP_KERNEL) && peer_id(&peer->heap) == 7;
	free_peer(peer);
	return ok;
}

struct client {
	struct wsheap_group *group;
	struct wsheap *heap;
};

/* All clients together are bounded by @all, each one by 1 MiB. */
static int open_client(struct client *client, struct wsheap_group *all)
{
	struct wsheap_args args = { .name = "client" };

	client->group = wsheap_group_create("client", SZ_1M, all);
	if (IS_ERR(client->group))
		return PTR_ERR(client->group);
	args.group = client->group;
	client->heap = wsheap_create(SZ_64K, SZ_8K, &args);
	if (IS_ERR(client->heap)) {
		wsheap_group_destroy(client->group);
		return PTR_ERR(client->heap);
	}
	return 0;
}

static void close_client(struct client *client)
{
	wsheap_destroy(client->heap);
	wsheap_group_destroy(client->group);
}

static bool budgets(void)
{
	struct wsheap_group *all = wsheap_group_create("server", SZ_8K, NULL);
	struct wsheap_error err = { };
	struct client client;
	bool ok;

	if (IS_ERR(all))
		return false;
	ok = !open_client(&client, all);
	if (ok) {
		ok = wsheap_alloc(client.heap, 100, GFP_KERNEL) &&
		     wsheap_group_size(all) == wsheap_actual_size(client.heap) &&
		     wsheap_group_size(client.group) == wsheap_group_size(all) &&
		     !wsheap_alloc_err(client.heap, SZ_8K, GFP_KERNEL, &err) &&
		     err.code == -EDQUOT && err.limit == SZ_8K;
		close_client(&client);
	}
	ok = ok && !wsheap_group_size(all);
	wsheap_group_destroy(all);
	return ok;
}

struct device_state {
	struct wsheap *commands;
	struct wsheap *objects;
	struct wsheap_pool *packets;
};

static int probe(struct device *dev, struct device_state *state)
{
	state->commands = devm_wsheap_create(dev, SZ_64K, SZ_8K, NULL);
	if (IS_ERR(state->commands))
		return PTR_ERR(state->commands);
	state->objects = devm_wsheap_create_private(dev, 0, 0, SZ_1M, NULL);
	if (IS_ERR(state->objects))
		return PTR_ERR(state->objects);
	state->packets = devm_wsheap_pool_create(dev, SZ_64K, SZ_8K, NULL, 4, 0);
	return PTR_ERR_OR_ZERO(state->packets);
}

static int count_ours(struct wsheap *heap, void *data)
{
	*(int *)data += !strcmp(wsheap_name(heap), KBUILD_MODNAME);
	return 0;
}

static int nr_heaps(void)
{
	int n = 0;

	return wsheap_for_each(count_ours, &n) ?: n;
}

static bool devices(void)
{
	struct platform_device *dev;
	struct device_state state;
	int before = nr_heaps();
	bool ok;

	dev = platform_device_register_simple("wsheap-guide", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(dev))
		return false;
	ok = !probe(&dev->dev, &state) && wsheap_alloc(state.commands, 10, GFP_KERNEL) &&
	     wsheap_alloc(state.objects, 10, GFP_KERNEL) && nr_heaps() == before + 6;
	platform_device_unregister(dev);
	return ok && nr_heaps() == before;
}

struct counters {
	struct wsheap *heap;		/* a private one */
	u32 *row;
};

#ifdef DEFINE_FREE
static int count_packet(struct counters *counters, struct wsheap_pool *pool,
			const u8 *packet, size_t len)
{
	struct wsheap *heap __free(wsheap_pool_put) = wsheap_pool_alloc(pool, GFP_KERNEL);
	u8 *copy;

	if (!heap)
		return -ENOMEM;
	copy = wsheap_memdup(heap, packet, len, GFP_KERNEL);
	if (!copy)
		return wsheap_status(heap);
	guard(wsheap)(counters->heap);
	counters->row[*copy]++;
	return 0;
}

static int create_counters(struct counters *counters)
{
	struct wsheap *heap __free(wsheap) = wsheap_create_private(0, 0, 0);

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	counters->row = wsheap_calloc(heap, 256, sizeof(*counters->row), GFP_KERNEL);
	if (!counters->row)
		return -ENOMEM;		/* the heap ends here */
	counters->heap = no_free_ptr(heap);
	return 0;
}

static bool scopes(void)
{
	struct wsheap_pool *pool __free(wsheap_pool) = wsheap_pool_create(4, 0, NULL, 0, 0);
	struct counters counters;
	bool ok;

	if (IS_ERR(pool) || create_counters(&counters))
		return false;
	ok = !count_packet(&counters, pool, "ABC", 4) && counters.row['A'] == 1 &&
	     count_packet(&counters, pool, "ABCD", 5) == -EDQUOT &&
	     !wsheap_lock(counters.heap);
	if (ok)
		wsheap_unlock(counters.heap);
	wsheap_destroy(counters.heap);
	return ok;
}
#else
static bool scopes(void)
{
	return true;	/* the kernel has no <linux/cleanup.h> */
}
#endif

/* Several threads add to one report. */
static struct wsheap *create_report_heap(void)
{
	const struct wsheap_args args = {
		.name = "report",
		.flags = WSHEAP_SERIALIZE,
	};

	return wsheap_create(SZ_64K, SZ_8K, &args);
}

static bool more_than_one_caller(void)
{
	struct wsheap *heap = create_report_heap();
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = wsheap_alloc(heap, 10, GFP_KERNEL) && wsheap_requested_size(heap) == 10;
	wsheap_destroy(heap);
	return ok;
}

static int send_frame(struct device *dev, struct wsheap *heap, const void *data, size_t len)
{
	void *frame = wsheap_memdup(heap, data, len, GFP_KERNEL);
	dma_addr_t addr;

	if (!frame)
		return -ENOMEM;
	addr = dma_map_single(dev, frame, len, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, addr))
		return -EIO;
	/* The device reads the frame here. */
	dma_unmap_single(dev, addr, len, DMA_TO_DEVICE);
	return 0;
}

static struct wsheap *create_frame_heap(void)
{
	const struct wsheap_args args = {
		.name = "frame",
		.flags = WSHEAP_CONTIG,
	};

	return wsheap_create(SZ_64K, SZ_8K, &args);
}

static bool memory_for_dma(void)
{
	struct wsheap *heap = create_frame_heap();
	struct platform_device *dev;
	bool ok;

	if (IS_ERR(heap))
		return false;
	dev = platform_device_register_simple("wsheap-guide", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(dev)) {
		wsheap_destroy(heap);
		return false;
	}
	ok = !send_frame(&dev->dev, heap, "frame", 6) && wsheap_requested_size(heap) == 6;
	platform_device_unregister(dev);
	wsheap_destroy(heap);
	return ok;
}

/* It holds 16 KiB from the start, and never more than 1 MiB. */
static struct wsheap *create_object_heap(void)
{
	return wsheap_create_private(0, SZ_16K, SZ_1M);
}

static struct wsheap *create_named_heap(void)
{
	const struct wsheap_args args = { .name = "session" };

	return wsheap_create_private_args(WSHEAP_NO_SERIALIZE, 0, 0, &args);
}

static bool private_heaps(void)
{
	struct wsheap *heap = create_object_heap();
	struct wsheap *named = create_named_heap();
	bool ok = !IS_ERR(heap) && !IS_ERR(named) &&
		  wsheap_actual_size(heap) == PAGE_ALIGN(SZ_16K) &&
		  wsheap_trim_size(heap) == PAGE_ALIGN(SZ_16K) &&
		  wsheap_max_size(heap) == SZ_1M &&
		  !wsheap_alloc(heap, WSHEAP_FIXED_BLOCK_MAX + 1, GFP_KERNEL) &&
		  wsheap_status(heap) == -E2BIG &&
		  wsheap_max_size(named) == WSHEAP_UNLIMITED &&
		  wsheap_trim_size(named) == PAGE_SIZE &&
		  !strcmp(wsheap_name(named), "session") &&
		  wsheap_lock(named) == -EINVAL;

	wsheap_destroy(heap);
	wsheap_destroy(named);
	return ok;
}

struct text {
	char *buf;
};

static int append(struct wsheap *heap, struct text *text, const char *more)
{
	size_t old = wsheap_size(heap, text->buf);	/* 0 for NULL */
	size_t len = strlen(more);
	char *buf = wsheap_realloc(heap, text->buf, size_add(old, len), GFP_KERNEL);

	if (!buf)
		return wsheap_status(heap);	/* the text is as it was */
	memcpy(buf + old, more, len);
	text->buf = buf;
	return 0;
}

static void clear(struct wsheap *heap, struct text *text)
{
	wsheap_free(heap, text->buf);
	text->buf = NULL;
}

static bool resizing_and_freeing(void)
{
	struct wsheap *heap = create_object_heap();
	struct text text = { };
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = !append(heap, &text, "one") && !append(heap, &text, " and two") &&
	     wsheap_size(heap, text.buf) == 11 && !memcmp(text.buf, "one and two", 11) &&
	     wsheap_requested_size(heap) == 11 &&
	     wsheap_resize(heap, text.buf, 3, GFP_KERNEL) &&
	     wsheap_size(heap, text.buf) == 3;
	clear(heap, &text);
	ok = ok && !wsheap_requested_size(heap);
	clear(heap, &text);	/* NULL may be freed */
	wsheap_destroy(heap);
	return ok;
}

static int replace_row(struct counters *counters, size_t count)
{
	u32 *row;
	int ret = wsheap_lock(counters->heap);

	if (ret)
		return ret;
	row = wsheap_calloc(counters->heap, count, sizeof(*row), GFP_ATOMIC);
	if (row) {
		wsheap_free(counters->heap, counters->row);
		counters->row = row;
	}
	wsheap_unlock(counters->heap);
	return row ? 0 : -ENOMEM;
}

static bool holding_the_lock(void)
{
	struct counters counters = { .heap = create_object_heap() };
	bool ok;

	if (IS_ERR(counters.heap))
		return false;
	ok = !replace_row(&counters, 8) && !replace_row(&counters, 16) &&
	     wsheap_requested_size(counters.heap) == 64;
	wsheap_destroy(counters.heap);
	return ok;
}

/* Returns how many blocks a private heap has, or -errno. */
static int count_blocks(struct wsheap *heap)
{
	struct wsheap_walk_entry entry = { };
	int blocks = 0;
	int ret = wsheap_lock(heap);

	if (ret)
		return ret;
	while (!wsheap_walk(heap, &entry))
		blocks += entry.kind == WSHEAP_WALK_BUSY;
	wsheap_unlock(heap);
	return blocks;
}

static bool looking_inside(void)
{
	struct wsheap *heap = create_object_heap();
	void *p, *q;
	bool ok;

	if (IS_ERR(heap))
		return false;
	p = wsheap_alloc(heap, 10, GFP_KERNEL);
	q = wsheap_alloc(heap, 20, GFP_KERNEL);
	ok = p && q && count_blocks(heap) == 2 && wsheap_validate(heap, q) &&
	     wsheap_validate(heap, NULL);
	wsheap_free(heap, q);
	ok = ok && !wsheap_validate(heap, q) && count_blocks(heap) == 1 &&
	     wsheap_compact(heap) > SZ_8K;
	wsheap_destroy(heap);
	return ok;
}

static int add_held(struct wsheap *heap, void *data)
{
	struct wsheap_summary sum;

	wsheap_summary(heap, &sum);
	*(size_t *)data += sum.committed;
	return 0;
}

static size_t held_by_all_heaps(void)
{
	size_t held = 0;

	wsheap_for_each(add_held, &held);
	return held;
}

static bool all_heaps(void)
{
	struct wsheap *heap = create_object_heap();
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = held_by_all_heaps() >= SZ_16K;
	wsheap_destroy(heap);
	return ok;
}

static void count_refusal(struct wsheap *heap, const struct wsheap_error *err, void *data)
{
	if (err->code == -EDQUOT)
		atomic_inc(data);
}

static struct wsheap *create_counted_heap(atomic_t *refused)
{
	struct wsheap *heap = wsheap_create_private(WSHEAP_GENERATE_EXCEPTIONS, 0, SZ_64K);

	if (!IS_ERR(heap))
		wsheap_set_failure_handler(heap, count_refusal, refused);
	return heap;
}

static bool failures_that_are_raised(void)
{
	atomic_t refused = ATOMIC_INIT(0);
	struct wsheap *heap = create_counted_heap(&refused);
	bool ok;

	if (IS_ERR(heap))
		return false;
	ok = !wsheap_alloc(heap, SZ_64K, GFP_KERNEL) && atomic_read(&refused) == 1 &&
	     wsheap_alloc(heap, 100, GFP_KERNEL) && atomic_read(&refused) == 1;
	wsheap_destroy(heap);
	return ok;
}

static const struct {
	const char *name;
	bool (*works)(void);
} examples[] = {
	{ "messages of the README", messages_of_the_readme },
	{ "creating", creating },
	{ "taking", taking },
	{ "copies from user space", copies_from_user_space },
	{ "refused blocks", refused_blocks },
	{ "actions", actions },
	{ "blocks that grow", blocks_that_grow },
	{ "the end of a message", the_end_of_a_message },
	{ "how much to keep", how_much_to_keep },
	{ "figures", figures },
	{ "a quota for one message", a_quota_for_one_message },
	{ "room ahead", room_ahead },
	{ "many messages", many_messages },
	{ "a reserve", a_reserve },
	{ "a heap in a structure", a_heap_in_a_structure },
	{ "budgets", budgets },
	{ "devices", devices },
	{ "scopes", scopes },
	{ "more than one caller", more_than_one_caller },
	{ "memory for DMA", memory_for_dma },
	{ "private heaps", private_heaps },
	{ "resizing and freeing", resizing_and_freeing },
	{ "holding the lock", holding_the_lock },
	{ "looking inside", looking_inside },
	{ "all heaps", all_heaps },
	{ "failures that are raised", failures_that_are_raised },
};

static int __init guide_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		if (!examples[i].works()) {
			pr_err("%s: not as the guide says\n", examples[i].name);
			return -EINVAL;
		}
		pr_info("%s: ok\n", examples[i].name);
	}
	return 0;
}

static void __exit guide_exit(void)
{
}

module_init(guide_init);
module_exit(guide_exit);

MODULE_DESCRIPTION("The examples of the guide");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
