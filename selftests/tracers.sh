#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What Documentation/tracing.rst says of other programs: bpftrace, perf and
# bpftool, as Debian has them, see what vmfork does.
#
# The test VM has them on a disk.  Anywhere else they are those of the machine.

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$VMFORK_TEST_TRACERS" ] && ! command -v bpftrace >/dev/null; then
	echo "TAP version 13"
	echo "1..0 # SKIP there is no bpftrace"
	exit 4
fi
. "$here/helpers/cli_lib.sh"
. "$here/helpers/toucher_lib.sh"
root=

# They have libraries, which are below a root of their own.
unpack()
{
	[ -n "$VMFORK_TEST_TRACERS" ] || return 0
	root=$work/root
	mkdir "$root" && tar xf "$VMFORK_TEST_TRACERS" -C "$root" || return
	for dir in proc sys dev; do
		mount -o rbind /$dir "$root/$dir" || return
	done
}

pack()
{
	[ -n "$root" ] || return 0
	umount -l "$root/proc" "$root/sys" "$root/dev"
} 2>/dev/null

# with PROGRAM ARGUMENTS...: run it there
with()
{
	if [ -n "$root" ]; then
		chroot "$root" "$@"
	else
		"$@"
	fi
}

# trace WORD PROGRAM ARGUMENTS...: in the background, until it has said the
# word, if there is one; sets watcher, and what it prints is in $work/traced
trace()
{
	local word=$1 run=
	shift

	: >"$work/traced"
	[ -z "$root" ] || run="chroot $root"
	"$toucher" interruptible $run "$@" >"$work/traced" 2>&1 &
	watcher=$!
	[ -z "$word" ] || wait_for "$work/traced" "$word"
}

# traced: have it end in order
traced()
{
	kill -INT "$watcher"
	wait "$watcher"
	watcher=
}

# bpftrace_does PROGRAM: run a one-liner while the child touches pages
bpftrace_does()
{
	start_child "$path" && trace "Attaching" bpftrace -B line -e "$1" ||
		return
	# It says so before it has done it: a fault that it sees is told below.
	wait_attached && touch_pages "read 0" "read 3" "write 1" "write 3" \
		"read 2" "write 5" "read 2046" && sleep 1 && traced &&
		stop_child
}

