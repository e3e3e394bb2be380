"""A leaderboard's folder with made systems, one of them with a hostile name."""

import shutil
from dataclasses import replace

from evaluate_metrics.bench.comparison import compare as paired
from evaluate_metrics.bench.evaluation import evaluate, write_result
from evaluate_metrics.leaderboard.merge import merge, write_leaderboard
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.evaluation_maker import heard, made_bench, of, with_outcome, with_ratings
from tests.support.places import REPOSITORY

SPACE = REPOSITORY / "spaces" / "emonet_voice_leaderboard"
HOSTILE = "<img src=x onerror=alert(1)> [click](javascript:alert(1)) ${alert(1)} {{this}} =1+1 ```"
CONFIG = "`x` {{constructor}} <script>alert(1)</script>"
OTHER = "c" * 40


def write_folder(folder):
    """Three systems on one benchmark, the first two compared, and one of them on a newer one."""
    (folder / "results").mkdir(parents=True)
    bench = with_ratings(made_bench(EMOTION_NAMES, clips=6))
    scores = {"made/good": heard(bench, 2.0), HOSTILE: heard(bench, 4.0, seed=2)}
    scores["made/refuses"] = with_outcome(
        heard(bench, 3.0, seed=3),
        lambda row: row["emotion"] == "Anger" or row["clip_id"].endswith("1"),
        "refused",
    )
    files = []
    for number, (system, rows) in enumerate(scores.items()):
        result = evaluate(of(rows), bench, system=system, n_resamples=40)
        at = {"source": "laion/emonet-voice-bench", "config": "default"}
        result = replace(result, bench=replace(result.bench, **at, revision="b" * 40))
        if number == 0:
            compared = paired(of(rows), of(scores[HOSTILE]), bench, 60, system=HOSTILE)
            result = replace(result, comparison=compared)
        files.append(folder / "results" / f"{number}.json")
        write_result(result, files[-1])
    result = replace(result, bench=replace(result.bench, revision=OTHER, config=CONFIG))
    files.append(folder / "results" / "other.json")
    write_result(result, files[-1])
    (folder / "bad.json").write_text("{")
    shutil.copy(SPACE / "data" / "systems.csv", folder)
    write_leaderboard(merge([*files, folder / "bad.json"]), folder)
