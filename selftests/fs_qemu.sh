#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A VMM that knows nothing of vmfork and takes a memory file's path: QEMU, as
# Debian has it, with memory-backend-file,share=off, and readonly=on.
#
# The test VM has it on a disk.  Anywhere else it is that of the machine.

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$VMFORK_TEST_PROGRAMS" ] &&
   ! command -v qemu-system-x86_64 >/dev/null; then
	echo "TAP version 13"
	echo "1..0 # SKIP there is no qemu-system-x86_64"
	exit 4
fi
. "$here/helpers/cli_lib.sh"
. "$here/helpers/fs_lib.sh"
planned=7

# Guests have so much; it is what the target's memory is, too.
MEGABYTES=32
BYTES=$((MEGABYTES * MIB))
guests=

# qemu NAME ARGUMENTS...: start one, with a monitor; sets qemu
qemu()
{
	local name=$1

	shift
	mkfifo "$work/$name.in" || return
	chroot "${root:-/}" "$program" $common "$@" \
		<"$work/$name.in" >"$work/$name.out" 2>&1 &
	qemu=$!
	guests="$guests $qemu"
}

# gone PID: until it has exited
gone()
{
	local tries=0

	while kill -0 "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 1500 ] || { note "it does not end"; return 1; }
		sleep 0.1
	done
	wait "$1"
}

# said FILE PATTERN: until it has said so
said()
{
	local tries=0

	until grep -qs "$2" "$1"; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ] || ! kill -0 $qemu 2>/dev/null; then
			note "${1##*/}: no '$2' in: $(tail -n 20 "$1")"
			return 1
		fi
		sleep 0.1
	done
}

kill_guests()
{
	# Not for others: who holds the snapshot waits for us.
	[ -z "$guests" ] || { kill -KILL $guests; wait $guests; }
	guests=
} 2>/dev/null

program=$(command -v qemu-system-x86_64)
[ -z "$VMFORK_TEST_PROGRAMS" ] || program=/bin/qemu-system-x86_64
common="-nodefaults -no-user-config -display none -monitor stdio -accel kvm
	-accel tcg"
backend="memory-backend-file,id=m,size=${MEGABYTES}M"

# maps_it PROTECTION
maps_it()
{
	grep -q "$1 .* /vmfork:$id (deleted)" /proc/$qemu/maps && return 0
	note "$(grep -i vmfork /proc/$qemu/maps)"
	return 1
}

named()
{
	with cp --reflink=always "$path" $dir/base &&
		same $dir/base "$work/memory"
}

# Its guest's RAM is the snapshot: what QEMU shows of it is what was captured,
# but for what it has written there itself, below 1 MiB.
as_ram()
{
	qemu ram -S -machine pc,memory-backend=m -m ${MEGABYTES}M \
		-object "$backend,mem-path=$dir/base,share=off" || return
	exec 9<>"$work/ram.in"
	echo "pmemsave 0x100000 $((BYTES - MIB)) \"/tmp/ram\"" >&9
	echo "info memdev" >&9
	said "$work/ram.out" "prealloc\|share" || return
	grep -q "share: false" "$work/ram.out" ||
		note "$(cat "$work/ram.out")"
	tail -c +$((MIB + 1)) "$work/memory" | cmp - "$root/tmp/ram" || return
	rm "$root/tmp/ram"
	# It maps that snapshot, privately.
	maps_it rw-p || return
	umount "$root$mount" 2>/dev/null && { note "not busy"; return 1; }
	echo quit >&9
	exec 9>&-
	gone $qemu && same $dir/base "$work/memory"
}

# QEMU may only read it: a device of the guest has it.
read_only()
{
	qemu ro -S -machine pc,nvdimm=on -m 32M,slots=1,maxmem=1G \
		-object "$backend,mem-path=$dir/base,share=off,readonly=on" \
		-device nvdimm,memdev=m,unarmed=on || return
	exec 9<>"$work/ro.in"
	echo "info memory-devices" >&9
	said "$work/ro.out" "addr: 0x" || return
	at=$(sed -n 's/.*addr: \(0x[0-9a-f]*\).*/\1/p' "$work/ro.out" | head -n 1)
	echo "pmemsave $at $BYTES \"/tmp/ro\"" >&9
	echo "info status" >&9
	said "$work/ro.out" "VM status" || return
	same "$root/tmp/ro" "$work/memory" && rm "$root/tmp/ro" &&
		maps_it r--p || return
	echo quit >&9
	exec 9>&-
	gone $qemu
}

