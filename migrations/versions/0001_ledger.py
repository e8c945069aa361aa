"""The first ledger: links, invitees, intents, sources, vendors, runs.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def instant() -> sa.DateTime:
    """Times are UTC."""
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "links",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("recurrence_id", sa.String(20)),
        sa.Column("vendor", sa.String(100), nullable=False),
        sa.Column("marker", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("session", sa.String(200)),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("starts_at", instant(), nullable=False),
        sa.Column("ends_at", instant(), nullable=False),
        sa.Column("join_url", sa.Text),
        sa.Column("applied", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("retry_at", instant()),
        sa.Column("problem", sa.Text),
        sa.Column("problem_digest", sa.String(64)),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("updated_at", instant(), nullable=False),
        sa.UniqueConstraint("route", "key", name="uq_links_route_key"),
    )
    op.create_index("ix_links_route_ends_at", "links", ["route", "ends_at"])
    op.create_index("ix_links_key", "links", ["key"])
    op.create_table(
        "invitees",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("link_id", sa.Integer, sa.ForeignKey("links.id", ondelete="CASCADE"), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("ref", sa.String(200)),
        sa.UniqueConstraint("link_id", "email", name="uq_invitees_link_email"),
    )
    op.create_table(
        "intents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("vendor", sa.String(100), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("participant", sa.Text),
        sa.Column("marker", sa.String(200), nullable=False),
        sa.Column("session", sa.String(200)),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("opened_at", instant(), nullable=False),
        sa.Column("looked_at", instant()),
        sa.Column("settled_at", instant()),
        sa.Column("outcome", sa.String(40)),
    )
    op.create_index("ix_intents_route_settled_at", "intents", ["route", "settled_at"])
    op.create_table(
        "sources",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("cursor", sa.LargeBinary),
        sa.Column("read_at", instant(), nullable=False),
        sa.Column("complete_at", instant()),
        sa.Column("problem", sa.Text),
        sa.Column("rejected", sa.JSON, nullable=False),
    )
    op.create_table(
        "vendors",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("cooldown_until", instant()),
        sa.Column("problem", sa.Text),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("started_at", instant(), nullable=False),
        sa.Column("finished_at", instant()),
        sa.Column("exit", sa.Integer),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_index("ix_runs_route_id", "runs", ["route", "id"])
