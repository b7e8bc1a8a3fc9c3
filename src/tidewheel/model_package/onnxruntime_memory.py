"""What the sessions of a process may hold together: a graph of a few bytes may ask for any number of them.

Shapes that a graph computes (ConstantOfShape, Tile, Range, a tensor joined to itself thirty times) are known only when
it runs, so no inspection of the file finds them all. ONNX Runtime asks an arena for every tensor of numbers, and an
arena with a limit refuses where the process would be killed.
"""

from __future__ import annotations

from functools import cache

import onnxruntime

from tidewheel.model_package.archive import MAXIMUM_BYTES

MEMORY_BYTES = 2 * MAXIMUM_BYTES
"""The largest package, and as much again for what it computes."""

_USE = "session.use_env_allocators"
_AS_DEFAULT = -1
_REFUSALS = ("is smaller than requested bytes", "Failed to allocate memory", "bad_alloc", "supported maximum of")


def bounded_session(data: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session that takes its tensors from this process's arena.

    Constants are not folded: that takes memory beside the arena (ONNX Runtime 1.31), so two nodes of a hostile file
    would take all there is while the file is loaded. Text is held outside of the arena, too; only its pointers are not.

    Args:
        data: the model file.
        options: changed.
    """
    _register()
    options.add_session_config_entry(_USE, "1")
    return onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )


def is_about_memory(error: Exception) -> bool:
    """Whether a session was refused memory."""
    return any(words in str(error) for words in _REFUSALS)


@cache
def _register() -> None:
    """Once in a process: a second registration would be a second arena with the same limit."""
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limits = onnxruntime.OrtArenaCfg(MEMORY_BYTES, _AS_DEFAULT, _AS_DEFAULT, _AS_DEFAULT)
    onnxruntime.create_and_register_allocator(place, limits)
