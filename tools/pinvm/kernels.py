# SPDX-License-Identifier: GPL-2.0
"""Kernels and headers from Debian's packages, unpacked into a cache.

The packages come through an apt root of our own: its sources are derived from
those of the machine, its state and cache are in our cache, and apt verifies
the signatures. Nothing of the machine's own package state is touched.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ARCHES, Error, cache_dir, host_arch, say

# Where Debian keeps which series, and in which of its archives that is.
SUITES = {
    "bullseye": "main",                 # 5.10
    "bookworm": "main",                 # 6.1
    "bookworm-security": "security",    # 6.1, 6.12
    "trixie-backports": "main",         # 7.x
    "trixie": "main",                   # what runs the tools of trixie-backports
}
# No kernels from here: two of one version would only confuse.
NO_KERNELS = ("trixie",)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# How long a list of what there is counts as fresh, in seconds.
LIST_AGE = 12 * 3600

# What the suite links statically.
LIBRARIES = ("liburing-dev", "libnuma-dev", "libjansson-dev")
# The programs it calls, and what these need besides libc.
PROGRAMS = ("e2fsprogs", "xfsprogs", "btrfs-progs", "f2fs-tools", "dosfstools", "exfatprogs",
            "udftools", "ntfs-3g", "jfsutils", "nilfs-tools",
            "libext2fs2", "libcom-err2", "libblkid1", "libuuid1", "libinih1", "liburcu8",
            "libudev1", "libntfs-3g89")
# Programs of trixie on an older system need these beside them.
RUNTIME = ("libc6", "libelf1t64", "libssl3t64", "libzstd1", "zlib1g")
# The packages we look at; what an image or headers need is among them.
WANTED = re.compile(r"linux-(?:image|modules|binary|headers|kbuild|compiler|bpf|base|source)-\S+"
                    r"|busybox-static|" + "|".join((*LIBRARIES, *PROGRAMS, *RUNTIME)))
IMAGE = re.compile(r"linux-image-(\d+\.\d+\.\d+\S*?)-((?:cloud-)?(?:amd64|arm64)(?:-16k)?)$")


def series(text):
    """6.12.117+deb12 -> 6.12"""
    return ".".join(re.findall(r"\d+", text)[:2])


def order(version):
    """Sorts Debian's versions well enough for kernels."""
    return [int(number) for number in re.findall(r"\d+", version)]


