// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork doctor: the files of a machine, what was found, and what that means.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "doctor.h"

/* --- findings ---------------------------------------------------------------- */

void doctor_find(struct doctor *doctor, const char *check,
		 enum doctor_state state, const char *found, ...)
{
	struct doctor_finding *new = &doctor->findings[doctor->nr];
	va_list args;

	if (doctor->nr == DOCTOR_MAX_FINDINGS)
		abort();
	doctor->nr++;
	new->check = check;
	new->state = state;
	new->advice[0] = '\0';
	va_start(args, found);
	vsnprintf(new->found, sizeof(new->found), found, args);
	va_end(args);
}

void doctor_advise(struct doctor *doctor, const char *advice, ...)
{
	struct doctor_finding *last = &doctor->findings[doctor->nr - 1];
	va_list args;

	va_start(args, advice);
	vsnprintf(last->advice, sizeof(last->advice), advice, args);
	va_end(args);
}

const char *doctor_state_name(enum doctor_state state)
{
	static const char *const names[DOCTOR_NR_STATES] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_NOTE] = "note",
		[DOCTOR_WARN] = "warn",
		[DOCTOR_FAIL] = "fail",
	};

	return names[state];
}

/* The module and its device have a status of their own, as everywhere. */
static int status_of(const struct doctor_finding *finding, bool strict)
{
	if (finding->state == DOCTOR_WARN && strict)
		return FAILED;
	if (finding->state != DOCTOR_FAIL)
		return DONE;
	if (!strcmp(finding->check, "module") ||
	    !strcmp(finding->check, "device"))
		return NO_MODULE;
	return FAILED;
}

int doctor_status(const struct doctor *doctor, bool strict)
{
	int status = DONE, one;
	size_t i;

	for (i = 0; i < doctor->nr; i++) {
		one = status_of(&doctor->findings[i], strict);
		if (one && status != FAILED)
			status = one;
	}
	return status;
}

void doctor_examine(struct doctor *doctor)
{
	static void (*const checks[])(struct doctor *doctor) = {
		doctor_kernel, doctor_config, doctor_btf, doctor_signatures,
		doctor_module, doctor_device, doctor_limit,
		doctor_fault_around, doctor_names, doctor_kvm, doctor_tables,
		doctor_nested, doctor_thp, doctor_swap, doctor_ksm, doctor_cma,
		doctor_movable, doctor_hugetlb, doctor_mlock, doctor_memcg,
		doctor_overcommit,
	};
	size_t i;

	doctor->nr = 0;
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](doctor);
}

/* --- files ------------------------------------------------------------------- */

char *doctor_path(const struct doctor *doctor, char path[512],
		  const char *format, ...)
{
	size_t len = snprintf(path, 512, "%s", doctor->root);
	va_list args;

	va_start(args, format);
	if (len < 512)
		vsnprintf(path + len, 512 - len, format, args);
	va_end(args);
	return path;
}

static FILE *open_file(const struct doctor *doctor, const char *name)
{
	char path[512];

	return fopen(doctor_path(doctor, path, "%s", name), "re");
}

bool doctor_exists(const struct doctor *doctor, const char *name)
{
	char path[512];

	return !access(doctor_path(doctor, path, "%s", name), F_OK);
}

bool doctor_read(const struct doctor *doctor, const char *name, char *text,
		 size_t size)
{
	FILE *file = open_file(doctor, name);
	bool good;

	text[0] = '\0';
	if (!file)
		return false;
	good = fgets(text, size, file);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return good;
}

bool doctor_number(const struct doctor *doctor, const char *name,
		   uint64_t *value)
{
	char text[64], *end;

	*value = 0;
	if (!doctor_read(doctor, name, text, sizeof(text)) ||
	    text[0] < '0' || text[0] > '9')
		return false;
	*value = strtoull(text, &end, 10);
	return !*end;
}

uint64_t doctor_meminfo(const struct doctor *doctor, const char *field)
{
	FILE *file = open_file(doctor, "/proc/meminfo");
	unsigned long long value = 0;
	size_t len = strlen(field);
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, len) || line[len] != ':')
			continue;
		if (sscanf(line + len + 1, "%llu", &value) != 1)
			value = 0;
		break;
	}
	if (file)
		fclose(file);
	return value;
}

bool doctor_line(const struct doctor *doctor, const char *name,
		 const char *text)
{
	FILE *file = open_file(doctor, name);
	char *line = NULL;
	bool found = false;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0)
		found = strstr(line, text);
	free(line);
	if (file)
		fclose(file);
	return found;
}

const char *doctor_release(const struct doctor *doctor, char release[128])
{
	if (!doctor_read(doctor, "/proc/sys/kernel/osrelease", release, 128))
		strcpy(release, "unknown");
	return release;
}
