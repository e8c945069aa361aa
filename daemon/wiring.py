"""Puts the parts together: from the configuration to sources, vendors behind their gates, routes and passes."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from connectors import media
from connectors.archive import open_archive
from connectors.feed import FileFeed
from connectors.mail import SmtpMailer
from connectors.settings import VendorSettings
from connectors.sources.ical import IcalSource
from daemon.clock import SystemClock
from daemon.database import open_ledger, pass_lock
from daemon.keys import keys_of
from daemon.settings import Settings, vendor_plugin
from daemon.telemetry import Format, Telemetry
from sync.artifacts.retain import Retention
from sync.errors import ConfigurationError
from sync.follow_up import Outlets
from sync.gate import VendorGate
from sync.ledger.store import Ledger
from sync.links_back.publish import Publisher
from sync.ports import Archive, Clock, Connector, Log, Source
from sync.reconcile import Reconciler
from sync.route import Match, Route

ONE_SHOT_PATIENCE = 5.0
"""Seconds that a one-shot pass waits for a vendor's settle time or Retry-After before it defers."""


@dataclass
class Installation:
    """Everything of one configuration, for the length of one command or of the service's life."""

    settings: Settings
    ledger: Ledger
    clock: Clock
    log: Log
    patience: float = ONE_SHOT_PATIENCE
    locked: bool = False
    stopping: str = ""
    _sources: dict[str, IcalSource] = field(default_factory=dict)
    _connectors: dict[str, Connector] = field(default_factory=dict)
    _gates: dict[str, VendorGate] = field(default_factory=dict)
    _beside: list[VendorGate] = field(default_factory=list)
    _retired: list[Connector] = field(default_factory=list)
    _outlets: dict[str, Outlets] = field(default_factory=dict)
    _archive: Archive | None = None

    def source(self, name: str) -> Source:
        """The source of that name."""
        if name not in self._sources:
            self._sources[name] = IcalSource(name, self.settings.sources[name], self.settings.folder)
        return self._sources[name]

    def connector(self, name: str) -> Connector:
        """The connector of that vendor; a locked installation's connectors cannot write."""
        if name not in self._connectors:
            settings = self.settings.vendors[name]
            plugin = vendor_plugin(settings.type)
            if plugin is None:
                raise ConfigurationError(f'vendor type "{settings.type}" is no longer installed')
            self._connectors[name] = plugin.connect(settings, self.locked)
        return self._connectors[name]

    def gate(self, name: str) -> VendorGate:
        """The vendor's gate of the present run."""
        if name not in self._gates:
            self._gates[name] = VendorGate(name, self.connector(name), self.clock, self.patience)
            if self.stopping:
                self._gates[name].stop(self.stopping)
        return self._gates[name]

    async def new_run(self, vendor: str) -> None:
        """Open the vendor's gate again: what it refused in one run is tried again in the next, with a new login."""
        gate = self._gates.pop(vendor, None)
        if gate is not None and gate.trouble in ("refused", "unreachable"):
            connector = self._connectors.pop(vendor)
            if any(beside.connector is connector for beside in self._beside):
                self._retired.append(connector)  # something is still being fetched through it
            else:
                await connector.close()

    @contextmanager
    def gate_beside(self, name: str) -> Iterator[VendorGate]:
        """A gate of the vendor for work beside the present run."""
        gate = VendorGate(name, self.connector(name), self.clock, self.patience)
        self._beside.append(gate)
        if self.stopping:
            gate.stop(self.stopping)
        try:
            yield gate
        finally:
            self._beside.remove(gate)

    def stop(self, why: str) -> None:
        """Let no vendor call begin any more; the passes under way end with what they have."""
        self.stopping = why
        for gate in (*self._gates.values(), *self._beside):
            gate.stop(why)

    def route(self, name: str) -> Route:
        """The route of that name as the domain knows it."""
        s = self.settings.routes[name]
        return Route(
            name=name,
            source=s.source,
            vendor=s.vendor,
            ahead=s.ahead,
            behind=s.behind,
            invite=s.invite,
            declined=s.declined,
            series=s.series,
            drift=s.drift,
            existing_link=s.existing_link,
            on_unsupported_update=s.on_unsupported_update,
            title_marker=s.title_marker,
            max_delete_percent=s.max_delete_percent,
            guard_from=s.guard_from,
            freeze=s.freeze,
            looks=tuple(sorted(s.looks)),
            mails=self.settings.mail is not None,
            match=Match(s.match.categories, s.match.summary, s.match.location, s.match.organizer),
            vendor_hosts=hosts_of(self.settings.vendors[s.vendor]),
        )

    def reconciler(self, name: str, gate: VendorGate | None = None) -> Reconciler:
        """What makes a pass of that route; with a gate of its own when it does so beside the present run."""
        route = self.route(name)
        vendor = self.settings.vendors[route.vendor]
        return Reconciler(
            route,
            self.source(route.source),
            gate or self.gate(route.vendor),
            self.ledger,
            self.clock,
            self.log,
            vendor.settle,
            vendor.concurrency,
            self.outlets(name),
        )

    @property
    def archive(self) -> Archive:
        """The archive of all routes."""
        if self._archive is None:
            self._archive = open_archive(self.settings.archive, self.settings.folder, self.settings.state)
        return self._archive

    def outlets(self, name: str) -> Outlets:
        """Where that route's artifacts and join links go."""
        if name not in self._outlets:
            settings, feed = self.settings, self.settings.feeds.get(name)
            retention = Retention(settings.archive_max_age, settings.archive_max_size)
            publisher = Publisher(self.ledger, FileFeed(feed, name), self.clock, self.log, name) if feed else None
            mailer = SmtpMailer(settings.mail) if settings.mail and not self.locked else None
            self._outlets[name] = Outlets(self.archive, media, retention, publisher, mailer)
        return self._outlets[name]

    def names(self, given: Iterable[str]) -> list[str]:
        """The named routes, or all. Raises ConfigurationError for an unknown one."""
        names = list(dict.fromkeys(given)) or list(self.settings.routes)
        for name in names:
            if name not in self.settings.routes:
                known = ", ".join(self.settings.routes) or "none"
                raise ConfigurationError(f'{self.settings.path.name}: no route is called "{name}" (there are: {known})')
        return names

    def writing(self) -> Any:
        """The lock that a pass holds while it may write."""
        return pass_lock(self.settings.database_url())

    def harvesting(self) -> Any:
        """The lock that is held while artifacts are fetched: by one process at a time, and nobody waits for it."""
        return pass_lock(self.settings.database_url(), harvest=True, patience=0)

    async def close(self) -> None:
        """Close all connections."""
        for connector in (*self._connectors.values(), *self._retired):
            await connector.close()
        for source in self._sources.values():
            await source.close()


