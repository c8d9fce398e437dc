#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the check scripts, all or those named, and prints the summary. Called by
# `make check`, which sets BUILD, CACHE and KSFT.
set -u

# A shell that starts us in the background ignores Ctrl-C for us, and no shell
# can undo that for its children; the checks send SIGINT and mean it.
if [ -z "${PIN_CHECK_SIGNALS:-}" ] && env --default-signal=INT true 2>/dev/null; then
	export PIN_CHECK_SIGNALS=default
	exec env --default-signal=INT --default-signal=QUIT "$0" "$@"
fi

here=$(dirname "$(realpath "$0")")
BUILD=${BUILD:-$here/../../build}
folder=$BUILD/check

scripts=()
for name; do
	script=$here/${name%.sh}.sh
	if [ ! -x "$script" ]; then
		echo "check: no script \"$name\"; there are:" \
			"$(cd "$here" && echo [0-9]*.sh)" >&2
		exit 2
	fi
	scripts+=("$script")
done
[ $# -gt 0 ] || scripts=("$here"/[0-9]*.sh)

rm -rf "$folder"
mkdir -p "$folder" || exit 1
status=0
interrupted=
beside_pid=
# The scripts clean up, and what they say until then is still heard.
stop() {
	interrupted=$1
	[ -z "$beside_pid" ] || kill -TERM -- "-$beside_pid" 2>/dev/null
}
trap 'stop INT' INT
trap 'stop TERM' TERM HUP

# run SCRIPT...: one after the other, or false.
run() {
	local script name began good=0

	for script; do
		[ -z "$interrupted" ] || return 1
		name=$(basename "$script" .sh)
		echo "# $name"
		began=$SECONDS
		"$script" 2>&1 | tee -i "$folder/$name.tap"
		[ "${PIPESTATUS[0]}" -eq 0 ] || good=1
		if [ -n "$interrupted" ]; then
			echo "Bail out! interrupted by SIG$interrupted" | tee -a "$folder/$name.tap"
		fi
		echo "# $name took $((SECONDS - began)) s"
	done
	return $good
}

# beside NAME NAME: the scripts in the first array while those in the second run.
beside() {
	local -n behind=$1 front=$2
	local ended

	if [ ${#behind[@]} -eq 0 ] || [ ${#front[@]} -eq 0 ]; then
		run "${behind[@]}" "${front[@]}" || status=1
		return
	fi
	# A process group of its own, or it would ignore Ctrl-C.
	set -m
	run "${behind[@]}" >"$folder/$1.log" 2>&1 </dev/null &
	beside_pid=$!
	set +m
	run "${front[@]}" || status=1
	until wait "$beside_pid"; ended=$?; [ $ended -le 128 ] || ! kill -0 "$beside_pid" 2>/dev/null; do
		:
	done
	beside_pid=
	[ $ended -eq 0 ] || status=1
	cat "$folder/$1.log"
}

# Some scripts build, read, or have one guest, which waits; others run the suite or
# pinstress here, which pin, and wait most of the time: side by side. Those with two
# guests get the machine for themselves.
logs=() builds=() suites=() guest=() stress=() guests=()
for script in "${scripts[@]}"; do
	name=$(basename "$script" .sh)
	logs+=("$folder/$name.tap")
	case $name in
	[12]?-*|35-*|40-*|85-*|89-pinmutate) builds+=("$script") ;;
	[3-7]?-*|80-*)	suites+=("$script") ;;
	87-*)		guest+=("$script") ;;
	86-*|89-pinbisect) stress+=("$script") ;;
	*)		guests+=("$script") ;;
	esac
done
beside builds suites
beside guest stress
run "${guests[@]}" || status=1
if [ "$(id -u)" -eq 0 ]; then
	chown -hR --reference="$here/../../Makefile" "$folder"
fi

echo
"$BUILD/bin/pinreport" --text "${logs[@]}"
verdict=$?
[ "$verdict" -ne 4 ] || verdict=0
exit $((verdict ? verdict : status))
