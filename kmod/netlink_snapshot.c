// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink's answers about snapshots.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/user_namespace.h>
#include <linux/vmfork_netlink.h>
#include <net/genetlink.h>

#include "alone.h"
#include "names.h"
#include "netlink.h"
#include "registry.h"
#include "rights.h"
#include "snapshot.h"
#include "tree.h"

#define MAX_RIGHTS	4

/**
 * struct answer - what is said of a snapshot, and can not be asked in the midst
 *	of it
 * @rights: of its files
 * @nr_rights: how many these are
 * @alone: what it alone holds
 * @counted: @alone was asked for
 * @name: where it is on vmforkfs, or empty
 */
struct answer {
	struct vmfork_rights rights[MAX_RIGHTS];
	unsigned int nr_rights;
	struct vmfork_alone alone;
	bool counted;
	char name[PATH_MAX];
};

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, VMFORK_A_SNAPSHOT_PAD);
}

static int put_alone(struct sk_buff *skb, const struct vmfork_alone *alone)
{
	return put_u64(skb, VMFORK_A_SNAPSHOT_MEMORY_ALONE,
		       (alone->memory + alone->file) << PAGE_SHIFT) ||
	       put_u64(skb, VMFORK_A_SNAPSHOT_MEMORY_FILE,
		       alone->file << PAGE_SHIFT) ? -EMSGSIZE : 0;
}

static int put_pages(struct sk_buff *skb, const struct vmfork_snapshot *snap,
		     const struct answer *answer)
{
	u64 pages = vmfork_tree_pages(&snap->tree);
	u64 file = vmfork_tree_file_pages(&snap->tree);
	u64 huge = vmfork_tree_huge_folios(&snap->tree) * HPAGE_PMD_NR;

	if (put_u64(skb, VMFORK_A_SNAPSHOT_PAGES, pages) ||
	    put_u64(skb, VMFORK_A_SNAPSHOT_PAGES_HUGE, huge) ||
	    put_u64(skb, VMFORK_A_SNAPSHOT_PAGES_HOLE,
		    (snap->size >> PAGE_SHIFT) - pages - file) ||
	    put_u64(skb, VMFORK_A_SNAPSHOT_PAGES_FILE, file) ||
	    put_u64(skb, VMFORK_A_SNAPSHOT_PAGES_STOLEN, snap->pages_stolen) ||
	    put_u64(skb, VMFORK_A_SNAPSHOT_PAGES_COPIED, snap->pages_copied))
		return -EMSGSIZE;
	if (!answer->counted)
		return 0;
	return put_u64(skb, VMFORK_A_SNAPSHOT_PAGES_SHARED,
		       pages - answer->alone.pages) ||
	       put_alone(skb, &answer->alone) ? -EMSGSIZE : 0;
}

static int put_owner(struct sk_buff *skb, const struct file *reader,
		     const struct vmfork_rights *rights)
{
	struct user_namespace *ns = reader->f_cred->user_ns;

	return nla_put_u32(skb, VMFORK_A_SNAPSHOT_UID,
			   from_kuid_munged(ns, rights->uid)) ||
	       nla_put_u32(skb, VMFORK_A_SNAPSHOT_GID,
			   from_kgid_munged(ns, rights->gid)) ||
	       nla_put_u32(skb, VMFORK_A_SNAPSHOT_MODE, rights->mode) ?
	       -EMSGSIZE : 0;
}

/* A process that is gone has a number for a while, and then another has it. */
static int put_creator(struct sk_buff *skb, const struct vmfork_snapshot *snap)
{
	int err = 0;

	rcu_read_lock();
	if (pid_task(snap->creator, PIDTYPE_TGID))
		err = vmfork_netlink_put_pid(skb, VMFORK_A_SNAPSHOT_CREATOR,
					     snap->creator);
	rcu_read_unlock();
	return err;
}

static int put_history(struct sk_buff *skb, struct vmfork_snapshot *snap)
{
	u64 parent = vmfork_registry_parent(snap);

	if (parent && put_u64(skb, VMFORK_A_SNAPSHOT_PARENT, parent))
		return -EMSGSIZE;
	return put_creator(skb, snap) ||
	       nla_put_string(skb, VMFORK_A_SNAPSHOT_COMMAND, snap->command) ||
	       put_u64(skb, VMFORK_A_SNAPSHOT_CREATED_NS, snap->created_ns) ||
	       put_u64(skb, VMFORK_A_SNAPSHOT_AGE_NS,
		       ktime_get_boottime_ns() - snap->created_ns) ?
	       -EMSGSIZE : 0;
}

