#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinstat: verdicts, exit codes, signals, output; and that vmstat_shim.c makes
# the faults that it promises. PINSTAT=PATH names another program.
#
# The counters are the machine's: each run takes the lock of the suite, and one
# that meets foreign pins all the same is repeated.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinstat=${PINSTAT:-$BUILD/bin/pinstat}
lock=${PIN_LOCK:-/run/lock/pin-accounting.lock}
out=$TMP/out
err=$TMP/err
uid=$(id -u)
# Without a flush pinstat looks for 2 s, not 0.2 s, before and after.
slow=0
[ "$uid" -eq 0 ] || slow=6
daemon=

end_daemon() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null
	daemon=
}

cleanup() {
	end_daemon
}

# said STATUS REGEX: what the last run did; shows it if that was not so.
said() {
	[ "$rc" -eq "$1" ] && grep -Eq -- "$2" "$out" "$err" && return
	echo "exit status $rc:"
	cat "$out" "$err"
	return 1
}

alone() {
	if flock -o "$lock" true 2>/dev/null; then
		flock -o "$lock" "$@"
	else
		"$@"
	fi
}

# run CMD...: status in $rc, output in $out and $err.
run() {
	"$@" >"$out" 2>"$err"
	rc=$?
}

# audit CMD...: the same, with the machine to ourselves.
audit() {
	local try

	for try in 1 2 3 4 5; do
		run alone "$@"
		grep -q 'machine busy' "$out" "$err" || return 0
		echo "# foreign pins, try $try"
		sleep 1
	done
}

# shimmed [VARIABLE=VALUE...] CMD...: with the faults of vmstat_shim.c, whose
# baseline is wrong while earlier pins wait to be folded.
shimmed() {
	[ "$slow" -eq 0 ] || sleep 2.2
	audit env LD_PRELOAD="$TMP/shim.so" "$@"
}

# check_quiet NAME CONDITION...: what a busy machine hides is no failure.
check_quiet() {
	if grep -q 'machine busy' "$out" "$err"; then
		skip "$1" "machine busy"
	else
		check "$@"
	fi
}

if ! [ -x "$pinstat" ]; then
	not_ok pinstat.exists "no $pinstat: run make first"
	done_testing
fi
# Where an unprivileged user reaches it as well.
chmod 755 "$TMP"
cp "$pinstat" "$TMP/pinstat" || exit 1
pinstat=$TMP/pinstat

if ! "$pinstat" -c 1 -i 0.01 >"$out" 2>"$err"; then
	skip pinstat "$(head -n 1 "$err")"
	done_testing
fi

cc=${CC:-cc}
if ! $cc -O2 -Wall -Wextra -o "$TMP/pin_holder" "tools/check/pin_holder.c" 2>"$err" ||
   ! $cc -O2 -Wall -Wextra -shared -fPIC -o "$TMP/shim.so" "tools/check/vmstat_shim.c" -ldl 2>"$err"; then
	not_ok pinstat.helpers.build "$(cat "$err")"
	done_testing
fi
"$TMP/pin_holder" 1 0 >/dev/null 2>"$err"
can_hold=$?

# Usage and start: no quiet machine needed.

while IFS='|' read -r name args; do
	# shellcheck disable=SC2086
	run "$pinstat" $args
	check "usage.$name" said 2 'pinstat: .'
done <<'EOF'
interval.zero|-i 0
interval.nan|-i nan
interval.junk|-i 1s
count.zero|-c 0
count.negative|-c -1
option.unknown|--nonsense
no-command|--
drain.negative|-t -1 -- true
drain.without-command|-t 1
interval.with-command|-i 1 -- true
output.impossible|-o /nonexistent/file -- true
by-process.nodes|--by-process -n
EOF

printf '#!/bin/sh\necho "$@"\n' >"$TMP/pintrace"
chmod 755 "$TMP/pintrace"
run env PINTRACE="$TMP/pintrace" "$pinstat" --by-process -i 2 -c 3 --json
check by-process.live said 0 '^--drain 5[.]0* --duration 6[.]0* --json$'
run env PINTRACE="$TMP/pintrace" "$pinstat" --by-process -t 1 -o file -- cmd -i 2
check by-process.command said 0 '^--drain 1[.]0* --output file -- cmd -i 2$'
run env PINTRACE=/nonexistent "$pinstat" --by-process
check by-process.none said 4 'pintrace: No such file.*make'

run "$pinstat" --help
check help said 0 '^Exit status:'
run "$pinstat" -- /nonexistent/command
check command.not-found said 127 'No such file'
run "$pinstat" -- /dev
check command.not-executable said 126 'Permission denied'

# Verdicts.

audit "$pinstat" -- true
check_quiet audit.true said 0 '^BALANCED: the command pinned nothing$'
audit "$pinstat" --json -n -- true
check_quiet audit.true.json said 0 '"verdict":"BALANCED".*"acquired":0,"released":0,.*"nodes":\['
if have jq; then
	check audit.true.json.valid jq -es 'length == 1 and .[0].exit_code == 0' "$out"
