# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# A command that watches, in the background.  cli_lib.sh and toucher_lib.sh come
# first.
#
# shellcheck disable=SC2154	# what they have

# watch ARGUMENTS...: run vmfork and wait until it watches; sets watcher
watch()
{
	: >"$work/events"
	"$toucher" interruptible "$VMFORK" -j "$@" >"$work/events" \
		2>"$work/stderr" &
	watcher=$!
	wait_for "$work/events" '"watching":true'
}

# watched STATUS: the last line of what it printed is in $work/json
watched()
{
	local status

	wait "$watcher"
	status=$?
	watcher=
	[ $status = "$1" ] || { note "exit status $status"; return 1; }
	tail -n 1 "$work/events" >"$work/last"
	json "$work/last" >"$work/json"
}

# stop_watch: in order, as Ctrl-C does
stop_watch() { kill -INT "$watcher" && watched 0; }

# same_lines FILE FILE
same_lines()
{
	cmp -s "$1" "$2" && return 0
	note "wanted: $(head -n 40 "$1" | tr '\n' ';')"
	note "but is: $(head -n 40 "$2" | tr '\n' ';')"
	return 1
}
