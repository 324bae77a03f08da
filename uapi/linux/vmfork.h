/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmfork: fork the memory of a running virtual machine.
 *
 * The contract between vmfork.ko and whoever captures or maps snapshots.
 */
#ifndef _UAPI_LINUX_VMFORK_H
#define _UAPI_LINUX_VMFORK_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * Every structure begins with its own size in bytes, set by the caller.  A
 * kernel that knows a shorter structure accepts a longer one if what it does
 * not know is zero; a kernel that knows a longer one takes what is missing
 * as zero and writes back no more than the caller's size.  Reserved fields
 * and unknown flags must be zero.
 *
 * What every ioctl here may return, apart from its own errors:
 *
 * ENOTTY
 *	The ioctl number is not known.
 * EINVAL
 *	@size is smaller than the first published structure, an unknown flag
 *	or a reserved field is set, or an argument makes no sense by itself
 *	(see each field).
 * E2BIG
 *	The structure is larger than the kernel's, and its tail is not zero.
 * EFAULT
 *	The structure, or an array it points to, can not be read or written.
 * ENOMEM
 *	Out of memory.
 * EINTR
 *	A signal arrived before anything was changed.
 *
 * Addresses, lengths and offsets are in bytes, times in nanoseconds, and
 * pages are counted in units of 4096 bytes unless said otherwise.
 */

#define VMFORK_DEVICE		"/dev/vmfork"
#define VMFORK_IOC_MAGIC	0xF5

/** VMFORK_MAX_REGIONS - the most regions that one capture takes */
#define VMFORK_MAX_REGIONS	256

/** VMFORK_MAX_SIZE - no snapshot is larger than this, in bytes (128 TiB) */
#define VMFORK_MAX_SIZE		(1ULL << 47)

/**
 * struct vmfork_region - a range of memory, and where it lies in a snapshot
 * @addr: user virtual address (hva), a multiple of 4096
 * @len: length in bytes, a multiple of 4096, not 0
 * @offset: offset in the snapshot, a multiple of 4096; by convention the
 *	guest-physical address (gpa).  Huge pages stay huge where @addr and
 *	@offset are the same modulo 2 MiB.
 * @flags: VMFORK_REGION_* or 0; others are EINVAL
 *
 * A region with VMFORK_REGION_WIPE captures nothing.  It says what is left out
 * of the regions that it overlaps: there the process keeps its memory as it
 * is, and the snapshot has a hole, which children read as zeroes (secret keys,
 * a generation ID).  It may overlap any region, or none; @offset must be 0.
 */
struct vmfork_region {
	__aligned_u64 addr;
	__aligned_u64 len;
	__aligned_u64 offset;
	__aligned_u64 flags;
};

#define VMFORK_REGION_WIPE	(1ULL << 0)

