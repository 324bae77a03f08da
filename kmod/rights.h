/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may see a snapshot, or a mapping, without having it open.
 */
#ifndef VMFORK_RIGHTS_H
#define VMFORK_RIGHTS_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct file;
struct mm_struct;
struct pid;

/**
 * struct vmfork_rights - what says who may read a snapshot
 * @uid: its owner
 * @gid: its group
 * @mode: permission bits
 * @reach: of group and others, the bits for reading of those whom directories
 *	let come to it
 */
struct vmfork_rights {
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	umode_t reach;
};

/**
 * struct vmfork_process - a process that has mappings
 * @pid: the process, with a reference; NULL if it is gone
 * @uid: its user
 * @command: its name
 */
struct vmfork_process {
	struct pid *pid;
	kuid_t uid;
	char command[16];
};

bool vmfork_reads(const struct file *reader,
		  const struct vmfork_rights *rights, unsigned int nr);
bool vmfork_reads_all(const struct file *reader);
bool vmfork_process_of(struct mm_struct *mm, struct vmfork_process *process);
bool vmfork_reads_process(const struct file *reader, struct mm_struct *mm);

#endif /* VMFORK_RIGHTS_H */
