"""A loopback W&B server for tests: it answers the real client and refuses what it does not know."""

from tests.track.server.faults import Fault, Faults
from tests.track.server.loopback import LoopbackServer
from tests.track.server.world import RemoteRun, RemoteSweep, World

__all__ = ["Fault", "Faults", "LoopbackServer", "RemoteRun", "RemoteSweep", "World"]
