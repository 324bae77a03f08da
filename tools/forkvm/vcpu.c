// SPDX-License-Identifier: GPL-2.0
/*
 * vCPUs: a thread for each, that runs it, and parks while the VM is paused.
 *
 * immediate_exit makes KVM_RUN finish the I/O of its last exit and return
 * with EINTR, before any instruction of the guest.  A parked vCPU has done
 * that: nothing is left half-way in the kernel, and its state can be read.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "forkvm.h"

#define KICK_SIGNAL	SIGUSR1

static void on_kick(int signal)
{
	(void)signal;		/* only there to end KVM_RUN with EINTR */
}

static int read_mmio(struct kvm_run *run)
{
	/* There is no device memory: reads see an empty bus */
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	return 0;
}

static int handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	for (i = 0; i < run->io.count; i++, data += run->io.size)
		vm_io(vcpu->vm, run->io.port,
		      run->io.direction == KVM_EXIT_IO_OUT, data,
		      run->io.size);
	return 0;
}

static int end_with(struct vcpu *vcpu, const char *what, uint64_t code)
{
	struct kvm_regs regs = { 0 };
	char why[160];

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	snprintf(why, sizeof(why), "vCPU %u: %s (%#llx) at rip %#llx",
		 vcpu->index, what, (unsigned long long)code,
		 (unsigned long long)regs.rip);
	vm_end(vcpu->vm, 1, why);
	return -1;
}

static int handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return handle_io(vcpu);
	case KVM_EXIT_MMIO:
		return read_mmio(run);
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return 0;
	case KVM_EXIT_SHUTDOWN:		/* a triple fault: reboot=t */
	case KVM_EXIT_SYSTEM_EVENT:
		vm_end(vcpu->vm, 0, NULL);
		return -1;
	case KVM_EXIT_FAIL_ENTRY:
		return end_with(vcpu, "KVM could not enter the guest",
				run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		return end_with(vcpu, "KVM gave up", run->internal.suberror);
	default:
		return end_with(vcpu, "unknown exit", run->exit_reason);
	}
}

/* Return: 1 if KVM_RUN was interrupted, 0 after an exit that was handled */
static int run_once(struct vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
		return handle_exit(vcpu);
	if (errno == EINTR || errno == EAGAIN)
		return 1;
	return end_with(vcpu, strerror(errno), errno);
}

/* Every string instruction may need several exits until it is finished */
static int finish_io(struct vcpu *vcpu)
{
	int ret;

	vcpu->run->immediate_exit = 1;
	do {
		ret = run_once(vcpu);
	} while (ret == 0);
	return ret < 0 ? -1 : 0;
}

static void park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->lock);
	vcpu->parked = true;
	pthread_cond_broadcast(&vm->changed);
	while (vm->pausers && !vm->ended)
		pthread_cond_wait(&vm->changed, &vm->lock);
	vcpu->parked = false;
	if (!vm->ended)
		vcpu->run->immediate_exit = 0;
	if (!vm->first_run_ns)
		vm->first_run_ns = now_ns();
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vm *vm = vcpu->vm;

	for (;;) {
		if (vcpu->run->immediate_exit) {
			if (finish_io(vcpu))
				break;
			park(vcpu);
			if (vm->ended)
				break;
		}
		if (run_once(vcpu) < 0)
			break;
	}
	pthread_mutex_lock(&vm->lock);
	vcpu->running = false;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	return NULL;
}

/** vcpu_create() - make a vCPU and map its struct kvm_run */
int vcpu_create(struct vm *vm, unsigned int index)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return fail_errno("can not create vCPU %u", index);
	if (size < 0)
		return fail_errno("KVM does not say how to map a vCPU");
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return fail_errno("can not map vCPU %u", index);
	return 0;
}

/** vcpus_start() - start the threads; all park until vcpus_resume() */
int vcpus_start(struct vm *vm)
{
	struct sigaction action = { .sa_handler = on_kick };
	unsigned int i;
	int err;

	if (vcpu_state_prepare(vm))
		return -1;
	sigaction(KICK_SIGNAL, &action, NULL);
	vm->pausers = 1;
	for (i = 0; i < vm->config.nr_vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpu[i];

		vcpu->run->immediate_exit = 1;
		vcpu->running = true;
		err = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
		if (err)
			return fail("can not start a thread for vCPU %u: %s",
				    i, strerror(err));
	}
	return 0;
}

/** vcpus_kick() - make every vCPU leave KVM_RUN; vm->lock is held */
void vcpus_kick(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->config.nr_vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpu[i];

		if (!vcpu->running)
			continue;
		__atomic_store_n(&vcpu->run->immediate_exit, 1,
				 __ATOMIC_SEQ_CST);
		pthread_kill(vcpu->thread, KICK_SIGNAL);
	}
}

static bool all_vcpus(struct vm *vm, bool parked)
{
	unsigned int i;

	for (i = 0; i < vm->config.nr_vcpus; i++)
		if (vm->vcpu[i].running && vm->vcpu[i].parked != parked)
			return false;
	return true;
}

/** vcpus_pause() - returns when no vCPU runs; pauses nest */
void vcpus_pause(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (!vm->pausers++)
		vcpus_kick(vm);
	while (!all_vcpus(vm, true))
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

/**
 * vcpus_were_paused() - before they go on
 *
 * Lets the guest know that it did not run, lest it takes it for a lockup.
 */
void vcpus_were_paused(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->config.nr_vcpus; i++)
		ioctl(vm->vcpu[i].fd, KVM_KVMCLOCK_CTRL, 0);
}

/** vcpus_resume() - returns when the last vCPU is on its way, if it was ours */
void vcpus_resume(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (!--vm->pausers) {
		pthread_cond_broadcast(&vm->changed);
		while (!all_vcpus(vm, false) && !vm->pausers)
			pthread_cond_wait(&vm->changed, &vm->lock);
	}
	pthread_mutex_unlock(&vm->lock);
}
