"""The HubSpot source: meetings of one account, read and written by its CRM API."""

from pathlib import Path

from connectors.settings import SourcePlugin
from connectors.sources.crm.poller import CrmSource
from connectors.sources.hubspot.crm import HubspotCrm
from connectors.sources.hubspot.settings import HubspotSettings

__all__ = ["HubspotCrm", "HubspotSettings", "plugin"]


def _connect(name: str, settings: HubspotSettings, folder: Path, locked: bool) -> CrmSource:
    return CrmSource(name, settings, HubspotCrm(name, settings, locked=locked))


plugin = SourcePlugin(HubspotSettings, _connect, writable=True)
