// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink's answers about mappings.
 *
 * The VMAs of a mapping, in all processes, are those of its inode.  Each range
 * that they make up without a gap is an answer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/user_namespace.h>
#include <linux/vmfork_netlink.h>
#include <net/genetlink.h>

#include "keep.h"
#include "mapping.h"
#include "netlink.h"
#include "registry.h"
#include "resident.h"
#include "rights.h"
#include "snapshot.h"
#include "tree.h"

/**
 * struct stretch - part of a mapping in a process
 * @mm: whose memory; held
 * @start: first address
 * @end: the address after its last
 * @index: in the snapshot, of @start, in pages
 */
struct stretch {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	u64 index;
};

/**
 * struct stretches - those of one mapping that are still to be told of
 * @id: number of the mapping, which may be gone by the next call
 * @next: the one whose turn it is
 * @nr: how many there are
 * @room: for how many there is room
 * @all: the ranges
 */
struct stretches {
	u64 id;
	unsigned int next;
	unsigned int nr;
	unsigned int room;
	struct stretch all[];
};

/**
 * struct dump - a dump under way, between calls
 * @next: the lowest number of a mapping that was not looked at
 * @ranges: of the one before, or NULL
 */
struct dump {
	u64 next;
	struct stretches *ranges;
};

/**
 * struct wanted - what is asked for
 * @reader: who asks
 * @snapshot: mappings of this one, or 0
 * @pid: mappings in this process, or 0
 * @count: the pages are to be counted
 */
struct wanted {
	const struct file *reader;
	u64 snapshot;
	u32 pid;
	bool count;
};

static struct stretches *ranges_alloc(u64 id, unsigned int room)
{
	struct stretches *ranges;

	ranges = kvzalloc(struct_size(ranges, all, room),
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!ranges)
		return NULL;
	ranges->id = id;
	ranges->room = room;
	return ranges;
}

static void ranges_free(struct stretches *ranges)
{
	unsigned int i;

	if (!ranges)
		return;
	for (i = 0; i < ranges->nr; i++)
		mmdrop(ranges->all[i].mm);
	kvfree(ranges);
}

static unsigned int count_vmas(const struct address_space *mapping)
{
	struct rb_node *node;
	unsigned int nr = 0;

	for (node = rb_first_cached(&mapping->i_mmap); node;
	     node = rb_next(node))
		nr++;
	return nr;
}

/* The VMAs of a mapping; how many there are, in case there is no room. */
static unsigned int collect(struct stretches *ranges, struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;
	unsigned int nr;
	struct rb_node *node;

	i_mmap_lock_read(mapping);
	nr = count_vmas(mapping);
	if (nr > ranges->room)
		goto out;
	for (node = rb_first_cached(&mapping->i_mmap); node;
	     node = rb_next(node)) {
		struct vm_area_struct *vma = rb_entry(node,
						      struct vm_area_struct,
						      shared.rb);
		struct stretch *range = &ranges->all[ranges->nr++];

		/* While it is there, there is its mm. */
		mmgrab(vma->vm_mm);
		range->mm = vma->vm_mm;
		range->start = vma->vm_start;
		range->end = vma->vm_end;
		range->index = vma->vm_pgoff;
	}
out:
	i_mmap_unlock_read(mapping);
	return nr;
}

static int compare(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	if (x->mm != y->mm)
		return x->mm < y->mm ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static bool goes_on(const struct stretch *range, const struct stretch *next)
{
	return next->mm == range->mm && next->start == range->end &&
	       next->index == range->index +
			      ((range->end - range->start) >> PAGE_SHIFT);
}

static void merge(struct stretches *ranges)
{
	unsigned int i, nr = 0;

	sort(ranges->all, ranges->nr, sizeof(*ranges->all), compare, NULL);
	for (i = 0; i < ranges->nr; i++) {
		struct stretch *last = &ranges->all[nr ? nr - 1 : 0];

		if (nr && goes_on(last, &ranges->all[i])) {
			last->end = ranges->all[i].end;
			mmdrop(ranges->all[i].mm);
		} else {
			ranges->all[nr++] = ranges->all[i];
		}
	}
	ranges->nr = nr;
}

/* Is it one that the reader wants, and may see? */
static bool is_wanted(const struct wanted *wanted, const struct stretch *range)
{
	struct vmfork_process process;
	bool of_pid;

	vmfork_process_of(range->mm, &process);
	of_pid = !wanted->pid ||
		 pid_nr_ns(process.pid, task_active_pid_ns(current)) ==
		 wanted->pid;
	put_pid(process.pid);
	return of_pid && vmfork_reads_process(wanted->reader, range->mm);
}

/* Nothing of what is none of the reader's business is held for him. */
static void keep_wanted(struct stretches *ranges, const struct wanted *wanted)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ranges->nr; i++) {
		if (is_wanted(wanted, &ranges->all[i]))
			ranges->all[nr++] = ranges->all[i];
		else
			mmdrop(ranges->all[i].mm);
		cond_resched();
	}
	ranges->nr = nr;
}

