"""Tasks of lm-evaluation-harness on the model that is loaded: those described below `task_dir`, then its own.

Its own are 15,000 descriptions that take a quarter of a minute to read, so they are read only where a name asks for
them. Their data comes from the hub's cache or the hub.
"""

import difflib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from studio import text
from studio.config import EvaluateJob
from studio.errors import StudioError
from studio.worker.evaluate import exams_hub
from studio.worker.evaluate.benchmark_pace import Pace
from studio.worker.evaluate.speaker import Speaker

OWN_EXAMS = ("mini", *exams_hub.PUBLISHED)
SHARES = ("acc", "acc_norm", "exact_match")  # given as shares of 1; here percent


@dataclass(frozen=True)
class Found:
    """The figures by task, the lines for `benchmark_samples.jsonl`, and the harness's version."""

    tasks: dict[str, dict[str, float]]
    samples: list[dict[str, Any]]
    version: str

    @property
    def num_questions(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class Harness:
    """Tasks whose descriptions and data are at hand."""

    names: list[str]
    job: EvaluateJob
    manager: Any

    def run(self, speaker: Speaker, pace: Pace) -> Found:
        """Ask all tasks. Raises StopRequested between two batches once the run is to end."""
        from lm_eval import simple_evaluate

        job = self.job
        found = simple_evaluate(
            model=_model(speaker, job, pace),
            tasks=self.names,
            task_manager=self.manager,
            num_fewshot=job.n_shot,
            limit=job.max_samples,
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=job.apply_chat_template,
            system_instruction=job.default_system,
            random_seed=job.seed,
            numpy_random_seed=job.seed,
            torch_random_seed=job.seed,
            fewshot_random_seed=job.seed,
            confirm_run_unsafe_code=job.trust_remote_code,
        )
        groups = [task for task in found["results"] if task not in found["samples"]]
        figures_of = {task: _figures(found["results"][task]) for task in (*groups, *found["samples"])}
        tasks = {task: figures for task, figures in figures_of.items() if figures}
        samples = [_line(task, sample) for task, rows in found["samples"].items() for sample in _once(rows)]
        for task, figures in tasks.items():
            print(f"{task}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)
        return Found(tasks, samples, metadata.version("lm_eval"))


def prepare(names: list[str], job: EvaluateJob, folders: list[Path]) -> Harness:
    """The tasks of these names, with their data.

    Raises StudioError for a name that nobody knows, data that cannot be reached, and where lm-eval is not installed.
    """
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise StudioError("benchmark_no_harness", tasks=", ".join(names), reason=error) from None
    places = [str(folder) for folder in folders if folder.is_dir()]
    manager = TaskManager(include_path=places, include_defaults=False)
    if any(name not in manager.all_tasks for name in names):
        print(text.catalogue(text.preferred_language())("notices.harness_reading"), flush=True)
        manager = TaskManager(include_path=places, include_defaults=True)
    for name in names:
        if name not in manager.all_tasks:
            near = difflib.get_close_matches(name, [*OWN_EXAMS, *manager.all_tasks], n=3, cutoff=0.5)
            raise StudioError("benchmark_unknown", task=name, nearest=", ".join(near) or "mini", path=folders[0])
        try:
            manager.load([name])
        except (OSError, ConnectionError) as error:  # datasets' own are of these kinds
            raise StudioError("benchmark_no_data", task=name, path=folders[0], reason=_first(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
            raise StudioError("benchmark_broken", task=name, reason=_first(error)) from error
    return Harness(names, job, manager)


def _model(speaker: Speaker, job: EvaluateJob, pace: Pace) -> Any:
    """The loaded model as the harness asks it, counting what it answers."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from lm_eval.models.huggingface import HFLM

    class Counted(HFLM):
        def loglikelihood(self, requests, disable_tqdm=False):
            return self._counted(super().loglikelihood, requests)

        def loglikelihood_rolling(self, requests, disable_tqdm=False):
            return self._counted(super().loglikelihood_rolling, requests)

        def generate_until(self, requests, disable_tqdm=False):
            return self._counted(super().generate_until, requests)

        def _counted(self, answer, requests):
            pace.expect(len(requests))
            answers = answer(requests, disable_tqdm=True)
            pace.add(pace.total - pace.done)  # requests that share a context are answered at once
            return answers

        def _model_call(self, inps, *args, **more):
            pace.add(0)
            logits = super()._model_call(inps, *args, **more)
            pace.add(len(inps))
            return logits

        def _model_generate(self, context, *args, **more):
            pace.add(0)
            tokens = super()._model_generate(context, *args, **more)
            pace.add(len(context))
            return tokens

    size = job.batch_size
    tokenizer = speaker.tokenizer
    return Counted(pretrained=speaker.model, tokenizer=tokenizer, batch_size=size, max_length=speaker.context_length)


def _figures(metrics: dict[str, Any]) -> dict[str, float]:
    """{metric: value} of one task: the filter stands in the name only where it says something; no standard errors."""
    found = {}
    for name, value in metrics.items():
        metric, _, filtered = name.partition(",")
        if filtered and not metric.endswith("_stderr") and isinstance(value, int | float):
            share = 100 if metric in SHARES else 1
            found[metric if filtered == "none" else f"{metric} ({filtered})"] = share * float(value)
    return found


def _once(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each question once, as its first filter sees the answer."""
    return list({sample["doc_id"]: sample for sample in reversed(samples)}.values())[::-1]


def _line(task: str, sample: dict[str, Any]) -> dict[str, Any]:
    """One question of the harness as a line like those of the exams."""
    given = sample["arguments"]
    requests = given.values() if isinstance(given, dict) else given
    asked = [tuple(one.values() if isinstance(one, dict) else one) for one in requests]
    scores = {name: value for name in sample["metrics"] if isinstance(value := sample.get(name), int | float)}
    share = next((scores[name] for name in SHARES if name in scores), None)
    answer, label = _said(asked, sample)
    return {
        "task": task,
        "index": sample["doc_id"],
        "prompt": str(asked[0][0]),
        "answer": answer,
        "label": label,
        "correct": None if share is None else bool(share),
        "scores": {name: float(value) for name, value in scores.items()},
    }


def _said(asked: list[tuple], sample: dict[str, Any]) -> tuple[str, str]:
    """(answer, label): the text that was written, or of several choices the likeliest one, which has the number that
    the target is."""
    answers, target = sample["filtered_resps"], str(sample["target"])
    if len(answers) == 1:
        first = answers[0]
        return str(first[0] if isinstance(first, list | tuple) else first), target
    likely = [float(one[0]) for one in answers]
    choices = [str(one[1]).strip() for one in asked]
    label = choices[int(target)] if target.isdigit() and int(target) < len(choices) else target
    return choices[likely.index(max(likely))], label


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
