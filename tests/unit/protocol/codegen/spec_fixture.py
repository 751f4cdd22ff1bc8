# SPDX-License-Identifier: Apache-2.0
"""Small specs for tests, written as TOML and loaded as the real one is."""

import tempfile
from pathlib import Path

import model

_TYPES = """
[handle.CUstream]
tag = "CUstream_st"
kind = "stream"
[handle.CUfunction]
tag = "CUfunc_st"
kind = "function"
within = "module"
[errors]
tag = "cudaError_enum"
typedef = "CUresult"
[errors.values]
CUDA_SUCCESS = { value = 0, text = "no error" }
"""


def load(calls, types=_TYPES):
    """A spec of these calls, in a chapter named "chapter"."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in (("types/types.toml", types), ("calls/chapter.toml", calls)):
            path = root / name
            path.parent.mkdir()
            path.write_text(text, encoding="utf-8")
        return model.load(root)
