"""Every command that writes, on inputs so small that it can be run a hundred times over."""

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tests.support.places import REPOSITORY


class Command(NamedTuple):
    """What is killed, or has its disk broken.

    Attributes:
        run: Writes into a folder, which it gets; ends by SystemExit where it cannot.
        prepare: Makes what the command finds in that folder.
        changing: Names of files that two runs write differently, such as for the time in them.
    """

    run: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda folder: None
    changing: tuple[str, ...] = ()


def typed(*arguments: object) -> None:
    """The command `emonet-voice` in this process."""
    from emonet_voice.cli.app import run

    if code := run([*map(str, arguments)]):
        raise SystemExit(code)


def score(inputs: Path) -> Command:
    from modeling_empathic.scoring import loading
    from tests.support.scoring_fakes import fake_loader, write_clips

    clips = write_clips(inputs / "clips", [f"{number}.wav" for number in range(6)])
    loading.load_model = fake_loader()
    options = ["--batch-size", 2, "--workers", 1, "--quiet"]

    def scored(folder: Path) -> None:
        for name in ("x.csv", "x.parquet"):
            typed("score", clips, "--output", folder / name, *options)

    (inputs / "imported").mkdir()
    scored(inputs / "imported")  # once here, so that no fork has to import
    return Command(scored)


def build(inputs: Path) -> Command:
    from tests.support.raw_release_maker import make_raw_release

    raw = make_raw_release(inputs / "raw", 1 / 300, seconds=0.1, sounds=2)
    typed("bench", "build", raw, inputs / "imported", "--no-assert")
    return Command(lambda folder: typed("bench", "build", raw, folder / "bench", "--no-assert"))


def convert(inputs: Path) -> Command:
    from tests.support.public_heads import save_head, save_whisper

    whisper = save_whisper(inputs / "whisper")
    for number, stem in enumerate(("Anger", "Awe")):
        save_head(inputs, stem, seed=number)
    options = ["--encoder", whisper, "--heads", "Anger,Awe"]
    return Command(lambda folder: typed("convert", inputs, folder / "model", *options))


def stage(inputs: Path) -> Command:
    def again(folder: Path) -> None:
        typed("publish", "stage", folder / "staged", "--only", "emonet_voice")

    def older(folder: Path) -> None:
        again(folder)
        readme = folder / "staged/collection/README.md"
        readme.write_text(readme.read_text("utf-8") + "older\n", "utf-8")

    again(inputs)
    return Command(again, older)


def train(inputs: Path) -> Command:
    from tests.support.public_heads import save_whisper
    from tests.support.training_maker import make_clips
    from tests.support.training_maker import train as train_heads

    whisper = save_whisper(inputs / "whisper")
    clips = make_clips(inputs / "labelled", takes=1)
    # Not typed: the command saves every so many seconds, this one after each epoch.
    return Command(
        lambda folder: as_typed(lambda: train_heads(clips, whisper, folder / "model")),
        changing=("training_args.json", "training.json", "README.md"),
    )


def as_typed(work: Callable[[], Any]) -> None:
    """Says what a user can put right as the command does."""
    from emonet_voice.cli import commands

    def instead(**_: Any) -> int:
        work()
        return 0

    typer_app, commands.app = commands.app, instead
    try:
        typed()
    finally:
        commands.app = typer_app


def big(inputs: Path) -> Command:
    """Recordings cut into clips, annotated and packed twice, the second time with more of them."""
    import numpy as np
    import soundfile

    from modeling_empathic.scoring import loading
    from modeling_empathic.taxonomy import EMOTION_NAMES
    from tests.support.scoring_fakes import fake_loader

    loading.load_model = fake_loader(heads=EMOTION_NAMES)
    for seed, folder in enumerate(("first", "second")):
        (inputs / folder).mkdir()
        for number in range(2):
            noise = np.random.default_rng(2 * seed + number).uniform(-0.1, 0.1, 10 * 16_000)
            noise[:1600] = noise[76_000:84_000] = 0
            soundfile.write(inputs / folder / f"{folder}-{number}.wav", noise, 16_000)

    def packed(folder: Path) -> None:
        for name in ("first", "second"):
            out = folder / name
            typed("big", "segment", inputs / name, out)
            typed("big", "annotate", out, "--workers", 1)
            typed("big", "build", out, folder / "packed")

    packed(inputs / "imported")  # once here, so that no fork has to import
    shutil.rmtree(inputs / "imported")
    return Command(packed)


def generate(inputs: Path) -> Command:
    from tests.support.speech_maker import COPY, write_sounds, write_texts

    sounds = write_sounds(inputs / "sounds")
    plan = write_texts(inputs / "plan.parquet", [str(sounds["good"])] * 4)

    def speak(folder: Path) -> None:
        typed("big", "generate", plan, folder / "out", "--engine", COPY, "--workers", 1)

    speak(inputs / "imported")  # once here, so that no fork has to import
    return Command(speak)


