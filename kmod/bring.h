/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_BRING_H
#define VMFORK_BRING_H

#include <linux/mm_types.h>

struct vm_fault;
struct vmfork_spot;

/**
 * vmfork_bring() - have a page of a file that a fault wants
 * @vmf: the fault; with VM_FAULT_RETRY, its lock has been released, unless the
 *	flags say that nobody is to wait
 * @spot: what the snapshot has there, without a page; its @backing is the
 *	caller's to put
 *
 * Return: 0, or VM_FAULT_LOCKED for a page that is to be copied, and @spot has
 * the page and a reference on it; or VM_FAULT_RETRY, VM_FAULT_OOM,
 * VM_FAULT_SIGBUS.
 */
vm_fault_t vmfork_bring(struct vm_fault *vmf, struct vmfork_spot *spot);

#endif /* VMFORK_BRING_H */
