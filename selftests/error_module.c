// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that loading the module can meet.  Then there is nothing of it,
 * and the next load works.  Unloading never fails.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sweep_harness.h"

#define NODES "/sys/kernel/slab/vmfork_node"

static char module_path[300];

/* Where modules are; VMFORK_TEST_MODULE if it is elsewhere. */
static const char *no_module(void)
{
	const char *env = getenv("VMFORK_TEST_MODULE");
	struct utsname uts;

	uname(&uts);
	if (env)
		snprintf(module_path, sizeof(module_path), "%s", env);
	else
		snprintf(module_path, sizeof(module_path),
			 "/lib/modules/%s/vmfork.ko", uts.release);
	return access(module_path, R_OK) ?
	       "vmfork.ko is not where modules are (VMFORK_TEST_MODULE)" : NULL;
}

static int load(int fd)
{
	return syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
}

/* A process that was killed may hold it for another moment. */
static int unload(void)
{
	int try;

	for (try = 0; try < 100; try++) {
		if (!syscall(SYS_delete_module, "vmfork", O_NONBLOCK))
			return 0;
		if (errno != EWOULDBLOCK && errno != EBUSY)
			break;
		usleep(50000);
	}
	return -errno;
}

static int open_module(struct sweep *s)
{
	s->out = open(module_path, O_RDONLY | O_CLOEXEC);
	close(s->dev);
	s->dev = -1;
	return s->out < 0 ? -errno : 0;
}

static int setup_load(struct sweep *s)
{
	int ret = open_module(s);

	return ret ? ret : unload();
}

static int act_load(struct sweep *s)
{
	return load(s->out);
}

static int act_unload(struct sweep *s)
{
	(void)s;
	return syscall(SYS_delete_module, "vmfork", O_NONBLOCK) ? -errno : 0;
}

static const char *absent(void)
{
	if (!access("/sys/module/vmfork", F_OK))
		return "it is still in /sys/module";
	if (!access(VMFORK_DEVICE, F_OK))
		return "there is a device of no module";
	if (!access(NODES, F_OK))
		return "its slab cache is still there";
	return NULL;
}

static const char *check_load(struct sweep *s, int ret)
{
	struct area area;
	int fd;

	(void)s;
	if (ret < 0)
		return absent();
	if (area_make(&area, KIND_BASE, 16 * PAGE, 0))
		return "no memory to capture";
	fd = capture_range(-1, area.view.addr, area.len, 0, NULL);
	if (fd < 0)
		return "it does not capture";
	close(fd);
	ret = view_check(&area.view, "the memory");
	area_free(&area);
	return ret ? "the memory has changed" : NULL;
}

/* It needs no memory; only its argument may be unreadable. */
static const char *check_unload(struct sweep *s, int ret)
{
	if (ret == -EFAULT)
		return check_load(s, 0);
	return ret < 0 ? "it can not be unloaded" : absent();
}

static void undo(struct sweep *s)
{
	/* After a failure in the last words it is not there. */
	if (access("/sys/module/vmfork", F_OK))
		load(s->out);
	close(s->out);
	s->dev = device();
}

SCENARIO(load, .missing = no_module, .where = SWEEP_INIT, .setup = setup_load,
	 .act = act_load, .check = check_load, .undo = undo, .least = 20);
SCENARIO(unload, .missing = no_module, .setup = open_module,
	 .act = act_unload, .check = check_unload, .undo = undo,
	 .least = 0);

TEST_HARNESS_MAIN
