"""lgserve: an open server for the LangGraph API, and its command line."""

__version__ = "0.1.0"
