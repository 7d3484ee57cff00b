"""Optimizers: 20 steps from the same parameters by the same gradients, and the parameters after each.

The inputs of a row are the two parameters and the gradients of every step, one of which is left out; the results are the
parameters after every step. Rows "… groups" have a group for each parameter, the second of which gets a tenth of the rate
and no weight decay from step 5 on, as add_group would have it.
"""
import torch

from cases import INF, NAN, Family

STEPS = 20
OPTIM = torch.optim


class Adagrad(OPTIM.Adagrad):
    """PyTorch's fails at the first step of a group that is added later: it makes its state in the constructor."""

    def step(self):
        for p in (p for group in self.param_groups for p in group["params"] if not self.state[p]):
            self.state[p] |= {"step": torch.tensor(0.0), "sum": torch.zeros_like(p)}
        super().step()


class Lion(OPTIM.Optimizer):
    """As in the paper, algorithm 2."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0, maximize=False):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                g = -p.grad if group["maximize"] else p.grad
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * torch.sign(b1 * m + (1 - b1) * g))
                m.mul_(b2).add_((1 - b2) * g)


def trajectory(make, groups, later=5):
    def run(p, q, gp, gq):
        p, q = p.clone().requires_grad_(), q.clone().requires_grad_()
        optimizer = make([p] if groups else [p, q])
        after = []
        for t in range(STEPS):
            if groups and t == later:
                group = {"params": [q], "lr": optimizer.param_groups[0]["lr"] / 10}
                if "weight_decay" in optimizer.defaults:
                    group["weight_decay"] = 0
                optimizer.add_param_group(group)
            p.grad = gp[t].clone()
            q.grad = None if t == 2 else gq[t].clone()
            optimizer.step()
            after.append((p.detach().clone(), q.detach().clone()))
        return [torch.stack(x) for x in zip(*after)]
    return run


with Family("optim") as f:
    start = f.normal(2, 3), f.normal(4)
    gradients = [f.normal(STEPS, *x.shape) * 2.0 ** f.integers(-3, 4, STEPS).view(-1, *[1] * x.dim()) for x in start]
    gradients[1][7] = 0  # no gradient to speak of
    gradients[1][:, 3] = 0  # and none ever

    def add(name, optimizer, groups=False, later=5, **options):
        f.add(name, trajectory(lambda p: optimizer(p, **options), groups, later), *start, *gradients, gradient=False)

    add("SGD", OPTIM.SGD, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01, maximize=True)
    add("SGD nesterov", OPTIM.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, maximize=True)
    add("SGD groups", OPTIM.SGD, True, lr=0.1, momentum=0.9, weight_decay=0.1)
    add("Adam", OPTIM.Adam, lr=0.02, weight_decay=0.1, amsgrad=True, maximize=True)
    add("Adam groups", OPTIM.Adam, True, lr=0.02, weight_decay=0.1)
    add("AdamW", OPTIM.AdamW, lr=0.02, weight_decay=0.1, amsgrad=True, maximize=True)
    add("AdamW groups", OPTIM.AdamW, True, lr=0.02, weight_decay=0.1)
    add("RMSprop", OPTIM.RMSprop, lr=0.02, weight_decay=0.1, momentum=0.8, centered=True, maximize=True)
    add("RMSprop groups", OPTIM.RMSprop, True, lr=0.02, weight_decay=0.1, momentum=0.8)
    add("NAdam", OPTIM.NAdam)
    add("NAdam options", OPTIM.NAdam, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, momentum_decay=0.1,
        maximize=True)
    add("NAdam decoupled", OPTIM.NAdam, lr=0.02, weight_decay=0.1, decoupled_weight_decay=True)
    add("NAdam groups", OPTIM.NAdam, True, lr=0.02, weight_decay=0.1)
    add("RAdam", OPTIM.RAdam)
    add("RAdam options", OPTIM.RAdam, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, maximize=True)
    add("RAdam decoupled", OPTIM.RAdam, lr=0.02, weight_decay=0.1, decoupled_weight_decay=True)
    add("RAdam groups", OPTIM.RAdam, True, lr=0.02, weight_decay=0.1)
    add("Adamax", OPTIM.Adamax)
    add("Adamax options", OPTIM.Adamax, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, maximize=True)
    add("Adamax groups", OPTIM.Adamax, True, lr=0.02, weight_decay=0.1)
    add("Adagrad", OPTIM.Adagrad)
    add("Adagrad options", OPTIM.Adagrad, lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-6,
        maximize=True)
    add("Adagrad groups", Adagrad, True, lr=0.1, weight_decay=0.1)
    add("Adadelta", OPTIM.Adadelta)
    add("Adadelta options", OPTIM.Adadelta, lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.1, maximize=True)
    add("Adadelta groups", OPTIM.Adadelta, True, lr=0.5, weight_decay=0.1)
    add("Rprop", OPTIM.Rprop)
    add("Rprop options", OPTIM.Rprop, lr=0.1, etas=(0.4, 1.5), step_sizes=(1e-3, 0.3), maximize=True)
    add("Rprop groups", OPTIM.Rprop, True, lr=0.1)
    add("Lion", Lion)
    add("Lion options", Lion, lr=0.02, betas=(0.8, 0.95), weight_decay=0.1, maximize=True)
    add("Lion groups", Lion, True, lr=0.02, weight_decay=0.1)

    def lbfgs(name, loss, *x, steps, **options):
        """The position after every step, and the loss before it; in the valley roundings grow tenfold with every step."""
        def run(*x):
            x = [t.clone().requires_grad_() for t in x]
            optimizer = OPTIM.LBFGS(x, **options)

            def closure():
                optimizer.zero_grad()
                value = loss(*x)
                value.backward()
                return value
            after, losses = [], []
            for _ in range(steps):
                losses.append(optimizer.step(closure).detach())
                after.append(torch.cat([t.detach().flatten() for t in x]))
            return torch.stack(after), torch.stack(losses)
        f.add(name, run, *x, gradient=False)

    def valley(a, b):  # Rosenbrock's
        return (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()

    def bowl(a, b):
        return (a ** 2 * torch.arange(1.0, 4.0)).sum() + (b ** 4).sum() / 4 + (a * b).sum()

    lbfgs("LBFGS", bowl, f.normal(3), f.normal(3), steps=5)
    lbfgs("LBFGS options", bowl, f.normal(3), f.normal(3), steps=20, lr=0.5, max_iter=3, max_eval=3, history_size=2)
    lbfgs("LBFGS strong_wolfe", bowl, f.normal(3), f.normal(3), steps=5, line_search_fn="strong_wolfe")
    lbfgs("LBFGS valley", valley, torch.tensor([-1.2, 1.0, 0.5]), torch.tensor([1.0, -1.0, 2.0]), steps=6, max_iter=4,
          line_search_fn="strong_wolfe")

    def clipped(name, norm_type, max_norm, *gradients):
        """The norm, and the gradients after."""
        def run(*g):
            p = [torch.zeros_like(x, requires_grad=True) for x in g]
            for q, x in zip(p, g):
                q.grad = x.clone()
            norm = torch.nn.utils.clip_grad_norm_(p, max_norm, norm_type=norm_type)
            return [norm] + [q.grad for q in p]
        f.add(name, run, *gradients, gradient=False)

    for p in ["1", "2", "3", "0.5", "inf"]:
        for max_norm in [0.5, 1e3]:
            clipped(f"clip_grad_norm {p} {max_norm}", float(p), max_norm, f.normal(2, 3), f.normal(4))
        if p != "inf":  # of which PyTorch has none without elements
            clipped(f"clip_grad_norm {p} 0.5", float(p), 0.5, torch.zeros(2, 0), torch.tensor([3.0, -4.0]))
        clipped(f"clip_grad_norm {p} 0.5", float(p), 0.5, torch.tensor([1.0, NAN]), torch.tensor([INF]))
        clipped(f"clip_grad_norm {p} 0.5", float(p), 0.5, torch.tensor([1.0, 2.0]), torch.tensor([INF]))

    def average(name, **options):
        def run(p):
            model = torch.nn.ParameterList([p[0].clone()])
            averaged = torch.optim.swa_utils.AveragedModel(model, **options)
            after = []
            for value in p:
                model[0].data = value.clone()
                averaged.update_parameters(model)
                after.append(averaged.module[0].detach().clone())
            return torch.stack(after)
        f.add(name, run, f.normal(STEPS, 5), gradient=False)

    average("ExponentialMovingAverage", multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    average("StochasticWeightAverage")
