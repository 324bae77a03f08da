#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmfork slow: the parts of each thread's time add up to its life, and are what
# the thread was made to do; what it says to do about it fits.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
. "$here/helpers/toucher_lib.sh"
. "$here/helpers/watch_lib.sh"

tiny_vmm=$here/helpers/tiny_vmm

# slow ARGUMENTS...: its record is in $work/json, the clone's last words in
# $work/stderr
slow()
{
	vmfork_does 0 -j slow "$@" || return
	tail -n 1 "$work/stdout" >"$work/last"
	json "$work/last" >"$work/json" || return
	note "ms: $(sed -n 's/^\.sum\.ns\.\([a-z_]*\) \([0-9]*\)/\1 \2/p' \
		"$work/json" | awk '{ printf "%s %.1f, ", $1, $2 / 1e6 }')" \
		"wall $(($(got .sum.wall_ns) / 1000000))"
	note "times: $(sed -n 's/^\.sum\.times\.//p' "$work/json" |
		tr '\n' ' ')"
	adds_up
}

# adds_up: all parts of each thread are its life, and of all threads the sum
adds_up()
{
	awk '
	/^\.threads\.[0-9]*\.ns\./ { split($1, p, "."); part[p[3]] += $2 }
	/^\.threads\.[0-9]*\.wall_ns/ { split($1, p, "."); wall[p[3]] = $2; n++ }
	/^\.sum\.ns\./ { sum += $2 }
	/^\.sum\.wall_ns/ { all = $2 }
	/^\.lost_threads/ { lost = $2 }
	END {
		bad = !n || lost || sum != all
		for (i in wall)
			bad = bad || part[i] != wall[i]
		if (bad)
			print "# it does not add up"
		exit bad
	}' "$work/json"
}

# ns PART, nr PART: of the sum
ns() { got ".sum.ns.$1"; }
nr() { got ".sum.times.$1"; }

# is_in LOW NUMBER HIGH
is_in()
{
	[ "$1" -le "$2" ] && [ "$2" -le "$3" ] && return 0
	note "$2 is not in $1 to $3"
	return 1
}

# advises CAUSE WORDS: says so of this cause, if it is a tenth of all
advises()
{
	local i=0 cause

	[ $(($(ns "$1") * 10)) -ge "$(got .sum.wall_ns)" ] || {
		note "$1 are less than a tenth"
		return 0
	}

	while cause=$(got ".advice.$i.cause") && [ -n "$cause" ]; do
		[ "$cause" != "$1" ] || {
			got ".advice.$i.text" | grep -q "$2" && return 0
			note "of $1: $(got ".advice.$i.text")"
			return 1
		}
		i=$((i + 1))
	done
	note "nothing is said of $1"
	return 1
}

# uses_cpu: the parts in which a thread has a CPU are what the kernel says
# that it has used, but for the beginning and the end of the process
uses_cpu()
{
	local used on

	used=$(sed -n 's/^cpu //p' "$work/stderr")
	on=$(awk '/^\.threads\.[0-9]*\.ns\./ { split($1, p, ".")
		if (p[5] !~ /^(no_cpu|asleep|halted|mmap_lock|other_locks)$/)
			on += $2 }
		END { printf "%d", on }' "$work/json")
	note "$used ns of CPU used, $on counted"
	# An emulated CPU may stand still between the two looks.
	is_in $((used * 9 / 10 - 20000000)) "$on" $((used * 5 / 4 + 300000000))
}

# --- what a process was made to do -------------------------------------------

# It sleeps, and computes: known times of each
known_times()
{
	slow -d 60 -- "$tiny_vmm" none 0 "sleep 300" "spin 1000" || return
	is_in 300000000 "$(ns asleep)" 3000000000 &&
		is_in 1000000000 "$(ns other)" 4000000000 &&
		says .vcpus 0 && says .ended true && says .from_start true &&
		says .notes.0 "No snapshot was used: this is the command itself." &&
		uses_cpu && advises other "perf record"
}

# No more than its first seconds, to the nanosecond
window()
{
	slow -d 0.5 -- "$tiny_vmm" "$path" $BYTES "host read 0 1" "sleep 1500" ||
		return
	says .threads.0.wall_ns 500000000 && says .ended false &&
		says .snapshot "$id"
}

