"""What on the status page waits for a person, and what goes on by itself: with the reason, and the command for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.web.words import NAME, REASON, TITLE, Shown, When, command, count, when
from sync.ledger.drift import Drift, DriftCheck
from sync.ledger.overview import Missed
from sync.ledger.records import DOUBT, Intent, Link, LinkState, Run
from sync.ledger.steps import Step

_TITLES_OF_HELD = 3
"""So many of what is held back are named; the others are counted."""

_MISSED = {
    "documents_refused": ("document not handed over", False),
    "documents_in_doubt": ("document in doubt", True),
    "artifacts_given_up": ("artifact given up", True),
    "looks_failed": ("look failed", False),
    "mails_waiting": ("mail waiting", False),
    "mails_refused": ("mail refused", True),
    "write_backs_waiting": ("not written back yet", False),
    "write_backs_refused": ("not written back", True),
}
"""In words, and whether it waits for a person: the others are tried again by themselves."""


_DRIFTS = {
    "missing": "gone at the vendor",
    "changed": "changed at the vendor",
    "join_link": "with another join link",
    "double": "made twice",
    "leftover": "removed, and still there",
    "orphan": "of ours that no meeting has",
}
_DRIFTS_LEFT = {
    "held": ("held back", "so many at once are not believed: an account that may not see its sessions looks the same"),
    "reported": ("reported", "the route only reports it, or nothing can be done about it"),
    "returned": ("returned", "it was put right and came back: it is left alone"),
}
"""Why a drift check left something to a person: in a word, and at length."""


@dataclass(frozen=True, slots=True)
class Card:
    """One thing that is not as it should be. `badge` says how it stands, `person` whether a person has to do something;
    `lines` name what is concerned, `commands` release it, with what each does."""

    person: bool
    badge: str
    title: str
    where: str
    reason: str
    start: When | None = None
    lines: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def held_back(route: str, last: Run | None, steps: Sequence[Step], shown: Shown) -> list[Card]:
    """What the guard held back in the route's last pass; `steps` are those that are known by name."""
    number = last.counts.get("held", 0) if last else 0
    if not number or last is None:
        return []
    titles = list(dict.fromkeys(shown(step.title, TITLE) or step.key for step in steps))
    lines = titles[:_TITLES_OF_HELD]
    if len(titles) > len(lines):
        lines.append(f"and {len(titles) - len(lines)} more")
    return [
        Card(
            True,
            "held back",
            f"{count(number, 'step')} on route {shown(route, NAME)}",
            "the rest of the plan was applied",
            shown(last.reason or "the guard took it for an accident", REASON),
            lines=tuple(lines),
            commands=_commands(
                (command("plan", route), "to see it"), (command("reconcile", route, "--force"), "to do it")
            ),
        )
    ]


def drifted(route: str, last: DriftCheck | None, now: datetime, shown: Shown) -> list[Card]:
    """What the route's last drift check left to a person: a card for each kind and outcome."""
    groups: dict[tuple[str, str], list[Drift]] = {}
    for one in last.unresolved if last else ():
        groups.setdefault((one.outcome, one.kind), []).append(one)
    checked = when(last.checked_at, now).relative if last else ""
    return [_drift_card(route, group, checked, shown) for group in groups.values()]


def _drift_card(route: str, group: Sequence[Drift], checked: str, shown: Shown) -> Card:
    badge, why = _DRIFTS_LEFT[group[0].outcome]
    titles = [shown(one.title, TITLE) or "(untitled)" for one in group]
    more = len(titles) - _TITLES_OF_HELD
    lines = (*titles[:_TITLES_OF_HELD], *([f"and {more} more"] if more > 0 else []))
    if group[0].outcome == "held":
        release = [(command("reconcile", route, "--drift", "--force"), "to have them made anew, with new join links")]
    else:
        keys = dict.fromkeys(one.key for one in group if one.key)
        release = [(command("explain", key), "to see it") for key in list(keys)[:_TITLES_OF_HELD]]
    again = (command("reconcile", route, "--drift"), "to look again")
    return Card(
        True,
        badge,
        f"{count(len(group), 'session')} {_DRIFTS[group[0].kind]}",
        f"route {shown(route, NAME)}",
        shown(f"{why}; as of the drift check {checked}", REASON),
        lines=lines,
        commands=_commands(*release, again),
    )


def of_link(link: Link, now: datetime, shown: Shown) -> Card:
    """A meeting in trouble."""
    key, release = str(link.key), "convener retry"
    retry = command("retry", key) or release
    if link.state is LinkState.QUARANTINED:
        person, badge, reason = True, "quarantined", "it failed too often"
        commands = _commands((retry, "when the cause is mended"))
    elif link.state is LinkState.IN_DOUBT:
        person, badge, reason = True, "in doubt", "nobody can tell whether the vendor made the session"
        adopt = command("adopt", key, "REF")
        commands = _commands((adopt, "if the vendor has it, by its id there"), (retry, "if it has not"))
    elif any(one.stale == DOUBT for one in link.invitees):
        who = ", ".join(one.name or one.email for one in link.invitees if one.stale == DOUBT)
        person, badge, reason = True, "in doubt", f"nobody can tell whether the vendor registered {who}"
        commands = _commands((retry, "to register them once more"))
    elif link.problem:
        person, badge, reason = False, "failed", ""
        commands = _commands((retry, "to have it tried at once"))
    else:
        person, badge, reason = True, "link refused", "the vendor refuses a participant's personal link"
        commands = _commands((retry, "when the cause is mended"))
    again = f"; tried again {when(link.retry_at, now).relative}" if link.retry_at and not person else ""
    return Card(
        person,
        badge,
        shown(link.title, TITLE) or "(untitled)",
        f"{shown(link.route, NAME)} → {shown(link.vendor, NAME)}",
        shown(f"{link.problem or reason}{again}", REASON),
        start=when(link.start, now),
        commands=commands,
    )


def of_missed(one: Missed, shown: Shown) -> Card:
    """A document, an artifact, a look, a mail or a write-back that did not get where it should."""
    badge, person = _MISSED[one.what]
    title = shown(one.title, TITLE) or "(untitled)"
    name = shown(one.name, NAME)
    retry = command("retry", one.key) or "convener retry"
    return Card(
        person,
        badge,
        f"{name} · {title}" if name and name != title else title,
        shown(one.route, NAME),
        shown(one.problem, REASON),
        commands=_commands((retry, "when the cause is mended" if person else "to have it tried at once")),
    )


def unsettled(route: str, intents: Sequence[Intent], shown: Shown) -> list[Card]:
    """Calls of a route with an unknown outcome."""
    if not intents:
        return []
    return [
        Card(
            False,
            "waiting",
            f"{count(len(intents), 'call')} with an unknown outcome",
            shown(route, NAME),
            "the next pass looks at the vendor first, before it does anything else",
        )
    ]


def _commands(*given: tuple[str | None, str]) -> tuple[tuple[str, str], ...]:
    return tuple((text, what) for text, what in given if text)


def urgent_first(cards: Iterable[Card]) -> list[Card]:
    """Those that wait for a person first, in their order."""
    return sorted(cards, key=lambda card: not card.person)
