"""The graphs of langgraph.yaml.example; they need no key and no network."""
