#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinstress: sound runs balance, each fault is found and blamed on who did it,
# noise is no failure, a killed run goes on. Short: see results/ for long ones.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinstress=$BUILD/bin/pinstress
out=$TMP/out
rc=0
# tmpfs has no direct I/O that pins.
work=$(mktemp -d "$TOP/.pin-stress.XXXXXX")
export TMPDIR=$work PINSTRESS_JOBS=$TMP
children=()
cleanup() {
	[ ${#children[@]} -eq 0 ] || kill -KILL "${children[@]}" 2>/dev/null
	rm -rf "$work"
}

run() {
	"$@" >"$out" 2>&1 </dev/null
	rc=$?
}

# said STATUS REGEX: what run() ran ended with that status and said that.
said() {
	if [ "$rc" -eq "$1" ] && grep -qE -- "$2" "$out"; then
		return 0
	fi
	echo "exit status $rc, not $1, or no line matches: $2"
	tail -n 40 "$out"
	return 1
}

# What a busy machine hides is no failure.
judged() {
	if [ "$rc" -eq 4 ]; then
		skip "$1" "$(tail -n 1 "$out")"
	else
		check "$@"
	fi
}

check usage.help "$pinstress" --help
while IFS='|' read -r name args; do
	# shellcheck disable=SC2086
	run "$pinstress" $args
	check "usage.$name" said 2 'pinstress: .'
done <<'EOT'
consumers.unknown|--consumers nonsense
memory.unknown|--memory anon,nonsense
chaos.unknown|--chaos nonsense
duration.zero|--duration 0
duration.junk|--duration 10x
operations.negative|--operations -1
jobs.zero|--jobs 0
pages.reversed|--pages 8-2
numa.missing|--numa 1000
on-fail.unknown|--on-fail nonsense
replay.missing|--replay /nonexistent
replay.with-job|--replay /nonexistent --seed 3
resume.missing|--resume /nonexistent
resume.with-job|--resume /nonexistent --duration 5s
results.impossible|--results /proc/nonexistent --duration 1s
option.unknown|--nonsense
EOT

run "$pinstress" --duration 10ms
if [ "$rc" -eq 4 ] && ! grep -q INCONCLUSIVE "$out"; then
	skip pinstress "$(tail -n 1 "$out")"
	done_testing
fi
run "$pinstress" --list
check list said 0 '^consumer +process_vm_readv '
check list.memory said 0 '^memory +anon '
check list.chaos said 0 '^chaos +munmap +memory: '
consumers=$(grep -c PIN_CONSUMER selftests/consumers/registry.h)
check list.readme grep -q "| $consumers consumers x " README.md
if have jq; then
	check list.table diff results/consumers.md <(tools/consumers.sh)
else
	skip list.table "no jq"
fi
run "$pinstress" --consumers process_vm_readv,process_vm_writev --memory anon --jobs 1 --operations 1
judged idle said 0 'never at work, and not judged: process_vm_(readv|writev)$'
# A worker has what the probe found, and a FUSE server for a child.
run "$pinstress" --consumers 'fuse_*,dio_read' --memory anon --operations 200
if grep -q 'fuse_read left out' "$out"; then
	skip served "$(grep -m1 'fuse_read left out' "$out")"
else
	judged served said 0 '^fuse_read +[1-9]'
fi
while read -r name; do
	run "$pinstress" --chaos "$name" --duration 100ms --consumers process_vm_readv
	judged "chaos.$name" said 0 "^# chaos $name left out: .+|chaos: $name\$"
done <<'EOT'
exec
fail
offline
EOT

# Sound runs.

slow=0
[ "$(id -u)" -eq 0 ] || slow=1
run "$pinstress" --duration 2s --checkpoint 400ms
judged sound said 0 '^BALANCED: '
judged sound.held said 0 'checkpoint .* (exact|bounded): .* [1-9][0-9]* held'
# All chaos but what others on this machine would feel. All of it, in a guest: 88-suite-vm.
run "$pinstress" --duration 30s --checkpoint 3s --jobs 3 --seed $RANDOM \
	--chaos dontneed,exec,free,pageout,collapse,fork,kill,ksm,memcg,move_pages,mprotect,mremap,munmap,signal,split,stop,swap
judged sound.chaos said 0 '^BALANCED: '
judged sound.chaos.killed said 0 '^[1-9][0-9]* workers were killed'
judged sound.chaos.disturbed said 0 ' [1-9][0-9]* disturbed'

# sequence OPTIONS...: what the workers did.
sequence() {
	"$pinstress" --operations 600 --json --checkpoint 200ms "$@" |
		sed -n 's/^{"type":"end".*"sequences"://p'
}
first=$(sequence --seed 5)
check sequence.any test -n "$first"
check_equal sequence.same-seed "$first" "$(sequence --seed 5)"
check sequence.other-seed test "$first" != "$(sequence --seed 6)"
run "$pinstress" --operations 200 --json
if have jq; then
	check json.valid jq -es 'map(.type) | index("start") < index("checkpoint") and last == "end"' "$out"
else
	skip json.valid "no jq"
fi

# Faults.

cc=${CC:-cc}
# shellcheck disable=SC2086
for shim in vmstat_shim leak_shim; do
	check "build.$shim" $cc -O2 -shared -fPIC -o "$TMP/$shim.so" "tools/check/$shim.c" -ldl
done
# shellcheck disable=SC2086
check build.pin_holder $cc -O2 -o "$TMP/pin_holder" tools/check/pin_holder.c
short=("$pinstress" --consumers 'process_vm_*' --memory 'anon,memfd' --duration 2s
       --checkpoint 300ms --drain 500ms --no-narrow)
run env LD_PRELOAD="$TMP/vmstat_shim.so" "${short[@]}"
judged fault.none said 0 '^BALANCED'
if [ "$slow" -eq 0 ]; then
	while IFS='|' read -r fault regex; do
		run env LD_PRELOAD="$TMP/vmstat_shim.so" PIN_SHIM="$fault" \
			PIN_SHIM_AFTER=20000 "${short[@]}"
		judged "fault.$fault" said 1 "$regex"
	done <<'EOT'
released|: 1 not released$
acquired|: 1 released too often or not counted as acquired$
node|^#   the nodes lack \+1 acquired
kmsg-warn|^#   the kernel log has
kmsg-lost|records were lost
EOT
	run env LD_PRELOAD="$TMP/vmstat_shim.so" PIN_SHIM=released PIN_SHIM_AFTER=20000 "${short[@]}"
	judged fault.named said 1 'at work in this interval: process_vm_readv [0-9]+, process_vm_writev [0-9]+$'
	run env LD_PRELOAD="$TMP/vmstat_shim.so" PIN_SHIM=released PIN_SHIM_AFTER=20000 \
		"${short[@]}" --on-fail continue
	judged fault.once said 1 '^NOT BALANCED: 1 of [0-9]+ checkpoints failed'
	run env LD_PRELOAD="$TMP/vmstat_shim.so" PIN_SHIM=released PIN_SHIM_AFTER=20000 \
		"${short[@]}" --on-fail "exec:echo number \$PINSTRESS_CHECKPOINT"
	judged fault.exec said 1 '^number [0-9]+$'

	# A consumer that does leak, among others, found and narrowed down.
	run env LD_PRELOAD="$TMP/leak_shim.so" PIN_LEAK_EVERY=50 \
		"$pinstress" --consumers 'process_vm_*,uring_buffers' \
		--memory anon,memfd --duration 5s --checkpoint 500ms --drain 200ms
	judged leak.found said 1 'VmPin|not released'
	judged leak.narrowed said 1 'smallest set that fails.*--consumers process_vm_readv --memory [a-z]+ '
	if [ "$rc" -eq 1 ]; then
		run env LD_PRELOAD="$TMP/leak_shim.so" PIN_LEAK_EVERY=50 \
			"$pinstress" --replay "$TMP/reproduce.job" --no-narrow --drain 200ms
		judged leak.replay said 1 '^NOT BALANCED'
		run "$pinstress" --replay "$TMP/reproduce.job"
		judged leak.replay.cured said 0 '^BALANCED'
	fi
	# What the workers themselves hold is no sign of another program.
	run env LD_PRELOAD="$TMP/leak_shim.so" PIN_LEAK_EVERY=50 \
		"$pinstress" --consumers process_vm_readv,xdp_umem --memory anon \
		--duration 3s --checkpoint 500ms --drain 200ms --no-narrow
	if grep -q 'AF_XDP sockets' "$out"; then
		check leak.beside_xdp said 1 'not released'
	else
		judged leak.beside_xdp said 1 'not released'
	fi
else
	skip fault "needs root, as the counters are read exactly only then"
fi

# Somebody else's pins are no failure.

(sleep 0.7; "$TMP/pin_holder" 40 1 >/dev/null 2>&1; "$TMP/pin_holder" 7 0 >/dev/null 2>&1) &
children+=($!)
run "$pinstress" --consumers 'process_vm_*,uring_buffers' --duration 3s --checkpoint 400ms
wait
children=()
[ "$rc" -eq 4 ] || check noise.no-failure said 0 '^BALANCED'
check noise.seen said "$rc" 'inconclusive: '

# The record, and what becomes of it when the run is ended.

# Once it runs, however slow the machine is.
"$pinstress" --duration 60s --checkpoint 200ms >"$out" 2>&1 &
children+=($!)
for _ in $(seq 200); do
	! grep -q '^checkpoint 2' "$out" || break
	sleep 0.1
done
kill -INT "${children[0]}"
wait "${children[0]}"
rc=$?
children=()
judged signal.verdict said 0 '^BALANCED: .*\(interrupted\)$'

soak=("$pinstress" --consumers 'process_vm_*,uring_buffers' --duration 3s --checkpoint 50ms
      --log-size 8 --quiet)
"${soak[@]}" --results "$work/soak" >"$out" 2>&1 &
children+=($!)
for _ in $(seq 200); do
	[ ! -e "$work/soak/checkpoints-000001.jsonl" ] || break
	sleep 0.05
done
kill -KILL "${children[0]}"
wait "${children[0]}" 2>/dev/null
children=()
check killed.recorded grep -q '"type":"checkpoint"' "$work/soak/checkpoints-000001.jsonl"
printf '{"type":"check' >>"$work/soak/checkpoints.jsonl"
run "${soak[@]}" --results "$work/soak"
check results.not-twice said 2 'has a run already'
run "$pinstress" --resume "$work/soak" --log-size 8
judged resume said 0 '^BALANCED'
check resume.unknown grep -q 'was not judged' "$out"
run "$pinstress" --resume "$work/soak"
check resume.over said 2 'nothing to resume'
run "$PINREPORT" "$work/soak"
judged resume.report said 0 'pinstress on .*: BALANCED: '
if have jq; then
	# shellcheck disable=SC2016
	# Numbered from 1 on without a gap, over all files, whatever was cut off.
	check resume.whole jq -es '[.[] | select(.type == "checkpoint") | .n] as $n |
		$n == [range(1; $n[-1] + 1)]' "$work"/soak/checkpoints-*.jsonl "$work/soak/checkpoints.jsonl"
else
	skip resume.whole "no jq"
fi
sed -i 's/"kernel":"[^"]*"/"kernel":"1.2.3"/; /"type":"end"/d' "$work"/soak/checkpoints*.jsonl
sed -i 's/--duration 3s/--duration 100s/' "$work/soak/job"
run "$pinstress" --resume "$work/soak"
check resume.other-kernel said 2 'is a run on Linux 1\.2\.3'

if [ "$slow" -eq 0 ] && unshare -m true 2>/dev/null; then
	mkdir "$work/full"
	# shellcheck disable=SC2016
	run unshare -m sh -c 'mount -t tmpfs -o size=16k none "$0" && "$@" --results "$0/x"; rc=$?
		tail -c 1 "$0/x/checkpoints.jsonl" | od -An -c; exit $rc' "$work/full" "${soak[@]}"
	check full-disk said 2 'No space left on device'
	check full-disk.whole-lines grep -q '\\n' "$out"
else
	skip full-disk "no permission for a mount namespace"
fi
run sh -c "'$pinstress' --duration 200ms >/dev/full"
check full-output said 2 'cannot be written'

done_testing
