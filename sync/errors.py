"""The typed ways in which the outside world can fail, and what each one says about the effect of a write."""


class ConvenerError(Exception):
    """Base of all errors that are shown to people; the message never holds a secret or a whole URL."""


class ConfigurationError(ConvenerError):
    """The configuration or the command line is wrong; the message names file, table and key. Exit code 2."""


class LedgerError(ConvenerError):
    """The database cannot be used: missing, newer than the code, locked by another process. Exit code 2."""


class DatabaseAway(LedgerError):
    """The database cannot be reached now, or takes no connections: it may later."""


class LockTaken(LedgerError):
    """Another process is doing what only one may do at a time."""


class LeaseLost(LedgerError):
    """Another process has taken the route over: nothing more may be written for it, here or at the vendor. It passes
    through the fences between meetings and ends the pass."""


class ArchiveError(ConvenerError):
    """The archive cannot be used: not writable, full, not reachable; or a path that leads out of it. Exit code 2."""


class OutsideError(ConvenerError):
    """Base of everything that a vendor or a source's server can do to a request."""


class Unreachable(OutsideError):
    """No answer that can be used, and certainly no effect: no connection was made, or it was only a read."""


class UnknownOutcome(OutsideError):
    """A write was sent and nobody knows whether it took effect: time-out, reset, 5xx, unreadable answer. `silent`:
    there was no answer at all."""

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class CredentialsRefused(OutsideError):
    """The vendor does not accept the account (401, 403); nothing was changed."""


class Refused(OutsideError):
    """The vendor understood and said no (4xx); nothing was changed."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Gone(Refused):
    """The thing does not exist (any more): 404, 410."""


class RateLimited(OutsideError):
    """The vendor asks to wait (429, or 503 with Retry-After on a read); nothing was changed."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait."""


class WritesLocked(ConvenerError):
    """A write was attempted through a read-only client (plan, check, --dry-run): a defect, never expected."""
