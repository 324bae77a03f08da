// SPDX-License-Identifier: GPL-2.0
/*
 * /init of a guest whose QEMU is forked: works on memory, disk and files, and
 * obeys lines on its console.
 *
 * Every answer is one line that begins with "@" and the word that was asked:
 *
 *   status      counter= journal= files= errors= cpus= gpa=    gpa: a page's
 *   verify      pages= errors= journal= files=    all of it; errors of each
 *   who         mac= renewed= random= hwrng=  renewed: by a new generation ID
 *   diverge TAG                                go another way from now on
 *   ping        answered=                     by the host of its network
 *   mac ADDRESS ok=                           take it
 *   rebind      ok=                           have the card's driver find it anew
 *   pace US     journal=                      its pause from now on; written so far
 *   spin        ok=                           read the clock, until
 *   spun        tsc_ns= clock_ns= back_ns= turns=  the longest gap
 *   gone        ok=                           all written; disk unmounted
 *   stop                                      and power off
 *
 * Until it is asked something, it says "@ready cpus=" all the time.
 *
 * Kernel command line: q.table=MiB q.batch=PAGES q.sleep=MICROSECONDS, and
 * q.nodisk=1 for a guest that has no disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#include <table.h>

#include "guest.h"

#define CHANNEL		"/dev/ttyS0"
#define DISK_DEVICE	"/dev/vda"
#define RENEWED		"virtual machine fork"	/* random.c of the kernel */
#define DISK_SECONDS	30
#define READY_MS	200

/* One device, but a stream that is read must not be written to just so. */
static FILE *channel, *commands;
static int kmsg = -1;
static unsigned int renewals;
static long cpus;
static bool disk;

void die(const char *what)
{
	const char *why = strerror(errno);
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	/* The kernel's console needs no interrupts. */
	dprintf(log, "<0>@died %s: %s\n", what, why);
	fprintf(stderr, "\n@died %s: %s\n", what, why);
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

/* A disk may be found some time after its driver has come. */
static void mount_disk(void)
{
	unsigned int tries = DISK_SECONDS * 100;

	while (mount(DISK_DEVICE, DISK, "ext4", 0, "errors=panic")) {
		if (errno != ENOENT || !tries--)
			die(DISK_DEVICE);
		usleep(10000);
	}
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
	/* The last one counts. */
	for (found = cmdline; (found = strstr(found, name));)
		otherwise = strtoull(found += strlen(name), NULL, 0);
	return otherwise;
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

/* Where in the guest's memory a page of ours is */
static uint64_t gpa_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)p / 4096 * sizeof(entry)) !=
	    sizeof(entry) || !(entry >> 63))
		die("pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * 4096;
}

/* The kernel says so each time vmgenid made it renew its random state. */
static unsigned int renewed(void)
{
	char line[1024];
	ssize_t len;

	while ((len = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		if (strstr(line, RENEWED))
			renewals++;
	}
	return renewals;
}

static void random_from(const char *device, char *hex)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	unsigned char bytes[8];
	unsigned int i;

	strcpy(hex, "-");
	if (fd >= 0 && read(fd, bytes, sizeof(bytes)) == sizeof(bytes))
		for (i = 0; i < sizeof(bytes); i++)
			sprintf(hex + 2 * i, "%02x", bytes[i]);
	if (fd >= 0)
		close(fd);
}

static void say_who(void)
{
	char mac[18] = "-", numbers[17], hwrng[17];

	net_address(mac);
	random_from("/dev/urandom", numbers);
	random_from("/dev/hwrng", hwrng);
	fprintf(channel, "@who mac=%s renewed=%u random=%s hwrng=%s\n", mac,
		renewed(), numbers, hwrng);
}

static void say_status(void)
{
	fprintf(channel, "@status counter=%" PRIu64 " journal=%" PRIu64
		" files=%" PRIu64 " errors=%" PRIu64 " cpus=%ld gpa=%#" PRIx64
		"\n", status->counter, journal_written(), files_written(),
		status->errors, cpus, gpa_of(status));
}

