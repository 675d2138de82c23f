// SPDX-License-Identifier: GPL-2.0
/*
 * The framing of HTTP/1.x, as RFC 9112 has it.
 *
 * If a proxy and this server disagree about where a message ends, one client
 * can write requests in another one's name. The parser therefore refuses what
 * others may read in another way: a line that ends without a carriage return, a
 * folded field, Content-Length beside Transfer-Encoding.
 *
 * A request can be refused in two ways. Either the end of the message is known:
 * then it is skipped, up to a limit, and the connection goes on. Or it is not:
 * then keep_alive is cleared and the parser takes no further byte.
 */

#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/time.h>

#include "http.h"
#include "wsheap.h"

static const char * const methods[] = {
	"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
};

#define ALLOW	"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/* The first reason is the one to be told. */
static void refuse(struct http_request *req, unsigned int status)
{
	if (!req->status)
		req->status = status;
}

static void refuse_and_close(struct http_request *req, unsigned int status)
{
	refuse(req, status);
	req->keep_alive = false;
}

/* The request is refused, and @size more bytes of it are not kept. */
static void skip(struct http_request *req, size_t size)
{
	if (size > HTTP_SKIP_MAX - req->skipped)
		req->keep_alive = false;
	else
		req->skipped += size;
}

/* @size more bytes are dropped from a request that is not refused. */
static void drop(struct http_request *req, size_t size, unsigned int status)
{
	if (size > HTTP_DROP_MAX - req->dropped)
		refuse_and_close(req, status);
	else
		req->dropped += size;
}

/*
 * Refuses a request because the heap has refused @size bytes more. To exceed the
 * quota is the client's fault: the status is 413 if it sent content, or else 431. A
 * lack of memory, or of the budget for all messages, is the server's, and the status
 * is 503.
 */
void http_refuse_memory(struct http_request *req, size_t size)
{
	if (size > wsheap_max_size(req->heap) - wsheap_requested_size(req->heap))
		refuse(req, req->content_length ? 413 : 431);
	else if (wsheap_status(req->heap) == -EDQUOT)
		/* A budget is for those that go on to send, too. */
		refuse_and_close(req, 503);
	else
		refuse(req, 503);
}

/* All memory of a request comes from here. */
void *http_alloc(struct http_request *req, size_t size)
{
	void *block = wsheap_alloc(req->heap, size, GFP_KERNEL);

	if (!block)
		http_refuse_memory(req, size);
	return block;
}

static char *copy(struct http_request *req, const char *s)
{
	size_t size = strlen(s) + 1;
	char *p = http_alloc(req, size);

	if (p)
		memcpy(p, s, size);
	return p;
}

/*
 * Characters. isspace(), isalnum() and the like take some bytes beyond ASCII
 * for what they are in Latin-1. HTTP does not.
 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_alnum(char c)
{
	return isascii(c) && isalnum(c);
}

static bool is_xdigit(char c)
{
	return isascii(c) && isxdigit(c);
}

static bool is_token(const char *s)
{
	const char *p;

	for (p = s; *p; p++)
		if (!is_alnum(*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	return p > s;
}

/* No control characters. A bare carriage return is one of them. */
static bool is_text(const char *s)
{
	for (; *s; s++)
		if (iscntrl(*s) && *s != '\t')
			return false;
	return true;
}

static char *trim(char *s)
{
	char *end;

	while (is_blank(*s))
		s++;
	end = s + strlen(s);
	while (end > s && is_blank(end[-1]))
		*--end = '\0';
	return s;
}

/*
 * The request line.
 */

static bool is_version(const char *s)
{
	return !strncmp(s, "HTTP/", 5) && isdigit(s[5]) && s[6] == '.' &&
	       isdigit(s[7]) && !s[8];
}

/*
 * A path, "http://host/path", or "*" for the whole server. The bytes beyond
 * ASCII that browsers and curl leave as they are mean nothing to the framing.
 */
