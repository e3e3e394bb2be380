"""The commands `emonet-voice publish stage`, `push`, `rehearse` and `upgrade`.

Only Typer and Rich are imported here, everything heavy inside the commands: `--help` has to answer
at once.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .options import FLAG, AsJson, Group, Only, UsageError, Yes, make_group, split_names
from .terminal import Terminal, echo

if TYPE_CHECKING:
    from emonet_voice.hub.publish.push import Plan
    from emonet_voice.hub.publish.stage import Sources, Staged

SHOWN = 8  # paths of one kind

Models = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Converted models: DIR/Empathic-Insight-Voice-Small and so on."
    ),
]
Bench = Annotated[
    Path | None, typer.Option(metavar="DIR", help="What `bench build` made for Bench.")
]
Big = Annotated[Path | None, typer.Option(metavar="DIR", help="What `big build` made.")]
Results = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Results of `evaluate --output`, for the models' cards."),
]
NoAssert = Annotated[
    bool,
    typer.Option(
        "--no-assert", metavar=FLAG, help="Take a Bench whose counts are not the published ones."
    ),
]
Namespace = Annotated[str, typer.Option(metavar="NAME", help="User or organisation on the Hub.")]
Keep = Annotated[
    Path | None, typer.Option("--stage", metavar="OUT", help="Keep what was staged here.")
]


class _Group(Group):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, new_spelling(args))


publish = make_group("publish", cls=_Group)


def new_spelling(arguments: list[str]) -> list[str]:
    """Arguments of `publish` as they are spelled since its modes are commands.

    Version 0.1 had `--push`, `--rehearse`, `--upgrade ID` and `--stage OUT`, the last one with the
    others too; they go on working for one version, with a line that says the new spelling.

    Example:
        >>> new_spelling(["push", "--tag", "v1", "--stage", "out"])
        ['push', '--tag', 'v1', '--stage', 'out']
    """
    if not arguments or not arguments[0].startswith("-"):
        return arguments
    parts: list[str] = []
    for argument in arguments:
        parts += argument.split("=", 1) if argument.startswith("--") else [argument]
    for command in ("push", "rehearse", "upgrade", "stage"):
        old = f"--{command}"
        if old in parts:
            parts.remove(old)
            new = f"emonet-voice publish {command}"
            print(f"publish {old} is going: type `{new}`", file=sys.stderr)
            return [command, *parts]
    return arguments


@publish.callback()
def about() -> None:
    """Publish the models, data sets, metric and Spaces on the Hub, or rehearse it here.

    What is staged is checked first: metadata, features against Parquet, weights, links, secrets.

    Example: `emonet-voice publish rehearse --bench bench/`
    """


@publish.command(no_args_is_help=True)
def stage(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    only: Only = None,
    models: Models = None,
    bench: Bench = None,
    big: Big = None,
    results: Results = None,
    no_assert: NoAssert = False,
    namespace: Namespace = "laion",
    as_json: AsJson = False,
) -> None:
    """Write each repository's folder as it is uploaded, and check it.

    Exit code: 0 done, 2 could not run.

    Example: `emonet-voice publish stage out/ --bench bench/ --models models/ --results results/`
    """
    given = _sources(models, bench, results, no_assert, big)
    with _stopping_well(), _staged(out, only, namespace, given) as (staged, _):
        if as_json:
            typer.echo((staged.folder / "staging.json").read_text("utf-8"), nl=False)
        else:
            done = ", ".join(row.name for row in staged.repositories)
            n = len(staged.repositories)
            checked = "1 repository" if n == 1 else f"{n} repositories"
            echo(f"{checked} checked: {done}. Written to {out}")


@publish.command()
def push(
    only: Only = None,
    models: Models = None,
    bench: Bench = None,
    big: Big = None,
    results: Results = None,
    no_assert: NoAssert = False,
    namespace: Namespace = "laion",
    private: Annotated[
        bool, typer.Option("--private", metavar=FLAG, help="Make new repositories private.")
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", metavar=FLAG, help="Pull requests instead of commits.")
    ] = False,
    tag: Annotated[
        str | None, typer.Option(metavar="TAG", help="Tag what was pushed, such as v0.1.0.")
    ] = None,
    keep: Keep = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Push to the Hub: stages, checks, shows a plan and asks.

    Only what differs is sent: cut, the same command goes on; done, it has nothing to do. Files on
    the Hub that this project did not make stay. The token is that of `hf auth login` or HF_TOKEN.

    Exit code: 0 done, 2 could not run.

    Example: `emonet-voice publish push --only Empathic-Insight-Voice-Nano --tag v0.1.0`
    """
    if create_pr and tag:
        raise UsageError("a pull request cannot be tagged")
    new: dict[str, Any] = {"private": private, "create_pr": create_pr}
    given = _sources(models, bench, results, no_assert, big)
    with _stopping_well(), _staged(keep, only, namespace, given) as (staged, _):
        _push(staged, namespace, new, tag=tag, yes=yes, as_json=as_json)


