"""The clients that are written in C: builds them when they are needed, and runs them.

client.h says how such a program behaves.
"""

import json
import os
import subprocess

from .answers import WrongAnswer
from .process import clean_environment, pinned


def compiled(source, directory):
    """The path of the program of a C file, built unless it is newer than that.

    Raises SystemExit where it cannot be built; the compiler's words are on the screen.
    """
    program = directory / source.stem
    sources = (source, source.with_name("client.h"))
    changed = max(path.stat().st_mtime for path in sources)
    if program.exists() and program.stat().st_mtime > changed:
        return program
    command = [os.environ.get("CC", "cc"), "-O2", "-std=c11", str(source)]
    try:
        subprocess.run([*command, "-o", program], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{source.name} could not be compiled: {error}") from None
    return program


class Client:
    """A client on the core of the load: warmed up when entered, ended when left.

    It is given its arguments, and `blocks` of bytes on standard input. Raises
    WrongAnswer, with the program's own sentence, when it ends early.
    """

    def __init__(self, source, arguments, blocks, settings):
        argv = [compiled(source, settings.bin_dir), *arguments]
        self.name = source.stem
        self.process = subprocess.Popen(
            pinned(settings.load_core, map(str, argv)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
        )
        self.blocks = blocks

    def __enter__(self):
        try:
            for block in self.blocks:
                self.process.stdin.write(b"%d\n%b" % (len(block), block))
            self.process.stdin.flush()
            self.read_line()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def go(self):
        """Begin the timed run; its figures."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return json.loads(self.read_line())

    def read_line(self):
        """The next line that it prints."""
        line = self.process.stdout.readline()
        if not line:
            words = self.process.stderr.read().decode(errors="replace").strip()
            raise WrongAnswer(f"{self.name}: {words}")
        return line
