"""What all attempts of a run share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio

    from spotci.executor.backend import Backend
    from spotci.executor.elsewhere import ProjectNeeds
    from spotci.executor.emit import Emit
    from spotci.executor.handover import HandoverStore
    from spotci.executor.plan import RunPlan
    from spotci.executor.snapshot import Snapshots

__all__ = ["RunnerServices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerServices:
    """What all attempts of a run share.

    When ``hurry`` is set, canceled jobs end without their ``after_script``.
    """

    plan: RunPlan
    backend: Backend
    emit: Emit
    clock: Callable[[], float]
    snapshots: Snapshots
    store: HandoverStore
    needs: ProjectNeeds
    hurry: anyio.Event
