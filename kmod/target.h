/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose memory an ioctl is about: the caller's or another process's.
 */
#ifndef VMFORK_TARGET_H
#define VMFORK_TARGET_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct mm_struct;

/**
 * struct vmfork_target - an mm
 * @mm: the mm; a user of it is held
 * @pid: the process (tgid) that was asked for, in the initial pid namespace
 * @uid: the user of that process
 * @cancel: the caller was killed while a kernel thread is at work for him
 */
struct vmfork_target {
	struct mm_struct *mm;
	u32 pid;
	kuid_t uid;
	bool cancel;
};

int vmfork_target_setup(void);
void vmfork_target_cleanup(void);

int vmfork_target_get(struct vmfork_target *target, int pidfd);
void vmfork_target_put(struct vmfork_target *target);
int vmfork_target_run(struct vmfork_target *target, int (*fn)(void *arg),
		      void *arg);
int vmfork_target_check_killed(const struct vmfork_target *target);

#endif /* VMFORK_TARGET_H */
