// SPDX-License-Identifier: GPL-2.0
/*
 * Between a QEMU and who speaks to it: at the Nth command something happens.
 *
 *	qmp_proxy LISTEN SOCKET NTH error	it is answered by an error
 *	qmp_proxy LISTEN SOCKET NTH close	the connection ends
 *	qmp_proxy LISTEN SOCKET NTH int		the client gets a SIGINT
 *	qmp_proxy LISTEN SOCKET NTH term	a SIGTERM
 *	qmp_proxy LISTEN SOCKET NTH kill PID	PID, the QEMU, a SIGKILL
 *	qmp_proxy LISTEN SOCKET NTH late	the command is done, the answer lost
 *
 * NTH may be the name of a command as well: at the first of these from the one
 * that switches disks (transaction) on.
 *
 * Prints a line for each command, and "did it" after the one with that number.
 * Clients come one after the other; it ends when it is killed, or when QEMU is
 * gone.
 */
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST	(1 << 20)

static const char *action;
static char name[64];		/* of the command, in quotes, if nth is 0 */
static int nth, seen;
static bool switched, done_it;
static pid_t qemu;

/* Commands of a client, a line each, or one document after the other */
static char text[MOST];
static size_t len;

static void address(struct sockaddr_un *to, const char *path)
{
	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(to->sun_path))
		errx(2, "%s is too long", path);
	strcpy(to->sun_path, path);
}

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(2, "socket");
	return fd;
}

static pid_t client_of(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		err(2, "SO_PEERCRED");
	return cred.pid;
}

static bool send_all(int fd, const char *bytes, size_t count)
{
	while (count) {
		ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		count -= n;
	}
	return true;
}

/* Return: the length of the document that text begins with, 0: not all of it. */
static size_t document(void)
{
	bool string = false;
	int depth = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				string = false;
		} else if (text[i] == '"') {
			string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			depth++;
		} else if ((text[i] == '}' || text[i] == ']') && !--depth) {
			return i + 1;
		}
	}
	return 0;
}

/* An answer has the id of its question, if that has one. */
static bool answer_error(int client, const char *command)
{
	char line[512], id[64] = "";
	const char *found = strstr(command, "\"id\"");

	if (found && sscanf(found, "\"id\" : %60[^,}]", id) != 1)
		errx(2, "which id is that: %s", found);
	snprintf(line, sizeof(line),
		 "{\"error\": {\"class\": \"GenericError\", \"desc\": \"this is planted\"}%s%s}\r\n",
		 *id ? ", \"id\": " : "", id);
	return send_all(client, line, strlen(line));
}

/* Return: 1 to hand the command on, 0 not to, -1 to end the connection. */
static int act(int client, const char *command)
{
	printf("did it\n");
	fflush(stdout);
	if (!strcmp(action, "error"))
		return answer_error(client, command) ? 0 : -1;
	if (!strcmp(action, "close"))
		return -1;
	if (!strcmp(action, "kill")) {
		kill(qemu, SIGKILL);
		return 1;
	}
	if (!strcmp(action, "late"))
		return 1;
	kill(client_of(client), strcmp(action, "int") ? SIGTERM : SIGINT);
	/* It has it before the answer. */
	usleep(20000);
	return 1;
}

/* Whether this command is the one */
static bool is_due(const char *command)
{
	if (strstr(command, "\"transaction\""))
		switched = true;
	if (done_it)
		return false;
	done_it = nth ? seen == nth : switched && strstr(command, name);
	return done_it;
}

/* Return: false to end the connection. */
static bool command(int client, int server, size_t count)
{
	char *copy = strndup(text, count);
	int what = 1;
	bool done, due;

	if (!copy)
		err(2, "strndup");
	/* The end of the line before it is still there. */
	printf("%d %s\n", ++seen, copy + strspn(copy, "\r\n "));
	fflush(stdout);
	due = is_due(copy);
	if (due)
		what = act(client, copy);
	free(copy);
	if (what < 0)
		return false;
	done = !what || (send_all(server, text, count) &&
			 send_all(server, "\n", 1));
	if (done && due && !strcmp(action, "late")) {
		usleep(300000);
		return false;
	}
	return done;
}

static bool from_client(int client, int server)
{
	ssize_t n = read(client, text + len, sizeof(text) - len);
	size_t count;

	if (n <= 0)
		return false;
	len += n;
	while ((count = document())) {
		if (!command(client, server, count))
			return false;
		len -= count;
		memmove(text, text + count, len);
	}
	return true;
}

static bool from_server(int client, int server)
{
	static char bytes[1 << 16];
	ssize_t n = read(server, bytes, sizeof(bytes));

	return n > 0 && send_all(client, bytes, n);
}

static void serve(int client, const char *path)
{
	struct sockaddr_un to;
	struct pollfd p[2];
	int server = open_socket();

	address(&to, path);
	if (connect(server, (struct sockaddr *)&to, sizeof(to)))
		exit(0);	/* QEMU is gone. */
	len = 0;
	p[0] = (struct pollfd){ .fd = client, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = server, .events = POLLIN };
	for (;;) {
		if (poll(p, 2, -1) < 0)
			err(2, "poll");
		if (p[1].revents && !from_server(client, server))
			break;
		if (p[0].revents && !from_client(client, server))
			break;
	}
	close(server);
	close(client);
}

int main(int argc, char **argv)
{
	struct sockaddr_un at;
	int listener, client;

	if (argc < 5)
		errx(2, "usage: qmp_proxy LISTEN SOCKET NTH ACTION [PID]");
	nth = atoi(argv[3]);
	snprintf(name, sizeof(name), "\"%s\"", argv[3]);
	action = argv[4];
	qemu = argc > 5 ? atoi(argv[5]) : 0;
	if (!strcmp(action, "kill") && qemu <= 1)
		errx(2, "kill whom?");
	address(&at, argv[1]);
	listener = open_socket();
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(listener, 4))
		err(2, "%s", argv[1]);
	while ((client = accept(listener, NULL, NULL)) >= 0)
		serve(client, argv[2]);
	err(2, "accept");
}
