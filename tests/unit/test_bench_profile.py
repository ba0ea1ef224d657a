"""bench.profile: what it makes of perf's text. Nothing is sampled here."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import _bench  # noqa: F401
import pytest

from bench.profile import flame, samples

LIB = "/usr/lib/python3.11/site-packages"
PROTOCOLS = f"{LIB}/fastserve/protocols"
SUFFIX = "cpython-311-x86_64-linux-gnu.so"

SCRIPT = f"""python\x20
\tffffffff8201c405 tcp_ack ([kernel.kallsyms])
\tffffffff821ed511 do_syscall_64 ([kernel.kallsyms])
\t          10aba4 __send (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t            8403 fs_socket_send+0x4 ({PROTOCOLS}/output.{SUFFIX})
\t          12a2f6 uv_run ({LIB}/uvloop/loop.{SUFFIX})
\t           27249 __libc_start_call_main (/usr/lib/x86_64-linux-gnu/libc.so.6)

python\x20
\t           fd9c2 _PyEval_EvalFrameDefault (/usr/lib/libpython3.11.so.1.0)
\t          12a2f6 uv_run ({LIB}/uvloop/loop.{SUFFIX})

python\x20
\t    7ffd1b5e2c3d [unknown] ([unknown])

"""


def test_stacks_are_read_from_the_root_of_the_loop() -> None:
    first, second, third = samples.read(SCRIPT)
    assert [(frame.name, frame.group) for frame in first] == [
        ("uv_run", "uvloop"),
        ("fs_socket_send", "fastserve"),
        ("__send", "C library"),
        ("do_syscall_64", "kernel"),
        ("tcp_ack", "kernel"),
    ]
    assert [frame.group for frame in second] == ["uvloop", "interpreter"]
    assert [frame.group for frame in third] == [samples.OTHER]


@pytest.mark.parametrize(
    ("file", "group"),
    [
        ("[kernel.kallsyms]", "kernel"),
        ("[nf_tables]", "kernel"),
        ("[vdso]", "C library"),
        ("[unknown]", "other modules"),
        ("/lib64/ld-linux-x86-64.so.2", "C library"),
        ("/usr/lib/libm.so.6", "C library"),
        ("/usr/bin/python3.13", "interpreter"),
        ("/opt/lib/libpython3.13.so.1.0", "interpreter"),
        (f"{PROTOCOLS}/http1.{SUFFIX}", "fastserve"),
        (f"{LIB}/uvloop/loop.{SUFFIX}", "uvloop"),
        (f"{LIB}/pydantic_core/_pydantic_core.{SUFFIX}", "other modules"),
        ("/usr/lib/python3.11/lib-dynload/_asyncio.so", "other modules"),
    ],
)
def test_groups(file: str, group: str) -> None:
    assert samples.group_of(file) == group


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (
            "__pyx_f_9fastserve_9protocols_6output_6Output__send",
            "output.Output._send",
        ),
        (
            "__pyx_pw_9fastserve_9protocols_10connection_10Connection_5data_received",
            "connection.Connection.data_received",
        ),
        (
            "__pyx_f_9fastserve_9protocols_5tasks_start_eagerly.isra.0",
            "tasks.start_eagerly",
        ),
        ("__pyx_pf_6uvloop_4loop_4Loop_25run_forever", "loop.Loop.run_forever"),
        ("__pyx_f_6uvloop_4loop_cb_idle_callback", "loop.cb_idle_callback"),
        ("tcp_ack", "tcp_ack"),
        ("finish_task_switch.isra.0", "finish_task_switch.isra.0"),
    ],
)  # fmt: skip
def test_names_of_cython_are_unpacked(symbol: str, name: str) -> None:
    assert samples.readable(symbol) == name


def frames(*names: str) -> tuple[samples.Frame, ...]:
    return tuple(samples.Frame(name, "fastserve") for name in names)


def test_shares_are_of_the_innermost_frame() -> None:
    stacks = [frames("a", "b"), frames("a", "b"), frames("a"), frames("a", "c")]
    assert samples.shares(stacks, lambda frame: frame.name) == [
        ("b", 0.5),
        ("a", 0.25),
        ("c", 0.25),
    ]
    lines = samples.function_table(stacks, 8.0, 1).splitlines()
    assert [line.split() for line in lines[1:]] == [["fastserve", "50.0%", "4.00", "b"]]


def test_the_groups_come_to_the_whole_request() -> None:
    table = samples.share_table(samples.read(SCRIPT), 9.0)
    rows = [line.rsplit(maxsplit=2) for line in table.splitlines()[1:]]
    assert {name: float(us) for name, _, us in rows} == {
        "kernel": 3.0,
        "interpreter": 3.0,
        "other modules": 3.0,
        "sum": 9.0,
    }


def test_the_picture_is_as_wide_as_the_samples() -> None:
    stacks = [frames("a", "b<int>"), frames("a", "c"), frames("a", "c"), frames("d")]
    root = ElementTree.fromstring(flame.svg(stacks, "one & two", "4 samples"))
    space = "{http://www.w3.org/2000/svg}"
    boxes = {}
    for group in root.iter(f"{space}g"):
        name = group.findtext(f"{space}title").partition(" (")[0]
        shape = group.find(f"{space}rect")
        boxes[name] = {key: float(shape.get(key)) for key in ("x", "y", "width")}
    whole = flame.WIDTH - 2 * flame.MARGIN
    assert {name: box["width"] / whole for name, box in boxes.items()} == {
        "all": 1,
        "a": 0.75,
        "b<int>": 0.25,
        "c": 0.5,
        "d": 0.25,
    }
    assert boxes["a"]["x"] == boxes["b<int>"]["x"] == boxes["all"]["x"]
    assert boxes["c"]["x"] == boxes["b<int>"]["x"] + boxes["b<int>"]["width"]
    assert boxes["c"]["y"] < boxes["a"]["y"] < boxes["all"]["y"]


def test_every_group_has_a_colour() -> None:
    names = {name for name, _ in samples.GROUPS} | {samples.OTHER}
    assert set(flame.COLOURS) == names
