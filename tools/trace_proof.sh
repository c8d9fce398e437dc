#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs programs of the suite under pintrace RUNS times, in a guest in which fio
# does direct I/O and another program registers and unregisters fixed buffers
# without an end: each verdict must be exact all the same. Without pintrace, once,
# it cannot be. Called by `make trace_proof`.
set -euo pipefail

BUILD=${BUILD:-build}
RUNS=${RUNS:-20}
KERNEL=${KERNEL:-6.12-amd64}
PROGRAMS="uring_test bad_input_test fork_test rlimit_test matrix_test"
# Of matrix_test, for the time that it takes: without pintrace each test waits.
CELLS="*.anon.* *.thp.* *.hole.*"

command -v fio >/dev/null || { echo 'trace_proof: no fio: make setup' >&2; exit 4; }
tmp=$(mktemp -d "${TMPDIR:-/tmp}/trace_proof.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/out"
${CC:-cc} -O2 -Wall -Wextra -o "$tmp/pin_by" tools/check/pin_by.c

# inside NAME: each program once, into /out/NAME.
cat >"$tmp/inside.sh" <<EOF
set -f
kill -CONT \$OTHERS
for program in $PROGRAMS; do
	cells=
	[ \$program = matrix_test ] && cells="$CELLS"
	echo "# \$program"
	\$program --quiet-wait 1 \$cells
done >"/out/\$1"
# Functions are not to be hooked, nor let go, while they are at work: QEMU does not
# always see that code has changed in which another CPU is.
kill -STOP \$OTHERS
EOF

cat >"$tmp/guest.sh" <<EOF
echo 3 >/proc/sys/kernel/printk
mkdir -p /mnt /dev/shm
mount -t ext4 /dev/vdb /mnt && cd /mnt || exit 1
export TMPDIR=/mnt
fio --name=others --filename=/dev/vda --size=128m --rw=randrw --direct=1 \
	--ioengine=libaio --iodepth=16 --thread --time_based --runtime=1000000 \
	>/out/fio.log 2>&1 &
OTHERS=\$!
pin_by loop_uring 16 1000000000 >/dev/null 2>&1 &
export OTHERS="\$OTHERS \$!"
sleep 2
kill -0 \$OTHERS || exit 1
sh /inside.sh alone
for i in \$(seq $RUNS); do
	pintrace -o /out/trace.\$i -- sh /inside.sh traced.\$i
	echo "run \$i of $RUNS: \$(grep -c '^ok' /out/traced.\$i) ok, \$(grep -c '^not ok' /out/traced.\$i) not, \$(tail -n 1 /out/trace.\$i)"
	grep -B12 '^not ok' /out/traced.\$i || true
done
EOF

programs=()
for program in $PROGRAMS; do
	programs+=(--copy "$BUILD/selftests/pin_accounting/$program:/bin/$program")
done
"$BUILD/bin/pinvm" run --kernel "$KERNEL" --timeout 7200 --out "$tmp/out" \
	--disk 256M --disk 512M:virtio:ext4 --with-modules ext4,crc32c,crc32c_generic,crc32c_intel,libcrc32c \
	--copy "$BUILD/bin/pintrace:/bin/pintrace" --copy "$tmp/pin_by:/bin/pin_by" \
	--copy "$(command -v fio):/bin/fio" "${programs[@]}" \
	--copy "$tmp/inside.sh:/inside.sh" --copy "$tmp/guest.sh:/guest.sh" -- sh /guest.sh

# count REGEX FILE...: tests whose line is so
count() {
	local regex=$1

	shift
	cat "$@" | grep -cE "$regex" || true
}

status=0
for name in alone traced; do
	files=("$tmp/out/$name"*)
	passed=$(count '^ok [0-9]+ [^#]*$' "${files[@]}")
	failed=$(count '^not ok' "${files[@]}")
	unsure=$(count '# SKIP inconclusive' "${files[@]}")
	echo "$name: ${#files[@]} runs, $passed passed, $failed failed, $unsure inconclusive"
	[ "$failed" -eq 0 ] || status=1
done
[ "$unsure" -eq 0 ] && [ "$passed" -gt 0 ] || status=1
[ $status -eq 0 ] || { cp -r "$tmp/out" "${RESULTS:-results}/trace_proof" && echo "all of it is in ${RESULTS:-results}/trace_proof"; }
exit $status
