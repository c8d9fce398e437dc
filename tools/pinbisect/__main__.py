# SPDX-License-Identifier: GPL-2.0
"""Finds the commit, the package or the kernel since which a test fails."""

import argparse
import hashlib
import json
import os
import platform
import signal
import sys
from pathlib import Path

import judge
import report
import sources
from command import CANNOT, FOUND, NOT_FOUND, NO_SPACE, USAGE, Interrupted, check_space, read
from common import Error, cache_dir, say
from session import Session

EPILOG = """\
what is run on each kernel (one of them):
  --test NAME[,NAME]     programs of the suite; NAME:PATTERN runs those tests of a
                         program that match, as in 'matrix_test:uring_*.thp.*'
  --replay FILE          a job of pinstress, as it saves one when a run fails
  -- CMD ARGS            any command, in the guest; with --host-cmd on this machine,
                         which finds PINBISECT_KERNEL (image, build tree or version),
                         PINBISECT_SOURCE and PINBISECT_OUT in its environment

verdicts:
  bad    the test fails by something that GOOD does not fail by. A command: exit
         status 1 to 124. A crash of the kernel while the test runs is a failure, a
         hang is one if BAD hangs, too.
  good   what fails at BAD was run and passes. A command: 0.
  skip   nothing can be said: the kernel does not build or boot, it lacks the counters
         or what the test needs, the test was inconclusive. A command: 125.
  Trouble of this machine (no space left, QEMU or KVM broken, a command that is not
  found) is no verdict: pinbisect stops and says how to go on.

First BAD must fail and GOOD pass. All is kept in the folder --builds, with a folder of
logs for each step: the same command, or --resume, goes on where an interrupted one
stopped, by whatever it was. At the end the culprit and its parent are run again
(--confirm), and a report to be sent is printed and kept in report/ there.

Exit status: 0 found and confirmed; 1 not: only kernels that cannot be judged are left,
or the confirmation failed; 2 wrong usage; 4 cannot be done here; 128+N signal N.
"""

GIT_EPILOG = """\
The user's repository is only read: commits are checked out in a repository of our own
below --builds, which refers to its objects. The tree may be dirty or have another bisection
going on. "git bisect run" chooses the commits; each is built by "pinvm build" (a small
kernel: tinyconfig, tools/kernel/guest.config, selftests/config and --config) in one build
tree, with ccache if that is installed.

examples:
  pinbisect git --repo ~/linux --good v6.11 --bad v6.12 --test uring_test
  pinbisect git --repo ~/linux --good v6.12 --bad HEAD --test 'matrix_test:xdp_*' --repeat 8
  pinbisect git --repo ~/linux --good v6.12 --bad HEAD --replay reproduce.job
  pinbisect git --resume --builds DIR

"""

PACKAGES_EPILOG = """\
examples:
  pinbisect packages --series 6.12 --test uring_test
  pinbisect packages --good 6.12.117 --bad 7.3.4 --test dio_target_test:zram.*
  pinbisect packages --series 6.1 -- sh -c 'test $(uname -r) = ...'

"""

IMAGES_EPILOG = """\
DIR holds kernel images or build trees, whose names are sorted as versions are; a LIST is a
file with one path in a line, from good to bad, relative to the LIST.

examples:
  pinbisect images ~/kernels --test fork_test
  pinbisect images LIST --host-cmd -- ./boot-on-board.sh

"""


def interrupted(number, _frame):
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise Interrupted(number)


def count(text):
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"not a positive number: {text}")
    return int(text)


def count_or_none(text):
    return 0 if text == "0" else count(text)


