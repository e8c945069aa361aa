"""Calls to one Idiligo account: the token, and the operations. What is sent and read is in `idiligo_wire.py`.

Only POST is used: with GET, which the service offers too, the password and the token would be in addresses. Errors of
every kind are a 500 with a text, an expired token among them, so the token is renewed long before it expires.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, TypeVar

from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.login import Login, NotUnderstood
from connectors.vendors import idiligo_wire as wire_format
from connectors.vendors.idiligo_wire import Attachment, Pairs, Unreadable
from sync.errors import CredentialsRefused, Gone, Refused, UnknownOutcome, Unreachable
from sync.ports import Download

RENEW_AFTER = 20 * 3600.0
"""Seconds; a token is good for 24 hours (section 1)."""

_Read = TypeVar("_Read")


class Said(UnknownOutcome):
    """The operation ended with an error text of its own, whatever it had done by then."""


class IdiligoApi:
    """One account on one server. `login` is the operation and the parameters that give a token; `secrets` are texts
    that no message may show."""

    def __init__(
        self,
        wire: Wire,
        *,
        url: str,
        login: tuple[str, Pairs],
        secrets: tuple[str, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire = wire
        self._url = url
        self._credentials = login
        self._secrets = secrets
        self._login = Login(self._enter, lasts=RENEW_AFTER, clock=clock)

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    def stream(self, url: str, start: int, validator: str) -> AbstractAsyncContextManager[Download]:
        """The content behind an address that the vendor gave."""
        return self._wire.stream(url, home=self._url, start=start, validator=validator)

    # Operations, in the order of the document

    async def enter_afresh(self) -> None:
        """Section 1: a new token, also when the last login was refused. Raises CredentialsRefused."""
        await self._login.afresh()

    async def create_contact(self, email: str, first: str, last: str) -> str:
        """Section 2: a new contact's id."""
        names = [("firstName", wire_format.harmless(first)), ("lastName", wire_format.harmless(last))]
        return await self._write(wire_format.identifier, "CreateContact", ("email", email), *names)

    async def create_call(self, traject: str) -> str:
        """Section 3: a new call's id."""
        return await self._write(wire_format.number_of_call, "CreateCall", ("trajectCode", traject))

    async def set_contact(self, call: str, contact: str) -> None:
        """Section 4."""
        await self._write(wire_format.nothing, "SetContact", ("callId", call), ("contactId", contact))

    async def agent_url(self, call: str, return_url: str) -> str:
        """Section 5: the organizer's way in. Asked for once more with a new token: that does no harm."""
        asked = (("callId", call), ("returnUrl", return_url))
        return await self._given(wire_format.web_address, "GetAgentUrl", *asked, attempts=2)

    async def public_id(self, call: str) -> str:
        """Section 6: "this request generates the Public ID". So it is a write that is never repeated here: whether a
        second one voids the first is not documented. Raises Unreachable and Refused, never UnknownOutcome."""
        return await self._given(wire_format.identifier, "GetPublicCallId", ("callId", call))

    async def set_values(self, public_id: str, values: Pairs) -> None:
        """Section 7: the values of the script's fields, by name."""
        names = [("names", name) for name, _ in values]
        texts = [("values", wire_format.harmless(text)) for _, text in values]
        await self._write(wire_format.nothing, "SetValues", ("publicId", public_id), *names, *texts)

    async def add_document(self, url: str, name: str, external_id: str) -> str:
        """Section 8, step 1: Idiligo fetches the document; its id there. No call has it before step 2, so one whose id
        did not arrive is in nobody's way. Raises Unreachable and Refused, never UnknownOutcome."""
        what = (("url", url), ("filename", wire_format.harmless(name)), ("externalId", external_id))
        return await self._given(wire_format.identifier, "AddDocumentFromUrl", *what, attempts=2)

    async def set_document(self, call: str, external_id: str, document: str) -> None:
        """Section 8, step 2: the document becomes the content of the script's Upload node."""
        what = (("callId", call), ("externalId", external_id), ("documentId", document))
        await self._write(wire_format.nothing, "SetDocumentToUploadAction", *what)

    async def attachments(self, call: str) -> list[Attachment]:
        """Section 9. Raises what `Wire.read` raises."""
        answer = await self._ask("GetAttachments", ("callId", call))
        try:
            return wire_format.attachments(answer.body)
        except Unreadable as error:
            raise Unreachable(f"{self._what('GetAttachments')}: unreadable answer ({error})") from None

    # Calls

    async def _ask(self, operation: str, *pairs: tuple[str, str]) -> Answer:
        """A harmless call. After a 500 it is made once more, with a new token when there was a text: the old one may
        have ended before its time."""
        answer, token = await self._read_once(operation, pairs)
        if answer.status == 500:
            answer, token = await self._read_once(operation, pairs)
        if answer.status == 500:
            message = self._answered(operation, wire_format.error_text(answer, (*self._secrets, token)))
            raise Refused(message, 500) if wire_format.is_text(answer) else Unreachable(message)
        return answer

    async def _read_once(self, operation: str, pairs: Pairs) -> tuple[Answer, str]:
        token = await self._login.key()
        answer = await self._wire.read(
            self._address(operation),
            method="POST",
            headers=wire_format.FORM,
            content=wire_format.form([("token", token), *pairs]),
            raw_status=True,
            raw_500=True,
        )
        if answer.status != 500:
            self._raise_for_status(answer, operation, token, write=False)
        elif wire_format.is_text(answer):
            self._login.forget(token)
        return answer, token

    async def _given(
        self, parse: Callable[[bytes], str], operation: str, *pairs: tuple[str, str], attempts: int = 1
    ) -> str:
        """A call whose answer is all that matters: nothing is lost with it. It is made again (with a new token) only
        after an error text, and only when there are `attempts` left."""
        try:
            return await self._write(parse, operation, *pairs)
        except Said as error:
            if attempts > 1:
                return await self._given(parse, operation, *pairs, attempts=attempts - 1)
            raise Refused(str(error), 500) from None
        except UnknownOutcome as error:
            raise Unreachable(str(error)) from error

    async def _write(self, parse: Callable[[bytes], _Read], operation: str, *pairs: tuple[str, str]) -> _Read:
        """Send once. Every declared parameter has to be among `pairs`, empty ones too."""
        token = await self._login.key()
        content = wire_format.form([("token", token), *pairs])
        answer = await self._wire.write(
            self._address(operation), method="POST", headers=wire_format.FORM, content=content, raw_status=True
        )
        if answer.status == 500:
            self._raise_for_text(answer, operation, token)
        self._raise_for_status(answer, operation, token, write=True)
        try:
            return parse(answer.body)
        except Unreadable as error:
            raise UnknownOutcome(f"{self._what(operation)}: unreadable answer ({error})") from None

    def _raise_for_text(self, answer: Answer, operation: str, token: str) -> NoReturn:
        """What a 500 to a write means. The token is not used again: it may be what the text is about."""
        text = wire_format.error_text(answer, (*self._secrets, token))
        message = self._answered(operation, text)
        if wire_format.was_not_run(text):
            raise Refused(message, 500)
        if wire_format.is_text(answer):
            self._login.forget(token)
            raise Said(message)
        raise UnknownOutcome(message)

    def _raise_for_status(self, answer: Answer, operation: str, token: str, *, write: bool) -> None:
        """Any other status. A 404 is about the service's address, never about a call."""
        try:
            raise_for_status(answer, write=write, what=self._what(operation))
        except CredentialsRefused:
            self._login.forget(token)
            raise
        except Gone as error:
            raise Refused(f"{error}: is the url the server's root?", error.status) from None

    # The token

    async def _enter(self) -> str:
        operation, pairs = self._credentials
        answer = await self._wire.read(
            self._address(operation),
            method="POST",
            headers=wire_format.FORM,
            content=wire_format.form(pairs),
            raw_status=True,
            raw_500=True,
        )
        return self._token_in(answer, operation)

    def _token_in(self, answer: Answer, operation: str) -> str:
        """Section 1. A text, or no token at all, is how the service says no; a silent 500 is trouble."""
        what = self._what(operation)
        if answer.status == 500:
            text = wire_format.error_text(answer, self._secrets)
            if wire_format.was_not_run(text):
                raise Refused(self._answered(operation, text), 500)
            if wire_format.is_text(answer):
                raise CredentialsRefused(f"{what}: refused ({text})")
            raise NotUnderstood(f"{what}: answered 500")
        self._raise_for_status(answer, operation, "", write=False)
        try:
            return wire_format.identifier(answer.body)
        except wire_format.NoValue:
            raise CredentialsRefused(f"{what}: refused (there is no token in the answer)") from None
        except Unreadable as error:
            raise NotUnderstood(f"{what}: unreadable answer ({error})") from None

    # Texts

    def _address(self, operation: str) -> str:
        return f"{self._url}/InsideService20.asmx/{operation}"

    def _what(self, operation: str) -> str:
        return f"POST {place(self._url)} {operation}"

    def _answered(self, operation: str, text: str) -> str:
        return f"{self._what(operation)}: answered 500" + (f" ({text})" if text else "")
