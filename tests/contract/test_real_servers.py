"""The life of one session, at a real server when the environment names one, and at every stand-in.

`ONSTREAM_URL` with `ONSTREAM_USERNAME`, `ONSTREAM_PASSWORD` …: for each vendor its type in capitals (`-` is `_`), then
the key of its table in the configuration. The session is made a week ahead, mails nobody, and is removed again.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from typing import Any

import pytest

from connectors.simulators.serve import serve_in_thread
from daemon.settings import vendor_plugin, vendor_plugins
from sync.degrade import degrade
from sync.model import Meeting, MeetingKey, Participant, Role
from sync.ports import Connector, Unfindable
from sync.route import Route

PEOPLE = (Participant("host@example.com", "Hanna Host", Role.MODERATOR), Participant("guest@example.com", "Gus Guest"))


def from_environment(kind: str) -> dict[str, Any]:
    """The vendor's table as the environment gives it; without a URL there is none."""
    plugin = vendor_plugin(kind)
    assert plugin is not None
    prefix = kind.upper().replace("-", "_") + "_"
    found = {
        name: os.environ[prefix + name.upper()]
        for name in plugin.settings.model_fields
        if prefix + name.upper() in os.environ
    }
    tables = {name: json.loads(text) for name, text in found.items() if text.startswith("{") and text.endswith("}")}
    return {"type": kind, **found, **tables} if "url" in found else {}


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    where, kind = request.param
    if where == "real":
        given = from_environment(kind)
        if not given:
            pytest.skip(f"{kind.upper().replace('-', '_')}_URL and credentials are not in the environment")
        yield given
        return
    simulator = entry_points(group="convener.simulators")[kind].load()(username="acme", password="secret")
    with ExitStack() as serving:
        yield simulator.table(serving.enter_context(serve_in_thread(simulator.app)).url)


@pytest.mark.parametrize(
    "table", [(where, kind) for where in ("stand-in", "real") for kind in sorted(vendor_plugins())],
    indirect=True, ids=lambda given: " ".join(given),
)  # fmt: skip
async def test_a_session_is_made_found_changed_and_removed(table: dict[str, Any]) -> None:
    plugin = vendor_plugin(table["type"])
    assert plugin is not None
    connector = plugin.connect(plugin.settings.model_validate(table), False)
    try:
        await connector.check()
        await life(connector)
    finally:
        await connector.close()


async def life(connector: Connector) -> None:
    """Everything that the connector's capabilities declare, once."""
    can = connector.capabilities
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=4)
    wish = Meeting(MeetingKey("test", "life"), "Test of convener", start, start + timedelta(hours=1), PEOPLE)
    wish = degrade(wish, can, Route("test", "test", "test"))
    marker = f"convener/test/{secrets.token_hex(16)}"
    made = await connector.create(wish, marker, mail=False)
    try:
        await _changed(connector, made.ref, wish, made.join_url)
        if can.marker != "none":
            found = await connector.find(marker)
            assert not isinstance(found, Unfindable)
            assert [session.ref for session in found] == [made.ref]
        for person in wish.participants:
            if can.invite and not can.create_invites:
                await connector.invite(made.ref, person, mail=False)
            if can.mints_links:
                assert (await connector.personal_link(made.ref, wish, person)).url.startswith("http")
        people = await connector.invitees(made.ref)
        if not isinstance(people, Unfindable):
            assert {one.email for one in people} == {one.email for one in wish.participants}
        if can.host_links:
            assert (await connector.host_link(made.ref)).startswith("http")
        await connector.artifacts(made.ref)
    finally:
        if can.delete:
            await connector.delete(made.ref)
    if can.delete and can.reads_back:
        assert await connector.get(made.ref) is None


async def _changed(connector: Connector, ref: str, wish: Meeting, join_url: str | None) -> None:
    """The title and the times, as far as they can be changed, and what the vendor shows of them then."""
    can = connector.capabilities
    start = wish.start + timedelta(hours=2)
    moved = Meeting(wish.key, "Test of convener, moved", start, start + timedelta(hours=1), wish.participants)
    if can.update:
        await connector.update(ref, moved, can.update, join_url=join_url)
    shown = await connector.get(ref) if can.reads_back else None
    if shown is not None:
        for field in can.holds & {"title", "start", "end"}:
            assert getattr(shown, field) == getattr(moved if field in can.update else wish, field), field
    assert (shown is not None) == can.reads_back
