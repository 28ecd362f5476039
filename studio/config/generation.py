"""Rows written by a model: which endpoint is asked, what it is asked for, and which of its rows join the new set."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr

from studio.config.knobs import Ui
from studio.config.problems import Problem
from studio.config.section import Section

if TYPE_CHECKING:
    from studio.config.job import GenerateJob

SEEDED = "way=self_instruct"
ASKED = "way=questions"
REWRITTEN = "way=rewrite"
NEW = "way=self_instruct|questions"
JUDGED = "judge_min_score"
NUM_ROWS = 100  # of self_instruct where no number is given
SECRET_NAME = re.compile(r"(\w+_)?(API)?(KEY|TOKEN|SECRET)", re.IGNORECASE)  # what reaches a run, and no file
MARKS = {"self_instruct": ("count",), "questions": ("text", "count"), "rewrite": ("answer",)}  # a prompt has to hold
BEYOND_TEXT = [
    "image", "images", "graph", "graphs", "picture", "pictures", "photo", "file", "files", "map", "maps", "draw",
    "plot", "go to", "video", "audio", "music", "flowchart", "diagram",
    "图片", "图像", "照片", "视频", "音频", "流程图", "思维导图",
]  # fmt: skip


class EndpointSection(Section):
    section: ClassVar[str] = "endpoint"

    api_base: Annotated[str | None, Ui(tier="basic")] = None
    """The address of an endpoint that speaks OpenAI's protocol, as its provider gives it; mostly it ends in /v1."""

    model: Annotated[str | None, Ui(tier="basic")] = None
    """The model to ask, by the name it has at the endpoint. Of a server of the studio, empty asks the base model."""

    server: Annotated[str | None, Ui(tier="basic")] = None
    """A running server of the studio to ask instead of an address: the id of its run."""

    endpoint_key: SecretStr | None = None
    """The key of the endpoint. Used for this start only and never written to a file; a variable of the environment
    does the same."""

    key_variable: str = "OPENAI_API_KEY"
    """The variable of the environment that holds the key where none is typed. Its name ends in KEY, TOKEN or SECRET."""

    parallel_requests: Annotated[int, Field(ge=1, le=256), Ui(step=1)] = 4
    """How many requests are under way at the same time. Raising it is faster, until the endpoint says that it is too
    much."""

    max_tries: Annotated[int, Field(ge=1), Ui(step=1)] = 6
    """How often a request is sent before the run gives up: an endpoint that is busy, out of order or silent is asked
    again, after longer and longer pauses."""

    request_timeout_s: Annotated[float, Field(gt=0), Ui(step=10)] = 300.0
    """Seconds to wait for an answer before the request is sent again. Raise it for slow endpoints."""

    temperature: Annotated[float | None, Field(ge=0), Ui(step=0.05)] = None
    """How freely answers are drawn. Raising it varies more, towards nonsense. Empty leaves it to the endpoint."""

    max_new_tokens: Annotated[int, Field(ge=1), Ui(step=256)] = 2048
    """The longest answer in tokens. A row that the limit cuts off is left out."""

    request_options: dict[str, Any] = {}
    """Further fields of a request, such as `top_p: 0.9`."""


class GenerationSection(Section):
    section: ClassVar[str] = "generation"

    way: Annotated[Literal["self_instruct", "questions", "rewrite"], Ui(tier="basic")] = "self_instruct"
    """How rows are made: new tasks after examples or about a topic (`self_instruct`), questions and answers from
    documents (`questions`), or the answers of a data set written anew (`rewrite`)."""

    new_dataset: Annotated[str | None, Ui(tier="basic")] = None
    """The name under which the rows become a data set."""

    num_rows: Annotated[int | None, Field(ge=1), Ui(step=50, tier="basic")] = None
    """How many rows to make. Empty makes 100 new tasks, and takes all there is of documents or of a data set."""

    topic: Annotated[str | None, Ui(when=SEEDED, tier="basic", lines=2)] = None
    """What the tasks are about, in a few words. Empty takes any."""

    seed_tasks: Annotated[str | None, Ui(when=SEEDED, tier="basic")] = None
    """Examples to go by: a file of rows with instruction, input and output, or the name of a data set. Empty goes by
    the topic alone."""

    num_seeds: Annotated[int, Field(ge=0), Ui(step=1, when=SEEDED)] = 3
    """How many examples are shown in each request; some more are taken from the rows made so far. Raising it shows
    better what is wanted and costs tokens."""

    tasks_per_request: Annotated[int, Field(ge=1, le=50), Ui(step=1, when=SEEDED)] = 8
    """How many tasks are asked for at once. Raising it costs fewer tokens a row, and rows get shorter."""

    forbidden_words: Annotated[list[str], Ui(when=SEEDED)] = BEYOND_TEXT
    """Words that refuse a task: it asks for what a model of texts cannot do."""

    documents: Annotated[list[str], Ui(when=ASKED, tier="basic")] = []
    """Documents to ask about: text, Markdown, PDF, Word, or folders of such. About an SQLite database, questions with
    SQL are made, and those join whose SQL runs."""

    chunk_chars: Annotated[int, Field(ge=100), Ui(step=100, when=ASKED)] = 2000
    """How much of a document is shown at once, in characters. Raising it gives wider questions and costs tokens."""

    overlap_chars: Annotated[int, Field(ge=0), Ui(step=50, when=ASKED)] = 200
    """How much of a piece is repeated in the next one, so that nothing is torn apart: at most half of chunk_chars.
    Raising it makes more pieces, and more requests."""

    questions_per_chunk: Annotated[int, Field(ge=1, le=50), Ui(step=1, when=ASKED, tier="basic")] = 3
    """How many questions are asked about each piece."""

    rewrite_dataset: Annotated[str | None, Ui(when=REWRITTEN, tier="basic")] = None
    """The data set whose answers are written anew; it stays as it is."""

    rewrite_instruction: Annotated[str | None, Ui(when=REWRITTEN, tier="basic", lines=3)] = None
    """What the answers are to become: shorter, friendlier, with a reason …"""

    dataset_dir: Annotated[str, Ui(when="way=self_instruct|rewrite")] = "data"
    """The folder that holds dataset_info.json and the files it names."""

    prompt_language: Annotated[Literal["en", "zh"], Ui(tier="basic")] = "en"
    """The language the endpoint is asked in; its rows come in the same one."""

    ask_prompt: Annotated[str | None, Ui(lines=10)] = None
    """What the endpoint is told, with {marks} for what changes. Empty takes the studio's own words."""


