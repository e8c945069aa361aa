"""Names in the archive: whatever a calendar or a vendor writes, a file system can hold it and it leads nowhere else."""

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.artifacts.places import folder_of, safe, stem_of, without_links
from sync.model import content_digest

START = datetime(2026, 12, 1, 9, tzinfo=UTC)
KEY = "sales:weekly@example.com@20261201T090000Z"
SHORT = content_digest(KEY)[:8]
ZALGO = "Z" + "\u0337\u0321\u0353\u0300\u0301\u0302\u0303\u0304" * 40 + "algo"

ANY_TEXT = st.text(st.characters(categories=None), max_size=400)
"""Any code points, lone surrogates included."""

TOUGH = [*'aA1-_./\\:*?"<>|~ \t\r\n\0\u202e\u0301\u0338\ud800\ue000é한ᄒ가😀\u200d', "CON", "nul", "https://x"]
TOUGH_TEXT = st.lists(st.sampled_from(TOUGH), max_size=120).map("".join)


def assert_a_sound_name(name: str, limit: int = 80, size: int = 150) -> None:
    assert name
    assert name not in (".", "..")
    assert not set(name) & set('/\\:*?"<>|')
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in name)
    assert len(name) <= limit
    assert len(name.encode()) <= size
    assert name == name.strip(" .")
    assert unicodedata.is_normalized("NFC", name)
    assert name.partition(".")[0].rstrip().upper() not in ("CON", "NUL", "AUX", "PRN", "COM1", "LPT9")


@given(ANY_TEXT | TOUGH_TEXT)
@example(ZALGO)
@example("CON" + " " * 90 + ".x")
@example("<\u0338")
def test_any_text_becomes_a_sound_name_and_stays_it(text: str) -> None:
    name = safe(text)
    assert_a_sound_name(name)
    assert safe(name) == name


@given(ANY_TEXT | TOUGH_TEXT, st.integers(10, 120), st.integers(40, 150))
def test_a_name_keeps_any_limit(text: str, limit: int, size: int) -> None:
    name = safe(text, limit, size)
    assert_a_sound_name(name, limit, size)
    assert safe(name, limit, size) == name


@given(ANY_TEXT | TOUGH_TEXT, ANY_TEXT | TOUGH_TEXT, ANY_TEXT | TOUGH_TEXT, ANY_TEXT | TOUGH_TEXT, ANY_TEXT)
def test_any_path_consists_of_sound_names_and_is_short_enough(
    route: str, title: str, kind: str, ref: str, name: str
) -> None:
    stem = stem_of(folder_of(route, START, title, KEY), kind, ref, name)
    first, year, month, day, file = stem.split("/")
    for part in (first, day, file):
        assert_a_sound_name(part, 200, 200)
    assert (year, month) == ("2026", "12")
    assert day.startswith("2026-12-01 ")
    assert len(f"{stem}.xhtml.part".encode()) < 400


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../x", "_.._x"),
        ("/etc/passwd", "_etc_passwd"),
        ("a\0b", "a b"),
        ("x" * 300, "x" * 80),
        ("CON", "CON_"),
        ("con.txt", "con_.txt"),
        ("NUL .tar.gz", "NUL_.tar.gz"),
        ("COM9", "COM9_"),
        ("lpt1.x", "lpt1_.x"),
        ("CONIN$", "CONIN$_"),
        ("console", "console"),
        ("COM10", "COM10"),
        ("\u202egpj.exe", "gpj.exe"),
        ("in\u2066v\u2069oice", "invoice"),
        ("\ufeffx\u200b", "x"),
        ("\ue000x\ud800", "x"),
        ("\ud83d", "untitled"),
        (".", "untitled"),
        ("..", "untitled"),
        ("...", "untitled"),
        (" ", "untitled"),
        ("", "untitled"),
        (".bashrc", "bashrc"),
        (" . .x", "x"),
        ("x. .", "x"),
        ("a/b", "a_b"),
        ("C:\\x", "C__x"),
        ("C:\\\\x", "C___x"),
        ('a*b?c"d<e>f|g', "a_b_c_d_e_f_g"),
        ("~", "~"),
        ("-rf", "-rf"),
        ("$(reboot)", "$(reboot)"),
        ("a\r\nb\tc", "a b c"),
        ("a\u2028b\u2029c\u00a0d\u3000e", "a b c d e"),
        ("😀" * 300, "😀" * 37),
        ("e\u0301te\u0301", "été"),
        ("\u0301x", "x"),
        ("Jour fixe – Büro", "Jour fixe – Büro"),
        ("週次レビュー", "週次レビュー"),
    ],
)
def test_hostile_and_common_names(text: str, name: str) -> None:
    assert safe(text) == name


