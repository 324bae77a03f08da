// SPDX-License-Identifier: GPL-2.0
/*
 * QMP: what comes from a socket, in whatever pieces it comes.
 *
 * The socket is played by the target.  The input says how long the pieces are,
 * then what a QEMU says; the same in one piece must come to the same.  What is
 * said to one connection ends with a byte that is in no text.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "fakeout.h"
#include "qemucheck.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qmp.h"
#include "signals.h"

#define MAX_PIECES	16
#define BETWEEN		0xff

static struct input said;
static uint8_t pieces[MAX_PIECES];
static size_t nr_pieces, next_piece;
static bool connected, broken;

/* How much is said to this connection yet */
static size_t rest(void)
{
	const uint8_t *end = said.size ?
			     memchr(said.data, BETWEEN, said.size) : NULL;

	return end ? (size_t)(end - said.data) : said.size;
}

bool signals_caught(void)
{
	return false;
}

/* In place of calls of the libc in qmp.c */
int fuzz_poll(struct pollfd *fds, nfds_t nr, int timeout);
int fuzz_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	(void)nr;
	(void)timeout;
	fds->revents = POLLIN | POLLOUT;
	return 1;
}

int fuzz_connect(int fd, const struct sockaddr *address, socklen_t size);
int fuzz_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	(void)fd;
	(void)address;
	(void)size;
	if (connected) {
		const size_t len = rest();

		said.data += len;
		said.size -= len;
		take_byte(&said);
	}
	connected = true;
	return 0;
}

ssize_t fuzz_send(int fd, const void *data, size_t len, int flags);
ssize_t fuzz_send(int fd, const void *data, size_t len, int flags)
{
	struct json_object *command;
	char *text = strndup(data, len);

	(void)fd;
	(void)flags;
	/* What is said to it is JSON, whatever it said. */
	must(text && len && text[len - 1] == '\n');
	command = json_tokener_parse(text);
	must(json_object_is_type(command, json_type_object));
	json_object_put(command);
	free(text);
	return len;
}

ssize_t fuzz_recv(int fd, void *to, size_t room, int flags);
ssize_t fuzz_recv(int fd, void *to, size_t room, int flags)
{
	size_t len = room;

	(void)fd;
	(void)flags;
	if (nr_pieces)
		len = 1 + pieces[next_piece++ % nr_pieces];
	if (len > rest())
		len = rest();
	take(&said, to, len);
	return len;
}

/* What is asked of a QEMU, and what it came to, as a text */
static void talk(FILE *to)
{
	static const char *const paths[] = { "", "a", "a.b", "timestamp.x" };
	struct json_object *value = NULL;
	struct qemu_disks disks;
	struct qemu_cmd cmd = { .cwd = "/" };
	uint64_t first, second;
	struct qmp qmp;
	bool default_nic;
	char *text;
	size_t i;
	int err = qmp_connect(&qmp, "/run/qmp", 1000000000);

	fprintf(to, "connect %d\n", err);
	if (err)
		goto out;
	err = qmp_call(&qmp, "query-status", NULL, &value);
	must(!value || !err);
	fprintf(to, "call %d %s\n", err, json_object_to_json_string(value));
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		fprintf(to, "%s %d %ju\n", json_text(value, paths[i]) ?: "",
			json_true(value, paths[i]),
			(uintmax_t)json_number(value, paths[i]));
	json_object_put(value);
	first = qmp_add(&qmp, "stop", NULL);
	second = qmp_add(&qmp, "cont", json_make("a", "\"\n", "b", NULL, NULL));
	fprintf(to, "flush %d\n", qmp_flush(&qmp));
	err = qmp_reply(&qmp, second, NULL);
	fprintf(to, "second %d, first %d\n", err, qmp_answered(&qmp, first));
	fprintf(to, "first %d\n", qmp_reply(&qmp, first, NULL));
	err = qmp_monitor(&qmp, "info ramblock", &text);
	must(!text == !!err);
	fprintf(to, "monitor %d %s\n", err, text ? text : "");
	free(text);
	fprintf(to, "state %d\n", qemu_check_state(&qmp));
	fprintf(to, "devices %d\n", qemu_check_devices(&qmp, &cmd));
	fprintf(to, "nic %d\n", qemu_check_nic(&qmp, &cmd, &default_nic));
	fprintf(to, "disks %d\n", qemu_disks_find(&qmp, &cmd, &disks));
	qemu_disks_free(&disks);
	fprintf(to, "hear %d\n", qmp_hear(&qmp, 0));
	broken = qmp.broken;
	fprintf(to, "again %d\n", qmp_again(&qmp));
	fprintf(to, "stopped %ju to %ju, %d\n", (uintmax_t)qmp.stopped_us,
		(uintmax_t)qmp.resumed_us, qmp.resumed);
out:
	must(strnlen(qmp.error, sizeof(qmp.error)) < sizeof(qmp.error));
	fprintf(to, "%s\n", qmp.error);
	fprintf(to, "%s\n", told);
	broken = broken || qmp.broken;
	qmp_close(&qmp);
}

/* What came of it, to be freed */
static char *conversation(const struct input *text)
{
	char *result = NULL;
	size_t len;
	FILE *to = open_memstream(&result, &len);

	must(to);
	said = *text;
	next_piece = 0;
	connected = false;
	broken = false;
	told[0] = '\0';
	talk(to);
	must(!fclose(to));
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char *split, *whole;

	nr_pieces = 1 + take_byte(&in) % MAX_PIECES;
	take(&in, pieces, nr_pieces);
	split = conversation(&in);
	nr_pieces = 0;
	whole = conversation(&in);
	/* Of what is no JSON, json-c takes more when it comes in pieces: "1-" */
	if (!broken && strcmp(split, whole)) {
		fprintf(stderr, "in pieces:\n%sas a whole:\n%s", split, whole);
		abort();
	}
	free(split);
	free(whole);
	return 0;
}
