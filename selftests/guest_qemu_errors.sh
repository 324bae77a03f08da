#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What can go wrong while a QEMU is forked: what can not be forked is refused
# while its guest runs; and whatever fails on the way, or whoever interrupts it,
# the guest goes on, on a disk that it can go on with, and nobody else is there.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/qemu_lib.sh"
. "$here/helpers/qemu_meddle.sh"
planned=20

# firmware NAME ARGUMENTS...: a QEMU whose guest is nothing but its firmware,
# which looks for something to boot for ever; sets pid
firmware()
{
	qemu "$@" -m 32M && qmp "$1.qmp" '"query-status"'
}

# refuses PATTERN ARGUMENTS...: in one sentence; nothing was made, nobody knows
refuses()
{
	local pattern=$1

	shift
	fails 1 "$pattern" qemu fork --dir "$out" "$@" &&
		is_empty $mount
}

# refuses_now PATTERN: of the QEMU one, which is asked things, but not stopped
refuses_now()
{
	local status

	between one.qmp 0 error || return
	refuses "$1" --qmp through.qmp --pid $pid
	status=$?
	nobody_between
	[ $status = 0 ] && grep -q '^1 ' "$work/proxy" || return
	! grep -q '"stop"' "$work/proxy" && return
	note "it was stopped: $(cat "$work/proxy")"
	return 1
}

# refused PATTERN ARGUMENTS...: of such a QEMU, which goes on
refused()
{
	local pattern=$1 status

	shift
	firmware one "$@" && refuses_now "$pattern" && is_running one.qmp
	status=$?
	kill_all
	return $status
}

no_qemu()
{
	refuses nothing.qmp --qmp nothing.qmp || return
	firmware plain && between plain.qmp 0 error || return
	# Who made the socket is no QEMU; one can say which it is.
	refuses 'no QEMU.*--pid' --qmp through.qmp &&
		refuses "$$.*no QEMU" --qmp through.qmp --pid $$ &&
		nobody_between
}

busy_monitor()
{
	local status

	"$talk" hold plain.qmp 3600 >"$work/held" &
	pids="$pids $!"
	comes $! grep -q held "$work/held" || return
	refuses 'another program is connected' --qmp plain.qmp --timeout 2
	status=$?
	kill_all
	return $status
}

not_running()
{
	local status

	firmware one && qmp one.qmp '"stop"' && refuses_now 'not run (paused)'
	status=$?
	kill_all
	return $status
}

migrating()
{
	local status

	firmware one && qmp one.qmp '"migrate", "arguments": {
			"uri": "exec:echo $$ >sleeper; exec sleep 3600"}' &&
		refuses_now 'being migrated' && is_running one.qmp
	status=$?
	kill_all
	[ ! -s sleeper ] || kill "$(cat sleeper)"
	return $status
}

not_mounted()
{
	firmware plain && umount $mount || return
	fails 1 'vmfork mount' qemu fork --dir "$out" --qmp plain.qmp &&
		is_running plain.qmp
	mounted=
	mount_vmforkfs
}

names()
{
	touch "$work/file"
	fails 2 name qemu fork --dir "$out" --qmp plain.qmp --name a/b &&
		refuses "$work/nowhere" --qmp plain.qmp --dir "$work/nowhere" &&
		refuses "$work/file" --qmp plain.qmp --dir "$work/file" &&
		is_running plain.qmp
}

# --- on the way ----------------------------------------------------------------

boots()
{
	kill_all
	disk disk qcow2 || return
	linux parent -M pc -m 128M -no-reboot -device virtio-rng-pci \
		-drive file=disk.qcow2,if=virtio,format=qcow2
	parent=$pid
	ready parent && writes parent.serial && remember parent.qmp
}

# What it has written to is all that is left of it.
only_overlays()
{
	local file

	for file in "$beside"/*; do
		case ${file##*/} in
		"*"|$fork_name.parent*.qcow2) ;;
		*) note "left: $(ls "$beside")"; return 1 ;;
		esac
	done
}

# The QEMU itself goes; so there is one for each time
killed()
{
	local nth=0 failures=0

	kill_all
	rm -rf "$beside" && mkdir "$beside"
	while :; do
		nth=$((nth + 1))
		[ $nth -le $MOST_COMMANDS ] || { note "no end"; return 1; }
		rm -f parent.qmp short.qcow2
		qemu-img create -q -f qcow2 short.qcow2 1M
		firmware parent -drive file=short.qcow2,if=virtio,format=qcow2 ||
			return
		parent=$pid
		meddle $nth kill $parent
		[ $said = 0 ] || break
		failures=$((failures + 1))
		if [ $status = 0 ] || ! is_told; then
			note "killed at $nth: status $status"
			return 1
		fi
		ended $parent || return
		if [ -n "$(qemus)" ]; then
			note "killed at $nth: there is a child"
			return 1
		fi
		is_empty $mount && only_overlays || return
		# Its disk can be opened, by what it was called.
		qemu-img check -q short.qcow2 || return
		rm -rf "$beside" && mkdir "$beside"
		kill_all
	done
	note "killed $failures times"
	[ $status = 0 ] && undo_success "$beside" && kill_all && [ $failures -ge 5 ]
}

