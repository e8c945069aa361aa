"""Fetches the documents that lie behind addresses which a calendar or a CRM brought.

Such an address is anybody's word: it is asked without credentials, on public hosts only unless the source's
`allow_private` says otherwise, and what comes must be a document and not the page that asks for a login.
"""

import asyncio
from dataclasses import replace

from connectors.answers import BodyTooLarge, place
from connectors.http import Wire
from connectors.media import informative, media_type_of, type_of_name
from sync.errors import CredentialsRefused, Gone, RateLimited, Refused, Unreachable
from sync.model import Document
from sync.ports import Download, Fetched

MAX_DOCUMENT = 50 * 1024 * 1024
"""Bytes of one document."""

LONGEST = 120.0
"""Seconds for one document: the meetings of a route wait for it."""

_AT_ONCE = 2
"""Documents that are on their way at the same time: each of them is held in memory."""
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


class Documents:
    """The documents of one source. `timeout` in seconds, for an answer's beginning and for each chunk, `longest` for
    the whole; `most` in bytes, for each document."""

    def __init__(
        self, *, timeout: float, allow_private: bool, most: int = MAX_DOCUMENT, longest: float = LONGEST
    ) -> None:
        self._most = most
        self._longest = longest
        self._wire = Wire(timeout=timeout, concurrency=_AT_ONCE, allow_private=allow_private)

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def fetch(self, document: Document, validator: str) -> Fetched | None:
        """The document with its content, and its type by that; None when it is still what `validator` stands for.

        One without an address is there already. Raises Refused for what must not or cannot be had, and Unreachable for
        what may work later.
        """
        if document.url is None:
            return Fetched(_typed(document, document.content, ""))
        here = place(document.url)
        try:
            async with (
                asyncio.timeout(self._longest),
                self._wire.stream_if_changed(
                    document.url, home=None, known=validator, headers={"Accept": "*/*"}, most=self._most
                ) as download,
            ):
                if download is None:
                    return None
                content = b"".join([chunk async for chunk in download.chunks])
        except TimeoutError as error:
            raise Unreachable(f"{here}: the document did not come within {self._longest:g} s") from error
        except BodyTooLarge as error:
            raise Refused(f"{here}: the document is larger than {self._most / 1024**2:g} MiB") from error
        except Gone as error:
            raise Gone(f"{here}: there is no document any more (answered {error.status})", error.status) from error
        except (CredentialsRefused, Refused) as error:
            raise _refusal(error, here) from error
        except RateLimited as error:
            raise Unreachable(f"{here}: asks to wait {error.retry_after:.0f} s") from error
        _must_be_the_document(document, content, download, here)
        return Fetched(_typed(document, content, download.media_type), download.validator)


def _refusal(error: CredentialsRefused | Refused, here: str) -> Refused:
    """A refusal by the server in words of our own; one by our rules says it itself."""
    status = error.status if isinstance(error, Refused) else 401
    if status in (401, 403):
        return Refused(f"{here}: a login is needed (answered {status}), and none is ever sent for a document", status)
    return Refused(str(error), status)


def _must_be_the_document(document: Document, content: bytes, download: Download, here: str) -> None:
    """Raises Refused for nothing at all, and for a web page in place of what the entry promised."""
    if not content:
        raise Refused(f"{here}: answers with nothing instead of the document")
    promised = informative(document.media_type) or type_of_name(document.name)
    served = download.media_type
    if not promised or promised in _PAGES or (promised.startswith("text/") and served not in _PAGES):
        return  # a text may begin like a page, as those in Markdown do
    if media_type_of(content, served, "") in _PAGES:
        raise Refused(f"{here}: answers with a web page instead of the document: is a login needed?")


def _typed(document: Document, content: bytes, served: str) -> Document:
    declared = informative(document.media_type) or served
    return replace(document, content=content, media_type=media_type_of(content, declared, document.name))
