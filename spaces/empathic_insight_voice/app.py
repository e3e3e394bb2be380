"""Hear it, see when, judge it: what a voice conveys to EmpathicInsight-Voice (arXiv 2506.09827).

Every function of the page has an API name; `score`, `timeline`, `moments` and `acoustics` return
numbers, and are the tools that MCP clients see.
"""

import ctypes
import importlib.util
import math
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import voice_model  # isort: skip - imports `spaces`, which wants to be first
import analysis
import exports
import gradio as gr
import lanes
import panels
from emonet.audio import SAMPLE_RATE
from emonet.taxonomy import UserError, resolve
from voice_model import DEFAULT, SOURCES

# Every thread would keep what it frees in a pool of its own, and memory would grow for minutes; one
# pool for all is as fast here. Before the threads are there, and only where glibc is.
with suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX

HERE = Path(__file__).parent
EXAMPLES = {path.stem: path for path in sorted((HERE / "examples").glob("*.flac"))}
LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
WINDOW_S, HOP_S = 3.0, 0.5
LARGEST_FILE = "100 MB"
EMOTIONS = voice_model.load(DEFAULT).emotions  # on the GPU before anybody asks, as ZeroGPU wants
LIMITS = """**What the scores are not.** They say how a voice sounds to a model that learned from
acted, mostly synthetic speech with machine-made labels. They do not read minds: they say nothing
about what somebody feels, thinks or will do. Do not use them for decisions about people. In the
European Union, inferring emotions at work or in schools is prohibited (AI Act, Article 5(1)(f)),
but for medical or safety reasons."""
ABOUT = f"""One clip becomes one score for each of 40 emotions; the bars show them on 0 to 10. A
recording of more than 30 seconds is the mean of its 30 s windows; the timeline scores windows of
the length you choose. At most {analysis.LIMIT_S // 60} minutes and {LARGEST_FILE} a
recording; nothing is kept for longer than an hour, or used for anything else.
The whole method: [EmoNet-Voice, arXiv 2506.09827](https://arxiv.org/abs/2506.09827). By program:
*Use via API* at the foot of the page (Python, JavaScript, MCP)."""
DARK = "() => { document.body.classList.toggle('dark') }"


