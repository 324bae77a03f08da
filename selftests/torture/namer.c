// SPDX-License-Identifier: GPL-2.0
/*
 * Namers give names on vmforkfs to snapshots out of the pool: by FICLONE, or as
 * a file that is written with what they hold.  They open them by their names
 * again, move, link and remove these, and put them back into the pool: so all
 * others work with files that have, or had, a name.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "actors.h"
#include "shot.h"

#define MOUNT	"/tmp/vmfork.names"
#define NAMES	16	/* that anybody may take, and take away */

static bool is_mounted(void)
{
	struct statfs st;

	return !statfs(MOUNT, &st) && st.f_type == VMFORKFS_MAGIC;
}

static void name_draw(struct self *self, char *path, size_t size)
{
	snprintf(path, size, MOUNT "/%u", (unsigned int)draw(self, NAMES));
}

static int clone_of(const struct shot *shot, int fd)
{
	return did("name: clone", ioctl(fd, FICLONE, shot->fd) ? -errno : 0);
}

/* Page by page, where there is something; as long as memory is short, again. */
static int write_of(const struct shot *shot, int fd)
{
	static uint64_t words[PAGE_WORDS];
	off_t at;
	size_t page;

	if (ftruncate(fd, shot->offset + shot->pages * PAGE))
		return did("name: write", -errno);
	for (page = 0; page < shot->pages; page++) {
		at = shot->offset + page * PAGE;
		if (pread(shot->fd, words, PAGE, at) != (ssize_t)PAGE)
			return did("name: read", -errno);
		if (shot->tag[page] &&
		    pwrite(fd, words, PAGE, at) != (ssize_t)PAGE)
			return did("name: write", -errno);
	}
	return did("name: write", 0);
}

/*
 * The shot is what the name leads to.  Its own name, of which nobody else knows:
 * another may have been given to somebody else's by now.
 */
static bool open_again(struct shot *shot, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	did("name: open", fd < 0 ? -errno : 0);
	if (fd < 0)
		return false;
	close(shot->fd);
	shot->fd = fd;
	return true;
}

static void name_one(struct self *self, struct shot *shot)
{
	char own[64], path[64];
	bool written = chance(self, 30);
	int fd, ret;

	snprintf(own, sizeof(own), MOUNT "/own.%d", getpid());
	unlink(own);
	fd = open(own, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (did("name: create", fd < 0 ? -errno : 0))
		return;
	ret = written ? write_of(shot, fd) : clone_of(shot, fd);
	close(fd);
	if (!ret && open_again(shot, own))
		shot_check(self, shot, written ? "a written file" : "a name");
	else if (!written && ret != -ENOMEM && ret != -EINTR && ret)
		fail("a snapshot can not be named: %s", strerror(-ret));
	name_draw(self, path, sizeof(path));
	switch (draw(self, 3)) {
	case 0:
		did("name: rename", rename(own, path) ? -errno : 0);
		break;
	case 1:
		did("name: link", link(own, path) ? -errno : 0);
		break;
	default:
		break;
	}
	unlink(own);
}

static void remove_one(struct self *self)
{
	char path[64];

	name_draw(self, path, sizeof(path));
	did("name: remove", unlink(path) ? -errno : 0);
}

/* What others have named can be anything, but not half of something. */
static void look_at_one(struct self *self)
{
	static uint64_t words[PAGE_WORDS];
	char path[64];
	ssize_t n;
	int fd;

	name_draw(self, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = pread(fd, words, PAGE, 0);
	did("name: look", n < 0 ? -errno : 0);
	if (n > 0 && n != (ssize_t)PAGE)
		fail("a name with %zd bytes", n);
	close(fd);
}

void namer_run(struct self *self)
{
	static struct shot shot;

	mkdir(MOUNT, 0700);
	if (!is_mounted() && mount("none", MOUNT, "vmforkfs", 0, NULL))
		give_up("mount", -errno);
	while (!stopping()) {
		if (pool_get(&shot)) {
			name_one(self, &shot);
			if (chance(self, 80))
				pool_put(&shot);
			else
				shot_drop(&shot);
		}
		if (chance(self, 40))
			remove_one(self);
		look_at_one(self);
		doze(self, 80000);
	}
}

/* With nobody left: no names, no mounts */
void namer_clean(void)
{
	DIR *dir = is_mounted() ? opendir(MOUNT) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	while (is_mounted())
		if (did("umount", umount(MOUNT) ? -errno : 0))
			break;
}
