#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Forks of a QEMU whose disks are on a file system that has reflinks: children
# have images of their own, which share their blocks, and the parent goes on in
# its own.  Also after a fork that failed when its disks were switched already.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/qemu_lib.sh"
. "$here/helpers/qemu_meddle.sh"
planned=12

make_xfs()
{
	truncate -s 320M "$work/xfs.img" && mkfs.xfs -q "$work/xfs.img" &&
		mkdir "$work/xfs" && mount -t xfs -o loop "$work/xfs.img" "$work/xfs"
}

# The debug kernel has none.
if ! make_xfs && ! grep -qw xfs /proc/filesystems; then
	end_qemus
	skip_all "no XFS"
fi

# The guest works on a raw disk, all of whose blocks are there.  Nobody writes to
# the other one, which is qcow2.
boots()
{
	beside=$work/xfs/beside moves=
	mkdir beside && noise other qcow2 &&
		fallocate -l $((24 * MIB)) data.raw && disk data raw || return
	linux parent -M pc -m 128M -name parent -no-reboot \
		-drive file=other.qcow2,if=virtio,format=qcow2 \
		-blockdev driver=file,filename=data.raw,node-name=f1 \
		-blockdev driver=raw,file=f1,node-name=d1 \
		-device virtio-blk-pci,drive=d1,addr=2
	parent=$pid
	ready parent && writes parent.serial && works parent.serial
}

# data_of QMP: the disk that the guest works on
data_of() { disk_of "$1" 1; }

# Where the parent writes is what it was started with, and there is no other.
parent_stays()
{
	[ "$(disk_of parent.qmp)" = other.qcow2 ] &&
		[ "$(data_of parent.qmp)" = data.raw ] &&
		qmp parent.qmp '"query-block"' &&
		! grep -q '"backing-image"' "$work/qmp" &&
		! ls ./*.parent* 2>/dev/null && return
	note "$(ls) $(cat "$work/qmp")"
	return 1
}

forked()
{
	forks_at_work parent.serial --qmp parent.qmp -n 2 --name base --start ||
		return
	note "stopped for $(($(got .stopped_ns) / 1000)) us"
	says .disk.0.file "$work/xfs/other.qcow2" &&
		says .disk.1.file "$work/xfs/data.raw" &&
		says .child.1.disk.0.base null || return
	for i in 0 1; do
		know $i child$i && ask child$i.serial diverge $i && writes child$i.serial &&
			works child$i.serial || return
	done
	parent_stays && writes parent.serial && works parent.serial
}

# Images of their own, of the formats that they were
images_are_own()
{
	for i in 1 2; do
		for image in "base.$i-virtio0.qcow2" "base.$i-d1.raw"; do
			[ -s "$image" ] || { note "no $image: $(ls)"; return 1; }
		done
		qemu-img info -U "base.$i-virtio0.qcow2" >"$work/info" || return
		! grep -q backing "$work/info" || return
		is_noise other qcow2 "base.$i-virtio0.qcow2" || return
	done
	is_noise other qcow2 other.qcow2
}

# As often as one likes: nobody's chain grows.
forked_again()
{
	local child0 child1

	child0=$(got .child.0.pid)
	child1=$(got .child.1.pid)
	forks_at_work child0.serial --qmp child0.qmp -n 1 --name again \
		--start && know 0 grandchild || return
	grandchild=$(got .child.0.pid)
	ask grandchild.serial diverge 9 && writes grandchild.serial || return
	forks --qmp parent.qmp -n 1 --name third --start || return
	third=$(got .child.0.pid)
	kill -KILL $third && ended $third && parent_stays || return
	for guest in child0 child1 grandchild; do
		eval pid=\$$guest
		works $guest.serial && data_of $guest.qmp >"$work/$guest.disk" &&
			leaves $guest.serial $guest.qmp "$pid" || return
	done
	vmfork_does 0 rm $mount/base $mount/again $mount/third
}

disks_are_clean()
{
	for guest in child0 child1 grandchild; do
		clean_disk "$(cat "$work/$guest.disk")" || return
	done
}

# Commands from where the disks are switched on.  What comes before is in
# guest_qemu_errors.sh.
commands="transaction cont query-block block-commit query-block-jobs
	block-job-complete blockdev-del"

parent_goes_on()
{
	remember parent.qmp && meddle 0 error && [ $status = 0 ] &&
		undo_success "$beside" &&
		as_before parent.qmp parent.serial && parent_stays
}

# fill KIB: the file system, but for so much
fill()
{
	local blocks

	blocks=$(stat -f -c '%a * %S / 1024' .)
	fallocate -l $(((blocks - $1) * 1024)) filler
}

# A disk that is full when copies are made of it, or while they are
full()
{
	local kib hits=0

	for kib in 0 300 1000; do
		fill $kib || return
		fork_some "$beside" --qmp parent.qmp
		wait $forker
		status=$?
		rm filler
		if [ $status = 0 ]; then
			undo_success "$beside" || return
		else
			hits=$((hits + 1))
			is_told || return
		fi
		# Where there was no room for what it wrote, it waits.
		if ! qmp parent.qmp '"cont"' ||
		   ! as_before parent.qmp parent.serial; then
			note "$kib KiB: status $status"
			return 1
		fi
	done
	note "full $hits times"
	[ $hits -ge 1 ]
}

parent_leaves()
{
	image=$(data_of parent.qmp)
	works parent.serial && leaves parent.serial parent.qmp $parent &&
		clean_disk "$image" && is_noise other qcow2 other.qcow2 &&
		[ $written_back -ge 1 ]
}

nothing_stays()
{
	kill_all
	cd "$work" && umount "$work/xfs" && is_empty $mount
}

put_back()
{
	end_qemus
	umount "$work/xfs" 2>/dev/null
}

trap put_back EXIT
echo "TAP version 13"
echo "1..$planned"
mount_vmforkfs || exit 1

check file_system cd "$work/xfs"
check boots boots
check forked forked
check images_are_own images_are_own
check forked_again forked_again
check disks_are_clean disks_are_clean
check parent_goes_on parent_goes_on
check interrupted sweep_at "transaction block-commit block-job-complete" int 130
check error_at_each_command sweep_at "$commands" error 1
check file_system_full full
check parent_leaves parent_leaves
check nothing_stays nothing_stays

exit $failed