/* -EMSGSIZE if there is no room, and then nothing of it is there. */
static int put_snapshot(struct sk_buff *skb, const struct file *reader,
			u32 portid, u32 seq, int flags,
			struct vmfork_snapshot *snap,
			const struct answer *answer)
{
	void *header = genlmsg_put(skb, portid, seq, &vmfork_family, flags,
				   VMFORK_CMD_SNAPSHOT_GET);

	if (!header)
		return -EMSGSIZE;
	if (put_u64(skb, VMFORK_A_SNAPSHOT_ID, snap->shown.id) ||
	    (*answer->name &&
	     nla_put_string(skb, VMFORK_A_SNAPSHOT_NAME, answer->name)) ||
	    put_u64(skb, VMFORK_A_SNAPSHOT_SIZE, snap->size) ||
	    put_pages(skb, snap, answer) ||
	    nla_put_u32(skb, VMFORK_A_SNAPSHOT_MAPPINGS,
			atomic_read(&snap->mappings)) ||
	    put_owner(skb, reader, &answer->rights[0]) ||
	    put_history(skb, snap)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* Is there an answer for this reader? */
static bool ask(struct vmfork_snapshot *snap, const struct file *reader,
		struct answer *answer)
{
	answer->nr_rights = vmfork_snapshot_rights(snap, answer->rights,
						   MAX_RIGHTS);
	return vmfork_reads(reader, answer->rights, answer->nr_rights);
}

static int ask_more(struct vmfork_snapshot *snap, struct answer *answer)
{
	/* A name that is too long for a path is left out. */
	vmfork_snapshot_name(snap, answer->name, sizeof(answer->name));
	if (!answer->counted)
		return 0;
	return vmfork_tree_alone(&snap->tree, &answer->alone);
}

static struct answer *answer_alloc(bool counted)
{
	struct answer *answer = kmalloc(sizeof(*answer), GFP_KERNEL_ACCOUNT);

	if (answer)
		answer->counted = counted;
	return answer;
}

/* A snapshot that one may not see is none. */
static struct vmfork_snapshot *find(const struct file *reader, u64 id,
				    struct answer *answer)
{
	u64 found = id;
	struct vmfork_snapshot *snap = vmfork_registry_next(&found);

	if (snap && (found != id || !ask(snap, reader, answer))) {
		vmfork_snapshot_put_later(snap);
		return NULL;
	}
	return snap;
}

static int reply(struct genl_info *info, const struct file *reader,
		 struct vmfork_snapshot *snap, struct answer *answer)
{
	struct sk_buff *skb;
	int err = ask_more(snap, answer);

	if (err)
		return err;
	skb = genlmsg_new(NLMSG_GOODSIZE + PATH_MAX, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	err = put_snapshot(skb, reader, info->snd_portid, info->snd_seq, 0,
			   snap, answer);
	if (WARN_ON_ONCE(err)) {
		nlmsg_free(skb);
		return err;
	}
	return genlmsg_reply(skb, info);
}

/**
 * vmfork_netlink_get_snapshot() - VMFORK_CMD_SNAPSHOT_GET for one
 * @request: the request
 * @info: likewise
 *
 * Return: 0; -EINVAL without a number, -ENOENT, or another errno.
 */
int vmfork_netlink_get_snapshot(struct sk_buff *request,
				struct genl_info *info)
{
	const struct file *reader = vmfork_netlink_reader(request);
	struct nlattr *id = info->attrs[VMFORK_A_SNAPSHOT_ID];
	struct vmfork_snapshot *snap;
	struct answer *answer;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, VMFORK_A_SNAPSHOT_ID)) {
		GENL_SET_ERR_MSG(info, "which snapshot is not said");
		return -EINVAL;
	}
	answer = answer_alloc(info->attrs[VMFORK_A_SNAPSHOT_COUNT]);
	if (!answer)
		return -ENOMEM;
	snap = find(reader, nla_get_u64(id), answer);
	if (snap) {
		err = reply(info, reader, snap, answer);
		vmfork_snapshot_put_later(snap);
	} else {
		NL_SET_ERR_MSG_ATTR(info->extack, id,
				    "there is no such snapshot, or you may not read it");
		err = -ENOENT;
	}
	kfree(answer);
	return err;
}

/*
 * One of a dump.  A name that no message has room for is left out: it must not
 * end everybody's dumps.
 */
static int put_next(struct sk_buff *skb, struct netlink_callback *cb,
		    const struct file *reader, struct vmfork_snapshot *snap,
		    struct answer *answer)
{
	int err = ask_more(snap, answer);

	if (err)
		return err;
	err = put_snapshot(skb, reader, NETLINK_CB(cb->skb).portid,
			   cb->nlh->nlmsg_seq, NLM_F_MULTI, snap, answer);
	if (err && !skb->len) {
		*answer->name = '\0';
		err = put_snapshot(skb, reader, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, NLM_F_MULTI, snap,
				   answer);
	}
	return err;
}

/* Between calls. */
struct dump {
	u64 next;
};

/**
 * vmfork_netlink_dump_snapshots() - VMFORK_CMD_SNAPSHOT_GET for all
 * @skb: for answers
 * @cb: the dump
 *
 * Return: the length of @skb, 0 at the end, or an errno.
 */
int vmfork_netlink_dump_snapshots(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	struct nlattr **attrs = (struct nlattr **)genl_dumpit_info(cb)->
				VMFORK_DUMPIT_ATTRS;
	const struct file *reader = vmfork_netlink_reader(cb->skb);
	struct dump *dump = (struct dump *)cb->ctx;
	struct vmfork_snapshot *snap;
	struct answer *answer;
	int err = 0;

	if (attrs[VMFORK_A_SNAPSHOT_ID]) {
		NL_SET_ERR_MSG_ATTR(cb->extack, attrs[VMFORK_A_SNAPSHOT_ID],
				    "a dump is of all snapshots");
		return -EINVAL;
	}
	answer = answer_alloc(attrs[VMFORK_A_SNAPSHOT_COUNT]);
	if (!answer)
		return -ENOMEM;
	while (!err && (snap = vmfork_registry_next(&dump->next))) {
		if (ask(snap, reader, answer))
			err = put_next(skb, cb, reader, snap, answer);
		/* It may be for us to free it, but not in this task's time. */
		vmfork_snapshot_put_later(snap);
		if (!err)
			dump->next++;
		cond_resched();
	}
	kfree(answer);
	return err && !skb->len ? err : skb->len;
}
