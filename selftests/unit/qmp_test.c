// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/vmfork/qmp.c and qemustop.c: talking to QEMU, and the moment for which
 * its guest stops, with a QEMU that is a process of this test.
 *
 * Whatever that one does, and at whatever command it does it, the guest runs
 * afterwards (its last order was to go on), and nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "fakeqemu.h"
#include "kselftest_harness.h"
#include "out.h"
#include "qemuguard.h"
#include "qemustop.h"
#include "qmp.h"
#include "signals.h"

#define TIMEOUT_NS	300000000ULL

/* What the module does, as far as it is of interest here */
static int capture_error;
static bool signal_in_capture;

int vmfork_prearm(int dev, int pidfd, const struct vmfork_region *regions,
		  size_t nr, uint64_t slice_ns, struct vmfork_capture *result)
{
	(void)dev;
	(void)pidfd;
	(void)regions;
	(void)nr;
	(void)slice_ns;
	*result = (struct vmfork_capture){ .pages_stolen = 1 };
	fake_note('P');
	return 0;
}

int vmfork_capture(int dev, int pidfd, const struct vmfork_region *regions,
		   size_t nr, struct vmfork_capture *result)
{
	struct stat st;

	(void)dev;
	(void)pidfd;
	(void)regions;
	(void)nr;
	*result = (struct vmfork_capture){ 0 };
	fake_note(fake->running ? 'R' : 'C');
	/* QEMU waits in the middle of it: its command is not over. */
	if (stat(fake->fifo, &st) || !S_ISFIFO(st.st_mode))
		fake_note('F');
	if (signal_in_capture)
		raise(SIGTERM);
	if (capture_error) {
		result->refusal = VMFORK_PINNED;
		return capture_error;
	}
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

FIXTURE(qemu) {
	pid_t pid;
	struct qmp qmp;
	struct qemu_stop stop;
	struct qemu_guard guard;
	struct vmfork_region region;
};

FIXTURE_SETUP(qemu)
{
	ASSERT_TRUE(fake_new());
	self->qmp.fd = -1;
	self->pid = 0;
	capture_error = 0;
	signal_in_capture = false;
}

FIXTURE_TEARDOWN(qemu)
{
	qmp_close(&self->qmp);
	if (self->pid)
		fake_end(self->pid);
	/* Not a process is left: what waits for QEMU ends with it. */
	alarm(10);
	while (waitpid(-1, NULL, 0) > 0)
		;
	alarm(0);
	EXPECT_TRUE(fake_free());
}

static int begin(FIXTURE_DATA(qemu) *self, const char *at, enum deed deed)
{
	self->pid = fake_begin(at, deed);
	if (self->pid < 0)
		return self->pid;
	return qmp_connect(&self->qmp, fake->socket, TIMEOUT_NS);
}

static int stop(FIXTURE_DATA(qemu) *self)
{
	int status = qemu_guard_start(&self->guard, &self->qmp, NULL);

	if (status)
		return status;
	self->region = (struct vmfork_region){ .addr = 4096, .len = 4096 };
	self->stop = (struct qemu_stop){
		.qmp = &self->qmp,
		.pid = getpid(),
		.pidfd = -1,
		.regions = &self->region,
		.nr = 1,
		.fifo = fake->fifo,
		.guard = &self->guard,
		.actions = json_object_new_array(),
	};
	status = qemu_stop(&self->stop);
	if (self->stop.unanswered)
		qemu_guard_leave(&self->guard);
	qemu_guard_end(&self->guard);
	return status;
}

static int end(FIXTURE_DATA(qemu) *self)
{
	free(self->stop.devices);
	return self->stop.snapshot >= 0 ? close(self->stop.snapshot) : 0;
}

TEST_F(qemu, answers_in_any_form)
{
	struct json_object *value;
	unsigned int i;

	for (i = PLAIN; i <= NOISY; i++) {
		fake->style = i;
		ASSERT_EQ(0, begin(self, "", OBEY));
		EXPECT_EQ(self->qmp.pid, getpid());
		ASSERT_EQ(0, qmp_call(&self->qmp, "x",
				      json_make("a", "b\"", NULL), &value));
		EXPECT_STREQ("\u00e9}\"{", json_text(value, "value"));
		json_object_put(value);
		qmp_close(&self->qmp);
		fake_end(self->pid);
	}
	self->pid = 0;
}

TEST_F(qemu, several_at_a_time)
{
	uint64_t ids[100];
	size_t i;

	ASSERT_EQ(0, begin(self, "no", REFUSE));
	for (i = 0; i < 100; i++)
		ids[i] = qmp_add(&self->qmp, i % 3 ? "yes" : "no", NULL);
	ASSERT_EQ(0, qmp_flush(&self->qmp));
	/* From the last one on: all before it are kept. */
	for (i = 100; i > 0; i--)
		ASSERT_EQ((i - 1) % 3 ? 0 : -EREMOTEIO,
			  qmp_reply(&self->qmp, ids[i - 1], NULL));
	EXPECT_STREQ("it does not want to", self->qmp.error);
}

TEST_F(qemu, failures_have_their_own_errors)
{
	static const struct {
		const char *at;
		enum deed deed;
		int connect;
		int call;
	} cases[] = {
		{ "greeting", HANG, -ETIMEDOUT, 0 },
		{ "greeting", REFUSE, -EPROTO, 0 },
		{ "qmp_capabilities", DIE, -EPIPE, 0 },
		{ "qmp_capabilities", REFUSE, -EREMOTEIO, 0 },
		{ "x", DIE, 0, -EPIPE },
		{ "x", HANG, 0, -ETIMEDOUT },
		{ "x", REFUSE, 0, -EREMOTEIO },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ASSERT_EQ(cases[i].connect,
			  begin(self, cases[i].at, cases[i].deed));
		if (!cases[i].connect)
			ASSERT_EQ(cases[i].call,
				  qmp_call(&self->qmp, "x", NULL, NULL));
		qmp_close(&self->qmp);
		fake_end(self->pid);
	}
	self->pid = 0;
	EXPECT_EQ(-ENOENT, qmp_connect(&self->qmp, "/no/such", TIMEOUT_NS));
}

/* Nobody takes clients any more, and there is no room for one to wait. */
TEST(does_not_wait_for_others_for_ever)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), waits;
	struct qmp qmp;

	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/qmp_test.%d",
		 getpid());
	ASSERT_EQ(0, bind(listener, (struct sockaddr *)&at, sizeof(at)));
	ASSERT_EQ(0, listen(listener, 0));
	waits = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(waits, (struct sockaddr *)&at, sizeof(at)));
	EXPECT_EQ(-ETIMEDOUT, qmp_connect(&qmp, at.sun_path, TIMEOUT_NS));
	qmp_close(&qmp);
	close(waits);
	close(listener);
	unlink(at.sun_path);
}

