/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_COMPAT_PAGEVEC_H
#define VMFORK_COMPAT_PAGEVEC_H

#include_next <linux/pagevec.h>

#include <linux/build_bug.h>

#ifndef VMFORK_HAVE_FOLIO_BATCH_RELEASE
/* 6.4 or later; a folio_batch was laid out like a pagevec before */
static inline void __folio_batch_release(struct folio_batch *fbatch)
{
	BUILD_BUG_ON(sizeof(struct folio_batch) != sizeof(struct pagevec));
	__pagevec_release((struct pagevec *)fbatch);
}
#endif

#endif /* VMFORK_COMPAT_PAGEVEC_H */
