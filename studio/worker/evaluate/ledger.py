"""Questions on their way to answers: their prompts, conversations that go on, answers as they come.

Who asks (`asking`: the model here; `remote`: a server) takes questions out and brings back what was said.
"""

from collections import deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from studio.data.problem import Problem
from studio.worker.evaluate.prompts import Prompt, Prompts, parted
from studio.worker.evaluate.turns import Question, chains


@dataclass(frozen=True)
class Answer:
    """What the model said to a question. `cut`: at the longest answer that is allowed; `question_cut`: to `cutoff_len`;
    `problem`: why it was not asked."""

    question: Question
    prompt: str = ""
    text: str = ""
    label: str | None = None
    thought: str = ""
    cut: bool = False
    question_cut: bool = False
    problem: Problem | None = None

    def to_mapping(self) -> dict:
        """The line of `generated_predictions.jsonl`."""
        more = {"thought": self.thought} if self.thought else {}
        more |= {"cut": True} if self.cut else {}
        texts = {"prompt": self.prompt, "predict": self.text, "label": self.label}
        asked = [message["content"] for message in self.question.messages if message["role"] == "user"]
        more |= {"question": asked[-1]} if asked else {}
        return texts | self.question.facts | more


@dataclass
class Asking:
    """A question on its way. `places`: the questions of its conversation, `said`: what was answered to those before."""

    question: Question
    places: range
    said: list[str] = field(default_factory=list)
    prompt: Prompt | None = None

    @property
    def place(self) -> int:
        """Which of all questions it is."""
        return self.places[len(self.said)]


class Ledger:
    """What is still to be asked, and what was answered. `known`: the questions that nobody has to ask any more."""

    def __init__(self, prompts: Prompts, questions: Sequence[Question], known: Set[int] = frozenset()) -> None:
        self.prompts, self._questions = prompts, questions
        self._waiting = deque(chain for chain in chains(questions) if not known >= set(chain))
        self._num_open = sum(map(len, self._waiting))
        self._ready: deque[Answer] = deque()
        self._num_told = 0

    @property
    def is_over(self) -> bool:
        """Whether every answer was told."""
        return self._num_told == self._num_open

    @property
    def num_done(self) -> int:
        """How many questions have an answer, those not yet told included."""
        return self._num_told + len(self._ready)

    def begin(self, num_conversations: int) -> list[Asking]:
        """The next questions, at most so many, with their prompts."""
        chosen = [self._waiting.popleft() for _ in range(min(len(self._waiting), num_conversations))]
        return self._askable([Asking(self._questions[places[0]], places) for places in chosen])

    def take(self, asking: Asking, said: str, cut: bool) -> list[Asking]:
        """Keep what was said; what follows it in its conversation, if that goes on."""
        label, prompt = self.prompts.label(asking.question), asking.prompt
        thought, answer = parted(said, label)
        self._ready.append(Answer(asking.question, prompt.text, answer, label, thought, cut, prompt.cut))
        known = [*asking.said, answer]
        if len(known) == len(asking.places):
            return []
        following = self._questions[asking.places[len(known)]].after(known)
        return self._askable([Asking(following, asking.places, known)])

    def refuse(self, asking: Asking, problem: Problem) -> None:
        """It cannot be asked, nor can the rest of its conversation."""
        rest = asking.places[len(asking.said) :]
        self._ready.extend(Answer(self._questions[place], problem=problem) for place in rest)

    def tell(self) -> Iterator[Answer]:
        """The answers that have come."""
        while self._ready:
            self._num_told += 1
            yield self._ready.popleft()

    def _askable(self, found: list[Asking]) -> list[Asking]:
        askable = []
        for asking in found:
            prompt = self.prompts.of(asking.question)
            if isinstance(prompt, Problem):
                self.refuse(asking, prompt)
            else:
                asking.prompt = prompt
                askable.append(asking)
        return askable
