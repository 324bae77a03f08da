// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that make, change and use the memory of the arena.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <linux/mempolicy.h>

#include "calls.h"
#include "world.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#define MADV_SOFT_OFFLINE_	101
#define MAP_DROPPABLE_	0x08
#define FIXED		(MAP_PRIVATE | MAP_FIXED)
#define FIXED_ANON	(FIXED | MAP_ANONYMOUS)

static long map_at(uint64_t page, uint64_t pages, int prot, int flags, int fd)
{
	void *p = mmap(page_addr(page), pages * PAGE, prot, flags, fd, 0);

	if (p == MAP_FAILED) {
		/* What was there may be gone. */
		if (errno == ENOMEM)
			model_unknown(page, pages);
		return -errno;
	}
	return 0;
}

static long map_anon(uint64_t page, uint64_t pages, int prot, int more,
		     int advice)
{
	long err = map_at(page, pages, prot, FIXED_ANON | more, -1);

	if (err)
		return err;
	model_set(page, pages, PAGE_ANON, prot, VAL_ZERO);
	if (advice)
		madvise(page_addr(page), pages * PAGE, advice);
	return 0;
}

static long map_odd(uint64_t page, uint64_t pages, int prot, int flags, int fd)
{
	long err = map_at(page, pages, prot, flags, fd);

	if (!err)
		model_unknown(page, pages);
	return err;
}

static long map_path(uint64_t page, uint64_t pages, int prot, int flags,
		     const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	long err;

	if (fd < 0)
		return -errno;
	err = map_odd(page, pages, prot, flags, fd);
	close(fd);
	return err;
}

static long map_zero_device(uint64_t page, uint64_t pages, int prot)
{
	long err = map_path(page, pages, prot, FIXED, "/dev/zero");

	if (!err)
		model_set(page, pages, PAGE_ANON, prot, VAL_ZERO);
	return err;
}

static long map_secret(uint64_t page, uint64_t pages, int prot)
{
	if (!w.secret) {
		int fd = syscall(SYS_memfd_secret, 0);

		if (fd < 0 || ftruncate(fd, 64 * PAGE))
			return -errno;
		w.secret = fd;
	}
	return map_odd(page, pages, prot, MAP_SHARED | MAP_FIXED, w.secret);
}

static long map_huge(uint64_t page, uint64_t pages, int prot, int how)
{
	page -= page % HUGE_PAGES;
	pages = pages > HUGE_PAGES ? 2 * HUGE_PAGES : HUGE_PAGES;
	pages = clip(&page, pages);
	return map_odd(page, pages, prot, how | MAP_FIXED | MAP_ANONYMOUS |
		       MAP_HUGETLB, -1);
}

/* Memory of a device: physical address 0 needs no device that may be missing */
static long map_device(uint64_t page, uint64_t pages, int prot, int how)
{
	return map_path(page, pages % 16, prot & PROT_READ, how | MAP_FIXED,
			"/dev/mem");
}

static long map_droppable(uint64_t page, uint64_t pages, int prot)
{
	long err = map_odd(page, pages, prot, MAP_DROPPABLE_ | MAP_FIXED |
			   MAP_ANONYMOUS, -1);

	if (!err)
		model_flag(page, pages, PF_WIPE);
	return err;
}

static long map_shared(uint64_t page, uint64_t pages, int prot, int more)
{
	long err = map_at(page, pages, prot, MAP_SHARED | MAP_FIXED |
			  MAP_ANONYMOUS | more, -1);

	if (!err)
		model_set(page, pages, PAGE_SHARED, prot, VAL_ZERO);
	return err;
}

