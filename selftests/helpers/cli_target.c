// SPDX-License-Identifier: GPL-2.0
/*
 * The process that cli.sh and cli_diff.sh capture: it holds memory of one kind,
 * prints where and does what it is told on standard input.
 *
 *   cli_target KIND BYTES
 *
 * prints "ADDRESS BYTES", then answers each line:
 *
 *   check	"right" if its memory is as it wrote it, else "wrong"
 *   change	writes other values, "changed"
 *   poke P N	writes other values to N pages from page P on, "poked"
 *   touch P N	writes again what is there already, "touched"
 *   storm N FILE	maps and unmaps a snapshot's file N times, "stormed"
 *   poison P	loses page P to a memory error, "poisoned"; no check after that
 *   save	remembers what its memory is like, "saved"
 *   back	expects that again, without writing anything, "expected"
 *   run	goes on writing a rising number to its first page and then to the
 *		one in its middle, a mapping apart, "running"
 *   halt	ends that, "halted"
 *
 * and ends with its input.  No "change" touches every third page.
 *
 *   cli_target as-nobody COMMAND [ARGUMENTS]
 *
 * runs a command without any right: busybox has nothing that could.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)
#define WORDS	(PAGE / sizeof(uint64_t))

/* What a page reads as follows from the round in which it was written */
struct memory {
	char *addr;
	size_t len;
	uint64_t round;
	uint64_t *rounds, *saved;	/* of each page, 0: never */
	pthread_t writer;
};

static void die(const char *what)
{
	fprintf(stderr, "cli_target: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool is_hole(size_t page)
{
	return page % 3 == 2;
}

static uint64_t word_at(const struct memory *m, size_t page, size_t word)
{
	return m->rounds[page] ?
	       (m->rounds[page] << 48) + page * WORDS + word + 1 : 0;
}

static void write_page(struct memory *m, size_t page)
{
	volatile uint64_t *p = (uint64_t *)(m->addr + page * PAGE);
	size_t word;

	for (word = 0; word < WORDS; word++)
		p[word] = word_at(m, page, word);
}

static void write_all(struct memory *m)
{
	size_t page;

	m->round++;
	for (page = 0; page < m->len / PAGE; page++) {
		if (is_hole(page))
			continue;
		m->rounds[page] = m->round;
		write_page(m, page);
	}
}

/* Return: whether there are such pages */
static bool write_some(struct memory *m, size_t first, size_t nr, bool other)
{
	size_t page;

	if (first >= m->len / PAGE || nr > m->len / PAGE - first)
		return false;
	m->round += other;
	for (page = first; page < first + nr; page++) {
		if (other)
			m->rounds[page] = m->round;
		write_page(m, page);
	}
	return true;
}

static void copy_rounds(struct memory *m, uint64_t *to, const uint64_t *from)
{
	memcpy(to, from, m->len / PAGE * sizeof(*to));
}

static void *writer(void *arg)
{
	struct memory *m = arg;
	volatile uint64_t *first = (uint64_t *)m->addr;
	volatile uint64_t *middle = (uint64_t *)(m->addr + m->len / PAGE / 2 *
						 PAGE);
	uint64_t n;

	for (n = 1;; n++) {
		*first = n;
		*middle = n;
		pthread_testcancel();
	}
	return NULL;
}

/* The advice has the kernel keep the two halves apart. */
static void run(struct memory *m)
{
	size_t half = m->len / PAGE / 2 * PAGE;

	if (madvise(m->addr + half, m->len - half, MADV_DONTDUMP) ||
	    pthread_create(&m->writer, NULL, writer, m))
		die("writer");
}

static void halt(struct memory *m)
{
	pthread_cancel(m->writer);
	pthread_join(m->writer, NULL);
	write_some(m, 0, 1, true);
	write_some(m, m->len / PAGE / 2, 1, true);
}

static bool is_right(const struct memory *m)
{
	size_t page, word;

	for (page = 0; page < m->len / PAGE; page++) {
		const uint64_t *p = (const uint64_t *)(m->addr + page * PAGE);

		for (word = 0; word < WORDS; word++) {
			if (p[word] != word_at(m, page, word))
				return false;
		}
	}
	return true;
}

static char *map(size_t len, int flags, int fd)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int temporary_file(size_t len)
{
	int fd = memfd_create("cli_target", 0);

	if (fd < 0 || ftruncate(fd, len))
		die("memfd");
	return fd;
}

static char *map_path(size_t len, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return map(len, MAP_PRIVATE, fd);
}

/* Others may write to it, and nobody would notice. */
static char *map_busy(size_t len)
{
	int fd = temporary_file(len);

	map(len, MAP_SHARED, fd);
	return map(len, MAP_PRIVATE, fd);
}

/* Registered for write protection only: the memory works as ever. */
static void register_uffd(const struct memory *m)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)m->addr, m->len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
}

