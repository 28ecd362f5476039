"""Examples that stand before each question: drawn once for a seed, never the row itself."""

import random
from itertools import islice

from studio.config import EvaluateJob
from studio.errors import StudioError
from studio.worker.evaluate import rows
from studio.worker.evaluate.rows import Asked


class Shots:
    """`num` examples of a data set, the same before every row but where one of them is the row."""

    def __init__(self, found: list[Asked], num: int, seed: int) -> None:
        self.num = num
        talks = list(dict.fromkeys(_key(asked) for asked in found))
        by_key = {_key(asked): _plain(asked) for asked in reversed(found)}
        self.talks = [(key, by_key[key]) for key in random.Random(seed).sample(talks, len(talks))]  # any may be shown

    def before(self, asked: Asked) -> list[dict]:
        """The messages of the examples for a row."""
        own = _key(asked)
        chosen = islice((talk for key, talk in self.talks if key != own), self.num)
        return [message for talk in chosen for message in talk]


def load(job: EvaluateJob, progress) -> Shots | None:
    """The job's examples, None where it wants none. Raises StudioError where the set has too few."""
    if not job.n_shot or not job.shots_dataset:
        return None
    found = Shots(rows.shots(job, progress), job.n_shot, job.seed)
    if len(found.talks) <= job.n_shot:
        raise StudioError("evaluate_few_shots", name=job.shots_dataset, count=len(found.talks), n_shot=job.n_shot)
    return found


def _plain(asked: Asked) -> tuple[dict, ...]:
    return tuple(message for message in asked.row.messages if message["role"] != "system")


def _key(asked: Asked) -> tuple[str, ...]:
    """What a row asks: two of one question are the same example."""
    return tuple(message.get("content") or "" for message in asked.row.messages if message["role"] == "user")
