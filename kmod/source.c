// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources: files of which a capture finds private mappings.
 *
 * What the process has written there is anonymous memory, and taken as such.
 * All else is the file's: the snapshot's tree says so, as that of an import
 * does.  What a file looks like is found out beforehand, all of it, so that
 * nothing has to be read or waited for while the mmap lock is held for writing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "backing.h"
#include "mapping.h"
#include "source.h"

/**
 * vmfork_vma_source() - the file that a VMA maps
 * @vma: any
 *
 * Return: the file, or NULL if it is anonymous memory or maps a snapshot.
 */
struct file *vmfork_vma_source(const struct vm_area_struct *vma)
{
	return vma->vm_ops && !vmfork_vma_mapping(vma) ? vma->vm_file : NULL;
}

static void free_source(struct vmfork_source *source)
{
	vmfork_tree_destroy(&source->tree);
	vmfork_backing_put(source->backing);
	kfree(source);
}

static struct vmfork_source *create(struct file *file,
				    struct vmfork_owner *owner)
{
	struct vmfork_source *source = kzalloc(sizeof(*source), VMFORK_GFP);
	u64 size;
	int err;

	if (!source)
		return ERR_PTR(-ENOMEM);
	source->backing = vmfork_backing_create(file, owner);
	if (IS_ERR(source->backing)) {
		err = PTR_ERR(source->backing);
		kfree(source);
		return ERR_PTR(err);
	}
	size = min_t(u64, vmfork_backing_size(source->backing),
		     VMFORK_FILE_PAGES << PAGE_SHIFT);
	vmfork_tree_init(&source->tree, DIV_ROUND_UP(size, PAGE_SIZE));
	err = vmfork_backing_layout(source->backing, &source->tree, 0, size);
	/* Was it written to while its holes were looked for? */
	if (!err && vmfork_backing_check(source->backing))
		err = -ETXTBSY;
	if (err) {
		free_source(source);
		return ERR_PTR(err);
	}
	vmfork_tree_seal(&source->tree);
	return source;
}

/**
 * vmfork_source_find() - what is known of a file, or can be found out
 * @sources: of the capture
 * @file: vmfork_backing_suits()
 * @owner: who is charged for pages that are read
 *
 * May do I/O.
 *
 * Return: the source, which @sources holds, or an ERR_PTR().
 */
struct vmfork_source *vmfork_source_find(struct list_head *sources,
					 struct file *file,
					 struct vmfork_owner *owner)
{
	struct vmfork_source *source;

	list_for_each_entry(source, sources, list) {
		if (vmfork_backing_is_of(source->backing, file) &&
		    !vmfork_backing_check(source->backing))
			return source;
	}
	source = create(file, owner);
	if (!IS_ERR(source))
		list_add(&source->list, sources);
	return source;
}

/**
 * vmfork_source_is_of() - is it what a VMA maps
 * @source: or NULL
 * @vma: vmfork_vma_source(); the mmap lock is held
 *
 * Waits for nothing, and so does not ask other machines.
 *
 * Return: true if so, and the file has not changed.
 */
bool vmfork_source_is_of(struct vmfork_source *source,
			 const struct vm_area_struct *vma)
{
	return source && vmfork_backing_is_of(source->backing, vma->vm_file) &&
	       vmfork_backing_check_quick(source->backing) == 0;
}

/**
 * vmfork_sources_free() - when a capture is over
 * @sources: of it
 */
void vmfork_sources_free(struct list_head *sources)
{
	struct vmfork_source *source, *next;

	list_for_each_entry_safe(source, next, sources, list)
		free_source(source);
	INIT_LIST_HEAD(sources);
}
