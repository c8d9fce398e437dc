#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Without root: what can run does and is judged, the rest says why not.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

# Where anybody can reach them, whatever the clone's permissions.
chmod 755 "$TMP"
mkdir -m 1777 "$TMP/work"
cp "$BUILD"/selftests/pin_accounting/*_test "$TMP/"

as_user() {
	local cmd=(env -C "$TMP/work" PIN_RESULTS= "$@")

	[ "$(id -u)" -ne 0 ] ||
		cmd=(setpriv --reuid=65534 --regid=65534 --clear-groups "${cmd[@]}")
	"${cmd[@]}"
}

# run PROGRAM LEAST [PATTERN...]: nothing fails, at least so many tests pass.
run() {
	local program=$1 least=$2 output status passed bare

	shift 2
	output=$(as_user env -u PIN_RESULTS "$TMP/$program" "$@" 2>&1)
	status=$?
	passed=$(echo "$output" | grep '^ok' | grep -vc '# SKIP')
	bare=$(echo "$output" | grep -cE '# SKIP *$')
	if [ "$status" -eq 0 ] && [ "$passed" -ge "$least" ] && [ "$bare" -eq 0 ] &&
	   ! echo "$output" | grep -qE '^not ok|inconclusive'; then
		ok "$program: $passed tests pass, each skip has a reason"
	else
		not_ok "$program: no failure, at least $least passes" \
			"exit status $status, $passed passed, $bare skips without a reason
$(echo "$output" | grep -v '^ok' | tail -n 40)"
	fi
}

run counters_test 5
run control_test 18
run bad_input_test 20
run fork_test 7
run data_test 15
run rlimit_test 2
run matrix_test 80 'dio_*' 'process_vm_*' 'uring_buffers.*'

# The sum over many tests must be able to fail as well.
"${CC:-cc}" -shared -fPIC -o "$TMP/shim.so" tools/check/vmstat_shim.c -ldl
# The shim takes what others still have in flight when it is loaded for its own.
for _ in 1 2 3; do
	output=$(as_user env -u PIN_RESULTS LD_PRELOAD="$TMP/shim.so" PIN_SHIM=released \
		PIN_SHIM_AFTER=40 "$TMP/bad_input_test" 2>&1)
	seen=$(echo "$output" | grep -cE '^(not ok|ok .* account.total # SKIP inconclusive)')
	[ "$seen" -eq 0 ] || break
done
check_equal "a hidden release does not pass without root either" "1" "$seen"
done_testing
