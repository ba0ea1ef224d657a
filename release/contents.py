"""What a wheel of fastserve may have inside: reads it, and never runs any of it.

    python release/contents.py [--debug] WHEEL ...

Ends with 0, or with 1 and a line for each thing that is wrong. Modules in ELF, which is
what Linux has, are looked into with pyelftools; of other platforms' only the names are.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

PACKAGE = Path(__file__).resolve().parent.parent / "fastserve"
LIMIT = 2_000_000  # bytes
METADATA = {"METADATA", "WHEEL", "RECORD", "top_level.txt", "entry_points.txt"}
LICENCES = {
    "licenses/LICENSE": "MIT License",
    "licenses/vendor/llhttp/LICENSE": "Fedor Indutny",
}
MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
# The C library's parts, by glibc's names and musl's. Nothing else is linked.
LIBRARIES = re.compile(r"lib(c|m|pthread|dl)\.so\.\d|libc\.so|libc\.musl-\w+\.so\.1")


def faults(wheel: Path, debug: bool = False) -> Iterator[str]:
    """What is wrong with a wheel, a sentence each."""
    if not debug and wheel.stat().st_size > LIMIT:
        yield f"{wheel.stat().st_size} bytes are more than {LIMIT}"
    platform = wheel.stem.split("-")[-1]
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        yield from faults_of_names(names)
        yield from faults_of_licences(archive, names)
        for name in sorted(names):
            data = archive.read(name)
            if data[:4] == b"\x7fELF":
                elf = ELFFile(io.BytesIO(data))
                stem = PurePosixPath(name).name.partition(".")[0]
                for fault in faults_of_module(elf, stem, platform, debug):
                    yield f"{name}: {fault}"


def faults_of_names(names: set[str]) -> Iterator[str]:
    wanted = {
        path.relative_to(PACKAGE.parent).as_posix()
        for pattern in ("*.py", "*.pyi", "py.typed")
        for path in PACKAGE.rglob(pattern)
    }
    modules = {
        path.relative_to(PACKAGE.parent).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.pyx")
    }
    for name in sorted(wanted - names):
        yield f"{name} is missing"
    for name in sorted(names - wanted):
        root, _, rest = name.partition("/")
        if root.endswith(".dist-info"):
            if rest not in METADATA | set(LICENCES) and not rest.startswith("sboms/"):
                yield f"{name} is no part of the metadata"
        elif name.endswith((".so", ".pyd")) and name.partition(".")[0] in modules:
            modules.remove(name.partition(".")[0])
        else:
            yield f"{name} does not belong there"
    for name in sorted(modules):
        yield f"{name} is not there as a compiled module"


def faults_of_licences(archive: zipfile.ZipFile, names: set[str]) -> Iterator[str]:
    for licence, words in LICENCES.items():
        found = [name for name in names if name.endswith(f".dist-info/{licence}")]
        if not found or words not in archive.read(found[0]).decode("utf-8"):
            yield f"{licence} is missing, or is another one"


def faults_of_module(
    elf: ELFFile, name: str, platform: str, debug: bool
) -> Iterator[str]:
    machines = [MACHINES[word] for word in MACHINES if platform.endswith(word)]
    if elf["e_machine"] not in machines:
        yield f"{elf['e_machine']} is not the machine of {platform}"
    exported = exported_names(elf)
    if exported != {f"PyInit_{name}"}:
        yield f"other modules see {', '.join(sorted(exported)) or 'nothing'}"
    sections = {section.name for section in elf.iter_sections()}
    if bool(sections & {".debug_info", ".zdebug_info"}) != debug:
        yield "has no debug sections" if debug else "has debug sections"
    for library in libraries(elf):
        if not LIBRARIES.fullmatch(library):
            yield f"needs {library}"
    oldest = glibc_of(platform)
    for version in versions_needed(elf):
        if oldest is None or version > oldest:
            yield f"needs GLIBC_{'.'.join(map(str, version))}"
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_GNU_STACK" and segment["p_flags"] & 1:
            yield "asks for an executable stack"


def exported_names(elf: ELFFile) -> set[str]:
    """What the dynamic linker finds in the module."""
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    return {
        symbol.name
        for symbol in table.iter_symbols()
        if symbol["st_shndx"] != "SHN_UNDEF"
        and symbol["st_info"]["bind"] != "STB_LOCAL"
        and symbol["st_other"]["visibility"] == "STV_DEFAULT"
    }


def libraries(elf: ELFFile) -> list[str]:
    section = elf.get_section_by_name(".dynamic")
    assert isinstance(section, DynamicSection)
    return [tag.needed for tag in section.iter_tags("DT_NEEDED")]


def versions_needed(elf: ELFFile) -> set[tuple[int, ...]]:
    """The versions of glibc whose symbols the module uses."""
    section = elf.get_section_by_name(".gnu.version_r")
    if not isinstance(section, GNUVerNeedSection):
        return set()
    names = [part.name for _, parts in section.iter_versions() for part in parts]
    glibc = [name for name in names if name.startswith("GLIBC_2")]
    return {tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in glibc}


def glibc_of(platform: str) -> tuple[int, ...] | None:
    """The oldest glibc that the tags of a wheel promise; None where there is none."""
    found = re.findall(r"manylinux_(\d+)_(\d+)_", platform)
    if not found and "manylinux2014" in platform:
        return (2, 17)
    return min((tuple(map(int, pair)) for pair in found), default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debug", action="store_true", help="debug wheels are meant")
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    options = parser.parse_args()
    wrong = 0
    for wheel in options.wheels:
        for fault in faults(wheel, options.debug):
            print(f"{wheel.name}: {fault}", file=sys.stderr)
            wrong += 1
    if wrong:
        sys.exit(1)
    print(f"{len(options.wheels)} wheels have what they should, and nothing else")


if __name__ == "__main__":
    main()
