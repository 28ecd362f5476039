"""The studio's own engine behind the server."""

import time
from pathlib import Path

from studio import text
from studio.config import STARTER
from studio.worker import place as places
from studio.worker.serve import app, loading, memory, recipe
from studio.worker.serve.activity import Watch
from studio.worker.serve.engine import Engine
from studio.worker.serve.names import Names
from studio.worker.serve.service import Service


def serve(folder: Path, job, progress, listener) -> int:
    """Load, serve until the end. Returns the worker's exit code."""
    begun_s = time.monotonic()
    keys = recipe.Keys(job)
    with memory.room_for_a_model():
        loaded = loading.load(job, progress)
        engine = Engine(loaded, job)
    t = text.catalogue(text.preferred_language())
    for code, values in loaded.template.notices if loaded.template else ():
        print(t(f"notices.{code}", **values), flush=True)
    try:
        loaded_s = recipe.since(begun_s)
        names = Names(job, engine, base_name(job), engine.default)
        served = Service(job, engine, names, keys.accepted)
        served.figures.watch(engine)

        def tell() -> dict:
            return {
                "memory_gib": round(places.memory_gib(loaded.place.device), 3),
                "loaded_s": loaded_s,
                "adapters": list(engine.adapters),
                "default": names.resolve(None)[1],
                "device": str(loaded.place.device),
                "path": str(loaded.path),
            }

        progress("")
        watch = Watch(folder, served, tell, job.stop_grace_s)
        return recipe.serve_app(app.build(served), listener, folder, keys, watch)
    finally:
        engine.close()


def base_name(job) -> str:
    """The base model's own name: the last part of where it comes from."""
    if job.model_name_or_path == STARTER:
        return "starter"
    return Path(job.model_name_or_path.rstrip("/\\")).name or job.model_name_or_path
