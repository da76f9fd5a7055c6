"""Drawings for machines that cut sheets: DXF and SVG, measured."""
