# SPDX-License-Identifier: GPL-2.0
"""pinvm soak: pinstress in a guest that has what every consumer needs."""

import argparse
import re
import shlex
import sys
import tempfile
from pathlib import Path

import consumers
import kernels
import suite
import vm
from common import host_arch, results_dir, say, stamp

# For the files of memory kinds, and for swap.
MODULES = "ext4 crc32c_generic crc32c_intel zram lz4 lzo lzo_rle"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# To boot, to narrow a failure down, to end.
MORE_SECONDS = 1200
SCRIPT = """\
mkdir -p /mnt && mount -t ext4 -o noatime "$PIN_SUITE_DISK" /mnt && mkdir /mnt/tmp || exit
cd /mnt/tmp && TMPDIR=/mnt/tmp exec pinstress --results /out/run "$@"
"""


def seconds(text):
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"not a time: {text} (as 90s, 30m, 12h or 7d)")
    return int(match[1]) * UNITS[match[2] or "s"]


def soak(options):
    kernel = kernels.find(options.kernel)
    folder = Path(options.results or results_dir() / f"{stamp()}-soak-{suite.flat(options.kernel)}")
    machine_options = vm.default_options(
        "--disk", "1G:virtio:ext4", "--env", "PIN_SUITE_DISK=@disk0",
        "--memory", options.memory, "--with-modules", MODULES.replace(" ", ","),
        "--timeout", str(options.duration + MORE_SECONDS),
        "--out", str(folder), "--log", str(folder / "console.log"))
    if kernel.arch == host_arch() == "amd64":
        machine_options.hotplug = "512M"
    machine_options.consumers = ["*"]
    machine_options.command = [
        "sh", "-c", SCRIPT, "soak", "--duration", f"{options.duration}s",
        *(shlex.split(options.pinstress) or ["--chaos", "all"])]
    consumers.provide(machine_options, lambda: suite.find_helper(kernel, "build"))
    machine_options.stdout = vm.write_to(sys.stdout)
    machine_options.stderr = vm.write_to(sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pinvm.") as scratch:
        status = vm.Machine(kernel, machine_options, scratch).run()
    say(f"recorded in {folder}; as a page: pinreport {folder}/run --html FILE")
    return status


def add_command(command):
    one = command("soak", soak, "run pinstress in one kernel, with all modules, disks and devices"
                  " that consumers need")
    one.add_argument("--kernel", required=True, metavar="VERSION|FILE|BUILDTREE")
    one.add_argument("--duration", type=seconds, default="30m", metavar="TIME",
                     help="how long: 90s, 30m, 12h, 7d (%(default)s)")
    one.add_argument("--pinstress", default="", metavar="OPTIONS",
                     help="for pinstress, instead of '--chaos all', as"
                     " '--chaos none --consumers rdma_*'")
    one.add_argument("--memory", default="2G", metavar="SIZE", help="of the guest (%(default)s)")
    one.add_argument("--results", metavar="DIR", help="where the record goes (results/)")
