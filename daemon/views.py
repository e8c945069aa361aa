"""What can be looked at without touching anything: the documents that `status`, `links` and `artifacts` print and that
the service serves under /api. From the ledger alone."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from daemon.capabilities import is_compared
from daemon.documents import links_document
from daemon.wiring import Installation
from sync.degrade import instant_text
from sync.ledger.drift import LEFT
from sync.ledger.records import Link, LinkState, Mail, MailState, Pulled, PulledState, Pushed, PushedState
from sync.ledger.write_backs import LINK, WriteBack

BESIDE = (
    "documents_refused",
    "documents_in_doubt",
    "artifacts_waiting",
    "artifacts_given_up",
    "looks_failed",
    "mails_waiting",
    "mails_refused",
    "write_backs_waiting",
    "write_backs_refused",
)
"""What may not have got where it should, beside the meetings themselves."""


async def status_document(inside: Installation, routes: Iterable[str]) -> dict[str, Any]:
    """What `status` prints. Raises ConfigurationError for an unknown route."""
    return {"routes": [await _status(inside, name) for name in inside.names(routes)]}


async def shown_links(inside: Installation, routes: Iterable[str], *, everything: bool) -> list[Link]:
    """The links that `links` lists, by start; `everything`: the cancelled ones too. Raises ConfigurationError for an
    unknown route."""
    found = [link for name in inside.names(routes) for link in await inside.ledger.links(name)]
    shown = [link for link in found if everything or link.state is not LinkState.CANCELLED]
    return sorted(shown, key=lambda link: (link.start, str(link.key), link.route))


async def links_view(inside: Installation, routes: Iterable[str], *, everything: bool) -> dict[str, Any]:
    """What `links` prints, never with personal links. Raises ConfigurationError for an unknown route."""
    return links_document(await shown_links(inside, routes, everything=everything), inside.clock.now())


async def artifacts_document(inside: Installation, routes: Iterable[str]) -> dict[str, Any]:
    """What `artifacts` prints. Raises ConfigurationError for an unknown route."""
    ledger, rows = inside.ledger, []
    for name in inside.names(routes):
        titles = {str(link.key): link.title for link in await ledger.links(name)}
        pulled = await ledger.artifacts.pulled(name)
        held = {str(o.key): o.title for o in await ledger.occurrences.named(name, {p.key for p in pulled})}
        rows += [_pushed_row(one, titles) for one in await ledger.artifacts.pushed(name)]
        rows += [_pulled_row(one, {**titles, **held}) for one in pulled]
    return {"artifacts": rows}


async def _status(inside: Installation, name: str) -> dict[str, Any]:
    route, now = inside.route(name), inside.clock.now()
    last = await inside.ledger.last_run(name)
    good = await inside.ledger.last_run(name, successful=True)
    source, vendor = await inside.ledger.source(route.source), await inside.ledger.vendor(route.vendor)
    known = await inside.ledger.links(name)
    states = Counter(link.shown_state(now) for link in known)
    upcoming = [link for link in known if link.has_session and link.end > now]
    beside = await _beside(inside, name, known)
    drift = await inside.ledger.drift.last(name) if is_compared(inside.settings, name) else None
    unresolved = drift.unresolved if drift else ()
    left = Counter(one.outcome for one in unresolved)
    return {
        "route": name,
        "source": route.source,
        "vendor": route.vendor,
        "last_run": instant_text(last.started_at) if last else None,
        "last_success": instant_text(good.started_at) if good else None,
        "last_exit": last.exit if last else None,
        "held": last.counts.get("held", 0) if last else 0,
        "held_reason": last.reason if last else None,
        "source_problem": source.problem,
        "vendor_problem": vendor.problem,
        "open_intents": len(await inside.ledger.undecided(name)),
        "meetings": {
            name: states[name] for name in ("pending", "live", "ended", "cancelled", "quarantined", "in_doubt")
        },
        "next_start": instant_text(upcoming[0].start) if upcoming else None,
        "beside": {what: len(keys) for what, keys in beside.items()},
        "beside_keys": sorted({key for keys in beside.values() for key in keys}),
        "drift": {outcome: left[outcome] for outcome in LEFT},
        "drift_keys": sorted({one.key for one in unresolved if one.key}),
    }


async def _beside(inside: Installation, route: str, links: list[Link]) -> dict[str, list[str]]:
    """The keys of what did not get where it should: documents, mails and links of meetings that have not ended, for
    nobody needs them any more afterwards, and what meetings left."""
    ledger, now = inside.ledger, inside.clock.now()
    ahead = {str(link.key) for link in links if link.end > now}
    found: dict[str, list[str]] = {name: [] for name in BESIDE}
    for document in await ledger.artifacts.pushed(route):
        if document.key in ahead and (trouble := _of_document(document)):
            found[trouble].append(document.key)
    for artifact in await ledger.artifacts.pulled(route):
        if trouble := _of_artifact(artifact):
            found[trouble].append(artifact.key)
    found["looks_failed"] += [str(one.key) for one in await ledger.occurrences.troubled(route)]
    for mail in await ledger.mails.of_route(route):
        if mail.end > now and (trouble := _of_mail(mail)):
            found[trouble].append(mail.key)
    for one in await ledger.write_backs.of_route(route):
        if (one.thing != LINK or one.ends_at > now) and (trouble := _of_write_back(one)):
            found[trouble].append(str(one.key))
    return found


def _of_document(one: Pushed) -> str | None:
    """A document whose new content could not be had counts as well, though the session has the old."""
    if one.state is PushedState.IN_DOUBT:
        return "documents_in_doubt"
    return "documents_refused" if one.state is PushedState.REFUSED or one.problem else None


def _of_artifact(one: Pulled) -> str | None:
    if one.state in (PulledState.LISTED, PulledState.STORING):
        return "artifacts_waiting"
    return "artifacts_given_up" if one.state is PulledState.GIVEN_UP else None


def _of_mail(one: Mail) -> str | None:
    if one.state in (MailState.WAITING, MailState.SENDING):
        return "mails_waiting"
    return "mails_refused" if one.state is MailState.REFUSED else None


def _of_write_back(one: WriteBack) -> str | None:
    """What the source has no place for lacks nowhere."""
    if one.is_over:
        return None
    return "write_backs_refused" if one.is_given_up else "write_backs_waiting"


def _pulled_row(one: Pulled, titles: dict[str, str]) -> dict[str, Any]:
    there = one.state is PulledState.STORED
    return {
        "direction": "pulled",
        "key": one.key,
        "route": one.route,
        "vendor": one.vendor,
        "session": one.session,
        "title": titles.get(one.key, ""),
        "kind": one.kind,
        "id": one.ref,
        "name": one.name,
        "state": one.state.value,
        "path": one.path if there else None,
        "media_type": one.media_type or None,
        "size": one.size,
        "sha256": one.sha256 or None,
        "created": instant_text(one.created) if one.created else None,
        "at": instant_text(one.stored_at) if one.stored_at else None,
        "note": one.problem or one.more or one.status or None,
    }


def _pushed_row(one: Pushed, titles: dict[str, str]) -> dict[str, Any]:
    return {
        "direction": "pushed",
        "key": one.key,
        "route": one.route,
        "vendor": one.vendor,
        "session": one.session,
        "title": titles.get(one.key, ""),
        "kind": "document",
        "id": one.ref or None,
        "name": one.name,
        "state": one.state.value,
        "path": None,
        "media_type": one.media_type or None,
        "size": one.size,
        "sha256": one.sha256 or None,
        "created": None,
        "at": instant_text(one.pushed_at) if one.pushed_at else None,
        "note": one.problem or None,
    }
