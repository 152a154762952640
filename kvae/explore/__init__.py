"""A page in which a person looks around a trained model, served by Bokeh or written to a file."""
