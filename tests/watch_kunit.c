// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the files in debugfs. They call what writes the text of a file.
 */

#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uio.h>

#include "kunit.h"
#include "../pool.h"

/* Whose heaps the cases make. Its classes go with each case. */
static struct wsheap_creator watching = {
	.module = (struct module *)0x4560, .name = "watching",
};

/* What the macros of wsheap.h do for those that drivers call. */
#ifdef alloc_hooks
#define charged_here(call)	alloc_hooks(call)
#else
#define charged_here(call)	(call)
#endif

typedef int (*show_t)(struct seq_file *m, void *unused);

static const char classes_header[] =
	"# class module heaps messages asked in_use held retained largest most_held waste chunks ";
static const char classes_header_end[] =
	" waste chunks debug_bytes no_quota no_group no_memory no_size no_sense\n";
static const char heaps_header[] =
	"# heap class module kind asked held max_size trim_size messages group mode\n";
static const char groups_header[] =
	"# group parent size max_size users refused\n";
static const char pools_header[] =
	"# pool module heaps idle reserve reserved waits max_idle group\n";

static char text[SZ_512K];
static char line[SZ_1K];

/* What a line is to be. */
static __printf(1, 2) const char *want(const char *fmt, ...)
{
	static char wanted[SZ_1K];
	va_list args;

	va_start(args, fmt);
	vsnprintf(wanted, sizeof(wanted), fmt, args);
	va_end(args);
	return wanted;
}

static void show(struct kunit *test, show_t fn)
{
	struct seq_file m = { .buf = text, .size = sizeof(text) };

	KUNIT_ASSERT_EQ(test, fn(&m, NULL), 0);
	KUNIT_ASSERT_FALSE(test, seq_has_overflowed(&m));
	text[m.count] = '\0';
}

/* The line of the text that has @part in it, or "" if there is not just one. */
static const char *line_with(const char *part)
{
	const char *begin = strstr(text, part);

	line[0] = '\0';
	if (!begin || strstr(begin + 1, part))
		return line;
	while (begin > text && begin[-1] != '\n')
		begin--;
	strscpy(line, begin, min_t(size_t, sizeof(line), strchrnul(begin, '\n') - begin + 1));
	return line;
}

static const char *shown(struct kunit *test, show_t fn, const char *part)
{
	show(test, fn);
	return line_with(part);
}

static struct wsheap *watched_args(struct kunit *test, size_t max_size, size_t trim_size,
				   const struct wsheap_args *args)
{
	struct wsheap *heap = charged_here(__wsheap_create(max_size, trim_size, args,
							   &watching));

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	return heap;
}

static struct wsheap *watched(struct kunit *test, const char *name)
{
	struct wsheap_args args = { .name = name };

	return watched_args(test, SZ_64K, SZ_64K, &args);
}

static struct wsheap_group *test_group(struct kunit *test, const char *name,
				       size_t max_size, struct wsheap_group *parent)
{
	struct wsheap_group *group = wsheap_group_create(name, max_size, parent);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, group);
	return group;
}

static void watch_exit_case(struct kunit *test)
{
	wsheap_class_forget_module(watching.module);
	watching.class = NULL;
}

