#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Do VMs that begin at once in an empty cache all get their disk of programs?

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck source=selftests/vm/report.sh
. "$here/report.sh"

# at_once N: that many of them make the same set, in the cache given; each has
# to name a file that is there when all are done, the same for all.
at_once()
{
	local one pids=() failed=0

	for one in $(seq "$1"); do
		VMFORK_CACHE=$work/cache O=$work/build \
			"$here/programs" files >"$work/out.$one" \
			2>"$work/err" &
		pids+=($!)
	done
	for one in "${pids[@]}"; do
		wait "$one" || failed=1
	done
	[ $failed = 0 ] && [ -s "$work/out.1" ] &&
		[ "$(sort -u "$work"/out.* | wc -l)" = 1 ] &&
		tar -tf "$(cat "$work/out.1")" >"$work/list" &&
		grep -q stress-ng "$work/list"
}

# stale: what is of other versions is in nobody's way any more
stale()
{
	touch -d '1 day ago' "$work/cache/files-0123456789abcdef.tar"
	rm "$(cat "$work/out.1")"
	at_once 2 && [ "$(find "$work/cache" -name 'files-*.tar' | wc -l)" = 1 ]
}

echo "TAP version 13"
echo "1..2"
at_once 4
report $? "four at once make one archive" "$work/err"
stale
report $? "what it replaces is gone" "$work/err"
exit "$failed"
