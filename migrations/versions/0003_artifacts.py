"""What sessions leave and what they are given: occurrences with their looks, artifacts, documents.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def instant() -> sa.DateTime:
    """Times are UTC."""
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; the next pass fills in the meetings that it sees."""
    op.create_table(
        "occurrences",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("recurrence_id", sa.String(20)),
        sa.Column("link_key", sa.Text, nullable=False),
        sa.Column("vendor", sa.String(100), nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("starts_at", instant(), nullable=False),
        sa.Column("ends_at", instant(), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("organizer", sa.Text, nullable=False),
        sa.Column("people", sa.JSON, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("published", sa.String(64), nullable=False),
        sa.Column("changed_at", instant()),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("look_at", instant()),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("manifest_due", sa.Boolean, nullable=False),
        sa.Column("off", sa.Boolean, nullable=False),
        sa.UniqueConstraint("route", "key", name="uq_occurrences_route_key"),
    )
    op.create_index("ix_occurrences_route_look_at", "occurrences", ["route", "look_at"])
    op.create_index("ix_occurrences_route_ends_at", "occurrences", ["route", "ends_at"])
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("vendor", sa.String(100), nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("ref", sa.String(200), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("stem", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("seen_at", instant(), nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("duration", sa.Float),
        sa.Column("created", instant()),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("more", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("validator", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("stored_at", instant()),
        sa.UniqueConstraint("vendor", "session", "kind", "ref", name="uq_artifacts_vendor_session_kind_ref"),
    )
    op.create_index("ix_artifacts_route_key", "artifacts", ["route", "key"])
    op.create_index("ix_artifacts_state_stored_at", "artifacts", ["state", "stored_at"])
    op.create_table(
        "documents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("vendor", sa.String(100), nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("looked_at", instant(), nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("validator", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("pushed_at", instant()),
        sa.Column("handed", sa.JSON, nullable=False),
        sa.UniqueConstraint("route", "key", "session", "identity", name="uq_documents_route_key_session_identity"),
    )