static bool is_target(const char *s, const char *method)
{
	const char *p;

	if (!is_text(s) || strchr(s, '\t'))
		return false;
	if (*s == '/')
		return true;
	if (!strcmp(s, "*"))
		return !strcmp(method, "OPTIONS");
	for (p = s; is_alnum(*p) || (*p && strchr("+-.", *p)); p++)
		;
	return isascii(*s) && isalpha(*s) && !strncmp(p, "://", 3) && p[3];
}

static bool is_method(const char *s)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(s, methods[i]))
			return true;
	return false;
}

static void parse_request_line(struct http_request *req, char *line)
{
	char *method = strsep(&line, " ");
	char *target = strsep(&line, " ");

	if (!target || !line || !is_token(method) || !is_version(line))
		return refuse_and_close(req, 400);
	if (line[5] != '1')
		return refuse_and_close(req, 505);
	/* What follows is for the tunnel that the client may believe in. */
	if (!strcmp(method, "CONNECT"))
		return refuse_and_close(req, 405);
	if (!is_target(target, method))
		return refuse_and_close(req, 400);

	req->minor = line[7] - '0';
	req->keep_alive = req->minor > 0;
	req->state = HTTP_FIELDS;
	if (!strcmp(method, "TRACE"))
		return refuse(req, 405);
	if (!is_method(method))
		return refuse(req, 501);
	req->method = copy(req, method);
	if (req->method)
		req->target = copy(req, target);
}

/*
 * Fields.
 */

/* A name or address with a port or none. An empty one is valid, too. */
static bool is_host(const char *s)
{
	if (*s == '[') {
		const char *start = ++s;

		while (is_xdigit(*s) || *s == ':' || *s == '.')
			s++;
		if (s == start || *s++ != ']')
			return false;
	} else {
		for (; *s && *s != ':'; s++) {
			if (*s == '%') {
				if (!is_xdigit(s[1]) || !is_xdigit(s[2]))
					return false;
				s += 2;
			} else if (!is_alnum(*s) &&
				   !strchr("-._~!$&'()*+,;=", *s)) {
				return false;
			}
		}
	}
	if (*s == ':')
		for (s++; isdigit(*s); s++)
			;
	return !*s;
}

static void parse_host(struct http_request *req, const char *value)
{
	/* Of two, a proxy and this server might each choose another one. */
	if (req->nr_hosts++ || !is_host(value))
		refuse_and_close(req, 400);
}

static void parse_length(struct http_request *req, const char *value)
{
	unsigned long length;
	int ret = -EINVAL;

	/* kstrtoul() takes a sign, HTTP does not. */
	if (isdigit(*value))
		ret = kstrtoul(value, 10, &length);
	if (ret == -ERANGE)
		return refuse_and_close(req, 413);
	if (ret || (req->has_length && req->length != length))
		return refuse_and_close(req, 400);
	req->has_length = true;
	req->length = length;
}

static void parse_coding(struct http_request *req, char *value)
{
	char *item;

	req->has_coding = true;
	while ((item = strsep(&value, ","))) {
		item = trim(item);
		/* The chunked coding comes last, and once. */
		if (req->chunked || !is_token(item))
			return refuse_and_close(req, 400);
		if (!strcasecmp(item, "chunked"))
			req->chunked = true;
		else
			req->other_coding = true;
	}
}

static void parse_connection(struct http_request *req, char *value)
{
	char *item;

	while ((item = strsep(&value, ",")))
		if (!strcasecmp(trim(item), "close"))
			req->keep_alive = false;
}

static void store_field(struct http_request *req, const char *name,
			const char *value)
{
	struct http_field *field = http_alloc(req, sizeof(*field));

	if (!field)
		return;
	field->name = copy(req, name);
	field->value = field->name ? copy(req, value) : NULL;
	if (!field->value)
		return;
	list_add_tail(&field->node, &req->fields);
	req->nr_fields++;
}

