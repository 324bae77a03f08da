// SPDX-License-Identifier: GPL-2.0
/* The engine of error sweeps: makes the Nth allocation fail, for each N. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "balance.h"
#include "sweep.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAX_WORKERS	64
#define MAX_ROUNDS	20000

const char *sweep_missing(void)
{
	if (access(FAIL_NTH, W_OK))
		return "this kernel has no fault injection (fail-nth)";
	if (access(DEBUGFS "failslab/ignore-gfp-wait", W_OK) ||
	    access(DEBUGFS "fail_page_alloc/ignore-gfp-wait", W_OK))
		return "this kernel has no failslab or fail_page_alloc";
	return NULL;
}

const char *sweep_where_missing(enum sweep_where where)
{
	if ((where == SWEEP_WORKER || where == SWEEP_INIT) &&
	    access(DEBUGFS "failslab/require-start", W_OK))
		return "no FAULT_INJECTION_STACKTRACE_FILTER in this kernel";
	return NULL;
}

static const char *const attrs[] = {
	"failslab", "fail_page_alloc", "fail_usercopy",
};

static int set_attr(unsigned int attr, const char *knob, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", attrs[attr], knob);
	/* A kernel without it: usercopy, or the stack filter. */
	if (access(path, F_OK))
		return 0;
	return write_file(path, value);
}

/* All kinds of failures, in all kinds of allocations. */
static int set_knobs(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 3 && !ret; i++) {
		ret = set_attr(i, "verbose", "0");
		if (!ret)
			ret = set_attr(i, "ignore-gfp-wait", "N");
		if (!ret)
			ret = set_attr(i, "ignore-gfp-highmem", "N");
		if (!ret)
			ret = set_attr(i, "min-order", "0");
	}
	return ret;
}

struct text_range {
	unsigned long start, end;
};

static int set_range(unsigned int attr, const char *which, struct text_range r)
{
	char knob[32], value[32];
	int ret;

	snprintf(knob, sizeof(knob), "%s-start", which);
	snprintf(value, sizeof(value), "0x%lx", r.start);
	ret = set_attr(attr, knob, value);
	snprintf(knob, sizeof(knob), "%s-end", which);
	snprintf(value, sizeof(value), "0x%lx", r.end);
	return ret ?: set_attr(attr, knob, value);
}

/* A function of the kernel, from its name to the next one. */
static struct {
	const char *name;
	struct text_range text;
} function[] = {
#define FN_INIT		0
	{ .name = "do_one_initcall" },
#define FN_VMALLOC	1
	{ .name = "__vmalloc_node_range_noprof" },
#define FN_KMEMLEAK	2
	{ .name = "mem_pool_alloc" },
#define FN_KMEMLEAK_2	3	/* where the former is inlined */
	{ .name = "__alloc_object" },
#define FN_SLAB_SYSFS	4
	{ .name = "sysfs_slab_add" },
};

static struct text_range vmfork_text;

static void note_vmfork(unsigned long addr)
{
	struct text_range *r = &vmfork_text;

	if (!r->start || addr < r->start)
		r->start = addr;
	/* Module text is whole pages, with a guard page behind them. */
	if (addr >= r->end)
		r->end = (addr | (PAGE - 1)) + 1 + PAGE;
}

static void note_function(unsigned long addr, const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(function) / sizeof(function[0]); i++) {
		struct text_range *r = &function[i].text;

		/* The kernel's own symbols are sorted. */
		if (r->start && !r->end && addr > r->start)
			r->end = addr;
		if (!strcmp(name, function[i].name) && !r->start)
			r->start = addr;
	}
}

/* The addresses are those of this boot; the module's are when it is loaded. */
static int find_text(void)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long addr;
	char line[512], *p;

	vmfork_text = (struct text_range){ 0 };
	while (file && fgets(line, sizeof(line), file)) {
		addr = strtoul(line, &p, 16);
		if (p[0] != ' ' || tolower(p[1]) != 't')
			continue;
		p += 3;
		p[strcspn(p, "\n")] = 0;
		if (strstr(p, "\t[vmfork]"))
			note_vmfork(addr);
		else if (!strchr(p, '\t'))
			note_function(addr, p);
	}
	if (file)
		fclose(file);
	return vmfork_text.start && function[FN_INIT].text.start ? 0 : -ENOENT;
}

