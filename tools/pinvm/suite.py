# SPDX-License-Identifier: GPL-2.0
"""The test suite in guests: one kernel, or a matrix of them.

In a machine whose kernel and devices we choose nothing is skipped by chance: a
skip that is not in the list of those expected is a failure.
"""

import argparse
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import consumers
import kernels
import vm
from common import (ARCHES, DATA, Error, build_dir, checkout, host_arch, leaves, results_dir,
                    say, stamp)

COLLECTION = "pin_accounting"
# Programs that take as long as all others; each guest runs a part of them.
LONG = ("matrix_test", "dio_target_test", "geometry_test", "fail_nth_test", "kernel_memory_test",
        "userfault_test")
MAX_SHARDS = 4
RESULTS = ("pass", "fail", "xfail", "skip", "inconclusive")
RUNNING = "running"
# What programs of the suite call, and files these read.
TOOLS = ("mkfs.ext4", "mkfs.ext3", "mkfs.ext2", "mkfs.xfs", "mkfs.btrfs", "mkfs.f2fs", "mkfs.vfat",
         "mkfs.exfat", "mkudffs", "mkfs.ntfs", "mkfs.jfs", "mkfs.nilfs2", "mkfs.hfsplus")
FILES = ("/etc/mke2fs.conf",)
MODULES = (
    # file systems, and what they ask for by other names
    "ext4 ext2 xfs btrfs f2fs vfat exfat udf ntfs3 jfs nilfs2 hfsplus fuse 9p 9pnet_fd 9pnet_virtio"
    " nls_cp437 nls_ascii nls_iso8859_1 nls_utf8 nls_ucs2_utils crc32c crc32c_generic"
    " crc32c_intel libcrc32c crc32_generic xor raid6_pq blake2b_generic xxhash_generic"
    # devices
    " loop dm_mod dm_crypt xts zram lz4 zstd lzo lzo_rle null_blk ublk_drv scsi_debug sd_mod sg st"
    " vivid udmabuf vduse test_hmm"
    " vfio_pci vfio_iommu_type1 iommufd vhost_vsock vhost_vdpa vdpa_sim vdpa_sim_net"
    " virtio_vdpa virtio_net"
    " dummy rdma_rxe siw ib_uverbs rds rds_tcp rds_rdma nd_e820 nd_pmem"
    # crypto by AF_ALG
    " algif_hash algif_skcipher algif_aead ccm cryptd ctr cbc cmac aes aes_generic aesni_intel sha1"
    " sha256_generic sha256")
# Queues for polled I/O; memfd_secret() is off by default before 6.5. The others
# spare an emulated processor work that has nothing to do with pins; warnings
# still go to the console.
KERNEL_WORDS = ("nvme.poll_queues=1 secretmem.enable=1"
                " loglevel=5 mitigations=off init_on_alloc=0 apparmor=0 audit=0"
                " cryptomgr.notests tsc=reliable")
# Memory that the kernel takes for persistent memory: /dev/pmem0, for FS-DAX.
PMEM_WORDS = "memmap=64M!1G"
# A page for the memory kind of that size, and so much more memory that one can be had:
# what the kernel itself needs early lies at the end.
GIGANTIC = 2 << 30
GIGANTIC_WORDS = "hugepagesz=1G hugepages=1"
# Memory that a kernel is known to leak, by the function that forgets it.
KNOWN_LEAKS = {"bio_map_user_iov": "blk-map-array-leak"}
# The same, if a test has shown it: the functions of its own module are not named any more.
SHOWN_LEAKS = {"ib_uverbs_reg_mr": "siw-reg-mr-leak"}
# What allocates for others.
ALLOCATORS = re.compile(r"_*(kmem|km?alloc|kv?m?alloc|kzalloc|slab|vmalloc|vzalloc|memdup|kstrdup"
                        r"|kvasprintf|kasprintf|pcpu)")
