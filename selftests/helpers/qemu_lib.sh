# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the tests of vmfork qemu share: QEMUs with Linux guests on disks, what
# these guests say of themselves, and what is to be left when all is over.
#
# Before cli_lib.sh: it runs the test once more where QEMU is.  The test VM has
# that on a disk; anywhere else it is the machine's own.

# What is run there, besides QEMU
wanted="qemu-img mkfs.ext4 e2fsck mkfs.xfs"

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

[ -c /dev/kvm ] || skip_all "no /dev/kvm"
for file in /guest/vmlinux /guest/qemu-initrd; do
	[ -e $file ] || skip_all "no $file"
done
# Under TCG with several CPUs, guests crash: see Documentation/forkvm.rst.
if [ "$(nproc)" -gt 1 ] && grep -q 'QEMU TCG' /proc/cpuinfo; then
	skip_all "guests need one CPU under TCG (SMP=1)"
fi

# in_root TEST: unpack the programs, and run it with them as its root
in_root()
{
	local root=/tmp/root.$$ status

	mkdir -p $root && tar xf "$VMFORK_TEST_QEMU" -C $root || return
	for fs in proc sys dev tests guest; do
		mkdir -p $root/$fs && mount -o rbind /$fs $root/$fs || return
	done
	mkdir $root/vm $root/applets && mount -o bind /bin $root/vm &&
		cp /bin/busybox $root/usr/bin/busybox &&
		chroot $root /bin/busybox --install -s /applets || return
	PATH=/bin:/applets VMFORK=/vm/vmfork VMFORK_TEST_QEMU='' \
		chroot $root /bin/sh "$1"
	status=$?
	umount -l $root/vm
	for fs in proc sys dev tests guest; do
		umount -l $root/$fs
	done
	rm -rf $root
	return $status
}

if [ -n "$VMFORK_TEST_QEMU" ]; then
	in_root "${IN_ROOT:-/tests/${0##*/}}"
	exit
fi
for program in qemu-system-x86_64 $wanted; do
	command -v $program >/dev/null || skip_all "there is no $program"
done

. "$here/helpers/cli_lib.sh"

talk="$here/helpers/talk"
mount=/run/vmfork
pids=
SECONDS_TO_BOOT=$((300 * ${VMFORK_TEST_SLOWNESS:-1}))
SECONDS_TO_START=$((200 * ${VMFORK_TEST_SLOWNESS:-1}))
SECONDS_TO_ANSWER=$((300 * ${VMFORK_TEST_SLOWNESS:-1}))
# Between two records of a guest's journal: usually, and while it is forked
CALM_US=400000
HURRY_US=2000
# Each byte that the kernel says is an exit of the guest.
append="console=ttyS0 quiet panic=-1 mitigations=off nokaslr cryptomgr.notests
	tsc=reliable q.table=4 q.sleep=$CALM_US q.batch=8"

# is_alive PID: and no zombie
is_alive()
{
	[ -e "/proc/$1" ] && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

is_dead() { ! is_alive "$1"; }

# in_time COMMAND...: wait until it succeeds, for as long as for an answer
in_time()
{
	local until

	until=$(($(uptime_ms) + 1000 * SECONDS_TO_ANSWER))
	until "$@"; do
		[ "$(uptime_ms)" -lt $until ] ||
			{ note "not in time: $*"; return 1; }
		sleep 0.1
	done
}

# comes PID COMMAND...: wait until it succeeds; that process is to see to it
comes()
{
	local who=$1

	shift
	until "$@"; do
		is_alive "$who" || { note "$who does not live to: $*"; return 1; }
		sleep 0.05
	done
}

ended() { in_time is_dead "$1"; }

wait_ms() { sleep $(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000))); }

uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# qemus: all that there are
qemus()
{
	local exe

	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe") in
		*/qemu-system-x86_64)
			exe=${exe%/exe}
			echo "${exe#/proc/}"
			;;
		esac
	done
}

kill_all()
{
	local pid

	for pid in $pids; do
		kill -KILL $pid
	done
	for pid in $pids; do
		while is_alive $pid; do sleep 0.1; done
		wait $pid
	done
	pids=
} 2>/dev/null

