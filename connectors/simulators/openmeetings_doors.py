"""The doors of the OpenMeetings stand-in: logins, hashes, invitations, and what happens when somebody uses them."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from connectors.simulators.openmeetings_json import (
    coerced,
    java_error,
    no_value,
    opt_flag,
    opt_number,
    opt_text,
    read_object,
)
from connectors.simulators.openmeetings_state import Mail, SimHash, SimInvitation, SimSid, SimUser, Store
from connectors.simulators.openmeetings_text import wall_instant

EARLY = timedelta(minutes=5)
"""How long before its beginning an invitation lets people in."""
VALIDITIES = ("PERIOD", "ENDLESS", "ONE_TIME")

Form = dict[str, str]


def result(message: str | None, kind: str = "SUCCESS") -> str:
    """A serviceResult, whose message may arrive as a number."""
    return coerced("serviceResult", {"message": message, "type": kind})


# Logins


def login(store: Store, user: str, password: str) -> str:
    """A new session. What is refused is refused with 200."""
    account = store.account
    same = user.lower() == account.login.lower() if store.options.since(7, 2, 0) else user == account.login
    if not same or password != account.password:
        return result("error.bad.credentials", "ERROR")
    if "LOGIN" not in store.options.rights:
        return result("error.notactivated", "ERROR")
    sid = store.new_key()
    store.sids[sid] = SimSid(account.id, store.options.clock())
    return result(sid)


def user_hash(store: Store, sid: str, form: Form) -> str:
    """POST /user/hash: the session's one guest becomes this one, for all hashes that it has made."""
    store.demand(sid, "SOAP")
    try:
        user, options = read_object(form["user"]), read_object(form["options"])
    except (KeyError, ValueError):
        raise no_value(400) from None
    if not opt_text(user, "externalId") or not opt_text(user, "externalType"):
        return result("externalId and/or externalType are not set", "ERROR")
    key = store.new_key()
    store.hashes[key] = SimHash(sid, options)
    store.sids[sid].remote = user
    store.touch()
    return result(key)


def room_hash(store: Store, sid: str, query: Form) -> str:
    """POST /room/hash, all in the query: an invitation for an address. Nothing looks whether the room exists."""
    try:
        data = read_object(query["invite"])
        valid = opt_text(data, "valid", "PERIOD") or ""
        VALIDITIES.index(valid)
    except (KeyError, ValueError):
        raise no_value(404) from None
    user = store.demand(sid, "SOAP")
    first = last = None
    if valid == "PERIOD":
        try:
            first = wall_instant(opt_text(data, "validFrom") or "", store.options.tz) - EARLY
            last = wall_instant(opt_text(data, "validTo") or "", store.options.tz)
        except ValueError:
            raise java_error("java.text.ParseException: Unparseable date") from None
    names = opt_text(data, "firstname") or "", opt_text(data, "lastname") or ""
    guest = store.contact(opt_text(data, "email") or "", *names, user)
    key = store.new_key()
    store.invitations[key] = SimInvitation(opt_number(data, "roomId") or 0, guest.id, valid, first, last)
    if query.get("sendmail") == "true":
        store.mails.append(Mail(guest.email, "create", 0))
    store.touch()
    return result(key)


@dataclass(frozen=True, slots=True)
class Entered:
    """Where a link leads: who enters which room, as what."""

    room: int | None
    user: SimUser
    moderator: bool = False
    recording: int | None = None


def enter(store: Store, link: str) -> Entered | None:
    """Somebody opens a link of either kind; None when the server shows them the door."""
    query = parse_qs(urlsplit(link).query)
    if "secure" in query:
        entered = redeem(store, query["secure"][0])
        return entered if entered and _inside(store, entered.room) else None
    invitation = store.invitations.get(query.get("invitation", [""])[0])
    if invitation is None or not _inside(store, invitation.room_id) or not _admits(store, invitation):
        return None
    invitation.used = True
    return Entered(invitation.room_id, store.users[invitation.user_id])


def redeem(store: Store, key: str) -> Entered | None:
    """A /user/hash is used: the session that made it belongs to the guest from now on."""
    one = store.hashes.get(key)
    session = store.session(one.sid) if one and not one.used else None
    if one is None or session is None or session.remote is None:
        return None
    remote = session.remote
    guest = store.external(opt_text(remote, "externalId"), opt_text(remote, "externalType")) or store.add_user(
        login=opt_text(remote, "login") or "",
        type="EXTERNAL",
        external_id=opt_text(remote, "externalId"),
        external_type=opt_text(remote, "externalType"),
        email=opt_text(remote, "email") or "",
        rights=["ROOM"],
    )
    guest.firstname, guest.lastname = opt_text(remote, "firstname") or "", opt_text(remote, "lastname") or ""
    one.used = True
    session.user_id = guest.id
    moderator, recording = opt_flag(one.options, "moderator"), opt_number(one.options, "recordingId")
    return Entered(opt_number(one.options, "roomId"), guest, moderator, recording)


def _inside(store: Store, room: int | None) -> bool:
    return room in store.rooms and not store.rooms[room].deleted if room is not None else False


def _admits(store: Store, one: SimInvitation) -> bool:
    if one.valid == "ONE_TIME":
        return not one.used
    if one.valid_from is None or one.valid_to is None:
        return True
    return one.valid_from <= store.options.clock() <= one.valid_to
