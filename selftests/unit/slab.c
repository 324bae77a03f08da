// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmem_cache in userspace: counts what lives, and fails when it is told to.
 */
#include "slab.h"

long slab_live;
long slab_fail_after = -1;

struct kmem_cache *kmem_cache_create(const char *name, size_t size,
				     size_t align, unsigned int flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *cache = calloc(1, sizeof(*cache));

	(void)name, (void)align, (void)flags, (void)ctor;
	assert(cache);
	cache->size = size;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	assert(!slab_live);
	free(cache);
}

void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	if (slab_fail_after >= 0 && !(gfp & __GFP_NOFAIL)) {
		if (!slab_fail_after)
			return NULL;
		slab_fail_after--;
	}
	slab_live++;
	return calloc(1, cache->size);
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	(void)cache;
	slab_live--;
	free(object);
}
