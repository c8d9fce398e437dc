# SPDX-License-Identifier: GPL-2.0
"""Which lines of the kernel's pin paths a run of the suite has reached."""

import gzip
import json
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import build
import suite
from common import Error, checkout, results_dir, say, stamp

# What is compiled for gcov, and in each the functions that are on the way of a
# pin, from where it is asked for to where it is dropped.
FILES = {
    "mm/gup.c": r"gup|pin|grab|longterm|migrat|unpin|follow|fault_in_user|zero",
    "mm/process_vm_access.c": r".",
    "mm/memfd.c": r"memfd_alloc",
    "lib/iov_iter.c": r"extract|iov_iter_revert",
    "lib/scatterlist.c": r"extract",
    "block/bio.c": r"iov_iter|release_pages|unpin|align_down",
    "block/bio-integrity.c": r"user|pin",
    "block/blk-map.c": r"map_user|unmap_user|release_page|copy_user",
    "block/fops.c": r"direct_IO|bio_end_io",
    "fs/direct-io.c": r"page|dio_(send|submit|refill|zero|cleanup|bio)|direct_IO",
    "fs/iomap/direct-io.c": r"bio|zero|dio",
    "io_uring/rsrc.c": r"buffer|pin|coalesc|account|clone",
    "io_uring/memmap.c": r"pin|region|uaddr",
    "io_uring/kbuf.c": r"pbuf|pin",
    "net/xdp/xdp_umem.c": r"pin|reg|release|create|account|map",
    "net/rds/rdma.c": r"pin|mr|extra",
    "net/rds/info.c": r"getsockopt",
    "drivers/infiniband/core/umem.c": r"umem",
    "drivers/dma-buf/udmabuf.c": r"udmabuf",
    "drivers/vfio/vfio_iommu_type1.c": r"pin|vaddr|map|batch",
    "drivers/iommu/iommufd/pages.c": r"pfn_reader|unpin|pin|access",
    "drivers/vhost/vdpa.c": r"map|unmap|pin|iotlb",
    "drivers/vdpa/vdpa_user/vduse_dev.c": r"umem",
    "drivers/media/common/videobuf2/frame_vector.c": r"frame",
    "fs/fuse/file.c": r"get_user_pages|release_user_pages|direct_io",
}
FRAGMENT = "tools/kernel/gcov.config"
# Where an IOMMU is in use, the devices of iommufd's own test are refused.
NO_IOMMU = "intel_iommu=off"
ITS_TESTS = ["matrix_test=iommufd*", "fail_nth_test=iommufd*", "limits_test=*.iommufd*"]


def functions(gcda, gcno, pattern):
    """[(function, first line, lines, lines reached, [lines not reached])]"""
    with tempfile.TemporaryDirectory(prefix="pinvm.") as scratch:
        for file in (gcda, gcno):
            shutil.copy(file, scratch)
        subprocess.run(["gcov", "--json-format", gcda.name], cwd=scratch, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with gzip.open(next(Path(scratch).glob("*.gcov.json.gz"))) as file:
            report = json.load(file)
    found = []
    for file in report["files"]:
        if Path(file["file"]).suffix != ".c":
            continue
        lines = defaultdict(dict)
        for line in file["lines"]:
            if "function_name" in line:
                had = lines[line["function_name"]].get(line["line_number"], 0)
                lines[line["function_name"]][line["line_number"]] = had + line["count"]
        for function in file["functions"]:
            name = re.sub(r"\.(isra|part|constprop|cold)\b.*", "", function["name"])
            own = lines[function["name"]]
            if own and re.search(pattern, name):
                missed = sorted(number for number, count in own.items() if not count)
                found.append((name, function["start_line"], len(own), len(own) - len(missed),
                              missed))
    return sorted(found, key=lambda row: row[1])


def ranges(source, numbers):
    """12-14, 20: numbers of lines with code, across those that have none."""
    text = source.read_text().splitlines()
    parts = []
    for number in numbers:
        between = text[parts[-1][1]:number - 1] if parts else ["x"]
        if parts and not any(re.search(r"[\w;]", line) for line in between):
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{first}-{last}" if first != last else str(first) for first, last in parts)


def summarise(source, tree, counts):
    """The page, and the total of (lines, lines reached)."""
    page, total, reached = [], 0, 0
    rows = []
    for file, pattern in FILES.items():
        stem = Path(file).with_suffix("")
        gcda, gcno = counts / f"{stem}.gcda", tree / f"{stem}.gcno"
        if not gcda.exists() or not gcno.exists():
            rows.append(f"| `{file}` | - | - | not in this kernel, or its module was not loaded |")
            continue
        found = functions(gcda, gcno, pattern)
        lines, hit = sum(row[2] for row in found), sum(row[3] for row in found)
        total, reached = total + lines, reached + hit
        never = [row[0] for row in found if not row[3]]
        rows.append(f"| `{file}` | {hit} of {lines} | {100 * hit // max(lines, 1)} % |"
                    f" {', '.join(f'`{name}`' for name in never)} |")
        detail = [f"- `{name}`: {hit} of {lines}; not {ranges(source / file, missed)}"
                  for name, _, lines, hit, missed in found if hit and missed]
        if detail:
            page.append(f"### {file}\n\n" + "\n".join(detail))
    head = ("| file | lines of pin paths reached | | functions never entered |\n"
            "|---|---|---|---|\n" + "\n".join(rows))
    return head + "\n\n## Lines not reached\n\n" + "\n\n".join(page) + "\n", total, reached


def merged(folder):
    """One tree of counts of all that guests have sent."""
    whole = folder / "counts"
    for counts in sorted(folder.glob("**/gcov")):
        if not whole.exists():
            shutil.copytree(counts, whole)
            continue
        both = folder / "both"
        subprocess.run(["gcov-tool", "merge", "-o", both, whole, counts], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(whole)
        both.rename(whole)
    if not whole.exists():
        raise Error(f"the guests have sent no counts: see the logs in {folder}")
    return whole


def coverage(options):
    top = checkout()
    if not top:
        raise Error("this is for a checkout")
    for program in ("gcov", "gcov-tool"):
        if not shutil.which(program):
            raise Error(f"no {program}: install gcc")
    options.config = [str(top / FRAGMENT)]
    options.make = [f"GCOV_PROFILE_{Path(file).stem}.o=y" for file in FILES]
    build.build(options)
    tree = Path(options.tree).absolute()
    folder = Path(options.results or results_dir() / f"{stamp()}-coverage")
    verdict = suite.run_shards(str(tree), options, folder / "suite")
    say(verdict.text())
    if not options.tests:
        options.tests, options.append = ITS_TESTS, [*options.append, NO_IOMMU]
        say(suite.run_suite(str(tree), options, folder / "no-iommu").text())
    page, total, reached = summarise(build.source_of(options), tree, merged(folder))
    head = (f"# Lines of the kernel's pin paths that the suite reaches\n\nLinux {verdict.release},"
            f" {verdict.when}, by `pinvm coverage`: {reached} of {total} lines,"
            f" {100 * reached // total} %.\n\n")
    (folder / "coverage.md").write_text(head + page)
    print(head + page + f"{folder / 'coverage.md'}")
    return 0


def add_command(command):
    one = command("coverage", coverage, "build a kernel for gcov, run the suite in it, and say"
                  " which lines of the pin paths were not reached")
    build.add_options(one)
    suite.add_options(one)
