#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinbisect on repositories of a few bytes, with commands in place of the build
# and the guest: culprits, skips, going on after a kill, bad input, and that the
# user's repository stays as it was.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinbisect=$BUILD/bin/pinbisect
export CACHE=$TMP/cache TMPDIR=$TMP GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
mkdir "$CACHE"

if ! have git; then
	skip "pinbisect" "git is not installed"
	done_testing
fi

repo=$TMP/repo

# history COUNT: commits 0 to COUNT, each of which changes the file "number".
history() {
	local number stamp=0

	rm -rf "$repo"
	git init -q -b main "$repo"
	for number in $(seq 0 "$1"); do
		stamp=$((stamp + 60))
		printf 'commit refs/heads/main\nmark :%s\ncommitter C <c@example.org> %s +0000\n' \
			$((number + 1)) $((1700000000 + stamp))
		printf 'data <<END\ncommit %s\nEND\n' "$number"
		printf 'M 644 inline number\ndata <<END\n%s\nEND\n\n' "$number"
	done | git -C "$repo" fast-import --quiet
	git -C "$repo" reset -q --hard main
}

rev() {
	git -C "$repo" rev-parse "main~$((last - $1))"
}

# All that a bisection must not touch.
fingerprint() {
	(
		cd "$repo" || exit
		git status --porcelain=v2 --branch --untracked-files=all
		git for-each-ref
		git worktree list --porcelain
		git stash list
		git config --list --show-origin
		cat .git/HEAD
		find . -path ./.git/objects -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
		find .git -type d ! -path '.git/objects/*' | sort
	)
}

# A build and a test in one place each: broken and flaky as the variables say.
# shellcheck disable=SC2016 # for another shell
build='for one in $BROKEN; do [ "$one" != "$(cat number)" ] || { echo "error: broken" >&2; exit 1; }; done
	cp number "$PINBISECT_TREE/"'
cat >"$TMP/test" <<'END'
#!/bin/sh
number=$(cat "$PINBISECT_KERNEL/number")
echo "$number" >>"$TRIED"
for one in $NOT_BOOTING; do
	[ "$one" != "$number" ] || exit 125
done
[ "$number" -ge "$BUG" ] || exit 0
[ -n "$FLAKY" ] || exit 1
# It fails each third time.
count=$(($(cat "$FLAKY/$number" 2>/dev/null || echo "$number") + 1))
echo $count >"$FLAKY/$number"
[ $((count % 3)) -ne 0 ]
END
chmod +x "$TMP/test"
export BROKEN='' NOT_BOOTING='' FLAKY='' BUG TRIED=$TMP/tried

# search NAME [OPTION...]: leaves output, json and status.
search() {
	local name=$1

	shift
	json=$("$pinbisect" git --repo "$repo" --good "$(rev 0)" --bad main --builds "$TMP/b-$name" \
		--build-cmd "$build" --host-cmd --json "$@" -- "$TMP/test" 2>"$TMP/output" </dev/null)
	status=$?
}

field() {
	echo "$json" | python3 -c "import json, sys; print(eval('d' + sys.argv[1],
		{'d': json.load(sys.stdin)}))" "$1" 2>&1 | tail -n 1
}

says "--help" 0 'usage: pinbisect' "$pinbisect" --help
for command in git packages images; do
	says "$command --help" 0 "usage: pinbisect $command" "$pinbisect" $command --help
done
says "no command" 2 'required: COMMAND' "$pinbisect"
says "git without a repository" 2 '\-\-repo is wanted' "$pinbisect" git -- true
says "nothing to run" 2 'is wanted' "$pinbisect" git --repo . --good a --bad b
says "two things to run" 2 'one of --test' "$pinbisect" git --repo . --good a --bad b \
	--test fork_test -- true
says "no such folder" 2 'there is no folder' "$pinbisect" git --repo "$TMP/none" --good a --bad b -- true
mkdir "$TMP/plain"
says "no repository" 2 'is no git repository' env GIT_CEILING_DIRECTORIES="$TMP" \
	"$pinbisect" git --repo "$TMP/plain" --good a --bad b -- true
