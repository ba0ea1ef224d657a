"""The formatters of the server's log and of the access log.

A record that other handlers see is never changed: each formatter works on a copy.
Control characters in a message or a traceback are shown as `\\x1b`, never written,
for much of what is logged was chosen by a peer; colours are added after that.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from copy import copy
from types import FunctionType, ModuleType
from typing import Any, Literal, TextIO

import click

TRACE_LOG_LEVEL = 5

# The stock format of AccessFormatter, and the message of its records.
ACCESS_FORMAT = '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s'
ACCESS_MESSAGE = '%s - "%s %s HTTP/%s" %d'

# C0 but for newline and tab, DEL, and C1, which some terminals obey as well.
_ESCAPES = {
    code: f"\\x{code:02x}"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if code not in b"\n\t"
}

_LEVEL_COLORS = {
    TRACE_LOG_LEVEL: "blue",
    logging.DEBUG: "cyan",
    logging.INFO: "green",
    logging.WARNING: "yellow",
    logging.ERROR: "red",
    logging.CRITICAL: "bright_red",
}

_STATUS_COLORS = {
    1: "bright_white",
    2: "green",
    3: "yellow",
    4: "red",
    5: "bright_red",
}


def escape_controls(text: str) -> str:
    """`text` with its control characters as backslash escapes, ready to be shown."""
    return text if text.isprintable() else text.translate(_ESCAPES)


def _escape_arg(arg: object) -> object:
    return escape_controls(arg) if isinstance(arg, str) else arg


class ColourizedFormatter(logging.Formatter):
    """Adds `%(levelprefix)s`, in the colour of the level.

    A record logged with `extra={"color_message": ...}` shows that message instead of
    its own where colours are used. `use_colors` None means: if stdout is a terminal.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        use_colors: bool | None = None,
    ) -> None:
        super().__init__(fmt=fmt, datefmt=datefmt, style=style)
        if use_colors is None:
            use_colors = _is_terminal(sys.stdout)
        self.use_colors = use_colors

    def should_use_colors(self) -> bool:
        """For subclasses that want to know; `use_colors` decides."""
        return True

    def color_level_name(self, level_name: str, level_no: int) -> str:
        color = _LEVEL_COLORS.get(level_no)
        return level_name if color is None else click.style(level_name, fg=color)

    def formatMessage(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        name, padding = shown.levelname, " " * (8 - len(shown.levelname))
        if self.use_colors:
            name = self.color_level_name(name, shown.levelno)
        shown.__dict__["levelprefix"] = f"{name}:{padding}"
        shown.message = self._message(shown)
        return super().formatMessage(shown)

    def _message(self, record: logging.LogRecord) -> str:
        colored = record.__dict__.get("color_message")
        if not self.use_colors or colored is None:
            return escape_controls(record.message)
        # The escape sequences of the message are ours; those of its arguments not.
        if isinstance(record.args, tuple):
            record.args = tuple(map(_escape_arg, record.args))
        record.msg = colored
        return record.getMessage()

    def formatException(self, ei: Any) -> str:
        return escape_controls(super().formatException(ei))


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether it is one; a program without a console has None for a stream."""
    return stream is not None and stream.isatty()


class DefaultFormatter(ColourizedFormatter):
    """The formatter of the server's log, which goes to stderr."""

    def should_use_colors(self) -> bool:
        return _is_terminal(sys.stderr)


class AccessFormatter(ColourizedFormatter):
    """Adds `client_addr`, `request_line` and `status_code` from the five arguments.

    They are client address, method, path with query, HTTP version, status.
    """

    def get_status_code(self, status_code: int) -> str:
        """The code with its phrase: `200 OK`; an unknown code: `599 `."""
        from http import HTTPStatus  # a big enum; most lines are made without it

        try:
            phrase = HTTPStatus(status_code).phrase
        except ValueError:
            phrase = ""
        text = f"{status_code} {phrase}"
        color = _STATUS_COLORS.get(status_code // 100)
        if self.use_colors and color is not None:
            return click.style(text, fg=color)
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        client_addr, method, full_path, http_version, status_code = map(
            _escape_arg, shown.args or ()
        )
        request_line = f"{method} {full_path} HTTP/{http_version}"
        if self.use_colors:
            request_line = click.style(request_line, bold=True)
        shown.__dict__["client_addr"] = client_addr
        shown.__dict__["request_line"] = request_line
        shown.__dict__["status_code"] = self.get_status_code(int(str(status_code)))
        return super().formatMessage(shown)


@contextlib.contextmanager
def uvicorn_classes() -> Iterator[None]:
    """Let `uvicorn.logging` name this module, where uvicorn is not installed.

    For configurations that name its classes. Only meanwhile: a program that tries to
    import uvicorn, to see if it is there, must not find this.
    """
    if "uvicorn" in sys.modules or importlib.util.find_spec("uvicorn"):
        yield
        return
    alias: Any = ModuleType("uvicorn")
    alias.__path__ = []
    alias.logging = sys.modules[__name__]
    sys.modules |= {"uvicorn": alias, "uvicorn.logging": alias.logging}
    try:
        yield
    finally:
        del sys.modules["uvicorn"], sys.modules["uvicorn.logging"]


# --- access lines without a record ----------------------------------------------------
#
# protocols/access_log writes lines itself while nothing could tell the difference.

# The methods that a record passes on its way into a stream.
_LOGGER_STEPS = (
    *("info", "isEnabledFor", "_log", "findCaller", "makeRecord"),
    *("handle", "filter", "callHandlers"),
)
_HANDLER_STEPS = ("handle", "filter", "emit", "format")
_FORMATTER_STEPS = (
    *("format", "formatMessage", "usesTime"),
    *("get_status_code", "color_level_name", "_message"),
)
_STYLE_STEPS = ("format", "_format", "usesTime")
_RECORD_STEPS = ("__init__", "getMessage")


def is_untouched(logger: logging.Logger, handler: logging.Handler) -> bool:
    """Whether no method of these, of the formatter or of records was replaced.

    Tools do so, on the class or on the object, to see every record. `handler` is a
    StreamHandler or FileHandler, its formatter an AccessFormatter.
    """
    formatter: Any = handler.formatter
    return (
        _has_own(logger, _LOGGER_STEPS)
        and _has_own(handler, _HANDLER_STEPS)
        and _has_own(formatter, _FORMATTER_STEPS)
        and _has_own(formatter._style, _STYLE_STEPS)
        and _are_own(logging.LogRecord, _RECORD_STEPS)
        and getattr(handler, "terminator", None) == "\n"
    )


def _has_own(holder: object, names: tuple[str, ...]) -> bool:
    return _are_own(type(holder), names) and not vars(holder).keys() & {*names}


def _are_own(kind: type, names: tuple[str, ...]) -> bool:
    """Whether these methods are functions of the logging module or of this one."""
    for name in names:
        method = getattr(kind, name)
        if type(method) is not FunctionType:
            return False
        if not any(method.__globals__ is own for own in (vars(logging), globals())):
            return False
    return True


def access_line_parts(
    formatter: AccessFormatter, status: int
) -> tuple[str, str, str, str]:
    """What stands in a line before client, method and version, and behind them.

    Found in a line of the formatter's own, so that it is the same to the letter.
    """
    marks = ("<client>", "<method>", "<path>", "<version>")
    record = logging.LogRecord(
        *("uvicorn.access", logging.INFO, __file__, 0),
        *(ACCESS_MESSAGE, (*marks, status), None),
    )
    head, _, rest = formatter.format(record).partition("<client>")
    method, _, rest = rest.partition("<method> <path>")
    version, _, tail = rest.partition("<version>")
    return head, method, version, f"{tail}\n"


def write_lines(handler: logging.StreamHandler[Any], lines: str) -> None:
    """What handler.handle() would do with records whose lines these are."""
    handler.acquire()
    try:
        handler.stream.write(lines)
        handler.flush()
    except RecursionError:
        raise
    except Exception:
        handler.handleError(
            logging.LogRecord(
                *("uvicorn.access", logging.INFO, __file__, 0, lines, None, None)
            )
        )
    finally:
        handler.release()
