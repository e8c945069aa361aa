"""What every download must do, for the tests of vendors that offer media: it breaks anywhere and is gone on with."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from sync.errors import Unreachable
from sync.model import Artifact
from sync.ports import Connector


async def content(connector: Connector, artifact: Artifact) -> bytes:
    """All of it."""
    async with connector.download(artifact) as download:
        assert download.start == 0
        received = b"".join([chunk async for chunk in download.chunks])
        assert download.size in (None, len(received))
        return received


class Receiver:
    """Keeps what has come, as whoever stores downloads does."""

    def __init__(self, connector: Connector, artifact: Artifact) -> None:
        self._connector = connector
        self._artifact = artifact
        self.content = b""
        self.validator = ""
        self.starts: list[int] = []

    async def go_on(self) -> None:
        """One attempt, from where the last one ended if the server lets it."""
        asked = {"start": len(self.content), "validator": self.validator}
        async with self._connector.download(self._artifact, **asked) as download:
            assert download.start in (0, len(self.content))
            self.starts.append(download.start)
            self.content, self.validator = self.content[: download.start], download.validator
            async for chunk in download.chunks:
                self.content += chunk


async def breaks_anywhere(connector: Connector, artifact: Artifact, sim: Any, resource: str, media: bytes) -> None:
    """Seeded break points: the first answer ends there, the second a bit later, the third is whole."""
    dice = Random(resource)
    for at in (0, 1, len(media) - 1, *(dice.randrange(len(media)) for _ in range(7))):
        receiver = Receiver(connector, artifact)
        for broken in (at, dice.randrange(1 + (len(media) - at) // 2)):
            sim.faults.add(Fault("cut", resource=resource, at=broken))
            with pytest.raises(Unreachable):
                await receiver.go_on()
        await receiver.go_on()
        assert receiver.content == media
        assert not sim.faults.pending()
        if sim.options.resumes == "never":
            assert set(receiver.starts) <= {0}
        elif at > 1000:
            assert 0 < receiver.starts[-2] <= receiver.starts[-1], "it is gone on with"


async def another_version_begins_anew(
    connector: Connector, artifact: Artifact, sim: Any, resource: str, change: Callable[[], bytes], at: int
) -> None:
    """What changes between two attempts is never mixed."""
    receiver = Receiver(connector, artifact)
    sim.faults.add(Fault("cut", resource=resource, at=at))
    with pytest.raises(Unreachable):
        await receiver.go_on()
    assert len(receiver.content) == at
    changed = change()
    await receiver.go_on()
    assert (receiver.starts, receiver.content) == ([0, 0], changed)


async def a_whole_that_is_asked_for_more_comes_again(connector: Connector, artifact: Artifact, media: bytes) -> None:
    """All bytes are there already, and nobody knew: there is no part to ask for."""
    receiver = Receiver(connector, artifact)
    for _ in range(2):
        await receiver.go_on()
    assert (receiver.starts, receiver.content) == ([0, 0], media)
