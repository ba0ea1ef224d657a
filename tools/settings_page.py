"""Writes docs/settings.md, the reference of every setting, from the options themselves.

    python -m tools.settings_page        # `make docs` does it

tests/unit/test_settings_page.py fails while the page says something else than this.
Texts, types and defaults are options.py's and Config's; nothing about a setting is
written here, but for the parameters of Config that no option has.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from fastserve.config import Config
from fastserve.main import main
from fastserve.options import GROUPS, variables

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

HEAD = """\
# Settings

<!-- Made by `make docs` from fastserve/options.py: change that, and not this page. -->

Every setting can be given in four ways. An earlier one goes before a later one:

1. on the command line: `--port 80`
2. by a variable: `FASTSERVE_PORT=80`, or uvicorn's name, `UVICORN_PORT=80`
3. by a line of a configuration file: `port = 80` (see [Configuration
   files](deploy.md#configuration-files))
4. by default

Programs give them as parameters, `fastserve.run("main:app", port=80)` or
`fastserve.Config("main:app", port=80)`, which read neither variables nor files, but
for `WEB_CONCURRENCY` and `FORWARDED_ALLOW_IPS`. `fastserve --check-config` shows what
is set, and where it is from; `fastserve --help` prints this page's texts.

A switch stands alone on the command line; in a variable or a file it is `true` or
`false`. What may be given several times is separated by blanks in a variable (folders
by `:`), and a list in a TOML file.
"""

# What programs alone can give.
PARAMETERS = {
    "timeout_notify": "Seconds between two calls of `callback_notify`.",
    "callback_notify": "A coroutine function without arguments, called every "
    "`timeout_notify` seconds: a heartbeat.",
    "ssl_context_factory": "Called with the Config and a function that makes the "
    "context which the `ssl_*` settings describe; returns the `ssl.SSLContext` to use.",
}

# Options, variables, and words with what Markdown or a reader would take for else.
_CODE = re.compile(
    r"(?<![\w`-])("
    r"--[a-z][a-z-]*[a-z]|[A-Z]+:[A-Z]+|\$\w+|\w+(?:_\w+)+|\w+\.(?:toml|conf)\b"
    r"|[\w.-]*\*[\w.-]*(?<!\.)|~\*|\.\w+\[\w+\]|\.\w+(?:\.\*)?(?=[,\s]))"
)
# A default that an option's text gives itself, at its end.
_OWN_DEFAULT = re.compile(r"\s*\[default: (?P<default>.*)\]$", re.S)


def page() -> str:
    """The whole page, as Markdown.

    Raises KeyError for a parameter of Config that has neither an option nor a text.
    """
    parts = [HEAD]
    for title, options in GROUPS.items():
        parts += [f"## {title}\n", *map(entry, options)]
    names = {str(option.name) for options in GROUPS.values() for option in options}
    parts += ["## Files, checks and help\n", *map(entry, commands())]
    parts += ["## For programs alone\n", *map(parameter, programs(names))]
    return "\n".join(parts)


def commands() -> Iterator[click.Option]:
    """The options that are about the command itself."""
    settable = {option for options in GROUPS.values() for option in options}
    for option in main.params:
        if isinstance(option, click.Option) and option not in settable:
            yield option


def programs(names: set[str]) -> Iterator[inspect.Parameter]:
    for name, found in inspect.signature(Config).parameters.items():
        if name not in names | {"app"}:
            yield found


def entry(option: click.Option) -> str:
    """An option's heading, its text, and a line of what else there is to know."""
    text, default = option.help or "", shown_default(option)
    if match := _OWN_DEFAULT.search(text):
        text, default = text[: match.start()], in_code(match["default"])
    facts = [f"Default: {default}" if default else "", kind(option)]
    if option.envvar:
        several = isinstance(option.envvar, list)
        variable = variables(str(option.name))[0] if several else option.envvar
        facts.append(f"Variable: `{variable}`")
    if option.expose_value and _flag(option).replace("-", "_") != option.name:
        facts.append(f"Parameter: `{option.name}`")
    flags = [f"`{flag}`" for flag in [*option.opts[:1], *option.secondary_opts]]
    line = ". ".join(filter(None, facts))
    return f"### {', '.join(flags)}\n\n{in_code(text)}\n\n{line}.\n"


def _flag(option: click.Option) -> str:
    return option.opts[0].lstrip("-")


def parameter(found: inspect.Parameter) -> str:
    text = PARAMETERS[found.name]
    return f"### `{found.name}`\n\n{text}\n\nDefault: `{found.default}`.\n"


def shown_default(option: click.Option) -> str:
    default = option.default
    if option.secondary_opts:
        return "on" if default is True else "off" if default is False else ""
    if isinstance(option.type, click.types.BoolParamType) and not option.is_flag:
        return f"`{str(default).lower()}`"
    has_one = isinstance(default, (str, int, float)) and default != ""
    return "" if option.is_flag or not has_one else f"`{default}`"


def kind(option: click.Option) -> str:
    """What the option takes, in words."""
    taken = option.type
    if option.is_flag:
        return "A switch"
    if option.metavar:
        return f"One of `{option.metavar.strip('[]')}`, or an import string"
    if isinstance(taken, click.Choice):
        return "One of `" + "|".join(map(str, taken.choices)) + "`"
    if isinstance(taken, click.types.BoolParamType):
        return "`true` or `false`"
    if isinstance(taken, click.types.IntParamType):
        return "A whole number" + bounds(taken)
    if isinstance(taken, click.types.FloatParamType):
        return "A number" + bounds(taken)
    return {"name:value": "`Name:Value`", "path": "A path"}.get(taken.name, "A text")


def bounds(taken: object) -> str:
    low, high = getattr(taken, "min", None), getattr(taken, "max", None)
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is None:
        return ""
    return f" above {low}" if getattr(taken, "min_open", False) else f" from {low} on"


def in_code(text: str) -> str:
    """A text of the command's as Markdown: options, names and patterns are code."""
    return _CODE.sub(r"`\g<0>`", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
