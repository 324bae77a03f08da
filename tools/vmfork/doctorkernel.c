// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork doctor: the kernel, how it was built, and what it lets be loaded.
 */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "doctor.h"

#define SECURE_BOOT	"/sys/firmware/efi/efivars/" \
			"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

void doctor_kernel(struct doctor *doctor)
{
	unsigned int major = 0, minor = 0;
	char release[128];

	doctor_release(doctor, release);
	if (sscanf(release, "%u.%u", &major, &minor) != 2 || major < 6 ||
	    (major == 6 && minor < 1)) {
		doctor_find(doctor, "kernel", DOCTOR_FAIL,
			    "Linux %s is too old.", release);
		doctor_advise(doctor,
			      "Run Linux 6.1 or 6.12, such as Debian 12 has.");
	} else if (major == 6 && (minor == 1 || minor == 12)) {
		doctor_find(doctor, "kernel", DOCTOR_OK, "Linux %s.", release);
	} else {
		doctor_find(doctor, "kernel", DOCTOR_WARN,
			    "vmfork is tested on Linux 6.1 and 6.12, and this is %s.",
			    release);
		doctor_advise(doctor,
			      "Run one of these, or this project's tests with this kernel first (make check).");
	}
}

/* --- configuration ----------------------------------------------------------- */

/**
 * struct option - of the kernel's configuration
 * @name: without CONFIG_
 * @state: what it means if it is not set
 * @why: the rest of "Use a kernel with ..., "
 */
struct option {
	const char *name;
	enum doctor_state state;
	const char *why;
};

/* What is missing worst comes first. */
static const struct option options[] = {
	{ "MODULES", DOCTOR_FAIL, "or nothing can be loaded" },
	{ "KVM", DOCTOR_FAIL, "or there are no virtual machines" },
	{ "MMU_NOTIFIER", DOCTOR_FAIL, "which the module uses" },
	{ "TRANSPARENT_HUGEPAGE", DOCTOR_WARN,
	  "as a capture of huge pages is the faster one" },
	{ "MEMCG", DOCTOR_WARN,
	  "so that what snapshots hold can be limited for groups of processes" },
	{ "BPF_SYSCALL", DOCTOR_WARN,
	  "for vmfork vms, faults, record, heat and slow" },
	{ "DEBUG_INFO_BTF", DOCTOR_WARN,
	  "for vmfork vms, faults, record, heat and slow" },
	{ "TRACEPOINTS", DOCTOR_WARN,
	  "for vmfork faults, record, heat and slow" },
};

#define NR_OPTIONS	(sizeof(options) / sizeof(options[0]))

/* zlib reads a file that is not compressed as it is. */
static gzFile open_config(const struct doctor *doctor)
{
	char release[128], path[512];
	gzFile file;

	doctor_release(doctor, release);
	file = gzopen(doctor_path(doctor, path, "/proc/config.gz"), "re");
	if (!file)
		file = gzopen(doctor_path(doctor, path, "/boot/config-%s",
					  release), "re");
	if (!file)
		file = gzopen(doctor_path(doctor, path,
					  "/lib/modules/%s/config", release),
			      "re");
	return file;
}

static void note_option(const char *line, bool *set)
{
	size_t i, len;

	if (strncmp(line, "CONFIG_", 7))
		return;
	for (i = 0; i < NR_OPTIONS; i++) {
		len = strlen(options[i].name);
		if (!strncmp(line + 7, options[i].name, len) &&
		    line[7 + len] == '=')
			set[i] = true;
	}
}

static void report_options(struct doctor *doctor, const bool *set)
{
	const struct option *worst = NULL;
	char missing[200] = "";
	size_t i, len;

	for (i = 0; i < NR_OPTIONS; i++) {
		if (set[i])
			continue;
		if (!worst)
			worst = &options[i];
		len = strlen(missing);
		snprintf(missing + len, sizeof(missing) - len, " CONFIG_%s",
			 options[i].name);
	}
	if (!worst) {
		doctor_find(doctor, "config", DOCTOR_OK,
			    "The kernel has all options that matter.");
		return;
	}
	doctor_find(doctor, "config", worst->state,
		    "The kernel is built without%s.", missing);
	doctor_advise(doctor, "Use a kernel with CONFIG_%s, %s.", worst->name,
		      worst->why);
}

