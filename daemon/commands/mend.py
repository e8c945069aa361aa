"""adopt, forget and db: what a person does by hand."""

from dataclasses import replace
from typing import Any

import click

from daemon.console import Context, command
from daemon.database import open_engine, open_ledger, revisions, upgrade
from daemon.sharing import Sharing
from daemon.telemetry import Telemetry
from daemon.wiring import Installation, installation, secrets_of
from sync.echo import shown_fields
from sync.effects import settled
from sync.errors import ConfigurationError
from sync.ledger.records import DOUBT, Link, LinkState, Registered
from sync.ledger.store import Ledger
from sync.model import Invitee, MeetingKey, Session
from sync.ports import Unfindable
from sync.report import Exit
from sync.search import registered_as


async def _seen(inside: Installation, vendor: str, ref: str, known: Link | None) -> Session | None:
    """The session at the vendor; one whose link we have is not asked of a vendor that would make it anew."""
    if known and known.session == ref and known.join_url and not inside.connector(vendor).capabilities.reads_back:
        return Session(ref, join_url=known.join_url)
    return await inside.connector(vendor).get(ref)


def _people(listed: tuple[Invitee, ...] | Unfindable, believed: tuple[Registered, ...]) -> tuple[Registered, ...]:
    """The people as the vendor lists them; where it does not, those that we know, of whom none is in doubt any more."""
    if isinstance(listed, Unfindable):
        return tuple(replace(p, stale="") if p.stale == DOUBT else p for p in believed)
    return registered_as(listed, believed)


async def _adopted(inside: Installation, ledger: Ledger, name: str, meeting: MeetingKey, ref: str) -> None:
    """Make the session that of the meeting on that route. Raises ConfigurationError when it cannot be."""
    vendor = inside.route(name).vendor
    known = {link.route: link for link in await ledger.links(key=str(meeting))}.get(name)
    session = await _seen(inside, vendor, ref, known)
    if session is None:
        raise ConfigurationError(f'{vendor} has no session "{ref}"')
    taken = [x for x in await ledger.links() if x.vendor == vendor and x.session == ref and x.has_session]
    if any(link.key != meeting or link.route != name for link in taken):
        raise ConfigurationError(f'session "{ref}" already belongs to {taken[0].key} on route {taken[0].route}')
    listed = await inside.connector(vendor).invitees(ref)
    now = inside.clock.now()
    if known is not None and known.has_session and known.session != ref:
        raise ConfigurationError(
            f"{meeting} has session {known.session} already; `convener forget '{meeting}'` lets go of it"
        )
    # It does not carry a marker of ours: "" says so, and keeps it from vouching for a search.
    base = known or Link(name, meeting, vendor, "", LinkState.LIVE, ref, "", now, now, None, {})
    link = replace(
        settled(base),
        state=LinkState.LIVE,
        session=ref,
        marker="" if base.session != ref else base.marker,
        title=session.title or base.title,
        start=session.start or base.start,
        end=session.end or base.end,
        join_url=session.join_url,
        applied={**(base.applied if base.session == ref else {}), **shown_fields(session)},
        invitees=_people(listed, base.invitees if base.session == ref else ()),
    )
    for intent in await ledger.open_intents(name):
        if intent.key == str(meeting):
            await ledger.settle(intent, "adopted by hand", now)
    await ledger.save_link(link, now)
    inside.log("session.adopted", route=name, vendor=vendor, key=str(meeting), session=ref)


@click.command()
@click.argument("key")
@click.argument("ref")
@click.option("--route", metavar="NAME", help="The route, when several read this source.")
@command
async def adopt(context: Context, key: str, ref: str, route: str | None) -> Exit:
    """Take over the vendor's session REF as the one of meeting KEY."""
    meeting = _parse(key)
    async with installation(context.settings(), log_format=context.log_format) as inside:
        name = _route(inside, meeting, route)
        async with inside.writing(name) as held:
            await _adopted(inside, held.ledger, name, meeting, ref)
    say(context, {"adopted": key, "session": ref, "route": name}, f"{key} now has session {ref}; see `convener plan`")
    return Exit.DONE


@click.command()
@click.argument("key")
@click.option("--route", metavar="NAME", help="Only on this route.")
@command
async def forget(context: Context, key: str, route: str | None) -> Exit:
    """Drop a meeting from the ledger; its session stays at the vendor, untouched from now on.

    While the calendar has the meeting, the next pass makes a new session for it.
    """
    async with installation(context.settings(), log_format=context.log_format) as inside:
        found = [link for link in await known_links(inside, key) if route in (None, link.route)]
        async with inside.writing(*(link.route for link in found)) as held:
            for link in found:
                await held.ledger.delete_link(link.route, link.key)
    say(
        context,
        {"forgotten": [{"key": str(x.key), "route": x.route, "session": x.session} for x in found]},
        "forgotten",
    )
    return Exit.DONE


@click.group()
def db() -> None:
    """The database: its schema, and encrypted links whose key is lost."""


@db.command("upgrade")
@command
async def db_upgrade(context: Context) -> Exit:
    """Bring the schema to this version's."""
    return await _schema(context, run=True)


@db.command("current")
@command
async def db_current(context: Context) -> Exit:
    """Show the schema's revision and the newest one."""
    return await _schema(context, run=False)


@db.command("forget-links")
@command
async def db_forget_links(context: Context) -> Exit:
    """Drop the encrypted personal links, for when their key is lost; it takes no key.

    The next pass makes them anew, or asks the vendor for them again. Those of ISL Groop come with the registration and
    cannot be asked for again: the participants' own links go on working, but convener does not know them any more.
    """
    settings = context.settings()
    log = Telemetry(form=context.log_format, secrets=secrets_of(settings))
    async with open_ledger(settings.database_url(), lease=settings.daemon.lease) as ledger:
        sharing = Sharing(settings.database_url(), ledger, log, settings.daemon.lease)
        try:
            async with sharing.all_at_work(settings.routes) as held:
                number = await held.ledger.forget_links()
        finally:
            await sharing.stop()
    say(context, {"forgotten_links": number}, f"{number} personal links forgotten")
    return Exit.DONE


async def _schema(context: Context, *, run: bool) -> Exit:
    settings = context.settings()
    async with open_engine(settings.database_url()) as engine:
        before, newest = await revisions(engine)
        if run and before != newest:
            await upgrade(engine)
        here = newest if run else before
    say(context, {"current": here, "newest": newest}, f"schema {here or '(empty)'}, newest {newest}")
    return Exit.DONE


async def known_links(inside: Installation, key: str) -> list[Link]:
    """The meeting's links on every route. Raises ConfigurationError when there is none."""
    _parse(key)
    found = await inside.ledger.links(key=key)
    if not found:
        raise ConfigurationError(f"no meeting {key} is known; `convener links --all` lists them")
    return found


def _route(inside: Installation, meeting: MeetingKey, given: str | None) -> str:
    names = [given] if given else [n for n, r in inside.settings.routes.items() if r.source == meeting.source]
    if len(names) > 1:
        raise ConfigurationError(f"several routes read {meeting.source}: give --route ({', '.join(names)})")
    if not names or names[0] not in inside.settings.routes:
        raise ConfigurationError(f'no route reads a source called "{meeting.source}"')
    return names[0]


def _parse(key: str) -> MeetingKey:
    try:
        return MeetingKey.parse(key)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def say(context: Context, document: dict[str, Any], text: str) -> None:
    """The command's JSON document, or its text for people."""
    if context.as_json:
        context.document(document)
    else:
        context.out.print(text, soft_wrap=True)
