"""Authenticators: API keys, JSON web tokens, and the project's own `langgraph_sdk.Auth`."""
