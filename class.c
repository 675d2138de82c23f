// SPDX-License-Identifier: GPL-2.0
/*
 * Classes: the heaps of one name and one module, and what is counted of them.
 *
 *	heap, pool --> class --> counts, for each CPU
 *
 * A heap counts its messages itself, so that a reset touches nothing but the heap,
 * and adds them to its class when it goes. What is counted at other times, on the
 * long path, is counted for each CPU. A class stays when its last heap goes, so that
 * its figures can still be read, until its module goes.
 */

#include "internal.h"

#include <linux/export.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/stringhash.h>
#include <linux/string.h>

/*
 * A driver may name heaps after what a remote sender is called. Beyond so many
 * classes, one without heaps goes when another one comes.
 */
#define CLASSES_KEPT	1024

/* Protects the table and the classes' places in it. Not held on a message's paths. */
static DEFINE_MUTEX(classes_lock);
static DEFINE_HASHTABLE(classes, 6);
static unsigned int nr_classes;

static u32 class_key(const struct module *owner, const char *name)
{
	return full_name_hash(owner, name, strlen(name));
}

static struct wsheap_class *class_find(const struct module *owner, const char *name)
{
	struct wsheap_class *class;

	lockdep_assert_held(&classes_lock);
	hash_for_each_possible(classes, class, node, class_key(owner, name))
		/* What is built in has no struct module, either. */
		if (class->owner == owner && !class->gone && !strcmp(class->name, name))
			return class;
	return NULL;
}

static void class_free(struct wsheap_class *class)
{
	if (!class)
		return;
	free_percpu(class->counts);
	kfree_const(class->name);
	kfree_const(class->module);
	kfree(class);
}

static struct wsheap_class *class_new(const struct wsheap_creator *creator,
				      const char *name)
{
	struct wsheap_class *class = kzalloc_noprof(sizeof(*class), GFP_KERNEL);

	if (!class)
		return NULL;
	class->owner = creator->module;
	class->name = kstrdup_const(name, GFP_KERNEL);
	class->module = kstrdup_const(creator->name, GFP_KERNEL);
	class->counts = alloc_percpu(struct wsheap_counts);
	if (class->name && class->module && class->counts)
		return class;
	class_free(class);
	return NULL;
}

/* Tells whether a class has heaps or pools. Only those that it has can add some. */
static bool class_is_used(const struct wsheap_class *class)
{
	struct wsheap_counts sum;

	if (atomic_read(&class->refs))
		return true;
	wsheap_class_sum(class, &sum);
	return sum.heaps;
}

static void class_remove(struct wsheap_class *class)
{
	lockdep_assert_held(&classes_lock);
	hash_del(&class->node);
	nr_classes--;
	class_free(class);
}

static void class_make_room(void)
{
	struct wsheap_class *class;
	struct hlist_node *next;
	int i;

	if (nr_classes < CLASSES_KEPT)
		return;
	hash_for_each_safe(classes, i, next, class, node) {
		/* A module's own class is known to its calls. */
		if (strcmp(class->name, class->module) && !class_is_used(class)) {
			class_remove(class);
			return;
		}
	}
}

/*
 * The class of a name, or of the module without one, with one more heap or pool.
 * NULL if there is no memory for it.
 */
static struct wsheap_class *class_get(const struct wsheap_creator *creator,
				      const char *name, bool pool)
{
	struct wsheap_class *class, *fresh = NULL;

	mutex_lock(&classes_lock);
	class = class_find(creator->module, name);
	if (!class) {
		mutex_unlock(&classes_lock);
		fresh = class_new(creator, name);
		mutex_lock(&classes_lock);
		class = class_find(creator->module, name);
	}
	if (!class && fresh) {
		class_make_room();
		class = fresh;
		fresh = NULL;
		hash_add(classes, &class->node, class_key(class->owner, name));
		nr_classes++;
	}
	if (class && pool)
		wsheap_class_hold(class);
	else if (class)
		wsheap_class_add_heap(class);
	mutex_unlock(&classes_lock);
	class_free(fresh);
	return class;
}

