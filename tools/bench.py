#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What pinstress's books cost: it against pinpeak, fio and stress-ng, in turns.

Each round runs all of them one after the other, so that what else the machine
does hits all alike; what counts is CPU time, and medians of the rounds. O_DIRECT
reads go to a file on ext4 on a zram device of its own. Called by `make bench`;
written to results/speed.md. Root.
"""

import argparse
import atexit
import fcntl
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("BUILD", TOP / "build")) / "bin"
RESULTS = Path(os.environ.get("RESULTS", TOP / "results"))
PAGE = os.sysconf("SC_PAGESIZE")
SIZES = (1, 16, 256)
ENGINES = {"uring_buffers": "io_uring register", "dio_read": "O_DIRECT read, ext4 on zram",
           "process_vm_readv": "process_vm_readv"}
FILE_SIZE = 64 << 20
# Others pin as well: of no matter here, but it takes checkpoints long to find out.
OTHERS_PINNED = (0, 4)
ZRAM = Path("/sys/class/zram-control")


def fail(text):
    """End with a word on why, not with a traceback."""
    sys.exit(f"bench: {text}")


class Spread:
    """Values of several rounds."""

    def __init__(self, values):
        self.values = [value for value in values if value is not None]

    def __bool__(self):
        return bool(self.values)

    @property
    def median(self):
        """The middle one."""
        return statistics.median(self.values)

    def text(self, form="{:,.0f}"):
        """Median (min-max)."""
        if not self:
            return "-"
        return "{} ({}-{})".format(*(form.format(x) for x in (
            self.median, min(self.values), max(self.values))))


class Zram:
    """A file system on a zram device, gone when we are."""

    def __init__(self, size):
        if not ZRAM.exists() and shutil.which("modprobe"):
            subprocess.run(["modprobe", "zram"], check=False, stderr=subprocess.DEVNULL)
        try:
            self.number = int((ZRAM / "hot_add").read_text())
        except OSError as error:
            fail(f"no zram device: {error} (kernel option ZRAM; root)")
        self.path = None
        atexit.register(self.remove)
        Path(f"/sys/block/zram{self.number}/disksize").write_text(str(size))
        device = f"/dev/zram{self.number}"
        subprocess.run(["mkfs.ext4", "-q", device], check=True)
        self.path = tempfile.mkdtemp(prefix="pin-bench-")
        subprocess.run(["mount", "-o", "noatime", device, self.path], check=True)

    def remove(self):
        """Undo it all, last change first."""
        if self.path:
            subprocess.run(["umount", self.path], check=False)
            os.rmdir(self.path)
        for _ in range(50):
            try:
                (ZRAM / "hot_remove").write_text(str(self.number))
                return
            except OSError:
                time.sleep(0.1)


def counters():
    """Pages acquired by all so far, exact."""
    Path("/proc/sys/vm/stat_refresh").write_text("1")
    for line in Path("/proc/vmstat").read_text().splitlines():
        if line.startswith("nr_foll_pin_acquired "):
            return int(line.split()[1])
    return fail("this kernel does not count pins: Linux 5.7 and later do")


def run(command, env, fine=(0,)):
    """Its output, and the CPU seconds of it and all its children."""
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if child.returncode not in fine:
        fail(f"'{' '.join(map(str, command))}' ended with status {child.returncode}:\n{text}")
    return text, usage.ru_utime + usage.ru_stime


def records(text):
    """The JSON Lines in it."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class Bench:
    """One run of everything, several times."""

    def __init__(self, options):
        self.options = options
        self.zram = Zram(8 * FILE_SIZE)
        self.file = os.path.join(self.zram.path, "zeroes")
        with open(self.file, "wb") as data:
            for _ in range(FILE_SIZE >> 20):
                data.write(bytes(1 << 20))
        # We have the lock, in each round.
        self.env = dict(os.environ, TMPDIR=self.zram.path, PIN_LOCK="/dev/null")
        self.rows = {}
        self.checkpoints = []

    def note(self, name, **values):
        """One more round of @name."""
        row = self.rows.setdefault(name, {})
        for key, value in values.items():
            row.setdefault(key, []).append(value)

    def get(self, name, key):
        """All rounds of it."""
        return Spread(self.rows.get(name, {}).get(key, []))

    def ratio(self, one, other, key="cpu"):
        """Of @one to @other, round by round."""
        pairs = zip(self.rows.get(one, {}).get(key, []), self.rows.get(other, {}).get(key, []))
        return Spread([a / b for a, b in pairs])

    def peak(self, consumer, size, memory="anon", jobs=1, again=False):
        """The bare loop; the mean of both if it was run before, in this round."""
        text, _ = run([BIN / "pinpeak", "--consumers", consumer, "--pages", str(size),
                       "--memory", memory, "--jobs", str(jobs), "--rounds", "1", "--json",
                       "--seconds", f"{self.options.seconds}s"], self.env, OTHERS_PINNED)
        for record in records(text):
            if record["type"] == "loop":
                name = ("pinpeak", consumer, memory, size, jobs)
                found = {"cpu": record["cpu_ns_operation"]["median"],
                         "rate": record["operations_s"]["median"],
                         "pages": record["pins_counted"]}
                if again:
                    found = {key: (self.rows[name][key].pop() + value) / 2
                             for key, value in found.items()}
                self.note(name, **found)
                return
        fail(f"pinpeak cannot run {consumer}:\n{text}")

    def stress(self, consumer, size, memory="anon", jobs=1, repeat=10000000):
        """The same with a ledger, and a checkpoint a second."""
        text, _ = run([BIN / "pinstress", "--consumers", consumer, "--memory", memory,
                       "--pages", f"{size}-{size}", "--repeat", str(repeat), "--hold", "0",
                       "--jobs", str(jobs), "--checkpoint", "1s", "--json",
                       "--duration", f"{max(2.5, self.options.seconds)}s"],
                      self.env, OTHERS_PINNED)
        end, waited = None, 0
        for record in records(text):
            if record["type"] == "checkpoint" and record["verdict"] != "inconclusive":
                waited += record["barrier_ms"] + record["drain_ms"] + record["work_ms"]
                self.checkpoints.append((record["barrier_ms"], record["work_ms"]))
            elif record["type"] == "end":
                end = record
        if not end or not end["operations"]:
            fail(f"pinstress cannot run {consumer}:\n{text}")
        name = ("pinstress", consumer, memory, size, jobs)
        if repeat != 10000000:
            name = ("pinstress as it comes", consumer, memory, size, jobs)
        done = end["consumers"][consumer]
        self.note(name, cpu=(end["cpu_s"] + end["cpu_coordinator_s"]) * 1e9 / end["operations"],
                  rate=end["operations"] / end["elapsed_s"],
                  pages=done["pages"] / done["operations"],
                  coordinator=end["cpu_coordinator_s"] / (end["cpu_s"] + end["cpu_coordinator_s"]),
                  waits=waited / 1e3 / end["elapsed_s"])

    def fio(self):
        """Reads of 1 MiB with read(2); its own account of the CPU."""
        text, _ = run(["fio", "--name=x", f"--filename={self.file}", f"--size={FILE_SIZE}",
                       "--rw=read", "--direct=1", "--ioengine=psync", "--bs=1M", "--readonly",
                       "--time_based", f"--runtime={max(2, int(self.options.seconds))}",
                       "--output-format=json"], self.env)
        job = json.loads(text[text.index("{"):])["jobs"][0]
        seconds = job["job_runtime"] / 1e3
        busy = (job["usr_cpu"] + job["sys_cpu"]) / 100 * seconds
        reads = job["read"]["total_ios"]
        self.note("fio", cpu=busy * 1e9 / reads, rate=reads / seconds, pages=(1 << 20) / PAGE)

    def stress_ng(self):
        """Its pins are what the counters say."""
        seconds = max(2, int(self.options.seconds))
        before = counters()
        _, busy = run(["stress-ng", "--vm-rw", "1", "--timeout", str(seconds)], self.env)
        pins = counters() - before
        self.note("stress-ng", cpu=busy * 1e9 / pins, rate=pins / seconds, pages=1)

    def both(self, consumer, size, memory="anon", jobs=1):
        """pinpeak before and after, as what else runs comes and goes."""
        self.peak(consumer, size, memory, jobs)
        self.stress(consumer, size, memory, jobs)
        self.peak(consumer, size, memory, jobs, again=True)

    def round(self):
        """Everything once, what is compared side by side."""
        for consumer in ENGINES:
            for size in SIZES:
                self.both(consumer, size)
        self.both("uring_buffers", 512, "thp")
        self.stress("uring_buffers", 16, repeat=64)
        if shutil.which("fio"):
            self.fio()
        if shutil.which("stress-ng"):
            self.stress_ng()
        self.both("uring_buffers", 256, jobs=2)


