"""A real mail server (aiosmtpd) on loopback that does with each mail what a test wants, and keeps what it took."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from icalendar import Calendar, Component

USER, PASSWORD = "convener", "s3cr3t-of-the-mail-server"
HANG, DROP = "hang", "drop"


class Post:
    """The server's side. `sender`, `rcpt` and `data` are its answers by turns: a reply, HANG or DROP, and "250 OK" when
    there is none left. A mail whose data is answered with HANG or DROP was taken all the same."""

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[bytes] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.encrypted: list[bool] = []
        self.sender: list[str] = []
        self.rcpt: list[str] = []
        self.data: list[str] = []
        self.conversations = 0
        self.released = asyncio.Event()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.conversations += 1
        self.encrypted.append(session.ssl is not None)
        envelope.mail_from = address
        return await self._answer(server, self.sender)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._answer(server, self.rcpt)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if not self.data or self.data[0] in (DROP, HANG):
            assert isinstance(envelope.content, bytes)
            self.taken.append(envelope.content)
            self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        return await self._answer(server, self.data)

    async def _answer(self, server: SMTP, answers: list[str]) -> str:
        answer = answers.pop(0) if answers else "250 OK"
        if answer == HANG:
            await self.released.wait()
        elif answer == DROP and server.transport is not None:
            server.transport.abort()
        return answer if answer[0].isdigit() else "250 OK"

    def log_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)

    def letters(self) -> list["Letter"]:
        """The mails that were taken since this was asked last."""
        letters = [Letter(raw) for raw in self.taken]
        self.taken.clear()
        return letters


class Letter:
    """A mail as its reader's programs see it."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        parsed = message_from_bytes(raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mail = parsed
        assert parsed.get_content_type() == "multipart/alternative"
        self.text_part, self.calendar_part = parsed.iter_parts()
        assert self.calendar_part.get_content_type() == "text/calendar"
        self.text: str = self.text_part.get_content()
        self.ics: str = self.calendar_part.get_content()
        self.calendar = Calendar.from_ical(self.ics)
        (event,) = self.calendar.walk("VEVENT")
        self.event: Component = event

    @property
    def everything(self) -> str:
        """All that anybody could read in it, encoded and decoded."""
        return "\n".join((self.raw.decode("latin-1"), self.text, self.ics, *map(str, self.mail.values())))

    @property
    def to(self) -> str:
        return str(self.mail["To"].addresses[0].addr_spec)

    @property
    def method(self) -> str:
        return str(self.calendar["METHOD"])

    @property
    def sequence(self) -> int:
        return int(self.event["SEQUENCE"])

    @property
    def link(self) -> str:
        return str(self.event.get("CONFERENCE", ""))


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, **options: Any
) -> AsyncIterator[Post]:
    """A server with STARTTLS (or TLS from the first byte, `implicit`) when it has a certificate."""
    post = Post()
    sessions: list[SMTP] = []

    def session() -> SMTP:
        context = None if implicit else tls
        one = SMTP(post, hostname="mail.test", tls_context=context, authenticator=post.log_in, **options)
        sessions.append(one)
        return one

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls if implicit else None)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        post.released.set()
        server.close()
        for one in sessions:
            if one.transport is not None:
                one.transport.abort()
        await server.wait_closed()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A self-made certificate for loopback: the server's context with it, and a client's that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "mail.pem").write_bytes(pem + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "mail.pem")
    return server, ssl.create_default_context(cadata=pem.decode())
