"""Shared memory of an engine: its file, and views of it from other processes.

A name is a file in a folder of the user's own (mode 0700), beside it ``<name>.lock``, which its one writer holds locked
for as long as it lives. A writer makes its file under another name, fills in its header, and then takes the name by a
rename: a reader meets a finished file or none, and a reader of the file before is told that it was replaced.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from ringtape import _native
from ringtape.errors import ConfigError, SharedMemoryError, WriterGone, WriterReplaced, nearest

__all__ = ["View", "attach"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOG = logging.getLogger("ringtape.shm")
# A reader that looks whether the writer lives holds the lock for an instant.
_LOCK_TRIES = 20
_LOCK_WAIT = 0.005


def folder() -> Path:
    """Return the folder of this user's shared memory: ``RINGTAPE_SHARED_DIR``, else one in the system's memory."""
    given = os.environ.get("RINGTAPE_SHARED_DIR")
    if given:
        return Path(given)
    memory = Path("/dev/shm")  # noqa: S108 - a folder of the user's own in it, which is checked
    return (memory if memory.is_dir() else Path(tempfile.gettempdir())) / f"ringtape-{os.getuid()}"


class View(_native.View):
    """What an engine published in shared memory, read from this process. Made by :func:`attach`.

    ``get row table column bars symbols stats`` are those of `ringtape.Engine`. Windows and live columns are those that
    the engine's own process asked for. Every call raises `WriterGone` or `WriterReplaced` once that is so; a writer
    that was killed is noticed within a second.
    """

    def follow(self, *, idle: float = 0.001) -> Iterator[_native.Batch]:
        """Yield what the engine publishes from now on, a batch whenever there is something.

        Parameters
        ----------
        idle
            Seconds to sleep where nothing came.

        Yields
        ------
        Batch
            Without control messages and notices, which the engine's own process drains. ``batch.lost`` counts records
            that were overwritten before they could be read; `lost` adds them up. A reader that sleeps loses, the
            writer never waits.

        Raises
        ------
        WriterGone, WriterReplaced
            The engine has ended, died, or another took its name.

        """
        while True:
            batch = self.drain()
            if batch:
                yield batch
            else:
                time.sleep(idle)


def attach(name: str) -> View:
    """Attach to the shared memory of an engine that was made with ``Engine(shared=name)``.

    Raises
    ------
    SharedMemoryError
        There is none of that name, or it is another user's.
    LayoutMismatch
        Another version of ringtape wrote it, or it is damaged.
    WriterGone
        Its writer died and left it behind.

    """
    return View(_Reading(_checked(name)))


def create(name: str, size: int, group: str | None) -> _Writing:
    """Make the file of an engine; it has no name until `_Writing.publish`."""
    return _Writing(_checked(name), size, group)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        why = f"shared memory {name!r}: a name has 1 to 64 letters, digits, - or _"
        raise ConfigError(why, "shared")
    return name


def _open_folder(name: str, mode: int | None) -> int:
    """Open the folder, made with a mode if one is given. It must be this user's, and nobody else may write there."""
    path = folder()
    if mode is not None:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    try:
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SharedMemoryError(name, f"there is none; no engine of this user shares anything ({path})") from None
    except OSError as error:
        raise SharedMemoryError(name, f"{path} is no folder that can be used: {error.strerror}") from None
    found = os.fstat(held)
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        os.close(held)
        raise SharedMemoryError(name, f"{path} must be this user's, and nobody else may write there")
    if mode is not None:
        os.fchmod(held, mode)
    return held


