"""Projects and graphs that ship with lgserve."""
