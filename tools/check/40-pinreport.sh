#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinreport's verdict on good and on broken KTAP, and its pages. What a broken
# run looks like is shown by taking one thing away from a good one.
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
usage "nothing in the folder" "$TMP/empty: no results in it" "$TMP/empty"
printf '\177ELF' >"$TMP/binary"
usage "no text" "$TMP/binary: neither KTAP" "$TMP/binary"
echo '{"some": "JSON"}' >"$TMP/other.json"
usage "other JSON" "$TMP/other.json: neither KTAP" "$TMP/other.json"
echo '[{"release": "6.1", ' >"$TMP/cut.json"
usage "JSON that is cut off" "$TMP/cut.json: line 2 is no JSON" "$TMP/cut.json"
usage "nowhere to write" "$TMP/none/x.html: No such file" --html "$TMP/none/x.html" "$TMP/plain"
usage "full disk" "/dev/full: No space left" --junit /dev/full "$TMP/plain"
usage "two formats to one place" "only one format" --json --html - "$TMP/plain"
usage "one path to compare" "name two paths" --compare "$TMP/plain"
check "--help" "$PINREPORT" --help

# Pages and JUnit are XML that nothing else is needed for.
look() {
	python3 tools/check/page.py "$@" 2>&1
}

# formats NAME PATH...: both are right, and JUnit says the same as the text
formats() {
	local name=$1 last

	shift
	last=$("$PINREPORT" --html "$TMP/page" --junit "$TMP/junit" "$@" 2>&1 | tail -n 1)
	check_equal "$name: page and JUnit" "$last" "$(look "$TMP/page" "$TMP/junit")"
}

# shows NAME REGEX: the last page has such a line
shows() {
	check "$1" grep -qE -- "$2" "$TMP/page"
}

formats "passed" "$TMP/run"
{
	nested | sed 's/^# ok 2 two/# # predicted +4, measured +5\n# not ok 2 two/;s/^# ok 4/# Bail out! <no memory>/'
} >"$TMP/failed"
formats "failed" "$TMP/failed"
shows "what was predicted and measured" '<pre>predicted \+4, measured \+5'
sed 's/three/<script>x\&y"z<\/script>/;s/not root/<b>\x1b[1m]]>\xff\xed\xa0\x80/;s/predicted/<img src=x>/' \
	"$TMP/failed" >"$TMP/hostile"
formats "what tests say is escaped" "$TMP/hostile"
shows "escaped text is there" '&lt;script&gt;x&amp;y&quot;z&lt;/script&gt;'

mkdir -p "$TMP/matrix/6.1/part1" "$TMP/matrix/6.1/part2" "$TMP/matrix/7.3"
good | program "ok 1" a_test | sed '1iTAP version 13\n1..1' >"$TMP/matrix/6.1/part1/ktap.log"
good | program "ok 1" b_test | sed '1iTAP version 13\n1..1' >"$TMP/matrix/6.1/part2/ktap.log"
nested | sed 's/^# ok 2 two/# not ok 2 two/;s/^ok 2/not ok 2/' >"$TMP/matrix/7.3/ktap.log"
echo '{"test": "x", "kernel": "7.3.4-cloud"}' >"$TMP/matrix/7.3/a_test.jsonl"
formats "a matrix" "$TMP/matrix"
shows "kernels are columns" '<th>6.1</th><th>7.3.4-cloud</th>'
shows "tests are rows" '>two</td><td class="res"><span class="pass">pass</span></td><td class="res"><a class="fail"'
shows "skips by reason" '<b>4</b> not root</summary>'
cat >"$TMP/matrix.json" <<-END
	[{"release": "6.1.1", "trouble": null,
	"programs": {"a": {"pass": 3, "fail": 1, "xfail": 1, "skip": 1, "inconclusive": 1}},
	"failures": [{"program": "a", "test": "f", "reason": ""}],
	"xfails": [{"program": "a", "test": "x", "reason": "known"}],
	"skips": [{"program": "a", "test": "s", "reason": "none", "result": "skip"},
	{"program": "a", "test": "i", "reason": "busy", "result": "inconclusive"}]},
	{"release": "6.2.1", "trouble": "the guest hung", "programs": {}, "failures": [],
	"skips": []}]
	END
