#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmfork doctor: what it says is how this machine is, as it is changed.  (What
# it makes of machines that are otherwise: unit/doctor_test.c)
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
planned=9

# check_is NAME STATE: of one check, by JSON
check_is()
{
	local i

	"$VMFORK" -j doctor >"$work/stdout"
	json "$work/stdout" >"$work/json" || return
	i=$(sed -n "s/^\.checks\.\([0-9]*\)\.name $1\$/\1/p" "$work/json")
	[ -n "$i" ] && says ".checks.$i.state" "$2"
}

# Nothing here is in the way: these tests run.
able()
{
	vmfork_does 0 doctor && grep -q '^This machine can run' "$work/stdout" &&
		[ ! -s "$work/stderr" ] && ! grep -q '^fail' "$work/stdout" &&
		vmfork_does 0 -j doctor && json "$work/stdout" >"$work/json" &&
		says .able true && says .failures 0 || return
	[ "$(got .warnings)" = \
		"$(grep -c '^\.checks\..*\.state warn$' "$work/json")" ]
}

what_is_there()
{
	local name

	for name in kernel config btf module device kvm tables nested \
			fault_around; do
		check_is $name ok || { note "$name"; return 1; }
	done
}

# with FILE VALUE NAME STATE: set for a moment, it is seen
with()
{
	local old status=0

	old=$(sed 's/.*\[\(.*\)\].*/\1/' "$1")
	echo "$2" >"$1" || return
	check_is "$3" "$4" || status=1
	echo "$old" >"$1"
	return $status
}

parameters()
{
	local fault_around=/sys/module/vmfork/parameters/fault_around

	with $fault_around 16 fault_around warn && check_is fault_around ok &&
		with /sys/kernel/mm/transparent_hugepage/enabled never thp warn &&
		check_is thp ok &&
		with /proc/sys/vm/overcommit_memory 2 overcommit warn &&
		with /sys/kernel/mm/ksm/run 1 ksm warn
}

# Costs are no failure, unless it is asked so.
strict()
{
	local parameter=/sys/module/vmfork/parameters/fault_around status=0

	echo 16 >$parameter
	vmfork_does 0 doctor && vmfork_does 1 doctor --strict || status=1
	echo 512 >$parameter
	return $status
}

limit()
{
	local parameter=/sys/module/vmfork/parameters/max_bytes status=0

	check_is limit ok || return
	chmod 666 /dev/vmfork
	check_is limit warn && with $parameter 1073741824 limit ok || status=1
	chmod 600 /dev/vmfork
	return $status
}

memcg()
{
	local group=/sys/fs/cgroup/doctor status=0

	mkdir $group || return
	echo 64M >$group/memory.max
	# The command alone, as a limit of this shell would be another's.
	sh -c 'echo 0 >$0/cgroup.procs && exec "$@"' $group "$VMFORK" -j doctor \
		>"$work/stdout"
	json "$work/stdout" >"$work/json" &&
		grep -q ' Of its limit of 64 MiB, cgroup /doctor has 6[0-9] MiB left.$' \
			"$work/json" || status=1
	rmdir $group
	return $status
}

# as_nobody STATUS PATTERN
as_nobody()
{
	local status

	su nobody -s /bin/sh -c "$VMFORK doctor" >"$work/stdout" 2>"$work/stderr"
	status=$?
	[ $status = "$1" ] && grep -q "$2" "$work/stdout" && return 0
	note "exit status $status: $(cat "$work/stdout" "$work/stderr")"
	return 1
}

rights()
{
	local kvm swap status=0

	# What other tests have left there is none of this one's.
	sed -n 's/^\(\/dev[^ ]*\) .*/\1/p' /proc/swaps >"$work/swaps"
	while read -r swap; do
		swapoff "$swap" && swapon "$swap" || return
	done <"$work/swaps"
	grep -q ^nobody: /etc/passwd ||
		echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
	kvm=$(stat -c %a /dev/kvm)
	chmod 600 /dev/kvm
	as_nobody 1 '^fail  kvm .*not by you' || status=1
	chmod 666 /dev/kvm
	as_nobody 3 '^fail  device .*not by you' || status=1
	chmod 666 /dev/vmfork
	as_nobody 0 '^This machine can run vmfork: 1 thing' || status=1
	chmod 600 /dev/vmfork
	chmod "$kvm" /dev/kvm
	return $status
}

usage()
{
	fails 2 "'x' is not expected" doctor x && fails 2 "'-x' is wrong" doctor -x
}

# Nothing was loaded, opened or changed.
leaves_no_trace()
{
	local before after

	before=$(cat /sys/module/vmfork/refcnt /proc/modules)
	vmfork_does 0 doctor || return
	after=$(cat /sys/module/vmfork/refcnt /proc/modules)
	[ "$before" = "$after" ]
}

trap cleanup EXIT
echo "TAP version 13"
echo "1..$planned"
check "able" able
check "what_is_there" what_is_there
check "parameters" parameters
check "strict" strict
check "limit" limit
check "memcg" memcg
check "rights" rights
check "usage" usage
check "leaves_no_trace" leaves_no_trace
exit $failed
