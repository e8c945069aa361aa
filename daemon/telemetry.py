"""Log lines on stderr: JSON for machines, readable on a terminal, and never a secret in them."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog

from sync.logbook import LINES

Format = Literal["auto", "json", "text"]

HIDDEN = "[hidden]"
PRIORITIES = {"error": "<3>", "warning": "<4>", "info": "<6>", "debug": "<7>"}
"""sd-daemon(3): what a line begins with to have that syslog priority in the journal, by level."""

_SIZE, _SIZES = 300, {"reason": 500}  # characters of a field
_MOST_PARTS = 20
# A URL may hold a token in its user part, path or query: scheme and host are all that is shown.
_URL = re.compile(
    r"""\b([a-z][a-z0-9+.-]{0,20}://)(?:[^\s/?#"'<>]*@)?([^\s/?#@"'<>]+)([/?#][^\s"'<>]*)?""", re.IGNORECASE
)


class Redaction:
    """Replaces the configuration's secrets and the tails of URLs in everything that a log line holds."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """The text without secrets and URL tails, and such that it can be written as UTF-8."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        shown = _URL.sub(lambda m: f"{m[1]}{m[2]}{'/…' if m[3] else ''}", text)
        return shown.encode("utf-8", "replace").decode("utf-8")

    def value(self, value: Any) -> Any:
        """The value cleaned: texts, and the texts in tables and lists; anything else that is no number, as text."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.clean(str(key)): self.value(part) for key, part in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(part) for part in value]
        return self.clean(repr(value))


class Telemetry:
    """Implements `sync.ports.Log`: checks the line against the logbook and writes it."""

    def __init__(self, *, form: Format = "auto", secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
        out = stream or sys.stderr
        self._redaction = Redaction(secrets)
        as_json = form == "json" or (form == "auto" and not out.isatty())
        renderer: Any = (
            structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False)
            if as_json
            else structlog.dev.ConsoleRenderer(colors=out.isatty())
        )
        self._logger: Any = structlog.wrap_logger(
            structlog.PrintLogger(out),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts" if as_json else "timestamp"),
                structlog.processors.add_log_level,
                _in_order if as_json else _plain,
                renderer,
                *([_as_plain_text] if as_json else []),
                *([_with_priority] if is_journal(out) else []),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Write one line. Raises KeyError for an event that the logbook does not list."""
        line = LINES[event]
        # Cleaned before it is cut: half a secret would not be recognised any more.
        cleaned = {name: self._redaction.value(value) for name, value in fields.items() if value is not None}
        shown = {name: _short(value, _SIZES.get(name, _SIZE)) for name, value in cleaned.items()}
        getattr(self._logger, line.level)(event, **shown)


def is_journal(stream: TextIO) -> bool:
    """Whether what is written there goes straight to systemd's journal: $JOURNAL_STREAM has the device and inode of the
    pipe that a unit's output was given (systemd.exec(5)), which those whom it starts inherit even when they write
    elsewhere."""
    try:
        file = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or no file at all
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


def _short(value: Any, limit: int) -> Any:
    """The value with its texts cut to so many characters together, about."""
    if isinstance(value, str):
        return value[: max(limit - 1, 0)] + "…" if len(value) > limit else value
    if limit < 1:
        return "…"
    if isinstance(value, list):
        return [_short(part, limit // min(len(value), _MOST_PARTS)) for part in value[:_MOST_PARTS]]
    if isinstance(value, dict):
        share = limit // max(2 * min(len(value), _MOST_PARTS), 1)
        return {_short(key, share): _short(part, share) for key, part in list(value.items())[:_MOST_PARTS]}
    return value


def _in_order(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {key: line[key] for key in ("ts", "level", "event")}
    return {**first, **{key: value for key, value in line.items() if key not in first}}


def _as_plain_text(_logger: Any, _level: str, line: Any) -> str:
    """The text with everything escaped, in JSON's way, that is no plain character: JSON itself lets pass what ends a
    line elsewhere (U+2028), commands a terminal (U+009B) or turns the writing around (U+202E)."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in str(line))


def _plain(_logger: Any, _level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The same for the texts of a line that is to be read as it is; those in lists and tables are shown escaped."""
    return {name: _as_plain_text(None, "", value) if isinstance(value, str) else value for name, value in line.items()}


def _with_priority(_logger: Any, level: str, line: Any) -> str:
    return f"{PRIORITIES[level]}{line}"