# Every page of the first half of the snapshot, one fault each
host_faults()
{
	slow -d 60 -- "$tiny_vmm" "$path" $BYTES "host read 0 1024" \
		"host write 1024 256" "host write 3 6" || return
	# A third is holes.
	says .faults.0.kind read && says .faults.0.times 683 &&
		says .faults.2.kind read_hole && says .faults.2.times 341 &&
		says .faults.3.kind write && says .faults.4.kind write_hole &&
		[ $(($(got .faults.3.times) + $(got .faults.4.times))) = 256 ] &&
		says .breaks 6 && says .vcpus 0 && says .sum.ns.guest 0 || return
	is_in 1024 "$(nr host_faults)" 2500 &&
		is_in 262 "$(nr copies)" 600 && uses_cpu || return
	# What the module says that it took is a part of the faults' time.
	[ $(($(got .faults.0.ns) + $(got .faults.2.ns))) -lt \
		"$(ns host_faults)" ]
}

# A guest that reads what nobody has read takes both faults for each page ...
guest_cold()
{
	slow -d 60 -- "$tiny_vmm" "$path" $BYTES "guest read 0 1024" || return
	says .vcpus 1 && says .faults.0.times 683 && says .faults.2.times 341 &&
		[ "$(got .first_entry_ns)" -gt 0 ] &&
		says .threads.0.vcpu 0 && uses_cpu || return
	is_in 1024 "$(nr second_level_faults)" 1400 &&
		is_in 1024 "$(nr host_faults)" 2500 &&
		[ "$(ns guest)" -gt 0 ] && [ "$(ns second_level_faults)" -gt 0 ] &&
		advises host_faults "working set"
}

# ... and only those of KVM where the process has read it before.
guest_warm()
{
	slow -d 60 -- "$tiny_vmm" "$path" $BYTES "host read 0 1024" \
		"guest read 0 1024" || return
	# Each page is still one fault of either kind.
	is_in 1024 "$(nr second_level_faults)" 1400 &&
		is_in 1024 "$(nr host_faults)" 2500 &&
		says .faults.0.times 683 || return
	# Read again, it is in all tables.
	slow -d 60 -- "$tiny_vmm" "$path" $BYTES "guest read 0 64" \
		"guest read 0 64" "guest read 0 64" || return
	is_in 64 "$(nr second_level_faults)" 400
}

guest_writes()
{
	slow -d 60 -- "$tiny_vmm" "$path" $BYTES "guest write 0 1024" || return
	is_in 1024 "$(nr second_level_faults)" 1400 &&
		is_in 1024 "$(nr copies)" 1400 &&
		[ $(($(got .faults.3.times) + $(got .faults.4.times))) = 1024 ] &&
		advises copies "writes apart" && uses_cpu
}

# A lock that another thread holds most of the time
mmap_lock()
{
	slow -d 60 -- "$tiny_vmm" none 0 "contend 1000" || return
	[ "$(nr mmap_lock)" -gt 0 ] && [ "$(ns mmap_lock)" -gt 0 ] &&
		[ "$(got .threads.1.tid)" -gt 0 ]
}

# Two that compute and one CPU: half of the time there is none free.
no_cpu()
{
	local other

	taskset 1 "$tiny_vmm" none 0 "spin 60000" >/dev/null &
	other=$!
	slow -d 60 -- taskset 1 "$tiny_vmm" none 0 "spin 600"
	status=$?
	kill $other
	wait $other
	[ $status = 0 ] && [ "$(ns no_cpu)" -gt 200000000 ] &&
		advises no_cpu "fewer clones" && uses_cpu
}

# --- whom it follows ---------------------------------------------------------

# The next that uses the snapshot, and not one that uses another
by_snapshot()
{
	local first=$path second

	hold_snapshot || return
	second=$path path=$first
	: >"$work/events"
	"$VMFORK" -j slow -s "$first" -d 60 >"$work/events" 2>"$work/stderr" &
	watcher=$!
	wait_for "$work/events" '"watching":true' || return
	"$tiny_vmm" none 0 "sleep 1" >/dev/null &&
		"$tiny_vmm" "$second" $BYTES "guest read 0 30" >/dev/null &&
		"$tiny_vmm" "$first" $BYTES "guest read 0 60" >/dev/null &&
		watched 0 && adds_up || return
	says .snapshot "$id" && says .faults.0.times 40 && says .vcpus 1 &&
		says .ended true || return
	# Any snapshot will do; who uses one already is no clone, nor are new
	# threads of it.
	start_child "$second"
	: >"$work/events"
	"$VMFORK" -j slow -d 60 >"$work/events" 2>"$work/stderr" &
	watcher=$!
	wait_for "$work/events" '"watching":true' &&
		touch_pages "read 0 6 1" other "read 6 6 1" && stop_child &&
		"$tiny_vmm" none 0 "sleep 1" >/dev/null &&
		"$tiny_vmm" "$second" $BYTES "guest read 0 30" >/dev/null &&
		watched 0 && adds_up || return
	says .faults.0.times 20 && [ "$(got .snapshot)" != "$id" ]
}

