"""The iCalendar source (RFC 5545, RFC 7986): feeds over http(s) and files."""

from connectors.sources.ical.settings import IcalSettings
from connectors.sources.ical.source import IcalSource

__all__ = ["IcalSettings", "IcalSource"]
