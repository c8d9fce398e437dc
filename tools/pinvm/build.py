# SPDX-License-Identifier: GPL-2.0
"""Builds a small kernel that has all consumers, from a source tree.

The build tree is apart from the source and holds all that "pinvm run" and the
build of modules want. Building again does what has changed.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import kernels
from common import Error, cache_dir, checkout, host_arch, say

LOG = "pinvm-build.log"
# What is merged over "make tinyconfig", from the checkout.
FRAGMENTS = ("tools/kernel/guest.config", "selftests/config")
PROGRAMS = {"bc": "bc", "bison": "bison", "flex": "flex", "gcc": "gcc", "make": "make",
            "perl": "perl", "depmod": "kmod"}
HEADERS = {"/usr/include/gelf.h": "libelf-dev", "/usr/include/openssl/evp.h": "libssl-dev"}


def linux_dir():
    """Where kernel sources, build trees and ccache's files are."""
    return cache_dir().parent / "linux"


def unpack_source(version):
    """The source that Debian's linux-source package holds, unpacked once."""
    target = linux_dir() / f"linux-source-{version}"
    if (target / "Makefile").exists():
        return target
    archive = kernels.source_archive(version)
    say(f"unpacking {archive}")
    new = linux_dir() / f".new-{os.getpid()}"
    new.mkdir(parents=True)
    try:
        subprocess.run(["tar", "-xf", archive, "-C", new, "--no-same-owner"], check=True,
                       env=dict(os.environ, XZ_DEFAULTS="-T0"))
        with contextlib.suppress(FileExistsError):      # another pinvm was faster
            (new / target.name).rename(target)
    except subprocess.CalledProcessError as err:
        raise Error(f"cannot unpack {archive}: {err}") from err
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


def environment(source, tree):
    """Equal sources give equal kernels, and ccache knows them in any folder."""
    # As make has them, which ccache goes by.
    common = os.path.commonpath([source.resolve(), tree.resolve()])
    return dict(os.environ, LC_ALL="C", KBUILD_BUILD_TIMESTAMP="@0", KBUILD_BUILD_USER="pinvm",
                KBUILD_BUILD_HOST="pinvm", CCACHE_NOHASHDIR="1",
                CCACHE_DIR=os.environ.get("CCACHE_DIR") or str(linux_dir() / "ccache"),
                **({"CCACHE_BASEDIR": common} if common != "/" else {}))


def check_tools():
    lacking = [package for program, package in PROGRAMS.items()
               if not shutil.which(program, path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")]
    lacking += [package for header, package in HEADERS.items() if not os.path.exists(header)]
    if lacking:
        raise Error(f"a kernel cannot be built here: install {' '.join(lacking)}")


class Builder:
    """One build tree."""

    def __init__(self, source, tree, fragments, words):
        self.source, self.tree, self.fragments = source, tree, fragments
        self.words = words      # for make
        self.log = tree / LOG
        self.env = environment(source, tree)
        self.compiler = "ccache gcc" if shutil.which("ccache") else "gcc"

    def _make(self, *words):
        command = ["make", "-C", self.source, f"O={self.tree}", f"CC={self.compiler}",
                   *self.words, *words]
        with open(self.log, "ab") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            result = subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, check=False)
        if result.returncode:
            self._failed(f"make {words[0]}")

    def _failed(self, what):
        lines = self.log.read_text(errors="replace").splitlines()
        wrong = [line for line in lines if re.search(r"error:|Error \d|undefined|No space", line)]
        raise Error(f"{what} failed, see {self.log}:\n  | " +
                    "\n  | ".join((wrong or lines)[-8:]), status=1)

    def configure(self):
        """Makes .config, if these fragments have not made it already."""
        wanted = "".join(path.read_text() for path in self.fragments)
        stamp = self.tree / "pinvm.fragments"
        if (self.tree / ".config").exists() and stamp.exists() and stamp.read_text() == wanted:
            return
        self._make("tinyconfig")
        with open(self.log, "ab") as log:
            merged = subprocess.run(
                [self.source / "scripts/kconfig/merge_config.sh", "-m", "-O", self.tree,
                 self.tree / ".config", *self.fragments], cwd=self.tree, stdout=log, stderr=log,
                check=False)
        if merged.returncode:
            self._failed("merge_config.sh")
        self._make("olddefconfig")
        stamp.write_text(wanted)

    def lacking(self):
        """Options of the fragments that this source does not have, or not so."""
        have = set(re.findall(r"^CONFIG_\w+", (self.tree / ".config").read_text(), re.M))
        asked = {}
        for path in self.fragments:
            for name, value in re.findall(r"^(CONFIG_\w+)=(\S+)", path.read_text(), re.M):
                asked[name] = value
        return sorted(name for name, value in asked.items() if value in "ym" and name not in have)

    def build(self):
        """Returns the tree's image."""
        self.tree.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self.configure()
        self._make("all")
        if not self._installed():
            shutil.rmtree(self.tree / "lib/modules", ignore_errors=True)
            self._make("modules_install", f"INSTALL_MOD_PATH={self.tree}", "INSTALL_MOD_STRIP=1")

    def _installed(self):
        """Are the modules as they were built last?"""
        release = (self.tree / "include/config/kernel.release").read_text().strip()
        with contextlib.suppress(FileNotFoundError):
            then = (self.tree / "lib/modules" / release / "modules.dep").stat().st_mtime
            order = self.tree / "modules.order"
            built = [(self.tree / name).with_suffix(".ko") for name in order.read_text().split()]
            return all(path.stat().st_mtime < then for path in [order, *built])
        return False


def build_tree(options):
    """Returns the path of what was built."""
    if host_arch() != "amd64":
        raise Error("tools/kernel/guest.config is for amd64")
    top = checkout()
    if not top:
        raise Error("this is for a checkout: the configuration is in its tools/kernel/")
    check_tools()
    if re.fullmatch(r"\d+\.\d+", options.source) and not os.path.exists(options.source):
        source = unpack_source(options.source)
    else:
        source = Path(options.source).absolute()
    if not (source / "scripts/kconfig/merge_config.sh").exists():
        raise Error(f"{source} is no kernel source tree", usage=True)
    if (source / ".config").exists() or (source / "include/config").exists():
        raise Error(f"{source} was built in: make -C {source} mrproper", usage=True)
    extra = [Path(name).absolute() for name in options.config]
    for path in extra:
        if not path.exists():
            raise Error(f"--config: there is no {path}", usage=True)
    tree = Path(options.tree).absolute()
    builder = Builder(source, tree, [*(top / name for name in FRAGMENTS), *extra],
                      [f"-j{options.jobs}", *options.make])
    say(f"building {source} in {tree} (log: {builder.log})")
    builder.build()
    for name in builder.lacking():
        say(f"note: no {name} in this kernel")
    return tree


def build(options):
    print(build_tree(options))
    return 0


def add_options(one):
    one.add_argument("--source", default="6.12", metavar="DIR|SERIES",
                     help="kernel source, stays as it is; or Debian's of a series (%(default)s)")
    one.add_argument("--config", action="append", default=[], metavar="FRAGMENT",
                     help="merged over our configuration; may be given again")
    one.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                     help="for make (%(default)s)")


def add_command(command):
    one = command("build", build, "build a small kernel that has all consumers, for run and suite")
    one.add_argument("tree", metavar="TREE", help="where to build; built again, only what changed")
    add_options(one)
    one.add_argument("--make", action="append", default=[], metavar="WORD",
                     help="for make as it is, as V=1; may be given again")
