"""What the caller of a run provides besides its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from artgen.engine.events import Requests
from artgen.guides.base import Guide
from artgen.guides.pool import GuidePool


@dataclass(frozen=True)
class Setting:
    """What the caller of a run provides.

    Args:
        guides: where the run's guides come from.
        requests: turns that are asked for while the run paints.
    """

    guides: GuidePool = field(default_factory=GuidePool)
    requests: Requests = field(default_factory=Requests)

    @classmethod
    def of(cls, guides: GuidePool | Sequence[Guide] | None) -> Setting:
        """Return a setting with these guides; what else a run needs is loaded."""
        if guides is None:
            return cls()
        return cls(guides if isinstance(guides, GuidePool) else GuidePool(guides))
