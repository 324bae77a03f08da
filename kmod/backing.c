// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backing: a file that pages of snapshots are read from when they are used.
 *
 * A page of another file's page cache can not be mapped by us: who truncates
 * that file, or drops its pages, would not find our mappings.  So what is read
 * is copied, once, into the backing's own store, from where all mappings of all
 * snapshots that have this page share it, and the page cache can be reclaimed.
 *
 * Slots of page trees know a backing by its number, and each holds a reference;
 * with the last one the file is closed and what was read is freed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "backing_priv.h"
#include "owner.h"
#include "pages.h"
#include "tree.h"

static DEFINE_XARRAY_ALLOC(backings);

/**
 * vmfork_backing_suits() - can pages be read from a file
 * @file: any
 *
 * It has to be what mmap(2) shows through the page cache.  Files of kernfs and
 * configfs look so, and are not.
 *
 * Return: true if so.
 */
bool vmfork_backing_suits(const struct file *file)
{
	struct address_space *mapping = file->f_mapping;

	if (!S_ISREG(file_inode(file)->i_mode) || !file->f_op->mmap ||
	    IS_DAX(mapping->host))
		return false;
	if (shmem_mapping(mapping))
		return true;
	if (mapping->a_ops == &ram_aops && !mapping_unevictable(mapping))
		return false;
	return mapping->a_ops->read_folio;
}

static void free_pages_read(struct vmfork_backing *backing)
{
	struct page *page;
	unsigned long at;

	xa_for_each(&backing->pages, at, page) {
		vmfork_page_put(page, false);
		cond_resched();
	}
	xa_destroy(&backing->pages);
}

static void free_backing(struct vmfork_backing *backing)
{
	vmfork_stamp_end(backing);
	fput(backing->file);
	free_pages_read(backing);
	vmfork_owner_put(backing->owner);
	kfree(backing);
}

/**
 * vmfork_backing_put() - drop a reference
 * @backing: may be NULL
 *
 * May sleep, if it is the last one.
 */
void vmfork_backing_put(struct vmfork_backing *backing)
{
	if (!backing || !atomic_long_dec_and_test(&backing->refs))
		return;
	xa_erase(&backings, backing->number);
	free_backing(backing);
}

/**
 * vmfork_backing_of() - the backing of a slot
 * @slot: VMFORK_SLOT_FILE, in a tree that the caller holds
 *
 * Return: the backing, which the slot holds.
 */
struct vmfork_backing *vmfork_backing_of(unsigned long slot)
{
	return xa_load(&backings, vmfork_slot_file_number(slot));
}

/**
 * vmfork_backing_get_of() - the same, with a reference
 * @slot: VMFORK_SLOT_FILE, in a tree that the caller holds
 *
 * Return: the backing, for vmfork_backing_put().
 */
struct vmfork_backing *vmfork_backing_get_of(unsigned long slot)
{
	struct vmfork_backing *backing = vmfork_backing_of(slot);

	atomic_long_inc(&backing->refs);
	return backing;
}

/**
 * vmfork_backing_get_slots() - take references for slots
 * @number: of a backing that the caller holds
 * @nr: how many
 */
void vmfork_backing_get_slots(u32 number, unsigned int nr)
{
	struct vmfork_backing *backing = xa_load(&backings, number);

	atomic_long_add(nr, &backing->refs);
}

/**
 * vmfork_backing_put_slot() - drop a slot's reference
 * @number: of the backing
 *
 * May sleep, if it is the last one.
 */
void vmfork_backing_put_slot(u32 number)
{
	vmfork_backing_put(xa_load(&backings, number));
}

/*
 * One's own open file: the caller's may be open for writing, which would keep
 * anybody from guarding it, and its position is the caller's.
 */
static struct file *open_again(struct file *file)
{
	const int flags = O_RDONLY | O_LARGEFILE | O_NOATIME;
	struct file *own;

	own = dentry_open(&file->f_path, flags, file->f_cred);
	if (IS_ERR(own) || own->f_mapping == file->f_mapping)
		return own;
	fput(own);
	/* Mapped through overlayfs: the path is that file system's own. */
	return open_with_fake_path(&file->f_path, flags, file_inode(file),
				   file->f_cred);
}

/**
 * vmfork_backing_create() - make a file a backing, as it is now
 * @file: open for reading; vmfork_backing_suits()
 * @owner: who is charged for what is read
 *
 * May do I/O.
 *
 * Return: the backing, for vmfork_backing_put(), or an ERR_PTR(): -ETXTBSY if
 * the file is such that changes could not be noticed.
 */
struct vmfork_backing *vmfork_backing_create(struct file *file,
					     struct vmfork_owner *owner)
{
	struct vmfork_backing *backing;
	int err;

