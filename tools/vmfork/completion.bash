# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of vmfork for bash: commands, options and what these take.
#
# It knows none of them: vmfork's own help is asked, so that it is right for any
# version.  An option's argument is completed by its name there: PID, FILE, ...

# _vmfork_table TEXT: a line "OPTION ARGUMENT" for each option that it explains,
# as in "  -p, --pid PID  the process" or "  --offset SIZE, --length SIZE"
_vmfork_table()
{
	awk '
	!/^  +-[^ ]/ { next }
	{
		sub(/^ +/, "")
		sub(/  .*/, "")		# what it means
		n = split($0, items, ", ")
		for (i = n; i > 0; i--) {
			split(items[i], word, " ")
			if (word[1] !~ /^--?[A-Za-z0-9]/)
				continue
			# --zstd[=LEVEL] is complete without one.
			sub(/[[].*/, "", word[1])
			if (word[2] == "" && word[1] ~ /^-[^-]$/)
				word[2] = argument	# of its long name
			argument = word[2]
			print word[1], argument
		}
		argument = ""
	}' <<<"$1"
}

# _vmfork_argument TEXT OPTION: what the option takes
_vmfork_argument()
{
	_vmfork_table "$1" | awk -v option="$2" '$1 == option && $2 != "" { print $2 }'
}

# _vmfork_options TEXT: all options in it
_vmfork_options() { _vmfork_table "$1" | cut -d' ' -f1; }

# _vmfork_words TEXT: the words that it explains: commands, verbs
_vmfork_words() { sed -n 's/^  \([a-z][a-z0-9-]*\) .*/\1/p' <<<"$1"; }

# _vmfork_operands TEXT: whether there is more on the usage line than options
_vmfork_operands()
{
	local usage

	usage=$(sed -n -e 's/^Usage: vmfork //' -e 's/--*[a-z0-9-]* [A-Z][^] ]*//g' \
		-e '1p' <<<"$1")
	[[ $usage == *[A-Z]* ]]
}

# _vmfork_complete WORD...: those that begin like $current
_vmfork_complete() { mapfile -t COMPREPLY < <(compgen -W "$*" -- "$current"); }

_vmfork_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

# _vmfork_value NAME: what an argument of that name may be
_vmfork_value()
{
	case $1 in
	PID) _vmfork_complete "$(cd /proc && printf '%s ' [0-9]*)" ;;
	*FILE|*PATH|*DIR|*DIRECTORY|*SNAPSHOT) _vmfork_files ;;
	*'|'*) _vmfork_complete "${1//|/ }" ;;
	esac
}

# _vmfork_after OPTION TEXT: its argument; false if it takes none
_vmfork_after()
{
	local argument

	case $1 in
	-?*) argument=$(_vmfork_argument "$2" "$1") ;;
	esac
	[ -n "${argument:-}" ] && _vmfork_value "$argument"
}

# _vmfork_command: the command, and the verb if it is an object, into $command;
# false behind --, where another program's words begin
_vmfork_command()
{
	local i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) [ ${#command[@]} = 0 ] || return 1 ;;
		-*) ;;
		*) [ ${#command[@]} -gt 0 ] || command=("${COMP_WORDS[i]}" "$i") ;;
		esac
	done
	[ ${#command[@]} -gt 0 ] || return 0
	i=$((command[1] + 1))
	unset 'command[1]'
	[ "$i" -lt "$COMP_CWORD" ] &&
		[ -n "$(_vmfork_words "$("$vmfork" help "${command[0]}" \
			2>/dev/null)")" ] && command+=("${COMP_WORDS[i]}")
	return 0
}

_vmfork()
{
	local vmfork=$1 current=$2 previous=$3 text words
	local -a command=()

	COMPREPLY=()
	# Readline takes --pid=1 for three words.
	if [ "$current" = = ]; then
		current=
	elif [ "$previous" = = ]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if ! _vmfork_command; then
		mapfile -t COMPREPLY < <(compgen -c -- "$current")
		return
	fi
	text=$("$vmfork" "${command[@]}" --help 2>/dev/null) || return
	words=$(_vmfork_words "$text")
	[ "${command[*]}" != help ] || words=$(_vmfork_words "$("$vmfork" --help)")

	if _vmfork_after "$previous" "$text"; then
		return
	elif [[ $current == -* ]]; then
		_vmfork_complete "$(_vmfork_options "$text")"
	elif [ -n "$words" ]; then
		_vmfork_complete "$words"
	elif _vmfork_operands "$text"; then
		_vmfork_files
	else
		_vmfork_complete "$(_vmfork_options "$text")"
	fi
}

complete -F _vmfork vmfork