# Who may not write to the file can map it where QEMU only reads.
read_only_file()
{
	with chmod 444 $dir/base && as_user_reads
	status=$?
	with chmod 600 $dir/base
	return $status
}

as_user_reads()
{
	mkfifo "$work/user.in" || return
	as 1000 "$program" $common -S -machine pc,nvdimm=on \
		-m 32M,slots=1,maxmem=1G \
		-object "$backend,mem-path=$dir/base,share=off,readonly=on" \
		-device nvdimm,memdev=m,unarmed=on <"$work/user.in" \
		>"$work/user.out" 2>&1 &
	qemu=$!
	guests="$guests $qemu"
	exec 9<>"$work/user.in"
	echo "info memory-devices" >&9
	said "$work/user.out" "addr: 0x" || return
	echo quit >&9
	exec 9>&-
	gone $qemu
}

# runs NAME FIND WRITE FLAGS PATH: start one on a snapshot with a program of
# its own instead of the firmware, helpers/tiny_bios.S, and say what it is to find
# and to write
runs()
{
	local name=$1 find=$2 write=$3 flags=$4 file=$5

	qemu "$name" -S -machine pc,memory-backend=m -m ${MEGABYTES}M \
		-object "$backend,mem-path=$file,share=off" \
		-bios /tmp/tiny_bios -uuid "$(printf \
			'%08x-%04x-%04x-%04x-%04x00000000' $((find)) \
			$((write >> 16)) $((write & 0xffff)) \
			$((flags >> 16)) $((flags & 0xffff)))" \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-chardev "file,id=said,path=/tmp/$name.said" \
		-device isa-debugcon,iobase=0xe9,chardev=said
}

# right PID: it ends, and has found what it was to find
right()
{
	gone "$1"
	is $? 33
}

# Two guests run on it at the same time, each on its own copy: they overwrite it
# all the while, and nobody else sees that.
guests_run()
{
	runs one 0x10000 0x110000 1 $dir/base || return
	one=$qemu
	exec 8<>"$work/one.in"
	runs two 0x10000 0x220000 1 $dir/base || return
	exec 9<>"$work/two.in"
	echo cont >&8
	echo cont >&9
	right $one && right $qemu
	status=$?
	exec 8>&- 9>&-
	[ $status = 0 ] && same $dir/base "$work/memory"
}

# What a guest has made of it can be captured, and have a name in its turn, and
# the next guest runs on that.
captured_again()
{
	runs again 0x10000 0x330000 3 $dir/base || return
	exec 9<>"$work/again.in"
	echo cont >&9
	said "$root/tmp/again.said" "[DW]" || return
	# Where it is mapped is told by its maps.
	range=$(sed -n "s/^\([0-9a-f]*\)-[0-9a-f]* rw-p 00000000 .*\/vmfork:$id (deleted)/\1/p" \
		/proc/$qemu/maps)
	vmfork_does 0 -j capture -p $qemu --range "0x$range:$BYTES@0" \
		-o $dir/second && json "$work/stdout" >"$work/json" &&
		says .named true && vmfork_does 0 -j diff $dir/base \
		$dir/second && json "$work/stdout" >"$work/json" || return
	# It has written to each page from 1 MiB on, and to its stack.
	is "$(got .pages)" $(((BYTES - MIB) / 4096 + 1)) || return
	echo quit >&9
	exec 9>&-
	gone $qemu
	runs third 0x330003 0x440000 0 $dir/second || return
	exec 9<>"$work/third.in"
	echo cont >&9
	right $qemu
	status=$?
	exec 9>&-
	[ $status = 0 ] && same $dir/base "$work/memory" &&
		with rm $dir/second
}

clean_up()
{
	kill_guests
	rm -rf "$mount"/test.*
	leave_root
	cleanup
} 2>/dev/null

trap clean_up EXIT
echo "TAP version 13"
echo "1..$planned"

start_target anon $BYTES
hold_snapshot || exit 1
id=$(got .snapshot)
memory "$work/memory"

check programs enter_root
cp "$here/helpers/tiny_bios" "$root/tmp/tiny_bios"
check named named
check as_ram as_ram
check read_only read_only
check file_that_may_only_be_read read_only_file
check two_guests guests_run
check captured_again captured_again

exit $failed