static void class_has_figures_of_its_heaps(struct kunit *test)
{
	struct wsheap_args args = { .name = "figures" };
	struct wsheap *kept, *busy, *empty, *grouped;
	struct wsheap_group *group;

	/* memory of a mode would be counted, too */
	needs_places(test);
	group = test_group(test, "figures-group", 20, NULL);
	/* one message of 300 bytes, whose chunk of 512 stays */
	kept = watched(test, "figures");
	take_blocks(test, kept, 2, 150);
	wsheap_reset(kept);
	show(test, wsheap_watch_classes);
	KUNIT_EXPECT_TRUE(test, strstarts(text, classes_header));
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, classes_header_end));
	KUNIT_EXPECT_STREQ(test, line_with("figures watching"),
			   "figures watching 1 1 300 0 512 512 300 512 0 1 0 0 0 0 0 0");
	/* one of 50 under way */
	busy = watched_args(test, 1000, 0, &args);
	take_blocks(test, busy, 1, 50);
	empty = watched(test, "figures");
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "figures watching"),
			   "figures watching 3 1 300 50 1024 512 300 512 0 2 0 0 0 0 0 0");
	/* each refusal so often that columns are told apart */
	KUNIT_EXPECT_NULL(test, wsheap_alloc(busy, 951, GFP_KERNEL));
	args.group = group;
	grouped = watched_args(test, SZ_64K, 0, &args);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(grouped, 50, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(grouped, 60, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(empty, (size_t)INT_MAX + 1, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(empty, SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(kept, SIZE_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(kept, SIZE_MAX - 1, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(kept, 8, 3, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(kept, 8, 3, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(kept, 8, 5, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(kept, 8, 6, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc_aligned(kept, 8, 7, GFP_KERNEL));
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "figures watching"),
			   "figures watching 4 1 300 50 1024 512 300 512 0 2 0 1 2 0 4 5");
	wsheap_destroy(grouped);
	wsheap_destroy(empty);
	/* its message ends with it */
	wsheap_destroy(busy);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "figures watching"),
			   "figures watching 1 2 350 0 512 512 300 512 0 2 0 1 2 0 4 5");
	/* What goes with the last heap is still seen. */
	wsheap_destroy(kept);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "figures watching"),
			   "figures watching 0 2 350 0 0 0 300 512 0 2 0 1 2 0 4 5");
	wsheap_group_destroy(group);
}

static void class_has_what_chunks_waste(struct kunit *test)
{
	size_t room = 512 - sizeof(struct wsheap_chunk);
	struct wsheap *heap;
	size_t held;

	/* memory of a mode would be counted, too */
	needs_places(test);
	heap = watched(test, "wasteful");
	take_blocks(test, heap, 1, room - 8);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "wasteful watching"),
			   want("wasteful watching 1 0 0 %zu 512 0 0 512 0 1 0 0 0 0 0 0",
				room - 8));
	/* The rest of a chunk counts when two others have more room. */
	take_blocks(test, heap, 2, 5000);
	held = actual_of(heap);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "wasteful watching"),
			   want("wasteful watching 1 0 0 %zu %zu 0 0 %zu 8 %u 0 0 0 0 0 0",
				room - 8 + 10000, held, held, count_chunks(heap)));
	wsheap_destroy(heap);
}

static void class_has_private_and_embedded_heaps(struct kunit *test)
{
	struct wsheap_args args = { .name = "sorts" };
	struct wsheap *private, embedded;

	/* memory of a mode would be counted, too */
	needs_places(test);
	private = charged_here(__wsheap_create_private(0, 0, 0, &args, &watching));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, private);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(private, 77, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, charged_here(__wsheap_init(&embedded, 1000, 0, &args,
							    &watching)));
	/* What a heap begins with is no chunk, and an embedded one may begin with none. */
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "sorts watching"),
			   want("sorts watching 2 0 0 77 %lu 0 0 %lu 0 0 0 0 0 0 0 0",
				PAGE_SIZE, PAGE_SIZE));
	show(test, wsheap_watch_heaps);
	KUNIT_EXPECT_STREQ(test, line_with("sorts watching"),
			   want("%p sorts watching private 77 %lu - %lu 0 - %s",
				private, PAGE_SIZE, PAGE_SIZE, wsheap_debug_mode(private)));
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(&embedded, 10, GFP_KERNEL));
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_heaps, "sorts watching message"),
			   want("%p sorts watching message 10 512 1000 0 0 - %s",
				&embedded, wsheap_debug_mode(&embedded)));
	wsheap_exit(&embedded);
	wsheap_destroy(private);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "sorts watching"),
			   want("sorts watching 0 2 87 0 0 0 77 %lu 0 1 0 0 0 0 0 0",
				PAGE_SIZE));
}

