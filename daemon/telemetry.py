"""Log lines on stderr: JSON for machines, readable on a terminal, and never a secret in them."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog

from sync.logbook import LINES

Format = Literal["auto", "json", "text"]

HIDDEN = "[hidden]"
_SIZES = {"reason": 500}
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
                _in_order if as_json else _as_it_is,
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Write one line. Raises KeyError for an event that the logbook does not list."""
        line = LINES[event]
        # Cleaned before it is cut: half a secret would not be recognised any more.
        cleaned = {name: self._redaction.value(value) for name, value in fields.items() if value is not None}
        shown = {name: _short(name, value) for name, value in cleaned.items()}
        getattr(self._logger, line.level)(event, **shown)


def _short(name: str, value: Any) -> Any:
    limit = _SIZES.get(name, 300)
    return value[: limit - 1] + "…" if isinstance(value, str) and len(value) > limit else value


def _in_order(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {key: line[key] for key in ("ts", "level", "event")}
    return {**first, **{key: value for key, value in line.items() if key not in first}}


def _as_it_is(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return line
