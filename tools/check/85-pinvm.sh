#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pinvm: usage, what comes back from a guest, and that nothing but an orderly
# end is ever taken for a result.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinvm=$BUILD/bin/pinvm
export CACHE TMPDIR=$TMP

leftovers() {
	find "$TMP" -maxdepth 1 -name 'pinvm*'
	pgrep -f "$TMP/pinvm" -a
}

says "--help" 0 'usage: pinvm' "$pinvm" --help
for command in kernels get kdir run suite matrix coverage soak; do
	says "$command --help" 0 "usage: pinvm $command" "$pinvm" $command --help
done
says "no command" 2 'required: COMMAND' "$pinvm"
says "an unknown command" 2 'invalid choice' "$pinvm" dance
says "an unknown option" 2 'unrecognized arguments' "$pinvm" run --kernel 6.1 --no-such -- true
says "a kernel that is none" 2 'no kernel "six"' "$pinvm" run --kernel six -- true
echo '[{"release": "'"$(uname -r)"'", "arch": "amd64", "passed": true, "guest": false,
"helper": false, "when": "2026-01-02 03:04", "seconds": 7, "first_test": null, "trouble": null,
"programs": {"a_test": {"pass": 3, "fail": 0, "xfail": 0, "skip": 0, "inconclusive": 0,
"seconds": 1}}, "consumers": {"a_way": {"pass": 8, "fail": 0, "xfail": 2, "skip": 1}},
"failures": [], "xfails": [], "skips": []}]' >"$TMP/matrix.json"
says "a kernel that passed before" 0 'kept from 2026-01-02 03:04' \
	"$pinvm" matrix --keep "$TMP/matrix.json" --results "$TMP" running
check_equal "it is in the page" '| a_test | 3 / 0 / 0 / 0 (1.0 s) |' \
	"$(grep a_test "$TMP/matrix.md")"
# shellcheck disable=SC2016 # no command
check_equal "and its consumers" '| `a_way` | 8 exact, 2 known |' \
	"$(grep a_way "$TMP/matrix.md")"
says "--keep of something else" 2 'is no matrix.json' \
	"$pinvm" matrix --keep "$TMP/matrix.md" running
# A kernel with one file that is counted, a program.
mkdir -p "$TMP/kernel/mm" "$TMP/run/part1/gcov"
ln -s . "$TMP/kernel/source"
cat >"$TMP/kernel/mm/gup.c" <<'EOF'
#include <stdlib.h>

static int unpin_folio(int folio)
{
	return folio;
}

/* As unpin_folio(), and called by nobody. */
void unpin_folios(void)
{
	abort();
}

static int sum_of(int n)
{
	if (n > 1)
		return 2;
	return n;
}

int longterm(int argc)
{
	if (argc > 1)
		exit(3);
	return unpin_folio(sum_of(argc));
}

int other(void)
{
	return 0;
}

int main(int argc, char **argv)
{
	other();
	return longterm(argc) - 1;
}
EOF
(cd "$TMP/kernel" && gcc --coverage -c mm/gup.c -o mm/gup.o && gcc --coverage mm/gup.o -o gup &&
	./gup)
cp -r "$TMP/kernel/mm" "$TMP/run/part1/gcov/"
jq '.[0]' "$TMP/matrix.json" >"$TMP/run/verdict.json"
says "coverage of a run" 0 'block/bio.c is not in ' \
	"$pinvm" coverage --tree "$TMP/kernel" --from "$TMP/run" --results "$TMP"
check_equal "functions, lines, and blocks that have no reason" \
	'| mm/gup.c | 4 / 5 | 11 / 15 | 73 % | 3 / 3 |' "$(grep '^| mm/gup.c ' "$TMP/coverage.md")"