def add_common(one):
    what = one.add_argument_group("what is run")
    what.add_argument("--test", action="append", default=[], metavar="NAME[:PATTERN][,...]",
                      help="test programs of the suite; may be given again")
    what.add_argument("--replay", metavar="FILE", help="a job of pinstress")
    what.add_argument("--host-cmd", action="store_true",
                      help="CMD runs on this machine, not in a guest")
    what.add_argument("--repeat", type=count, default=1, metavar="N",
                      help="for what fails now and then: run the test up to N times at each step,"
                      " and call it good only if all pass (%(default)s)")
    what.add_argument("--same-guest", action="store_true",
                      help="repeat in one guest, which is faster; otherwise each boots anew")
    what.add_argument("--same-failure", action="store_true",
                      help="only what fails at BAD counts, not other failures that GOOD lacks;"
                      " a step that only fails otherwise is skipped")
    what.add_argument("--confirm", type=count_or_none, metavar="N",
                      help="run culprit and parent N times in the end (3, at least --repeat; 0:"
                      " not at all)")
    guest = one.add_argument_group("the guest")
    guest.add_argument("--guest", choices=("auto", "lean", "suite"), default="auto",
                       help="lean has a disk and a few modules and boots faster, suite is that of"
                       " \"pinvm suite\" and runs programs whole; auto takes the first in which"
                       " BAD fails")
    guest.add_argument("--helper", action="store_true",
                       help="build pin_helper.ko for each kernel and load it; without this only"
                       " where the guest of the suite is needed, and once for the report")
    guest.add_argument("--accel", choices=("kvm", "tcg"), help="instead of what pinvm finds")
    guest.add_argument("--timeout", type=float, default=300, metavar="SECONDS",
                       help="for each run (%(default)s)")
    guest.add_argument("--pinvm", action="append", default=[], metavar="OPTIONS",
                       help="more options for \"pinvm run\", as '--memory 4G'")
    guest.add_argument("--selftests", metavar="DIR",
                       help="the suite as built or installed (build/selftests)")
    keep = one.add_argument_group("what is kept")
    keep.add_argument("--builds", metavar="DIR",
                      help="where all of it is (.cache/pinbisect/ID); what is begun there is gone"
                      " on with")
    keep.add_argument("--resume", action="store_true",
                      help="go on with what DIR has; no other options are needed")
    keep.add_argument("--restart", action="store_true", help="forget what DIR has, but the builds")
    keep.add_argument("--json", action="store_true",
                      help="the result as JSON instead of the report")


def parser():
    top = argparse.ArgumentParser(
        prog="pinbisect", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="mode")

    def command(name, source, text, epilog):
        one = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".",
            epilog=epilog + EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
            usage=f"pinbisect {name} [OPTION...] (--test NAME | --replay FILE | -- CMD ARGS)")
        one.set_defaults(source=source)
        return one

    one = command("git", sources.GitSource, "search the commits of a kernel repository",
                  GIT_EPILOG)
    one.add_argument("--repo", metavar="TREE", help="the repository; it stays as it is")
    one.add_argument("--good", metavar="REV", help="a commit where the test passes")
    one.add_argument("--bad", metavar="REV", help="a later one where it fails")
    one.add_argument("--config", action="append", default=[], metavar="FRAGMENT",
                     help="merged over our configuration; may be given again")
    one.add_argument("--jobs", type=count, default=os.cpu_count(), metavar="N",
                     help="for make (%(default)s)")
    one.add_argument("--path", action="append", default=[], metavar="PATH",
                     help="only commits that touch this; may be given again")
    one.add_argument("--first-parent", action="store_true", help="search merges, not what they"
                     " merged")
    one.add_argument("--build-cmd", metavar="CMD",
                     help="a shell command that builds instead of \"pinvm build\", from"
                     " PINBISECT_SOURCE in PINBISECT_TREE, with PINBISECT_JOBS; if it fails, the"
                     " commit is skipped")
    add_common(one)

    one = command("packages", sources.Packages, "search the kernels that Debian has packaged",
                  PACKAGES_EPILOG)
    one.add_argument("--series", metavar="X.Y", help="one series; otherwise --good and --bad say"
                     " from where to where")
    one.add_argument("--good", metavar="VERSION", help="passes (the oldest there is)")
    one.add_argument("--bad", metavar="VERSION", help="fails (the newest)")
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    one.add_argument("--arch", default=arch, help="architecture of the packages (%(default)s)")
    one.add_argument("--flavour", metavar="NAME", help="of the packages (cloud-ARCH)")
    add_common(one)

    one = command("images", sources.Images, "search kernels that are built already",
                  IMAGES_EPILOG)
    one.add_argument("images", nargs="?", metavar="DIR|LIST", help="the kernels")
    one.add_argument("--good", metavar="NAME", help="passes (the first)")
    one.add_argument("--bad", metavar="NAME", help="fails (the last)")
    add_common(one)
    return top


