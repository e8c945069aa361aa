"""open: the way into one meeting, for a person who asks for it."""

from typing import Any

import click

from daemon.capabilities import span
from daemon.commands.mend import known_links
from daemon.console import Context, command
from daemon.wiring import Installation, installation
from sync.errors import ConfigurationError, OutsideError, UnknownOutcome
from sync.ledger.records import HOST, Link
from sync.ledger.store import Ledger
from sync.model import Role
from sync.ports import Unfindable
from sync.report import Exit


@click.command("open")
@click.argument("key")
@click.option("--host", is_flag=True, help="A moderator's own way in; made now, kept nowhere.")
@click.option("--as", "email", metavar="EMAIL", help="This participant's personal link.")
@click.option("--route", metavar="NAME", help="The route, when several have this meeting.")
@command
async def open_link(context: Context, key: str, host: bool, email: str | None, route: str | None) -> Exit:
    """Print the link into meeting KEY: the join link, a host's with --host, a participant's with --as EMAIL.

    Host and personal links let their holder in under that name: they are secrets.
    """
    if host and email:
        raise click.UsageError("--host and --as exclude each other")
    async with installation(context.settings(), log_format=context.log_format) as inside:
        link = _the_one(await known_links(inside, key), key, route)
        if host:
            async with inside.writing(link.route) as held:
                kind, url = await _host_link(inside, link, held.ledger)
        elif email:
            kind, url = "personal", await _personal_link(inside, link, email.lower())
        else:
            kind, url = "join", link.join_url or _nothing(link, "has no join link")
    document: dict[str, Any] = {"key": key, "route": link.route, "vendor": link.vendor, "kind": kind, "url": url}
    if context.as_json:
        context.document(document)
    else:
        click.echo(url)
    return Exit.DONE


def _the_one(found: list[Link], key: str, route: str | None) -> Link:
    live = [link for link in found if link.has_session and route in (None, link.route)]
    if not live:
        raise ConfigurationError(f"{key} has no session" + (f" on route {route}" if route else ""))
    if len(live) > 1:
        raise ConfigurationError(f"several routes have {key}: give --route ({', '.join(x.route for x in live)})")
    return live[0]


async def _host_link(inside: Installation, link: Link, ledger: Ledger) -> tuple[str, str]:
    """A link made for this occasion, or a moderator's personal one where the vendor makes none; and which it is."""
    connector = inside.connector(link.vendor)
    if not connector.capabilities.host_links:
        hosts = [person.email for person in link.invitees if person.role is Role.MODERATOR]
        if not hosts:
            raise ConfigurationError(f"{connector.capabilities.name} makes no host links, and the meeting has no host")
        return "personal", await _personal_link(inside, link, hosts[0])
    intent = await ledger.open_intent(link, HOST, inside.clock.now(), recorded=True)
    try:
        url = await connector.host_link(str(link.session))
    except OutsideError as error:
        outcome = "unknown" if isinstance(error, UnknownOutcome) else "no effect"
        await ledger.settle(intent, outcome, inside.clock.now())
        raise
    await ledger.settle(intent, "done", inside.clock.now())
    return "host", url


async def _personal_link(inside: Installation, link: Link, email: str) -> str:
    """From the ledger, or from the vendor where it tells them with its list of participants."""
    person = next((one for one in link.invitees if one.email == email), None)
    if person is None:
        raise ConfigurationError(f"{email} is no participant of {link.key} at {link.vendor}")
    if person.personal_link:
        return person.personal_link
    listed = await inside.connector(link.vendor).invitees(str(link.session))
    if not isinstance(listed, Unfindable):
        for invitee in listed:
            if invitee.email.lower() == email and invitee.personal_link:
                return invitee.personal_link
    life = inside.connector(link.vendor).capabilities.limits.link_life
    later = f" yet: they live {span(life)} at most, and are made when the start is nearer than that" if life else ""
    return _nothing(link, f"has no personal link for {email}{later}")


def _nothing(link: Link, why: str) -> str:
    raise ConfigurationError(f"{link.key} {why}")
