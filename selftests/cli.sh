#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The vmfork command: what it writes is what the process had, each mistake has
# its exit status and one sentence, and nothing is left behind.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
planned=17

# --- the tests --------------------------------------------------------------

module_info()
{
	vmfork_does 0 info &&
		grep -q '^ *loaded *yes$' "$work/stdout" &&
		vmfork_does 0 --json info &&
		json "$work/stdout" >"$work/json" &&
		says .module.loaded true && says .module.usable true &&
		says .module.device /dev/vmfork
}

help_and_version()
{
	local command

	vmfork_does 0 --version && grep -q '^vmfork [0-9]' "$work/stdout" &&
		vmfork_does 0 help || return
	for command in capture diff doctor export faults heat import info ls \
			monitor mount prefault record reset rm slow top tree \
			vms help; do
		grep -q "^  $command " "$work/stdout" &&
			"$VMFORK" help $command | grep -q "^Usage: vmfork $command" &&
			"$VMFORK" $command --help | grep -q "^Usage: vmfork $command" ||
			return
	done
	vmfork_does 0 -j help && json "$work/stdout" >"$work/json" &&
		says .commands.0.name capture
}

# The file holds what the process held; the process has lost nothing.
content()
{
	memory "$work/before"
	vmfork_does 0 capture -p "$target" --range "$addr:$len" -o "$out/f" &&
		grep -q '^snapshot ' "$work/stdout" && [ ! -s "$work/stderr" ] &&
		cmp "$work/before" "$out/f" && tell check right &&
		[ "$(ls -A "$out")" = f ] || return
	memory "$work/after"
	cmp "$work/before" "$work/after"
}

# A capture of what was captured before, after other writes.
content_again()
{
	tell change changed && content
}

# Of three pages one was never touched: neither the file nor the count has it.
sparse()
{
	local pages=$((len / 4096)) touched

	touched=$((pages - pages / 3))
	vmfork_does 0 -j capture -p "$target" --range "$addr:$len" -o "$out/f" &&
		json "$work/stdout" >"$work/json" || return
	says .written $((touched * 4096)) &&
		says .pages.hole $((pages - touched)) &&
		[ "$(stat -c %s "$out/f")" = $((len)) ] &&
		[ $(($(stat -c %b "$out/f") * 512)) -le $((touched * 4096 + 65536)) ]
}

json_record()
{
	local total name

	vmfork_does 0 -j capture -p "$target" --range "$addr:$len@1M" \
		--size 16M -o "$out/f" && [ "$(wc -l <"$work/stdout")" = 1 ] &&
		json "$work/stdout" >"$work/json" || return
	says .pid "$target" && says .size 16777216 && says .file "$out/f" &&
		says .region.0.address "$addr" && says .region.0.length $((len)) &&
		says .region.0.offset 0x100000 && says .pages.copied 0 || return
	total=0
	for name in stolen shared copied hole; do
		total=$((total + $(got .pages.$name)))
	done
	[ $((total * 4096)) = $((len)) ] ||
		{ note "pages do not add up: $total"; return 1; }
	# The snapshot is larger than its region; the rest is a hole as well.
	[ "$(stat -c %s "$out/f")" = 16777216 ] || return
	for name in prepare collect unmap steal; do
		[ -n "$(got .ns.$name)" ] || return
	done
}

# Several ranges lie where they say, or else behind the one before.
ranges()
{
	local half=$((len / 2)) page

	vmfork_does 0 capture -p "$target" -o "$out/f" \
		--range $((addr + half)):$half --range "$addr:64K" \
		--range $((addr + 65536)):$((half - 65536))@32M || return
	memory "$work/before"
	[ "$(stat -c %s "$out/f")" = $((32 * MIB + half - 65536)) ] || return
	page=$((half / 4096))
	part "$work/before" $page $page >"$work/want"
	part "$out/f" 0 $page | cmp - "$work/want" || return
	part "$work/before" 0 16 >"$work/want"
	part "$out/f" $page 16 | cmp - "$work/want" || return
	part "$work/before" 16 $((page - 16)) >"$work/want"
	part "$out/f" 8192 $((page - 16)) | cmp - "$work/want"
}