else
	skip audit.true.json.valid "no jq"
fi
audit "$pinstat" -o "$TMP/report" -- sh -c 'echo out; echo err >&2'
check_quiet audit.output-file grep -q '^BALANCED' "$TMP/report"
check audit.output-file.only test "$(cat "$out" "$err")" = "out
err"
audit "$pinstat" -- sh -c 'exit 7'
check_quiet audit.failed-command said 0 'status +exit 7'
audit "$pinstat" --status -- sh -c 'exit 7'
check_quiet audit.status.exit said 7 '^BALANCED'
# shellcheck disable=SC2016
audit "$pinstat" --status -- sh -c 'kill -9 $$'
check_quiet audit.status.signal said 137 'killed by signal 9'
audit "$pinstat" -- sh -c 'sleep 5 >/dev/null 2>&1 &'
check_quiet audit.survivor.no-pins said 0 'alive +pid [0-9]+ \(sleep\)'

# What fio leaves to late release is no leak.
fio=(fio --name=x "--filename=$TMP/fio.data" --size=8m --rw=randread
     --direct=1 --ioengine=io_uring --fixedbufs=1 --iodepth=16 --output=/dev/null)
if [ $can_hold -ne 0 ]; then
	skip audit.fio "$(head -n 1 "$err")"
elif ! have fio; then
	skip audit.fio "no fio"
elif ! "${fio[@]}" >"$out" 2>"$err"; then
	skip audit.fio "fio cannot do O_DIRECT with fixed buffers here"
else
	for i in 1 2 3 4 5; do
		audit "$pinstat" -n -- "${fio[@]}"
		check_quiet "audit.fio.$i" said 0 '^BALANCED: [1-9][0-9]* pages acquired and released'
		sed -n 's/^ *lag/# lag/p' "$err"
	done
	check_quiet audit.fio.lag said 0 'lag +(at most )?[0-9.]+ ms'
	check_quiet audit.fio.node said 0 'node [0-9]+ +acquired [0-9]+, released [0-9]+, \+0'
	if [ "$uid" -eq 0 ] && have setpriv; then
		chmod 644 "$TMP/fio.data"
		audit setpriv --reuid=65534 --clear-groups "$pinstat" -- "${fio[@]}"
		check_quiet audit.unprivileged said 0 '^BALANCED: [1-9]'
		check_quiet audit.unprivileged.waited said 0 'no flush permitted: waited'
		audit setpriv --reuid=65534 --clear-groups "$pinstat" -t 1 -- "$TMP/pin_holder" 40 9 daemon
		daemon=$(grep -Ex -m 1 '[0-9]+' "$out")
		check_quiet audit.unprivileged.daemon said 4 "^INCONCLUSIVE: 40 pages .*pid $daemon \(pin_holder\)"
		end_daemon
	fi
	# Under the same lock, or the noise disturbs others.
	# shellcheck disable=SC2016
	run alone sh -c '"$@" --fixedbufs=0 --time_based & sleep 1
		"$0" --quiet-wait 0 -t 0.5 -- true; rc=$?; wait; exit $rc' \
		"$pinstat" "${fio[@]}" --runtime=$((4 + slow))
	check audit.noise said 4 '^INCONCLUSIVE: machine busy, [1-9][0-9]* foreign pins/s before, [1-9]'
fi

if [ $can_hold -eq 0 ]; then
	hold=("$pinstat" -t 1 -- "$TMP/pin_holder" 10 0)

	audit "${hold[@]}"
	check_quiet audit.hold said 0 '^BALANCED: 10 pages'

	audit "$pinstat" -t 0.5 -- "$TMP/pin_holder" 10 9 daemon
	daemon=$(grep -Ex -m 1 '[0-9]+' "$out")
	check_quiet audit.daemon said 4 "^INCONCLUSIVE: 10 pages outstanding.*pid $daemon \(pin_holder\)"
	end_daemon

	shimmed "${hold[@]}"
	check_quiet shim.off said 0 '^BALANCED: 10 pages'
	shimmed PIN_SHIM=released "${hold[@]}"
	check_quiet shim.released said 1 '^LEAK: 1 pages acquired and not released$'
	shimmed PIN_SHIM=released PIN_SHIM_PAGES=3 PIN_SHIM_AFTER=5 "${hold[@]}"
	check_quiet shim.released.pages said 1 '^LEAK: 3 pages acquired and not released$'
	shimmed PIN_SHIM=released PIN_SHIM_AFTER=10 "${hold[@]}"
	check_quiet shim.released.after said 0 '^BALANCED: 10 pages'
	shimmed PIN_SHIM=acquired "${hold[@]}"
	check_quiet shim.acquired said 1 '^OVER-RELEASE: 1 more pages released than acquired$'
	shimmed PIN_SHIM=released "$pinstat" -t 1 --status --json -- \
		sh -c "$TMP/pin_holder 10 0; exit 7"
	check_quiet shim.released.status said 1 '"verdict":"LEAK"'
	shimmed PIN_SHIM=nonsense "$pinstat" -- true
	check shim.unknown said 2 'unknown PIN_SHIM'
	if [ -e /sys/devices/system/node/node0/vmstat ]; then
		shimmed PIN_SHIM=node "${hold[@]}"
		check_quiet shim.node said 1 '^NODE-IMBALANCE: .*node [0-9]+ -1 pages$'
	else
		skip shim.node "no per-node counters"
	fi

	for fault in '' kmsg-warn kmsg-lost; do
		case $fault in
		'') said='^quiet' ;;
		kmsg-warn) said='^4,[0-9]+,[0-9]+,-;WARNING: .* shim$' ;;
		kmsg-lost) said='^lost' ;;
		esac
		shimmed PIN_SHIM=$fault "$TMP/pin_holder" 10 0 kmsg
		if [ "$rc" -eq 77 ]; then
			skip "shim.${fault:-kmsg}" "$(head -n 1 "$err")"
		else
			check "shim.${fault:-kmsg}" said 0 "$said"
		fi
	done
