"""What is served at /metrics: all of the list and nothing else, true after a restart, bounded whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text

from daemon import metrics
from daemon.database import open_engine, open_ledger, upgrade
from daemon.live import Standing
from daemon.metricbook import LABELS, MEASURES, PROCESS
from daemon.metrics import Metrics
from daemon.settings import Settings, load
from daemon.views import BESIDE, status_document
from daemon.wiring import installation
from sync.change import Action, Change, LinkEffect, Result
from sync.ledger import counts
from sync.ledger.drift import Drift, DriftCheck, Outcome
from sync.ledger.records import (
    DOUBT,
    WATCH,
    LinkState,
    Mail,
    MailState,
    Occurrence,
    Pulled,
    PulledState,
    Pushed,
    PushedState,
    SourceState,
    VendorState,
)
from sync.ledger.store import Ledger
from sync.ledger.write_backs import LINK, WriteBack, WriteState
from sync.model import MeetingKey, Role
from sync.report import RouteReport
from sync.snapshot import Snapshot, Trouble
from tests.clock import ManualClock
from tests.unit.builders import HOUR, NOW, ROUTE, SOON, key, link_of, meeting
from tests.unit.postgresql import Server

CONFIGURATION = """\
[sources.feed]
type = "ical"
url = "feed.ics"
poll = "5m"
[vendors.main]
type = "onstream"
url = "https://vendor.example"
username = "acme"
password = "secret"
[routes.sales]
source = "feed"
vendor = "main"
[routes.press]
source = "feed"
vendor = "main"
"""
HOSTILE = 'a"b\\c\nd\u2028{x="y"} 😀'

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class FakeLive:
    """The running service, as far as metrics look at it."""

    ledger: Ledger
    settings: Settings
    started_at: datetime = NOW
    clock: ManualClock = field(default_factory=ManualClock)
    standings: dict[str, Standing] = field(default_factory=dict)
    is_alive: bool = True

    @property
    def inside(self) -> Any:
        return SimpleNamespace(settings=self.settings, ledger=self.ledger, clock=self.clock)

    def alive(self) -> bool:
        return self.is_alive

    def standing(self, route: str) -> Standing:
        return self.standings.get(route, Standing(NOW + HOUR, running=False))

    def look(self, routes: Iterable[str], why: str) -> None:
        raise AssertionError("metrics ask for nothing")


def configured(folder: Path, text: str = CONFIGURATION) -> Settings:
    path = folder / "convener.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind at the newest schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/convener.db"
    server: Server = request.getfixturevalue("postgresql_server")
    url = server.new_database()
    async with open_engine(url) as engine:
        await upgrade(engine)
    return url


@pytest.fixture
async def live(url: str, tmp_path: Path) -> AsyncIterator[FakeLive]:
    async with open_ledger(url) as ledger:
        yield FakeLive(ledger, configured(tmp_path))


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[FakeLive]:
    """On SQLite only, for what has nothing to do with the database."""
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as ledger:
        yield FakeLive(ledger, configured(tmp_path))


async def scraped(counted: Metrics, live: FakeLive) -> Samples:
    """What Prometheus would read: values by name and labels."""
    page = (await counted.page(live)).decode()
    families = text_string_to_metric_families(page)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def report_of(*changes: Change, route: str = "sales", **values: Any) -> RouteReport:
    snapshot = values.pop("snapshot", Snapshot("feed", ROUTE.window(NOW)))
    return RouteReport(route, "feed", "main", "apply", snapshot, changes, "digest", **values)


def change(action: Action = Action.CREATE, result: Result = Result.DONE, **values: Any) -> Change:
    return Change(key(), action, "why", LinkEffect.NEW, "Title", SOON, result, **values)


def busy() -> Metrics:
    """One that has counted something of everything."""
    counted = Metrics()
    counted.passed(report_of(change()), NOW, 2.5)
    counted.logged("guard.held", {"route": "sales", "held": 3, "reason": "all"})
    counted.logged("run.missed", {"route": "sales"})
    counted.logged("artifact.stored", {"route": "sales", "vendor": "main", "bytes": 1024})
    counted.answered("main", "GET", "200")
    return counted


class TestTheList:
    async def test_everything_that_is_served_is_in_the_list_with_its_type_and_labels(self, quick: FakeLive) -> None:
        await quick.ledger.save_source("feed", SourceState(None, NOW, NOW))
        await finish(quick.ledger, "sales", NOW, 0)
        await finish(quick.ledger, "press", NOW, 0)
        page = (await busy().page(quick)).decode()
        served = {}
        for family in text_string_to_metric_families(page):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            served[name] = (family.type, labels)
            assert family.samples, name
        known = {name: (m.kind, set(m.labels)) for name, m in (MEASURES | PROCESS).items()}
        assert served == known

    def test_names_and_units_are_as_prometheus_wants_them(self) -> None:
        for name, measure in MEASURES.items():
            assert name.startswith("convener_")
            assert name.endswith("_total") == (measure.kind == "counter")
            if measure.unit in ("seconds", "bytes"):
                assert name.removesuffix("_total").endswith(measure.unit)
            assert measure.meaning.endswith(".")

    def test_every_label_is_explained_and_used(self) -> None:
        assert {label for m in (MEASURES | PROCESS).values() for label in m.labels} == set(LABELS)
        for fixed in (*(a.value for a in Action), *(r.value for r in Result if r is not Result.PLANNED)):
            assert f"`{fixed}`" in LABELS["action"] + LABELS["result"]
        for fixed in (*get_args(Outcome), "received", "refused"):
            assert f"`{fixed}`" in LABELS["outcome"] + LABELS["verdict"]
        for fixed in (*counts.MEETINGS, *counts.BESIDE):
            assert f"`{fixed}`" in LABELS["state"] + LABELS["what"]

    def test_what_is_beside_has_the_names_that_status_shows(self) -> None:
        assert counts.BESIDE == BESIDE


class TestCounting:
    async def test_counters_begin_at_0_so_that_the_first_one_counts_as_growth(self, quick: FakeLive) -> None:
        samples = await scraped(Metrics(), quick)
        assert value(samples, "convener_log_lines_total", event="session.vanished", level="warning") == 0
        assert value(samples, "convener_runs_missed_total", route="press") == 0
        assert value(samples, "convener_guard_refusals_total", route="press") == 0
        for code in "01345":
            assert value(samples, "convener_runs_total", route="press", exit=code) == 0
        assert value(samples, "convener_changes_total", route="press", action="cancel", result="held") == 0
        assert value(samples, "convener_artifact_bytes_total", route="press", vendor="main") == 0

    async def test_a_pass_counts_with_its_end_its_length_and_its_steps(self, quick: FakeLive) -> None:
        counted = Metrics()
        steps = (
            change(),
            change(),
            change(Action.CANCEL, Result.HELD),
            change(Action.UPDATE, Result.FAILED),
            change(Action.INVITE, Result.IN_DOUBT),
            change(Action.UPDATE, unsupported=True),
            change(Action.REPLACE, Result.PLANNED),
        )
        counted.passed(report_of(*steps), NOW, 2.5)
        counted.passed(report_of(), NOW, 0.5)
        counted.passed(report_of(snapshot=Snapshot("feed", ROUTE.window(NOW), trouble=Trouble.UNREADABLE)), NOW, 1)
        samples = await scraped(counted, quick)
        ends = {code: value(samples, "convener_runs_total", route="sales", exit=code) for code in "01345"}
        assert ends == {"0": 1, "1": 0, "3": 1, "4": 0, "5": 1}
        assert value(samples, "convener_pass_duration_seconds_sum", route="sales") == 4
        assert value(samples, "convener_pass_duration_seconds_bucket", route="sales", le="1.0") == 2
        done = {
            (dict(labels)["action"], dict(labels)["result"]): number
            for (name, labels), number in samples.items()
            if name == "convener_changes_total" and number
        }
        assert done == {
            ("create", "done"): 2,
            ("cancel", "held"): 1,
            ("update", "failed"): 1,
            ("invite", "in_doubt"): 1,
        }

    async def test_log_lines_count_and_so_does_what_they_tell_of(self, quick: FakeLive) -> None:
        counted = Metrics()
        counted.logged("guard.held", {"route": "sales", "held": 3})
        counted.logged("guard.held", {"route": "sales", "held": 1})
        counted.logged("run.failed", {"route": "sales", "reason": "x"})
        counted.logged("run.missed", {"route": "press"})
        counted.logged("run.recovered", {"route": "press", "missed": 5})
        counted.logged("artifact.stored", {"route": "sales", "vendor": "main", "bytes": 5 * 1024**3})
        counted.logged("artifact.stored", {"route": "sales", "vendor": "main", "bytes": None})
        counted.logged("drift.found", {"route": "sales", "kind": "missing", "outcome": "reported"})
        counted.logged("drift.found", {"route": "sales", "kind": "join_link", "outcome": "repaired"})
        counted.logged("hook.refused", {"name": "main", "reason": "x", "times": 7})
        counted.logged("hook.received", {"name": "main"})
        samples = await scraped(counted, quick)
        assert value(samples, "convener_drift_found_total", route="sales", outcome="reported") == 1
        assert value(samples, "convener_drift_found_total", route="press", outcome="held") == 0
        assert value(samples, "convener_join_links_changed_total", route="sales") == 1
        assert value(samples, "convener_join_links_changed_total", route="press") == 0
        assert value(samples, "convener_hooks_total", verdict="refused") == 7
        assert value(samples, "convener_hooks_total", verdict="received") == 1
        assert value(samples, "convener_log_lines_total", event="guard.held", level="warning") == 2
        assert value(samples, "convener_guard_refusals_total", route="sales") == 2
        assert value(samples, "convener_runs_total", route="sales", exit="1") == 1
        assert value(samples, "convener_runs_missed_total", route="press") == 5
        assert value(samples, "convener_artifact_bytes_total", route="sales", vendor="main") == 5 * 1024**3

    @pytest.mark.parametrize(
        ("method", "status", "shown"),
        [
            ("GET", "200", ("GET", "200")),
            ("POST", "503", ("POST", "503")),
            ("DELETE", "timeout", ("DELETE", "timeout")),
            ("GET", "unreachable", ("GET", "unreachable")),
            ("GET", "broken", ("GET", "broken")),
            ("GET", "499", ("GET", "4xx")),
            ("GET", "999", ("GET", "other")),
            ("GET", "", ("GET", "other")),
            ("GET", "٤٠٤", ("GET", "other")),
            ("BREW", "418", ("other", "418")),
        ],
    )
    async def test_requests_count_by_a_fixed_set_of_methods_and_statuses(
        self, quick: FakeLive, method: str, status: str, shown: tuple[str, str]
    ) -> None:
        counted = Metrics()
        counted.answered("main", method, status)
        samples = await scraped(counted, quick)
        assert value(samples, "convener_vendor_requests_total", vendor="main", method=shown[0], status=shown[1]) == 1

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(["guard.held", "artifact.stored", "no.such"]), st.text(), st.text())))
    def test_nothing_that_comes_from_outside_makes_a_series(self, told: list[tuple[str, str, str]]) -> None:
        counted = Metrics()
        for name, one, other in told:
            counted.logged(name, {"route": "sales", "vendor": "main", "key": one, "reason": other, "path": other})
            counted.answered("main", one, other)
        known = {label for names in counted._named.values() for label in names}
        assert known <= {"sales", "main"}
        requests = counted._counters["convener_vendor_requests_total"].collect()
        assert len(next(iter(requests)).samples) <= len(metrics._METHODS | {""}) * (len(metrics._STATUSES) + 6)


async def finish(ledger: Ledger, route: str, at: datetime, code: int, **counted: int) -> int:
    """A run that took a minute."""
    number = await ledger.start_run(route, at)
    await ledger.finish_run(number, at + timedelta(minutes=1), code, counted, "")
    return number


class TestFromTheLedger:
    async def test_the_newest_runs_are_told_of_after_a_restart_and_whoever_made_them(
        self, live: FakeLive, url: str
    ) -> None:
        async with open_ledger(url) as of_another_process:
            await finish(of_another_process, "sales", NOW - 3 * HOUR, 0)
            await finish(of_another_process, "sales", NOW - 2 * HOUR, 3, held=4, deferred=2)
            await of_another_process.start_run("sales", NOW - HOUR)
        samples = await scraped(Metrics(), live)
        began, ended = (NOW - HOUR).timestamp(), (NOW - 3 * HOUR + timedelta(minutes=1)).timestamp()
        assert value(samples, "convener_route_last_attempt_timestamp_seconds", route="sales") == began
        assert value(samples, "convener_route_last_success_timestamp_seconds", route="sales") == ended
        assert value(samples, "convener_route_last_exit", route="sales") == 3
        assert value(samples, "convener_held", route="sales") == 4
        assert value(samples, "convener_deferred", route="sales") == 2
        assert value(samples, "convener_route_last_attempt_timestamp_seconds", route="press") == 0
        assert value(samples, "convener_route_last_success_timestamp_seconds", route="press") == 0
        assert value(samples, "convener_route_last_exit", route="press") is None

    async def test_what_came_after_a_pass_takes_its_success_away(self, live: FakeLive) -> None:
        counted = Metrics()
        number = await finish(live.ledger, "sales", NOW, 0)
        counted.passed(report_of(), NOW + timedelta(minutes=1), 60)
        await live.ledger.amend_run(number, 4)
        samples = await scraped(counted, live)
        assert value(samples, "convener_route_last_exit", route="sales") == 4
        assert value(samples, "convener_route_last_success_timestamp_seconds", route="sales") == 0

    async def test_numbers_are_those_of_status(self, live: FakeLive, tmp_path: Path) -> None:
        await fill(live.ledger)
        samples = await scraped(Metrics(), live)
        secure = live.settings
        async with installation(secure, locked=True) as inside:
            inside.ledger, inside.clock = live.ledger, live.clock
            document = await status_document(inside, ["sales"])
        (row,) = document["routes"]
        assert all(row["meetings"].values()), "every state has a meeting"
        assert all(row["beside"].values()), "everything beside is there"
        for state, number in row["meetings"].items():
            assert value(samples, "convener_links", route="sales", state=state) == number, state
        for what, number in row["beside"].items():
            assert value(samples, "convener_beside", route="sales", what=what) == number, what
        assert value(samples, "convener_open_intents", route="sales") == row["open_intents"] == 1
        assert value(samples, "convener_quarantined", route="sales") == row["meetings"]["quarantined"] == 1
        assert value(samples, "convener_in_doubt", route="sales") == row["meetings"]["in_doubt"] == 2
        assert value(samples, "convener_pending", route="sales") == 2
        assert value(samples, "convener_links", route="press", state="live") == 0
        assert value(samples, "convener_open_intents", route="press") == 0

    async def test_sources_and_vendors_are_as_they_were_last(self, live: FakeLive) -> None:
        read = SourceState(b"kept" * 1000, NOW, NOW - HOUR, "cut", frozenset({("a", "b"), (None, "c")}))
        await live.ledger.save_source("feed", read)
        await live.ledger.save_vendor("main", VendorState(NOW + HOUR, "asks to wait"))
        samples = await scraped(Metrics(), live)
        assert value(samples, "convener_snapshot_complete", source="feed") == 0
        assert value(samples, "convener_source_read_timestamp_seconds", source="feed") == NOW.timestamp()
        assert value(samples, "convener_source_complete_timestamp_seconds", source="feed") == (NOW - HOUR).timestamp()
        assert value(samples, "convener_source_rejected", source="feed") == 2
        assert value(samples, "convener_vendor_up", vendor="main") == 0
        assert value(samples, "convener_vendor_cooldown_seconds", vendor="main") == 3600
        await live.ledger.save_source("feed", replace(read, complete_at=NOW, problem=None, rejected=frozenset()))
        await live.ledger.save_vendor("main", VendorState(NOW - HOUR, None))
        samples = await scraped(Metrics(), live)
        assert value(samples, "convener_snapshot_complete", source="feed") == 1
        assert value(samples, "convener_source_rejected", source="feed") == 0
        assert value(samples, "convener_vendor_up", vendor="main") == 1
        assert value(samples, "convener_vendor_cooldown_seconds", vendor="main") == 0

    async def test_what_was_never_read_is_neither_whole_nor_cut(self, live: FakeLive) -> None:
        samples = await scraped(Metrics(), live)
        assert value(samples, "convener_snapshot_complete", source="feed") is None
        assert value(samples, "convener_source_complete_timestamp_seconds", source="feed") == 0
        assert value(samples, "convener_vendor_up", vendor="main") == 1

    async def test_what_a_drift_check_left_is_told_of_until_the_next_and_after_a_restart(self, live: FakeLive) -> None:
        async def shown(name: str, **labels: str) -> float | None:
            return value(await scraped(Metrics(), live), f"convener_drift_{name}", route="sales", **labels)

        gone = tuple(Drift("missing", str(key(name)), name, outcome="held") for name in "ab")
        other = (Drift("changed", str(key("c")), "c"), Drift("changed", "d", "d", pending=True))
        check = DriftCheck("sales", NOW, True, (*gone, *other), compared_at=NOW)
        await live.ledger.drift.save(check)
        left = {outcome: await shown("unresolved", outcome=outcome) for outcome in ("held", "reported", "returned")}
        assert left == {"held": 2, "reported": 1, "returned": 0}
        samples = await scraped(Metrics(), live)
        assert value(samples, "convener_drift_unresolved", route="press", outcome="held") == 0
        await live.ledger.drift.save(replace(check, checked_at=NOW + HOUR, found=(), compared_at=NOW + HOUR))
        assert await shown("unresolved", outcome="held") == 0

    async def test_only_a_check_that_compared_counts_as_one(self, live: FakeLive) -> None:
        async def shown() -> list[float | None]:
            samples = await scraped(Metrics(), live)
            names = ("check_timestamp_seconds", "unchecked_since_timestamp_seconds", "every_seconds")
            return [value(samples, f"convener_drift_{name}", route="sales") for name in names]

        assert await shown() == [0, None, 6 * 3600]
        await finish(live.ledger, "sales", NOW - 2 * HOUR, 0)
        await finish(live.ledger, "sales", NOW - HOUR, 0)
        failed = DriftCheck("sales", NOW, False, problem="unreachable")
        await live.ledger.drift.save(failed)
        assert await shown() == [0, (NOW - 2 * HOUR).timestamp(), 6 * 3600]
        await live.ledger.drift.save(DriftCheck("sales", NOW, True, compared_at=NOW))
        assert await shown() == [NOW.timestamp(), NOW.timestamp(), 6 * 3600]
        await live.ledger.drift.save(replace(failed, checked_at=NOW + HOUR, compared_at=NOW))
        assert await shown() == [NOW.timestamp(), NOW.timestamp(), 6 * 3600]

    async def test_where_a_vendor_shows_nothing_no_drift_check_is_missed(self, live: FakeLive, tmp_path: Path) -> None:
        await finish(live.ledger, "sales", NOW, 0)
        await live.ledger.drift.save(DriftCheck("sales", NOW, True, (Drift("missing", "a", "1", outcome="held"),)))
        blind = CONFIGURATION.replace('"onstream"', '"idiligo"\napi_key = "key"\ntraject = "advice"')
        live.settings = configured(tmp_path, blind)
        samples = await scraped(Metrics(), live)
        for name in ("unchecked_since_timestamp_seconds", "every_seconds"):
            assert value(samples, f"convener_drift_{name}", route="sales") is None
        assert value(samples, "convener_drift_unresolved", route="sales", outcome="held") == 0

    async def test_more_routes_and_meetings_take_no_more_queries(self, quick: FakeLive, tmp_path: Path) -> None:
        asked: list[str] = []
        event.listen(
            quick.ledger._db.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2])
        )
        await Metrics().page(quick)
        few = len(asked)
        for number in range(30):
            await finish(quick.ledger, f"r{number}", NOW, 0)
        many = "".join(f'[routes.r{n}]\nsource = "feed"\nvendor = "main"\n' for n in range(30))
        quick.settings = configured(tmp_path, CONFIGURATION + many)
        asked.clear()
        samples = await scraped(Metrics(), quick)
        assert value(samples, "convener_route_last_exit", route="r29") == 0
        assert len(asked) == few <= 15


class TestTheProcess:
    async def test_how_routes_stand_here_is_told(self, quick: FakeLive) -> None:
        quick.standings = {"sales": Standing(None, running=True), "press": Standing(None, running=False, owner="b")}
        samples = await scraped(Metrics(), quick)
        assert value(samples, "convener_lease_held", route="sales") == 1
        assert value(samples, "convener_route_running", route="sales") == 1
        assert value(samples, "convener_lease_held", route="press") == 0
        assert value(samples, "convener_route_next_run_timestamp_seconds", route="press") is None
        assert value(samples, "convener_route_poll_seconds", route="press") == 300
        assert value(samples, "convener_source_poll_seconds", source="feed") == 300
        assert value(samples, "convener_alive") == 1

    async def test_a_run_that_is_no_longer_due_is_not_told_of(self, quick: FakeLive) -> None:
        counted = Metrics()
        samples = await scraped(counted, quick)
        due = (NOW + HOUR).timestamp()
        assert value(samples, "convener_route_next_run_timestamp_seconds", route="sales") == due
        quick.standings = {"sales": Standing(None, running=True)}
        quick.is_alive = False
        samples = await scraped(counted, quick)
        assert value(samples, "convener_route_next_run_timestamp_seconds", route="sales") is None
        assert value(samples, "convener_alive") == 0

    async def test_what_is_taken_out_of_the_configuration_disappears(self, quick: FakeLive, tmp_path: Path) -> None:
        counted = busy()
        await finish(quick.ledger, "sales", NOW, 0)
        assert any("sales" in dict(labels).values() for _, labels in await scraped(counted, quick))
        quick.settings = configured(tmp_path, CONFIGURATION.replace("[routes.sales]", "[routes.other]"))
        for _ in range(2):
            samples = await scraped(counted, quick)
            assert not any("sales" in dict(labels).values() for _, labels in samples)
            assert value(samples, "convener_pending", route="other") == 0
            counted.passed(report_of(change()), NOW, 1)  # one that was under way
            counted.logged("run.missed", {"route": "sales"})

    async def test_names_of_any_kind_are_written_so_that_they_can_be_read(
        self, quick: FakeLive, tmp_path: Path
    ) -> None:
        name = HOSTILE.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        quick.settings = configured(tmp_path, CONFIGURATION.replace("[routes.sales]", f'[routes."{name}"]'))
        counted = Metrics()
        counted.passed(report_of(change(), route=HOSTILE), NOW, 1)
        samples = await scraped(counted, quick)
        assert value(samples, "convener_changes_total", route=HOSTILE, action="create", result="done") == 1
        assert value(samples, "convener_pending", route=HOSTILE) == 0

    async def test_without_a_configured_route_there_is_a_page_too(self, quick: FakeLive, tmp_path: Path) -> None:
        quick.settings = configured(tmp_path, CONFIGURATION.partition("[routes")[0])
        assert value(await scraped(Metrics(), quick), "convener_ledger_up") == 1

    async def test_those_who_ask_at_the_same_time_get_whole_answers(self, live: FakeLive) -> None:
        counted = busy()
        first, *others = await asyncio.gather(*(scraped(counted, live) for _ in range(5)))
        for other in others:
            assert other.keys() == first.keys()


class TestWithoutTheDatabase:
    async def test_a_database_that_cannot_be_used_leaves_what_was_known(self, live: FakeLive) -> None:
        counted = busy()
        await finish(live.ledger, "sales", NOW, 0)
        before = await scraped(counted, live)
        async with live.ledger._db.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE intents RENAME TO elsewhere"))
        after = await scraped(counted, live)
        assert (value(before, "convener_ledger_up"), value(after, "convener_ledger_up")) == (1, 0)
        process = {name for name, _ in before if name.startswith(("process_", "convener_ledger_up"))}
        assert {k: v for k, v in after.items() if k[0] not in process} == {
            k: v for k, v in before.items() if k[0] not in process
        }
        async with live.ledger._db.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO intents"))
        assert value(await scraped(counted, live), "convener_ledger_up") == 1

    @pytest.mark.postgresql
    async def test_a_database_that_does_not_answer_is_not_waited_for(
        self, postgresql_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metrics, "PATIENCE", 0.3)
        url = postgresql_server.new_database()
        async with open_engine(url) as engine:
            await upgrade(engine)
        async with open_ledger(url) as ledger, open_engine(url) as others:
            live = FakeLive(ledger, configured(tmp_path))
            async with others.begin() as connection:
                await connection.execute(text("LOCK TABLE links IN ACCESS EXCLUSIVE MODE"))
                samples = await asyncio.wait_for(scraped(busy(), live), 10)
                assert value(samples, "convener_ledger_up") == 0
                assert value(samples, "convener_runs_total", route="sales", exit="0") == 1
            monkeypatch.undo()  # an answer may take its time on a busy machine
            assert value(await scraped(busy(), live), "convener_ledger_up") == 1


async def fill(ledger: Ledger) -> None:
    """Route "sales" with a meeting in every state, and something beside of every kind; and what does not count."""
    past = NOW - timedelta(days=1)
    doubtful = link_of(meeting("doubtful"))
    stale = tuple(replace(person, stale=DOUBT) for person in doubtful.invitees)
    links = [
        link_of(meeting("live")),
        link_of(meeting("tried-again"), attempts=2, problem="no", retry_at=SOON),
        link_of(meeting("pending"), state=LinkState.PENDING, session=None),
        link_of(meeting("pending-past", past), state=LinkState.PENDING, session=None, attempts=1),
        link_of(meeting("over", past)),
        link_of(meeting("over-with-doubt", past), invitees=stale),
        link_of(meeting("off"), state=LinkState.CANCELLED),
        link_of(meeting("aside"), state=LinkState.QUARANTINED),
        link_of(meeting("unknown"), state=LinkState.IN_DOUBT),
        replace(doubtful, invitees=stale),
    ]
    await ledger.save_links(links, NOW)
    await ledger.open_intent(links[0], "update", NOW, recorded=True)
    await ledger.open_intent(links[0], WATCH, NOW, recorded=True)
    await ledger.settle(await ledger.open_intent(links[0], "update", NOW, recorded=True), "done", NOW)
    ahead, over = str(links[0].key), str(links[4].key)
    papers = [
        (ahead, PushedState.REFUSED, ""),
        (ahead, PushedState.PUSHED, "the new one is too large"),
        (ahead, PushedState.PUSHED, ""),
        (ahead, PushedState.IN_DOUBT, "lost"),
        (over, PushedState.REFUSED, "late"),
    ]
    for number, (of, paper_state, problem) in enumerate(papers):
        paper = Pushed("sales", of, "main", "s", str(number), "x.pdf", paper_state, NOW, problem=problem)
        await ledger.artifacts.save_pushed(paper)
    for number, pulled_state in enumerate(PulledState):
        film = Pulled("sales", over, "main", "s", "recording", str(number), "Film", f"f{number}", pulled_state, NOW)
        await ledger.artifacts.save_pulled(film)
    for number, problem in enumerate(("down", "", "also down")):
        one = MeetingKey("sales", f"o{number}")
        await ledger.occurrences.save(
            Occurrence("sales", one, str(one), "main", "s", "T", past, past + HOUR, problem=problem)
        )
    for number, mail_state in enumerate(MailState):
        for start in (SOON, past):
            who = f"{number}{start:%d}@example.com"
            await ledger.mails.save(
                Mail(
                    "sales", ahead, who, who, "Jon", Role.PARTICIPANT, "", "s", "T", start, start + HOUR, "REQUEST", 0,
                    "d", who, mail_state,
                )
            )  # fmt: skip
    for number, write_state in enumerate(WriteState):
        for end, thing, again in ((SOON, LINK, None), (past, LINK, None), (past, "film", None), (past, "film", SOON)):
            of = replace(links[0].key, uid=f"w{number}{end:%d}{thing}{again}")
            await ledger.write_backs.save(
                WriteBack("sales", of, thing, end, write_state, "x", retry_at=again, problem="no")
            )
