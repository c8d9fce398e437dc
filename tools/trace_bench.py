#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What pintrace costs: pinpeak by itself and under pintrace, in turns, in a guest.

What counts is the CPU time that the guest's kernel counts for pinpeak, and of that
the medians of the rounds. Called by `make trace_bench`; written to results/trace.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("BUILD", TOP / "build")) / "bin"
RESULTS = Path(os.environ.get("RESULTS", TOP / "results"))
CONSUMERS = "uring_buffers,dio_read,process_vm_readv,xdp_umem"
WANTED = {1: 2.0, 256: 1.1, 1024: 1.1}  # times as much CPU
EXT4 = "ext4,crc32c,crc32c_generic,crc32c_intel,libcrc32c"
GUEST = """\
echo 3 >/proc/sys/kernel/printk
mkdir -p /mnt /dev/shm
mount -t ext4 /dev/vda /mnt && cd /mnt || exit 1
export TMPDIR=/mnt
uname -r >/out/release
peak="pinpeak --json --rounds 1 --seconds {seconds} --pages {pages} --consumers {consumers}"
for i in $(seq {rounds}); do
    $peak >/out/alone.$i || exit
    pintrace --json -o /out/books.$i -- $peak >/out/traced.$i || exit
    echo "round $i of {rounds}"
done
"""


def fail(text):
    """End with a word on why, not with a traceback."""
    sys.exit(f"trace_bench: {text}")


def measure(options, out):
    """Runs it all; leaves what it printed in the folder."""
    script = out / "guest.sh"
    script.write_text(GUEST.format(pages=options.pages, consumers=options.consumers,
                                   seconds=options.seconds, rounds=options.rounds))
    command = [BIN / "pinvm", "run", "--kernel", options.kernel, "--timeout", "3600",
               "--out", out, "--disk", "512M:virtio:ext4", "--with-modules", EXT4,
               "--copy", f"{script}:/guest.sh"]
    for name in ("pinpeak", "pintrace"):
        command += ["--copy", f"{BIN / name}:/bin/{name}"]
    if subprocess.run([*command, "--", "sh", "/guest.sh"], check=False).returncode:
        fail("the guest did not come to an end")


def loops(out, name):
    """(consumer, pages counted): CPU ns of an operation, one for each round."""
    found = {}
    for path in out.glob(f"{name}.*"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["type"] == "loop":
                found.setdefault((record["consumer"], record["pages"]), []).append(
                    record["cpu_ns_operation"]["median"])
    return found


def books(out):
    """What pintrace says of each round."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("books.*"))]


def table(alone, traced):
    yield ("| consumer | pages | CPU ns an operation, alone | under pintrace | times as much "
           "| wanted | ns more for a page |")
    yield "|---|---|---|---|---|---|---|"
    for key, values in sorted(alone.items()):
        if key not in traced:
            fail(f"{key[0]} of {key[1]} pages did not run under pintrace")
        plain, slow = statistics.median(values), statistics.median(traced[key])
        wanted = f"{WANTED[key[1]]}" if key[1] in WANTED else "-"
        yield (f"| {key[0]} | {key[1]} | {plain:,.0f} ({min(values):,.0f}-{max(values):,.0f}) "
               f"| {slow:,.0f} ({min(traced[key]):,.0f}-{max(traced[key]):,.0f}) "
               f"| {slow / plain:.1f} | {wanted} | {(slow - plain) / key[1]:,.0f} |")


def report(options, out):
    alone, traced, seen = loops(out, "alone"), loops(out, "traced"), books(out)
    if not alone or len(seen) != options.rounds:
        fail("nothing was measured")
    lost = sum(one["lost"] + one["unattributed"]["acquired"] for one in seen)
    yield "# What pintrace costs"
    yield ""
    yield (f"Written by `make trace_bench` on {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} "
           f"UTC: a guest of {(out / 'release').read_text().strip()} under TCG, 2 CPUs, with "
           f"pinpeak by itself and under `pintrace --`, {options.rounds} rounds in turns, medians "
           "(min-max). CPU time is that of pinpeak's process, as the guest counts it: not "
           "in it are interrupts and kernel threads. TCG emulates each instruction, so that the "
           "ratio on a processor may be another one.")
    yield ""
    yield from table(alone, traced)
    yield ""
    yield (f"Traced in all rounds: {sum(one['traced']['acquired'] for one in seen):,} pages, "
           f"of which {lost} were lost or not seen.")


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kernel", default="6.12-amd64", help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5,
                        help="for each loop in a round (%(default)s)")
    parser.add_argument("--pages", default="1,16,256,1024", help="(%(default)s)")
    parser.add_argument("--consumers", default=CONSUMERS, help="(%(default)s)")
    return parser.parse_args(arguments)


def main():
    options = options_of(None)
    with tempfile.TemporaryDirectory(prefix="trace_bench.") as folder:
        measure(options, Path(folder))
        text = "\n".join(report(options, Path(folder))) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "trace.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
