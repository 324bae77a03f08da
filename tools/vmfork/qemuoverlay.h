/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Overlays: what was written so far is below, and parent and children go on in
 * one of their own each.  Children may have a copy by reflink instead; then the
 * parent's overlay is there for a moment only.
 */
#ifndef VMFORK_QEMUOVERLAY_H
#define VMFORK_QEMUOVERLAY_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct qemu_disks;
struct qemu_guard;
struct qemu_plan;
struct qemu_user;
struct qmp;

/**
 * struct qemu_overlays - of all disks, of the parent and its children
 * @plan: whose
 * @disks: of the plan
 * @guard: puts it right if this process is killed
 * @user: whose files they are, NULL for ours
 * @children: how many
 * @paths: of all of them: the parent's, one a disk, then each child's
 * @made: how many of @paths are there
 * @added: how many of the parent's QEMU knows
 * @tag: begins the names that QEMU has for them
 */
struct qemu_overlays {
	const struct qemu_plan *plan;
	struct qemu_disks *disks;
	const struct qemu_guard *guard;
	const struct qemu_user *user;
	unsigned int children;
	char **paths;
	size_t made;
	size_t added;
	char tag[16];
};

/**
 * qemu_overlays_make() - make the files, and have QEMU open the parent's
 * @overlays: with @plan, @disks, @guard and @children; qemu_overlays_free() it
 * @qmp: QEMU
 *
 * Return: an enum status; a failure has been told.  qemu_overlays_undo() then.
 */
int qemu_overlays_make(struct qemu_overlays *overlays, struct qmp *qmp);

/** qemu_overlays_actions() - of a transaction that uses them; NULL for none */
struct json_object *qemu_overlays_actions(const struct qemu_overlays *overlays);

/** qemu_overlays_sync() - write what the host has not yet, which takes time */
void qemu_overlays_sync(const struct qemu_overlays *overlays);

/**
 * qemu_overlays_settle() - what there is to do when the guest goes on
 *
 * Copies are made, of what is below the parent's overlays now; and what it has
 * written to these meanwhile is written back.  Where that fails the parent
 * keeps them, which is told.
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_overlays_settle(struct qemu_overlays *overlays, struct qmp *qmp);

/**
 * qemu_overlays_undo() - as if there had been none
 * @transacted: the parent may write to its own already
 *
 * What it wrote there is written back.
 *
 * Where that fails, the parent keeps its overlays, which is told.
 */
void qemu_overlays_undo(struct qemu_overlays *overlays, struct qmp *qmp,
			bool transacted);

void qemu_overlays_free(struct qemu_overlays *overlays);

#endif /* VMFORK_QEMUOVERLAY_H */
