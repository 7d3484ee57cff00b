"""Schedules: the rates of two groups, of 0.1 and 0.04, at the start and after each of 200 steps.

Of OneCycleLR with momentum there is also the momentum; of ReduceLROnPlateau the measure of each step is an input.
"""
import math

import torch
from torch.optim import lr_scheduler as S

from cases import NAN, Family

STEPS = 200


def optimizer(momentum=0.0, adam=False):
    p, q = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    groups = [{"params": [p]}, {"params": [q], "lr": 0.04}]
    return torch.optim.Adam(groups, lr=0.1) if adam else torch.optim.SGD(groups, lr=0.1, momentum=momentum)


def rates(opt, step, momentum=False):
    def now():
        result = [group["lr"] for group in opt.param_groups]
        if momentum:
            result += [g["betas"][0] if "betas" in g else g["momentum"] for g in opt.param_groups]
        return result
    rows = [now()]
    for t in range(STEPS):
        opt.step()
        step(t)
        rows.append(now())
    return torch.tensor(rows)


with Family("schedule") as f:
    def add(name, make, **options):
        def run():
            opt = optimizer(**options)
            schedule = make(opt)
            return rates(opt, lambda _: schedule.step(), options != {})
        f.add(name, run, gradient=False)

    add("StepLR", lambda o: S.StepLR(o, 30))
    add("StepLR gamma", lambda o: S.StepLR(o, 7, gamma=0.8))
    add("MultiStepLR", lambda o: S.MultiStepLR(o, [10, 50, 50, 120], gamma=0.5))
    add("ConstantLR", S.ConstantLR)
    add("ConstantLR factor", lambda o: S.ConstantLR(o, factor=0.25, total_iters=40))
    add("LinearLR", S.LinearLR)
    add("LinearLR factors", lambda o: S.LinearLR(o, start_factor=0.9, end_factor=0.1, total_iters=120))
    add("ExponentialLR", lambda o: S.ExponentialLR(o, 0.97))
    add("PolynomialLR", S.PolynomialLR)
    add("PolynomialLR power", lambda o: S.PolynomialLR(o, total_iters=150, power=2.5))
    add("CosineAnnealingLR", lambda o: S.CosineAnnealingLR(o, 200))
    add("CosineAnnealingLR eta_min", lambda o: S.CosineAnnealingLR(o, 60, eta_min=0.01))
    add("CosineAnnealingWarmRestarts", lambda o: S.CosineAnnealingWarmRestarts(o, 30))
    add("CosineAnnealingWarmRestarts T_mult", lambda o: S.CosineAnnealingWarmRestarts(o, 10, T_mult=2, eta_min=0.001))
    add("OneCycleLR", lambda o: S.OneCycleLR(o, 0.5, total_steps=200), momentum=0.9)
    add("OneCycleLR linear", lambda o: S.OneCycleLR(o, 0.5, total_steps=210, pct_start=0.4, anneal_strategy="linear",
                                                    base_momentum=0.7, max_momentum=0.9, div_factor=10,
                                                    final_div_factor=100), adam=True)
    add("OneCycleLR three phases", lambda o: S.OneCycleLR(o, 0.5, total_steps=200, three_phase=True), adam=True)
    add("OneCycleLR no momentum", lambda o: S.OneCycleLR(o, 0.5, total_steps=200, cycle_momentum=False))
    add("LambdaLR", lambda o: S.LambdaLR(o, lambda t: 1 / math.sqrt(1 + t)))
    add("LambdaLR per group", lambda o: S.LambdaLR(o, [lambda t: 0.95 ** t, lambda t: 1 / (1 + t)]))
    add("SequentialLR", lambda o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=20), S.CosineAnnealingLR(o, 100), S.ExponentialLR(o, 0.9)], [20, 120]))
    add("SWALR", lambda o: torch.optim.swa_utils.SWALR(o, 0.05))
    add("SWALR linear", lambda o: torch.optim.swa_utils.SWALR(o, 0.05, anneal_epochs=50, anneal_strategy="linear"))

    def plateau(name, metrics, **options):
        def run(m):
            opt = optimizer()
            schedule = S.ReduceLROnPlateau(opt, **options)
            return rates(opt, lambda t: schedule.step(m[t].item()))
        f.add(name, run, metrics, gradient=False)

    steps = torch.arange(STEPS, dtype=torch.float64)
    bumpy = torch.exp(-steps / 50) + 0.05 * torch.sin(steps)
    plateau("ReduceLROnPlateau", bumpy)
    plateau("ReduceLROnPlateau", torch.where(steps % 3 == 0, NAN, bumpy))
    plateau("ReduceLROnPlateau max", -bumpy, mode="max", factor=0.5, patience=3, threshold=0.01, threshold_mode="abs",
            cooldown=5, min_lr=1e-3)
    plateau("ReduceLROnPlateau abs", bumpy, factor=0.5, patience=2, threshold=0.02, threshold_mode="abs", eps=1e-3)
    plateau("ReduceLROnPlateau max rel", 1 - bumpy, mode="max", factor=0.3, patience=4, cooldown=2)
