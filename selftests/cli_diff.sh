#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The vmfork command with snapshots of one process at several times: what is
# said to differ is what was written, what is exported is enough to make one
# of the other, and memory goes back to what it was.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
planned=16

# Every third page of the target is a hole; it has 2048.
BYTES=$((8 * MIB))

# two_snapshots [ARGUMENTS]: sets a and b, paths of snapshots before and after
# writes to pages 3 and 4, 600, a hole (602), and the last page; the arguments
# are for the second
two_snapshots()
{
	hold_snapshot || return
	a=$path
	tell "poke 3 2" poked && tell "poke 600 1" poked &&
		tell "poke 602 1" poked && tell "poke 2047 1" poked &&
		hold_snapshot "$@" || return
	b=$path
}

# differing FILE FILE: the pages in which they differ, by cmp
differing()
{
	cmp -l "$1" "$2" 2>/dev/null |
		awk '{ page = int(($1 - 1) / 4096) }
		     page != last || NR == 1 { print page; last = page }'
}

# listed LIST: the pages of the ranges LIST in $work/json
listed()
{
	local i=0 at n

	while at=$(got "$1.$i.offset") && [ -n "$at" ]; do
		n=$(($(got "$1.$i.length") / 4096))
		seq $((at / 4096)) $((at / 4096 + n - 1))
		i=$((i + 1))
	done
}

same_pages()
{
	cmp -s "$1" "$2" && return 0
	note "pages are: $(tr '\n' ' ' <"$2")"
	note "and not:   $(tr '\n' ' ' <"$1")"
	return 1
}

# --- diff -------------------------------------------------------------------

diff_of_itself()
{
	hold_snapshot && a=$path && vmfork_does 0 -j diff "$a" "$a" &&
		json "$work/stdout" >"$work/json" && says .pages 0 &&
		[ -z "$(got .ranges.0.offset)" ] || return
	hold_snapshot && vmfork_does 0 -j diff "$a" "$path" &&
		json "$work/stdout" >"$work/json" && says .pages 0 &&
		[ -z "$(got .ranges.0.offset)" ] || return
	vmfork_does 0 diff "$a" "$path" && ! grep -q 0x "$work/stdout"
}

diff_is_what_was_written()
{
	two_snapshots || return
	printf '%s\n' 3 4 600 602 2047 >"$work/want"
	differing "$a" "$b" >"$work/pages" &&
		same_pages "$work/want" "$work/pages" &&
		vmfork_does 0 -j diff "$a" "$b" &&
		json "$work/stdout" >"$work/json" && says .pages 5 &&
		says .bytes 20480 && says .a.size $((len)) &&
		says .ranges.0.offset 0x3000 && says .ranges.0.length 8192 &&
		says .ranges.1.offset 0x258000 && says .ranges.1.length 4096 &&
		says .ranges.2.offset 0x25a000 && says .ranges.3.offset 0x7ff000 &&
		[ -z "$(got .ranges.4.offset)" ] || return
	[ "$(got .a.snapshot)" != "$(got .b.snapshot)" ] || return
	# The other way round it is the same.
	vmfork_does 0 -j diff "$b" "$a" &&
		json "$work/stdout" >"$work/json" &&
		listed .ranges >"$work/pages" &&
		same_pages "$work/want" "$work/pages" || return
	vmfork_does 0 diff "$a" "$b" && grep -q '^pages  *5$' "$work/stdout" &&
		grep -q '^ *offset  *length$' "$work/stdout" &&
		grep -q '^ *0x3000  *8 KiB$' "$work/stdout" &&
		[ "$(grep -c 0x "$work/stdout")" = 4 ]
}

# More ranges than one call of the kernel gives
diff_of_many()
{
	hold_snapshot && a=$path && tell change changed && hold_snapshot ||
		return
	differing "$a" "$path" >"$work/want"
	vmfork_does 0 -j diff "$a" "$path" &&
		json "$work/stdout" >"$work/json" &&
		says .pages "$(wc -l <"$work/want")" || return
	# Every third page is no hole, but the same.
	[ "$(wc -l <"$work/want")" -ge $((len * 2 / 3 / 4096)) ] || return
	listed .ranges >"$work/pages"
	same_pages "$work/want" "$work/pages"
}

