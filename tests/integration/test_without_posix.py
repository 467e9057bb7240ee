"""What writes files and serves works where fcntl, SIGHUP and flags of POSIX are missing, as on Windows."""

import subprocess
import sys
from pathlib import Path

WITHOUT = """
import os, signal, sys
sys.modules["fcntl"] = sys.modules["pwd"] = None
for name in ("O_NOFOLLOW", "O_CLOEXEC", "fork", "getuid", "killpg", "nice"):
    delattr(os, name)
del signal.SIGHUP
from pathlib import Path
from petmood.core.atomic_directory import atomic_directory
from petmood.core.environment import current_user
from petmood.core.files import atomic_write_text, copy_folder, create_exclusive
from petmood.registry.uri import open_registry
import petmood.cli.app, petmood.serving.app, petmood.serving.server

folder = Path(sys.argv[1]) / ("a folder \\u00fc\\u2603 " + "x" * 150) / ("y" * 150)
atomic_write_text(folder / "text.txt", "gr\\u00fc\\u00df\\r\\n")
atomic_write_text(folder / "text.txt", "again\\n")
assert create_exclusive(folder / "once.txt", b"1") and not create_exclusive(folder / "once.txt", b"2")
with atomic_directory(folder / "made") as draft:
    (draft.path / "inside.txt").write_bytes(b"3")
copy_folder(folder / "made", folder / "copied")
assert current_user()
assert open_registry(str(folder / "registry")).versions() == []
print(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
"""


def test_files_with_long_and_non_ascii_paths_are_written_and_the_service_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path)], capture_output=True, encoding="utf-8", check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['copied/inside.txt', 'made/inside.txt', 'once.txt', 'text.txt']\n"
