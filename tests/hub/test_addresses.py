"""Data sets are scored where they lie on the Hub."""

from modeling_empathic.report.files import sha256
from tests.support.scoring_fakes import write_clip, write_parquet, write_tar


def test_files_parquet_and_tars_of_a_data_set_are_read_by_its_hf_address(hub_client, tmp_path):
    clips = [str(write_clip(tmp_path / f"{i}.wav", seed=i)) for i in range(3)]
    write_parquet(tmp_path / "rows.parquet", clips, row_group_size=2)
    write_tar(tmp_path / "clips.tar", clips)
    names = ["0.wav", "clips.tar", "rows.parquet"]
    found, per_block = hub_client(
        """
from huggingface_hub import HfApi
from modeling_empathic.scoring.blocks import SUFFIXES, clips_of, list_address, plan_blocks
from modeling_empathic.scoring.reading import opened
api = HfApi()
api.create_repo("laion/addresses", repo_type="dataset")
for name in names:
    where = {"repo_id": "laion/addresses", "repo_type": "dataset"}
    api.upload_file(path_or_fileobj=f"{folder}/{name}", path_in_repo=f"data/{name}", **where)
found = list_address("hf://datasets/laion/addresses/data", SUFFIXES)
blocks = plan_blocks(found, str, "", 8)
def digests(block):
    for clip, _ in clips_of(block):
        with opened(clip) as (_, clip_id):
            yield clip_id
result = found, [list(digests(block)) for block in blocks]
""",
        names=names,
        folder=str(tmp_path),
    )
    assert found == [f"hf://datasets/laion/addresses/data/{name}" for name in names]
    ids = [sha256(clip) for clip in clips]
    assert per_block == [ids[:1], ids, ids[:2], ids[2:]]
