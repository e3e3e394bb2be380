"""Writes measured results into `results/*.json` and, from all of these, `benchmarks/README.md`."""

import json
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from modeling_empathic.report.files import replacing, write_json

HERE = Path(__file__).parent
_CPU = HERE / "results" / "score_vs_loop-cpu.json"
_WARM = HERE / "results" / "score_vs_loop-cpu-28.json"


def machine() -> dict[str, Any]:
    """What a figure was measured on: processor, memory, GPU, versions; no host or path."""
    import torch
    import transformers

    cpu = platform.processor() or platform.machine()
    flags: list[str] = []
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        cpu = f"{fields.get('model name', cpu)} (family {fields.get('cpu family', '?')}, model "
        cpu += f"{fields.get('model', '?')})"
        known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
        flags = [flag for flag in known if flag in fields.get("flags", "").split()]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "cpu": cpu,
        "cpu_flags": flags,
        "cores": os.cpu_count(),
        "memory_gb": round(memory_gb, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
    }


def _commit() -> str:
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write_report(results: dict[str, Any], path: Path) -> None:
    """Stores one run's results and renews the README that is made of all of them."""
    path.parent.mkdir(exist_ok=True)
    write_json(path, results, indent=1)
    readme = HERE / "README.md"
    text = readme.read_text()
    for file in sorted(path.parent.glob("*.json")):
        if f"<!-- {file.stem} -->" in text:
            table = TABLES[file.stem.split("-")[0]](json.loads(file.read_text()))
            text = _renewed(text, file.stem, table)
    with replacing(readme) as temporary:
        temporary.write_text(text, "utf-8")
    write_front()
    print(TABLES[path.stem.split("-")[0]](results))


def write_front() -> None:
    """Renews the tables of the project's README: the models by name, and the speed."""
    front = HERE.parent / "README.md"
    text = front.read_text()
    for name, section in front_sections().items():
        text = _renewed(text, name, section)
    with replacing(front) as temporary:
        temporary.write_text(text, "utf-8")


def front_sections() -> dict[str, str]:
    """What stands between markers in the project's README, by their names."""
    from emonet_voice.models import rows, table
    from modeling_empathic.report.tables import as_markdown

    cpu, warm = (json.loads(file.read_text()) for file in (_CPU, _WARM))
    listed = as_markdown([table(rows(), here=False)]).rstrip()
    return {"models": listed, "speed": speed(cpu, warm)}


def _renewed(text: str, name: str, section: str) -> str:
    """The text with another section between the markers of a name."""
    before, rest = text.split(f"<!-- {name} -->", 1)
    after = rest.split(f"<!-- /{name} -->", 1)[1]
    return f"{before}<!-- {name} -->\n{section}\n<!-- /{name} -->{after}"


def describe(machine: dict[str, Any]) -> str:
    """One sentence on where and when something was measured."""
    gpu = f"; {machine['gpu']}" if machine["gpu"] else ""
    return (
        f"Measured {machine['date']} at commit {machine['commit']} on {machine['cpu']}, "
        f"{machine['cores']} cores ({', '.join(machine['cpu_flags'])}), "
        f"{machine['memory_gb']} GB{gpu}; Python {machine['python']}, torch {machine['torch']}, "
        f"transformers {machine['transformers']}."
    )


