"""Puts the parts together: from the configuration to sources, vendors behind their gates, routes and passes."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from connectors import media
from connectors.archive import open_archive
from connectors.feed import FileFeed
from connectors.mail import SmtpMailer
from connectors.settings import VendorSettings
from connectors.sources.ical.settings import IcalSettings, locate
from daemon.accounts import Account
from daemon.clock import SystemClock
from daemon.database import open_ledger
from daemon.keys import keys_of
from daemon.settings import Settings, source_plugin, vendor_plugin
from daemon.sharing import Held, Sharing, Work
from daemon.telemetry import Format, Telemetry
from sync.artifacts.retain import Retention
from sync.errors import ConfigurationError
from sync.follow_up import Outlets
from sync.gate import Answered, VendorGate
from sync.ledger.store import Ledger
from sync.links_back.publish import Publisher
from sync.outlets import Archive, WritableSource
from sync.ports import Clock, Connector, Log, Source
from sync.reconcile import Reconciler
from sync.route import Match, Route

PATIENCE = 5.0
"""Seconds that a pass waits for a vendor's settle time or Retry-After before it defers."""


@dataclass
class Installation:
    """Everything of one configuration, for the length of one command or of the service's life."""

    settings: Settings
    ledger: Ledger
    clock: Clock
    log: Log
    locked: bool = False
    on_answer: Answered = lambda _vendor, _method, _status: None
    _sources: dict[str, Source] = field(default_factory=dict)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _outlets: dict[str, Outlets] = field(default_factory=dict)
    _archive: Archive | None = None
    _sharing: Sharing | None = None

    def source(self, name: str) -> Source:
        """The source of that name."""
        if name not in self._sources:
            settings = self.settings.sources[name]
            plugin = source_plugin(settings.type)
            if plugin is None:
                raise ConfigurationError(f'source type "{settings.type}" is no longer installed')
            self._sources[name] = plugin.connect(name, settings, self.settings.folder, self.locked)
        return self._sources[name]

    def file_of(self, source: str) -> Path | None:
        """The calendar file that the source reads, None when it reads something else."""
        settings = self.settings.sources[source]
        if not isinstance(settings, IcalSettings):
            return None
        where = locate(settings.url.get_secret_value(), self.settings.folder)
        return where if isinstance(where, Path) else None

    def account(self, name: str) -> Account:
        """The account with that vendor."""
        if name not in self._accounts:
            connect = partial(self._connect, name)
            self._accounts[name] = Account(name, connect, self.clock, PATIENCE, self.on_answer)
        return self._accounts[name]

    def connector(self, name: str) -> Connector:
        """The connector of that vendor; a locked installation's connectors cannot write."""
        return self.account(name).connector

    def _connect(self, name: str) -> Connector:
        settings = self.settings.vendors[name]
        plugin = vendor_plugin(settings.type)
        if plugin is None:
            raise ConfigurationError(f'vendor type "{settings.type}" is no longer installed')
        return plugin.connect(settings, self.locked)

    @asynccontextmanager
    async def working(self, name: str, work: Work = "pass", patience: float | None = None) -> AsyncIterator[Reconciler]:
        """What makes passes of that route (or its harvests), while nobody else does. Raises LockTaken when another
        process works on it for `patience` seconds."""
        async with (
            self.sharing.at_work(name, work, patience) as held,
            self.account(self.settings.routes[name].vendor).gate(held.lost) as gate,
        ):
            yield self._reconciler(name, gate, held.ledger)

    @asynccontextmanager
    async def looking(self, name: str) -> AsyncIterator[Reconciler]:
        """What plans for that route, beside whatever others do with it."""
        async with self.account(self.settings.routes[name].vendor).gate() as gate:
            yield self._reconciler(name, gate, self.ledger)

    def stop(self, why: str) -> None:
        """Let no vendor call begin any more; the passes under way end with what they have."""
        for account in self._accounts.values():
            account.stop(why)

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

    def _reconciler(self, name: str, gate: VendorGate, ledger: Ledger) -> Reconciler:
        route = self.route(name)
        vendor = self.settings.vendors[route.vendor]
        return Reconciler(
            route,
            self.source(route.source),
            gate,
            ledger,
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
            publisher = Publisher(FileFeed(feed, name), self.clock, self.log, name) if feed else None
            mailer = SmtpMailer(settings.mail) if settings.mail and not self.locked else None
            self._outlets[name] = Outlets(
                self.archive, media, retention, publisher, mailer, self._target(name), settings.archive_url
            )
        return self._outlets[name]

    def _target(self, name: str) -> WritableSource | None:
        """That route's source where it is to get something back. The settings know that it can be written."""
        route = self.settings.routes[name]
        written = route.publish.write_back and not self.locked
        return cast(WritableSource, self.source(route.source)) if written else None

    def names(self, given: Iterable[str]) -> list[str]:
        """The named routes, or all. Raises ConfigurationError for an unknown one."""
        names = list(dict.fromkeys(given)) or list(self.settings.routes)
        for name in names:
            if name not in self.settings.routes:
                known = ", ".join(self.settings.routes) or "none"
                raise ConfigurationError(f'{self.settings.path.name}: no route is called "{name}" (there are: {known})')
        return names

    @property
    def sharing(self) -> Sharing:
        """Which routes this process may work on."""
        if self._sharing is None:
            self._sharing = Sharing(self.settings.database_url(), self.ledger, self.log, self.settings.daemon.lease)
        return self._sharing

    def writing(self, *routes: str) -> AbstractAsyncContextManager[Held]:
        """Alone at these routes, as a pass is, for a command that changes what the ledger knows of them: see
        `Sharing.all_at_work`."""
        return self.sharing.all_at_work(routes)

    async def close(self) -> None:
        """Close all connections."""
        if self._sharing is not None:
            await self._sharing.stop()
        for account in self._accounts.values():
            await account.close()
        for source in self._sources.values():
            await source.close()


@asynccontextmanager
async def installation(
    settings: Settings,
    *,
    log_format: Format = "auto",
    locked: bool = False,
    on_line: Callable[[str, Mapping[str, Any]], None] = lambda _event, _fields: None,
    on_answer: Answered = lambda _vendor, _method, _status: None,
) -> AsyncIterator[Installation]:
    """The installation with its ledger open. `on_line` is told of every log line, `on_answer` of every request to a
    vendor. Raises LedgerError."""
    telemetry = Telemetry(form=log_format, secrets=secrets_of(settings))

    def log(event: str, /, **fields: Any) -> None:
        telemetry(event, **fields)
        on_line(event, fields)

    lease = settings.daemon.lease
    async with open_ledger(settings.database_url(), keys_of(settings.secret_key), lease) as ledger:
        await ledger.open_vault(seal=not locked)
        inside = Installation(settings, ledger, SystemClock(), log, locked, on_answer)
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
            [
                settings.daemon,
                *settings.sources.values(),
                *settings.vendors.values(),
                *([settings.mail] if settings.mail else []),
            ]
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
