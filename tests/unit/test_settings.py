"""The configuration: its three layers, its paths, and what people read when it is wrong."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from daemon.commands.start import STARTER
from daemon.settings import Settings, find_file, load
from daemon.wiring import secrets_of
from sync.errors import ConfigurationError

SECRET = "s3cr3t-of-the-file"
SOUND = f"""\
database = "sqlite:///convener.db"
[sources.sales]
type = "ical"
url = "feeds/sales.ics"
[vendors.main]
type = "onstream"
url = "https://vendor.example"
username = "acme"
password = "{SECRET}"
[routes.sales]
source = "sales"
vendor = "main"
"""

TYPES = "caldav, dolibarr, espocrm, http-json, hubspot, ical, odoo, pipedrive, suitecrm"
NO_DATABASE = "database: not a database URL (sqlite:///file or postgresql://…)"

Load = Callable[..., Settings]


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    return folder


@pytest.fixture
def read(tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a configuration text; keywords are environment variables, `files` are credentials."""
    for name in [name for name in os.environ if name.startswith("CONVENER_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    def load_text(text: str | bytes = SOUND, *, files: dict[str, str] | None = None, **environment: str) -> Settings:
        path = tmp_path / "convener.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if files is not None:
            monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
            for name, value in files.items():
                (credentials / name).write_text(value)
        return load(path)

    return load_text


def password(settings: Settings) -> str:
    return str(settings.vendors["main"].password.get_secret_value())  # type: ignore[attr-defined]


def complaint(read: Load, text: str | bytes = SOUND, **given: object) -> str:
    """What people read; every message is short and holds no secret."""
    with pytest.raises(ConfigurationError) as caught:
        read(text, **given)
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    assert SECRET not in message
    return message


class TestLayers:
    def test_the_file_alone(self, read: Load) -> None:
        assert password(read()) == SECRET

    def test_a_credential_is_stronger_than_the_file(self, read: Load) -> None:
        assert password(read(files={"vendors__main__password": "credential"})) == "credential"

    def test_the_environment_is_stronger_than_both(self, read: Load) -> None:
        files = {"vendors__main__password": "credential"}
        assert password(read(files=files, CONVENER_VENDORS__MAIN__PASSWORD="environment")) == "environment"

    def test_a_secret_may_be_missing_in_the_file(self, read: Load) -> None:
        text = SOUND.replace(f'password = "{SECRET}"\n', "")
        assert password(read(text, files={"vendors__main__password": "credential"})) == "credential"

    @pytest.mark.parametrize(
        ("content", "secret"),
        [("pw\n", "pw"), ("pw\r\n", "pw"), (" pw ", " pw "), ("p\nw\n", "p\nw"), ("pw\n\n", "pw")],
    )
    def test_the_newline_at_the_end_of_a_credential_is_not_part_of_it(
        self, read: Load, content: str, secret: str
    ) -> None:
        assert password(read(files={"vendors__main__password": content})) == secret

    @pytest.mark.parametrize("secret", ["123456", "true", "null", "1e5", '"quoted"', "007", "a=b", "ü€ 名", "-"])
    @pytest.mark.parametrize("layer", ["environment", "credential"])
    def test_a_secret_is_taken_as_it_stands_whatever_it_looks_like(self, read: Load, secret: str, layer: str) -> None:
        if layer == "environment":
            assert password(read(CONVENER_VENDORS__MAIN__PASSWORD=secret)) == secret
        else:
            assert password(read(files={"vendors__main__password": secret})) == secret

    def test_other_peoples_credentials_and_variables_are_left_alone(self, read: Load) -> None:
        assert read(files={"tls.key": "x", "other__main": "y"}, CONVENERX="z", CONVENER_CONFIG="c").routes

    @pytest.mark.parametrize(
        ("variable", "value", "got", "expected"),
        [
            ("CONVENER_DATABASE", "sqlite:///other.db", lambda s: s.database_url()[-9:], "/other.db"),
            ("CONVENER_DAEMON__LISTEN", "", lambda s: s.daemon.listen, ""),
            ("CONVENER_DAEMON__DRIFT_EVERY", "90m", lambda s: s.daemon.drift_every, timedelta(minutes=90)),
            ("CONVENER_ROUTES__SALES__MAX_DELETE_PERCENT", "50", lambda s: s.routes["sales"].max_delete_percent, 50),
            ("CONVENER_ROUTES__SALES__AHEAD", "2d", lambda s: s.routes["sales"].ahead, timedelta(days=2)),
            ("CONVENER_ROUTES__SALES__MATCH__SUMMARY", "a.b", lambda s: s.routes["sales"].match.summary.pattern, "a.b"),
            (
                "CONVENER_ROUTES__SALES__MATCH__CATEGORIES",
                '["A"]',
                lambda s: s.routes["sales"].match.categories,
                ("A",),
            ),
            ("CONVENER_SOURCES__SALES__ALL_DAY", "true", lambda s: s.sources["sales"].all_day, True),
            ("CONVENER_VENDORS__MAIN__CONCURRENCY", "3", lambda s: s.vendors["main"].concurrency, 3),
        ],
    )
    def test_every_value_can_come_from_the_environment(
        self, read: Load, variable: str, value: str, got: Callable[[Settings], object], expected: object
    ) -> None:
        assert got(read(**{variable: value})) == expected

    def test_a_whole_table_can_come_from_the_environment(self, read: Load) -> None:
        text = SOUND.partition("[routes.sales]")[0]
        settings = read(text, CONVENER_ROUTES='{"sales": {"source": "sales", "vendor": "main", "ahead": "1d"}}')
        assert settings.routes["sales"].ahead == timedelta(days=1)

    def test_a_table_name_in_capitals_is_reached_from_the_environment(self, read: Load) -> None:
        text = SOUND.replace("[vendors.main]", "[vendors.Main]").replace('vendor = "main"', 'vendor = "Main"')
        settings = read(text, CONVENER_VENDORS__MAIN__PASSWORD="environment")
        assert settings.vendors["Main"].password.get_secret_value() == "environment"  # type: ignore[attr-defined]


class TestPaths:
    def test_they_belong_to_the_files_folder(self, read: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("/")
        settings = read(SOUND + '[routes.sales.publish]\nfeed = "sales.ics"\n')
        assert (settings.archive, settings.folder) == ("archive", tmp_path)
        assert settings.feeds == {"sales": tmp_path / "feeds" / "sales.ics"}
        assert make_url(settings.database_url()).database == str(tmp_path / "convener.db")

    def test_absolute_ones_stay(self, read: Load) -> None:
        text = SOUND.replace("sqlite:///convener.db", "sqlite:////var/lib/convener/convener.db")
        settings = read('archive = "/srv/archive"\n' + text)
        assert settings.archive == "/srv/archive"
        assert settings.database_url() == "sqlite:////var/lib/convener/convener.db"

    @pytest.mark.parametrize("name", ["with space", "ü名", "per%20cent", "at@colon:", "hash#"])
    def test_a_folder_may_be_called_anything(self, tmp_path: Path, name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "convener.toml").write_text(SOUND)
        assert make_url(load(folder / "convener.toml").database_url()).database == str(folder / "convener.db")

    def test_a_server_url_keeps_its_password(self, read: Load) -> None:
        url = "postgresql://user:p%40ss@db.example/convener"
        settings = read(CONVENER_DATABASE=url)
        assert settings.database_url() == url
        assert "p%40ss" not in repr(settings)
        assert "p%40ss" in secrets_of(settings)

    def test_the_given_file_comes_before_the_variable_and_that_before_the_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given, named, here = (tmp_path / name for name in ("given.toml", "named.toml", "convener.toml"))
        for path in (given, named, here):
            path.write_text("")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CONVENER_CONFIG", str(named))
        assert find_file(str(given)) == given
        assert find_file("given.toml") == given
        assert find_file(None) == named
        monkeypatch.delenv("CONVENER_CONFIG")
        assert find_file(None) == here

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"nowhere\.toml: no such configuration file"):
            find_file(str(tmp_path / "nowhere.toml"))


def with_line(line: str, table: str = "[routes.sales]") -> str:
    return SOUND.replace(table, f"{table}\n{line}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOUND.replace("password", "pasword"), '[vendors.main] pasword: unknown key, did you mean "password"?'),
        ('databse = "x"\n' + SOUND, 'databse: unknown key, did you mean "database"?'),
        ("[route.sales]\n" + SOUND, 'route: unknown key, did you mean "routes"?'),
        (SOUND + "frezze = '1m'\n", '[routes.sales] frezze: unknown key, did you mean "freeze"?'),
        (
            SOUND + "[routes.sales.match]\ncategoris = []\n",
            '[routes.sales.match] categoris: unknown key, did you mean "categories"?',
        ),
        (
            SOUND + "[routes.sales.publish]\nzzz = 1\n",
            "[routes.sales.publish] zzz: unknown key; known are feed, write_back",
        ),
        ("[daemon]\nlissten = ''\n" + SOUND, '[daemon] lissten: unknown key, did you mean "listen"?'),
        (SOUND.replace('username = "acme"\n', ""), "[vendors.main] username: missing"),
        (
            SOUND.replace('type = "ical"\n', ""),
            f"[sources.sales] type: missing; one of {TYPES}",
        ),
        (SOUND.replace('"ical"', '"icall"'), '[sources.sales] type: "icall" is not known, did you mean "ical"?'),
        (
            SOUND.replace('"onstream"', '"onstraem"'),
            '[vendors.main] type: "onstraem" is not known, did you mean "onstream"?',
        ),
        (
            SOUND.replace('vendor = "main"', 'vendor = "mian"'),
            '[routes.sales] vendor: "mian" is not defined, did you mean "main"?',
        ),
        (
            SOUND.replace('source = "sales"', 'source = "x"'),
            '[routes.sales] source: "x" is not defined (there is no [sources.x])',
        ),
        (SOUND.replace(SECRET, ""), "[vendors.main] password: must not be empty"),
        (
            SOUND + "freeze = 5\n",
            '[routes.sales] freeze: not a duration; write for example "90s", "5m", "1h" or "30d"',
        ),
        (
            SOUND + 'looks = ["5m", "soon"]\n',
            '[routes.sales] looks: not a duration; write for example "90s", "5m", "1h" or "30d"',
        ),
        (
            SOUND + "max_delete_percent = 101\n",
            "[routes.sales] max_delete_percent: input should be less than or equal to 100",
        ),
        (SOUND + 'invite = "mail"\n', "[routes.sales] invite: input should be 'register', 'email' or 'none'"),
        (SOUND + 'match = "x"\n', "[routes.sales] match: must be a table"),
        ('daemon = "x"\n' + SOUND, "daemon: must be a table"),
        (
            "sources.sales = 1\n",
            f"[sources.sales] type: missing; one of {TYPES}",
        ),
        (SOUND.replace("sqlite:///convener.db", "convener.db"), NO_DATABASE),
        (SOUND.replace("sqlite:///convener.db", ""), NO_DATABASE),
        (
            SOUND.replace("sqlite:///convener.db", "postgresql://u@host:port/db"),
            NO_DATABASE,
        ),
        (
            SOUND.replace("sqlite:///convener.db", "mysql://u@host/db"),
            NO_DATABASE,
        ),
        (SOUND + "freeze =\n", "not valid TOML: Invalid value (at line 13, column 9)"),
        (
            SOUND + "[vendors.main]\n",
            "not valid TOML: Cannot declare ('vendors', 'main') twice (at line 13, column 14)",
        ),
        (b"\xff\xfe", "cannot be read: not UTF-8"),
    ],
)
def test_a_mistake_is_named_to_the_letter(read: Load, text: str | bytes, message: str) -> None:
    assert complaint(read, text) == f"convener.toml: {message}"


def test_of_a_misspelt_required_key_the_misspelling_is_told_and_not_the_absence(read: Load) -> None:
    text = SOUND.replace("username", "user_name").replace("password", "passwd")
    assert "unknown key" in complaint(read, text)


@pytest.mark.parametrize("pattern", ["(", "[a", "*"])
def test_a_broken_regular_expression_is_told(read: Load, pattern: str) -> None:
    message = complaint(read, SOUND + f"[routes.sales.match]\nsummary = '{pattern}'\n")
    assert message == "convener.toml: [routes.sales.match] summary: input should be a valid regular expression"


@pytest.mark.parametrize(
    "text",
    [
        SOUND.replace(f'"{SECRET}"', f'["{SECRET}"]'),
        SOUND.replace(f'"{SECRET}"', f'"{SECRET}'),
        SOUND.replace("password", "passwrd"),
        SOUND.replace("https://vendor.example", f"https://acme:{SECRET}@vendor.example"),
        SOUND.replace("feeds/sales.ics", f"gopher://host/{SECRET}"),
        SOUND.replace("sqlite:///convener.db", f"postgresql://u:{SECRET}@host:port/db"),
        SOUND.replace("sqlite:///convener.db", f"mysql://u:{SECRET}@host/db"),
        SOUND.replace("sqlite:///convener.db", SECRET),
        SOUND.replace('username = "acme"', f"username = {{ {SECRET} = 1 }}"),
    ],
)
def test_no_message_shows_a_secret(read: Load, text: str) -> None:
    complaint(read, text)


@pytest.mark.parametrize("layer", ["environment", "credential"])
def test_an_empty_secret_is_refused_from_every_layer(read: Load, layer: str) -> None:
    if layer == "environment":
        message = complaint(read, CONVENER_VENDORS__MAIN__PASSWORD="")
    else:
        message = complaint(read, files={"vendors__main__password": "\n"})
    assert message == "convener.toml: [vendors.main] password: must not be empty"


def test_a_misspelt_key_in_a_variable_or_a_credential_is_told(read: Load) -> None:
    expected = 'convener.toml: [vendors.main] pasword: unknown key, did you mean "password"?'
    assert complaint(read, CONVENER_VENDORS__MAIN__PASWORD="x") == expected


@pytest.mark.parametrize("names", [("vendors",), ("vendors__main",), ("vendors__main", "vendors__main__password")])
def test_a_credential_in_place_of_a_table_is_told_and_no_defect(read: Load, names: tuple[str, ...]) -> None:
    complaint(read, files=dict.fromkeys(names, SECRET))


def test_a_credential_that_is_not_text_is_told_by_its_own_name(read: Load, credentials: Path) -> None:
    (credentials / "vendors__main__password").write_bytes(b"\xff\xfe\x00")
    assert "vendors__main__password" in complaint(read, files={})


def test_no_secret_shows_when_the_settings_are_printed(read: Load) -> None:
    settings = read(SOUND.replace("feeds/sales.ics", "https://feeds.example/private-token"))
    assert SECRET not in repr(settings)
    assert "private-token" not in repr(settings)
    assert {SECRET, "https://feeds.example/private-token"} <= set(secrets_of(settings))


MAIL = '[mail]\nhost = "mail.example"\nfrom = "sales@example.com"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MAIL.replace("from", "sender"), '[mail] sender: unknown key, did you mean "from"?'),
        (MAIL.replace("from", "fron"), '[mail] fron: unknown key, did you mean "from"?'),
        (
            MAIL + "zzz = 1\n",
            "[mail] zzz: unknown key; known are from, host, password, port, starttls, timeout, tls, username",
        ),
        ("[mail]\n", "[mail] host: missing"),
        (MAIL.replace('from = "sales@example.com"\n', ""), "[mail] from: missing"),
        ("mail = 1\n", "mail: must be a table"),
        ("archive = 1\n", "archive: input should be a valid string"),
        ('archive = ""\n', "archive: must not be empty"),
        ("archive_url = 1\n", "archive_url: input should be a valid string"),
        ('archive_url = "files"\n', "archive_url: must begin with https:// and a host"),
        (
            'archive_url = "http://files.example/a"\n',
            "archive_url: must begin with https://, or lead to this very machine",
        ),
        ('archive_url = "https://me@files.example"\n', "archive_url: must have no user and no fragment"),
        ('archive_url = "https://files.example/?a=1"\n', "archive_url: must have no query: paths are put behind it"),
        ("archive_max_size = 1.5\n", 'archive_max_size: must be a size such as "50GB", or a whole number of bytes'),
        ('archive_max_size = "1.5"\n', 'archive_max_size: must be a size such as "50GB", or a whole number of bytes'),
        ('archive_max_size = "much"\n', 'archive_max_size: must be a size such as "50GB", or a whole number of bytes'),
        ("archive_max_size = true\n", 'archive_max_size: must be a size such as "50GB", or a whole number of bytes'),
        ("archive_max_size = []\n", 'archive_max_size: must be a size such as "50GB", or a whole number of bytes'),
        ("archive_max_size = 0\n", "archive_max_size: must be over 0"),
        ("archive_max_size = -1\n", 'archive_max_size: must be a size such as "50GB", or a whole number of bytes'),
        ('archive_max_size = "0GB"\n', "archive_max_size: must be over 0"),
        ("archive_max_age = 30\n", 'archive_max_age: not a duration; write for example "90s", "5m", "1h" or "30d"'),
        ('archive_max_age = "0s"\n', "archive_max_age: must be longer than nothing"),
        (
            "[daemon]\nlisten = '0.0.0.0:80'\n",
            '[daemon] listen: "0.0.0.0" can be reached from elsewhere: only loopback addresses until there is a token',
        ),
        ("[daemon]\nlisten = '8377'\n", '[daemon] listen: "8377" is not host:port, such as 127.0.0.1:8377'),
        ("[daemon]\nlisten = 8377\n", "[daemon] listen: input should be a valid string"),
    ],
)
def test_a_mistake_beside_the_tables_of_routes_is_named_to_the_letter(read: Load, text: str, message: str) -> None:
    whole = SOUND + text if text.startswith("[") else text + SOUND
    assert complaint(read, whole) == f"convener.toml: {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('looks = "5m"', '[routes.sales] looks: must be a list such as ["5m", "1h"]'),
        ('match.categories = "Webinar"', '[routes.sales.match] categories: must be a list such as ["Webinar"]'),
        ('match.organizer = "@x.org"', '[routes.sales.match] organizer: must be a list such as ["@example.com"]'),
    ],
)
def test_one_value_in_place_of_a_list_is_told_with_an_example(read: Load, line: str, message: str) -> None:
    assert complaint(read, SOUND + line + "\n") == f"convener.toml: {message}"


