/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * libvmfork: what the author of a VMM calls to fork guest memory.
 *
 * Functions return -errno on failure unless they say otherwise, never print,
 * keep no global state, and may be called from any thread.
 */
#ifndef LIBVMFORK_H
#define LIBVMFORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmfork.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * vmfork_open() - open the capture device
 *
 * Return: a file descriptor (O_CLOEXEC) that the caller closes; -ENOENT if
 * the module is not loaded; -EACCES without the right to use it.
 */
int vmfork_open(void);

/**
 * vmfork_capture() - capture memory into a new snapshot
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: what to capture
 * @nr: how many
 * @result: counts, times and, on failure, what was refused; may be NULL
 *
 * Return: the snapshot's file descriptor (O_CLOEXEC), owned by the caller.
 */
int vmfork_capture(int dev, int pidfd, const struct vmfork_region *regions,
		   size_t nr, struct vmfork_capture *result);

/**
 * vmfork_capture_sized() - vmfork_capture() into a snapshot of a given size
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: what to capture
 * @nr: how many
 * @size: of the snapshot in bytes, or 0 for the end of its last region
 * @result: counts, times and, on failure, what was refused; may be NULL
 *
 * Return: the snapshot's file descriptor (O_CLOEXEC), owned by the caller.
 */
int vmfork_capture_sized(int dev, int pidfd,
			 const struct vmfork_region *regions, size_t nr,
			 uint64_t size, struct vmfork_capture *result);

/**
 * vmfork_capture_into() - vmfork_capture_sized() into a file of vmforkfs
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: what to capture
 * @nr: how many
 * @size: of the snapshot in bytes, or 0 for the end of its last region
 * @file: an empty file on vmforkfs, open for writing; it is the snapshot's then,
 *	and empty after a failure
 * @result: counts, times and, on failure, what was refused; may be NULL
 *
 * Return: 0; -ENOTTY, -EINVAL or -E2BIG if the module can not do it; -EXDEV, @file
 * is not on vmforkfs; -EPERM, it is a snapshot already; -EBUSY, it is not empty; otherwise
 * -errno as of vmfork_capture().
 */
int vmfork_capture_into(int dev, int pidfd,
			const struct vmfork_region *regions, size_t nr,
			uint64_t size, int file, struct vmfork_capture *result);

/**
 * vmfork_name() - give a snapshot a name on vmforkfs
 * @snapshot: its file descriptor, open for reading
 * @path: of a new file on vmforkfs
 * @mode: of that file, less the umask
 *
 * Return: 0; -EEXIST if there is something of that name; -EXDEV or -EOPNOTSUPP
 * if @path is not on vmforkfs, or @snapshot is none; otherwise -errno of open(2)
 * or ioctl(2).  Nothing is left of a failure.
 */
int vmfork_name(int snapshot, const char *path, mode_t mode);

/**
 * vmfork_prearm() - capture ahead, while the memory is in use
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: those that are to be captured
 * @nr: how many
 * @slice_ns: how long the process may be kept from its memory at a time, in
 *	nanoseconds, or 0 for 1 ms; aimed at, not promised
 * @result: counts, times and, on failure, what was refused; may be NULL
 *
 * There is no snapshot to keep: a capture of the same regions that follows has
 * only to take what was written since.  That is also what the next pass does,
 * so the number of pages that it takes (@pages_stolen + @pages_copied of
 * @result) says what a capture would cost now.
 *
 * Return: 0; -ENOTTY if the module can not do it (@dev is no vmfork device, or
 * the module is older than this call); otherwise -errno as of
 * vmfork_capture().  The memory reads the same in any case.
 */
int vmfork_prearm(int dev, int pidfd, const struct vmfork_region *regions,
		  size_t nr, uint64_t slice_ns, struct vmfork_capture *result);

