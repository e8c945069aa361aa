"""What a long-running service shares and remembers: leases of routes, drift checks, the steps that were taken lately.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def instant() -> sa.DateTime:
    """Times are UTC."""
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; no route is leased, none was checked, and of no session is it believed that it is missing."""
    op.create_table(
        "leases",
        sa.Column("route", sa.String(100), primary_key=True),
        sa.Column("work", sa.String(20), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("busy", sa.Boolean, nullable=False),
        sa.Column("expires_at", instant(), nullable=False),
    )
    op.create_table(
        "drift_checks",
        sa.Column("route", sa.String(100), primary_key=True),
        sa.Column("checked_at", instant(), nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
    )
    op.add_column("vendors", sa.Column("troubled_at", instant()))
    op.add_column("links", sa.Column("missing", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("result", sa.String(20), nullable=False),
        sa.Column("link", sa.String(20), nullable=False),
        sa.Column("participant", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("ix_steps_route_id", "steps", ["route", "id"])
