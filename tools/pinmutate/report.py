# SPDX-License-Identifier: GPL-2.0
"""results/mutants.md and mutants.json."""

from collections import Counter

import judge
from mutants import KINDS

SHOWN = 120         # characters of a reason


def counts(results):
    return Counter(result["verdict"] for result in results)


def theirs_counts(results):
    """(noticed by a test, only in the kernel's log, compared)"""
    known = [result["theirs"] for result in results if result.get("theirs")]
    return (sum(bool(one["noticed"]) for one in known),
            sum(bool(one["log"] or one["crashed"]) and not one["noticed"] for one in known),
            len(known))


def slim(results, baseline, seconds):
    """Without what is only of interest in the folder of results."""
    noticed, logged, known = theirs_counts(results)
    return {
        "baseline": baseline, "seconds": seconds, "counts": dict(counts(results)),
        "kernel_selftests": {"noticed": noticed, "log_only": logged, "kernels": known},
        "mutants": [{
            **{key: result.get(key) for key in ("name", "verdict", "why", "views", "build",
                                                "seconds", "full")},
            **{key: result["mutant"].get(key) for key in ("what", "kind", "fix", "catalogue",
                                                          "files")},
            "by": [{key: row[key] for key in ("program", "test", "reason", "views")}
                   for row in result.get("by", [])[:5]], "failed": len(result.get("by", [])),
            "log": result.get("log"), "theirs": result.get("theirs")} for result in results]}


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


def caught_by(result):
    if result["verdict"] != judge.CAUGHT:
        return short(result["why"])
    if result.get("by"):
        first = result["by"][0]
        more = f" and {len(result['by']) - 1} more" if len(result["by"]) > 1 else ""
        return f"`{first['program']} {first['test']}`{more}"
    return short(result["why"])


def own_tests(result):
    one = result.get("theirs")
    if not one:
        return "-"
    if one["noticed"]:
        return short("yes: " + one["noticed"])
    if one["log"] or one["crashed"]:
        return short("log only: " + (one["log"] or "the guest died"))
    return "no"


def unmodified(baseline):
    failures = baseline["failures"]
    return (f"On the unmodified kernel {baseline['passed']} tests passed"
            f" ({baseline['known_issues']} known issues, {baseline['skipped']} skipped,"
            f" {baseline['seconds']:.0f} s) and " +
            (f"{len(failures)} FAILED, which count for no mutant: " +
             "; ".join(map(short, failures[:5])) if failures else "none failed") + ".")


def markdown(results, baseline, seconds):
    noticed, logged, known = theirs_counts(results)
    ours = [result for result in results if result.get("seconds")]
    own = [result["theirs"]["seconds"] for result in results if result.get("theirs")]

    def mean(values):
        return f"{sum(values) / len(values):.0f}" if values else "-"

    parts = [
        "# Mutants: pin bugs put back into the kernel\n",
        f"Written by `pinmutate score` for Linux {baseline['release']}. Each mutant of"
        " tools/mutants/ is one bug, put into the same tree, built and booted. It is caught if a"
        " test that is there for it fails, which passes on the unmodified kernel, or if the"
        " kernel dies of it in the right function. " + unmodified(baseline) + "\n",
        table(["", "kernels", "caught by a test", "only the kernel's log", "missed",
               "equivalent, and not reported", "seconds a kernel"],
              [["this suite", len(results),
                sum(result["verdict"] == judge.CAUGHT and bool(result["by"]) for result in results),
                sum(result["verdict"] == judge.CAUGHT and not result["by"] for result in results),
                counts(results)[judge.MISSED] + counts(results)[judge.REFUTED]
                + counts(results)[judge.BROKEN], counts(results)[judge.EQUIVALENT],
                mean([result["seconds"] for result in ours])],
               ["gup_test, gup_longterm, cow, hugetlb_dio", known, noticed, logged,
                known - noticed - logged, "-", mean(own)]]),
        f"A build takes {mean([result['build'] for result in ours])} s on average"
        + (f", all of it took {seconds / 60:.0f} min" if seconds else "") + ".\n",
        "Kinds: " + "; ".join(f"{key} {value}" for key, value in KINDS.items())
        + ". A view is what shows it: counter (nr_foll_pin_*), node (the same, per node), page"
        " (references and pins of each page), vm (VmPin), data, log (the kernel's), result (what a"
        " call returned).\n"]
    for title, wanted in (("The catalogue: bugs that were in kernels, and their siblings", "yes"),
                          ("More of the kind", "")):
        rows = [result for result in results
                if (result["mutant"].get("catalogue") or "") == wanted]
        if rows:
            parts += [f"## {title}\n", table(
                ["mutant", "kind", "what it does", "verdict", "view", "by", "s build + run",
                 "the kernel's own tests"],
                [[f"`{result['name']}`", result["mutant"].get("kind", "-"),
                  result["mutant"].get("what", "-"), result["verdict"],
                  " ".join(result.get("views", [])), caught_by(result),
                  f"{result.get('build', 0):.0f} + {result.get('seconds', 0):.0f}",
                  own_tests(result)] for result in rows])]
    return "\n".join(parts)
