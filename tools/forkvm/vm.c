// SPDX-License-Identifier: GPL-2.0
/*
 * VM: what is there once for each guest, from KVM's file to the ports.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "forkvm.h"

#define IDENTITY_MAP_GPA	0xfffbc000ULL
#define TSS_GPA			0xfffbd000ULL
#define ESCAPE			1	/* Ctrl-A, then x */

static void console_out(struct vm *vm, uint8_t byte)
{
	if (vm->console_fd >= 0 && write(vm->console_fd, &byte, 1) < 0)
		vm->console_fd = -1;
}

static void channel_out(struct vm *vm, uint8_t byte)
{
	lines_byte(&vm->lines, byte);
}

static int open_kvm(struct vm *vm)
{
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return fail_errno("can not open /dev/kvm; load kvm_intel or "
				  "kvm_amd, and be in group kvm");
	if (ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return fail("/dev/kvm speaks another version of the API");
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return fail_errno("can not create a VM");
	fcntl(vm->fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int create_chips(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = IDENTITY_MAP_GPA;

	/* Needed by VMX, in address space where no guest has memory */
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_GPA))
		return fail_errno("KVM refuses the TSS address");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return fail_errno("KVM has no interrupt controller");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return fail_errno("KVM has no interval timer");
	return 0;
}

/**
 * vm_create() - a VM with its devices and vCPUs, by vm->config
 *
 * Guest memory comes by vm_add_ram(), from whoever has it.
 */
int vm_create(struct vm *vm)
{
	unsigned int i;

	vm->snapshot_fd = -1;
	vm->checkpoint.snapshot = -1;
	vm->end_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->command, NULL);
	pthread_cond_init(&vm->changed, NULL);
	serial_init(&vm->console, vm, 0x3f8, 4, console_out);
	serial_init(&vm->channel, vm, 0x2f8, 3, channel_out);
	if (vm->end_fd < 0)
		return fail_errno("can not make an eventfd");
	if (lines_init(&vm->lines) || open_kvm(vm) || create_chips(vm))
		return -1;
	for (i = 0; i < vm->config.nr_vcpus; i++)
		if (vcpu_create(vm, i))
			return -1;
	return 0;
}

/** vm_add_ram() - let the guest see vm->ram */
int vm_add_ram(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->ram.nr; i++) {
		const struct ram_region *r = &vm->ram.region[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->hva,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
			return fail_errno("KVM refuses the guest's memory");
	}
	return 0;
}

/** vm_end() - the guest has ended; the first caller's reason counts */
void vm_end(struct vm *vm, int status, const char *why)
{
	uint64_t one = 1;

	pthread_mutex_lock(&vm->lock);
	if (!vm->ended) {
		vm->ended = true;
		vm->exit_status = status;
		if (why)
			fprintf(stderr, "forkvm: %s\n", why);
		vcpus_kick(vm);
		pthread_cond_broadcast(&vm->changed);
		if (write(vm->end_fd, &one, sizeof(one)) < 0)
			_exit(status);
	}
	pthread_mutex_unlock(&vm->lock);
	lines_close(&vm->lines);
}

/** vm_irq() - set an interrupt line of the in-kernel controllers */
void vm_irq(struct vm *vm, unsigned int gsi, int level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &irq))
		fail_errno("KVM refuses interrupt %u", gsi);
}

static struct serial *serial_at(struct vm *vm, uint16_t port)
{
	if ((port & ~7) == vm->console.port)
		return &vm->console;
	if ((port & ~7) == vm->channel.port)
		return &vm->channel;
	return NULL;
}

static void port_out(struct vm *vm, uint16_t port, uint8_t value)
{
	struct serial *serial = serial_at(vm, port);

	if (serial)
		serial_write(serial, port & 7, value);
	else if (port == 0x70)
		vm->cmos_index = value;
	else if (port == EXIT_PORT)
		vm_end(vm, value, NULL);
	else if (port == SLEEP_PORT && (value & 0x20))	/* SLP_EN */
		vm_end(vm, 0, NULL);
}

