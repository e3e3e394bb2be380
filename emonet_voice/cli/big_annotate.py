"""The command `emonet-voice big annotate`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options
from .options import FLAG, UsageError
from .ready import ready
from .terminal import Terminal, echo

GEMINI, IMPORT = "gemini", "import"
GEMINI_SYSTEM = "gemini-2.0-flash"  # whose scores the paper's heads were trained on (A.2)
ANSWERS = "answers"


def annotate(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="What `big generate` or `big segment` made.")
    ],
    annotator: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"A model ({options.MODELS}, folder or Hub id), {GEMINI}, or {IMPORT}.",
        ),
    ] = "nano",
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"With {IMPORT}: scores by id, clip_id or path."),
    ] = None,
    paraphrase: Annotated[
        bool,
        typer.Option("--paraphrase", metavar=FLAG, help="Let Gemini reword the captions."),
    ] = False,
    norm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Captions by how unusual a model's scores are against: reference (its own clips), "
            "takes or clips (public).",
            show_default="by the scores themselves",
        ),
    ] = None,
    revision: options.Revision = None,
    device: options.Device = "auto",
    batch_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Clips in a forward pass of a model.")
    ] = 8,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Threads that decode, or requests at a time.", show_default="4"
        ),
    ] = None,
    rate: options.Rate = None,
    attempts: options.Attempts = 6,
    gemini_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Another of Gemini's models.", show_default="2.0 Flash"),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another server with Gemini's API.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", metavar=FLAG, help="Replace scores of another annotator."),
    ] = False,
    runner: options.Runner = "local",
    yes: options.Yes = False,
) -> None:
    """Score every clip for 40 emotions from 0 to 4, and say the scores in a caption.

    Writes `OUT/scores.parquet`, last and at once. A clip has all 40 scores or none: an answer with
    39 of them, a score of 5 or "N/A" is that clip's outcome, with the reason, as is a refusal. A
    paraphrase is taken only if every emotion and its level can be read back from it. With --norm a
    caption's level is how many standard deviations a score is above what is usual: "slight" from
    1, "moderate" from 2, "strong" from 3, "extreme" from 4.

    Gemini gets our own prompt (the paper's is not public), the clips' audio, and the key in
    GEMINI_API_KEY or GOOGLE_API_KEY; every answer is kept. Killed or stopped, the same command goes
    on where it was. With --runner ray (the extra scale) a model scores on all machines of a Ray
    cluster, each of which must have OUT.

    Exit code: 0 all were scored, 1 some were not, 2 could not run.

    Example: `emonet-voice big annotate out/`

    Example: `emonet-voice big annotate out/ --norm reference`

    Example: `emonet-voice big annotate out/ --annotator small --runner ray`

    Example: `emonet-voice big annotate out/ --annotator gemini --rate 1000 --paraphrase`

    Example: `emonet-voice big annotate out/ --annotator import --scores theirs.jsonl`
    """
    from dataset_scripts.packing.clips import read_clips, spoken
    from dataset_scripts.packing.scores import SCORED
    from dataset_scripts.packing.scores import annotate as annotate_all
    from modeling_empathic.norms import norm as find_norm
    from modeling_empathic.report.progress import progress_bar

    from .unusual import is_public

    if runner not in ("local", "ray"):
        raise UsageError(f"--runner {runner}: choose local or ray")
    if runner == "ray" and annotator in (GEMINI, IMPORT):
        raise UsageError(f"--runner ray is for models; {annotator} needs one machine only")
    if (annotator == IMPORT) != (scores is not None):
        raise UsageError(f"--annotator {IMPORT} and --scores FILE go together")
    if norm and annotator == GEMINI:
        raise UsageError(f"--norm is of models' heads; {GEMINI} has a scale of its own")
    n_clips = len(spoken(read_clips(out)))  # before a model is loaded
    stderr = Terminal(stderr=True)
    asking: dict[str, Any] = {"rate_per_minute": rate, "max_attempts": attempts}
    asking |= {"workers": workers or 4}
    gemini = _gemini(gemini_model, base_url) if paraphrase or annotator == GEMINI else None
    try:
        with progress_bar(stderr, verb="Annotating") as progress:
            task = progress.add_task("", total=n_clips, rate="clips")

            def show(done: int) -> None:
                progress.update(task, completed=done)

            usual = find_norm(norm) if norm and scores else None
            if annotator == GEMINI:
                judge, about = _by_gemini(gemini, out, asking | {"progress": show})
            elif scores:
                judge, about = _imported(scores)
            else:
                here = device if runner == "local" else "auto"
                where = ready(annotator, revision, device=here, yes=yes)
                usual = find_norm(norm, *where) if norm else None
                if norm not in (None, "reference") and not is_public(where[0]):
                    stderr.print(
                        "This norm is of the public heads (small, large, plus); this model's "
                        "scale differs, so its captions compare clips with each other only.",
                        soft_wrap=True,
                    )
                if runner == "local":
                    workers = workers or min(8, os.cpu_count() or 1)
                given: dict[str, Any] = {"batch_size": batch_size, "workers": workers}
                given |= {"overwrite": overwrite, "on_machines": runner == "ray"}
                judge, about = _by_model(
                    out, where, device, **given, progress=lambda n: progress.advance(task, n)
                )
            rewrite = _rewrite(gemini, out, asking) if paraphrase else None
            if gemini and paraphrase:
                about["paraphrased_by"] = gemini.settings["model"]
            if usual:
                about["captions_by"] = usual.title
            counts = annotate_all(
                out, judge, about, rewrite=rewrite, norm=usual, overwrite=overwrite
            )
    except KeyboardInterrupt:
        stderr.print("stopped: what was scored is kept; run the same command to go on")
        raise typer.Exit(130) from None
    rewritten = ("paraphrased", "not paraphrased")  # of those that were scored
    n = counts.get(SCORED, 0)
    total = sum(count for name, count in counts.items() if name not in rewritten)
    parts = [f"{n:,} of {total:,} clips scored by {about['annotator']}"]
    parts += [f"{count:,} {name}" for name, count in counts.items() if name != SCORED]
    echo(f"{', '.join(parts)}. Written to {out / 'scores.parquet'}")
    raise typer.Exit(0 if n == total else 1)


def _by_model(
    out: Path, where: tuple[str, str | None], device: str, on_machines: bool, **given: Any
) -> tuple[Any, dict[str, Any]]:
    from dataset_scripts.packing.by_model import by_model

    options.quiet_libraries()
    to_load: dict[str, Any] = {"model": where[0], "revision": where[1], "heads": []}
    to_load |= {"device": device, "dtype": "auto"}
    if on_machines:
        from modeling_empathic.scoring.ray_engine import look_at_model

        model, extractor, provenance = look_at_model(given["workers"], **to_load)
        given["on_ray"] = to_load
    else:
        from modeling_empathic.scoring.loading import load_model

        model, extractor, provenance = load_model(**to_load)
    judge = by_model(out, model, extractor, provenance, **given)
    name = f"{provenance['model']}, {str(provenance['revision'])[:15]}"
    return judge, {"annotator": name, "model": provenance}


def _gemini(model: str | None, base_url: str | None) -> Any:
    from evaluate_metrics.adapters.systems import make_adapter

    return make_adapter(GEMINI_SYSTEM, model=model, base_url=base_url)


def _by_gemini(gemini: Any, out: Path, asking: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from dataset_scripts.generation.prompts import SCORING, prompt_id, scoring_prompt
    from evaluate_metrics.adapters.annotating import asked

    judge = asked(gemini, scoring_prompt(), out, out / ANSWERS, **asking)
    about = {"annotator": gemini.settings["model"], "settings": gemini.settings}
    return judge, about | {"prompt_id": prompt_id(SCORING)}


def _rewrite(gemini: Any, out: Path, asking: dict[str, Any]) -> Any:
    from dataset_scripts.generation.prompts import paraphrase_prompt
    from evaluate_metrics.adapters.annotating import rewriting

    return rewriting(gemini, paraphrase_prompt, out / ANSWERS, **asking)


def _imported(file: Path) -> tuple[Any, dict[str, Any]]:
    from dataset_scripts.packing.imported import imported
    from modeling_empathic.report.files import sha256

    return imported(file), {"annotator": f"imported from {file.name}", "sha256": sha256(file)}
