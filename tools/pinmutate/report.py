# SPDX-License-Identifier: GPL-2.0
"""results/mutants.json, which keeps what was measured, and mutants.md, which shows it."""

import json
from collections import Counter

import judge
from mutants import KINDS

SHOWN = 120         # characters of a reason
KEPT = 600          # of one in mutants.json
NAMED = 3           # tests that failed
VIEWS = ("counter", "page", "vm", "data", "log")
KNOWN = ("what", "kind", "fix", "fixed-in", "catalogue", "files", "equivalent")


def counts(results):
    return Counter(result["verdict"] for result in results)


def theirs_counts(results):
    """(noticed by a test, only in the kernel's log, compared)"""
    known = [result["theirs"] for result in results if result.get("theirs")]
    return (sum(bool(one["noticed"]) for one in known),
            sum(bool(one["log"] or one["crashed"]) and not one["noticed"] for one in known),
            len(known))


def kept(result, baseline):
    """Without what is only of interest in the folder of results."""
    return {
        **{key: result.get(key) for key in ("name", "verdict", "why", "views", "build", "together",
                                            "seconds", "full", "release", "suite", "date", "log",
                                            "theirs")},
        **{key: result["mutant"][key] for key in KNOWN if result["mutant"].get(key)},
        "expected": {view: result["mutant"][view] for view in VIEWS if result["mutant"].get(view)},
        "by": [{**row, "reason": row["reason"][:KEPT]} for row in result.get("by", [])[:NAMED]],
        "failed": len(result.get("by", [])), "baseline": baseline}


def folder(path, name):
    """What a folder of results has, name being that of the unmodified kernel."""
    files = {file.parent.name: json.loads(file.read_text()) for file in path.glob("*/result.json")}
    if name not in files:
        return []
    baseline = about_baseline(files.pop(name))
    return [kept(result, baseline) for result in files.values()]


def about_baseline(result):
    """What a report says of the unmodified kernel."""
    values = [value for _, _, value, _ in result["results"]]
    return {"release": result["release"], "suite": result.get("suite"),
            "seconds": result["seconds"],
            "passed": values.count("pass"), "known_issues": values.count("xfail"),
            "skipped": values.count("skip") + values.count("inconclusive"),
            "failures": [short(f"{program} {test}: {reason}")
                         for program, test, value, reason in result["results"] if value == "fail"]}


def text(results):
    found = counts(results)
    lines = [f"{len(results)} mutants: " + ", ".join(
        f"{found[verdict]} {verdict}" for verdict in
        (judge.CAUGHT, judge.MISSED, judge.EQUIVALENT, judge.REFUTED, judge.BROKEN,
         judge.BAD_BASELINE) if found[verdict])]
    noticed, logged, known = theirs_counts(results)
    if known:
        lines.append(f"the kernel's own selftests: {noticed} of {known} kernels noticed by a test,"
                     f" {logged} more only in the kernel's log")
    return "\n".join(lines)


def cell(words):
    return " ".join(str(words).replace("|", "\\|").split())


def table(head, rows):
    return "\n".join("| " + " | ".join(map(cell, row)) + " |"
                     for row in [head, ["---"] * len(head), *rows]) + "\n"


def short(words):
    words = " ".join(words.split())
    return words if len(words) <= SHOWN else words[:SHOWN - 3] + "..."


def expected(one):
    return "; ".join(f"{view}: {words}" for view, words in one["expected"].items()) or "nothing"


def caught_by(one):
    if one["verdict"] != judge.CAUGHT or not one["by"]:
        return short(one["why"])
    more = one["failed"] - len(one["by"])
    return ", ".join(f"`{row['program']} {row['test']}`" for row in one["by"]) + (
        f" and {more} more" if more else "")


def own_tests(one):
    own = one.get("theirs")
    if not own:
        return "not run"
    if own["noticed"]:
        return short("yes: " + own["noticed"])
    if own["log"] or own["crashed"]:
        return short("log only: " + (own["log"] or "the guest died"))
    return "no"


