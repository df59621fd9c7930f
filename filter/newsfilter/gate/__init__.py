"""The gate: `check` and `--fix`, for pre-commit, CI and pipelines."""
