"""Training that PyTorch began and a checkpoint of scripts/torch_checkpoint.py carries over: five steps after it.

The file of each row is torch_checkpoint_ROW.safetensors. Inputs are the gradients of a Linear(3, 2)'s weight and bias in
each step, or of LBFGS the values that they should take.
"""
import sys

import torch

from cases import HERE, Family

sys.path.insert(0, str(HERE.parent.parent / "scripts"))
from torch_checkpoint import write_checkpoint

STEPS = 5

with Family("torch_checkpoint") as f:
    def add(name, make):
        net = torch.nn.Linear(3, 2)
        with torch.no_grad():
            for p in net.parameters():
                p.copy_(f.normal(*p.shape))
        optimizer = make(net)
        before = [f.normal(STEPS, 2, 3), f.normal(STEPS, 2)]

        def train(gw, gb):
            after = []
            for t in range(STEPS):
                def loss():
                    optimizer.zero_grad()
                    value = ((net.weight - gw) ** 4).sum() + ((net.bias - gb) ** 2).sum()
                    value += (net.bias * net.weight[:, 0]).sum()
                    value.backward()
                    return value
                if isinstance(optimizer, torch.optim.LBFGS):
                    optimizer.step(loss)
                else:
                    net.weight.grad, net.bias.grad = gw[t].clone(), gb[t].clone()
                    optimizer.step()
                after.append([p.detach().clone() for p in net.parameters()])
            return [torch.stack(x) for x in zip(*after)]
        if isinstance(optimizer, torch.optim.LBFGS):
            before = inputs = [f.normal(2, 3), f.normal(2)]
        else:
            inputs = [f.normal(STEPS, 2, 3), f.normal(STEPS, 2)]
        train(*before)
        write_checkpoint(HERE / f"torch_checkpoint_{name}.safetensors", net.state_dict(), optimizer.state_dict())
        f.add(name, train, *inputs, gradient=False)

    O = torch.optim
    add("SGD", lambda m: O.SGD(m.parameters(), lr=0.1, momentum=0.9, dampening=0.1))
    add("SGD_plain", lambda m: O.SGD(m.parameters(), lr=0.1))
    add("AdamW", lambda m: O.AdamW([{"params": [m.weight]}, {"params": [m.bias], "lr": 0.03, "weight_decay": 0}], lr=0.1,
                                   amsgrad=True))
    add("NAdam", lambda m: O.NAdam(m.parameters()))
    add("RAdam", lambda m: O.RAdam(m.parameters()))
    add("Adamax", lambda m: O.Adamax(m.parameters()))
    add("Adagrad", lambda m: O.Adagrad(m.parameters()))
    add("Adadelta", lambda m: O.Adadelta(m.parameters()))
    add("RMSprop", lambda m: O.RMSprop(m.parameters(), momentum=0.9, centered=True))
    add("Rprop", lambda m: O.Rprop(m.parameters()))
    add("LBFGS", lambda m: O.LBFGS(m.parameters(), lr=0.1, max_iter=2, history_size=3))
