#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Do vmfork.txt and its constants say what uapi/linux/vmfork.h says?

here=$(cd "$(dirname "$0")" && pwd)
header=$here/../../uapi/linux/vmfork.h
number=0
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report()	# RESULT WHAT
{
	number=$((number + 1))
	[ "$1" = 0 ] && echo "ok $number $2" && return
	echo "not ok $number $2"
	status=1
}

# asserts: C that compiles only if constants and structures are the header's
asserts()
{
	printf '%s\n' '#include <fcntl.h>' '#include <stddef.h>' \
		'#include <linux/fs.h>' '#include <linux/vmfork.h>'
	awk '/^[A-Z_]+ = / {
		printf "_Static_assert((unsigned long)%s == %sUL, \"%s\");\n",
			$1, $3, $1
	}' "$1"
	awk '
	function assert(what, is) {
		printf "_Static_assert(%s == %d, \"%s\");\n", what, is, what
	}
	/^[a-z_]+ {$/ { struct = $1; offset = 0; next }
	struct && /^}/ {
		assert("sizeof(struct " struct ")", offset)
		struct = ""
	}
	struct {
		size = $0 ~ /int32|\tfd(_|$)/ ? 4 : 8
		assert("offsetof(struct " struct ", " $1 ")", offset)
		assert("sizeof(((struct " struct " *)0)->" $1 ")", size)
		offset += size
	}' "$2"
}

holds()		# CONSTANTS DESCRIPTION
{
	asserts "$1" "$2" >"$work/test.c"
	gcc -D_GNU_SOURCE -I"$here/../../uapi" -fsyntax-only "$work/test.c" \
		2>"$work/errors"
}

echo "TAP version 13"
echo "1..5"

holds "$here/vmfork.txt.const" "$here/vmfork.txt"
report $? "constants and structures are those of the header"
sed 's/^/# /' "$work/errors"

# Flags of tracepoints and files are told by the kernel, not to it.
missing=
for name in $(sed -n 's/^#define \(VMFORK_[A-Z_]*\)\t_IO.*/\1/p
		s/^#define \(VMFORK_[A-Z_]*\)\t*(1U.* << [0-9])/\1/p
		s/^struct \(vmfork_[a-z_]*\) {$/\1/p' "$header"); do
	case $name in
	VMFORK_FAULT_* | VMFORK_COW_* | VMFORK_FILE_*) continue ;;
	esac
	grep -qw "$name" "$here/vmfork.txt" || missing="$missing $name"
done
[ -z "$missing" ]
report $? "every ioctl, flag and structure is described${missing:+, but$missing}"

# Would it see a difference?
sed 's/^\(VMFORK_INFO = [0-9]*\)/\11/' "$here/vmfork.txt.const" >"$work/const"
holds "$work/const" "$here/vmfork.txt"
report $((! $?)) "another number of an ioctl is seen"
sed '/refused_region/d' "$here/vmfork.txt" >"$work/txt"
holds "$here/vmfork.txt.const" "$work/txt"
report $((! $?)) "a missing field is seen"
sed 's/^\tcreator.*/\tcreator int64/' "$here/vmfork.txt" >"$work/txt"
holds "$here/vmfork.txt.const" "$work/txt"
report $((! $?)) "a field of another size is seen"

exit $status
