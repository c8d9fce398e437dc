#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints results/consumers.md: what each consumer says of itself.

dir=$(dirname "$0")/..
cat <<'END'
# Consumers of pins

Printed by `tools/consumers.sh`: what each consumer says of itself (`pinstress --list --json`).
Case is that of Documentation/core-api/pin_user_pages.rst. Pins that are held stay until they
are released; the others are released before the call returns. "Pins since" is the first
version of Linux in which that path takes pins at all.

| consumer | what | case | kernel functions | pins since | held | needs |
|---|---|---|---|---|---|---|
END
"${BUILD:-$dir/build}/bin/pinstress" --list --json | jq -r '
	select(.type == "consumer") |
	[ "`\(.name)`", .help, (.case | tostring), .path, .since,
	  if .held then "yes" else "no" end, .needs // "-" ] |
	"| " + (map(gsub("\\|"; "\\|")) | join(" | ")) + " |"'
