"""Hear it, see when, judge it: what a voice conveys to EmpathicInsight-Voice (arXiv 2506.09827).

Every function of the page has an API name; `score`, `timeline`, `moments` and `acoustics` return
numbers, and are the tools that MCP clients see. Bars are made on a lane of their own; what takes
longer comes behind them in steps, and between two steps it can be stopped.
"""

import ctypes
import gc
import importlib.util
import shutil
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import analysis
import exports
import gradio as gr
import lanes
import panels
import tools
import turns
from emonet.audio import SAMPLE_RATE
from links import EMOTIONS, EXAMPLES, link, settings_of_link
from look import THEME, WORDS, head, masthead
from voice_model import DEFAULT, SOURCES

# Every thread would keep what it frees in a pool of its own, and memory would grow for minutes; one
# pool for all is as fast here. Before the threads are there, and only where glibc is.
with suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX

HERE = Path(__file__).parent
LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
LARGEST_FILE = "100 MB"
KINDS = {"CSV": "csv", "JSON": "json", "PNG": "png", "WebVTT": "vtt", "Audacity": "txt"}
LIMITS = """It says how a voice sounds to a model, not what anybody feels, thinks or will do: **no
decisions about people.**"""
ABOUT = f"""The model learned from acted, mostly synthetic speech with machine-made labels. In the
European Union, inferring emotions at work or in schools is prohibited (AI Act, Article 5(1)(f)),
but for medical or safety reasons.

One clip becomes one score for each of 40 emotions; the bars show them on 0 to 10. A
recording of more than 30 seconds is the mean of its 30 s windows; the timeline scores shorter
windows, which you may choose. At most {analysis.LIMIT_S // 60} minutes and {LARGEST_FILE} a
recording; nothing is kept for longer than an hour, or used for anything else.
The whole method: [EmoNet-Voice, arXiv 2506.09827](https://arxiv.org/abs/2506.09827). By program:
*Use via API* at the foot of the page (Python, JavaScript, MCP)."""
UNMADE = """() => { for (const what of document.querySelectorAll(".skeleton")) {
    what.classList.add("unmade"); what.firstChild.textContent = "Not made." } return [null] }"""
Page = dict[Any, Any]


def begin(audio: str | None, before: threading.Event | None) -> Page:
    """Shows at once that a recording has come, or gone: nobody queues for this.

    Args:
        audio: The recording.
        before: Ends what is still at work for this visitor.
    """
    if before is not None:
        before.set()
    there = audio is not None
    return {
        job: threading.Event(),
        queue: "",
        results: gr.Column(visible=there),
        player: panels.player(audio) if audio else "",
        overview: panels.skeleton("Listening") if there else "",
        bars: panels.skeleton("") if there else "",
        rest: gr.Column(visible=False),
        progress: "",
        scored: None,
        # A second time Gradio keeps no label that is not said again.
        run: gr.Button("Analyse", interactive=False),
        stop: gr.Button("Stop", visible=there),
    }


def analyse(
    audio: str | None,
    model: str,
    emotions: list[str],
    window_s: float,
    hop_s: float,
    emotion: str | None,
    stop_it: threading.Event | None,
) -> Iterator[Page]:
    """Fills the top of the page: a sentence and the bars."""
    if audio is None:
        return
    with turns.quick(), turns.until_stopped(), tools.mistakes_as_messages():
        samples, notes = analysis.hear(audio)
        analysis.plan(len(samples) / SAMPLE_RATE, window_s, hop_s)  # a mistake is told at once
        work = analysis.score_steps(samples, model, emotions or (), notes)
        whole = yield from _watched(work, "Scoring", stop_it, polite=False)
    leaders = [row["emotion"] for row in panels.leaders(whole)]
    shown = sorted(row["emotion"] for row in whole["emotions"])
    explained = emotion if emotion and emotion in shown else leaders[0]
    yield {
        overview: panels.overview(whole, *link(audio, model, emotions, window_s, hop_s, explained)),
        bars: panels.bars(whole),
        coarse: panels.coarse(whole),
        rest: gr.Column(visible=True),
        over_time: panels.skeleton("Waiting for the timeline"),
        carried: panels.skeleton("Waiting for the moments"),
        sound: panels.skeleton("Waiting for the acoustics"),
        which: gr.Dropdown(choices=shown, value=explained),
        progress: "",
        scored: whole,
        **{button: gr.DownloadButton(interactive=False) for button in downloads},
    }


def details(
    audio: str | None,
    model: str,
    emotions: list[str],
    window_s: float,
    hop_s: float,
    emotion: str | None,
    stop_it: threading.Event | None,
    whole: dict[str, Any] | None,
) -> Iterator[Page]:
    """Fills the page below the bars."""
    if audio is not None and whole is not None:
        with turns.until_stopped(), tools.mistakes_as_messages():
            yield from _below(audio, model, emotions, window_s, hop_s, emotion, stop_it, whole)


