"""`convener install-service`: what it writes, what it leaves alone, and that it works from an installed package."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daemon.cli import cli
from daemon.commands.install import NEXT, service_starter
from daemon.settings import load
from sync.errors import ConfigurationError
from tests.wheel import ROOT, build_wheel

FILES = {
    "etc/systemd/system/convener.service",
    "etc/systemd/system/convener@.service",
    "etc/systemd/system/convener-reconcile.service",
    "etc/systemd/system/convener-reconcile.timer",
    "etc/sysusers.d/convener.conf",
    "etc/tmpfiles.d/convener.conf",
    "etc/convener/convener.toml",
}
UNIT = "etc/systemd/system/convener.service"


def run(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and by file what was done."""
    done = CliRunner().invoke(cli, ["install-service", "--prefix", str(folder), "--json", *options])
    document = json.loads(done.stdout)
    assert document["exit"] == done.exit_code
    return done.exit_code, {str(Path(row["path"]).relative_to(folder)): row["action"] for row in document["files"]}


def test_everything_is_put_in_place_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path) == (0, dict.fromkeys(FILES, "written"))
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == FILES
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run(tmp_path) == (0, dict.fromkeys(FILES, "unchanged"))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_unit_is_what_the_repository_has_and_readable_and_the_configuration_is_private(tmp_path: Path) -> None:
    run(tmp_path)
    assert (tmp_path / UNIT).read_text().startswith((ROOT / "systemd/convener.service").read_text())
    assert (tmp_path / UNIT).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "etc/convener/convener.toml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("WatchdogSec=2min", "WatchdogSec=9min"),
        lambda text: text + "# mine\n",
        lambda text: "# mine\n" + text,
        lambda text: text.rpartition("#")[0],
        lambda _: "",
        lambda _: "[Service]\n",
    ],
)
def test_what_a_person_changed_is_kept_and_told_until_it_is_forced(tmp_path: Path, change: Any) -> None:
    run(tmp_path)
    sound = (tmp_path / UNIT).read_text()
    (tmp_path / UNIT).write_text(change(sound))
    code, done = run(tmp_path)
    assert (code, done[UNIT]) == (3, "kept")
    assert {action for name, action in done.items() if name != UNIT} == {"unchanged"}
    assert (tmp_path / UNIT).read_text() == change(sound)
    code, done = run(tmp_path, "--force")
    assert (code, done[UNIT]) == (0, "updated")
    assert (tmp_path / UNIT).read_text() == sound


def test_an_older_version_that_nobody_changed_is_replaced_without_a_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.commands.install._units", lambda: iter([(UNIT, "[Unit]\n# an older one\n")]))
    run(tmp_path)
    monkeypatch.undo()
    code, done = run(tmp_path)
    assert (code, done[UNIT]) == (0, "updated")
    assert "ExecStart" in (tmp_path / UNIT).read_text()


def test_a_masked_unit_stays_masked(tmp_path: Path) -> None:
    (tmp_path / UNIT).parent.mkdir(parents=True)
    (tmp_path / UNIT).symlink_to("/dev/null")
    code, done = run(tmp_path)
    assert (code, done[UNIT]) == (3, "kept")
    assert os.readlink(tmp_path / UNIT) == "/dev/null"


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_configuration_is_never_replaced(tmp_path: Path, options: tuple[str, ...]) -> None:
    configuration = tmp_path / "etc/convener/convener.toml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("mine")
    assert run(tmp_path, *options)[1]["etc/convener/convener.toml"] == "unchanged"
    assert configuration.read_text() == "mine"


def test_the_starter_keeps_its_files_where_the_service_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CONVENER_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "convener.toml"
    path.write_text(service_starter())
    settings = load(path)
    assert settings.database_url() == "sqlite:////var/lib/convener/convener.db"
    assert settings.archive == "/var/lib/convener/archive"


def test_people_are_told_what_was_done_and_what_comes_next(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["install-service", "--prefix", str(tmp_path)])
    assert f"written    {tmp_path / UNIT}" in done.output
    assert "not there yet" in done.output
    assert all(command in done.output for command in NEXT)
    (tmp_path / UNIT).write_text("mine")
    (tmp_path / "opt/convener/bin").mkdir(parents=True)
    (tmp_path / "opt/convener/bin/convener").touch()
    done = CliRunner().invoke(cli, ["install-service", "--prefix", str(tmp_path)])
    assert "was kept" in done.output
    assert "not there yet" not in done.output


def test_a_place_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    done = CliRunner().invoke(cli, ["install-service", "--prefix", str(tmp_path)])
    assert isinstance(done.exception, ConfigurationError)
    assert "cannot be written: Not a directory" in str(done.exception)


def test_the_wheel_brings_the_units_along(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_wheel(tmp_path)) as wheel:
        wheel.extractall(tmp_path / "installed")
    command = [
        sys.executable,
        "-c",
        "from daemon.cli import main; main()",
        "install-service",
        "--json",
        "--prefix",
        "root",
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {row["path"] for row in json.loads(done.stdout)["files"]} == {
        str(tmp_path / "root" / name) for name in FILES
    }
    assert (tmp_path / "root" / UNIT).read_text().startswith((ROOT / "systemd/convener.service").read_text())
