// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: budgets for the memory of many heaps.
 *
 *	heap, pool --> group of a client --> group of all clients
 *
 * A group and all its parents are charged before the system is asked for a chunk,
 * and credited when the memory has gone back. So the sum of what the heaps hold never
 * exceeds a budget. The counters are atomic and take no lock. A charge goes up the
 * chain. If a group refuses, those below it are credited again. Another charge that
 * comes in between may be refused for that, though it would fit a moment later.
 *
 * Before a group refuses, idle heaps of the pools below it are released. The topmost
 * group has a list of all pools of its tree for that. A pool is on the list as a
 * struct wsheap_reclaim, so that nothing here knows of pools.
 */

#include "trace.h"

#include <linux/atomic.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/once_lite.h>

/* Protects the list. Not held where groups are charged. */
static DEFINE_MUTEX(all_groups_lock);
static LIST_HEAD(all_groups);

static bool group_try_add(struct wsheap_group *group, size_t size)
{
	long old = atomic_long_read(&group->size);

	do {
		if (size > group->max_size - (size_t)old)
			return false;
	} while (!atomic_long_try_cmpxchg(&group->size, &old, old + size));
	return true;
}

/* Credits groups up the chain, as far as @end. */
static void group_credit(struct wsheap_group *group,
			 const struct wsheap_group *end, size_t size)
{
	for (; group != end; group = group->parent)
		atomic_long_sub(size, &group->size);
}

void wsheap_group_uncharge(struct wsheap_group *group, size_t size)
{
	group_credit(group, NULL, size);
}

/* Charges all groups of a chain, or none. Returns the one that refuses, or NULL. */
static struct wsheap_group *group_charge(struct wsheap_group *group, size_t size)
{
	struct wsheap_group *at;

	for (at = group; at; at = at->parent) {
		if (!group_try_add(at, size)) {
			group_credit(group, at, size);
			return at;
		}
	}
	return NULL;
}

static struct wsheap_group *group_top(struct wsheap_group *group)
{
	while (group->parent)
		group = group->parent;
	return group;
}

static bool group_is_below(const struct wsheap_group *group,
			   const struct wsheap_group *above)
{
	while (group && group != above)
		group = group->parent;
	return group;
}

/* Has something below a group give memory back. Returns whether anything could. */
static bool group_reclaim(struct wsheap_group *group)
{
	struct wsheap_group *top = group_top(group);
	struct wsheap_reclaim *reclaim;
	bool released = false;
	unsigned long irq;

	spin_lock_irqsave(&top->lock, irq);
	list_for_each_entry(reclaim, &top->reclaims, node) {
		released = group_is_below(reclaim->group, group) &&
			   reclaim->release(reclaim);
		if (released)
			break;
	}
	spin_unlock_irqrestore(&top->lock, irq);
	return released;
}

/*
 * Charges a group and its parents before memory is obtained. Returns false if one
 * refuses, with its figures in @failure. Without @failure, nothing is released for
 * the charge.
 */
bool wsheap_group_charge(struct wsheap_group *group, size_t size, gfp_t gfp,
			 struct wsheap_error *failure)
{
	struct wsheap_group *refused = group_charge(group, size);

	while (refused && failure) {
		/* What was released may still wait for the worker. */
		if (gfpflags_allow_blocking(gfp)) {
			wsheap_chunk_flush();
			refused = group_charge(group, size);
		}
		if (!refused || !group_reclaim(refused))
			break;
		refused = group_charge(group, size);
	}
	if (refused && failure && gfpflags_allow_blocking(gfp)) {
		wsheap_chunk_flush();
		refused = group_charge(group, size);
	}
	if (refused && failure) {
		atomic_long_inc(&refused->refused);
		trace_group_refuse(refused, size);
		failure->code = -EDQUOT;
		failure->in_use = wsheap_group_size(refused);
		failure->limit = refused->max_size;
	}
	return !refused;
}

void wsheap_group_add_reclaim(struct wsheap_reclaim *reclaim)
{
	struct wsheap_group *top;
	unsigned long irq;

	INIT_LIST_HEAD(&reclaim->node);
	if (!reclaim->group)
		return;
	wsheap_group_get(reclaim->group);
	top = group_top(reclaim->group);
	spin_lock_irqsave(&top->lock, irq);
	list_add_tail(&reclaim->node, &top->reclaims);
	spin_unlock_irqrestore(&top->lock, irq);
}

