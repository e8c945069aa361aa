"""A sixth vendor in this one file: settings, connector, stand-in, and the common suite that proves it."""

import base64
import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from connectors.answers import Answer
from connectors.base import VendorConnector, wire_for
from connectors.settings import VendorPlugin, VendorSettings
from connectors.simulators.stage import Reply, Request, json_reply
from connectors.simulators.stand_in import StandIn
from sync.errors import Gone, OutsideError, Refused, UnknownOutcome, Unreachable
from sync.model import Capabilities, Finding, Meeting, Session, Window
from sync.ports import Connector, Listing
from tests.contract.connector import ConnectorSuite


class ToySettings(VendorSettings):
    type: Literal["toy"]
    password: SecretStr


class Room(BaseModel):
    id: int
    name: str
    mark: str


class ToyConnector(VendorConnector):
    capabilities = Capabilities(
        name="Toy", session="room", marker="metadata", holds=frozenset({"title"}), update=frozenset({"title"}),
        invite=False, uninvite=False, change_role=False, list_invitees=False,
    )  # fmt: skip

    def __init__(self, settings: ToySettings, locked: bool) -> None:
        self._wire = wire_for(settings, locked, auth=("toy", settings.password.get_secret_value()))
        self._rooms = f"{settings.url}/rooms"

    async def close(self) -> None:
        await self._wire.close()

    async def check(self) -> tuple[Finding, ...]:
        await self._wire.read(self._rooms)
        return ()

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        room = {"name": meeting.title, "mark": marker}
        answer = await self._wire.write(self._rooms, method="POST", content=json.dumps(room).encode())
        return self._sessions(answer, UnknownOutcome)[0]

    async def get(self, ref: str) -> Session | None:
        try:
            return self._sessions(await self._wire.read(self._room(ref)), Unreachable)[0]
        except Gone:
            return None

    async def find(self, marker: str) -> tuple[Session, ...]:
        everything = self._sessions(await self._wire.read(self._rooms), Unreachable)
        return tuple(session for session in everything if session.marker == marker)

    async def list(self, window: Window) -> Listing:
        return Listing(self._sessions(await self._wire.read(self._rooms), Unreachable), complete=True)

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        if changed:
            content = json.dumps({"name": meeting.title}).encode()
            self._sessions(await self._wire.write(self._room(ref), method="PATCH", content=content), UnknownOutcome)

    async def delete(self, ref: str) -> None:
        try:
            self._sessions(await self._wire.write(self._room(ref), method="DELETE"), UnknownOutcome)
        except Gone:
            return

    def _room(self, ref: str) -> str:
        if not (ref.isascii() and ref.isdigit()):
            raise Refused("not a room's number")
        return f"{self._rooms}/{ref}"

    def _sessions(self, answer: Answer, otherwise: type[OutsideError]) -> tuple[Session, ...]:
        try:
            rooms = TypeAdapter(list[Room]).validate_json(answer.body)
        except ValidationError as error:
            raise otherwise("the answer cannot be read") from error
        return tuple(
            Session(str(r.id), title=r.name, marker=r.mark, join_url=f"{self._rooms}/{r.id}/join") for r in rooms
        )


plugin = VendorPlugin(ToySettings, ToyConnector, ToyConnector.capabilities)


class ToySimulator(StandIn):
    def reset(self) -> None:
        super().reset()
        self.rooms: dict[str, dict[str, Any]] = {}
        self.last = 0

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != "Basic " + base64.b64encode(b"toy:secret-word").decode():
            return Reply(401)
        number = request.path.removeprefix("/rooms").strip("/")
        if number and number not in self.rooms:
            return Reply(404)
        shown = [self.rooms[number]] if number else list(self.rooms.values())
        if request.method == "POST":
            self.last += 1
            shown = [{"id": self.last} | json.loads(request.body)]
            self.rooms[str(self.last)] = shown[0]
        elif request.method == "PATCH":
            shown[0] |= json.loads(request.body)
        elif request.method == "DELETE":
            del self.rooms[number]
        self._changes += request.method != "GET"
        return json_reply(200, shown)


class TestToy(ConnectorSuite):
    capabilities = ToyConnector.capabilities
    session_resource = look_resource = "rooms"
    invitee_resource = ""
    secrets = ("secret-word",)

    @pytest.fixture
    def sim(self) -> ToySimulator:
        return ToySimulator()

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        given = {"type": "toy", "url": url, "timeout": timeout, "password": "secret-word"} | more
        return plugin.connect(ToySettings.model_validate(given), locked)
