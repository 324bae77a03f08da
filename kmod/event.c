// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to snapshots and mappings, told to netlink's listeners.
 *
 * An event happens where a guest is paused, or under somebody's mmap lock, and
 * there may be any number of listeners.  So it is only noted there, and told by
 * a work item, one after the other.  What can not be noted or told is lost, and
 * then all listeners are told that something is (ENOBUFS), as the kernel does
 * with one whose own queue is full.
 *
 * An event says who may see it, since by the time that it is told, what it is
 * about may be gone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/rtnetlink.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/user_namespace.h>
#include <linux/vmfork_netlink.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "event.h"
#include "mapping.h"
#include "names.h"
#include "netlink.h"
#include "rights.h"
#include "snapshot.h"
#include "target.h"

#define MAX_WAITING	4096
#define MAX_RIGHTS	4
#define MAX_VALUES	8

/**
 * struct event - something that happened
 * @list: in @waiting
 * @cmd: VMFORK_CMD_*
 * @rights: of the snapshot
 * @nr_rights: how many these are
 * @after_loss: some that came before it were lost
 * @uid: user of the process that it is about, or INVALID_UID: he may see it
 * @nr: of @values
 * @values: attributes that are 64 bits wide
 * @pid: of the process, or 0
 * @ahead: the attribute
 * @name: likewise, or NULL
 */
struct event {
	struct list_head list;
	u8 cmd;
	struct vmfork_rights rights[MAX_RIGHTS];
	unsigned int nr_rights;
	bool after_loss;
	kuid_t uid;
	unsigned int nr;
	struct {
		u16 attr;
		u64 value;
	} values[MAX_VALUES];
	u32 pid;
	bool ahead;
	char *name;
};

static LIST_HEAD(waiting);
static unsigned int nr_waiting;
static u64 last_seq;
static bool lost;		/* something, after all that wait */
static bool stopped;
static DEFINE_SPINLOCK(waiting_lock);	/* for all of these */

static struct workqueue_struct *event_wq;

static bool has_listeners(void)
{
	/* The kernel has one table of them for all network namespaces. */
	return vmfork_hears_events(&init_net);
}

/* May the listener not have it?  With the table of sockets held: it stays. */
static int filter(struct sock *listener, struct sk_buff *skb, void *data)
{
	const struct file *reader = listener->sk_socket->file;
	const struct event *event = data;

	if (!reader)
		return 1;
	if (uid_valid(event->uid) && uid_eq(event->uid, reader->f_cred->fsuid))
		return 0;
	return !vmfork_reads(reader, event->rights, event->nr_rights);
}

static int put_values(struct sk_buff *skb, const struct event *event)
{
	unsigned int i;

	for (i = 0; i < event->nr; i++)
		if (nla_put_u64_64bit(skb, event->values[i].attr,
				      event->values[i].value,
				      VMFORK_A_EVENT_PAD))
			return -EMSGSIZE;
	if (event->pid && nla_put_u32(skb, VMFORK_A_EVENT_PID, event->pid))
		return -EMSGSIZE;
	if (uid_valid(event->uid) &&
	    nla_put_u32(skb, VMFORK_A_EVENT_UID,
			from_kuid_munged(&init_user_ns, event->uid)))
		return -EMSGSIZE;
	if (event->name &&
	    nla_put_string(skb, VMFORK_A_EVENT_NAME, event->name))
		return -EMSGSIZE;
	if (event->ahead && nla_put_flag(skb, VMFORK_A_EVENT_AHEAD))
		return -EMSGSIZE;
	return 0;
}

static struct sk_buff *message(const struct event *event)
{
	size_t size = MAX_VALUES * nla_total_size_64bit(sizeof(u64)) +
		      2 * nla_total_size(sizeof(u32)) + nla_total_size(0);
	struct sk_buff *skb;
	void *header;

	if (event->name)
		size += nla_total_size(strlen(event->name) + 1);
	skb = genlmsg_new(size, GFP_KERNEL);
	if (!skb)
		return NULL;
	header = genlmsg_put(skb, 0, 0, &vmfork_family, 0, event->cmd);
	if (!header || put_values(skb, event)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, header);
	return skb;
}

static void tell_lost(void)
{
	struct net *net;

	down_read(&net_rwsem);
	for_each_net(net) {
		if (vmfork_hears_events(net))
			genl_set_err(&vmfork_family, net, 0, 0, -ENOBUFS);
		cond_resched();
	}
	up_read(&net_rwsem);
}

