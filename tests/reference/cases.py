"""How a family of cases is computed by PyTorch and written; make.py runs all families.

A case is a row's name, a function of tensors, and its inputs. Floating inputs are numbered x0, x1, …, integer and
boolean ones i0, i1, … (as int64), each in their order. For results y0, y1, … a cotangent v0, v1, … of random numbers is
chosen; g0, g1, … are the gradients of sum(y * v) by the floating inputs, w0, … random directions, and h0, … the gradients of
sum(g * w). Integer results are z0, z1, ….
"""
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

HERE = Path(__file__).parent
INF, NAN = float("inf"), float("nan")


class Family:
    """The cases of one file; `with Family("name") as f:` writes it at the end."""

    def __init__(self, name):
        self.name = name
        self.arrays = {}
        self.counts = {}
        self.random = torch.Generator().manual_seed(sum(map(ord, name)))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            save_file(self.arrays, HERE / f"{self.name}.safetensors")
            print(f"{self.name}: {len(self.counts)} rows, {sum(self.counts.values())} cases")

    def normal(self, *shape):
        return torch.randn(shape, generator=self.random)

    def uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=self.random)

    def integers(self, low, high, *shape):
        return torch.randint(low, high, shape, generator=self.random)

    def add(self, row, function, *inputs, gradient=True, second=True):
        """One more case of a row. An input is a tensor, or (nested lists of) numbers.
        `gradient=False` where there is none, `second=False` where PyTorch has no second derivative."""
        case = self.counts.get(row, 0)
        self.counts[row] = case + 1
        prefix = f"{row}/{case}/"
        inputs = [x if isinstance(x, torch.Tensor) else torch.tensor(x) for x in inputs]
        floating = [x for x in inputs if x.is_floating_point()]
        if gradient:
            for x in floating:
                x.requires_grad_()
        results = function(*inputs)
        results = list(results) if isinstance(results, (tuple, list)) else [results]
        real = [y for y in results if y.is_floating_point()]
        self.put(prefix, "x", floating)
        self.put(prefix, "i", [x.long() for x in inputs if not x.is_floating_point()])
        self.put(prefix, "y", real)
        self.put(prefix, "z", [y.long() for y in results if not y.is_floating_point()])
        if not gradient:
            return
        v = [self.normal(*y.shape) for y in real]
        self.put(prefix, "v", v)
        used = [(y, u) for y, u in zip(real, v) if y.requires_grad]
        total = sum((y * u).sum() for y, u in used)
        g = torch.autograd.grad(total, floating, create_graph=second, allow_unused=True)
        g = [torch.zeros_like(x) if t is None else t for x, t in zip(floating, g)]
        self.put(prefix, "g", g)
        if not second:
            return
        w = [self.normal(*x.shape) for x in floating]
        self.put(prefix, "w", w)
        total = sum((t * u).sum() for t, u in zip(g, w))
        h = torch.autograd.grad(total, floating, allow_unused=True) if total.requires_grad else [None] * len(w)
        self.put(prefix, "h", [torch.zeros_like(x) if t is None else t for x, t in zip(floating, h)])

    def put(self, prefix, letter, tensors):
        for k, t in enumerate(tensors):
            self.arrays[f"{prefix}{letter}{k}"] = t.detach().contiguous().clone()