TROUBLE = {90: "no file system for the suite's files",
           91: "pin_helper.ko, or that of VFIO, cannot be loaded",
           92: "pin_helper.ko, or that of VFIO, cannot be unloaded after the suite",
           93: "the programs that were to pin beside the suite have ended: see fio-*.log",
           94: "the second CPU cannot be taken away while functions are hooked"}
# What pins beside the suite.
BESIDE = ("fio", "nice")


def expected_skips():
    """[(program glob, test glob, kernel glob, why)]"""
    rows = []
    for number, line in enumerate(DATA["expected-skips"].decode().splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        fields = line.split(None, 2)
        if len(fields) != 3 or ":" not in fields[0]:
            raise Error(f"expected-skips, line {number}: not PROGRAM:TEST KERNEL REASON")
        rows.append((*fields[0].split(":", 1), *fields[1:]))
    return rows


def expected(rows, program, test, release):
    return next((why for its_program, its_test, kernel, why in rows
                 if fnmatch.fnmatchcase(program, its_program)
                 and fnmatch.fnmatchcase(test, its_test)
                 and fnmatch.fnmatchcase(release, kernel)), None)


class Verdict:
    """What a run in one kernel came to."""

    def __init__(self, release, arch, memory="still"):
        self.release = release
        self.arch = arch
        self.memory = memory    # still, movable or cma: what long-term pins must leave
        self.guest = True       # whose kernel and devices we choose
        self.helper = False
        self.beside = False     # under pintrace, while others pin
        self.when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        self.programs = {}      # name -> {result: count, "seconds": n}
        self.consumers = {}     # of matrix_test, the same
        self.skips = []         # {program, test, reason, result, expected}
        self.xfails = []        # {program, test, reason}
        self.failures = []      # {program, test, reason}
        self.seconds = None
        self.first_test = None
        self.trouble = None

    def read(self, folder, seconds):
        """Takes pinreport's view of what the suite printed."""
        pinreport = build_dir() / "bin/pinreport"
        output = subprocess.run([pinreport, "--json", folder], capture_output=True, text=True,
                                check=False).stdout
        try:
            report = json.loads(output)
        except ValueError as err:
            raise Error(f"{pinreport} cannot read {folder}") from err
        rows = expected_skips()
        for run in report["runs"]:
            for program in run.get("tests", []):
                self._program(program, rows, seconds)
            for problem in [*run.get("problems", []), *filter(None, [run.get("bailout")])]:
                self.failures.append({"program": "-", "test": "-", "reason": problem})

    def read_leaks(self, path):
        """What kmemleak has found, if the kernel has it."""
        if not path.exists():
            return
        found = {}
        for text in path.read_text(errors="replace").split("unreferenced object")[1:]:
            size = re.search(r"\(size (\d+)\)", text)
            calls = re.findall(r"(\w+)(?:\.\w+)*\+0x", text)
            way = [call for call in calls if not ALLOCATORS.match(call)][:4]
            found.setdefault(tuple(way), []).append(int(size[1]) if size else 0)
        shown = {call: issue for call, issue in SHOWN_LEAKS.items()
                 if any(issue in one["reason"] for one in self.xfails)}
        excused = KNOWN_LEAKS | shown
        for way, sizes in sorted(found.items()):
            known = next((excused[call] for call in way if call in excused), None)
            (self.xfails if known else self.failures).append({
                "program": "-", "test": "kmemleak",
                "reason": f"{len(sizes)} times {min(sizes)} to {max(sizes)} bytes of "
                          f"{' < '.join(way)}{f': known issue {known}' if known else ''}"})

    def guest_name(self):
        """As expected-skips has it: the kernel, and what else makes a difference."""
        return "+".join([self.release, *["bare"] * (not self.helper),
                         *["beside"] * self.beside, self.memory])

    def _program(self, program, rows, seconds):
        name = program["name"].split(":")[-1]
        counts = dict.fromkeys(RESULTS, 0)
        for test, result, reason, _ in leaves(program):
            counts[result] += 1
            consumer, *cell = test.split(".")
            if name == "matrix_test" and len(cell) == 2:
                self.consumers.setdefault(consumer, dict.fromkeys(RESULTS, 0))[result] += 1
            row = {"program": name, "test": test, "reason": reason}
            if result == "fail":
                self.failures.append(row)
            elif result == "xfail":
                self.xfails.append(row)
            elif result in ("skip", "inconclusive"):
                row["result"] = result
                row["expected"] = expected(rows, name, test, self.guest_name())
                self.skips.append(row)
        self.programs[name] = {**counts, "seconds": seconds.get(name)}

    @classmethod
    def of(cls, shards):
        """One of several: what guests that ran a part each came to."""
        whole = cls(shards[0]["release"], shards[0]["arch"])
        whole.guest = shards[0]["guest"]
        whole.when = shards[0]["when"]
        whole.helper = all(shard["helper"] for shard in shards)
        whole.trouble = "; ".join(filter(None, (shard["trouble"] for shard in shards))) or None
        firsts = [shard["first_test"] for shard in shards]
        whole.first_test = max(firsts) if all(firsts) else None
        for shard in shards:
            whole.skips += shard["skips"]
            whole.failures += shard["failures"]
            whole.xfails += shard["xfails"]
            for ours, theirs in ((whole.programs, shard["programs"]),
                                 (whole.consumers, shard["consumers"])):
                for name, program in theirs.items():
                    sums = ours.setdefault(name, dict.fromkeys(program))
                    for key, number in program.items():
                        if number is not None:
                            sums[key] = round((sums[key] or 0) + number, 2)
        return whole

    def unexpected(self):
        return [row for row in self.skips if self.guest and not row["expected"]]

    def passed(self):
        return not (self.trouble or self.failures or self.unexpected()) and bool(self.programs)

    def total(self, result):
        return sum(program[result] for program in self.programs.values())

    def text(self):
        lines = []
        for row in self.failures:
            lines.append(f"FAIL {row['program']}:{row['test']} {row['reason']}".rstrip())
        alike = {}
        for row in self.unexpected():
            alike.setdefault((row["program"], row["reason"]), []).append(row["test"])
        for (program, reason), tests in alike.items():
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            lines.append(f"UNEXPECTED SKIP {program}:{tests[0]}{more}: {reason}")
        if self.trouble:
            lines.append(f"TROUBLE {self.trouble}")
        took = f", {self.seconds:.1f} s" if self.seconds else ""
        if self.first_test:
            took += f", first test after {self.first_test:.1f} s"
        lines.append(f"{self.release}: {'PASS' if self.passed() else 'FAIL'}"
                     f" ({', '.join(f'{self.total(result)} {result}' for result in RESULTS)}"
                     f"; helper {'yes' if self.helper else 'no'}{took})")
        return "\n".join(lines)

    def json(self):
        return {"release": self.release, "arch": self.arch, "passed": self.passed(),
                "guest": self.guest, "helper": self.helper, "when": self.when,
                "seconds": self.seconds, "first_test": self.first_test,
                "trouble": self.trouble, "programs": self.programs, "consumers": self.consumers,
                "failures": self.failures,
                "xfails": self.xfails, "skips": self.skips}


class Recorder:
    """Keeps the guest's KTAP, and the time when each program began."""

    def __init__(self, path, verbose):
        self.file = open(path, "wb", buffering=0)
        self.verbose = verbose
        self.started = time.monotonic()
        self.line = b""
        self.begun = []         # (program, when)
        self.first = None

    def __call__(self, body):
        self.file.write(body)
        *lines, self.line = (self.line + body).split(b"\n")
        now = time.monotonic()
        for line in lines:
            match = re.match(rb"# selftests: \w+: (\S+)$", line)
            if match:
                self.begun.append((match[1].decode(), now))
                self.first = self.first or now - self.started
            if self.verbose:
                print(line.decode(errors="replace"), flush=True)

    def close(self):
        self.file.close()
        ends = [when for _, when in self.begun[1:]] + [time.monotonic()]
        return {name: round(end - when, 2) for (name, when), end in zip(self.begun, ends)}


def find_helper(kernel, wish):
    """pin_helper.ko for this kernel: as named, as built now, or what there is."""
    if wish == "none":
        return None
    if wish and wish != "build":
        if not os.path.exists(wish):
            raise Error(f"there is no {wish}", usage=True)
        return Path(wish)
    module = build_dir() / "kmod" / kernel.release / "pin_helper.ko"
    # Kbuild cannot build for another architecture with Debian's headers.
    if wish and kernel.arch == host_arch():
        build = (checkout() or Path(".")) / "kmod-helper/build.sh"
        kdir = kernel.kdir or kernels.get_headers(kernel.release)
        result = subprocess.run([build, kdir, module.parent.parent], capture_output=True,
                                text=True, check=False)
        if result.returncode:
            raise Error(f"pin_helper.ko cannot be built for {kernel.release}: {result.stderr}")
    return module if module.exists() else None


def helper_copies(helper):
    """--copy arguments for pin_helper.ko, and for that of VFIO if it lies beside."""
    if not helper:
        return []
    beside = Path(helper).with_name("pin_helper_vfio.ko")
    return [f"{helper}:/pin_helper.ko",
            *([f"{beside}:/{beside.name}"] if beside.exists() else [])]


def parse_tests(texts):
    """{program: patterns} of --test PROGRAM[=PATTERN,...]; without patterns all of it."""
    wanted = {}
    for text in texts:
        program, _, patterns = text.partition("=")
        if patterns and wanted.get(program, True):
            wanted.setdefault(program, []).extend(patterns.split(","))
        else:
            wanted[program] = []
    return wanted


def programs_of(folder):
    """What there is in a suite as it was installed or built."""
    listed = folder / "kselftest-list.txt"
    if not listed.exists():
        raise Error(f"no suite in {folder}: run make")
    return [line.split(":")[1] for line in listed.read_text().split()]


def suite_copies(folder, tests):
    """--copy arguments for the suite as it was installed or built."""
    programs = programs_of(folder)
    unknown = [test for test in tests if test not in programs]
    if unknown:
        raise Error(f"no test program {unknown[0]}; there are: {' '.join(programs)}", usage=True)
    names = ["run_kselftest.sh", "kselftest", "kselftest-list.txt",
             *(f"{COLLECTION}/{name}" for name in ("settings", *(tests or programs)))]
    return [f"{folder / name}:/kselftest/{name}" for name in names]


def share(programs, split, number, count):
    """The programs of guest number (from 1 on) of count; of those to split a part is run."""
    short = [program for program in programs if program not in split]
    return [program for program in programs if program in split
            or short.index(program) % count == number - 1]


def tool_copies(arch):
    if arch == host_arch():
        found = [(vm.find_tool(tool), f"/usr/sbin/{tool}") for tool in TOOLS]
        found += [(name, name) for name in FILES]
    else:
        root = kernels.programs(arch)
        found = [(next(root.glob(f"**/*bin/{tool}"), None), f"/usr/sbin/{tool}")
                 for tool in TOOLS]
        found += [(root / name.lstrip("/"), name) for name in FILES]
    return [f"{path}:{name}" for path, name in found if path and os.path.exists(path)]


def selftests_of(kernel, options):
    # For another architecture it is built with BUILD=build/ARCH.
    built = build_dir() / ("" if kernel.arch == host_arch() else kernel.arch) / "selftests"
    return Path(options.selftests or built)


def run_shards(name, options, folder):
    """The suite in several guests at once, each a pinvm of its own."""
    kernel = kernels.find(name, options.arch)
    count = options.shards or min(os.cpu_count() or 1, MAX_SHARDS)
    wanted = parse_tests(options.tests)
    split = [program for program in LONG if not wanted or wanted.get(program) == []]
    if count == 1 or not split:
        return run_suite(name, options, folder)
    programs = list(wanted) or programs_of(selftests_of(kernel, options))
    # What all need is made by one.
    helper = find_helper(kernel, options.helper)
    vm.accelerator(vm.default_options(), kernel)
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, sys.argv[0], "suite", "--kernel", name, "--json",
             "--helper", str(helper or "none"), "--memory", options.memory,
             "--timeout", str(options.timeout)]
    for key in ("arch", "selftests", "movable", "hotplug"):
        if getattr(options, key):
            words += [f"--{key}", getattr(options, key)]
    words += [f"--append={text}" for text in options.append]
    words += ["--no-iommu"] * options.no_iommu
    words += ["--beside"] * options.beside
    words += ["--verbose"] * options.verbose
    began = time.monotonic()
    running = []
    for number in range(1, count + 1):
        tests = [f"--test={test}" + ("=" + ",".join(wanted[test]) if wanted.get(test) else "")
                 for test in share(programs, split, number, count)]
        running.append(subprocess.Popen(
            [*words, "--part", f"{number}/{count}", *tests,
             "--results", str(folder / f"part{number}")],
            stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: vm.die_with_parent(signal.SIGTERM)))
    outputs = [process.communicate()[0] for process in running]
    shards = []
    for number, output in enumerate(outputs, 1):
        try:
            shards.append(json.loads(output[output.index("{\n"):]))
        except ValueError as err:
            raise Error(f"the guest with part {number} of {count} gave no verdict") from err
    verdict = Verdict.of(shards)
    verdict.seconds = round(time.monotonic() - began, 2)
    return verdict