# One that runs already, and sleeps: from then on
by_process()
{
	mkfifo "$work/lines"
	"$tiny_vmm" "$path" $BYTES - <"$work/lines" >/dev/null &
	vmm=$!
	exec 9>"$work/lines"
	: >"$work/events"
	"$VMFORK" -j slow -p $vmm -d 60 >"$work/events" 2>"$work/stderr" &
	watcher=$!
	wait_for "$work/events" '"watching":true' && sleep 1 || return
	echo "guest read 0 300" >&9
	echo "quit" >&9
	exec 9>&-
	watched 0 && adds_up && wait $vmm || return
	says .from_start false && says .ended true && says .vcpus 1 &&
		says .faults.0.times 200 && says .faults.2.times 100 &&
		is_in 900000000 "$(ns asleep)" 5000000000 &&
		is_in 300 "$(nr second_level_faults)" 600
}

# A command that starts the clone
descendant()
{
	slow -d 60 -- sh -c "sleep 0.2; $tiny_vmm $path $BYTES 'guest read 0 60'; :" ||
		return
	says .faults.0.times 40 && says .vcpus 1 && says .snapshot "$id" &&
		[ "$(got .threads.0.start_ns)" = 0 ]
}

# Where there are no trampolines, probes do the same.
probes()
{
	export VMFORK_SLOW_PROBES=1
	slow -d 60 -- "$tiny_vmm" "$path" $BYTES "guest read 0 300" \
		"guest write 600 300"
	status=$?
	unset VMFORK_SLOW_PROBES
	[ $status = 0 ] || return
	says .faults.0.times 200 && [ -z "$(got .notes.0)" ] &&
		is_in 600 "$(nr second_level_faults)" 900 &&
		is_in 300 "$(nr host_faults)" 1500 &&
		is_in 300 "$(nr copies)" 600 && uses_cpu
}

# --- text, mistakes ----------------------------------------------------------

text()
{
	vmfork_does 0 slow -d 60 -- "$tiny_vmm" "$path" $BYTES \
		"guest read 0 300" || return
	sed 's/^/# /' "$work/stdout"
	grep -q "^Process [0-9]*, of snapshot $id, from its start to its end$" \
		"$work/stdout" && grep -q "^First instruction of the guest after" \
		"$work/stdout" && grep -q "^all vCPUs  *ms  *share" \
		"$work/stdout" && grep -q "^second-level faults .* %  *[0-9]*$" \
		"$work/stdout" && grep -q "^[0-9]* % .*: .*\.$" "$work/stdout" &&
		grep -q "tiny_vmm$" "$work/stdout"
}

unprivileged()
{
	"$helper" as-nobody "$VMFORK" slow -- true >"$work/stdout" \
		2>"$work/stderr"
	[ $? = 1 ] && [ "$(wc -l <"$work/stderr")" = 1 ] &&
		grep -q "^vmfork: Tracing needs the capabilities" "$work/stderr"
}

bad_usage()
{
	fails 2 "no process id" slow -p x &&
		fails 2 "no time" slow -d 0 -p 1 &&
		fails 2 "neither -s" slow -p 1 -s "$path" &&
		fails 2 "neither -s" slow -p 1 -- true &&
		fails 1 "no process 99999999" slow -p 99999999 &&
		fails 1 "no vmfork snapshot" slow -s /bin/busybox
}

# Elsewhere processes have other numbers: another one would be followed.
other_namespace()
{
	local arguments

	for arguments in "-p 1" "-- true" "-d 0.1"; do
		# shellcheck disable=SC2086	# several words
		unshare -pf "$VMFORK" slow $arguments \
			>"$work/stdout" 2>"$work/stderr"
		[ $? = 1 ] && grep -q "host's PID namespace" "$work/stderr" ||
			return
	done
}

begin 16

for name in known_times window host_faults guest_cold guest_warm guest_writes \
		mmap_lock no_cpu by_snapshot by_process descendant probes \
		text unprivileged bad_usage other_namespace; do
	check $name $name
done

exit $failed
