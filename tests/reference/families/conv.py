"""Convolutions: strides, padding, dilation, groups; infinities and NaN in image and weight; no images."""
import torch
import torch.nn.functional as F

from cases import INF, NAN, Family

with Family("conv") as f:
    def conv2d(row, image, weight, with_bias=True, **options):
        inputs = [f.normal(*image), f.normal(*weight)] + ([f.normal(weight[0])] if with_bias else [])
        f.add(row, lambda x, w, b=None: F.conv2d(x, w, b, **options), *inputs)

    conv2d("conv2d", (2, 3, 4, 5), (4, 3, 3, 2))
    conv2d("conv2d", (2, 4, 3), (1, 2, 2, 2), with_bias=False)
    conv2d("conv2d", (0, 2, 3, 3), (1, 2, 2, 2))
    conv2d("conv2d padding", (1, 2, 3, 4), (3, 2, 3, 3), padding=(1, 2))
    conv2d("conv2d same", (1, 2, 4, 5), (3, 2, 2, 4), padding="same")
    conv2d("conv2d stride", (2, 2, 5, 7), (3, 2, 3, 3), stride=(2, 3), padding=1)
    conv2d("conv2d dilation", (1, 2, 5, 7), (3, 2, 2, 3), dilation=(2, 3), padding=2, stride=2)
    conv2d("conv2d groups", (1, 4, 3, 4), (6, 2, 2, 2), groups=2)
    x = f.normal(1, 1, 3, 20)
    x[0, 0, 1, 4], x[0, 0, 2, 17] = INF, NAN
    f.add("conv2d padding", lambda x, w: F.conv2d(x, w, padding=(1, 2)), x, f.normal(2, 1, 3, 3), second=False)
    w = f.normal(2, 1, 3, 3)
    w[0, 0, 0, 1] = INF
    f.add("conv2d padding", lambda x, w: F.conv2d(x, w, padding=(1, 2)), f.normal(1, 1, 3, 20), w, second=False)
    f.add("conv1d", lambda x, w, b: F.conv1d(x, w, b), f.normal(2, 3, 6), f.normal(4, 3, 3), f.normal(4))
    f.add("conv1d options", lambda x, w, b: F.conv1d(x, w, b, 2, 2, 2, 2), f.normal(2, 4, 9), f.normal(4, 2, 3),
          f.normal(4))
    f.add("conv1d same", lambda x, w: F.conv1d(x, w, padding="same"), f.normal(1, 2, 6), f.normal(2, 2, 4))
    f.add("conv_transpose2d", lambda x, w, b: F.conv_transpose2d(x, w, b), f.normal(2, 3, 3, 4), f.normal(3, 2, 3, 2),
          f.normal(2))
    f.add("conv_transpose2d options", lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), 1, (1, 2), 2, (1, 2)),
          f.normal(1, 4, 3, 3), f.normal(4, 2, 3, 2), f.normal(4))
