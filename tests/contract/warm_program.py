"""The same program, in a module that a fork server loads."""

from __future__ import annotations

import sys

from tests.contract.program import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
