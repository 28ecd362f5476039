"""What the chosen evaluations came to: figures side by side, paired against a base, and the report as a file.

`studio.scoring.report` compares; it is asked for what stands in the folders now, in a thread (errands.py), and again
when they hold something else, but not at each answer of a run that is at work. All browsers share what it finds.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import gradio as gr

from studio import runs
from studio.runs import folder as files
from studio.runs import ids, jobfile
from studio.scoring import document
from studio.scoring import report as comparing
from studio.scoring.contenders import BENCHMARK_SAMPLES, NATS
from studio.scoring.report import Comparison, Measure, Part, Report
from studio.text import Catalogue, catalogue, languages
from studio.ui import errands
from studio.ui.parts import evaluating_frame as frame
from studio.ui.parts import evaluating_runs
from studio.ui.parts.tool import Asked, Words, text_of

ANSWERS = (frame.PREDICTIONS, BENCHMARK_SAMPLES)
FIGURES = (frame.RESULTS, frame.BENCHMARK)
WATCHED = (*ANSWERS, "scores.jsonl", files.RESULTS, frame.RESULTS)
FORMS = {"html": ("html", "text/html"), "markdown": ("md", "text/markdown")}
WORTH_TELLING = ("no_labels", "no_sql_scored")  # the other reasons say no more than what was asked for
MOST_SYSTEMS, MOST_CHARS = 12, 80
PAUSE_S = 5.0  # between two looks at folders that change
IN_HTML = ("title", "help", "none_title", "none_text", "base", "no_base", "save_html", "save_markdown", "working",
           "waiting", "interval_help", "answering")  # fmt: skip
IN_SCRIPT = ("figure", "base_chip", "away")


def place(t: Catalogue) -> gr.HTML:
    """Put the part on the page."""
    return frame.place(t, "report", Words(IN_HTML, IN_SCRIPT), [report, save])


def report(t: Catalogue, asked: Asked) -> dict[str, Any] | None:
    """How far the report is, and with its end what it says; None if the browser's token says that it knows.

    What stands above it (the runs and the base) is there at once.
    """
    found = frame.runs_of(asked)
    base = text_of(asked, "base")
    told: dict[str, Any] = {"chosen": [chosen(t, run) for run in found], "base": base, "state": "done"}
    readable = _readable(found)
    told["has_results"] = bool(readable)
    told["answering"] = any(run not in readable and frame.has(run.folder, frame.PREDICTIONS) for run in found)
    if told["has_results"]:
        told |= _compared_by_now(t, found, base, _mark(readable))
    token = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
    return None if token == asked.get("token") else told | {"token": token}


def _compared_by_now(t: Catalogue, found: list[runs.Run], base: str, mark: list) -> dict[str, Any]:
    """{"state", "error", "result"} of the latest comparison, which begins anew where the folders hold something else.
    Only what the page shows of one is kept."""
    key = (json.dumps([[run.id for run in found], base]), "evaluate.report")  # one at a time
    last = errands.latest(key)
    if last is None or (last.state not in errands.AT_WORK and last.asked != mark and _age_s(last) > PAUSE_S):
        last = errands.begin(key, lambda _tell: _in_every_language(found, base), mark)
    news = errands.state(t, key, "", lambda one: one.result[t.language])
    told = {name: news[name] for name in ("state", "error", "result") if name in news}
    return told if last.asked == mark else told | {"state": "waiting"}


def _age_s(errand: errands.Errand) -> float:
    return (time.monotonic_ns() - errand.number) / 1e9


def _in_every_language(found: list[runs.Run], base: str) -> dict[str, dict[str, Any]]:
    whole = compared(found, base)
    return {language: shown(catalogue(language), whole, found) for language in languages()}


def _mark(found: list[runs.Run]) -> list:
    """Another one where a file is another one."""
    return [[run.id, [files.stamp(run.folder / name) for name in WATCHED]] for run in found]


def _readable(found: list[runs.Run]) -> list[runs.Run]:
    """Those that can be compared: all was answered, and figures are there."""
    wanted = (ANSWERS, FIGURES)
    return [run for run in found if all(any(frame.has(run.folder, name) for name in names) for names in wanted)]


def compared(found: list[runs.Run], base: str) -> Report:
    """The comparison of the runs that have answers. Raises StudioError as `scoring.report.compare` does."""
    against = next((run.folder for run in found if run.id == base), None)
    readable = [run.folder for run in _readable(found)]
    return comparing.compare(readable, against if against in readable else None)


def chosen(t: Catalogue, run: runs.Run) -> dict[str, Any]:
    """A run that is looked at, in words."""
    figures = files.read_json(run.folder / frame.RESULTS) or {}
    pace = figures.get("predict_samples_per_second")
    about = [evaluating_runs.about(t, run, evaluating_runs.facts_of(run.folder))]
    if run.state in ("running", "stopping", "queued", "held", "failed", "stopped", "lost"):
        about.insert(0, t(f"states.{run.state}"))
    if isinstance(figures.get("predict_num_rows"), int):
        about.append(t("evaluate.report.num_rows", count=f"{figures['predict_num_rows']:,}"))
    if isinstance(pace, int | float):
        about.append(t("evaluate.report.pace", pace=f"{pace:,.3g}"))
    return {"id": run.id, "about": " · ".join(filter(None, about))}


def save(t: Catalogue, asked: Asked) -> dict[str, Any]:
    """The report as one file: its name, its type and its text."""
    form = text_of(asked, "form")
    ending, kind = FORMS.get(form, FORMS["html"])
    found = compared(frame.runs_of(asked), text_of(asked, "base"))
    text = found.to_markdown(t) if ending == "md" else found.to_html(t)
    return {"name": f"{found.contenders[0].folders[0].name}-report.{ending}", "type": kind, "text": text}


# ---- the report as the page shows it ---------------------------------------------------------------------------------


def shown(t: Catalogue, found: Report, chosen_runs: list[runs.Run]) -> dict[str, Any]:
    """Columns (contenders), verdicts in words, a table for each part, and what was left out."""
    columns = [{"name": one.name, "is_base": place == found.base, "run": ids.id_of(one.folders[0])}
               for place, one in enumerate(found.contenders)]  # fmt: skip
    unequal = [t("scoring.report.unequal", num=part.num_unequal) for part in found.parts if part.num_unequal]
    unlike = dict.fromkeys(line for part in found.parts for line in document.unlike(found, part, t))
    return {
        "columns": columns if len(columns) > 1 else [column | {"is_base": False} for column in columns],
        "verdicts": verdicts(t, found),
        "sections": [*(section(t, part) for part in found.parts), *systems(t, chosen_runs)],
        "notes": [*judged(t, chosen_runs), *left_out(t, chosen_runs), *unequal, *unlike],
    }


def verdicts(t: Catalogue, found: Report) -> list[dict[str, str]]:
    """Whether each contender got better or worse than the base, and where: the sentences of the report's summary."""
    before_tables = takewhile(lambda block: not isinstance(block, document.Table), document.blocks(found, t))
    told = [{"text": block.text, "tone": block.tone} for block in before_tables
            if isinstance(block, document.Words) and block.tone in document.TONES.values()]  # fmt: skip
    if not told:
        word = "one_alone" if len(found.contenders) < 2 else "nothing_shared"
        told.append({"text": t(f"scoring.report.{word}"), "tone": "unclear"})
    return told


