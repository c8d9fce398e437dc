# SPDX-License-Identifier: GPL-2.0
"""What a run of the suite on a mutated kernel says, held against the unmodified one."""

import re

CAUGHT, MISSED, EQUIVALENT, BROKEN = "caught", "missed", "equivalent", "broken"
# An equivalent mutant that a test reports after all: one of the two is wrong.
REFUTED = "refuted"
FIXED, NOT_FIXED = "fixed", "not fixed"
# No failure of the unmodified kernel must be read as one of the mutant's.
BAD_BASELINE = "bad baseline"

TROUBLE = re.compile(r"kernel BUG at|Kernel panic|Oops|BUG:|WARNING:|general protection"
                     r"|Unable to handle|Bad page state|refcount_t:|soft lockup|hung task")
FUNCTION = re.compile(r"\b([A-Za-z_]\w*?)(?:\.(?:isra|constprop|part|cold)\S*)?\+0x[0-9a-f]+/0x")
BLOCK = 60          # lines of a report in the kernel's log

# By what the suite says of a failure. The order is that of how much it tells.
VIEWS = (
    ("counter", None),      # see counted()
    ("node", re.compile(r"the nodes add up to")),
    ("page", re.compile(r"page view|still pinned|maybe_dma_pinned|\bpage \d+ of|ZONE_MOVABLE"
                        r"|references|pincount|not free")),
    ("vm", re.compile(r"VmPin|VmLck")),
    ("data", re.compile(r"\bdata\b|\bbytes?\b|contents|differs")),
    ("log", re.compile(r"the kernel log has")),
    ("result", re.compile(r"returned|errno")),
)
KNOWN = re.compile(r"known issue ([\w-]+):")
COUNTED = re.compile(r"predicted (?:in sum )?\+(\d+) acquired \+(\d+) released[^;]*?"
                     r"measured \+?(-?\d+) \+?(-?\d+)")


def views_of(reason):
    """Which views a failing test speaks of."""
    found = [name for name, pattern in VIEWS if pattern and pattern.search(reason)]
    counted = [match.groups() for match in COUNTED.finditer(reason)]
    if any((one[0], one[1]) != (one[2], one[3]) for one in counted):
        found.insert(0, "counter")
    elif counted and "node" not in found:
        found.insert(0, "node")         # the sum is right
    return found or ["other"]


def reports(console):
    """[(line, functions named in its report)] of what is wrong in a kernel's log."""
    lines = console.splitlines()
    found, until = [], -1
    for number, line in enumerate(lines):
        if number <= until or not TROUBLE.search(line):
            continue
        until = number + BLOCK
        end = next((at for at in range(number + 1, min(until, len(lines)))
                    if "---[ end trace" in lines[at]), min(until, len(lines) - 1))
        until = end
        block = "\n".join(lines[number:end + 1])
        found.append((re.sub(r"^\[ *[\d.]+\](\[ *\w+\])? ?", "", line).strip(),
                      set(FUNCTION.findall(block))))
    return found


def flaws(results):
    """{(program, test): reason} of what failed."""
    return {key: reason for key, (result, reason) in results.items() if result == "fail"}


class Run:
    """One boot of the suite: {(program, test): (result, reason)} and how it ended."""

    def __init__(self, results, trouble=None, console="", last=None):
        self.results = results
        self.trouble = trouble      # why it has no end in good order
        self.console = console
        self.last = last            # the program that was at work then

    def crashed(self):
        return bool(self.trouble)


def judge(mutant, run, baseline):
    """{"verdict", "why", "by": [...], ...}: the answer, and what it is based on."""
    if baseline.crashed():
        return {"verdict": BAD_BASELINE, "why": f"the unmodified kernel: {baseline.trouble}"}
    # A known issue excuses what it foretells, to the page, and nothing else.
    good = {key for key, (result, _) in baseline.results.items() if result in ("pass", "xfail")}
    bad = flaws(baseline.results)
    right, elsewhere, doubtful = [], [], []
    for key, reason in flaws(run.results).items():
        if key[1] == "-":           # incomplete output: judged by the crash below
            continue
        row = {"program": key[0], "test": key[1], "reason": reason, "views": views_of(reason)}
        if key in bad or key not in good:
            doubtful.append(row)    # not passed by the unmodified kernel either
        elif mutant.owns(*key):
            right.append(row)
        else:
            elsewhere.append(row)
    answer = {"by": right, "elsewhere": elsewhere, "doubtful": len(doubtful)}
    logged = by_log(mutant, run, baseline)
    if logged:
        answer["log"] = logged
    caught = bool(right or logged)
    if mutant.equivalent:
        answer.update(verdict=REFUTED if caught or elsewhere else EQUIVALENT,
                      why=mutant.equivalent)
    elif caught:
        answer.update(verdict=CAUGHT, why=summary(right, logged))
    else:
        answer.update(verdict=MISSED, why=why_missed(mutant, run, elsewhere, doubtful))
    return answer


