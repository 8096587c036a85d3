"""The checkers of the exercises of this chapter."""
