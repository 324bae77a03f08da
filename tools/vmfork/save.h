/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A snapshot's content as a sparse file that appears whole or not at all.
 */
#ifndef VMFORK_SAVE_H
#define VMFORK_SAVE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct save - a file in the making
 * @path: its name when it is finished; owned by the caller
 * @temporary: its name until then, NULL when there is nothing to remove
 * @fd: open for writing
 * @replace: whether a file of that name may be replaced
 * @written: bytes of data in it
 */
struct save {
	const char *path;
	char *temporary;
	int fd;
	bool replace;
	uint64_t written;
};

/*
 * Each returns an enum status, and has told of a failure by failure().  After
 * a failed one, and after any signal, call save_abort().
 */
int save_open(struct save *save, const char *path, bool replace);
int save_copy(struct save *save, int snapshot, uint64_t size);
int save_commit(struct save *save);

/** save_abort() - leave nothing behind; harmless after save_commit() */
void save_abort(struct save *save);

#endif /* VMFORK_SAVE_H */
