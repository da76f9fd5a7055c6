"""What the form of a part tells a maker: walls, poses, and which other part it is like."""
