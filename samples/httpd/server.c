// SPDX-License-Identifier: GPL-2.0
/*
 * A small HTTP/1.1 server, to show a driver that handles messages from
 * strangers with wsheap.
 *
 * Each message has a heap, and on it lies all that belongs to it: the request
 * line, fields and content as they are parsed, and the reply. Nothing of a
 * message is freed piece by piece, on no path; when the reply is sent, or the
 * request refused, the heap goes back to the pool that it was taken from with
 * the first byte. A connection without a message has none. What a client can
 * make the server hold is the heap's quota, so the parser has no limit of its
 * own for the number or length of fields, nor for the content.
 *
 * What clients make the server hold together is bounded, too: each client address
 * has a group, whose budget is a share of that for all. A client that asks for more
 * gets 503, and the others are served.
 *
 * No thread belongs to a connection. The socket's callbacks queue its work,
 * which goes on from where the bytes ran out the last time; a client that is
 * slow or gone costs its slot until the deadline and nothing else.
 *
 * Here are the sockets and the reply. http.c has the parser.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/in.h>
#include <linux/inet.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/stdarg.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "http.h"
#include "wsheap.h"

static char *address = "0.0.0.0";
module_param(address, charp, 0444);
MODULE_PARM_DESC(address, "IPv4 address to listen on (default: all)");

static unsigned short port = 8080;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "TCP port to listen on");

static unsigned long max_size = 65536;
module_param(max_size, ulong, 0444);
MODULE_PARM_DESC(max_size, "bytes that a message and its reply may ask for");

static unsigned long trim_size = 8192;
module_param(trim_size, ulong, 0444);
MODULE_PARM_DESC(trim_size, "bytes that a heap may keep between messages");

static unsigned long budget = 32 << 20;
module_param(budget, ulong, 0444);
MODULE_PARM_DESC(budget, "bytes that all messages may hold together");

static unsigned long share = 8 << 20;
module_param(share, ulong, 0444);
MODULE_PARM_DESC(share, "bytes of them for the messages of one client address");

static unsigned int max_connections = 1024;
module_param(max_connections, uint, 0444);
MODULE_PARM_DESC(max_connections, "connections served at once; others get 503");

static bool verbose;
module_param(verbose, bool, 0644);
MODULE_PARM_DESC(verbose, "log what each message asked, held and left");

/* For a whole message, for the next one to begin, for a closing client. */
#define MESSAGE_TIMEOUT	(10 * HZ)
#define IDLE_TIMEOUT	(15 * HZ)
#define LINGER_TIMEOUT	HZ

/* What a closing client may still send. */
#define LINGER_MAX	SZ_1M

/* Clients that are turned away, and waited for. Others may lose the 503. */
#define TURNED_AWAY_MAX	64

/* The listener tries again after this if there is no memory for a socket. */
#define ACCEPT_DELAY	(HZ / 10)

/* A connection lets others have their turn after this many messages. */
#define MESSAGES_A_TURN	16

/* So does the listener, after this many connections. */
#define ACCEPTS_A_TURN	64

enum state { RECEIVE, CONTINUE, REPLY, LINGER };

/* All connections from one address. */
struct client {
	struct list_head node;		/* protected by clients_lock */
	unsigned int connections;	/* protected by clients_lock */
	__be32 address;
	struct wsheap_group *group;
	struct wsheap_pool *pool;
};

struct connection {
	struct list_head node;		/* protected by connections_lock */
	struct socket *sock;
	struct client *client;		/* NULL if turned away */
	bool turned_away;		/* not served, but told so */
	struct work_struct work;	/* all below is the work's alone */
	struct wsheap *heap;		/* the message's; NULL between two */
	enum state state;
	bool begun;			/* bytes of the message have come */
	unsigned long deadline;		/* jiffies; read by the sweep */
	void (*data_ready)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*write_space)(struct sock *sk);

	struct http_request request;

	/* What is on its way: @head alone, or on the heap it and the content. */
	struct kvec *iov;
	unsigned int nr_iov;
	size_t left;
	struct kvec head_iov;
	char head[HTTP_HEAD_SIZE];

	size_t lingered;		/* bytes read since the last reply */
	unsigned int start, end;	/* unread bytes in buf */
	char buf[HTTP_LINE_MAX];
};

static struct workqueue_struct *httpd_wq;
static struct wsheap_group *everybody;
static struct socket *listener;
static void (*listener_data_ready)(struct sock *sk);

static DEFINE_SPINLOCK(connections_lock);
static LIST_HEAD(connections);
static unsigned int nr_connections;	/* those that are served */
static unsigned int nr_turned_away;
static bool stopping;
static DECLARE_WAIT_QUEUE_HEAD(all_closed);