@contextmanager
def mistakes_as_messages() -> Iterator[None]:
    """Shows a user's mistake as a message, in the page and through the API."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from error


def score(audio: str, model: str, emotions: list[str]) -> dict[str, Any]:
    """Scores how a voice sounds: up to 40 emotions, the strongest first.

    Args:
        audio: A recording of speech, at most 30 minutes.
        model: Name of the model.
        emotions: Only these; all if empty.
    """
    with mistakes_as_messages():
        sound = analysis.hear(audio)
        return exports.rounded(analysis.score(sound.samples, model, emotions or (), sound.notes))


def timeline(
    audio: str, model: str, emotions: list[str], window_s: float, hop_s: float
) -> dict[str, Any]:
    """Scores how a voice sounds over time, window by window.

    Args:
        audio: A recording of speech, at most 30 minutes.
        model: Name of the model.
        emotions: Only these; all if empty.
        window_s: Length of a window in seconds, 1 to 30.
        hop_s: Seconds from the start of one window to the next, at most window_s.
    """
    with mistakes_as_messages():
        samples = analysis.read(audio)
        return exports.rounded(analysis.timeline(samples, model, window_s, hop_s, emotions or ()))


def moments(audio: str, model: str, emotion: str) -> dict[str, Any]:
    """Tells which moments of a recording add to one emotion, and which take away from it.

    Args:
        audio: A recording of speech, at most 30 minutes.
        model: Name of the model.
        emotion: The emotion to explain.
    """
    with mistakes_as_messages():
        name = resolve(emotion)
        return exports.rounded(analysis.moments(analysis.read(audio), model, name, [name]))


def acoustics(audio: str) -> dict[str, Any]:
    """Measures pitch, loudness and speech rate of a recording, over time and as a whole.

    Args:
        audio: A recording of speech, at most 30 minutes.
    """
    with mistakes_as_messages():
        return exports.rounded(analysis.acoustics(analysis.read(audio)))


def analyse(
    audio: str | None,
    model: str,
    emotions: list[str],
    window_s: float,
    hop_s: float,
    emotion: str | None,
) -> Iterator[dict[Any, Any]]:
    """Fills the page, the bars first."""
    with mistakes_as_messages():
        samples, notes = analysis.hear(audio)
        assert audio
        chosen = emotions or ()
        whole = analysis.score(samples, model, chosen, notes)
        rows = whole["emotions"]
        shown = [row["emotion"] for row in rows]
        explained = emotion if emotion and emotion in shown else shown[0]
        link = _link(audio, model, emotions, window_s, hop_s, explained)
        yield {
            results: gr.Column(visible=True),
            overview: panels.overview(whole, audio, link),
            bars: panels.bars(whole),
            coarse: panels.coarse(whole),
            over_time: _wait("the timeline"),
            carried: _wait("the moments"),
            sound: _wait("the acoustics"),
            which: gr.Dropdown(choices=sorted(shown), value=explained),
            **{button: gr.DownloadButton(interactive=False) for button in downloads},
        }
        wave, duration_s = analysis.envelope(samples), whole["duration_s"]
        course = analysis.timeline(samples, model, window_s, hop_s, chosen)
        yield {over_time: lanes.timeline(whole, course)}
        carries = analysis.moments(samples, model, explained, chosen)
        yield {carried: lanes.moments(carries, wave, duration_s)}
        heard = analysis.acoustics(samples)
        yield {sound: lanes.acoustics(heard, wave, duration_s)}
        parts = {"recording": whole, "timeline": course, "moments": carries, "acoustics": heard}
        folder = Path(tempfile.mkdtemp())
        try:
            files = [folder / f"emotions.{kind}" for kind in ("csv", "json", "png", "vtt", "txt")]
            name = Path(audio).name
            files[0].write_text(exports.csv_text(name, whole, course), "utf-8")
            files[1].write_text(exports.json_text(name, **exports.rounded(parts)), "utf-8")
            exports.write_png(files[2], whole, course, wave)
            for file, text in zip(files[3:], exports.subtitles(name, whole, course), strict=True):
                file.write_text(text, "utf-8")
            yield {
                button: gr.DownloadButton(value=str(file), interactive=True)
                for button, file in zip(downloads, files, strict=True)
            }  # which Gradio copies to its cache before it comes back here
        finally:
            shutil.rmtree(folder)


def analyse_new(audio: str | None, *settings: Any) -> Iterator[dict[Any, Any]]:
    """`analyse` for a recording that has just come, or gone: the old results go at once."""
    yield {results: gr.Column(visible=False)}
    if audio is not None:
        yield from analyse(audio, *settings)


def show_moments(audio: str, model: str, emotions: list[str], emotion: str) -> str:
    """The picture of `moments`."""
    with mistakes_as_messages():
        samples = analysis.read(audio)
        carries = analysis.moments(samples, model, emotion, emotions or ())
        return lanes.moments(carries, analysis.envelope(samples), len(samples) / SAMPLE_RATE)


def settings_of_link(request: gr.Request) -> tuple[Any, ...]:
    """What the address asks for, as far as it makes sense: anybody can write one."""
    asked = dict(request.query_params)
    example = EXAMPLES.get(asked.get("example", ""))
    model = asked.get("model", DEFAULT)
    window_s = _number(asked.get("window"), WINDOW_S, analysis.MIN_WINDOW_S, 30.0)
    return (
        str(example) if example else gr.skip(),  # somebody may have been quick to upload
        model if model in SOURCES else DEFAULT,
        window_s,
        _number(asked.get("hop"), min(HOP_S, window_s), 0.25, window_s),
        [name for name in asked.get("only", "").split(",") if name in EMOTIONS],
        asked["emotion"] if asked.get("emotion") in EMOTIONS else None,
    )


def _number(text: str | None, default: float, low: float, high: float) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return default
    return min(max(value, low), high) if math.isfinite(value) else default


def _link(
    audio: str, model: str, emotions: list[str], window_s: float, hop_s: float, emotion: str
) -> str:
    """Query that `settings_of_link` reads."""
    asked = {"model": model, "window": f"{window_s:g}", "hop": f"{hop_s:g}", "emotion": emotion}
    if emotions:
        asked["only"] = ",".join(emotions)  # no name has a comma
    example = EXAMPLES.get(Path(audio).stem)
    if example and example.read_bytes() == Path(audio).read_bytes():
        asked["example"] = example.stem
    return urlencode(asked)


def _example_label(stem: str) -> str:
    """`de_anger` as people say it."""
    language, _, emotion = stem.partition("_")
    return f"{emotion.capitalize()} ({LANGUAGES[language]})"


def _wait(what: str) -> str:
    return f'<div class="voice"><p class="note" role="status">Working on {what} …</p></div>'


def warm_up() -> None:
    """Compiles what librosa compiles at its first call, so that the first user does not wait."""
    import numpy as np

    analysis.acoustics(np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32))


with gr.Blocks(title="EmpathicInsight-Voice", delete_cache=(600, 3600)) as demo:
    with gr.Row():
        gr.Markdown("# What a voice conveys\n40 emotions, how strong, how unusual, and when.")
        dark = gr.Button("Light or dark", size="sm", scale=0, min_width=120)
    gr.Markdown(LIMITS, elem_id="limits")
    with gr.Row():
        with gr.Column(scale=3):
            audio = gr.Audio(
                label=f"Speech, up to {analysis.LIMIT_S // 60} min",
                buttons=["download"],
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
        with gr.Column(scale=2):
            model = gr.Dropdown(list(SOURCES), value=DEFAULT, label="Model")
            window_s = gr.Slider(
                analysis.MIN_WINDOW_S, 30, WINDOW_S, step=0.5, label="Window of the timeline, s"
            )
            hop_s = gr.Slider(0.25, 30, HOP_S, step=0.25, label="From window to window, s")
            emotions = gr.Dropdown(
                sorted(EMOTIONS), multiselect=True, label="Only these emotions (none: all)"
            )
            run = gr.Button("Analyse", variant="primary")
    with gr.Column(visible=False) as results:
        overview = gr.HTML(elem_id="overview")
        gr.Markdown("## Emotions")
        bars = gr.HTML()
        gr.Markdown("## Over time")
        over_time = gr.HTML()
        gr.Markdown("## Which moments carry it")
        which = gr.Dropdown(sorted(EMOTIONS), value=None, label="Emotion")
        carried = gr.HTML()
        gr.Markdown("## How it sounds")
        sound = gr.HTML()
        gr.Markdown("## In coarse classes")
        coarse = gr.HTML()
        with gr.Row():
            kinds = ("CSV", "JSON", "PNG", "WebVTT", "Audacity labels")
            downloads = [gr.DownloadButton(f"Download {kind}") for kind in kinds]
        gr.Markdown(
            "CSV: scores as the heads give them, about 0 to 4; 2.5 times that is the intensity, "
            "which the other files have."
        )
    gr.Markdown(ABOUT)
    with gr.Row(visible=False):  # for the API: functions without a place on the page
        numbers = gr.JSON()
        calls = [gr.Button() for _ in range(4)]

    shared: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
    page = [audio, model, emotions, window_s, hop_s, which]
    filled = [results, overview, bars, coarse, over_time, carried, sound, which, *downloads]
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    run.click(analyse, page, filled, api_name="analyse", **shared, **hidden)
    audio.change(
        analyse_new, page, filled, api_name="analyse_new", show_progress="hidden",
        **shared, **hidden,
    )  # fmt: skip
    which.input(
        show_moments, [audio, model, emotions, which], carried, api_name="show_moments",
        **shared, **hidden,
    )  # fmt: skip
    dark.click(None, js=DARK, api_visibility="private")
    demo.load(
        settings_of_link, None, [audio, model, window_s, hop_s, emotions, which],
        api_name="settings_of_link", show_progress="hidden", **hidden,
    )  # fmt: skip
    calls[0].click(score, [audio, model, emotions], numbers, api_name="score", **shared)
    calls[1].click(
        timeline, [audio, model, emotions, window_s, hop_s], numbers, api_name="timeline", **shared
    )
    calls[2].click(moments, [audio, model, which], numbers, api_name="moments", **shared)
    calls[3].click(acoustics, audio, numbers, api_name="acoustics", **shared)

if __name__ == "__main__":
    threading.Thread(target=warm_up, daemon=True).start()
    demo.queue(max_size=64).launch(
        # Fonts of the system: nothing is fetched from elsewhere.
        theme=gr.themes.Soft(
            primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["monospace"]
        ),
        css_paths=HERE / "page.css",
        head=f"<script>{(HERE / 'page.js').read_text()}</script>",
        # In a checkout the examples are links to files outside of this folder.
        allowed_paths=[str(path.resolve()) for path in EXAMPLES.values()],
        max_file_size=LARGEST_FILE,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        ssr_mode=False,
        show_error=True,
    )
