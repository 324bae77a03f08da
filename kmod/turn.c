// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns: captures of one mm take turns.
 *
 * A mutex for each mm that is being captured, and for no other: nobody waits
 * for the capture of a stranger, whose cgroup may give it no time to end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "tree.h"
#include "turn.h"

/**
 * struct vmfork_turn - an mm that is being captured
 * @list: in @turns
 * @mm: whose; held by those who capture it
 * @refs: captures of it, under way and waiting; under @turns_lock
 * @mutex: held by the one under way
 */
struct vmfork_turn {
	struct list_head list;
	struct mm_struct *mm;
	unsigned int refs;
	struct mutex mutex;
};

static LIST_HEAD(turns);
static DEFINE_SPINLOCK(turns_lock);

static struct vmfork_turn *turn_alloc(struct mm_struct *mm)
{
	struct vmfork_turn *turn = kmalloc(sizeof(*turn),
					   VMFORK_GFP | __GFP_ACCOUNT);

	if (!turn)
		return NULL;
	turn->mm = mm;
	turn->refs = 0;
	mutex_init(&turn->mutex);
	return turn;
}

/* The turn of @new's mm, which may be @new; the rest of it is freed. */
static struct vmfork_turn *turn_get(struct vmfork_turn *new)
{
	struct vmfork_turn *turn;

	spin_lock(&turns_lock);
	list_for_each_entry(turn, &turns, list) {
		if (turn->mm == new->mm)
			goto found;
	}
	list_add(&new->list, &turns);
	turn = new;
	new = NULL;
found:
	turn->refs++;
	spin_unlock(&turns_lock);
	kfree(new);
	return turn;
}

static void turn_put(struct vmfork_turn *turn)
{
	bool last;

	spin_lock(&turns_lock);
	last = !--turn->refs;
	if (last)
		list_del(&turn->list);
	spin_unlock(&turns_lock);
	if (last)
		kfree(turn);
}

/**
 * vmfork_turn_begin() - wait for one's turn at an mm
 * @mm: held by the caller
 *
 * Return: the turn, for vmfork_turn_end(); ERR_PTR(-EINTR) if a fatal signal
 * came first, ERR_PTR(-ENOMEM).
 */
struct vmfork_turn *vmfork_turn_begin(struct mm_struct *mm)
{
	struct vmfork_turn *turn = turn_alloc(mm);

	if (!turn)
		return ERR_PTR(-ENOMEM);
	turn = turn_get(turn);
	if (mutex_lock_killable(&turn->mutex)) {
		turn_put(turn);
		return ERR_PTR(-EINTR);
	}
	return turn;
}

/**
 * vmfork_turn_end() - let the next one have his
 * @turn: from vmfork_turn_begin()
 */
void vmfork_turn_end(struct vmfork_turn *turn)
{
	mutex_unlock(&turn->mutex);
	turn_put(turn);
}
