// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots of files: they read as the file does, nothing is read before it is
 * used, and all who use it share one copy.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "imported.h"
#include "tiny_guest.h"
#include "tracing.h"

TEST_F(import, reads_as_the_file)
{
	struct vmfork_import arg = { 0 };
	struct vmfork_info info;
	int fd = import_file(&self->file, O_RDONLY, &arg);
	struct view here, there;
	struct stat st;

	ASSERT_LE(0, fd) TH_LOG("%s", strerror(-fd));
	EXPECT_EQ(LEN, arg.len);
	EXPECT_EQ(LEN, arg.snapshot_size);
	EXPECT_EQ(self->file.data, arg.pages_file);
	EXPECT_EQ(PAGES - self->file.data, arg.pages_hole);
	EXPECT_EQ(0, arg.file_flags);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(LEN, (size_t)st.st_size);
	EXPECT_EQ(self->file.data * 8, (size_t)st.st_blocks);
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->file.model, "read"));
	ASSERT_EQ(0, view_map(&here, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_map(&there, self->peer, fd, 0, PAGES,
			      self->file.model));
	EXPECT_EQ(0, view_check(&here, "mapped"));
	EXPECT_EQ(0, view_check(&there, "mapped by the other"));
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(arg.id, info.id);
	EXPECT_EQ(0, info.pages);
	EXPECT_EQ(self->file.data, info.pages_file);
	EXPECT_EQ(self->file.data, info.pages_read);
	EXPECT_EQ(PAGES - self->file.data, info.pages_hole);
	EXPECT_EQ(0, info.read_errors);
	view_unmap(&here);
	view_unmap(&there);
	close(fd);
}

TEST_F(import, writes_are_private)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct view here, there;
	size_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&here, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_map(&there, self->peer, fd, 0, PAGES,
			      self->file.model));
	for (i = 0; i < PAGES; i += 3) {
		ASSERT_EQ(0, view_poke(&here, i, i + 1));
		ASSERT_EQ(0, view_fill(&there, PAGES - 1 - i, i + 1));
	}
	EXPECT_EQ(0, view_check(&here, "here"));
	EXPECT_EQ(0, view_check(&there, "there"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->file.model, "read"));
	for (i = 0; i < PAGES; i += 6)
		ASSERT_EQ(0, view_reset(&here, i, &self->file.model[i]));
	EXPECT_EQ(0, view_check(&here, "reset"));
	view_unmap(&here);
	view_unmap(&there);
	close(fd);
}

/* Only what is touched is read, and once. */
TEST_F(import, is_lazy)
{
	static const size_t at[] = { 900, 3, 77, 500, 250, 1000, 40, 700 };
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct view here, there;
	uint64_t bytes = 0;
	size_t i;

	ASSERT_LE(0, fd);
	if (self->file.fuse)
		bytes = self->file.fuse->remote.bytes;
	EXPECT_EQ(0, pages_read(fd));
	ASSERT_EQ(0, view_map(&here, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_map(&there, self->peer, fd, 0, PAGES,
			      self->file.model));
	EXPECT_EQ(0, pages_read(fd));
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		EXPECT_TRUE(page_is(here.addr + at[i] * PAGE,
				    &self->file.model[at[i]]));
		EXPECT_EQ(i + 1, pages_read(fd));
	}
	if (self->file.fuse) {
		EXPECT_EQ(i * PAGE, self->file.fuse->remote.bytes - bytes);
	}
	view_unmap(&here);
	/* Others find it there. */
	bytes = self->file.fuse ? self->file.fuse->remote.reads : 0;
	there.addr += 900 * PAGE;
	there.model += 900;
	there.pages = 1;
	EXPECT_EQ(0, view_check(&there, "there"));
	EXPECT_EQ(i, pages_read(fd));
	if (self->file.fuse) {
		EXPECT_EQ(bytes, self->file.fuse->remote.reads);
	}
	close(fd);
}

