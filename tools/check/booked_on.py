# SPDX-License-Identifier: GPL-2.0
"""Was what each consumer of pins took booked on the kernel functions that it names?

booked_on.py LIST TRACE TAP KALLSYMS RELEASE: what pinstress --list --json, pintrace --json
--stacks and matrix_test printed, the guest's symbols and its kernel. Prints a line for each
consumer that takes pins there: ok, not_ok or skip, its name, and why.
"""

import json
import re
import sys

NAMED = (6, 12)     # what the functions are called there and later


def bare(name):
    """Of a symbol what the source calls it: not what the compiler made of it, nor the place."""
    return re.split(r"[.+ ]", name)[0]


def version(text):
    return tuple(map(int, re.match(r"(\d+)\.(\d+)", text).groups()))


def pinning(path):
    """[(functions, outermost first; those that pin)] of "a > b > pin_x, pin_y; c > unpin"."""
    for way in path.split("; "):
        *callers, last = way.split(" > ")
        pins = [name for name in last.split(", ")
                if re.match("pin_user|memfd_pin|folio_add", name)]
        if pins:
            yield callers, pins
        elif last == "iov_iter_extract_pages":
            yield callers + [last], ["pin_user_pages_fast"]


def is_within(names, stack):
    """Are these names in the stack, in that order?"""
    rest = iter(stack)
    return all(name in rest for name in names)


def judge(consumer, owners, cells, symbols):
    """symbols: {name: the module it is in, or ""}"""
    ran = [line for line in cells if "# SKIP" not in line]
    if not ran:
        return "skip", cells[0].partition("# SKIP ")[2] if cells else "no cell was asked for"
    near = []
    for callers, pins in pinning(consumer["path"]):
        # What was inlined is in no stack. Of one at least there must be something to see.
        names = [name for name in callers if name in symbols]
        if callers and not names:
            continue
        for owner in owners:
            if owner["function"] not in pins or not owner["acquired"]:
                continue
            stack = [bare(name) for name in reversed(owner["stack"])]
            in_helper = any(symbols.get(name) == "[pin_helper]" for name in stack)
            if is_within(names, stack) and in_helper == consumer["name"].startswith("helper_"):
                return "ok", " > ".join(names + [owner["function"]])
            if any(name in stack for name in names):
                near.append(" > ".join(stack))
    there = " | ".join(near[:3]) or "nothing like it"
    return "not_ok", f"{consumer['path']}; but there is: {there}"


def main():
    listed, trace, tap, kallsyms, release = sys.argv[1:]
    if version(release) < NAMED:
        print(f"skip all the names are those of Linux {NAMED[0]}.{NAMED[1]} and later")
        return
    with open(trace, encoding="utf-8") as file:
        owners = [o for o in json.load(file)["owners"] if o["comm"] == "matrix_test"]
    with open(tap, encoding="utf-8") as file:
        lines = [line.strip() for line in file if re.match("(not )?ok ", line)]
    with open(kallsyms, encoding="utf-8") as file:
        symbols = {bare(word[2]): "".join(word[3:]) for word in map(str.split, file)}
    # Modules have gone by then.
    for owner in owners:
        for name in map(bare, owner["stack"]):
            symbols.setdefault(name, "")
    with open(listed, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        if row["type"] != "consumer" or row["since"] == "never" or \
           version(row["since"]) > version(release):
            continue
        cells = [line for line in lines if re.search(rf" {row['name']}\.", line)]
        print(*judge(row, owners, cells, symbols), sep=f" {row['name']} ")


main()
