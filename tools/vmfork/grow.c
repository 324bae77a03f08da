// SPDX-License-Identifier: GPL-2.0
/*
 * Arrays that grow by one element at a time.
 */
#include <stdlib.h>

#include "grow.h"

void *grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	return reallocarray(array, nr ? 2 * nr : 1, size);
}