class AptRoot:
    """An apt of our own for one package architecture."""

    def __init__(self, arch):
        self.arch = arch
        self.dir = cache_dir() / "apt" / arch
        self.list = self.dir / "packages.json"

    def apt(self, *command, **kwargs):
        env = dict(os.environ, APT_CONFIG=str(self.dir / "apt.conf"), LC_ALL="C")
        return subprocess.run(command, env=env, check=True, text=True, **kwargs)

    @staticmethod
    def _mirrors():
        """The machine's archives of Debian: main and security."""
        if os.environ.get("PINVM_MIRROR"):
            main = os.environ["PINVM_MIRROR"].rstrip("/")
            return {"main": main, "security": main + "-security"}
        try:
            output = subprocess.run(
                ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(ORIGIN)",
                 "Created-By: Packages"], capture_output=True, check=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as err:
            raise Error(f"apt-get cannot say where Debian is: {err}") from err
        found = {}
        for line in output.splitlines():
            uri, release, origin = (line.split(" ", 2) + [""])[:3]
            path = uri.rstrip("/").rsplit("/", 1)[-1]
            if origin == "Debian" or path in ("debian", "debian-security"):
                kind = "security" if release.endswith("-security") else "main"
                found.setdefault(kind, uri.rstrip("/"))
        if "main" not in found:
            raise Error("no Debian archive among this machine's apt sources:"
                        " name one by PINVM_MIRROR=URI")
        found.setdefault("security", found["main"] + "-security")
        return found

    def _configure(self):
        for sub in ("state/lists/partial", "cache/archives/partial", "debs"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        if not os.path.exists(KEYRING):
            raise Error(f"{KEYRING} is missing: install debian-archive-keyring")
        mirrors = self._mirrors()
        (self.dir / "sources.list").write_text("".join(
            f"deb [signed-by={KEYRING}] {mirrors[kind]} {suite} main\n"
            for suite, kind in SUITES.items()))
        # Proxies and the like are the machine's; hooks and further indexes
        # are not wanted.
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, check=True,
                              text=True).stdout
        keep = [line for line in dump.splitlines()
                if line.startswith("Acquire::") and
                not re.match(r"Acquire::(IndexTargets|cdrom|Languages|PDiffs|Changelogs)", line)]
        own = {
            "APT::Architecture": self.arch,
            "APT::Architectures": self.arch,
            "APT::Sandbox::User": "root",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowWeakRepositories": "false",
            "Acquire::Languages": "none",
            "Acquire::PDiffs": "false",
            "Acquire::Retries": "3",
            "Dir::Cache": f"{self.dir}/cache",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::sourcelist": f"{self.dir}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": f"{self.dir}/state",
            "Dir::State::status": f"{self.dir}/status",
        }
        (self.dir / "apt.conf").write_text("\n".join(
            keep + [f'{key} "{value}";' for key, value in own.items()]) + "\n")

    def _parse(self):
        """All packages we may want, as {suite: {name: {version, depends}}}."""
        files = self.apt("apt-get", "indextargets", "--format", "$(RELEASE) $(FILENAME)",
                         "Created-By: Packages", stdout=subprocess.PIPE).stdout
        found = {}
        for line in files.splitlines():
            suite, filename = line.split(" ", 1)
            if not os.path.exists(filename):
                continue
            text = self.apt("/usr/lib/apt/apt-helper", "cat-file", filename,
                            stdout=subprocess.PIPE).stdout
            packages = found.setdefault(suite, {})
            for start in re.finditer(rf"^Package: (?:{WANTED.pattern})$", text, re.M):
                stanza = text[start.start():text.find("\n\n", start.end())]
                fields = dict(re.findall(r"^(\S+): (.*)", stanza, re.M))
                depends = [re.split(r"[ :(]", name.strip())[0]
                           for name in fields.get("Depends", "").split(",")]
                old = packages.get(fields["Package"])
                if not old or order(old["version"]) < order(fields["Version"]):
                    packages[fields["Package"]] = {
                        "version": fields["Version"],
                        "depends": [name for name in depends if WANTED.fullmatch(name)],
                    }
        return found

    def packages(self, update=False):
        """The list, fetched if there is none or it is old."""
        try:
            age = time.time() - self.list.stat().st_mtime
            known = json.loads(self.list.read_text())
        except (OSError, ValueError):
            age, known = LIST_AGE, None
        if known and age < LIST_AGE and not update:
            return known
        with locked():
            try:
                say(f"looking up Debian's kernels for {self.arch}")
                self._configure()
                self.apt("apt-get", "-q=2", "update", stdout=sys.stderr)
                # A suite that the mirror lacks is for apt to warn of.
                found = self._parse()
                if not any(found.values()):
                    raise OSError("no suite of Debian could be read")
                known = found
                write_atomic(self.list, json.dumps(known, indent=1))
            except (OSError, subprocess.CalledProcessError) as err:
                if not known:
                    raise Error(f"cannot look up Debian's kernels: {err}") from err
                say(f"no fresh list of kernels ({err}): using the old one")
            finally:
                give_back()
        return known

    def download(self, suite, names):
        """Fetches these packages; a download that broke off is resumed."""
        known = self.packages()[suite]
        files = []
        for name in names:
            version = known[name]["version"]
            wanted = f"{name}={version}"
            debs = self.dir / "debs"
            for attempt in (1, 2):
                try:
                    self.apt("apt-get", "-q=1", "download", wanted, cwd=debs, stdout=sys.stderr)
                    break
                except subprocess.CalledProcessError as err:
                    if attempt == 2:
                        raise Error(f"cannot download {wanted}: the archive may have a newer"
                                    " one by now: pinvm get --update") from err
            escaped = version.replace(":", "%3a")
            files += debs.glob(f"{name}_{escaped}_*.deb")
        return files


