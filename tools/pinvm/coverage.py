# SPDX-License-Identifier: GPL-2.0
"""Which lines of the kernel's pin paths the suite reaches, and why the others are not.

The kernel counts, by gcov, in the files that are named here.
"""

import argparse
import fnmatch
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import build
import suite
from common import DATA, Error, results_dir, say, stamp

FILES = (
    "mm/gup.c", "mm/process_vm_access.c", "lib/iov_iter.c", "lib/scatterlist.c",
    "block/bio.c", "block/bio-integrity.c", "block/blk-map.c", "block/fops.c",
    "fs/direct-io.c", "fs/iomap/direct-io.c",
    "io_uring/memmap.c", "io_uring/rsrc.c", "net/rds/rdma.c", "net/xdp/xdp_umem.c",
    "drivers/dma-buf/udmabuf.c", "drivers/infiniband/core/umem.c",
    "drivers/iommu/iommufd/pages.c", "drivers/vdpa/vdpa_user/vduse_dev.c",
    "drivers/vfio/vfio_iommu_type1.c", "drivers/vhost/vdpa.c",
)
# What wants another guest than the rest of the suite: its options, and the tests.
BESIDE = (
    # An IOMMU makes NVMe commands shorter, too.
    ({"no_iommu": True}, ("iommufd_test", "matrix_test=iommufd_*.*,nvme_*.*",
                          "fail_nth_test=iommufd_*.*,nvme_*.*", "limits_test=*.iommufd_*",
                          "geometry_test=iommufd_*.*,nvme_*.*", "userfault_test=iommufd_*.*")),
    ({"movable": "700M"}, ("longterm_test",)),
)
PRIMITIVE = re.compile(r"""
    (un)?pin_user_\w+ | unpin_folios? | memfd_pin_folios | FOLL_PIN | BIO_PAGE_PINNED
    | try_grab_\w+ | gup_put_folio | folio_add_pins? | GUP_PIN_COUNTING_BIAS
    | iov_iter_extract_\w+ | extract_\w+_to_sg | bio_release_pages? | bio_iov_iter_get_pages
""", re.X)
# These lead to much else besides.
DISPATCHER = re.compile(r"\w+_ioctl")
RULE = """\
Of the functions in these files those count that pin, unpin, or call one that
does (but for the ioctl functions, which lead to all that a driver has), and
those that only these call."""


class Function:
    def __init__(self, name, first, last, static, words):
        self.name, self.first, self.last, self.static = name, first, last, static
        self.words = words      # of its body
        self.counts = {}        # line -> how often, of the lines that gcov counts

    def reached(self):
        return sum(map(bool, self.counts.values()))


def without_comments(text):
    """Line by line the same."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda comment: "\n" * comment[0].count("\n"), text,
                  flags=re.S)


def functions_of(text):
    """Laid out as the kernel's style wants it: braces at the start of a line around it."""
    found, start = [], None
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = start - 1
            while head and not re.match(r"\w[^:]*\(", lines[head]):
                head -= 1
            name = re.match(r"SYSCALL_DEFINE\d\((\w+)|.*?(\w+)\s*\(", lines[head])
            body = without_comments("\n".join(lines[start:number]))
            body = re.sub(r"\"(\\.|[^\"\\])*\"", "", body)
            if name:
                found.append(Function(name[1] or name[2], head + 1, number + 1,
                                      "static" in " ".join(lines[max(head - 1, 0):start]),
                                      set(re.findall(r"\w+", body))))
            start = None
    return found


def pin_paths(files):
    """Takes {file: functions}, gives those that RULE says."""
    chosen = {name: set() for name in files}

    def callers(name, one):
        known = {other.name for where, others in chosen.items() for other in others
                 if where == name or not other.static}
        return not DISPATCHER.fullmatch(one.name) and any(
            PRIMITIVE.fullmatch(word) or word in known for word in {one.name} | one.words)

    def called_only(name, one):
        calling = {other for other in files[name] if one.name in other.words and other != one}
        return one.static and calling and calling <= chosen[name]

    for rule in (callers, called_only):
        more = True
        while more:
            more = [(name, one) for name, functions in files.items() for one in functions
                    if one not in chosen[name] and rule(name, one)]
            for name, one in more:
                chosen[name].add(one)
    return {name: [one for one in functions if one in chosen[name]]
            for name, functions in files.items()}


