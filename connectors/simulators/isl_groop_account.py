"""The state behind the ISL Groop stand-in, and what each function does to it ("JSON API (deprecated)")."""

import html
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

ROLES = ("host", "presenter", "guest")
CHOICES = {
    "session_type": ("meeting", "webinar"),
    "auth_type": ("public", "public_and_reg", "reg_only", "closed"),
    "default_role": ROLES,
    "layout": ("presentation", "conference"),
}
FIRST_CODE = 100_000_000_001

Args = dict[str, Any]


class Problem(Exception):
    """What the server does not do; the message is for people."""


@dataclass
class SimUser:
    """One registered user of a session; `uid` is the join_uid."""

    uid: str
    name: str
    email: str
    role: str
    lang: str | None


@dataclass
class SimSession:
    """One session. `start_time` is kept as it came and never shown."""

    code: str
    session_name: str
    owner: str
    active: int = 0
    start_time: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    users: list[SimUser] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that the server sent."""

    email: str
    session: str


@dataclass
class Options:
    """How this server behaves where real ones may differ; may be changed while it runs.

    `encodings` of requests that are understood. `error_shape` picks among plausible forms of an error, `tells` false
    leaves its text out. `unknown_session` says what getInfo does with a code that does not exist. `none` is the answer
    of functions that return nothing. `escape_names` gives names back entity-encoded, `list_names` false leaves them
    out when the account's own sessions are asked for. A sid lives for `sid_life` on the `clock` and for `sid_calls`
    calls (None: without end). `renamed` gives functions other names (our name -> the server's). A session whose name
    contains `choke_on` cannot be made.
    """

    encodings: Literal["json", "form", "both"] = "both"
    error_shape: Literal["error", "result", "exception"] = "error"
    tells: bool = True
    unknown_session: Literal["error", "empty"] = "error"
    none: Literal["object", "null", "empty"] = "object"
    escape_names: bool = False
    list_names: bool = True
    sid_life: timedelta | None = None
    sid_calls: int | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    choke_on: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass
class _Login:
    since: datetime
    calls: int = 0


class Account:
    """One account's logins and sessions, other people's sessions beside them, and the mails that went out."""

    def __init__(self, username: str, password: str, options: Options) -> None:
        self.username = username
        self.options = options
        self.sessions: dict[str, SimSession] = {}
        self.mails: list[Mail] = []
        self.live: dict[str, _Login] = {}
        self.handed_out: set[str] = set()
        self._password = password
        self._made = 0

    def call(self, name: str, args: Args, sid: str) -> Args | None:
        """Do it; None for functions that return nothing. Raises Problem.

        A sid that is void is refused also where none is needed.
        """
        let_in = self._let_in(sid) if sid else False
        if sid and not let_in:
            raise Problem("not logged in")
        if not let_in and name not in ("login", "get_info", "join"):
            raise Problem("not logged in")
        match name:
            case "login":
                return self.login(args)
            case "logout":
                del self.live[sid]
                return None
            case "get_info":
                return self.get_info(args, let_in=let_in)
            case "join":
                return self.join(args)
            case "create":
                return {"session_code": self.add(args).code}
            case "add_registered_user":
                return self.add_registered_user(args)
            case _:
                del self.sessions[self._owned(args).code]
                return None

    def _let_in(self, sid: str) -> bool:
        login, options = self.live.get(sid), self.options
        if login is None:
            return False
        login.calls += 1
        old = options.sid_life is not None and options.clock() - login.since >= options.sid_life
        if old or (options.sid_calls is not None and login.calls > options.sid_calls):
            del self.live[sid]
            return False
        return True

    def login(self, args: Args) -> Args:
        """A new sid; the old ones go on."""
        if (args.get("user"), args.get("pwd")) != (self.username, self._password):
            raise Problem("login failed")
        sid = secrets.token_hex(8).upper()
        self.live[sid] = _Login(self.options.clock())
        self.handed_out.add(sid)
        return {"sid": sid}

    # Sessions

    def get_info(self, args: Args, *, let_in: bool) -> Args:
        """Sessions by code, to anybody; the account's own, to itself."""
        if any(name.startswith("user_") for name in args) and not let_in:
            raise Problem("not logged in")
        codes = args.get("session_ids", [])
        if not isinstance(codes, list):
            raise Problem("session_ids must be an array")
        codes = [*codes, *([args["session_id"]] if "session_id" in args else [])]
        own = [one for one in self.sessions.values() if one.owner == self.username]
        if args.get("user_owned"):
            rows = [self._row(one, named=self.options.list_names) for one in own]
        elif args.get("user_active"):
            rows = [self._row(one) for one in own if one.active]
        elif args.get("user_invited"):
            rows = []  # who is registered is "anonymous": no account is ever invited
        elif codes:
            rows = [self._row(self.sessions[code]) for code in codes if code in self.sessions]
            if not rows and self.options.unknown_session == "error":
                raise Problem("no such session")
        else:
            raise Problem("nothing was asked for")
        return {"sessions": rows}

    def _row(self, one: SimSession, *, named: bool = True) -> Args:
        name = html.escape(one.session_name) if self.options.escape_names else one.session_name
        return {"active": one.active, "session_code": one.code, **({"session_name": name} if named else {})}

    def join(self, args: Args) -> Args:
        """Code for a browser."""
        code, uid = args.get("session_id"), args.get("join_uid")
        if code not in self.sessions:
            raise Problem("no such session")
        if uid and uid not in [user.uid for user in self.sessions[code].users]:
            raise Problem("no such user")
        return {"func": f"islGroopJoin('{code}')"}

    def add(self, args: Args, owner: str | None = None, active: int = 0) -> SimSession:
        """A new session; codes grow."""
        name = args.get("session_name")
        if not isinstance(name, str) or not name.strip():
            raise Problem("session_name is missing")
        for key, allowed in CHOICES.items():
            if args.get(key, allowed[0]) not in allowed:
                raise Problem(f"{key} is one of {', '.join(allowed)}")
        if self.options.choke_on and self.options.choke_on in name:
            raise Problem("internal error")
        self._made += 1
        digits = str(FIRST_CODE + self._made)
        code = "-".join(digits[at : at + 3] for at in range(0, 12, 3))
        options = {key: args[key] for key in CHOICES if key in args}
        made = SimSession(code, name, owner or self.username, active, args.get("start_time"), options)
        self.sessions[code] = made
        return made

    def add_registered_user(self, args: Args) -> Args:
        """One more user, whoever is there already; mailed on request."""
        one = self._owned(args)
        name, email, role = args.get("name"), args.get("email", ""), args.get("role", "presenter")
        if not isinstance(name, str) or not name.strip():
            raise Problem("name is missing")
        if args.get("email_notify", 0) not in (0, 1) or role not in ROLES:
            raise Problem("email_notify is 0 or 1, role is host, presenter or guest")
        if args.get("email_notify") and "@" not in email:
            raise Problem("email is missing")
        user = SimUser(secrets.token_hex(8), name, email, role, args.get("lang"))
        one.users.append(user)
        if args.get("email_notify"):
            self.mails.append(Mail(email, one.code))
        return {"uid": user.uid}

    def _owned(self, args: Args) -> SimSession:
        one = self.sessions.get(str(args.get("session_id")))
        if one is None:
            raise Problem("no such session")
        if one.owner != self.username:
            raise Problem("not the owner")
        return one
