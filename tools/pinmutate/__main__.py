# SPDX-License-Identifier: GPL-2.0
"""Puts known pin bugs back into a kernel and tells whether the suite sees them."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import judge
import mutants
import report
import score
import switch
import tree as trees
from common import Error, cache_dir, say

EPILOG = """\
A mutant is a semantic patch (Coccinelle) in tools/mutants/ that puts one bug
into a kernel source, of whatever version has that code. Its first comment says
what the bug is and which tests of the suite are there to see it.

The source is Debian's linux-source-6.12, which is unpacked and copied below
.cache/linux/ once, or KSRC=DIR, which is never written to: all is done in a
copy. There is one source tree and one build tree; after each command, however
it ends, the source is as it was, and if pinmutate was killed the next one puts
it right. Only one can be at work at a time. A mutant that is not for the
source's version, as its header knows, is left out, and that is said.

A mutant counts as caught only if a test fails that is there for it and that
passes, or fails by a known issue only, on the unmodified build of the same
tree. If the kernel dies or hangs, which the unmodified one does not, it is
caught if the log names one of the functions that the mutant does, or if there
is no report at all and the program that ran is one of its own. A mutant that is
"equivalent" changes nothing that can be seen, says why, and must not be
reported by any test.

A kernel can also have many mutants, of which pin_mutant=N on its command line
chooses one: each function that one of them changes is there once more, as that
one has it. Without it all are off, and that is the unmodified kernel to compare
with. score does so: one build for all, and as many guests at once as there are
CPUs.

The first build takes 5 to 15 minutes, each other one 15 to 60 seconds.

Environment: KSRC as above; CACHE instead of .cache/; BUILD, RESULTS instead of
build/ and results/.

Exit status: 0 all is well (for run and score: no mutant missed, broken or
wrongly called equivalent), 1 it is not, 2 wrong usage, 4 cannot be done here."""

GOOD = (judge.CAUGHT, judge.EQUIVALENT, judge.FIXED)


def interrupted(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    say(f"interrupted by {signal.Signals(number).name}")
    sys.exit(128 + number)


def chosen(options):
    """The mutants that were named, and those from outside."""
    extra = [mutants.Mutant(path, options.on) for path in options.file]
    if options.on and not extra:
        raise Error("--on goes with --file", usage=True)
    return [*([] if extra and not options.names else mutants.choose(options.names)), *extra]


def wanted(options):
    if not options.names and not options.file:
        raise Error("which mutant? See pinmutate list", usage=True)
    return chosen(options)


def fitting(rows):
    """Those that are for the source's version; says which are not."""
    series = trees.series(trees.pristine())
    kept = [one for one in rows if one.is_for(series)]
    for one in rows:
        if one not in kept:
            say(f"{one.name}: not for {series} (versions: {one.versions})")
    if rows and not kept:
        raise Error(f"nothing to do: none is for {series}")
    return kept


def list_mutants(options):
    rows = mutants.choose(options.names)
    if options.json:
        print(json.dumps([one.json() for one in rows], indent=1))
        return 0
    width = max(len(one.name) for one in rows)
    for one in rows:
        print(f"{one.name:{width}} {one.kind} {'=' if one.equivalent else ' '}"
              f" {' '.join(one.files)}")
    return 0


def show(options):
    one = wanted(options)[0]
    if options.diff:
        print(trees.difference(one, trees.pristine()), end="")
    elif options.json:
        print(json.dumps(one.json(), indent=1))
    else:
        print(one.path.read_text(), end="")
    return 0


def check(options):
    """Headers, and whether each still applies if it is to; writes nowhere."""
    part, _, parts = options.part.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise Error(f"--part {options.part}: as 1/4", usage=True)
    rows, wrong, elsewhere = chosen(options), 0, 0
    for one in mutants.fixes(()) if not options.names and not options.file else ():
        for problem in one.problems():
            print(f"{one.name}: {problem}")
            wrong += 1
    source = None if options.headers else trees.pristine()
    series = source and trees.series(source)
    for number, one in enumerate(rows):
        problems = list(one.problems())
        if not one.is_for(series):
            print(f"{one.name}: not for {series} (versions: {one.versions})")
            elsewhere += 1
        elif source and number % int(parts) == int(part) - 1:
            try:
                trees.difference(one, source)
            except Error as err:
                problems.append(str(err))
        for problem in problems:
            print(f"{one.name}: {problem}")
        wrong += bool(problems)
    print(f"{len(rows)} mutants, {wrong} with problems" +
          (f", {elsewhere} not for {series}" if elsewhere else ""))
    return 1 if wrong else 0


