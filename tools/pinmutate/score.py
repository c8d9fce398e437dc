# SPDX-License-Identifier: GPL-2.0
"""Runs the suite on the unmodified kernel and on mutants of it, and keeps what came of it.

A folder of results has one folder for each mutant, with result.json in it as
soon as it is done, and "baseline" for the unmodified kernel.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import judge
import report
import switch
import theirs
import tree as trees
from common import Error, build_dir, checkout, leaves, results_dir, say, stamp
from mutants import every

# For each mutant, beside the tests that are there for it: a little of everything.
COMMON = {"counters_test": ["exact.*", "nodes.*"],
          "matrix_test": ["uring_buffers.anon.release", "uring_buffers.thp.release",
                          "process_vm_readv.anon.*", "dio_read.anon.*"]}
# What a mutant may need of the machine, and what of the suite is worth running there, too.
BOOTS = {
    "movable": (["--movable", "768M"],
                dict.fromkeys(("longterm_test", "pinned_stays_test", "node_test"), [])),
    # The mock devices of iommufd's own test are refused where an IOMMU is in use.
    "no-iommu": (["--append", "intel_iommu=off"],
                 dict.fromkeys(("matrix_test", "geometry_test", "limits_test", "fail_nth_test"),
                               ["iommufd*", "*.iommufd*"])),
}
BASELINE = "baseline"
ONE_TIMEOUT, ALL_TIMEOUT = 900, 3600
ATTEMPTS = 3
FEW = 40
GUESTS = set()      # pinvms at work
SAID = 12           # lines of what a failing test says
# Of a program, on a mutant: what is known then needs not be seen a hundred times.
ENOUGH = "--max-failures=5"


class Suite:
    """The suite's programs and tests as they are built now."""

    def __init__(self):
        listed = build_dir() / "selftests/kselftest-list.txt"
        if not listed.exists():
            raise Error(f"no suite in {listed.parent}: run make")
        self.programs = [line.split(":")[1] for line in listed.read_text().split()]
        self.names = {}

    def tests(self, program):
        if program not in self.names:
            result = subprocess.run([build_dir() / "selftests/pin_accounting" / program, "--list"],
                                    capture_output=True, text=True, check=False, timeout=60)
            self.names[program] = [line.split()[0] for line in result.stdout.splitlines()
                                   if line.strip()]
        return self.names[program]

    def existing(self, wanted):
        """{program: patterns} without what there is not."""
        found = {}
        for program, patterns in wanted:
            if program not in self.programs:
                continue
            kept = [one for one in patterns
                    if any(fnmatch.fnmatchcase(test, one) for test in self.tests(program))]
            if patterns and not kept:
                continue
            # No patterns is all of it, and stays so.
            if found.get(program) != []:
                found[program] = found.get(program, []) + kept if patterns else []
        return found


def lacking(wanted, had):
    """What there is of {program: patterns} to run beyond that."""
    rest = {program: [one for one in patterns if one not in had.get(program, ())]
            for program, patterns in wanted.items() if had.get(program) != []}
    return {program: patterns for program, patterns in rest.items()
            if patterns or not wanted[program]}


def joined(one, other):
    """Both, where no patterns are all of a program."""
    return {program: [] if [] in (one.get(program), other.get(program)) else
            list(dict.fromkeys([*one.get(program, ()), *other.get(program, ())]))
            for program in {**one, **other}}


def words(tests, options):
    return [word for program, patterns in tests.items() for word in
            ("--test", "=".join([program, *filter(None, [",".join([*options, *patterns])])]))]


def boot(tree, folder, tests, timeout, machine=(), options=()):
    """One run of the suite; returns a judge.Run."""
    for _ in range(ATTEMPTS):
        run = guest(tree, folder, words(tests, options), timeout, machine)
        # It died before any test began: the host was too busy, if it is not for good.
        if not run.crashed() or run.last:
            return run
    raise Error(f"it does not boot: {run.trouble}, see {folder}/console.log", status=1)