/* Those whose own queue is full are told so by the kernel. */
static void tell(struct event *event)
{
	struct sk_buff *skb = message(event), *copy;
	struct net *net;
	bool failed = !skb;

	/* It may be for thousands; none of them goes meanwhile. */
	down_read(&net_rwsem);
	for_each_net(net) {
		cond_resched();
		if (failed || !vmfork_hears_events(net))
			continue;
		copy = skb_clone(skb, GFP_KERNEL);
		if (copy)
			vmfork_multicast(net, copy, filter, event);
		else
			failed = true;
	}
	up_read(&net_rwsem);
	if (failed)
		tell_lost();
	nlmsg_free(skb);
}

static void event_free(struct event *event)
{
	if (!event)
		return;
	kfree(event->name);
	kfree(event);
}

/* One event, and whether any before it were lost. */
static struct event *next_event(bool *were_lost)
{
	struct event *event;

	spin_lock(&waiting_lock);
	event = list_first_entry_or_null(&waiting, struct event, list);
	if (event) {
		list_del(&event->list);
		nr_waiting--;
		*were_lost = event->after_loss;
	} else {
		*were_lost = lost;
		lost = false;
	}
	spin_unlock(&waiting_lock);
	return event;
}

static void tell_all(struct work_struct *work)
{
	struct event *event;
	bool were_lost;

	do {
		event = next_event(&were_lost);
		if (were_lost && !READ_ONCE(stopped))
			tell_lost();
		if (event && !READ_ONCE(stopped))
			tell(event);
		event_free(event);
		cond_resched();
	} while (event || were_lost);
}

static DECLARE_WORK(tell_work, tell_all);

static void add(struct event *event, u16 attr, u64 value)
{
	if (WARN_ON_ONCE(event->nr == MAX_VALUES))
		return;
	event->values[event->nr].attr = attr;
	event->values[event->nr].value = value;
	event->nr++;
}

/* In the order in which they happened, for one who sees several. */
static void publish(struct event *event)
{
	bool full;

	spin_lock(&waiting_lock);
	event->values[0].value = ++last_seq;
	full = nr_waiting == MAX_WAITING;
	if (full) {
		lost = true;
	} else {
		/* The word of it has this one's place. */
		event->after_loss = lost;
		lost = false;
		list_add_tail(&event->list, &waiting);
		nr_waiting++;
	}
	spin_unlock(&waiting_lock);
	if (full)
		event_free(event);
	queue_work(event_wq, &tell_work);
}

static void lose(void)
{
	spin_lock(&waiting_lock);
	last_seq++;
	lost = true;
	spin_unlock(&waiting_lock);
	queue_work(event_wq, &tell_work);
}

/* NULL if nobody listens, or if it is lost. */
static struct event *begin(u8 cmd, struct vmfork_snapshot *snap)
{
	struct event *event;

	if (READ_ONCE(stopped) || !has_listeners())
		return NULL;
	event = kzalloc(sizeof(*event), GFP_KERNEL | __GFP_NORETRY |
					__GFP_NOWARN);
	if (!event) {
		lose();
		return NULL;
	}
	event->cmd = cmd;
	event->uid = INVALID_UID;
	event->nr_rights = vmfork_snapshot_rights(snap, event->rights,
						  MAX_RIGHTS);
	add(event, VMFORK_A_EVENT_SEQ, 0);
	add(event, VMFORK_A_EVENT_TIME_NS, ktime_get_boottime_ns());
	add(event, VMFORK_A_EVENT_SNAPSHOT, snap->shown.id);
	return event;
}

/**
 * vmfork_event_captured() - a snapshot was captured
 * @snap: the snapshot, finished
 * @target: from whose memory
 * @ahead: by VMFORK_CAPTURE_PREARM
 */
void vmfork_event_captured(struct vmfork_snapshot *snap,
			   const struct vmfork_target *target, bool ahead)
{
	u64 parent = vmfork_registry_parent(snap);
	struct event *event;

	snap->announced = true;
	event = begin(VMFORK_CMD_CAPTURED, snap);
	if (!event)
		return;
	event->pid = target->pid;
	event->uid = target->uid;
	event->ahead = ahead;
	if (parent)
		add(event, VMFORK_A_EVENT_PARENT, parent);
	add(event, VMFORK_A_EVENT_SIZE, snap->size);
	add(event, VMFORK_A_EVENT_PAGES, vmfork_tree_pages(&snap->tree));
	add(event, VMFORK_A_EVENT_PAGES_STOLEN, snap->pages_stolen);
	add(event, VMFORK_A_EVENT_PAGES_COPIED, snap->pages_copied);
	publish(event);
}

/**
 * vmfork_event_imported() - a file has become a snapshot
 * @snap: the snapshot, finished
 */