wait_attached()
{
	local tries=0

	until [ "$(attached)" -gt 0 ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || { note "nothing attached"; return 1; }
		sleep 0.2
	done
	sleep 1
}

# attached: how many programs there are
attached() { with bpftool prog | grep -cE "tracepoint|tracing"; }

# shown PATTERN...: lines of what it printed
shown()
{
	local pattern

	for pattern; do
		grep -qE -e "$pattern" "$work/traced" && continue
		note "no '$pattern' in:"
		sed 's/^/#   /' "$work/traced" | head -n 60
		return 1
	done
}

# --- bpftrace ---------------------------------------------------------------

# As it is in Documentation/tracing.rst
by_kind()
{
	bpftrace_does 'tracepoint:vmfork:vmfork_fault { @faults[args->kind] = count(); @ns[args->kind] = hist(args->ns); } tracepoint:vmfork:vmfork_cow { @cows = count(); }' &&
		shown '^@faults\[0\]: 3$' '^@faults\[2\]: 1$' \
			'^@faults\[3\]: 1$' '^@faults\[4\]: 1$' '^@cows: 1$' \
			'^@ns\[0\]:'
}

lines()
{
	bpftrace_does 'tracepoint:vmfork:vmfork_fault { printf("%-16s %6d kind %d offset %x pages %d ns %d\n", comm, tid, args->kind, args->offset, args->pages, args->ns); }' || return
	sed -n 's/^toucher .* kind \([0-9]\) offset \([0-9a-f]*\) .*/\1 \2/p' \
		"$work/traced" >"$work/seen"
	printf '%s\n' "0 0" "0 3000" "3 1000" "2 2000" "4 5000" "0 7fe000" \
		>"$work/want"
	cmp "$work/want" "$work/seen" ||
		{ sed 's/^/# /' "$work/traced"; return 1; }
}

# By guest-physical range of 2 MiB, and by thread
by_range()
{
	bpftrace_does 'tracepoint:vmfork:vmfork_fault { @range[args->offset >> 21] = count(); @thread[comm, tid] = count(); }' &&
		shown '^@range\[0\]: 5$' '^@range\[3\]: 1$' \
			"^@thread\\[toucher, $child\\]: 6\$"
}

# --- perf -------------------------------------------------------------------

perf_record()
{
	start_child "$path" && trace "" perf record -q -e 'vmfork:*' -a \
		-o /tmp/perf.data || return
	wait_enabled && touch_pages "read 0" "write 3" "write 0" && traced &&
		stop_child || return
	with perf script -i /tmp/perf.data >"$work/traced" 2>"$work/stderr"
	shown "toucher +$child .*vmfork:vmfork_fault: snapshot=$id .*offset=(0x)?0 kind=read " \
		"vmfork_fault: .*offset=0x3000 kind=write " \
		"vmfork_cow: snapshot=$id .*offset=(0x)?0 " &&
		[ "$(grep -c vmfork_fault "$work/traced")" = 2 ]
}

# Until the tracepoint is on
wait_enabled()
{
	local tries=0

	until has_perf_event; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || { note "perf is not on"; return 1; }
		sleep 0.2
	done
	sleep 1
}

has_perf_event()
{
	local fd

	for fd in "/proc/$watcher/fd/"*; do
		case $(readlink "$fd") in
		*perf_event*) return 0 ;;
		esac
	done
	return 1
}

perf_trace()
{
	start_child "$path" && trace "" perf trace --no-syscalls \
		-e 'vmfork:vmfork_fault' -p "$child" || return
	wait_enabled && touch_pages "read 0" "write 3" && sleep 2 && traced &&
		stop_child && shown "vmfork:vmfork_fault\\(snapshot: $id, .*pages: 1" \
			"vmfork:vmfork_fault\\(.*offset: 12288, kind: 3" &&
		[ "$(grep -c 'vmfork:vmfork_fault(' "$work/traced")" = 2 ]
}

# --- what vmfork itself has there -------------------------------------------

bpftool_shows()
{
	: >"$work/traced"
	"$toucher" interruptible "$VMFORK" faults >/dev/null \
		2>"$work/stderr" &
	watcher=$!
	wait_for "$work/stderr" Watching || return
	with bpftool prog >"$work/traced"
	with bpftool link >>"$work/traced"
	with bpftool btf >>"$work/traced"
	with bpftool btf dump file /sys/kernel/btf/vmfork \
		-B /sys/kernel/btf/vmlinux >"$work/types" 2>&1
	traced
	shown "name btf_vmfork_faul" "name btf_vmfork_cow" "tp 'vmfork_fault'" \
		"tp 'vmfork_cow'" "name \\[vmfork\\]" &&
		grep -q "btf_trace_vmfork_fault" "$work/types"
}

# A mapping has the name of its snapshot, and its counts are those of a file.
smaps()
{
	start_child "$path" && touch_pages "read 0 100 3" "write 1 10 3" || return
	awk -v name="/vmfork:$id" '/^[0-9a-f]+-/ { mine = $6 == name }
		mine' "/proc/$child/smaps" >"$work/traced"
	stop_child
	shown "vmfork:$id \\(deleted\\)" '^Rss: +440 kB' \
		'^Private_Dirty: +40 kB' '^Anonymous: +40 kB'
}

begin 8
trap 'pack; clean_up' EXIT

check unpack unpack
check bpftrace_by_kind by_kind
check bpftrace_lines lines
check bpftrace_by_range by_range
check perf_record perf_record
check perf_trace perf_trace
check bpftool bpftool_shows
check smaps smaps

exit $failed
