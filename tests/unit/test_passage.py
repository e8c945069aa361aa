"""The last word before a request with an effect leaves: a pass that lost its route, or is to stop, sends no more."""

from collections.abc import AsyncIterator

import pytest

from connectors.http import Wire
from sync.errors import UnknownOutcome
from sync.gate import Halted, VendorGate
from tests.clock import ManualClock
from tests.unit.scripted_server import reply, serving


class Lease:
    """Ours until it is `lost`."""

    lost: str | None = None


@pytest.fixture
def lease() -> Lease:
    return Lease()


@pytest.fixture
def answered() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def gate(lease: Lease, answered: list[tuple[str, str, str]]) -> VendorGate:
    def on_answer(*told: str) -> None:
        answered.append(told)  # type: ignore[arg-type]

    return VendorGate("main", None, ManualClock(), 5.0, lost=lambda: lease.lost, on_answer=on_answer)  # type: ignore[arg-type]


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    made = Wire(timeout=3.0)
    yield made
    await made.close()


async def test_a_lease_that_is_lost_on_the_way_to_the_wire_sends_no_write(
    gate: VendorGate, wire: Wire, lease: Lease
) -> None:
    async with serving(reply()) as server:

        async def call() -> None:
            lease.lost = "another process has the route"
            await wire.write(server.url, method="POST")

        with pytest.raises(Halted, match="another process"):
            await gate.call(call)
        assert server.methods == []
        lease.lost = None
        await gate.call(lambda: wire.write(server.url, method="POST"))
        assert server.methods == ["POST"]


async def test_a_call_of_several_requests_that_has_begun_to_write_has_an_unknown_outcome(
    gate: VendorGate, wire: Wire
) -> None:
    async with serving(reply()) as server:

        async def call() -> None:
            await wire.write(server.url, method="POST")
            gate.stop("the service is stopping")
            await wire.write(server.url, method="PUT")

        with pytest.raises(UnknownOutcome, match="stopping"):
            await gate.call(call)
        assert server.methods == ["POST"]


async def test_reads_of_a_call_under_way_go_on(gate: VendorGate, wire: Wire) -> None:
    async with serving(reply(body=b"here")) as server:

        async def call() -> bytes:
            gate.stop("the service is stopping")
            return (await wire.read(server.url)).body

        assert await gate.call(call) == b"here"


async def test_every_request_of_a_call_is_told_with_its_status(
    gate: VendorGate, wire: Wire, answered: list[tuple[str, str, str]]
) -> None:
    async with serving(reply(), reply(404)) as server:

        async def call() -> None:
            await wire.write(server.url, method="POST")
            await wire.read(server.url, raw_status=True)

        await gate.call(call)
    assert answered == [("main", "POST", "200"), ("main", "GET", "404")]


async def test_requests_outside_of_a_vendor_call_are_nobodys(wire: Wire, answered: list[tuple[str, str, str]]) -> None:
    async with serving(reply()) as server:
        await wire.write(server.url, method="POST")
    assert answered == []
