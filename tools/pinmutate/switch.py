# SPDX-License-Identifier: GPL-2.0
"""All mutants in one kernel, of which "pin_mutant=N" on its command line chooses one.

A function that mutants change gets a copy for each, with the mutant's body. It
begins by asking which mutant is chosen, and calls that one's copy; with none
it goes on as it was.
"""

import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree as trees
from common import Error

# Where the variable is defined: built into every kernel that counts pins.
HOME = "mm/gup.c"
DEFINITION = """
#include <linux/moduleparam.h>

int pin_mutant;
EXPORT_SYMBOL_GPL(pin_mutant);
core_param(pin_mutant, pin_mutant, int, 0444);
"""
COPY = "{}__mutant_{}"
COPIED = re.compile(r"__mutant_\d+\b")
SIGNATURE = re.compile(r"(?P<type>(?:\w[\w\s]*?[\s*]+)?)(?P<name>[a-z_]\w*)\((?P<rest>.*)\Z", re.S)


class Function:
    """One definition in a file of kernel style: its braces are alone at the start of a line."""

    def __init__(self, head, body):
        self.head = head        # lines up to the opening brace
        self.body = body        # lines from there to the closing one
        match = SIGNATURE.match("".join(head).strip())
        self.type = self.name = self.arguments = None
        if match:
            self.type = match["type"].strip()
            self.name = match["name"]
            self.arguments = names(match["rest"])

    def text(self):
        return "".join(self.head + self.body)


def names(rest):
    """The parameters' names, of what follows the opening bracket; None if they are not simple."""
    depth, words, word = 1, [], ""
    for letter in rest:
        depth += (letter in "([") - (letter in ")]")
        if not depth:
            break
        if letter == "," and depth == 1:
            words.append(word)
            word = ""
        else:
            word += letter
    words.append(word)
    if [one.strip() for one in words] == ["void"]:
        return []
    found = [re.search(r"\(\s*\*\s*(\w+)\s*\)|(\w+)\s*(?:\[[^]]*\]\s*)*\Z", one.strip())
             for one in words]
    return [one[1] or one[2] for one in found] if all(found) and not depth else None


def parts(text):
    """A source file as a list of Function and of lines between them."""
    lines = text.splitlines(keepends=True)
    found, at = [], 0
    for number, line in enumerate(lines):
        if line.rstrip() != "{" or number < at:
            continue
        begin = number
        while begin > at and not re.search(r"^\s*$|^[#}/]|[;}/]\s*$|^ \*", lines[begin - 1]):
            begin -= 1
        end = next((one for one in range(number, len(lines)) if lines[one].rstrip() == "}"), None)
        function = Function(lines[begin:number], lines[number:(end or number) + 1])
        if end is None or not function.name:
            continue
        found += lines[at:begin]
        found.append(function)
        at = end + 1
    return found + lines[at:]


def split(before, after):
    """{place: Function of after} of those that differ, or None if more than functions do."""
    old, new = parts(before), parts(after)
    if len(old) != len(new):
        return None
    changed = {}
    for place, (one, other) in enumerate(zip(old, new)):
        if isinstance(one, str) or isinstance(other, str):
            if one != other:
                return None
        elif one.text() != other.text():
            if one.head != other.head or one.arguments is None or "..." in one.head[-1]:
                return None
            changed[place] = other
    return changed


def copy(function, number):
    """The function as that mutant has it, under a name of its own."""
    head = "".join(function.head)
    head = re.sub(rf"\b{function.name}\(", COPY.format(function.name, number) + "(", head, count=1)
    if not re.search(r"\bstatic\b", function.type):
        head = "static " + head
    return head + "".join(function.body) + "\n"


def question(function, number):
    """At the start of the kernel's own: is it to be that mutant's?"""
    call = f"{COPY.format(function.name, number)}({', '.join(function.arguments)})"
    if re.fullmatch(r".*\bvoid", function.type, re.S):
        return f"\tif (pin_mutant == {number}) {{\n\t\t{call};\n\t\treturn;\n\t}}\n"
    return f"\tif (pin_mutant == {number})\n\t\treturn {call};\n"


def joined(text, mutated):
    """The file with all in it: mutated is {number: split()}."""
    found = parts(text)
    for place in sorted({place for changed in mutated.values() for place in changed}):
        own = found[place]
        theirs = [(number, changed[place]) for number, changed in sorted(mutated.items())
                  if place in changed]
        found[place] = (
            "extern int pin_mutant;\n"
            + "".join(copy(function, number) for number, function in theirs)
            + "".join(own.head) + own.body[0]
            + "".join(question(own, number) for number, _ in theirs) + "".join(own.body[1:]))
    return "".join(one if isinstance(one, str) else one.text() for one in found)


class Switched:
    """What Tree.apply() wants of a mutant, of many."""

    name = "all of them"

    def __init__(self, mutants, source):
        self.numbers, self.apart = {}, []
        self.changes = {}       # file -> {number: split()}
        # spatch takes its time.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda mutant: self._changes(mutant, source), mutants))
        for number, (mutant, changed) in enumerate(zip(mutants, found), 1):
            if changed is None:
                self.apart.append(mutant)
                continue
            self.numbers[mutant.name] = number
            for name, one in changed.items():
                self.changes.setdefault(name, {})[number] = one
        self.files = sorted({HOME, *self.changes})

    @staticmethod
    def _changes(mutant, source):
        """{file: split()}, or None if it cannot be chosen at run time."""
        with tempfile.TemporaryDirectory(prefix="pinmutate.") as scratch:
            try:
                trees.change_copies(mutant, source, Path(scratch))
            except Error as err:
                if err.status != 1:
                    raise
                return None     # it is said when it is tried alone
            found = {name: split((source / name).read_text(), (Path(scratch) / name).read_text())
                     for name in mutant.files}
        return found if all(found.values()) else None

    def change(self, top):
        for name in self.files:
            path = top / name
            text = joined(path.read_text(), self.changes.get(name, {}))
            path.write_text(text + (DEFINITION if name == HOME else ""))

    def word(self, mutant):
        """For the kernel's command line."""
        return f"pin_mutant={self.numbers[mutant.name]}"


def own_names(console):
    """A kernel's log, with functions named as they are in the source."""
    return COPIED.sub("", console)
