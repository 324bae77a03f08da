// SPDX-License-Identifier: GPL-2.0
/*
 * Settings of the kernel that programs change, and what they are otherwise.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "world.h"

struct setting {
	const char *path, *value;
};

#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define KSM	"/sys/kernel/mm/ksm/"
#define VM	"/proc/sys/vm/"
#define OURS	"/sys/module/vmfork/parameters/"
#define EVENTS	"/sys/kernel/tracing/events/vmfork/"

static const struct setting settings[NR_SETTINGS] = {
	{ VM "compact_memory", "1" },
	{ VM "drop_caches", "3" },
	{ THP "enabled", "always" },
	{ THP "enabled", "never" },
	{ THP "enabled", "madvise" },
	{ THP "defrag", "always" },
	{ THP "shmem_enabled", "always" },
	{ THP "khugepaged/scan_sleep_millisecs", "0" },
	{ THP "khugepaged/pages_to_scan", "100000" },
	{ THP "use_zero_page", "0" },
	{ KSM "run", "1" },
	{ KSM "run", "2" },
	{ KSM "sleep_millisecs", "0" },
	{ KSM "pages_to_scan", "10000" },
	{ KSM "use_zero_pages", "1" },
	{ VM "nr_hugepages", "8" },
	{ VM "nr_hugepages", "0" },
	{ OURS "max_bytes", "4096" },
	{ OURS "max_bytes", "1048576" },
	{ OURS "max_bytes", "4194304" },
	{ OURS "max_bytes", "0" },
	{ VM "swappiness", "200" },
	{ "/proc/self/oom_score_adj", "500" },
	{ VM "max_map_count", "60" },
	{ OURS "fault_around", "1" },
	{ OURS "fault_around", "100" },
	{ EVENTS "enable", "1" },
	{ EVENTS "vmfork_cow/enable", "1" },
};

/* What they were; nothing of those that can only be written to */
static char original[NR_SETTINGS][64];

static long set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = result(write(fd, value, strlen(value)));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* setting WHICH: until the program ends */
long call_setting(const uint64_t *arg)
{
	unsigned int which = arg[0] % NR_SETTINGS;

	__atomic_fetch_or(&shared->changed, 1U << which, __ATOMIC_SEQ_CST);
	return set(settings[which].path, settings[which].value);
}

/* A number, or a word of several, in brackets */
static void get(const char *path, char *value, size_t size)
{
	char text[128] = "", *word;
	FILE *f = fopen(path, "r");

	value[0] = 0;
	if (!f)
		return;
	if (fgets(text, sizeof(text), f)) {
		word = strchr(text, '[');
		word = word ? word + 1 : text;
		word[strcspn(word, "]\n")] = 0;
		snprintf(value, size, "%.60s", word);
	}
	fclose(f);
}

/** settings_save() - so that they can be restored */
void settings_save(void)
{
	unsigned int i;

	for (i = 0; i < NR_SETTINGS; i++)
		get(settings[i].path, original[i], sizeof(original[i]));
}

/** settings_restore() - those of which a bit is set in @changed */
void settings_restore(uint32_t changed)
{
	unsigned int i;

	for (i = 0; i < NR_SETTINGS; i++)
		if (changed >> i & 1 && original[i][0])
			set(settings[i].path, original[i]);
}
