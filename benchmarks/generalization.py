"""The paper's Table 7 on real EmoDB: Nano, heads on real Whisper states, acoustics, floors.

python benchmarks/generalization.py --root path/to/emodb --whisper path/to/whisper-base

With `--nemo path/to/nemo` instead both corpora in one table, each tested by what was taught the
other; the picture goes to `results/corpora.png`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    """Command line of `generalization.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="EmoDB, raw or built")
    parser.add_argument("--whisper", type=Path, required=True, help="Whisper checkpoint")
    parser.add_argument("--nemo", type=Path, help="nEMO, for a table over corpora")
    parser.add_argument("--cache", type=Path, help=".npz file to keep the encoder's states in")
    arguments = parser.parse_args()
    from benchmarks.report import write_report

    if arguments.nemo:
        corpora = {"emodb": arguments.root, "nemo": arguments.nemo}
        results = measure_across(corpora, arguments.whisper, arguments.cache)
        write_report(results, HERE / "results" / "generalization-across.json")
        return
    results = measure(arguments.root, arguments.whisper, arguments.cache)
    write_report(results, HERE / "results" / "generalization-emodb.json")


def measure(root: Path, whisper: Path, cache: Path | None) -> dict[str, Any]:
    """Runs `emonet-voice generalize` with everything on, as a function."""
    from benchmarks.report import machine
    from evaluate_metrics.generalize.result import generalize
    from modeling_empathic.report.files import as_json

    result = generalize(
        root, "emodb", baseline=True, supervised=whisper, states_cache=cache, acoustic=True
    )
    # Through the text, in which NaN is null.
    return {"machine": machine(), "result": json.loads(as_json(result))}


def measure_across(corpora: dict[str, Path], whisper: Path, cache: Path | None) -> dict[str, Any]:
    """Runs `emonet-voice generalize` over several corpora, and draws its picture."""
    from benchmarks.report import machine
    from evaluate_metrics.generalize import across_tables
    from evaluate_metrics.generalize.across import generalize_across
    from modeling_empathic.report.files import as_json

    result = generalize_across(corpora, supervised=whisper, states_cache=cache, acoustic=True)
    across_tables.plot(result, HERE / "results")
    kept = {key: value for key, value in result.items() if key != "corpora"}
    # Of each corpus alone only what the table names; the rest is in generalization-emodb.
    kept["corpora"] = {name: {"corpus": of["corpus"]} for name, of in result["corpora"].items()}
    return {"machine": machine(), "result": json.loads(as_json(kept))}


def generalization_table(results: dict[str, Any]) -> str:
    """The tables of one run, for `benchmarks/README.md`."""
    from benchmarks.report import describe
    from evaluate_metrics.generalize.across_tables import across_sections
    from evaluate_metrics.generalize.tables import as_markdown
    from modeling_empathic.report import tables

    if results["result"]["kind"] == "generalization-across":
        shown = tables.as_markdown(across_sections(results["result"]), "####").strip()
        picture = "![UAR of each system on EmoDB and nEMO, with intervals](results/corpora.png)"
        return f"{describe(results['machine'])}\n\n{picture}\n\n{shown}"
    return f"{describe(results['machine'])}\n\n{as_markdown(results['result'], '####').strip()}"


if __name__ == "__main__":
    main()
