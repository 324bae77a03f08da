/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file beside a disk's image, of whoever the image is.
 */
#ifndef VMFORK_IMAGEFILE_H
#define VMFORK_IMAGEFILE_H

/**
 * image_create() - make one, empty
 * @path: of a new file
 * @base: the image; owner and permissions are those of it
 * @fd: out: open for writing
 *
 * Return: an enum status; a failure has been told, and left no file.
 */
int image_create(const char *path, const char *base, int *fd);

/** image_failed() - remove it, and tell that @error has happened to it */
int image_failed(const char *path, int error);

#endif /* VMFORK_IMAGEFILE_H */