# What is wiped is zeroes in the file, and the process keeps it.
wipe()
{
	memory "$work/before"
	vmfork_does 0 -j capture -p "$target" --range "$addr:$len" -o "$out/f" \
		--wipe $((addr + 8192)):12K && json "$work/stdout" >"$work/json" &&
		says .pages.wiped 3 && says .wipe.0.address "$(printf 0x%x $((addr + 8192)))" &&
		says .wipe.0.length 12288 && tell check right || return
	part "$work/before" 0 2 >"$work/want"
	part /dev/zero 0 3 >>"$work/want"
	part "$work/before" 5 $((len / 4096 - 5)) >>"$work/want"
	cmp "$work/want" "$out/f" && rm "$out/f" || return
	fails 2 "no range to wipe" capture -p "$target" --range "$addr:$len" \
		--wipe "$addr:4K@0" -o "$out/f" &&
		fails 1 "or --range" capture -p "$target" \
			--wipe "$addr:4K" -o "$out/f"
}

part() { dd if="$1" bs=4096 skip="$2" count="$3" 2>/dev/null; }

# The snapshot stays as it was and can be mapped, until the signal.
hold()
{
	local status

	memory "$work/before"
	hold_snapshot || return
	tell change changed && cmp "$path" "$work/before" || return
	memory "$work/after"
	cmp -s "$work/before" "$work/after" && { note "no change"; return 1; }

	says .size $((len)) && info_of "$path" && info_of -p "$holder" \
		--fd "${path##*/}" || return
	kill -TERM "$holder"
	wait "$holder"
	status=$?
	holders=
	[ $status = 0 ] && [ ! -e "$path" ]
}

info_of()
{
	local id

	id=$("$VMFORK" -j info "$@" | sed -n 's/^{"snapshot":\([0-9]*\),.*/\1/p')
	[ -n "$id" ] && [ "$id" = "$(got .snapshot)" ] || return
	vmfork_does 0 info "$@" && grep -q "^snapshot *$id\$" "$work/stdout"
}

existing_file()
{
	echo precious >"$work/file"
	mkdir "$work/dir"
	fails 1 "--force" capture -p "$target" --range "$addr:$len" \
		-o "$work/file" && [ "$(cat "$work/file")" = precious ] &&
		fails 1 "not a regular file" capture -p "$target" --force \
			--range "$addr:$len" -o "$work/dir" &&
		fails 1 "can not be written" capture -p "$target" \
			--range "$addr:$len" -o "$out/no/such" || return
	memory "$work/before"
	vmfork_does 0 capture -p "$target" --range "$addr:$len" --force \
		-o "$work/file" && cmp "$work/before" "$work/file" &&
		[ "$(stat -c %a "$work/file")" = 600 ]
}

# A full disk and a limit: said, and no piece of a file stays.
no_space()
{
	mkdir "$work/small"
	mount -t tmpfs -o size=1m none "$work/small" || return
	fails 1 "No space" capture -p "$target" --range "$addr:$len" \
		-o "$work/small/f" && is_empty "$work/small" || return
	(ulimit -f 1024 && fails 1 "too large" capture -p "$target" \
		--range "$addr:$len" -o "$out/f") && tell check right
}

# One signal that comes too late proves nothing: try again.
interrupted()
{
	local pid status

	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$VMFORK" capture -p "$target" --range "$addr:$len" \
			-o "$out/f" >/dev/null 2>"$work/stderr" &
		pid=$!
		while [ -z "$(ls -A "$out")" ] && kill -0 $pid; do :; done
		kill -TERM $pid
		wait $pid 2>/dev/null
		status=$?
		[ $status = 0 ] || break
		rm -f "$out/f"
	done
	[ $status = 143 ] || { note "exit status $status"; return 1; }
	is_empty "$out" && tell check right
}

