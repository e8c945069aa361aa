"""Where a request may go: addresses that come from outside lead to public places only, and nowhere else.

A name is looked up once. All that it stands for must be public, and the connection is made to one of these very
addresses: a second look might get another answer (DNS rebinding).
"""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any

import httpx

from connectors.answers import place
from sync.errors import Refused, Unreachable

LOOK_UP = 10.0
"""Seconds that a name server gets."""
MOST_ADDRESSES = 4
"""Addresses of one name that are tried."""
LAST_PORT = 65535

_NAME = re.compile(r"(?=.{1,254}$)(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]{1,45}", re.ASCII)
"""A name as the DNS can hold it (RFC 1035 section 2.3.4), or an IP address."""
_ALLOCATED = ipaddress.IPv6Network("2000::/3")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """One address to ask. `ours`: it is on the very origin that the request is meant for, and may see credentials.
    `checked` are the IP addresses to connect to, one after another; without them the name is looked up by the way."""

    url: httpx.URL
    ours: bool = True
    checked: tuple[str, ...] = ()

    def doors(self) -> list[tuple[httpx.URL, dict[str, str], dict[str, Any]]]:
        """What to connect to: address, headers and extensions of the request, in order of preference.

        The server still learns the name (RFC 9112 section 3.2), and TLS still demands a certificate for it.
        """
        if not self.checked:
            return [(self.url, {}, {})]
        name, there = self.url.raw_host.decode("ascii"), self.url.netloc.decode("ascii")
        verified = {"sni_hostname": name.rstrip(".")} if self.url.scheme == "https" else {}
        return [(self.url.copy_with(host=address), {"Host": there}, verified) for address in self.checked]


async def approach(location: str, *, home: httpx.URL | None, here: httpx.URL | None, allow_private: bool) -> Target:
    """The target behind an address from outside, which may be relative to `here`, where it was found.

    On the host of `home` everything is allowed, elsewhere (without a `home`: everywhere) what is public, or
    everything with `allow_private`. Only http and https, and never from https to http. A user in the address is not
    kept: credentials are configured. Raises Refused, and Unreachable for a name that cannot be looked up.
    """
    url = _read(location, here)
    found_at = place(here) if here else place(url)
    if url.scheme not in ("http", "https"):
        raise Refused(f"{found_at}: an address that is not one of http or https is refused")
    if not _NAME.fullmatch(url.raw_host.decode("ascii")):
        raise Refused(f"{found_at}: an address without a host that can exist is refused")
    if url.port is not None and not 1 <= url.port <= LAST_PORT:
        raise Refused(f"{found_at}: an address with a port that does not exist is refused")
    if here and here.scheme == "https" and url.scheme != "https":
        raise Refused(f"{found_at}: the way leads away from https, which is refused")
    ours = home is not None and same_origin(url, home)
    if ours and home:
        url = url.copy_with(userinfo=home.userinfo)
    if allow_private or (home is not None and url.host == home.host):
        return Target(url, ours)
    return Target(url, ours, await _public_addresses(url))


def _read(location: str, here: httpx.URL | None) -> httpx.URL:
    """The address as the client will use it, without a user and a fragment.

    The library reads some parts only when they are asked for: all are asked for here, so that what is wrong with an
    address (a label that is no IDNA, half of a surrogate pair, more than fits) shows here and nowhere later.
    """
    try:
        url = here.join(location) if here else httpx.URL(location)
        url = url.copy_with(fragment=None, userinfo=b"")
        url.host.encode()
    except (httpx.InvalidURL, ValueError) as error:  # UnicodeError is a ValueError
        raise Refused("the address is not a valid URL") from error
    return url


async def _public_addresses(url: httpx.URL) -> tuple[str, ...]:
    name = url.raw_host.decode("ascii")
    try:
        async with asyncio.timeout(LOOK_UP):
            found: list[Any] = await asyncio.get_running_loop().getaddrinfo(
                name, url.port or (443 if url.scheme == "https" else 80), type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError) as error:  # a time-out is an OSError
        raise Unreachable(f"{place(url)}: the name does not resolve") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(is_public(address) for address in addresses):
        raise Refused(f"{place(url)}: a private address is refused (see allow_private)")
    return addresses[:MOST_ADDRESSES]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and hides no other one that is not.

    IPv6 addresses that stand for an IPv4 address are what that one is: mapped ones (RFC 4291 section 2.5.5.2), those
    of NAT64 (RFC 6052) and 6to4 (RFC 3056). Other transition mechanisms and special ranges are not public.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip.scope_id is not None:
        return False
    if ip in _MAPPED or ip in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    if ip.sixtofour is not None:
        return is_public(str(ip.sixtofour))
    return ip in _ALLOCATED and ip.is_global and ip.teredo is None


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


def same_origin(a: httpx.URL, b: httpx.URL) -> bool:
    """Whether scheme, host and port are the same."""
    return (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port)
