# SPDX-License-Identifier: GPL-2.0
"""What is run on each kernel, and what its outcome says."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from command import NO_SPACE, read, run, tail, tool
from common import Error, build_dir, checkout, load, say

# Read at once: we may be built again while we run.
SCRIPT = load("guest.sh")
LOST = 99               # pinvm's status for a guest without a result
# How it ended, if not by the command's end.
CRASH, HANG = "kernel crash", "hang"
# What programs of the suite find besides themselves; the suite's own guest has more.
MODULES = "ext4,loop,zram,udmabuf,null_blk,vfio_iommu_type1"
GUEST = ("--disk", "256M:nvme:ext4", "--with-modules", MODULES,
         "--append", "nvme.poll_queues=1 secretmem.enable=1")
CRASHED = re.compile(r"Kernel panic|Oops|BUG:|Unable to handle|general protection|Internal error")
# Without these there is no talking to a guest (pinvm's init) and no counters.
NEEDED = ("BINFMT_ELF", "BINFMT_SCRIPT", "BLK_DEV_INITRD", "DEVTMPFS", "PRINTK", "PROC_FS",
          "SERIAL_8250_CONSOLE", "SYSFS", "TMPFS", "TTY", "UNIX", "VIRTIO_CONSOLE", "VIRTIO_PCI")


@dataclass
class Kernel:
    """What a step has to judge."""
    name: str               # for --kernel of pinvm
    kdir: str = None        # for modules, or a function's business
    source: str = None


@dataclass
class Run:
    """One boot, and what came of it."""
    booted: bool = True     # it came as far as the command
    lost: str = None        # CRASH or HANG
    why: str = ""           # it cannot be judged
    failures: dict = field(default_factory=dict)    # name -> details
    passed: list = field(default_factory=list)
    skipped: dict = field(default_factory=dict)     # name -> reason
    folder: str = ""

    def failed(self):
        return bool(self.failures)


def problem_of(text):
    """The last word of pinvm on why there is no result."""
    found = re.findall(r"^pinvm: (.*?)(?:; the console's log is .*)?$", text, re.M)
    return found[-1] if found else (tail(text, 1) or ["no word of pinvm"])[0]


class Guest:
    """Boots kernels by "pinvm run"."""

    def __init__(self, options, lean=True):
        self.options = options
        self.base = GUEST if lean else ()

    def boot(self, kernel, folder, command, extra=(), out=True):
        """(status or None if there is none, Run)"""
        folder.mkdir(parents=True, exist_ok=True)
        log, err = folder / "console.log", folder / "pinvm.log"
        for old in (log, err):
            old.unlink(missing_ok=True)
        options = self.options
        words = [tool("pinvm"), "run", "--kernel", kernel.name, *self.base,
                 "--timeout", str(options.timeout), "--log", log,
                 *(("--out", folder) if out else ()),
                 *(("--accel", options.accel) if options.accel else ()),
                 *(word for text in options.pinvm for word in shlex.split(text)), *extra]
        if options.helper_module:
            words += ["--copy", f"{options.helper_module}:/pin_helper.ko"]
            beside = Path(options.helper_module).with_name("pin_helper_vfio.ko")
            if beside.exists():
                words += ["--copy", f"{beside}:/{beside.name}"]
        words += ["--", *command]
        (folder / "command").write_text(shlex.join(map(str, words)) + "\n")
        with open(folder / "stdout", "wb") as stdout:
            status = run(words, err, stdout=stdout)
        text, result = read(err), Run(folder=str(folder))
        if NO_SPACE in text:
            raise Error(f"no space left on the device: {problem_of(text)}")
        if not log.exists() and status != 0:
            raise Error(f"pinvm cannot boot a guest: {problem_of(text)}"
                        + (f" (see {err})" if status != 2 else ""))
        if status != LOST:
            return status, result
        result.why = problem_of(text)
        result.booted = "while it ran the command" in result.why
        crashed = CRASHED.search(read(log))
        if crashed:
            line = next(line for line in read(log).splitlines() if CRASHED.search(line))
            result.why += f": {re.sub(r'^.[ 0-9.]+. ', '', line).strip()}"
        if result.booted:
            result.lost = CRASH if crashed else HANG
            result.failures[result.lost] = {"reason": result.why}
        return None, result


def lacking_options(tree):
    """Options that a kernel for pinvm needs and this one does not have."""
    config = read(Path(tree) / ".config")
    if not config:
        return []
    return [f"CONFIG_{name}" for name in NEEDED
            if not re.search(rf"^CONFIG_{name}=[ym]", config, re.M)]


def leaves(test, names=()):
    """(name, result, reason, what else is said) of what counts in pinreport's tree."""
    name, notes = ".".join(names), "\n".join(test.get("diagnostics", []))
    for problem in [*test.get("problems", []), *filter(None, [test.get("bailout")])]:
        yield name, "fail", problem, notes
    for sub in test.get("tests", []):
        yield from leaves(sub, (*names, sub["name"]))
    if "tests" not in test and "result" in test:
        yield name, test["result"], test.get("reason", ""), notes


