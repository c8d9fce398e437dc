# SPDX-License-Identifier: GPL-2.0
"""The report: for people, ready to be sent, and for programs."""

import json
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import judge
from command import read, tail, write_atomic
from common import build_dir, checkout, say
from session import BAD, SKIP

RULE = "-" * 72
SHOWN = 8               # failures that the text spells out
LOG_LINES = 25


def percent(number):
    if number is None:
        return "unknown"
    if 0 < number < 0.0001:
        return "less than 0.01 %"
    return f"{100 * number:.2g} %" if number < 0.995 else "100 %"


def comparison(failures):
    """Predicted and measured of each step that differs, as a table."""
    lines = []
    for name, what in list(failures.items())[:SHOWN]:
        what = what or {}
        reason = what.get("reason") or ""
        lines.append(name + (f"  ({reason})" if reason else ""))
        wrong = [step for step in what.get("steps", ()) if step["predicted"] != step["measured"]]
        if wrong:
            lines.append(f"    {'step':12}{'':11}{'acquired':>10}{'released':>10}{'result':>10}")
        for step in wrong:
            for key in ("predicted", "measured"):
                row = step[key]
                lines.append(f"    {step['step'] if key == 'predicted' else '':12}{key:11}"
                             f"{row['acquired']:>10}{row['released']:>10}{row['result']:>10}")
        note = [line for line in (what.get("note") or "").splitlines() if line.strip()]
        lines += ["    | " + line for line in note[-6:]]
    if len(failures) > SHOWN:
        lines.append(f"... and {len(failures) - SHOWN} more tests")
    return lines


