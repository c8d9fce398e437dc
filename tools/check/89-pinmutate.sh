#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinmutate: usage, headers, that sources are as they were however it ends, and
# what it calls caught. No kernel is built here.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinmutate=$BUILD/bin/pinmutate
source=$CACHE/linux/linux-source-6.12
unset KSRC
export TMPDIR=$TMP

says "--help" 0 'Exit status:' "$pinmutate" --help
for command in list show check apply undo build run score fix report judge; do
	says "$command --help" 0 "usage: pinmutate $command" "$pinmutate" $command --help
done
says "no command" 2 'required: COMMAND' "$pinmutate"
says "an unknown command" 2 'invalid choice' "$pinmutate" dance
says "no mutant" 2 'which mutant' "$pinmutate" run
says "a mutant that is none" 2 'no mutant zero-page; near it: zero-page-pinned' \
	"$pinmutate" show zero-page
says "a pattern that matches none" 2 'no mutant matches' "$pinmutate" list 'no-such-*'
says "a file that is none" 2 'No such file' "$pinmutate" run --file /no/such.cocci
says "a file of another kind" 2 'not one of .cocci' "$pinmutate" run --file "$0"
says "--on without --file" 2 'goes with --file' "$pinmutate" check --on mm/gup.c
says "a part that is none" 2 'as 1/4' "$pinmutate" check --part 5/4
says "a kernel source that is none" 2 'no kernel source tree' \
	env KSRC="$TMP" CACHE="$TMP/cache" "$pinmutate" undo
says "nothing to resume" 2 'no results to resume' env RESULTS="$TMP" "$pinmutate" report

says "a fix that is none" 2 'no fix nothing; there are' "$pinmutate" fix nothing

says "headers are complete" 0 ' 0 with problems' "$pinmutate" check --headers
"$pinmutate" list --json >"$TMP/list.json"
check_equal "all of the catalogue" 31 "$(grep -c '"catalogue": "yes"' "$TMP/list.json")"
own=$(($(grep -c '"name":' "$TMP/list.json") - 31))
if [ $own -ge 10 ]; then ok "and others"; else not_ok "and others" "$own"; fi
for file in mm/gup.c mm/process_vm_access.c net/xdp/xdp_umem.c drivers/infiniband/core/umem.c \
	net/rds/rdma.c net/rds/info.c drivers/vfio/vfio_iommu_type1.c \
	drivers/iommu/iommufd/pages.c drivers/dma-buf/udmabuf.c drivers/vdpa/vdpa_user/vduse_dev.c \
	drivers/media/common/videobuf2/frame_vector.c drivers/scsi/st.c crypto/af_alg.c \
	lib/scatterlist.c lib/iov_iter.c fs/fuse/file.c block/blk-map.c block/bio.c block/fops.c \
	block/bio-integrity.c fs/iomap/direct-io.c fs/direct-io.c io_uring/rsrc.c \
	io_uring/memmap.c io_uring/kbuf.c drivers/vhost/vdpa.c drivers/vhost/vhost.c; do
	grep -q "\"$file\"" "$TMP/list.json" || echo "$file"
done >"$TMP/without"
check_equal "a mutant for each consumer's code" "" "$(cat "$TMP/without")"

# What is called caught.

