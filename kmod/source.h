/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sources: files of which a capture finds private mappings.
 */
#ifndef VMFORK_SOURCE_H
#define VMFORK_SOURCE_H

#include <linux/list.h>

#include "tree.h"

struct file;
struct vm_area_struct;
struct vmfork_backing;
struct vmfork_owner;

/**
 * struct vmfork_source - a file, as far as a capture knows it
 * @list: of the capture's sources
 * @backing: the file
 * @tree: all its pages, by their index in the file
 */
struct vmfork_source {
	struct list_head list;
	struct vmfork_backing *backing;
	struct vmfork_tree tree;
};

struct file *vmfork_vma_source(const struct vm_area_struct *vma);
struct vmfork_source *vmfork_source_find(struct list_head *sources,
					 struct file *file,
					 struct vmfork_owner *owner);
bool vmfork_source_is_of(struct vmfork_source *source,
			 const struct vm_area_struct *vma);
void vmfork_sources_free(struct list_head *sources);

#endif /* VMFORK_SOURCE_H */