@contextlib.contextmanager
def locked():
    """One at a time changes the cache; entered again, it does nothing."""
    if locked.held:
        yield
        return
    cache_dir().mkdir(parents=True, exist_ok=True)
    with open(cache_dir() / ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another pinvm")
            fcntl.flock(lock, fcntl.LOCK_EX)
        locked.held = True
        try:
            yield
        finally:
            locked.held = False


locked.held = False


def give_back():
    """What root made in somebody's checkout belongs to that somebody."""
    owner = cache_dir().parent
    if os.geteuid() == 0 and owner.stat().st_uid != 0:
        subprocess.run(["chown", "-hR", f"--reference={owner}", cache_dir()], check=False)


def write_atomic(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def unpack(files, target, finish=None):
    """Unpacks packages into a folder that appears when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for file in files:
            subprocess.run(["dpkg-deb", "--extract", file, new], check=True)
        if finish:
            finish(new)
        new.chmod(0o755)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for file in files:
        file.unlink()


def closure(known, name):
    """The package and all it needs, of those we know."""
    names, todo = [], [name]
    while todo:
        one = todo.pop()
        if one in known and one not in names:
            names.append(one)
            todo += known[one]["depends"]
    return names


def lost(known, name):
    """Parts of a package that the archive does not have any more, as those of older kernels."""
    names = [name, *known.get(name, {"depends": []})["depends"]]
    return [one for one in names if one not in known
            and re.match(r"linux-(binary|modules|headers|kbuild)-", one)]


class Kernel:
    """An unpacked kernel: a Debian one, a file or a build tree."""

    def __init__(self, release, arch, image, modules=None, kdir=None):
        self.release = release
        self.arch = arch
        self.image = image
        self.modules = modules
        self.kdir = kdir        # known without a look at packages


def kernels_dir():
    return cache_dir() / "kernels"


def obtainable(arch, update=False):
    """{release: (suite, package version, flavour)} of what Debian has."""
    found = {}
    for suite, packages in AptRoot(arch).packages(update).items():
        if suite in NO_KERNELS:
            continue
        for name, package in packages.items():
            match = IMAGE.match(name)
            if match and "-rt-" not in name and not lost(packages, name):
                release = f"{match[1]}-{match[2]}"
                found[release] = (suite, package["version"], match[2])
    return found


def cached(arch):
    """{release: (suite, package version, flavour)} of what is unpacked."""
    found = {}
    for info in kernels_dir().glob("*/pinvm.json"):
        with contextlib.suppress(OSError, ValueError):
            data = json.loads(info.read_text())
            if data["arch"] == arch:
                found[data["release"]] = (data["suite"], data["version"], data["flavour"])
    return found


def installed():
    """Rows of the kernels in /boot, for the list."""
    return [{"release": release, "arch": host_arch(), "flavour": "", "suite": "-",
             "version": release, "series": series(release), "installed": True,
             "image": str(path)}
            for path in Path("/boot").glob("vmlinuz-*")
            for release in [path.name.removeprefix("vmlinuz-")]]


def split_name(name, arch=None):
    """6.12-arm64-16k -> ("6.12", "arm64-16k", "arm64")"""
    match = re.fullmatch(r"(\d+\.\d+[^-]*(?:-\d+)?)"
                         r"(?:-((?:cloud-)?(?:amd64|arm64)(?:-16k)?|cloud))?", name)
    if not match:
        raise Error(f"no kernel \"{name}\": a version as 6.12 or 6.1.0-42-cloud-amd64, a file or"
                    " a build tree is wanted", usage=True)
    version, flavour = match.groups()
    if flavour and flavour != "cloud":
        arch = next(one for one in ARCHES if one in flavour)
    arch = arch or host_arch()
    if not flavour or flavour == "cloud":
        flavour = f"cloud-{arch}"
    return version, flavour, arch


def pick(version, flavour, candidates):
    """The newest of these whose name begins with the version."""
    matching = [release for release, (_, _, its) in candidates.items()
                if its == flavour and
                re.match(re.escape(version) + r"(?![0-9])", release)]
    return max(matching, key=lambda release: order(candidates[release][1]), default=None)


def choose(name, arch=None, update=False):
    """(release, suite, package version, arch) of the newest; suite None: only cached."""
    version, flavour, arch = split_name(name, arch)
    have = cached(arch)
    try:
        available = obtainable(arch, update)
    except Error:
        if not pick(version, flavour, have):
            raise
        available = {}
    release = pick(version, flavour, available)
    if release:
        return (release, *available[release][:2], arch)
    release = pick(version, flavour, have)
    if release:
        return release, None, None, arch
    flavours = sorted({its for _, _, its in available.values()})
    versions = sorted({series(one) for one in available}, key=order)
    raise Error(f"Debian has no {version} of flavour {flavour} (any more); there are the flavours"
                f" {' '.join(flavours)} of {' '.join(versions)}, see pinvm kernels")


def get(name, arch=None, update=False):
    """Makes sure that a kernel is in the cache; returns its release."""
    release, suite, package_version, arch = choose(name, arch, update)
    target = kernels_dir() / release
    if target.exists():
        return release
    with locked():
        if target.exists():
            return release
        root = AptRoot(arch)
        say(f"getting {release} ({suite} {package_version})")
        names = [one for one in closure(root.packages()[suite], f"linux-image-{release}")
                 if re.match(r"linux-(image|modules|binary|base)-", one)]

        def finish(new):
            # Since 7.x all is in one folder below /usr.
            below_usr = new / "usr/lib/modules"
            modules = new / "lib/modules" / release
            if below_usr.exists():
                modules.parent.mkdir(parents=True)
                (below_usr / release).rename(modules)
            shutil.rmtree(new / "usr", ignore_errors=True)
            (new / "boot").mkdir(exist_ok=True)
            for file in ("vmlinuz", "config"):
                if (modules / file).exists():
                    (modules / file).rename(new / f"boot/{file}-{release}")
            subprocess.run(["depmod", "-b", new, release], check=True)
            (new / "pinvm.json").write_text(json.dumps({
                "release": release, "arch": arch, "suite": suite, "version": package_version,
                "flavour": IMAGE.match(f"linux-image-{release}")[2]}) + "\n")

        unpack(root.download(suite, names), target, finish)
        give_back()
    return release


def headers_dir(release):
    return cache_dir() / "headers" / release / f"usr/src/linux-headers-{release}"


def get_headers(name, arch=None, update=False):
    """Makes sure that there is a KDIR for a kernel's modules; returns it."""
    release, suite, package_version, arch = choose(name, arch, update)
    kdir = headers_dir(release)
    if kdir.exists():
        return kdir
    if not suite:
        raise Error(f"the archive has no headers of {release} any more: a newer one of"
                    f" {series(release)} will do")
    if arch != host_arch():
        raise Error(f"modules for {arch} cannot be built here: Debian's headers hold programs"
                    f" for {arch}")
    target = cache_dir() / "headers" / release
    with locked():
        if kdir.exists():
            return kdir
        root = AptRoot(arch)
        known = root.packages()[suite]
        gone = lost(known, f"linux-headers-{release}")
        if gone:
            raise Error(f"no modules can be built for {release}: the archive has no {gone[0]}"
                        " any more")
        say(f"getting the headers of {release} ({suite} {package_version})")
        names = [one for one in closure(known, f"linux-headers-{release}")
                 if re.match(r"linux-(headers|kbuild|compiler)-", one)]
        unpack(root.download(suite, names), target, lambda new: adapt_headers(new, target, release))
        give_back()
    return kdir


def rewrite(path, *changes):
    text = path.read_text()
    for pattern, by in changes:
        text = re.sub(pattern, by, text, flags=re.M)
    path.unlink()           # it may be a link
    path.write_text(text)


def adapt_headers(new, target, release):
    """Headers that work from where they are, with the compiler that is here."""
    kdir = new / f"usr/src/linux-headers-{release}"
    # Wherever they are then: the cache may be moved, or reached by a link.
    rewrite(kdir / "Makefile", (r"/usr/src/", "$(usr_src)/"))
    makefile = kdir / "Makefile"
    makefile.write_text("usr_src := $(abspath $(dir $(realpath $(lastword $(MAKEFILE_LIST))))..)\n"
                        + makefile.read_text())
    rewrite(kdir / ".kernelvariables",
            (r"\$\(CROSS_COMPILE\)(gcc-\d+)$",
             r"$(CROSS_COMPILE)$(if $(shell command -v $(CROSS_COMPILE)\1),\1,gcc)"))
    # What another compiler or a missing pahole cannot do. Only make is told:
    # in C these make the layout of structures.
    rewrite(kdir / "include/config/auto.conf",
            (r"^CONFIG_(CC_HAS_MIN_FUNCTION_ALIGNMENT|DEBUG_INFO_BTF_MODULES)=.*\n", ""))
    tools = [path for path in (new / "usr/lib").glob("linux-kbuild-*/**/*")
             if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF"]
    needed = max(int(minor) for tool in tools
                 for minor in re.findall(rb"GLIBC_2\.(\d+)", tool.read_bytes()))
    if needed > int(os.confstr("CS_GNU_LIBC_VERSION").rsplit(".", 1)[-1]):
        runtime = get_runtime()
        for tool in tools:
            folder = (target / tool.relative_to(new)).parent
            loader, libraries = (os.path.relpath(path, folder) for path in runtime)
            tool.rename(tool.with_name(tool.name + ".elf"))
            tool.write_text(
                "#!/bin/sh\n"
                "here=$(dirname \"$(realpath \"$0\")\")\n"
                f"exec \"$here/{loader}\" --library-path \"$here/{libraries}\" --argv0 \"$0\""
                " \"$here/$(basename \"$0\").elf\" \"$@\"\n")
            tool.chmod(0o755)


def get_runtime():
    """(loader, libraries) for programs of trixie on an older system."""
    target = cache_dir() / f"runtime-{host_arch()}"
    if not target.exists():
        unpack(AptRoot(host_arch()).download("trixie", RUNTIME), target)
    libraries = next(target.glob(f"usr/lib/{ARCHES[host_arch()].triplet}"))
    return next(libraries.glob("ld-linux-*.so.*")), libraries


def busybox(arch):
    """A static busybox for the guest, from the same archive."""
    target = cache_dir() / f"busybox-{arch}"
    binary = target / "bin/busybox"
    if not target.exists():
        root = AptRoot(arch)
        known = root.packages()
        suite = next(one for one in ("bookworm", *known) if "busybox-static" in known[one])
        with locked():
            if not target.exists():
                say(f"getting busybox-static for {arch}")
                unpack(root.download(suite, ["busybox-static"]), target)
                give_back()
    return binary if binary.exists() else target / "usr/bin/busybox"


def source_archive(version):
    """Debian's archive of a series' source: that of the machine, or fetched."""
    name = f"linux-source-{version}"
    file = f"usr/src/{name}.tar.xz"
    target = cache_dir() / name
    if (Path("/") / file).exists():
        return Path("/") / file
    with locked():
        if not target.exists():
            root = AptRoot(host_arch())
            known = root.packages()
            suites = [one for one in known if name in known[one]]
            if not suites:
                raise Error(f"Debian has no {name}; it has " + " ".join(sorted(
                    {one for packages in known.values() for one in packages
                     if re.fullmatch(r"linux-source-[\d.]+", one)})), usage=True)
            suite = max(suites, key=lambda one: order(known[one][name]["version"]))
            say(f"getting {name} ({suite} {known[suite][name]['version']})")
            unpack(root.download(suite, [name]), target)
            give_back()
    return target / file


def for_guests(arch, what, folder, names):
    """A folder of the cache with these packages of another architecture."""
    target = cache_dir() / f"{folder}-{arch}"
    with locked():
        if not target.exists():
            say(f"getting the suite's {what} for {arch}")
            root = AptRoot(arch)
            known = root.packages()["bookworm"]
            # The list may be of a time when less was looked at.
            if not all(name in known for name in names):
                root.packages(update=True)
            unpack(root.download("bookworm", names), target)
            give_back()
    return target


def sysroot(arch):
    """The libraries to build the suite for another architecture with."""
    return for_guests(arch, "libraries", "sysroot", LIBRARIES)


def programs(arch):
    """What the suite calls there: mkfs programs and their libraries."""
    return for_guests(arch, "mkfs programs", "programs", PROGRAMS)


def tree_arch(image):
    """A kernel image tells its architecture itself."""
    with open(image, "rb") as file:
        head = file.read(0x210)
    return "arm64" if head[0x38:0x3c] == b"ARMd" else "amd64"


def from_tree(tree):
    """A kernel build tree, with its modules where they were built."""
    for arch, spec in ARCHES.items():
        image = tree / spec.boot_image
        if image.exists():
            break
    else:
        raise Error(f"no kernel image in {tree}: build it, or name the image")
    release_file = tree / "include/config/kernel.release"
    release = release_file.read_text().strip() if release_file.exists() else tree.name
    # Modules count from "make modules_install INSTALL_MOD_PATH=TREE" on.
    modules = tree / "lib/modules" / release
    return Kernel(release, arch, image, modules if modules.exists() else None, tree)


def find(name, arch=None):
    """--kernel VERSION|FILE|BUILDTREE; a version is fetched if it must be."""
    path = Path(name)
    if path.is_dir():
        return from_tree(path.resolve())
    if path.is_file():
        return Kernel(path.name, arch or tree_arch(path), path.resolve())
    version, flavour, arch = split_name(name, arch)
    release = pick(version, flavour, cached(arch)) or get(name, arch)
    base = kernels_dir() / release
    return Kernel(release, arch, base / f"boot/vmlinuz-{release}", base / "lib/modules" / release)