	backing = kzalloc(sizeof(*backing), VMFORK_GFP | __GFP_ACCOUNT);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	backing->file = open_again(file);
	if (IS_ERR(backing->file)) {
		err = PTR_ERR(backing->file);
		kfree(backing);
		return ERR_PTR(err);
	}
	atomic_long_set(&backing->refs, 1);
	mutex_init(&backing->guard_lock);
	xa_init_flags(&backing->pages, XA_FLAGS_ACCOUNT);
	file_ra_state_init(&backing->ra, backing->file->f_mapping);
	backing->owner = vmfork_owner_hold(owner);
	backing->may_guard = file_owner_or_capable(file);
	err = vmfork_stamp_begin(backing);
	if (!err)
		err = xa_alloc(&backings, &backing->number, backing,
			       XA_LIMIT(0, VMFORK_MAX_FILES - 1), VMFORK_GFP);
	if (err) {
		free_backing(backing);
		return ERR_PTR(err == -EBUSY ? -ENFILE : err);
	}
	return backing;
}

/**
 * vmfork_backing_is_of() - is a backing that of a file
 * @backing: the backing
 * @file: the file
 *
 * Return: true if they are of the same inode.
 */
bool vmfork_backing_is_of(const struct vmfork_backing *backing,
			  const struct file *file)
{
	return backing->file->f_mapping == file->f_mapping;
}

/**
 * vmfork_backing_size() - how large the file was when it became a backing
 * @backing: the backing
 *
 * Return: bytes.
 */
u64 vmfork_backing_size(const struct vmfork_backing *backing)
{
	return backing->stamp.size;
}

/**
 * vmfork_backing_errors() - how many reads of it have failed
 * @backing: the backing
 *
 * Return: the number.
 */
u64 vmfork_backing_errors(const struct vmfork_backing *backing)
{
	return atomic64_read(&backing->errors);
}

/* Where the next data begins, at @pos or behind it, and ends; @end at most. */
static bool next_data(struct file *file, loff_t *pos, loff_t *data_end,
		      loff_t end)
{
	loff_t data = vfs_llseek(file, *pos, SEEK_DATA), hole;

	if (data == -ENXIO || data >= end)
		return false;
	/* Where it can not tell, everything is data. */
	if (data < *pos)
		data = *pos;
	hole = vfs_llseek(file, data, SEEK_HOLE);
	*pos = data;
	*data_end = hole > data ? min(hole, end) : end;
	return true;
}

/**
 * vmfork_backing_layout() - put the pages of a range of the file in a tree
 * @backing: the backing
 * @tree: a change under way, or nobody else's; has nothing there
 * @offset: where the range begins, in the file; its first page is that of
 *	index 0 in @tree.  A multiple of PAGE_SIZE
 * @len: its length in bytes; it ends within the file
 *
 * What is a hole in the file is one in @tree.  Does I/O.
 *
 * Return: 0, -ENOMEM or -EINTR; part of it may be there then.
 */
int vmfork_backing_layout(struct vmfork_backing *backing,
			  struct vmfork_tree *tree, u64 offset, u64 len)
{
	loff_t pos = offset, end = offset + len, data_end;
	u64 base = offset >> PAGE_SHIFT, done = base, first, last;
	int err = 0;

	for (; !err && pos < end; pos = data_end) {
		if (!next_data(backing->file, &pos, &data_end, end))
			break;
		first = max_t(u64, pos >> PAGE_SHIFT, done);
		last = DIV_ROUND_UP(data_end, PAGE_SIZE);
		if (first < last)
			err = vmfork_tree_set_file(tree, first - base,
						   last - first,
						   backing->number, first);
		done = max(done, last);
		if (fatal_signal_pending(current))
			err = err ?: -EINTR;
	}
	return err;
}

/**
 * vmfork_backing_find() - look up what was read
 * @backing: held by the caller
 * @at: in pages
 *
 * Return: the page, which @backing holds for ever, or NULL.
 */
struct page *vmfork_backing_find(struct vmfork_backing *backing, u64 at)
{
	return xa_load(&backing->pages, at);
}

/**
 * vmfork_backing_count() - how much of a range was read
 * @backing: held by the caller
 * @at: where the range begins, in pages
 * @nr: its length in pages
 *
 * Return: pages.
 */
u64 vmfork_backing_count(struct vmfork_backing *backing, u64 at, u64 nr)
{
	struct page *page;
	unsigned long i;
	u64 found = 0;

	xa_for_each_range(&backing->pages, i, page, at, at + nr - 1) {
		found++;
		if (!(found % 1024))
			cond_resched();
	}
	return found;
}

/**
 * vmfork_backing_alone() - what was read of a file, if it is for few
 * @number: of the backing, which the caller holds by some of these slots
 * @slots: so many
 *
 * Return: pages; 0 if there are more slots that name it, or somebody is just at
 * work with it.
 */
u64 vmfork_backing_alone(u32 number, u64 slots)
{
	struct vmfork_backing *backing = xa_load(&backings, number);

	if (atomic_long_read(&backing->refs) != slots)
		return 0;
	return vmfork_backing_count(backing, 0, VMFORK_FILE_PAGES);
}

/**
 * vmfork_backing_cleanup() - when the module goes
 */
void vmfork_backing_cleanup(void)
{
	WARN_ON(!xa_empty(&backings));
	xa_destroy(&backings);
}