static struct stretches *find_ranges(u64 id, struct inode *inode,
				     const struct wanted *wanted)
{
	struct stretches *ranges;
	unsigned int room = 16, nr;

	for (;;) {
		ranges = ranges_alloc(id, room);
		if (!ranges)
			return ERR_PTR(-ENOMEM);
		nr = collect(ranges, inode);
		if (nr <= ranges->room)
			break;
		ranges_free(ranges);
		/* More may come meanwhile. */
		room = nr + nr / 8;
	}
	merge(ranges);
	keep_wanted(ranges, wanted);
	return ranges;
}

static struct vmfork_mapping *mapping_of(const struct inode *inode)
{
	struct vmfork_shown *shown = inode->i_private;

	return container_of(shown, struct vmfork_mapping, shown);
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, VMFORK_A_MAPPING_PAD);
}

static int put_process(struct sk_buff *skb, const struct wanted *wanted,
		       const struct vmfork_process *process)
{
	struct user_namespace *ns = wanted->reader->f_cred->user_ns;

	if (!process->pid)
		return 0;
	return vmfork_netlink_put_pid(skb, VMFORK_A_MAPPING_PID,
				      process->pid) ||
	       nla_put_u32(skb, VMFORK_A_MAPPING_UID,
			   from_kuid_munged(ns, process->uid)) ||
	       nla_put_string(skb, VMFORK_A_MAPPING_COMMAND,
			      process->command) ? -EMSGSIZE : 0;
}

static int put_mapping(struct sk_buff *skb,
		       const struct vmfork_mapping *mapping,
		       const struct stretch *range)
{
	if (put_u64(skb, VMFORK_A_MAPPING_ID, mapping->ino) ||
	    put_u64(skb, VMFORK_A_MAPPING_SNAPSHOT,
		    READ_ONCE(mapping->shown.id)) ||
	    put_u64(skb, VMFORK_A_MAPPING_START, range->start) ||
	    put_u64(skb, VMFORK_A_MAPPING_END, range->end) ||
	    put_u64(skb, VMFORK_A_MAPPING_OFFSET,
		    range->index << PAGE_SHIFT))
		return -EMSGSIZE;
	return put_u64(skb, VMFORK_A_MAPPING_FAULTS_READ,
		       atomic_long_read(&mapping->faults_read)) ||
	       put_u64(skb, VMFORK_A_MAPPING_FAULTS_WRITE,
		       atomic_long_read(&mapping->faults_write)) ?
	       -EMSGSIZE : 0;
}

static int put_resident(struct sk_buff *skb,
			const struct vmfork_resident *resident)
{
	return put_u64(skb, VMFORK_A_MAPPING_PAGES_PRIVATE,
		       resident->private) ||
	       put_u64(skb, VMFORK_A_MAPPING_PAGES_SHARED,
		       resident->shared) ? -EMSGSIZE : 0;
}

static int put_range(struct sk_buff *skb, struct netlink_callback *cb,
		     const struct wanted *wanted, struct inode *inode,
		     const struct stretch *range)
{
	const struct vmfork_mapping *mapping = mapping_of(inode);
	struct vmfork_resident resident;
	struct vmfork_process process;
	bool counted = false;
	void *header;
	int err = 0;

	vmfork_process_of(range->mm, &process);
	if (wanted->count) {
		err = vmfork_resident_count(range->mm, inode, range->start,
					    range->end, &resident);
		counted = !err;
		/* What could not be counted is left out. */
		if (err != -EINTR)
			err = 0;
		if (err)
			goto out;
	}
	err = -EMSGSIZE;
	header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
			     cb->nlh->nlmsg_seq, &vmfork_family, NLM_F_MULTI,
			     VMFORK_CMD_MAPPING_GET);
	if (!header)
		goto out;
	if (put_mapping(skb, mapping, range) ||
	    put_process(skb, wanted, &process) ||
	    (counted && put_resident(skb, &resident))) {
		genlmsg_cancel(skb, header);
		goto out;
	}
	genlmsg_end(skb, header);
	err = 0;
