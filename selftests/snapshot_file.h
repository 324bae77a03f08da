/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of tests that look at one snapshot as a file: a hole, then memory
 * of small pages or of huge ones, which is captured and still there.
 */
#ifndef SELFTESTS_SNAPSHOT_FILE_H
#define SELFTESTS_SNAPSHOT_FILE_H

#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define OFFSET	HUGE
#define LEN	(4 * MIB)
#define SIZE	(OFFSET + LEN)
#define PAGES	(LEN / PAGE)

FIXTURE(file) {
	struct area area;
	struct peer *peer;
	struct stamp *model;	/* of the whole file */
	int fd;
};

FIXTURE_VARIANT(file) { enum kind kind; };
KIND_VARIANT(file, base, KIND_BASE);
KIND_VARIANT(file, thp, KIND_THP);

FIXTURE_SETUP(file)
{
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, OFFSET));
	self->fd = capture_range(-1, self->area.view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, self->fd);
	self->model = model_alloc(SIZE / PAGE);
	memcpy(self->model + OFFSET / PAGE, self->area.view.model,
	       PAGES * sizeof(struct stamp));
}

FIXTURE_TEARDOWN(file)
{
	area_free(&self->area);
	peer_kill(self->peer);
	close(self->fd);
}

static inline long file_check(FIXTURE_DATA(file) *self)
{
	return snapshot_check(self->fd, 0, SIZE / PAGE, self->model,
			      "the file");
}

#endif /* SELFTESTS_SNAPSHOT_FILE_H */
