"""One file a framework, each run on its own by ``serving.py`` under an interpreter that has the framework."""
