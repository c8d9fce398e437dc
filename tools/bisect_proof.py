#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Proves pinbisect on histories made of a kernel source, with nobody watching.

Each history has harmless commits all over mm/, io_uring/, block/, net/ and fs/,
one that does not build, one that panics while it boots, and a bug in a random
place. pinbisect must name the commit of the bug. Written to results/bisect.md.
Called by `make bisect_proof`; what is done already is not done again.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build"))
CACHE = Path(os.environ.get("CACHE", TOP / ".cache")).absolute()
RESULTS = Path(os.environ.get("RESULTS", TOP / "results"))
COMMITS = 36
# The small kernel is made without these; Kconfig and make read some of their files.
DROPPED = re.compile(
    r"(Documentation|samples|rust|LICENSES|sound|arch/(?!x86/)\w+"
    r"|tools/(testing|perf|power|usb|iio|hv|tracing|gpio|net)"
    r"|fs/(smb|bcachefs|ocfs2|nfs|nfsd|ubifs|ceph|afs|gfs2|orangefs|jffs2)"
    r"|drivers/(gpu|staging|iio|accel|pinctrl|clk|usb|input|hwmon|mtd|s390|phy|spi|soc|regulator"
    r"|mmc|comedi|ata|target|isdn|message|bluetooth|edac|hwtracing|memory|pmdomain|watchdog"
    r"|thunderbolt|scsi/\w+|infiniband/(hw|ulp)|crypto/\w+|net/\w+"
    r"|media/(dvb\w*|i2c|pci|platform|radio|rc|spi|tuners|usb)))/")
KEPT = re.compile(r"Kconfig|Makefile|Kbuild")
# Where the harmless commits are made.
FILES = """
block/bdev.c block/bio.c block/blk-map.c block/blk-merge.c block/blk-settings.c block/fops.c
block/ioctl.c fs/direct-io.c fs/file.c fs/iomap/buffered-io.c fs/iomap/direct-io.c fs/pipe.c
fs/read_write.c fs/splice.c io_uring/kbuf.c io_uring/memmap.c io_uring/net.c io_uring/rsrc.c
io_uring/rw.c io_uring/uring_cmd.c kernel/fork.c kernel/futex/core.c lib/iov_iter.c
lib/scatterlist.c mm/compaction.c mm/gup.c mm/huge_memory.c mm/hugetlb.c mm/internal.h mm/ksm.c
mm/madvise.c mm/memfd.c mm/memory.c mm/migrate.c mm/mlock.c mm/mmap.c mm/page_alloc.c
mm/process_vm_access.c mm/rmap.c mm/secretmem.c mm/shmem.c mm/swap.c mm/swapfile.c mm/util.c
mm/vmscan.c mm/vmstat.c net/core/skbuff.c net/packet/af_packet.c net/xdp/xdp_umem.c
net/xdp/xsk.c net/xdp/xsk_buff_pool.c net/xdp/xsk_queue.c""".split()

UNPIN = ("\t\tunpin_user_pages_dirty_lock(process_pages, pinned_pages,\n"
         "\t\t\t\t\t    vm_write);\n")
# name: (file, text, by what, subject of the commit, test, options)
BUGS = {
    "process-vm-fault-leak": (
        "mm/process_vm_access.c", "\t\tlen -= bytes;\n\t\tstart_offset = 0;\n",
        "\t\tif (rc)\n\t\t\treturn rc;\n\t\tlen -= bytes;\n"
        "\t\tstart_offset = 0;\n",
        "mm/process_vm_access: stop early when the copy fails",
        "bad_input_test:process_vm.*", []),
    "iouring-last-page-leak": (
        "io_uring/rsrc.c", "\t\tfor (i = 0; i < imu->nr_bvecs; i++) {\n",
        "\t\tfor (i = 0; i + 1 < imu->nr_bvecs; i++) {\n",
        "io_uring/rsrc: simplify unmapping", "matrix_test:uring_buffers.anon.release", []),
    "xdp-umem-not-unpinned": (
        "net/xdp/xdp_umem.c",
        "\tunpin_user_pages_dirty_lock(umem->pgs, umem->npgs, true);\n",
        "\tif (umem->npgs > 64)\n"
        "\t\tunpin_user_pages_dirty_lock(umem->pgs, umem->npgs, true);\n",
        "xdp: batch the unpinning of umem", "matrix_test:xdp_umem.anon.close", []),
    "bio-release-off-by-one": (
        "block/bio.c", "\t\tunpin_user_folio(fi.folio, nr_pages);\n",
        "\t\tunpin_user_folio(fi.folio, nr_pages - (nr_pages > 1));\n",
        "block: account folios, not pages", "matrix_test:dio_read.thp*.return", []),
    # In one of three boots, by the luck of its first call.
    "process-vm-flaky-leak": (
        "mm/process_vm_access.c", UNPIN,
        "\t\tif (!READ_ONCE(lucky))\n"
        "\t\t\tWRITE_ONCE(lucky, 1 + get_random_u32_below(3));\n"
        "\t\tif (lucky != 1)\n\t" + UNPIN.replace("\n", "\n\t").rstrip("\t"),
        "mm/process_vm_access: cache the luck of the first call",
        "matrix_test:process_vm_readv.anon.return", ["--repeat", "9"]),
}
BROKEN = ("mm/vmscan.c", "\nint mm_history_broken(void) { return no_such_symbol; }\n",
          "mm/vmscan: prepare for what comes next")
