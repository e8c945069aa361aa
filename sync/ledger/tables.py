"""The tables of the ledger. The schema is made by Alembic (`migrations/`); a test holds the two together."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData()


class Instant(TypeDecorator[datetime]):
    """A UTC-aware datetime; SQLite keeps it without the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive datetimes: a time without a zone in the ledger would be a guess later."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """UTC-aware."""
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text for people, from wherever it came: what no database takes (NUL, half a surrogate pair) is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Never the reason why something cannot be recorded."""
        return None if value is None else value.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")


meta = Table("meta", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))

links = Table(
    "links",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("source", String(100), nullable=False),
    Column("uid", Text, nullable=False),
    Column("recurrence_id", String(20)),
    Column("vendor", String(100), nullable=False),
    Column("marker", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("session", String(200)),
    Column("title", Words, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("join_url", Text),
    Column("applied", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("retry_at", Instant),
    Column("problem", Words),
    Column("problem_digest", String(64)),
    Column("stale", JSON, nullable=False, server_default="{}"),
    Column("echo", JSON, nullable=False, server_default="{}"),
    Column("lost", Integer, nullable=False, server_default="0"),
    Column("missing", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("route", "key", name="uq_links_route_key"),
    Index("ix_links_route_ends_at", "route", "ends_at"),
    Index("ix_links_key", "key"),
)

invitees = Table(
    "invitees",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("link_id", Integer, ForeignKey("links.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Words, nullable=False),
    Column("role", String(20), nullable=False),
    Column("ref", String(200)),
    Column("stale", String(20), nullable=False, server_default=""),
    Column("personal_link", Text),
    Column("link_for", String(64), nullable=False, server_default=""),
    Column("link_expires_at", Instant),
    UniqueConstraint("link_id", "email", name="uq_invitees_link_email"),
)

intents = Table(
    "intents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("vendor", String(100), nullable=False),
    Column("action", String(20), nullable=False),
    Column("participant", Text),
    Column("marker", String(200), nullable=False),
    Column("session", String(200)),
    Column("payload", JSON, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("looked_at", Instant),
    Column("settled_at", Instant),
    Column("outcome", String(40)),
    Index("ix_intents_route_settled_at", "route", "settled_at"),
)

sources = Table(
    "sources",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("cursor", LargeBinary),
    Column("read_at", Instant, nullable=False),
    Column("complete_at", Instant),
    Column("problem", Words),
    Column("rejected", JSON, nullable=False),
)

vendors = Table(
    "vendors",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("cooldown_until", Instant),
    Column("problem", Words),
    Column("troubled_at", Instant),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("exit", Integer),
    Column("counts", JSON, nullable=False),
    Column("reason", Words),
    Index("ix_runs_route_id", "route", "id"),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("source", String(100), nullable=False),
    Column("uid", Text, nullable=False),
    Column("recurrence_id", String(20)),
    Column("link_key", Text, nullable=False),
    Column("vendor", String(100), nullable=False),
    Column("session", String(200), nullable=False),
    Column("title", Words, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("location", Words, nullable=False),
    Column("description", Words, nullable=False),
    Column("organizer", Words, nullable=False),
    Column("people", JSON, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("published", String(64), nullable=False),
    Column("changed_at", Instant),
    Column("looks", Integer, nullable=False),
    Column("look_at", Instant),
    Column("failures", Integer, nullable=False),
    Column("problem", Words, nullable=False),
    Column("folder", Words, nullable=False),
    Column("manifest_due", Boolean, nullable=False),
    Column("off", Boolean, nullable=False),
    UniqueConstraint("route", "key", name="uq_occurrences_route_key"),
    Index("ix_occurrences_route_look_at", "route", "look_at"),
    Index("ix_occurrences_route_ends_at", "route", "ends_at"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("vendor", String(100), nullable=False),
    Column("session", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("ref", String(200), nullable=False),
    Column("name", Words, nullable=False),
    Column("stem", Words, nullable=False),
    Column("state", String(20), nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("media_type", Words, nullable=False),
    Column("size", BigInteger),
    Column("sha256", String(64), nullable=False),
    Column("duration", Float),
    Column("created", Instant),
    Column("status", Words, nullable=False),
    Column("more", Words, nullable=False),
    Column("path", Words, nullable=False),
    Column("validator", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("problem", Words, nullable=False),
    Column("stored_at", Instant),
    UniqueConstraint("vendor", "session", "kind", "ref", name="uq_artifacts_vendor_session_kind_ref"),
    Index("ix_artifacts_route_key", "route", "key"),
    Index("ix_artifacts_state_stored_at", "state", "stored_at"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("vendor", String(100), nullable=False),
    Column("session", String(200), nullable=False),
    Column("identity", String(64), nullable=False),
    Column("name", Words, nullable=False),
    Column("state", String(20), nullable=False),
    Column("looked_at", Instant, nullable=False),
    Column("media_type", Words, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("ref", Words, nullable=False),
    Column("validator", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("problem", Words, nullable=False),
    Column("pushed_at", Instant),
    Column("handed", JSON, nullable=False),
    UniqueConstraint("route", "key", "session", "identity", name="uq_documents_route_key_session_identity"),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("uid", String(100), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Words, nullable=False),
    Column("role", String(20), nullable=False),
    Column("organizer", Words, nullable=False),
    Column("session", String(200), nullable=False),
    Column("title", Words, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("method", String(20), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("message_id", String(100), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("invited", Boolean, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("retry_at", Instant),
    Column("problem", Words, nullable=False),
    UniqueConstraint("route", "uid", "email", name="uq_mails_route_uid_email"),
    Index("ix_mails_route_ends_at", "route", "ends_at"),
)

write_backs = Table(
    "write_backs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("source", String(100), nullable=False),
    Column("uid", Text, nullable=False),
    Column("recurrence_id", String(20)),
    Column("thing", String(64), nullable=False),
    Column("name", Words, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("wanted", Words, nullable=False),
    Column("written", Words, nullable=False),
    Column("written_at", Instant),
    Column("former", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("retry_at", Instant),
    Column("problem", Words, nullable=False),
    UniqueConstraint("route", "key", "thing", name="uq_write_backs_route_key_thing"),
    Index("ix_write_backs_source", "source"),
)

leases = Table(
    "leases",
    metadata,
    Column("route", String(100), primary_key=True),
    Column("work", String(20), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("busy", Boolean, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

drift_checks = Table(
    "drift_checks",
    metadata,
    Column("route", String(100), primary_key=True),
    Column("checked_at", Instant, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("findings", JSON, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("route", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("title", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("action", String(20), nullable=False),
    Column("result", String(20), nullable=False),
    Column("link", String(20), nullable=False),
    Column("participant", Text),
    Column("reason", Words, nullable=False),
    Index("ix_steps_route_id", "route", "id"),
)
