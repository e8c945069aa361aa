"""Log lines: one sound line each, whatever is in them, and never a secret."""

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.telemetry import HIDDEN, PRIORITIES, Format, Redaction, Telemetry
from sync.logbook import LINES

SECRET = "hunter2-and-more"

HOSTILE = [
    'quote " and \\ backslash',
    "line\nbreak\r\nand\ttab",
    "nul \x00 bell \x07 escape \x1b[31mred\x1b[0m \x7f",
    "c1 \x85 \x9b31m",
    "separators \u2028 \u2029",
    "right-to-left \u202e gnp.exe",
    "emoji 👩‍👩‍👧 and lone surrogate \ud83d",
    '{"event": "forged"}',
    "%s {key} <b>&amp;</b>",
    "",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(event: str = "run.failed", *, form: Format = "json", secrets: tuple[str, ...] = (), **fields: Any) -> str:
    """What one call writes."""
    out = io.StringIO()
    Telemetry(form=form, secrets=secrets, stream=out)(event, **fields)
    return out.getvalue()


def written(**fields: Any) -> dict[str, Any]:
    text = lines(secrets=(SECRET,), **fields)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    line: dict[str, Any] = json.loads(text)
    return line


def test_a_line_begins_with_time_level_and_event() -> None:
    line = written(route="sales", reason="why")
    assert list(line) == ["ts", "level", "event", "route", "reason"]
    assert (line["level"], line["event"]) == ("error", "run.failed")
    assert line["ts"].endswith("Z")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["key", "reason", "route"])
def test_a_json_line_stays_one_valid_line_whatever_is_in_it(field: str, text: str) -> None:
    assert written(**{field: text})[field] == text.replace("\ud83d", "?")


