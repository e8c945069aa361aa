"""The table of a HubSpot account."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sources.hubspot import HubspotSettings, plugin
from connectors.sources.hubspot.api import Paths


def settings(**given: Any) -> HubspotSettings:
    return HubspotSettings.model_validate({"type": "hubspot", "token": "pat-eu1-secret", **given})


def test_a_key_is_all_that_it_takes() -> None:
    assert (settings().url, settings().version, settings().rescheduled) == ("https://api.hubapi.com", "2026-09", "keep")
    assert "pat-eu1" not in repr(settings())
    assert plugin.writable


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": ""},
        {"token": "two words"},
        {"token": "line\r\nX-Other: 1"},
        {"token": "ключ"},
        {"url": "http://api.hubapi.example"},
        {"url": "ftp://api.hubapi.com"},
        {"url": "api.hubapi.com"},
        {"url": "https://user:pass@api.hubapi.com"},
        {"url": "https://api.hubapi.com/?a=b"},
        {"version": "2026-9"},
        {"version": "v4"},
        {"version": "../../x"},
        {"rescheduled": "maybe"},
    ],
)
def test_what_cannot_be_is_refused_without_being_shown(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**wrong)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "http://localhost:1", "http://[::1]:1", "https://x.example/"]
)
def test_the_key_travels_unencrypted_to_this_machine_only(url: str) -> None:
    assert settings(url=url).url == url.rstrip("/")


def test_a_version_has_its_paths() -> None:
    assert Paths.of("2026-09") == Paths("/crm/objects/2026-09", "/crm/associations/2026-09", "/crm/owners/2026-09")
    assert Paths.of("v3") == Paths("/crm/v3/objects", "/crm/v4/associations", "/crm/v3/owners")
