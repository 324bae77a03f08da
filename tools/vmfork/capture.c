// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork capture: take a virtual machine's memory, or any memory of a running
 * process, into a snapshot, and save it to a file or hold it for others to map.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmfork.h>

#include "backing.h"
#include "cli.h"
#include "open.h"
#include "out.h"
#include "parse.h"
#include "ram.h"
#include "save.h"
#include "signals.h"
#include "stop.h"
#include "vm.h"

/**
 * struct request - what the command line asks for
 * @pid: of whom, 0 if not given
 * @output: file to save to, or NULL
 * @force: replace that file
 * @hold: keep the snapshot until a signal
 * @live: capture ahead, and stop the process for the rest
 * @size: of the snapshot, 0 for the end of its last region
 * @next_offset: where a region without an offset lies
 * @nr: length of @regions
 * @regions: what to capture
 * @vm_fd: the VM's file descriptor in its process, -1 if not given
 * @read_only: what the VM can not write to, too
 * @vms: where no range is given: what was found
 * @vm: of these, the one that is captured; NULL if a range is given
 * @ram: what of it
 */
struct request {
	int pid;
	const char *output;
	bool force;
	bool hold;
	bool live;
	uint64_t size;
	uint64_t next_offset;
	size_t nr;
	struct vmfork_region regions[VMFORK_MAX_REGIONS];
	int vm_fd;
	bool read_only;
	struct vm_list vms;
	const struct vm *vm;
	struct ram ram;
};

static int add_range(struct request *req, const char *text)
{
	if (req->nr == VMFORK_MAX_REGIONS)
		return failure(BAD_USAGE, 0,
			       "Too many ranges: give at most %d.",
			       VMFORK_MAX_REGIONS);
	if (!parse_range(text, &req->next_offset, &req->regions[req->nr]))
		return failure(BAD_USAGE, 0,
			       "'%s' is no range: write ADDR:LEN or ADDR:LEN@OFFSET, such as 0x7f0000000000:512M@0.",
			       text);
	req->nr++;
	return DONE;
}

static int add_wipe(struct request *req, const char *text)
{
	struct vmfork_range range;

	if (req->nr == VMFORK_MAX_REGIONS)
		return failure(BAD_USAGE, 0,
			       "Too many ranges: give at most %d, those to wipe included.",
			       VMFORK_MAX_REGIONS);
	if (!parse_addresses(text, &range))
		return failure(BAD_USAGE, 0,
			       "'%s' is no range to wipe: write ADDR:LEN, such as 0x7f0000001000:4K.",
			       text);
	req->regions[req->nr++] = (struct vmfork_region){
		.addr = range.start,
		.len = range.len,
		.flags = VMFORK_REGION_WIPE,
	};
	return DONE;
}

static int set_option(struct request *req, int option)
{
	switch (option) {
	case 'p':
		if (!parse_id(optarg, &req->pid) || !req->pid)
			return failure(BAD_USAGE, 0,
				       "'%s' is no process id: give a number above 0.",
				       optarg);
		return DONE;
	case 'r':
		return add_range(req, optarg);
	case 'w':
		return add_wipe(req, optarg);
	case 'o':
		req->output = optarg;
		return DONE;
	case 'f':
		req->force = true;
		return DONE;
	case 'H':
		req->hold = true;
		return DONE;
	case 'l':
		req->live = true;
		return DONE;
	case 'v':
		if (!parse_id(optarg, &req->vm_fd))
			return failure(BAD_USAGE, 0,
				       "'%s' is no number of a virtual machine: give one that vmfork vms shows as fd.",
				       optarg);
		return DONE;
	case 'R':
		req->read_only = true;
		return DONE;
	case 's':
		if (!parse_size(optarg, &req->size))
			return failure(BAD_USAGE, 0,
				       "'%s' is no size: give bytes, or a number with K, M, G or T.",
				       optarg);
		return DONE;
	default:
		return BAD_USAGE;
	}
}

