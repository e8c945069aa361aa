"""plan, reconcile and run: the passes."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from daemon.console import Context, command
from daemon.documents import passes_document
from daemon.progress import PassProgress
from daemon.render import show_report
from daemon.render_drift import show_drift
from daemon.wiring import Installation, installation
from sync.drift import DriftReport
from sync.errors import ConfigurationError, LockTaken
from sync.reconcile import Options
from sync.report import Exit, RouteReport, worst

PLAN_FORMAT = 1


@click.command()
@click.argument("routes", nargs=-1)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan for `reconcile --plan`.")
@click.option("--detailed-exitcode", is_flag=True, help="10 when changes are pending, 3 when some would be held back.")
@command
async def plan(context: Context, routes: tuple[str, ...], out: Path | None, detailed_exitcode: bool) -> Exit:
    """Show what would be done and why, and do nothing."""
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        reports = [await _planned(inside, name, Options(mode="plan")) for name in inside.names(routes)]
    code = worst(report.exit(detailed=detailed_exitcode) for report in reports)
    if out:
        _save(out, reports)
    _show(context, reports, code)
    return code


@click.command()
@click.argument("routes", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Decide as a pass would, and write nothing.")
@click.option("--force", is_flag=True, help="Do what the guard would hold back.")
@click.option("--plan", "saved", type=click.Path(dir_okay=False, path_type=Path), help="Apply only what it holds.")
@click.option("--drift", is_flag=True, help="Compare first what the vendors hold with what was last applied.")
@command
async def reconcile(
    context: Context, routes: tuple[str, ...], dry_run: bool, force: bool, saved: Path | None, drift: bool
) -> Exit:
    """Make one pass: fetch, plan, guard, apply."""
    if drift and dry_run:
        raise click.UsageError("--drift writes what it finds to the ledger: not with --dry-run")
    approved = _load(saved) if saved else None
    options = Options(mode="dry-run" if dry_run else "apply", force=force)
    reports: list[RouteReport] = []
    checks: list[DriftReport] = []
    taken: list[LockTaken] = []
    async with installation(context.settings(), log_format=context.log_format, locked=dry_run) as inside:
        names = inside.names(routes)
        if approved is not None and not routes:
            names = [name for name in names if name in approved]
        if dry_run:
            reports = [await _planned(inside, name, _approved(options, name, approved)) for name in names]
        else:
            for name in names:
                with PassProgress(name) as bars:
                    steps = replace(options, on_plan=bars.on_plan, on_step=bars.on_step)
                    try:
                        async with inside.working(name) as reconciler:
                            checks += [await reconciler.check_drift(options)] if drift else []
                            reports.append(await reconciler.run(_approved(steps, name, approved)))
                    except LockTaken as error:
                        taken.append(error)  # the other routes' passes are worth as much without this one
            reports = [await _harvested(inside, report, options) for report in reports]
    code = worst([*(report.exit() for report in reports), *(check.exit() for check in checks)])
    for check in [] if context.as_json else checks:
        show_drift(context.out, check)
    if not (taken and context.as_json):
        _show(context, reports, code)
    if taken:
        raise taken[0]
    return code


@click.command()
@command
async def run(context: Context) -> Exit:
    """Run as a service: a pass for every route at its source's poll interval."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the service listens to it, which reads the configuration first
    from daemon.service import serve  # what the service alone needs takes a while to load

    return await serve(context.settings(), context.log_format)


async def _planned(inside: Installation, name: str, options: Options) -> RouteReport:
    async with inside.looking(name) as reconciler:
        return await reconciler.run(options)


def _approved(options: Options, name: str, approved: dict[str, frozenset[str]] | None) -> Options:
    return options if approved is None else replace(options, approved=approved.get(name, frozenset()))


async def _harvested(inside: Installation, report: RouteReport, options: Options) -> RouteReport:
    """The report with what the pass's artifacts came to; another process that fetches them is left to it."""
    try:
        with PassProgress(report.route) as bars:
            async with inside.working(report.route, "harvest", patience=0) as reconciler:
                return await reconciler.harvest(report, replace(options, on_bytes=bars.on_bytes))
    except LockTaken:
        return report


def _show(context: Context, reports: list[RouteReport], code: Exit) -> None:
    if context.as_json:
        context.document(passes_document(reports, code))
        return
    for report in reports:
        show_report(context.out, report)
    if not reports:
        context.out.print("There are no routes in the configuration.")


def _save(path: Path, reports: list[RouteReport]) -> None:
    steps = {r.route: {"digest": r.digest, "steps": sorted(c.identity for c in r.changes)} for r in reports}
    try:
        text = json.dumps({"convener_plan": PLAN_FORMAT, "routes": steps}, indent=2) + "\n"
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error


def _load(path: Path) -> dict[str, frozenset[str]]:
    """The step identities of a saved plan, by route. Raises ConfigurationError."""
    try:
        saved: Any = json.loads(path.read_text(encoding="utf-8"))
        if saved["convener_plan"] != PLAN_FORMAT:
            raise ConfigurationError(f"{path}: a plan of another version of convener: plan again")
        return {name: frozenset(map(str, route["steps"])) for name, route in saved["routes"].items()}
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: not a plan saved by `convener plan --out`") from error
