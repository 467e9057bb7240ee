"""Every file and folder that commands write has the mode that the umask of the process asks for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.cli.app import main
from tests.support.small_sets import SMALL, write_small_set
from tests.support.trees import tree

PRIVATE, SHARED = 0o077, 0o002


@pytest.fixture(params=[PRIVATE, SHARED], ids=["077", "002"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Work under a umask, and restore that of before."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def run(*words: object, codes: tuple[int | None, ...] = (0, None)) -> None:
    """Run a command in this process; its exit code must be one of those given."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    assert code in codes


@pytest.mark.proof
def test_all_that_is_written_has_the_mode_of_the_umask(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tree(tmp_path / "in")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PETMOOD_CACHE", "cache")
    write_small_set(Path("data/stripes"))
    settings = [*SMALL, "data=data/stripes", "epochs=6", "data.memory_mb=0.001"]
    run("data", "import", "folder", source, "--output", "data/pets")
    run("data", "check", "data/stripes")
    run("data", "diff", "data/pets", "--output", "diff")
    run("train", *settings, "name=first")
    run("evaluate", "runs/first")
    run("export", "runs/first", "--output", "bundles/first")
    run("crossval", *settings, "name=folds", "folds=2", "crossval.leakage=false", "crossval.permuted_labels=false")
    run("registry", "push", "bundles/first", "--registry", "registry")
    run("registry", "promote", "1", "--to", "champion", "--registry", "registry", "--report", "promotion", codes=(3,))
    run("registry", "pull", "1", "--registry", "registry", "--output", "pulled")
    capfd.readouterr()
    made = {path.relative_to(tmp_path): path.stat().st_mode & 0o777 for path in (tmp_path / "work").rglob("*")}
    expected = {path: (0o777 if (tmp_path / path).is_dir() else 0o666) & ~umask for path in made}
    assert made == expected
    for name in ("data/stripes/.cache", "runs/first/checkpoints", "runs/folds/folds", "cache/bundles", "promotion"):
        assert (Path(name)).is_dir(), name