static void heap_has_its_figures(struct kunit *test)
{
	struct wsheap_group *group = test_group(test, "budget", WSHEAP_UNLIMITED, NULL);
	struct wsheap_args args = { .group = group };
	struct wsheap *plain = watched(test, "plain");
	struct wsheap *grouped = watched_args(test, WSHEAP_UNLIMITED, SIZE_MAX, &args);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		take_blocks(test, plain, 1, 100 + i);
		wsheap_reset(plain);
	}
	take_blocks(test, plain, 1, 70);
	show(test, wsheap_watch_heaps);
	KUNIT_EXPECT_TRUE(test, strstarts(text, heaps_header));
	KUNIT_EXPECT_STREQ(test, line_with(" plain watching"),
			   want("%p plain watching message 70 512 65536 65536 3 - %s",
				plain, wsheap_debug_mode(plain)));
	/* A class without a name has its module's. */
	KUNIT_EXPECT_STREQ(test, line_with(" watching watching"),
			   want("%p %s %s message 0 0 - - 0 budget %s", grouped,
				watching.name, watching.name, wsheap_debug_mode(grouped)));
	wsheap_destroy(plain);
	wsheap_destroy(grouped);
	wsheap_group_destroy(group);
	show(test, wsheap_watch_heaps);
	KUNIT_EXPECT_NULL(test, strstr(text, "watching"));
}

static void heap_has_its_mode(struct kunit *test)
{
	struct wsheap_args args = { .name = "page-heap", .flags = WSHEAP_PAGE_HEAP };
	struct wsheap *heap = watched_args(test, SZ_64K, 0, &args);

	KUNIT_ASSERT_NOT_NULL(test, heap->debug);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_heaps, "page-heap watching"),
			   want("%p page-heap watching message 0 0 65536 0 0 - %s", heap,
				wsheap_debug_mode(heap)));
	KUNIT_EXPECT_STRNEQ(test, wsheap_debug_mode(heap), "-");
	wsheap_destroy(heap);
}

static void name_is_one_word(struct kunit *test)
{
	static const char name[] = "two words\t\\ and\nlines";
	static const char word[] = "two\\040words\\011\\134\\040and\\012lines";
	struct wsheap_group *group = test_group(test, name, 1000, NULL);
	struct wsheap_group *below = test_group(test, "", 1000, group);
	struct wsheap_args args = { .name = name, .group = group };
	struct wsheap *heap = watched_args(test, 0, 0, &args), *nameless;
	struct wsheap_pool *pool;

	nameless = watched(test, "");
	pool = charged_here(__wsheap_pool_create(1000, 0, &args, 0, 64 * num_possible_cpus(),
						 &watching));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, word),
			   want("%s watching 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", word));
	KUNIT_EXPECT_STREQ(test, line_with("\"\" watching"),
			   "\"\" watching 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_heaps, " message 0 0 0 0 0 two"),
			   want("%p %s watching message 0 0 0 0 0 %s %s", heap,
				word, word, wsheap_debug_mode(heap)));
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_pools, " watching 0"),
			   want("%s watching 0 0 0 0 0 %u %s", word,
				64 * num_possible_cpus(), word));
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_groups, " - 0 1000"),
			   want("%s - 0 1000 3 0", word));
	KUNIT_EXPECT_STREQ(test, line_with("\"\" two"),
			   want("\"\" %s 0 1000 0 0", word));
	wsheap_pool_destroy(pool);
	wsheap_destroy(heap);
	wsheap_destroy(nameless);
	wsheap_group_destroy(below);
	wsheap_group_destroy(group);
}

