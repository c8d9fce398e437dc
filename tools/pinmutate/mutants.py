# SPDX-License-Identifier: GPL-2.0
"""The mutants: what each says of itself, and what it does to files.

A mutant is tools/mutants/NAME.cocci, a semantic patch, or NAME.py, a script
that changes the files given to it, or from outside a NAME.patch. Its first
comment has lines "key: value", continued by indented lines.
"""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

from common import Error, checkout

KINDS = {"R": "a real bug, as it was", "E": "the nearest that today's code allows of a real bug",
         "S": "made up, a sibling of a real one"}
REQUIRED = ("what", "kind", "files", "versions", "tests")
KEYS = (*REQUIRED, "finding", "issue", "fix", "fixed-in", "catalogue", "needs", "counter", "page",
        "vm", "data", "log", "functions", "equivalent")
NEEDS = ("movable", "no-iommu")
SUFFIXES = {".cocci": "//", ".py": "#", ".patch": "#", ".diff": "#"}
SPATCH_TIMEOUT = 300
VERSIONS = re.compile(r"(\d+\.\d+)-(\d+\.\d+)?")


def folder(name="mutants"):
    top = checkout()
    if not top:
        raise Error(f"this is for a checkout: the {name} are in its tools/{name}/")
    return top / "tools" / name


class Mutant:
    """One bug to put back."""

    def __init__(self, path, files=()):
        self.path = Path(path)
        self.name = self.path.stem
        self.fields = self._read()
        # A patch says itself what it changes.
        self.files = list(files) or self.fields.get("files", "").split() or self._patched()

    def _read(self):
        mark = SUFFIXES.get(self.path.suffix)
        if not mark:
            raise Error(f"{self.path}: not one of {' '.join(SUFFIXES)}", usage=True)
        try:
            lines = self.path.read_text().splitlines()
        except OSError as err:
            raise Error(f"{self.path}: {err.strerror}", usage=True) from err
        except UnicodeDecodeError as err:
            raise Error(f"{self.path}: no text", usage=True) from err
        fields, key = {}, None
        for line in lines:
            if not line.startswith(mark):
                break
            text = line[len(mark):]
            match = re.match(r" ([a-z-]+):(?: (.*))?$", text)
            if match and match[1] in KEYS:
                key = match[1]
                fields[key] = match[2] or ""
            elif key and text.startswith("   "):
                fields[key] += " " + text.strip()
        return {key: value.strip() for key, value in fields.items()}

    def _patched(self):
        if self.path.suffix not in (".patch", ".diff"):
            return []
        return sorted({name for name in re.findall(r"^\+\+\+ [^/\s]+/(\S+)", self.path.read_text(),
                                                   re.M)})

    def __getattr__(self, name):
        # Called for what is no attribute: fields of the header.
        key = name.replace("_", "-")
        if key in KEYS:
            return self.fields.get(key, "")
        raise AttributeError(name)

    def tests(self):
        """[(program, [patterns])], no patterns for all of a program."""
        rows = []
        for word in self.fields.get("tests", "").split():
            program, _, patterns = word.partition("=")
            rows.append((program, [one for one in patterns.split(",") if one]))
        return rows

    def owns(self, program, test):
        """Is this test there to see this bug? Of a bug from outside, any is."""
        if not self.tests():
            return True
        return any(program == its and (not patterns or
                                       any(fnmatch.fnmatchcase(test, one) for one in patterns))
                   for its, patterns in self.tests())

    def is_for(self, series):
        """Has a kernel of that series its code? Where nobody knows it is to be tried."""
        match = VERSIONS.fullmatch(self.versions)
        if not series or not match:
            return True
        first, last = (ordered(one) if one else None for one in match.groups())
        return first <= ordered(series) and (not last or ordered(series) <= last)

    def functions_of(self):
        return set(self.functions.split())

    def problems(self):
        """What is wrong with the header."""
        for key in REQUIRED:
            if not self.fields.get(key):
                yield f"no {key}:"
        if self.kind not in KINDS:
            yield f"kind: {self.kind} is none of {' '.join(KINDS)}"
        if self.kind == "R" and not self.fix:
            yield "a real bug without fix:"
        yield from self._unordered()
        for need in self.needs.split():
            if need not in NEEDS:
                yield f"needs: {need} is none of {' '.join(NEEDS)}"
        if not self.equivalent and not any(self.fields.get(key) for key in
                                           ("counter", "page", "vm", "data", "log")):
            yield "what is expected? counter:, page:, vm:, data: or log:"
        for program, patterns in self.tests():
            if not re.fullmatch(r"[a-z0-9_]+", program) or any(" " in one for one in patterns):
                yield f"tests: {program} is no name of a program"

    def _unordered(self):
        if self.versions and not VERSIONS.fullmatch(self.versions):
            yield f"versions: {self.versions} is not as 6.5- or 6.5-6.14"

    def json(self):
        return {"name": self.name, "path": str(self.path), "files": self.files, **{
            key: value for key, value in self.fields.items() if key != "files"}}

    def change(self, top):
        """Changes its files below top. Raises Error if one stays as it was."""
        if not self.files:
            raise Error(f"{self.path} does not say which files it changes: a line \"files:\" or"
                        " --on FILE", usage=True)
        before = {}
        for name in self.files:
            path = top / name
            if not path.is_file():
                raise Error(f"{self.name}: there is no {name} in this kernel", status=1)
            before[name] = path.read_bytes()
        if self.path.suffix == ".cocci":
            self._spatch(top)
        else:
            command = ([sys.executable, self.path.absolute(), *self.files]
                       if self.path.suffix == ".py" else
                       ["patch", "-p1", "-s", "-f", "--no-backup-if-mismatch", "-r", "-", "-i",
                        self.path.absolute()])
            self._call(command, top)
        same = [name for name in self.files if (top / name).read_bytes() == before[name]]
        if same:
            raise Error(f"{self.name}: nothing matches in {' '.join(same)}: the code is not as this"
                        f" mutant knows it (versions: {self.versions or 'unknown'})", status=1)

    def _call(self, command, top):
        try:
            result = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False,
                                    timeout=SPATCH_TIMEOUT)
        except subprocess.TimeoutExpired as err:
            raise Error(f"{self.name}: {command[0]} is not done after {SPATCH_TIMEOUT} s",
                        status=1) from err
        if result.returncode:
            words = (result.stderr.strip() or result.stdout.strip()).splitlines()
            raise Error(f"{self.name}: {Path(command[0]).name} failed:\n  | " +
                        "\n  | ".join(words[-8:]), status=1)

    def _spatch(self, top):
        if not shutil.which("spatch"):
            raise Error("no spatch: install coccinelle")
        for name in self.files:
            self._call(["spatch", "--sp-file", self.path.absolute(), "--very-quiet",
                        "--no-includes", "--no-show-diff", "--in-place", name], top)


