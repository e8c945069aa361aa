"""Between the ledger's rows and its data."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sync.ledger import tables as t
from sync.ledger.records import Intent, Link, LinkState, Registered
from sync.ledger.vault import Vault
from sync.model import MeetingKey, Role, parse_recurrence, recurrence_text


async def save_link(connection: AsyncConnection, link: Link, now: datetime, vault: Vault) -> None:
    """Insert or replace a link with its invitees, whose personal links go through the vault."""
    where = (t.links.c.route == link.route, t.links.c.key == str(link.key))
    values = {
        "state": link.state.value,
        "vendor": link.vendor,
        "marker": link.marker,
        "session": link.session,
        "title": link.title,
        "starts_at": link.start,
        "ends_at": link.end,
        "join_url": link.join_url,
        "applied": dict(link.applied),
        "attempts": link.attempts,
        "retry_at": link.retry_at,
        "problem": link.problem,
        "problem_digest": link.problem_digest,
        "stale": dict(link.stale),
        "echo": dict(link.echo),
        "lost": link.lost,
        "missing": link.missing,
        "updated_at": now,
    }
    number = (await connection.execute(select(t.links.c.id).where(*where))).scalar_one_or_none()
    if number is None:
        identity = {
            "route": link.route,
            "key": str(link.key),
            "source": link.key.source,
            "uid": link.key.uid,
            "recurrence_id": recurrence_text(link.key.recurrence_id),
            "created_at": now,
        }
        made = await connection.execute(insert(t.links).values(**identity, **values).returning(t.links.c.id))
        number = made.scalar_one()
        if not link.invitees:
            return
    else:
        await connection.execute(update(t.links).where(t.links.c.id == number).values(values))
    await _save_invitees(connection, number, link.invitees, vault)


async def _save_invitees(connection: AsyncConnection, link_id: int, people: Iterable[Registered], vault: Vault) -> None:
    query = select(t.invitees).where(t.invitees.c.link_id == link_id)
    known = {row.email: row for row in await connection.execute(query)}
    wanted = {person.email: person for person in people}
    gone = [row.id for email, row in known.items() if email not in wanted]
    if gone:
        await connection.execute(delete(t.invitees).where(t.invitees.c.id.in_(gone)))
    new = []
    for email, person in wanted.items():
        row = known.get(email)
        if row is None:
            new.append({"link_id": link_id, "email": email, **_values(person, vault)})
        elif registered(row, vault) != person:
            values = _values(person, vault)
            await connection.execute(update(t.invitees).where(t.invitees.c.id == row.id).values(values))
    if new:
        await connection.execute(insert(t.invitees), new)


def _values(person: Registered, vault: Vault) -> dict[str, Any]:
    return {
        "name": person.name,
        "role": person.role.value,
        "ref": person.ref,
        "stale": person.stale,
        "personal_link": vault.seal(person.personal_link) if person.personal_link else person.personal_link,
        "link_for": person.link_for,
        "link_expires_at": person.link_expires,
    }


def registered(row: Row[Any], vault: Vault) -> Registered:
    """A participant, their personal link in the clear. Raises LedgerError when no key opens it."""
    return Registered(
        row.email,
        row.name,
        Role(row.role),
        row.ref,
        row.stale,
        vault.open(row.personal_link) if row.personal_link else row.personal_link,
        row.link_for,
        row.link_expires_at,
    )


def link(row: Row[Any], people: tuple[Registered, ...]) -> Link:
    """A link with its people."""
    return Link(
        route=row.route,
        key=MeetingKey(row.source, row.uid, parse_recurrence(row.recurrence_id)),
        vendor=row.vendor,
        marker=row.marker,
        state=LinkState(row.state),
        session=row.session,
        title=row.title,
        start=row.starts_at,
        end=row.ends_at,
        join_url=row.join_url,
        applied=row.applied,
        invitees=people,
        attempts=row.attempts,
        retry_at=row.retry_at,
        problem=row.problem,
        problem_digest=row.problem_digest,
        stale=row.stale,
        echo=row.echo,
        lost=row.lost,
        missing=row.missing,
    )


def intent(row: Row[Any]) -> Intent:
    """An intent."""
    return Intent(
        row.id,
        row.route,
        row.key,
        row.vendor,
        row.action,
        row.participant,
        row.marker,
        row.session,
        row.payload,
        row.opened_at,
        row.looked_at,
    )
