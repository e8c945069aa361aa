"""A server that answers as a test says, and a source by profile that asks it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connectors.simulators.serve import serve_in_thread
from connectors.simulators.stage import Reply, Request, json_reply
from connectors.simulators.stand_in import StandIn
from connectors.sources.http_json import HttpJsonCrm, HttpJsonSettings
from tests.contract.source import NOW

BASE: dict[str, Any] = {
    "type": "http-json",
    "auth": {"kind": "header", "name": "X-Key", "secret": "s3cret-key"},
    "timeout": "2s",
    "changed": {
        "path": "/meetings",
        "query": {"since": "${since}", "skip": "${offset}"},
        "items": "value",
        "paging": {"size": 2},
    },
    "map": {"subject": "title", "start": "from", "end": "to", "updated": "changed", "description": "text"},
    "exists": {"path": "/meetings", "query": {"id": "${ids}"}, "items": "value[].id"},
}
ITEM = {
    "id": 7,
    "title": "Demo",
    "from": "2026-12-01T09:00:00Z",
    "to": "2026-12-01T10:00:00Z",
    "changed": "2026-11-22T02:00:00Z",
}


class Script(StandIn):
    """Answers as `answers` says; keeps the requests whole, and the waits (seconds)."""

    def __init__(self, answers: Callable[[Request], Reply]) -> None:
        self.answers = answers
        self.seen: list[Request] = []
        self.slept: list[float] = []
        super().__init__()

    def answer(self, request: Request) -> Reply:
        self.seen.append(request)
        return self.answers(request)


@contextmanager
def crm(
    answers: Callable[[Request], Reply], *, bare: bool = False, under: str = "", **more: Any
) -> Iterator[tuple[HttpJsonCrm, Script]]:
    """A source that asks a server which answers so; `bare`: without the tables of BASE, `under` a path."""
    script = Script(answers)

    async def sleep(seconds: float) -> None:
        script.slept.append(seconds)

    with serve_in_thread(script.app) as served:
        given = {} if bare else BASE
        settings = HttpJsonSettings.model_validate({**given, "url": served.url + under, **more})
        yield HttpJsonCrm("crm", settings, now=lambda: NOW, sleep=sleep), script


def value(*items: Any) -> Reply:
    return json_reply(200, {"value": list(items)})