def unmodified(baselines):
    rows = [[f"`{one['suite'] or '-'}`", one["release"], one["passed"], len(one["failures"]),
             one["known_issues"], one["skipped"], f"{one['seconds']:.0f}"] for one in baselines]
    failures = sorted({failure.split(": ")[0] for one in baselines for failure in one["failures"]})
    return table(["state of the suite", "kernel", "passed", "failed", "known issues", "skipped",
                  "s"], rows) + (
        "\nWhat failed there counts for no mutant: " + ", ".join(failures) + ".\n"
        if failures else "")


def mean(values):
    return f"{sum(values) / len(values):.0f}" if values else "-"


def builds(records):
    apart = [one["build"] for one in records if not one.get("together")]
    words = []
    if apart:
        words.append(f"{len(apart)} had a kernel of their own, built in {mean(apart)} s on"
                     " average.")
    if len(apart) < len(records):
        words.append(f"{len(records) - len(apart)} had one with others, whose command line"
                     " chooses which of them is at work; with none it is the unmodified kernel.")
    return " ".join(words) + "\n"


def markdown(records, unmeasured):
    noticed, logged, known = theirs_counts(records)
    ours = [one for one in records if one.get("seconds")]
    found = counts(records)
    baselines = []
    for one in records:
        if one["baseline"] not in baselines:
            baselines.append(one["baseline"])
    parts = [
        "# Mutants: pin bugs put back into the kernel\n",
        "Written by `pinmutate report`. Each mutant of tools/mutants/ is one bug, put into the same"
        " tree, built and booted. It is caught if a test that is there for it fails, which passes"
        " on the unmodified kernel, or if the kernel dies of it in the right function.\n",
        table(["", "kernels", "caught by a test", "only the kernel's log", "missed",
               "equivalent, and not reported", "s a kernel"],
              [["this suite", len(records),
                sum(one["verdict"] == judge.CAUGHT and bool(one["by"]) for one in records),
                sum(one["verdict"] == judge.CAUGHT and not one["by"] for one in records),
                len(records) - found[judge.CAUGHT] - found[judge.EQUIVALENT],
                found[judge.EQUIVALENT], mean([one["seconds"] for one in ours])],
               ["gup_test, gup_longterm, cow, hugetlb_dio", known, noticed, logged,
                known - noticed - logged, "-",
                mean([one["theirs"]["seconds"] for one in records if one.get("theirs")])]]),
        builds(ours),
        "The unmodified kernel, the tests of the mutants that were run beside it:\n",
        unmodified(baselines),
        "Kinds: " + "; ".join(f"{key} {value}" for key, value in KINDS.items())
        + ". A view is what shows it: counter (nr_foll_pin_*), node (the same, per node), page"
        " (references and pins of each page), vm (VmPin), data, log (the kernel's), result (what a"
        " call returned). A state of the suite with ~ is taken from when it was run.\n"]
    for title, wanted in (("The catalogue: bugs that were in kernels, and their siblings", "yes"),
                          ("More of the kind", "")):
        rows = [one for one in records if (one.get("catalogue") or "") == wanted]
        if rows:
            parts += [f"## {title}\n", table(
                ["mutant", "kind", "what it does", "expected", "verdict", "view", "by",
                 "s (build +) run", "suite", "the kernel's own tests"],
                [[f"`{one['name']}`", one["kind"], one["what"], expected(one),
                  one["verdict"], " ".join(one.get("views") or []), caught_by(one),
                  ("" if one.get("together") else f"{one.get('build') or 0:.0f} + ")
                  + f"{one.get('seconds') or 0:.0f}",
                  f"`{one['suite'] or '-'}`", own_tests(one)] for one in rows])]
    if unmeasured:
        parts += ["## Not measured yet\n", ", ".join(f"`{name}`" for name in unmeasured) + "\n"]
    return "\n".join(parts)
