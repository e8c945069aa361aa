"""The archive keeps whole files under final names, goes on where it was broken off, and cannot be led out of.

What an archive promises is tested with a local folder, with fsspec's memory store and with an S3 server.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import random
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from connectors.archive import SPOOL, open_archive
from connectors.archive.local import LocalArchive
from connectors.archive.part import BLOCK
from connectors.archive.remote import RemoteArchive
from connectors.archive.threads import Stop, Stopped, in_thread
from sync.errors import ArchiveError, ConfigurationError
from sync.outlets import Archive, Stored

FOLDER = "sales/2026/12/2026-12-01 Weekly [3f9a1c20]"
"""With brackets, which many a library reads as a pattern."""

STEM = f"{FOLDER}/recording-17 Weekly"
PATH = f"{STEM}.mp4"


def of(content: bytes) -> Stored:
    return Stored(len(content), sha256(content).hexdigest())


async def receive(archive: Archive, content: bytes, *, stem: str = STEM, piece: int = 7000) -> Stored:
    """All of the content, in pieces, sealed."""
    async with archive.incoming(stem) as part:
        for start in range(0, len(content), piece):
            await part.write(content[start : start + piece])
        return await part.seal()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            environment.setenv(name, value)
        fsspec.filesystem("s3", max_concurrency=2).makedirs("bucket", exist_ok=True)  # it outlives this fixture
        yield "s3://bucket"
        fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """One of each kind, empty."""
    if request.param == "folder":
        return open_archive("archive", tmp_path)
    address = "memory:/" if request.param == "memory" else request.getfixturevalue("s3")
    return open_archive(f"{address}/{tmp_path.name}", tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


# What every archive promises


async def test_what_is_received_sealed_and_published_is_there(archive: Archive) -> None:
    content = random.Random(1).randbytes(3 * BLOCK + 5)
    assert await archive.stored(PATH) is None
    assert await receive(archive, content, piece=100_000) == of(content)
    assert await archive.stored(PATH) is None
    await archive.publish(STEM, PATH)
    assert await archive.stored(PATH) == of(content)
    async with archive.incoming(STEM) as part:
        assert part.size == 0


async def test_a_file_can_be_published_while_it_is_still_open(archive: Archive) -> None:
    async with archive.incoming(STEM) as part:
        await part.write(b"whole")
        await part.seal()
        await archive.publish(STEM, PATH)
        with pytest.raises(ArchiveError, match="not open"):
            await part.write(b"more")
    assert await archive.stored(PATH) == of(b"whole")


async def test_publishing_replaces_what_was_there(archive: Archive) -> None:
    for content in (b"first, longer", b"second", b""):
        await receive(archive, content)
        await archive.publish(STEM, PATH)
        assert await archive.stored(PATH) == of(content)


async def test_what_is_not_sealed_or_not_there_is_not_published(archive: Archive) -> None:
    with pytest.raises(ArchiveError):
        await archive.publish(STEM, PATH)
    async with archive.incoming(STEM) as part:
        await part.write(b"half")
        with pytest.raises(ArchiveError, match="not sealed"):
            await archive.publish(STEM, PATH)
        await part.seal()
        await part.write(b"more")
        with pytest.raises(ArchiveError, match="not sealed"):
            await archive.publish(STEM, PATH)
    assert await archive.stored(PATH) is None


async def test_receiving_goes_on_where_it_was_broken_off(archive: Archive) -> None:
    content = random.Random(2).randbytes(2 * BLOCK)
    for end in (10, 5000, BLOCK + 1, len(content)):
        with contextlib.suppress(ConnectionError):
            async with archive.incoming(STEM) as part:
                assert part.head == content[: min(part.size, 4096)]
                await part.write(content[part.size : end])
                assert part.size == end
                assert part.head == content[: min(end, 4096)]
                raise ConnectionError
    async with archive.incoming(STEM) as part:
        assert await part.seal() == of(content)


async def test_restarting_drops_what_was_there(archive: Archive) -> None:
    await receive(archive, b"old " * BLOCK)
    async with archive.incoming(STEM) as part:
        await part.restart()
        assert (part.size, part.head) == (0, b"")
        await part.write(b"new")
        assert await part.seal() == of(b"new")


async def test_dropping_removes_the_unfinished_file_alone(archive: Archive) -> None:
    await archive.write(PATH, b"finished")
    await receive(archive, b"unfinished")
    await archive.drop(STEM)
    await archive.drop(STEM)
    async with archive.incoming(STEM) as part:
        assert part.size == 0
        await part.write(b"again")
        await archive.drop(STEM)
    async with archive.incoming(STEM) as part:
        assert part.size == 0
    assert await archive.stored(PATH) == of(b"finished")


async def test_a_small_file_is_written_whole_and_over_what_was_there(archive: Archive) -> None:
    for content in (b"{}", b"{ }", b'{"a": 1}', b""):
        await archive.write(f"{FOLDER}/meeting.json", content)
        assert await archive.stored(f"{FOLDER}/meeting.json") == of(content)


async def test_a_file_is_read_whole_or_not_at_all(archive: Archive) -> None:
    content = random.Random(6).randbytes(BLOCK + 3)
    assert await archive.read(PATH, len(content)) is None
    await archive.write(PATH, content)
    assert await archive.read(PATH, len(content)) == content
    assert await archive.read(PATH, len(content) - 1) is None
    await archive.write("empty.txt", b"")
    assert await archive.read("empty.txt", 0) == b""


async def test_removing_what_is_there_and_what_is_not(archive: Archive) -> None:
    await archive.remove(PATH)
    await archive.write(PATH, b"x")
    await archive.write(f"{FOLDER}/meeting.json", b"y")
    await archive.remove(PATH)
    await archive.remove(PATH)
    assert await archive.stored(PATH) is None
    assert await archive.stored(f"{FOLDER}/meeting.json") == of(b"y")


async def test_only_one_at_a_time_receives_a_file(archive: Archive) -> None:
    async with archive.incoming(STEM) as part:
        await part.write(b"mine")
        with pytest.raises(ArchiveError, match="being written by another process"):
            async with archive.incoming(STEM):
                pytest.fail("two of them")
        async with archive.incoming(f"{STEM} other") as other:
            await other.write(b"another")
        assert await part.seal() == of(b"mine")


HOSTILE = [
    "../x",
    "../../etc/passwd",
    "a/../../x",
    "a/../b",
    "/etc/passwd",
    "//x",
    "a//b",
    "a/",
    "",
    ".",
    "..",
    "a/.",
    "./a",
    "a\0b",
    "a\\..\\..\\b",
    "a/\ud800",
]


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("way", ["incoming", "publish from", "publish to", "drop", "stored", "read", "write", "remove"])
async def test_no_path_leads_out(archive: Archive, tmp_path: Path, path: str, way: str) -> None:
    await receive(archive, b"sealed", stem="sealed")

    async def into() -> None:
        async with archive.incoming(path):
            pytest.fail("opened")

    ways: dict[str, Callable[[], Any]] = {
        "incoming": into,
        "publish from": lambda: archive.publish(path, "x"),
        "publish to": lambda: archive.publish("sealed", path),
        "drop": lambda: archive.drop(path),
        "stored": lambda: archive.stored(path),
        "read": lambda: archive.read(path, 10),
        "write": lambda: archive.write(path, b"x"),
        "remove": lambda: archive.remove(path),
    }
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ArchiveError, match="not a path inside"):
        await ways[way]()
    assert set(tmp_path.rglob("*")) == before


async def test_no_finished_file_is_called_like_an_unfinished_one(archive: Archive) -> None:
    await receive(archive, b"x")
    for refused in (
        archive.publish(STEM, f"{STEM}.part"),
        archive.write("x.PART", b"x"),
        archive.stored("x.part"),
        archive.read("x.part", 10),
        archive.remove(f"{STEM}.part"),
    ):
        with pytest.raises(ArchiveError, match="unfinished"):
            await refused


# A local folder


def modes(root: Path) -> set[tuple[str, int]]:
    return {
        ("folder" if path.is_dir() else "file", stat.S_IMODE(path.stat().st_mode)) for path in (root, *root.rglob("*"))
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277, 0o777])
async def test_all_of_it_is_the_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    archive = LocalArchive(tmp_path / "made" / "archive")
    before = os.umask(umask)
    try:
        await receive(archive, b"x")
        await archive.write(f"{FOLDER}/meeting.json", b"{}")
        await receive(archive, b"y", stem="y")
        await archive.publish("y", "other/y.pdf")
    finally:
        os.umask(before)
    assert modes(tmp_path / "made") == {("folder", 0o700), ("file", 0o600)}


async def test_an_unfinished_file_that_others_could_read_is_closed_to_them(local: LocalArchive, tmp_path: Path) -> None:
    await receive(local, b"x")
    part = tmp_path / "archive" / f"{STEM}.part"
    part.chmod(0o644)
    await receive(local, b"y")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


async def test_the_root_may_be_a_link_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(0o755)
    (tmp_path / "archive").symlink_to(tmp_path / "disk")
    archive = LocalArchive(tmp_path / "archive")
    await archive.write("a/x.pdf", b"x")
    assert (tmp_path / "disk/a/x.pdf").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "disk").stat().st_mode) == 0o755


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "x.part").write_bytes(b"foreign")
    (folder / "x.pdf").write_bytes(b"foreign")
    return folder


@pytest.mark.parametrize("depth", ["a", "a/b", "a/b/c"])
async def test_a_folder_that_is_a_link_is_not_followed(
    local: LocalArchive, tmp_path: Path, outside: Path, depth: str
) -> None:
    await receive(local, b"sealed", stem="sealed")
    link = tmp_path / "archive" / depth
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)

    async def into() -> None:
        async with local.incoming(f"{depth}/x") as part:
            await part.write(b"y")

    for refused in (
        into(),
        local.publish("sealed", f"{depth}/x.pdf"),
        local.publish(f"{depth}/x", "y.pdf"),
        local.drop(f"{depth}/x"),
        local.stored(f"{depth}/x.pdf"),
        local.read(f"{depth}/x.pdf", 10),
        local.write(f"{depth}/x.pdf", b"y"),
        local.remove(f"{depth}/x.pdf"),
    ):
        with pytest.raises(ArchiveError, match="link"):
            await refused
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"x.part": b"foreign", "x.pdf": b"foreign"}


async def test_a_file_that_is_a_link_is_neither_read_nor_written(
    local: LocalArchive, tmp_path: Path, outside: Path
) -> None:
    await receive(local, b"sealed", stem="sealed")
    root = tmp_path / "archive"
    (root / "x.part").symlink_to(outside / "x.part")
    (root / "x.pdf").symlink_to(outside / "x.pdf")
    (root / "new.part").symlink_to(outside / "new")

    async def into(stem: str) -> None:
        async with local.incoming(stem) as part:
            await part.restart()

    for refused in (into("x"), into("new"), local.publish("x", "y.pdf"), local.drop("x"), local.stored("x.pdf")):
        with pytest.raises(ArchiveError, match="link"):
            await refused
    with pytest.raises(ArchiveError, match="link"):
        await local.write("x.pdf", b"y")
    await local.publish("sealed", "x.pdf")  # the name is taken over, not what it led to
    assert (root / "x.pdf").read_bytes() == b"sealed"
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"x.part": b"foreign", "x.pdf": b"foreign"}


async def test_removing_a_link_removes_the_link(local: LocalArchive, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "x.pdf").symlink_to(outside / "x.pdf")
    await local.remove("x.pdf")
    assert (outside / "x.pdf").read_bytes() == b"foreign"


async def test_a_pipe_or_a_folder_in_a_files_place_holds_nothing_up(local: LocalArchive, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    root.mkdir()
    for name in ("x.pdf", "x.part"):
        os.mkfifo(root / name)
    for name in ("y.pdf", "y.part"):
        (root / name).mkdir()
    await receive(local, b"sealed", stem="sealed")
    for stem in ("x", "y"):
        with pytest.raises(ArchiveError):
            await local.stored(f"{stem}.pdf")
        with pytest.raises(ArchiveError):
            await receive(local, b"x", stem=stem)
    with pytest.raises(ArchiveError):
        await local.publish("sealed", "y.pdf")


async def test_folders_that_become_empty_are_removed_but_the_root(local: LocalArchive, tmp_path: Path) -> None:
    await local.write(f"{FOLDER}/meeting.json", b"{}")
    await local.write("sales/2026/11/other/meeting.json", b"{}")
    await receive(local, b"x")
    await local.drop(STEM)
    await local.remove(f"{FOLDER}/meeting.json")
    assert sorted(path.name for path in (tmp_path / "archive/sales/2026").iterdir()) == ["11"]
    await local.remove("sales/2026/11/other/meeting.json")
    assert list((tmp_path / "archive").iterdir()) == []


async def test_nothing_is_written_when_it_says_so_already(local: LocalArchive, tmp_path: Path) -> None:
    await local.write("a/meeting.json", b"{}")
    file = tmp_path / "archive/a/meeting.json"
    before = file.stat()
    await local.write("a/meeting.json", b"{}")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    await local.write("a/meeting.json", b"[]")
    assert file.read_bytes() == b"[]"
    assert sorted(path.name for path in file.parent.iterdir()) == ["meeting.json"]


async def test_looking_makes_nothing(local: LocalArchive, tmp_path: Path) -> None:
    assert await local.stored(PATH) is None
    await local.remove(PATH)
    await local.drop(STEM)
    assert list(tmp_path.iterdir()) == []


async def test_a_full_disk_is_told_and_what_fitted_is_gone_on_with(
    local: LocalArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(3).randbytes(2 * BLOCK)
    room = BLOCK // 2 + 3
    write = os.write

    def little_room(file: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", little_room)
    with pytest.raises(ArchiveError, match=r"recording-17 Weekly\.part: No space left on device"):
        await receive(local, content)
    monkeypatch.undo()
    async with local.incoming(STEM) as part:
        assert part.size == BLOCK // 2 + 3
        await part.write(content[part.size :])
        assert await part.seal() == of(content)


async def test_writing_may_go_on_when_there_is_room_again(local: LocalArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(5).randbytes(3 * BLOCK)
    write, turn = os.write, iter(range(1000))

    def now_and_then(file: int, data: bytes) -> int:
        if next(turn) % 3 == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:100_000])

    refused = 0
    monkeypatch.setattr(os, "write", now_and_then)
    async with local.incoming(STEM) as part:
        for start in range(0, len(content), BLOCK):
            try:
                await part.write(content[start : start + BLOCK])
            except ArchiveError:
                refused += 1
        assert refused == 3
        assert part.size == len(content)
        monkeypatch.undo()
        assert await part.seal() == of(content)
    async with local.incoming(STEM) as part:
        assert await part.seal() == of(content)


async def test_a_small_file_that_does_not_fit_leaves_the_former_one(
    local: LocalArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await local.write("a/meeting.json", b"former")

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArchiveError, match="No space left"):
        await local.write("a/meeting.json", b"later")
    monkeypatch.undo()
    assert await local.stored("a/meeting.json") == of(b"former")
    await local.write("a/meeting.json", b"later")
    assert await local.stored("a/meeting.json") == of(b"later")


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file")
    archive = LocalArchive(tmp_path / "archive")
    with pytest.raises(ArchiveError, match=r"a/x\.json"):
        await archive.write("a/x.json", b"x")
    with pytest.raises(ArchiveError, match="File name too long"):
        await LocalArchive(tmp_path / "other").write("x" * 300, b"x")


@pytest.mark.parametrize("another", [False, True], ids=["and goes", "and begins another"])
async def test_what_gets_its_final_name_before_it_is_locked_is_not_gone_on_with(
    local: LocalArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    await receive(local, b"whole")
    finished, part = tmp_path / "archive" / PATH, tmp_path / "archive" / f"{STEM}.part"
    lock = fcntl.flock

    def publish_first(file: int, operation: int) -> None:
        if not finished.exists():
            part.rename(finished)
            if another:
                part.write_bytes(b"begun ")
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", publish_first)
    async with local.incoming(STEM) as incoming:
        assert incoming.size == (6 if another else 0)
        await incoming.write(b"later")
    assert finished.read_bytes() == b"whole"
    assert part.read_bytes() == (b"begun later" if another else b"later")


async def test_a_file_that_somebody_else_lengthened_is_not_sealed(local: LocalArchive, tmp_path: Path) -> None:
    async with local.incoming(STEM) as part:
        await part.write(b"mine")
        with open(tmp_path / "archive" / f"{STEM}.part", "ab") as foreign:
            foreign.write(b"foreign")
        with pytest.raises(ArchiveError):
            await part.seal()


# Being cancelled, being killed


async def test_a_cancellation_is_seen_when_the_work_has_ended() -> None:
    stop, log = Stop(), []
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(started.set)
        try:
            for _ in range(20_000_000):  # it would end by itself, so that a defect holds nobody up
                stop.look()
        except Stopped:
            log.append("ended")
            raise

    task = asyncio.create_task(in_thread(work, stop))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["ended"]


@pytest.mark.parametrize("after", range(0, 40, 3))
async def test_a_cancelled_pull_leaves_what_can_be_gone_on_with(archive: Archive, after: int) -> None:
    """Cancelled at its `after`-th turn of the loop, then gone on with."""
    content = random.Random(after).randbytes(3 * BLOCK)

    async def pull() -> None:
        async with archive.incoming(STEM) as part:
            while part.size < len(content):
                await part.write(content[part.size : part.size + BLOCK // 2])
            await part.seal()
        await archive.publish(STEM, PATH)

    task = asyncio.create_task(pull())
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    there = await archive.stored(PATH)
    assert there in (None, of(content))
    if there is None:
        await pull()
    assert await archive.stored(PATH) == of(content)


VICTIM = """
import asyncio, random, sys
from pathlib import Path
from connectors.archive.local import LocalArchive

