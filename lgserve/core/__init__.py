"""The vocabulary, values, rules and ports of lgserve; imports the standard library only."""
