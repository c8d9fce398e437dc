#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the built selftests (all, or those named) as a test farm does, keeps
# what they say in a folder of its own and prints the summary. Called by
# `make run_tests`, which sets BUILD and RESULTS.
set -u

top=$(dirname "$(dirname "$(realpath "$0")")")
suite=${BUILD:-$top/build}/selftests
pinreport=${BUILD:-$top/build}/bin/pinreport
collection=pin_accounting
# Seconds an interrupted program has to give back what it holds.
grace=30

die() {
	echo "run_tests: $*" >&2
	exit 2
}

# A folder nobody else has, below results/ or else where we may write.
make_folder() {
	local base=$1 name folder i

	mkdir -p "$base" 2>/dev/null
	if [ ! -w "$base" ]; then
		base=${TMPDIR:-/tmp}/pin_accounting-$(id -u)
		mkdir -m 700 "$base" 2>/dev/null
		# Nobody but us may have made it: it is a name to be guessed.
		if [ ! -O "$base" ] || [ -L "$base" ]; then
			die "cannot write to $1 nor $base"
		fi
	fi
	name=$(date -u +%Y%m%dT%H%M%SZ)-$(uname -r)
	for i in '' -2 -3 -4 -5 -6 -7 -8 -9; do
		folder=$(realpath "$base")/$name$i
		mkdir "$folder" 2>/dev/null && break
		[ -d "$folder" ] || break
	done
	[ -w "$folder" ] || die "cannot make $folder"
	echo "$folder"
}

# The programs of this run that are no children of such a program themselves.
running_programs() {
	local dir pid parent
	local -A is_ours=()

	for dir in /proc/[0-9]*; do
		[[ $(readlink "$dir/exe" 2>/dev/null) == "$suite/$collection/"* ]] || continue
		grep -qzxF "PIN_RESULTS=$folder" "$dir/environ" 2>/dev/null || continue
		is_ours[${dir#/proc/}]=1
	done
	for pid in "${!is_ours[@]}"; do
		parent=$(sed -n 's/^PPid:\t//p' "/proc/$pid/status" 2>/dev/null)
		[ -z "${is_ours[${parent:-0}]:-}" ] && echo "$pid"
	done
}

# The job has a process group of its own: a Ctrl-C comes here and is passed on
# to the programs alone, as what they print must still find its way to the log.
interrupt_job() {
	local dir stat pid deadline=$((SECONDS + grace)) signal=INT
	local -A told=()

	# No further program is to be started.
	for dir in /proc/[0-9]*; do
		read -r -a stat <"$dir/stat" || continue
		[ "${stat[1]}" = '(run_kselftest.s)' ] && [ "${stat[4]}" = "$job" ] &&
			kill -TERM "${dir#/proc/}"
	done 2>/dev/null
	while kill -0 -- "-$job" 2>/dev/null; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			if [ "$signal" = KILL ]; then
				kill -KILL -- "-$job"
				break
			fi
			signal=KILL
			deadline=$((SECONDS + 5))
			told=()
		fi
		for pid in $(running_programs); do
			[ -n "${told[$pid]:-}" ] || kill -s "$signal" "$pid" 2>/dev/null
			told[$pid]=1
		done
		sleep 0.1
	done
}

if [ ! -x "$pinreport" ] || [ ! -r "$suite/kselftest-list.txt" ]; then
	die "nothing built in ${suite%/*}: run make"
fi
selection=()
for program; do
	grep -qxF "$collection:$program" "$suite/kselftest-list.txt" ||
		die "no test program \"$program\"; there are:" \
			"$(sed "s/^$collection://" "$suite/kselftest-list.txt" | paste -sd ' ')"
	selection+=(-t "$collection:$program")
done

folder=$(make_folder "${RESULTS:-$top/results}") || exit
log=$folder/ktap.log
export PIN_RESULTS=$folder
signal=

set -m
{
	"$suite/run_kselftest.sh" "${selection[@]}" 2>&1 | tee "$log"
} </dev/null &
job=$!
set +m
trap 'signal=INT' INT
trap 'signal=TERM' TERM HUP
# A signal ends the wait, not the job.
while [ -z "$signal" ] && kill -0 "$job" 2>/dev/null; do
	wait "$job"
done
if [ -n "$signal" ]; then
	interrupt_job
	echo "Bail out! interrupted by SIG$signal" | tee -a "$log"
fi

"$pinreport" --json "$folder" >"$folder/summary.json"
if [ "$(id -u)" -eq 0 ]; then
	chown -hR --reference="$top/Makefile" "$folder"
fi
echo
echo "$folder: $SECONDS s"
"$pinreport" --text "$folder"
verdict=$?
case $signal in
INT) exit 130 ;;
TERM) exit 143 ;;
esac
# What could not be judged is told above, and is no failure.
[ "$verdict" -eq 4 ] || exit "$verdict"
