#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A stock QEMU with a Linux guest is forked into four, disk and all; a child is
# forked again.  All of them go on with their memory, their journal and their
# files, and leave clean disks.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/qemu_lib.sh"
planned=13

# all COMMAND...: for the parent and each child, with its serial port last
all()
{
	local guest

	for guest in parent $children; do
		"$@" "$guest.serial" || return
	done
}

boots()
{
	disk disk qcow2 || return
	linux parent -M pc -m 128M -name parent -no-reboot \
		-drive file=disk.qcow2,if=virtio,format=qcow2 \
		-nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:5022-:22 \
		-device virtio-rng-pci -device vmgenid,guid=auto
	parent=$pid
	ready parent && writes parent.serial && works parent.serial &&
		ask parent.serial ping && [ "$(of answered)" = 1 ]
}

forked_into_four()
{
	mount_vmforkfs && forks_at_work parent.serial --qmp parent.qmp -n 4 \
		--name base --start && says .pid $parent || return
	[ "$(got .stopped_ns)" -gt 0 ] || return
	for i in 0 1 2 3; do
		know $i child$i || return
		eval "child$i=$(got .child.$i.pid)"
		is_running child$i.qmp || return
		children="$children child$i"
	done
	note "stopped for $(($(got .stopped_ns) / 1000)) us"
	all writes && all works
}

# Each has the same RAM's snapshot, privately.
maps_snapshot()
{
	for guest in $children; do
		eval pid=\$$guest
		grep -q "rw-p .*vmfork" /proc/$pid/maps ||
			{ note "$guest: $(grep vmfork /proc/$pid/maps)"; return 1; }
	done
	[ -e $mount/base ]
}

# From one line that each says twice: what none may have of another
all_differ()
{
	[ "$(sort "$1" | uniq -d)" = '' ] && [ "$(wc -l <"$1")" = "$2" ] &&
		return
	note "$(tr '\n' ' ' <"$1")"
	return 1
}

generation() { qmp "$1" '"query-vm-generation-id"' && returned guid; }

# Who they are: another generation, of which the guest was told
who()
{
	for guest in parent $children; do
		generation $guest.qmp || return
	done >"$work/ids"
	all_differ "$work/ids" 5 || return
	: >"$work/random"
	for guest in $children; do
		ask $guest.serial who || return
		[ "$(of renewed)" -ge 1 ] ||
			{ note "$guest was not told"; return 1; }
		of random >>"$work/random"
		has_hwrng || return
	done
	all_differ "$work/random" 4 && ask parent.serial who &&
		[ "$(of renewed)" = 0 ] && has_hwrng
}

# Its device answers: there is something, whatever it is.
has_hwrng()
{
	[ "$(of hwrng)" != - ] && return
	note "no random numbers from the host: $(cat "$work/answer_line")"
	return 1
}

# The command lines have addresses and ports of their own.  A guest's card has
# its new one when the driver finds it anew, or when it is told to take it.
addresses()
{
	for guest in parent $children; do
		eval pid=\$$guest
		tr '\0' '\n' <"/proc/$pid/cmdline" >"$work/$guest.argv"
	done
	ask parent.serial who && of mac >"$work/macs" || return
	for guest in $children; do
		sed -n 's/.*mac=\([0-9a-f:]*\).*/\1/p' "$work/$guest.argv"
	done >>"$work/macs"
	all_differ "$work/macs" 5 || return
	i=1
	for guest in $children; do
		i=$((i + 1))
		mac=$(sed -n "$i p" "$work/macs")
		set -- rebind
		[ $i = 2 ] && set -- mac "$mac"
		ask $guest.serial "$@" && [ "$(of ok)" = 1 ] &&
			ask $guest.serial who || return
		[ "$(of mac)" = "$mac" ] || {
			note "$guest: not $mac: $(cat "$work/answer_line")"
			return 1
		}
	done
	all reach
}

reach()
{
	ask "$1" ping && [ "$(of answered)" = 1 ]
}

# The same work until somebody tells them what they are; then each its own
diverge()
{
	for guest in $children; do
		ask $guest.serial diverge $guest || return
	done
	all writes && all works
}

forked_again()
{
	forks_at_work child1.serial --qmp child1.qmp -n 1 --name again --start &&
		says .pid $child1 && know 0 grandchild || return
	grandchild=$(got .child.0.pid)
	children="$children grandchild"
	ask grandchild.serial diverge grandchild && all writes && all works &&
		reach grandchild.serial
}

# The snapshot, and what is common of the disks, is there without them.
the_dead_make_no_difference()
{
	kill -KILL $child0 && ended $child0 &&
		leaves parent.serial parent.qmp $parent || return
	children="child1 child2 child3 grandchild"
	for guest in $children; do
		writes $guest.serial && works $guest.serial || return
	done
}

# A child of one who was forked before and has gone on since
forked_later()
{
	forks_at_work child2.serial --qmp child2.qmp -n 1 --name later \
		--start && know 0 later || return
	later=$(got .child.0.pid)
	children="$children later"
	ask later.serial diverge later && writes later.serial &&
		works later.serial && writes child2.serial && works child2.serial
}

# Its command line is printed, and somebody runs it later, from anywhere.
printed()
{
	mkdir "it's a place" &&
		forks_printed "$work/it's a place" printed "$work/child3.qmp" ||
		return
	printed=$pid
	children="$children printed"
	ask printed.serial diverge printed && writes printed.serial &&
		works printed.serial && writes child3.serial &&
		works child3.serial
}

leave()
{
	[ -n "$children" ] || return
	for guest in $children; do
		eval pid=\$$guest
		disk_of $guest.qmp >"$work/$guest.disk" &&
			leaves $guest.serial $guest.qmp "$pid" || return
	done
}

disks_are_clean()
{
	for guest in $children; do
		clean_disk "$(cat "$work/$guest.disk")" || return
	done
}

# Memory of a snapshot goes when its name does and nobody maps it.
nothing_stays()
{
	vmfork_does 0 rm $mount/base $mount/again $mount/later \
		$mount/printed &&
		[ -z "$(ls $mount)" ] && vmfork_does 0 -j ls &&
		json "$work/stdout" >"$work/json" && says .snapshots 0
}

trap end_qemus EXIT
echo "TAP version 13"
echo "1..$planned"
cd "$work" || exit 1
children=

check boots boots
check forked_into_four forked_into_four
check maps_snapshot maps_snapshot
check who_they_are who
check addresses addresses
check diverge diverge
check child_is_forked_again forked_again
check the_dead_make_no_difference the_dead_make_no_difference
check forked_later forked_later
check printed_command_line printed
check leave leave
check disks_are_clean disks_are_clean
check nothing_stays nothing_stays

exit $failed
