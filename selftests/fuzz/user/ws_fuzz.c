// SPDX-License-Identifier: GPL-2.0
/*
 * Working sets, from a file that anybody may have made.
 */
#include <ws.h>

#include "fuzz.h"

/* What it takes it writes, and takes again, as the same. */
static void again(const struct ws *ws)
{
	struct ws_error error = { 0 };
	char *text = ws_text(ws);
	struct ws other;
	size_t i;

	must(text);
	must(!ws_parse(&other, text, strlen(text), "again", &error));
	must(other.snapshot_size == ws->snapshot_size);
	must(other.nr == ws->nr);
	for (i = 0; i < ws->nr; i++) {
		must(other.ranges[i].offset == ws->ranges[i].offset);
		must(other.ranges[i].len == ws->ranges[i].len);
		must(other.ranges[i].write == ws->ranges[i].write);
	}
	ws_free(&other);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ws_error error = { 0 };
	char *text = malloc(len ? len : 1);
	struct ws ws;
	size_t i;

	must(text);
	memcpy(text, data, len);
	if (ws_parse(&ws, text, len, "file", &error)) {
		must(error.error && !strncmp(error.text, "file ", 5));
		must(!ws.ranges);
	} else {
		must(ws.snapshot_size % 4096 == 0);
		for (i = 0; i < ws.nr; i++) {
			must(ws.ranges[i].len);
			must(ws.ranges[i].offset < ws.snapshot_size);
			must(ws.ranges[i].len <=
			     ws.snapshot_size - ws.ranges[i].offset);
		}
		again(&ws);
		ws_free(&ws);
	}
	free(text);
	return 0;
}
