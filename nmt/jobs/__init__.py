"""Jobs in blocks of lines, spread over processes, with resumable output; knows nothing of models."""
