// SPDX-License-Identifier: GPL-2.0
/*
 * A process with KVM virtual machines, whose memory slots cli_vms.sh knows.
 *
 *   vm_target KIND [NUMBER]
 *
 * makes one of these:
 *
 *   simple	RAM of two slots that touch, a hole, RAM at 4 GiB
 *   many	each kind of memory, some of it twice, some of it in SMM alone
 *   two	two VMs like simple
 *   shared	a VM all of whose memory is shared
 *   empty	a VM without memory
 *   slots N	N slots of a page that touch, in the guest and here
 *   apart N	N slots of a page, with a page between each two
 *   forked	like simple, and a child that has the VM open, too
 *   orphan	the same; the first process ends, and the child takes over here
 *   vcpu	like simple, but only the vCPU's descriptor is still open
 *   changing	like simple, and a thread that makes and deletes a slot all the
 *		time
 *
 * In all but the first page of RAM each page is touched but the third of three.
 * A vCPU has run, in a thread, and written 0x1234 to guest-physical 0x2000.
 *
 * It prints what is expected, in the order in which vmfork vms shows it:
 *
 *   vm FD TID
 *   slot SLOT SPACE GPA LENGTH ADDRESS READ_ONLY KIND
 *   pid PID
 *   ready
 *
 * SPACE, READ_ONLY and KIND are vmfork's words.  It ends with its input, of
 * which it answers each line "write" by writing other values, "written".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	4096UL
#define MIB	(1UL << 20)
#define GIB	(1UL << 30)

static int kvm, vcpu;
static unsigned char *low;		/* what is at guest-physical 0 */
static struct kvm_run *run;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Private memory, of which every third page is never touched */
static unsigned char *ram(size_t len)
{
	static unsigned char fill;
	unsigned char *p = mmap(NULL, len + 2 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at;

	if (p == MAP_FAILED)
		die("mmap");
	/* The kernel is not to join it with what is beside it. */
	if (munmap(p, PAGE) || munmap(p + PAGE + len, PAGE))
		die("munmap");
	p += PAGE;
	madvise(p, len, MADV_NOHUGEPAGE);
	for (at = 0; at < len; at += PAGE)
		if (at / PAGE % 3 != 2)
			memset(p + at, ++fill | 1, PAGE);
	return p;
}

static unsigned char *file_memory(size_t len, int flags)
{
	int fd = memfd_create("vm_target", 0);
	unsigned char *p;

	if (fd < 0 || ftruncate(fd, len))
		die("memfd");
	/* What the guest was restored from; its last page is a hole. */
	if (flags == MAP_PRIVATE && pwrite(fd, ram(len), len - PAGE, 0) < 0)
		die("pwrite");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	if (flags == MAP_PRIVATE)
		p[PAGE] = 42;
	close(fd);
	return p;
}

static int set_slot(int vm, uint32_t slot, uint64_t gpa, size_t len, void *hva,
		    uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot			= slot,
		.flags			= flags,
		.guest_phys_addr	= gpa,
		.memory_size		= len,
		.userspace_addr		= (uintptr_t)hva,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void say(uint32_t slot, uint64_t gpa, size_t len, const void *hva,
		uint32_t flags, const char *kind)
{
	printf("slot %u %s 0x%lx %zu 0x%lx %s %s\n", slot & 0xffff,
	       slot >> 16 ? "smm" : "normal", (unsigned long)gpa, len,
	       (unsigned long)hva, flags & KVM_MEM_READONLY ? "true" : "false",
	       kind);
}

static void slot(int vm, uint32_t id, uint64_t gpa, size_t len, void *hva,
		 uint32_t flags, const char *kind)
{
	if (set_slot(vm, id, gpa, len, hva, flags))
		die("KVM_SET_USER_MEMORY_REGION");
	say(id, gpa, len, hva, flags, kind);
}

static void *run_vcpu(void *tid)
{
	/* mov word [0x2000], 0x1234; hlt */
	static const unsigned char code[] = {
		0xc7, 0x06, 0x00, 0x20, 0x34, 0x12, 0xf4,
	};
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct kvm_sregs sregs;

	*(int *)tid = syscall(SYS_gettid);
	pthread_setname_np(pthread_self(), "a vcpu");
	memcpy(low + 0x1000, code, sizeof(code));
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS");
	sregs.cs.base = sregs.ds.base = 0;
	sregs.cs.selector = sregs.ds.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu, KVM_SET_REGS, &regs) || ioctl(vcpu, KVM_RUN, 0))
		die("KVM_RUN");
	if (run->exit_reason != KVM_EXIT_HLT ||
	    low[0x2000] != 0x34 || low[0x2001] != 0x12)
		fprintf(stderr, "vm_target: exit %u\n", run->exit_reason);
	*(volatile int *)((int *)tid + 1) = 1;
	/* A thread that is gone has no number. */
	for (;;)
		pause();
	return NULL;
}