static bool captures_anything(const struct request *req)
{
	size_t i;

	for (i = 0; i < req->nr; i++)
		if (!(req->regions[i].flags & VMFORK_REGION_WIPE))
			return true;
	return false;
}

static int parse_request(struct request *req, int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "range", required_argument, NULL, 'r' },
		{ "wipe", required_argument, NULL, 'w' },
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "hold", no_argument, NULL, 'H' },
		{ "live", no_argument, NULL, 'l' },
		{ "size", required_argument, NULL, 's' },
		{ "vm", required_argument, NULL, 'v' },
		{ "read-only", no_argument, NULL, 'R' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	memset(req, 0, sizeof(*req));
	req->vm_fd = -1;
	while ((option = next_option(&command_capture, argc, argv,
				     "p:r:w:o:fl" COMMON_SHORT, options)) != -1) {
		status = set_option(req, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help capture.",
			       argv[optind]);
	if (!req->pid)
		return failure(BAD_USAGE, 0,
			       "No process is given: add -p PID.");
	if (captures_anything(req) && (req->vm_fd >= 0 || req->read_only))
		return failure(BAD_USAGE, 0,
			       "--vm and --read-only are for a whole virtual machine: leave out --range.");
	if (!req->output && !req->hold)
		return failure(BAD_USAGE, 0,
			       "The snapshot would be lost at once: add -o FILE or --hold.");
	return DONE;
}

static int fail_capture(const struct request *req, int error,
			const struct vmfork_capture *result)
{
	struct refused refused = {
		.refusal = result->refusal,
		.range = result->refused_region,
		.addr = result->refused_addr,
		.pages_pinned = result->pages_pinned,
	};

	if (refused.refusal != VMFORK_OK && refused.range < req->nr) {
		refused.start = req->regions[refused.range].addr;
		refused.len = req->regions[refused.range].len;
		return failure_refused(error, &refused);
	}
	switch (error) {
	case EPERM:
	case EACCES:
		return failure(FAILED, error,
			       "Process %d may not be captured: run as root, or with CAP_SYS_PTRACE in its user namespace.",
			       req->pid);
	case ESRCH:
		return failure(FAILED, error,
			       "Process %d has exited: give one that runs.",
			       req->pid);
	case EINVAL:
		return failure(FAILED, error,
			       "The kernel can not make such a snapshot: make --size a multiple of 4096, and at most 128T.");
	case ENOTTY:
	case E2BIG:
		return failure(FAILED, error,
			       "The vmfork module is too old for this program: update it.");
	case ENOMEM:
		return failure(FAILED, error,
			       "The kernel is out of memory: free some, then capture again.");
	default:
		return failure(FAILED, error,
			       "Process %d can not be captured: %s.",
			       req->pid, strerror(error));
	}
}

/* Return: the snapshot, or -errno; stop->error if it was not the kernel's */
static int capture_live(const struct request *req, int dev, struct stop *stop,
			struct vmfork_live_result *live)
{
	const struct vmfork_live_options options = {
		.size = req->size,
		.pause = stop_begin,
		.resume = stop_end,
		.arg = stop,
	};

	return vmfork_capture_live(dev, stop->pidfd, req->regions, req->nr,
				   &options, live);
}

static int fail_stop(const struct request *req, int error)
{
	if (error == ETIMEDOUT)
		return failure(FAILED, error,
			       "Process %d does not stop: see what its threads wait for in /proc/%d/task.",
			       req->pid, req->pid);
	return failure(FAILED, error, "Process %d can not be stopped: %s.",
		       req->pid, strerror(error));
}

static int capture_from(const struct request *req, int dev, int pidfd,
			int *snapshot, struct vmfork_live_result *live)
{
	struct stop stop = { .pid = req->pid, .pidfd = pidfd };

	if (req->live)
		*snapshot = capture_live(req, dev, &stop, live);
	else
		*snapshot = vmfork_capture_sized(dev, pidfd, req->regions,
						 req->nr, req->size,
						 &live->capture);
	if (*snapshot >= 0)
		return DONE;
	if (*snapshot == -EINTR && signals_caught())
		return FAILED;
	if (stop.error)
		return fail_stop(req, stop.error);
	return fail_capture(req, -*snapshot, &live->capture);
}

static int add_ram(struct request *req)
{
	struct backings backings;
	size_t wiped = req->nr;
	int status = backing_read(req->pid, &backings);

	if (!status)
		status = ram_plan(req->vm, &backings, req->read_only,
				  VMFORK_MAX_REGIONS - wiped, &req->ram);
	backing_free(&backings);
	if (status)
		return status;
	memcpy(&req->regions[wiped], req->ram.regions,
	       req->ram.nr * sizeof(*req->regions));
	req->nr += req->ram.nr;
	return DONE;
}

static int choose_vm(struct request *req)
{
	int status = vm_find(&req->vms);

	if (!status)
		status = vm_choose(&req->vms, req->pid, req->vm_fd, &req->vm);
	return status ? status : add_ram(req);
}

/* What has come or gone since then is not as it should be in the snapshot. */
static int check_vm(const struct request *req)
{
	struct vm_list now;
	const struct vm *vm;
	int status = vm_find(&now);

	if (!status)
		status = vm_choose(&now, req->pid, req->vm_fd, &vm);
	if (!status && !vm_same_slots(req->vm, vm))
		status = failure(FAILED, EAGAIN,
				 "The virtual machine of process %d changed its memory slots meanwhile: try again.",
				 req->pid);
	vm_free(&now);
	return status;
}

static int capture_process(struct request *req, int dev, int pidfd,
			   int *snapshot, struct vmfork_live_result *live)
{
	int status = DONE;

	if (!captures_anything(req))
		status = choose_vm(req);
	if (!status)
		status = capture_from(req, dev, pidfd, snapshot, live);
	if (!status && req->vm) {
		status = check_vm(req);
		if (status)
			close(*snapshot);
	}
	return status;
}

static int capture(struct request *req, int *snapshot,
		   struct vmfork_live_result *live)
{
	int dev, pidfd, status;

	status = open_device(&dev);
	if (status)
		return status;
	status = open_process(req->pid, &pidfd);
	if (!status) {
		status = capture_process(req, dev, pidfd, snapshot, live);
		close(pidfd);
	}
	close(dev);
	return status;
}

/* Those that are captured, or those that are wiped. */
static void report_regions(const struct request *req, const char *name,
			   uint64_t flags)
{
	size_t i;

	out_open_list(name);
	for (i = 0; i < req->nr; i++) {
		if (req->regions[i].flags != flags)
			continue;
		out_open(NULL);
		out_address("address", req->regions[i].addr);
		out_bytes("length", req->regions[i].len);
		if (!flags)
			out_address("offset", req->regions[i].offset);
		out_close();
	}
	out_close();
}

/* What of the VM is not in the snapshot */
static void report_left(const struct ram *ram)
{
	const struct ram_left *left;

	out_open_table("left_out");
	for (left = ram->left; left < ram->left + ram->nr_left; left++) {
		out_open(NULL);
		out_address("gpa", left->gpa);
		out_bytes("length", left->len);
		if (left->hva)
			out_address("address", left->hva);
		else
			out_none("address");
		out_string("space", left->space ? "smm" : "normal");
		out_string("why", left->why);
		out_close();
	}
	out_close();
}

static void report_counts(const struct vmfork_capture *result)
{
	out_open("pages");
	out_number("stolen", result->pages_stolen);
	out_number("shared", result->pages_shared);
	out_number("copied", result->pages_copied);
	out_number("copied_shared", result->copied_shared);
	out_number("copied_ksm", result->copied_ksm);
	out_number("copied_busy", result->copied_busy);
	out_number("copied_partial", result->copied_partial);
	out_number("huge", result->pages_huge);
	out_number("hole", result->pages_hole);
	out_number("wiped", result->pages_wiped);
	out_number("in_place", result->pages_in_place);
	out_number("file", result->pages_file);
	out_close();
	out_open("ns");
	out_nanoseconds("prepare", result->ns_prepare);
	out_nanoseconds("collect", result->ns_collect);
	out_nanoseconds("unmap", result->ns_unmap);
	out_nanoseconds("steal", result->ns_steal);
	out_nanoseconds("longest", result->ns_longest);
	out_close();
}

static void report_live(const struct vmfork_live_result *live)
{
	out_open("live");
	out_number("passes", live->passes);
	out_number("prearmed", live->prearmed_pages);
	out_nanoseconds("prearm_ns", live->ns_prearm);
	out_nanoseconds("paused_ns", live->ns_paused);
	out_close();
}

static int report(const struct request *req,
		  const struct vmfork_live_result *live,
		  const struct save *save, int snapshot)
{
	const struct vmfork_capture *result = &live->capture;
	char path[64];

	out_number("snapshot", result->id);
	out_number("pid", req->pid);
	if (req->vm)
		out_number("vm", req->vm->owner->fd);
	out_bytes("size", result->snapshot_size);
	report_regions(req, "region", 0);
	report_regions(req, "wipe", VMFORK_REGION_WIPE);
	if (req->vm)
		report_left(&req->ram);
	report_counts(result);
	if (req->live)
		report_live(live);
	if (req->output) {
		out_string("file", req->output);
		out_bytes("written", save->written);
		out_bool("named", save->named);
	}
	if (req->hold) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(),
			 snapshot);
		out_string("path", path);
	}
	return out_finish();
}

