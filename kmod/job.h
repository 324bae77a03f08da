/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A capture: regions of a process become a snapshot.
 */
#ifndef VMFORK_JOB_H
#define VMFORK_JOB_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/vmfork.h>

#include "ranges.h"
#include "target.h"

struct file;
struct vmfork_owner;

/**
 * struct vmfork_job - a capture under way
 * @arg: the ioctl's argument and results
 * @regions: @arg.nr_regions of them
 * @target: captured from
 * @file: of the new snapshot
 * @why: what was refused
 * @owner: who is charged for the pages
 * @sources: files that are mapped privately
 * @wiped: pages of the regions that were left out
 * @slice_ns: how long the mmap lock may be held at a time
 * @slices: file of the mapping that slices are made part of, or NULL
 * @into: file of vmforkfs that becomes the snapshot's, or NULL
 */
struct vmfork_job {
	struct vmfork_capture arg;
	struct vmfork_region *regions;
	struct vmfork_target target;
	struct file *file;
	struct vmfork_refused why;
	struct vmfork_owner *owner;
	struct list_head sources;
	u64 wiped;
	u64 slice_ns;
	struct file *slices;
	struct file *into;
};

int vmfork_job_run(struct vmfork_job *job);

#endif /* VMFORK_JOB_H */
