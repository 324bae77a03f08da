// SPDX-License-Identifier: GPL-2.0
/*
 * Family: the guests of a demo or of a test.  One is booted, in a directory of
 * its own in /tmp; the others are its children and theirs.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"

struct guest guests[MAX_GUESTS];
unsigned int nr_guests;

static char dir[96];

/**
 * family_gets_interrupts_twice() - no guests can be trusted here
 *
 * cpu_exec() of QEMU 7.2 (and 10) takes the vector that VMRUN has just injected
 * for an exception still to come, if there is a request to leave at that
 * moment; with one thread for several CPUs these come from the other CPUs'
 * interrupts.  Nested guests then get interrupts twice, and crash or hang.
 */
bool family_gets_interrupts_twice(void)
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

/**
 * family_boot() - start the first guest
 * @name: its directory's name begins so
 * @options: as for guest_boot()
 *
 * Return: the guest, which is guests[0].
 */
struct guest *family_boot(const char *name, const char *const options[])
{
	snprintf(dir, sizeof(dir), "/tmp/%s.XXXXXX", name);
	if (!mkdtemp(dir)) {
		dir[0] = 0;
		client_fail("no directory in /tmp: %s", strerror(errno));
	}
	nr_guests = 1;
	guest_boot(&guests[0], dir, options);
	return &guests[0];
}

/** family_fork() - Return: the first child; the others follow it */
struct guest *family_fork(struct guest *g, const char *how, unsigned int nr)
{
	struct guest *first = &guests[nr_guests];

	if (nr_guests + nr > MAX_GUESTS)
		client_fail("no family is larger than %d", MAX_GUESTS);
	guest_fork(g, how, first, nr);
	nr_guests += nr;
	return first;
}

/** family_kill() - one guest, if it is still there */
void family_kill(struct guest *g)
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

/** family_end() - kill all, and leave nothing behind */
void family_end(void)
{
	char command[128];
	unsigned int i;

	for (i = 0; i < nr_guests; i++)
		family_kill(&guests[i]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (dir[0] && system(command))
		perror(dir);
	dir[0] = 0;
}

/** family_print_console() - what the first guest had to say */
void family_print_console(FILE *out, const char *prefix)
{
	char name[128], line[256];
	FILE *f;

	snprintf(name, sizeof(name), "%s/console", dir);
	f = dir[0] ? fopen(name, "r") : NULL;
	while (f && fgets(line, sizeof(line), f))
		fprintf(out, "%s%s", prefix, line);
	if (f)
		fclose(f);
}