/**
 * enum vmfork_refusal - why a capture was refused
 * @VMFORK_OK: it was not, or errno says it all
 * @VMFORK_UNALIGNED: EINVAL, @addr, @len or @offset is not a multiple of
 *	4096, or @len is 0, or the @offset of a region to wipe is not 0
 * @VMFORK_OVERFLOW: EOVERFLOW, @addr + @len is no user address, or @offset +
 *	@len is over the snapshot's size or VMFORK_MAX_SIZE
 * @VMFORK_OVERLAP: EEXIST, two regions overlap, in memory or in the snapshot
 * @VMFORK_UNMAPPED: EFAULT, nothing is mapped at this address
 * @VMFORK_SHARED: EXDEV, the memory is mapped MAP_SHARED
 * @VMFORK_FILE: EOPNOTSUPP, a private mapping of a file that can not be read
 *	through the page cache
 * @VMFORK_HUGETLB: EMEDIUMTYPE, hugetlbfs memory
 * @VMFORK_SPECIAL: ENODEV, device memory or a kernel mapping (VM_PFNMAP,
 *	VM_IO, VM_MIXEDMAP, vdso)
 * @VMFORK_UFFD: EADDRINUSE, registered with userfaultfd
 * @VMFORK_LOCKED: ENOLCK, locked by mlock(2): stolen pages would not be
 *	locked any more
 * @VMFORK_STACK: ENOTUNIQ, a stack that grows by itself (MAP_GROWSDOWN)
 * @VMFORK_PINNED: EBUSY, pages are pinned for DMA (VFIO, io_uring buffers,
 *	O_DIRECT in flight), pages_pinned of them
 * @VMFORK_RACE: EAGAIN, the range would not stand still: pages went to swap
 *	or migrated faster than they could be brought back
 * @VMFORK_POISON: EHWPOISON, a page was lost to a memory error
 * @VMFORK_SWAPIN: EIO, a swapped-out page could not be read
 * @VMFORK_DYING: ESRCH, the process is exiting or being killed
 * @VMFORK_QUOTA: EDQUOT, the snapshots captured by this user would hold more
 *	than the module's parameter max_bytes allows
 * @VMFORK_NO_MAPPING: ENXIO, the memory is no mapping of a snapshot
 * @VMFORK_SIZE: ERANGE, a mapping can not be reset to a snapshot of another
 *	size than its own
 * @VMFORK_FILE_BUSY: ETXTBSY, a private mapping of a file that others write to
 *	in a way that could not be noticed
 */
enum vmfork_refusal {
	VMFORK_OK = 0,
	VMFORK_UNALIGNED,
	VMFORK_OVERFLOW,
	VMFORK_OVERLAP,
	VMFORK_UNMAPPED,
	VMFORK_SHARED,
	VMFORK_FILE,
	VMFORK_HUGETLB,
	VMFORK_SPECIAL,
	VMFORK_UFFD,
	VMFORK_LOCKED,
	VMFORK_STACK,
	VMFORK_PINNED,
	VMFORK_RACE,
	VMFORK_POISON,
	VMFORK_SWAPIN,
	VMFORK_DYING,
	VMFORK_QUOTA,
	VMFORK_NO_MAPPING,
	VMFORK_SIZE,
	VMFORK_FILE_BUSY,
};

/**
 * struct vmfork_capture - argument of VMFORK_CAPTURE
 * @size: in: sizeof(struct vmfork_capture)
 * @flags: in: VMFORK_CAPTURE_* or 0
 * @pidfd: in: the process whose memory is captured, or -1 for the caller
 * @nr_regions: in: length of @regions, 1 to VMFORK_MAX_REGIONS, of which one at
 *	least captures something
 * @regions: in: address of an array of struct vmfork_region
 * @snapshot_size: in: size of the snapshot in bytes (a multiple of 4096), or
 *	0 for the end of its last region; out: what it became
 * @id: out: number of the snapshot, unique until the module is unloaded
 * @pages_stolen: out: pages taken without a copy
 * @pages_copied: out: pages that had to be copied, the sum of the next four
 * @copied_shared: out: also mapped by another process (an earlier fork(2))
 * @copied_ksm: out: merged by KSM
 * @copied_busy: out: somebody held a reference (GUP, swap cache, migration)
 * @copied_partial: out: pages of a large folio of which some part is not
 *	captured, or that lies in ZONE_MOVABLE, which must stay movable
 * @pages_shared: out: pages taken over from an older snapshot that the range
 *	was a mapping of
 * @pages_huge: out: of all pages of the snapshot, those in 2 MiB pages
 * @pages_hole: out: pages of the regions that were never touched; they cost
 *	nothing
 * @pages_pinned: out: with EBUSY, how many pages are pinned
 * @ns_prepare: out: swap-in and checks, the process runs meanwhile
 * @ns_collect: out: walking the page tables, the mmap lock held for writing
 * @ns_unmap: out: the kernel's unmapping, the lock held
 * @ns_steal: out: stealing and copying, the lock held
 * @refusal: out: enum vmfork_refusal
 * @refused_region: out: index of the region that was refused
 * @refused_addr: out: the first address that was refused
 * @pages_wiped: out: pages of the regions that were left out, by
 *	VMFORK_REGION_WIPE or because they are MADV_WIPEONFORK memory; holes
 *	of the snapshot that @pages_hole does not count
 * @slice_ns: in: with VMFORK_CAPTURE_PREARM, how long the mmap lock may be held
 *	at a time, or 0 for 1 ms.  It is aimed at, not promised; at least one
 *	page table (2 MiB) is captured at a time.
 * @ns_longest: out: the longest time that the mmap lock was held for writing
 * @pages_in_place: out: of the pages of the regions, those in memory that was a
 *	mapping already, and was captured without being mapped anew
 * @into_fd: in: with VMFORK_CAPTURE_INTO, the file; otherwise 0
 * @reserved: in: must be 0
 * @pages_file: out: pages of the snapshot that are files': the process had
 *	mapped them MAP_PRIVATE and not written to them, or they were those of
 *	an imported snapshot
 *
 * The outputs are written on failure too, if the structure itself was good.
 */
