#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pintrace: usage; what it says where it cannot trace; and in a guest that each
# pin is booked on the process and the function that took it, that the sum is
# what the kernel counted, and that what is not seen is not kept silent.
# PINTRACE_KERNEL=VERSION names another kernel than 6.12 for the guest.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pintrace=$BUILD/bin/pintrace
pinvm=$BUILD/bin/pinvm
kernel=${PINTRACE_KERNEL:-6.12}
out=$TMP/out
err=$TMP/err
export CACHE TMPDIR=$TMP

if ! [ -x "$pintrace" ]; then
	skip "pintrace" "not built: needs clang, bpftool, libbpf-dev, libelf-dev: make setup"
	done_testing
fi

says usage.help 0 '^Exit status:' "$pintrace" --help
while IFS='|' read -r name args; do
	# shellcheck disable=SC2086
	says "usage.$name" 2 'pintrace: .' "$pintrace" $args
done <<'EOF'
option.unknown|--nonsense
no-command|--
pid.zero|--pid 0
pid.junk|--pid me
pid.gone|--pid 2147483647
duration.negative|--duration -1
duration.with-command|--duration 1 -- true
pid.with-command|--pid 1 -- true
comm.long|--comm a-name-that-is-too-long
depth.zero|--depth 0
folios.zero|--folios 0
folded.unknown|--folded=released
cgroup.none|--cgroup /no/such/cgroup
output.impossible|-o /nonexistent/file
EOF

# This machine: either it traces, or it says why not.
"$pintrace" --duration 0.1 >"$out" 2>"$err"
status=$?
case $status in
0) check host.traces grep -q '^unattributed' "$out" ;;
4) check host.cannot grep -Eq 'no attach point|not permitted|no BTF|no bpf\(\)|locked down|needs Linux' "$err" ;;
*) not_ok host "exit status $status
$(cat "$out" "$err")" ;;
esac
sed 's/^/# host: /' "$err"
if [ "$(id -u)" -eq 0 ] && have setpriv; then
	cp "$pintrace" "$TMP/pintrace" && chmod 755 "$TMP"
	says unprivileged 4 'needs root' \
		setpriv --reuid=65534 --clear-groups "$TMP/pintrace" -- true
fi

# The guest.

mkfs=$(PATH=$PATH:/sbin:/usr/sbin command -v mkfs.vfat)
cc=${CC:-cc}
if ! $cc -O2 -Wall -Wextra -o "$TMP/pin_by" tools/check/pin_by.c 2>"$err" ||
	! $cc -shared -fPIC -o "$TMP/leak_shim.so" tools/check/leak_shim.c -ldl 2>"$err"; then
	not_ok helper.builds "$(cat "$err")"
	done_testing
fi
reason=
if ! [ -x "$pinvm" ]; then
	reason="no $pinvm"
elif ! have qemu-system-x86_64 || [ "$(uname -m)" != x86_64 ]; then
	reason="needs x86-64 and qemu-system-x86_64: make setup"
elif ! "$pinvm" run --kernel "$kernel" --dry-run -- true >"$out" 2>"$err"; then
	reason="no kernel $kernel: $(tail -n 1 "$err")"
elif [ -z "$mkfs" ]; then
	reason="no mkfs.vfat: make setup"
fi
if [ -n "$reason" ]; then
	skip guest "$reason"
	done_testing
fi

# What names the pages that were pinned before, and leaks some for good.
module=$("$pinvm" kdir "$kernel" 2>"$err") &&
	module=$(kmod-helper/build.sh "$module" "$TMP/kmod" 2>>"$err" | tail -n 1)
[ -f "$module" ] || module=

cat >"$TMP/guest.sh" <<'EOF'
echo 3 >/proc/sys/kernel/printk
cd /tmp || exit 1

# started FILE REGEX: wait for a line of a program in the background.
started() {
	local tries=0

	until grep -q "$2" "$1" || [ $tries -gt 3000 ]; do
		tries=$((tries + 1))
		usleep 10000
	done
}