says "no such test" 2 'no test program "no_such_test"' "$pinbisect" git --repo . --good a --bad b \
	--test no_such
says "no such pattern" 2 'no test of counters_test is called no.such' "$pinbisect" git --repo . \
	--good a --bad b --test counters_test:no.such
says "no such job" 2 'there is no' "$pinbisect" git --repo . --good a --bad b --replay "$TMP/none"
says "no such fragment" 2 'there is no' "$pinbisect" git --repo . --good a --bad b \
	--config "$TMP/none" -- true
says "nothing to resume" 2 'nothing to go on with' "$pinbisect" git --resume --builds "$TMP/none"

last=6
history $last
bisect=("$pinbisect" git --repo "$repo" --builds "$TMP/b-input" --build-cmd "$build" --host-cmd)
says "an unknown revision" 2 'has no commit nowhere' "${bisect[@]}" --good nowhere --bad main -- true
says "an option as a revision" 2 'has no commit --all' "${bisect[@]}" --good=--all --bad main -- true
says "ends exchanged" 2 'are they exchanged' "${bisect[@]}" --good main --bad main~3 -- true
says "ends equal" 2 'the same commit' "${bisect[@]}" --good main --bad main -- true
git -C "$repo" branch -q side main~4
git -C "$repo" commit-tree -p side -m aside 'main^{tree}' >"$TMP/aside"
says "good is no ancestor" 2 'no ancestor of --bad main: if it is good, too, --good [0-9a-f]{12} will' \
	"${bisect[@]}" --good "$(cat "$TMP/aside")" --bad main -- true
says "a path that nothing touches" 2 'no commit from' \
	"${bisect[@]}" --good main~3 --bad main --path nothing -- true
BUG=99
says "bad is good" 4 'BAD is good' "${bisect[@]}" --good main~3 --bad main -- "$TMP/test"
BUG=0
says "good is bad" 4 'GOOD is bad' "${bisect[@]}" --good main~3 --bad main --restart -- "$TMP/test"
says "another bisection is there" 4 'has another bisection \(good differs\)' \
	"${bisect[@]}" --good main~4 --bad main -- "$TMP/test"
BROKEN=6 says "bad does not build" 4 'BAD .* cannot be judged: does not build: error: broken' \
	"${bisect[@]}" --good main~3 --bad main --restart -- "$TMP/test"
says "no such command" 4 'status 127, which says neither' \
	"${bisect[@]}" --good main~3 --bad main --restart -- "$TMP/none"
says "disk full" 4 'no space left .* --resume goes on' "$pinbisect" git --repo "$repo" \
	--builds "$TMP/b-full" --build-cmd 'head -c 1 /dev/zero >/dev/full' --host-cmd --good main~3 --bad main -- true

# Each position, with a tree that is far from clean.
echo dirty >>"$repo/number"
echo new >"$repo/untracked"
git -C "$repo" stash push -q
echo dirtier >>"$repo/number"
echo staged >"$repo/staged"
git -C "$repo" add staged
git -C "$repo" bisect start -q main main~2 2>/dev/null >/dev/null
echo dirtier >>"$repo/number"
before=$(fingerprint)
wrong=
for BUG in $(seq 1 $last); do
	search position --restart --confirm 1
	[ "$status" -eq 0 ] && [ "$(field '["first_bad"]')" = "$(rev "$BUG")" ] ||
		wrong+="$BUG: status $status: $(tail -n 3 "$TMP/output")"$'\n'
done
check_equal "the culprit at each position" "" "$wrong"
check_equal "the repository is as it was" "$before" "$(fingerprint)"
check_match "the report has a subject" 'Subject: \[REGRESSION\] \[BISECTED\] .* fails' \
	"$(cat "$TMP/b-position/report/report.txt")"
