"""A model and a page in a folder that any web server can serve: the browser translates."""