static void say_verified(void)
{
	uint64_t table = table_verify();
	uint64_t journal = disk ? journal_verify() : 0;
	uint64_t files = disk ? files_verify() : 0;

	fprintf(channel, "@verify pages=%" PRIu64 " errors=%" PRIu64
		" journal=%" PRIu64 " files=%" PRIu64 "\n", table_pages(),
		table, journal, files);
}

static void go_own_way(const char *tag)
{
	uint64_t hash = 5381;

	while (*tag)
		hash = hash * 33 + (unsigned char)*tag++;
	table_diverge(hash);
	journal_diverge(hash);
	files_diverge(hash);
	fprintf(channel, "@diverge\n");
}

static void say_gap(void)
{
	struct gap gap;

	spin_stop(&gap);
	fprintf(channel, "@spun tsc_ns=%" PRIu64 " clock_ns=%" PRId64
		" back_ns=%" PRId64 " turns=%" PRIu64 "\n", gap.tsc_ns,
		gap.clock_ns, gap.back_ns, gap.turns);
}

/* Its writers do not get their locks any more. */
static void leave_disk(void)
{
	int ok = 1;

	if (disk) {
		journal_stop();
		files_stop();
		ok = !umount(DISK);
	}
	fprintf(channel, "@gone ok=%d\n", ok);
}

static void obey(char *line)
{
	char *args = line + strcspn(line, " ");

	if (*args)
		*args++ = 0;
	if (!strcmp(line, "status")) {
		say_status();
	} else if (!strcmp(line, "verify")) {
		say_verified();
	} else if (!strcmp(line, "who")) {
		say_who();
	} else if (!strcmp(line, "diverge")) {
		go_own_way(args);
	} else if (!strcmp(line, "ping")) {
		fprintf(channel, "@ping answered=%d\n", net_ping());
	} else if (!strcmp(line, "mac")) {
		fprintf(channel, "@mac ok=%d\n", !net_set_address(args));
	} else if (!strcmp(line, "rebind")) {
		fprintf(channel, "@rebind ok=%d\n", !net_rebind());
	} else if (!strcmp(line, "pace")) {
		journal_pace(strtoul(args, NULL, 0));
		fprintf(channel, "@pace journal=%" PRIu64 "\n",
			journal_written());
	} else if (!strcmp(line, "spin")) {
		fprintf(channel, "@spin ok=%d\n", !spin_start());
	} else if (!strcmp(line, "spun")) {
		say_gap();
	} else if (!strcmp(line, "gone")) {
		leave_disk();
	} else if (!strcmp(line, "stop")) {
		fprintf(channel, "@stop\n");
		tcdrain(fileno(channel));
		reboot(RB_POWER_OFF);
	} else {
		fprintf(channel, "@%s is no command\n", line);
	}
}

static void start(void)
{
	unsigned int sleep_us = parameter("q.sleep=", 20000);
	const struct pace pace = {
		.batch = parameter("q.batch=", 16), .sleep_us = sleep_us,
	};

	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	disk = !parameter("q.nodisk=", 0);
	if (net_up())
		die("network");
	if (disk) {
		mount_disk();
		if (journal_start(sleep_us) || files_start(sleep_us))
			die(DISK);
	}
	if (table_start(cpus, parameter("q.table=", 16) << 20, &pace))
		die("table");
}

int main(void)
{
	char line[256];
	struct pollfd asked = { .events = POLLIN };

	mounts();
	channel_open();
	asked.fd = fileno(commands);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	modules_load();
	start();
	do {
		fprintf(channel, "@ready cpus=%ld\n", cpus);
	} while (!poll(&asked, 1, READY_MS));
	for (;;) {
		if (!fgets(line, sizeof(line), commands)) {
			clearerr(commands);
			continue;
		}
		line[strcspn(line, "\r\n")] = 0;
		if (*line)
			obey(line);
	}
}