def judge_fix(fix, run, baseline):
    """
    Of a fix the tests that are there for it must pass, unless another known issue is left
    in them, and nothing else fail for it. What is known is excused without it, not with it.
    """
    def of_another(key):
        names = KNOWN.findall(run.results.get(key, ("", ""))[1])
        return names and fix.issue not in names

    known = {key for key, (result, _) in baseline.results.items()
             if result in ("xfail", "fail") and fix.owns(*key)}
    healed = sorted(key for key in known if run.results.get(key, ("",))[0] == "pass")
    worse = {key: reason for key, reason in flaws(run.results).items()
             if key not in flaws(baseline.results) and not of_another(key)}

    def rows(reasons):
        return [{"program": program, "test": test, "reason": reason, "views": []}
                for (program, test), reason in reasons.items()]

    answer = {"by": rows({key: baseline.results[key][1] for key in healed}),
              "elsewhere": rows(worse), "verdict": NOT_FIXED}
    left = sorted(key for key in known - set(healed) if not of_another(key))
    if run.crashed():
        why = f"the guest came to no end: {run.trouble}"
    elif worse:
        why = "fails with it: " + " ".join(next(iter(worse)))
    elif left:
        why = "no pass with it: " + " ".join(left[0])
    elif not healed:
        why = "its tests find nothing without it either"
    else:
        answer["verdict"] = FIXED
        why = f"{len(healed)} known issues are gone, as {' '.join(healed[0])}"
    return answer | {"why": why}


def by_log(mutant, run, baseline):
    """The report of a crash that the unmodified kernel does not have, if it is this mutant's."""
    if not run.crashed():
        return None
    known = {line for line, _ in reports(baseline.console)}
    fresh = [(line, functions) for line, functions in reports(run.console) if line not in known]
    wanted = mutant.functions_of()
    for line, functions in fresh:
        # A bug from outside does not say which functions it can be seen in.
        if not mutant.tests() or wanted & functions or any(name in line for name in wanted):
            return {"line": line, "functions": sorted(wanted & functions), "program": run.last}
    ours = {program for program, _ in mutant.tests()}
    if not fresh and (not ours or run.last in ours):
        return {"line": f"no end: {run.trouble}", "functions": [], "program": run.last}
    return None


def summary(right, logged):
    if right:
        first = right[0]
        more = f" and {len(right) - 1} more" if len(right) > 1 else ""
        return f"{first['program']} {first['test']}{more}"
    return f"the kernel's log while {logged['program']} ran: {logged['line']}"


def why_missed(mutant, run, elsewhere, doubtful):
    if run.crashed():
        return f"the guest came to no end ({run.trouble}), for a reason that is not this mutant's"
    if elsewhere:
        return (f"only tests fail that are not there for it: {elsewhere[0]['program']}"
                f" {elsewhere[0]['test']}")
    ours = [result for (program, test), (result, _) in run.results.items()
            if mutant.owns(program, test)]
    if doubtful:
        return "a test fails, but it does not pass on the unmodified kernel either"
    if not ours:
        return "no test goes there"
    skipped = sum(result in ("skip", "inconclusive") for result in ours)
    if skipped == len(ours):
        return f"all {skipped} tests that go there are skipped"
    return f"{len(ours) - skipped} tests that go there pass" + (
        f", {skipped} are skipped" if skipped else "")


def views(answer):
    """Which views show it, the most telling first."""
    seen = []
    for row in answer.get("by", []):
        seen += [view for view in row["views"] if view not in seen]
    if answer.get("log") and "log" not in seen:
        seen.append("log")
    order = [name for name, _ in VIEWS] + ["other"]
    return sorted(seen, key=order.index)