struct vmfork_capture {
	__u32 size;
	__u32 flags;
	__s32 pidfd;
	__u32 nr_regions;
	__aligned_u64 regions;
	__aligned_u64 snapshot_size;
	__aligned_u64 id;
	__aligned_u64 pages_stolen;
	__aligned_u64 pages_copied;
	__aligned_u64 copied_shared;
	__aligned_u64 copied_ksm;
	__aligned_u64 copied_busy;
	__aligned_u64 copied_partial;
	__aligned_u64 pages_shared;
	__aligned_u64 pages_huge;
	__aligned_u64 pages_hole;
	__aligned_u64 pages_pinned;
	__aligned_u64 ns_prepare;
	__aligned_u64 ns_collect;
	__aligned_u64 ns_unmap;
	__aligned_u64 ns_steal;
	__u32 refusal;
	__u32 refused_region;
	__aligned_u64 refused_addr;
	__aligned_u64 pages_wiped;
	__aligned_u64 slice_ns;
	__aligned_u64 ns_longest;
	__aligned_u64 pages_in_place;
	__s32 into_fd;
	__u32 reserved;
	__aligned_u64 pages_file;
};

/* The first published structure, to @refused_addr, and all that followed. */
#define VMFORK_CAPTURE_SIZE_VER0	168
#define VMFORK_CAPTURE_SIZE_VER1	176
#define VMFORK_CAPTURE_SIZE_VER2	200
#define VMFORK_CAPTURE_SIZE_VER3	208
#define VMFORK_CAPTURE_SIZE_VER4	216

/**
 * VMFORK_CAPTURE_PREARM - capture ahead, in slices, while the memory is in use
 *
 * Gives no snapshot: the ioctl returns 0, and the regions are private mappings
 * of an unnamed one that goes with them.  The capture that follows has only to
 * take what was written since.  Again, it takes what was written since the
 * last time.  The memory reads, and may be written, as ever, throughout.
 */
#define VMFORK_CAPTURE_PREARM	(1U << 0)

/**
 * VMFORK_CAPTURE_INTO - put the snapshot into a file of vmforkfs
 *
 * The file is empty, and open for writing.  The ioctl returns 0, and @into_fd
 * and every other file of that name show the snapshot then.  While the capture
 * goes on, nobody else can write to the file; it is empty after a failure.
 * Errors: EBADF, @into_fd is no file descriptor that is open for writing;
 * EXDEV, it is no file of vmforkfs; EPERM, it is a snapshot already; EBUSY, it
 * is not empty, or about to be a snapshot.
 */
#define VMFORK_CAPTURE_INTO	(1U << 1)

