"""The key `secret_key` of the configuration: what seals personal links in the database."""

from pydantic import SecretStr

from sync.errors import ConfigurationError
from sync.ledger.vault import Vault, split_keys


def checked_key(file: str, text: str | None) -> SecretStr | None:
    """The key, or several, in the file of that name. Raises ConfigurationError, which does not show it."""
    if text is None:
        return None
    if not split_keys(text):
        raise ConfigurationError(f"{file}: secret_key: must not be empty")
    try:
        Vault(split_keys(text))
    except ValueError:
        raise ConfigurationError(f"{file}: secret_key: not a Fernet key (32 bytes in URL-safe base64)") from None
    return SecretStr(text)


def keys_of(secret_key: SecretStr | None) -> tuple[str, ...]:
    """The keys one by one, the one that seals first; never to be shown."""
    return split_keys(secret_key.get_secret_value()) if secret_key else ()
