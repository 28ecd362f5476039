"""Make: new sets out of the chosen one (`studio.data.making`), as errands; an export is a file to take home.

    making.place(t, blocks)
    app.get("/made")(making.download)     # an exported file: /made?file=NAME
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from starlette.responses import FileResponse, PlainTextResponse, Response

from studio import paths
from studio.data import browse, counting, making, registry
from studio.data.making import Made
from studio.data.source import Source
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui import errands
from studio.ui.parts import tool
from studio.ui.parts.chosen import USUAL_DIR, source_of
from studio.ui.parts.tool import Asked, Words, Work, text_of, whole_of

MADE_ADDRESS = "../made"  # from `/<language>/`
MOST_PARTS = 50
USUAL_PARTS = (("train", "val"), ("train", "val", "test"))
IN_HTML = (
    "title", "help", "split", "sample", "shuffle", "merge", "fill", "convert", "export", "by", "by_share", "by_count",
    "part_name", "share", "num_rows", "add_part", "in_order", "set", "weight", "add_set", "find_names", "no_names",
    "count", "rows", "rows_help", "rows_all", "formatting", "file_kind", "new_name", "seed", "seed_help", "do", "drop",
)  # fmt: skip
IN_SCRIPT = (
    "split_help", "sample_help", "shuffle_help", "merge_help", "fill_help", "convert_help", "export_help", "split_do",
    "sample_do", "shuffle_do", "merge_do", "fill_do", "convert_do", "export_do", "count_word", "share_word",
    "part_word", "weight_word", "weight_none", "remove", "left", "over_share", "over_count", "sampled", "keeps",
    "joined", "weighted", "again", "need_two", "times",
)  # fmt: skip


def place(t: Catalogue, _blocks: gr.Blocks) -> gr.HTML:
    """Put the tool on the page."""
    works = {"size": Work(begin_size, show_size), "names": Work(begin_names, show_names), "make": Work(begin, show)}
    return tool.place(t, "making", Words(IN_HTML, IN_SCRIPT), works, [known])


def known(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """The chosen set's rows, where they are known, and format; the other sets, and the kinds of files to export."""
    source = source_of(asked)
    there = [one for one in registry.usable(text_of(asked, "dataset_dir") or USUAL_DIR).values() if one.path]
    sets = [{"name": one.name, "rows": rows_of(one)} for one in there if one.name != source.name]
    kinds = list(making.EXPORTS)
    facts = {"rows": rows_of(source), "is_here": source.path is not None, "formatting": source.formatting}
    return facts | {"sets": sets, "kinds": kinds}


def rows_of(source: Source) -> int | None:
    """How many rows a set has, if that is known at a glance."""
    try:
        opened = browse.opened(source)
        return opened.num_rows if opened else counting.rows_in(source)
    except StudioError:  # said where the set itself is shown
        return None


def begin_size(source: Source, _: Asked) -> errands.Work:
    """Count the rows of a large set, by opening it as the table does."""
    return lambda tell: browse.open(source, tell).num_rows


def show_size(_t: Catalogue, errand: errands.Errand) -> dict[str, Any]:
    return {"rows": errand.result}


def begin_names(source: Source, _: Asked) -> errands.Work:
    """Find the placeholders of a set."""
    return lambda tell: making.placeholders(source, tell)


def show_names(_t: Catalogue, errand: errands.Errand) -> dict[str, Any]:
    return {"names": list(errand.result.items())}


def begin(source: Source, asked: Asked) -> errands.Work:
    """What was asked for, checked as far as that needs no reading."""
    way = WAYS.get(text_of(asked, "way"))
    if way is None:
        raise StudioError("tool_unknown", name=text_of(asked, "way")[:80])
    return way(source, asked)


def show(t: Catalogue, errand: errands.Errand) -> dict[str, Any]:
    """What was made: a sentence, the names of the new sets, links to files."""
    if isinstance(errand.result, Path):
        address = f"{MADE_ADDRESS}?file={quote(errand.result.name)}"
        text = t("dataset.making.exported", file=errand.result.name)
        return {"text": text, "names": [], "files": [{"address": address, "text": t("dataset.making.download")}]}
    made = errand.result if isinstance(errand.result, tuple) else (errand.result,)
    return {"text": sentence(t, made), "names": [one.name for one in made], "files": []}


