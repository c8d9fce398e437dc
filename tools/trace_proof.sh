#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs programs of the suite under pintrace RUNS times, in a guest in which fio
# does direct I/O and another program registers and unregisters fixed buffers
# without an end: each verdict must be exact all the same. Without pintrace, once,
# it cannot be. Called by `make trace_proof`. PROGRAMS, CELLS (of matrix_test) and
# CONSUMERS (whose modules and devices the guest is to have, '*' for all) are for
# more of the suite.
set -euo pipefail

BUILD=${BUILD:-build}
RUNS=${RUNS:-20}
KERNEL=${KERNEL:-6.12-amd64}
PROGRAMS=${PROGRAMS:-uring_test bad_input_test fork_test rlimit_test matrix_test}
# For the time that it takes: without pintrace each test waits.
CELLS=${CELLS:-*.anon.* *.thp.* *.hole.*}

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
	grep -B12 '^not ok' /out/traced.\$i
done
kill -0 \$OTHERS
EOF

programs=()
for program in $PROGRAMS; do
	programs+=(--copy "$BUILD/selftests/pin_accounting/$program:/bin/$program")
done
"$BUILD/bin/pinvm" run --kernel "$KERNEL" ${CONSUMERS:+--for "$CONSUMERS"} --timeout 7200 --out "$tmp/out" \
	--disk 256M --disk 512M:virtio:ext4 --with-modules ext4,crc32c,crc32c_generic,crc32c_intel,libcrc32c \
	--copy "$BUILD/bin/pintrace:/bin/pintrace" --copy "$tmp/pin_by:/bin/pin_by" \
	--copy "$(command -v fio):/bin/fio" "${programs[@]}" \
	--copy "$tmp/inside.sh:/inside.sh" --copy "$tmp/guest.sh:/guest.sh" -- sh /guest.sh

status=0

# count REGEX FILE...: tests whose line is so
count() {
	local regex=$1

	shift
	awk -v regex="$regex" '$0 ~ regex { n++ } END { print n + 0 }' "$@"
}

tally() {
	local files=("$tmp/out/$1"*)

	runs=${#files[@]}
	passed=$(count '^ok [0-9]+ [^#]*$' "${files[@]}")
	failed=$(count '^not ok' "${files[@]}")
	unsure=$(count '# SKIP inconclusive' "${files[@]}")
	echo "$1: $runs runs, $passed passed, $failed failed, $unsure inconclusive"
}

# Else nothing pinned beside, and all that follows says nothing.
tally alone
[ "$unsure" -gt "$passed" ] || status=1
tally traced
[ "$runs" -eq "$RUNS" ] && [ "$passed" -gt 0 ] && [ "$failed" -eq 0 ] && [ "$unsure" -eq 0 ] ||
	status=1
if [ $status -ne 0 ]; then
	kept=${RESULTS:-results}/$(date -u +%Y%m%dT%H%M%SZ)-trace_proof
	mkdir -p "$kept"
	cp -r "$tmp/out/." "$kept"
	echo "NOT EXACT: all of it is in $kept"
fi
exit $status
