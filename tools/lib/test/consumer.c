// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * A user of libvmfork as pkg-config builds it, C and C++ alike.  It needs no
 * module: it asks what must hold with or without one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmfork.h>

#define SZ_2M	((size_t)2 << 20)
#define PAGE	((size_t)4096)

static int failures;

static void expect(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "consumer: not so: %s\n", what);
	failures++;
}

#define EXPECT(cond)	expect(!!(cond), #cond)

/*
 * A snapshot is a file, so a memfd does as one.  Page @i of it begins with
 * its number plus one.
 */
static int make_file(size_t pages)
{
	int fd = memfd_create("consumer", MFD_CLOEXEC);
	size_t i;

	EXPECT(fd >= 0 && !ftruncate(fd, pages * PAGE));
	for (i = 0; i < pages; i++) {
		size_t stamp = i + 1;

		EXPECT(pwrite(fd, &stamp, sizeof(stamp), i * PAGE) ==
		       (ssize_t)sizeof(stamp));
	}
	return fd;
}

static size_t stamp_at(const void *p)
{
	size_t stamp;

	memcpy(&stamp, p, sizeof(stamp));
	return stamp;
}

static size_t mapped_bytes(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	EXPECT(f && fscanf(f, "%zu", &pages) == 1);
	if (f)
		fclose(f);
	return pages * PAGE;
}

static void check_map(int fd, size_t len, uint64_t offset)
{
	size_t before = mapped_bytes();
	void *p = NULL;

	EXPECT(vmfork_map(fd, NULL, len, offset, &p) == 0);
	if (!p)
		return;
	if (len >= SZ_2M)
		EXPECT(((uintptr_t)p - offset) % SZ_2M == 0);
	EXPECT(mapped_bytes() == before + len);
	EXPECT(stamp_at(p) == offset / PAGE + 1);
	EXPECT(stamp_at((char *)p + len - PAGE) == (offset + len) / PAGE);

	/* Private: the file does not change. */
	memset(p, 0xff, sizeof(size_t));
	EXPECT(vmfork_map(fd, p, len, offset, &p) == 0);
	EXPECT(stamp_at(p) == offset / PAGE + 1);
	EXPECT(!munmap(p, len));
	EXPECT(mapped_bytes() == before);
}

static void check_map_errors(int fd)
{
	size_t before = mapped_bytes();
	void *p = (void *)&failures;

	EXPECT(vmfork_map(fd, NULL, 0, 0, &p) == -EINVAL);
	EXPECT(vmfork_map(fd, NULL, PAGE + 1, 0, &p) == -EINVAL);
	EXPECT(vmfork_map(fd, NULL, PAGE, 1, &p) == -EINVAL);
	EXPECT(vmfork_map(fd, NULL, (size_t)0 - PAGE, 0, &p) == -ENOMEM);
	EXPECT(vmfork_map(-1, NULL, PAGE, 0, &p) == -EBADF);
	EXPECT(vmfork_map(-1, NULL, 2 * SZ_2M, 0, &p) == -EBADF);
	EXPECT(p == (void *)&failures);
	EXPECT(mapped_bytes() == before);
}

static void check_refusals(void)
{
	unsigned int i, j;

	for (i = 0; i <= VMFORK_FILE_BUSY; i++) {
		const char *advice = vmfork_refusal_advice(i);

		EXPECT(advice[strlen(advice) - 1] == '.');
		EXPECT(strcmp(vmfork_refusal_name(i), "unknown"));
		for (j = 0; j < i; j++)
			EXPECT(strcmp(vmfork_refusal_name(i),
				      vmfork_refusal_name(j)));
	}
	EXPECT(!strcmp(vmfork_refusal_name(i), "unknown"));
	EXPECT(!strcmp(vmfork_refusal_name(~0U), "unknown"));
	EXPECT(vmfork_refusal_advice(~0U)[0]);
}

/* How often each was called; what pause answers */
struct pauses {
	int paused, resumed;
	int answer;
};

static int count_pause(void *arg)
{
	struct pauses *p = (struct pauses *)arg;

	p->paused++;
	return p->answer;
}

static void count_resume(void *arg)
{
	struct pauses *p = (struct pauses *)arg;

	p->resumed++;
}

static int no_range(const struct vmfork_range *range, void *arg)
{
	(void)range;
	(void)arg;
	expect(0, "no range of what is no snapshot");
	return 1;
}