else
	skip audit.hold "io_uring fixed buffers do not work here"
fi

# Signals, once CMD has said that it runs.

# shellcheck disable=SC2016
started='until grep -q "^[0-9s]" "$0"; do sleep 0.1; done'
if [ $can_hold -eq 0 ] && have script; then
	# shellcheck disable=SC2016
	audit sh -c "($started; "'printf "\003"; sleep 1.5) |
		script -qefc "exec $*" /dev/null' "$out" "$pinstat" -- "$TMP/pin_holder" 10 30
	check_quiet signal.ctrl-c said 0 '^BALANCED: 10 pages'
	check_quiet signal.ctrl-c.passed-on said 0 'killed by signal 2 '
else
	skip signal.ctrl-c "no script(1) or no io_uring"
fi
# shellcheck disable=SC2016
audit sh -c '"$@" & '"$started"'; kill -TERM $!; wait $!' "$out" \
	"$pinstat" -- sh -c 'echo started; exec sleep 30'
check_quiet signal.term said 0 'killed by signal 15 '
audit timeout $((2 + slow)) "$pinstat" --quiet-wait 0 --status -- sleep 30
check_quiet signal.timeout said 124 '^BALANCED'

# Live table.

run "$pinstat" -n -i 0.05 -c 3
check live.table said 0 '^time +node +acquired/s +released/s +outstanding +change$'
check live.table.lines test "$(grep -c ' all ' "$out")" -eq 3
check live.table.header test "$(grep -c '^time' "$out")" -eq 1
run "$pinstat" --json -n -i 0.05 -c 3
check live.json test "$(grep -c '^{"type":"sample".*"outstanding":.*}$' "$out")" -eq 3
# A background command of this shell would ignore SIGINT.
run timeout -s INT 0.5 "$pinstat" -i 0.1
check live.interrupt said 124 '^# [0-9.]+ s: acquired [0-9]+, released [0-9]+, outstanding '
if [ "$uid" -eq 0 ] && have setpriv; then
	run setpriv --reuid=65534 --clear-groups "$pinstat" -i 0.1 -c 2
	check live.unprivileged said 0 'may lag by up to'
fi

# Output that cannot be written.

bad_output() {
	local name=$1

	shift
	# shellcheck disable=SC2016
	run sh -c "$@"
	check "output.$name" said 2 'cannot write the output'
}

# shellcheck disable=SC2016
{
	bad_output full '"$0" -c 1 -i 0.01 >/dev/full' "$pinstat"
	bad_output closed '"$0" -c 1 -i 0.01 >&-' "$pinstat"
	bad_output json.full '"$0" --json -- true >/dev/full' "$pinstat"
	bad_output json.closed '"$0" --json -- true >&-' "$pinstat"
	bad_output file.full '"$0" -o /dev/full -- true' "$pinstat"
	run sh -c '"$0" --help >/dev/full' "$pinstat"
	check output.help.full test "$rc" -eq 2
}

# Kernels and containers without the counters.

if [ "$uid" -eq 0 ] && unshare -m true 2>/dev/null; then
	# shellcheck disable=SC2016
	run unshare -m sh -c 'umount -l /proc && exec "$0"' "$pinstat"
	check counters.no-proc said 4 '/proc is not mounted'
	echo "nr_free_pages 1" >"$TMP/vmstat"
	# shellcheck disable=SC2016
	run unshare -m sh -c 'mount --bind "$1" /proc/vmstat && exec "$0"' "$pinstat" "$TMP/vmstat"
	check counters.none said 4 'needs Linux 5.7'
else
	skip counters.none "no permission for a mount namespace"
fi

done_testing
