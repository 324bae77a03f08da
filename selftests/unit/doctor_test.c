// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork doctor: what it says of machines that are made up of files.
 *
 * A machine is a directory that begins as a good one; a test changes what it
 * is about, and wants that one finding, and no other, to be another.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "cli.h"
#include "doctor.h"
#include "kselftest_harness.h"

#define RELEASE	"6.12.1-test"
#define CONFIG	"/boot/config-" RELEASE
#define SECURE_BOOT							\
	"/sys/firmware/efi/efivars/"					\
	"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static const struct {
	const char *name, *text;
} good[] = {
	{ "/proc/sys/kernel/osrelease", RELEASE "\n" },
	{ "/proc/sys/kernel/modules_disabled", "0\n" },
	{ "/proc/sys/vm/overcommit_memory", "0\n" },
	{ "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme svm sse\n" },
	{ "/proc/filesystems", "nodev\tproc\nnodev\tvmforkfs\n\text4\n" },
	{ "/proc/self/cgroup", "0::/user.slice/shell\n" },
	{ "/proc/self/mountinfo",
	  "21 1 0:19 / /proc rw,relatime - proc none rw\n"
	  "35 1 0:40 / /run/vmfork rw,nosuid - vmforkfs none rw\n" },
	{ "/proc/meminfo",
	  "MemTotal:        8388608 kB\nMlocked:               0 kB\n"
	  "SwapCached:            0 kB\n"
	  "SwapTotal:       1048576 kB\nSwapFree:        1048576 kB\n"
	  "CmaTotal:              0 kB\nHugetlb:               0 kB\n" },
	{ "/proc/zoneinfo",
	  "Node 0, zone   Normal\n  pages free     7\n        managed  2000\n"
	  "Node 0, zone  Movable\n  pages free     0\n        managed  0\n" },
	{ CONFIG,
	  "# CONFIG_PREEMPT is not set\nCONFIG_MODULES=y\nCONFIG_KVM=m\n"
	  "CONFIG_MMU_NOTIFIER=y\nCONFIG_TRANSPARENT_HUGEPAGE=y\n"
	  "CONFIG_MEMCG=y\nCONFIG_BPF_SYSCALL=y\nCONFIG_DEBUG_INFO_BTF=y\n"
	  "CONFIG_TRACEPOINTS=y\n" },
	{ "/etc/group", "root:x:0:\nkvm:x:4711:\n" },
	{ "/dev/kvm", "" },
	{ "/dev/vmfork", "" },
	{ "/sys/kernel/btf/vmlinux", "" },
	{ "/sys/kernel/security/lockdown",
	  "[none] integrity confidentiality\n" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled",
	  "always [madvise] never\n" },
	{ "/sys/kernel/mm/ksm/run", "0\n" },
	{ "/sys/kernel/mm/ksm/pages_sharing", "0\n" },
	{ "/sys/module/module/parameters/sig_enforce", "N\n" },
	{ "/sys/module/vmfork/version", VMFORK_VERSION "\n" },
	{ "/sys/module/vmfork/parameters/max_bytes", "0\n" },
	{ "/sys/module/vmfork/parameters/fault_around", "512\n" },
	{ "/sys/module/kvm_amd/parameters/nested", "1\n" },
	{ "/sys/module/kvm_amd/parameters/npt", "Y\n" },
	{ "/sys/fs/cgroup/cgroup.controllers", "memory cpu\n" },
	{ "/sys/fs/cgroup/user.slice/memory.max", "max\n" },
	{ "/sys/fs/cgroup/user.slice/memory.high", "max\n" },
	{ "/sys/fs/cgroup/user.slice/memory.current", "1048576\n" },
	{ "/sys/fs/cgroup/user.slice/shell/memory.max", "max\n" },
	{ "/sys/fs/cgroup/user.slice/shell/memory.high", "max\n" },
	{ "/sys/fs/cgroup/user.slice/shell/memory.current", "4096\n" },
};

#define NR_GOOD	(sizeof(good) / sizeof(good[0]))

FIXTURE(machine)
{
	char root[64];
	char path[512];
	struct doctor doctor;
};

static const char *at(FIXTURE_DATA(machine) *self, const char *name)
{
	snprintf(self->path, sizeof(self->path), "%s%s", self->root, name);
	return self->path;
}