/* read(2), and a write that is a copy anyway, leave nothing in memory. */
TEST_F(import, keeps_what_is_mapped)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct view view;
	size_t i;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->file.model, "read"));
	EXPECT_EQ(0, pages_read(fd));
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	for (i = 0; i < PAGES; i += 7)
		ASSERT_EQ(0, view_poke(&view, i, i + 1));
	EXPECT_EQ(0, pages_read(fd));
	EXPECT_EQ(0, view_check(&view, "mapped"));
	view_unmap(&view);
	close(fd);
}

TEST_F(import, seeks_data_and_holes)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	int file = open(self->file.path, O_RDONLY | O_CLOEXEC);
	off_t a, b, at;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, file);
	for (at = 0; at < (off_t)LEN; at = a) {
		a = lseek(file, at, SEEK_DATA);
		b = lseek(fd, at, SEEK_DATA);
		EXPECT_EQ(a, b);
		if (a < 0)
			break;
		at = a;
		a = lseek(file, at, SEEK_HOLE);
		b = lseek(fd, at, SEEK_HOLE);
		EXPECT_EQ(a, b);
		if (a < 0)
			break;
	}
	close(file);
	close(fd);
}

/* The position of the caller's file is his own. */
TEST_F(import, leaves_the_file_alone)
{
	int file = open(self->file.path, O_RDONLY | O_CLOEXEC), fd;

	ASSERT_LE(0, file);
	ASSERT_EQ(12345, lseek(file, 12345, SEEK_SET));
	fd = import_fd(file, 0, 0, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(12345, lseek(file, 0, SEEK_CUR));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->file.model, "read"));
	EXPECT_EQ(12345, lseek(file, 0, SEEK_CUR));
	close(file);
	close(fd);
}

TEST_F(import, part_of_it)
{
	static char tail[PAGE];
	int file = open(self->file.path, O_RDWR | O_CLOEXEC), fd;
	struct vmfork_import arg = { 0 };

	ASSERT_LE(0, file);
	fd = import_fd(file, 17 * PAGE, 600 * PAGE, &arg);
	ASSERT_LE(0, fd);
	EXPECT_EQ(600 * PAGE, arg.len);
	EXPECT_EQ(0, snapshot_check(fd, 0, 600, self->file.model + 17,
				    "from 17 on"));
	close(fd);
	/* The end of a page that the file ends in. */
	if (self->file.fuse)
		self->file.fuse->size = LEN - PAGE - 1000;
	else
		ASSERT_EQ(0, ftruncate(file, LEN - PAGE - 1000));
	close(file);
	file = open(self->file.path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	fd = import_fd(file, LEN - 8 * PAGE, 0, &arg);
	ASSERT_LE(0, fd);
	EXPECT_EQ(7 * PAGE - 1000, arg.len);
	EXPECT_EQ(7 * PAGE, arg.snapshot_size);
	EXPECT_EQ(0, snapshot_check(fd, 0, 6, self->file.model + PAGES - 8,
				    "the end"));
	ASSERT_EQ((ssize_t)PAGE, pread(fd, tail, PAGE, 6 * PAGE));
	EXPECT_EQ(0, tail[PAGE - 1000]);
	EXPECT_EQ(0, tail[PAGE - 1]);
	page_fill(tail, self->file.model[PAGES - 2].fill);
	close(fd);
	close(file);
}

/* Captured again: what was not written to is the file's still, unread. */
TEST_F(import, captured_again)
{
	int fd = import_file(&self->file, O_RDONLY, NULL), again;
	struct vmfork_capture cap;
	struct view view, child;
	size_t i, written = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	for (i = 2; i < PAGES; i += 50, written++)
		ASSERT_EQ(0, view_fill(&view, i, i + 1));
	again = capture_range(-1, view.addr, LEN, 0, &cap);
	ASSERT_LE(0, again) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(PAGES, cap.pages_in_place);
	EXPECT_EQ(written, cap.pages_stolen + cap.pages_copied);
	EXPECT_EQ(0, cap.pages_shared);
	/* Some of these were the file's, some its holes. */
	EXPECT_LT(self->file.data - written, cap.pages_file + 1);
	EXPECT_EQ(PAGES, cap.pages_stolen + cap.pages_copied +
		  cap.pages_file + cap.pages_hole);
	EXPECT_EQ(0, pages_read(again));
	close(fd);
	EXPECT_EQ(0, view_check(&view, "the parent"));
	ASSERT_EQ(0, view_map(&child, self->peer, again, 0, PAGES,
			      view.model));
	for (i = 0; i < PAGES; i += 9)
		ASSERT_EQ(0, view_poke(&child, i, i + 5));
	EXPECT_EQ(0, view_check(&child, "the child"));
	EXPECT_EQ(0, view_check(&view, "the parent again"));
	view_unmap(&view);
	view_unmap(&child);
	close(again);
}

/* Somewhere else in the snapshot, and of a part of the mapping. */
TEST_F(import, captured_elsewhere)
{
	int fd = import_file(&self->file, O_RDONLY, NULL), again;
	struct vmfork_capture cap;
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_fill(&view, 300, 7));
	again = capture_range(-1, view.addr + 33 * PAGE, 700 * PAGE, 5 * PAGE,
			      &cap);
	ASSERT_LE(0, again) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(0, snapshot_check(again, 5 * PAGE, 700, view.model + 33,
				    "elsewhere"));
	EXPECT_EQ(0, view_check(&view, "the parent"));
	view_unmap(&view);
	close(again);
	close(fd);
}