def guest(tree, folder, tests, timeout, machine):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [trees.tool("pinvm"), "suite", "--kernel", tree.build, "--results", folder,
               "--helper", tree.helper, "--timeout", str(timeout), *tests,
               *machine, *(["--shards", "1"] if tests else [])]
    with open(folder / "pinvm.err", "wb") as errors, \
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors,
                             stdin=subprocess.DEVNULL) as process:
        GUESTS.add(process)
        try:
            process.wait()
        finally:
            process.terminate()
            GUESTS.discard(process)
    # Of a whole suite each of several guests ran a part.
    parts = sorted({path.parent for path in folder.rglob("verdict.json")
                    if (path.parent / "ktap.log").exists()})
    if not parts or process.returncode not in (0, 1):
        lines = (folder / "pinvm.err").read_text(errors="replace").splitlines()
        raise Error("pinvm suite failed: " + " | ".join(lines[-3:]))
    return merged(read(part) for part in parts)


def read(folder):
    """What one guest said, as pinvm left it."""
    verdict = json.loads((folder / "verdict.json").read_text())
    output = subprocess.run([trees.tool("pinreport"), "--json", folder / "ktap.log"],
                            capture_output=True, text=True, check=False).stdout
    results = {}
    for run in json.loads(output)["runs"]:
        for program in run.get("tests", []):
            name = program["name"].split(":")[-1].strip()
            for test, result, reason, says in leaves(program):
                if results.get((name, test), ("",))[0] != "fail":
                    results[name, test] = (result, reason or "; ".join(says[:SAID]))
    console = folder / "console.log"
    ktap = (folder / "ktap.log").read_text(errors="replace")
    begun = re.findall(r"^# selftests: \w+: (\S+)$", ktap, re.M)
    log = console.read_text(errors="replace") if console.exists() else ""
    return judge.Run(results, verdict["trouble"], switch.own_names(log),
                     begun[-1] if begun else None)


def merged(runs):
    """The guests of one kernel as one run."""
    one = judge.Run({}, None, "", None)
    for run in runs:
        for key, value in run.results.items():
            # Without movable memory a test is skipped, and the other boot knows better.
            if key not in one.results or one.results[key][0] in ("skip", "inconclusive") \
                    or value[0] == "fail":
                one.results[key] = value
        one.console += run.console
        if run.crashed() and not one.crashed():
            one.trouble, one.last = run.trouble, run.last
    return one


def taken(result):
    """The unmodified kernel's run, as it was kept."""
    return judge.Run({(program, test): (value, reason)
                      for program, test, value, reason in result["results"]},
                     result["trouble"], result["console"])


