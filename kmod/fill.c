// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a backing are read: through its file's page cache, as a fault of a
 * mapping of that file would.
 *
 * That takes no lock but those which such a fault takes (invalidate_lock, and
 * folios'), so it may be done under an mmap lock; ->read_iter() may not.
 *
 * What was read is used only after vmfork_backing_check().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/timekeeping.h>

#include "backing_priv.h"
#include "owner.h"
#include "pages.h"
#include "trace.h"
#include "tree.h"

#define BATCH		16	/* pages that are read before one check */
#define AHEAD		32	/* pages that readahead is asked for */
#define MAX_ATTEMPTS	10	/* at a page that is thrown out meanwhile */

/* Is @page what it was when it was looked up?  Then it is locked. */
static int lock_cached(struct address_space *mapping, struct page *page)
{
	int err = folio_lock_killable(page_folio(page));

	if (err)
		return err;
	if (page_folio(page)->mapping == mapping && PageUptodate(page))
		return 0;
	unlock_page(page);
	return -EAGAIN;
}

/* A page that is in the page cache, or NULL; -EAGAIN if it is not read yet. */
static struct page *find_cached(struct address_space *mapping, u64 at,
				bool nowait)
{
	struct page *page = find_get_page(mapping, at);
	int err = 0;

	if (!page || PageUptodate(page))
		return page;
	err = nowait ? -EAGAIN : lock_cached(mapping, page);
	if (!err) {
		unlock_page(page);
		return page;
	}
	put_page(page);
	/* Perhaps an error of readahead: read it for one's own sake. */
	return err == -EAGAIN && !nowait ? NULL : ERR_PTR(err);
}

static void read_ahead(struct vmfork_backing *backing, u64 at, u64 nr)
{
	struct file *file = backing->file;

	page_cache_sync_readahead(file->f_mapping, &backing->ra, file, at,
				  max_t(u64, nr, AHEAD));
}

/* The reader has come to what was read ahead: go on with that. */
static void read_further(struct vmfork_backing *backing, struct page *page,
			 u64 at, u64 nr)
{
	DEFINE_READAHEAD(ractl, backing->file, &backing->ra,
			 backing->file->f_mapping, at);
	struct folio *folio = page_folio(page);

	if (folio_test_readahead(folio))
		page_cache_async_ra(&ractl, folio, max_t(u64, nr, AHEAD));
}

/* A page of the file, up to date, as the first of @nr that are wanted. */
static struct page *read_cached(struct vmfork_backing *backing, u64 at, u64 nr,
				bool nowait)
{
	struct address_space *mapping = backing->file->f_mapping;
	struct page *page;

	if (shmem_mapping(mapping)) {
		if (nowait)
			return find_cached(mapping, at, true) ?:
			       ERR_PTR(-EAGAIN);
		return shmem_read_mapping_page(mapping, at);
	}
	page = find_cached(mapping, at, nowait);
	if (page && !IS_ERR(page) && !nowait)
		read_further(backing, page, at, nr);
	if (page)
		return page;
	if (nowait)
		return ERR_PTR(-EAGAIN);
	read_ahead(backing, at, nr);
	page = find_cached(mapping, at, false);
	if (page)
		return page;
	filemap_invalidate_lock_shared(mapping);
	page = read_mapping_page(mapping, at, backing->file);
	filemap_invalidate_unlock_shared(mapping);
	return page;
}

/* As who opened the file: the current task may have no business with it. */
static struct page *read_page(struct vmfork_backing *backing, u64 at, u64 nr,
			      bool nowait)
{
	const struct cred *old;
	struct page *page;

	if (READ_ONCE(backing->changed))
		return ERR_PTR(-EIO);
	old = override_creds(backing->file->f_cred);
	page = read_cached(backing, at, nr, nowait);
	revert_creds(old);
	if (IS_ERR(page)) {
		int err = PTR_ERR(page);

		if (err == -EAGAIN || err == -EINTR || err == -ENOMEM)
			return page;
		/* The file may have been cut, which is a change like any. */
		vmfork_backing_check(backing);
		return ERR_PTR(-EIO);
	}
	if (PageHWPoison(page)) {
		put_page(page);
		page = ERR_PTR(-EIO);
	}
	return page;
}

static struct page *copy_of(struct vmfork_backing *backing, u64 at, u64 nr,
			    bool nowait)
{
	struct page *src = read_page(backing, at, nr, nowait), *page;

	if (IS_ERR(src))
		return src;
	page = alloc_page(GFP_HIGHUSER | __GFP_ACCOUNT);
	if (page)
		copy_highpage(page, src);
	put_page(src);
	return page ?: ERR_PTR(-ENOMEM);
}

/*
 * Put a page in the store, whose reference it becomes.  One that its owner may
 * not be charged for is not shared: it is the reader's alone.
 */
static int store(struct vmfork_backing *backing, u64 at, struct page *page)
{
	void *old;

	if (vmfork_owner_charge(backing->owner, 1))
		return -EDQUOT;
	vmfork_page_own(page, at, vmfork_owner_number(backing->owner));
	get_page(page);
	old = xa_cmpxchg(&backing->pages, at, NULL, page, GFP_KERNEL);
	if (!old) {
		put_page(page);
		return 0;
	}
	/* Gives back the charge, and one of two references. */
	vmfork_page_put(page, false);
	return xa_is_err(old) ? xa_err(old) : -EEXIST;
}

static void count_error(struct vmfork_backing *backing, int err)
{
	if (err != -EAGAIN && err != -EINTR && err != -ENOMEM)
		atomic64_inc(&backing->errors);
}

/*
 * Read up to @nr pages, of which there is one at least; returns how many were,
 * or why the first was not.
 */
static int read_batch(struct vmfork_backing *backing, u64 at, u64 nr,
		      bool nowait, struct page **pages)
{
	unsigned int i;
	int err;

	pages[0] = copy_of(backing, at, nr, nowait);
	if (IS_ERR(pages[0]))
		return PTR_ERR(pages[0]);
	for (i = 1; i < nr; i++) {
		cond_resched();
		if (fatal_signal_pending(current) ||
		    vmfork_backing_find(backing, at + i))
			break;
		pages[i] = copy_of(backing, at + i, nr - i, nowait);
		if (IS_ERR(pages[i]))
			break;
	}
	err = vmfork_backing_check(backing);
	if (!err)
		return i;
	while (i--)
		put_page(pages[i]);
	return err;
}

/* Nothing can be kept: to read more would be for nothing. */
static bool is_full(int err)
{
	return err && err != -EEXIST;
}

/* The first page as the caller gets it, with a reference. */
static struct page *store_first(struct vmfork_backing *backing, u64 at,
				struct page *page, bool *full)
{
	int err = store(backing, at, page);

	*full = is_full(err);
	if (err == -EEXIST) {
		put_page(page);
		page = vmfork_backing_find(backing, at);
		err = 0;
	}
	if (!err)
		get_page(page);
	return page;
}

/* One batch at most; returns how far it came. */
static int fill_batch(struct vmfork_backing *backing, u64 at, u64 nr,
		      bool nowait, struct page **first)
{
	struct page *pages[BATCH] = { NULL };
	int i, done, err, kept = 1;
	bool full;

	done = read_batch(backing, at, min_t(u64, nr, BATCH), nowait, pages);
	if (done < 0)
		return done;
	*first = store_first(backing, at, pages[0], &full);
	for (i = 1; i < done; i++) {
		err = full ? -EDQUOT : store(backing, at + i, pages[i]);
		if (err)
			put_page(pages[i]);
		full = is_full(err);
		kept += !full;
	}
	return full ? kept : done;
}

static void tell(struct vmfork_backing *backing, u64 at, u64 pages, int err,
		 u64 begin)
{
	struct inode *inode = file_inode(backing->file);

	trace_vmfork_file_read(inode->i_sb->s_dev, inode->i_ino,
			       at << PAGE_SHIFT, pages, err,
			       ktime_get_ns() - begin);
}

/**
 * vmfork_backing_fill() - read pages into the store
 * @backing: held by the caller
 * @at: the first page
 * @nr: how many; what follows the first is read if nothing is in the way
 * @nowait: do not wait for I/O
 * @first: out: the first page, with a reference for the caller.  If the owner
 *	has reached his limit, it is not in the store, and nobody else's.
 *
 * Return: 0; -EAGAIN if it would have to wait; -EIO if it could not be read,
 * or the file is not what it was; -EINTR, -ENOMEM.
 */
int vmfork_backing_fill(struct vmfork_backing *backing, u64 at, u64 nr,
			bool nowait, struct page **first)
{
	u64 begin = 0, done = 0;
	struct page *page;
	int n;

	if (nowait && !vmfork_stamp_is_quick(backing))
		return -EAGAIN;
	if (trace_vmfork_file_read_enabled())
		begin = ktime_get_ns();
	do {
		n = fill_batch(backing, at + done, nr - done, nowait, &page);
		if (n < 0)
			break;
		if (done)
			put_page(page);
		else
			*first = page;
		done += n;
	} while (n == BATCH && done < nr && !fatal_signal_pending(current));
	n = done ? 0 : n;
	if (n)
		count_error(backing, n);
	if (begin && n != -EAGAIN)
		tell(backing, at, done, n, begin);
	return n;
}

/**
 * vmfork_backing_borrow() - look at a page of the file, and read it if need be
 * @backing: held by the caller
 * @at: the page
 * @nowait: do not wait for I/O
 *
 * Nothing is kept of it.  Whoever has used it asks vmfork_backing_check()
 * whether it was right.
 *
 * Return: the page, with a reference; it must not be mapped.  Or an ERR_PTR(),
 * as vmfork_backing_fill().
 */
struct page *vmfork_backing_borrow(struct vmfork_backing *backing, u64 at,
				   bool nowait)
{
	struct page *page = read_page(backing, at, 1, nowait);

	if (IS_ERR(page))
		count_error(backing, PTR_ERR(page));
	return page;
}

/*
 * Asking another machine may throw the very page out, so that is done before it
 * is locked.  If it is thrown out after that, or read anew, we see it.
 */
static int lock_right(struct vmfork_backing *backing, struct page *page,
		      bool nowait)
{
	int err = 0;

	if (nowait && PageLocked(page))
		return -EAGAIN;
	if (!vmfork_stamp_is_quick(backing))
		err = vmfork_backing_check(backing);
	if (!err)
		err = lock_cached(backing->file->f_mapping, page);
	if (err)
		return err;
	err = vmfork_backing_check_quick(backing);
	if (err)
		unlock_page(page);
	return err;
}

/**
 * vmfork_backing_borrow_locked() - the same, locked, and right
 * @backing: held by the caller
 * @at: the page
 * @nowait: do not wait for I/O
 *
 * For the kernel's copy-on-write, which copies what ->fault() returns, and
 * unlocks it then.  Nobody can write to it, nor truncate it, until it does.
 *
 * Return: the page, with a reference; or an ERR_PTR().
 */
struct page *vmfork_backing_borrow_locked(struct vmfork_backing *backing,
					  u64 at, bool nowait)
{
	struct page *page;
	unsigned int i;
	int err = -EAGAIN;

	if (nowait && !vmfork_stamp_is_quick(backing))
		return ERR_PTR(-EAGAIN);
	for (i = 0; err == -EAGAIN && i < MAX_ATTEMPTS; i++) {
		page = vmfork_backing_borrow(backing, at, nowait);
		if (IS_ERR(page))
			return page;
		err = lock_right(backing, page, nowait);
		if (!err)
			return page;
		put_page(page);
		if (nowait)
			break;
	}
	if (err == -EAGAIN && !nowait)
		err = -EIO;
	count_error(backing, err);
	return ERR_PTR(err);
}