# judged NAME VERDICT [VIEWS], of what is on standard input
judged() {
	local name=$1 wanted="$2 ${3:-}" found

	cat >"$TMP/case.json"
	found=$("$pinmutate" judge "$TMP/case.json" 2>&1 | python3 -c '
import json, sys
answer = json.load(sys.stdin)
print(answer["verdict"], " ".join(answer["views"]))')
	check_equal "$name" "$wanted" "$found"
}

# canned RESULT REASON [REST]: one of the mutant's own tests with that result, and another.
canned() {
	cat <<-END
	{"mutant": "${MUTANT:-xdp-partial-pin-leak}",
	 "baseline": {"results": [["matrix_test", "xdp_umem.hole.release", "${BEFORE:-pass}", ""],
	                          ["fork_test", "data.anon", "pass", ""]]},
	 "run": {"results": [["matrix_test", "xdp_umem.hole.release", "$1", "$2"],
	                     ["fork_test", "data.anon", "${OTHER:-pass}", ""]]${3:-}}}
	END
}

wrong='pin: predicted +4 acquired +4 released, measured +4 +0 (pages), 1.0 ms after'
canned fail "$wrong" | judged "a test of its own fails: caught" caught counter
canned fail 'pin: page view: 4 of 8 pages or folios are not as predicted' |
	judged "by the page view" caught page
canned fail 'close: VmPin of the process changed by +4 kB' | judged "by VmPin" caught vm
canned fail "${wrong//+4 +0/+4 +4}" | judged "by the nodes" caught node
canned fail 'the kernel log has, since the test began: WARNING' | judged "by the log" caught log
canned pass '' | judged "all tests pass: missed" "missed"
canned skip 'no XDP' | judged "a skip is no catch" "missed"
canned xfail "known issue" | judged "a known issue is no catch" "missed"
canned inconclusive "busy" | judged "inconclusive is no catch" "missed"
OTHER=fail canned pass '' | judged "only another's test fails: missed" "missed"
BEFORE=fail canned fail "$wrong" | judged "it fails without the mutant, too: missed" "missed"
BEFORE=xfail canned fail "$wrong" |
	judged "more than a known issue explains: caught" caught counter
BEFORE=skip canned fail "$wrong" | judged "it is skipped without the mutant: missed" "missed"
MUTANT=ib-umem-release-rounding canned pass '' | judged "equivalent, and not reported" equivalent
MUTANT=ib-umem-release-rounding OTHER=fail canned pass '' |
	judged "called equivalent, but reported: refuted" refuted
oops='BUG: kernel NULL pointer dereference\\nRIP: 0010:xdp_umem_pin_pages+0x12/0x34'
died=', "trouble": "the suite ended with status 99", "last": "matrix_test"'
canned pass '' "$died, \"console\": \"${oops//\\\\n/\\n}\"" |
	judged "the kernel dies in its function: caught" caught log
canned pass '' "$died, \"console\": \"${oops//xdp_umem_pin_pages/other_function}\"" |
	sed 's/\\\\n/\\n/g' | judged "the kernel dies elsewhere: missed" "missed"
canned pass '' "$died" | judged "it hangs in its program: caught" caught log
canned pass '' "${died//matrix_test/fork_test}" | judged "it hangs in another's: missed" "missed"
canned fail "$wrong" | sed 's/"baseline": {/&"trouble": "panic", /' |
	judged "the unmodified kernel dies, too: no word" "bad baseline"

# fixed BEFORE AFTER: results of a test that a fix is for.
fixed() {
	BEFORE=$1 canned "$2" '' | sed 's/"mutant": "[^"]*"/"fix": "integrity-map-direction"/
		s/xdp_umem/nvme_meta_read/g'
}

fixed xfail pass | judged "a known issue passes: fixed" fixed
fixed xfail xfail | judged "it is still there: not fixed" "not fixed"
fixed xfail skip | judged "it is skipped: not fixed" "not fixed"
fixed pass pass | judged "nothing to mend: not fixed" "not fixed"
OTHER=fail fixed xfail pass | judged "another test fails: not fixed" "not fixed"

# still ISSUE: one of its tests passes, another fails as that known issue has it.
still() {
	cat <<-END
	{"fix": "integrity-map-direction",
	 "baseline": {"results": [["matrix_test", "nvme_meta_read.anon.return", "xfail", ""],
	                          ["matrix_test", "nvme_meta_read.hole.return", "xfail", ""]]},
	 "run": {"results": [["matrix_test", "nvme_meta_read.anon.return", "pass", ""],
	                     ["matrix_test", "nvme_meta_read.hole.return", "fail",
	                      "read: +2 acquired +1 released: known issue $1: why"]]}}
	END
}

still bio-align-down-leak | judged "one has another known issue, too: fixed" fixed
still metadata-wrong-direction | judged "one has it still: not fixed" "not fixed"

# The report of several folders of results.

# measured FOLDER DATE VERDICT THEIRS
measured() {
	mkdir -p "$TMP/$1/baseline" "$TMP/$1/xdp-partial-pin-leak"
	cat >"$TMP/$1/baseline/result.json" <<-END
	{"release": "6.12.1", "suite": "$1", "seconds": 2,
	 "results": [["matrix_test", "a", "pass", ""], ["matrix_test", "b", "fail", "other"]]}
	END
	cat >"$TMP/$1/xdp-partial-pin-leak/result.json" <<-END
	{"name": "xdp-partial-pin-leak", "verdict": "$3", "why": "$1", "views": ["counter"],
	 "build": 1, "seconds": 2, "full": false, "release": "6.12.1", "suite": "$1", "date": "$2",
	 "theirs": $4, "mutant": {"what": "a leak", "kind": "S", "counter": "+N/+0", "files": ["a.c"]},
	 "by": [{"program": "matrix_test", "test": "a", "reason": "", "views": ["counter"]}]}
	END
}

# row VERDICT SUITE THEIRS: what the table has to say of the mutant.
row() {
	check_match "$4" ".*[|] $1 [|] counter [|].*\`$2\` [|] $3 [|]" \
		"$(grep '^| .xdp-partial-pin-leak.' "$RESULTS/mutants.md")"
}

export RESULTS=$TMP/report
mkdir "$RESULTS"
measured older 20260101T000000Z missed \
	'{"noticed": "", "failed": 0, "log": "", "crashed": false, "seconds": 3}'
measured newer 20260102T000000Z caught null
says "a report of one folder" 0 '1 mutants: 1 missed' \
	"$pinmutate" report --results "$TMP/older"
row missed older no "the table has it"
says "another one is added" 0 '1 mutants: 1 caught' "$pinmutate" report --results "$TMP/newer"
row caught newer no "the newer counts, and the kernel's own tests stay"
says "the older again" 0 '1 mutants: 1 caught' "$pinmutate" report --results "$TMP/older"
row caught newer no "the newer still counts"
check_match "what the unmodified kernel fails is told" '.*no mutant: matrix_test b[.]' \
	"$(cat "$RESULTS/mutants.md")"
check_match "what is not measured is told" '.add-pin-.*.zerocopy-extended-charge-kept.' \
	"$(cat "$RESULTS/mutants.md")"
says "a folder without results" 2 'no results in' "$pinmutate" report --results "$TMP"
unset RESULTS

# Sources.
if ! have spatch; then
	skip "sources" "no spatch: make setup"
	done_testing
fi

export KSRC=$TMP/linux CACHE_BEFORE=$CACHE CACHE=$TMP/cache
mkdir -p "$KSRC/mm" "$TMP/mine"
cat >"$KSRC/mm/gup.c" <<'END'
void release(struct page **pages, unsigned long n)
{
	unpin_user_pages(pages, n);
}
END
cp "$KSRC/mm/gup.c" "$TMP/original"
cat >"$TMP/mine/leak.cocci" <<'END'
// what: a leak
// files: mm/gup.c

@@
expression pages, n;
@@
-unpin_user_pages(pages, n);
END
sed 's/unpin_user_pages/no_such_function/' "$TMP/mine/leak.cocci" >"$TMP/mine/nowhere.cocci"
sed 's/^@@$/@/' "$TMP/mine/leak.cocci" >"$TMP/mine/broken.cocci"
sed '/files:/d' "$TMP/mine/leak.cocci" >"$TMP/mine/fileless.cocci"
cat >"$TMP/mine/slow.py" <<'END'
# what: takes its time
# files: mm/gup.c
import pathlib
import sys
import time
pathlib.Path(sys.argv[1]).write_text("changed\n")
pathlib.Path(sys.argv[0] + ".ready").touch()
time.sleep(600)
END
cat >"$TMP/mine/other.patch" <<'END'
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,4 +1,4 @@
 void release(struct page **pages, unsigned long n)
 {
-	unpin_user_pages(pages, n);
+	unpin_user_pages(pages, n - 1);
 }
END

copy() {
	echo "$CACHE"/linux/mutants-*/linux/mm/gup.c
}

# whole NAME: the copy and the source are as they were, and nothing is left over.
whole() {
	check "$1: the copy is as it was" cmp "$TMP/original" "$(copy)"
	check_equal "$1: nothing is left" "" "$(find "$CACHE/linux" -name 'applied.json' -o \
		-name '*.pinmutate' -o -name '*.spatch')"
}

says "apply" 0 '^-.unpin_user_pages' "$pinmutate" apply --file "$TMP/mine/leak.cocci"
check "apply: the copy is changed" grep -q '^{$' "$(copy)"
if grep -q unpin "$(copy)"; then not_ok "apply: by the mutant"; else ok "apply: by the mutant"; fi
says "undo" 0 'is as it was' "$pinmutate" undo
whole "undo"
says "undo again" 0 'is as it was' "$pinmutate" undo
says "a patch" 0 '^\+.unpin_user_pages\(pages, n - 1\)' \
	"$pinmutate" apply --file "$TMP/mine/other.patch"
says "another instead" 0 '^-.unpin_user_pages' "$pinmutate" apply --file "$TMP/mine/leak.cocci"
"$pinmutate" undo >/dev/null
whole "after a patch"
says "a mutant that matches nothing" 1 'nothing matches in mm/gup.c' \
	"$pinmutate" apply --file "$TMP/mine/nowhere.cocci"
whole "after one that matches nothing"
says "a mutant that is broken" 1 'spatch failed' \
	"$pinmutate" apply --file "$TMP/mine/broken.cocci"
whole "after a broken one"
says "files that nobody names" 2 'does not say which files' \
	"$pinmutate" apply --file "$TMP/mine/fileless.cocci"
says "files that --on names" 0 '^-.unpin_user_pages' \
	"$pinmutate" apply --file "$TMP/mine/fileless.cocci" --on mm/gup.c
"$pinmutate" undo >/dev/null
says "a file that this kernel lacks" 1 'there is no mm/none.c' \
	"$pinmutate" apply --file "$TMP/mine/fileless.cocci" --on mm/none.c
whole "after one for a missing file"

# Made for versions of which the source is one, or is not.
# versions RANGE: a mutant for these
versions() {
	{
		printf '// %s\n' 'what: a leak' 'kind: S' 'files: mm/gup.c' "versions: $1" \
			'counter: +1/+0' 'tests: matrix_test'
		sed 1,2d "$TMP/mine/leak.cocci"
	} >"$TMP/mine/ranged.cocci"
}

printf '%s\n' 'VERSION = 7' 'PATCHLEVEL = 3' 'SUBLEVEL = 4' >"$KSRC/Makefile"
for range in 6.5- 6.18-7.3 7.3-; do
	versions $range
	says "one for $range is for 7.3" 0 '^1 mutants, 0 with problems$' \
		"$pinmutate" check --file "$TMP/mine/ranged.cocci"
done
for range in 7.4- 6.5-6.14 6.5-7.2; do
	versions $range
	says "one for $range is not" 0 '^1 mutants, 0 with problems, 1 not for 7[.]3$' \
		"$pinmutate" check --file "$TMP/mine/ranged.cocci"
done
says "it is not run" 4 "^pinmutate: ranged: not for 7[.]3 [(]versions: 6[.]5-7[.]2[)]" \
	env RESULTS="$TMP/none" "$pinmutate" run --file "$TMP/mine/ranged.cocci"
check "and leaves no results" test ! -e "$TMP/none"
says "nor is it with those that are" 0 '^-.unpin_user_pages' \
	"$pinmutate" apply --file "$TMP/mine/ranged.cocci" --file "$TMP/mine/leak.cocci"
"$pinmutate" undo >/dev/null
versions 6.5
says "a range that is none" 1 'versions: 6[.]5 is not as' \
	"$pinmutate" check --file "$TMP/mine/ranged.cocci"
rm "$KSRC/Makefile"

# Several at once, each of which can be chosen: what the file then does is seen.
mkdir -p "$KSRC/lib" "$TMP/stub/linux"
cat >"$KSRC/lib/sum.c" <<'END'
/* A function
 * with this: {
 */
struct given {
	int first;
};

int calls;

static inline int first(const struct given *given)
{
	return given->first;
}

int sum(int (*get)(const struct given *), const struct given list[],
	unsigned int n)
{
	int total = 0;

	while (n--)
		total += get(&list[n]);
	return total;
}

void
count(void)
{
	calls++;
}

int (*const get)(const struct given *) = first;
END
# mutant NAME FILE FROM TO: a patch that puts one for the other
mutant() {
	sed "s/$3/$4/" "$KSRC/$2" | diff -u --label "a/$2" --label "b/$2" "$KSRC/$2" - \
		>"$TMP/mine/$1.patch"
}
mutant more lib/sum.c 'given->first' 'given->first + 1'
mutant less lib/sum.c 'n--' '--n'
mutant both lib/sum.c '\(calls++\|total += \)' 'calls += 5, \1'
mutant outside lib/sum.c 'int calls' 'int calls = 7'
cat >"$TMP/stub/linux/moduleparam.h" <<'END'
#define EXPORT_SYMBOL_GPL(name) extern int name
#define core_param(name, variable, type, mode) extern int variable
END
cat >"$TMP/use.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
struct page;
void unpin_user_pages(struct page **pages, unsigned long n)
{
	(void)pages;
	printf("%lu ", n);
}
#include GUP
#include SUM
int main(int argc, char **argv)
{
	const struct given list[] = { { 1 }, { 10 }, { 100 } };
	(void)argc;
	pin_mutant = atoi(argv[1]);
	release(NULL, 4);
	count();
	printf("%d ", sum(get, list, 3));
	printf("%d", calls);
}
END
says "several at once" 0 '^outside: has to be alone' \
	"$pinmutate" apply --file "$TMP/mine/more.patch" --file "$TMP/mine/less.patch" \
	--file "$TMP/mine/both.patch" --file "$TMP/mine/outside.patch" \
	--file "$TMP/mine/other.patch"
GUP=$(copy)
check "they can be compiled" gcc -Wall -Wextra -Werror -I"$TMP/stub" -DGUP="\"$GUP\"" \
	-DSUM="\"${GUP%mm/gup.c}lib/sum.c\"" -o "$TMP/use" "$TMP/use.c"
for row in "0 none:4 111 1" "1 more:4 114 1" "2 less:4 110 1" "3 both:4 111 21" \
	"4 one that is not in it:4 111 1" "5 one of another file:3 111 1"; do
	check_equal "chosen: ${row%%:*}" "${row#*:}" "$("$TMP/use" "${row%% *}")"
done
"$pinmutate" undo >/dev/null
whole "after several"
rm -r "${KSRC:?}/lib"

for signal in INT TERM KILL; do
	rm -f "$TMP/mine/slow.py.ready"
	# Not as a job of ours, for which SIGINT is ignored.
	setsid python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$pinmutate" apply --file "$TMP/mine/slow.py" >"$TMP/output" 2>&1 &
	job=$!
	for _ in $(seq 300); do
		[ ! -e "$TMP/mine/slow.py.ready" ] || break
		sleep 0.1
	done
	says "SIG$signal: only one at a time" 4 'another pinmutate is at work' "$pinmutate" undo
	kill -s $signal $job
	wait $job 2>/dev/null
	status=$?
	check_equal "SIG$signal: exit status" $((128 + $(kill -l $signal))) $status
	if [ $signal = KILL ]; then
		check "SIGKILL: what was begun is on record" \
			test -s "$(echo "$CACHE"/linux/mutants-*/applied.json)"
		"$pinmutate" undo >/dev/null
	fi
	whole "SIG$signal"
done
pids=$(pgrep -f "$TMP/mine/slow.py")
# shellcheck disable=SC2086 # as many as there are
[ -z "$pids" ] || kill $pids
check "the source itself is as it was" cmp "$TMP/original" "$KSRC/mm/gup.c"
check_equal "and has no more files" "$KSRC/mm/gup.c" "$(find "$KSRC" -type f)"

# A few of all mutants, others each day.
unset KSRC
CACHE=$CACHE_BEFORE
if [ -d "$source/mm" ]; then
	part=$((10#$(date +%j) % 15 + 1))
	says "mutants still apply to $(basename "$source") (part $part of 15)" 0 ' 0 with problems' \
		"$pinmutate" check --part $part/15
else
	skip "mutants still apply" "no kernel source: pinvm build or pinmutate build unpacks it"
fi

done_testing
