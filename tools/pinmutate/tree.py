# SPDX-License-Identifier: GPL-2.0
"""One source tree that is mutated and one build tree.

The kernel source that was named stays as it is: we work on a copy of links,
and a file is replaced, never written to. A journal says what is changed, so
that whoever comes next puts right what we left behind when we were killed.
"""

import contextlib
import difflib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import build
from common import Error, build_dir, checkout

# What a build leaves behind in a source tree is none of ours.
NOT_SOURCE = ("/.git", "/.config", "/include/config", "/include/generated",
              "/arch/*/include/generated", "*.o", "*.ko", "*.a", ".*.cmd", "/vmlinux*", "/.tmp_*")


SERIES = "6.12"


def pristine():
    """The kernel source as it is, only to be read."""
    named = os.environ.get("KSRC")
    if not named:
        return build.unpack_source(SERIES)
    source = Path(named).absolute()
    if not (source / "mm").is_dir():
        raise Error(f"KSRC={named} is no kernel source tree", usage=True)
    return source


def series(source):
    """As "6.12", which its Makefile says, or None."""
    try:
        text = (source / "Makefile").read_text()
    except FileNotFoundError:
        return None
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", text, re.M))
    return f"{found['VERSION']}.{found['PATCHLEVEL']}" if len(found) == 2 else None


class Tree:
    """Held by one pinmutate at a time."""

    def __init__(self, config=None):
        self.pristine = pristine()
        more = [Path(config).absolute()] if config else []
        self.fragments = [*(checkout() / name for name in build.FRAGMENTS), *more]
        # The usual source and configuration have a name that is known.
        apart = [str(path) for path in ([self.pristine] if os.environ.get("KSRC") else []) + more]
        key = "-" + hashlib.sha256(" ".join(apart).encode()).hexdigest()[:8] if apart else ""
        self.work = build.linux_dir() / f"mutants{key}"
        # Beside each other as the originals are: ccache then knows the files.
        self.source = self.work / self.pristine.name
        self.build = self.work / "build"
        self.journal = self.work / "applied.json"
        self.helper = self.work / "pin_helper.ko"
        self.lock = None

    def __enter__(self):
        self.work.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.work / ".lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise Error(f"another pinmutate is at work in {self.work}") from err
        self.undo()
        self._copy()
        return self

    def __exit__(self, *_):
        self.undo()
        self.lock.close()

    def _copy(self):
        """Brings the copy up to date. Files of ours that are newer were put right by undo()."""
        complete = self.work / ".complete"
        if complete.exists() and not os.environ.get("KSRC"):
            return
        result = subprocess.run(
            ["rsync", "-a", "--update", "--delete", f"--link-dest={self.pristine}",
             *(f"--exclude={name}" for name in NOT_SOURCE), f"{self.pristine}/", f"{self.source}/"],
            capture_output=True, text=True, check=False)
        if result.returncode:
            raise Error(f"cannot copy {self.pristine}: {result.stderr.strip()}")
        complete.touch()

    def applied(self):
        """What the journal says: {"name": ..., "files": [...]}, or None."""
        try:
            return json.loads(self.journal.read_text())
        except FileNotFoundError:
            return None

    def apply(self, mutant):
        """Returns the difference."""
        entry = json.dumps({"name": mutant.name, "files": mutant.files})
        with open(self.journal, "w") as file:
            file.write(entry)
            file.flush()
            os.fsync(file.fileno())
        try:
            with tempfile.TemporaryDirectory(prefix="pinmutate.") as scratch:
                changes = change_copies(mutant, self.pristine, Path(scratch))
                for name in mutant.files:
                    replace(Path(scratch) / name, self.source / name)
        except BaseException:
            self.undo()
            raise
        return changes

    def undo(self):
        entry = self.applied()
        if not entry:
            return None
        for name in entry["files"]:
            if (self.pristine / name).exists():
                replace(self.pristine / name, self.source / name)
        with contextlib.suppress(FileNotFoundError):
            self.journal.unlink()
        return entry["name"]

    def make(self):
        """Builds image, modules and, once, pin_helper.ko and that of VFIO."""
        build.check_tools()
        top = checkout()
        builder = build.Builder(self.source, self.build, self.fragments, [f"-j{os.cpu_count()}"])
        builder.build()
        if not self.helper.exists() or self.helper.stat().st_mtime < newest(top / "kmod-helper"):
            self._make_helper(top)

    def _make_helper(self, top):
        # The same for all mutants: no header is ever changed.
        result = subprocess.run([top / "kmod-helper/build.sh", self.build, self.work / "kmod"],
                                capture_output=True, text=True, check=False)
        module = next(self.work.glob("kmod/*/pin_helper.ko"), None)
        if result.returncode or not module:
            raise Error(f"pin_helper.ko cannot be built: {result.stderr.strip()}")
        for one in module.parent.glob("pin_helper*.ko"):
            shutil.copy(one, self.helper.with_name(one.name))

    def export(self, target):
        """All that pinvm needs of the build tree, for use elsewhere."""
        shutil.rmtree(target, ignore_errors=True)
        for name in ("arch/x86/boot/bzImage", "include/config/kernel.release", ".config",
                     "System.map"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.build / name, target / name)
        shutil.copytree(self.build / "lib/modules", target / "lib/modules", symlinks=True)
        for one in self.work.glob("pin_helper*.ko"):
            shutil.copy(one, target / one.name)


def replace(new, old):
    """Now, in one step, and not in a file that others have a link to."""
    scratch = old.with_name(old.name + ".pinmutate")
    shutil.copyfile(new, scratch)
    shutil.copymode(old if old.exists() else new, scratch)
    os.replace(scratch, old)


def change_copies(mutant, source, scratch):
    """Mutated copies of the files in scratch; returns the difference."""
    for name in mutant.files:
        if not (source / name).is_file():
            raise Error(f"{mutant.name}: there is no {name} in {source}", status=1)
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, scratch / name)
    mutant.change(scratch)
    lines = []
    for name in mutant.files:
        lines += difflib.unified_diff(
            (source / name).read_text(errors="replace").splitlines(keepends=True),
            (scratch / name).read_text(errors="replace").splitlines(keepends=True),
            f"a/{name}", f"b/{name}")
    return "".join(lines)


def difference(mutant, source):
    """What a mutant does to the files of a source, which stay as they are."""
    with tempfile.TemporaryDirectory(prefix="pinmutate.") as scratch:
        return change_copies(mutant, source, Path(scratch))


def newest(folder):
    return max(path.stat().st_mtime for path in folder.rglob("*"))


def tool(name):
    path = build_dir() / "bin" / name
    if not path.exists():
        raise Error(f"no {path}: run make")
    return path
