// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink: 10,000 snapshots, and dumps while everything changes: what is there
 * all the while is told of exactly once.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs.h"
#include "kselftest_harness.h"
#include "nl.h"
#include "peer.h"

#define MANY	10000
#define FIXED	150

static struct nl_snapshot all[MANY + 200];
static int fds[MANY];

static char *one_page(size_t pages)
{
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
	memset(memory, 1, pages * PAGE);
	return memory;
}

static uint64_t id_of(int fd)
{
	struct vmfork_info info = { 0 };

	return snapshot_info(fd, &info) ? 0 : info.id;
}

static bool ascending(const struct nl_snapshot *s, long nr)
{
	long i;

	for (i = 1; i < nr; i++)
		if (s[i].id <= s[i - 1].id)
			return false;
	return true;
}

TEST(ten_thousand)
{
	struct rlimit limit = { MANY + 100, MANY + 100 };
	volatile char *memory = one_page(1);
	uint64_t begin, ns;
	struct nl nl;
	long nr, i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_NE(NULL, (void *)memory);
	for (i = 0; i < MANY; i++) {
		*memory = i;
		fds[i] = capture_range(-1, (void *)memory, PAGE, 0, NULL);
		ASSERT_LE(0, fds[i]);
	}
	begin = now_ns();
	nr = nl_snapshots(&nl, true, all, MANY + 200);
	ns = now_ns() - begin;
	note("a dump of %ld snapshots takes %llu us", nr,
	     (unsigned long long)ns / 1000);
	ASSERT_EQ(MANY, nr);
	EXPECT_TRUE(ascending(all, nr));
	for (i = 0; i < nr; i++) {
		ASSERT_EQ(PAGE, all[i].alone);
		ASSERT_EQ(0, all[i].shared);
		ASSERT_EQ(i ? all[i - 1].id : 0, all[i].parent);
		ASSERT_EQ(i == nr - 1, all[i].mappings);
	}
	/* Each other one goes: the rest are each other's children. */
	for (i = 0; i < MANY; i += 2)
		close(fds[i]);
	nr = nl_snapshots(&nl, true, all, MANY + 200);
	ASSERT_EQ(MANY / 2, nr);
	EXPECT_TRUE(ascending(all, nr));
	for (i = 1; i < nr; i++)
		ASSERT_EQ(all[i - 1].id, all[i].parent);
	EXPECT_EQ(0, all[0].parent);
	for (i = 1; i < MANY; i += 2)
		close(fds[i]);
	munmap((void *)memory, PAGE);
	EXPECT_EQ(0, nl_snapshots(&nl, true, all, MANY + 200));
	nl_close(&nl);
}

/* A parent of many, which goes. */
TEST(many_children)
{
	char *memory = one_page(8);
	struct peer *peers[20];
	uint64_t base;
	struct nl nl;
	long i, nr;
	int fd;

	ASSERT_EQ(0, nl_open(&nl));
	fd = capture_range(-1, memory, 8 * PAGE, 0, NULL);
	base = id_of(fd);
	/* The peers must not have it, too. */
	close(fd);
	/* Each of them has a mapping of the base, and captures it. */
	for (i = 0; i < 20; i++) {
		struct vmfork_capture cap;

		peers[i] = peer_start();
		fds[i] = peer_capture(peers[i], -1, memory, 8 * PAGE, 0, &cap);
		ASSERT_LE(0, fds[i]);
	}
	nr = nl_snapshots(&nl, true, all, 100);
	ASSERT_EQ(21, nr);
	for (i = 1; i < nr; i++)
		EXPECT_EQ(base, all[i].parent);
	munmap(memory, 8 * PAGE);
	nr = nl_snapshots(&nl, true, all, 100);
	ASSERT_EQ(20, nr);
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(0, all[i].parent);
		peer_kill(peers[i]);
		close(fds[i]);
	}
	nl_close(&nl);
}

/* In a child: has a mapping, in many ranges, and nothing else, and ends. */
static void map_and_end(void)
{
	char *memory = one_page(512);
	int fd = capture_range(-1, memory, 512 * PAGE, 0, NULL);
	size_t i;

	close(fd);
	for (i = 0; i < 512; i += 2)
		munmap(memory + i * PAGE, PAGE);
	_exit(fd < 0);
}

/*
 * The last mapping that there is goes in the midst of a dump.  Nobody has the
 * device open: its file system goes as well, but not before the dump is done
 * with it.
 */
TEST(last_mapping)
{
	uint64_t end = now_ns() + test_seconds(5) * 1000000000ULL;
	unsigned long seen = 0, rounds = 0;
	struct nl nl;
	int status;
	pid_t pid;

	ASSERT_EQ(0, nl_open(&nl));
	do {
		pid = fork();
		if (!pid)
			map_and_end();
		while (!waitpid(pid, &status, WNOHANG))
			seen += nl_mappings(&nl, 0, 0, true, NULL, 0) > 0;
		ASSERT_EQ(0, status);
		rounds++;
	} while (now_ns() < end);
	note("%lu processes, seen %lu times", rounds, seen);
	EXPECT_LT(0, seen);
	EXPECT_EQ(0, nl_mappings(&nl, 0, 0, true, NULL, 0));
	nl_close(&nl);
}

#define LINKS	(slowness() > 1 ? 3000 : 20000)
#define DEEP	40

/* 50 dumps, in ns. */
static uint64_t dump_often(struct nl *nl, const char *name)
{
	uint64_t begin = now_ns();
	static struct nl_snapshot one;
	int i;

	for (i = 0; i < 50; i++)
		if (nl_snapshots(nl, false, &one, 1) != 1 ||
		    !strstr(one.name, name))
			return 0;
	return now_ns() - begin;
}

