"""The command `emonet-voice publish`.

Only Typer and Rich are imported here, everything heavy inside the command: `--help` has to answer
at once.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .options import FLAG, UsageError

if TYPE_CHECKING:
    from emonet_voice.hub.publish.push import Plan
    from emonet_voice.hub.publish.stage import Staged

SHOWN = 8  # paths of one kind


def publish(
    stage: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write each repository's folder here, and check it."),
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", metavar=FLAG, help="Push to the Hub; shows a plan and asks.")
    ] = False,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse", metavar=FLAG, help="Push to a Hub on this machine; run what users run."
        ),
    ] = False,
    upgrade: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Pull request that adds config.json, safetensors and card to a public model "
            "repository, such as laion/Empathic-Insight-Voice-Small.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Only these repositories: names, with commas."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Converted models: DIR/Empathic-Insight-Voice-Small and so on."
        ),
    ] = None,
    bench: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What `bench build` made for Bench.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Results of `evaluate --output`, for the models' cards."),
    ] = None,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="User or organisation on the Hub.")
    ] = "laion",
    private: Annotated[
        bool, typer.Option("--private", metavar=FLAG, help="Make new repositories private.")
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", metavar=FLAG, help="Pull requests instead of commits.")
    ] = False,
    tag: Annotated[
        str | None, typer.Option(metavar="TAG", help="Tag what was pushed, such as v0.1.0.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar=FLAG, help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print JSON.")] = False,
) -> None:
    """Publish the models, data sets, metric and Spaces on the Hub, or rehearse it here.

    What is staged is checked first: metadata, features against Parquet, weights, links, secrets.
    A push sends only what differs: cut, the same command goes on; done, it has nothing to do.
    Files on the Hub that this project did not make stay. The token is that of `hf auth login` or
    HF_TOKEN.

    Exit code: 0 done, 1 a call of the rehearsal failed, 2 could not run.

    Example: `emonet-voice publish --stage out/ --bench bench/`

    Example: `emonet-voice publish --rehearse --bench bench/ --json`

    Example: `emonet-voice publish --push --only Empathic-Insight-Voice-Nano --tag v0.1.0`

    Example: `emonet-voice publish --upgrade laion/Empathic-Insight-Voice-Small --models models/`
    """
    modes = [push, rehearse, upgrade is not None]
    if not any(modes) and stage is None:
        raise UsageError("choose --stage OUT, --push, --rehearse or --upgrade ID")
    if sum(modes) > 1:
        raise UsageError("choose one of --push, --rehearse and --upgrade")
    if not push and not upgrade and (private or create_pr or tag or yes):
        raise UsageError("--private, --create-pr, --tag and --yes are for --push")
    if (create_pr or upgrade) and tag:
        raise UsageError("a pull request cannot be tagged")
    if upgrade and (models is None or only):
        raise UsageError("--upgrade needs --models DIR, where the model is kept, and no --only")
    from emonet_voice.hub.publish.stage import Sources
    from emonet_voice.hub.publish.stage import stage as stage_all

    stderr = Console(stderr=True, highlight=False)
    names = [name.strip() for some in only or [] for name in some.split(",") if name.strip()]
    try:
        if upgrade:
            names, namespace, create_pr = [upgrade], upgrade.partition("/")[0], True
            _convert(upgrade, models or Path(), stderr)
        with tempfile.TemporaryDirectory() as temporary:
            out = stage or Path(temporary, "stage")
            sources = Sources(models, bench, results)
            with stderr.status("Staging and checking"):
                staged = stage_all(out, sources, only=names or None, namespace=namespace)
            for name, reason in staged.left_out.items():
                stderr.print(f"not staged: {name}: {reason}", soft_wrap=True, markup=False)
            if rehearse:
                raise typer.Exit(_rehearse(staged, namespace, Path(temporary, "work"), as_json))
            if push or upgrade:
                options: dict[str, Any] = {"private": private, "create_pr": create_pr}
                _push(staged, namespace, options, tag, remove=not upgrade, yes=yes, as_json=as_json)
            elif as_json:
                typer.echo((staged.folder / "staging.json").read_text("utf-8"), nl=False)
            else:
                done = ", ".join(row.name for row in staged.repositories)
                n = len(staged.repositories)
                typer.echo(f"{n} repositories checked: {done}. Written to {out}")
    except KeyboardInterrupt:
        stderr.print("stopped: what was pushed stays; run the same command to go on")
        raise typer.Exit(130) from None


def _convert(repo_id: str, models: Path, stderr: Console) -> None:
    from emonet_voice.hub.publish.upgrade import converted
    from modeling_empathic.report.progress import progress_bar

    with progress_bar(stderr, shown=True, verb="Converting") as progress:
        task = progress.add_task("", total=None, rate="")
        converted(
            repo_id,
            models,
            lambda head, done, total: progress.update(task, completed=done, total=total, rate=head),
        )


def _push(
    staged: "Staged",
    namespace: str,
    options: dict[str, Any],
    tag: str | None,
    *,
    remove: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from huggingface_hub.utils import disable_progress_bars

    from emonet_voice.hub.publish.push import make_plans, push, push_collection, sign_in

    if not sys.stderr.isatty():
        disable_progress_bars()
    api = sign_in()
    plans = make_plans(api, staged, namespace, **options, tag=tag, remove=remove)
    rows = [plan.as_row() for plan in plans]
    if not as_json:
        _show_plans(plans)
    to_do = [plan for plan in plans if plan.has_changes or plan.tag]
    if to_do and not yes:
        if as_json or not sys.stdin.isatty():
            raise UsageError("nothing was pushed: add --yes, as nobody can be asked here")
        _ask()
    for row, plan in zip(rows, plans, strict=True):
        row["address"] = push(api, staged, plan, **options)
        if row["address"] and not as_json:
            typer.echo(row["address"])
    n_new = 0
    if not options["create_pr"]:
        address, n_new = push_collection(api, staged, namespace, private=options["private"])
        if n_new and not as_json:
            typer.echo(f"{n_new} added to {address}")
    if as_json:
        typer.echo(json.dumps({"repositories": rows, "added_to_collection": n_new}, indent=1))
    elif not to_do and not n_new:
        typer.echo("Nothing to do: the Hub has all of it")


def _ask() -> None:
    try:
        agreed = typer.confirm("Push?")
    except typer.Abort:  # Ctrl-C
        raise KeyboardInterrupt from None
    if not agreed:
        typer.echo("nothing was pushed")
        raise typer.Exit(2)


def _show_plans(plans: "list[Plan]") -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for title in ("repository", "added", "changed", "removed", "same", "left", "to send"):
        table.add_column(title, justify="left" if title == "repository" else "right")
    for plan in plans:
        name = f"{plan.repo_id} ({plan.repository.kind}{', new' if plan.parent is None else ''})"
        counts = (plan.added, plan.changed, plan.removed, plan.same, plan.kept)
        size = f"{plan.send_bytes / 1e6:,.1f} MB"
        table.add_row(name, *(str(len(paths)) for paths in counts), size)
    console.print(table)
    for plan in plans:
        for verb, paths in (("changes", plan.changed), ("removes", plan.removed)):
            if paths:
                more = f" and {len(paths) - SHOWN} more" if paths[SHOWN:] else ""
                line = f"{plan.repo_id} {verb} {', '.join(paths[:SHOWN])}{more}"
                console.print(line, soft_wrap=True, markup=False)
        if plan.pull_request:
            console.print(f"{plan.repo_id}: {plan.pull_request} has all of it", markup=False)
        if plan.tag:
            console.print(f"{plan.repo_id} gets the tag {plan.tag}", markup=False)


def _rehearse(staged: "Staged", namespace: str, work: Path, as_json: bool) -> int:
    from emonet_voice.hub.publish.rehearse import rehearse

    console = Console(highlight=False)

    def show(row: dict[str, Any]) -> None:
        mark = {True: "ok", False: "FAILED", None: "skipped"}[row["ok"]]
        error = f": {row['error']}" if row["error"] else ""
        line = f"{row['seconds']:7.2f} s  {mark:7}  {row['call']}{error}"
        console.print(line, soft_wrap=True, markup=False)

    rows = rehearse(staged, namespace, work, None if as_json else show)
    failed = [row for row in rows if row["ok"] is False]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        seconds = sum(row["seconds"] for row in rows)
        skipped = sum(row["ok"] is None for row in rows)
        counts = f"{len(rows)} calls, {len(failed)} failed, {skipped} skipped"
        console.print(f"{counts}, {seconds:.0f} s", markup=False)
    return 1 if failed else 0
