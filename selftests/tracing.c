// SPDX-License-Identifier: GPL-2.0
/* The module's events, from an instance of tracefs. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib.h"
#include "tracing.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/vmfork-test"
#define DEFAULT_AROUND	512

const char *tracing_missing(void)
{
	return access(TRACEFS "/events/vmfork", R_OK) ?
	       "no events of vmfork in /sys/kernel/tracing" : NULL;
}

/* Events are in order, whatever CPU they are of. */
int tracing_start(const char *event)
{
	char path[256];
	int err;

	rmdir(INSTANCE);
	if (mkdir(INSTANCE, 0700))
		return -errno;
	snprintf(path, sizeof(path), INSTANCE "/events/vmfork/%s/enable",
		 event ?: ".");
	err = write_file(INSTANCE "/trace_clock", "counter");
	if (!err)
		err = write_file(INSTANCE "/buffer_size_kb", "4096");
	return err ?: write_file(path, "1");
}

void tracing_stop(void)
{
	write_file(INSTANCE "/events/enable", "0");
	rmdir(INSTANCE);
}

static long lost_events(void)
{
	char path[128], stats[1024], *at;
	long cpu, lost = 0;

	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		snprintf(path, sizeof(path), INSTANCE "/per_cpu/cpu%ld/stats",
			 cpu);
		if (read_file(path, stats, sizeof(stats)) < 0)
			continue;
		at = strstr(stats, "overrun: ");
		lost += at ? atol(at + 9) : 0;
		at = strstr(stats, "dropped events: ");
		lost += at ? atol(at + 16) : 0;
	}
	return lost;
}

/* "   comm-TID     [000] .....   17: vmfork_drop: snapshot=1 ... ns=100" */
static bool parse(char *line, struct trace_event *event)
{
	char *text = strstr(line, ": vmfork_"), *cpu = strstr(line, " ["), *ns;

	if (line[0] == '#' || !text || !cpu)
		return false;
	while (cpu > line && cpu[-1] != '-')
		cpu--;
	event->tid = atoi(cpu);
	text += 2;
	text[strcspn(text, "\n")] = '\0';
	event->ns = 0;
	ns = strstr(text, " ns");
	if (ns) {
		event->ns = strtoull(strchr(ns, '=') + 1, NULL, 10);
		*ns = '\0';
	}
	snprintf(event->text, sizeof(event->text), "%s", text);
	return true;
}

static struct trace_event *make_room(struct trace_event *events, size_t room)
{
	struct trace_event *more = realloc(events, room * sizeof(*events));

	if (!more)
		abort();
	return more;
}

static size_t read_events(FILE *trace, struct trace_event **events)
{
	struct trace_event *all = make_room(NULL, 1);
	size_t size = 0, nr = 0;
	char *line = NULL;

	while (getline(&line, &size, trace) > 0)
		if (parse(line, all + nr))
			all = make_room(all, ++nr + 1);
	free(line);
	*events = all;
	return nr;
}

long tracing_take(struct trace_event **events)
{
	long nr, lost;
	FILE *trace;

	*events = NULL;
	write_file(INSTANCE "/tracing_on", "0");
	trace = fopen(INSTANCE "/trace", "r");
	if (!trace)
		return -errno;
	nr = read_events(trace, events);
	fclose(trace);
	lost = lost_events();
	/* Opened to be written, it is emptied. */
	trace = fopen(INSTANCE "/trace", "w");
	if (trace)
		fclose(trace);
	write_file(INSTANCE "/tracing_on", "1");
	return lost ? -EOVERFLOW : nr;
}

int set_fault_around(unsigned int pages)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", pages ?: DEFAULT_AROUND);
	return write_file(FAULT_AROUND, text);
}

uint64_t mapping_at(const void *addr)
{
	unsigned long start, end, ino;
	uint64_t found = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %*x %*x:%*x %lu", &start, &end,
			   &ino) == 3 && start <= (uintptr_t)addr &&
		    (uintptr_t)addr < end)
			found = ino;
	if (maps)
		fclose(maps);
	return found;
}

uint64_t snapshot_id(int fd)
{
	struct vmfork_info info;

	return snapshot_info(fd, &info) ? 0 : info.id;
}

void script_add(struct script *script, const char *fmt, ...)
{
	va_list args;

	script->lines = realloc(script->lines,
				(script->nr + 1) * sizeof(*script->lines));
	va_start(args, fmt);
	vsnprintf(script->lines[script->nr++], sizeof(*script->lines), fmt,
		  args);
	va_end(args);
}

static long compare(const struct script *script, size_t at, const char *text,
		    bool quiet)
{
	const char *wanted = at < script->nr ? script->lines[at] : "nothing";

	if (!strcmp(wanted, text))
		return 0;
	if (!quiet)
		note("event %zu should be\n#   %s\n# and is\n#   %s", at,
		     wanted, text);
	return 1;
}

long script_differs(struct script *script, const struct trace_event *events,
		    long nr, pid_t tid)
{
	long i, wrong = nr < 0;
	size_t at = 0;

	if (nr < 0)
		note("no events: %ld", nr);
	for (i = 0; events && i < nr; i++)
		if (!tid || events[i].tid == tid)
			wrong += compare(script, at++, events[i].text, wrong);
	for (; at < script->nr; at++)
		wrong += compare(script, at, "nothing", wrong);
	free(script->lines);
	*script = (struct script){ 0 };
	return wrong;
}

long trace_differs(struct script *script)
{
	struct trace_event *events;
	long nr = tracing_take(&events);
	long wrong = script_differs(script, events, nr, 0);

	free(events);
	return wrong;
}
