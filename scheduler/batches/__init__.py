"""Many jobs at once: who gets which machine, in which sequence."""
