#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Completion of vmfork for bash: no command and no option is missing, nothing is
# offered that is none, and options are followed by what they take.
#
# What there is, is taken from the source: the table of commands in main.c, and
# the tables of getopt_long(3) in the others.

set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
O=${O:-$top/build}
vmfork=$O/bin/vmfork
tool=$top/tools/vmfork
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# shellcheck source=selftests/vm/report.sh
. "$top/selftests/vm/report.sh"

# same WHAT: whether $work/want and $work/have are, and are something
same()
{
	sort -u -o "$work/want" "$work/want"
	sort -u -o "$work/have" "$work/have"
	[ -s "$work/want" ] && diff "$work/want" "$work/have" >"$work/diff" &&
		return 0
	echo "# $1:"
	sed -n 's/^[<>]/# &/p' "$work/diff"
	return 1
}

# completes WORD...: what bash would offer for the last of them
completes()
{
	local COMP_WORDS=(vmfork "$@") COMP_CWORD=$# COMPREPLY=()

	_vmfork "$vmfork" "${COMP_WORDS[COMP_CWORD]}" \
		"${COMP_WORDS[COMP_CWORD - 1]}"
	[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
}

# source_of FILE: as the compiler sees it, in one line
source_of()
{
	# shellcheck disable=SC2046 # they are several options
	gcc -E -P -D_GNU_SOURCE -DVMFORK_VERSION='""' -I"$top/tools" \
		-I"$top/tools/lib" -I"$top/uapi" -I"$top/bpf" \
		-I"$O/obj/bpf" $(pkg-config --cflags json-c) "$1" | tr '\n' ' '
}

# tables FILE: a line "NAME TAKES VALUE" for each long option
tables()
{
	grep -oE '\{ *"[a-z0-9-]+", *[012], *\(\(void \*\)0\), *[^ }]+ *\}' "$1" |
		tr -d "\"{},'" | awk '{ print $1, $2, $NF }'
}

# short_options FILE: a line for each letter in what next_option() is given
short_options()
{
	grep -oE 'next_option\(&[][a-z_0-9]*, *argc, *argv, *("[^"]*" *)+' "$1" |
		sed -e 's/^[^"]*//' -e 's/[" :]//g' | grep -o .
}

check_command() # NAME FILE
{
	local status=0 name takes

	tables "$2" >"$work/tables"
	"$vmfork" help "$1" >"$work/help"
	completes "$1" - >"$work/offered"

	# An option may have two names; one of them is enough.
	awk '!seen[$3 == "" ? $1 : $3]++ { print "--" $1 }' "$work/tables" \
		>"$work/want"
	grep '^--' "$work/offered" >"$work/have"
	same "long options of $1" || status=1

	short_options "$2" | sed 's/^/-/' >"$work/want"
	grep '^-[^-]' "$work/offered" >"$work/have"
	same "short options of $1" || status=1

	# Whether it takes an argument is known as well.
	while read -r name takes _; do
		grep -q -e "--$name\>" "$work/help" || continue
		[ "$takes" != 2 ] || takes=0	# or after "=", which may be left out
		[ "$takes" = $(($(_vmfork_argument "$(cat "$work/help")" \
			"--$name" | wc -l) > 0)) ] || {
			echo "# $1 --$name: is its argument in the help?"
			status=1
		}
	done <"$work/tables"
	return $status
}

# shellcheck source=tools/vmfork/completion.bash
. "$tool/completion.bash"
cd "$work" || exit 1

echo "TAP version 13"

complete -p vmfork | grep -q -- '-F _vmfork '
report $? registered

# The table in main.c has all commands that there are, and help among them.
source_of "$tool/main.c" >"$work/main"
grep -oE 'commands\[\] = \{[^}]*' "$work/main" | grep -oE 'command_[a-z]+' |
	sed 's/command_//' >"$work/want"
completes "" >"$work/have"
same commands
report $? commands
completes help "" >"$work/have"
same "commands after help" && completes -j "" >"$work/have" &&
	same "commands after an option"
report $? commands_elsewhere
for file in "$tool"/*.c; do
	grep -oE '^(static )?const struct command command_[a-z]+ ' "$file" |
		sed 's/.*command_//; s/ //g'
done >"$work/have"
same "commands in the source"
report $? every_command_is_in_the_table
names=$(cat "$work/want")

completes "ca" | grep -qx capture && [ "$(completes "ca" | wc -l)" = 1 ]
report $? by_its_beginning

printf '%s\n' -h -j -V --help --json --version >"$work/want"
completes - >"$work/have"
same "options without a command"
report $? common_options

for name in $names; do
	file=$(grep -lE "const struct command command_$name " "$tool"/*.c)
	if [ "$(grep -cE 'const struct command command_[a-z]+ ' "$file")" != 1 ]
	then
		echo "# $file has several commands, which this test can not tell apart"
		report 1 "options_of_$name"
		continue
	fi
	source_of "$file" >"$work/source"
	# Its file has the options that go without a command, too.
	[ "$name" != help ] || sed -i -e 's/.*run_help(int argc[^{]*{//' \
		-e 's/int next_option(.*//' "$work/source"
	check_command "$name" "$work/source"
	report $? "options_of_$name"
done

# What an option takes
mkdir dir && touch some.ws
completes capture -p "" >"$work/have"
grep -qx $$ "$work/have" && ! grep -qvE '^[0-9]+$' "$work/have" &&
	completes capture --pid "" | grep -qx $$ &&
	completes capture --pid = | grep -qx $$ &&
	completes capture --pid = $$ | grep -qx $$
report $? process_ids
printf 'dir\nsome.ws\n' >"$work/want"
completes record -o "" | grep -v -e '^want$' -e '^have$' -e '^[a-z]*$' >"$work/have"
[ "$(cat "$work/have")" = some.ws ] &&
	[ "$(completes record --output some.)" = some.ws ] &&
	[ "$(completes prefault --working-set = some.)" = some.ws ] &&
	[ "$(completes capture -p 1 -o some.)" = some.ws ]
report $? files
[ -z "$(completes capture --size "")" ] &&
	[ -z "$(completes capture -r "")" ] &&
	[ -z "$(completes faults -d "")" ]
report $? nothing_for_numbers
[ "$(completes info some.)" = some.ws ] && [ "$(completes diff x some.)" = some.ws ] &&
	completes doctor "" | grep -qx -e --strict &&
	! completes doctor "" | grep -q some
report $? operands
[ "$(completes qemu "")" = fork ] && completes qemu fork - | grep -qx -e --qmp &&
	[ "$(completes qemu fork --dir some.)" = some.ws ]
report $? verbs
completes slow -- "bas" | grep -qx bash
report $? programs
[ -z "$(completes frobnicate "")" ]
report $? unknown_command

# In a shell where words are split as by readline
# shellcheck disable=SC2016 # it is for that shell to expand
printf 'vmf=%q\n. %q\nvmfork() { "$vmf" "$@"; }\nPS1=\n' "$vmfork" \
	"$tool/completion.bash" >rc
{ printf 'vmfork doc\t\n'; sleep 1; printf 'exit\n'; } |
	TERM=dumb timeout 30 script -qec "bash --noprofile --rcfile rc -i" \
	/dev/null >typed 2>&1
grep -q '^This machine can' typed || { sed 's/^/# /' typed; false; }
report $? typed

echo "1..$n"
exit $failed
