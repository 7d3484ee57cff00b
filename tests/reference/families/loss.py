"""Losses: every reduction and option, ties and ends of the range."""
import torch
import torch.nn.functional as F

from cases import Family

REDUCTIONS = ["mean", "sum", "none"]

with Family("loss") as f:
    def reduced(row, loss, *inputs, **options):
        for reduction in REDUCTIONS:
            fresh = [x.detach().clone() for x in inputs]
            f.add(f"{row} {reduction}", lambda *x, r=reduction: loss(*x, reduction=r), *fresh, **options)

    # classes: targets are integers
    logits, targets = f.normal(5, 4), torch.tensor([2, 0, -100, 1, 3])
    weight = torch.tensor([0.5, 2.0, 1.0, 0.0])
    reduced("cross_entropy", F.cross_entropy, logits, targets)
    reduced("cross_entropy smoothed", lambda x, t, **o: F.cross_entropy(x, t, label_smoothing=0.1, **o), logits, targets)
    reduced("cross_entropy weighted", lambda x, t, **o: F.cross_entropy(x, t, weight, **o), logits, targets)
    reduced("cross_entropy weighted, smoothed",
            lambda x, t, **o: F.cross_entropy(x, t, weight, label_smoothing=0.3, **o), logits, targets)
    reduced("cross_entropy axis 1, weighted, smoothed",
            lambda x, t, **o: F.cross_entropy(x, t, weight, label_smoothing=0.3, **o),
            f.normal(2, 4, 3), torch.tensor([[0, 1, 2], [3, -100, 1]]))
    chances = torch.softmax(f.normal(5, 4), 1)
    reduced("cross_entropy of probabilities", F.cross_entropy, logits, chances)
    reduced("cross_entropy of probabilities, weighted, smoothed",
            lambda x, t, **o: F.cross_entropy(x, t, weight, label_smoothing=0.2, **o), logits, chances)
    reduced("cross_entropy of probabilities, axis 1", F.cross_entropy, f.normal(2, 4, 3), torch.softmax(f.normal(2, 4, 3), 1))
    reduced("nll_loss", F.nll_loss, logits, targets)
    reduced("nll_loss weighted", lambda x, t, **o: F.nll_loss(x, t, weight, **o), logits, targets)

    # elements
    x, y = f.normal(3, 4), f.normal(3, 4)
    tied = x.clone()
    tied[0] = y[0]
    tied[1] = y[1] + 1
    reduced("mse_loss", F.mse_loss, x, y)
    reduced("l1_loss", F.l1_loss, tied, y)
    reduced("smooth_l1_loss", F.smooth_l1_loss, x, y)
    reduced("smooth_l1_loss beta 0.3", lambda x, y, **o: F.smooth_l1_loss(x, y, beta=0.3, **o), x, y)
    reduced("smooth_l1_loss beta 0", lambda x, y, **o: F.smooth_l1_loss(x, y, beta=0.0, **o), x, y)
    reduced("huber_loss", F.huber_loss, x, y)
    reduced("huber_loss delta 0.3", lambda x, y, **o: F.huber_loss(x, y, delta=0.3, **o), tied, y)
    p, q = f.uniform(0.05, 0.95, 3, 4), f.uniform(0, 1, 3, 4)
    reduced("binary_cross_entropy", F.binary_cross_entropy, p, q)
    each = torch.tensor([0.5, 2.0, 1.0, 1.75])
    reduced("binary_cross_entropy weighted", lambda x, y, **o: F.binary_cross_entropy(x, y, each, **o), p, q)
    # The ends of the range have values, but PyTorch's gradients there are its own.
    f.add("binary_cross_entropy none", lambda x, y: F.binary_cross_entropy(x, y, reduction="none"),
          [0.0, 1.0, 0.0, 1.0, 1e-50], [0.0, 0.0, 1.0, 1.0, 0.5], gradient=False)
    reduced("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, 10 * x, q)
    reduced("binary_cross_entropy_with_logits weighted",
            lambda x, y, **o: F.binary_cross_entropy_with_logits(x, y, each, **o), x, q)
    reduced("binary_cross_entropy_with_logits pos_weight",
            lambda x, y, **o: F.binary_cross_entropy_with_logits(x, y, pos_weight=each, **o), 10 * x, q)
    f.add("binary_cross_entropy_with_logits none",
          lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"), [0.0, 800.0, -800.0], [0.3, 1.0, 1.0])
    logs, truth = torch.log_softmax(x, 1), torch.softmax(y, 1)
    reduced("kl_div", F.kl_div, logs, truth)
    reduced("kl_div log_target", lambda x, y, **o: F.kl_div(x, y, log_target=True, **o), logs, truth.log())
    f.add("kl_div batchmean", lambda x, y: F.kl_div(x, y, reduction="batchmean"), logs, truth)
    counts = torch.tensor([[0.0, 1.0, 2.0, 5.0]] * 3)
    reduced("poisson_nll_loss", F.poisson_nll_loss, x, counts + 0.5)
    reduced("poisson_nll_loss full", lambda x, y, **o: F.poisson_nll_loss(x, y.detach(), full=True, **o), x, counts)
    reduced("poisson_nll_loss of rates", lambda x, y, **o: F.poisson_nll_loss(x, y, log_input=False, **o), x.exp(), counts)
    variance = f.uniform(0.1, 2, 3, 4)
    variance[0, 0] = 0
    reduced("gaussian_nll_loss", F.gaussian_nll_loss, x, y, variance, second=False)
    reduced("gaussian_nll_loss full", lambda x, y, v, **o: F.gaussian_nll_loss(x, y, v, full=True, **o), x, y,
            f.uniform(0.1, 2, 3, 1))
    signs = torch.where(f.normal(3, 4) > 0, 1.0, -1.0)
    reduced("hinge_embedding_loss", lambda x, y, **o: F.hinge_embedding_loss(x, y, margin=0.7, **o), 2 * x, signs)
    reduced("soft_margin_loss", lambda x, y, **o: F.soft_margin_loss(x, y.detach(), **o), x, signs)
    reduced("margin_ranking_loss", lambda a, b, y, **o: F.margin_ranking_loss(a, b, y, margin=0.5, **o), x, y, signs)
    reduced("cosine_embedding_loss", lambda a, b, y, **o: F.cosine_embedding_loss(a, b, y, margin=0.1, **o),
            f.normal(6, 5), f.normal(6, 5), torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0, 1.0]))
    for norm in [1, 2]:
        f.add(f"pairwise_distance {norm}", lambda a, b, p=norm: F.pairwise_distance(a, b, p), f.normal(4, 5), f.normal(4, 5))
    triple = [f.normal(6, 5) for _ in range(3)]
    reduced("triplet_margin_loss", F.triplet_margin_loss, *triple)
    reduced("triplet_margin_loss swap", lambda a, p, n, **o: F.triplet_margin_loss(a, p, n, 2.0, 1.0, swap=True, **o), *triple)
    # PyTorch's gradient is right only after log_softmax, and it has no second one.
    lengths, sizes = torch.tensor([7, 5, 6]), torch.tensor([3, 2, 0])
    symbols = torch.tensor([[1, 1, 2], [3, 1, 1], [2, 2, 2]])
    for reduction in REDUCTIONS:
        f.add(f"ctc_loss {reduction}",
              lambda x, t, a, b, r=reduction: F.ctc_loss(torch.log_softmax(x, 2), t, a, b, reduction=r),
              f.normal(7, 3, 4), symbols, lengths, sizes, second=False)
    f.add("ctc_loss zero_infinity", lambda x, t, a, b: F.ctc_loss(torch.log_softmax(x, 2), t, a, b, blank=3, zero_infinity=True),
          f.normal(3, 2, 4), torch.tensor([[1, 1], [0, 2]]), torch.tensor([2, 3]), torch.tensor([2, 2]), second=False)
