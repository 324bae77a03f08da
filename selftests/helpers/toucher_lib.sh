# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# A process that maps a snapshot and touches the pages that it is told to, one
# by one: for tests of what is seen of that.  cli_lib.sh comes first.

# Every third page of the target is a hole; it has 2048.
BYTES=$((8 * MIB))
toucher=$here/helpers/toucher
around=/sys/module/vmfork/parameters/fault_around
around_was=$(cat $around)
children=
watcher=		# what runs in the background besides, if anything

# begin TESTS: so many are to come; sets target, path and id of its snapshot, by
# which a fault maps one page
begin()
{
	trap clean_up EXIT
	echo "TAP version 13"
	echo "1..$1"
	echo 1 >$around
	start_target anon $BYTES
	hold_snapshot || exit 1
	id=$(got .snapshot)
}

# clean_up: and have faults map what they did before
clean_up()
{
	[ -z "$watcher" ] || kill -KILL "$watcher"
	[ -z "$children" ] || kill -KILL $children
	[ ! -e $around ] || echo "$around_was" >$around
	cleanup
} 2>/dev/null

# start_child PATH: sets child and base; it maps the snapshot
start_child()
{
	mkfifo "$work/child-in" "$work/child-answer" 2>/dev/null
	"$toucher" "$1" $BYTES <"$work/child-in" >"$work/child-answer" &
	child=$!
	children="$children $child"
	exec 5>"$work/child-in" 6<"$work/child-answer"
	read -r base _ <&6
}

# Others that run in the background have its input as well.
stop_child()
{
	echo quit >&5
	exec 5>&- 6<&-
	wait "$child"
}

# touch_pages LINE...: what the child is to do
touch_pages()
{
	local line answer

	for line; do
		echo "$line" >&5
		read -r answer <&6
		[ "$answer" = "done" ] || { note "$line: $answer"; return 1; }
	done
}

# wait_for FILE PATTERN: until a line is there
wait_for()
{
	local tries=0

	while ! grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { note "no $2 in $1"; return 1; }
		sleep 0.1
	done
}
