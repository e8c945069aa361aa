"""The stable list of metrics: name, type, labels, unit, what it means.

`docs/metrics.md` holds the same list for people; a test compares the two, and what is served, with this one. Labels
come from the configuration and from fixed sets only, so that their number is bounded.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric. `unit` is that of its value: seconds (instants: since 1970, UTC), bytes, or what is counted."""

    kind: Kind
    labels: tuple[str, ...]
    unit: str
    meaning: str


LABELS: dict[str, str] = {
    "route": "a route of the configuration",
    "source": "a source of the configuration",
    "vendor": "a vendor of the configuration",
    "event": "a log line of [logs.md](logs.md)",
    "level": "that line's level: `debug`, `info`, `warning`, `error`",
    "exit": "how a pass ended, as an exit code of [cli.md](cli.md): `0`, `3`, `4`, `5`; `1` is a defect",
    "action": "`create`, `update`, `replace`, `cancel`, `invite`, `uninvite`, `role`",
    "result": "`done`, `held`, `failed`, `deferred`, `in_doubt`",
    "outcome": "`repaired`, `adopted`, `suspected`, `reported`, `returned`, `held`",
    "verdict": "`received`, `refused`",
    "state": "`pending`, `live`, `ended`, `cancelled`, `quarantined`, `in_doubt`",
    "what": "as in `status --json`: `documents_refused`, `documents_in_doubt`, `artifacts_waiting`, "
    "`artifacts_given_up`, `looks_failed`, `mails_waiting`, `mails_refused`, "
    "`write_backs_waiting`, `write_backs_refused`",
    "method": "an HTTP method; one that is not usual is `other`",
    "status": "an HTTP status; an unknown one is folded (`4xx`); `timeout`, `unreachable` (no connection), `broken` "
    "(the connection broke), `error`, `other`",
    "version": "convener's version",
}
"""What each label may be."""

