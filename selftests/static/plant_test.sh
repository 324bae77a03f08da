#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does each checker find an error that was planted for it?  They run on a small
# source tree that has one for each; and checkers that die or look at nothing
# have failed.

set -uo pipefail
static=$(cd "$(dirname "$0")" && pwd)
. "$static/lib.sh"

number=0
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
unset STATIC_RUN

mkdir -p "$tree"/{kmod,uapi/linux,bpf,tools/planted,selftests/static,Documentation}
cp -a "$vm" "$tree/selftests/"
cp -a "$static"/{checkers,run,lib.sh,except,compile-flags,*.cfg,*.yaml} \
	"$tree/selftests/static/"

echo 'obj-m += kmod/' >"$tree/Kbuild"
echo 'obj-m := vmfork.o
vmfork-y := planted.o' >"$tree/kmod/Kbuild"
cat >"$tree/kmod/planted.c" <<'END'
// SPDX-License-Identifier: GPL-2.0-only
/*
 * Teh errors of a kernel module.
 */
#include <linux/module.h>
#include <linux/slab.h>

/**
 * planted() - kernel-doc that is not whole
 * @user: is said
 */
static int planted(int __user *user, void *size)
{
	int unused, *null = NULL;

	unused = 1;
	if (user)
		return *user;
	if (size)
		kfree(size);
	if(null == size)
		return *null;
	return 0;
}

static int __init planted_init(void)
{
	return planted((int __user *)NULL, NULL);
}

module_init(planted_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Errors");
END
cat >"$tree/uapi/linux/planted.h" <<'END'
/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
struct planted {
	unsigned char one;
	unsigned long long two;
};
END
cat >"$tree/uapi/linux/planted_alone.h" <<'END'
/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
struct planted_alone {
	__u64 one;
};
END
cat >"$tree/tools/planted/Makefile" <<'END'
all: $(O)/planted
$(O)/planted: planted.c
	$(CC) -Wall -Wextra -o $@ $<
END
cat >"$tree/tools/planted/planted.c" <<'END'
// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

int main(int argc, char **argv)
{
	char room[4], *twice = malloc(1);
	int *null = NULL;

	(void)argv;
	if (argc == 2 || argc == 2)
		room[4] = 1;
	if (argc == 3)
		return *null;
	free(twice);
	free(twice);
	return 0;
}
END
cat >"$tree/selftests/planted" <<'END'
#!/bin/sh
rm $1
END
cat >"$tree/Documentation/planted.rst" <<'END'
=======
Planted errors
=======

See ``kmod/gone.c``.
END
cp "$tree/Documentation/planted.rst" "$tree/README.md"
cp "$tree/tools/planted/Makefile" "$tree/Makefile"
for name in nothing dies; do
	printf '#!/bin/sh\n%s\n' "[ $name = dies ] || echo checked 0" \
		"[ $name != dies ] || exit 3" \
		>"$tree/selftests/static/checkers/$name"
	chmod +x "$tree/selftests/static/checkers/$name"
done

mapfile -t names < <(cd "$static/checkers" && printf '%s\n' *)
KERNELS=6.12 O=$work/build "$tree/selftests/static/run" "${names[@]}" \
	nothing dies >"$work/out" 2>"$work/err" </dev/null
code=$?

report()
{
	number=$((number + 1))
	echo "$1 $number $2"
	[ "$1" = ok ] || status=1
}

# found CHECKER EXPRESSION...: it failed, and for each of them it has a finding
found()
{
	local name=$1 left=$work/build/logs/static/$1.left expression result=ok
	shift

	grep -q "^not ok [0-9]* $name #" "$work/out" || result='not ok'
	for expression; do
		grep -qE -- "$expression" "$left" && continue
		result='not ok'
		echo "# nothing like $expression in:"
		sed 's/^/#   /' "$left" "${left%.left}.err"
	done
	report "$result" "$name"
}

echo "TAP version 13"
echo "1..$((${#names[@]} + 3))"

found checkpatch '^kmod/planted\.c:[0-9]+: ERROR:SPACING: space required before'
found clang '^tools/planted/planted\.c:[0-9:]* .*\[core\.NullDereference\]' \
	'^tools/planted/planted\.c:.*free released memory'
found clang-module '^kmod/planted\.c:.*\[core\.NullDereference\]'
found clang-tidy '^tools/planted/planted\.c:.*\[misc-redundant-expression\]'
found coccinelle '^kmod/planted\.c:[0-9]+: .*NULL check before .*\[ifnullfree'
found codespell '^kmod/planted\.c:[0-9]+: Teh ==> The'
found cppcheck '^tools/planted/planted\.c:.*\[arrayIndexOutOfBounds\]' \
	'^kmod/planted\.c:.*\[nullPointer'
found gcc '^tools/planted/planted\.c:.*double-.free'
found kernel-doc "^kmod/planted\.c:.*'size' not described in 'planted'" \
	"^kmod/planted\.c:.*return value of 'planted'"
found rst '^Documentation/planted\.rst:[0-9]+: .*overline too short' \
	'^Documentation/planted\.rst:5: there is no kmod/gone\.c'
found shellcheck '^selftests/planted:2:.*\[SC2086\]'
found sparse '^kmod/planted\.c:.*dereference of noderef expression'
found uapi-headers '^uapi/linux/planted\.h:.*padding' \
	'^uapi/linux/planted_alone\.h:.*gcc.*__u64' \
	'^uapi/linux/planted_alone\.h:.*clang\+\+.*__u64'
found warnings '^kmod/planted\.c:.*\[-Wunused-but-set-variable\]' \
	'^tools/planted/planted\.c:1: compiled without -Werror'
[ $number = ${#names[@]} ] && result=ok || result='not ok'
report "$result" "no checker was forgotten here"

if grep -q '^not ok [0-9]* nothing # it checked nothing' "$work/out" &&
   grep -q '^not ok [0-9]* dies # exit status 3' "$work/out"; then
	report ok "checkers that check nothing, or die, have failed"
else
	sed 's/^/# /' "$work/out" "$work/err"
	report "not ok" "checkers that check nothing, or die, have failed"
fi
[ $code = 1 ] && result=ok || result='not ok'
report "$result" "and so has the run"

exit $status