def counts_of(name, data):
    """{line: times} of a source file, as gcov reads one file of counts or only of notes."""
    result = subprocess.run(["gcov", "--json-format", "--stdout", "-o", data, data],
                            capture_output=True, text=True, check=False)
    try:
        files = [one for line in result.stdout.splitlines() for one in json.loads(line)["files"]]
    except ValueError as err:
        raise Error(f"gcov cannot read {data}: {result.stderr}") from err
    counts = Counter()
    for one in files:
        if one["file"].endswith(f"/{name}") or one["file"] == name:
            for line in one["lines"]:
                counts[line["line_number"]] += line["count"]
    return counts


def count(tree, folders):
    """{file: functions} of the pin paths, with the counts of all guests."""
    notes = {name: (tree / name).with_suffix(".gcno") for name in FILES}
    for name in [name for name in FILES if not notes[name].exists()]:
        say(f"{name} is not in {tree}, or was not built to be counted")
        del notes[name]
    paths = pin_paths({name: functions_of((tree / "source" / name).read_text())
                       for name in notes})
    for name, functions in paths.items():
        data = str(Path(name).with_suffix(".gcda"))
        # A module that no guest has loaded has notes alone.
        found = [path for folder in folders for path in folder.rglob(data)] or [notes[name]]
        counts = Counter()
        for path in found:
            counts.update(counts_of(name, path))
        for one in functions:
            one.counts = {line: counts[line] for line in range(one.first, one.last + 1)
                          if line in counts}
        paths[name] = [one for one in functions if one.counts]
    return paths


def reasons():
    """[(FILE:FUNCTION glob, glob of the text, reason)]"""
    rows = [re.split(r"\t+", line) for line in DATA["coverage-why"].decode().splitlines()
            if line and not line.startswith("#")]
    for row in rows:
        if len(row) != 3:
            raise Error(f"coverage-why: not FILE:FUNCTION, TEXT, REASON between tabs: {row}")
    return rows


def gaps(name, one, source):
    """The blocks of a function that were not reached."""
    lines = sorted(one.counts)
    if not one.reached():
        yield {"function": one.name, "first": one.first, "last": one.last, "lines": len(lines),
               "text": "(not called)"}
        return
    block = []
    for line in [*lines, None]:
        if line and not one.counts[line]:
            block.append(line)
        elif block:
            above = block[0] - 1
            while above > one.first and not source[above - 1].strip():
                above -= 1
            text = f"{source[above - 1].strip()} {source[block[0] - 1].strip()}"
            yield {"function": one.name, "first": block[0], "last": block[-1],
                   "lines": len(block), "text": text}
            block = []


def evaluate(paths, tree):
    """What goes into coverage.json: a row for each file."""
    whys, used, rows = reasons(), set(), []
    for name, functions in paths.items():
        source = without_comments((tree / "source" / name).read_text()).splitlines()
        blocks = [block for one in functions for block in gaps(name, one, source)]
        for block in blocks:
            block["why"] = None
            for number, (where, text, why) in enumerate(whys):
                if (fnmatch.fnmatchcase(f"{name}:{block['function']}", where)
                        and fnmatch.fnmatchcase(block["text"], text)):
                    block["why"] = why
                    used.add(number)
                    break
        rows.append({"file": name, "functions": len(functions),
                     "functions_reached": sum(bool(one.reached()) for one in functions),
                     "lines": sum(len(one.counts) for one in functions),
                     "lines_reached": sum(one.reached() for one in functions),
                     "blocks": blocks})
    for number, row in enumerate(whys):
        if number not in used:
            say(f"coverage-why: no unreached block is \"{row[0]}\" \"{row[1]}\"")
    return rows


