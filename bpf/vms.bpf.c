// SPDX-License-Identifier: GPL-2.0-only
/*
 * The KVM virtual machines of this host, their vCPUs and memory slots: for
 * vmfork vms, and vmfork capture without --range.
 *
 * An iterator over the open files of all processes finds those of VMs and
 * vCPUs.  It holds a reference on the file that it shows, and a file of KVM
 * holds its VM, so a struct kvm is there as long as the program looks at it.
 * Its slots are not held: they go away after a grace period of kvm->srcu,
 * which a program can not enter.  What was read of them counts only if the
 * same set of slots was active before and after, as with a seqcount:
 *
 *   the program				KVM_SET_USER_MEMORY_REGION
 *
 *   set = kvm->memslots[space]
 *   generation = set->generation
 *   walk set				the inactive set gets another generation
 *					kvm->memslots[space] = that
 *					grace period
 *					frees a slot of the old set
 *   kvm->memslots[space] == set?
 *   set->generation == generation?
 *
 * A slot that is freed was in the set that was active before, and only the set
 * that is not active is changed: one of the questions is answered with no.
 * Then the pass is torn, and the reader makes another one.
 *
 * One reader runs one pass at a time, so plain variables do.
 */
#include "kvm.h"
#include "vms.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define ANON_INODE_FS_MAGIC	0x09041934

#define NULL			((void *)0)
#define PAGE_SHIFT		12
#define POINTER			sizeof(void *)

char LICENSE[] SEC("license") = "GPL";

/*
 * Set by the reader before a pass: its number, and 0 to the others, which then
 * say how many records there were, including those for which @records has no
 * room, how many VMs, and whether any of it is not to be trusted.
 */
__u32 pass;
__u32 nr_records;
__u32 nr_vms;
__u32 torn;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);		/* the reader makes it larger */
	__type(key, __u32);
	__type(value, struct vms_record);
} records SEC(".maps");

/* VMs that were met before: several descriptors lead to one. */
struct known {
	__u32 pass;
	__u32 vm;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct known);
} known_vms SEC(".maps");

static struct vms_record *add(enum vms_type type, u32 vm)
{
	u32 at = nr_records++;
	struct vms_record *record = bpf_map_lookup_elem(&records, &at);

	if (record) {
		record->type = type;
		record->vm = vm;
	}
	return record;
}

/* As the reader's pid namespace has it, 0 if it is not in there */
static u32 number_of(struct pid *pid)
{
	struct task_struct___vms *reader = (void *)bpf_get_current_task();
	struct pid *readers = BPF_CORE_READ(reader, thread_pid);
	u32 level = BPF_CORE_READ(readers, level);
	u64 at = bpf_core_field_offset(struct pid, numbers) +
		 level * bpf_core_type_size(struct upid);
	struct upid *number = (void *)pid + at;
	struct upid *own = (void *)readers + at;

	if (!pid || BPF_CORE_READ(pid, level) < level ||
	    BPF_CORE_READ(number, ns) != BPF_CORE_READ(own, ns))
		return 0;
	return BPF_CORE_READ(number, nr);
}

/* xa_load(), of what changes under a lock but is freed by RCU */
static void *load(struct xarray *array, u32 index)
{
	const u64 chunk = bpf_core_field_size(struct xa_node, slots) / POINTER;
	u64 entry = (u64)BPF_CORE_READ(array, xa_head);
	struct xa_node *node;
	u64 slot;
	int depth;

	if ((entry & 3) != 2)		/* it is the one with index 0 */
		return index ? NULL : (void *)entry;
	for (depth = 0; depth < 4 && (entry & 3) == 2; depth++) {
		node = (void *)(entry - 2);
		slot = (index >> (BPF_CORE_READ(node, shift) & 31)) &
		       (chunk - 1);
		if (bpf_core_read(&entry, sizeof(entry),
				  (void *)node + slot * POINTER +
				  bpf_core_field_offset(struct xa_node, slots)))
			return NULL;
	}
	return (entry & 3) ? NULL : (void *)entry;
}

/*
 * What the loops go through.  Not on the stack: before Linux 6.7 the verifier
 * looks at a callback as if it were called once, and cuts out what can not be
 * reached with the values that it knows from there.  Volatile, or clang makes
 * variables of the members, with names that the kernel does not take.
 */
static volatile struct {
	struct kvm *kvm;
	struct kvm_memslots *slots;
	struct hlist_node *node;
	u32 bucket;
	u32 node_idx;
	u32 space;
	u32 vm;
	bool done;
} walk;

static long show_vcpu(u32 index, void *context)
{
	struct kvm *kvm = walk.kvm;
	struct kvm_vcpu *vcpu = load(&kvm->vcpu_array, index);
	struct vms_record *record;
	struct pid *pid;

	(void)context;
	if (!vcpu)
		return 0;
	record = add(VMS_VCPU, walk.vm);
	if (!record)
		return 0;
	pid = BPF_CORE_READ(vcpu, pid);
	record->vcpu.id = BPF_CORE_READ(vcpu, vcpu_id);
	/* The number of a thread that is gone may be another one's by now. */
	record->vcpu.tid = pid && BPF_CORE_READ(pid, tasks[0].first) ?
			   number_of(pid) : 0;
	return 0;
}

