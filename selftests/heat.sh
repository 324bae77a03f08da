#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmfork heat: processes and guests that touch known pages give just the right
# cells: in JSON, in the picture, in SVG; the picture fits its terminal, also
# when that gets another size.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
. "$here/helpers/toucher_lib.sh"
. "$here/helpers/watch_lib.sh"

tiny_vmm=$here/helpers/tiny_vmm
terminal=$here/helpers/in_terminal
esc=$(printf '\033')

# --- cells ------------------------------------------------------------------

# ranges: a line "PAGE shared S private P reads R writes W breaks B" for each
ranges()
{
	local i=0 at

	while at=$(got ".ranges.$i.offset") && [ -n "$at" ]; do
		printf '%d' $((at / 4096))
		for member in shared private reads writes breaks; do
			printf ' %s' "$(got ".ranges.$i.$member")"
		done
		echo
		i=$((i + 1))
	done
}

# has_ranges "PAGE S P R W B"...: just these are said to be touched
has_ranges()
{
	printf '%s\n' "$@" >"$work/want"
	ranges >"$work/seen"
	same_lines "$work/want" "$work/seen"
}

# One of each kind: pages 0 is read, 1 written, 3 read and written, 2 a hole
# that is read and written, 5 one that is written.
one_of_each()
{
	touch_pages "read 0" "read 3" "write 1" "write 3" "read 2" "write 2" \
		"write 5" "read 0" "read 1" "write 2"
}

exact()
{
	start_child "$path" && watch heat -p "$child" -d 600 && one_of_each &&
		stop_watch && stop_child || return
	has_ranges "0 1 0 1 0 0" "1 0 1 0 1 0" "2 0 1 1 0 1" "3 0 1 1 0 1" \
		"5 0 1 0 1 0" && says .range 4096 && says .size $BYTES &&
		says .pages.mappings 2048 && says .pages.shared 1 &&
		says .pages.private 4 && says .counted.reads 3 &&
		says .counted.writes 2 && says .counted.breaks 2 &&
		says .counted.outside 0 && says .mappings.0.pid "$child" &&
		says .mappings.0.snapshot "$id" &&
		says .mappings.0.address "$base"
}

# What is there before is known by its state, not by counts.
before()
{
	start_child "$path" && touch_pages "read 9" "write 10" "read 12" \
		"write 12" && watch heat -p "$child" -d 600 &&
		touch_pages "read 1000" && stop_watch && stop_child || return
	has_ranges "9 1 0 0 0 0" "10 0 1 0 0 0" "12 0 1 0 0 0" \
		"1000 1 0 1 0 0"
}

# Pages that come along are mapped, but nobody has asked for them.
window()
{
	echo 512 >$around
	start_child "$path" && watch heat -p "$child" -d 600 &&
		touch_pages "read 100" && stop_watch && stop_child
	echo 1 >$around
	says .pages.shared 11 && says .counted.reads 1 &&
		ranges | grep -qx "100 1 0 1 0 0" &&
		ranges | grep -qx "96 1 0 0 0 0"
}

# By a guest, and of a process that is gone by now
guest()
{
	[ -e /dev/kvm ] || return 1
	watch heat -s "$path" -d 600 || return
	"$tiny_vmm" "$path" $BYTES "guest read 6 3" "guest write 100 2" \
		"guest write 7 1" "guest read 100 2" >/dev/null || return
	stop_watch || return
	# Page 8 is a hole.
	has_ranges "6 0 0 1 0 0" "7 0 0 1 0 1" "8 0 0 1 0 0" \
		"100 0 0 0 1 0" "101 0 0 0 1 0" && says .snapshot "$id" &&
		says .pages.mappings 2048
}

