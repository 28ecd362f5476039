"""What an evaluation needs to know: whose answers to which rows, how they are scored, which benchmark, which judge."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from studio.config.knobs import Ui
from studio.config.problems import Problem
from studio.config.section import Section

if TYPE_CHECKING:
    from studio.config.job import EvaluateJob

USUAL_BATCH = 8  # rows, where `per_device_eval_batch_size` is empty
PREDICTS = "task=none"
BENCHMARK = "task"
Metric = Literal["bleu_rouge", "sacrebleu", "rouge", "exact_match", "f1", "json", "sql"]


class EvaluatedSection(Section):
    section: ClassVar[str] = "data"

    stage: Annotated[Literal["sft", "pt"], Ui(when=PREDICTS)] = "sft"
    """What the rows are: conversations whose answers are predicted (`sft`), or plain texts of which only the perplexity
    is measured (`pt`)."""

    held_back_of: Annotated[str | None, Ui(when=f"{PREDICTS} & val_size")] = None
    """The training whose held-back rows are asked: the folder of a run, or the file that it was started from. Empty
    reckons them from the keys here."""

    per_device_eval_batch_size: Annotated[int | None, Field(ge=1), Ui(step=1, tier="basic")] = None
    """Rows answered at once. Raising it is faster and takes more memory. Empty takes 8, and up to 32 where they surely
    fit."""

    overwrite_output_dir: bool = False
    """Begin anew in an output folder that already holds a run."""

    @property
    def batch_size(self) -> int:
        """Rows at once: what was asked for, else the usual number."""
        return self.per_device_eval_batch_size or USUAL_BATCH


class WrittenSection(Section):
    section: ClassVar[str] = "samples"

    max_new_tokens: Annotated[int, Field(ge=1), Ui(step=16, tier="basic", when=PREDICTS)] = 1024
    """The longest answer in tokens. Raising it lets long answers end."""

    do_sample: Annotated[bool, Ui(when=PREDICTS)] = False
    """Draw answers at random by likelihood. Off always takes the likeliest token, so that runs can be compared."""


class PredictSection(Section):
    section: ClassVar[str] = "predict"

    predictions_from: Annotated[str | None, Ui(when=PREDICTS)] = None
    """Score predictions that are there, and ask no model: the id of a run, its folder, or a file of predictions."""

    predict_turns: Annotated[Literal["last", "labels", "own"], Ui(when=PREDICTS, tier="basic")] = "last"
    """Which answers of a conversation are predicted: the last one, or each, after the answers of the data set
    (`labels`) or after the model's own (`own`)."""

    system_prompts: Annotated[list[str], Ui(when=PREDICTS, lines=4)] = []
    """System messages to try, one a line: all rows are answered with each of them, and scored apart. Empty takes that
    of the row."""

    n_shot: Annotated[int | None, Field(ge=0), Ui(step=1, tier="basic")] = None
    """How many examples stand before each question. Raising it shows better what is wanted and takes longer. Empty is
    5 for an exam such as `mmlu`, what a task of lm-evaluation-harness says itself, else none."""

    shots_dataset: Annotated[str | None, Ui(when="task=none & n_shot")] = None
    """The data set that the examples are drawn from, the same ones for every run of one seed."""

    metrics: Annotated[list[Metric], Ui(when=PREDICTS)] = []
    """Which scores are computed. Empty computes all that apply to the rows."""

    compute_perplexity: Annotated[bool, Ui(when=PREDICTS)] = True
    """Also measure how surprising the labels are to the model: one more pass over the rows, without writing."""

    postprocess: Annotated[str | None, Ui(when=PREDICTS, lines=4)] = None
    """How an answer is split into named fields: a grammar as YAML, or the path of a file that holds one. The parts are
    written to predict_postprocessed.json."""

    sql_databases: Annotated[str | None, Ui(when=PREDICTS)] = None
    """A folder of SQLite files: answers are run as SQL, read-only, and their results compared with those of the
    labels."""

    sql_timeout_s: Annotated[float, Field(gt=0), Ui(when="sql_databases", step=5)] = 30.0
    """Seconds a query may take before it counts as wrong. Raise it for large databases."""


class BenchmarkSection(Section):
    section: ClassVar[str] = "benchmark"

    task: Annotated[str | None, Ui(tier="basic")] = None
    """A benchmark: `mmlu`, `ceval` or `cmmlu` as LLaMA-Factory runs them, any task of lm-evaluation-harness, or `mini`,
    the studio's own for a try. Several are separated by commas. Empty predicts the rows of a data set."""

    task_dir: Annotated[str, Ui(when=BENCHMARK, tier="basic")] = "evaluation"
    """The folder that holds the benchmark's files. What is not there is looked for on the hub."""

    split: Annotated[Literal["train", "validation", "test"], Ui(when=BENCHMARK, tier="basic")] = "test"
    """Which part of the benchmark is asked. C-Eval and CMMLU publish no answers for some parts."""

    lang: Annotated[Literal["en", "zh"], Ui(when=BENCHMARK, tier="basic")] = "en"
    """The language of the words around an exam's questions; of `mini`, of the questions too."""

    apply_chat_template: Annotated[bool, Ui(when=BENCHMARK)] = False
    """Put the questions into the model's chat template, instead of bare text that it goes on with. A template that is
    named, other than `fewshot`, does the same for an exam."""


class JudgeSection(Section):
    section: ClassVar[str] = "judge"

    judge_api_base: Annotated[str | None, Ui(when=PREDICTS)] = None
    """The address of an endpoint that judges the answers, as its provider gives it; mostly it ends in /v1."""

    judge_server: Annotated[str | None, Ui(when=PREDICTS)] = None
    """A running server of the studio that judges, instead of an address: the id of its run."""

    judge_model: Annotated[str | None, Ui(when=PREDICTS)] = None
    """The model that judges, by the name it has at the endpoint. Empty takes that of `judge_server`."""

    judge_key: Annotated[SecretStr | None, Ui(when="judge_api_base")] = None
    """The key of the judge's endpoint. Used for this start only and never written to a file; the environment variable
    JUDGE_API_KEY does the same."""

    judge_rubric: Annotated[str | None, Ui(when=PREDICTS, lines=4)] = None
    """What the judge goes by. Empty asks whether the answer is right, complete and clear."""

    judge_against: Annotated[str | None, Ui(when=PREDICTS)] = None
    """Another run's predictions of the same rows: the judge says which of the two is better, asked twice with the
    places swapped. Empty gives each answer a score from 1 to 10."""


def check(job: "EvaluateJob") -> Iterator[Problem]:
    """The rules between the keys of an evaluate job."""
    if not job.model_name_or_path and not job.predictions_from:
        yield Problem("model_name_or_path", "missing")
    if not job.task and not job.predictions_from and not (job.dataset or job.eval_dataset):
        yield Problem("dataset", "missing")
    if job.judge_api_base and job.judge_server:
        yield Problem("judge_api_base", "conflict", {"other": "judge_server"})
    if job.judge_api_base and not job.judge_model:
        yield Problem("judge_model", "missing")
    if (job.judge_against or job.judge_model) and not (job.judge_api_base or job.judge_server):
        yield Problem("judge_api_base", "missing")
    if job.n_shot and not job.task and not job.shots_dataset:
        yield Problem("shots_dataset", "missing")
    if job.val_size and job.eval_dataset:
        yield Problem("val_size", "conflict", {"other": "eval_dataset"})
