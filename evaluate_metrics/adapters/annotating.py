"""A language model as the annotator of a corpus: 40 scores from 0 to 4 a clip, and paraphrases.

Answers are kept as those of `collect` are, one file a clip: a run that was killed asks, and pays,
for what is missing only.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dataset_scripts.packing.clips import PackingError, audio_file, rows_of
from dataset_scripts.packing.scores import Judge, Judgement, Rewrite
from modeling_empathic.taxonomy import EMOTION_NAMES, EMOTION_SCALE

from .asking import Adapter, Asking
from .cache import Cache
from .prompt import Prompt, answer_key
from .replies import Reply, read_reply

_N = len(EMOTION_NAMES)


def asked(
    adapter: Adapter,
    prompt_text: str,
    out: Path,
    cache_dir: Path,
    *,
    workers: int = 4,
    rate_per_minute: float | None = None,
    max_attempts: int = 6,
    progress: Callable[[int], object] = lambda done: None,
    sleep: Callable[[float], None] | None = None,
) -> Judge:
    """A judge that asks a system about each clip.

    Args:
        adapter: One of `SYSTEMS`.
        prompt_text: What it is asked; goes before the audio.
        out: Folder of the clips.
        cache_dir: Where answers are kept.
        workers: Requests at the same time.
        rate_per_minute: Requests in a minute at most; None for no limit.
        max_attempts: Of each request, the first included.
        progress: Called with the number of clips that are done.
        sleep: Takes seconds; by default one that ends when the run does.

    Raises:
        AdapterError: While it is asked: the run cannot go on; answers that came are kept.
    """
    prompt = Prompt(prompt_text, EMOTION_NAMES, tuple(map(answer_key, EMOTION_NAMES)))
    settings = {"system": adapter.system, **adapter.settings, "prompt_sha256": prompt.sha256}
    cache = Cache(cache_dir, settings)
    limits: dict[str, Any] = {"rate_per_minute": rate_per_minute, "max_attempts": max_attempts}
    failures: dict[str, Any] = {}

    def judge(clips: Any) -> Iterator[Judgement]:
        if not failures:
            asking = Asking(adapter, prompt, cache, sleep=sleep, **limits)
            audio = ((row["id"], _read(out, row)) for row in rows_of(clips))
            asking.all(audio, workers, progress)
            failures.update(asking.failures)
        for clip_id in clips["id"].to_pylist():
            answer = cache.get(clip_id)
            failure = failures.get(clip_id)
            if answer is None:
                outcome, detail = failure or ("transport_error", "its answer is gone")
                yield Judgement(None, outcome, detail)
            else:
                yield _judgement(answer.reply)

    return judge


def rewriting(
    adapter: Any,
    words: Callable[[str], str],
    cache_dir: Path,
    *,
    workers: int = 4,
    rate_per_minute: float | None = None,
    max_attempts: int = 6,
    progress: Callable[[int], object] = lambda done: None,
    sleep: Callable[[float], None] | None = None,
) -> Rewrite:
    """Paraphrases captions by a system that can also be asked in words; arguments as of [`asked`].

    Args:
        adapter: With a method `say` from a text to a reply.
        words: From a caption to what the system is told.
        cache_dir: Where answers are kept.
        workers: Requests at the same time.
        rate_per_minute: Requests in a minute at most; None for no limit.
        max_attempts: Of each request.
        progress: Called with the number of captions that are done.
        sleep: Takes seconds.
    """
    settings = {**adapter.settings, "system": f"{adapter.system}-paraphrase"}
    settings["prompt"] = words("")

    def rewrite(captions: Iterable[tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
        cache = Cache(cache_dir, settings)
        asking = Asking(
            _InWords(adapter), Prompt("", (), ()), cache, rate_per_minute=rate_per_minute,
            max_attempts=max_attempts, sleep=sleep, read=bytes.decode,
        )  # fmt: skip
        # The caption is part of the id: other scores need another paraphrase.
        ids = {clip_id: f"{clip_id}\0{caption}" for clip_id, caption in captions}
        texts = ((key, words(key.split("\0")[1]).encode()) for key in ids.values())
        asking.all(texts, workers, progress)

        def paraphrase(clip_id: str) -> tuple[str, str]:
            answer = cache.get(ids[clip_id])
            if answer is None:
                failure = asking.failures.get(ids[clip_id])
                return "", failure.detail if failure else "its answer is gone"
            reply = answer.reply
            return " ".join(reply.text.split()), reply.refusal

        return paraphrase

    return rewrite


class _InWords:
    """An adapter that is given a text where others get sound."""

    prompted = True

    def __init__(self, adapter: Any):
        self._adapter = adapter
        self.system, self.settings, self.sdk = adapter.system, adapter.settings, adapter.sdk
        self.secret = adapter.secret

    def ask(self, samples: Any, prompt: Prompt) -> Reply:
        reply: Reply = self._adapter.say(samples)
        return reply


def _read(out: Path, clip: Mapping[str, Any]) -> bytes:
    """A clip as it was made; otherwise nothing, which becomes a decode_error."""
    try:
        file = audio_file(out, clip["path"])
        sound = file.read_bytes() if file.is_file() else b""  # a pipe would never end
    except (OSError, PackingError):
        return b""
    return sound if hashlib.sha256(sound).hexdigest() == clip["sha256"] else b""


def _judgement(reply: Reply) -> Judgement:
    """All 40 scores of a reply, or what is wrong with the first that is missing."""
    rows, _ = read_reply(reply, EMOTION_NAMES, top=EMOTION_SCALE[1])
    bad = [row for row in rows if row.score is None]
    if not bad:
        return Judgement([float(row.score or 0) for row in rows])
    worst = next((row for row in bad if row.outcome == "parse_error"), bad[0])
    reason = worst.detail
    if len(bad) < _N or worst.outcome == "unmapped":
        reason = f"{worst.emotion}: {worst.detail}; {_N - len(bad)} of {_N} scores"
    return Judgement(None, worst.outcome, reason)
