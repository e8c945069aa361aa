"""A film of unknown length is all there when its boxes say so, in whatever pieces it came."""

from random import Random

import pytest

from connectors.boxes import Boxes
from connectors.simulators.media import film


def box(kind: bytes, content: bytes, *, long: bool = False, size: int | None = None) -> bytes:
    if long:
        return (
            (1).to_bytes(4, "big") + kind + (len(content) + 16 if size is None else size).to_bytes(8, "big") + content
        )
    return (len(content) + 8 if size is None else size).to_bytes(4, "big") + kind + content


START = box(b"ftyp", b"mp42" + bytes(4))
CONTENT = Random(6).randbytes(300)


def lacking(*chunks: bytes) -> int:
    boxes = Boxes()
    for chunk in chunks:
        boxes.take(chunk)
    return boxes.lacking


WHOLE = {
    "as stand-ins make them": film(CONTENT),
    "a long size": START + box(b"mdat", CONTENT, long=True) + box(b"moov", CONTENT),
    "empty boxes": START + box(b"free", b"") + box(b"wide", b"", long=True) + box(b"mdat", CONTENT),
    "fragments": START + box(b"moov", CONTENT) + (box(b"moof", b"x") + box(b"mdat", CONTENT)) * 3,
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_whole_film_lacks_nothing_and_what_is_cut_within_a_box_does(content: bytes) -> None:
    ends, at = set(), 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        at += size if size > 1 else int.from_bytes(content[at + 8 : at + 16], "big")
        ends.add(at)
    for cut in range(5, len(content) + 1):
        pieces = [content[:cut][first : first + 7] for first in range(0, cut, 7)]
        assert lacking(content[:cut]) == lacking(*pieces)
        assert bool(lacking(content[:cut])) == (cut not in ends), cut
    assert lacking(content[:-1]) == 1


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"abc", bytes(100), b"%PDF-1.7 " * 9, b"\0\0\1\0moov" + CONTENT, b"<html>ftyp</html>"),
        START + box(b"mdat", CONTENT, size=0),
        START + box(b"mdat", CONTENT, size=7),
        START + box(b"mdat", CONTENT, size=15, long=True),
        START + bytes(8) + b"\0\xff\0\0more",
    ],
    ids=["nothing", "text", "zeros", "PDF", "no ftyp", "page", "to the end", "no box", "no long box", "padding"],
)
def test_nothing_is_said_of_what_has_no_boxes_that_end(content: bytes) -> None:
    assert lacking(content) == 0


def test_a_size_beyond_all_bounds_costs_nothing() -> None:
    assert lacking(START, box(b"mdat", b"x", size=2**64 - 1, long=True)) == 2**64 - 18
