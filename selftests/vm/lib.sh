# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the runner's host scripts share; sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
O=${O:-$top/build}
mkdir -p "$O"
O=$(cd "$O" && pwd)
# VMFORK_CACHE outlives a checkout: downloads, unpacked kernels, the debug kernel
cache=${VMFORK_CACHE:-$O/cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# apt_newer: refresh the package lists, once for each run of a script.
apt_newer()
{
	[ -z "${apt_is_new:-}" ] || return 0
	apt_is_new=y
	[ "$(id -u)" = 0 ] || die "the package lists are missing or stale:" \
		"run apt-get update as root"
	say "refreshing the package lists (apt-get update)"
	apt-get -qq update </dev/null >&2
}

# fetch PACKAGE: download the newest version, print the .deb's path.
# A package list that is older than the archive shows as a failed download.
fetch()
{
	local package=$1 version deb

	mkdir -p "$cache/debs"
	for _ in 1 2; do
		version=$(apt-cache show --no-all-versions "$package" \
			2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
		if [ -n "$version" ]; then
			deb=$(find "$cache/debs" -name \
				"${package}_${version//:/%3a}_*.deb" | head -n 1)
			[ -z "$deb" ] || { echo "$deb"; return 0; }
			say "fetching $package $version"
			(cd "$cache/debs" && apt-get -qq \
				-o APT::Sandbox::User=root download \
				"$package" </dev/null >&2) && continue
		fi
		apt_newer
	done
	if [ -z "$version" ] || ! find "$cache/debs" -name \
		"${package}_${version//:/%3a}_*.deb" | grep .; then
		die "cannot download the package $package"
	fi
}

# source_version VERSION: which linux-source-VERSION is newest, in the archive
# or, if it has none, among those that were downloaded
source_version()
{
	local version

	version=$(apt-cache show --no-all-versions "linux-source-$1" \
		2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
	if [ -z "$version" ]; then
		version=$(find "$cache/debs" -name "linux-source-$1_*.deb" \
			2>/dev/null | sort -V | tail -n 1)
		version=${version:+$(dpkg-deb -f "$version" Version)}
	fi
	[ -n "$version" ] || {
		apt_newer
		version=$(apt-cache show --no-all-versions \
			"linux-source-$1" | sed -n 's/^Version: //p')
	}
	echo "$version"
}

# unpack_source VERSION DIR [FILE...]: all or some of Debian's source of Linux
unpack_source()
{
	local version=$1 dir=$2 deb
	shift 2

	deb=$(fetch "linux-source-$version")
	say "unpacking ${deb##*/}"
	dpkg-deb --fsys-tarfile "$deb" |
		tar xO "./usr/src/linux-source-$version.tar.xz" |
		tar xJ -C "$dir" --strip-components=1 \
			"${@/#/linux-source-$version/}"
}
