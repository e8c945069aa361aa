"""Sealing what only the service may read: authenticated encryption (Fernet: AES-128-CBC and HMAC-SHA256, see
https://github.com/fernet/spec/blob/master/Spec.md) under keys that never lie in the database."""

import re
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken

from sync.errors import LedgerError

PREFIX = "fernet:"
"""What a sealed text begins with; what does not is clear."""

WRONG_KEY = (
    "the personal links in the database are encrypted with another key: add the former one to secret_key, or drop "
    "them with `convener db forget-links`"
)
REMEMBERED = 2**15
"""Texts that a vault remembers once it has opened them: each pass reads all links several times."""

_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


def split_keys(text: str) -> tuple[str, ...]:
    """The keys of a text that separates them by commas or white space."""
    return tuple(re.findall(r"[^\s,]+", text))


class Vault:
    """Seals texts with the first key and opens them with any; without keys it leaves texts as they are.

    A key is 32 bytes in URL-safe base64. Raises ValueError, which does not show it, for one that is not.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        # Decoding would stop at the first padding: of two keys without a comma the second would be missing, unsaid.
        if not all(_KEY.fullmatch(key) for key in keys):
            raise ValueError("not a Fernet key")
        self._keys = tuple(Fernet(key) for key in keys)
        self._opened = lru_cache(REMEMBERED)(self._decrypted)

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    @property
    def rotates(self) -> bool:
        """Whether there are former keys beside the first."""
        return len(self._keys) > 1

    def seal(self, text: str) -> str:
        """The text as the database keeps it."""
        if not self._keys:
            return text
        # Without the time, which a token holds for all to read and which nobody here asks for.
        return PREFIX + self._keys[0].encrypt_at_time(text.encode("utf-8", "surrogatepass"), 0).decode("ascii")

    def open(self, text: str) -> str:
        """The clear text. Raises LedgerError when it is sealed and no key fits, or when it was tampered with."""
        return self._opened(text) if text.startswith(PREFIX) else text

    def is_newest(self, text: str) -> bool:
        """Whether it is sealed with the first key."""
        return text.startswith(PREFIX) and self.seals and _decrypted(self._keys[0], text) is not None

    def _decrypted(self, text: str) -> str:
        for key in self._keys:
            if (clear := _decrypted(key, text)) is not None:
                return clear
        raise LedgerError(WRONG_KEY)


def _decrypted(key: Fernet, text: str) -> str | None:
    try:
        return key.decrypt(text[len(PREFIX) :].encode("utf-8", "replace")).decode("utf-8", "surrogatepass")
    except InvalidToken:
        return None
