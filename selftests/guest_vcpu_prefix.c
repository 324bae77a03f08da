// SPDX-License-Identifier: GPL-2.0
/*
 * Atomicity under a vCPU: a guest of a few instructions stamps pages in order
 * with a rising number, and its memory is captured again and again while it
 * runs.  Each snapshot has to be a clean prefix of its writes (the first pages
 * carry n, the others n - 1), and the guest must never miss a stamp of its
 * own: it looks for the last one before it writes the next.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define CODE_GPA	0x1000UL
#define CONTROL_GPA	0x2000UL
#define LOW_LEN		0x4000UL
#define DATA_GPA	0x1000000UL
#define PAGES		1024UL
#define LEN		(PAGES * PAGE)
#define LOST_PORT	0x10

/* What the guest tells: at CONTROL_GPA, in memory that is not captured. */
struct control {
	uint32_t round;
	uint32_t page;
	uint32_t steps;
	uint32_t stop;
};

/*
 * 32-bit, flat, no paging.  Round n writes n to each page, after a look
 * whether the page still has n - 1.
 */
asm(".pushsection .rodata\n"
    ".code32\n"
    "stamper:\n"
    "	movl $1, %ebx\n"
    "1:	movl %ebx, 0x2000\n"
    "	movl $0x1000000, %edi\n"
    "	movl $1024, %ecx\n"
    "2:	cmpl $0, 0x200c\n"
    "	jne 4f\n"
    "	movl (%edi), %eax\n"
    "	incl %eax\n"
    "	cmpl %ebx, %eax\n"
    "	jne 3f\n"
    "	movl %ebx, (%edi)\n"
    "	movl %edi, 0x2004\n"
    "	incl 0x2008\n"
    "	addl $4096, %edi\n"
    "	decl %ecx\n"
    "	jnz 2b\n"
    "	incl %ebx\n"
    "	jmp 1b\n"
    "3:	movl %edi, 0x2004\n"
    "	outb %al, $0x10\n"
    "4:	hlt\n"
    "stamper_end:\n"
    ".code64\n"
    ".popsection\n");

extern const char stamper[], stamper_end[];

FIXTURE(vcpu) {
	int kvm, vm, cpu;
	struct kvm_run *run;
	size_t run_len;
	void *low;
	volatile uint32_t *data;
	volatile struct control *control;
	pthread_t thread;
	bool running;
	long lost;
	uint64_t seed;
};

FIXTURE_VARIANT(vcpu) {
	int advice;
	int captures;
	bool prearm;		/* before each of them */
};

FIXTURE_VARIANT_ADD(vcpu, base) {
	.advice = MADV_NOHUGEPAGE, .captures = 70
};

FIXTURE_VARIANT_ADD(vcpu, thp) {
	.advice = MADV_HUGEPAGE, .captures = 70
};

FIXTURE_VARIANT_ADD(vcpu, base_prearmed) {
	.advice = MADV_NOHUGEPAGE, .captures = 50, .prearm = true
};

FIXTURE_VARIANT_ADD(vcpu, thp_prearmed) {
	.advice = MADV_HUGEPAGE, .captures = 50, .prearm = true
};

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

static int set_registers(int cpu)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .type = 3, .present = 1, .db = 1, .s = 1,
		.g = 1, .selector = 16,
	};
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(cpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	flat.type = 11;
	flat.selector = 8;
	sregs.cs = flat;
	sregs.cr0 |= 1;
	return ioctl(cpu, KVM_SET_SREGS, &sregs) ?:
	       ioctl(cpu, KVM_SET_REGS, &regs);
}

/* The vCPU's thread; returns how it ended: 0, or the gpa of a lost stamp. */
static void *run_vcpu(void *arg)
{
	FIXTURE_DATA(vcpu) *self = arg;

	for (;;) {
		if (ioctl(self->cpu, KVM_RUN, 0) && errno != EINTR) {
			self->lost = -errno;
			return NULL;
		}
		switch (self->run->exit_reason) {
		case KVM_EXIT_HLT:
			return NULL;
		case KVM_EXIT_IO:
			self->lost = self->control->page;
			return NULL;
		case KVM_EXIT_INTR:
			break;
		default:
			self->lost = -(long)self->run->exit_reason;
			return NULL;
		}
	}
}

