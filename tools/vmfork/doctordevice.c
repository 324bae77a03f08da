// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork doctor: /dev/vmfork, what the module is told, names, and KVM.
 */
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define MODULE		"/sys/module/vmfork"
#define PARAMETER(name)	MODULE "/parameters/" name
#define FAULT_AROUND	512

/* --- the module -------------------------------------------------------------- */

static bool may_use(const char *path)
{
	return !faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS);
}

/* The name of a group; of no service of names, which a static program has not */
static void group_name(const struct doctor *doctor, gid_t gid, char text[64])
{
	const struct group *group = NULL;
	char path[512];
	FILE *file;

	snprintf(text, 64, "group %u", gid);
	file = fopen(doctor_path(doctor, path, "/etc/group"), "re");
	if (!file)
		return;
	while ((group = fgetgrent(file)) && group->gr_gid != gid)
		;
	if (group)
		snprintf(text, 64, "group %s", group->gr_name);
	fclose(file);
}

/* By whom besides its owner a device may be opened, or NULL */
static const char *open_to(const struct doctor *doctor, const struct stat *st,
			   char text[64])
{
	if (st->st_mode & 0006)
		return "everybody";
	if (!(st->st_mode & 0060) || !st->st_gid)
		return NULL;
	group_name(doctor, st->st_gid, text);
	return text;
}

void doctor_device(struct doctor *doctor)
{
	char path[512], text[64];
	const char *who;
	struct stat st;

	if (!doctor_exists(doctor, MODULE))
		return;
	if (stat(doctor_path(doctor, path, "/dev/vmfork"), &st)) {
		doctor_find(doctor, "device", DOCTOR_FAIL,
			    "The module is loaded, but there is no /dev/vmfork.");
		doctor_advise(doctor,
			      "Have the device made: udevadm trigger /sys/class/misc/vmfork; a container needs it from outside.");
		return;
	}
	who = open_to(doctor, &st, text);
	if (may_use(path)) {
		doctor_find(doctor, "device", DOCTOR_OK,
			    "/dev/vmfork may be used by you, and by %s.",
			    who ? who : "nobody else but root");
		return;
	}
	doctor_find(doctor, "device", DOCTOR_FAIL,
		    "/dev/vmfork may be used by root%s%s, but not by you.",
		    who ? " and " : "", who ? who : "");
	if (who == text)
		doctor_advise(doctor,
			      "Join them: usermod -aG %s USER as root, then log in again.",
			      text + strlen("group "));
	else
		doctor_advise(doctor,
			      "Run as root, or install the udev rule (60-vmfork.rules) that gives it to group kvm.");
}

void doctor_limit(struct doctor *doctor)
{
	uint64_t limit, half = doctor_meminfo(doctor, "MemTotal") / 2 << 10;
	char path[512], text[64];
	const char *who = NULL;
	struct stat st;

	if (!doctor_number(doctor, PARAMETER("max_bytes"), &limit))
		return;
	if (!stat(doctor_path(doctor, path, "/dev/vmfork"), &st))
		who = open_to(doctor, &st, text);
	if (limit) {
		doctor_find(doctor, "limit", DOCTOR_OK,
			    "Each user's snapshots may hold %llu MiB (max_bytes).",
			    (unsigned long long)limit >> 20);
	} else if (!who) {
		doctor_find(doctor, "limit", DOCTOR_OK,
			    "Snapshots may hold any memory (max_bytes is 0), but only root makes them.");
	} else {
		doctor_find(doctor, "limit", DOCTOR_WARN,
			    "Snapshots of %s may hold all memory, which can not be swapped out then (max_bytes is 0).",
			    who);
		doctor_advise(doctor,
			      "Have options vmfork max_bytes=%llu in /etc/modprobe.d/vmfork.conf, and write the number to %s now.",
			      (unsigned long long)half, PARAMETER("max_bytes"));
	}
}

void doctor_fault_around(struct doctor *doctor)
{
	uint64_t pages;

	if (!doctor_number(doctor, PARAMETER("fault_around"), &pages))
		return;
	if (pages >= FAULT_AROUND) {
		doctor_find(doctor, "fault_around", DOCTOR_OK,
			    "A fault may map %llu pages.",
			    (unsigned long long)pages);
		return;
	}
	doctor_find(doctor, "fault_around", DOCTOR_WARN,
		    "A fault may map %llu pages only, so that clones take more of them.",
		    (unsigned long long)pages);
	doctor_advise(doctor, "Write %d to %s.", FAULT_AROUND,
		      PARAMETER("fault_around"));
}

