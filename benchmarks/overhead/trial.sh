#!/bin/sh
# A run that does nothing: its score is what it was asked for.
echo '{"metrics": {"reward": 1.0}, "cost_s": 1.0}' >"$1/result.json"
