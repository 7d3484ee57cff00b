"""Pooling and resizing: windows that overlap, stick out or are padded; ties, infinities, NaN; sizes that do not divide."""
import torch
import torch.nn.functional as F

from cases import INF, NAN, Family

with Family("pool") as f:
    x = f.normal(2, 2, 5, 6)

    def max_pool(row, x, *a, second=True, **k):
        f.add(row, lambda x: F.max_pool2d(x, *a, return_indices=True, **k), x.clone(), second=second)

    max_pool("max_pool2d", x, 2)
    max_pool("max_pool2d", x[0], 2)
    max_pool("max_pool2d", torch.tensor([[[1.0, 1.0, NAN, 2.0], [1.0, 1.0, 3.0, NAN]]]), 2, second=False)
    max_pool("max_pool2d", torch.tensor([[[-INF, -INF, INF, 2.0], [-INF, -INF, 3.0, INF]]]), 2)
    max_pool("max_pool2d options", x, (3, 2), (2, 1), (1, 0), (1, 2))
    max_pool("max_pool2d ceil", x, 2, 2, 1, ceil_mode=True)
    max_pool("max_pool2d ceil", f.normal(1, 1, 4, 7), 2, 2, 1, ceil_mode=True)
    f.add("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), f.normal(2, 2, 7))
    f.add("avg_pool2d", lambda x: F.avg_pool2d(x, 2), x.clone())
    f.add("avg_pool2d", lambda x: F.avg_pool2d(x, 2), [[[1.0, INF, NAN, 2.0], [1.0, 1.0, 3.0, 2.0]]])
    f.add("avg_pool2d ceil", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), x.clone())
    f.add("avg_pool2d ceil", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), f.normal(1, 1, 4, 8))
    f.add("avg_pool2d not counted", lambda x: F.avg_pool2d(x, (2, 3), 2, 1, True, False), x.clone())
    f.add("avg_pool2d divisor", lambda x: F.avg_pool2d(x, 2, divisor_override=3), x.clone())
    f.add("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2, 1), f.normal(2, 2, 7))
    f.add("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 4)), x.clone())
    f.add("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 4)), f.normal(1, 1, 3))
    y = f.normal(1, 1, 4, 6)
    y[0, 0, 0, 0], y[0, 0, 3, 5] = INF, NAN
    f.add("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 4)), y)
    f.add("nearest size", lambda x: F.interpolate(x, (7, 4)), x.clone())
    f.add("nearest factor", lambda x: F.interpolate(x, scale_factor=2.5), x.clone())
    f.add("nearest factor", lambda x: F.interpolate(x, scale_factor=0.5), f.normal(1, 2, 7))
    f.add("bilinear size", lambda x: F.interpolate(x, (7, 4), mode="bilinear"), x.clone())
    f.add("bilinear factor", lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), x.clone())
    f.add("bilinear corners", lambda x: F.interpolate(x, (7, 1), mode="bilinear", align_corners=True), x.clone())
    f.add("linear", lambda x: F.interpolate(x, scale_factor=3, mode="linear"), f.normal(1, 2, 5))
