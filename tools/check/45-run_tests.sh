#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What make run_tests makes of programs that pass, fail, cannot judge, hang or
# are interrupted. The programs are our own: this is not about pins.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

suite=$TMP/build/selftests
mkdir -p "$suite/pin_accounting" "$TMP/build/bin" "$TMP/results"
cp -r "$KSFT/run_kselftest.sh" "$KSFT/kselftest" "$suite/"
cp "$PINREPORT" "$TMP/build/bin/"

# One program for all: its name says what it does.
cat >"$TMP/program.c" <<'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void count(int sig)
{
	(void)sig;
	signals++;
}

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGINT, count);
	puts("TAP version 13\n1..1");
	if (strstr(argv[0], "slow")) {
		char path[4096];
		FILE *ready;

		snprintf(path, sizeof(path), "%s/ready", getenv("PIN_RESULTS"));
		ready = fopen(path, "w");
		if (ready)
			fclose(ready);
		while (!signals)
			usleep(10000);
		/* Time for a second signal, which must not come. */
		usleep(500000);
		printf("# cleaned up after %d signal\n", (int)signals);
		return 1;
	}
	if (strstr(argv[0], "fail")) {
		puts("not ok 1 it");
		return 1;
	}
	puts(strstr(argv[0], "busy") ? "ok 1 it # SKIP inconclusive: busy" : "ok 1 it");
	return 0;
}
END
if ! "${CC:-cc}" -o "$TMP/program" "$TMP/program.c"; then
	not_ok "the program for these tests can be built"
	done_testing
fi

# suite_of NAME...: these programs, in this order.
suite_of() {
	rm -f "$suite/pin_accounting/"*
	for name; do
		cp "$TMP/program" "$suite/pin_accounting/$name"
		echo "pin_accounting:$name"
	done >"$suite/kselftest-list.txt"
}

# run ARGUMENT...: sets status and output.
run() {
	output=$(BUILD=$TMP/build RESULTS=${RESULTS-$TMP/results} tools/run_tests.sh "$@" 2>&1)
	status=$?
	last=$(echo "$output" | tail -n 1)
}

suite_of a_test b_test
run
check_equal "passed: exit status" 0 $status
check_equal "passed: last line" "2 passed, 0 failed, 0 skipped" "$last"
folder=$(echo "$TMP"/results/*)
check "the run has a folder with what it printed" \
	grep -qx "ok 2 selftests: pin_accounting: b_test" "$folder/ktap.log"
check "and a summary" grep -q '"verdict": "pass"' "$folder/summary.json"

run b_test
check_equal "a subset" "1 passed, 0 failed, 0 skipped" "$last"
run c_test
check_equal "an unknown program: exit status" 2 $status
check_equal "an unknown program: the valid ones" \
	'run_tests: no test program "c_test"; there are: a_test b_test' "$output"

suite_of a_test fail_test
run
check_equal "failed: exit status" 1 $status
check_equal "failed: last line" "1 passed, 1 failed, 0 skipped" "$last"

suite_of a_test busy_test
run
check_equal "inconclusive: no failure" 0 $status
check_match "inconclusive: but said" "INCONCLUSIVE: 1 test could not be judged: busy" "$output"

# A place where nobody can write, not even root.
suite_of a_test
TMPDIR=$TMP RESULTS=/proc/results run
check_equal "no place for results: exit status" 0 $status
check "no place for results: there is another" \
	test -f "$TMP/pin_accounting-$(id -u)"/*/ktap.log

# Ctrl-C reaches make and this script; TERM is passed on by make.
for signal in INT TERM; do
	suite_of a_test slow_test z_test
	rm -rf "$TMP/results"
	set -m
	BUILD=$TMP/build RESULTS=$TMP/results tools/run_tests.sh >"$TMP/output" 2>&1 &
	job=$!
	set +m
	for _ in $(seq 100); do
		[ ! -e "$(echo "$TMP"/results/*/ready)" ] || break
		sleep 0.1
	done
	kill -s $signal -- "-$job"
	wait $job
	status=$?
	check_equal "SIG$signal: exit status" $((128 + $(kill -l $signal))) $status
	check_equal "SIG$signal: last line" "1 passed, 0 failed, 1 skipped" \
		"$(tail -n 1 "$TMP/output")"
	check "SIG$signal: INTERRUPTED" grep -q '^INTERRUPTED' "$TMP/output"
	check "SIG$signal: the program gets one signal and is heard to the end" \
		grep -qx '# # cleaned up after 1 signal' "$TMP"/results/*/ktap.log
	check_equal "SIG$signal: no further program is started" 0 \
		"$(grep -c z_test "$TMP"/results/*/ktap.log)"
done

done_testing