# Ctrl-C at any time, not at commands alone
interrupted()
{
	local ms took status hits=0

	took=$(uptime_ms)
	fork_some "$beside" --qmp parent.qmp
	wait $forker
	status=$?
	took=$(($(uptime_ms) - took))
	[ $status = 0 ] && undo_success "$beside" && as_before parent.qmp parent.serial ||
		return
	ms=$((took / 24))
	while :; do
		fork_some "$beside" --qmp parent.qmp
		wait_ms $ms
		kill -INT $forker 2>/dev/null
		wait $forker
		status=$?
		if [ $status = 0 ]; then
			undo_success "$beside" || return
			as_before parent.qmp parent.serial || return
			break
		fi
		hits=$((hits + 1))
		if [ $status != 130 ]; then
			note "after $ms ms: status $status: $(cat "$work/stdout")"
			return 1
		fi
		as_before parent.qmp parent.serial ||
			{ note "after $ms ms"; return 1; }
		ms=$((ms + took / 12))
	done
	note "interrupted $hits times, up to $ms ms, of $took"
	[ $hits -ge 3 ]
}

# A directory that is full after so many bytes, until there is room for all of
# it.  Then the disk goes on there.
full()
{
	local kib hits=0

	mkdir -p "$work/full"
	for kib in 4 200 300 520 1000 2500 6000 16000; do
		mount -t tmpfs -o size=${kib}k none "$work/full" || return
		fork_some "$work/full" --qmp parent.qmp
		wait $forker
		status=$?
		[ $status != 0 ] || break
		hits=$((hits + 1))
		if ! is_told || ! as_before parent.qmp parent.serial ||
		   ! is_empty "$work/full"; then
			note "$kib KiB: $(cat "$work/chain")"
			return 1
		fi
		umount "$work/full" || return
	done
	note "full $hits times, not with $kib KiB"
	[ $status = 0 ] && mount -o remount,size=64m "$work/full" &&
		undo_success "$work/full" || return
	# It may have needed more already, and waits.
	qmp parent.qmp '"cont"' && as_before parent.qmp parent.serial &&
		grep -q "^$work/full" "$work/chain" && [ $hits -ge 2 ]
}

# Snapshots of all may hold no more than so much.
too_much()
{
	local limit=/sys/module/vmfork/parameters/max_bytes before status

	before=$(cat $limit)
	echo $((8 * MIB)) >$limit
	fork_some "$beside" --qmp parent.qmp
	wait $forker
	status=$?
	echo "$before" >$limit
	[ $status != 0 ] && is_told && as_before parent.qmp parent.serial
}

name_taken()
{
	local status

	forks --qmp parent.qmp -n 1 --name swept --dir "$beside" --start || return
	fails_with_files 1 "$mount/swept" qemu fork --qmp parent.qmp -n 1 --name swept \
		--dir "$beside" && is_running parent.qmp
	status=$?
	fork_name=swept
	fork_goes "$beside" && return $status
}

# As fails(), but there are files of an earlier one, which stay as they are
fails_with_files()
{
	local want=$1 pattern=$2 before

	shift 2
	before=$(ls "$beside")
	vmfork_does "$want" "$@" && grep -qe "$pattern" "$work/stderr" &&
		[ "$(ls "$beside")" = "$before" ]
}

disk_is_clean()
{
	local image

	image=$(disk_of parent.qmp)
	works parent.serial && leaves parent.serial parent.qmp $parent &&
		clean_disk "$image" && [ $written_back -ge 1 ]
}

put_back()
{
	kill_all
	umount "$work/full" 2>/dev/null
	end_qemus
}

trap put_back EXIT
echo "TAP version 13"
echo "1..$planned"
cd "$work" || exit 1
mount_vmforkfs || exit 1

check no_qemu no_qemu
check busy_monitor busy_monitor
check not_running not_running
check migrating migrating
check shared_memory refused 'shared with other processes' -M pc,memory-backend=m \
	-object memory-backend-memfd,id=m,size=32M,share=on
check memory_file refused 'shared with other processes' -M pc,memory-backend=m \
	-object memory-backend-file,id=m,size=32M,mem-path=/tmp,share=on
check no_file refused 'virtio0.*there is no file' -M pc \
	-drive if=virtio,file=null-co://,format=raw
check not_mounted not_mounted
check names names

check boots boots
check error_at_each_command sweep error 1 1
check closed_at_each_command sweep close 3 1
check interrupted_at_each_command sweep int 3 130
check terminated_at_each_command sweep term 5 143
check interrupted_at_any_time interrupted
check directory_full full
check too_much_memory too_much
check name_taken name_taken
check disk_is_clean disk_is_clean
check killed_at_each_command killed

exit $failed