def apply(options):
    rows = fitting(wanted(options))
    # Not "with": this one is to stay.
    tree = trees.Tree().__enter__()
    if len(rows) == 1:
        print(tree.apply(rows[0]), end="")
    else:
        switched = switch.Switched(rows, tree.pristine)
        tree.apply(switched)
        for one in rows:
            print(f"{one.name}: " + ("has to be alone" if one in switched.apart else
                                     switched.word(one)))
    say(f"applied in {tree.source}; undone by: pinmutate undo, or by the next command")
    return 0


def undo(_options):
    # What is left behind is undone by whoever comes.
    with trees.Tree() as tree:
        print(f"{tree.source} is as it was")
    return 0


def build(options):
    rows = [None] if options.unmodified else fitting(wanted(options))
    with trees.Tree(options.config) as tree:
        for one in rows:
            began = time.monotonic()
            if one:
                tree.apply(one)
            tree.make()
            name = one.name if one else "unmodified"
            if options.to:
                target = Path(options.to) / name
                tree.export(target)
                print(target)
            else:
                print(tree.build)
            say(f"{name}: built in {time.monotonic() - began:.0f} s")
            tree.undo()
    return 0


def run_or_score(options, rows, judge_by=judge.judge):
    rows = fitting(rows)
    folder = score.choose_folder(options)
    with trees.Tree(options.config) as tree:
        folder.mkdir(parents=True, exist_ok=True)
        say(f"results go to {folder}")
        one = score.Score(options, folder, judge_by)
        results = one.all(tree, rows)
    return results, one.about, folder


def run(options):
    results, *_ = run_or_score(options, wanted(options))
    return print_results(options, results)


def fix(options):
    results, *_ = run_or_score(options, mutants.fixes(options.names), judge.judge_fix)
    return print_results(options, results)


def print_results(options, results):
    for result in results:
        if options.json:
            print(json.dumps(result, indent=1))
        else:
            print(score.line(result))
            for row in result.get("by", [])[:20]:
                print(f"  {row['program']} {row['test']} [{' '.join(row['views'])}]"
                      f" {row['reason']}")
            for row in result.get("elsewhere", [])[:10]:
                print(f"  (not there for it) {row['program']} {row['test']} {row['reason']}")
    return 0 if all(result["verdict"] in GOOD for result in results) else 1


def score_all(options):
    rows = chosen(options)
    results, baseline, folder = run_or_score(options, rows)
    # The report is of all.
    if not options.names and not options.file:
        score.write_report([folder])
    if options.json:
        print(json.dumps([report.kept(result, baseline) for result in results], indent=1))
    else:
        print(report.text(results))
    for result in results:
        if result["verdict"] not in GOOD and not options.json:
            print(f"{result['name']}: {result['verdict']}: {result['why']}")
    for failure in baseline["failures"] if not options.json else []:
        print(f"without any mutant: {failure}")
    return 0 if all(result["verdict"] in GOOD for result in results) \
        and not baseline["failures"] else 1


def write(options):
    """Adds results that there are to mutants.json, and makes mutants.md anew."""
    folders = [Path(name) for name in options.results] or [score.newest_folder()]
    print(report.text(score.write_report(folders)))
    return 0


def judge_again(options):
    """The verdict on results that were kept, without any guest: for make check."""
    case = json.loads(sys.stdin.read() if options.case == "-" else Path(options.case).read_text())

    def made(run):
        return judge.Run({(program, test): (result, reason)
                          for program, test, result, reason in run["results"]},
                         run.get("trouble"), run.get("console", ""), run.get("last"))

    if "fix" in case:
        about, judge_by = mutants.fixes([case["fix"]])[0], judge.judge_fix
    elif case["mutant"].endswith(tuple(mutants.SUFFIXES)):
        about, judge_by = mutants.Mutant(Path(options.case).parent / case["mutant"]), judge.judge
    else:
        about, judge_by = mutants.find(case["mutant"]), judge.judge
    answer = judge_by(about, made(case["run"]), made(case["baseline"]))
    answer["views"] = judge.views(answer)
    print(json.dumps(answer, indent=1))
    return 0