# A page that was written to, but not changed, is the same by contents only.
diff_contents()
{
	hold_snapshot && a=$path && tell "touch 6 2" touched &&
		tell "poke 9 1" poked && hold_snapshot || return
	vmfork_does 0 -j diff "$a" "$path" &&
		json "$work/stdout" >"$work/json" && says .pages 3 &&
		vmfork_does 0 -j diff --contents "$a" "$path" &&
		json "$work/stdout" >"$work/json" && says .pages 1 &&
		says .ranges.0.offset 0x9000
}

# What one of them does not reach is a hole there.
diff_of_sizes()
{
	hold_snapshot --range "$addr:64K" && a=$path &&
		hold_snapshot --range "$addr:128K" --size 16M && b=$path ||
		return
	differing "$a" "$b" >"$work/want"
	[ ! -s "$work/want" ] || return
	# Behind the 16 pages of a, b has 16, of which 18, 21, ... are data.
	seq 16 31 | awk '$1 % 3 != 2' >"$work/want"
	vmfork_does 0 -j diff "$a" "$b" && json "$work/stdout" >"$work/json" &&
		listed .ranges >"$work/pages" &&
		same_pages "$work/want" "$work/pages" &&
		vmfork_does 0 -j diff "$b" "$a" &&
		json "$work/stdout" >"$work/json" &&
		listed .ranges >"$work/pages" &&
		same_pages "$work/want" "$work/pages"
}

# --- export -----------------------------------------------------------------

export_whole()
{
	hold_snapshot && vmfork_does 0 -j export "$path" "$out/f" &&
		json "$work/stdout" >"$work/json" && cmp "$path" "$out/f" &&
		says .file "$out/f" && [ "$(ls -A "$out")" = f ] &&
		[ "$(stat -c %a "$out/f")" = 600 ] || return
	[ $(($(stat -c %b "$out/f") * 512)) -lt $((len)) ]
}

# apply MANIFEST DELTA FILE: make FILE, a copy of the base, what it was made of
apply()
{
	local i=0 at n

	json "$1" >"$work/json" || return
	truncate -s "$(got .result.size)" "$3"
	while at=$(got .ranges.$i.offset) && [ -n "$at" ]; do
		n=$(got .ranges.$i.length)
		dd if="$2" of="$3" bs=4096 skip=$((at / 4096)) \
			seek=$((at / 4096)) count=$((n / 4096)) conv=notrunc \
			2>/dev/null || return
		i=$((i + 1))
	done
	note "$i ranges"
}

# delta: $out/d from $a to $b, applied onto $a, is $b
delta()
{
	cp "$a" "$work/base" &&
		vmfork_does 0 -j export --base "$a" "$b" "$out/d" &&
		[ "$(echo "$out"/*)" = "$out/d $out/d.json" ] &&
		[ "$(stat -c %a "$out/d.json")" = 600 ] &&
		[ "$(stat -c %s "$out/d")" = "$(stat -L -c %s "$b")" ] &&
		apply "$out/d.json" "$out/d" "$work/base" &&
		cmp "$work/base" "$b"
}

export_delta()
{
	two_snapshots || return
	delta || return
	says .format vmfork-delta-1 && says .file d && says .ranges.0.hole false &&
		says .ranges.0.offset 12288 || return
	json "$work/stdout" >"$work/json" && says .written 20480 &&
		says .pages 5 && says .ranges 4 && says .manifest "$out/d.json" &&
		[ $(($(stat -c %b "$out/d") * 512)) -le $((20480 + 65536)) ] ||
		return
	# The base, applied onto the result, is the base.
	rm "$out/d" "$out/d.json"
	path=$a a=$b b=$path
	delta && says .ranges.1.offset $((600 * 4096))
}

# What the result has a hole for, and the base has not
export_holes()
{
	two_snapshots --range "$addr:$len" --wipe "$addr:16K" || return
	delta && says .ranges.0.hole true && says .ranges.0.offset 0 || return
	json "$work/stdout" >"$work/json" || return
	# Pages 3 and 602 were written, but 3 is wiped as well.
	says .written $((4 * 4096))
}

export_sizes()
{
	hold_snapshot --range "$addr:64K" && a=$path &&
		hold_snapshot --range "$addr:128K" --size 16M && b=$path ||
		return
	delta && rm "$out/d" "$out/d.json" || return
	path=$a a=$b b=$path
	delta && [ -z "$(got .ranges.0.offset)" ]
}

