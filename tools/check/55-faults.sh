#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each comparison can fail: a kernel that hides one acquired page, one release,
# one page of one node, or one line of its log makes the run fail, and names
# what is wrong. The kernel is a shim before read(2) and pread(2).
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$BUILD/selftests/pin_accounting

if [ "$(id -u)" -ne 0 ]; then
	skip "injected faults fail the run" "needs root, as the counters are read exactly only then"
	done_testing
fi
check "the shim can be built" "${CC:-cc}" -shared -fPIC -o "$TMP/shim.so" \
	tools/check/vmstat_shim.c -ldl

# Some of each program's tests are enough: once a count is off, each of them waits for it.
declare -A tests=([bad_input_test]='*' [fork_test]='data.*' [uring_test]='iovecs.*')

# with FAULT PROGRAM [OPTION]: the fault comes after the pins of the program's own probes.
with() {
	LD_PRELOAD=$TMP/shim.so PIN_SHIM=$1 PIN_SHIM_AFTER=40 \
		"$programs/$2" "${@:3}" "${tests[$2]}" 2>&1
}

# fails_by FAULT PROGRAM REGEX: exit status 1, and a line that says why.
fails_by() {
	local name="$2 fails when the kernel $4" output status

	output=$(with "$1" "$2")
	status=$?
	if [ "$status" -eq 1 ] && echo "$output" | grep -q '^not ok' &&
	   echo "$output" | grep -qE -- "$3"; then
		ok "$name"
	else
		not_ok "$name" "exit status $status
$output"
	fi
}

for program in "${!tests[@]}"; do
	output=$(with "" "$program")
	check_equal "$program passes when nothing is injected" "0 0" \
		"$? $(echo "$output" | grep -c '^not ok')"
	fails_by acquired "$program" 'once, then not again, -1 pages stayed outstanding' \
		"hides an acquired page"
	fails_by released "$program" 'once, then not again, \+1 pages stayed outstanding' \
		"hides a release"
	fails_by node "$program" 'the nodes add up to' "hides a page of one node"
	fails_by kmsg-warn "$program" 'WARNING: CPU: 0' "logs a WARNING"
	fails_by kmsg-lost "$program" 'kernel log records were lost' \
		"loses lines of its log"
done
check_match "--max-failures skips the others" 'ok .* # SKIP not run: as many tests have failed .*' \
	"$(with acquired bad_input_test --max-failures=1)"
done_testing
