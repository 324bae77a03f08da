// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family "vmfork": its commands, what they take, its group.
 *
 * Specified by Documentation/netlink/specs/vmfork.yaml.  Snapshots belong to no
 * network: the family is there in all network namespaces, and who asks is all
 * that counts, not where.
 *
 * The family is no alias of the module: anybody may ask for a family, and that
 * must not load it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/vmfork_netlink.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "netlink.h"

static const struct nla_policy
snapshot_policy[VMFORK_A_SNAPSHOT_COUNT + 1] = {
	[VMFORK_A_SNAPSHOT_ID] = NLA_POLICY_MIN(NLA_U64, 1),
	[VMFORK_A_SNAPSHOT_COUNT] = { .type = NLA_FLAG },
};

static const struct nla_policy mapping_policy[VMFORK_A_MAPPING_COUNT + 1] = {
	[VMFORK_A_MAPPING_SNAPSHOT] = NLA_POLICY_MIN(NLA_U64, 1),
	[VMFORK_A_MAPPING_PID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMFORK_A_MAPPING_COUNT] = { .type = NLA_FLAG },
};

static const struct genl_ops ops[] = {
	{
		.cmd		= VMFORK_CMD_SNAPSHOT_GET,
		.policy		= snapshot_policy,
		.maxattr	= VMFORK_A_SNAPSHOT_COUNT,
		.doit		= vmfork_netlink_get_snapshot,
		.dumpit		= vmfork_netlink_dump_snapshots,
	},
	{
		.cmd		= VMFORK_CMD_MAPPING_GET,
		.policy		= mapping_policy,
		.maxattr	= VMFORK_A_MAPPING_COUNT,
		.dumpit		= vmfork_netlink_dump_mappings,
		.done		= vmfork_netlink_dump_mappings_done,
	},
};

static const struct genl_multicast_group groups[] = {
	{
		.name	= VMFORK_MCGRP_EVENTS,
#ifndef VMFORK_HAVE_NETLINK_FILTER
		.flags	= GENL_MCAST_CAP_SYS_ADMIN,
#endif
	},
};

struct genl_family vmfork_family __ro_after_init = {
	.name		= VMFORK_FAMILY_NAME,
	.version	= VMFORK_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= ops,
	.n_ops		= ARRAY_SIZE(ops),
	.mcgrps		= groups,
	.n_mcgrps	= ARRAY_SIZE(groups),
};

/**
 * vmfork_netlink_reader() - whose rights a request has
 * @request: a request, in the system call that sent it, or reads its answer
 *
 * Return: the file of the socket.
 */
const struct file *vmfork_netlink_reader(const struct sk_buff *request)
{
	return NETLINK_CB(request).sk->sk_socket->file;
}

/**
 * vmfork_netlink_put_pid() - put a process into an answer
 * @skb: the answer
 * @attr: which attribute
 * @pid: the process, or NULL
 *
 * Return: 0, also if it has no number for who reads; or -EMSGSIZE.
 */
int vmfork_netlink_put_pid(struct sk_buff *skb, int attr, struct pid *pid)
{
	pid_t nr = pid_nr_ns(pid, task_active_pid_ns(current));

	return nr ? nla_put_u32(skb, attr, nr) : 0;
}

#ifndef VMFORK_HAVE_NETLINK_FILTER
/* Somebody may hear events whom nobody has asked for CAP_SYS_ADMIN. */
static bool overheard __ro_after_init;

/*
 * A group can be joined by its number when it is no family's, and then nobody
 * is asked for anything.  So who is in it at once does not belong there.  When
 * the family goes, all are put out, and this one asks who comes then.
 */
static int __init register_family(void)
{
	int err, try;

	for (try = 0; try < 5; try++) {
		err = genl_register_family(&vmfork_family);
		if (err)
			return err;
		/* For who was let in just before */
		msleep(20);
		if (!genl_has_listeners(&vmfork_family, &init_net, 0))
			return 0;
		genl_unregister_family(&vmfork_family);
	}
	err = genl_register_family(&vmfork_family);
	if (err)
		return err;
	overheard = true;
	pr_warn("no events: somebody keeps joining their group while there is none\n");
	return 0;
}

static bool may_hear(const struct net *net)
{
	return net->user_ns == &init_user_ns && !overheard;
}
#else
static int __init register_family(void)
{
	return genl_register_family(&vmfork_family);
}

static bool may_hear(const struct net *net)
{
	return true;
}
#endif

/**
 * vmfork_hears_events() - may events be sent to a network namespace
 * @net: the namespace
 *
 * Kernels before 6.6 have no filter for each listener.  There, to join the
 * group asks for CAP_SYS_ADMIN in the user namespace of the listener's network
 * namespace, and so nothing is sent but to where that is the initial one.
 *
 * Return: true if so, and somebody listens, there or in another one: the kernel
 * has one table for all.
 */
bool vmfork_hears_events(struct net *net)
{
	return may_hear(net) &&
	       genl_has_listeners(&vmfork_family, net, 0);
}

/**
 * vmfork_multicast() - send an event; may sleep
 * @net: to those who listen there
 * @skb: the event; consumed
 * @filter: returns 0 for those who may see it
 * @data: for @filter
 */
void vmfork_multicast(struct net *net, struct sk_buff *skb,
		      int (*filter)(struct sock *listener, struct sk_buff *skb,
				    void *data),
		      void *data)
{
#ifdef VMFORK_HAVE_NETLINK_FILTER
	genlmsg_multicast_netns_filtered(&vmfork_family, net, skb, 0, 0,
					 GFP_KERNEL, filter, data);
#else
	genlmsg_multicast_netns(&vmfork_family, net, skb, 0, 0, GFP_KERNEL);
#endif
}

/**
 * vmfork_netlink_setup() - when all that it speaks of is there
 *
 * Return: 0 or an errno.
 */
int __init vmfork_netlink_setup(void)
{
	return register_family();
}

/**
 * vmfork_netlink_cleanup() - undo vmfork_netlink_setup()
 */
void vmfork_netlink_cleanup(void)
{
	genl_unregister_family(&vmfork_family);
}
