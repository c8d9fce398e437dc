#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build.sh KDIR OUT: builds OUT/RELEASE/pin_helper.ko for the kernel whose headers,
# or build tree, are in KDIR, and says where it is; and beside it pin_helper_vfio.ko
# if that kernel has VFIO. Nothing is written to the folder of the sources or to
# KDIR, so that any number may run at once; those for one kernel do in turn.
# Exit status 4: there are no headers. Environment: CC, KMODFLAGS (for make).
set -eu

here=$(dirname "$(realpath "$0")")
kdir=${1:-/lib/modules/$(uname -r)/build}
out=${2:-$here/../build/kmod}

missing() {
	echo "kmod: $1" >&2
	echo "kmod: on Debian: apt install linux-headers-$(uname -r)," \
		"or name another kernel's headers by KDIR=" >&2
	exit 4
}

[ -f "$kdir/Makefile" ] || missing "no kernel headers in $kdir"
kdir=$(realpath "$kdir")
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' \
	"$kdir/include/generated/utsrelease.h" 2>/dev/null) || release=
[ -n "$release" ] ||
	missing "$kdir is not prepared: no include/generated/utsrelease.h"
[ -f "$kdir/Module.symvers" ] ||
	missing "$kdir has no Module.symvers: build that kernel first"

# Kbuild writes beside what it compiles: a farm of links for each kernel.
farm=$out/$release
mkdir -p "$farm/vfio"
exec 9>"$farm/.lock"
flock 9
find "$farm" -type l -delete
ln -s "$here"/*.c "$here"/*.h "$here/Kbuild" "$farm/"
ln -s "$here"/vfio/*.c "$here"/vfio/*.h "$farm/vfio/"
# dkms has them beside the others.
if [ ! -f "$here/pin_helper.h" ]; then
	ln -s "$(realpath "$here/../selftests/lib")"/pin_helper*.h "$farm/"
fi

# BTF would need a pahole as new as the kernel's own; the module is as good without.
set -- M="$farm" CONFIG_DEBUG_INFO_BTF_MODULES=
config() {
	grep -qs "^$1=y" "$kdir/.config" "$kdir/include/config/auto.conf"
}

if [ -z "${CC:-}" ]; then
	wanted=$(sed -n 's/^CC = .*\(gcc-[0-9]*\).*/\1/p' "$kdir/.kernelvariables" 2>/dev/null || true)
	if [ -n "$wanted" ] && ! command -v "$wanted" >/dev/null; then
		CC=gcc
		echo "kmod: this kernel's compiler is $wanted, which is missing: using gcc" >&2
	fi
fi
if [ -n "${CC:-}" ]; then
	set -- "$@" CC="$CC"
	# gcc before 14 has no -fmin-function-alignment.
	if config CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT &&
	   ! echo 'int x;' | $CC -fmin-function-alignment=16 -xc -c -o /dev/null - 2>/dev/null; then
		set -- "$@" CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=
	fi
fi
# shellcheck disable=SC2086 # KMODFLAGS are several
make -C "$kdir" "$@" ${KMODFLAGS:-} modules
grep -qs pin_helper_vfio "$farm/modules.order" || rm -f "$farm/pin_helper_vfio.ko"
echo "$farm/pin_helper.ko"