check_match "and git's log" ' *# first bad commit: \[.*' "$(cat "$TMP/b-position/report/report.txt")"

last=20
history $last
BUG=7
BROKEN='10 11' NOT_BOOTING='5' search skips
check_equal "skips: found" "$(rev 7)" "$(field '["first_bad"]')"
check_equal "skips: no parent of it is skipped" 0 $status
check_match "skips: the report has the reason" ' *.*: does not build: error: broken' \
	"$(cat "$TMP/b-skips/report/report.txt")"
BROKEN='5 6 7' search range
check_equal "only skipped ones are left: status" 1 $status
check_equal "only skipped ones are left: candidates" "$(rev 5) $(rev 6) $(rev 7) $(rev 8)" \
	"$(BUG=8; field '["candidates"]' | tr -d "[],'")"

mkdir "$TMP/flaky"
BUG=13 FLAKY=$TMP/flaky search flaky --repeat 3
check_equal "flaky: found" "$(rev 13)" "$(field '["first_bad"]')"
check_match "flaky: the rate is told" 'The failure is flaky: --repeat [0-9]+ would.*' \
	"$(cat "$TMP/b-flaky/report/report.txt")"
check_equal "flaky: a probability" True "$(field '["certainty"]["wrong"] > 0.01')"
# One that is called good as it fails too seldom: the confirmation knows better.
rm "$TMP/flaky"/*
BUG=13 FLAKY=$TMP/flaky search unconfirmed --confirm 3
check_equal "flaky, not repeated: no false certainty" "1 1" \
	"$([ $status -eq 0 ] || [ $status -eq 4 ] || echo 1) $([ $status -eq 0 ] || echo 1)"

# Killed at a step, and gone on with.
BUG=7
before=$(fingerprint)
for signal in INT TERM KILL; do
	: >"$TRIED"
	# shellcheck disable=SC2016
	"$pinbisect" git --repo "$repo" --good "$(rev 0)" --bad main --builds "$TMP/b-$signal" \
		--build-cmd "$build" --host-cmd -- sh -c "$TMP/test"'; status=$?
		[ "$(wc -l <$TRIED)" -ne 4 ] || sleep 1000; exit $status' >"$TMP/output" 2>&1 &
	job=$!
	for _ in $(seq 200); do
		[ "$(wc -l <"$TRIED")" -lt 4 ] || break
		sleep 0.05
	done
	kill -s $signal $job
	wait $job 2>/dev/null
	status=$?
	check_equal "SIG$signal: exit status" $((128 + $(kill -l $signal))) $status
	for _ in $(seq 100); do
		pgrep -f "$TMP/[t]est" >/dev/null || break
		sleep 0.05
	done
	check_equal "SIG$signal: nothing is left" "" "$(pgrep -af "$TMP/[t]est|b-$signal/[l]inux-source")"
	check_equal "SIG$signal: the repository is as it was" "$before" "$(fingerprint)"
	done=$(wc -l <"$TMP/b-$signal/steps.jsonl")
	: >"$TRIED"
	seq 10 >"$TRIED"
	json=$("$pinbisect" git --resume --builds "$TMP/b-$signal" --json --confirm 1 2>"$TMP/output")
	check_equal "SIG$signal: gone on with" "$(rev 7)" "$(field '["first_bad"]')"
	check_match "SIG$signal: what was done is not done again" \
		"pinbisect: going on with .*: $done steps are done" "$(cat "$TMP/output")"
done

# Images, by a runner that looks into the file.
mkdir "$TMP/images"
for number in $(seq 1 12); do
	echo "$number" >"$TMP/images/kernel-6.$number"
done
# shellcheck disable=SC2016
runner='n=$(cat "$PINBISECT_KERNEL"); [ $n -ne 7 ] || exit 125; [ $n -lt 9 ]'
says "images: found" 0 'First bad kernel: *kernel-6\.9$' \
	"$pinbisect" images "$TMP/images" --host-cmd -- sh -c "$runner"
(cd "$TMP/images" && printf '%s # a note\n' kernel-6.8 kernel-6.9 kernel-6.10) >"$TMP/images/../list"
sed -i 's|^|images/|' "$TMP/list"
says "a list of images: found" 0 'Last good kernel: *kernel-6\.8$' \
	"$pinbisect" images "$TMP/list" --host-cmd -- sh -c "$runner"
says "images: ends exchanged" 2 'exchanged' "$pinbisect" images "$TMP/images" --good kernel-6.9 \
	--bad kernel-6.2 --host-cmd -- true
says "images: no such name" 2 'no kernel 7; there are: kernel-6\.1 ' \
	"$pinbisect" images "$TMP/images" --good 7 --host-cmd -- true
says "images: none" 2 'there is no' "$pinbisect" images "$TMP/none" --host-cmd -- true
head -n 1 "$TMP/list" >"$TMP/one"
says "images: one" 4 'too few' "$pinbisect" images "$TMP/one" --host-cmd -- true

# The suite, in guests that are none: each image says what becomes of its guest.
mkdir -p "$TMP/fake/bin" "$TMP/guests"
ln -s "$BUILD/bin/pinreport" "$TMP/fake/bin/"
ln -s "$BUILD/selftests" "$TMP/fake/"
cat >"$TMP/fake/bin/pinvm" <<'END'
#!/bin/bash
echo "$@" >>"$BOOTS"
while [ $# -gt 0 ]; do
	case $1 in
	--kernel) kernel=$2 ;;
	--log) log=$2 ;;
	--out) out=$2 ;;
	esac
	shift
done
lost() {
	echo "pinvm: $1; the console's log is $log, and ends:" >&2
	exit 99
}
[ -d "$kernel" ] && kernel=$kernel/arch/x86/boot/bzImage
word=$(cat "$kernel")
[ "$(wc -l <"$BOOTS")" -le "$BREAKS_AFTER" ] || word=panic
echo "[    1.0] booting" >"$log"
case $word in
panic)
	echo "[    1.1] Kernel panic - not syncing: no luck" >>"$log"
	lost "the guest ended without a result (before it ran the command)"
	;;
crash)
	echo "[    1.1] BUG: unable to handle page fault" >>"$log"
	lost "the guest ended without a result (while it ran the command)"
	;;
hang) lost "no result after 300 s (while it ran the command)" ;;
broken) echo "pinvm: no qemu-system-x86_64: install it" >&2; rm "$log"; exit 4 ;;
esac
[ -n "$out" ] || exit 0
mkdir -p "$out/1"
touch "$out/done"
exec >"$out/1/matrix_test.ktap"
test=process_vm_readv.anon.return
echo "TAP version 13"
[ "$word" = cut ] || echo "1..2"
case $word in
good) echo "ok 1 $test" ;;
skip) echo "ok 1 $test # SKIP no counters in /proc/vmstat" ;;
*) echo "not ok 1 $test" ;;
esac
[ "$word" = both ] && echo "not ok 2 account.total" || echo "ok 2 account.total"
[ "$word" = bad ] && cat >"$out/1/matrix_test.jsonl" <<JSON
{"test":"$test","steps":[{"step":"pin","predicted":{"acquired":64,"released":64,"result":1},
JSON
[ "$word" = bad ] && truncate -s -1 "$out/1/matrix_test.jsonl" && cat >>"$out/1/matrix_test.jsonl" <<JSON
"measured":{"acquired":64,"released":0,"result":1}}]}
JSON
echo 1 >"$out/1/matrix_test.status"
END
chmod +x "$TMP/fake/bin/pinvm"
export BOOTS=$TMP/boots BREAKS_AFTER=99

# guests NAME STATUS REGEX WORD...: a line of kernels that behave as the words say.
guests() {
	local name=$1 status=$2 regex=$3 number=100

	shift 3
	rm -rf "$TMP/guests" "$TMP/b-guests" "$BOOTS"
	mkdir "$TMP/guests"
	for word; do
		number=$((number + 1))
		echo "$word" >"$TMP/guests/$number"
	done
	says "$name" "$status" "$regex" env BUILD="$TMP/fake" "$pinbisect" images "$TMP/guests" \
		--guest lean --confirm 1 --builds "$TMP/b-guests" --test 'matrix_test:process_vm_readv.anon.*'
}

guests "a test fails" 0 'First bad kernel: *104$' good good good bad bad bad
check_match "predicted" ' *pin +predicted +64 +64 +1' "$(cat "$TMP/b-guests/report/report.txt")"
check_match "and measured" ' *measured +64 +0 +1' "$(cat "$TMP/b-guests/report/report.txt")"
# asked FIRST_FAILURE STEP...: whether these steps end with their first failure.
asked() {
	local ends=$1 step

	shift
	for step; do
		grep -q "guest.sh 1 $ends .matrix_test" "$TMP/b-guests/steps/$step"*/run1/command || return
	done
}
check "BAD, GOOD and the confirmation are run whole" asked 0 001 002 confirm-103 confirm-104
check "a step between ends with its first failure" asked 1 003 004
guests "some do not boot" 0 'First bad kernel: *105$' good panic good good bad panic panic bad
check "a panic that early is a skip" grep -q \
	'"verdict": "skip", "reason": "does not boot: .*: Kernel panic - not syncing: no luck"' \
	"$TMP/b-guests/steps.jsonl"