@settings(deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_any_text_at_all_can_be_written_to_a_utf_8_stream(text: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    for form in ("json", "text"):
        Telemetry(form=form, stream=out)("run.failed", route="sales", reason=text)
    out.flush()
    assert raw.getvalue().count(b"\n") == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_a_readable_line_is_one_line_too_and_commands_no_terminal(text: str) -> None:
    shown = lines(form="text", route="sales", reason=text)
    assert shown.count("\n") == 1
    assert not set(shown.rstrip("\n")) & {chr(n) for n in [*range(32), *range(0x7F, 0xA0)]}
    assert "\u202e" not in shown


def test_the_form_is_json_for_machines_and_readable_on_a_terminal() -> None:
    machine, terminal = io.StringIO(), Terminal()
    Telemetry(stream=machine)("daemon.stopped")
    Telemetry(stream=terminal)("daemon.stopped")
    assert json.loads(machine.getvalue())["event"] == "daemon.stopped"
    assert terminal.getvalue().strip()
    with pytest.raises(ValueError):
        json.loads(terminal.getvalue())


def test_a_field_without_a_value_is_left_out() -> None:
    assert "route" not in written(route=None, reason="x")


@pytest.mark.parametrize("event", ["session.exploded", "", "run"])
def test_an_event_that_the_logbook_does_not_list_is_a_defect(event: str) -> None:
    with pytest.raises(KeyError):
        lines(event)


@pytest.mark.parametrize("event", LINES)
def test_every_listed_event_is_written_at_its_level(event: str) -> None:
    level = LINES[event].level
    text = lines(event)
    if level == "debug":
        assert text == ""
    else:
        assert json.loads(text)["level"] == level


def test_debug_lines_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = LINES["daemon.stopped"]
    monkeypatch.setitem(LINES, "test.quiet", type(quiet)("debug", (), "A test."))
    assert lines("test.quiet") == ""


class TestRedaction:
    @pytest.mark.parametrize(
        "value",
        [
            f"wrong password {SECRET}!",
            f"{SECRET}{SECRET}",
            ["a", SECRET],
            ("a", [SECRET]),
            {"nested": {"deep": SECRET}},
            {SECRET: 1},
            ValueError(f"bad {SECRET}"),
            SECRET.encode(),
            frozenset({SECRET}),
            Path("/srv") / SECRET,
        ],
    )
    @pytest.mark.parametrize("form", ["json", "text"])
    def test_a_secret_never_shows_whatever_it_is_wrapped_in(self, value: object, form: Format) -> None:
        assert SECRET not in lines(form=form, secrets=(SECRET,), reason=value)

    @pytest.mark.parametrize("before", range(280, 520, 7))
    def test_cutting_a_long_line_leaves_no_half_of_a_secret(self, before: int) -> None:
        for field in ("reason", "key"):
            shown = written(**{field: "x" * before + SECRET + "y" * 300})[field]
            assert SECRET[:8] not in shown
            assert len(shown) <= 500

    def test_of_overlapping_secrets_the_longer_one_goes_as_a_whole(self) -> None:
        assert Redaction(["abcd", "abcdefgh"]).clean("x abcdefgh y") == f"x {HIDDEN} y"

    def test_very_short_secrets_do_not_make_lines_unreadable(self) -> None:
        assert Redaction(["", "a", "abc"]).clean("a cab abc") == "a cab abc"

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("GET https://host.example/path/token?x=1 failed", "GET https://host.example/… failed"),
            ("https://host.example:8443/#sid", "https://host.example:8443/…"),
            ("https://host.example?token=1", "https://host.example/…"),
            ("https://user:pass@host.example/x", "https://host.example/…"),
            ("https://user:pass@host.example", "https://host.example"),
            ("https://user@host.example: refused", "https://host.example: refused"),
            ("HTTPS://Host.example/Token", "HTTPS://Host.example/…"),
            ("webcal://host.example/private", "webcal://host.example/…"),
            ("postgresql://user:pass@host/db", "postgresql://host/…"),
            ("(http://a.example/x) 'http://b.example/y'", "(http://a.example/… 'http://b.example/…'"),
            ("https://host.example", "https://host.example"),
            ("https://host.example, then", "https://host.example, then"),
            ("https://[2001:db8::1]:80/x", "https://[2001:db8::1]:80/…"),
            ("no url, a/b?c#d and sales:uid@example.com", "no url, a/b?c#d and sales:uid@example.com"),
        ],
    )
    def test_of_an_address_scheme_and_host_are_all_that_shows(self, text: str, shown: str) -> None:
        assert Redaction().clean(text) == shown

    @settings(deadline=None)
    @given(st.text(max_size=60), st.text(max_size=60))
    def test_no_surroundings_bring_a_secret_out(self, before: str, after: str) -> None:
        assert SECRET not in Redaction([SECRET]).clean(before + SECRET + after)

    def test_numbers_and_truth_values_stay_what_they_are(self) -> None:
        line = written(exit=0, duration_ms=12.5, held=True)
        assert (line["exit"], line["duration_ms"], line["held"]) == (0, 12.5, True)


class TestJournal:
    """What goes straight to the journal says its priority; what goes anywhere else does not."""

    @staticmethod
    def piped(monkeypatch: pytest.MonkeyPatch, event: str, stream: str | None, form: Format = "json") -> str:
        """What one call writes into a pipe; `stream` is $JOURNAL_STREAM, "{}" in it the pipe's device and inode."""
        reading, writing = os.pipe()
        with open(reading, encoding="utf-8") as pipe, open(writing, "w", encoding="utf-8") as out:
            file = os.fstat(writing)
            if stream is None:
                monkeypatch.delenv("JOURNAL_STREAM", raising=False)
            else:
                monkeypatch.setenv("JOURNAL_STREAM", stream.format(f"{file.st_dev}:{file.st_ino}"))
            Telemetry(form=form, stream=out)(event, route="sales", reason="first\n<0>second")
            out.flush()
            out.close()
            return pipe.read()

    @pytest.mark.parametrize(
        ("event", "prefix"), [("run.failed", "<3>"), ("run.missed", "<4>"), ("run.finished", "<6>")]
    )
    @pytest.mark.parametrize("form", ["json", "text"])
    def test_a_line_begins_with_its_priority(
        self, monkeypatch: pytest.MonkeyPatch, event: str, prefix: str, form: Format
    ) -> None:
        text = self.piped(monkeypatch, event, "{}", form)
        assert text.startswith(prefix)
        assert text.count("\n") == 1
        if form == "json":
            assert json.loads(text.removeprefix(prefix))["event"] == event

    @pytest.mark.parametrize("stream", [None, "", "1:2", "{}9", "8:{}", "nonsense"])
    def test_a_stream_that_is_not_the_journals_gets_plain_lines(
        self, monkeypatch: pytest.MonkeyPatch, stream: str | None
    ) -> None:
        assert json.loads(self.piped(monkeypatch, "run.failed", stream))["level"] == "error"

    def test_a_stream_that_is_no_file_gets_plain_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JOURNAL_STREAM", "1:2")
        assert json.loads(lines())["level"] == "error"

    def test_every_level_has_its_priority(self) -> None:
        assert {line.level for line in LINES.values()} <= set(PRIORITIES)


