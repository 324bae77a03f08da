# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For tests that are bash scripts and need no VM: results as KTAP, counted; their
# exit status is $failed.

n=0
failed=0

# report STATUS NAME [LOG]: the end of that goes with a failure
report()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		# shellcheck disable=SC2034	# those who source this
		failed=1
		[ -z "${3:-}" ] || tail -n 40 "$3" | sed 's/^/# /'
	fi
}
