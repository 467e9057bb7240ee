"""Folders that appear read-only to the process, also if it runs as root."""

import os
from pathlib import Path

import pytest


def deny_writes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder and what is below it appear read-only."""
    real = os.access

    def access(path: os.PathLike[str] | str, mode: int) -> bool:
        return not (mode & os.W_OK and Path(path).is_relative_to(folder)) and real(path, mode)

    monkeypatch.setattr(os, "access", access)