export_refuses()
{
	two_snapshots || return
	echo plain >"$work/plain"
	fails 1 "no vmfork snapshot" export --base "$work/plain" "$b" "$out/d" &&
		fails 1 "no vmfork snapshot" export "$work/plain" "$out/d" &&
		fails 1 "No such file" export --base "$a" "$work/nothing" "$out/d" &&
		fails 1 "can not be written" export "$b" "$out/no/such" &&
		fails 2 "give both" export "$b" &&
		fails 2 "add --base" export --contents "$b" "$out/d" &&
		fails 1 "no vmfork snapshot" diff "$a" "$work/plain" &&
		fails 1 "no vmfork snapshot" diff "$work/in" "$a" &&
		fails 2 "Two snapshots" diff "$a" &&
		fails 2 "Two snapshots" diff "$a" "$b" "$b" || return
	echo precious >"$work/file"
	echo precious >"$work/other.json"
	fails 1 "file exists.*--force" export --base "$a" "$b" "$work/file" &&
		fails 1 "other.json exists.*--force" export --base "$a" "$b" \
			"$work/other" &&
		[ "$(cat "$work/file" "$work/other.json" | uniq)" = precious ] &&
		[ ! -e "$work/other" ] && [ ! -e "$work/file.json" ] || return
	vmfork_does 0 export --force --base "$a" "$b" "$work/other" &&
		json "$work/other.json" >"$work/json" && says .file other
}

# A full disk, and a signal: nothing is left.
export_undone()
{
	local pid status

	hold_snapshot && mkdir -p "$work/small" &&
		mount -t tmpfs -o size=1m none "$work/small" || return
	fails 1 "No space" export "$path" "$work/small/f" &&
		is_empty "$work/small" || return
	a=$path
	tell change changed && hold_snapshot || return
	fails 1 "No space" export --base "$a" "$path" "$work/small/f" &&
		is_empty "$work/small" || return
	# One signal that comes too late proves nothing: try again.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$VMFORK" export --base "$a" "$path" "$out/f" >/dev/null \
			2>"$work/stderr" &
		pid=$!
		while [ -z "$(ls -A "$out")" ] && kill -0 $pid; do :; done
		kill -TERM $pid
		wait $pid 2>/dev/null
		status=$?
		[ $status = 0 ] || break
		rm -f "$out/f" "$out/f.json"
	done
	[ $status = 143 ] || { note "exit status $status"; return 1; }
	is_empty "$out"
}

# --- reset and prefault -----------------------------------------------------

reset_brings_back()
{
	tell save saved && hold_snapshot && a=$path || return
	memory "$work/before"
	tell "poke 3 2" poked && tell "poke 602 1" poked &&
		vmfork_does 0 -j reset -p "$target" --range "$addr:$len" "$a" &&
		json "$work/stdout" >"$work/json" && says .pages.dropped 3 &&
		says .pages.changed 0 && says .pid "$target" || return
	memory "$work/after"
	cmp "$work/before" "$work/after" && tell back expected &&
		tell check right || return
	# To one that is not the one that is mapped, and back by parts
	tell change changed && hold_snapshot && b=$path || return
	vmfork_does 0 reset -p "$target" --range "$addr:$len" "$a" &&
		cmp_memory "$a" && tell back expected && tell check right &&
		vmfork_does 0 reset -p "$target" --range "$addr:1M" \
			--range $((addr + MIB)):$((len - MIB)) "$b" &&
		cmp_memory "$b"
}

cmp_memory()
{
	memory "$work/after"
	cmp "$1" "$work/after"
}

reset_refuses()
{
	hold_snapshot && a=$path && hold_snapshot --range "$addr:$len" \
		--size 16M && b=$path || return
	fails 4 "(size)" reset -p "$target" --range "$addr:$len" "$a" &&
		fails 4 "(unaligned)" reset -p "$target" \
			--range $((addr + 1)):4K "$b" &&
		fails 4 "Range 1 .*(overlap)" reset -p "$target" \
			--range "$addr:8K" --range "$addr:4K" "$b" &&
		fails 4 "(unmapped)" reset -p "$target" --range 0x10000:4K "$b" &&
		fails 1 "no vmfork snapshot" reset -p "$target" \
			--range "$addr:4K" "$work/held" &&
		fails 1 "no process 99999999" reset -p 99999999 \
			--range "$addr:4K" "$b" &&
		fails 2 "No snapshot" reset -p "$target" --range "$addr:4K" &&
		fails 2 "No memory" reset -p "$target" "$b" &&
		fails 2 "No process" reset --range "$addr:4K" "$b" &&
		fails 2 "is no range" reset -p "$target" --range "$addr:4K@0" "$b" &&
		fails 2 "one snapshot" reset -p "$target" --range "$addr:4K" \
			"$a" "$b" && tell check right || return
	vmfork_does 4 -j reset -p "$target" --range "$addr:$len" "$a" &&
		json "$work/stdout" >"$work/json" &&
		says .error.refusal size && says .error.errno ERANGE &&
		says .error.region 0 && says .error.address "$addr" || return
	drop_snapshots
	stop_target
	start_target anon $BYTES
	# Memory that was never captured is none of a snapshot's.
	hold_snapshot --range "$addr:64K" &&
		fails 4 "(no-mapping)" reset -p "$target" \
			--range $((addr + MIB)):4K "$path" &&
		fails 4 "(no-mapping)" prefault -p "$target" \
			--range $((addr + MIB)):4K && tell check right
}