def memory_kind(options):
    if options.movable or options.hotplug:
        return "movable"
    words = " ".join(options.append).split()
    return "cma" if any(word.startswith("cma=") for word in words) else "still"


def run_suite(name, options, folder):
    """Boots one kernel with the suite; the folder keeps what came of it."""
    kernel = kernels.find(name, options.arch)
    verdict = Verdict(kernel.release, kernel.arch, memory_kind(options))
    helper = find_helper(kernel, options.helper)
    verdict.helper = bool(helper)
    verdict.beside = options.beside
    folder.mkdir(parents=True, exist_ok=True)
    # That of another run: pinreport would believe it.
    (folder / "verdict.json").unlink(missing_ok=True)
    selftests = selftests_of(kernel, options)
    tests = parse_tests(options.tests)
    with tempfile.TemporaryDirectory(prefix="pinvm.") as scratch:
        script = Path(scratch) / "suite.sh"
        script.write_bytes(DATA["suite.sh"])
        script.chmod(0o755)
        machine_options = vm.default_options(
            "--disk", "2G:nvme:ext4", "--disk", "64M:nvme", "--disk", "64M:nvme-meta",
            "--append", KERNEL_WORDS,
            "--env", "PIN_SUITE_DISK=@disk0", "--env", "PIN_SCRATCH_NVME=@disk1",
            "--env", "PIN_SCRATCH_NVME_META=@disk2", "--env", "PIN_SCRATCH_PMEM=/dev/pmem0",
            "--memory", options.memory, "--timeout", str(options.timeout),
            "--out", str(folder), "--log", str(folder / "console.log"),
            "--with-modules", MODULES.replace(" ", ","))
        machine_options.movable = options.movable
        machine_options.hotplug = options.hotplug
        machine_options.append += options.append
        if kernel.arch == "amd64":
            machine_options.append.append(PMEM_WORDS)
            if verdict.memory == "still":
                machine_options.append.append(GIGANTIC_WORDS)
                machine_options.memory = str(vm.size_bytes(options.memory) + GIGANTIC)
        # VFIO: a group has one owner, and many cells are at work at a time.
        machine_options.iommu = not options.no_iommu
        machine_options.device += ["-device edu"] * (8 * machine_options.iommu)
        share = Path(scratch) / "share"
        share.mkdir()
        machine_options.device.append(
            f"-fsdev local,id=share,path={share},security_model=mapped-xattr"
            " -device virtio-9p-pci,fsdev=share,mount_tag=share")
        machine_options.env.append("PIN_SCRATCH_9P=share")
        machine_options.copy += [
            f"{script}:/suite.sh", *suite_copies(selftests, list(tests)),
            *tool_copies(kernel.arch), *helper_copies(helper)]
        machine_options.command = ["/suite.sh"]
        if options.beside:
            lacking = [name for name in BESIDE if not vm.find_tool(name)]
            if lacking:
                raise Error(f"--beside needs {' and '.join(lacking)}: make setup")
            # A CPU that the host has put aside keeps the others waiting.
            guests = int((getattr(options, "part", None) or "1/1").split("/")[1])
            machine_options.one_thread = os.cpu_count() < guests * machine_options.cpus
            machine_options.disk.append("256M")
            machine_options.env.append("PIN_SUITE_BESIDE=@disk3")
            machine_options.copy += [f"{build_dir() / 'bin/pintrace'}:/bin/pintrace",
                                     *(f"{vm.find_tool(name)}:/bin/{name}" for name in BESIDE)]
            # All is slower.
            machine_options.command += ["-o", str(int(options.timeout))]
        # As kselftest's runner wants to have them.
        arguments = {program: list(patterns) for program, patterns in tests.items() if patterns}
        if getattr(options, "part", None):
            for program in set(LONG) - set(arguments):
                arguments[program] = ["--part", options.part]
        machine_options.env += [f"KSELFTEST_{program.upper()}_ARGS={' '.join(words)}"
                                for program, words in arguments.items()]
        for test in tests:
            machine_options.command += ["-t", f"{COLLECTION}:{test}"]
        recorder = Recorder(folder / "ktap.log", options.verbose)
        machine_options.stdout = recorder
        machine_options.stderr = lambda body: sys.stderr.buffer.write(body)
        machine = vm.Machine(kernel, machine_options, scratch)
        status = machine.run()
    seconds = recorder.close()
    verdict.seconds = round(time.monotonic() - recorder.started, 2)
    verdict.first_test = recorder.first and round(recorder.first, 2)
    if status:
        verdict.trouble = TROUBLE.get(status, f"the suite ended with status {status}")
    verdict.read(folder, seconds)
    verdict.read_leaks(folder / "kmemleak")
    return verdict