/* Who has made very many names keeps nobody waiting, and they stay names. */
TEST(many_names)
{
	char path[2 * DEEP + FS_PATH_MAX], first[sizeof(path)], *end;
	uint64_t few, links, files;
	int i, fd, named;
	struct nl nl;
	struct fs fs;

	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	fd = capture_range(-1, one_page(1), PAGE, 0, NULL);
	ASSERT_LE(0, fd);
	/* Without one, first: these are older than any that has. */
	for (i = 0; i < 500; i++) {
		fds[i] = fs_name(&fs, "gone", fd);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, unlink(fs_path(&fs, "gone", path)));
	}
	EXPECT_EQ(0, dump_often(&nl, "/"));
	strcpy(path, fs.dir);
	end = path + strlen(path);
	for (i = 0; i < DEEP; i++) {
		end = stpcpy(end, "/d");
		/* Nobody else comes in, which only the last step shows. */
		ASSERT_EQ(0, mkdir(path, i ? 0755 : 0700));
	}
	strcpy(end, "/f");
	named = open(path, O_RDWR | O_CREAT, 0644);
	ASSERT_LE(0, named);
	ASSERT_EQ(0, fs_clone(named, fd));
	close(named);
	few = dump_often(&nl, "/d/");
	EXPECT_NE(0, few);
	strcpy(first, path);
	for (i = 0; i < LINKS; i++) {
		sprintf(end, "/%d", i);
		ASSERT_EQ(0, link(first, path));
	}
	links = dump_often(&nl, "/d/");
	for (i = 0; i < LINKS; i++) {
		sprintf(end, "/%d", i);
		ASSERT_EQ(0, unlink(path));
	}
	files = dump_often(&nl, "/d/");
	note("50 dumps: %llu us, with %d links %llu us, without %llu us",
	     (unsigned long long)few / 1000, LINKS,
	     (unsigned long long)links / 1000,
	     (unsigned long long)files / 1000);
	EXPECT_NE(0, files);
	EXPECT_NE(0, links);
	EXPECT_GT(5 * few + 20000000ULL * slowness(), links);
	/* The last name goes, and is not said any more. */
	ASSERT_EQ(0, unlink(first));
	EXPECT_EQ(0, dump_often(&nl, "/"));
	for (i = 0; i < 500; i++)
		close(fds[i]);
	close(fd);
	EXPECT_EQ(0, fs_unmount(&fs));
	nl_close(&nl);
}

static volatile bool stop;

/* Snapshots and mappings that come and go all the while. */
static void *churn(void *arg)
{
	uint64_t state = test_seed() + (uintptr_t)arg;
	char *memory = one_page(16), *map;
	int fd, last = -1;

	while (!stop) {
		memory[rnd(&state) % 16 * PAGE]++;
		fd = capture_range(-1, memory, 16 * PAGE, 0, NULL);
		if (fd < 0)
			continue;
		map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			   fd, 0);
		if (map != MAP_FAILED) {
			map[rnd(&state) % 16 * PAGE]++;
			munmap(map + 4 * PAGE, rnd(&state) % 8 * PAGE + PAGE);
			munmap(map, 16 * PAGE);
		}
		if (rnd(&state) & 1) {
			close(last);
			last = fd;
		} else {
			close(fd);
		}
		if (!(rnd(&state) % 64)) {
			pid_t pid = fork();

			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
		relax();
	}
	close(last);
	munmap(memory, 16 * PAGE);
	return NULL;
}

TEST(while_all_changes)
{
	struct nl_mapping *mappings = calloc(4000, sizeof(*mappings));
	uint64_t fixed[FIXED], end = now_ns() + test_seconds(5) * 1000000000ULL;
	char *memory = one_page(2), *own;
	unsigned long dumps = 0, i, j;
	pthread_t threads[3];
	struct nl nl;
	long nr;

	ASSERT_NE(NULL, memory);
	ASSERT_EQ(0, nl_open(&nl));
	for (i = 0; i < FIXED; i++) {
		memory[0]++;
		fds[i] = capture_range(-1, memory, 2 * PAGE, 0, NULL);
		fixed[i] = id_of(fds[i]);
		ASSERT_NE(0, fixed[i]);
	}
	own = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		   fds[3], 0);
	own[PAGE] = 5;
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn,
					    (void *)i));
	do {
		nr = nl_snapshots(&nl, dumps & 1, all, MANY);
		ASSERT_LE(FIXED, nr);
		ASSERT_TRUE(ascending(all, nr));
		for (i = j = 0; i < (unsigned long)nr; i++)
			j += j < FIXED && all[i].id == fixed[j];
		ASSERT_EQ(FIXED, j);
		nr = nl_mappings(&nl, 0, 0, dumps & 1, mappings, 4000);
		ASSERT_LE(2, nr);
		for (i = j = 0; i < (unsigned long)nr && i < 4000; i++) {
			if (mappings[i].snapshot != fixed[3] ||
			    mappings[i].pid != getpid())
				continue;
			j++;
			ASSERT_EQ((uintptr_t)own, mappings[i].start);
			if (mappings[i].counted)
				ASSERT_EQ(1, mappings[i].private);
		}
		ASSERT_EQ(1, j);
		dumps++;
	} while (now_ns() < end);
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	note("%lu dumps", dumps);
	EXPECT_LT(3, dumps);
	for (i = 0; i < FIXED; i++)
		close(fds[i]);
	munmap(own, 2 * PAGE);
	munmap(memory, 2 * PAGE);
	free(mappings);
	nl_close(&nl);
}

TEST_HARNESS_MAIN
