"""What was removed stays arguable: runs checked, pages given back, other policies applied, runs compared."""