static void class_outlives_its_module(struct kunit *test)
{
	static struct wsheap_creator built_in = { .name = "built-in" };
	struct wsheap_args args = { .name = "left" };
	struct wsheap *heap, *again, *builtin;

	/* memory of a mode would be counted, too */
	needs_places(test);
	heap = watched(test, "left");
	take_blocks(test, heap, 1, 10);
	wsheap_class_forget_module(watching.module);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "left watching"),
			   "left watching(gone) 1 0 0 10 512 0 0 512 0 1 0 0 0 0 0 0");
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_heaps, "left watching"),
			   want("%p left watching(gone) message 10 512 65536 65536 0 - %s",
				heap, wsheap_debug_mode(heap)));
	/* The module is loaded again. */
	again = watched(test, "left");
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "left watching "),
			   "left watching 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
	KUNIT_EXPECT_STREQ(test, line_with("left watching(gone) "),
			   "left watching(gone) 1 0 0 10 512 0 0 512 0 1 0 0 0 0 0 0");
	/* What is built in has no struct module, either. */
	builtin = charged_here(__wsheap_create(0, 0, &args, &built_in));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, builtin);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "left built-in "),
			   "left built-in 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
	wsheap_destroy(builtin);
	wsheap_destroy(again);
	wsheap_destroy(heap);
}

static void quota_that_is_being_set_spoils_no_sum(struct kunit *test)
{
	struct wsheap *heap;

	/* memory of a mode would be counted, too */
	needs_places(test);
	heap = watched(test, "quota");
	take_blocks(test, heap, 1, 10);
	/* The call that sets it is between its two writes. */
	WRITE_ONCE(heap->max_size, SZ_1M);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "quota watching"),
			   "quota watching 1 0 0 512 512 0 0 512 0 1 0 0 0 0 0 0");
	WRITE_ONCE(heap->max_size, 10);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "quota watching"),
			   "quota watching 1 0 0 512 512 0 0 512 0 1 0 0 0 0 0 0");
	WRITE_ONCE(heap->max_size, SZ_64K);
	wsheap_destroy(heap);
}

/* The figure in a column of a class's line, which begins at 0. */
static u64 figure(struct kunit *test, const char *part, unsigned int column)
{
	const char *at = shown(test, wsheap_watch_classes, part);
	char word[24] = "";
	u64 figure;

	KUNIT_ASSERT_STRNEQ(test, at, "");
	while (column--)
		at = strchr(at, ' ') + 1;
	strscpy(word, at, min_t(size_t, sizeof(word), strchrnul(at, ' ') - at + 1));
	KUNIT_ASSERT_EQ(test, kstrtou64(word, 10, &figure), 0);
	return figure;
}

/* Columns. */
#define HEAPS		2
#define MESSAGES	3
#define ASKED		4
#define LARGEST		8
#define MOST_HELD	9
#define WASTE		10
#define CHUNKS		11
#define NO_MEMORY	15

static void messages_never_become_less(struct kunit *test)
{
	struct wsheap *heap = watched(test, "ending");
	struct wsheap *other = watched(test, "ending");

	take_blocks(test, heap, 1, 100);
	wsheap_reset(heap);
	take_blocks(test, other, 1, 11);
	wsheap_reset(other);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", MESSAGES), 2);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", ASKED), 111);
	/* A heap that goes just now is in neither sum. */
	wsheap_list_del(heap);
	heap->all.next = NULL;
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", MESSAGES), 2);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", ASKED), 111);
	wsheap_list_add(heap);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", MESSAGES), 2);
	wsheap_destroy(heap);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", MESSAGES), 2);
	take_blocks(test, other, 1, 1000);
	wsheap_destroy(other);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", MESSAGES), 3);
	KUNIT_EXPECT_EQ(test, figure(test, "ending watching", ASKED), 1111);
}

static void list_knows_how_many_heaps_there_are(struct kunit *test)
{
	unsigned long before = wsheap_list_count();
	struct wsheap *heap, embedded;
	struct wsheap_pool *pool;

	KUNIT_EXPECT_EQ(test, before, count_live());
	heap = watched(test, "counted");
	KUNIT_EXPECT_EQ(test, wsheap_list_count(), before + 1);
	KUNIT_ASSERT_EQ(test, 0, charged_here(__wsheap_init(&embedded, 1000, 0, NULL,
							    &watching)));
	KUNIT_EXPECT_EQ(test, wsheap_list_count(), before + 1);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(&embedded, 10, GFP_KERNEL));
	wsheap_reset(&embedded);
	KUNIT_ASSERT_NOT_NULL(test, wsheap_alloc(&embedded, 10, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, wsheap_list_count(), before + 2);
	pool = charged_here(__wsheap_pool_create(1000, 0, NULL, 3, 0, &watching));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_EXPECT_EQ(test, wsheap_list_count(), before + 5);
	KUNIT_EXPECT_EQ(test, wsheap_list_count(), count_live());
	wsheap_pool_destroy(pool);
	wsheap_exit(&embedded);
	wsheap_destroy(heap);
	KUNIT_EXPECT_EQ(test, wsheap_list_count(), before);
	KUNIT_EXPECT_EQ(test, count_live(), before);
}

