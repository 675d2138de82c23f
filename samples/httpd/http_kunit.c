// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the parser of the HTTP sample. They are linked into wsheap.ko
 * with it, because the sample itself needs a network.
 */

#include "http.h"
#include "../../tests/kunit.h"

/* More than any request here asks for. */
#define QUOTA		SZ_64K

#define HOST		"Host: a\r\n"
#define GET		"GET / HTTP/1.1\r\n" HOST
#define POST		"POST / HTTP/1.1\r\n" HOST
#define BREW		"BREW / HTTP/1.1\r\n" HOST
#define CL		"Content-Length: "
#define TE		"Transfer-Encoding: "
#define CHUNKED		POST TE "chunked\r\n\r\n"
/* The chunk of no size, and no trailers. */
#define END		"0\r\n\r\n"

/* The whole of a request, as the parser leaves it, for comparison. */
#define TEXT_SIZE	SZ_4K

struct fixture {
	struct wsheap *heap;
	struct http_request req;
	unsigned int continues;
	size_t used;
	char text[TEXT_SIZE];
};

static struct fixture *new_fixture(struct kunit *test, size_t max_size)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->heap = test_heap(test, max_size, 0);
	return f;
}

static void describe(struct fixture *f)
{
	struct http_request *req = &f->req;
	struct http_field *field;
	struct http_piece *piece;
	size_t n;

	n = scnprintf(f->text, TEXT_SIZE, "%u %s after %zu, %u continues",
		      req->status, req->keep_alive ? "open" : "close", f->used,
		      f->continues);
	if (req->state != HTTP_DONE)
		n += scnprintf(f->text + n, TEXT_SIZE - n, ", state %u",
			       req->state);
	if (req->status)
		return;
	n += scnprintf(f->text + n, TEXT_SIZE - n, ": %s %s", req->method,
		       req->target);
	list_for_each_entry(field, &req->fields, node)
		n += scnprintf(f->text + n, TEXT_SIZE - n, " [%s]=[%s]",
			       field->name, field->value);
	list_for_each_entry(piece, &req->content, node) {
		size_t size = piece->size;

		/* The rest of the last piece has not come. */
		if (list_is_last(&piece->node, &req->content))
			size -= req->left;
		n += scnprintf(f->text + n, TEXT_SIZE - n, " {%*pE}",
			       (int)size, piece->data);
	}
	scnprintf(f->text + n, TEXT_SIZE - n, " %u fields, %zu bytes",
		  req->nr_fields, req->content_length);
}

/* What a connection does, with @first bytes that come at first, then @step. */
static void feed(struct kunit *test, struct fixture *f, const char *input,
		 size_t len, size_t first, size_t step)
{
	/* Of the exact size, so that KASAN sees what lies beyond the last byte. */
	char *buf = kmalloc(len ?: 1, GFP_KERNEL);
	size_t here, n;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	/* Bytes that have not come would end any line. */
	memset(buf, '\n', len);
	wsheap_reset(f->heap);
	http_request_init(&f->req, f->heap);
	f->continues = 0;
	f->used = 0;
	for (here = 0, n = first; ; here += n, n = step) {
		n = min(n, len - here);
		memcpy(buf + here, input + here, n);
		while (f->req.state != HTTP_DONE) {
			size_t avail = here + n - f->used;
			size_t used = http_parse(&f->req, buf + f->used, avail);

			KUNIT_EXPECT_LE(test, used, avail);
			f->used += used;
			f->continues += f->req.wants_continue;
			f->req.wants_continue = false;
			if (!used)
				break;
		}
		if (f->req.state == HTTP_DONE || here + n == len)
			break;
	}
	kfree(buf);
	describe(f);
	check_heap(test, f->heap);
}

static void feed_string(struct kunit *test, struct fixture *f, const char *input)
{
	feed(test, f, input, strlen(input), strlen(input), 0);
}

/* A request that ends with the last byte of the input, or that is refused. */
struct example {
	const char *name;
	const char *input;
	unsigned int len;
	unsigned int status;		/* 0 if the request is taken */
	bool closes;
};

#define EXAMPLE(_name, _status, _closes, _input)			\
	{								\
		.name = _name, .status = _status, .closes = _closes,	\
		.input = _input, .len = sizeof(_input) - 1,		\
	}
#define TAKEN(name, input)	EXAMPLE(name, 0, false, input)
#define LAST(name, input)	EXAMPLE(name, 0, true, input)
#define SKIPPED(name, status, input) EXAMPLE(name, status, false, input)
#define CLOSED(name, status, input) EXAMPLE(name, status, true, input)

