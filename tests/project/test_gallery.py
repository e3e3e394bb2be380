"""The README's gallery: small pictures with words for who cannot see them, drawn by a program."""

import re
import sys

from tests.support.places import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
SHOWN = README.split("<!-- gallery -->")[1].split("<!-- /gallery -->")[0]
PICTURES = sorted((REPOSITORY / "examples" / "gallery").glob("*.png"))


def test_the_readme_shows_every_picture_with_a_link_to_it_and_words_for_it():
    # Not a table, which would make them thumbnails on a phone: there each has its own line.
    shown = re.findall(
        r'<a href="(\S+?)"><img src="\1" width="400" align="top" alt="[^"]{20,}"></a>', SHOWN
    )
    assert sorted(shown) == [f"examples/gallery/{picture.name}" for picture in PICTURES]


def test_they_are_small_and_their_words_are_large_enough_on_a_phone():
    from matplotlib.image import imread

    assert sum(picture.stat().st_size for picture in PICTURES) < 600_000
    for picture in PICTURES:
        # 9 points at 160 dots an inch: at least 8 pixels high where 375 are left of this.
        assert imread(picture).shape[1] <= 375 * 20 / 8, picture


def test_the_program_draws_the_same_ones_again(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    monkeypatch.setattr(sys, "argv", ["gallery.py", "--output", str(tmp_path)])
    import gallery

    gallery.main()
    assert "wrote 4 pictures" in capsys.readouterr().out
    drawn = {path.name: path.read_bytes()[:4] for path in tmp_path.iterdir()}
    assert drawn == {picture.name: b"\x89PNG" for picture in PICTURES}
