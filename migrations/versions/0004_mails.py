"""Invitations that convener mails by itself: what each participant was last told.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def instant() -> sa.DateTime:
    """Times are UTC."""
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table; nobody was mailed so far."""
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("uid", sa.String(100), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("organizer", sa.Text, nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("starts_at", instant(), nullable=False),
        sa.Column("ends_at", instant(), nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("invited", sa.Boolean, nullable=False),
        sa.Column("doubted", sa.Boolean, nullable=False),
        sa.Column("retry_at", instant()),
        sa.Column("problem", sa.Text, nullable=False),
        sa.UniqueConstraint("route", "uid", "email", name="uq_mails_route_uid_email"),
    )
    op.create_index("ix_mails_route_ends_at", "mails", ["route", "ends_at"])
