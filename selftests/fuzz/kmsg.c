// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's log, read after each program: what it says that it should not
 * is about that program, or one of the last few.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

static int kmsg = -1;

static const char *const bad[] = {
	"BUG", "WARNING", "Oops", "KASAN", "UBSAN", "KFENCE", "kmemleak:",
	"refcount_t", "list_add", "list_del", "Bad page", "Bad rss",
	"general protection", "stack segment", "blocked for more than",
	"lockup", "detected stall", "Call Trace", "Busy inodes", "segfault",
	"ODEBUG", "unreferenced object", "page_table_check",
};

void kmsg_open(void)
{
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

static bool is_bad(const char *line)
{
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strstr(line, bad[i]))
			return true;
	return false;
}

bool kmsg_complaint(char *line, size_t size)
{
	bool found = false;
	char record[2048], *text;
	ssize_t n;

	while (kmsg >= 0 && (n = read(kmsg, record, sizeof(record) - 1)) > 0) {
		record[n] = 0;
		/* "level,number,time,flags;text", more lines behind it */
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		text[strcspn(text, "\n")] = 0;
		if (!found && is_bad(text)) {
			snprintf(line, size, "%s", text);
			found = true;
		}
	}
	return found;
}
