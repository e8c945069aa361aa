"""What a CRM does not say by itself: who takes part now, and what is not there any more."""

from collections.abc import Iterable
from dataclasses import replace

from connectors.sources.crm.api import Crm
from connectors.sources.crm.read import Read, batches, keys_of
from sync.model import Meeting, Participant

GONE_AFTER = 2
"""How many looks in a row have to miss something before it is gone."""


async def look(crm: Crm, read: Read) -> None:
    """Ask for what is not told. What goes wrong comes into `read.trouble`, and nothing more is asked then."""
    state, relevant = read.state, read.relevant()
    entered = sorted(state.unpeopled & relevant.keys() - read.told)
    await _people(crm, read, relevant)
    # What enters the window may have been deleted while nobody looked.
    await _existence(crm, read, _known_ids(read, relevant) if read.sweeps else entered)


async def _people(crm: Crm, read: Read, relevant: dict[str, Meeting]) -> None:
    """Who takes part: changes of that are not changes of the record."""
    state = read.state
    ids = list(relevant) if read.sweeps else sorted((read.told | state.unpeopled) & relevant.keys())
    state.unpeopled |= read.told - relevant.keys()
    for some in batches(ids, crm.batch):
        found = None if read.trouble else await read.attempt(crm.people(some), None)
        for id_ in some:
            before = state.known.get(id_)
            known = before.meeting if before is not None and id_ not in state.unpeopled else None
            people: tuple[Participant, ...] | None = known.participants if known is not None else None
            if found is not None:
                people = _believed(read, id_, found.get(id_, relevant[id_].participants), known)
            if people is None:
                read.fresh.pop(id_, None)  # it waits until it is known who takes part
            else:
                record = read.fresh.get(id_) or state.known[id_]
                read.fresh[id_] = replace(record, meeting=replace(relevant[id_], participants=people))
        if found is not None:
            state.unpeopled.difference_update(some)


def _believed(read: Read, id_: str, people: tuple[Participant, ...], known: Meeting | None) -> tuple[Participant, ...]:
    """The participants as they were read. That all of them left is believed when two looks in a row say so: lost
    permission looks the same."""
    emptied = read.state.emptied
    if known is None or not _guests(known, known.participants) or _guests(known, people):
        emptied.pop(id_, None)
        return people
    emptied[id_] = emptied.get(id_, 0) + (read.counts or id_ not in emptied)
    return people if emptied[id_] >= GONE_AFTER else known.participants


def _guests(meeting: Meeting, people: Iterable[Participant]) -> bool:
    """Whether there is anybody but the organizer."""
    return any(person.email != meeting.organizer for person in people)


def _known_ids(read: Read, relevant: Iterable[str]) -> list[str]:
    """What has to be there: the meetings that matter, what cannot be read or seen, and what has a session alone."""
    everything = read.everything
    unclear = [id_ for id_, one in everything.items() if one.meeting is None]
    named = keys_of(everything.values())
    return list(dict.fromkeys([*relevant, *unclear, *(key.uid for key in read.known if key not in named)]))


async def _existence(crm: Crm, read: Read, ids: list[str]) -> None:
    """Deleted records are in no list: they are asked for."""
    there: set[str] = set()
    for some in batches(ids, crm.batch):
        if not read.trouble:
            there |= set(await read.attempt(crm.existing(some), ()))
    if read.trouble:
        return
    state, gone = read.state, _left_by_their_series(read)
    missing = {
        id_: GONE_AFTER if id_ in gone else max(state.misses.get(id_, 0) + read.counts, 1)
        for id_ in ids
        if id_ not in there
    }
    asked = set(ids)  # another route of this source may ask for others
    others = {
        id_: n for id_, n in state.misses.items() if id_ not in asked and (id_ in state.known or not read.is_full)
    }
    state.misses = others | missing


def _left_by_their_series(read: Read) -> set[str]:
    """The occurrences that a series lacks which was read anew: when new ones of it came, the others are gone in the
    same moment, so that their sessions can go over to the new ones."""
    moved = {
        one.meeting.key.uid
        for id_ in read.told - read.before
        if (one := read.fresh.get(id_)) and one.meeting is not None and one.meeting.key.recurrence_id is not None
    }
    return {
        id_
        for id_, one in read.state.known.items()
        if id_ not in read.told and one.meeting is not None and one.meeting.key.uid in moved
    }
