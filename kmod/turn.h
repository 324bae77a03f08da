/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns: captures of one mm take turns.
 */
#ifndef VMFORK_TURN_H
#define VMFORK_TURN_H

struct mm_struct;
struct vmfork_turn;

struct vmfork_turn *vmfork_turn_begin(struct mm_struct *mm);
void vmfork_turn_end(struct vmfork_turn *turn);

#endif /* VMFORK_TURN_H */
