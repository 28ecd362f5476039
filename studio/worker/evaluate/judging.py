"""A model at an endpoint judges predictions: each by a rubric from 1 to 10, or against another run's, both ways round.

    judgements.jsonl   {"place", "swapped", "digest", "score" or "winner", "reason"}: a line a reply that could be read

`judge` and `judge_reason` (of a comparison `judge_verdict`: win, loss, tie) go into `scores.jsonl`, the figures into
`predict_results.json`. A run that is started again asks only what is not in the file. A win is one only where the judge
says so in both orders, which takes out its liking for a place.
"""

import asyncio
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studio import text
from studio.config import EvaluateJob
from studio.data.asking import criteria
from studio.data.asking.endpoint import Asker, Line, Unanswered, connect, line_to
from studio.data.asking.prompts import default_prompt, fill
from studio.errors import StudioError
from studio.runs import folder as run_folder
from studio.scoring import predictions, scored
from studio.worker.evaluate.judging_replies import Judgement, Unit, known, read_score, read_winner, write_down
from studio.worker.generate.recipe import key_of, server_of
from studio.worker.progress import Progress

PHASE = "judging"
AT_ONCE = 8
TRIES = 2  # a reply that cannot be read is asked for once more
LOOK_S = 0.5
# Marks of chat templates: the judge's own server might take them for its own.
MARKS = re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<(?:bos|eos|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>")


def judge(folder: Path, job: EvaluateJob, progress: Progress) -> dict[str, Any]:
    """Have the folder's predictions judged; returns the figures, which it also writes.

    Raises StudioError where the judge refuses or does not answer, and where there is nothing to compare with;
    StopRequested once the run is to end. What was judged by then is kept.
    """
    progress(PHASE)
    asker = _asker(job, progress)
    lines = [line for line in predictions.read(folder).lines() if not line.get("broken")]
    others = _opponents(lines, job.judge_against) if job.judge_against else None
    units = list(_units(lines, others, job, asker))
    found = known(folder, units)
    refused = asyncio.run(_ask_all(asker, [unit for unit in units if unit not in found], folder, found, progress))
    rows = _compared(units, found) if job.judge_against else _graded(found)
    scored.add_scores(folder, rows)
    num_rows = len({unit.place for unit in units})
    figures = _figures(rows, bool(job.judge_against)) | {"predict_judge_unclear": num_rows - len(rows)}
    if others is not None:
        figures["predict_judge_unmatched"] = len(lines) - num_rows
    scored.write_results(folder, figures | _by_system(folder, lines, rows, bool(job.judge_against)))
    t = text.catalogue(text.preferred_language())
    print(t("notices.judge_done", count=len(rows), total=num_rows), flush=True)
    if len(rows) < num_rows:
        print(t("notices.judge_unread", count=num_rows - len(rows), refused=refused), flush=True)
    return figures


def _asker(job: EvaluateJob, progress: Progress) -> Asker:
    if job.judge_server:
        there = server_of(job.judge_server, progress)
        return connect(f"{there.url}/v1", job.judge_model, there.key)
    return connect(job.judge_api_base, job.judge_model, key_of(job.judge_key, "JUDGE_API_KEY"))


def _opponents(lines: list[dict[str, Any]], name: str) -> dict[int, str]:
    """By place: what the other run says to the same row. Rows are told by set, number, turn, system message and
    question where both have these, else by their place and label. Raises StudioError where none is the same."""
    others = [line for line in predictions.read(predictions.place_of(name)).lines() if not line.get("broken")]
    numbered = all("row" in line for line in (*lines, *others))
    asked = ("question",) if all("question" in line for line in (*lines, *others)) else ()

    def key(line: Mapping[str, Any]) -> tuple:
        if numbered:
            return tuple(str(line.get(part)) for part in ("dataset", "row", "turn", "system", *asked))
        return line["place"], line.get("label")

    said = {key(line): line["predict"] for line in others}
    found = {line["place"]: said[key(line)] for line in lines if key(line) in said}
    if not found:
        raise StudioError("judge_no_pairs", path=name)
    return found


def _units(lines: list[dict], others: dict[int, str] | None, job: EvaluateJob, asker: Asker) -> Iterator[Unit]:
    for line in lines:
        place, ours = line["place"], line["predict"]
        if others is not None and place not in others:
            continue
        language = "zh" if criteria.is_in(line["prompt"] + ours, "zh") else "en"
        told = {
            "rubric": job.judge_rubric or default_prompt("grade_rubric", language),
            "question": plain(line.get("question") or line["prompt"]),
            "label": plain(line.get("label") or ""),
        }
        if others is None:
            words = fill(default_prompt("grade", language), answer=plain(ours), **told)
            yield _unit(place, None, words, asker)
            continue
        both = plain(ours), plain(others[place])
        for swapped in (False, True):
            first, second = both[::-1] if swapped else both
            words = fill(default_prompt("duel", language), first=first, second=second, **told)
            yield _unit(place, swapped, words, asker)


def _unit(place: int, swapped: bool | None, words: str, asker: Asker) -> Unit:
    """`swapped` is None where there is no pair."""
    told = "\0".join((asker.url, asker.model or "", words)).encode("utf-8", "replace")
    return Unit(place, swapped is not None, bool(swapped), words, hashlib.sha256(told).hexdigest()[:16])


def plain(text: str) -> str:
    """A text without the marks of a chat template."""
    return MARKS.sub("\n", text).strip()


async def _ask_all(
    asker: Asker, units: list[Unit], folder: Path, found: dict[Unit, Judgement], progress: Progress
) -> int:
    """Ask so many at a time; each reply that can be read is written down at once. Returns how many were refused."""
    refused, total, left = 0, len(units) + len(found), iter(units)
    pending: set[asyncio.Task] = set()
    async with line_to(asker) as line:
        try:
            while True:
                progress(PHASE, len(found), total, "rows")
                wanted = itertools.islice(left, AT_ONCE - len(pending))
                pending |= {asyncio.ensure_future(_ask(line, unit)) for unit in wanted}
                if not pending:
                    return refused
                done, pending = await asyncio.wait(pending, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda one: one.exception() is not None):  # what is paid for is kept first
                    unit, judgement, was_refused = task.result()
                    refused += was_refused
                    if judgement:
                        found[unit] = judgement
                        write_down(folder, unit, judgement)
        finally:
            for task in pending:
                task.cancel()


async def _ask(line: Line, unit: Unit) -> tuple[Unit, Judgement | None, bool]:
    read = read_winner if unit.paired else read_score
    for _ in range(TRIES):
        try:
            reply = await line.ask([{"role": "user", "content": unit.words}])
        except Unanswered:
            return unit, None, True
        if judgement := read(reply.text):
            return unit, judgement, False
    return unit, None, False


def _graded(found: Mapping[Unit, Judgement]) -> dict[int, dict[str, Any]]:
    """By place: the score and why."""
    return {unit.place: {"judge": said.value, "judge_reason": said.reason} for unit, said in found.items()}


def _compared(units: list[Unit], found: Mapping[Unit, Judgement]) -> dict[int, dict[str, Any]]:
    """By place: the verdict on ours, where both replies could be read."""
    rows = {}
    for first, second in zip(units[::2], units[1::2], strict=True):
        if first in found and second in found:
            both = (found[first].value, found[second].value)
            verdict = {("A", "B"): "win", ("B", "A"): "loss"}.get(both, "tie")
            rows[first.place] = {"judge_verdict": verdict, "judge_reason": found[first].reason}
    return rows


def _figures(rows: Mapping[int, Mapping[str, Any]], paired: bool) -> dict[str, Any]:
    """The mean score, or how often ours won."""
    if paired:
        verdicts = [row["judge_verdict"] for row in rows.values()]
        names = {"wins": "win", "losses": "loss", "ties": "tie"}
        return {f"predict_judge_{name}": verdicts.count(verdict) for name, verdict in names.items()}
    scores = [row["judge"] for row in rows.values()]
    return {"predict_judge": round(sum(scores) / len(scores), 4)} if scores else {}


def _by_system(folder: Path, lines: list[dict], rows: dict[int, dict], paired: bool) -> dict[str, list]:
    """The same for each system message, beside its other figures, where there are several."""
    listed = (run_folder.read_json(folder / scored.RESULTS) or {}).get("by_system")
    if not listed:
        return {}
    of = {line["place"]: line.get("system") for line in lines}
    parts = [{place: row for place, row in rows.items() if of[place] == entry["system"]} for entry in listed]
    return {"by_system": [entry | _figures(part, paired) for entry, part in zip(listed, parts, strict=True)]}
