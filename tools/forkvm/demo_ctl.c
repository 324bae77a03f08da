// SPDX-License-Identifier: GPL-2.0
/*
 * Commands and replies: the demo's side of forkvm's control socket.
 *
 * Nothing here returns an error: a demo that can not check does not go on.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "demo_ctl.h"

/** guest_connect() - to a guest's control socket, which may not be there yet */
void guest_connect(struct guest *g, unsigned int seconds)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	unsigned int tries = seconds * 20;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", g->control);
	do {
		g->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (g->fd < 0)
			demo_fail("no socket: %s", strerror(errno));
		if (!connect(g->fd, (struct sockaddr *)&addr, sizeof(addr)))
			return;
		close(g->fd);
		usleep(50000);
	} while (tries--);
	demo_fail("guest %s: nobody answers at %s", g->path, g->control);
}

static void read_reply(struct guest *g)
{
	size_t len = 0;

	do {
		ssize_t n = recv(g->fd, g->reply + len, REPLY_MAX - 1 - len, 0);

		if (n <= 0)
			demo_fail("guest %s has ended", g->path);
		len += n;
	} while (g->reply[len - 1] != '\n' && len < REPLY_MAX - 1);
	g->reply[len - 1] = 0;
}

/** guest_ask() - a command; Return: what follows "ok" in the reply */
const char *guest_ask(struct guest *g, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[len++] = '\n';
	if (send(g->fd, line, len, MSG_NOSIGNAL) != len)
		demo_fail("guest %s has ended", g->path);
	read_reply(g);
	if (strncmp(g->reply, "ok", 2))
		demo_fail("guest %s: %s", g->path, g->reply);
	return g->reply + 2;
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
	demo_fail("guest %s: no %s in \"%s\"", g->path, key, g->reply);
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

static FILE *open_smaps(pid_t pid)
{
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/smaps", pid);
	f = fopen(name, "r");
	if (!f)
		demo_fail("can not read %s: %s", name, strerror(errno));
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
		demo_fail("guest %s: no memory in \"%s\"", g->path, ram);
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
