"""The laboratory: why cells are built as they are. Gradients, long memory, gates, attention, exposure."""