/* What is no device and no snapshot, or is not open at all */
static void check_no_snapshot(int fd)
{
	struct vmfork_live_options options;
	struct vmfork_live_result live;
	struct vmfork_prefault prefault;
	struct vmfork_capture capture;
	struct vmfork_region region;
	struct vmfork_reset reset;
	struct vmfork_range range;
	struct pauses pauses;

	memset(&options, 0, sizeof(options));
	memset(&region, 0, sizeof(region));
	memset(&range, 0, sizeof(range));
	memset(&pauses, 0, sizeof(pauses));
	options.pause = count_pause;
	options.resume = count_resume;
	options.arg = &pauses;

	EXPECT(vmfork_prearm(fd, -1, &region, 1, 0, &capture) == -ENOTTY);
	EXPECT(capture.flags == VMFORK_CAPTURE_PREARM && capture.slice_ns);
	EXPECT(vmfork_prearm(-1, -1, &region, 1, 5, NULL) == -EBADF);
	EXPECT(vmfork_prearm(fd, -1, &region, (size_t)1 << 32, 0, NULL) ==
	       -EINVAL);
	EXPECT(vmfork_capture_live(fd, -1, &region, 1, &options, &live) ==
	       -ENOTTY);
	EXPECT(!live.passes && !live.ns_paused && live.ns_prearm);
	EXPECT(vmfork_capture_live(-1, -1, &region, 1, &options, NULL) ==
	       -EBADF);
	EXPECT(!pauses.paused && !pauses.resumed);

	EXPECT(vmfork_reset(fd, -1, &range, 1, &reset) == -ENOTTY);
	EXPECT(reset.refusal == VMFORK_OK && reset.nr_ranges == 1);
	EXPECT(vmfork_reset(-1, -1, &range, 1, NULL) == -EBADF);
	EXPECT(vmfork_reset(fd, -1, &range, (size_t)1 << 32, NULL) == -EINVAL);
	EXPECT(vmfork_prefault(fd, -1, &range, 1, VMFORK_PREFAULT_WRITE,
			       &prefault) == -ENOTTY);
	EXPECT(prefault.flags == VMFORK_PREFAULT_WRITE);
	EXPECT(vmfork_prefault(-1, -1, &range, 1, 0, NULL) == -EBADF);
	EXPECT(vmfork_import(-1, fd, 0, 0, NULL) == -EBADF);
	EXPECT(vmfork_prefault(fd, -1, &range, (size_t)1 << 32, 0, NULL) ==
	       -EINVAL);
	EXPECT(vmfork_diff(fd, fd, 0, no_range, NULL) == -ENOTTY);
	EXPECT(vmfork_diff(-1, fd, 0, no_range, NULL) == -EBADF);
	EXPECT(vmfork_diff(fd, -1, 0, no_range, NULL) == -EBADF);
}

/* Nothing is left where there is no vmforkfs. */
static void check_name(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/consumer.%d", (int)getpid());
	EXPECT(vmfork_name(fd, path, 0600) < 0);
	EXPECT(access(path, F_OK));
	EXPECT(vmfork_name(fd, "/nonexistent/name", 0600) == -ENOENT);
	EXPECT(vmfork_name(fd, "/", 0600) == -EEXIST ||
	       vmfork_name(fd, "/", 0600) == -EISDIR);
}

int main(void)
{
	struct vmfork_capture result;
	struct vmfork_region region;
	struct vmfork_info info;
	int fd = make_file(4 * SZ_2M / PAGE);
	int dev = vmfork_open();

	memset(&region, 0, sizeof(region));
	EXPECT(dev >= 0 || dev == -ENOENT || dev == -EACCES);
	if (dev >= 0)
		close(dev);

	EXPECT(vmfork_info(fd, &info) == -ENOTTY);
	EXPECT(vmfork_info(-1, &info) == -EBADF);
	EXPECT(vmfork_capture(fd, -1, &region, 1, &result) == -ENOTTY);
	EXPECT(vmfork_capture(fd, -1, &region, 1, NULL) == -ENOTTY);
	EXPECT(result.refusal == VMFORK_OK && result.nr_regions == 1);
	EXPECT(vmfork_capture_sized(fd, -1, &region, (size_t)1 << 32, 0,
				    &result) == -EINVAL);

	EXPECT(vmfork_capture_into(fd, -1, &region, 1, 0, fd, &result) ==
	       -ENOTTY);
	EXPECT(result.flags == VMFORK_CAPTURE_INTO && result.into_fd == fd);
	EXPECT(vmfork_capture_into(fd, -1, &region, 1, 0, -1, NULL) == -EBADF);
	check_name(fd);
	check_no_snapshot(fd);
	check_map(fd, PAGE, 3 * PAGE);
	check_map(fd, 2 * SZ_2M, 0);
	check_map(fd, SZ_2M, SZ_2M + 5 * PAGE);
	check_map(fd, 2 * SZ_2M + PAGE, SZ_2M - PAGE);
	check_map_errors(fd);
	check_refusals();
	close(fd);
	return failures != 0;
}