formats "a matrix.json" "$TMP/matrix.json"
check_equal "a matrix.json: counts" "4 passed, 2 failed, 2 skipped" \
	"$("$PINREPORT" "$TMP/matrix.json" | tail -n 1)"
says "trouble of a guest" 1 'the guest hung' "$PINREPORT" "$TMP/matrix.json"

sed '0,/<body>/s//&<img src="http:\/\/x\/"\/>/' "$TMP/page" >"$TMP/external"
check_equal "a picture from elsewhere is seen" "element img
src=http://x/" "$(look "$TMP/external")"
sed '0,/<body>/s//&a \& b/' "$TMP/page" >"$TMP/unescaped"
check "a character not escaped is seen" grep -q "not well-formed" <(look "$TMP/unescaped")
sed 's/ skipped="[0-9]*"/ skipped="9"/' "$TMP/junit" >"$TMP/miscounted"
check "a wrong count is seen" grep -q "skipped 9, there are 2" <(look "$TMP/miscounted")

# The difference between two runs.
nested >"$TMP/a.log"
compare() {
	local name=$1 status=$2 regex=$3

	cat >"$TMP/b.log"
	says "compare: $name" "$status" "$regex" "$PINREPORT" --compare "$TMP/a.log" "$TMP/b.log"
}
nested | compare "nothing" 0 '^0 worse, 0 better, 0 otherwise, 0 appeared, 0 gone$'
nested | sed 's/^# ok 2 two/# # measured 5\n# not ok 2 two/;s/^ok \(.*\)$/not ok \1/' |
	compare "failures" 1 '^     1  pass -> fail: pin_accounting:b_test two$'
nested | sed 's/^# ok 2 two/# ok 2 two # SKIP busy/' |
	compare "what is skipped now" 1 '^     2  pass -> skip: pin_accounting:a_test two, ...: busy$'
nested | sed 's/^# ok 1 one/# ok 1 first/' |
	compare "what is gone" 1 '^2 worse, 0 better, 0 otherwise, 2 appeared, 0 gone$'
nested | sed 's/^# ok 3 three.*/# ok 3 three/' |
	compare "what passes now" 0 '^0 worse, 2 better, '
nested | sed 's/^# ok 3 three.*/# not ok 3 three/;s/^ok \(.*\)$/not ok \1/' |
	compare "what fails once it is not skipped" 1 '^2 worse, '
check_match "compare: JSON" ' *"worse": 2,' \
	"$("$PINREPORT" --compare --json "$TMP/a.log" "$TMP/b.log")"
mkdir "$TMP/later"
cp -r "$TMP/matrix/6.1" "$TMP/later"
cp -r "$TMP/matrix/6.1" "$TMP/later/6.6"
says "compare: kernels by name" 1 '^4 worse, 0 better, 0 otherwise, 8 appeared, 5 gone$' \
	"$PINREPORT" --compare "$TMP/matrix" "$TMP/later"
usage "nothing to compare" "have no kernel in common" --compare "$TMP/matrix" "$TMP/a.log"

