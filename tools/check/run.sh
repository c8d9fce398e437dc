#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the check scripts, all or those named, and prints the summary. Called by
# `make check`, which sets BUILD, CACHE and KSFT.
set -u

# A shell that starts us in the background ignores Ctrl-C for us, and no shell
# can undo that for its children; the checks send SIGINT and mean it.
if [ -z "${PIN_CHECK_SIGNALS:-}" ] && env --default-signal=INT true 2>/dev/null; then
	export PIN_CHECK_SIGNALS=default
	exec env --default-signal=INT --default-signal=QUIT "$0" "$@"
fi

here=$(dirname "$(realpath "$0")")
BUILD=${BUILD:-$here/../../build}
folder=$BUILD/check

scripts=()
for name; do
	script=$here/${name%.sh}.sh
	if [ ! -x "$script" ]; then
		echo "check: no script \"$name\"; there are:" \
			"$(cd "$here" && echo [0-9]*.sh)" >&2
		exit 2
	fi
	scripts+=("$script")
done
[ $# -gt 0 ] || scripts=("$here"/[0-9]*.sh)

rm -rf "$folder"
mkdir -p "$folder" || exit 1
status=0
interrupted=
# The scripts clean up, and what they say until then is still heard.
trap 'interrupted=INT' INT
trap 'interrupted=TERM' TERM HUP
logs=()
for script in "${scripts[@]}"; do
	name=$(basename "$script" .sh)
	log=$folder/$name.tap
	logs+=("$log")
	echo "# $name"
	"$script" 2>&1 | tee -i "$log"
	[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
	if [ -n "$interrupted" ]; then
		echo "Bail out! interrupted by SIG$interrupted" | tee -a "$log"
		break
	fi
done
if [ "$(id -u)" -eq 0 ]; then
	chown -hR --reference="$here/../../Makefile" "$folder"
fi

echo
"$BUILD/bin/pinreport" --text "${logs[@]}"
verdict=$?
[ "$verdict" -ne 4 ] || verdict=0
exit $((verdict ? verdict : status))
