/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an XArray as counts by small numbers need: values in a table.
 */
#ifndef VMFORK_SHIM_XARRAY_H
#define VMFORK_SHIM_XARRAY_H

#include "kernel_shim.h"

#define XA_SHIM_ENTRIES	64

struct xarray { void *entries[XA_SHIM_ENTRIES]; };

static inline void xa_init(struct xarray *xa)
{
	memset(xa, 0, sizeof(*xa));
}

static inline void xa_destroy(struct xarray *xa)
{
	xa_init(xa);
}

static inline void *xa_mk_value(unsigned long v)
{
	return (void *)(v << 1 | 1);
}

static inline unsigned long xa_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}

static inline void *xa_load(struct xarray *xa, unsigned long index)
{
	assert(index < XA_SHIM_ENTRIES);
	return xa->entries[index];
}

static inline void *xa_store(struct xarray *xa, unsigned long index,
			     void *entry, gfp_t gfp)
{
	void *old = xa_load(xa, index);

	(void)gfp;
	xa->entries[index] = entry;
	return old;
}

static inline int xa_err(void *entry)
{
	(void)entry;
	return 0;
}

#define xa_for_each(xa, index, entry) \
	for ((index) = 0; (index) < XA_SHIM_ENTRIES; (index)++) \
		for ((entry) = xa_load(xa, index); (entry); (entry) = NULL)

#endif /* VMFORK_SHIM_XARRAY_H */
