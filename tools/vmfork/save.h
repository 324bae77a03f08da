/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that appears whole or not at all: a snapshot's content, sparse, or
 * text.
 */
#ifndef VMFORK_SAVE_H
#define VMFORK_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmfork_range;

/**
 * struct save - a file in the making
 * @path: its name when it is finished; owned by the caller
 * @temporary: its name until then, NULL when there is nothing to remove
 * @fd: open for writing
 * @replace: whether a file of that name may be replaced
 * @written: bytes of data in it
 * @named: it is on vmforkfs, and is the snapshot itself: nothing was copied
 * @kept: what was written stays there if it fails, for another time
 */
struct save {
	const char *path;
	char *temporary;
	int fd;
	bool replace;
	uint64_t written;
	bool named;
	bool kept;
};

/*
 * Each returns an enum status, and has told of a failure by failure().  After
 * a failed one, and after any signal, call save_abort().
 */
int save_open(struct save *save, const char *path, bool replace);

/**
 * save_open_part() - the same, for what can be gone on with
 *
 * Its temporary name is FILE.part, which may be there already, and stays if
 * it is not finished.
 */
int save_open_part(struct save *save, const char *path, bool replace);

/** save_copy() - all of a snapshot; on vmforkfs, a name for it */
int save_copy(struct save *save, int snapshot, uint64_t size);

/** save_size() - all of it is a hole but for what is written */
int save_size(struct save *save, uint64_t size);

/**
 * save_range() - copy what the snapshot has of a range; its holes stay holes
 * @save: the file, as large as save_size() has made it
 * @snapshot: from where
 * @range: of offsets, the same in both
 * @extent: called for each part of the range, data or hole, in order; or NULL
 * @arg: for @extent
 */
int save_range(struct save *save, int snapshot,
	       const struct vmfork_range *range,
	       void (*extent)(void *arg, uint64_t offset, uint64_t len,
			      bool hole),
	       void *arg);

/** save_data() - write some */
int save_data(struct save *save, const void *data, size_t len,
	      uint64_t offset);

int save_text(struct save *save, const char *text);

/** save_sync() - have it on disk */
int save_sync(struct save *save);

/** save_publish() - give it its name, after save_sync() */
int save_publish(struct save *save);

/** save_commit() - both */
int save_commit(struct save *save);

/** save_abort() - leave nothing behind; harmless after save_commit() */
void save_abort(struct save *save);

#endif /* VMFORK_SAVE_H */