static void show_slot(struct hlist_node *node)
{
	struct kvm_memory_slot *slot = (void *)node -
		bpf_core_field_offset(struct kvm_memory_slot, id_node) -
		walk.node_idx * bpf_core_type_size(struct hlist_node);
	u32 flags = BPF_CORE_READ(slot, flags);
	struct vms_record *record = add(VMS_SLOT, walk.vm);

	if (flags & VMS_SLOT_INVALID)
		torn = 1;
	if (!record)
		return;
	record->slot.gpa = BPF_CORE_READ(slot, base_gfn) << PAGE_SHIFT;
	record->slot.len = (u64)BPF_CORE_READ(slot, npages) << PAGE_SHIFT;
	record->slot.hva = BPF_CORE_READ(slot, userspace_addr);
	record->slot.flags = flags;
	record->slot.id = BPF_CORE_READ(slot, id);
	record->slot.space = walk.space;
}

/* A bucket, or a slot in it */
static long walk_slots(u32 step, void *context)
{
	const u32 buckets = bpf_core_field_size(struct kvm_memslots, id_hash) /
			    bpf_core_type_size(struct hlist_head);
	struct hlist_node *node = walk.node;
	struct hlist_head *head;

	(void)step;
	(void)context;
	if (node) {
		show_slot(node);
		walk.node = BPF_CORE_READ(node, next);
		return 0;
	}
	if (walk.bucket >= buckets) {
		walk.done = true;
		return 1;
	}
	head = (void *)walk.slots +
	       bpf_core_field_offset(struct kvm_memslots, id_hash) +
	       walk.bucket * bpf_core_type_size(struct hlist_head);
	walk.node = BPF_CORE_READ(head, first);
	walk.bucket++;
	return 0;
}

static struct kvm_memslots *active_slots(struct kvm *kvm, u32 space)
{
	struct kvm_memslots *slots = NULL;

	bpf_core_read(&slots, sizeof(slots),
		      (void *)kvm + space * POINTER +
		      bpf_core_field_offset(struct kvm, memslots));
	return slots;
}

static void show_slots(struct kvm *kvm, u32 space)
{
	struct kvm_memslots *slots = active_slots(kvm, space);
	u64 generation = BPF_CORE_READ(slots, generation);

	walk.slots = slots;
	walk.node = NULL;
	walk.bucket = 0;
	walk.node_idx = BPF_CORE_READ(slots, node_idx) & 1;
	walk.space = space;
	walk.done = false;
	bpf_loop(VMS_MAX_SLOTS + 1024, walk_slots, NULL, 0);
	if (!walk.done || active_slots(kvm, space) != slots ||
	    BPF_CORE_READ(slots, generation) != generation)
		torn = 1;
}

static void show_vm(struct kvm *kvm, u32 vm)
{
	const u32 spaces = bpf_core_field_size(struct kvm, memslots) / POINTER;
	struct vms_record *record = add(VMS_VM, vm);
	u32 nr = BPF_CORE_READ(kvm, online_vcpus.counter);

	if (record) {
		record->info.alive = BPF_CORE_READ(kvm, mm, mm_users.counter) > 0;
		record->info.nr_vcpus = nr;
	}
	walk.kvm = kvm;
	walk.vm = vm;
	bpf_loop(nr, show_vcpu, NULL, 0);
	show_slots(kvm, 0);
	if (spaces > 1)
		show_slots(kvm, 1);
}

static int number_vm(struct kvm *kvm)
{
	u64 key = (u64)kvm;
	struct known *known = bpf_map_lookup_elem(&known_vms, &key);
	struct known new = { .pass = pass, .vm = nr_vms };

	if (known && known->pass == pass)
		return known->vm;
	if (bpf_map_update_elem(&known_vms, &key, &new, BPF_ANY)) {
		torn = 1;
		return -1;
	}
	nr_vms++;
	show_vm(kvm, new.vm);
	return new.vm;
}

enum what { NOT_KVM, KVM_VM, KVM_VCPU };

/*
 * Files on the internal file system of anonymous inodes have the names that
 * the kernel gives them, and no others; /proc/PID/fd shows these.
 */
static enum what what_is(struct file *file)
{
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry,
						  d_name.name);
	char start[12] = "";

	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) != ANON_INODE_FS_MAGIC)
		return NOT_KVM;
	bpf_probe_read_kernel_str(start, sizeof(start), name);
	if (!bpf_strncmp(start, 7, "kvm-vm"))
		return KVM_VM;
	if (!bpf_strncmp(start, 9, "kvm-vcpu:"))
		return KVM_VCPU;
	return NOT_KVM;
}

SEC("iter/task_file")
int find_vms(struct bpf_iter__task_file *ctx)
{
	struct task_struct___vms *task = ctx->task;
	struct file *file = ctx->file;
	struct vms_record *record;
	enum what what;
	struct kvm *kvm;
	int vm;

	if (!task || !file)
		return 0;
	what = what_is(file);
	if (what == NOT_KVM)
		return 0;
	kvm = BPF_CORE_READ(file, private_data);
	if (what == KVM_VCPU)
		kvm = BPF_CORE_READ((struct kvm_vcpu *)kvm, kvm);
	vm = number_vm(kvm);
	if (vm < 0)
		return 0;
	record = add(VMS_HOLDER, vm);
	if (!record)
		return 0;
	record->holder.pid = number_of(BPF_CORE_READ(task, group_leader,
						     thread_pid));
	record->holder.fd = ctx->fd;
	record->holder.is_vcpu = what == KVM_VCPU;
	record->holder.owner = BPF_CORE_READ(task, mm) ==
			       BPF_CORE_READ(kvm, mm);
	BPF_CORE_READ_STR_INTO(&record->holder.comm, task, group_leader, comm);
	return 0;
}
