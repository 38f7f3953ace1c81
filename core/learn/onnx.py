"""ONNX files of others: what they may not hold is looked for before any parser sees them.

The form is that of Protocol Buffers; numbers of fields are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.learn.architectures import EXTRA, Known

DOMAINS = ("", "ai.onnx")
DEEP = 8  # graphs within nodes within graphs
_GRAPH, _OPSETS, _FUNCTIONS = 7, 8, 25  # of a model
_NODES, _INITIALIZERS, _SPARSE = 1, 5, 15  # of a graph
_ATTRIBUTES, _DOMAIN = 5, 7  # of a node
_ONE_TENSOR, _ONE_GRAPH, _TENSORS, _GRAPHS = 5, 6, 10, 11  # of an attribute
_EXTERNAL, _LOCATION = 13, 14  # of a tensor


def check(data: bytes) -> None:
    """Raises ValueError in one sentence for files with parts elsewhere or operators of others."""
    try:
        fields = list(_fields(memoryview(data)))
        graphs = [value for number, value in fields if number == _GRAPH]
    except (IndexError, ValueError):
        raise ValueError("it is damaged, or no ONNX file") from None
    if not graphs:
        raise ValueError("it is damaged, or no ONNX file")
    if any(number == _FUNCTIONS for number, _ in fields):
        raise ValueError("it brings functions of its own: export it without them")
    for number, value in fields:
        if number == _OPSETS:
            _known(value, 1)
    for graph in graphs:
        _check_graph(graph, 0)


def _check_graph(graph: Any, depth: int) -> None:
    if depth > DEEP:
        raise ValueError("its graphs lie too deep in each other")
    for number, value in _fields(graph):
        if number == _INITIALIZERS:
            _check_tensor(value)
        elif number == _SPARSE:
            raise ValueError("it has sparse weights: export it with dense ones")
        elif number == _NODES:
            _known(value, _DOMAIN)
            for of_node, attribute in _fields(value):
                if of_node != _ATTRIBUTES:
                    continue
                for of_attribute, part in _fields(attribute):
                    if of_attribute in (_ONE_GRAPH, _GRAPHS):
                        _check_graph(part, depth + 1)
                    elif of_attribute in (_ONE_TENSOR, _TENSORS):
                        _check_tensor(part)


def _check_tensor(tensor: Any) -> None:
    for number, value in _fields(tensor):
        if number == _EXTERNAL or (number == _LOCATION and value):
            raise ValueError("its weights lie in another file: export it with all in one")


def _known(message: Any, field: int) -> None:
    for number, value in _fields(message):
        if number == field and bytes(value).decode("utf-8", "replace") not in DOMAINS:
            name = bytes(value[:40]).decode("utf-8", "replace")
            raise ValueError(f"it needs operators of {name!r}, which may be any program")


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an int, or a view of bytes."""
    if isinstance(message, int):
        raise ValueError("not a message")
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = message[at : at + size], at + size
        elif kind == 2:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        else:
            raise ValueError("no such kind of field")
        if at > len(message):
            raise IndexError("cut off")
        yield key >> 3, value


def _varint(message: Any, at: int) -> tuple[int, int]:
    found = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, at
    raise ValueError("a number that does not end")


def opened(path: Path) -> Known:
    """The network of a file, on ONNX Runtime. Raises ValueError in one sentence."""
    data = path.read_bytes()
    check(data)
    try:
        runtime: Any = import_module("onnxruntime")
    except ImportError:
        raise ValueError(f"ONNX files need ONNX Runtime: {EXTRA}") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = str(error).splitlines()[0][:120]
        raise ValueError(f"ONNX Runtime cannot load it ({reason})") from None
    inputs: list[Any] = session.get_inputs()
    outputs: list[Any] = session.get_outputs()
    shape: list[Any] = inputs[0].shape if inputs else []
    wrong = len(shape) != 4 or len(outputs) != 1 or not 1 <= len(inputs) <= 2
    if wrong or any(each.type != "tensor(float)" for each in inputs):
        raise ValueError("it must take a picture (N, C, H, W), perhaps sigma, as float32")
    channels = shape[1] if isinstance(shape[1], int) else 0
    if channels not in (1, 3):
        raise ValueError("it takes neither grey nor RGB pictures")
    edges = {size for size in shape[2:] if isinstance(size, int)}
    if len(edges) > 1:
        raise ValueError("it takes pictures of one size that are not square")
    edge = min(edges, default=0)

    def call(x: torch.Tensor, sigma: float) -> torch.Tensor:
        given = {inputs[0].name: np.ascontiguousarray(x.numpy())}
        if len(inputs) == 2:
            given[inputs[1].name] = _level(inputs[1].shape, x, sigma)
        return torch.as_tensor(session.run(None, given)[0])

    return Known("onnx", channels, len(inputs) == 2, call, 0, 1, edge)


def _level(shape: list[Any], x: torch.Tensor, sigma: float) -> Any:
    """Sigma in the shape that the network wants: a number, a row, or a map."""
    sizes = [size if isinstance(size, int) else 0 for size in shape]
    known = [len(x), 1, *x.shape[-2:]] if len(sizes) == 4 else [1] * len(sizes)
    return np.full([a or b for a, b in zip(sizes, known, strict=True)], sigma, np.float32)
