#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Forks of QEMUs of other machine types, with disks of other kinds, and with
# more memory than a PC has below its devices: several slots, one snapshot.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/qemu_lib.sh"
planned=11
GIB=$((1024 * MIB))

# One VM after the other; the memory of their guests is mostly never touched.
overcommit=$(cat /proc/sys/vm/overcommit_memory)
echo 1 >/proc/sys/vm/overcommit_memory

put_back()
{
	echo "$overcommit" >/proc/sys/vm/overcommit_memory
	end_qemus
}

# boots NAME ARGUMENTS...: sets parent
boots()
{
	linux "$@" -name "$1" -no-reboot
	parent=$pid
	ready "$1" && writes "$1.serial" && works "$1.serial"
}

# forked NAME: into two, which are NAME-child0 and NAME-child1
forked()
{
	local i

	mount_vmforkfs && forks_at_work "$1.serial" --qmp "$1.qmp" -n 2 \
		--name "$1" --start || return
	note "$1 was stopped for $(($(got .stopped_ns) / 1000)) us"
	for i in 0 1; do
		know $i "$1-child$i"
		ask "$1-child$i.serial" diverge $i && writes "$1-child$i.serial" &&
			works "$1-child$i.serial" || return
	done
	works "$1.serial" && writes "$1.serial"
}

# all_leave NAME: with clean disks, and nothing stays
all_leave()
{
	local name image pid i=0

	for name in "$1-child0" "$1-child1" "$1"; do
		pid=$(got .child.$i.pid)
		image=$(disk_of "$name.qmp")
		[ -n "$image" ] &&
			leaves "$name.serial" "$name.qmp" "${pid:-$parent}" &&
			clean_disk "$image" || return
		i=$((i + 1))
	done
	vmfork_does 0 rm "$mount/$1"
}

# Two disks of different kinds, by the options that management uses
q35_boots()
{
	disk system qcow2 && noise data raw || return
	boots q35 -machine q35,usb=off -m 5G \
		-blockdev '{"driver":"file","filename":"system.qcow2","node-name":"f0"}' \
		-blockdev '{"driver":"qcow2","file":"f0","node-name":"d0"}' \
		-device virtio-blk-pci,drive=d0,id=disk0 \
		-blockdev driver=file,filename=data.raw,node-name=f1 \
		-blockdev driver=raw,file=f1,node-name=d1 \
		-device virtio-blk-pci,drive=d1,id=disk1 \
		-netdev user,id=net0 -device virtio-net-pci,netdev=net0 \
		-object rng-random,id=rng0,filename=/dev/urandom \
		-device virtio-rng-pci,rng=rng0 -device vmgenid,guid=auto
}

# Some of what it works on is above what a PC has below its devices.
high()
{
	ask q35.serial status && [ "$(($(of gpa)))" -gt $((4 * GIB)) ] && return
	note "$(cat "$work/answer_line")"
	return 1
}

# What nobody writes to is in each child's overlay what it was.
other_disk()
{
	local i image

	for i in 0 1; do
		image=$(disk_of q35-child$i.qmp 1)
		[ "$image" = "$(got .child.$i.disk.1.file)" ] &&
			is_noise data qcow2 "$image" || return
	done
	is_noise data raw data.raw
}

# One snapshot, a little longer than the memory, of which most is holes: QEMU has
# memory that is not the guest's RAM, too.
one_snapshot()
{
	vmfork_does 0 -j info $mount/q35 && json "$work/stdout" >"$work/info" ||
		return
	size=$(sed -n 's/^\.size //p' "$work/info")
	[ $((size / GIB)) = 5 ] || { note "$size bytes"; return 1; }
	[ $(($(stat -c %b $mount/q35) * 512)) -lt $GIB ]
}

microvm_boots()
{
	disk micro raw || return
	boots microvm -M microvm,rtc=on -m 128M -sandbox on,spawn=deny \
		-drive file=micro.raw,if=none,id=d,format=raw \
		-device virtio-blk-device,drive=d -netdev user,id=n \
		-device virtio-net-device,netdev=n -device virtio-rng-device
}

# RAM that the user has named, and a machine that was forked before; somebody runs
# what is printed, of which no process may come but QEMU itself
named_backend()
{
	local deeper

	mkdir "$work/it's deeper" &&
		forks_printed "$work/it's deeper" deeper \
			"$work/microvm-child0.qmp" || return
	deeper=$pid
	grep -q 'spawn=deny' "$work/it's deeper/child.sh" || return
	ask deeper.serial diverge deeper && writes deeper.serial &&
		works deeper.serial && works microvm-child0.serial || return
	disk_of deeper.qmp >"$work/image"
	leaves deeper.serial deeper.qmp $deeper &&
		clean_disk "$(cat "$work/image")" &&
		vmfork_does 0 rm $mount/deeper
}

trap put_back EXIT
echo "TAP version 13"
echo "1..$planned"
cd "$work" || exit 1

check q35_boots q35_boots
check q35_works_above_4_gib high
check q35_is_forked forked q35
check one_snapshot one_snapshot
check other_disk other_disk
check q35_disks_are_clean all_leave q35
check microvm_boots microvm_boots
check microvm_is_forked forked microvm
check child_of_a_child named_backend
check microvm_disks_are_clean all_leave microvm
check nothing_stays is_empty $mount

exit $failed
