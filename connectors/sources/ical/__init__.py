"""The iCalendar source (RFC 5545, RFC 7986): feeds over http(s) and files."""

from pathlib import Path

from connectors.settings import SourcePlugin
from connectors.sources.ical.settings import IcalSettings
from connectors.sources.ical.source import IcalSource


def _connect(name: str, settings: IcalSettings, folder: Path, _locked: bool) -> IcalSource:
    return IcalSource(name, settings, folder)


plugin = SourcePlugin(IcalSettings, _connect)

__all__ = ["IcalSettings", "IcalSource", "plugin"]