void wsheap_group_del_reclaim(struct wsheap_reclaim *reclaim)
{
	struct wsheap_group *top;
	unsigned long irq;

	if (!reclaim->group)
		return;
	top = group_top(reclaim->group);
	spin_lock_irqsave(&top->lock, irq);
	list_del(&reclaim->node);
	spin_unlock_irqrestore(&top->lock, irq);
	wsheap_group_put(reclaim->group);
	reclaim->group = NULL;
}

/**
 * wsheap_group_create - create a budget for the memory of heaps
 * @name: for reports; copied, must not be NULL.
 * @max_size: bytes that the heaps may hold together, in bytes of
 *	WSHEAP_PROPERTY_ACTUAL_SIZE. WSHEAP_UNLIMITED sets no limit, and only counts.
 * @parent: a group whose budget bounds this one, too, or NULL.
 *
 * A heap or pool whose args name the group is charged to it and its parents.
 * Windows has no equivalent.
 *
 * Context: process context; sleeps.
 * Return: the group, to be passed to wsheap_group_destroy(), or
 * ERR_PTR(-ENOMEM).
 */
struct wsheap_group *wsheap_group_create(const char *name, size_t max_size,
					 struct wsheap_group *parent)
{
	struct wsheap_group *group = kzalloc_noprof(sizeof(*group), GFP_KERNEL);

	if (!group)
		return ERR_PTR(-ENOMEM);
	group->name = kstrdup_const(name, GFP_KERNEL);
	if (!group->name) {
		kfree(group);
		return ERR_PTR(-ENOMEM);
	}
	group->max_size = max_size;
	group->parent = parent;
	wsheap_group_get(parent);
	spin_lock_init(&group->lock);
	INIT_LIST_HEAD(&group->reclaims);
	mutex_lock(&all_groups_lock);
	list_add_tail(&group->all, &all_groups);
	mutex_unlock(&all_groups_lock);
	return group;
}
EXPORT_SYMBOL_NS_GPL(wsheap_group_create, WSHEAP_NS);

static void report_users(const struct wsheap_group *group, int users,
			 unsigned long caller)
{
	pr_err("group %s destroyed while %d heaps, pools or groups belong to it: left alone; called from %pS\n",
	       group->name, users, (void *)caller);
	wsheap_report_advice(MISTAKE_GROUP);
}

/**
 * wsheap_group_destroy - release a group
 * @group: the group, which no heap, pool or group refers to any more; NULL and an
 *	ERR_PTR are ignored.
 *
 * If anything still refers to it, that is reported, and the group is left alone.
 * Windows has no equivalent.
 *
 * Context: process context; sleeps.
 */
void wsheap_group_destroy(struct wsheap_group *group)
{
	int users;

	if (IS_ERR_OR_NULL(group))
		return;
	might_sleep();
	users = atomic_read_acquire(&group->users);
	if (users) {
		DO_ONCE_LITE(report_users, group, users, _RET_IP_);
		return;
	}
	mutex_lock(&all_groups_lock);
	list_del(&group->all);
	mutex_unlock(&all_groups_lock);
	/* Memory of heaps that are gone may still be charged. */
	wsheap_chunk_flush();
	wsheap_group_put(group->parent);
	kfree_const(group->name);
	kfree(group);
}
EXPORT_SYMBOL_NS_GPL(wsheap_group_destroy, WSHEAP_NS);

/**
 * wsheap_group_size - ask what the heaps of a group hold
 * @group: the group.
 *
 * Windows has no equivalent.
 *
 * Context: any.
 * Return: bytes, with those of the groups below it.
 */
size_t wsheap_group_size(const struct wsheap_group *group)
{
	return atomic_long_read(&group->size);
}
EXPORT_SYMBOL_NS_GPL(wsheap_group_size, WSHEAP_NS);

/* Calls @fn for each group, with the list locked. Its parents stay, too. */
void wsheap_group_for_each(void (*fn)(struct wsheap_group *group, void *data),
			   void *data)
{
	struct wsheap_group *group;

	mutex_lock(&all_groups_lock);
	list_for_each_entry(group, &all_groups, all)
		fn(group, data);
	mutex_unlock(&all_groups_lock);
}