static void parse_field(struct http_request *req, char *line)
{
	char *name = strsep(&line, ":");
	char *value;

	/* A folded line has a blank first, which is no token. */
	if (!line || !is_token(name) || !is_text(line))
		return refuse_and_close(req, 400);
	/* A trailer has no say in the framing. */
	if (req->state == HTTP_TRAILERS)
		return;

	value = trim(line);
	if (!req->status)
		store_field(req, name, value);
	if (!strcasecmp(name, "Host"))
		parse_host(req, value);
	else if (!strcasecmp(name, "Content-Length"))
		parse_length(req, value);
	else if (!strcasecmp(name, "Transfer-Encoding"))
		parse_coding(req, value);
	else if (!strcasecmp(name, "Connection"))
		parse_connection(req, value);
	else if (!strcasecmp(name, "Expect"))
		req->expects_continue = req->minor &&
					!strcasecmp(value, "100-continue");
}

/*
 * Content.
 */

static void begin_content(struct http_request *req, size_t size)
{
	struct http_piece *piece;

	if (check_add_overflow(req->content_length, size, &req->content_length))
		return refuse_and_close(req, 413);
	req->state = HTTP_CONTENT;
	req->left = size;
	if (!req->status) {
		piece = http_alloc(req, struct_size(piece, data, size));
		if (piece) {
			piece->size = size;
			list_add_tail(&piece->node, &req->content);
			return;
		}
	}
	skip(req, size);
}

static size_t take_content(struct http_request *req, const char *buf, size_t len)
{
	struct http_piece *piece;

	len = min(len, req->left);
	if (!req->status) {
		piece = list_last_entry(&req->content, struct http_piece, node);
		memcpy(piece->data + piece->size - req->left, buf, len);
	}
	req->left -= len;
	if (!req->left)
		req->state = req->chunked ? HTTP_CHUNK_END : HTTP_DONE;
	return len;
}

static void parse_chunk_size(struct http_request *req, const char *line)
{
	const char *p, *extension;
	size_t size = 0;

	for (p = line; is_xdigit(*p); p++) {
		if (size > SIZE_MAX >> 4)
			return refuse_and_close(req, 413);
		size = size << 4 | hex_to_bin(*p);
	}
	for (extension = p; is_blank(*extension); extension++)
		;
	if (p == line || !is_text(p) || (*p && *extension != ';'))
		return refuse_and_close(req, 400);
	drop(req, strlen(p), 413);
	if (size)
		begin_content(req, size);
	else
		req->state = HTTP_TRAILERS;
}

/* The head is complete, and says where the message ends. */
static void end_head(struct http_request *req)
{
	if (req->minor && !req->nr_hosts)
		return refuse_and_close(req, 400);
	/* Before HTTP/1.1 there were no codings, and proxies ignore them. */
	if (req->has_coding && (!req->minor || req->has_length || !req->chunked))
		return refuse_and_close(req, 400);
	if (req->other_coding)
		return refuse_and_close(req, 501);

	if (req->chunked)
		req->state = HTTP_CHUNK_SIZE;
	else if (req->length)
		begin_content(req, req->length);
	else
		req->state = HTTP_DONE;
	if (!req->expects_continue || req->state == HTTP_DONE)
		return;
	/* A client that is not told to go on may send the content, or not. */
	if (req->status)
		req->keep_alive = false;
	else
		req->wants_continue = true;
}

static void parse_line(struct http_request *req, char *line)
{
	switch (req->state) {
	case HTTP_REQUEST_LINE:
		/* Some clients end their content with an empty line. */
		if (*line)
			parse_request_line(req, line);
		break;
	case HTTP_FIELDS:
		if (*line)
			parse_field(req, line);
		else
			end_head(req);
		break;
	case HTTP_CHUNK_SIZE:
		parse_chunk_size(req, line);
		break;
	case HTTP_CHUNK_END:
		if (*line)
			refuse_and_close(req, 400);
		req->state = HTTP_CHUNK_SIZE;
		break;
	case HTTP_TRAILERS:
		drop(req, strlen(line), 431);
		if (*line)
			parse_field(req, line);
		else
			req->state = HTTP_DONE;
		break;
	case HTTP_CONTENT:
	case HTTP_DONE:
		break;
	}
}

