"""Modules: a state dict, an input and what PyTorch's module makes of them; read by module_reference_test.cpp.

Of each case: state/NAME, x0, x1, … and mask0, …, the result y, its cotangent v, the gradients gx0, … and grad/NAME, and the
buffers after the call, after/NAME.
"""
import torch
from safetensors.torch import save_file

from cases import HERE

nn = torch.nn
arrays = {}
random = torch.Generator().manual_seed(9)


def normal(*shape):
    return torch.randn(shape, generator=random)


def case(name, module, *inputs, train=True, call=None):
    """`inputs` that are boolean are masks, and have no gradient; `call` is how the module is called."""
    module.train(train)
    with torch.no_grad():
        for key, p in module.state_dict().items():  # nothing is left at a special value
            if p.is_floating_point():
                p.copy_(normal(*p.shape) * 0.3 if not key.endswith("var") else 0.5 + torch.rand(p.shape, generator=random))
    put = lambda key, t: arrays.__setitem__(f"{name}/{key}", t.detach().clone().contiguous())
    for key, p in module.state_dict().items():
        put(f"state/{key}", p)
    real = [x.requires_grad_() for x in inputs if x.dtype == torch.float64]
    for k, x in enumerate(real):
        put(f"x{k}", x)
    for k, x in enumerate(x for x in inputs if x.dtype != torch.float64):
        put(f"mask{k}", x.double())
    y = (call or (lambda m, *x: m(*x)))(module, *inputs)
    y = y[0] if isinstance(y, tuple) else y
    v = normal(*y.shape)
    names, parameters = zip(*module.named_parameters()) if list(module.parameters()) else ((), ())
    gradients = torch.autograd.grad((y * v).sum(), [*real, *parameters])
    put("y", y)
    put("v", v)
    for k, g in enumerate(gradients[:len(real)]):
        put(f"gx{k}", g)
    for key, g in zip(names, gradients[len(real):]):
        put(f"grad/{key}", g)
    for key, b in module.named_buffers():
        put(f"after/{key}", b)


case("LayerNorm", nn.LayerNorm([2, 3]), normal(2, 2, 3))
case("LayerNorm without bias", nn.LayerNorm(5, bias=False), normal(2, 5))
case("RMSNorm", nn.RMSNorm(5), normal(3, 5))
case("GroupNorm", nn.GroupNorm(2, 4), normal(2, 4, 3))
case("BatchNorm1d", nn.BatchNorm1d(3), normal(5, 3))
case("BatchNorm1d cumulative", nn.BatchNorm1d(3, momentum=None), normal(2, 3, 4))
case("BatchNorm2d", nn.BatchNorm2d(3, momentum=0.3), normal(2, 3, 2, 4))
case("BatchNorm2d evaluation", nn.BatchNorm2d(3), normal(2, 3, 2, 4), train=False)
case("BatchNorm2d without statistics", nn.BatchNorm2d(3, track_running_stats=False), normal(2, 3, 2, 4), train=False)

case("Conv1d", nn.Conv1d(2, 3, 3, stride=2, padding=1), normal(2, 2, 7))
case("Conv2d", nn.Conv2d(4, 6, (3, 2), padding="same", dilation=2, groups=2), normal(2, 4, 5, 4))
case("ConvTranspose2d", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False),
     normal(2, 4, 3, 2))

pad = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1]], dtype=torch.bool)
later = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 0], [1, 0, 0, 1]], dtype=torch.bool)
qkv = lambda: (normal(3, 2, 6), normal(4, 2, 6), normal(4, 2, 6))
attend = lambda m, q, k, v, *masks: m(q, k, v, need_weights=False, **dict(zip(["key_padding_mask", "attn_mask"], masks)))
case("MultiheadAttention", nn.MultiheadAttention(6, 3), *qkv(), call=attend)
case("MultiheadAttention masks", nn.MultiheadAttention(6, 3), *qkv(), pad, later, call=attend)
case("MultiheadAttention weights", nn.MultiheadAttention(6, 2, bias=False, batch_first=True), normal(2, 3, 6),
     normal(2, 4, 6), normal(2, 4, 6), pad,
     call=lambda m, q, k, v, mask: torch.cat([y.flatten() for y in m(q, k, v, mask, average_attn_weights=False)]))
for first in [False, True]:
    case(f"TransformerEncoderLayer norm_first={first}",
         nn.TransformerEncoderLayer(4, 2, 5, 0, "gelu" if first else "relu", norm_first=first), normal(4, 2, 4), pad,
         call=lambda m, x, mask: m(x, src_key_padding_mask=mask))
    case(f"TransformerDecoderLayer norm_first={first}",
         nn.TransformerDecoderLayer(4, 2, 5, 0, "relu" if first else "gelu", norm_first=first, batch_first=True),
         normal(2, 3, 4), normal(2, 4, 4), pad,
         call=lambda m, x, memory, mask: m(x, memory, memory_key_padding_mask=mask, tgt_is_causal=True,
                                           tgt_mask=nn.Transformer.generate_square_subsequent_mask(3)))
case("TransformerEncoder", nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 5, 0), 2, nn.LayerNorm(4)),
     normal(3, 2, 4))
case("TransformerDecoder", nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 5, 0), 2), normal(3, 2, 4),
     normal(4, 2, 4))

save_file(arrays, HERE / "modules.safetensors")
print(f"modules: {len({key.split('/')[0] for key in arrays})} cases")
