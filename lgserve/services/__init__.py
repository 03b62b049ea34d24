"""Use cases: frozen dataclasses that hold ports, one public method an API operation."""
