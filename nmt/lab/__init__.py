"""The laboratory: why cells are built so. Gradients through time, long memory, gates, attention, exposure."""
