#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The suite with fio beside it, doing direct I/O and churning fixed buffers:
# no test may fail for it. What cannot be judged must be called inconclusive.
# RUNS=20 is what results/ was measured with.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$BUILD/selftests/pin_accounting
runs=${RUNS:-1}

if ! have fio; then
	skip "no false failure beside fio" "fio is not installed"
	done_testing
fi
if [ "$(id -u)" -ne 0 ]; then
	skip "no false failure beside fio" "needs root, as the counters are read exactly only then"
	done_testing
fi
# tmpfs has no direct I/O that pins.
work=$(mktemp -d "$TOP/.pin-noise.XXXXXX")
fio=
cleanup() {
	[ -z "$fio" ] || kill -INT "$fio" 2>/dev/null
	rm -rf "$work"
}

fio --directory="$work" --time_based --runtime=600 --size=8m --direct=1 \
	--name=direct --rw=randrw --bs=64k --ioengine=psync \
	--name=fixed --rw=randread --bs=4k --ioengine=io_uring --fixedbufs=1 \
	--loops=1000000 >"$work/log" 2>&1 &
fio=$!
for _ in $(seq 100); do
	before=$(sed -n 's/^nr_foll_pin_acquired //p' /proc/vmstat)
	sleep 0.1
	[ "$before" != "$(sed -n 's/^nr_foll_pin_acquired //p' /proc/vmstat)" ] && break
done

judged=0
unjudged=0
for run in $(seq "$runs"); do
	for program in "$programs"/*_test; do
		output=$("$program" --quiet-wait 1 2>&1)
		status=$?
		name="run $run: ${program##*/} does not fail beside fio"
		if [ "$status" -eq 0 ] || [ "$status" -eq 4 ]; then
			ok "$name"
		else
			not_ok "$name" "exit status $status
$(echo "$output" | grep -v '^ok' | tail -n 60)"
		fi
		unjudged=$((unjudged + $(echo "$output" | grep -c '# SKIP inconclusive')))
		judged=$((judged + $(echo "$output" | grep '^ok' | grep -vc '# SKIP')))
	done
done
check "fio was at work all the time" kill -0 "$fio"
echo "$unjudged inconclusive, $judged passed between fio's pins" | diag
if [ "$unjudged" -gt 0 ]; then
	ok "what could not be judged is said to be inconclusive"
else
	not_ok "what could not be judged is said to be inconclusive"
fi
done_testing
