"""Questions asked of a vLLM server, a child as it is when serving: prompts are made here, and sent as ids.

It batches by itself, so many are sent at once. Labels are not measured there.
"""

import importlib.util
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import httpx

from studio.config import EvaluateJob, ServeJob
from studio.config.knobs import fields
from studio.data.problem import Problem
from studio.data.tokens import ModelTokens
from studio.errors import StudioError
from studio.worker import loading as model_loading
from studio.worker.evaluate import speaker as speakers
from studio.worker.evaluate.ledger import Answer, Asking, Ledger
from studio.worker.evaluate.prompts import Prompts
from studio.worker.evaluate.speaker import Speaker
from studio.worker.evaluate.turns import Question
from studio.worker.serve import loading
from studio.worker.serve.backend import PIP, Backend
from studio.worker.serve.own import base_name
from studio.worker.serve.served import adapter_name

AT_ONCE = 128
LOOK_S = 0.2


@contextmanager
def started(folder: Path, job: EvaluateJob, progress) -> Iterator[tuple[Speaker, "RemoteAsker"]]:
    """A vLLM server with the job's model, until the block ends; the speaker has no model of its own.

    Raises StudioError where vLLM is not installed, or the job wants what it cannot do, or it ends.
    """
    if job.infer_backend != "vllm" or job.stage == "pt":
        raise StudioError("evaluate_backend", backend=job.infer_backend)
    if len(job.adapter_name_or_path) > 1:
        raise StudioError("evaluate_backend_adapters", count=len(job.adapter_name_or_path))
    if importlib.util.find_spec("vllm") is None:
        raise StudioError("serve_backend_missing", backend="vllm", package="vllm", pip=PIP["vllm"])
    path = model_loading.find(job, progress)
    found = [loading.find_adapter(name, job, progress) for name in job.adapter_name_or_path]
    adapters = {adapter_name(place): place for place in found}
    backend = Backend(folder, _serving(job), path, base_name(job), adapters)
    try:
        speaker = _speaker(job, path, found, backend, progress)
        backend.wait_until_ready(progress)
        yield speaker, RemoteAsker(speaker, job, backend, next(iter(adapters), base_name(job)))
    finally:
        backend.close()


class RemoteAsker:
    """Answers questions by a server's `/v1/completions`."""

    batch = AT_ONCE

    def __init__(self, speaker: Speaker, job: EvaluateJob, backend: Backend, name: str) -> None:
        self.prompts, self._job, self._backend, self._name = Prompts(speaker, job), job, backend, name
        timeout = httpx.Timeout(None, connect=30)
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self._client = httpx.Client(
            base_url=backend.url, headers=backend.headers, timeout=timeout, limits=limits, trust_env=False
        )

    def answers(self, questions: Sequence[Question], known: Set[int], tell) -> Iterator[Answer]:
        """The answers to all but the `known`, as they come. `tell(done)` is called several times a second and may raise
        to call it off.

        Raises StudioError where the server ends.
        """
        ledger = Ledger(self.prompts, questions, known)
        sent: dict[Future, Asking] = {}
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            while not ledger.is_over:
                fresh = ledger.begin(2 * AT_ONCE - len(sent)) if len(sent) < AT_ONCE else []
                sent |= {pool.submit(self._ask, asking): asking for asking in fresh}
                for future in wait(sent, LOOK_S, FIRST_COMPLETED).done:
                    following = self._take(ledger, sent.pop(future), future)
                    sent |= {pool.submit(self._ask, asking): asking for asking in following}
                yield from ledger.tell()
                tell(ledger.num_done)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._client.close()

    def _take(self, ledger: Ledger, asking: Asking, future: Future) -> list[Asking]:
        try:
            found = future.result()
        except Problem as problem:
            ledger.refuse(asking, problem)
            return []
        except httpx.HTTPError as error:
            self._backend.check()
            raise StudioError("evaluate_backend_silent", backend="vllm", reason=error) from error
        return ledger.take(asking, found["text"], found["finish_reason"] == "length")

    def _ask(self, asking: Asking) -> dict:
        """The choice that the server makes. Raises Problem where it refuses the question."""
        job, prompt = self._job, asking.prompt
        body = {"model": self._name, "prompt": list(prompt.ids), "max_tokens": prompt.room, "temperature": 0}
        if job.do_sample:
            body |= {"temperature": job.temperature, "top_p": job.top_p, "top_k": job.top_k or -1}
        body |= {"repetition_penalty": job.repetition_penalty, "seed": job.seed + asking.place}
        body |= {"stop_token_ids": self._ends}
        answer = self._client.post("/v1/completions", json=body)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise Problem("not_asked", {"why": answer.text[:300]})
        answer.raise_for_status()
        return answer.json()["choices"][0]

    @property
    def _ends(self) -> list[int]:
        speaker = self.prompts.speaker
        return model_loading.end_ids(None, speaker.tokenizer, speaker.template)


def _serving(job: EvaluateJob) -> ServeJob:
    shared = fields(ServeJob).keys() & fields(EvaluateJob).keys()
    return ServeJob(**{key: getattr(job, key) for key in shared})


def _speaker(job: EvaluateJob, path: Path, adapters: list[Path], backend: Backend, progress) -> Speaker:
    folder = speakers.tokenizer_folder(path, adapters, job, progress)
    tokenizer, _ = loading.load_voice(folder, job)
    template = speakers.chat_template(job, ModelTokens(folder))
    return Speaker(None, tokenizer, template, path, folder, backend.context_length)
