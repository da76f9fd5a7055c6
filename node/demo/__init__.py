"""A town of workshops on this computer, to see the main job done."""
