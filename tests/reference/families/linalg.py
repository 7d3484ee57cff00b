"""Linear algebra and distances. Signs of vectors are free, so what is compared does not depend on them."""
import torch
import torch.nn.functional as F

from cases import INF, NAN, Family

L = torch.linalg

with Family("linalg") as f:
    def regular(*shape):
        return f.normal(*shape) + torch.eye(*shape[-2:]) * 3 * torch.arange(1, shape[-1] + 1)

    def eigh(x):
        values, vectors = L.eigh((x + x.mT) / 2)
        return values, vectors**2

    def svd(x):
        u, s, vh = L.svd(x, full_matrices=False)
        return u**2, s, vh**2

    f.add("solve", L.solve, regular(3, 3), f.normal(3, 2))
    f.add("inv", L.inv, regular(2, 3, 3))
    f.add("det", L.det, regular(2, 3, 3))
    f.add("cholesky", lambda x: L.cholesky((x + x.mT) / 2), regular(3, 3) + 6 * torch.eye(3))
    for name, case in [("tall", (4, 2)), ("square", (3, 3)), ("wide", (2, 4)), ("stacked", (2, 3, 2))]:
        x = regular(*case)
        f.add("qr", L.qr, x)
        f.add("svd", svd, x)
        f.add("pinv", L.pinv, x)
        if name != "stacked":
            f.add("lstsq", lambda a, b: L.lstsq(a, b)[0], x, f.normal(case[0], 2))
    f.add("pinv of rank 1", L.pinv, [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], gradient=False)
    f.add("eigh", eigh, regular(3, 3))
    f.add("eigh", eigh, regular(2, 2, 2))
    f.add("solve_triangular upper", lambda a, b: L.solve_triangular(a, b, upper=True), regular(3, 3), f.normal(3, 2))
    f.add("solve_triangular lower, ones", lambda a, b: L.solve_triangular(a, b, upper=False, unitriangular=True),
          regular(3, 3), f.normal(3, 2))
    for n in [3, 0, -2]:
        f.add(f"matrix_power {n}", lambda x, n=n: L.matrix_power(x, n) + 0 * x, regular(3, 3))
    f.add("matrix_exp", L.matrix_exp, f.normal(3, 3))
    f.add("matrix_exp", L.matrix_exp, f.normal(2, 2, 2) * 5)
    f.add("matrix_exp", L.matrix_exp, [[0.0, 0.0], [0.0, 0.0]])

    for p in [0.5, 1.5, 3.0]:
        f.add(f"norm {p} axis 1", lambda x, p=p: L.vector_norm(x, p, 1), f.normal(3, 4))
    f.add("norm 3.0 axis 1", lambda x: L.vector_norm(x, 3.0, 1), [[0.0, 0.0], [3.0, 0.0], [1e-200, 2e-200]], second=False)
    f.add("norm 0 axis 1", lambda x: L.vector_norm(x, 0, 1), [[0.0, 2.0], [3.0, NAN]], gradient=False)
    f.add("cosine_similarity", F.cosine_similarity, f.normal(3, 4), f.normal(3, 4))
    f.add("cosine_similarity", F.cosine_similarity, f.normal(3, 4, 2), f.normal(1, 4, 2))
    f.add("pairwise_distance", F.pairwise_distance, f.normal(3, 4), f.normal(3, 4))
    for p in [1.0, 2.0, 3.0]:
        f.add(f"cdist {p}", lambda a, b, p=p: torch.cdist(a, b, p, compute_mode="donot_use_mm_for_euclid_dist"),
              f.normal(3, 4), f.normal(2, 4), second=False)
    f.add("cdist 2.0", torch.cdist, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [0.0, 0.0]], second=False)
