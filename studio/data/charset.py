"""The encoding of a text file: UTF-8, UTF-16 where a byte order mark or its zeros say so, else GB18030 (of which GBK
and GB2312 are parts) where the bytes look like Chinese. What is none of these is left to the reader, who names the
line.

A file is read once for each of its states, in blocks.
"""

import codecs
from functools import lru_cache
from pathlib import Path

UTF8, UTF16, GB = "utf-8", "utf-16", "gb18030"
UTF32 = "utf-32"
MARKS = ((codecs.BOM_UTF32_LE, UTF32), (codecs.BOM_UTF32_BE, UTF32), (codecs.BOM_UTF16_LE, UTF16),
         (codecs.BOM_UTF16_BE, UTF16))  # fmt: skip
# Without a mark the zeros tell it, where the first two characters are Latin letters or signs: RFC 4627, section 3.
UNMARKED = (([False, True] * 2, "utf-16-le"), ([True, False] * 2, "utf-16-be"))
BLOCK_BYTES = 1 << 20
# Latin and damaged text can be read as GB18030, too, but then hardly as the 6,763 characters of everyday use.
MIN_COMMON = 0.7


def of_file(file: Path) -> str:
    """`utf-8` (with or without its mark), `utf-16` (`-le` and `-be` without), `utf-32` or `gb18030`."""
    state = file.stat()
    return _of_file(file, state.st_mtime_ns, state.st_size)


def codec(file: Path) -> str:
    """The name with which to open the file, its mark passed over."""
    found = of_file(file)
    return "utf-8-sig" if found == UTF8 else found


@lru_cache(maxsize=512)
def _of_file(file: Path, *_state: int) -> str:
    with file.open("rb") as stream:
        start = stream.read(4)
    for mark, name in MARKS:
        if start.startswith(mark):
            return name
    for every, name in UNMARKED:
        if len(start) == 4 and [char == 0 for char in start] == every:
            return name
    if _decodes(file, UTF8):
        return UTF8
    return GB if _decodes(file, GB) and _common_share(file) >= MIN_COMMON else UTF8


def _decodes(file: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    with file.open("rb") as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _common_share(file: Path) -> float:
    """Of the characters of two bytes in the first blocks, the share that GB2312 knows."""
    with file.open("rb") as stream:
        text = stream.read(4 * BLOCK_BYTES).decode(GB, "ignore")
    wide = [char for char in text if char > "\x7f"][:10_000]
    known = sum(len(char.encode("gb2312", "ignore")) == 2 for char in wide)
    return known / len(wide) if wide else 0.0


def bad_line(file: Path) -> int:
    """The first line of `file` that is not UTF-8."""
    decoder, number = codecs.getincrementaldecoder(UTF8)(), 1
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return number + error.object[: error.start].count(b"\n")
            number += block.count(b"\n")
    return number
