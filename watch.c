// SPDX-License-Identifier: GPL-2.0
/*
 * Files in debugfs that tell which classes, heaps, pools and groups there are.
 *
 *	open		obtains a buffer for the text
 *	first read	visits everything and fills the buffer
 *	next reads	copy from the buffer
 *
 * So nothing waits for a reader that does not read on. A heap stays where it is only
 * while its line is written. The text is of about one moment, and each reading from
 * the beginning of the file makes it anew.
 *
 * The figures of a heap are read while others use it. Each is right, but two of them
 * may be of different moments.
 *
 * Lock order: readings_lock, then that of the list of classes. No lock but the first
 * is held while wsheap_for_each() runs, so the creation of heaps does not wait for
 * a reading. Whoever destroys a heap waits for its line, and holds none of these.
 */

#include "pool.h"

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

/* What a line seldom exceeds, for the first size of a buffer. */
#define HEAP_LINE	128
/* What a line does not exceed, names aside: its numbers in full length. */
#define CLASS_LINE	(16 * 21 + 16)

/* Protects the members @watched of all classes. */
static DEFINE_MUTEX(readings_lock);

/* A name is one word, whatever its creator called it. */
static void put_name(struct seq_file *m, const char *name)
{
	if (*name)
		seq_escape(m, name, " \t\n\\");
	else
		seq_puts(m, "\"\"");
}

/* Class and module, as the first columns of several files have them. */
static void put_class(struct seq_file *m, const struct wsheap_class *class)
{
	put_name(m, class->name);
	seq_putc(m, ' ');
	put_name(m, class->module);
	if (READ_ONCE(class->gone))
		seq_puts(m, "(gone)");
}

static void put_number(struct seq_file *m, u64 number)
{
	seq_put_decimal_ull(m, " ", number);
}

static void put_limit(struct seq_file *m, size_t limit)
{
	if (limit == SIZE_MAX)
		seq_puts(m, " -");
	else
		put_number(m, limit);
}

static void put_group(struct seq_file *m, const struct wsheap_group *group)
{
	seq_putc(m, ' ');
	if (group)
		put_name(m, group->name);
	else
		seq_putc(m, '-');
}

/*
 * Bytes that the blocks of a heap asked for. That is the difference of two figures,
 * and somebody may set the quota just now. No sum is to suffer for that, so the
 * difference counts only as far as the heap has memory for it.
 */
static size_t heap_in_use(const struct wsheap *heap)
{
	return min(wsheap_requested_size(heap), wsheap_actual_size(heap));
}

/**
 * struct walk - a visit of the heaps that there are when it begins
 * @left: how many more there may be. Heaps that others create meanwhile are at the
 *	end of the list, and could keep a visit busy for ever.
 * @m: where their lines go.
 */
struct walk {
	unsigned long left;
	struct seq_file *m;
};

static bool walk_goes_on(struct walk *walk)
{
	if (!walk->left)
		return false;
	walk->left--;
	cond_resched();
	return true;
}

static void walk_heaps(int (*fn)(struct wsheap *heap, void *data), struct seq_file *m)
{
	struct walk walk = { .left = wsheap_list_count(), .m = m };

	wsheap_for_each(fn, &walk);
}

/*
 * Classes. The figures of a heap that goes are added to those of its class. A class
 * is looked at first and then its live heaps, so a heap that goes in between is not
 * counted, rather than twice. Sums of messages are never too high for that reason,
 * and the highest one that was found is still true.
 */

static void class_begin(struct wsheap_class *class, void *unused)
{
	struct wsheap_watched *watched = &class->watched;

	wsheap_class_sum(class, &watched->counts);
	watched->in_use = 0;
	watched->held = 0;
	watched->retained = 0;
	watched->largest = READ_ONCE(class->largest);
	watched->most_held = READ_ONCE(class->most_held);
	watched->begun = true;
	cond_resched();
}