/* map PAGE PAGES KIND PROT */
long call_map(const uint64_t *arg)
{
	uint64_t page = arg[0], pages = clip(&page, arg[1]);
	int prot = arg[3] % 8;

	if (!pages)
		return -EINVAL;
	switch (arg[2] % NR_MAP_KINDS) {
	case 0: return map_anon(page, pages, prot, 0, 0);
	case 1: return map_anon(page, pages, PROT_READ | PROT_WRITE, 0, 0);
	case 2: return map_anon(page, pages, PROT_READ | PROT_WRITE, 0,
				MADV_HUGEPAGE);
	case 3: return map_anon(page, pages, prot, MAP_NORESERVE, 0);
	case 4: return map_anon(page, pages, prot, MAP_POPULATE, 0);
	case 5: return map_anon(page, pages, prot, MAP_LOCKED, 0);
	case 6: return map_anon(page, pages, PROT_NONE, 0, 0);
	case 7: return map_anon(page, pages, prot, MAP_STACK,
				MADV_NOHUGEPAGE);
	case 8: return map_odd(page, pages, prot, FIXED_ANON | MAP_GROWSDOWN,
			       -1);
	case 9: return map_shared(page, pages, prot, 0);
	case 10: return map_shared(page, pages, PROT_READ | PROT_WRITE,
				   MAP_POPULATE);
	case 11: return map_odd(page, pages, prot, FIXED, plain_file());
	case 12: return map_odd(page, pages, prot, MAP_SHARED | MAP_FIXED,
				plain_file());
	case 13: return map_zero_device(page, pages, prot);
	case 14: return map_path(page, pages, prot, MAP_SHARED | MAP_FIXED,
				 "/dev/zero");
	case 15: return map_secret(page, pages, prot);
	case 16: return map_huge(page, pages, prot, MAP_PRIVATE);
	case 17: return map_huge(page, pages, prot, MAP_SHARED);
	case 18: return map_device(page, pages, prot, MAP_PRIVATE);
	case 19: return map_device(page, pages, prot, MAP_SHARED);
	default: return map_droppable(page, pages, prot);
	}
}

/* write PAGE PAGES STAMP STRIDE */
long call_write(const uint64_t *arg)
{
	uint64_t page = arg[0], pages = clip(&page, arg[1]);
	uint64_t stride = 1 + arg[3] % 64;

	/* Not more faults than take a moment when all is emulated. */
	while (pages / stride > 64)
		stride *= 2;
	return store(page, pages, stride, arg[2]);
}

/*
 * memwrite PAGE STAMP: what a debugger does, so that a private mapping is
 * written to whatever its protection is
 */
long call_memwrite(const uint64_t *arg)
{
	uint64_t page = arg[0], word[512] = { 0 };
	struct page_model *p;
	ssize_t n = -1;
	int fd;

	clip(&page, 1);
	p = &w.page[page];
	word[0] = stamp_value(arg[1], page);
	word[255] = word[0] ? word[0] ^ 255 : 0;
	word[511] = word[0] ? word[0] ^ 511 : 0;
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pwrite(fd, word, PAGE, (uintptr_t)page_addr(page));
	close(fd);
	if (n == (ssize_t)PAGE && (p->kind == PAGE_ANON ||
				   p->kind == PAGE_SNAP ||
				   p->kind == PAGE_SHARED))
		p->val = word[0];
	else if (n > 0)
		model_unknown(page, 1);
	return n < 0 ? -errno : n;
}

/* unmap PAGE PAGES */
long call_unmap(const uint64_t *arg)
{
	uint64_t page = arg[0], pages = clip(&page, arg[1]);

	if (munmap(page_addr(page), pages * PAGE)) {
		if (errno == ENOMEM)
			model_unknown(page, pages);
		return -errno;
	}
	model_set(page, pages, PAGE_NONE, 0, VAL_ZERO);
	return 0;
}

/* protect PAGE PAGES PROT PKEY: with a protection key if PKEY is not 0 */
long call_protect(const uint64_t *arg)
{
	uint64_t page = arg[0], pages = clip(&page, arg[1]), i;
	int prot = arg[2] % 8, err, key;

	if (arg[3]) {
		key = pkey_alloc(0, arg[3] & 3);
		if (key < 0)
			return -errno;
		model_flag(page, pages, PF_FAULTS);
		err = pkey_mprotect(page_addr(page), pages * PAGE, prot, key);
	} else {
		err = mprotect(page_addr(page), pages * PAGE, prot);
	}
	for (i = page; i < page + pages; i++) {
		if (err)
			w.page[i].flags |= PF_FAULTS;
		else
			w.page[i].prot = prot;
	}
	return err ? -errno : 0;
}