def suite_commit():
    """Of which state of the suite results are."""
    return subprocess.run(["git", "-C", checkout(), "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False).stdout.strip()


def kernel_tests(tree, folder, options, words=()):
    if options.no_theirs:
        return None
    return theirs.run(tree, folder, words)


class Score:
    """One folder of results."""

    def __init__(self, options, folder, judge_by=judge.judge):
        self.options = options
        self.judge_by = judge_by
        self.folder = folder
        # What a known issue keeps from being tried, as it may stop the kernel, is to be
        # tried with the fix, and only then.
        self.strict = ["--strict"] if judge_by is judge.judge_fix else []
        self.suite = Suite()
        self.baseline = None
        self.baseline_theirs = None
        self.built = None       # seconds

    # The unmodified kernel

    def prepare(self, tree, mutants):
        """Builds and runs the unmodified kernel, or reads what a run before kept of it."""
        kept = self.folder / BASELINE / "result.json"
        old = json.loads(kept.read_text()) if kept.exists() else None
        # For some mutants their tests will do; the report is of all, and of the whole suite.
        whole = len(mutants) > FEW or any(map(self._whole, mutants))
        tests = {} if whole else \
            self.suite.existing([*COMMON.items(), *(row for one in mutants for row in one.tests())])
        has = old["has"] if old else {"tests": None, "boots": [], "theirs": False}
        boots = [name for name in BOOTS if name not in has["boots"]
                 and any(name in one.needs.split() or self._whole(one) for one in mutants)]
        ours = has["tests"] != {} and (whole or lacking(tests, has["tests"] or {}))
        own = not (self.options.no_theirs or has["theirs"])
        if old and not (boots or ours or own):
            self._take(old)
            say(f"baseline of {old['release']}: as it was run before")
            return
        self._build(tree, "the unmodified kernel")
        built = time.monotonic()
        say(f"running {'the whole suite' if whole else 'the tests'} on the unmodified kernel")
        where = self.folder / BASELINE
        runs = [taken(old)] if old else []
        if ours:
            runs.append(boot(tree, where / f"suite{len(list(where.glob('suite*'))) or ''}",
                             {} if whole else lacking(tests, has["tests"] or {}), ALL_TIMEOUT))
        for name in boots:
            machine, there = BOOTS[name]
            rows = [*there.items(), *(row for one in mutants if name in one.needs.split()
                                      for row in one.tests())]
            runs.append(boot(tree, where / name, self.suite.existing(rows), ALL_TIMEOUT, machine))
        run = merged(runs)
        ran = time.monotonic()
        result = {
            "release": (tree.build / "include/config/kernel.release").read_text().strip(),
            "source": str(tree.pristine), "suite": suite_commit(),
            "has": {"tests": {} if whole or has["tests"] == {} else
                    joined(tests, has["tests"] or {}),
                    "boots": has["boots"] + boots, "theirs": own or has["theirs"]},
            "build": self.built,
            "seconds": round(ran - built + (old["seconds"] if old else 0), 1),
            "trouble": run.trouble, "console": run.console,
            "results": [[*key, *value] for key, value in sorted(run.results.items())],
            "theirs": kernel_tests(tree, where, self.options) if own else old and old["theirs"]}
        save(kept, result)
        self._take(result)
        bad = judge.flaws(run.results)
        passed = sum(value == "pass" for value, _ in run.results.values())
        say(f"baseline of {result['release']}: {passed} passed, {len(bad)} failed,"
            f" {result['seconds']:.0f} s")
        for (program, test), reason in list(bad.items())[:10]:
            say(f"  fails without any mutant: {program} {test}: {reason}")
        if run.crashed():
            raise Error(f"the unmodified kernel comes to no end: {run.trouble}", status=1)

    def _take(self, result):
        self.baseline = taken(result)
        self.baseline_theirs = result["theirs"]
        self.about = report.about_baseline(result)

    def _build(self, tree, what):
        """Once of what is in the tree now."""
        if self.built is not None:
            return
        say(f"building {what} in {tree.build}")
        began = time.monotonic()
        tree.make()
        self.built = round(time.monotonic() - began, 1)
        say(f"built in {self.built:.0f} s")

    # One mutant

    def _begun(self, mutant):
        where = self.folder / mutant.name
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        return where, {"name": mutant.name, "mutant": mutant.json(),
                       "release": self.about["release"], "suite": suite_commit(),
                       "date": stamp(), "full": self._whole(mutant)}

    def _run(self, tree, mutant, where, words=()):
        """In a kernel that is built: what is to be added to the result."""
        began = time.monotonic()
        run = self._boot(tree, mutant, where, words)
        seconds = round(time.monotonic() - began, 1)
        answer = self.judge_by(mutant, run, self.baseline)
        return {"seconds": seconds, **answer, "views": judge.views(answer),
                "theirs": theirs.compare(kernel_tests(tree, where, self.options, words),
                                         self.baseline_theirs)}

    def one(self, tree, mutant):
        """Applies, builds, runs, undoes; returns and keeps the result."""
        where, result = self._begun(mutant)
        began = time.monotonic()
        try:
            (where / "mutant.diff").write_text(tree.apply(mutant))
            try:
                tree.make()
            except Error as err:
                if err.status != 1:
                    raise
                result.update(verdict=judge.BROKEN, why=str(err))
            else:
                result["build"] = round(time.monotonic() - began, 1)
                result.update(self._run(tree, mutant, where))
        except Error as err:
            if err.status != 1:
                raise
            result.update(verdict=judge.BROKEN, why=str(err))
        finally:
            tree.undo()
        save(where / "result.json", result)
        return result

    def _whole(self, mutant):
        return self.options.full or not mutant.tests()

    def _boot(self, tree, mutant, where, words):
        if self._whole(mutant):
            return merged([boot(tree, where / "suite", {}, ALL_TIMEOUT, words), *(
                boot(tree, where / name, self.suite.existing(there.items()), ALL_TIMEOUT,
                     [*machine, *words], [ENOUGH]) for name, (machine, there) in BOOTS.items())])
        # Of a fix all count, whatever else is known to fail.
        options = self.strict or [ENOUGH]
        needs = mutant.needs.split()
        if not needs:
            return boot(tree, where / "suite",
                        self.suite.existing([*mutant.tests(), *COMMON.items()]), ONE_TIMEOUT,
                        words, options)
        return merged([boot(tree, where / name, self.suite.existing(mutant.tests()), ONE_TIMEOUT,
                            [*BOOTS[name][0], *words], options) for name in needs])

    # Many

    def _kept(self, mutant):
        """The result that an earlier run left, if it still holds."""
        path = self.folder / mutant.name / "result.json"
        if path.exists():
            old = json.loads(path.read_text())
            if old["mutant"] == mutant.json() and old["full"] == self._whole(mutant):
                return old
        return None

    def all(self, tree, mutants):
        results = {one.name: old for one in mutants if (old := self._kept(one))}
        left = [one for one in mutants if one.name not in results]
        began, total = time.monotonic(), len(left)

        def add(result):
            results[result["name"]] = result
            done = len(results) - len(mutants) + total
            each = (time.monotonic() - began) / done
            say(f"{len(results)}/{len(mutants)} {line(result)};"
                f" {minutes((total - done) * each)} to go")

        if self.options.together and left:
            left = self._together(tree, left, mutants, add)
        else:
            self.prepare(tree, mutants)
        for mutant in left:
            add(self.one(tree, mutant))
        return [results[mutant.name] for mutant in mutants]

    def _together(self, tree, left, mutants, add):
        """All that can be in one kernel, several guests at a time; returns the others."""
        say("putting them into one kernel")
        switched = switch.Switched(left, tree.pristine)
        tree.apply(switched)
        try:
            self._build(tree, f"a kernel with {len(switched.numbers)} mutants to choose from")
            self.prepare(tree, mutants)
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                try:
                    for result in as_completed([
                            pool.submit(self._chosen, tree, one, switched)
                            for one in left if one not in switched.apart]):
                        add(result.result())
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for process in list(GUESTS):
                        process.terminate()
                    raise
        finally:
            tree.undo()
        return switched.apart

    def _chosen(self, tree, mutant, switched):
        where, result = self._begun(mutant)
        (where / "mutant.diff").write_text(trees.difference(mutant, tree.pristine))
        result.update(build=self.built, together=len(switched.numbers))
        try:
            result.update(self._run(tree, mutant, where, ["--append", switched.word(mutant)]))
        except Error as err:
            if err.status != 1:
                raise
            result.update(verdict=judge.BROKEN, why=str(err))
        save(where / "result.json", result)
        return result


def minutes(seconds):
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def line(result):
    built = "" if result.get("together") else f"{result.get('build', 0):.0f} s build, "
    seconds = f" ({built}{result.get('seconds', 0):.0f} s run)"
    own = result.get("theirs")
    own = "" if not own else \
        "; the kernel's own tests: " + (own["noticed"] or (own["log"] and "log only") or "nothing")
    return f"{result['name']}: {result['verdict']}: {result['why']}{seconds}{own}"


def save(path, result):
    new = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(json.dumps(result, indent=1) + "\n")
    new.replace(path)


def newest_folder():
    old = sorted(results_dir().glob("*-mutants"))
    if not old:
        raise Error(f"no results to resume in {results_dir()}", usage=True)
    return old[-1]


def choose_folder(options):
    """Where results go: a new folder, or the newest if it is to be resumed."""
    if options.results:
        return trees.Path(options.results)
    return newest_folder() if options.resume else results_dir() / f"{stamp()}-mutants"


def write_report(folders):
    """Adds what is in folders of results to mutants.json; the newest of a mutant counts."""
    path = results_dir() / "mutants.json"
    old = json.loads(path.read_text()) if path.exists() else []
    records = {one["name"]: one for one in old}
    for folder in folders:
        rows = report.folder(folder, BASELINE)
        if not rows:
            raise Error(f"no results in {folder}", usage=True)
        for one in rows:
            older, newer = sorted([records.get(one["name"], one), one],
                                  key=lambda row: row["date"] or "")
            # The kernel's own tests are what they were.
            records[one["name"]] = {**newer, "theirs": newer["theirs"] or older["theirs"]}
    known = [one.name for one in every()]
    records = [records[name] for name in known if name in records]
    save(path, records)
    (results_dir() / "mutants.md").write_text(report.markdown(
        records, [name for name in known if name not in {one["name"] for one in records}]))
    return records
