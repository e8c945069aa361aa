"""What the connectors have in common: a client made from their settings, and the answer to what a vendor lacks."""

from contextlib import AbstractAsyncContextManager

from connectors.addresses import is_safe
from connectors.http import Wire
from connectors.settings import VendorSettings
from sync.errors import Refused
from sync.model import (
    Artifact,
    Capabilities,
    Document,
    Finding,
    Invitee,
    Meeting,
    Participant,
    PersonalLink,
    Session,
    Window,
)
from sync.ports import Download, Listing, Unfindable


def wire_for(settings: VendorSettings, locked: bool, auth: tuple[str, str] | None = None) -> Wire:
    """The account's HTTP client; a locked one cannot write. `auth` is for HTTP Basic."""
    return Wire(
        timeout=settings.timeout.total_seconds(),
        concurrency=settings.concurrency,
        rate=settings.rate,
        locked=locked,
        allow_private=settings.allow_private,
        auth=auth,
    )


def clear_text(url: str) -> tuple[Finding, ...]:
    """The finding that credentials for `url` travel unencrypted over a network, if so."""
    if is_safe(url):
        return ()
    return (Finding("clear-text", "the credentials travel unencrypted: use an https:// url"),)


class VendorConnector:
    """Refuses every optional call: a connector overrides what its capabilities declare, and nothing else.

    `check`, `create`, `get`, `update` and `close` are each vendor's own. See `sync.ports.Connector` for what the
    methods promise.
    """

    capabilities: Capabilities

    async def find(self, marker: str) -> tuple[Session, ...] | Unfindable:
        """Nothing can be found again."""
        return Unfindable(f"{self.capabilities.name} has no way to find a session of ours again")

    async def list(self, window: Window) -> Listing:
        """Nothing is listed, and that proves nothing."""
        return Listing((), complete=False)

    async def delete(self, ref: str) -> None:
        """Not offered."""
        raise self._lacking("cannot remove a session")

    async def invitees(self, ref: str) -> tuple[Invitee, ...] | Unfindable:
        """Nobody is listed."""
        return Unfindable(f"{self.capabilities.name} does not list the participants of a session")

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        """Not offered."""
        raise self._lacking("registers no participants")

    async def change_role(self, ref: str, invitee: str, participant: Participant) -> None:
        """Not offered."""
        raise self._lacking("cannot change a role")

    async def uninvite(self, ref: str, invitee: str) -> None:
        """Not offered."""
        raise self._lacking("cannot remove a participant")

    async def personal_link(self, ref: str, meeting: Meeting, participant: Participant) -> PersonalLink:
        """Not offered."""
        raise self._lacking("makes no personal links on request")

    async def host_link(self, ref: str) -> str:
        """Not offered."""
        raise self._lacking("makes no host links on request")

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        """Nothing is left behind."""
        return ()

    def download(
        self, artifact: Artifact, *, start: int = 0, validator: str = ""
    ) -> AbstractAsyncContextManager[Download]:
        """Not offered."""
        raise self._lacking("offers no downloads")

    async def attach(self, ref: str, document: Document) -> str:
        """Not offered."""
        raise self._lacking("takes no documents")

    def _lacking(self, what: str) -> Refused:
        return Refused(f"{self.capabilities.name} {what}")