static void put_bytes(FIXTURE_DATA(machine) *self, const char *name,
		      const void *bytes, size_t len)
{
	char *path = (char *)at(self, name), *slash;
	FILE *file;

	for (slash = path + strlen(self->root) + 1; (slash = strchr(slash, '/'));
	     *slash++ = '/') {
		*slash = '\0';
		mkdir(path, 0755);
	}
	unlink(path);
	file = fopen(path, "we");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file))
		abort();
}

static void put(FIXTURE_DATA(machine) *self, const char *name, const char *text)
{
	put_bytes(self, name, text, strlen(text));
}

static void drop(FIXTURE_DATA(machine) *self, const char *name)
{
	char command[600];

	snprintf(command, sizeof(command), "rm -r %s%s", self->root, name);
	if (system(command))
		abort();
}

static const struct doctor_finding *look(FIXTURE_DATA(machine) *self,
					 const char *check)
{
	size_t i;

	self->doctor.root = self->root;
	doctor_examine(&self->doctor);
	for (i = 0; i < self->doctor.nr; i++)
		if (!strcmp(self->doctor.findings[i].check, check))
			return &self->doctor.findings[i];
	return NULL;
}

static bool is_sentence(const char *text)
{
	size_t len = strlen(text);

	return len > 10 && text[len - 1] == '.';
}

/* The one finding that is not ok is so, and its sentences say these things. */
static bool is_only(FIXTURE_DATA(machine) *self, const char *check,
		    enum doctor_state state, const char *found,
		    const char *advice)
{
	const struct doctor_finding *this = look(self, check), *f;
	size_t i;

	for (i = 0; i < self->doctor.nr; i++) {
		f = &self->doctor.findings[i];
		if (f != this && (f->state != DOCTOR_OK || f->advice[0]))
			goto wrong;
	}
	f = this;
	if (f && f->state == state && strstr(f->found, found) &&
	    is_sentence(f->found) && strstr(f->advice, advice) &&
	    (state == DOCTOR_OK ? !f->advice[0] : is_sentence(f->advice)))
		return true;
wrong:
	printf("# %s: %s\n", check, f ? f->check : "no finding");
	if (f)
		printf("#   %s: %s | %s\n", doctor_state_name(f->state),
		       f->found, f->advice);
	return false;
}