/**
 * VMFORK_CAPTURE - capture memory of a process into a new snapshot
 *
 * On /dev/vmfork.  Returns the snapshot's file descriptor (O_CLOEXEC), but for
 * the flags that say otherwise.  The
 * captured ranges keep their addresses, contents and protection; they are
 * private mappings of the snapshot from then on, and other threads may go on
 * using them at any time.  Whatever a running thread or vCPU had written to
 * one region of one mapping (VMA) by the instant of its capture is in the
 * snapshot, and nothing that it wrote later.  Several mappings are captured
 * one after another: pause the writers if one instant for all is wanted.
 *
 * Capturing another process (@pidfd) asks for CAP_SYS_PTRACE in the user
 * namespace of that process.
 *
 * If the capture fails, the memory reads as before, byte for byte, and no
 * snapshot is left, but for ranges that were captured before the failing one:
 * these stay private mappings of an unnamed snapshot that goes with them.
 *
 * Memory that is a mapping of a snapshot already (captured before, or mapped
 * by a child), all of it and at the offset that the region gives it, is
 * captured in place: that costs what was written since, not what there is.
 * Where fork(2), mremap(2), munmap(2) or another offset have made something
 * else of it, it is captured as any memory is.
 *
 * Errors besides the general ones: those of enum vmfork_refusal; EBADF,
 * @pidfd is no pidfd; EPERM, no right to capture that process; EMFILE and
 * ENFILE, no file descriptor is free.
 */
#define VMFORK_CAPTURE	_IOWR(VMFORK_IOC_MAGIC, 0x00, struct vmfork_capture)

/**
 * struct vmfork_info - argument of VMFORK_INFO
 * @size: in: sizeof(struct vmfork_info)
 * @flags: in: must be 0
 * @id: out: number of the snapshot
 * @snapshot_size: out: its size in bytes, which is the file's i_size
 * @pages: out: pages it holds, besides those of files
 * @pages_huge: out: of these, in 2 MiB pages
 * @pages_hole: out: pages of its size that it does not have; they read as 0
 * @creator: out: process (tgid) that captured it, in the caller's pid
 *	namespace, 0 if it has none there or is gone
 * @reserved: out: 0
 * @created_ns: out: CLOCK_BOOTTIME of its capture
 * @pages_file: out: pages that are files', and are read when they are used
 * @pages_read: out: of these, the ones that were read, and are held now
 * @read_errors: out: how often pages of these files could not be read
 * @file_flags: out: VMFORK_FILE_*
 * @reserved2: out: 0
 */
struct vmfork_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 snapshot_size;
	__aligned_u64 pages;
	__aligned_u64 pages_huge;
	__aligned_u64 pages_hole;
	__u32 creator;
	__u32 reserved;
	__aligned_u64 created_ns;
	__aligned_u64 pages_file;
	__aligned_u64 pages_read;
	__aligned_u64 read_errors;
	__u32 file_flags;
	__u32 reserved2;
};

#define VMFORK_INFO_SIZE_VER0	64
#define VMFORK_INFO_SIZE_VER1	96

/**
 * VMFORK_FILE_UNGUARDED - somebody on this machine might write to a file
 *
 * If he does, or somebody on another machine, pages that were not read before
 * can not be read any more.
 */
#define VMFORK_FILE_UNGUARDED	(1U << 0)

/** VMFORK_FILE_CHANGED - a file is found to have changed since */
#define VMFORK_FILE_CHANGED	(1U << 1)

/** VMFORK_INFO - describe a snapshot; on a snapshot's file descriptor */
#define VMFORK_INFO	_IOWR(VMFORK_IOC_MAGIC, 0x01, struct vmfork_info)

/**
 * struct vmfork_range - a range of addresses, or of a snapshot
 * @start: address or offset in bytes, a multiple of 4096
 * @len: length in bytes, a multiple of 4096, not 0
 */
struct vmfork_range {
	__aligned_u64 start;
	__aligned_u64 len;
};

/** VMFORK_MAX_RANGES - the most ranges that one ioctl takes or gives */
#define VMFORK_MAX_RANGES	65536

