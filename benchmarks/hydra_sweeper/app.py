"""A Hydra app whose runs take log-normal times, the same for a job's number whoever sweeps it, and sleep for them."""

import json
import math
import os
import random
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig


def born_s() -> float:
    """Return when this process began, in seconds since the epoch; Linux."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    began_s = time.time()
    time.sleep(random.Random(1000 + cfg.number).lognormvariate(math.log(cfg.median_s), cfg.sigma))
    folder = Path(cfg.times)
    folder.mkdir(parents=True, exist_ok=True)
    found = {"number": cfg.number, "born_s": born_s(), "began_s": began_s, "ended_s": time.time()}
    line = json.dumps(found)
    (folder / f"{cfg.number}-{time.time_ns()}.json").write_text(line)
    return cfg.x**2 + cfg.y**2


if __name__ == "__main__":
    main()
