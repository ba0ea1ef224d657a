"""Says in pytest's header which fastserve is tested; imports nothing of it.

Also gives signals their usual meaning back: a suite that nohup started, or a script in
its background, would hand ignored ones on to every server that it starts.
"""

from __future__ import annotations

import importlib.util
import signal


def pytest_configure() -> None:
    for name in ("SIGINT", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, usual)


def pytest_report_header() -> str:
    spec = importlib.util.find_spec("fastserve")
    return f"fastserve: {spec.origin if spec else 'not installed'}"