def overhead(bench, consumer, size, memory="anon"):
    """CPU of a call with books to one without."""
    return bench.ratio(*((tool, consumer, memory, size, 1) for tool in ("pinstress", "pinpeak")))


def per_page(bench, name):
    """CPU ns of one pinned page."""
    row = bench.rows.get(name, {})
    return [cpu / pages for cpu, pages in zip(row.get("cpu", []), row.get("pages", []))]


def against(bench, name, size, memory="anon"):
    """How many times the CPU of a pin in pinstress's register engine."""
    ours = per_page(bench, ("pinstress", "uring_buffers", memory, size, 1))
    return Spread([a / b for a, b in zip(per_page(bench, name), ours)])


def goals(bench):
    """(what, wanted, measured, met)"""
    rows = []
    for consumer, size, most in (("uring_buffers", 256, 1.05), ("uring_buffers", 16, 1.05),
                                 ("uring_buffers", 1, 1.10), ("dio_read", 256, 1.10),
                                 ("dio_read", 16, 1.10), ("dio_read", 1, 1.10)):
        cost = overhead(bench, consumer, size)
        rows.append((f"{ENGINES[consumer]}, {size} page{'s' * (size > 1)}: pinstress / pinpeak",
                     f"<= {most:.2f}", cost.text("{:.3f}"), cost.median <= most))
    for tool, name, least in (("fio", "fio psync 1M", 3), ("stress-ng", "stress-ng --vm-rw", 6)):
        for size, memory, what in ((256, "anon", "256 small pages"), (512, "thp", "a huge page")):
            times = against(bench, tool, size, memory)
            if times:
                rows.append((f"{name} / pinstress register of {what}, CPU a pin",
                             f">= {least}", times.text("{:.2f}"), times.median >= least))
    one, two = (("pinstress", "uring_buffers", "anon", 256, jobs) for jobs in (1, 2))
    work = Spread([work for _, work in bench.checkpoints])
    rows.append(("one checkpoint, besides barrier and drain, ms", "< 5", work.text("{:.2f}"),
                 work.median < 5))
    ours = bench.ratio(two, one).median
    theirs = bench.ratio(("pinpeak",) + two[1:], ("pinpeak",) + one[1:]).median
    rows.append(("CPU a call of 2 workers / of 1: pinstress (pinpeak)", "alike",
                 f"{ours:.2f} ({theirs:.2f})", ours <= 1.1 * theirs))
    return rows