bad_usage()
{
	local range

	fails 2 "No command" &&
		fails 2 "no command 'fork'" fork &&
		fails 2 "'--frob' is wrong" --frob info &&
		fails 2 "'--frob' is wrong" info --frob &&
		fails 2 "needs an argument" capture -p &&
		fails 2 "No process" capture --range 0x1000:4K -o "$out/f" &&
		fails 1 "no virtual machine" capture -p "$target" -o "$out/f" &&
		fails 2 "add -o" capture -p "$target" --range 0x1000:4K &&
		fails 2 "no process id" capture -p 0 &&
		fails 2 "no process id" capture -p 1x &&
		fails 2 "no size" capture --size 1X &&
		fails 2 "not expected" capture -p 1 --range 1:1 -o x y &&
		fails 2 "one snapshot" info a b &&
		fails 2 "give both" info -p 1 &&
		fails 2 "give both" info --fd 1 &&
		fails 2 "either" info -p 1 --fd 1 path || return
	for range in "" 1 1: :1 1:2:3 1:2@ 1:2@3@4 0x:1 1:1KB 1:-1 -1:1 " 1:1" \
			7f00:1 1:0x10000000000000000 1:17179869184G; do
		fails 2 "is no range" capture -p "$target" --range="$range" \
			-o "$out/f" || return
	done
	vmfork_does 2 -j capture -p 1 --range x -o "$out/f" &&
		json "$work/stdout" >"$work/json" && says .error.status 2 &&
		[ ! -s "$work/stderr" ]
}

# try_kind STATUS WORD KIND: a target of its own, of that kind
try_kind()
{
	local status=$1 word=$2

	stop_target
	start_target "$3" $MIB
	fails "$status" "$word" capture -p "$target" --range "$addr:$len" \
		-o "$out/f" && tell check right && return
	note "a target of kind $3"
	return 1
}

refused()
{
	try_kind 4 "(unmapped)" unmapped && try_kind 4 "(shared)" shared &&
		try_kind 4 "(file-busy)" busy && try_kind 4 "(stack)" stack &&
		try_kind 4 "(locked)" locked && try_kind 4 "(uffd)" uffd || return
	vmfork_does 4 -j capture -p "$target" --range "$addr:$len" \
		-o "$out/f" && json "$work/stdout" >"$work/json" &&
		says .error.refusal uffd && says .error.errno EADDRINUSE &&
		says .error.region 0 && says .error.address "$addr" &&
		[ ! -s "$work/stderr" ] || return
	# A disk is no file that pages come from.
	[ -z "$VMFORK_TEST_DISK" ] ||
		try_kind 4 "(file)" "$VMFORK_TEST_DISK" || return

	stop_target
	start_target anon $MIB
	fails 4 "(unaligned)" capture -p "$target" \
		--range $((addr + 1)):4K -o "$out/f" &&
		fails 4 "(unaligned)" capture -p "$target" \
			--range "$addr:0" -o "$out/f" &&
		fails 4 "Range 1 .*(overlap)" capture -p "$target" \
			--range "$addr:8K" --range "$addr:4K" -o "$out/f" &&
		fails 4 "(overflow)" capture -p "$target" \
			--range 0xfffffffffffff000:4K -o "$out/f" &&
		fails 4 "(overflow)" capture -p "$target" --size 4K \
			--range "$addr:8K" -o "$out/f" &&
		fails 1 "multiple of 4096" capture -p "$target" --size 9000 \
			--range "$addr:8K" -o "$out/f" && tell check right
}

# Who may not, what is not there, what is no snapshot.
wrong_object()
{
	fails 1 "no process 99999999" capture -p 99999999 --range 0:4K \
		-o "$out/f" &&
		fails 1 "no vmfork snapshot" info "$work/before" &&
		fails 1 "no vmfork snapshot" info /dev/null &&
		fails 1 "no vmfork snapshot" info "$work/in" &&
		fails 1 "No such file" info "$work/nothing" &&
		fails 1 "no vmfork snapshot" info -p $target --fd 0 &&
		fails 1 "Bad file descriptor" info -p $target --fd 77 || return
	chmod 755 "$work"
	chmod 777 "$out"
	"$helper" as-nobody "$VMFORK" capture -p $target --range "$addr:$len" \
		-o "$out/f" 2>"$work/stderr"
	[ $? = 3 ] && grep -q "may not be opened" "$work/stderr" &&
		is_empty "$out"
}

trap cleanup EXIT
echo "TAP version 13"
echo "1..$planned"

check module_info module_info
check help_and_version help_and_version
start_target anon $((8 * MIB))
check content content
check content_again content_again
check sparse sparse
check json_record json_record
check ranges ranges
check wipe wipe
check hold hold
check existing_file existing_file
check no_space no_space
check bad_usage bad_usage
check wrong_object wrong_object
check refused refused
stop_target
start_target file $((8 * MIB))
check private_mapping_of_a_file content
stop_target
start_target anon $((96 * MIB))
check interrupted interrupted
check large_content content
stop_target

exit $failed
