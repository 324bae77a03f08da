#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The vmfork command finds virtual machines, and captures them: what it shows
# is what their process has made, and the snapshot has all of their memory, at
# its place.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
. "$here/helpers/vms_lib.sh"
vm_target=$here/helpers/vm_target
planned=16

# --- the process that runs VMs ----------------------------------------------

# start_vm KIND [NUMBER]: sets target, and fd and tid of its (first) VM;
# what it said is in $work/said
start_vm()
{
	local tries=0

	[ -z "$target" ] || stop_vm		# a test has failed
	rm -f "$out/f"
	"$vm_target" "$@" <"$work/in" >"$work/said" 2>"$work/stderr" &
	target=$!
	exec 7>"$work/in"
	until grep -q '^ready' "$work/said"; do
		sleep 0.1
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { note "no target $*"; return 1; }
	done
	fd=$(said vm 2 | head -n 1)
	tid=$(said vm 3 | head -n 1)
	sed -n 's/^slot //p' "$work/said" >"$work/slots"
}

stop_vm()
{
	exec 7>&-
	wait "$target"
	target=
}

# said WORD FIELD: of the lines that begin so
said() { awk -v word="$1" -v field="$2" '$1 == word { print $field }' "$work/said"; }

# slots_of VM: as the target says them
slots_of() { table ".vm.$1.memory" slot space gpa length address read_only memory; }

# The same of the first VM, faster: for many
quick_slots()
{
	tr '{' '\n' <"$work/stdout" |
		sed -n 's/^"slot":\([0-9]*\),"space":"\([a-z]*\)","gpa":"\([0-9a-fx]*\)","length":\([0-9]*\),"address":"\([0-9a-fx]*\)","read_only":\([a-z]*\),"dirty_log":[a-z]*,"memory":"\([a-z]*\)".*/\1 \2 \3 \4 \5 \6 \7/p'
}

shows_slots()
{
	slots_of 0 >"$work/shown"
	same "$work/slots" "$work/shown"
}

# --- the tests --------------------------------------------------------------

nothing_there()
{
	vms && says .vms 0 && vms -p $$ && says .vms 0 &&
		vmfork_does 0 vms && grep -q '^vms *0$' "$work/stdout" &&
		fails 1 "no process 99999999" vms -p 99999999 &&
		fails 2 "no process id" vms -p x &&
		fails 2 "not expected" vms x || return
	"$helper" as-nobody "$VMFORK" vms >"$work/stdout" 2>"$work/stderr"
	[ $? = 1 ] && [ ! -s "$work/stdout" ] &&
		grep -q '^vmfork: .*run as root\.$' "$work/stderr"
}

shows()
{
	start_vm simple || return
	vms && says .vms 1 && says .vm.0.pid "$target" &&
		says .vm.0.command vm_target && says .vm.0.fd "$fd" &&
		says .vm.0.of vm && says .vm.0.alive true &&
		says .vm.0.size $((2 * MIB + 524288)) &&
		says .vm.0.captured 0 && says .vm.0.vcpu.0.id 0 &&
		says .vm.0.vcpu.0.thread "$tid" &&
		says .vm.0.vcpu.0.name "a vcpu" && shows_slots || return
	grep -q "^.vm.0.vcpu.1\|^.vm.0.holder" "$work/json" && return 1
	vms -p "$target" && says .vms 1 && vms -p $$ && says .vms 0 &&
		vmfork_does 0 vms && grep -q 'a vcpu$' "$work/stdout" &&
		grep -q "0x100000000 *512 KiB" "$work/stdout"
}

content()
{
	captures && says .vm "$fd" && says .size $((4096 * MIB + 524288)) &&
		says .left_out.0.gpa "$(printf 0x%x $((2 * MIB)))" &&
		says .left_out.0.length $((4094 * MIB)) &&
		says .left_out.0.why mmio && says .left_out.0.address null ||
		return
	grep -q '^.left_out.1' "$work/json" && return 1
	[ "$(table .region offset | tr '\n' ' ')" = "0x0 0x100000000 " ] &&
		holds "$out/f" || return
	# Bytes that the guest has written
	[ "$(pages "$out/f" 0x2000 4096 | head -c 2 | od -An -tx1)" = " 34 12" ]
}

