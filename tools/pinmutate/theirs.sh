#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: the kernel's own selftests of pins, as its run_vmtests.sh calls
# them but for the number of pages. Each line that begins with "==" is ours.
# shellcheck shell=dash
cd /theirs || exit 90
mkdir -p /mnt && mount -t ext4 /dev/nvme0n1 /mnt
echo 128 >/proc/sys/vm/nr_hugepages
export TMPDIR=/mnt

go() {
	local program=$1

	echo "== $*"
	shift
	(cd /mnt && timeout 120 "/theirs/$program" "$@")
	echo "== exit $?"
}

for size in -t -T -H; do
	for call in -u -U -a -b -L; do
		for write in -w -W; do
			go gup_test $size $call $write -m 8 -n 512 -r 1
			go gup_test $size $call $write -m 2 -n 123 -r 1 -S
		done
	done
done
go gup_test -ct -F 0x1 0 19 0x1000
go gup_longterm
go cow
go hugetlb_dio
dmesg | sed 's/^/== log /'
