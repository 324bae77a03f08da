# SPDX-License-Identifier: GPL-2.0-only
# What the runner's host scripts share; sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
O=${O:-$top/build}
mkdir -p "$O"
O=$(cd "$O" && pwd)
cache=$O/cache

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
	local package=$1 version deb try

	mkdir -p "$cache/debs"
	for try in 1 2; do
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
	[ -n "$version" ] && find "$cache/debs" -name \
		"${package}_${version//:/%3a}_*.deb" | grep . ||
		die "cannot download the package $package"
}
