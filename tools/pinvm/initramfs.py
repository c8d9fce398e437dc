# SPDX-License-Identifier: GPL-2.0
"""Makes the guest's initramfs: busybox, our init, modules, the caller's files."""

import contextlib
import gzip
import lzma
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from common import ARCHES, DATA, Error, cache_dir, host_arch

FOLDERS = ("bin", "dev", "etc", "lib", "out", "proc", "pinvm", "root", "run", "sbin", "sys", "tmp",
           "usr", "usr/bin", "usr/sbin", "usr/local", "usr/local/bin", "var", "var/tmp")


class Cpio:
    """An archive in the format newc, which the kernel unpacks; needs no root."""

    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.names = set()

    def _entry(self, name, mode, body=b"", size=None, rdev=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        size = len(body) if size is None else size
        fields = (self.inode, mode, 0, 0, 1, 0, size, 0, 0, *rdev, len(encoded), 0)
        self.file.write(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        self.file.write(bytes(-(110 + len(encoded)) % 4))
        self.file.write(body)
        if body:
            self._pad(size)

    def _pad(self, size):
        self.file.write(bytes(-size % 4))

    def _parents(self, name):
        for parent in reversed(Path(name).parents):
            if str(parent) != ".":
                self.folder(str(parent))

    def _new(self, name):
        if name in self.names:
            return False
        self._parents(name)
        self.names.add(name)
        return True

    def folder(self, name, mode=0o755):
        if self._new(name):
            self._entry(name, stat.S_IFDIR | mode)

    def text(self, name, body, mode=0o644):
        if self._new(name):
            self._entry(name, stat.S_IFREG | mode, body)

    def link(self, name, target):
        if self._new(name):
            self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, mode, major, minor):
        if self._new(name):
            self._entry(name, stat.S_IFCHR | mode, rdev=(major, minor))

    def copy(self, name, path):
        """One file of the host, without reading it into memory."""
        if not self._new(name):
            return
        info = os.stat(path)
        self._entry(name, stat.S_IFREG | stat.S_IMODE(info.st_mode), size=info.st_size)
        with open(path, "rb") as source:
            shutil.copyfileobj(source, self.file, 1 << 20)
        self._pad(info.st_size)

    def end(self):
        self._entry("TRAILER!!!", 0)
        self.file.write(bytes(-self.file.tell() % 512))


def applets(busybox):
    """The names of its applets stand in it, sorted, one after the other."""
    body = Path(busybox).read_bytes()
    start = body.find(b"\0[\0[[\0")
    if start < 0:
        raise Error(f"{busybox} does not look like a busybox")
    end = body.find(b"\0\0", start + 1)
    return [name.decode() for name in body[start + 1:end].split(b"\0")]


class Modules:
    """The modules of a kernel, in depmod's view or in a build tree."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.depends = {}       # name -> (path, [paths it needs])
        self.builtin = set()
        base = kernel.modules
        if not base:
            return
        dep = base / "modules.dep"
        if dep.exists():
            for line in dep.read_text().splitlines():
                path, needs = line.split(":", 1)
                self.depends[self.name(path)] = (path, needs.split())
        else:
            raise Error(f"{base} holds no modules.dep: run depmod, or make modules_install")
        builtin = base / "modules.builtin"
        if builtin.exists():
            self.builtin = {self.name(line) for line in builtin.read_text().splitlines()}

    @staticmethod
    def name(path):
        return re.sub(r"\.ko(\.\w+)?$", "", Path(path).name).replace("-", "_")

    def has(self, name):
        return self.name(name) in self.builtin or self.name(name) in self.depends

    def is_module(self, name):
        return self.name(name) in self.depends

    def read(self, path):
        """A module, uncompressed; kept in the cache, as that takes longest of all."""
        if path.suffix == ".ko":
            return path.read_bytes()
        info = path.stat()
        kept = cache_dir() / "modules" / self.kernel.release / \
            f"{path.stem}-{info.st_size}-{info.st_mtime_ns}"
        with contextlib.suppress(OSError):
            return kept.read_bytes()
        body = self.uncompress(path)
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            new = kept.with_name(f".{kept.name}.{os.getpid()}")
            new.write_bytes(body)
            new.rename(kept)
        return body

    @staticmethod
    def uncompress(path):
        body = path.read_bytes()
        if path.suffix == ".xz":
            return lzma.decompress(body)
        if path.suffix == ".gz":
            return gzip.decompress(body)
        if path.suffix == ".zst":
            return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
        return body

    def add(self, cpio, names):
        """Puts these and what they need into the archive, uncompressed."""
        base = f"lib/modules/{self.kernel.release}"
        paths, todo = [], [self.depends[self.name(name)][0] for name in names
                           if self.is_module(name)]
        while todo:
            path = todo.pop()
            if path not in paths:
                paths.append(path)
                todo += self.depends[self.name(path)][1]
        included = {self.name(path) for path in paths}
        plain = {path: re.sub(r"\.ko\.\w+$", ".ko", path) for path in paths}
        for path in sorted(paths):
            cpio.text(f"{base}/{plain[path]}", self.read(self.kernel.modules / path))
        cpio.text(f"{base}/modules.dep", "".join(
            f"{plain[path]}: {' '.join(plain[need] for need in self.depends[self.name(path)][1])}\n"
            for path in sorted(paths)).encode())
        aliases = self.kernel.modules / "modules.alias" if self.kernel.modules else None
        lines = aliases.read_text().splitlines() if aliases and aliases.exists() else []
        cpio.text(f"{base}/modules.builtin", "".join(
            f"kernel/{name}.ko\n" for name in sorted(self.builtin)).encode())
        cpio.text(f"{base}/modules.alias", "".join(
            line + "\n" for line in lines
            if line.rsplit(" ", 1)[-1].replace("-", "_") in included).encode())


def libraries(path, arch):
    """The shared libraries and the loader that a program needs: host paths."""
    with open(path, "rb") as file:
        head = file.read(4)
    if head[:2] == b"#!":
        with open(path, "rb") as file:
            interpreter = file.readline()[2:].split()[0].decode()
        if interpreter == "/usr/bin/env":
            return []
        return [] if interpreter in ("/bin/sh", "/bin/busybox") else [interpreter]
    if head != b"\x7fELF":
        return []
    if arch == host_arch():
        result = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        if "not found" in result.stdout:
            raise Error(f"{path} lacks libraries: {result.stdout.strip()}")
        return re.findall(r"(?:=> |^\s+)(/\S+) \(0x", result.stdout, re.M)
    return foreign_libraries(path, arch)


def foreign_libraries(path, arch):
    """The same for another architecture: beside the program, or of its cross compiler."""
    triplet = ARCHES[arch].triplet
    folders = [parent / sub / triplet for parent in Path(path).parents
               for sub in ("lib", "usr/lib")] + [Path("/usr") / triplet / "lib"]
    output = subprocess.run(["readelf", "-ld", path], capture_output=True, text=True,
                            check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", output)
    interpreter = re.search(r"interpreter: (\S+)\]", output)
    found = []
    for name in names + ([Path(interpreter[1]).name] if interpreter else []):
        library = next((folder / name for folder in folders if (folder / name).exists()), None)
        if not library:
            raise Error(f"{path} needs {name}, and there is none for {arch}")
        found.append(str(library))
    return found


# Where the guest mounts something: init puts there what is below LATE.
MOUNTED = ("tmp/", "run/", "dev/")
LATE = "pinvm/late/"


class Builder:
    """What the caller wants in the guest, put into one archive."""

    def __init__(self, cpio, arch):
        self.cpio = cpio
        self.arch = arch

    @staticmethod
    def place(name):
        name = name.lstrip("/")
        return LATE + name if name.startswith(MOUNTED) else name

    def file(self, source, name):
        """A file, and if it is a program, what it needs to run."""
        self.cpio.copy(self.place(name), source)
        if not os.access(source, os.X_OK):
            return
        for library in libraries(source, self.arch):
            where = library if self.arch == host_arch() else f"/lib/{Path(library).name}"
            if where.lstrip("/") not in self.cpio.names:
                self.file(library, where)

    def tree(self, source, name):
        """A file or a folder with all that is in it."""
        source = Path(source)
        if not source.is_dir():
            self.file(source, name)
            return
        self.cpio.folder(self.place(name))
        for path in sorted(source.iterdir()):
            below = f"{name}/{path.name}"
            if path.is_symlink():
                self.cpio.link(self.place(below), os.readlink(path))
            elif path.is_dir() or path.is_file():
                self.tree(path, below)

    def program(self, word, busybox_names):
        """Finds the program of a command; returns how the guest is to call it."""
        if "/" in word:
            path = Path(word)
            if not path.is_file():
                return word                 # it may be in what was copied
            if word.startswith("/"):
                self.file(path, word)
                return word
            where = f"/usr/local/bin/{path.name}"
            self.file(path, where)
            return where
        if word in busybox_names or f"usr/local/bin/{word}" in self.cpio.names:
            return word
        if self.arch == host_arch() and shutil.which(word):
            self.file(shutil.which(word), f"/usr/local/bin/{word}")
        return word


def build(path, kernel, busybox, job, copies=(), command=(), modules=(), load=()):
    """Writes the archive; job(command) gives the text of the job file."""
    known = Modules(kernel)
    for name in load:
        if not known.has(name) and kernel.modules:
            raise Error(f"{kernel.release} has no module {name}", usage=True)
    with open(path, "wb") as file:
        cpio = Cpio(file)
        for folder in FOLDERS:
            cpio.folder(folder, 0o1777 if folder.endswith("tmp") else 0o755)
        cpio.node("dev/console", 0o600, 5, 1)
        cpio.node("dev/null", 0o666, 1, 3)
        cpio.text("init", DATA["init.sh"], 0o755)
        cpio.text("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"
                  b"nobody:x:65534:65534:nobody:/:/bin/sh\n")
        cpio.text("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        builder = Builder(cpio, kernel.arch)
        for source, name in copies:
            builder.tree(source, name)
        names = applets(busybox)
        words = list(command)
        if words:
            words[0] = builder.program(words[0], names)
        cpio.copy("bin/busybox", busybox)
        for name in names:
            cpio.link(f"bin/{name}", "busybox")
        cpio.link("sbin/modprobe", "../bin/busybox")
        known.add(cpio, [*modules, *load])
        cpio.text("pinvm/job", job(words).encode())
        cpio.end()
