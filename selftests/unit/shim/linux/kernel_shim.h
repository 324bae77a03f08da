/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel primitives that the pure logic of kmod/ uses, in userspace.
 * Each <linux/x.h> of this directory that is not userspace's own leads here.
 */
#ifndef VMFORK_KERNEL_SHIM_H
#define VMFORK_KERNEL_SHIM_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned int gfp_t;

#define KBUILD_MODNAME		"unit"
#define GFP_KERNEL		0u
#define __GFP_ACCOUNT		1u
#define __GFP_NOFAIL		2u
#define __GFP_RETRY_MAYFAIL	8U
#define __GFP_NOWARN		16U
#define SLAB_ACCOUNT		0u

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define swap(a, b) \
	do { __typeof__(a) t = (a); (a) = (b); (b) = t; } while (0)
#define struct_size_t(type, member, n) \
	(offsetof(type, member) + (n) * sizeof(unsigned long))
#define BIT(nr)			(1UL << (nr))
#define __ffs(word)		((unsigned int)__builtin_ctzl(word))
#define cond_resched()		((void)0)
#define unlikely(x)		(x)
#define likely(x)		(x)

typedef struct { int n; } refcount_t;

static inline void refcount_set(refcount_t *r, int n)
{
	r->n = n;
}

static inline int refcount_read(const refcount_t *r)
{
	return r->n;
}

static inline void refcount_inc(refcount_t *r)
{
	assert(r->n > 0);
	r->n++;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	assert(r->n > 0);
	return --r->n == 0;
}

/* One thread: a lock only has to be free when it is taken. */
typedef struct { int held; } rwlock_t;

static inline void rwlock_init(rwlock_t *l)
{
	l->held = 0;
}

static inline void write_lock(rwlock_t *l)
{
	assert(!l->held);
	l->held = 1;
}

static inline void write_unlock(rwlock_t *l)
{
	assert(l->held);
	l->held = 0;
}

struct kmem_cache { size_t size; };

struct kmem_cache *kmem_cache_create(const char *name, size_t size,
				     size_t align, unsigned int flags,
				     void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);

/* Pages are the test's. */
struct page;
struct folio;
struct folio *page_folio(struct page *page);
unsigned long folio_nr_pages(struct folio *folio);

#define current			NULL
#define fatal_signal_pending(task)	((void)(task), false)

#endif /* VMFORK_KERNEL_SHIM_H */
