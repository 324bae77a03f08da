#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The vmfork command with working sets from files: what they say is mapped or
# copied, and nothing else; what is wrong with one is said before anything is
# done.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
planned=7

# Every third page of the target is a hole; it has 2048.
BYTES=$((8 * MIB))
set=$work/ws.json

# working_set READS WRITES [SIZE]: a file, of the target's snapshot or of another
working_set()
{
	printf '{"version":1,"page_size":4096,"snapshot_size":%s,"reads":[%s],"writes":[%s]}\n' \
		"${3:-$((len))}" "$1" "$2" >"$set"
}

# smaps FIELD: kB of that for the target's memory, which is several mappings
# where a part was taken away
smaps()
{
	awk -v field="$1:" '
		$1 ~ /^[0-9a-f]+-[0-9a-f]+$/ { inside = / \/vmfork:/ }
		inside && $1 == field { sum += $2 }
		END { print sum + 0 }' "/proc/$target/smaps"
}

# has MAPPED COPIED: pages of the target
has()
{
	[ "$(smaps Anonymous)" = $(($2 * 4)) ] &&
		[ "$(smaps Rss)" = $((($1 + $2) * 4)) ] && return 0
	note "not $1 and $2 pages: Rss $(smaps Rss), Anonymous $(smaps Anonymous)"
	return 1
}

applied()
{
	# 4 to 6 are data, hole, ...: pages 5 and 101 are holes.
	working_set '[16384,12288,0],[393216,4096,2]' '[409600,8192,1]'
	hold_snapshot && has 0 0 &&
		vmfork_does 0 -j prefault -p "$target" --working-set "$set" &&
		json "$work/stdout" >"$work/json" || return
	says .pages.mapped 3 && says .pages.copied 2 && says .pages.outside 0 &&
		says .ranges.all 3 && says .ranges.done 3 &&
		says .end complete && says .pid "$target" &&
		says .working_set "$set" && has 3 2 || return
	vmfork_does 0 prefault -p "$target" -W "$set" &&
		grep -q '^ *mapped  *0$' "$work/stdout" && has 3 2 &&
		tell check right
}

bounded()
{
	working_set '' '[0,1048576]'
	hold_snapshot &&
		vmfork_does 0 -j prefault -p "$target" --working-set "$set" \
			--max-bytes 64K && json "$work/stdout" >"$work/json" &&
		says .end bytes && says .ranges.done 0 &&
		says .pages.copied 16 && has 0 16 &&
		vmfork_does 0 -j prefault -p "$target" --working-set "$set" \
			--max-ms 60000 && json "$work/stdout" >"$work/json" &&
		says .end complete && says .pages.copied 240 && has 0 256 &&
		tell check right
}

# wrong PATTERN: the file is refused with such a sentence
wrong()
{
	fails 1 "$1" prefault -p "$target" --working-set "$set" && has 0 0
}

wrong_files()
{
	hold_snapshot || return
	rm -f "$set"
	wrong "can not be opened" || return
	: >"$set"
	wrong "is not JSON" || return
	echo '[1, 2]' >"$set"
	wrong "is no working set" || return
	echo '{"version":2}' >"$set"
	wrong "has version 2" || return
	working_set '[0,4096]' ''
	sed -i 's/"page_size":4096/"page_size":16384/' "$set"
	wrong "has pages of 16384 bytes" || return
	working_set '[0,4096],[4096,8192],[8192,4096]' ''
	wrong 'has the page at 8192 twice in its "reads"' || return
	working_set '' '[4095,4096]'
	wrong "that is no pages" || return
	working_set "[$((len)),4096]" ''
	wrong "beyond its snapshot_size" || return
	working_set '[0,-4096]' ''
	wrong "has no \[offset, length\] as number 0" || return
	head -c 1000000 /dev/zero | tr '\0' '[' >"$set"
	wrong "is not JSON: nesting" || return
	tell check right
}

# The same file is right for one snapshot, and wrong for others.
other_snapshots()
{
	working_set '[0,4096]' '' $((len + MIB))
	hold_snapshot && wrong "maps a snapshot of $((len)) bytes" || return
	working_set '[0,4096]' '' $((len - MIB))
	wrong "maps a snapshot of $((len)) bytes" || return
	working_set '[0,4096]' ''
	fails 1 "no such snapshot" prefault -p "$target" -W "$set" \
		--snapshot 99999999 && has 0 0 &&
		vmfork_does 0 prefault -p "$target" -W "$set" \
			--snapshot "$(got .snapshot)" && has 1 0 || return
	fails 1 "no such snapshot" prefault -p $$ -W "$set" && tell check right
}

# A process with two snapshots of the same size says which.
two_snapshots()
{
	local half=$((len / 2)) first

	working_set '[0,4096]' '' $half
	hold_snapshot --range "$addr:$half" && first=$(got .snapshot) &&
		hold_snapshot --range $((addr + half)):$half || return
	fails 1 "say which by --snapshot" prefault -p "$target" -W "$set" &&
		has 0 0 &&
		vmfork_does 0 -j prefault -p "$target" -W "$set" -s "$first" &&
		json "$work/stdout" >"$work/json" && says .snapshot "$first" &&
		has 1 0 && tell check right
}

# The range that is refused is told by its place in the order of both lists.
# (A lost page that would only be read is left out.)
lost_page()
{
	working_set '[0,4096,0],[12288,4096,1]' '[36864,8192,2]'
	hold_snapshot && tell "poison 10" poisoned &&
		fails 4 "Range 2 (0x9000, 8192 bytes) .*(poison)" \
			prefault -p "$target" -W "$set" || return
	vmfork_does 4 -j prefault -p "$target" -W "$set" &&
		json "$work/stdout" >"$work/json" &&
		says .error.refusal poison && says .error.region 2 &&
		says .error.address "$(printf 0x%x $((addr + 40960)))"
}

wrong_usage()
{
	working_set '[0,4096]' ''
	fails 2 "No process" prefault -W "$set" &&
		fails 2 "leave out --range" prefault -p "$target" -W "$set" \
			--range "$addr:4K" &&
		fails 2 "leave out --range" prefault -p "$target" -W "$set" -w &&
		fails 2 "goes with --working-set" prefault -p "$target" \
			--range "$addr:4K" --max-ms 5 &&
		fails 2 "no number above 0" prefault -p "$target" -W "$set" \
			--max-bytes 0 &&
		fails 2 "needs an argument" prefault -p "$target" -W
}

trap cleanup EXIT
echo "TAP version 13"
echo "1..$planned"

for name in applied bounded wrong_files other_snapshots two_snapshots \
		lost_page wrong_usage; do
	start_target anon $BYTES
	check $name $name
	drop_snapshots
	stop_target
done

exit $failed
