"""What the table `[sources.<name>]` of every CRM may set."""

from datetime import timedelta

from pydantic import Field

from connectors.settings import Duration, SourceSettings


class CrmSettings(SourceSettings):
    """How a CRM is polled. `overlap`: so far behind the newest change that was seen the next read begins, for changes
    that the CRM stamps when they begin and shows when they end. `sweep_every`: how many reads there are from one look
    at the participants and at what was deleted to the next."""

    overlap: Duration = timedelta(minutes=5)
    sweep_every: int = Field(default=1, ge=1, le=1000)
