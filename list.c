// SPDX-License-Identifier: GPL-2.0
/*
 * The list of all heaps: for wsheap_for_each(), and for the reports of what a module
 * leaves behind. An embedded heap is on it from its first chunk on.
 */

#include "internal.h"

#include <linux/export.h>
#include <linux/wait.h>

static DEFINE_SPINLOCK(all_heaps_lock);
static LIST_HEAD(all_heaps);
/* Written under the lock. */
static unsigned long nr_heaps;

/**
 * struct visit - a call of wsheap_for_each()
 * @node: in visits, protected by all_heaps_lock.
 * @heap: the heap that the caller's function looks at. It is not released, and
 *	stays in all_heaps, until the visit has moved on.
 */
struct visit {
	struct list_head node;
	const struct wsheap *heap;
};

static LIST_HEAD(visits);
static DECLARE_WAIT_QUEUE_HEAD(visit_moved);

/* Heaps on the list. A visit of so many finds each one that is there all the time. */
unsigned long wsheap_list_count(void)
{
	return READ_ONCE(nr_heaps);
}

/* A heap that is on the list already stays where it is. */
void wsheap_list_add(struct wsheap *heap)
{
	unsigned long irq;

	spin_lock_irqsave(&all_heaps_lock, irq);
	if (!heap->all.next) {
		list_add_tail(&heap->all, &all_heaps);
		WRITE_ONCE(nr_heaps, nr_heaps + 1);
	}
	spin_unlock_irqrestore(&all_heaps_lock, irq);
}

static void list_remove(struct wsheap *heap)
{
	lockdep_assert_held(&all_heaps_lock);
	list_del(&heap->all);
	WRITE_ONCE(nr_heaps, nr_heaps - 1);
}

static bool list_is_visited(const struct wsheap *heap)
{
	const struct visit *visit;

	lockdep_assert_held(&all_heaps_lock);
	list_for_each_entry(visit, &visits, node)
		if (visit->heap == heap)
			return true;
	return false;
}

static void visit_move(struct visit *visit, const struct wsheap *heap)
{
	lockdep_assert_held(&all_heaps_lock);
	visit->heap = heap;
	/* A waiter queues itself and checks with the lock held. */
	if (waitqueue_active(&visit_moved))
		wake_up_all(&visit_moved);
}

/* Waits until no call of wsheap_for_each() looks at the heap. Sleeps. */
void wsheap_list_del(struct wsheap *heap)
{
	spin_lock_irq(&all_heaps_lock);
	wait_event_lock_irq(visit_moved, !list_is_visited(heap), all_heaps_lock);
	list_remove(heap);
	spin_unlock_irq(&all_heaps_lock);
}

/* Returns false if a call of wsheap_for_each() looks at the heap. */
bool wsheap_list_try_del(struct wsheap *heap)
{
	unsigned long irq;
	bool visited;

	spin_lock_irqsave(&all_heaps_lock, irq);
	visited = list_is_visited(heap);
	if (!visited)
		list_remove(heap);
	spin_unlock_irqrestore(&all_heaps_lock, irq);
	return !visited;
}

/**
 * wsheap_for_each - visit all heaps
 * @fn: called for each heap of either kind. A non-zero return ends the visit.
 * @data: passed to @fn.
 *
 * No lock is held while @fn runs, so other heaps may come and go. One that is
 * created meanwhile is visited, too. The heap that @fn looks at stays: whoever
 * destroys it waits until @fn has returned. So @fn must neither destroy that heap
 * nor wait for somebody who does. Equivalent of GetProcessHeaps().
 *
 * Context: any but NMI; on PREEMPT_RT not in hardirq and not under a raw
 * spinlock. @fn runs in the context of the caller.
 * Return: what @fn returned last, or 0.
 */
int wsheap_for_each(int (*fn)(struct wsheap *heap, void *data), void *data)
{
	struct visit visit = {};
	struct wsheap *heap;
	unsigned long irq;
	int ret = 0;

	spin_lock_irqsave(&all_heaps_lock, irq);
	list_add(&visit.node, &visits);
	list_for_each_entry(heap, &all_heaps, all) {
		visit_move(&visit, heap);
		spin_unlock_irqrestore(&all_heaps_lock, irq);
		ret = fn(heap, data);
		spin_lock_irqsave(&all_heaps_lock, irq);
		if (ret)
			break;
	}
	visit_move(&visit, NULL);
	list_del(&visit.node);
	spin_unlock_irqrestore(&all_heaps_lock, irq);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(wsheap_for_each, WSHEAP_NS);

/*
 * Reports the heaps that a module leaves behind. What lies in a structure of the
 * module may go with that, so it is forgotten. A pool reports its heaps itself.
 */
void wsheap_list_report_module(const struct module *module, const char *name)
{
	struct wsheap *heap, *next;
	bool left = false;

	spin_lock_irq(&all_heaps_lock);
	list_for_each_entry_safe(heap, next, &all_heaps, all) {
		if (heap->class->owner != module)
			continue;
		if (!(heap->flags & WSHEAP_POOLED)) {
			pr_err("module %s leaves heap %s behind: %zu bytes asked for, %zu held, left alone\n",
			       name, wsheap_name(heap), wsheap_requested_size(heap),
			       wsheap_actual_size(heap));
			wsheap_debug_dump(heap);
			left = true;
		}
		if (heap->flags & WSHEAP_EMBEDDED) {
			wait_event_lock_irq(visit_moved, !list_is_visited(heap),
					    all_heaps_lock);
			/* What is next may have changed meanwhile. */
			next = list_next_entry(heap, all);
			list_remove(heap);
		}
	}
	spin_unlock_irq(&all_heaps_lock);
	if (left)
		wsheap_report_advice(MISTAKE_LEFT);
}

/* Called when the modules that could use a heap are gone. */
void wsheap_list_report_all(void)
{
	struct wsheap *heap;

	list_for_each_entry(heap, &all_heaps, all)
		pr_err("heap %s was never destroyed: %zu bytes asked for, %zu held, left alone\n",
		       wsheap_name(heap), heap->max_size - heap->left, heap->actual);
}
