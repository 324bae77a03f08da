/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_COMPAT_MM_H
#define VMFORK_COMPAT_MM_H

#include_next <linux/mm.h>

#ifndef VMFORK_HAVE_VM_FLAGS_SET
/* 6.3, 1c71222e5f23 ("mm: replace vma->vm_flags direct modifications") */
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

#ifndef VMFORK_HAVE_VMA_START_WRITE
/* 6.4, 5e31275cc997 ("mm: add per-VMA lock and helper functions") */
static inline void vma_start_write(struct vm_area_struct *vma)
{
}
#endif

#ifndef VMFORK_HAVE_RELEASE_FAULT_LOCK
/* 6.6, 1235ccd05b6d ("mm: handle swap page faults under per-VMA lock") */
static inline void release_fault_lock(struct vm_fault *vmf)
{
	mmap_read_unlock(vmf->vma->vm_mm);
}
#endif

#ifndef VMFORK_HAVE_VMA_THP_DISABLED
/* 6.12, 963756aac1f0 ("mm: huge_memory: add vma_thp_disabled() and ...") */
#include <linux/sched/coredump.h>

static inline bool vma_thp_disabled(struct vm_area_struct *vma,
				    unsigned long vm_flags)
{
	return vm_flags & VM_NOHUGEPAGE ||
	       test_bit(MMF_DISABLE_THP, &vma->vm_mm->flags);
}
#endif

#endif /* VMFORK_COMPAT_MM_H */