static void peaks_begin_anew(struct kunit *test)
{
	struct wsheap *heap, *gone;
	unsigned int chunks;
	u64 waste;

	/* memory of a mode would be counted, too */
	needs_places(test);
	heap = watched(test, "peak");
	gone = watched(test, "peak");
	take_blocks(test, heap, 1, 300);
	wsheap_reset(heap);
	take_blocks(test, gone, 3, 3000);
	wsheap_destroy(gone);
	KUNIT_EXPECT_EQ(test, figure(test, "peak watching", LARGEST), 9000);
	KUNIT_EXPECT_GE(test, figure(test, "peak watching", MOST_HELD), 9000);
	waste = figure(test, "peak watching", WASTE);
	chunks = figure(test, "peak watching", CHUNKS);
	wsheap_watch_reset_peaks();
	/* what is held now is still held */
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_classes, "peak watching"),
			   want("peak watching 1 2 9300 0 512 512 0 512 %llu %u 0 0 0 0 0 0",
				waste, chunks));
	take_blocks(test, heap, 1, 20);
	wsheap_reset(heap);
	KUNIT_EXPECT_EQ(test, figure(test, "peak watching", LARGEST), 20);
	wsheap_destroy(heap);
	KUNIT_EXPECT_EQ(test, figure(test, "peak watching", LARGEST), 20);
	KUNIT_EXPECT_EQ(test, figure(test, "peak watching", MOST_HELD), 512);
	wsheap_watch_reset_peaks();
	KUNIT_EXPECT_EQ(test, figure(test, "peak watching", LARGEST), 0);
	KUNIT_EXPECT_EQ(test, figure(test, "peak watching", MOST_HELD), 0);
}

/*
 * A file as user space opens it. seq_read() wants memory of a user, so the cases
 * call what is behind it.
 */
static struct file *open_file(struct kunit *test, show_t fn)
{
	struct file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_EQ(test, single_open(file, fn, NULL), 0);
	return file;
}

static size_t read_file(struct file *file, loff_t pos, char *to, size_t size)
{
	struct kiocb kiocb = { .ki_filp = file, .ki_pos = pos };
	struct kvec vec = { .iov_base = to, .iov_len = size };
	struct iov_iter iter;
	ssize_t n;

	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, size);
	n = seq_read_iter(&kiocb, &iter);
	return n < 0 ? 0 : n;
}

static void reader_that_waits_is_waited_for_by_nobody(struct kunit *test)
{
	struct wsheap *heaps[100], *new;
	size_t pos, n, length;
	struct file *file;
	char *read;
	int i;

	read = kunit_kzalloc(test, sizeof(text), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, read);
	for (i = 0; i < ARRAY_SIZE(heaps); i++)
		heaps[i] = watched(test, "slowly-read");
	show(test, wsheap_watch_heaps);
	length = strlen(text);
	/* The buffer that the file begins with is too small for it. */
	KUNIT_ASSERT_GT(test, length, PAGE_SIZE);
	file = open_file(test, wsheap_watch_heaps);
	pos = read_file(file, 0, read, 100);
	KUNIT_ASSERT_EQ(test, pos, 100);
	/* All that it has still to read goes, and more comes. The class goes, too. */
	for (i = 0; i < ARRAY_SIZE(heaps); i++)
		wsheap_destroy(heaps[i]);
	wsheap_class_forget_module(watching.module);
	new = watched(test, "later");
	while ((n = read_file(file, pos, read + pos, 1000)))
		pos += n;
	KUNIT_EXPECT_EQ(test, pos, length);
	KUNIT_EXPECT_STREQ(test, read, text);
	/* The beginning of the file is of now. */
	memset(read, 0, length);
	show(test, wsheap_watch_heaps);
	KUNIT_EXPECT_EQ(test, read_file(file, 0, read, length), strlen(text));
	KUNIT_EXPECT_STREQ(test, read, text);
	KUNIT_EXPECT_NOT_NULL(test, strstr(read, "later watching"));
	KUNIT_EXPECT_EQ(test, single_release(NULL, file), 0);
	wsheap_destroy(new);
}

