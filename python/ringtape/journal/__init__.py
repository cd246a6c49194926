"""Recordings: captures of frames with their receive times, read back through the engine."""
