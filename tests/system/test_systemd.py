"""The units under a real systemd that is pid 1 of a machine of its own; see systemd_machine.py.

Each test brings the units into the state that it needs, because two workers may share the tests of this module: then
each has a machine.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.calendars import Entry, calendar
from tests.system.systemd_machine import CannotMount, Machine, machine, missing_tools, wait_for
from tests.wheel import build_wheel

pytestmark = pytest.mark.systemd

PASSWORD = "only-in-the-credential"
CONFIGURATION = "/etc/convener/convener.toml"
CREDENTIALS = "/etc/convener/credentials"
FEED = "/srv/calendars/sales.ics"
CONFIG = f"""\
database = "sqlite:////var/lib/convener{{folder}}/convener.db"
archive  = "/var/lib/convener{{folder}}/archive"
[daemon]
listen = ""
[sources.sales]
type = "ical"
url = "{FEED}"
poll = "1s"
[vendors.main]
type = "onstream"
url = "http://127.0.0.1:8480"
username = "acme"
settle = "0s"
[routes.sales]
source = "sales"
vendor = "main"
"""
# Stands for PostgreSQL with peer authentication: tells each client who it is by the kernel's word.
GREETER = """
import os, socket, struct
os.makedirs("/run/postgresql", exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/postgresql/.s.PGSQL.5432")
os.chmod("/run/postgresql/.s.PGSQL.5432", 0o777)
listener.listen()
while True:
    client = listener.accept()[0]
    client.sendall(str(struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]).encode())
"""
PROBE = Path(__file__).with_name("systemd_probe.py")


def entries(number: int) -> list[Entry]:
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    return [Entry(f"m{n}@example.com", first + timedelta(hours=n), title=f"Meeting {n}") for n in range(number)]


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine with convener installed as docs/service.md says, the vendor's stand-in running in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a systemd of its own")
    if missing := missing_tools():
        said = f"not installed: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    try:
        with machine() as made:
            install(made, wheel)
            yield made
    except CannotMount as error:
        pytest.skip(f"this machine does not let root make namespaces and mounts: {error}")


def install(made: Machine, wheel: Path) -> None:
    made.write(f"/tmp/{wheel.name}", wheel.read_bytes())
    pip = (
        "/opt/convener/bin/python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--root-user-action=ignore",
    )
    made.run(*pip, "--quiet", "--no-index", "--no-deps", "--force-reinstall", f"/tmp/{wheel.name}")
    done = json.loads(made.run("/opt/convener/bin/convener", "install-service", "--json").stdout)
    assert {file["action"] for file in done["files"]} == {"written"}
    made.write(CONFIGURATION, CONFIG.format(folder=""))
    for command in done["next"][:3]:
        made.run(*command.split())
    secret = f"{CREDENTIALS}/vendors__main__password"
    made.write(secret, f"{PASSWORD}\n", 0o600)
    for unit in ("convener", "convener-reconcile"):
        drop_in(made, unit, f"LoadCredential=vendors__main__password:{secret}", name="credentials")
    simulate = ("/opt/convener/bin/convener", "simulate", "onstream", "--password", PASSWORD)
    made.run("systemd-run", "--quiet", "--unit=vendor", *simulate)


@pytest.fixture
def made(booted: Machine) -> Machine:
    """The machine with a sound calendar and configuration, and with nothing of ours running."""
    booted.systemctl("stop", "convener*")
    booted.run("sh", "-c", "rm -f /etc/systemd/system/convener*.d/test.conf")
    booted.systemctl("daemon-reload")
    booted.systemctl("reset-failed", "convener*", check=False)
    put_sound_files(booted)
    return booted


@pytest.fixture
def running(booted: Machine, request: pytest.FixtureRequest) -> Machine:
    """The machine with the service running on them: since the test before, or started now."""
    if booted.show("convener", "ActiveState") == "active" and "test.conf" not in booted.show("convener", "DropInPaths"):
        put_sound_files(booted)
        booted.systemctl("reload", "convener")
    else:
        booted.systemctl("start", request.getfixturevalue("made") and "convener")
    wait_for("a sound pass", logged(booted, "run.finished", booted.now(), route="sales", exit=0))
    return booted


def put_sound_files(made: Machine) -> None:
    made.write(FEED, calendar(entries(2)))
    made.write(CONFIGURATION, CONFIG.format(folder=""), 0o640)
    made.run("systemd-tmpfiles", "--create", "convener.conf")


def drop_in(made: Machine, unit: str, *lines: str, name: str = "test", section: str = "Service") -> None:
    """Further lines for a unit, as `systemctl edit` adds them."""
    full = unit if "." in unit else f"{unit}.service"
    made.write(f"/etc/systemd/system/{full}.d/{name}.conf", "\n".join([f"[{section}]", *lines, ""]))
    made.systemctl("daemon-reload")


def lines(made: Machine, unit: str, since: int) -> list[dict[str, Any]]:
    """The journal's records since then that are log lines of ours; `MESSAGE` is read as JSON into `line`."""
    records = made.journal(unit, since)
    return [{**r, "line": json.loads(r["MESSAGE"])} for r in records if str(r.get("MESSAGE", "")).startswith("{")]