async def main(root, seed):
    content = random.Random(seed).randbytes(3_000_000)
    archive = LocalArchive(Path(root))
    for number in range(1000):
        stem = f"a/{number}/recording"
        async with archive.incoming(stem) as part:
            while part.size < len(content):
                await part.write(content[part.size : part.size + 100_000])
                print(number, flush=True)
            await part.seal()
        await archive.publish(stem, f"{stem}.mp4")
        await archive.write("a/meeting.json", b"%d" % number * 1000)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def kill_at_random(root: Path, seed: int) -> None:
    """A process that fills the archive, killed when it has said some number of lines, a little later."""
    chance = random.Random(f"kill {seed}")
    process = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(root), str(seed)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    with process, process.stdout as lines:
        for _ in range(chance.randrange(1, 80)):
            assert lines.readline()
        select.select([], [], [], chance.random() * 0.02)
        process.kill()


@pytest.mark.kills
@pytest.mark.parametrize("seed", range(12))
async def test_a_kill_leaves_no_half_file_under_a_final_name(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "archive"
    await asyncio.to_thread(kill_at_random, root, seed)
    content = random.Random(seed).randbytes(3_000_000)
    archive = LocalArchive(root)
    finished = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".part"]
    for path in finished:
        if path.suffix == ".mp4":
            assert path.read_bytes() == content
        else:
            assert len(set(path.read_bytes().split(b" "))) == 1
            assert path.stat().st_size % 1000 == 0
    (unfinished,) = [*root.glob("a/*/recording.part")] or [root / f"a/{len(finished)}/recording.part"]
    stem = str(unfinished.relative_to(root).with_suffix(""))
    async with archive.incoming(stem) as part:
        assert part.size <= len(content)
        await part.write(content[part.size :])
        assert await part.seal() == of(content)
    await archive.publish(stem, f"{stem}.mp4")
    assert await archive.stored(f"{stem}.mp4") == of(content)