/**
 * struct vmfork_live_options - how vmfork_capture_live() goes about it
 * @size: of the snapshot in bytes, or 0 for the end of its last region
 * @slice_ns: as for vmfork_prearm(), 0 for 1 ms
 * @enough_pages: pre-arm no more after a pass that took at most so many pages
 *	of 4096 bytes, or 0 for 256
 * @max_passes: pre-arm at most so often, or 0 for 4
 * @pause: stops whatever writes to the memory; returns 0, or -errno, after
 *	which @resume is not called; or NULL if nothing has to be stopped
 * @resume: lets it go on; or NULL.  Called once after each @pause that
 *	returned 0, whatever came of the capture, on the thread that called
 * @arg: what both of them are given
 *
 * All zero but for the callbacks is a good choice.
 */
struct vmfork_live_options {
	uint64_t size;
	uint64_t slice_ns;
	uint64_t enough_pages;
	unsigned int max_passes;
	int (*pause)(void *arg);
	void (*resume)(void *arg);
	void *arg;
};

/**
 * struct vmfork_live_result - what vmfork_capture_live() did
 * @capture: of the capture in the pause; if that was not reached, of the
 *	pre-arming pass that failed
 * @prearmed_pages: pages that all passes before it took
 * @ns_prearm: how long these passes took, in nanoseconds
 * @ns_paused: from before @pause was called until @resume had returned; 0 if
 *	@pause was not called or failed
 * @passes: pre-arming passes that succeeded; 0 with a module that has none
 */
struct vmfork_live_result {
	struct vmfork_capture capture;
	uint64_t prearmed_pages;
	uint64_t ns_prearm;
	uint64_t ns_paused;
	unsigned int passes;
};

/**
 * vmfork_capture_live() - capture memory in use, with a short pause
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: what to capture
 * @nr: how many
 * @options: how, and what pauses and resumes; not NULL
 * @result: what was done and, on failure, what was refused; may be NULL
 *
 * Pre-arms while the memory is in use, until a pass takes few enough pages,
 * takes no fewer than the one before it, or is the last.  Then it pauses,
 * captures what was written since, and resumes.
 *
 * A refusal comes before the pause, unless the pause may be the cure
 * (VMFORK_RACE, VMFORK_PINNED): then the capture in the pause decides.  An
 * older module, which can not pre-arm, has all of it captured in the pause.
 *
 * Return: the snapshot's file descriptor (O_CLOEXEC), owned by the caller;
 * what @pause returned if that is not 0 (-ECANCELED for a positive number);
 * otherwise -errno as of vmfork_capture().
 */
int vmfork_capture_live(int dev, int pidfd,
			const struct vmfork_region *regions, size_t nr,
			const struct vmfork_live_options *options,
			struct vmfork_live_result *result);

/**
 * vmfork_reset() - put memory back to a snapshot, in place
 * @snapshot: a snapshot's file descriptor
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @ranges: of addresses, each a mapping of @snapshot or of a snapshot of the
 *	same size; at most VMFORK_MAX_REGIONS, none overlapping another
 * @nr: how many
 * @result: counts and, on failure, what was refused; may be NULL
 *
 * What was written to the ranges is lost.  Nothing should write to them
 * meanwhile: pause the vCPUs.
 *
 * Return: 0; -ENOTTY if @snapshot is none, or the module older than this call;
 * otherwise -errno as of VMFORK_RESET.
 */
int vmfork_reset(int snapshot, int pidfd, const struct vmfork_range *ranges,
		 size_t nr, struct vmfork_reset *result);

/**
 * typedef vmfork_range_fn - is told of a range in which snapshots differ
 * @range: offset and length in bytes; valid during the call
 * @arg: what vmfork_diff() was given
 *
 * Return: 0 to go on, anything else to end vmfork_diff(), which returns it.
 */
typedef int (*vmfork_range_fn)(const struct vmfork_range *range, void *arg);

/**
 * vmfork_diff() - the ranges in which two snapshots differ
 * @a: a snapshot's file descriptor
 * @b: another's; which is which makes no difference
 * @flags: VMFORK_DIFF_CONTENTS to compare what was written, or 0
 * @fn: called for each range, in ascending order; none touches the next
 * @arg: for @fn
 *
 * One of them may be shorter: it is taken as if it had a hole there.
 *
 * Return: 0 after the last range; what @fn returned; -ENOTTY if @a is no
 * snapshot, or the module older than this call; -EXDEV if @b is none; -ENOMEM;
 * otherwise -errno as of VMFORK_DIFF.
 */
