#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's coding style, and no trouble in the scripts.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

# Our own files, also where there is no git.
ours() {
	find . \( -path ./.git -o -path ./.cache -o -path ./build -o \
		-path './results/2*' \) -prune -o -type f "$@" -print | sort
}

mapfile -t c_files < <(ours -name '*.[ch]')
mapfile -t scripts < <(ours \( -name '*.sh' -o -path ./.ci/run \))
mapfile -t python < <(ours -name '*.py')
mapfile -t makefiles < <(ours \( -name Makefile -o -name '*.mk' -o -name Kbuild \))
mapfile -t documents < <(ours \( -name '*.md' -o -name config -o -name settings \
	-o -name packages -o -name expected-skips -o -name coverage-why -o -name '.*' \))

# Where user space differs from the kernel, checkpatch does not know it:
not_for_us=(
	# there is no u64, fallthrough, __printf, BIT or ARRAY_SIZE
	PREFER_KERNEL_TYPES PREFER_FALLTHROUGH PREFER_DEFINED_ATTRIBUTE_MACRO
	BIT_MACRO ARRAY_SIZE
	# the registry is a list that is included with two meanings of its lines
	COMPLEX_MACRO TRAILING_SEMICOLON
	# signal handlers need sig_atomic_t to be volatile
	VOLATILE
	# system calls do return ENOSYS
	ENOSYS
	# messages stay whole for grep; the paragraphs of --help cannot
	LONG_LINE_STRING SPLIT_STRING
)

# many COMMAND...: on all C files, as many at a time as there are CPUs.
many() {
	printf '%s\0' "${c_files[@]}" | xargs -0 -n 8 -P "$(nproc)" "$@"
}

checkpatch=$KSFT/../../../scripts/checkpatch.pl
if [ -r "$checkpatch" ]; then
	check_silent "checkpatch --strict" many perl "$checkpatch" --strict --no-tree \
		--quiet --terse --show-types --no-summary \
		--ignore "$(IFS=,; echo "${not_for_us[*]}")" -f
else
	skip "checkpatch --strict" "no scripts/checkpatch.pl beside the framework"
fi

# Where to break a line and what to align by tabs is for people to decide: the
# tokens and the space between them are compared, one to a line.
words() {
	sed 's/\\$//' | tr -s '[:space:]' '\n'
}

clang_format() {
	local file

	for file; do
		clang-format --style="file:$TMP/clang-format" "$file" | words |
			diff -u --label "$file" --label "clang-format $file" \
				<(words <"$file") -
	done
}

if have clang-format; then
	sed 's/^ColumnLimit:.*/ColumnLimit: 0/' .clang-format >"$TMP/clang-format"
	export TMP
	export -f words clang_format
	check_silent "clang-format" many bash -c 'clang_format "$@"' clang-format
else
	skip "clang-format" "clang-format is not installed"
fi

if have shellcheck; then
	# SC2317: it does not see that check calls what it is given.
	check_silent "shellcheck" shellcheck -x -e SC2317 "${scripts[@]}"
else
	skip "shellcheck" "shellcheck is not installed"
fi

if have pyflakes3 && have pycodestyle; then
	check_silent "pyflakes" pyflakes3 "${python[@]}"
	check_silent "pycodestyle" pycodestyle --max-line-length=100 "${python[@]}"
else
	skip "python" "pyflakes3 or pycodestyle is not installed"
fi

if have codespell; then
	check_silent "codespell" codespell -q 3 "${c_files[@]}" "${scripts[@]}" \
		"${python[@]}" "${makefiles[@]}" "${documents[@]}"
else
	skip "codespell" "codespell is not installed"
fi

trailing_space() {
	! grep -nE '[[:blank:]]$' /dev/null "$@"
}

space_indent() {
	! grep -nE '^(        |	* +	)' /dev/null "$@"
}

no_newline_at_end() {
	local file

	for file; do
		[ -z "$(tail -c 1 "$file")" ] || echo "$file"
	done
}

all=("${c_files[@]}" "${scripts[@]}" "${python[@]}" "${makefiles[@]}" "${documents[@]}")
check_silent "no space at the end of a line" trailing_space "${all[@]}"
check_silent "tabs indent" space_indent "${c_files[@]}" "${scripts[@]}"
check_silent "files end with a newline" no_newline_at_end "${all[@]}"

without_licence() {
	local file

	for file; do
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
			echo "$file"
	done
}
check_silent "files name their licence" without_licence "${c_files[@]}" \
	"${scripts[@]}" "${python[@]}" "${makefiles[@]}"

not_executable() {
	local file

	for file; do
		[ "$(head -c 2 "$file")" != '#!' ] || [ -x "$file" ] || echo "$file"
	done
}
check_silent "scripts are executable" not_executable "${scripts[@]}"

done_testing
