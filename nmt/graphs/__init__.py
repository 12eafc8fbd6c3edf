"""A trained model as an ONNX graph, a function for each layer."""
