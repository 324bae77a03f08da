#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmfork faults and vmfork record: a process that touches known pages in a known
# order gives just these, in that order; what does not fit is counted; they end
# when they should, and say what is wrong.
#
# faults_raw.sh runs the same with a module that has no BTF.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
. "$here/helpers/toucher_lib.sh"
. "$here/helpers/watch_lib.sh"

# --- vmfork in the background ------------------------------------------------

# seen: a line "KIND PAGE" for each event
seen()
{
	local kind offset

	sed -n 's/.*"kind":"\([a-z-]*\)".*"offset":"\(0x[0-9a-f]*\)".*/\1 \2/p' \
		"$work/events" | while read -r kind offset; do
		echo "$kind $((offset / 4096))"
	done
}

# gives LINE...: the events are these
gives()
{
	printf '%s\n' "$@" >"$work/want"
	seen >"$work/seen"
	same_lines "$work/want" "$work/seen"
}

# --- what is seen -----------------------------------------------------------

# One of each kind, and what is there already gives nothing.
order()
{
	start_child "$path" && watch faults -p "$child" && touch_pages \
		"read 0" "read 3" "write 1" "write 3" "read 2" "write 2" \
		"write 5" "read 2046" "read 0" "read 1" "write 1" \
		"write 2" "read 5" && stop_watch && stop_child || return
	gives "read 0" "read 3" "write 1" "cow 3" "read-hole 2" "cow 2" \
		"write-hole 5" "read 2046" &&
		says .events 8 && says .dropped 0
}

# Many, from the end to the beginning: none is missing, none comes twice.
many()
{
	local page

	start_child "$path" && watch faults -p "$child" || return
	page=2046
	while [ $page -ge 0 ]; do
		touch_pages "read $page" || return
		echo "read $page"
		page=$((page - 3))
	done >"$work/list"
	page=2046
	while [ $page -ge 0 ]; do
		touch_pages "write $page" || return
		echo "cow $page"
		page=$((page - 3))
	done >>"$work/list"
	stop_watch && stop_child || return
	seen >"$work/seen"
	same_lines "$work/list" "$work/seen" && says .events 1366
}

# What an event says, besides: where, how many, who.
members()
{
	start_child "$path" && watch faults -p "$child" &&
		touch_pages other "write 4" && stop_watch && stop_child || return
	sed -n 2p "$work/events" >"$work/last"
	json "$work/last" >"$work/json" && says .kind write &&
		says .snapshot "$id" && says .offset 0x4000 &&
		says .address "$(printf 0x%x $((base + 4 * 4096)))" &&
		says .pages 1 && says .first 0x4000 && says .span 1 &&
		says .pid "$child" && says .comm other &&
		says .copied false || return
	[ "$(got .tid)" != "$child" ] && [ "$(got .took_ns)" -gt 0 ] &&
		[ "$(got .time_ns)" -gt 0 ]
}

# Others' faults are not seen: of another process, of another snapshot.
filters()
{
	local first=$path first_child

	start_child "$path" && first_child=$child || return
	exec 3>&5 4<&6
	rm "$work/child-in" "$work/child-answer"
	start_child "$path" && watch faults -p "$first_child" &&
		touch_pages "read 0" "read 9" || return
	echo "write 1" >&3 && read -r _ <&4 && stop_watch || return
	gives "write 1" || return

	hold_snapshot || return
	watch faults -s "$first" && touch_pages "read 12" || return
	stop_child
	start_child "$path" && touch_pages "read 0" && stop_watch &&
		gives "read 12" && stop_child || return
	echo quit >&3
	exec 3>&- 4<&-
	wait "$first_child"
	path=$first
}

# A window of pages comes with a read, and is said to.
window()
{
	echo 512 >$around
	start_child "$path" && watch faults -p "$child" &&
		touch_pages "read 100" && stop_watch && stop_child
	echo 1 >$around
	sed -n 2p "$work/events" >"$work/last"
	json "$work/last" >"$work/json" && says .kind read &&
		says .offset 0x64000 && says .first 0x60000 && says .span 16 &&
		says .pages 11	# five of these 16 are holes
}

