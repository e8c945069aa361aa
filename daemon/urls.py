"""Where people reach the archive over the web, as the configuration says it."""

from typing import Annotated

from pydantic import AfterValidator

from daemon.ping import checked_url


def checked_base(text: str) -> str:
    """The address that paths are put behind, "" for none. Raises ValueError."""
    if not text:
        return text
    try:
        checked_url(text)
    except ValueError as error:
        if "secret" in str(error):  # this one is none
            raise ValueError("must begin with https://, or lead to this very machine") from error
        raise
    if "?" in text:
        raise ValueError("must have no query: paths are put behind it")
    return text


BaseAddress = Annotated[str, AfterValidator(checked_base)]