/* Held while a client comes or goes, which sleeps. */
static DEFINE_MUTEX(clients_lock);
static LIST_HEAD(clients);

/*
 * Clients.
 */

static void client_destroy(struct client *client)
{
	wsheap_pool_destroy(client->pool);
	wsheap_group_destroy(client->group);
	kfree(client);
}

static struct client *client_create(__be32 address)
{
	/* One large upload is not to be paid for by all that come after. */
	struct wsheap_args args = {
		.name = KBUILD_MODNAME,
		.flags = WSHEAP_ADAPTIVE,
	};
	struct client *client = kzalloc(sizeof(*client), GFP_KERNEL);

	if (!client)
		return NULL;
	client->address = address;
	client->group = wsheap_group_create(KBUILD_MODNAME, share, everybody);
	args.group = client->group;
	client->pool = IS_ERR(client->group) ? ERR_CAST(client->group) :
		       wsheap_pool_create(max_size, trim_size, &args, 0, 0);
	if (IS_ERR(client->pool)) {
		client_destroy(client);
		return NULL;
	}
	return client;
}

/* The client that a socket is connected with, or NULL if there is no memory. */
static struct client *client_get(const struct socket *sock)
{
	__be32 address = inet_sk(sock->sk)->inet_daddr;
	struct client *client;

	mutex_lock(&clients_lock);
	list_for_each_entry(client, &clients, node)
		if (client->address == address)
			goto found;
	client = client_create(address);
	if (client)
		list_add(&client->node, &clients);
found:
	if (client)
		client->connections++;
	mutex_unlock(&clients_lock);
	return client;
}

static void client_put(struct client *client)
{
	bool last;

	if (!client)
		return;
	mutex_lock(&clients_lock);
	last = !--client->connections;
	if (last)
		list_del(&client->node);
	mutex_unlock(&clients_lock);
	if (last)
		client_destroy(client);
}

/*
 * Messages.
 */

static void await_message(struct connection *conn)
{
	conn->state = RECEIVE;
	conn->begun = false;
	conn->iov = NULL;
	WRITE_ONCE(conn->deadline, jiffies + IDLE_TIMEOUT);
}

/* The first byte has come. */
static void begin_message(struct connection *conn)
{
	conn->begun = true;
	WRITE_ONCE(conn->deadline, jiffies + MESSAGE_TIMEOUT);
	conn->heap = wsheap_pool_alloc(conn->client->pool, GFP_KERNEL);
	http_request_init(&conn->request, conn->heap);
}

/* All of the message goes, and the heap to whom has the next one. */
static void end_message(struct connection *conn)
{
	size_t asked, held;

	if (!conn->heap)
		return;
	asked = wsheap_requested_size(conn->heap);
	held = wsheap_actual_size(conn->heap);
	if (verbose) {
		/* The pool would do this; here it can still be looked at. */
		wsheap_reset(conn->heap);
		pr_info("status %u: asked %zu, held %zu, retained %zu\n",
			conn->request.status ?: 200, asked, held,
			wsheap_actual_size(conn->heap));
	}
	wsheap_pool_put(conn->heap);
	conn->heap = NULL;
}

/*
 * The reply.
 */

/* A reply in the making. It grows on the message's heap as its newest block. */
struct text {
	struct http_request *req;
	char *s;
	size_t length;
};

/* A failure sets the status, and nothing more is added. */
static __printf(2, 3) void add(struct text *text, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;
	int ret;

	if (text->req->status)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	ret = wsheap_appendf(text->req->heap, &text->s, &text->length, GFP_KERNEL,
			     "%pV", &vaf);
	va_end(args);
	if (!ret)
		return;
	va_start(args, fmt);
	http_refuse_memory(text->req, vsnprintf(NULL, 0, fmt, args));
	va_end(args);
}

/* The string as JSON has it, bytes beyond ASCII taken for Latin-1. */
static void add_json(struct text *text, const char *s)
{
	add(text, "\"");
	while (*s) {
		size_t plain = 0;

		while (isascii(s[plain]) && isprint(s[plain]) &&
		       s[plain] != '"' && s[plain] != '\\')
			plain++;
		if (plain)
			add(text, "%.*s", (int)plain, s);
		s += plain;
		if (!*s)
			break;
		if (*s == '"' || *s == '\\')
			add(text, "\\%c", *s);
		else
			add(text, "\\u%04x", (unsigned char)*s);
		s++;
	}
	add(text, "\"");
}

