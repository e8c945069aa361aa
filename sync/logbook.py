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
    "run.missed": Line(
        "warning",
        ("route", "reason"),
        "A pass could not start in time: the one before is still going on, or another process has the lock.",
        "look at the load, or poll less often",
    ),
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
    "document.pushed": Line(
        "info",
        ("route", "vendor", "key", "session", "again", "bytes"),
        "A document was handed to a session, or handed over anew because it has changed (`again`).",
    ),
    "document.failed": Line(
        "warning",
        ("route", "vendor", "key", "session", "reason"),
        "A document could not be fetched, or the vendor said no; it is tried again. Logged for the first failure only.",
        "see `convener artifacts`; mend the address in the calendar",
    ),
    "document.in_doubt": Line(
        "error",
        ("route", "vendor", "key", "session", "reason"),
        "Nobody can tell whether the session has got a document, and it must not get it twice.",
        "look at the session; `convener retry KEY` hands it over once more",
        "any",
    ),
    "artifact.stored": Line(
        "info",
        ("route", "vendor", "key", "session", "kind", "bytes", "path"),
        "A recording, a document or a report is whole and in the archive.",
    ),
    "artifact.failed": Line(
        "warning",
        ("route", "vendor", "key", "session", "reason"),
        "An artifact could not be fetched; it is gone on with later. Logged for the first failure only.",
    ),
    "artifact.given_up": Line(
        "error",
        ("route", "vendor", "key", "session", "kind", "reason"),
        "An artifact was seen at the vendor and never became ready, or could not be fetched for a week.",
        "fetch it by hand from the vendor",
        "any",
    ),
    "artifact.removed": Line(
        "info",
        ("route", "key", "kind", "path", "reason"),
        "The archive's retention removed a file, for `age` or `size`.",
    ),
    "looks.failed": Line(
        "warning",
        ("route", "vendor", "key", "session", "reason"),
        "The vendor could not say what a meeting left; it is asked again. Logged for the first failure only.",
    ),
    "looks.finished": Line(
        "info",
        ("route", "vendor", "key", "session", "looks", "stored", "outcome"),
        "What a meeting left is in the archive (`found`), or the last look was made (`no more looks`).",
    ),
    "looks.given_up": Line(
        "error",
        ("route", "vendor", "key", "session", "reason"),
        "For a week the vendor could not say what a meeting left; it is not asked any more.",
        "look at the vendor and fetch by hand what is there",
        "any",
    ),
    "archive.failed": Line(
        "error",
        ("route", "reason"),
        "The archive cannot be used: its retention and manifests wait.",
        "look at its permissions and its free space",
        "any",
    ),
    "feed.written": Line("info", ("route", "meetings"), "The route's feed with join links was published anew."),
    "feed.failed": Line(
        "error",
        ("route", "reason"),
        "The route's feed could not be written; subscribers see the last one.",
        "look at the permissions and the free space of the folder `feeds`",
        "any",
    ),
    "mail.sent": Line(
        "info", ("route", "key", "method"), "An invitation (REQUEST) or its withdrawal (CANCEL) was mailed."
    ),
    "mail.refused": Line(
        "warning",
        ("route", "key", "reason"),
        "A participant was not mailed, or nobody knows whether they were: the server refuses the address, put the mail "
        "off too often, or twice did not say whether it took it. It is not tried again by itself.",
        "`convener explain KEY` has the reason; mend the address in the calendar, or `convener retry KEY`",
    ),
    "mail.failed": Line(
        "warning",
        ("route", "reason"),
        "The mail server cannot be used; the mails wait. Logged for the first failure only.",
        "look at the mail server",
        "lasting longer than 3 polls",
    ),
    "web.started": Line("info", ("listen",), "The service answers HTTP requests at this address."),
    "web.failed": Line(
        "error",
        ("listen", "reason"),
        "The service cannot answer HTTP requests there; everything else goes on.",
        "free the address or set `daemon.listen`",
        "any",
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
