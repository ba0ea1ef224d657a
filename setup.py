"""The table of extensions: their sources, and the flags the compiler takes.

Everything else about the distribution stands in pyproject.toml. The environment
chooses the kind of build:

    FASTSERVE_DEBUG=1      -O0 -g3, asserts and Cython's checks on
    FASTSERVE_ANNOTATE=1   also writes Cython's annotated .html files to build/

This file runs several times in one build: only the commands build_ext and sdist ask
for llhttp's sources, and nothing else here touches the network.
"""

import copy
import os
import runpy
import subprocess
import sysconfig
import tempfile
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.modified import newer

DEBUG = os.environ.get("FASTSERVE_DEBUG", "0") != "0"
ANNOTATE = os.environ.get("FASTSERVE_ANNOTATE", "0") != "0"

CSRC = ["csrc/http_scan.c", "csrc/http_write.c"]
WS_CSRC = ["csrc/ws_frame.c", *sorted(glob("csrc/ws_mask*.c"))]
LLHTTP = [f"vendor/llhttp/src/{name}.c" for name in ("api", "http", "llhttp")]

# fastserve/protocols/NAME.pyx: the plain C that is linked into it. The three files
# of llhttp do not compile as one unit.
EXTENSIONS = {
    "access_log": ["csrc/log_line.c", *CSRC],
    "awaitables": [],
    "connection": [],
    "deadlines": [],
    "exchange": [],
    "http_exchange": [],
    "http1": ["csrc/http_scan.c", *LLHTTP],
    "http1_writer": CSRC,
    "output": ["csrc/socket_send.c"],
    "scope": [],
    "shared": [*CSRC, "csrc/heap_keep.c"],
    "tasks": [],
    "websocket_connection": [],
    "websocket_exchange": [],
    "websocket": WS_CSRC,
}

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "embedsignature": True,
    # A method that is a plain C method costs less to bind and to call.
    "binding": False,
}

# Each is used only if the compiler takes it without a word. -g0 is for Pythons whose
# own flags have -g: modules five times the size, and a quarter more time to compile.
GCC_FLAGS = ["-O0", "-g3", "-UNDEBUG"] if DEBUG else ["-O3", "-g0", "-fno-plt"]
GCC_FLAGS += ["-fvisibility=hidden", "-fno-semantic-interposition"]
MSVC_FLAGS = ["/std:c11", "/Od" if DEBUG else "/O2"]

NO_COMPILER = (
    "error: fastserve is compiled here, and no working C compiler was found: "
    "install gcc or clang (Debian: build-essential), or name yours in CC."
)
NO_HEADERS = (
    "error: fastserve is compiled here, and Python.h was not found: "
    "install the headers of this Python (Debian: python3-dev)."
)


def fetch_llhttp():
    runpy.run_path("vendor/llhttp/fetch.py", run_name="__main__")


class BuildExt(build_ext):
    """build_ext: fetches llhttp, then runs Cython and the compiler in parallel."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self):
        fetch_llhttp()
        super().run()

    def build_extensions(self):
        flags = self.compiler_flags()
        self.run_cython()
        for extension in self.extensions:
            extension.extra_compile_args = flags
        super().build_extensions()

    def build_extension(self, extension):
        # Two extensions may share a file of csrc/: a folder of objects for each,
        # or they would write the same one at the same time.
        own = copy.copy(self)
        own.build_temp = os.path.join(self.build_temp, extension.name)
        super(BuildExt, own).build_extension(extension)

    def run_cython(self):
        """Turns the .pyx files into C below build/, several at a time."""
        from Cython.Build import cythonize

        folder = "build/cython-debug" if DEBUG else "build/cython"
        made = glob(f"{folder}/fastserve/protocols/*.c")
        # Cython looks at the age of .pyx and .pxd files, not at the directives.
        outdated = any(newer("setup.py", file) for file in made)
        translated = cythonize(
            self.extensions,
            build_dir=folder,
            compiler_directives=DIRECTIVES,
            nthreads=self.parallel,
            force=self.force or ANNOTATE or outdated,
            annotate=ANNOTATE,
            emit_linenums=DEBUG,
            quiet=True,
        )
        sources = {extension.name: extension.sources for extension in translated}
        for extension in self.extensions:
            extension.sources = sources[extension.name]

    def compiler_flags(self):
        """The flags that this compiler takes; ends the build if there is none."""
        if self.compiler.compiler_type == "msvc":
            return MSVC_FLAGS
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch, "probe.c")

            def compiles(text, *flags):
                source.write_text(text)
                command = [*self.compiler.compiler_so, *flags]
                command += ["-c", str(source), "-o", str(source.with_suffix(".o"))]
                try:
                    ran = subprocess.run(command, capture_output=True, check=False)
                except OSError:
                    return False
                return ran.returncode == 0

            if not compiles("int probe;\n"):
                raise SystemExit(NO_COMPILER)
            headers = f"-I{sysconfig.get_path('include')}"
            if not compiles("#include <Python.h>\n", headers):
                raise SystemExit(NO_HEADERS)
            return [
                flag for flag in GCC_FLAGS if compiles("int probe;\n", "-Werror", flag)
            ]


class SourceDistribution(sdist):
    """sdist: carries llhttp's sources, so that a build from it downloads nothing."""

    def run(self):
        fetch_llhttp()
        super().run()


# Processes that translate in parallel may import this file again.
if __name__ == "__main__":
    setup(
        ext_modules=[
            Extension(
                name=f"fastserve.protocols.{name}",
                sources=[f"fastserve/protocols/{name}.pyx", *plain_c],
                include_dirs=["csrc", "vendor/llhttp/include"],
                depends=["setup.py", *glob("csrc/*.h")],
            )
            for name, plain_c in EXTENSIONS.items()
        ],
        cmdclass={"build_ext": BuildExt, "sdist": SourceDistribution},
    )