@asynccontextmanager
async def installation(
    settings: Settings, *, log_format: Format = "auto", patience: float = ONE_SHOT_PATIENCE, locked: bool = False
) -> AsyncIterator[Installation]:
    """The installation with its ledger open. Raises LedgerError."""
    log = Telemetry(form=log_format, secrets=secrets_of(settings))
    async with open_ledger(settings.database_url(), keys_of(settings.secret_key)) as ledger:
        await ledger.open_vault(seal=not locked)
        inside = Installation(settings, ledger, SystemClock(), log, patience, locked)
        try:
            yield inside
        finally:
            await inside.close()


def hosts_of(vendor: VendorSettings) -> frozenset[str]:
    """The hosts that the vendor's links may lead to: those of all its addresses and templates."""
    found: set[str] = set()
    for value in dict(vendor).values():
        if isinstance(value, str) and "://" in value:
            with suppress(ValueError):
                found.add(urlsplit(value).hostname or "")
    return frozenset(found - {""})


def secrets_of(settings: Settings) -> list[str]:
    """Every secret of the configuration, for redaction."""
    found = [
        *keys_of(settings.secret_key),
        *_secrets(
            [*settings.sources.values(), *settings.vendors.values(), *([settings.mail] if settings.mail else [])]
        ),
    ]
    url = settings.database.get_secret_value()
    return [*found, password] if (password := urlsplit(url).password) else found


def _secrets(models: Iterable[BaseModel]) -> Iterator[str]:
    for model in models:
        for value in dict(model).values():
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
            elif isinstance(value, BaseModel):
                yield from _secrets([value])
