# SPDX-License-Identifier: GPL-2.0
"""Boots Linux kernels with our programs and says how it went."""

import argparse
import json
import signal
import sys
import tempfile

import build
import consumers
import coverage
import kernels
import soak
import suite
import vm
from common import ARCHES, Error, cache_dir, say

EPILOG = """\
A kernel is named by its version: 6.12 is the newest 6.12 that Debian has, of
its flavour for clouds (fewer drivers, boots faster); 6.12-amd64 is the same of
the ordinary flavour, 6.12.117 a point release, 6.12-arm64-16k one for another
architecture, 6.1.0-42-cloud-amd64 a package. "run" takes what is in the cache
if it has one that fits, "get" looks for a newer one. Instead of a version, run
takes a kernel image or a kernel build tree.

Exit status of run: that of the command; 99 if there is none, as the kernel
crashed, hung or lost its console (the log is kept and its end shown); 2 wrong
usage, 4 cannot be run here. That of build: 1 if the compiler does not like the
source."""


def interrupted(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    say(f"interrupted by {signal.Signals(number).name}")
    sys.exit(128 + number)


def run(options):
    if not options.command and not options.shell and not options.consumers:
        raise Error("a command is wanted after --, or --shell", usage=True)
    kernel = kernels.find(options.kernel, options.arch)
    options.insmod = []
    if options.consumers:
        consumers.provide(options, lambda: suite.find_helper(kernel, "build"))
    options.stdout, options.stderr = vm.write_to(sys.stdout), vm.write_to(sys.stderr)
    with tempfile.TemporaryDirectory(prefix="pinvm.") as folder:
        machine = vm.Machine(kernel, options, folder)
        return machine.dry_run() if options.dry_run else machine.run()


def get(options):
    for version in options.version:
        print((kernels.get_headers if options.headers else kernels.get)(
            version, options.arch, options.update))
    return 0


def kdir(options):
    print(kernels.get_headers(options.version, options.arch))
    return 0


def cross(options):
    root, triplet = kernels.sysroot(options.arch), ARCHES[options.arch].triplet
    print(f"CROSS_COMPILE={triplet}- USERLDFLAGS=-static"
          f" USERCFLAGS='-B{root}/usr/lib/{triplet} -I{root}/usr/include'")
    return 0


def list_kernels(options):
    rows = []
    for arch in [options.arch] if options.arch else ARCHES:
        have = kernels.cached(arch)
        try:
            available = kernels.obtainable(arch, options.update)
        except Error as err:
            say(err)
            available = {}
        for release, (where, version, flavour) in {**have, **available}.items():
            rows.append({
                "release": release, "arch": arch, "flavour": flavour, "suite": where,
                "version": version, "series": kernels.series(release),
                "cached": release in have, "obtainable": release in available,
                "headers": kernels.headers_dir(release).exists(),
            })
    rows += kernels.installed()
    rows.sort(key=lambda row: (row["arch"], row["flavour"], kernels.order(row["version"])))
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        state = [word for word in ("installed", "cached", "headers", "obtainable") if row.get(word)]
        print(f"{row['release']:34} {row['arch']:6} {row['suite']:18} {' '.join(state)}")
    return 0


def parser():
    top = argparse.ArgumentParser(
        prog="pinvm", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text):
        one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        one.set_defaults(function=function)
        return one

    one = command("kernels", list_kernels, "list what is installed, cached and obtainable")
    one.add_argument("--arch", choices=ARCHES, help="only this architecture")
    one.add_argument("--update", action="store_true", help="look for newer ones now")
    one.add_argument("--json", action="store_true", help="as JSON")

    one = command("get", get, "fetch kernels, the newest that there are, into the cache")
    one.add_argument("version", nargs="+", metavar="VERSION")
    one.add_argument("--arch", choices=ARCHES, help="where the version does not say it")
    one.add_argument("--headers", action="store_true",
                     help="what modules are built with instead; prints the KDIR")
    one.add_argument("--update", action="store_true",
                     help="look for newer ones now, not only each 12 hours")

    one = command("kdir", kdir, "print the KDIR to build modules in, and fetch it if need be")
    one.add_argument("version", metavar="VERSION")
    one.add_argument("--arch", choices=ARCHES, help="where the version does not say it")

    one = command("cross", cross, "print the variables for make to build the suite for another"
                  " architecture, and fetch the libraries if need be")
    one.add_argument("arch", choices=ARCHES)

    one = command("run", run, "boot a kernel and run a command in it")
    one.usage = "pinvm run --kernel VERSION|FILE|BUILDTREE [OPTION...] -- CMD ARGS"
    one.epilog = ("CMD is the path of a program of the host, or the name of one, or of a"
                  " busybox applet.")
    one.add_argument("--kernel", required=True, metavar="VERSION|FILE|BUILDTREE")
    consumers.add_option(one, "with the modules and devices that these consumers need, and"
                         " matrix_test and pinstress in reach; without CMD matrix_test drives"
                         " them")
    vm.add_options(one)

    build.add_command(command)
    suite.add_commands(command)
    coverage.add_command(command)
    soak.add_command(command)
    return top


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    # Not by argparse: the command may have a "--" of its own.
    words, command = sys.argv[1:], []
    if "--" in words:
        words, command = words[:words.index("--")], words[words.index("--") + 1:]
    top = parser()
    options = top.parse_args(words)
    if command and options.function is not run:
        top.error("only run takes a command after --")
    options.command = command
    try:
        return options.function(options)
    except Error as err:
        say(err)
        return err.status
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as err:
        say(f"{err} (the cache is {cache_dir()}; CACHE=DIR names another)")
        return 4


sys.exit(main())