/* A live heap's class stays. */
static int class_add_heap(struct wsheap *heap, void *data)
{
	struct wsheap_watched *watched = &heap->class->watched;
	size_t in_use = heap_in_use(heap);
	size_t held = wsheap_actual_size(heap);

	if (!walk_goes_on(data))
		return 1;
	watched->counts.messages += READ_ONCE(heap->messages);
	watched->counts.asked += READ_ONCE(heap->asked);
	watched->in_use += in_use;
	watched->held += held;
	if (!in_use)
		watched->retained += held;
	watched->largest = max_t(size_t, watched->largest, READ_ONCE(heap->largest));
	watched->most_held = max(watched->most_held, held);
	return 0;
}

static void class_line(struct wsheap_class *class, void *data)
{
	struct wsheap_watched *watched = &class->watched;
	struct seq_file *m = data;
	unsigned int i;

	if (!watched->begun)
		return;
	watched->messages = max(watched->messages, watched->counts.messages);
	watched->asked = max(watched->asked, watched->counts.asked);
	put_class(m, class);
	/* The sum is not of one moment. */
	put_number(m, max(watched->counts.heaps, 0L));
	put_number(m, watched->messages);
	put_number(m, watched->asked);
	put_number(m, watched->in_use);
	put_number(m, watched->held);
	put_number(m, watched->retained);
	put_number(m, watched->largest);
	put_number(m, watched->most_held);
	put_number(m, watched->counts.waste);
	put_number(m, watched->counts.chunks);
	put_number(m, atomic_long_read(&class->debug_bytes));
	for (i = 0; i < WSHEAP_REFUSALS; i++)
		put_number(m, watched->counts.refused[i]);
	seq_putc(m, '\n');
}

int wsheap_watch_classes(struct seq_file *m, void *unused)
{
	seq_puts(m, "# class module heaps messages asked in_use held retained largest most_held waste chunks debug_bytes no_quota no_group no_memory no_size no_sense\n");
	mutex_lock(&readings_lock);
	wsheap_class_for_each(class_begin, NULL);
	walk_heaps(class_add_heap, NULL);
	wsheap_class_for_each(class_line, m);
	mutex_unlock(&readings_lock);
	return 0;
}

static void class_add_size(struct wsheap_class *class, void *data)
{
	size_t *size = data;

	/* A byte of a name may be escaped by four. */
	*size += CLASS_LINE + 4 * (strlen(class->name) + strlen(class->module));
}

static size_t classes_size(void)
{
	size_t size = PAGE_SIZE;

	wsheap_class_for_each(class_add_size, &size);
	return size;
}

/* Heaps */

static int heap_line(struct wsheap *heap, void *data)
{
	struct walk *walk = data;
	struct seq_file *m = walk->m;

	/* If the buffer is too small, the text is made again with a larger one. */
	if (!walk_goes_on(walk) || seq_has_overflowed(m))
		return 1;
	seq_printf(m, "%p ", heap);
	put_class(m, heap->class);
	seq_puts(m, READ_ONCE(heap->path) >= WSHEAP_PATH_PRIVATE ? " private" : " message");
	put_number(m, heap_in_use(heap));
	put_number(m, wsheap_actual_size(heap));
	put_limit(m, wsheap_max_size(heap));
	put_limit(m, wsheap_trim_size(heap));
	put_number(m, READ_ONCE(heap->messages));
	put_group(m, heap->group);
	seq_putc(m, ' ');
	seq_puts(m, wsheap_debug_mode(heap));
	seq_putc(m, '\n');
	return 0;
}

int wsheap_watch_heaps(struct seq_file *m, void *unused)
{
	seq_puts(m, "# heap class module kind asked held max_size trim_size messages group mode\n");
	walk_heaps(heap_line, m);
	return 0;
}

static size_t heaps_size(void)
{
	return PAGE_SIZE + size_mul(wsheap_list_count(), HEAP_LINE);
}

/* Pools */

