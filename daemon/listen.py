"""Where the daemon listens for HTTP requests: on this very machine only, for there is no token to show yet."""

import ipaddress
import re

_ADDRESS = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+):([0-9]{1,5})")


def listen_address(listen: str) -> tuple[str, int] | None:
    """Host and port of `127.0.0.1:8377` or `[::1]:8377`, None for "". Port 0 stands for any free one. Raises ValueError
    for what cannot be read, and for what can be reached from elsewhere."""
    if not listen:
        return None
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f'"{listen}" is not host:port, such as 127.0.0.1:8377')
    host = match[1].strip("[]")
    if not is_loopback(host):
        raise ValueError(f'"{host}" can be reached from elsewhere: only loopback addresses until there is a token')
    return "127.0.0.1" if host.lower() == "localhost" else host, int(match[2])


def is_loopback(host: str) -> bool:
    """Whether that name or IP address (without brackets) stands for this very machine, and no resolver is asked."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