static int make_vm(void)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		die("KVM_CREATE_VM");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		die("KVM_CREATE_VCPU");
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("mmap");
	return vm;
}

static int start_vcpu(void)
{
	static int tid[16][2];
	static int nr;
	int *now = tid[nr++];
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_vcpu, now))
		die("pthread_create");
	while (!((volatile int *)now)[1])
		usleep(1000);
	return now[0];
}

static int simple(void)
{
	int vm = make_vm();
	unsigned char *high = ram(512 * 1024);

	low = ram(2 * MIB);
	slot(vm, 0, 0, MIB, low, 0, "anonymous");
	slot(vm, 3, MIB, MIB, low + MIB, 0, "anonymous");
	slot(vm, 1, 4 * GIB, 512 * 1024, high, 0, "anonymous");
	printf("vm %d %d\n", vm, start_vcpu());
	return vm;
}

/*
 * What is captured is what is called anonymous or a file here, unless it is an
 * alias.
 */
static void many(void)
{
	int vm = make_vm();
	unsigned char *torn = ram(64 * PAGE), *smram = ram(16 * PAGE);
	unsigned char *rom = ram(16 * PAGE), *other = ram(16 * PAGE);
	const uint32_t smm = 1 << 16;

	low = ram(MIB);
	slot(vm, 0, 0, 160 * PAGE, low, 0, "anonymous");
	/* A hole from 0xa0000 to 0xc0000: in SMM, memory is there. */
	slot(vm, 1, 0xc0000, MIB - 0xc0000, low + 0xc0000,
	     KVM_MEM_LOG_DIRTY_PAGES, "anonymous");
	slot(vm, 2, 16 * MIB, 16 * PAGE, file_memory(16 * PAGE, MAP_SHARED), 0,
	     "shared");
	slot(vm, 3, 17 * MIB, 16 * PAGE, file_memory(16 * PAGE, MAP_PRIVATE), 0,
	     "file");
	slot(vm, 4, 18 * MIB, PAGE, run, 0, "device");
	if (set_slot(vm, 5, 19 * MIB, 64 * PAGE, torn, 0))
		die("KVM_SET_USER_MEMORY_REGION");
	say(5, 19 * MIB, 16 * PAGE, torn, 0, "anonymous");
	say(5, 19 * MIB + 16 * PAGE, 32 * PAGE, torn + 16 * PAGE, 0,
	    "unmapped");
	say(5, 19 * MIB + 48 * PAGE, 16 * PAGE, torn + 48 * PAGE, 0,
	    "anonymous");
	/* Again, half of what was at 0 and half of what was not. */
	slot(vm, 6, 32 * MIB, 96 * PAGE, low + 128 * PAGE, 0, "anonymous");
	slot(vm, 7, 4 * GIB - 16 * PAGE, 16 * PAGE, rom, KVM_MEM_READONLY,
	     "anonymous");
	slot(vm, smm, 0, 160 * PAGE, low, 0, "anonymous");
	slot(vm, smm | 1, 0xa0000, 16 * PAGE, smram, 0, "anonymous");
	slot(vm, smm | 2, 16 * MIB, 16 * PAGE, other, 0, "anonymous");
	slot(vm, smm | 3, 19 * MIB, 16 * PAGE, other, 0, "anonymous");
	printf("vm %d %d\n", vm, start_vcpu());
	/* Last of all, or something else would be mapped there. */
	munmap(torn + 16 * PAGE, 32 * PAGE);
}

