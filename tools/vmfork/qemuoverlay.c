// SPDX-License-Identifier: GPL-2.0
/*
 * Overlays of disks: all that can be done before the guest stops is done here.
 * In the stop they are only put in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "imagefile.h"
#include "out.h"
#include "qcow2.h"
#include "qemuchain.h"
#include "qemuchild.h"
#include "qemudisk.h"
#include "qemuguard.h"
#include "qemuoverlay.h"
#include "qemureflink.h"
#include "qemuuser.h"
#include "qmp.h"
#include "signals.h"

/* Of a job that writes back what was written in a moment */
#define JOB_NS		30000000000ULL
#define JOB_WAIT_NS	20000000

static void node_name(const struct qemu_overlays *overlays, size_t i,
		      char name[32])
{
	snprintf(name, 32, "%s-%u", overlays->tag, (unsigned int)i);
}

/* A copy is made of it when the image is what it has to be. */
static int make_as_user(const struct qemu_disk *disk, const char *path,
			bool of_child)
{
	int fd, status;

	if (!of_child || !disk->reflink)
		return qcow2_overlay(path, disk->base, disk->format,
				     disk->size);
	status = image_create(path, disk->base, &fd);
	if (!status)
		close(fd);
	return status;
}

static int make_file(const struct qemu_overlays *overlays,
		     const struct qemu_disk *disk, const char *path,
		     bool of_child)
{
	int status, error = qemu_user_begin(overlays->user);

	if (error)
		return failure(FAILED, error, "%s can not be made: %s.", path,
			       strerror(error));
	status = make_as_user(disk, path, of_child);
	qemu_user_end(overlays->user);
	return status;
}

static int make_files(struct qemu_overlays *overlays)
{
	const struct qemu_disks *disks = overlays->disks;
	size_t i, nr = disks->nr * (overlays->children + 1);
	int status = DONE;

	overlays->paths = calloc(nr + 1, sizeof(*overlays->paths));
	if (!overlays->paths)
		return failure(FAILED, ENOMEM, "Out of memory.");
	for (i = 0; !status && i < nr; i++) {
		const struct qemu_disk *disk = &disks->disks[i % disks->nr];
		char *path = qemu_image_file(overlays->plan, i / disks->nr,
					     disk);

		if (!path)
			return failure(FAILED, ENOMEM, "Out of memory.");
		status = make_file(overlays, disk, path, i >= disks->nr);
		overlays->paths[i] = path;
		overlays->made += !status;
		if (!status && i < disks->nr)
			qemu_guard_disk(overlays->guard, path);
		else if (!status)
			qemu_guard_file(overlays->guard, path);
		if (!status && signals_caught())
			status = FAILED;
	}
	return status;
}

/* The file is found by that name again, whatever the image itself is called. */
static void name_file(struct json_object *add, const char *node)
{
	char *name = qemu_chain_file_node(node);

	if (name)
		json_object_object_add(json_at(add, "file"), "node-name",
				       json_object_new_string(name));
	free(name);
}

int qemu_overlays_make(struct qemu_overlays *overlays, struct qmp *qmp)
{
	const struct qemu_disks *disks = overlays->disks;
	uint32_t random;
	char node[32];
	int status = make_files(overlays);

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		abort();
	snprintf(overlays->tag, sizeof(overlays->tag), "vmfork-%08x", random);
	while (!status && overlays->added < disks->nr) {
		const size_t i = overlays->added;
		struct json_object *add;

		node_name(overlays, i, node);
		add = qemu_disk_node(&disks->disks[i], node, "qcow2",
				     overlays->paths[i]);
		/* What is below it is put there by the transaction. */
		json_object_object_add(add, "backing", NULL);
		name_file(add, node);
		qemu_guard_node(overlays->guard, node);
		status = qmp_ask(qmp, "blockdev-add", add, NULL);
		overlays->added += !status;
	}
	return status;
}

