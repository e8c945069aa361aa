"""What the sources got back: join links and artifacts.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def instant() -> sa.DateTime:
    """Times are UTC."""
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table; nothing has been written to a source."""
    op.create_table(
        "write_backs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("recurrence_id", sa.String(20)),
        sa.Column("thing", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("ends_at", instant(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("written", sa.Text, nullable=False),
        sa.Column("written_at", instant()),
        sa.Column("former", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("doubted", sa.Boolean, nullable=False),
        sa.Column("retry_at", instant()),
        sa.Column("problem", sa.Text, nullable=False),
        sa.UniqueConstraint("route", "key", "thing", name="uq_write_backs_route_key_thing"),
    )
    op.create_index("ix_write_backs_source", "write_backs", ["source"])