# hold NAME PAGES [FILE]
hold() {
	: >"$1"		# of the last one of that name
	pin_by "$1" "$2" 1000 $3 >"$1" 2>&1 &
	started "$1" .
	sed "s/^/$1 /" "$1" >>/out/pids
}

# Each read takes so long, those of the partition scan, too.
modprobe null_blk irqmode=2 completion_nsec=8000000000 gb=1
until [ -b /dev/nullb0 ]; do usleep 10000; done
hold uring 7
mv /out/pids /out/early
[ ! -e /pin_helper.ko ] || insmod /pin_helper.ko allow_faults=1

pintrace --json --stacks >/out/held.json 2>/out/held.err &
pintrace=$!
started /out/held.err tracing
hold uring 64
hold xdp 32
hold udmabuf 24
hold process_vm 8
hold aio 16 /dev/nullb0
kill -INT $pintrace
wait $pintrace
echo $? >/out/held.status

# trace NAME ARG...
trace() {
	local name=$1

	shift
	pintrace -o "/out/$name" "$@"
	echo $? >"/out/$name.status"
}

mkfs.vfat /dev/vda >/dev/null 2>&1
mkdir -p /mnt
mount -t vfat /dev/vda /mnt
dd if=/dev/zero of=/mnt/file bs=1M count=1 2>/dev/null
sync
trace vfat -- pin_by read 64 0 /mnt/file
trace leak --drain 0.5 -- sh -c 'pin_by orphan 12 1000 >orphan & until grep -q pinned orphan; do usleep 10000; done'
trace ways --json --stacks -- pin_by two_ways 3 0
trace full --folios 10 -- pin_by process_vm 64 0
trace blind --without try_grab_folio -- pin_by process_vm 64 0
trace many -- pin_by loop_uring 256 400

# The suite, while another program pins all the time; but not while functions are
# hooked: QEMU does not always see that code has changed which another CPU is in.
pin_by loop_uring 16 1000000000 >/dev/null 2>&1 &
noise=$!
cells="uring_buffers.anon.release uring_buffers.thp.exit process_vm_readv.anon.return dio_read.anon.return uring_read.cow.return xdp_umem.anon.close udmabuf.memfd.close"
matrix_test --quiet-wait 1 $cells >/out/suite.alone
kill -STOP $noise

# beside NAME OPTION... -- COMMAND: traced, with that program beside.
beside() {
	local name=$1 options=

	shift
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	pintrace -o /dev/null $options -- sh -c "kill -CONT $noise; $*; kill -STOP $noise" \
		>/out/suite.$name
}

beside traced -- matrix_test $cells
beside leak -- LD_PRELOAD=/leak_shim.so PIN_LEAK_EVERY=1 PIN_LEAK_FOR_GOOD=1 matrix_test --drain 500 $cells
beside own -- "pin_by loop_uring 16 1000000000 & matrix_test --quiet-wait 1 $cells; kill \$!"
beside lost --folios 1 -- matrix_test --quiet-wait 1 $cells
kill $noise

# Beside one that pins, and keeps it, when some tests have passed.
: >/out/suite.late
{ started /out/suite.late '^ok 5 '; exec pin_by uring 7 1000 >/dev/null; } &
noise=$!
pintrace -o /dev/null -- matrix_test 'process_vm_*' >/out/suite.late
kill $noise
EOF
mkdir "$TMP/result"
"$pinvm" run --kernel "$kernel" --timeout 1800 --disk 64M --out "$TMP/result" \
	--with-modules vfat,nls_cp437,nls_ascii,null_blk \
	--copy "$pintrace:/bin/pintrace" --copy "$TMP/pin_by:/bin/pin_by" \
	--copy "$mkfs:/bin/mkfs.vfat" --copy "$TMP/guest.sh:/guest.sh" \
	--copy "$BUILD/selftests/pin_accounting/matrix_test:/bin/matrix_test" \
	--copy "$TMP/leak_shim.so:/leak_shim.so" ${module:+--copy "$module:/pin_helper.ko"} \
	-- sh /guest.sh >"$out" 2>"$err"
