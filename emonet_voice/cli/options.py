"""Options that several commands have, each declared once, and what a wrong use of them raises.

Only Typer is imported here, and everything heavy inside the commands: `--help` answers at once.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from modeling_empathic.scoring.short_names import SHORT_NAMES

FLAG = ""  # metavar of an option without a value; Typer's own "<bool>" looks like one
# Typer carries its own copy of Click since 0.20; this is its UsageError in every version.
UsageError: Any = typer.BadParameter.__mro__[1]
MODELS = ", ".join(SHORT_NAMES)
DEVICES = "auto, cpu, openvino, cuda, cuda:N or mps."
REVISION = "Branch, tag or commit of a model on the Hub."
BENCH_REVISION = "Branch, tag or commit of a Bench on the Hub."


def completing(*values: str) -> Callable[[str], list[str]]:
    """What a shell completes an option's or an argument's value from.

    Example:
        >>> completing("cpu", "cuda", "mps")("c")
        ['cpu', 'cuda']
    """

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


Heads = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Only these heads: names in any spelling, with commas between them.",
        show_default="all",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        autocompletion=completing(*SHORT_NAMES),
        help=f"{MODELS}, folder or Hub id; `emonet-voice models` lists them.",
        show_default="nano, built in",
    ),
]
Revision = Annotated[str | None, typer.Option(metavar="REV", help=REVISION)]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=DEVICES,
        autocompletion=completing("auto", "cpu", "openvino", "cuda", "mps"),
    ),
]
Runner = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="local, or ray: a Ray cluster, or every GPU or CPU of this machine.",
        autocompletion=completing("local", "ray"),
    ),
]
Bench = Annotated[
    str | None, typer.Option(metavar="DIR|ID", help="Bench: folder of `bench build`, or Hub id.")
]
BenchConfig = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of the Bench: default, all or unanimous.",
        autocompletion=completing("default", "all", "unanimous"),
    ),
]
BenchRevision = Annotated[str | None, typer.Option(metavar="REV", help=BENCH_REVISION)]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="SCALE",
        help="Of a prediction file that does not say: 0-10, 0-4, 0-1 or 0-2.",
        show_default="0-10",
    ),
]
ResultFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Result to write, .json.")
]
Plots = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for pictures.")]
AsJson = Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print JSON.")]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD=CLASS",
        help="What a label means that is no word for a class, such as A=anger,01=neutral; "
        "nothing after = leaves its clips out.",
    ),
]
Markdown = Annotated[
    bool, typer.Option("--markdown", metavar=FLAG, help="Print Markdown, as for a card.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="NAMES", help="Only these repositories: names, with commas."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        metavar="N", min=0.01, help="Requests in a minute at most.", show_default="no limit"
    ),
]
Attempts = Annotated[
    int, typer.Option(metavar="N", min=1, help="Of a request that finds no answer.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar=FLAG, help="Do not ask.")]


class _PlainHelp:
    """Help without Typer's words for types: `[OPTIONS] SRC [OUT]`, and no `<bool>` anywhere."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if param.param_type_name == "argument":
                param.display_type_rich = lambda ctx: None  # its name and help say more
            elif param.is_flag:  # --help and --install-completion too, which are not ours
                param.metavar = FLAG
        return params

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = ["[OPTIONS]"]
        for param in self.get_params(ctx):
            if param.param_type_name == "argument":
                name = param.metavar + ("..." if param.nargs != 1 else "")
                pieces.append(name if param.required else f"[{name}]")
        return pieces + (["COMMAND ..."] if isinstance(self, TyperGroup) else [])

    help: Any

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Examples come last, a line each however long: cut in two, none could be pasted."""
        whole = self.help or ""
        parts = [" ".join(part.split()) for part in whole.split("\n\n")]
        examples = [part for part in parts if part.startswith("Example: ")]
        self.help = "\n\n".join(part for part in parts if part not in examples)
        try:
            super().format_help(ctx, formatter)  # type: ignore[misc]
        finally:
            self.help = whole
        if examples:
            typer.echo(" Examples:\n")
        for example in examples:
            typer.echo(f"   {example.removeprefix('Example: ').strip('`')}")


class _Command(_PlainHelp, TyperCommand):
    pass


class Group(_PlainHelp, TyperGroup):
    """A command that has commands."""


class _App(typer.Typer):
    def command(self, *args: Any, **options: Any) -> Any:
        """A command of it, with our help."""
        return super().command(*args, **{"cls": _Command, **options})


def make_group(name: str, **options: Any) -> typer.Typer:
    """A command that has commands, set up as all of ours."""
    return _App(
        name=name,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        **{"cls": Group, **options},
    )


def split_names(given: list[str] | None) -> list[str]:
    """The names of an option that may come repeated, with commas, or both.

    Example:
        >>> split_names(["anger, awe", "pain"])
        ['anger', 'awe', 'pain']
    """
    return [name.strip() for part in given or [] for name in part.split(",") if name.strip()]


def class_meanings(given: list[str] | None) -> dict[str, str]:
    """What `--classes` says that labels mean.

    Example:
        >>> class_meanings(["A=anger,01=neutral", "xxx="])
        {'A': 'anger', '01': 'neutral', 'xxx': ''}
    """
    meanings: dict[str, str] = {}
    for text in split_names(given):
        word, equals, name = (part.strip() for part in text.rpartition("="))
        if not equals or not word:
            raise UsageError(f"--classes {text}: WORD=CLASS, such as A=anger")
        if meanings.setdefault(word, name) != name:
            raise UsageError(f"--classes: {word} is there twice")
    return meanings


def check_one_format(as_json: bool, markdown: bool) -> None:
    """Raises UsageError where `--json` and `--markdown` are both given."""
    if as_json and markdown:
        raise UsageError("choose --json or --markdown")


def check_result_file(output: Path | None) -> None:
    """Raises UsageError for an `--output` that could not be written, before any work is done."""
    if output and (output.suffix != ".json" or not output.parent.is_dir()):
        raise UsageError(f"--output {output}: choose a .json file in a folder that exists")


def careful_with(source: str | Path | None) -> None:
    """Before a source that is no folder is read from the Hub; see [`client.careful_hub`]."""
    if source and not Path(source).is_dir():
        from modeling_empathic.report.client import careful_hub

        careful_hub()


def quiet_libraries() -> None:
    """Silences bars and warnings of the Hugging Face libraries: what they log, the error says.

    Bars of `datasets` are kept on a terminal, since building one takes a while.

    Those that are not imported yet are told by the environment, which they read then.
    """
    os.environ.setdefault("DATASETS_VERBOSITY", "critical")
    if datasets := sys.modules.get("datasets"):
        datasets.utils.logging.set_verbosity(datasets.utils.logging.CRITICAL)
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        if datasets:
            datasets.disable_progress_bars()
    if "huggingface_hub" in sys.modules:
        from huggingface_hub.utils import disable_progress_bars
        from huggingface_hub.utils import logging as hub_logging

        disable_progress_bars()
        hub_logging.set_verbosity_error()
    else:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if "transformers" in sys.modules:
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
    else:
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
