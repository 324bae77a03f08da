// SPDX-License-Identifier: GPL-2.0
/*
 * What commands work on: the device, a process, a snapshot.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "mounts.h"
#include "open.h"
#include "out.h"

int open_device(int *dev)
{
	*dev = vmfork_open();
	if (*dev >= 0)
		return DONE;
	if (*dev == -ENOENT)
		return failure(NO_MODULE, ENOENT,
			       "The vmfork module is not loaded: load it by modprobe vmfork.");
	if (*dev == -EACCES || *dev == -EPERM)
		return failure(NO_MODULE, -*dev,
			       "%s may not be opened: run as root, or have its mode changed.",
			       VMFORK_DEVICE);
	return failure(NO_MODULE, -*dev, "%s can not be opened: %s.",
		       VMFORK_DEVICE, strerror(-*dev));
}

int open_process(int pid, int *pidfd)
{
	*pidfd = pidfd_open(pid, 0);
	if (*pidfd >= 0)
		return DONE;
	if (errno == ESRCH)
		return failure(FAILED, errno,
			       "There is no process %d: give the process id of the virtual machine.",
			       pid);
	/* EINVAL until Linux 6.8, ENOENT since */
	if (errno == EINVAL || errno == ENOENT)
		return failure(FAILED, errno,
			       "%d is a thread: give its process (Tgid in /proc/%d/status).",
			       pid, pid);
	return failure(FAILED, errno, "Process %d can not be opened: %s.", pid,
		       strerror(errno));
}

int fail_no_snapshot(const char *name)
{
	return failure(FAILED, ENOTTY,
		       "%s is no vmfork snapshot: give one, such as /proc/PID/fd/N, or a name that it has on vmforkfs.",
		       name);
}

int fail_open(const char *name)
{
	return failure(FAILED, errno, "%s can not be opened: %s.", name,
		       strerror(errno));
}

int ask_snapshot(int fd, const char *name, struct vmfork_info *info)
{
	int err = vmfork_info(fd, info);

	if (err == -ENOTTY)
		return fail_no_snapshot(name);
	if (err == -EBUSY)
		return failure(FAILED, EBUSY,
			       "%s is no snapshot yet: wait until it is written.",
			       name);
	if (err)
		return failure(FAILED, -err, "%s can not be asked: %s.", name,
			       strerror(-err));
	return DONE;
}

int open_snapshot(const char *name, int *fd, struct vmfork_info *info)
{
	char path[PATH_MAX];
	struct stat st;
	int status;

	name_path(name, path);
	/* Opening a device or a FIFO can do things, so look first. */
	if (stat(path, &st))
		return fail_open(path);
	if (!S_ISREG(st.st_mode))
		return fail_no_snapshot(path);
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd < 0)
		return fail_open(path);
	status = ask_snapshot(*fd, path, info);
	if (status)
		close(*fd);
	return status;
}
