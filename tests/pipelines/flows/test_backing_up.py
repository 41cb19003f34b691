"""Backups of a home: consistent, by content, checked when they are restored."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest
from rich.console import Console

from datasets.errors import BadDataset, BadInput, Unavailable
from datasets.ledger import Ledger
from pipelines.flows.backing_up import check_backup, restore_backup, write_backup
from pipelines.flows.pruning import prune
from pipelines.flows.settings import BackupSettings
from pipelines.flows.vault import Backup, Vault
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import FRONT, PHOTOGRAPHS, invoke, write_coco

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PROGRESS = Progress(Console(stderr=True))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a version, a ledger, a published model and things that no backup needs."""
    home = tmp_path / "home"
    write_coco(tmp_path / "one", {"front.jpg": PHOTOGRAPHS[FRONT]}, [("front.jpg", "dent", [10, 10, 40, 30])])
    assert invoke("import", tmp_path / "one", "--home", home, "--name", "one")[0] == 0
    with closing(Ledger(f"sqlite:///{home / 'ledger.sqlite'}", "a server cars")) as ledger:
        ledger.note_delivery("first")
    (home / "bundles" / "d1").mkdir(parents=True)
    (home / "bundles" / "d1" / "model.onnx").write_bytes(b"weights")
    for left_out in ("datasets/.part.part", "datasets/descriptors.npz", "prefect/prefect.db", "runs/a/x"):
        (home / left_out).parent.mkdir(parents=True, exist_ok=True)
        (home / left_out).write_bytes(b"not needed")
    (tmp_path / "carloop.yaml").write_text("name: cars\n")
    return home


def back_up(home: Path, to: object, *, now: datetime = NOW, **more: object) -> tuple[str, Backup, list[str]]:
    settings = BackupSettings.model_validate({"to": str(to), **more})
    return write_backup(home, Project(name="cars"), home.parent / "carloop.yaml", settings, PROGRESS, now=now)


