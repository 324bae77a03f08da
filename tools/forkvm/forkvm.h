/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forkvm: a small VMM that forks the Linux guest it runs.
 *
 * A struct vm is one guest: its memory (struct ram), its vCPUs, each run by
 * a thread of its own, and the few devices that Linux wants.  A forked guest
 * is another process with a struct vm of its own, built from two things: the
 * snapshot of the parent's memory and a struct blob with everything else.
 *
 * Functions return 0 or -1; fail() keeps the sentence that says why.
 */
#ifndef FORKVM_H
#define FORKVM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>
#include <vmfork.h>

#define MAX_VCPUS	8
#define PATH_LEN	64		/* "3.1": child 1 of child 3 */
#define FILE_LEN	108		/* as much as a unix socket's path */
#define WATCH_MAX	64
#define GENID_LEN	16

#define KiB		(1ULL << 10)
#define MiB		(1ULL << 20)
#define GiB		(1ULL << 30)
#define HUGE_SIZE	(2 * MiB)

/* error.c */
void fail_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fail_say_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *fail_text(void);
uint64_t now_ns(void);

static inline int failed(void)
{
	return -1;
}

/*
 * -1, for "return fail(...)", after a sentence was kept that says what went
 * wrong and what to do.  Macros, so that whoever analyses a caller sees that.
 */
#define fail(...)	(fail_say(__VA_ARGS__), failed())
#define fail_errno(...)	(fail_say_errno(__VA_ARGS__), failed())

/* blob.c: the state of a guest without its memory, as bytes */
struct blob {
	uint8_t *data;
	size_t len;		/* bytes written */
	size_t pos;		/* bytes read back */
};

int blob_put(struct blob *b, const void *data, size_t len);
int blob_get(struct blob *b, void *data, size_t len);
int blob_put_sized(struct blob *b, const void *data, uint32_t len);
void *blob_get_sized(struct blob *b, uint32_t *len);
int blob_to_fd(const struct blob *b);
int blob_from_fd(struct blob *b, int fd);
void blob_free(struct blob *b);

/* memory.c */
struct ram_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

struct ram {
	unsigned int nr;
	struct ram_region region[2];	/* below 3 GiB, above 4 GiB */
};

int ram_create(struct ram *ram, uint64_t size, bool thp, int file);
int ram_from_snapshot(struct ram *ram, uint64_t size, bool thp, int snapshot);
void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len);
uint64_t ram_size(const struct ram *ram);
uint64_t ram_hash(const struct ram *ram);

/* lines.c: the guest's lines to the host, over its second UART */
struct line {
	char *text;			/* from malloc(3) */
	uint64_t ns;			/* when it was complete */
};

struct lines {
	pthread_mutex_t lock;
	pthread_cond_t more;
	char partial[512];
	size_t partial_len;
	struct line *line;		/* a ring of the newest */
	unsigned int head, count;
	uint64_t first_ns;		/* when the first line was complete */
	bool closed;
};

int lines_init(struct lines *l);
void lines_byte(struct lines *l, uint8_t byte);
struct line lines_wait(struct lines *l, const char *prefix,
		       unsigned int seconds);
void lines_close(struct lines *l);

/* serial.c: an 8250 */
struct serial_regs {
	uint8_t ier, lcr, mcr, fcr, scr, dll, dlm;
	uint8_t thre_pending;		/* the transmitter has news */
};

struct vm;
struct serial {
	struct vm *vm;
	uint16_t port;
	unsigned int irq;
	pthread_mutex_t lock;
	struct serial_regs regs;
	int level;			/* of the interrupt line, -1 unknown */
	uint8_t *in;			/* from the host, not yet read */
	size_t in_len, in_pos;
	void (*out)(struct vm *vm, uint8_t byte);
};

void serial_init(struct serial *s, struct vm *vm, uint16_t port,
		 unsigned int irq, void (*out)(struct vm *vm, uint8_t byte));
uint8_t serial_read(struct serial *s, unsigned int reg);
void serial_write(struct serial *s, unsigned int reg, uint8_t value);
int serial_input(struct serial *s, const void *data, size_t len);
int serial_save(struct serial *s, struct blob *b);
int serial_restore(struct serial *s, struct blob *b);

/* cmos.c: clock registers, as far as Linux looks at them */
uint8_t cmos_read(uint8_t index);

/* vcpu.c */
struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool running;			/* its thread has not ended */
	bool parked;
};

int vcpu_create(struct vm *vm, unsigned int index);
int vcpus_start(struct vm *vm);
void vcpus_pause(struct vm *vm);
void vcpus_were_paused(struct vm *vm);
void vcpus_resume(struct vm *vm);
void vcpus_kick(struct vm *vm);

/* vm.c */
struct config {
	uint64_t mem_size;
	uint32_t nr_vcpus;
	uint8_t thp;
	uint8_t copy;			/* capture by copying, no vmfork */
	char control[FILE_LEN];
	char console[FILE_LEN];		/* file, "" for standard output */
};

/* A range of guest memory that each child keeps as it was at its fork */
struct watch {
	uint64_t gpa;
	uint32_t len;
	uint8_t data[WATCH_MAX];
};

