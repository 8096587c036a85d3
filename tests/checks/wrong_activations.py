"""Wrong answers to the exercises of this chapter, as people give them."""

WRONG = {}
