#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Debian packages, and DKMS: built from a copy of the source, looked at by
# lintian, installed, used and purged on a copy of this machine, which nothing
# leaves: an overlay over its root, in namespaces of its own.  DKMS builds the
# module there for the kernels of the test VM.
#
# Wants root, and what selftests/vm/packages-deb lists.

set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
vm=$top/selftests/vm
O=$(realpath -m "${O:-$top/build}")
VMFORK_CACHE=${VMFORK_CACHE:-$O/cache}
export O VMFORK_CACHE

skip() { printf "1..1\nok 1 packages # SKIP %s\n" "$*"; exit 0; }

[ "$(id -u)" = 0 ] || skip "not root"
for program in dpkg-buildpackage dh lintian dkms fakeroot; do
	command -v $program >/dev/null || skip "$program is not installed"
done
unshare -m -p -f sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w &&
	mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w none /mnt' \
	2>/dev/null || skip "no overlay file system here"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
log=$work/log
: >"$log"

# shellcheck source=selftests/vm/report.sh
. "$top/selftests/vm/report.sh"

version=$(sed -n 's/^VERSION := //p' "$top/tools/version.mk")
kernels=()
for kernel in ${KERNELS:-6.1 6.12}; do
	kernels+=("$(basename "$(readlink "$("$vm/kernel" "$kernel")/modules")")")
done

echo "TAP version 13"
echo "1..$((10 + 2 * ${#kernels[@]}))"

# --- packages ----------------------------------------------------------------

O=$work "$top/tools/install/deb" >"$log" 2>&1
report $? build "$log"
debs=$work/deb

# Not even a hint; but it may be told that we are root.
lintian --allow-root -I --fail-on error,warning,info "$debs"/*.changes \
	>"$log" 2>&1 && [ ! -s "$log" ]
report $? lintian "$log"

# contents PACKAGE: the files in it
contents()
{
	dpkg-deb --fsys-tarfile "$debs/$1"_*.deb | tar t | sed -n 's/^\.//; /[^/]$/p' |
		LC_ALL=C sort
}

has() # PACKAGE FILE...
{
	local package=$1 file

	shift
	contents "$package" >"$work/contents"
	for file; do
		grep -qx -e "$file" "$work/contents" && continue
		echo "$package has no $file" >>"$log"
		return 1
	done
}

: >"$log"
pages=()
for page in "$top"/Documentation/man/*.1.rst; do
	pages+=("/usr/share/man/man1/$(basename "$page" .rst).gz")
done
sources=()
while read -r file; do
	sources+=("/usr/src/vmfork-$version/$file")
done < <(cd "$top" && find Kbuild kmod uapi -name '*.[ch]' ! -name '*.mod.c' -o \
	-name Kbuild)
has vmfork /usr/bin/vmfork "${pages[@]}" /lib/udev/rules.d/60-vmfork.rules \
	/lib/systemd/system/run-vmfork.mount \
	/usr/lib/modules-load.d/vmfork.conf \
	/usr/share/bash-completion/completions/vmfork &&
	has vmfork-dkms "${sources[@]}" "/usr/src/vmfork-$version/dkms.conf" &&
	has libvmfork0 '/usr/lib/.*/libvmfork.so.0' &&
	has libvmfork-dev /usr/include/vmfork.h /usr/include/linux/vmfork.h \
		/usr/include/linux/vmfork_netlink.h \
		'/usr/lib/.*/libvmfork.a' '/usr/lib/.*/libvmfork.so' \
		'/usr/lib/.*/pkgconfig/libvmfork.pc'
report $? contents "$log"

# A package is built where all is installed that it needs, and much more.
: >"$log"
status=1
sed -n '/^Build-Depends:/,/^[^ B]/p' "$top/debian/control" >"$work/depends"
while read -r module; do
	status=0
	file=$(pkg-config --variable=pcfiledir "$module")/$module.pc
	package=$(dpkg -S "$file" 2>/dev/null | sed 's/:.*//')
	if [ -z "$package" ] || ! grep -q " $package,*\$" "$work/depends"; then
		echo "Build-Depends has no $package, for $module" >>"$log"
	fi
done < <(sed -n 's/^packages := //p' "$top/tools/vmfork/Makefile" | xargs -n 1)
[ $status = 0 ] && [ ! -s "$log" ]
report $? build_depends "$log"

# --- on a copy of this machine -----------------------------------------------

cat >"$work/job" <<'END'
set -eu
step() { echo "### $1"; }
# set -e does not see the failure of a command behind "!".
fails() { if "$@"; then return 1; fi; }