def _below(
    audio: str,
    model: str,
    emotions: list[str],
    window_s: float,
    hop_s: float,
    emotion: str | None,
    stop_it: threading.Event | None,
    whole: dict[str, Any],
) -> Iterator[Page]:
    samples, duration_s = analysis.read(audio), whole["duration_s"]
    wave, chosen = analysis.envelope(samples), emotions or ()
    explained = emotion or panels.leaders(whole)[0]["emotion"]
    work = analysis.timeline_steps(samples, model, window_s, hop_s, chosen)
    course = yield from _watched(work, "Timeline", stop_it)
    yield {over_time: lanes.timeline(whole, course)}
    work = analysis.moments_steps(samples, model, explained, chosen)
    carries = yield from _watched(work, "Moments", stop_it)
    yield {carried: lanes.moments(carries, wave, duration_s)}
    heard = yield from _watched(analysis.acoustics_steps(samples), "Acoustics", stop_it)
    yield {sound: lanes.acoustics(heard, wave, duration_s), progress: panels.note("Writing files")}
    parts = {"recording": whole, "timeline": course, "moments": carries, "acoustics": heard}
    folder = Path(tempfile.mkdtemp())
    try:
        name = Path(audio).name
        files = [folder / f"{exports.stem(name)}_emotions.{kind}" for kind in KINDS.values()]
        files[0].write_text(exports.csv_text(name, whole, course), "utf-8")
        files[1].write_text(exports.json_text(name, **exports.rounded(parts)), "utf-8")
        exports.write_png(files[2], whole, course, wave)
        for file, text in zip(files[3:], exports.subtitles(name, whole, course), strict=True):
            file.write_text(text, "utf-8")
        yield {
            **{
                button: gr.DownloadButton(value=str(file), interactive=True)
                for button, file in zip(downloads, files, strict=True)
            },  # which Gradio copies to its cache before it comes back here
            **_free(),
        }
    finally:
        shutil.rmtree(folder)
        gc.collect()  # a picture is a ring of objects that waits for this, with megabytes of pixels
        with suppress(AttributeError, OSError):  # else the pool keeps what lies between two users'
            ctypes.CDLL(None).malloc_trim(0)


def _free() -> Page:
    """Nothing is at work: the page can be used."""
    buttons = {run: gr.Button("Analyse", interactive=True), stop: gr.Button("Stop", visible=False)}
    return {progress: "", **buttons}


def _watched(
    work: Generator[float, None, dict[str, Any]],
    what: str,
    stop_it: threading.Event | None,
    polite: bool = True,
) -> Generator[Page, None, dict[str, Any]]:
    """Shows how far a piece of work is; between its steps it can be stopped, and lets bars pass."""
    share = 0.0
    while True:
        yield {progress: panels.progress(what, share)}
        if polite:
            turns.give_way()
        if stop_it is not None and stop_it.is_set():
            yield {progress: ""}
            raise turns.Stopped
        try:
            share = next(work)
        except StopIteration as end:
            made: dict[str, Any] = end.value
            return made


def stopped(stop_it: threading.Event | None) -> Page:
    """The page after somebody pressed Stop."""
    if stop_it is not None:
        stop_it.set()
    said = panels.note("Stopped. What is shown is whole; Analyse makes the rest.")
    return {queue: said, **_free()}


def failed() -> Page:
    """The page after a message that says why there is nothing."""
    return {results: gr.Column(visible=False), **_free()}


def show_moments(
    audio: str | None,
    model: str,
    emotions: list[str],
    emotion: str,
    stop_it: threading.Event | None,
) -> Iterator[Page]:
    """The picture of `moments`."""
    with turns.until_stopped(), tools.mistakes_as_messages():
        samples = analysis.read(audio)
        work = analysis.moments_steps(samples, model, emotion, emotions or ())
        carries = yield from _watched(work, "Moments", stop_it)
        duration_s = len(samples) / SAMPLE_RATE
        picture = lanes.moments(carries, analysis.envelope(samples), duration_s)
        yield {carried: picture, progress: ""}


def _example_label(stem: str) -> str:
    """`de_anger` as people say it."""
    language, _, emotion = stem.partition("_")
    return f"{emotion.capitalize()} ({LANGUAGES[language]})"


def warm_up() -> None:
    """Compiles what librosa compiles at its first call, so that the first user does not wait."""
    import numpy as np

    analysis.acoustics(np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32))
    gc.collect()
    gc.freeze()  # what is there by now stays, and no later collection has to look at it