/* What came, and what it cost, as JSON. Leaves the first kvec to the head. */
static void build_content(struct connection *conn)
{
	size_t asked = wsheap_requested_size(conn->heap);
	size_t held = wsheap_actual_size(conn->heap);
	struct http_request *req = &conn->request;
	struct text text = { .req = req };
	struct http_field *field;
	const char *comma = "";

	conn->iov = http_alloc(req, 2 * sizeof(*conn->iov));
	add(&text, "{\"method\": ");
	add_json(&text, req->method);
	add(&text, ", \"path\": ");
	add_json(&text, req->target);
	add(&text, ", \"headers\": [");
	list_for_each_entry(field, &req->fields, node) {
		add(&text, "%s{\"name\": ", comma);
		add_json(&text, field->name);
		add(&text, ", \"value\": ");
		add_json(&text, field->value);
		add(&text, "}");
		comma = ", ";
	}
	add(&text, "], \"body_length\": %zu, \"heap\": {", req->content_length);
	add(&text, "\"max_size\": %zu, \"trim_size\": %zu, ",
	    wsheap_max_size(conn->heap), wsheap_trim_size(conn->heap));
	add(&text, "\"requested_size\": %zu, \"actual_size\": %zu}}\n", asked,
	    held);
	if (req->status)
		return;
	conn->iov[1].iov_base = text.s;
	conn->iov[1].iov_len = text.length;
	conn->nr_iov = 2;
	conn->left = text.length;
}

static void build_reply(struct connection *conn)
{
	struct http_request *req = &conn->request;

	conn->left = 0;
	if (!req->status)
		build_content(conn);
	if (req->status) {
		/* A refusal lies outside the heap, which may be full. */
		conn->iov = &conn->head_iov;
		conn->nr_iov = 1;
		conn->left = 0;
	}
	conn->iov->iov_base = conn->head;
	conn->iov->iov_len = http_head(conn->head, req->status ?: 200,
				       req->keep_alive, conn->left,
				       ktime_get_real_seconds());
	if (!req->status && !strcmp(req->method, "HEAD")) {
		conn->nr_iov = 1;
		conn->left = 0;
	}
	conn->left += conn->iov->iov_len;
}

/* Tells a client that waits with its content to send it. */
static void build_continue(struct connection *conn)
{
	conn->left = strscpy(conn->head, "HTTP/1.1 100 Continue\r\n\r\n",
			     sizeof(conn->head));
	conn->head_iov.iov_base = conn->head;
	conn->head_iov.iov_len = conn->left;
	conn->iov = &conn->head_iov;
	conn->nr_iov = 1;
}

/*
 * Sockets. -EAGAIN says that the work ends here and a callback queues it again.
 */

static int receive(struct connection *conn, void *to, size_t size)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct kvec iov = { .iov_base = to, .iov_len = size };
	int ret = kernel_recvmsg(conn->sock, &msg, &iov, 1, size, MSG_DONTWAIT);

	return ret ?: -ECONNRESET;
}

/* Feeds the parser: with the bytes at hand, or if it wants more, with more. */
static int receive_request(struct connection *conn)
{
	unsigned int have = conn->end - conn->start;
	char *from = conn->buf + conn->start;
	size_t used;
	int ret;

	if (have) {
		if (!conn->begun)
			begin_message(conn);
		used = http_parse(&conn->request, from, have);
		conn->start += used;
		if (conn->request.state == HTTP_DONE) {
			conn->state = REPLY;
			return 0;
		}
		if (conn->request.wants_continue) {
			conn->request.wants_continue = false;
			build_continue(conn);
			conn->state = CONTINUE;
			return 0;
		}
		if (used)
			return 0;
	}
	/* There is room: a line that fills the buffer is refused. */
	memmove(conn->buf, from, have);
	conn->start = 0;
	conn->end = have;
	ret = receive(conn, conn->buf + have, sizeof(conn->buf) - have);
	if (ret < 0)
		return ret;
	conn->end += ret;
	return 0;
}

static int send_built(struct connection *conn)
{
	while (conn->left) {
		struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
		int ret = kernel_sendmsg(conn->sock, &msg, conn->iov,
					 conn->nr_iov, conn->left);

		if (ret < 0)
			return ret;
		conn->left -= ret;
		while (conn->nr_iov && ret >= conn->iov->iov_len) {
			ret -= conn->iov->iov_len;
			conn->iov++;
			conn->nr_iov--;
		}
		if (ret) {
			conn->iov->iov_base += ret;
			conn->iov->iov_len -= ret;
		}
	}
	conn->iov = NULL;
	return 0;
}

/*
 * Connections.
 */

