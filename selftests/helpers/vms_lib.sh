# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the tests of vmfork vms, and of the capture of whole virtual machines,
# share; after cli_lib.sh.

if [ ! -c /dev/kvm ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP no /dev/kvm"
	exit 4
fi

# vms ARGUMENTS...: with its JSON in $work/json
vms()
{
	vmfork_does 0 -j vms "$@" && json "$work/stdout" >"$work/json"
}

# table PATH MEMBER...: a line for each element of a list in $work/json
table()
{
	local path=$1

	shift
	awk -v path="$path" -v members="$*" '
		index($1, path ".") == 1 {
			split(substr($1, length(path) + 2), at, ".")
			if (!(at[1] in known)) {
				known[at[1]] = 1
				order[nr++] = at[1]
			}
			value[at[1], at[2]] = $2
		}
		END {
			n = split(members, member, " ")
			for (i = 0; i < nr; i++)
				for (j = 1; j <= n; j++)
					printf "%s%s", value[order[i], member[j]],
						(j < n) ? " " : "\n"
		}' "$work/json"
}

# same FILE FILE: what is wanted, what there is
same()
{
	cmp -s "$1" "$2" && return
	note "wanted: $(tr '\n' ';' <"$1")"
	note "is: $(tr '\n' ';' <"$2")"
	return 1
}

# pages FILE ADDRESS LENGTH: of it
pages()
{
	dd if="$1" bs=4096 skip=$(($2 / 4096)) count=$(($3 / 4096)) 2>/dev/null
}

# captures ARGUMENTS...: the whole of it, into $out/f, with JSON in $work/json
captures()
{
	rm -f "$out/f"
	vmfork_does 0 -j capture -p "$target" -o "$out/f" "$@" &&
		json "$work/stdout" >"$work/json"
}

# holds FILE: the regions in $work/json, as the process has them, and no more
holds()
{
	local addr len offset end=0 held=0 name

	table .region address length offset >"$work/regions"
	while read -r addr len offset; do
		pages "/proc/$target/mem" "$addr" "$len" >"$work/before"
		pages "$1" "$offset" "$len" | cmp - "$work/before" || return
		end=$((offset + len))
	done <"$work/regions"
	[ "$(stat -c %s "$1")" = $end ] ||
		{ note "$(stat -c %s "$1") bytes, not $end"; return 1; }
	for name in stolen copied shared file; do
		held=$((held + $(got .pages.$name)))
	done
	says .written $((held * 4096))
}
