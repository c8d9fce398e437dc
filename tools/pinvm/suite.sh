#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash # of busybox, with local
#
# Runs the suite in the guest; its arguments go to run_kselftest.sh. What the
# exit statuses of 90 and more say is in suite.py.

# keep_counts: what the kernel has counted, if it was built for pinvm coverage.
keep_counts() {
	local file

	cd /sys/kernel/debug/gcov 2>/dev/null || return
	# Only cat takes it all: the files have no size.
	find . -name '*.gcda' | while read -r file; do
		mkdir -p "/out/gcov/${file%/*}"
		cat "$file" >"/out/gcov/$file"
		cp -P "${file%.gcda}.gcno" "/out/gcov/${file%/*}"
	done
}

# keep_leaks: memory that nobody points to any more, if the kernel was built to look for it.
# It says so of what is five seconds old.
keep_leaks() {
	local file=/sys/kernel/debug/kmemleak

	[ -e $file ] || return
	echo scan >$file
	sleep 6
	echo scan >$file
	cat $file >/out/kmemleak
}

# pinning ENGINE ARG...: fio on the disk for that, with direct I/O.
pinning() {
	local engine=$1

	shift
	nice -n 19 fio --name=beside --filename="$PIN_SUITE_BESIDE" --rw=randrw --direct=1 \
		--size=128m --iodepth=16 --thread --time_based "--ioengine=$engine" "$@" \
		>"/out/fio-$engine.log" 2>&1
}

# beside PROGRAM ARG...: runs it under pintrace, while others pin all the time: one that
# reads and writes, and one that registers its buffers anew each second.
beside() {
	local others second=/sys/devices/system/cpu/cpu1/online

	pinning libaio --runtime=1d &
	others=$!
	while pinning io_uring --fixedbufs --runtime=1; do :; done &
	others="$others $!"
	sleep 2
	# QEMU misses code that changes where another CPU is: functions are hooked, and let go,
	# while there is one CPU only.
	echo 0 >$second || return 94
	# Its own status says whether pins were left, which the tests know better.
	# shellcheck disable=SC2016
	pintrace -o /out/pintrace.txt -- sh -c 'echo 1 >"$0"; "$@"; echo $? >/tmp/status; echo 0 >"$0"' \
		$second "$@"
	# shellcheck disable=SC2086 # they are two
	kill $others || return 93
	return "$(cat /tmp/status)"
}

modprobe -aq loop zram nd_e820 nd_pmem
# Folios of 16 pages and no other size: the larger would come first.
size=$(($(sed -n '/^KernelPageSize/{s/[^0-9]//gp;q}' /proc/self/smaps) * 16))
size=/sys/kernel/mm/transparent_hugepage/hugepages-${size}kB/enabled
[ ! -e "$size" ] || echo madvise >"$size"
echo 256M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0
mkdir -p /mnt && mount -t ext4 -o noatime "$PIN_SUITE_DISK" /mnt || exit 90
mkdir -p /mnt/tmp
export TMPDIR=/mnt/tmp PIN_RESULTS=/out
cd /mnt/tmp || exit 90
if [ -e /pin_helper.ko ]; then
	insmod /pin_helper.ko allow_faults=1 || exit 91
fi
if [ -e /pin_helper_vfio.ko ]; then
	modprobe -q vfio
	insmod /pin_helper_vfio.ko || exit 91
fi
# Without Perl the runner has sed prefix each line, and busybox's writes but 4 KiB at a time:
# a kernel that stops would take the last results with it.
sed -i "s|sed -e 's/^/# /'|awk '{ print \"# \" \$0; fflush() }'|" /kselftest/kselftest/runner.sh
trap "keep_counts; keep_leaks" EXIT
[ ! -e /sys/kernel/debug/kmemleak ] || echo clear >/sys/kernel/debug/kmemleak
# -f: a pattern of tests, as vfio*, is not to become the program of that name.
${PIN_SUITE_BESIDE:+beside} sh -f /kselftest/run_kselftest.sh "$@" || exit
cp /proc/vmstat /out/
if [ -e /pin_helper.ko ]; then
	rmmod pin_helper || exit 92
fi
if [ -e /pin_helper_vfio.ko ]; then
	rmmod pin_helper_vfio || exit 92
fi
