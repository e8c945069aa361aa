"""What kind of file something is: by its own first bytes, then by what is said of it.

The signatures are the registered or published ones of each format (PNG, RFC 2083 section 3.1; PDF, ISO 32000-1
section 7.5.2; ZIP, APPNOTE section 4.3.7; ISO base media files, ISO 14496-12 section 4.3; and so on), and for web
pages the tags by which browsers know them (WHATWG MIME Sniffing, section 7.1). They are few, and only such as do not
occur by accident: a wrong answer is worse than none. The tables are fixed, so that no machine's own `mime.types` plays
a part.
"""

import codecs
import mimetypes
import re

UNKNOWN = "application/octet-stream"

_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_DOCX, _XLSX = _OPEN_XML + "wordprocessingml.document", _OPEN_XML + "spreadsheetml.sheet"
_PPTX = _OPEN_XML + "presentationml.presentation"
_ODF = "application/vnd.oasis.opendocument."
_OLE = "application/x-ole-storage"

_STARTS = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"FLV\x01", "video/x-flv"),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = (
    (b"qt  ", "video/quicktime"),
    (b"M4A ", "audio/mp4"),
    (b"M4B ", "audio/mp4"),
    (b"hei", "image/heic"),
    (b"mif1", "image/heif"),
    (b"avif", "image/avif"),
    (b"3gp", "video/3gpp"),
)
_IN_ZIP = ((b"word/", _DOCX), (b"xl/", _XLSX), (b"ppt/", _PPTX))
_ZIP_TYPE = re.compile(rb"application/(?:vnd\.oasis\.opendocument\.[a-z-]{1,40}|epub\+zip)")

_FAMILIES = {
    "application/zip": re.compile(
        r"application/(?:vnd\.(?:openxmlformats-|oasis\.opendocument\.|ms-|apple\.|android\.|google-earth\.kmz).*"
        r"|java-archive|.*\+zip)"
    ),
    _OLE: re.compile(r"application/(?:msword|vnd\.(?:ms-|visio).*)"),
    "application/ogg": re.compile(r"(?:audio|video)/.*"),
    "application/xml": re.compile(r"text/xml|.*\+xml"),
    "video/mp4": re.compile(r"audio/mp4|video/(?:x-m4v|quicktime)"),
    "video/webm": re.compile(r"audio/webm"),
    "text/html": re.compile(r"application/xhtml\+xml"),
}
"""Contents that are known by their container only, and what may be said of them more exactly."""

_EXTENSIONS = {
    "application/epub+zip": ".epub",
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/ogg": ".ogg",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-outlook": ".msg",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.rar": ".rar",
    _ODF + "presentation": ".odp",
    _ODF + "spreadsheet": ".ods",
    _ODF + "text": ".odt",
    _DOCX: ".docx",
    _XLSX: ".xlsx",
    _PPTX: ".pptx",
    "application/x-7z-compressed": ".7z",
    "application/xml": ".xml",
    "application/zip": ".zip",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".oga",
    "audio/wav": ".wav",
    "audio/webm": ".weba",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/vtt": ".vtt",
    "text/xml": ".xml",
    "video/3gpp": ".3gp",
    "video/mp4": ".mp4",
    "video/mpeg": ".mpg",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-flv": ".flv",
    "video/x-m4v": ".m4v",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    UNKNOWN: "",
}
_TYPES = {
    **{extension: kind for kind, extension in reversed(_EXTENSIONS.items()) if extension},
    ".htm": "text/html",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
}
_LIBRARY = mimetypes.MimeTypes()
"""Python's own table, without the machine's files."""

