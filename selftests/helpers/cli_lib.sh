# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the tests of the vmfork command share: a process whose memory is known,
# results, and the command's exit status, sentence and JSON.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

VMFORK=${VMFORK:-$(command -v vmfork || echo "$here/../bin/vmfork")}
helper=$here/helpers/cli_target
MIB=1048576

if [ ! -e /dev/vmfork ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP the vmfork module is not loaded"
	exit 4
fi

work=$(mktemp -d) || exit 1
out=$work/out
mkdir "$out"
mkfifo "$work/in" "$work/answer"
target=
holder=
holders=

cleanup()
{
	drop_snapshots
	stop_target
	umount "$work/small" 2>/dev/null
	rm -rf "$work"
}

# --- the process that is captured -------------------------------------------

# start_target KIND BYTES: sets target, addr and len
start_target()
{
	"$helper" "$1" "$2" <"$work/in" >"$work/answer" &
	target=$!
	exec 7>"$work/in" 8<"$work/answer"
	read -r addr len <&8
}

stop_target()
{
	[ -n "$target" ] || return 0
	exec 7>&- 8<&-
	wait "$target"
	target=
}

# tell WORD ANSWER: whether the target answers so
tell()
{
	local answer

	echo "$1" >&7
	read -r answer <&8
	[ "$answer" = "$2" ]
}

# memory FILE: the target's memory as the kernel shows it, through no code of
# ours
memory()
{
	dd if="/proc/$target/mem" of="$1" bs=4096 skip=$((addr / 4096)) \
		count=$((len / 4096)) 2>/dev/null
}

# hold_by COMMAND ARGUMENTS...: one that holds a snapshot; sets holder and path.
# What was printed is in $work/json.
hold_by()
{
	local tries=0

	rm -f "$work/held"
	"$VMFORK" -j "$@" --hold >"$work/held" 2>"$work/stderr" &
	holder=$!
	holders="$holders $holder"
	while [ ! -s "$work/held" ] && kill -0 $holder 2>/dev/null &&
			[ $tries -lt 300 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	json "$work/held" >"$work/json" || return
	path=$(got .path)
	[ -e "$path" ]
}

# hold_snapshot [ARGUMENTS]: capture all of the target's memory, or what the
# arguments say, and hold it
hold_snapshot()
{
	[ $# -gt 0 ] || set -- --range "$addr:$len"
	hold_by capture -p "$target" "$@"
}

drop_snapshots()
{
	local pid

	for pid in $holders; do
		kill -TERM $pid 2>/dev/null && wait $pid
	done
	holders=
}

# --- results ----------------------------------------------------------------

count=0
failed=0

note() { echo "# $*"; }

# check NAME COMMAND...: one test result
check()
{
	local name=$1

	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count $name"
	else
		echo "not ok $count $name"
		failed=1
		[ ! -s "$work/stderr" ] || sed 's/^/# stderr: /' "$work/stderr"
	fi
	rm -rf "$out"
	mkdir "$out"
}

# vmfork_does STATUS ARGUMENTS...: run it, with its output in $work
vmfork_does()
{
	local want=$1 status

	shift
	"$VMFORK" "$@" >"$work/stdout" 2>"$work/stderr"
	status=$?
	[ $status = "$want" ] && return 0
	note "vmfork $*: exit status $status, not $want"
	return 1
}

# fails STATUS PATTERN ARGUMENTS...: with that status and one sentence that
# matches, nothing else printed, nothing in the directory for output
fails()
{
	local want=$1 pattern=$2

	shift 2
	vmfork_does "$want" "$@" || return
	if [ -s "$work/stdout" ] || [ "$(wc -l <"$work/stderr")" != 1 ] ||
	   ! grep -q "^vmfork: .*\.\$" "$work/stderr" ||
	   ! grep -qe "$pattern" "$work/stderr"; then
		note "vmfork $*: not one sentence with '$pattern'"
		return 1
	fi
	is_empty "$out"
}

is_empty()
{
	[ -z "$(ls -A "$1")" ] && return 0
	note "left behind: $(ls -A "$1")"
	return 1
}

# json FILE: a line "path value" for each value of a JSON document; fails if
# it is none
json()
{
	awk '
	function fail(what) { bad = 1; print "# no JSON: " what; exit 1 }
	function skip() { sub(/^[ \t\n]+/, "", rest) }
	function take(c) {
		skip()
		if (substr(rest, 1, 1) != c)
			fail("no " c " before " substr(rest, 1, 20))
		rest = substr(rest, 2)
	}
	function next_is(c) { skip(); return substr(rest, 1, 1) == c }
	function string(   s) {
		skip()
		if (!match(rest, /^"([^"\\]|\\.)*"/))
			fail("no string at " substr(rest, 1, 20))
		s = substr(rest, 2, RLENGTH - 2)
		rest = substr(rest, RLENGTH + 1)
		return s
	}
	function value(path,   n, key) {
		skip()
		if (next_is("{")) {
			take("{")
			while (!next_is("}")) {
				if (n++)
					take(",")
				key = string()
				take(":")
				value(path "." key)
			}
			take("}")
		} else if (next_is("[")) {
			take("[")
			while (!next_is("]")) {
				if (n)
					take(",")
				value(path "." n++ + 0)
			}
			take("]")
		} else if (next_is("\"")) {
			print path, string()
		} else if (match(rest, /^(-?[0-9]+(\.[0-9]+)?|true|false|null)/)) {
			print path, substr(rest, 1, RLENGTH)
			rest = substr(rest, RLENGTH + 1)
		} else {
			fail("at " substr(rest, 1, 20))
		}
	}
	{ rest = rest $0 "\n" }
	END {
		if (bad)
			exit 1
		value("")
		skip()
		if (rest != "")
			fail("something follows: " rest)
	}' "$1"
}

# says PATH VALUE: whether the JSON in $work/json has it
says()
{
	grep -qx -e "$1 $2" "$work/json" && return 0
	note "'$1 $2' is not in: $(tr '\n' ';' <"$work/json")"
	return 1
}

# got PATH: print it
got() { sed -n "s/^$1 //p" "$work/json"; }
