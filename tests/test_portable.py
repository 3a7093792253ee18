"""Linux, macOS and Windows by construction: what only one of them has is behind a test of the platform, and files are the same bytes.

Read from the sources, since the machines of this suite run Linux; at night a type checker says the same of names.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "simlab").rglob("*.py"))

NOT_EVERYWHERE = {
    "os": {
        "fork", "forkpty", "register_at_fork", "setsid", "setpgid", "setpgrp", "getpgid", "getpgrp", "getsid",
        "killpg", "nice", "wait", "wait3", "wait4", "waitid", "WNOHANG", "getuid", "geteuid", "getgid", "getegid",
        "getgroups", "setuid", "setgid", "getresuid", "initgroups", "getpwuid", "getlogin_r", "sched_getaffinity",
        "sched_setaffinity", "sched_yield", "cpu_set", "getloadavg", "sysconf", "confstr", "uname", "ctermid",
        "ttyname", "openpty", "login_tty", "chown", "lchown", "fchown", "chroot", "mkfifo", "mknod", "statvfs",
        "fstatvfs", "pathconf", "fdatasync", "sync", "posix_fallocate", "posix_fadvise", "posix_spawn", "pread",
        "pwrite", "preadv", "pwritev", "readv", "writev", "sendfile", "memfd_create", "eventfd", "pidfd_open",
        "splice", "copy_file_range", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "O_TMPFILE",
        "O_PATH", "getxattr", "setxattr", "PRIO_PROCESS", "setpriority",
    },
    "signal": {
        "SIGKILL", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGSTOP", "SIGTSTP",
        "SIGCONT", "SIGTTIN", "SIGTTOU", "SIGWINCH", "SIGXCPU", "SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK",
        "pthread_sigmask", "pthread_kill", "alarm", "setitimer", "getitimer", "pause", "sigwait", "sigpending",
        "siginterrupt",
    },
    "socket": {
        "AF_UNIX", "AF_NETLINK", "SO_REUSEPORT",
    },
    "time": {
        "tzset", "clock_gettime",
    },
    "ctypes": {
        "CDLL",
    },
}  # fmt: skip
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix", "readline", "crypt", "select"}
ARGUMENTS = {"preexec_fn", "pass_fds", "process_group"}
STARTS = {"fork", "forkserver"}
PLACES = ("/proc/", "/dev/", "/tmp", "/etc/", "/sys/")
TEXT = {"read_text", "write_text"}


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def asks(node: ast.AST) -> bool:
    """Whether an expression asks which system this is."""
    return any(name in ast.unparse(node) for name in ("sys.platform", "os.name"))


def guarded(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether a node is reached only after a question: in an `if`, after an early return, or in a `try` that expects it to be missing."""
    here = node
    while here in above:
        block = above[here]
        if isinstance(block, ast.If | ast.IfExp) and here is not block.test and asks(block.test):
            return True
        if isinstance(block, ast.Try) and here in block.body:
            caught = " ".join(ast.unparse(handler.type) for handler in block.handlers if handler.type)
            if any(error in caught for error in ("AttributeError", "ImportError", "ModuleNotFoundError", "OSError")):
                return True
        if isinstance(block, ast.FunctionDef) and here in block.body:
            before = block.body[: block.body.index(here)]
            if any(
                isinstance(one, ast.If) and asks(one.test) and isinstance(one.body[-1], ast.Return | ast.Raise)
                for one in before
            ):
                return True
        here = block
    return False


