// SPDX-License-Identifier: GPL-2.0
/*
 * ctl: one command to a running forkvm, for shells.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "forkvm.h"

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return fail("%s is too long for a socket's name", path);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_errno("no socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		fail_errno("no forkvm answers at %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int send_words(int fd, int argc, char **argv)
{
	char line[1024] = "";
	size_t len = 0;
	int i;

	for (i = 0; i < argc; i++) {
		len += snprintf(line + len, sizeof(line) - len, "%s%s", argv[i],
				i + 1 < argc ? " " : "\n");
		if (len >= sizeof(line))
			return fail("the command is too long");
	}
	if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		return fail_errno("forkvm does not listen");
	return 0;
}

/* Prints what follows "ok".  Return: exit status, 0 only after "ok". */
static int print_reply(FILE *in)
{
	char *reply = NULL;
	size_t size = 0;
	int status = 1;

	if (getline(&reply, &size, in) < 0) {
		fprintf(stderr, "forkvm: no answer; the guest has ended\n");
	} else if (!strncmp(reply, "error ", 6)) {
		fprintf(stderr, "forkvm: %s", reply + 6);
	} else {
		printf("%s", reply[2] == ' ' ? reply + 3 : reply + 2);
		status = 0;
	}
	free(reply);
	return status;
}

/** ctl_main() - forkvm ctl SOCKET COMMAND...; Return: exit status */
int ctl_main(int argc, char **argv)
{
	FILE *in = NULL;
	int fd, status;

	if (argc < 2) {
		fprintf(stderr, "forkvm ctl SOCKET COMMAND...; see "
			"\"forkvm ctl SOCKET help\"\n");
		return 2;
	}
	fd = connect_to(argv[0]);
	if (fd >= 0 && !send_words(fd, argc - 1, argv + 1)) {
		in = fdopen(fd, "r");
		if (!in)
			fail_errno("can not read the answer");
	}
	if (!in) {
		fprintf(stderr, "forkvm: %s\n", fail_text());
		if (fd >= 0)
			close(fd);
		return 1;
	}
	status = print_reply(in);
	fclose(in);
	return status;
}