int vmfork_diff(int a, int b, unsigned int flags, vmfork_range_fn fn,
		void *arg);

/**
 * vmfork_prefault() - map, or copy, ranges of mappings ahead of their use
 * @fd: what vmfork_open() returned, or any snapshot's file descriptor
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @ranges: of addresses, in mappings of snapshots, in the order in which they
 *	are wanted; at most VMFORK_MAX_RANGES
 * @nr: how many
 * @flags: VMFORK_PREFAULT_WRITE for private copies, as if they were written
 *	to, or 0
 * @result: counts and, on failure, what was refused; may be NULL
 *
 * Return: 0; -ENOTTY if @fd is neither, or the module older than this call;
 * otherwise -errno as of VMFORK_PREFAULT.
 */
int vmfork_prefault(int fd, int pidfd, const struct vmfork_range *ranges,
		    size_t nr, unsigned int flags,
		    struct vmfork_prefault *result);

/**
 * struct vmfork_ws_range - part of a working set
 * @offset: in the snapshot, in bytes, a multiple of 4096
 * @len: in bytes, a multiple of 4096, not 0
 * @write: whether it will be written to, and is to be copied ahead; otherwise
 *	it is mapped
 *
 * A working set is an array of these, in the order in which they are wanted.
 */
struct vmfork_ws_range {
	uint64_t offset;
	uint64_t len;
	bool write;
};

/**
 * enum vmfork_ws_end - why vmfork_ws_apply() ended
 * @VMFORK_WS_COMPLETE: all of it was done
 * @VMFORK_WS_BYTES: it reached @max_bytes
 * @VMFORK_WS_TIME: it reached @max_ns
 * @VMFORK_WS_STOPPED: @stop said so
 * @VMFORK_WS_FAILED: it returned an error
 */
enum vmfork_ws_end {
	VMFORK_WS_COMPLETE = 0,
	VMFORK_WS_BYTES,
	VMFORK_WS_TIME,
	VMFORK_WS_STOPPED,
	VMFORK_WS_FAILED,
};

/**
 * struct vmfork_ws_options - how far to go
 * @max_bytes: apply no more of the ranges than this, in bytes, or 0
 * @max_ns: begin nothing after so many nanoseconds, or 0
 * @stop: asked before each step, which is about a millisecond's work; may ask
 *	a variable that another thread sets; or NULL
 * @arg: what @stop is given
 */
struct vmfork_ws_options {
	uint64_t max_bytes;
	uint64_t max_ns;
	bool (*stop)(void *arg);
	void *arg;
};

/**
 * struct vmfork_ws_result - what was done
 * @pages_mapped: that were not before; of vmfork_ws_apply_kvm(), all that are
 *	now
 * @pages_copied: that were not private before
 * @pages_outside: pages of the ranges that lie in none of the regions, or
 *	where the guest has no memory; they were left out
 * @ranges_done: ranges that were dealt with as a whole, from the first on
 * @end: why it ended
 * @refusal: enum vmfork_refusal, as of VMFORK_PREFAULT
 * @refused_range: index of the range that was refused
 * @refused_addr: the first address that was refused
 */
struct vmfork_ws_result {
	uint64_t pages_mapped;
	uint64_t pages_copied;
	uint64_t pages_outside;
	size_t ranges_done;
	enum vmfork_ws_end end;
	unsigned int refusal;
	size_t refused_range;
	uint64_t refused_addr;
};

