"""The catalogue of designs: searched by words and facets."""