static unsigned int status_of_long_line(enum http_state state)
{
	switch (state) {
	case HTTP_REQUEST_LINE:
		return 414;
	case HTTP_CHUNK_SIZE:
		return 413;
	case HTTP_CHUNK_END:
		return 400;
	default:
		return 431;
	}
}

/* Takes a whole line, or nothing. Cuts the line in place. */
static size_t take_line(struct http_request *req, char *buf, size_t len)
{
	char *end = memchr(buf, '\n', min_t(size_t, len, HTTP_LINE_MAX));
	size_t used;

	if (!end) {
		if (len >= HTTP_LINE_MAX)
			refuse_and_close(req, status_of_long_line(req->state));
		return 0;
	}
	used = end + 1 - buf;
	/* A NUL would hide what follows it. */
	if (end == buf || *--end != '\r' || memchr(buf, '\0', end - buf)) {
		refuse_and_close(req, 400);
		return used;
	}
	*end = '\0';
	if (req->status)
		skip(req, used);
	parse_line(req, buf);
	return used;
}

/* A new request. With no @heap to keep it on it is refused at once. */
void http_request_init(struct http_request *req, struct wsheap *heap)
{
	*req = (struct http_request) {
		.heap = heap,
		.minor = 1,
		.keep_alive = true,
	};
	INIT_LIST_HEAD(&req->fields);
	INIT_LIST_HEAD(&req->content);
	if (!heap) {
		refuse_and_close(req, 503);
		req->state = HTTP_DONE;
	}
}

/*
 * Takes bytes up to the end of the request, where the state is HTTP_DONE, or to
 * the end of a head that wants a 100. Writes to @buf. Returns how many bytes it
 * took. It leaves a line that is not complete, which the next call must have
 * first.
 */
size_t http_parse(struct http_request *req, char *buf, size_t len)
{
	size_t used = 0, n;

	while (used < len && req->state != HTTP_DONE && !req->wants_continue) {
		if (req->state == HTTP_CONTENT)
			n = take_content(req, buf + used, len - used);
		else
			n = take_line(req, buf + used, len - used);
		used += n;
		/* Nothing more is read from a connection that will close. */
		if (req->status && !req->keep_alive)
			req->state = HTTP_DONE;
		else if (!n)
			break;
	}
	return used;
}

/*
 * The head of a reply.
 */

static const char *reason(unsigned int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Service Unavailable";
	}
}

/* The date as RFC 9110 wants it: IMF-fixdate. */
void http_date(char date[HTTP_DATE_SIZE], time64_t now)
{
	static const char days[][4] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat",
	};
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
	};
	struct tm tm;

	time64_to_tm(now, 0, &tm);
	scnprintf(date, HTTP_DATE_SIZE, "%s, %02d %s %04ld %02d:%02d:%02d GMT",
		  days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		  tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Returns the length of the head. Only a reply of 200 has content. */
size_t http_head(char head[HTTP_HEAD_SIZE], unsigned int status,
		 bool keep_alive, size_t content_length, time64_t now)
{
	const char *field = "";
	char date[HTTP_DATE_SIZE];

	if (status == 200)
		field = "Content-Type: application/json\r\n";
	else if (status == 405)
		field = "Allow: " ALLOW "\r\n";
	http_date(date, now);
	return scnprintf(head, HTTP_HEAD_SIZE,
			 "HTTP/1.1 %u %s\r\nDate: %s\r\n%sContent-Length: %zu\r\nConnection: %s\r\n\r\n",
			 status, reason(status), date, field, content_length,
			 keep_alive ? "keep-alive" : "close");
}
