# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For the check scripts: TAP 13 with the plan at the end. A script that dies
# leaves out the plan, which pinreport takes for a failure. Sourced first; end
# with done_testing.
set -u
# "printf ... | check" is to count in this shell.
shopt -s lastpipe

# shellcheck disable=SC2034 # some of it is for the scripts
{
	TOP=$(dirname "$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")")
	BUILD=${BUILD:-$TOP/build}
	CACHE=${CACHE:-$TOP/.cache}
	KSFT=${KSFT:-$CACHE/kselftest/tools/testing/selftests}
	PINREPORT=$BUILD/bin/pinreport
}
tap_number=0
tap_failed=0

# Nothing of the make that called us is to reach those that the scripts call.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CDPATH

# A script that has more to undo than its files defines this again.
cleanup() {
	:
}

# Gone when the script ends, however it ends.
TMP=$(mktemp -d "${TMPDIR:-/tmp}/pin-check.XXXXXX") || exit 1
trap 'cleanup; rm -rf "$TMP"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
cd "$TOP" || exit 1

echo "TAP version 13"

# Three spaces: KTAP that is quoted is not to be taken for our own.
diag() {
	sed 's/^/#   /'
}

ok() {
	tap_number=$((tap_number + 1))
	echo "ok $tap_number - $*"
}

# not_ok NAME [TEXT]: the text says why, in as many lines as it needs.
not_ok() {
	tap_number=$((tap_number + 1))
	tap_failed=1
	[ $# -lt 2 ] || echo "$2" | diag
	echo "not ok $tap_number - $1"
}

# skip NAME REASON
skip() {
	tap_number=$((tap_number + 1))
	echo "ok $tap_number - $1 # SKIP $2"
}

# check NAME COMMAND...: the command must succeed.
check() {
	local name=$1 output status

	shift
	output=$("$@" 2>&1 </dev/null)
	status=$?
	if [ "$status" -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name" "$* (exit status $status)
$(echo "$output" | tail -n 60)"
	fi
}

# check_silent NAME COMMAND...: and it must print nothing.
check_silent() {
	local name=$1 output status

	shift
	output=$("$@" 2>&1 </dev/null)
	status=$?
	if [ "$status" -eq 0 ] && [ -z "$output" ]; then
		ok "$name"
	else
		not_ok "$name" "$* (exit status $status)
$(echo "$output" | tail -n 60)"
	fi
}

# check_equal NAME WANTED FOUND
check_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted: $2
found:  $3"
	fi
}

# check_match NAME REGEX TEXT: one line must match the whole expression.
check_match() {
	if echo "$3" | grep -qxE -- "$2"; then
		ok "$1"
	else
		not_ok "$1" "no line matches: $2
$3"
	fi
}

# says NAME STATUS REGEX COMMAND...: it ends so, and says something like it
says() {
	local name=$1 wanted=$2 regex=$3 output status

	shift 3
	output=$("$@" 2>&1 </dev/null)
	status=$?
	if [ "$status" -eq "$wanted" ] && echo "$output" | grep -qE -- "$regex"; then
		ok "$name"
	else
		not_ok "$name" "$* (exit status $status, not $wanted, or nothing like: $regex)
$(echo "$output" | tail -n 30)"
	fi
}

have() {
	command -v "$1" >/dev/null
}

done_testing() {
	echo "1..$tap_number"
	exit "$tap_failed"
}