# A huge page is one fault.
huge()
{
	local old=$path

	drop_snapshots
	stop_target
	start_target huge $BYTES
	hold_snapshot || return
	[ "$(got .pages.huge)" = 2048 ] || note "huge: $(got .pages.huge)"
	echo 512 >$around
	start_child "$path" && watch faults -p "$child" && touch_pages \
		"read 700" "read 512" "read 1023" "write 1100" &&
		stop_watch && stop_child || return
	echo 1 >$around
	path=$old
	gives "read-huge 700" "write 1100" || return
	sed -n 2p "$work/events" >"$work/last"
	json "$work/last" >"$work/json" && says .first 0x200000 &&
		says .span 512 && says .pages 512
}

# The summary counts the same.
summary()
{
	start_child "$path" && watch faults -p "$child" --summary &&
		touch_pages "read 0 100 3" "write 1 50 3" "write 0 10 3" \
			"read 2 5 3" other "write 1537 2 3" &&
		stop_watch && stop_child || return
	says .events 167 && says .dropped 0 &&
		says .kinds.0.kind read && says .kinds.0.count 100 &&
		says .kinds.1.kind read-hole && says .kinds.1.count 5 &&
		says .kinds.2.kind write && says .kinds.2.count 52 &&
		says .kinds.3.kind cow && says .kinds.3.count 10 &&
		says .ranges.0.offset 0x0 && says .ranges.0.reads 105 &&
		says .ranges.0.writes 50 && says .ranges.0.cows 10 &&
		says .ranges.1.offset 0x600000 && says .ranges.1.writes 2 &&
		says .threads.0.tid "$child" && says .threads.0.reads 105 || return
	# Each touch has a thread of its own from then on.
	says .threads.1.comm other && says .threads.1.writes 2 &&
		[ "$(got .kinds.0.p50_ns)" -le "$(got .kinds.0.p99_ns)" ] &&
		[ "$(got .kinds.0.p99_ns)" -le "$(got .kinds.0.max_ns)" ] &&
		[ "$(sed -n 's/^\.kinds\.0\.histogram\..*\.count //p' \
			"$work/json" | awk '{ n += $1 } END { print n }')" = 100 ]
}

text()
{
	start_child "$path" || return
	"$VMFORK" faults -p "$child" >"$work/text" 2>"$work/stderr" &
	watcher=$!
	wait_for "$work/stderr" "Watching" && touch_pages "read 0" "write 1" &&
		stop_child && wait "$watcher" &&
		grep -q "^ *SECONDS *TID *COMM *KIND" "$work/text" &&
		grep -q "toucher *read *$id *0 " "$work/text" &&
		grep -q "toucher *write *$id *0x1000 " "$work/text" &&
		grep -q "^2 events, 0 dropped" "$work/text"
}

# What can not be printed is a failure, and of the summary as well.
unprintable()
{
	local option

	for option in "" --summary; do
		# shellcheck disable=SC2086	# none, or one
		"$VMFORK" faults $option -d 0.1 >/dev/full 2>"$work/stderr"
		[ $? = 1 ] && grep -q "could not be printed" "$work/stderr" ||
			return
	done
}

# --- a recording ------------------------------------------------------------

# ranges reads|writes: a line "FIRST PAGES" for each
ranges()
{
	local i=0 at

	while at=$(got ".$1.$i.0") && [ -n "$at" ]; do
		echo "$((at / 4096)) $(($(got ".$1.$i.1") / 4096))"
		i=$((i + 1))
	done
}

# has reads|writes LINE...: the file has just these, in this order
has()
{
	local which=$1

	shift
	printf '%s\n' "$@" >"$work/want"
	ranges "$which" >"$work/seen"
	same_lines "$work/want" "$work/seen"
}

record()
{
	start_child "$path" && watch record -s "$path" -o "$out/ws.json" &&
		touch_pages "read 9" "read 6" "read 7" "write 300" "write 301" \
			"write 7" "read 8" "drop" "read 9" "read 12" &&
		stop_watch && stop_child || return
	says .snapshot "$id" && says .events 9 && says .dropped 0 &&
		says .file "$out/ws.json" && says .reads.pages 5 &&
		says .writes.pages 3 || return
	json "$out/ws.json" >"$work/json" && says .version 1 &&
		says .page_size 4096 && says .snapshot_size $BYTES &&
		says .recorded.snapshot "$id" && says .recorded.faults 9 &&
		says .recorded.dropped 0 &&
		has reads "9 1" "6 2" "8 1" "12 1" &&
		has writes "300 2" "7 1"
}

