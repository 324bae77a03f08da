#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu.sh SEED SECONDS: a QEMU with a Linux guest is forked again and again, and
# something happens to most of these forks.  After each of them the guest has its
# memory, its journal and its files, and there is nothing that is not its own.
#
# What happens, when, and to how many children, follows from the seed.  Prints
# a line for each fork; at the end what was done how often, and how it ended, as
# one line of JSON.

here=/tests
IN_ROOT=/tests/torture/${0##*/}
# It starts itself once more, without arguments, where QEMU is.
export TORTURE_SEED="${1:-${TORTURE_SEED:-1}}"
export TORTURE_SECONDS="${2:-${TORTURE_SECONDS:-600}}"
# shellcheck source=selftests/helpers/qemu_lib.sh
. "$here/helpers/qemu_lib.sh"
# shellcheck source=selftests/helpers/qemu_meddle.sh
. "$here/helpers/qemu_meddle.sh"

# Commands that vmfork says to a QEMU with one disk, about
MOST_COMMANDS=24
# A signal comes within what an undisturbed fork took.
usual_ms=3000
state=$TORTURE_SEED
round=0
failed=0
trick=
seen=
full=

# below N: sets picked, at random
below()
{
	state=$(((state * 6364136223846793005 + 1442695040888963407) &
		0x7fffffffffffffff))
	picked=$(((state >> 24) % $1))
}

one_of() { below $#; shift $picked; picked=$1; }

# --- what happens -------------------------------------------------------------

# Each of these makes a fork, and sets status, and said: what happened to it.

ends()
{
	wait $forker
	status=$?
}

plain()
{
	local since

	since=$(uptime_ms)
	fork_some "$beside" --qmp parent.qmp
	ends
	said=nothing
	[ $status != 0 ] || usual_ms=$(($(uptime_ms) - since))
}

# signalled SIGNAL
signalled()
{
	fork_some "$beside" --qmp parent.qmp
	below $usual_ms
	wait_ms $picked
	said="at $picked of $usual_ms ms"
	kill -$1 $forker 2>/dev/null
	ends
}

# planted ACTION: at some command
planted()
{
	below $MOST_COMMANDS
	meddle $((picked + 1)) $1
	said="at $((picked + 1)) of $(grep -c '^[0-9]' "$work/proxy") commands"
}

# others: all QEMUs, but for the parent
others() { qemus | grep -vx $parent; }

# while_starting COMMAND...: run it as soon as there is a child, or somewhat later
while_starting()
{
	fork_some "$beside" --qmp parent.qmp
	while is_alive $forker && [ -z "$(others)" ]; do
		sleep 0.01
	done
	below 600
	wait_ms $picked
	said="$picked ms after the first child began"
	"$@"
	ends
}

kill_one()
{
	local all

	all=$(others)
	[ -n "$all" ] || return
	one_of $all
	kill -KILL $picked 2>/dev/null
}

remove_name() { rm -f $mount/$fork_name; }

# Too little room for what is to be written there, or just enough: then there
# is more afterwards, as the disk grows there.
no_room()
{
	below 700
	said="$((picked + 4)) KiB"
	full=$work/full$round
	mkdir $full && mount -t tmpfs -o size=$((picked + 4))k none $full ||
		exit 1
	fork_some $full --qmp parent.qmp
	ends
	mount -t tmpfs -o remount,size=64m none $full
}

# All snapshots may have no more than that, while it is made.
no_memory()
{
	local limit=/sys/module/vmfork/parameters/max_bytes before

	before=$(cat $limit)
	below 63
	said="$((picked + 1)) MiB"
	echo $(((picked + 1) * MIB)) >$limit
	fork_some "$beside" --qmp parent.qmp
	ends
	echo "$before" >$limit
}

tricks="plain plain signalled:INT signalled:TERM signalled:KILL signalled:KILL
	planted:error planted:error planted:close planted:late planted:int
	planted:term while_starting:kill_one while_starting:remove_name no_room
	no_memory"

# --- what is to be there afterwards -------------------------------------------

bad()
{
	echo "# BAD: $*"
	failed=1
	return 1
}

# It says what failed, or died of what it was sent.
ends_as_it_should()
{
	case $status,$trick in
	0,no_memory) [ "${said%% *}" -ge 8 ] || bad "it took more than it may" ;;
	0,*) ;;
	1,plain) bad "it fails: $(cat "$work/stdout" "$work/stderr")" ;;
	1,*|4,no_memory) is_told || bad "status $status" ;;
	130,signalled:INT|130,planted:int) ;;
	143,signalled:TERM|143,planted:term) ;;
	137,signalled:KILL) ;;
	*) bad "status $status: $(cat "$work/stdout" "$work/stderr")" ;;
	esac
}

# The parent runs; but one whose disk was full waits until that is mended.
parent_runs()
{
	qmp parent.qmp '"query-status"' || return
	if [ "$trick" = no_room ] && grep -q '"io-error"' "$work/qmp"; then
		said="$said, its disk was full"
		qmp parent.qmp '"cont"' || return
	fi
	is_running parent.qmp
}

no_vmfork() { ! pidof vmfork >/dev/null; }

