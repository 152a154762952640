"""The `kvae` command: one thin file a subcommand."""
