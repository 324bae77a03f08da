// SPDX-License-Identifier: GPL-2.0
/*
 * Blob: bytes put one after another, read back in the same order.
 *
 * It goes from a parent to its children in a sealed memfd.  Both run the same
 * program on the same host, so structures are copied as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forkvm.h"

int blob_put(struct blob *b, const void *data, size_t len)
{
	uint8_t *grown = realloc(b->data, b->len + len);

	if (!grown)
		return fail("out of memory for the state of the guest");
	b->data = grown;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int blob_get(struct blob *b, void *data, size_t len)
{
	if (len > b->len - b->pos)
		return fail("the state of the guest is too short");
	memcpy(data, b->data + b->pos, len);
	b->pos += len;
	return 0;
}

/** blob_put_sized() - put bytes whose number the reader does not know */
int blob_put_sized(struct blob *b, const void *data, uint32_t len)
{
	if (blob_put(b, &len, sizeof(len)))
		return -1;
	return blob_put(b, data, len);
}

/** blob_get_sized() - what blob_put_sized() put; the caller frees it */
void *blob_get_sized(struct blob *b, uint32_t *len)
{
	void *data;

	if (blob_get(b, len, sizeof(*len)))
		return NULL;
	if (*len > b->len - b->pos) {
		fail("the state of the guest is too short");
		return NULL;
	}
	data = malloc((size_t)*len + 1);
	if (!data) {
		fail("out of memory for the state of the guest");
		return NULL;
	}
	if (blob_get(b, data, *len)) {
		free(data);
		return NULL;
	}
	return data;
}

/** blob_to_fd() - Return: a sealed memfd with the bytes, or -1 */
int blob_to_fd(const struct blob *b)
{
	int fd = memfd_create("forkvm-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return fail_errno("can not make a memfd for the state");
	while (done < b->len) {
		ssize_t n = pwrite(fd, b->data + done, b->len - done, done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail_errno("can not write the state of the guest");
			close(fd);
			return -1;
		}
		done += n;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	return fd;
}

/** blob_from_fd() - read a whole memfd */
int blob_from_fd(struct blob *b, int fd)
{
	struct stat st;

	memset(b, 0, sizeof(*b));
	if (fstat(fd, &st))
		return fail_errno("the state of the guest is no file");
	b->data = malloc(st.st_size + 1);
	if (!b->data)
		return fail("out of memory for the state of the guest");
	while (b->len < (size_t)st.st_size) {
		ssize_t n = pread(fd, b->data + b->len, st.st_size - b->len,
				  b->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail_errno("can not read the guest's state");
		b->len += n;
	}
	return 0;
}

void blob_free(struct blob *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}
