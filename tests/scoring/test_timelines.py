"""The timeline of a recording: cues without gaps, and changes where the recording changes."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic.audio import load_audio, windows
from modeling_empathic.timelines import audacity_labels, cues, webvtt
from tests.support.browser_fixture import chromium, new_page
from tests.support.command import run_command
from tests.support.places import REPOSITORY
from tests.support.scoring_fakes import write_clip

CLIPS = REPOSITORY / "examples" / "clips"


def read_labels(path):
    lines = (line.split("\t") for line in Path(path).read_text().splitlines())
    return [(float(start), float(end), label) for start, end, label in lines]


@given(
    st.integers(16_000, 16_000 * 90), st.floats(1, 30), st.floats(0.1, 1), st.integers(0, 2**32 - 1)
)
def test_cues_cover_the_recording_once_and_each_moment_has_its_nearest_window(
    n_samples, window_s, share, seed
):
    cuts = windows(n_samples, window_s, max(0.1, share * window_s))
    starts, ends = ([getattr(cut, end) / 16_000 for cut in cuts] for end in ("start", "stop"))
    scores = np.random.default_rng(seed).uniform(0, 10, (len(cuts), 3))
    parts = cues(starts, ends, n_samples / 16_000, "abc", scores, top=1)
    edges = [part.start_s for part in parts] + [parts[-1].end_s]
    assert edges[0] == 0 and edges[-1] == n_samples / 16_000 and edges == sorted(edges)
    for part, row in zip(parts, scores, strict=True):
        assert part.strongest == (("abc"[row.argmax()], row.max()),)
    middles = (np.array(starts) + np.array(ends)) / 2
    for part, middle in zip(parts, middles, strict=True):
        inside = (part.start_s + min(part.end_s, 2 * middle)) / 2
        assert abs(middle - inside) <= np.abs(middles - inside).min() + 1e-9


def test_labels_join_what_stays_and_keep_its_highest():
    parts = cues([0, 2, 4, 6], [2, 4, 6, 8], 8, ["A", "B"], [[3, 1], [5, 2], [1, 4], [6, 0]])
    assert audacity_labels(parts).splitlines() == [
        "0.000000\t4.000000\tA 5.0",
        "4.000000\t6.000000\tB 4.0",
        "6.000000\t8.000000\tA 6.0",
    ]


def test_names_of_others_cannot_break_the_files():
    parts = cues([0], [2], 2, ["a\tb\n<c> & d -->"], [[3]])
    assert audacity_labels(parts).count("\t") == 2 and audacity_labels(parts).count("\n") == 1
    text = webvtt(parts, "x\n\n00:00.000 --> 00:09.000\ny")
    assert text.count("-->") == 1 and "a b &lt;c&gt; &amp; d --&gt; 3.0" in text


def test_a_browser_reads_the_subtitles(tmp_path):
    parts = cues(
        [0, 3000], [3000, 4000], 4000.5, ["Jealousy & Envy", "Awe"], [[3, 2], [1, 4]], top=2
    )
    (tmp_path / "a.vtt").write_text(webvtt(parts, "a.wav, nano"))
    (tmp_path / "page.html").write_text('<video><track default src="a.vtt"></video>')
    with chromium("--allow-file-access-from-files") as browser:
        page = new_page(browser)
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_function("document.querySelector('track').readyState == 2")
        read = page.evaluate(
            "[...document.querySelector('track').track.cues].map(c => [c.startTime, c.endTime,"
            " c.getCueAsHTML().textContent])"
        )
    assert read == [
        [0, 2500, "Jealousy & Envy 3.0\nAwe 2.0"],
        [2500, 4000.5, "Awe 4.0\nJealousy & Envy 1.0"],
    ]


def test_the_timeline_changes_where_the_recording_does(tmp_path, monkeypatch):
    """One voice for 24 s, another for 24 s, the first again; by Nano, in windows of 3 s."""
    monkeypatch.chdir(tmp_path)
    parts = []
    for name in ("de_anger", "fr_relief", "de_anger"):
        clip = load_audio(CLIPS / f"{name}.flac")
        parts.append(np.tile(clip, 24 * 16_000 // len(clip) + 1)[: 24 * 16_000])
    soundfile.write("talk.wav", np.concatenate(parts), 16_000)
    options = ("--window", "3", "--hop", "1.5", "--timeline", "tl", "-o", "x.csv")
    code, out, _ = run_command("score", "talk.wav", *options)
    assert code == 0 and "Timelines of 1 recording in tl: " in " ".join(out.split())
    assert (Path("tl/talk.png")).read_bytes().startswith(b"\x89PNG")
    labels = read_labels("tl/talk.txt")
    assert labels[0][0] == 0 and labels[-1][1] == 72

    def heard(start, end):
        """What is strongest between two moments, away from the changes."""
        return {
            label.rpartition(" ")[0]
            for first, last, label in labels
            if first < end - 3 and last > start + 3
        }

    assert heard(0, 24) and heard(0, 24).isdisjoint(heard(24, 48))
    assert heard(24, 48).isdisjoint(heard(48, 72))
    changes = [first for first, _, label in labels if label.rpartition(" ")[0] in heard(24, 48)]
    assert min(changes) == pytest.approx(24, abs=1.5)
    vtt = Path("tl/talk.vtt").read_text()
    times = re.findall(r"^(\S+) --> (\S+)$", vtt, re.MULTILINE)
    assert times[0][0] == "00:00:00.000" and times[-1][1] == "00:01:12.000"
    assert "intensity from 0 to 10" in vtt


def test_recordings_of_one_name_have_files_of_their_own(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "a.flac", "sub/a.wav", "sub/a.flac", "b.wav"):
        write_clip(Path(name))
    noise = np.random.default_rng(0).normal(0, 0.1, (16_000, 2))
    soundfile.write("stereo.wav", noise, 16_000)
    assert run_command("score", ".", "--timeline", "tl")[0] == 0
    found = sorted(path.relative_to("tl").as_posix() for path in Path("tl").rglob("*.vtt"))
    names = ["a", "a.wav", "b", "stereo", "sub/a", "sub/a.wav"]  # mirrors the clips
    assert found == sorted(f"{name}.vtt" for name in names)
    assert run_command("score", "stereo.wav", "--channels", "separate", "--timeline", "two")[0] == 0
    found = sorted(path.name for path in Path("two").glob("*.vtt"))
    assert found == ["stereo.channel1.vtt", "stereo.channel2.vtt"]


def test_timelines_are_written_again_from_what_was_scored_before(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    write_clip(Path("a.wav"), seconds=65)
    assert run_command("score", "a.wav", "-o", "x.csv", "--timeline", "one")[0] == 0
    code, out, _ = run_command("score", "a.wav", "-o", "x.csv", "--timeline", "two")
    assert code == 0 and "1 scored before" in out
    for suffix in ("vtt", "txt", "png"):
        assert Path(f"one/a.{suffix}").read_bytes() == Path(f"two/a.{suffix}").read_bytes()


def test_without_matplotlib_the_folder_is_refused_with_what_to_install(clips, faked, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "matplotlib" else find(name, *a),
    )
    code, out, error = run_command("score", "clips", "--timeline", "tl")
    assert code == 2 and 'pip install "emonet-voice[plot]"' in error and out == ""
