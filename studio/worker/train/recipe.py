"""Training, in one order for every method: load, rows, build, train, save."""

import contextlib
from pathlib import Path

from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from studio import data
from studio.config import TrainJob
from studio.errors import StudioError
from studio.runs import folder as run_folder
from studio.worker import adapters, environment, loading, memory
from studio.worker import place as places
from studio.worker.progress import Progress, StopRequested
from studio.worker.train import arguments, packed, plot, preference, prompts, samples
from studio.worker.train.callbacks import LogLines, Samples, StopWish
from studio.worker.train.dpo import DpoTrainer
from studio.worker.train.kto import KtoTrainer
from studio.worker.train.trainer import CausalTrainer

FINISHED, STOPPED = 0, 3
TRAINERS = {"pt": CausalTrainer, "sft": CausalTrainer, "dpo": DpoTrainer, "kto": KtoTrainer}


def run(folder: Path, job: TrainJob) -> int:
    """Train as `job` says and leave the results in `folder`. Returns the worker's exit code."""
    progress = Progress(folder)
    try:
        trainer = _build(folder, job, progress)
        progress("training")
    except StopRequested:
        return STOPPED
    try:
        result = trainer.train(resume_from_checkpoint=_checkpoint(job, folder))
    except StopRequested:  # during an evaluation, which a stop does not wait for
        trainer._save_checkpoint(trainer.model, trial=None)
        return STOPPED
    trainer.save_state()
    if run_folder.stop_requested(folder) and trainer.state.global_step < trainer.state.max_steps:
        return STOPPED
    _save(trainer, job, folder, result)
    return FINISHED


def _build(folder: Path, job: TrainJob, progress: Progress) -> CausalTrainer:
    progress("model")
    set_seed(job.seed)
    path = loading.find(job, progress)
    tokenizer = loading.load_tokenizer(path, job)
    template = data.chat_template(job, path)
    added = loading.adopt_template(tokenizer, template)
    tokenizer.save_pretrained(folder)
    dataset = data.load(job, folder, progress, added)
    _report(dataset, job, folder)
    progress("model")
    num_parameters = loading.num_parameters(path, job)
    place = places.choose(job, num_parameters)
    model = loading.load_model(path, job, place, len(tokenizer))
    checkpointing = memory.needs_checkpointing(job, model, place)
    set_seed(job.seed)  # adapters start alike on every rank and at every start
    model = adapters.prepare(model, job, place, folder, bool(added))
    if checkpointing:
        model.enable_input_require_grads()
    print(adapters.describe(model), flush=True)
    if job.print_param_status:
        for name, weights in model.named_parameters():
            print(f"{name}: {weights.dtype}, {weights.device}, trainable: {weights.requires_grad}", flush=True)
    model.generation_config.eos_token_id = loading.end_ids(model, tokenizer, template)
    environment.record(folder, job, place, path, dataset.report.files)
    trainer = _trainer(folder, job, model, tokenizer, dataset, arguments.build(job, folder, place, checkpointing))
    if job.stage in data.JUDGED:
        trainer.reference = preference.load_reference(job, path, place, len(tokenizer), progress)
    asked = prompts.choose(job, dataset, tokenizer, template)
    if asked:
        trainer.add_callback(Samples(_answerer(trainer, tokenizer, asked, folder)))
    return trainer


def _answerer(trainer: CausalTrainer, tokenizer, asked: list[prompts.Prompt], folder: Path):
    def answer(step: int) -> None:
        if run_folder.stop_requested(folder):
            return
        answers = samples.answer(trainer.model, tokenizer, [prompt.ids for prompt in asked], trainer.job, folder)
        for prompt, response in zip(asked, answers, strict=True):
            label = {"label": prompt.label} if prompt.label is not None else {}
            run_folder.append_sample(folder, {"step": step, "prompt": prompt.text, "response": response, **label})

    return answer


def _trainer(folder, job, model, tokenizer, dataset, args) -> CausalTrainer:
    log = LogLines(folder)
    trainer_class = TRAINERS[job.stage]
    if isinstance(dataset.train, data.PackedChats):
        packed.check(model)
    trainer = trainer_class(
        job=job,
        model=model,
        args=args,
        data_collator=trainer_class.collator_class(tokenizer.pad_token_id),
        train_dataset=dataset.train,
        eval_dataset=dataset.eval,
        processing_class=tokenizer,
        callbacks=[log, StopWish(folder)],
    )
    log.trainer = trainer
    trainer.remove_callback(PrinterCallback)  # its lines are those of `trainer_log.jsonl`
    if job.early_stopping_steps:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=job.early_stopping_steps))
    return trainer


def _save(trainer: CausalTrainer, job: TrainJob, folder: Path, result) -> None:
    trainer.save_model()
    adapters.finish(trainer.model, job, folder)
    metrics = dict(result.metrics) | {"total_tokens": trainer.num_tokens}
    trainer.log_metrics("train", metrics)
    trainer.save_metrics("train", metrics)
    if trainer.eval_dataset is not None and job.do_eval is not False:
        with contextlib.suppress(StopRequested):  # all is learned and saved: a stop only spares the evaluation
            evaluation = trainer.evaluate()
            trainer.save_metrics("eval", evaluation)
            metrics |= evaluation
    if not trainer.is_world_process_zero():
        return
    if job.plot_loss:
        plot.draw(folder)
    more = _predict(trainer, job, folder) if job.do_predict else {}
    best = trainer.state.best_model_checkpoint
    run_folder.write_json_atomic(
        folder / run_folder.RESULT,
        {"steps": trainer.state.global_step, "best_checkpoint": best and Path(best).name, "metrics": metrics} | more,
    )


def _predict(trainer: CausalTrainer, job: TrainJob, folder: Path) -> dict:
    """Answer and score at the end. The training is whole by now: an error is told beside it, and a stop spares it."""
    from studio.worker.evaluate import after_training

    model = trainer.accelerator.unwrap_model(trainer.model)
    try:
        return {"predict": after_training.run(model, trainer.processing_class, job, folder, Progress(folder))}
    except StopRequested:
        return {}
    except StudioError as error:
        print(error, flush=True)
        return {"predict_error": str(error)}


def _report(dataset: data.DataSet, job: TrainJob, folder: Path) -> None:
    """Say what became of the rows; the page shows the same file."""
    report = dataset.report
    run_folder.write_json_atomic(folder / run_folder.DATA_REPORT, report.to_mapping())
    for line in report.lines():
        print(line, flush=True)
    if not len(dataset.train):
        raise StudioError("no_rows_left", datasets=", ".join(job.dataset or []))


def _checkpoint(job: TrainJob, folder: Path) -> str | None:
    """The checkpoint to go on from: `resume_from_checkpoint: true` means the last one of the run."""
    asked = job.resume_from_checkpoint
    if not asked or asked is True:
        last = run_folder.last_checkpoint(folder) if asked else None
        return str(last) if last else None
    return str(asked)
