#!/usr/bin/env python3
"""Converts what a PyTorch program saved into a checkpoint that nn::load_checkpoint reads.

    scripts/torch_checkpoint.py run.pt run.safetensors
    scripts/torch_checkpoint.py run.pt run.safetensors --model net --optimizer opt

run.pt is what torch.save wrote: a dictionary with the state dict of a model, of an optimizer, or of both, under the keys
given. Without keys those of a usual name are taken: model, model_state_dict or state_dict, and optimizer or
optimizer_state_dict. Make the optimizer with the same groups and options, the parameters in the same order, then

    nn::load_checkpoint("run.safetensors", {.model = net, .optimizer = opt});

Rates and momenta come along; other options do not. Needs torch and safetensors. Schedules are not converted: make one,
and step() it as often as PyTorch's was.
"""
import argparse
import sys

USUAL = {"model": ["model", "model_state_dict", "state_dict"], "optimizer": ["optimizer", "optimizer_state_dict"]}
COUNTS = {"step", "mu_product"}  # of a parameter's state, what is no buffer


def numbers(values):
    import torch
    return torch.tensor([float(x) for x in values], dtype=torch.float64)


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group.get("momentum", 0)


def lbfgs_state(state, group):
    import torch
    s = state[0]
    if "d" not in s:
        raise ValueError("LBFGS has made no step yet: there is nothing to convert")
    d = s["d"]

    def rows(name):
        return torch.stack(list(s[name])) if s[name] else torch.zeros(0, len(d), dtype=d.dtype)
    return {"scalars": numbers([s["n_iter"], s["func_evals"], s["t"], s["H_diag"], s["prev_loss"]]), "d": d,
            "prev_flat_grad": s["prev_flat_grad"], "old_dirs": rows("old_dirs"), "old_stps": rows("old_stps"),
            "ro": numbers(s["ro"]), "lr": numbers([group["lr"]])}


def optimizer_state(state_dict):
    """The tensors of an optimizer's state, by the names of optim::Optimizer::state()."""
    state, groups = state_dict["state"], state_dict["param_groups"]
    if "history_size" in groups[0]:
        return lbfgs_state(state, groups[0])
    order = [p for group in groups for p in group["params"]]
    steps, result = [], {}
    has_buffers = any(set(s) - COUNTS for s in state.values())
    for k, p in enumerate(order):
        own = state.get(p, {})
        buffers = {name: x for name, x in own.items() if name not in COUNTS and x is not None}
        if has_buffers and not buffers:
            raise ValueError(f"parameter {k} has no state: it never had a gradient when the optimizer made a step; "
                             "make a step with one before saving, or leave the parameter out of the optimizer")
        steps.append(own.get("step", 1))  # SGD counts none; only its first step is another
        result |= {f"{name}.{k}": x for name, x in buffers.items()}
    return {"step": numbers(steps), **result, "lr": numbers(group["lr"] for group in groups),
            "momentum": numbers(momentum_of(group) for group in groups)}


def write_checkpoint(file, model=None, optimizer=None):
    """Writes the state dicts of a model and an optimizer, either of which may be left out."""
    from safetensors.torch import save_file
    tensors = {f"model.{name}": x for name, x in (model or {}).items()}
    if optimizer:
        tensors |= {f"optimizer.{name}": x for name, x in optimizer_state(optimizer).items()}
    save_file({name: x.detach().contiguous().clone() for name, x in tensors.items()}, file, {"xgrad.checkpoint": "1"})


def chosen(content, part, key):
    if key is not None:
        if key not in content:
            raise ValueError(f"there is no '{key}' in it, but {', '.join(map(str, content))}")
        return content[key]
    return next((content[k] for k in USUAL[part] if k in content), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--model", metavar="KEY")
    parser.add_argument("--optimizer", metavar="KEY")
    arguments = parser.parse_args()
    try:
        import torch
        content = torch.load(arguments.input, map_location="cpu", weights_only=True)
        parts = {part: chosen(content, part, getattr(arguments, part)) for part in USUAL}
        if not any(parts.values()):
            raise ValueError(f"there is no model and no optimizer in it, but {', '.join(map(str, content))}; "
                             "say --model KEY or --optimizer KEY")
        write_checkpoint(arguments.output, **parts)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"scripts/torch_checkpoint.py: {arguments.input}: {error}")


if __name__ == "__main__":
    main()
