#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What people do to files, done to snapshots on vmforkfs, with Debian's own
# programs: cp, ls, stat, cmp, sha256sum, dd, chmod, chown, mv, ln, rm, du, df,
# tar, stress-ng; and vmfork itself with names.
#
# The test VM has these programs on a disk.  Anywhere else they are those of the
# machine.

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$VMFORK_TEST_PROGRAMS" ] && ! command -v stress-ng >/dev/null; then
	echo "TAP version 13"
	echo "1..0 # SKIP there is no stress-ng"
	exit 4
fi
. "$here/helpers/cli_lib.sh"
. "$here/helpers/toucher_lib.sh"
. "$here/helpers/fs_lib.sh"
planned=20

# --- names ------------------------------------------------------------------

# FICLONE from what another process holds
reflink()
{
	with cp --reflink=always "$path" $dir/base &&
		same $dir/base "$work/memory" &&
		vmfork_does 0 -j info $dir/base &&
		json "$work/stdout" >"$work/json" && says .snapshot "$id" &&
		says .pages.held "$held"
}

listed()
{
	with ls -l $dir >"$work/ls" || return
	if ! grep -qE "^-rw------- +1 (0|root) +(0|root) +$BYTES .* base\$" \
		"$work/ls"; then
		sed 's/^/# /' "$work/ls"
		return 1
	fi
	is "$(with stat -c '%s %b %a %u %g %h %F' $dir/base)" \
		"$BYTES $((held * 8)) 600 0 0 1 regular file"
}

sums()
{
	is "$(with sha256sum $dir/base | cut -d' ' -f1)" \
		"$(sha256sum "$work/memory" | cut -d' ' -f1)" &&
		with cmp $dir/base "$path"
}

# Again, also by what cp does unless it is told, is the same snapshot.
same_snapshot()
{
	with cp $dir/base $dir/again && with cp --reflink=auto $dir/base \
		$dir/third && is "$(id_of $dir/again) $(id_of $dir/third)" \
		"$id $id" && with rm $dir/again $dir/third
}

# --- out and in -------------------------------------------------------------

copied_out()
{
	with cp $dir/base /tmp/out && same "$root/tmp/out" "$work/memory" ||
		return
	# Its holes are holes there.
	is "$(with stat -c %b /tmp/out)" $((held * 8))
}

copied_in()
{
	with cp /tmp/out $dir/in && same $dir/in "$work/memory" &&
		is "$(with stat -c %b $dir/in)" $((held * 8)) || return
	[ "$(id_of $dir/in)" != "$id" ] || return
	# Zeroes that are written are written, unless they are not to be.
	with dd if=/tmp/out of=$dir/all bs=64k status=none &&
		same $dir/all "$work/memory" &&
		is "$(with stat -c %b $dir/all)" $((BYTES / 512)) &&
		with cp --sparse=always $dir/all $dir/holes || return
	with cp --reflink=never --sparse=always $dir/all $dir/sparse &&
		same $dir/sparse "$work/memory" &&
		is "$(with stat -c %b $dir/sparse)" $((held * 8)) &&
		with rm -f $dir/holes $dir/sparse $dir/all
}

odd_sizes()
{
	printf hello >"$root/tmp/hello" && with cp /tmp/hello $dir/hello &&
		is "$(with cat $dir/hello)" hello &&
		is "$(with stat -c '%s %b' $dir/hello)" "5 8" &&
		with truncate -s 12345 $dir/hole &&
		is "$(with stat -c '%s %b' $dir/hole)" "12345 0" &&
		is "$(with sha256sum <"$dir/hole")" \
			"$(head -c 12345 /dev/zero | sha256sum)" &&
		with rm $dir/hello $dir/hole
}

# --- what is finished stays ---------------------------------------------------

