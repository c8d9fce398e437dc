# SPDX-License-Identifier: GPL-2.0
"""Boots a guest, passes its output on and judges how it ended."""

import argparse
import contextlib
import ctypes
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import initramfs
import kernels
from common import ARCHES, Error, cache_dir, host_arch, say

LOST = 99               # nothing can be said about the command: see the log
CHANNELS = ("control", "out", "err", "files")
END = b"\0pinvm: all\n"         # what init puts behind all that goes by a channel
TROUBLE = re.compile(r"Kernel panic|Oops|BUG:|Unable to handle|general protection"
                     r"|Internal error|pinvm: no virtio")
# QEMU's TCG now and then executes an instruction that the guest patches at
# that moment, while it boots. That is no word about the kernel.
PATCHING = re.compile(r"int3: |text_poke|jump_label|static_key|alternatives")
DISKS = {
    "virtio": (["virtio_blk"], "virtio-blk-pci", "vd{}"),
    "nvme": (["nvme"], "nvme", "nvme{}n1"),
    # with metadata for each block, in a buffer of its own
    "nvme-meta": (["nvme"], "nvme-ns,ms=64", "nvme{}n1"),
    "scsi": (["virtio_scsi", "sd_mod"], "scsi-hd", "sd{}"),
}


def add_options(parser):
    """What a machine is made of."""
    add = parser.add_argument
    add("--arch", choices=ARCHES, help="architecture, where the kernel's name does not say it")
    add("--nodes", type=positive, default=2, metavar="N", help="NUMA nodes (%(default)s)")
    add("--cpus", type=positive, default=2, metavar="N", help="processors (%(default)s)")
    add("--memory", default="2G", metavar="SIZE",
        help="memory of all nodes (%(default)s); with less than 512M Linux has no THP")
    add("--movable", nargs="?", const="half", metavar="SIZE",
        help="so much of it in ZONE_MOVABLE (movablecore=); half of it by default")
    add("--hotplug", metavar="SIZE", help="more memory, plugged in as movable")
    add("--disk", action="append", default=[], metavar="SIZE[:virtio|nvme|nvme-meta|scsi[:FS]]",
        help="a disk, empty or with a file system; may be given again")
    add("--iommu", action="store_true", help="an IOMMU, and the kernel uses it")
    add("--modules", action="append", default=[], metavar="A,B", help="modules to load")
    add("--with-modules", action="append", default=[], metavar="A,B",
        help="modules to have in reach of modprobe; those a kernel lacks are left out")
    add("--copy", action="append", default=[], metavar="SRC[:DST]",
        help="a file or folder for the guest, programs with their libraries")
    add("--env", action="append", default=[], metavar="NAME=VALUE",
        help="a variable of the command's environment; the value @diskN stands for the device"
        " of the Nth --disk, from 0 on")
    add("--out", metavar="DIR", help="where what the guest puts into /out comes to")
    add("--append", action="append", default=[], metavar="WORDS",
        help="for the kernel's command line")
    add("--device", action="append", default=[], metavar="QEMUARGS",
        help="arguments for QEMU as they are, as '-device edu'")
    add("--net", choices=("none",), default="none", help="there is no network but lo")
    add("--accel", choices=("kvm", "tcg"), help="instead of what a probe finds to work")
    add("--one-thread", action="store_true",
        help="under TCG, one thread for all CPUs: slower, but safe for code that is changed in"
        " which another CPU is, as where functions are hooked")
    add("--timeout", type=float, default=300, metavar="SECONDS",
        help="give the guest up after that time (%(default)s)")
    add("--log", metavar="FILE", help="where the console's log goes, and stays")
    add("--gdb", action="store_true", help="wait for gdb on port 1234 before the first instruction")
    add("--shell", action="store_true", help="an interactive shell on the console, not a command")
    add("--dry-run", action="store_true", help="print QEMU's command line only")