void doctor_config(struct doctor *doctor)
{
	bool set[NR_OPTIONS] = { false };
	gzFile file = open_config(doctor);
	char line[512], release[128];

	if (!file) {
		doctor_find(doctor, "config", DOCTOR_NOTE,
			    "The kernel's configuration is not to be found.");
		doctor_advise(doctor,
			      "Have it in /boot/config-%s to have it looked at.",
			      doctor_release(doctor, release));
		return;
	}
	while (gzgets(file, line, sizeof(line)))
		note_option(line, set);
	gzclose(file);
	report_options(doctor, set);
}

void doctor_btf(struct doctor *doctor)
{
	if (!doctor_exists(doctor, "/sys/kernel/btf/vmlinux")) {
		doctor_find(doctor, "btf", DOCTOR_WARN,
			    "The kernel does not describe its types (/sys/kernel/btf/vmlinux).");
		doctor_advise(doctor,
			      "Use a kernel with CONFIG_DEBUG_INFO_BTF for vmfork vms, faults, record, heat and slow, and name memory by --range until then.");
		return;
	}
	doctor_find(doctor, "btf", DOCTOR_OK,
		    "The kernel describes its types, and VMs can be found.");
}

/* --- what may be loaded ------------------------------------------------------ */

static bool is_loaded(const struct doctor *doctor)
{
	return doctor_exists(doctor, "/sys/module/vmfork");
}

/* Its path if it is installed for this kernel */
static bool find_module(const struct doctor *doctor, char path[512])
{
	char release[128], line[1024];
	bool found = false;
	FILE *file;

	doctor_release(doctor, release);
	file = fopen(doctor_path(doctor, path, "/lib/modules/%s/modules.dep",
				 release), "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, ":")] = '\0';
		found = strstr(line, "/vmfork.ko");
	}
	if (file)
		fclose(file);
	if (found)
		doctor_path(doctor, path, "/lib/modules/%s/%s", release, line);
	return found;
}

/* Of a module that is compressed, only the kernel's loader can tell. */
static bool is_unsigned(const char *path)
{
	static const char mark[] = "~Module signature appended~\n";
	char text[sizeof(mark) - 1] = "";
	size_t len = strlen(path);
	FILE *file;

	if (len < 3 || strcmp(path + len - 3, ".ko"))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fseek(file, -(long)sizeof(text), SEEK_END) ||
	    fread(text, 1, sizeof(text), file) != sizeof(text))
		text[0] = '\0';
	fclose(file);
	return memcmp(text, mark, sizeof(text));
}

static bool secure_boot(const struct doctor *doctor)
{
	unsigned char value[5] = { 0 };		/* four of attributes */
	char path[512];
	FILE *file;
	size_t got;

	file = fopen(doctor_path(doctor, path, SECURE_BOOT), "re");
	if (!file)
		return false;
	got = fread(value, 1, sizeof(value), file);
	fclose(file);
	return got == sizeof(value) && value[4] == 1;
}

/* Why the kernel takes no module without a signature, or NULL */
static const char *enforced_by(const struct doctor *doctor)
{
	char text[64];

	if (doctor_read(doctor, "/sys/module/module/parameters/sig_enforce",
			text, sizeof(text)) && text[0] == 'Y')
		return "module.sig_enforce";
	if (doctor_line(doctor, "/sys/kernel/security/lockdown",
			"[integrity]") ||
	    doctor_line(doctor, "/sys/kernel/security/lockdown",
			"[confidentiality]"))
		return secure_boot(doctor) ? "Secure Boot's lockdown" :
					     "lockdown";
	return NULL;
}

