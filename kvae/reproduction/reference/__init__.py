"""The claims of the report that kvae re-implements ("the report"), a file for each subject."""
