#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Do exceptions let pass what they say, and nothing else?

here=$(cd "$(dirname "$0")" && pwd)
number=0
status=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

findings='a.c:1: one
a.c:2: two
b.c:1: one'

# expect DESCRIPTION EXCEPTED LEFT...: of the exceptions on stdin
expect()
{
	local what=$1 excepted=$2
	shift 2

	number=$((number + 1))
	cat >"$dir/exceptions"
	printf '%s' "$findings" |
		"$here/except" "$dir/exceptions" - 2>"$dir/excepted" |
		sed "s|^$dir/||" >"$dir/left"
	printf '%s\n' "$@" | sed '/^$/d' >"$dir/want"
	if [ "$(cat "$dir/excepted")" = "$excepted" ] &&
	   diff "$dir/want" "$dir/left" >"$dir/diff"; then
		echo "ok $number $what"
	else
		echo "# $(cat "$dir/excepted") excepted, expected $excepted"
		sed 's/^/# /' "$dir/diff"
		echo "not ok $number $what"
		status=1
	fi
}

echo "TAP version 13"
echo "1..7"

expect "without exceptions all is left" 0 \
	"a.c:1: one" "a.c:2: two" "b.c:1: one" </dev/null

expect "what matches is left out" 2 "a.c:2: two" <<'END'
# because
: one$
END

expect "an expression is one for a whole line" 1 \
	"a.c:2: two" "b.c:1: one" <<'END'
# because
^a\.c:.*: one$
END

expect "a reason is good for all expressions below it" 3 <<'END'
# because
^a\.c:
^b\.c:
END

expect "each expression needs a reason" 3 \
	"exceptions:4: no reason is given for ^b\\.c:" <<'END'
# because
^a\.c:

^b\.c:
END

expect "an expression that matches nothing is a finding" 2 \
	"b.c:1: one" "exceptions:3: matches nothing: ^c\\.c:" <<'END'
# because
^a\.c:
^c\.c:
END

findings=
expect "so it is where nothing was found at all" 0 \
	"exceptions:2: matches nothing: ^a\\.c:" <<'END'
# because
^a\.c:
END

exit $status