static void pool_line(struct wsheap_pool *pool, void *data)
{
	struct seq_file *m = data;

	put_class(m, pool->class);
	put_number(m, atomic_read(&pool->nr_heaps));
	put_number(m, wsheap_pool_count_idle(pool));
	put_number(m, pool->nr_reserve);
	put_number(m, READ_ONCE(pool->reserved));
	put_number(m, atomic_long_read(&pool->waits));
	/* As its creator has it: idle heaps in slots, too. */
	put_number(m, pool->max_idle + pool->nr_slots * num_possible_cpus());
	put_group(m, pool->reclaim.group);
	seq_putc(m, '\n');
	cond_resched();
}

int wsheap_watch_pools(struct seq_file *m, void *unused)
{
	seq_puts(m, "# pool module heaps idle reserve reserved waits max_idle group\n");
	wsheap_pool_for_each(pool_line, m);
	return 0;
}

/* Groups */

static void group_line(struct wsheap_group *group, void *data)
{
	struct seq_file *m = data;

	put_name(m, group->name);
	put_group(m, group->parent);
	put_number(m, wsheap_group_size(group));
	put_limit(m, group->max_size);
	put_number(m, atomic_read(&group->users));
	put_number(m, atomic_long_read(&group->refused));
	seq_putc(m, '\n');
	cond_resched();
}

int wsheap_watch_groups(struct seq_file *m, void *unused)
{
	seq_puts(m, "# group parent size max_size users refused\n");
	wsheap_group_for_each(group_line, m);
	return 0;
}

/*
 * Peaks. The user of a heap may write back what is cleared here, or what it had in
 * hand. Then the old peak is shown until the next reset.
 */

static int heap_reset_peak(struct wsheap *heap, void *data)
{
	if (!walk_goes_on(data))
		return 1;
	WRITE_ONCE(heap->largest, 0);
	return 0;
}

static void class_reset_peaks(struct wsheap_class *class, void *unused)
{
	WRITE_ONCE(class->largest, 0);
	WRITE_ONCE(class->most_held, 0);
}

/* The heaps first: one that goes passes its peak to its class. */
void wsheap_watch_reset_peaks(void)
{
	walk_heaps(heap_reset_peak, NULL);
	wsheap_class_for_each(class_reset_peaks, NULL);
}

/*
 * The files. debugfs holds the module while one is open.
 */

static ssize_t reset_peaks_write(struct file *file, const char __user *buf, size_t len,
				 loff_t *pos)
{
	wsheap_watch_reset_peaks();
	return len;
}

static const struct file_operations reset_peaks_fops = {
	.owner = THIS_MODULE,
	.write = reset_peaks_write,
};

/**
 * struct watch_file - a file to be read
 * @name: its name.
 * @show: writes its text.
 * @size: tells how long that might be, or NULL if it is short. If it is longer, the
 *	text is made again.
 */
struct watch_file {
	const char *name;
	int (*show)(struct seq_file *m, void *unused);
	size_t (*size)(void);
};

static const struct watch_file watch_files[] = {
	{ "classes", wsheap_watch_classes, classes_size },
	{ "heaps", wsheap_watch_heaps, heaps_size },
	{ "pools", wsheap_watch_pools },
	{ "groups", wsheap_watch_groups },
};

static int watch_open(struct inode *inode, struct file *file)
{
	const struct watch_file *which = inode->i_private;
	size_t size = which->size ? which->size() : PAGE_SIZE;

	return single_open_size(file, which->show, NULL, size);
}

static const struct file_operations watch_fops = {
	.owner = THIS_MODULE,
	.open = watch_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static struct dentry *watch_dir;

/* Whatever debugfs refuses is no error. */
void __init wsheap_watch_init(void)
{
	unsigned int i;

	watch_dir = debugfs_create_dir("wsheap", NULL);
	for (i = 0; i < ARRAY_SIZE(watch_files); i++)
		debugfs_create_file(watch_files[i].name, 0400, watch_dir,
				    (void *)&watch_files[i], &watch_fops);
	debugfs_create_file("reset_peaks", 0200, watch_dir, NULL, &reset_peaks_fops);
	wsheap_fail_init(watch_dir);
}

void wsheap_watch_exit(void)
{
	debugfs_remove(watch_dir);
}