# By process alone: of what it maps.
record_process()
{
	start_child "$path" && watch record -p "$child" -o "$out/ws.json" &&
		touch_pages "read 0" && stop_child && watched 0 || return
	json "$out/ws.json" >"$work/json" && says .recorded.snapshot "$id" &&
		has reads "0 1" && rm "$out/ws.json" &&
		fails 1 "maps no snapshot" record -p $$ -o "$out/nothing"
}

# --- when it is too much, and when it is over --------------------------------

# Nobody reads while a process touches more than fits: no fault is lost
# silently.
overflow()
{
	start_child "$path" && watch faults -p "$child" -b 4K &&
		kill -STOP "$watcher" && touch_pages "write 0 600 3" &&
		kill -CONT "$watcher" && stop_watch && stop_child || return
	[ "$(got .dropped)" -gt 500 ] &&
		[ $(($(got .events) + $(got .dropped))) = 600 ] &&
		[ "$(seen | wc -l)" = "$(got .events)" ] &&
		grep -q "$(got .dropped) events did not fit" "$work/stderr" || return

	start_child "$path" && watch record -p "$child" -b 4K -o "$out/ws.json" &&
		kill -STOP "$watcher" && touch_pages "write 0 600 3" &&
		kill -CONT "$watcher" && stop_watch && stop_child || return
	[ "$(got .dropped)" -gt 300 ] &&
		[ $(($(got .events) + $(got .dropped))) = 600 ] || return
	dropped=$(got .dropped)
	json "$out/ws.json" >"$work/json" && says .recorded.dropped "$dropped"
}

endings()
{
	local start

	watch faults && kill -TERM "$watcher" && watched 0 &&
		says .events 0 || return
	start=$(date +%s)
	watch faults --duration 1.5 && watched 0 &&
		[ $(($(date +%s) - start)) -ge 1 ] &&
		[ "$(got .watched_ns)" -ge 1500000000 ] || return
	start_child "$path" && watch faults -p "$child" &&
		touch_pages "read 0" && stop_child && watched 0 &&
		says .events 1
}

# --- mistakes ---------------------------------------------------------------

unprivileged()
{
	local command

	chmod 755 "$work"
	chmod 777 "$out"
	for command in faults "faults -p $target" \
			"record -p $target -o $out/ws.json"; do
		"$helper" as-nobody "$VMFORK" $command >"$work/stdout" \
			2>"$work/stderr"
		[ $? = 1 ] && [ "$(wc -l <"$work/stderr")" = 1 ] &&
			grep -q "run as root\|can not be opened" "$work/stderr" &&
			is_empty "$out" || return
	done
	"$helper" as-nobody "$VMFORK" faults 2>"$work/stderr"
	grep -q "^vmfork: Tracing needs the capabilities BPF and PERFMON: run as root.$" \
		"$work/stderr"
}

bad_usage()
{
	echo old >"$work/old"
	fails 2 "no process id" faults -p x && fails 2 "no time" faults -d 0 &&
		fails 2 "no time" faults -d 1s && fails 2 "no size" faults -b x &&
		fails 2 "too large" faults -b 4G &&
		fails 2 "not expected" faults x &&
		fails 1 "no process 99999999" faults -p 99999999 &&
		fails 1 "no vmfork snapshot" faults -s /bin/busybox &&
		fails 2 "add -s PATH or -p PID" record -o "$out/f" &&
		fails 2 "add -o FILE" record -p 1 &&
		fails 2 "not expected" record -p 1 -o "$out/f" x &&
		fails 1 "exists" record -s "$path" -o "$work/old" &&
		[ "$(cat "$work/old")" = old ]
}

# Elsewhere processes have other numbers; snapshots are the same.
other_namespace()
{
	unshare -pf "$VMFORK" faults -p 1 >"$work/stdout" \
		2>"$work/stderr"
	[ $? = 1 ] && grep -q "host's PID namespace" "$work/stderr" &&
		unshare -pf "$VMFORK" faults -s "$path" -d 0.1 \
			>"$work/stdout" 2>"$work/stderr"
}

begin 16

check order order
check many many
check members members
check filters filters
check window window
check summary summary
check text text
check unprintable unprintable
check record record
check record_process record_process
check overflow overflow
check endings endings
check unprivileged unprivileged
check bad_usage bad_usage
check other_namespace other_namespace
check huge huge

exit $failed