def default_options(*words):
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = parser.parse_args(words)
    options.command, options.insmod = [], []
    options.stdout = options.stderr = lambda body: None
    return options


def write_to(stream):
    def write(body):
        stream.buffer.write(body)
        stream.buffer.flush()
    return write


def positive(text):
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"not a positive number: {text}")
    return int(text)


def size_bytes(text):
    match = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text.strip(), re.I)
    if not match or not int(match[1]):
        raise Error(f"not a size: {text} (as 512M or 2G)", usage=True)
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match[2].upper()]


class Disk:
    """A scratch disk, from SIZE[:virtio|nvme|nvme-meta|scsi[:FILESYSTEM]]."""

    def __init__(self, text):
        size, self.kind, self.fs = (text.split(":") + ["", ""])[:3]
        self.kind = self.kind or "virtio"
        if self.kind not in DISKS:
            raise Error(f"no kind of disk \"{self.kind}\": {' '.join(DISKS)}", usage=True)
        self.size = size_bytes(size)
        self.modules = DISKS[self.kind][0]

    def make(self, image):
        with open(image, "wb") as file:
            file.truncate(self.size)
        if not self.fs:
            return
        mkfs = find_tool(f"mkfs.{self.fs}")
        if not mkfs:
            raise Error(f"no mkfs.{self.fs} on this machine")
        force = ["-F"] if self.fs.startswith("ext") else []
        subprocess.run([mkfs, *force, image], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def find_tool(name):
    """A program of the host, also where only root looks for it."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Machine:
    """One guest: its files, its QEMU, its verdict."""

    def __init__(self, kernel, options, folder):
        self.kernel = kernel
        self.options = options
        self.arch = ARCHES[kernel.arch]
        self.folder = Path(folder)
        self.disks = [Disk(text) for text in options.disk]
        self.log = Path(options.log) if options.log else self.folder / "console.log"
        self.events = []
        self.started = None

    # The machine

    def _memory(self):
        options = self.options
        total = size_bytes(options.memory)
        nodes, cpus = options.nodes, options.cpus
        args = ["-smp", f"{cpus},sockets={cpus}"]
        memory = f"{total >> 20}M"
        if options.hotplug:
            if self.kernel.arch != "amd64":
                raise Error("--hotplug is for amd64 only", usage=True)
            more = size_bytes(options.hotplug)
            memory += f",slots=2,maxmem={(total + 2 * more) >> 20}M"
            args += ["-object", f"memory-backend-ram,id=plug,size={more >> 20}M",
                     "-device", f"pc-dimm,memdev=plug,node={nodes - 1}"]
        args += ["-m", memory]
        share = (total >> 20) // nodes
        for node in range(nodes):
            mine = share if node else (total >> 20) - share * (nodes - 1)
            args += ["-object", f"memory-backend-ram,id=mem{node},size={mine}M"]
            mycpus = "".join(f",cpus={cpu}" for cpu in range(node, cpus, nodes))
            args += ["-numa", f"node,nodeid={node},memdev=mem{node}{mycpus}"]
        return args

    def _disks(self):
        """(arguments for QEMU, the names that the guest gives them)"""
        args, names, count = [], [], {}
        for number, disk in enumerate(self.disks):
            image = self.folder / f"disk{number}"
            family = disk.kind.partition("-")[0]
            index = count.get(family, 0)
            count[family] = index + 1
            if disk.kind == "scsi" and not index:
                args += ["-device", "virtio-scsi-pci"]
            if disk.kind == "nvme-meta":
                args += ["-device", f"nvme,id=nvme{number},serial=pinvm{number}"]
            args += ["-drive", f"if=none,id=disk{number},file={image},format=raw,"
                     "cache=unsafe,discard=unmap",
                     "-device", f"{DISKS[disk.kind][1]},drive=disk{number}"
                     + (f",serial=pinvm{number}" if disk.kind == "nvme" else
                        f",bus=nvme{number}" if disk.kind == "nvme-meta" else "")]
            names.append(DISKS[disk.kind][2].format(
                index if family == "nvme" else chr(ord("a") + index)))
        return args, names

    def command_line(self):
        options, words = self.options, [f"console={self.arch.console}", "panic=-1", "oops=panic",
                                        "random.trust_cpu=on"]
        # A guest that the host lets wait fails that check, and panics.
        if self.kernel.arch == "amd64":
            words.append("no_timer_check")
        if options.movable:
            size = size_bytes(options.memory) // 2 if options.movable == "half" else \
                size_bytes(options.movable)
            words.append(f"movablecore={size >> 10}K")
        if options.hotplug:
            words.append("memhp_default_state=online_movable")
        if options.iommu and self.arch.iommu[1]:
            words.append(self.arch.iommu[1])
        if options.gdb:
            words.append("nokaslr")
        return " ".join(words + options.append)

    def qemu(self, accel, initrd, channel):
        """The whole command; channel(name) says where a channel goes."""
        options = self.options
        disks, _ = self._disks()
        command = [
            self.arch.qemu, "-nodefaults", "-no-user-config", "-nographic", "-no-reboot",
            "-machine", self.arch.machine, "-accel",
            accel + ",thread=single" * (options.one_thread and accel == "tcg"),
            "-cpu", "host" if accel == "kvm" else self.arch.cpu,
            *self._memory(), "-net", "none",
            "-kernel", str(self.kernel.image), "-initrd", str(initrd),
            "-append", self.command_line(),
            "-chardev", (f"stdio,id=console,signal=off,mux=on,logfile={self.log}" if options.shell
                         else f"file,id=console,path={self.log}"),
            "-serial", "chardev:console", "-device", "virtio-serial-pci",
            *disks,
        ]
        for name in CHANNELS:
            command += ["-chardev", channel(name),
                        "-device", f"virtserialport,chardev={name},name=pinvm.{name}"]
        command += ["-chardev", channel("monitor"), "-mon", "chardev=monitor,mode=control"]
        if options.iommu:
            command += self.arch.iommu[0]
        if options.gdb:
            command += ["-s", "-S"]
        for text in options.device:
            command += shlex.split(text)
        return command

    # The guest's side

    def initramfs(self):
        """Makes it, and returns its path."""
        path = self.folder / "initramfs"
        options = self.options
        load = [name for names in options.modules for name in names.split(",") if name]
        known = initramfs.Modules(self.kernel)
        base = ["virtio_pci", "virtio_console", "virtio_mmio"]
        for disk in self.disks:
            base += disk.modules
            load += [name for name in disk.modules if known.is_module(name)]
        extra = [name for names in options.with_modules for name in names.split(",") if name]

        def job(words):
            values = {
                "load": " ".join(load), "disks": " ".join(self._disks()[1]),
                "shell": "1" if options.shell else "", "files": "1" if options.out else "",
            }
            lines = [f"{key}={shlex.quote(value)}" for key, value in values.items()]
            before = [f"insmod {shlex.quote(module)} || return" for module in options.insmod]
            for text in options.env:
                name, _, value = text.partition("=")
                number = re.fullmatch(r"@disk(\d+)", value)
                if number and int(number[1]) >= len(self.disks):
                    raise Error(f"--env {text}: there is no such --disk", usage=True)
                value = f"$(disk {number[1]})" if number else shlex.quote(value)
                before.append(f"export {shlex.quote(name)}={value}")
            # The devices that they name have come when it is called.
            return "\n".join([*lines, "prepare() {", *(f"\t{line}" for line in [*before, ":"]),
                              "}", "job() {", "\texec " + shlex.join(words or ["true"]), "}\n"])

        copies = []
        for text in options.copy:
            source, _, name = text.partition(":")
            if not os.path.exists(source):
                raise Error(f"--copy: there is no {source}", usage=True)
            copies.append((source, name or os.path.abspath(source)))
        initramfs.build(path, self.kernel, kernels.busybox(self.kernel.arch), job, copies,
                        options.command, [*base, *extra], load)
        return path

    # Running it

    def dry_run(self):
        print(shlex.join(self.qemu(accelerator(self.options, self.kernel, probe=False),
                                   self.folder / "initramfs",
                                   lambda name: f"null,id={name}")))
        return 0

    def run(self):
        if not shutil.which(self.arch.qemu):
            raise Error(f"no {self.arch.qemu}: install {self.arch.package}")
        initrd = self.initramfs()
        for number, disk in enumerate(self.disks):
            disk.make(self.folder / f"disk{number}")
        accel = accelerator(self.options, self.kernel)
        for attempt in (1, 2, 3):
            status, why = self.boot(accel, initrd)
            if status is not None:
                return status
            text = self.log.read_text(errors="replace") if self.log.exists() else ""
            if (accel == "tcg" and attempt < 3 and not self.events
                    and TROUBLE.search(text) and PATCHING.search(text)):
                say("QEMU tripped over the kernel patching itself while it booted: once more")
                continue
            self._lost(why, text)
            return LOST
        return LOST

    def _lost(self, why, text):
        kept = self.log
        if not self.options.log:
            kept = Path(tempfile.gettempdir()) / f"pinvm-{os.getpid()}.log"
            if self.log.exists():
                shutil.copy(self.log, kept)
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        first = next((number for number, line in enumerate(lines) if TROUBLE.search(line)),
                     len(lines))
        last = max(len(lines) - 20, 0)
        shown = lines[first:first + 20] + (["..."] if first + 20 < last else [])
        shown += lines[max(last, first + 20) if first < last else last:]
        say(f"{why}; the console's log is {kept}, and ends:")
        print("\n".join("  | " + line for line in shown), file=sys.stderr, flush=True)

    def boot(self, accel, initrd):
        """(status of the command, None), or (None, what went wrong)."""
        ours, theirs = {}, {}
        for name in (*CHANNELS, "monitor"):
            ours[name], theirs[name] = socket.socketpair()
        command = self.qemu(accel, initrd,
                            lambda name: f"socket,id={name},fd={theirs[name].fileno()}")
        self.events = []
        self.started = time.monotonic()
        errors = open(self.folder / "qemu.err", "w+b")
        qemu = subprocess.Popen(
            command, stdin=None if self.options.shell else subprocess.DEVNULL,
            stdout=None if self.options.shell else errors, stderr=errors,
            pass_fds=[end.fileno() for end in theirs.values()],
            start_new_session=not self.options.shell, preexec_fn=die_with_parent)
        try:
            for end in theirs.values():
                end.close()
            # It may be gone already, which is judged below.
            with contextlib.suppress(BrokenPipeError):
                ours["monitor"].sendall(b'{"execute":"qmp_capabilities"}\n')
            watch = Watch(self, ours)
            why = watch.until_end(qemu)
        finally:
            if qemu.poll() is None:
                qemu.kill()
            qemu.wait()
            for end in ours.values():
                end.close()
        if why:
            return None, why
        if watch.status is None:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
            return None, (f"the guest ended without a result ({watch.where()})"
                          + (f" (QEMU: {words})" if words else ""))
        if watch.end != "guest-shutdown":
            return None, f"the guest did not end in good order ({watch.end})"
        for problem in watch.problems:
            say(problem)
        return watch.status, None


class Watch:
    """Reads all channels of a guest until it ends."""

    def __init__(self, machine, channels):
        self.machine = machine
        self.channels = channels
        self.status = None
        self.end = None
        self.problems = []
        self.buffers = {"control": b"", "monitor": b""}
        self.held = {"out": b"", "err": b"", "files": b""}
        self.awaited = {"out", "err", "files" if machine.options.out else "out"}
        if machine.options.shell:
            self.awaited.clear()
        self.tar = None

    def until_end(self, qemu):
        options = self.machine.options
        limit = None if options.shell or options.gdb else options.timeout
        deadline = self.machine.started + limit if limit else None
        with selectors.DefaultSelector() as selector:
            for name, end in self.channels.items():
                selector.register(end, selectors.EVENT_READ, name)
            while selector.get_map():
                left = deadline - time.monotonic() if deadline else None
                if left is not None and left <= 0:
                    return f"no result after {limit:g} s ({self.where()})"
                for key, _ in selector.select(left):
                    body = b""
                    with contextlib.suppress(ConnectionResetError):
                        body = key.fileobj.recv(1 << 16)
                    if body:
                        self.take(key.data, body)
                    else:
                        selector.unregister(key.fileobj)
        qemu.wait()
        for name, body in self.held.items():
            self.pass_on(name, body)
        if self.tar:
            self.tar.stdin.close()
            if self.tar.wait():
                self.problems.append(f"not all of /out came to {options.out}")
        return None

    def where(self):
        began = any(event[0] == "start" for event in self.machine.events)
        return "while it ran the command" if began else "before it ran the command"

    def take(self, name, body):
        if name in self.held:
            body = self.held[name] + body
            ended = body.endswith(END)
            size = len(END) if ended else next(
                (size for size in range(len(END), 0, -1) if body.endswith(END[:size])), 0)
            self.held[name] = b"" if ended else body[len(body) - size:]
            self.pass_on(name, body[:len(body) - size])
            if ended:
                self.awaited.discard(name)
                self.dismiss()
            return
        *lines, self.buffers[name] = (self.buffers[name] + body).split(b"\n")
        for line in lines:
            getattr(self, name)(line.decode(errors="replace").strip())

    def pass_on(self, name, body):
        if not body:
            return
        if name == "out":
            self.machine.options.stdout(body)
        elif name == "err":
            self.machine.options.stderr(body)
        else:
            if not self.tar:
                out = self.machine.options.out
                os.makedirs(out, exist_ok=True)
                self.tar = subprocess.Popen(
                    ["tar", "-x", "--no-same-owner", "-C", out], stdin=subprocess.PIPE)
            with contextlib.suppress(BrokenPipeError):
                self.tar.stdin.write(body)

    def dismiss(self):
        """The guest powers off when we have all: what is still in its queues is lost then."""
        if self.status is not None and not self.awaited:
            with contextlib.suppress(OSError):
                self.channels["control"].sendall(b"bye\n")

    def control(self, line):
        word, _, rest = line.partition(" ")
        self.machine.events.append((word, rest, time.monotonic() - self.machine.started))
        if word == "exit":
            self.status = int(rest.split()[0])
            self.dismiss()
        elif word == "problem":
            self.problems.append(rest)

    def monitor(self, line):
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event.get("event") == "SHUTDOWN":
                self.end = event["data"]["reason"]


def die_with_parent(how=signal.SIGKILL):
    """Whatever becomes of us, a child does not stay (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, how)


def accelerator(options, kernel, probe=True):
    """KVM where it works: that there is a /dev/kvm does not say so."""
    if options.accel:
        return options.accel
    if kernel.arch != host_arch() or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = cache_dir() / "kvm"
    with contextlib.suppress(OSError, ValueError):
        seen, verdict = known.read_text().split()
        if seen == boot:
            return verdict
    if not probe:
        return "tcg"
    verdict = "kvm" if probe_kvm(kernel) else "tcg"
    with contextlib.suppress(OSError):
        known.write_text(f"{boot} {verdict}\n")
    return verdict


def probe_kvm(kernel):
    options = default_options("--accel", "kvm", "--timeout", "10")
    options.command = ["true"]
    with tempfile.TemporaryDirectory(prefix="pinvm.") as folder:
        machine = Machine(kernel, options, folder)
        status, why = machine.boot("kvm", machine.initramfs())
    if status != 0:
        say(f"KVM does not work here ({why}): using TCG")
    return status == 0