# What a bisection is: with any of these another, it is another one. The rest
# may differ when it is gone on with.
KEPT = ("test", "replay", "host_cmd", "repeat", "same_guest", "same_failure", "guest", "helper",
        "pinvm", "selftests", "command", "timeout", "accel")


def resumed(options):
    """The options that the bisection was begun with."""
    if not options.builds:
        raise Error("--resume wants --builds DIR", usage=True)
    text = read(Path(options.builds) / "options.json")
    if not text:
        raise Error(f"there is nothing to go on with in {options.builds}", usage=True)
    kept = json.loads(text)
    if kept["mode"] != options.mode:
        raise Error(f"{options.builds} has a bisection of \"pinbisect {kept['mode']}\"", usage=True)
    for name, value in kept.items():
        setattr(options, name, value)


def make_test(options):
    words = [word for text in options.test for word in text.split(",") if word.strip()]
    if sum(map(bool, (words, options.replay, options.command))) != 1:
        raise Error("one of --test, --replay and a command after -- is wanted", usage=True)
    if options.host_cmd and not options.command:
        raise Error("--host-cmd wants a command after --", usage=True)
    if options.command:
        test = judge.Command(options.command, options, options.host_cmd)
    elif options.replay:
        test = judge.Replay(options.replay, options)
    else:
        test = judge.Suite(words, options)
    test.check()
    return test


def check(options):
    wanted = {"git": ("repo", "good", "bad"), "images": ("images",)}.get(options.mode, ())
    for name in wanted:
        if not getattr(options, name):
            raise Error(f"{name.upper() if name == 'images' else '--' + name} is wanted",
                        usage=True)
    for name in ("repo", "images", "replay", "selftests"):
        if getattr(options, name, None):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    if getattr(options, "config", None):
        options.config = [os.path.abspath(name) for name in options.config]
    for name in getattr(options, "config", ()):
        if not os.path.isfile(name):
            raise Error(f"--config: there is no {name}", usage=True)
    if options.mode == "packages" and not options.flavour:
        options.flavour = f"cloud-{options.arch}"
    if options.confirm is None:
        options.confirm = max(3, options.repeat)


def bisect(options):
    if options.resume:
        resumed(options)
    check(options)
    options.helper_module = None
    test = make_test(options)
    source = options.source(options)
    source.resolve()
    request = {"mode": options.mode, **source.request(),
               "what": {name: getattr(options, name) for name in KEPT}}
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:10]
    folder = (Path(options.builds).absolute() if options.builds else
              cache_dir().parent / "pinbisect" / name)
    session = Session(folder, source, test, options)
    with session.held():
        if options.mode == "git" and not options.build_cmd and \
                not (folder / "tree/vmlinux").exists():
            check_space(folder, sources.GIT_SPACE)
        session.load(request)
        keep_options(options, folder)
        source.open(folder)
        say(f"{test}: all is kept in {folder}")
        test.full = session.state.get("full", False)
        session.ends(source.good, source.bad)
        found = session.state.get("found")
        if not found:
            found = session.state["found"] = source.search(session)
            session.save()
        if len(found) == 1 and options.confirm:
            session.confirm(found[0], options.confirm)
            for parent in source.parents(found[0]):
                session.confirm(parent, options.confirm)
        result = report.Report(session, found)
        text = result.write()
        print(json.dumps(result.json(), indent=1) if options.json else text, flush=True)
        return FOUND if result.outcome == "found" else NOT_FOUND


def keep_options(options, folder):
    names = [name for name in vars(options)
             if name not in ("source", "builds", "resume", "restart", "json", "helper_module")]
    kept = {name: getattr(options, name) for name in names}
    (folder / "options.json").write_text(json.dumps(kept, indent=1) + "\n")


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    # Not by argparse: the command may have a "--" of its own.
    words, command = sys.argv[1:], []
    if "--" in words:
        words, command = words[:words.index("--")], words[words.index("--") + 1:]
        if not command:
            say("nothing stands after --")
            return USAGE
    options = parser().parse_args(words)
    options.command = command
    try:
        return bisect(options)
    except Error as err:
        say(err)
        return err.status
    except Interrupted as err:
        say(f"interrupted by {err}: the same command goes on where this stopped")
        return 128 + err.number
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as err:
        say(f"{NO_SPACE}: make room, and --resume goes on ({err})" if NO_SPACE in str(err) else err)
        return CANNOT


sys.exit(main())