stays()
{
	refused "Operation not permitted" cp /tmp/out $dir/base &&
		refused "Operation not permitted" cp --reflink=always \
			$dir/in $dir/base &&
		refused "Operation not permitted" dd if=/dev/zero \
			of=$dir/base bs=4096 count=1 conv=notrunc &&
		refused "Operation not permitted" truncate -s 0 $dir/base &&
		refused "Operation not permitted" sh -c "echo x >>$dir/base" &&
		same $dir/base "$work/memory"
}

# cp -f, and mv, put another in its place; who has it open keeps it.
replaced()
{
	exec 9<$dir/in
	was=$(id_of $dir/in)
	with cp -f $dir/base $dir/in && is "$(id_of $dir/in)" "$id" &&
		with cp /tmp/out $dir/new && new=$(id_of $dir/new) &&
		with mv $dir/new $dir/in && is "$(id_of $dir/in)" "$new" &&
		is "$(id_of /proc/self/fd/9 "$was")" "$was" &&
		cmp - "$work/memory" <&9
	status=$?
	exec 9<&-
	return $status
}

# --- directories, links, owners -----------------------------------------------

directories()
{
	with mkdir -p $dir/a/b/c && with cp $dir/base $dir/a/b/ &&
		with ln $dir/a/b/base $dir/a/hard &&
		with ln -s ../base $dir/a/soft &&
		with mv $dir/a $dir/z && same $dir/z/soft "$work/memory" &&
		is "$(with stat -c %h $dir/z/hard)" 2 &&
		is "$(with stat -c %i $dir/z/hard)" \
			"$(with stat -c %i $dir/z/b/base)" &&
		with cp -a $dir/z $dir/y &&
		same $dir/y/hard "$work/memory" &&
		is "$(id_of $dir/y/b/base)" "$id" &&
		refused "Is a directory" rm $dir/z &&
		with rm -r $dir/z $dir/y
}

owners()
{
	with chmod 0755 $dir && refused "Permission denied" as 1000 cat \
		$dir/base && refused "Permission denied" as 1000 cp $dir/base \
		/tmp/mine && refused "Permission denied" as 1000 cp /tmp/hello \
		$dir/mine && refused "Operation not permitted" as 1000 chmod \
		644 $dir/base && with chmod 640 $dir/base &&
		with chown 0:1000 $dir/base &&
		with as 1000 cat $dir/base >/dev/null &&
		refused "Permission denied" as 1001 cat $dir/base &&
		with chown 1001 $dir/base && with chmod 1777 $dir &&
		with as 1001 cat $dir/base >/dev/null &&
		refused "Operation not permitted" as 1000 rm -f $dir/base &&
		with as 1001 cp --reflink=always $dir/base $dir/theirs &&
		is "$(with stat -c '%u %a' $dir/theirs)" "1001 640" &&
		with as 1001 rm $dir/theirs && with chown 0:0 $dir/base &&
		with chmod 600 $dir/base && with chmod 755 $dir
}

# --- what it takes --------------------------------------------------------------

# Each name says what it holds, hard links are counted once, as everywhere.
disk_usage()
{
	is "$(with du -k $dir/base | cut -f1)" $((held * 4)) &&
		with mkdir $dir/du && with cp $dir/base $dir/du/one &&
		with ln $dir/du/one $dir/du/two &&
		is "$(with du -k $dir/du | cut -f1)" $((held * 4)) &&
		with cp $dir/base $dir/du/three &&
		is "$(with du -k $dir/du | cut -f1)" $((held * 8)) &&
		is "$(with du -k --apparent-size $dir/base | cut -f1)" \
			$((BYTES / 1024)) && with rm -r $dir/du
}

used() { with df -k --output=used $dir | tail -n 1; }

# What all snapshots hold, once.
free_space()
{
	before=$(used) || return
	[ "$before" -ge $((held * 4)) ] &&
		with cp $dir/base $dir/name && is $(($(used) - before)) 0 &&
		with cp /tmp/out $dir/copy &&
		is $(($(used) - before)) $((held * 4)) &&
		with rm $dir/copy $dir/name && is $(($(used) - before)) 0 &&
		is "$(with df --output=fstype $dir | tail -n 1)" vmforkfs
}