def collect(inputs: Path) -> Command:
    """A system without a service, in two wordings of the prompt."""
    from emonet_voice.cli import collect as command
    from evaluate_metrics.adapters import asking, ensemble, runner
    from tests.support.adapter_fakes import FakeSystem, make_clips

    class System(FakeSystem):
        system = "gemini-2.5-pro"

    answer = lambda _, prompt: dict.fromkeys(prompt.keys, 3)  # noqa: E731
    command.make_adapter = lambda *_, **__: System(answer)
    asking.now = ensemble.now = runner.now = lambda: "2026-01-01T00:00:00+00:00"
    asking.time = SimpleNamespace(perf_counter=lambda: 0.0)  # a request's seconds are in its answer
    (inputs / "clips").mkdir()
    for number, (_, audio) in enumerate(make_clips(3)):
        (inputs / "clips" / f"{number}.wav").write_bytes(audio)
    options = ["--clips", inputs / "clips", "--workers", 1]

    def collected(folder: Path) -> None:
        for name, prompts in (("one.jsonl", 1), ("two.parquet", 2)):
            typed("collect", "gemini-2.5-pro", *options, "-o", folder / name, "--prompts", prompts)

    (inputs / "imported").mkdir()
    collected(inputs / "imported")
    return Command(collected)


def generalize(inputs: Path) -> Command:
    from tests.support.generalize_maker import emodb_folder, forty_heads
    from tests.support.public_heads import save_whisper

    whisper, model = save_whisper(inputs / "whisper"), forty_heads(inputs / "model")
    options = ["--corpus", f"emodb={emodb_folder(inputs / 'emodb')}", "--model", model]
    options += ["--supervised", whisper]

    def generalized(folder: Path) -> None:
        typed("generalize", *options, "--output", folder / "x.json", "--plots", folder / "plots")

    (inputs / "imported").mkdir()
    generalized(inputs / "imported")
    return Command(generalized, changing=("x.json",))


def evaluate(inputs: Path) -> Command:
    """An evaluation, and a leaderboard of it."""
    from evaluate_metrics.bench.reader import read_bench
    from tests.support.evaluation_maker import heard, write
    from tests.support.raw_release_maker import make_raw_release

    raw = make_raw_release(inputs / "raw", 1 / 100, seconds=0.1, sounds=2)
    bench = inputs / "bench"
    typed("bench", "build", raw, bench, "--no-assert")
    mine = write(heard(read_bench(bench)), inputs / "mine.parquet", model="me/mine", scale="0-10")
    options = ["--bench", bench, "--resamples", 4]

    def evaluated(folder: Path) -> None:
        typed("evaluate", mine, *options, "--output", folder / "mine.json")
        typed("leaderboard", folder / "mine.json", "--output", folder / "board")

    (inputs / "imported").mkdir()
    evaluated(inputs / "imported")
    return Command(evaluated, changing=("mine.json", "leaderboard.json", "leaderboard.parquet"))


def annotation(inputs: Path) -> Command:
    """Four raters of the annotation Space, and the export of what they said."""
    sys.path.append(str(REPOSITORY / "spaces" / "emotion_annotation"))
    from hearing import Hearing
    from rating_store import Store

    from dataset_scripts.annotations import Protocol

    raters = {"a": "f", "b": "m", "c": "f", "d": "m"}
    said = inputs / "said.txt"  # what the Space has confirmed: it must not be lost

    def rated(folder: Path) -> None:
        store = Store(
            folder / "ratings.db", tuple(map(str, range(4))), Protocol(raters), gold={"g": (1,)},
            gold_every=2,
        )  # fmt: skip
        confirmed = set(said.read_text().split()) if said.exists() else set()
        kept = {f"{answer.rater}{answer.item}{answer.score}" for answer in store.answers()}
        if lost := confirmed - kept:
            raise RuntimeError(f"confirmed and lost: {lost}")
        for rater in raters:
            while (item := store.take(rater)) is not None:
                score = random.Random(rater + item).choice((0, 1, 2))
                store.answer(rater, item, score, Hearing(plays=1))
                with said.open("a") as file:
                    file.write(f"{rater}{item}{score}\n")
        answers = "\n".join(map(str, store.answers()))
        (folder / "answers.txt").write_text(answers)

    return Command(rated, lambda _: said.unlink(missing_ok=True), ("ratings.db",))


COMMANDS = {
    "score": score,
    "build": build,
    "convert": convert,
    "stage": stage,
    "train": train,
    "generate": generate,
    "big": big,
    "collect": collect,
    "generalize": generalize,
    "evaluate": evaluate,
    "annotation": annotation,
}
