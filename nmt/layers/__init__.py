"""Recurrent cells, attention, encoders, decoders, heads and losses: plain torch, no configuration."""
