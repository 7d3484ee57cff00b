#!/usr/bin/env python3
"""The workloads of step_bench in PyTorch, as modules over the whole sequence and unrolled from cells.

Prints a JSON line for each workload and form: the median of the seconds per step, and what it is the median of.
One-hot inputs are made once, outside the timed step.
"""
import argparse
import ctypes
import json
import os
import statistics
import time

SIZES = {  # vocabulary, hidden, time, batch
    "hello": (4, 16, 4, 1),
    "floyd": (17, 12, 14, 3),
    "medium": (65, 128, 64, 32),
    "large": (65, 512, 100, 64),
}
WORKLOADS = ["hello", "floyd", "medium_rnn", "medium_lstm", "medium_gru", "large_rnn", "large_lstm"]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"all of them by default: {' '.join(WORKLOADS)}")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=0.3, help="least duration of one measurement")
parser.add_argument("--repetitions", type=int, default=3, help="measurements of each form, in alternation")
arguments = parser.parse_args()
if unknown := set(arguments.workloads) - set(WORKLOADS):
    parser.error(f"no such workload: {' '.join(sorted(unknown))}")

# PyTorch does not tell OpenBLAS, which reads this when it is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
import torch  # noqa: E402
from torch import nn  # noqa: E402


class CharRNN(nn.Module):
    """A recurrent layer by PyTorch's module, and a linear layer."""

    def __init__(self, cell, vocabulary, hidden):
        super().__init__()
        self.rnn = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](vocabulary, hidden)
        self.fc = nn.Linear(hidden, vocabulary)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


class UnrolledCharRNN(nn.Module):
    """The same, one cell at a time."""

    def __init__(self, cell, vocabulary, hidden):
        super().__init__()
        self.cell = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[cell](vocabulary, hidden)
        self.fc = nn.Linear(hidden, vocabulary)

    def forward(self, x):
        state, outputs = None, []
        for row in x.unbind(0):
            state = self.cell(row, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return self.fc(torch.stack(outputs))


def training_step(model, size, vocabulary, time_steps, batch):
    """A function that makes one step on a window that never changes."""
    x = nn.functional.one_hot(torch.randint(vocabulary, (time_steps, batch)), vocabulary).float()
    targets = torch.randint(vocabulary, (time_steps * batch,))
    toy = size == "hello"
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.1) if toy else torch.optim.Adam(parameters, lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x).view(-1, vocabulary), targets)
        loss.backward()
        if not toy:
            nn.utils.clip_grad_norm_(parameters, 5)
        optimizer.step()
        return loss.item()

    return step


def seconds_per_step(step, count):
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def blas():
    """What the loaded BLAS calls itself."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line.lower()}
    for file in sorted(files):
        try:
            config = ctypes.CDLL(file).openblas_get_config
        except (AttributeError, OSError):
            continue
        config.restype = ctypes.c_char_p
        return config().decode()
    return "MKL" if torch.backends.mkl.is_available() else ", ".join(sorted(map(os.path.basename, files)))


torch.set_num_threads(arguments.threads)
torch.manual_seed(1)
for name in arguments.workloads or WORKLOADS:
    size, _, cell = name.partition("_")
    vocabulary, hidden, time_steps, batch = SIZES[size]
    forms = {"module": CharRNN, "unrolled": UnrolledCharRNN}
    steps = {
        form: training_step(model(cell or "rnn", vocabulary, hidden), size, vocabulary, time_steps, batch)
        for form, model in forms.items()
    }
    counts, samples = {}, {form: [] for form in forms}
    for form, step in steps.items():
        step(), step()  # by now all memory is there
        counts[form] = max(1, round(arguments.seconds / seconds_per_step(step, 1)))
    for _ in range(arguments.repetitions):
        for form, step in steps.items():
            samples[form].append(seconds_per_step(step, counts[form]))
    for form in forms:
        line = {
            "workload": name,
            "program": f"PyTorch {torch.__version__} {form}",
            "seconds": statistics.median(samples[form]),
            "samples": samples[form],
            "threads": torch.get_num_threads(),
            "blas": blas(),
        }
        print(json.dumps(line), flush=True)
