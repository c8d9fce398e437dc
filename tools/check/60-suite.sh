#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The whole suite on the running kernel, as a user runs it: nothing fails, what
# it says is complete, and its record in JSON agrees with its KTAP.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir "$TMP/results"
if RESULTS=$TMP/results tools/run_tests.sh >"$TMP/out" 2>&1; then
	ok "run_tests: $(tail -n 1 "$TMP/out")"
else
	not_ok "run_tests" "$(sed -n '/^FAILED/,$p' "$TMP/out" | head -n 100)
$(tail -n 30 "$TMP/out")"
fi
sed -n '/^Known issues/,$p' "$TMP/out" | diag
folder=$(echo "$TMP"/results/*)

# Counted in the records, line by line: what was judged, and how.
records() {
	cat "$folder"/*.jsonl | grep -c "\"result\":\"$1\""
}

summary=$(tail -n 1 "$TMP/out")
check_equal "the JSON records agree with the summary" "$summary" \
	"$(($(records pass) + $(records xfail))) passed, $(records fail) failed, $(($(records skip) + $(records inconclusive))) skipped"
check_equal "each program has left its record" \
	"$(sed 's/^pin_accounting://' "$BUILD/selftests/kselftest-list.txt" | sort)" \
	"$(cd "$folder" && printf '%s\n' *.jsonl | sed 's/\.jsonl$//' | sort)"
# The runner's own line for a program that skipped all has none.
check_equal "each skip has a reason" "0" \
	"$(grep -E '# SKIP *$' "$folder/ktap.log" | grep -vcE '^ok [0-9]+ selftests: ')"
done_testing