/* Does what can be done now: 0 after a whole message, else why it stops. */
static int advance(struct connection *conn)
{
	int ret;

	for (;;) {
		/* A fast client keeps the work here, but not for ever. */
		if (time_after(jiffies, conn->deadline))
			return -ETIMEDOUT;
		cond_resched();

		switch (conn->state) {
		case RECEIVE:
			ret = receive_request(conn);
			if (ret < 0)
				return ret;
			break;
		case CONTINUE:
			ret = send_built(conn);
			if (ret < 0)
				return ret;
			conn->state = RECEIVE;
			break;
		case REPLY:
			if (!conn->iov)
				build_reply(conn);
			ret = send_built(conn);
			if (ret < 0)
				return ret;
			end_message(conn);
			if (conn->request.keep_alive) {
				await_message(conn);
				return 0;
			}
			/*
			 * Closed with bytes unread, the client might lose the
			 * reply: wait until it has closed, too.
			 */
			kernel_sock_shutdown(conn->sock, SHUT_WR);
			conn->state = LINGER;
			WRITE_ONCE(conn->deadline, jiffies + LINGER_TIMEOUT);
			break;
		case LINGER:
			ret = receive(conn, conn->buf, sizeof(conn->buf));
			if (ret < 0)
				return ret;
			conn->lingered += ret;
			if (conn->lingered > LINGER_MAX)
				return -EMSGSIZE;
			break;
		}
	}
}

/* A place among those that are served, or else among those turned away. */
static bool take_place(bool *turned_away)
{
	bool found = false;

	spin_lock(&connections_lock);
	*turned_away = nr_connections >= max_connections;
	if (!*turned_away) {
		nr_connections++;
		found = true;
	} else if (nr_turned_away < TURNED_AWAY_MAX) {
		nr_turned_away++;
		found = true;
	}
	spin_unlock(&connections_lock);
	return found;
}

static void leave_place(bool turned_away)
{
	spin_lock(&connections_lock);
	if (turned_away)
		nr_turned_away--;
	else
		nr_connections--;
	if (!nr_connections && !nr_turned_away)
		wake_up(&all_closed);
	spin_unlock(&connections_lock);
}

static void connection_close(struct connection *conn)
{
	struct sock *sk = conn->sock->sk;
	bool turned_away = conn->turned_away;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = conn->data_ready;
	sk->sk_state_change = conn->state_change;
	sk->sk_write_space = conn->write_space;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);

	spin_lock(&connections_lock);
	list_del(&conn->node);
	spin_unlock(&connections_lock);

	/* From here on nobody queues the work. */
	cancel_work(&conn->work);
	sock_release(conn->sock);
	wsheap_pool_put(conn->heap);
	client_put(conn->client);
	kfree(conn);
	leave_place(turned_away);
}

static void connection_work(struct work_struct *work)
{
	struct connection *conn = container_of(work, struct connection, work);
	int messages, ret = 0;

	for (messages = 0; !ret && messages < MESSAGES_A_TURN; messages++)
		ret = advance(conn);
	if (!ret)
		queue_work(httpd_wq, &conn->work);
	if ((ret && ret != -EAGAIN) || READ_ONCE(stopping))
		connection_close(conn);
}

static void connection_event(struct sock *sk)
{
	struct connection *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn)
		queue_work(httpd_wq, &conn->work);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void sweep_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(sweep, sweep_fn);

/* Wakes those that are late: their own work closes them. */
static void sweep_fn(struct work_struct *work)
{
	struct connection *conn;

	spin_lock(&connections_lock);
	list_for_each_entry(conn, &connections, node)
		if (time_after(jiffies, READ_ONCE(conn->deadline)))
			queue_work(httpd_wq, &conn->work);
	spin_unlock(&connections_lock);
	queue_delayed_work(httpd_wq, &sweep, HZ);
}

/* Tells a client that has no connection. */
static void turn_away(struct socket *sock)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	char head[HTTP_HEAD_SIZE];
	struct kvec iov = {
		.iov_base = head,
		.iov_len = http_head(head, 503, false, 0,
				     ktime_get_real_seconds()),
	};

	kernel_sendmsg(sock, &msg, &iov, 1, iov.iov_len);
	sock_release(sock);
}

