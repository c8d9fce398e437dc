#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Wrong usage and machines that lack something: a clear word and the right exit
# status, never a crash and never a pass.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$BUILD/selftests/pin_accounting

for program in "$programs"/*_test; do
	name=${program##*/}
	says "$name --help" 0 'Usage: ' "$program" --help
	says "$name: unknown option" 2 'unrecognized option' "$program" --no-such
	says "$name: unknown test" 2 'no test matches' "$program" no.such.test
	check_equal "$name --list: unique names of [a-z0-9_.-]" "" \
		"$("$program" --list | tee "$TMP/list" | grep -vxE '[a-z0-9_.-]+'; sort "$TMP/list" | uniq -d)"
done
matrix=$programs/matrix_test
says "a number that is none" 2 'not a number: soon' "$matrix" --drain soon
says "a negative number" 2 'not a number: -3' "$matrix" --drain=-3
says "a record that cannot be written" 1 'No such file' \
	"$programs/counters_test" --json "$TMP/no/such/file"
# shellcheck disable=SC2016 # the inner shell expands
says "few file descriptors" 0 'account.total' \
	bash -c 'ulimit -n 24; exec "$1"' - "$programs/counters_test"
# shellcheck disable=SC2016
says "hardly any file descriptors" 1 'Too many open files' \
	bash -c 'ulimit -n 5; exec "$1"' - "$programs/counters_test"

if [ "$(id -u)" -ne 0 ] || ! unshare -m true 2>/dev/null; then
	skip "machines that lack something" "needs root and mount namespaces"
	done_testing
fi

# inside WHAT PROGRAM [ARG...]: in a mount namespace changed by WHAT.
inside() {
	unshare -m bash -c "mount --make-rprivate / && $1 && shift && exec \"\$@\"" - "$@"
}

grep -v nr_foll_pin /proc/vmstat >"$TMP/vmstat"
says "a kernel that does not count pins" 4 'does not count pins' \
	inside "mount --bind $TMP/vmstat /proc/vmstat" "$programs/counters_test"
says "no /proc" 4 '/proc is not mounted' \
	inside "mount -t tmpfs none /proc" "$programs/counters_test"
says "no /sys" 0 'SKIP no /sys/devices/system/node' \
	inside "mount -t tmpfs none /sys" "$programs/counters_test"
says "no kernel log" 0 'kernel log cannot be watched' \
	inside "mount --bind /dev/null /dev/kmsg" "$programs/counters_test"
says "no place for files" 0 'SKIP no file system at hand' \
	inside "mount --bind $programs /mnt && mount -t tmpfs none /var/tmp &&
		mount -t tmpfs none /tmp && cd /tmp && export TMPDIR=/tmp" \
	/mnt/matrix_test 'dio_read.anon.*' 'dio_read.thp.*' 'uring_buffers.anon.*'
says "no loop devices" 0 'SKIP no free loop device' \
	inside "mount --bind /dev/null /dev/loop-control" \
	"$programs/dio_target_test" 'loop.*' 'zram.*'

# A file system with no space left, as the place for files.
truncate -s 16M "$TMP/image"
mkdir "$TMP/full"
if have mkfs.ext4 && mkfs.ext4 -qF "$TMP/image" && inside "mount -o loop $TMP/image $TMP/full" true; then
	says "no space left" 0 'SKIP .*No space left' \
		inside "mount -o loop $TMP/image $TMP/full && { head -c 20M /dev/zero >$TMP/full/fill; export TMPDIR=$TMP/full; cd $TMP/full; }" \
		"$programs/matrix_test" 'dio_read.anon.*' 'uring_buffers.anon.*'
else
	skip "no space left" "needs mkfs.ext4 and loop devices"
fi
done_testing
