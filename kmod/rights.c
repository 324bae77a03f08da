// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may see a snapshot, or a mapping, without having it open.
 *
 * The reader is the file of a socket, and has the rights of who opened that:
 * so whoever is given a socket sees what the giver saw, and nobody gains by
 * having a privileged process read or write for him.
 *
 * A snapshot is seen by its owner, by those whom the mode of one of its files
 * lets read, if directories let them come to it, and by holders of
 * CAP_SYS_ADMIN.  A mapping has addresses, so it is seen by those who may read
 * /proc/PID/maps: the user whose process it is, if that may be dumped, is in
 * his user namespace and has no capabilities that he lacks, and holders of
 * CAP_SYS_PTRACE in its user namespace.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "rights.h"

/* With the rights of the reader. */
static bool mode_allows(const struct vmfork_rights *rights)
{
	/* An owner can always give himself the right to read. */
	if (uid_eq(current_fsuid(), rights->uid))
		return true;
	if (in_group_p(rights->gid))
		return rights->mode & rights->reach & 0040;
	return rights->mode & rights->reach & 0004;
}

/**
 * vmfork_reads_all() - may somebody see whatever there is
 * @reader: the file of a socket
 *
 * Return: true if so.
 */
bool vmfork_reads_all(const struct file *reader)
{
	return file_ns_capable(reader, &init_user_ns, CAP_SYS_ADMIN);
}

/**
 * vmfork_reads() - may somebody see a snapshot
 * @reader: the file of a socket
 * @rights: of the snapshot's files
 * @nr: how many these are
 *
 * Return: true if so.  Does not sleep.
 */
bool vmfork_reads(const struct file *reader,
		  const struct vmfork_rights *rights, unsigned int nr)
{
	const struct cred *old = override_creds(reader->f_cred);
	bool allowed = false;

	for (; nr && !allowed; nr--, rights++)
		allowed = mode_allows(rights);
	revert_creds(old);
	return allowed || vmfork_reads_all(reader);
}

/* The task whose memory it is, under RCU. */
static struct task_struct *owner_of(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	return rcu_dereference(mm->owner);
#else
	return NULL;
#endif
}

/**
 * vmfork_process_of() - the process that memory is of
 * @mm: the memory
 * @process: out; put_pid() of its pid when done
 *
 * Return: false if it is nobody's any more, or the kernel does not say.
 */
bool vmfork_process_of(struct mm_struct *mm, struct vmfork_process *process)
{
	struct task_struct *task;

	memset(process, 0, sizeof(*process));
	process->uid = INVALID_UID;
	rcu_read_lock();
	task = owner_of(mm);
	if (task) {
		process->pid = get_pid(task_tgid(task));
		process->uid = task_euid(task);
		/* It may change meanwhile, but always ends. */
		strscpy(process->command, task->comm,
			sizeof(process->command));
	}
	rcu_read_unlock();
	return task;
}

/* As ptrace(2) has it for reading, but for what security modules say. */
static bool is_same_user(const struct cred *reader, const struct cred *task)
{
	return uid_eq(reader->fsuid, task->euid) &&
	       uid_eq(reader->fsuid, task->suid) &&
	       uid_eq(reader->fsuid, task->uid) &&
	       gid_eq(reader->fsgid, task->egid) &&
	       gid_eq(reader->fsgid, task->sgid) &&
	       gid_eq(reader->fsgid, task->gid);
}

/* Nobody gets by its memory what his own capabilities would not give him. */
static bool has_capabilities(const struct cred *reader, const struct cred *task)
{
	return reader->user_ns == task->user_ns &&
	       cap_issubset(task->cap_permitted, reader->cap_effective);
}

/* Under RCU.  Whether it can be dumped is another question. */
static bool reads_task(const struct file *reader, struct task_struct *task)
{
	const struct cred *cred = __task_cred(task);

	return (is_same_user(reader->f_cred, cred) &&
		has_capabilities(reader->f_cred, cred)) ||
	       file_ns_capable(reader, cred->user_ns, CAP_SYS_PTRACE);
}

/**
 * vmfork_reads_process() - may somebody see the mappings of a process
 * @reader: the file of a socket
 * @mm: the memory of the process
 *
 * Return: true if so.
 */
bool vmfork_reads_process(const struct file *reader, struct mm_struct *mm)
{
	struct task_struct *task;
	bool allowed = false;

	rcu_read_lock();
	task = owner_of(mm);
	if (task)
		allowed = reads_task(reader, task);
	rcu_read_unlock();
	/* Pairs with commit_creds(), which takes the dump away first. */
	smp_rmb();
	if (allowed && get_dumpable(mm) == SUID_DUMP_USER)
		return true;
	return file_ns_capable(reader, mm->user_ns, CAP_SYS_PTRACE) ||
	       vmfork_reads_all(reader);
}