static int capture_and_save(struct request *req, struct save *save)
{
	struct vmfork_live_result live = { 0 };
	int snapshot, status;

	status = capture(req, &snapshot, &live);
	if (status)
		return status;
	if (req->output) {
		status = save_copy(save, snapshot,
				   live.capture.snapshot_size);
		if (!status)
			status = save_commit(save);
	}
	if (!status && signals_caught() && !req->output)
		status = FAILED;
	if (!status)
		status = report(req, &live, save, snapshot);
	if (!status && req->hold)
		signals_wait();
	close(snapshot);
	return status;
}

static int run_capture(int argc, char **argv)
{
	struct request req;
	struct save save = { .fd = -1 };
	int status = parse_request(&req, argc, argv);

	if (status)
		return status;
	signals_catch();
	if (req.output)
		status = save_open(&save, req.output, req.force);
	if (!status)
		status = capture_and_save(&req, &save);
	save_abort(&save);
	ram_free(&req.ram);
	vm_free(&req.vms);
	/* A hold ends by a signal when all goes well. */
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_capture = {
	.name = "capture",
	.arguments = "-p PID [--vm N | --range ADDR:LEN[@OFFSET]...] [--wipe ADDR:LEN]... "
		     "[--live] {-o FILE | --hold}",
	.summary = "Capture a virtual machine, or memory of any process",
	.options =
	"  -p, --pid PID       the process\n"
	"      --vm N          its virtual machine, as the file descriptor that vmfork vms\n"
	"                      shows (default: the only one); all of its RAM, each page\n"
	"                      at its guest-physical address\n"
	"      --read-only     what the guest can not write to, too\n"
	"  -r, --range ADDR:LEN[@OFFSET]\n"
	"                      what to capture instead, and where it lies in the snapshot\n"
	"                      (default: behind the range before it; the first at 0)\n"
	"  -w, --wipe ADDR:LEN what of it to leave out: keys, a generation ID; the snapshot\n"
	"                      has zeroes there, the process keeps it\n"
	"      --size SIZE     size of the snapshot (default: end of its last range)\n"
	"  -l, --live          capture ahead while the process runs, then stop it, for a\n"
	"                      moment, for what it wrote meanwhile\n"
	"  -o, --output FILE   save the content, sparse; on vmforkfs, give the snapshot\n"
	"                      this name\n"
	"  -f, --force         replace FILE if it exists\n"
	"      --hold          keep the snapshot, and print a path that a VMM can map,\n"
	"                      until Ctrl-C\n"
	"\n"
	"Numbers are decimal, or hexadecimal with 0x; K, M, G and T may follow.\n",
	.run = run_capture,
};
