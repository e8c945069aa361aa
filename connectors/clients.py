"""The HTTP library's client as convener wants it: it remembers nothing and follows nobody."""

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

LONGEST_CONNECT = 10.0
"""Seconds for a connection to be made, TLS included."""
KEPT = 2.0
"""Seconds that a connection is kept for the next request."""

_LOCATION = "convener.location"


def new_client(timeout: float, connections: int, trusted: ssl.SSLContext, *, keeps: bool) -> httpx.AsyncClient:
    """A client without cookies, redirects and the environment's proxies; `timeout` in seconds, for each read and write.
    `keeps`: connections are used for more than one request."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT)),
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=None if keeps else 0, keepalive_expiry=KEPT
        ),
        verify=trusted,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        headers={"User-Agent": "convener", "Accept-Encoding": "gzip"},
        event_hooks={"response": [_put_location_aside]},
    )


async def begun(client: httpx.AsyncClient, request: httpx.Request, auth: httpx.Auth | None) -> httpx.Response:
    """The beginning of the answer, its Location untouched: the library reads it although it is not to follow, and
    fails for an address that it cannot read."""
    response = await client.send(request, stream=True, auth=auth)
    if _LOCATION in response.extensions:
        response.headers["location"] = response.extensions[_LOCATION]
    return response


async def _put_location_aside(response: httpx.Response) -> None:
    if response.has_redirect_location:
        response.extensions[_LOCATION] = response.headers.pop("location")
