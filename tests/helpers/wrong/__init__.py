"""Wrong answers that people give to the exercises, a module a chapter."""