static const struct example examples[] = {
	/* The request line. */
	TAKEN("GET", GET "\r\n"),
	TAKEN("HTTP/1.9", "GET / HTTP/1.9\r\n" HOST "\r\n"),
	LAST("HTTP/1.0 has no Host and closes", "GET / HTTP/1.0\r\n\r\n"),
	CLOSED("HTTP/2.0", 505, "GET / HTTP/2.0\r\n" HOST "\r\n"),
	CLOSED("preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	CLOSED("HTTP/0.9", 505, "GET / HTTP/0.9\r\n\r\n"),
	CLOSED("HTTP/0.9, as it was", 400, "GET /\r\n"),
	CLOSED("HTTP/1.10", 400, "GET / HTTP/1.10\r\n" HOST "\r\n"),
	CLOSED("HTTP/11.1", 400, "GET / HTTP/11.1\r\n" HOST "\r\n"),
	CLOSED("HTTP/1", 400, "GET / HTTP/1\r\n" HOST "\r\n"),
	CLOSED("HTTP/1.", 400, "GET / HTTP/1.\r\n" HOST "\r\n"),
	CLOSED("HTTP/1.x", 400, "GET / HTTP/1.x\r\n" HOST "\r\n"),
	CLOSED("http/1.1", 400, "GET / http/1.1\r\n" HOST "\r\n"),
	CLOSED("HTTPS/1.1", 400, "GET / HTTPS/1.1\r\n" HOST "\r\n"),
	CLOSED("blank before the method", 400,
	       " GET / HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("two blanks", 400, "GET  / HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("blank after the version", 400,
	       "GET / HTTP/1.1 \r\n" HOST "\r\n"),
	CLOSED("tab for a blank", 400, "GET\t/\tHTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("five words", 400, "NOT A METHOD / HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("bare CR in the request line", 400,
	       "GET /\r HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("bare LF after the request line", 400,
	       "GET / HTTP/1.1\n" HOST "\r\n"),
	CLOSED("bare LF first", 400, "\nGET / HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("CR CR LF", 400, "GET / HTTP/1.1\r\r\n" HOST "\r\n"),
	CLOSED("NUL in the request line", 400,
	       "GET /\0 HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("NUL after the request line", 400,
	       "GET / HTTP/1.1\0\r\n" HOST "\r\n"),
	TAKEN("empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),

	/* Methods. */
	TAKEN("HEAD", "HEAD / HTTP/1.1\r\n" HOST "\r\n"),
	TAKEN("OPTIONS of the server", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("CONNECT", 405, "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("CONNECT to a path", 405, "CONNECT / HTTP/1.1\r\n" HOST "\r\n"),
	SKIPPED("TRACE", 405, "TRACE / HTTP/1.1\r\n" HOST "\r\n"),
	SKIPPED("unknown method", 501, BREW "\r\n"),
	SKIPPED("unknown method with content", 501,
		BREW CL "3\r\n\r\nabc"),
	SKIPPED("unknown method with chunks", 501,
		BREW TE "chunked\r\n\r\n3\r\nabc\r\n" END),
	SKIPPED("method in small letters", 501,
		"get / HTTP/1.1\r\n" HOST "\r\n"),
	SKIPPED("method that begins like one", 501,
		"GETX / HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("unknown method of HTTP/1.0", 501, "BREW / HTTP/1.0\r\n"),
	CLOSED("method that is no token", 400,
	       "G(T / HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("method beyond ASCII", 400,
	       "G\xc3\x84T / HTTP/1.1\r\n" HOST "\r\n"),

	/* Targets. */
	TAKEN("target with a query",
	      "GET /a%20b?c=d&e HTTP/1.1\r\n" HOST "\r\n"),
	TAKEN("target with a host", "GET http://a/b HTTP/1.1\r\n" HOST "\r\n"),
	TAKEN("target with bytes beyond ASCII",
	      "GET /\xc3\xa0\x85\xa0\xff HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target * of GET", 400, "GET * HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target without a slash", 400, "GET a HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target with a host of GET", 400,
	       "GET a:80 HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target without a host", 400,
	       "GET http:// HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target without a scheme", 400,
	       "GET ://a HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("empty target", 400, "GET  HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target with a tab", 400, "GET /\t HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target with an escape", 400,
	       "GET /\033 HTTP/1.1\r\n" HOST "\r\n"),
	CLOSED("target with a delete", 400,
	       "GET /\177 HTTP/1.1\r\n" HOST "\r\n"),

	/* Host. */
	CLOSED("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
	CLOSED("two Hosts", 400,
	       "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
	CLOSED("one Host twice", 400, GET "hOST: a\r\n\r\n"),
	CLOSED("two Hosts of HTTP/1.0", 400,
	       "GET / HTTP/1.0\r\n" HOST HOST "\r\n"),
	TAKEN("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	TAKEN("Host with a port", "GET / HTTP/1.1\r\nHost: a-b.c:8080\r\n\r\n"),
	TAKEN("Host by address",
	      "GET / HTTP/1.1\r\nHost: [fe80::1.2.3.4]:80\r\n\r\n"),
	TAKEN("Host with an escape", "GET / HTTP/1.1\r\nHost: a%2Fb\r\n\r\n"),
	CLOSED("Host with half an escape", 400,
	       "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"),
	CLOSED("Host with an escape and a port", 400,
	       "GET / HTTP/1.1\r\nHost: a%2:1\r\n\r\n"),
	CLOSED("Host with a blank", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	CLOSED("Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	CLOSED("Host with a user", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
	CLOSED("Host with a port that is none", 400,
	       "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
	CLOSED("Host with two ports", 400,
	       "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
	CLOSED("Host beyond ASCII", 400,
	       "GET / HTTP/1.1\r\nHost: a\xa0\r\n\r\n"),
	CLOSED("Host by an empty address", 400,
	       "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
	CLOSED("Host by an open address", 400,
	       "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
	CLOSED("Host by half an address", 400,
	       "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),

	/* Fields. */
	TAKEN("field with no value", GET "A:\r\nB: \t \r\n\r\n"),
	CLOSED("field without a colon", 400, GET "A\r\n\r\n"),
	CLOSED("field without a name", 400, GET ": a\r\n\r\n"),
	CLOSED("blank before the colon", 400,
	       "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
	CLOSED("tab before the colon", 400,
	       POST "Content-Length\t: 3\r\n\r\nabc"),
	CLOSED("0xa0 before the colon", 400,
	       POST "Content-Length\xa0: 3\r\n\r\nabc"),
	CLOSED("blank before the first field", 400,
	       "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	CLOSED("folded line", 400, GET "A: b\r\n c\r\n\r\n"),
	CLOSED("line folded by a tab", 400,
	       POST "A: b\r\n\tContent-Length: 3\r\n\r\nabc"),
	CLOSED("bare LF after a field", 400,
	       POST "A: b\nContent-Length: 3\r\n\r\nabc"),
	CLOSED("bare LF ends the head", 400, GET "\n"),
	CLOSED("bare CR in a field", 400,
	       POST "A: b\rContent-Length: 3\r\n\r\nabc"),
	CLOSED("NUL in a value", 400, GET "A: \0b\r\n\r\n"),
	CLOSED("NUL in a name", 400, GET "A\0: b\r\n\r\n"),
	CLOSED("NUL for an empty line", 400, GET "\0\r\n\r\n"),
	CLOSED("escape in a value", 400, GET "A: \033\r\n\r\n"),
	LAST("Connection: close", GET "Connection: a, \tClose\r\n\r\n"),
	TAKEN("Connection: closed", GET "Connection: closed\r\n\r\n"),
	TAKEN("Connection: close with 0xa0",
	      GET "Connection: close\xa0\r\n\r\n"),

	/* Content-Length. */
	TAKEN("content", POST CL "3\r\n\r\nabc"),
	TAKEN("content of no length", POST CL "0\r\n\r\n"),
	TAKEN("content of no stated length", POST "\r\n"),
	TAKEN("content with any byte", POST CL "5\r\n\r\n\0\r\n\n\xa0"),
	TAKEN("blanks about the length", POST CL "\t 3 \t\r\n\r\nabc"),
	TAKEN("length with zeros",
	      POST CL "0000000000000000000000003\r\n\r\nabc"),
	TAKEN("one length twice", POST CL "3\r\ncontent-length: 3\r\n\r\nabc"),
	CLOSED("two lengths", 400, POST CL "3\r\n" CL "4\r\n\r\nabcd"),
	CLOSED("lengths in a list", 400, POST CL "3, 3\r\n\r\nabc"),
	CLOSED("lengths in a list that differ", 400, POST CL "3,4\r\n\r\nabc"),
	CLOSED("length with 0xa0", 400, POST CL "3\xa0\r\n\r\nabc"),
	CLOSED("0xa0 before the length", 400, POST CL "\2403\r\n\r\nabc"),
	CLOSED("0x85 after the length", 400, POST CL "3\x85\r\n\r\nabc"),
	CLOSED("vertical tab after the length", 400, POST CL "3\v\r\n\r\nabc"),
	CLOSED("form feed before the length", 400, POST CL "\f3\r\n\r\nabc"),
	CLOSED("blank in the length", 400, POST CL "1 3\r\n\r\nabc"),
	CLOSED("empty length", 400, POST "Content-Length:\r\n\r\nabc"),
	CLOSED("length with a plus", 400, POST CL "+3\r\n\r\nabc"),
	CLOSED("length with a minus", 400, POST CL "-3\r\n\r\nabc"),
	CLOSED("length with 0x", 400, POST CL "0x3\r\n\r\nabc"),
	CLOSED("length with a point", 400, POST CL "3.0\r\n\r\nabc"),
	CLOSED("length with an underscore", 400, POST CL "1_0\r\n\r\nabc"),
	CLOSED("length in quotes", 400, POST CL "\"3\"\r\n\r\nabc"),
	CLOSED("length that overflows", 413,
	       POST CL "18446744073709551619\r\n\r\nabc"),
	CLOSED("largest length", 413,
	       POST CL "18446744073709551615\r\n\r\nabc"),
	CLOSED("length with a bad one first", 400,
	       POST CL "x\r\n" CL "3\r\n\r\nabc"),

	/* Transfer-Encoding. */
	TAKEN("chunks", CHUNKED "3\r\nabc\r\n2\r\nde\r\n" END),
	TAKEN("no chunks", CHUNKED END),
	TAKEN("odd capitals",
	      POST "tRANSFER-eNCODING: cHuNkEd\r\n\r\n1\r\na\r\n" END),
	TAKEN("blanks about the coding", POST TE "\t chunked \t\r\n\r\n" END),
	CLOSED("CL.TE", 400, POST CL "6\r\n" TE "chunked\r\n\r\n0\r\n\r\nG"),
	CLOSED("TE.CL", 400,
	       POST TE "chunked\r\n" CL "3\r\n\r\n1\r\nG\r\n" END),
	CLOSED("TE.CL with no length", 400,
	       POST TE "chunked\r\n" CL "0\r\n\r\n" END),
	CLOSED("TE.TE", 400,
	       POST TE "chunked\r\ntransfer-encoding: CHUNKED\r\n\r\n" END),
	CLOSED("TE.TE, one unknown", 400,
	       POST TE "chunked\r\nTransfer-encoding: x\r\n\r\n" END),
	CLOSED("chunked twice", 400, POST TE "chunked, chunked\r\n\r\n" END),
	CLOSED("chunked, identity", 400,
	       POST TE "chunked, identity\r\n\r\n" END),
	CLOSED("identity", 400, POST TE "identity\r\n\r\n"),
	CLOSED("identity with a length", 400,
	       POST TE "identity\r\n" CL "3\r\n\r\nabc"),
	CLOSED("xchunked", 400, POST TE "xchunked\r\n\r\n" END),
	CLOSED("gzip", 400, POST TE "gzip\r\n\r\n"),
	CLOSED("gzip, chunked", 501, POST TE "gzip, chunked\r\n\r\n" END),
	CLOSED("gzip and chunked", 501,
	       POST TE "gzip\r\n" TE "chunked\r\n\r\n" END),
	CLOSED("empty coding", 400, POST "Transfer-Encoding:\r\n\r\n"),
	CLOSED("comma before the coding", 400, POST TE ", chunked\r\n\r\n" END),
	CLOSED("comma after the coding", 400, POST TE "chunked,\r\n\r\n" END),
	CLOSED("coding with 0xa0", 400, POST TE "chunked\xa0\r\n\r\n" END),
	CLOSED("coding with a vertical tab", 400,
	       POST TE "\vchunked\r\n\r\n" END),
	CLOSED("coding in quotes", 400, POST TE "\"chunked\"\r\n\r\n" END),
	CLOSED("coding with a parameter", 400,
	       POST TE "chunked;a=b\r\n\r\n" END),
	CLOSED("coding in HTTP/1.0", 400,
	       "POST / HTTP/1.0\r\n" TE "chunked\r\n\r\n" END),
	CLOSED("blank before the colon of a coding", 400,
	       POST "Transfer-Encoding : chunked\r\n\r\n" END),

	/* Chunks. */
	TAKEN("chunk sizes in hex",
	      CHUNKED "a\r\n0123456789\r\n0B\r\n0123456789a\r\n000\r\n\r\n"),
	TAKEN("chunk size with zeros",
	      CHUNKED "000000000000000000000001\r\na\r\n" END),
	TAKEN("chunk extensions",
	      CHUNKED "1;a=b;c\r\na\r\n1 \t;d=\"e\"\r\nb\r\n0;f\r\n\r\n"),
	TAKEN("chunk with line ends", CHUNKED "4\r\n\r\n\0\n\r\n" END),
	CLOSED("chunk size that wraps to 1", 413,
	       CHUNKED "10000000000000001\r\na\r\n" END),
	CLOSED("chunk size of all bits", 413,
	       CHUNKED "ffffffffffffffff\r\na\r\n" END),
	CLOSED("chunk sizes whose sum wraps", 413,
	       CHUNKED "1\r\na\r\nffffffffffffffff\r\nb"),
	CLOSED("chunk size with 0x", 400, CHUNKED "0x1\r\na\r\n" END),
	CLOSED("chunk size with a plus", 400, CHUNKED "+1\r\na\r\n" END),
	CLOSED("chunk size with a minus", 400, CHUNKED "-1\r\na\r\n" END),
	CLOSED("blank before the chunk size", 400, CHUNKED " 1\r\na\r\n" END),
	CLOSED("blank after the chunk size", 400, CHUNKED "1 \r\na\r\n" END),
	CLOSED("0xa0 after the chunk size", 400, CHUNKED "1\xa0\r\na\r\n" END),
	CLOSED("letter after the chunk size", 400, CHUNKED "1g\r\na\r\n" END),
	CLOSED("empty chunk size", 400, CHUNKED "\r\na\r\n" END),
	CLOSED("extension without a size", 400, CHUNKED ";a\r\na\r\n" END),
	CLOSED("bare LF after the chunk size", 400, CHUNKED "1\na\r\n" END),
	CLOSED("bare LF in an extension", 400, CHUNKED "1;a\nb\r\na\r\n" END),
	CLOSED("bare CR in an extension", 400, CHUNKED "1;a\rb\r\na\r\n" END),
	CLOSED("NUL in an extension", 400, CHUNKED "1;\0\r\na\r\n" END),
	CLOSED("bare LF after a chunk", 400, CHUNKED "1\r\na\n0\r\n\r\n"),
	CLOSED("chunk longer than its size", 400, CHUNKED "1\r\nab\r\n" END),
	CLOSED("chunk shorter than its size", 400, CHUNKED "3\r\nab\r\n" END),

	/* Trailers. */
	TAKEN("trailers are dropped",
	      CHUNKED "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
	TAKEN("trailers do not frame",
	      CHUNKED "0\r\n" CL "9\r\nConnection: close\r\n" TE "x\r\nHost: b\r\n\r\n"),
	CLOSED("trailer without a colon", 400, CHUNKED "0\r\nA\r\n\r\n"),
	CLOSED("folded trailer", 400, CHUNKED "0\r\nA: b\r\n c\r\n\r\n"),
	CLOSED("bare LF ends the trailers", 400, CHUNKED "0\r\n\n"),
	CLOSED("request for a trailer", 400,
	       CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n"),

	/* Expect. */
	TAKEN("Expect", POST "Expect: 100-continue\r\n" CL "3\r\n\r\nabc"),
	TAKEN("Expect before chunks",
	      POST "Expect: 100-Continue\r\n" TE "chunked\r\n\r\n1\r\na\r\n" END),
	TAKEN("Expect without content", POST "Expect: 100-continue\r\n\r\n"),
	CLOSED("Expect of what is refused", 501,
	       BREW "Expect: 100-continue\r\n" CL "3\r\n\r\nabc"),
	SKIPPED("Expect of what is refused, without content", 501,
		BREW "Expect: 100-continue\r\n\r\n"),
	LAST("Expect in HTTP/1.0",
	     "POST / HTTP/1.0\r\nExpect: 100-continue\r\n" CL "1\r\n\r\na"),
};

static void example_name(const struct example *example, char *desc)
{
	strscpy(desc, example->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(example, examples, example_name);

static void examples_are_taken_or_refused(struct kunit *test)
{
	const struct example *e = test->param_value;
	struct fixture *f = new_fixture(test, QUOTA);

	feed(test, f, e->input, e->len, e->len, 0);
	KUNIT_EXPECT_EQ_MSG(test, f->req.state, HTTP_DONE, "%s", f->text);
	KUNIT_EXPECT_EQ_MSG(test, f->req.status, e->status, "%s", f->text);
	KUNIT_EXPECT_EQ_MSG(test, f->req.keep_alive, !e->closes, "%s", f->text);
	if (!e->status || !e->closes)
		KUNIT_EXPECT_EQ_MSG(test, f->used, e->len, "%s", f->text);
	destroy_checked(test, f->heap);
}

/* Each in two parts, cut everywhere, and byte by byte. */
static void cuts_do_not_matter(struct kunit *test)
{
	const struct example *e = test->param_value;
	struct fixture *whole = new_fixture(test, QUOTA);
	struct fixture *cut = new_fixture(test, QUOTA);
	size_t at;

	feed(test, whole, e->input, e->len, e->len, 0);
	for (at = 0; at <= e->len; at++) {
		feed(test, cut, e->input, e->len, at, e->len);
		KUNIT_EXPECT_STREQ_MSG(test, cut->text, whole->text,
				       "cut at %zu", at);
	}
	feed(test, cut, e->input, e->len, 1, 1);
	KUNIT_EXPECT_STREQ(test, cut->text, whole->text);
	destroy_checked(test, whole->heap);
	destroy_checked(test, cut->heap);
}

/* A request that stops short is neither taken nor refused. */
static void beginnings_wait_for_the_rest(struct kunit *test)
{
	const struct example *e = test->param_value;
	struct fixture *f = new_fixture(test, QUOTA);
	size_t len;

	for (len = 0; !e->status && len < e->len; len++) {
		feed(test, f, e->input, len, len, 0);
		KUNIT_EXPECT_NE_MSG(test, f->req.state, HTTP_DONE, "%zu", len);
		KUNIT_EXPECT_EQ_MSG(test, f->req.status, 0, "%zu", len);
	}
	destroy_checked(test, f->heap);
}

static void request_is_kept_as_it_came(struct kunit *test)
{
	struct fixture *f = new_fixture(test, QUOTA);

	feed_string(test, f,
		    "PUT /a?b HTTP/1.1\r\n"
		    "Host:a\r\n"
		    "X-y:  b \t c \r\n"
		    "E:\r\n"
		    CL "3\r\n\r\nabc");
	KUNIT_EXPECT_STREQ(test, f->text,
			   "0 open after 69, 0 continues: PUT /a?b [Host]=[a] [X-y]=[b \t c] [E]=[] [Content-Length]=[3] {abc} 4 fields, 3 bytes");
	feed_string(test, f, CHUNKED "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n");
	KUNIT_EXPECT_STREQ(test, f->text,
			   "0 open after 86, 0 continues: POST / [Host]=[a] [Transfer-Encoding]=[chunked] {abc} {de} 2 fields, 5 bytes");
	destroy_checked(test, f->heap);
}

static void values_keep_bytes_beyond_ascii(struct kunit *test)
{
	struct fixture *f = new_fixture(test, QUOTA);

	/* The letter a with a grave accent ends with 0xa0 in UTF-8. */
	feed_string(test, f, GET "A: voil\xc3\xa0\r\nB:\xa0\x85\r\n\r\n");
	KUNIT_EXPECT_STREQ(test, f->text,
			   "0 open after 44, 0 continues: GET / [Host]=[a] [A]=[voil\xc3\xa0] [B]=[\xa0\x85] 3 fields, 0 bytes");
	destroy_checked(test, f->heap);
}

/* Takes requests out of @input, one after the other, and tells the statuses. */
static void expect_statuses(struct kunit *test, const char *input,
			    const unsigned int *statuses, int n)
{
	struct fixture *f = new_fixture(test, QUOTA);
	int i;

	for (i = 0; i < n; i++) {
		feed_string(test, f, input);
		KUNIT_EXPECT_EQ_MSG(test, f->req.state, HTTP_DONE, "request %d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->req.status, statuses[i],
				    "request %d", i);
		input += f->used;
	}
	KUNIT_EXPECT_STREQ(test, input, "");
	destroy_checked(test, f->heap);
}

static void pipelined_requests_end_where_the_next_begins(struct kunit *test)
{
	static const unsigned int statuses[] = { 0, 0, 501, 0, 0, 505 };

	expect_statuses(test,
			"GET /1 HTTP/1.1\r\n" HOST "\r\n"
			POST CL "18\r\n\r\nGET /no HTTP/1.1\r\n"
			"BREW /3 HTTP/1.1\r\n" HOST CL "4\r\n\r\n\r\n\r\n"
			CHUNKED "5\r\n0\r\n\r\n\r\n0\r\n\r\n"
			"\r\nGET /5 HTTP/1.1\r\n" HOST "\r\n"
			"GET /6 HTTP/2.0\r\n",
			statuses, ARRAY_SIZE(statuses));
}

static void continue_is_wanted_once_and_before_the_content(struct kunit *test)
{
	char input[] = POST "Expect: 100-continue\r\n" CL "3\r\n\r\nabc";
	struct fixture *f = new_fixture(test, QUOTA);
	size_t used;

	http_request_init(&f->req, f->heap);
	used = http_parse(&f->req, input, strlen(input));
	KUNIT_EXPECT_STREQ(test, input + used, "abc");
	KUNIT_EXPECT_TRUE(test, f->req.wants_continue);
	/* Nothing happens before the caller has sent it. */
	KUNIT_EXPECT_EQ(test, http_parse(&f->req, input + used, 3), 0);
	f->req.wants_continue = false;
	KUNIT_EXPECT_EQ(test, http_parse(&f->req, input + used, 3), 3);
	KUNIT_EXPECT_FALSE(test, f->req.wants_continue);
	KUNIT_EXPECT_EQ(test, f->req.state, HTTP_DONE);

	feed_string(test, f, POST "Expect: 100-continue\r\n\r\n");
	KUNIT_EXPECT_EQ(test, f->continues, 0);
	feed_string(test, f, "POST / HTTP/1.0\r\nExpect: 100-continue\r\n" CL "1\r\n\r\na");
	KUNIT_EXPECT_EQ(test, f->continues, 0);
	destroy_checked(test, f->heap);
}

/* @before, @n times @fill, @after. */
static char *filled(struct kunit *test, const char *before, const char *fill,
		    size_t n, const char *after)
{
	size_t len = strlen(before) + n * strlen(fill) + strlen(after);
	char *text = kunit_kmalloc(test, len + 1, GFP_KERNEL);
	char *p = text;

	KUNIT_ASSERT_NOT_NULL(test, text);
	p += sprintf(p, "%s", before);
	while (n--)
		p += sprintf(p, "%s", fill);
	sprintf(p, "%s", after);
	return text;
}

static const struct line {
	const char *name;
	const char *before;		/* with complete lines and a beginning */
	const char *after;
	unsigned int start;		/* of the line, in @before */
	unsigned int status;
} lines[] = {
	{ "request line", "GET /", " HTTP/1.1\r\n" HOST "\r\n", 0, 414 },
	{ "field", GET "A: ", "\r\n\r\n", 25, 431 },
};

static void line_name(const struct line *line, char *desc)
{
	strscpy(desc, line->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(line, lines, line_name);

static void line_has_a_limit_to_the_byte(struct kunit *test)
{
	const struct line *line = test->param_value;
	struct fixture *f = new_fixture(test, QUOTA);
	size_t n, rest;
	char *text;

	rest = strchr(line->after, '\n') + 1 - line->after;
	n = HTTP_LINE_MAX - (strlen(line->before) - line->start) - rest;
	text = filled(test, line->before, "x", n, line->after);
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 0);
	feed(test, f, text, strlen(text), 1, 1);
	KUNIT_EXPECT_EQ(test, f->req.status, 0);

	text = filled(test, line->before, "x", n + 1, line->after);
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, line->status);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);
	feed(test, f, text, strlen(text), 1, 1);
	KUNIT_EXPECT_EQ(test, f->req.status, line->status);

	/* It is refused before its end has come. */
	feed(test, f, text, line->start + HTTP_LINE_MAX, 1, 1);
	KUNIT_EXPECT_EQ(test, f->req.status, line->status);
	feed(test, f, text, line->start + HTTP_LINE_MAX - 1, 1, 1);
	KUNIT_EXPECT_EQ(test, f->req.status, 0);
	destroy_checked(test, f->heap);
}

static void what_is_dropped_has_a_limit(struct kunit *test)
{
	struct fixture *f = new_fixture(test, QUOTA);
	char *text;

	/* One of 4,096 bytes, and one more in another chunk. */
	text = filled(test, CHUNKED "1;", "x", HTTP_DROP_MAX - 1, "\r\na\r\n" END);
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 0);
	text = filled(test, CHUNKED "1;", "x", HTTP_DROP_MAX - 1, "\r\na\r\n0;\r\n\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);

	text = filled(test, CHUNKED "0\r\n", "A: b\r\n", HTTP_DROP_MAX / 4, "\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 0);
	text = filled(test, CHUNKED "0\r\n", "A: b\r\n", HTTP_DROP_MAX / 4 + 1, "\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 431);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);

	/* A line of a chunk that never ends. */
	text = filled(test, CHUNKED "1;", "x", HTTP_LINE_MAX, "");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	text = filled(test, CHUNKED "1\r\na", "x", HTTP_LINE_MAX, "");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 400);
	text = filled(test, CHUNKED "", "0", HTTP_LINE_MAX, "");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	text = filled(test, CHUNKED "0\r\nA: ", "x", HTTP_LINE_MAX, "");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 431);
	destroy_checked(test, f->heap);
}

static void quota_refuses_and_the_connection_goes_on(struct kunit *test)
{
	struct fixture *f = new_fixture(test, 1024);
	char *text;

	text = filled(test, GET, "A: b\r\n", 100, "\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 431);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	KUNIT_EXPECT_EQ(test, f->used, strlen(text));

	text = filled(test, "GET /", "x", 2000, " HTTP/1.1\r\n" HOST "\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 431);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);

	text = filled(test, POST CL "2000\r\n\r\n", "x", 2000, "");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	KUNIT_EXPECT_EQ(test, f->used, strlen(text));

	text = filled(test, CHUNKED, "1\r\na\r\n", 200, "0\r\n\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	KUNIT_EXPECT_EQ(test, f->used, strlen(text));
	destroy_checked(test, f->heap);
}

static void skipping_has_a_limit(struct kunit *test)
{
	struct fixture *f = new_fixture(test, 1024);
	char *text;

	feed_string(test, f, POST CL "65536\r\n\r\n");
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	feed_string(test, f, POST CL "65537\r\n\r\n");
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);
	KUNIT_EXPECT_EQ(test, f->req.state, HTTP_DONE);

	text = filled(test, CHUNKED "8000\r\n", "x", 0x8000, "\r\n7000\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	text = filled(test, CHUNKED "8000\r\n", "x", 0x8000, "\r\n8000\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 413);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);

	text = filled(test, BREW, "A: b\r\n", HTTP_SKIP_MAX / 6, "");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 501);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);
	text = filled(test, BREW, "A: b\r\n", HTTP_SKIP_MAX / 8, "\r\n");
	feed_string(test, f, text);
	KUNIT_EXPECT_EQ(test, f->req.status, 501);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	destroy_checked(test, f->heap);
}

static void first_reason_is_told(struct kunit *test)
{
	struct fixture *f = new_fixture(test, QUOTA);

	feed_string(test, f, BREW "A\r\n\r\n");
	KUNIT_EXPECT_EQ(test, f->req.status, 501);
	KUNIT_EXPECT_FALSE(test, f->req.keep_alive);
	destroy_checked(test, f->heap);
}

static void without_a_heap_it_is_503(struct kunit *test)
{
	struct http_request req;
	char input[] = "GET";

	http_request_init(&req, NULL);
	KUNIT_EXPECT_EQ(test, req.status, 503);
	KUNIT_EXPECT_FALSE(test, req.keep_alive);
	KUNIT_EXPECT_EQ(test, req.state, HTTP_DONE);
	KUNIT_EXPECT_EQ(test, http_parse(&req, input, strlen(input)), 0);
}

/* The system has no memory from where @before ends. */
static const struct shortage {
	const char *name;
	const char *before;
	unsigned int fields;		/* that follow; a heap has room for few */
	const char *after;
} shortages[] = {
	{ "request line", "", 0, GET "\r\n" },
	{ "fields", GET, 100, "\r\n" },
	{ "content", POST CL "2000\r\n", 0, "\r\n" },
	{ "chunk", CHUNKED "1\r\na\r\n", 0, "7d0\r\n" },
};

static void shortage_name(const struct shortage *shortage, char *desc)
{
	strscpy(desc, shortage->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(shortage, shortages, shortage_name);

static void memory_short_is_503(struct kunit *test)
{
#ifdef kunit_activate_static_stub
	const struct shortage *shortage = test->param_value;
	struct fixture *f = new_fixture(test, QUOTA);
	size_t before = strlen(shortage->before);
	size_t after;
	char *text;

	text = filled(test, shortage->before, "A: b\r\n", shortage->fields,
		      shortage->after);
	after = strlen(text) - before;
	http_request_init(&f->req, f->heap);
	KUNIT_EXPECT_EQ(test, http_parse(&f->req, text, before), before);
	KUNIT_EXPECT_EQ(test, f->req.status, 0);
	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
	KUNIT_EXPECT_EQ(test, http_parse(&f->req, text + before, after), after);
	KUNIT_EXPECT_EQ(test, f->req.status, 503);
	KUNIT_EXPECT_TRUE(test, f->req.keep_alive);
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	destroy_checked(test, f->heap);
#else
	kunit_skip(test, "no static stubs in this kernel");
#endif
}

static void random_bytes_do_no_harm(struct kunit *test)
{
	static const char * const words[] = {
		"GET ", "POST ", "/ ", "HTTP/1.1", "\r\n", "\r\n\r\n", "\n", "\r",
		"Host: a\r\n", "Content-Length: ", "Transfer-Encoding: ", "chunked",
		"Expect: 100-continue\r\n", "Connection: close\r\n", "3", "0", "ff",
		",", ";", ":", " ", "\t", "\xa0", "\x01", "abc", POST, CHUNKED,
	};
	struct fixture *whole = new_fixture(test, 2048);
	struct fixture *cut = new_fixture(test, 2048);
	struct rnd_state rnd;
	char input[512];
	int i;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < 3000; i++) {
		unsigned int n = prandom_u32_state(&rnd) % 16;
		size_t len = 0, at;

		while (n--) {
			const char *word = words[prandom_u32_state(&rnd) %
						 ARRAY_SIZE(words)];

			len += scnprintf(input + len, sizeof(input) - len, "%s",
					 word);
		}
		at = prandom_u32_state(&rnd) % (len + 1);
		feed(test, whole, input, len, len, 0);
		feed(test, cut, input, len, at, 1 + at % 7);
		KUNIT_EXPECT_STREQ_MSG(test, cut->text, whole->text,
				       "input %d, cut at %zu", i, at);
	}
	destroy_checked(test, whole->heap);
	destroy_checked(test, cut->heap);
}

static const struct date {
	const char *text;
	time64_t time;
} dates[] = {
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Tue, 29 Feb 2000 23:59:59 GMT", 951868799 },
	{ "Fri, 31 Dec 2038 12:00:00 GMT", 2177409600 },
};

static void date_name(const struct date *date, char *desc)
{
	strscpy(desc, date->text, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(date, dates, date_name);

static void date_is_imf_fixdate(struct kunit *test)
{
	const struct date *date = test->param_value;
	char text[HTTP_DATE_SIZE];

	http_date(text, date->time);
	KUNIT_EXPECT_STREQ(test, text, date->text);
}

static void head_says_all_that_a_client_needs(struct kunit *test)
{
	static const unsigned int statuses[] = {
		200, 400, 405, 413, 414, 431, 501, 503, 505,
	};
	char head[HTTP_HEAD_SIZE];
	size_t len;
	int i;

	len = http_head(head, 200, true, 12, 784111777);
	KUNIT_EXPECT_STREQ(test, head,
			   "HTTP/1.1 200 OK\r\n"
			   "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			   "Content-Type: application/json\r\n"
			   "Content-Length: 12\r\n"
			   "Connection: keep-alive\r\n\r\n");
	KUNIT_EXPECT_EQ(test, len, strlen(head));
	http_head(head, 405, false, 0, 784111777);
	KUNIT_EXPECT_STREQ(test, head,
			   "HTTP/1.1 405 Method Not Allowed\r\n"
			   "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			   "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
			   "Content-Length: 0\r\n"
			   "Connection: close\r\n\r\n");

	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		len = http_head(head, statuses[i], true, SIZE_MAX, 2177409600);
		KUNIT_EXPECT_LT(test, len, HTTP_HEAD_SIZE - 1);
		KUNIT_EXPECT_STREQ(test, head + len - 4, "\r\n\r\n");
		KUNIT_EXPECT_EQ(test, !!strstr(head, "Service Unavailable"),
				statuses[i] == 503);
	}
}

static struct kunit_case wsheap_httpd_cases[] = {
	KUNIT_CASE_PARAM(examples_are_taken_or_refused, example_gen_params),
	KUNIT_CASE_PARAM(cuts_do_not_matter, example_gen_params),
	KUNIT_CASE_PARAM(beginnings_wait_for_the_rest, example_gen_params),
	KUNIT_CASE(request_is_kept_as_it_came),
	KUNIT_CASE(values_keep_bytes_beyond_ascii),
	KUNIT_CASE(pipelined_requests_end_where_the_next_begins),
	KUNIT_CASE(continue_is_wanted_once_and_before_the_content),
	KUNIT_CASE_PARAM(line_has_a_limit_to_the_byte, line_gen_params),
	KUNIT_CASE(what_is_dropped_has_a_limit),
	KUNIT_CASE(quota_refuses_and_the_connection_goes_on),
	KUNIT_CASE(skipping_has_a_limit),
	KUNIT_CASE(first_reason_is_told),
	KUNIT_CASE(without_a_heap_it_is_503),
	KUNIT_CASE_PARAM(memory_short_is_503, shortage_gen_params),
	KUNIT_CASE(random_bytes_do_no_harm),
	KUNIT_CASE_PARAM(date_is_imf_fixdate, date_gen_params),
	KUNIT_CASE(head_says_all_that_a_client_needs),
	{}
};

static struct kunit_suite wsheap_httpd_suite = {
	.name = "wsheap_httpd",
	.test_cases = wsheap_httpd_cases,
};

kunit_test_suite(wsheap_httpd_suite);