# What is a mapping already, and of what; in part, then all of it
captured_before()
{
	local id

	hold_snapshot --range "$(at_gpa 0x0):64K@0" || return
	id=$(got .snapshot)
	vms && says .vm.0.captured $((2 * MIB + 524288)) || return
	table .vm.0.memory gpa length memory snapshot offset >"$work/shown"
	if ! grep -qx "0x0 65536 snapshot $id 0x0" "$work/shown" ||
	   ! grep -qx "0x10000 983040 snapshot [0-9]* 0x10000" "$work/shown"
	then
		note "shown: $(cat "$work/shown")"
		return 1
	fi
	captures && holds "$out/f" || return
	# The same again, of which a page was written since
	echo write >&7
	until grep -q '^written' "$work/said"; do sleep 0.1; done
	captures && holds "$out/f" || return
	grep -q "^.pages.in_place [1-9]" "$work/json" || return
	drop_snapshots
}

# at_gpa GPA: its address, as the target says it
at_gpa() { awk -v gpa="$1" '$3 == gpa { print $5; exit }' "$work/slots"; }

# The first capture of a VM some of which is a mapping
captured_in_part()
{
	local id

	start_vm simple && hold_snapshot --range "$(at_gpa 0x100000):64K@1M" ||
		return
	id=$(got .snapshot)
	vms && says .vm.0.captured 65536 || return
	table .vm.0.memory gpa length memory snapshot offset >"$work/shown"
	cat >"$work/want" <<-END
		0x0 1048576 anonymous null null
		0x100000 65536 snapshot $id 0x100000
		0x110000 983040 anonymous null null
		0x100000000 524288 anonymous null null
	END
	same "$work/want" "$work/shown" && captures && holds "$out/f" &&
		vms && says .vm.0.captured $((2 * MIB + 524288)) || return
	drop_snapshots
	vms && says .vm.0.captured $((2 * MIB + 524288)) || return
	stop_vm
}

live_and_wiped()
{
	local addr

	start_vm simple || return
	addr=$(at_gpa 0x0)
	captures --live --wipe $((addr + 4096)):4K &&
		says .pages.wiped 1 && [ -n "$(got .live.paused_ns)" ] || return
	pages "$out/f" 4096 4096 >"$work/shown"
	pages /dev/zero 0 4096 | cmp - "$work/shown" || return
	pages "/proc/$target/mem" $((addr + 4096)) 4096 >"$work/before"
	cmp -s "$work/before" "$work/shown" && return 1
	pages "/proc/$target/mem" $((addr + 8192)) $((2 * MIB - 8192)) \
		>"$work/before"
	pages "$out/f" 8192 $((2 * MIB - 8192)) | cmp - "$work/before" || return
	stop_vm
}

# Each kind of memory; what is left out is said, with its reason.
many_kinds()
{
	start_vm many || return
	vms && says .vms 1 && shows_slots &&
		[ "$(table .vm.0.memory slot dirty_log | grep -c "1 true")" = 1 ] &&
		captures || return
	table .region offset length >"$work/shown"
	cat >"$work/want" <<-END
		0x0 655360
		0xa0000 65536
		0xc0000 262144
		0x1100000 65536
		0x1300000 65536
		0x1330000 65536
		0x2020000 131072
	END
	same "$work/want" "$work/shown" || return
	table .left_out gpa length space why >"$work/shown"
	cat >"$work/want" <<-END
		0xb0000 65536 normal mmio
		0x100000 15728640 normal mmio
		0x1000000 65536 normal shared
		0x1000000 65536 smm hidden
		0x1010000 983040 normal mmio
		0x1110000 983040 normal mmio
		0x1200000 4096 normal device
		0x1201000 1044480 normal mmio
		0x1300000 65536 smm hidden
		0x1310000 131072 normal unmapped
		0x1340000 13369344 normal mmio
		0x2000000 131072 normal alias
		0x2040000 131072 normal alias
		0xffff0000 65536 normal read-only
	END
	same "$work/want" "$work/shown" && holds "$out/f" || return
	# Of the file: all but the page that was written to, and its hole
	says .pages.file 14 || return
	# Once more with the ROM, which is another region
	captures --read-only && holds "$out/f" && says .size 4294967296 &&
		! table .left_out why | grep -q read-only || return
	stop_vm
}

