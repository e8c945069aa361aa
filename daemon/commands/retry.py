"""retry: what waits for a person is tried again: meetings, their documents and mails, and looks for what they left."""

from collections.abc import Collection
from dataclasses import replace

import click

from daemon.commands.mend import known_links, say
from daemon.console import Context, command
from daemon.wiring import Installation, installation
from sync.effects import released
from sync.ledger.records import Link, LinkState, PulledState, PushedState
from sync.report import Exit


@click.command()
@click.argument("key", required=False)
@command
async def retry(context: Context, key: str | None) -> Exit:
    """Release meetings from back-off, quarantine and doubt (one, or all); the next pass tries them.

    KEY may also be that of one occurrence in a standing room.
    """
    async with installation(context.settings(), log_format=context.log_format) as inside, inside.writing():
        keys = await _keys(inside, key) if key else None
        found = [link for link in await inside.ledger.links() if keys is None or str(link.key) in keys]
        waiting = [link for link in found if _waits(link)]
        for link in waiting:
            await inside.ledger.save_link(released(link), inside.clock.now())
        await _release_documents(inside, keys)
        await _look_again(inside, keys)
        for one in keys or (None,):
            await inside.ledger.mails.release(key=one)
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


async def _release_documents(inside: Installation, keys: Collection[str] | None) -> None:
    """Documents that could not be handed over, or of which nobody can tell, are handed over as if they were new."""
    for route in inside.settings.routes:
        for row in await inside.ledger.artifacts.pushed(route):
            if row.problem and (keys is None or row.key in keys):
                state = PushedState.PUSHED if row.state is PushedState.PUSHED else PushedState.REFUSED
                await inside.ledger.artifacts.save_pushed(replace(row, state=state, attempts=0, problem=""))


async def _look_again(inside: Installation, keys: Collection[str] | None) -> None:
    """What ended meetings left is looked for once more: those named, or wherever something was given up."""
    table, now = inside.ledger.occurrences, inside.clock.now()
    for route in inside.settings.routes:
        pulled = await inside.ledger.artifacts.pulled(route)
        given_up = {r.key for r in pulled if r.state is PulledState.GIVEN_UP or (r.problem and r.more)}
        wanted = [*given_up, *(str(one.key) for one in await table.troubled(route))] if keys is None else keys
        for one in await table.named(route, wanted):
            if one.session and one.end <= now:
                await table.save_looks(replace(one, look_at=now, failures=0, problem=""))


def _waits(link: Link) -> bool:
    refused = any(person.personal_link == "" for person in link.invitees)
    return bool(link.problem) or refused or link.in_doubt or link.state is LinkState.QUARANTINED