def logged(made: Machine, event: str, since: int, unit: str = "convener", **fields: Any) -> Callable[[], Any]:
    """The first record of that event with these fields, for `wait_for`."""

    def look() -> dict[str, Any] | None:
        for record in lines(made, unit, since):
            if record["line"]["event"] == event and fields.items() <= record["line"].items():
                return record
        return None

    return look


def test_a_start_is_over_when_the_service_says_that_it_is_ready(made: Machine) -> None:
    since = made.now()
    made.systemctl("start", "--no-block", "convener")
    states = []
    while (state := made.show("convener", "ActiveState")) in ("activating", "inactive"):
        states.append(state)
        assert len(states) < 1000
    assert state == "active"
    assert "activating" in states
    assert logged(made, "daemon.started", since)()
    # The pass is made with the password from the credential, by the service's own user.
    wait_for("a pass", logged(made, "run.finished", since, route="sales", exit=0))
    wait_for("the status", lambda: "last pass: sales" in made.show("convener", "StatusText"))
    main = made.show("convener", "MainPID")
    assert made.run("stat", "-c", "%U", f"/proc/{main}").stdout.strip() == "convener"


def test_the_state_is_private_and_the_configuration_is_only_read(running: Machine) -> None:
    listed = running.run("stat", "-c", "%a %U:%G %n", "/var/lib/convener", "/var/lib/convener/convener.db").stdout
    assert listed.splitlines() == [
        "700 convener:convener /var/lib/convener",
        "600 convener:convener /var/lib/convener/convener.db",
    ]
    modes = running.run("stat", "-c", "%a %U:%G", "/etc/convener", CONFIGURATION, CREDENTIALS).stdout.splitlines()
    assert modes == ["750 root:convener", "640 root:convener", "700 root:root"]
    assert running.run("runuser", "-u", "nobody", "--", "ls", "/var/lib/convener", check=False).returncode != 0


def test_a_secret_comes_as_a_credential_and_its_file_belongs_to_root_alone(running: Machine) -> None:
    file = f"{CREDENTIALS}/vendors__main__password"
    assert running.run("runuser", "-u", "convener", "--", "cat", file, check=False).returncode != 0
    assert not [record for record in running.journal("convener") if PASSWORD in str(record)]
    # What docs/service.md says about the other commands: while the service runs, they may use its credentials.
    status = running.run(
        *("runuser", "-u", "convener", "--", "env", "CREDENTIALS_DIRECTORY=/run/credentials/convener.service"),
        *("/opt/convener/bin/convener", "status", "--json", "--config", CONFIGURATION),
    )
    assert json.loads(status.stdout)["routes"][0]["last_success"]


