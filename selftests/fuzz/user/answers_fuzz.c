// SPDX-License-Identifier: GPL-2.0
/*
 * What QEMU says of itself, as vmfork qemu takes it: devices, disks, memory.
 *
 * A letter says who takes it; texts are between bytes that no JSON has.
 */
#include <json-c/json.h>
#include <sys/stat.h>

#include <vmfork.h>

#include "fuzz.h"
#include "fakeout.h"
#include "fuzzstat.h"
#include "qemucheck.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuopts.h"
#include "qemuram.h"
#include "qemustart.h"
#include "qemuuser.h"
#include "qmp.h"

#define BETWEEN		0xff

/* Up to the next one, as a text; to be freed */
static char *take_text(struct input *in)
{
	const uint8_t *end = in->size ? memchr(in->data, BETWEEN, in->size) :
					NULL;
	size_t len = end ? (size_t)(end - in->data) : in->size;
	char *text = malloc(len + 1);

	must(text);
	take(in, text, len);
	text[len] = '\0';
	take_byte(in);
	return text;
}

/* Each way in which a command line names a disk */
static void make_cmd(struct qemu_cmd *cmd)
{
	static const char line[] =
		"qemu\0root.qcow2\0-drive\0file=a,,b.qcow2,aio=native\0"
		"-drive\0file=/tmp/snap,snapshot=on\0"
		"-blockdev\0{\"driver\":\"file\",\"filename\":\"data.raw\",\"node-name\":\"d1\"}\0"
		"-blockdev\0{\"driver\":\"raw\",\"file\":\"d1\",\"node-name\":\"d2\",\"discard\":\"unmap\"}\0"
		"-blockdev\0driver=qcow2,node-name=q,file.driver=file,file.filename=x\0"
		"-blockdev\0driver=throttle,node-name=t,file=q\0"
		"-device\0virtio-net-pci,id=net0\0"
		"-device\0{\"driver\":\"virtio-blk-pci\",\"id\":\"b\"}";

	*cmd = (struct qemu_cmd){
		.exe = strdup("/usr/bin/qemu"), .cwd = strdup("/home"),
	};
	must(qemu_cmd_parse(cmd, line, sizeof(line)));
}

static void take_devices(struct json_object *list)
{
	struct qemu_cmd cmd;

	make_cmd(&cmd);
	qemu_check_types(list);
	/* Two are on the command line: an answer without them has lost them. */
	if (!qemu_check_named(list, &cmd))
		must(json_object_array_length(list) >= 2);
	qemu_check_unnamed(list, &cmd);
	qemu_cmd_free(&cmd);
}

static void take_disks(struct json_object *blocks)
{
	struct qemu_disks disks;
	struct qemu_cmd cmd;
	size_t i, j;

	if (!json_object_is_type(blocks, json_type_array))
		return;
	make_cmd(&cmd);
	if (!qemu_disks_take(blocks, &cmd, &disks)) {
		for (i = 0; i < disks.nr; i++) {
			const struct qemu_disk *disk = &disks.disks[i];
			struct json_object *node =
				qemu_disk_node(disk, "n", "qcow2", "o");

			must(disk->arg < cmd.nr && !disks.dropped[disk->arg]);
			must(disk->base[0] == '/' && disk->nr_files);
			must(disk->node && disk->device);
			must(!strchr(disk->label, '/'));
			json_object_put(node);
			/* Each child has an overlay of its own for each. */
			for (j = 0; j < i; j++)
				must(disks.disks[j].arg != disk->arg);
		}
	}
	qemu_disks_free(&disks);
	qemu_cmd_free(&cmd);
}

static void look_at(const struct qemu_ram *ram)
{
	struct vmfork_region *regions =
		calloc(ram->nr + 1, sizeof(*regions));
	uint64_t end = 0;
	size_t i;

	/* The first is the guest's RAM, at the snapshot's beginning. */
	must(ram->nr && !ram->blocks[0].offset);
	qemu_ram_regions(ram, regions);
	for (i = 0; i < ram->nr; i++) {
		const struct vmfork_region *region = &regions[i];

		must(region->len && region->addr);
		must(region->addr + region->len > region->addr);
		must(region->offset >= end);
		end = region->offset + region->len;
		must(end > region->offset);
		/* One byte of the stream has its length. */
		must(strlen(ram->blocks[i].name) < 256);
	}
	free(regions);
}

static void take_memory(struct json_object *memdevs, const char *blocks,
			const char *views)
{
	struct qemu_ram ram = { 0 };
	struct qemu_sight *sights;
	size_t i, nr;

	if (!qemu_ram_backend(memdevs, &ram) &&
	    !qemu_ram_blocks(blocks, &ram)) {
		sights = calloc(ram.nr, sizeof(*sights));
		nr = qemu_ram_sights(views, &ram, sights);
		must(nr <= ram.nr);
		for (i = 0; i < nr; i++) {
			must(sights[i].block < ram.nr);
			must(!i || sights[i].block > sights[i - 1].block);
		}
		free(sights);
		if (!ram.blocks[0].hva)
			ram.blocks[0].hva = 0x7f0000000000;
		qemu_ram_place(&ram);
		look_at(&ram);
	}
	qemu_ram_free(&ram);
}

static void take_others(const char *text)
{
	struct qemu_child child = { 0 };
	static struct qemu_user user;

	must(qemu_forwards(text, &child));
	free(child.forwards);
	if (qemu_user_parse(text, &user))
		must(user.nr <= QEMU_MAX_GROUPS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	const uint8_t who = take_byte(&in);
	char *text = take_text(&in), *blocks = take_text(&in);
	char *views = take_text(&in);
	struct json_object *object = json_tokener_parse(text);

	switch (who) {
	case 'd':
		take_disks(object);
		break;
	case 'm':
		take_memory(object, blocks, views);
		break;
	case 'n':
		take_devices(object);
		break;
	default:
		take_others(text);
	}
	json_object_put(object);
	free(text);
	free(blocks);
	free(views);
	return 0;
}