_SAYS_NOTHING = frozenset(
    {UNKNOWN, "binary/octet-stream", "application/unknown", "application/x-download", "application/force-download"}
)
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_HEAD = 65_536
"""Bytes that are looked at: the names of an office document's first members are among them."""
_COMMENTS = rb"(?:<!--.*?-->\s*)*+"
_PAGE = re.compile(
    rb"(?:<\?xml\s[^>]{0,200}\?>\s*" + _COMMENTS + rb"<(?:!doctype\s+html|html)"
    rb"|" + _COMMENTS + rb"<(?:!doctype\s+html|html|head|body|title|meta|link|script|style|iframe|h1|div|font|center"
    rb"|table|p|br|a|b))[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
_DRAWING = re.compile(
    rb"(?:<\?xml\s[^>]{0,200}\?>\s*)?" + _COMMENTS + rb"<(?:!doctype\s+)?svg[\s>]", re.IGNORECASE | re.DOTALL
)


def media_type_of(head: bytes, declared: str, name: str) -> str:
    """The media type of a file by its first bytes (4 KiB tell nearly all); then by what it is `declared` as (by a
    header or a parameter, "" when it is not), by the extension of its `name`, and by whether it is a text."""
    own = _own_word(head[:_HEAD])
    claims = [kind for kind in (informative(declared), type_of_name(name)) if kind]
    if own:
        family = _FAMILIES.get(own)
        return next((kind for kind in claims if family and family.fullmatch(kind)), own)
    return claims[0] if claims else _text(head[:_HEAD])


def informative(declared: str) -> str:
    """A declared media type in lower case and without parameters; "" when it is none, or says nothing."""
    kind = _clean(declared)
    return "" if kind in _SAYS_NOTHING else kind


def type_of_name(name: str) -> str:
    """The media type that a file name's extension stands for, "" when it has none that is known."""
    dot = name.rfind(".")
    extension = name[dot:].strip().lower() if dot >= 0 else ""
    return _TYPES.get(extension) or informative(_LIBRARY.types_map[True].get(extension, ""))


def extension_of(media_type: str) -> str:
    """The usual file extension (".pdf"), "" when the type is unknown."""
    kind = _clean(media_type)
    known = _EXTENSIONS.get(kind)
    return known if known is not None else _LIBRARY.guess_extension(kind) or ""


def looks_like_a_page(head: bytes) -> bool:
    """Whether the bytes begin as HTML does, in any of its spellings: what is sent in place of a file when a login is
    asked for, or in place of an error."""
    return bool(_PAGE.match(_as_ascii(head[:_HEAD])))


def _own_word(head: bytes) -> str:
    """What the bytes say by themselves, "" when they say nothing."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head.startswith(b"RIFF") and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return next((kind for brand, kind in _BRANDS if head[8:12].startswith(brand)), "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(head)
    text = _as_ascii(head)
    if text.startswith(b"%PDF-"):
        return "application/pdf"  # with blanks or a byte order mark in front
    if looks_like_a_page(head):
        return "text/html"
    if _DRAWING.match(text):
        return "image/svg+xml"
    return "application/xml" if text.startswith(b"<?xml") else ""


def _in_zip(head: bytes) -> str:
    """What a ZIP file is, by the names of its first members."""
    at = 0
    while (at := head.find(b"PK\x03\x04", at)) >= 0 and at + 30 <= len(head):
        name_length, extra_length = (int.from_bytes(head[at + place : at + place + 2], "little") for place in (26, 28))
        begin = at + 30
        name = head[begin : begin + name_length]
        behind = begin + name_length + extra_length
        if name == b"mimetype" and (kind := _ZIP_TYPE.match(head, behind)):
            return kind[0].decode("ascii")
        for folder, office in _IN_ZIP:
            if name.startswith(folder):
                return office
        at = begin
    return "application/zip"


def _as_ascii(head: bytes) -> bytes:
    """The text without byte order mark and leading blanks; UTF-16 is turned into bytes that can be compared."""
    for mark, codec in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(codec, "replace").encode("utf-8", "replace").lstrip()
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def _text(head: bytes) -> str:
    """For what nobody says anything about: JSON, text, or unknown."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)  # its end may be cut within a character
    except UnicodeDecodeError:
        return UNKNOWN
    if not text.strip() or re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", text):
        return UNKNOWN
    return "application/json" if re.match(r'\s*(?:\{\s*["}]|\[\s*[{\["\]])', text) else "text/plain"


def _clean(media_type: str) -> str:
    """Lower case, without parameters; "" for what is no media type."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else ""
