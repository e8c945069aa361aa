"""The CalDAV source (RFC 4791, RFC 6578): one calendar on a server, read by its changes and written back."""

from pathlib import Path

from connectors.settings import SourcePlugin
from connectors.sources.caldav.settings import CalDavSettings
from connectors.sources.caldav.source import CalDavSource


def _connect(name: str, settings: CalDavSettings, _folder: Path, locked: bool) -> CalDavSource:
    return CalDavSource(name, settings, locked=locked)


plugin = SourcePlugin(CalDavSettings, _connect, writable=True)

__all__ = ["CalDavSettings", "CalDavSource", "plugin"]
