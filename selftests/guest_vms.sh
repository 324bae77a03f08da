#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Linux guests under forkvm, found and captured from outside: forkvm is not
# asked, only compared with.
#
# Runs with busybox alone.  vmfork and forkvm come from PATH or the build
# directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
. "$here/helpers/vms_lib.sh"
FORKVM=${FORKVM:-$(command -v forkvm || echo "$here/../bin/forkvm")}
planned=4
control=$work/vm

for file in /guest/vmlinux /guest/initrd; do
	[ -e $file ] && continue
	echo "TAP version 13"
	echo "1..0 # SKIP no $file"
	exit 4
done

# Under TCG with several CPUs, guests crash: see Documentation/forkvm.rst.
if [ "$(nproc)" -gt 1 ] && grep -q 'QEMU TCG' /proc/cpuinfo; then
	echo "TAP version 13"
	echo "1..0 # SKIP guests need one CPU under TCG (SMP=1)"
	exit 4
fi

# ctl PATH WORDS...: the answer of forkvm, or of the guest
ctl() { "$FORKVM" ctl "$@"; }

# of WORD LINE: the value of WORD= in it
of() { echo "$2" | sed -n "s/.* $1=\\([^ ]*\\).*/\\1/p"; }

end_guests()
{
	local path

	for path in "$control".1 "$control"; do
		[ ! -S "$path" ] || ctl "$path" quit >/dev/null 2>&1
	done
	[ -z "$target" ] || wait "$target"
	target=
	rm -rf "$work"
}

verified() { ctl "$1" ask verify | grep -q 'pages=[1-9].* errors=0'; }

finds_it()
{
	local info ram size

	info=$(ctl "$control" info)
	ram=$(of ram0 "$info")
	size=${ram#*:}
	vms -p "$target" && says .vms 1 && says .vm.0.pid "$target" &&
		says .vm.0.command forkvm && says .vm.0.alive true &&
		says .vm.0.vcpu.0.id 0 && says .vm.0.vcpu.1.id 1 &&
		says .vm.0.size $((128 * MIB)) && says .vm.0.captured 0 || return
	[ "$(ls "/proc/$target/task/$(got .vm.0.vcpu.1.thread)/comm")" ] &&
		[ "$(readlink "/proc/$target/fd/$(got .vm.0.fd)")" = anon_inode:kvm-vm ] ||
		return
	# forkvm's HVA:SIZE:GPA
	grep -q "^.vm.0.memory.0.address ${ram%%:*}\$" "$work/json" &&
		says .vm.0.memory.0.length $((${size%%:*})) &&
		says .vm.0.memory.0.gpa 0x0
}

content()
{
	ctl "$control" pause >/dev/null && captures &&
		says .size $((128 * MIB)) && holds "$out/f" &&
		ctl "$control" resume >/dev/null && verified "$control" || return
	vms -p "$target" && says .vm.0.captured $((128 * MIB))
}

# While it runs; what is on the disk is then a guest of one instant.
live()
{
	captures --live && says .size $((128 * MIB)) &&
		[ "$(got .written)" -gt $((8 * MIB)) ] && verified "$control"
}

# A child is a VM of its own, on the snapshot that forkvm has made.
child()
{
	local info pid id

	ctl "$control" fork 1 >"$work/fork" && info=$(ctl "$control.1" info) &&
		verified "$control" && verified "$control.1" || return
	pid=$(of pid "$info")
	id=$(of snapshot_id "$(cat "$work/fork")")
	vms && says .vms 2 && vms -p "$pid" && says .vms 1 &&
		says .vm.0.pid "$pid" && says .vm.0.captured $((128 * MIB)) &&
		says .vm.0.memory.0.snapshot "$id" &&
		says .vm.0.memory.0.offset 0x0 || return
	rm -f "$out/f"
	ctl "$control.1" pause >/dev/null &&
		vmfork_does 0 -j capture -p "$pid" -o "$out/f" &&
		json "$work/stdout" >"$work/json" || return
	(target=$pid && holds "$out/f") && ctl "$control.1" resume >/dev/null &&
		verified "$control.1" && verified "$control"
}

trap end_guests EXIT
echo "TAP version 13"
echo "1..$planned"

"$FORKVM" run --kernel /guest/vmlinux --initrd /guest/initrd --mem 128M \
	--cpus 2 --append "fv.table=4 fv.batch=8 fv.sleep=40000" \
	--control "$control" >"$work/console" 2>"$work/stderr" </dev/null &
target=$!
until [ -S "$control" ]; do sleep 0.1; done
ctl "$control" wait ready 240 >/dev/null || note "the guest is not ready"

check finds_it finds_it
check content content
check live live
check child child

exit $failed
