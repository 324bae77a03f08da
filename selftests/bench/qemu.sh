#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How long a stock QEMU's guest stands still while it is forked, disk and all,
# and while QEMU itself saves it; how soon a child says something; and what
# memory idle children take.  Times, for a test VM with one CPU.
#
#	vmfork-bench-qemu [quick]
#
# Prints a line beginning with "# " for each figure, then one line of JSON.

here=/tests
IN_ROOT=/vm/${0##*/}
# In MiB: what the guest's program has written to, and what the guest has
if [ "$1" = quick ]; then
	export TABLE=128 RAM=320
fi
TABLE=${TABLE:-512} RAM=${RAM:-768}
. "$here/helpers/qemu_lib.sh"

ROUNDS=3
IDLE=4
SECONDS_TO_BOOT=1200
SECONDS_TO_ANSWER=600
# As people have it; the ELF that tests boot is quicker to start, and slower to load.
kernel=/guest/bzImage
append="$append q.table=$TABLE q.sleep=2000000"
figures=

give_up()
{
	note "$*"
	cat "$work/stderr" parent.log 2>/dev/null
	exit 1
}

figure() { figures="$figures${figures:+, }\"qemu_$1\": $2"; note "qemu_$1 $2"; }

now() { "$talk" now; }

# ratio A B: with one place
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / b }'; }

# gap COMMAND...: the longest time for which the guest's clock was not read
# while that was done; sets gap, clock_gap, what the guest's own clock saw, and
# back, by how much that one went back
gap()
{
	ask parent.serial spin || give_up "it does not spin"
	sleep 1
	"$@" || give_up "$*: $(cat "$work/qmp")"
	ask parent.serial spun || give_up "it still spins"
	gap=$(of tsc_ns) clock_gap=$(of clock_ns) back=$(of back_ns)
}

# until_saved STATUS: by query-migrate
until_saved()
{
	while :; do
		qmp parent.qmp '"query-migrate"' || return
		case $(json "$work/qmp" | sed -n 's/^\.return\.status //p') in
		completed) return 0 ;;
		failed|cancelled) return 1 ;;
		esac
		sleep 0.02
	done
}

# As fast as it goes
to_file()
{
	qmp parent.qmp '"migrate-set-parameters", "arguments": {"max-bandwidth": 1000000000000}' &&
		qmp parent.qmp '"migrate", "arguments": {"uri": "exec:cat >saved"}' &&
		until_saved
}

# What it takes for a file that its disk of that instant fits
migrate_stopped()
{
	qmp parent.qmp '"stop"' && to_file && qmp parent.qmp '"cont"' && rm saved
}

# While it runs; it is stopped for the last of it.
migrate_live()
{
	to_file && qmp parent.qmp '"cont"' && rm saved
}

capability()
{
	qmp parent.qmp "\"migrate-set-capabilities\", \"arguments\":
		{\"capabilities\": [{\"capability\": \"$1\", \"state\": $2}]}"
}

background()
{
	to_file && rm saved
}

hmp()
{
	qmp parent.qmp "\"human-monitor-command\", \"arguments\":
		{\"command-line\": \"$*\"}" && grep -q '"return": ""' "$work/qmp"
}

savevm() { hmp savevm bench; }

forked()
{
	forks --qmp parent.qmp -n 1 --name "round$round" --dir "$out"
}

# used: bytes that are not free, with no cache that can go
used()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemTotal:/ { t = $2 } /^MemFree:/ { f = $2 }
		END { printf "%d\n", (t - f) * 1024 }' /proc/meminfo
}

rss() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$1/status"; }

trap end_qemus EXIT
cd "$work" || exit 1
mount_vmforkfs || exit 1
disk disk qcow2 || exit 1

start=$(now)
linux parent -M pc -m ${RAM}M -no-reboot \
	-drive file=disk.qcow2,if=virtio,format=qcow2 \
	-nic user,model=virtio-net-pci -device virtio-rng-pci \
	-device vmgenid,guid=auto
parent=$pid
ready parent || exit 1
boot=$(($(sed -n 's/.* at=//p' "$work/ready") - start))
figure boot $boot
writes parent.serial || exit 1

stop_and_go() { qmp parent.qmp '"stop"' && qmp parent.qmp '"cont"'; }

gap true
figure gap_of_nothing $gap
# What QEMU and KVM do to the guest's clock at that
gap stop_and_go
figure gap_stop_cont $gap
figure gap_stop_cont_clock_back $back
gap migrate_stopped
to_file_gap=$gap
figure gap_migrate_to_file $gap
gap migrate_live
figure gap_migrate_to_file_live $gap
live=$gap
gap savevm
savevm_gap=$gap
figure gap_savevm $gap
hmp delvm bench || give_up "delvm: $(cat "$work/qmp")"
background_gap=
if capability background-snapshot true; then
	gap background
	background_gap=$gap
	figure gap_background_snapshot $gap
	capability background-snapshot false || exit 1
else
	note "no background-snapshot: $(cat "$work/qmp")"
fi

# The first capture is that of memory that is nobody's snapshot yet.
worst=0
for round in $(seq $ROUNDS); do
	gap forked
	figure gap_fork_$round $gap
	figure gap_fork_${round}_clock $clock_gap
	figure gap_fork_${round}_clock_back $back
	figure stop_fork_$round "$(got .stopped_ns)"
	[ "$gap" -le "$worst" ] || worst=$gap
done
figure gap_fork $worst
figure gap_vs_migrate_to_file "$(ratio "$to_file_gap" "$worst")"
figure gap_vs_migrate_to_file_live "$(ratio "$live" "$worst")"
figure gap_vs_savevm "$(ratio "$savevm_gap" "$worst")"
[ -z "$background_gap" ] ||
	figure gap_vs_background_snapshot "$(ratio "$background_gap" "$worst")"
works parent.serial || exit 1

# As it is printed: somebody runs it.  Its first line answers to a question that
# it is asked as soon as it can be.
sed -n 's/^\.child\.0\.argv\.[0-9]* //p' "$work/json" >"$work/argv"
serial=$(serial_of 0)
set --
while IFS= read -r word; do
	set -- "$@" "$word"
done <"$work/argv"
start=$(now)
"$@" </dev/null >child.log 2>&1 &
child=$!
pids="$pids $child"
ask "$serial" status || give_up "$(cat child.log)"
first=$(($(of at) - start))
figure child_first_line $first
figure child_vs_boot "$(ratio "$boot" "$first")"
works "$serial" || exit 1
kill -KILL $child
wait $child 2>/dev/null

# The same with all that comes before
start=$(now)
forks --qmp parent.qmp -n 1 --name started --dir "$out" --start || exit 1
ask "$(serial_of 0)" status || exit 1
figure fork_to_first_line $(($(of at) - start))
kill -KILL "$(got .child.0.pid)"
ended "$(got .child.0.pid)" || exit 1

before=$(used)
forks --qmp parent.qmp -n $IDLE --name idle --dir "$out" --start || exit 1
sleep 5
after=$(used)
each=$(((after - before) / IDLE))
resident=$(rss $parent)
figure parent_resident_bytes "$resident"
figure child_bytes $each
figure child_memory_fraction "$(awk -v a=$each -v b="$resident" \
	'BEGIN { printf "%.4f", a / b }')"
works parent.serial || exit 1
echo "{$figures}"