MEASURES: dict[str, Measure] = {
    "convener_build_info": Measure("gauge", ("version",), "always 1", "Which convener this is."),
    "convener_alive": Measure("gauge", (), "0 or 1", "Whether the loop and the scheduler really work."),
    "convener_ledger_up": Measure(
        "gauge",
        (),
        "0 or 1",
        "Whether the database could be read for this answer; if not, what comes from it is as it was before.",
    ),
    "convener_log_lines_total": Measure("counter", ("event", "level"), "lines", "Log lines."),
    "convener_runs_total": Measure("counter", ("route", "exit"), "passes", "Passes made here, by how they ended."),
    "convener_runs_missed_total": Measure("counter", ("route",), "passes", "Passes that could not start in time."),
    "convener_pass_duration_seconds": Measure("histogram", ("route",), "seconds", "How long passes took."),
    "convener_changes_total": Measure(
        "counter",
        ("route", "action", "result"),
        "steps",
        "Steps of the plans, by what became of them; one that is put off or held back counts in each pass.",
    ),
    "convener_guard_refusals_total": Measure(
        "counter", ("route",), "refusals", "How often the guard held back removals; counts in each pass."
    ),
    "convener_vendor_requests_total": Measure(
        "counter", ("vendor", "method", "status"), "requests", "HTTP requests to a vendor, by what came of them."
    ),
    "convener_artifact_bytes_total": Measure(
        "counter", ("route", "vendor"), "bytes", "Size of the recordings, documents and reports that were stored."
    ),
    "convener_drift_found_total": Measure(
        "counter", ("route", "outcome"), "sessions", "What drift checks found at the vendor, by what is done about it."
    ),
    "convener_join_links_changed_total": Measure(
        "counter", ("route",), "sessions", "Sessions that were found with another join link at the vendor."
    ),
    "convener_hooks_total": Measure(
        "counter", ("verdict",), "hooks", "Hooks of sources and vendors, counted when they are logged."
    ),
    "convener_route_poll_seconds": Measure("gauge", ("route",), "seconds", "The poll interval of the route's source."),
    "convener_route_running": Measure("gauge", ("route",), "0 or 1", "Whether this process makes a pass just now."),
    "convener_route_next_run_timestamp_seconds": Measure(
        "gauge", ("route",), "seconds", "When the next pass begins here; absent during one, or when that is not known."
    ),
    "convener_lease_held": Measure(
        "gauge",
        ("route",),
        "0 or 1",
        "Whether this process looks after the route; unshared, it always does.",
    ),
    "convener_route_last_attempt_timestamp_seconds": Measure(
        "gauge", ("route",), "seconds", "When the newest pass began, in whichever process; 0: never."
    ),
    "convener_route_last_success_timestamp_seconds": Measure(
        "gauge", ("route",), "seconds", "When the newest pass with exit code 0 ended, in whichever process; 0: never."
    ),
    "convener_route_last_exit": Measure(
        "gauge", ("route",), "exit code", "How the newest finished pass ended; absent before the first."
    ),
    "convener_links": Measure("gauge", ("route", "state"), "meetings", "Meetings in the ledger by state."),
    "convener_pending": Measure(
        "gauge", ("route",), "meetings", "Meetings to come that have no session yet, or a step that failed."
    ),
    "convener_open_intents": Measure("gauge", ("route",), "calls", "Vendor calls whose outcome is not known."),
    "convener_quarantined": Measure("gauge", ("route",), "meetings", "Meetings that are set aside for a person."),
    "convener_in_doubt": Measure("gauge", ("route",), "meetings", "Meetings that a person has to decide about."),
    "convener_held": Measure("gauge", ("route",), "steps", "Steps that the guard held back in the newest pass."),
    "convener_deferred": Measure(
        "gauge", ("route",), "steps", "Steps that the newest pass put off, most often because of the vendor."
    ),
    "convener_beside": Measure(
        "gauge",
        ("route", "what"),
        "things",
        "Documents, artifacts, looks, mails that did not get where they should.",
    ),
    "convener_drift_check_timestamp_seconds": Measure(
        "gauge",
        ("route",),
        "seconds",
        "When a drift check last could compare the route with all that its vendor holds; 0: never.",
    ),
    "convener_drift_unchecked_since_timestamp_seconds": Measure(
        "gauge",
        ("route",),
        "seconds",
        "The same, or when the first pass began where no check ever could; absent before it, and where the vendor "
        "shows nothing that could be compared.",
    ),
    "convener_drift_every_seconds": Measure(
        "gauge", ("route",), "seconds", "How often the route is to be compared; absent where nothing could be."
    ),
    "convener_drift_unresolved": Measure(
        "gauge", ("route", "outcome"), "sessions", "What the last drift check left to a person, until the next one."
    ),
    "convener_source_poll_seconds": Measure("gauge", ("source",), "seconds", "The poll interval of the source."),
    "convener_snapshot_complete": Measure(
        "gauge", ("source",), "0 or 1", "Whether the newest read was whole; absent before the first."
    ),
    "convener_source_read_timestamp_seconds": Measure(
        "gauge", ("source",), "seconds", "When the source was last read, well or badly; 0: never."
    ),
    "convener_source_complete_timestamp_seconds": Measure(
        "gauge", ("source",), "seconds", "When the source was last read whole; 0: never."
    ),
    "convener_source_rejected": Measure(
        "gauge", ("source",), "entries", "Calendar entries that cannot be read; their sessions are left alone."
    ),
    "convener_vendor_up": Measure(
        "gauge", ("vendor",), "0 or 1", "0 while the vendor is unreachable, refuses the account or asks to wait."
    ),
    "convener_vendor_cooldown_seconds": Measure(
        "gauge", ("vendor",), "seconds", "How much longer the vendor asks to wait; 0: not at all."
    ),
}
"""All metrics of ours, by name."""

PROCESS: dict[str, Measure] = {
    "process_cpu_seconds_total": Measure("counter", (), "seconds", "Processor time, user and system."),
    "process_resident_memory_bytes": Measure("gauge", (), "bytes", "Memory that is really used."),
    "process_virtual_memory_bytes": Measure("gauge", (), "bytes", "Memory that is mapped."),
    "process_start_time_seconds": Measure("gauge", (), "seconds", "When the process began."),
    "process_open_fds": Measure("gauge", (), "files", "Open file descriptors."),
    "process_max_fds": Measure("gauge", (), "files", "How many may be open."),
}
"""What the client library tells of the process, on Linux."""