# After one that was killed, a second process removes what was made, until children
# are started.  From then on they are nobody's, and are taken away here, with their
# files.  The guest is not the worse for either.
tidy_up()
{
	local pid file node

	in_time no_vmfork || { bad "vmfork is there"; return; }
	[ -e "$beside/$fork_name.1.log" ] || return 0
	said="$said, children began"
	for pid in $(others); do
		kill -KILL $pid
		ended $pid
	done
	rm -f $mount/*
	for node in $(nodes); do
		# One that is in use is refused.
		"$talk" qmp parent.qmp $SECONDS_TO_ANSWER \
			"{\"execute\": \"blockdev-del\", \"arguments\": {\"node-name\": \"$node\"}}" \
			>"$work/qmp"
	done
	chain parent.qmp || { bad "no disk"; return; }
	for file in "$beside"/*; do
		grep -qx "$file" "$work/chain" || rm -f "$file"
	done
}

# nodes: those that vmfork had QEMU make
nodes()
{
	qmp parent.qmp '"query-named-block-nodes", "arguments": {"flat": true}' &&
		grep -o '"node-name": "vmfork-[0-9a-f]*-[0-9]*"' "$work/qmp" |
		sed 's/.*"\(vmfork.*\)"/\1/'
}

# A child that is there has all that its parent had, and goes its own way.
child_works()
{
	local i=$1 serial qmp image

	serial=$(serial_of $i) qmp=$(got .child.$i.qmp)
	ask "$serial" diverge child$i && writes "$serial" && works "$serial" ||
		return
	below 3
	[ $picked = 0 ] || return 0
	image=$(disk_of "$qmp")
	leaves "$serial" "$qmp" "$(got .child.$i.pid)" && clean_disk "$image"
}

# Children of a fork that was a success: one of them is looked at, all of them go.
children_go()
{
	json "$work/stdout" >"$work/json" || { bad "no JSON"; return; }
	below $fork_count
	case $trick in
	while_starting:kill_one) ;;	# It may be the one.
	*) child_works $picked || bad "child $picked" ;;
	esac
	fork_goes "${full:-$beside}"
}

# as_it_was: there is the parent, which works, and nothing else
as_it_was()
{
	local wanted have

	if ! parent_runs || ! as_before parent.qmp parent.serial; then
		bad "the parent"
		return
	fi
	qmp parent.qmp '"query-block-jobs"'
	grep -q '"return": \[\]' "$work/qmp" || bad "a job is left"
	wanted=$(($(wc -l <"$work/chain") - 1))
	have=$(nodes | wc -l)
	[ "$wanted" = "$have" ] || bad "$have nodes, of $wanted images"
	[ -z "$full" ] || room_is_free
}

# What the parent's disk is not made of is gone.
room_is_free()
{
	local file

	for file in $full/*; do
		[ ! -e "$file" ] || grep -qx "$file" "$work/chain" ||
			bad "left: $file"
	done
	grep -q "^$full/" "$work/chain" || umount $full ||
		bad "$full is in use"
	full=
}

# --- all of it ----------------------------------------------------------------

boots()
{
	disk disk qcow2 || return
	linux parent -M pc -m 128M -no-reboot -device virtio-rng-pci \
		-device vmgenid,guid=auto -nic user,model=virtio-net-pci \
		-drive "file=$work/disk.qcow2,if=virtio,format=qcow2"
	parent=$pid
	ready parent && writes parent.serial && works parent.serial &&
		remember parent.qmp
}

one_round()
{
	round=$((round + 1))
	below 3
	fork_count=$((picked + 1))
	one_of $tricks
	# What a signal is to come within is to be known.
	[ $round -gt 1 ] || picked=plain
	trick=$picked
	case $trick in
	*:*) ${trick%:*} ${trick#*:} ;;
	*) $trick ;;
	esac
	ends_as_it_should
	case $status in
	0) children_go ;;
	137) tidy_up ;;
	esac
	as_it_was
	note "$round: $trick, $fork_count children, $said: status $status"
	seen="$seen $trick/$status"
}

# figures: how often each was done, and how it ended
figures()
{
	echo $seen | tr ' ' '\n' | sort | uniq -c | awk '
		{ printf "%s\"%s\": %d", (NR > 1 ? ", " : ""), $2, $1 }'
}

leave()
{
	local image

	image=$(disk_of parent.qmp)
	if ! works parent.serial ||
	   ! leaves parent.serial parent.qmp $parent ||
	   ! clean_disk "$image"; then
		bad "the parent's disk"
	fi
	is_empty $mount || bad "names are left"
	vmfork_does 0 -j ls || bad "vmfork ls"
	json "$work/stdout" >"$work/json" || bad "no JSON"
	says .snapshots 0 || bad "snapshots are left"
}

give_up()
{
	local dir

	end_qemus
	for dir in "$work"/full*; do umount "$dir"; done 2>/dev/null
	rm -rf "$work"
}

trap give_up EXIT
cd "$work" || exit 1
if ! mount_vmforkfs || ! boots; then
	bad "the guest does not boot"
	exit 1
fi
until=$(($(uptime_ms) + TORTURE_SECONDS * 1000))
while [ $failed = 0 ] && [ "$(uptime_ms)" -lt $until ]; do
	one_round
done
[ $failed != 0 ] || leave
echo "{\"seed\": $TORTURE_SEED, \"seconds\": $TORTURE_SECONDS, \"rounds\": $round, \"ok\": $([ $failed = 0 ] && echo true || echo false), \"figures\": {$(figures)}}"
exit $failed