tars()
{
	with mkdir $dir/tar && with tar -C $dir -cSf /tmp/x.tar base in &&
		[ "$(with stat -c %s /tmp/x.tar)" -lt $((held * 2 * 4096 +
			MIB)) ] && with tar -C $dir/tar -xf /tmp/x.tar &&
		same $dir/tar/base "$work/memory" &&
		is "$(with stat -c %b $dir/tar/base)" $((held * 8)) &&
		same $dir/tar/in "$work/memory" &&
		with tar -C $dir -cf /tmp/y.tar base && with rm -r $dir/tar/in &&
		with rm $dir/tar/base && with tar -C $dir/tar -xf /tmp/y.tar &&
		same $dir/tar/base "$work/memory" &&
		with tar -C $dir/tar -df /tmp/y.tar && with rm -r $dir/tar &&
		rm "$root/tmp/"?.tar
}

# --- users go on ----------------------------------------------------------------

# child_reads: its memory is what was captured
child_reads()
{
	dd if="/proc/$child/mem" bs=4096 skip=$((base / 4096)) \
		count=$((BYTES / 4096)) 2>/dev/null | cmp - "$work/memory"
}

users_go_on()
{
	with cp $dir/base $dir/used && start_child $dir/used &&
		touch_pages "read 0 100 3" && with rm $dir/used || return
	umount "$mount" 2>/dev/null && { note "not busy"; return 1; }
	child_reads && stop_child || return
	# The name alone keeps it; then he who maps it does.
	with cp $dir/base $dir/used && drop_snapshots &&
		start_child $dir/used && with rm $dir/used && child_reads &&
		stop_child && same $dir/base "$work/memory"
}

# --- vmfork -----------------------------------------------------------------------

captured()
{
	vmfork_does 0 -j capture -p "$target" --range "$addr:$len" \
		-o $dir/taken && json "$work/stdout" >"$work/json" &&
		says .named true && says .written 0 || return
	taken=$(got .snapshot)
	memory "$work/now" && same $dir/taken "$work/now" &&
		is "$(id_of $dir/taken)" "$taken" &&
		is "$(with stat -c %a $dir/taken)" 600 &&
		fails 1 "taken exists" capture -p "$target" \
			--range "$addr:$len" -o $dir/taken &&
		tell "poke 3 2" poked && vmfork_does 0 -j capture -p "$target" \
			--range "$addr:$len" -f -o $dir/taken &&
		memory "$work/now" && same $dir/taken "$work/now" &&
		is "$(with ls $dir | grep -c taken)" 1 &&
		vmfork_does 0 -j diff $dir/base $dir/taken &&
		json "$work/stdout" >"$work/json" && says .pages 2 &&
		vmfork_does 0 -j export $dir/taken $dir/exported &&
		is "$(id_of $dir/exported)" "$(id_of $dir/taken)"
}

