# SPDX-License-Identifier: GPL-2.0
"""What all parts use, of pinvm and its relatives: errors, messages, the cache, architectures."""

import os
import platform
import pkgutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path


class Error(Exception):
    """Ends the program with a message; usage errors with status 2."""

    def __init__(self, text, usage=False, status=4):
        super().__init__(text)
        self.status = 2 if usage else status


@dataclass
class Arch:
    """All that differs between architectures."""
    qemu: str
    machine: str
    cpu: str
    console: str
    boot_image: str         # in a kernel build tree
    iommu: tuple            # arguments for qemu, and for the kernel
    triplet: str
    package: str            # where qemu comes from


ARCHES = {
    "amd64": Arch(
        # Without "erms" Linux copies and clears by eight bytes, not by one, in a loop
        # that TCG takes one after the other; "smap" cuts its blocks of code in two.
        qemu="qemu-system-x86_64", machine="q35", cpu="max,la57=off,erms=off,smap=off",
        console="ttyS0",
        boot_image="arch/x86/boot/bzImage",
        iommu=(["-device", "intel-iommu,intremap=off"], "intel_iommu=on"),
        triplet="x86_64-linux-gnu", package="qemu-system-x86"),
    "arm64": Arch(
        # Else each change between user and kernel signs by a cipher that TCG computes in
        # software, and settles the counters of a PMU and the length of vectors.
        qemu="qemu-system-aarch64", machine="virt,gic-version=3",
        cpu="max,pauth-impdef=on,pmu=off,sve=off", console="ttyAMA0",
        boot_image="arch/arm64/boot/Image",
        iommu=(["-machine", "iommu=smmuv3"], ""),
        triplet="aarch64-linux-gnu", package="qemu-system-arm"),
}


def host_arch():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def say(text):
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def load(name):
    try:
        return pkgutil.get_data("common", name)
    except OSError:
        return None


# Files that come with pinvm, read at once: it may be built again while we run.
DATA = {name: load(name)
        for name in ("init.sh", "suite.sh", "coverage-why", "expected-skips", "checkout")}


def checkout():
    """The checkout that we were built from, if there still is one."""
    if DATA["checkout"]:
        top = Path(DATA["checkout"].decode().strip())
    else:
        top = Path(__file__).resolve().parent.parent.parent
    return top if (top / "tools/pinvm").is_dir() else None


def cache_dir():
    """$CACHE, .cache/ of the checkout, or else the user's."""
    base = os.environ.get("CACHE") or (checkout() and checkout() / ".cache")
    if not base:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pin-accounting"
    return Path(base).absolute() / "pinvm"


def build_dir():
    if os.environ.get("BUILD"):
        return Path(os.environ["BUILD"]).absolute()
    # build/bin/pinvm and the like
    near = Path(sys.argv[0]).resolve().parent.parent
    if (near / "selftests").is_dir() and near.name != "tools":
        return near
    return (checkout() or Path(".")).absolute() / "build"


def results_dir():
    if os.environ.get("RESULTS"):
        return Path(os.environ["RESULTS"])
    return (checkout() or Path(".")) / "results"


def stamp():
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def leaves(test, names=()):
    """(name, result, reason, [what it says]) of what counts in pinreport's tree."""
    for problem in test.get("problems", []):
        yield ".".join(names) or "-", "fail", problem, []
    if test.get("bailout"):
        yield ".".join(names) or "-", "fail", test["bailout"], []
    if "tests" in test:
        for sub in test["tests"]:
            yield from leaves(sub, (*names, sub["name"]))
    elif "result" in test:
        yield (".".join(names) or "-", test["result"], test.get("reason", ""),
               test.get("diagnostics", []))
