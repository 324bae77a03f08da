// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QEMU that is a process of the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fakeqemu.h"
#include "qmp.h"

struct fake *fake;

void fake_note(char what)
{
	size_t len = strlen(fake->log);

	if (len < sizeof(fake->log) - 1)
		fake->log[len] = what;
}

/* What was sent before that is forgotten, as QEMU does. */
static bool closed;

/* Said, and not yet sent */
static char held[8192];

static bool hears_more(int fd)
{
	struct pollfd fds = { .fd = fd, .events = POLLIN };

	return poll(&fds, 1, 0) > 0 && (fds.revents & POLLIN);
}

static void say(int fd, const char *text)
{
	size_t i, len = strlen(text);

	if (fake->style == TOGETHER && strlen(held) + len < sizeof(held)) {
		strcat(held, text);
		return;
	}
	if (fake->style != BY_BYTE) {
		if (write(fd, text, len) != (ssize_t)len)
			closed = true;
		return;
	}
	for (i = 0; i < len; i++)
		if (write(fd, text + i, 1) != 1)
			_exit(2);
}

static void event(int fd, const char *name, unsigned int us)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "{\"timestamp\": {\"seconds\": 7, \"microseconds\": %u}, \"event\": \"%s\"}\r\n",
		 us, name);
	say(fd, text);
}

static void answer(int fd, struct json_object *command, const char *what)
{
	const char *id = json_object_to_json_string(json_at(command, "id"));
	char text[600];

	if (fake->style == NOISY)
		event(fd, "RTC_CHANGE", 1);
	snprintf(text, sizeof(text),
		 fake->style == PRETTY ?
		 "{\n    %s,\n    \"id\": %s\n}\r\n" :
		 "{%s, \"id\": %s}\r\n", what, id);
	say(fd, text);
}

static void save(const char *path)
{
	static char state[FAKE_STATE_LEN] = "QEVM\0\0\0\3";
	size_t done = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	while (done < sizeof(state)) {
		ssize_t n = write(fd, state + done, sizeof(state) - done);

		if (n < 0)
			break;
		done += n;
	}
	close(fd);
}

static int find_node(const char *name)
{
	unsigned int i;

	for (i = 0; i < fake->nr_nodes; i++)
		if (name && !strcmp(fake->node[i], name))
			return i;
	return -1;
}

static bool add_node(const char *name)
{
	if (!name || find_node(name) >= 0 || fake->nr_nodes == FAKE_NODES)
		return false;
	snprintf(fake->node[fake->nr_nodes++], 32, "%s", name);
	return true;
}

/* One that a disk stands on can not go. */
static bool delete_node(const char *name)
{
	int at = find_node(name), i;

	for (i = 0; i < FAKE_DISKS; i++)
		if (name && !strcmp(fake->top[i], name))
			return false;
	if (at < 0)
		return false;
	memcpy(fake->node[at], fake->node[--fake->nr_nodes], 32);
	return true;
}

