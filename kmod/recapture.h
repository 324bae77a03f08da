/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_RECAPTURE_H
#define VMFORK_RECAPTURE_H

struct vmfork_piece;

int vmfork_piece_recapture(struct vmfork_piece *piece, unsigned long end);
int vmfork_piece_join(struct vmfork_piece *piece, unsigned long end);

#endif /* VMFORK_RECAPTURE_H */
