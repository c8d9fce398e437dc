#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154 # variables come from /pinvm/job
#
# Process 1 of the guest. Says on the control port how far it has come: the
# host takes nothing for a result but "exit STATUS" from here and an orderly
# power-off after it.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=linux PINVM=1

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/lock
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# What kernels before 6.6 or with fewer options lack is no matter.
exec 2>/dev/console
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
mkdir -p /etc
ln -sf /proc/self/mounts /etc/mtab	# for mkfs
hostname pinvm
if [ -d /pinvm/late ]; then
	cp -a /pinvm/late/. / && rm -r /pinvm/late
fi
ip link set lo up

# shellcheck source=/dev/null # written by pinvm: functions and variables
. /pinvm/job

# port NAME: the device node of this virtio-serial port.
port() {
	local name tries=0

	while [ $tries -lt 250 ]; do
		for name in /sys/class/virtio-ports/*/name; do
			if [ -e "$name" ] && [ "$(cat "$name")" = "pinvm.$1" ]; then
				name=${name%/name}
				echo "/dev/${name##*/}"
				return
			fi
		done
		tries=$((tries + 1))
		usleep 20000
	done
	echo "pinvm: no virtio-serial port $1: does the kernel lack" \
		"CONFIG_VIRTIO_CONSOLE or CONFIG_VIRTIO_PCI?" >/dev/console
	poweroff -f
}

# What pinvm looks for: all has come.
end() {
	printf '\0pinvm: all\n'
}

# disk NUMBER: the device of this --disk; NVMe disks come in any order.
disk() {
	local block

	for block in /sys/block/nvme*; do
		if [ "$(tr -d ' ' <"$block/device/serial")" = "pinvm$1" ]; then
			echo "/dev/${block##*/}"
			return
		fi
	done
	echo "/dev/$(echo "$disks" | cut -d ' ' -f $(($1 + 1)))"
}

uptime() {
	local up

	read -r up _ </proc/uptime
	echo "$up"
}

modprobe -aq virtio_pci virtio_console
control=$(port control)
exec 3<>"$control"
echo "hello $(uname -r)" >&3

for module in $load; do
	modprobe "$module" || echo "problem no module $module" >&3
done
# Disks appear a while after their driver.
for disk in $disks; do
	tries=0
	while [ ! -b "/dev/$disk" ] && [ $tries -lt 500 ]; do
		tries=$((tries + 1))
		usleep 10000
	done
	[ -b "/dev/$disk" ] || echo "problem no disk /dev/$disk" >&3
done
mkdir -p /out
cd /tmp || poweroff -f
echo "start $(uptime)" >&3

if [ -n "$shell" ]; then
	echo "pinvm: $(uname -r): exit or Ctrl-D powers off" >/dev/console
	prepare
	setsid cttyhack sh </dev/console >/dev/console 2>&1
	status=$?
else
	# By way of pipes: a port can be opened only once.
	out=$(port out)
	err=$(port err)
	mkfifo /run/out /run/err
	cat </run/out >"$out" &
	pumps=$!
	cat </run/err >"$err" &
	pumps="$pumps $!"
	(prepare && job 3>&-) </dev/null >/run/out 2>/run/err
	status=$?
	# What it left behind in the background is not waited for.
	(
		sleep 3
		# shellcheck disable=SC2086
		kill $pumps
	) 2>/dev/null &
	killer=$!
	# shellcheck disable=SC2086
	wait $pumps
	kill $killer
	end >"$out"
	end >"$err"
	if [ -n "$files" ]; then
		{
			tar -c -C /out . || echo "problem /out could not be sent" >&3
			end
		} >"$(port files)"
	fi
fi
echo "exit $status $(uptime)" >&3
# Until pinvm says that it has all: power-off empties the queues to nowhere.
# shellcheck disable=SC3045 # busybox has -t
read -r -t 30 _ <&3
# An oops is a panic here, but one that was under way is given its moment.
exec 3>&-
poweroff -f
