"""Simulation of a system without what Linux alone has, for processes: a sitecustomize module that takes it away."""

from pathlib import Path

SITECUSTOMIZE = '''
import builtins, ctypes, io, os, select, signal, socket

for module, names in (
    (os, """sched_getaffinity sched_setaffinity memfd_create eventfd pidfd_open posix_fadvise posix_fallocate
        copy_file_range splice sendfile getrandom pipe2 fdatasync setns unshare O_TMPFILE O_PATH O_DIRECT O_NOATIME
        RTLD_DEEPBIND getxattr setxattr listxattr"""),
    (socket, "SO_REUSEPORT SO_BINDTODEVICE SOCK_NONBLOCK SOCK_CLOEXEC AF_NETLINK SO_INCOMING_CPU TCP_QUICKACK"),
    (select, "epoll"),
    (signal, "SIGPWR SIGSTKFLT SIGRTMIN SIGRTMAX sigtimedwait sigwaitinfo"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)


class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in {"prctl", "mallopt", "malloc_trim", "gnu_get_libc_version"}:
            raise AttributeError(f"dlsym: symbol not found: {name}")
        return super().__getattr__(name)


ctypes.CDLL = Library


def without_proc(call):
    def opened(path, *args, **kwargs):
        if isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(("/proc/", "/sys/")):
            raise FileNotFoundError(2, "No such file or directory", os.fsdecode(path))
        return call(path, *args, **kwargs)
    return opened


builtins.open = io.open = without_proc(builtins.open)
for name in ("open", "stat", "listdir", "scandir", "readlink"):
    setattr(os, name, without_proc(getattr(os, name)))
'''


def path_of_other_system(folder: Path) -> str:
    """Write the module into a folder, and return the folder, to be put first into ``PYTHONPATH``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, "utf-8")
    return str(folder)
