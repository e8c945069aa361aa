"""What is remembered of a source and of a vendor between two passes, and the log lines about their troubles; and the
line about the pass itself."""

from sync.gate import VendorGate
from sync.ledger.records import SourceState, VendorState
from sync.ledger.store import Ledger
from sync.ports import Clock, Log
from sync.report import RouteReport
from sync.route import Route
from sync.snapshot import Snapshot, Trouble


async def remember_source(ledger: Ledger, route: Route, snapshot: Snapshot, clock: Clock, log: Log) -> None:
    """The cursor for the next read, and what is wrong with the source: said when it begins and when it ends."""
    now, name = clock.now(), route.source
    before = await ledger.source(name)
    common = {"route": route.name, "source": name}
    for item in snapshot.rejected:
        if (item.uid, item.reason) not in before.rejected:
            log("snapshot.rejected", **common, uid=item.uid, line=item.line, reason=item.reason)
    for notice in snapshot.notices:
        log("source.notice", **common, reason=notice.message)
    if snapshot.reason and snapshot.reason != before.problem:
        log("snapshot.incomplete", **common, reason=snapshot.reason)
    if before.problem and not snapshot.reason:
        log("snapshot.recovered", **common)
    cursor = snapshot.cursor if snapshot.cursor is not None else before.cursor
    complete_at = now if snapshot.complete else before.complete_at
    readable = snapshot.trouble is not Trouble.UNREADABLE
    rejected = frozenset((item.uid, item.reason) for item in snapshot.rejected) if readable else before.rejected
    state = SourceState(cursor, now, complete_at, snapshot.reason or None, rejected)
    await ledger.save_source(name, state)


async def remember_vendor(ledger: Ledger, gate: VendorGate, clock: Clock, log: Log) -> None:
    """How long the vendor asks to wait, and what is wrong with it: said when it begins and when it ends."""
    circuit = gate.circuit
    trouble, reason = (gate.trouble, gate.reason) if gate.trouble else (circuit.trouble, circuit.why)
    if trouble is None and not gate.answered:
        return  # nothing was asked of it: nothing was learned
    async with circuit.alone:  # passes side by side would both say the same
        before = await ledger.vendor(gate.name)
        now = clock.now()
        until = circuit.until if circuit.trouble == "cooldown" else gate.cooldown_until
        after = (
            VendorState(until, reason, (before.troubled_at or now) if reason else None)
            if trouble
            else VendorState(until)
        )
        if before.cooldown_until and before.cooldown_until > max(now, after.cooldown_until or now):
            return  # what works beside this pass was told to wait longer
        if after == before:
            return
        await ledger.save_vendor(gate.name, after)
        if trouble == "cooldown" and until and before.cooldown_until != until:
            log("vendor.cooldown", vendor=gate.name, seconds=round((until - now).total_seconds()))
        elif trouble and not before.problem:
            log(f"vendor.{trouble}", vendor=gate.name, reason=reason)
        elif before.problem and not trouble:
            log("vendor.recovered", vendor=gate.name)


def log_run(log: Log, report: RouteReport, number: int, duration_ms: int) -> None:
    """The log line of a finished pass."""
    counts = report.counts
    log(
        "run.finished",
        route=report.route,
        run=number,
        exit=int(report.exit()),
        created=counts["create"],
        updated=counts["update"] + counts["replace"],
        cancelled=counts["cancel"],
        held=counts["held"],
        failed=counts["failed"],
        deferred=counts["deferred"],
        duration_ms=duration_ms,
    )
