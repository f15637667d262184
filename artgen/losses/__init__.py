"""Regularisers: figures of a picture that may be part of the objective. One file each."""

from artgen.losses.base import Loss, LossContext, LossRegistry, LossTraits, losses

__all__ = ["Loss", "LossContext", "LossRegistry", "LossTraits", "losses"]
