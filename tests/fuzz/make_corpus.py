#!/usr/bin/env python3
"""Writes the inputs that the fuzz targets start from: corpus/READER/NAME, a few KB in all."""
import json
import pathlib
import struct

here = pathlib.Path(__file__).parent / "corpus"


def write(reader, name, data):
    (here / reader).mkdir(parents=True, exist_ok=True)
    (here / reader / name).write_bytes(data)


def safetensors(tensors, metadata=None):
    """tensors: name, type, shape, bytes."""
    header, values = {"__metadata__": metadata} if metadata else {}, b""
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(values), len(values) + len(data)]}
        values += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + values


def npy(descr, shape, data, fortran=False, version=1):
    text = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + struct.pack("<BBH" if version == 1 else "<BBI", version, 0, len(text)) + text + data


def char_rnn(cell, gates, dtype, layers=1):
    hidden, characters = 2, 3
    size = {"F16": 2, "F32": 4}[dtype]
    shapes = {"fc.weight": [characters, hidden], "fc.bias": [characters]}
    for k in range(layers):
        shapes[f"rnn.weight_ih_l{k}"] = [gates * hidden, hidden if k else characters]
        shapes[f"rnn.weight_hh_l{k}"] = [gates * hidden, hidden]
        shapes[f"rnn.bias_ih_l{k}"] = shapes[f"rnn.bias_hh_l{k}"] = [gates * hidden]
    tensors = []
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        tensors.append((name, dtype, shape, bytes(range(count)) * size))
    metadata = {"model": "xgrad.char_rnn", "cell": cell, "hidden": str(hidden), "layers": str(layers),
                "dropout": "0.5", "text_unit": "code_point" if layers == 1 else "byte", "vocabulary": "ab\u00e9"}
    return safetensors(tensors, metadata)


sizes = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
         "F64": 8, "I64": 8, "U64": 8}
write("safetensors", "types", safetensors([(t.lower(), t, [2], bytes(2 * n)) for t, n in sizes.items()]))
write("safetensors", "metadata", safetensors([("a.b", "F32", [], bytes(4)), ("empty", "F64", [0, 3], b"")],
                                             {"text": "\u00e9\n\"\\", "": ""}))
write("safetensors", "nothing", safetensors([]))
write("npy", "f8", npy("<f8", (2,), bytes(16)))
write("npy", "f4_fortran", npy("<f4", (2, 3, 1), bytes(24), fortran=True))
write("npy", "f2_version3", npy("<f2", (), bytes(2), version=3))
write("npy", "u8", npy("<u8", (1, 2), bytes(16)))
write("npy", "b1_empty", npy("|b1", (0, 7), b"", version=2))
write("char_rnn", "lstm", char_rnn("lstm", 4, "F32"))
write("char_rnn", "gru_half", char_rnn("gru", 3, "F16", layers=2))
write("char_rnn", "rnn", char_rnn("rnn", 1, "F32"))