def score_vs_loop(results: dict[str, Any]) -> str:
    """Table of one run of `score_vs_loop.py`, with what was asked for beside what was reached."""
    rows = results["rows"]
    loop = rows[0]

    def line(name: str, *cells: str) -> str:
        return f"| {name} | " + " | ".join(cells) + " |"

    def ratio(row: dict[str, Any], value: float, base: float, unit: str) -> str:
        return f"{value:.3g} {unit}" if row is loop else f"{value:.3g} {unit} ({base / value:.1f}×)"

    names = {"loop": "loop", "ours": "ours", "openvino": "ours, OpenVINO"}
    head = [f"{names[row['kind']]} {row['dtype']}" for row in rows]
    lines = [line("", *head), "|---" * (len(rows) + 1) + "|"]
    if "locked" in loop:
        lines.append(line("files locked in memory before the start", *(
            "yes" if r["locked"] else "no: too large" for r in rows)))  # fmt: skip
    starts = f", median of {loop['starts']} [range]" if loop.get("starts", 1) > 1 else ""
    for key, name in (("load", "weights loaded"), ("first_score", "first score")):
        cells = []
        for row in rows:
            cell = ratio(row, row[f"{key}_s"], loop[f"{key}_s"], "s")
            if starts:
                low, high = row[f"{key}_spread"]
                cell = cell.replace(" s", f" s [{low:.3g}–{high:.3g}]", 1)
            cells.append(cell)
        lines.append(line(f"process start to {name}{starts}", *cells))
    for size in loop["batches"]:
        cells, parts = [], []
        for row in rows:
            batch, base = row["batches"][size], loop["batches"][size]
            low, high = (1 / second for second in reversed(batch["spread"]))
            speed = f"{1 / batch['s_per_clip']:.2f} [{low:.2f}–{high:.2f}]"
            times = base["s_per_clip"] / batch["s_per_clip"]
            cells.append(speed if row is loop else f"{speed} ({times:.1f}×)")
            heads = batch["s_per_clip"] - batch["encoder_s_per_clip"]
            rest = f"{heads:.3f} s" if heads > 0 else "less than they vary"
            parts.append(f"{batch['encoder_s_per_clip']:.3f} + {rest}")
        lines.append(line(f"clips a second, batch {size}, median [range]", *cells))
        lines.append(line(f"… encoder + heads a clip, batch {size}", *parts))
    lines.append(line("peak memory", *(
        ratio(r, r["peak_gb"], loop["peak_gb"], "GB") for r in rows)))  # fmt: skip
    if "anonymous_gb" in loop:
        lines.append(line("… at the end, but for files that are mapped", *(
            ratio(r, r["anonymous_gb"], loop["anonymous_gb"], "GB") for r in rows)))  # fmt: skip
    if "gpu_gb" in loop:
        lines.append(line("peak GPU memory", *(
            ratio(r, r["gpu_gb"], loop["gpu_gb"], "GB") for r in rows)))  # fmt: skip
    lines.append(line("largest difference from the float32 loop", *(
        f"{r['drift']['max_error']:.1e}" for r in rows)))  # fmt: skip
    lines.append(line("… in standard deviations of that head over the clips", *(
        f"{r['drift']['max_error_in_sd']:.1e}" for r in rows)))  # fmt: skip
    lines.append(line("Spearman with the float32 loop, worst and median head", *(
        f"{r['drift']['spearman_min']:.4f}, {r['drift']['spearman_median']:.4f}"
        for r in rows)))  # fmt: skip
    note = (
        f"{results['heads']} Small heads, {results['runs']} runs a timing, mel features included; "
        f"scores compared on {results['clips']}."
    )
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


def speed(results: dict[str, Any], warm: dict[str, Any]) -> str:
    """The few figures that the project's README shows; the first score is of `warm`, see there."""
    loop, *ours = results["rows"]
    size = max(loop["batches"], key=int)
    first_s = {(row["kind"], row["dtype"]): row["first_score_s"] for row in warm["rows"]}
    lines = [
        f"| {results['heads']} Small heads on {results['machine']['cores']} CPU cores "
        f"| first score ({warm['heads']} heads, files in memory) "
        f"| clips a second, batch {size} | peak memory |",
        "|---|---|---|---|",
    ]
    names = {
        "loop": "public loop",
        "ours": "this package",
        "openvino": "this package, `--device openvino`",
    }
    for row in [loop, *ours]:
        if (row["kind"], row["dtype"]) not in first_s:
            continue
        per_second = 1 / row["batches"][size]["s_per_clip"]
        lines.append(
            f"| {names[row['kind']]}, {row['dtype']} "
            f"| {first_s[row['kind'], row['dtype']]:.1f} s "
            f"| {per_second:.2f} | {row['peak_gb']:.1f} GB |"
        )
    return "\n".join(lines)