/**
 * struct vmfork_reset - argument of VMFORK_RESET
 * @size: in: sizeof(struct vmfork_reset)
 * @flags: in: must be 0
 * @pidfd: in: the process whose memory is reset, or -1 for the caller
 * @nr_ranges: in: length of @ranges, 1 to VMFORK_MAX_REGIONS
 * @ranges: in: address of an array of struct vmfork_range, of addresses; they
 *	must not overlap
 * @pages_dropped: out: private pages that were dropped
 * @pages_changed: out: pages in which the new snapshot is not the same as the
 *	old one
 * @pages_pinned: out: with EBUSY, how many pages are pinned
 * @refusal: out: enum vmfork_refusal
 * @refused_range: out: index of the range that was refused
 * @refused_addr: out: the first address that was refused
 *
 * The outputs are written on failure too, if the structure itself was good.
 */
struct vmfork_reset {
	__u32 size;
	__u32 flags;
	__s32 pidfd;
	__u32 nr_ranges;
	__aligned_u64 ranges;
	__aligned_u64 pages_dropped;
	__aligned_u64 pages_changed;
	__aligned_u64 pages_pinned;
	__u32 refusal;
	__u32 refused_range;
	__aligned_u64 refused_addr;
};

#define VMFORK_RESET_SIZE_VER0	64

/**
 * VMFORK_RESET - put memory back to a snapshot, in place
 *
 * On a snapshot's file descriptor.  The ranges, each of which is a mapping of
 * this snapshot or of one of the same size, read as this snapshot does at the
 * offsets that they map: what was written to them is lost, they keep their
 * addresses and protection.  A mapping that is reset as a whole maps this
 * snapshot from then on, at the cost of what differs.
 *
 * The right to reset another process (@pidfd) is the right to capture it.
 * Everything that can be refused is, before anything is reset; but a range
 * that turns out different when its turn comes (EAGAIN, EBUSY) fails after
 * those before it were reset.
 *
 * Errors besides the general ones: those of enum vmfork_refusal; EBADF, EPERM
 * as for VMFORK_CAPTURE.
 */
#define VMFORK_RESET	_IOWR(VMFORK_IOC_MAGIC, 0x02, struct vmfork_reset)

/**
 * struct vmfork_diff - argument of VMFORK_DIFF
 * @size: in: sizeof(struct vmfork_diff)
 * @flags: in: VMFORK_DIFF_* or 0
 * @fd: in: the other snapshot
 * @nr_ranges: in: length of @ranges, 1 to VMFORK_MAX_RANGES; out: how many
 *	were written
 * @ranges: in: address of an array of struct vmfork_range, of offsets; out:
 *	where the snapshots differ, in ascending order, none touching the next
 * @offset: in: where to begin, a multiple of 4096; out: where to go on, which
 *	is the size of the larger snapshot when there is no more
 * @pages: out: pages in these ranges
 */
struct vmfork_diff {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 nr_ranges;
	__aligned_u64 ranges;
	__aligned_u64 offset;
	__aligned_u64 pages;
};

#define VMFORK_DIFF_SIZE_VER0	40

/**
 * VMFORK_DIFF_CONTENTS - compare the contents of pages that are not the same
 *
 * Without it, a page that was written to differs, whatever was written.
 */
#define VMFORK_DIFF_CONTENTS	(1U << 0)

/**
 * VMFORK_DIFF - the ranges in which two snapshots differ
 *
 * On a snapshot's file descriptor.  Costs what differs: snapshots share what
 * they have in common.  One of them may be shorter, and is taken as if it had
 * a hole there.  Errors besides the general ones: EBADF, @fd is no file
 * descriptor; EXDEV, it is no snapshot's; EHWPOISON, a page whose contents
 * were to be compared was lost to a memory error; EIO, one that is a file's can
 * not be read.
 */
