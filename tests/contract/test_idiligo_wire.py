"""Idiligo's settings and templates, and the reading of answers and error texts."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.answers import Answer
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.vendors import idiligo_templates as templates
from connectors.vendors import idiligo_wire as wire_format
from connectors.vendors.idiligo import IdiligoSettings
from connectors.vendors.idiligo_templates import ClientLink
from connectors.vendors.idiligo_wire import NoValue, Unreadable

URL = "https://app.idiligo.com"
XML = b'<?xml version="1.0" encoding="utf-8"?>\r\n'
NS = b'xmlns="http://www.idiligo.com/"'


def settings(**more: Any) -> IdiligoSettings:
    given = IdiligoSimulator(password="p4ss-word").table(URL) | more
    return IdiligoSettings.model_validate({name: value for name, value in given.items() if value is not None})


def said(body: bytes, media_type: str = "text/plain; charset=utf-8", secrets: tuple[str, ...] = ()) -> str:
    return wire_format.error_text(
        Answer(500, httpx.Headers({"content-type": media_type}), body, httpx.URL(URL)), secrets
    )


# Settings and templates


def test_secrets_are_not_shown() -> None:
    shown = repr(settings()) + repr(settings(password=None, ticket="t1cket"))
    for secret in ("p4ss-word", "t1cket", "key-of-acme"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ticket": "t"}, "ticket: there is a password as well"),
        ({"password": None}, "password: missing (or give a ticket)"),
        ({"api_key": ""}, "api_key"),
        ({"traject": ""}, "traject"),
        ({"values": {"customer": "{participant}"}}, "customer: {participant} is not a field; there are {title},"),
        ({"values": {"customer": "{participant.name!r}"}}, "customer: {participant.name} takes no format"),
        ({"values": {"customer": "{title:>9}"}}, "takes no format and no conversion"),
        ({"values": {"customer": "{}"}}, "is not a field"),
        ({"values": {"customer": "{title"}}, "customer: expected '}'"),
        ({"values": {"customer": "a}b"}}, "customer: Single '}'"),
        ({"values": {" ": "{title}"}}, "needs a name"),
        ({"client_url": "{url}/client"}, "must use {public_id}, once"),
        ({"client_url": "{url}/{public_id}/{public_id}"}, "must use {public_id}, once"),
        ({"client_url": "{url}/{id}"}, "{id} is not a field; there are {url}, {public_id}"),
        ({"client_url": "javascript:{public_id}"}, "must begin with"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_reason(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**more)
    assert reason in str(caught.value)
    assert "p4ss-word" not in str(caught.value)


def test_what_is_filled_in_is_not_a_template_itself() -> None:
    assert templates.filled("{{x}} {title}", {"title": "{url} {{y}}"}) == "{x} {url} {{y}}"


@pytest.mark.parametrize("public_id", ["AbC123", "a/b+c=d", "é ü", "%41", "?x=1&y#z"])
@pytest.mark.parametrize("template", ["{url}/client?id={public_id}", "https://old.example/{public_id}/go?x={url}"])
def test_a_public_id_goes_into_a_link_and_comes_out_again(template: str, public_id: str) -> None:
    link = ClientLink(template, URL)
    assert link.public_id(link.to(public_id)) == public_id


@pytest.mark.parametrize(
    "other",
    ["", URL, f"{URL}/client?id=", f"{URL}/client?id=a&b", f"{URL}/klient?id=a", "https://x.example/client?id=a"],
)
def test_a_link_of_another_kind_has_no_public_id(other: str) -> None:
    assert ClientLink("{url}/client?id={public_id}", URL).public_id(other) is None


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a < b, 1<2 & c &amp; <", "a < b, 1<2 & c &amp; <"),
        ("<b>x</b>", "‹b>x‹/b>"),
        ("<!-- <?x &#60;", "‹!-- ‹?x ＆#60;"),
    ],
)
def test_only_what_the_server_would_take_for_markup_is_changed(text: str, sent: str) -> None:
    assert wire_format.harmless(text) == sent


# Answers


@pytest.mark.parametrize(
    "body",
    [
        XML + b"<string " + NS + b">1234</string>",
        XML + b"<long " + NS + b"> 1234\r\n</long>",
        b"\xef\xbb\xbf" + XML + b"<long " + NS + b">1234</long>\n",
        b"\r\n<long>1234</long>",
    ],
)
def test_an_id_is_read_from_whatever_root(body: bytes) -> None:
    assert wire_format.number_of_call(body) == wire_format.identifier(body) == "1234"


@pytest.mark.parametrize(
    "body",
    [
        XML + b"<string " + NS + b"/>",
        XML + b"<string " + NS + b"> </string>",
        XML + b'<string xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>',
    ],
)
def test_no_value_is_told_from_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(NoValue):
        wire_format.scalar(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"1234",
        b"<long>1234",
        b"<!DOCTYPE html><html><body>x</body></html>",
        b'<!DOCTYPE a [<!ENTITY e "1234">]><long>&e;</long>',
        b'<!DOCTYPE a SYSTEM "http://x.example/a.dtd"><long>1</long>',
        b"<html><body>1234</body></html>",
        b'<?xml version="1.0" encoding="nonsense"?><long>1</long>',
        b"<long>12.5</long>",
        b"<long>-1</long>",
        b"\xff\xfe<\x00",
    ],
)
def test_what_is_no_number_of_a_call_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire_format.number_of_call(body)


@pytest.mark.parametrize("body", [b"<string>javascript:x</string>", b"<string>https://x.example/a b</string>"])
def test_what_is_no_web_address_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire_format.web_address(body)


def test_an_operation_without_result_may_answer_anything_but_a_page() -> None:
    for body in (b"", b" \r\n", XML + b"<boolean>true</boolean>", XML + b"<DocumentDTO><Id>1</Id></DocumentDTO>"):
        wire_format.nothing(body)
    for body in (b"<html><body/></html>", b"<!DOCTYPE html><html></html>", b"done"):
        with pytest.raises(Unreadable):
            wire_format.nothing(body)


def test_attachments_are_read_with_or_without_their_parts() -> None:
    body = XML + (
        b"<ArrayOfAttachmentDTO " + NS + b"><AttachmentDTO><Id>7</Id><Url>javascript:x</Url></AttachmentDTO>"
        b"<AttachmentDTO><Id>8</Id><Description>A &amp; B</Description><Url>https://x.example/8</Url><New>1</New>"
        b"<SignUrl>https://x.example/sign</SignUrl><SignStatus>0</SignStatus></AttachmentDTO></ArrayOfAttachmentDTO>"
    )
    first, second = (one.artifact("1") for one in wire_format.attachments(body))
    assert (first.ref, first.name, first.link, first.ready, first.more) == (
        "7",
        "",
        None,
        False,
        "it has no address yet",
    )
    assert (second.name, second.link, second.ready) == ("A & B", "https://x.example/8", True)
    assert (second.more, second.status, first.status) == ("it waits for a signature", "SignStatus 0", "")
    assert wire_format.attachments(b"<ArrayOfAttachmentDTO/>") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        b"<string/>",
        b"<ArrayOfAttachmentDTO><AttachmentDTO><Description>no id</Description></AttachmentDTO></ArrayOfAttachmentDTO>",
        b'<ArrayOfAttachmentDTO xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>',
    ],
)
def test_what_is_no_list_of_attachments_is_not_an_empty_one(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire_format.attachments(body)


# Error texts


def test_an_error_text_is_one_short_line_without_secrets_and_addresses() -> None:
    body = b"No &lt;entry&gt; with p4ss, see https://x.example/?token=1 now\r\n   at Inside.Run() in p4ss\r\n"
    assert said(body, secrets=("p4ss", "")) == "No <entry> with …, see … now"
    assert len(said(b"x" * 999)) == 200
    assert said(b"") == said(b"<html></html>", "text/html") == ""
    assert said(b"<html><head><title>Runtime\n Error</title></head></html>", "text/html") == "Runtime"


@pytest.mark.parametrize(
    ("text", "certain"),
    [
        ("Missing parameter: lastName.", True),
        ("System.InvalidOperationException: Missing parameter: lastName.", True),
        ("Cannot convert abc to System.Int64.", True),
        ("System.ArgumentException: Cannot convert abc to System.Int64.", True),
        ("Request format is invalid: application/json.", True),
        ("Request format is unrecognized for URL unexpectedly ending in '/Login'.", True),
        ("Nonsense Web Service method name is not valid.", True),
        ('A potentially dangerous Request.Form value was detected from the client (email="<b>...").', True),
        ("An error occurred on the server.", False),
        ("Object reference not set to an instance of an object.", False),
        ("The customer said: Missing parameter: lastName.", False),
        ("System.Exception: The script failed. Cannot convert abc to System.Int64.", False),
        ("", False),
    ],
)
def test_only_the_frameworks_own_words_prove_that_nothing_was_run(text: str, certain: bool) -> None:
    assert wire_format.was_not_run(text) is certain
