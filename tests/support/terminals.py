"""Commands run in a terminal of 80 columns, as a user would see them."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from support.places import REPOSITORY

_ESCAPE = re.compile(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command of ``at2-rag`` that runs in a terminal.

    Attributes:
        output: All that was written so far, escapes included.
    """

    def __init__(self, *args, columns=80):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color"}
        for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            env.pop(name, None)
        self.output, self._fd = "", ours
        self._process = subprocess.Popen(
            [sys.executable, "-m", "at2_rag.cli", *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            cwd=REPOSITORY,
            start_new_session=True,
            preexec_fn=_as_in_front,
        )
        os.close(theirs)

    def type(self, keys):
        """Type something; what is waited for next has to come behind it."""
        self._seen = len(self.output)
        os.write(self._fd, keys.encode())

    def wait_for(self, text, timeout=240):
        """Read until a text has come since something was last typed."""
        self._read(lambda: text in self.output[getattr(self, "_seen", 0) :], timeout)

    def press_until(self, keys, text, every=2, times=30):
        """Type something again and again until a text comes.

        A key that comes between a prompt and the reading of what is typed there is not heard.
        """
        for _ in range(times):
            self.type(keys)
            until = time.monotonic() + every
            while time.monotonic() < until:
                if text in self.output[self._seen :]:
                    return
                self._take()
        raise TimeoutError(f"pressed {times} times; there was {self.output[-500:]!r}")

    def end(self, timeout=240):
        """Read to the end, and return the exit code."""
        self._read(lambda: False, timeout)
        os.close(self._fd)
        return self._process.wait(timeout)

    def _read(self, enough, timeout):
        until = time.monotonic() + timeout
        while not enough():
            if time.monotonic() > until:
                self._process.kill()
                raise TimeoutError(f"waited {timeout} s; there was {self.output[-500:]!r}")
            if not self._take():
                return

    def _take(self):
        """Take in what comes within a second, and tell whether the other side is still there."""
        if select.select([self._fd], [], [], 1)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # the other side is closed
                return False
            self.output += data.decode(errors="replace")
        return True


def _as_in_front():
    """Make the process one that its terminal's Ctrl-C reaches, also where tests run behind."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def without_escapes(output):
    """Return the words of what was written, without colours and links."""
    return _ESCAPE.sub("", output)


def screen_lines(output):
    """Return what is left on the screen: lines that were erased later are gone."""
    lines = [""]
    for piece in re.split(r"(\n|\x1b\[1A|\x1b\[2K|\r)", output):
        if piece == "\n":
            lines.append("")
        elif piece == "\x1b[1A" and len(lines) > 1 and not lines[-1]:
            lines.pop()
        elif piece in ("\x1b[2K", "\x1b[1A"):
            lines[-1] = ""
        elif piece != "\r":
            lines[-1] += without_escapes(piece)
    return [line.rstrip() for line in lines]