#define VMFORK_DIFF	_IOWR(VMFORK_IOC_MAGIC, 0x03, struct vmfork_diff)

/**
 * struct vmfork_prefault - argument of VMFORK_PREFAULT
 * @size: in: sizeof(struct vmfork_prefault)
 * @flags: in: VMFORK_PREFAULT_* or 0
 * @pidfd: in: the process whose memory it is, or -1 for the caller
 * @nr_ranges: in: length of @ranges, 1 to VMFORK_MAX_RANGES
 * @ranges: in: address of an array of struct vmfork_range, of addresses, each
 *	in mappings of snapshots; filled in this order
 * @pages_mapped: out: pages of the snapshot that were mapped
 * @pages_copied: out: pages that were copied ahead (VMFORK_PREFAULT_WRITE)
 * @refusal: out: enum vmfork_refusal
 * @refused_range: out: index of the range that was refused
 * @refused_addr: out: the first address that was refused
 *
 * The outputs are written on failure too, if the structure itself was good.
 */
struct vmfork_prefault {
	__u32 size;
	__u32 flags;
	__s32 pidfd;
	__u32 nr_ranges;
	__aligned_u64 ranges;
	__aligned_u64 pages_mapped;
	__aligned_u64 pages_copied;
	__u32 refusal;
	__u32 refused_range;
	__aligned_u64 refused_addr;
};

#define VMFORK_PREFAULT_SIZE_VER0	56

/**
 * VMFORK_PREFAULT_WRITE - make private copies, as writes would
 *
 * Without it, the snapshot's pages are mapped, as reads would; holes are left
 * alone.
 */
#define VMFORK_PREFAULT_WRITE	(1U << 0)

/**
 * VMFORK_PREFAULT - map, or copy, ranges of mappings at once
 *
 * On /dev/vmfork or any snapshot's file descriptor.  What is there already
 * stays.  The right to another process (@pidfd) is the right to capture it.
 * What was done before a failure (ENOMEM, EINTR) stays; the memory reads the
 * same in any case.
 *
 * Errors besides the general ones: those of enum vmfork_refusal; EACCES, the
 * memory may not be read, or not be written with VMFORK_PREFAULT_WRITE; EIO, a
 * page that is a file's can not be read; EDQUOT, or can not be kept, as who
 * imported the file has as much as the parameter max_bytes allows; EBADF, EPERM
 * as for VMFORK_CAPTURE.
 */
#define VMFORK_PREFAULT	_IOWR(VMFORK_IOC_MAGIC, 0x04, struct vmfork_prefault)

/**
 * struct vmfork_import - argument of VMFORK_IMPORT
 * @size: in: sizeof(struct vmfork_import)
 * @flags: in: must be 0
 * @fd: in: a regular file, open for reading
 * @file_flags: out: VMFORK_FILE_*
 * @offset: in: where in the file the snapshot begins, a multiple of 4096
 * @len: in: how long it is, or 0 for up to the file's end; a multiple of 4096
 *	unless it ends where the file does; out: what it became
 * @id: out: number of the snapshot
 * @snapshot_size: out: @len, rounded up to a multiple of 4096
 * @pages_file: out: pages that will be read from the file
 * @pages_hole: out: pages that are holes of the file
 */
struct vmfork_import {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 file_flags;
	__aligned_u64 offset;
	__aligned_u64 len;
	__aligned_u64 id;
	__aligned_u64 snapshot_size;
	__aligned_u64 pages_file;
	__aligned_u64 pages_hole;
};

#define VMFORK_IMPORT_SIZE_VER0	64

