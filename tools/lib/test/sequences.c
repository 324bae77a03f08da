// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * Calls of the library that are several calls of the module: which, in which
 * order, and what comes of their answers.  ioctl() below is the module.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmfork.h>

#include "expect.h"

#define DEVICE		1000
#define SNAPSHOT	2000
#define PAGE		4096ULL
#define MOST		16

/* --- the module -------------------------------------------------------------- */

/* How the module answers, and what it was asked: a letter for each call */
static struct {
	uint64_t pages[MOST];		/* that each pass takes */
	int pass_error[MOST];
	int capture_error;
	unsigned int passes;
	uint64_t slice_ns, size;
	char log[64];

	/* Where the snapshots differ; the size of a batch is the caller's. */
	const struct vmfork_range *range;
	unsigned int nr_ranges, diffs;
	int stuck;
} module;

static void log_call(char c)
{
	size_t len = strlen(module.log);

	if (len < sizeof(module.log) - 1)
		module.log[len] = c;
}

static int prearm(struct vmfork_capture *arg)
{
	unsigned int pass = module.passes++;

	log_call('p');
	module.slice_ns = arg->slice_ns;
	arg->pages_stolen = module.pages[pass] / 2;
	arg->pages_copied = module.pages[pass] - arg->pages_stolen;
	errno = module.pass_error[pass];
	arg->refusal = errno == EBUSY ? VMFORK_PINNED : VMFORK_OK;
	return errno ? -1 : 0;
}

static int capture(struct vmfork_capture *arg)
{
	EXPECT(arg->size == sizeof(*arg));
	module.size = arg->snapshot_size;
	if (arg->flags & VMFORK_CAPTURE_PREARM)
		return prearm(arg);
	EXPECT(!arg->flags && !arg->slice_ns);
	log_call('c');
	errno = module.capture_error;
	return errno ? -1 : SNAPSHOT;
}

static int diff(struct vmfork_diff *arg)
{
	struct vmfork_range *out = (struct vmfork_range *)(uintptr_t)arg->ranges;
	uint32_t room = arg->nr_ranges, i;

	EXPECT(arg->size == sizeof(*arg));
	module.diffs++;
	arg->nr_ranges = 0;
	for (i = 0; i < module.nr_ranges; i++) {
		if (module.range[i].start < arg->offset)
			continue;
		if (arg->nr_ranges == room)
			return 0;
		out[arg->nr_ranges++] = module.range[i];
		if (!module.stuck)
			arg->offset = module.range[i].start +
				      module.range[i].len;
	}
	if (!module.stuck)
		arg->offset = 1ULL << 40;
	return 0;
}

/* In place of ioctl(2) */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == VMFORK_DIFF)
		return diff(arg);
	EXPECT(fd == DEVICE && request == VMFORK_CAPTURE);
	return capture(arg);
}

/* --- vmfork_capture_live() --------------------------------------------------- */

static int pause_answer;

static int on_pause(void *arg)
{
	EXPECT(arg == &module);
	log_call('[');
	return pause_answer;
}

static void on_resume(void *arg)
{
	EXPECT(arg == &module);
	log_call(']');
}

static struct vmfork_live_result live;

/* What is done when the module is as it was set up: @calls, and @answer */
static void live_does(const struct vmfork_live_options *options, int answer,
		      const char *calls)
{
	struct vmfork_region region = { .addr = PAGE, .len = PAGE };
	int ret = vmfork_capture_live(DEVICE, -1, &region, 1, options, &live);

	if (ret == answer && !strcmp(module.log, calls))
		return;
	fprintf(stderr, "sequences: %s and %d, not %s and %d\n", module.log,
		ret, calls, answer);
	failures++;
}

static struct vmfork_live_options fresh(void)
{
	memset(&module, 0, sizeof(module));
	pause_answer = 0;
	return (struct vmfork_live_options){
		.pause = on_pause, .resume = on_resume, .arg = &module,
	};
}

static void check_passes(void)
{
	struct vmfork_live_options options = fresh();

	/* few enough */
	module.pages[0] = 100000;
	module.pages[1] = 256;
	live_does(&options, SNAPSHOT, "pp[c]");
	EXPECT(live.passes == 2 && live.prearmed_pages == 100256);
	EXPECT(live.ns_prearm && live.ns_paused);
	EXPECT(module.slice_ns == 1000000 && module.size == 0);

	/* no longer fewer, though more than enough */
	options = fresh();
	options.size = 7 * PAGE;
	options.slice_ns = 5;
	options.enough_pages = 10;
	module.pages[0] = 100000;
	module.pages[1] = 5000;
	module.pages[2] = 5000;
	live_does(&options, SNAPSHOT, "ppp[c]");
	EXPECT(module.slice_ns == 5 && module.size == 7 * PAGE);

	/* as often as is wanted, by default and by option */
	options = fresh();
	for (int i = 0; i < MOST; i++)
		module.pages[i] = 100000 - i;
	live_does(&options, SNAPSHOT, "pppp[c]");
	memset(module.log, 0, sizeof(module.log));
	module.passes = 0;
	options.max_passes = 7;
	live_does(&options, SNAPSHOT, "ppppppp[c]");

	/* nobody to pause */
	options = fresh();
	options.pause = NULL;
	options.resume = NULL;
	live_does(&options, SNAPSHOT, "pc");
}

