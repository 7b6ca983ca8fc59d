"""The scenarios that come with Talos, a module each; its name is the word on the command line."""
