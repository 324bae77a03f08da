#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmfork ls, tree, top, monitor and info --id: they say what there is and what
# happens, as text and as JSON.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
planned=17

BYTES=$((8 * MIB))
terminal=$here/helpers/in_terminal

# two_snapshots: the second with two pages more that were written
two_snapshots()
{
	hold_snapshot && first=$(got .snapshot) && tell "poke 3 2" poked &&
		hold_snapshot && second=$(got .snapshot)
}

ls_nothing()
{
	stop_target
	vmfork_does 0 -j ls && json "$work/stdout" >"$work/json" &&
		says .snapshots 0 && says .mappings 0 &&
		vmfork_does 0 ls && grep -q '^snapshots *0$' "$work/stdout"
}

ls_two()
{
	two_snapshots && vmfork_does 0 -j ls &&
		json "$work/stdout" >"$work/json" || return
	says .snapshots 2 && says .mappings 1 && says .snapshot.0.id "$first" &&
		says .snapshot.1.id "$second" &&
		says .snapshot.1.parent "$first" &&
		says .snapshot.0.parent null && says .snapshot.0.name null &&
		says .snapshot.0.size "$BYTES" && says .snapshot.0.uid 0 &&
		says .snapshot.0.mode 0600 &&
		says .snapshot.0.command vmfork &&
		says .snapshot.0.alone 8192 &&
		says .snapshot.1.alone 8192 &&
		says .snapshot.0.mappings 0 && says .snapshot.1.mappings 1 ||
		return
	[ "$(got .snapshot.0.held)" = $((4096 * $(got .snapshot.0.pages.held))) ] &&
		[ "$(got .snapshot.0.shared)" = $(($(got .snapshot.0.held) - 8192)) ]
}

ls_quick()
{
	two_snapshots && vmfork_does 0 -j ls -q &&
		json "$work/stdout" >"$work/json" &&
		says .snapshot.0.alone null && says .snapshot.0.shared null &&
		vmfork_does 0 ls && grep -q "^  *id  *name " "$work/stdout" &&
		grep -q "^  *$first  *- " "$work/stdout"
}

ls_mappings()
{
	hold_snapshot && first=$(got .snapshot) && tell "poke 3 2" poked &&
		vmfork_does 0 -j ls -m && json "$work/stdout" >"$work/json" &&
		says .mapping.0.snapshot "$first" &&
		says .mapping.0.pid "$target" &&
		says .mapping.0.command cli_target &&
		says .mapping.0.length "$BYTES" &&
		says .mapping.0.private 8192 || return
	[ $(($(got .mapping.0.address))) = $((addr)) ]
}

# Nobody sees what is root's.
ls_nobody()
{
	hold_snapshot && "$helper" as-nobody "$VMFORK" -j ls >"$work/stdout" &&
		json "$work/stdout" >"$work/json" && says .snapshots 0 &&
		says .mappings 0
}

usage()
{
	fails 2 "not expected" ls what && fails 2 "not expected" tree what &&
		fails 2 "not expected" top what &&
		fails 2 "not expected" monitor what &&
		fails 2 "is wrong" ls --what && fails 2 "no time" top -i x &&
		fails 2 "no count" monitor -n 0 &&
		fails 2 "no process id" top -p x &&
		fails 1 "There is no snapshot 12345678" info --id 12345678 &&
		fails 2 "give nothing else" info --id 1 /dev/null || return
	vmfork_does 2 -j tree --svg && json "$work/stdout" >"$work/json" &&
		says .error.status 2
}

info_id()
{
	two_snapshots && vmfork_does 0 -j info --id "$second" &&
		json "$work/stdout" >"$work/json" && says .id "$second" &&
		says .parent "$first" && says .alone 8192 &&
		says .mapping.0.pid "$target" &&
		vmfork_does 0 -j info "$path" &&
		json "$work/stdout" >"$work/json" &&
		says .snapshot "$second" && says .known.parent "$first"
}

