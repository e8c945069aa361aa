"""The units for systemd, looked at by systemd's own tools; tests/system/test_systemd.py runs them."""

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import cli

ROOT = Path(__file__).parents[2]
SERVICES = ("convener.service", "convener@.service", "convener-reconcile.service")
UNITS = (*SERVICES, "convener-reconcile.timer")
EXPOSURE = 1.5
"""What `systemd-analyze security` may say at most; 10 is a service without any walls."""

analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def text(unit: str) -> str:
    return (ROOT / "systemd" / unit).read_text()


def comments(unit: str) -> str:
    return "\n".join(line for line in text(unit).splitlines() if line.startswith("#"))


def settings(unit: str, section: str = "Service") -> list[tuple[str, str]]:
    """Key and value of each line of a section, in order; keys may come several times."""
    (body,) = re.findall(rf"^\[{section}\]$(.*?)(?=^\[|\Z)", text(unit), re.MULTILINE | re.DOTALL)
    lines = [line for line in body.splitlines() if line and not line.startswith("#")]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def setting(unit: str, key: str, section: str = "Service") -> str:
    (value,) = [value for name, value in settings(unit, section) if name == key]
    return value


def walls(unit: str) -> list[tuple[str, str]]:
    """The part of the section [Service] that keeps the service in."""
    lines = settings(unit)
    return lines[lines.index(("User", "convener")) :]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The root of a machine with our units, systemd's targets, and programs that stand for those that are started."""
    done = CliRunner().invoke(cli, ["install-service", "--prefix", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for program in ("opt/convener/bin/convener", "bin/kill"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    theirs = next((p for p in map(Path, ("/usr/lib/systemd/system", "/lib/systemd/system")) if p.is_dir()), None)
    if theirs:
        copies = tmp_path / "usr/lib/systemd/system"
        copies.mkdir(parents=True)
        for target in (*theirs.glob("*.target"), *theirs.glob("*.slice")):
            shutil.copy(target, copies, follow_symlinks=False)
    return tmp_path


@analyzed
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(installed: Path, unit: str) -> None:
    done = analyze("verify", f"--root={installed}", unit.replace("@", "@main"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@analyzed
def test_systemd_would_find_what_is_wrong(installed: Path) -> None:
    (installed / "opt/convener/bin/convener").unlink()
    assert "not executable" in analyze("verify", f"--root={installed}", "convener.service").stderr


@analyzed
@pytest.mark.parametrize("unit", SERVICES)
def test_the_exposure_is_small_and_each_switch_that_is_left_out_has_a_comment(unit: str) -> None:
    path = str(ROOT / "systemd" / unit)
    done = analyze("security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", "--no-pager", path)
    (shown,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    print(f"{unit}: exposure {shown}")
    assert done.returncode == 0, done.stdout
    assert float(shown) <= EXPOSURE
    table = json.loads(analyze("security", "--offline=true", "--json=short", path).stdout)
    left_out = [row["name"] for row in table if row["set"] is False and row["exposure"]]
    assert left_out
    for name in left_out:
        switches = re.findall(r"\w+=", name)
        assert switches, name
        assert all(switch in comments(unit) for switch in switches), name


def test_the_three_services_have_the_same_walls() -> None:
    first, *others = [walls(unit) for unit in SERVICES]
    assert len(first) > 30
    for other in others:
        assert other == first


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_is_what_the_contract_says(unit: str) -> None:
    word, name = ("reconcile", "convener") if "reconcile" in unit else ("run", "%i" if "@" in unit else "convener")
    assert setting(unit, "ExecStart") == f"/opt/convener/bin/convener {word} --config /etc/convener/{name}.toml"
    assert setting(unit, "StateDirectory") == ("convener/%i" if "@" in unit else "convener")
    assert setting(unit, "TimeoutStopSec") == "60"
    folder = "/etc/convener/credentials/" + ("%i/" if "@" in unit else "")
    assert f"LoadCredential=vendors__main__password:{folder}vendors__main__password" in comments(unit)


@pytest.mark.parametrize("unit", SERVICES[:2])
def test_the_service_is_restarted_soon_and_for_ever_but_not_on_a_wrong_configuration(unit: str) -> None:
    assert setting(unit, "Restart") == "on-failure"
    assert setting(unit, "RestartSec") == "3s"
    assert setting(unit, "RestartPreventExitStatus") == "2"
    assert setting(unit, "StartLimitIntervalSec", "Unit") == "0"
    assert setting(unit, "Type") == "notify"


def test_the_timer_starts_the_one_shot_service() -> None:
    timer = configparser.ConfigParser()
    timer.read_string(text("convener-reconcile.timer"))
    assert "Unit" not in timer["Timer"], "by its name"
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert setting("convener-reconcile.service", "Type") == "oneshot"


@analyzed
def test_systemd_understands_when_the_timer_elapses() -> None:
    done = analyze("calendar", "--iterations=2", setting("convener-reconcile.timer", "OnCalendar", "Timer"))
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_systemd_would_make_the_user_that_the_services_run_as(installed: Path) -> None:
    done = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={installed}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Creating user 'convener'" in done.stderr
