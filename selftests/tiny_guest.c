// SPDX-License-Identifier: GPL-2.0
/* A guest of a few instructions, without an operating system. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"
#include "tiny_guest.h"

#define CODE_GPA	0x1000UL
#define LOW_LEN		0x4000UL
#define DATA_GPA	0x1000000UL
/* The most memory that a test gives it. */
#define DATA_LEN	(8 * MIB)

/* Linux 6.11; Debian 12's headers do not have it. */
#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};

#define KVM_PRE_FAULT_MEMORY \
	_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/*
 * 32-bit, flat, no paging.  ebx is the number of pages to touch, by writing if
 * edx is not 0; if it is 0, ecx is 0 to read, else the words to zero.
 */
asm(".pushsection .rodata\n"
    ".code32\n"
    "tiny_guest_code:\n"
    "	testl %ebx, %ebx\n"
    "	jnz 2f\n"
    "	testl %ecx, %ecx\n"
    "	jz 1f\n"
    "	xorl %eax, %eax\n"
    "	cld\n"
    "	rep stosl\n"
    "	hlt\n"
    "1:	movl (%edi), %eax\n"
    "	hlt\n"
    "2:	testl %edx, %edx\n"
    "	jnz 4f\n"
    "3:	movl (%edi), %eax\n"
    "	addl $4096, %edi\n"
    "	decl %ebx\n"
    "	jnz 3b\n"
    "	hlt\n"
    "4:	movl %ebx, (%edi)\n"
    "	addl $4096, %edi\n"
    "	decl %ebx\n"
    "	jnz 4b\n"
    "	hlt\n"
    "tiny_guest_code_end:\n"
    ".code64\n"
    ".popsection\n");

extern const char tiny_guest_code[], tiny_guest_code_end[];

static int vm = -1, cpu = -1;
static struct kvm_run *run;
static int run_len;
static void *data;
static size_t data_len;
static bool has_slot;
static size_t given_len;

const char *tiny_guest_missing(void)
{
	return access("/dev/kvm", R_OK | W_OK) ? "no /dev/kvm" : NULL;
}

static int set_slot(unsigned int slot, uint64_t gpa, size_t len, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot			= slot,
		.guest_phys_addr	= gpa,
		.memory_size		= len,
		.userspace_addr		= (uintptr_t)hva,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int set_mode(void)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .type = 3, .present = 1, .db = 1, .s = 1,
		.g = 1, .selector = 16,
	};
	struct kvm_sregs sregs;

	if (ioctl(cpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	flat.type = 11;
	flat.selector = 8;
	sregs.cs = flat;
	sregs.cr0 |= 1;
	return ioctl(cpu, KVM_SET_SREGS, &sregs);
}

static int make_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	void *low;

	low = mmap(NULL, LOW_LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	data = reserve(DATA_LEN, 0);
	if (kvm < 0 || low == MAP_FAILED || !data)
		return -1;
	memcpy(low + CODE_GPA, tiny_guest_code,
	       tiny_guest_code_end - tiny_guest_code);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || set_slot(0, 0, LOW_LEN, low) ||
	    set_slot(1, DATA_GPA, DATA_LEN, data))
		return -1;
	has_slot = true;
	cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run_len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (cpu < 0 || run_len < 0)
		return -1;
	run = mmap(NULL, run_len, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	close(kvm);
	return run == MAP_FAILED ? -1 : set_mode();
}

int tiny_guest_start(size_t len)
{
	data_len = len;
	if (len > DATA_LEN)
		return -E2BIG;
	return vm >= 0 ? 0 : make_vm() ? -errno : 0;
}

void *tiny_guest_map(int fd)
{
	void *at = mmap(data, data_len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_FIXED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

void tiny_guest_unmap(void)
{
	mmap(data, data_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
	     MAP_FIXED | MAP_NORESERVE, -1, 0);
}

int tiny_guest_give(void *addr, size_t len)
{
	/* A slot can not be moved to another address, but made anew. */
	if (has_slot && set_slot(1, DATA_GPA, 0, NULL))
		return -errno;
	has_slot = addr;
	given_len = len;
	return addr && set_slot(1, DATA_GPA, len, addr) ? -errno : 0;
}

int tiny_guest_cpu(void)
{
	return cpu;
}

int tiny_guest_prefault(void)
{
	struct kvm_pre_fault_memory range = {
		.gpa = DATA_GPA, .size = given_len,
	};

	while (range.size)
		if (ioctl(cpu, KVM_PRE_FAULT_MEMORY, &range) && errno != EINTR)
			return -errno;
	return 0;
}

void tiny_guest_forget(void)
{
	if (vm < 0)
		return;
	munmap(run, run_len);
	munmap(data, DATA_LEN);
	close(cpu);
	close(vm);
	vm = -1;
	cpu = -1;
}

/* Where it goes on from, and what is in the registers that say what it does */
static int set_off(size_t offset, uint32_t words, size_t pages, bool write)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA, .rflags = 2, .rdi = DATA_GPA + offset,
		.rbx = pages, .rcx = words, .rdx = write,
	};

	return ioctl(cpu, KVM_SET_REGS, &regs) ? -errno : 0;
}

int tiny_guest_will_read(size_t offset)
{
	return set_off(offset, 0, 0, false);
}

int tiny_guest_will_zero(size_t offset)
{
	return set_off(offset, PAGE / 4, 0, false);
}

int tiny_guest_will_touch(size_t offset, size_t pages, bool write)
{
	return set_off(offset, 0, pages, write);
}

int tiny_guest_run(void)
{
	int ret;

	/* Work for the task, as of an io_uring that was closed, is as a signal. */
	do {
		ret = ioctl(cpu, KVM_RUN, 0);
	} while (ret && errno == EINTR);
	if (ret)
		return -errno;
	return run->exit_reason == KVM_EXIT_HLT ? 0 : -EPROTO;
}

uint32_t tiny_guest_value(void)
{
	struct kvm_regs regs = { 0 };

	ioctl(cpu, KVM_GET_REGS, &regs);
	return regs.rax;
}
