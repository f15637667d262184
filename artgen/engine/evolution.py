"""Evolution of the candidates: one mechanism over named tensors, for every renderer.

Gradients move what is continuous; evolution also changes what is discrete (which
patch). The two live together as in CLIP-CLOP (Mirowski et al. 2022, section 3.4):
candidates are optimised side by side, and every k steps mutants of good ones replace
bad ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from artgen.config.sections import EvolutionOptions
from artgen.renderers.base import Renderer
from artgen.types import PerCandidate

Replacement = tuple[int, int]
"""(parent, child): a mutant of candidate `parent` took the place of candidate `child`."""


class Evolution:
    """Replaces candidates by mutants of better ones, every `options.every` steps.

    Call it after each optimiser step. A loss from a few random cutouts is noisy, so
    candidates are judged by their mean loss since they last changed places.

    Args:
        options: method and interval.

    Example:
        >>> evolution = Evolution(EvolutionOptions(method="strategy", every=10))
        >>> # in the loop, after optimiser.step() and renderer.project_():
        >>> # replaced = evolution(step, losses, renderer, optimiser, generator)
    """

    def __init__(self, options: EvolutionOptions) -> None:
        self.options = options
        self._total: Tensor | None = None
        self._count = 0

    def __call__(
        self,
        step: int,
        losses: PerCandidate,
        renderer: Renderer,
        optimiser: torch.optim.Optimizer,
        generator: torch.Generator,
        replace: bool = True,
    ) -> list[Replacement]:
        """Note the losses; if a round is due, replace candidates.

        A mutant's smoothed loss stays that of the candidate it replaced, until it has shown its own: it is
        not called the best for its parent's sake.

        Args:
            step: number of the step just done, from 0.
            losses: [P] loss of each candidate at this step, smaller is better.
            renderer: holds the candidates; changed in place.
            optimiser: its state rows follow the candidates.
            generator: source of pairs and mutations.
            replace: whether a round may take place at all.

        Returns:
            The replacements made, empty if none.
        """
        if self.options.method == "none" or renderer.population < 2:
            return []
        self._note(losses)
        if (step + 1) % self.options.every or not replace:
            return []
        assert self._total is not None
        means = (self._total / self._count).cpu()
        self._total, self._count = None, 0
        replaced = _pairs(self.options.method, means, generator)
        for parent, child in replaced:
            mutate_with_optimiser(renderer, optimiser, parent, child, generator)
        return replaced

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold for a resumed run to give the same bits."""
        if self._total is None:
            return {}
        return {"total": self._total.clone(), "count": torch.tensor(self._count)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state from `state`."""
        self._total = state["total"].clone() if state else None
        self._count = int(state["count"]) if state else 0

    def _note(self, losses: PerCandidate) -> None:
        """Add one step's losses; a loss that is not a number counts as the worst."""
        judged = torch.nan_to_num(losses.detach().float(), nan=1e9, posinf=1e9)
        if self._total is None or len(self._total) != len(judged):
            self._total, self._count = torch.zeros_like(judged), 0
        self._total = self._total.to(judged.device) + judged
        self._count += 1


def _pairs(method: str, losses: Tensor, generator: torch.Generator) -> list[Replacement]:
    """Return who replaces whom, given [P] losses."""
    if method == "strategy":
        best = int(losses.argmin())
        return [(best, other) for other in range(len(losses)) if other != best]
    shuffled = torch.randperm(len(losses), generator=generator, device=generator.device)
    first, second = (int(index) for index in shuffled[:2])
    return [(first, second) if losses[first] <= losses[second] else (second, first)]


def mutate_with_optimiser(
    renderer: Renderer,
    optimiser: torch.optim.Optimizer,
    parent: int,
    child: int,
    generator: torch.Generator,
) -> None:
    """Put a mutant of `parent` in the place of `child`, the optimiser's rows too.

    Elements whose discrete choice (an integer tensor [P, N]) the mutation changed start
    with zero momentum; everything else continues with the parent's.
    """
    renderer.mutate_(parent, child, generator)
    restarted = _changed_elements(renderer.state(), parent, child)
    for parameter in renderer.parameters():
        copy_optimiser_rows(optimiser, parameter, parent, child, restarted)


@torch.no_grad()
def copy_optimiser_rows(
    optimiser: torch.optim.Optimizer,
    parameter: torch.nn.Parameter,
    parent: int,
    child: int,
    restarted: Tensor | None = None,
) -> None:
    """Give row `child` the optimiser state of row `parent`.

    Every state tensor of the parameter's own shape is a per-entry moment. Second moments
    are always copied: with zeros and a step count far from 0, Adam's bias correction
    would be off and the first steps would be `sqrt(1 / (1 - beta2))` times too long.

    Args:
        optimiser: any torch optimiser whose state tensors have the parameter's shape.
        parameter: [P, ...] the parameter.
        parent: row to copy from.
        child: row to copy to.
        restarted: [N] True for elements (dimension 1) whose first moment becomes 0.
    """
    for name, moment in optimiser.state.get(parameter, {}).items():
        if not isinstance(moment, Tensor) or moment.shape != parameter.shape:
            continue
        moment[child].copy_(moment[parent])
        first = name in ("exp_avg", "momentum_buffer")
        if first and restarted is not None and moment.dim() > 1 and moment.shape[1] == len(restarted):
            moment[child, restarted.to(moment.device)] = 0


def _changed_elements(state: Mapping[str, Tensor], parent: int, child: int) -> Tensor | None:
    """Return [N] True where any discrete choice differs between the two rows, None without any."""
    choices = [tensor for tensor in state.values() if tensor.dim() == 2 and not tensor.is_floating_point()]
    differing = [tensor[parent] != tensor[child] for tensor in choices]
    return torch.stack(differing).any(0) if differing else None


@torch.no_grad()
def initial_search(
    renderer: Renderer,
    evaluate: Callable[[Renderer], PerCandidate],
    rounds: int,
    generator: torch.Generator,
) -> PerCandidate:
    """Try `rounds` random populations and keep the best candidates of all.

    Call it before the optimiser is made: the parameters are replaced by new ones.
    At no time are more than two populations in memory.

    Args:
        renderer: already initialised; ends with the best candidates, best first.
        evaluate: gives the [P] losses of the renderer's present candidates; it should
            show all of them the same cutouts.
        rounds: number of populations tried, the present one included.
        generator: source of the new populations.

    Returns:
        [P] the losses of the candidates kept, ascending.
    """
    population = renderer.population
    best: dict[str, Tensor] = {}
    losses = torch.empty(0)
    for round_ in range(rounds):
        if round_:
            renderer.init(population, generator)
        judged = torch.nan_to_num(evaluate(renderer).detach().float().cpu(), nan=1e9, posinf=1e9)
        rows = {name: tensor.detach() for name, tensor in renderer.state().items()}
        merged = {name: torch.cat([best[name], rows[name]]) if best else rows[name] for name in rows}
        losses, kept = torch.cat([losses, judged]).sort(stable=True)
        losses, kept = losses[:population], kept[:population]
        best = {name: tensor[kept.to(tensor.device)].clone() for name, tensor in merged.items()}
    renderer.load_state(best)
    return losses
