"""What is known of one kind of log line."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of log line. `alert` is "no", "any" (each one is worth an alert: its rule is made from this list) or the
    name of a rule in `docs/monitoring/alerts.yml`."""

    level: Level
    fields: tuple[str, ...]
    meaning: str
    action: str = "nothing"
    alert: str = "no"