def _started(pid: int) -> int:
    """Return when a process was started, in the system's ticks; 0 where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The name in brackets may hold anything.
    return int(told.rpartition(b")")[2].split()[19])


def _is_alive(pid: int, started: int) -> bool:
    if started:
        return _started(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _Writing:
    """The file of an engine in this process."""

    def __init__(self, name: str, size: int, group: str | None) -> None:
        self.name = name
        self.fd = self._lock = self._folder = -1
        self.started = _started(os.getpid())
        self.generation = time.time_ns()
        self._process = os.getpid()
        self._draft = f".{name}.{os.getpid()}"
        group_id = _group(group)
        self._folder = _open_folder(name, 0o700 if group_id is None else 0o750)
        self._lock = self._locked(group_id)
        try:
            self.fd = self._made(size, group_id)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._draft, dir_fd=self._folder)
            raise
        _LOG.info("shared memory %r: %.1f MB in %s", name, size / 1e6, folder())
        _WRITING.add(self)

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._folder)

    def _locked(self, group_id: int | None) -> int:
        held = self._open(f"{self.name}.lock", os.O_RDWR | os.O_CREAT)
        _give(held, group_id)
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_WAIT)
            else:
                os.ftruncate(held, 0)
                os.pwrite(held, str(os.getpid()).encode(), 0)
                return held
        pid = os.pread(held, 20, 0).decode("ascii", "replace") or "?"
        os.close(held)
        raise SharedMemoryError(self.name, f"process {pid} writes it: end that, or take another name")

    def _made(self, size: int, group_id: int | None) -> int:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._draft, dir_fd=self._folder)
        held = self._open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        _give(held, group_id)
        try:
            _reserve(held, size)
        except OSError as error:
            room = os.fstatvfs(held)
            os.close(held)
            if error.errno != errno.ENOSPC:
                raise
            free = room.f_bavail * room.f_frsize
            why = (
                f"needs {size / 1e6:.0f} MB, and {folder()} has {free / 1e6:.0f} MB free: "
                "lower max_bars, ring_size or max_symbols, or set RINGTAPE_SHARED_DIR"
            )
            raise SharedMemoryError(self.name, why) from None
        return held

    def publish(self) -> None:
        """Take the name; readers of the file before are told."""
        os.rename(self._draft, self.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def close(self) -> None:
        """Give the name up, if it is still ours, and then the lock."""
        if self._folder >= 0 and self.fd >= 0 and self._process == os.getpid():
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(self.name, dir_fd=self._folder, follow_symlinks=False)
                if found.st_ino == os.fstat(self.fd).st_ino:
                    os.unlink(self.name, dir_fd=self._folder)
        self.forget()

    def forget(self) -> None:
        """Close what is held open; the lock is given up unless another process has it, too."""
        for name in ("fd", "_lock", "_folder"):
            held = getattr(self, name)
            setattr(self, name, -1)
            if held >= 0:
                os.close(held)

    def __del__(self) -> None:
        self.forget()


# A child that lives on must not hold the lock of a parent that died.
_WRITING: weakref.WeakSet[_Writing] = weakref.WeakSet()


def _forget_in_child() -> None:
    for writing in tuple(_WRITING):
        writing.forget()


os.register_at_fork(after_in_child=_forget_in_child)


class _Reading:
    """The file of an engine elsewhere."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fd = self._folder = -1
        self._folder = _open_folder(name, None)
        try:
            self.fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            there = [one.name for one in folder().iterdir() if _NAME.fullmatch(one.name)]
            near = nearest(name, there) or there
            hint = f"; there is {', '.join(sorted(near))}" if near else ""
            raise SharedMemoryError(name, f"there is none{hint}") from None
        except OSError as error:
            raise SharedMemoryError(name, f"cannot be opened: {error.strerror}") from None
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o022 or not self._is_ours(found):
            raise SharedMemoryError(
                name, "it must be a file of this user or of one of its groups that nobody else may write"
            )
        self._inode = found.st_ino

    @staticmethod
    def _is_ours(found: os.stat_result) -> bool:
        shared = found.st_mode & 0o040 and found.st_gid in {os.getgid(), *os.getgroups()}
        return found.st_uid == os.getuid() or bool(shared)

    def check(self, pid: int, started: int, has_ended: bool) -> None:  # noqa: FBT001 - called by the native module
        """Raise if the writer is gone or was replaced."""
        try:
            named = os.stat(self.name, dir_fd=self._folder, follow_symlinks=False).st_ino
        except FileNotFoundError:
            named = None
        if named not in {None, self._inode}:
            raise WriterReplaced(self.name, "another engine has taken the name: attach again")
        if has_ended or named is None:
            raise WriterGone(self.name, f"its engine has ended (process {pid})")
        if not _is_alive(pid, started):
            raise WriterGone(self.name, f"its writer died (process {pid})")
        if not self._is_locked():
            raise WriterGone(self.name, f"its engine is gone, though process {pid} lives")

    def _is_locked(self) -> bool:
        try:
            lock = os.open(f"{self.name}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def __del__(self) -> None:
        for held in (self.fd, self._folder):
            if held >= 0:
                os.close(held)


def _group(name: str | None) -> int | None:
    if name is None:
        return None
    import grp  # noqa: PLC0415 - few need it

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(f"shared_group: there is no group {name!r} on this machine", "shared_group") from None


def _give(held: int, group_id: int | None) -> None:
    """Let a group read a file."""
    if group_id is not None:
        os.fchown(held, -1, group_id)
        os.fchmod(held, 0o640)


def _reserve(held: int, size: int) -> None:
    """Make a file so large, with all of its space: a full disk is met here and not at the first trade."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(held, 0, size)
    else:
        os.ftruncate(held, size)