static void text_of_each_file_may_be_long(struct kunit *test)
{
	static const show_t shows[] = { wsheap_watch_classes, wsheap_watch_heaps,
					wsheap_watch_pools, wsheap_watch_groups };
	struct wsheap_args args = {};
	struct wsheap_group *groups[5];
	struct wsheap_pool *pools[5];
	struct wsheap *heaps[5];
	struct file *file;
	char *name, *read;
	int i;

	read = kunit_kzalloc(test, sizeof(text), GFP_KERNEL);
	name = kunit_kzalloc(test, SZ_2K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, name);
	KUNIT_ASSERT_NOT_NULL(test, read);
	/* each line is longer than the buffer that the file begins with */
	memset(name, ' ', SZ_2K - 1);
	args.name = name;
	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		name[0] = 'a' + i;
		groups[i] = test_group(test, name, 1, NULL);
		heaps[i] = watched(test, name);
		pools[i] = charged_here(__wsheap_pool_create(1, 1, &args, 0, 0, &watching));
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pools[i]);
	}
	for (i = 0; i < ARRAY_SIZE(shows); i++) {
		show(test, shows[i]);
		KUNIT_EXPECT_GT(test, strlen(text), 5 * SZ_8K - 5 * 4);
		file = open_file(test, shows[i]);
		memset(read, 0, sizeof(text));
		KUNIT_EXPECT_EQ(test, read_file(file, 0, read, sizeof(text)), strlen(text));
		KUNIT_EXPECT_EQ(test, strcmp(read, text), 0);
		KUNIT_EXPECT_EQ(test, single_release(NULL, file), 0);
	}
	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		wsheap_pool_destroy(pools[i]);
		wsheap_destroy(heaps[i]);
		wsheap_group_destroy(groups[i]);
	}
}

static void group_has_its_figures(struct kunit *test)
{
	struct wsheap_group *top = test_group(test, "top", WSHEAP_UNLIMITED, NULL);
	struct wsheap_group *middle = test_group(test, "middle", 1100, top);
	struct wsheap_group *low = test_group(test, "low", 10000, middle);
	struct wsheap_args args = { .group = low };
	struct wsheap *heap = watched_args(test, WSHEAP_UNLIMITED, 0, &args);
	struct wsheap *second = watched_args(test, WSHEAP_UNLIMITED, 0, &args);

	take_blocks(test, heap, 1, 10);
	take_blocks(test, second, 1, 10);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 5000, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 600, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 20000, GFP_KERNEL));
	show(test, wsheap_watch_groups);
	KUNIT_EXPECT_TRUE(test, strstarts(text, groups_header));
	KUNIT_EXPECT_STREQ(test, line_with("top - "), "top - 1024 - 1 0");
	/* The one that refuses is counted, not those below it. */
	KUNIT_EXPECT_STREQ(test, line_with("middle top"), "middle top 1024 1100 1 2");
	KUNIT_EXPECT_STREQ(test, line_with("low middle"), "low middle 1024 10000 2 1");
	wsheap_destroy(second);
	wsheap_destroy(heap);
	wsheap_group_destroy(low);
	show(test, wsheap_watch_groups);
	KUNIT_EXPECT_STREQ(test, line_with("low middle"), "");
	KUNIT_EXPECT_STREQ(test, line_with("middle top"), "middle top 0 1100 0 2");
	/* One that is destroyed under its users stays. */
	wsheap_group_destroy(middle);
	wsheap_group_destroy(top);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_groups, "top"), "");
}

