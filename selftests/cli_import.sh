#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The vmfork command with files: what is imported reads as the file, what is
# exported can be imported, whatever was cut, changed or left half done on the
# way is seen, and an export that was interrupted is gone on with.
#
# Runs with busybox alone.  vmfork comes from PATH or the build directory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/helpers/cli_lib.sh"
planned=19

BYTES=$((20 * MIB))
mounted=

# A file of 20 MiB that is not a whole number of chunks, with holes.
make_file()
{
	dd if=/dev/urandom of="$work/raw" bs=64k count=20 2>/dev/null &&
		dd if=/dev/urandom of="$work/raw" bs=64k count=50 seek=100 \
			conv=notrunc 2>/dev/null &&
		truncate -s $((BYTES - MIB)) "$work/raw"
}

# --- import -----------------------------------------------------------------

raw()
{
	hold_by import "$work/raw" && says .size $((BYTES - MIB)) &&
		says .lazy true && says .guarded true && says .checked false &&
		[ $(($(got .pages.file) + $(got .pages.hole))) = \
		  $(((BYTES - MIB) / 4096)) ] &&
		[ "$(got .pages.hole)" -ge 1024 ] &&
		cmp "$work/raw" "$path" || return
	vmfork_does 0 -j info "$path" && json "$work/stdout" >"$work/json" &&
		says .pages.held 0 && says .pages.read 0 &&
		says .guarded true && says .changed false || return
	# It can not be written to while the snapshot is there.
	! (echo x >>"$work/raw") 2>/dev/null || return
	drop_snapshots
	sleep 0.3
	(: >>"$work/raw")
}

part_of_it()
{
	hold_by import --offset 64K --length 128K "$work/raw" &&
		says .size 131072 || return
	dd if="$work/raw" bs=64k skip=1 count=2 2>/dev/null >"$work/part"
	cmp "$work/part" "$path"
	status=$?
	drop_snapshots
	return $status
}

named()
{
	[ -n "$mounted" ] || { note "no vmforkfs"; return 1; }
	vmfork_does 0 -j import "$work/raw" -o "$mounted/raw" &&
		json "$work/stdout" >"$work/json" && says .named true &&
		says .lazy true && cmp "$work/raw" "$mounted/raw" &&
		fails 1 exists import "$work/raw" -o "$mounted/raw"
	status=$?
	rm -f "$mounted/raw"
	return $status
}

wrong_files()
{
	: >"$work/empty"
	mkfifo "$work/fifo"
	fails 1 empty import --hold "$work/empty" &&
		fails 1 'regular file' import --hold "$work" &&
		fails 1 'regular file' import --hold /dev/zero &&
		fails 1 'regular file' import --hold "$work/fifo" &&
		fails 1 'regular file' import --hold /proc/self/maps &&
		fails 1 'No such file' import --hold "$work/none" &&
		fails 1 'ends before' import --hold --length 1T "$work/raw" &&
		fails 2 '4096' import --hold --offset 1 "$work/raw"
}

wrong_usage()
{
	fails 2 'one file' import --hold &&
		fails 2 'lost' import "$work/raw" &&
		fails 2 'no size' import --hold --offset x "$work/raw" &&
		fails 2 'wrong' import --bad "$work/raw" &&
		fails 2 'no level' export --zstd=99 "$path" "$out/f" &&
		fails 2 'leave out --base' export --zstd --base a b "$out/f"
}

# --- images -----------------------------------------------------------------

export_raw()
{
	vmfork_does 0 -j export --manifest "$snap" "$out/f" &&
		json "$work/stdout" >"$work/json" &&
		says .manifest "$out/f.json" && says .kept 0 &&
		cmp "$work/raw" "$out/f" &&
		[ $(($(stat -c %b "$out/f") * 512)) -lt $((BYTES / 2)) ] &&
		json "$out/f.json" >"$work/json" &&
		says .format vmfork-image-1 && says .size $((BYTES - MIB)) &&
		says .compression none && says .file f &&
		[ "$(got .chunks.4.stored)" = $((3 * MIB)) ] || return
	[ "$(head -c 4194304 "$work/raw" | sha256sum | cut -d' ' -f1)" = \
	  "$(got .chunks.0.hash)" ]
}