void doctor_signatures(struct doctor *doctor)
{
	const char *enforced = enforced_by(doctor);
	char path[512];

	if (doctor_line(doctor, "/sys/kernel/security/lockdown",
			"[confidentiality]")) {
		doctor_find(doctor, "signatures", DOCTOR_WARN,
			    "lockdown is at confidentiality, which lets no BPF program read kernel memory.");
		doctor_advise(doctor,
			      "Boot with lockdown=integrity for vmfork vms, faults, record, heat and slow.");
	} else if (!enforced) {
		doctor_find(doctor, "signatures", DOCTOR_OK,
			    "The kernel loads modules without a signature.");
	} else if (is_loaded(doctor)) {
		doctor_find(doctor, "signatures", DOCTOR_OK,
			    "Modules must be signed (%s), and this one is loaded.",
			    enforced);
	} else if (find_module(doctor, path) && is_unsigned(path)) {
		doctor_find(doctor, "signatures", DOCTOR_FAIL,
			    "Modules must be signed (%s), and %s is not.",
			    enforced, path);
		doctor_advise(doctor,
			      "Have DKMS build and sign it (vmfork-dkms), and enrol its key: mokutil --import /var/lib/dkms/mok.pub.");
	} else {
		doctor_find(doctor, "signatures", DOCTOR_NOTE,
			    "Modules must be signed (%s) with a key that this kernel knows.",
			    enforced);
		doctor_advise(doctor,
			      "If modprobe says that the key was rejected, enrol the one that DKMS signs with: mokutil --import /var/lib/dkms/mok.pub.");
	}
}

static bool has_headers(const struct doctor *doctor, const char *release)
{
	char name[256];

	snprintf(name, sizeof(name), "/lib/modules/%s/build/Makefile", release);
	return doctor_exists(doctor, name);
}

static void report_loaded(struct doctor *doctor)
{
	char version[64];

	doctor_read(doctor, "/sys/module/vmfork/version", version,
		    sizeof(version));
	if (!strcmp(version, VMFORK_VERSION)) {
		doctor_find(doctor, "module", DOCTOR_OK,
			    "vmfork %s is loaded.", version);
		return;
	}
	doctor_find(doctor, "module", DOCTOR_WARN,
		    "The module that is loaded is version %s, this program %s.",
		    version[0] ? version : "unknown", VMFORK_VERSION);
	doctor_advise(doctor,
		      "Install both from one source, then modprobe -r vmfork and modprobe vmfork.");
}

/* It is not loaded, but it may be loadable. */
static void report_absent(struct doctor *doctor)
{
	char release[128], path[512];
	uint64_t disabled;

	doctor_release(doctor, release);
	if (doctor_number(doctor, "/proc/sys/kernel/modules_disabled",
			  &disabled) && disabled) {
		doctor_find(doctor, "module", DOCTOR_FAIL,
			    "No module can be loaded until the next boot (kernel.modules_disabled).");
		doctor_advise(doctor,
			      "Boot with vmfork in /etc/modules-load.d, and disable the loading of modules after that.");
	} else if (find_module(doctor, path)) {
		doctor_find(doctor, "module", DOCTOR_FAIL,
			    "vmfork is installed, but not loaded.");
		doctor_advise(doctor, "Load it: modprobe vmfork.");
	} else if (has_headers(doctor, release)) {
		doctor_find(doctor, "module", DOCTOR_FAIL,
			    "vmfork is not installed for Linux %s.", release);
		doctor_advise(doctor,
			      "Build it: install vmfork-dkms, or run make install, or make dkms-install, in the source tree.");
	} else {
		doctor_find(doctor, "module", DOCTOR_FAIL,
			    "vmfork is not installed for Linux %s, nor are the headers to build it.",
			    release);
		doctor_advise(doctor,
			      "Install linux-headers-%s, then vmfork-dkms, or run make install in the source tree.",
			      release);
	}
}

void doctor_module(struct doctor *doctor)
{
	if (is_loaded(doctor))
		report_loaded(doctor);
	else
		report_absent(doctor);
}
