"""The metrics of one process, in Prometheus' text format: what happened is counted here, how things stand is read from
the ledger when somebody asks, so that a restart loses nothing of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from importlib.metadata import version
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from daemon.capabilities import is_compared
from daemon.live import Live
from daemon.metricbook import MEASURES, Kind, Measure
from daemon.settings import Settings
from sync.change import Action, Result
from sync.ledger.counts import BESIDE, MEETINGS, LastDrift, LastRead, LastRuns
from sync.ledger.drift import LEFT, Outcome
from sync.ledger.records import VendorState
from sync.ledger.store import Ledger
from sync.logbook import LINES
from sync.report import Exit, RouteReport

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Of the page."""

PATIENCE = 5.0
"""Seconds that an answer waits for the database; Prometheus waits 10 by default."""

_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)  # seconds
_METHODS = frozenset(method.value for method in HTTPMethod) | {"PROPFIND", "REPORT"}
_STATUSES = frozenset(str(status.value) for status in HTTPStatus) | {"timeout", "unreachable", "broken", "error"}
_EXITS = (Exit.DONE, Exit.DEFECT, Exit.HELD, Exit.PARTIAL, Exit.UNREACHABLE)
_OUTCOMES: tuple[str, ...] = get_args(Outcome)
_OF_ROUTE = ("convener_runs_missed_total", "convener_guard_refusals_total", "convener_join_links_changed_total")
_HOOKS = {"hook.received": "received", "hook.refused": "refused"}
_RESULTS = tuple(result for result in Result if result is not Result.PLANNED)


@dataclass(frozen=True, slots=True)
class _Stand:
    """How things stand by the ledger."""

    meetings: Mapping[tuple[str, str], int]
    waiting: Mapping[str, int]
    open_intents: Mapping[str, int]
    beside: Mapping[tuple[str, str], int]
    runs: Mapping[str, LastRuns]
    reads: Mapping[str, LastRead]
    vendors: Mapping[str, VendorState]
    drift_checks: Mapping[str, LastDrift]


