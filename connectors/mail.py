"""Sending invitations through a mail server (SMTP, RFC 5321), each in a conversation of its own.

What is known of the effect follows from how far the conversation came: until the end of the data is sent the server
cannot have taken the mail, and its reply to that says whether it did. Errors name codes and never what the server said
or what it was told, because that holds addresses.
"""

import asyncio
import ipaddress
import re
import smtplib
import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from email.headerregistry import Address
from email.utils import getaddresses
from typing import NoReturn, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors import itip
from connectors.http import trusted
from connectors.passage import still_wanted
from connectors.settings import Duration, StrictSettings
from sync.errors import CredentialsRefused, OutsideError, Refused, UnknownOutcome, Unreachable
from sync.outlets import Invitation

LONGEST_CONVERSATION = 2
"""Times the time-out of one answer: a server that says one word now and then does not hold up a pass, nor the service
when it is told to stop (systemd waits 90 s by default)."""

_ENHANCED = re.compile(rb"^[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")


class MailSettings(StrictSettings):
    """The `[mail]` table. `tls` is TLS from the first byte (RFC 8314), `starttls` TLS after the greeting (RFC 3207)."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    sender: str = Field(alias="from")
    starttls: bool = True
    tls: bool = False
    username: str | None = None
    password: SecretStr | None = None
    timeout: Duration = timedelta(seconds=30)

    @field_validator("host")
    @classmethod
    def _name_of_a_host(cls, value: str) -> str:
        name = value.strip()
        try:
            name.encode("idna")
        except UnicodeError:
            name = ""
        if not re.fullmatch(r"[\w.:-]+", name):
            raise ValueError("must be the name of a host, or its IP address")
        return name

    @field_validator("sender")
    @classmethod
    def _mailbox(cls, value: str) -> str:
        try:
            as_address(value)
        except Refused:
            raise ValueError('must be an address, or "Name <address>"') from None
        return value

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be longer than nothing")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            raise ValueError(f"{missing}: missing (both are needed to log in, or none)")
        if self.username == "" or (self.password is not None and not self.password.get_secret_value()):
            raise ValueError("username and password: must not be empty")
        if self.tls and self.starttls and "starttls" in self.model_fields_set:
            raise ValueError("starttls: there is tls as well; only one of them is possible")
        if self.tls and "port" not in self.model_fields_set:
            raise ValueError("port: missing (with tls it is usually 465)")
        if self.password is not None and not (self.tls or self.starttls or _is_loopback(self.host)):
            raise ValueError("password: would be sent in clear text; set starttls or tls")
        return self


def as_address(text: str) -> Address:
    """The address behind `someone@example.com` or `Name <someone@example.com>`. Raises Refused."""
    found = getaddresses([text])
    if len(found) != 1 or any(ord(c) < 32 for c in text):
        raise Refused("not an address")
    name, spec = found[0]
    return Address(itip.header(name, itip.LONGEST_NAME), addr_spec=itip.address(spec))


class SmtpMailer:
    """Sends through the server of `[mail]`. `trust` says which certificates are believed."""

    def __init__(self, settings: MailSettings, trust: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._trust = trust
        self._sender = as_address(settings.sender)

    async def send(self, invitation: Invitation) -> None:
        """Send one. See `sync.ports.Mailer`; Refused with a status of 4yz: not now, for this addressee."""
        talk = _Conversation(self._settings, self._sender, self._trust)
        longest = LONGEST_CONVERSATION * self._settings.timeout.total_seconds()
        end = asyncio.get_running_loop().call_later(longest, talk.hang_up)
        try:
            await asyncio.to_thread(talk.deliver, invitation)
        finally:
            end.cancel()
            talk.hang_up()  # a cancelled pass leaves no thread that goes on talking


class _Conversation:
    """One mail's way over one connection, in a thread of its own."""

    def __init__(self, settings: MailSettings, sender: Address, trust: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._sender = sender
        self._trust = trust
        self._smtp: smtplib.SMTP | None = None
        self._over = False
        self._handed_over = False

    def deliver(self, invitation: Invitation) -> None:
        """All of it. Raises what `SmtpMailer.send` raises."""
        try:
            smtp = self._connect()
            self._log_in(smtp)
            self._hand_over(smtp, invitation)
        except OutsideError:
            raise
        except OSError as error:  # those of smtplib and ssl are, too
            if self._handed_over:
                raise UnknownOutcome(self._told("no answer to the mail", error)) from error
            raise Unreachable(self._told("the connection broke", error)) from error
        finally:
            if self._smtp is not None:
                self._smtp.close()  # without QUIT: its answer would be waited for, and could change nothing

    def hang_up(self) -> None:
        """End the conversation from outside: what waits for an answer gets none."""
        self._over = True
        if self._smtp is not None and self._smtp.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._smtp.sock, socket.SHUT_RDWR)

    def _connect(self) -> smtplib.SMTP:
        s, seconds = self._settings, self._settings.timeout.total_seconds()
        smtp: smtplib.SMTP
        if s.tls:
            smtp = smtplib.SMTP_SSL(s.host, s.port, timeout=seconds, context=self._trust or trusted())
        else:
            smtp = smtplib.SMTP(s.host, s.port, timeout=seconds)
        self._smtp = smtp
        if self._over:
            raise TimeoutError
        smtp.ehlo_or_helo_if_needed()
        if s.starttls and not s.tls:
            if not smtp.has_extn("starttls"):
                raise Unreachable(f"{s.host}: the mail server offers no STARTTLS")
            smtp.starttls(context=self._trust or trusted())
            smtp.ehlo_or_helo_if_needed()
        return smtp

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        s = self._settings
        if s.username is None or s.password is None:
            return
        try:
            smtp.login(s.username, s.password.get_secret_value())
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPAuthenticationError as error:
            # Without its cause: that holds what was sent.
            kind = CredentialsRefused if error.smtp_code >= 500 else Unreachable
            raise kind(f"{s.host}: the login was answered {error.smtp_code}") from None
        except (smtplib.SMTPException, ValueError):  # no method that both know; letters that none can carry
            raise CredentialsRefused(f"{s.host}: the mail server takes no login of ours") from None

    def _hand_over(self, smtp: smtplib.SMTP, invitation: Invitation) -> None:
        offered = smtp.has_extn("smtputf8")
        to = itip.address(invitation.email, utf8=offered)
        utf8 = not to.isascii()
        content = itip.message(invitation, self._sender, utf8=utf8).as_bytes()
        code, said = smtp.mail(self._sender.addr_spec, ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else [])
        if code != 250:
            kind = CredentialsRefused if 500 <= code < 600 else Unreachable
            raise kind(f"{self._settings.host}: the sender was answered {_codes(code, said)}")
        code, said = smtp.rcpt(to)
        if code not in (250, 251):
            self._not_taken("the recipient", code, said)
        code, said = smtp.docmd("DATA")
        if code != 354:
            self._not_taken("the mail", code, said)
        smtp.send(re.sub(rb"(?m)^\.", b"..", content))  # RFC 5321 section 4.5.2
        still_wanted()  # without its last line it is no mail
        self._handed_over = True
        smtp.send(b".\r\n")
        code, said = smtp.getreply()
        if code == 250:
            return
        if code == -1 or not 400 <= code < 600:
            raise UnknownOutcome(f"{self._settings.host}: the mail was answered {_codes(code, said)}")
        self._not_taken("the mail", code, said)

    def _not_taken(self, what: str, code: int, said: bytes) -> NoReturn:
        """A refusal of this mail, or of our account; 421 and whatever is no refusal is the server's own trouble."""
        message = f"{self._settings.host}: {what} was answered {_codes(code, said)}"
        if code in (530, 535, 538):  # RFC 4954 section 6
            raise CredentialsRefused(message)
        if 500 <= code < 600 or (what == "the recipient" and 400 <= code < 500 and code != 421):
            raise Refused(message, code)
        raise Unreachable(message)

    def _told(self, what: str, error: Exception) -> str:
        s = self._settings
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            return f"{s.host}: {what} within {s.timeout.total_seconds():g} s"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{s.host}: {what} (its certificate is not trusted: {error.verify_message})"
        if isinstance(error, smtplib.SMTPResponseException):
            return f"{s.host}: {what} (answered {error.smtp_code})"
        reason = error.strerror if isinstance(error, OSError) else None
        return f"{s.host}: {what} ({reason or type(error).__name__})"


def _codes(code: int, said: bytes) -> str:
    """The reply's code, with its enhanced one (RFC 3463) where there is one: `550 5.1.1`."""
    enhanced = _ENHANCED.match(said)
    return f"{code} {enhanced[0].decode()}" if enhanced else str(code)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
