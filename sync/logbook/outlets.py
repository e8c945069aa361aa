"""What goes beside the meetings: documents, artifacts, feeds, mails, and what the sources get back."""

from sync.logbook.line import Line

LINES: dict[str, Line] = {
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
        "ConvenerInDoubt",
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
        "ConvenerArtifactGivenUp",
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
        "ConvenerArtifactGivenUp",
    ),
    "archive.failed": Line(
        "error",
        ("route", "reason"),
        "The archive cannot be used: its retention and manifests wait. Logged once until it recovers.",
        "look at its permissions and its free space",
        "any",
    ),
    "archive.recovered": Line("info", ("route",), "The archive can be used again."),
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
        "ConvenerMailFailing",
    ),
    "link.written_back": Line(
        "info",
        ("route", "source", "key", "outcome"),
        "A meeting's join link stands in its source (`written`), in place of a former one (`replaced`), or was taken "
        "away there (`removed`); the link itself is not logged.",
    ),
    "artifact.told": Line(
        "info",
        ("route", "source", "key", "kind", "path"),
        "A meeting's source was told of an artifact that is in the archive.",
    ),
    "writeback.skipped": Line(
        "info",
        ("route", "source", "key", "what"),
        "The source has no place for a meeting's join link (`what`: link) or for an artifact (its name). Logged once.",
    ),
    "writeback.refused": Line(
        "warning",
        ("route", "source", "key", "what", "reason"),
        "The source refuses a meeting's join link (`what`: link) or an artifact (its name). It is tried again, 8 times "
        "in all, and then when the link changes. Logged for the first refusal only.",
        "`convener explain KEY` has the reason; mend it in the source, then `convener retry KEY`",
    ),
    "writeback.failed": Line(
        "warning",
        ("route", "source", "reason"),
        "The source cannot be written, or did not say whether it was; what is to be written there waits. Logged for "
        "the first failure only.",
        "look at the source and the rights of its account",
        "ConvenerWriteBackFailing",
    ),
    "writeback.recovered": Line("info", ("route", "source"), "The source can be written again, and nothing waits."),
}
