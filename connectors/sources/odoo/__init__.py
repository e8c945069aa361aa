"""The Odoo source: meetings of `calendar.event`, by JSON-2 (19 and later) or JSON-RPC (11 to 21)."""

from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.http import Wire
from connectors.settings import SourcePlugin, iana_name
from connectors.sources.crm.poller import CrmSource
from connectors.sources.odoo.crm import OdooCrm
from connectors.sources.odoo.server import OdooServer
from connectors.sources.odoo.settings import OdooSettings


def account(name: str, settings: OdooSettings, *, locked: bool) -> OdooCrm:
    """The account; a locked one cannot write."""
    wire = Wire(timeout=settings.timeout.total_seconds(), locked=locked, allow_private=settings.allow_private)
    return OdooCrm(
        name,
        OdooServer(wire, settings),
        url=settings.url,
        zone=ZoneInfo(iana_name(settings.timezone) or "UTC"),
        keyed=settings.api_key is not None,
    )


def _connect(name: str, settings: OdooSettings, _folder: Path, locked: bool) -> CrmSource:
    return CrmSource(name, settings, account(name, settings, locked=locked))


plugin = SourcePlugin(OdooSettings, _connect, writable=True)

__all__ = ["OdooCrm", "OdooSettings", "account", "plugin"]
