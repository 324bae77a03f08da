// SPDX-License-Identifier: GPL-2.0
/*
 * Guests: forkvm's Linux guests, each test's own.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guests.h"

#define KERNEL	"/guest/vmlinux"
#define INITRD	"/guest/initrd"

struct guest guests[MAX_GUESTS];
unsigned int nr_guests;

static char dir[96];

/* All errors of client.c end here, and with them the test */
void client_fail(const char *fmt, ...)
{
	char name[128], line[256];
	va_list ap;
	FILE *f;

	fprintf(stderr, "# ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	snprintf(name, sizeof(name), "%s/console", dir);
	f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "# console: %s", line);
	guests_end();
	_exit(1);
}

static bool emulated_on_one_thread(void)
{
	char line[256];
	bool tcg = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		tcg |= strstr(line, "model name") && strstr(line, "QEMU TCG");
	if (f)
		fclose(f);
	return tcg && sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

const char *guests_refused(void)
{
	if (access("/dev/kvm", R_OK | W_OK))
		return "no /dev/kvm";
	if (access(KERNEL, R_OK) || access(INITRD, R_OK))
		return "no " KERNEL " and " INITRD;
	/*
	 * cpu_exec() of QEMU 7.2 (and 10) takes the vector that VMRUN has just
	 * injected for an exception still to come, if there is a request to
	 * leave at that moment; with one thread for several CPUs these come
	 * from the other CPUs' interrupts.  Nested guests then get interrupts
	 * twice, and crash.
	 */
	if (emulated_on_one_thread())
		return "QEMU's TCG with several CPUs delivers interrupts of "
		       "nested guests twice; run with one CPU (SMP=1)";
	return NULL;
}

/* A guest of 128 MiB that works on a table of 4 MiB */
struct guest *guests_boot(const char *cpus, bool thp, const char *dir_suffix)
{
	char *options[] = { "--kernel", KERNEL, "--initrd", INITRD,
		"--mem", "128M", "--cpus", (char *)cpus,
		"--append", "fv.table=4 fv.batch=8 fv.sleep=40000",
		thp ? "--thp" : NULL, NULL };

	snprintf(dir, sizeof(dir), "/tmp/%sXXXXXX", dir_suffix);
	if (!mkdtemp(dir))
		client_fail("no directory in /tmp: %s", strerror(errno));
	nr_guests = 1;
	guest_boot(&guests[0], dir, options);
	guest_ask(&guests[0], "wait ready 240");
	return &guests[0];
}

/* Return: the first child; the others follow it */
struct guest *guests_fork(struct guest *g, const char *how, unsigned int nr)
{
	struct guest *first = &guests[nr_guests];

	if (nr_guests + nr > MAX_GUESTS)
		client_fail("too many guests for this test");
	guest_fork(g, how, first, nr);
	nr_guests += nr;
	return first;
}

/* The guest reads its whole table: is all of it as it was written? */
bool guest_verified(struct guest *g)
{
	guest_ask(g, "ask verify");
	if (reply_number(g, "pages") && !reply_number(g, "errors"))
		return true;
	fprintf(stderr, "# guest %s: %s\n", g->path, g->reply);
	return false;
}

uint64_t guest_counter(struct guest *g)
{
	guest_ask(g, "ask status");
	return reply_number(g, "counter");
}

void guest_kill(struct guest *g)
{
	if (g->pid <= 0)
		return;
	kill(g->pid, SIGKILL);
	if (g == guests)
		waitpid(g->pid, NULL, 0);
	if (g->fd > 0)
		close(g->fd);
	g->pid = 0;
}

void guests_end(void)
{
	char command[128];
	unsigned int i;

	for (i = 0; i < nr_guests; i++)
		guest_kill(&guests[i]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (dir[0] && system(command))
		perror(dir);
}
