"""Where pulled artifacts are kept: a local folder, or a store that fsspec reaches."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from connectors.archive.local import LocalArchive
from connectors.archive.remote import RemoteArchive
from sync.errors import ConfigurationError
from sync.outlets import Archive

SPOOL = ".convener-spool"
"""The folder of what is on its way to a remote store."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def open_archive(archive: str, base: Path, state: Path | None = None) -> Archive:
    """The archive at a path (relative to the folder `base`), a `file:///…` or another fsspec address, whose spool lies
    in the folder `state` (else in `base`). Nothing is written yet. Raises ConfigurationError, and ArchiveError for a
    store that has to be reached and cannot be."""
    if not archive.strip() or "\0" in archive:
        raise ConfigurationError("archive: must be a folder or an address such as s3://bucket/prefix")
    if archive.lower().startswith("file://"):
        return LocalArchive(_file_path(archive))
    if "://" not in archive:
        return LocalArchive(base / archive)
    if "::" in archive or not _SCHEME.match(archive):
        raise ConfigurationError("archive: is neither a folder nor an address such as s3://bucket/prefix")
    return RemoteArchive(archive, LocalArchive((state or base) / SPOOL))


def _file_path(url: str) -> Path:
    """The absolute path that a file URL names (RFC 8089 section 2)."""
    parsed = urlsplit(url)
    path = unquote(parsed.path)
    if parsed.netloc not in ("", "localhost") or not path.startswith("/") or parsed.query or parsed.fragment:
        raise ConfigurationError("archive: file:// must be followed by an absolute path: file:///var/lib/archive")
    return Path(path)