/* What a child is told besides its parent's state */
struct birth {
	uint32_t index;			/* which child of its parent */
	uint32_t has_working_set;	/* it has inherited one */
	char path[PATH_LEN];
	uint64_t asked_ns;		/* CLOCK_MONOTONIC of the command */
	uint8_t genid[GENID_LEN];
};

/* The guest as it was at its latest fork, or at its birth */
struct checkpoint {
	int snapshot;			/* -1: there is none */
	struct blob state;
	bool newborn;
};

/* What a working set has spared the guest */
struct working_set_result {
	struct vmfork_ws_result memory, kvm;
	uint64_t memory_ns, kvm_ns;
};

struct vm {
	struct config config;
	int kvm_fd, fd;
	struct kvm_msrs *msrs;		/* those that there are */
	struct ram ram;
	struct vcpu vcpu[MAX_VCPUS];
	struct serial console, channel;
	struct lines lines;
	uint8_t cmos_index;

	pthread_mutex_t lock;		/* what follows */
	pthread_cond_t changed;
	unsigned int pausers;
	uint64_t first_run_ns;
	bool ended;
	int exit_status;
	int end_fd;			/* an eventfd: the guest has ended */
	unsigned int busy;		/* commands that wait for a reply */

	pthread_mutex_t command;	/* one pause, resume or fork at once */
	bool paused;			/* by the user */
	bool newborn;			/* a child that never ran */
	uint32_t nr_children;
	struct birth birth;
	struct watch watch;
	struct checkpoint checkpoint;
	struct working_set_result working_set;
	uint64_t built_ns;
	int snapshot_fd;		/* what it was made from, or -1 */
	int console_fd;
};

int vm_create(struct vm *vm);
int vm_add_ram(struct vm *vm);
void vm_end(struct vm *vm, int status, const char *why);
void vm_irq(struct vm *vm, unsigned int gsi, int level);
void vm_io(struct vm *vm, uint16_t port, bool write, uint8_t *data,
	   unsigned int size);
int vm_pause(struct vm *vm);
int vm_resume(struct vm *vm);
int vm_wake_newborn(struct vm *vm);
int vm_console_open(struct vm *vm);
int vm_run(struct vm *vm, bool console_input);

/* cpuid.c */
int cpuid_setup(struct vm *vm, struct vcpu *vcpu);

/* boot.c, elf.c */
struct boot {
	const char *kernel, *initrd, *cmdline;
};

struct image {
	uint8_t *data;
	size_t size;
};

int boot_load(struct vm *vm, const struct boot *boot);
int elf_load(struct vm *vm, const struct image *image, uint64_t *entry,
	     uint64_t *end);

/* acpi.c */
#define ACPI_RSDP_GPA	0xe0000
#define GENID_GPA	0xff000
#define GENID_GSI	16
#define EXIT_PORT	0x600	/* any write: the VM ends, value = status */
#define SLEEP_PORT	0x601	/* ACPI sleep control, sleep status */

int acpi_build(struct vm *vm);
int genid_renew(struct vm *vm, const uint8_t *genid);

/* state.c, vcpustate.c */
void watch_read(struct vm *vm, struct watch *watch);
int state_save(struct vm *vm, struct blob *b);
int state_restore(struct vm *vm, struct blob *b);
int state_reset(struct vm *vm, struct blob *b);
int vcpu_state_prepare(struct vm *vm);
int vcpu_save(struct vcpu *vcpu, struct blob *b);
int vcpu_restore(struct vcpu *vcpu, struct blob *b);
int vcpu_reset(struct vcpu *vcpu, struct blob *b);

/* capture.c */
int capture(struct vm *vm, const struct vmfork_live_options *options,
	    struct vmfork_live_result *result);

/* reset.c */
struct reset_result {
	uint64_t pause_ns;		/* stop of the first, go of the last */
	uint64_t memory_ns;		/* part of it */
	struct vmfork_reset counts;
};

void checkpoint_keep(struct vm *vm, int snapshot, struct blob *state,
		     bool newborn);
int vm_reset(struct vm *vm, struct reset_result *result);

/* workingset.c */
struct ws;
int working_set_read(const struct vm *vm, const char *path, struct ws *ws);
int working_set_to_fd(const struct ws *ws);
int working_set_from_fd(struct vm *vm, int fd);
int vm_prefault(struct vm *vm, const char *path,
		struct working_set_result *result);

/* fork.c, child.c */
#define CHILD_SNAPSHOT_FD	3
#define CHILD_STATE_FD		4
#define CHILD_REPORT_FD		5
#define CHILD_WORKING_SET_FD	6	/* if it has one */

struct fork_child {
	pid_t pid;
	int report;			/* our end of its report socket */
	char control[FILE_LEN];
};

struct fork_result {
	uint64_t pause_ns;		/* stop of the first, go of the last */
	uint64_t save_ns, capture_ns;	/* parts of it */
	uint64_t total_ns;		/* until the children were let go */
	struct vmfork_live_result live;
	struct watch watch;
	unsigned int nr;
	struct fork_child *child;
};

int vm_fork(struct vm *vm, unsigned int nr, bool paused,
	    const struct ws *ws, struct fork_result *result);
int child_main(void);

/* control.c, commands.c, ctl.c */
int control_start(struct vm *vm);
void control_drain(struct vm *vm);
char *command_run(struct vm *vm, char *line);
int ctl_main(int argc, char **argv);

#endif /* FORKVM_H */
