// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a capture may take, as far as numbers alone tell; and the errno of each
 * refusal.  Pure logic, tested in userspace (selftests/unit).
 */
#include <linux/errno.h>
#include <linux/kernel.h>

#include "ranges.h"

#define PAGE_OFFSET_BITS	4095ULL

static const int refusal_errno[] = {
	[VMFORK_OK]		= 0,
	[VMFORK_UNALIGNED]	= -EINVAL,
	[VMFORK_OVERFLOW]	= -EOVERFLOW,
	[VMFORK_OVERLAP]	= -EEXIST,
	[VMFORK_UNMAPPED]	= -EFAULT,
	[VMFORK_SHARED]		= -EXDEV,
	[VMFORK_FILE]		= -EOPNOTSUPP,
	[VMFORK_HUGETLB]	= -EMEDIUMTYPE,
	[VMFORK_SPECIAL]	= -ENODEV,
	[VMFORK_UFFD]		= -EADDRINUSE,
	[VMFORK_LOCKED]		= -ENOLCK,
	[VMFORK_STACK]		= -ENOTUNIQ,
	[VMFORK_PINNED]		= -EBUSY,
	[VMFORK_RACE]		= -EAGAIN,
	[VMFORK_POISON]		= -EHWPOISON,
	[VMFORK_SWAPIN]		= -EIO,
	[VMFORK_DYING]		= -ESRCH,
	[VMFORK_QUOTA]		= -EDQUOT,
	[VMFORK_NO_MAPPING]	= -ENXIO,
	[VMFORK_SIZE]		= -ERANGE,
	[VMFORK_FILE_BUSY]	= -ETXTBSY,
};

/**
 * vmfork_refusal_errno() - the errno that goes with a refusal
 * @reason: enum vmfork_refusal
 *
 * Return: 0 or a negative errno.
 */
int vmfork_refusal_errno(u32 reason)
{
	return reason < ARRAY_SIZE(refusal_errno) ? refusal_errno[reason] :
						    -EINVAL;
}

static bool overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

static bool is_wiped(const struct vmfork_region *r)
{
	return r->flags & VMFORK_REGION_WIPE;
}

static u32 check_one(const struct vmfork_region *r, u64 task_size, u64 size)
{
	if (!r->len || (r->addr | r->len | r->offset) & PAGE_OFFSET_BITS)
		return VMFORK_UNALIGNED;
	if (r->addr >= task_size || r->len > task_size - r->addr)
		return VMFORK_OVERFLOW;
	if (is_wiped(r))
		return r->offset ? VMFORK_UNALIGNED : VMFORK_OK;
	if (r->offset >= size || r->len > size - r->offset)
		return VMFORK_OVERFLOW;
	return VMFORK_OK;
}

/**
 * vmfork_check_regions() - check the regions of a capture
 * @regions: to check
 * @nr: how many
 * @task_size: end of the user address space, in bytes
 * @size: of the snapshot in bytes, or 0; set to the end of the last region
 *	if it is 0
 * @why: set on failure
 *
 * Return: 0 or the errno of the refusal.
 */
int vmfork_check_regions(const struct vmfork_region *regions, u32 nr,
			 u64 task_size, u64 *size, struct vmfork_refused *why)
{
	u64 limit = *size ?: VMFORK_MAX_SIZE, end = 0;
	u32 i, j, reason;

	for (i = 0; i < nr; i++) {
		const struct vmfork_region *a = &regions[i];

		reason = check_one(a, task_size, limit);
		for (j = 0; !reason && j < i; j++) {
			const struct vmfork_region *b = &regions[j];

			if (is_wiped(a) || is_wiped(b))
				continue;
			if (overlap(a->addr, a->len, b->addr, b->len) ||
			    overlap(a->offset, a->len, b->offset, b->len))
				reason = VMFORK_OVERLAP;
		}
		if (reason) {
			why->reason = reason;
			why->region = i;
			why->addr = a->addr;
			return vmfork_refusal_errno(reason);
		}
		if (!is_wiped(a) && a->offset + a->len > end)
			end = a->offset + a->len;
	}
	if (!*size)
		*size = end;
	return 0;
}

/**
 * vmfork_check_ranges() - check ranges of addresses
 * @ranges: to check
 * @nr: how many
 * @apart: they must not overlap (takes time as the square of @nr)
 * @task_size: end of the user address space, in bytes
 * @why: set on failure
 *
 * Return: 0 or the errno of the refusal.
 */
int vmfork_check_ranges(const struct vmfork_range *ranges, u32 nr,
			bool apart, u64 task_size, struct vmfork_refused *why)
{
	u32 i, j, reason = VMFORK_OK;

	for (i = 0; i < nr; i++) {
		const struct vmfork_range *a = &ranges[i];

		if (!a->len || (a->start | a->len) & PAGE_OFFSET_BITS)
			reason = VMFORK_UNALIGNED;
		else if (a->start >= task_size ||
			 a->len > task_size - a->start)
			reason = VMFORK_OVERFLOW;
		for (j = 0; apart && !reason && j < i; j++)
			if (overlap(a->start, a->len, ranges[j].start,
				    ranges[j].len))
				reason = VMFORK_OVERLAP;
		if (reason) {
			why->reason = reason;
			why->region = i;
			why->addr = a->start;
			return vmfork_refusal_errno(reason);
		}
	}
	return 0;
}

/**
 * vmfork_next_kept() - the next part of a range that no region wipes
 * @regions: of a capture, checked
 * @nr: how many
 * @range_end: where the range ends
 * @addr: where it begins; set to where the part begins
 * @end: set to where the part ends
 *
 * Return: false if all of the range is wiped.
 */
bool vmfork_next_kept(const struct vmfork_region *regions, u32 nr,
		      u64 range_end, u64 *addr, u64 *end)
{
	u32 i = 0;

	while (i < nr) {
		const struct vmfork_region *r = &regions[i++];

		if (is_wiped(r) && *addr >= r->addr &&
		    *addr - r->addr < r->len) {
			*addr = r->addr + r->len;
			i = 0;
		}
	}
	*end = range_end;
	for (i = 0; i < nr; i++)
		if (is_wiped(&regions[i]) && regions[i].addr > *addr &&
		    regions[i].addr < *end)
			*end = regions[i].addr;
	return *addr < range_end;
}