TEST_F(qemu, stops_and_goes_on)
{
	ASSERT_EQ(0, begin(self, "", OBEY));
	ASSERT_EQ(DONE, stop(self)) {
		TH_LOG("%s", told);
	}
	/* Captured ahead; stopped, saved and captured; disks; going on. */
	EXPECT_STREQ("qPsxCtc", fake->log);
	EXPECT_LE(0, self->stop.snapshot);
	EXPECT_EQ(FAKE_STATE_LEN, self->stop.len);
	EXPECT_TRUE(self->stop.transacted);
	EXPECT_EQ(3500000, self->stop.stopped_ns);
	EXPECT_EQ(0, end(self));
}

/* Every command fails in every way; what was begun is ended. */
TEST_F(qemu, goes_on_after_each_failure)
{
	static const struct {
		const char *at;
		enum deed deed;
		const char *log;
		bool runs;
		bool transacted;
	} cases[] = {
		{ "stop", REFUSE, "qPsxc", true, false },
		{ "xen-save-devices-state", REFUSE, "qPsxc", true, false },
		{ "transaction", REFUSE, "qPsxCtc", true, false },
		{ "cont", REFUSE, "qPsxCtcccc", false, true },
		{ "stop", CLOSE, "qPsqc", true, false },
		{ "xen-save-devices-state", CLOSE, "qPsxqc", true, false },
		{ "transaction", CLOSE, "qPsxCtqc", true, true },
		{ "stop", DIE, "qPs", true, false },
		{ "xen-save-devices-state", DIE, "qPsx", false, false },
		{ "transaction", DIE, "qPsxCt", false, true },
		{ "cont", DIE, "qPsxCtc", false, true },
		{ "stop", HANG, "qPs", true, false },
		{ "xen-save-devices-state", HANG, "qPsx", false, false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(fake->log, 0, sizeof(fake->log));
		fake->running = true;
		told[0] = '\0';
		ASSERT_EQ(0, begin(self, cases[i].at, cases[i].deed));
		EXPECT_EQ(FAILED, stop(self));
		EXPECT_STREQ(cases[i].log, fake->log) {
			TH_LOG("case %zu: %s", i, told);
		}
		EXPECT_EQ(cases[i].runs, fake->running);
		EXPECT_EQ(cases[i].transacted, self->stop.transacted);
		EXPECT_EQ(-1, self->stop.snapshot);
		EXPECT_NE('\0', told[0]);
		EXPECT_EQ(0, end(self));
		qmp_close(&self->qmp);
		fake_end(self->pid);
		/* What still looks for that one is not to find the next. */
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
	self->pid = 0;
}

/* Two answers in one piece: nothing comes after them. */
TEST_F(qemu, goes_on_at_once_after_a_refusal)
{
	fake->style = TOGETHER;
	ASSERT_EQ(0, begin(self, "xen-save-devices-state", REFUSE));
	EXPECT_EQ(FAILED, stop(self));
	EXPECT_STREQ("qPsxc", fake->log);
	EXPECT_NE(NULL, strstr(told, "refuses xen-save-devices-state")) {
		TH_LOG("%s", told);
	}
	EXPECT_TRUE(fake->running);
	EXPECT_EQ(0, end(self));
}

/* Neither the connection nor another one in time: somebody stays for it. */
TEST_F(qemu, goes_on_when_it_takes_clients_again)
{
	int tries;

	ASSERT_EQ(0, begin(self, "transaction", CLOSE_LATE));
	EXPECT_EQ(FAILED, stop(self));
	EXPECT_TRUE(self->stop.unanswered);
	EXPECT_FALSE(fake->running);
	EXPECT_EQ(0, end(self));
	qmp_close(&self->qmp);
	for (tries = 0; tries < 5000 && !fake->running; tries++)
		usleep(1000);
	EXPECT_TRUE(fake->running);
}

/* Another QEMU is no one to be told of what was begun with the first. */
TEST_F(qemu, is_not_another_one)
{
	ASSERT_EQ(0, begin(self, "", OBEY));
	EXPECT_EQ(0, qmp_again(&self->qmp));
	self->qmp.pid++;
	EXPECT_EQ(-ECONNREFUSED, qmp_again(&self->qmp));
	EXPECT_EQ(getpid() + 1, self->qmp.pid);
}

/* The last order is given until it is obeyed. */
TEST_F(qemu, goes_on_if_only_that_is_lost)
{
	ASSERT_EQ(0, begin(self, "cont", CLOSE));
	EXPECT_EQ(DONE, stop(self));
	EXPECT_STREQ("qPsxCtcqc", fake->log);
	EXPECT_TRUE(fake->running);
	EXPECT_TRUE(self->stop.transacted);
	EXPECT_EQ(0, end(self));
}

TEST_F(qemu, goes_on_after_a_refused_capture)
{
	capture_error = -EBUSY;
	ASSERT_EQ(0, begin(self, "", OBEY));
	EXPECT_EQ(REFUSED, stop(self));
	/* No transaction */
	EXPECT_STREQ("qPsxCc", fake->log);
	EXPECT_TRUE(fake->running);
	EXPECT_FALSE(self->stop.transacted);
	EXPECT_EQ(0, end(self));
}

/* It is obeyed when all is in order again. */
TEST_F(qemu, goes_on_after_a_signal)
{
	signals_catch();
	signal_in_capture = true;
	ASSERT_EQ(0, begin(self, "", OBEY));
	EXPECT_EQ(FAILED, stop(self));
	EXPECT_STREQ("qPsxCtc", fake->log);
	EXPECT_TRUE(fake->running);
	EXPECT_TRUE(self->stop.transacted);
	EXPECT_EQ(0, end(self));
	signals_forget();
}

/* Killed while the guest stands still, by what can not be caught */
TEST_F(qemu, goes_on_if_nobody_is_left)
{
	int tries = 0, how;
	pid_t pid;

	ASSERT_EQ(0, begin(self, "", OBEY));
	pid = fork();
	if (!pid) {
		fake->at[0] = '\0';
		/* Its capture never ends. */
		capture_error = 1;
		self->stop = (struct qemu_stop){ 0 };
		kill(getpid(), SIGSTOP);
		stop(self);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &how, WUNTRACED));
	kill(pid, SIGCONT);
	/* From the moment on at which QEMU was told to stop */
	while (!strchr(fake->log, 's') && tries++ < 5000)
		usleep(1000);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	/* It has our connection only as long as we have. */
	close(self->qmp.fd);
	self->qmp.fd = -1;
	for (tries = 0; tries < 5000 && !strchr(fake->log, 'c'); tries++)
		usleep(1000);
	for (tries = 0; tries < 5000 && !fake->running; tries++)
		usleep(1000);
	EXPECT_TRUE(fake->running);
	for (tries = 0; tries < 5000 && !access(fake->fifo, F_OK); tries++)
		usleep(1000);
}

TEST_HARNESS_MAIN
