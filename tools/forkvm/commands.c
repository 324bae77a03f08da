// SPDX-License-Identifier: GPL-2.0
/*
 * Commands: what can be asked of a running forkvm, a line each.
 *
 * A reply is one line: "ok" and key=value pairs, or "error" and a sentence.
 * Times are in nanoseconds; those of a child begin with the fork command.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ws.h>

#include "forkvm.h"

#define MAX_CHILDREN	64
#define PEEK_MAX	4096
#define WAIT_SECONDS	30

struct command {
	const char *name, *args, *help;
	int (*run)(struct vm *vm, char *args, FILE *out);
};

static void put_hex(FILE *out, const uint8_t *data, size_t len)
{
	while (len--)
		fprintf(out, "%02x", *data++);
}

static void put_watch(FILE *out, const struct watch *watch)
{
	if (!watch->len)
		return;
	fprintf(out, " watched=");
	put_hex(out, watch->data, watch->len);
}

/* Takes the next word off a line */
static char *word(char **line)
{
	char *start = *line + strspn(*line, " ");
	size_t len = strcspn(start, " ");

	*line = start + len;
	if (**line)
		*(*line)++ = 0;
	return start;
}

static int number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)*text) || *end || *value > max)
		return fail("\"%s\" is no number up to %llu", text,
			    (unsigned long long)max);
	return 0;
}

static void put_working_set(FILE *out, const struct working_set_result *r)
{
	fprintf(out, "mapped=%llu copied=%llu memory_ns=%llu "
		"second_level=%llu second_level_ns=%llu",
		(unsigned long long)r->memory.pages_mapped,
		(unsigned long long)r->memory.pages_copied,
		(unsigned long long)r->memory_ns,
		(unsigned long long)r->kvm.pages_mapped,
		(unsigned long long)r->kvm_ns);
}

static uint64_t since_asked(const struct vm *vm, uint64_t ns)
{
	return ns && vm->birth.asked_ns ? ns - vm->birth.asked_ns : 0;
}

static int run_info(struct vm *vm, char *args, FILE *out)
{
	unsigned int i;

	(void)args;
	fprintf(out, "path=%s pid=%d state=%s vcpus=%u mem=%llu thp=%u "
		"copy=%u children=%u",
		vm->birth.path[0] ? vm->birth.path : "-", getpid(),
		vm->ended ? "ended" : vm->paused ? "paused" : "running",
		vm->config.nr_vcpus, (unsigned long long)vm->config.mem_size,
		vm->config.thp, vm->config.copy, vm->nr_children);
	for (i = 0; i < vm->ram.nr; i++)
		fprintf(out, " ram%u=%#lx:%#llx:%#llx", i,
			(unsigned long)vm->ram.region[i].hva,
			(unsigned long long)vm->ram.region[i].size,
			(unsigned long long)vm->ram.region[i].gpa);
	if (vm->snapshot_fd >= 0)
		fprintf(out, " snapshot_fd=%d", vm->snapshot_fd);
	if (vm->birth.asked_ns)
		fprintf(out, " built_ns=%llu first_run_ns=%llu "
			"first_line_ns=%llu",
			(unsigned long long)since_asked(vm, vm->built_ns),
			(unsigned long long)since_asked(vm, vm->first_run_ns),
			(unsigned long long)since_asked(vm,
							vm->lines.first_ns));
	if (vm->birth.has_working_set) {
		fputc(' ', out);
		put_working_set(out, &vm->working_set);
	}
	if (vm->birth.asked_ns)
		put_watch(out, &vm->watch);
	return 0;
}

static void put_counts(FILE *out, const struct vmfork_capture *c)
{
	fprintf(out, " snapshot_id=%llu stolen=%llu copied=%llu shared=%llu "
		"huge=%llu hole=%llu prepare_ns=%llu collect_ns=%llu "
		"unmap_ns=%llu steal_ns=%llu",
		(unsigned long long)c->id,
		(unsigned long long)c->pages_stolen,
		(unsigned long long)c->pages_copied,
		(unsigned long long)c->pages_shared,
		(unsigned long long)c->pages_huge,
		(unsigned long long)c->pages_hole,
		(unsigned long long)c->ns_prepare,
		(unsigned long long)c->ns_collect,
		(unsigned long long)c->ns_unmap,
		(unsigned long long)c->ns_steal);
}

/* What a fork was asked to be */
struct fork_request {
	uint64_t nr;
	bool paused;
	const char *working_set;	/* a path, or NULL */
};

/* Paths may have spaces: one is the rest of the line. */
static int parse_fork(struct fork_request *request, char *args)
{
	const char *how;

	memset(request, 0, sizeof(*request));
	if (number(word(&args), MAX_CHILDREN, &request->nr))
		return -1;
	how = word(&args);
	if (!strcmp(how, "paused")) {
		request->paused = true;
		how = word(&args);
	}
	if (!strcmp(how, "working-set") && *args)
		request->working_set = args;
	else if (*how)
		request->nr = 0;
	if (!request->nr)
		return fail("say \"fork N [paused] [working-set FILE]\"");
	return 0;
}

