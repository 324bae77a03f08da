# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Debian's programs on vmforkfs: below a root of their own, where the test VM
# has them on a disk, or as they are.  Needs cli_lib.sh.

root=
mount=
dir=

# enter_root: unpacks them, mounts vmforkfs; sets mount and dir, an empty
# directory on it that has the same path for all
enter_root()
{
	mkdir "$work/root" || return
	# The same path inside and outside.
	mount=$work/root/run/vmfork
	if [ -n "$VMFORK_TEST_PROGRAMS" ]; then
		root=$work/root
		tar xf "$VMFORK_TEST_PROGRAMS" -C "$root" || return
		for fs in proc sys dev; do
			mount -o rbind /$fs "$root/$fs" || return
		done
	fi
	mkdir -p "$mount" "$work/root/tmp" &&
		mount -t vmforkfs none "$mount" || return
	dir=$mount/test.$$
	mkdir "$dir" || return
	[ -z "$root" ] || {
		mkdir -p "$root$mount" && mount -o bind "$mount" "$root$mount"
	}
}

leave_root()
{
	[ -z "$root" ] || umount -l "$root$mount" "$root/proc" "$root/sys" \
		"$root/dev"
	umount -l "$mount"
}

# with PROGRAM ARGUMENTS...: run it there.  By its path: busybox takes a name for
# its own.
with()
{
	local program=$1

	if [ "$1" = as ]; then
		"$@"
	elif [ -z "$root" ]; then
		"$@"
	else
		shift
		chroot "$root" "/bin/$program" "$@"
	fi
}

# as UID PROGRAM ARGUMENTS...: the same as a user
as()
{
	local uid=$1

	shift
	with setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

# refused PATTERN PROGRAM ARGUMENTS...: it fails, and says why
refused()
{
	local pattern=$1

	shift
	if with "$@" >"$work/said" 2>&1; then
		note "$*: succeeded"
		return 1
	fi
	grep -qe "$pattern" "$work/said" && return 0
	note "$*: no '$pattern' in: $(cat "$work/said")"
	return 1
}

# is VALUE WANTED
is()
{
	[ "$1" = "$2" ] && return 0
	note "'$1', not '$2'"
	return 1
}

same()
{
	cmp "$1" "$2" >"$work/cmp" 2>&1 && return 0
	note "$(cat "$work/cmp")"
	return 1
}

# id_of PATH: the number of the snapshot
id_of()
{
	"$VMFORK" -j info "$1" >"$work/info" 2>/dev/null || return
	json "$work/info" | sed -n 's/^\.snapshot //p'
}
