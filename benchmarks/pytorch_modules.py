#!/usr/bin/env python3
"""The modules of benchmarks/modules_bench.cpp in PyTorch: forward and backward, the median in microseconds:
of one thread its processor time, of several the time that passed.

Usage: pytorch_modules.py [--threads N] [--seconds S]; prints a line of JSON for each module.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn

BATCH = 32


class SelfAttention(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)[0]


class Product(nn.Module):
    """How fast products are: Debian's PyTorch takes those of any libblas.so.3, of which one is forty times as slow."""

    def __init__(self):
        super().__init__()
        self.weight = torch.randn(1024, 1024)

    def forward(self, x):
        return x @ self.weight


class SmallTransformer(nn.Module):
    """The two layers that a small model of characters has."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(65, 128)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(128, 4, 512, 0, batch_first=True), 2,
                                            enable_nested_tensor=False)
        self.out = nn.Linear(128, 65)
        self.mask = nn.Transformer.generate_square_subsequent_mask(64)
        self.y = torch.randint(0, 65, (BATCH * 64,))

    def forward(self, x):
        logits = self.out(self.layers(self.embedding(x), self.mask, is_causal=True))
        return nn.functional.cross_entropy(logits.flatten(0, 1), self.y)


MODULES = {
    "gemm": lambda: (Product(), torch.randn(1024, 1024)),
    "layer_norm": lambda: (nn.LayerNorm(512), (BATCH, 512, 512)),
    "conv2d": lambda: (nn.Conv2d(16, 32, 3, padding=1), (BATCH, 16, 32, 32)),
    "multihead_attention": lambda: (SelfAttention(512, 8, batch_first=True), (BATCH, 128, 512)),
    "transformer_layer": lambda: (nn.TransformerEncoderLayer(512, 8, dropout=0, batch_first=True), (BATCH, 128, 512)),
    "small_transformer": lambda: (SmallTransformer(), torch.randint(0, 65, (BATCH, 64))),
    "max_pool2d": lambda: (nn.MaxPool2d(2), (BATCH, 16, 32, 32)),
    "batch_norm2d": lambda: (nn.BatchNorm2d(16), (BATCH, 16, 32, 32)),
}


def microseconds(module, shape, seconds, clock):
    x = shape if isinstance(shape, torch.Tensor) else torch.randn(shape, requires_grad=True)
    g = torch.randn_like(module(x))

    def step():
        module.zero_grad()
        x.grad = None
        y = module(x)
        if y.requires_grad:
            y.backward(g)

    for _ in range(3):
        step()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = clock()
        step()
        times.append((clock() - start) * 1e6)
    return statistics.median(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    for name, make in MODULES.items():
        if not arguments.names or name in arguments.names:
            print(json.dumps({"name": name, "microseconds": round(microseconds(*make(), arguments.seconds, clock), 1),
                              "peer": f"PyTorch {torch.__version__}"}), flush=True)
