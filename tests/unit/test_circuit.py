"""The circuit breaker of a vendor: when it opens, how one call probes, and what closes it."""

import asyncio
from datetime import timedelta

import pytest

from sync.circuit import FAILURES_BEFORE_OPEN, Circuit
from sync.errors import CredentialsRefused, OutsideError, RateLimited, Unreachable
from sync.gate import Halted, VendorGate
from tests.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def circuit(clock: ManualClock) -> Circuit:
    return Circuit(clock)


def a_gate(circuit: Circuit, clock: ManualClock) -> VendorGate:
    return VendorGate("main", None, clock, patience=5.0, circuit=circuit)  # type: ignore[arg-type]


async def attempt(gate: VendorGate, error: Exception | None = None) -> str:
    """What comes of a call that ends with this error, or well: "sent" is part of it when it went out."""
    sent = []

    async def call() -> None:
        sent.append(1)
        if error is not None:
            raise error

    try:
        await gate.call(call)
    except OutsideError as raised:
        return f"{'sent ' if sent else ''}{type(raised).__name__}"
    return "answered"


async def opened(circuit: Circuit, clock: ManualClock) -> None:
    gate = a_gate(circuit, clock)
    for _ in range(FAILURES_BEFORE_OPEN):
        await attempt(gate, Unreachable("down"))
    assert circuit.shut()


async def test_failures_of_passes_side_by_side_count_together(circuit: Circuit, clock: ManualClock) -> None:
    for _ in range(FAILURES_BEFORE_OPEN):
        assert await attempt(a_gate(circuit, clock), Unreachable("down")) == "sent Unreachable"
    other = a_gate(circuit, clock)
    assert await attempt(other) == "Halted"
    assert (other.trouble, other.reason) == ("unreachable", "down")


async def test_a_pass_that_asks_nothing_of_a_broken_vendor_has_no_trouble(circuit: Circuit, clock: ManualClock) -> None:
    await opened(circuit, clock)
    assert a_gate(circuit, clock).trouble is None


async def test_after_its_rest_one_call_probes_and_the_others_wait_for_it(circuit: Circuit, clock: ManualClock) -> None:
    await opened(circuit, clock)
    clock.advance(seconds=5)
    assert circuit.half_open
    sent = 0
    answer = asyncio.Event()

    async def slow() -> None:
        nonlocal sent
        sent += 1
        await answer.wait()
        raise Unreachable("still down")

    calls = [asyncio.create_task(a_gate(circuit, clock).call(slow)) for _ in range(5)]
    while not sent:
        await asyncio.sleep(0)
    answer.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sent == 1
    assert sorted(type(one).__name__ for one in results) == ["Halted"] * 4 + ["Unreachable"]


async def test_a_probe_that_works_lets_everybody_through(circuit: Circuit, clock: ManualClock) -> None:
    await opened(circuit, clock)
    clock.advance(seconds=5)
    assert await attempt(a_gate(circuit, clock)) == "answered"
    assert (circuit.until, circuit.trouble, circuit.half_open) == (None, None, False)


async def test_each_failed_probe_doubles_the_rest_up_to_five_minutes(circuit: Circuit, clock: ManualClock) -> None:
    await opened(circuit, clock)
    rests = []
    for _ in range(9):
        assert circuit.until is not None
        rests.append((circuit.until - clock.now()).total_seconds())
        clock.advance(seconds=rests[-1])
        assert await attempt(a_gate(circuit, clock), Unreachable("down")) == "sent Unreachable"
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]


async def test_a_refused_account_is_tried_less_and_less_often(circuit: Circuit, clock: ManualClock) -> None:
    tries = 0
    for _ in range(24 * 60):
        tries += (await attempt(a_gate(circuit, clock), CredentialsRefused("wrong password"))).startswith("sent")
        clock.advance(minutes=1)
    assert tries == 30  # a day of passes a minute apart: 7 in the first hour, then one an hour


async def test_a_wait_that_the_vendor_asks_for_binds_all_passes_until_it_is_over(
    circuit: Circuit, clock: ManualClock
) -> None:
    assert await attempt(a_gate(circuit, clock), RateLimited("later", 3600)) == "sent RateLimited"
    clock.advance(seconds=3599)
    other = a_gate(circuit, clock)
    assert await attempt(other) == "Halted"
    assert (other.trouble, other.cooldown_until) == ("cooldown", clock.now() + timedelta(seconds=1))
    clock.advance(seconds=1)
    assert await attempt(a_gate(circuit, clock)) == "answered"


async def test_a_call_that_was_under_way_does_not_lift_a_wait(circuit: Circuit, clock: ManualClock) -> None:
    circuit.open("cooldown", "the vendor asks to wait", clock.now() + timedelta(hours=1))
    circuit.answered()
    assert circuit.shut()


async def test_a_stopped_gate_holds_nothing_against_the_vendor(circuit: Circuit, clock: ManualClock) -> None:
    gate = a_gate(circuit, clock)
    gate.stop("the service is stopping")
    with pytest.raises(Halted, match="stopping"):
        await gate.call(lambda: asyncio.sleep(0))
    assert (gate.trouble, circuit.trouble) == (None, None)
