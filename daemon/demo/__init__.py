"""`convener demo`: the real commands over realistic meetings and stand-ins of the servers, in a temporary folder."""
