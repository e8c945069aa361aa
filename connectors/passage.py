"""Where a request meets what its vendor call carries with it (`sync.ports.Passage`)."""

from sync.ports import PASSAGE


async def before_writing(step: str, _about: object) -> None:
    """Asked by the HTTP library (its extension "trace") at each of its steps: the connection is there, and this is the
    last moment at which nothing has been sent. Raises what the passage raises."""
    if step.endswith("send_request_headers.started") and (passage := PASSAGE.get()):
        passage.before_write()


def still_wanted() -> None:
    """Raises what the passage raises for a write that must not be sent (any more)."""
    if passage := PASSAGE.get():
        passage.check()


def count(method: str, status: str) -> None:
    """Tell the passage of a request: its HTTP status, or in a word what came instead of one."""
    if passage := PASSAGE.get():
        passage.answered(method, status)