class CriteriaSection(Section):
    section: ClassVar[str] = "criteria"

    max_similarity: Annotated[float | None, Field(gt=0, le=1), Ui(step=0.05, when=NEW)] = 0.7
    """A row joins only if its question resembles that of every other row less than this (ROUGE-L: 0 nothing alike, 1
    the same). Raising it makes more rows out of fewer requests, and more alike ones. Empty lets all in."""

    min_answer_chars: Annotated[int, Field(ge=1), Ui(step=10)] = 1
    """The shortest answer that joins, in characters."""

    max_answer_chars: Annotated[int | None, Field(ge=1), Ui(step=100)] = None
    """The longest answer that joins, in characters. Empty sets no limit."""

    answer_language: Literal["any", "en", "zh"] = "any"
    """The script an answer has to be in: Latin letters (`en`) or Chinese characters (`zh`)."""

    judge_min_score: Annotated[float | None, Field(ge=1, le=10), Ui(step=0.5)] = None
    """Have each row judged, from 1 to 10, and let it join from this score on. Costs a request a row; empty judges
    none."""

    judge_rubric: Annotated[str | None, Ui(lines=4, when=JUDGED)] = None
    """What the judge goes by. Empty asks whether the answer is right, complete and clear."""

    judge_api_base: Annotated[str | None, Ui(when=JUDGED)] = None
    """The address of another endpoint that judges. Empty takes the one that writes the rows."""

    judge_model: Annotated[str | None, Ui(when=JUDGED)] = None
    """The model that judges. Empty takes the one that writes the rows."""

    judge_key: Annotated[SecretStr | None, Ui(when="judge_api_base")] = None
    """The key of the judge's endpoint. Used for this start only and never written to a file; the environment variable
    JUDGE_API_KEY does the same."""

    sql_databases: str | None = None
    """A folder of SQLite files: a row joins only if the SQL in its answer runs on its database (`db_id`, or the only
    one)."""


def check(job: "GenerateJob") -> Iterator[Problem]:
    """The rules between the keys of a generate job."""
    yield from _endpoint(job)
    if not job.new_dataset:
        yield Problem("new_dataset", "missing")
    yield from _way(job)
    for mark in MARKS[job.way] if job.ask_prompt else ():
        if f"{{{mark}}}" not in job.ask_prompt:
            yield Problem("ask_prompt", "lacks_mark", {"mark": f"{{{mark}}}"})
    if job.overlap_chars > job.chunk_chars // 2:
        yield Problem("overlap_chars", "too_big", {"bound": job.chunk_chars // 2, "value": job.overlap_chars})
    if job.max_answer_chars and job.max_answer_chars < job.min_answer_chars:
        yield Problem("max_answer_chars", "too_small", {"bound": job.min_answer_chars, "value": job.max_answer_chars})


def _endpoint(job: "GenerateJob") -> Iterator[Problem]:
    if job.key_variable and not SECRET_NAME.fullmatch(job.key_variable):
        yield Problem("key_variable", "secret_name", {"value": job.key_variable})
    if job.api_base and job.server:
        yield Problem("api_base", "conflict", {"other": "server"})
    elif not job.api_base and not job.server:
        yield Problem("api_base", "missing")
    if job.api_base and not job.model:
        yield Problem("model", "missing")
    for key in ("api_base", "judge_api_base"):
        address = getattr(job, key)
        if address and not address.strip().startswith(("http://", "https://")):
            yield Problem(key, "no_address", {"value": address})
    if job.judge_api_base and not job.judge_model:
        yield Problem("judge_model", "missing")


def _way(job: "GenerateJob") -> Iterator[Problem]:
    if job.way == "self_instruct" and not (job.topic or job.seed_tasks):
        yield Problem("topic", "missing")
    if job.way == "questions" and not job.documents:
        yield Problem("documents", "missing")
    if job.way == "rewrite":
        for key in ("rewrite_dataset", "rewrite_instruction"):
            if not getattr(job, key):
                yield Problem(key, "missing")
