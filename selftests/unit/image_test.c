// SPDX-License-Identifier: GPL-2.0
/*
 * tools/vmfork/image.c and pack.c: images are what was written, damage is seen
 * wherever it is, an export is gone on with from wherever it was stopped, and
 * a manifest from anywhere is refused or makes sense.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "image.h"
#include "out.h"
#include "pack.h"
#include "save.h"
#include "signals.h"

#define CHUNKS	5
#define SIZE	(CHUNKS * IMAGE_CHUNK - IMAGE_CHUNK / 4)

/* What the rest of the command would do. */

static int steps_left = -1;

bool signals_caught(void)
{
	if (steps_left < 0)
		return false;
	if (!steps_left)
		return true;
	steps_left--;
	return false;
}

bool out_is_json(void)
{
	return true;
}

static char said[512];

int failure(int status, int error, const char *format, ...)
{
	va_list args;

	(void)error;
	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	return status;
}

FIXTURE(image) {
	int source;
	char *content;
	char path[64];
	char dir[32];
	int log;
	struct save file;
	struct pack pack;
};

FIXTURE_VARIANT(image) { bool zstd; };
FIXTURE_VARIANT_ADD(image, raw) { .zstd = false };
FIXTURE_VARIANT_ADD(image, zstd) { .zstd = true };

/* Pages of noise, of text, and none, in turns; a chunk that is all zeroes. */
FIXTURE_SETUP(image)
{
	unsigned int seed = 7;
	size_t at, i;

	self->source = memfd_create("source", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(self->source, SIZE));
	self->content = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			     self->source, 0);
	ASSERT_NE(MAP_FAILED, self->content);
	for (at = 0; at < SIZE; at += 4096) {
		if (at / IMAGE_CHUNK == 2 || at / 4096 % 7 == 3)
			continue;
		for (i = 0; i < 4096; i++)
			self->content[at + i] = at / 4096 % 2 ?
						(char)rand_r(&seed) :
						(char)('a' + i % 7);
	}
	strcpy(self->dir, "/tmp/image.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->path, sizeof(self->path), "%s/f", self->dir);
	self->log = -1;
	steps_left = -1;
}

FIXTURE_TEARDOWN(image)
{
	char text[128];

	save_abort(&self->file);
	image_free(&self->pack.image);
	if (self->log >= 0)
		close(self->log);
	munmap(self->content, SIZE);
	close(self->source);
	snprintf(text, sizeof(text), "rm -rf %s", self->dir);
	EXPECT_EQ(0, system(text));
}

/* As vmfork export does; with --resume if @log. */
static int do_export(FIXTURE_DATA(image) *self, bool zstd, bool log)
{
	struct pack *pack = &self->pack;
	char path[96];
	int status;

	image_free(&pack->image);
	save_abort(&self->file);
	status = log ? save_open_part(&self->file, self->path, true) :
		       save_open(&self->file, self->path, true);
	*pack = (struct pack){
		.snapshot = self->source, .file = &self->file, .level = 1,
		.log = -1,
	};
	if (!status && !image_init(&pack->image, SIZE, zstd))
		status = 1;
	if (!status && log) {
		snprintf(path, sizeof(path), "%s.part.log", self->path);
		if (self->log >= 0)
			close(self->log);
		self->log = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		pack->log = self->log;
		status = pack_resume(pack);
	}
	return status ? status : pack_write(pack);
}

#define is_whole() check_whole(_metadata, self)

static void check_whole(struct __test_metadata *_metadata,
			FIXTURE_DATA(image) *self)
{
	struct json_object *json = image_json(&self->pack.image, self->path);
	char *content = malloc(IMAGE_CHUNK);
	struct image image;
	size_t nr;

	ASSERT_EQ(NULL, image_parse(&image, json));
	json_object_put(json);
	ASSERT_EQ(CHUNKS, image.nr);
	EXPECT_EQ(SIZE, image.size);
	for (nr = 0; nr < image.nr; nr++) {
		EXPECT_EQ(0, pack_check(self->file.fd, &image, nr, content));
		EXPECT_EQ(0, memcmp(content, self->content + nr * IMAGE_CHUNK,
				    image_len(SIZE, nr)));
	}
	image_free(&image);
	free(content);
}

TEST_F(image, is_what_was_written)
{
	ASSERT_EQ(0, do_export(self, variant->zstd, false)) TH_LOG("%s", said);
	is_whole();
	EXPECT_EQ(0, self->pack.kept);
}