tree_ascii()
{
	two_snapshots && (export LC_ALL=C; vmfork_does 0 tree) || return
	[ "$(cut -d ' ' -f 1,2 "$work/stdout")" = "* $first
* $second
\`-> $target" ]
}

tree_unicode()
{
	two_snapshots && (export LC_ALL=C.UTF-8; vmfork_does 0 tree) || return
	[ "$(cut -d ' ' -f 1,2 "$work/stdout")" = "● $first
● $second
└─▶ $target" ] && grep -q "cli_target  .* private, .* shared$" "$work/stdout"
}

tree_pictures()
{
	two_snapshots && vmfork_does 0 tree --dot &&
		grep -q "^	s$first -> s$second;" "$work/stdout" &&
		grep -q "s$second -> s${second}p$target " "$work/stdout" &&
		vmfork_does 0 tree --svg &&
		grep -q "data-snapshot=\"$second\" data-pid=\"$target\"" \
			"$work/stdout" &&
		vmfork_does 0 -j tree && json "$work/stdout" >"$work/json" &&
		says .snapshot.1.depth 1 && says .mapping.0.pid "$target"
}

top_once()
{
	hold_snapshot && tell "poke 3 2" poked && vmfork_does 0 -j top -n 1 -i 0.1 &&
		[ "$(wc -l <"$work/stdout")" = 1 ] &&
		json "$work/stdout" >"$work/json" &&
		says .process.0.pid "$target" && says .process.0.size "$BYTES" &&
		says .process.0.private 8192 &&
		says .process.0.reads_per_second 0 || return
	vmfork_does 0 top -n 2 -i 0.1 &&
		[ "$(grep -c "^ *$target  *0 .* cli_target$" "$work/stdout")" = 2 ]
}

# In place: it goes to another screen, and back, with the cursor.
top_in_place()
{
	hold_snapshot || return
	TERM=xterm "$terminal" 80 24 "$VMFORK" top -n 2 -i 0.1 \
		</dev/null >"$work/stdout" || return
	grep -q '\[?1049h' "$work/stdout" && grep -q '\[?1049l' "$work/stdout" &&
		[ "$(grep -c "$target .*cli_target" "$work/stdout")" = 2 ]
}

# heard WHAT...: what was heard of, in this order and nothing else
heard()
{
	local what nr=0

	for what in listening "$@"; do
		nr=$((nr + 1))
		sed -n "${nr}p" "$work/heard" >"$work/line"
		json "$work/line" >"$work/json" && says .event "$what" || return
	done
	[ "$(wc -l <"$work/heard")" = $nr ]
}

# wait_until COMMAND...: it is done by then, or fails
wait_until()
{
	local tries=0

	until "$@"; do
		[ $tries -lt 600 ] || return
		sleep 0.1
		tries=$((tries + 1))
	done
}

# Not with the target's ends of the pipes: it ends when all of them are closed.
monitor_life()
{
	"$VMFORK" -j monitor -n 3 >"$work/heard" 2>"$work/stderr" 7>&- 8<&- &
	monitor=$!
	wait_until grep -q listening "$work/heard" && hold_snapshot &&
		first=$(got .snapshot) && drop_snapshots && stop_target &&
		wait $monitor || return
	heard captured unmapped dropped && says .snapshot "$first" &&
		says .pages_freed "$(got .pages)" && [ ! -s "$work/stderr" ]
}

monitor_text()
{
	"$VMFORK" monitor -d 5 >"$work/heard" 2>"$work/said" 7>&- 8<&- &
	monitor=$!
	wait_until grep -q Listening "$work/said" || return
	hold_snapshot && first=$(got .snapshot)
	wait $monitor || return
	grep -q "^[0-9:.]* captured $first by $target of user 0, size 8M, " \
		"$work/heard" && [ "$(wc -l <"$work/heard")" = 1 ]
}

# All that was in its queue is out: until then, it is told of nothing else.
is_idle()
{
	local before

	before=$(wc -l <"$work/heard")
	sleep 1
	[ "$(wc -l <"$work/heard")" = "$before" ]
}

# overruns FILE ARGUMENTS...: vmfork monitor sleeps through more than it has
# room for; its output is in $work/heard, the other in $work/said
overruns()
{
	local said=$1

	shift
	rm -f "$work/heard" "$work/said"
	"$VMFORK" "$@" monitor >"$work/heard" 2>"$work/said" 7>&- 8<&- &
	monitor=$!
	wait_until grep -qi listening "$said" && kill -STOP $monitor &&
		tell "storm 8000 $path" stormed && kill -CONT $monitor &&
		wait_until grep -q lost "$said" && wait_until is_idle || return
	# What comes now is heard.
	drop_snapshots
	stop_target
	wait_until grep -q dropped "$work/heard" || return
	kill -TERM $monitor
	wait $monitor
}

# missing: how many events are not in $work/heard, nor in their order
missing()
{
	sed -n 's/.*"seq": *\([0-9]*\).*/\1/p' "$work/heard" |
		awk 'NR > 1 && $1 > last { n += $1 - last - 1 }
		     NR > 1 && $1 <= last { n += 1000000 }
		     { last = $1 }
		     END { print n + 0 }'
}

# What is lost is said to be.
monitor_overrun()
{
	local nr

	hold_snapshot && overruns "$work/heard" -j && nr=$(missing) || return
	note "$nr events were lost"
	[ "$nr" -gt 0 ] && [ "$nr" -lt 16000 ] && [ ! -s "$work/said" ] || return
	start_target anon $BYTES
	hold_snapshot && overruns "$work/said" &&
		grep -q "^vmfork: Some events were lost, .*vmfork ls" "$work/said"
}

# Nor hears of it; and before Linux 6.6, nobody hears of anything.
monitor_nobody()
{
	"$helper" as-nobody "$VMFORK" -j monitor -d 3 >"$work/heard" \
		2>"$work/said" 7>&- 8<&- &
	monitor=$!
	if [ "$(uname -r | cut -d . -f 1,2)" = 6.1 ]; then
		! wait $monitor && grep -q "only root may hear" "$work/heard"
		return
	fi
	wait_until grep -q listening "$work/heard" && hold_snapshot &&
		drop_snapshots && wait $monitor && heard
}

# Ctrl-C is how it ends.
monitor_ends()
{
	"$VMFORK" monitor >"$work/heard" 2>"$work/said" 7>&- 8<&- &
	monitor=$!
	wait_until grep -q Listening "$work/said" || return
	kill -TERM $monitor
	wait $monitor
}

trap cleanup EXIT
echo "TAP version 13"
echo "1..$planned"

for name in ls_nothing ls_two ls_quick ls_mappings ls_nobody usage info_id \
		tree_ascii tree_unicode tree_pictures top_once top_in_place \
		monitor_life monitor_text monitor_overrun monitor_nobody \
		monitor_ends; do
	start_target anon $BYTES
	monitor=
	check $name $name
	[ -z "$monitor" ] || kill -KILL "$monitor" 2>/dev/null
	drop_snapshots
	stop_target
done

exit $failed
