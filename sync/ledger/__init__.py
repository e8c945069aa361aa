"""The ledger: what belongs to what, what is under way, and what was last read. One database, seven tables."""

from sync.ledger.records import Intent, Link, LinkState, Registered, Run, SourceState, VendorState
from sync.ledger.store import Ledger

__all__ = ["Intent", "Ledger", "Link", "LinkState", "Registered", "Run", "SourceState", "VendorState"]