def table(bench):
    """All figures."""
    for name, row in bench.rows.items():
        pages = statistics.median(row["pages"])
        if isinstance(name, tuple):
            tool, consumer, memory, size, jobs = name
            what = f"{consumer} {memory} {size}" + (f", {jobs} jobs" if jobs > 1 else "")
        else:
            tool, what = name, {"fio": "psync 1M", "stress-ng": "--vm-rw 1"}[name]
        cpu, rate = Spread(row["cpu"]), Spread(row["rate"])
        yield (f"| {tool} | {what} | {cpu.text()} | {cpu.median / pages:,.1f} | {rate.text()} "
               f"| {rate.median * pages:,.0f} |")


def write(bench, load_before, path):
    """The page."""
    options = bench.options
    lacking = [tool for tool in ("fio", "stress-ng") if not shutil.which(tool)]
    loads = " ".join(f"{x:.1f}" for x in load_before), \
        " ".join(f"{x:.1f}" for x in os.getloadavg())
    wait = Spread([barrier for barrier, _ in bench.checkpoints])
    waits = Spread([100 * wait for row in bench.rows.values() for wait in row.get("waits", [])])
    lines = [
        "# Speed: what the books cost", "",
        f"Written by `make bench BENCH=\"--rounds {options.rounds} --seconds "
        f"{options.seconds:g}\"` on {time.strftime('%F %H:%M', time.gmtime())} UTC: Linux "
        f"{os.uname().release}, {os.cpu_count()} CPUs, load average {loads[0]} before and "
        f"{loads[1]} after.", "",
        f"Medians (min-max) of {options.rounds} rounds in which all run in turns, pinpeak before "
        "and after each of pinstress. Ratios are of "
        "CPU time, user and system, round by round; those of pinstress have its coordinator in "
        "it, and a checkpoint a second. Rates are of the wall clock and mean little on a machine "
        "that others use.", "",
        *([f"Left out, not installed: {', '.join(lacking)}.", ""] if lacking else []),
        "| ratio | wanted | measured | met |", "|---|---|---|---|",
        *(f"| {what} | {wanted} | {found} | {'yes' if met else 'NO'} |"
          for what, wanted, found, met in goals(bench)), "",
        f"Workers come to the barrier of a checkpoint within {wait.text('{:.1f}')} ms, and wait "
        f"at checkpoints for {waits.text('{:.1f}')} % of the time: of the wall clock, and so "
        "more the more others use the CPUs.", "",
        "| tool | what | CPU ns/pin operation | CPU ns/page | pin operations/s | pages/s |",
        "|---|---|---|---|---|---|", *table(bench), "",
        "A pin operation is one call that pins, with the one that unpins. \"As it comes\": a new "
        "buffer and a new ring after at most 64 calls, the default of pinstress; the rows above "
        "stay on one buffer. fio's CPU time is its own account of the job, that of stress-ng the "
        "whole program's; its pins are those that the counters have.", ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    print(path.read_text())


def main():
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=1, help="of each loop (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS / "speed.md", help="(%(default)s)")
    options = parser.parse_args()
    if options.rounds < 1 or not 0.1 <= options.seconds <= 3600:
        parser.error("--rounds is 1 or more, --seconds from 0.1 to 3600")
    if os.geteuid():
        fail("needs root: a zram device, and counters that are read exactly")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load = os.getloadavg()
    bench = Bench(options)
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", flush=True)
        # As all that audit the counters do; others have their turn between rounds.
        with open(os.environ.get("PIN_LOCK", "/run/lock/pin-accounting.lock"), "w",
                  encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            bench.round()
    write(bench, load, options.output)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