static void pool_has_its_figures(struct kunit *test)
{
	unsigned int i, all = 8 * num_possible_cpus() + 100;
	struct wsheap_args args = { .name = "pond", .initial_size = 100 };
	struct wsheap *heaps[20];
	struct wsheap_pool *pool;

	args.group = test_group(test, "shore", WSHEAP_UNLIMITED, NULL);
	pool = charged_here(__wsheap_pool_create(SZ_64K, SZ_16K, &args, 3, all, &watching));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	show(test, wsheap_watch_pools);
	KUNIT_EXPECT_TRUE(test, strstarts(text, pools_header));
	KUNIT_EXPECT_STREQ(test, line_with("pond "),
			   want("pond watching 3 0 3 3 0 %u shore", all));
	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		heaps[i] = wsheap_pool_alloc(pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, heaps[i]);
	}
	/* in slots and on the list */
	for (i = 0; i < ARRAY_SIZE(heaps) - 1; i++)
		wsheap_pool_free(pool, heaps[i]);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_pools, "pond "),
			   want("pond watching 23 19 3 3 0 %u shore", all));
	wsheap_pool_free(pool, heaps[i]);
	for (i = 0; i < 20; i++)
		heaps[i] = wsheap_pool_take_any(pool);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_pools, "pond "),
			   want("pond watching 23 3 3 0 0 %u shore", all));
	for (i = 0; i < 20; i++) {
		heaps[i]->pool = (unsigned long)pool;
		wsheap_pool_free(pool, heaps[i]);
	}
	wsheap_pool_destroy(pool);
	KUNIT_EXPECT_STREQ(test, shown(test, wsheap_watch_pools, "pond "), "");
	wsheap_group_destroy(args.group);
}

#ifdef kunit_activate_static_stub
static void waits_and_lack_of_memory_are_counted(struct kunit *test)
{
	struct wsheap_args args = { .name = "queue", .initial_size = 100 };
	struct pool_return ret;
	struct wsheap *heap;
	int i;

	ret.pool = charged_here(__wsheap_pool_create(SZ_64K, SZ_16K, &args, 1, 0, &watching));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ret.pool);
	INIT_DELAYED_WORK_ONSTACK(&ret.work, pool_return_fn);
	kunit_activate_static_stub(test, wsheap_backing_alloc, no_backing);
	kunit_activate_static_stub(test, wsheap_object_alloc, no_object);
	heap = wsheap_pool_alloc(ret.pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, heap);
	KUNIT_EXPECT_NULL(test, wsheap_alloc(heap, 30000, GFP_KERNEL));
	/* who may not wait is not counted */
	KUNIT_EXPECT_NULL(test, wsheap_pool_alloc(ret.pool, GFP_NOWAIT));
	show(test, wsheap_watch_pools);
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, "queue watching 1 0 1 0 0 "));
	for (i = 0; i < 2; i++) {
		ret.heap = heap;
		schedule_delayed_work(&ret.work, HZ / 20);
		heap = wsheap_pool_alloc(ret.pool, GFP_KERNEL);
		flush_delayed_work(&ret.work);
	}
	show(test, wsheap_watch_pools);
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, "queue watching 1 0 1 0 2 "));
	KUNIT_EXPECT_EQ(test, figure(test, "queue watching", NO_MEMORY), 1);
	kunit_deactivate_static_stub(test, wsheap_backing_alloc);
	kunit_deactivate_static_stub(test, wsheap_object_alloc);
	wsheap_pool_free(ret.pool, heap);
	destroy_delayed_work_on_stack(&ret.work);
	wsheap_pool_destroy(ret.pool);
}
#endif