static const struct text_range everything = { 0, ~0UL };

/*
 * Fail only what @sc is about, and not what is no error path of ours:
 *
 * - kmemleak's record of an allocation comes out of a slab cache, and where
 *   that fails out of a reserve;
 * - vmalloc() complains to the log;
 * - sysfs_slab_add() (6.12) leaks the name of a cache that it can not show.
 */
static int filter(const struct scenario *sc)
{
	struct text_range require = everything, no_slab, no_pages;
	unsigned int i;
	int ret = 0;

	no_pages = function[FN_VMALLOC].text;
	no_slab = function[FN_KMEMLEAK].text;
	if (!no_slab.start)
		no_slab = function[FN_KMEMLEAK_2].text;
	if (sc->vmalloc)
		no_slab = function[FN_VMALLOC].text;
	if (sc->where == SWEEP_WORKER)
		require = vmfork_text;
	if (sc->where == SWEEP_INIT) {
		require = function[FN_INIT].text;
		no_slab = function[FN_SLAB_SYSFS].text;
		no_pages = no_slab;
	}
	for (i = 0; i < 3 && !ret; i++)
		ret = set_range(i, "require", require);
	return ret ?: set_range(0, "reject", no_slab) ?:
		      set_range(1, "reject", no_pages);
}

/* For whatever is injected after this. */
static int filter_off(void)
{
	struct text_range none = { 0, 0 };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 3 && !ret; i++)
		ret = set_range(i, "require", everything) ?:
		      set_range(i, "reject", none);
	return ret;
}

static int write_nth(int fd, unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, n, 0) == n ? 0 : -errno;
}

/*
 * What is left of a thread's count.  Our own reading may be what fails: it
 * copies to user memory, the count was 1 then.
 */
static long read_nth(int fd)
{
	char text[16];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == EFAULT ? 1 : -errno;
	text[n] = 0;
	return strtol(text, NULL, 10);
}

static int own_nth = -1;

static struct {
	int fd;
} worker[MAX_WORKERS];
static unsigned int nr_workers;

/* The kernel threads that do the work of unbound workqueues. */
static int find_workers(void)
{
	struct dirent *entry;
	char path[64], comm[32];
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	while (nr_workers)
		close(worker[--nr_workers].fd);
	while ((entry = readdir(dir)) && nr_workers < MAX_WORKERS) {
		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		if (read_file(path, comm, sizeof(comm)) < 0 ||
		    strncmp(comm, "kworker/u", 9))
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/fail-nth",
			 entry->d_name, entry->d_name);
		worker[nr_workers].fd = open(path, O_RDWR | O_CLOEXEC);
		nr_workers += worker[nr_workers].fd >= 0;
	}
	closedir(dir);
	return nr_workers ? 0 : -ESRCH;
}

int sweep_arm(enum sweep_where where, unsigned int nth)
{
	unsigned int i;
	int ret = 0;

	if (where != SWEEP_WORKER)
		return write_nth(own_nth, nth);
	for (i = 0; i < nr_workers && !ret; i++)
		ret = write_nth(worker[i].fd, nth);
	return ret;
}

static enum sweep_hit disarm_workers(unsigned int nth)
{
	enum sweep_hit hit = SWEEP_UNSEEN;
	unsigned int i;
	long left;

	for (i = 0; i < nr_workers; i++) {
		left = read_nth(worker[i].fd);
		if (!left)
			hit = SWEEP_HIT;
		else if (left > 0 && left < (long)nth && hit == SWEEP_UNSEEN)
			hit = SWEEP_MISSED;
		write_nth(worker[i].fd, 0);
	}
	return hit;
}

enum sweep_hit sweep_disarm(enum sweep_where where, unsigned int nth)
{
	long left;

	if (where == SWEEP_WORKER)
		return disarm_workers(nth);
	left = read_nth(own_nth);
	/* To copy the 0 from user memory may be what fails. */
	while (left && write_nth(own_nth, 0))
		continue;
	return left ? SWEEP_MISSED : SWEEP_HIT;
}

/* What came of the failures. */
struct tally {
	unsigned int injected, enomem, efault, other, in_spite, unseen;
	int other_err;
	uint64_t begin;
};