check_equal "what was not reached" "unpin_folios 9-12 (not called)
sum_of 17-17 if (n > 1) return 2;
longterm 24-24 if (argc > 1) exit(3);" "$(jq -r '.files[].blocks[] |
	"\(.function) \(.first)-\(.last) \(.text)"' "$TMP/coverage.json")"
says "coverage of what was no run" 2 'holds no run of the suite' \
	"$pinvm" coverage --tree "$TMP/kernel" --from "$TMP/kernel"

says "nothing to run" 2 'a command is wanted' "$pinvm" run --kernel 6.1
says "a command for get" 2 'only run takes a command' "$pinvm" get 6.1 -- true

if ! have qemu-system-x86_64; then
	skip "guests" "no qemu-system-x86_64: make setup"
	done_testing
fi
if [ "$(uname -m)" != x86_64 ]; then
	skip "guests" "written for a machine that is x86-64"
	done_testing
fi
for version in 6.1 6.12; do
	if ! "$pinvm" run --kernel $version --dry-run -- true >"$TMP/dry-run" 2>"$TMP/why"; then
		skip "guests" "no kernel $version: $(tail -n 1 "$TMP/why")"
		done_testing
	fi
done

says "--dry-run prints the command" 0 '^qemu-system-x86_64 .*-numa .*-kernel .*/vmlinuz-6\.12' \
	"$pinvm" run --kernel 6.12 --dry-run -- true
says "one thread for all CPUs" 0 '[-]accel tcg,thread=single ' \
	"$pinvm" run --kernel 6.12 --dry-run --accel tcg --one-thread -- true
says "a size that is none" 2 'not a size: much' \
	"$pinvm" run --kernel 6.12 --dry-run --memory much -- true
says "a kind of disk that is none" 2 'no kind of disk "floppy"' \
	"$pinvm" run --kernel 6.12 --dry-run --disk 1G:floppy -- true
says "no processors" 2 'not a positive number: 0' \
	"$pinvm" run --kernel 6.12 --cpus 0 -- true
says "a module that is none" 2 'has no module no_such' \
	"$pinvm" run --kernel 6.12 --modules no_such -- true
says "a file that is none" 2 'there is no /no/such' \
	"$pinvm" run --kernel 6.12 --copy /no/such -- true
says "a disk that is none" 2 'there is no such --disk' \
	"$pinvm" run --kernel 6.12 --disk 16M --env DISK=@disk1 -- true
says "a consumer that is none" 2 'no consumer "nope"; there are: .*xdp_umem' \
	"$pinvm" run --kernel 6.12 --for 'rdma*,nope'
says "what every consumer needs can be had" 0 'ms=64.*-device edu' \
	"$pinvm" run --kernel 6.12 --dry-run --for '*'
printf 'int main(void) { return 0; }\n' >"$TMP/sixteen"
says "a kernel that does not boot" 99 'without a result' \
	"$pinvm" run --kernel "$TMP/sixteen" --timeout 20 -- true
rm -f "$TMP"/pinvm-*.log

began=$(date +%s%N)
says "get again" 0 '^6\.1' "$pinvm" get 6.1
took=$((($(date +%s%N) - began) / 1000000))
if [ $took -lt 3000 ]; then
	ok "get again: takes a moment"
else
	not_ok "get again: takes a moment" "$took ms"
fi

# A QEMU of our own, in whose guests nothing goes well.
mkdir "$TMP/bin"
cat >"$TMP/bin/qemu-system-x86_64" <<'END'
#!/bin/sh
for word; do
	case $word in
	file,id=console,path=*) echo "$OOPS" >"${word#*path=}" ;;
	esac
done
echo boot >>"$BOOTS"
END
chmod +x "$TMP/bin/qemu-system-x86_64"
export BOOTS=$TMP/boots
says "QEMU trips over patching: once more" 99 'once more' \
	env PATH="$TMP/bin:$PATH" OOPS='Oops: int3: 0000 text_poke' \
	"$pinvm" run --kernel 6.12 --accel tcg -- true
check_equal "but not for ever" 3 "$(wc -l <"$BOOTS")"
rm "$BOOTS"
says "another oops while it boots" 99 'guest ended without a result' \
	env PATH="$TMP/bin:$PATH" OOPS='Oops: general protection fault' \
	"$pinvm" run --kernel 6.12 --accel tcg -- true
check_equal "is not tried again" 1 "$(wc -l <"$BOOTS")"
rm -f "$TMP"/pinvm-*.log