static bool transact(struct json_object *actions)
{
	size_t i;

	if (!json_object_is_type(actions, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(actions); i++) {
		struct json_object *action =
			json_object_array_get_idx(actions, i);
		const char *disk = json_text(action, "data.node");
		const char *node = json_text(action, "data.overlay");

		if (!disk || find_node(node) < 0 || strncmp(disk, "disk", 4))
			return false;
		strcpy(fake->top[disk[4] - '0'], node);
	}
	return true;
}

static bool end_job(void)
{
	int i;

	for (i = 0; i < FAKE_DISKS; i++) {
		if (!fake->job[0] || strcmp(fake->top[i], fake->job))
			continue;
		sprintf(fake->top[i], "base%d", i);
		fake->job[0] = '\0';
		fake->written_back++;
		return true;
	}
	return false;
}

static bool begin_job(struct json_object *arguments)
{
	const char *device = json_text(arguments, "device");
	const char *base = json_text(arguments, "base-node");
	int i;

	for (i = 0; i < FAKE_DISKS; i++)
		if (device && !strcmp(fake->top[i], device) && base &&
		    !strncmp(base, "base", 4) && base[4] - '0' == i) {
			strcpy(fake->job, device);
			return true;
		}
	return false;
}

static const char *const plain_answers[][2] = {
	{ "query-commands",
	  "[{\"name\":\"xen-save-devices-state\"},{\"name\":\"transaction\"},{\"name\":\"blockdev-add\"},{\"name\":\"human-monitor-command\"},{\"name\":\"qom-list\"}]" },
	{ "query-status", "{\"status\":\"running\",\"running\":true}" },
	{ "query-migrate", "{}" },
	{ "qom-list", "[]" },
	{ "query-version", "{\"qemu\":{\"major\":7,\"minor\":2}}" },
	{ "qom-get", "\"pc-q35-7.2-machine\"" },
	{ "query-name", "{\"name\":\"web\"}" },
};

/* Its guest's RAM is memory of the test's. */
static void tell_memory(const char *name, struct json_object *arguments,
			char *returned, size_t size)
{
	const char *line = json_text(arguments, "command-line");

	if (!strcmp(name, "query-memdev"))
		snprintf(returned, size,
			 "\"return\": [{\"id\":\"pc.ram\",\"size\":%zu,\"share\":false}]",
			 fake->ram_len);
	else if (line && !strcmp(line, "info ramblock"))
		snprintf(returned, size,
			 "\"return\": \"Block Name  PSize\\r\\n pc.ram    4 KiB  0x0 0x%zx 0x%zx 0x%zx rw\\r\\n\"",
			 fake->ram_len, fake->ram_len, (size_t)fake->ram);
	else
		snprintf(returned, size, "\"return\": \"\"");
}

/* Return: false if it is refused. */
static bool obey(int fd, struct json_object *command, const char *name,
		 char *returned, size_t size)
{
	struct json_object *arguments = json_at(command, "arguments");
	size_t i;

	snprintf(returned, size,
		 "\"return\": {\"value\": \"\\u00e9}\\\"{\"}");
	for (i = 0; i < sizeof(plain_answers) / sizeof(plain_answers[0]); i++)
		if (!strcmp(name, plain_answers[i][0]))
			snprintf(returned, size, "\"return\": %s",
				 plain_answers[i][1]);
	if (!strcmp(name, "stop")) {
		fake->running = false;
		event(fd, "STOP", 1000);
	} else if (!strcmp(name, "cont")) {
		fake->running = true;
		event(fd, "RESUME", 4500);
	} else if (!strcmp(name, "xen-save-devices-state")) {
		save(json_text(arguments, "filename"));
	} else if (!strcmp(name, "blockdev-add")) {
		return add_node(json_text(arguments, "node-name"));
	} else if (!strcmp(name, "blockdev-del")) {
		return delete_node(json_text(arguments, "node-name"));
	} else if (!strcmp(name, "transaction")) {
		return transact(json_at(arguments, "actions"));
	} else if (!strcmp(name, "block-commit")) {
		return begin_job(arguments);
	} else if (!strcmp(name, "block-job-complete")) {
		return end_job();
	} else if (!strcmp(name, "query-block-jobs")) {
		snprintf(returned, size,
			 fake->job[0] ?
			 "\"return\": [{\"device\": \"%s\", \"ready\": true}]" :
			 "\"return\": []", fake->job);
	} else if (!strcmp(name, "query-memdev") ||
		   !strcmp(name, "human-monitor-command")) {
		tell_memory(name, arguments, returned, size);
	} else if (!strcmp(name, "query-block") && fake->diskless) {
		snprintf(returned, size, "\"return\": []");
	} else if (!strcmp(name, "query-block")) {
		snprintf(returned, size,
			 "\"return\": [{\"device\": \"cd\"}, {\"device\": \"disk0\", \"inserted\": {\"node-name\": \"%s\"}}, {\"device\": \"disk1\", \"inserted\": {\"node-name\": \"%s\"}}]",
			 fake->top[0], fake->top[1]);
	}
	return true;
}

static void execute(int fd, struct json_object *command)
{
	static const char *const refusal =
		"\"error\": {\"class\": \"GenericError\", \"desc\": \"it does not want to\"}";
	const char *name = json_text(command, "execute");
	char returned[500];

	fake_note(name[0]);
	if (!strcmp(name, fake->at) && !fake->skip--) {
		fake->skip = 0;
		if (fake->deed == DIE)
			_exit(0);
		if (fake->deed == HANG)
			pause();
		if (fake->deed == REFUSE) {
			answer(fd, command, refusal);
			if (fake->once)
				fake->at[0] = '\0';
			return;
		}
		if (fake->deed == CLOSE || fake->deed == CLOSE_LATE) {
			closed = true;
			fake->at[0] = '\0';
			return;
		}
	}
	if (obey(fd, command, name, returned, sizeof(returned)))
		answer(fd, command, returned);
	else
		answer(fd, command, refusal);
}

static void send_held(int fd)
{
	size_t len = strlen(held);

	if (len && !hears_more(fd)) {
		if (write(fd, held, len) != (ssize_t)len)
			closed = true;
		held[0] = '\0';
	}
}

static void converse(int fd)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *command;
	char byte;

	if (!strcmp(fake->at, "greeting")) {
		if (fake->deed == HANG)
			pause();
		say(fd, "QEMU 7.2 monitor - type 'help' for more information\n");
		pause();
	}
	/* What the one before was closed at may be answered to the next one. */
	if (closed)
		say(fd, "{\"return\": {}, \"id\": 1}\r\n");
	closed = false;
	held[0] = '\0';
	say(fd, "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n");
	send_held(fd);
	while (!closed && recv(fd, &byte, 1, 0) == 1) {
		command = json_tokener_parse_ex(parser, &byte, 1);
		if (!json_object_is_type(command, json_type_object))
			continue;
		execute(fd, command);
		json_object_put(command);
		/* A line ends with what says nothing. */
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
		    byte == '\n')
			recv(fd, &byte, 1, 0);
		send_held(fd);
	}
	json_tokener_free(parser);
	close(fd);
	if (closed && fake->deed == CLOSE_LATE && !fake->at[0]) {
		fake->deed = OBEY;
		sleep(1);
	}
}

/* One after the other */
static void serve(int listener)
{
	signal(SIGPIPE, SIG_IGN);
	for (;;)
		converse(accept(listener, NULL, NULL));
}

bool fake_new(void)
{
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fake == MAP_FAILED)
		return false;
	strcpy(fake->dir, "/tmp/fakeqemu.XXXXXX");
	if (!mkdtemp(fake->dir))
		return false;
	sprintf(fake->socket, "%s/qmp", fake->dir);
	sprintf(fake->fifo, "%s/fifo", fake->dir);
	strcpy(fake->top[0], "base0");
	strcpy(fake->top[1], "base1");
	fake->running = true;
	told[0] = '\0';
	return true;
}

pid_t fake_begin(const char *at, enum deed deed)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	strcpy(address.sun_path, fake->socket);
	strcpy(fake->at, at);
	fake->deed = deed;
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1)) {
		close(listener);
		return -errno;
	}
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener);
	}
	close(listener);
	return pid;
}

void fake_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(fake->socket);
}

bool fake_free(void)
{
	const bool clean = !rmdir(fake->dir);

	munmap(fake, sizeof(*fake));
	return clean;
}
