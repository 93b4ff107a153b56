"""The reference plugins beside ours: defects that they have and we do not."""
