"""The mirror's process: ``python -m metta_sweep.commands.mirror``. It shows the report's answer at W&B as well."""

from __future__ import annotations

import socket
import sys

from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.mirror import main


def answer(paths: SweepPaths, state: SweepState, run_page: str) -> str:
    """Return the report's answer as a page; what makes it is loaded when it is first needed.

    Args:
        paths: The sweep.
        state: Its state.
        run_page: Address of a run's page with ``{run}`` for its name.
    """
    from metta_sweep.report.html.gather import gather_answer
    from metta_sweep.report.html.still import answer_page
    from metta_sweep.report.place import Place

    controller = "" if state.stopped is not None else socket.gethostname()
    return answer_page(gather_answer(state, Place.here(paths, controller=controller), run_page))


if __name__ == "__main__":
    sys.exit(main(answer=answer))
