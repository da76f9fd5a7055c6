"""From a mesh to the program of a machine, by the workshop's own slicer, in the cage."""
