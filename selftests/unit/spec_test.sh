#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the netlink specification agree with the kernel's schema, with the uapi
# header, which the kernel's own generator makes of it, and with the module?

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
spec=Documentation/netlink/specs/vmfork.yaml
header=uapi/linux/vmfork_netlink.h
source=$("$top/selftests/vm/kselftest-source")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nr=0
failed=0

# check NAME COMMAND...
check()
{
	local name=$1

	shift
	nr=$((nr + 1))
	if "$@"; then
		echo "ok $nr $name"
	else
		echo "not ok $nr $name"
		failed=1
	fi
}

# The generator wants to find itself in a kernel tree.
tree()
{
	mkdir -p "$work/Documentation/netlink/specs"
	cp "$source"/Documentation/netlink/genetlink*.yaml \
		"$work/Documentation/netlink/"
	cp "$1" "$work/$spec"
	touch "$work/MAINTAINERS"
}

valid()
{
	tree "$1"
	python3 - "$work/Documentation/netlink/genetlink.yaml" "$work/$spec" <<-'PY'
	import sys
	import jsonschema
	import yaml

	schema, spec = (yaml.safe_load(open(path)) for path in sys.argv[1:])
	try:
	    jsonschema.validate(spec, schema)
	except jsonschema.ValidationError as error:
	    print(f'# {error.message}')
	    sys.exit(1)
	PY
}

generated()
{
	tree "$1"
	timeout 60 python3 "$source/tools/net/ynl/ynl-gen-c.py" --mode uapi \
		--header --spec "$work/$spec"
}

same_header()
{
	diff -u "$top/$header" <(generated "$1") | sed 's/^/# /'
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

# What a request may have is in a policy, what an answer may have is put there.
module_agrees()
{
	python3 - "$top" "$1" <<-'PY'
	import pathlib
	import re
	import sys
	import yaml

	top = pathlib.Path(sys.argv[1])
	spec = yaml.safe_load(open(sys.argv[2]))
	code = ''.join(path.read_text() for path in sorted(top.glob('kmod/*.c')))
	wrong = 0

	def symbol(space, attribute):
	    return f'VMFORK_A_{space}_{attribute}'.upper().replace('-', '_')

	def want(pattern, what):
	    global wrong
	    if not re.search(pattern, code):
	        print(f'# the module has no {what}')
	        wrong = 1

	for op in spec['operations']['list']:
	    space, command = op['attribute-set'], op['name'].upper().replace('-', '_')
	    want(rf'\bVMFORK_CMD_{command}\b', command)
	    for kind in 'do', 'dump':
	        for name in op.get(kind, {}).get('request', {}).get('attributes', []):
	            want(rf'\[{symbol(space, name)}\] = ', f'policy for {space} {name}')
	        for name in op.get(kind, {}).get('reply', {}).get('attributes', []):
	            want(rf'{symbol(space, name)}\b[^\]]', f'{space} {name}')
	    for name in op.get('event', {}).get('attributes', []):
	        want(rf'\b{symbol(space, name)}\b', f'{space} {name}')
	sys.exit(wrong)
	PY
}

# A test that can not fail is none.
refuses()
{
	local test=$1 change=$2

	sed "$change" "$top/$spec" >"$work/wrong.yaml"
	! cmp -s "$top/$spec" "$work/wrong.yaml" &&
		! "$test" "$work/wrong.yaml" >"$work/said" 2>&1 &&
		[ -s "$work/said" ]
}

echo "TAP version 13"
echo "1..6"
check "the specification is valid" valid "$top/$spec"
check "an invalid one is not" refuses valid 's/type: flag/type: flog/'
check "the header is what is generated from it" same_header "$top/$spec"
check "another one is not" refuses same_header 's/name: memory-alone/name: alone/'
check "the module agrees with it" module_agrees "$top/$spec"
check "with another it does not" refuses module_agrees 's/- memory-alone/- alone/'
exit $failed
