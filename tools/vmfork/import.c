// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork import: a snapshot of a file, raw or an image that vmfork export wrote.
 *
 * Of a raw file the kernel reads what is used, when it is used.  That can not
 * be done with a compressed one: its content is unpacked into memory of our
 * own, which is then captured.  Either way the hashes of a manifest are checked
 * against what the snapshot will show.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "image.h"
#include "open.h"
#include "out.h"
#include "pack.h"
#include "parse.h"
#include "progress.h"
#include "save.h"
#include "signals.h"

#define MAX_MANIFEST	((size_t)1 << 30)

/**
 * struct request - what the command line asks for, and what came of it
 * @path: the file
 * @manifest: its manifest, or NULL for FILE.json, if there is one
 * @output: name that the snapshot gets, or file that it is saved to, or NULL
 * @force: replace that
 * @hold: keep the snapshot until a signal
 * @no_check: believe the manifest
 * @offset: of the first byte
 * @len: how many, 0 for all
 * @progress: how to show it
 * @has_image: there is a manifest
 * @image: what it says
 * @checked: its hashes were found right
 * @fd: the file
 * @dev: /dev/vmfork
 * @result: what the kernel says
 */
struct request {
	const char *path;
	const char *manifest;
	const char *output;
	bool force;
	bool hold;
	bool no_check;
	uint64_t offset;
	uint64_t len;
	enum progress_mode progress;
	bool has_image;
	struct image image;
	bool checked;
	int fd;
	int dev;
	struct vmfork_import result;
};

static int set_option(struct request *req, int option)
{
	switch (option) {
	case 'o':
		req->output = optarg;
		return DONE;
	case 'H':
		req->hold = true;
		return DONE;
	case 'f':
		req->force = true;
		return DONE;
	case 'm':
		req->manifest = optarg;
		return DONE;
	case 'n':
		req->no_check = true;
		return DONE;
	case 'O':
	case 'l':
		if (parse_size(optarg, option == 'O' ? &req->offset :
						       &req->len))
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no size: give bytes, or a number with K, M, G or T.",
			       optarg);
	case 'p':
		req->progress = PROGRESS_ALWAYS;
		return DONE;
	case 'q':
		req->progress = PROGRESS_NEVER;
		return DONE;
	default:
		return BAD_USAGE;
	}
}

static int parse(struct request *req, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "hold", no_argument, NULL, 'H' },
		{ "force", no_argument, NULL, 'f' },
		{ "manifest", required_argument, NULL, 'm' },
		{ "no-check", no_argument, NULL, 'n' },
		{ "offset", required_argument, NULL, 'O' },
		{ "length", required_argument, NULL, 'l' },
		{ "progress", no_argument, NULL, 'p' },
		{ "no-progress", no_argument, NULL, 'q' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	while ((option = next_option(&command_import, argc, argv,
				     "o:fm:" COMMON_SHORT, options)) != -1) {
		status = set_option(req, option);
		if (status)
			return status;
	}
	if (argc - optind != 1)
		return failure(BAD_USAGE, 0,
			       "Give one file to import, such as guest.ram.");
	if (!req->output && !req->hold)
		return failure(BAD_USAGE, 0,
			       "The snapshot would be lost at once: add -o NAME or --hold.");
	req->path = argv[optind];
	return DONE;
}

/* --- the manifest --- */

static int fail_manifest(const char *path, const char *why)
{
	return failure(FAILED, 0,
		       "%s can not be used: %s. Give --manifest another one, or remove it to import the file as it is.",
		       path, why);
}

static struct json_object *parse_text(FILE *file, size_t size)
{
	struct json_object *json = NULL;
	struct json_tokener *tokener = json_tokener_new();
	char *text = malloc(size + 1);

	if (text && tokener && fread(text, 1, size, file) == size) {
		text[size] = '\0';
		json = json_tokener_parse_ex(tokener, text, size + 1);
	}
	free(text);
	json_tokener_free(tokener);
	return json;
}

static int read_manifest(struct request *req, const char *path, FILE *file)
{
	struct json_object *json = NULL;
	const char *wrong = "it is no JSON";
	struct stat st;

	if (fstat(fileno(file), &st) || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size > MAX_MANIFEST)
		return fail_manifest(path, "it is no file, or too large");
	json = parse_text(file, st.st_size);
	if (json)
		wrong = image_parse(&req->image, json);
	json_object_put(json);
	if (wrong)
		return fail_manifest(path, wrong);
	req->has_image = true;
	return DONE;
}

