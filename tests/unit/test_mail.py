"""Sending to a real mail server: what it gets, and what is known when it says no, breaks off or says nothing."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import mail
from connectors.mail import MailSettings, SmtpMailer
from sync.errors import CredentialsRefused, OutsideError, Refused, UnknownOutcome, Unreachable
from tests.unit.mail_server import DROP, HANG, PASSWORD, USER, Post, certificate, mail_server
from tests.unit.test_itip import INVITATION

LINK = INVITATION.link


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with mail_server() as server:
        yield server


def mailer(post: Post, trust: ssl.SSLContext | None = None, **values: Any) -> SmtpMailer:
    table: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": post.port,
        "from": "Sales <sales@example.com>",
        "starttls": trust is not None and not values.get("tls"),
        "timeout": "5s",
    }
    if values.get("tls"):
        del table["starttls"]
    return SmtpMailer(MailSettings.model_validate(table | values), trust)


class TestSending:
    async def test_a_mail_arrives_whole_under_its_sender_and_addressee(self, post: Post) -> None:
        await mailer(post).send(INVITATION)
        assert post.envelopes == [("sales@example.com", ["jon@example.com"])]
        (letter,) = post.letters()
        assert (letter.method, letter.link, letter.to) == ("REQUEST", LINK, "jon@example.com")

    async def test_lines_that_begin_with_a_point_arrive_as_they_were(self, post: Post) -> None:
        description = ".\n..\n.QUIT\nthe end"
        await mailer(post).send(replace(INVITATION, description=description))
        (letter,) = post.letters()
        assert description in letter.text.replace("\r\n", "\n")

    async def test_with_starttls_nothing_is_said_in_clear_text(
        self, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
    ) -> None:
        server, trust = contexts
        async with mail_server(tls=server, require_starttls=True, auth_required=True) as post:
            await mailer(post, trust, username=USER, password=PASSWORD).send(INVITATION)
            assert post.encrypted == [True]
            assert post.logins == [(USER.encode(), PASSWORD.encode())]
            assert len(post.taken) == 1

    async def test_tls_from_the_first_byte(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
        server, trust = contexts
        async with mail_server(tls=server, implicit=True) as post:
            await mailer(post, trust, tls=True).send(INVITATION)
            assert len(post.taken) == 1

    async def test_without_starttls_a_password_goes_to_loopback_only(self) -> None:
        async with mail_server(auth_require_tls=False) as post:
            await mailer(post, username=USER, password=PASSWORD).send(INVITATION)
            assert len(post.logins) == len(post.taken) == 1

    async def test_an_address_beyond_ascii_goes_where_the_server_takes_it(self) -> None:
        async with mail_server(enable_SMTPUTF8=True) as post:
            await mailer(post).send(replace(INVITATION, email="jörg@bücher.example"))
            assert post.envelopes == [("sales@example.com", ["jörg@xn--bcher-kva.example"])]

    async def test_an_address_beyond_ascii_is_refused_where_the_server_does_not(self, post: Post) -> None:
        with pytest.raises(Refused, match="SMTPUTF8"):
            await mailer(post).send(replace(INVITATION, email="jörg@example.com"))
        await mailer(post).send(replace(INVITATION, email="jon@bücher.example"))
        assert post.envelopes == [("sales@example.com", ["jon@xn--bcher-kva.example"])]

    async def test_a_hostile_address_never_reaches_the_server(self, post: Post) -> None:
        with pytest.raises(Refused):
            await mailer(post).send(replace(INVITATION, email="jon@example.com>\r\nRCPT TO:<eve@example.com"))
        assert post.conversations == 0


class TestFailing:
    @pytest.mark.parametrize(
        ("where", "reply", "kind", "status"),
        [
            ("rcpt", "550 5.1.1 <jon@example.com> is unknown", Refused, 550),
            ("rcpt", "554 5.7.1 no relaying for you", Refused, 554),
            ("rcpt", "450 4.7.1 greylisted, jon@example.com", Refused, 450),
            ("rcpt", "421 4.3.2 going down", Unreachable, 0),
            ("rcpt", "530 5.7.0 log in first", CredentialsRefused, 0),
            ("sender", "553 5.7.1 not your address", CredentialsRefused, 0),
            ("sender", "451 4.3.0 later", Unreachable, 0),
            ("data", "554 5.6.0 spam", Refused, 554),
            ("data", "452 4.3.1 disk full", Unreachable, 0),
            ("data", "421 4.3.2 going down", Unreachable, 0),
        ],
    )
    async def test_a_refusal_says_what_it_means_and_names_nobody(
        self, post: Post, where: str, reply: str, kind: type[OutsideError], status: int
    ) -> None:
        getattr(post, where).append(reply)
        with pytest.raises(OutsideError) as caught:
            await mailer(post).send(INVITATION)
        assert type(caught.value) is kind
        assert getattr(caught.value, "status", 0) == status
        assert reply[:9] in str(caught.value)
        assert "@" not in str(caught.value)
        assert LINK not in str(caught.value)
        assert post.taken == []
        await mailer(post).send(INVITATION)
        assert len(post.taken) == 1

    @pytest.mark.parametrize("where", ["sender", "rcpt"])
    async def test_a_connection_that_breaks_before_the_mail_leaves_no_doubt(self, post: Post, where: str) -> None:
        getattr(post, where).append(DROP)
        with pytest.raises(Unreachable):
            await mailer(post).send(INVITATION)
        assert post.taken == []

    async def test_a_connection_that_breaks_after_the_mail_was_taken_leaves_doubt(self, post: Post) -> None:
        post.data.append(DROP)
        with pytest.raises(UnknownOutcome, match="no answer to the mail"):
            await mailer(post).send(INVITATION)
        assert len(post.taken) == 1

    @pytest.mark.parametrize(("where", "kind"), [("rcpt", Unreachable), ("data", UnknownOutcome)])
    async def test_a_server_that_hangs_is_left_in_time(self, post: Post, where: str, kind: type[OutsideError]) -> None:
        getattr(post, where).append(HANG)
        with pytest.raises(kind, match=r"within 0\.2 s"):
            await mailer(post, timeout="200ms").send(INVITATION)

    def test_a_conversation_is_over_before_a_stop_of_the_service_is(self) -> None:
        settings = MailSettings.model_validate({"host": "mail.example", "from": "sales@example.com"})
        assert mail.LONGEST_CONVERSATION * settings.timeout < timedelta(seconds=90)

    async def test_a_server_that_drips_is_left_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mail, "LONGEST_CONVERSATION", 0.05)

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hello\r\n")
            try:
                while await reader.read(1):
                    writer.write(b"250-and so on\r\n" * 10)
                    await writer.drain()
                    while not reader.at_eof():
                        writer.write(b"250-and so on\r\n")
                        await writer.drain()
                        await asyncio.sleep(0.01)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        post = Post()
        post.port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        async with server:
            with pytest.raises(Unreachable):
                await mailer(post, timeout="10s").send(INVITATION)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize(
        ("greeting", "kind"), [(b"554 no\r\n", Unreachable), (b"HTTP/1.1 400\r\n\r\n", Unreachable), (b"", Unreachable)]
    )
    async def test_what_is_no_mail_server_is_not_reached(self, greeting: bytes, kind: type[OutsideError]) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        post = Post()
        post.port = server.sockets[0].getsockname()[1]
        async with server:
            with pytest.raises(kind, match=r"127\.0\.0\.1"):
                await mailer(post).send(INVITATION)

    async def test_where_nobody_listens_nothing_is_reached(self) -> None:
        async with mail_server() as post:
            pass
        with pytest.raises(Unreachable, match="Connection refused"):
            await mailer(post).send(INVITATION)

    async def test_a_wrong_password_is_told_from_a_server_that_is_down(
        self, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
    ) -> None:
        server, trust = contexts
        async with mail_server(tls=server, auth_required=True) as post:
            with pytest.raises(CredentialsRefused, match="535") as caught:
                await mailer(post, trust, username=USER, password="wr0ng").send(INVITATION)
            assert "wr0ng" not in str(caught.value)
            assert caught.value.__cause__ is None
            assert post.taken == []
            with pytest.raises(CredentialsRefused, match="takes no login"):
                await mailer(post, trust, username=USER, password="größer").send(INVITATION)

    async def test_without_a_login_where_one_is_needed_the_account_is_what_is_refused(
        self, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
    ) -> None:
        server, trust = contexts
        async with mail_server(tls=server, auth_required=True) as post:
            with pytest.raises(CredentialsRefused, match="530"):
                await mailer(post, trust).send(INVITATION)

    async def test_a_password_waits_for_starttls(self, post: Post) -> None:
        with pytest.raises(Unreachable, match="offers no STARTTLS"):
            await mailer(post, username=USER, password=PASSWORD, starttls=True).send(INVITATION)
        assert post.logins == []

    @pytest.mark.parametrize("implicit", [False, True])
    async def test_a_certificate_that_nobody_vouches_for_is_not_believed(
        self, contexts: tuple[ssl.SSLContext, ssl.SSLContext], implicit: bool
    ) -> None:
        async with mail_server(tls=contexts[0], implicit=implicit) as post:
            values = {"tls": True} if implicit else {"starttls": True}
            with pytest.raises(Unreachable, match="certificate is not trusted"):
                await mailer(post, username=USER, password=PASSWORD, **values).send(INVITATION)
            assert post.logins == []

    async def test_a_pass_that_is_cancelled_leaves_no_conversation_behind(self, post: Post) -> None:
        post.rcpt.append(HANG)
        sending = asyncio.create_task(mailer(post, timeout="60s").send(INVITATION))
        while not post.conversations or post.rcpt:
            await asyncio.sleep(0)
        began = time.monotonic()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.get_running_loop().shutdown_default_executor()
        assert time.monotonic() - began < 10


SOUND = {"host": "mail.example.com", "from": "sales@example.com"}


class TestSettings:
    def test_little_is_needed(self) -> None:
        made = MailSettings.model_validate(SOUND)
        assert (made.port, made.starttls, made.tls, made.timeout) == (587, True, False, timedelta(seconds=30))

    @pytest.mark.parametrize(
        "values",
        [
            {"from": "Sales Team <sales@example.com>"},
            {"from": '"Müller, Anna" <anna@bücher.example>'},
            {"username": "me", "password": "secret"},
            {"username": "me", "password": "secret", "starttls": False, "tls": True, "port": 465},
            {"username": "me", "password": "secret", "starttls": False, "host": "localhost"},
            {"username": "me", "password": "secret", "starttls": False, "host": "127.0.0.1"},
            {"username": "me", "password": "secret", "starttls": False, "host": "::1"},
            {"starttls": False, "port": 25},
            {"port": "2525", "starttls": "false"},
        ],
    )
    def test_what_fits_together_is_taken(self, values: dict[str, Any]) -> None:
        SmtpMailer(MailSettings.model_validate(SOUND | values))

    @pytest.mark.parametrize(
        ("values", "problem"),
        [
            ({"host": ""}, "at least 1 character"),
            ({"host": "mail.example.com/x"}, "name of a host"),
            ({"host": "a" * 70}, "name of a host"),
            ({"port": 0}, "greater than or equal to 1"),
            ({"from": "nobody"}, "must be an address"),
            ({"from": "a@example.com, b@example.com"}, "must be an address"),
            ({"from": "a@example.com\r\nBcc: b@example.com"}, "must be an address"),
            ({"from": "jörg@example.com"}, "must be an address"),
            ({"username": "me"}, "password: missing"),
            ({"password": "secret"}, "username: missing"),
            ({"username": "me", "password": ""}, "must not be empty"),
            ({"username": "me", "password": "secret", "starttls": False}, "clear text"),
            ({"tls": True}, "port: missing"),
            ({"tls": True, "port": 465, "starttls": True}, "only one of them"),
            ({"timeout": "0s"}, "longer than nothing"),
            ({"hots": "x"}, "Extra inputs"),
        ],
    )
    def test_what_does_not_is_told_without_its_secret(self, values: dict[str, Any], problem: str) -> None:
        with pytest.raises(ValidationError, match=problem) as caught:
            MailSettings.model_validate(SOUND | values)
        assert "secret" not in str(caught.value)

    def test_the_password_is_not_shown(self) -> None:
        made = MailSettings.model_validate(SOUND | {"username": "me", "password": "secret"})
        assert "secret" not in repr(made)