def head_layout(results: dict[str, Any]) -> str:
    """Table of one run of `head_layout.py`."""
    lines = [
        "| layout | type | load | first | batch 1 | batch 4 | batch 16 |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        times = " | ".join(f"{row['seconds'][str(size)]:.3f} s" for size in (1, 4, 16))
        first = f"{row['first_s']:.1f} s" if "first_s" in row else "not measured"
        lines.append(
            f"| {row['layout']} | {row['dtype']} | {row['load_s']:.1f} s | {first} | {times} |"
        )
    note = f"{results['heads']} Small heads, best of {results['runs']}, whole batch."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


def parity(results: dict[str, Any]) -> str:
    """Table of one run of `parity.py`."""
    lines = ["| heads | package | trust_remote_code | spread of the scores |", "|---|---|---|---|"]
    for row in results["rows"]:
        cells = f"{row['package']:.1e} | {row['remote']:.1e} | {row['spread']:.2f}"
        lines.append(f"| {row['heads']} | {cells} |")
    note = "Largest difference from the public loop in float32 over 4 clips (asked for: 1e-4)."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


def drift(results: dict[str, Any]) -> str:
    """Table of one run of `drift.py`."""
    lines = [
        "| type | Spearman, worst head | median | heads below 0.999 | largest error | mean error |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        runtime = "OpenVINO, " if row.get("device") == "openvino" else ""
        lines.append(
            f"| {runtime}{row['dtype']} | {row['spearman_min']:.5f} "
            f"| {row['spearman_median']:.5f} | {len(row['below_0_999'])} of {results['heads']} "
            f"| {row['max_error']:.4f} | {row['mean_error']:.5f} |"
        )
    note = f"{results['model']}, {results['clips']} clips, against float32; errors on 0 to 4."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


def cpu_limit(results: dict[str, Any]) -> str:
    """Table of one run of `cpu_limit.py`: seconds a clip, were the encoder only this."""
    ways = list(results["rows"][0]["attention_s"])
    lines = [
        "| type | products | products of a clip | " + " | ".join(ways) + " | sum with the best |",
        "|---" * (len(ways) + 4) + "|",
    ]
    for row in results["rows"]:
        products_s = 255 / row["gflops"]
        cells = [f"{row['attention_s'][way]:.2f} s" for way in ways]
        total = products_s + min(row["attention_s"].values())
        lines.append(
            f"| {row['dtype']} | {row['gflops']:.0f} GFLOP/s | {products_s:.2f} s | "
            f"{' | '.join(cells)} | {total:.2f} s |"
        )
    return "\n".join([describe(results["machine"]), "", *lines])


def bench_build(results: dict[str, Any]) -> str:
    """Table of `bench_build.py`: median and range of its runs, beside what was asked for."""
    runs = results["runs"]

    def spread(key: str, unit: str, digits: int = 1) -> str:
        values = [run[key] for run in runs]
        low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
        return f"{median(values):.{digits}f} {unit} [{low}–{high}]"

    counts = ", ".join(f"{n:,} {key.replace('_', ' ')}" for key, n in runs[0]["counts"].items())
    lines = [
        "| what | measured | asked for |",
        "|---|---|---|",
        f"| parsing {runs[0]['labels']:,} labels | {spread('labels_s', 's', 2)} | 2 s |",
        f"| build, {runs[0]['gigabytes']:.2f} GB | {spread('build_s', 's')} | disk-bound |",
        f"| … copying the same files | {spread('copy_s', 's')} | |",
        f"| peak memory of the build | {spread('peak_mb', 'MB', 0)} | 1,000 MB |",
        f"| … after the imports | {spread('import_mb', 'MB', 0)} | |",
        f"| checking a finished build against its source | {spread('check_s', 's')} | |",
        f"| α, {runs[0]['alphas']} × 1,000 resamples | {spread('alpha_s', 's', 2)} | 5 s |",
        f"| all of `bench stats` | {spread('stats_s', 's')} | |",
        f"| peak memory with the statistics | {spread('stats_mb', 'MB', 0)} | 1,000 MB |",
    ]
    note = f"{counts}; median [range] of {len(runs)} runs, the release made in "
    note += f"{results['make_s']:.0f} s."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


def acoustics(results: dict[str, Any]) -> str:
    """Tables of one run of `acoustics.py`: speed, pitch against other methods, syllables."""
    measured = results["speed"]
    lines = [
        f"{describe(measured['machine'])} {measured['clips']} recordings of EmoDB, each looped to "
        f"{measured['duration_s']} s, as MP3 at 44.1 kHz; decoding included.",
        "",
        "| processes | clips a minute | asked for | until warm |",
        "|---|---|---|---|",
    ]
    for row in measured["rows"]:
        asked = "200" if row["workers"] == 2 else ""
        lines.append(
            f"| {row['workers']} | {row['clips_a_minute']:.0f} | {asked} | {row['start_s']:.1f} s |"
        )
    lines += [
        "",
        f"{describe(results['machine'])} librosa {results['librosa']}.",
        "",
        "| pitch | clips | medians within 1 %, 3 %, 6 % | voicing differs | F0 off by over 20 % "
        "| within half a semitone |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["pitch"]:
        within = ", ".join(f"{100 * share:.0f} %" for share in row["medians_within"].values())
        frames = [row[key] for key in ("voicing_differs", "gross_errors", "within_50_cents")]
        cells = " | ".join(f"{100 * share:.1f} %" for share in frames)
        lines.append(f"| {row['method']} against {row['other']} | {row['clips']} | {within} "
                     f"| {cells} |")  # fmt: skip
    spoken = results["syllables"]
    lines += [
        "",
        f"Peaks counted for a syllable of the text: {spoken['mean']:.2f} ± {spoken['sd']:.2f} "
        f"(standard deviation) over {spoken['clips']} recordings; correlation of the rates "
        f"{spoken['correlation_of_rates']:.2f}.",
    ]
    lines += [
        "",
        "| feature of whole clips | against | clips | … with theirs alone | Spearman's ρ "
        "| ours less theirs, median (quartiles) |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["features"]:
        factor, unit = (100, " %") if row["relative"] else (1, "")
        low, middle, high = (f"{factor * value:+.2f}" for value in row["between"])
        lines.append(f"| `{row['feature']}` | {row['reference']} | {row['clips']} "
                     f"| {row['only_theirs']} | {row['spearman']:.2f} "
                     f"| {middle}{unit} ({low} to {high}) |")  # fmt: skip
    return "\n".join(lines)


def _elsewhere(module: str, function: str) -> Callable[[dict[str, Any]], str]:
    """A table that is made where its figures are measured; those modules import this one."""
    return lambda results: getattr(import_module(f"benchmarks.{module}"), function)(results)


TABLES = {
    "acoustics": acoustics,
    "audio_files": _elsewhere("audio_files", "table"),
    "bench_build": bench_build,
    "big": _elsewhere("big", "big_table"),
    "big_circle": _elsewhere("big_circle", "big_circle_table"),
    "big_pack": _elsewhere("big_pack", "table"),
    "browser": _elsewhere("browser", "browser_table"),
    "cpu_limit": cpu_limit,
    "drift": drift,
    "ceiling": _elsewhere("ceiling", "ceiling_table"),
    "leaders": _elsewhere("leaders", "leaders_table"),
    "encoders": _elsewhere("encoders", "encoders_table"),
    "first_hour": _elsewhere("first_hour", "first_hour_table"),
    "generalization": _elsewhere("generalization", "generalization_table"),
    "head_layout": head_layout,
    "hours": _elsewhere("hours", "hours_table"),
    "house": _elsewhere("house", "house_table"),
    "int8": _elsewhere("int8", "int8_table"),
    "libraries": _elsewhere("libraries", "libraries_table"),
    "metric": _elsewhere("metric", "metric_table"),
    "gpu": _elsewhere("gpu", "gpu_table"),
    "models": _elsewhere("models", "models_table"),
    "nano_speed": _elsewhere("nano_speed", "nano_speed_table"),
    "own_labels": _elsewhere("own_labels", "own_labels_table"),
    "packages": _elsewhere("packages", "packages_table"),
    "parity": parity,
    "quality": _elsewhere("quality", "table"),
    "ray_scale": _elsewhere("ray_scale", "ray_scale_table"),
    "rehearsal": _elsewhere("rehearsal", "rehearsal_table"),
    "roofline": _elsewhere("roofline", "roofline_table"),
    "score_vs_loop": score_vs_loop,
    "short_mode": _elsewhere("short_mode", "short_mode_table"),
    "stage1": _elsewhere("stage1", "stage1_table"),
    "space_demo": _elsewhere("space_demo", "space_demo_table"),
    "stage2": _elsewhere("stage2", "stage2_table"),
    "startup": _elsewhere("startup", "startup_table"),
}