/* Where the file system of names is mounted */
static bool find_mount(const struct doctor *doctor, char where[256])
{
	char path[512], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *file;

	file = fopen(doctor_path(doctor, path, "/proc/self/mountinfo"), "re");
	while (file && !found && getline(&line, &size, file) > 0)
		found = strstr(line, " - vmforkfs ") &&
			sscanf(line, "%*s %*s %*s %*s %255s", where) == 1;
	free(line);
	if (file)
		fclose(file);
	return found;
}

void doctor_names(struct doctor *doctor)
{
	char where[256];

	if (!doctor_line(doctor, "/proc/filesystems", "\tvmforkfs\n"))
		return;
	if (find_mount(doctor, where)) {
		doctor_find(doctor, "names", DOCTOR_OK,
			    "Snapshots may have names below %s.", where);
		return;
	}
	doctor_find(doctor, "names", DOCTOR_NOTE,
		    "Snapshots can not have names yet: no vmforkfs is mounted.");
	doctor_advise(doctor,
		      "Mount it: systemctl enable --now run-vmfork.mount, or mount -t vmforkfs none /run/vmfork.");
}

/* --- KVM --------------------------------------------------------------------- */

static const char *kvm_module(const struct doctor *doctor)
{
	if (doctor_line(doctor, "/proc/cpuinfo", " svm"))
		return "kvm_amd";
	if (doctor_line(doctor, "/proc/cpuinfo", " vmx"))
		return "kvm_intel";
	return NULL;
}

static void report_no_kvm(struct doctor *doctor)
{
	const char *module = kvm_module(doctor);

	if (!module) {
		doctor_find(doctor, "kvm", DOCTOR_FAIL,
			    "There is no /dev/kvm, and the CPU offers no virtualization.");
		doctor_advise(doctor,
			      "Enable it (SVM, VT-x) in the firmware, or nesting in the hypervisor that this machine runs on.");
		return;
	}
	doctor_find(doctor, "kvm", DOCTOR_FAIL, "There is no /dev/kvm.");
	doctor_advise(doctor, "Load KVM: modprobe %s.", module);
}

void doctor_kvm(struct doctor *doctor)
{
	char path[512], text[64];
	const char *who;
	struct stat st;

	if (stat(doctor_path(doctor, path, "/dev/kvm"), &st)) {
		report_no_kvm(doctor);
	} else if (may_use(path)) {
		doctor_find(doctor, "kvm", DOCTOR_OK,
			    "/dev/kvm may be used by you.");
	} else {
		who = open_to(doctor, &st, text);
		doctor_find(doctor, "kvm", DOCTOR_FAIL,
			    "/dev/kvm may be used by root%s%s, but not by you.",
			    who ? " and " : "", who ? who : "");
		doctor_advise(doctor,
			      "Join group kvm: usermod -aG kvm USER as root, then log in again.");
	}
}

/* A parameter of KVM's; both spellings of a bool are in use */
static bool kvm_parameter(const struct doctor *doctor, const char *intel,
			  const char *amd, char *value)
{
	char name[128], text[16];

	snprintf(name, sizeof(name), "/sys/module/kvm_intel/parameters/%s",
		 intel);
	if (!doctor_read(doctor, name, text, sizeof(text))) {
		snprintf(name, sizeof(name),
			 "/sys/module/kvm_amd/parameters/%s", amd);
		if (!doctor_read(doctor, name, text, sizeof(text)))
			return false;
	}
	*value = text[0] == '1' ? 'Y' : text[0] == '0' ? 'N' : text[0];
	return true;
}

void doctor_tables(struct doctor *doctor)
{
	char value;

	if (!kvm_parameter(doctor, "ept", "npt", &value))
		return;
	if (value == 'Y') {
		doctor_find(doctor, "tables", DOCTOR_OK,
			    "KVM has page tables of the second level.");
		return;
	}
	doctor_find(doctor, "tables", DOCTOR_WARN,
		    "KVM shadows the guests' page tables, which makes their faults dear.");
	doctor_advise(doctor,
		      "Load kvm_intel with ept=1, or kvm_amd with npt=1, where the CPU has it.");
}

void doctor_nested(struct doctor *doctor)
{
	char value;

	if (!kvm_parameter(doctor, "nested", "nested", &value))
		return;
	if (value == 'Y') {
		doctor_find(doctor, "nested", DOCTOR_OK,
			    "KVM nests: make check uses it.");
		return;
	}
	doctor_find(doctor, "nested", DOCTOR_NOTE,
		    "KVM does not nest, so make check has to emulate its machines.");
	doctor_advise(doctor,
		      "Load kvm_intel or kvm_amd with nested=1 to have this project's tests run faster.");
}
