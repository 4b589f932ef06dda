"""Make docs/pictures/replay.png of a run: python docs/make_replay.py RUN [EPISODE] [STEP].

Needs Chromium (apt-get install chromium).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from metta_sweep.commands.replay import Replay, replay
from metta_sweep.invocation import default_data_dir

PICTURE = Path(__file__).resolve().parent / "pictures" / "replay.png"
SIZE = "1040,830"


def main(run: str, episode: str = "0", step: str = "0") -> None:
    """Write what a browser shows of an episode at one of its steps."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("no Chromium found")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "replay.html"
        asked = Replay(
            run=run,
            data_dir=default_data_dir(),
            form="html",
            checkpoint="best",
            simulation=None,
            episode=int(episode),
            out=file,
        )
        sys.stdout.write(f"{replay(asked)}\n")
        page = file.read_text(encoding="utf-8")
        file.write_text(page.replace("</body>", f"<script>go({int(step)})</script></body>"), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"]
        subprocess.run([browser, *options, f"--screenshot={PICTURE}", file.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
