"""Where an answer may send a source: to other addresses of its own server."""

import httpx

from connectors.addresses import same_origin
from connectors.answers import place
from sync.errors import Refused


def neighbour(location: str, here: str) -> str:
    """The address that an answer of `here` leads to, on the same origin. Raises Refused for any other."""
    try:
        first = httpx.URL(here)
        url = first.join(location).copy_with(fragment=None)
        url.host.encode()
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused(f"{place(here)}: an address in the answer is not a valid one") from error
    if not same_origin(url, first) or url.userinfo:
        raise Refused(f"{place(here)}: the way leads to another server, which is refused")
    return str(url)
