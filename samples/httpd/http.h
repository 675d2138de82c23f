/* SPDX-License-Identifier: GPL-2.0 */
/*
 * HTTP/1.x messages: requests out of bytes, and the head of a reply.
 *
 * Nothing here knows a socket. The caller feeds bytes as they come; all that is
 * kept of a request lies on the heap that the caller gives it.
 */
#ifndef _HTTPD_HTTP_H
#define _HTTPD_HTTP_H

#include <linux/list.h>
#include <linux/time64.h>
#include <linux/types.h>

struct wsheap;

/* A line of a head, its end included. The caller's buffer must hold one. */
#define HTTP_LINE_MAX	(7 * 1024)

/* A refused message up to this size is skipped, and the connection goes on. */
#define HTTP_SKIP_MAX	65536

/*
 * Chunk extensions and trailers of one message. They are dropped, so the quota
 * of the heap does not bound them.
 */
#define HTTP_DROP_MAX	4096

/* "Sun, 06 Nov 1994 08:49:37 GMT" and the terminating NUL. */
#define HTTP_DATE_SIZE	30

/* The longest head that http_head() writes, and the terminating NUL. */
#define HTTP_HEAD_SIZE	256

struct http_field {
	struct list_head node;
	char *name;
	char *value;
};

/* Content in order: all of it with Content-Length, one chunk if chunked. */
struct http_piece {
	struct list_head node;
	size_t size;
	char data[];
};

enum http_state {
	HTTP_REQUEST_LINE,
	HTTP_FIELDS,
	HTTP_CONTENT,
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK_END,
	HTTP_TRAILERS,
	HTTP_DONE,
};

struct http_request {
	struct wsheap *heap;
	enum http_state state;
	unsigned int status;		/* why it is refused, or 0 */
	bool keep_alive;		/* another message may follow */
	bool wants_continue;		/* the caller sends it, and clears this */

	/* What a request that is not refused consists of. */
	char *method;
	char *target;
	struct list_head fields;
	unsigned int nr_fields;
	struct list_head content;
	size_t content_length;

	/* The framing. The parser alone uses these. */
	unsigned int minor;		/* of the version, HTTP/1.x */
	unsigned int nr_hosts;
	bool expects_continue;
	bool has_length;
	bool has_coding;
	bool chunked;
	bool other_coding;
	size_t length;			/* as Content-Length has it */
	size_t left;			/* of the piece of content at hand */
	size_t skipped;
	size_t dropped;
};

void http_request_init(struct http_request *req, struct wsheap *heap);
size_t http_parse(struct http_request *req, char *buf, size_t len);
void *http_alloc(struct http_request *req, size_t size);
void http_refuse_memory(struct http_request *req, size_t size);

void http_date(char date[HTTP_DATE_SIZE], time64_t now);
size_t http_head(char head[HTTP_HEAD_SIZE], unsigned int status,
		 bool keep_alive, size_t content_length, time64_t now);

#endif /* _HTTPD_HTTP_H */
