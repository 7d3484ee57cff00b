"""Products with Jacobians and Hessians, and whole ones."""
import torch
from torch.autograd import functional as A

from cases import Family


def curved(x):
    return torch.tanh(x) * x.sum() + torch.outer(x, x).exp().sum(1)


def scalar(x):
    return curved(x).square().sum()


with Family("functional") as f:
    f.add("jacobian", lambda x: A.jacobian(curved, x, create_graph=True), f.normal(3))
    f.add("hessian", lambda x: A.hessian(scalar, x, create_graph=True), f.normal(3) * 0.3)
    f.add("vjp", lambda x, v: A.vjp(curved, x, v, create_graph=True), f.normal(3), f.normal(3))
    f.add("jvp", lambda x, v: A.jvp(curved, x, v, create_graph=True), f.normal(3), f.normal(3))
    f.add("hvp", lambda x, v: A.hvp(scalar, x, v, create_graph=True), f.normal(3) * 0.3, f.normal(3))
