"""Published programs and the services that they talk to, one to a module.

``service`` handles a connection on the server; ``program`` uses the package against it and prints
what it was told. What it prints has to be the same on websockets and on wscore.
"""
