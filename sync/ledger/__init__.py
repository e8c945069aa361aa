"""The ledger: what belongs to what, what is under way, what was last read, what came in and went out. One database."""

from sync.ledger.records import Intent, Link, LinkState, Registered, Run, SourceState, VendorState
from sync.ledger.store import Ledger

__all__ = ["Intent", "Ledger", "Link", "LinkState", "Registered", "Run", "SourceState", "VendorState"]