class Report:
    """Of one bisection that came to an end."""

    def __init__(self, session, found):
        self.session, self.source, self.test = session, session.source, session.test
        self.found = found              # what it may be, oldest first
        self.single = len(found) == 1
        self.folder = session.folder / "report"
        self.confirm = session.state.get("confirm", {})
        self.culprit = found[0] if self.single else None
        self.parents = self.source.parents(self.culprit) if self.single else []
        self.sure = session.certainty(self.culprit, self.parents)
        self.trouble = self.doubts()
        self.outcome = ("range" if not self.single else
                        "unconfirmed" if self.trouble else "found")

    def doubts(self):
        """What the runs of the culprit and of its parent contradict."""
        texts = []
        row = self.confirm.get(self.culprit)
        if row and not row["failed"]:
            texts.append(f"{row['label']} does not fail any more ({row['runs']} runs"
                         + (f"; {row['why']}" if row["why"] else "") + ")")
        for parent in self.parents:
            row = self.confirm.get(parent)
            if row and row["failed"]:
                texts.append(f"its parent {row['label']} fails, too ({row['failed']} of"
                             f" {row['runs']} runs)")
            elif row and not row["passed"]:
                texts.append(f"its parent {row['label']} cannot be judged"
                             f" ({row['why'] or 'nothing passed'})")
        return texts

    def evidence(self):
        """(failures, folder of the run that shows them)"""
        row = self.confirm.get(self.culprit)
        if row and row["failures"]:
            return row["failures"], Path(row["run_folder"])
        row = self.session.rows[self.found[-1]] if self.found[-1] in self.session.rows else None
        if row is None or row["verdict"] != BAD:
            row = next(row for row in self.session.rows.values() if row["verdict"] == BAD)
        return row["failures"], self.run_folder(Path(row["folder"]))

    @staticmethod
    def run_folder(folder):
        runs = sorted(folder.glob("run*"), key=lambda path: int(path.name[3:]))
        return runs[-1] if runs else folder

    def console(self, folder):
        for place in (folder, *folder.parents):
            if (place / "console.log").exists():
                return place / "console.log"
            if place == self.session.folder:
                break
        return None

    def rows(self):
        return sorted(self.session.rows.values(), key=lambda row: row["number"])

    def skipped(self):
        return [row for row in self.rows() if row["verdict"] == SKIP]

    def json(self):
        failures, folder = self.evidence()
        rows = self.rows()
        steps = [row for row in rows if row["what"] == "step"]
        judged = [self.session.overhead(row) for row in rows if row["runs"]]
        return {
            "outcome": self.outcome, "mode": self.source.mode, "test": str(self.test),
            "first_bad": self.culprit, "label": self.source.label(self.culprit)
            if self.single else None,
            "candidates": self.found, "parents": self.parents, "doubts": self.trouble,
            "good": self.source.good, "bad": self.source.bad,
            "signature": self.session.state["signature"],
            "set_aside": self.session.state.get("set_aside", []),
            "failures": failures, "run": str(folder), "certainty": self.sure,
            "confirm": {key: {name: value for name, value in row.items() if name != "failures"}
                        for key, row in self.confirm.items()},
            "steps": [{key: row[key] for key in
                       ("number", "what", "revision", "label", "verdict", "reason", "runs",
                        "failed_runs", "seconds", "folder")} for row in rows],
            "count": {"steps": len(steps), "skipped": len(self.skipped())},
            "seconds_per_step": {"overhead_mean": round(sum(judged) / len(judged), 2),
                                 "overhead_most": round(max(judged), 2)} if judged else {},
            "report": str(self.folder / "report.txt"),
        }

    # As text

    def subject(self):
        failures, _ = self.evidence()
        first = next(iter(failures), "")
        what = {judge.CRASH: "kernel crash", judge.HANG: "hang"}.get(
            first, f"{first} fails" if self.test.kind == "suite" else f"\"{self.test}\" fails")
        if self.source.mode != "git":
            where = self.source.label(self.found[0]) if self.single else \
                f"one of {len(self.found)} kernels"
            return f"[REGRESSION] {what} since {where}"
        if not self.single:
            return f"[REGRESSION] {what} since one of {len(self.found)} commits"
        subject = self.source.describe(self.culprit, "%s")
        area = subject.rpartition(": ")[0]
        return f"[REGRESSION] [BISECTED] {area + ': ' if area else ''}{what}"

    def header(self):
        lines = [f"Subject: {self.subject()}"]
        if self.single and self.source.mode == "git":
            lines.append(f"To: {self.source.describe(self.culprit, '%an <%ae>')}")
            lines += [f"Cc: {name}" for name in self.maintainers()]
        return lines + [""]

    def maintainers(self):
        """Whom the kernel's own script names for the files of the commit."""
        script = self.source.clone / "scripts/get_maintainer.pl"
        if not script.exists() or not (self.source.clone / "MAINTAINERS").exists():
            return []
        files = self.source.theirs("show", "--format=", "--name-only", "--no-renames",
                                   self.culprit).splitlines()
        files = [name for name in files if (self.source.clone / name).exists()]
        if not files or not shutil.which("perl"):
            return []
        output = subprocess.run(
            ["perl", script, "--nogit", "--nogit-fallback", "--norolestats", "-f", *files[:20]],
            cwd=self.source.clone, capture_output=True, text=True, check=False, timeout=60).stdout
        return [line for line in output.splitlines() if "@" in line][:12]

    def what_it_is(self):
        if not self.single:
            return [f"The first bad one is one of these {len(self.found)}; all but the last could"
                    " not be judged:", "",
                    *(f"    {self.source.label(one)}" for one in self.found), ""]
        if self.source.mode != "git":
            before = self.parents[0]
            return [f"First bad kernel:  {self.source.label(self.culprit)}",
                    f"Last good kernel:  {self.source.label(before)}", "",
                    *(["The commit is found between the tags of these versions, in a clone of",
                       "linux-stable.git:", "",
                       f"    pinbisect git --repo linux --good {tag(before)} --bad"
                       f" {tag(self.culprit)} --test {shlex.quote(str(self.test))}", ""]
                      if self.source.mode == "packages" and self.test.kind == "suite" else [])]
        form = "commit %H%nAuthor: %an <%ae>%nDate:   %ad%n%n%w(0,4,4)%B"
        stat = self.source.theirs("show", "--format=", "--stat", self.culprit, raw=True)
        return ["The first bad commit is:", "",
                *textwrap.indent(self.source.describe(self.culprit, form).rstrip(),
                                 "    ").splitlines(), "",
                *textwrap.indent(stat.strip("\n"), "    ").splitlines(), "",
                f"#regzbot introduced: {self.culprit}", ""]

    def how_often(self):
        lines, row = [], self.confirm.get(self.culprit)
        if row:
            lines.append(f"Run again for confirmation, it fails {row['failed']} of"
                         f" {row['runs']} times;")
        for parent in self.parents:
            row = self.confirm.get(parent)
            if row:
                lines.append(f"its parent {row['label']} passes {row['passed']} of {row['runs']}"
                             " times.")
        sure = self.sure
        if self.single:
            passes = min(sure["parent_passes"].values(), default=0)
            lines += [f"Where it fails, it does so in {sure['failed_runs']} of {sure['runs']} runs"
                      f" ({percent(sure['rate'])}; at least {percent(sure['rate_at_least'])}). By"
                      " that the",
                      f"probability that the parent, which passed {passes} times, is bad all the"
                      " same, and",
                      f"this commit the wrong one, is {percent(sure['wrong'])}; with 95 %"
                      f" confidence, at most {percent(sure['wrong_at_most'])}."]
            if sure["rate"] < 1:
                lines.append(f"The failure is flaky: --repeat {sure['repeat_for_1_percent']} would"
                             " call a bad kernel good in 1 % of steps.")
        return [*lines, ""]

    def views(self):
        failures, _ = self.evidence()
        lines = ["What fails", RULE, f"Test: {self.test}",
                 "Counter view: pages that nr_foll_pin_acquired and nr_foll_pin_released moved by"
                 if self.test.kind == "suite" else "Outcome:", ""]
        lines += comparison(failures)
        missing = [name for name in self.session.state["signature"] if name not in failures]
        if self.single and missing and self.test.kind == "suite":
            lines += ["", f"At BAD {len(missing)} more tests fail that do not fail here, as"
                      f" {missing[0]}: there may be", "a second bug."]
        if self.session.state.get("set_aside"):
            names = self.session.state["set_aside"]
            lines += ["", f"Set aside, for it fails at GOOD as well: {', '.join(names[:5])}"
                      + (f" and {len(names) - 5} more" if len(names) > 5 else "")]
        view = (self.confirm.get(self.culprit) or {}).get("page_view")
        if self.test.kind == "suite":
            lines += ["", "Page view: reference counts and pins of each page (pin_helper.ko)", ""]
            if not view:
                lines.append("not looked at" + ("" if self.single else ": no single culprit"))
            elif view.get("same"):
                lines.append("as above: all runs had the helper")
            elif view.get("failures"):
                lines += comparison(view["failures"])
            else:
                lines.append(view["why"] or "the test passes when it runs with the helper")
        return [*lines, ""]

    def reproducer(self, folder):
        lines = ["To reproduce", RULE]
        if self.source.mode == "git":
            lines += [f"    git checkout {(self.culprit or self.found[-1])[:12]}"]
            if self.session.options.build_cmd:
                lines += [f"    {self.session.options.build_cmd}"]
            else:
                extra = "".join(f" --config {shlex.quote(name)}"
                                for name in self.session.options.config)
                lines += [f"    pinvm build TREE --source .{extra}"]
        lines += [f"    {self.simple_command()}", "",
                  "The run shown here was started by:", ""]
        command = ""
        for place in (folder, *folder.parents):
            if (place / "command").exists():
                command = read(place / "command").strip()
                break
        lines += [f"    {command or self.test}", ""]
        return lines

    def simple_command(self):
        name = "TREE" if self.source.mode == "git" else shlex.quote(self.culprit or self.found[-1])
        if self.test.kind == "suite":
            if self.test.full:
                return f"pinvm suite --kernel {name} " + " ".join(
                    f"--test {one}" for one in self.test.tests)
            return "\n    ".join(
                shlex.join(["pinvm", "run", "--kernel", name, *judge.GUEST, "--copy",
                            f"selftests/{one}:/{one}", "--", f"/{one}", *patterns])
                for one, patterns in self.test.tests.items())
        if getattr(self.test, "on_host", False):
            return f"PINBISECT_KERNEL={name} {self.test}"
        if self.test.kind == "replay":
            return (f"pinvm run --kernel {name} --copy {self.test.job}:/job"
                    " -- pinstress --replay /job")
        return f"pinvm run --kernel {name} -- {self.test}"

    def bisection(self):
        lines = ["The bisection", RULE, f"good: {self.source.label(self.source.good)}",
                 f"bad:  {self.source.label(self.source.bad)}", ""]
        for row in self.rows():
            lines.append(f"{row['number']:3} {row['verdict']:5} {row['label']}")
        skipped = self.skipped()
        if skipped:
            lines += ["", "Skipped:"]
            for row in skipped:
                lines += textwrap.wrap(f"{row['label']}: {row['reason']}", 78,
                                       initial_indent="  ", subsequent_indent="    ")
        log = read(self.session.folder / "bisect.log").strip()
        if log and self.source.mode == "git":
            lines += ["", "git bisect log:", "", *("    " + line for line in log.splitlines())]
        return [*lines, ""]

    def config(self):
        """The configuration goes beside the report, in short form where that can be had."""
        if self.source.mode != "git":
            return []
        path = self.session.folder / "tree/.config"
        lines = ["Configuration", RULE]
        if not path.exists():
            return []
        shutil.copy(path, self.folder / "config")
        if self.session.options.build_cmd:
            return [*lines, "attached (config)", ""]
        lines += ["tinyconfig and tools/kernel/guest.config, selftests/config of pin-accounting"
                  + "".join(f", {name}" for name in self.session.options.config)
                  + "; the whole is attached (config).", ""]
        for name in self.session.options.config:
            lines += [f"{name}:", *("    " + line for line in read(name).splitlines()), ""]
        return lines

    def text(self):
        failures, folder = self.evidence()
        lines = self.header()
        lines += textwrap.wrap(
            f"{self.test} fails since " + (self.source.label(self.culprit) if self.single else
                                           f"one of {len(self.found)} candidates")
            + f": {self.session.summary(failures)}", 78)
        lines += [""]
        if self.trouble:
            lines += ["NOT CONFIRMED: " + "; ".join(self.trouble) + ".",
                      "Begin again with --restart and a higher --repeat.", ""]
        lines += [*self.what_it_is(), *self.how_often(), *self.views(), *self.reproducer(folder),
                  *self.bisection()]
        console = self.console(folder)
        if console:
            shutil.copy(console, self.folder / "console.log")
            lines += [f"Kernel log, its last {LOG_LINES} lines (all of it: console.log)", RULE,
                      *tail(read(console), LOG_LINES), ""]
        lines += self.config()
        lines += [f"Found by pinbisect of pin-accounting {version()}."]
        return "\n".join(lines) + "\n"

    def write(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        _, folder = self.evidence()
        for path in [*folder.glob("*.ktap"), *folder.glob("*.jsonl"), *folder.glob("ktap.log")]:
            shutil.copy(path, self.folder / path.name)
        text = self.text()
        write_atomic(self.folder / "report.txt", text)
        write_atomic(self.folder / "report.json", json.dumps(self.json(), indent=1) + "\n")
        say(f"report: {self.folder}/report.txt (with what it attaches beside it)")
        return text


def tag(release):
    """6.12.117+deb12-cloud-amd64 -> v6.12.117"""
    match = re.match(r"\d+\.\d+(\.\d+)?", release)
    return "v" + match[0] if match else release


def version():
    """Of this checkout, if it is one."""
    top = checkout() or build_dir()
    done = subprocess.run(["git", "-C", top, "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip()
