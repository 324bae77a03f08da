#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Programs of the fuzzer: those that it began with, those that it found to
# reach something that no other does, and, a file for each, those that once
# made something go wrong.

cd "$(dirname "$0")/fuzz" || exit 1
regress=$(echo regress/*.prog)
[ "$regress" != 'regress/*.prog' ] || regress=
exec ./fuzz -k seeds.prog corpus.prog $regress
