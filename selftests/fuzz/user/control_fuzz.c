// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket: what somebody sends, from bytes to replies.
 *
 * control.c is taken in whole, as its reader of lines has no other way in.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/mman.h>

#include <ws.h>

#include "control.c"		/* of tools/forkvm */
#include "fuzz.h"

#define RAM_SIZE	(16 * 4096)
#define MOST		4096

/* No file is opened that somebody names; who begins so would have one. */
int working_set_read(const struct vm *vm, const char *path, struct ws *ws)
{
	must(*path);
	if (*path != '/')
		return fail("%s can not be opened", path);
	memset(ws, 0, sizeof(*ws));
	ws->snapshot_size = vm->config.mem_size;
	return ws_add(ws, 0, 4096, true);
}

int vm_prefault(struct vm *vm, const char *path,
		struct working_set_result *result)
{
	(void)vm;
	must(*path);
	memset(result, 0, sizeof(*result));
	return 0;
}

int vm_fork(struct vm *vm, unsigned int nr, bool paused, const struct ws *ws,
	    struct fork_result *result)
{
	unsigned int i;

	(void)vm;
	must(!ws || ws->nr == 1);
	must(nr >= 1 && nr <= 64);
	memset(result, 0, sizeof(*result));
	if (nr == 13)
		return fail("an unlucky number");
	result->nr = nr;
	result->child = calloc(nr, sizeof(*result->child));
	result->watch = vm->watch;
	for (i = 0; i < nr; i++)
		result->child[i].pid = paused + i;
	return 0;
}

int vm_reset(struct vm *vm, struct reset_result *result)
{
	memset(result, 0, sizeof(*result));
	return vm->paused ? 0 : fail("this one only while it is paused");
}

int vm_pause(struct vm *vm)
{
	vm->paused = true;
	return 0;
}

int vm_resume(struct vm *vm)
{
	vm->paused = false;
	return 0;
}

void vm_end(struct vm *vm, int status, const char *why)
{
	(void)status;
	(void)why;
	vm->ended = true;
}

void vm_irq(struct vm *vm, unsigned int gsi, int level)
{
	(void)vm;
	must(gsi == 3 && level >= 0 && level <= 1);
}

static void out(struct vm *vm, uint8_t byte)
{
	lines_byte(&vm->lines, byte);
}

static void make_vm(struct vm *vm)
{
	static uint8_t *ram;

	if (!ram)
		ram = malloc(RAM_SIZE);
	must(ram);
	memset(ram, 0x5a, RAM_SIZE);
	memset(vm, 0, sizeof(*vm));
	vm->config.mem_size = RAM_SIZE;
	vm->ram.nr = 1;
	vm->ram.region[0].size = RAM_SIZE;
	vm->ram.region[0].hva = ram;
	vm->snapshot_fd = -1;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->command, NULL);
	pthread_cond_init(&vm->changed, NULL);
	serial_init(&vm->channel, vm, 0x2f8, 3, out);
	must(!lines_init(&vm->lines));
	lines_close(&vm->lines);	/* Nobody waits for what never comes. */
}

static void free_vm(struct vm *vm)
{
	char *line;

	while ((line = lines_wait(&vm->lines, "", 0).text))
		free(line);
	free(vm->lines.line);
	free(vm->channel.in);
}

/* Each reply is a line, which says how it went. */
static void check_replies(int fd)
{
	static char buf[1 << 20];
	char *line = buf, *end;
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, buf + len, sizeof(buf) - 1 - len,
			 MSG_DONTWAIT)) > 0)
		len += n;
	buf[len] = 0;
	for (; (end = memchr(line, '\n', buf + len - line)); line = end + 1)
		must(!strncmp(line, "ok", 2) || !strncmp(line, "error ", 6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client *client = malloc(sizeof(*client));
	static struct vm vm;
	struct input in = { data, size };
	unsigned int guest;
	int pair[2];

	must(client);
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	make_vm(&vm);
	/* What the guest has said before anybody asked */
	for (guest = take_byte(&in); guest--;)
		lines_byte(&vm.lines, take_byte(&in));
	size = in.size < MOST ? in.size : MOST;
	must(write(pair[1], in.data, size) == (ssize_t)size);
	shutdown(pair[1], SHUT_WR);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);	/* Replies may be too many. */
	*client = (struct client){ .vm = &vm, .fd = pair[0] };
	client_thread(client);
	must(!vm.busy);
	check_replies(pair[1]);
	close(pair[1]);
	free_vm(&vm);
	return 0;
}