def foreign(node: ast.AST) -> str | None:
    """What a node needs that some systems lack."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.attr in NOT_EVERYWHERE.get(node.value.id, ()):
            return f"{node.value.id}.{node.attr}"
    elif isinstance(node, ast.Import):
        return next((alias.name for alias in node.names if alias.name in MODULES), None)
    elif isinstance(node, ast.ImportFrom):
        names = NOT_EVERYWHERE.get(node.module or "", ())
        return (
            node.module if node.module in MODULES else next((one.name for one in node.names if one.name in names), None)
        )
    elif isinstance(node, ast.keyword) and node.arg in ARGUMENTS and not asks(node.value):
        return f"{node.arg}="
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        return repr(node.value) if node.value in STARTS or node.value.startswith(PLACES) else None
    return None


def unlike(call: ast.Call) -> str | None:
    """What a call leaves to the system's habits: the encoding of a text, or the ends of its lines."""
    name = (
        call.func.attr
        if isinstance(call.func, ast.Attribute)
        else call.func.id
        if isinstance(call.func, ast.Name)
        else ""
    )
    given = {keyword.arg for keyword in call.keywords}
    if name in TEXT:
        here = int(name == "write_text")
        if "encoding" not in given and len(call.args) <= here:
            return f"{name} without an encoding"
        return "write_text without newline=" if here and "newline" not in given and len(call.args) < 4 else None
    mode = mode_of(call)
    if name == "open" and mode is not None and "b" not in mode:
        if "encoding" not in given:
            return "open without an encoding"
        return "open for writing without newline=" if set(mode) & set("wax+") and "newline" not in given else None
    if {"text", "universal_newlines"} & given and "encoding" not in given:
        return "a process that speaks text without an encoding"
    return None


def mode_of(call: ast.Call) -> str | None:
    """How `open(path, "w")` or `path.open("w")` opens a file; None for an `open` of another kind, such as `archive.open(name)`."""
    at = int(isinstance(call.func, ast.Name))  # a function's is the second argument
    words = [*call.args[at : at + 1], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    if not words:
        return "r" if at or not call.args else None
    mode = words[0].value if isinstance(words[0], ast.Constant) else None
    return mode if isinstance(mode, str) and set(mode) <= set("rwabxt+") else None


def breaches(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    above = parents(tree)
    for node in ast.walk(tree):
        what = foreign(node)
        if what and not guarded(node, above):
            yield f"line {getattr(node, 'lineno', '?')}: {what} is not everywhere; ask sys.platform first"
        if isinstance(node, ast.Call) and (habit := unlike(node)):
            yield f"line {node.lineno}: {habit}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "simlab").as_posix())
def test_nothing_is_taken_for_granted(path: Path) -> None:
    assert list(breaches(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import os\nos.fork()", "os.fork"),
        ("import os\nos.kill(1, signal.SIGKILL)", "signal.SIGKILL"),
        ("from signal import SIGHUP", "SIGHUP"),
        ("import fcntl", "fcntl"),
        ("def f():\n    import resource", "resource"),
        ("get_context('fork')", "fork"),
        ("Popen(command, preexec_fn=f)", "preexec_fn"),
        ("Path('/proc/meminfo').read_text('ascii')", "/proc/meminfo"),
        ("path.read_text()", "encoding"),
        ("path.write_text(x)", "encoding"),
        ("path.write_text(x, 'utf-8')", "newline"),
        ("open(path)", "encoding"),
        ("path.open()", "encoding"),
        ("path.open('w', encoding='utf-8')", "newline"),
        ("run(command, text=True)", "encoding"),
        ("if sys.platform == 'linux':\n    pass\nelse:\n    pass\nos.setsid()", "os.setsid"),
    ],
)
def test_a_planted_breach_is_seen(source: str, says: str) -> None:
    (found,) = breaches(source)
    assert says in found


@pytest.mark.parametrize(
    "source",
    [
        "if sys.platform == 'linux':\n    os.fork()",
        "def f():\n    if sys.platform == 'win32':\n        return\n    os.setsid()",
        "try:\n    n = os.sched_getaffinity(0)\nexcept AttributeError:\n    n = 1",
        "Popen(command, preexec_fn=None if sys.platform == 'win32' else f)",
        "try:\n    said = Path('/proc/meminfo').read_text('ascii')\nexcept OSError:\n    said = ''",
        "path.open('rb')",
        "path.write_text(x, 'utf-8', newline='\\n')",
        "archive.open(name)",
        "archive.open(info, 'w')",
        "run(command, text=True, encoding='utf-8')",
        "os.kill(pid, signal.SIGTERM)",
    ],
)
def test_what_is_asked_for_first_is_not_reported(source: str) -> None:
    assert list(breaches(source)) == []


@pytest.mark.nightly
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_types_hold_elsewhere(platform: str, tmp_path: Path) -> None:
    """A type checker knows which names a system has, and of which type; what is never reached there is not reached on purpose."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--platform",
        platform,
        "--no-warn-unreachable",
        "--cache-dir",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
