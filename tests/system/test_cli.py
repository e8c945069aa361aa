"""The command line as an outside program relies on it: documents, exit codes, errors, files."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.simulators.faults import Fault
from tests.calendars import Entry, calendar, entries
from tests.system.process import convener, start
from tests.world import World, a_world

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)

CHANGE_KEYS = ["key", "action", "reason", "link", "result", "session", "participant", "fields", "findings"]
COUNT_KEYS = [
    "create", "update", "replace", "cancel", "invite", "uninvite", "noop", "held", "failed", "deferred", "quarantined",
]  # fmt: skip


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """A world in real time with six meetings published and nothing made yet."""
    with a_world(tmp_path) as world:
        world.entries = entries(6, first=SOON)
        world.publish()
        yield world


def test_plan_prints_the_documented_document(live: World) -> None:
    done = convener(live.folder, "plan", "--json")
    (route,) = done.document["routes"]
    assert done.code == 0
    assert done.document["exit"] == 0
    assert list(route) == ["route", "source", "vendor", "snapshot", "changes", "counts", "digest"]
    assert route["snapshot"] == {"complete": True, "reason": "", "meetings": 6, "rejected": []}
    assert [list(change) for change in route["changes"]] == [CHANGE_KEYS] * 6
    assert list(route["counts"]) == COUNT_KEYS
    assert route["counts"]["create"] == 6
    first = route["changes"][0]
    assert (first["key"], first["action"], first["link"], first["result"]) == (
        "sales:m0@example.com", "create", "new", "planned",
    )  # fmt: skip
    fields = {field["name"]: (field["from"], field["to"]) for field in first["fields"]}
    assert fields["title"] == (None, "Meeting 0")
    assert fields["start"] == (None, f"{SOON:%Y-%m-%dT%H:%M:%SZ}")
    assert fields["end"][0] is None
    assert live.sim.requests == []


def test_reconcile_then_links_then_a_quiet_second_pass(live: World) -> None:
    done = convener(live.folder, "reconcile", "--json")
    assert (done.code, done.document["exit"]) == (0, 0)
    assert {change["result"] for change in done.document["routes"][0]["changes"]} == {"done"}
    assert [line["event"] for line in done.log].count("session.created") == 6
    links = convener(live.folder, "links", "--json").document["links"]
    assert list(links[0]) == [
        "key", "uid", "recurrence_id", "route", "vendor", "session", "state", "title", "start", "end", "join_url",
    ]  # fmt: skip
    assert links[0]["start"] == f"{SOON:%Y-%m-%dT%H:%M:%SZ}"
    assert all(link["join_url"].startswith(live.url) and link["state"] == "live" for link in links)
    asked = len(live.sim.requests)
    again = convener(live.folder, "reconcile", "--json")
    assert again.document["routes"][0]["changes"] == []
    assert again.document["routes"][0]["counts"]["noop"] == 6
    assert len(live.sim.requests) == asked


def test_detailed_exit_codes_of_plan(live: World) -> None:
    assert convener(live.folder, "plan", "--detailed-exitcode").code == 10
    convener(live.folder, "reconcile")
    assert convener(live.folder, "plan", "--detailed-exitcode").code == 0
    live.entries.clear()
    live.publish()
    assert convener(live.folder, "plan").code == 0
    held = convener(live.folder, "plan", "--detailed-exitcode", "--json")
    assert (held.code, held.document["exit"]) == (3, 3)
    assert {change["result"] for change in held.document["routes"][0]["changes"]} == {"held"}


def test_the_exit_codes_of_reconcile(live: World) -> None:
    assert convener(live.folder, "reconcile").code == 0
    live.publish("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert convener(live.folder, "reconcile").code == 4
    live.publish("<html></html>")
    assert convener(live.folder, "reconcile").code == 5
    (live.folder / "sales.ics").unlink()
    assert convener(live.folder, "reconcile").code == 5
    live.entries.clear()
    live.publish()
    assert convener(live.folder, "reconcile").code == 3
    assert convener(live.folder, "reconcile", "--dry-run").code == 3
    assert convener(live.folder, "reconcile", "--force").code == 0
    assert convener(live.folder, "reconcile", "nowhere").code == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('pasword = "x"', 'convener.toml: [vendors.main] pasword: unknown key, did you mean "password"?'),
        ("rate = 0", "convener.toml: [vendors.main] rate:"),
        ('timeout = "soon"', "convener.toml: [vendors.main] timeout: not a duration"),
        ("concurrency = true and false", "convener.toml: not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_one_clear_line_and_exit_2(live: World, line: str, message: str) -> None:
    live.configure(vendor=line)
    done = convener(live.folder, "plan", "--json")
    assert done.code == 2
    assert message in done.document["error"]
    assert message in done.err
    assert len(done.err.splitlines()) <= 3
    assert "Traceback" not in done.err


def test_environment_beats_credentials_beat_the_file(live: World) -> None:
    credentials = live.folder / "credentials"
    credentials.mkdir()
    (credentials / "vendors__main__password").write_text("wrong\n")
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert convener(live.folder, "check", "--vendor", "main", env=env).code == 5
    (credentials / "vendors__main__password").write_text("secret\n")
    live.configure(vendor='timeout = "5s"')
    text = (live.folder / "convener.toml").read_text().replace('password = "secret"\n', "")
    (live.folder / "convener.toml").write_text(text)
    assert convener(live.folder, "check", "--vendor", "main", env=env).code == 0
    env["CONVENER_VENDORS__MAIN__PASSWORD"] = "wrong"
    assert convener(live.folder, "check", "--vendor", "main", env=env).code == 5


def test_a_saved_plan_is_applied_only_where_it_still_holds(live: World) -> None:
    assert convener(live.folder, "plan", "--out", "plan.json").code == 0
    live.entries["m0"] = live.entries["m0"].but(title="Renamed since")
    live.entries["m9"] = Entry("m9@example.com", SOON + timedelta(days=3), title="New since")
    live.publish()
    done = convener(live.folder, "reconcile", "--plan", "plan.json", "--json")
    results = {change["key"]: change["result"] for change in done.document["routes"][0]["changes"]}
    assert results.pop("sales:m0@example.com") == "deferred"
    assert results.pop("sales:m9@example.com") == "deferred"
    assert set(results.values()) == {"done"}
    assert done.code == 4
    assert len(live.sim.sessions) == 5
    assert convener(live.folder, "reconcile", "--plan", "sales.ics").code == 2


def test_what_the_service_creates_is_private(live: World) -> None:
    (live.folder / "convener.db").unlink()
    convener(live.folder, "reconcile")
    for file in live.folder.glob("convener.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    (live.folder / "convener.db").unlink()
    assert convener(live.folder, "db", "upgrade").code == 0
    assert stat.S_IMODE((live.folder / "convener.db").stat().st_mode) == 0o600
    convener(live.folder, "init", "--config", "fresh.toml")
    assert stat.S_IMODE((live.folder / "fresh.toml").stat().st_mode) == 0o600


def test_init_writes_a_valid_configuration_and_never_over_an_existing_one(tmp_path: Path) -> None:
    assert convener(tmp_path, "init").code == 0
    first = (tmp_path / "convener.toml").read_text()
    assert convener(tmp_path, "links").code == 0
    assert convener(tmp_path, "init").code == 2
    assert (tmp_path / "convener.toml").read_text() == first


def test_check_says_what_is_wrong_and_tries_a_password_once(live: World) -> None:
    assert convener(live.folder, "check").code == 0
    live.sim.password = "another"
    before = len(live.sim.requests)
    done = convener(live.folder, "check", "--json")
    assert done.code == 5
    assert [(row["name"], row["ok"]) for row in done.document["checks"]] == [("sales", True), ("main", False)]
    assert len(live.sim.requests) == before + 1


def test_explain_status_retry_adopt_and_forget(live: World) -> None:
    convener(live.folder, "reconcile")
    key = "sales:m0@example.com"
    (row,) = convener(live.folder, "explain", key, "--json").document["routes"]
    assert row["verdict"] == "it is in step"
    assert row["link"]["state"] == "live"
    (row,) = convener(live.folder, "status", "--json").document["routes"]
    assert (row["meetings"]["live"], row["last_exit"], row["open_intents"]) == (6, 0, 0)
    nothing = convener(live.folder, "retry", "--json")
    assert (nothing.code, nothing.document) == (0, {"released": []})
    assert convener(live.folder, "forget", key).code == 0
    assert convener(live.folder, "forget", key).code == 2
    ref = str(next(s.id for s in live.sim.sessions.values() if s.topic == "Meeting 0"))
    assert convener(live.folder, "adopt", key, "99999").code == 2
    assert convener(live.folder, "adopt", key, ref).code == 0
    done = convener(live.folder, "reconcile", "--json")
    assert (done.code, done.document["routes"][0]["changes"]) == (0, [])
    assert len(live.sim.sessions) == 6
    assert convener(live.folder, "explain", "nonsense").code == 2


def test_quarantine_shows_everywhere_and_retry_releases_it(live: World) -> None:
    live.sim.faults.add(Fault("400_before", "PUT", "session", times=100))
    live.entries = {"m0": live.entries["m0"]}
    live.publish()
    for _ in range(5):
        assert convener(live.folder, "reconcile").code == 4
    (link,) = convener(live.folder, "links", "--json").document["links"]
    assert link["state"] == "quarantined"
    live.sim.faults.clear()
    done = convener(live.folder, "reconcile", "--json")
    assert (done.code, done.document["routes"][0]["counts"]["quarantined"]) == (4, 1)
    assert convener(live.folder, "retry", "sales:m0@example.com").code == 0
    assert convener(live.folder, "reconcile").code == 0


def test_a_newer_schema_is_refused_with_one_line(live: World) -> None:
    import sqlite3

    convener(live.folder, "reconcile")
    with sqlite3.connect(live.folder / "convener.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    done = convener(live.folder, "plan")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "newer" in done.err


def test_a_ledger_that_cannot_be_written_any_more_is_one_clear_line(live: World) -> None:
    import sqlite3

    convener(live.folder, "reconcile")
    with sqlite3.connect(live.folder / "convener.db") as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON intents BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    connection.close()
    live.entries = {name: entry.but(title=f"{entry.title} new") for name, entry in live.entries.items()}
    live.publish()
    writes = len(live.sim.writes)
    done = convener(live.folder, "reconcile", "--log-format", "text")
    assert (done.code, done.err.strip()) == (2, "convener: the database cannot be used: disk full")
    assert len(live.sim.writes) == writes, "no intent, no write"


def test_two_processes_at_once_double_nothing(live: World) -> None:
    both = [start(live.folder, "reconcile") for _ in range(2)]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(live.sim.sessions) == 6
    assert [r.method for r in live.sim.writes] == ["PUT"] * 6


def test_run_makes_passes_until_sigterm(live: World) -> None:
    text = (live.folder / "convener.toml").read_text().replace('type = "ical"', 'type = "ical"\npoll = "1s"')
    (live.folder / "convener.toml").write_text(text)
    process = start(live.folder, "run")
    while len(live.sim.sessions) < 6 and process.is_alive():
        process.join(0.05)
    live.entries["m0"] = live.entries["m0"].but(title="Renamed while it runs")
    live.publish()
    while "Renamed while it runs" not in live.topics() and process.is_alive():
        process.join(0.05)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(20)
    assert process.exitcode == 0
    events = [json.loads(line)["event"] for line in (live.folder / "stderr.txt").read_text().splitlines()]
    assert events[:2] == ["web.started", "daemon.started"]
    assert events[-1] == "daemon.stopped"
    assert events.count("run.finished") >= 2


def test_run_serves_the_published_feed_and_goes_on_without_when_the_address_is_taken(live: World) -> None:
    text = (live.folder / "convener.toml").read_text().replace('type = "ical"', 'type = "ical"\npoll = "1s"')
    text += '\n[routes.sales.publish]\nfeed = "sales.ics"\n\n[daemon]\nlisten = "127.0.0.1:{}"\n'
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port, event in ((0, "web.started"), (taken.getsockname()[1], "web.failed")):
            (live.folder / "convener.toml").write_text(text.format(port))
            (live.folder / "stderr.txt").write_text("")
            process = start(live.folder, "run")
            log: list[dict[str, Any]] = []
            while not any(line["event"] == "run.finished" for line in log) and process.is_alive():
                process.join(0.05)
                whole = (live.folder / "stderr.txt").read_text().rpartition("\n")[0]
                log = [json.loads(line) for line in whole.splitlines()]
            said = next(line for line in log if line["event"] == event)
            if event == "web.started":
                url = f"http://{said['listen']}/feeds/sales.ics"
                answer = httpx.get(url, trust_env=False)
                assert (answer.status_code, answer.text.count("BEGIN:VEVENT")) == (200, len(live.entries))
                again = httpx.get(url, headers={"If-None-Match": answer.headers["etag"]}, trust_env=False)
                assert again.status_code == 304
            os.kill(process.pid or 0, signal.SIGTERM)
            process.join(20)
            assert process.exitcode == 0


KEY = "c2VhbHMgdGhlIHBlcnNvbmFsIGxpbmtzIGhlcmUgISE="
SECRETS = ("s3cr3t-pass word&+%", "feed-t0ken-abcdef", "basic-feed-pw", KEY)


def test_no_secret_is_in_anything_that_is_produced(tmp_path: Path) -> None:
    """Every command, good and bad days, and then a look into every byte that was printed or written. The personal
    links are in the database, sealed."""
    sealing = {"CONVENER_SECRET_KEY": KEY}
    with a_world(tmp_path) as world:
        world.sim.password = SECRETS[0]
        feed = "http://user:basic-feed-pw@127.0.0.1:9/private-feed-t0ken-abcdef/basic.ics?key=feed-t0ken-abcdef"
        text = (tmp_path / "convener.toml").read_text().replace('password = "secret"', f'password = "{SECRETS[0]}"')
        away = text.replace('url = "sales.ics"', f'url = "{feed}"')
        (tmp_path / "away.toml").write_text(away)
        (tmp_path / "convener.toml").write_text(text)
        world.entries = entries(4, first=SOON)
        world.publish()
        produced = []
        commands = [
            ["check"], ["plan"], ["plan", "--out", "p.json"], ["reconcile"], ["links"], ["status"],
            ["explain", "sales:m0@example.com"], ["reconcile", "--dry-run"], ["db", "current"], ["retry"],
        ]  # fmt: skip
        for config in ("convener.toml", "away.toml"):
            for command in commands:
                for extra in ([], ["--json"]):
                    done = convener(tmp_path, *command, "--config", config, *extra, env=sealing)
                    produced.append(done.out + done.err)
        for kind in ("401_once", "500_after", "garbage", "reset_after", "400_before"):
            world.sim.faults.add(Fault(kind, times=2))
            world.entries["m0"] = world.entries["m0"].but(title=f"Title {kind}", people=((f"{kind}@x.org", "CHAIR"),))
            world.publish()
            done = convener(tmp_path, "reconcile", "--json", "--log-format", "text", env=sealing)
            produced.append(done.out + done.err)
        personal = [i.personal_session_link for ref in world.sim.sessions for i in world.sim.invitees(ref)]
        assert len(personal) >= 8
        shown = convener(tmp_path, "links", "--personal", env=sealing).out
        assert sum(link in shown for link in personal) >= 8, "the ledger knows them"
        (tmp_path / "stdout.txt").unlink()
        (tmp_path / "convener.toml").unlink()
        (tmp_path / "away.toml").unlink()
        produced += [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    everything = "\n".join(produced)
    for secret in [*SECRETS, *personal]:
        assert secret not in everything


HOSTILE = (
    "\x1b[31mred\x1b[0m", "[bold]not markup[/bold]", "😀 emoji \u202e right to left", "a\nb\r\nc", "\x07bell",
    "𝕬" * 400,
    '"quotes" & <tags> %s {x} ${y}', "\ud7ff\ufffe", " ",
)  # fmt: skip


def test_hostile_titles_neither_reach_the_terminal_nor_break_a_document(live: World) -> None:
    live.entries = {
        str(n): Entry(f"h{n}@example.com", SOON + timedelta(hours=n), title=title) for n, title in enumerate(HOSTILE)
    }
    live.publish()
    for command in (["plan"], ["reconcile"], ["links"]):
        done = convener(live.folder, *command, env={"LC_ALL": "C", "PYTHONIOENCODING": ""})
        assert done.code == 0, done.err
        assert not any(code in done.out for code in ("\x1b", "\x07", "\u202e"))
        document = convener(live.folder, *command, "--json")
        assert document.code == 0
        assert document.document
        assert all(json.loads(line) for line in document.err.splitlines())
    assert len(live.sim.sessions) == len(HOSTILE)


def test_the_demo_with_a_crm_ends_well_and_the_link_comes_back() -> None:
    command = Path(sys.executable).with_name("convener")
    done = subprocess.run([str(command), "demo", "--crm"], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = re.findall(r"videocall_location = (.*)", done.stdout)
    assert before == "false"
    assert after.startswith('"http://127.0.0.1:')
    for words in (
        "2 created, 2 links written back",
        "1 uninvited, 1 artifact stored, 1 artifact told to the source",
        "crm.lead 1: <p>Recording: recording-1 Kick-off call.mp4, attached</p>",
        "Done: 1 cancelled",
    ):
        assert words in done.stdout
    assert done.stdout.count("onstream 0)") >= 5, "what did not change costs nothing"


def test_the_demo_ends_well_in_the_installed_command() -> None:
    command = Path(sys.executable).with_name("convener")
    done = subprocess.run([str(command), "demo"], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    quiet = "(exit 0; requests: onstream 0, openmeetings 0, isl-groop 0, idiligo 0, livedigital 0)"
    assert done.stdout.count(quiet) >= 3, "the second pass asks nobody"
    for words in (
        "ISL Groop cannot change a title: the session keeps its old one; replacing it would change the join link",
        "Idiligo cannot remove a call",
        "livedigital stores no start and no end",
        "Apache OpenMeetings also mails",
    ):
        assert words in done.stdout
    assert "2 updated, 1 cancelled, 1 invited, 1 uninvited" in done.stdout
    for direction, words in (
        ("→  onstream", "offer.pdf"),
        ("→  openmeetings", "agenda.txt"),
        ("→  idiligo", "offer.pdf"),
        ("←  onstream", "recording   stored"),
        ("←  openmeetings", "recording   stored"),
        ("←  idiligo", "document    stored"),
        ("←  livedigital", "recording   stored"),
        ("←  livedigital", "attendance  stored"),
    ):
        assert any(direction in line and words in line for line in done.stdout.splitlines()), (direction, words)
    assert "CONFERENCE;FEATURE=VIDEO" in done.stdout
    assert done.stdout.rstrip().endswith("convener plan")


def test_every_calendar_that_the_demo_writes_is_a_whole_calendar() -> None:
    from daemon.demo.calendar import demo_calendar

    for edited in (False, True):
        text = demo_calendar(datetime.now(UTC), "http://127.0.0.1:1/offer.pdf", edited=edited)
        assert text.startswith("BEGIN:VCALENDAR\r\n")
        assert text.endswith("END:VCALENDAR\r\n")
    assert calendar([]) != ""
