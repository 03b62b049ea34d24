"""Drawings of graphs, from the nodes and edges that the API tells of; no web service is asked."""
