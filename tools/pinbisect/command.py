# SPDX-License-Identifier: GPL-2.0
"""Commands that do not outlive us, files that outlive a crash, verdicts that are none."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from common import Error, build_dir

# Exit statuses: what was looked for is found, or not; usage; cannot be done here.
FOUND, NOT_FOUND, USAGE, CANNOT = 0, 1, 2, 4
NO_SPACE = "No space left on device"
# Leads the process group of a command. It ends the group when its standard
# input does, which is when we are gone, however that came about.
GUARD = ('exec 3<&0\n'
         '(exec 8>&- 9<&-; read -r _ <&3; trap "" TERM; kill -TERM 0; sleep 5; kill -KILL 0)'
         ' >/dev/null 2>&1 &\n'
         'exec "$@" </dev/null 3<&-')


class Skip(Exception):
    """This revision cannot be judged, and why."""


class Interrupted(Exception):
    """A signal came."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


def tool(name):
    """One of our own programs."""
    path = build_dir() / "bin" / name
    if not path.exists():
        raise Error(f"there is no {path}: run make")
    return str(path)


def end_group(process):
    """The command, unless it has ended, is asked to end, then made to; then what it left
    behind, and the guard."""
    for number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdin.close()


def run(command, log, cwd=None, env=None, stdout=None, timeout=None):
    """Runs a command to its end; returns its status, None after the timeout."""
    with open(log, "ab") as errors:
        process = subprocess.Popen(
            ["sh", "-c", GUARD, "sh", *map(str, command)], stdin=subprocess.PIPE,
            stdout=stdout or errors, stderr=errors, cwd=cwd, env=env, start_new_session=True)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end_group(process)


def read(path):
    """A log that may not be there, or hold anything."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def tail(text, count):
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


def write_atomic(path, text):
    """There is the old file or the new one, also after a crash."""
    new = path.with_name(path.name + ".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def append_line(path, row):
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
        file.flush()
        os.fsync(file.fileno())


def check_space(folder, wanted):
    """Says so in time."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise Error(f"{free >> 20} MB are free in {folder}, about {wanted >> 20} MB are wanted:"
                    " make room, or name another folder by --builds")


class Clock:
    """Seconds spent on each part of a step."""

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def on(self, part):
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = round(self.seconds.get(part, 0) + time.monotonic() - began, 2)