/* Wherever a byte is another, or is missing. */
TEST_F(image, damage_is_seen)
{
	char *content = malloc(IMAGE_CHUNK), byte;
	struct image *image = &self->pack.image;
	uint64_t at;
	size_t nr;

	ASSERT_EQ(0, do_export(self, variant->zstd, false));
	for (nr = 0; nr < image->nr; nr++) {
		at = image->chunks[nr].at + image->chunks[nr].stored / 2;
		ASSERT_EQ(1, pread(self->file.fd, &byte, 1, at));
		byte ^= 4;
		ASSERT_EQ(1, pwrite(self->file.fd, &byte, 1, at));
		EXPECT_EQ(-EBADMSG, pack_check(self->file.fd, image, nr,
					       content));
		byte ^= 4;
		ASSERT_EQ(1, pwrite(self->file.fd, &byte, 1, at));
		EXPECT_EQ(0, pack_check(self->file.fd, image, nr, content));
	}
	ASSERT_EQ(0, ftruncate(self->file.fd, image->chunks[CHUNKS - 1].at));
	EXPECT_EQ(-EBADMSG, pack_check(self->file.fd, image, CHUNKS - 1,
				       content));
	free(content);
}

/* Stopped after each number of steps. */
TEST_F_TIMEOUT(image, resumed, 120)
{
	uint64_t kept = 0;
	int steps;

	for (steps = 0; steps < 12; steps++) {
		steps_left = steps;
		if (!do_export(self, variant->zstd, true))
			break;
		EXPECT_EQ(-1, access(self->path, F_OK));
	}
	steps_left = -1;
	ASSERT_EQ(0, do_export(self, variant->zstd, true)) TH_LOG("%s", said);
	kept = self->pack.kept;
	EXPECT_LT(0, kept);
	is_whole();
}

/* What was stored is damaged, or the source is another one. */
TEST_F_TIMEOUT(image, resumes_what_is_right, 120)
{
	uint64_t at;

	ASSERT_EQ(0, do_export(self, variant->zstd, true));
	at = self->pack.image.chunks[3].at;
	ASSERT_EQ(5, pwrite(self->file.fd, "wrong", 5, at + 4096));
	ASSERT_EQ(0, do_export(self, variant->zstd, true));
	EXPECT_EQ(3 * IMAGE_CHUNK, self->pack.kept);
	is_whole();
	self->content[IMAGE_CHUNK + 17] ^= 1;
	ASSERT_EQ(0, do_export(self, variant->zstd, true));
	EXPECT_EQ(IMAGE_CHUNK, self->pack.kept);
	is_whole();
	/* The log of the other kind of file. */
	ASSERT_EQ(0, do_export(self, !variant->zstd, true));
	EXPECT_EQ(0, self->pack.kept);
	is_whole();
}

/* The log is cut, or noise is behind it. */
TEST_F_TIMEOUT(image, resumes_by_half_a_log, 120)
{
	off_t end, cut;

	ASSERT_EQ(0, do_export(self, variant->zstd, true));
	end = lseek(self->log, 0, SEEK_END);
	for (cut = end - 1; cut > 0; cut -= 97) {
		ASSERT_EQ(0, ftruncate(self->log, cut));
		ASSERT_EQ(0, do_export(self, variant->zstd, true));
		EXPECT_GT(SIZE, self->pack.kept);
		is_whole();
		ASSERT_EQ(end, lseek(self->log, 0, SEEK_END));
	}
	ASSERT_EQ(6, pwrite(self->log, "{\"at\":", 6, end));
	ASSERT_EQ(0, do_export(self, variant->zstd, true));
	EXPECT_EQ(SIZE, self->pack.kept);
	is_whole();
}

/* A manifest with some of its bytes changed is refused, or makes sense. */
TEST_F_TIMEOUT(image, hostile_manifests, 120)
{
	struct json_object *json;
	unsigned int seed = 3;
	struct image image;
	char *text, *copy;
	size_t len, i, nr;

	ASSERT_EQ(0, do_export(self, variant->zstd, false));
	json = image_json(&self->pack.image, self->path);
	text = strdup(json_object_to_json_string(json));
	json_object_put(json);
	ASSERT_NE(NULL, text);
	len = strlen(text);
	for (i = 0; i < 2000; i++) {
		copy = strdup(text);
		for (nr = 1 + rand_r(&seed) % 3; nr; nr--)
			copy[rand_r(&seed) % len] =
				" 0123456789-{}[]\",:aef"[rand_r(&seed) % 22];
		json = json_tokener_parse(copy);
		if (json && !image_parse(&image, json)) {
			ASSERT_EQ(image_chunks(image.size), image.nr);
			for (nr = 0; nr < image.nr; nr++)
				ASSERT_GE(2 * IMAGE_CHUNK,
					  image.chunks[nr].stored);
			image_free(&image);
		}
		json_object_put(json);
		free(copy);
	}
	free(text);
}

TEST_HARNESS_MAIN
