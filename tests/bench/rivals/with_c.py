"""The reference world fused in C (`limit.c`), compiled here with the machine's own compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.bench.rivals.market import Dealt, Parameters

# Not `-ffast-math`: linked into a library it sets denormal numbers to 0 in the whole process that loads it.
LOOSE = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-ffinite-math-only")
FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", *LOOSE, "-shared", "-fPIC")


class _Town(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in Parameters._fields[:3]),
        *((name, ctypes.c_double) for name in Parameters._fields[3:]),
    ]


class _Dealt(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in Dealt._fields]


@cache
def library(name: str) -> ctypes.CDLL:
    """A C file beside this one, compiled and loaded; raises FileNotFoundError where no compiler is."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("no C compiler: sudo apt-get install gcc")
    with TemporaryDirectory() as folder:
        made = Path(folder) / f"{name}.so"
        source = Path(__file__).with_name(f"{name}.c")
        for vector in (["-lmvec"], []):  # the vector library is part of glibc only
            done = subprocess.run(
                [compiler, *FLAGS, "-o", made, source, *vector, "-lm"], capture_output=True, text=True
            )
            if not done.returncode:
                return ctypes.CDLL(str(made))
    raise OSError(done.stderr)


class Town:
    """`replications` at once, one after the other; with `ziggurat`, beliefs are drawn by NumPy's own generator of exact normals."""

    def __init__(
        self, p: Parameters, dealt: Dealt | None = None, replications: int = 1, *, ziggurat: bool = False
    ) -> None:
        self.play_ = library("limit").play
        self.play_.restype = ctypes.c_double
        self.town, self.replications = _Town(*p), replications
        self.dealt = None if dealt is None else [np.ascontiguousarray(each) for each in dealt]
        self.scratch = np.empty(p.agents)
        self.fill, self.generator = None, None
        if ziggurat:
            # NumPy exports it for Cython, cffi and ctypes: "Extending", reference of numpy.random.
            self.fill = ctypes.CDLL(np.random._generator.__file__).random_standard_normal_fill
            self.bits = np.random.SFC64(1)
            self.generator = self.bits.ctypes.bit_generator
        self.loss = 0.0

    def play(self, ticks: int) -> list[float]:
        theta = np.empty((self.replications, ticks))
        dealt = None if self.dealt is None else ctypes.byref(_Dealt(*(each.ctypes.data for each in self.dealt)))
        self.loss = self.play_(
            ctypes.byref(self.town),
            ctypes.c_int64(self.replications),
            ctypes.c_int64(ticks),
            ctypes.c_uint64(1),
            dealt,
            ctypes.cast(self.fill, ctypes.c_void_p) if self.fill else None,
            self.generator,
            self.scratch.ctypes.data_as(ctypes.c_void_p),
            theta.ctypes.data_as(ctypes.c_void_p),
        )
        return theta.mean(axis=0).tolist()