static long diff_pages(int a, int b, unsigned int flags)
{
	static struct vmfork_range ranges[PAGES];
	struct vmfork_diff diff = {
		.size = sizeof(diff), .flags = flags, .fd = b,
		.nr_ranges = PAGES, .ranges = (uintptr_t)ranges,
	};

	return ioctl(a, VMFORK_DIFF, &diff) ? -errno : (long)diff.pages;
}

TEST_F(import, diff)
{
	int fd = import_file(&self->file, O_RDONLY, NULL), again, other;
	static char page[PAGE];
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_fill(&view, 3, 3));
	ASSERT_EQ(0, view_fill(&view, 5, 5));
	/* Written to, and the same. */
	memcpy(page, view.addr + 100 * PAGE, PAGE);
	memcpy(view.addr + 100 * PAGE, page, PAGE);
	again = capture_range(-1, view.addr, LEN, 0, NULL);
	ASSERT_LE(0, again);
	EXPECT_EQ(3, diff_pages(fd, again, 0));
	EXPECT_EQ(2, diff_pages(fd, again, VMFORK_DIFF_CONTENTS));
	EXPECT_EQ(0, diff_pages(fd, fd, 0));
	/* The same file, imported by somebody who does not know of it. */
	other = import_file(&self->file, O_RDONLY, NULL);
	ASSERT_LE(0, other);
	EXPECT_EQ((long)self->file.data, diff_pages(fd, other, 0));
	EXPECT_EQ(0, diff_pages(fd, other, VMFORK_DIFF_CONTENTS));
	view_unmap(&view);
	close(again);
	close(other);
	close(fd);
}

TEST_F(import, reset)
{
	int fd = import_file(&self->file, O_RDONLY, NULL), again;
	struct vmfork_range range = { .len = LEN };
	struct vmfork_reset reset = {
		.size = sizeof(reset), .pidfd = -1, .nr_ranges = 1,
		.ranges = (uintptr_t)&range,
	};
	struct view view;
	size_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	range.start = (uintptr_t)view.addr;
	for (i = 1; i < PAGES; i += 30)
		ASSERT_EQ(0, view_fill(&view, i, i));
	again = capture_range(-1, view.addr, LEN, 0, NULL);
	ASSERT_LE(0, again);
	for (i = 1; i < PAGES; i += 20)
		ASSERT_EQ(0, view_fill(&view, i, i + 9));
	ASSERT_EQ(0, ioctl(fd, VMFORK_RESET, &reset));
	EXPECT_LT(0, reset.pages_dropped);
	memcpy(view.model, self->file.model, PAGES * sizeof(struct stamp));
	EXPECT_EQ(0, view_check(&view, "reset to the file"));
	view_unmap(&view);
	close(again);
	close(fd);
}

