#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Does the log check see what it must, and nothing else?

here=$(cd "$(dirname "$0")" && pwd)
number=0
status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Lines of a sound boot: none may be flagged.
sound='[    0.000000] Linux version 6.12.117+deb12-amd64 (gcc-12 (Debian 12.2.0))
[    0.000000] Kernel command line: console=ttyS0 panic=-1 oops=panic
[    0.010000] torture invoked oom-killer: gfp_mask=0x8c40(GFP_NOFS), order=0, oom_score_adj=0
[    0.010001] CPU: 0 UID: 0 PID: 77 Comm: torture Tainted: G           OE      6.12.117+deb12-amd64 #1
[    0.010002] Call Trace:
[    0.010003]  <TASK>
[    0.010004]  dump_stack_lvl+0x64/0x80
[    0.010010] __kmem_cache_create_args(vmfork_node) failed with error -12
[    0.010011] CPU: 0 UID: 0 PID: 78 Comm: error_module Tainted: G           OE      6.12.117+deb12-amd64 #1
[    0.010012] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[    0.010013] Call Trace:
[    0.010014]  <TASK>
[    0.010015]  dump_stack_lvl+0x64/0x80
[    0.010016] Read-error on swap-device (254:32:320)
[    0.011000] rcu: RCU calculated value of scheduler-enlistment delay is 25
[    0.100000] Spectre V2 : Kernel not compiled with retpoline; no mitigation
[    0.230000] clocksource: tsc: mask: 0xffffffffffffffff max_cycles: 0x2
[    0.000000] Kernel command line: page_owner=on page_poison=1 slab_debug=FZPU,vmfork* kmemleak=on panic_on_warn=1
[    0.300000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
[    0.400000] kmemleak: Kernel memory leak detector initialized (mem pool available: 25000)
[    0.500000] debug_vm_pgtable: [debug_vm_pgtable         ]: Validating architecture page table helpers
[    1.900000] kasan: KernelAddressSanitizer initialized
[    2.000000] WX: DEBUG: nothing to say
[    2.100000] SVM: kvm: Nested Virtualization enabled
[    2.200000] vmfork: loading out-of-tree module taints kernel.
[    2.200001] vmfork: module verification failed: signature and/or required key missing - tainting kernel
[    3.000000] Adding 2097148k swap on /dev/vda.  Priority:-2
[    4.000000] x86/mm: Checked W+X mappings: passed, no W+X pages found.'

# Each of these must be flagged, alone among sound lines.
planted=(
	'WARNING: CPU: 0 PID: 77 at mm/rmap.c:1372 folio_add_anon_rmap_ptes+0x1/0x2'
	'WARNING: mm/rmap.c:1372 at folio_add_anon_rmap_ptes+0x1/0x2, CPU#0: a/77'
	'------------[ cut here ]------------'
	'kernel BUG at mm/swap.c:101!'
	'BUG: unable to handle page fault for address: ffff88810badc0de'
	'BUG: Bad rss-counter state mm:00000000a1 type:MM_ANONPAGES val:-1'
	'BUG: Bad page state in process a  pfn:12345'
	'BUG: Bad page map in process a  pte:8000000 pmd:1234'
	'BUG: non-zero pgtables_bytes on freeing mm: 4096'
	'BUG: sleeping function called from invalid context at mm/slab.h:1'
	'BUG: scheduling while atomic: a/77/0x00000002'
	'BUG: KASAN: slab-use-after-free in vmfork_fault+0x1/0x2 [vmfork]'
	'BUG: KFENCE: use-after-free read in vmfork_fault+0x1/0x2'
	'BUG: memory leak'
	'BUG vmfork_node (Tainted: G   OE): Objects remaining in vmfork_node on __kmem_cache_shutdown()'
	'kmem_cache_destroy vmfork_node: Slab cache still has objects when called from vmfork_exit'
	'Oops: 0000 [#1] PREEMPT SMP NOPTI'
	'Oops: general protection fault, probably for non-canonical address'
	'Kernel panic - not syncing: Fatal exception'
	'INFO: task a:77 blocked for more than 60 seconds.'
	'watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [a:77]'
	'rcu: INFO: rcu_preempt self-detected stall on CPU'
	'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:'
	'WARNING: possible circular locking dependency detected'
	'WARNING: possible recursive locking detected'
	'WARNING: inconsistent lock state'
	'WARNING: suspicious RCU usage'
	'UBSAN: shift-out-of-bounds in kmod/tree.c:12:3'
	'unreferenced object 0xffff888100000000 (size 64):'
	'kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'
	'refcount_t: underflow; use-after-free.'
	'list_del corruption. prev->next should be ffff, but was 0'
	'Call Trace:'
	'a[77]: segfault at 0 ip 0000000000401136 sp 00007ffd error 4 in a[401000+1000]'
	'traps: a[77] general protection fault ip:401136 sp:7ffd error:0 in a'
	'swap_info_get: Bad swap file entry 3ffffffffffff'
	'VFS: Busy inodes after unmount of vmfork. Self-destruct in 5 seconds.'
	'BUG kmalloc-64 (Tainted: G    B      O): Object already free'
	'BUG vmfork_node (Tainted: G           O): Poison overwritten'
	'kernel BUG at mm/page_table_check.c:88!'
	'pagealloc: memory corruption'
	'pagealloc: single bit error'
	'page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7f pfn:0x123'
	'page:ffffea0000000000 refcount:0 mapcount:1 mapping:0000000000000000'
	'page dumped because: VM_BUG_ON_FOLIO(folio_ref_count(folio) <= 0)'
	'ODEBUG: free active (active state 0) object: 0 object type: work_struct hint: a+0x0/0x1'
	'ODEBUG: Out of memory. ODEBUG disabled'
	'INFO: lockdep is turned off.'
	'turning off the locking correctness validator.'
	'INFO: trying to register non-static key.'
	'kmemleak: Kernel memory leak detector disabled'
	'kmemleak: Memory pool empty, consider increasing CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE'
	'kmemleak: Cannot allocate a kmemleak_object structure'
	'usercopy: Kernel memory exposure attempt detected from SLUB object'
	'rcu: rcu_preempt kthread starved for 5250 jiffies! g1 f0x0'
	'BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!'
	'Read-error on swap-device (254:0:8)'
)

report()
{
	number=$((number + 1))
	echo "$1 $number $2"
	[ "$1" = ok ] || status=1
}

echo "TAP version 13"
echo "1..$((${#planted[@]} + 3))"

printf '%s\n' "$sound" >"$log"
"$here/logcheck" "$log" >/dev/null && result=ok || result='not ok'
report "$result" "a sound log passes"

for line in "${planted[@]}"; do
	printf '%s\n[    5.000000] %s\n%s\n' "$sound" "$line" "$sound" >"$log"
	"$here/logcheck" "$log" >"$log.out"
	if [ $? = 1 ] && grep -qF -- "$line" "$log.out"; then
		result=ok
	else
		result='not ok'
	fi
	rm -f "$log.out"
	report "$result" "flagged: ${line//#/}"
done

printf 'WARNING: CPU: 0 PID: 1 at a.c:1 \0\200\n' >"$log"
"$here/logcheck" "$log" >/dev/null; [ $? = 1 ] && result=ok || result='not ok'
report "$result" "flagged though the log has bytes that are no text"

"$here/logcheck" "$log.none" 2>/dev/null; [ $? = 2 ] && result=ok || result='not ok'
report "$result" "a log that is not there does not pass"

exit $status
