"""Multiple-choice exams (MMLU, C-Eval, CMMLU, the studio's own `mini`, and others in their form): what is asked, how it
is written, how it is counted.

The words, the order of the categories and the printed table are LLaMA-Factory's, so that its figures can be compared.
The examples are not: it draws the order of the examples anew for each question, here each subject has one order, drawn
by the seed where fewer are wanted than there are. So two runs ask the same.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from studio import paths
from studio.errors import StudioError
from studio.worker.evaluate import exams_files
from studio.worker.evaluate.exams_files import LETTERS, Question

FOLDER = "benchmarks"
MINI = "mini"
CATEGORIES = ("Average", "STEM", "Social Sciences", "Humanities", "Other")
SHOTS = 5
OPENING = {
    "en": "The following are multiple choice questions (with answers) about {subject}.\n\n",
    "zh": "以下是中国关于{subject}考试的单项选择题，请选出其中的正确答案。\n\n",
}
CLOSING = {"en": "\nAnswer:", "zh": "\n答案："}


@dataclass(frozen=True)
class Subject:
    """The questions of a subject, and those that are shown with their answers before each."""

    key: str
    name: str
    category: str
    shots: tuple[Question, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Exam:
    """What is asked: `task` is the name as it was given; `source`, where it lies, with a sum over its files."""

    task: str
    part: str
    lang: str
    subjects: tuple[Subject, ...]
    source: tuple[Path, str]

    @property
    def num_questions(self) -> int:
        return sum(len(subject.questions) for subject in self.subjects)

    def messages(self, subject: Subject, question: Question) -> list[dict[str, str]]:
        """The conversation that asks a question: the examples as turns before it, the opening before the first."""
        turns = []
        for shot in subject.shots:
            turns += [("user", self.written(shot)), ("assistant", shot.answer)]
        turns.append(("user", self.written(question)))
        opening = OPENING[self.lang].format(subject=subject.name)
        return [
            {"role": role, "content": content if number else opening + content}
            for number, (role, content) in enumerate(turns)
        ]

    def written(self, question: Question) -> str:
        """A question with its choices, up to where the letter comes."""
        choices = "".join(f"\n{letter}. {text}" for letter, text in zip(LETTERS, question.choices, strict=True))
        return f"{question.text}{choices}{CLOSING[self.lang]}"


def split_name(task: str, part: str) -> tuple[str, str]:
    """(exam, part) of a name that may end with its part, as LLaMA-Factory's `mmlu_test` does."""
    for name in ("train", "validation", "test"):
        if task.endswith(f"_{name}"):
            return task.removesuffix(f"_{name}"), name
    return task, part


def find(task: str, job) -> Path | None:
    """Where the files of the exam lie; None for an exam that is not here, and for what is none."""
    name = split_name(task, job.split)[0]
    own = paths.resource("data") / FOLDER / name / job.lang
    return next((found for folder in folders(job) if (found := exams_files.find(name, folder))), None) or (
        own if name == MINI else None
    )


def folders(job) -> list[Path]:
    """Where benchmarks are looked for: the job's folder as it was written, then below the studio's home."""
    written = Path(job.task_dir).expanduser()
    return list(dict.fromkeys([written.absolute(), paths.home() / written]))


def load(task: str, place: Path, job) -> Exam:
    """The exam of a place, so many questions a subject as `max_samples` says.

    Raises StudioError where the place lacks the part that is asked for, or examples for it.
    """
    name, part = split_name(task, job.split)
    files = exams_files.read(place)
    known = files.mapping or _known(name)
    if name == MINI and part == "validation" and all(split != part for split, _ in files.tables):
        part = "test"  # it has one set of questions, for whoever tries a command
    keys = [key for split, key in files.tables if split == part]
    if not keys:
        there = sorted({split for split, _ in files.tables})
        raise StudioError("exam_no_part", task=name, part=part, path=place, found=", ".join(there) or "–")
    wanted = SHOTS if job.n_shot is None else job.n_shot
    subjects = []
    for key in sorted(keys, key=lambda key: (list(known).index(key) if key in known else len(known), key)):
        about = known.get(key, {})
        about = about if isinstance(about, dict) else {"name": str(about)}
        subjects.append(
            Subject(
                key,
                about.get("name") or key.replace("_", " "),
                about.get("category") if about.get("category") in CATEGORIES else CATEGORIES[-1],
                _shots(files.tables.get(("train", key), []), wanted, job.seed, key),
                tuple(files.tables[part, key][: job.max_samples]),
            )
        )
    if wanted and not any(subject.shots for subject in subjects):
        raise StudioError("exam_no_shots", task=name, path=place)
    return Exam(task, part, job.lang, tuple(subjects), (place, files.sha256))


def marks(exam: Exam, answers: dict[tuple[str, int], str]) -> dict[str, float]:
    """The share of right answers in percent by category, of the questions whose answer is published.

    As in LLaMA-Factory each question counts alike, so large subjects weigh more. Categories without questions are
    absent.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    for subject in exam.subjects:
        for question in subject.questions:
            if question.answer is not None:
                correct = answers[subject.key, question.index] == question.answer
                right[CATEGORIES[0]].append(correct)
                right[subject.category].append(correct)
    return {name: 100 * sum(right[name]) / len(right[name]) for name in CATEGORIES if right[name]}


def table(figures: dict[str, float]) -> str:
    """The lines that LLaMA-Factory prints, and writes to `results.log`."""
    return "\n".join(f"{name:>15}: {value:.2f}" for name, value in figures.items())


def letters(exam: Exam, answers: dict[tuple[str, int], str]) -> dict[str, dict[str, str]]:
    """{subject: {index: letter}}, the form of LLaMA-Factory's `results.json`."""
    return {
        subject.key: {str(one.index): answers[subject.key, one.index] for one in subject.questions}
        for subject in exam.subjects
    }


def each(exam: Exam) -> Iterator[tuple[Subject, Question]]:
    """All questions with their subjects, in order."""
    return ((subject, question) for subject in exam.subjects for question in subject.questions)


def _shots(dev: Sequence[Question], wanted: int, seed: int, key: str) -> tuple[Question, ...]:
    known = [question for question in dev if question.answer]
    if wanted >= len(known):
        return tuple(known)
    return tuple(random.Random(f"{seed} {key}").sample(known, wanted))


def _known(name: str) -> dict[str, dict[str, str]]:
    """What the studio knows of an exam's subjects: {subject: {name, category}}, by name."""
    found = {}
    for category, subjects in _subjects().get(name, {}).items():
        named = subjects if isinstance(subjects, dict) else {key: key.replace("_", " ") for key in subjects}
        found |= {key: {"name": words, "category": category} for key, words in named.items()}
    return dict(sorted(found.items()))


@cache
def _subjects() -> dict:
    return yaml.safe_load((paths.resource("data") / FOLDER / "subjects.yaml").read_text("utf-8"))
