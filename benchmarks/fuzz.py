"""Feeds three doors for strangers' bytes with what a fuzzer invents: labels, audio, score files.

    pip install atheris          # Apache-2.0; not needed for anything else
    python benchmarks/fuzz.py [--seconds 300] [--target label|audio|scores]

Atheris (libFuzzer) follows which lines of ours an input reaches, begins with small valid files and
keeps what leads further. Whatever is neither an error of ours nor a sound result, a crash of a
decoder and more than 3 GB of memory are findings. Writes `benchmarks/results/fuzz.json`, whose
figures `benchmarks/reliability.py` puts into `benchmarks/reliability.md`.
"""

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
RESULT = ROOT / "benchmarks/results/fuzz.json"
MEMORY_MB, LONGEST_BYTES, SLOW_S = 3_000, 2**16, 30
MOST_S = 5


def label(data: bytes) -> None:
    """A label of the raw release: 1 to 3 ratings of one category, or an error that says why."""
    from dataset_scripts.corpora.raw_release import RawReleaseError, parse_label
    from modeling_empathic.taxonomy import BENCH_NAMES

    try:
        name, ratings = parse_label(data.decode("utf-8", "surrogateescape"))
    except RawReleaseError:
        return
    assert name in BENCH_NAMES and ratings
    assert all(rating.score in (0, 1, 2) for rating in ratings)
    assert len({rating.rater for rating in ratings}) == len(ratings)


def audio(data: bytes) -> None:
    """A sound file: finite samples, no longer than allowed, or an error that says why."""
    import numpy as np

    from modeling_empathic.audio import SAMPLE_RATE, AudioError, load_audio

    try:
        samples = load_audio(data, name="clip", max_duration_s=MOST_S)
    except AudioError:
        return
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert np.isfinite(samples).all() and 0 < len(samples) <= (MOST_S + 0.1) * SAMPLE_RATE


def scores(data: bytes) -> None:
    """A score or prediction file: rows that are sound, or an error that says why."""
    from evaluate_metrics.bench.predictions import read_predictions
    from modeling_empathic.scoring.file import FORMATS, read_scores
    from modeling_empathic.taxonomy import UserError

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        file = Path(folder, f"said{FORMATS[data[:1][0] % 3 if data else 0]}")
        body, _, beside = data[1:].partition(b"\x00--beside--\x00")
        file.write_bytes(body)
        if beside:
            Path(folder, f"{file.name}.meta.json").write_bytes(beside)
        for read in (read_predictions, read_scores):
            with suppress(UserError):
                read(file)


TARGETS: dict[str, Callable[[bytes], None]] = {"label": label, "audio": audio, "scores": scores}


def seeds(target: str) -> Iterator[bytes]:
    """Small valid inputs."""
    import numpy as np
    import pyarrow as pa
    import soundfile
    from pyarrow import csv, parquet

    if target == "label":
        yield b"[{'human-1': {'Awe': 1}}, {'human-2': {'Awe': 0}}]"
        yield b"[{'human-1': {'Jealousy%20%26%20Envy': 2}}]"
    elif target == "audio":
        tone = np.sin(np.arange(800) / 5).astype(np.float32) * 0.3
        for form, kind in (
            *(("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("AIFF", "PCM_16")),
            *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
            *(("AU", "PCM_16"), ("W64", "PCM_24"), ("CAF", "PCM_16"), ("RF64", "PCM_16")),
        ):
            file = io.BytesIO()
            soundfile.write(file, tone, 16_000, format=form, subtype=kind)
            yield file.getvalue()
    else:
        about = json.dumps({"heads": ["Awe"], "scale": "0-10"}).encode()
        columns = {"clip_id": ["a", "b"], "emotion": ["Awe"] * 2, "score": [1.0, None]}
        said = pa.table(columns | {"outcome": ["scored", "refused"]})
        row = {"path": ["a.wav"], "clip_id": ["a"], "start_s": [0.0], "end_s": [1.0]}
        row |= {"duration_s": [1.0], "Awe": [1.0], "quality": [""], "outcome": ["scored"]}
        scored = pa.table(row | {"error": pa.nulls(1, pa.string())})
        for table in (said, scored):
            sink = io.BytesIO()
            parquet.write_table(table.replace_schema_metadata({"emonet_voice": about}), sink)
            yield b"\x00" + sink.getvalue()
            beside = b"\x00--beside--\x00" + about
            lines = "\n".join(map(json.dumps, table.to_pylist()))
            yield b"\x01" + lines.encode() + beside
            text = io.BytesIO()
            csv.write_csv(table, text)
            yield b"\x02" + text.getvalue() + beside


def fuzz_here(target: str, folder: Path, seconds: int) -> None:
    """Fuzzes in this process, which ends with it."""
    import atheris

    include = ["modeling_empathic", "dataset_scripts", "evaluate_metrics"]
    with atheris.instrument_imports(include=include):
        TARGETS[target](b"")  # imports all that it needs
    (folder / "corpus").mkdir(exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SLOW_S}"]
    options += [f"-max_len={LONGEST_BYTES}", f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], TARGETS[target])
    atheris.Fuzz()


def fuzz(target: str, seconds: int) -> dict[str, Any]:
    """Fuzzes one target in a process of its own.

    Returns:
        `executions`, `seconds`, `corpus` (inputs that led further), `findings` (a line each).
    """
    with tempfile.TemporaryDirectory() as name:
        program = [sys.executable, __file__, "--target", target, "--seconds", str(seconds)]
        done = subprocess.run(
            [*program, "--here", name],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        said = done.stderr + done.stdout
        executions = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
        if not executions:
            raise RuntimeError(f"the fuzzer of {target} did not run:\n{said[-2000:]}")
        findings = []
        for file in sorted(Path(name).iterdir()):
            if file.is_file():
                reason = re.findall(
                    r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*$|ERROR: .*$", said, re.M
                )
                why = reason[-1][:200] if reason else "?"
                findings.append(f"{file.name.partition('-')[0]}: {why}")
                (Path(tempfile.gettempdir()) / f"fuzz-{target}-{file.name}").write_bytes(
                    file.read_bytes()
                )
        n_corpus = len(list(Path(name, "corpus").iterdir()))
    took = re.findall(r"Done \d+ runs in (\d+) second", said)
    return {
        "executions": int(executions[-1]),
        "seconds": int(took[-1]) if took else None,
        "corpus": n_corpus,
        "findings": findings,
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        fuzz_here(given.target, Path(given.here), given.seconds)
        return
    from benchmarks.report import machine
    from modeling_empathic.report.files import write_json

    for target in [given.target] if given.target else TARGETS:
        found = fuzz(target, given.seconds)
        print(target, found)
        kept = json.loads(RESULT.read_text())["targets"] if RESULT.exists() else {}
        write_json(RESULT, {"machine": machine(), "targets": {**kept, target: found}})


if __name__ == "__main__":
    main()