static int do_fork(struct vm *vm, const struct fork_request *request,
		   struct fork_result *result)
{
	struct ws ws;
	int err;

	if (!request->working_set)
		return vm_fork(vm, request->nr, request->paused, NULL, result);
	if (working_set_read(vm, request->working_set, &ws))
		return -1;
	err = vm_fork(vm, request->nr, request->paused, &ws, result);
	ws_free(&ws);
	return err;
}

static int run_fork(struct vm *vm, char *args, FILE *out)
{
	struct fork_result result = { 0 };
	struct fork_request request;
	unsigned int i;

	if (parse_fork(&request, args))
		return -1;
	if (do_fork(vm, &request, &result)) {
		free(result.child);
		return -1;
	}
	fprintf(out, "pause_ns=%llu save_ns=%llu capture_ns=%llu total_ns=%llu "
		"prearm_ns=%llu passes=%u prearmed=%llu",
		(unsigned long long)result.pause_ns,
		(unsigned long long)result.save_ns,
		(unsigned long long)result.capture_ns,
		(unsigned long long)result.total_ns,
		(unsigned long long)result.live.ns_prearm, result.live.passes,
		(unsigned long long)result.live.prearmed_pages);
	put_counts(out, &result.live.capture);
	put_watch(out, &result.watch);
	fprintf(out, " children=");
	for (i = 0; i < request.nr; i++)
		fprintf(out, "%s%d:%s", i ? "," : "", result.child[i].pid,
			result.child[i].control);
	free(result.child);
	return 0;
}

static int run_reset(struct vm *vm, char *args, FILE *out)
{
	struct reset_result result;

	(void)args;
	if (vm_reset(vm, &result))
		return -1;
	fprintf(out, "pause_ns=%llu memory_ns=%llu dropped=%llu changed=%llu",
		(unsigned long long)result.pause_ns,
		(unsigned long long)result.memory_ns,
		(unsigned long long)result.counts.pages_dropped,
		(unsigned long long)result.counts.pages_changed);
	return 0;
}

static int run_pause(struct vm *vm, char *args, FILE *out)
{
	(void)args;
	(void)out;
	return vm_pause(vm);
}

static int run_resume(struct vm *vm, char *args, FILE *out)
{
	(void)args;
	(void)out;
	return vm_resume(vm);
}

static int run_prefault(struct vm *vm, char *args, FILE *out)
{
	struct working_set_result result;

	if (!*args)
		return fail("say \"prefault FILE\"");
	if (vm_prefault(vm, args, &result))
		return -1;
	put_working_set(out, &result);
	return 0;
}

static int run_say(struct vm *vm, char *args, FILE *out)
{
	size_t len = strlen(args);

	(void)out;
	args[len] = '\n';		/* command_run() left room for it */
	return serial_input(&vm->channel, args, len + 1);
}

static int wait_line(struct vm *vm, const char *prefix, uint64_t seconds,
		     bool when, FILE *out)
{
	struct line line = lines_wait(&vm->lines, prefix, seconds);

	if (!line.text)
		return fail("no line that begins with \"%s\" came from the "
			    "guest in %llu s", prefix,
			    (unsigned long long)seconds);
	if (when)
		fprintf(out, "at_ns=%llu ", (unsigned long long)line.ns);
	fprintf(out, "%s", line.text);
	free(line.text);
	return 0;
}

static int wait_for(struct vm *vm, char *args, bool when, FILE *out)
{
	const char *prefix = word(&args), *limit = word(&args);
	uint64_t seconds = WAIT_SECONDS;

	if (*limit && number(limit, 3600, &seconds))
		return -1;
	return wait_line(vm, prefix, seconds, when, out);
}

static int run_wait(struct vm *vm, char *args, FILE *out)
{
	return wait_for(vm, args, false, out);
}

/* Who waits may have to wait for the CPU as well: this is the line's own time */
static int run_when(struct vm *vm, char *args, FILE *out)
{
	return wait_for(vm, args, true, out);
}

/* The guest's programs answer with a line that begins with the same word */
static int run_ask(struct vm *vm, char *args, FILE *out)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "%.*s", (int)strcspn(args, " "), args);
	if (!prefix[0])
		return fail("say what to ask");
	if (run_say(vm, args, out))
		return -1;
	return wait_line(vm, prefix, WAIT_SECONDS, false, out);
}

static int memory_range(struct vm *vm, char *args, uint64_t max, uint64_t *gpa,
			uint64_t *len)
{
	if (number(word(&args), UINT64_MAX - 1, gpa) ||
	    number(word(&args), max, len))
		return -1;
	if (!ram_at(&vm->ram, *gpa, *len))
		return fail("there is no guest memory at %#llx",
			    (unsigned long long)*gpa);
	return 0;
}

