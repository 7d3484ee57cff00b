"""Elementwise functions and activations: ordinary values, kinks, ties, infinities, NaN, poles, nothing."""
import torch
import torch.nn.functional as F

from cases import INF, NAN, Family

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.0, 3.0, 6.0, 30.0, -30.0, INF, -INF, NAN]

with Family("elementwise") as f:
    def unary(row, function, low=-3.0, high=3.0, special=SPECIAL, second=True):
        f.add(row, function, f.uniform(low, high, 2, 6), second=second)
        f.add(row, function, f.uniform(low, high, 0, 3), second=second)
        if special:
            f.add(row, function, special, second=second)

    unary("log2", torch.log2, 0.1, 5)
    unary("log10", torch.log10, 0.1, 5)
    unary("exp2", torch.exp2)
    unary("asinh", torch.asinh, -5, 5, SPECIAL[:-3] + [1e-9, 1e12, -1e12])
    unary("acosh", torch.acosh, 1.1, 5, [1.0 + 1e-10, 3.0, 1e12, 0.5, NAN])
    unary("atanh", torch.atanh, -0.9, 0.9, [1e-9, 0.999999, -0.999999, 2.0, NAN])
    unary("erfinv", torch.erfinv, -0.9, 0.9, [0.0, 1e-12, 0.499, 0.501, 0.99999999, -0.9999, 2.0, NAN])
    f.add("erfinv", torch.erfinv, [1.0, -1.0], gradient=False)
    unary("lgamma", torch.lgamma, 0.1, 8, [1.0, 2.0, 0.5, 1e-5, 171.0, 1e10, -0.5, -1.5, -2.7, NAN])
    f.add("lgamma", torch.lgamma, [0.0, -1.0, -2.0], gradient=False)
    unary("digamma", torch.digamma, 0.1, 8, [1.0, 0.5, 1.4616, 1e-3, 1e6, -0.5, -1.3, -7.7, NAN])
    f.add("digamma", torch.digamma, [0.0, -0.0, -1.0, INF], gradient=False)
    for n in [1, 2, 3]:
        unary(f"polygamma {n}", lambda x, n=n: torch.polygamma(n, x), 0.3, 8, [1.0, 40.0, 1e3])
    f.add("polygamma 1", lambda x: torch.polygamma(1, x), [-0.3, -2.6, -1.0, 0.0], gradient=False)
    for name in ["floor", "ceil", "trunc", "round"]:
        unary(name, getattr(torch, name), special=SPECIAL + [1.5, -1.5, -2.5, 1e17, 0.49999999999999994])
    for name in ["isnan", "isinf", "isfinite"]:
        f.add(name, getattr(torch, name), SPECIAL, gradient=False)

    def binary(row, function, *special, second=True):
        f.add(row, function, f.normal(2, 3), f.normal(3))
        f.add(row, function, f.normal(2, 1), f.normal(1, 4))
        if special:
            f.add(row, function, *special, second=second)

    binary("logaddexp", torch.logaddexp, [1.0, 0.0, 1000.0, -1000.0, -INF, 2.0, NAN],
           [1.0, 2.0, 999.0, 5.0, 3.0, -INF, 1.0])
    f.add("logaddexp", torch.logaddexp, [INF, -INF], [INF, -INF], gradient=False)
    binary("hypot", torch.hypot, [3.0, 0.0, -2.0, 1e-9, 2.0, NAN], [4.0, 2.0, 2.0, 0.0, 0.0, 1.0])
    f.add("hypot", torch.hypot, [1e300, 1e-300, INF, 0.0, INF], [1e300, 1e-300, NAN, 0.0, -INF], gradient=False)
    for name in ["fmod", "remainder"]:
        binary(name, getattr(torch, name), [5.5, -5.5, 5.5, -5.5, 0.0, 6.0, NAN],
               [2.0, 2.0, -2.0, -2.0, 3.0, 3.0, 1.0])
        f.add(name, getattr(torch, name), [1.0, 5.0, INF, 3.0, 1e17, -1e-20], [0.1, 0.0, 2.0, INF, 3.0, 3.0],
              gradient=False)
    binary("clamp_min", lambda x, a: torch.clamp(x, min=a), [1.0, 2.0, 3.0, 1.0, -INF], [2.0, 2.0, 2.0, NAN, 0.0])
    binary("clamp_max", lambda x, a: torch.clamp(x, max=a), [1.0, 2.0, 3.0, 1.0, INF], [2.0, 2.0, 2.0, NAN, 0.0])
    f.add("clamp", torch.clamp, f.normal(3, 4), f.normal(4) - 1, f.normal(3, 1) + 1)
    f.add("clamp", torch.clamp, [0.0, 1.0, 2.0, 3.0, 1.0], [1.0, 1.0, 1.0, 4.0, 2.0], [2.0, 2.0, 2.0, 5.0, 0.0])
    f.add("clamp by numbers", lambda x: torch.clamp(x, -0.5, 1.0), SPECIAL[:-1])
    for name in ["and", "or", "xor"]:
        f.add(f"logical_{name}", getattr(torch, f"logical_{name}"), [0.0, 1.0, 0.0, NAN, 2.0], [0.0, 0.0, 3.0, 0.0, 1.0],
              gradient=False)
    f.add("logical_not", torch.logical_not, SPECIAL, gradient=False)

    unary("logsigmoid", F.logsigmoid)
    unary("hardtanh", F.hardtanh)
    unary("hardtanh -2, 0.5", lambda x: F.hardtanh(x, -2, 0.5))
    unary("relu6", F.relu6, -2, 8)
    unary("hardsigmoid", F.hardsigmoid, -5, 5, second=False)
    unary("hardswish", F.hardswish, -5, 5)
    unary("selu", F.selu)
    unary("celu 1.5", lambda x: F.celu(x, 1.5))
    unary("mish", F.mish, special=SPECIAL[:-3])
    unary("softsign", F.softsign, special=SPECIAL[:-3] + [NAN])
    unary("tanhshrink", F.tanhshrink)
    unary("hardshrink", F.hardshrink)
    unary("softshrink", F.softshrink)
    unary("threshold 0.5, 20", lambda x: F.threshold(x, 0.5, 20))
    f.add("glu", F.glu, f.normal(3, 4))
    f.add("glu axis 0", lambda x: F.glu(x, 0), f.normal(4, 3))
    f.add("prelu", F.prelu, f.normal(2, 3, 2), f.normal(3))
    f.add("prelu", F.prelu, [0.0, -1.0, 2.0, NAN, -INF], [0.25])
