"""The colours of the course: one for each idea, the same in every figure, in light and in dark.

Figures are drawn in the light colours. In a page, ``svg`` turns each into the CSS variable of that name, which
``assets/views.css`` sets for both themes; a test keeps the two files equal. The hues follow Okabe and Ito's
colour-blind-safe palette, moved in lightness for contrast: https://jfly.uni-koeln.de/color/
"""

BATCH = "#0072b2"
FEATURES = "#b34700"
HIDDEN = "#007a5a"
OUTPUT = "#a0447f"
MUTED = "#6b7280"
ERROR = "#b3261e"

CSS_VARIABLES = {
    BATCH: "--fp-batch",
    FEATURES: "--fp-features",
    HIDDEN: "--fp-hidden",
    OUTPUT: "--fp-output",
    MUTED: "--fp-muted",
    ERROR: "--fp-error",
}
