/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files to import, or to map: of several file systems, with a model of what is
 * in them.
 */
#ifndef SELFTESTS_TEST_FILE_H
#define SELFTESTS_TEST_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "pages.h"

struct fusefs;
struct nbd;
struct remote;

/*
 * FILE_NBD: ext4 on a disk that another process serves.  FILE_9P: a directory of
 * the machine that the VM is on, mounted twice.
 */
enum file_kind { FILE_TMPFS, FILE_EXT4, FILE_NBD, FILE_9P, FILE_FUSE };

/**
 * struct test_file - a file
 * @kind: of its file system
 * @path: its name
 * @elsewhere: its name on another machine, which for most is the same
 * @pages: its length
 * @model: what is in them
 * @holes: the file system says where there are some
 * @data: how many of them are no holes, if it does; else all
 * @fuse: the file system, if it is one
 * @nbd: the disk, if it is one
 * @remote: of either, or NULL
 */
struct test_file {
	enum file_kind kind;
	char path[64];
	char elsewhere[64];
	size_t pages;
	struct stamp *model;
	bool holes;
	size_t data;
	struct fusefs *fuse;
	struct nbd *nbd;
	struct remote *remote;
};

/* Why this kind can not be had on this machine, or NULL. */
const char *test_file_missing(enum file_kind kind);
/*
 * A file of @len bytes, closed by all who wrote it: single pages that are
 * holes, long holes, and data.  0, or -errno with a note.
 */
int test_file_make(struct test_file *file, enum file_kind kind, size_t len);
/* The same in a directory, on tmpfs or the like. */
int test_file_make_in(struct test_file *file, size_t len, const char *dir);
/* Why there is no overlayfs, or NULL. */
const char *test_file_overlay_missing(void);
/* Writes a page, and nothing to the model. */
int test_file_write(struct test_file *file, int fd, size_t page,
		    uint64_t fill);
void test_file_free(struct test_file *file);

#endif
