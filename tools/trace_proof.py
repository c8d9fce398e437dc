#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The suite under pintrace beside programs that pin all the time, again and again.

Each run is `pinvm suite --beside`, in a guest. What is done is kept, and the next call goes
on with it; runs of other code than what runs in the guest now stay on the page and do not
count, nor do those whose guest stopped before all tests had run: each is made once more.
Called by `make trace_proof`; written to results/beside.md, and to beside.json, from
which it goes on.
"""

import argparse
import hashlib
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
TIMEOUT = 5400  # seconds; one took 1800 on a machine that others used, too
KINDS = {"pass": "passed", "fail": "failed", "xfail": "known issues", "skip": "skipped",
         "inconclusive": "inconclusive"}


def code():
    """A name for what runs in the guest: of its trees, whatever the commits are."""
    def git(*words):
        return subprocess.run(["git", "-C", TOP, *words, "--", *CODE], capture_output=True,
                              text=True, check=False).stdout
    trees = git("ls-tree", "HEAD").encode()
    return hashlib.sha1(trees).hexdigest()[:12] + "-dirty" * bool(git("status", "--porcelain"))


def run(number, options):
    """One run of the suite: what is kept of its verdict, with the code of which it is."""
    folder = options.work.absolute() / f"run{number}"
    command = [BUILD / "bin/pinvm", "suite", "--kernel", options.kernel, "--helper", "--beside",
               "--timeout", str(TIMEOUT), "--json", "--results", folder]
    shutil.rmtree(folder, ignore_errors=True)
    before = code()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or "{\n" not in done.stdout:
        sys.exit(f"trace_proof: {folder.name} came to no verdict; the next call repeats it")
    verdict = json.loads(done.stdout[done.stdout.index("{\n"):])
    if verdict["trouble"]:
        verdict["trouble"] += last_words(folder)
    return summary(verdict, before)


def last_words(folder):
    """What a kernel said that stopped, for the page."""
    for console in sorted(folder.glob("**/console.log")):
        for line in console.read_text(errors="replace").splitlines():
            if "Oops: " in line or "Kernel panic" in line:
                return f": {line.split('] ', 1)[-1]}"
    return ""


def stopped(verdict):
    """The guest did, and no test failed until then."""
    return verdict["trouble"] and all(row["program"] == "-" for row in verdict["failures"])


def summary(verdict, of_code):
    """What the page needs."""
    kept = {key: verdict[key] for key in ("release", "passed", "when", "seconds", "trouble",
                                          "failures")}
    kept["code"] = of_code
    kept["sums"] = {kind: sum(program[kind] for program in verdict["programs"].values())
                    for kind in KINDS}
    kept["without_verdict"] = {}
    for row in verdict["skips"]:
        if row["result"] == "inconclusive" or not row["expected"]:
            reason = row["expected"] or f"not foretold: {row['reason']}"
            kept["without_verdict"].setdefault(reason, []).append(
                f"{row['program']} {row['test']}")
    return kept


def runs_before(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return []


def of_code(verdicts, name):
    """How many are of that code, and came to their end."""
    return sum(verdict["code"] == name and not stopped(verdict) for verdict in verdicts)


def page(verdicts, options):
    """Markdown."""
    yield "# The suite under pintrace, beside programs that pin all the time"
    yield ""
    exact = sum(verdict["passed"] for verdict in verdicts)
    last = verdicts[-1]["code"]
    yield (f"Written by `make trace_proof`: {len(verdicts)} runs, {exact} of them exact: nothing "
           "failed, and each test has a verdict but for those foretold to have none. "
           f"{of_code(verdicts, last)} of {options.runs} that came to their end are of the code "
           f"of the last, {last}. "
           "With pin_helper, while fio does direct I/O and another fio "
           "registers fixed buffers anew all the time (`pinvm suite --help`).")
    ended_early = sum(bool(stopped(verdict)) for verdict in verdicts)
    if ended_early:
        yield (f"In {ended_early} of them a guest stopped before all tests had run, see below; "
               "such a run is made once more.")
    yield ""
    yield f"| run | code | kernel | began (UTC) | {' | '.join(KINDS.values())} | seconds |"
    yield "|---" * (len(KINDS) + 5) + "|"
    for number, verdict in enumerate(verdicts, 1):
        yield (f"| {number} | {verdict['code']} | {verdict['release']} | {verdict['when']} | "
               f"{' | '.join(str(count) for count in verdict['sums'].values())} | "
               f"{verdict['seconds']:.0f} |")
    yield ""
    reasons = {}
    for number, verdict in enumerate(verdicts, 1):
        for row in verdict["failures"]:
            reason = f": {row['reason']}" if row["reason"] else ""
            yield f"Failed in run {number}: {row['program']} {row['test']}{reason}"
            yield ""
        if verdict["trouble"]:
            yield f"Run {number}: {verdict['trouble']}"
            yield ""
        for reason, tests in verdict["without_verdict"].items():
            for test in tests:
                counts = reasons.setdefault(reason, {})
                counts[test] = counts.get(test, 0) + 1
    for reason, tests in sorted(reasons.items()):
        least, most = min(tests.values()), max(tests.values())
        often = f"{least} to {most} runs" if least < most else f"{most} runs"
        yield f"Without a verdict, each in {often}: {reason}: {', '.join(sorted(tests))}"
        yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="(%(default)s)")
    parser.add_argument("--kernel", default="6.12-amd64", help="(%(default)s)")
    parser.add_argument("--work", type=Path, metavar="DIR", default=CACHE / "trace_proof",
                        help="where the runs' output goes (.cache/trace_proof)")
    parser.add_argument("--again", action="store_true", help="also what is done already")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
    # So that the guests end as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("trace_proof: interrupted; the next call"
                                                  " repeats this run"))
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / "beside.json"
    verdicts = [] if options.again else runs_before(kept)
    while of_code(verdicts, code()) < options.runs:
        verdict = run(len(verdicts) + 1, options)
        verdicts.append(verdict)
        print(f"run {len(verdicts)}, {of_code(verdicts, code())} of {options.runs}: "
              + ", ".join(f"{count} {KINDS[kind]}" for kind, count in verdict["sums"].items())
              + f", {verdict['seconds']:.0f} s", flush=True)
        kept.write_text(json.dumps(verdicts, indent=1) + "\n")
        (RESULTS / "beside.md").write_text(
            "\n".join(page(verdicts, options)).rstrip("\n") + "\n")
        if len(verdicts) > 1 and all(stopped(last) for last in verdicts[-2:]):
            sys.exit("trace_proof: the guest stopped in two runs on end; see results/beside.md")
    now = code()
    return 0 if all(verdict["passed"] for verdict in verdicts if verdict["code"] == now) else 1


if __name__ == "__main__":
    sys.exit(main())