# Remote stores


@pytest.fixture
def memory(tmp_path: Path) -> RemoteArchive:
    archive = open_archive(f"memory://{tmp_path.name}", tmp_path)
    assert isinstance(archive, RemoteArchive)
    return archive


async def test_what_is_on_its_way_is_spooled_and_gone_when_it_has_arrived(
    memory: RemoteArchive, tmp_path: Path
) -> None:
    await receive(memory, b"content")
    assert modes(tmp_path / SPOOL) == {("folder", 0o700), ("file", 0o600)}
    assert not fsspec.filesystem("memory").exists(f"/{tmp_path.name}")
    await memory.publish(STEM, PATH)
    assert list((tmp_path / SPOOL).iterdir()) == []
    assert fsspec.filesystem("memory").find(f"/{tmp_path.name}") == [f"/{tmp_path.name}/{PATH}"]


async def test_a_file_of_which_less_arrived_gets_no_final_name(
    memory: RemoteArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receive(memory, b"content")
    store = type(fsspec.filesystem("memory"))
    with monkeypatch.context() as broken:
        broken.setattr(store, "put_file", lambda self, local, remote, **_: self.pipe_file(remote, b"cont"))
        with pytest.raises(ArchiveError, match="4 of 7 bytes arrived"):
            await memory.publish(STEM, PATH)
    assert await memory.stored(PATH) is None
    await memory.publish(STEM, PATH)
    assert await memory.stored(PATH) == of(b"content")


async def test_an_error_of_a_store_is_told_without_its_words(
    memory: RemoteArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("https://user:secret@store.example/?signature=secret")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", refuse)
    with pytest.raises(ArchiveError, match=r"RuntimeError$") as raised:
        await memory.stored(PATH)
    assert "secret" not in str(raised.value)


async def test_folders_of_a_remote_store_that_become_empty_are_removed(memory: RemoteArchive, tmp_path: Path) -> None:
    await memory.write(f"{FOLDER}/meeting.json", b"{}")
    await memory.remove(f"{FOLDER}/meeting.json")
    assert fsspec.filesystem("memory").ls(f"/{tmp_path.name}") == []


async def test_a_large_file_goes_to_s3_in_parts(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = open_archive(f"{s3}/large", tmp_path)
    store = type(fsspec.filesystem("s3"))
    send = store._put_file

    async def in_parts(self: Any, local: str, remote: str, **options: Any) -> Any:
        return await send(self, local, remote, chunksize=5 * 2**20, **options)

    monkeypatch.setattr(store, "_put_file", in_parts)
    content = random.Random(4).randbytes(12 * 2**20)
    await receive(archive, content, piece=BLOCK)
    await archive.publish(STEM, PATH)
    assert await archive.stored(PATH) == of(content)


async def test_a_bucket_that_is_not_there_is_told(s3: str, tmp_path: Path) -> None:
    archive = open_archive("s3://missing/prefix", tmp_path)
    with pytest.raises(ArchiveError, match=r"archive s3://missing: .*meeting\.json: ") as raised:
        await archive.write(f"{FOLDER}/meeting.json", b"{}")
    assert "not-to-be-shown" not in str(raised.value)


# Which archive it is


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("archive", "base/archive"),
        ("../archive", "archive"),
        ("{tmp}/elsewhere", "elsewhere"),
        ("file://{tmp}/a%20b", "a b"),
        ("file://localhost{tmp}/x", "x"),
        ("a:b", "base/a:b"),
    ],
)
async def test_a_path_or_a_file_address_is_a_local_folder(tmp_path: Path, text: str, root: str) -> None:
    (tmp_path / "base").mkdir()
    archive = open_archive(text.format(tmp=tmp_path), tmp_path / "base")
    assert isinstance(archive, LocalArchive)
    await archive.write("x.json", b"x")
    assert (tmp_path / root / "x.json").read_bytes() == b"x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a\0b",
        "file://host/x",
        "file:///x?y",
        "gopher://user:secret@x/y",
        "http://secret.example/x",
        "https://secret.example/x",
        "simplecache::s3://secret",
        "zip://secret.zip::s3://secret/x",
        "data://secret",
    ],
)
def test_what_is_no_archive_is_a_mistake_in_the_configuration(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^archive: ") as raised:
        open_archive(text, tmp_path)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("missing", "address", "says"),
    [
        ("fsspec", "s3://bucket/secret", r"pip install 'convener\[s3\]'"),
        ("s3fs", "s3://bucket/secret", r"pip install 'convener\[s3\]'"),
        ("fsspec", "memory://secret", r"pip install 'convener\[remote-archive\]'"),
        ("gcsfs", "gs://bucket/secret", r"fsspec's package for gs"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, address: str, says: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    imported = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(imported, "s3", raising=False)
    with pytest.raises(ConfigurationError, match=says) as raised:
        open_archive(address, tmp_path)
    assert "secret" not in str(raised.value)