def reported(path):
    """What pinreport reads in a file of KTAP."""
    output = subprocess.run([tool("pinreport"), "--json", path], capture_output=True, text=True,
                            check=False).stdout
    try:
        return json.loads(output)["runs"][0]
    except (ValueError, LookupError):
        return {"problems": ["no KTAP"]}


class Suite:
    """Programs of the suite, in a guest that has no more than they need."""
    kind = "suite"

    def __init__(self, tests, options):
        self.options = options
        self.tests = {}         # program -> patterns
        for text in tests:
            name, _, pattern = text.partition(":")
            name = name.strip()
            if name.isidentifier() and not name.endswith("_test"):
                name += "_test"
            self.tests.setdefault(name, []).extend(pattern.split())
        self.full = False       # in the guest of "pinvm suite"

    def words(self):
        return [f"{name}:{' '.join(patterns)}" if patterns else name
                for name, patterns in self.tests.items()]

    def __str__(self):
        return ", ".join(self.words())

    def folder(self):
        return Path(self.options.selftests or build_dir() / "selftests")

    def check(self):
        listed = read(self.folder() / "kselftest-list.txt")
        if not listed:
            raise Error(f"no suite in {self.folder()}: run make")
        programs = [line.split(":")[1] for line in listed.split()]
        for name, patterns in self.tests.items():
            if name not in programs:
                raise Error(f"no test program \"{name}\"; there are: {' '.join(programs)}",
                            usage=True)
            for pattern in patterns:
                found = subprocess.run([self.program(name), "--list", pattern], check=False,
                                       capture_output=True, text=True)
                if found.returncode == 2 or not found.stdout.strip():
                    raise Error(f"no test of {name} is called {pattern}: see"
                                f" {self.program(name)} --list", usage=True)

    def program(self, name):
        return self.folder() / "pin_accounting" / name

    def run(self, kernel, folder, times=1, one_failure=False):
        """A list of Runs, the last of which may have failed; if one failure says all, no
        others are looked for: each waits for releases that do not come."""
        if self.full:
            return [self._run_full(kernel, folder)]
        script = folder / "guest.sh"
        folder.mkdir(parents=True, exist_ok=True)
        script.write_bytes(SCRIPT)
        script.chmod(0o755)
        copies = [word for name in self.tests
                  for word in ("--copy", f"{self.program(name)}:/tests/{name}")]
        status, result = Guest(self.options).boot(
            kernel, folder, [script, times, int(one_failure), *self.words()], copies)
        if status is None:
            return [result]
        if not (folder / "done").exists():
            result.why = f"the guest did not run the tests (status {status})"
            return [result]
        if read(folder / "problem"):
            result.why = read(folder / "problem").strip()
            return [result]
        return [self.judge(one) for one in
                sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name))]

    def judge(self, folder):
        result = Run(folder=str(folder))
        for ktap in sorted(folder.glob("*.ktap")):
            self._collect(result, ktap.stem, reported(ktap), folder)
            status = read(ktap.with_suffix(".status")).strip()
            if status not in ("0", "1", "4"):
                result.failures.setdefault(ktap.stem, {"reason": f"it ended with status {status}"})
        return result

    @staticmethod
    def _records(path):
        rows = {}
        for line in read(path).splitlines():
            try:
                row = json.loads(line)
                rows[row["test"]] = row
            except (ValueError, LookupError):
                continue
        return rows

    def _collect(self, result, program, report, folder):
        records = self._records(folder / f"{program}.jsonl")
        for test, verdict, reason, notes in leaves(report):
            name = f"{program}:{test}" if test else program
            if verdict == "fail":
                result.failures[name] = {"reason": reason, "note": notes,
                                         "steps": records.get(test, {}).get("steps", [])}
            elif verdict in ("pass", "xfail"):
                result.passed.append(name)
            else:
                result.skipped[name] = reason

    def _run_full(self, kernel, folder):
        """In the guest that has all that any program may want."""
        folder.mkdir(parents=True, exist_ok=True)
        helper = self.options.helper_module
        words = [tool("pinvm"), "suite", "--json", "--kernel", kernel.name, "--results", folder,
                 "--timeout", self.options.timeout, "--helper", helper or "none", "--shards", 1,
                 "--selftests", self.folder(),
                 *(word for name in self.tests for word in ("--test", name))]
        (folder / "command").write_text(shlex.join(map(str, words)) + "\n")
        result = Run(folder=str(folder))
        with open(folder / "stdout", "wb") as stdout:
            status = run(words, folder / "pinvm.log", stdout=stdout)
        try:
            verdict = json.loads(read(folder / "stdout"))
        except ValueError as err:
            raise Error(f"pinvm suite: {problem_of(read(folder / 'pinvm.log'))}"
                        f" (status {status})") from err
        if verdict["trouble"]:
            result.why = verdict["trouble"]
            if f"status {LOST}" in result.why:
                crashed = CRASHED.search(read(folder / "console.log"))
                result.booted = bool(verdict["programs"])
                result.lost = result.booted and (CRASH if crashed else HANG)
            if result.lost:
                result.failures[result.lost] = {"reason": result.why}
            return result
        for program in reported(folder / "ktap.log").get("tests", []):
            self._collect(result, program["name"].split(":")[-1], program, folder)
        return result


