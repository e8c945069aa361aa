"""The process itself: its life, its clock, its leases, its web server."""

from sync.logbook.line import Line

LINES: dict[str, Line] = {
    "daemon.started": Line("info", ("routes",), "The service is up; it looks after so many routes."),
    "daemon.stopped": Line("info", (), "The service has stopped in good order."),
    "daemon.abandoned": Line(
        "warning",
        ("routes",),
        "The service ends, or has taken a new configuration over, and calls outlasted `daemon.drain`: they were broken "
        "off, and the next pass looks for their effects first.",
    ),
    "daemon.reloaded": Line("info", ("routes",), "The configuration was read again and is in force."),
    "daemon.reload_refused": Line(
        "error",
        ("reason",),
        "The configuration was read again and cannot be used: the one before stays in force.",
        "mend the configuration, then `systemctl reload convener`",
        "any",
    ),
    "database.unreachable": Line(
        "error",
        ("reason",),
        "The database does not answer at the start: the service waits for it.",
        "start the database, or mend `database`",
        "any",
    ),
    "database.recovered": Line("info", (), "The database answers: the service starts."),
    "library.warned": Line(
        "warning",
        ("library", "reason"),
        "A library that convener uses has something to say, mostly about a connection that broke.",
        "report it with the log when it comes again and again",
    ),
    "clock.stepped": Line(
        "warning",
        ("seconds",),
        "The machine's clock was set, or the machine slept: so far forward (or, below 0, back).",
        "look at the machine's time synchronisation",
    ),
    "lease.gained": Line(
        "info",
        ("routes", "names"),
        "With PostgreSQL: so many further routes are this process's to look after, from now on.",
    ),
    "lease.given": Line(
        "info",
        ("routes", "names", "reason"),
        "With PostgreSQL: routes were left to another process, which has fewer, or is a command that works on them.",
    ),
    "lease.lost": Line(
        "warning",
        ("routes", "names", "reason"),
        "With PostgreSQL: this process did not renew its leases of these routes in time and stops working on them; "
        "another takes them over.",
        "look at the load of the machine and at the database; `daemon.lease` is how long it may take",
    ),
    "sharing.failed": Line(
        "error",
        ("reason",),
        "With PostgreSQL: routes cannot be taken or kept (`leases`), or hints of other processes do not arrive "
        "(`hints`), which the poll makes up for. Logged once until everything works again.",
        "look at the database",
        "ConvenerLedgerDown",
    ),
    "sharing.recovered": Line("info", (), "Routes can be taken and kept again, and hints arrive."),
    "watch.failed": Line(
        "warning",
        ("folder", "reason"),
        "Changes of calendar files there are not noticed at once; they are at the next poll.",
        "make the folder, or mend its permissions",
    ),
    "watch.recovered": Line("info", ("folder",), "Changes of calendar files there are noticed at once again."),
    "web.started": Line("info", ("listen",), "The service answers HTTP requests at this address."),
    "web.failed": Line(
        "error",
        ("listen", "reason"),
        "The service cannot answer HTTP requests there; everything else goes on.",
        "free the address or set `daemon.listen`",
        "ConvenerDown",
    ),
    "ping.failed": Line(
        "warning",
        ("reason",),
        "The dead man's switch (`daemon.ping_url`) cannot be told that all is well. Logged once until it recovers.",
        "look at that server; it raises the alarm by itself",
    ),
    "ping.recovered": Line("info", (), "The dead man's switch is told again that all is well."),
    "web.refused": Line(
        "warning",
        ("client", "times"),
        "Somebody showed a wrong token: so often since the last such line. Logged once a minute at most.",
        "find out who; a proxy in front shows as the client",
        "ConvenerStrangers",
    ),
    "web.error": Line(
        "error",
        ("path", "reason"),
        "A request ran into a defect of convener; the others are answered. Each kind is logged once a minute at most.",
        "report it with the log",
        "any",
    ),
    "hook.received": Line(
        "info",
        ("name", "routes", "times"),
        "A source or a vendor said that something has happened, so often since the last such line: a pass of its "
        "routes is made soon. Logged once a minute at most for each name.",
    ),
    "hook.refused": Line(
        "warning",
        ("name", "reason", "times"),
        "A hook did not prove that it knows the secret, so often since the last such line. Logged once a minute at "
        "most for each name.",
        "compare `hook_secret` with the sender's; otherwise find out who it is",
        "ConvenerStrangers",
    ),
}