def section(t: Catalogue, part: Part) -> dict[str, Any]:
    """The table of one part."""
    kind = "" if part.kind == "unknown" else t(f"scoring.report.kind_{part.kind}")
    return {
        "title": document.part_name(part, t),
        "help": " · ".join(filter(None, [kind, t("scoring.report.num_rows", num=f"{part.num_rows:,}")])),
        "rows": [{"key": measure.key, "label": frame.metric_word(t, measure.key), "values": values(t, measure)}
                 for measure in part.measures],
    }  # fmt: skip


def values(t: Catalogue, measure: Measure) -> list[dict[str, Any]]:
    """A score of each contender, and its change against the base."""
    there = [value for value in measure.values if value is not None]
    best = (min if measure.key == NATS else max)(there, default=None)
    is_race = len(set(there)) > 1 and any(measure.comparisons)  # another judge's, another tokenizer's are none
    ends = [abs(end) for one in measure.comparisons if one for end in (one.interval.low, one.interval.high)]
    return [
        {"text": document.figure(measure.key, value), "is_best": is_race and value == best}
        | (change(t, measure.key, one, max(ends)) if one else {})
        for value, one in zip(measure.values, measure.comparisons, strict=True)
    ]


def change(t: Catalogue, key: str, one: Comparison, scale: float) -> dict[str, Any]:
    """A comparison with the base: the change and its interval, drawn so that right of zero is better; wins and losses
    by row."""
    text = document.change(key, one)
    duel = t("evaluate.report.duel", wins=one.wins, losses=one.losses, ties=one.ties)
    few = f" · {t('scoring.report.few', num=one.interval.num)}" if one.interval.num < document.FEW else ""
    tone = document.TONES[one.interval.verdict]
    percent = f"{100 * one.interval.probability:.0f}"
    return {
        "change": text.partition(" [")[0],
        "low": one.interval.low,
        "high": one.interval.high,
        "scale": scale,
        "tone": tone,
        "title": t("evaluate.report.change_title", change=text, verdict=t(f"scoring.report.{tone}"), percent=percent),
        "duel": duel + few,
        "losses": one.losses,
    }