def run_here(options, folder):
    """The same on the running kernel, by what make run_tests uses."""
    verdict = Verdict(os.uname().release, host_arch())
    verdict.guest = False
    verdict.helper = os.path.exists("/dev/pin_helper")
    began = time.monotonic()
    env = dict(os.environ, BUILD=str(build_dir()), RESULTS=str(folder))
    script = (checkout() or Path(".")) / "tools/run_tests.sh"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([script, *options.tests], env=env, check=False,
                   stdout=None if options.verbose else subprocess.DEVNULL)
    verdict.seconds = round(time.monotonic() - began, 2)
    for run in folder.iterdir():
        verdict.read(run, {})
    return verdict


def flat(name):
    return name.strip("/").replace("/", "_")


def run_and_keep(name, options, folder, run=run_shards):
    verdict = run(name, options, folder)
    (folder / "verdict.json").write_text(json.dumps(verdict.json(), indent=1) + "\n")
    return verdict


def suite(options):
    folder = Path(options.results or results_dir() / f"{stamp()}-vm-{flat(options.kernel)}")
    if options.consumers:
        names = consumers.select(options.consumers, consumers.registry())
        options.tests.append("matrix_test=" + ",".join(f"{name}.*" for name in names))
    verdict = run_and_keep(options.kernel, options, folder,
                           run_suite if options.part else run_shards)
    print(json.dumps(verdict.json(), indent=1) if options.json else
          f"{folder}\n{verdict.text()}")
    return 0 if verdict.passed() else 1


