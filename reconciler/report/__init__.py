"""What flows return, as text and JSON. The only place beside the command line that prints."""
