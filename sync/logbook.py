"""The stable list of log lines: name, level, fields, what it means, what to do about it, when to alert.

`docs/logs.md` holds the same list for people; a test compares the two, and the code that logs, with this one.
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of log line."""

    level: Level
    fields: tuple[str, ...]
    meaning: str
    action: str = "nothing"
    alert: str = "no"


LINES: dict[str, Line] = {
    "daemon.started": Line("info", ("routes",), "The service is up; it looks after so many routes."),
    "daemon.stopped": Line("info", (), "The service has stopped in good order."),
    "run.finished": Line(
        "info",
        ("route", "run", "exit", "created", "updated", "cancelled", "held", "failed", "deferred", "duration_ms"),
        "One pass of a route is over.",
        "see `convener status` when `exit` is not 0",
        "no run.finished with exit 0 for a route within 3 polls",
    ),
    "run.failed": Line(
        "error", ("route", "reason"), "A pass ended with a defect of convener.", "report it with the log", "any"
    ),
    "run.missed": Line("warning", ("route",), "The scheduler could not start a pass in time.", "look at the load"),
    "snapshot.incomplete": Line(
        "warning",
        ("route", "source", "reason"),
        "The source could not be read whole; nothing is deleted because of it. Logged once until it recovers.",
        "look at the source: `convener check`",
        "lasting longer than 3 polls",
    ),
    "snapshot.recovered": Line("info", ("route", "source"), "The source is read whole again."),
    "snapshot.rejected": Line(
        "warning",
        ("route", "source", "uid", "line", "reason"),
        "One calendar entry cannot be read; its session is left alone.",
        "mend the entry in the calendar",
    ),
    "session.created": Line("info", ("route", "vendor", "key", "session"), "A session was made for a meeting."),
    "session.updated": Line("info", ("route", "vendor", "key", "session", "changed"), "A session was changed."),
    "session.deleted": Line("info", ("route", "vendor", "key", "session", "reason"), "A session was removed."),
    "session.adopted": Line(
        "info", ("route", "vendor", "key", "session"), "A session of ours was found at the vendor and taken over."
    ),
    "session.vanished": Line(
        "warning",
        ("route", "vendor", "key", "session"),
        "A session of ours is gone at the vendor without our doing; it is made anew (a new join link).",
        "find out who removed it",
        "any",
    ),
    "session.time_differs": Line(
        "error",
        ("route", "vendor", "key", "session"),
        "The vendor shows another start than was sent: the account's time zone is not what the configuration says.",
        "set the account to the configured zone, daylight saving off",
        "any",
    ),
    "session.retired": Line(
        "info",
        ("route", "vendor", "key", "session", "reason"),
        "A meeting is over for convener; the vendor cannot remove its session, whose link goes on working.",
    ),
    "session.stale": Line(
        "warning",
        ("route", "vendor", "key", "session", "action", "changed"),
        "The calendar changed something that the vendor cannot: the session keeps the old. Logged once.",
        'tell the people concerned, or set `on_unsupported_update = "replace"`',
    ),
    "link.minted": Line(
        "info",
        ("route", "vendor", "key", "session", "again"),
        "A participant's personal link was made, or made anew (`again`); the link itself is never logged.",
    ),
    "link.refused": Line(
        "warning",
        ("route", "vendor", "key", "session", "reason"),
        "The vendor refuses a participant's personal link; it is not asked again until something changes.",
        "mend the cause, then `convener retry KEY`",
        "any",
    ),
    "invitee.added": Line("info", ("route", "vendor", "key", "session"), "A participant was registered."),
    "invitee.removed": Line("info", ("route", "vendor", "key", "session"), "A participant was removed."),
    "invitee.role_changed": Line("info", ("route", "vendor", "key", "session"), "A participant's role was changed."),
    "guard.held": Line(
        "warning",
        ("route", "held", "reason"),
        "Removals were held back by the guard; the rest of the plan was applied.",
        "look at `convener plan`; if it is right, `convener reconcile --force`",
        "any",
    ),
    "meeting.rekeyed": Line(
        "info",
        ("route", "key", "was"),
        "A series was moved: the occurrence has a new key and keeps its session and join link.",
    ),
    "meeting.failed": Line(
        "warning",
        ("route", "vendor", "key", "action", "attempt", "reason"),
        "One step for one meeting failed; it is tried again. Logged for the first failure only.",
    ),
    "meeting.defect": Line(
        "error",
        ("route", "vendor", "key", "action", "reason"),
        "A step for one meeting ran into a defect of convener; the other meetings go on.",
        "report it with the log",
        "any",
    ),
    "meeting.recovered": Line("info", ("route", "vendor", "key"), "A meeting that failed before is in step again."),
    "meeting.quarantined": Line(
        "error",
        ("route", "vendor", "key", "reason"),
        "A meeting failed too often and is set aside; the others go on.",
        "mend the cause, then `convener retry KEY`",
        "any",
    ),
    "meeting.in_doubt": Line(
        "error",
        ("route", "vendor", "key", "reason"),
        "Nobody can tell whether the vendor made the session.",
        "look at the vendor; `convener adopt KEY REF` or `convener retry KEY`",
        "any",
    ),
    "intent.unsettled": Line(
        "warning",
        ("route", "vendor", "key", "action", "reason"),
        "A call ended with an unknown outcome; the vendor is looked at again before anything else is done.",
    ),
    "intent.settled": Line(
        "info", ("route", "vendor", "key", "action", "outcome"), "The outcome of an earlier call is now known."
    ),
    "vendor.unreachable": Line(
        "error",
        ("vendor", "reason"),
        "The vendor does not answer or fails; its meetings wait. Logged once until it recovers.",
        "look at the vendor: `convener check`",
        "lasting longer than 3 polls",
    ),
    "vendor.refused": Line(
        "error", ("vendor", "reason"), "The vendor does not accept the account.", "mend the credentials", "any"
    ),
    "vendor.cooldown": Line(
        "warning", ("vendor", "seconds"), "The vendor asks to wait; its meetings wait so long.", "lower `rate`"
    ),
    "vendor.recovered": Line("info", ("vendor",), "The vendor answers again."),
}
