// SPDX-License-Identifier: GPL-2.0
/*
 * A small HTTP/1.1 server, to show a driver that handles messages from
 * strangers with wsheap.
 *
 * Each message has a heap, and on it lies all that belongs to it: the request
 * line, headers and body as they are parsed, and the reply. Nothing of a
 * message is freed piece by piece, on no path; when the reply is sent, or the
 * request refused, the heap goes back to the pool that it was taken from with
 * the first byte. A connection without a message has none. What a client can
 * make the server hold is the heap's quota, so the parser has no limit of its
 * own for the number or length of headers, nor for the body.
 *
 * No thread belongs to a connection. The socket's callbacks queue its work,
 * which goes on from where the bytes ran out the last time; a client that is
 * slow or gone costs its slot until the deadline and nothing else.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/in.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "wsheap.h"

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

/* A line has to fit here before it is copied to the heap. */
#define LINE_MAX	(7 * 1024)

/* A refused request's body up to this size is read away, to go on after it. */
#define SKIP_MAX	65536

/* A connection lets others have their turn after this many messages. */
#define MESSAGES_A_TURN	16

/* So does the listener, after this many connections. */
#define ACCEPTS_A_TURN	64

struct header {
	struct list_head node;
	char *name;
	char *value;
};

/* A message. All of it lies on the connection's heap. */
struct request {
	char *method;
	char *path;
	struct list_head headers;
	unsigned int nr_headers;
	char *body;
	struct kvec *reply;
	unsigned int nr_reply;
};

enum state { HEAD, BODY, SKIP, REPLY, LINGER };

struct connection {
	struct list_head node;		/* protected by connections_lock */
	struct socket *sock;
	struct work_struct work;	/* all below is the work's alone */
	struct wsheap *heap;		/* the message's; NULL between two */
	enum state state;
	bool begun;			/* bytes of the message have come */
	unsigned long deadline;		/* jiffies; read by the sweep */
	void (*data_ready)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*write_space)(struct sock *sk);

	/* What the framing needs, also when the heap refused the message. */
	struct request *request;
	unsigned int status;
	unsigned int minor;
	bool keep_alive;
	bool expects_continue;
	unsigned int hosts;
	bool has_length;
	size_t length;			/* of the body */
	size_t got;			/* of the body, so far */

	/* The reply on its way: kvecs of the request, or of the refusal. */
	struct kvec *iov;
	unsigned int nr_iov;
	size_t left;
	struct kvec refusal_iov;
	char refusal[160];

	unsigned int start, end;	/* unread bytes in buf */
	char buf[LINE_MAX];
};

static struct workqueue_struct *httpd_wq;
static struct wsheap_pool *pool;
static struct socket *listener;
static void (*listener_data_ready)(struct sock *sk);

static DEFINE_SPINLOCK(connections_lock);
static LIST_HEAD(connections);
static unsigned int nr_connections;
static bool stopping;
static DECLARE_WAIT_QUEUE_HEAD(all_closed);

static const char *reason(unsigned int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 411: return "Length Required";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 505: return "HTTP Version Not Supported";
	default: return "Service Unavailable";
	}
}

/* The message cannot be served. The first reason is the one to be told. */
static void refuse(struct connection *conn, unsigned int status)
{
	if (!conn->status)
		conn->status = status;
}

/* The bytes that follow cannot be told apart: no further message. */
static void refuse_and_close(struct connection *conn, unsigned int status)
{
	refuse(conn, status);
	conn->keep_alive = false;
}

static size_t property(struct connection *conn, enum wsheap_property_id id)
{
	size_t value = 0;

	wsheap_get_property(conn->heap, id, &value, sizeof(value));
	return value;
}

/* All of the message goes, and the heap to whom has the next one. */
static void end_message(struct connection *conn)
{
	size_t asked, held;

	if (!conn->heap)
		return;
	asked = property(conn, WSHEAP_PROPERTY_REQUESTED_SIZE);
	held = property(conn, WSHEAP_PROPERTY_ACTUAL_SIZE);
	if (verbose && conn->iov) {
		/* The pool would do this; here it can still be looked at. */
		wsheap_reset(conn->heap);
		pr_info("status %u: asked %zu, held %zu, retained %zu\n",
			conn->status ?: 200, asked, held,
			property(conn, WSHEAP_PROPERTY_ACTUAL_SIZE));
	}
	wsheap_pool_free(pool, conn->heap);
	conn->heap = NULL;
}

