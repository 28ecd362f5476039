"""A zip of databases as the folder that it stands for: what text-to-SQL reads of it is unpacked, once for each state.

Refused as a whole: a zip that would grow beyond measure, one with a path that leads out of its folder, one with a
password. A zip within it (as BIRD is packed) lies beside its other files.
"""

import errno
import hashlib
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from studio import paths
from studio.data import writing
from studio.errors import StudioError

ZIP = ".zip"
DATABASES = (".sqlite", ".sqlite3", ".db", ".db3")
LISTS = (".json", ".jsonl")
TAKEN = (*DATABASES, *(f"{kind}-wal" for kind in DATABASES), *LISTS, ZIP)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can fill the memory out of one small block
MAX_GROWTH, FREE_BYTES = 300, 256 << 20  # honest databases shrink to a tenth, empty ones to a hundredth
KEPT_S = 30 * 24 * 3600  # a zip that is still wanted is unpacked again
BLOCK_BYTES, MIN_BYTES = 1 << 20, 4096
LEVELS = 1  # of zips within a zip
UTF8_NAME = 0x800
ENCRYPTED = 0x1


def folder_of(file: Path) -> Path:
    """The folder below the cache that holds what is in a zip. Raises StudioError as `unpack` does."""
    found = file.stat()
    state = f"{file.resolve()}\n{found.st_size}\n{found.st_mtime_ns}"
    folder = paths.cache() / "unpacked" / hashlib.sha256(state.encode()).hexdigest()[:24]
    if not folder.is_dir():
        unpack(file, folder)
    return folder


def unpack(file: Path, folder: Path) -> None:
    """Make `folder`, with the databases and lists of a zip. Raises StudioError and leaves nothing where it cannot."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        with writing.on_disk(folder):
            draft.mkdir(parents=True)
            writing.drop_old(folder.parent, KEPT_S)
            _unpack(file, file.name, draft, max(FREE_BYTES, MAX_GROWTH * file.stat().st_size))
            if not folder.is_dir():  # another may have been faster
                draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unpack(file: Path, name: str, folder: Path, room: int, levels: int = LEVELS) -> int:
    """`room`: bytes that all of it may have. What is left of them."""
    try:
        with _opened(file, name) as stream, zipfile.ZipFile(stream) as archive:
            wanted = list(_wanted(archive, name, TAKEN if levels else TAKEN[:-1]))
            size = sum(max(member.file_size, MIN_BYTES) for member, _ in wanted)
            if size > room:
                raise StudioError("zip_bomb", file=name, limit_mib=room >> 20)
            if size > shutil.disk_usage(folder).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            room -= size
            for member, place in wanted:
                path = folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, path.open("xb") as plain:  # it gives no more than the size it told
                    shutil.copyfileobj(packed, plain, BLOCK_BYTES)
                if path.suffix.lower() == ZIP:
                    room = _unpack(path, f"{name}: {place}", path.parent, room, levels - 1)
                    path.unlink()
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise StudioError("data_unreadable", file=name, why=error) from error
    return room


def _opened(file: Path, name: str) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise StudioError("data_unreadable", file=name, why=error.strerror or error) from error


def _wanted(
    archive: zipfile.ZipFile, name: str, kinds: tuple[str, ...]
) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The members to unpack, and where. Raises StudioError where any of all is not to be trusted."""
    for member in archive.infolist():
        place = PurePosixPath(_name_of(member).replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in str(place) or stat.S_ISLNK(member.external_attr >> 16):
            raise StudioError("zip_path", file=name, path=place)
        hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
        if member.is_dir() or hidden or not place.name.lower().endswith(kinds):
            continue
        if member.flag_bits & ENCRYPTED:
            raise StudioError("zip_locked", file=name)
        if member.compress_type not in METHODS:
            method = zipfile.compressor_names.get(member.compress_type, member.compress_type)
            raise StudioError("zip_method", file=name, path=place, method=method)
        yield member, place


def _name_of(member: zipfile.ZipInfo) -> str:
    """Its name; where nothing says that it is UTF-8 it may be so all the same, or written by a Chinese Windows."""
    if member.flag_bits & UTF8_NAME or member.filename.isascii():
        return member.filename
    plain = member.filename.encode("cp437")
    for codec in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            return plain.decode(codec)
    return member.filename