class Metrics:
    """All metrics of one process, in a CollectorRegistry of its own. No method fails because of the outside."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use
        self._registry = CollectorRegistry()
        self._counters = {n: Counter(n, m.meaning, m.labels, registry=self._registry) for n, m in _of("counter")}
        self._gauges = {n: Gauge(n, m.meaning, m.labels, registry=self._registry) for n, m in _of("gauge")}
        self._histograms = {
            n: Histogram(n, m.meaning, m.labels, buckets=_BUCKETS, registry=self._registry) for n, m in _of("histogram")
        }
        self._named: dict[str, set[str]] = {"route": set(), "source": set(), "vendor": set()}
        ProcessCollector(registry=self._registry)
        self._set("convener_build_info", 1, version=version("convener"))
        for event, line in LINES.items():
            self._count("convener_log_lines_total", 0, event=event, level=line.level)
        for verdict in _HOOKS.values():
            self._count("convener_hooks_total", 0, verdict=verdict)

    def logged(self, event: str, fields: Mapping[str, Any]) -> None:
        """Count a log line, and what it tells of."""
        if event not in LINES:
            return
        self._count("convener_log_lines_total", event=event, level=LINES[event].level)
        route = str(fields.get("route", ""))
        if event == "guard.held":
            self._count("convener_guard_refusals_total", route=route)
        elif event == "run.missed":
            self._count("convener_runs_missed_total", route=route)
        elif event == "run.recovered":
            self._count("convener_runs_missed_total", fields.get("missed", 1) - 1, route=route)
        elif event == "run.failed":
            self._count("convener_runs_total", route=route, exit=Exit.DEFECT)
        elif event == "drift.found" and fields.get("outcome") in _OUTCOMES:
            self._count("convener_drift_found_total", route=route, outcome=fields["outcome"])
            self._count("convener_join_links_changed_total", fields.get("kind") == "join_link", route=route)
        elif event in _HOOKS:
            self._count("convener_hooks_total", fields.get("times", 1), verdict=_HOOKS[event])
        elif event == "artifact.stored":
            vendor, size = str(fields.get("vendor", "")), fields.get("bytes") or 0
            self._count("convener_artifact_bytes_total", size, route=route, vendor=vendor)

    def passed(self, report: RouteReport, at: datetime, seconds: float) -> None:
        """Count a pass that ended `at` that instant and took so many `seconds`."""
        route, code = report.route, report.exit()
        self._count("convener_runs_total", route=route, exit=code)
        self._histograms["convener_pass_duration_seconds"].labels(route).observe(seconds)
        self._set("convener_route_last_attempt_timestamp_seconds", at.timestamp() - seconds, route=route)
        self._set("convener_route_last_exit", code, route=route)
        if code is Exit.DONE:
            self._set("convener_route_last_success_timestamp_seconds", at.timestamp(), route=route)
        for change in report.changes:
            if not change.unsupported and change.result in _RESULTS:
                self._count("convener_changes_total", route=route, action=change.action, result=change.result)

    def answered(self, vendor: str, method: str, status: str) -> None:
        """Count a request to the vendor: `status` is the HTTP status as text, or a word for what came instead."""
        known = method if method in _METHODS else "other"
        self._count("convener_vendor_requests_total", vendor=vendor, method=known, status=_folded(status))

    async def page(self, live: Live) -> bytes:
        """The text of all metrics (CONTENT_TYPE), for the routes, sources and vendors of the present configuration.

        When the database does not answer in time, `convener_ledger_up` says so, and what comes from it is as it was.
        """
        inside = live.inside
        settings, now = inside.settings, inside.clock.now()
        try:
            async with asyncio.timeout(PATIENCE):
                stand = await _stand(inside.ledger, settings, now)
        except (SQLAlchemyError, OSError, TimeoutError):
            stand = None
        # Nothing is awaited from here on: two who ask at the same time do not mix their answers.
        self._follow(settings)
        self._show_process(live, settings)
        self._set("convener_ledger_up", stand is not None)
        if stand is not None:
            self._show_routes(stand, settings)
            self._show_outside(stand, settings, now)
        return generate_latest(self._registry)

    def _follow(self, settings: Settings) -> None:
        """Drop the series of what is not configured any more, and begin those of what is new."""
        present = {"route": set(settings.routes), "source": set(settings.sources), "vendor": set(settings.vendors)}
        for label, names in present.items():
            for gone in self._named[label] - names:
                for name, metric in (*self._counters.items(), *self._gauges.items(), *self._histograms.items()):
                    if label in MEASURES[name].labels:
                        metric.remove_by_labels({label: gone})
            self._named[label] &= names
        for route, table in settings.routes.items():
            # A counter whose first sample is 1 has not grown, for those who look at its growth.
            for code in _EXITS:
                self._count("convener_runs_total", 0, route=route, exit=code)
            for name in _OF_ROUTE:
                self._count(name, 0, route=route)
            self._count("convener_artifact_bytes_total", 0, route=route, vendor=table.vendor)
            for outcome in _OUTCOMES:
                self._count("convener_drift_found_total", 0, route=route, outcome=outcome)
            for action in Action:
                for result in _RESULTS:
                    self._count("convener_changes_total", 0, route=route, action=action, result=result)

    def _show_process(self, live: Live, settings: Settings) -> None:
        self._set("convener_alive", live.alive())
        for route, table in settings.routes.items():
            standing = live.standing(route)
            poll = settings.sources[table.source].poll.total_seconds()
            self._set("convener_route_poll_seconds", poll, route=route)
            self._set("convener_route_running", standing.running, route=route)
            mine = standing.running or standing.next_run is not None
            self._set("convener_lease_held", mine, route=route)
            at = standing.next_run.timestamp() if standing.next_run else None
            self._set("convener_route_next_run_timestamp_seconds", at, route=route)
        for source, read in settings.sources.items():
            self._set("convener_source_poll_seconds", read.poll.total_seconds(), source=source)

    def _show_routes(self, stand: _Stand, settings: Settings) -> None:
        for route in settings.routes:
            run = stand.runs.get(route, LastRuns())
            self._set("convener_route_last_attempt_timestamp_seconds", _instant(run.attempt), route=route)
            self._set("convener_route_last_success_timestamp_seconds", _instant(run.success), route=route)
            self._set("convener_route_last_exit", run.exit, route=route)
            self._set("convener_held", run.held, route=route)
            self._set("convener_deferred", run.deferred, route=route)
            self._show_drift(route, stand.drift_checks.get(route, LastDrift()), settings)
            for state in MEETINGS:
                self._set("convener_links", stand.meetings.get((route, state), 0), route=route, state=state)
            for name, state in (("convener_quarantined", "quarantined"), ("convener_in_doubt", "in_doubt")):
                self._set(name, stand.meetings.get((route, state), 0), route=route)
            self._set("convener_pending", stand.waiting.get(route, 0), route=route)
            self._set("convener_open_intents", stand.open_intents.get(route, 0), route=route)
            for what in BESIDE:
                self._set("convener_beside", stand.beside.get((route, what), 0), route=route, what=what)

    def _show_drift(self, route: str, last: LastDrift, settings: Settings) -> None:
        shows = is_compared(settings, route)
        self._set("convener_drift_check_timestamp_seconds", _instant(last.compared_at), route=route)
        since = last.compared_at or last.first_pass
        unchecked = since.timestamp() if since and shows else None
        self._set("convener_drift_unchecked_since_timestamp_seconds", unchecked, route=route)
        every = settings.daemon.drift_every.total_seconds() if shows else None
        self._set("convener_drift_every_seconds", every, route=route)
        for outcome in LEFT:
            number = sum(one.outcome == outcome for one in last.unresolved) if shows else 0
            self._set("convener_drift_unresolved", number, route=route, outcome=outcome)

    def _show_outside(self, stand: _Stand, settings: Settings, now: datetime) -> None:
        for source in settings.sources:
            read = stand.reads.get(source, LastRead())
            complete = read.read_at == read.complete_at if read.read_at else None
            self._set("convener_snapshot_complete", complete, source=source)
            self._set("convener_source_read_timestamp_seconds", _instant(read.read_at), source=source)
            self._set("convener_source_complete_timestamp_seconds", _instant(read.complete_at), source=source)
            self._set("convener_source_rejected", read.rejected, source=source)
        for vendor in settings.vendors:
            known = stand.vendors.get(vendor, VendorState())
            left = (known.cooldown_until - now).total_seconds() if known.cooldown_until else 0.0
            self._set("convener_vendor_up", known.problem is None, vendor=vendor)
            self._set("convener_vendor_cooldown_seconds", max(left, 0.0), vendor=vendor)

    def _count(self, name: str, number: float = 1, **labels: object) -> None:
        self._noted(labels)
        self._counters[name].labels(**labels).inc(number)

    def _set(self, name: str, value: float | None, **labels: object) -> None:
        """Give a gauge its value; None takes the series away."""
        self._noted(labels)
        gauge = self._gauges[name]
        if value is None:
            gauge.remove_by_labels({label: str(text) for label, text in labels.items()})
        else:
            (gauge.labels(**labels) if labels else gauge).set(value)

    def _noted(self, labels: Mapping[str, object]) -> None:
        """Remember the names out of the configuration that have series."""
        for label, names in self._named.items():
            if label in labels:
                names.add(str(labels[label]))


def _of(kind: Kind) -> list[tuple[str, Measure]]:
    return [(name, measure) for name, measure in MEASURES.items() if measure.kind == kind]


async def _stand(ledger: Ledger, settings: Settings, now: datetime) -> _Stand:
    counts = ledger.counts
    return _Stand(
        await counts.meetings(now),
        await counts.waiting(now),
        await counts.open_intents(),
        await counts.beside(now),
        await counts.last_runs(list(settings.routes)),
        await counts.last_reads(),
        await counts.vendors(),
        await counts.drift_checks(list(settings.routes)),
    )


def _instant(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _folded(status: str) -> str:
    """One of a fixed set, whatever a server answers."""
    if status in _STATUSES:
        return status
    if len(status) == 3 and status.isascii() and status.isdigit() and status[0] in "12345":
        return f"{status[0]}xx"
    return "other"
