#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds with each compiler without a warning, and what it builds needs no
# library that a machine under test may lack.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

# All of it. Where only errors are looked for, optimising is a waste of time.
build() {
	local folder=$1

	shift
	make -j"$(nproc)" BUILD="$TMP/$folder" KSFT="$KSFT" "$@" all
}

# What the programs in these folders load at run time, libc apart.
libraries() {
	readelf -d "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		grep -vE '^(libc|libm|libpthread|librt|ld-linux[^.]*|ld64)\.so' | sort -u
}

check "gcc, warnings are errors" build gcc WERROR=1
check_equal "nothing but libc is loaded at run time" "" \
	"$(libraries "$TMP"/gcc/selftests/pin_accounting/*_test "$TMP"/gcc/bin/*)"

again=$(build gcc WERROR=1 2>&1)
check_equal "a second make has nothing to do" "" "$again"

if have clang; then
	check "clang, warnings are errors" build clang LLVM=1 WERROR=1 USERCFLAGS=-O0
else
	skip "clang, warnings are errors" "clang is not installed"
fi

check "fully static programs" build static USERLDFLAGS=-static \
	USERCFLAGS=-O0
check_equal "static programs load nothing" "" \
	"$(readelf -d "$TMP"/static/selftests/pin_accounting/*_test 2>/dev/null |
		grep NEEDED)"

sanitize=-fsanitize=address,undefined
check "address and undefined behaviour sanitizers" \
	make -C tools OUTPUT="$TMP/asan" KSFT="$KSFT" \
	LIBPIN="$TMP/gcc/selftests/pin_accounting/libpin.a" \
	USERCFLAGS="$sanitize -fno-sanitize-recover=all" USERLDFLAGS="$sanitize" \
	"$TMP/asan/bin/pinreport"

summary=$(printf '%s\n' 'TAP version 13' '1..4' '# TAP version 13' '# 1..2' \
	'# ok 1 a' '# # why' '# not ok 2 b' 'not ok 1 selftests: x: y # exit=1' \
	'ok 2 c # SKIP not here' 'ok 3 d # XFAIL known' 'Bail out! enough' |
	"$TMP/asan/bin/pinreport" --text - 2>&1 | tail -n 1)
check_equal "pinreport under the sanitizers" "2 passed, 2 failed, 1 skipped" "$summary"

done_testing