def sentence(t: Catalogue, made: tuple[Made, ...]) -> str:
    """How many rows each new set has, and what became of the others."""
    rows = ", ".join(t("dataset.making.made_rows", name=one.name, count=f"{one.num_rows:,}") for one in made)
    counts = {word: count for one in made for word, count in one.counts.items() if count}  # the same for all of a split
    told = [t(f"making.{word}", count=f"{count:,}") for word, count in counts.items()]
    return t("dataset.making.made", rows=rows) + (f" ({', '.join(told)})" if told else "")


# ---- the ways --------------------------------------------------------------------------------------------------------


def split(source: Source, asked: Asked) -> errands.Work:
    pairs = [pair for pair in asked.get("parts") or () if isinstance(pair, list) and len(pair) == 2][:MOST_PARTS]
    amounts = [amount for _, amount in pairs]
    if not pairs or not all(type(amount) in (int, float) and amount > 0 for amount in amounts):
        raise StudioError("making_split_sizes", sizes=", ".join(map(str, amounts)))
    by_count = asked.get("by") == "count"
    sizes = [int(amount) if by_count else amount / 100 for amount in amounts]
    usual = tuple(str(name) for name, _ in pairs) in USUAL_PARTS
    names = None if usual else [making.free_name(f"{source.name}_{str(name).strip()}") for name, _ in pairs]
    seed = None if asked.get("in_order") is True else seed_of(asked)
    return lambda tell: making.split(source, sizes, names, seed, tell)


def sample(source: Source, asked: Asked) -> errands.Work:
    name, seed = new_name(asked), seed_of(asked)
    return lambda tell: making.sample(source, whole_of(asked, "count"), name, seed, tell)


def shuffle(source: Source, asked: Asked) -> errands.Work:
    name, seed = new_name(asked), seed_of(asked)
    return lambda tell: making.shuffle(source, name, seed, tell)


def merge(_: Source, asked: Asked) -> errands.Work:
    pairs = [pair for pair in asked.get("sources") or () if isinstance(pair, list) and len(pair) == 2][:MOST_PARTS]
    sources = [source_of({**asked, "name": name}) for name, _ in pairs]
    given = [weight for _, weight in pairs if type(weight) in (int, float)]
    weights = [weight if type(weight) in (int, float) else 1.0 for _, weight in pairs] if given else None
    rows = whole_of(asked, "rows") or None
    return lambda tell: making.merge(sources, new_name(asked), weights, rows, seed_of(asked), tell)


def fill(source: Source, asked: Asked) -> errands.Work:
    values = asked.get("values")
    texts = {str(name): value for name, value in (values if isinstance(values, dict) else {}).items()
             if isinstance(value, str)}  # fmt: skip
    return lambda tell: making.fill(source, texts, new_name(asked), tell)


def convert(source: Source, asked: Asked) -> errands.Work:
    formatting, drop = text_of(asked, "formatting"), asked.get("drop") is True
    return lambda tell: making.convert(source, formatting, new_name(asked), drop, tell)


def export(source: Source, asked: Asked) -> errands.Work:
    kind = text_of(asked, "kind")
    if kind not in making.EXPORTS:
        raise StudioError("making_kind_unknown", kind=kind[:20], known=", ".join(making.EXPORTS))
    return lambda tell: making.export(source, kind, progress=tell)


WAYS: dict[str, Callable[[Source, Asked], errands.Work]] = {
    "split": split, "sample": sample, "shuffle": shuffle, "merge": merge, "fill": fill, "convert": convert,
    "export": export,
}  # fmt: skip


def new_name(asked: Asked) -> str | None:
    """The name asked for; None lets one be made up."""
    return text_of(asked, "new_name") or None


def seed_of(asked: Asked) -> int:
    """The seed asked for, else the usual one."""
    return abs(whole_of(asked, "seed", 42))


# ---- files to take home ----------------------------------------------------------------------------------------------


def made_folder() -> Path:
    """Where exported files wait for their browser; the next export of a set replaces the one before."""
    return paths.cache() / "exports"


async def download(file: str = "") -> Response:
    """An exported file (`/made?file=NAME`); the page's guard stands before this as before everything."""
    path = exported(file)
    return FileResponse(path, filename=path.name) if path else PlainTextResponse("no such file", 404)


def exported(file: str) -> Path | None:
    """The exported file of that name; None for what is none, or lies elsewhere."""
    path = made_folder() / file
    is_plain = file and Path(file).name == file and not file.startswith(".")
    return path if is_plain and path.is_file() else None
