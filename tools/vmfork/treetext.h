/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who was forked from what: what is written beside each mark.
 */
#ifndef VMFORK_TREETEXT_H
#define VMFORK_TREETEXT_H

#include <stddef.h>

#include "treedraw.h"

/** TREE_TEXT - room that is enough; what is longer is cut off */
#define TREE_TEXT	384

/** tree_title() - such as "12 /base", or "4711 qemu-system-x86" */
void tree_title(const struct world *world, const struct tree_row *row,
		char *text, size_t size);

/** tree_details() - such as "1G, 3M alone, 5m old" */
void tree_details(const struct world *world, const struct tree_row *row,
		  char *text, size_t size);

#endif /* VMFORK_TREETEXT_H */
