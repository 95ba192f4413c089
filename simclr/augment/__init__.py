"""Views of images: what is drawn, and how it is applied."""
