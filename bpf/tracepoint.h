/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a program is called by a tracepoint of the module.
 *
 * Where the module has BTF (tp_btf), the verifier knows the arguments; where
 * it could not be built, a raw tracepoint (raw_tp) has them just the same.  Of
 * the two that are made here, tools/vmfork/bpf.c loads one.
 */
#ifndef VMFORK_BPF_TRACEPOINT_H
#define VMFORK_BPF_TRACEPOINT_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/**
 * VMFORK_TRACEPOINT() - have a function called at a tracepoint
 * @event: vmfork_fault, ...
 * @args: what it gives, in its order, as parameters of the body that follows;
 *	the last ones may be left out
 */
#define VMFORK_TRACEPOINT(event, args...)				\
static __always_inline int on_##event(unsigned long long *ctx);		\
SEC("tp_btf/" #event)							\
int btf_##event(unsigned long long *ctx)				\
{									\
	return on_##event(ctx);						\
}									\
SEC("raw_tp/" #event)							\
int raw_##event(unsigned long long *ctx)				\
{									\
	return on_##event(ctx);						\
}									\
static __always_inline int BPF_PROG(on_##event, args)

#endif /* VMFORK_BPF_TRACEPOINT_H */
