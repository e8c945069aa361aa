"""A profile and what is different here make one table, and what is wrong with it is said when it is read."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sources.crm.poller import CrmSource
from connectors.sources.http_json import HttpJsonSettings, plugins
from connectors.sources.http_json.settings import SHIPPED
from daemon.layers import first_problem

OWN = """
[auth]
kind = "bearer"
[changed]
path = "/meetings"
query = { since = "${since}", skip = "${offset}" }
overlap = "7m"
items = "value"
[map]
start = "from"
end = "to"
[exists]
path = "/meetings"
query = { ids = "${ids}" }
items = "value[].id"
"""


def read(folder: Path | None = None, **more: Any) -> HttpJsonSettings:
    given = {"type": "espocrm", "auth": {"secret": "key"}, **more}
    if "base_url" not in given:
        given = {"url": "https://crm.example", **given}
    return HttpJsonSettings.model_validate(given, context={"folder": folder} if folder else None)


def problem(**more: Any) -> str:
    with pytest.raises(ValidationError) as told:
        read(**more)
    return first_problem("convener.toml", "sources.crm", HttpJsonSettings, told.value)


@pytest.mark.parametrize("kind", SHIPPED)
def test_every_shipped_profile_is_valid_and_a_type_of_its_own(kind: str) -> None:
    settings = read(type=kind, auth={"secret": "key", "client_id": "us"})
    assert settings == read(type="http-json", profile=kind, auth={"secret": "key", "client_id": "us"}).model_copy(
        update={"type": kind, "profile": settings.profile}
    )
    source = plugins[kind].connect("crm", settings, Path(), True)
    assert isinstance(source, CrmSource)


def test_what_is_given_here_lies_over_the_profile_key_by_key() -> None:
    settings = read(
        map={"subject": "title", "time": {"zone": "Europe/Berlin"}},
        changed={"query": {"where[1][type]": "equals"}},
        write={"join_url": {"body": {"place": "${join_url}"}}},
        limits={"per_second": 5},
    )
    assert (settings.map.subject, settings.map.start) == ("title", "dateStart")
    assert (settings.map.time.zone, settings.map.time.format) == ("Europe/Berlin", "%Y-%m-%d %H:%M:%S")
    assert settings.changed.query["where[0][type]"] == "greaterThanOrEquals"
    assert settings.changed.query["where[1][type]"] == "equals"
    assert settings.write.join_url is not None
    assert settings.write.join_url.body == {"place": "${join_url}"}
    assert settings.limits.per_second == 5


def test_a_profile_of_ones_own_is_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OWN)
    settings = read(tmp_path, type="http-json", profile="mine.toml")
    assert settings.changed.items == "value"
    assert settings.overlap.total_seconds() == 420
    (tmp_path / "mine.toml").write_text("[changed")
    with pytest.raises(ValidationError, match="is not valid TOML"):
        read(tmp_path, type="http-json", profile="mine.toml")


def test_the_sketch_of_a_profile_in_place_is_read_as_it_stands() -> None:
    settings = read(
        type="http-json",
        base_url="https://crm.example",
        auth={"kind": "header", "name": "X-Api-Key", "secret": "key"},
        changed={
            "method": "GET",
            "path": "/api/v1/Meeting",
            "query": {"where[0][value]": "${since}", "maxSize": "200", "offset": "${offset}"},
            "since_format": "%Y-%m-%d %H:%M:%S",
            "since_zone": "UTC",
            "overlap": "5m",
            "paging": {"kind": "offset", "size": 200},
            "items": "list",
        },
        map={
            "id": "id",
            "subject": "name",
            "start": "dateStart",
            "end": "dateEnd",
            "updated": "modifiedAt",
            "cancelled": "status != 'Planned'",
            "private": "`false`",
            "time": {"format": "%Y-%m-%d %H:%M:%S", "zone": "UTC", "null": ["", False]},
            "description": "description",
        },
        attendees={
            "path": "/api/v1/Meeting/${id}/attendees",
            "items": "list[?emailAddress]",
            "map": {"name": "name", "email": "emailAddress"},
        },
        exists={"path": "/api/v1/Meeting", "query": {"v[]": "${ids}"}, "items": "list[].id", "batch": 100},
        write={
            "join_url": {
                "method": "PUT",
                "path": "/api/v1/Meeting/${id}",
                "body": {"description": "${description}\n\nJoin: ${join_url}"},
                "verify": "contains(description, '${join_url}')",
            },
            "recording": {
                "method": "POST",
                "path": "/api/v1/Note",
                "body": {"parentId": "${id}", "post": "Recording: ${url}"},
                "once_key": "${url}",
            },
        },
        limits={"per_second": 5, "retry_on": [429, 502, 503], "daily": 0},
    )
    assert settings.url == "https://crm.example"
    assert settings.record.path == "/api/v1/Meeting/${id}"


def test_a_secret_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPO_KEY", "from the environment")
    (tmp_path / "key").write_text("from a file\r\n")
    for given, secret in (
        ("env:ESPO_KEY", "from the environment"),
        (f"file:{tmp_path}/key", "from a file"),
        ("file:key", "from a file"),
        (f"file://{tmp_path}/key", "from a file"),
        ("plain", "plain"),
    ):
        settings = read(tmp_path, auth={"secret": given})
        assert settings.auth.secret is not None
        assert settings.auth.secret.get_secret_value() == secret
        assert secret not in repr(settings)
        assert secret not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"map": {"subjct": "a"}}, '[sources.crm.map] subjct: unknown key, did you mean "subject"?'),
        ({"map": {"start": "a..b"}}, "[sources.crm.map] start: not a JMESPath expression"),
        (
            {"map": {"time": {"formt": "iso"}}},
            'map] time: "formt" is an unknown key, did you mean "format"',
        ),
        ({"changed": {"pth": "/x"}}, '[sources.crm] changed: "pth" is an unknown key, did you mean "path"?'),
        ({"changed": {"path": "/a/../b"}}, "[sources.crm.changed] path: must be a plain path"),
        ({"changed": {"path": "https://other.example/"}}, "[sources.crm.changed] path: must begin with"),
        ({"changed": {"query": {"a": "${sinse}"}}}, "${sinse} is an unknown name, did you mean ${since}?"),
        ({"changed": {"since_zone": "Europe/Pariss"}}, "not a time zone"),
        ({"changed": {"paging": {"kind": "cursor"}}}, "[sources.crm.changed] paging: cursor: an expression"),
        ({"changed": {"paging": {"kind": "page"}}}, "${offset} is an unknown name"),
        (
            {"exists": {"query": {"a": "${idz}"}}},
            "exists: ${idz} is an unknown name, did you mean ${id}?",
        ),
        ({"exists": {"batch": 0}}, "[sources.crm.exists] batch: "),
        ({"write": {"join_url": {"bdy": {}}}}, '[sources.crm.write] join_url: "bdy" is an unknown key'),
        (
            {"write": {"join_url": {"body": {"a": "${descriptio} ${join_url}"}}}},
            "write.join_url: ${descriptio} is an unknown name, did you mean ${description}?",
        ),
        ({"write": {"join_url": {"body": {"a": "b"}}}}, "write.join_url: ${join_url} must stand somewhere"),
        ({"write": {"join_url": {"verify": "a == '${link}'"}}}, "verify: ${link} is an unknown name"),
        ({"write": {"recording": {"body": {"a": "${urll}"}}}}, "write.recording: ${urll} is an unknown name"),
        ({"attendees": {"users": {"path": "/x"}}}, "[sources.crm.attendees] users: must ask for ${ids}"),
        ({"auth": {"secret": "env:NO_SUCH_KEY"}}, "auth] secret: the environment variable NO_SUCH_KEY is not set"),
        ({"auth": {"secret": "file:/no/such"}}, "auth] secret: /no/such cannot be read (No such file or directory)"),
        ({"auth": {"secret": ""}}, "auth] secret: must not be empty"),
        ({"auth": {"secret": "a\r\nX-Evil: 1"}}, "auth] secret: holds characters that cannot be sent"),
        ({"auth": {}}, "secret: missing"),
        ({"auth": {"secret": "x", "name": "X-Evil: 1\r\n"}}, "[sources.crm.auth] name: "),
        ({"auth": {"kind": "basic", "secret": "x"}}, 'username: missing; kind = "basic" takes username and secret'),
        ({"url": "http://crm.example"}, "[sources.crm] url: must begin with https://"),
        ({"url": "ftp://crm.example"}, "[sources.crm] url: must begin with https://"),
        ({"url": "https://user:pw@crm.example"}, "[sources.crm] url: must be the server's root"),
        ({"url": "https://crm.example/?a=b"}, "[sources.crm] url: must be the server's root"),
        ({"headers": {"X": "a\nb"}}, "[sources.crm] headers: must be plain values"),
        ({"profile": "dolibarr"}, 'profile: type "espocrm" has its own'),
        ({"type": "http-json", "profile": "odoo"}, "profile: there are dolibarr, espocrm, pipedrive, suitecrm"),
        ({"type": "http-json", "profile": "/no/such.toml"}, "profile: /no/such.toml cannot be read"),
        ({"join_field": "a b"}, "[sources.crm] join_field: "),
        ({"limits": {"retry_on": "429"}}, "retry_on"),
        ({"wirte": {}}, '[sources.crm] wirte: unknown key, did you mean "write"?'),
    ],
)
def test_what_is_wrong_is_told_with_table_and_key(more: dict[str, Any], told: str) -> None:
    message = problem(**more)
    assert told in message
    assert "\n" not in message
    assert "user:pw" not in message


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80/espo", "https://x.example"]
)
def test_within_this_machine_http_will_do(url: str) -> None:
    assert read(url=url).url == url
