"""The published feed's file: always a whole one, the service's alone, and written only when it says something else."""

import asyncio
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import icalendar
import pytest

from connectors.feed import FileFeed, feed_path
from sync.errors import ArchiveError
from sync.model import MeetingKey
from sync.outlets import Published
from tests.unit.builders import HOUR, NOW, SOON


def shown(name: str = "m1", **values: Any) -> Published:
    key = MeetingKey("sales", f"{name}@example.com")
    one = Published(key, f"Meeting {name}", SOON, SOON + HOUR, "https://v.example/j", "Room 7", "", 0, NOW)
    return replace(one, **values)


class TestFile:
    async def test_what_says_the_same_is_not_written_again(self, tmp_path: Path) -> None:
        path = tmp_path / "sales.ics"
        feed = FileFeed(path, "sales")
        assert await feed.write([shown()]) is True
        before = (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns)
        assert await feed.write([shown()]) is False
        assert await FileFeed(path, "sales").write([shown()]) is False
        assert (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) == before

    @pytest.mark.parametrize(
        "change", [{"title": "Other"}, {"sequence": 1}, {"changed_at": NOW + HOUR}, {"join_url": None}]
    )
    async def test_every_change_is_written(self, tmp_path: Path, change: dict[str, Any]) -> None:
        feed = FileFeed(tmp_path / "sales.ics", "sales")
        await feed.write([shown(), shown("m2")])
        assert await feed.write([shown(**change), shown("m2")]) is True
        fresh = FileFeed(tmp_path / "sales.ics", "sales")
        assert await fresh.write([shown(**change), shown("m2")]) is False

    @pytest.mark.parametrize("damage", ["gone", "cut", "other"])
    async def test_a_file_that_somebody_damaged_is_mended(self, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "sales.ics"
        feed = FileFeed(path, "sales")
        await feed.write([shown()])
        whole = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(whole[:-20] if damage == "cut" else b"x" * len(whole))
        assert await feed.write([shown()]) is True
        assert path.read_bytes() == whole

    async def test_file_and_folder_are_the_services_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "feeds" / "sales.ics"
        await FileFeed(path, "sales").write([])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [stat.S_IMODE(one.stat().st_mode) for one in (path.parent, path.parent.parent)] == [0o700, 0o700]
        assert [one.name for one in path.parent.iterdir()] == ["sales.ics"]

    async def test_what_a_kill_left_half_is_written_over(self, tmp_path: Path) -> None:
        for name in ("sales.ics", "sales.ics.part"):
            (tmp_path / name).write_bytes(b"BEGIN:VCALENDAR\r\nBEGIN:VEV")
        assert await FileFeed(tmp_path / "sales.ics", "sales").write([shown()]) is True
        assert [one.name for one in tmp_path.iterdir()] == ["sales.ics"]
        assert (tmp_path / "sales.ics").read_bytes().endswith(b"END:VCALENDAR\r\n")

    async def test_a_reader_finds_a_whole_feed_at_any_moment(self, tmp_path: Path) -> None:
        path = tmp_path / "sales.ics"
        feed = FileFeed(path, "sales")
        await feed.write([])
        done = asyncio.Event()
        seen: set[int] = set()

        def look() -> None:
            text = path.read_bytes()
            assert text.endswith(b"END:VCALENDAR\r\n")
            seen.add(len(icalendar.Calendar.from_ical(text).events))

        async def read() -> None:
            while not done.is_set():
                await asyncio.to_thread(look)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            for number in range(40):
                await feed.write([shown(f"m{n}") for n in range(number)])
            done.set()
        assert len(seen) > 1

    async def test_where_nothing_can_be_written_it_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "feeds").write_bytes(b"a file where the folder should be")
        with pytest.raises(ArchiveError, match=r"^feed: sales\.ics: "):
            await FileFeed(tmp_path / "feeds" / "sales.ics", "sales").write([shown()])
        (tmp_path / "taken.ics").mkdir()
        with pytest.raises(ArchiveError, match=r"^feed: taken\.ics: "):
            await FileFeed(tmp_path / "taken.ics", "sales").write([shown()])


class TestName:
    @pytest.mark.parametrize("name", ["sales.ics", "a.ics", "Sales_2026-all.v2.ics", "-.ics", "x" * 96 + ".ics"])
    def test_a_plain_name_is_a_file_of_the_folder(self, tmp_path: Path, name: str) -> None:
        assert feed_path(tmp_path, name) == tmp_path / name

    @pytest.mark.parametrize(
        "name",
        [
            "", ".ics", "..ics", ".hidden.ics", "sales", "sales.ICS", "sales.ics.part", "../sales.ics",
            "/etc/sales.ics", "a/b.ics", "a\\b.ics", "sales.ics\n", "sa les.ics", "säles.ics", "a\0.ics",
            "..%2fx.ics", "con:x.ics", "x" * 97 + ".ics",
        ],
        ids=ascii,
    )  # fmt: skip
    def test_anything_else_is_refused_in_clear_words(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match="is not a plain file name") as caught:
            feed_path(tmp_path, name)
        assert len(str(caught.value).splitlines()) == 1
