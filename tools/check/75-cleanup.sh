#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever way a program ends, the machine is as it was: huge page pool, loop
# and zram devices, mounts, files.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$BUILD/selftests/pin_accounting

if [ "$(id -u)" -ne 0 ]; then
	skip "the machine is restored" "needs root, as nothing of it is changed without"
	done_testing
fi

# The test files of the programs are to be on a file system with O_DIRECT.
scratch=$(mktemp -d "$TOP/.pin-cleanup.XXXXXX")
export TMPDIR=$scratch
cleanup() {
	rm -rf "$scratch"
}

machine() {
	losetup -l -n -O NAME,BACK-FILE
	ls -d /sys/block/zram* 2>/dev/null
	grep -c . /proc/self/mounts
	grep pin-scratch /proc/self/mounts
	cat /proc/sys/vm/nr_hugepages
	cat /sys/kernel/mm/hugepages/*/nr_hugepages
	find "$scratch" -mindepth 1
}

settled() {
	for _ in $(seq 100); do
		[ "$(machine)" = "$before" ] && return
		sleep 0.1
	done
	return 1
}

# ended SIGNAL DELAY PROGRAM WANTED: the exit status, then the machine.
ended() {
	local status

	"$programs/$3" >"$TMP/out" 2>&1 &
	sleep "$2"
	kill -s "$1" $!
	wait $! 2>/dev/null
	status=$?
	check_equal "$3: exit status after SIG$1 at $2 s" "$4" "$status"
	if settled; then
		ok "$3: nothing is left after SIG$1 at $2 s"
	else
		not_ok "$3: nothing is left after SIG$1 at $2 s" \
			"$(diff <(echo "$before") <(machine))"
	fi
	if [ "$1" != KILL ]; then
		check "$3: the account is closed after SIG$1 at $2 s" \
			grep -q '^ok .* account.total' "$TMP/out"
	fi
}

before=$(machine)
for program in matrix_test dio_target_test inflight_test; do
	ended INT 0.5 "$program" 130
	ended TERM 0.8 "$program" 130
	for delay in 0.2 0.5 0.9; do
		ended KILL "$delay" "$program" 137
	done
done
done_testing
