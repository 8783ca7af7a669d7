"""Systems without weights: endpoints and files of predictions. Nothing in this room imports torch."""
