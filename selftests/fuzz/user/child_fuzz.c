// SPDX-License-Identifier: GPL-2.0
/*
 * forkvm child: the state of a guest, from a file that anybody may have made.
 *
 * KVM is played by ioctl() below, which reads what KVM would read, so that
 * ASan sees what is not there.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state.c"		/* of tools/forkvm, for their structures */
#include "vcpustate.c"
#include "fuzz.h"

#define SNAPSHOT_SIZE	(32 * MiB)

static struct vm *made;
static int restored;

static uint64_t sum;

static void look(const volatile uint8_t *at, size_t len)
{
	while (len--)
		sum += *at++;
}

/* In place of ioctl(2) in all that is tested here */
int ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_cpuid2 *cpuid;
	const struct kvm_msrs *msrs;
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	cpuid = arg;
	msrs = arg;
	if (_IOC_DIR(request) & _IOC_WRITE)
		look(arg, _IOC_SIZE(request));
	if (_IOC_DIR(request) & _IOC_READ && request != KVM_GET_MSRS)
		memset(arg, 0, _IOC_SIZE(request));
	if (request == KVM_SET_CPUID2)
		look((void *)cpuid->entries, cpuid->nent *
		     sizeof(cpuid->entries[0]));
	if (request == KVM_SET_MSRS)
		look((void *)msrs->entries, msrs->nmsrs *
		     sizeof(msrs->entries[0]));
	if (request == KVM_SET_MSRS || request == KVM_GET_MSRS)
		return 1;
	return 0;
}

int vm_create(struct vm *vm)
{
	unsigned int i;

	made = vm;
	must(vm->config.nr_vcpus >= 1 && vm->config.nr_vcpus <= MAX_VCPUS);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->command, NULL);
	pthread_cond_init(&vm->changed, NULL);
	serial_init(&vm->console, vm, 0x3f8, 4, NULL);
	serial_init(&vm->channel, vm, 0x2f8, 3, NULL);
	for (i = 0; i < vm->config.nr_vcpus; i++)
		vm->vcpu[i] = (struct vcpu){ .vm = vm, .index = i };
	return lines_init(&vm->lines);
}

int vm_add_ram(struct vm *vm)
{
	must(vm->ram.nr);
	return 0;
}

int vm_console_open(struct vm *vm)
{
	must(strnlen(vm->config.console, FILE_LEN) < FILE_LEN);
	must(strnlen(vm->config.control, FILE_LEN) < FILE_LEN);
	must(strnlen(vm->birth.path, PATH_LEN) < PATH_LEN);
	return 0;
}

int working_set_from_fd(struct vm *vm, int fd)
{
	must(vm->birth.has_working_set && fd == CHILD_WORKING_SET_FD);
	return 0;
}

int vcpus_start(struct vm *vm)
{
	(void)vm;
	return 0;
}

int control_start(struct vm *vm)
{
	must(vm->lines.partial_len <= sizeof(vm->lines.partial));
	return 0;
}

void checkpoint_keep(struct vm *vm, int snapshot, struct blob *state,
		     bool newborn)
{
	must(snapshot == CHILD_SNAPSHOT_FD && newborn);
	vm->checkpoint.state = *state;
	memset(state, 0, sizeof(*state));
}

void vm_irq(struct vm *vm, unsigned int gsi, int level)
{
	(void)vm;
	(void)gsi;
	(void)level;
}

int vm_resume(struct vm *vm)
{
	(void)vm;
	return 0;
}

/*
 * It is built: now somebody asks for what it was told to watch, and puts it
 * back to its birth.
 */
int vm_run(struct vm *vm, bool console_input)
{
	struct watch watch;

	(void)console_input;
	watch_read(vm, &watch);
	must(!state_reset(vm, &vm->checkpoint.state));
	lines_byte(&vm->lines, 'x');
	serial_read(&vm->console, 0);
	restored++;
	return 0;
}

static void free_vm(void)
{
	unsigned int i;
	char *line;

	if (!made)
		return;
	for (i = 0; i < made->ram.nr; i++)
		if (made->ram.region[i].hva)
			munmap(made->ram.region[i].hva,
			       made->ram.region[i].size);
	lines_close(&made->lines);
	while (made->lines.line &&
	       (line = lines_wait(&made->lines, "", 0).text))
		free(line);
	free(made->lines.line);
	free(made->console.in);
	free(made->channel.in);
	blob_free(&made->checkpoint.state);
	memset(made, 0, sizeof(*made));
	made = NULL;
}

/* Not the numbers that a child has its descriptors at */
static int high(int fd)
{
	int copy = fcntl(fd, F_DUPFD, 100);

	must(copy >= 0);
	close(fd);
	return copy;
}

