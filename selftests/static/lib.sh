# SPDX-License-Identifier: GPL-2.0-only
# Variables, and arguments, are for and of those who source it:
# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# What the static checks share; sourced, never run.
#
# A checker (checkers/NAME) prints one line for each finding,
#   PATH:LINE: MESSAGE
# with PATH relative to the source tree, and at its end "checked NUMBER", of
# files for example: a checker that looked at nothing has not succeeded.  What
# may be ignored, and why, is in exceptions/NAME.

. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"

# lib.sh there has set here, top, O and cache.
vm=$here
static=$top/selftests/static
state=$O/static
flags=$state/flags
export VMFORK_CACHE=$cache

# ours ENDING...: our source files whose names end so, relative to $top
ours()
{
	local ending names=()

	for ending; do
		names+=(-o -name "*$ending")
	done
	(cd "$top" && find kmod uapi bpf tools selftests -type f \
		\( "${names[@]:1}" \) 2>/dev/null | LC_ALL=C sort)
}

# scripts: our shell scripts, relative to $top
scripts()
{
	(cd "$top" && find .ci tools selftests -type f 2>/dev/null |
		while IFS= read -r file; do
			case $file in
			*.sh) echo "$file"; continue ;;
			esac
			LC_ALL=C read -rn 80 line <"$file" 2>/dev/null || true
			[[ $line =~ ^#!.*/(ba)?sh ]] && echo "$file"
		done | LC_ALL=C sort)
}

# userspace: C files that are compiled for userspace, with flags_of each
userspace() { compiled | grep -v '^bpf/'; }

# programs: those that are compiled for BPF, which only clang does
programs() { compiled | grep '^bpf/' || true; }

compiled()
{
	find "$flags" -name '*.rsp' | sed "s|^$flags/||; s|\.rsp$||" |
		LC_ALL=C sort
}

# flags_of FILE: a response file for the compiler
flags_of() { echo "$flags/$1.rsp"; }

# analysed COMPILER FILE COMMAND...: what the command, an analyser, prints about a
# file of userspace; from an earlier run if neither the preprocessed text nor
# the command has changed
analysed()
{
	local compiler=$1 file=$2 key result status=0
	shift 2

	mkdir -p "$state/results"
	key=$({
		"$1" --version
		printf '%s\n' "$@"
		"$compiler" "@$(flags_of "$file")" -w -E "$top/$file"
	} 2>/dev/null | sha256sum) || key=
	result=$state/results/$1.${key%% *}
	if [ -z "$key" ] || [ ! -e "$result" ]; then
		"$@" >"$result.part" 2>&1 || status=$?
		# One that has errors to tell of fails; but it does not die.
		if [ $status -gt 125 ]; then
			echo "$file:1: error: $1 died, status $status"
			return
		fi
		mv "$result.part" "$result"
	fi
	touch "$result"
	relative <"$result"
}

# kernels: the kernels to check the module with; static checks of a debug
# kernel's headers would say nothing new
kernels()
{
	local version found=

	for version in ${KERNELS:-6.1 6.12}; do
		[ "$version" = debug ] || { echo "$version"; found=y; }
	done
	[ -n "$found" ] || echo 6.12
}

# module VERSION: build the module for that kernel, once in a run and from
# scratch, apart from the one that is tested.  $built is where, $kdir the
# kernel's build directory, and $state/VERSION.log what the build said.
module()
{
	local log=$state/$1.log done=$state/$1.done release

	mkdir -p "$state"
	kdir=$(realpath "$("$vm/kernel-headers" "$1")")
	release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' \
		"$kdir/include/generated/utsrelease.h")
	built=$state/$release
	exec 7>"$state/$1.lock"
	flock 7
	if [ "$(cat "$done" 2>/dev/null || true)" != "${STATIC_RUN:=$$}" ]; then
		rm -rf "$built" "$done"
		module_make >"$log" 2>&1 ||
			die "the module does not build for Linux $1:" \
				"$(grep -m 3 error "$log" || tail -n 3 "$log")"
		echo "$STATIC_RUN" >"$done"
	fi
	exec 7>&-
}

# module_make [ARGUMENT...]: another make in $built
module_make() { O=$state "$vm/build-module" "$kdir" W=1 "$@" 2>&1 | relative; }

# relative: paths on stdin as a reader knows them
relative()
{
	sed -E -e "s,$state/[^/ ]*/(kmod|uapi),\\1,g" -e "s,$top/,,g" \
		-e 's,[^ (]*/linux-headers-[^/]*/,linux/,g'
}
