#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make install-tools puts everything where it is looked for, and make uninstall
# takes all of it away, and nothing else.

set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
O=${O:-$top/build}
export O
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# shellcheck source=selftests/vm/report.sh
. "$top/selftests/vm/report.sh"

# make TARGET for a stage, without what a calling make has set
run() # STAGE TARGET...
{
	local stage=$1

	shift
	env -u MAKEFLAGS -u MAKEOVERRIDES -u MFLAGS -u MAKELEVEL make -s \
		-C "$top" O="$O" DESTDIR="$stage" "$@" >"$work/log" 2>&1
}

files() { (cd "$1" && find . ! -type d -printf '%p %m %l\n' | LC_ALL=C sort); }

wanted() # PREFIX
{
	local page

	for page in "$top"/Documentation/man/*.1.rst; do
		page=${page##*/}
		echo "$1/share/man/man1/${page%.rst} 644 "
	done
	echo "$1/bin/vmfork 755 "
	for header in vmfork.h linux/vmfork.h linux/vmfork_netlink.h; do
		echo "$1/include/$header 644 "
	done
	echo "$1/lib/libvmfork.a 644 "
	echo "$1/lib/libvmfork.so 777 libvmfork.so.0"
	echo "$1/lib/libvmfork.so.0 755 "
	echo "$1/lib/pkgconfig/libvmfork.pc 644 "
	echo "$1/lib/modules-load.d/vmfork.conf 644 "
	echo "$1/lib/systemd/system/run-vmfork.mount 644 "
	echo "$1/lib/udev/rules.d/60-vmfork.rules 644 "
	echo "$1/share/bash-completion/completions/vmfork 644 "
}

echo "TAP version 13"
echo "1..6"

stage=$work/stage
run "$stage" install-tools &&
	wanted ./usr/local | LC_ALL=C sort >"$work/want" &&
	files "$stage" >"$work/have" && diff "$work/want" "$work/have" >"$work/log"
report $? install "$work/log"

(umask 077; run "$work/private" install-tools PREFIX=/opt/vmfork) &&
	wanted ./opt/vmfork | LC_ALL=C sort >"$work/want" &&
	files "$work/private" >"$work/have" &&
	diff "$work/want" "$work/have" >"$work/log"
report $? prefix_and_umask "$work/log"

# As if it were installed there
bin=$stage/usr/local
version=$(sed -n 's/^VERSION := //p' "$top/tools/version.mk")
{ [ "$("$bin/bin/vmfork" --version)" = "vmfork $version" ] &&
	man -l --warnings "$bin/share/man/man1/vmfork-doctor.1" &&
	bash -n "$bin/share/bash-completion/completions/vmfork"; } \
	>"$work/log" 2>&1
report $? it_runs "$work/log"

# systemd finds nothing wrong, and the unit has the name of where it mounts.
unit=$bin/lib/systemd/system/run-vmfork.mount
if command -v systemd-analyze >/dev/null; then
	systemd-analyze verify --man=no "$unit" >"$work/log" 2>&1 &&
		[ ! -s "$work/log" ] &&
		[ "$(systemd-escape -p --suffix=mount \
			"$(sed -n 's/^Where=//p' "$unit")")" = "${unit##*/}" ]
	report $? unit "$work/log"
else
	n=$((n + 1))
	echo "ok $n unit # SKIP no systemd-analyze"
fi

# The same version everywhere
changelog=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$top/debian/changelog")
module=$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' "$top/kmod/main.c")
echo "tools $version, module $module, package $changelog" >"$work/log"
[ "$version" = "$module" ] && [ "$version" = "$changelog" ]
report $? version "$work/log"

# What somebody else has there stays; a module of any kernel goes.
mkdir -p "$stage/lib/modules/6.99/extra"
touch "$bin/bin/other" "$bin/lib/modules-load.d/other.conf" \
	"$stage/lib/modules/6.99/extra/vmfork.ko"
printf '%s\n' ./usr/local/bin/other ./usr/local/lib/modules-load.d/other.conf \
	>"$work/want"
run "$stage" uninstall && files "$stage" | cut -d' ' -f1 >"$work/have" &&
	diff "$work/want" "$work/have" >"$work/log"
report $? uninstall "$work/log"

exit $failed
