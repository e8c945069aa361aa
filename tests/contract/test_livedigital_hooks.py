"""Deliveries of livedigital's webhook: what is believed, and everything that is not."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.vendors.livedigital_hooks import EVENTS, MAX_BYTES, Delivery, DeliveryRefused, verify

SECRET = "g7r0gOSKiQ59prCGXo1H50PACb5ca1mD"
ROOM, SPACE, RECORD = "649c18e086b915cae33041a2", "64217150224cd9e040e114d1", "64b6544f7b3b4f29d70afec2"
BODY = {"eventName": "record_finished", "roomId": ROOM, "spaceId": SPACE, "recordId": RECORD}
COMPACT = '{"eventName":"record_finished","roomId":"%s","spaceId":"%s","recordId":"%s"%s}'


def signed(body: str, secret: str = SECRET, *, shown: str | None = None) -> bytes:
    """A delivery of `body`, the text as JavaScript writes it; `shown` is how it travels, when that differs."""
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return f'{{"signature":"{signature}","body":{body if shown is None else shown}}}'.encode()


def plain(more: str = "") -> str:
    return COMPACT % (ROOM, SPACE, RECORD, more)


@pytest.fixture
def sim() -> LivedigitalSimulator:
    sim = LivedigitalSimulator()
    sim._account.spaces[next(iter(sim.spaces))].webhook = {"url": "https://x.example", "secret": SECRET}
    return sim


# What is believed


def test_a_genuine_delivery_names_event_room_space_and_record() -> None:
    assert verify(SECRET, signed(plain())) == Delivery("record_finished", ROOM, SPACE, RECORD)


@pytest.mark.parametrize("event", EVENTS)
def test_what_the_stand_in_posts_is_believed(sim: LivedigitalSimulator, event: str) -> None:
    room = sim.add_session()
    delivery = verify(SECRET, sim.delivery(event, room.id, note="Zürich – 日本語 🚀 \u2028 \"'\\ \x7f"))
    assert delivery == Delivery(event, room.id, room.space)
    assert verify(SECRET, sim.delivery(event, room.id, RECORD)).record == RECORD


@pytest.mark.parametrize(
    "more",
    [
        ',"n":12345678901234567890123',
        ',"n":0.1',
        ',"n":1e+21',
        ',"n":5e-324',
        ',"n":-0.0000012',
        ',"n":[1,{"a":null,"b":true}],"z":{},"y":[]',
        ',"s":"\\u001f\\b\\f\\n\\r\\t\\"\\\\/"',
        ',"s":"\\ud800 alone"',
        ',"s":"\u2028\u2029\u007f🚀é"',
    ],
)
def test_numbers_and_texts_are_checked_as_javascript_wrote_them(more: str) -> None:
    assert verify(SECRET, signed(plain(more))).room == ROOM


def test_a_delivery_may_have_been_written_anew_on_its_way() -> None:
    pretty = json.dumps(BODY, indent=2)
    escaped = plain(',"s":"日本"').replace("日本", "\\u65e5\\u672c")
    assert verify(SECRET, signed(plain(), shown=pretty)).room == ROOM
    assert verify(SECRET, signed(plain(',"s":"日本"'), shown=escaped)).room == ROOM


# What is not


def test_one_changed_character_is_one_too_many() -> None:
    genuine = signed(plain())
    for position in range(len(genuine)):
        for other in (b"0", b"x", b" "):
            forged = genuine[:position] + other + genuine[position + 1 :]
            if forged != genuine:
                with pytest.raises(DeliveryRefused):
                    verify(SECRET, forged)


def test_other_secrets_are_refused_and_an_empty_one_above_all() -> None:
    for secret in (SECRET[:-1], SECRET + "0", SECRET.lower(), "", "é"):
        with pytest.raises(DeliveryRefused):
            verify(secret, signed(plain()))
    with pytest.raises(DeliveryRefused, match="no secret"):
        verify("", signed(plain(), secret=""))


def test_the_order_of_the_keys_counts() -> None:
    with pytest.raises(DeliveryRefused, match="wrong"):
        verify(SECRET, signed(plain(), shown=json.dumps(dict(reversed(BODY.items())))))


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "1",
        '"text"',
        "{}",
        '{"eventName":"call_started"}',
        f'{{"eventName":"call_started","roomId":123456789012345678901234,"spaceId":"{SPACE}"}}',
        f'{{"eventName":"call_started","roomId":"../../x","spaceId":"{SPACE}"}}',
        f'{{"eventName":"call_started","roomId":"{ROOM}","spaceId":"{SPACE.upper()}x"}}',
        f'{{"eventName":"a\\nb","roomId":"{ROOM}","spaceId":"{SPACE}"}}',
        f'{{"eventName":["call_started"],"roomId":"{ROOM}","spaceId":"{SPACE}"}}',
        f'{{"eventName":7,"roomId":"{ROOM}","spaceId":"{SPACE}"}}',
    ],
)
def test_a_signed_delivery_that_says_nothing_useful_is_refused(body: str) -> None:
    with pytest.raises(DeliveryRefused):
        verify(SECRET, signed(body))


def test_a_key_that_is_there_twice_is_refused() -> None:
    twice = signed(plain())[:-1] + b',"body":{}}'
    with pytest.raises(DeliveryRefused, match="not JSON"):
        verify(SECRET, twice)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + signed(plain()),
        b'{"signature":null,"body":{}}',
        b'{"signature":1,"body":{}}',
        b'{"signature":"\xc3\xa9","body":{}}',
        b'{"signature":"abc","body":NaN}',
        b'{"signature":"abc"}',
        b"[" * 60000,
        b'{"body":' * 7000,
        b'{"signature":"' + b"0" * 64 + b'","body":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"signature":"' + b"0" * 64 + b'","body":' + b"1" * 60000 + b"}",
        b" " * (MAX_BYTES + 1),
        signed(plain()) + b" " * MAX_BYTES,
    ],
    ids=str,
)
def test_hostile_payloads_are_refused_and_nothing_else(payload: bytes) -> None:
    with pytest.raises(DeliveryRefused):
        verify(SECRET, payload)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=200) | st.builds(lambda data: json.dumps({"signature": "0" * 64, "body": data}).encode(), _JSON)
)
def test_whatever_comes_is_refused_in_one_way(payload: bytes) -> None:
    with pytest.raises(DeliveryRefused):
        verify(SECRET, payload)


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key not in BODY), st.text() | st.booleans() | st.none()))
def test_whatever_else_a_genuine_delivery_says_it_is_believed(more: dict[str, Any]) -> None:
    body = json.dumps({**BODY, **more}, separators=(",", ":"), ensure_ascii=False)
    assert verify(SECRET, signed(body)).record == RECORD
