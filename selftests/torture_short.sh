#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A minute of torture with a seed that is always the same; "make torture" has
# the rest.
cd "$(dirname "$0")" || exit 1
if [ ! -e /dev/vmfork ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP vmfork.ko is not loaded"
	exit 4
fi
exec torture/torture -k -s "${VMFORK_TEST_SEED:-1}" \
	-t "${VMFORK_TEST_SECONDS:-60}"
