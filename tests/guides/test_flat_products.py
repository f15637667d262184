from __future__ import annotations

import copy

import pytest
import torch

from artgen.guides.flat_products import FlatAttention, FlatLinear, flatten_products_


@pytest.mark.parametrize("shape", [(3, 8), (2, 5, 8), (2, 3, 4, 8)])
def test_linear_is_the_plain_one(shape: tuple[int, ...]):
    plain = torch.nn.Linear(8, 6).double()
    flat = copy.deepcopy(plain)
    flatten_products_(flat)
    assert type(flat) is FlatLinear
    _compare(plain, flat, shape)


def test_attention_is_the_plain_one():
    plain = torch.nn.MultiheadAttention(8, 2, batch_first=True).double().eval()
    flat = copy.deepcopy(plain)
    flatten_products_(flat)
    assert type(flat) is FlatAttention
    _compare(
        lambda x: plain(x, x, x, need_weights=False)[0],
        lambda x: flat(x, x, x, need_weights=False)[0],
        (2, 5, 8),
    )
    tokens = torch.rand(2, 5, 8, dtype=torch.float64)
    assert torch.equal(flat(tokens, tokens, tokens)[1], plain(tokens, tokens, tokens)[1])


def _compare(plain, flat, shape: tuple[int, ...]) -> None:
    tokens = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    other = tokens.detach().clone().requires_grad_()
    expected, found = plain(tokens), flat(other)
    torch.testing.assert_close(found, expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    torch.testing.assert_close(other.grad, tokens.grad)