import_checked()
{
	vmfork_does 0 export --manifest "$snap" "$out/f" &&
		hold_by import "$out/f" && says .checked true &&
		says .lazy true && cmp "$work/raw" "$path" &&
		"$VMFORK" -j info "$path" >"$work/stdout" &&
		json "$work/stdout" >"$work/json" && says .pages.read 0
	status=$?
	drop_snapshots
	return $status
}

# One byte is another: it is found, unless nobody looks.
damaged()
{
	mkdir "$work/d"
	vmfork_does 0 export --manifest "$snap" "$work/d/f" || return
	printf '\377\376' | dd of="$work/d/f" bs=1 seek=7000000 conv=notrunc \
		2>/dev/null
	fails 1 'at 4 MiB' import --hold "$work/d/f" &&
		hold_by import --no-check "$work/d/f" && says .checked false
	status=$?
	drop_snapshots
	rm -rf "$work/d"
	return $status
}

cut_short()
{
	mkdir "$work/d"
	vmfork_does 0 export --manifest "$snap" "$work/d/f" || return
	truncate -s $((BYTES - 2 * MIB)) "$work/d/f"
	fails 1 'has not the size' import --hold "$work/d/f"
	status=$?
	rm -rf "$work/d"
	return $status
}

export_zstd()
{
	vmfork_does 0 -j export --zstd "$snap" "$out/f" &&
		json "$out/f.json" >"$work/json" &&
		says .compression zstd &&
		[ "$(got .chunks.1.at)" = "$(got .chunks.0.stored)" ] || return
	# A chunk of zeroes costs next to nothing.
	[ "$(got .chunks.3.stored)" -lt 2000 ]
}

import_zstd()
{
	vmfork_does 0 export --zstd=1 "$snap" "$out/f" &&
		hold_by import "$out/f" && says .checked true &&
		says .lazy false && cmp "$work/raw" "$path"
	status=$?
	drop_snapshots
	return $status
}

unpack_zstd()
{
	vmfork_does 0 export --zstd "$snap" "$out/f" &&
		vmfork_does 0 import "$out/f" -o "$out/raw" &&
		cmp "$work/raw" "$out/raw"
}

damaged_zstd()
{
	mkdir "$work/d"
	vmfork_does 0 export --zstd "$snap" "$work/d/f" || return
	printf '\377\376' | dd of="$work/d/f" bs=1 seek=1000 conv=notrunc \
		2>/dev/null
	fails 1 'is not what its manifest says' import --hold "$work/d/f" &&
		truncate -s 100 "$work/d/f" &&
		fails 1 'is not what its manifest says' \
			import --hold "$work/d/f" &&
		rm "$work/d/f.json" &&
		vmfork_does 0 export --force --zstd "$snap" "$work/d/f" &&
		rm "$work/d/f.json" &&
		fails 1 'compressed' import --hold "$work/d/f"
	status=$?
	rm -rf "$work/d"
	return $status
}

wrong_manifests()
{
	local text

	mkdir "$work/d"
	cp "$work/raw" "$work/d/f"
	status=0
	for text in '' '{' '[]' 'null' '{"format": "other"}' \
		'{"format": "vmfork-delta-1"}' \
		'{"format": "vmfork-image-1", "compression": "none", "hash": "sha256", "size": -4096, "chunk": 4194304, "chunks": []}' \
		'{"format": "vmfork-image-1", "compression": "none", "hash": "sha256", "size": 4096, "chunk": 4194304, "chunks": []}' \
		'{"format": "vmfork-image-1", "compression": "none", "hash": "sha256", "size": 4096, "chunk": 4194304, "chunks": [1]}' \
		'{"format": "vmfork-image-1", "compression": "zstd", "hash": "sha256", "size": 4096, "chunk": 4194304, "chunks": [{"at": 0, "stored": 999999999999, "hash": "00"}]}'; do
		printf '%s' "$text" >"$work/d/f.json"
		fails 1 'can not be used' import --hold "$work/d/f" || status=1
	done
	rm -rf "$work/d"
	return $status
}