# Two clones of one snapshot, and one that is not asked for
clones()
{
	local first

	start_child "$path" && first=$child || return
	exec 3>&5 4<&6
	rm "$work/child-in" "$work/child-answer"
	start_child "$path" && watch heat -s "$path" -d 600 || return
	touch_pages "read 0" "write 9" && echo "read 0" >&3 && read -r _ <&4 &&
		stop_watch || return
	has_ranges "0 2 0 2 0 0" "9 0 1 0 1 0" &&
		says .pages.mappings 6144 || return	# and the target
	watch heat -p "$first" -d 600 && touch_pages "read 12" &&
		echo "write 3" >&3 && read -r _ <&4 && stop_watch || return
	has_ranges "0 1 0 0 0 0" "3 0 1 0 1 0" || return
	echo quit >&3
	exec 3>&- 4<&-
	wait "$first"
	stop_child
}

ends_with_process()
{
	start_child "$path" && watch heat -p "$child" -d 600 &&
		touch_pages "write 4" && stop_child && watched 0 || return
	has_ranges "4 0 0 0 1 0"
}

# --- pictures ---------------------------------------------------------------

# The map's first line, as it is for one_of_each in N cells of a page
first_line()
{
	printf '0x00000000 RWWW.W'
	awk -v n=$(($1 - 6)) 'BEGIN { while (n--) printf "."; print "" }'
}

plain()
{
	start_child "$path" && one_of_each &&
		"$VMFORK" heat -p "$child" --once -d 0.1 >"$work/text" \
			2>"$work/stderr" && stop_child || return
	! grep -q "$esc" "$work/text" || return
	# 64 cells in a line, 32 lines
	first_line 64 >"$work/want"
	grep "^0x00000000" "$work/text" >"$work/seen"
	same_lines "$work/want" "$work/seen" &&
		[ "$(grep -c '^0x' "$work/text")" = 32 ] &&
		grep -q "^8 MiB; a cell is 4 KiB, a line 256 KiB" "$work/text" &&
		grep -q "untouched.*read.*written" "$work/text" &&
		grep -q "^pages 2048: written 4 (0.2 %), mapped and shared 1 " \
			"$work/text"
}

# in_terminal COLUMNS LINES ARGUMENTS...: vmfork heat of the child in such a terminal;
# what it prints is in $work/screen, lines to $work/keys are for it
in_terminal()
{
	rm -f "$work/keys"
	mkfifo "$work/keys"
	: >"$work/screen"
	"$terminal" "$@" <"$work/keys" >"$work/screen" 2>"$work/stderr" &
	watcher=$!
	exec 9>"$work/keys"
}

terminal_ends()
{
	local status

	echo end >&9
	exec 9>&-
	wait "$watcher"
	status=$?
	watcher=
	tr -d '\r' <"$work/screen" >"$work/text"
	[ $status = 0 ] || { note "exit status $status"; return 1; }
}

# pictures: the first lines of all that were shown, without their colours
pictures()
{
	sed "s/$esc\[[0-9;?]*[a-zA-Z]//g" "$work/text" | grep '^0x00000000'
}

resized()
{
	start_child "$path" && one_of_each || return
	in_terminal 80 60 env NO_COLOR=1 TERM=xterm "$VMFORK" heat -p "$child" -i 0.2
	wait_for "$work/screen" "0x00000000 RWWW" || return
	echo "120 60" >&9
	first_line 96 >"$work/wide"
	wait_for "$work/screen" "$(cat "$work/wide")" || return
	# Small: all of the snapshot is in the lines there are.
	echo "40 12" >&9
	wait_for "$work/screen" "8 MiB; a cell is" && sleep 0.5 &&
		terminal_ends && stop_child || return
	first_line 64 >"$work/want"
	pictures | head -n 1 >"$work/seen"
	same_lines "$work/want" "$work/seen" &&
		pictures | grep -qx -F "$(cat "$work/wide")" || return
	# 16 cells in each of 4 lines: 32 pages a cell, of which 4 are written
	pictures | tail -n 1 >"$work/seen"
	echo "0x00000000 w..............." >"$work/want"
	same_lines "$work/want" "$work/seen" || return
	# In place, no colours, and the screen is given back.
	grep -q "$esc\[H" "$work/text" && ! grep -q "$esc\[[0-9;]*m" "$work/text" &&
		grep -q "$esc\[?1049h" "$work/text" &&
		grep -q "$esc\[?1049l" "$work/text"
}

