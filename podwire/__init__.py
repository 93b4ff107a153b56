"""Map of this room: see its modules."""