static uint8_t port_in(struct vm *vm, uint16_t port)
{
	struct serial *serial = serial_at(vm, port);

	if (serial)
		return serial_read(serial, port & 7);
	if (port == 0x71)
		return cmos_read(vm->cmos_index);
	if (port == SLEEP_PORT)
		return 0;
	return 0xff;		/* nobody there, 0x64 (keyboard) included */
}

/** vm_io() - the guest reads or writes an I/O port; all are of one byte */
void vm_io(struct vm *vm, uint16_t port, bool write, uint8_t *data,
	   unsigned int size)
{
	if (write) {
		port_out(vm, port, data[0]);
		return;
	}
	memset(data, 0xff, size);
	data[0] = port_in(vm, port);
}

/** vm_pause() - on behalf of the user, until vm_resume() */
int vm_pause(struct vm *vm)
{
	int err = 0;

	pthread_mutex_lock(&vm->command);
	if (vm->paused) {
		err = fail("the guest is paused already");
	} else {
		vcpus_pause(vm);
		vm->paused = true;
	}
	pthread_mutex_unlock(&vm->command);
	return err;
}

/**
 * vm_wake_newborn() - what a child has before its first instruction
 *
 * A child must not be a blind twin.  Before its first instruction it has a
 * new generation ID and an interrupt that says so, and a line waits for it.
 */
int vm_wake_newborn(struct vm *vm)
{
	char line[PATH_LEN + 32];
	int len = snprintf(line, sizeof(line), "forked %u %s\n",
			   vm->birth.index, vm->birth.path);

	if (genid_renew(vm, vm->birth.genid) ||
	    serial_input(&vm->channel, line, len))
		return -1;
	vm->newborn = false;
	return 0;
}

/** vm_resume() - go on after vm_pause(), or begin a child's own life */
int vm_resume(struct vm *vm)
{
	int err = 0;

	pthread_mutex_lock(&vm->command);
	if (!vm->paused)
		err = fail("the guest is not paused");
	else if (vm->newborn)
		err = vm_wake_newborn(vm);
	if (!err) {
		vm->paused = false;
		vcpus_resume(vm);
	}
	pthread_mutex_unlock(&vm->command);
	return err;
}

/** vm_console_open() - where the guest's console goes */
int vm_console_open(struct vm *vm)
{
	vm->console_fd = STDOUT_FILENO;
	if (!vm->config.console[0])
		return 0;
	vm->console_fd = open(vm->config.console,
			      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (vm->console_fd < 0)
		return fail_errno("can not write the console to %s",
				  vm->config.console);
	return 0;
}

/* Return: false when the user wants to leave, or there is no more input */
static bool console_input(struct vm *vm, bool *escape, bool *leave)
{
	char byte;

	if (read(STDIN_FILENO, &byte, 1) != 1)
		return false;
	if (*escape && byte == 'x') {
		*leave = true;
		return false;
	}
	*escape = !*escape && byte == ESCAPE;
	if (!*escape)
		serial_input(&vm->console, &byte, 1);
	return true;
}

static bool terminal_raw(struct termios *saved)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, saved))
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST;
	return !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/**
 * vm_run() - wait for the end of a started VM, and serve its console
 *
 * SIGTERM, SIGINT and SIGHUP end it; the caller has blocked them.
 */
int vm_run(struct vm *vm, bool input)
{
	struct termios saved;
	bool raw = input && terminal_raw(&saved);
	bool escape = false, leave = false;
	struct pollfd fds[3];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	fds[0] = (struct pollfd){ .fd = vm->end_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC),
				  .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = input ? STDIN_FILENO : -1,
				  .events = POLLIN };
	while (!leave) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents)
			break;
		if (fds[1].revents) {
			vm_end(vm, 128 + SIGTERM, NULL);
			break;
		}
		if (fds[2].revents && !console_input(vm, &escape, &leave))
			fds[2].fd = -1;
	}
	vm_end(vm, 0, NULL);
	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	if (vm->config.control[0])
		unlink(vm->config.control);
	control_drain(vm);
	return vm->exit_status;
}
