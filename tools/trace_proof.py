#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The suite under pintrace beside programs that pin all the time, again and again.

Each run is `pinvm suite --beside`, in a guest. What is done is kept: the next call goes
on with it, for as long as what runs in the guest is the same code. Called by
`make trace_proof`; written to results/beside.md.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build"))
CACHE = Path(os.environ.get("CACHE", TOP / ".cache"))
RESULTS = Path(os.environ.get("RESULTS", TOP / "results"))
# What makes a difference in the guest.
CODE = ("selftests", "kmod-helper", "tools/pintrace", "tools/pinvm/suite.sh")
KINDS = {"pass": "passed", "fail": "failed", "xfail": "known issues", "skip": "skipped",
         "inconclusive": "inconclusive"}


def code():
    """The last commit that changed what runs in the guest."""
    def git(*words):
        return subprocess.run(["git", "-C", TOP, *words, "--", *CODE], capture_output=True,
                              text=True, check=False).stdout.strip()
    commit = git("log", "-1", "--format=%h") or "unknown"
    return commit + "-dirty" * bool(git("status", "--porcelain"))


def sums(verdict):
    """How many tests had each result."""
    return {kind: sum(program[kind] for program in verdict["programs"].values())
            for kind in KINDS}


def run(folder, options):
    """One run of the suite; its verdict, with the code of which it is, stays in the folder."""
    command = [BUILD / "bin/pinvm", "suite", "--kernel", options.kernel, "--helper", "--beside",
               "--json", "--results", folder]
    shutil.rmtree(folder, ignore_errors=True)
    before = code()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or "{\n" not in done.stdout:
        sys.exit(f"trace_proof: {folder.name} came to no verdict; the next call repeats it")
    verdict = json.loads(done.stdout[done.stdout.index("{\n"):])
    verdict["code"] = before
    (folder / "run.json").write_text(json.dumps(verdict) + "\n")
    return verdict


def kept(folder):
    """The verdict of a run that is done, if it is of this code."""
    try:
        verdict = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return None
    return verdict if verdict["code"] == code() else None


def page(verdicts, options):
    """Markdown."""
    yield "# The suite under pintrace, beside programs that pin all the time"
    yield ""
    yield (f"Written by `make trace_proof`: {len(verdicts)} of {options.runs} runs on "
           f"{verdicts[0]['release']}, code of {verdicts[0]['code']}, with pin_helper, while fio "
           "does direct I/O and another fio registers fixed buffers anew all the time (`pinvm "
           "suite --help`). By the kernel's counters alone nearly all of it is inconclusive.")
    yield ""
    yield f"| run | began (UTC) | {' | '.join(KINDS.values())} | seconds |"
    yield "|---" * (len(KINDS) + 3) + "|"
    for number, verdict in enumerate(verdicts, 1):
        yield (f"| {number} | {verdict['when']} | "
               f"{' | '.join(str(count) for count in sums(verdict).values())} | "
               f"{verdict['seconds']:.0f} |")
    yield ""
    reasons = {}
    for number, verdict in enumerate(verdicts, 1):
        for row in verdict["failures"]:
            yield f"Failed in run {number}: {row['program']} {row['test']}: {row['reason']}"
            yield ""
        for row in verdict["skips"]:
            if row["result"] == "inconclusive":
                name = f"{row['program']} {row['test']}"
                reasons.setdefault((row["expected"] or row["reason"], bool(row["expected"])),
                                   {}).setdefault(name, []).append(number)
    for (reason, expected), tests in sorted(reasons.items()):
        least, most = (f(len(runs) for runs in tests.values()) for f in (min, max))
        yield (f"Inconclusive{'' if expected else ', not foretold'}, each in {least} to {most} "
               f"runs: {reason}: {', '.join(sorted(tests))}")
        yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="(%(default)s)")
    parser.add_argument("--kernel", default="6.12-amd64", help="(%(default)s)")
    parser.add_argument("--work", type=Path, metavar="DIR", default=CACHE / "trace_proof",
                        help="where runs are kept (.cache/trace_proof)")
    parser.add_argument("--again", action="store_true", help="also what is done already")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
    # So that the guests end as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("trace_proof: terminated"))
    verdicts = []
    for number in range(1, options.runs + 1):
        folder = options.work.absolute() / f"run{number}"
        verdict = None if options.again else kept(folder)
        if not verdict:
            verdict = run(folder, options)
            print(f"run {number} of {options.runs}: "
                  + ", ".join(f"{count} {KINDS[kind]}" for kind, count in sums(verdict).items())
                  + f", {verdict['seconds']:.0f} s", flush=True)
        verdicts.append(verdict)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "beside.md").write_text(
            "\n".join(page(verdicts, options)).rstrip("\n") + "\n")
    return 0 if all(verdict["passed"] for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
