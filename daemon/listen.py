"""Where the daemon listens for HTTP requests: on this very machine only, unless there is a token to be shown."""

import ipaddress
import re

_ADDRESS = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+):([0-9]{1,5})")


def listen_address(listen: str, *, anywhere: bool = False) -> tuple[str, int] | None:
    """Host and port of `127.0.0.1:8377` or `[::1]:8377`, None for "". Port 0 stands for any free one. Raises ValueError
    for what cannot be read and, unless it may be `anywhere`, for what can be reached from elsewhere."""
    if not listen:
        return None
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f'"{listen}" is not host:port, such as 127.0.0.1:8377')
    host = match[1].strip("[]")
    if not (anywhere or is_loopback(host)):
        raise ValueError(f'"{host}" can be reached from elsewhere: only loopback addresses until there is a token')
    if host.lower() == "localhost":
        return "127.0.0.1", int(match[2])
    if not _is_address(host):
        raise ValueError(f'"{host}" is no IP address of this machine, such as 127.0.0.1 or 0.0.0.0')
    return host, int(match[2])


def is_loopback(host: str) -> bool:
    """Whether that name or IP address (without brackets) stands for this very machine, and no resolver is asked."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
