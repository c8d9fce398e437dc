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

# says NAME STATUS REGEX COMMAND...
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

done_testing