struct json_object *qemu_overlays_actions(const struct qemu_overlays *overlays)
{
	const struct qemu_disks *disks = overlays->disks;
	struct json_object *actions, *action;
	char node[32];
	size_t i;

	if (!disks->nr)
		return NULL;
	actions = json_object_new_array();
	for (i = 0; i < disks->nr; i++) {
		node_name(overlays, i, node);
		action = json_make("type", "blockdev-snapshot", NULL);
		json_object_object_add(action, "data",
				       json_make("node",
						 disks->disks[i].device,
						 "overlay", node, NULL));
		json_object_array_add(actions, action);
	}
	return actions;
}

void qemu_overlays_sync(const struct qemu_overlays *overlays)
{
	const struct qemu_disks *disks = overlays->disks;
	size_t i;

	for (i = 0; i < disks->nr; i++) {
		int fd = qemu_user_open(overlays->user, disks->disks[i].base,
					O_RDONLY, 0);

		/* If it fails, the stop is longer: QEMU does the same. */
		if (fd >= 0) {
			fdatasync(fd);
			close(fd);
		}
	}
}

/* An array of QEMU's, by another connection if this one has ended */
static int ask_list(struct qmp *qmp, const char *query,
		    struct json_object **list)
{
	int err = qmp_call(qmp, query, NULL, list);

	if (err == -EPIPE && !qmp_again(qmp))
		err = qmp_call(qmp, query, NULL, list);
	if (!err && !json_object_is_type(*list, json_type_array))
		err = -EPROTO;
	return err;
}

/*
 * Whether a job is there, and *ready if it waits for its end: 1, 0, or -errno if
 * QEMU does not say
 */
static int find_job(struct qmp *qmp, const char *id, bool *ready)
{
	struct json_object *jobs;
	int err = ask_list(qmp, "query-block-jobs", &jobs);
	bool found = false;
	size_t i;

	*ready = false;
	for (i = 0; !err && !found && i < json_object_array_length(jobs); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);
		const char *device = json_text(job, "device");

		found = device && !strcmp(device, id);
		*ready = found && json_true(job, "ready");
	}
	json_object_put(jobs);
	return err ? err : found;
}

/* What is below again, QEMU has it; the job ends when it has all of it. */
static void write_back(struct qmp *qmp, const struct qemu_disk *disk,
		       const char *node)
{
	const struct timespec wait = { .tv_nsec = JOB_WAIT_NS };
	const uint64_t until = now_ns() + JOB_NS;
	bool ready, completed = false;
	int found;

	/* Without an answer, the job may be there. */
	if (qmp_call(qmp, "block-commit",
		     json_make("job-id", node, "device", node, "base-node",
			       disk->node, NULL), NULL) == -EREMOTEIO)
		return;
	for (;;) {
		found = find_job(qmp, node, &ready);
		if ((found <= 0 && found != -EREMOTEIO) || now_ns() > until)
			break;
		if (ready && !completed)
			completed = !qmp_call(qmp, "block-job-complete",
					      json_make("device", node, NULL),
					      NULL);
		nanosleep(&wait, NULL);
	}
	/*
	 * It would be in the way of whatever comes next.  So is what QEMU does
	 * then: the file below stays locked, as one that it writes to.
	 */
	if (found)
		qmp_call(qmp, "block-job-cancel",
			 json_make("device", node, NULL), NULL);
}

static void tell_kept(const struct qemu_overlays *overlays, size_t i)
{
	const struct qemu_disk *disk = &overlays->disks->disks[i];

	fprintf(stderr, "vmfork: The disk %s goes on in %s, on top of %s.\n",
		disk->label, overlays->paths[i], disk->base);
}

/* Whether a drive writes to this node: 1, 0, or -errno if QEMU does not say */
static int is_on_top(struct qmp *qmp, const char *node)
{
	struct json_object *blocks;
	int found = 0, err = ask_list(qmp, "query-block", &blocks);
	size_t i;

	for (i = 0; !err && i < json_object_array_length(blocks); i++) {
		const char *top = json_text(json_nth(blocks, i),
					    "inserted.node-name");

		if (top && !strcmp(top, node))
			found = 1;
	}
	json_object_put(blocks);
	return err ? err : found;
}

