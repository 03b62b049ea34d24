"""The user's graphs: finding, importing, building, describing them."""
