// SPDX-License-Identifier: GPL-2.0
/* First touches of pages. */
#include <err.h>

#include "clock.h"
#include "tiny_guest.h"
#include "touch.h"

const char *const touch_names[NR_TOUCHES] = {
	"process_read", "process_write", "guest_read", "guest_write",
};

static void guest_touches(size_t offset, size_t size, bool write)
{
	int ret = tiny_guest_will_touch(offset, size / PAGE, write);

	if (!ret)
		ret = tiny_guest_run();
	if (ret)
		errx(1, "the guest: error %d", -ret);
}

void touch_begin(const struct memory *mem)
{
	int ret = tiny_guest_start(0);

	if (!ret)
		ret = tiny_guest_give(mem->start, mem->size);
	if (ret)
		errx(1, "a guest: error %d", -ret);
}

void touch_end(void)
{
	int ret = tiny_guest_give(NULL, 0);

	if (ret)
		errx(1, "a guest without memory: error %d", -ret);
}

void touch_guest_knows(const struct memory *mem)
{
	/* A new slot makes roots obsolete; only running makes new ones. */
	guest_touches(0, PAGE, false);
	if (tiny_guest_prefault())
		guest_touches(0, mem->size, true);
}

struct touched touch_all(const struct memory *mem, size_t slice)
{
	struct touched all;
	enum touch touch;
	uint64_t before;

	for (touch = 0; touch < NR_TOUCHES; touch++) {
		size_t offset = mem->size / NR_TOUCHES * touch;
		bool write = touch == PROCESS_WRITE || touch == GUEST_WRITE;

		before = clock_now();
		if (touch == GUEST_READ || touch == GUEST_WRITE)
			guest_touches(offset, slice, write);
		else
			memory_touch(mem->start + offset, slice, write);
		all.per_page[touch] = (double)(clock_now() - before) * PAGE /
				      slice;
	}
	return all;
}
