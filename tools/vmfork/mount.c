// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork mount: have a place where snapshots can have names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "mounts.h"
#include "out.h"

/* Nothing on it is a program or a device. */
#define FLAGS	(MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* What the kernel knows them by, in the order of struct request's. */
static const char * const keys[] = { "mode", "uid", "gid" };

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

/**
 * struct request - what the command line asks for
 * @where: the directory
 * @values: of its root, or NULL
 */
struct request {
	const char *where;
	const char *values[KEYS];
};

static int take_value(struct request *req, size_t key)
{
	/* A comma in it would begin another option. */
	if (!optarg[0] || strchr(optarg, ','))
		return failure(BAD_USAGE, 0, "'%s' is no %s: give a number.",
			       optarg, keys[key]);
	req->values[key] = optarg;
	return DONE;
}

static int parse(struct request *req, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "uid", required_argument, NULL, 'u' },
		{ "gid", required_argument, NULL, 'g' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	while ((option = next_option(&command_mount, argc, argv,
				     "m:u:g:" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		status = take_value(req, option == 'm' ? 0 :
					 option == 'u' ? 1 : 2);
		if (status)
			return status;
	}
	req->where = optind < argc ? argv[optind] : DEFAULT_MOUNT;
	if (argc - optind > 1)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: give one directory.",
			       argv[optind + 1]);
	return DONE;
}

/* Is it the root of a mount, not a directory in one? */
static bool is_mounted(const char *where)
{
	char parent[PATH_MAX];
	struct stat st, above;

	if (!is_vmforkfs(where) || stat(where, &st))
		return false;
	if ((size_t)snprintf(parent, sizeof(parent), "%s/..", where) >=
	    sizeof(parent) || stat(parent, &above))
		return false;
	return st.st_dev != above.st_dev;
}

static int fail_mount(const struct request *req, int error)
{
	switch (error) {
	case ENODEV:
		return failure(NO_MODULE, ENODEV,
			       "The vmfork module is not loaded: load it by modprobe vmfork.");
	case EPERM:
	case EACCES:
		return failure(FAILED, error,
			       "%s can not be mounted on: run as root, outside of containers.",
			       req->where);
	case EINVAL:
		return failure(BAD_USAGE, error,
			       "The kernel does not take these options: give an octal mode, and numbers of a user and a group.");
	default:
		return failure(FAILED, error, "%s can not be mounted on: %s.",
			       req->where, strerror(error));
	}
}

static int report(const struct request *req, bool already)
{
	struct stat st;

	out_string("path", req->where);
	out_bool("already", already);
	if (!stat(req->where, &st)) {
		char mode[8];

		snprintf(mode, sizeof(mode), "%04o", st.st_mode & 07777);
		out_string("mode", mode);
		out_number("uid", st.st_uid);
		out_number("gid", st.st_gid);
	}
	return out_finish();
}

static int mount_new(const struct request *req)
{
	char options[512] = "";
	size_t i, used = 0;

	for (i = 0; i < KEYS; i++) {
		if (!req->values[i])
			continue;
		used += snprintf(options + used, sizeof(options) - used,
				 "%s%s=%s", used ? "," : "", keys[i],
				 req->values[i]);
		if (used >= sizeof(options))
			return -EINVAL;
	}
	return mount("none", req->where, "vmforkfs", FLAGS, options) ?
	       -errno : 0;
}

/* Of the root directory alone: what the mount itself may do stays. */
static int change(const struct request *req)
{
	int fd, err = 0;
	size_t i;

	for (i = 0; i < KEYS && !req->values[i]; i++)
		;
	if (i == KEYS)
		return 0;
	fd = fspick(AT_FDCWD, req->where, FSPICK_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (i = 0; i < KEYS && !err; i++)
		if (req->values[i] && fsconfig(fd, FSCONFIG_SET_STRING, keys[i],
					       req->values[i], 0))
			err = -errno;
	if (!err && fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		err = -errno;
	close(fd);
	return err;
}

static int mount_it(const struct request *req)
{
	bool already = is_mounted(req->where), made;
	int err;

	if (already) {
		err = change(req);
		return err ? fail_mount(req, -err) : report(req, true);
	}
	made = !mkdir(req->where, 0755);
	if (!made && errno != EEXIST)
		return failure(FAILED, errno, "%s can not be made: %s.",
			       req->where, strerror(errno));
	err = mount_new(req);
	if (err && made)
		rmdir(req->where);
	return err ? fail_mount(req, -err) : report(req, false);
}

static int run_mount(int argc, char **argv)
{
	struct request req = { 0 };
	int status = parse(&req, argc, argv);

	return status ? status : mount_it(&req);
}

const struct command command_mount = {
	.name = "mount",
	.arguments = "[--mode MODE] [--uid N] [--gid N] [DIRECTORY]",
	.summary = "Mount vmforkfs, where snapshots have names",
	.options =
	"  DIRECTORY           where (default: " DEFAULT_MOUNT "); made if it is not there\n"
	"  -m, --mode MODE     permissions of its root, octal (at first 0755)\n"
	"  -u, --uid N         its owner (at first 0)\n"
	"  -g, --gid N         its group (at first 0)\n",
	.run = run_mount,
};
