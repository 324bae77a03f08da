// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoint vmfork_cow: a write breaks the sharing of a page that is mapped.
 *
 * The kernel does that without a call of ours: wp_page_copy() tells the mmu
 * notifiers that one page is about to change (MMU_NOTIFY_CLEAR), changes the
 * entry if that is still what it was, and tells them that it is done.  So do
 * those who discard a page, KSM and migration.  What it was is told by the
 * entry before and after:
 *
 *	before		after
 *	the snapshot's	private		its sharing was broken
 *	the snapshot's	none		it was discarded; or another thread has
 *					discarded it just before it was copied
 *	private		whatever	none of our business
 *
 * There may be company between the two.  Of several threads that write to one
 * page at a time only one breaks anything: the first one to be done says so.
 * And a page may be discarded, and written to as one that is not mapped, which
 * is a fault of its own (vmfork_watch_explain()).  But faults also find no page
 * where one is just being copied, so that explains nothing unless somebody may
 * be discarding pages: who does has begun an mmu_gather by then.
 *
 * A notifier makes each change of an mm a little slower, and the first one of
 * an mm is dear.  So there is one in an mm while it has mappings, and somebody
 * listens to the tracepoint.
 *
 * All locks that are taken here are taken last, and in this order: @mms_lock,
 * eye->lock, the kernel's lock of the notifiers of an mm.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "fault.h"
#include "mapping.h"
#include "prefault.h"
#include "trace.h"
#include "watch.h"

#define ENABLE_PATIENCE	(HZ / 10)

/**
 * struct eye - sees what happens to the pages of an mm
 * @notifier: of the mm
 * @lock: for @changes
 * @changes: struct change, each under way
 */
struct eye {
	struct mmu_notifier notifier;
	spinlock_t lock;
	struct list_head changes;
};

/**
 * struct change - a page of a snapshot may be about to be written to
 * @list: in eye->changes
 * @task: who has announced it, and will say when it is done
 * @addr: of the page
 * @snapshot: for the event
 * @mapping: likewise
 * @offset: likewise
 * @sure: it is no discarding
 * @told: what became of the page is known
 */
struct change {
	struct list_head list;
	const struct task_struct *task;
	unsigned long addr;
	u64 snapshot;
	u64 mapping;
	u64 offset;
	bool sure;
	bool told;
};

/**
 * struct watched - an mm that has mappings
 * @node: in @mms
 * @mm: it lives as long as its VMAs
 * @vmas: of mappings
 * @eye: or NULL
 * @tried: not to get one for it again and again
 */
struct watched {
	struct hlist_node node;
	struct mm_struct *mm;
	unsigned long vmas;
	struct eye *eye;
	bool tried;
};

static DEFINE_HASHTABLE(mms, 8);
static DEFINE_SPINLOCK(mms_lock);
static bool enabled;	/* somebody listens */
static bool stopped;	/* the module goes */

static atomic_long_t nr_changes;

/* What became of a page is known now, or is not known any more. */
static void settle(struct eye *eye, unsigned long addr, bool told)
{
	struct change *change;

	list_for_each_entry(change, &eye->changes, list)
		if (change->addr == addr)
			change->told = told;
}

/*
 * Whoever announces a change of a page keeps its VMA: by the mmap lock or the
 * VMA's own (faults, madvise, KSM), or a lock of its rmap (migration, reclaim).
 */
static struct vm_area_struct *vma_at(struct mm_struct *mm, unsigned long addr)
{
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;

	rcu_read_lock();
	vma = mas_walk(&mas);
	rcu_read_unlock();
	return vma;
}

static bool is_one_page(const struct mmu_notifier_range *range)
{
	return range->event == MMU_NOTIFY_CLEAR &&
	       range->end - range->start == PAGE_SIZE;
}

