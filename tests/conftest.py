"""Says in pytest's header which fastserve is tested; imports nothing of it.

With --reruns, which .ci/run asks for, a test that failed is run a second time and has
to pass then: a machine that stood still for a second is no fault of the change. More
than RERUNS_ALLOWED such tests in one run are one. Each is listed: a test to mend.

Also gives signals their usual meaning back: a suite that nohup started, or a script in
its background, would hand ignored ones on to every server that it starts.
"""

from __future__ import annotations

import importlib.util
import signal

import pytest

RERUNS_ALLOWED = 3

_rerun: set[str] = set()


def pytest_configure() -> None:
    for name in ("SIGINT", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, usual)


def pytest_report_header() -> str:
    spec = importlib.util.find_spec("fastserve")
    return f"fastserve: {spec.origin if spec else 'not installed'}"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if str(report.outcome) == "rerun":  # the plugin's, beside pytest's own three
        _rerun.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if len(_rerun) > RERUNS_ALLOWED:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for nodeid in sorted(_rerun):
        terminalreporter.write_line(f"RERUN {nodeid}: failed the first time")
    if len(_rerun) > RERUNS_ALLOWED:
        terminalreporter.write_line(
            f"{len(_rerun)} tests passed only when run again; {RERUNS_ALLOWED} may."
        )
