"""What the fork server of `process` has done before it forks: imports, certificates, zone names."""

import gc
import zoneinfo

import aiosqlite  # noqa: F401
import anyio._backends._asyncio  # noqa: F401
import h11  # noqa: F401
import httpcore  # noqa: F401
import sqlalchemy.dialects.sqlite.aiosqlite  # noqa: F401

import connectors.vendors.onstream  # noqa: F401
import daemon.cli
import daemon.service  # noqa: F401
import migrations  # noqa: F401
from connectors.http import trusted

trusted()
gc.collect()
gc.freeze()  # none of this is garbage, in any of the processes to come
zoneinfo.available_timezones()
