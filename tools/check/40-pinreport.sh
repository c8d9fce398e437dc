#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinreport's verdict on good and on broken KTAP. What a broken run looks like
# is shown by taking one thing away from a good one.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

# verdict NAME STATUS LAST [LINE...], KTAP on standard input: the exit status
# and the last line must be these, and the lines must be in the report.
verdict() {
	local name=$1 status=$2 last=$3 report found wrong=

	shift 3
	report=$("$PINREPORT" --text - 2>&1)
	found=$?
	[ "$found" -eq "$status" ] || wrong+="exit status $found, not $status"$'\n'
	[ "$(echo "$report" | tail -n 1)" = "$last" ] || wrong+="not the last line: $last"$'\n'
	for line; do
		echo "$report" | grep -qxF -- "$line" || wrong+="no line: $line"$'\n'
	done
	if [ -z "$wrong" ]; then
		ok "$name"
	else
		not_ok "$name" "$wrong$report"
	fi
}

# A program in the way of kselftest's runner: its lines on standard input.
program() {
	echo "# timeout set to 300"
	echo "# selftests: pin_accounting: $2"
	sed 's/^/# /'
	echo "$1 selftests: pin_accounting: $2${3:+ # $3}"
}

good() {
	cat <<-END
	TAP version 13
	1..4
	ok 1 one
	ok 2 two
	ok 3 three # SKIP not root
	ok 4 four # XFAIL vfat does not unpin
	END
}

nested() {
	echo "TAP version 13"
	echo "1..2"
	good | program "ok 1" a_test
	good | program "ok 2" b_test
}

# Good runs.
good | verdict "passed" 0 "3 passed, 0 failed, 1 skipped" \
	"Known issues: 1" "     1  vfat does not unpin (four)" \
	"Skipped: 1" "     1  not root (three)"
good | sed '2d;$a 1..4' | verdict "plan at the end" 0 "3 passed, 0 failed, 1 skipped"
nested | verdict "nested" 0 "6 passed, 0 failed, 2 skipped" \
	"     2  not root (pin_accounting:a_test three, ...)"
{
	printf 'KTAP version 1\n1..1\n'
	good | sed 's/^/  /;s/TAP version 13/KTAP version 1/'
	echo "ok 1 suite"
} | verdict "nested by indentation" 0 "3 passed, 0 failed, 1 skipped"
{
	nested
	nested
} | verdict "several runs in a stream" 0 "12 passed, 0 failed, 4 skipped"
good | sed 's/$/\r/' | verdict "lines that end with CR" 0 "3 passed, 0 failed, 1 skipped"
{
	printf 'TAP version 13\n1..2\n'
	printf 'TAP version 13\n1..0 # SKIP no counters in this kernel\n' |
		program "ok 1" a_test SKIP
	good | program "ok 2" b_test
} | verdict "a program that skips everything" 0 "3 passed, 0 failed, 2 skipped" \
	"     1  no counters in this kernel (pin_accounting:a_test)"

# Failures, with what was said about them and nothing else.
{
	printf 'TAP version 13\n1..3\n# about one\nok 1 one\n# predicted 4, measured 5\n'
	printf 'not ok 2 two\n#   node 0: 5\n# about three\nok 3 three\n'
} | verdict "a failure" 1 "2 passed, 1 failed, 0 skipped" \
	"FAILED two" "    predicted 4, measured 5" "      node 0: 5"
check_equal "nothing is shown of a test that passed" "" "$(
	printf 'TAP version 13\n1..2\n# about one\nok 1 one\n# about two\nnot ok 2 two\n' |
		"$PINREPORT" --text - | grep one)"
nested | sed 's/^# ok 2/# not ok 2/;s/^ok \(.*\)$/not ok \1 # exit=1/' |
	verdict "failures inside programs" 1 "4 passed, 2 failed, 2 skipped" \
		"FAILED pin_accounting:b_test two"
good | sed 's/ok 4 .*/not ok 4 four # TIMEOUT 300 seconds/' |
	verdict "a timeout" 1 "2 passed, 1 failed, 1 skipped" "    TIMEOUT 300 seconds"
good | sed 's/XFAIL/XPASS/' |
	verdict "a known issue that is gone" 1 "2 passed, 1 failed, 1 skipped" "FAILED four"

# Not judged.
good | sed 's/SKIP .*/SKIP inconclusive: machine busy, 12 foreign pins\/s/' |
	verdict "inconclusive" 4 "3 passed, 0 failed, 1 skipped" \
		"INCONCLUSIVE: 1 test could not be judged: machine busy, 12 foreign pins/s"
{
	printf 'TAP version 13\n1..2\n'
	printf 'ok %d t%d # SKIP inconclusive: %d pins/s\n' 1 1 3 2 2 45
} | verdict "reasons that differ in numbers are one" 4 "0 passed, 0 failed, 2 skipped" \
	"INCONCLUSIVE: 2 tests could not be judged: 3 pins/s"
good | sed 's/SKIP .*/SKIP inconclusive: busy/;s/^ok 1/not ok 1/' |
	verdict "a failure outweighs it" 1 "2 passed, 1 failed, 1 skipped"
printf 'TAP version 13\n1..2\nok 1 a # SKIP x\nok 2 b # SKIP y\n' |
	verdict "everything skipped" 4 "0 passed, 0 failed, 2 skipped"