def passed_before(path):
    """{release: verdict} of those that passed in an earlier matrix."""
    try:
        rows = json.loads(Path(path).read_text())
        verdicts = {}
        for row in rows:
            if row["passed"]:
                verdict = verdicts[row["release"]] = Verdict.of([row])
                verdict.seconds = row["seconds"]
        return verdicts
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise Error(f"{path} is no matrix.json: {err}", usage=True) from err


def write_matrix(folder, verdicts):
    """Each time, so that what is done can be kept when the rest is not."""
    (folder / "matrix.json").write_text(
        json.dumps([verdict.json() for verdict in verdicts], indent=1) + "\n")
    (folder / "matrix.md").write_text(markdown(verdicts))


def matrix(options):
    folder = Path(options.results or results_dir())
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / f"{stamp()}-matrix"
    before = passed_before(options.keep) if options.keep else {}
    verdicts = []
    for name in options.kernels:
        where = raw / flat(name)
        try:
            release = (os.uname().release if name == RUNNING else
                       kernels.find(name, options.arch).release)
            if release in before:
                say(f"{name}: kept from {before[release].when}")
                verdict = before[release]
            else:
                say(f"{name} ...")
                verdict = (run_here(options, where) if name == RUNNING else
                           run_shards(name, options, where))
        except Error as err:
            verdict = Verdict(name, options.arch or host_arch())
            verdict.trouble = str(err)
        say(verdict.text())
        verdicts.append(verdict)
        write_matrix(folder, verdicts)
    print(folder / "matrix.md")
    return 0 if all(verdict.passed() for verdict in verdicts) else 1