# smaps FIELD: kB of that for the target's memory
smaps()
{
	awk -v addr="${addr#0x}" -v field="$1:" '
		$1 ~ /^[0-9a-f]+-[0-9a-f]+$/ { inside = index($1, addr "-") == 1 }
		inside && $1 == field { print $2 }' "/proc/$target/smaps"
}

prefault()
{
	local pages=256 data copied

	data=$((pages - pages / 3))
	hold_snapshot && vmfork_does 0 -j prefault -p "$target" \
		--range "$addr:1M" && json "$work/stdout" >"$work/json" || return
	[ "$(got .pages.mapped)" -le $data ] && says .pages.copied 0 || return
	[ "$(smaps Rss)" -ge $((data * 4)) ] ||
		{ note "Rss is $(smaps Rss) kB"; return 1; }
	[ "$(smaps Anonymous)" = 0 ] || return
	# All of it is there already.
	vmfork_does 0 -j prefault -p "$target" --range "$addr:1M" &&
		json "$work/stdout" >"$work/json" && says .pages.mapped 0 ||
		return
	vmfork_does 0 -j prefault --write -p "$target" --range "$addr:1M" &&
		json "$work/stdout" >"$work/json" || return
	copied=$(got .pages.copied)
	[ "$copied" -ge $data ] && [ "$(smaps Anonymous)" = $((copied * 4)) ] &&
		tell check right && cmp_memory "$path" || return
	fails 2 "No memory" prefault -p "$target" &&
		fails 2 "not expected" prefault -p "$target" --range "$addr:4K" x &&
		fails 4 "(unmapped)" prefault -p "$target" --range 0x10000:4K
}

# --- capture --live ---------------------------------------------------------

state() { awk '/^State:/ { print $2 }' "/proc/$target/status"; }

first_word() { od -A n -t u8 -N 8 -j "$2" "$1" | tr -d ' '; }

# Two mappings with a writer: the process is stopped, so they are of one
# instant, and it goes on afterwards.
live()
{
	local half=$((len / 2)) one two later

	tell run running && hold_snapshot --live --range "$addr:$half" \
		--range $((addr + half)):$half && a=$path || return
	note "$(cat "$work/held")"
	[ "$(got .live.passes)" -ge 1 ] && [ "$(got .live.paused_ns)" -gt 0 ] &&
		[ "$(got .live.prearmed)" -ge $((len / 4096 / 2)) ] || return
	one=$(first_word "$a" 0)
	two=$(first_word "$a" $half)
	note "first $one, middle $two"
	[ "$two" -gt 0 ] && [ $((one - two)) -ge 0 ] &&
		[ $((one - two)) -le 1 ] && [ "$(state)" != T ] || return
	hold_snapshot --live --range "$addr:$half" \
		--range $((addr + half)):$half || return
	later=$(first_word "$path" 0)
	[ "$later" -gt "$one" ] && tell halt halted && tell check right
}

# Who was stopped before stays stopped.
live_stopped()
{
	local stopped

	kill -STOP "$target"
	while [ "$(state)" != T ]; do :; done
	vmfork_does 0 capture --live -p "$target" --range "$addr:$len" \
		-o "$out/f"
	stopped=$(state)
	kill -CONT "$target"
	[ "$stopped" = T ] && cmp_memory "$out/f" && tell check right
}

trap cleanup EXIT
echo "TAP version 13"
echo "1..$planned"

# One target for each: holes are filled as it goes on.
for name in diff_of_itself diff_is_what_was_written diff_of_many \
		diff_contents diff_of_sizes export_whole export_delta \
		export_holes export_sizes export_refuses export_undone \
		reset_brings_back reset_refuses prefault live live_stopped; do
	start_target anon $BYTES
	check $name $name
	drop_snapshots
	stop_target
done

exit $failed
