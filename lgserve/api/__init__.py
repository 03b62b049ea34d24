"""The HTTP API on aiohttp: handlers parse, call one service method, encode."""
