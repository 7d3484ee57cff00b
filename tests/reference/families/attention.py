"""Attention: masks of both kinds, causal, queries that see no key, infinities."""
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from cases import INF, Family


def attention(*a, **k):
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        return F.scaled_dot_product_attention(*a, **k)


with Family("attention") as f:
    def qkv(*leading, queries=3, keys=4, features=2, values=3):
        return f.normal(*leading, queries, features), f.normal(*leading, keys, features), f.normal(*leading, keys, values)

    f.add("plain", attention, *qkv(2))
    f.add("plain", attention, *qkv(2, 2))
    f.add("plain", attention, *qkv(2, queries=0))
    f.add("plain", attention, *(100 * t for t in qkv(1)))
    f.add("causal", lambda q, k, v: attention(q, k, v, is_causal=True, scale=0.3), *qkv(2, queries=5))
    f.add("bool mask", lambda q, k, v, m: attention(q, k, v, m != 0), *qkv(2),
          torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]]))
    f.add("bool mask", lambda q, k, v, m: attention(q, k, v, m != 0), *qkv(2, 2),
          torch.tensor([[[[1, 0, 1, 1]]], [[[1, 1, 0, 0]]]]))
    f.add("bias", attention, *qkv(2), f.normal(3, 4))
    f.add("bias", attention, *qkv(2), f.normal(2, 1, 4))
