/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_LRU_H
#define VMFORK_LRU_H

int vmfork_lru_setup(void);
void vmfork_lru_cleanup(void);
void vmfork_lru_drain(void);

#endif /* VMFORK_LRU_H */
