// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module and its device, /dev/vmfork.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/vmfork.h>

#include "backing.h"
#include "capture.h"
#include "event.h"
#include "import.h"
#include "ioctl.h"
#include "lru.h"
#include "netlink.h"
#include "owner.h"
#include "prefault.h"
#include "registry.h"
#include "snapshot.h"
#include "target.h"
#include "tree.h"
#include "vmforkfs.h"
#include "watch.h"

static int device_open(struct inode *inode, struct file *file)
{
	/* Mounted now, so that a capture need not do it in the pause. */
	return vmforkfs_pin();
}

static int device_release(struct inode *inode, struct file *file)
{
	vmforkfs_unpin();
	return 0;
}

static long device_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	switch (VMFORK_IOC_SIZELESS(cmd)) {
	case VMFORK_IOC_SIZELESS(VMFORK_CAPTURE):
		return vmfork_capture_ioctl((void __user *)arg);
	case VMFORK_IOC_SIZELESS(VMFORK_IMPORT):
		return vmfork_import_ioctl((void __user *)arg);
	case VMFORK_IOC_SIZELESS(VMFORK_PREFAULT):
		return vmfork_prefault_ioctl((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.open		= device_open,
	.release	= device_release,
	.unlocked_ioctl	= device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "vmfork",
	.fops	= &device_fops,
	.mode	= 0600,
};

static int __init vmfork_init(void)
{
	int err;

	err = vmfork_tree_setup();
	if (err)
		return err;
	err = vmfork_snapshot_setup();
	if (err)
		goto err_tree;
	err = vmfork_lru_setup();
	if (err)
		goto err_snapshot;
	err = vmfork_target_setup();
	if (err)
		goto err_lru;
	err = vmfork_event_setup();
	if (err)
		goto err_target;
	err = vmforkfs_setup();
	if (err)
		goto err_event;
	err = vmfork_netlink_setup();
	if (err)
		goto err_vmforkfs;
	err = misc_register(&device);
	if (err)
		goto err_netlink;
	/*
	 * Whoever has mounted it holds the module, but not one that can not be
	 * loaded.  So this is last, and fails only if there is another one of
	 * that name.  Before, nobody has a snapshot, and so each dump of
	 * netlink's ends in the call that began it.
	 */
	err = vmforkfs_publish();
	if (err)
		goto err_device;
	return 0;

err_device:
	misc_deregister(&device);
err_netlink:
	vmfork_netlink_cleanup();
err_vmforkfs:
	vmforkfs_cleanup();
err_event:
	vmfork_event_cleanup();
err_target:
	vmfork_target_cleanup();
err_lru:
	vmfork_lru_cleanup();
err_snapshot:
	vmfork_snapshot_cleanup();
err_tree:
	vmfork_tree_cleanup();
	return err;
}

static void __exit vmfork_exit(void)
{
	misc_deregister(&device);
	vmfork_event_stop();
	vmfork_netlink_cleanup();
	vmforkfs_unpublish();
	vmforkfs_cleanup();
	vmfork_target_cleanup();
	vmfork_lru_cleanup();
	vmfork_snapshot_cleanup();
	vmfork_event_cleanup();
	vmfork_registry_cleanup();
	vmfork_tree_cleanup();
	vmfork_backing_cleanup();
	vmfork_owner_cleanup();
	vmfork_watch_cleanup();
}

module_init(vmfork_init);
module_exit(vmfork_exit);
MODULE_DESCRIPTION("Fork the memory of running virtual machines");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