static int find_manifest(struct request *req)
{
	char *path = NULL;
	FILE *file;
	int status = DONE;

	if (req->manifest)
		path = strdup(req->manifest);
	else if (asprintf(&path, "%s.json", req->path) < 0)
		path = NULL;
	if (!path)
		return failure(FAILED, ENOMEM, "Out of memory.");
	file = fopen(path, "re");
	if (file) {
		status = read_manifest(req, path, file);
		fclose(file);
	} else if (req->manifest || errno != ENOENT) {
		status = fail_open(path);
	}
	free(path);
	if (!status && req->has_image && (req->offset || req->len))
		status = failure(BAD_USAGE, 0,
				 "An image is imported as a whole: leave out --offset and --length.");
	return status;
}

static int fail_wrong(const struct request *req, size_t nr)
{
	return failure(FAILED, EBADMSG,
		       "%s is not what its manifest says, at %zu MiB: copy it again.",
		       req->path, nr * (IMAGE_CHUNK >> 20));
}

/* Of a loop over @nr chunks, the last of which ended with @ret */
static int judge(struct request *req, int ret, size_t nr, const char *what)
{
	int status = DONE;

	if (signals_caught())
		status = FAILED;
	else if (ret == -EBADMSG)
		status = fail_wrong(req, nr - 1);
	else if (ret)
		status = failure(FAILED, -ret, "%s can not be %s: %s.",
				 req->path, what, strerror(-ret));
	req->checked = !status;
	return status;
}

/* --- raw --- */

static int fail_import(const struct request *req, int error)
{
	switch (error) {
	case EOPNOTSUPP:
		return failure(FAILED, error,
			       "%s can not be imported: it has to be a regular file, of a file system with a page cache (not overlayfs or DAX).",
			       req->path);
	case ENODATA:
		return failure(FAILED, error,
			       "%s is empty: give a file with a guest's memory.",
			       req->path);
	case EOVERFLOW:
		return failure(FAILED, error,
			       "%s ends before that, or is over 128 TiB: choose --offset and --length within it.",
			       req->path);
	case EINVAL:
		return failure(BAD_USAGE, error,
			       "The kernel can not make such a snapshot: make --offset and --length multiples of 4096.");
	case ETXTBSY:
		return failure(FAILED, error,
			       "%s is being written to: wait until that is over.",
			       req->path);
	case ENOTTY:
		return failure(FAILED, error,
			       "The vmfork module is too old for this program: update it.");
	default:
		return failure(FAILED, error, "%s can not be imported: %s.",
			       req->path, strerror(error));
	}
}

/* By way of the snapshot: what is right now will be, or is an error. */
static int check_hashes(struct request *req, int snapshot)
{
	const struct image *image = &req->image;
	void *content = malloc(IMAGE_CHUNK);
	int ret = 0;
	size_t nr;

	if (!content)
		return failure(FAILED, ENOMEM, "Out of memory.");
	progress_begin(req->progress, "Checking", image->size);
	for (nr = 0; nr < image->nr && !ret && !signals_caught(); nr++) {
		ret = pack_check(snapshot, image, nr, content);
		progress_step(image_len(image->size, nr));
	}
	progress_end();
	free(content);
	return judge(req, ret, nr, "read");
}

static int import_raw(struct request *req, int *snapshot)
{
	int status = DONE;

	*snapshot = vmfork_import(req->dev, req->fd, req->offset, req->len,
				  &req->result);
	if (*snapshot < 0)
		return fail_import(req, -*snapshot);
	if (req->has_image && req->result.len != req->image.size)
		status = failure(FAILED, EBADMSG,
				 "%s has not the size that its manifest says: copy it again.",
				 req->path);
	else if (req->has_image && !req->no_check)
		status = check_hashes(req, *snapshot);
	if (status)
		close(*snapshot);
	return status;
}

/* --- compressed --- */

/* Pages of zeroes are holes. */
static void put_content(char *to, const char *content, size_t len)
{
	static const char zeroes[4096];
	size_t at;

	for (at = 0; at < len; at += 4096)
		if (memcmp(content + at, zeroes, 4096))
			memcpy(to + at, content + at, 4096);
}

static int unpack(struct request *req, char *memory)
{
	const struct image *image = &req->image;
	char *content = malloc(IMAGE_CHUNK);
	int ret = 0;
	size_t nr;

	if (!content)
		return failure(FAILED, ENOMEM, "Out of memory.");
	progress_begin(req->progress, "Unpacking", image->size);
	for (nr = 0; nr < image->nr && !ret && !signals_caught(); nr++) {
		size_t len = image_len(image->size, nr);

		ret = pack_check(req->fd, image, nr, content);
		if (!ret)
			put_content(memory + nr * IMAGE_CHUNK, content, len);
		progress_step(len);
	}
	progress_end();
	free(content);
	return judge(req, ret, nr, "unpacked");
}