/* What fills page tables comes to an end, also where nothing can be kept. */
TEST_F(import, populated)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	/* For writing, since it can be written to */
	ASSERT_EQ(0, mlock(view.addr, 64 * PAGE));
	EXPECT_EQ(0, pages_read(fd));
	EXPECT_EQ(0, munlock(view.addr, 64 * PAGE));
	EXPECT_EQ(0, madvise(view.addr + 700 * PAGE, 64 * PAGE,
			     MADV_POPULATE_WRITE));
	set_max_bytes(20 * PAGE);
	EXPECT_EQ(0, madvise(view.addr + 800 * PAGE, 64 * PAGE,
			     MADV_POPULATE_READ));
	set_max_bytes(0);
	EXPECT_EQ(20, pages_read(fd));
	EXPECT_EQ(3 * 64, pagemap_count(view.addr, LEN, PM_PRESENT));
	EXPECT_EQ(0, view_check(&view, "populated"));
	view_unmap(&view);
	close(fd);
}

TEST_F(import, prefault)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct vmfork_range range[2] = { { .len = 64 * PAGE },
					 { .len = 64 * PAGE } };
	struct vmfork_prefault arg = {
		.size = sizeof(arg), .pidfd = -1, .nr_ranges = 2,
	};
	struct vmfork_range last = { .len = 64 * PAGE };
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	range[0].start = (uintptr_t)view.addr + 512 * PAGE - 32 * PAGE;
	range[1].start = (uintptr_t)view.addr;
	arg.ranges = (uintptr_t)range;
	ASSERT_EQ(0, ioctl(fd, VMFORK_PREFAULT, &arg));
	/* The first one ends in the hole, where the file system has some. */
	if (!self->file.holes) {
		EXPECT_EQ(128, arg.pages_mapped);
	} else {
		EXPECT_EQ(60 + 30, arg.pages_mapped);
	}
	EXPECT_EQ(arg.pages_mapped, pages_read(fd));
	EXPECT_EQ(arg.pages_mapped,
		  pagemap_count(view.addr, LEN, PM_PRESENT));
	arg.flags = VMFORK_PREFAULT_WRITE;
	arg.nr_ranges = 1;
	arg.ranges = (uintptr_t)&last;
	last.start = (uintptr_t)view.addr + 700 * PAGE;
	ASSERT_EQ(0, ioctl(fd, VMFORK_PREFAULT, &arg));
	EXPECT_EQ(64, arg.pages_copied);
	EXPECT_EQ(0, view_check(&view, "prefaulted"));
	view_unmap(&view);
	close(fd);
}

/* In order: more and more at a time. */
TEST_F(import, read_in_order)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct view view;
	long before, faults;
	size_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	before = page_faults();
	for (i = 0; i < PAGES / 2; i++)
		(void)*(volatile char *)(view.addr + i * PAGE);
	faults = page_faults() - before;
	/* Each hole is a fault, and ends a batch. */
	EXPECT_GT(200, faults);
	EXPECT_EQ(0, view_check(&view, "in order"));
	view_unmap(&view);
	close(fd);
}