class Command:
    """Any command whose exit status is 0 (good), 125 (skip) or another (bad)."""
    kind = "command"

    def __init__(self, command, options, on_host=False):
        self.options = options
        self.command = command
        self.on_host = on_host

    def __str__(self):
        return shlex.join(self.command)

    def check(self):
        pass

    def run(self, kernel, folder, _times=1, _one_failure=False):
        return [self._once(kernel, folder)]

    def _once(self, kernel, folder):
        folder.mkdir(parents=True, exist_ok=True)
        if self.on_host:
            result = Run(folder=str(folder))
            env = dict(os.environ, PINBISECT_KERNEL=kernel.name, PINBISECT_OUT=str(folder),
                       PINBISECT_SOURCE=kernel.source or "")
            with open(folder / "stdout", "wb") as stdout:
                status = run(self.command, folder / "stderr", env=env, stdout=stdout,
                             timeout=self.options.timeout)
            if status is None:
                result.lost, result.why = HANG, f"no end after {self.options.timeout:g} s"
                result.failures[HANG] = {"reason": result.why}
        else:
            status, result = Guest(self.options, lean=False).boot(kernel, folder, self.command)
        if status is not None:
            self.take(status, result)
        return result

    def take(self, status, result):
        if status == 0:
            result.passed.append("command")
        elif status == 125:
            result.why = "the command ended with status 125"
        elif status in (126, 127) or status < 0 or status > 127:
            words = tail(read(Path(result.folder) / ("stderr" if self.on_host else "pinvm.log")), 1)
            raise Error(f"{self}: ended with status {status}, which says neither good nor bad"
                        + (f" ({words[0]})" if words else ""))
        else:
            result.failures["command"] = {"reason": f"exit status {status}", "note": "\n".join(
                tail(read(Path(result.folder) / "stdout"), 15))}


class Replay(Command):
    """A job of pinstress, as it saves one when a run fails."""
    kind = "replay"

    def __init__(self, job, options):
        super().__init__([tool("pinstress"), "--replay", "/job", "--no-narrow", "--quiet"], options)
        self.job = Path(job).absolute()

    def __str__(self):
        return f"pinstress --replay {self.job}"

    def check(self):
        if not self.job.is_file():
            raise Error(f"--replay: there is no {self.job}", usage=True)

    def _once(self, kernel, folder):
        status, result = Guest(self.options).boot(kernel, folder, self.command,
                                                  ["--copy", f"{self.job}:/job"])
        if status == 2:
            raise Error(f"pinstress does not take {self.job}:"
                        f" {(tail(read(folder / 'pinvm.log'), 1) or ['?'])[0]}", usage=True)
        if status == 4:
            result.why = "pinstress: inconclusive, or nothing can be run on this kernel"
        elif status is not None:
            self.take(status, result)
        return result


def build_helper(kernel, out, log):
    """pin_helper.ko for this kernel, or the reason why there is none."""
    top = checkout()
    if not top:
        return None, "there is no checkout to build pin_helper.ko in"
    kdir = kernel.kdir() if callable(kernel.kdir) else kernel.kdir
    if not kdir:
        return None, "no headers of this kernel"
    if run([top / "kmod-helper/build.sh", kdir, out], log):
        text = read(log)
        if NO_SPACE in text:
            raise Error("no space left on the device while pin_helper.ko was built")
        return None, f"pin_helper.ko does not build for it, see {log}"
    path = (tail(read(log), 1) or [""])[0]
    if not path.endswith("pin_helper.ko") or not os.path.exists(path):
        return None, f"build.sh did not say where pin_helper.ko is, see {log}"
    return path, ""


def can_boot(kernel, folder, options):
    """Whether guests start here at all: with a kernel that did before."""
    say("it did not boot: does this machine still boot one that did?")
    status, _ = Guest(options, lean=False).boot(kernel, folder, ["true"], out=False)
    return status == 0