# A record of pinstress. record CHECKPOINTS [FAIL_AT]
record() {
	awk -v n="$1" -v bad="${2:-0}" 'BEGIN {
		print "{\"type\":\"start\",\"kernel\":\"6.1\",\"machine\":\"<m>\",\"seed\":7,\"job\":\"--seed 7\",\"counters\":{\"acquired\":50,\"released\":40}}"
		for (i = 1; i <= n; i++) {
			out = i == bad ? 9 : 2
			verdict = i == bad ? "fail" : i % 3 ? "exact" : "bounded"
			printf "{\"type\":\"checkpoint\",\"n\":%d,\"verdict\":\"%s\",\"elapsed_s\":%d,\"interval_s\":1,", i, verdict, i
			printf "\"operations\":10,\"measured\":{\"acquired\":10,\"released\":%d},\"held\":2,\"drain_ms\":0.5,", 12 - out
			printf "\"counters\":{\"acquired\":%d,\"released\":%d},\"consumers\":{\"<c>\":{\"operations\":10,\"pages\":%d}},", 50 + i, 40 + i - out, bad ? 20 : 10
			printf "\"chaos\":{\"kill\":1}%s}\n", i == bad ? ",\"reason\":\"7 not <released>\\n\"" : ""
		}
		print "{\"type\":\"event\",\"text\":\"e\"}"
		if (bad)
			print "{\"type\":\"reproducer\",\"job\":\"--small\"}"
		printf "{\"type\":\"end\",\"verdict\":\"%sBALANCED\",\"why\":\"so it is\"}\n", bad ? "NOT " : ""
	}'
}
mkdir "$TMP/sound" "$TMP/bad" "$TMP/killed" "$TMP/damaged"
record 9 >"$TMP/all"
# Put aside while it was written, and 2 after 1 after none.
head -n 4 "$TMP/all" >"$TMP/sound/checkpoints-000001.jsonl"
sed -n 5,7p "$TMP/all" >"$TMP/sound/checkpoints-000002.jsonl"
sed 1,7d "$TMP/all" >"$TMP/sound/checkpoints.jsonl"
record 9 5 >"$TMP/bad/checkpoints.jsonl"
record 6000 4567 >"$TMP/long"
head -c -100 "$TMP/all" >"$TMP/killed/checkpoints.jsonl"
sed '5s/.$//' "$TMP/all" >"$TMP/damaged/checkpoints.jsonl"
says "pinstress: balanced" 0 '^    90 calls that pin in 9.0 seconds, 9 checkpoints: 6 exact, 3 bounded' \
	"$PINREPORT" "$TMP/sound"
check_equal "pinstress: a record by standard input" "1 passed, 0 failed, 0 skipped" \
	"$("$PINREPORT" - <"$TMP/all" | tail -n 1)"
says "pinstress: what failed" 1 '^    7 not <released>$' "$PINREPORT" "$TMP/bad"
says "pinstress: reproducer" 1 '^    reproduce by: pinstress --small$' "$PINREPORT" "$TMP/bad"
says "pinstress: killed" 4 'INCONCLUSIVE: .*the record has no end' "$PINREPORT" "$TMP/killed"
says "pinstress: killed within a line" 4 'last line of the record is cut off' \
	"$PINREPORT" "$TMP/killed"
says "pinstress: a damaged record" 1 'line 5 is damaged' "$PINREPORT" "$TMP/damaged"
says "pinstress: rates side by side" 1 '^<c> +10 +10 +1\.00 +10 +20 +2\.00$' \
	"$PINREPORT" --compare "$TMP/sound" "$TMP/bad"
says "pinstress: no gnuplot" 2 'apt-get install gnuplot-nox' \
	env PATH="$TMP" "$PINREPORT" --html "$TMP/a.log" "$TMP/sound"
check_equal "a page that cannot be made leaves the file" "$(nested)" "$(cat "$TMP/a.log")"
echo old >"$TMP/old"
# shellcheck disable=SC2016
says "a page that finds no room" 2 'old: File too large' \
	bash -c 'trap "" XFSZ; ulimit -f 1; "$@"' - "$PINREPORT" --html "$TMP/old" "$TMP/run"
check_equal "a page that finds no room leaves the file" old "$(cat "$TMP/old")"
if have gnuplot; then
	formats "pinstress: balanced" "$TMP/sound"
	check_equal "pinstress: plots" 4 "$(grep -c '<svg' "$TMP/page")"
	formats "pinstress: failed" "$TMP/long"
	# One in the key.
	check_equal "pinstress: the failure is in the plot" 2 "$(grep -c "href='#p1_gpPt1'" "$TMP/page")"
	check "pinstress: however long, it fits a page" [ "$(stat -c %s "$TMP/page")" -lt 1000000 ]
	shows "pinstress: seed" '<dt>seed</dt><dd>7</dd>'
	shows "pinstress: machine" '<dd>&lt;m&gt;</dd>'
else
	skip "pinstress: plots" "gnuplot is not installed: make setup"
fi
check_equal "nothing is left behind" "" "$(find "$TMP" -name 'page.*' -o -name 'junit.*' -o -name 'a.log.*' -o -name 'old.*')"

done_testing
