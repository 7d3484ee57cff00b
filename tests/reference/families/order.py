"""Order, places, parts of matrices, repeats: ordinary values, ties, infinities, NaN, nothing."""
import torch

from cases import INF, NAN, Family

TIES = [[1.0, 3.0, 3.0, -2.0], [2.0, 2.0, 2.0, 2.0]]
SPECIAL = [[INF, 1.0, INF, -INF], [-INF, -INF, 0.0, -INF]]
NANS = [[1.0, NAN, 3.0, -INF], [NAN, NAN, 0.0, INF]]

with Family("order") as f:
    def order(row, function, *special):
        f.add(row, function, f.normal(3, 5))
        f.add(row, function, f.normal(0, 5))
        for values in special:
            f.add(row, function, values)

    order("max axis 1", lambda x: torch.max(x, 1), TIES, SPECIAL, NANS)
    order("min axis 1, kept", lambda x: torch.min(x, 1, keepdim=True), TIES, SPECIAL, NANS)
    f.add("max", torch.max, TIES)
    f.add("min", torch.min, TIES)
    order("sort", lambda x: torch.sort(x, stable=True), TIES, SPECIAL, NANS)
    order("sort axis 0, descending", lambda x: torch.sort(x, dim=0, descending=True, stable=True), TIES, SPECIAL, NANS)
    f.add("argsort", lambda x: torch.argsort(x, stable=True), f.normal(3, 5), gradient=False)
    f.add("topk 2", lambda x: torch.topk(x, 2), f.normal(3, 5))
    f.add("topk 2", lambda x: torch.topk(x, 2)[0], NANS, gradient=False)
    f.add("topk 2 smallest", lambda x: torch.topk(x, 2, largest=False), f.normal(3, 5))
    order("kthvalue 2", lambda x: torch.kthvalue(x, 2))
    f.add("kthvalue 4", lambda x: torch.kthvalue(x, 4)[0], NANS)
    order("median axis 1", lambda x: torch.median(x, 1))
    f.add("median axis 1, values", lambda x: torch.median(x, 1)[0], TIES, gradient=False)
    f.add("median axis 1, values", lambda x: torch.median(x, 1)[0], NANS, gradient=False)
    f.add("median", torch.median, f.normal(3, 4))
    order("cummax axis 1", lambda x: torch.cummax(x, 1), TIES, SPECIAL, NANS)
    order("cummin axis 1", lambda x: torch.cummin(x, 1), TIES, SPECIAL, NANS)
    order("cumprod axis 1", lambda x: torch.cumprod(x, 1), [[2.0, 0.0, 3.0, 0.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0]])
    order("logcumsumexp axis 1", lambda x: torch.logcumsumexp(x, 1), [[1000.0, 999.0, -1000.0], [3.0, -1000.0, 1e-3]])
    f.add("logcumsumexp axis 1", lambda x: torch.logcumsumexp(x, 1), [[-INF, -INF, 1.0], [INF, 1.0, NAN]], gradient=False)
    f.add("unique", lambda x: torch.unique(x, return_inverse=True, return_counts=True), TIES, gradient=False)
    for name in ["any", "all"]:
        f.add(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1), [[0.0, NAN], [0.0, 0.0], [1.0, 2.0]],
              gradient=False)
        f.add(f"{name} axis 1", lambda x, name=name: getattr(torch, name)(x, 1), f.normal(3, 0), gradient=False)

    places = torch.tensor([[2, 0], [1, 2]])
    f.add("take_along_dim axis 0", lambda x, i: torch.take_along_dim(x, i, 0), f.normal(3, 1), places)
    f.add("scatter axis 0", lambda x, i, s: torch.scatter(x, 0, i, s), f.normal(3, 2), places, f.normal(2, 2))
    f.add("scatter axis 0, number", lambda x, i: torch.scatter(x, 0, i, 3.0), f.normal(3, 2), places)
    f.add("scatter_add axis 1", lambda x, i, s: torch.scatter_add(x, 1, i, s), f.normal(2, 3), places, f.normal(2, 2))
    f.add("index_add axis 1", lambda x, i, s: torch.index_add(x, 1, i, s, alpha=-0.5), f.normal(2, 3),
          torch.tensor([2, 0, 2, 2]), f.normal(2, 4))
    f.add("index", lambda x, i, j: x[i, j], f.normal(3, 4, 2), torch.tensor([[0], [2]]), torch.tensor([3, 0, 0]))
    f.add("index_put", lambda x, i, j, s: torch.index_put(x, (i, j), s), f.normal(3, 4, 2), torch.tensor([0, 2]),
          torch.tensor([3, 0]), f.normal(2, 2))
    f.add("index_put added", lambda x, i, s: torch.index_put(x, (i,), s, accumulate=True), f.normal(3, 2),
          torch.tensor([0, 2, 0]), f.normal(3, 2))
    f.add("masked_select", lambda x, m: torch.masked_select(x, m.bool()), f.normal(2, 3), torch.tensor([[1, 0, 1], [0, 0, 1]]))
    f.add("masked_select", lambda x, m: torch.masked_select(x, m.bool()), f.normal(2, 3), torch.tensor([0, 1, 1]))
    f.add("nonzero", torch.nonzero, [[0.0, 2.0, NAN], [-1.0, -0.0, INF]], gradient=False)

    for k in [-1, 0, 1]:
        f.add(f"tril {k}", lambda x, k=k: torch.tril(x, k), f.normal(2, 3, 4))
        f.add(f"triu {k}", lambda x, k=k: torch.triu(x, k), [[1.0, NAN, 3.0], [INF, 5.0, NAN]])
        f.add(f"diag {k}", lambda x, k=k: torch.diag(x, k), f.normal(3))
        f.add(f"diag {k}", lambda x, k=k: torch.diag(x, k), f.normal(3, 4))
        f.add(f"diagonal {k}", lambda x, k=k: torch.diagonal(x, k, 1, -1), f.normal(2, 3, 4))
    f.add("trace", torch.trace, f.normal(3, 4))
    f.add("kron", torch.kron, f.normal(2, 3), f.normal(3, 2))
    f.add("kron", torch.kron, f.normal(2, 2, 2), f.normal(3))
    f.add("roll", lambda x: torch.roll(x, (1, -2), (0, 1)), f.normal(3, 4))
    f.add("repeat", lambda x: x.repeat(2, 1, 3), f.normal(2, 3))
    f.add("tile", lambda x: torch.tile(x, (2,)), f.normal(2, 3))
    f.add("repeat_interleave", lambda x: torch.repeat_interleave(x, 2, 0), f.normal(2, 3))
    f.add("repeat_interleave, numbers", lambda x, n: torch.repeat_interleave(x, n, 1), f.normal(2, 3), torch.tensor([2, 0, 1]))
    f.add("unfold", lambda x: x.unfold(1, 3, 2), f.normal(2, 7, 2))