static int snapshot(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = high(memfd_create("snapshot", 0));
		must(!ftruncate(fd, SNAPSHOT_SIZE));
	}
	return fd;
}

static int state(const uint8_t *data, size_t size)
{
	int fd = high(memfd_create("state", 0));

	must(write(fd, data, size) == (ssize_t)size);
	return fd;
}

static void write_seed(const char *dir, const char *name,
		       const struct birth *birth, const struct blob *b)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	must(f);
	must(fwrite(birth, sizeof(*birth), 1, f) == 1);
	must(fwrite(b->data, b->len, 1, f) == 1);
	must(!fclose(f));
}

/* The same with one number changed: each was believed once. */
static void write_bad(const char *dir, const char *name, struct blob *b,
		      size_t at, uint64_t value, size_t size)
{
	struct birth birth = { .index = 1 };
	uint8_t old[8];

	memcpy(old, b->data + at, size);
	memcpy(b->data + at, &value, size);
	write_seed(dir, name, &birth, b);
	memcpy(b->data + at, old, size);
}

static void write_bad_ones(const char *dir, struct blob *b)
{
	size_t config = offsetof(struct head, config), cpuid, xsave, msrs;
	uint32_t len;

	cpuid = sizeof(struct head) + sizeof(struct chips);
	memcpy(&len, b->data + cpuid, 4);
	xsave = cpuid + 4 + len + sizeof(struct fixed_state);
	memcpy(&len, b->data + xsave, 4);
	msrs = xsave + 4 + len;
	write_bad(dir, "nr_vcpus", b, config +
		  offsetof(struct config, nr_vcpus), 200, 4);
	write_bad(dir, "mem_size", b, config +
		  offsetof(struct config, mem_size), -HUGE_SIZE, 8);
	write_bad(dir, "mem_small", b, config +
		  offsetof(struct config, mem_size), 64 * MiB, 8);
	memset(b->data + config + offsetof(struct config, control), 'x',
	       FILE_LEN - 1);
	write_bad(dir, "control", b, config +
		  offsetof(struct config, control) + FILE_LEN - 1, 'x', 1);
	memset(b->data + config + offsetof(struct config, control), 0,
	       FILE_LEN - 1);
	write_bad(dir, "watch_len", b, offsetof(struct head, watch_len),
		  1 << 20, 4);
	write_bad(dir, "watch_gpa", b, offsetof(struct head, watch_gpa),
		  SNAPSHOT_SIZE - 1, 8);
	write_bad(dir, "partial_len", b, offsetof(struct head, partial_len),
		  5000, 4);
	write_bad(dir, "cpuid", b, cpuid + 4, 100, 4);
	write_bad(dir, "cpuid_len", b, cpuid, 4, 4);
	write_bad(dir, "xsave_len", b, xsave, 8, 4);
	write_bad(dir, "msrs", b, msrs + 4, 1000, 4);
	write_bad(dir, "msrs_len", b, msrs, -1, 4);
}

/* What a parent of one vCPU would send, and what nobody should */
static void make_seeds(const char *dir)
{
	static struct vm vm = {
		.config = { .mem_size = SNAPSHOT_SIZE, .nr_vcpus = 1 },
		.watch = { .gpa = 0x1000, .len = 16 },
	};
	struct birth birth = { .index = 1, .path = "1" };
	struct blob b = { 0 };

	must(!vm_create(&vm));
	vm.msrs = calloc(1, sizeof(*vm.msrs) + sizeof(struct kvm_msr_entry));
	must(vm.msrs);
	vm.msrs->nmsrs = 1;
	must(!state_save(&vm, &b));
	write_seed(dir, "state", &birth, &b);
	write_bad_ones(dir, &b);
	exit(0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (getenv("FUZZ_SEEDS"))
		make_seeds(getenv("FUZZ_SEEDS"));
	return 0;
}

/* A birth, and the state */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct birth birth;
	int pair[2], fd;

	take(&in, &birth, sizeof(birth));
	fd = state(in.data, in.size);
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	pair[0] = high(pair[0]);
	pair[1] = high(pair[1]);
	must(write(pair[1], &birth, sizeof(birth)) == sizeof(birth));
	must(write(pair[1], "r", 1) == 1);
	must(dup2(snapshot(), CHILD_SNAPSHOT_FD) >= 0);
	must(dup2(fd, CHILD_STATE_FD) >= 0);
	must(dup2(pair[0], CHILD_REPORT_FD) >= 0);
	close(fd);
	close(pair[0]);
	child_main();
	free_vm();
	close(CHILD_SNAPSHOT_FD);
	close(CHILD_STATE_FD);
	close(CHILD_REPORT_FD);
	close(pair[1]);
	return 0;
}
