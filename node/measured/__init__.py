"""Made to measure: what a buyer chooses of a design, generated in a cage, told to few."""
