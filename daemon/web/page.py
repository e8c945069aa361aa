"""`/`: the status page. Made on the server, without a script; it renews itself."""

import asyncio
from importlib.metadata import version

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from daemon.live import Live
from daemon.web.board import Board, board
from daemon.web.health import NO_STORE

RENEW = 30
"""Seconds after which a browser asks for the page again; `?renew=off` keeps it still."""


class Page:
    """Makes the page; however many ask for it at a time, the ledger is asked one by one."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._one_at_a_time = asyncio.Lock()
        self._begun = 0
        self._last: tuple[int, Board] | None = None
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("daemon.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = environment.get_template("page.html.j2")
        self._version = version("convener")

    async def answer(self, request: Request) -> Response:
        """The page."""
        shown = await self._fresh()
        renew = 0 if request.query_params.get("renew") == "off" else RENEW
        return HTMLResponse(self._template.render(board=shown, renew=renew, version=self._version), headers=NO_STORE)

    async def _fresh(self) -> Board:
        """What was begun to be made after it was asked for: by us, or meanwhile for somebody else."""
        asked = self._begun
        async with self._one_at_a_time:
            if self._last is None or self._last[0] <= asked:
                self._begun += 1
                self._last = (self._begun, await board(self._live))
            return self._last[1]
