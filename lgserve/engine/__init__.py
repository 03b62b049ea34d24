"""What happens without a request: runs are claimed, executed and settled."""