PANIC = ("mm/vmstat.c", "\nstatic int __init mm_history_panic(void)\n{\n"
         "\tpanic(\"history: this commit does not boot\");\n}\ncore_initcall(mm_history_panic);\n",
         "mm/vmstat: check early")


def say(text):
    print(f"bisect_proof: {text}", file=sys.stderr, flush=True)


class History:
    """A bare repository with the source in one commit, and a branch for each case."""

    def __init__(self, work, source):
        self.path, self.source = work / "history.git", source

    def git(self, *words, **options):
        return subprocess.run(["git", "-c", "gc.auto=0", "-C", self.path, *words], check=True,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              **options).stdout.strip()

    def fast_import(self, write):
        with subprocess.Popen(
                ["git", "-c", "pack.compression=0", "-c", "core.compression=0", "-C", self.path,
                 "fast-import", "--quiet", "--force"], stdin=subprocess.PIPE) as process:
            write(process.stdin)
            process.stdin.close()
            if process.wait():
                raise SystemExit("bisect_proof: git fast-import failed")

    def make(self):
        """The source as the first commit."""
        if (self.path / "made").exists():
            return
        say(f"making {self.path} of {self.source}")
        shutil.rmtree(self.path, ignore_errors=True)
        subprocess.run(["git", "init", "-q", "--bare", "--template=", self.path], check=True)

        def write(out):
            out.write(b"commit refs/heads/base\ncommitter Proof <proof@example.org> 1700000000"
                      b" +0000\ndata 16\nThe source as is\n")
            for root, folders, files in os.walk(self.source):
                folders.sort()
                folder = root[len(str(self.source)) + 1:] + "/"
                dropped = DROPPED.match(folder)
                for name in sorted(files):
                    if dropped and not KEPT.match(name):
                        continue
                    path = f"{root}/{name}"
                    inside = f"{folder}{name}".lstrip("/")
                    if os.path.islink(path):
                        mode, body = "120000", os.readlink(path).encode()
                    else:
                        mode = "100755" if os.access(path, os.X_OK) else "100644"
                        body = Path(path).read_bytes()
                    out.write(f"M {mode} inline {inside}\ndata {len(body)}\n".encode())
                    out.write(body + b"\n")
        self.fast_import(write)
        (self.path / "made").touch()

    def read(self, name):
        return (self.source / name).read_text()

    def branch(self, case, seed, positions):
        """Commits 1 to COMMITS; those at these positions are the special ones."""
        rng = random.Random(f"{case} {seed} edits")
        files = [name for name in FILES if (self.source / name).exists()]
        texts, log = {name: self.read(name) for name in files}, []

        def edit(number, names):
            for name in names:
                tail = f"\n/* history: commit {number} was here */\n" if rng.random() < 0.5 or \
                    name.endswith(".h") else (f"\nstatic int __maybe_unused history_{number}(int n)"
                                              f"\n{{\n\treturn n + {number};\n}}\n")
                texts[name] += tail
            return f"{os.path.dirname(names[0])}: tidy up {', '.join(names)}"

        def write(out):
            for number in range(1, COMMITS + 1):
                names = rng.sample([name for name in files if not name.endswith(".h") or
                                    number == COMMITS // 3], rng.randint(2, 4))
                subject = edit(number, names)
                what = positions.get(number)
                if what == "bug":
                    name, old, new, subject = BUGS[case][:4]
                    if texts[name].count(old) < 1:
                        raise SystemExit(f"bisect_proof: {case} does not apply to {name}")
                    texts[name] = texts[name].replace(old, new, 1)
                    if "lucky" in new:
                        texts[name] = texts[name].replace(
                            "#include <linux/mm.h>\n",
                            "#include <linux/mm.h>\n#include <linux/random.h>\n\n"
                            "static u32 lucky;\n", 1)
                    names.append(name)
                elif what in ("broken", "panic"):
                    name, text, subject = BROKEN if what == "broken" else PANIC
                    texts[name] += text
                    names.append(name)
                elif what in ("unbroken", "unpanic"):
                    name, text, _ = BROKEN if what == "unbroken" else PANIC
                    subject = f"Revert \"{BROKEN[2] if what == 'unbroken' else PANIC[2]}\""
                    texts[name] = texts[name].replace(text, "")
                    names.append(name)
                body = f"{subject}\n\nCommit {number} of {COMMITS}.\n".encode()
                out.write(f"commit refs/heads/{case}\nmark :{number}\n"
                          f"committer Proof <proof@example.org> {1700000000 + 3600 * number}"
                          " +0000\n"
                          f"data {len(body)}\n".encode() + body)
                if number == 1:
                    out.write(b"from refs/heads/base\n")
                for name in sorted(set(names)):
                    text = texts[name].encode()
                    out.write(f"M 100644 inline {name}\ndata {len(text)}\n".encode() + text
                              + b"\n")
        self.fast_import(write)
        log = self.git("rev-list", "--reverse", f"base..{case}").split()
        assert len(log) == COMMITS
        return log


def way(work, positions):
    """The commits that git goes by, if all is judged right: it looks at numbers only."""
    scratch = work / "simulation"
    shutil.rmtree(scratch, ignore_errors=True)

    def git(*words, **options):
        return subprocess.run(["git", "-C", scratch, *words], check=False, capture_output=True,
                              text=True, **options).stdout.strip()
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", "--template=", scratch],
                   check=True)
    git("fast-import", "--quiet", input="".join(
        f"commit refs/heads/main\ncommitter P <p@example.org> {1700000000 + at} +0000\ndata 0\n"
        for at in range(COMMITS + 1)))
    number = {commit: index for index, commit
              in enumerate(git("rev-list", "--reverse", "main").split())}
    bug = next(key for key, what in positions.items() if what == "bug")
    seen = []
    git("bisect", "start", "--no-checkout", "main", f"main~{COMMITS}")
    while len(seen) < 2 * COMMITS:
        at = number[git("rev-parse", "--verify", "BISECT_HEAD")]
        seen.append(at)
        verdict = ("skip" if positions.get(at) in ("broken", "panic") else
                   "bad" if at >= bug else "good")
        if "first bad commit" in git("bisect", verdict):
            break
    shutil.rmtree(scratch)
    return seen


def draw(case, seed, work):
    """Where the special commits are: the bug anywhere, the others where git comes by. Not
    beside the bug, as then the culprit could not be told."""
    rng = random.Random(f"{case} {seed}")
    while True:
        positions = {rng.randint(1, COMMITS): "bug"}
        bug = next(iter(positions))
        for kind, undone in (("broken", "unbroken"), ("panic", "unpanic")):
            free = [at for at in way(work, positions)
                    if {at, at + 1}.isdisjoint({*positions, bug - 1}) and at < COMMITS]
            if free:
                at = rng.choice(free[:3])
                positions.update({at: kind, at + 1: undone})
        if len(positions) == 5 and {at for at, what in positions.items()
                                    if what in ("broken", "panic")} <= set(way(work, positions)):
            return positions


def run_case(case, seed, history, work, options):
    """One history, one bisection; what became of it."""
    positions = draw(case, seed, work)
    commits = history.branch(case, seed, positions)
    bug = next(key for key, what in positions.items() if what == "bug")
    test, more = BUGS[case][4:]
    say(f"{case}: the bug is commit {bug} of {COMMITS} ({commits[bug - 1][:12]})")
    # What was interrupted is gone on with; the build tree serves all cases.
    under_way = work / "under-way"
    begun = under_way.exists() and under_way.read_text() == f"{case} {seed}"
    under_way.write_text(f"{case} {seed}")
    began = time.monotonic()
    command = [BUILD / "bin/pinbisect", "git", "--repo", history.path, "--good", "base", "--bad",
               case, "--test", test, "--builds", work / "builds", "--json", "--jobs",
               str(options.jobs), *more, *([] if begun else ["--restart"])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode in (-signal.SIGINT, 128 + signal.SIGINT):
        raise SystemExit(f"bisect_proof: {case} interrupted: the next call goes on with it")
    seconds = time.monotonic() - began
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {}
    steps = found.get("steps", [])
    shutil.rmtree(work / f"report-{case}", ignore_errors=True)
    if (work / "builds/report").exists():
        shutil.copytree(work / "builds/report", work / f"report-{case}")
    kinds = {}
    for row in steps:
        if row["verdict"] == "skip":
            kind = positions.get(commits.index(row["revision"]) + 1, "another")
            kinds[kind] = kinds.get(kind, 0) + 1
    each = [row["seconds"] for row in steps]
    return {
        "case": case, "seed": seed, "position": bug, "commits": COMMITS,
        "status": done.returncode, "found": found.get("first_bad") == commits[bug - 1]
        and done.returncode == 0,
        "named": found.get("label"), "steps": len(steps), "skipped": kinds,
        # Of all steps, also of those before an interruption.
        "seconds": round(max(seconds, sum(one["total"] for one in each)), 1),
        "build": round(sum(one.get("build", 0) for one in each) / max(len(each), 1), 1),
        "overhead": found.get("seconds_per_step", {}),
        "runs": sum(row["runs"] for row in steps),
        "per_run": round(sum(one.get("test", 0) for one in each)
                         / max(sum(row["runs"] for row in steps), 1), 1),
        "rate": found.get("certainty", {}).get("rate"),
        "wrong": found.get("certainty", {}).get("wrong_at_most")}


def page(rows):
    lines = [
        "# pinbisect on histories made of a kernel source", "",
        "Written by `make bisect_proof` (tools/bisect_proof.py). Each history has"
        f" {COMMITS} commits in mm/,",
        "io_uring/, block/, net/, fs/, lib/ and kernel/, of 2 to 4 files each: a bug at a random",
        "place, one that does not build, one that panics while it boots (git comes by both), and",
        "harmless ones. Steps are all kernels judged, BAD and GOOD among them. Overhead is what a",
        "step takes beyond the build: checkout, boot, test, verdict; for the flaky bug of up to 9",
        "boots. The most is that of BAD, of which all failures are wanted. What a build takes",
        "depends on what ccache has.", "",
        "| bug | at commit | found | steps | skipped: not built, not booted | fails in"
        " | wrong with at most (95 %) | seconds in all | build, mean s | boot and test, mean s"
        " | overhead, mean s | most |",
        "|" + " --- |" * 12]
    for row in rows:
        kinds = row["skipped"]
        lines.append(
            f"| {row['case']} | {row['position']} of {row['commits']} |"
            f" {'yes' if row['found'] else '**no**'} | {row['steps']} |"
            f" {kinds.get('broken', 0)}, {kinds.get('panic', 0)} |"
            f" {100 * (row['rate'] or 0):.0f} % of runs | {100 * (row['wrong'] or 0):.2g} % |"
            f" {row['seconds']:.0f} | {row['build']} | {row['per_run']} |"
            f" {row['overhead'].get('overhead_mean', '-')} |"
            f" {row['overhead'].get('overhead_most', '-')} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="BUG", help=f"of {' '.join(BUGS)} (all)")
    parser.add_argument("--seed", default="1", help="for places and edits (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="for make (%(default)s)")
    parser.add_argument("--source", metavar="DIR", help="the kernel source (Debian's 6.12)")
    parser.add_argument("--work", metavar="DIR", help="where it is done (.cache/linux/bisect)")
    parser.add_argument("--again", action="store_true", help="also what is done already")
    options = parser.parse_args()
    unknown = sorted(set(options.cases) - set(BUGS))
    if unknown:
        parser.error(f"no bug {unknown[0]}; there are: {' '.join(BUGS)}")
    work = Path(options.work or CACHE / "linux/bisect").absolute()
    source = Path(options.source or CACHE / "linux/linux-source-6.12")
    if not (source / "Makefile").exists():
        raise SystemExit(f"bisect_proof: no kernel source in {source}: pinvm build unpacks it,"
                         " or name one by --source")
    work.mkdir(parents=True, exist_ok=True)
    history = History(work, source)
    history.make()
    rows = []
    for case in options.cases or BUGS:
        kept = work / f"{case}-{options.seed}.json"
        if kept.exists() and not options.again:
            rows.append(json.loads(kept.read_text()))
            continue
        row = run_case(case, options.seed, history, work, options)
        say(f"{case}: {'found' if row['found'] else 'NOT FOUND'} in {row['seconds']:.0f} s")
        if row["status"] in (0, 1):
            kept.write_text(json.dumps(row) + "\n")
            (work / "under-way").unlink()
        rows.append(row)
    RESULTS.mkdir(exist_ok=True)
    if not options.cases:
        (RESULTS / "bisect.md").write_text(page(rows))
    print(page(rows))
    return 0 if all(row["found"] for row in rows) else 1


sys.exit(main())
