# SPDX-License-Identifier: GPL-2.0
"""The kernel's own selftests of pins on the same kernels, side by side with ours."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

import judge
import tree as trees
from common import Error, load

PROGRAMS = ("gup_test", "gup_longterm", "cow", "hugetlb_dio")
SHARED = ("vm_util.c", "thp_settings.c")
# Read at once: the program may be built again while we run.
SCRIPT = load("theirs.sh")
LINE = re.compile(r"(not ok|ok)\s+\d+\s*(?:-\s*)?([^#]*?)\s*(?:#\s*(SKIP|XFAIL|TODO).*)?$", re.I)


def build(tree):
    """Static programs, once for all mutants: no header of the kernel is ever changed."""
    target = tree.work / "theirs"
    mm = tree.source / "tools/testing/selftests/mm"
    if all((target / name).exists() for name in PROGRAMS):
        return target
    target.mkdir(exist_ok=True)
    with open(target / "build.log", "wb") as log:
        def call(*command):
            if subprocess.run(command, cwd=target, stdout=log, stderr=log,
                              stdin=subprocess.DEVNULL, check=False).returncode:
                raise Error(f"the kernel's selftests cannot be built, see {log.name}")
        call("make", "-C", tree.source, f"O={tree.build}", "headers")
        # With liburing they do more.
        (target / "local_config.h").write_text("#define LOCAL_CONFIG_HAVE_LIBURING 1\n")
        for name in PROGRAMS:
            call("gcc", "-static", "-O2", "-w", "-D_GNU_SOURCE=", f"-I{target}",
                 f"-isystem{tree.build}/usr/include", f"-I{tree.source}/tools/include/uapi",
                 f"-I{mm.parent}", f"-idirafter{tree.source}",
                 "-o", target / name, mm / f"{name}.c", *(mm / other for other in SHARED),
                 "-luring", "-lpthread", "-lrt", "-lnuma")
    return target


def read(text):
    """({(program, call, test): result}, the kernel's log)"""
    results, log, call, exits = {}, [], None, {}
    for line in text.splitlines():
        if line.startswith("== log "):
            log.append(line[len("== log "):])
        elif line.startswith("== exit "):
            exits[call] = line.split()[-1]
        elif line.startswith("== "):
            call = line[3:]
        else:
            match = LINE.match(line)
            if match and call:
                name = re.sub(r"[\d.]+ ?(us|ms|s)\b|0x[0-9a-f]+", "N", match[2])
                result = match[3].lower() if match[3] else "pass" if match[1] == "ok" else "fail"
                key = (call, name)
                if results.get(key) != "fail":
                    results[key] = result
    # A program that ends otherwise than by 0 or 4 says so, whatever its lines are.
    for one, status in exits.items():
        results[(one, "exit status")] = "pass" if status in ("0", "4") else f"exit {status}"
    return results, "\n".join(log)


def run(tree, folder, words=()):
    """Boots the kernel in the build tree; keeps theirs.log and theirs-console.log."""
    target = build(tree)
    folder.mkdir(parents=True, exist_ok=True)
    console = folder / "theirs-console.log"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pinmutate.") as scratch:
        script = Path(scratch) / "theirs.sh"
        script.write_bytes(SCRIPT)
        script.chmod(0o755)
        command = [trees.tool("pinvm"), "run", "--kernel", tree.build, "--timeout", "300",
                   "--disk", "512M:nvme:ext4", "--log", console, "--copy", f"{script}:/theirs.sh",
                   *words,
                   *(word for name in PROGRAMS
                     for word in ("--copy", f"{target / name}:/theirs/{name}")),
                   "--", "/theirs.sh"]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace",
                                stdin=subprocess.DEVNULL, check=False)
    (folder / "theirs.log").write_text(result.stdout)
    results, log = read(result.stdout)
    if not log and console.exists():    # it died
        log = console.read_text(errors="replace")
    return {"seconds": round(time.monotonic() - began, 1), "crashed": result.returncode == 99,
            "results": [[*key, value] for key, value in sorted(results.items())],
            "log": sorted({line for line, _ in judge.reports(log)})}


def compare(theirs, baseline):
    """{"noticed": by what or "", "log": a line or ""}"""
    if not theirs or not baseline:
        return None
    good = {(call, name) for call, name, result in baseline["results"] if result == "pass"}
    now = {(call, name): result for call, name, result in theirs["results"]}
    failed = sorted(key for key in good if now.get(key, "pass") not in ("pass", "skip", "xfail"))
    fresh = [line for line in theirs["log"] if line not in baseline["log"]]
    return {"noticed": f"{failed[0][0].split()[0]}: {failed[0][1]}" if failed else "",
            "failed": len(failed), "log": fresh[0] if fresh else "",
            "crashed": theirs["crashed"], "seconds": theirs["seconds"]}
