"""The two JSON writers of the OpenMeetings server, and its reading of JSON.

Appointments are written by one library as one would expect (`plain`). Everything else is written by another
(`coerced`), which turns texts that look like numbers or booleans into such, and a list of one into that one.
"""

import json
import re
from typing import Any

_NUMBER = re.compile(r"^-?(0|[1-9]\d*)(\.\d+)?(E-?\d+)?$")
_LARGEST = 2**63 - 1


class Number(str):
    """The text of a number, written without quotes."""

    __slots__ = ()


class Problem(Exception):
    """What the server answers instead. `body`: "json" a serviceResult, "none" nothing, "html" a page."""

    def __init__(self, status: int, message: str | None = None, body: str = "json") -> None:
        super().__init__(message or "")
        self.status = status
        self.message = message
        self.body = body


def java_error(message: str | None) -> Problem:
    """An exception inside a call."""
    return Problem(500, message)


def no_value(status: int) -> Problem:
    """A value that cannot be converted: 400 in a form field, 404 in path or query."""
    return Problem(status, body="none")


def plain(value: Any) -> str:
    """Fields without a value are left out; lists are lists."""
    return json.dumps(_without_nothing(value), ensure_ascii=False)


def coerced(root: str, value: Any) -> str:
    """The value under its root name. A list there stays a list; lists inside of it collapse."""
    shaped = [_collapsed(item) for item in value] if isinstance(value, list) else _collapsed(value)
    return _dumped({root: shaped})


def coerced_text(text: str) -> Any:
    """What becomes of a text: a number, a boolean, or itself."""
    if text in ("true", "false"):
        return text == "true"
    if not _NUMBER.match(text) or text == "-0":
        return text
    if "." not in text:
        return Number(text) if abs(int(text)) <= _LARGEST and "E" not in text else text
    if text != _java_double(float(text)):
        return text
    return Number(text.removesuffix(".0"))


def _java_double(value: float) -> str:
    """Java's Double.toString."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits, _, exponent = f"{value!r}".partition("e") if "e" in repr(value) else f"{value:.16e}".partition("e")
    digits = digits.rstrip("0") if "." in digits else f"{digits}.0"
    return f"{digits}{'0' if digits.endswith('.') else ''}E{int(exponent)}"


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value] if isinstance(value, list) else value


def _collapsed(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if inner is not None and inner != []}
        return {key: _collapsed(inner) for key, inner in kept.items()}
    if isinstance(value, list):
        return _collapsed(value[0]) if len(value) == 1 else [_collapsed(inner) for inner in value]
    return coerced_text(value) if isinstance(value, str) else value


def _dumped(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_dumped(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dumped, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


# Reading


def read_object(text: str) -> dict[str, Any]:
    """A JSON object. Raises ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for what cannot be read
    return value


def opt_text(data: dict[str, Any], name: str, default: str | None = "") -> str | None:
    """A text; numbers are taken for texts."""
    value = data.get(name)
    if value is None:
        return default
    return str(value).lower() if isinstance(value, bool) else str(value)


def opt_flag(data: dict[str, Any], name: str) -> bool:
    """A boolean, false when it is none."""
    return str(data.get(name)).lower() == "true"


def opt_number(data: dict[str, Any], name: str, default: int | None = None) -> int | None:
    """A whole number, the default when it is none."""
    try:
        return int(data[name])
    except (KeyError, TypeError, ValueError):
        return default