two_vms()
{
	local second

	start_vm two || return
	second=$(said vm 2 | tail -n 1)
	vms && says .vms 2 && says .vm.0.fd "$fd" && says .vm.1.fd "$second" ||
		return
	{ slots_of 0; slots_of 1; } >"$work/shown"
	same "$work/slots" "$work/shown" || return
	fails 1 "has 2 virtual machines: add --vm N, which is one of $fd and $second " \
		capture -p "$target" -o "$out/f" &&
		fails 1 "no virtual machine 0: give --vm as one of $fd and $second" \
			capture -p "$target" --vm 0 -o "$out/f" || return
	captures --vm "$second" && says .vm "$second" && holds "$out/f" &&
		says .region.0.address "$(sed -n 4p "$work/slots" | cut -d' ' -f5)" &&
		captures --vm "$fd" && says .vm "$fd" && holds "$out/f" &&
		says .region.0.address "$(sed -n 1p "$work/slots" | cut -d' ' -f5)" ||
		return
	vms && says .vm.0.captured $((2 * MIB + 524288)) &&
		says .vm.1.captured $((2 * MIB + 524288)) || return
	stop_vm
}

# Only the process whose memory it is can be captured.
held_by_others()
{
	local child

	start_vm forked || return
	child=$(said child 2)
	vms -p "$child" && says .vms 1 && says .vm.0.pid "$target" &&
		says .vm.0.holder.0.pid "$child" && says .vm.0.holder.0.of vm &&
		says .vm.0.holder.0.fd "$fd" && shows_slots &&
		fails 1 "memory is that of process $target: give -p $target" \
			capture -p "$child" -o "$out/f" && captures &&
		holds "$out/f" || return
	stop_vm
	start_vm orphan || return
	child=$(said pid 2)
	vms && says .vms 1 && says .vm.0.pid null && says .vm.0.alive false &&
		says .vm.0.vcpu.0.thread null &&
		says .vm.0.holder.0.pid "$child" && says .vm.0.memory.0.memory gone &&
		fails 1 "another process, which is gone" \
			capture -p "$child" -o "$out/f" || return
	stop_vm
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -e "/proc/$child" ] || break
		sleep 0.1
	done
}

vcpu_alone()
{
	start_vm vcpu || return
	vms && says .vms 1 && says .vm.0.of vcpu &&
		says .vm.0.vcpu.0.thread "$tid" && shows_slots &&
		captures && holds "$out/f" || return
	stop_vm
}

nothing_to_capture()
{
	start_vm shared || return
	vms && shows_slots &&
		fails 1 "Nothing of .* can be captured (its memory at 0x0: shared)" \
			capture -p "$target" -o "$out/f" || return
	stop_vm
	start_vm empty || return
	vms && says .vms 1 && says .vm.0.size 0 &&
		says .vm.0.vcpu.0.thread null &&
		fails 1 "no memory yet" capture -p "$target" -o "$out/f" || return
	stop_vm
	fails 1 "has no virtual machine: give the process" \
		capture -p $$ -o "$out/f" &&
		fails 2 "leave out --range" capture -p $$ --vm 3 \
			--range 0x1000:4K -o "$out/f" &&
		fails 2 "leave out --range" capture -p $$ --read-only \
			--range 0x1000:4K -o "$out/f" &&
		fails 2 "no number of a virtual machine" capture -p $$ --vm x \
			-o "$out/f"
}

