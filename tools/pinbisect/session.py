# SPDX-License-Identifier: GPL-2.0
"""One bisection: its steps, their verdicts, and what is kept to go on with it."""

import contextlib
import fcntl
import json
import math
import shutil
import time

import judge
from command import Clock, Skip, append_line, read, write_atomic
from common import Error, say

GOOD, BAD, SKIP = "good", "bad", "skip"
STATUS = {GOOD: 0, BAD: 1, SKIP: 125}


def wilson_low(hits, total):
    """The lower end of the 95% interval (one-sided) of a rate."""
    if not total:
        return 0.0
    z, rate = 1.645, hits / total
    middle = rate + z * z / (2 * total)
    spread = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return max(0.0, (middle - spread) / (1 + z * z / total))


class Session:
    """All about one bisection, in a folder of its own."""

    def __init__(self, folder, source, test, options):
        self.folder, self.source, self.test, self.options = folder, source, test, options
        self.state_file = folder / "state.json"
        self.steps_file = folder / "steps.jsonl"
        self.state = {}
        self.rows = {}          # revision -> its step
        self.lock = None

    # What is kept

    @contextlib.contextmanager
    def held(self):
        """The folder, for us alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Error(f"another pinbisect is at work in {self.folder}") from None
            yield

    def load(self, request):
        """Takes up what was begun, if it is the same."""
        try:
            self.state = json.loads(read(self.state_file) or "{}")
        except ValueError as err:
            raise Error(f"{self.state_file} is damaged: --restart begins again") from err
        if self.options.restart:
            self.clear()
        if self.state and self.state["request"] != request:
            differ = sorted(key for key in {*request, *self.state["request"]}
                            if request.get(key) != self.state["request"].get(key))
            raise Error(f"{self.folder} has another bisection ({', '.join(differ)}"
                        f" {'differs' if len(differ) == 1 else 'differ'}): --resume goes on with"
                        " that one, --restart forgets it, --builds names another folder")
        if not self.state:
            self.state = {"request": request, "began": time.time()}
            self.save()
            return
        for line in read(self.steps_file).splitlines():
            with contextlib.suppress(ValueError):       # cut off by a crash
                row = json.loads(line)
                self.rows[row["revision"]] = row
        if self.rows:
            say(f"going on with {self.folder}: {len(self.rows)} steps are done")

    def clear(self):
        for name in ("state.json", "steps.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
        for name in ("steps", "report", "reference"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.state, self.rows = {}, {}

    def save(self):
        write_atomic(self.state_file, json.dumps(self.state, indent=1) + "\n")

    # Runs

    def prepare(self, revision, folder, clock):
        """The kernel of a revision, with the helper where that is wanted."""
        kernel = self.source.prepare(revision, folder, clock)
        self.options.helper_module = None
        if self.state.get("helper"):
            with clock.on("helper"):
                module, why = judge.build_helper(kernel, self.folder / "helper",
                                                 folder / "helper.log")
            if not module:
                raise Skip(why)
            self.options.helper_module = module
        return kernel

    def one_failure_says_all(self):
        """Which failures BAD has, and that GOOD has none, is known; --confirm has them all."""
        return ("signature" in self.state and not self.state["known"]
                and not self.options.same_failure and self.options.confirm > 0)

    def runs(self, kernel, folder, times, all_of_them=False, one_failure=False):
        """Runs the test so often, or until it fails."""
        done = []
        while len(done) < times:
            left = times - len(done) if self.options.same_guest else 1
            done += self.test.run(kernel, folder / f"run{len(done) + 1}", left, one_failure)
            if done[-1].why or (done[-1].failures and not all_of_them):
                break
        return done

    def relevant(self, failures):
        """Those of the failures that GOOD does not have."""
        known = self.state.get("known", ())
        found = {name: what for name, what in failures.items() if name not in known}
        if self.options.same_failure and "signature" in self.state:
            found = {name: what for name, what in found.items()
                     if name in self.state["signature"]}
        return found

    def verdict(self, runs, kernel, folder):
        """(verdict, reason, failures)"""
        last, signature = runs[-1], self.state.get("signature")
        if not last.booted:
            self.machine_works(kernel, folder)
            lacking = judge.lacking_options(kernel.name)
            return SKIP, (f"does not boot: {last.why}" +
                          (f"; its config lacks {' '.join(lacking)}" if lacking else "")), {}
        failures = {}
        for one in runs:
            failures.update(one.failures)
        found = self.relevant(failures)
        if signature is not None and judge.HANG in found and judge.HANG not in signature:
            found.pop(judge.HANG)
            if not found:
                return SKIP, f"{last.why}, which BAD does not do", {}
        if found:
            return BAD, self.summary(found), found
        if last.why:
            return SKIP, f"cannot be judged: {last.why}", {}
        passed = {name for one in runs for name in one.passed}
        named = {name for name in signature or () if ":" in name}
        wanted = passed & named if named and self.test.kind == "suite" else passed
        if not wanted:
            names = [name for name in signature or () if name in last.skipped] or last.skipped
            reasons = {last.skipped[name] for name in names if last.skipped[name]}
            return SKIP, ("no test could be judged" if not passed else
                          "the tests that fail at BAD were not judged") + (
                              f": {'; '.join(sorted(reasons)[:2])}" if reasons else ""), {}
        if failures:
            other = sorted(set(failures) - set(self.state.get("known", ())))
            if other:
                return SKIP, f"fails otherwise than BAD: {self.summary(dict.fromkeys(other))}", {}
        return GOOD, f"{len(wanted)} passed", {}

    @staticmethod
    def summary(failures):
        names = list(failures)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        what = failures[names[0]] or {}
        reason = f" ({what['reason']})" if what.get("reason") else ""
        return f"{names[0]}{reason}{more}"

    def machine_works(self, kernel, folder):
        """A guest that does not start says nothing where none does."""
        reference = self.state.get("reference")
        if not reference or reference == kernel.name:
            return
        if not judge.can_boot(judge.Kernel(reference), folder / "reference", self.options):
            raise Error("this machine does not boot a kernel any more that it did boot before:"
                        f" QEMU or KVM is in trouble (see {folder}/reference; --accel tcg does"
                        " without KVM); --resume goes on when that is mended")

    def keep_reference(self, kernel):
        """A kernel that did boot."""
        if "reference" in self.state or getattr(self.test, "on_host", False):
            return
        self.state["reference"] = self.source.reference(kernel, self.folder)
        self.save()

    # Steps

    def step(self, revision, what="step"):
        """Judges a revision, unless that is known already."""
        if revision in self.rows:
            row = self.rows[revision]
            say(f"{self.source.label(revision)}: {row['verdict']} (known)")
            return row
        number = len(self.rows) + 1
        folder = self.folder / "steps" / f"{number:03}-{self.source.short(revision)}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        clock, began, runs, failures = Clock(), time.monotonic(), [], {}
        if self.source.between is not None:
            clock.seconds["checkout"] = round(began - self.source.between, 2)
            began = self.source.between
        try:
            kernel = self.prepare(revision, folder, clock)
            with clock.on("test"):
                runs = self.runs(kernel, folder, self.options.repeat,
                                 one_failure=self.one_failure_says_all())
            verdict, reason, failures = self.verdict(runs, kernel, folder)
            if runs[-1].booted:
                self.keep_reference(kernel)
        except Skip as err:
            verdict, reason = SKIP, str(err)
        total = time.monotonic() - began
        row = {"number": number, "what": what, "revision": revision,
               "label": self.source.label(revision), "verdict": verdict, "reason": reason,
               "failures": failures, "runs": len(runs),
               "failed_runs": sum(bool(self.relevant(one.failures)) for one in runs),
               "passed": sorted({name for one in runs for name in one.passed}),
               "skipped": runs[-1].skipped if runs else {},
               "seconds": {**clock.seconds, "total": round(total, 2)}, "folder": str(folder)}
        self.rows[revision] = row
        append_line(self.steps_file, row)
        say(f"{what} {number}: {row['label']}: {verdict.upper()}: {reason} ({total:.0f} s)")
        return row

    def overhead(self, row):
        """Seconds of a step that did not go into the build."""
        return row["seconds"]["total"] - row["seconds"].get("build", 0)

    def rewrite(self):
        write_atomic(self.steps_file, "".join(json.dumps(row) + "\n"
                                              for row in self.rows.values()))

    # The ends

    def ends(self, good, bad):
        """BAD must fail, GOOD must not fail likewise; or this is of no use."""
        if "signature" in self.state:
            return
        row = self.bad_end(bad)
        failures = row["failures"]
        other = self.step(good, "GOOD")
        if other["verdict"] == SKIP:
            raise Error(f"GOOD ({other['label']}) cannot be judged: {other['reason']} (see"
                        f" {other['folder']}): name another --good, or give it what it lacks"
                        " by --config")
        known = [name for name in failures if name in other["failures"]]
        new = [name for name in failures if name not in other["failures"]]
        if not new:
            raise Error(f"GOOD is bad: {other['label']} fails as BAD does:"
                        f" {self.summary(other['failures'])}; name an older --good (its logs:"
                        f" {other['folder']})")
        if other["failures"]:
            say(f"GOOD fails, too, by what is set aside: {self.summary(other['failures'])}")
        if self.test.kind == "suite" and not [
                name for name in new if name in other["passed"]] and not any(
                    name in (judge.CRASH, judge.HANG) or name in self.test.tests for name in new):
            reasons = {other["skipped"].get(name) for name in new} - {None, ""}
            raise Error(f"GOOD ({other['label']}) does not pass what fails at BAD: {new[0]}"
                        + (f": {'; '.join(sorted(reasons))}" if reasons else
                           " is not run there") + f" (see {other['folder']})")
        if other["verdict"] == BAD:
            other.update(verdict=GOOD, reason="fails only by what is set aside")
            self.rewrite()
        self.state.update(signature=new, known=sorted(other["failures"]),
                          set_aside=known)
        self.save()

    def bad_end(self, bad):
        """The first guest in which BAD fails is the one for all steps."""
        guests = [(False, False)]
        if self.test.kind == "suite" and self.options.guest != "lean":
            guests.append((True, True))
        if self.options.helper or self.options.guest == "suite":
            guests = [(self.options.guest == "suite", self.options.helper)]
        row = None
        for full, helper in guests:
            if row:
                say("nothing fails at BAD: trying the guest of \"pinvm suite\""
                    + (" with pin_helper.ko" if helper else ""))
                del self.rows[bad]
                self.rewrite()
            self.state.update(full=full, helper=helper)
            self.test.full = full
            row = self.step(bad, "BAD")
            if row["verdict"] == BAD:
                return row
            if not row["passed"] and not row["skipped"]:
                break                   # another guest will not do, either
        if row["verdict"] == SKIP:
            raise Error(f"BAD ({row['label']}) cannot be judged: {row['reason']} (see"
                        f" {row['folder']}): name another --bad, or give it what it lacks by"
                        " --config")
        skipped = sorted(set(filter(None, row["skipped"].values())))
        raise Error(f"BAD is good: {row['label']} passes {self.test} ({row['runs']} of"
                    f" {row['runs']} times): name a newer --bad, or raise --repeat if it fails"
                    f" now and then (its logs: {row['folder']})"
                    + (f"; skipped there: {'; '.join(skipped[:3])}" if skipped else ""))

    # The end

    def confirm(self, revision, times):
        """Runs a revision so often; what is known of it already counts no more."""
        known = self.state.setdefault("confirm", {})
        if revision in known:
            return known[revision]
        folder = self.folder / "steps" / f"confirm-{self.source.short(revision)}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        clock, runs, why, view = Clock(), [], "", None
        self.source.between = None
        try:
            kernel = self.prepare(revision, folder, clock)
            with clock.on("test"):
                runs = self.runs(kernel, folder, times, all_of_them=True)
            why = runs[-1].why if not runs[-1].failures else ""
            if any(self.relevant(one.failures) for one in runs):
                view = self.page_view(kernel, folder)
        except Skip as err:
            why = str(err)
        failed = [one for one in runs if self.relevant(one.failures)]
        row = {"revision": revision, "label": self.source.label(revision), "runs": len(runs),
               "failed": len(failed), "passed": sum(not self.relevant(one.failures)
                                                    and not one.why for one in runs),
               "why": why, "folder": str(folder), "seconds": clock.seconds, "page_view": view,
               "failures": self.relevant(failed[0].failures) if failed else {},
               "run_folder": failed[0].folder if failed else ""}
        known[revision] = row
        self.save()
        say(f"confirming {row['label']}: fails {row['failed']} of {row['runs']} times"
            + (f" ({why})" if why else ""))
        return row

    def page_view(self, kernel, folder):
        """What the helper module sees of it, once, for the report."""
        if self.test.kind != "suite":
            return {"why": "not a test of the suite"}
        if self.options.helper_module:
            return {"why": "", "same": True}
        module, why = judge.build_helper(kernel, self.folder / "helper", folder / "helper.log")
        if not module:
            return {"why": why}
        self.options.helper_module = module
        try:
            runs = self.runs(kernel, folder / "with-helper", self.options.repeat)
        finally:
            self.options.helper_module = None
        return {"why": runs[-1].why, "failures": self.relevant(runs[-1].failures),
                "folder": runs[-1].folder}

    def certainty(self, culprit, parents):
        """How sure it is, by how often the test fails where it does."""
        bad = [(row["failed_runs"], row["runs"]) for row in self.rows.values()
               if row["verdict"] == BAD]
        confirmed = self.state.get("confirm", {})
        if culprit in confirmed:
            bad.append((confirmed[culprit]["failed"], confirmed[culprit]["runs"]))
        failed, total = sum(one for one, _ in bad), sum(one for _, one in bad)
        rate = failed / total if total else 0.0
        low, right, least = wilson_low(failed, total), 1.0, 1.0
        passes = {}
        for parent in parents:
            count = self.rows[parent]["runs"] if self.rows.get(parent, {}).get(
                "verdict") == GOOD else 0
            count += confirmed.get(parent, {}).get("passed", 0)
            passes[parent] = count
            right *= 1 - (1 - rate) ** count
            least *= 1 - (1 - low) ** count
        enough = 1 if rate in (0.0, 1.0) else math.ceil(math.log(0.01) / math.log(1 - rate))
        return {"failed_runs": failed, "runs": total, "rate": rate, "rate_at_least": low,
                "parent_passes": passes, "wrong": 1 - right if parents else None,
                "wrong_at_most": 1 - least if parents else None, "repeat_for_1_percent": enough}


class Ladder:
    """A line of kernels, oldest first, halved by ourselves."""

    def __init__(self, session, items, good, bad):
        self.session, self.items = session, items
        self.good, self.bad = good, bad         # indexes

    def search(self):
        """(index of the last good, index of the first bad): neighbours if all was judged"""
        good, bad, skipped = self.good, self.bad, set()
        while True:
            left = [index for index in range(good + 1, bad) if index not in skipped]
            if not left:
                return good, bad
            middle = min(left, key=lambda index: abs(2 * index - good - bad))
            row = self.session.step(self.items[middle])
            if row["verdict"] == SKIP:
                skipped.add(middle)
            elif row["verdict"] == BAD:
                bad = middle
            else:
                good = middle
