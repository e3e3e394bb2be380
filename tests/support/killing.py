"""Kills a command at each step that touches the disk, then runs it again and compares.

    python -m tests.support.killing COMMAND FOLDER [--most N]

What is heavy is imported once; each trial is a fork, which dies by SIGKILL just before its n-th
rename, fsync, unlink or rmdir. Prints a JSON line with what was tried and what was found wrong.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

STEPS = ("rename", "replace", "fsync", "unlink", "rmdir")


class Command(NamedTuple):
    """What is killed.

    Attributes:
        run: Writes into a folder, which it gets.
        prepare: Makes what the command finds in that folder.
        changing: Names of files that two runs write differently, such as for the time in them.
    """

    run: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda folder: None
    changing: tuple[str, ...] = ()


def score(inputs: Path) -> Command:
    from emonet_voice.cli.app import run
    from modeling_empathic.scoring import loading
    from tests.support.scoring_fakes import fake_loader, write_clips

    clips = write_clips(inputs / "clips", [f"{number}.wav" for number in range(6)])
    loading.load_model = fake_loader()
    options = ["--batch-size", "2", "--workers", "1", "--quiet"]

    def scored(folder: Path) -> None:
        for name in ("x.csv", "x.parquet"):
            assert run(["score", str(clips), "--output", str(folder / name), *options]) == 0

    (inputs / "imported").mkdir()
    scored(inputs / "imported")  # once here, so that no fork has to import
    return Command(scored)


def build(inputs: Path) -> Command:
    from dataset_scripts.building.build import build as build_bench
    from tests.support.raw_release_maker import make_raw_release

    raw = make_raw_release(inputs / "raw", 1 / 300, seconds=0.1, sounds=2)
    return Command(lambda folder: build_bench(raw, folder / "bench", assert_counts=False))


def convert(inputs: Path) -> Command:
    from emonet_voice.hub.convert import convert as convert_heads
    from tests.support.public_heads import save_head, save_whisper

    whisper = save_whisper(inputs / "whisper")
    for number, stem in enumerate(("Anger", "Awe")):
        save_head(inputs, stem, seed=number)
    heads = ["Anger", "Awe"]
    return Command(lambda folder: convert_heads(inputs, folder / "model", whisper, heads=heads))


def stage(inputs: Path) -> Command:
    from emonet_voice.hub.publish.stage import stage as stage_all

    def again(folder: Path) -> None:
        stage_all(folder / "staged", only=["emonet_voice"])

    def older(folder: Path) -> None:
        again(folder)
        readme = folder / "staged/collection/README.md"
        readme.write_text(readme.read_text("utf-8") + "older\n", "utf-8")

    return Command(again, older)


def train(inputs: Path) -> Command:
    from tests.support.public_heads import save_whisper
    from tests.support.training_maker import make_clips
    from tests.support.training_maker import train as train_heads

    whisper = save_whisper(inputs / "whisper")
    clips = make_clips(inputs / "labelled", takes=1)
    return Command(
        lambda folder: train_heads(clips, whisper, folder / "model"),
        changing=("training_args.json", "training.json", "README.md"),
    )


def big(inputs: Path) -> Command:
    """Recordings cut into clips, annotated and packed twice, the second time with more of them."""
    import numpy as np
    import soundfile

    from emonet_voice.cli.app import run
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
            assert run(["big", "segment", str(inputs / name), str(out)]) == 0
            assert run(["big", "annotate", str(out), "--workers", "1"]) == 0
            assert run(["big", "build", str(out), str(folder / "packed")]) == 0

    packed(inputs / "imported")  # once here, so that no fork has to import
    shutil.rmtree(inputs / "imported")
    return Command(packed)


def generate(inputs: Path) -> Command:
    from dataset_scripts.generation.generate import generate as speak
    from tests.support.speech_maker import COPY, write_sounds, write_texts

    sounds = write_sounds(inputs / "sounds")
    texts = [str(sounds[name]) for name in ("good", "silence", "HTML", "good")]
    plan = write_texts(inputs / "plan.parquet", texts)
    speak(plan, inputs / "imported", COPY)  # once here, so that no fork has to import
    return Command(lambda folder: speak(plan, folder / "out", COPY))


COMMANDS = {
    "score": score,
    "build": build,
    "convert": convert,
    "stage": stage,
    "train": train,
    "generate": generate,
    "big": big,
}


def in_fork(work: Callable[[], Any], die_at: int | None = None) -> tuple[str, int]:
    """Runs it in a fork that dies before its n-th step; how it ended, and its steps."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        done = 0
        steps = {name: getattr(os, name) for name in STEPS}

        def before(name: str) -> Callable[..., Any]:
            def step(*arguments: Any, **options: Any) -> Any:
                nonlocal done
                if done == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                done += 1
                return steps[name](*arguments, **options)

            return step

        for name in STEPS:
            setattr(os, name, before(name))
        code = 0
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            work()
        except BaseException:  # noqa: BLE001 - of a fork, which must end here
            traceback.print_exc()
            code = 1
        os.write(write_end, str(done).encode())
        os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed", die_at or 0
    return ("whole" if status == 0 else "failed"), int(said or 0)


def tree(folder: Path, changing: tuple[str, ...] = ()) -> dict[str, str]:
    """SHA-256 of every file below a folder, hidden and temporary ones too."""
    return {
        path.relative_to(folder).as_posix(): (
            "" if path.name in changing else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def trial(command: Command, folder: Path, at: int, whole: dict[str, str]) -> str:
    """Kills at one step and runs again; what is wrong then, or ""."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command.prepare(folder)
    ended, _ = in_fork(lambda: command.run(folder), at)
    if ended != "killed":
        return f"step {at}: not killed but {ended}"
    ended, _ = in_fork(lambda: command.run(folder))
    found = tree(folder, command.changing)
    if ended != "whole" and found != whole:  # one may say that all is there already
        return f"step {at}: the next run {ended}"
    if found != whole:
        names = sorted(set(found.items()) ^ set(whole.items()))
        return f"step {at}: other than uninterrupted: {sorted({name for name, _ in names})}"
    return ""


def kill_everywhere(name: str, folder: Path, most: int | None = None) -> dict[str, Any]:
    """Trials at every step of a command, or at so many evenly spread ones.

    Returns:
        `steps` of an uninterrupted run, `kills`, and `wrong`: a line each.
    """
    (folder / "inputs").mkdir(parents=True)
    command = COMMANDS[name](folder / "inputs")
    place = folder / "work"  # always the same: some outputs name their folder
    place.mkdir()
    command.prepare(place)
    ended, steps = in_fork(lambda: command.run(place))
    if ended != "whole":
        raise RuntimeError(f"{name} {ended} without being killed")
    whole = tree(place, command.changing)
    n = min(steps, most or steps)
    points = sorted({number * (steps - 1) // max(n - 1, 1) for number in range(n)})
    wrong = [line for at in points if (line := trial(command, place, at, whole))]
    return {"command": name, "steps": steps, "kills": len(points), "wrong": wrong}


def main() -> None:
    """Entry point of `python -m tests.support.killing`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)  # threads do not survive a fork
    found = kill_everywhere(arguments.command, arguments.folder, arguments.most)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