/**
 * vmfork_ws_apply() - have memory there before it is asked for
 * @fd: what vmfork_open() returned, or any snapshot's file descriptor
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: where the snapshot, or parts of it, are mapped there; their @flags
 *	are 0
 * @nr_regions: how many, at most VMFORK_MAX_REGIONS
 * @ranges: the working set, in the order in which it is wanted
 * @nr: how many
 * @options: how far to go, or NULL for all the way
 * @result: what was done, on failure too; may be NULL
 *
 * Pages that will be read are mapped, those that will be written are copied.
 * The memory may be in use meanwhile, and reads the same in any case: nothing
 * has to be undone when this ends early.
 *
 * Return: 0, also when @options ended it (@end of @result says so); -EINVAL
 * for what is no pages; otherwise -errno as of vmfork_prefault(): what was
 * done before stays.
 */
int vmfork_ws_apply(int fd, int pidfd, const struct vmfork_region *regions,
		    size_t nr_regions, const struct vmfork_ws_range *ranges,
		    size_t nr, const struct vmfork_ws_options *options,
		    struct vmfork_ws_result *result);

/**
 * vmfork_ws_apply_kvm() - the same for KVM's second-level page tables
 * @vcpu: file descriptor of a vCPU that has its state and does not run; vCPUs
 *	in the same mode share what this fills
 * @ranges: the working set; offsets are taken for guest-physical addresses
 * @nr: how many
 * @options: how far to go, or NULL for all the way
 * @result: what was done, on failure too; may be NULL
 *
 * To be called after vmfork_ws_apply(): pages that have been copied get
 * writable entries, all others read-only ones.
 *
 * Return: 0, also when @options ended it; -EOPNOTSUPP if KVM can not do it
 * (before Linux 6.11, with shadow paging, or in a nested guest): nothing is
 * lost then but time; otherwise -errno.
 */
int vmfork_ws_apply_kvm(int vcpu, const struct vmfork_ws_range *ranges,
			size_t nr, const struct vmfork_ws_options *options,
			struct vmfork_ws_result *result);

/**
 * vmfork_map() - map part of a snapshot, private and writable
 * @snapshot: a snapshot's file descriptor
 * @addr: where (MAP_FIXED), or NULL for anywhere suited to huge pages
 * @len: in bytes, a multiple of 4096
 * @offset: in the snapshot, a multiple of 4096
 * @mapped: out: the address; munmap(2) it when done
 *
 * Return: 0 or -errno of mmap(2).
 */
int vmfork_map(int snapshot, void *addr, size_t len, uint64_t offset,
	       void **mapped);

/**
 * vmfork_import() - make a snapshot of a file
 * @dev: what vmfork_open() returned
 * @fd: a regular file, open for reading; it may be closed afterwards
 * @offset: where in the file the snapshot begins, a multiple of 4096
 * @len: its length in bytes, or 0 for up to the file's end
 * @result: what became of it; may be NULL
 *
 * Pages of the file are read when they are used, and shared by all who map the
 * snapshot.  While it exists, the file can not be opened for writing, where the
 * caller owns it; should it change all the same, pages that were not read
 * before are SIGBUS, or EIO.
 *
 * Return: the snapshot's file descriptor (O_CLOEXEC), owned by the caller;
 * -ENOTTY if the module is older than this call; otherwise -errno as of
 * VMFORK_IMPORT.
 */
int vmfork_import(int dev, int fd, uint64_t offset, uint64_t len,
		  struct vmfork_import *result);

/**
 * vmfork_info() - describe a snapshot
 * @snapshot: a file descriptor
 * @info: out: what is known of it
 *
 * Return: 0; -ENOTTY if @snapshot is not one.
 */
int vmfork_info(int snapshot, struct vmfork_info *info);

/**
 * vmfork_refusal_name() - short name of a refusal ("pinned")
 * @refusal: enum vmfork_refusal
 *
 * Return: a constant string, never NULL.
 */
const char *vmfork_refusal_name(unsigned int refusal);

/**
 * vmfork_refusal_advice() - one sentence on what the user can do about it
 * @refusal: enum vmfork_refusal
 *
 * Return: a constant string, never NULL.
 */
const char *vmfork_refusal_advice(unsigned int refusal);

#ifdef __cplusplus
}
#endif

#endif /* LIBVMFORK_H */
