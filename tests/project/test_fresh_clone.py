"""The README's lines in a fresh clone, from the installation to the rehearsal of a release."""

import pytest

from tests.support.fresh_clone import follow_readme

LEFT_OUT = {
    "emonet-voice collect gemini-2.5-pro --bench bench/ --output gemini.parquet": (
        "asks a service that costs money"
    )
}


@pytest.mark.slow
def test_every_line_works_after_the_one_before_it(whisper, tmp_path):
    rows = follow_readme(tmp_path, whisper, LEFT_OUT.get)
    failed = [row for row in rows if row["code"]]
    assert not failed, "\n\n".join(f"$ {row['line']}\n{row['output']}" for row in failed)
    assert {row["line"] for row in rows if row["code"] is None} == set(LEFT_OUT)
