"""Work dealt to processes, cut into blocks, with output that resumes; knows nothing of models."""
