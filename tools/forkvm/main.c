// SPDX-License-Identifier: GPL-2.0
/*
 * forkvm: the command line.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forkvm.h"

#define DEFAULT_CMDLINE \
	"console=ttyS0 quiet panic=-1 reboot=t pci=off i8042.noaux i8042.nokbd"

static const char usage[] =
"forkvm boots a Linux guest with KVM, and forks it while it runs.\n"
"\n"
"  forkvm run --kernel FILE [OPTION...]      boot a guest\n"
"  forkvm ctl SOCKET COMMAND...              command a running one\n"
"  forkvm ctl SOCKET help                    which commands there are\n"
"\n"
"  -k, --kernel FILE    bzImage or vmlinux (x86-64)\n"
"  -i, --initrd FILE    initramfs\n"
"  -a, --append TEXT    more for the kernel's command line\n"
"  -m, --mem SIZE       guest memory, with K, M or G (128M)\n"
"  -c, --cpus N         1 to 8 (1)\n"
"      --thp            guest memory in transparent huge pages\n"
"      --ram FILE       guest memory is a private mapping of it\n"
"      --control PATH   socket for commands; child N gets PATH.N\n"
"      --console FILE   write the console there; child N gets FILE.N\n"
"      --copy           fork by copying memory, without vmfork.ko\n"
"      --paused         wait for \"resume\" before the first instruction\n"
"\n"
"The console is this terminal; Ctrl-A x ends the guest.  Guest and host\n"
"exchange lines over the guest's /dev/ttyS1: \"say\", \"wait\", \"ask\".\n";

enum { OPT_THP = 256, OPT_RAM, OPT_CONTROL, OPT_CONSOLE, OPT_COPY, OPT_PAUSED };

static const struct option options[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "append", required_argument, NULL, 'a' },
	{ "mem", required_argument, NULL, 'm' },
	{ "cpus", required_argument, NULL, 'c' },
	{ "thp", no_argument, NULL, OPT_THP },
	{ "ram", required_argument, NULL, OPT_RAM },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "copy", no_argument, NULL, OPT_COPY },
	{ "paused", no_argument, NULL, OPT_PAUSED },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

struct command_line {
	struct config config;
	struct boot boot;
	char cmdline[2048];
	const char *ram;
	bool paused;
};

static int parse_size(const char *text, uint64_t *size)
{
	uint64_t unit = 1;
	bool too_much;
	char *end;

	*size = strtoull(text, &end, 0);
	switch (*end) {
	case 'G':
	case 'g':
		unit = GiB;
		end++;
		break;
	case 'M':
	case 'm':
		unit = MiB;
		end++;
		break;
	case 'K':
	case 'k':
		unit = KiB;
		end++;
		break;
	}
	too_much = __builtin_mul_overflow(*size, unit, size);
	if (*end || too_much || *size < 32 * MiB || *size > VMFORK_MAX_SIZE / 2)
		return fail("--mem %s is no size of 32M or more", text);
	if (*size % HUGE_SIZE)
		return fail("--mem must be a multiple of 2M");
	return 0;
}

static int parse_cpus(const char *text, uint32_t *nr)
{
	char *end;

	*nr = strtoul(text, &end, 10);
	if (*end || *nr < 1 || *nr > MAX_VCPUS)
		return fail("--cpus %s is not between 1 and %d", text,
			    MAX_VCPUS);
	return 0;
}

static int parse_file(const char *text, char *file)
{
	if (strlen(text) >= FILE_LEN)
		return fail("%s is longer than %d bytes", text, FILE_LEN - 1);
	strcpy(file, text);
	return 0;
}

static int parse_option(struct command_line *cl, int c)
{
	size_t len = strlen(cl->cmdline);

	switch (c) {
	case 'k':
		cl->boot.kernel = optarg;
		return 0;
	case 'i':
		cl->boot.initrd = optarg;
		return 0;
	case 'a':
		snprintf(cl->cmdline + len, sizeof(cl->cmdline) - len, " %s",
			 optarg);
		return 0;
	case 'm':
		return parse_size(optarg, &cl->config.mem_size);
	case 'c':
		return parse_cpus(optarg, &cl->config.nr_vcpus);
	case OPT_THP:
		cl->config.thp = 1;
		return 0;
	case OPT_RAM:
		cl->ram = optarg;
		return 0;
	case OPT_CONTROL:
		return parse_file(optarg, cl->config.control);
	case OPT_CONSOLE:
		return parse_file(optarg, cl->config.console);
	case OPT_COPY:
		cl->config.copy = 1;
		return 0;
	case OPT_PAUSED:
		cl->paused = true;
		return 0;
	case 'h':
		printf("%s", usage);
		exit(0);
	}
	return fail("see \"forkvm --help\"");
}

static int parse(struct command_line *cl, int argc, char **argv)
{
	int c;

	cl->config.mem_size = 128 * MiB;
	cl->config.nr_vcpus = 1;
	strcpy(cl->cmdline, DEFAULT_CMDLINE);
	cl->boot.cmdline = cl->cmdline;
	while ((c = getopt_long(argc, argv, "k:i:a:m:c:h", options, NULL)) >= 0)
		if (parse_option(cl, c))
			return -1;
	if (optind < argc)
		return fail("\"%s\" is one word too many", argv[optind]);
	if (!cl->boot.kernel)
		return fail("say which kernel to boot, with --kernel; see "
			    "\"forkvm --help\"");
	if (cl->paused && !cl->config.control[0])
		return fail("--paused needs --control, or nobody can say "
			    "\"resume\"");
	return 0;
}

static int create_ram(struct vm *vm, const char *path)
{
	int file = -1, err;

	if (path) {
		file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			return fail_errno("can not open %s", path);
	}
	err = ram_create(&vm->ram, vm->config.mem_size, vm->config.thp, file);
	if (file >= 0)
		close(file);
	return err;
}

static int start(struct vm *vm, const struct command_line *cl)
{
	vm->config = cl->config;
	if (vm_create(vm) ||
	    create_ram(vm, cl->ram) ||
	    vm_add_ram(vm) || boot_load(vm, &cl->boot) ||
	    vm_console_open(vm))
		return -1;
	vm->paused = true;
	if (vcpus_start(vm) || control_start(vm))
		return -1;
	return cl->paused ? 0 : vm_resume(vm);
}

static int run_main(int argc, char **argv)
{
	static struct command_line cl;
	static struct vm vm;

	if (parse(&cl, argc, argv)) {
		fprintf(stderr, "forkvm: %s\n", fail_text());
		return 2;
	}
	if (start(&vm, &cl)) {
		fprintf(stderr, "forkvm: %s\n", fail_text());
		return 1;
	}
	return vm_run(&vm, !vm.config.console[0]);
}

/* vm_run() takes these by a signalfd, so no thread may get them */
static void set_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCHLD, SIG_IGN);	/* children live their own lives */
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "ctl"))
		return ctl_main(argc - 2, argv + 2);
	set_signals();
	if (argc > 1 && !strcmp(argv[1], "child"))
		return child_main();
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run_main(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		printf("%s", usage);
		return 0;
	}
	fprintf(stderr, "%s", usage);
	return 2;
}
