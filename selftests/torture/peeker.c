// SPDX-License-Identifier: GPL-2.0
/*
 * Peekers look at guests as debuggers and monitors do: they pin pages with
 * process_vm_readv(), and have /proc walk the page tables.
 */
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "actors.h"
#include "torture.h"

#define PEEK_PAGES 32

static void peek(struct self *self, struct board *b)
{
	static uint64_t buf[PEEK_PAGES * PAGE_WORDS];
	static struct glance before, after;
	size_t first = draw(self, b->pages), nr = PEEK_PAGES, page;
	struct iovec to, from;
	ssize_t n;

	if (nr > b->pages - first)
		nr = b->pages - first;
	glance_before(&before, b);
	to = (struct iovec){ buf, nr * PAGE };
	from = (struct iovec){ (void *)(b->addr + first * PAGE), nr * PAGE };
	n = process_vm_readv(b->pid, &to, 1, &from, 1, 0);
	glance_after(&after, b);
	did("process_vm_readv", n < 0 ? -errno : 0);
	if (before.life != after.life)
		return;
	for (page = 0; n > 0 && page < (size_t)n / PAGE; page++) {
		uint64_t *words = buf + page * PAGE_WORDS, head = words[0];

		if (head != words[PAGE_WORDS - 1] ||
		    before.tag[first + page] == TAG_TORN)
			continue;
		if (pattern_wrong(words, shared->seed, head, first + page) !=
		    PAGE_WORDS ||
		    !glance_allows(&before, &after, b, first + page, head))
			fail("process_vm_readv of object %llx: %s",
			     (unsigned long long)b->object,
			     describe(words, before.tag[first + page],
				      first + page));
	}
	count("pages checked by peekers", n > 0 ? n / PAGE : 0);
}

static void read_proc(struct self *self, int pid)
{
	static const char *const names[] = {
		"smaps", "smaps_rollup", "pagemap", "numa_maps", "maps",
	};
	const char *name = names[draw(self, ARRAY_SIZE(names))];
	static char buf[65536];
	char path[60];
	ssize_t n, sum = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0 && sum < (1 << 20))
		sum += n;
	snprintf(path, sizeof(path), "/proc: %s", name);
	did(path, n < 0 ? -errno : 0);
	close(fd);
}

static void clear_refs(struct self *self, int pid)
{
	static const char *const what[] = { "1", "2", "3", "4" };
	char path[60];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	poke_file("/proc: clear_refs", path, what[draw(self, 4)]);
}

void peeker_run(struct self *self)
{
	while (!stopping()) {
		struct board *b = &shared->boards[draw(self, MAX_BOARDS)];

		if (b->life & 1 && b->pid > 0 && b->pages) {
			switch (draw(self, 4)) {
			case 0:
				read_proc(self, b->pid);
				break;
			case 1:
				clear_refs(self, b->pid);
				break;
			default:
				peek(self, b);
				break;
			}
		}
		doze(self, 60000);
	}
}
