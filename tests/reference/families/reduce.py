"""Reductions and softmax: ordinary values, ties, infinities, NaN, nothing."""
import torch

from cases import INF, NAN, Family

with Family("reduce") as f:
    def both(row, function, **options):
        f.add(row, function, f.normal(2, 3, 4), **options)
        f.add(row, function, f.normal(1, 1, 1), **options)

    for name in ["sum", "mean", "amax", "amin", "logsumexp"]:
        both(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1))
        both(f"{name} axes 0, 2, kept", lambda x, name=name: getattr(torch, name)(x, (0, 2), keepdim=True))
    both("prod axis 1", lambda x: torch.prod(x, 1))
    f.add("prod axis 1", lambda x: torch.prod(x, 1), [[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]])
    f.add("prod", torch.prod, [1e-12, 1.7])
    for name in ["amax", "amin"]:
        f.add(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1), [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
        f.add(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1), [[INF, 1.0, INF], [-INF, -INF, 0.0]])
        f.add(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1), [[1.0, NAN, 3.0], [NAN, NAN, 0.0]])
    f.add("logsumexp axis 1", lambda x: torch.logsumexp(x, 1), [[1000.0, 999.0, -1000.0], [-INF, 2.0, 1.0]])
    f.add("var axis 1", lambda x: torch.var(x, 1), f.normal(2, 3, 4))
    f.add("var axes 0, 2, correction 0, kept", lambda x: torch.var(x, (0, 2), correction=0, keepdim=True),
          f.normal(2, 3, 4))
    f.add("stddev", lambda x: torch.std(x), f.normal(7))
    for p in ["1", "2", "inf"]:
        f.add(f"norm {p} axis 0", lambda x, p=p: torch.linalg.vector_norm(x, float(p), 0), f.normal(3, 4))
        f.add(f"norm {p} axis 0", lambda x, p=p: torch.linalg.vector_norm(x, float(p), 0), [[3.0, NAN], [-4.0, 1.0]],
              second=False)
    both("cumsum axis 1", lambda x: torch.cumsum(x, 1))
    for name in ["softmax", "log_softmax"]:
        both(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1))
        f.add(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1), [[1000.0, 999.0, -1000.0]])
    f.add("argmin axis 1", lambda x: torch.argmin(x, 1), [[1.0, NAN, 3.0], [2.0, 1.0, 2.0]], gradient=False)
    f.add("argmax axis 1", lambda x: torch.argmax(x, 1), [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], gradient=False)
