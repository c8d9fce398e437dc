#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pin_helper.ko, and that of VFIO: builds for each kernel at hand, side by side, without a trace
# among the sources; works in a guest; refuses what it must.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

# KERNELS="6.12 6.1 5.10 7.3" builds for all; the others run in `make matrix`.
KERNELS=${KERNELS:-6.12 6.1}
PINVM=$BUILD/bin/pinvm
build=$TOP/kmod-helper/build.sh

declare -A kdirs
for kernel in $KERNELS; do
	kdirs[$kernel]=$("$PINVM" kdir "$kernel" 2>"$TMP/kdir.$kernel") ||
		kdirs[$kernel]=
done

sources() {
	find kmod-helper selftests/lib/pin_helper*.h -printf '%p %T@ %s\n' | sort
}
sources >"$TMP/before"

# Two at a time, and each is the other's disturbance.
for kernel in $KERNELS; do
	[ -n "${kdirs[$kernel]}" ] || continue
	KMODFLAGS=$([ "$kernel" = 6.12 ] && have sparse && echo C=2) \
		"$build" "${kdirs[$kernel]}" "$TMP/kmod" >"$TMP/log.$kernel" 2>&1 &
	[ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n
done
wait

for kernel in $KERNELS; do
	if [ -z "${kdirs[$kernel]}" ]; then
		skip "builds for $kernel" "no headers: $(tail -n 1 "$TMP/kdir.$kernel")"
	else
		module=$(tail -n 1 "$TMP/log.$kernel")
		if [ -f "$module" ]; then
			ok "builds for $kernel"
			[ "$kernel" = 5.10 ] || check "builds that of VFIO for $kernel" \
				test -f "${module%.ko}_vfio.ko"
		else
			not_ok "builds for $kernel" "$(ls -l "$(dirname "$module")" 2>&1)
$(tail -n 30 "$TMP/log.$kernel")"
		fi
	fi
	[ -z "${kdirs[$kernel]}" ] || check_equal "no warning for $kernel" "" \
		"$(grep -E 'kmod/.*: (warning|error):' "$TMP/log.$kernel")"
done
check_equal "nothing is written to the sources" "$(cat "$TMP/before")" "$(sources)"

if ! have sparse; then
	skip "sparse" "sparse is not installed: make setup"
elif [ -n "${kdirs[6.12]}" ]; then
	check_equal "sparse looked at each file" "$(cd kmod-helper && echo *.c vfio/*.c | wc -w)" \
		"$(grep -c '^  CHECK ' "$TMP/log.6.12")"
fi

message=$("$build" "$TMP/none" "$TMP/kmod" 2>&1)
check_equal "no headers: exit status 4" 4 $?
check_match "no headers: says which package" '.*apt install linux-headers-.*' "$message"

module=$(tail -n 1 "$TMP/log.6.12" 2>/dev/null)
if [ ! -f "$module" ]; then
	skip "in a guest" "there is no module for 6.12"
	done_testing
fi
check "builds the fuzzer" make -s -C kmod-helper/fuzz OUTPUT="$TMP" WERROR=1

# In the guest: a line for each thing that is as it should be.
cat >"$TMP/guest.sh" <<'EOF'
insmod /pin_helper.ko || exit 1
[ "$(stat -c %a /dev/pin_helper)" = 600 ] && echo mode
chmod 666 /dev/pin_helper
may_open() {
	setpriv "$@" sh -c ': </dev/pin_helper' 2>/dev/null
}
may_open --no-new-privs && ! may_open --bounding-set=-sys_admin && echo capability
exec 3<>/dev/pin_helper
rmmod pin_helper 2>/dev/null || echo busy
exec 3>&-
rmmod pin_helper && echo unloaded
insmod /pin_helper.ko allow_faults=1 max_pages_file=20000 max_pages_all=60000
/pin_helper_fuzz -n 3000 >/fuzz.log 2>&1 && echo fuzzed || cat /fuzz.log
rmmod pin_helper && echo unloaded again
dmesg | grep -E 'WARNING:|BUG:|Oops|Bad page' || echo quiet
EOF
output=$("$PINVM" run --kernel 6.12 --timeout 120 --copy "$module:/pin_helper.ko" \
	--copy "$TMP/pin_helper_fuzz:/pin_helper_fuzz" --copy "$TMP/guest.sh:/guest.sh" \
	--copy "$(command -v setpriv):/bin/setpriv" -- /bin/sh /guest.sh 2>&1)
status=$?
if [ "$status" -eq 4 ]; then
	skip "in a guest" "$(echo "$output" | tail -n 1)"
	done_testing
fi
check_equal "guest: exit status" 0 "$status"
check_match "guest: the device is root's only" mode "$output"
check_match "guest: open needs CAP_SYS_ADMIN" capability "$output"
check_match "guest: cannot be removed while open" busy "$output"
check_match "guest: can be removed" unloaded "$output"
check_match "guest: 3000 random ioctls leave nothing held" fuzzed "$output"
check_match "guest: can be removed afterwards" "unloaded again" "$output"
check_match "guest: the kernel log is quiet" quiet "$output"

done_testing