def markdown(verdicts):
    """The page: what each program came to on each kernel, and why it skipped."""
    def table(head, rows):
        return "\n".join(["| " + " | ".join(row) + " |"
                          for row in [head, ["---"] * len(head), *rows]]) + "\n"

    def cell(program):
        if not program:
            return "-"
        text = " / ".join(str(program[result]) for result in ("pass", "fail", "xfail"))
        text += f" / {program['skip'] + program['inconclusive']}"
        return text + (f" ({program['seconds']:.1f} s)" if program["seconds"] is not None else "")

    programs = sorted({name for verdict in verdicts for name in verdict.programs})
    parts = ["# The suite on several kernels\n",
             "Written by `make matrix`; matrix.json holds the same for programs. A cell is"
             " passed / failed / known issues (XFAIL) / skipped, and seconds in the guest.\n",
             table(["", *(verdict.release for verdict in verdicts)],
                   [[name, *(cell(verdict.programs.get(name)) for verdict in verdicts)]
                    for name in programs]
                   + [["when, UTC", *(verdict.when for verdict in verdicts)],
                      ["**verdict**", *("pass" if verdict.passed() else "**FAIL**"
                                        for verdict in verdicts)],
                      ["with pin_helper", *("yes" if verdict.helper else "no"
                                            for verdict in verdicts)],
                      ["start to first test, s", *(str(verdict.first_test or "-")
                                                   for verdict in verdicts)],
                      ["start to verdict, s", *(str(verdict.seconds or "-")
                                                for verdict in verdicts)]])]

    def cells(counts):
        words = [f"{counts[result]} {what}" for result, what in
                 (("pass", "exact"), ("xfail", "known"), ("fail", "**failed**"))
                 if counts and counts[result]]
        return ", ".join(words) or "-"

    driven = sorted({name for verdict in verdicts for name in verdict.consumers})
    if driven:
        parts += ["## Consumers\n",
                  "Cells of matrix_test, each a kind of memory and a way to let go: exact to the"
                  " page, or off by a known issue; the others are skipped.\n",
                  table(["consumer", *(verdict.release for verdict in verdicts)],
                        [[f"`{name}`", *(cells(verdict.consumers.get(name))
                                         for verdict in verdicts)]
                         for name in driven])]
    for title, rows in (
            ("Failures", [(verdict, row, "") for verdict in verdicts for row in verdict.failures]),
            ("Skips", [(verdict, row, row["expected"]
                        or ("**not expected**" if verdict.guest else ""))
                       for verdict in verdicts for row in verdict.skips])):
        groups = {}
        for verdict, row, remark in rows:
            key = (row["program"], row["reason"], remark)
            groups.setdefault(key, {}).setdefault(row["test"], []).append(verdict.release)
        if groups:
            parts.append(f"## {title}\n")
            parts.append(table(
                ["program", "tests", "kernels", "reason", "expected because"],
                [[program, str(len(tests)) if len(tests) > 1 else next(iter(tests)),
                  ", ".join(sorted({one for kernels in tests.values() for one in kernels})),
                  reason.replace("|", "\\|"), remark]
                 for (program, reason, remark), tests in sorted(groups.items())]))
    trouble = [f"- {verdict.release}: {verdict.trouble}" for verdict in verdicts if verdict.trouble]
    if trouble:
        parts += ["## Trouble\n", "\n".join(trouble) + "\n"]
    return "\n".join(parts)


