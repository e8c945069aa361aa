"""Personal links, what a vendor cannot change, and how it spells what it was sent.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there already has nothing of the kind."""
    with op.batch_alter_table("links") as links:
        links.add_column(sa.Column("stale", sa.JSON, nullable=False, server_default="{}"))
        links.add_column(sa.Column("echo", sa.JSON, nullable=False, server_default="{}"))
        links.add_column(sa.Column("lost", sa.Integer, nullable=False, server_default="0"))
    with op.batch_alter_table("invitees") as invitees:
        invitees.add_column(sa.Column("stale", sa.String(20), nullable=False, server_default=""))
        invitees.add_column(sa.Column("personal_link", sa.Text))
        invitees.add_column(sa.Column("link_for", sa.String(64), nullable=False, server_default=""))
        invitees.add_column(sa.Column("link_expires_at", sa.DateTime(timezone=True)))
