"""One standing room for a whole series (`series = "room"`, at vendors that have rooms). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sync.model import Meeting, MeetingKey, Participant
from sync.route import Route, Selection, select


def in_rooms(route: Route, meetings: Iterable[Meeting], linked: frozenset[MeetingKey], now: datetime) -> Selection:
    """The route's selection with each series as one meeting; `linked` are the keys with a session."""
    everything = tuple(meetings)
    occupied = {meeting.key for meeting in everything if _room_key(meeting.key) in linked}
    selection = select(route, everything, linked | occupied)
    taken = one_room_a_series(selection.taken, now)
    left = {_room_key(key): why for key, why in selection.left.items() if _room_key(key) not in taken}
    return Selection(taken, left)


def one_room_a_series(taken: Mapping[MeetingKey, Meeting], now: datetime) -> dict[MeetingKey, Meeting]:
    """The meetings with the occurrences of each series as one, under the series' own key (no RECURRENCE-ID).

    It looks like the occurrence that is next: its title, its start. It ends with the last known occurrence and has
    everybody's participants. It is cancelled when all of its occurrences are.
    """
    series: dict[MeetingKey, list[Meeting]] = {}
    for key, meeting in taken.items():
        series.setdefault(_room_key(key), []).append(meeting)
    return {key: one[0] if len(one) == 1 and one[0].key == key else _room(key, one, now) for key, one in series.items()}


def _room_key(key: MeetingKey) -> MeetingKey:
    return replace(key, recurrence_id=None)


def _room(key: MeetingKey, occurrences: list[Meeting], now: datetime) -> Meeting:
    held = sorted((m for m in occurrences if not m.cancelled), key=lambda m: m.start)
    if not held:
        return replace(min(occurrences, key=lambda m: m.start), key=key)
    coming = [m for m in held if m.end > now]
    looks = coming[0] if coming else held[-1]
    people: dict[str, Participant] = {}
    for meeting in coming or held[-1:]:
        for person in meeting.participants:
            known = people.get(person.email)
            if known is None or (known.declined and not person.declined):
                people[person.email] = person  # who declined one occurrence still comes to the others
    links = tuple(dict.fromkeys(link for meeting in held for link in meeting.conference_links))
    return replace(
        looks,
        key=key,
        end=max(m.end for m in held),
        participants=tuple(people.values()),
        conference_links=links,
        findings=tuple(dict.fromkeys(finding for meeting in coming for finding in meeting.findings)),
    )
