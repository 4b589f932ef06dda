"""W&B: a faithful, rebuildable mirror of the journal, kept by a process of its own and never in the way.

``settings`` decides the mode, ``controller`` starts and ends the mirror, ``mirror`` is that process: it follows the
journal (``feed``), derives what is to be shown (``facts``, ``ranges``), sends and proves it
(``mirroring``) through the client (``client``, ``register``), and says where it stands (``link``).
``importing`` goes the other way.

``share`` is a sweep that several machines share, behind the loop's port ``Peers``; nothing else here knows its parts.
"""

from metta_sweep.track.controller import MirrorProcess, SyncReport, start_mirror, sync
from metta_sweep.track.importing import ImportReport, import_sweep
from metta_sweep.track.settings import Mode, resolve_mode

__all__ = [
    "ImportReport",
    "MirrorProcess",
    "Mode",
    "SyncReport",
    "import_sweep",
    "resolve_mode",
    "start_mirror",
    "sync",
]
