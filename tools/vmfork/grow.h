/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arrays that grow by one element at a time.
 */
#ifndef VMFORK_GROW_H
#define VMFORK_GROW_H

#include <stddef.h>

/**
 * grow() - have room for one more
 * @array: NULL, or what this returned before; never grown in another way
 * @nr: how many elements are in it
 * @size: of one
 *
 * There is room for a power of two, so that it needs no variable of its own.
 *
 * Return: the array, maybe elsewhere; NULL if there is no memory, and then
 * @array is as it was.
 */
void *grow(void *array, size_t nr, size_t size);

#endif /* VMFORK_GROW_H */
