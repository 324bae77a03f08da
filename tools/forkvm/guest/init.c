// SPDX-License-Identifier: GPL-2.0
/*
 * /init of a guest: starts the workload, then obeys lines from the host.
 *
 * Host and guest speak over /dev/ttyS1.  Every answer is one line that begins
 * with the word that was asked; "forked", which forkvm itself says to a child
 * before its first instruction, is answered by "child".  "reset" it says itself
 * as well.
 *
 *   status        status counter= hash= errors= cpus= path=
 *   verify        verify pages= errors=       reads the whole table
 *   random        random HEX renewed=         16 bytes of getrandom(2)
 *   forked I P    child P index=I counter=    and go another way from now on
 *   reset         reset counter=              it is back where it was forked
 *   stop          stop                        and power off
 *
 * Kernel command line: fv.table=MiB fv.batch=PAGES fv.sleep=MICROSECONDS.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#include "table.h"

#define CHANNEL		"/dev/ttyS1"
#define RENEWED		"virtual machine fork"	/* random.c of the kernel */
#define RENEW_TIMEOUT	10000			/* ms */

/* One device, but a stream that is read must not be written to just so. */
static FILE *channel, *commands;
static int kmsg = -1;
static unsigned int forks, renewals;
static char path[64] = "-";
static long cpus;

static void die(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void mounts(void)
{
	if (mount("proc", "/proc", "proc", 0, NULL) ||
	    mount("sys", "/sys", "sysfs", 0, NULL) ||
	    (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY))
		die("mount");
}

static uint64_t parameter(const char *name, uint64_t otherwise)
{
	static char cmdline[4096];
	FILE *f = fopen("/proc/cmdline", "r");
	char *found;
	size_t len;

	if (!f)
		return otherwise;
	len = fread(cmdline, 1, sizeof(cmdline) - 1, f);
	cmdline[len] = 0;
	fclose(f);
	found = strstr(cmdline, name);
	return found ? strtoull(found + strlen(name), NULL, 0) : otherwise;
}

static void channel_open(void)
{
	struct termios tio;
	int fd = open(CHANNEL, O_RDWR | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &tio))
		die(CHANNEL);
	cfmakeraw(&tio);
	tio.c_cflag |= CLOCAL | CREAD;
	if (tcsetattr(fd, TCSANOW, &tio))
		die(CHANNEL);
	channel = fdopen(fd, "w");
	commands = fdopen(dup(fd), "r");
	if (!channel || !commands)
		die(CHANNEL);
	setvbuf(channel, NULL, _IOLBF, 512);
}

/* Where the host finds a page of ours */
static uint64_t gpa_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)p / 4096 * sizeof(entry)) !=
	    sizeof(entry) || !(entry >> 63))
		die("pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * 4096;
}

/* The kernel says so each time vmgenid made it renew its random state */
static bool renewed(void)
{
	char line[1024];
	unsigned int ms;
	ssize_t len;

	for (ms = 0; renewals < forks && ms < RENEW_TIMEOUT; ms += 10) {
		while ((len = read(kmsg, line, sizeof(line) - 1)) > 0) {
			line[len] = 0;
			if (strstr(line, RENEWED))
				renewals++;
		}
		if (renewals < forks)
			usleep(10000);
	}
	return renewals >= forks;
}

static void say_status(void)
{
	fprintf(channel, "status counter=%" PRIu64 " hash=%016" PRIx64
		" errors=%" PRIu64 " cpus=%ld path=%s\n",
		status->counter, status->hash, status->errors, cpus, path);
}

static void say_random(void)
{
	bool fresh = forks && renewed();
	uint8_t bytes[16];
	unsigned int i;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		die("getrandom");
	fprintf(channel, "random ");
	for (i = 0; i < sizeof(bytes); i++)
		fprintf(channel, "%02x", bytes[i]);
	fprintf(channel, " renewed=%d\n", fresh);
}

static uint64_t text_hash(const char *text)
{
	uint64_t hash = 5381;

	while (*text)
		hash = hash * 33 + (unsigned char)*text++;
	return hash;
}

static void be_child(const char *args)
{
	unsigned int index;

	if (sscanf(args, "%u %63s", &index, path) != 2)
		return;
	forks++;
	table_diverge(text_hash(path));
	fprintf(channel, "child %s index=%u counter=%" PRIu64 "\n", path,
		index, status->counter);
}

static void be_reset(void)
{
	forks++;
	fprintf(channel, "reset counter=%" PRIu64 "\n", status->counter);
}

static void obey(char *line)
{
	char *args = line + strcspn(line, " ");

	if (*args)
		*args++ = 0;
	if (!strcmp(line, "status")) {
		say_status();
	} else if (!strcmp(line, "verify")) {
		uint64_t errors = table_verify();

		fprintf(channel, "verify pages=%" PRIu64 " errors=%" PRIu64
			"\n", table_pages(), errors);
	} else if (!strcmp(line, "random")) {
		say_random();
	} else if (!strcmp(line, "forked")) {
		be_child(args);
	} else if (!strcmp(line, "reset")) {
		be_reset();
	} else if (!strcmp(line, "stop")) {
		fprintf(channel, "stop\n");
		tcdrain(fileno(channel));
		reboot(RB_POWER_OFF);
	} else {
		fprintf(channel, "%s is no command\n", line);
	}
}

int main(void)
{
	struct pace pace;
	char line[256];
	uint64_t table;

	mounts();
	channel_open();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	table = parameter("fv.table=", 16) << 20;
	pace.batch = parameter("fv.batch=", 16);
	pace.sleep_us = parameter("fv.sleep=", 20000);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (table_start(cpus, table, &pace))
		die("table");
	fprintf(channel, "ready gpa=%#" PRIx64 " cpus=%ld table=%" PRIu64
		"\n", gpa_of(status), cpus, table);
	for (;;) {
		if (!fgets(line, sizeof(line), commands)) {
			clearerr(commands);
			continue;
		}
		line[strcspn(line, "\r\n")] = 0;
		obey(line);
	}
}
