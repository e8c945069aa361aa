"""The published feeds, and what the page is drawn with."""

import asyncio
import hashlib
import os
import re
from email.utils import formatdate
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from daemon.live import Live

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
_KINDS = {"style.css": "text/css", "icon.svg": "image/svg+xml"}

ASSETS = MappingProxyType({name: files("daemon.web").joinpath("assets", name).read_bytes() for name in _KINDS})
"""By name."""


class Feeds:
    """`/feeds/{name}`: the files of the configured feeds; nothing else is ever read."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def answer(self, request: Request) -> Response:
        """The feed. Raises HTTPException."""
        name = request.path_params["name"]
        feeds = {path.name: path for path in self._live.inside.settings.feeds.values()}
        if name not in feeds:
            raise HTTPException(404)
        try:
            content, modified = await asyncio.to_thread(_read, feeds[name])
        except FileNotFoundError as error:
            raise HTTPException(404, "not written yet") from error
        except OSError as error:
            raise HTTPException(503, "cannot be read now") from error
        headers = {
            "Last-Modified": formatdate(modified, usegmt=True),
            "Cache-Control": "private, max-age=60",
            "Content-Disposition": f'inline; filename="{name}"',
        }
        return _cached(request, content, "text/calendar", headers)


async def asset(request: Request) -> Response:
    """`/assets/{name}`. Raises HTTPException."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404)
    return _cached(request, ASSETS[name], _KINDS[name], {"Cache-Control": "private, max-age=300"})


def _read(path: Path) -> tuple[bytes, float]:
    """The content, and when it was written (seconds since 1970): both of one and the same file."""
    with path.open("rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime


def _cached(request: Request, content: bytes, kind: str, headers: dict[str, str]) -> Response:
    """RFC 9110: 200, or 304 by If-None-Match (section 13.1.2). If-Modified-Since is left alone: its seconds cannot tell
    apart two changes within one."""
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = headers | {"ETag": tag}
    known = ",".join(request.headers.getlist("if-none-match")).strip()
    if known == "*" or tag in _ENTITY_TAG.findall(known):
        headers.pop("Content-Disposition", None)
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=kind)
