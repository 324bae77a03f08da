// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * Why memory was refused, in words.
 */
#include "vmfork.h"

struct refusal {
	const char *name;
	const char *advice;
};

static const struct refusal refusals[] = {
	[VMFORK_OK] = { "none",
		"The kernel gave no reason but the error number: see that." },
	[VMFORK_UNALIGNED] = { "unaligned",
		"Make address, length and offset multiples of 4096, and the length not 0." },
	[VMFORK_OVERFLOW] = { "overflow",
		"Choose a range inside the process's address space, and an offset and size of the snapshot that hold it." },
	[VMFORK_OVERLAP] = { "overlap",
		"Give regions that overlap neither in memory nor in the snapshot." },
	[VMFORK_UNMAPPED] = { "unmapped",
		"Nothing is mapped there: leave out the gap, or look up the range in /proc/PID/maps." },
	[VMFORK_SHARED] = { "shared",
		"Have the memory mapped MAP_PRIVATE (for QEMU, share=off): shared memory can not be captured." },
	[VMFORK_FILE] = { "file",
		"Map a regular file of a file system with a page cache (not overlayfs, DAX or sysfs), or have the memory be anonymous." },
	[VMFORK_HUGETLB] = { "hugetlb",
		"Use transparent huge pages (madvise MADV_HUGEPAGE) in place of hugetlbfs." },
	[VMFORK_SPECIAL] = { "special",
		"Leave out device memory, and the kernel's own mappings (vdso): they can not be captured." },
	[VMFORK_UFFD] = { "uffd",
		"Unregister the range from userfaultfd, then capture again." },
	[VMFORK_LOCKED] = { "locked",
		"Unlock the range by munlock(2) (for QEMU, overcommit mem-lock=off), then capture again." },
	[VMFORK_STACK] = { "stack",
		"Leave out the stack: memory that grows by itself can not be captured." },
	[VMFORK_PINNED] = { "pinned",
		"Stop what has the pages pinned for DMA (VFIO, io_uring buffers, O_DIRECT in flight), then capture again." },
	[VMFORK_RACE] = { "race",
		"Pause the process or relieve memory pressure, then capture again: pages went to swap or migrated faster than they came back." },
	[VMFORK_POISON] = { "poison",
		"Leave out this address: its page was lost to a memory error." },
	[VMFORK_SWAPIN] = { "swapin",
		"Check the swap device and the kernel log: a swapped-out page could not be read." },
	[VMFORK_QUOTA] = { "quota",
		"Drop snapshots that are no longer needed, or have max_bytes in /sys/module/vmfork/parameters raised: this user's snapshots hold as much as they may." },
	[VMFORK_NO_MAPPING] = { "no-mapping",
		"Choose memory that is a mapping of a snapshot: captured before, or mapped from one." },
	[VMFORK_SIZE] = { "size",
		"Choose a snapshot of the same size as the one that is mapped there." },
	[VMFORK_FILE_BUSY] = { "file-busy",
		"Unmap the file where it is mapped MAP_SHARED and writable, then capture again: on tmpfs, such writes can not be noticed." },
	[VMFORK_DYING] = { "dying",
		"Choose a process that lives: this one is exiting or being killed." },
};

/* A newer module may know reasons that this library does not. */
static const struct refusal unknown = { "unknown",
	"Update libvmfork: the kernel module gives a reason that it does not know." };

static const struct refusal *find_refusal(unsigned int refusal)
{
	if (refusal < sizeof(refusals) / sizeof(refusals[0]))
		return &refusals[refusal];
	return &unknown;
}

const char *vmfork_refusal_name(unsigned int refusal)
{
	return find_refusal(refusal)->name;
}

const char *vmfork_refusal_advice(unsigned int refusal)
{
	return find_refusal(refusal)->advice;
}
