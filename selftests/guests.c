// SPDX-License-Identifier: GPL-2.0
/*
 * Guests: forkvm's Linux guests, each test's own.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "guests.h"

#define KERNEL	"/guest/vmlinux"
#define INITRD	"/guest/initrd"

/* All errors of client.c end here, and with them the test */
void client_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "# ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	family_print_console(stderr, "# console: ");
	family_end();
	_exit(1);
}

const char *guests_refused(void)
{
	if (access("/dev/kvm", R_OK | W_OK))
		return "no /dev/kvm";
	if (access(KERNEL, R_OK) || access(INITRD, R_OK))
		return "no " KERNEL " and " INITRD;
	if (family_gets_interrupts_twice())
		return "QEMU's TCG with several CPUs delivers interrupts of "
		       "nested guests twice; run with one CPU (SMP=1)";
	return NULL;
}

/* A guest of 128 MiB that works on a table of 4 MiB */
struct guest *guests_boot(const char *cpus, bool thp, const char *name)
{
	const char *const options[] = { "--kernel", KERNEL, "--initrd", INITRD,
		"--mem", "128M", "--cpus", cpus,
		"--append", "fv.table=4 fv.batch=8 fv.sleep=40000",
		thp ? "--thp" : NULL, NULL };
	struct guest *g = family_boot(name, options);

	guest_ask(g, "wait ready 240");
	return g;
}

struct guest *guests_boot_on(const char *ram, const char *name)
{
	const char *const options[] = { "--kernel", KERNEL, "--initrd", INITRD,
		"--mem", "128M", "--cpus", "2", "--ram", ram,
		"--append", "fv.table=4 fv.batch=8 fv.sleep=40000", NULL };
	struct guest *g = family_boot(name, options);

	guest_ask(g, "wait ready 240");
	return g;
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

bool guest_works(struct guest *g, uint64_t *counter)
{
	uint64_t before = *counter;
	unsigned int tries = 0;

	do {
		*counter = guest_counter(g);
	} while (*counter <= before && tries++ < 50);
	return *counter > before && guest_verified(g);
}