with gr.Blocks(title="EmpathicInsight-Voice", delete_cache=(600, 3600)) as demo:
    gr.HTML(masthead("What a voice conveys", "40 emotions, how strong, how unusual, and when."))
    gr.Markdown(LIMITS, elem_id="limits")
    audio = gr.Audio(
        label=f"Speech, up to {analysis.LIMIT_S // 60} min",
        elem_id="recording",
        buttons=[],
        editable=False,
        type="filepath",
        sources=["upload", "microphone"],
    )
    gr.Examples(
        [[str(path)] for path in EXAMPLES.values()],
        audio,
        label="Examples, spoken by a synthesiser",
        example_labels=[_example_label(name) for name in EXAMPLES],
        cache_examples=False,
        api_visibility="private",
    )
    with gr.Accordion("Settings", open=False):
        with gr.Row():
            model = gr.Dropdown(list(SOURCES), value=DEFAULT, label="Model")
            emotions = gr.Dropdown(
                sorted(EMOTIONS), multiselect=True, label="Only these emotions (none: all)"
            )
        with gr.Row():
            window_s = gr.Slider(
                0, 30, 0, step=0.5, label="Window of the timeline, s (0: by the recording's length)"
            )
            hop_s = gr.Slider(
                0, 30, 0, step=0.25, label="From window to window, s (0: a quarter of the window)"
            )
    with gr.Row():
        run = gr.Button("Analyse", variant="primary", interactive=False)
        stop = gr.Button("Stop", visible=False)
    queue = gr.HTML(elem_id="queue")  # Gradio says here who is before you
    progress = gr.HTML(elem_id="progress")
    scored, job = gr.State(), gr.State()
    with gr.Column(visible=False, elem_id="results") as results:
        player = gr.HTML(elem_id="player")
        overview = gr.HTML(elem_id="overview")
        gr.Markdown("## Emotions")
        bars = gr.HTML(elem_id="bars")
        with gr.Column(visible=False) as rest:
            gr.Markdown("## Over time")
            over_time = gr.HTML(elem_id="over-time")
            gr.Markdown("## Which moments carry it")
            which = gr.Dropdown(sorted(EMOTIONS), value=None, label="Emotion")
            carried = gr.HTML(elem_id="moments")
            gr.Markdown("## How it sounds")
            sound = gr.HTML(elem_id="sound")
            gr.Markdown("## In coarse classes")
            coarse = gr.HTML()
            with gr.Row():
                downloads = [gr.DownloadButton(f"Download {kind}", size="md") for kind in KINDS]
            gr.Markdown(
                "CSV: scores as the heads give them, about 0 to 4; 2.5 times that is the "
                "intensity, which the other files have."
            )
    gr.Markdown(ABOUT)
    with gr.Row(visible=False):  # for the API: functions without a place on the page
        numbers = [gr.JSON(label=name) for name in ("scores", "timeline", "moments", "acoustics")]
        calls = [gr.Button() for _ in numbers]

    fast: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "bars"}
    slow: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "details"}
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    shown: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": queue}
    settings = [audio, model, emotions, window_s, hop_s, which]
    buttons = [run, stop, progress]
    top = [overview, bars, coarse, rest, over_time, carried, sound, which, scored]
    for event, name in ((run.click, "analyse"), (audio.change, "analyse_new")):
        seen = event(
            begin, [audio, job],
            [job, queue, results, player, overview, bars, rest, scored, *buttons],
            api_visibility="private", queue=False, show_progress="hidden",
        )  # fmt: skip
        first = seen.then(
            analyse, [*settings, job], [*top, *buttons, *downloads], api_name=name,
            **fast, **hidden, **shown,
        )  # fmt: skip
        first.success(
            details, [*settings, job, scored], [over_time, carried, sound, *buttons, *downloads],
            api_name=name.replace("analyse", "details"), **slow, **hidden, **shown,
        )  # fmt: skip
        first.failure(
            failed, None, [results, *buttons], queue=False, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip
    which.input(
        show_moments, [audio, model, emotions, which, job], [carried, progress],
        api_name="show_moments", **slow, **hidden, **shown,
    )  # fmt: skip
    stop.click(
        stopped, job, [queue, *buttons], js=UNMADE, queue=False, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    demo.load(
        settings_of_link, None, [audio, model, window_s, hop_s, emotions, which],
        api_name="settings_of_link", show_progress="hidden", **hidden,
    )  # fmt: skip
    chosen = [audio, model, emotions]
    calls[0].click(tools.score, chosen, numbers[0], api_name="score", **fast)
    calls[1].click(
        tools.timeline, [*chosen, window_s, hop_s], numbers[1], api_name="timeline", **slow
    )
    calls[2].click(tools.moments, [audio, model, which], numbers[2], api_name="moments", **slow)
    calls[3].click(tools.acoustics, audio, numbers[3], api_name="acoustics", **slow)

if __name__ == "__main__":
    threading.Thread(target=warm_up, daemon=True).start()
    demo.queue(max_size=64).launch(
        theme=THEME,
        i18n=WORDS,
        css_paths=HERE / "page.css",
        head=head((HERE / "page.js").read_text("utf-8")),
        # In a checkout the examples are links to files outside of this folder.
        allowed_paths=[str(path.resolve()) for path in EXAMPLES.values()],
        max_file_size=LARGEST_FILE,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        ssr_mode=False,
        show_error=True,
    )
