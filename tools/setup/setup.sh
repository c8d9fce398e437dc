#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Installs the packages that are missing and extracts the kselftest framework
# from the distribution's kernel source. Called by `make setup`, which sets
# CACHE, KSFT, and KSFT_GIVEN if a kernel tree was named.
set -eu

here=$(dirname "$0")
os_release=${OS_RELEASE:-/etc/os-release}
preferred_source=linux-source-6.12
lists_are_fresh=

# Relative to the top of the kernel source.
framework='
scripts/checkpatch.pl
scripts/const_structs.checkpatch
scripts/spelling.txt
scripts/subarch.include
tools/testing/selftests/*.h
tools/testing/selftests/*.sh
tools/testing/selftests/Makefile
tools/testing/selftests/kselftest/*
tools/testing/selftests/lib.mk
'

say() {
	echo "setup: $*"
}

die() {
	echo "setup: $*" >&2
	exit 1
}

packages() {
	sed 's/#.*//' "$here/packages"
}

is_debian() {
	[ -r "$os_release" ] &&
		grep -qE '^ID(_LIKE)?="?([a-z ]* )?debian( [a-z ]*)?"?$' "$os_release"
}

# Those of the packages (or patterns) that are installed.
installed() {
	# shellcheck disable=SC2016 # the variables are dpkg-query's
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p'
}

missing() {
	have=$(installed "$@")
	for package; do
		echo "$have" | grep -qxF -- "$package" || echo "$package"
	done
}

need_root() {
	[ "$(id -u)" -eq 0 ] ||
		die "root is needed to install:" "$@" "(sudo make setup)"
}

update_lists() {
	[ -z "$lists_are_fresh" ] || return 0
	say "apt-get update"
	apt-get -q update
	lists_are_fresh=yes
}

install_packages() {
	need_root "$@"
	update_lists
	say "installing:" "$@"
	DEBIAN_FRONTEND=noninteractive \
		apt-get -qy --no-install-recommends install "$@" </dev/null
}

# Of the names read: the preferred one if it is there, or else the newest.
pick_source() {
	sort -V | awk -v want="$preferred_source" '
		{ last = $0 }
		$0 == want { found = $0 }
		END { print found ? found : last }'
}

kernel_source() {
	source=$(installed 'linux-source-[0-9]*' | pick_source)
	if [ "$source" != "$preferred_source" ]; then
		if [ -z "$source" ]; then
			need_root "$preferred_source"
			update_lists >&2
		fi
		available=$(apt-cache search --names-only '^linux-source-[0-9.]+$' |
			cut -d' ' -f1 | pick_source)
		if [ -z "$source" ] || [ "$available" = "$preferred_source" ]; then
			source=$available
		fi
	fi
	[ -n "$source" ] ||
		die "this release has no linux-source package: name a kernel tree by KSRC="
	echo "$source"
}

is_extracted() {
	[ "$(cat "$tree/.stamp" 2>/dev/null)" = "$stamp" ]
}

extract() {
	tree=$CACHE/kselftest
	# shellcheck disable=SC2016 # the variable is dpkg-query's
	stamp="$1 $(dpkg-query -W -f '${Version}' "$1") $(cksum <"$0")"
	! is_extracted || return 0

	archive=$(dpkg -L "$1" | grep '/linux-source-[^/]*\.tar\.[a-z0-9]*$' | head -n 1)
	[ -r "$archive" ] || die "package $1 holds no source archive"

	mkdir -p "$CACHE"
	exec 9>"$CACHE/.lock"
	flock 9
	! is_extracted || return 0

	say "extracting the kselftest framework from $archive"
	new=$(mktemp -d "$CACHE/kselftest.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM
	# One pass over the archive, and no expansion of the patterns by the
	# shell. Not every release has every file: judge by those we need.
	set -f
	# shellcheck disable=SC2046
	XZ_DEFAULTS=-T0 tar -xf "$archive" -C "$new" --strip-components=1 \
		--no-same-owner --wildcards --no-wildcards-match-slash \
		$(for member in $framework; do echo "*/$member"; done) || :
	set +f
	for member in lib.mk kselftest.h kselftest/runner.sh run_kselftest.sh; do
		[ -f "$new/tools/testing/selftests/$member" ] ||
			die "could not extract $member from $archive"
	done
	chmod 755 "$new"
	echo "$stamp" >"$new/.stamp"
	rm -rf "$tree"
	mv "$new" "$tree"
}

if ! is_debian || ! command -v dpkg-query >/dev/null; then
	echo "setup: this is not Debian. Install what these packages hold there:" >&2
	# shellcheck disable=SC2046
	echo $(packages) "$preferred_source" | fmt -w 70 | sed 's/^/  /' >&2
	echo "and name a kernel tree by KSRC=, then go on without setup." >&2
	exit 1
fi

# shellcheck disable=SC2046
lacking=$(missing $(packages))
# shellcheck disable=SC2086
[ -z "$lacking" ] || install_packages $lacking

if [ -n "${KSFT_GIVEN:-}" ]; then
	[ -f "$KSFT/lib.mk" ] || die "no kselftest framework in $KSFT"
	say "using the kselftest framework in $KSFT"
	exit 0
fi

source=$(kernel_source)
[ -z "$(missing "$source")" ] || install_packages "$source"

extract "$source"
[ -f "$KSFT/lib.mk" ] || die "the framework is not where it should be: $KSFT"
say "ready: kselftest framework of $(cut -d' ' -f1,2 "$CACHE/kselftest/.stamp")"
