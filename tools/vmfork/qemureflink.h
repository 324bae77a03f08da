/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copies of images that share their blocks, where the file system has that
 * (XFS, btrfs, bcachefs, NFS 4.2, ...).
 */
#ifndef VMFORK_QEMUREFLINK_H
#define VMFORK_QEMUREFLINK_H

struct qemu_disks;
struct qemu_user;

/**
 * qemu_reflink_find() - which disks there can be such copies of
 * @disks: their @reflink is set
 * @dir: where children have their files
 * @user: whose these are, NULL for ours
 *
 * It is tried; nothing stays.
 */
void qemu_reflink_find(struct qemu_disks *disks, const char *dir,
		       const struct qemu_user *user);

/**
 * qemu_reflink_copy() - make one
 * @base: path of the image
 * @path: of a file that becomes the same
 * @user: whose it is, NULL for ours
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_reflink_copy(const char *base, const char *path,
		      const struct qemu_user *user);

#endif /* VMFORK_QEMUREFLINK_H */