def judged(t: Catalogue, found: list[runs.Run]) -> list[str]:
    """How often a judge preferred a run's answers to those of the run it was compared with."""
    told = []
    for run in found:
        figures = files.read_json(run.folder / frame.RESULTS) or {}
        counts = {name: figures.get(f"predict_judge_{name}") for name in ("wins", "losses", "ties")}
        if all(isinstance(count, int) for count in counts.values()):
            against = Path(jobfile.value(run.folder, "judge_against") or "").name
            told.append(t("evaluate.report.judged", name=run.folder.name, against=against, **counts))
    return told


def left_out(t: Catalogue, found: list[runs.Run]) -> list[str]:
    """Scores that could not be computed, and why."""
    told: dict[tuple[str, str], None] = {}
    for run in found:
        why = (files.read_json(run.folder / frame.RESULTS) or {}).get("predict_left_out")
        for metric, word in (why if isinstance(why, Mapping) else {}).items():
            if word in WORTH_TELLING:
                told[(metric, word)] = None
    reasons = dict.fromkeys(word for _, word in told)
    names = {word: ", ".join(frame.metric_word(t, name) for name, why in told if why == word) for word in reasons}
    return [t("evaluate.report.left_out", metrics=names[word], reason=t(f"scoring.left_out.{word}")) for word in names]


def systems(t: Catalogue, found: list[runs.Run]) -> list[dict[str, Any]]:
    """A table for each run that tried several system messages: one column a message."""
    told = []
    for run in found:
        tried = (files.read_json(run.folder / frame.RESULTS) or {}).get("by_system")
        tried = [one for one in tried if isinstance(one, dict)][:MOST_SYSTEMS] if isinstance(tried, list) else []
        if len(tried) < 2:
            continue
        keys = [key for key, value in tried[0].items() if key.startswith("predict_") and "num_" not in key
                and isinstance(value, int | float)]  # fmt: skip
        rows = []
        for key in keys:
            numbers = [one.get(key) for one in tried]
            there = [value for value in numbers if isinstance(value, int | float)]
            best = (min if "perplexity" in key else max)(there)
            rows.append({"label": frame.metric_word(t, key), "values": [
                {"text": frame.shown(value), "is_best": value == best and len(set(there)) > 1} for value in numbers
            ]})  # fmt: skip
        messages = evaluating_runs.facts_of(run.folder).systems
        heads = [system_head(t, one.get("system"), messages) for one in tried]
        told.append({"title": t("evaluate.report.by_system", name=run.folder.name), "help": "", "heads": heads,
                     "rows": rows})  # fmt: skip
    return told


def system_head(t: Catalogue, number: Any, messages: Sequence[str]) -> str:
    """How the system message with a number (from 0) begins; the number where the job does not hold its words."""
    if not isinstance(number, int) or not 0 <= number < len(messages):
        return t("evaluate.rows.about_system", number=number + 1 if isinstance(number, int) else "–")
    return messages[number][:MOST_CHARS] or t("evaluate.report.no_system")
