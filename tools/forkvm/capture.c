// SPDX-License-Identifier: GPL-2.0
/*
 * Capture: guest memory into a snapshot, by vmfork or, for comparison, by
 * copying it, as VMMs do that have no vmfork.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forkvm.h"

/* Return: -1; what the pause could not do has its own sentence already */
static int fail_capture(int err, const struct vmfork_capture *result)
{
	if (err == -ECANCELED)
		return failed();
	return fail("the capture failed: %s (%s). %s", strerror(-err),
		    vmfork_refusal_name(result->refusal),
		    vmfork_refusal_advice(result->refusal));
}

static int capture_vmfork(struct vm *vm,
			  const struct vmfork_live_options *options,
			  struct vmfork_live_result *result)
{
	struct vmfork_region region[2] = { 0 };
	int dev = vmfork_open();
	unsigned int i;
	int snapshot;

	if (dev < 0)
		return fail("can not open %s: %s; load vmfork.ko, or start "
			    "forkvm with --copy", VMFORK_DEVICE,
			    strerror(-dev));
	for (i = 0; i < vm->ram.nr; i++) {
		region[i].addr = (uintptr_t)vm->ram.region[i].hva;
		region[i].len = vm->ram.region[i].size;
		region[i].offset = vm->ram.region[i].gpa;
	}
	snapshot = vmfork_capture_live(dev, -1, region, vm->ram.nr, options,
				       result);
	close(dev);
	if (snapshot < 0)
		return fail_capture(snapshot, &result->capture);
	return snapshot;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, 4095);
}

static int copy_region(const struct ram_region *r, int fd,
		       struct vmfork_capture *result)
{
	uint64_t at;

	for (at = 0; at < r->size; at += 4096) {
		if (is_zero(r->hva + at)) {
			result->pages_hole++;
			continue;
		}
		if (pwrite(fd, r->hva + at, 4096, r->gpa + at) != 4096)
			return fail_errno("can not copy the guest's memory");
		result->pages_copied++;
	}
	return 0;
}

static int copy_all(struct vm *vm, struct vmfork_capture *result)
{
	const struct ram_region *last = &vm->ram.region[vm->ram.nr - 1];
	int fd = memfd_create("forkvm-copy", MFD_CLOEXEC);
	unsigned int i;

	if (fd < 0)
		return fail_errno("can not make a memfd for the copy");
	result->snapshot_size = last->gpa + last->size;
	if (ftruncate(fd, result->snapshot_size)) {
		fail_errno("can not size the copy");
		goto err_close;
	}
	for (i = 0; i < vm->ram.nr; i++)
		if (copy_region(&vm->ram.region[i], fd, result))
			goto err_close;
	return fd;

err_close:
	close(fd);
	return -1;
}

static int capture_copy(struct vm *vm,
			const struct vmfork_live_options *options,
			struct vmfork_live_result *result)
{
	int fd;

	if (options->pause(options->arg))
		return -1;
	fd = copy_all(vm, &result->capture);
	options->resume(options->arg);
	return fd;
}

/**
 * capture() - the memory of a guest into a snapshot
 * @options: whose pause() stops the guest; it returns -ECANCELED after fail()
 * @result: counts; with --copy only pages_copied, pages_hole and the size
 *
 * The guest runs while most of it is captured, and is paused for the rest.
 *
 * Return: the snapshot's file descriptor, or -1.
 */
int capture(struct vm *vm, const struct vmfork_live_options *options,
	    struct vmfork_live_result *result)
{
	memset(result, 0, sizeof(*result));
	if (vm->config.copy)
		return capture_copy(vm, options, result);
	return capture_vmfork(vm, options, result);
}
