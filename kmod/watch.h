/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes to pages of a snapshot that are mapped already.
 */
#ifndef VMFORK_WATCH_H
#define VMFORK_WATCH_H

#include <linux/tracepoint.h>

struct mm_struct;
struct vm_area_struct;

#ifdef TRACEPOINTS_ENABLED
int vmfork_watch_enable(void);
void vmfork_watch_disable(void);

void vmfork_watch_open(struct vm_area_struct *vma);
void vmfork_watch_close(struct vm_area_struct *vma);
void vmfork_watch_explain(struct mm_struct *mm, unsigned long addr);
void vmfork_watch_cleanup(void);
#else
static inline void vmfork_watch_open(struct vm_area_struct *vma)
{
}

static inline void vmfork_watch_close(struct vm_area_struct *vma)
{
}

static inline void vmfork_watch_explain(struct mm_struct *mm,
					unsigned long addr)
{
}

static inline void vmfork_watch_cleanup(void)
{
}
#endif

#endif /* VMFORK_WATCH_H */
