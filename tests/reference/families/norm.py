"""Normalisation: ordinary values, constant rows, large offsets, NaN, nothing."""
import torch
import torch.nn.functional as F

from cases import INF, NAN, Family

with Family("norm") as f:
    x, w, b = f.normal(3, 5), f.normal(5), f.normal(5)
    for row, function in [("layer_norm", lambda x, *w: F.layer_norm(x, (5,), *w)),
                          ("rms_norm", lambda x, *w: F.rms_norm(x, (5,), *w[:1]))]:
        weights = (w, b) if row == "layer_norm" else (w,)
        f.add(row, function, x)
        f.add(row, function, x, *weights)
        f.add(row, function, torch.full((2, 5), 3.0) + torch.tensor([[0.0], [1.0]]), *weights)  # a variance of 0
        f.add(row, function, 1e6 + f.normal(2, 5), *weights, second=False)
        f.add(row, function, [[1.0, NAN, 2.0, 3.0, 4.0], [1.0, INF, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0, 5.0]],
              second=False)
        f.add(row, function, f.normal(0, 5), *weights)
    f.add("layer_norm axes", lambda x, w, b: F.layer_norm(x, (2, 3), w, b, 1e-2), f.normal(2, 2, 3), f.normal(2, 3),
          f.normal(2, 3))
    f.add("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), f.normal(2, 4, 3), f.normal(4), f.normal(4))
    f.add("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), f.normal(2, 4, 2, 2), f.normal(4), f.normal(4))
    f.add("batch_norm training", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), f.normal(5, 3), f.normal(3),
          f.normal(3))
    f.add("batch_norm training", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), f.normal(2, 3, 2, 2),
          f.normal(3), f.normal(3))
    f.add("batch_norm evaluation", lambda x, w, b, m: F.batch_norm(x, m.detach(), m.detach().exp(), w, b, False),
          f.normal(2, 3, 2), f.normal(3), f.normal(3), f.normal(3))
