/* SPDX-License-Identifier: GPL-2.0 */
/* What a restore by userfaultfd can be asked to fill in ahead, and its end */
#ifndef BENCH_UFFD_MISSING_H
#define BENCH_UFFD_MISSING_H

#include <stddef.h>

void uffd_missing_fill(size_t offset, size_t len);
void uffd_missing_end(void);

#endif