def content(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_restored_home_has_what_was_backed_up(home: Path, tmp_path: Path) -> None:
    name, backup, _ = back_up(home, tmp_path / "vault")
    assert restore_backup(str(tmp_path / "vault"), tmp_path / "new", PROGRESS)[0] == name == "20260102T030405Z"
    before, after = content(home), content(tmp_path / "new")
    assert after.keys() == backup.files.keys()
    assert not any("part" in path or "prefect" in path or "runs/" in path or ".npz" in path for path in after)
    assert all(before[path] == held for path, held in after.items() if path not in ("ledger.sqlite", "carloop.yaml"))
    assert [image.width for image in Shelf(tmp_path / "new").read("one").images] == [160]
    with closing(Ledger(f"sqlite:///{tmp_path / 'new' / 'ledger.sqlite'}", "a server cars")) as ledger:
        assert not ledger.note_delivery("first")


def test_a_ledger_is_backed_up_while_somebody_writes_into_it(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as writer:
        writer.execute("INSERT INTO scopes (name) VALUES ('half done')")
        back_up(home, tmp_path / "vault")
        writer.commit()
    restore_backup(str(tmp_path / "vault"), tmp_path / "new", PROGRESS)
    with closing(sqlite3.connect(tmp_path / "new" / "ledger.sqlite")) as restored:
        assert restored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert restored.execute("SELECT name FROM scopes").fetchall() == [("a server cars",)]


def test_the_registry_finds_its_files_in_the_new_home(home: Path, tmp_path: Path) -> None:
    (home / "mlflow").mkdir()
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.sqlite")) as registry, registry:
        registry.execute("CREATE TABLE model_versions (name TEXT, source TEXT)")
        rows = [
            ("a", f"{home}/mlflow/artifacts/1"),
            ("b", f"file://{home}/mlflow/artifacts/2"),
            ("c", "s3://elsewhere"),
        ]
        registry.executemany("INSERT INTO model_versions VALUES (?, ?)", rows)
    back_up(home, tmp_path / "vault")
    restore_backup(str(tmp_path / "vault"), tmp_path / "new", PROGRESS)
    with closing(sqlite3.connect(tmp_path / "new" / "mlflow" / "mlflow.sqlite")) as registry:
        found = [source for (source,) in registry.execute("SELECT source FROM model_versions ORDER BY name")]
    artifacts = f"{tmp_path}/new/mlflow/artifacts"
    assert found == [f"{artifacts}/1", f"file://{artifacts}/2", "s3://elsewhere"]


def test_the_next_backup_sends_only_what_is_new_and_old_ones_go_with_what_they_alone_had(
    home: Path, tmp_path: Path
) -> None:
    vault = tmp_path / "vault"
    back_up(home, vault)
    first = {path.name: path.stat().st_mtime_ns for path in (vault / "objects").rglob("*") if path.is_file()}
    (home / "bundles" / "d1" / "model.onnx").write_bytes(b"other weights")
    _, _, gone = back_up(home, vault, now=NOW + timedelta(hours=1), keep=1)
    second = {path.name: path.stat().st_mtime_ns for path in (vault / "objects").rglob("*") if path.is_file()}
    assert gone == ["20260102T030405Z"]
    assert len(second) == len(first)
    assert [first[name] for name in first.keys() & second.keys()] == [second[name] for name in first.keys() & second]
    assert check_backup(str(vault), PROGRESS)[0] == "20260102T040405Z"


def test_a_content_that_was_cut_short_is_sent_again(home: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    _, backup, _ = back_up(home, vault)
    cut = vault / "objects" / (sha := backup.files["bundles/d1/model.onnx"].sha256)[:2] / sha
    cut.write_bytes(b"wei")
    back_up(home, vault, now=NOW + timedelta(hours=1))
    assert cut.read_bytes() == b"weights"


def test_a_changed_content_is_told_and_nothing_is_restored(home: Path, tmp_path: Path) -> None:
    _, backup, _ = back_up(home, tmp_path / "vault")
    sha = backup.files["bundles/d1/model.onnx"].sha256
    (tmp_path / "vault" / "objects" / sha[:2] / sha).write_bytes(b"WEIGHTS")
    with pytest.raises(BadDataset, match="is not what was kept"):
        restore_backup(str(tmp_path / "vault"), tmp_path / "new", PROGRESS)
    assert not (tmp_path / "new").exists()


def damage(vault: Path, backup: Backup) -> Path:
    """Change a content of the same size; gives where it lies."""
    sha = backup.files["bundles/d1/model.onnx"].sha256
    (path := vault / "objects" / sha[:2] / sha).write_bytes(b"WEIGHTS")
    return path


def test_a_damaged_content_that_a_check_finds_is_sent_again_by_the_next_backup(home: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    first, backup, _ = back_up(home, vault)
    back_up(home, vault, now=NOW + timedelta(hours=1))
    path = damage(vault, backup)
    with pytest.raises(BadDataset, match=r"1 of \d+ contents .*bundles/d1/model.onnx.* run carloop backup again"):
        check_backup(str(vault), PROGRESS)
    assert (vault / "damaged" / path.name).read_bytes() == b"WEIGHTS"
    back_up(home, vault, now=NOW + timedelta(hours=2))
    assert path.read_bytes() == b"weights"
    check_backup(str(vault), PROGRESS)
    check_backup(str(vault), PROGRESS, name=first)
    (home / "bundles" / "d1" / "model.onnx").write_bytes(b"other weights")
    back_up(home, vault, now=NOW + timedelta(hours=3), keep=1)
    assert not list((vault / "damaged").iterdir())


def test_a_damaged_content_in_memory_is_set_aside_too(home: Path, memory: str) -> None:
    _, backup, _ = back_up(home, memory)
    sha = backup.files["bundles/d1/model.onnx"].sha256
    fsspec.filesystem("memory").pipe_file(f"/backups/objects/{sha[:2]}/{sha}", b"WEIGHTS")
    with pytest.raises(BadDataset, match="set aside in damaged/ there"):
        check_backup(memory, PROGRESS)
    back_up(home, memory, now=NOW + timedelta(hours=1))
    check_backup(memory, PROGRESS)


def test_a_check_where_nothing_can_be_set_aside_says_so(home: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    _, backup, _ = back_up(home, vault)
    path = damage(vault, backup)
    (vault / "damaged").write_text("in the way")
    with pytest.raises(BadDataset, match=r"could not be set aside.*Check again once it can be written"):
        check_backup(str(vault), PROGRESS)
    assert path.read_bytes() == b"WEIGHTS"


def test_only_backups_without_the_damaged_content_are_offered_instead(home: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    _, backup, _ = back_up(home, vault)
    damage(vault, backup)
    with pytest.raises(BadDataset, match=r"--check sets .*where the home is gone, no backup there does without$"):
        restore_backup(str(vault), tmp_path / "new", PROGRESS)
    (home / "bundles" / "d1" / "model.onnx").write_bytes(b"other weights")
    second, _, _ = back_up(home, vault, now=NOW + timedelta(hours=1))
    back_up(home, vault, now=NOW + timedelta(hours=2))
    with pytest.raises(BadDataset, match=rf"name another one by --backup: {second}, 20260102T050405Z$"):
        restore_backup(str(vault), tmp_path / "new", PROGRESS, name="20260102T030405Z")


@pytest.mark.parametrize("content", [b'{"form": 1, "at', b'{"at": "\xff"}', b""])
def test_a_damaged_newest_list_stops_no_backup_and_is_not_offered(home: Path, tmp_path: Path, content: bytes) -> None:
    vault = tmp_path / "vault"
    first, _, _ = back_up(home, vault)
    broken, _, _ = back_up(home, vault, now=NOW + timedelta(hours=1))
    (vault / "backups" / f"{broken}.json").write_bytes(content)
    with pytest.raises(BadDataset, match=rf"is no backup: .*; name another one by --backup: {first}$"):
        restore_backup(str(vault), tmp_path / "new", PROGRESS)
    third, backup, _ = back_up(home, vault, now=NOW + timedelta(hours=2))
    assert [note for note in backup.notes if f"remove backups/{broken}.json" in note]
    assert check_backup(str(vault), PROGRESS)[0] == third
    assert not Vault(str(vault)).read(third).notes
    with pytest.raises(BadDataset, match=rf"there are {first}, {third}$"):
        check_backup(str(vault), PROGRESS, name="1999")


def test_no_content_goes_while_a_list_that_is_kept_cannot_be_read(home: Path, tmp_path: Path) -> None:
    vault, weights = tmp_path / "vault", home / "bundles" / "d1" / "model.onnx"
    first, backup, _ = back_up(home, vault)
    path = damage(vault, backup)
    weights.write_bytes(b"other weights")
    broken, _, _ = back_up(home, vault, now=NOW + timedelta(hours=1))
    back_up(home, vault, now=NOW + timedelta(hours=2))
    (vault / "backups" / f"{broken}.json").write_bytes(b"")
    _, later, gone = back_up(home, vault, now=NOW + timedelta(hours=3), keep=3)
    assert gone == [first]
    assert path.exists()
    assert [note for note in later.notes if broken in note]
    _, last, gone = back_up(home, vault, now=NOW + timedelta(hours=4), keep=3)
    assert gone == [broken]
    assert not path.exists()
    assert not last.notes


def test_a_place_of_which_no_list_can_be_read_is_nobodys(home: Path, tmp_path: Path) -> None:
    name, _, _ = back_up(home, tmp_path / "vault")
    (tmp_path / "vault" / "backups" / f"{name}.json").write_bytes(b"{")
    with pytest.raises(BadInput, match=r"no list of a backup that can be read.*or name another place"):
        back_up(home, tmp_path / "vault", now=NOW + timedelta(hours=1))


def test_what_a_killed_backup_leaves_is_in_no_backup_and_is_pruned(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vault, "keep", lambda *_: os._exit(9))
    if not (child := os.fork()):
        with suppress(BaseException):
            back_up(home, tmp_path / "vault")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    (left,) = home.glob("carloop-backup-*")
    _, backup, _ = back_up(home, tmp_path / "vault")
    assert (left / "ledger.sqlite").exists()
    assert not [path for path in backup.files if left.name in path]
    found = prune(home, ledger_url=None, now=datetime.now(UTC) + timedelta(days=2), dry_run=False)
    assert left in [one.path for one in found]
    assert not left.exists()


def test_images_can_be_left_out(home: Path, tmp_path: Path) -> None:
    _, backup, _ = back_up(home, tmp_path / "vault", images=False)
    assert not [path for path in backup.files if "store/" in path]


@pytest.fixture
def memory() -> Iterator[str]:
    yield "memory://backups"
    fsspec.filesystem("memory").rm("/backups", recursive=True)


def test_any_place_that_fsspec_reaches_serves(home: Path, memory: str) -> None:
    name, backup, _ = back_up(home, memory)
    assert Vault(memory).names() == [name]
    assert check_backup(memory, PROGRESS) == (name, backup)


def test_a_path_that_leads_out_of_the_home_is_refused(home: Path, tmp_path: Path, memory: str) -> None:
    _, backup, _ = back_up(home, memory)
    files = {"../outside": backup.files["bundles/d1/model.onnx"]}
    Vault(memory).write("20270101T000000Z", Backup(1, "", "cars", str(home), files))
    with pytest.raises(BadDataset, match="leads out of the home"):
        restore_backup(memory, tmp_path / "new", PROGRESS)
    assert not (tmp_path / "outside").exists()


def test_places_and_homes_that_do_not_fit_are_refused_in_a_sentence(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "vault")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(BadInput, match=r"holds backups of .*home, not of .*other"):
        back_up(other, tmp_path / "vault")
    with pytest.raises(BadInput, match="is there already"):
        restore_backup(str(tmp_path / "vault"), home, PROGRESS)
    with pytest.raises(BadDataset, match="has no backup 1999"):
        restore_backup(str(tmp_path / "vault"), tmp_path / "new", PROGRESS, name="1999")
    with pytest.raises(BadDataset, match="has no backup; carloop backup makes one"):
        restore_backup(str(tmp_path / "empty"), tmp_path / "new", PROGRESS)
    with pytest.raises(BadInput, match="no place for backups is named"):
        write_backup(home, Project(), tmp_path, BackupSettings(), PROGRESS, now=NOW)
    with pytest.raises(BadInput, match="cannot be used for backups"):
        back_up(home, "nosuch://place")


def test_a_place_that_cannot_be_written_is_told(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable, match="cannot be reached"):
        back_up(home, tmp_path / "file")
