"""The HTML pages that browse what is published."""