def markdown(rows, runs):
    def line(name, group):
        total = {key: sum(row[key] for row in group)
                 for key in ("functions_reached", "functions", "lines_reached", "lines")}
        blocks = [block for row in group for block in row["blocks"]]
        return (f"| {name} | {total['functions_reached']} / {total['functions']}"
                f" | {total['lines_reached']} / {total['lines']}"
                f" | {100 * total['lines_reached'] // max(total['lines'], 1)} %"
                f" | {sum(not block['why'] for block in blocks)} / {len(blocks)} |")

    def cell(text):
        return text.replace("|", "\\|")

    parts = ["# Lines of the pin paths that the suite reaches\n",
             "Written by `pinvm coverage`; coverage.json holds the same for programs. "
             + RULE.replace("\n", " ")
             + " A line counts as reached if any instruction of it was.\n",
             runs + "\n",
             "| file | functions | lines | | blocks not reached: without a reason / all |\n"
             "|---|---|---|---|---|\n"
             + "\n".join([*(line(row["file"], [row]) for row in rows), line("**all**", rows)])
             + "\n",
             "## What is not reached\n",
             "A block is what lies between two lines that were reached; the text is its first"
             " line, behind the one above it. **?** has no reason in tools/pinvm/coverage-why.\n"]
    for row in rows:
        if row["blocks"]:
            parts.append(f"### {row['file']}\n")
            parts.append("| function | lines | | why |\n|---|---|---|---|\n" + "".join(
                f"| {one['function']} | {one['first']}-{one['last']} | `{cell(one['text'])}`"
                f" | {cell(one['why'] or '**?**')} |\n" for one in row["blocks"]))
    return "\n".join(parts)


def verdict_of(folder):
    try:
        return json.loads((folder / "verdict.json").read_text())
    except (OSError, ValueError) as err:
        raise Error(f"{folder} holds no run of the suite", usage=True) from err


def coverage(options):
    top = Path(options.results or results_dir())
    tree = Path(options.tree or build.linux_dir() / "build-gcov").absolute()
    folders = [Path(name) for name in options.read]
    if not folders:
        options.tree = tree
        options.make = [f"GCOV_PROFILE_{Path(name).stem}.o=y" for name in FILES]
        build.build_tree(options)
        for number, (more, tests) in enumerate([({}, options.tests), *BESIDE]):
            folders.append(top / f"{stamp()}-coverage{number}")
            one = argparse.Namespace(**{**vars(options), **more, "tests": list(tests)})
            say(suite.run_and_keep(str(tree), one, folders[-1]).text())
            if options.tests:
                break
    verdicts = [verdict_of(folder) for folder in folders]
    rows = evaluate(count(tree, folders), tree)
    (top / "coverage.json").write_text(
        json.dumps({"release": verdicts[0]["release"], "files": rows}, indent=1) + "\n")
    (top / "coverage.md").write_text(markdown(rows, "\n".join(
        f"- {one['when']} UTC, {suite.Verdict.of([one]).text().splitlines()[-1]}"
        for one in verdicts)))
    print(top / "coverage.md")
    return 0 if all(one["passed"] for one in verdicts) else 1


def add_command(command):
    one = command("coverage", coverage, "run the suite in a kernel that counts which lines of its"
                  " pin paths are reached, and write coverage.md")
    one.epilog = RULE + (" The reasons are in tools/pinvm/coverage-why. Exit status: 0 if the"
                         " suite passed, else 1.")
    one.add_argument("--tree", metavar="TREE",
                     help="where to build that kernel (.cache/linux/build-gcov)")
    one.add_argument("--from", dest="read", nargs="+", default=[], metavar="DIR",
                     help="run nothing: the report of these earlier runs, which add up")
    build.add_options(one)
    suite.add_options(one)