static void connection_open(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct connection *conn;
	bool turned_away;

	/* The listener's callback came along with the socket. */
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = listener_data_ready;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);

	if (!take_place(&turned_away))
		return turn_away(sock);
	conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	if (!conn) {
		leave_place(turned_away);
		return turn_away(sock);
	}
	conn->sock = sock;
	conn->turned_away = turned_away;
	if (!turned_away)
		conn->client = client_get(sock);
	INIT_WORK(&conn->work, connection_work);
	await_message(conn);
	if (!conn->client) {
		/* A message that has no heap is refused with 503. */
		http_request_init(&conn->request, NULL);
		conn->state = REPLY;
		WRITE_ONCE(conn->deadline, jiffies + LINGER_TIMEOUT);
	}

	/*
	 * The work may run as soon as a callback or the sweep can queue it. If
	 * it closes the connection, it waits for this lock, until all is set.
	 */
	spin_lock(&connections_lock);
	write_lock_bh(&sk->sk_callback_lock);
	conn->data_ready = sk->sk_data_ready;
	conn->state_change = sk->sk_state_change;
	conn->write_space = sk->sk_write_space;
	sk->sk_user_data = conn;
	sk->sk_data_ready = connection_event;
	sk->sk_state_change = connection_event;
	sk->sk_write_space = connection_event;
	write_unlock_bh(&sk->sk_callback_lock);
	list_add(&conn->node, &connections);
	/* For what came before the callbacks. */
	queue_work(httpd_wq, &conn->work);
	spin_unlock(&connections_lock);
}

static void accept_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(accept_work, accept_fn);

static void accept_fn(struct work_struct *work)
{
	struct socket *sock;
	int i, ret;

	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		ret = kernel_accept(listener, &sock, O_NONBLOCK);
		if (ret == -EAGAIN)
			return;
		if (ret) {
			/* The client stays queued, and no callback tells so. */
			queue_delayed_work(httpd_wq, &accept_work, ACCEPT_DELAY);
			return;
		}
		connection_open(sock);
	}
	queue_delayed_work(httpd_wq, &accept_work, 0);
}

static void listener_event(struct sock *sk)
{
	/* A socket not accepted yet comes here, too, and may come late. */
	read_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data && sk->sk_state == TCP_LISTEN)
		queue_delayed_work(httpd_wq, &accept_work, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void listener_close(void)
{
	struct sock *sk = listener->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = listener_data_ready;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
	cancel_delayed_work_sync(&accept_work);
	sock_release(listener);
}

static int listener_open(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	struct sock *sk;
	int ret;

	if (!in4_pton(address, -1, (u8 *)&addr.sin_addr.s_addr, -1, NULL))
		return -EINVAL;
	ret = sock_create_kern(&init_net, PF_INET, SOCK_STREAM, IPPROTO_TCP,
			       &listener);
	if (ret)
		return ret;
	sk = listener->sk;
	sk->sk_reuse = SK_CAN_REUSE;
	/* From 6.19 on this is no struct sockaddr. */
	ret = kernel_bind(listener, (void *)&addr, sizeof(addr));
	if (ret) {
		sock_release(listener);
		return ret;
	}
	write_lock_bh(&sk->sk_callback_lock);
	listener_data_ready = sk->sk_data_ready;
	sk->sk_data_ready = listener_event;
	sk->sk_user_data = listener;
	write_unlock_bh(&sk->sk_callback_lock);

	ret = kernel_listen(listener, SOMAXCONN);
	if (ret)
		listener_close();
	return ret;
}

static int __init httpd_init(void)
{
	int ret;

	httpd_wq = alloc_workqueue("httpd", WQ_UNBOUND, 0);
	if (!httpd_wq)
		return -ENOMEM;
	everybody = wsheap_group_create("httpd-all", budget, NULL);
	if (IS_ERR(everybody)) {
		ret = PTR_ERR(everybody);
		goto no_group;
	}
	ret = listener_open();
	if (ret) {
		pr_err("cannot listen on %s port %u: error %d\n", address, port,
		       ret);
		goto no_listener;
	}
	queue_delayed_work(httpd_wq, &sweep, HZ);
	pr_info("serving on %s port %u: max_size %lu, trim_size %lu\n", address,
		port, max_size, trim_size);
	return 0;

no_listener:
	wsheap_group_destroy(everybody);
no_group:
	destroy_workqueue(httpd_wq);
	return ret;
}

static void __exit httpd_exit(void)
{
	struct connection *conn;

	listener_close();
	cancel_delayed_work_sync(&sweep);

	spin_lock(&connections_lock);
	WRITE_ONCE(stopping, true);
	list_for_each_entry(conn, &connections, node)
		queue_work(httpd_wq, &conn->work);
	spin_unlock(&connections_lock);
	wait_event(all_closed, !READ_ONCE(nr_connections) &&
		   !READ_ONCE(nr_turned_away));

	destroy_workqueue(httpd_wq);
	wsheap_group_destroy(everybody);
	pr_info("stopped\n");
}

module_init(httpd_init);
module_exit(httpd_exit);

MODULE_DESCRIPTION("A small HTTP/1.1 server on wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
