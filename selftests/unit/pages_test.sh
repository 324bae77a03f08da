#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The manual and the README of vmfork: every command that there is has a page,
# with all of its options, and is named where somebody would look for it; and
# there is no page of a command that is none.  Nor is a test without a word.
#
# What there is, vmfork's own help says, which completion_test.sh compares with
# the source.

set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
O=${O:-$top/build}
vmfork=$O/bin/vmfork
pages=$top/Documentation/man

n=0
failed=0
missing=
report() # NAME: it is good if nothing is missing
{
	n=$((n + 1))
	if [ -z "$missing" ]; then
		echo "ok $n $1"
	else
		printf '# missing:%s\n' "$missing"
		echo "not ok $n $1"
		failed=1
	fi
	missing=
}

# options TEXT: those that an option list explains, "-" to "--json"
options()
{
	grep -oE '^ *(-[^ ,=[]+([ =[][^,]*)?, )*-[^ ,=[]+' <<<"$1" |
		grep -oE '(^|[ ,])--?[A-Za-z0-9][A-Za-z0-9-]*' | tr -d ' ,' |
		sort -u
}

echo "TAP version 13"
mapfile -t names < <("$vmfork" help | sed -n 's/^  \([a-z]\+\) .*/\1/p' |
	grep -vx help)
[ ${#names[@]} -gt 10 ] || missing=" most commands"
report there_are_commands

for name in "${names[@]}"; do
	[ -e "$pages/vmfork-$name.1.rst" ] || missing+=" vmfork-$name.1.rst"
done
for page in "$pages"/vmfork-*.1.rst; do
	name=${page##*/vmfork-}
	name=${name%.1.rst}
	[[ " ${names[*]} " == *" $name "* ]] || missing+=" the command $name"
done
report a_page_for_each_command

for name in "${names[@]}"; do
	page=$pages/vmfork-$name.1.rst
	help=$("$vmfork" help "$name")
	for option in $(options "$help"); do
		# Its own line in the list of options; all pages have this one
		case $option in
		-h|--help) continue ;;
		esac
		grep -qE -- "^-(.*, )?$option([ =[,]|\$)|^(-.*, )?$option([ =[,]|\$)" \
			"$page" || missing+=" $name:$option"
	done
	for heading in SYNOPSIS OPTIONS "EXIT STATUS" "SEE ALSO"; do
		grep -qx "$heading" "$page" || missing+=" $name:${heading// /_}"
	done
	grep -qx -e '-j, --json' "$page" || missing+=" $name:-j"
done
report options_and_exit_status_in_each_page

# The other way round: an option that is gone is gone from its page.  Of its
# names, one is enough in the help.
for name in "${names[@]}"; do
	help=$("$vmfork" help "$name")
	while read -r line; do
		found=
		while read -r option; do
			! grep -q -e "$option\>" <<<"$help" || found=y
		done < <(grep -oE -- '--[a-z-]+' <<<"$line")
		[ -n "$found" ] || missing+=" $name:${line// /_}"
	done < <(sed -n '/^OPTIONS$/,/^EXIT STATUS$/p' \
		"$pages/vmfork-$name.1.rst" | grep -E '^(-[^ ,]+( [^,]+)?, )*--[a-z]')
done
report no_other_options_in_each_page

for name in "${names[@]}"; do
	grep -qx "\*\*$name\*\*" "$pages/vmfork.1.rst" ||
		missing+=" $name"
	[ "$(grep -c "vmfork-$name\*\*" "$pages/vmfork.1.rst")" -ge 2 ] ||
		missing+=" see_also:$name"
	grep -qE "vmfork $name\b|\`$name\`" "$top/README.md" ||
		missing+=" README:$name"
done
report each_command_in_vmfork_1_and_readme

# Why the kernel refuses memory, by the names that the command prints
pattern='^\t\[VMFORK_[A-Z_]*\] = { "\([a-z-]*\)",$'
while read -r name; do
	[ "$name" != none ] || continue
	grep -qx "\*\*$name\*\*" "$pages/vmfork-capture.1.rst" \
		"$pages/vmfork-reset.1.rst" || missing+=" $name"
done < <(sed -n "s/$pattern/\1/p" "$top/tools/lib/refusal.c")
[ "$(sed -n "s/$pattern/\1/p" "$top/tools/lib/refusal.c" | wc -l)" -gt 15 ] ||
	missing+=" the table of refusals"
report each_refusal_is_explained

# Tests are named where somebody reads what they are about.
mapfile -t tests < <(sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' \
	"$top/selftests/Makefile" | sed -n 's/^TEST_GEN_PROGS [:+]= //p' | xargs -n 1)
[ ${#tests[@]} -gt 50 ] || missing=" most tests"
for name in "${tests[@]}"; do
	grep -q "\`\`$name\`\`" "$top/Documentation/testing.rst" ||
		missing+=" $name"
done
report each_test_in_testing_rst

echo "1..$n"
exit $failed
