/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The generic netlink family "vmfork".
 */
#ifndef VMFORK_NETLINK_H
#define VMFORK_NETLINK_H

#include <linux/netlink.h>
#include <linux/types.h>
#include <net/genetlink.h>

struct file;
struct net;
struct sk_buff;

extern struct genl_family vmfork_family;

const struct file *vmfork_netlink_reader(const struct sk_buff *request);
int vmfork_netlink_put_pid(struct sk_buff *skb, int attr, struct pid *pid);
bool vmfork_hears_events(struct net *net);
void vmfork_multicast(struct net *net, struct sk_buff *skb,
		      int (*filter)(struct sock *listener, struct sk_buff *skb,
				    void *data),
		      void *data);
int vmfork_netlink_setup(void);
void vmfork_netlink_cleanup(void);

/* netlink_snapshot.c */
int vmfork_netlink_get_snapshot(struct sk_buff *request,
				struct genl_info *info);
int vmfork_netlink_dump_snapshots(struct sk_buff *skb,
				  struct netlink_callback *cb);

/* netlink_mapping.c */
int vmfork_netlink_dump_mappings(struct sk_buff *skb,
				 struct netlink_callback *cb);
int vmfork_netlink_dump_mappings_done(struct netlink_callback *cb);

#endif /* VMFORK_NETLINK_H */