static unsigned int seconds(const struct tally *t)
{
	return (now_ns() - t->begin) / 1000000000;
}

static void count(struct tally *t, int ret)
{
	t->injected++;
	if (ret >= 0) {
		t->in_spite++;
	} else if (ret == -ENOMEM) {
		t->enomem++;
	} else if (ret == -EFAULT) {
		t->efault++;
	} else {
		t->other++;
		t->other_err = ret;
	}
}

static const char *judge(struct sweep *s, int ret)
{
	const struct scenario *sc = s->sc;

	if (ret < 0 && sc->robust)
		return "it failed, which it must not";
	if (ret < 0 && ret != -ENOMEM && ret != -EFAULT)
		return "an errno that does not say what happened";
	return sc->check ? sc->check(s, ret) : NULL;
}

/*
 * One round; 1 if the failure was there, 0 if there are not so many, 2 if
 * nobody knows.
 */
static int one_round(struct sweep *s, unsigned int nth, struct tally *t)
{
	const struct scenario *sc = s->sc;
	enum sweep_hit hit;
	const char *wrong;
	int ret, again = 0;

	ret = sweep_arm(sc->where, nth);
	if (ret) {
		note("%s: can not inject: %s", sc->name, strerror(-ret));
		return -1;
	}
	ret = sc->act(s);
	hit = sweep_disarm(sc->where, nth);
	s->hit = hit != SWEEP_MISSED;
	if (hit == SWEEP_HIT) {
		count(t, ret);
	} else if (ret < 0) {
		note("%s: failed by itself: %s", sc->name, strerror(-ret));
		return -1;
	}
	wrong = judge(s, ret);
	if (!wrong && ret < 0 && !sc->keep) {
		again = sc->act(s);
		wrong = again < 0 ? "then it does not work" :
			sc->check ? sc->check(s, again) : NULL;
	}
	if (wrong) {
		note("%s: failure %u (%s%s%s): %s", sc->name, nth,
		     ret < 0 ? strerror(-ret) : "success",
		     again < 0 ? ", then " : "",
		     again < 0 ? strerror(-again) : "", wrong);
		return -1;
	}
	if (hit != SWEEP_UNSEEN) {
		t->unseen = 0;
		return hit == SWEEP_HIT;
	}
	/* A kernel thread did it that was not there before. */
	if (++t->unseen > 20 || find_workers()) {
		note("%s: who does the work?", sc->name);
		return -1;
	}
	return 2;
}

/* Each round leaves as many descriptors open as it found. */
static bool fds_left(struct sweep *s)
{
	int fds = count_fds();

	if (fds == s->fds)
		return false;
	note("%s: %d descriptors were open, now %d", s->sc->name, s->fds, fds);
	return true;
}

static int begin(struct sweep *s)
{
	int ret;

	shared_reset(s->arena);
	s->cap = shared_alloc(sizeof(*s->cap));
	s->region = shared_alloc(VMFORK_MAX_REGIONS * sizeof(*s->region));
	memset(&s->area, 0, sizeof(s->area));
	memset(&s->view, 0, sizeof(s->view));
	s->fd = -1;
	s->base = -1;
	s->out = -1;
	s->pipe[0] = -1;
	s->pipe[1] = -1;
	s->peer = NULL;
	s->at = NULL;
	s->hit = false;
	ret = s->sc->setup(s);
	if (ret)
		note("%s: setup: %s", s->sc->name, strerror(-ret));
	return ret;
}

static bool sweep_loop(struct sweep *s, struct tally *t)
{
	unsigned int nth, step = s->sc->stride ?: 1;
	bool ready = false;
	int ret = 1;

	for (nth = 1; ret > 0; nth += ret == 1 ? step : 0) {
		if (nth > MAX_ROUNDS) {
			note("%s: there is no end to it", s->sc->name);
			return false;
		}
		if (nth % 100 == 0)
			note("%s: at failure %u, after %u s", s->sc->name, nth,
			     seconds(t));
		if (!ready && begin(s))
			return false;
		ret = one_round(s, nth, t);
		if (ret < 0)
			return false;
		/* A success uses up what was set up. */
		ready = s->sc->keep && s->fd < 0 && ret;
		if (ready)
			continue;
		s->sc->undo(s);
		if (fds_left(s))
			return false;
	}
	return true;
}

