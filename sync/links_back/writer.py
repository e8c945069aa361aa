"""One write to a source: written ahead, made once, recorded; and how the source takes writes at all in this pass."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from sync.errors import ConfigurationError, Gone, LedgerError, OutsideError, RateLimited, Refused, UnknownOutcome
from sync.gate import SHORT_WAITS, Halted, VendorGate
from sync.ledger.write_backs import LINK, WriteBack, WriteBacks, WriteState
from sync.links_back.mailing import FIRST_BACKOFF, LONGEST_BACKOFF, MOST_ATTEMPTS
from sync.links_back.write_plan import with_earlier
from sync.ports import Clock, Log

MOST_UNKNOWN = 3
"""So many unknown outcomes in a row, and nothing more is written to the source in this pass."""

MOST_DOUBTS = 30
"""Attempts at telling of an artifact that all end with an unknown outcome (a week of them), before it is given up."""

NO_PLACE = "the source has no place for it"


class SourceWriter:
    """Writes to one source, for one route and in one pass. `known` are the route's write-backs as they are before.

    The first trouble of the source, and that it is over, are logged; it is over when nothing waits because of it. The
    gate is the pass's own: it says when nothing may begin any more.
    """

    def __init__(
        self,
        table: WriteBacks,
        gate: VendorGate,
        clock: Clock,
        log: Log,
        route: str,
        source: str,
        known: dict[tuple[str, str], WriteBack],
    ) -> None:
        self._table = table
        self._gate = gate
        self._clock = clock
        self._log = log
        self._route = route
        self._source = source
        self._known = known
        self._said = any(map(self._is_trouble, known.values()))
        self._was_trouble = self._said
        self._worked = False
        self._unknown = 0
        self._waits = 0
        self._shut = False

    @property
    def stopped(self) -> bool:
        """Whether nothing more is to be written in this pass."""
        return self._shut or self._gate.stopped is not None

    async def write(self, row: WriteBack, call: Callable[[], Awaitable[bool]], *, clears: bool = False) -> WriteBack:
        """The row after the one `call`, which says whether the source has a place for it. `row` is committed before.
        `clears`: it only takes away what an attempt in doubt may have left, and what was written before may stand."""
        await self.keep(row)
        after = await self._outcome(row, call)
        if clears and after.state is WriteState.DONE:
            after = replace(after, written=row.written, written_at=row.written_at, former=row.former)
        await self.keep(after)
        return after

    def finish(self) -> None:
        """Say so when a trouble of the source is over."""
        if self._was_trouble and self._worked and not any(map(self._is_trouble, self._known.values())):
            self._log("writeback.recovered", route=self._route, source=self._source)

    async def keep(self, row: WriteBack) -> None:
        """Record the row as it is."""
        await self._table.save(row)
        self._known[str(row.key), row.thing] = row

    def _is_trouble(self, row: WriteBack) -> bool:
        ahead = row.thing != LINK or row.ends_at > self._clock.now()
        return ahead and row.state is WriteState.WAITING and row.problem != ""

    async def _outcome(self, row: WriteBack, call: Callable[[], Awaitable[bool]]) -> WriteBack:
        try:
            taken = await self._call(call)
        except Halted:
            # Nothing was sent: it is as it was, but for an earlier doubt.
            return replace(row, state=WriteState.WAITING, attempts=row.attempts - 1, problem="")
        except Refused as error:
            return self._refused(row, error)
        except UnknownOutcome as error:
            self._unknown += 1
            self._shut = self._shut or error.silent or self._unknown >= MOST_UNKNOWN
            if row.thing != LINK and row.attempts >= MOST_DOUBTS:
                return self._given_up(row, f"{error}; tried {row.attempts} times")
            return self._later(replace(row, doubted=True), error)
        except OutsideError as error:
            self._shut = True
            return self._later(row, error, error.retry_after if isinstance(error, RateLimited) else None)
        except (SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between meetings: a defect of ours in one stops no other
            # Its words may hold an address or a text of the meeting.
            return self._given_up(row, f"a defect of convener ({type(error).__name__})")
        self._worked, self._unknown = True, 0
        return self._done(row) if taken else self._skipped(row)

    async def _call(self, call: Callable[[], Awaitable[bool]]) -> bool:
        """What the call says. Short waits that the source asks for are waited out, as a vendor's are."""
        while True:
            try:
                with self._gate.passing():
                    return await call()
            except RateLimited as error:
                self._waits += 1
                if error.retry_after > self._gate.patience or self._waits > SHORT_WAITS:
                    raise
                await self._clock.sleep(error.retry_after)

    def _done(self, row: WriteBack) -> WriteBack:
        done = with_earlier(row, row.written) if row.thing == LINK else row
        return replace(_settled(done, WriteState.DONE), written=row.wanted, written_at=self._clock.now())

    def _skipped(self, row: WriteBack) -> WriteBack:
        if row.problem != NO_PLACE:
            self._log("writeback.skipped", route=self._route, source=self._source, key=str(row.key), what=_what(row))
        return replace(_settled(row, WriteState.SKIPPED), problem=NO_PLACE)

    def _refused(self, row: WriteBack, error: Refused) -> WriteBack:
        """It certainly was not done; nor did an earlier, doubtful attempt write a link: it would be there already."""
        if row.thing == LINK and row.doubted:
            row = replace(row, doubted=False)
        gone = isinstance(error, Gone) and row.thing != LINK
        if row.attempts >= MOST_ATTEMPTS or gone:
            return self._given_up(row, str(error) if gone else f"{error}; tried {row.attempts} times", said=not gone)
        if row.attempts == 1:
            self._say_refused(row, str(error))
        wait = _wait(row.attempts)
        return replace(row, state=WriteState.REFUSED, retry_at=self._clock.now() + wait, problem=str(error))

    def _given_up(self, row: WriteBack, why: str, *, said: bool = False) -> WriteBack:
        if not said:
            self._say_refused(row, why)
        return replace(row, state=WriteState.REFUSED, retry_at=None, problem=why)

    def _later(self, row: WriteBack, error: OutsideError, after: float | None = None) -> WriteBack:
        if not self._said and self._gate.stopped is None:
            self._log("writeback.failed", route=self._route, source=self._source, reason=str(error))
            self._said = True
        wait = _wait(row.attempts) if after is None else timedelta(seconds=max(after, 1.0))
        at: datetime = self._clock.now() + wait
        return replace(row, state=WriteState.WAITING, retry_at=at, problem=str(error) or type(error).__name__)

    def _say_refused(self, row: WriteBack, why: str) -> None:
        self._log(
            "writeback.refused", route=self._route, source=self._source, key=str(row.key), what=_what(row), reason=why
        )


def _settled(row: WriteBack, state: WriteState) -> WriteBack:
    return replace(row, state=state, attempts=0, doubted=False, retry_at=None, problem="")


def _what(row: WriteBack) -> str:
    return "link" if row.thing == LINK else row.name


def _wait(attempts: int) -> timedelta:
    doubled = 1 << max(0, min(attempts - 1, 10))
    return min(FIRST_BACKOFF * doubled, LONGEST_BACKOFF)