ANY_TEXT = st.text(st.characters(), max_size=80)
"""Half surrogate pairs included."""
ANY_VALUE = st.one_of(
    ANY_TEXT, st.lists(ANY_TEXT, max_size=4), st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3), st.binary(max_size=20)
)


def readable(text: str) -> str:
    """The one line that was written."""
    assert text.splitlines() == [text[:-1]], "one line, whatever is taken for the end of one"
    assert text[:-1].isprintable(), "nothing that commands a terminal or turns the writing around"
    return text[:-1]


class TestHostileText:
    """Titles, names and reasons come from anybody."""

    @settings(max_examples=100, deadline=None)
    @given(ANY_VALUE)
    def test_json_is_one_plain_line_that_parses_whatever_is_in_it(self, value: Any) -> None:
        line = json.loads(readable(lines(key=value, reason=value)))
        assert list(line) == ["ts", "level", "event", "key", "reason"]
        if isinstance(value, str) and "://" not in value:
            assert line["key"] == value.encode("utf-8", "replace").decode()

    @settings(max_examples=100, deadline=None)
    @given(ANY_VALUE)
    def test_readable_text_is_one_plain_line_whatever_is_in_it(self, value: Any) -> None:
        readable(lines(form="text", key=value, reason=value))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_on_a_terminal_no_value_brings_commands_of_its_own(self, text: str) -> None:
        def commands(value: str) -> list[str]:
            out = Terminal()
            Telemetry(form="text", stream=out)("run.failed", route="sales", reason=value)
            escapes = re.compile(r"\x1b\[[0-9;]*m")
            readable(escapes.sub("", out.getvalue()))
            return escapes.findall(out.getvalue())

        assert commands(text) == commands("plain")

    @pytest.mark.parametrize("form", ["json", "text"])
    @pytest.mark.parametrize("one", ["x", "\0", "\u2028", "\U000e0001", '"', "\\", "😀", "\ud800"])
    def test_a_line_stays_short_however_much_is_in_it(self, one: str, form: Format) -> None:
        fullest = max(LINES, key=lambda event: len(LINES[event].fields))
        deep: Any = [[[one] * 20] * 20] * 20
        for value in (one * 5000, [one * 400] * 30, {f"{n}{one * 400}": one * 400 for n in range(30)}, deep):
            text = readable(lines(fullest, form=form, **dict.fromkeys(LINES[fullest].fields, value)))
            assert len(text.encode()) < 48 * 1024, "longer ones are cut in two by the journal"
            if form == "json":
                assert json.loads(text)["event"] == fullest

    def test_of_much_the_beginning_is_shown(self) -> None:
        line = written(key=["a" * 1000, "b" * 1000], reason={"why": "c" * 1000})
        assert [part[:3] for part in line["key"]] == ["aaa", "bbb"]
        assert line["reason"]["why"].startswith("ccc")
        assert len(written(key=[str(n) for n in range(1000)])["key"]) == 20
        assert written(key=["title", "start"], reason={"a": [1, None, True]}) | {"ts": ""} == {
            "ts": "",
            "level": "error",
            "event": "run.failed",
            "key": ["title", "start"],
            "reason": {"a": [1, None, True]},
        }

    @pytest.mark.parametrize("form", ["json", "text"])
    def test_a_value_cannot_pass_for_another_line(self, form: Format) -> None:
        forged = 'x"}\n{"ts": "2026-01-01", "level": "error", "event": "forged"}\n2026-01-01 [error] forged'
        assert len(lines(form=form, key=forged).splitlines()) == 1
