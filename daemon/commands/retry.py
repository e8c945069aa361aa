"""retry: what waits for a person is tried again: meetings, their documents and mails, what their source gets back, and
looks for what they left."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

import click

from daemon.commands.mend import known_links, say
from daemon.console import Context, command
from daemon.wiring import Installation, installation
from sync.effects import released
from sync.ledger.records import Link, LinkState, PulledState, PushedState
from sync.ledger.store import Ledger
from sync.model import MeetingKey
from sync.report import Exit


@click.command()
@click.argument("key", required=False)
@command
async def retry(context: Context, key: str | None) -> Exit:
    """Release meetings from back-off, quarantine and doubt (one, or all); the next pass tries them.

    KEY may also be that of one occurrence in a standing room.
    """
    async with installation(context.settings(), log_format=context.log_format) as inside:
        keys = await _keys(inside, key) if key else None
        routes = await _routes(inside, keys)
        async with inside.writing(*routes) as held:
            found = [link for link in await held.ledger.links() if keys is None or str(link.key) in keys]
            waiting = [link for link in found if link.route in routes and _waits(link)]
            for link in waiting:
                await held.ledger.save_link(released(link), inside.clock.now())
            await _release_documents(held.ledger, routes, keys)
            await _look_again(held.ledger, routes, keys, inside.clock.now())
            for one in keys or (None,):
                for route in routes:
                    await held.ledger.mails.release(route, one)
                    await held.ledger.write_backs.release(route, one)
    say(context, {"released": [str(link.key) for link in waiting]}, f"{len(waiting)} released")
    return Exit.DONE


async def _keys(inside: Installation, key: str) -> frozenset[str]:
    """The key itself, and those of the occurrences in its room. Raises ConfigurationError for one that nobody knows."""
    table = inside.ledger.occurrences
    for route in inside.settings.routes:
        if await table.named(route, [key]):
            return frozenset({key, *(str(one.key) for one in await table.in_room(route, key))})
    await known_links(inside, key)
    return frozenset({key})


async def _routes(inside: Installation, keys: Collection[str] | None) -> frozenset[str]:
    """Those that may have something to release, also when the configuration does not have them any more."""
    known = {link.route: link.key.source for link in await inside.ledger.links()}
    known |= {name: route.source for name, route in inside.settings.routes.items()}
    sources = None if keys is None else {MeetingKey.parse(key).source for key in keys}
    return frozenset(name for name, source in known.items() if sources is None or source in sources)


async def _release_documents(ledger: Ledger, routes: Iterable[str], keys: Collection[str] | None) -> None:
    """Documents that could not be handed over, or of which nobody can tell, are handed over as if they were new."""
    for route in routes:
        for row in await ledger.artifacts.pushed(route):
            if row.problem and (keys is None or row.key in keys):
                state = PushedState.PUSHED if row.state is PushedState.PUSHED else PushedState.REFUSED
                await ledger.artifacts.save_pushed(replace(row, state=state, attempts=0, problem=""))


async def _look_again(ledger: Ledger, routes: Iterable[str], keys: Collection[str] | None, now: datetime) -> None:
    """What ended meetings left is looked for once more: those named, or wherever something was given up."""
    table = ledger.occurrences
    for route in routes:
        pulled = await ledger.artifacts.pulled(route)
        given_up = {r.key for r in pulled if r.state is PulledState.GIVEN_UP or (r.problem and r.more)}
        wanted = [*given_up, *(str(one.key) for one in await table.troubled(route))] if keys is None else keys
        for one in await table.named(route, wanted):
            if one.session and one.end <= now:
                await table.save_looks(replace(one, look_at=now, failures=0, problem=""))


def _waits(link: Link) -> bool:
    refused = any(person.personal_link == "" for person in link.invitees)
    return bool(link.problem) or refused or link.in_doubt or link.state is LinkState.QUARANTINED