static void make(struct memory *m, const char *kind)
{
	const int private = MAP_PRIVATE | MAP_ANONYMOUS;

	if (!strcmp(kind, "shared"))
		m->addr = map(m->len, MAP_SHARED | MAP_ANONYMOUS, -1);
	else if (!strcmp(kind, "file"))
		m->addr = map(m->len, MAP_PRIVATE, temporary_file(m->len));
	else if (!strcmp(kind, "busy"))
		m->addr = map_busy(m->len);
	else if (*kind == '/')
		m->addr = map_path(m->len, kind);
	else if (!strcmp(kind, "stack"))
		m->addr = map(m->len, private | MAP_GROWSDOWN, -1);
	else if (!strcmp(kind, "huge"))
		m->addr = map(m->len + HUGE, private, -1);
	else
		m->addr = map(m->len, private, -1);

	if (!strcmp(kind, "huge"))
		m->addr += -(uintptr_t)m->addr % HUGE;
	m->rounds = calloc(m->len / PAGE, sizeof(*m->rounds));
	m->saved = calloc(m->len / PAGE, sizeof(*m->saved));
	if (!m->rounds || !m->saved)
		die("calloc");
	/* Holes are to be pages of 4 KiB; huge pages have none. */
	if (madvise(m->addr, m->len, strcmp(kind, "huge") ? MADV_NOHUGEPAGE :
							    MADV_HUGEPAGE))
		die("madvise");
	write_all(m);

	if (!strcmp(kind, "locked") && mlock2(m->addr, m->len, MLOCK_ONFAULT))
		die("mlock2");
	if (!strcmp(kind, "uffd"))
		register_uffd(m);
	/* What is printed has a page more than what there is. */
	if (!strcmp(kind, "unmapped")) {
		m->len -= PAGE;
		if (munmap(m->addr + m->len, PAGE))
			die("munmap");
	}
}

static int run_as_nobody(char **argv)
{
	const int nobody = 65534;

	if (setgroups(0, NULL) || setgid(nobody) || setuid(nobody))
		die("setuid");
	execvp(argv[0], argv);
	die(argv[0]);
	return 1;
}

/*
 * EBUSY: it is lost, but others map it, too.  EHWPOISON: or have a part of it.
 * What marks the place goes, so that the snapshot's page is asked for again.
 */
static bool poison(struct memory *m, size_t page)
{
	char *at = m->addr + page * PAGE;

	if (page >= m->len / PAGE)
		return false;
	(void)*(volatile char *)at;
	if (madvise(at, PAGE, MADV_HWPOISON) && errno != EBUSY &&
	    errno != EHWPOISON)
		return false;
	return !madvise(at, PAGE, MADV_DONTNEED);
}

static bool storm(size_t nr, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	for (; fd >= 0 && nr; nr--) {
		void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

		if (p == MAP_FAILED || munmap(p, PAGE))
			break;
	}
	close(fd);
	return !nr;
}

static const char *obey(struct memory *m, const char *line)
{
	char path[40];

	char verb[16] = "";
	size_t first = 0, nr = 0;
	int words = sscanf(line, "%15s %zu %zu", verb, &first, &nr);

	if (words == 3 && !strcmp(verb, "poke"))
		return write_some(m, first, nr, true) ? "poked" : "where?";
	if (words == 3 && !strcmp(verb, "touch"))
		return write_some(m, first, nr, false) ? "touched" : "where?";
	if (sscanf(line, "storm %zu %39s", &nr, path) == 2)
		return storm(nr, path) ? "stormed" : "can not";
	if (words == 2 && !strcmp(verb, "poison"))
		return poison(m, first) ? "poisoned" : "can not";
	if (!strcmp(verb, "check"))
		return is_right(m) ? "right" : "wrong";
	if (!strcmp(verb, "change"))
		return write_all(m), "changed";
	if (!strcmp(verb, "save"))
		return copy_rounds(m, m->saved, m->rounds), "saved";
	if (!strcmp(verb, "back"))
		return copy_rounds(m, m->rounds, m->saved), "expected";
	if (!strcmp(verb, "run"))
		return run(m), "running";
	if (!strcmp(verb, "halt"))
		return halt(m), "halted";
	return "what?";
}

int main(int argc, char **argv)
{
	struct memory m = { 0 };
	char line[64];

	if (argc > 2 && !strcmp(argv[1], "as-nobody"))
		return run_as_nobody(argv + 2);
	if (argc != 3) {
		fprintf(stderr, "usage: cli_target KIND BYTES\n");
		return 2;
	}
	m.len = strtoul(argv[2], NULL, 0) / PAGE * PAGE;
	make(&m, argv[1]);
	setlinebuf(stdout);
	printf("0x%lx %s\n", (unsigned long)m.addr, argv[2]);

	while (fgets(line, sizeof(line), stdin))
		puts(obey(&m, line));
	return 0;
}
