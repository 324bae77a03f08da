#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Does the count of results see what must not be missed?

here=$(cd "$(dirname "$0")" && pwd)
number=0
status=0

# expect DESCRIPTION SUMMARY EXIT-STATUS [FILE]: of the KTAP on stdin, with that
# file of skips
expect()
{
	local got code

	number=$((number + 1))
	got=$("$here/ktap" ${4:+skips="$4"} - | tail -n 1; exit "${PIPESTATUS[0]}")
	code=$?
	if [ "$got" = "$2" ] && [ $code = "$3" ]; then
		echo "ok $number $1"
	else
		echo "# expected: $2 ($3)"
		echo "# got:      $got ($code)"
		echo "not ok $number $1"
		status=1
	fi
}

echo "TAP version 13"
echo "1..17"

expect "results of a program count, not the program" \
	"2 passed, 0 failed, 1 skipped, 0 xfail" 0 <<'END'
KTAP version 1
1..1
# Subtest: a
  TAP version 13
  1..3
  ok 1 one
  # a comment
  ok 2 two
  ok 3 three # SKIP no swap
ok 1 a # 0.1 s
END

expect "a program without results counts by its status" \
	"1 passed, 1 failed, 1 skipped, 0 xfail" 1 <<'END'
1..3
# Subtest: a
  hello
ok 1 a
# Subtest: b
not ok 2 b # exit status 1
# Subtest: c
ok 3 c # SKIP
END

expect "a failed result fails" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..2
  ok 1 one
  not ok 2 two
not ok 1 a
END

expect "a program that dies in the middle fails" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..2
  ok 1 one
not ok 1 a # exit status 139
END

expect "fewer results than planned fail, whatever the exit status" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..2
  ok 1 one
ok 1 a
END

expect "an exit status fails where no result did" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..1
  ok 1 one
not ok 1 a # timed out
END

expect "a failed result fails though the exit status is 0" \
	"0 passed, 2 failed, 0 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..1
  not ok 1 one
ok 1 a
END

expect "a program that did not end fails" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..1
  ok 1 one
END

expect "a program that was planned and did not run fails" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..2
# Subtest: a
ok 1 a
END

expect "nothing is no success" \
	"0 passed, 0 failed, 0 skipped, 0 xfail" 1 </dev/null

expect "skips alone are no success" \
	"0 passed, 0 failed, 1 skipped, 0 xfail" 1 <<'END'
1..1
# Subtest: a
  1..0 # SKIP no /dev/vmfork
ok 1 a # SKIP
END

expect "known limits are told apart" \
	"1 passed, 0 failed, 0 skipped, 1 xfail" 0 <<'END'
1..1
# Subtest: a
  1..2
  ok 1 one
  ok 2 two # XFAIL not before 6.12
ok 1 a
END

expect "two programs do not lend each other results" \
	"3 passed, 1 failed, 0 skipped, 0 xfail" 1 <<'END'
1..2
# Subtest: a
  1..1
  ok 1 one
  ok 2 two
ok 1 a
# Subtest: b
  1..2
  ok 1 one
ok 2 b
END

skips=$(mktemp)
trap 'rm -f "$skips"' EXIT
printf '%s\n' '# A comment' '' '^no (big|huge) pages$' '^no fault injection' \
	>"$skips"

expect "a test may be skipped for a known reason" \
	"1 passed, 0 failed, 1 skipped, 0 xfail" 0 "$skips" <<'END'
1..1
# Subtest: a
  1..2
  ok 1 one # SKIP no huge pages
  ok 2 two
ok 1 a # 0.2 s
END

expect "for another it is a failure" \
	"1 passed, 1 failed, 0 skipped, 0 xfail" 1 "$skips" <<'END'
1..1
# Subtest: a
  1..2
  ok 1 one # SKIP no /dev/kvm
  ok 2 two
ok 1 a # 0.2 s
END

expect "so may a program" \
	"1 passed, 0 failed, 1 skipped, 0 xfail" 0 "$skips" <<'END'
1..2
# Subtest: a
  1..0 # SKIP no fault injection (fail-nth)
ok 1 a # SKIP # 0.1 s
# Subtest: b
ok 2 b
END

expect "for another, or for none, it is a failure, too" \
	"1 passed, 2 failed, 0 skipped, 0 xfail" 1 "$skips" <<'END'
1..3
# Subtest: a
  1..0 # SKIP no /dev/kvm
ok 1 a # SKIP # 0.1 s
# Subtest: b
ok 2 b # SKIP # 0.1 s
# Subtest: c
ok 3 c
END

exit $status
