// SPDX-License-Identifier: GPL-2.0
/*
 * Client: start forkvm, and speak with it over its control socket.
 *
 * Nothing here returns an error: a demo or a test that can not check does not
 * go on, and client_fail() is where it ends.
 */
#include <errno.h>
#include <libgen.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

/* Beside ourselves, or wherever programs are */
static const char *forkvm_program(char *path, size_t size)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0) {
		self[len] = 0;
		snprintf(path, size, "%s/forkvm", dirname(self));
		if (!access(path, X_OK))
			return path;
	}
	return "forkvm";
}

/**
 * guest_boot() - start a guest, with its socket and its console in @dir
 * @options: of "forkvm run", NULL behind the last
 */
void guest_boot(struct guest *g, const char *dir, const char *const options[])
{
	char path[4096 + 8], console[128];
	const char *argv[32] = { "forkvm", "run", "--control", g->control,
				 "--console", console };
	const char *program = forkvm_program(path, sizeof(path));
	unsigned int i = 6;
	int err;

	snprintf(g->path, sizeof(g->path), "0");
	snprintf(g->control, sizeof(g->control), "%s/vm", dir);
	snprintf(console, sizeof(console), "%s/console", dir);
	while (*options && i < 31)
		argv[i++] = *options++;
	/* It takes strings that it does not change for strings that it may. */
	err = posix_spawnp(&g->pid, program, NULL, NULL, (char *const *)argv,
			   environ);
	if (err) {
		g->pid = 0;
		client_fail("can not start %s: %s", program, strerror(err));
	}
	guest_connect(g, 60);
}

/** guest_connect() - to a guest's control socket, which may not be there yet */
void guest_connect(struct guest *g, unsigned int seconds)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	unsigned int tries = seconds * 20;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", g->control);
	do {
		g->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (g->fd < 0)
			client_fail("no socket: %s", strerror(errno));
		if (!connect(g->fd, (struct sockaddr *)&addr, sizeof(addr)))
			return;
		close(g->fd);
		usleep(50000);
	} while (tries--);
	client_fail("guest %s: nobody answers at %s", g->path, g->control);
}

static void read_reply(struct guest *g)
{
	size_t len = 0;

	do {
		ssize_t n = recv(g->fd, g->reply + len, REPLY_MAX - 1 - len, 0);

		if (n <= 0)
			client_fail("guest %s has ended", g->path);
		len += n;
	} while (g->reply[len - 1] != '\n' && len < REPLY_MAX - 1);
	g->reply[len - 1] = 0;
}

static int ask(struct guest *g, const char *fmt, va_list ap)
{
	char line[256];
	int len = vsnprintf(line, sizeof(line) - 1, fmt, ap);

	if (len < 0 || len >= (int)sizeof(line) - 1)
		client_fail("guest %s: \"%s...\" is too long", g->path, line);
	line[len++] = '\n';
	if (send(g->fd, line, len, MSG_NOSIGNAL) != len)
		client_fail("guest %s has ended", g->path);
	read_reply(g);
	return strncmp(g->reply, "ok", 2) ? -1 : 0;
}

/** guest_ask() - a command that has to succeed; g->reply has what it said */
void guest_ask(struct guest *g, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = ask(g, fmt, ap);
	va_end(ap);
	if (err)
		client_fail("guest %s: %s", g->path, g->reply);
}

/** guest_try() - a command; Return: 0, or -1 if it did not succeed */
int guest_try(struct guest *g, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = ask(g, fmt, ap);
	va_end(ap);
	return err;
}

static const char *value_of(const struct guest *g, const char *key)
{
	const char *at = g->reply;
	size_t len = strlen(key);

	while ((at = strstr(at, key))) {
		if (at[-1] == ' ' && at[len] == '=')
			return at + len + 1;
		at += len;
	}
	client_fail("guest %s: no %s in \"%s\"", g->path, key, g->reply);
}

uint64_t reply_number(const struct guest *g, const char *key)
{
	return strtoull(value_of(g, key), NULL, 0);
}

uint64_t reply_hex(const struct guest *g, const char *key)
{
	return strtoull(value_of(g, key), NULL, 16);
}

void reply_text(const struct guest *g, const char *key, char *text, size_t size)
{
	const char *value = value_of(g, key);

	snprintf(text, size, "%.*s", (int)strcspn(value, " "), value);
}

/**
 * guest_fork() - fork a guest; its reply is kept
 * @how: "", or "paused"
 * @child: room for @nr
 *
 * Return: @nr, the children's number.  They are not connected to.
 */
unsigned int guest_fork(struct guest *g, const char *how, struct guest *child,
			unsigned int nr)
{
	char list[REPLY_MAX], *item, *save;
	unsigned int i = 0;

	guest_ask(g, "fork %u %s", nr, how);
	reply_text(g, "children", list, sizeof(list));
	for (item = strtok_r(list, ",", &save); item && i < nr;
	     item = strtok_r(NULL, ",", &save), i++) {
		char *control = strchr(item, ':');
		const char *path;

		if (!control)
			client_fail("no child in \"%s\"", item);
		/* ".../vm.3.1" is what guest 3.1 listens at */
		path = strstr(control, "/vm.");
		snprintf(child[i].path, sizeof(child[i].path), "%.60s",
			 path ? path + 4 : "?");
		snprintf(child[i].control, sizeof(child[i].control), "%.107s",
			 control + 1);
		child[i].pid = atoi(item);
	}
	if (i != nr || item)
		client_fail("guest %s: not %u children in \"%s\"", g->path, nr,
			    g->reply);
	return nr;
}

/** guest_meet() - connect to a running child, which says who it is */
void guest_meet(struct guest *g)
{
	char word[80];

	guest_connect(g, 10);
	guest_ask(g, "wait child 120");
	snprintf(word, sizeof(word), " child %s ", g->path);
	if (strncmp(g->reply + 2, word, strlen(word)))
		client_fail("guest %s says \"%s\"", g->path, g->reply);
}

static FILE *open_smaps(pid_t pid)
{
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/smaps", pid);
	f = fopen(name, "r");
	if (!f)
		client_fail("can not read %s: %s", name, strerror(errno));
	return f;
}

/**
 * guest_memory() - how much of its RAM is its own, how much a snapshot's
 *
 * Anonymous pages of a private mapping are those that it has written to.
 */
void guest_memory(struct guest *g)
{
	unsigned long start, end, ram_start, ram_size, kib;
	char line[512], ram[64];
	uint64_t rss = 0, anon = 0;
	int inside = 0;
	FILE *f;

	guest_ask(g, "info");
	reply_text(g, "ram0", ram, sizeof(ram));
	if (sscanf(ram, "%lx:%lx", &ram_start, &ram_size) != 2)
		client_fail("guest %s: no memory in \"%s\"", g->path, ram);
	f = open_smaps(g->pid);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start >= ram_start &&
				 end <= ram_start + ram_size;
		else if (inside && sscanf(line, "Rss: %lu", &kib) == 1)
			rss += kib;
		else if (inside && sscanf(line, "Anonymous: %lu", &kib) == 1)
			anon += kib;
	}
	fclose(f);
	g->private_kib = anon;
	g->shared_kib = rss - anon;
}