/**
 * VMFORK_IMPORT - make a snapshot of a file
 *
 * On /dev/vmfork.  Returns the snapshot's file descriptor (O_CLOEXEC).  Nothing
 * of the file is read but where its holes are; a page is read, through the
 * file's page cache, when it is used first, and is then shared by all who map
 * it.  What follows the file's end in its last page reads as zeroes.
 *
 * While such a snapshot exists, opening the file for writing is ETXTBSY, if the
 * caller owns it (or has CAP_FOWNER) and as soon as nobody has it open for
 * writing; until then a file on tmpfs can not be mapped shared to be written to
 * (EPERM).  A file that changes all the same is not read any more: a page of it
 * that was not read before is EIO to read(2), SIGBUS to who touches it.
 *
 * Errors besides the general ones: EBADF, @fd is no file descriptor, or not
 * open for reading; EOPNOTSUPP, not a regular file, or one of a file system that
 * has no page cache of its own; ENODATA, the file is empty; EOVERFLOW, @offset
 * + @len is over its end, or VMFORK_MAX_SIZE; ETXTBSY, it is being written to,
 * or changes of it could not be noticed; EMFILE and ENFILE, no file descriptor
 * is free, or too many files are imported.
 */
#define VMFORK_IMPORT	_IOWR(VMFORK_IOC_MAGIC, 0x05, struct vmfork_import)

/**
 * enum vmfork_phase - what tracepoint vmfork_capture_phase says is over
 * @VMFORK_PHASE_PREPARE: swap-in and checks, the process runs meanwhile
 * @VMFORK_PHASE_COLLECT: walking the page tables
 * @VMFORK_PHASE_UNMAP: the kernel's unmapping
 * @VMFORK_PHASE_STEAL: stealing and copying
 *
 * All but the first are with the mmap lock held for writing.
 */
enum vmfork_phase {
	VMFORK_PHASE_PREPARE = 0,
	VMFORK_PHASE_COLLECT,
	VMFORK_PHASE_UNMAP,
	VMFORK_PHASE_STEAL,
};

/**
 * enum vmfork_fault_kind - what a fault of tracepoint vmfork_fault was
 * @VMFORK_FAULT_READ: a read, served with pages of 4 KiB
 * @VMFORK_FAULT_READ_HUGE: a read, served with a 2 MiB page
 * @VMFORK_FAULT_READ_HOLE: a read of a page that the snapshot does not hold
 * @VMFORK_FAULT_WRITE: a write to a page that was not mapped yet
 * @VMFORK_FAULT_WRITE_HOLE: the same of one that the snapshot does not hold
 */
enum vmfork_fault_kind {
	VMFORK_FAULT_READ = 0,
	VMFORK_FAULT_READ_HUGE,
	VMFORK_FAULT_READ_HOLE,
	VMFORK_FAULT_WRITE,
	VMFORK_FAULT_WRITE_HOLE,
};

/**
 * VMFORK_FAULT_COPIED - a flag of tracepoint vmfork_fault
 *
 * The page in the snapshot is a copy that the capture made; without the flag,
 * it was stolen, or is a file's, or there is none.
 */
#define VMFORK_FAULT_COPIED	(1U << 0)

/**
 * VMFORK_FAULT_IMPORTED - a flag of tracepoint vmfork_fault
 *
 * The page is a file's: the snapshot was imported, or captured from a private
 * mapping of that file.
 */
#define VMFORK_FAULT_IMPORTED	(1U << 1)

/**
 * VMFORK_COW_MAYBE - a flag of tracepoint vmfork_cow
 *
 * There was no memory to look again when the kernel was done.  It may have
 * discarded the page, or another thread may have been first.
 */
#define VMFORK_COW_MAYBE	(1U << 0)

/*
 * A snapshot's file descriptor is a file: mmap(MAP_PRIVATE), pread, lseek
 * with SEEK_DATA and SEEK_HOLE, fstat, splice and sendfile out of it, open
 * of /proc/PID/fd/N.  Writing, truncating and mapping it MAP_SHARED is EPERM.
 */

/** VMFORKFS_MAGIC - f_type of statfs(2) for every file of vmforkfs */
#define VMFORKFS_MAGIC	0x766d666b

#endif /* _UAPI_LINUX_VMFORK_H */
