"""Whether a film that came without a word about its length is all there: by the boxes that it consists of.

Source: ISO 14496-12 section 4.2. A file is a row of boxes; each begins with its size (4 bytes, big-endian, its own
header included) and its type (4 bytes). Size 1: the size is in the 8 bytes that follow. Size 0: it goes to the end.
"""

_SHORT, _LONG = 8, 16
_SIZE_FOLLOWS = 1


class Boxes:
    """Walks the outermost boxes of a file as its bytes go by, and holds on to nothing but the header of one.

    Only what begins with `ftyp` is a film of this kind (section 4.3); nothing is known of others, nor of what follows
    when something is no box.
    """

    def __init__(self) -> None:
        self._header = b""
        self._inside = 0  # bytes of the present box that are still to come
        self._first = True
        self._judges = True

    def take(self, chunk: bytes) -> None:
        """The next bytes of the file."""
        at = 0
        while self._judges and at < len(chunk):
            if self._inside:
                step = min(self._inside, len(chunk) - at)
                self._inside -= step
            else:
                step = min(self._wanted(), len(chunk) - at)
                self._header += chunk[at : at + step]
                self._enter()
            at += step

    @property
    def lacking(self) -> int:
        """The bytes that must still come before the file can end here; 0 when it can, or when nobody knows."""
        kind = self._header[4:]
        if not self._header or (self._first and not (kind and b"ftyp".startswith(kind))):
            return self._inside
        return self._wanted()

    def _wanted(self) -> int:
        """Bytes that the header still lacks."""
        long = len(self._header) >= _SHORT and _size(self._header) == _SIZE_FOLLOWS
        return (_LONG if long else _SHORT) - len(self._header)

    def _enter(self) -> None:
        """Go into the box whose header is there, as soon as all of it is. One of size 0 has no end that could be
        missed: it is left like something that is no box."""
        if self._wanted():
            return
        header, self._header = self._header, b""
        size = _size(header) if len(header) == _SHORT else int.from_bytes(header[_SHORT:], "big")
        self._judges = size >= len(header) and (not self._first or header[4:_SHORT] == b"ftyp")
        self._first = False
        self._inside = size - len(header) if self._judges else 0


def _size(header: bytes) -> int:
    return int.from_bytes(header[:4], "big")
