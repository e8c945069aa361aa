"""Meetings: sessions, links, participants, and calls whose outcome is not known."""

from sync.logbook.line import Line

LINES: dict[str, Line] = {
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
        "ConvenerQuarantined",
    ),
    "meeting.in_doubt": Line(
        "error",
        ("route", "vendor", "key", "reason"),
        "Nobody can tell whether the vendor made the session.",
        "look at the vendor; `convener adopt KEY REF` or `convener retry KEY`",
        "ConvenerInDoubt",
    ),
    "intent.unsettled": Line(
        "warning",
        ("route", "vendor", "key", "action", "reason"),
        "A call ended with an unknown outcome; the vendor is looked at again before anything else is done.",
        alert="ConvenerUnsettled",
    ),
    "intent.settled": Line(
        "info", ("route", "vendor", "key", "action", "outcome"), "The outcome of an earlier call is now known."
    ),
}
