"""The table of a CalDAV source: what it takes, and what it says of the rest."""

import pytest
from pydantic import ValidationError

from connectors.sources.caldav import CalDavSettings, plugin


def settings(**given: object) -> CalDavSettings:
    return CalDavSettings.model_validate({"type": "caldav", "url": "https://dav.client.example/", **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "dav.client.example"}, "must begin with http"),
        ({"url": "ftp://dav.client.example"}, "must begin with http"),
        ({"url": "https://bob:secret@dav.client.example"}, "without a user"),
        ({"url": "https://dav.client.example/?token=secret"}, "without a user"),
        ({"username": "bob"}, "password: missing"),
        ({"password": "secret"}, "username: missing"),
        ({"username": "", "password": "secret"}, "must not be empty"),
        ({"username": "bob", "password": ""}, "must not be empty"),
        ({"username": "bob", "password": "secret", "token": "secret"}, "only one of them"),
        ({"token": "secret\r\nX: y"}, "plain characters"),
        ({"token": ""}, "plain characters"),
        ({"calendar": "https://elsewhere.example/team/"}, "on the host of url"),
        ({"calendar": "//elsewhere.example/team/"}, "on the host of url"),
        ({"calendar": "https://u@dav.client.example/team/"}, "on the host of url"),
        ({"full_every": 0}, "greater than or equal to 1"),
        ({"timezone": "Mars"}, "IANA"),
        ({"calender": "x"}, "Extra inputs"),
    ],
)
def test_what_cannot_work_is_said_without_the_secret(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        settings(**given)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("calendar", ["", "Team", "/dav/team/", "https://dav.client.example/dav/team/", "Ünï / x"])
def test_a_calendar_may_be_said_in_several_ways(calendar: str) -> None:
    assert settings(calendar=calendar).calendar == calendar


def test_secrets_are_not_shown() -> None:
    shown = repr(settings(username="bob", password="hunter2")) + repr(settings(token="hunter2"))
    assert "hunter2" not in shown


def test_the_source_can_be_written() -> None:
    assert plugin.writable
    assert plugin.settings is CalDavSettings