def test_the_journal_has_priorities_and_whole_json_lines(running: Machine) -> None:
    since = running.now()
    hostile = entries(1)[0].but(uid="h@example.com", title='"}\n<0>forged \u2028\x85 👩‍👩‍👧 ' + "x" * 300)
    running.write(FEED, calendar([hostile, *entries(2)]))
    wait_for("the session", logged(running, "session.created", since))
    running.write(FEED, "<html>not a calendar</html>")
    wait_for("a warning", logged(running, "snapshot.incomplete", since))
    running.write(CONFIGURATION, "nonsense = ", 0o640)
    running.systemctl("reload", "convener")
    wait_for("an error", logged(running, "daemon.reload_refused", since))
    priorities = {"error": "3", "warning": "4", "info": "6"}
    main = running.show("convener", "MainPID")
    ours = [record for record in running.journal("convener", since) if record["_PID"] == main]
    for record in ours:
        line = json.loads(record["MESSAGE"])
        assert record["PRIORITY"] == priorities[line["level"]]
        assert record["_SYSTEMD_UNIT"] == "convener.service"
        assert record["SYSLOG_IDENTIFIER"] == "convener"
        assert line["ts"].endswith("Z")
    assert {record["PRIORITY"] for record in ours} == set(priorities.values())


def test_a_reload_takes_a_sound_configuration_over_without_a_restart(running: Machine) -> None:
    since, main = running.now(), running.show("convener", "MainPID")
    second = '[routes.other]\nsource = "sales"\nvendor = "main"\n[routes.other.match]\nsummary = "nothing has this"\n'
    running.write(CONFIGURATION, CONFIG.format(folder="") + second, 0o640)
    running.systemctl("reload", "convener")
    wait_for("the new configuration", logged(running, "daemon.reloaded", since, routes=2))
    wait_for("a pass of the new route", logged(running, "run.finished", since, route="other"))
    wait_for("READY", lambda: running.show("convener", "ActiveState") == "active")
    assert running.show("convener", "MainPID") == main


def test_a_reload_refuses_a_wrong_configuration_and_keeps_the_old_one(running: Machine) -> None:
    since, main = running.now(), running.show("convener", "MainPID")
    running.write(CONFIGURATION, CONFIG.format(folder="").replace("poll", "pol"), 0o640)
    running.systemctl("reload", "convener")
    refused = wait_for("a refusal", logged(running, "daemon.reload_refused", since))
    assert 'did you mean "poll"' in refused["line"]["reason"]
    wait_for("a pass under the old one", logged(running, "run.finished", running.now(), exit=0))
    wait_for("READY", lambda: running.show("convener", "ActiveState") == "active")
    assert running.show("convener", "MainPID") == main


def test_a_killed_service_is_back_within_five_seconds(running: Machine) -> None:
    main, begun = running.show("convener", "MainPID"), time.monotonic()
    running.run("kill", "-KILL", main)
    wait_for("another process", lambda: running.show("convener", "MainPID") not in ("0", main), patience=5)
    assert time.monotonic() - begun < 5
    wait_for("it works again", lambda: running.show("convener", "ActiveState") == "active")


def test_a_stop_is_in_good_order_and_in_time(running: Machine) -> None:
    since, begun = running.now(), time.monotonic()
    running.systemctl("stop", "convener")
    assert time.monotonic() - begun < 30
    assert logged(running, "daemon.stopped", since)()
    assert running.show("convener", "Result") == "success"
    assert running.show("convener", "ActiveState") == "inactive"


def test_a_credential_that_is_missing_refuses_the_start(made: Machine) -> None:
    drop_in(made, "convener", f"LoadCredential=secret_key:{CREDENTIALS}/secret_key", "Restart=no")
    since = made.now()
    assert made.run("systemctl", "start", "convener", check=False).returncode != 0
    assert made.show("convener", "ExecMainStatus") == "243"
    # systemd itself does not say which one; docs/service.md says where to look.
    told = "Failed to set up credentials"
    # Whose process it was is not always known any more when the journal gets to read what it said.
    wait_for(told, lambda: any(told in str(record.get("MESSAGE")) for record in made.journal(since=since)))


def test_a_sound_service_outlives_the_watchdog_and_a_hung_one_is_started_again(made: Machine) -> None:
    drop_in(made, "convener", "WatchdogSec=3s", "RestartSec=200ms")
    since = made.now()
    made.systemctl("start", "convener")
    main = made.show("convener", "MainPID")
    for _ in range(3):
        wait_for("a pass", logged(made, "run.finished", made.now()))
    assert made.show("convener", "MainPID") == main
    made.run("kill", "-STOP", main)
    wait_for("another process", lambda: made.show("convener", "MainPID") not in ("0", main))
    said = [str(record.get("MESSAGE")) for record in made.journal("convener", since)]
    assert any("Watchdog timeout" in message for message in said)
    assert any("Fatal Python error: Aborted" in message for message in said), "faulthandler says where it hung"
    wait_for("it works again", lambda: made.show("convener", "ActiveState") == "active")


