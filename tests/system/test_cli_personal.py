"""`links --personal` and the key of the personal links, as a person meets them on the command line."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from tests.calendars import Entry
from tests.system.process import convener
from tests.world import World, a_world

NOON = (datetime.now(UTC) + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
JON = "jon@example.com"
OLD = "dGhlIGZvcm1lciBrZXkgb2Ygc29tZWJvZHksIDMyIGI="
NEW = "dGhlIG5ldyBrZXkgb2Ygc29tZWJvZHksIGFsc28gMzI="
OTHER_KEY = "the personal links in the database are encrypted with another key"
NO_KEY = "the personal links in the database are encrypted, and secret_key is missing"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """A meeting that is in step, with its two participants."""
    with a_world(tmp_path) as world:
        world.entries = {"one": Entry("one@example.com", NOON, title="One")}
        world.publish()
        yield world


@pytest.fixture
def minting(tmp_path: Path) -> Iterator[World]:
    """The same at a vendor whose links live five days, the meeting in three weeks."""
    with a_world(tmp_path, LivedigitalSimulator) as world:
        world.entries = {"one": Entry("one@example.com", NOON + timedelta(days=20), title="One")}
        world.publish()
        yield world


def jons(world: World) -> str:
    """The vendor's link for Jon."""
    (link,) = (i.personal_session_link for ref in world.sim.sessions for i in world.sim.invitees(ref) if i.email == JON)
    return str(link)


def test_the_document_has_the_participants_only_when_they_are_asked_for(live: World) -> None:
    convener(live.folder, "reconcile")
    (link,) = convener(live.folder, "links", "--personal", "--json").document["links"]
    assert [list(person) for person in link["participants"]] == [["email", "role", "personal_link", "expires"]] * 2
    assert link["participants"][0] == {
        "email": JON, "role": "participant", "personal_link": jons(live), "expires": None,
    }  # fmt: skip
    assert link["participants"][1]["role"] == "moderator"
    plain = convener(live.folder, "links", "--json")
    del link["participants"]
    assert plain.document == {"links": [link]}
    assert jons(live) not in plain.out + convener(live.folder, "links").out


def test_the_text_has_each_link_whole_below_its_meeting(live: World) -> None:
    convener(live.folder, "reconcile")
    done = convener(live.folder, "links", "--personal", env={"COLUMNS": "40"})
    (link,) = convener(live.folder, "links", "--json").document["links"]
    lines = done.out.splitlines()
    assert lines[0] == f"{NOON:%a %d %b %Y %H:%M} UTC  One  live  sales  {link['join_url']}"
    assert lines[1] == f"  participant  {JON}  {jons(live)}"
    assert lines[2].startswith("  moderator  mara@example.com  http")
    assert done.err == "", "a program that reads it is told nothing"


def test_on_a_terminal_it_says_that_they_are_secrets(live: World) -> None:
    convener(live.folder, "reconcile")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "daemon", "links", "--personal"]
    with subprocess.Popen(command, cwd=live.folder, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b"".join(iter(lambda: read(ours), b""))
    os.close(ours)
    assert process.returncode == 0
    assert b"personal links are secrets" in seen
    assert jons(live).encode() in seen


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side has ended
        return b""


def test_those_who_have_none_are_told_why(minting: World) -> None:
    convener(minting.folder, "reconcile")
    made = f"{NOON + timedelta(days=15):%a %d %b %Y %H:%M} UTC"
    text = convener(minting.folder, "links", "--personal").out
    assert f"  participant  {JON}  not yet: made from {made} on" in text
    (link,) = convener(minting.folder, "links", "--personal", "--json").document["links"]
    assert {person["personal_link"] for person in link["participants"]} == {None}
    minting.entries["one"] = minting.entries["one"].but(start=NOON)
    minting.publish()
    minting.sim.faults.add(Fault("400_before", resource="generate-access"))
    assert convener(minting.folder, "reconcile").code == 4
    refused, made = sorted(convener(minting.folder, "links", "--personal").out.splitlines()[1:], key=len)
    assert refused.endswith("  refused by the vendor")
    assert "  http" in made
    assert "  until " in made
    (link,) = convener(minting.folder, "links", "--personal", "--json").document["links"]
    assert sorted(bool(person["personal_link"]) for person in link["participants"]) == [False, True]
    assert sorted(bool(person["expires"]) for person in link["participants"]) == [False, True]


def test_a_meeting_without_a_session_has_none(live: World) -> None:
    convener(live.folder, "reconcile")
    live.entries["one"] = live.entries["one"].but(cancelled=True)
    live.publish()
    convener(live.folder, "reconcile")
    assert convener(live.folder, "links", "--personal").out == "No meetings yet.\n"
    assert "cancelled" in convener(live.folder, "links", "--personal", "--all").out


def test_another_key_ends_every_command_with_2_until_the_links_are_forgotten(live: World) -> None:
    old, new = {"CONVENER_SECRET_KEY": OLD}, {"CONVENER_SECRET_KEY": NEW}
    assert convener(live.folder, "reconcile", env=old).code == 0
    for env, lost in (({}, NO_KEY), (new, OTHER_KEY)):
        for command in (["links"], ["reconcile"], ["plan", "--json"], ["status"], ["check"]):
            done = convener(live.folder, *command, env=env)
            assert done.code == 2, command
            assert lost in done.err
            assert len(done.err.splitlines()) == 1
            assert not any(secret in done.out + done.err for secret in (OLD, NEW, jons(live)))
    both = convener(live.folder, "links", "--personal", env={"CONVENER_SECRET_KEY": f"{NEW},{OLD}"})
    assert jons(live) in both.out
    assert convener(live.folder, "db", "forget-links", "--json").document == {"forgotten_links": 2}
    assert convener(live.folder, "db", "forget-links", env=new).out == "0 personal links forgotten\n"
    assert convener(live.folder, "reconcile", env=new).code == 0
    assert jons(live) in convener(live.folder, "links", "--personal", env=new).out, "asked for again"
    assert jons(live) in convener(live.folder, "open", "sales:one@example.com", "--as", JON, env=new).out


def test_a_key_that_is_none_is_an_error_of_the_configuration(live: World) -> None:
    done = convener(live.folder, "links", env={"CONVENER_SECRET_KEY": OLD[:-4]})
    assert (done.code, done.err) == (
        2,
        "convener: convener.toml: secret_key: not a Fernet key (32 bytes in URL-safe base64)\n",
    )
