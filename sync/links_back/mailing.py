"""Invitations by mail, for vendors that do not mail: written ahead, sent one after the other, recorded.

A mail cannot be looked for afterwards. One whose outcome is unknown is sent once more under the same Message-ID, so
that it may come twice and still is one; then it is left at that.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sync.errors import LedgerError, OutsideError, Refused, UnknownOutcome
from sync.ledger.records import Link, Mail, MailState, Occurrence
from sync.ledger.store import Ledger
from sync.links_back.mail_plan import KEPT, LOST, Due, MailPlan, Situation, due_mails
from sync.model import Capabilities
from sync.outlets import Invitation, Mailer
from sync.ports import Clock, Log
from sync.route import Route

FIRST_BACKOFF = timedelta(minutes=5)
LONGEST_BACKOFF = timedelta(hours=6)
MOST_ATTEMPTS = 8
"""Attempts to send a mail that the server puts off again and again, before a person has to say that it shall be tried
once more. A server that is down is tried for as long as it takes."""


class Mailing:
    """Mails the participants of one route, for which somebody has found that convener mails and not the vendor."""

    def __init__(
        self,
        ledger: Ledger,
        mailer: Mailer,
        clock: Clock,
        log: Log,
        route: Route,
        capabilities: Capabilities,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._mailer = mailer
        self._clock = clock
        self._log = log
        self._route = route
        self._capabilities = capabilities
        self._stopping = stopping

    async def run(self, occurrences: Iterable[Occurrence], links: Mapping[str, Link], *, respect_backoff: bool) -> int:
        """Send what is due; how many mails were not taken, or nobody knows whether they were.

        `occurrences` are the route's that have not ended, `links` the route's by key as text. A failure of the mail
        server ends it: the rest waits for the next pass.
        """
        table, now = self._ledger.mails, self._clock.now()
        known = await table.of_route(self._route.name)
        plan = due_mails(await self._situation(occurrences, links, known, respect_backoff=respect_backoff), known)
        await self._tidy(plan, known, now)
        new_trouble = not any(mail.problem and mail.state in (MailState.WAITING, MailState.SENDING) for mail in known)
        stand = {(mail.uid, mail.email): mail for mail in (*known, *plan.settled, *(due.mail for due in plan.due))}
        for due in plan.due:
            if self._stopping():
                break
            await table.save(due.mail)
            after, failure = await self._send(due)
            await table.save(after)
            stand[(after.uid, after.email)] = after
            if failure is not None and new_trouble:
                self._log("mail.failed", route=self._route.name, reason=str(failure))
                new_trouble = False
            if failure is not None and not isinstance(failure, Refused):
                break
        for gone in plan.dropped:
            del stand[(gone.uid, gone.email)]
        return sum(mail.state is not MailState.SENT and mail.end > now for mail in stand.values())

    async def _situation(
        self, occurrences: Iterable[Occurrence], links: Mapping[str, Link], known: list[Mail], *, respect_backoff: bool
    ) -> Situation:
        """With those occurrences too that were not handed in: nobody is sent a cancellation for a meeting that just
        ended earlier than it was to."""
        by_key = {str(one.key): one for one in occurrences}
        absent = {mail.key for mail in known if mail.end > self._clock.now()} - by_key.keys()
        found = await self._ledger.occurrences.named(self._route.name, absent) if absent else []
        return Situation(
            installation=await self._ledger.installation(),
            route=self._route.name,
            occurrences=by_key | {str(one.key): one for one in found},
            links=links,
            capabilities=self._capabilities,
            now=self._clock.now(),
            respect_backoff=respect_backoff,
        )

    async def _tidy(self, plan: MailPlan, known: list[Mail], now: datetime) -> None:
        await self._ledger.mails.save(*plan.settled)
        await self._ledger.mails.drop(plan.dropped)
        if any(mail.end < now - KEPT for mail in known):
            await self._ledger.mails.drop_ended(self._route.name, now - KEPT)
        for mail in plan.settled:
            if mail.problem == LOST:
                self._log("mail.refused", route=mail.route, key=mail.key, reason=LOST)

    async def _send(self, due: Due) -> tuple[Mail, OutsideError | None]:
        """The record after sending, and what went wrong when it is to be tried again."""
        mail, now = due.mail, self._clock.now()
        try:
            await self._mailer.send(_invitation(due, now))
        except Refused as error:
            if 400 <= error.status < 500:  # not now (RFC 5321 section 4.2.1), which concerns this mail alone
                return self._later(mail, error, now), error
            return self._refused(mail, str(error)), None
        except UnknownOutcome as error:
            if mail.doubted:
                self._log("mail.refused", route=mail.route, key=mail.key, reason=LOST)
                return replace(mail, state=MailState.SENT, retry_at=None, problem=LOST), error
            return replace(mail, problem=str(error)), error
        except OutsideError as error:
            return self._later(mail, error, now), error
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001 - the fence between mails: a defect of ours in one stops no other
            # Its words may hold an address or a link.
            return self._refused(mail, f"a defect of convener ({type(error).__name__})"), None
        self._log("mail.sent", route=mail.route, key=mail.key, method=mail.method)
        return replace(mail, state=MailState.SENT, invited=True, retry_at=None, problem=""), None

    def _refused(self, mail: Mail, reason: str) -> Mail:
        self._log("mail.refused", route=mail.route, key=mail.key, reason=reason)
        return replace(mail, state=MailState.REFUSED, retry_at=None, problem=reason)

    def _later(self, mail: Mail, error: OutsideError, now: datetime) -> Mail:
        if isinstance(error, Refused) and mail.attempts >= MOST_ATTEMPTS:
            return self._refused(mail, f"{error}; tried {mail.attempts} times")
        wait = min(FIRST_BACKOFF * 2 ** min(mail.attempts - 1, 10), LONGEST_BACKOFF)
        return replace(mail, state=MailState.WAITING, retry_at=now + wait, problem=str(error))


def _invitation(due: Due, now: datetime) -> Invitation:
    mail = due.mail
    return Invitation(
        method=mail.method,
        uid=mail.uid,
        sequence=mail.sequence,
        message_id=mail.message_id,
        email=mail.email,
        name=mail.name,
        role=mail.role,
        title=mail.title,
        start=mail.start,
        end=mail.end,
        location=due.location,
        description=due.description,
        made_at=now,
        organizer=mail.organizer,
        link=due.link,
    )
