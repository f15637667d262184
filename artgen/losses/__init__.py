"""Regularisers: figures of a picture that an objective may add. One file each."""

from artgen.losses.base import Loss, LossContext, losses

__all__ = ["Loss", "LossContext", "losses"]
