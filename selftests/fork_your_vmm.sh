#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "Fork your VMM in an afternoon": what the page shows happens, to the letter.
# Its code was taken out of it and compiled (selftests/book).
#
# Runs with busybox alone.

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/book" || exit 1

for device in /dev/vmfork /dev/kvm; do
	if [ ! -e $device ]; then
		echo "TAP version 13"
		echo "1..0 # SKIP no $device"
		exit 4
	fi
done

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# is_like FILE: whether it is what the page says, where ... stands for anything
is_like()
{
	local pattern

	# Nothing else in it may mean something to the shell.
	pattern=$(sed -e 's/[][*?\\]/\\&/g' -e 's/\.\.\./*/g' "$1")
	# shellcheck disable=SC2254 # it is a pattern
	case $(cat "$work/output") in
	$pattern) return 0 ;;
	esac
	return 1
}

status=0
count=$(find runs -name '*.command' | wc -l)
[ "$count" -gt 0 ] || exit 1
echo "TAP version 13"
echo "1..$count"
n=1
while [ $n -le "$count" ]; do
	command=$(cat runs/$n.command)
	sh -c "$command" >"$work/output" 2>&1
	result=$?
	if [ $result = 0 ] && is_like runs/$n.output; then
		echo "ok $n $command"
	else
		echo "not ok $n $command"
		echo "# exit status $result, and printed:"
		sed 's/^/#   /' "$work/output"
		status=1
	fi
	n=$((n + 1))
done
exit $status