struct wsheap_class *__wsheap_class_get(struct wsheap_creator *creator,
					const char *name, bool pool)
{
	struct wsheap_class *class = class_get(creator, name ?: creator->name, pool);

	/* A module's own class stays as long as the module, so its calls can know it. */
	if (!name && class)
		/* Pairs with the address dependency in wsheap_class_get_heap(). */
		smp_store_release(&creator->class, class);
	return class;
}

struct wsheap_class *wsheap_class_get(struct wsheap_creator *creator,
				      const char *name, bool pool)
{
	KUNIT_STATIC_STUB_REDIRECT(wsheap_class_get, creator, name, pool);

	return __wsheap_class_get(creator, name, pool);
}

void wsheap_class_note_peak(size_t *peak, size_t size)
{
	size_t old = READ_ONCE(*peak);

	/* Others may write at the same time. The larger one wins. */
	while (size > old && !try_cmpxchg(peak, &old, size))
		;
}

/* What a heap has counted stays with its class. */
void wsheap_class_add_messages(const struct wsheap *heap)
{
	struct wsheap_class *class = heap->class;

	this_cpu_add(class->counts->messages, heap->messages);
	this_cpu_add(class->counts->asked, heap->asked);
	wsheap_class_note_peak(&class->largest, heap->largest);
	/* A heap whose resets were all short has not told before. */
	wsheap_class_note_held(heap);
}

static enum wsheap_refusal refusal_of(int code, bool group)
{
	switch (code) {
	case -EDQUOT:
		return group ? WSHEAP_REFUSED_GROUP : WSHEAP_REFUSED_QUOTA;
	case -ENOMEM:
		return WSHEAP_REFUSED_MEMORY;
	case -EOVERFLOW:
	case -E2BIG:
		return WSHEAP_REFUSED_SIZE;
	}
	return WSHEAP_REFUSED_SENSE;
}

void wsheap_class_count_refusal(struct wsheap_class *class, int code, bool group)
{
	this_cpu_inc(class->counts->refused[refusal_of(code, group)]);
}

/* The figures of all CPUs. Those of live heaps are not in them yet. */
void wsheap_class_sum(const struct wsheap_class *class, struct wsheap_counts *sum)
{
	const struct wsheap_counts *counts;
	unsigned int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		counts = per_cpu_ptr(class->counts, cpu);
		sum->heaps += READ_ONCE(counts->heaps);
		sum->messages += READ_ONCE(counts->messages);
		sum->asked += READ_ONCE(counts->asked);
		sum->waste += READ_ONCE(counts->waste);
		sum->chunks += READ_ONCE(counts->chunks);
		for (i = 0; i < WSHEAP_REFUSALS; i++)
			sum->refused[i] += READ_ONCE(counts->refused[i]);
	}
}

/* Calls @fn for each class, with the table locked. */
void wsheap_class_for_each(void (*fn)(struct wsheap_class *class, void *data),
			   void *data)
{
	struct wsheap_class *class;
	int i;

	mutex_lock(&classes_lock);
	hash_for_each(classes, i, class, node)
		fn(class, data);
	mutex_unlock(&classes_lock);
}

/* The module goes. A class whose heaps it leaves behind stays with them. */
void wsheap_class_forget_module(const struct module *module)
{
	struct wsheap_class *class;
	struct hlist_node *next;
	int i;

	mutex_lock(&classes_lock);
	hash_for_each_safe(classes, i, next, class, node) {
		if (class->owner != module)
			continue;
		class->owner = NULL;
		class->gone = true;
		if (!class_is_used(class))
			class_remove(class);
	}
	mutex_unlock(&classes_lock);
}

void wsheap_class_exit(void)
{
	struct wsheap_class *class;
	struct hlist_node *next;
	int i;

	/* Heaps that are left alone need theirs. */
	hash_for_each_safe(classes, i, next, class, node)
		if (!class_is_used(class))
			class_remove(class);
}

/**
 * wsheap_name - tell the name of a heap
 * @heap: the heap, of either kind.
 *
 * Windows has no equivalent.
 *
 * Context: any.
 * Return: the name of its class, from struct wsheap_args, or of its module.
 */
const char *wsheap_name(const struct wsheap *heap)
{
	return heap->class->name;
}
EXPORT_SYMBOL_NS_GPL(wsheap_name, WSHEAP_NS);