static long move_to(uint64_t from, uint64_t to, uint64_t pages, int flags)
{
	void *p = mremap(page_addr(from), pages * PAGE, pages * PAGE,
			 flags | MREMAP_MAYMOVE | MREMAP_FIXED, page_addr(to));

	if (p == MAP_FAILED) {
		model_unknown(to, pages);
		return -errno;
	}
	model_move(from, to, pages, flags & MREMAP_DONTUNMAP);
	return 0;
}

/* In place; what is cut off goes, what is added is of the same kind */
static long resize(uint64_t page, uint64_t pages, uint64_t new_pages, int flags)
{
	void *p = mremap(page_addr(page), pages * PAGE, new_pages * PAGE,
			 flags);

	if (!pages)
		model_no_sharing();
	if (p != MAP_FAILED && p != page_addr(page)) {
		munmap(p, new_pages * PAGE);
		model_set(page, pages, PAGE_NONE, 0, VAL_ZERO);
	} else if (p != MAP_FAILED && new_pages <= pages) {
		model_set(page + new_pages, pages - new_pages, PAGE_NONE, 0,
			  VAL_ZERO);
	} else if (p != MAP_FAILED) {
		model_unknown(page + pages, new_pages - pages);
	} else if (new_pages < pages) {
		model_unknown(page, pages);
	}
	return p == MAP_FAILED ? -errno : 0;
}

/* move FROM TO PAGES HOW NEW-PAGES */
long call_move(const uint64_t *arg)
{
	uint64_t from = arg[0], to = arg[1], pages = clip(&from, arg[2]);
	uint64_t new_pages;

	switch (arg[3] % 4) {
	case 0:
	case 1:
		pages = clip(&to, pages);
		return move_to(from, to, pages,
			       arg[3] % 4 ? MREMAP_DONTUNMAP : 0);
	case 2:
		new_pages = clip(&from, arg[4]);
		return resize(from, pages, new_pages, 0);
	default:
		new_pages = clip(&from, arg[4]);
		return resize(from, pages, new_pages, MREMAP_MAYMOVE);
	}
}

static const int advices[NR_ADVICES] = {
	MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	MADV_COLLAPSE, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTFORK,
	MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD,
	MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WILLNEED,
	MADV_SEQUENTIAL, MADV_RANDOM, MADV_NORMAL, MADV_DONTDUMP, MADV_DODUMP,
	24 /* DONTNEED_LOCKED */, MADV_PAGEOUT, MADV_DONTNEED,
	MADV_HWPOISON, MADV_SOFT_OFFLINE_,
};

static void model_advise(uint64_t page, uint64_t pages, int advice, bool failed)
{
	struct page_model *p;

	switch (advice) {
	case MADV_DONTNEED:
	case 24:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_HWPOISON:
		break;
	default:
		return;
	}
	/* It may have come to some of several VMAs. */
	if (failed || advice == MADV_HWPOISON || advice == MADV_REMOVE) {
		model_unknown(page, pages);
		return;
	}
	if (advice == MADV_DONTNEED || advice == 24)
		model_drop(page, pages);
	for (p = &w.page[page]; pages--; p++) {
		if (advice == MADV_FREE && p->val & ~VAL_UNKNOWN)
			p->val |= VAL_MAY_BE_ZERO;
		else if (advice == MADV_WIPEONFORK)
			p->flags |= PF_WIPE;
		else if (advice == MADV_KEEPONFORK)
			p->flags &= ~PF_WIPE;
		else if (advice == MADV_DONTFORK)
			p->flags |= PF_DONTFORK;
		else if (advice == MADV_DOFORK)
			p->flags &= ~PF_DONTFORK;
	}
}

/* advise PAGE PAGES ADVICE */
long call_advise(const uint64_t *arg)
{
	uint64_t page = arg[0], pages = clip(&page, arg[1]);
	int advice = advices[arg[2] % NR_ADVICES], err;

	if ((advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE_) &&
	    !w.poison)
		return -EPERM;
	err = result(madvise(page_addr(page), pages * PAGE, advice));
	if (pages)
		model_advise(page, pages, advice, err);
	return err;
}

