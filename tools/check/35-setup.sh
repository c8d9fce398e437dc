#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make setup and make help, without installing anything.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

help=$(make help)
unnamed=$(sed -n 's/^\.PHONY: //p' Makefile | tr ' ' '\n' | grep -v '^framework$\|^known_format$' |
	while read -r target; do
		echo "$help" | grep -qE "^ +$target( |\$)" || echo "$target"
	done)
check_equal "make help names every target" "" "$unnamed"

output=$(make KSFT="$TMP/nothing" BUILD="$TMP/build" all 2>&1)
check_equal "without the framework, make says what to do" 1 \
	"$(echo "$output" | grep -c 'sudo make setup')"

if ! have dpkg-query; then
	skip "make setup" "this is not Debian"
	done_testing
fi

setup=tools/setup/setup.sh
export CACHE KSFT

# shellcheck disable=SC2016 # the variables are the stub's
stub() {
	printf '#!/bin/sh\n%s\n' "$2" >"$TMP/bin/$1"
	chmod +x "$TMP/bin/$1"
}

# Runs it as on another machine: commands from $TMP/bin come first.
elsewhere() {
	PATH=$TMP/bin:$PATH "$setup" 2>&1
}

mkdir "$TMP/bin"

if [ -e "$CACHE/kselftest/.stamp" ]; then
	start=$(date +%s%N)
	check "make setup again" make CACHE="$CACHE" setup
	took=$((($(date +%s%N) - start) / 1000000))
	if [ "$took" -lt 2000 ]; then
		ok "make setup again takes less than 2 s"
	else
		not_ok "make setup again takes less than 2 s" "$took ms"
	fi
else
	skip "make setup again" "the framework is that of a given kernel tree"
	skip "make setup again takes less than 2 s" "the same"
fi

# On another distribution it names all packages and stops.
echo 'ID=fedora' >"$TMP/os-release"
output=$(OS_RELEASE=$TMP/os-release elsewhere)
check_equal "not on Debian: stops" 1 $?
unnamed=$(sed 's/#.*//' tools/setup/packages | tr -s ' \n' '\n' | while read -r package; do
	echo "$output" | grep -qwF -- "$package" || echo "$package"
done)
check_equal "not on Debian: names all packages" "" "$unnamed"

# Something is missing, and we are not root.
stub dpkg-query 'exec /usr/bin/dpkg-query "$@" | grep -v " gcc$"'
stub id 'echo 1000'
stub apt-get "touch '$TMP/called'; exit 1"
stub sudo "touch '$TMP/called'; exit 1"
output=$(elsewhere)
check_equal "not root: stops" 1 $?
check_equal "not root: says what is missing" \
	"setup: root is needed to install: gcc (sudo make setup)" "$output"

# Something is missing, and we are root: the lists come first.
stub id 'echo 0'
stub apt-get "echo apt-get \"\$@\" >>'$TMP/calls'"
output=$(elsewhere)
check_equal "root: only what is missing is installed" \
	"apt-get -q update
apt-get -qy --no-install-recommends install gcc" "$(cat "$TMP/calls")"
[ ! -e "$TMP/called" ]
check_equal "sudo is not called" 0 $?

rm "$TMP/bin/"*
output=$(KSFT_GIVEN=1 KSFT=$TMP/nothing elsewhere)
check_equal "a kernel tree without the framework is refused" 1 $?
check_equal "and named" "setup: no kselftest framework in $TMP/nothing" "$output"

done_testing
