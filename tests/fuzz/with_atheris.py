"""The same target for libFuzzer, where atheris is installed (it is in no lock).

    python -m tests.fuzz.with_atheris FOLDER [-max_total_time=600]

The corpus is written into FOLDER first, and what libFuzzer adds to it stays there.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["simlab.scenario", "ruamel.yaml"]):
    from tests.fuzz.reader import check, corpus

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for text in corpus():
    (folder / hashlib.sha256(text).hexdigest()[:16]).write_bytes(text)
atheris.Setup([sys.argv[0], str(folder), "-max_len=8000", *sys.argv[2:]], check)
atheris.Fuzz()
