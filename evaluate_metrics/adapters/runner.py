"""From clips to a prediction file, by one system.

Killed at any moment, the same command goes on where it was: an answer that was reported is on disk.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from modeling_empathic.report.files import locked
from modeling_empathic.taxonomy import EMOTION_NAMES

from .asking import Adapter, Asking, Failure
from .cache import Cache
from .prediction_file import Predictions, check_output, now
from .prompt import Prompt, make_prompt
from .replies import failed, read_reply


def run(
    adapter: Adapter,
    clips: Iterable[tuple[str, bytes]],
    output: Path,
    *,
    emotions: Sequence[str] = EMOTION_NAMES,
    cache_dir: Path,
    workers: int = 4,
    rate_per_minute: float | None = None,
    max_attempts: int = 6,
    wording: int = 0,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[int], object] | None = None,
    sleep: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Asks about every clip that the cache has no answer for, then writes the prediction file.

    Args:
        adapter: The system, one of `SYSTEMS`.
        clips: Id and encoded audio of each clip; read once, a few ahead. An id that comes again is
            left out.
        output: `.parquet`, `.jsonl` or `.csv`.
        emotions: What to ask for.
        cache_dir: Where answers are kept. Clips whose request failed are asked about again.
        workers: Requests at the same time.
        rate_per_minute: Requests in a minute, repeated ones included; None for no limit.
        max_attempts: Of each request, the first included.
        wording: Of the prompt, which of `prompt.INSTRUCTIONS`.
        about: More to say in the provenance, such as where the clips come from.
        progress: Called with the number of clips that are done.
        sleep: Takes seconds; by default one that ends when the run does.

    Returns:
        `clips`; `asked`; `cached`, answers of earlier runs; `failed`, clips without any score, and
        the `first_failure`; `outcomes`, rows of each; `unknown_labels`, answers with each.

    Raises:
        AdapterError: The run cannot go on, such as for a key that is not accepted. Answers that
            came before are kept, the output is not written.
        ScoringError: The output could not be written.
        UnknownNameError: An emotion that is not in the taxonomy.
        UserError: Another run is writing the output.
    """
    check_output(output, adapter.system)
    with locked(output):  # a second run would ask, and pay for, the same answers
        return _run(
            adapter,
            clips,
            output,
            make_prompt(emotions, wording),
            cache_dir,
            workers=workers,
            rate_per_minute=rate_per_minute,
            max_attempts=max_attempts,
            about=about or {},
            progress=progress or (lambda done: None),
            sleep=sleep,
        )


def _run(
    adapter: Adapter,
    clips: Iterable[tuple[str, bytes]],
    output: Path,
    prompt: Prompt,
    cache_dir: Path,
    *,
    workers: int,
    rate_per_minute: float | None,
    max_attempts: int,
    about: Mapping[str, Any],
    progress: Callable[[int], object],
    sleep: Callable[[float], None] | None,
) -> dict[str, Any]:
    started = now()
    settings = {"system": adapter.system, **adapter.settings, "emotions": list(prompt.emotions)}
    if adapter.prompted:
        settings |= {"prompt": prompt.text, "prompt_sha256": prompt.sha256}
    cache = Cache(cache_dir, settings)
    asking = Asking(
        adapter,
        prompt,
        cache,
        rate_per_minute=rate_per_minute,
        max_attempts=max_attempts,
        sleep=sleep,
    )
    asking.all(clips, workers, progress)

    predictions, models = Predictions(), Counter[str]()
    times: list[str] = []
    seconds: list[float] = []
    for clip_id, failure in asking.failures.items():
        answer = None if failure else cache.get(clip_id)
        if answer:
            models[answer.reply.model] += 1
            times.append(answer.time)
            seconds += [] if answer.seconds is None else [answer.seconds]
            predictions.add(clip_id, *read_reply(answer.reply, prompt.emotions))
        else:
            failure = failure or Failure("transport_error", "its answer is gone from the cache")
            predictions.add(clip_id, failed(prompt.emotions, *failure))
    provenance = {
        **about,
        "system": adapter.system,
        "models": dict(models),
        "sdk": adapter.sdk,
        "settings": settings,
        "prompt_sha256": settings.get("prompt_sha256"),
        "started": started,
        "finished": now(),
        "answers": {"first": min(times, default=None), "last": max(times, default=None)},
    }
    if seconds:
        provenance["seconds_a_clip"] = median(seconds)
    predictions.write(output, provenance)
    return {**predictions.counts(), "asked": asking.n_asked, "cached": asking.n_cached}