static int run_peek(struct vm *vm, char *args, FILE *out)
{
	uint64_t gpa, len;

	if (memory_range(vm, args, PEEK_MAX, &gpa, &len))
		return -1;
	put_hex(out, ram_at(&vm->ram, gpa, len), len);
	return 0;
}

static int run_watch(struct vm *vm, char *args, FILE *out)
{
	uint64_t gpa, len;

	(void)out;
	if (memory_range(vm, args, WATCH_MAX, &gpa, &len))
		return -1;
	pthread_mutex_lock(&vm->command);
	vm->watch.gpa = gpa;
	vm->watch.len = len;
	memset(vm->watch.data, 0, sizeof(vm->watch.data));
	pthread_mutex_unlock(&vm->command);
	return 0;
}

static int run_hash(struct vm *vm, char *args, FILE *out)
{
	int err = 0;

	(void)args;
	pthread_mutex_lock(&vm->command);
	if (vm->paused)
		fprintf(out, "hash=%016llx",
			(unsigned long long)ram_hash(&vm->ram));
	else
		err = fail("memory changes while the guest runs; pause it "
			   "first");
	pthread_mutex_unlock(&vm->command);
	return err;
}

static int put_vcpus(struct vm *vm, FILE *out)
{
	unsigned int i;

	for (i = 0; i < vm->config.nr_vcpus; i++) {
		struct kvm_mp_state mp;
		struct kvm_regs regs;

		if (ioctl(vm->vcpu[i].fd, KVM_GET_REGS, &regs) ||
		    ioctl(vm->vcpu[i].fd, KVM_GET_MP_STATE, &mp))
			return fail_errno("KVM does not say where vCPU %u is",
					  i);
		fprintf(out, "%svcpu%u=rip:%#llx,rflags:%#llx,mp_state:%u",
			i ? " " : "", i, (unsigned long long)regs.rip,
			(unsigned long long)regs.rflags, mp.mp_state);
	}
	return 0;
}

static int run_vcpus(struct vm *vm, char *args, FILE *out)
{
	int err;

	(void)args;
	pthread_mutex_lock(&vm->command);
	if (vm->paused)
		err = put_vcpus(vm, out);
	else
		err = fail("vCPUs move while the guest runs; pause it first");
	pthread_mutex_unlock(&vm->command);
	return err;
}

static int run_quit(struct vm *vm, char *args, FILE *out)
{
	(void)args;
	(void)out;
	vm_end(vm, 0, NULL);
	return 0;
}

static int run_help(struct vm *vm, char *args, FILE *out);

static const struct command commands[] = {
	{ "help", "[COMMAND]", "what there is", run_help },
	{ "info", "", "this guest and its memory", run_info },
	{ "fork", "N [paused] [working-set FILE]",
	  "fork the guest into N more", run_fork },
	{ "reset", "", "go back to the latest fork, or to one's birth",
	  run_reset },
	{ "pause", "", "stop all vCPUs", run_pause },
	{ "resume", "", "go on; a paused child begins", run_resume },
	{ "prefault", "FILE", "apply a working set", run_prefault },
	{ "say", "TEXT", "a line to the guest's /dev/ttyS1", run_say },
	{ "wait", "PREFIX [SECONDS]", "next such line from it", run_wait },
	{ "when", "PREFIX [SECONDS]", "the same, and when it came", run_when },
	{ "ask", "WORD ...", "say, and wait for WORD", run_ask },
	{ "peek", "GPA LEN", "guest memory, in hex", run_peek },
	{ "watch", "GPA LEN", "report this memory as of each fork", run_watch },
	{ "hash", "", "of all memory; pause first", run_hash },
	{ "vcpus", "", "where each vCPU is; pause first", run_vcpus },
	{ "quit", "", "end this guest, not its children", run_quit },
};

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	fail("\"%s\" is no command; try \"help\"", name);
	return NULL;
}

static int run_help(struct vm *vm, char *args, FILE *out)
{
	const char *name = word(&args);
	const struct command *c;
	size_t i;

	(void)vm;
	if (*name) {
		c = find(name);
		if (!c)
			return -1;
		fprintf(out, "%s %s: %s", c->name, c->args, c->help);
		return 0;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "%s%s", i ? ", " : "", commands[i].name);
	return 0;
}

/**
 * command_run() - obey a line
 * @line: with room for one character more; it is changed
 *
 * Return: the reply with its newline, which the caller frees, or NULL.
 */
char *command_run(struct vm *vm, char *line)
{
	const struct command *c = find(word(&line));
	char *text = NULL, *reply = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int err = -1;

	if (!out)
		return NULL;
	if (c)
		err = c->run(vm, line, out);
	fclose(out);
	if (err)
		err = asprintf(&reply, "error %s\n", fail_text());
	else
		err = asprintf(&reply, "ok%s%s\n", *text ? " " : "", text);
	free(text);
	return err < 0 ? NULL : reply;
}