static int delete_node(struct qmp *qmp, const char *node)
{
	return qmp_call(qmp, "blockdev-del",
			json_make("node-name", node, NULL), NULL);
}

/* Return: true if nobody needs the overlay.  If in doubt, somebody does. */
static bool undo_parent(struct qemu_overlays *overlays, struct qmp *qmp,
			size_t i, bool transacted)
{
	const struct qemu_disk *disk = &overlays->disks->disks[i];
	char node[32];
	int top;

	node_name(overlays, i, node);
	top = is_on_top(qmp, node);
	if (top > 0) {
		write_back(qmp, disk, node);
		top = is_on_top(qmp, node);
	}
	if (top > 0 || (top < 0 && transacted))
		return false;
	/* QEMU may have come to know it, or not; or have use for it still. */
	if (delete_node(qmp, node) == -EREMOTEIO)
		delete_node(qmp, node);
	return true;
}

static int copy_all(const struct qemu_overlays *overlays)
{
	const size_t nr = overlays->disks->nr;
	int status = DONE;
	size_t i;

	for (i = nr; !status && i < overlays->made; i++) {
		const struct qemu_disk *disk = &overlays->disks->disks[i % nr];

		if (disk->reflink)
			status = qemu_reflink_copy(disk->base,
						   overlays->paths[i],
						   overlays->user);
		if (!status && signals_caught())
			status = FAILED;
	}
	return status;
}

int qemu_overlays_settle(struct qemu_overlays *overlays, struct qmp *qmp)
{
	int status = copy_all(overlays);
	size_t i;

	/* Half of this is worse than all of it. */
	qmp->deaf = true;
	for (i = 0; !status && i < overlays->disks->nr; i++) {
		struct qemu_disk *disk = &overlays->disks->disks[i];

		if (!disk->reflink)
			continue;
		disk->settled = undo_parent(overlays, qmp, i, true);
		if (disk->settled)
			qemu_user_unlink(overlays->user, overlays->paths[i]);
		else
			tell_kept(overlays, i);
	}
	qmp->deaf = false;
	return status;
}

/*
 * A guest that wrote to an overlay for which there was no room stands still, by
 * QEMU's own decision.  It writes there no more.
 */
static void let_go_on(struct qmp *qmp)
{
	struct json_object *answer;
	const char *is;

	if (qmp_call(qmp, "query-status", NULL, &answer))
		return;
	is = json_text(answer, "status");
	if (is && !strcmp(is, "io-error"))
		qmp_call(qmp, "cont", NULL, NULL);
	json_object_put(answer);
}

void qemu_overlays_undo(struct qemu_overlays *overlays, struct qmp *qmp,
			bool transacted)
{
	const size_t nr = overlays->made ? overlays->disks->nr : 0;
	bool gone;
	size_t i;

	qmp->deaf = true;
	gone = overlays->made &&
	       qmp_call(qmp, "query-name", NULL, NULL) == -EPIPE &&
	       qmp_again(qmp);
	/* With QEMU gone, only what it has written to is still of use. */
	for (i = 0; i < overlays->made; i++)
		if (i >= nr || (gone ? !transacted :
				undo_parent(overlays, qmp, i, transacted)))
			qemu_user_unlink(overlays->user, overlays->paths[i]);
		else
			tell_kept(overlays, i);
	if (nr && transacted && !gone)
		let_go_on(qmp);
	overlays->made = 0;
	overlays->added = 0;
	qmp->deaf = false;
}

void qemu_overlays_free(struct qemu_overlays *overlays)
{
	size_t i;

	for (i = 0; overlays->paths && overlays->paths[i]; i++)
		free(overlays->paths[i]);
	free(overlays->paths);
	overlays->paths = NULL;
}
