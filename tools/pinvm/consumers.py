# SPDX-License-Identifier: GPL-2.0
"""--for: what the consumers of pins need of a guest, by what pinstress says of each."""

import fnmatch
import json
import re
import subprocess
from pathlib import Path

from common import Error, build_dir

# By the words of pinstress --list: a disk and the variable that names it, or
# QEMU's arguments for devices behind an IOMMU.
DISKS = {
    "an NVMe disk": ("64M:nvme", "PIN_SCRATCH_NVME"),
    "an NVMe namespace whose blocks have metadata": ("64M:nvme-meta", "PIN_SCRATCH_NVME_META"),
}
DEVICES = {"devices that nobody uses behind an IOMMU": ["-device edu"] * 8}
HELPERS = ("pin_helper.ko", "pin_helper_vfio.ko")


def add_option(parser, text):
    parser.add_argument("--for", dest="consumers", action="append", default=[],
                        metavar="CONSUMER,...", help=f"{text}; names as in pinstress --list, or"
                        " patterns as 'rdma_*'")


def registry():
    """{name: what it needs}"""
    pinstress = build_dir() / "bin/pinstress"
    try:
        output = subprocess.run([pinstress, "--list", "--json"], capture_output=True, text=True,
                                check=True).stdout
    except (OSError, subprocess.CalledProcessError) as err:
        raise Error(f"--for: the consumers cannot be listed: {err}") from err
    rows = map(json.loads, output.splitlines())
    return {row["name"]: row["needs"] or "" for row in rows if row["type"] == "consumer"}


def select(patterns, known):
    """The names that these patterns, each of them maybe several with commas, stand for."""
    names = []
    for pattern in ",".join(patterns).split(","):
        found = fnmatch.filter(known, pattern)
        if not found:
            raise Error(f"no consumer \"{pattern}\"; there are: {' '.join(known)}", usage=True)
        names += found
    return list(dict.fromkeys(names))


def provide(options, helper):
    """Adds to the options of run what options.consumers need; helper() gives pin_helper.ko."""
    known = registry()
    names = select(options.consumers, known)
    for needs in dict.fromkeys(known[name] for name in names):
        device, _, modules = re.fullmatch(r"(.*?),? ?(modules? (.*?)( with .*)?)?",
                                          needs).group(1, 2, 3)
        options.with_modules += (modules or "").split(", ")
        if device in DISKS:
            disk, variable = DISKS[device]
            options.env.append(f"{variable}=@disk{len(options.disk)}")
            options.disk.append(disk)
        elif device in DEVICES:
            options.iommu = True
            options.device += DEVICES[device]
        elif device in HELPERS:
            found = Path(helper()).with_name(device)
            # Without VFIO there is only the first.
            if found.exists() and f"/{device}" not in options.insmod:
                options.copy.append(f"{found}:/{device}")
                options.insmod.append(f"/{device}")
                options.modules += ["vfio"] * ("vfio" in device)
        elif device:
            raise Error(f"pinvm does not know how to provide \"{device}\"")
    binaries = [build_dir() / "bin/pinstress",
                build_dir() / "selftests/pin_accounting/matrix_test"]
    options.copy += [f"{path}:/bin/{path.name}" for path in binaries]
    if not options.command:
        options.command = ["matrix_test", *(f"{name}.*" for name in names)]