def test_a_list_from_the_environment_is_told_the_same_way(read: Load) -> None:
    message = complaint(read, CONVENER_ROUTES__SALES__LOOKS="5m")
    assert message == 'convener.toml: [routes.sales] looks: must be a list such as ["5m", "1h"]'


@pytest.mark.parametrize(
    ("text", "size"), [('"50GB"', 50_000_000_000), ('"1.5 MiB"', 1_572_864), ('"1000"', 1000), ("1000", 1000)]
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(read: Load, text: str, size: int) -> None:
    assert read(f"archive_max_size = {text}\n" + SOUND).archive_max_size == size
    assert read(SOUND, CONVENER_ARCHIVE_MAX_SIZE=text.strip('"')).archive_max_size == size


def test_mail_is_off_without_its_table_and_can_come_from_every_layer(read: Load) -> None:
    assert read().mail is None
    assert read(SOUND + MAIL).mail is not None
    files = {"mail__password": "pw"}
    layered = read(SOUND + MAIL.replace("mail.example", "x"), files=files, CONVENER_MAIL__USERNAME="sales").mail
    assert layered is not None
    assert (layered.host, layered.username) == ("x", "sales")
    assert layered.password is not None
    assert layered.password.get_secret_value() == "pw"


def test_what_the_starter_has_as_comments_is_sound(read: Load) -> None:
    text = re.sub(r"(?m)^# (?=\[|\w+ +=|\w+ = )", "", STARTER).replace('"…"', f'"{"A" * 43}="')
    settings = read(text, CONVENER_MAIL__PASSWORD="pw")
    assert settings.mail is not None
    assert settings.secret_key is not None
    assert (settings.archive, settings.feeds["sales"].name) == ("archive", "sales.ics")
    assert len(settings.routes["sales"].looks) == 6
    assert settings.routes["sales"].match.categories == ("Webinar",)


def test_mail_may_be_in_the_environment_alone(read: Load) -> None:
    settings = read(CONVENER_MAIL__HOST="mail.example", CONVENER_MAIL__FROM="sales@example.com")
    assert settings.mail is not None
    assert (settings.mail.host, settings.mail.sender) == ("mail.example", "sales@example.com")
