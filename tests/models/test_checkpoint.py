"""A checkpoint is whole or it is not there; a damaged one is set aside and the one before it used."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

from whet.errors import FitError
from whet.models.checkpoint import Checkpoint, newest, read, save, steps

FILES = ["weights.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "manifest.json"]


def checkpoint(step: int, size: int = 64) -> Checkpoint:
    weights = {"w": torch.arange(size, dtype=torch.float32) + step}
    random = {"torch": torch.get_rng_state()}
    return Checkpoint(step, weights, {"w/exp_avg": torch.ones(size)}, random, {"best": 1.5, "best_step": step})


def two(path: Path) -> Path:
    save(path, checkpoint(1))
    return save(path, checkpoint(2))


def test_what_is_read_is_what_was_saved(tmp_path):
    saved, found = checkpoint(3), read(save(tmp_path, checkpoint(3)))
    assert torch.equal(found.weights["w"], saved.weights["w"])
    assert torch.equal(found.random["torch"], saved.random["torch"])
    assert (found.step, found.state) == (3, {"best": 1.5, "best_step": 3})


def truncate(file):
    file.write_bytes(file.read_bytes()[:-1])


def flip(file):
    blob = bytearray(file.read_bytes())
    blob[len(blob) // 2] ^= 1
    file.write_bytes(blob)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage", [truncate, flip, Path.unlink, lambda f: f.write_bytes(b"")], ids=["cut", "bit", "gone", "empty"]
)
def test_a_damaged_newest_checkpoint_is_set_aside_and_named(tmp_path, name, damage):
    damage(two(tmp_path) / name)
    said = []
    found = newest(tmp_path, said.append)
    assert found is not None
    assert found.step == 1
    assert len(said) == 1
    assert name in said[0]
    assert [path.name for path in (tmp_path / "ckpt").glob(".corrupt-*")] == [".corrupt-step-00000002-0"]


def test_pruning_keeps_the_newest_and_the_best(tmp_path):
    for step in range(1, 7):
        save(tmp_path, checkpoint(step), keep=2, protect=2)
    assert list(steps(tmp_path)) == [2, 5, 6]


def test_files_are_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    done = []
    fsync, rename = os.fsync, Path.rename

    def watched_sync(handle):
        done.append(("fsync", Path(Path(f"/proc/self/fd/{handle}").readlink()).name))
        fsync(handle)

    def watched_rename(self, target):
        done.append(("rename", Path(target).name))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    save(tmp_path, checkpoint(1))
    names = [name for _, name in done]
    assert names[:6] == [*FILES, ".tmp-1-0"]
    assert done[6:8] == [("rename", "step-00000001"), ("fsync", "ckpt")]


def test_a_full_disk_leaves_the_old_checkpoint_and_says_how_much_is_missing(small_disk):
    save(small_disk, checkpoint(1, 40_000))  # 320 kB
    with pytest.raises(FitError, match=r"needs [\d,]+ free and there are [\d,]+"):
        save(small_disk, checkpoint(2, 60_000))
    assert list(steps(small_disk)) == [1]
    assert [path.name for path in (small_disk / "ckpt").iterdir() if path.name.startswith(".")] == []
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    save(small_disk, checkpoint(2, 60_000))
    assert newest(small_disk, print).step == 2