# --- going on ---------------------------------------------------------------

# Each time it is stopped a little later.
resumed()
{
	local try=0 kept=0

	mkdir "$work/d"
	while [ $try -lt 8 ]; do
		try=$((try + 1))
		"$VMFORK" export --zstd=9 --resume "$snap" "$work/d/f" \
			>/dev/null 2>&1 &
		sleep 0.$try
		kill -TERM $!
		wait $! && break
		[ ! -e "$work/d/f" ] || { note "a part has the name"; return 1; }
	done
	vmfork_does 0 -j export --force --zstd=9 --resume "$snap" \
		"$work/d/f" && json "$work/stdout" >"$work/json" || return
	kept=$(got .kept)
	note "kept $kept bytes after $try tries"
	[ "$(find "$work/d" -mindepth 1 | sort | tr '\n' ' ')" = \
			"$work/d/f $work/d/f.json " ] &&
		hold_by import "$work/d/f" && cmp "$work/raw" "$path"
	status=$?
	drop_snapshots
	rm -rf "$work/d"
	return $status
}

# What is there is not believed.
resumed_from_wrong_parts()
{
	mkdir "$work/d"
	vmfork_does 0 export --manifest "$snap" "$work/d/g" || return
	cp "$work/d/g" "$work/d/f.part"
	head -c 100 /dev/urandom >"$work/d/f.part.log"
	vmfork_does 0 -j export --manifest --resume "$snap" "$work/d/f" &&
		json "$work/stdout" >"$work/json" && says .kept 0 &&
		cmp "$work/raw" "$work/d/f"
	status=$?
	rm -rf "$work/d"
	return $status
}

# The log is cut in the midst of a line, and the file behind its third chunk.
resumed_from_a_cut()
{
	mkdir "$work/d"
	vmfork_does 0 -j export --manifest "$snap" "$work/d/f" || return
	{
		sed 's/,"chunks".*/}/' "$work/d/f.json"
		echo
		tr -d '\n' <"$work/d/f.json" |
			sed 's/.*"chunks":\[//; s/\].*//; s/},{/}\n{/g' |
			head -n 4 | head -c 400
	} >"$work/d/f.part.log"
	mv "$work/d/f" "$work/d/f.part"
	rm "$work/d/f.json"
	truncate -s $((12 * MIB - 4096)) "$work/d/f.part"
	vmfork_does 0 -j export --manifest --resume "$snap" "$work/d/f" &&
		json "$work/stdout" >"$work/json" &&
		says .kept $((8 * MIB)) && cmp "$work/raw" "$work/d/f"
	status=$?
	rm -rf "$work/d"
	return $status
}

progress()
{
	vmfork_does 0 export --progress --manifest "$snap" "$out/f" &&
		grep -q 'Writing \[#*\] 100 %' "$work/stderr" &&
		vmfork_does 0 export --force --manifest "$snap" "$out/f" &&
		[ ! -s "$work/stderr" ]
}

main()
{
	echo "TAP version 13"
	echo "1..$planned"
	make_file || return
	mkdir "$work/mnt"
	mount -t vmforkfs none "$work/mnt" 2>/dev/null && mounted=$work/mnt
	check "a raw file" raw
	check "part of it" part_of_it
	check "by a name" named
	check "files that can not be" wrong_files
	check "wrong usage" wrong_usage
	hold_by import "$work/raw"
	snap=$path
	# The last one to be held is this; those of tests come and go.
	holders=
	keeper=$holder
	check "an image" export_raw
	check "an image is checked" import_checked
	check "a damaged image" damaged
	check "a short image" cut_short
	check "a compressed image" export_zstd
	check "a compressed image is imported" import_zstd
	check "a compressed image is unpacked" unpack_zstd
	check "a damaged compressed image" damaged_zstd
	check "manifests that make no sense" wrong_manifests
	check "an export that was interrupted" resumed
	check "parts that are wrong" resumed_from_wrong_parts
	check "a log that was cut" resumed_from_a_cut
	check "a bar" progress
	kill -TERM $keeper
	wait $keeper
	check "unmounted" umount "$mounted"
}

trap cleanup EXIT
main
exit $failed