static void check_failures(void)
{
	struct vmfork_live_options options = fresh();

	/* an older module: all in the pause */
	module.pass_error[0] = E2BIG;
	live_does(&options, SNAPSHOT, "p[c]");
	EXPECT(!live.passes && !live.prearmed_pages);

	/* no device at all, and what no pause makes good */
	options = fresh();
	module.pass_error[0] = ENOTTY;
	live_does(&options, -ENOTTY, "p");
	options = fresh();
	module.pages[0] = 5000;
	module.pass_error[1] = EXDEV;
	live_does(&options, -EXDEV, "pp");
	EXPECT(live.passes == 1 && !live.ns_paused);

	/* what it may: the capture decides */
	options = fresh();
	module.pages[0] = 5000;
	module.pass_error[1] = EAGAIN;
	live_does(&options, SNAPSHOT, "pp[c]");
	options = fresh();
	module.pass_error[0] = EBUSY;
	module.capture_error = EBUSY;
	live_does(&options, -EBUSY, "p[c]");
	EXPECT(live.ns_paused);

	/* resume whatever came of it, but not without a pause */
	options = fresh();
	module.capture_error = ENOMEM;
	live_does(&options, -ENOMEM, "p[c]");
	options = fresh();
	pause_answer = -EPERM;
	live_does(&options, -EPERM, "p[");
	EXPECT(!live.ns_paused);
	options = fresh();
	pause_answer = 3;
	live_does(&options, -ECANCELED, "p[");

	/* of a pass alone, the module's age has a name of its own */
	fresh();
	module.pass_error[0] = E2BIG;
	EXPECT(vmfork_prearm(DEVICE, -1, NULL, 0, 0, NULL) == -ENOTTY);
}

/* --- vmfork_diff() ----------------------------------------------------------- */

static struct vmfork_range told[MOST];
static unsigned int nr_told;
static unsigned int stop_after;

static int on_range(const struct vmfork_range *range, void *arg)
{
	EXPECT(arg == told);
	if (nr_told < MOST)
		told[nr_told] = *range;
	nr_told++;
	return nr_told == stop_after ? 42 : 0;
}

static int run_diff(const struct vmfork_range *range, unsigned int nr)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("sequences", MFD_CLOEXEC);
	EXPECT(fd >= 0 && !ftruncate(fd, 1LL << 40));
	module.range = range;
	module.nr_ranges = nr;
	module.diffs = 0;
	nr_told = 0;
	return vmfork_diff(fd, fd, 0, on_range, told);
}

static void check_diff(void)
{
	const unsigned int many = 5000;
	struct vmfork_range *range = calloc(many, sizeof(*range));
	unsigned int i;

	EXPECT(range);
	if (!range)
		return;
	fresh();
	EXPECT(run_diff(range, 0) == 0 && nr_told == 0);

	/* each apart from the next: all are told, in several batches */
	for (i = 0; i < many; i++)
		range[i] = (struct vmfork_range){ 2 * i * PAGE, PAGE };
	EXPECT(run_diff(range, many) == 0 && nr_told == many);
	EXPECT(module.diffs > 1);
	EXPECT(told[3].start == 6 * PAGE && told[3].len == PAGE);

	/* one that was cut wherever a batch ended is one */
	for (i = 0; i < many; i++)
		range[i].start = (i + 7) * PAGE;
	EXPECT(run_diff(range, many) == 0 && nr_told == 1);
	EXPECT(told[0].start == 7 * PAGE && told[0].len == many * PAGE);

	/* who has enough gets no more */
	for (i = 0; i < many; i++)
		range[i].start = 2 * i * PAGE;
	stop_after = 2;
	EXPECT(run_diff(range, many) == 42 && nr_told == 2);
	stop_after = 0;

	/* a module that does not go on is left */
	module.stuck = 1;
	EXPECT(run_diff(range, many) == -EIO);
	free(range);
}

int main(void)
{
	check_passes();
	check_failures();
	check_diff();
	return failures != 0;
}