colours()
{
	start_child "$path" && one_of_each || return
	in_terminal 80 60 env LANG=C.UTF-8 TERM=xterm-256color "$VMFORK" heat \
		-p "$child" -i 0.2
	wait_for "$work/screen" "0x00000000" || return
	# What is touched now is shown so, once.
	touch_pages "write 6"
	wait_for "$work/screen" "$esc\[0;31;7m" && sleep 0.5 && terminal_ends &&
		stop_child || return
	grep -q "$esc\[0;36m█$esc\[0;31m███$esc\[0;2m·$esc\[0;31m█" \
		"$work/text" && grep -q "█.*most" "$work/text"
}

# A terminal that can not go back gets one picture, without colours.
dumb()
{
	start_child "$path" && one_of_each || return
	in_terminal 80 60 env LANG=C.UTF-8 TERM=dumb "$VMFORK" heat -p "$child" -d 0.2
	exec 9>&-
	wait "$watcher" && stop_child || return
	watcher=
	tr -d '\r' <"$work/screen" >"$work/text"
	! grep -q "$esc" "$work/text" &&
		[ "$(grep -c '^0x00000000 RWWW' "$work/text")" = 1 ]
}

# cell N: the class of the SVG's cell at page N
cell() { sed -n "s/^<rect class=\"\(..*\)\" x=.* data-offset=\"$(($1 * 4096))\".*/\1/p" "$out/svg"; }

svg()
{
	start_child "$path" && one_of_each &&
		"$VMFORK" heat -p "$child" --once -d 0.1 --svg "$out/svg" \
			>/dev/null 2>"$work/stderr" && stop_child || return
	[ "$(cell 0)" = r4 ] && [ "$(cell 1)" = w4 ] && [ "$(cell 2)" = w4 ] &&
		[ "$(cell 3)" = w4 ] && [ "$(cell 4)" = u ] &&
		[ "$(cell 5)" = w4 ] && [ "$(cell 2047)" = u ] || return
	[ "$(grep -c 'data-offset' "$out/svg")" = 2048 ] &&
		[ "$(grep -c 'class="u".*data-offset' "$out/svg")" = 2043 ] &&
		head -n 1 "$out/svg" | grep -q '^<svg xmlns=' &&
		tail -n 1 "$out/svg" | grep -qx '</svg>' &&
		grep -q prefers-color-scheme "$out/svg" &&
		! grep -q 'http.*http' "$out/svg"
}

# --- mistakes ---------------------------------------------------------------

unprivileged()
{
	"$helper" as-nobody "$VMFORK" heat -p "$target" --once >"$work/stdout" \
		2>"$work/stderr"
	[ $? = 1 ] && [ "$(wc -l <"$work/stderr")" = 1 ] &&
		grep -q "^vmfork: .*run as root" "$work/stderr"
}

bad_usage()
{
	start_child "$path"
	echo old >"$work/old"
	fails 2 "add -p PID or -s SNAPSHOT" heat &&
		fails 2 "no process id" heat -p 0 &&
		fails 2 "no time" heat -p 1 -d x &&
		fails 2 "no time" heat -p 1 -i 0 &&
		fails 2 "not expected" heat -p 1 x &&
		fails 1 "no process 99999999" heat -p 99999999 &&
		fails 1 "maps no snapshot" heat -p $$ &&
		fails 1 "no vmfork snapshot" heat -s /bin/busybox || return
	"$VMFORK" heat -p "$child" -d 0.1 --once --svg "$work/old" \
		>"$work/stdout" 2>"$work/stderr"
	[ $? = 1 ] && grep -q "exists: use --force" "$work/stderr" &&
		[ "$(cat "$work/old")" = old ] &&
		vmfork_does 0 heat -p "$child" -d 0.1 -1 --svg "$work/old" -f &&
		grep -q "<svg" "$work/old" && stop_child
}

begin 13

for name in exact before window guest clones ends_with_process plain resized \
		colours dumb svg unprivileged bad_usage; do
	check $name $name
done

exit $failed