printf 'TAP version 13\n1..0 # SKIP no counters\n' |
	verdict "everything skipped by the plan" 4 "0 passed, 0 failed, 1 skipped"

# Incomplete or wrong KTAP.
printf '' | verdict "nothing at all" 1 "0 passed, 1 failed, 0 skipped" "    no KTAP"
echo "make: *** Error 1" | verdict "no KTAP" 1 "0 passed, 1 failed, 0 skipped"
good | sed 1d | verdict "no version line" 1 "3 passed, 1 failed, 1 skipped" \
	"    no version line"
good | sed 2d | verdict "no plan" 1 "3 passed, 1 failed, 1 skipped" "    no plan, 4 results"
good | sed '2s/4/5/' | verdict "a result is missing" 1 "3 passed, 1 failed, 1 skipped" \
	"    5 tests planned, 4 results"
good | sed '2s/4/3/' | verdict "a result too many" 1 "3 passed, 1 failed, 1 skipped" \
	"    3 tests planned, 4 results"
good | sed 's/^ok 3/ok 5/' | verdict "numbers out of order" 1 \
	"3 passed, 1 failed, 1 skipped" '    result 3 is numbered "5"'
good | sed 's/^ok 3/ok/' | verdict "a number is missing" 1 "3 passed, 1 failed, 1 skipped"
good | sed 's/two/one/' | verdict "two tests of one name" 1 "3 passed, 1 failed, 1 skipped" \
	'    several tests are named "one"'
good | sed 's/ two//' | verdict "a test without a name" 1 "3 passed, 1 failed, 1 skipped" \
	"    result 2 has no name"
good | sed '2a 1..4' | verdict "two plans" 1 "3 passed, 1 failed, 1 skipped"
good | head -c -3 | verdict "cut off in a line" 1 "3 passed, 1 failed, 1 skipped"
printf 'TAP version 13\n1..0\n' | verdict "nothing planned" 4 "0 passed, 0 failed, 1 skipped"
good | sed '5,$d;4a Bail out! no memory' |
	verdict "gave up" 1 "2 passed, 1 failed, 0 skipped" "    gave up: no memory"
good | sed '5,$d;4a Bail out! interrupted by SIGINT' |
	verdict "interrupted" 1 "2 passed, 0 failed, 0 skipped" \
		"INTERRUPTED: these are not all results"

# Programs that do not end as they should.
{
	printf 'TAP version 13\n1..2\n'
	good | sed 5,6d | program "not ok 1" a_test exit=139
	good | program "ok 2" b_test
} | verdict "a program that died" 1 "5 passed, 1 failed, 1 skipped" \
	"FAILED pin_accounting:a_test" "    4 tests planned, 2 results" "    exit=139"
{
	printf 'TAP version 13\n1..2\n'
	{
		good | head -n 4
		echo "half a line"
	} | program "not ok 1" a_test exit=139 | sed '/half a line$/{N;s/\n//}'
	good | program "ok 2" b_test
} | verdict "a program that died within a line" 1 "5 passed, 1 failed, 1 skipped" \
	"    4 tests planned, 2 results" "    half a line"
{
	printf 'TAP version 13\n1..2\n'
	good | program "not ok 1" a_test exit=134
	good | program "ok 2" b_test
} | verdict "a program that died after its last test" 1 "6 passed, 1 failed, 2 skipped" \
	"    failed (exit=134), but none of its tests did"
{
	printf 'TAP version 13\n1..1\n'
	good | sed 's/^ok 2/not ok 2/' | program "ok 1" a_test
} | verdict "a program that hides its failure" 1 "2 passed, 2 failed, 1 skipped" \
	"    does not say that it failed"
nested | sed '$d' | verdict "the run ends within a program" 1 "6 passed, 2 failed, 2 skipped" \
	"    ends in the middle of pin_accounting:b_test"
{
	printf 'TAP version 13\n1..1\n'
	printf 'Segmentation fault\n' | program "not ok 1" a_test exit=139
} | verdict "a program that died before its first line" 1 "0 passed, 1 failed, 0 skipped" \
	"FAILED pin_accounting:a_test" "    exit=139"

# The command line.
mkdir "$TMP/run"
nested >"$TMP/run/ktap.log"
good >"$TMP/plain"
check_equal "folders and files" "9 passed, 0 failed, 3 skipped" \
	"$("$PINREPORT" --text "$TMP/run/" "$TMP/plain" | tail -n 1)"
check_match "JSON" ' *"verdict": "pass",' "$("$PINREPORT" --json "$TMP/run")"
check_match "JSON of what is not UTF-8" ' *"name": "on\?",' \
	"$(good | tr e '\377' | "$PINREPORT" --json -)"

# usage NAME WORDS [ARGUMENT...]
usage() {
	local name=$1 words=$2

	shift 2
	"$PINREPORT" "$@" >/dev/null 2>"$TMP/err" </dev/null
	check_equal "$name: exit status" 2 $?
	check_match "$name: message" ".*$words.*" "$(cat "$TMP/err")"
}
usage "no path" "name a results folder"
usage "no such option" "unrecognized option" --no-such-option
usage "no such file" "$TMP/nothing: No such file" "$TMP/nothing"
mkdir "$TMP/empty"
usage "no log in the folder" "$TMP/empty/ktap.log: No such file" "$TMP/empty"
check "--help" "$PINREPORT" --help

done_testing
