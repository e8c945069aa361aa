"""What is kept of an Onstream recording: its media where its link answers with one, else a note that refers to it.

The document promises a link and nothing about what is behind it (section "GET recording(s)"): a page that plays the
recording, which may ask for a password or a name, or the file itself.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC

import httpx

from connectors.answers import BodyTooLarge
from connectors.downloads import at_once, looked_into
from connectors.media import looks_like_a_page
from sync.errors import CredentialsRefused, OutsideError, RateLimited, Refused, Unreachable
from sync.model import Artifact
from sync.ports import Download

HEAD = 512
"""Bytes that tell a page from media."""
NOT_YET = "its link does not answer yet"

_LATER = (401, 403, 404, 410)
"""Refusals that a recording's link may give until it is published, or its password is taken away."""

_MEDIA = (
    *("video/", "audio/", "application/mp4", "application/zip", "application/x-zip-compressed"),
    *("application/octet-stream", "binary/octet-stream"),
)


@asynccontextmanager
async def media_or_note(
    artifact: Artifact, vendor: str, media: AbstractAsyncContextManager[Download], *, start: int
) -> AsyncIterator[Download]:
    """The recording's `media`, which its link is to lead to, or a JSON document that refers to it.

    A link that cannot be asked now, or refuses, leaves the note for the time being (`Download.more`); a page, media
    that is too large and an address that must not be asked leave it for good. But what has begun as media (`start`) is
    not replaced by it: that raises Unreachable, and so does media that breaks off.
    """
    async with AsyncExitStack() as opened:
        found: Download | None = None
        more = ""
        try:
            found = await opened.enter_async_context(media)
        except (Refused, CredentialsRefused, Unreachable, RateLimited) as error:
            if start:
                raise Unreachable(str(error)) from error
            more = _still_to_come(error)
        if found and not found.start:
            found = await _unless_a_page(found, opened)
            if start and not found:
                raise Unreachable("the recording's link, which gave media, answers with something else now")
        yield found or note(artifact, vendor, more=more)


def _still_to_come(error: OutsideError) -> str:
    """What may be behind the link another time, "" when it will not be otherwise then."""
    if isinstance(error, CredentialsRefused) or (isinstance(error, Refused) and error.status in _LATER):
        return f"its link is refused for now ({str(error).rpartition(' ')[2]})"  # "…: answered 403"
    return "" if isinstance(error, Refused | BodyTooLarge) else NOT_YET


async def _unless_a_page(found: Download, opened: AsyncExitStack) -> Download | None:
    if not found.media_type.startswith(_MEDIA):
        return None
    head, found = await opened.enter_async_context(looked_into(found, HEAD))
    return found if head and not looks_like_a_page(head) else None


def note(artifact: Artifact, vendor: str, *, more: str = "") -> Download:
    """What is known of the recording as a JSON document, the same for the same recording; a password never is in it."""
    said = {
        "kind": artifact.kind,
        "vendor": vendor,
        "id": artifact.ref,
        "session_id": artifact.session_ref,
        "title": artifact.name,
        "link": _without_user(artifact.link) if artifact.link else None,
        "duration_s": artifact.duration,
        "created": artifact.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if artifact.created else None,
    }
    text = json.dumps(said, ensure_ascii=False, indent=2) + "\n"
    return at_once(text.encode("utf-8", "replace"), "application/json", more=more)


def _without_user(link: str) -> str:
    try:
        url = httpx.URL(link)
    except httpx.InvalidURL:
        return link
    return str(url.copy_with(userinfo=b"")) if url.userinfo else link