status=$?
if [ $status -ne 0 ]; then
	not_ok guest "exit status $status
$(tail -n 30 "$out" "$err")"
	done_testing
fi
result=$TMP/result

# held NAME FUNCTION PAGES: this way's pins are those of its process.
held() {
	local pid why

	pid=$(sed -n "s/^$1 pinned //p" "$result/pids")
	why=$(sed -n "s/^$1 //p" "$result/pids")
	if [ -z "$why" ]; then
		not_ok "held.$1" "it said neither that it pinned nor why not"
		return
	elif [ -z "$pid" ]; then
		skip "held.$1" "$why"
		return
	fi
	expected=$((expected + $3))
	check "held.$1" grep -Eq "\"pid\":$pid,\"tid\":$pid,\"comm\":\"pin_by\",\"function\":\"$2\",[^{}]*\"outstanding\":$3," \
		"$result/held.json"
}

# saw NAME STATUS REGEX
saw() {
	if [ "$(cat "$result/$1.status")" = "$2" ] && grep -Eq -- "$3" "$result/$1"; then
		return 0
	fi
	echo "exit status $(cat "$result/$1.status"), not $2, or nothing like: $3"
	cat "$result/$1"
	return 1
}

expected=0
check_equal held.status 0 "$(cat "$result/held.status")"
held uring pin_user_pages_fast 64
held xdp pin_user_pages 32
held udmabuf memfd_pin_folios 24
held aio pin_user_pages_fast 16
pid=$(sed -n 's/^process_vm pinned //p' "$result/pids")
check held.process_vm grep -Eq "\"pid\":$pid,\"tid\":$pid,\"comm\":\"pin_by\",\"function\":\"pin_user_pages_remote\",[^{}]*\"outstanding\":0,\"acquired\":8," \
	"$result/held.json"
check held.sum grep -Eq "\"traced\":\{\"acquired\":$((expected + 8)),\"released\":8,\"outstanding\":$expected\},\"kernel\":\{\"acquired\":$((expected + 8)),\"released\":8,\"outstanding\":$expected\},\"unattributed\":\{\"acquired\":0,\"released\":0,\"outstanding\":0\},\"before\":7," \
	"$result/held.json"

pid=$(sed -n 's/^uring pinned //p' "$result/early")
if [ -n "$module" ]; then
	check before.pages grep -Eq '"before_pages":\{"pinned":\[\{"pages":7,"folios":7,"node":[01],"zone":"[A-Z0-9a-z]*","kind":"anon"\}\]' \
		"$result/held.json"
	check before.mapper grep -Eq "\"mapped_by\":\[\{\"pid\":$pid,\"comm\":\"pin_by\",\"pages\":7\}\],\"all\":true" \
		"$result/held.json"
else
	skip before "no pin_helper.ko: $(tail -n 1 "$err")"
fi
check vfat.miscount saw vfat 0 '^folio_add_pin: 128 more pages'
check vfat.kernel saw vfat 0 "^kernel's counters +-128 +64 +192$"
check vfat.unattributed saw vfat 0 '^unattributed +0 +0 +0$'
check leak.attributed saw leak 1 ' +12 +12 +0 .*pin_user_pages_fast < .*\[process gone\]$'
check leak.verdict saw leak 1 '^LEAK: 12 pages outstanding'
# way FUNCTION: all pins of this way are its own, though stacks are not walked again.
way() {
	saw ways 0 "\"function\":\"pin_user_pages[a-z_]*\",[^{}]*\"acquired\":48,[^{}]*\"ages\":\{[^{}]*\},\"stack\":\[[^]]*\"$1[^]]*\]"
}
check ways.register way io_sqe_buffers_register
check ways.update way io_register_rsrc_update
check ways.walked saw ways 0 '"stacks_walked":3,'
# There are 16 places by address and 5 besides, for 64 pages.
check full.lost saw full 4 '^LOST: (4[3-9]|5[0-9]|6[0-3]) pages acquired were not booked'
check full.unattributed saw full 4 '^unattributed +0 +0 +0$'
check full.verdict saw full 4 '^INCOMPLETE: (4[3-9]|5[0-9]|6[0-3]) pages lost'
# A trace that does not see everything must say so: else none of the above
# would mean anything.
check blind.unattributed saw blind 4 '^unattributed +64 +64 +0$'
check blind.verdict saw blind 4 '^INCOMPLETE: 0 pages lost, 64 acquired and 0 released unattributed'
check many saw many 0 '^ALL RELEASED: 102656 pages acquired'

