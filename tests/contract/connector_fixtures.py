"""The ground under the contract tests of connectors: fixtures and meetings.

Each test starts with a fresh simulator, served over real loopback HTTP. What a vendor cannot do is skipped by
asking its capabilities, never by naming it.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from connectors.simulators.serve import serve_in_thread
from sync.model import Capabilities, Meeting, MeetingKey, Participant, Role
from sync.ports import Connector

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
MARKER = "convener:6f1d2a"
SHORT = "300ms"
"""The client's time-out where a test lets the server keep silent."""

PEOPLE = (
    Participant("ada@example.com", "Ada King Lovelace", Role.MODERATOR),
    Participant("grace@example.com", "Grace Hopper", Role.PARTICIPANT),
    Participant("kurt@example.com", "", Role.OBSERVER),
)
HOSTILE_TITLES = {
    "emoji": "Launch 🚀 in Zürich – 日本語",
    "form characters": "a&b=c+d%20e#f;g?h/i\\j",
    "cut and replace": 'a&rest_data={}&input_type=json"}',
    "markup": "<b>Bold</b> \"quoted\" 'n' &amp; done",
    "line ends": "first\r\nX-Injected: yes\nthird",
    "right to left": "\u202eפגישה עם لقاء\u202c",
    "300 characters": "x" * 300,
    "percent": "100% %s %d %%",
}
Factory = Callable[..., Connector]
"""Makes a connector for the served simulator: `make(locked=False, timeout="5s", **settings)`."""


def a_meeting(title: str = "Weekly", start: datetime = NOON, minutes: float = 60, **more: Any) -> Meeting:
    """A meeting that lacks nothing."""
    key = MeetingKey("sales", "uid-1")
    return Meeting(key, title, start, start + timedelta(minutes=minutes), **more)


def can(capabilities: Capabilities, name: str) -> bool:
    """Whether a vendor can do what `@pytest.mark.needs(name)` names: a capability, a field that it holds, "find"
    or "all_roles"."""
    if name == "find":
        return capabilities.marker != "none"
    if name == "all_roles":
        return capabilities.roles == frozenset(Role)
    if name in ("title", "start", "end"):
        return name in capabilities.holds
    return bool(getattr(capabilities, name))


class ConnectorFixtures:
    """The fixtures. A subclass gives `sim` and `new_connector` and names the resources."""

    capabilities: Capabilities
    """Those of the connector under test."""
    session_resource: str
    """The resource of the create, update and delete calls."""
    invitee_resource: str
    look_resource: str
    """The resource that `find` and `list` read."""
    secrets: tuple[str, ...]
    """Texts that must not come out in any error, log or repr."""
    hidden_paths: tuple[str, ...] = ("/api",)
    """Parts of addresses that errors must not show, because paths and queries may hold secrets."""
    unknown_ref = "987654"
    """A well-formed reference of a session that does not exist."""
    wrong_credentials: Mapping[str, Any] = MappingProxyType({"password": "wrong-pass-word"})
    """Settings that the vendor does not let in."""
    look_requests = 1
    """Requests of a look in an account with one session."""
    login_requests = 1
    """Requests that a refused login costs."""

    def shown_marker(self, marker: str) -> str | None:
        """The marker as the vendor shows it in a session that was not looked for by it."""
        return marker

    def effects(self, sim: Any, resource: str) -> int:
        """How many requests to the resource had an effect so far."""
        return int(sim.changes)

    def recipients(self, sim: Any) -> list[str]:
        """The addresses of the mails that the vendor sent to participants."""
        return [mail.email for mail in sim.mails]

    @pytest.fixture
    def sim(self) -> Any:
        """The vendor's simulator, fresh."""
        raise NotImplementedError

    def new_connector(self, url: str, *, locked: bool, timeout: str, **settings: Any) -> Connector:
        """A connector for the simulator at `url`."""
        raise NotImplementedError

    @pytest.fixture
    def url(self, sim: Any) -> Iterator[str]:
        """Where the simulator is served."""
        with serve_in_thread(sim.app) as served:
            yield served.url

    @pytest.fixture
    async def make(self, url: str) -> AsyncIterator[Factory]:
        """Connectors, closed at the end."""
        made = []

        def factory(*, locked: bool = False, timeout: str = "5s", **settings: Any) -> Connector:
            connector = self.new_connector(url, locked=locked, timeout=timeout, **settings)
            made.append(connector)
            return connector

        yield factory
        for connector in made:
            await connector.close()

    @pytest.fixture
    def connector(self, make: Factory) -> Connector:
        """A connector that may write."""
        return make()

    @pytest.fixture(autouse=True)
    def _skip_what_the_vendor_cannot(self, request: pytest.FixtureRequest) -> None:
        marker = request.node.get_closest_marker("needs")
        missing = [name for name in (marker.args if marker else ()) if not can(self.capabilities, name)]
        if missing:
            pytest.skip(f"this vendor has no {', '.join(missing)}")
