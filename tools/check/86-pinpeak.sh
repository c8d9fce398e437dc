#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinpeak: figures that can be, in balance at the end, and a kernel that miscounts
# is noticed all the same.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinpeak=$BUILD/bin/pinpeak
out=$TMP/out

check usage.help "$pinpeak" --help
while IFS='|' read -r name args; do
	# shellcheck disable=SC2086
	says "usage.$name" 2 'pinpeak: .' "$pinpeak" $args
done <<'EOT'
consumers.unknown|--consumers nonsense
memory.unknown|--memory nonsense
memory.list|--memory anon,thp
pages.zero|--pages 0
pages.junk|--pages 1,x
pages.empty|--pages 1,,2
seconds.zero|--seconds 0
seconds.junk|--duration 10x
rounds.zero|--rounds 0
jobs.negative|--jobs -1
argument|uring_buffers
option.unknown|--nonsense
EOT

says bench.rounds 2 'is 1 or more' tools/bench.py --rounds 0
says bench.option 2 'unrecognized arguments' tools/bench.py --nonsense

loops=("$pinpeak" --consumers 'process_vm_*,uring_buffers,xdp_umem' --pages '1,16'
       --seconds 100ms --rounds 2)
"${loops[@]}" --json >"$out" 2>"$TMP/err" </dev/null
rc=$?
if [ "$rc" -eq 4 ] && ! [ -s "$out" ]; then
	skip pinpeak "$(tail -n 1 "$TMP/err")"
	done_testing
fi
says list 0 '^consumer +process_vm_readv ' "$pinpeak" --list
says list.memory 0 '^memory +anon ' "$pinpeak" --list
if [ "$rc" -eq 4 ]; then
	skip balanced "$(tail -n 1 "$out")"
else
	check_equal balanced 0 "$rc"
fi
if have jq; then
	check json.order jq -es 'map(.type) | first == "start" and last == "end"' "$out"
	check json.loops jq -es 'map(select(.type == "loop")) | length > 0 and
		all(.operations_s.min > 0 and .operations_s.min <= .operations_s.median and
		    .operations_s.median <= .operations_s.max and .pins_counted > 0)' "$out"
	# One process has no more CPU time than time passes; a system call takes some.
	check json.cpu jq -es 'map(select(.type == "loop")) |
		all(.cpu_ns_operation.min > 20 and
		    .cpu_ns_operation.median * .operations_s.median < 1.5e9)' "$out"
	# shellcheck disable=SC2016
	check json.pages jq -es 'map(select(.type == "loop")) | all(.pins_counted as $n |
		(.pages_s.median / .operations_s.median / $n - 1) | fabs < 0.001)' "$out"
	check json.sum jq -es 'last | .measured.acquired >= .foretold.acquired and
		.measured.acquired - .measured.released == .foretold.acquired - .foretold.released' "$out"
else
	skip json "no jq"
fi
says jobs 0 '^process_vm_readv +16 ' "$pinpeak" --consumers process_vm_readv --pages 16 \
	--seconds 50ms --rounds 1 --jobs 2
says memory.refused 4 'uring_buffers refuses that memory' "$pinpeak" --consumers uring_buffers \
	--memory anon_readonly --pages 4 --seconds 10ms
says full-output 2 'cannot be written' sh -c "'$pinpeak' --consumers process_vm_readv \
	--seconds 10ms --pages 1 >/dev/full"

# Killed, nothing is left behind.
mkdir "$TMP/killed"
(TMPDIR=$TMP/killed timeout -s KILL 0.5 "$pinpeak" --consumers process_vm_readv --rounds 1 \
	--seconds 20s >/dev/null; true) 2>/dev/null
for _ in $(seq 50); do
	[ -n "$(ls -A "$TMP/killed")" ] || break
	sleep 0.1
done
check_equal killed.clean "" "$(ls -A "$TMP/killed")"

timeout -s INT 0.5 "$pinpeak" --consumers process_vm_readv --seconds 20s --rounds 1 >"$out" 2>&1
check_equal interrupted 124 $?
check interrupted.said grep -q '^# process_vm_readv, 1 pages: left out: interrupted' "$out"

if [ "$(id -u)" -eq 0 ]; then
	# shellcheck disable=SC2086
	check build.vmstat_shim ${CC:-cc} -O2 -shared -fPIC -o "$TMP/vmstat_shim.so" \
		tools/check/vmstat_shim.c -ldl
	short=("$pinpeak" --consumers process_vm_readv --pages 256 --seconds 50ms --rounds 1)
	says fault.none '0' '^BALANCED: ' env LD_PRELOAD="$TMP/vmstat_shim.so" "${short[@]}"
	says fault.released 1 '^NOT BALANCED: not all is released' \
		env LD_PRELOAD="$TMP/vmstat_shim.so" PIN_SHIM=released PIN_SHIM_AFTER=2000 "${short[@]}"
	says fault.acquired 1 '^NOT BALANCED: fewer pages were acquired' \
		env LD_PRELOAD="$TMP/vmstat_shim.so" PIN_SHIM=acquired PIN_SHIM_AFTER=2000 "${short[@]}"
else
	skip fault "needs root, as the counters are read exactly only then"
fi
done_testing
