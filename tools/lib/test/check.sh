#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
#
# libvmfork as others meet it: installed, found by pkg-config, linked shared,
# static and from C++.  Run by "make check" here, in KTAP.

set -u
here=$(cd "$(dirname "$0")" && pwd)
O=${O:?is the build directory}
CC=${CC:-cc} CXX=${CXX:-g++} MAKE=${MAKE:-make} PKG_CONFIG=${PKG_CONFIG:-pkg-config}
strict="-Wall -Wextra -Werror -D_GNU_SOURCE"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

n=0
failed=0
report() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		failed=1
	fi
}

# Build and run a user: NAME COMPILER PKG_CONFIG_OPTIONS COMPILER_OPTIONS [FILE]
user() {
	flags=$($PKG_CONFIG $3 --cflags --libs libvmfork) &&
		$2 $strict $4 -o "$dir/$1" "$here/${5:-consumer.c}" $flags &&
		LD_LIBRARY_PATH="$libdir" "$dir/$1"
	report $? "$1"
}

echo "TAP version 13"
echo "1..10"

# In the build tree.
libdir=$O/lib
export PKG_CONFIG_PATH="$libdir/pkgconfig"
user build_tree "$CC" "" ""

# What it asks of the module, and in which order; sequences.c plays the module.
user sequences "$CC" --static -static sequences.c
user workingset "$CC" --static -static workingset.c

# Installed below a staging directory, as a package is made.
$MAKE -s -C "$here/.." O="$O" install DESTDIR="$dir/stage" PREFIX=/opt/vmfork
report $? install
libdir=$dir/stage/opt/vmfork/lib
export PKG_CONFIG_PATH="$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dir/stage"
user installed_shared "$CC" "" "-std=c11 -pedantic"
user installed_static "$CC" --static -static
user installed_cxx "$CXX" "" "-x c++"

readelf -d "$dir/installed_shared" | grep -q 'NEEDED.*\[libvmfork\.so\.0\]'
report $? soname

# Every function of the header is exported, with a version, and nothing else.
sed -n 's/^\(int\|const char \*\) *\(vmfork_[a-z_]*\)(.*/\2/p' \
	"$here/../vmfork.h" | sort > "$dir/want"
nm -D --defined-only "$libdir/libvmfork.so.0" |
	awk '$2 == "T" && sub("@@LIBVMFORK_[012]$", "", $3) { print $3 }' |
	sort > "$dir/have"
[ -s "$dir/want" ] && diff "$dir/want" "$dir/have"
report $? symbols

# What a program was linked with stays what it is: these have this version.
nm -D --defined-only "$libdir/libvmfork.so.0" |
	sed -n 's/.* T \(.*\)@@LIBVMFORK_0$/\1/p' | sort > "$dir/have"
printf 'vmfork_%s\n' capture capture_sized info map open refusal_advice \
	refusal_name | diff - "$dir/have"
report $? symbols_of_version_0

exit $failed
