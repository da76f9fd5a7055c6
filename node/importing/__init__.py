"""Importing: from whatever lies on a disk or the web to a folder that can be published."""
