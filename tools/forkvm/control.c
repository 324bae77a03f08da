// SPDX-License-Identifier: GPL-2.0
/*
 * Control: a unix socket for commands, a thread for each who connects.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "forkvm.h"

#define LINE_MAX_LEN	1024
#define DRAIN_SECONDS	5

struct client {
	struct vm *vm;
	int fd;
};

/* The process does not end between a command and its reply */
static void set_busy(struct vm *vm, int change)
{
	pthread_mutex_lock(&vm->lock);
	vm->busy += change;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

static bool obey(struct client *client, char *line)
{
	char *reply;
	bool sent;

	set_busy(client->vm, 1);
	reply = command_run(client->vm, line);
	sent = reply && send(client->fd, reply, strlen(reply),
			     MSG_NOSIGNAL) >= 0;
	free(reply);
	set_busy(client->vm, -1);
	return sent;
}

static void *client_thread(void *arg)
{
	struct client client = *(struct client *)arg;
	FILE *in = fdopen(client.fd, "r");
	char line[LINE_MAX_LEN + 2];

	free(arg);
	while (in && fgets(line, LINE_MAX_LEN, in)) {
		line[strcspn(line, "\r\n")] = 0;
		if (!obey(&client, line))
			break;
	}
	if (in)
		fclose(in);
	else
		close(client.fd);
	return NULL;
}

static void serve(struct vm *vm, int fd)
{
	struct client *client = malloc(sizeof(*client));
	pthread_t thread;

	if (client) {
		*client = (struct client){ .vm = vm, .fd = fd };
		if (!pthread_create(&thread, NULL, client_thread, client)) {
			pthread_detach(thread);
			return;
		}
		free(client);
	}
	close(fd);
}

static void *accept_thread(void *arg)
{
	struct client *server = arg;

	for (;;) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			serve(server->vm, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			usleep(100000);		/* no descriptor is free */
	}
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno("can not make a control socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 16)) {
		fail_errno("can not listen at %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

/** control_drain() - wait until whoever asked has got a reply */
void control_drain(struct vm *vm)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DRAIN_SECONDS;
	pthread_mutex_lock(&vm->lock);
	while (vm->busy && !pthread_cond_timedwait(&vm->changed, &vm->lock,
						   &until))
		;
	pthread_mutex_unlock(&vm->lock);
}

/** control_start() - listen at vm->config.control, if it is wanted */
int control_start(struct vm *vm)
{
	static struct client server;
	pthread_t thread;

	if (!vm->config.control[0])
		return 0;
	server.vm = vm;
	server.fd = listen_at(vm->config.control);
	if (server.fd < 0)
		return -1;
	if (pthread_create(&thread, NULL, accept_thread, &server))
		return fail("can not start a thread for the control socket");
	pthread_detach(thread);
	return 0;
}
