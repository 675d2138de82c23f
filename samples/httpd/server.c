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
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/stdarg.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
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

struct connection {
	struct list_head node;		/* protected by connections_lock */
	struct socket *sock;
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
static struct wsheap_pool *pool;
static struct socket *listener;
static void (*listener_data_ready)(struct sock *sk);

static DEFINE_SPINLOCK(connections_lock);
static LIST_HEAD(connections);
static unsigned int nr_connections;	/* those that are served */
static unsigned int nr_turned_away;
static bool stopping;
static DECLARE_WAIT_QUEUE_HEAD(all_closed);

/*
 * Messages.
 */

static size_t property(struct connection *conn, enum wsheap_property_id id)
{
	size_t value = 0;

	wsheap_get_property(conn->heap, id, &value, sizeof(value));
	return value;
}

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
	conn->heap = wsheap_pool_alloc(pool, GFP_KERNEL);
	http_request_init(&conn->request, conn->heap);
}

/* All of the message goes, and the heap to whom has the next one. */
static void end_message(struct connection *conn)
{
	size_t asked, held;

	if (!conn->heap)
		return;
	asked = property(conn, WSHEAP_PROPERTY_REQUESTED_SIZE);
	held = property(conn, WSHEAP_PROPERTY_ACTUAL_SIZE);
	if (verbose) {
		/* The pool would do this; here it can still be looked at. */
		wsheap_reset(conn->heap);
		pr_info("status %u: asked %zu, held %zu, retained %zu\n",
			conn->request.status ?: 200, asked, held,
			property(conn, WSHEAP_PROPERTY_ACTUAL_SIZE));
	}
	wsheap_pool_free(pool, conn->heap);
	conn->heap = NULL;
}

/*
 * The reply.
 */

/* As wsheap_asprintf(), but a failure sets the status. */
static __printf(2, 3) char *format(struct http_request *req, const char *fmt,
				   ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	text = http_alloc(req, len + 1);
	if (!text)
		return NULL;
	va_start(args, fmt);
	vsnprintf(text, len + 1, fmt, args);
	va_end(args);
	return text;
}

/* The string as JSON has it, bytes beyond ASCII taken for Latin-1. */
static char *json(struct http_request *req, const char *s)
{
	size_t size = 3;
	const char *p;
	char *text, *to;

	for (p = s; *p; p++)
		size += isascii(*p) && isprint(*p) ? 1 + (*p == '"' || *p == '\\') : 6;
	text = http_alloc(req, size);
	if (!text)
		return NULL;
	to = text;
	*to++ = '"';
	for (p = s; *p; p++) {
		if (!isascii(*p) || !isprint(*p)) {
			to += sprintf(to, "\\u%04x", (unsigned char)*p);
			continue;
		}
		if (*p == '"' || *p == '\\')
			*to++ = '\\';
		*to++ = *p;
	}
	*to++ = '"';
	*to = '\0';
	return text;
}

/* A @text that is NULL has set the status. */
static void add(struct connection *conn, char *text)
{
	struct kvec *iov = &conn->iov[conn->nr_iov];

	if (!text)
		return;
	iov->iov_base = text;
	iov->iov_len = strlen(text);
	conn->left += iov->iov_len;
	conn->nr_iov++;
}

/* What came, and what it cost, as JSON. Leaves the first kvec to the head. */
static void build_content(struct connection *conn)
{
	size_t asked = property(conn, WSHEAP_PROPERTY_REQUESTED_SIZE);
	size_t held = property(conn, WSHEAP_PROPERTY_ACTUAL_SIZE);
	struct http_request *req = &conn->request;
	struct http_field *field;
	const char *comma = "";

	/* the head, five pieces before the fields, one each, one behind */
	conn->iov = http_alloc(req, array_size(7 + (size_t)req->nr_fields,
					       sizeof(*conn->iov)));
	if (!conn->iov)
		return;
	conn->nr_iov = 1;
	add(conn, "{\"method\": ");
	add(conn, json(req, req->method));
	add(conn, ", \"path\": ");
	add(conn, json(req, req->target));
	add(conn, ", \"headers\": [");
	list_for_each_entry(field, &req->fields, node) {
		char *name = json(req, field->name);
		char *value = json(req, field->value);

		if (req->status)
			return;
		add(conn, format(req, "%s{\"name\": %s, \"value\": %s}", comma,
				 name, value));
		comma = ", ";
	}
	add(conn, format(req,
			 "], \"body_length\": %zu, \"heap\": {\"max_size\": %zu, \"trim_size\": %zu, \"requested_size\": %zu, \"actual_size\": %zu}}\n",
			 req->content_length,
			 property(conn, WSHEAP_PROPERTY_MAX_SIZE),
			 property(conn, WSHEAP_PROPERTY_TRIM_SIZE), asked, held));
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
	wsheap_pool_free(pool, conn->heap);
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
	INIT_WORK(&conn->work, connection_work);
	await_message(conn);
	if (turned_away) {
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
	/* One large upload is not to be paid for by all that come after. */
	static const struct wsheap_args args = {
		.name = KBUILD_MODNAME,
		.flags = WSHEAP_ADAPTIVE,
	};
	int ret;

	httpd_wq = alloc_workqueue("httpd", WQ_UNBOUND, 0);
	if (!httpd_wq)
		return -ENOMEM;
	pool = wsheap_pool_create(max_size, trim_size, &args, 0, 0);
	if (IS_ERR(pool)) {
		ret = PTR_ERR(pool);
		goto no_pool;
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
	wsheap_pool_destroy(pool);
no_pool:
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
	wsheap_pool_destroy(pool);
	pr_info("stopped\n");
}

module_init(httpd_init);
module_exit(httpd_exit);

MODULE_DESCRIPTION("A small HTTP/1.1 server on wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