/*
 * A process that has read untouched memory that may be huge keeps a huge page
 * of zeroes to its end.  Have it now, before anything is counted.
 */
static void take_huge_zero_page(void)
{
	volatile char *at = reserve(HUGE, 0);

	if (!at || mprotect((void *)at, HUGE, PROT_READ | PROT_WRITE))
		return;
	madvise((void *)at, HUGE, MADV_HUGEPAGE);
	(void)*at;
	munmap((void *)at, HUGE);
}

static bool prepare(struct sweep *s)
{
	int ret;

	take_huge_zero_page();

	s->dev = device();
	s->zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	own_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ret = s->dev < 0 || s->zero < 0 || own_nth < 0 ? -errno : set_knobs();
	if (!ret)
		ret = find_text();
	s->arena = shared_alloc(0);
	if (ret)
		note("preparing: %s", strerror(-ret));
	return !ret;
}

/* One round in which nothing fails: it has to work, and it fills caches. */
static bool rehearse(struct sweep *s)
{
	const char *wrong = NULL;
	int ret;

	if (begin(s))
		return false;
	ret = s->sc->act(s);
	if (ret >= 0 && s->sc->check)
		wrong = s->sc->check(s, ret);
	s->sc->undo(s);
	if (ret < 0)
		note("%s: %s, with no failure at all", s->sc->name,
		     strerror(-ret));
	if (wrong)
		note("%s: %s, with no failure at all", s->sc->name, wrong);
	return ret >= 0 && !wrong;
}

static bool enough(struct sweep *s, const struct tally *t)
{
	note("%s: %u failures injected: %u ENOMEM, %u EFAULT, %u others, %u succeeded nevertheless; %u s",
	     s->sc->name, t->injected, t->enomem, t->efault, t->other,
	     t->in_spite, seconds(t));
	if (t->injected >= s->sc->least)
		return true;
	note("%s: at least %u failures were to be expected", s->sc->name,
	     s->sc->least);
	return false;
}

bool sweep_run(struct sweep *s, const struct scenario *sc)
{
	struct tally t = { .begin = now_ns() };
	struct balance was;
	bool ok;

	s->sc = sc;
	if (!prepare(s) || !rehearse(s))
		return false;
	if (sc->where == SWEEP_WORKER && find_workers()) {
		note("no kworker was found");
		return false;
	}
	s->fds = count_fds();
	was = balance();
	ok = !filter(sc) && sweep_loop(s, &t);
	filter_off();
	return enough(s, &t) && ok && balanced_soon(&was);
}

int sweep_mmap(struct sweep *s)
{
	void *at = mmap(NULL, s->sc->pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE, s->base, 0);

	if (at == MAP_FAILED)
		return -errno;
	s->view.addr = at;
	return 0;
}

const char *sweep_check_mapping(struct sweep *s)
{
	if (view_check(&s->view, s->sc->name))
		return "the mapping is wrong";
	if (s->base >= 0 &&
	    snapshot_check(s->base, 0, s->sc->pages, s->area.view.model,
			   s->sc->name))
		return "the snapshot has changed";
	return NULL;
}

void sweep_undo_mapping(struct sweep *s)
{
	view_unmap(&s->view);
	if (s->base >= 0)
		close(s->base);
	s->base = -1;
}

static int mark_cache(const char *cache, const char *yes)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/failslab", cache);
	return write_file(path, yes);
}

int sweep_fail_cache(const char *cache)
{
	static const char *marked;
	int ret;

	if (!cache) {
		ret = set_attr(0, "probability", "0") ?: filter_off() ?:
		      set_attr(0, "cache-filter", "N") ?:
		      set_attr(0, "times", "1") ?:
		      (marked ? mark_cache(marked, "0") : 0);
		marked = NULL;
		return ret;
	}
	ret = set_knobs() ?: find_text() ?: mark_cache(cache, "1");
	if (ret)
		return ret;
	marked = cache;
	return set_range(0, "require", vmfork_text) ?:
	       set_attr(0, "cache-filter", "Y") ?:
	       set_attr(0, "times", "-1") ?:
	       set_attr(0, "interval", "1") ?:
	       set_attr(0, "space", "0") ?:
	       set_attr(0, "task-filter", "N") ?:
	       set_attr(0, "probability", "100");
}