def test_a_database_beside_the_configuration_is_told_and_not_tried_again(made: Machine) -> None:
    made.write(CONFIGURATION, CONFIG.format(folder="").replace("sqlite:////var/lib/convener/", "sqlite:///"), 0o640)
    since = made.now()
    assert made.run("systemctl", "start", "convener", check=False).returncode != 0
    assert made.show("convener", "ActiveState") == "failed"
    assert (made.show("convener", "ExecMainStatus"), made.show("convener", "NRestarts")) == ("2", "0")
    assert any("Read-only file system" in str(record.get("MESSAGE")) for record in made.journal("convener", since))


def test_the_timer_starts_a_pass_that_succeeds(made: Machine) -> None:
    made.systemctl("start", "convener-reconcile.timer")
    timers = json.loads(made.systemctl("list-timers", "--output=json", "convener-reconcile.timer"))
    assert 0 < timers[0]["next"] / 1e6 - time.time() < 331, "as it comes, within five minutes"
    made.systemctl("stop", "convener-reconcile.timer")
    drop_in(made, "convener-reconcile.timer", "OnCalendar=", "OnActiveSec=0", "RandomizedDelaySec=0", section="Timer")
    since = made.now()
    made.systemctl("start", "convener-reconcile.timer")
    wait_for("the timer's pass", logged(made, "run.finished", since, unit="convener-reconcile", exit=0))
    wait_for("its end", lambda: made.show("convener-reconcile", "ActiveState") == "inactive")
    assert made.show("convener-reconcile", "Result") == "success"


def test_several_instances_run_side_by_side_each_with_its_own_state(made: Machine) -> None:
    for name in ("east", "west"):
        made.write(f"/etc/convener/{name}.toml", CONFIG.format(folder=f"/{name}"), 0o640)
        made.write(f"{CREDENTIALS}/{name}/vendors__main__password", PASSWORD, 0o600)
    made.run("systemd-tmpfiles", "--create", "convener.conf")
    drop_in(made, "convener@", f"LoadCredential=vendors__main__password:{CREDENTIALS}/%i/vendors__main__password")
    since = made.now()
    made.systemctl("start", "convener@east", "convener@west")
    for name in ("east", "west"):
        wait_for("a pass", logged(made, "run.finished", since, unit=f"convener@{name}", exit=0))
        assert (made.root / f"var/lib/convener/{name}/convener.db").exists()
    made.systemctl("stop", "convener@east")
    assert made.show("convener@west", "ActiveState") == "active"


def test_the_walls_let_through_what_the_service_needs_and_nothing_else(made: Machine) -> None:
    made.run("rm", "-f", "/run/postgresql/.s.PGSQL.5432")
    made.run("systemd-run", "--quiet", "--collect", "--unit=greeter", "/opt/convener/bin/python", "-c", GREETER)
    wait_for("the socket", (made.root / "run/postgresql/.s.PGSQL.5432").exists)
    made.write("/srv/probe.py", PROBE.read_bytes())
    drop_in(
        made,
        "convener-reconcile",
        "ExecStart=",
        "ExecStart=/opt/convener/bin/python /srv/probe.py",
    )
    since = made.now()
    made.systemctl("start", "convener-reconcile")
    said = [str(r.get("MESSAGE")) for r in made.journal("convener-reconcile", since)]
    (text,) = [message.removeprefix("found ") for message in said if message.startswith("found ")]
    found = json.loads(text)
    assert set(found["needed"].values()) == {"done"}, found["needed"]
    assert "done" not in found["walled"].values(), found["walled"]
    assert found["uid"] != 0
    assert found["processes"] == 1
    status = found["status"]
    assert (status["CapEff"], status["CapBnd"]) == ("0" * 16, "0" * 16)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert {"STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"} <= set(found["environment"])
    made.systemctl("stop", "greeter")