static long pages_move(char *at, uint64_t pages, int node)
{
	void *addr[64];
	int nodes[64], status[64];
	unsigned int i;

	if (pages > 64)
		pages = 64;
	for (i = 0; i < pages; i++) {
		addr[i] = at + i * PAGE;
		nodes[i] = node;
	}
	return syscall(SYS_move_pages, 0, pages, addr, nodes, status,
		       MPOL_MF_MOVE);
}

static long bind_policy(char *at, uint64_t pages, uint64_t mode)
{
	unsigned long nodes = 1 + mode / 8 % 2;

	return syscall(SYS_mbind, at, pages * PAGE, mode % 6, &nodes, 64,
		       MPOL_MF_MOVE * (mode & 1));
}

static long direct_io(char *at, uint64_t pages)
{
	const char *path = getenv("VMFORK_TEST_DISK");

	if (!w.disk && path) {
		int fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);

		w.disk = fd > 0 ? fd : 0;
	}
	if (!w.disk) {
		errno = ENODEV;
		return -1;
	}
	return pwrite(w.disk, at, pages % 65 * PAGE, 0);
}

static long splice_in(char *at, uint64_t pages, uint64_t how)
{
	struct iovec iov = { at, pages % 17 * PAGE };

	return vmsplice(pipe_end(1), &iov, 1, how % 16 | SPLICE_F_NONBLOCK);
}

static long drain_pipe(void)
{
	static char buf[16 * PAGE];

	return read(pipe_end(0), buf, sizeof(buf));
}

static long remap(uint64_t page, char *at, uint64_t pages, uint64_t arg)
{
	long ret = remap_file_pages(at, pages * PAGE, 0, arg % 64, 0);

	if (!ret) {
		model_unknown(page, pages);
		model_no_sharing();
	}
	return ret;
}

static long self_copy(char *at, uint64_t pages)
{
	static char buf[16 * PAGE];
	struct iovec to = { buf, sizeof(buf) };
	struct iovec from = { at, pages % 17 * PAGE };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0);
}

/* memory PAGE PAGES OP ARG: what does not change what memory reads as */
long call_memory(const uint64_t *arg)
{
	uint64_t page = arg[0], pages = clip(&page, arg[1]), len = pages * PAGE;
	static unsigned char core[ARENA_PAGES];
	char *at = page_addr(page);

	switch (arg[2] % NR_MEMORY_OPS) {
	case 0: return result(mlock(at, len));
	case 1: return result(munlock(at, len));
	case 2: return result(mlock2(at, len, arg[3] % 4));
	case 3: return result(munlockall());
	case 4: return result(msync(at, len, arg[3] % 8));
	case 5: return result(mincore(at, len, core));
	case 6: return result(bind_policy(at, pages, arg[3]));
	case 7: return result(pages_move(at, pages, arg[3] % 3));
	case 8: return result(splice_in(at, pages, arg[3]));
	case 9: return result(drain_pipe());
	case 10: return result(direct_io(at, pages));
	case 11: return result(remap(page, at, pages, arg[3]));
	case 12: return result(self_copy(at, pages));
	case 13: return result((long)sbrk((arg[3] % 8) * PAGE) == -1 ? -1 : 0);
	case 14: return result(write(pipe_end(1), at, pages % 17 * PAGE));
	case 15: return result(syscall(SYS_migrate_pages, 0, 64,
				       (unsigned long[]){ 3 },
				       (unsigned long[]){ 1 + arg[3] % 3 }));
	case 16: return result(mlockall(MCL_FUTURE | (arg[3] & 4)));
	case 17: return result(syscall(SYS_set_mempolicy, arg[3] % 6,
				       (unsigned long[]){ 1 }, 64));
	default:
		/* VMA names: PR_SET_VMA, PR_SET_VMA_ANON_NAME */
		return result(syscall(SYS_prctl, 0x53564d41, 0, at, len,
				      arg[3] & 1 ? "fuzz" : NULL));
	}
}

long call_check(const uint64_t *arg)
{
	(void)arg;
	check_all();
	return 0;
}
