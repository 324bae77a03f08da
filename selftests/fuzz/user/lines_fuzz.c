// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest writes to its second UART, and what is waited for in it.
 */
#include "forkvm.h"
#include "fuzz.h"

static void wait_for(struct lines *l, struct input *in)
{
	char prefix[4] = { 0 }, *line;

	take(in, prefix, take_byte(in) % 4);
	line = lines_wait(l, prefix, 0).text;
	if (!line)
		return;
	must(strlen(line) <= sizeof(l->partial));
	must(!strncmp(line, prefix, strlen(prefix)));
	must(!strchr(line, '\n'));
	free(line);
}

static void free_all(struct lines *l)
{
	char *line;

	while ((line = lines_wait(l, "", 0).text))
		free(line);
	must(!l->count);
	free(l->line);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct lines l;
	unsigned int n;
	uint8_t byte;

	must(!lines_init(&l));
	while (in.size) {
		byte = take_byte(&in);
		if (byte == 0xff)
			wait_for(&l, &in);
		else if (byte == 0xfe)		/* many at once */
			for (n = take_byte(&in) * 16; n--;)
				lines_byte(&l, n % 3 ? '\n' : 'x');
		else
			lines_byte(&l, byte);
		must(l.partial_len <= sizeof(l.partial));
	}
	lines_close(&l);
	free_all(&l);
	return 0;
}