FIXTURE_SETUP(vcpu)
{
	if (variant->prearm)
		capture_kind = CAPTURE_PREARMED;
	self->seed = test_seed();
	self->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (self->kvm < 0)
		SKIP(return, "no /dev/kvm: %s", strerror(errno));
	self->vm = ioctl(self->kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	self->low = mmap(NULL, LOW_LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	memcpy(self->low + CODE_GPA, stamper, stamper_end - stamper);
	self->control = self->low + CONTROL_GPA;
	self->data = reserve(LEN, 0);
	ASSERT_NE(NULL, self->data);
	ASSERT_NE(MAP_FAILED, mmap((void *)self->data, LEN,
				   PROT_READ | PROT_WRITE, MAP_PRIVATE |
				   MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, madvise((void *)self->data, LEN, variant->advice));
	ASSERT_EQ(0, set_slot(self->vm, 0, 0, LOW_LEN, self->low));
	ASSERT_EQ(0, set_slot(self->vm, 1, DATA_GPA, LEN,
			      (void *)self->data));
	self->cpu = ioctl(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->cpu);
	self->run_len = ioctl(self->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	self->run = mmap(NULL, self->run_len, PROT_READ | PROT_WRITE,
			 MAP_SHARED, self->cpu, 0);
	ASSERT_NE(MAP_FAILED, self->run);
	ASSERT_EQ(0, set_registers(self->cpu));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, run_vcpu, self));
	self->running = true;
}

FIXTURE_TEARDOWN(vcpu)
{
	if (self->running) {
		self->control->stop = 1;
		pthread_join(self->thread, NULL);
	}
}

/* Lets the guest get on by some steps; false if it does not. */
static bool let_write(FIXTURE_DATA(vcpu) *self, uint32_t steps)
{
	uint32_t from = self->control->steps;
	uint64_t until = now_ns() + 60ULL * 1000000000;

	while (self->control->steps - from < steps) {
		if (self->lost || now_ns() > until)
			return false;
		usleep(200);
	}
	return true;
}

/* The first page at which @stamp() is no clean prefix, or -1. */
static long torn(const uint32_t *stamps)
{
	size_t page = 0;

	while (page < PAGES && stamps[page] == stamps[0])
		page++;
	while (page < PAGES && stamps[page] == stamps[0] - 1)
		page++;
	return page < PAGES ? (long)page : -1;
}

/* How many steps it took to write these stamps. */
static uint32_t steps_of(const uint32_t *stamps)
{
	size_t page = 0;

	if (!stamps[0])
		return 0;
	while (page < PAGES && stamps[page] == stamps[0])
		page++;
	return (stamps[0] - 1) * PAGES + page;
}

TEST_F_TIMEOUT(vcpu, each_capture_is_a_prefix, 280)
{
	uint32_t stamps[PAGES], before, after, steps;
	struct vmfork_capture cap;
	uint64_t shared = 0;
	size_t page;
	int i, fd;

	for (i = 0; i < variant->captures; i++) {
		ASSERT_TRUE(let_write(self, rnd(&self->seed) % PAGES))
			TH_LOG("capture %d: the guest is stuck at step %u, %lx",
			       i, self->control->steps, self->lost);
		before = self->control->steps;
		fd = capture_range(-1, (void *)self->data, LEN, 0, &cap);
		after = self->control->steps;
		ASSERT_LE(0, fd) TH_LOG("capture %d: %s", i, strerror(-fd));
		for (page = 0; page < PAGES; page++)
			ASSERT_EQ((ssize_t)sizeof(*stamps),
				  pread(fd, &stamps[page], sizeof(*stamps),
					page * PAGE));
		close(fd);
		ASSERT_EQ(-1, torn(stamps)) TH_LOG("capture %d", i);
		/* It counts a step just after it has written. */
		steps = steps_of(stamps);
		ASSERT_LE(before, steps) TH_LOG("capture %d", i);
		ASSERT_GE(after + 1, steps) TH_LOG("capture %d", i);
		ASSERT_EQ(0, self->lost) TH_LOG("capture %d", i);
		shared += cap.pages_shared;
		/* All but the very first are in place. */
		ASSERT_EQ(i || variant->prearm ? PAGES : 0, cap.pages_in_place)
			TH_LOG("capture %d", i);
	}
	EXPECT_LT(0, shared) TH_LOG("no capture built on the one before");

	ASSERT_TRUE(let_write(self, PAGES + 1));
	self->control->stop = 1;
	pthread_join(self->thread, NULL);
	self->running = false;
	EXPECT_EQ(0, self->lost);
	for (page = 0; page < PAGES; page++)
		stamps[page] = self->data[page * PAGE / sizeof(*stamps)];
	EXPECT_EQ(-1, torn(stamps));
	EXPECT_EQ(self->control->steps, steps_of(stamps));
}

TEST_HARNESS_MAIN
