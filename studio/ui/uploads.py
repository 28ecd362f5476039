"""Files that a browser brings: `PUT /upload?name=rows.jsonl`, the body is the file, the answer {"upload": key}.

A file is streamed below `cache/uploads` and stays there until it is taken (`path_of`) or thrown away; an upload that is
cut off leaves nothing, one that nobody took goes after a day.
"""

import asyncio
import errno
import re
import secrets
import shutil
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from studio import paths
from studio.data import writing
from studio.errors import StudioError
from studio.ui.guard import wanted_words

KEY = re.compile(r"[0-9a-f]{32}")
BUFFER_BYTES = 1 << 20
SPARE_BYTES = 64 << 20  # what an upload leaves free on the disk
KEPT_S = 24 * 3600
MAX_NAME_CHARS = 150


async def receive(request: Request) -> Response:
    """Take a file. Answers 507 with the reason where the disk has no room, 400 where the file is cut off."""
    folder = _root() / secrets.token_hex(16)
    try:
        await asyncio.to_thread(_prepare, folder, int(request.headers.get("content-length") or 0))
        await _stream(request, folder / _clean(request.query_params.get("name", "")))
    except ClientDisconnect:
        shutil.rmtree(folder, ignore_errors=True)
        return Response(status_code=400)
    except (StudioError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        told = error if isinstance(error, StudioError) else StudioError("upload_failed", why=error.strerror or error)
        return JSONResponse({"error": told.text(wanted_words(request))}, 507)
    except BaseException:  # the server is stopped
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return JSONResponse({"upload": folder.name})


def path_of(key: object) -> Path:
    """The file of a key. Raises StudioError for one that is no longer there."""
    text = str(key)
    files = list((_root() / text).glob("*")) if KEY.fullmatch(text) else []
    if len(files) != 1:
        raise StudioError("upload_gone")
    return files[0]


def discard(key: object) -> None:
    """Throw an upload away."""
    if KEY.fullmatch(str(key)):
        shutil.rmtree(_root() / str(key), ignore_errors=True)


def _root() -> Path:
    return paths.cache() / "uploads"


def _prepare(folder: Path, num_bytes: int) -> None:
    folder.mkdir(parents=True)
    writing.drop_old(folder.parent, KEPT_S)
    free = shutil.disk_usage(folder).free
    if num_bytes + SPARE_BYTES > free:
        raise StudioError("upload_no_room", size_mb=num_bytes // 10**6, free_mb=max(0, free - SPARE_BYTES) // 10**6)


async def _stream(request: Request, file: Path) -> None:
    buffer = bytearray()
    with file.open("xb") as stream:
        async for part in request.stream():
            buffer += part
            if len(buffer) >= BUFFER_BYTES:
                await asyncio.to_thread(stream.write, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(stream.write, bytes(buffer))
    wanted = request.headers.get("content-length")
    if wanted and file.stat().st_size != int(wanted):
        raise OSError(errno.EIO, "cut off")


def _clean(name: str) -> str:
    """The last part of a name, without what no file should be called."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(char for char in last if char.isprintable() and char not in ':"<>|?*').lstrip(". ")
    path = Path(kept or "upload")
    return path.stem[:MAX_NAME_CHARS] + path.suffix[:20]
