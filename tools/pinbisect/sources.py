# SPDX-License-Identifier: GPL-2.0
"""Where kernels come from: a git repository, Debian's packages, a folder."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from command import GUARD, NO_SPACE, Skip, end_group, read, run, tail, tool
from common import Error, say
from judge import Kernel, lacking_options
from session import STATUS, Ladder

# A kernel source's files and what is built of it.
GIT_SPACE = 4 << 30
# What "pinvm build" names its own: ccache finds what was built of ../NAME.
SOURCE = "linux-source-6.12"
# Ours is a repository of its own: whatever the caller's environment and
# configuration say about another one is not to reach it.
QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
         "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false",
         "-c", "checkout.workers=0")
# What "git bisect run" calls: asks us, and answers with our verdict. It aborts
# if we are gone.
ASK = "echo \"$(git rev-parse HEAD)\" >&8; read -r status <&9; exit \"${status:-255}\""


def git_env():
    output = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True,
                            text=True, check=False).stdout
    return {name: value for name, value in os.environ.items()
            if name not in output.split()} | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0",
                                              "GIT_OPTIONAL_LOCKS": "0"}


class Git:
    """One repository."""

    def __init__(self, path):
        self.path = path
        self.env = git_env()

    def __call__(self, *words, check=True, raw=False):
        done = subprocess.run(["git", *QUIET, "-C", self.path, *words], env=self.env, text=True,
                              errors="replace", capture_output=True, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode and check:
            text = done.stderr.strip() or done.stdout.strip()
            if NO_SPACE in text:
                raise Error(f"no space left on the device: make room in {self.path}, and"
                            " --resume goes on")
            raise Error(f"git {words[0]}: {text}")
        return done if not check else done.stdout if raw else done.stdout.strip()


class GitSource:
    """Commits. The user's repository lends its objects and nothing else: we
    work in a repository of our own that refers to them."""
    mode = "git"

    def __init__(self, options):
        self.options = options
        self.folder = self.tree = self.clone = None
        self.theirs = self.ours = None
        self.known = {}         # what "git show" said
        self.between = None     # when git began to look for the next commit
        self.good = self.bad = None

    # The user's side

    def resolve(self):
        options = self.options
        if not os.path.isdir(options.repo):
            raise Error(f"--repo: there is no folder {options.repo}", usage=True)
        if not shutil.which("git"):
            raise Error("there is no git: install it")
        self.theirs = Git(os.path.abspath(options.repo))
        inside = self.theirs("rev-parse", "--git-dir", check=False)
        if inside.returncode:
            words = inside.stderr.strip()
            raise Error(f"--repo: {options.repo} is no git repository"
                        + (f" ({words})" if "not a git repository" not in words else
                           ": git clone one, or use \"pinbisect packages\""), usage=True)
        if self.theirs("config", "extensions.partialClone", check=False).stdout.strip():
            raise Error(f"{options.repo} is a partial clone, which fetches files when they are"
                        " wanted: git fetch --refetch --no-filter makes it whole, and then"
                        " git config --unset extensions.partialClone")
        self.good, self.bad = (self.commit(word, getattr(options, word))
                               for word in ("good", "bad"))
        if self.good == self.bad:
            raise Error("--good and --bad are the same commit", usage=True)
        if not self.is_ancestor(self.good, self.bad):
            if self.is_ancestor(self.bad, self.good):
                raise Error(f"--bad {options.bad} is older than --good {options.good}: are they"
                            " exchanged?", usage=True)
            base = self.theirs("merge-base", self.good, self.bad, check=False).stdout.strip()
            raise Error(f"--good {options.good} is no ancestor of --bad {options.bad}: " +
                        (f"if it is good, too, --good {base[:12]} will do, where they forked"
                         if base else "they have no history in common"), usage=True)
        for path in options.path:
            if not self.theirs("rev-list", "-1", f"{self.good}..{self.bad}", "--", path):
                raise Error(f"--path {path}: no commit from --good to --bad touches it",
                            usage=True)

    def commit(self, word, name):
        found = self.theirs("rev-parse", "--verify", "--quiet", "--end-of-options",
                            f"{name}^{{commit}}", check=False)
        if found.returncode:
            shallow = self.theirs("rev-parse", "--is-shallow-repository", check=False)
            raise Error(f"--{word}: {self.options.repo} has no commit {name}"
                        + (" (it is shallow: git fetch --unshallow)"
                           if shallow.stdout.strip() == "true" else ": git fetch it"), usage=True)
        return found.stdout.strip()

    def is_ancestor(self, old, new):
        return not self.theirs("merge-base", "--is-ancestor", old, new, check=False).returncode

    def request(self):
        return {"repo": os.path.realpath(self.options.repo), "good": self.good, "bad": self.bad,
                "config": [os.path.abspath(name) for name in self.options.config],
                "build_cmd": self.options.build_cmd, "path": self.options.path,
                "first_parent": self.options.first_parent}

    # Our side

    def open(self, folder):
        self.folder, self.tree, self.clone = folder, folder / "tree", folder / SOURCE
        self.ours = Git(self.clone)
        if not (self.clone / ".git/HEAD").exists():
            shutil.rmtree(self.clone, ignore_errors=True)
            self.clone.mkdir(parents=True)
            self.ours("init", "--quiet", "--template=", "--initial-branch=pinbisect",
                      "--object-format="
                      + self.theirs("rev-parse", "--show-object-format"))
        common = Path(self.theirs("rev-parse", "--path-format=absolute", "--git-common-dir"))
        own = self.clone / ".git"
        (own / "objects/info").mkdir(parents=True, exist_ok=True)
        (own / "objects/info/alternates").write_text(f"{common}/objects\n")
        if (common / "shallow").exists():
            shutil.copy(common / "shallow", own / "shallow")
        # What a killed one may have left.
        (own / "index.lock").unlink(missing_ok=True)
        (own / "HEAD.lock").unlink(missing_ok=True)

    def checkout(self, revision):
        self.ours("checkout", "--quiet", "--force", "--detach", revision)

    def prepare(self, revision, folder, clock):
        with clock.on("checkout"):
            if self.ours("rev-parse", "--verify", "--quiet", "HEAD", check=False
                         ).stdout.strip() != revision:
                self.checkout(revision)
        with clock.on("build"):
            self.build(revision, folder / "build.log")
        return Kernel(str(self.tree), str(self.tree), str(self.clone))

    def build(self, revision, log):
        options, env = self.options, None
        if options.build_cmd:
            self.tree.mkdir(parents=True, exist_ok=True)
            env = dict(git_env(), PINBISECT_SOURCE=str(self.clone), PINBISECT_TREE=str(self.tree),
                       PINBISECT_REV=revision, PINBISECT_JOBS=str(options.jobs))
            command = ["sh", "-c", options.build_cmd]
        else:
            # The commit is no part of the release: all is to be as at the last one.
            command = [tool("pinvm"), "build", self.tree, "--source", self.clone,
                       "--jobs", options.jobs, "--make", "LOCALVERSION=",
                       *(word for name in options.config for word in ("--config", name))]
        status = run(command, log, cwd=self.clone, env=env)
        text = read(log)
        if status and NO_SPACE in text + read(self.tree / "pinvm-build.log"):
            raise Error(f"no space left on the device while {revision[:12]} was built in"
                        f" {self.tree}: make room, and --resume goes on")
        if not options.build_cmd:
            with contextlib.suppress(OSError):
                shutil.copy(self.tree / "pinvm-build.log", log.with_name("make.log"))
            if status not in (0, 1):
                raise Error(f"no kernel can be built: {' '.join(tail(text, 3))}")
        elif status in (126, 127) or status < 0:
            raise Error(f"--build-cmd ended with status {status}: {' '.join(tail(text, 1))}")
        if status:
            wrong = [line for line in text.splitlines() if re.search(r"error|Error", line)]
            first = (wrong or tail(text, 1) or ["?"])[0].strip(" |")
            raise Skip(f"does not build: {first}")

    def reference(self, kernel, folder):
        """A copy of the image: the tree is built over."""
        image = Path(kernel.name) / "arch/x86/boot/bzImage"
        config = read(Path(kernel.name) / ".config")
        if not image.exists() or "CONFIG_VIRTIO_CONSOLE=y" not in config:
            return None
        (folder / "reference").mkdir(exist_ok=True)
        return str(shutil.copy(image, folder / "reference/bzImage"))

    # Names

    def describe(self, revision, form):
        if (revision, form) not in self.known:
            self.known[revision, form] = self.theirs("show", "--no-patch", f"--format={form}",
                                                     revision)
        return self.known[revision, form]

    def label(self, revision):
        return self.describe(revision, "%h (\"%s\")")

    @staticmethod
    def short(revision):
        return revision[:12]

    def parents(self, revision):
        return self.describe(revision, "%P").split()

    # The search

    def scope(self):
        return ["--", *self.options.path] if self.options.path else []

    def candidates(self):
        """Commits of which one is the first bad one."""
        words = ["--first-parent"] if self.options.first_parent else []
        goods = self.ours("for-each-ref", "--format=^%(refname)", "refs/bisect/good-*").split()
        return self.ours("rev-list", *words, "refs/bisect/bad", *goods, *self.scope()).split()

    def search(self, session):
        """Lets "git bisect run" do it; returns the commits that it may be."""
        words = [*(["--first-parent"] if self.options.first_parent else []), self.bad, self.good,
                 *self.scope()]
        # git wants quotes around each.
        lines = ["git bisect start " + " ".join("'" + word.replace("'", "'\\''") + "'"
                                                for word in words)]
        lines += [f"git bisect {row['verdict']} {revision}"
                  for revision, row in session.rows.items()
                  if revision not in (self.good, self.bad)]
        log = self.folder / "replay.log"
        log.write_text("\n".join(lines) + "\n")
        self.ours("bisect", "reset", self.bad, check=False)
        self.between = time.monotonic()
        done = self.ours("bisect", "replay", log, check=False)
        if done.returncode not in (0, 2):               # 2: only skipped ones are left
            raise Error(f"git bisect: {' '.join(tail(done.stderr or done.stdout, 3))}")
        left = self.candidates()
        say(f"{len(left)} commits left, about {max(len(left) - 1, 0).bit_length()} steps")
        if len(left) > 1 and any(one not in session.rows for one in left):
            self.bisect_run(session)
        (self.folder / "bisect.log").write_text(self.ours("bisect", "log") + "\n")
        left = self.candidates()
        bad = self.ours("rev-parse", "refs/bisect/bad")
        # The oldest first; the bad one among them is the last.
        return [one for one in reversed(left) if one != bad] + [bad]

    def bisect_run(self, session):
        ask_read, ask_write = os.pipe()
        answer_read, answer_write = os.pipe()

        def descriptors():
            os.dup2(ask_write, 8)
            os.dup2(answer_read, 9)

        log = self.folder / "git-bisect.log"
        with open(log, "ab") as out:
            process = subprocess.Popen(
                ["sh", "-c", GUARD, "sh", "git", *QUIET, "bisect", "run", "sh", "-c", ASK],
                cwd=self.clone, env=self.ours.env, stdin=subprocess.PIPE, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=descriptors, close_fds=False)
        os.close(ask_write)
        os.close(answer_read)
        began = len(read(log))
        try:
            with os.fdopen(ask_read) as questions, os.fdopen(answer_write, "w") as answers:
                for line in questions:
                    row = session.step(line.strip())
                    self.between = time.monotonic()
                    answers.write(f"{STATUS[row['verdict']]}\n")
                    answers.flush()
            status = process.wait(60)
        finally:
            end_group(process)
            self.between = None
        text = read(log)[began:]
        if NO_SPACE in text:
            raise Error(f"no space left on the device in {self.clone}: make room, and --resume"
                        " goes on")
        if status not in (0, 2):
            raise Error(f"git bisect run: {' '.join(tail(text, 3))} (see {log})")


class Listed:
    """Kernels in a line, oldest first."""
    between = None

    def __init__(self, options):
        self.options = options
        self.items = []
        self.good = self.bad = None

    def open(self, folder):
        pass

    def label(self, item):
        return str(item)

    def short(self, item):
        digest = hashlib.sha256(item.encode()).hexdigest()[:6]
        return re.sub(r"[^\w.+-]", "_", Path(item).name)[:40] + "-" + digest

    def ends(self, good, bad):
        """Indexes of the ends, which may be named."""
        if len(self.items) < 2:
            raise Error(f"{len(self.items)} kernels are too few for a search")
        first = self.index("good", good) if good else 0
        last = self.index("bad", bad) if bad else len(self.items) - 1
        if first == last:
            raise Error("--good and --bad are the same kernel", usage=True)
        if first > last:
            raise Error(f"--bad {bad or self.items[last]} is older than --good"
                        f" {good or self.items[first]}: are they exchanged?", usage=True)
        self.items = self.items[first:last + 1]
        self.good, self.bad = self.items[0], self.items[-1]

    def index(self, word, name):
        found = [number for number, item in enumerate(self.items) if self.matches(item, name)]
        if not found:
            raise Error(f"--{word}: no kernel {name}; there are: "
                        + " ".join(map(self.label, self.items)), usage=True)
        if len(found) > 1 and self.items[found[0]] != name:
            return found[0] if word == "good" else found[-1]
        return found[0]

    def parents(self, item):
        return [self.items[self.items.index(item) - 1]]

    def search(self, session):
        good, bad = Ladder(session, self.items, 0, len(self.items) - 1).search()
        return self.items[good + 1:bad + 1]


class Packages(Listed):
    """Debian's packages, as far as the mirror or the cache still has them."""
    mode = "packages"

    def resolve(self):
        options = self.options
        command = [tool("pinvm"), "kernels", "--json", "--arch", options.arch]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            rows = json.loads(done.stdout)
        except ValueError as err:
            raise Error(f"pinvm kernels: {' '.join(tail(done.stderr, 2))}") from err
        rows = [row for row in rows if row["flavour"] == options.flavour]
        if not rows:
            raise Error(f"no kernels of flavour {options.flavour}: see pinvm kernels", usage=True)
        series = sorted({row["series"] for row in rows}, key=numbers)
        if options.series:
            if options.series not in series:
                raise Error(f"no kernels of series {options.series}; there are: "
                            + " ".join(series), usage=True)
            rows = [row for row in rows if row["series"] == options.series]
        elif not (options.good and options.bad):
            raise Error(f"--series is wanted, or --good and --bad; there are the series"
                        f" {' '.join(series)}", usage=True)
        rows.sort(key=lambda row: numbers(row["version"]))
        self.items = [row["release"] for row in rows]
        self.ends(options.good, options.bad)

    @staticmethod
    def matches(item, name):
        return item == name or re.match(re.escape(name) + r"(?![0-9])", item)

    def request(self):
        return {"good": self.good, "bad": self.bad, "flavour": self.options.flavour}

    def prepare(self, item, folder, clock):
        with clock.on("get"):
            status = run([tool("pinvm"), "get", item, "--arch", self.options.arch],
                         folder / "get.log")
        if status:
            text = read(folder / "get.log")
            if NO_SPACE in text:
                raise Error("no space left on the device: make room in the cache, and --resume"
                            " goes on")
            raise Skip(f"cannot be fetched: {' '.join(tail(text, 1))}")
        return Kernel(item, lambda: self.kdir(item, folder))

    def kdir(self, item, folder):
        with open(folder / "kdir", "wb") as out:
            status = run([tool("pinvm"), "kdir", item], folder / "get.log", stdout=out)
        return None if status else read(folder / "kdir").strip()

    @staticmethod
    def reference(kernel, _folder):
        return kernel.name