def add_options(one):
    one.add_argument("--arch", choices=ARCHES, help="where the version does not say it")
    one.add_argument("--helper", nargs="?", const="build", metavar="FILE|none",
                     help="build pin_helper.ko for the kernel, or use FILE, and that of VFIO"
                     " if it lies beside, or none; without this, that in build/kmod/RELEASE/ is"
                     " used if there is one")
    one.add_argument("--selftests", metavar="DIR",
                     help="the suite as built or installed (build/selftests)")
    one.add_argument("--memory", default="2G", metavar="SIZE",
                     help="of the guest (%(default)s); one of amd64 gets 2 GiB more, of which a"
                     " page of 1 GiB is set aside, unless memory is to be movable")
    one.add_argument("--movable", metavar="SIZE",
                     help="so much of it in ZONE_MOVABLE, for the tests that need it")
    one.add_argument("--hotplug", metavar="SIZE",
                     help="more memory, plugged in as movable: it can go offline")
    one.add_argument("--no-iommu", action="store_true",
                     help="without an IOMMU: not for VFIO, but for the devices of iommufd's own"
                     " test, which 6.12 does not have beside one")
    one.add_argument("--beside", action="store_true",
                     help="under pintrace, and beside it others that pin all the time, direct I/O"
                     " and fixed buffers: the verdicts are to be exact all the same")
    one.add_argument("--append", action="append", default=[], metavar="WORDS",
                     help="for the kernel's command line, as cma=640M")
    one.add_argument("--timeout", type=float, default=1800, metavar="SECONDS",
                     help="for each guest (%(default)s)")
    one.add_argument("--test", dest="tests", action="append", default=[],
                     metavar="PROGRAM[=PATTERN,...]",
                     help="only this program, and of it only these tests; may be given again")
    one.add_argument("--shards", type=vm.positive, metavar="N",
                     help="guests at once, each with its share of the tests"
                     f" (one per CPU of this machine, up to {MAX_SHARDS})")
    one.add_argument("--results", metavar="DIR", help="where results go (results/)")
    one.add_argument("--verbose", action="store_true", help="show the KTAP as it comes")


def add_commands(command):
    one = command("suite", suite, "run the test suite in one kernel, where no skip is by chance")
    one.add_argument("--kernel", required=True, metavar="VERSION|FILE|BUILDTREE")
    one.add_argument("--json", action="store_true", help="the verdict as JSON")
    consumers.add_option(one, "only matrix_test, and of it only these consumers")
    one.add_argument("--part", metavar="K/N", help=argparse.SUPPRESS)
    add_options(one)
    one = command("matrix", matrix, "run the suite in several kernels and write matrix.md")
    one.add_argument("kernels", nargs="+", metavar="KERNEL",
                     help=f"as for suite; \"{RUNNING}\" is the running kernel")
    one.add_argument("--keep", metavar="MATRIX.json",
                     help="kernels that passed in this earlier matrix are not run again")
    add_options(one)