# One guest, many questions.
mkdir "$TMP/in"
echo "from the host" >"$TMP/in/file"
# shellcheck disable=SC2016 # the guest's shell expands
"$pinvm" run --kernel 6.12 --disk 64M:nvme --disk 32M --disk 16M:scsi --modules zram --with-modules xfs \
	--copy "$TMP/in:/in" --out "$TMP/out" --env "WORD=two words" \
	--env FIRST=@disk0 --env LAST=@disk2 -- sh -c '
	uname -r
	ls -d /sys/devices/system/node/node* | wc -l
	cat /in/file
	echo "$WORD"
	echo "$FIRST $LAST"
	cat /sys/block/nvme0n1/size /sys/block/vda/size /sys/block/sda/size
	ls /sys/block/zram0/disksize
	for dir in /proc /sys /dev /dev/pts /dev/shm /tmp /run /sys/kernel/debug \
		/sys/kernel/tracing /sys/fs/cgroup; do
		grep -q " $dir " /proc/mounts || echo "not mounted: $dir"
	done
	modprobe ext4 && modprobe xfs && modprobe -q no_such || grep -wo xfs /proc/filesystems
	echo "to stderr" >&2
	head -c 300000 /dev/zero | tr "\0" x >/out/big
	echo "$@"
	exit 7' - -- 'an argument' >"$TMP/stdout" 2>"$TMP/stderr"
check_equal "6.12: the command's exit status" 7 $?
check_equal "6.12: its output" "2
from the host
two words
/dev/nvme0n1 /dev/sda
131072
65536
32768
/sys/block/zram0/disksize
xfs
-- an argument" "$(sed 1d "$TMP/stdout")"
check_match "6.12: is 6.12" '6\.12\..*' "$(head -n 1 "$TMP/stdout")"
check_match "6.12: stderr is apart" "to stderr" "$(cat "$TMP/stderr")"
check_equal "6.12: files come back" 300000 "$(stat -c %s "$TMP/out/big")"

says "6.12: --for" 0 'pass:5 fail:0 .*skip:0' "$pinvm" run --kernel 6.12 \
	--for 'nvme_meta_write,sg_io_read,helper_pin' -- matrix_test \
	nvme_meta_write.anon.return sg_io_read.anon.return helper_pin.anon.release
says "6.1: a program of the host with its libraries" 0 'nr_foll_pin|acquired' \
	"$pinvm" run --kernel 6.1 -- "$BUILD/bin/pinstat" -- true

# shellcheck disable=SC2016
says "a panic is no result" 99 'Kernel panic' "$pinvm" run --kernel 6.12 -- \
	sh -c 'echo c >/proc/sysrq-trigger'
check "its log is kept" grep -q 'Kernel panic' "$TMP"/pinvm-*.log
rm -f "$TMP"/pinvm-*.log
says "a power-off is no result" 99 'guest ended without a result' "$pinvm" run --kernel 6.12 -- \
	poweroff -f
rm -f "$TMP"/pinvm-*.log
says "a hang is no result" 99 'no result after 10 s' "$pinvm" run --kernel 6.12 --timeout 10 \
	--log "$TMP/hang.log" -- sleep 1000
check "its log is where it was asked for" test -s "$TMP/hang.log"

for signal in INT TERM; do
	"$pinvm" run --kernel 6.12 -- sh -c 'echo ready; sleep 1000' >"$TMP/output" 2>&1 &
	job=$!
	# Long enough for a guest that is booted once more.
	for _ in $(seq 1200); do
		! grep -q ready "$TMP/output" || break
		sleep 0.1
	done
	check "SIG$signal: there was a guest" grep -q ready "$TMP/output"
	kill -s $signal $job
	wait $job
	status=$?
	check_equal "SIG$signal: exit status" $((128 + $(kill -l $signal))) $status
	check_equal "SIG$signal: nothing is left" "" "$(leftovers)"
done
"$pinvm" run --kernel 6.12 -- sleep 1000 >"$TMP/output" 2>&1 &
job=$!
for _ in $(seq 100); do
	qemu=$(pgrep -f "^qemu-system.*$TMP/pinvm") && break
	sleep 0.1
done
kill -KILL $job
wait $job 2>/dev/null
for _ in $(seq 50); do
	pgrep -f "^qemu-system.*$TMP/pinvm" >/dev/null || break
	sleep 0.1
done
check_equal "SIGKILL: there was a guest" 1 "$(echo "$qemu" | grep -c '[0-9]')"
check_equal "SIGKILL: QEMU is gone" "" "$(pgrep -f "^qemu-system.*$TMP/pinvm")"

done_testing