# More slots than the first try has room for; they are one region.
thousands_of_slots()
{
	start_vm slots 3000 && vmfork_does 0 -j vms || return
	quick_slots >"$work/shown"
	same "$work/slots" "$work/shown" &&
		grep -q "\"size\":$((3000 * 4096))," "$work/stdout" &&
		captures &&
		[ "$(table .region length)" = $((3000 * 4096)) ] &&
		holds "$out/f" && says .written 4096 || return
	stop_vm
	start_vm apart 257 &&
		fails 1 "more than 256 pieces" capture -p "$target" \
			-o "$out/f" || return
	stop_vm
	start_vm apart 256 && captures && holds "$out/f" &&
		[ "$(table .region length | wc -l)" = 256 ] &&
		[ "$(table .left_out why | wc -l)" = 255 ] || return
	stop_vm
}

# A slot that comes and goes is there or not, and nothing else ever is.
changing_slots()
{
	local with=0 without=0 good=0 status

	start_vm changing || return
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		vms || return
		slots_of 0 >"$work/shown"
		if grep -q '^7 normal 0x1000000 65536 0x[0-9a-f]* false anonymous$' \
				"$work/shown"; then
			with=$((with + 1))
			sed -i '/^7 /d' "$work/shown"
		else
			without=$((without + 1))
		fi
		same "$work/slots" "$work/shown" || return
	done
	note "$with times with, $without times without the slot"
	for _ in 1 2 3 4 5; do
		"$VMFORK" -j capture -p "$target" -f -o "$out/f" \
			>"$work/stdout" 2>"$work/stderr"
		status=$?
		json "$work/stdout" >"$work/json" || return
		if [ $status = 0 ]; then
			good=$((good + 1))
			holds "$out/f" || return
		elif ! grep -q '^.error.message.*changed its memory slots' \
				"$work/json"; then
			note "status $status: $(cat "$work/stdout")"
			return 1
		fi
	done
	note "$good of 5 captures"
	stop_vm
}

# What is not in the reader's pid namespace is not shown to it.
other_namespace()
{
	start_vm simple || return
	unshare -pf --mount-proc "$VMFORK" -j vms >"$work/stdout" \
		2>"$work/stderr" || return
	json "$work/stdout" >"$work/json" && says .vms 0 || return
	stop_vm
}

# The pid is that of the reader's namespace, and works in it.
inner_namespace()
{
	unshare -pf --mount-proc sh -c '
		mkfifo "$1/inner"
		"$2" simple <"$1/inner" >"$1/said" &
		exec 9>"$1/inner"
		until grep -q ^ready "$1/said"; do sleep 0.1; done
		echo $! >"$1/pid"
		"$3" -j vms >"$1/vms" &&
			"$3" -j capture -p $! -o "$1/out/f" >"$1/stdout"
		echo $? >"$1/status"
		"$3" -j vms -p $! >"$1/again"
	' - "$work" "$vm_target" "$VMFORK" || return
	[ "$(cat "$work/status")" = 0 ] && json "$work/vms" >"$work/json" &&
		says .vms 1 && says .vm.0.pid "$(cat "$work/pid")" &&
		says .vm.0.vcpu.0.thread "$(said vm 3)" &&
		json "$work/again" >"$work/json" &&
		grep -q "^.vm.0.captured 2621440$" "$work/json" &&
		[ "$(stat -c %s "$out/f")" = $((4096 * MIB + 524288)) ]
}

trap cleanup EXIT
echo "TAP version 13"
echo "1..$planned"

check nothing_there nothing_there
check shows shows
check content content
check captured_before captured_before
stop_vm
check captured_in_part captured_in_part
check live_and_wiped live_and_wiped
check many_kinds many_kinds
check two_vms two_vms
check held_by_others held_by_others
check vcpu_alone vcpu_alone
check nothing_to_capture nothing_to_capture
check thousands_of_slots thousands_of_slots
check changing_slots changing_slots
check other_namespace other_namespace
check inner_namespace inner_namespace
check nothing_left nothing_there

exit $failed
