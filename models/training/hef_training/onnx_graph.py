"""A small builder of ONNX graphs with ONNX Runtime's fused operators (com.microsoft), weights inside the file or, streamed, beside it.

Linear layers come in four precisions: `fp32`; `int8` and `int4`, weights in blocks of 32 with activations quantised per row
(MatMulNBits, so that cached and full decoding agree); `int8-dynamic`, 8-bit weights per column with one activation scale per
call (DynamicQuantizeMatMul: faster to prefill, coarser, and its result depends on what else is in the call).
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"
OPSET = 17
BLOCK = 32
FAR = 2**31 - 1
EXTERNAL_FROM = 4096  # bytes; smaller tensors stay in the graph
PAGE = 4096  # where a tensor begins in a file of weights, so that it can be mapped
PIECE_ROWS = 8192  # rows of a matrix that are quantised at a time


class Graph:
    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.known: set[str] = set()

    def input(self, name: str, kind: int, shape: list[str | int]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: list[str | int]) -> str:
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def const(self, name: str, value: np.ndarray) -> str:
        if name not in self.known:
            self.known.add(name)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def i64(self, *values: int) -> str:
        return self.const("i64_" + "_".join(map(str, values)), np.array(values, np.int64))

    def op(self, kind: str, inputs: list[str], outputs: list[str] | int = 1, domain: str = "", **attributes) -> str | list[str]:
        """Adds a node; returns its output name, or the list of them."""
        base = f"{kind}_{len(self.nodes)}"
        names = outputs if isinstance(outputs, list) else [f"{base}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=base, domain=domain, **attributes))
        return names[0] if len(names) == 1 else names

    def linear(self, x: str, name: str, weight: np.ndarray, bias: np.ndarray | None, precision: str) -> str:
        """y = x W^T + b with `weight` [out, in], as PyTorch keeps it."""
        rows, columns = weight.shape
        if precision in ("int8", "int4"):
            bits = int(precision[3:])
            packed, scales = quantize_blocks(weight, bits)
            inputs = [x, self.const(name + "_q", packed), self.const(name + "_s", scales)]
            y = self.op("MatMulNBits", inputs, domain=MS, K=columns, N=rows, bits=bits, block_size=BLOCK, accuracy_level=4)
        elif precision == "int8-dynamic":
            scales = np.abs(weight).max(1) / 127 + 1e-12
            packed = np.clip(np.rint(weight / scales[:, None]), -127, 127).astype(np.int8).T
            zero = self.const(f"zero_{rows}", np.zeros(rows, np.int8))
            y = self.op("DynamicQuantizeMatMul", [x, self.const(name + "_q", packed), self.const(name + "_s", scales.astype(np.float32)), zero], domain=MS)
        else:
            y = self.op("MatMul", [x, self.const(name, weight.T.astype(np.float32))])
        return y if bias is None else self.op("Add", [y, self.const(name + "_b", bias.astype(np.float32))])

    def embedding(self, ids: str, name: str, table: np.ndarray) -> str:
        """fp16 table, f32 result."""
        rows = self.op("Gather", [self.const(name, table.astype(np.float16)), ids], axis=0)
        return self.op("Cast", [rows], to=TensorProto.FLOAT)

    def rms(self, x: str, name: str, weight: np.ndarray, epsilon: float) -> str:
        return self.op("SimplifiedLayerNormalization", [x, self.const(name, weight.astype(np.float32))], axis=-1, epsilon=epsilon)

    def skip_rms(self, x: str, skip: str, name: str, weight: np.ndarray, epsilon: float) -> tuple[str, str]:
        """(normed, x + skip)."""
        normed, total = f"{name}_normed", f"{name}_sum"
        self.op("SkipSimplifiedLayerNormalization", [x, skip, self.const(name, weight.astype(np.float32))], [normed, "", "", total], MS, epsilon=epsilon)
        return normed, total

    def unit(self, x: str) -> str:
        norm = self.op("ReduceL2", [x], axes=[-1], keepdims=1)
        return self.op("Div", [x, norm])

    def rename(self, x: str, name: str) -> None:
        self.op("Identity", [x], [name])

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MS, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hef-training")


class StreamedGraph(Graph):
    """A graph whose large tensors go to a file beside it as they come: one of them in memory at a time, and no limit of 2 GB."""

    def __init__(self, name: str, weights: Path) -> None:
        super().__init__(name)
        self.weights = weights
        weights.write_bytes(b"")

    def const(self, name: str, value: np.ndarray) -> str:
        if name in self.known or value.nbytes < EXTERNAL_FROM:
            return super().const(name, value)
        self.known.add(name)
        with self.weights.open("r+b") as file:
            offset = -(-file.seek(0, 2) // PAGE) * PAGE
            file.seek(offset)
            np.ascontiguousarray(value).tofile(file)
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(value.dtype), dims=value.shape, data_location=TensorProto.EXTERNAL)
        for key, said in (("location", self.weights.name), ("offset", offset), ("length", value.nbytes)):
            tensor.external_data.add(key=key, value=str(said))
        self.initializers.append(tensor)
        return name


def quantize_blocks(weight: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """[out, in] -> (uint8 [out, in/32, 32 · bits / 8] with zero point 2^(bits-1), low half first; f32 scales [out * in/32])."""
    rows, columns = weight.shape
    if columns % BLOCK:
        raise ValueError(f"int{bits} weights need an input size divisible by {BLOCK}, got {columns}")
    if rows > PIECE_ROWS:  # a vocabulary: its temporaries would take several times its own memory
        pieces = [quantize_blocks(weight[at : at + PIECE_ROWS], bits) for at in range(0, rows, PIECE_ROWS)]
        return np.concatenate([packed for packed, _ in pieces]), np.concatenate([scales for _, scales in pieces])
    blocks = weight.reshape(rows, columns // BLOCK, BLOCK)
    zero = 2 ** (bits - 1)
    scales = np.abs(blocks).max(-1, keepdims=True) / (zero - 1) + 1e-12
    packed = (np.clip(np.rint(blocks / scales), 1 - zero, zero - 1) + zero).astype(np.uint8)
    if bits == 4:
        packed = packed[..., ::2] | packed[..., 1::2] << 4
    return packed, scales.reshape(-1).astype(np.float32)
