"""The gate before a vendor: when it waits, when it sets the vendor aside, and what it says."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors.answers import CutBody
from sync.circuit import FAILURES_BEFORE_OPEN
from sync.errors import CredentialsRefused, Gone, OutsideError, RateLimited, Refused, UnknownOutcome, Unreachable
from sync.gate import SHORT_WAITS, Halted, VendorGate
from tests.clock import ManualClock

SLOW = RateLimited("wait", 3600.0)
QUICK = RateLimited("wait", 2.0)


class Vendor:
    """Answers the calls with the given errors, one after the other, and then well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gate(clock: ManualClock) -> VendorGate:
    return VendorGate("main", None, clock, patience=5.0)  # type: ignore[arg-type]


async def attempt(gate: VendorGate, vendor: Callable[[], Any]) -> str:
    """The answer, or the name of the error."""
    try:
        return str(await gate.call(vendor))
    except OutsideError as error:
        return type(error).__name__


async def test_a_good_answer_passes_through(gate: VendorGate) -> None:
    assert await gate.call(Vendor()) == "answer"
    assert (gate.answered, gate.trouble, gate.reason) == (True, None, None)


async def test_refused_credentials_halt_at_once_and_nothing_more_is_sent(gate: VendorGate) -> None:
    vendor = Vendor(CredentialsRefused("wrong password"))
    answers = [await attempt(gate, vendor) for _ in range(3)]
    assert answers == ["CredentialsRefused", "Halted", "Halted"]
    assert (vendor.calls, gate.trouble, gate.reason) == (1, "refused", "wrong password")


async def test_eight_meetings_at_once_cost_one_login_attempt(gate: VendorGate) -> None:
    vendor = Vendor(*[CredentialsRefused("no") for _ in range(8)])
    answers = await asyncio.gather(*(attempt(gate, vendor) for _ in range(8)))
    assert sorted(answers) == ["CredentialsRefused", *["Halted"] * 7]
    assert vendor.calls == 1


async def test_once_the_vendor_answered_calls_go_side_by_side(gate: VendorGate) -> None:
    await gate.call(Vendor())
    together = asyncio.Barrier(4)

    async def meet() -> str:
        await together.wait()
        return "met"

    async with asyncio.timeout(5):
        assert await asyncio.gather(*(gate.call(meet) for _ in range(4))) == ["met"] * 4


@pytest.mark.parametrize("error", [Unreachable("down"), CutBody("half")])
async def test_failures_in_a_row_halt_and_an_answer_between_them_forgives(
    gate: VendorGate, error: OutsideError
) -> None:
    vendor = Vendor(*[error] * (FAILURES_BEFORE_OPEN - 1))
    for _ in range(FAILURES_BEFORE_OPEN - 1):
        assert await attempt(gate, vendor) == type(error).__name__
        assert gate.trouble == "unreachable"
    assert await attempt(gate, vendor) == "answer"
    assert (gate.trouble, gate.reason, gate.halted) == (None, None, None)
    vendor.errors = [error] * FAILURES_BEFORE_OPEN
    answers = [await attempt(gate, vendor) for _ in range(FAILURES_BEFORE_OPEN + 1)]
    assert answers == [type(error).__name__] * FAILURES_BEFORE_OPEN + ["Halted"]
    assert gate.trouble == "unreachable"


@pytest.mark.parametrize("error", [Refused("no", 400), Gone("not there", 404), UnknownOutcome("reset")])
async def test_a_refusal_is_the_meetings_fault_and_not_the_vendors(gate: VendorGate, error: OutsideError) -> None:
    vendor = Vendor(*[error] * 10)
    answers = [await attempt(gate, vendor) for _ in range(11)]
    assert answers == [type(error).__name__] * 10 + ["answer"]
    assert (gate.trouble, gate.halted) == (None, None)


async def test_a_short_wait_is_waited_out(gate: VendorGate, clock: ManualClock) -> None:
    assert await attempt(gate, Vendor(QUICK)) == "answer"
    assert (clock.slept, gate.trouble, gate.cooldown_until) == (2.0, None, None)


async def test_short_waits_without_end_set_the_vendor_aside(gate: VendorGate, clock: ManualClock) -> None:
    vendor = Vendor(*[QUICK] * 100)
    assert await attempt(gate, vendor) == "RateLimited"
    assert (vendor.calls, gate.trouble) == (SHORT_WAITS + 1, "cooldown")
    assert clock.slept == SHORT_WAITS * 2.0


async def test_a_long_wait_sets_the_vendor_aside_until_then(gate: VendorGate, clock: ManualClock) -> None:
    assert await attempt(gate, Vendor(SLOW)) == "RateLimited"
    assert (clock.slept, gate.trouble) == (0.0, "cooldown")
    assert gate.cooldown_until == clock.now() + timedelta(hours=1)
    assert await attempt(gate, Vendor()) == "Halted"


@pytest.mark.parametrize(
    ("left", "slept", "trouble"),
    [(None, 0.0, None), (-10, 0.0, None), (0, 0.0, None), (5, 5.0, None), (6, 0.0, "cooldown")],
)
async def test_a_wait_from_an_earlier_run_is_honoured(
    gate: VendorGate, clock: ManualClock, left: float | None, slept: float, trouble: str | None
) -> None:
    until = None if left is None else clock.now() + timedelta(seconds=left)
    await gate.begin(until)
    assert (clock.slept, gate.trouble) == (slept, trouble)
    assert gate.cooldown_until == (until if trouble else None)
    assert await attempt(gate, Vendor()) == ("Halted" if trouble else "answer")


async def test_the_first_trouble_is_the_one_that_is_told(gate: VendorGate) -> None:
    await gate.call(Vendor())
    errors = [CredentialsRefused("first"), *[Unreachable("later")] * 3]
    gates = [gate.call(Vendor(error)) for error in errors]
    await asyncio.gather(*gates, return_exceptions=True)
    assert (gate.trouble, gate.reason) == ("refused", "first")


async def test_a_halted_call_is_an_outside_error_so_that_the_meeting_only_waits() -> None:
    assert issubclass(Halted, OutsideError)
    assert not issubclass(Halted, (Refused, UnknownOutcome))


async def test_a_defect_in_a_call_does_not_count_against_the_vendor(gate: VendorGate) -> None:
    with pytest.raises(ZeroDivisionError):
        await gate.call(Vendor(ZeroDivisionError()))
    assert gate.trouble is None
    assert await attempt(gate, Vendor()) == "answer"


async def test_stopping_lets_no_call_begin_and_holds_nothing_against_the_vendor(gate: VendorGate) -> None:
    vendor = Vendor()
    assert await attempt(gate, vendor) == "answer"
    gate.stop("the service is stopping")
    assert await attempt(gate, vendor) == "Halted"
    assert (gate.trouble, gate.reason) == (None, None)
