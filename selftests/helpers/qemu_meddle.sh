# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What those share that disturb a fork of a QEMU: the fork, somebody between it
# and the QEMU, and what is to be there afterwards.
#
# After qemu_lib.sh.

proxy="$here/helpers/qmp_proxy"
proxy_pid=
forks=0
fork_count=2
# Where forks have their files, the parent its disk's overlays among them
beside=$work/beside
mkdir "$beside"

# chain QMP: all images that the QEMU's disks are made of, in $work/chain
chain()
{
	local image

	disk_of "$1" '[0-9]*' >"$work/disks" && [ -s "$work/disks" ] || return
	while read -r image; do
		qemu-img info -U --backing-chain "$image" </dev/null || return
	done <"$work/disks" >"$work/infos" &&
		sed -n 's/^image: //p' "$work/infos" >"$work/chain"
}

# remember QMP: what its disks are made of before it is forked
remember()
{
	chain "$1" && cp "$work/chain" "$work/chain_before"
}

is_alone() { [ "$(qemus | wc -l)" = 1 ]; }

# A fork puts overlays on them, unless there are reflinks.
moves=y

# Otherwise they are what they were, unless vmfork says what they are, or was
# killed.  Sets same.
as_remembered()
{
	same=y
	cmp -s "$work/chain" "$work/chain_before" && return
	same=
	[ "$status$moves" = 0y ] || [ "$status" = 137 ] ||
		grep -q 'goes on in' "$work/stderr" && return
	note "not $(cat "$work/chain_before"), but $(cat "$work/chain")"
	return 1
}

# as_before QMP SERIAL: the parent runs and works after a fork that ended with
# status, and there is nothing else
as_before()
{
	local file

	is_running "$1" && writes "$2" && works "$2" && in_time is_alone &&
		is_empty $mount && chain "$1" && as_remembered || return
	for file in "$beside"/*; do
		[ -e "$file" ] || continue
		grep -qx "$file" "$work/chain" ||
			{ note "left: $file, not of $(cat "$work/chain")"; return 1; }
	done
	cp "$work/chain" "$work/chain_before"
}

# fork_some DIR ARGUMENTS...: the parent, into fork_count, under a new name; sets
# fork_name and forker, the process that does it
fork_some()
{
	local to=$1

	shift
	forks=$((forks + 1))
	fork_name=swept$forks
	"$talk" run "$VMFORK" -j qemu fork --timeout $SECONDS_TO_START \
		-n $fork_count --name $fork_name --dir "$to" --start "$@" \
		>"$work/stdout" 2>"$work/stderr" &
	forker=$!
}

# between QMP ARGUMENTS...: through.qmp leads there; sets proxy_pid
between()
{
	rm -f through.qmp
	"$proxy" through.qmp "$@" >"$work/proxy" &
	proxy_pid=$!
	comes $proxy_pid [ -S through.qmp ]
}

nobody_between()
{
	kill $proxy_pid
	wait $proxy_pid
	return 0
} 2>/dev/null

# meddle NTH ACTION: fork through a proxy; sets status, and said, whether it
# came to that
meddle()
{
	between parent.qmp "$@" || exit 1
	fork_some "$beside" --qmp through.qmp --pid $parent
	wait $forker
	status=$?
	nobody_between
	grep -q '^did it' "$work/proxy"
	said=$?
}

# is_told: in a sentence, what has failed
is_told()
{
	json "$work/stdout" | grep -q '^\.error\.message .*[^ ]' && return
	note "it does not say what failed: $(cat "$work/stdout" "$work/stderr")"
	return 1
}

# fork_goes DIR: its children, its name and its files
fork_goes()
{
	local pid

	for pid in $(children_pids); do
		kill -KILL "$pid" 2>/dev/null
		ended "$pid" || return
	done
	rm -f $mount/$fork_name "$1"/$fork_name.[1-9]* "$1"/$fork_name.state
}

# undo_success DIR: one that was not disturbed, or got over it
undo_success()
{
	local pid

	json "$work/stdout" >"$work/json" || return
	[ "$(children_pids | wc -l)" = $fork_count ] || return
	for pid in $(children_pids); do
		is_alive "$pid" || { note "$pid does not live"; return 1; }
	done
	fork_goes "$1"
}

# More than vmfork says to a QEMU
MOST_COMMANDS=80

# Counts how often a fork failed whose overlay is no part of the disk.
written_back=0

# disturb AT ACTION STATUS: at that command, if there is one: sets said.  vmfork
# ends so, and it counts as one of failures, or it got over it.
disturb()
{
	local at=$1 action=$2 want=$3

	meddle "$at" "$action"
	[ $said = 0 ] || return 0
	case $status in
	"$want")
		failures=$((failures + 1))
		[ $status -ge 128 ] || is_told || return
		;;
	0)
		undo_success "$beside" || return
		;;
	*)
		note "status $status: $(cat "$work/stdout" "$work/stderr")"
		return 1
		;;
	esac
	if ! as_before parent.qmp parent.serial; then
		note "$action at $(sed -n "/^did it/! h; /^did it/ { g; p; q }" \
			"$work/proxy"), then $(sed "1,/^did it/d" "$work/proxy")"
		note "status $status: $(cat "$work/stdout" "$work/stderr")"
		return 1
	fi
	[ $status = 0 ] || [ -z "$same" ] ||
		! grep -q '"block-commit"' "$work/proxy" ||
		written_back=$((written_back + 1))
}

# sweep ACTION STEP STATUS: at the first command, the one STEP later, and so on
# until there is none
sweep()
{
	local nth=1 failures=0

	while :; do
		[ $nth -le $MOST_COMMANDS ] || { note "no end"; return 1; }
		disturb $nth "$1" "$3" || return
		[ $said = 0 ] || break
		nth=$((nth + $2))
	done
	# At last nobody meddles with it.
	[ $status = 0 ] && undo_success "$beside" &&
		as_before parent.qmp parent.serial || return
	note "$1: up to command $nth, $failures failures; $written_back written back so far"
	[ $failures -ge 3 ]
}

# sweep_at COMMANDS ACTION STATUS: at the first of each of these
sweep_at()
{
	local command failures=0

	for command in $1; do
		disturb "$command" "$2" "$3" || return
		[ $said = 0 ] || { note "no $command"; return 1; }
	done
	note "$2: $failures failures; $written_back written back so far"
	[ $failures -ge 1 ]
}