cd "$work"
# What is not as on this machine, but for caches, logs and DKMS's own key
changes()
{
	find upper ! -type d | LC_ALL=C sort | grep -v -e '^upper/tmp/' \
		-e '^upper/var/\(log\|cache\|lib/dpkg\)/' \
		-e '^upper/etc/ld.so.cache$' -e '^upper/var/lib/dkms/mok[.]'
}
# No service of this machine is meant.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
# What is there after a purge of another module as well
dkms status >/dev/null
changes >before

step install
dpkg -i deb/vmfork_*.deb deb/libvmfork0_*.deb deb/libvmfork-dev_*.deb \
	deb/vmfork-dkms_*.deb
dpkg -V vmfork libvmfork0 libvmfork-dev vmfork-dkms

step use
[ "$(vmfork --version)" = "vmfork $version" ]
man -l --warnings /usr/share/man/man1/vmfork.1.gz >/dev/null
vmfork doctor >doctor || [ $? != 2 ]
grep -q '^This machine' doctor
cc -D_GNU_SOURCE -Wall -Werror -o consumer "$top/tools/lib/test/consumer.c" \
	$(pkg-config --cflags --libs libvmfork)
ldd consumer | grep -q '/libvmfork.so.0 '
./consumer
bash -c '. /usr/share/bash-completion/completions/vmfork && complete -p vmfork'

for release in $releases; do
	step "deb_$release"
	mkdir -p "/lib/modules/$release"
	ln -sfn "$cache/kernel/$release/headers" "/lib/modules/$release/build"
	dkms install -m vmfork -v "$version" -k "$release"
	modinfo -F vermagic "/lib/modules/$release/updates/dkms/vmfork.ko" |
		grep "^$release "
	modinfo -k "$release" -F version vmfork | grep -x "$version"
done

step purge
dpkg -P vmfork-dkms libvmfork-dev vmfork libvmfork0
[ -z "$(dkms status -m vmfork)" ]
fails modinfo -k "$release" vmfork
rm -rf /lib/modules
changes >after
diff before after

for release in $releases; do
	step "dkms_$release"
	mkdir -p "/lib/modules/$release"
	ln -sfn "$cache/kernel/$release/headers" "/lib/modules/$release/build"
	make -s -C "$top" dkms-install KVER="$release"
	dkms status -m vmfork -v "$version" -k "$release" | grep ': installed'
	modinfo -k "$release" -F version vmfork | grep -x "$version"
done

step dkms_untested_kernel
mkdir -p /lib/modules/6.99.0-fake
ln -sfn "/lib/modules/$release/build" /lib/modules/6.99.0-fake/build
fails dkms install -m vmfork -v "$version" -k 6.99.0-fake
[ ! -e /lib/modules/6.99.0-fake/updates/dkms/vmfork.ko ]

step dkms_uninstall
make -s -C "$top" dkms-uninstall
[ -z "$(dkms status -m vmfork)" ]
[ ! -e "/usr/src/vmfork-$version" ]
fails modinfo -k "$release" vmfork
rm -rf /lib/modules

step make_install
make -s -C "$top" O="$built" install-tools
/usr/local/bin/vmfork --version
ldconfig -p | grep -q /usr/local/lib/libvmfork.so.0
make -s -C "$top" O="$built" uninstall
[ ! -e /usr/local/bin/vmfork ]
changes >after
diff before after

step end
END

# Its root is ours, below a file system in memory; the kernels' headers, and
# the source, are where they are here.
cat >"$work/enter" <<'END'
set -e
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none \
	/mnt/root
for dir in "$cache" "$top" "$built" "$work"; do
	mkdir -p "/mnt/root$dir"
	mount --rbind "$dir" "/mnt/root$dir"
done
mkdir "$work/upper"
mount --bind /mnt/upper "/mnt/root$work/upper"
mount -t proc none /mnt/root/proc
mount --rbind /dev /mnt/root/dev
exec chroot /mnt/root env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive cache="$cache" top="$top" work="$work" \
	version="$version" releases="$releases" built="$built" bash -x "$work/job"
END
cache=$(realpath "$VMFORK_CACHE") releases=${kernels[*]}
export cache top work version releases built=$O
nice unshare -m -p -f --kill-child \
	bash "$work/enter" >"$work/done" 2>&1 </dev/null

# Each step is done if the next one has begun.
steps=(install use)
for release in "${kernels[@]}"; do steps+=("deb_$release"); done
steps+=(purge)
for release in "${kernels[@]}"; do steps+=("dkms_$release"); done
steps+=(dkms_untested_kernel dkms_uninstall make_install)
for ((i = 0; i < ${#steps[@]}; i++)); do
	sed -n "/^### ${steps[i]}\$/,\$p" "$work/done" >"$log"
	grep -qx "### ${steps[i + 1]:-end}" "$log"
	report $? "${steps[i]}" "$log"
done

exit $failed
