// SPDX-License-Identifier: GPL-2.0
/*
 * The watcher has the kernel look which pages are used: by DAMON over physical
 * memory (which takes a reference on pages, and pages them out), and by the
 * bitmap of idle pages.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors.h"
#include "torture.h"

#define ADMIN	"/sys/kernel/mm/damon/admin/kdamonds/"
#define DAMOND	ADMIN "0/"
#define CONTEXT	DAMOND "contexts/0/"
#define SCHEME	CONTEXT "schemes/0/"
#define IDLE	"/sys/kernel/mm/page_idle/bitmap"

static bool have_damon(void)
{
	return !access(ADMIN "nr_kdamonds", W_OK);
}

bool watcher_possible(void)
{
	return have_damon() || !access(IDLE, W_OK);
}

static int set(const char *path, const char *text)
{
	int ret = write_file(path, text);

	if (ret)
		did("DAMON: not set", ret);
	return ret;
}

/* All of what may be RAM, or one guest. */
static int set_target(struct self *self)
{
	struct board *b = &shared->boards[draw(self, MAX_BOARDS)];
	char text[32];

	if (chance(self, 30) && b->life & 1 && b->pid > 0) {
		snprintf(text, sizeof(text), "%d", b->pid);
		return set(CONTEXT "operations", "vaddr") ?:
		       set(CONTEXT "targets/nr_targets", "1") ?:
		       set(CONTEXT "targets/0/pid_target", text);
	}
	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)meminfo_kb("MemTotal") * 1100);
	return set(CONTEXT "operations", "paddr") ?:
	       set(CONTEXT "targets/nr_targets", "1") ?:
	       set(CONTEXT "targets/0/regions/nr_regions", "1") ?:
	       set(CONTEXT "targets/0/regions/0/start", "4096") ?:
	       set(CONTEXT "targets/0/regions/0/end", text);
}

static void damon(struct self *self)
{
	static const char *const actions[] = {
		"stat", "pageout", "lru_prio", "lru_deprio", "cold",
		"hugepage", "migrate_cold",
	};
	int ret;

	ret = set(ADMIN "nr_kdamonds", "1") ?:
	      set(DAMOND "contexts/nr_contexts", "1") ?:
	      set_target(self) ?:
	      set(CONTEXT "monitoring_attrs/intervals/sample_us", "5000") ?:
	      set(CONTEXT "monitoring_attrs/intervals/aggr_us", "50000") ?:
	      set(CONTEXT "schemes/nr_schemes", "1") ?:
	      set(SCHEME "access_pattern/sz/max", "1000000000000") ?:
	      set(SCHEME "access_pattern/nr_accesses/max", "1000") ?:
	      set(SCHEME "access_pattern/age/max", "1000000") ?:
	      set(SCHEME "quotas/bytes", "4194304") ?:
	      set(SCHEME "quotas/reset_interval_ms", "200");
	if (ret)
		return;
	/* Not every kernel, and not every target, has every action. */
	write_file(SCHEME "action", actions[draw(self, ARRAY_SIZE(actions))]);
	if (poke_file("DAMON: on", DAMOND "state", "on"))
		return;
	doze(self, 4000000);
	poke_file("DAMON: off", DAMOND "state", "off");
}

static void mark_idle(void)
{
	uint64_t ones[512], got = 0, sum = 0;
	int fd = open(IDLE, O_RDWR | O_CLOEXEC);
	off_t at;

	memset(ones, 0xff, sizeof(ones));
	for (at = 0; fd >= 0 && !stopping(); at += sizeof(ones)) {
		if (pwrite(fd, ones, sizeof(ones), at) <= 0)
			break;
		usleep(1000);
		if (pread(fd, &got, sizeof(got), at) > 0)
			sum += __builtin_popcountll(got);
	}
	if (fd >= 0)
		close(fd);
	did("page_idle", 0);
	count("page_idle: pages seen idle", sum);
}

void watcher_run(struct self *self)
{
	while (!stopping()) {
		doze(self, 2000000);
		if (have_damon())
			damon(self);
		if (!access(IDLE, W_OK))
			mark_idle();
	}
}