static int eye_start(struct mmu_notifier *notifier,
		     const struct mmu_notifier_range *range)
{
	struct eye *eye = container_of(notifier, struct eye, notifier);
	struct vmfork_mapping *mapping;
	struct vm_area_struct *vma;
	struct change *change, new;

	if (!is_one_page(range))
		return 0;
	vma = vma_at(range->mm, range->start);
	mapping = vma ? vmfork_vma_mapping(vma) : NULL;
	if (!mapping || vmfork_entry_at(range->mm, range->start) !=
			VMFORK_ENTRY_SNAPSHOT)
		return 0;

	new = (struct change) {
		.task		= current,
		.addr		= range->start,
		.snapshot	= READ_ONCE(mapping->shown.id),
		.mapping	= mapping->ino,
		.offset		= (u64)linear_page_index(vma, range->start) <<
				  PAGE_SHIFT,
		.sure		= !mm_tlb_flush_pending(range->mm),
	};
	/* Reclaim waits for who is in here, so this can not wait for it. */
	change = kmemdup(&new, sizeof(new), GFP_NOWAIT | __GFP_NOWARN);
	if (!change) {
		if (!vmfork_is_prefaulting())
			trace_vmfork_cow(new.snapshot, new.mapping, new.addr,
					 new.offset, VMFORK_COW_MAYBE);
		return 0;
	}
	atomic_long_inc(&nr_changes);
	spin_lock(&eye->lock);
	/* Who was first may have told of it, a moment ago. */
	if (vmfork_entry_at(range->mm, new.addr) == VMFORK_ENTRY_SNAPSHOT) {
		/* It is the snapshot's again, whatever has happened before. */
		settle(eye, new.addr, false);
		list_add(&change->list, &eye->changes);
		change = NULL;
	}
	spin_unlock(&eye->lock);
	if (change) {
		atomic_long_dec(&nr_changes);
		kfree(change);
	}
	return 0;
}

static struct change *find_change(struct eye *eye, unsigned long addr)
{
	struct change *change;

	list_for_each_entry(change, &eye->changes, list)
		if (change->addr == addr && change->task == current)
			return change;
	return NULL;
}

static void eye_end(struct mmu_notifier *notifier,
		    const struct mmu_notifier_range *range)
{
	struct eye *eye = container_of(notifier, struct eye, notifier);
	struct change *change;
	bool broken = false;

	if (!is_one_page(range) || list_empty_careful(&eye->changes))
		return;
	spin_lock(&eye->lock);
	change = find_change(eye, range->start);
	if (change) {
		list_del(&change->list);
		broken = !change->told &&
			 vmfork_entry_at(range->mm, range->start) ==
			 VMFORK_ENTRY_PRIVATE;
		if (broken)
			settle(eye, change->addr, true);
	}
	spin_unlock(&eye->lock);
	if (!change)
		return;
	atomic_long_dec(&nr_changes);
	if (broken && !vmfork_is_prefaulting())
		trace_vmfork_cow(change->snapshot, change->mapping,
				 change->addr, change->offset, 0);
	kfree(change);
}

static struct mmu_notifier *eye_alloc(struct mm_struct *mm)
{
	struct eye *eye = kzalloc(sizeof(*eye), GFP_KERNEL_ACCOUNT);

	if (!eye)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&eye->lock);
	INIT_LIST_HEAD(&eye->changes);
	return &eye->notifier;
}

static void eye_free(struct mmu_notifier *notifier)
{
	struct eye *eye = container_of(notifier, struct eye, notifier);
	struct change *change, *next;

	/* The end of what had begun was not told to it any more. */
	list_for_each_entry_safe(change, next, &eye->changes, list) {
		atomic_long_dec(&nr_changes);
		kfree(change);
	}
	kfree(eye);
}

static const struct mmu_notifier_ops eye_ops = {
	.invalidate_range_start	= eye_start,
	.invalidate_range_end	= eye_end,
	.alloc_notifier		= eye_alloc,
	.free_notifier		= eye_free,
};

static void eye_put(struct eye *eye)
{
	if (eye)
		mmu_notifier_put(&eye->notifier);
}

static struct watched *find(const struct mm_struct *mm)
{
	struct watched *w;

	lockdep_assert_held(&mms_lock);
	hash_for_each_possible(mms, w, node, (unsigned long)mm)
		if (w->mm == mm)
			return w;
	return NULL;
}

/* A signal must not be why nothing is seen: it would have the kernel give up. */
static struct eye *eye_get(struct mm_struct *mm)
{
	struct mmu_notifier *notifier;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	notifier = mmu_notifier_get_locked(&eye_ops, mm);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return IS_ERR(notifier) ? NULL :
				  container_of(notifier, struct eye, notifier);
}

/* The mmap lock is held for writing. */
static void open_eye(struct mm_struct *mm)
{
	struct eye *eye = eye_get(mm);
	struct watched *w;

	if (!eye)
		return;
	spin_lock(&mms_lock);
	w = find(mm);
	if (w && !w->eye && enabled) {
		w->eye = eye;
		eye = NULL;
	}
	spin_unlock(&mms_lock);
	eye_put(eye);
}

/* An mm that has no eye yet, with a user of it, or NULL. */
static struct mm_struct *next_without(void)
{
	struct mm_struct *mm = NULL;
	struct watched *w;
	int bucket;

	spin_lock(&mms_lock);
	hash_for_each(mms, bucket, w, node) {
		if (!enabled || w->eye || w->tried)
			continue;
		w->tried = true;
		if (!mmget_not_zero(w->mm))
			continue;
		mm = w->mm;
		break;
	}
	spin_unlock(&mms_lock);
	return mm;
}

