"""The vault that seals personal links, and where its keys come from."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.keys import keys_of
from daemon.settings import load
from daemon.wiring import secrets_of
from sync.errors import ConfigurationError, LedgerError
from sync.ledger.vault import PREFIX, Vault, split_keys
from tests.world import World

OLD, NEW, OTHER = (
    urlsafe_b64encode(bytes([number]) * 5 + b"for tests, and for nothing.").decode() for number in (1, 2, 3)
)
JONS = "https://vendor.example/go/tok3n-of-jon"


class TestVault:
    @given(st.text(st.characters()))
    def test_whatever_is_sealed_comes_back_and_does_not_show(self, clear: str) -> None:
        sealed = Vault([NEW]).seal(clear)
        assert sealed.startswith(PREFIX)
        assert len(clear) < 8 or clear not in sealed
        assert Vault([NEW]).open(sealed) == Vault([OTHER, NEW]).open(sealed) == clear

    @given(st.text())
    def test_without_keys_a_text_stays_as_it_is(self, clear: str) -> None:
        assert Vault().seal(clear) == clear
        if not clear.startswith(PREFIX):
            assert Vault().open(clear) == Vault([NEW]).open(clear) == clear

    def test_a_sealed_text_never_passes_for_a_clear_one(self) -> None:
        for keys in ([], [OTHER]):
            with pytest.raises(LedgerError, match=r"add the former one to secret_key, or .*forget-links"):
                Vault(keys).open(Vault([NEW]).seal(JONS))

    @pytest.mark.parametrize("tail", ["", "x", "ä", "====", "gAAAAA"])
    def test_a_text_that_was_tampered_with_does_not_open(self, tail: str) -> None:
        with pytest.raises(LedgerError):
            Vault([NEW]).open(PREFIX + tail)
        with pytest.raises(LedgerError):
            Vault([NEW]).open(Vault([NEW]).seal(JONS)[:-1] + (tail or "A"))

    def test_the_first_key_seals_and_all_of_them_open(self) -> None:
        both = Vault([NEW, OLD])
        assert both.open(Vault([OLD]).seal(JONS)) == JONS
        assert Vault([NEW]).open(both.seal(JONS)) == JONS
        assert both.is_newest(both.seal(JONS))
        assert not both.is_newest(Vault([OLD]).seal(JONS))

    def test_equal_texts_are_not_seen_to_be_equal(self) -> None:
        assert Vault([NEW]).seal(JONS) != Vault([NEW]).seal(JONS)

    @pytest.mark.parametrize("key", ["", "short", NEW[:-2], NEW + OLD, NEW + "\n", "ä" * 44])
    def test_what_is_no_key_is_refused_without_being_shown(self, key: str) -> None:
        with pytest.raises(ValueError, match="not a Fernet key") as caught:
            Vault([OLD, key])
        assert str(caught.value) == "not a Fernet key"

    def test_a_vault_does_not_show_its_keys(self) -> None:
        vault = Vault([NEW, OLD])
        assert NEW not in repr(vault) + str(vars(vault))

    @pytest.mark.parametrize("between", [",", " ", "\n", ", ", ",\n "])
    def test_keys_are_separated_by_commas_or_white_space(self, between: str) -> None:
        assert split_keys(f"{NEW}{between}{OLD}\n") == (NEW, OLD)


class TestConfiguration:
    def configure(self, world: World, line: str) -> Path:
        file = world.folder / "convener.toml"
        file.write_text(f"{line}\n{file.read_text()}")
        return file

    def test_a_key_is_read_and_not_shown(self, world: World) -> None:
        settings = load(self.configure(world, f'secret_key = "{NEW}, {OLD}"'))
        assert keys_of(settings.secret_key) == (NEW, OLD)
        assert NEW not in repr(settings)
        assert {NEW, OLD} <= set(secrets_of(settings)), "for redaction"

    def test_none_is_none(self, world: World) -> None:
        assert keys_of(world.settings.secret_key) == ()

    def test_a_credential_or_a_variable_gives_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        (world.folder / "secret_key").write_text(f"{OLD}\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(world.folder))
        assert keys_of(world.settings.secret_key) == (OLD,)
        monkeypatch.setenv("CONVENER_SECRET_KEY", NEW)
        assert keys_of(world.settings.secret_key) == (NEW,)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ('"not-a-key-at-all"', "secret_key: not a Fernet key (32 bytes in URL-safe base64)"),
            (f'"{NEW} {OLD[:-3]}"', "secret_key: not a Fernet key (32 bytes in URL-safe base64)"),
            ('""', "secret_key: must not be empty"),
            ('" , "', "secret_key: must not be empty"),
            ("12345678", "secret_key: input should be a valid string"),
        ],
    )
    def test_one_that_is_none_is_refused_by_name_and_not_shown(self, world: World, value: str, message: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load(self.configure(world, f"secret_key = {value}"))
        assert str(caught.value) == f"convener.toml: {message}"