# judged NAME: how many cells of that run passed, failed, and could not be judged
judged() {
	local cell='[a-z_]*[.][a-z_]*[.][a-z]*'

	printf '%d %d %d' "$(grep -c "^ok [0-9]* $cell\$" "$result/suite.$1")" \
		"$(grep -c "^not ok [0-9]* $cell\$" "$result/suite.$1")" \
		"$(grep -c "^ok [0-9]* $cell # SKIP inconclusive" "$result/suite.$1")"
}

diag <"$result/suite.traced"
passed=$(judged traced)
cells=${passed%% *}
check_equal suite.traced "$cells 0 0" "$passed"
check_match suite.cells '[4-7]' "$cells"
check suite.total grep -q '^ok .* account.total$' "$result/suite.traced"
check_equal suite.alone "0 0 $cells" "$(judged alone)"
if [ -n "$module" ]; then
	check_equal suite.leak "$((cells - 1)) 1 0" "$(judged leak)"
	check suite.leak.cell grep -q '^not ok .* process_vm_readv.anon.return$' \
		"$result/suite.leak"
else
	skip suite.leak "no pin_helper.ko"
fi
check_equal suite.own_noise "0 0 $cells" "$(judged own)"
check_equal suite.lost "0 0 $cells" "$(judged lost)"
check suite.late.parted sh -c "sed '1,/^ok 5 /d' '$result/suite.late' | grep 'from now on'"
check suite.late.total grep -q '^ok .* account.total$' "$result/suite.late"

# All consumers that this kernel has: their pins are those of the functions that they name.
# How many, and that they are those of the right process, is what the suite under pintrace
# compares in each test.
cat >"$TMP/functions.sh" <<'EOF'
until [ -b "$DISK" ]; do usleep 10000; done
mkdir -p /mnt && mount -t ext4 "$DISK" /mnt
pintrace --json --stacks --top 100000 -o /out/functions -- \
	matrix_test '*.anon.return' '*.anon.close' '*.memfd.return' '*.memfd.close' >/out/cells
cat /proc/kallsyms >/out/symbols
uname -r >/out/release
EOF
# With one CPU there is no other that is in code which is changed.
"$pinvm" run --kernel "$kernel" --cpus 1 --timeout 900 --out "$result" --for '*' \
	--disk 256M:nvme:ext4 --with-modules ext4,crc32c_generic --env DISK=@disk0 --env TMPDIR=/mnt \
	--append nvme.poll_queues=1 \
	--copy "$pintrace:/bin/pintrace" --copy "$TMP/functions.sh:/functions.sh" \
	-- sh /functions.sh >"$out" 2>"$err" &&
	"$BUILD/bin/pinstress" --list --json >"$TMP/list" 2>>"$err" &&
	python3 -B tools/check/booked_on.py "$TMP/list" "$result/functions" "$result/cells" \
		"$result/symbols" "$(cat "$result/release")" >"$TMP/booked" 2>>"$err"
check_equal functions 0 $?
diag <"$err"
check_equal functions.stacks '"stacks_not_recorded":0' \
	"$(grep -o '"stacks_not_recorded":[0-9]*' "$result/functions")"
while read -r how name why; do
	case $how in
	ok) ok "functions.$name ($why)" ;;
	*) "$how" "functions.$name" "$why" ;;
	esac
done <"$TMP/booked"

done_testing
