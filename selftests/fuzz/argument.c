// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments of ioctls, right and wrong.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>

#include "argument.h"
#include "calls.h"

/* flip WORD VALUE: of the next structure; from word 1024 on of the regions */
long call_flip(const uint64_t *arg)
{
	unsigned int i = w.nr_flips;

	if (i >= sizeof(w.flip) / sizeof(w.flip[0]))
		return -ENOSPC;
	w.flip[i] = (struct flip){ arg[0], arg[1] };
	w.nr_flips = i + 1;
	return 0;
}

void argument_flip(union argument *arg)
{
	unsigned int i;

	for (i = 0; i < w.nr_flips; i++) {
		uint32_t word = w.flip[i].word, *words = arg->word;

		if (word < 1024) {
			words[word] ^= w.flip[i].value;
		} else {
			words = (uint32_t *)w.region;
			words[word % (sizeof(w.region) / 4)] ^=
				w.flip[i].value;
		}
	}
	w.nr_flips = 0;
}

/* Two pages, of which only the first is there */
static char *edge(void)
{
	static char *at;

	if (!at) {
		at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED) {
			at = NULL;
			return NULL;
		}
		munmap(at + PAGE, PAGE);
	}
	return at;
}

static char *read_only(const void *bytes, size_t len)
{
	static char page[PAGE] __attribute__((aligned(4096)));

	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	/* Another thread may have it read-only again. */
	guarded_copy(page, bytes, len);
	mprotect(page, PAGE, PROT_READ);
	return page;
}

void *argument_put(uint64_t place, uint64_t page, void *bytes, size_t len)
{
	char *at;

	switch (place % NR_PLACES) {
	case PLACE_STRADDLE:
		at = edge();
		if (!at)
			return bytes;
		at += PAGE - len / 2 / 8 * 8;
		memcpy(at, bytes, len / 2 / 8 * 8);
		return at;
	case PLACE_READ_ONLY:
		return read_only(bytes, len < PAGE ? len : PAGE);
	case PLACE_UNMAPPED:
		return (void *)(ARENA - 16 * PAGE);
	case PLACE_ARENA:
		clip(&page, 1);
		model_unknown(page, len > PAGE && page < ARENA_PAGES - 3 ?
			      3 : 1);
		if (guard_begin())
			memcpy(page_addr(page), bytes, len < PAGE ? len : PAGE);
		guard_end();
		return page_addr(page);
	case PLACE_KERNEL:
		return (void *)0xffff888000000000UL;
	case PLACE_NONCANONICAL:
		return (void *)0xdead000000000000UL;
	case PLACE_ODD:
		memmove((char *)bytes + 3, bytes, len);
		return (char *)bytes + 3;
	default:
		return bytes;
	}
}

int target_of(uint64_t code, int *opened)
{
	*opened = -1;
	if (code < 4)
		return -1;
	if (code < TARGET_OWN)
		return proc_slot(code)->pid ? proc_slot(code)->pidfd : 999;
	switch (code) {
	case TARGET_OWN:
		*opened = pidfd_open(getpid(), 0);
		break;
	case 13:		/* Whoever runs the programs is not a target. */
		*opened = w.parent_index ? pidfd_open(getppid(), 0) : -1;
		break;
	case 14:
		*opened = pidfd_open(2, 0);	/* a kernel thread */
		break;
	case 15:
		return slot_fd(0);
	case 16:
		return slot_fd(1);
	case 17:
		return -2;
	case 18:
		return 0x7fffffff;
	default:
		return pipe_end(0);
	}
	return *opened;
}

void look_whose(struct whose *whose, int fd, bool own)
{
	unsigned int i;

	*whose = (struct whose){ .fd = fd, .self = own || fd == -1 };
	for (i = 0; i < NR_PROCS && !whose->self; i++)
		if (w.proc[i].pid && w.proc[i].pidfd == fd)
			whose->proc = &w.proc[i];
	/* Not a thread of ours, but with the same memory */
	if (whose->proc && whose->proc->index == w.index)
		whose->self = true;
}

void warn_others(const struct whose *whose, bool written)
{
	unsigned int index = w.parent_index;

	if (whose->self)
		return;
	if (whose->proc)
		index = whose->proc->index;
	__atomic_store_n(&shared->captured[index], 1, __ATOMIC_SEQ_CST);
	if (written)
		__atomic_store_n(&shared->written[index], 1, __ATOMIC_SEQ_CST);
}

int device_fd(void)
{
	unsigned int i;

	for (i = 0; i < NR_FDS; i++)
		if (w.fd[i].type == FD_DEVICE)
			return w.fd[i].fd;
	return -1;
}

void note_refusal(uint32_t why)
{
	if (pc < MAX_CALLS)
		shared->result[pc] = why << 16;
}

static const uint16_t refusal_errno[] = {
	[VMFORK_UNALIGNED] = EINVAL, [VMFORK_OVERFLOW] = EOVERFLOW,
	[VMFORK_OVERLAP] = EEXIST, [VMFORK_UNMAPPED] = EFAULT,
	[VMFORK_SHARED] = EXDEV, [VMFORK_FILE] = EOPNOTSUPP,
	[VMFORK_HUGETLB] = EMEDIUMTYPE, [VMFORK_SPECIAL] = ENODEV,
	[VMFORK_UFFD] = EADDRINUSE, [VMFORK_LOCKED] = ENOLCK,
	[VMFORK_STACK] = ENOTUNIQ, [VMFORK_PINNED] = EBUSY,
	[VMFORK_RACE] = EAGAIN, [VMFORK_POISON] = EHWPOISON,
	[VMFORK_SWAPIN] = EIO, [VMFORK_DYING] = ESRCH,
	[VMFORK_QUOTA] = EDQUOT, [VMFORK_NO_MAPPING] = ENXIO,
	[VMFORK_SIZE] = ERANGE, [VMFORK_FILE_BUSY] = ETXTBSY,
};

#define NR_REFUSALS	(sizeof(refusal_errno) / sizeof(refusal_errno[0]))

/* The errors that uapi/linux/vmfork.h allows without a refusal */
static bool plain_errno(int err)
{
	switch (err) {
	case EINVAL: case E2BIG: case EFAULT: case ENOMEM: case EINTR:
	case EBADF: case EPERM: case EMFILE: case ENFILE:
	case EIO:	/* a page of a file that has changed */
		return true;
	default:
		return false;
	}
}

void check_failure(const char *what, uint32_t why, int err)
{
	if (why && why < NR_REFUSALS) {
		/* Memory or patience may have come to an end after it. */
		if (refusal_errno[why] != err && err != EINTR && err != ENOMEM)
			violation("%s is refused for reason %u with errno %d",
				  what, why, err);
	} else if (!plain_errno(err)) {
		violation("%s fails with errno %d and refusal %u", what, err,
			  why);
	}
}