static void await_message(struct connection *conn)
{
	conn->state = HEAD;
	conn->begun = false;
	WRITE_ONCE(conn->deadline, jiffies + IDLE_TIMEOUT);
	conn->request = NULL;
	conn->status = 0;
	conn->minor = 1;
	conn->keep_alive = true;
	conn->expects_continue = false;
	conn->hosts = 0;
	conn->has_length = false;
	conn->length = 0;
	conn->got = 0;
	conn->iov = NULL;
}

/*
 * Parsing. A line is cut in place in the connection's buffer, and what is to
 * stay is copied to the heap.
 */

static bool is_token(const char *s)
{
	const char *p;

	for (p = s; *p; p++)
		if (!(isascii(*p) && isalnum(*p)) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	return p > s;
}

static bool is_text(const char *s)
{
	for (; *s; s++)
		if (iscntrl(*s) && *s != '\t')
			return false;
	return true;
}

static void parse_request_line(struct connection *conn, char *line)
{
	char *method = strsep(&line, " ");
	char *path = strsep(&line, " ");
	struct request *request;

	if (!path || !line || !is_token(method) || !*path ||
	    !is_text(path) || strchr(path, '\t') || strncmp(line, "HTTP/", 5) ||
	    !isdigit(line[5]) || line[6] != '.' || !isdigit(line[7]) || line[8])
		return refuse_and_close(conn, 400);
	if (line[5] != '1')
		return refuse_and_close(conn, 505);
	conn->minor = line[7] - '0';
	conn->keep_alive = conn->minor > 0;

	request = wsheap_zalloc(conn->heap, sizeof(*request), GFP_KERNEL);
	if (!request)
		return refuse_and_close(conn, 431);
	conn->request = request;
	INIT_LIST_HEAD(&request->headers);
	request->method = wsheap_strdup(conn->heap, method, GFP_KERNEL);
	request->path = wsheap_strdup(conn->heap, path, GFP_KERNEL);
	if (!request->method || !request->path)
		refuse(conn, 431);
}

/* Whether a list such as "close, upgrade" has the word. */
static bool has_word(char *list, const char *word)
{
	char *item;

	while ((item = strsep(&list, ",")))
		if (!strcasecmp(strim(item), word))
			return true;
	return false;
}

static void parse_length(struct connection *conn, const char *value)
{
	unsigned long length;
	int ret = -EINVAL;

	/* kstrtoul() takes a sign, HTTP does not. */
	if (isdigit(*value))
		ret = kstrtoul(value, 10, &length);
	if (ret == -ERANGE)
		return refuse_and_close(conn, 413);
	if (ret || (conn->has_length && conn->length != length))
		return refuse_and_close(conn, 400);
	conn->has_length = true;
	conn->length = length;
}

static void parse_header(struct connection *conn, char *line)
{
	char *name = strsep(&line, ":");
	struct header *header;

	if (!line || !is_token(name) || !is_text(line))
		return refuse_and_close(conn, 400);
	line = strim(line);

	/* A message that is refused is still read to its end. */
	if (conn->request && !conn->status) {
		header = wsheap_alloc(conn->heap, sizeof(*header), GFP_KERNEL);
		if (header) {
			header->name = wsheap_strdup(conn->heap, name, GFP_KERNEL);
			header->value = wsheap_strdup(conn->heap, line, GFP_KERNEL);
		}
		if (header && header->name && header->value) {
			list_add_tail(&header->node, &conn->request->headers);
			conn->request->nr_headers++;
		} else {
			refuse(conn, 431);
		}
	}

	if (!strcasecmp(name, "Host"))
		conn->hosts++;
	else if (!strcasecmp(name, "Content-Length"))
		parse_length(conn, line);
	else if (!strcasecmp(name, "Transfer-Encoding"))
		refuse_and_close(conn, 411);
	else if (!strcasecmp(name, "Expect"))
		conn->expects_continue = conn->minor &&
					 !strcasecmp(line, "100-continue");
	else if (!strcasecmp(name, "Connection") && has_word(line, "close"))
		conn->keep_alive = false;
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

/* Bytes to @to, those first that came with the head. A NULL @to is nowhere. */
static int receive_body(struct connection *conn, char *to, size_t size)
{
	unsigned int have = conn->end - conn->start;
	int ret;

	if (have) {
		have = min_t(size_t, have, size);
		if (to)
			memcpy(to, conn->buf + conn->start, have);
		conn->start += have;
		return have;
	}
	if (to)
		return receive(conn, to, size);
	ret = receive(conn, conn->buf, min_t(size_t, size, LINE_MAX));
	conn->start = 0;
	conn->end = 0;
	return ret;
}

/* The next line, without its end, or NULL with the reason in @ret. */
static char *receive_line(struct connection *conn, int *ret)
{
	char *line = conn->buf + conn->start, *end;
	unsigned int have = conn->end - conn->start;

	while (!(end = memchr(line, '\n', have))) {
		if (have == LINE_MAX) {
			*ret = -EMSGSIZE;
			return NULL;
		}
		memmove(conn->buf, line, have);
		line = conn->buf;
		conn->start = 0;
		conn->end = have;
		*ret = receive(conn, line + have, LINE_MAX - have);
		if (*ret < 0)
			return NULL;
		have += *ret;
		conn->end = have;
	}
	conn->start = end + 1 - conn->buf;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		*--end = '\0';
	/* A NUL within would hide what follows it. */
	if (strlen(line) != end - line) {
		*ret = -EBADMSG;
		return NULL;
	}
	return line;
}

/* Tells a client that waits with its body to send it. */
static int send_continue(struct connection *conn)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec iov = { (void *)text, sizeof(text) - 1 };
	int ret = kernel_sendmsg(conn->sock, &msg, &iov, 1, iov.iov_len);

	return ret == iov.iov_len ? 0 : -ECONNRESET;
}

/* The head is complete: decides what becomes of the body. */
static int end_of_head(struct connection *conn)
{
	if (conn->minor && conn->hosts != 1)
		refuse_and_close(conn, 400);
	if (!conn->status && conn->length) {
		struct wsheap_error err;

		conn->request->body = wsheap_alloc_err(conn->heap, conn->length,
						       GFP_KERNEL, &err);
		if (!conn->request->body)
			refuse(conn, err.code == -ENOMEM ? 503 : 413);
	}
	if (!conn->status) {
		conn->state = BODY;
		if (conn->expects_continue && conn->length)
			return send_continue(conn);
		return 0;
	}
	/* One that waits to be told will not send the body, or will, or not. */
	if (conn->length > SKIP_MAX || conn->expects_continue)
		conn->keep_alive = false;
	conn->state = conn->keep_alive ? SKIP : REPLY;
	return 0;
}

static int receive_head(struct connection *conn)
{
	char *line;
	int ret;

	line = receive_line(conn, &ret);
	if (!conn->begun && (line || conn->end > conn->start)) {
		conn->begun = true;
		WRITE_ONCE(conn->deadline, jiffies + MESSAGE_TIMEOUT);
		conn->heap = wsheap_pool_alloc(pool, GFP_KERNEL);
		if (!conn->heap)
			refuse_and_close(conn, 503);
	}
	if (!line) {
		if (ret == -EMSGSIZE)
			refuse_and_close(conn, conn->request ? 431 : 414);
		else if (ret == -EBADMSG)
			refuse_and_close(conn, 400);
		else
			return ret;
	} else if (*line) {
		if (conn->request || conn->status)
			parse_header(conn, line);
		else
			parse_request_line(conn, line);
	} else if (conn->request || conn->status) {
		return end_of_head(conn);
	}
	/* An empty line before a request is nothing. */

	if (conn->status && !conn->keep_alive)
		conn->state = REPLY;
	return 0;
}

/*
 * The reply.
 */

static void add(struct connection *conn, char *text)
{
	struct request *request = conn->request;
	struct kvec *iov = &request->reply[request->nr_reply];

	if (!text) {
		refuse(conn, conn->length ? 413 : 431);
		return;
	}
	iov->iov_base = text;
	iov->iov_len = strlen(text);
	conn->left += iov->iov_len;
	request->nr_reply++;
}

/* The string as JSON has it, bytes beyond ASCII taken for Latin-1. */
static char *json(struct connection *conn, const char *s)
{
	size_t size = 3;
	const char *p;
	char *text, *to;

	for (p = s; *p; p++)
		size += isascii(*p) && isprint(*p) ? 1 + (*p == '"' || *p == '\\') : 6;
	text = wsheap_alloc(conn->heap, size, GFP_KERNEL);
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

static void build_reply(struct connection *conn)
{
	struct request *request = conn->request;
	size_t asked = property(conn, WSHEAP_PROPERTY_REQUESTED_SIZE);
	size_t held = property(conn, WSHEAP_PROPERTY_ACTUAL_SIZE);
	struct header *header;
	const char *comma = "";

	/* the head, five pieces before the headers, one each, one behind */
	request->reply = wsheap_alloc_array(conn->heap,
					    7 + (size_t)request->nr_headers,
					    sizeof(*request->reply), GFP_KERNEL);
	if (!request->reply)
		return refuse(conn, conn->length ? 413 : 431);
	request->nr_reply = 1;
	conn->left = 0;

	add(conn, "{\"method\": ");
	add(conn, json(conn, request->method));
	add(conn, ", \"path\": ");
	add(conn, json(conn, request->path));
	add(conn, ", \"headers\": [");
	list_for_each_entry(header, &request->headers, node) {
		char *name = json(conn, header->name);
		char *value = json(conn, header->value);

		if (conn->status)
			return;
		add(conn, name && value ?
			  wsheap_asprintf(conn->heap, GFP_KERNEL,
					  "%s{\"name\": %s, \"value\": %s}",
					  comma, name, value) : NULL);
		comma = ", ";
	}
	if (conn->status)
		return;
	add(conn, wsheap_asprintf(conn->heap, GFP_KERNEL,
				  "], \"body_length\": %zu, \"heap\": {\"max_size\": %zu, \"trim_size\": %zu, \"requested_size\": %zu, \"actual_size\": %zu}}\n",
				  conn->length,
				  property(conn, WSHEAP_PROPERTY_MAX_SIZE),
				  property(conn, WSHEAP_PROPERTY_TRIM_SIZE),
				  asked, held));
	if (conn->status)
		return;
	request->reply[0].iov_base =
		wsheap_asprintf(conn->heap, GFP_KERNEL,
				"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
				conn->left,
				conn->keep_alive ? "keep-alive" : "close");
	if (!request->reply[0].iov_base)
		return refuse(conn, conn->length ? 413 : 431);
	request->reply[0].iov_len = strlen(request->reply[0].iov_base);

	conn->iov = request->reply;
	conn->nr_iov = request->nr_reply;
	if (!strcmp(request->method, "HEAD")) {
		conn->nr_iov = 1;
		conn->left = 0;
	}
	conn->left += request->reply[0].iov_len;
}

/* A refusal lies outside the heap, which may be full. */
static void build_refusal(struct connection *conn)
{
	conn->refusal_iov.iov_base = conn->refusal;
	conn->refusal_iov.iov_len =
		scnprintf(conn->refusal, sizeof(conn->refusal),
			  "HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: %s\r\n\r\n",
			  conn->status, reason(conn->status),
			  conn->keep_alive ? "keep-alive" : "close");
	conn->iov = &conn->refusal_iov;
	conn->nr_iov = 1;
	conn->left = conn->refusal_iov.iov_len;
}

static int send_reply(struct connection *conn)
{
	if (!conn->iov && !conn->status)
		build_reply(conn);
	if (!conn->iov)
		build_refusal(conn);

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
		case HEAD:
			ret = receive_head(conn);
			if (ret < 0)
				return ret;
			break;
		case BODY:
		case SKIP:
			if (conn->got == conn->length) {
				conn->state = REPLY;
				break;
			}
			ret = receive_body(conn, conn->state == SKIP ? NULL :
					   conn->request->body + conn->got,
					   conn->length - conn->got);
			if (ret < 0)
				return ret;
			conn->got += ret;
			break;
		case REPLY:
			ret = send_reply(conn);
			if (ret < 0)
				return ret;
			ret = conn->keep_alive;
			end_message(conn);
			await_message(conn);
			if (ret)
				return 0;
			/*
			 * Closed with bytes unread, the client might lose the
			 * reply: wait until it has closed, too.
			 */
			kernel_sock_shutdown(conn->sock, SHUT_WR);
			conn->state = LINGER;
			WRITE_ONCE(conn->deadline, jiffies + LINGER_TIMEOUT);
			break;
		case LINGER:
			ret = receive(conn, conn->buf, LINE_MAX);
			if (ret < 0)
				return ret;
			break;
		}
	}
}