/* Heaps, classes, pools and groups that come and go while all files are read. */
static int come_and_go(void *data)
{
	struct kunit *test = data;
	u64 ended = 0;

	while (!kthread_should_stop()) {
		struct wsheap_args args = { .name = "passing" };
		struct wsheap *heaps[10];
		struct wsheap_pool *pool;
		int i;

		args.group = test_group(test, "passing-group", WSHEAP_UNLIMITED, NULL);
		pool = charged_here(__wsheap_pool_create(1, 1, &args, 2, 0, &watching));
		for (i = 0; i < ARRAY_SIZE(heaps); i++) {
			heaps[i] = watched_args(test, SZ_64K, 0, &args);
			take_blocks(test, heaps[i], 1, 10);
			cond_resched();
		}
		for (i = 0; i < ARRAY_SIZE(heaps); i++) {
			wsheap_destroy(heaps[i]);
			ended++;
			schedule();
		}
		wsheap_pool_destroy(pool);
		wsheap_group_destroy(args.group);
	}
	return ended;
}

static void files_are_read_while_all_comes_and_goes(struct kunit *test)
{
	struct wsheap *stays = watched(test, "passing"), *last = watched(test, "at-the-end");
	u64 messages = 0, asked = 0, now;
	struct task_struct *task;
	int i, ended;

	task = kthread_run(come_and_go, test, "wsheap-passing");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < 500; i++) {
		now = figure(test, "passing watching", MESSAGES);
		KUNIT_ASSERT_GE(test, now, messages);
		messages = now;
		now = figure(test, "passing watching", ASKED);
		KUNIT_ASSERT_GE(test, now, asked);
		asked = now;
		show(test, wsheap_watch_heaps);
		/* One that is there all the time is shown each time. */
		KUNIT_ASSERT_NOT_NULL(test, strstr(text, "passing watching message 0 0 65536 "));
		KUNIT_ASSERT_NOT_NULL(test, strstr(text, "at-the-end watching "));
		show(test, wsheap_watch_pools);
		show(test, wsheap_watch_groups);
		wsheap_watch_reset_peaks();
		schedule_timeout_uninterruptible(i % 8 ? 0 : 1);
	}
	ended = kthread_stop(task);
	KUNIT_EXPECT_GT(test, ended, 100);
	KUNIT_EXPECT_EQ(test, figure(test, "passing watching", MESSAGES), ended);
	KUNIT_EXPECT_EQ(test, figure(test, "passing watching", ASKED), 10 * ended);
	KUNIT_EXPECT_EQ(test, figure(test, "passing watching", HEAPS), 1);
	wsheap_destroy(last);
	wsheap_destroy(stays);
}

static struct kunit_case wsheap_watch_cases[] = {
	KUNIT_CASE(class_has_figures_of_its_heaps),
	KUNIT_CASE(class_has_what_chunks_waste),
	KUNIT_CASE(class_has_private_and_embedded_heaps),
	KUNIT_CASE(heap_has_its_figures),
	KUNIT_CASE(heap_has_its_mode),
	KUNIT_CASE(name_is_one_word),
	KUNIT_CASE(class_outlives_its_module),
	KUNIT_CASE(quota_that_is_being_set_spoils_no_sum),
	KUNIT_CASE(messages_never_become_less),
	KUNIT_CASE(list_knows_how_many_heaps_there_are),
	KUNIT_CASE(peaks_begin_anew),
	KUNIT_CASE(reader_that_waits_is_waited_for_by_nobody),
	KUNIT_CASE(text_of_each_file_may_be_long),
	KUNIT_CASE(group_has_its_figures),
	KUNIT_CASE(pool_has_its_figures),
#ifdef kunit_activate_static_stub
	KUNIT_CASE(waits_and_lack_of_memory_are_counted),
#endif
	KUNIT_CASE(files_are_read_while_all_comes_and_goes),
	{}
};

static struct kunit_suite wsheap_watch_suite = {
	.name = "wsheap_watch",
	.exit = watch_exit_case,
	.test_cases = wsheap_watch_cases,
};

kunit_test_suite(wsheap_watch_suite);