void vmfork_event_imported(struct vmfork_snapshot *snap)
{
	struct event *event;

	snap->announced = true;
	event = begin(VMFORK_CMD_IMPORTED, snap);
	if (!event)
		return;
	event->pid = task_tgid_nr(current);
	event->uid = current_euid();
	add(event, VMFORK_A_EVENT_SIZE, snap->size);
	add(event, VMFORK_A_EVENT_PAGES_FILE,
	    vmfork_tree_file_pages(&snap->tree));
	publish(event);
}

/**
 * vmfork_event_named() - a file of vmforkfs has become a snapshot
 * @snap: the snapshot, finished
 * @name: its path; empty if it has none
 */
void vmfork_event_named(struct vmfork_snapshot *snap, const char *name)
{
	struct event *event;

	snap->announced = true;
	event = begin(VMFORK_CMD_NAMED, snap);
	if (!event)
		return;
	event->name = kstrdup(name, GFP_KERNEL | __GFP_NOWARN);
	if (!event->name) {
		event_free(event);
		lose();
		return;
	}
	event->pid = task_tgid_nr(current);
	event->uid = current_euid();
	add(event, VMFORK_A_EVENT_SIZE, snap->size);
	add(event, VMFORK_A_EVENT_PAGES, vmfork_tree_pages(&snap->tree));
	publish(event);
}

static void about_mapping(struct event *event,
			  const struct vmfork_mapping *mapping)
{
	event->pid = mapping->pid;
	event->uid = mapping->uid;
	add(event, VMFORK_A_EVENT_MAPPING, mapping->ino);
}

/**
 * vmfork_event_mapped() - a process has mapped a snapshot
 * @snap: the snapshot
 * @mapping: the mapping
 * @size: how much of it, in bytes
 * @offset: from where on, in bytes
 */
void vmfork_event_mapped(struct vmfork_snapshot *snap,
			 const struct vmfork_mapping *mapping, u64 size,
			 u64 offset)
{
	struct event *event = begin(VMFORK_CMD_MAPPED, snap);

	if (!event)
		return;
	about_mapping(event, mapping);
	add(event, VMFORK_A_EVENT_SIZE, size);
	add(event, VMFORK_A_EVENT_OFFSET, offset);
	publish(event);
}

/**
 * vmfork_event_unmapped() - a mapping is gone
 * @snap: what it mapped
 * @mapping: the mapping
 */
void vmfork_event_unmapped(struct vmfork_snapshot *snap,
			   const struct vmfork_mapping *mapping)
{
	struct event *event = begin(VMFORK_CMD_UNMAPPED, snap);

	if (!event)
		return;
	about_mapping(event, mapping);
	publish(event);
}

/**
 * vmfork_event_reset() - memory was put back to a snapshot
 * @snap: the snapshot
 * @from: number of the one that was mapped before
 * @target: whose memory
 * @pages_dropped: private pages that were dropped
 */
void vmfork_event_reset(struct vmfork_snapshot *snap, u64 from,
			const struct vmfork_target *target, u64 pages_dropped)
{
	struct event *event = begin(VMFORK_CMD_RESET, snap);

	if (!event)
		return;
	event->pid = target->pid;
	event->uid = target->uid;
	add(event, VMFORK_A_EVENT_FROM, from);
	add(event, VMFORK_A_EVENT_PAGES_DROPPED, pages_dropped);
	publish(event);
}

/**
 * vmfork_event_dropped() - a snapshot is gone
 * @snap: the snapshot
 * @pages: that it held, of 4 KiB
 * @pages_freed: that were given back
 */
void vmfork_event_dropped(struct vmfork_snapshot *snap, u64 pages,
			  u64 pages_freed)
{
	struct event *event = begin(VMFORK_CMD_DROPPED, snap);

	if (!event)
		return;
	add(event, VMFORK_A_EVENT_PAGES, pages);
	add(event, VMFORK_A_EVENT_PAGES_FREED, pages_freed);
	publish(event);
}

/**
 * vmfork_event_setup() - once, before anything can happen
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_event_setup(void)
{
	event_wq = alloc_workqueue("vmfork_event", WQ_UNBOUND, 1);
	return event_wq ? 0 : -ENOMEM;
}

/**
 * vmfork_event_stop() - before the family goes
 *
 * What is freed late is told to nobody then: the number of the group may be
 * another family's.
 */
void vmfork_event_stop(void)
{
	flush_workqueue(event_wq);
	WRITE_ONCE(stopped, true);
	flush_workqueue(event_wq);
}

/**
 * vmfork_event_cleanup() - undo vmfork_event_setup()
 *
 * Nothing happens any more.
 */
void vmfork_event_cleanup(void)
{
	destroy_workqueue(event_wq);
}
