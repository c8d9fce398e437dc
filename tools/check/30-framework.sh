#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# selftests/ is a kselftest like any other: it builds, runs and installs inside
# a kernel tree, and what we install ourselves has the same layout.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

collection=pin_accounting
kernel=$TMP/kernel
inside=$kernel/tools/testing/selftests
installed=$TMP/installed
# What is built to be counted, not to be run.
quick="USERCFLAGS=-O0 -g0"

# judge NAME FILE: the KTAP in the file must say that something passed.
judge() {
	local summary

	summary=$("$PINREPORT" --text "$2")
	case $? in
	0) ok "$1" ;;
	4) skip "$1" "$(echo "$summary" | sed -n 's/^INCONCLUSIVE: //p' | head -n 1)" ;;
	*) not_ok "$1" "$summary" ;;
	esac
}

# What the kselftest framework consists of, around our tests.
make_kernel_tree() {
	mkdir -p "$inside" "$kernel/scripts" &&
		cp -r "$KSFT"/{Makefile,lib.mk,kselftest,*.h,*.sh} "$inside/" &&
		cp "$KSFT/../../../scripts/subarch.include" "$kernel/scripts/" &&
		rsync -a --exclude='*.[ado]' --exclude=.flags --exclude='*_test' \
			selftests/ "$inside/$collection/"
}

# Everything that is installed.
files() {
	(cd "$1" && find . -type f | sort)
}

programs=$(cd selftests && for source in *_test.c; do echo "${source%.c}"; done)
list=$(for program in $programs; do echo "$collection:$program"; done | sort)

check "a kernel tree can be made of the framework" make_kernel_tree
check "builds in a kernel tree" make -C "$inside" TARGETS=$collection "$quick"
check_equal "each test program is built there" "$programs" \
	"$(cd "$inside/$collection" && for program in *_test; do echo "$program"; done)"

make -s -C "$inside/$collection" OUTPUT="$inside/$collection" \
	TEST_GEN_PROGS="$inside/$collection/counters_test" "$quick" \
	run_tests >"$TMP/inside.ktap" 2>"$TMP/inside.err"
judge "runs in a kernel tree" "$TMP/inside.ktap"

check "installs from a kernel tree" make -C "$inside" TARGETS=$collection "$quick" \
	KSFT_INSTALL_PATH="$TMP/reference" install
check "make install" make INSTALL_PATH="$installed" KSFT="$KSFT" BUILD="$BUILD" install
check_equal "make install has the layout of a kernel tree's" \
	"$(files "$TMP/reference")" "$(files "$installed")"
check_equal "kselftest-list.txt names every program" \
	"$list" "$(sort "$installed/kselftest-list.txt")"
check_equal "run_kselftest.sh -l" "$list" "$("$installed/run_kselftest.sh" -l | sort)"

"$installed/run_kselftest.sh" -t $collection:counters_test 2>&1 |
	cat >"$TMP/installed.ktap"
judge "run_kselftest.sh -t $collection:counters_test" "$TMP/installed.ktap"
check "it runs with our settings" \
	grep -q "timeout set to $(sed -n 's/^timeout=//p' selftests/settings)" "$TMP/installed.ktap"

tar=(INSTALL_PATH="$TMP/packed" KSFT="$KSFT" BUILD="$BUILD")
for format in .tar.xz .tar.gz; do
	tarball=$TMP/kselftest$format
	check "make gen_tar FORMAT=$format" env XZ_OPT=-0 make "${tar[@]}" \
		FORMAT=$format TARBALL="$tarball" gen_tar
	check_equal "the $format archive has the same layout" "$(files "$installed")" \
		"$(tar -tf "$tarball" | grep -v '/$' | sort)"
done
output=$(make "${tar[@]}" FORMAT=.zip gen_tar 2>&1)
check_equal "gen_tar refuses another format" "FORMAT=.zip: must be .tar.xz or .tar.gz" \
	"$(echo "$output" | grep ^FORMAT)"

done_testing
