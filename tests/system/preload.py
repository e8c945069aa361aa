"""What the fork server of `process` has done before it forks: imports, certificates, zone names."""

import zoneinfo

import anyio._backends._asyncio  # noqa: F401

import connectors.vendors.onstream  # noqa: F401
import daemon.cli  # noqa: F401
from connectors.http import trusted

trusted()
zoneinfo.available_timezones()
