#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# faults.sh with a module that has no BTF: then vmfork uses raw tracepoints.
# Under the name X_raw.sh it is the same for X.sh.
#
# The test VM has such a module beside the other one, and that one is loaded
# again in the end.

here=$(cd "$(dirname "$0")" && pwd)
modules=/lib/modules/$(uname -r)

# load FILE: in place of the module that is loaded
load()
{
	local tries=0

	until rmmod vmfork 2>/tmp/rmmod; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || { sed 's/^/# /' /tmp/rmmod; return 1; }
		sleep 0.1
	done
	insmod "$modules/$1"
}

if [ ! -e "$modules/vmfork-nobtf.ko" ] || [ ! -e /sys/kernel/btf/vmfork ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP there are no two modules, with and without BTF"
	exit 4
fi
if ! load vmfork-nobtf.ko || [ -e /sys/kernel/btf/vmfork ]; then
	echo "Bail out! the module without BTF can not be loaded"
	exit 1
fi
"$here/$(basename "$0" _raw.sh).sh" "$@"
status=$?
load vmfork.ko || { echo "Bail out! the module can not be loaded"; exit 1; }
exit $status