class Images(Listed):
    """Kernel images and build trees that are there."""
    mode = "images"

    def resolve(self):
        where = Path(self.options.images)
        if where.is_dir():
            self.items = [str(path.absolute()) for path in
                          sorted(where.iterdir(), key=lambda path: numbers(path.name))
                          if not path.name.startswith(".")]
        elif where.is_file():
            names = [line.split("#")[0].strip() for line in read(where).splitlines()]
            self.items = [str((where.parent / name).absolute()) for name in names if name]
        else:
            raise Error(f"there is no {where}", usage=True)
        for item in self.items:
            if not os.path.exists(item):
                raise Error(f"{where}: there is no {item}", usage=True)
        if len(set(self.items)) != len(self.items):
            raise Error(f"{where}: a kernel is named twice", usage=True)
        self.ends(self.options.good, self.options.bad)

    def label(self, item):
        return Path(item).name

    @staticmethod
    def matches(item, name):
        return name in (item, Path(item).name)

    def request(self):
        return {"items": self.items}

    def prepare(self, item, folder, clock):
        if not os.path.exists(item):
            raise Skip("it is gone")
        tree = item if os.path.isdir(item) else None
        lacking = lacking_options(tree) if tree else []
        if lacking:
            say(f"note: the config of {self.label(item)} lacks {' '.join(lacking)}")
        return Kernel(item, tree)

    @staticmethod
    def reference(kernel, _folder):
        return kernel.name


def numbers(text):
    """Sorts versions: 6.9 before 6.12."""
    return [(0, int(word), "") if word.isdigit() else (1, 0, word)
            for word in re.findall(r"\d+|\D+", text)]
