// SPDX-License-Identifier: GPL-2.0
/* What all actors need: verdicts, time, chance. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture.h"

struct shared *shared;
struct options options;

bool wanted(const char *name)
{
	unsigned int i;

	for (i = 0; i < options.nr_without; i++)
		if (!strcmp(options.without[i], name))
			return false;
	for (i = 0; i < options.nr_only; i++)
		if (!strcmp(options.only[i], name))
			return true;
	return !options.nr_only;
}

void fail(const char *fmt, ...)
{
	char text[1000];
	va_list args;
	int n;

	va_start(args, fmt);
	n = snprintf(text, sizeof(text), "# FAILED (pid %d): ", getpid());
	n += vsnprintf(text + n, sizeof(text) - n - 1, fmt, args);
	va_end(args);
	if (n > (int)sizeof(text) - 2)
		n = sizeof(text) - 2;
	text[n++] = '\n';
	shared->failed = 1;
	if (write(1, text, n) < 0)
		_exit(2);
	_exit(1);
}

void give_up(const char *what, long ret)
{
	did(what, ret);
	_exit(3);
}

const char *describe(const void *page, uint64_t tag, size_t nr)
{
	static char text[500];
	const uint64_t *word = page;
	unsigned int wrong = pattern_wrong(word, shared->seed, tag, nr);
	unsigned int own = pattern_wrong(word, shared->seed, word[0], nr);
	uint64_t flags = page_flags(page), map = pagemap_entry(page);

	snprintf(text, sizeof(text),
		 "page %zu at %p, word %u: is object %llx gen %llu, %s, last %llx, not object %llx gen %llu; words %llx %llx; pagemap %llx, flags %llx",
		 nr, page, wrong, (unsigned long long)TAG_OBJECT(word[0]),
		 (unsigned long long)TAG_GEN(word[0]),
		 own == PAGE_WORDS ? "whole" : "not whole",
		 (unsigned long long)word[PAGE_WORDS - 1],
		 (unsigned long long)TAG_OBJECT(tag),
		 (unsigned long long)TAG_GEN(tag),
		 (unsigned long long)word[wrong % PAGE_WORDS],
		 (unsigned long long)word[(wrong + 1) % PAGE_WORDS],
		 (unsigned long long)map, (unsigned long long)flags);
	return text;
}

void expect_errno(const char *what, long ret, const int *allowed,
		  const char *more)
{
	if (ret >= 0)
		return;
	for (; *allowed; allowed++)
		if (-ret == *allowed)
			return;
	fail("%s: %s (%s)", what, strerror(-ret), more ?: "");
}

void nap(unsigned int us)
{
	while (us && !stopping()) {
		unsigned int slice = us < 20000 ? us : 20000;

		usleep(slice);
		us -= slice;
	}
}

void doze(struct self *self, unsigned int most_us)
{
	nap(draw(self, most_us));
}

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t state = a * 0x9e3779b97f4a7c15ULL ^ b;

	return rnd(&state);
}

uint64_t new_object(void)
{
	uint64_t nr = __atomic_add_fetch(&shared->next_object, 1,
					 __ATOMIC_RELAXED);

	return nr % COMMON_OBJECT ?: 1;
}

void become(struct self *self, unsigned int nr)
{
	self->rng = mix(self->rng, nr + 1);
}

/* Where it is in the kernel, for fail(). */
static const char *where_is(pid_t pid)
{
	static char text[700];
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return "?";
	return text;
}

/* A few seconds to end by itself; as long as it takes to be killed. */
int reap(pid_t pid)
{
	int status = 0, try;
	bool killed = false;

	for (try = 0; try < 9000; try++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			if (try > 1300)
				count("took ten seconds to die", 1);
			return status;
		}
		usleep(10000);
		if (try == 300 || (stopping() && !killed)) {
			kill(pid, SIGKILL);
			killed = true;
		}
	}
	fail("process %d can not be killed, it is at %s", pid, where_is(pid));
}

bool kernel_is(unsigned int major, unsigned int minor)
{
	unsigned int is_major = 0, is_minor = 0;
	struct utsname name;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &is_major, &is_minor) != 2)
		fail("\"%s\" is no release of Linux", name.release);
	return is_major > major || (is_major == major && is_minor >= minor);
}

int poke_file(const char *what, const char *path, const char *text)
{
	return did(what, write_file(path, text));
}
