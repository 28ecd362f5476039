"""What a candidate has to pass before it joins: likeness, length, script, SQL that runs, a judge's score.

The cheap ones come first, the judge, who costs a request, last. Every refusal has a code.
"""

import re
from pathlib import Path

from studio.config import GenerateJob
from studio.data.asking import documents
from studio.data.asking.candidates import Ask, Candidate, Refusal
from studio.data.asking.endpoint import Unanswered
from studio.data.asking.prompts import default_prompt, fill
from studio.data.asking.similarity import Index
from studio.data.sql import databases, running
from studio.errors import StudioError

LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
LETTER = re.compile(r"[^\W\d_]")
HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
KANA = re.compile(r"[\u3040-\u30ff]")
# After what it is called, and perhaps "(1-10)": a number, not the rest of a longer or a negative one.
SCORE = re.compile(
    r"(?:score|分数|评分|得分)(?:\s*[(（\[][^()（）\[\]]*[)）\]]|\s+out\s+of\s+\d+)?\W{0,6}?(?<![-−\d.])(\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
OWN_LINE = re.compile(rf"^\W*(?:final\s+|overall\s+)?{SCORE.pattern}", re.IGNORECASE | re.MULTILINE)
NUMBER = re.compile(r"(?<![-−\d.])(\d+(?:\.\d+)?)")
MOSTLY = 0.9  # of the letters of an English answer are Latin
PARTLY = 0.3  # of the letters of a Chinese one are Chinese: code and names may stand between


class Criteria:
    """The criteria of a job, and the questions that were let in so far."""

    def __init__(self, job: GenerateJob, known: list[str]) -> None:
        self.job, self.index = job, Index()
        self.databases = databases.find(Path(job.sql_databases)) if job.sql_databases else {}
        asked = documents.files(job.documents) if job.way == "questions" else []
        self.databases |= {file.stem: file for file in asked if file.suffix.lower() in databases.KINDS}
        for question in known:
            self.index.add(question)
        self._rubric = job.judge_rubric or default_prompt("rubric", job.prompt_language)
        self._prompt = default_prompt("judge", job.prompt_language)

    def refuse(self, candidate: Candidate) -> Refusal | None:
        """Why it may not join, as far as that is known without asking anybody."""
        job, answer = self.job, candidate.answer
        if not answer.strip():
            return Refusal("empty", candidate.raw)
        if len(answer) < job.min_answer_chars:
            return Refusal("too_short", candidate.raw, str(len(answer)))
        if job.max_answer_chars and len(answer) > job.max_answer_chars:
            return Refusal("too_long", candidate.raw, str(len(answer)))
        if job.answer_language != "any" and not is_in(answer, job.answer_language):
            return Refusal("language", candidate.raw)
        wants_sql = job.sql_databases or candidate.raw.get("db_id") in self.databases
        return self.refuse_alike(candidate) or (self._refuse_sql(candidate) if wants_sql else None)

    def refuse_alike(self, candidate: Candidate) -> Refusal | None:
        """Whether it resembles one that was let in."""
        if self.job.max_similarity is None or self.job.way == "rewrite":
            return None
        near = self.index.nearest(candidate.question, self.job.max_similarity)
        return Refusal("similar", candidate.raw, f"{near[0]:.2f}") if near else None

    async def judge(self, candidate: Candidate, ask: Ask) -> Refusal | None:
        """Ask the judge, where the job wants one; a score that cannot be read is asked for once more."""
        if self.job.judge_min_score is None:
            return None
        content = fill(self._prompt, rubric=self._rubric, question=_whole(candidate), answer=candidate.answer)
        for _ in range(2):
            try:
                reply = await ask([{"role": "user", "content": content}])
            except Unanswered as refused:
                return Refusal("judge_unclear", candidate.raw, str(refused))
            score = read_score(reply.text)
            if score is not None:
                low = score < self.job.judge_min_score
                candidate.raw["score"] = score
                return Refusal("judged_low", candidate.raw, f"{score:g}") if low else None
        return Refusal("judge_unclear", candidate.raw, reply.text[:200])

    def let_in(self, question: str) -> None:
        """Compare later ones with this question."""
        if self.job.max_similarity is not None and question:
            self.index.add(question)

    def _refuse_sql(self, candidate: Candidate) -> Refusal | None:
        named = str(candidate.raw.get("db_id") or "")
        only = next(iter(self.databases.values())) if len(self.databases) == 1 else None
        database = self.databases.get(named) or only
        if database is None:
            return Refusal("no_database", candidate.raw, named)
        try:
            running.run(database, running.query_in(candidate.answer), max_rows=1)
        except running.SqlFailed as failed:
            return Refusal("sql_fails", candidate.raw, str(failed))
        except StudioError as error:
            return Refusal("no_database", candidate.raw, str(error))
        return None


def is_in(answer: str, language: str) -> bool:
    """Whether an answer is written in Latin letters (`en`) or with Chinese characters (`zh`)."""
    num_letters = len(LETTER.findall(answer))
    if not num_letters:
        return True  # a number is one in every language
    num_han, num_kana = len(HAN.findall(answer)), len(KANA.findall(answer))
    if language == "zh":
        return num_han >= PARTLY * num_letters and num_kana <= num_han / 4
    return len(LATIN.findall(answer)) >= MOSTLY * num_letters


def read_score(text: str) -> float | None:
    """The score in a judge's words, from 1 to 10; None where there is none. What begins a line goes first, the last of
    them, as a reply may think aloud before."""
    own = OWN_LINE.findall(text)
    found = SCORE.search(text) or NUMBER.search(text.strip().partition("\n")[0])
    score = float(own[-1] if own else found[1]) if own or found else None
    return score if score is not None and 0 <= score <= 10 else None


def _whole(candidate: Candidate) -> str:
    """The question with what it is asked about."""
    more = (str(candidate.raw.get(key) or "") for key in ("input", "context"))
    return "\n\n".join(part for part in (candidate.question, *more) if part)