mounted=
mount_vmforkfs()
{
	grep -q " $mount vmforkfs " /proc/mounts && return
	mkdir -p $mount && mount -t vmforkfs none $mount && mounted=y
}

end_qemus()
{
	kill_all
	cd /
	[ -z "$mounted" ] || {
		rm -f $mount/*
		umount $mount
	}
	cleanup
}

# qemu NAME ARGUMENTS...: start one, with sockets NAME.qmp and NAME.serial; sets
# pid
qemu()
{
	local name=$1

	shift
	qemu-system-x86_64 -nodefaults -no-user-config -display none -cpu max \
		-enable-kvm -qmp "unix:$name.qmp,server=on,wait=off" \
		-serial "unix:$name.serial,server=on,wait=off" "$@" \
		</dev/null >"$name.log" 2>&1 &
	pid=$!
	pids="$pids $pid"
}

kernel=/guest/vmlinux
# linux NAME ARGUMENTS...: one that boots; sets pid
linux()
{
	qemu "$@" -smp 2 -kernel "$kernel" -initrd /guest/qemu-initrd \
		-append "$append"
}

ready()
{
	"$talk" ready "$1.serial" $SECONDS_TO_BOOT >"$work/ready" && return
	note "$1: $(cat "$1.log")"
	return 1
}

# image NAME FORMAT: of NAME.raw
image()
{
	[ "$2" = raw ] && return
	qemu-img convert -O "$2" "$1.raw" "$1.$2" && rm "$1.raw"
}

# disk NAME FORMAT: with an empty file system, in NAME.raw if that is there
disk()
{
	truncate -s 24M "$1.raw" && mkfs.ext4 -q -F -E nodiscard "$1.raw" &&
		image "$1" "$2"
}

# noise NAME FORMAT: a disk that nobody writes to, the same in $work/NAME.copy
noise()
{
	dd if=/dev/urandom of="$work/$1.copy" bs=1M count=4 2>/dev/null &&
		cp "$work/$1.copy" "$1.raw" && image "$1" "$2"
}

# is_noise NAME FORMAT IMAGE: whether it still has that
is_noise()
{
	qemu-img compare -U -f raw -F "$2" "$work/$1.copy" "$3" \
		>"$work/compared" 2>&1 && return
	note "$3: $(cat "$work/compared")"
	return 1
}

# ask SERIAL WORD ARGUMENTS...: what the guest says is in $work/answer_line
ask()
{
	local serial=$1

	shift
	"$talk" guest "$serial" $SECONDS_TO_ANSWER "$@" >"$work/answer_line" &&
		return
	note "$serial does not answer to $1"
	return 1
}

# of WORD: its value there
of() { sed -n "s/.* $1=\\([^ ]*\\).*/\\1/p" "$work/answer_line"; }

# works SERIAL: its memory, its journal and its files are what they have to be
works()
{
	ask "$1" verify || return
	[ "$(of pages)" -gt 0 ] && [ "$(of errors)" = 0 ] &&
		[ "$(of journal)" = 0 ] && [ "$(of files)" = 0 ] && return
	note "$1: $(cat "$work/answer_line")"
	return 1
}

# writes SERIAL: its work goes on
writes()
{
	local counter journal files tries=0

	ask "$1" status || return
	counter=$(of counter) journal=$(of journal) files=$(of files)
	until [ "$(of counter)" -gt "$counter" ] &&
	      [ "$(of journal)" -gt "$journal" ] &&
	      [ "$(of files)" -gt "$files" ]; do
		[ $((tries += 1)) -lt 100 ] || {
			note "$1: $(cat "$work/answer_line")"
			return 1
		}
		ask "$1" status || return
	done
	[ "$(of errors)" = 0 ]
}

# qmp SOCKET COMMAND [EVENT]: the answer is in $work/qmp
qmp()
{
	"$talk" qmp "$1" $SECONDS_TO_ANSWER "{\"execute\": $2}" $3 \
		>"$work/qmp" && return
	note "$1: $2: $(cat "$work/qmp")"
	return 1
}

is_running()
{
	qmp "$1" '"query-status"' && grep -q '"running": true' "$work/qmp" &&
		return
	note "$1: $(cat "$work/qmp")"
	return 1
}

# forks ARGUMENTS...: with its JSON in $work/json; its children are of those
# who are killed in the end
forks()
{
	if ! vmfork_does 0 -j qemu fork --timeout $SECONDS_TO_START "$@"; then
		note "$(cat "$work/stdout")"
		return 1
	fi
	json "$work/stdout" >"$work/json" || return
	pids="$pids $(children_pids)"
}

# children_pids: of those in $work/json
children_pids() { sed -n 's/^\.child\.[0-9]*\.pid //p' "$work/json"; }

# pace SERIAL US: of its journal, from now on
pace() { ask "$1" pace "$2"; }

# forks_at_work SERIAL ARGUMENTS...: as forks() does, while that guest writes to
# its disk as fast as it can.  So do its children when they begin.
forks_at_work()
{
	local serial=$1 before records i=0

	shift
	pace "$serial" $HURRY_US || return
	before=$(of journal)
	forks "$@" && pace "$serial" $CALM_US || return
	records=$(($(of journal) - before))
	for _ in $(children_pids); do
		pace "$(serial_of $i)" $CALM_US || return
		i=$((i + 1))
	done
	note "$records records meanwhile"
	[ $records -ge 50 ]
}

# know I NAME: links to the sockets of the child with that index
know()
{
	ln -sf "$(got ".child.$1.qmp")" "$2.qmp" &&
		ln -sf "$(serial_of "$1")" "$2.serial"
}

# forks_printed DIR NAME QMP: into one that a shell starts, by what is printed
# there; sets pid
forks_printed()
{
	local dir=$1 name=$2 from=$3

	(
		cd "$dir" && vmfork_does 0 qemu fork --qmp "$from" -n 1 \
			--timeout $SECONDS_TO_START --name "$name" --dir .
	) || return
	mv "$work/stdout" "$dir/child.sh"
	sh "$dir/child.sh" </dev/null >"$name.log" 2>&1 &
	pid=$!
	pids="$pids $pid"
	ln -s "$dir/$name.1.qmp" "$name.qmp"
	ln -s "$dir/$name.1-serial0.sock" "$name.serial"
	comes $pid [ -S "$name.serial" ] && return
	note "$(cat "$dir/child.sh" "$name.log")"
	return 1
}

# serial_of I: the socket of the serial port of the child with that index
serial_of()
{
	sed -n "s/^\.child\.$1\.argv\.[0-9]* unix:\([^,]*-serial[^,]*\),.*/\1/p" \
		"$work/json"
}

# leaves SERIAL QMP PID: the guest leaves its disk, and its QEMU ends
leaves()
{
	ask "$1" gone || return
	[ "$(of ok)" = 1 ] || { note "$1 can not unmount"; return 1; }
	# Its answer may not get out before it ends.
	qmp "$2" '"quit"' >/dev/null
	ended "$3"
}

# clean_disk IMAGE: the file system on it, through all that it is based on
clean_disk()
{
	case $1 in
	*.raw) : >"$work/check" ;;
	*) qemu-img check -q "$1" >"$work/check" 2>&1 ;;
	esac &&
		qemu-img convert -O raw "$1" "$work/fsck.raw" &&
		e2fsck -fn "$work/fsck.raw" >"$work/fsck" 2>&1 &&
		! grep -qi 'recover\|fix\|error' "$work/fsck" &&
		rm "$work/fsck.raw" && return
	note "$1: $(cat "$work/check" "$work/fsck")"
	return 1
}

# returned PATH: a part of what QEMU has answered, or all that match
returned() { json "$work/qmp" | sed -n "s/^\.return\.$1 //p"; }

# disk_of QMP [NUMBER]: the image that it writes to, of its first disk or another.
# What is below that may have another name than the image says; QEMU describes
# it then, with the image itself last.
disk_of()
{
	qmp "$1" '"query-block"' && returned "${2:-0}\.inserted\.file" |
		sed 's/^json:.*filename[\": ]*\([^"\]*\).*/\1/'
}
