#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh TIMES MOST PROGRAM[:PATTERN]...: runs these test programs of the suite
# in the guest, each TIMES times or until one fails, and ends after MOST failures
# (0: none is the last). What they say goes to /out.
set -f
modprobe -aq loop zram
disk=$(find /dev -maxdepth 1 -name nvme0n1)
if [ -n "$disk" ] && mkdir -p /mnt && mount -t ext4 -o noatime "$disk" /mnt; then
	mkdir -p /mnt/tmp && cd /mnt/tmp && export TMPDIR=/mnt/tmp
fi
if [ -e /pin_helper.ko ]; then
	insmod /pin_helper.ko allow_faults=1 || echo "pin_helper.ko cannot be loaded" >/out/problem
fi
if [ -e /pin_helper_vfio.ko ]; then
	modprobe -q vfio
	insmod /pin_helper_vfio.ko || echo "pin_helper_vfio.ko cannot be loaded" >/out/problem
fi
times=$1
most=$2
shift 2
number=0
failed=
while [ "$number" -lt "$times" ] && [ -z "$failed" ]; do
	number=$((number + 1))
	mkdir -p "/out/$number"
	export PIN_RESULTS="/out/$number"
	for test; do
		name=${test%%:*}
		patterns=
		[ "$name" = "$test" ] || patterns=${test#*:}
		# shellcheck disable=SC2086 # the patterns are several
		"/tests/$name" --max-failures="$most" $patterns >"/out/$number/$name.ktap" 2>&1
		status=$?
		echo "$status" >"/out/$number/$name.status"
		[ "$status" -eq 0 ] || [ "$status" -eq 4 ] || failed=1
		[ -z "$failed" ] || [ "$most" -eq 0 ] || break
	done
done
touch /out/done