/* Our own memory: its pages become the snapshot's without being copied. */
static int capture_memory(struct request *req, char *memory, int *snapshot)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)memory, .len = req->image.size,
	};
	struct vmfork_capture result;

	*snapshot = vmfork_capture(req->dev, -1, &region, 1, &result);
	if (*snapshot < 0)
		return failure(FAILED, -*snapshot,
			       "What was unpacked can not be made a snapshot: %s. %s",
			       strerror(-*snapshot),
			       vmfork_refusal_advice(result.refusal));
	req->result.id = result.id;
	req->result.len = req->image.size;
	req->result.snapshot_size = result.snapshot_size;
	req->result.pages_hole = result.pages_hole;
	return DONE;
}

static int import_compressed(struct request *req, int *snapshot)
{
	size_t size = req->image.size;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int status;

	if (memory == MAP_FAILED)
		return failure(FAILED, errno,
			       "There is no room for %s, unpacked: %s.",
			       req->path, strerror(errno));
	status = unpack(req, memory);
	if (!status)
		status = capture_memory(req, memory, snapshot);
	munmap(memory, size);
	return status;
}

/* It has the magic number of zstd, and no manifest that says where what is. */
static bool is_compressed(int fd)
{
	static const unsigned char magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	unsigned char begin[4];

	return pread(fd, begin, sizeof(begin), 0) == sizeof(begin) &&
	       !memcmp(begin, magic, sizeof(magic));
}

static int import(struct request *req, int *snapshot)
{
	if (req->has_image && req->image.zstd)
		return import_compressed(req, snapshot);
	if (!req->has_image && is_compressed(req->fd))
		return failure(FAILED, 0,
			       "%s is compressed, and has no manifest: unpack it by zstd -d, or bring %s.json along.",
			       req->path, req->path);
	return import_raw(req, snapshot);
}

/* --- what becomes of it --- */

static int report(const struct request *req, const struct save *save,
		  int snapshot)
{
	const struct vmfork_import *result = &req->result;
	char path[64];

	out_number("snapshot", result->id);
	out_bytes("size", result->snapshot_size);
	out_open("pages");
	out_number("file", result->pages_file);
	out_number("hole", result->pages_hole);
	out_close();
	out_bool("lazy", result->pages_file);
	out_bool("guarded", result->pages_file &&
		 !(result->file_flags & VMFORK_FILE_UNGUARDED));
	out_bool("checked", req->checked);
	if (req->output) {
		out_string("file", req->output);
		out_bytes("written", save->written);
		out_bool("named", save->named);
	}
	if (req->hold) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(),
			 snapshot);
		out_string("path", path);
	}
	return out_finish();
}

static int finish(struct request *req, struct save *save, int snapshot)
{
	int status = DONE;

	if (req->output) {
		status = save_copy(save, snapshot, req->result.snapshot_size);
		if (!status)
			status = save_commit(save);
	}
	if (!status)
		status = report(req, save, snapshot);
	if (!status && req->hold)
		signals_wait();
	return status;
}

static int import_and_finish(struct request *req, struct save *save)
{
	int snapshot = -1, status = open_device(&req->dev);

	if (status)
		return status;
	req->fd = open(req->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (req->fd < 0)
		status = fail_open(req->path);
	if (!status)
		status = find_manifest(req);
	if (!status)
		status = import(req, &snapshot);
	if (!status) {
		status = finish(req, save, snapshot);
		close(snapshot);
	}
	image_free(&req->image);
	if (req->fd >= 0)
		close(req->fd);
	close(req->dev);
	return status;
}

static int run_import(int argc, char **argv)
{
	struct request req = { .fd = -1 };
	struct save save = { .fd = -1 };
	int status = parse(&req, argc, argv);

	if (status)
		return status;
	signals_catch();
	if (req.output)
		status = save_open(&save, req.output, req.force);
	if (!status)
		status = import_and_finish(&req, &save);
	save_abort(&save);
	/* A hold ends by a signal when all goes well. */
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_import = {
	.name = "import",
	.arguments = "FILE {-o NAME | --hold} [--manifest FILE] [--no-check]",
	.summary = "Make a snapshot of a file, read when it is used",
	.options =
	"  FILE                raw guest memory, or what vmfork export has written\n"
	"  -o, --output NAME   on vmforkfs, give the snapshot this name; elsewhere, save\n"
	"                      its content, sparse\n"
	"      --hold          keep the snapshot, and print a path that a VMM can map,\n"
	"                      until Ctrl-C\n"
	"  -f, --force         replace NAME if it exists\n"
	"  -m, --manifest FILE its hashes (default: FILE.json, if there is one)\n"
	"      --no-check      do not read all of a raw file to check them\n"
	"      --offset SIZE, --length SIZE\n"
	"                      only this part of a raw file\n"
	"      --progress, --no-progress\n"
	"                      show how far it is, or not (default: on a terminal)\n",
	.run = run_import,
};