guests "the kernel crashes in the test" 0 'First bad kernel: *103$' good good crash crash
guests "a hang that BAD does not know" 0 'First bad kernel: *104$' good hang good bad
guests "all hang" 0 'First bad kernel: *103$' good good hang hang
guests "no counters" 0 'First bad kernel: *104$' good skip good bad bad
guests "KTAP that is cut off" 0 'First bad kernel: *103$' good good cut bad
guests "GOOD lacks the counters" 4 'GOOD .101. does not pass what fails at BAD: .*no counters' \
	skip good bad
guests "what fails at both" 0 'First bad kernel: *103$' bad bad both both
check_match "is set aside" 'Set aside, .*' "$(cat "$TMP/b-guests/report/report.txt")"
check "and such a step is run whole" asked 0 003
guests "no QEMU" 4 'cannot boot a guest: no qemu' good broken bad
rm -rf "$TMP/guests/102" && echo good >"$TMP/guests/102"
says "and gone on with" 0 'First bad kernel: *103$' env BUILD="$TMP/fake" "$pinbisect" images --resume \
	--builds "$TMP/b-guests"
echo bad >"$TMP/guests/104"
BREAKS_AFTER=0 guests "nothing boots" 4 'BAD .104. cannot be judged: does not boot' good good bad bad
BREAKS_AFTER=2 guests "the machine stops to boot" 4 'does not boot a kernel any more that it did boot' \
	good good bad bad

# A build tree is built over: the kernel that did boot is kept.
last=6
history $last
rm "$BOOTS"
# shellcheck disable=SC2016 # for another shell
image='mkdir -p "$PINBISECT_TREE/arch/x86/boot"
	echo CONFIG_VIRTIO_CONSOLE=y >"$PINBISECT_TREE/.config"
	case $(cat number) in 3) echo panic ;; [56]) echo bad ;; *) echo good ;; esac \
		>"$PINBISECT_TREE/arch/x86/boot/bzImage"'
says "commits in guests" 0 ' *# first bad commit: .* commit 5' env BUILD="$TMP/fake" \
	"$pinbisect" git --repo "$repo" --good "$(rev 0)" --bad main --builds "$TMP/b-commits" \
	--build-cmd "$image" --guest lean --confirm 1 --test 'matrix_test:process_vm_readv.anon.*'
check_equal "the one that did boot is kept" bad "$(cat "$TMP/b-commits/reference/bzImage")"
check "and tried again when one does not" grep -q 'b-commits/reference/bzImage' "$BOOTS"

done_testing
