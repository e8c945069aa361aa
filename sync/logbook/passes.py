"""Passes: their sources, their vendors, what was held back, drift checks."""

from sync.logbook.line import Line

LINES: dict[str, Line] = {
    "run.finished": Line(
        "info",
        ("route", "run", "exit", "created", "updated", "cancelled", "held", "failed", "deferred", "duration_ms"),
        "One pass of a route is over.",
        "see `convener status` when `exit` is not 0",
        "ConvenerRouteStale",
    ),
    "run.failed": Line(
        "error",
        ("route", "reason"),
        "A pass ended with a defect of convener.",
        "report it with the log",
        "ConvenerRunFailed",
    ),
    "run.missed": Line(
        "warning",
        ("route", "reason"),
        "A pass could not start in time: the one before is still going on, another process works on the route, or the "
        "database does not answer. Logged once until passes begin in time again.",
        "look at the load and the database, or poll less often",
        "ConvenerRunsMissed",
    ),
    "run.recovered": Line("info", ("route", "missed"), "Passes begin in time again, after so many that did not."),
    "run.hinted": Line(
        "info",
        ("route", "reason"),
        "Something asks for a look before the next poll: a changed file, a hook, another process.",
    ),
    "snapshot.incomplete": Line(
        "warning",
        ("route", "source", "reason"),
        "The source could not be read whole; nothing is deleted because of it. Logged once until it recovers.",
        "look at the source: `convener check`",
        "ConvenerSnapshotIncomplete",
    ),
    "snapshot.recovered": Line("info", ("route", "source"), "The source is read whole again."),
    "snapshot.rejected": Line(
        "warning",
        ("route", "source", "uid", "line", "reason"),
        "One calendar entry cannot be read; its session is left alone.",
        "mend the entry in the calendar",
    ),
    "source.notice": Line(
        "warning",
        ("route", "source", "reason"),
        "Something about the source ends soon, such as the key that it is read with. Logged now and then until it is "
        "mended.",
        "do what the reason says",
        "any",
    ),
    "drift.found": Line(
        "warning",
        ("route", "vendor", "key", "session", "kind", "outcome", "changed"),
        "The vendor holds something else than was last applied. `kind`: missing, changed (`changed`: what), join_link "
        "(the ledger has the new one now), double (removed), leftover (removed once more), orphan (no meeting of the "
        "ledger has it). `outcome`: repaired (now, or by the pass that follows), adopted, suspected (until the next "
        "check), reported, returned (after a repair; left alone), held. Logged once, not at each check.",
        "find out who changed it; `reported` and `returned` are left to a person, `held` waits for `--force`",
        "ConvenerDrift",
    ),
    "drift.checked": Line(
        "info",
        ("route", "vendor", "sessions", "found"),
        "A route's sessions were compared with what the vendor holds.",
    ),
    "drift.failed": Line(
        "warning",
        ("route", "vendor", "reason"),
        "A drift check could not look at everything; nothing is concluded from what it did not see. It is made again "
        "within 15 minutes. Logged once until a check succeeds.",
        "look at the vendor: `convener check`",
    ),
    "guard.held": Line(
        "warning",
        ("route", "held", "reason"),
        "Removals were held back by the guard; the rest of the plan was applied.",
        "look at `convener plan`; if it is right, `convener reconcile --force`",
        "ConvenerHeld",
    ),
    "vendor.unreachable": Line(
        "error",
        ("vendor", "reason"),
        "The vendor does not answer or fails; its meetings wait. Logged once until it recovers.",
        "look at the vendor: `convener check`",
        "ConvenerVendorDown",
    ),
    "vendor.refused": Line(
        "error",
        ("vendor", "reason"),
        "The vendor does not accept the account.",
        "mend the credentials",
        "ConvenerVendorDown",
    ),
    "vendor.cooldown": Line(
        "warning",
        ("vendor", "seconds"),
        "The vendor asks to wait; its meetings wait so long.",
        "lower `rate`",
        "ConvenerVendorDown",
    ),
    "vendor.recovered": Line("info", ("vendor",), "The vendor answers again."),
}