static void connection_close(struct connection *conn)
{
	struct sock *sk = conn->sock->sk;

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

	spin_lock(&connections_lock);
	if (!--nr_connections)
		wake_up(&all_closed);
	spin_unlock(&connections_lock);
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

static void turn_away(struct socket *sock)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
				   "Content-Length: 0\r\n"
				   "Connection: close\r\n\r\n";
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec iov = { (void *)text, sizeof(text) - 1 };

	kernel_sendmsg(sock, &msg, &iov, 1, iov.iov_len);
	sock_release(sock);
}

static void connection_open(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct connection *conn;
	bool full;

	/* The listener's callback came along with the socket. */
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = listener_data_ready;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);

	spin_lock(&connections_lock);
	full = nr_connections >= max_connections || stopping;
	nr_connections += !full;
	spin_unlock(&connections_lock);
	if (full)
		return turn_away(sock);

	conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	if (!conn) {
		spin_lock(&connections_lock);
		if (!--nr_connections)
			wake_up(&all_closed);
		spin_unlock(&connections_lock);
		return turn_away(sock);
	}
	conn->sock = sock;
	INIT_WORK(&conn->work, connection_work);
	await_message(conn);

	spin_lock(&connections_lock);
	list_add(&conn->node, &connections);
	spin_unlock(&connections_lock);

	write_lock_bh(&sk->sk_callback_lock);
	conn->data_ready = sk->sk_data_ready;
	conn->state_change = sk->sk_state_change;
	conn->write_space = sk->sk_write_space;
	sk->sk_user_data = conn;
	sk->sk_data_ready = connection_event;
	sk->sk_state_change = connection_event;
	sk->sk_write_space = connection_event;
	/* For what came before the callbacks. Queued here, it still exists. */
	queue_work(httpd_wq, &conn->work);
	write_unlock_bh(&sk->sk_callback_lock);
}