def parser():
    top = argparse.ArgumentParser(
        prog="pinmutate", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text, names="*"):
        one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        one.set_defaults(function=function)
        if names:
            one.add_argument("names", nargs=names, metavar="MUTANT",
                             help="by name or pattern, as 'iouring-*'")
        return one

    def outside(one):
        one.add_argument("--file", action="append", default=[], metavar="FILE",
                         help="a mutant of your own: a .cocci, .py or .patch; the whole suite is"
                         " its test, unless its header says tests:")
        one.add_argument("--on", action="append", default=[], metavar="SOURCE",
                         help="the files it changes, where its header does not say files:")

    def configured(one):
        one.add_argument("--config", metavar="FILE", help="merged over our configuration, in"
                         " a build tree of its own: tools/kernel/debug.config")

    def running(one, together=None):
        configured(one)
        one.set_defaults(together=False)
        if together is not None:
            one.add_argument("--together", action=argparse.BooleanOptionalAction, default=together,
                             help="all in one kernel, and its command line chooses, or each in one"
                             f" of its own ({'together' if together else 'each'})")
        one.add_argument("--full", action="store_true",
                         help="the whole suite for each, not only the tests that are there for it")
        one.add_argument("--no-theirs", action="store_true",
                         help="without the kernel's own selftests side by side")
        one.add_argument("--results", metavar="DIR",
                         help="where results go, and come from if there are"
                         " (results/STAMP-mutants/)")
        one.add_argument("--resume", action="store_true",
                         help="go on with the newest results: what is done is not done again")
        one.add_argument("--json", action="store_true", help="as JSON")

    one = command("list", list_mutants, "list the mutants, their kinds and files; = is equivalent")
    one.add_argument("--json", action="store_true", help="the headers as JSON")

    one = command("show", show, "show a mutant", names=1)
    one.add_argument("--diff", action="store_true", help="what it does to the source")
    one.add_argument("--json", action="store_true", help="its header as JSON")
    one.set_defaults(file=[], on=[])

    one = command("check", check, "check headers, and whether mutants apply to the source")
    one.add_argument("--headers", action="store_true", help="only the headers")
    one.add_argument("--part", default="1/1", metavar="I/N", help="apply only each Nth of them")
    outside(one)

    one = command("apply", apply, "put a mutant, or several to choose from, into our source tree"
                  " and leave it there")
    outside(one)
    command("undo", undo, "take it out again", names=None)

    one = command("build", build, "build kernels with a mutant in them")
    one.add_argument("--to", metavar="DIR",
                     help="put image, modules and pin_helper.ko into DIR/MUTANT, for"
                     " pinvm suite --kernel DIR/MUTANT --helper DIR/MUTANT/pin_helper.ko")
    one.add_argument("--unmodified", action="store_true", help="build without any instead")
    configured(one)
    outside(one)

    one = command("run", run, "build, boot, test and judge mutants")
    outside(one)
    running(one, together=False)

    one = command("score", score_all, "the same for all or some, with progress; of all,"
                  " results/mutants.md is written")
    outside(one)
    running(one, together=True)

    one = command("fix", fix, "the same for fixes of tools/fixes/: what is known to fail without"
                  " one must pass with it, and nothing else fail", names=None)
    one.add_argument("names", nargs="*", metavar="FIX", help="by name (all)")
    running(one)

    one = command("report", write, "add results that there are to results/mutants.json, and write"
                  " results/mutants.md of it", names=None)
    one.add_argument("--results", metavar="DIR", action="append", default=[],
                     help="which (the newest); may be given several times")

    one = command("judge", judge_again, "judge results without a guest", names=None)
    one.add_argument("case", metavar="FILE",
                     help="JSON with mutant or fix, and results of the baseline and of the run")
    return top


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    options = parser().parse_args()
    if isinstance(getattr(options, "names", None), str):
        options.names = [options.names]
    elif getattr(options, "names", ()) is None:
        options.names = []
    try:
        return options.function(options)
    except Error as err:
        say(err)
        return err.status
    except BrokenPipeError:
        # Nobody reads on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as err:
        say(f"{err} (the cache is {cache_dir().parent}; CACHE=DIR names another)")
        return 4


sys.exit(main())