@publish.command()
def rehearse(
    only: Only = None,
    models: Models = None,
    bench: Bench = None,
    big: Big = None,
    results: Results = None,
    namespace: Namespace = "laion",
    keep: Keep = None,
    as_json: AsJson = False,
) -> None:
    """Push to a Hub on this machine, and run from there what users run.

    A Bench whose counts are not the published ones will do here; `stage` and `push` refuse it.

    Exit code: 0 done, 1 a call of the rehearsal failed, 2 could not run.

    Example: `emonet-voice publish rehearse --bench bench/ --json`
    """
    given = _sources(models, bench, results, True, big)
    with _stopping_well(), _staged(keep, only, namespace, given) as (staged, work):
        raise typer.Exit(_rehearse(staged, namespace, work, as_json))


@publish.command(no_args_is_help=True)
def upgrade(
    repo_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Of a public model, such as laion/Empathic-Insight-Voice-Small."
        ),
    ],
    models: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the model is converted to, or has been: DIR/NAME."),
    ],
    results: Results = None,
    keep: Keep = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Pull request that adds config.json, safetensors and card to a public model's repository.

    The loose heads stay, so that old code goes on working.

    Exit code: 0 done, 2 could not run.

    Example: `emonet-voice publish upgrade laion/Empathic-Insight-Voice-Small --models models/`
    """
    with _stopping_well():
        _convert(repo_id, models)
        namespace = repo_id.partition("/")[0]
        given = _sources(models, None, results)
        with _staged(keep, [repo_id], namespace, given) as (staged, _):
            new = {"create_pr": True}
            _push(staged, namespace, new, remove=False, yes=yes, as_json=as_json)


@contextmanager
def _stopping_well() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("stopped: what was pushed stays; run the same command to go on", file=sys.stderr)
        raise typer.Exit(130) from None


def _sources(
    models: Path | None,
    bench: Path | None,
    results: Path | None,
    no_assert: bool = False,
    big: Path | None = None,
) -> "Sources":
    from emonet_voice.hub.publish.stage import Sources

    return Sources(models, bench, results, not no_assert, big)


@contextmanager
def _staged(
    keep: Path | None,
    only: list[str] | None,
    namespace: str,
    sources: "Sources",
) -> Iterator[tuple["Staged", Path]]:
    """What was staged, kept or for as long as the block lasts, and a folder that may be made."""
    from dataset_scripts.building.manifest import OtherCountsError
    from emonet_voice.hub.publish.stage import stage as stage_all
    from modeling_empathic.report.progress import status

    stderr = Terminal(stderr=True)
    with tempfile.TemporaryDirectory() as temporary:
        out, names = keep or Path(temporary, "stage"), split_names(only) or None
        try:
            with status(stderr, "Staging and checking"):
                staged = stage_all(out, sources, only=names, namespace=namespace)
        except OtherCountsError as error:
            raise UsageError(f"{sources.bench}: {error}; --no-assert takes it anyway") from None
        for name, reason in staged.left_out.items():
            stderr.print(f"not staged: {name}: {reason}", soft_wrap=True, markup=False)
        yield staged, Path(temporary, "work")


def _convert(repo_id: str, models: Path) -> None:
    from emonet_voice.hub.publish.upgrade import converted
    from modeling_empathic.report.progress import progress_bar

    stderr = Terminal(stderr=True)
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
    new: dict[str, Any],
    *,
    tag: str | None = None,
    remove: bool = True,
    yes: bool,
    as_json: bool,
) -> None:
    from huggingface_hub.utils import disable_progress_bars

    from emonet_voice.hub.publish.push import make_plans, push, push_collection, sign_in
    from modeling_empathic.report.progress import heartbeat

    if not sys.stderr.isatty():
        disable_progress_bars()
    api = sign_in()
    plans = make_plans(api, staged, namespace, **new, tag=tag, remove=remove)
    rows = [plan.as_row() for plan in plans]
    if not as_json:
        _show_plans(plans)
    to_do = [plan for plan in plans if plan.has_changes or plan.tag]
    if to_do and not yes:
        if as_json or not (sys.stdin and sys.stdin.isatty()):
            raise UsageError("nothing was pushed: add --yes, as nobody can be asked here")
        _ask()
    for row, plan in zip(rows, plans, strict=True):
        with heartbeat(Terminal(stderr=True), f"Pushing {plan.repo_id}"):
            row["address"] = push(api, staged, plan, **new)
        if row["address"] and not as_json:
            echo(row["address"])
    n_new = 0
    if not new.get("create_pr"):
        address, n_new = push_collection(api, staged, namespace, private=new["private"])
        if n_new and not as_json:
            echo(f"{n_new} added to {address}")
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
    console = Terminal()
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
    from modeling_empathic.report.progress import heartbeat

    console = Terminal()

    def show(row: dict[str, Any]) -> None:
        mark = {True: "ok", False: "FAILED", None: "skipped"}[row["ok"]]
        error = f": {row['error']}" if row["error"] else ""
        line = f"{row['seconds']:7.2f} s  {mark:7}  {row['call']}{error}"
        console.print(line, soft_wrap=True, markup=False)

    start = time.perf_counter()
    with heartbeat(Terminal(stderr=True), "Rehearsing"):
        rows = rehearse(staged, namespace, work, None if as_json else show)
    seconds = time.perf_counter() - start  # calls run beside each other: theirs add up to more
    failed = [row for row in rows if row["ok"] is False]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        skipped = sum(row["ok"] is None for row in rows)
        counts = f"{len(rows)} calls, {len(failed)} failed, {skipped} skipped"
        console.print(f"{counts}, {seconds:.0f} s", markup=False)
    return 1 if failed else 0