static DECLARE_COMPLETION(all_opened);

static void open_all(struct work_struct *work)
{
	struct mm_struct *mm;

	while ((mm = next_without())) {
		mmap_write_lock(mm);
		open_eye(mm);
		mmap_write_unlock(mm);
		mmput(mm);
	}
	complete(&all_opened);
}

static DECLARE_WORK(open_work, open_all);

/**
 * vmfork_watch_enable() - somebody begins to listen to vmfork_cow
 *
 * The mmap locks that this needs may be held by one who waits for a lock of our
 * caller's (the end of a perf event is one).  So they are taken elsewhere, and
 * that is not awaited for ever.
 *
 * Return: 0, or -ENODEV if the module goes.
 */
int vmfork_watch_enable(void)
{
	struct watched *w;
	int bucket;

	spin_lock(&mms_lock);
	if (stopped) {
		spin_unlock(&mms_lock);
		return -ENODEV;
	}
	enabled = true;
	hash_for_each(mms, bucket, w, node)
		w->tried = false;
	reinit_completion(&all_opened);
	queue_work(system_unbound_wq, &open_work);
	spin_unlock(&mms_lock);
	wait_for_completion_timeout(&all_opened, ENABLE_PATIENCE);
	return 0;
}

/**
 * vmfork_watch_disable() - nobody listens to vmfork_cow any more
 *
 * May be called after vmfork_watch_cleanup().
 */
void vmfork_watch_disable(void)
{
	struct watched *w;
	int bucket;

	spin_lock(&mms_lock);
	enabled = false;
	hash_for_each(mms, bucket, w, node) {
		eye_put(w->eye);
		w->eye = NULL;
	}
	spin_unlock(&mms_lock);
}

/* The mmap lock is held for writing: nobody else makes one for @mm. */
static void add(struct mm_struct *mm)
{
	/* So little that it is not worth an error, or a memcg's OOM killer. */
	struct watched *w = kzalloc(sizeof(*w), GFP_KERNEL | __GFP_NOFAIL);

	w->mm = mm;
	spin_lock(&mms_lock);
	hash_add(mms, &w->node, (unsigned long)mm);
	spin_unlock(&mms_lock);
}

static bool count(struct mm_struct *mm, bool *wants_eye)
{
	struct watched *w;

	spin_lock(&mms_lock);
	w = find(mm);
	if (w) {
		w->vmas++;
		*wants_eye = enabled && !w->eye;
	}
	spin_unlock(&mms_lock);
	return w;
}

/**
 * vmfork_watch_open() - there is one more VMA of a mapping
 * @vma: the VMA; its mmap lock is held for writing
 */
void vmfork_watch_open(struct vm_area_struct *vma)
{
	bool wants_eye = false;

	mmap_assert_write_locked(vma->vm_mm);
	if (!count(vma->vm_mm, &wants_eye)) {
		add(vma->vm_mm);
		count(vma->vm_mm, &wants_eye);
	}
	if (wants_eye)
		open_eye(vma->vm_mm);
}

/**
 * vmfork_watch_close() - there is one less
 * @vma: the VMA
 */
void vmfork_watch_close(struct vm_area_struct *vma)
{
	struct eye *eye = NULL;
	struct watched *w;

	spin_lock(&mms_lock);
	w = find(vma->vm_mm);
	if (WARN_ON_ONCE(!w) || --w->vmas) {
		w = NULL;
	} else {
		hash_del(&w->node);
		eye = w->eye;
	}
	spin_unlock(&mms_lock);
	eye_put(eye);
	kfree(w);
}

/**
 * vmfork_watch_explain() - a page becomes private by a fault
 * @mm: whose page
 * @addr: of the page, which is not mapped
 *
 * Somebody may be discarding it, which is not over yet.
 */
void vmfork_watch_explain(struct mm_struct *mm, unsigned long addr)
{
	struct change *change;
	struct watched *w;

	if (!atomic_long_read(&nr_changes))
		return;
	spin_lock(&mms_lock);
	w = find(mm);
	if (w && w->eye) {
		spin_lock(&w->eye->lock);
		list_for_each_entry(change, &w->eye->changes, list)
			change->told |= change->addr == addr && !change->sure;
		spin_unlock(&w->eye->lock);
	}
	spin_unlock(&mms_lock);
}

/**
 * vmfork_watch_cleanup() - when the module goes
 *
 * There are no mappings any more.
 */
void vmfork_watch_cleanup(void)
{
	spin_lock(&mms_lock);
	stopped = true;
	spin_unlock(&mms_lock);
	cancel_work_sync(&open_work);
	WARN_ON(!hash_empty(mms));
	mmu_notifier_synchronize();
}
