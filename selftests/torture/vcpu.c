// SPDX-License-Identifier: GPL-2.0
/* A vCPU that does nothing but generate(). */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "board.h"
#include "vcpu.h"

#define LOW_LEN		0x10000UL
#define PML4_GPA	0x1000UL
#define PDPT_GPA	0x2000UL
#define PD_GPA		0x3000UL
#define STACK_GPA	0x8000UL	/* grows down */
#define HALT_GPA	0x8000UL
#define CODE_GPA	0x9000UL

#define PTE_PRESENT	3UL		/* and writable */
#define PTE_LARGE	0x80UL

#define CR0_PE_PG	0x80000001UL
#define CR4_PAE		0x20UL
#define EFER_LME_LMA	0x500UL

bool vcpu_possible(void)
{
	return !access("/dev/kvm", R_OK | W_OK);
}

static int set_slot(int vm, unsigned int slot, uint64_t gpa, size_t len,
		    void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot			= slot,
		.guest_phys_addr	= gpa,
		.memory_size		= len,
		.userspace_addr		= (uintptr_t)hva,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void write_low(char *low)
{
	uint64_t *pml4 = (void *)(low + PML4_GPA);
	uint64_t *pdpt = (void *)(low + PDPT_GPA);
	uint64_t *pd = (void *)(low + PD_GPA);
	uint64_t i;

	pml4[0] = PDPT_GPA | PTE_PRESENT;
	pdpt[0] = PD_GPA | PTE_PRESENT;
	for (i = 0; i < 512; i++)
		pd[i] = i << 21 | PTE_LARGE | PTE_PRESENT;
	low[HALT_GPA] = (char)0xf4;	/* hlt */
	memcpy(low + CODE_GPA, __start_vcpu_code,
	       __stop_vcpu_code - __start_vcpu_code);
}

/* Newer kernels want to know of long mode before it is turned on. */
static int set_cpuid(struct vcpu *v)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[100];
	} cpuid;

	cpuid.head.nent = 100;
	return ioctl(v->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) ?:
	       ioctl(v->cpu, KVM_SET_CPUID2, &cpuid);
}

static int set_mode(struct vcpu *v)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .type = 3, .present = 1, .db = 1, .s = 1,
		.g = 1, .selector = 16,
	};
	struct kvm_sregs sregs;

	if (ioctl(v->cpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	flat.type = 11;
	flat.selector = 8;
	flat.db = 0;
	flat.l = 1;
	sregs.cs = flat;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 |= CR4_PAE;
	sregs.cr0 |= CR0_PE_PG;
	sregs.efer |= EFER_LME_LMA;
	return ioctl(v->cpu, KVM_SET_SREGS, &sregs);
}

static int open_all(struct vcpu *v, struct board *b, void *data, size_t len)
{
	v->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (v->kvm < 0)
		return -errno;
	v->vm = ioctl(v->kvm, KVM_CREATE_VM, 0);
	if (v->vm < 0)
		return -errno;
	v->cpu = ioctl(v->vm, KVM_CREATE_VCPU, 0);
	if (v->cpu < 0)
		return -errno;
	v->low = mmap(NULL, LOW_LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->low == MAP_FAILED)
		return -errno;
	write_low(v->low);
	v->run_len = ioctl(v->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	v->run = mmap(NULL, v->run_len, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->cpu, 0);
	if (v->run == MAP_FAILED)
		return -errno;
	if (set_slot(v->vm, 0, 0, LOW_LEN, v->low) ||
	    set_slot(v->vm, 1, BOARD_GPA, sizeof(*b), b) ||
	    set_slot(v->vm, 2, DATA_GPA, len, data) ||
	    set_cpuid(v) || set_mode(v))
		return -errno;
	return 0;
}

int vcpu_open(struct vcpu *v, struct board *b, void *data, size_t len)
{
	int ret;

	*v = (struct vcpu){ .kvm = -1, .vm = -1, .cpu = -1,
			    .low = MAP_FAILED, .run = MAP_FAILED };
	ret = open_all(v, b, data, len);
	if (ret)
		vcpu_close(v);
	return ret;
}

void vcpu_close(struct vcpu *v)
{
	if (v->run != MAP_FAILED)
		munmap(v->run, v->run_len);
	if (v->cpu >= 0)
		close(v->cpu);
	if (v->vm >= 0)
		close(v->vm);
	if (v->kvm >= 0)
		close(v->kvm);
	if (v->low != MAP_FAILED)
		munmap(v->low, LOW_LEN);
}

/* Calls generate(), which returns to a halt. */
static int set_registers(struct vcpu *v)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA + ((const char *)generate - __start_vcpu_code),
		.rsp = STACK_GPA - 8,
		.rdi = BOARD_GPA,
		.rsi = DATA_GPA,
		.rflags = 2,
	};

	*(uint64_t *)(v->low + STACK_GPA - 8) = HALT_GPA;
	return ioctl(v->cpu, KVM_SET_REGS, &regs) ? -errno : 0;
}

/* Wakes a vCPU that has halted, as no interrupt will. */
static int set_runnable(struct vcpu *v)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	/* Without an interrupt controller in the kernel it is never halted. */
	if (ioctl(v->cpu, KVM_SET_MP_STATE, &state) && errno != EINVAL)
		return -errno;
	return 0;
}

int vcpu_generate(struct vcpu *v)
{
	int ret = set_registers(v) ?: set_runnable(v);

	while (!ret) {
		if (ioctl(v->cpu, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return -errno;
		}
		if (v->run->exit_reason == KVM_EXIT_HLT)
			return 0;
		if (v->run->exit_reason != KVM_EXIT_INTR)
			return -1000 - (int)v->run->exit_reason;
	}
	return ret;
}
