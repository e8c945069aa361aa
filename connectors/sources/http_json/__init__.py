"""Any CRM with JSON over HTTP, described by a profile: data that says how to ask, and what the answers mean."""

from pathlib import Path

from connectors.settings import SourcePlugin
from connectors.sources.crm.poller import CrmSource
from connectors.sources.http_json.crm import HttpJsonCrm
from connectors.sources.http_json.settings import SHIPPED, HttpJsonSettings


def connect(name: str, settings: HttpJsonSettings, folder: Path, locked: bool) -> CrmSource:
    """The source called `name`; a locked one cannot write."""
    return CrmSource(name, settings, HttpJsonCrm(name, settings, locked=locked))


plugin = SourcePlugin(HttpJsonSettings, connect, writable=True)

dolibarr = espocrm = pipedrive = suitecrm = plugin
"""The shipped profiles are types as well; the settings know which one they stand for."""

plugins: dict[str, SourcePlugin] = dict.fromkeys(("http-json", *SHIPPED), plugin)
"""By type."""

__all__ = [
    "HttpJsonCrm",
    "HttpJsonSettings",
    "connect",
    "dolibarr",
    "espocrm",
    "pipedrive",
    "plugin",
    "plugins",
    "suitecrm",
]