class Fix(Mutant):
    """What is to mend one of results/findings.md: tools/fixes/NAME.patch."""

    def problems(self):
        for key in ("what", "finding", "issue", "versions", "tests"):
            if not self.fields.get(key):
                yield f"no {key}:"
        yield from self._unordered()


def ordered(series):
    """Of "6.12", to be compared."""
    return tuple(int(part) for part in series.split("."))


def fixes(names):
    """Those of these names, or all."""
    known = {path.stem: path for path in sorted(folder("fixes").iterdir())
             if path.suffix in SUFFIXES}
    for name in names:
        if name not in known:
            raise Error(f"no fix {name}; there are {' '.join(known)}", usage=True)
    return [Fix(known[name]) for name in names or known]


def every():
    return [Mutant(path) for path in sorted(folder().iterdir()) if path.suffix in SUFFIXES]


def find(name):
    for suffix in SUFFIXES:
        path = folder() / (name + suffix)
        if path.exists():
            return Mutant(path)
    near = [one.name for one in every() if name in one.name or one.name.startswith(name[:6])]
    raise Error(f"no mutant {name}" + (f"; near it: {' '.join(near[:6])}" if near else
                                       ", see pinmutate list"), usage=True)


def choose(patterns):
    """Those of these names or patterns, in order; all without any, the catalogue first."""
    known = every()
    if not patterns:
        return sorted(known, key=lambda one: (one.catalogue != "yes", one.name))
    chosen = []
    for pattern in patterns:
        if any(mark in pattern for mark in "*?["):
            found = [one for one in known if fnmatch.fnmatchcase(one.name, pattern)]
            if not found:
                raise Error(f"no mutant matches {pattern}", usage=True)
        else:
            found = [find(pattern)]
        chosen += [one for one in found if one.name not in {have.name for have in chosen}]
    return chosen