def test_a_storm_of_combining_marks_is_calmed() -> None:
    name = safe(ZALGO)
    assert name.startswith("Z")
    assert name.endswith("algo")
    assert len(name) < 12


def test_a_name_is_not_cut_between_a_character_and_its_marks() -> None:
    assert safe("x" * 79 + "q\u0307\u0323", limit=80) == "x" * 79
    assert safe("x" * 148 + "q\u0307", limit=200) == "x" * 148


def test_a_meetings_folder_tells_route_month_day_title_and_key() -> None:
    assert folder_of("sales", START, "Weekly sales review", KEY) == (
        f"sales/2026/12/2026-12-01 Weekly sales review [{SHORT}]"
    )


def test_the_day_is_that_of_the_start_in_utc() -> None:
    late = datetime(2027, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert folder_of("sales", late, "T", KEY).startswith("sales/2026/12/2026-12-31 T ")


def test_two_meetings_of_one_day_and_title_have_two_folders() -> None:
    assert folder_of("sales", START, "T", "sales:a") != folder_of("sales", START, "T", "sales:b")


@pytest.mark.parametrize("other", ["a_b", "a:b", "a\\b", "a/b ", "a\u202e/b"])
def test_two_routes_never_share_a_folder(other: str) -> None:
    assert folder_of("a/b", START, "T", KEY) != folder_of(other, START, "T", KEY)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Weekly call", "recording-17 Weekly call"),
        ("Weekly call.mp4", "recording-17 Weekly call"),
        ("report.tar.gz", "recording-17 report.tar"),
        ("archive.7z", "recording-17 archive"),
        ("Release 1.2", "recording-17 Release 1.2"),
        ("Minutes.of the day", "recording-17 Minutes.of the day"),
        ("x.longest", "recording-17 x.longest"),
        ("../../x.pdf", "recording-17 _.._x"),
        ("", "recording-17"),
        (".mp4", "recording-17"),
        ("   ", "recording-17"),
        ("\u202e", "recording-17 untitled"),
        ("https://vendor.example/r/1?token=secret", "recording-17 link"),
        ("see HTTPS://vendor.example/x now", "recording-17 see link now"),
    ],
)
def test_a_stem_is_kind_id_and_name_without_its_extension(name: str, file: str) -> None:
    assert stem_of("f", "recording", "17", name) == f"f/{file}"


@pytest.mark.parametrize("ref", ["17", "0b9c7e0e-5f6e-4d0f-8f3a-0a1b2c3d4e5f", "a" * 40])
def test_a_plain_id_is_kept_as_it_is(ref: str) -> None:
    assert stem_of("f", "document", ref, "") == f"f/document-{ref}"


@pytest.mark.parametrize("ref", ["A", "a/b", "a_b", "a" * 41, "", "é", "17\n", "../17", "a b", "\u0661"])
def test_any_other_id_carries_a_digest_of_the_whole(ref: str) -> None:
    assert stem_of("f", "document", ref, "").endswith(f"-{content_digest(ref)[:8]}")


@given(ANY_TEXT | TOUGH_TEXT, ANY_TEXT | TOUGH_TEXT)
@example("A", "a")
@example("a/b", "a_b")
@example("a" * 50, "a" * 51)
@example("e\u0301", "é")
def test_two_ids_never_share_a_path(one: str, other: str) -> None:
    paths = {stem_of("f", "document", ref, "n").casefold() for ref in (one, other)}
    assert len(paths) == len({one, other})


def test_a_web_address_in_a_title_does_not_come_into_a_folders_name() -> None:
    folder = folder_of("sales", START, "Call https://vendor.example/j/1#secret", KEY)
    assert folder == f"sales/2026/12/2026-12-01 Call link [{SHORT}]"
    assert without_links("no link here") == "no link here"