/* Who is not root may have no rights where root has them all. */
static int status_as_nobody(FIXTURE_DATA(machine) *self, const char *check,
			    const char *found, const char *advice)
{
	const struct doctor_finding *f;
	int status;

	if (!fork()) {
		if (!geteuid() && (setgid(65534) || setuid(65534)))
			_exit(100);
		f = look(self, check);
		if (!f || f->state != DOCTOR_FAIL || !strstr(f->found, found) ||
		    !strstr(f->advice, advice))
			_exit(101);
		_exit(doctor_status(&self->doctor, false));
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE_SETUP(machine)
{
	size_t i;

	strcpy(self->root, "/tmp/doctor_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->root));
	chmod(self->root, 0755);
	for (i = 0; i < NR_GOOD; i++)
		put(self, good[i].name, good[i].text);
	chmod(at(self, "/dev/vmfork"), 0600);
	chmod(at(self, "/dev/kvm"), 0666);
}

FIXTURE_TEARDOWN(machine)
{
	drop(self, "");
}

TEST_F(machine, nothing_is_wrong)
{
	size_t i;

	EXPECT_TRUE(is_only(self, "kernel", DOCTOR_OK, RELEASE, ""));
	EXPECT_EQ(21, self->doctor.nr);
	for (i = 0; i < self->doctor.nr; i++)
		EXPECT_TRUE(is_sentence(self->doctor.findings[i].found));
	EXPECT_EQ(DONE, doctor_status(&self->doctor, true));
}

/* As in a container, or where nothing is mounted: no file, no crash */
TEST_F(machine, nothing_is_there)
{
	drop(self, "/proc");
	drop(self, "/sys");
	drop(self, "/dev");
	drop(self, "/boot");
	look(self, "kernel");
	EXPECT_EQ(FAILED, doctor_status(&self->doctor, false));
}

TEST_F(machine, kernels)
{
	put(self, "/proc/sys/kernel/osrelease", "5.10.0-28-amd64\n");
	drop(self, "/boot");
	ASSERT_NE(NULL, look(self, "kernel"));
	EXPECT_EQ(DOCTOR_FAIL, look(self, "kernel")->state);
	EXPECT_EQ(FAILED, doctor_status(&self->doctor, false));
	put(self, "/proc/sys/kernel/osrelease", "6.0.0\n");
	EXPECT_EQ(DOCTOR_FAIL, look(self, "kernel")->state);
	put(self, "/proc/sys/kernel/osrelease", "6.1.0-56-amd64\n");
	EXPECT_EQ(DOCTOR_OK, look(self, "kernel")->state);
	put(self, "/proc/sys/kernel/osrelease", "6.18.44\n");
	EXPECT_EQ(DOCTOR_WARN, look(self, "kernel")->state);
	put(self, "/proc/sys/kernel/osrelease", "7.2\n");
	EXPECT_EQ(DOCTOR_WARN, look(self, "kernel")->state);
	EXPECT_EQ(DONE, doctor_status(&self->doctor, false));
	EXPECT_EQ(FAILED, doctor_status(&self->doctor, true));
}

TEST_F(machine, config)
{
	static const char text[] =
		"# CONFIG_MODULES is not set\nCONFIG_MODULES_TREE=y\n"
		"CONFIG_KVM=m\nCONFIG_MMU_NOTIFIER=y\nCONFIG_MEMCG=y\n"
		"CONFIG_TRANSPARENT_HUGEPAGE=y\nCONFIG_BPF_SYSCALL=y\n"
		"CONFIG_DEBUG_INFO_BTF=y\nCONFIG_TRACEPOINTS=y\n";
	const char *lacks_memcg = "CONFIG_KVM=y\nCONFIG_MODULES=y\n"
		"CONFIG_MMU_NOTIFIER=y\nCONFIG_TRANSPARENT_HUGEPAGE=y\n"
		"CONFIG_BPF_SYSCALL=y\nCONFIG_DEBUG_INFO_BTF=y\n"
		"CONFIG_TRACEPOINTS=y\n";
	gzFile file;

	put(self, CONFIG, lacks_memcg);
	EXPECT_TRUE(is_only(self, "config", DOCTOR_WARN,
			    "without CONFIG_MEMCG.", "CONFIG_MEMCG,"));
	/* What the running kernel says of itself comes first. */
	file = gzopen(at(self, "/proc/config.gz"), "we");
	ASSERT_NE(NULL, file);
	ASSERT_EQ((int)strlen(text), gzputs(file, text));
	ASSERT_EQ(Z_OK, gzclose(file));
	EXPECT_TRUE(is_only(self, "config", DOCTOR_FAIL,
			    "without CONFIG_MODULES.", "nothing can be loaded"));
	drop(self, "/proc/config.gz");
	drop(self, CONFIG);
	EXPECT_TRUE(is_only(self, "config", DOCTOR_NOTE, "not to be found",
			    CONFIG));
	put(self, "/lib/modules/" RELEASE "/config", "");
	EXPECT_TRUE(is_only(self, "config", DOCTOR_FAIL,
			    "CONFIG_MODULES CONFIG_KVM", "CONFIG_MODULES"));
}

TEST_F(machine, btf)
{
	drop(self, "/sys/kernel/btf");
	EXPECT_TRUE(is_only(self, "btf", DOCTOR_WARN, "btf/vmlinux",
			    "CONFIG_DEBUG_INFO_BTF"));
}

TEST_F(machine, module)
{
	put(self, "/sys/module/vmfork/version", "0.0.7\n");
	EXPECT_TRUE(is_only(self, "module", DOCTOR_WARN, "0.0.7", "modprobe"));
	drop(self, "/sys/module/vmfork");
	EXPECT_TRUE(is_only(self, "module", DOCTOR_FAIL, "nor are the headers",
			    "linux-headers-" RELEASE));
	EXPECT_EQ(NO_MODULE, doctor_status(&self->doctor, false));
	EXPECT_EQ(NULL, look(self, "device"));
	EXPECT_EQ(NULL, look(self, "limit"));
	EXPECT_EQ(NULL, look(self, "fault_around"));
	put(self, "/lib/modules/" RELEASE "/build/Makefile", "");
	EXPECT_TRUE(is_only(self, "module", DOCTOR_FAIL, "not installed for",
			    "make install"));
	put(self, "/lib/modules/" RELEASE "/modules.dep",
	    "kernel/virt/kvm.ko:\nextra/notvmfork.ko:\n");
	EXPECT_TRUE(is_only(self, "module", DOCTOR_FAIL, "not installed for",
			    "make install"));
	put(self, "/lib/modules/" RELEASE "/modules.dep",
	    "kernel/virt/kvm.ko:\nupdates/dkms/vmfork.ko.xz: x.ko\n");
	EXPECT_TRUE(is_only(self, "module", DOCTOR_FAIL, "not loaded",
			    "modprobe vmfork."));
	put(self, "/proc/sys/kernel/modules_disabled", "1\n");
	EXPECT_TRUE(is_only(self, "module", DOCTOR_FAIL, "until the next boot",
			    "modules-load.d"));
	/* What else is in the way is told by the status first. */
	drop(self, "/dev/kvm");
	look(self, "kvm");
	EXPECT_EQ(FAILED, doctor_status(&self->doctor, false));
}

TEST_F(machine, signatures)
{
	static const char lockdown[] = "/sys/kernel/security/lockdown";
	static const char ko[] = "/lib/modules/" RELEASE "/extra/vmfork.ko";

	put(self, "/sys/module/module/parameters/sig_enforce", "Y\n");
	EXPECT_EQ(DOCTOR_OK, look(self, "signatures")->state);
	drop(self, "/sys/module/vmfork");
	put(self, "/lib/modules/" RELEASE "/modules.dep", "extra/vmfork.ko:\n");
	put(self, ko, "\177ELF and so on, without what comes at the end");
	EXPECT_EQ(DOCTOR_FAIL, look(self, "signatures")->state);
	EXPECT_NE(NULL, strstr(look(self, "signatures")->found, "sig_enforce"));
	EXPECT_EQ(FAILED, doctor_status(&self->doctor, false));
	put(self, ko, "\177ELF, signature~Module signature appended~\n");
	EXPECT_EQ(DOCTOR_NOTE, look(self, "signatures")->state);
	EXPECT_EQ(NO_MODULE, doctor_status(&self->doctor, false));
	put(self, ko, "");
	EXPECT_EQ(DOCTOR_FAIL, look(self, "signatures")->state);

	put(self, "/sys/module/module/parameters/sig_enforce", "N\n");
	EXPECT_EQ(DOCTOR_OK, look(self, "signatures")->state);
	put(self, lockdown, "none [integrity] confidentiality\n");
	EXPECT_NE(NULL, strstr(look(self, "signatures")->found, "(lockdown)"));
	put_bytes(self, SECURE_BOOT, "\6\0\0\0\1", 5);
	EXPECT_NE(NULL, strstr(look(self, "signatures")->found, "Secure Boot"));
	put_bytes(self, SECURE_BOOT, "\6\0\0\0\0", 5);
	EXPECT_EQ(NULL, strstr(look(self, "signatures")->found, "Secure Boot"));
	put(self, lockdown, "none integrity [confidentiality]\n");
	put(self, "/sys/module/vmfork/version", VMFORK_VERSION "\n");
	EXPECT_TRUE(is_only(self, "signatures", DOCTOR_WARN, "no BPF program",
			    "lockdown=integrity"));
}

TEST_F(machine, device)
{
	drop(self, "/dev/vmfork");
	EXPECT_TRUE(is_only(self, "device", DOCTOR_FAIL, "no /dev/vmfork",
			    "udevadm"));
	EXPECT_EQ(NO_MODULE, doctor_status(&self->doctor, false));

	put(self, "/dev/vmfork", "");
	if (geteuid())
		chmod(self->path, 0);
	else
		chmod(self->path, 0600);
	EXPECT_EQ(NO_MODULE,
		  status_as_nobody(self, "device", "by root, but", "udev rule"));
	if (geteuid() || chown(self->path, 0, 4711) || chmod(self->path, 0660))
		return;
	EXPECT_EQ(NO_MODULE,
		  status_as_nobody(self, "device", "by root and group kvm, but",
				   "usermod -aG kvm "));
	if (chown(self->path, 0, 4712))
		return;
	EXPECT_EQ(NO_MODULE,
		  status_as_nobody(self, "device", "and group 4712, but",
				   "usermod -aG 4712 "));
}

TEST_F(machine, limit)
{
	chmod(at(self, "/dev/vmfork"), 0666);
	EXPECT_TRUE(is_only(self, "limit", DOCTOR_WARN, "of everybody",
			    "max_bytes=4294967296 "));
	put(self, "/sys/module/vmfork/parameters/max_bytes", "1073741824\n");
	EXPECT_TRUE(is_only(self, "limit", DOCTOR_OK, "1024 MiB", ""));
	chmod(at(self, "/dev/vmfork"), 0600);
	EXPECT_TRUE(is_only(self, "limit", DOCTOR_OK, "1024 MiB", ""));
	put(self, "/sys/module/vmfork/parameters/max_bytes", "0\n");
	EXPECT_TRUE(is_only(self, "limit", DOCTOR_OK, "only root", ""));
	if (geteuid() || chown(at(self, "/dev/vmfork"), 0, 4711) ||
	    chmod(self->path, 0660))
		return;
	EXPECT_TRUE(is_only(self, "limit", DOCTOR_WARN, "of group kvm",
			    "max_bytes="));
}

TEST_F(machine, fault_around)
{
	put(self, "/sys/module/vmfork/parameters/fault_around", "16\n");
	EXPECT_TRUE(is_only(self, "fault_around", DOCTOR_WARN, "16 pages",
			    "Write 512 to"));
}

TEST_F(machine, names)
{
	put(self, "/proc/self/mountinfo",
	    "21 1 0:19 / /proc rw,relatime - proc none rw\n"
	    "22 1 0:19 / /x rw,relatime - tmpfs vmforkfs rw\n");
	EXPECT_TRUE(is_only(self, "names", DOCTOR_NOTE, "no vmforkfs",
			    "mount -t vmforkfs"));
	put(self, "/proc/filesystems", "nodev\tproc\n");
	EXPECT_EQ(NULL, look(self, "names"));
}

TEST_F(machine, kvm)
{
	drop(self, "/dev/kvm");
	EXPECT_TRUE(is_only(self, "kvm", DOCTOR_FAIL, "no /dev/kvm.",
			    "modprobe kvm_amd."));
	put(self, "/proc/cpuinfo", "flags\t\t: fpu vmx\n");
	EXPECT_TRUE(is_only(self, "kvm", DOCTOR_FAIL, "no /dev/kvm.",
			    "modprobe kvm_intel."));
	put(self, "/proc/cpuinfo", "flags\t\t: fpu sse\n");
	EXPECT_TRUE(is_only(self, "kvm", DOCTOR_FAIL, "no virtualization",
			    "firmware"));
	put(self, "/dev/kvm", "");
	chmod(self->path, geteuid() ? 0 : 0600);
	/* The test's own root may use both; nobody may use neither. */
	EXPECT_EQ(FAILED, status_as_nobody(self, "kvm", "by root",
					   "usermod -aG kvm"));
}

TEST_F(machine, kvm_parameters)
{
	put(self, "/sys/module/kvm_amd/parameters/npt", "N\n");
	EXPECT_TRUE(is_only(self, "tables", DOCTOR_WARN, "shadows", "npt=1"));
	put(self, "/sys/module/kvm_amd/parameters/npt", "1\n");
	put(self, "/sys/module/kvm_amd/parameters/nested", "0\n");
	EXPECT_TRUE(is_only(self, "nested", DOCTOR_NOTE, "not nest",
			    "nested=1"));
	drop(self, "/sys/module/kvm_amd");
	EXPECT_EQ(NULL, look(self, "nested"));
	EXPECT_EQ(NULL, look(self, "tables"));
	put(self, "/sys/module/kvm_intel/parameters/ept", "N\n");
	put(self, "/sys/module/kvm_intel/parameters/nested", "Y\n");
	EXPECT_TRUE(is_only(self, "tables", DOCTOR_WARN, "shadows", "ept=1"));
}

TEST_F(machine, huge_pages)
{
	put(self, "/sys/kernel/mm/transparent_hugepage/enabled",
	    "always madvise [never]\n");
	EXPECT_TRUE(is_only(self, "thp", DOCTOR_WARN, "never in huge",
			    "madvise or always"));
	put(self, "/sys/kernel/mm/transparent_hugepage/enabled",
	    "[always] madvise never\n");
	EXPECT_TRUE(is_only(self, "thp", DOCTOR_OK, "always", ""));
	drop(self, "/sys/kernel/mm/transparent_hugepage");
	EXPECT_EQ(NULL, look(self, "thp"));
}

TEST_F(machine, meminfo)
{
	put(self, "/proc/meminfo", "SwapTotal: 1048576 kB\nSwapFree: 1024 kB\n");
	EXPECT_TRUE(is_only(self, "swap", DOCTOR_WARN, "1023 MiB",
			    "memory.swap.max"));
	put(self, "/proc/meminfo",
	    "SwapTotal: 1048576 kB\nSwapFree: 1047553 kB\n");
	EXPECT_TRUE(is_only(self, "swap", DOCTOR_OK, "hardly", ""));
	put(self, "/proc/meminfo", "SwapTotal: 0 kB\nSwapFree: 0 kB\n");
	EXPECT_TRUE(is_only(self, "swap", DOCTOR_OK, "no swap", ""));
	put(self, "/proc/meminfo", "CmaTotal:         65536 kB\n");
	EXPECT_TRUE(is_only(self, "cma", DOCTOR_NOTE, "64 MiB", "cma="));
	put(self, "/proc/meminfo", "XHugetlb: 1 kB\nHugetlb:  1048576 kB\n");
	EXPECT_TRUE(is_only(self, "hugetlb", DOCTOR_NOTE, "1024 MiB",
			    "transparent huge pages"));
	put(self, "/proc/meminfo", "Mlocked: 2097152 kB\n");
	EXPECT_TRUE(is_only(self, "mlock", DOCTOR_NOTE, "2048 MiB",
			    "mem-lock=off"));
	put(self, "/proc/meminfo", "Mlocked: 1024 kB\n");
	EXPECT_TRUE(is_only(self, "mlock", DOCTOR_OK, "Hardly", ""));
	put(self, "/proc/meminfo", "CmaTotal:\nMlocked: kB\n\n:\n");
	EXPECT_TRUE(is_only(self, "cma", DOCTOR_OK, "No memory", ""));
}

TEST_F(machine, ksm)
{
	put(self, "/sys/kernel/mm/ksm/run", "1\n");
	put(self, "/sys/kernel/mm/ksm/pages_sharing", "2560\n");
	EXPECT_TRUE(is_only(self, "ksm", DOCTOR_WARN, "10 MiB so far",
			    "mem-merge=off"));
	/* Stopped, but what was merged stays so. */
	put(self, "/sys/kernel/mm/ksm/run", "0\n");
	EXPECT_TRUE(is_only(self, "ksm", DOCTOR_WARN, "10 MiB:", "Write 2"));
	put(self, "/sys/kernel/mm/ksm/run", "2\n");
	EXPECT_TRUE(is_only(self, "ksm", DOCTOR_OK, "apart", ""));
	drop(self, "/sys/kernel/mm/ksm");
	EXPECT_EQ(NULL, look(self, "ksm"));
}

TEST_F(machine, movable)
{
	put(self, "/proc/zoneinfo",
	    "Node 0, zone   Normal\n  pages free  7\n        managed  100\n"
	    "Node 0, zone  Movable\n  pages free  0\n        managed  2560\n"
	    "Node 1, zone   Normal\n        managed  100\n"
	    "Node 1, zone  Movable\n        managed  256\n");
	EXPECT_TRUE(is_only(self, "movable", DOCTOR_WARN, "11 MiB",
			    "movable_node"));
}

TEST_F(machine, memcg)
{
	static const char shell[] = "/sys/fs/cgroup/user.slice/shell/memory.max";

	put(self, shell, "104857600\n");
	EXPECT_TRUE(is_only(self, "memcg", DOCTOR_NOTE, "limit of 100 MiB",
			    "memory.max"));
	/* The one above has less, and high counts as well. */
	put(self, "/sys/fs/cgroup/user.slice/memory.high", "2097152\n");
	EXPECT_TRUE(is_only(self, "memcg", DOCTOR_NOTE,
			    "2 MiB, cgroup /user.slice has 1 MiB", ""));
	put(self, "/sys/fs/cgroup/user.slice/memory.current", "3000000\n");
	EXPECT_TRUE(is_only(self, "memcg", DOCTOR_WARN,
			    "/user.slice has 0 MiB", "drop snapshots"));
	put(self, "/proc/self/cgroup", "0::/\n");
	EXPECT_TRUE(is_only(self, "memcg", DOCTOR_OK, "No memory limit", ""));
	put(self, "/proc/self/cgroup", "4:memory:/x\n0::/\n");
	EXPECT_TRUE(is_only(self, "memcg", DOCTOR_NOTE, "not mounted",
			    "stay charged"));
}

TEST_F(machine, overcommit)
{
	put(self, "/proc/sys/vm/overcommit_memory", "2\n");
	EXPECT_TRUE(is_only(self, "overcommit", DOCTOR_WARN, "reserves",
			    "0 or 1"));
}

TEST_HARNESS_MAIN
