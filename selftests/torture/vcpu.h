/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vCPU that does nothing but generate(): long mode, an identity mapping of
 * 1 GiB, no interrupts.  It halts when generate() returns.
 */
#ifndef TORTURE_VCPU_H
#define TORTURE_VCPU_H

#include <stdbool.h>
#include <stddef.h>

struct board;

/* Code that is copied into guests. */
#define VCPU_CODE __attribute__((section("vcpu_code"), noinline, \
				 no_stack_protector))

/* From the linker. */
extern const char __start_vcpu_code[], __stop_vcpu_code[];

struct vcpu {
	int kvm, vm, cpu;
	struct kvm_run *run;
	size_t run_len;
	char *low;
};

bool vcpu_possible(void);
/* 0 or -errno.  @data stays a memory slot whatever is mapped there later. */
int vcpu_open(struct vcpu *v, struct board *b, void *data, size_t len);
/* Until the vCPU halts; 0, -EINTR or -errno. */
int vcpu_generate(struct vcpu *v);
void vcpu_close(struct vcpu *v);

#endif
