"""RNN, LSTM and GRU: directions, projection, lengths, no batch. The inputs are x, h (and c), and the parameters."""
import torch
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cases import Family

with Family("recurrent") as f:
    def add(row, module, x, batch, lengths=None):
        parameters = dict(module.named_parameters())
        names = list(parameters)
        layers = module.num_layers * (2 if module.bidirectional else 1)
        sizes = [module.proj_size or module.hidden_size] + [module.hidden_size] * isinstance(module, torch.nn.LSTM)
        state = [f.normal(layers, *batch, size) for size in sizes]

        def run(x, *rest):
            count = len(state)
            start, weights = rest[:count], dict(zip(names, rest[count:count + len(names)]))
            start = tuple(start) if count == 2 else start[0]
            if lengths is None:
                output, final = functional_call(module, weights, (x, start))
            else:
                packed = pack_padded_sequence(x, lengths, module.batch_first, enforce_sorted=False)
                output, final = functional_call(module, weights, (packed, start))
                output, _ = pad_packed_sequence(output, module.batch_first, total_length=x.shape[int(module.batch_first)])
            return [output] + (list(final) if count == 2 else [final])

        extra = [] if lengths is None else [torch.tensor(lengths)]
        f.add(row, run, x, *state, *[p.detach().clone() for p in parameters.values()], *extra)

    torch.manual_seed(2)
    kinds = {"RNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}
    for name, kind in kinds.items():
        add(f"{name} bidirectional", kind(3, 4, bidirectional=True), f.normal(5, 2, 3), [2])
        add(f"{name} bidirectional, 2 layers, batch first", kind(3, 2, 2, bidirectional=True, batch_first=True),
            f.normal(2, 4, 3), [2])
        add(f"{name} unbatched", kind(3, 4, 2), f.normal(5, 3), [])
        add(f"{name} lengths", kind(3, 4), f.normal(5, 4, 3), [4], [3, 5, 1, 3])
        add(f"{name} lengths", kind(3, 4), f.normal(5, 2, 3), [2], [2, 3])
        add(f"{name} lengths, bidirectional, 2 layers", kind(3, 2, 2, bidirectional=True), f.normal(4, 3, 3), [3], [2, 4, 1])
    add("RNN relu, no bias", torch.nn.RNN(3, 4, nonlinearity="relu", bias=False, bidirectional=True), f.normal(3, 2, 3), [2])
    add("LSTM projected", torch.nn.LSTM(3, 4, 2, proj_size=2), f.normal(4, 2, 3), [2])
    add("LSTM projected, bidirectional, lengths", torch.nn.LSTM(3, 4, 2, proj_size=3, bidirectional=True),
        f.normal(4, 2, 3), [2], [4, 2])

    # cells: x, the state, and the parameters
    for name, kind in {"RNNCell": torch.nn.RNNCell, "LSTMCell": torch.nn.LSTMCell, "GRUCell": torch.nn.GRUCell}.items():
        module = kind(3, 4)
        weights = list(module.parameters())
        names = [n for n, _ in module.named_parameters()]
        for batch in [[2], []]:
            state = [f.normal(*batch, 4) for _ in range(2 if name == "LSTMCell" else 1)]

            def run(x, *rest, module=module, names=names, count=len(state)):
                start = tuple(rest[:count]) if count == 2 else rest[0]
                return functional_call(module, dict(zip(names, rest[count:])), (x, start))

            f.add(name, run, f.normal(*batch, 3), *state, *[w.detach().clone() for w in weights])
