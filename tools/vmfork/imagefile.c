// SPDX-License-Identifier: GPL-2.0
/*
 * A file beside a disk's image, of whoever the image is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "imagefile.h"
#include "out.h"

/* Who may use the one may use the other; or nobody else, if it is not ours. */
static int copy_rights(int fd, const char *base)
{
	struct stat st;
	mode_t mode;

	if (stat(base, &st))
		return errno;
	mode = st.st_mode & 0777;
	if (fchown(fd, st.st_uid, st.st_gid)) {
		if (errno != EPERM)
			return errno;
		mode = 0600;
	}
	return fchmod(fd, mode) ? errno : 0;
}

int image_failed(const char *path, int error)
{
	unlink(path);
	return failure(FAILED, error, "%s can not be written: %s.", path,
		       strerror(error));
}

int image_create(const char *path, const char *base, int *fd)
{
	int error;

	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd < 0)
		return failure(FAILED, errno, "%s can not be made: %s.", path,
			       strerror(errno));
	error = copy_rights(*fd, base);
	if (!error)
		return DONE;
	close(*fd);
	return image_failed(path, error);
}