/* A guest starts from the file: KVM asks for its pages, and is captured. */
TEST_F(import, runs_a_guest)
{
	static const size_t at[] = { 900, 2, 700, 33, 1020 };
	int fd = import_file(&self->file, O_RDONLY, NULL), again;
	struct vmfork_capture cap;
	struct view view;
	size_t i;

	ASSERT_LE(0, fd);
	if (tiny_guest_missing())
		SKIP(close(fd); return, "%s", tiny_guest_missing());
	ASSERT_EQ(0, tiny_guest_start(LEN));
	view = (struct view){
		.addr = tiny_guest_map(fd), .pages = PAGES,
		.model = model_copy(self->file.model, PAGES),
	};
	ASSERT_NE(NULL, view.addr);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		uint32_t word;

		ASSERT_EQ(0, tiny_guest_will_read(at[i] * PAGE));
		ASSERT_EQ(0, tiny_guest_run());
		ASSERT_EQ(sizeof(word), pread(fd, &word, sizeof(word),
					      at[i] * PAGE));
		EXPECT_EQ(word, tiny_guest_value());
		EXPECT_EQ(i + 1, pages_read(fd));
	}
	ASSERT_EQ(0, tiny_guest_will_zero(77 * PAGE));
	ASSERT_EQ(0, tiny_guest_run());
	view.model[77] = (struct stamp){ 0 };
	again = capture_range(-1, view.addr, LEN, 0, &cap);
	ASSERT_LE(0, again) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(1, cap.pages_stolen + cap.pages_copied);
	EXPECT_EQ(PAGES, cap.pages_in_place);
	ASSERT_EQ(0, tiny_guest_will_read(500 * PAGE));
	ASSERT_EQ(0, tiny_guest_run());
	EXPECT_EQ(0, snapshot_check(again, 0, PAGES, view.model, "captured"));
	EXPECT_EQ(0, view_check(&view, "the guest's memory"));
	tiny_guest_unmap();
	close(again);
	close(fd);
}

static void want_fault(struct script *script, uint64_t id, const char *at,
		       size_t page, const char *kind)
{
	script_add(script,
		   "vmfork_fault: snapshot=%lu mapping=%lu addr=0x%lx offset=0x%lx kind=%s flags=%s pages=1",
		   id, mapping_at(at), (unsigned long)at + page * PAGE,
		   page * PAGE, kind,
		   strstr(kind, "hole") ? "" : "imported");
}

/* The import, each page that is read from the file, and what it was read for. */
TEST_F(import, is_traced)
{
	struct script script = { 0 };
	struct trace_event *events;
	struct vmfork_import arg = { 0 };
	struct view view;
	struct stat st;
	char dev[32];
	long nr;
	int fd;

	if (tracing_missing())
		SKIP(return, "%s", tracing_missing());
	/* One page a fault, and one fault for each. */
	ASSERT_EQ(0, set_fault_around(1));
	ASSERT_EQ(0, stat(self->file.path, &st));
	snprintf(dev, sizeof(dev), "dev=%u:%u ino=%lu", major(st.st_dev),
		 minor(st.st_dev), st.st_ino);
	ASSERT_EQ(0, tracing_start(NULL));
	fd = import_file(&self->file, O_RDONLY, &arg);
	ASSERT_LE(0, fd);
	script_add(&script,
		   "vmfork_import: snapshot=%llu %s offset=0x0 len=0x%lx pages_file=%llu pages_hole=%llu",
		   arg.id, dev, LEN, arg.pages_file, arg.pages_hole);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, touch_page(view.addr + 900 * PAGE, false));
	script_add(&script, "vmfork_file_read: %s offset=0x%lx pages=1 err=0",
		   dev, 900 * PAGE);
	want_fault(&script, arg.id, view.addr, 900, "read");
	/* A copy for a write keeps nothing. */
	ASSERT_EQ(0, touch_page(view.addr + 200 * PAGE, true));
	want_fault(&script, arg.id, view.addr, 200, "write");
	if (self->file.holes) {
		ASSERT_EQ(0, touch_page(view.addr + 5 * PAGE, false));
		want_fault(&script, arg.id, view.addr, 5, "read_hole");
	}
	nr = tracing_take(&events);
	EXPECT_EQ(0, script_differs(&script, events, nr, 0));
	free(events);
	tracing_stop();
	set_fault_around(0);
	view_unmap(&view);
	close(fd);
}

TEST_HARNESS_MAIN
