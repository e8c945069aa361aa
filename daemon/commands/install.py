"""install-service: puts the units for systemd in place, and a first configuration with them."""

import hashlib
import os
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from daemon.commands.start import STARTER, plain
from daemon.console import print_json
from sync.errors import ConfigurationError
from sync.report import Exit

CONFIGURATION = "etc/convener/convener.toml"
PROGRAM = "opt/convener/bin/convener"
NEXT = (
    "systemd-sysusers convener.conf",
    "systemd-tmpfiles --create convener.conf",
    "systemctl daemon-reload",
    f"runuser -u convener -- /{PROGRAM} check --config /{CONFIGURATION}",
    "systemctl enable --now convener",
)
# Below /etc and not /usr/lib, which belongs to packages: whoever runs this is the machine's administrator.
_PLACES = {"": "etc/systemd/system", "sysusers.d": "etc/sysusers.d", "tmpfiles.d": "etc/tmpfiles.d"}
# The last line of what we write, so that a file of an older version is known from one that a person changed.
_SEAL = "# Written by `convener install-service`; it keeps what a person changes. Sum of the lines above: "


@click.command("install-service")
@click.option("--prefix", default="/", show_default=True, metavar="FOLDER", help="The root of the machine's files.")
@click.option("--force", is_flag=True, help="Replace also files that a person changed.")
@plain
def install_service(prefix: str, force: bool, as_json: bool) -> None:
    """Put the units for systemd in place; files that a person changed are kept, and named."""
    root = Path(prefix).absolute()
    done = [(place, _put(root / place, _sealed(text), force=force)) for place, text in _units()]
    done.append((CONFIGURATION, _put_configuration(root / CONFIGURATION)))
    kept = any(action == "kept" for _, action in done)
    missing = not (root / PROGRAM).exists()
    code = Exit.HELD if kept else Exit.DONE
    if as_json:
        rows = [{"path": str(root / place), "action": action} for place, action in done]
        print_json({"files": rows, "next": list(NEXT), "exit": int(code)})
        raise SystemExit(int(code))
    for place, action in done:
        click.echo(f"{action:<9}  {root / place}")
    if kept:
        click.echo("\nWhat somebody changed was kept: compare it, put changes into a drop-in, and use --force.")
    if missing:
        click.echo(f"\nThe units start /{PROGRAM}, which is not there yet: docs/service.md says how to install it.")
    click.echo("\nFill in the configuration, and then:\n" + "".join(f"    {command}\n" for command in NEXT), nl=False)
    raise SystemExit(int(code))


def _units() -> Iterator[tuple[str, str]]:
    """Place (below the root) and text of each file."""
    for folder, place in _PLACES.items():
        for file in sorted((_shipped() / folder).iterdir() if folder else _shipped().iterdir(), key=lambda f: f.name):
            if file.is_file():
                yield f"{place}/{file.name}", file.read_text(encoding="utf-8")


def _shipped() -> Traversable:
    """The units' folder: in the installed package, or beside it in a checkout."""
    inside = files("daemon") / "units"
    return inside if inside.is_dir() else Path(str(files("daemon"))).parent / "systemd"


def _put(path: Path, text: str, *, force: bool) -> str:
    """Write the file; what was done: written, updated, unchanged or kept. Raises ConfigurationError."""
    try:
        before = (
            None
            if not os.path.lexists(path)
            else ""
            if path.is_symlink()
            else path.read_bytes().decode("utf-8", "replace")
        )
        if before == text:
            return "unchanged"
        if before is not None and not force and not _is_ours(before):
            return "kept"
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from error
    return "written" if before is None else "updated"


def _put_configuration(path: Path) -> str:
    """Write a starter configuration where there is none: written or unchanged. Raises ConfigurationError."""
    if os.path.lexists(path):
        return "unchanged"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, service_starter(), 0o640)
    except OSError as error:
        raise _unwritable(path, error) from error
    return "written"


def service_starter() -> str:
    """The starter configuration, its files in the service's StateDirectory: the units let it write nowhere else."""
    text = STARTER.replace("sqlite:///convener.db", "sqlite:////var/lib/convener/convener.db")
    return re.sub(r'^# (archive += )"archive" {16}', r'\1"/var/lib/convener/archive"', text, flags=re.MULTILINE)


def _replace(path: Path, text: str, mode: int) -> None:
    """Whole or not at all, also when the power fails in between."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _sealed(text: str) -> str:
    return f"{text}{_SEAL}{_sum(text)}\n"


def _is_ours(text: str) -> bool:
    """Whether nobody changed the text since some version of this command wrote it."""
    above, found, below = text.rpartition(_SEAL)
    return bool(found) and below == f"{_sum(above)}\n"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot be written: {error.strerror}")