out:
	put_pid(process.pid);
	return err;
}

static int put_ranges(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct wanted *wanted, struct stretches *ranges,
		      struct inode *inode)
{
	int err;

	while (ranges->next < ranges->nr) {
		err = put_range(skb, cb, wanted, inode,
				&ranges->all[ranges->next]);
		if (err)
			return err;
		ranges->next++;
		cond_resched();
	}
	return 0;
}

static void end_ranges(struct dump *dump)
{
	ranges_free(dump->ranges);
	dump->ranges = NULL;
}

/*
 * Between two calls no more is held than the ranges: a reader may take his time,
 * and what is gone must not stay for him.
 */
static struct inode *same_mapping(u64 id)
{
	u64 found = id;
	struct inode *inode = vmfork_registry_next_mapping(&found);

	if (inode && found != id) {
		vmfork_unkeep(inode);
		inode = NULL;
	}
	return inode;
}

/* All of one mapping that is left to be told of. */
static int put_rest(struct sk_buff *skb, struct netlink_callback *cb,
		    const struct wanted *wanted, struct dump *dump)
{
	struct inode *inode = same_mapping(dump->ranges->id);
	int err = 0;

	if (inode) {
		err = put_ranges(skb, cb, wanted, dump->ranges, inode);
		vmfork_unkeep(inode);
	}
	if (!err)
		end_ranges(dump);
	return err;
}

static int look_at(struct dump *dump, struct inode *inode,
		   const struct wanted *wanted)
{
	struct stretches *ranges;

	if (wanted->snapshot &&
	    wanted->snapshot != READ_ONCE(mapping_of(inode)->shown.id))
		return 0;
	ranges = find_ranges(dump->next, inode, wanted);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	dump->ranges = ranges;
	return 1;
}

/* 1 if there are ranges, of the next mapping; 0 if there are no more. */
static int next_ranges(struct dump *dump, const struct wanted *wanted)
{
	struct inode *inode;
	int ret;

	while ((inode = vmfork_registry_next_mapping(&dump->next))) {
		ret = look_at(dump, inode, wanted);
		vmfork_unkeep(inode);
		if (ret < 0)
			return ret;
		dump->next++;
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/**
 * vmfork_netlink_dump_mappings() - VMFORK_CMD_MAPPING_GET
 * @skb: for answers
 * @cb: the dump
 *
 * Return: the length of @skb, 0 at the end, or an errno.
 */
int vmfork_netlink_dump_mappings(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct nlattr **attrs = (struct nlattr **)genl_dumpit_info(cb)->
				VMFORK_DUMPIT_ATTRS;
	struct nlattr *snapshot = attrs[VMFORK_A_MAPPING_SNAPSHOT];
	struct nlattr *pid = attrs[VMFORK_A_MAPPING_PID];
	struct wanted wanted = {
		.reader		= vmfork_netlink_reader(cb->skb),
		.snapshot	= snapshot ? nla_get_u64(snapshot) : 0,
		.pid		= pid ? nla_get_u32(pid) : 0,
		.count		= attrs[VMFORK_A_MAPPING_COUNT],
	};
	struct dump *dump = (struct dump *)cb->ctx;
	int err;

	do {
		err = dump->ranges ? put_rest(skb, cb, &wanted, dump) : 0;
		if (!err)
			err = next_ranges(dump, &wanted);
	} while (err > 0);
	return err && !skb->len ? err : skb->len;
}

/**
 * vmfork_netlink_dump_mappings_done() - the dump is over, at its end or not
 * @cb: the dump
 *
 * Return: 0.
 */
int vmfork_netlink_dump_mappings_done(struct netlink_callback *cb)
{
	end_ranges((struct dump *)cb->ctx);
	return 0;
}
