"""Where a source's requests may go: to its own server, over https unless that is this very machine."""

import ipaddress

import httpx

from connectors.addresses import same_origin
from connectors.answers import place
from sync.errors import Refused


def is_safe(url: str) -> bool:
    """Whether what goes to this address cannot be read on the way: https, or http within this machine."""
    try:
        parsed = httpx.URL(url)
        host = parsed.host
    except (httpx.InvalidURL, ValueError):
        return False
    if parsed.scheme == "https":
        return bool(host)
    return parsed.scheme == "http" and is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a name or an address stands for this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


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
