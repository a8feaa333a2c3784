"""The web pages: the shell around the pages that rooms bring, and the server."""