static void accept_fn(struct work_struct *work)
{
	struct socket *sock;
	int i;

	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		if (kernel_accept(listener, &sock, O_NONBLOCK))
			return;
		connection_open(sock);
	}
	queue_work(httpd_wq, work);
}

static DECLARE_WORK(accept_work, accept_fn);

static void listener_event(struct sock *sk)
{
	/* A socket not accepted yet comes here, too, and may come late. */
	read_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data && sk->sk_state == TCP_LISTEN)
		queue_work(httpd_wq, &accept_work);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void listener_close(void)
{
	struct sock *sk = listener->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = listener_data_ready;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
	cancel_work_sync(&accept_work);
	sock_release(listener);
}

static int listener_open(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(port),
	};
	struct sock *sk;
	int ret;

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
		pr_err("cannot listen on port %u: error %d\n", port, ret);
		goto no_listener;
	}
	queue_delayed_work(httpd_wq, &sweep, HZ);
	pr_info("serving on port %u: max_size %lu, trim_size %lu\n", port,
		max_size, trim_size);
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
	wait_event(all_closed, !READ_ONCE(nr_connections));

	destroy_workqueue(httpd_wq);
	wsheap_pool_destroy(pool);
	pr_info("stopped\n");
}

module_init(httpd_init);
module_exit(httpd_exit);

MODULE_DESCRIPTION("A small HTTP/1.1 server on wsheap");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(WSHEAP_NS);