# A name without a slash is one on vmforkfs.
by_name()
{
	mkdir -p /run/vmfork && vmfork_does 0 -j mount &&
		json "$work/stdout" >"$work/json" && says .already false &&
		says .path /run/vmfork && says .mode 0755 &&
		vmfork_does 0 -j mount && json "$work/stdout" >"$work/json" &&
		says .already true &&
		vmfork_does 0 -j mount --mode 0750 --gid 12 &&
		json "$work/stdout" >"$work/json" && says .mode 0750 &&
		says .gid 12 && mount -o remount,ro,nodev none /run/vmfork &&
		vmfork_does 0 mount --mode 755 --gid 0 &&
		grep -q " /run/vmfork vmforkfs ro,nodev,.*mode=755,uid=0,gid=0 " \
			/proc/mounts && mount -o remount,rw,nodev none /run/vmfork &&
		fails 2 "does not take" mount --mode 9 &&
		fails 2 "is no uid" mount --uid 1,mode=777 &&
		fails 2 "is no gid" mount --gid "" &&
		fails 1 "can not be made" mount /proc/x || return
	[ -e /run/vmfork/${dir##*/}/taken ] &&
		with ln $dir/taken ${dir%/*}/named &&
		vmfork_does 0 -j info named &&
		json "$work/stdout" >"$work/json" &&
		is "$(got .snapshot)" "$(id_of $dir/taken)" &&
		vmfork_does 0 -j rm named $dir/exported &&
		json "$work/stdout" >"$work/json" &&
		says .removed.0.path /run/vmfork/named &&
		says .removed.0.links 1 && says .removed.1.links 0 &&
		[ ! -e /run/vmfork/named ] && [ ! -e $dir/exported ] &&
		fails 1 "can not be opened" rm named &&
		fails 1 "is no name of a snapshot" rm $dir &&
		fails 1 "is no name of a snapshot" rm "$work/memory" &&
		fails 2 "No snapshot is given" rm && : >$dir/empty &&
		fails 1 "is no snapshot yet" info $dir/empty && rm $dir/empty
}

# --- stress-ng ----------------------------------------------------------------------

# Those of its stressors of file systems that do not read what they have not
# finished writing; so does fsx, of which nothing is left then.
STRESSORS="chmod chown dentry dir dirdeep dirmany fcntl filename flock getdent
	lease link locka lockf lockofd mknod open rename symlink touch utime"

# names_go_on PID: meanwhile names come and go under him who maps one
names_go_on()
{
	local rounds=0

	with cp $dir/base $dir/used && start_child $dir/used || return
	# Once in any case, however busy they keep the machine
	while [ $rounds = 0 ] || kill -0 "$1" 2>/dev/null; do
		tell "poke $((rounds % 1000)) 1" poked &&
			vmfork_does 0 capture -p "$target" \
				--range "$addr:$len" -f -o $dir/used &&
			memory "$work/now" && same $dir/used "$work/now" &&
			child_reads || return
		rounds=$((rounds + 1))
		sleep 0.1
	done
	note "$rounds captures meanwhile"
	stop_child && with rm $dir/used
}

stress()
{
	local stressor status stressed

	with mkdir $dir/stress || return
	set --
	for stressor in $STRESSORS; do
		set -- "$@" --"$stressor" 1
	done
	with stress-ng --temp-path $dir/stress --timeout 12s "$@" \
		>"$work/stress" 2>&1 &
	stressed=$!
	names_go_on $stressed || {
		kill $stressed
		wait $stressed
		stop_child
		return 1
	}
	wait $stressed
	status=$?
	[ $status = 0 ] || {
		note "exit status $status"
		sed 's/^/# /' "$work/stress" | tail -n 60
		return 1
	}
	is "$(find $dir/stress | wc -l)" 1 && with rm -r $dir/stress
}

unmounts()
{
	umount /run/vmfork && with rm -r $dir && umount "$mount"
}

clean_up()
{
	[ -z "$children" ] || kill -KILL $children
	umount -l /run/vmfork
	rm -rf "$mount"/test.*
	leave_root
	cleanup
} 2>/dev/null

trap clean_up EXIT
echo "TAP version 13"
echo "1..$planned"

start_target anon $BYTES
hold_snapshot || exit 1
id=$(got .snapshot)
vmfork_does 0 -j info "$path"
json "$work/stdout" >"$work/json"
held=$(got .pages.held)
memory "$work/memory"

check programs enter_root
check reflink reflink
check ls_and_stat listed
check sha256sum_and_cmp sums
check cp_within same_snapshot
check cp_out copied_out
check cp_in copied_in
check odd_sizes odd_sizes
check finished_stays stays
check replaced replaced
check directories_and_links directories
check owners owners
check du disk_usage
check df free_space
check tar tars
check users_go_on users_go_on
check capture_to_a_name captured
check by_name by_name
check stress_ng stress
check umount unmounts

exit $failed
