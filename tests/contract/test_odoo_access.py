"""Getting into Odoo: which transport, what a refused credential costs, what errors mean."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.simulators.faults import Fault
from connectors.sources.odoo import OdooCrm, OdooSettings
from sync.errors import (
    CredentialsRefused,
    Gone,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
    WritesLocked,
)
from tests.contract.odoo_scene import served
from tests.contract.source import NOW, START

PASSWORD = {"username": "acme", "password": "secret", "api_key": None}


async def outcome(crm: OdooCrm, *, times: int = 1) -> str:
    """What becomes of reads: "" when all went well, else the last error."""
    said = ""
    for _ in range(times):
        try:
            await crm.changed(NOW, "", None)
        except OutsideError as error:
            said = f"{type(error).__name__}: {error}"
    return said


# Which transport


async def test_an_api_key_takes_json_2_from_19_on_and_goes_in_place_of_the_password_before() -> None:
    for version, way in ((19, "/json/2/calendar.event/fields_get"), (17, "/jsonrpc")):
        with served(version) as scene:
            heard = scene.recorded()
            crm = scene.crm(api_key=scene.sim.options.api_key, username="acme", password=None)
            assert await outcome(crm) == ""
            await crm.close()
            assert [request.path for request in heard][:2] == ["/web/webclient/version_info", way]


async def test_a_password_takes_json_rpc_and_check_says_that_this_comes_to_an_end() -> None:
    with served(19) as scene:
        crm = scene.crm(**PASSWORD)
        (finding,) = await crm.check()
        await crm.close()
        assert finding.code == "transport-outdated"
        assert {entry.params.get("model") for entry in scene.sim.requests} == {None, "calendar.event"}


async def test_a_transport_that_is_named_is_taken_without_asking() -> None:
    with served(19) as scene:
        heard = scene.recorded()
        for transport in ("json-2", "json-rpc"):
            crm = scene.crm(transport=transport, username="acme")
            assert await outcome(crm) == ""
            await crm.close()
        assert {request.path.split("/")[1] for request in heard} == {"json", "jsonrpc"}


async def test_where_the_way_of_the_web_client_is_closed_programs_ask_for_the_version_their_way() -> None:
    with served(19) as scene:
        scene.say("version", 404, {})
        crm = scene.crm()
        assert await outcome(crm) == ""
        await crm.close()
        assert scene.asked[0] == "version"


@pytest.mark.parametrize(
    ("said", "major"),
    [("19.0", 19), ("saas~18.2+e", 18), ("17.0-20260101", 17), ("11.0", 11), ("master", None), (19, None)],
)
async def test_the_version_is_the_first_number_of_its_name(said: Any, major: int | None) -> None:
    with served(19) as scene:
        scene.say("version", 200, {"result": {"server_version": said}})
        crm = scene.crm()
        if major is None:
            with pytest.raises(Unreachable, match="it names no version"):
                await crm._server.version()
        else:
            assert await crm._server.version() == major
        await crm.close()


async def test_a_server_that_is_no_odoo_is_said_to_be_none() -> None:
    with served(19) as scene:
        crm = scene.crm(url=scene.url + "/nowhere")
        assert "answered 404: is there an Odoo at `url`?" in await outcome(crm)
        await crm.close()


@pytest.mark.parametrize(
    ("version", "given", "said"),
    [
        (11, {"api_key": "k", "username": "", "password": None}, "Odoo 11 has no JSON-2: it takes a `username`, too"),
        (22, PASSWORD, "Odoo 22 takes an `api_key`, and no password"),
    ],
)
async def test_what_the_version_needs_and_the_settings_lack_is_named(
    version: int, given: dict[str, Any], said: str
) -> None:
    with served(version) as scene:
        crm = scene.crm(**given)
        assert said in await outcome(crm)
        await crm.close()
        assert scene.asked == ["version"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"database": "d", "username": "u"}, "password: missing; give an api_key"),
        ({"password": "p"}, "database: missing; give an api_key"),
        ({"transport": "json-2", "password": "p"}, "api_key: missing"),
        ({"transport": "json-rpc", "api_key": "k", "database": "d"}, "username: missing"),
        ({"api_key": "two words"}, "without a space"),
        ({"api_key": "k", "database": "a\r\nX-Evil: 1"}, "without a space"),
        ({"api_key": "k", "url": "ftp://crm.example"}, "must begin with http"),
        ({"api_key": "k", "url": "https://me:pw@crm.example"}, "must be the server's root"),
        ({"api_key": "k", "url": "https://crm.example/web?db=x"}, "must be the server's root"),
        ({"api_key": ""}, "at least 1"),
        ({"api_key": "k", "colour": "red"}, "colour"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        OdooSettings.model_validate({"type": "odoo", "url": "https://crm.example/", **given})
    assert "two words" not in str(caught.value)


def test_settings_keep_their_secrets_to_themselves() -> None:
    settings = OdooSettings.model_validate(
        {"type": "odoo", "url": "https://crm.example/", "api_key": "s3cret-key", "password": "s3cret-word"}
    )
    assert "s3cret" not in repr(settings) + settings.model_dump_json()
    assert settings.url == "https://crm.example"


async def test_a_server_with_several_databases_wants_to_know_which() -> None:
    with served(19, several=True) as scene:
        crm = scene.crm(database="")
        assert "is `database` right?" in await outcome(crm)
        await crm.close()
        crm = scene.crm()
        assert await outcome(crm) == ""
        await crm.close()


# Credentials


async def test_a_wrong_key_costs_one_request_with_it() -> None:
    with served(19) as scene:
        heard = scene.recorded()
        crm = scene.crm(api_key="wrong-key-0123")
        said = await outcome(crm)
        await crm.close()
        assert said.startswith("CredentialsRefused: http://127.0.0.1:")
        assert said.endswith("the API key is refused: it is wrong, or it has expired")
        assert len([request for request in heard if "authorization" in request.headers]) == 1


async def test_a_wrong_password_is_tried_once_and_never_again() -> None:
    with served(11) as scene:
        crm = scene.crm(password="wrong-pass-word")
        said = await outcome(crm, times=4)
        assert said.startswith("PasswordRefused: ")
        assert "wrong-pass-word" not in said
        assert scene.asked == ["version", "login"]
        with pytest.raises(CredentialsRefused):
            await crm.check()  # somebody asks: it is tried afresh
        assert scene.asked == ["version", "login", "login"]
        await crm.close()


async def test_there_is_one_login_for_many_calls_and_another_when_the_server_asks_for_it() -> None:
    with served(11) as scene:
        crm = scene.crm()
        assert await outcome(crm, times=3) == ""
        assert scene.asked.count("login") == 1
        data = {"name": "odoo.http.SessionExpiredException", "message": "Session expired"}
        error = {"code": 100, "message": "Odoo Session Expired", "data": data}
        scene.say("calendar.event/search_read", 200, {"jsonrpc": "2.0", "id": 1, "error": error})
        assert await outcome(crm) == ""
        assert scene.asked.count("login") == 2
        await crm.close()


async def test_a_password_that_was_changed_costs_two_requests() -> None:
    with served(11) as scene:
        crm = scene.crm()
        assert await outcome(crm) == ""
        before = len(scene.asked)
        scene.sim._doors._password = "another"
        assert "PasswordRefused" in await outcome(crm, times=4)
        assert scene.asked[before:] == ["calendar.event/search_read", "login"]
        await crm.close()


async def test_a_database_that_is_not_there_is_said() -> None:
    with served(11) as scene:
        crm = scene.crm(database="elsewhere")
        assert 'database "elsewhere" does not exist' in await outcome(crm)
        await crm.close()


# Errors


def complaint(name: str, message: str = "No.") -> dict[str, Any]:
    return {"name": name, "message": message, "arguments": [message], "context": {}, "debug": "Traceback: s3cret"}


NAMES: list[tuple[str, int, type[OutsideError], type[OutsideError]]] = [
    ("odoo.exceptions.AccessDenied", 403, CredentialsRefused, CredentialsRefused),
    ("odoo.exceptions.AccessError", 403, Refused, Refused),
    ("odoo.exceptions.MissingError", 404, Gone, Gone),
    ("odoo.exceptions.UserError", 422, Refused, Refused),
    ("odoo.exceptions.ValidationError", 422, Refused, Refused),
    ("builtins.ValueError", 500, Refused, Refused),
    ("werkzeug.exceptions.NotFound", 404, Refused, Refused),
    ("psycopg2.OperationalError", 500, Unreachable, UnknownOutcome),
    ("psycopg2.errors.SerializationFailure", 500, Unreachable, UnknownOutcome),
]


@pytest.mark.parametrize(("name", "status", "reading", "writing"), NAMES)
@pytest.mark.parametrize("version", [11, 19])
async def test_an_error_is_known_by_its_name(
    version: int, name: str, status: int, reading: type[OutsideError], writing: type[OutsideError]
) -> None:
    body: dict[str, Any] = complaint(name)
    if version == 11:
        status, body = 200, {"error": {"code": 200, "message": "Odoo Server Error", "data": body}}
    with served(version) as scene:
        id_ = scene.add("Demo", START)
        crm = scene.crm()
        await outcome(crm)
        scene.say("calendar.event/search_read", status, body)
        with pytest.raises(reading) as read:
            await crm.changed(NOW, "", None)
        before = len(scene.sim.writes)
        scene.say("calendar.event/write", status, body)
        with pytest.raises(writing) as written:
            await crm.write_link(id_, "https://meet.example/j/1", "")
        await crm.close()
    assert len(scene.sim.writes) - before == 1
    for caught in (read, written):
        assert str(caught.value).startswith("http://127.0.0.1:")
        assert "No." in str(caught.value)
        assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("version", [11, 19])
@pytest.mark.parametrize("kind", ["garbage", "empty", "truncate", "500_after", "reset_after"])
async def test_a_write_whose_answer_is_lost_has_an_unknown_outcome_and_is_not_repeated(version: int, kind: str) -> None:
    with served(version) as scene:
        id_ = scene.add("Demo", START)
        crm = scene.crm()
        await crm.existing([id_])
        await crm.write_link(id_, "https://meet.example/j/1", "")
        before = len(scene.sim.writes)
        scene.sim.faults.add(Fault(kind, "POST", "calendar.event/write"))
        with pytest.raises(UnknownOutcome):
            await crm.write_link(id_, "https://meet.example/j/2", "https://meet.example/j/1")
        await crm.close()
        assert len(scene.sim.writes) == before + 1


async def test_a_server_that_asks_to_wait_is_heard() -> None:
    for version in (11, 19):
        with served(version) as scene:
            crm = scene.crm()
            await outcome(crm)
            scene.sim.faults.add(Fault("429", retry_after=7))
            with pytest.raises(RateLimited) as caught:
                await crm.changed(NOW, "", None)
            assert caught.value.retry_after == 7
            await crm.close()


async def test_errors_show_neither_secrets_nor_addresses() -> None:
    with served(19) as scene:
        key = scene.sim.options.api_key
        crm = scene.crm()
        await outcome(crm)
        message = f"the key {key} at https://crm.example/secret/path is " + "long " * 100
        scene.say("calendar.event/search_read", 422, complaint("odoo.exceptions.UserError", message))
        said = await outcome(crm)
        await crm.close()
    assert key not in said
    assert "secret/path" not in said
    assert len(said) < 400


async def test_a_locked_account_reads_and_cannot_write() -> None:
    for version in (11, 19):
        with served(version) as scene:
            id_ = scene.add("Demo", START)
            crm = scene.crm(locked=True)
            assert await outcome(crm) == ""
            with pytest.raises(WritesLocked):
                await crm.write_link(id_, "https://meet.example/j/1", "")
            await crm.close()
            assert scene.sim.changes == 0
