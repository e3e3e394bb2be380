"""What `emonet-voice convert --to onnx` does."""

from pathlib import Path

from .options import UsageError, quiet_libraries
from .ready import ready
from .terminal import Terminal


def convert_onnx(
    source: str, output: Path, dtype: str, heads: list[str], revision: str | None
) -> None:
    """Writes a model as ONNX and says what came of it."""
    from emonet_voice.hub.new_folder import refuse_taken
    from emonet_voice.hub.onnx_export import DTYPES, MODEL, export

    if dtype not in DTYPES:
        raise UsageError(f"--dtype {dtype}: of ONNX choose {' or '.join(DTYPES)}")
    refuse_taken(output)  # before a download
    quiet_libraries()
    folder, revision = ready(source, revision, heads=heads, dtype="float32", yes=True)
    stderr = Terminal(stderr=True)
    with stderr.status("Exporting the graph, then comparing its scores with torch's"):
        about = export(folder, output, dtype=dtype, heads=heads or None, revision=revision)
    megabytes = sum(file.stat().st_size for file in output.glob(f"{MODEL}*")) / 1e6
    taken = f"{about['input']['name']} ({', '.join(map(str, about['input']['shape']))})"
    rounding = f", moved by rounding to {dtype} at most {about['moved_by_rounding']:.1e}"
    Terminal().print(
        f"{about['model']}, opset {about['opset']}: {taken} to {len(about['heads'])} scores, "
        f"{megabytes:.1f} MB of {dtype} in {output}\n"
        f"Scores of made sounds: at most {about['largest_difference']:.1e} from torch's"
        + (rounding if dtype != "float32" else ""),
        soft_wrap=True,
        markup=False,
    )