static void shared(void)
{
	int vm = make_vm();

	low = file_memory(MIB, MAP_SHARED);
	slot(vm, 0, 0, MIB, low, 0, "shared");
	printf("vm %d %d\n", vm, start_vcpu());
}

static void slots(unsigned int nr, unsigned int step)
{
	int vm = make_vm();
	unsigned int i;

	low = mmap(NULL, nr * step * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (low == MAP_FAILED)
		die("mmap");
	madvise(low, nr * step * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < nr; i++)
		slot(vm, i, i * step * PAGE, PAGE, low + i * step * PAGE, 0,
		     "anonymous");
	memset(low + 42 * step * PAGE, 42, PAGE);
	printf("vm %d 0\n", vm);
}

static void *change(void *vm)
{
	unsigned char *more = ram(16 * PAGE);
	int fd = *(int *)vm;

	for (;;) {
		if (set_slot(fd, 7, 16 * MIB, 16 * PAGE, more, 0))
			die("KVM_SET_USER_MEMORY_REGION");
		/* Else nobody ever sees it stand still. */
		usleep(5000);
		if (set_slot(fd, 7, 16 * MIB, 0, NULL, 0))
			die("KVM_SET_USER_MEMORY_REGION");
		usleep(5000);
	}
	return NULL;
}

static void change_slots(int fd)
{
	static int vm;
	pthread_t thread;

	vm = fd;
	if (pthread_create(&thread, NULL, change, &vm))
		die("pthread_create");
}

/* Return: in the process that goes on here */
static void with_child(bool orphan)
{
	int go[2];
	pid_t pid;
	char c;

	fflush(stdout);
	if (pipe(go))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	close(go[!pid]);
	if (!orphan && !pid) {
		close(0);
		/* Until the parent ends */
		if (read(go[0], &c, 1) >= 0)
			_exit(0);
	}
	if (orphan && pid)
		_exit(0);
	if (orphan) {
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		printf("pid %d\n", getpid());
	} else {
		printf("child %d\n", pid);
	}
}

static void make(const char *kind, unsigned int nr)
{
	int vm;

	if (!strcmp(kind, "many")) {
		many();
	} else if (!strcmp(kind, "shared")) {
		shared();
	} else if (!strcmp(kind, "empty")) {
		printf("vm %d 0\n", make_vm());
	} else if (!strcmp(kind, "slots")) {
		slots(nr, 1);
	} else if (!strcmp(kind, "apart")) {
		slots(nr, 2);
	} else {
		vm = simple();
		if (!strcmp(kind, "two"))
			simple();
		else if (!strcmp(kind, "vcpu"))
			close(vm);
		else if (!strcmp(kind, "changing"))
			change_slots(vm);
		else if (!strcmp(kind, "forked") || !strcmp(kind, "orphan"))
			with_child(kind[0] == 'o');
	}
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc < 2) {
		fprintf(stderr, "usage: vm_target KIND [NUMBER]\n");
		return 2;
	}
	setlinebuf(stdout);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		die("/dev/kvm");
	make(argv[1], argc > 2 ? strtoul(argv[2], NULL, 0) : 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		low[PAGE] ^= 0xff;
		low[5 * PAGE] ^= 0xff;
		puts("written");
	}
	return 0;
}
