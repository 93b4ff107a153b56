"""The slow end of the suite: many generated requests, many killed ones, many at once."""
